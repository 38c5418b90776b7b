//! WAV files made here and read back: every encoding, odd chunks, broken files.

use super::*;
use crate::dsp::goertzel_dbfs;
use crate::source::tone;
use proptest::prelude::*;

struct File {
    tag: u16,
    channels: u16,
    hz: u32,
    bits: u16,
    data: Vec<u8>,
}

impl File {
    fn bytes(&self) -> Vec<u8> {
        let mut fmt = Vec::new();
        fmt.extend(self.tag.to_le_bytes());
        fmt.extend(self.channels.to_le_bytes());
        fmt.extend(self.hz.to_le_bytes());
        fmt.extend((self.hz * u32::from(self.channels) * u32::from(self.bits) / 8).to_le_bytes());
        fmt.extend((self.channels * self.bits / 8).to_le_bytes());
        fmt.extend(self.bits.to_le_bytes());
        riff(&[(b"fmt ", &fmt), (b"data", &self.data)])
    }
}

fn riff(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut body = b"WAVE".to_vec();
    for (name, data) in chunks {
        body.extend(*name);
        body.extend((data.len() as u32).to_le_bytes());
        body.extend(*data);
        body.resize(body.len().next_multiple_of(2), 0);
    }
    let mut file = b"RIFF".to_vec();
    file.extend((body.len() as u32).to_le_bytes());
    file.extend(body);
    file
}

/// A second of 1,000 Hz at -6 dB in the given encoding.
fn sine_file(tag: u16, channels: u16, hz: u32, bits: u16) -> Vec<u8> {
    let samples = tone::sine(SampleRate::new(hz).unwrap(), 1_000.0, -6.0, hz as usize);
    let encode = |sample: i16| -> Vec<u8> {
        match (tag, bits) {
            (1, 8) => vec![((sample >> 8) + 128) as u8],
            (1, 16) => sample.to_le_bytes().to_vec(),
            (1, 24) => (i32::from(sample) << 8).to_le_bytes()[..3].to_vec(),
            (1, 32) => (i32::from(sample) << 16).to_le_bytes().to_vec(),
            (3, 32) => (f32::from(sample) / 32_768.0).to_le_bytes().to_vec(),
            (6 | 7, 8) => {
                let codec = if tag == 6 { CodecKind::Pcma } else { CodecKind::Pcmu };
                let mut byte = [0];
                codec.encode(&[sample], &mut byte);
                byte.to_vec()
            }
            other => panic!("{other:?}"),
        }
    };
    let data = samples.iter().flat_map(|&s| encode(s).repeat(usize::from(channels))).collect();
    File { tag, channels, hz, bits, data }.bytes()
}

#[test]
fn every_encoding_gives_the_tone_that_was_written() {
    let encodings = [(1, 8), (1, 16), (1, 24), (1, 32), (3, 32), (6, 8), (7, 8)];
    for (tag, bits) in encodings {
        for channels in [1, 2, 6] {
            for hz in [8_000, 16_000, 44_100] {
                let pcm = parse(&sine_file(tag, channels, hz, bits), SampleRate::NARROW).unwrap();
                assert_eq!(pcm.samples().len(), 8_000);
                assert_eq!(pcm.origin_rate().hz(), hz);
                let level = goertzel_dbfs(&pcm.samples()[800..7_200], 8_000, 1_000.0);
                let case = format!("tag {tag}, {bits} bits, {channels} channels, {hz} Hz");
                assert!((level + 6.0).abs() < 0.1, "{case}: {level}");
            }
        }
    }
}

#[test]
fn stereo_is_mixed_to_the_mean_of_both_sides() {
    let data = [4_000i16, 2_000, -4_000, -2_000].iter().flat_map(|s| s.to_le_bytes()).collect();
    let file = File { tag: 1, channels: 2, hz: 8_000, bits: 16, data }.bytes();
    let pcm = parse(&file, SampleRate::NARROW).unwrap();
    assert_eq!(pcm.samples(), [3_000, -3_000]);
}

