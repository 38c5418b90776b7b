//! Who hears whom: tags, volume, the loudest few.

use super::*;

const TAG: Tag = Tag(7);

#[test]
fn a_coach_is_heard_by_his_tag_alone_and_hears_all() {
    for codecs in [[CodecKind::Pcmu; 4], [CodecKind::Opus; 4]] {
        let mut room = Room::new();
        // Customer, agent, coach, and one who listens only.
        let tones = [500.0, 800.0, 1_300.0, 0.0];
        let seats = [0, 1, 2, 3].map(|n| room.join_at(codecs[n], tones[n], -15.0));
        room.mixer.set_tag(seats[1], Some(TAG));
        room.run(40);
        room.mixer.speak_only_to(seats[2], Some(TAG));
        room.run(100);
        let is_heard = |room: &Room, who: usize, from: usize| {
            let level = room.level(who, tones[from]);
            assert!(level <= -45.0 || (level + 15.0).abs() <= 0.6, "{who} hears {from} at {level}");
            level > -45.0
        };
        assert!(is_heard(&room, 1, 2), "the agent hears the coach");
        assert!(!is_heard(&room, 0, 2) && !is_heard(&room, 3, 2), "nobody else does");
        assert!(is_heard(&room, 2, 0) && is_heard(&room, 2, 1), "the coach hears both");
        assert!(is_heard(&room, 0, 1) && is_heard(&room, 1, 0), "who hear each other");
        assert!(is_heard(&room, 3, 0) && is_heard(&room, 3, 1));
        assert!((0..3).all(|who| !is_heard(&room, who, who)), "and nobody himself");
        // The tag moves: so does what is heard.
        room.mixer.set_tag(seats[1], None);
        room.mixer.set_tag(seats[3], Some(TAG));
        room.run(100);
        assert!(is_heard(&room, 3, 2) && !is_heard(&room, 1, 2) && !is_heard(&room, 0, 2));
        room.mixer.speak_only_to(seats[2], None);
        room.run(100);
        assert!((0..4).filter(|&who| who != 2).all(|who| is_heard(&room, who, 2)));
    }
}

#[test]
fn listeners_of_one_tag_share_one_payload() {
    for codec in [CodecKind::Pcmu, CodecKind::G722] {
        let mut room = Room::new();
        let coach = room.join(codec, 500.0);
        for _ in 0..4 {
            room.join(codec, 0.0);
        }
        for who in 1..3 {
            room.mixer.set_tag(room.members[who].seat, Some(TAG));
        }
        room.mixer.speak_only_to(coach, Some(TAG));
        room.run(60);
        assert_eq!(room.sent(1), room.sent(2));
        assert_eq!(room.sent(3), room.sent(4));
        assert_ne!(room.sent(1), room.sent(3));
        assert!((room.level(2, 500.0) - LEVEL).abs() <= 0.5);
        assert!(room.level(4, 500.0) <= -50.0);
    }
}

#[test]
fn volume_changes_what_one_seat_hears() {
    let (mut room, seats) = three([CodecKind::Pcmu, CodecKind::G722, CodecKind::Pcmu]);
    room.mixer.set_volume_db(seats[0], -10.0);
    room.mixer.set_volume_db(seats[1], 6.0);
    room.run(80);
    assert!((room.level(0, TONES[1]) - (LEVEL - 10.0)).abs() <= 0.5);
    assert!((room.level(1, TONES[2]) - (LEVEL + 6.0)).abs() <= 0.7, "{}", room.level(1, TONES[2]));
    assert!((room.level(2, TONES[1]) - LEVEL).abs() <= 0.5);
    room.mixer.deafen(seats[0], true);
    room.run(60);
    assert!(room.level(0, TONES[1]) <= -50.0);
    room.mixer.deafen(seats[0], false);
    room.run(60);
    assert!((room.level(0, TONES[1]) - (LEVEL - 10.0)).abs() <= 0.5, "the volume stays");
}

