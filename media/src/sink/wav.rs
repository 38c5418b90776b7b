//! WAV files of 16-bit PCM, as they grow.
//!
//! The header at the beginning says how much audio follows, and is out of date as soon as more does:
//! whoever writes the file puts [`WavWriter::header`] there again from time to time, and at the end. A
//! file that a crash cut off is put right by [`repair`].

use crate::time::SampleRate;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 44;

/// The sizes in the header have 32 bits, and the larger counts what follows it in the header, too.
const MAX_DATA_BYTES: u32 = u32::MAX - 1_024;

/// Bytes of one sample of one channel.
const SAMPLE_BYTES: u16 = 2;

/// Gives the bytes of a file.
#[derive(Debug, Clone)]
pub struct WavWriter {
    rate: SampleRate,
    channels: u16,
    data_bytes: u32,
}

impl WavWriter {
    /// Of one or two channels, or more.
    pub fn new(rate: SampleRate, channels: u16) -> Self {
        Self { rate, channels: channels.max(1), data_bytes: 0 }
    }

    /// Appends interleaved `pcm` to `out`. `false`, and nothing appended, when the file would become
    /// larger than its header can say: 4 GiB.
    pub fn push(&mut self, pcm: &[i16], out: &mut Vec<u8>) -> bool {
        let bytes = pcm.len().saturating_mul(usize::from(SAMPLE_BYTES));
        let room = MAX_DATA_BYTES - self.data_bytes;
        let Some(bytes) = u32::try_from(bytes).ok().filter(|bytes| *bytes <= room) else {
            return false;
        };
        out.extend(pcm.iter().flat_map(|sample| sample.to_le_bytes()));
        self.data_bytes += bytes;
        true
    }

    /// What stands at the beginning of a file with all that was pushed.
    pub fn header(&self) -> [u8; HEADER_BYTES] {
        let frame_bytes = self.channels * SAMPLE_BYTES;
        let byte_rate = self.rate.hz() * u32::from(frame_bytes);
        let mut header = [0; HEADER_BYTES];
        let mut rest = header.as_mut_slice();
        let mut put = |bytes: &[u8]| {
            if let Some((head, tail)) = std::mem::take(&mut rest).split_at_mut_checked(bytes.len())
            {
                head.copy_from_slice(bytes);
                rest = tail;
            }
        };
        put(b"RIFF");
        put(&(self.data_bytes + HEADER_BYTES as u32 - 8).to_le_bytes());
        put(b"WAVEfmt ");
        put(&16_u32.to_le_bytes());
        put(&1_u16.to_le_bytes()); // PCM
        put(&self.channels.to_le_bytes());
        put(&self.rate.hz().to_le_bytes());
        put(&byte_rate.to_le_bytes());
        put(&frame_bytes.to_le_bytes());
        put(&(SAMPLE_BYTES * 8).to_le_bytes());
        put(b"data");
        put(&self.data_bytes.to_le_bytes());
        header
    }
}

/// A file of ours that was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// What its beginning must be.
    pub header: [u8; HEADER_BYTES],
    /// Where it must end: behind its last whole sample.
    pub bytes: u64,
    /// How long it plays, in milliseconds.
    pub duration_ms: u64,
}

/// How to put right a file of `bytes` bytes that begins with `header`; `None` if [`WavWriter`] did not
/// make it.
pub fn repair(header: &[u8; HEADER_BYTES], bytes: u64) -> Option<Repaired> {
    let field = |at: usize| header.get(at..at + 4)?.first_chunk::<4>().copied();
    let channels = u16::from_le_bytes(header.get(22..24)?.first_chunk::<2>().copied()?);
    let rate = SampleRate::new(u32::from_le_bytes(field(24)?))?;
    let mut writer = WavWriter::new(rate, channels);
    let frame_bytes = u64::from(writer.channels) * u64::from(SAMPLE_BYTES);
    let data = bytes.checked_sub(HEADER_BYTES as u64)?.min(u64::from(MAX_DATA_BYTES));
    let data = data - data % frame_bytes;
    writer.data_bytes = data.try_into().ok()?;
    let fresh = writer.header();
    let same = |range: std::ops::Range<usize>| header.get(range.clone()) == fresh.get(range);
    (same(0..4) && same(8..40)).then_some(Repaired {
        header: fresh,
        bytes: data + HEADER_BYTES as u64,
        duration_ms: data / frame_bytes * 1_000 / u64::from(rate.hz()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::file::decode_at;
    use crate::source::tone;

    fn file(writer: &WavWriter, data: &[u8]) -> Vec<u8> {
        let mut file = writer.header().to_vec();
        file.extend_from_slice(data);
        file
    }

    #[test]
    fn what_is_written_can_be_played() {
        for rate in [SampleRate::NARROW, SampleRate::WIDE, SampleRate::FULL] {
            let tone = tone::sine(rate, 1_000.0, -12.0, rate.hz() as usize);
            let mut writer = WavWriter::new(rate, 1);
            let mut data = Vec::new();
            for frame in tone.chunks(333) {
                assert!(writer.push(frame, &mut data));
            }
            assert_eq!(decode_at(&file(&writer, &data), rate).unwrap().samples(), tone);
        }
    }

    #[test]
    fn two_channels_are_interleaved() {
        let (left, right) = (1_000_i16, -500_i16);
        let mut writer = WavWriter::new(SampleRate::NARROW, 2);
        let mut data = Vec::new();
        assert!(writer.push(&[left, right].repeat(80), &mut data));
        let audio = decode_at(&file(&writer, &data), SampleRate::NARROW).unwrap();
        // The reader takes the average.
        assert_eq!(audio.samples(), [250; 80]);
    }

    #[test]
    fn a_file_that_was_cut_off_is_put_right() {
        let mut writer = WavWriter::new(SampleRate::NARROW, 2);
        let early = writer.header();
        let mut data = Vec::new();
        let tone = tone::sine(SampleRate::NARROW, 1_000.0, -12.0, 16_000);
        assert!(writer.push(&tone, &mut data));
        let cut = HEADER_BYTES as u64 + data.len() as u64 - 3;
        let repaired = repair(&early, cut).unwrap();
        assert_eq!(repaired.bytes, cut - 1);
        assert_eq!(repaired.duration_ms, 999);
        let mut file = repaired.header.to_vec();
        file.extend_from_slice(&data[..repaired.bytes as usize - HEADER_BYTES]);
        let audio = decode_at(&file, SampleRate::NARROW).unwrap();
        assert_eq!(audio.samples().len(), 7_999);
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        assert_eq!(repair(&[0; HEADER_BYTES], 1_000), None);
        let header = WavWriter::new(SampleRate::NARROW, 1).header();
        assert_eq!(repair(&header, 43), None);
        for at in [0, 9, 13, 17, 20, 32, 36] {
            let mut wrong = header;
            wrong[at] ^= 1;
            assert_eq!(repair(&wrong, 1_000), None, "{at}");
        }
    }

    #[test]
    fn a_file_ends_where_its_header_can_say_no_more() {
        let mut writer = WavWriter::new(SampleRate::NARROW, 1);
        writer.data_bytes = MAX_DATA_BYTES - 10;
        let mut data = Vec::new();
        assert!(writer.push(&[1; 5], &mut data));
        assert!(!writer.push(&[1; 1], &mut data));
        assert_eq!(data.len(), 10);
    }
}
