//! RTP (RFC 3550): packets, one side's reception accounting, one side's sending.
//!
//! `rtp-rs` is named only in `packet.rs` and `extension.rs`. [`Leg`](crate::leg::Leg) is the caller.

mod extension;
mod packet;
mod receiver;
mod sender;

pub use extension::Extensions;
pub use packet::{AudioLevel, AudioPacket, Content, HEADER_BYTES, MAX_DATAGRAM_BYTES, Packet};
pub use receiver::{Receiver, Reception, ReportBlockFigures, Verdict};
pub use sender::Sender;

/// A synchronisation source identifier (RFC 3550 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ssrc(pub u32);

/// An RTP sequence number: 16 bits that wrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SeqNo(pub u16);

impl SeqNo {
    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// Signed distance from `earlier` to here.
    pub const fn since(self, earlier: Self) -> i16 {
        self.0.wrapping_sub(earlier.0) as i16
    }
}

/// A 7-bit RTP payload type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PayloadType(pub u8);
