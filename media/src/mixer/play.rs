//! Playing PCM into a mixer: to one seat or to the room.

use std::sync::Arc;
use std::time::Duration;

use super::SeatId;
use crate::dsp::{self, Resampler};
use crate::error::Error;
use crate::source::{Pcm, tick_samples};
use crate::time::SampleRate;

/// What to play, and how.
#[derive(Debug, Clone)]
pub struct Play {
    /// At any rate there is a filter from: 8, 16 and 48 kHz among them.
    pub pcm: Arc<Pcm>,
    /// How often.
    pub loops: Loops,
    /// Where the first pass starts, in samples of `pcm`.
    pub offset: u64,
    /// Ends it after this long, if not before.
    pub limit: Option<Duration>,
}

impl Play {
    /// Once, from the start.
    pub fn once(pcm: Arc<Pcm>) -> Self {
        Self { pcm, loops: Loops::Times(1), offset: 0, limit: None }
    }

    /// For ever, until stopped.
    pub fn forever(pcm: Arc<Pcm>) -> Self {
        Self { loops: Loops::Forever, ..Self::once(pcm) }
    }
}

/// How often something is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loops {
    /// So many times; 0 plays nothing.
    Times(u32),
    /// Until stopped.
    Forever,
}

/// Names one `play_to_*` call of one mixer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlayId(pub(super) u64);

/// Who hears a player.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlayTarget {
    /// One seat.
    Seat(SeatId),
    /// Everyone.
    Room,
}

/// Why a player ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlayEnd {
    /// All of it was played.
    Finished,
    /// Its time limit passed.
    TimedOut,
    /// [`stop_play`](super::Mixer::stop_play).
    Stopped,
    /// Another one took its place.
    Replaced,
}

/// A player ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlayDone {
    /// Which.
    pub play: PlayId,
    /// Who heard it.
    pub target: PlayTarget,
    /// Why.
    pub end: PlayEnd,
    /// Samples of the PCM played, all passes together.
    pub samples: u64,
    /// Position in the PCM where it ended.
    pub offset: u64,
}

/// A cursor over PCM.
#[derive(Debug)]
pub(super) struct Player {
    id: PlayId,
    pcm: Arc<Pcm>,
    position: usize,
    /// Passes to begin after this one; `None` is endless.
    passes_left: Option<u32>,
    /// Samples until the time limit.
    samples_left: u64,
    played: u64,
    state: State,
    convert: Option<Box<Convert>>,
}

/// From the PCM's rate to the mixer's.
#[derive(Debug)]
struct Convert {
    resampler: Resampler,
    /// One tick at the PCM's rate.
    input: Vec<i16>,
}

impl Convert {
    fn between(from: SampleRate, to: SampleRate) -> Result<Option<Box<Self>>, Error> {
        if !Resampler::is_needed(from, to) {
            return Ok(None);
        }
        let mismatch = Error::RateMismatch { source_hz: from.hz(), mixer_hz: to.hz() };
        let resampler = Resampler::new(from, to).ok_or(mismatch)?;
        Ok(Some(Box::new(Self { resampler, input: vec![0; tick_samples(from)] })))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Playing,
    Fading,
    Ended(PlayEnd),
}

impl Player {
    /// A player into a mixer of this rate.
    ///
    /// # Errors
    /// [`Error::RateMismatch`] if there is no filter between the two rates.
    pub(super) fn new(id: PlayId, play: Play, mixer: SampleRate) -> Result<Self, Error> {
        let convert = Convert::between(play.pcm.rate(), mixer)?;
        let samples_left = play.limit.map_or(u64::MAX, |limit| play.pcm.rate().samples_in(limit));
        let (passes_left, nothing) = match play.loops {
            Loops::Times(times) => (Some(times.saturating_sub(1)), times == 0),
            Loops::Forever => (None, false),
        };
        let nothing = nothing || play.pcm.samples().is_empty();
        Ok(Self {
            id,
            position: usize::try_from(play.offset)
                .unwrap_or(usize::MAX)
                .min(play.pcm.samples().len()),
            pcm: play.pcm,
            passes_left,
            samples_left,
            played: 0,
            state: if nothing { State::Ended(PlayEnd::Finished) } else { State::Playing },
            convert,
        })
    }

