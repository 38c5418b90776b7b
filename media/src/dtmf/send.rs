//! Sending keys (RFC 4733 §2.5.1): one packet per packet time in place of the audio, the end three times.
//!
//! Presses are kept as time, so that they are as long as asked for whatever the clock and the packet.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Digit, EventPayload};
use crate::error::Error;
use crate::time::{RtpTime, SampleRate};

/// Keys and pauses waiting at most.
pub const MAX_QUEUED_DIGITS: usize = 64;

/// One packet to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventPacket {
    /// First packet of the press.
    pub marker: bool,
    /// Timestamp of the press: of its beginning.
    pub began: RtpTime,
    /// The payload.
    pub payload: EventPayload,
}

/// Turns queued keys into packets, one packet time after the other.
#[derive(Debug)]
pub struct DigitSender {
    queue: VecDeque<Step>,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Press { digit: Digit, tone: Duration, gap: Duration },
    Pause(Duration),
}

#[derive(Debug, Clone, Copy)]
enum State {
    Idle,
    Pressed(Press),
    Ending { last: EventPacket, left: u8, gap: Duration },
    Pausing(Duration),
}

#[derive(Debug, Clone, Copy)]
struct Press {
    digit: Digit,
    /// Timestamp of the current segment.
    began: RtpTime,
    marker: bool,
    elapsed: Duration,
    /// Event clock units in segments that are full.
    told: u64,
    tone: Duration,
    gap: Duration,
}

/// What counts in one packet time.
#[derive(Debug, Clone, Copy)]
pub struct PacketTime {
    /// Timestamp of what is sent now.
    pub now: RtpTime,
    /// How long it lasts.
    pub duration: Duration,
    /// The clock of timestamps.
    pub stream: SampleRate,
    /// The clock of events.
    pub events: SampleRate,
}

impl DigitSender {
    /// Power we state: -10 dBm0, as phones do.
    const VOLUME: u8 = 10;
    /// End packets in all (RFC 4733 §2.5.1.4).
    const END_PACKETS: u8 = 3;
    /// What `w` waits.
    const PAUSE: Duration = Duration::from_millis(500);

    /// The longest press.
    const MAX_TONE: Duration = Duration::from_secs(60);

    /// Sends nothing yet.
    pub fn new() -> Self {
        Self { queue: VecDeque::with_capacity(MAX_QUEUED_DIGITS), state: State::Idle }
    }

    /// Queues keys: `0-9 * # A-D`, and `w` for 500 ms of pause. All or none are taken.
    ///
    /// A press lasts `tone`, 1 ms to 60 s; at least `gap` of audio follows it.
    ///
    /// # Errors
    /// [`Error::NotADigit`], [`Error::TooManyDigits`].
    pub fn queue(&mut self, digits: &str, tone: Duration, gap: Duration) -> Result<(), Error> {
        let room = MAX_QUEUED_DIGITS - self.queue.len();
        let have = digits.chars().count();
        if have > room {
            return Err(Error::TooManyDigits { have, room });
        }
        let is_known = |c: &char| *c == 'w' || *c == 'W' || Digit::from_char(*c).is_some();
        if let Some(unknown) = digits.chars().find(|c| !is_known(c)) {
            return Err(Error::NotADigit(unknown));
        }
        let tone = tone.clamp(Duration::from_millis(1), Self::MAX_TONE);
        let step = |c| match Digit::from_char(c) {
            Some(digit) => Step::Press { digit, tone, gap },
            None => Step::Pause(Self::PAUSE),
        };
        self.queue.extend(digits.chars().map(step));
        Ok(())
    }

    /// Whether anything is being sent or waits.
    pub fn is_busy(&self) -> bool {
        !self.queue.is_empty() || !matches!(self.state, State::Idle)
    }

    /// Forgets what waits; a press that has begun is ended properly.
    pub fn clear(&mut self) {
        self.queue.clear();
    }

