//! What the peer sends under one key of its own: checked, then decrypted.
//!
//! Only what is authentic changes anything, so forged packets cost their check and no memory.

use super::cipher::Cipher;
use super::derive::Protocol;
use super::keys::{MasterKey, Mki};
use super::replay::Window;
use super::{bytes_at, rtp_header_len};

/// Streams that are told apart; a sender has one, and another one after a restart. More push out the
/// one that was silent longest.
const MAX_STREAMS: usize = 4;

/// Why a packet was not decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// No packet of this protocol, or too short for its tag.
    Malformed,
    /// It has come already, or is older than the window of 64.
    Replayed,
    /// Its tag is wrong: forged, damaged, or under another key.
    Forged,
}

/// The context of one key of the peer's.
pub struct Inbound {
    key: MasterKey,
    mki: Option<Mki>,
    rtp: Cipher,
    rtcp: Cipher,
    rtp_streams: Streams,
    rtcp_streams: Streams,
}

/// The windows of the streams under one key, the one heard last first.
#[derive(Debug, Default)]
struct Streams([Option<(u32, Window)>; MAX_STREAMS]);

impl Inbound {
    /// A context in which nothing has come. `mki` is what the peer announced to send beside each tag.
    /// `None` if the primitives refuse the key, which they do for none.
    pub fn new(key: MasterKey, mki: Option<Mki>) -> Option<Self> {
        let (rtp, rtcp) = (Cipher::new(&key, Protocol::Rtp)?, Cipher::new(&key, Protocol::Rtcp)?);
        let (rtp_streams, rtcp_streams) = Default::default();
        Some(Self { key, mki, rtp, rtcp, rtp_streams, rtcp_streams })
    }

    /// Whether the context is the one of this key.
    pub fn is_of(&self, key: &MasterKey, mki: Option<Mki>) -> bool {
        self.key == *key && self.mki == mki
    }

    /// Decrypts an RTP packet in place; gives the length of the plain one.
    ///
    /// # Errors
    /// [`Refused`]. The bytes are not to be used then; they are as they were unless the suite is GCM.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, Refused> {
        let header = rtp_header_len(packet).ok_or(Refused::Malformed)?;
        let seq = u16::from_be_bytes(bytes_at(packet, 2).ok_or(Refused::Malformed)?);
        let ssrc = u32::from_be_bytes(bytes_at(packet, 8).ok_or(Refused::Malformed)?);
        let window = self.rtp_streams.get(ssrc);
        let index = match window {
            None => u64::from(seq),
            Some(window) => {
                let index = window.guess(seq).ok_or(Refused::Replayed)?;
                if !window.is_fresh(index) {
                    return Err(Refused::Replayed);
                }
                index
            }
        };
        if let Some(len) = self.open_rtp(ssrc, index, packet, header) {
            self.rtp_streams.insert(ssrc, index);
            return Ok(len);
        }
        // A stream whose numbers began anew before its first packet got through: the sender counts
        // that, and we could not (RFC 3711 §3.3.1 warns of it).
        if window.is_none() && seq < 1 << 15 && self.rtp.keeps_refused() {
            let index = (1 << 16) | index;
            if let Some(len) = self.open_rtp(ssrc, index, packet, header) {
                self.rtp_streams.insert(ssrc, index);
                return Ok(len);
            }
        }
        Err(Refused::Forged)
    }

    /// As [`unprotect_rtp`](Self::unprotect_rtp) for RTCP.
    ///
    /// # Errors
    /// [`Refused`]; [`Refused::Malformed`] also for a packet that says it is not encrypted.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Refused> {
        let ssrc = u32::from_be_bytes(bytes_at(packet, 4).ok_or(Refused::Malformed)?);
        let window = self.rtcp_streams.get(ssrc);
        let announced = MkiBytes::of(self.mki);
        let mut refusal = Refused::Malformed;
        let mut open = |mki: &[u8]| {
            let index = self.rtcp.rtcp_index(packet, mki)?;
            if window.is_some_and(|window| !window.is_fresh(u64::from(index))) {
                refusal = Refused::Replayed;
                return None;
            }
            refusal = Refused::Forged;
            Some((self.rtcp.open_rtcp(ssrc, index, packet, mki)?, index))
        };
        let mut opened = open(announced.get());
        if opened.is_none() && self.mki.is_some() {
            opened = open(&[]);
        }
        let (len, index) = opened.ok_or(refusal)?;
        self.rtcp_streams.insert(ssrc, u64::from(index));
        Ok(len)
    }

    /// Tries with the MKI that was announced, then without: not all who announce one send it. (What GCM
    /// could not open with it is spoilt, and fails again.)
    fn open_rtp(&self, ssrc: u32, index: u64, packet: &mut [u8], header: usize) -> Option<usize> {
        let announced = MkiBytes::of(self.mki);
        let opened = self.rtp.open_rtp(ssrc, index, packet, header, announced.get());
        if opened.is_some() || self.mki.is_none() {
            return opened;
        }
        self.rtp.open_rtp(ssrc, index, packet, header, &[])
    }
}

/// An MKI as it stands in packets; nothing if there is none.
struct MkiBytes([u8; 4], usize);

impl MkiBytes {
    fn of(mki: Option<Mki>) -> Self {
        mki.map_or(Self([0; 4], 0), |Mki { value, len }| {
            Self(value.to_be_bytes(), usize::from(len))
        })
    }

    fn get(&self) -> &[u8] {
        let Self(bytes, len) = self;
        bytes.get(bytes.len().saturating_sub(*len)..).unwrap_or_default()
    }
}

impl Streams {
    fn get(&self, ssrc: u32) -> Option<Window> {
        self.0.iter().flatten().find(|(known, _)| *known == ssrc).map(|(_, window)| *window)
    }

    fn insert(&mut self, ssrc: u32, index: u64) {
        let known = self.0.iter().position(|stream| stream.is_some_and(|(known, _)| known == ssrc));
        let place = known.unwrap_or(MAX_STREAMS - 1);
        let Some(streams) = self.0.get_mut(..=place) else { return };
        streams.rotate_right(1);
        let Some(first) = streams.first_mut() else { return };
        match (known, first) {
            (Some(_), Some((_, window))) => window.insert(index),
            (_, first) => *first = Some((ssrc, Window::starting(index))),
        }
    }
}

impl std::fmt::Debug for Inbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { key, rtp_streams, .. } = self;
        write!(f, "Inbound({key:?}, {rtp_streams:?})")
    }
}
