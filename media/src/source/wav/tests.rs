//! Files of every shape, made here byte by byte.
#![allow(clippy::indexing_slicing)]

use proptest::prelude::*;

use std::time::Duration;

use super::super::Pcm;
use super::super::file::{MAX_BYTES, MAX_DURATION, decode as parse};
use super::super::tone::sine;
use super::*;
use crate::dsp::goertzel_dbfs;

const TARGET: SampleRate = SampleRate::NARROW;

/// A file to be written.
#[derive(Clone)]
struct File {
    tag: u16,
    channels: u16,
    hz: u32,
    bits: u16,
    data: Vec<u8>,
}

impl File {
    fn new(tag: u16, bits: u16, data: Vec<u8>) -> Self {
        Self { tag, channels: 1, hz: 8_000, bits, data }
    }

    fn format(&self) -> Vec<u8> {
        let align = self.channels * self.bits.div_ceil(8);
        let mut chunk = self.tag.to_le_bytes().to_vec();
        chunk.extend(self.channels.to_le_bytes());
        chunk.extend(self.hz.to_le_bytes());
        chunk.extend((self.hz * u32::from(align)).to_le_bytes());
        chunk.extend(align.to_le_bytes());
        chunk.extend(self.bits.to_le_bytes());
        chunk
    }

    fn bytes(&self) -> Vec<u8> {
        riff(&[(b"fmt ", &self.format()), (b"data", &self.data)])
    }

    fn parse(&self) -> Result<Pcm, Error> {
        parse(&self.bytes(), TARGET)
    }
}

fn chunk(name: &[u8; 4], size: u32, body: &[u8]) -> Vec<u8> {
    [&name[..], &size.to_le_bytes(), body].concat()
}

fn riff(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut body = b"WAVE".to_vec();
    for (name, content) in chunks {
        body.extend(chunk(name, content.len() as u32, content));
        body.resize(body.len() + content.len() % 2, 0);
    }
    chunk(b"RIFF", body.len() as u32, &body)
}