    /// What to send now instead of audio; `None` is audio.
    pub fn poll_packet(&mut self, time: &PacketTime) -> Option<EventPacket> {
        if let State::Pausing(left) = &mut self.state {
            *left = left.saturating_sub(time.duration);
            if !left.is_zero() {
                return None;
            }
            self.state = State::Idle;
        }
        if matches!(self.state, State::Idle) {
            self.begin_next(time.now);
        }
        match &mut self.state {
            State::Idle | State::Pausing(_) => None,
            State::Pressed(press) => {
                let gap = press.gap;
                let packet = press.next_packet(time);
                if packet.payload.end {
                    let left = Self::END_PACKETS - 1;
                    self.state = State::Ending { last: packet, left, gap };
                }
                Some(packet)
            }
            State::Ending { last, left, gap } => {
                let packet = EventPacket { marker: false, ..*last };
                *left -= 1;
                if *left == 0 {
                    self.state = State::Pausing(*gap);
                }
                Some(packet)
            }
        }
    }

    fn begin_next(&mut self, began: RtpTime) {
        self.state = match self.queue.pop_front() {
            None => State::Idle,
            Some(Step::Pause(pause)) => State::Pausing(pause),
            Some(Step::Press { digit, tone, gap }) => {
                let (elapsed, told) = (Duration::ZERO, 0);
                State::Pressed(Press { digit, began, marker: true, elapsed, told, tone, gap })
            }
        };
    }
}

impl Default for DigitSender {
    fn default() -> Self {
        Self::new()
    }
}

impl Press {
    fn next_packet(&mut self, time: &PacketTime) -> EventPacket {
        self.elapsed = (self.elapsed + time.duration).min(self.tone);
        let units = time.events.samples_in(self.elapsed).saturating_sub(self.told);
        let (marker, began) = (std::mem::take(&mut self.marker), self.began);
        let (duration, end) = match u16::try_from(units) {
            Ok(duration) => (duration, self.elapsed == self.tone),
            // The field is full: the press goes on in a new segment (RFC 4733 §2.5.1.3).
            Err(_) => {
                self.told += u64::from(u16::MAX);
                let segment = time.events.duration_of(u64::from(u16::MAX));
                self.began = began.plus(units_of(time, segment));
                (u16::MAX, false)
            }
        };
        let volume = DigitSender::VOLUME;
        let payload = EventPayload { code: self.digit.code(), end, volume, duration };
        EventPacket { marker, began, payload }
    }
}

