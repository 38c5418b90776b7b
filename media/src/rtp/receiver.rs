//! Receive side of one RTP stream: who is sending, what was lost, how it jitters
//! (RFC 3550 §6.4.1, appendices A.1, A.3, A.8).
//!
//! Called by [`Leg`](crate::leg::Leg) for each packet that came from the right address. It does not
//! reorder: that is [`JitterBuffer`](crate::jitter::JitterBuffer). A second SSRC takes over after two
//! packets in sequence, so that a stray packet disturbs nothing.

use std::time::Instant;

use super::{SeqNo, Ssrc};
use crate::time::{RtpTime, SampleRate};

/// What to do with a packet, from its SSRC and sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It belongs to the current stream.
    Accepted,
    /// It starts a new stream: the first ever, or a second SSRC that has proven itself.
    NewSource,
    /// From another SSRC, or after a large jump: dropped until the next in sequence confirms it.
    OnProbation,
}

/// Accounts for the packets of one sender.
#[derive(Debug)]
pub struct Receiver {
    epoch: Instant,
    clock: SampleRate,
    current: Option<Source>,
    candidate: Option<Candidate>,
    /// Of sources that ended.
    past: Reception,
}

/// Totals over the life of the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reception {
    /// Packets accepted, duplicates and late ones included.
    pub packets: u64,
    /// Payload octets of those.
    pub octets: u64,
    /// Expected minus received; negative when duplicates came (RFC 3550 A.3).
    pub lost: i64,
}

/// What a report block says about the stream (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportBlockFigures {
    /// The stream.
    pub ssrc: Ssrc,
    /// Lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Lost since the beginning, clamped to 24 bits signed.
    pub cumulative_lost: i32,
    /// Extended highest sequence number.
    pub highest_seq: u32,
    /// Interarrival jitter, RTP clock units.
    pub jitter: u32,
}

#[derive(Debug)]
struct Source {
    ssrc: Ssrc,
    /// Highest sequence number, with the count of wraps above its 16 bits.
    highest: u64,
    base: u64,
    /// Where the sequence continues if the last jump was meant.
    after_jump: Option<SeqNo>,
    received: u64,
    octets: u64,
    expected_before: u64,
    received_before: u64,
    transit: Option<(RtpTime, u32)>,
    /// Times 16, as in A.8.
    jitter_x16: u32,
}

#[derive(Debug)]
struct Candidate {
    ssrc: Ssrc,
    next: SeqNo,
}

impl Receiver {
    /// Largest forward step taken for loss (A.1).
    const MAX_DROPOUT: u16 = 3_000;
    /// Largest backward step taken for reordering (A.1).
    const MAX_MISORDER: u16 = 100;

    /// `epoch` is any instant before the first packet; `clock` the RTP clock that is expected.
    pub fn new(epoch: Instant, clock: SampleRate) -> Self {
        Self { epoch, clock, current: None, candidate: None, past: Reception::default() }
    }

    /// Judges one packet and counts it if it is accepted.
    pub fn handle_packet(&mut self, ssrc: Ssrc, seq: SeqNo, octets: usize) -> Verdict {
        let verdict = match &mut self.current {
            Some(source) if source.ssrc == ssrc => source.update_seq(seq),
            None => Verdict::NewSource,
            Some(_) => self.audition(ssrc, seq),
        };
        if verdict == Verdict::NewSource {
            self.past = self.totals();
            self.current = Some(Source::new(ssrc, seq));
        }
        if verdict != Verdict::OnProbation {
            self.candidate = None;
            if let Some(source) = &mut self.current {
                source.received += 1;
                source.octets += octets as u64;
            }
        }
        verdict
    }

    /// Updates the interarrival jitter with an accepted packet of audio (A.8). `clock` is that of its
    /// payload type: with another one than before the estimate starts anew, since units of two
    /// clocks cannot be compared (RFC 7160 §4.2).
    pub fn update_jitter(&mut self, arrival: Instant, timestamp: RtpTime, clock: SampleRate) {
        let since = arrival.saturating_duration_since(self.epoch);
        let arrival_units = clock.samples_in(since) as u32;
        let Some(source) = &mut self.current else { return };
        if clock != self.clock {
            self.clock = clock;
            (source.transit, source.jitter_x16) = (None, 0);
        }
        source.update_jitter(arrival_units, timestamp);
    }

    /// The clock that [`jitter`](Self::jitter) counts in.
    pub fn clock(&self) -> SampleRate {
        self.clock
    }

    /// Whether this SSRC is the one being received.
    pub fn is_current(&self, ssrc: Ssrc) -> bool {
        self.ssrc() == Some(ssrc)
    }

    /// Figures for a report block, and the start of the next interval. `None` if nothing came in this
    /// one: whether anything was lost cannot be told then (RFC 3550 §6.4.1, "fraction lost").
    pub fn report(&mut self) -> Option<ReportBlockFigures> {
        let source = self.current.as_mut()?;
        (source.received > source.received_before).then(|| source.report())
    }