    /// Goes on into a mixer of another rate. Without a filter between the two it ends.
    pub(super) fn set_rate(&mut self, mixer: SampleRate) {
        match Convert::between(self.pcm.rate(), mixer) {
            Ok(convert) => self.convert = convert,
            Err(_) => self.state = State::Ended(PlayEnd::Stopped),
        }
        if let Some(convert) = &mut self.convert {
            // A filter without a past would leave a hole of its own length.
            let from = self.position.saturating_sub(convert.input.len());
            let past = &self.pcm.samples()[from..self.position];
            convert.input.fill(0);
            let at = convert.input.len() - past.len();
            convert.input[at..].copy_from_slice(past);
            convert.resampler.process(&convert.input, &mut vec![0; tick_samples(mixer)]);
        }
    }

    /// Goes on from this sample of the PCM, or from its end.
    pub(super) fn seek(&mut self, offset: u64) {
        let end = self.pcm.samples().len();
        self.position = usize::try_from(offset).unwrap_or(end).min(end);
    }

    pub(super) fn id(&self) -> PlayId {
        self.id
    }

    pub(super) fn stop(&mut self) {
        if self.state == State::Playing {
            self.state = State::Fading;
        }
    }

    pub(super) fn ended(&self) -> Option<PlayEnd> {
        match self.state {
            State::Ended(end) => Some(end),
            State::Playing | State::Fading => None,
        }
    }

    pub(super) fn done(&self, target: PlayTarget, end: PlayEnd) -> PlayDone {
        let offset = self.position as u64;
        PlayDone { play: self.id, target, end, samples: self.played, offset }
    }

    /// Fills one frame at the mixer's rate, with silence after the end.
    pub(super) fn render(&mut self, out: &mut [i16]) {
        let fades = self.state == State::Fading;
        match self.convert.take() {
            None => self.fill(out),
            Some(mut convert) => {
                self.fill(&mut convert.input);
                convert.resampler.process(&convert.input, out);
                self.convert = Some(convert);
            }
        }
        if fades {
            dsp::ramp(out, 1.0, 0.0);
            self.state = State::Ended(PlayEnd::Stopped);
        }
    }

    fn fill(&mut self, out: &mut [i16]) {
        let mut filled = 0;
        while filled < out.len() && !matches!(self.state, State::Ended(_)) {
            filled += self.copy(&mut out[filled..]);
        }
        out[filled..].fill(0);
    }

    /// Copies up to the end of the pass, of the limit or of `out`.
    fn copy(&mut self, out: &mut [i16]) -> usize {
        let rest = &self.pcm.samples()[self.position..];
        let allowed = usize::try_from(self.samples_left).unwrap_or(usize::MAX);
        let count = rest.len().min(out.len()).min(allowed);
        out[..count].copy_from_slice(&rest[..count]);
        self.position += count;
        self.samples_left -= count as u64;
        self.played += count as u64;
        if self.position == self.pcm.samples().len() {
            self.begin_next_pass();
        } else if self.samples_left == 0 {
            self.state = State::Ended(PlayEnd::TimedOut);
        }
        count
    }

