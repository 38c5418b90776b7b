//! The coach of the contract (verbs.md §3.5) with foreign phones: agent A, caller C, supervisor S.

use serde_json::json;
use support::heard::median_level_db;
use support::{Baresip, wait};

use super::{A_HZ, C_HZ, GONE_DB, Rooms, S_HZ, WAIT_HZ};
use crate::stage::{LEVEL_DB, SOON};

fn dial(rooms: &Rooms, user: &str, hz: f64) -> Baresip {
    let stage = &rooms.stage;
    let mut phone = stage.baresip(user, hz);
    phone.dial(&stage.uri("1000"), SOON).expect("answered");
    phone
}

/// Waits until the phone hears these tones of the four, and no others.
fn expect(who: &str, phone: &Baresip, tones: &[f64]) {
    let mut levels = Vec::new();
    let met = wait::until(SOON, || {
        let heard = phone.listen(0.6).expect("sound");
        levels = [A_HZ, C_HZ, S_HZ, WAIT_HZ].map(|hz| (hz, median_level_db(&heard, hz))).to_vec();
        let is_well = |(hz, level): &(f64, f64)| {
            if tones.contains(hz) { (level - LEVEL_DB).abs() <= 1.5 } else { *level <= GONE_DB }
        };
        levels.iter().all(is_well).then_some(())
    });
    assert!(met.is_some(), "{who} was to hear {tones:?}, hears {levels:?}");
}

#[test]
fn a_supervisor_coaches_an_agent_whose_caller_does_not_hear_it() {
    let rooms = Rooms::new();
    rooms.script(&json!({ "/wait": [rooms.plays(WAIT_HZ, 60_000)] }));
    rooms.seat("agent", &json!({ "memberTag": "agent" }));
    let waits = json!({ "startConferenceOnEnter": false, "waitHook": "/wait" });
    rooms.seat("caller", &waits);
    rooms.seat("supervisor", &json!({ "speakOnlyTo": "agent" }));
    let c = dial(&rooms, "caller", C_HZ);
    expect("C", &c, &[WAIT_HZ]);
    let a = dial(&rooms, "agent", A_HZ);
    let mut s = dial(&rooms, "supervisor", S_HZ);
    expect("A", &a, &[C_HZ, S_HZ]);
    expect("C", &c, &[A_HZ]);
    expect("S", &s, &[A_HZ, C_HZ]);

    // The phone puts itself on hold, and the room goes on without it.
    s.hold().expect("held");
    expect("A without S", &a, &[C_HZ]);
    s.resume().expect("taken back");
    expect("A with S", &a, &[C_HZ, S_HZ]);
    expect("C as before", &c, &[A_HZ]);
    rooms.app.assert_all_signed();
}
