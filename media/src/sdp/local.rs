//! Our side of a session: where we receive, and what we encrypt with.

use std::net::IpAddr;

use super::crypto::Encryption;
use crate::srtp::LocalKeys;

/// Our side of a description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalMedia {
    /// Where we receive; goes into `c=` and `o=`.
    pub ip: IpAddr,
    /// The RTP port; RTCP is on the next one, or on this one when muxed.
    pub rtp_port: u16,
    /// `o=` session id: one per dialog.
    pub session_id: u64,
    /// `o=` version of the first description; a [`Session`](super::Session) counts on from here.
    pub version: u64,
    /// How much is to be encrypted.
    pub encryption: Encryption,
    /// What we encrypt with. Without keys nothing is, and what is [`Encryption::Required`] fails.
    pub srtp: Option<LocalKeys>,
}

impl LocalMedia {
    /// The first version of a session, without encryption.
    pub const fn new(ip: IpAddr, rtp_port: u16, session_id: u64) -> Self {
        let (encryption, srtp) = (Encryption::Off, None);
        Self { ip, rtp_port, session_id, version: 1, encryption, srtp }
    }

    /// The same with keys of its own.
    #[must_use]
    pub const fn encrypted(self, encryption: Encryption, keys: LocalKeys) -> Self {
        Self { encryption, srtp: Some(keys), ..self }
    }

    /// Our keys, if they may be used.
    pub(super) fn keys(&self) -> Option<LocalKeys> {
        self.srtp.filter(|_| self.encryption != Encryption::Off)
    }
}
