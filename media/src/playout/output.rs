//! The last step: from the codec's rate to the mixer's, which may change while audio runs.

use super::track::Track;
use crate::dsp::Resampler;
use crate::time::{Ptime, SampleRate};

/// Samples of a frame at the highest rate.
pub(super) const MAX_FRAME: usize = SampleRate::FULL.samples(Ptime::TICK);

/// Reads frames of the mixer's rate from a track.
#[derive(Debug)]
pub(super) struct Output {
    from: SampleRate,
    to: SampleRate,
    resampler: Option<Resampler>,
    /// The resampler holds audio that has not come out yet.
    has_tail: bool,
}

impl Output {
    /// `None` if there is no way from one rate to the other.
    pub(super) fn new(from: SampleRate, to: SampleRate) -> Option<Self> {
        let resampler = match Resampler::is_needed(from, to) {
            true => Some(Resampler::new(from, to)?),
            false => None,
        };
        Some(Self { from, to, resampler, has_tail: false })
    }

    /// The rate of what comes out.
    pub(super) fn rate(&self) -> SampleRate {
        self.to
    }

    /// Whether all that went in has come out.
    pub(super) fn is_empty(&self) -> bool {
        !self.has_tail
    }

    /// By how many samples of the track what comes out is behind.
    pub(super) fn lag(&self) -> f64 {
        let delay = self.resampler.as_ref().map(Resampler::delay).unwrap_or_default();
        delay.as_secs_f64() * f64::from(self.from.hz())
    }

    /// Takes the next frame off the track; `false` if it is silence, and `out` is then undefined.
    pub(super) fn read(&mut self, track: &mut Track, out: &mut [i16]) -> bool {
        let Some(resampler) = &mut self.resampler else { return track.read(out) };
        if track.is_silent() && !self.has_tail {
            track.drop_silence(self.from.samples(Ptime::TICK));
            track.note_silence();
            return false;
        }
        let mut frame = [0; MAX_FRAME];
        let frame = &mut frame[..self.from.samples(Ptime::TICK)];
        // Once a frame of silence is through, nothing is left: filters are shorter than that.
        self.has_tail = track.read(frame);
        resampler.process(frame, out);
        true
    }

    /// Comes out at another rate from now on, where the old rate left off. The track moves on or back
    /// by the difference in delay, so that nothing is heard twice or left out. `false` if there is no
    /// way to that rate.
    pub(super) fn turn(&mut self, track: &mut Track, to: SampleRate) -> bool {
        let Some(mut next) = Self::new(self.from, to) else { return false };
        if track.is_hushed() && !self.has_tail {
            *self = next;
            return true;
        }
        track.rewind((self.lag() - next.lag()).round() as isize);
        if let Some(resampler) = &mut next.resampler {
            let past = track.parts().0;
            let frame = self.from.samples(Ptime::TICK);
            let mut unheard = [0; MAX_FRAME];
            resampler.process(&past[past.len() - frame..], &mut unheard);
            next.has_tail = true;
        }
        *self = next;
        true
    }
}
