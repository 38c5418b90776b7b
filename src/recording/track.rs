//! From taps to one row of interleaved samples that keeps time: what nobody wrote is silence, so a
//! recording is as long as what it is of.

use std::mem;
use std::time::{Duration, Instant};

use media::SampleRate;
use media::sink::TapReader;

use super::recorder::Pause;

/// What a recording listens to: one tap, or two whose writers are given a frame at the same ticks.
#[derive(Debug)]
pub struct Feed {
    pub(super) left: TapReader,
    pub(super) right: Option<TapReader>,
}

/// So far may the taps fall behind the clock, or one behind the other, before silence is put in: more
/// than a tick and a poll that comes late.
const PATIENCE: Duration = Duration::from_millis(500);
/// What is not put in then, for it may still be on its way.
const UNDER_WAY: Duration = Duration::from_millis(60);

#[derive(Debug)]
pub(super) struct Track {
    rate: SampleRate,
    stereo: bool,
    feed: Option<Feed>,
    left: Vec<i16>,
    right: Vec<i16>,
    /// When the first sample was due, later by every pause that is left out.
    began: Instant,
    /// Of each channel.
    given: u64,
    paused: Option<(Instant, Pause)>,
}

impl Track {
    pub(super) fn new(rate: SampleRate, stereo: bool, feed: Feed, now: Instant) -> Self {
        Self {
            rate,
            stereo,
            feed: Some(feed),
            left: Vec::new(),
            right: Vec::new(),
            began: now,
            given: 0,
            paused: None,
        }
    }

    /// Appends to `out`, interleaved, what has come until `now`.
    pub(super) fn read(&mut self, now: Instant, out: &mut Vec<i16>) {
        self.drain();
        match self.paused {
            None => {
                self.give(out);
                self.fill(now, PATIENCE, out);
            }
            Some((_, Pause::Silence)) => {
                self.forget();
                self.fill(now, Duration::ZERO, out);
            }
            Some((_, Pause::Cut)) => self.forget(),
        }
    }

    /// From now on another one is listened to; what the former still had is kept.
    pub(super) fn follow(&mut self, feed: Feed) {
        self.drain();
        if self.stereo {
            let longer = self.left.len().max(self.right.len());
            self.left.resize(longer, 0);
            self.right.resize(longer, 0);
        }
        self.feed = Some(feed);
    }

    /// Everything before was read. A second time it changes nothing.
    pub(super) fn pause(&mut self, pause: Pause, now: Instant) {
        self.paused.get_or_insert((now, pause));
    }

    pub(super) fn resume(&mut self, now: Instant) {
        self.drain();
        self.forget();
        if let Some((since, Pause::Cut)) = self.paused.take() {
            self.began += now.saturating_duration_since(since);
        }
    }

    fn drain(&mut self) {
        let Some(feed) = &mut self.feed else { return };
        let count = feed.left.read(&mut self.left);
        match &mut feed.right {
            Some(right) => {
                right.read(&mut self.right);
            }
            None if self.stereo => self.right.resize(self.right.len() + count, 0),
            None => {}
        }
        if self.stereo {
            // One of them lost what the other did not.
            let most = self.samples_in(PATIENCE) as usize;
            let longer = self.left.len().max(self.right.len());
            for channel in [&mut self.left, &mut self.right] {
                if longer - channel.len() > most {
                    channel.resize(longer, 0);
                }
            }
        }
    }

    fn give(&mut self, out: &mut Vec<i16>) {
        if !self.stereo {
            self.given += self.left.len() as u64;
            out.append(&mut self.left);
            return;
        }
        let count = self.left.len().min(self.right.len());
        let pairs = self.left.drain(..count).zip(self.right.drain(..count));
        out.extend(pairs.flat_map(|(left, right)| [left, right]));
        self.given += count as u64;
    }