    fn begin_next_pass(&mut self) {
        match &mut self.passes_left {
            Some(0) => {
                self.state = State::Ended(PlayEnd::Finished);
                return;
            }
            Some(passes) => *passes -= 1,
            None => {}
        }
        if self.samples_left == 0 {
            self.state = State::Ended(PlayEnd::TimedOut);
        } else {
            self.position = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SampleRate;

    fn player(samples: usize, loops: Loops, offset: u64, limit_ms: Option<u64>) -> Player {
        let pcm = Arc::new(Pcm::new((1..=samples as i16).collect(), SampleRate::NARROW));
        let limit = limit_ms.map(Duration::from_millis);
        Player::new(PlayId(0), Play { pcm, loops, offset, limit }, SampleRate::NARROW).unwrap()
    }

    /// Renders frames of 160 until it ends; gives all samples.
    fn run(player: &mut Player) -> Vec<i16> {
        let mut all = Vec::new();
        while player.ended().is_none() && all.len() < 8_000 {
            let mut frame = [-1; 160];
            player.render(&mut frame);
            all.extend(frame);
        }
        all
    }

    #[test]
    fn plays_to_the_end_and_pads_with_silence() {
        let mut player = player(200, Loops::Times(1), 0, None);
        let heard = run(&mut player);
        assert_eq!(heard[..200], (1..=200).collect::<Vec<i16>>());
        assert_eq!(heard[200..], [0; 120]);
        assert_eq!(player.ended(), Some(PlayEnd::Finished));
        let done = player.done(PlayTarget::Room, PlayEnd::Finished);
        assert_eq!((done.samples, done.offset), (200, 200));
    }

    #[test]
    fn loops_join_without_a_gap_and_only_the_first_pass_starts_at_the_offset() {
        let mut player = player(100, Loops::Times(3), 60, None);
        let heard = run(&mut player);
        let expected: Vec<i16> = (61..=100).chain(1..=100).chain(1..=100).collect();
        assert_eq!(heard[..240], expected);
        assert_eq!(player.played, 240);
    }

    #[test]
    fn a_time_limit_ends_an_endless_loop() {
        let mut player = player(100, Loops::Forever, 0, Some(50));
        run(&mut player);
        assert_eq!(player.ended(), Some(PlayEnd::TimedOut));
        assert_eq!((player.played, player.position), (400, 100));
    }

    #[test]
    fn empty_audio_and_zero_loops_end_at_once() {
        for mut player in [player(0, Loops::Forever, 0, None), player(5, Loops::Times(0), 0, None)]
        {
            assert_eq!(player.ended(), Some(PlayEnd::Finished));
            assert!(run(&mut player).is_empty());
        }
    }

    #[test]
    fn an_offset_behind_the_end_plays_nothing_of_the_first_pass() {
        let mut once = player(5, Loops::Times(1), u64::MAX, None);
        assert_eq!(run(&mut once), [0; 160]);
        let mut twice = player(5, Loops::Times(2), 9, None);
        assert_eq!(run(&mut twice)[..6], [1, 2, 3, 4, 5, 0]);
    }

    #[test]
    fn pcm_of_any_rate_keeps_its_pitch_and_level_also_when_the_mixer_changes_its_own() {
        use crate::source::tone;
        for from in [SampleRate::NARROW, SampleRate::WIDE, SampleRate::FULL] {
            let pcm =
                Arc::new(Pcm::new(tone::sine(from, 1_000.0, -12.0, from.hz() as usize), from));
            let mut player =
                Player::new(PlayId(0), Play::forever(pcm), SampleRate::NARROW).unwrap();
            for to in [SampleRate::NARROW, SampleRate::FULL, SampleRate::WIDE] {
                player.set_rate(to);
                let mut heard = Vec::new();
                for _ in 0..50 {
                    let mut frame = vec![0; tick_samples(to)];
                    player.render(&mut frame);
                    heard.extend(frame);
                }
                let level = dsp::goertzel_dbfs(&heard[heard.len() / 10..], to.hz(), 1_000.0);
                assert!((level + 12.0).abs() < 0.3, "{from:?} to {to:?}: {level}");
            }
        }
    }

    #[test]
    fn a_change_of_the_mixers_rate_leaves_no_hole() {
        let narrow = SampleRate::NARROW;
        let pcm = Arc::new(Pcm::new(vec![10_000; 8_000], narrow));
        let mut player = Player::new(PlayId(0), Play::forever(pcm), narrow).unwrap();
        for to in [narrow, SampleRate::FULL, SampleRate::WIDE, narrow] {
            player.set_rate(to);
            for _ in 0..2 {
                let mut frame = vec![0; tick_samples(to)];
                player.render(&mut frame);
                let off = frame.iter().position(|sample| (sample - 10_000).abs() > 100);
                assert!(off.is_none(), "{to:?}: {off:?}");
            }
        }
    }

    #[test]
    fn seeking_goes_on_from_there() {
        let mut player = player(400, Loops::Times(1), 0, None);
        let mut frame = [0; 160];
        player.render(&mut frame);
        player.seek(300);
        player.render(&mut frame);
        assert_eq!(frame[..101], (301..=400).chain([0]).collect::<Vec<i16>>());
        assert_eq!(player.ended(), Some(PlayEnd::Finished));
    }

    #[test]
    fn stopping_fades_within_one_frame() {
        let pcm = Arc::new(Pcm::new(vec![10_000; 1_600], SampleRate::NARROW));
        let mut player = Player::new(PlayId(0), Play::once(pcm), SampleRate::NARROW).unwrap();
        let mut frame = [0; 160];
        player.render(&mut frame);
        player.stop();
        player.render(&mut frame);
        assert_eq!(player.ended(), Some(PlayEnd::Stopped));
        assert_eq!(frame[159], 0);
        assert!(frame.windows(2).all(|pair| (pair[0] - pair[1]).abs() < 100));
    }
}
