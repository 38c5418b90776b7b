//! Encrypted media (SRTP and SRTCP, RFC 3711, RFC 6188, RFC 7714), in place and without allocation.
//!
//! [`sdp`](crate::sdp) exchanges the keys (RFC 4568), a [`Leg`](crate::leg::Leg) holds one [`Outbound`]
//! for what it sends and one [`Inbound`] for what comes. Block cipher, MAC and AEAD are those of
//! RustCrypto and ring; how packets are counted, numbered and laid out is here (adr/0014 says why).
//!
//! What is not done: other key derivation rates than 0, keys for a part of a stream (`From`, `To`),
//! our own MKI. Nothing of it can be negotiated.

#![warn(clippy::indexing_slicing)]

mod cipher;
mod derive;
mod inbound;
mod keys;
mod outbound;
mod replay;
mod suite;

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests;

pub use inbound::{Inbound, Refused};
pub use keys::{Keys, LocalKeys, MasterKey, Mki};
pub use outbound::Outbound;
pub use suite::Suite;

/// The most that a packet grows by: the tag of GCM and the index of SRTCP.
pub const MAX_OVERHEAD_BYTES: usize = 16 + 4;

/// Bytes of the RTCP header that stay readable: the first header with its SSRC (RFC 3711 §3.4).
const RTCP_CLEAR_BYTES: usize = 8;

/// How long the readable part of an RTP packet is: header, contributing sources and extension
/// (RFC 3711 §3.1). `None` if the packet ends before.
fn rtp_header_len(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    if first >> 6 != 2 {
        return None;
    }
    let fixed = 12 + 4 * usize::from(first & 0x0f);
    let len = match first & 0x10 {
        0 => fixed,
        _ => fixed + 4 + 4 * usize::from(u16::from_be_bytes(bytes_at(packet, fixed + 2)?)),
    };
    (len <= packet.len()).then_some(len)
}

/// A field of a packet.
fn bytes_at<const N: usize>(packet: &[u8], at: usize) -> Option<[u8; N]> {
    packet.get(at..at.checked_add(N)?)?.try_into().ok()
}
