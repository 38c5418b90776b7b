//! Sound files, made ready for a mixer: WAV and MP3, told apart by what is in them.
//!
//! Rendered at the lowest of 8, 16 and 48 kHz that keeps the file's band, mixed to mono. Called off
//! the media thread; the file comes from outside, so everything about it is bounded.

use std::time::Duration;

use super::resample::resample;
use super::{Pcm, mp3, wav};
use crate::time::SampleRate;

/// The longest file read, in bytes.
pub const MAX_BYTES: usize = 32 * 1_024 * 1_024;
/// The longest audio taken.
pub const MAX_DURATION: Duration = Duration::from_secs(3_600);
/// The most samples of one channel taken, in the file or rendered: 64 MB of memory. It is what the
/// longest file holds; MP3 could hold thirty times as much.
pub const MAX_SAMPLES: usize = MAX_BYTES;
/// The most channels mixed together.
pub const MAX_CHANNELS: u16 = 8;

/// Why a file cannot be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is longer than we read.
    #[error("file has {have} bytes, limit is {limit}")]
    TooLong {
        /// Bytes in the file.
        have: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The audio lasts longer than we take.
    #[error("audio lasts {have:?} or more, limit at its rate is {limit:?}")]
    LastsTooLong {
        /// Its duration as far as it was read.
        have: Duration,
        /// Duration allowed.
        limit: Duration,
    },
    /// Its beginning is that of no kind of file we play.
    #[error("neither a wave nor an mp3 file")]
    Unknown,
    /// A RIFF file, but of something else than audio.
    #[error("not a wave file")]
    NotWave,
    /// There is no format chunk before the audio, or it is cut off.
    #[error("no complete format chunk")]
    NoFormat,
    /// There is no data chunk or no MP3 frame, or nothing in it.
    #[error("no audio in the file")]
    NoAudio,
    /// Neither PCM of 8 to 32 bits, 32-bit float, A-law nor mu-law.
    #[error("wave format {tag:#06x} with {bits} bits is not supported")]
    Unsupported {
        /// Format tag of the file, of its subformat if it is extensible.
        tag: u16,
        /// Bits per sample.
        bits: u16,
    },
    /// No channel or too many.
    #[error("{have} channels, from 1 to {limit} are supported")]
    Channels {
        /// Channels in the file.
        have: u16,
        /// Channels allowed.
        limit: u16,
    },
    /// A sample rate that we do not convert: not within 4 to 192 kHz.
    #[error("sample rate of {hz} hz is not supported")]
    Rate {
        /// The rate in the file.
        hz: u32,
    },
}

/// What is in a file, before it is rendered.
pub(super) struct Audio {
    pub(super) mono: Vec<i16>,
    pub(super) rate: SampleRate,
}

/// Reads a file and renders it at exactly this rate: for tests that need speech.
///
/// # Errors
/// Any [`Error`].
#[cfg(any(test, feature = "sim"))]
pub fn decode_at(bytes: &[u8], rate: SampleRate) -> Result<Pcm, Error> {
    let pcm = decode(bytes, SampleRate::FULL)?;
    Ok(Pcm::new(resample(pcm.samples(), pcm.rate(), rate), rate))
}

/// Reads a file and renders it at [`rendered_rate`], which `highest` bounds.
///
/// Costs about 0.1 s per minute of 48 kHz audio when built for release.
///
/// # Errors
/// Any [`Error`].
pub fn decode(bytes: &[u8], highest: SampleRate) -> Result<Pcm, Error> {
    if bytes.len() > MAX_BYTES {
        return Err(Error::TooLong { have: bytes.len(), limit: MAX_BYTES });
    }
    let audio = match bytes {
        [b'R', b'I', b'F', b'F', ..] | [b'R', b'F', b'6', b'4', ..] => wav::read(bytes)?,
        _ => mp3::read(bytes)?,
    };
    let rate = rendered_rate(audio.rate, highest);
    // Rendering may make more of it: 22 kHz becomes 48.
    let rendered = audio.mono.len() as u64 * u64::from(rate.hz()) / u64::from(audio.rate.hz());
    check_length(usize::try_from(rendered).unwrap_or(usize::MAX), rate)?;
    Ok(Pcm::converted(resample(&audio.mono, audio.rate, rate), rate, audio.rate))
}

/// The lowest of 8, 16 and 48 kHz that keeps the band of a file, but not above `highest`.
pub fn rendered_rate(file: SampleRate, highest: SampleRate) -> SampleRate {
    let all = [SampleRate::NARROW, SampleRate::WIDE, SampleRate::FULL];
    all.into_iter().find(|rate| *rate >= file).unwrap_or(SampleRate::FULL).min(highest)
}

/// Refuses audio without samples, and audio that lasts too long.
pub(super) fn check_length(samples: usize, rate: SampleRate) -> Result<(), Error> {
    let limit = MAX_DURATION.min(rate.duration_of(MAX_SAMPLES as u64));
    let have = rate.duration_of(samples as u64);
    match samples {
        0 => Err(Error::NoAudio),
        _ if have > limit => Err(Error::LastsTooLong { have, limit }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_file_is_rendered_at_the_lowest_rate_that_keeps_its_band() {
        let rate = |hz| SampleRate::new(hz).unwrap();
        for (file, rendered) in [
            (4_000, SampleRate::NARROW),
            (8_000, SampleRate::NARROW),
            (11_025, SampleRate::WIDE),
            (16_000, SampleRate::WIDE),
            (22_050, SampleRate::FULL),
            (48_000, SampleRate::FULL),
            (192_000, SampleRate::FULL),
        ] {
            assert_eq!(rendered_rate(rate(file), SampleRate::FULL), rendered, "{file}");
            assert_eq!(rendered_rate(rate(file), SampleRate::NARROW), SampleRate::NARROW);
        }
    }

    #[test]
    fn what_is_no_sound_file_is_named_so() {
        for bytes in
            [&b""[..], b"<html><body>404 Not Found", b"OggS\0\x02", b"fLaC\0\0\0\x22", b"ID3"]
        {
            assert_eq!(decode(bytes, SampleRate::FULL), Err(Error::Unknown));
        }
    }

    #[test]
    fn length_is_bounded_by_time_and_by_memory() {
        let narrow = MAX_DURATION.as_secs() as usize * 8_000;
        assert_eq!(check_length(narrow, SampleRate::NARROW), Ok(()));
        assert_eq!(check_length(MAX_SAMPLES, SampleRate::FULL), Ok(()));
        for (samples, rate) in
            [(narrow + 1, SampleRate::NARROW), (MAX_SAMPLES + 1, SampleRate::FULL)]
        {
            let refused = check_length(samples, rate);
            assert!(matches!(refused, Err(Error::LastsTooLong { .. })), "{refused:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = decode(&bytes, SampleRate::FULL);
        }
    }
}
