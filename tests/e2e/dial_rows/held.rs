//! Keys and hold while two phones talk: what reaches the other, and what the application is told.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use support::wait;

use super::ears::expect;
use super::{AFTER_HZ, ALICE_HZ, BOB_HZ, Dials, Far, HOLD_HZ, text, user};
use crate::stage::SOON;

/// Keys further apart do not belong together (verbs.md §3.4).
const APART: Duration = Duration::from_secs(3);

/// Waits until the application has been told of exactly these sequences of those calls.
fn expect_keys(dials: &Dials, expected: &[(&str, &str)]) {
    let told = || -> Vec<(String, String)> {
        let bodies = dials.bodies("/keys");
        bodies.iter().map(|body| (text(body, "call_sid"), text(body, "dtmf"))).collect()
    };
    let is_so = || {
        let told = told();
        told.iter().map(|(sid, keys)| (sid.as_str(), keys.as_str())).eq(expected.iter().copied())
    };
    let met = wait::until(SOON, || is_so().then_some(()));
    assert!(met.is_some(), "told {:?}\nexpected {expected:?}", told());
}

#[test]
fn keys_of_one_phone_reach_the_other_and_sequences_the_application() {
    let dials = Dials::new();
    // What it replies is ignored.
    dials.script(&json!({ "/keys": [{ "verb": "hangup" }] }));
    let options = json!({ "dtmfCapture": ["*2", "##"], "dtmfHook": "/keys" });
    let (mut alice, mut bob, legs) = dials.pair(&options);
    let press = |phone: &mut support::Baresip, keys: &str| {
        for key in keys.chars() {
            phone.press(key).expect("pressed");
        }
    };
    press(&mut bob, "*2");
    expect_keys(&dials, &[(&legs.child, "*2")]);
    wait::expect("B's keys at A", SOON, || alice.keys() == "*2");
    press(&mut alice, "##");
    expect_keys(&dials, &[(&legs.child, "*2"), (&legs.parent, "##")]);
    wait::expect("A's keys at B", SOON, || bob.keys() == "##");
    let told = dials.bodies("/keys").swap_remove(0);
    assert_eq!(text(&told, "parent_call_sid"), legs.parent, "the leg that dialled: {told}");

    press(&mut bob, "*");
    let pressed = SystemTime::now();
    wait::expect("the gap is over", SOON, || {
        pressed.elapsed().unwrap_or_default() > APART + Duration::from_millis(200)
    });
    press(&mut bob, "2##");
    expect_keys(&dials, &[(&legs.child, "*2"), (&legs.parent, "##"), (&legs.child, "##")]);
    expect("A", &alice, &[BOB_HZ]);
    expect("B", &bob, &[ALICE_HZ]);
    alice.hang_up().expect("hung up");
    dials.statuses(&legs.parent);

    // Each side by its own list (D-24).
    let sides = json!({ "parentCall": ["11"], "childCall": ["22"] });
    dials.connects("alice", &user("bob"), &json!({ "dtmfCapture": sides, "dtmfHook": "/keys" }));
    dials.script(&json!({ "/keys": [] }));
    alice.dial(&dials.stage.uri("1000"), SOON).expect("answered");
    expect("A", &alice, &[BOB_HZ]);
    let second = dials.legs("alice");
    press(&mut alice, "2211");
    press(&mut bob, "1122");
    let before = dials.bodies("/keys").len().min(3);
    wait::expect("both", SOON, || dials.bodies("/keys").len() == before + 2);
    let mut told: Vec<(String, String)> = dials.bodies("/keys")[before..]
        .iter()
        .map(|body| (text(body, "dtmf"), text(body, "call_sid")))
        .collect();
    told.sort();
    assert_eq!(told, [("11".to_owned(), second.parent), ("22".to_owned(), second.child)]);
}

/// The caller is `sipp`, which is offered the hold and takes it.
fn is_held(dials: &Dials, targets: &Value, before: Option<Value>) -> Far {
    let verbs = before.into_iter().chain([dials.dial(targets, &json!({})), dials.after()]);
    dials.script(&json!({ "/call": { "plain": verbs.collect::<Vec<_>>() } }));
    let caller = dials.caller("held", "15550001", ALICE_HZ, &[("caller", "4711")]);
    caller.connect();
    caller
}

