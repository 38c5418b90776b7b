//! Reading WAV files (RIFF, as of the multimedia specification 1.0 and RFC 2361): integer PCM of 8 to
//! 32 bits, 32-bit float, A-law and mu-law; mono or more channels, 4 to 192 kHz.
//!
//! Called off the media thread: it decodes, mixes down and changes the rate in one go.

#![warn(clippy::indexing_slicing)]

use super::Pcm;
use super::resample::resample;
use crate::codec::CodecKind;
use crate::time::SampleRate;

/// Longest recording read.
pub const MAX_SECONDS: u64 = 3_600;
/// Most channels mixed down.
pub const MAX_CHANNELS: u16 = 8;

/// Why a file cannot be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WavError {
    /// No RIFF/WAVE header.
    #[error("not a wav file")]
    NotWav,
    /// It ends before its format or its audio.
    #[error("wav file has no {chunk} chunk")]
    MissingChunk {
        /// `fmt` or `data`.
        chunk: &'static str,
    },
    /// An encoding we do not read.
    #[error("wav format {tag:#06x} with {bits} bits is not supported")]
    UnsupportedFormat {
        /// Format tag; that of the sub-format if it is extensible.
        tag: u16,
        /// Bits per sample.
        bits: u16,
    },
    /// None, or more than [`MAX_CHANNELS`].
    #[error("wav file has {channels} channels")]
    UnsupportedChannels {
        /// As stated.
        channels: u16,
    },
    /// Outside 4 to 192 kHz.
    #[error("wav file has a sample rate of {hz} Hz")]
    UnsupportedRate {
        /// As stated.
        hz: u32,
    },
    /// Longer than [`MAX_SECONDS`].
    #[error("wav file plays {seconds} s, limit is {limit}")]
    TooLong {
        /// Its length.
        seconds: u64,
        /// The limit.
        limit: u64,
    },
}

/// Reads a file and makes it playable at `rate`.
///
/// A `data` chunk that claims more than the file has (a stream, or a file cut short) is read to the
/// end of the file.
///
/// # Errors
/// [`WavError`]
pub fn parse(file: &[u8], rate: SampleRate) -> Result<Pcm, WavError> {
    let (format, data) = chunks(file)?;
    let origin = SampleRate::new(format.hz).ok_or(WavError::UnsupportedRate { hz: format.hz })?;
    if format.channels == 0 || format.channels > MAX_CHANNELS {
        return Err(WavError::UnsupportedChannels { channels: format.channels });
    }
    let encoding = Encoding::of(&format)?;
    let block = encoding.bytes() * usize::from(format.channels);
    let seconds = (data.len() / block) as u64 / u64::from(format.hz);
    if seconds >= MAX_SECONDS {
        return Err(WavError::TooLong { seconds, limit: MAX_SECONDS });
    }
    let scale = 1.0 / f32::from(format.channels);
    let sample = |bytes| encoding.sample(bytes);
    let mono: Vec<f32> = data
        .chunks_exact(block)
        .map(|frame| frame.chunks_exact(encoding.bytes()).map(sample).sum::<f32>() * scale)
        .collect();
    // `as` saturates, and takes NaN for 0.
    let samples = resample(&mono, origin, rate).iter().map(|s| s.round() as i16).collect();
    Ok(Pcm { samples, rate, origin })
}

/// What the `fmt ` chunk says.
struct Format {
    tag: u16,
    channels: u16,
    hz: u32,
    bits: u16,
}

#[derive(Debug, Clone, Copy)]
enum Encoding {
    Unsigned8,
    Signed { bytes: usize },
    Float32,
    Law(CodecKind),
}

