//! What a leg counts.

use std::time::{Duration, Instant};

use crate::codec::{CodecKind, SendFormat};

/// Why a datagram was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ignored {
    /// No description has been agreed on yet.
    NotNegotiated,
    /// Not from the peer.
    Stranger,
    /// Not an RTP packet.
    Malformed,
    /// RTCP on the RTP port without rtcp-mux.
    UnexpectedRtcp,
    /// Malformed RTCP.
    BadRtcp,
    /// A payload type that was not negotiated.
    UnknownPayloadType,
    /// From a new SSRC or after a jump, not confirmed yet.
    OnProbation,
    /// We said that we receive nothing.
    Held,
    /// No payload: a keep-alive.
    Empty,
    /// A telephone-event that is not a key.
    UnknownEvent,
    /// SRTP or SRTCP whose tag is wrong: forged, damaged, under another key, or not encrypted at all.
    Unauthentic,
    /// SRTP or SRTCP that has come before, or is too old to tell (RFC 3711 §3.3.2).
    Replayed,
}

/// Datagrams dropped, by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rejections {
    /// [`Ignored::NotNegotiated`]
    pub not_negotiated: u64,
    /// [`Ignored::Stranger`]
    pub stranger: u64,
    /// [`Ignored::Malformed`], [`Ignored::UnexpectedRtcp`] and [`Ignored::BadRtcp`]
    pub malformed: u64,
    /// [`Ignored::UnknownPayloadType`] and [`Ignored::UnknownEvent`]
    pub unknown_format: u64,
    /// [`Ignored::OnProbation`]
    pub on_probation: u64,
    /// [`Ignored::Held`]
    pub held: u64,
    /// [`Ignored::Empty`]
    pub empty: u64,
    /// [`Ignored::Unauthentic`]
    pub unauthentic: u64,
    /// [`Ignored::Replayed`]
    pub replayed: u64,
}

impl Rejections {
    pub(super) fn count(&mut self, reason: Ignored) {
        *match reason {
            Ignored::NotNegotiated => &mut self.not_negotiated,
            Ignored::Stranger => &mut self.stranger,
            Ignored::Malformed | Ignored::UnexpectedRtcp | Ignored::BadRtcp => &mut self.malformed,
            Ignored::UnknownPayloadType | Ignored::UnknownEvent => &mut self.unknown_format,
            Ignored::OnProbation => &mut self.on_probation,
            Ignored::Held => &mut self.held,
            Ignored::Empty => &mut self.empty,
            Ignored::Unauthentic => &mut self.unauthentic,
            Ignored::Replayed => &mut self.replayed,
        } += 1;
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        let Self { not_negotiated, stranger, malformed, unknown_format, .. } = self;
        let Self { on_probation, held, empty, unauthentic, replayed, .. } = self;
        let forged = unauthentic + replayed;
        not_negotiated
            + stranger
            + malformed
            + unknown_format
            + on_probation
            + held
            + empty
            + forged
    }
}

/// What the peer last reported about our stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteReport {
    /// Of its last interval, in 1/256.
    pub fraction_lost: u8,
    /// Since the beginning.
    pub cumulative_lost: i32,
    /// Interarrival jitter it sees, in the clock we send at the time of the report.
    pub jitter: Duration,
}

impl RemoteReport {
    /// Of its last interval, 0 to 1.
    pub fn loss(&self) -> f32 {
        f32::from(self.fraction_lost) / 256.0
    }
}

/// A leg's figures since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LegStats {
    /// How audio is sent; `None` before the negotiation.
    pub send: Option<SendFormat>,
    /// The codec of the last speech that came, or the one that is expected.
    pub hears: Option<CodecKind>,
    /// The RTP clock of what is sent.
    pub clock_hz: u32,
    /// RTP packets accepted.
    pub packets_received: u64,
    /// Their payload octets.
    pub octets_received: u64,
    /// Expected minus received; negative when duplicates came.
    pub packets_lost: i64,
    /// Interarrival jitter (RFC 3550 A.8).
    pub jitter: Duration,
    /// RTP packets sent.
    pub packets_sent: u64,
    /// Their payload octets.
    pub octets_sent: u64,
    /// To the peer and back, from RTCP.
    pub round_trip: Option<Duration>,
    /// What the peer says about what it receives.
    pub remote_report: Option<RemoteReport>,
    /// Datagrams dropped.
    pub rejected: Rejections,
    /// When the last good RTP packet arrived, held ones included.
    pub last_received: Option<Instant>,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) rejected: Rejections,
    pub(super) last_received: Option<Instant>,
}
