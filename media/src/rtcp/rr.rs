//! Report blocks (RFC 3550 §6.4.1, §6.4.2): what one side receives of the other, and the round
//! trip that follows from it.

use std::time::{Duration, Instant};

use super::sr::SenderInfo;
use super::wire::{MAX_BLOCKS, Writer};
use crate::rtp::{ReportBlockFigures, Ssrc};
use crate::time::NtpTime;

/// Reception of one stream, as reported by its receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportBlock {
    /// The stream reported on.
    pub ssrc: Ssrc,
    /// Lost since the previous report, in 1/256.
    pub fraction_lost: u8,
    /// Lost since the beginning: 24 bits, signed. Wider values are clamped when written.
    pub cumulative_lost: i32,
    /// Extended highest sequence number received.
    pub highest_seq: u32,
    /// Interarrival jitter in RTP clock units.
    pub jitter: u32,
    /// LSR: middle 32 bits of the last SR's NTP time, 0 if there was none.
    pub last_sr: u32,
    /// DLSR: time since that SR arrived, in 1/65,536 s.
    pub delay_since_last_sr: u32,
}

pub(super) const BLOCK_BYTES: usize = 24;

/// The last SR of the peer, kept to be told back to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastSr {
    ntp_middle: u32,
    arrived: Instant,
}

impl LastSr {
    /// Notes an SR that has just arrived.
    pub const fn new(info: &SenderInfo, arrived: Instant) -> Self {
        Self { ntp_middle: info.ntp.middle(), arrived }
    }
}

impl ReportBlock {
    /// Our figures about a stream, with what we last heard from its sender.
    pub fn new(figures: &ReportBlockFigures, last_sr: Option<LastSr>, now: Instant) -> Self {
        let (last_sr, delay_since_last_sr) = last_sr.map_or((0, 0), |last| {
            (last.ntp_middle, to_units(now.saturating_duration_since(last.arrived)))
        });
        Self {
            ssrc: figures.ssrc,
            fraction_lost: figures.fraction_lost,
            cumulative_lost: figures.cumulative_lost,
            highest_seq: figures.highest_seq,
            jitter: figures.jitter,
            last_sr,
            delay_since_last_sr,
        }
    }

    /// How long our SR and this answer to it were under way together (RFC 3550 §6.4.1).
    ///
    /// `arrival` is the wall clock when the block arrived, the same clock our SRs are stamped by.
    /// `None` if the peer has seen no SR of ours, or claims to have held it longer than it can have:
    /// more than the resolution of the two clocks explains.
    pub fn round_trip(&self, arrival: NtpTime) -> Option<Duration> {
        const TOLERATED_UNITS: i32 = 66; // 1 ms
        if self.last_sr == 0 {
            return None;
        }
        let units =
            arrival.middle().wrapping_sub(self.last_sr).wrapping_sub(self.delay_since_last_sr);
        match units as i32 {
            negative @ ..0 => (negative >= -TOLERATED_UNITS).then_some(Duration::ZERO),
            _ => Some(Duration::from_nanos((u64::from(units) * 1_000_000_000) >> 16)),
        }
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        let [_, l0, l1, l2] = self.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff).to_be_bytes();
        writer.put_u32(self.ssrc.0);
        writer.put(&[self.fraction_lost, l0, l1, l2]);
        writer.put_u32(self.highest_seq);
        writer.put_u32(self.jitter);
        writer.put_u32(self.last_sr);
        writer.put_u32(self.delay_since_last_sr);
    }

    fn read(bytes: &[u8; BLOCK_BYTES]) -> Self {
        let [
            s0,
            s1,
            s2,
            s3,
            fraction_lost,
            l0,
            l1,
            l2,
            h0,
            h1,
            h2,
            h3,
            j0,
            j1,
            j2,
            j3,
            t0,
            t1,
            t2,
            t3,
            d0,
            d1,
            d2,
            d3,
        ] = *bytes;
        Self {
            ssrc: Ssrc(u32::from_be_bytes([s0, s1, s2, s3])),
            fraction_lost,
            // The low byte is shifted out again, and the sign with it down.
            cumulative_lost: i32::from_be_bytes([l0, l1, l2, 0]) >> 8,
            highest_seq: u32::from_be_bytes([h0, h1, h2, h3]),
            jitter: u32::from_be_bytes([j0, j1, j2, j3]),
            last_sr: u32::from_be_bytes([t0, t1, t2, t3]),
            delay_since_last_sr: u32::from_be_bytes([d0, d1, d2, d3]),
        }
    }
}

