//! Seats of different rates in one room, and the room's own rate as they come and go.

use super::*;

const MIXED: [(CodecKind, f32); 4] = [
    (CodecKind::Opus, 500.0),
    (CodecKind::G722, 900.0),
    (CodecKind::Pcmu, 1_400.0),
    (CodecKind::Opus, 2_100.0),
];

#[test]
fn members_of_every_codec_hear_each_other_at_level_and_not_themselves() {
    let mut room = Room::new();
    for (codec, hz) in MIXED {
        room.join_at(codec, hz, -15.0);
    }
    assert_eq!(room.mixer.rate(), SampleRate::FULL);
    room.run(120);
    for (who, (codec, own)) in MIXED.into_iter().enumerate() {
        for (from, hz) in MIXED {
            let level = room.level(who, hz);
            if hz == own {
                assert!(level <= -50.0, "{codec:?} hears itself at {level}");
            } else {
                assert!((level + 15.0).abs() <= 0.5, "{codec:?} hears {from:?} at {level}");
            }
        }
    }
}

#[test]
fn what_narrow_phones_cannot_play_is_not_folded_into_their_band() {
    let mut room = Room::new();
    room.join(CodecKind::Opus, 6_000.0);
    room.join(CodecKind::Opus, 0.0);
    room.join(CodecKind::G722, 0.0);
    room.join(CodecKind::Pcmu, 0.0);
    room.run(120);
    assert!((room.level(1, 6_000.0) - LEVEL).abs() <= 1.0, "{}", room.level(1, 6_000.0));
    assert!((room.level(2, 6_000.0) - LEVEL).abs() <= 1.0, "{}", room.level(2, 6_000.0));
    // Sampled at 8 kHz without a filter it would be heard at 2 kHz.
    assert!(room.level(3, 2_000.0) <= LEVEL - 60.0, "{}", room.level(3, 2_000.0));
}

#[test]
fn the_room_takes_the_highest_rate_that_two_share_as_members_come_and_go() {
    let mut room = Room::new();
    let rates = |room: &mut Room, codec| {
        room.join(codec, 0.0);
        room.tick();
        room.mixer.rate()
    };
    assert_eq!(rates(&mut room, CodecKind::Pcmu), SampleRate::NARROW);
    assert_eq!(rates(&mut room, CodecKind::Opus), SampleRate::NARROW);
    assert_eq!(rates(&mut room, CodecKind::G722), SampleRate::WIDE);
    assert_eq!(rates(&mut room, CodecKind::Opus), SampleRate::FULL);
    room.leave(1);
    assert_eq!(room.mixer.rate(), SampleRate::WIDE);
    room.leave(1);
    assert_eq!(room.mixer.rate(), SampleRate::NARROW);
    room.run(5);
    let mut bounded = Room::with(MixerConfig { max_rate: SampleRate::WIDE, ..Default::default() });
    bounded.join(CodecKind::Opus, 0.0);
    assert_eq!(rates(&mut bounded, CodecKind::Opus), SampleRate::WIDE);
}

#[test]
fn a_change_of_the_rate_is_not_heard() {
    let hz = 440.0;
    let mut room = Room::new();
    room.join(CodecKind::Pcmu, hz);
    room.join(CodecKind::Pcma, 0.0);
    room.join(CodecKind::G722, 0.0);
    room.run(60);
    assert_eq!(room.mixer.rate(), SampleRate::NARROW);
    room.forget();
    room.run(20);
    room.join(CodecKind::Opus, 0.0);
    assert_eq!(room.mixer.rate(), SampleRate::WIDE);
    room.run(20);
    room.join(CodecKind::Opus, 0.0);
    assert_eq!(room.mixer.rate(), SampleRate::FULL);
    room.run(20);
    room.leave(3);
    assert_eq!(room.mixer.rate(), SampleRate::WIDE);
    room.run(20);
    room.leave(3);
    room.leave(2);
    assert_eq!(room.mixer.rate(), SampleRate::NARROW);
    room.run(20);
    // The filters' delay changes by a millisecond or two, so the phase may; but nothing jumps, and
    // nothing is missing.
    let heard = &room.members[1].heard;
    let steepest = heard.windows(2).map(|p| (i32::from(p[1]) - i32::from(p[0])).abs()).max();
    // 2 pi 440 / 8000 times the amplitude of -12 dBFS is 2,844.
    assert!(steepest <= Some(2 * 2_844), "a step of {steepest:?}");
    let levels = heard.chunks_exact(40).map(|piece| dsp::rms_dbfs(dsp::energy(piece), 40));
    let faintest = levels.fold(f32::MAX, f32::min);
    assert!(faintest >= LEVEL - 6.0, "a hole: {faintest}");
    room.run(50);
    assert!((room.level(1, hz) - LEVEL).abs() <= 0.5);
}

#[test]
fn a_talker_hears_nothing_of_himself_when_the_rate_changes() {
    for codec in [CodecKind::Pcmu, CodecKind::L16Narrow, CodecKind::L16Wide] {
        let mut room = Room::new();
        room.join(codec, 440.0);
        room.join(CodecKind::Pcma, 0.0);
        room.run(60);
        room.forget();
        room.join(CodecKind::G722, 0.0);
        room.join(CodecKind::Opus, 0.0);
        room.run(10);
        room.join(CodecKind::Opus, 0.0);
        assert_eq!(room.mixer.rate(), SampleRate::FULL);
        room.run(10);
        (0..3).for_each(|_| room.leave(2));
        room.run(10);
        let peak = room.members[0].heard.iter().map(|sample| sample.unsigned_abs()).max();
        assert!(peak < Some(40), "{codec:?}: {peak:?}");
    }
}

#[test]
fn a_rate_that_changes_twice_between_two_ticks_is_not_heard() {
    let mut room = Room::new();
    room.join(CodecKind::L16Narrow, 440.0);
    room.join(CodecKind::Opus, 0.0);
    room.run(60);
    room.forget();
    room.run(10);
    room.join(CodecKind::Opus, 0.0);
    assert_eq!(room.mixer.rate(), SampleRate::FULL);
    room.leave(2);
    assert_eq!(room.mixer.rate(), SampleRate::NARROW);
    room.run(10);
    let levels = room.members[1].heard.chunks_exact(240);
    let levels = levels.map(|piece| dsp::rms_dbfs(dsp::energy(piece), 240));
    let faintest = levels.fold(f32::MAX, f32::min);
    assert!(faintest >= LEVEL - 6.0, "a hole: {faintest}");
}
