//! What can be played into a mixer: PCM made of a WAV or MP3 file or of tones.
//!
//! Everything is rendered beforehand, off the media thread; playing it is then a cursor over samples.

pub mod file;
mod mp3;
mod resample;
pub mod tone;
pub mod tone_stream;
mod wav;

use crate::time::{Ptime, SampleRate};

/// Mono audio at the rate it will be mixed at. Shared between seats by `Arc`.
#[derive(Clone, PartialEq, Eq)]
pub struct Pcm {
    samples: Box<[i16]>,
    rate: SampleRate,
    origin: SampleRate,
}

impl Pcm {
    /// Samples at `rate`.
    pub fn new(samples: Vec<i16>, rate: SampleRate) -> Self {
        Self { samples: samples.into_boxed_slice(), rate, origin: rate }
    }

    /// Samples at `rate`, of a file at another.
    fn converted(samples: Vec<i16>, rate: SampleRate, origin: SampleRate) -> Self {
        Self { origin, ..Self::new(samples, rate) }
    }

    /// Silence of a duration.
    pub fn silence(rate: SampleRate, duration: std::time::Duration) -> Self {
        Self::new(vec![0; rate.samples_in(duration) as usize], rate)
    }

    /// The samples, at [`rate`](Self::rate).
    pub fn samples(&self) -> &[i16] {
        &self.samples
    }

    /// The rate to mix it at.
    pub fn rate(&self) -> SampleRate {
        self.rate
    }

    /// The rate of the file it came from; offsets in the REST contract count at this rate.
    pub fn origin_rate(&self) -> SampleRate {
        self.origin
    }

    /// How long it plays once.
    pub fn duration(&self) -> std::time::Duration {
        self.rate.duration_of(self.samples.len() as u64)
    }

    /// A position of the file it came from, as a position here.
    pub fn from_origin(&self, offset: u64) -> u64 {
        offset.saturating_mul(u64::from(self.rate.hz())) / u64::from(self.origin.hz())
    }

    /// A position here, as a position of the file it came from.
    pub fn to_origin(&self, offset: u64) -> u64 {
        offset.saturating_mul(u64::from(self.origin.hz())) / u64::from(self.rate.hz())
    }
}

impl std::fmt::Debug for Pcm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pcm")
            .field("samples", &self.samples.len())
            .field("rate", &self.rate)
            .field("origin", &self.origin)
            .finish()
    }
}

/// Samples of one tick at `rate`.
pub(crate) const fn tick_samples(rate: SampleRate) -> usize {
    rate.samples(Ptime::TICK)
}