/// The blocks of one report, read in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportBlocks<'a> {
    left: usize,
    rest: &'a [u8],
}

impl<'a> ReportBlocks<'a> {
    /// As many of the `count` announced blocks as `bytes` hold.
    pub(super) fn new(count: usize, bytes: &'a [u8]) -> Self {
        Self { left: count.min(MAX_BLOCKS), rest: bytes }
    }
}

impl Iterator for ReportBlocks<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        self.left = self.left.checked_sub(1)?;
        let (block, rest) = self.rest.split_first_chunk::<BLOCK_BYTES>()?;
        self.rest = rest;
        Some(ReportBlock::read(block))
    }
}

/// In 1/65,536 s, saturating after 18 hours.
fn to_units(duration: Duration) -> u32 {
    let units = (duration.as_nanos() << 16) / 1_000_000_000;
    u32::try_from(units).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::RtpTime;

    const FIGURES: ReportBlockFigures = ReportBlockFigures {
        ssrc: Ssrc(7),
        fraction_lost: 0,
        cumulative_lost: 0,
        highest_seq: 0,
        jitter: 0,
    };

    fn sr_at(ntp: NtpTime) -> SenderInfo {
        SenderInfo { ntp, rtp: RtpTime(0), packets: 0, octets: 0 }
    }

    #[test]
    fn the_example_of_rfc_3550_figure_2_gives_its_round_trip() {
        // A 46,864.500 - LSR 46,853.125 - DLSR 5.250
        let block = ReportBlock {
            last_sr: 0xb705_2000,
            delay_since_last_sr: 0x0005_4000,
            ..ReportBlock::new(&FIGURES, None, crate::sim::epoch())
        };
        let arrival = NtpTime(0x0000_b710_8000_0000);
        assert_eq!(block.round_trip(arrival), Some(Duration::from_millis(6_125)));
    }

    #[test]
    fn our_answer_to_an_sr_lets_the_peer_find_the_round_trip() {
        let (now, sent) = (crate::sim::epoch(), NtpTime(0xe000_0000_8000_0000));
        let one_way = Duration::from_millis(40);
        let held = Duration::from_millis(1_500);
        let last = LastSr::new(&sr_at(sent), now + one_way);
        let block = ReportBlock::new(&FIGURES, Some(last), now + one_way + held);
        let round_trip = block.round_trip(sent.plus(one_way + held + one_way)).unwrap();
        assert!(round_trip.abs_diff(2 * one_way) < Duration::from_micros(50), "{round_trip:?}");
    }

    #[test]
    fn without_an_sr_there_is_no_round_trip() {
        let block = ReportBlock::new(&FIGURES, None, crate::sim::epoch());
        assert_eq!((block.last_sr, block.delay_since_last_sr), (0, 0));
        assert_eq!(block.round_trip(NtpTime(1 << 40)), None);
    }

    #[test]
    fn a_round_trip_below_zero_is_rounding_or_a_lie() {
        let now = crate::sim::epoch();
        let sent = NtpTime(0x1234_5678_0000_0000);
        let block = ReportBlock::new(&FIGURES, Some(LastSr::new(&sr_at(sent), now)), now);
        let late = ReportBlock { delay_since_last_sr: 10, ..block };
        assert_eq!(late.round_trip(sent), Some(Duration::ZERO));
        let lie = ReportBlock { delay_since_last_sr: 65_536, ..block };
        assert_eq!(lie.round_trip(sent), None);
    }

    #[test]
    fn the_delay_saturates_instead_of_wrapping() {
        assert_eq!(to_units(Duration::from_secs(1)), 65_536);
        assert_eq!(to_units(Duration::from_secs(100_000)), u32::MAX);
    }
}
