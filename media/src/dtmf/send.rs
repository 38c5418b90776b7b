//! Sending keys (RFC 4733 §2.5.1): one packet per tick in place of the audio, the end three times.

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

/// Turns queued keys into packets, tick by tick.
#[derive(Debug)]
pub struct DigitSender {
    clock: SampleRate,
    queue: VecDeque<Step>,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Press { digit: Digit, units: u16, gap: u32 },
    Pause { units: u32 },
}

#[derive(Debug, Clone, Copy)]
enum State {
    Idle,
    Pressed { digit: Digit, began: RtpTime, sent: u32, units: u16, gap: u32 },
    Ending { digit: Digit, began: RtpTime, units: u16, left: u8, gap: u32 },
    Pausing { units: u32 },
}

impl DigitSender {
    /// Power we state: -10 dBm0, as phones do.
    const VOLUME: u8 = 10;
    /// End packets in all (RFC 4733 §2.5.1.4).
    const END_PACKETS: u8 = 3;
    /// What `w` waits.
    const PAUSE: Duration = Duration::from_millis(500);

    /// For telephone-events with this RTP clock.
    pub fn new(clock: SampleRate) -> Self {
        Self { clock, queue: VecDeque::with_capacity(MAX_QUEUED_DIGITS), state: State::Idle }
    }

    /// Queues keys: `0-9 * # A-D`, and `w` for 500 ms of pause. All or none are taken.
    ///
    /// A press lasts `tone` (at most 65,535 clock units, 8 s); `gap` of audio follows it.
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
        let units = self.clock.samples_in(tone).clamp(1, u64::from(u16::MAX)) as u16;
        let gap = self.units(gap);
        let pause = Step::Pause { units: self.units(Self::PAUSE) };
        let step = |c| Digit::from_char(c).map_or(pause, |digit| Step::Press { digit, units, gap });
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

    /// What to send in this tick instead of audio; `None` is audio. `now` is the tick's timestamp,
    /// `tick` its clock units.
    pub fn poll_packet(&mut self, now: RtpTime, tick: u32) -> Option<EventPacket> {
        if let State::Pausing { units } = &mut self.state {
            *units = units.saturating_sub(tick);
            if *units > 0 {
                return None;
            }
            self.state = State::Idle;
        }
        if matches!(self.state, State::Idle) {
            self.begin_next(now);
        }
        match self.state {
            State::Idle | State::Pausing { .. } => None,
            State::Pressed { digit, began, sent, units, gap } => {
                let marker = sent == 0;
                let sent = sent + tick;
                let end = sent >= u32::from(units);
                self.state = if end {
                    State::Ending { digit, began, units, left: Self::END_PACKETS - 1, gap }
                } else {
                    State::Pressed { digit, began, sent, units, gap }
                };
                let duration = sent.min(u32::from(units)) as u16;
                Some(packet(digit, marker, began, duration, end))
            }
            State::Ending { digit, began, units, left, gap } => {
                self.state = if left > 1 {
                    State::Ending { digit, began, units, left: left - 1, gap }
                } else {
                    State::Pausing { units: gap }
                };
                Some(packet(digit, false, began, units, true))
            }
        }
    }

    fn begin_next(&mut self, now: RtpTime) {
        self.state = match self.queue.pop_front() {
            None => State::Idle,
            Some(Step::Pause { units }) => State::Pausing { units },
            Some(Step::Press { digit, units, gap }) => {
                State::Pressed { digit, began: now, sent: 0, units, gap }
            }
        };
    }

    fn units(&self, duration: Duration) -> u32 {
        u32::try_from(self.clock.samples_in(duration)).unwrap_or(u32::MAX)
    }
}

fn packet(digit: Digit, marker: bool, began: RtpTime, duration: u16, end: bool) -> EventPacket {
    let payload = EventPayload { code: digit.code(), end, volume: DigitSender::VOLUME, duration };
    EventPacket { marker, began, payload }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(sender: &mut DigitSender, ticks: u32) -> Vec<Option<EventPacket>> {
        (0..ticks).map(|n| sender.poll_packet(RtpTime(n * 160), 160)).collect()
    }

    fn sender(digits: &str) -> DigitSender {
        let mut sender = DigitSender::new(SampleRate::NARROW);
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
        let mut sender = DigitSender::new(SampleRate::NARROW);
        let (tone, gap) = (Duration::from_millis(100), Duration::ZERO);
        assert_eq!(sender.queue("12x", tone, gap), Err(Error::NotADigit('x')));
        assert!(!sender.is_busy());
        let many = "1".repeat(MAX_QUEUED_DIGITS);
        assert_eq!(sender.queue(&many, tone, gap), Ok(()));
        assert_eq!(sender.queue("1", tone, gap), Err(Error::TooManyDigits { have: 1, room: 0 }));
    }

    #[test]
    fn what_is_sent_is_received() {
        let mut sender = sender("159*#d");
        let mut receiver = crate::dtmf::DigitReceiver::new(SampleRate::NARROW);
        let (mut now, mut heard) = (crate::sim::epoch(), String::new());
        for n in 0..100 {
            now += Duration::from_millis(20);
            if let Some(p) = sender.poll_packet(RtpTime(n * 160), 160) {
                receiver.handle_packet(now, p.marker, p.began, &p.payload.to_bytes());
            }
            while let Some(event) = receiver.poll_digit(now) {
                assert_eq!(event.duration, Duration::from_millis(100));
                heard.push(event.digit.as_char());
            }
        }
        assert_eq!(heard, "159*#D");
    }
}