    /// The stream being received.
    pub fn ssrc(&self) -> Option<Ssrc> {
        self.current.as_ref().map(|source| source.ssrc)
    }

    /// The highest sequence number, extended over its wraps (16 to 64 bits).
    pub fn highest_seq(&self) -> Option<u64> {
        self.current.as_ref().map(|source| source.highest)
    }

    /// Interarrival jitter in RTP clock units.
    pub fn jitter(&self) -> u32 {
        self.current.as_ref().map_or(0, |source| source.jitter_x16 >> 4)
    }

    /// Over all sources this receiver has had.
    pub fn totals(&self) -> Reception {
        let Some(source) = &self.current else { return self.past };
        Reception {
            packets: self.past.packets + source.received,
            octets: self.past.octets + source.octets,
            lost: self.past.lost + source.lost(),
        }
    }

    /// Two packets in sequence make a new source (A.1, MIN_SEQUENTIAL = 2).
    fn audition(&mut self, ssrc: Ssrc, seq: SeqNo) -> Verdict {
        let proven = matches!(&self.candidate, Some(c) if c.ssrc == ssrc && c.next == seq);
        if proven {
            return Verdict::NewSource;
        }
        self.candidate = Some(Candidate { ssrc, next: seq.next() });
        Verdict::OnProbation
    }
}

impl Source {
    fn new(ssrc: Ssrc, seq: SeqNo) -> Self {
        Self {
            ssrc,
            highest: u64::from(seq.0),
            base: u64::from(seq.0),
            after_jump: None,
            received: 0,
            octets: 0,
            expected_before: 0,
            received_before: 0,
            transit: None,
            jitter_x16: 0,
        }
    }

    /// `update_seq` of A.1.
    fn update_seq(&mut self, seq: SeqNo) -> Verdict {
        let ahead = seq.0.wrapping_sub(self.highest as u16);
        if ahead < Receiver::MAX_DROPOUT {
            self.highest += u64::from(ahead);
        } else if ahead <= u16::MAX - Receiver::MAX_MISORDER {
            if self.after_jump != Some(seq) {
                self.after_jump = Some(seq.next());
                return Verdict::OnProbation;
            }
            // Two in sequence after a jump: the sender restarted without telling.
            return Verdict::NewSource;
        }
        self.after_jump = None;
        Verdict::Accepted
    }

    fn expected(&self) -> u64 {
        self.highest - self.base + 1
    }

    fn lost(&self) -> i64 {
        self.expected() as i64 - self.received as i64
    }

    fn update_jitter(&mut self, arrival: u32, timestamp: RtpTime) {
        let transit = arrival.wrapping_sub(timestamp.0);
        if let Some((previous, previous_transit)) = self.transit {
            if previous == timestamp {
                return; // one sampling instant in several packets says nothing about the path
            }
            let difference = transit.wrapping_sub(previous_transit) as i32;
            let magnitude = difference.unsigned_abs().min(1 << 24);
            self.jitter_x16 = self.jitter_x16 + magnitude - ((self.jitter_x16 + 8) >> 4);
        }
        self.transit = Some((timestamp, transit));
    }

