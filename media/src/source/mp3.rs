//! MP3 files (MPEG-1, 2 and 2.5 layer III), mixed to mono. The decoder is symphonia's.
//!
//! Tags before the audio (ID3v2) are stepped over here, so that a picture in them is not taken for
//! audio. Frames that cannot be decoded are left out, as players do; a file cut anywhere plays up to
//! there. Called by [`decode`](super::file::decode), off the media thread.

#![warn(clippy::indexing_slicing)]

use std::io::Cursor;

use symphonia::core::codecs::audio::AudioDecoder;
use symphonia::core::formats::{FormatOptions, FormatReader};
use symphonia::core::io::{MediaSourceStream, ReadOnlySource};
use symphonia::default::codecs::MpaDecoder;
use symphonia::default::formats::MpaReader;

use super::file::{Audio, Error, MAX_CHANNELS, check_length};
use crate::time::SampleRate;

/// The first frame lies within this many bytes behind the tags, or it is no MP3 file. The search is
/// the one part of reading whose cost is not linear.
const MAX_SEARCH_BYTES: usize = 64 * 1_024;

/// Reads a file.
pub(super) fn read(bytes: &[u8]) -> Result<Audio, Error> {
    let frames = skip_tags(bytes);
    open(frames.get(..MAX_SEARCH_BYTES).unwrap_or(frames))?;
    let mut reader = open(frames)?;
    let track = reader.tracks().first().ok_or(Error::Unknown)?;
    let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio());
    let parameters = parameters.ok_or(Error::Unknown)?;
    let hz = parameters.sample_rate.ok_or(Error::Unknown)?;
    let rate = SampleRate::new(hz).ok_or(Error::Rate { hz })?;
    // Layers I and II are not built in.
    let options = Default::default();
    let mut decoder = MpaDecoder::try_new(parameters, &options).map_err(|_| Error::Unknown)?;
    let (mut mono, mut frame) = (Vec::new(), Vec::<f32>::new());
    // An error of the reader is the end of what can be read.
    while let Ok(Some(packet)) = reader.next_packet() {
        let Ok(decoded) = decoder.decode(&packet) else { continue };
        let channels = decoded.num_planes();
        decoded.copy_to_vec_interleaved(&mut frame);
        mono.extend(frame.chunks_exact(channels.clamp(1, MAX_CHANNELS.into())).map(mixed));
        if !mono.is_empty() {
            check_length(mono.len(), rate)?;
        }
    }
    check_length(mono.len(), rate)?;
    Ok(Audio { mono, rate })
}

/// Finds the first frame. The source is one that cannot seek: with one that can, the reader guesses
/// the duration of a file without an index, and ends there.
fn open(frames: &[u8]) -> Result<MpaReader<'_>, Error> {
    let source = ReadOnlySource::new(Cursor::new(frames));
    let stream = MediaSourceStream::new(Box::new(source), Default::default());
    MpaReader::try_new(stream, FormatOptions::default()).map_err(|_| Error::Unknown)
}

/// What is behind the ID3v2 tags (ID3v2.4 structure §3.1).
fn skip_tags(mut bytes: &[u8]) -> &[u8] {
    while let &[b'I', b'D', b'3', _, _, flags, a, b, c, d, ref rest @ ..] = bytes {
        // Seven bits each.
        let size = [a, b, c, d].iter().fold(0, |size, byte| size << 7 | usize::from(byte & 0x7f));
        let footer = if flags & 0x10 == 0 { 0 } else { 10 };
        bytes = rest.get(size + footer..).unwrap_or_default();
    }
    bytes
}

/// One sample of all channels. Full scale is 1.0.
fn mixed(channels: &[f32]) -> i16 {
    let mean = channels.iter().sum::<f32>() / channels.len().max(1) as f32;
    (mean * 32_767.0).round() as i16 // `as` saturates, and makes 0 of what is no number
}

#[cfg(test)]
mod tests;
