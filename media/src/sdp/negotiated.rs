//! The outcome of an offer and its answer, from our side.

use std::net::SocketAddr;

use crate::codec::{CodecKind, SendFormat};
use crate::rtp::PayloadType;
use crate::srtp::Keys;

/// Who sends, seen from our side. The peer's word is the mirror image (RFC 3264 §6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Both.
    SendRecv,
    /// We send, the peer only listens.
    SendOnly,
    /// We listen: the peer has put us on hold.
    RecvOnly,
    /// Nobody sends audio; RTCP goes on.
    Inactive,
}

impl Direction {
    /// Whether we may send audio.
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the peer may send audio.
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same, seen from the other side.
    #[must_use]
    pub const fn mirrored(self) -> Self {
        Self::new(self.receives(), self.sends())
    }

    /// From the two halves.
    pub const fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// What both allow.
    #[must_use]
    pub const fn within(self, other: Self) -> Self {
        Self::new(self.sends() && other.sends(), self.receives() && other.receives())
    }

    /// The attribute, as in `a=sendrecv`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// The direction an attribute names.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive]
            .into_iter()
            .find(|direction| direction.name().eq_ignore_ascii_case(name))
    }
}

/// What a payload type holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Speech.
    Audio(CodecKind),
    /// Digits (RFC 4733).
    TelephoneEvent {
        /// What their durations count.
        clock_hz: u32,
    },
    /// Silence descriptors (RFC 3389), at 8 kHz.
    ComfortNoise,
}

impl Format {
    /// The codec, if it is speech.
    pub(super) fn codec(self) -> Option<CodecKind> {
        match self {
            Self::Audio(codec) => Some(codec),
            Self::TelephoneEvent { .. } | Self::ComfortNoise => None,
        }
    }
}

/// What offer and answer agreed on. Configures a [`Leg`](crate::leg::Leg).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Negotiated {
    /// Where to send RTP. Its address is unspecified (`0.0.0.0`) when the peer holds the old way
    /// (RFC 3264 §8.4); [`direction`](Self::direction) then forbids sending.
    pub remote_rtp: SocketAddr,
    /// Where to send RTCP: `a=rtcp` (RFC 3605), the next port, or `remote_rtp` when muxed.
    pub remote_rtcp: SocketAddr,
    /// RTP and RTCP share one port on both sides (RFC 5761).
    pub rtcp_mux: bool,
    /// How audio is to be sent: codec, audio in a packet, parameters.
    pub send: SendFormat,
    /// The codec's payload type, as the peer numbers it.
    pub payload_type: PayloadType,
    /// Payload type to send digits with (RFC 4733); `None` if the peer takes none.
    pub dtmf_payload_type: Option<PayloadType>,
    /// What the durations of these digits count: the codec's clock, unless the peer has events at
    /// another one only.
    pub dtmf_clock_hz: u32,
    /// Payload type to send silence descriptors with (RFC 3389), if both sides take them.
    pub comfort_noise: Option<PayloadType>,
    /// Identifier of the header extension in which the peer says how loud it is (RFC 6464).
    pub level_extension: Option<u8>,
    /// All that may arrive, as we number it.
    pub receive: Vec<(PayloadType, Format)>,
    /// Who sends.
    pub direction: Direction,
    /// What RTP and RTCP are encrypted with (SRTP); `None` if they are not.
    pub srtp: Option<Keys>,
}

impl Negotiated {
    /// What the media line of our answer names.
    pub(super) fn answered_formats(&self) -> Vec<(PayloadType, Format)> {
        let digits = Format::TelephoneEvent { clock_hz: self.dtmf_clock_hz };
        [(self.payload_type, Format::Audio(self.send.codec))]
            .into_iter()
            .chain(self.comfort_noise.map(|number| (number, Format::ComfortNoise)))
            .chain(self.dtmf_payload_type.map(|number| (number, digits)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direction_mirrors_into_what_the_other_side_does() {
        use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
        let pairs = [
            (SendRecv, SendRecv),
            (SendOnly, RecvOnly),
            (RecvOnly, SendOnly),
            (Inactive, Inactive),
        ];
        for (ours, theirs) in pairs {
            assert_eq!(ours.mirrored(), theirs);
            assert_eq!((ours.sends(), ours.receives()), (theirs.receives(), theirs.sends()));
            assert_eq!(Direction::from_name(ours.name()), Some(ours));
        }
        assert_eq!(Direction::from_name("SENDONLY"), Some(SendOnly));
        assert_eq!(Direction::from_name("rtpmap"), None);
    }
}
