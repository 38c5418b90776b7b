//! The detector against Q.24: what must be taken, what must be refused, and voices.

use super::*;
use crate::source::file;
use crate::time::splitmix;

/// A key press as samples.
#[derive(Clone, Copy)]
struct Tones {
    digit: char,
    ms: f64,
    /// Each of the low and the high tone, in dBFS.
    levels: (f64, f64),
    /// Off the nominal frequency, as a part of it.
    offsets: (f64, f64),
}

impl Tones {
    fn new(digit: char) -> Self {
        Self { digit, ms: 60.0, levels: (-13.0, -13.0), offsets: (0.0, 0.0) }
    }

    fn pcm(self, hz: u32) -> Vec<i16> {
        let find = |row: &[char; 4]| row.iter().position(|&key| key == self.digit);
        let row = KEYS.iter().position(|row| find(row).is_some()).unwrap();
        let column = find(&KEYS[row]).unwrap();
        let low = FREQUENCIES[row] * (1.0 + self.offsets.0);
        let high = FREQUENCIES[4 + column] * (1.0 + self.offsets.1);
        let amplitude = |dbfs: f64| 32_767.0 * 10f64.powf(dbfs / 20.0);
        let sample = |n: usize| {
            let time = TAU * n as f64 / f64::from(hz);
            amplitude(self.levels.0) * (low * time + 0.3).sin()
                + amplitude(self.levels.1) * (high * time + 1.1).sin()
        };
        (0..(self.ms * f64::from(hz) / 1_000.0) as usize).map(|n| sample(n) as i16).collect()
    }
}

fn silence(hz: u32, ms: f64) -> Vec<i16> {
    vec![0; (ms * f64::from(hz) / 1_000.0) as usize]
}

/// Feeds frames of 20 ms, and enough silence to end a key.
fn detect(hz: u32, pcm: &[i16]) -> Vec<DtmfEvent> {
    let mut detector = InbandDetector::new(SampleRate::new(hz).unwrap()).unwrap();
    let mut events = Vec::new();
    let mut pcm = pcm.to_vec();
    pcm.extend(silence(hz, 60.0));
    pcm.resize(pcm.len().next_multiple_of(hz as usize / 50), 0);
    for frame in pcm.chunks(hz as usize / 50) {
        detector.feed(frame, |event| events.push(event));
    }
    events
}

fn digits(hz: u32, pcm: &[i16]) -> String {
    detect(hz, pcm).iter().map(|event| event.digit.as_char()).collect()
}

/// Whether a press is taken wherever it begins between two blocks: always, never, or neither.
fn is_taken(tones: Tones) -> Option<bool> {
    let taken = (0..10).filter(|&shift| {
        let mut pcm = silence(8_000, 40.0 + f64::from(shift));
        pcm.extend(tones.pcm(8_000));
        let heard = digits(8_000, &pcm);
        assert!(heard.is_empty() || heard == tones.digit.to_string(), "{heard}");
        !heard.is_empty()
    });
    match taken.count() {
        0 => Some(false),
        10 => Some(true),
        _ => None,
    }
}

const ALL: &str = "123A456B789C*0#D";

#[test]
fn all_keys_are_heard_at_all_rates_with_their_duration() {
    for hz in [8_000, 16_000, 48_000] {
        for ms in [40.0, 55.0, 100.0, 400.0] {
            let mut pcm = silence(hz, 33.0);
            for digit in ALL.chars() {
                pcm.extend(Tones { ms, ..Tones::new(digit) }.pcm(hz));
                pcm.extend(silence(hz, 43.0));
            }
            let events = detect(hz, &pcm);
            let heard: String = events.iter().map(|event| event.digit.as_char()).collect();
            assert_eq!(heard, ALL, "{hz} Hz, {ms} ms");
            for event in events {
                let off = event.duration.as_secs_f64() * 1e3 - ms;
                assert!(off.abs() <= 10.0, "{hz} Hz, {ms} ms: {:?}", event.duration);
            }
        }
    }
}

#[test]
fn keys_of_40_ms_with_pauses_of_40_ms_are_told_apart() {
    for shift in 0..10 {
        let mut pcm = silence(8_000, 20.0 + f64::from(shift));
        for digit in "1155500D".chars() {
            pcm.extend(Tones { ms: 40.0, ..Tones::new(digit) }.pcm(8_000));
            pcm.extend(silence(8_000, 40.0));
        }
        assert_eq!(digits(8_000, &pcm), "1155500D", "shifted by {shift} ms");
    }
}

#[test]
fn short_tones_are_refused_and_short_breaks_bridged() {
    for digit in ALL.chars() {
        assert_eq!(is_taken(Tones { ms: 40.0, ..Tones::new(digit) }), Some(true), "{digit}");
        assert_eq!(is_taken(Tones { ms: 18.0, ..Tones::new(digit) }), Some(false), "{digit}");
    }
    let half = Tones::new('7').pcm(8_000);
    let pcm = [half.clone(), silence(8_000, 8.0), half].concat();
    let events = detect(8_000, &pcm);
    assert_eq!(events.len(), 1);
    assert!(events[0].duration >= Duration::from_millis(120), "{:?}", events[0].duration);
}

#[test]
fn a_key_after_another_without_a_pause_is_two_keys() {
    let pcm = [Tones::new('1').pcm(8_000), Tones::new('6').pcm(8_000)].concat();
    assert_eq!(digits(8_000, &pcm), "16");
}

