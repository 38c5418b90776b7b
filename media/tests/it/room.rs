//! Conferences through real packets: who hears whom, at what level.

use std::time::Duration;

use media::CodecKind;
use media::dsp::goertzel_dbfs;
use media::sim::{Dice, LinkConfig};

use crate::call::Room;

const LEVEL: f32 = -15.0;

fn level(room: &Room, who: usize, hz: f32) -> f32 {
    let heard = &room.members[who].heard;
    goertzel_dbfs(&heard[heard.len() - 8_000..], 8_000, hz)
}

#[test]
fn three_callers_hear_the_other_two_within_a_decibel_and_not_themselves() {
    let tones = [440.0, 700.0, 1_100.0];
    let codecs = [CodecKind::Pcmu, CodecKind::Pcma, CodecKind::Pcmu];
    let mut room = Room::new();
    for (n, (hz, codec)) in tones.into_iter().zip(codecs).enumerate() {
        room.join(codec, hz, LEVEL, LinkConfig::perfect(n as u64));
    }
    room.run(Duration::from_secs(3));
    for (who, own) in tones.iter().enumerate() {
        for hz in tones {
            let heard = level(&room, who, hz);
            if hz == *own {
                assert!(heard <= -50.0, "{who} hears itself at {heard}");
            } else {
                assert!((heard - LEVEL).abs() <= 0.5, "{who} hears {hz} Hz at {heard}");
            }
        }
    }
    let muted = room.members[0].seat;
    room.mixer.mute(muted, true);
    room.run(Duration::from_millis(100));
    room.keep(true);
    room.run(Duration::from_secs(2));
    assert!(level(&room, 1, tones[0]) <= -50.0);
    assert!(level(&room, 2, tones[0]) <= -50.0);
    assert!((level(&room, 0, tones[1]) - LEVEL).abs() <= 0.5, "the muted one still hears");
}

#[test]
fn eight_tones_in_rooms_of_many_sizes_reach_everyone() {
    for members in [2usize, 10, 100, 500] {
        let talkers = members.min(8);
        let tone = |n: usize| 300.0 + 250.0 * n as f32;
        let mut room = Room::new();
        for n in 0..members {
            let link = LinkConfig::perfect(n as u64);
            let hz = if n < talkers { tone(n) } else { 0.0 };
            room.join([CodecKind::Pcmu, CodecKind::Pcma][n % 2], hz, -24.0, link);
        }
        room.run(Duration::from_millis(500));
        room.keep(true);
        room.run(Duration::from_secs(1));
        for who in 0..members {
            for n in 0..talkers {
                let heard = level(&room, who, tone(n));
                if n == who {
                    assert!(heard <= -50.0, "{members} members: {who} hears itself at {heard}");
                } else {
                    assert!((heard + 24.0).abs() <= 0.5, "{members} members: {who}, {n}: {heard}");
                }
            }
        }
    }
}

/// Power of the best-fitting sine of `hz` over what is left without it, in dB.
fn snr_db(heard: &[i16], hz: f64) -> f64 {
    let step = 2.0 * std::f64::consts::PI * hz / 8_000.0;
    let wave = |n: usize| (step * n as f64).sin_cos();
    let (mut sin, mut cos) = (0.0, 0.0);
    for (n, &sample) in heard.iter().enumerate() {
        let (s, c) = wave(n);
        sin += f64::from(sample) * s * 2.0 / heard.len() as f64;
        cos += f64::from(sample) * c * 2.0 / heard.len() as f64;
    }
    let (mut signal, mut noise) = (0.0, 0.0);
    for (n, &sample) in heard.iter().enumerate() {
        let (s, c) = wave(n);
        let fitted = sin * s + cos * c;
        signal += fitted * fitted;
        noise += (f64::from(sample) - fitted).powi(2);
    }
    10.0 * (signal / noise).log10()
}

#[test]
fn a_clean_path_is_as_good_as_its_codec_at_every_level() {
    // 1,004 Hz, as codecs are measured, so that the samples do not repeat.
    for (from, to) in [
        (CodecKind::Pcmu, CodecKind::Pcmu),
        (CodecKind::Pcma, CodecKind::Pcma),
        (CodecKind::Pcmu, CodecKind::Pcma),
        (CodecKind::Pcma, CodecKind::Pcmu),
    ] {
        for level_dbfs in [-6.0, -12.0, -24.0, -30.0] {
            let mut room = Room::new();
            let says =
                media::source::tone::sine(media::SampleRate::NARROW, 1_004.0, level_dbfs, 8_000);
            room.join_saying(from, says, LinkConfig::perfect(1), 0.0);
            room.join(to, 0.0, 0.0, LinkConfig::perfect(2));
            room.run(Duration::from_secs(2));
            let heard = &room.members[1].heard;
            let snr = snr_db(&heard[heard.len() - 8_000..], 1_004.0);
            // Changing the law quantises twice.
            let least = if from == to { 35.0 } else { 31.0 };
            assert!(snr >= least, "{from:?} to {to:?} at {level_dbfs}: {snr:.1} dB");
        }
    }
}

#[test]
fn garbage_from_strangers_and_from_the_peer_itself_leaves_no_gap() {
    let mut room = Room::new();
    room.join(CodecKind::Pcmu, 400.0, -12.0, LinkConfig::perfect(1));
    room.join(CodecKind::Pcmu, 0.0, 0.0, LinkConfig::perfect(2));
    room.run(Duration::from_secs(1));
    room.keep(true);
    let mut dice = Dice::new(3);
    for _ in 0..500 {
        for n in 0..10 {
            let len = dice.bits() as usize % 200;
            let mut bytes: Vec<u8> = (0..len).map(|_| dice.bits() as u8).collect();
            if n % 2 == 0 && len > 1 {
                bytes[0] = 0x80; // well-formed RTP of a negotiated type
                bytes[1] = [0, 101][n / 2 % 2];
            }
            room.inject(0, n < 6, &bytes);
        }
        room.tick();
    }
    let heard = &room.members[1].heard;
    let is_silent = |piece: &[i16]| piece.iter().all(|sample| sample.unsigned_abs() < 300);
    assert!(!heard.chunks(40).any(is_silent), "a gap of 5 ms or more");
    assert!(snr_db(&heard[..8_000], 400.0) > 35.0);
    assert!(room.members[0].leg.stats().rejected.total() > 4_900);
}
