//! Files made by LAME: one second of 1,000 Hz each, at -12 dBFS before LAME scaled it by 0.95.
#![allow(clippy::indexing_slicing)]

use std::time::Duration;

use super::super::Pcm;
use super::super::file::{Error, decode};
use super::*;
use crate::dsp::goertzel_dbfs;

const LEVEL_DBFS: f32 = -12.45;

/// 44.1 kHz, stereo, 64 kbit/s (MPEG-1).
const STEREO: &[u8] = include_bytes!("../../../tests/data/tone-44k-stereo.mp3");
/// 16 kHz, mono, 16 kbit/s (MPEG-2).
const WIDE: &[u8] = include_bytes!("../../../tests/data/tone-16k-mono.mp3");
/// 8 kHz, mono, 8 kbit/s (MPEG-2.5).
const NARROW: &[u8] = include_bytes!("../../../tests/data/tone-8k-mono.mp3");

/// The tone's level without the ends, where the encoder fades in and out.
fn tone_dbfs(pcm: &Pcm) -> f32 {
    let hz = pcm.rate().hz();
    let fifth = hz as usize / 5;
    goertzel_dbfs(&pcm.samples()[fifth..4 * fifth], hz, 1_000.0)
}

#[test]
fn every_generation_of_the_format_plays_its_tone_at_its_level() {
    for (file, rate) in
        [(STEREO, SampleRate::FULL), (WIDE, SampleRate::WIDE), (NARROW, SampleRate::NARROW)]
    {
        let pcm = decode(file, SampleRate::FULL).unwrap();
        assert_eq!(pcm.rate(), rate);
        assert!((tone_dbfs(&pcm) - LEVEL_DBFS).abs() < 0.1, "{rate:?}: {}", tone_dbfs(&pcm));
        // The encoder puts its delay before the tone and fills the last frame.
        let longer = pcm.duration().saturating_sub(Duration::from_secs(1));
        assert!(longer < Duration::from_millis(300), "{rate:?}: {longer:?}");

        let narrow = decode(file, SampleRate::NARROW).unwrap();
        assert_eq!(narrow.rate(), SampleRate::NARROW);
        assert_eq!(narrow.origin_rate(), pcm.origin_rate());
        assert!((tone_dbfs(&narrow) - LEVEL_DBFS).abs() < 0.1, "{rate:?}: {}", tone_dbfs(&narrow));
    }
}

#[test]
fn tags_before_and_after_the_audio_are_not_played() {
    let plain = decode(WIDE, SampleRate::FULL).unwrap();
    // Two tags; the first says 257 bytes and a footer, and holds what looks like a frame.
    let mut picture = b"ID3\x04\0\x10\0\0\x02\x01".to_vec();
    picture.extend_from_slice(&STEREO[..257 + 10]);
    let second = b"ID3\x03\0\0\0\0\0\x03odd";
    let trailer = [&b"TAG"[..], &[b' '; 125]].concat();
    let tagged = [&picture[..], second, WIDE, &trailer].concat();
    assert_eq!(decode(&tagged, SampleRate::FULL), Ok(plain));
}

#[test]
fn a_cut_file_plays_up_to_there() {
    let whole = decode(STEREO, SampleRate::FULL).unwrap();
    let half = decode(&STEREO[..STEREO.len() / 2], SampleRate::FULL).unwrap();
    let share = half.samples().len() as f32 / whole.samples().len() as f32;
    assert!((0.4..0.55).contains(&share), "{share}");
}

#[test]
fn a_damaged_part_is_left_out_and_the_rest_plays() {
    let mut file = STEREO.to_vec();
    let middle = file.len() / 2;
    file[middle..middle + 700].fill(0x55);
    let pcm = decode(&file, SampleRate::FULL).unwrap();
    assert!(pcm.duration() > Duration::from_millis(800), "{:?}", pcm.duration());
}

#[test]
fn a_tag_without_audio_and_audio_far_behind_it_are_no_mp3_files() {
    let far = [&vec![0; MAX_SEARCH_BYTES][..], WIDE].concat();
    let empty = b"ID3\x03\0\0\x7f\x7f\x7f\x7f";
    for file in [&far[..], empty, &WIDE[..3]] {
        assert_eq!(decode(file, SampleRate::FULL), Err(Error::Unknown));
    }
}

#[test]
fn changed_and_cut_files_are_read_without_a_panic() {
    let mut state = 7;
    let mut random =
        move |below: usize| (crate::time::splitmix(&mut state) % below as u64) as usize;
    for _ in 0..100 {
        let mut file = [STEREO, WIDE, NARROW][random(3)].to_vec();
        for _ in 0..1 + random(20) {
            let at = random(file.len());
            file[at] = random(256) as u8;
        }
        file.truncate(file.len() - random(file.len() / 2));
        if let Ok(pcm) = decode(&file, SampleRate::FULL) {
            assert!(!pcm.samples().is_empty());
        }
    }
}
