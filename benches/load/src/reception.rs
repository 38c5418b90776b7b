//! What one caller received: counts, gaps, loss (RFC 3550 A.3 style), the sender's clock, and sound for
//! sampled callers.
//!
//! Fed by [`Media`](crate::media::Media) with each RTP packet and its kernel receive time. Only
//! packets that arrived inside the measured window count.

use std::time::{Duration, SystemTime};

use support::rtp::Packet;

use crate::pacing::{self, ClockFit};
use crate::spread::Histogram;

/// Time between two packets of a server that keeps its pace.
const PTIME: Duration = Duration::from_millis(20);
/// The longest time between two packets that a listener does not hear: two frames.
pub(crate) const LONG_GAP: Duration = Duration::from_millis(40);
/// Longer ones kept per caller.
const LONG_GAPS: usize = 2_000;
/// Frames kept of a sampled caller: ten seconds.
const CAPTURED_FRAMES: usize = 500;

#[derive(Debug)]
pub(crate) struct Reception {
    clock_hz: u32,
    window: Option<Window>,
    capture: Option<Vec<(u32, Vec<u8>)>>,
}

/// Counts of one caller inside the window.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    start: SystemTime,
    end: SystemTime,
    last_at: SystemTime,
    pub(crate) packets: u64,
    pub(crate) longest_gap: Duration,
    /// Of those that are not over [`LONG_GAP`].
    pub(crate) longest_short_gap: Duration,
    /// Gaps over [`LONG_GAP`], from packet to packet; a few thousand at most.
    pub(crate) long_gaps: Vec<(SystemTime, SystemTime)>,
    stream: Option<Stream>,
    /// How fast the clock of the last stream ran, in ppm.
    pub(crate) fast_ppm: Option<f64>,
    pub(crate) lost: u64,
    pub(crate) duplicated: u64,
    pub(crate) reordered: u64,
    pub(crate) streams: u64,
}

/// One SSRC's sequence numbers.
#[derive(Debug, Clone)]
struct Stream {
    ssrc: u32,
    /// Sequence numbers extended to 32 bit; the first starts in the middle so that earlier ones fit.
    first: u32,
    highest: u32,
    /// Bit i says whether `highest - i` has come.
    seen: u64,
    unique: u64,
    clock: ClockFit,
}

impl Reception {
    pub(crate) fn new(clock_hz: u32) -> Self {
        Self { clock_hz, window: None, capture: None }
    }

    /// Counting starts; packets stamped outside `start .. end` are ignored.
    pub(crate) fn open_window(&mut self, start: SystemTime, end: SystemTime, captured: bool) {
        self.window = Some(Window {
            start,
            end,
            last_at: start,
            packets: 0,
            longest_gap: Duration::ZERO,
            longest_short_gap: Duration::ZERO,
            long_gaps: Vec::new(),
            stream: None,
            fast_ppm: None,
            lost: 0,
            duplicated: 0,
            reordered: 0,
            streams: 0,
        });
        self.capture = captured.then(Vec::new);
    }

    /// One packet; how far it came from its time goes to `deviations`.
    pub(crate) fn packet(
        &mut self,
        at: SystemTime,
        packet: &Packet<'_>,
        deviations: &mut Histogram,
    ) {
        let Some(window) = self.window.as_mut() else { return };
        if at < window.start || at >= window.end {
            return;
        }
        let extended = window.count(at, packet, self.clock_hz, deviations);
        if let (Some(capture), Some(extended)) = (self.capture.as_mut(), extended)
            && capture.len() < CAPTURED_FRAMES
        {
            capture.push((extended, packet.payload.to_vec()));
        }
    }

    /// The counts, the silence up to the window's end included; and the payloads in sending order.
    pub(crate) fn close_window(&mut self) -> Option<(Window, Option<Vec<Vec<u8>>>)> {
        let mut window = self.window.take()?;
        window.gap_until(window.end);
        window.end_stream();
        let capture = self.capture.take().map(|mut frames| {
            frames.sort_by_key(|(seq, _)| *seq);
            frames.into_iter().map(|(_, payload)| payload).collect()
        });
        Some((window, capture))
    }
}