    fn report(&mut self) -> ReportBlockFigures {
        let expected = self.expected() - self.expected_before;
        let received = self.received - self.received_before;
        self.expected_before = self.expected();
        self.received_before = self.received;
        let lost = expected.saturating_sub(received);
        let fraction_lost = (lost * 256).checked_div(expected).unwrap_or(0).min(255) as u8;
        ReportBlockFigures {
            ssrc: self.ssrc,
            fraction_lost,
            cumulative_lost: self.lost().clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest_seq: self.highest as u32,
            jitter: self.jitter_x16 >> 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const A: Ssrc = Ssrc(0xa);
    const B: Ssrc = Ssrc(0xb);

    fn receiver() -> (Receiver, Instant) {
        let now = crate::sim::epoch();
        (Receiver::new(now, SampleRate::NARROW), now)
    }

    fn feed(receiver: &mut Receiver, ssrc: Ssrc, seqs: &[u16]) -> Vec<Verdict> {
        seqs.iter().map(|&seq| receiver.handle_packet(ssrc, SeqNo(seq), 160)).collect()
    }

    #[test]
    fn sequence_numbers_extend_over_the_wrap() {
        let (mut receiver, _) = receiver();
        feed(&mut receiver, A, &[65_534, 65_535, 0, 1]);
        assert_eq!(receiver.highest_seq(), Some(65_537));
        assert_eq!(receiver.totals().lost, 0);
        feed(&mut receiver, A, &[65_535]); // late across the wrap
        assert_eq!(receiver.highest_seq(), Some(65_537));
    }

    #[test]
    fn loss_is_expected_minus_received_and_fraction_is_per_interval() {
        let (mut receiver, _) = receiver();
        feed(&mut receiver, A, &[10, 11, 13, 14]);
        let first = receiver.report().unwrap();
        assert_eq!((first.cumulative_lost, first.fraction_lost), (1, 51)); // 1/5
        feed(&mut receiver, A, &[15, 16]);
        let second = receiver.report().unwrap();
        assert_eq!((second.cumulative_lost, second.fraction_lost), (1, 0));
        assert_eq!(second.highest_seq, 16);
    }

    #[test]
    fn duplicates_make_the_loss_negative_but_never_the_fraction() {
        let (mut receiver, _) = receiver();
        feed(&mut receiver, A, &[10, 10, 10]);
        let report = receiver.report().unwrap();
        assert_eq!((report.cumulative_lost, report.fraction_lost), (-2, 0));
    }

    #[test]
    fn another_ssrc_takes_over_after_two_in_sequence() {
        let (mut receiver, _) = receiver();
        assert_eq!(feed(&mut receiver, A, &[1, 2]), [Verdict::NewSource, Verdict::Accepted]);
        assert_eq!(feed(&mut receiver, B, &[900]), [Verdict::OnProbation]);
        assert_eq!(feed(&mut receiver, A, &[3]), [Verdict::Accepted]);
        // The accepted packet between them ended the audition.
        assert_eq!(feed(&mut receiver, B, &[901]), [Verdict::OnProbation]);
        assert_eq!(feed(&mut receiver, B, &[902]), [Verdict::NewSource]);
        assert_eq!(receiver.ssrc(), Some(B));
        assert_eq!(receiver.totals().packets, 4);
    }

    #[test]
    fn a_large_jump_needs_a_second_packet() {
        let (mut receiver, _) = receiver();
        feed(&mut receiver, A, &[1, 2]);
        assert_eq!(feed(&mut receiver, A, &[30_000]), [Verdict::OnProbation]);
        assert_eq!(feed(&mut receiver, A, &[3]), [Verdict::Accepted]);
        assert_eq!(feed(&mut receiver, A, &[30_001]), [Verdict::OnProbation]);
        assert_eq!(feed(&mut receiver, A, &[30_002]), [Verdict::NewSource]);
        assert_eq!(receiver.totals().lost, 0);
    }

    #[test]
    fn steady_arrivals_have_no_jitter_and_shifted_ones_approach_their_shift() {
        let (mut receiver, start) = receiver();
        feed(&mut receiver, A, &[1]);
        for n in 0..500u32 {
            let arrival = start + Duration::from_millis(20 * u64::from(n));
            receiver.update_jitter(arrival, RtpTime(n * 160), SampleRate::NARROW);
        }
        assert_eq!(receiver.jitter(), 0);
        for n in 500..1_000u32 {
            let late = if n % 2 == 0 { 10 } else { 0 };
            let arrival = start + Duration::from_millis(20 * u64::from(n) + late);
            receiver.update_jitter(arrival, RtpTime(n * 160), SampleRate::NARROW);
        }
        assert!((76..=80).contains(&receiver.jitter()), "{}", receiver.jitter()); // 10 ms = 80
    }

    #[test]
    fn jitter_counts_in_the_clock_of_each_codec_and_restarts_with_another() {
        for clock in [SampleRate::NARROW, SampleRate::WIDE, SampleRate::FULL] {
            let (mut receiver, start) = receiver();
            feed(&mut receiver, A, &[1]);
            let per_ms = clock.hz() / 1_000;
            let hear = |receiver: &mut Receiver, clock: SampleRate, n: u32| {
                let late = if n.is_multiple_of(2) { 10 } else { 0 };
                let arrival = start + Duration::from_millis(20 * u64::from(n) + late);
                let timestamp = RtpTime(n * 20 * (clock.hz() / 1_000));
                receiver.update_jitter(arrival, timestamp, clock);
            };
            (0..1_000).for_each(|n| hear(&mut receiver, clock, n));
            let jitter = receiver.jitter();
            assert!((10 * per_ms - jitter) * 20 <= 10 * per_ms, "{jitter} at {clock:?}");
            assert_eq!(receiver.clock(), clock);
            let other = SampleRate::new(24_000).unwrap();
            hear(&mut receiver, other, 1_000);
            assert_eq!((receiver.jitter(), receiver.clock()), (0, other));
        }
    }

    #[test]
    fn an_interval_without_a_packet_is_not_reported() {
        let (mut receiver, _) = receiver();
        assert_eq!(receiver.report(), None);
        feed(&mut receiver, A, &[1, 2]);
        assert!(receiver.report().is_some());
        assert_eq!(receiver.report(), None);
        feed(&mut receiver, A, &[5]);
        assert_eq!(receiver.report().map(|report| report.fraction_lost), Some(170)); // 2 of 3
    }
}
