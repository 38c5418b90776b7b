//! Receiving keys (RFC 4733 §2.5.2): each press once, with how long it was held.
//!
//! A press is told by its RTP timestamp: all its packets carry the one of its beginning, however
//! often they are repeated and whatever their sequence numbers. It ends with its first end packet,
//! with the next press, when audio has taken its place, or when nothing more comes for a while.
//! Each packet brings the clock of its payload type, so a sender may use any of those offered.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Digit, EventPayload};
use crate::time::{RtpTime, SampleRate};

/// A key was pressed and released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DtmfEvent {
    /// The key.
    pub digit: Digit,
    /// How long it was held, as the sender counts.
    pub duration: Duration,
}

/// Collapses packets into presses. Poll it after each packet and on each tick.
#[derive(Debug)]
pub struct DigitReceiver {
    pressed: Option<Press>,
    /// Timestamp of the newest press that has been reported, and when it was.
    reported: Option<(RtpTime, Instant)>,
    ready: VecDeque<DtmfEvent>,
}

#[derive(Debug)]
struct Press {
    digit: Digit,
    clock: SampleRate,
    /// Timestamp of the current segment.
    began: RtpTime,
    /// Units of earlier segments of the same press.
    before: u64,
    units: u16,
    last_packet: Instant,
}

impl DigitReceiver {
    /// Silence after which a press without an end packet is over.
    const LOST_END: Duration = Duration::from_millis(200);
    /// Presses held until polled; more and the oldest is dropped.
    const MAX_READY: usize = 16;

    /// Audio this far past what is known of a press means that it is over and its end was lost. Not
    /// less: some gateways let the audio go on beside the events.
    const AUDIO_RESUMED: Duration = Duration::from_millis(100);
    /// How long repetitions of a press that was told may still come. Then its timestamp is forgotten,
    /// or it would stand in the way of new ones half a wrap later.
    const REPEATED: Duration = Duration::from_secs(10);

    /// Nothing was pressed.
    pub fn new() -> Self {
        Self { pressed: None, reported: None, ready: VecDeque::with_capacity(Self::MAX_READY) }
    }

    /// Takes the payload of a telephone-event packet at this event clock. `false` if it holds no key.
    pub fn handle_packet(
        &mut self,
        arrival: Instant,
        marker: bool,
        timestamp: RtpTime,
        clock: SampleRate,
        payload: &[u8],
    ) -> bool {
        let Some(event) = EventPayload::parse(payload) else { return false };
        let Some(digit) = Digit::from_code(event.code) else { return false };
        let is_told = |(reported, at): (RtpTime, Instant)| {
            timestamp.since(reported) <= 0 && arrival.saturating_duration_since(at) < Self::REPEATED
        };
        if self.reported.is_some_and(is_told) {
            return true; // a repetition, or a straggler of a press already told
        }
        match &mut self.pressed {
            Some(press) if press.began == timestamp => {
                press.units = press.units.max(event.duration);
            }
            Some(press) if timestamp.since(press.began) < 0 => return true, // overtaken
            Some(press) if press.is_continued_by(digit, marker, timestamp, clock) => {
                press.before += u64::from(u16::MAX);
                press.began = timestamp;
                press.units = event.duration;
            }
            _ => {
                self.release(arrival); // its end was lost
                let (before, units) = (0, event.duration);
                let last_packet = arrival;
                let began = timestamp;
                self.pressed = Some(Press { digit, clock, began, before, units, last_packet });
            }
        }
        if let Some(press) = &mut self.pressed {
            press.last_packet = arrival;
        }
        if event.end {
            self.release(arrival);
        }
        true
    }

    /// Notes a packet of audio at this stream clock: a press that it has taken the place of is over.
    /// The marker says so at once (RFC 3551 §4.1), else it must be clearly past the press.
    pub fn note_audio(
        &mut self,
        arrival: Instant,
        marker: bool,
        timestamp: RtpTime,
        clock: SampleRate,
    ) {
        let Some(press) = &self.pressed else { return };
        let known = clock.samples_in(press.clock.duration_of(u64::from(press.units)));
        let margin = if marker { 0 } else { clock.samples_in(Self::AUDIO_RESUMED) };
        if i64::from(timestamp.since(press.began)) >= (known + margin) as i64 {
            self.release(arrival);
        }
    }