impl Window {
    /// Counts one packet; gives its extended sequence number when it is a new one.
    fn count(
        &mut self,
        at: SystemTime,
        packet: &Packet<'_>,
        clock_hz: u32,
        deviations: &mut Histogram,
    ) -> Option<u32> {
        self.packets += 1;
        let between = self.gap_until(at);
        if self.stream.as_ref().is_none_or(|stream| stream.ssrc != packet.ssrc) {
            self.end_stream();
            self.streams += 1;
            self.stream = Some(Stream::begin(at, packet, clock_hz));
            return self.stream.as_ref().map(|stream| stream.first);
        }
        let stream = self.stream.as_mut()?;
        let ahead = packet.seq.wrapping_sub(stream.highest as u16) as i16;
        let extended = stream.highest.wrapping_add_signed(i32::from(ahead));
        if ahead == 1 {
            deviations.add(pacing::deviation(between, PTIME));
        }
        stream.clock.add(at, packet.timestamp);
        if ahead > 0 {
            stream.seen = stream.seen.checked_shl(ahead.unsigned_abs().into()).unwrap_or(0) | 1;
            stream.highest = extended;
        } else {
            let bit = 1u64.checked_shl(ahead.unsigned_abs().into()).unwrap_or(0);
            if stream.seen & bit != 0 {
                self.duplicated += 1;
                return None;
            }
            stream.seen |= bit;
            stream.first = stream.first.min(extended);
            self.reordered += 1;
        }
        stream.unique += 1;
        Some(extended)
    }

    fn gap_until(&mut self, at: SystemTime) -> Duration {
        // Stamps of two sockets' queues may run backwards by microseconds: no gap then.
        let gap = at.duration_since(self.last_at).unwrap_or_default();
        self.longest_gap = self.longest_gap.max(gap);
        if gap <= LONG_GAP {
            self.longest_short_gap = self.longest_short_gap.max(gap);
        } else if self.long_gaps.len() < LONG_GAPS {
            self.long_gaps.push((self.last_at, at));
        }
        self.last_at = self.last_at.max(at);
        gap
    }

    fn end_stream(&mut self) {
        if let Some(stream) = self.stream.take() {
            let expected = u64::from(stream.highest - stream.first) + 1;
            self.lost += expected.saturating_sub(stream.unique);
            self.fast_ppm = stream.clock.fast_ppm().or(self.fast_ppm);
        }
    }
}

impl Stream {
    fn begin(at: SystemTime, packet: &Packet<'_>, clock_hz: u32) -> Self {
        let first = 0x4000_0000 | u32::from(packet.seq);
        let clock = ClockFit::begin(at, packet.timestamp, clock_hz);
        Self { ssrc: packet.ssrc, first, highest: first, seen: 1, unique: 1, clock }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(packets: &[(u64, u16)]) -> Window {
        paced(packets, &mut Histogram::new())
    }

    fn paced(packets: &[(u64, u16)], deviations: &mut Histogram) -> Window {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        let mut reception = Reception::new(8_000);
        reception.open_window(start, start + Duration::from_millis(1_000), false);
        for &(ms, seq) in packets {
            let packet = Packet {
                payload_type: 0,
                marker: false,
                seq,
                timestamp: 0,
                ssrc: 1,
                payload: &[0xFF],
            };
            reception.packet(start + Duration::from_millis(ms), &packet, deviations);
        }
        reception.close_window().expect("open").0
    }

    #[test]
    fn the_longest_gap_includes_both_ends_of_the_window() {
        assert_eq!(run(&[(300, 1), (600, 2)]).longest_gap, Duration::from_millis(400));
        assert_eq!(run(&[(500, 1), (900, 2)]).longest_gap, Duration::from_millis(500));
        assert_eq!(run(&[]).longest_gap, Duration::from_millis(1_000));
    }

    #[test]
    fn long_gaps_are_kept_with_their_times() {
        let window = run(&[(30, 1), (71, 2), (111, 3), (980, 4)]);
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(window.long_gaps, [(at(30), at(71)), (at(111), at(980))]);
        assert_eq!(window.longest_short_gap, Duration::from_millis(40));
    }

    #[test]
    fn loss_is_counted_over_the_wrap_of_sequence_numbers() {
        let window = run(&[(0, 65_534), (20, 65_535), (40, 1), (60, 2)]);
        assert_eq!((window.packets, window.lost, window.reordered), (4, 1, 0));
    }

    #[test]
    fn a_late_packet_is_no_loss_and_a_copy_is_no_packet() {
        let window = run(&[(0, 10), (20, 12), (21, 11), (40, 12), (60, 13)]);
        assert_eq!((window.lost, window.reordered, window.duplicated), (0, 1, 1));
    }

    #[test]
    fn the_pace_is_judged_between_neighbours_only() {
        let mut deviations = Histogram::new();
        paced(&[(0, 1), (21, 2), (41, 3), (81, 5), (100, 6)], &mut deviations);
        let spread = deviations.spread();
        assert_eq!((spread.p50, spread.max), (1.0, 1.0));
    }

    #[test]
    fn packets_outside_the_window_do_not_count() {
        assert_eq!(run(&[(1_000, 1), (1_500, 2)]).packets, 0);
    }
}