/// Finds format and audio among the chunks.
fn chunks(file: &[u8]) -> Result<(Format, &[u8]), WavError> {
    let mut rest = match file.split_first_chunk::<12>() {
        Some((header, rest)) if header.starts_with(b"RIFF") && header.ends_with(b"WAVE") => rest,
        _ => return Err(WavError::NotWav),
    };
    let mut format = None;
    while let Some((&[a, b, c, d, size @ ..], after)) = rest.split_first_chunk::<8>() {
        let size = u32::from_le_bytes(size) as usize;
        let body = after.get(..size).unwrap_or(after);
        match (&[a, b, c, d], &format) {
            (b"fmt ", None) => format = Some(Format::parse(body)?),
            (b"data", None) => return Err(WavError::MissingChunk { chunk: "fmt" }),
            (b"data", Some(_)) => {
                // Writers of streams put 0 or the largest number where the size belongs.
                let data = if size == 0 { after } else { body };
                return format.map(|f| (f, data)).ok_or(WavError::NotWav);
            }
            _ => {}
        }
        rest = after.get(size.saturating_add(size % 2)..).unwrap_or_default();
    }
    Err(WavError::MissingChunk { chunk: if format.is_none() { "fmt" } else { "data" } })
}

impl Format {
    fn parse(body: &[u8]) -> Result<Self, WavError> {
        let missing = WavError::MissingChunk { chunk: "fmt" };
        let &[
            tag_0,
            tag_1,
            channels_0,
            channels_1,
            h0,
            h1,
            h2,
            h3,
            _,
            _,
            _,
            _,
            _,
            _,
            bits_0,
            bits_1,
        ] = body.first_chunk().ok_or(missing)?;
        let mut tag = u16::from_le_bytes([tag_0, tag_1]);
        if tag == Self::EXTENSIBLE {
            // The real tag is the first two bytes of the sub-format.
            let &[low, high] = body.get(24..).and_then(<[u8]>::first_chunk).ok_or(missing)?;
            tag = u16::from_le_bytes([low, high]);
        }
        Ok(Self {
            tag,
            channels: u16::from_le_bytes([channels_0, channels_1]),
            hz: u32::from_le_bytes([h0, h1, h2, h3]),
            bits: u16::from_le_bytes([bits_0, bits_1]),
        })
    }

    const EXTENSIBLE: u16 = 0xfffe;
}

impl Encoding {
    fn of(format: &Format) -> Result<Self, WavError> {
        match (format.tag, format.bits) {
            (1, 8) => Ok(Self::Unsigned8),
            (1, 16) => Ok(Self::Signed { bytes: 2 }),
            (1, 24) => Ok(Self::Signed { bytes: 3 }),
            (1, 32) => Ok(Self::Signed { bytes: 4 }),
            (3, 32) => Ok(Self::Float32),
            (6, 8) => Ok(Self::Law(CodecKind::Pcma)),
            (7, 8) => Ok(Self::Law(CodecKind::Pcmu)),
            (tag, bits) => Err(WavError::UnsupportedFormat { tag, bits }),
        }
    }

    /// Per sample.
    fn bytes(self) -> usize {
        match self {
            Self::Unsigned8 | Self::Law(_) => 1,
            Self::Signed { bytes } => bytes,
            Self::Float32 => 4,
        }
    }

    /// One sample, scaled as 16 bits are.
    fn sample(self, bytes: &[u8]) -> f32 {
        match (self, bytes) {
            (Self::Unsigned8, &[byte]) => (f32::from(byte) - 128.0) * 256.0,
            (Self::Law(codec), &[_]) => {
                let mut pcm = [0];
                codec.decode(bytes, &mut pcm);
                pcm.iter().copied().map(f32::from).sum()
            }
            (Self::Float32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]) * 32_768.0,
            (Self::Signed { .. }, &[a, b]) => f32::from(i16::from_le_bytes([a, b])),
            (Self::Signed { .. }, &[a, b, c]) => {
                (i32::from_le_bytes([0, a, b, c]) >> 8) as f32 / 256.0
            }
            (Self::Signed { .. }, &[a, b, c, d]) => {
                i32::from_le_bytes([a, b, c, d]) as f32 / 65_536.0
            }
            _ => 0.0,
        }
    }
}

#[cfg(test)]
#[path = "wav_tests.rs"]
mod tests;
