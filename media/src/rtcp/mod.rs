//! RTCP (RFC 3550 §6): sender and receiver reports, CNAME, goodbye, and when to send them.
//!
//! [`Leg`](crate::leg::Leg) is the caller. We send compound packets of at most one report block,
//! since a leg has one peer; we read any.

mod parse;
mod schedule;
mod write;

pub use parse::{Compound, Item, ReportBlocks, parse};
pub use schedule::Schedule;
pub use write::{Report, write_bye, write_report};

use std::time::Duration;

use crate::rtp::Ssrc;
use crate::time::{NtpTime, RtpTime};

/// Packet types (RFC 3550 §12.1).
const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;

/// What a sender says about its stream (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderInfo {
    /// Wall clock at sending.
    pub ntp: NtpTime,
    /// The same instant on the RTP clock.
    pub rtp: RtpTime,
    /// Packets sent, wrapping.
    pub packets: u32,
    /// Payload octets sent, wrapping.
    pub octets: u32,
}

/// What a receiver says about a stream (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportBlock {
    /// The stream.
    pub ssrc: Ssrc,
    /// Lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Lost since the beginning, 24 bits signed.
    pub cumulative_lost: i32,
    /// Extended highest sequence number.
    pub highest_seq: u32,
    /// RTP clock units.
    pub jitter: u32,
    /// Middle bits of the last sender report's NTP time; 0 if there was none.
    pub last_sr: u32,
    /// Since that report arrived, in 1/65,536 s.
    pub delay_since_last_sr: u32,
}

impl ReportBlock {
    /// Round-trip time at `arrival` (RFC 3550 §6.4.1, figure 2). `None` if the peer has had no sender
    /// report of ours, or if its figures contradict our clock.
    pub fn round_trip(&self, arrival: NtpTime) -> Option<Duration> {
        if self.last_sr == 0 {
            return None;
        }
        let since_sr = arrival.middle().wrapping_sub(self.last_sr);
        let trip = since_sr.checked_sub(self.delay_since_last_sr)?;
        // More than an hour is not a network, it is a block about someone else's report.
        let seconds = f64::from(trip) / 65_536.0;
        (seconds < 3_600.0).then(|| Duration::from_secs_f64(seconds))
    }
}

/// A duration in 1/65,536 s, as DLSR counts.
pub fn dlsr(duration: Duration) -> u32 {
    let units = duration.as_micros() * 65_536 / 1_000_000;
    u32::try_from(units).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_is_computed_as_in_figure_2_of_rfc_3550() {
        let block = ReportBlock {
            ssrc: Ssrc(1),
            fraction_lost: 0,
            cumulative_lost: 0,
            highest_seq: 0,
            jitter: 0,
            last_sr: 0xb705_2000,
            delay_since_last_sr: 0x0005_4000,
        };
        let arrival = NtpTime(0xb710_8000_u64 << 16);
        assert_eq!(block.round_trip(arrival), Some(Duration::from_millis(6_125)));
        assert_eq!(ReportBlock { last_sr: 0, ..block }.round_trip(arrival), None);
        let early = NtpTime(0xb705_2001_u64 << 16);
        assert_eq!(block.round_trip(early), None);
    }

    #[test]
    fn dlsr_counts_in_65536ths() {
        assert_eq!(dlsr(Duration::from_millis(5_250)), 0x0005_4000);
        assert_eq!(dlsr(Duration::from_secs(1 << 20)), u32::MAX);
    }
}
