//! Conferences through real packets: who hears whom, at what level.

use std::time::Duration;

use media::CodecKind;
use media::dsp::goertzel_dbfs;
use media::sim::LinkConfig;

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
    for members in [2usize, 10, 100] {
        let talkers = members.min(8);
        let tone = |n: usize| 300.0 + 250.0 * n as f32;
        let mut room = Room::new();
        for n in 0..members {
            let link = LinkConfig::perfect(n as u64);
            let hz = if n < talkers { tone(n) } else { 0.0 };
            room.join(CodecKind::ALL[n % 2], hz, -24.0, link);
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
