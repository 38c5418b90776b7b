//! A sound file of either format, as it grows.

use super::ogg_opus::OggOpusWriter;
use super::wav::{HEADER_BYTES, WavWriter};
use crate::error::Error;
use crate::time::SampleRate;

/// What a file is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileFormat {
    /// 16-bit PCM.
    Wav,
    /// Opus in Ogg.
    OggOpus,
}

/// Gives the bytes of a file of one or two channels.
#[derive(Debug)]
pub struct FileWriter(Kind);

#[derive(Debug)]
enum Kind {
    Wav { writer: WavWriter, has_begun: bool },
    OggOpus(Box<OggOpusWriter>),
}

impl FileWriter {
    /// `serial` tells Ogg streams apart; any number does.
    ///
    /// # Errors
    /// [`Error::CodecRate`] for a rate that Opus does not take.
    pub fn new(
        format: FileFormat,
        rate: SampleRate,
        stereo: bool,
        serial: u32,
    ) -> Result<Self, Error> {
        Ok(Self(match format {
            FileFormat::Wav => {
                Kind::Wav { writer: WavWriter::new(rate, 1 + u16::from(stereo)), has_begun: false }
            }
            FileFormat::OggOpus => {
                Kind::OggOpus(Box::new(OggOpusWriter::new(rate, stereo, serial)?))
            }
        }))
    }

    /// Takes interleaved `pcm`, and appends to `out` what comes next in the file. `false`, and
    /// nothing taken, when the format can hold no more.
    pub fn push(&mut self, pcm: &[i16], out: &mut Vec<u8>) -> bool {
        match &mut self.0 {
            Kind::Wav { writer, has_begun } => {
                if !*has_begun {
                    out.extend_from_slice(&writer.header());
                    *has_begun = true;
                }
                writer.push(pcm, out)
            }
            Kind::OggOpus(writer) => {
                writer.push(pcm, out);
                true
            }
        }
    }

    /// What the beginning of the file must become, so that it is right for all that was pushed: to be
    /// written now and then, and at the end. `None` for a format that needs no such thing.
    pub fn head(&self) -> Option<[u8; HEADER_BYTES]> {
        match &self.0 {
            Kind::Wav { writer, .. } => Some(writer.header()),
            Kind::OggOpus(_) => None,
        }
    }

    /// Appends the rest of the file to `out`. Nothing can be pushed any more.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.push(&[], out);
        if let Kind::OggOpus(writer) = &mut self.0 {
            writer.finish(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::file::decode_at;
    use crate::source::tone;

    #[test]
    fn a_wav_file_is_right_whenever_its_head_was_written() {
        let rate = SampleRate::WIDE;
        let tone = tone::sine(rate, 1_000.0, -12.0, 4_000);
        let mut writer = FileWriter::new(FileFormat::Wav, rate, false, 0).unwrap();
        let mut file = Vec::new();
        for part in tone.chunks(1_000) {
            assert!(writer.push(part, &mut file));
            file[..HEADER_BYTES].copy_from_slice(&writer.head().unwrap());
            assert_eq!(file.len() % 2_000, HEADER_BYTES);
        }
        writer.finish(&mut file);
        assert_eq!(decode_at(&file, rate).unwrap().samples(), tone);
    }

    #[test]
    fn opus_takes_its_own_rates_only() {
        let rate = SampleRate::new(11_025).unwrap();
        assert!(FileWriter::new(FileFormat::OggOpus, rate, false, 0).is_err());
        assert!(FileWriter::new(FileFormat::OggOpus, SampleRate::WIDE, true, 0).is_ok());
    }
}