#[test]
fn other_chunks_before_the_audio_are_skipped_odd_lengths_too() {
    let fmt = [1, 0, 1, 0, 0x40, 0x1f, 0, 0, 0x80, 0x3e, 0, 0, 2, 0, 16, 0];
    let data = [1, 0, 2, 0];
    let file = riff(&[(b"LIST", b"odd"), (b"fmt ", &fmt), (b"fact", &[0; 4]), (b"data", &data)]);
    assert_eq!(parse(&file, SampleRate::NARROW).unwrap().samples(), [1, 2]);
}

#[test]
fn the_extensible_format_names_its_real_one_in_the_sub_format() {
    let mut fmt = vec![0xfe, 0xff, 1, 0, 0x40, 0x1f, 0, 0, 0x80, 0x3e, 0, 0, 2, 0, 16, 0];
    fmt.extend([22, 0, 16, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0x10, 0]);
    let file = riff(&[(b"fmt ", &fmt), (b"data", &[7, 0])]);
    assert_eq!(parse(&file, SampleRate::NARROW).unwrap().samples(), [7]);
}

#[test]
fn a_stream_without_a_size_is_read_to_its_end() {
    for size in [0u32, u32::MAX] {
        let data = vec![5, 0, 6, 0, 7];
        let mut file = File { tag: 1, channels: 1, hz: 8_000, bits: 16, data }.bytes();
        file[40..44].copy_from_slice(&size.to_le_bytes());
        let samples = parse(&file, SampleRate::NARROW).unwrap().samples().to_vec();
        assert_eq!(samples[..2], [5, 6]);
    }
}

#[test]
fn broken_files_say_what_is_wrong() {
    let good =
        |tag, channels, hz, bits| File { tag, channels, hz, bits, data: vec![0; 16] }.bytes();
    let cases: [(&[u8], WavError); 10] = [
        (b"", WavError::NotWav),
        (b"RIFF\0\0\0\0WAV", WavError::NotWav),
        (b"<html>not found</html>", WavError::NotWav),
        (b"RIFF\0\0\0\0WAVE", WavError::MissingChunk { chunk: "fmt" }),
        (&riff(&[(b"data", &[0; 4])]), WavError::MissingChunk { chunk: "fmt" }),
        (&riff(&[(b"fmt ", &[1, 0, 1])]), WavError::MissingChunk { chunk: "fmt" }),
        (&good(0x55, 1, 8_000, 16), WavError::UnsupportedFormat { tag: 0x55, bits: 16 }),
        (&good(1, 0, 8_000, 16), WavError::UnsupportedChannels { channels: 0 }),
        (&good(1, 9, 8_000, 16), WavError::UnsupportedChannels { channels: 9 }),
        (&good(1, 1, 3_999, 16), WavError::UnsupportedRate { hz: 3_999 }),
    ];
    for (file, error) in cases {
        assert_eq!(parse(file, SampleRate::NARROW), Err(error));
    }
}

#[test]
fn a_recording_at_the_limit_is_refused_and_one_below_is_not() {
    let file = |seconds: u64| {
        let data = vec![128; (4_000 * seconds) as usize];
        File { tag: 1, channels: 1, hz: 4_000, bits: 8, data }.bytes()
    };
    let refused = parse(&file(MAX_SECONDS), SampleRate::NARROW).unwrap_err();
    assert_eq!(refused, WavError::TooLong { seconds: MAX_SECONDS, limit: MAX_SECONDS });
    assert!(chunks(&file(MAX_SECONDS - 1)).is_ok());
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes, SampleRate::NARROW);
        let mut file = sine_header();
        file.append(&mut bytes);
        let _ = parse(&file, SampleRate::NARROW);
    }

    #[test]
    fn a_mutated_header_is_read_without_a_panic(at in 0usize..44, byte: u8, tail in 0usize..64) {
        let mut file = sine_header();
        file.resize(44 + tail, 3);
        file[at] = byte;
        let _ = parse(&file, SampleRate::NARROW);
    }
}

fn sine_header() -> Vec<u8> {
    File { tag: 1, channels: 1, hz: 8_000, bits: 16, data: vec![0; 8] }.bytes()
}
