//! Who talks: the events, and what is left out of a larger room.

use super::*;

/// Noise of one second at a level, the same for everybody who asks with the same seed.
fn noise(rate: SampleRate, level_dbfs: f32, seed: u64) -> Vec<i16> {
    let mut state = seed;
    // Uniform noise of peak p has an RMS of p / sqrt(3); a sine of peak p one of p / sqrt(2).
    let peak = 32_767.0 * 10f32.powf(level_dbfs / 20.0) * (1.5f32).sqrt();
    (0..rate.hz())
        .map(|_| {
            let unit = (crate::time::splitmix(&mut state) >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
            (unit * peak) as i16
        })
        .collect()
}

#[test]
fn talking_begins_and_ends_with_one_event_each() {
    let mut room = Room::new();
    let seat = room.join(CodecKind::Pcmu, 0.0);
    room.join(CodecKind::Pcmu, 0.0);
    room.run(50);
    assert_eq!(room.events(), []);
    room.members[0].says = tone::sine(SampleRate::NARROW, 440.0, -20.0, 8_000);
    room.run(50);
    assert_eq!(room.events(), [Event::TalkStarted(seat)]);
    assert!(room.mixer.is_talking(seat));
    room.members[0].says.fill(0);
    room.run(60);
    assert_eq!(room.events(), [Event::TalkStopped(seat)]);
    assert!(!room.mixer.is_talking(seat));
}

#[test]
fn a_muted_member_does_not_talk() {
    let mut room = Room::new();
    let seat = room.join(CodecKind::Pcmu, 440.0);
    room.run(50);
    assert_eq!(room.events(), [Event::TalkStarted(seat)]);
    room.mixer.mute(seat, true);
    room.run(5);
    assert_eq!(room.events(), [Event::TalkStopped(seat)]);
    room.run(50);
    assert_eq!(room.events(), []);
}

#[test]
fn a_member_unmuted_while_it_speaks_begins_to_talk() {
    let mut room = Room::new();
    let seat = room.join(CodecKind::Pcmu, 440.0);
    room.mixer.mute(seat, true);
    room.run(50);
    assert_eq!(room.events(), []);
    room.mixer.mute(seat, false);
    room.run(2);
    assert_eq!(room.events(), [Event::TalkStarted(seat)]);
    assert!(room.mixer.is_talking(seat));
}

#[test]
fn background_noise_of_many_is_left_out_and_its_senders_share_one_payload() {
    for codec in [CodecKind::Pcmu, CodecKind::G722] {
        let mut room = Room::new();
        room.join_at(codec, 440.0, -20.0);
        for n in 1..12u64 {
            room.join(codec, 0.0);
            let rate = codec.sample_rate();
            room.members[n as usize].says = noise(rate, -60.0, n);
        }
        room.run(150);
        room.forget();
        room.run(50);
        for who in 2..12 {
            assert_eq!(room.sent(who), room.sent(1), "{codec:?}: {who}");
        }
        let residue = worst_residue_db(&room.members[1].heard, codec.sample_rate(), 440.0);
        assert!(residue <= -28.0, "{codec:?}: noise is heard at {residue} dB");
        // One of them speaks up: heard from the first frame.
        let rate = codec.sample_rate();
        let voice = tone::sine(rate, 1_000.0, -30.0, rate.hz() as usize);
        room.members[5].says = voice;
        room.run(60);
        assert!((room.level(1, 1_000.0) + 30.0).abs() <= 0.5, "{codec:?}");
    }
}

#[test]
fn in_a_small_room_even_faint_sounds_are_heard() {
    let mut room = Room::new();
    room.join_at(CodecKind::L16Narrow, 440.0, -68.0);
    room.join(CodecKind::L16Narrow, 0.0);
    room.run(60);
    assert!((room.level(1, 440.0) + 68.0).abs() <= 1.0, "{}", room.level(1, 440.0));
}

#[test]
fn automatic_gain_brings_a_faint_talker_up() {
    let mut room = Room::new();
    let seat = room.join_at(CodecKind::Pcmu, 440.0, -32.0);
    room.join(CodecKind::Pcmu, 0.0);
    room.mixer.set_agc(seat, true);
    room.run(800);
    assert!(room.level(1, 440.0) >= -26.0, "{}", room.level(1, 440.0));
    assert!(room.level(0, 440.0) <= -50.0, "what is subtracted is what was added");
}