#[test]
fn hold_of_a_callee_is_passed_on_to_the_caller_s_phone() {
    let dials = Dials::new();
    dials.number("15550001");
    // A phone (which records no more once it has held): what the caller hears.
    let mut bob = dials.phone("bob", BOB_HZ);
    let caller = is_held(&dials, &user("bob"), None);
    expect("A", &caller.rtp, &[BOB_HZ]);
    expect("B", &bob, &[ALICE_HZ]);
    bob.hold().expect("held");
    caller.wait("held");
    bob.resume().expect("taken back");
    caller.wait("taken-back");
    expect("A", &caller.rtp, &[BOB_HZ]);
    caller.rtp.press(support::rtp_format::EVENTS, 8_000, 5);
    wait::expect("B hears A's key", SOON, || bob.keys() == "5");
    bob.hang_up().expect("hung up");
    expect("A after it", &caller.rtp, &[AFTER_HZ]);
    let parent = dials.call_sid("4711");
    dials.delete(&format!("/Calls/{parent}"), 204);
    caller.ends_well();

    // `sipp`, which holds for a second: what it hears.
    let far = dials.far("hold", BOB_HZ);
    let caller = is_held(&dials, &json!([far.target()]), None);
    far.connect();
    caller.wait("taken-back");
    expect("A", &caller.rtp, &[BOB_HZ]);
    expect("B", &far.rtp, &[ALICE_HZ]);
    let (held, unheld) = (far.time("held"), far.time("unheld"));
    let on_hold = far.rtp.heard().since(held + Duration::from_millis(200)).until(unheld);
    // The last may have been sent on the unhold, before the scenario could say so.
    assert!(on_hold.length() < Duration::from_millis(200), "B was sent {:?}", on_hold.length());
    dials.delete(&format!("/Calls/{}", dials.legs("4711").parent), 204);
    far.ends_well();
    caller.ends_well();
}

#[test]
fn a_held_caller_hears_the_session_s_music() {
    let dials = Dials::new();
    dials.number("15550001");
    let mut bob = dials.phone("bob", BOB_HZ);
    let music = json!({ "verb": "config", "onHoldMusic": dials.tone(HOLD_HZ, 300) });
    let caller = is_held(&dials, &user("bob"), Some(music));
    expect("A", &caller.rtp, &[BOB_HZ]);
    bob.hold().expect("held");
    caller.wait("held");
    expect("A on hold", &caller.rtp, &[HOLD_HZ]);
    bob.resume().expect("taken back");
    caller.wait("taken-back");
    expect("A", &caller.rtp, &[BOB_HZ]);
    bob.hang_up().expect("hung up");
    expect("A after it", &caller.rtp, &[AFTER_HZ]);
}

#[test]
fn a_hold_hook_says_again_and_again_what_the_caller_hears_until_it_is_over() {
    let dials = Dials::new();
    let (mut alice, mut bob, legs) = dials.pair(&json!({ "onHoldHook": "/hold" }));
    bob.hold().expect("held");
    expect("A on hold", &alice, &[HOLD_HZ]);
    wait::expect("the next round", SOON, || dials.bodies("/hold").len() > 1);
    let told: Value = dials.bodies("/hold").swap_remove(0);
    assert_eq!(text(&told, "call_sid"), legs.parent, "{told}");
    let realm = &dials.stage.tenant.realm;
    assert_eq!(told["hold_detail"], json!({ "from": format!("bob@{realm}"), "to": "alice" }));
    bob.resume().expect("taken back");
    expect("A", &alice, &[BOB_HZ]);
    alice.press('5').expect("pressed");
    wait::expect("B hears A's key", SOON, || bob.keys() == "5");
    // What is no prompt is not obeyed.
    dials.script(&json!({ "/hold": [{ "verb": "hangup" }] }));
    let rounds = dials.bodies("/hold").len();
    bob.hold().expect("held");
    wait::expect("the hook", SOON, || dials.bodies("/hold").len() > rounds);
    expect("A on hold", &alice, &[]);
    bob.resume().expect("taken back");
    // Had a hold been passed on, the phone would have recorded no more.
    expect("A", &alice, &[BOB_HZ]);

    let rounds = dials.bodies("/hold").len();
    // The caller's own hold is none of the hook's.
    alice.hold().expect("held");
    alice.resume().expect("taken back");
    bob.press('7').expect("pressed");
    wait::expect("A hears B's key", SOON, || alice.keys() == "7");
    assert_eq!(dials.bodies("/hold").len(), rounds);
    dials.app.assert_all_signed();
}