    /// Puts silence in if more than `patience` is missing.
    fn fill(&mut self, now: Instant, patience: Duration, out: &mut Vec<i16>) {
        let due = self.samples_in(now.saturating_duration_since(self.began));
        let missing = due.saturating_sub(self.given);
        if missing <= self.samples_in(patience) {
            return;
        }
        let left_out = if patience.is_zero() { 0 } else { self.samples_in(UNDER_WAY) };
        let count = missing - left_out;
        let channels = 1 + usize::from(self.stereo);
        out.resize(out.len() + count as usize * channels, 0);
        self.given += count;
    }

    fn forget(&mut self) {
        drop(mem::take(&mut self.left));
        drop(mem::take(&mut self.right));
    }

    fn samples_in(&self, duration: Duration) -> u64 {
        self.rate.samples_in(duration)
    }
}

#[cfg(test)]
mod tests {
    use media::sink::{TapWriter, tap};

    use super::*;

    const RATE: SampleRate = SampleRate::NARROW;

    fn pair() -> (TapWriter, TapReader) {
        tap(RATE, Duration::from_secs(2))
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn channels_are_interleaved_and_wait_for_each_other() {
        let ((mut a, left), (mut b, right)) = (pair(), pair());
        let begin = Instant::now();
        let mut track = Track::new(RATE, true, Feed { left, right: Some(right) }, begin);
        a.write(Some(&[1; 160]), RATE);
        b.write(Some(&[2; 160]), RATE);
        a.write(Some(&[3; 160]), RATE);
        let mut out = Vec::new();
        track.read(begin + ms(40), &mut out);
        assert_eq!(out, [1, 2].repeat(160));
        b.write(None, RATE);
        out.clear();
        track.read(begin + ms(40), &mut out);
        assert_eq!(out, [3, 0].repeat(160));
    }

    #[test]
    fn what_nobody_wrote_is_silence() {
        let (mut a, left) = pair();
        let begin = Instant::now();
        let mut track = Track::new(RATE, false, Feed { left, right: None }, begin);
        a.write(Some(&[1; 160]), RATE);
        let mut out = Vec::new();
        track.read(begin + ms(520), &mut out);
        assert_eq!(out, [1; 160], "not yet");
        track.read(begin + ms(1_000), &mut out);
        assert_eq!(out.len(), 8 * (1_000 - 60));
        // The next room of the same call.
        let (mut b, left) = pair();
        a.write(Some(&[4; 160]), RATE);
        track.follow(Feed { left, right: None });
        b.write(Some(&[5; 160]), RATE);
        out.clear();
        track.read(begin + ms(1_000), &mut out);
        assert_eq!(out, [[4; 160], [5; 160]].concat());
    }

    #[test]
    fn a_pause_is_cut_out_or_silent() {
        for (pause, length) in [(Pause::Cut, 40), (Pause::Silence, 1_040)] {
            let (mut a, left) = pair();
            let begin = Instant::now();
            let mut track = Track::new(RATE, false, Feed { left, right: None }, begin);
            let mut out = Vec::new();
            a.write(Some(&[1; 160]), RATE);
            track.read(begin + ms(20), &mut out);
            track.pause(pause, begin + ms(20));
            for n in 1..=50 {
                a.write(Some(&[2; 160]), RATE);
                track.read(begin + ms(20 + n * 20), &mut out);
            }
            track.resume(begin + ms(1_020));
            a.write(Some(&[3; 160]), RATE);
            track.read(begin + ms(1_040), &mut out);
            assert_eq!(out.len(), 8 * length, "{pause:?}");
            assert!(!out.contains(&2));
            assert_eq!(out[out.len() - 160..], [3; 160]);
        }
    }

    #[test]
    fn a_channel_that_lost_something_catches_up_with_silence() {
        let ((mut a, left), (mut b, right)) = (pair(), pair());
        let begin = Instant::now();
        let mut track = Track::new(RATE, true, Feed { left, right: Some(right) }, begin);
        for _ in 0..30 {
            a.write(Some(&[1; 160]), RATE);
        }
        b.write(Some(&[2; 160]), RATE);
        let mut out = Vec::new();
        track.read(begin + ms(600), &mut out);
        assert_eq!(out.len(), 2 * 30 * 160);
        assert_eq!((out[0], out[1], out[320], out[321]), (1, 2, 1, 0));
    }
}
