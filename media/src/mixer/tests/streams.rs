//! Encoded streams shared and apart: one encoding for all who hear the same, and no click where a
//! seat changes from one to another.

use super::*;

const STATEFUL: [CodecKind; 3] = [CodecKind::Opus, CodecKind::G722, CodecKind::L16Wide];

/// A steady tone by member 0 and silent listeners after it.
fn audience(codec: CodecKind, listeners: usize) -> Room {
    let mut room = Room::new();
    room.join(codec, 440.0);
    for _ in 0..listeners {
        room.join(codec, 0.0);
    }
    room.run(60);
    room
}

#[test]
fn listeners_of_one_format_are_sent_the_same_bytes() {
    for codec in STATEFUL {
        let room = audience(codec, 3);
        assert_eq!(room.sent(1), room.sent(2), "{codec:?}");
        assert_eq!(room.sent(1), room.sent(3), "{codec:?}");
        assert_ne!(room.sent(0), room.sent(1), "{codec:?}");
        let place = |who: usize| {
            let sent = room.mixer.outgoing(room.members[who].seat).next();
            sent.unwrap().payload.as_ptr()
        };
        assert_eq!(place(1), place(2), "{codec:?}: encoded twice");
    }
}

#[test]
fn going_alone_and_coming_back_is_not_heard() {
    for codec in STATEFUL {
        let mut room = audience(codec, 3);
        let (listener, rate) = (room.members[1].seat, room.members[1].rate);
        room.forget();
        room.run(30);
        // Talks for a second, hears the tone all along without itself.
        room.members[1].says = tone::sine(rate, 1_200.0, LEVEL, rate.hz() as usize);
        room.run(50);
        assert_ne!(room.sent(1), room.sent(2), "{codec:?}");
        room.members[1].says.fill(0);
        room.run(60);
        assert_eq!(room.sent(1), room.sent(2), "{codec:?}: together again");
        assert!(!room.mixer.is_talking(listener));
        let floor = worst_residue_db(&room.members[3].heard, rate, 440.0);
        let residue = worst_residue_db(&room.members[1].heard, rate, 440.0);
        assert!(residue <= (floor + 6.0).max(-25.0), "{codec:?}: {residue} dB, others {floor} dB");
    }
}

#[test]
fn every_ptime_is_sent_at_its_pace_and_heard_at_level() {
    for codec in CodecKind::ALL {
        for ptime in Ptime::ALL {
            let mut room = Room::new();
            room.join(codec, 440.0);
            for _ in 0..3 {
                room.join(SendFormat { ptime, ..SendFormat::new(codec) }, 0.0);
            }
            room.run(150);
            for who in 1..4 {
                let units = room.members[who].units;
                let expected = 150 * codec.clock_units(Ptime::TICK);
                let late = codec.clock_units(Ptime::Ms60);
                assert!(expected - units <= late, "{codec:?} {ptime:?}: {units} of {expected}");
                let level = room.level(who, 440.0);
                assert!((level - LEVEL).abs() <= 0.5, "{codec:?} {ptime:?}: {level}");
            }
        }
    }
}

#[test]
fn after_a_long_silence_speech_is_whole_from_its_start() {
    for codec in [CodecKind::Opus, CodecKind::G722, CodecKind::Pcmu] {
        let mut room = Room::new();
        room.join(codec, 0.0);
        room.join(codec, 0.0);
        room.join(codec, 0.0);
        room.run(200);
        room.forget();
        let rate = room.members[0].rate;
        room.members[0].says = tone::sine(rate, 440.0, LEVEL, rate.hz() as usize);
        room.run(60);
        assert!((room.level(1, 440.0) - LEVEL).abs() <= 0.5, "{codec:?}");
        let heard = &room.members[1].heard[..rate.hz() as usize / 5];
        let onset = heard.iter().position(|sample| sample.unsigned_abs() > 1_000).unwrap();
        // Jitter buffer, codec and resampler delays; nothing is swallowed.
        assert!(onset < rate.hz() as usize / 10, "{codec:?}: {onset}");
        assert_eq!(room.sent(1), room.sent(2), "{codec:?}");
    }
}

#[test]
fn a_crowd_at_the_door_does_not_make_an_encoding_each() {
    let mut room = audience(CodecKind::Opus, 3);
    for _ in 0..30 {
        room.join(CodecKind::Opus, 0.0);
    }
    room.run(3);
    let shared = room.sent(1);
    let own = (4..34).filter(|&who| room.sent(who) != shared).count();
    assert!((1..=8).contains(&own), "{own}");
    room.run(80);
    let shared = room.sent(1);
    for who in 4..34 {
        assert_eq!(room.sent(who), shared, "{who}");
        assert!((room.level(who, 440.0) - LEVEL).abs() <= 0.5, "{who}");
    }
}

#[test]
fn silence_is_encoded_once_and_then_repeated() {
    let mut room = Room::new();
    for _ in 0..4 {
        room.join(CodecKind::Opus, 0.0);
    }
    room.run(100);
    let before = room.sent(2);
    room.run(1);
    assert!(!before.is_empty());
    assert_eq!(room.sent(2), before);
    assert_eq!(room.sent(0), before, "all follow one stream");
}

#[test]
fn a_prompt_is_heard_by_one_and_leaves_no_trace() {
    for codec in STATEFUL {
        let mut room = audience(codec, 3);
        let rate = SampleRate::NARROW;
        let prompt = Pcm::new(tone::sine(rate, 2_000.0, -20.0, 8_000), rate);
        room.mixer.play_to_seat(room.members[1].seat, Play::once(Arc::new(prompt))).unwrap();
        room.run(49);
        assert!((room.level(1, 2_000.0) + 20.0).abs() <= 1.0, "{codec:?}");
        assert!(room.level(2, 2_000.0) <= -50.0, "{codec:?}");
        room.run(80);
        assert_eq!(room.sent(1), room.sent(2), "{codec:?}");
    }
}

#[test]
fn who_was_left_alone_while_converging_begins_again_with_the_next() {
    for codec in STATEFUL {
        let mut room = Room::new();
        // A coach, heard by his tag alone; two of another format hold the room's rate.
        let other = SendFormat { ptime: Ptime::Ms40, ..SendFormat::new(CodecKind::Opus) };
        let coach = room.join(other, 440.0);
        room.mixer.speak_only_to(coach, Some(Tag(1)));
        room.join(other, 0.0);
        let agents = [0, 1].map(|_| room.join(codec, 0.0));
        room.mixer.set_tag(agents[1], Some(Tag(1)));
        room.run(60);
        let third = room.join(codec, 0.0);
        room.mixer.set_tag(third, Some(Tag(1)));
        // Just before it follows the second that leaves, and the first gets the tag.
        room.run(chain::converges_after(codec) + 1);
        room.leave(3);
        room.run(30);
        room.forget();
        room.mixer.set_tag(agents[0], Some(Tag(1)));
        room.run(40);
        let rate = room.members[3].rate;
        let residue = worst_residue_db(&room.members[3].heard, rate, 440.0);
        // The coach's Opus is part of it, which comes out a little different on each kind of processor.
        assert!(residue <= -20.0, "{codec:?}: {residue} dB");
        assert_eq!(room.sent(2), room.sent(3), "{codec:?}");
    }
}