#[test]
fn twist_is_taken_within_its_limits() {
    for digit in ALL.chars() {
        for (levels, expected) in [
            ((-10.0, -17.0), true),  // long line
            ((-10.0, -19.5), false), // too long
            ((-13.0, -10.0), true),
            ((-15.5, -10.0), false),
        ] {
            let tones = Tones { levels, ..Tones::new(digit) };
            assert_eq!(is_taken(tones), Some(expected), "{digit} at {levels:?}");
        }
    }
}

#[test]
fn frequencies_are_taken_within_1_5_percent_and_refused_from_3_5_percent_on() {
    for digit in ALL.chars() {
        for offset in [-0.015, 0.015] {
            for offsets in [(offset, 0.0), (0.0, offset), (offset, offset), (offset, -offset)] {
                let tones = Tones { offsets, ..Tones::new(digit) };
                assert_eq!(is_taken(tones), Some(true), "{digit} off by {offsets:?}");
            }
        }
        for offset in [-0.07, -0.05, -0.04, -0.035, 0.035, 0.04, 0.05, 0.07] {
            for offsets in [(offset, 0.0), (0.0, offset), (offset, offset)] {
                let tones = Tones { ms: 200.0, offsets, ..Tones::new(digit) };
                // Half the space between two rows is 5 %: beyond, it may be the neighbour.
                let mut pcm = silence(8_000, 45.0);
                pcm.extend(tones.pcm(8_000));
                let heard = digits(8_000, &pcm);
                assert!(heard.is_empty(), "{digit} off by {offsets:?}: {heard}");
            }
        }
    }
}

#[test]
fn the_level_reaches_down_to_36_dbfs() {
    for digit in ALL.chars() {
        let at = |each: f64| Tones { levels: (each, each), ..Tones::new(digit) };
        assert_eq!(is_taken(at(-38.5)), Some(true), "{digit}"); // both: -35.5
        assert_eq!(is_taken(at(-40.0)), Some(false), "{digit}");
        assert_eq!(is_taken(at(-6.1)), Some(true), "{digit}");
    }
}

/// Uniform noise, in dBFS.
fn noise(dbfs: f64, count: usize, seed: &mut u64) -> Vec<f64> {
    let amplitude = (3.0 * f64::from(mean_square_at(dbfs as f32))).sqrt();
    (0..count)
        .map(|_| ((splitmix(seed) >> 11) as f64 / (1u64 << 52) as f64 - 1.0) * amplitude)
        .collect()
}

#[test]
fn noise_15_db_below_loses_no_key_and_noise_alone_makes_none() {
    let mut seed = 3;
    let mut lost = 0;
    for round in 0..20 {
        let mut pcm = silence(8_000, 40.0 + f64::from(round));
        for digit in ALL.chars() {
            pcm.extend(Tones { ms: 50.0, ..Tones::new(digit) }.pcm(8_000));
            pcm.extend(silence(8_000, 50.0));
        }
        let noise = noise(-10.0 - 15.0, pcm.len(), &mut seed);
        pcm.iter_mut().zip(noise).for_each(|(sample, noise)| *sample += noise as i16);
        let heard = digits(8_000, &pcm);
        lost += usize::from(heard != ALL);
    }
    assert_eq!(lost, 0, "of 20 rounds");
    let hiss: Vec<i16> = noise(-20.0, 8_000 * 60, &mut seed).iter().map(|&n| n as i16).collect();
    assert_eq!(digits(8_000, &hiss), "");
}

#[test]
fn voices_and_call_progress_tones_are_no_keys() {
    let clips: [&[u8]; 3] = [
        include_bytes!("../../../tests/data/speech/a-8k.wav"),
        include_bytes!("../../../tests/data/speech/b-8k.wav"),
        include_bytes!("../../../tests/data/speech/c-8k.wav"),
    ];
    for (n, clip) in clips.iter().enumerate() {
        let pcm = file::decode_at(clip, RATE).unwrap();
        assert_eq!(digits(8_000, pcm.samples()), "", "clip {n}");
        // The same voice higher and lower: more talk for the same data.
        for hz in [5_600, 6_400, 7_200, 8_800, 9_600, 11_200] {
            let faster = file::decode_at(clip, SampleRate::new(hz).unwrap()).unwrap();
            assert_eq!(digits(8_000, faster.samples()), "", "clip {n} played from {hz}");
        }
    }
    for pair in [(350.0, 440.0), (440.0, 480.0), (480.0, 620.0), (697.0, 941.0), (1_209.0, 1_477.0)]
    {
        let sample = |n: usize| {
            let time = TAU * n as f64 / 8_000.0;
            (8_000.0 * (pair.0 * time).sin() + 8_000.0 * (pair.1 * time).sin()) as i16
        };
        let pcm: Vec<i16> = (0..8_000).map(sample).collect();
        assert_eq!(digits(8_000, &pcm), "", "{pair:?}");
    }
}

#[test]
fn keys_over_a_voice_that_is_20_db_weaker_are_heard() {
    let clip = include_bytes!("../../../tests/data/speech/b-8k.wav");
    let voice = file::decode_at(clip, RATE).unwrap();
    let mut pcm = silence(8_000, 500.0);
    for digit in ALL.chars() {
        pcm.extend(Tones { ms: 80.0, levels: (-10.0, -10.0), ..Tones::new(digit) }.pcm(8_000));
        pcm.extend(silence(8_000, 80.0));
    }
    pcm.iter_mut().zip(voice.samples()).for_each(|(sample, voice)| *sample += voice / 8);
    assert_eq!(digits(8_000, &pcm), ALL);
}