    /// The next press that is over.
    pub fn poll_digit(&mut self, now: Instant) -> Option<DtmfEvent> {
        let is_over =
            |press: &Press| now.saturating_duration_since(press.last_packet) >= Self::LOST_END;
        if self.pressed.as_ref().is_some_and(is_over) {
            self.release(now);
        }
        self.ready.pop_front()
    }

    /// The sender restarted with another timestamp: what was pressed is over.
    pub fn restart(&mut self, now: Instant) {
        self.release(now);
        self.reported = None;
    }

    fn release(&mut self, now: Instant) {
        let Some(press) = self.pressed.take() else { return };
        self.reported = Some((press.began, now));
        if self.ready.len() == Self::MAX_READY {
            self.ready.pop_front();
        }
        let duration = press.clock.duration_of(press.before + u64::from(press.units));
        self.ready.push_back(DtmfEvent { digit: press.digit, duration });
    }
}

impl Default for DigitReceiver {
    fn default() -> Self {
        Self::new()
    }
}

impl Press {
    /// A press longer than the duration field goes on in a new segment, which begins where the full
    /// one ended (RFC 4733 §2.5.1.3). The last packet of the full one may be lost; and where events and
    /// audio count in two clocks, senders do not agree in which the new one begins.
    fn is_continued_by(
        &self,
        digit: Digit,
        marker: bool,
        timestamp: RtpTime,
        clock: SampleRate,
    ) -> bool {
        let is_full = self.units > u16::MAX - u16::MAX / 16;
        let follows = is_full || timestamp.since(self.began) == i32::from(u16::MAX);
        digit == self.digit && !marker && clock == self.clock && follows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Line {
        receiver: DigitReceiver,
        now: Instant,
    }

    impl Line {
        fn new() -> Self {
            Self { receiver: DigitReceiver::new(), now: crate::sim::epoch() }
        }

        fn packet(&mut self, timestamp: u32, code: u8, duration: u16, end: bool) {
            let payload = EventPayload { code, end, volume: 10, duration }.to_bytes();
            let (now, clock) = (self.now, SampleRate::NARROW);
            self.receiver.handle_packet(now, false, RtpTime(timestamp), clock, &payload);
            self.now += Duration::from_millis(20);
        }

        fn audio(&mut self, timestamp: u32, marker: bool) {
            self.receiver.note_audio(self.now, marker, RtpTime(timestamp), SampleRate::NARROW);
            self.now += Duration::from_millis(20);
        }

        fn digits(&mut self) -> Vec<(char, u64)> {
            std::iter::from_fn(|| self.receiver.poll_digit(self.now))
                .map(|event| (event.digit.as_char(), event.duration.as_millis() as u64))
                .collect()
        }
    }

    #[test]
    fn one_press_with_its_repetitions_is_one_digit() {
        let mut line = Line::new();
        for n in 1..=4 {
            line.packet(1_000, 5, n * 160, false);
        }
        assert_eq!(line.digits(), []);
        for _ in 0..3 {
            line.packet(1_000, 5, 800, true);
        }
        assert_eq!(line.digits(), [('5', 100)]);
    }

    #[test]
    fn the_same_key_twice_is_two_digits() {
        let mut line = Line::new();
        line.packet(1_000, 1, 800, true);
        line.packet(1_000, 1, 800, true);
        line.packet(3_000, 1, 400, true);
        line.packet(3_000, 1, 400, true);
        assert_eq!(line.digits(), [('1', 100), ('1', 50)]);
    }

    #[test]
    fn a_lost_end_is_made_up_by_the_next_press() {
        let mut line = Line::new();
        line.packet(1_000, 1, 160, false);
        line.packet(1_000, 1, 320, false);
        line.packet(3_000, 2, 160, false);
        line.packet(1_000, 1, 800, true); // straggler of the first
        line.packet(3_000, 2, 800, true);
        assert_eq!(line.digits(), [('1', 40), ('2', 100)]);
    }

    #[test]
    fn a_lost_end_is_made_up_by_time() {
        let mut line = Line::new();
        line.packet(1_000, 11, 480, false);
        assert_eq!(line.digits(), []);
        line.now += Duration::from_millis(179);
        assert_eq!(line.digits(), []);
        line.now += Duration::from_millis(1);
        assert_eq!(line.digits(), [('#', 60)]);
        line.packet(1_000, 11, 480, true);
        assert_eq!(line.digits(), []);
    }

    #[test]
    fn only_end_packets_suffice_and_the_timestamp_may_wrap() {
        let mut line = Line::new();
        line.packet(u32::MAX - 100, 10, 800, true);
        line.packet(5_000, 0, 800, true);
        assert_eq!(line.digits(), [('*', 100), ('0', 100)]);
    }

    #[test]
    fn a_press_longer_than_the_field_is_told_as_one() {
        let mut line = Line::new();
        line.packet(0, 7, 65_000, false);
        line.packet(65_535, 7, 160, false);
        line.packet(65_535, 7, 4_465, true);
        assert_eq!(line.digits(), [('7', 8_750)]);
    }

    #[test]
    fn a_restarted_sender_may_use_older_timestamps() {
        let mut line = Line::new();
        line.packet(50_000, 1, 800, true);
        line.receiver.restart(line.now);
        line.packet(1_000, 2, 800, true);
        assert_eq!(line.digits(), [('1', 100), ('2', 100)]);
    }

    #[test]
    fn flash_and_short_payloads_are_no_digits() {
        let mut line = Line::new();
        line.packet(1_000, 16, 800, true);
        let short = [1, 2, 3];
        assert!(!line.receiver.handle_packet(
            line.now,
            true,
            RtpTime(0),
            SampleRate::NARROW,
            &short
        ));
        assert_eq!(line.digits(), []);
    }

    #[test]
    fn a_lost_end_is_made_up_by_audio_that_resumes() {
        let mut line = Line::new();
        line.packet(1_000, 4, 160, false);
        line.packet(1_000, 4, 320, false);
        line.audio(900, true); // from before the press, late
        line.audio(1_320, false); // beside the events: no proof
        line.audio(1_480, false);
        line.packet(1_000, 4, 640, false);
        line.audio(1_640, false);
        assert_eq!(line.digits(), []);
        line.audio(1_640 + 800, false);
        assert_eq!(line.digits(), [('4', 80)]);
        line.packet(1_000, 4, 800, true); // the end, after all
        assert_eq!(line.digits(), []);

        line.packet(9_000, 4, 160, false);
        line.audio(9_160, true); // a talk spurt begins
        assert_eq!(line.digits(), [('4', 20)]);
    }

    #[test]
    fn events_at_any_clock_last_as_long_as_they_say() {
        let mut line = Line::new();
        for (n, (hz, units)) in [(48_000, 4_800), (8_000, 800), (16_000, 1_600), (44_100, 4_410)]
            .into_iter()
            .enumerate()
        {
            let event = EventPayload { code: 1, end: true, volume: 10, duration: units };
            let (timestamp, clock) = (RtpTime(n as u32 * 9_000), SampleRate::new(hz).unwrap());
            line.receiver.handle_packet(line.now, true, timestamp, clock, &event.to_bytes());
        }
        assert_eq!(line.digits(), [('1', 100); 4]);
    }

    #[test]
    fn a_press_half_a_wrap_after_the_last_is_heard() {
        let mut line = Line::new();
        line.packet(0, 1, 800, true);
        line.now += Duration::from_secs(44_740); // 2^31 units of 48 kHz
        line.packet(1 << 31, 2, 800, true);
        assert_eq!(line.digits(), [('1', 100), ('2', 100)]);
    }

    proptest! {
        #[test]
        fn any_packets_are_taken_without_a_panic(
            packets in proptest::collection::vec(
                (any::<bool>(), any::<u32>(), proptest::collection::vec(any::<u8>(), 0..6)), 0..64),
        ) {
            let mut line = Line::new();
            for (n, (marker, timestamp, payload)) in packets.into_iter().enumerate() {
                let clock = [SampleRate::NARROW, SampleRate::FULL][n % 2];
                let timestamp = RtpTime(timestamp);
                line.receiver.handle_packet(line.now, marker, timestamp, clock, &payload);
                line.receiver.note_audio(line.now, !marker, timestamp.plus(n as u32), clock);
                line.now += Duration::from_millis(20);
            }
            prop_assert!(line.digits().len() <= DigitReceiver::MAX_READY + 1);
        }
    }
}
