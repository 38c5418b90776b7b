//! What we send, encrypted under one key of ours.

use super::cipher::Cipher;
use super::derive::Protocol;
use super::keys::MasterKey;
use super::{bytes_at, rtp_header_len};

/// The highest index of SRTCP: 31 bits.
const MAX_RTCP_INDEX: u32 = (1 << 31) - 1;

/// The context of one key of ours, for one stream (one SSRC).
///
/// No index is used twice under a key: that would give away what both packets hold. So a key keeps its
/// context as long as it may be used again.
pub struct Outbound {
    key: MasterKey,
    rtp: Cipher,
    rtcp: Cipher,
    /// Of the last packet: how often sequence numbers began anew, and its number.
    roc: u32,
    last_seq: Option<u16>,
    next_rtcp: u32,
}

impl Outbound {
    /// A context from which nothing has been sent. `None` if the primitives refuse the key, which they
    /// do for none of ours.
    pub fn new(key: MasterKey) -> Option<Self> {
        let (rtp, rtcp) = (Cipher::new(&key, Protocol::Rtp)?, Cipher::new(&key, Protocol::Rtcp)?);
        Some(Self { key, rtp, rtcp, roc: 0, last_seq: None, next_rtcp: 0 })
    }

    /// The key.
    pub fn key(&self) -> &MasterKey {
        &self.key
    }

    /// Encrypts the RTP packet in the first `len` bytes of `out`, which has to have
    /// [`MAX_OVERHEAD_BYTES`](super::MAX_OVERHEAD_BYTES) more; gives its new length. Packets are to come
    /// in the order of their sequence numbers.
    ///
    /// `None` if there is no room, it is no RTP packet, or the key is used up (2^48 packets).
    pub fn protect_rtp(&mut self, out: &mut [u8], len: usize) -> Option<usize> {
        let header = rtp_header_len(out.get(..len)?)?;
        let seq = u16::from_be_bytes(bytes_at(out, 2)?);
        let ssrc = u32::from_be_bytes(bytes_at(out, 8)?);
        let roc = match self.last_seq {
            Some(last) if seq <= last => self.roc.checked_add(1)?,
            _ => self.roc,
        };
        let index = (u64::from(roc) << 16) | u64::from(seq);
        let sealed = self.rtp.seal_rtp(ssrc, index, out, header, len)?;
        (self.roc, self.last_seq) = (roc, Some(seq));
        Some(sealed)
    }

    /// As [`protect_rtp`](Self::protect_rtp) for RTCP; 2^31 packets are the end there.
    pub fn protect_rtcp(&mut self, out: &mut [u8], len: usize) -> Option<usize> {
        let index = Some(self.next_rtcp).filter(|&index| index <= MAX_RTCP_INDEX)?;
        let ssrc = u32::from_be_bytes(bytes_at(out.get(..len)?, 4)?);
        let sealed = self.rtcp.seal_rtcp(ssrc, index, out, len)?;
        self.next_rtcp += 1;
        Some(sealed)
    }
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { key, roc, last_seq, .. } = self;
        write!(f, "Outbound({key:?}, {roc}, {last_seq:?})")
    }
}
