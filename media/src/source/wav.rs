//! WAV files: any common encoding, mixed to mono.
//!
//! The file comes from outside, often over HTTP and sometimes cut off or streamed. Chunk sizes are
//! therefore taken as hints: audio ends where the file ends, and lengths nobody filled in (0 and
//! `0xffff_ffff`) mean "to the end". Called by [`decode`](super::file::decode), off the media thread.
//!
//! Ours, although symphonia reads WAV too: version 0.6 refuses G.711 with a plain format chunk of 16
//! bytes, looks for mu-law under a GUID nobody writes, and gives up on chunk sizes that do not add up
//! and on the last packet of a cut file. Telephony writes all of these.

#![warn(clippy::indexing_slicing)]

use super::file::{Audio, Error, MAX_CHANNELS};
use crate::codec::CodecKind;
use crate::time::SampleRate;

/// Reads a file.
pub(super) fn read(bytes: &[u8]) -> Result<Audio, Error> {
    let (format, data) = find_audio(bytes)?;
    let frames = data.len() / format.frame_bytes();
    super::file::check_length(frames, format.rate)?;
    Ok(Audio { mono: format.decode(data), rate: format.rate })
}

/// The format, and the bytes of the audio.
fn find_audio(bytes: &[u8]) -> Result<(Format, &[u8]), Error> {
    let (header, mut rest) = bytes.split_at_checked(12).ok_or(Error::NotWave)?;
    // RF64 is the same with sizes beyond 4 GiB left to a chunk that we do not need.
    let is_riff = header.starts_with(b"RIFF") || header.starts_with(b"RF64");
    if !is_riff || !header.ends_with(b"WAVE") {
        return Err(Error::NotWave);
    }
    let mut format = None;
    while let Some((&[i, d, e, nt, a, b, c, z], body)) = rest.split_first_chunk::<8>() {
        let size = u32::from_le_bytes([a, b, c, z]);
        // Beyond the end of the file there is nothing, whatever the size says.
        let chunk = body.get(..size as usize).unwrap_or(body);
        match &[i, d, e, nt] {
            b"fmt " => format = Some(Format::parse(chunk)?),
            b"data" => {
                let data = if size == 0 { body } else { chunk };
                return Ok((format.ok_or(Error::NoFormat)?, data));
            }
            _ => {}
        }
        rest = body.get(chunk.len()..).unwrap_or_default();
        // Odd chunks are followed by a zero, which some writers forget. No name begins with one.
        if let ([0, behind @ ..], 1) = (rest, chunk.len() % 2) {
            rest = behind;
        }
    }
    Err(if format.is_some() { Error::NoAudio } else { Error::NoFormat })
}

/// How samples are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    /// Offset binary.
    U8,
    /// Little-endian integers of 2, 3 or 4 bytes, of which the upper two are used.
    Int(usize),
    Float,
    Law(CodecKind),
}

#[derive(Debug, Clone, Copy)]
struct Format {
    encoding: Encoding,
    channels: u16,
    rate: SampleRate,
}

impl Format {
    const PCM: u16 = 0x0001;
    const FLOAT: u16 = 0x0003;
    const A_LAW: u16 = 0x0006;
    const MU_LAW: u16 = 0x0007;
    const EXTENSIBLE: u16 = 0xfffe;

    /// Reads a format chunk.
    fn parse(chunk: &[u8]) -> Result<Self, Error> {
        let (&[t0, t1, c0, c1, r0, r1, r2, r3, _, _, _, _, a0, a1, b0, b1], extension) =
            chunk.split_first_chunk::<16>().ok_or(Error::NoFormat)?;
        let mut tag = u16::from_le_bytes([t0, t1]);
        if tag == Self::EXTENSIBLE {
            // The subformat is a GUID that begins with one of the plain tags.
            let &[s0, s1] = extension.get(8..10).ok_or(Error::NoFormat)? else {
                return Err(Error::NoFormat);
            };
            tag = u16::from_le_bytes([s0, s1]);
        }
        let channels = u16::from_le_bytes([c0, c1]);
        if !(1..=MAX_CHANNELS).contains(&channels) {
            return Err(Error::Channels { have: channels, limit: MAX_CHANNELS });
        }
        let hz = u32::from_le_bytes([r0, r1, r2, r3]);
        let rate = SampleRate::new(hz).ok_or(Error::Rate { hz })?;
        let bits = u16::from_le_bytes([b0, b1]);
        // 20 bits stand in three bytes and so on; the frame size knows, unless it is left out.
        let align = u16::from_le_bytes([a0, a1]);
        let bytes = if align == 0 { bits.div_ceil(8) } else { align / channels };
        let encoding = match (tag, bytes) {
            (Self::PCM, 1) => Encoding::U8,
            (Self::PCM, 2..=4) => Encoding::Int(usize::from(bytes)),
            (Self::FLOAT, 4) => Encoding::Float,
            (Self::A_LAW, 1) => Encoding::Law(CodecKind::Pcma),
            (Self::MU_LAW, 1) => Encoding::Law(CodecKind::Pcmu),
            _ => return Err(Error::Unsupported { tag, bits }),
        };
        Ok(Self { encoding, channels, rate })
    }

    /// Bytes of one sample of all channels; never 0.
    fn frame_bytes(&self) -> usize {
        let sample = match self.encoding {
            Encoding::U8 | Encoding::Law(_) => 1,
            Encoding::Int(bytes) => bytes,
            Encoding::Float => 4,
        };
        sample * usize::from(self.channels)
    }

    /// All whole frames, mixed to mono.
    fn decode(&self, data: &[u8]) -> Vec<i16> {
        let mut samples: Vec<i16> = match self.encoding {
            Encoding::U8 => data.iter().map(|&byte| (i16::from(byte) - 128) << 8).collect(),
            Encoding::Int(bytes) => data.chunks_exact(bytes).map(upper_two).collect(),
            Encoding::Float => data.chunks_exact(4).map(from_float).collect(),
            Encoding::Law(codec) => {
                let mut samples = vec![0; data.len()];
                codec.decode(data, &mut samples);
                samples
            }
        };
        if self.channels > 1 {
            samples = samples.chunks_exact(usize::from(self.channels)).map(average).collect();
        }
        samples
    }
}

/// A little-endian integer, cut to its upper 16 bits.
fn upper_two(sample: &[u8]) -> i16 {
    sample.last_chunk::<2>().map_or(0, |&bytes| i16::from_le_bytes(bytes))
}

/// Full scale is 1.0.
fn from_float(sample: &[u8]) -> i16 {
    let value = sample.first_chunk::<4>().map_or(0.0, |&bytes| f32::from_le_bytes(bytes));
    (value * 32_767.0).round() as i16 // `as` saturates, and makes 0 of what is no number
}

fn average(frame: &[i16]) -> i16 {
    let sum: i32 = frame.iter().map(|&sample| i32::from(sample)).sum();
    (sum / frame.len().max(1) as i32) as i16
}

#[cfg(test)]
mod tests;
