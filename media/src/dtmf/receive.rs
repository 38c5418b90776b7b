//! Receiving keys (RFC 4733 §2.5.2): each press once, with how long it was held.
//!
//! A press is told by its RTP timestamp: all its packets carry the one of its beginning, however
//! often they are repeated and whatever their sequence numbers. It ends with its first end packet,
//! with the next press, or when nothing more comes for a while.

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
    clock: SampleRate,
    pressed: Option<Press>,
    /// Timestamp of the newest press that has been reported.
    reported: Option<RtpTime>,
    ready: VecDeque<DtmfEvent>,
}

#[derive(Debug)]
struct Press {
    digit: Digit,
    /// Timestamp of the current segment.
    began: RtpTime,
    /// Units of earlier segments of the same press.
    before: u32,
    units: u16,
    last_packet: Instant,
}

impl DigitReceiver {
    /// Silence after which a press without an end packet is over.
    const LOST_END: Duration = Duration::from_millis(200);
    /// Presses held until polled; more and the oldest is dropped.
    const MAX_READY: usize = 16;

    /// For telephone-events with this RTP clock.
    pub fn new(clock: SampleRate) -> Self {
        Self {
            clock,
            pressed: None,
            reported: None,
            ready: VecDeque::with_capacity(Self::MAX_READY),
        }
    }

    /// Takes the payload of a telephone-event packet. `false` if it holds no key.
    pub fn handle_packet(
        &mut self,
        arrival: Instant,
        marker: bool,
        timestamp: RtpTime,
        payload: &[u8],
    ) -> bool {
        let Some(event) = EventPayload::parse(payload) else { return false };
        let Some(digit) = Digit::from_code(event.code) else { return false };
        if self.reported.is_some_and(|reported| timestamp.since(reported) <= 0) {
            return true; // a repetition, or a straggler of a press already told
        }
        match &mut self.pressed {
            Some(press) if press.began == timestamp => {
                press.units = press.units.max(event.duration)
            }
            Some(press) if press.is_continued_by(digit, marker, timestamp) => {
                press.before += u32::from(u16::MAX);
                press.began = timestamp;
                press.units = event.duration;
            }
            Some(press) if timestamp.since(press.began) < 0 => return true, // overtaken
            _ => {
                self.release(); // its end was lost
                let (before, units) = (0, event.duration);
                let press = Press { digit, began: timestamp, before, units, last_packet: arrival };
                self.pressed = Some(press);
            }
        }
        if let Some(press) = &mut self.pressed {
            press.last_packet = arrival;
        }
        if event.end {
            self.release();
        }
        true
    }

    /// The next press that is over.
    pub fn poll_digit(&mut self, now: Instant) -> Option<DtmfEvent> {
        let is_over =
            |press: &Press| now.saturating_duration_since(press.last_packet) >= Self::LOST_END;
        if self.pressed.as_ref().is_some_and(is_over) {
            self.release();
        }
        self.ready.pop_front()
    }

    /// The sender restarted with another timestamp: what was pressed is over.
    pub fn restart(&mut self) {
        self.release();
        self.reported = None;
    }

    fn release(&mut self) {
        let Some(press) = self.pressed.take() else { return };
        self.reported = Some(press.began);
        if self.ready.len() == Self::MAX_READY {
            self.ready.pop_front();
        }
        let units = u64::from(press.before) + u64::from(press.units);
        let duration = self.clock.duration_of(units);
        self.ready.push_back(DtmfEvent { digit: press.digit, duration });
    }
}

impl Press {
    /// A press longer than the duration field goes on in a new segment (RFC 4733 §2.5.1.3).
    fn is_continued_by(&self, digit: Digit, marker: bool, timestamp: RtpTime) -> bool {
        digit == self.digit && !marker && timestamp.since(self.began) == i32::from(u16::MAX)
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
            Self { receiver: DigitReceiver::new(SampleRate::NARROW), now: crate::sim::epoch() }
        }

        fn packet(&mut self, timestamp: u32, code: u8, duration: u16, end: bool) {
            let payload = EventPayload { code, end, volume: 10, duration }.to_bytes();
            self.receiver.handle_packet(self.now, false, RtpTime(timestamp), &payload);
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
        line.receiver.restart();
        line.packet(1_000, 2, 800, true);
        assert_eq!(line.digits(), [('1', 100), ('2', 100)]);
    }

    #[test]
    fn flash_and_short_payloads_are_no_digits() {
        let mut line = Line::new();
        line.packet(1_000, 16, 800, true);
        assert!(!line.receiver.handle_packet(line.now, true, RtpTime(0), &[1, 2, 3]));
        assert_eq!(line.digits(), []);
    }

    proptest! {
        #[test]
        fn any_packets_are_taken_without_a_panic(
            packets in proptest::collection::vec(
                (any::<bool>(), any::<u32>(), proptest::collection::vec(any::<u8>(), 0..6)), 0..64),
        ) {
            let mut line = Line::new();
            for (marker, timestamp, payload) in packets {
                line.receiver.handle_packet(line.now, marker, RtpTime(timestamp), &payload);
                line.now += Duration::from_millis(20);
            }
            prop_assert!(line.digits().len() <= DigitReceiver::MAX_READY + 1);
        }
    }
}
