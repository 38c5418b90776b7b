//! Offer and answer of plain RTP audio (RFC 3264, RFC 8866): what the two sides send each other.
//!
//! `call/` asks: [`offer`] for a call we place, [`answer`] for one we take (and for every re-INVITE),
//! [`accept_answer`] for what comes back, each under a [`Policy`]. The outcome, [`Negotiated`], configures a
//! [`Leg`](crate::leg::Leg). The reader (`wire.rs`) is our own: it skips what it does not know and
//! forgives what phones get wrong, where the general SDP crates refuse the whole description.
//! Names are not resolved and encrypted media is not taken here.

mod answer;
mod error;
mod extmap;
mod fmtp;
mod negotiated;
mod offer;
mod policy;
mod rtpmap;
mod text;
mod wire;

#[cfg(test)]
mod codec_tests;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

pub use answer::{accept_answer, answer};
pub use error::Error;
pub use negotiated::{Direction, Format, Negotiated};
pub use offer::offer;
pub use policy::Policy;
pub use wire::{MAX_ATTRIBUTES, MAX_BYTES, MAX_FORMATS, MAX_MEDIA};

/// Our side of a description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalMedia {
    /// Where we receive; goes into `c=` and `o=`.
    pub ip: IpAddr,
    /// The RTP port; RTCP is on the next one, or on this one when muxed.
    pub rtp_port: u16,
    /// `o=` session id: one per dialog.
    pub session_id: u64,
    /// `o=` version: one more for each description that differs from the last (RFC 3264 §8).
    pub version: u64,
}

impl LocalMedia {
    /// The first version of a session.
    pub const fn new(ip: IpAddr, rtp_port: u16, session_id: u64) -> Self {
        Self { ip, rtp_port, session_id, version: 1 }
    }
}
