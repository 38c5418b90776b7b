//! What taps hear: the room, what a seat says, what a seat hears.

use super::*;
use crate::sink::{TapReader, tap};

fn depth() -> Duration {
    Duration::from_secs(4)
}

/// Level of a tone in the last half second that came.
fn level(heard: &[i16], hz: f32) -> f32 {
    let last = &heard[heard.len().saturating_sub(8_000)..];
    goertzel_dbfs(last, 16_000, hz)
}

fn drain(reader: &mut TapReader, ticks: usize) -> Vec<i16> {
    let mut out = Vec::new();
    reader.read(&mut out);
    assert_eq!(out.len(), ticks * 320, "a frame for every tick");
    out
}

#[test]
fn a_seat_is_tapped_as_it_speaks_and_as_it_hears() {
    for codec in [CodecKind::Pcmu, CodecKind::G722, CodecKind::Opus] {
        let (mut room, seats) = three([codec; 3]);
        room.run(40);
        let (said, mut says) = tap(SampleRate::WIDE, depth());
        let (heard, mut hears) = tap(SampleRate::WIDE, depth());
        let both = SeatTap { said: Some(said), heard: Some(heard) };
        assert!(room.mixer.tap_seat(seats[0], both));
        room.run(60);
        let (says_now, hears_now) = (drain(&mut says, 60), drain(&mut hears, 60));
        assert!((level(&says_now, TONES[0]) - LEVEL).abs() < 1.0, "{codec:?}");
        assert!(level(&says_now, TONES[1]) < -45.0);
        for tone in &TONES[1..3] {
            assert!((level(&hears_now, *tone) - LEVEL).abs() < 1.0, "{codec:?}");
        }
        assert!(level(&hears_now, TONES[0]) < -45.0);
        // What its own codec brings is what is in the tap.
        assert!((room.level(0, TONES[1]) - LEVEL).abs() < 1.0);
        // Muted it still speaks, deaf it hears nothing but what is played to it.
        room.mixer.mute(seats[0], true);
        room.mixer.deafen(seats[0], true);
        let rate = room.mixer.rate();
        let pcm = Arc::new(Pcm::new(tone::sine(rate, 2_500.0, LEVEL, rate.hz() as usize), rate));
        room.mixer.play_to_seat(seats[0], Play::forever(pcm)).unwrap();
        room.run(60);
        let (says_now, hears_now) = (drain(&mut says, 60), drain(&mut hears, 60));
        assert!((level(&says_now, TONES[0]) - LEVEL).abs() < 1.0, "{codec:?}");
        assert!(level(&hears_now, TONES[1]) < -45.0);
        assert!((level(&hears_now, 2_500.0) - LEVEL).abs() < 1.0, "{codec:?}");
        // Both go on at another seat, of another mixer say.
        let taps = room.mixer.untap_seat(seats[0]);
        assert_eq!(taps.len(), 1);
        room.run(10);
        assert!(room.mixer.untap_seat(seats[0]).is_empty());
        drain(&mut says, 0);
    }
}

#[test]
fn the_room_is_tapped_as_a_whole_and_let_go_when_nobody_reads() {
    let (mut room, seats) = three([CodecKind::Pcmu, CodecKind::G722, CodecKind::Opus]);
    let (writer, mut reader) = tap(SampleRate::WIDE, depth());
    assert!(room.mixer.tap_room(writer));
    room.run(80);
    let heard = drain(&mut reader, 80);
    for tone in TONES {
        assert!((level(&heard, tone) - LEVEL).abs() < 1.0);
    }
    room.mixer.mute(seats[1], true);
    room.run(60);
    assert!(level(&drain(&mut reader, 60), TONES[1]) < -45.0, "the muted are not in it");
    for _ in 1..MAX_TAPS {
        assert!(room.mixer.tap_room(tap(SampleRate::WIDE, depth()).0));
    }
    assert!(!room.mixer.tap_room(tap(SampleRate::WIDE, depth()).0));
    room.run(1);
    assert!(room.mixer.tap_room(tap(SampleRate::WIDE, depth()).0), "their readers were gone");
    let (said, says) = tap(SampleRate::WIDE, depth());
    assert!(room.mixer.tap_seat(seats[0], SeatTap { said: Some(said), heard: None }));
    drop(says);
    room.run(1);
    assert!(room.mixer.untap_seat(seats[0]).is_empty());
}

#[test]
fn a_tapped_listener_shares_again_when_the_tap_is_gone() {
    for codec in [CodecKind::Pcmu, CodecKind::G722] {
        let mut room = Room::new();
        room.join(codec, 500.0);
        let seat = room.join(codec, 0.0);
        room.join(codec, 0.0);
        room.run(80);
        let (heard, mut hears) = tap(SampleRate::WIDE, depth());
        assert!(room.mixer.tap_seat(seat, SeatTap { said: None, heard: Some(heard) }));
        room.run(60);
        assert!((level(&drain(&mut hears, 60), 500.0) - LEVEL).abs() < 1.0);
        drop(hears);
        room.run(120);
        assert_eq!(room.sent(1), room.sent(2), "{codec:?}");
        assert!((room.level(1, 500.0) - LEVEL).abs() < 1.0);
    }
}
