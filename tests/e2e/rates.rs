//! Foreign phones of three codecs in one conference, whose rate changes as they come and go.

use std::time::Duration;

use support::Baresip;
use support::baresip::{Codec, Phone};
use support::heard::{longest_absence, median_level_at, median_level_db};

use crate::stage::{LEVEL_DB, PASSWORD, SOON, Stage};

/// Name, codec, and the tone it sends.
const PHONES: [(&str, Codec, f64); 4] = [
    ("alice", Codec::Opus, 450.0),
    ("bob", Codec::G722, 750.0),
    ("carol", Codec::Pcmu, 1_150.0),
    ("dave", Codec::Opus, 1_750.0),
];
const ALICE: usize = 0;
const BOB: usize = 1;
const CAROL: usize = 2;
const DAVE: usize = 3;
/// Beside the tones above, alice and dave send a fainter one that only rooms of 16 and of 48 kHz carry.
const WIDE_HZ: f64 = 5_500.0;
const FULL_HZ: f64 = 9_000.0;
const FAINT_DB: f64 = LEVEL_DB - 6.0;
/// Longer without a tone is a gap. The phones' own clocks cost a little of it.
const GAP: Duration = Duration::from_millis(100);

/// At the rate of the phone's codec.
struct Heard {
    rate: u32,
    samples: Vec<i16>,
}

impl Heard {
    fn level(&self, hz: f64) -> f64 {
        median_level_at(&self.samples, self.rate, hz)
    }
}

struct Room {
    stage: Stage,
    phones: Vec<Baresip>,
}

impl Room {
    fn new() -> Self {
        // At the usual bit rate, Opus spends so little on five tones that its noise hides an echo.
        let stage = Stage::with_env(&[("TRUNKLINE__MEDIA__OPUS__BITRATE", "64000")]);
        stage.answer_with_conference("rates");
        let start = |(user, codec, hz)| {
            stage.tenant.client(user, PASSWORD).expect("a SIP client");
            let fainter = (if user == "dave" { FULL_HZ } else { WIDE_HZ }, FAINT_DB);
            let both = [(hz, LEVEL_DB), fainter];
            let phone = Phone {
                user,
                password: PASSWORD,
                realm: &stage.tenant.realm,
                server: stage.server.sip(),
                transport: "udp",
                tones: if codec == Codec::Opus { &both } else { &both[..1] },
                codec,
            };
            Baresip::start(&phone).expect("baresip runs")
        };
        let mut phones: Vec<Baresip> = PHONES.into_iter().map(start).collect();
        for phone in &mut phones {
            phone.wait_registered(SOON).expect("registered");
        }
        Self { stage, phones }
    }

    /// The phone's call stands, and whoever is there hears it.
    fn join(&mut self, who: usize, listener: Option<usize>) {
        self.phones[who].dial(&self.stage.uri("1000"), SOON).expect("answered");
        let Some(listener) = listener else { return };
        support::wait::expect("the new member is heard", SOON, || {
            let heard = self.phones[listener].listen(0.2).expect("sound");
            median_level_db(&heard, PHONES[who].2) > LEVEL_DB - 3.0
        });
    }

    fn leave(&mut self, who: usize) {
        self.phones[who].hang_up().expect("hung up");
    }

    /// Each of `members` hears the others at their level, and not itself.
    fn hear_each_other(&self, members: &[usize]) {
        for &listener in members {
            let (name, codec, own) = PHONES[listener];
            let heard = self.listen(listener, 1.0);
            for &(other, with, hz) in members.iter().map(|&at| &PHONES[at]) {
                let level = heard.level(hz) - LEVEL_DB;
                let off = if [codec, with].contains(&Codec::Opus) { 2.0 } else { 1.5 };
                if hz == own {
                    assert!(level <= -40.0, "{name} hears itself at {level} dB");
                } else {
                    assert!(level.abs() <= off, "{name} hears {other} {level} dB off");
                }
            }
        }
    }