/// A segment in units of the stream: exactly its own length if both clocks are one.
fn units_of(time: &PacketTime, segment: Duration) -> u32 {
    if time.stream == time.events {
        return u32::from(u16::MAX);
    }
    time.stream.samples_in(segment) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const NARROW: SampleRate = SampleRate::NARROW;
    const FULL: SampleRate = SampleRate::FULL;

    fn time(n: u32, ms: u32, stream: SampleRate, events: SampleRate) -> PacketTime {
        let now = RtpTime(n * ms * (stream.hz() / 1_000));
        PacketTime { now, duration: Duration::from_millis(u64::from(ms)), stream, events }
    }

    fn run(sender: &mut DigitSender, ticks: u32) -> Vec<Option<EventPacket>> {
        (0..ticks).map(|n| sender.poll_packet(&time(n, 20, NARROW, NARROW))).collect()
    }

    fn sender(digits: &str) -> DigitSender {
        let mut sender = DigitSender::new();
        let (tone, gap) = (Duration::from_millis(100), Duration::from_millis(60));
        sender.queue(digits, tone, gap).unwrap();
        sender
    }

    #[test]
    fn a_press_grows_by_the_tick_and_ends_three_times() {
        let mut sender = sender("5");
        let packets: Vec<_> = run(&mut sender, 12).into_iter().flatten().collect();
        let seen: Vec<_> =
            packets.iter().map(|p| (p.marker, p.payload.duration, p.payload.end)).collect();
        let expected = [
            (true, 160, false),
            (false, 320, false),
            (false, 480, false),
            (false, 640, false),
            (false, 800, true),
            (false, 800, true),
            (false, 800, true),
        ];
        assert_eq!(seen, expected);
        assert!(packets.iter().all(|p| p.began == RtpTime(0) && p.payload.code == 5));
        assert!(!sender.is_busy());
    }

    #[test]
    fn presses_are_parted_by_audio() {
        let mut sender = sender("1#");
        let ticks = run(&mut sender, 20);
        let second = ticks.iter().skip(1).position(|p| p.is_some_and(|p| p.marker)).unwrap() + 1;
        assert_eq!(second, 7 + 2); // 60 ms of gap: two whole ticks of audio, then the next press
        assert_eq!(ticks[second].unwrap().began, RtpTime(9 * 160));
        assert_eq!(ticks[second].unwrap().payload.code, 11);
    }

    #[test]
    fn w_waits_half_a_second() {
        let mut sender = sender("w1");
        let ticks = run(&mut sender, 40);
        assert_eq!(ticks.iter().position(Option::is_some), Some(25));
    }

    #[test]
    fn all_or_nothing_is_queued() {
        let mut sender = DigitSender::new();
        let (tone, gap) = (Duration::from_millis(100), Duration::ZERO);
        assert_eq!(sender.queue("12x", tone, gap), Err(Error::NotADigit('x')));
        assert!(!sender.is_busy());
        let many = "1".repeat(MAX_QUEUED_DIGITS);
        assert_eq!(sender.queue(&many, tone, gap), Ok(()));
        assert_eq!(sender.queue("1", tone, gap), Err(Error::TooManyDigits { have: 1, room: 0 }));
    }

    #[test]
    fn a_long_press_goes_on_in_segments_of_the_full_field() {
        let mut sender = DigitSender::new();
        sender.queue("7", Duration::from_secs(3), Duration::ZERO).unwrap();
        let packets: Vec<_> =
            (0..200).filter_map(|n| sender.poll_packet(&time(n, 20, FULL, FULL))).collect();
        assert!(packets.iter().skip(1).all(|packet| !packet.marker));
        let mut segments: Vec<(u32, u16)> = Vec::new();
        for packet in &packets {
            let (began, duration) = (packet.began.0, packet.payload.duration);
            match segments.last_mut() {
                Some(last) if last.0 == began => last.1 = duration,
                _ => segments.push((began, duration)),
            }
        }
        // 3 s are 144,000 units: two full fields and the rest.
        assert_eq!(segments, [(0, 65_535), (65_535, 65_535), (131_070, 12_930)]);
        assert_eq!(packets.iter().filter(|packet| packet.payload.end).count(), 3);
    }

    #[test]
    fn what_is_sent_is_received_at_every_clock_and_packet_time() {
        let clocks = [NARROW, SampleRate::WIDE, FULL];
        for (stream, events) in clocks.iter().flat_map(|s| clocks.map(|e| (*s, e))) {
            for ms in [10, 20, 30, 40, 60] {
                let mut sender = DigitSender::new();
                let tone = Duration::from_millis(105); // no multiple of a packet
                sender.queue("159*#d", tone, Duration::from_millis(50)).unwrap();
                let mut receiver = crate::dtmf::DigitReceiver::new();
                let (mut now, mut heard) = (crate::sim::epoch(), String::new());
                for n in 0..6_000 / ms {
                    now += Duration::from_millis(u64::from(ms));
                    if let Some(p) = sender.poll_packet(&time(n, ms, stream, events)) {
                        let payload = p.payload.to_bytes();
                        receiver.handle_packet(now, p.marker, p.began, events, &payload);
                    }
                    while let Some(event) = receiver.poll_digit(now) {
                        assert_eq!(event.duration, tone, "{stream:?} {events:?} {ms}");
                        heard.push(event.digit.as_char());
                    }
                }
                assert_eq!(heard, "159*#D", "{stream:?} {events:?} {ms}");
            }
        }
    }
}