fn le16(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

fn samples_of(bytes: &[u8]) -> Vec<i16> {
    parse(bytes, TARGET).unwrap().samples().to_vec()
}

#[test]
fn every_encoding_gives_the_same_samples() {
    let rows: [(&str, File, &[i16]); 8] = [
        ("8 bit", File::new(1, 8, vec![0x80, 0x00, 0xff, 0x81]), &[0, -32_768, 32_512, 256]),
        ("16 bit", File::new(1, 16, le16(&[1, -2, 32_767])), &[1, -2, 32_767]),
        ("24 bit", File::new(1, 24, vec![9, 1, 0, 0xff, 0xfe, 0xff]), &[1, -2]),
        ("20 bit in three bytes", File::new(1, 20, vec![0xf0, 1, 0, 0xf0, 0xfe, 0xff]), &[1, -2]),
        ("32 bit", File::new(1, 32, vec![9, 9, 1, 0, 7, 7, 0xfe, 0xff]), &[1, -2]),
        (
            "float",
            File::new(3, 32, [0.5f32, -2.0, f32::NAN].map(f32::to_le_bytes).concat()),
            &[16_384, -32_768, 0],
        ),
        ("mu-law", File::new(7, 8, vec![0xff, 0x80, 0x00]), &[0, 32_124, -32_124]),
        ("A-law", File::new(6, 8, vec![0xd5, 0xaa, 0x2a]), &[8, 32_256, -32_256]),
    ];
    for (name, file, expected) in rows {
        assert_eq!(file.parse().unwrap().samples(), expected, "{name}");
    }
}

#[test]
fn an_extensible_format_says_in_its_subformat_what_it_is() {
    let mut file = File::new(0xfffe, 16, le16(&[5, 6]));
    let extend = |file: &File, tag: u16| {
        let mut format = file.format();
        format.extend(22u16.to_le_bytes()); // bytes that follow
        format.extend(16u16.to_le_bytes()); // valid bits
        format.extend(4u32.to_le_bytes()); // speaker
        format.extend(tag.to_le_bytes());
        format.extend([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71]);
        riff(&[(b"fmt ", &format), (b"data", &file.data)])
    };
    assert_eq!(samples_of(&extend(&file, 1)), [5, 6]);
    file.bits = 8;
    file.data = vec![0xff, 0x80];
    assert_eq!(samples_of(&extend(&file, 7)), [0, 32_124]);
    let unknown = Error::Unsupported { tag: 2, bits: 8 };
    assert_eq!(parse(&extend(&file, 2), TARGET), Err(unknown));
    assert_eq!(file.parse(), Err(Error::NoFormat), "without its extension");
}

#[test]
fn channels_are_averaged() {
    let mut file = File::new(1, 16, le16(&[100, 300, -5, -6, i16::MAX, i16::MAX, 9]));
    file.channels = 2;
    // The half frame at the end is left out.
    assert_eq!(file.parse().unwrap().samples(), [200, -5, i16::MAX]);
    file.channels = MAX_CHANNELS;
    file.data = le16(&[8; 8]);
    assert_eq!(file.parse().unwrap().samples(), [8]);
    for have in [0, MAX_CHANNELS + 1] {
        file.channels = have;
        assert_eq!(file.parse(), Err(Error::Channels { have, limit: MAX_CHANNELS }));
    }
}

#[test]
fn a_stereo_file_of_another_rate_plays_its_tone_at_the_right_pitch() {
    for hz in [11_025, 16_000, 44_100] {
        let from = SampleRate::new(hz).unwrap();
        let tone = sine(from, 1_000.0, -12.0, hz as usize);
        let mut file = File::new(1, 16, tone.iter().flat_map(|&s| le16(&[s, s])).collect());
        (file.channels, file.hz) = (2, hz);
        let pcm = file.parse().unwrap();
        assert_eq!(pcm.duration(), Duration::from_secs(1));
        assert_eq!((pcm.rate(), pcm.origin_rate()), (TARGET, from));
        assert!((goertzel_dbfs(pcm.samples(), 8_000, 1_000.0) + 12.0).abs() < 0.2, "{hz}");
    }
}

#[test]
fn other_chunks_are_stepped_over_padded_or_not() {
    let file = File::new(1, 16, le16(&[1, 2, 3]));
    let format = file.format();
    let padded = riff(&[
        (b"LIST", b"INFOISFT odd"),
        (b"junk", b"odd"),
        (b"fmt ", &format),
        (b"fact", &[0; 4]),
        (b"data", &file.data),
        (b"id3 ", b"tail"),
    ]);
    assert_eq!(samples_of(&padded), [1, 2, 3]);

    let mut unpadded = b"RIFF\0\0\0\0WAVE".to_vec();
    unpadded.extend(chunk(b"junk", 3, b"odd"));
    unpadded.extend(chunk(b"fmt ", 16, &format));
    unpadded.extend(chunk(b"data", 6, &file.data));
    assert_eq!(samples_of(&unpadded), [1, 2, 3]);
}

#[test]
fn audio_of_unknown_or_impossible_length_lasts_to_the_end_of_the_file() {
    let file = File::new(1, 16, le16(&[1, 2, 3]));
    for (riff_size, data_size) in [(0, 0), (u32::MAX, u32::MAX), (9, 7_000)] {
        let mut body = b"WAVE".to_vec();
        body.extend(chunk(b"fmt ", 16, &file.format()));
        body.extend(chunk(b"data", data_size, &file.data));
        assert_eq!(samples_of(&chunk(b"RIFF", riff_size, &body)), [1, 2, 3], "{data_size}");
    }
}

#[test]
fn files_that_cannot_be_played_say_why() {
    let good = File::new(1, 16, le16(&[1]));
    let with = |change: fn(&mut File)| {
        let mut file = good.clone();
        change(&mut file);
        file.bytes()
    };
    let format = good.format();
    let rows: [(&str, Vec<u8>, Error); 10] = [
        ("riff only", b"RIFF".to_vec(), Error::NotWave),
        ("avi", b"RIFF\0\0\0\0AVI LIST".to_vec(), Error::NotWave),
        ("header only", riff(&[]), Error::NoFormat),
        ("audio before its format", riff(&[(b"data", &[0; 4])]), Error::NoFormat),
        ("short format", riff(&[(b"fmt ", &format[..15])]), Error::NoFormat),
        ("no audio", riff(&[(b"fmt ", &format)]), Error::NoAudio),
        ("half a sample", with(|file| file.data = vec![1]), Error::NoAudio),
        ("adpcm", with(|file| file.tag = 2), Error::Unsupported { tag: 2, bits: 16 }),
        ("64 bit", with(|file| file.bits = 64), Error::Unsupported { tag: 1, bits: 64 }),
        ("no rate", with(|file| file.hz = 0), Error::Rate { hz: 0 }),
    ];
    for (name, bytes, error) in rows {
        assert_eq!(parse(&bytes, TARGET), Err(error), "{name}");
    }
}

#[test]
fn every_limit_holds_at_its_value_and_refuses_one_more() {
    for (hz, is_taken) in [(3_999, false), (4_000, true), (192_000, true), (192_001, false)] {
        let mut file = File::new(1, 16, le16(&[1; 100]));
        file.hz = hz;
        assert_eq!(file.parse().is_ok(), is_taken, "{hz}");
    }

    let frames = MAX_DURATION.as_secs() as usize * 8_000;
    let mut file = File::new(7, 8, vec![0xff; frames]);
    assert_eq!(file.parse().map(|pcm| pcm.duration()), Ok(MAX_DURATION));
    file.data.push(0xff);
    let have = TARGET.duration_of(frames as u64 + 1);
    assert_eq!(file.parse(), Err(Error::LastsTooLong { have, limit: MAX_DURATION }));

    let mut bytes = file.bytes();
    bytes.resize(MAX_BYTES + 1, 0);
    let too_long = Error::TooLong { have: MAX_BYTES + 1, limit: MAX_BYTES };
    assert_eq!(parse(&bytes, TARGET), Err(too_long));
}

#[test]
fn positions_in_the_file_and_here_lead_to_each_other() {
    let mut file = File::new(1, 16, le16(&[0; 48_000]));
    file.hz = 48_000;
    let pcm = file.parse().unwrap();
    assert_eq!(pcm.from_origin(24_000), 4_000);
    assert_eq!(pcm.to_origin(4_000), 24_000);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes, TARGET);
        // The same with a beginning that lets them in.
        let _ = parse(&[b"RIFF\0\0\0\0WAVEfmt ", &bytes[..]].concat(), TARGET);
    }

    #[test]
    fn a_file_changed_anywhere_is_read_without_a_panic(
        changes in proptest::collection::vec((0usize..64, any::<u8>()), 1..6), cut in 0usize..64,
    ) {
        let mut file = File::new(1, 16, le16(&[7; 12]));
        file.channels = 2;
        let mut bytes = file.bytes();
        for (at, value) in changes {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        bytes.truncate(bytes.len() - cut.min(bytes.len()));
        if let Ok(pcm) = parse(&bytes, TARGET) {
            prop_assert!(!pcm.samples().is_empty());
        }
    }
}