#[test]
fn only_the_loudest_are_mixed_when_so_configured() {
    let mut room = Room::with(MixerConfig { loudest: 2, ..MixerConfig::default() });
    let tones = [500.0, 800.0, 1_300.0, 1_900.0];
    for (n, hz) in tones.into_iter().enumerate() {
        room.join_at(CodecKind::Pcmu, hz, -10.0 - 4.0 * n as f32);
    }
    room.run(80);
    assert!((room.level(3, tones[0]) + 10.0).abs() <= 0.5);
    assert!((room.level(3, tones[1]) + 14.0).abs() <= 0.5);
    assert!(room.level(3, tones[2]) <= -50.0 && room.level(0, tones[3]) <= -50.0);
    assert!(room.level(0, tones[0]) <= -50.0, "nobody hears himself");
    room.leave(0);
    room.run(80);
    assert!((room.level(2, tones[2]) + 18.0).abs() <= 0.5, "the next loudest takes the place");
}

#[test]
fn the_whole_mix_and_single_voices_can_be_listened_to() {
    let (mut room, seats) = three([CodecKind::Pcmu, CodecKind::G722, CodecKind::G722]);
    room.mixer.mute(seats[2], true);
    let (mut mix, mut voice) = (Vec::new(), Vec::new());
    for tick in 0..110 {
        room.tick();
        if tick >= 60 {
            mix.extend_from_slice(room.mixer.mixed());
            voice.extend_from_slice(room.mixer.voice(seats[0]).unwrap());
            assert_eq!(room.mixer.voice(seats[2]), None, "muted");
        }
    }
    let rate = room.mixer.rate().hz();
    assert_eq!(mix.len(), rate as usize);
    assert!((goertzel_dbfs(&mix, rate, TONES[0]) - LEVEL).abs() <= 0.5);
    assert!((goertzel_dbfs(&mix, rate, TONES[1]) - LEVEL).abs() <= 0.5);
    assert!(goertzel_dbfs(&mix, rate, TONES[2]) <= -50.0);
    assert!((goertzel_dbfs(&voice, rate, TONES[0]) - LEVEL).abs() <= 0.5);
    assert!(goertzel_dbfs(&voice, rate, TONES[1]) <= -50.0);
}

#[test]
fn who_is_not_among_the_loudest_is_not_heard_even_as_he_begins() {
    let mut room = Room::with(MixerConfig { loudest: 1, ..MixerConfig::default() });
    room.join(CodecKind::Pcmu, 500.0);
    room.join(CodecKind::Pcmu, 0.0);
    room.join(CodecKind::Pcmu, 0.0);
    room.run(60);
    room.forget();
    room.members[1].says = tone::sine(SampleRate::NARROW, 1_300.0, LEVEL - 15.0, 8_000);
    room.run(30);
    let residue = worst_residue_db(&room.members[2].heard, SampleRate::NARROW, 500.0);
    assert!(residue <= -30.0, "{residue} dB");
}

#[test]
fn a_tag_costs_those_nothing_who_hear_the_same_as_before() {
    let mut room = Room::new();
    let coach = room.join(CodecKind::Opus, 500.0);
    for _ in 0..4 {
        room.join(CodecKind::Opus, 0.0);
    }
    room.run(60);
    let place = |room: &Room, who: usize| {
        let sent = room.mixer.outgoing(room.members[who].seat).next();
        sent.unwrap().payload.as_ptr()
    };
    let agent = room.members[4].seat;
    room.mixer.set_tag(agent, Some(TAG));
    room.run(1);
    assert!((2..5).all(|who| place(&room, who) == place(&room, 1)), "nobody speaks to the tag");
    room.mixer.speak_only_to(coach, Some(TAG));
    room.run(1);
    assert!((2..4).all(|who| place(&room, who) == place(&room, 1)));
    assert_ne!(place(&room, 4), place(&room, 1));
    // The tags' order may change, which is nobody's concern either.
    room.mixer.speak_only_to(room.members[1].seat, Some(Tag(1)));
    room.run(1);
    room.mixer.speak_only_to(coach, None);
    room.run(1);
    assert_eq!(place(&room, 2), place(&room, 3));
}