    /// What a phone hears in the next seconds.
    fn listen(&self, listener: usize, seconds: f64) -> Heard {
        let phone = &self.phones[listener];
        let before = phone.recording().expect("a recording").1.len();
        let _ = phone.listen(seconds).expect("sound");
        let (rate, mut samples) = phone.recording().expect("a recording");
        Heard { rate, samples: samples.split_off(before) }
    }

    /// The room carries `WIDE_HZ` and `FULL_HZ` to those who can hear them, and nobody hears what has
    /// become of them at a rate too low (5.5 kHz would be 2.5 at 8 kHz; 9 would be 7 and 1).
    fn carries(&self, members: &[usize], wide: bool, full: bool) {
        for &listener in members {
            let (name, codec, _) = PHONES[listener];
            let wide = wide && codec != Codec::Pcmu && listener != ALICE;
            let full = full && codec == Codec::Opus && listener != DAVE;
            let mut rows = vec![(2_500.0, false), (1_000.0, false)];
            if codec != Codec::Pcmu {
                rows.extend([(WIDE_HZ, wide), (7_000.0, false)]);
            }
            if codec == Codec::Opus {
                rows.push((FULL_HZ, full));
            }
            let heard = self.listen(listener, 0.5);
            for (hz, is_heard) in rows {
                let level = heard.level(hz) - FAINT_DB;
                let holds = if is_heard { level.abs() <= 3.0 } else { level <= -20.0 };
                assert!(holds, "{name} hears {hz} Hz {level} dB off, {is_heard} is right");
            }
        }
    }

    /// How much a phone has heard so far.
    fn mark(&self, who: usize) -> usize {
        self.phones[who].heard().expect("a recording").len()
    }

    /// Since the mark, that phone has heard the other one without a gap.
    fn heard_on(&self, listener: usize, mark: usize, talker: usize) {
        let heard = self.phones[listener].heard().expect("a recording");
        let gap = longest_absence(&heard[mark..], PHONES[talker].2, LEVEL_DB - 10.0);
        let (by, of) = (PHONES[listener].0, PHONES[talker].0);
        assert!(gap <= GAP, "{by} did not hear {of} for {gap:?} of {}", heard.len() - mark);
    }
}

#[test]
fn opus_g722_and_pcmu_phones_hear_each_other_while_the_rate_of_their_room_changes() {
    let mut room = Room::new();
    // 8 kHz: all that G.722 and PCMU share.
    room.join(BOB, None);
    room.join(CAROL, Some(BOB));
    room.hear_each_other(&[BOB, CAROL]);
    let (bob, carol) = (room.mark(BOB), room.mark(CAROL));

    // 16 kHz: what Opus and G.722 share.
    room.join(ALICE, Some(CAROL));
    room.hear_each_other(&[ALICE, BOB, CAROL]);
    room.carries(&[ALICE, BOB, CAROL], true, false);
    let alice = room.mark(ALICE);

    // 48 kHz: two of Opus; and back.
    room.join(DAVE, Some(CAROL));
    room.hear_each_other(&[ALICE, BOB, CAROL, DAVE]);
    room.carries(&[ALICE, BOB, CAROL, DAVE], true, true);
    room.leave(DAVE);
    room.hear_each_other(&[ALICE, BOB, CAROL]);
    room.heard_on(BOB, bob, CAROL);
    room.heard_on(ALICE, alice, BOB);

    // 8 kHz again without bob, 16 kHz with him.
    room.leave(BOB);
    room.hear_each_other(&[ALICE, CAROL]);
    room.join(BOB, Some(ALICE));
    room.hear_each_other(&[ALICE, BOB, CAROL]);
    room.heard_on(ALICE, alice, CAROL);
    room.heard_on(CAROL, carol + room.mark_of_arrival(CAROL, carol, ALICE), ALICE);
}

impl Room {
    /// When, counted from the mark, a phone first heard another one.
    fn mark_of_arrival(&self, listener: usize, mark: usize, talker: usize) -> usize {
        let heard = self.phones[listener].heard().expect("a recording");
        let hz = PHONES[talker].2;
        let heard_it = |look: &[i16]| median_level_db(look, hz) > LEVEL_DB - 3.0;
        heard[mark..].chunks(800).position(heard_it).expect("heard once") * 800
    }
}
