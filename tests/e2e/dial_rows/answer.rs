//! Until the two are connected: when the caller is answered, what it hears before, and whether the callee
//! wants the call.

use serde_json::{Value, json};
use support::baresip::Answers;
use support::{Baresip, wait};

use super::ears::expect;
use super::{AFTER_HZ, ALICE_HZ, BOB_HZ, CAROL_HZ, Dials, MUSIC_HZ, OWN_HZ, text, user};
use crate::stage::SOON;

fn is_answered(phone: &Baresip) -> bool {
    !phone.events("CALL_ESTABLISHED").is_empty()
}

#[test]
fn a_caller_hears_it_ring_and_is_answered_when_the_callee_answers() {
    let dials = Dials::new();
    let mut bob = dials.phone_that("bob", BOB_HZ, Answers::WhenTold);
    let mut alice = dials.phone("alice", ALICE_HZ);
    dials.connects("alice", &user("bob"), &json!({ "answerOnBridge": true }));
    alice.ring(&dials.stage.uri("1000")).expect("called");
    bob.wait_event("CALL_INCOMING", SOON).expect("called");
    alice.wait_event("CALL_RINGING", SOON).expect("180");
    assert!(!is_answered(&alice), "answered before B");
    bob.answer().expect("answered");
    alice.wait_event("CALL_ESTABLISHED", SOON).expect("answered");
    expect("A", &alice, &[BOB_HZ]);
    expect("B", &bob, &[ALICE_HZ]);
    let legs = dials.legs("alice");
    alice.hang_up().expect("hung up");
    assert_eq!(dials.statuses(&legs.parent), ["trying", "in-progress", "completed"]);
    assert_eq!(dials.statuses(&legs.child), ["trying", "ringing", "in-progress", "completed"]);
    dials.expect_done("/done", &legs, "completed", 200);
}

#[test]
fn early_media_is_heard_of_a_single_target_alone() {
    let dials = Dials::new();
    let mut alice = dials.phone("alice", ALICE_HZ);
    let options = json!({ "answerOnBridge": true });
    let far = dials.far("told", BOB_HZ);
    dials.connects("alice", &json!([far.target()]), &options);
    alice.ring(&dials.stage.uri("1000")).expect("called");
    far.connect();
    alice.wait_event("CALL_PROGRESS", SOON).expect("183");
    expect("A before the answer", &alice, &[BOB_HZ]);
    assert!(!is_answered(&alice), "answered before B");
    far.answer();
    alice.wait_event("CALL_ESTABLISHED", SOON).expect("answered");
    expect("A", &alice, &[BOB_HZ]);
    expect("B", &far.rtp, &[ALICE_HZ]);
    let first = dials.legs("alice");
    alice.hang_up().expect("hung up");
    far.ends_well();
    assert_eq!(dials.statuses(&first.child), ["trying", "early-media", "in-progress", "completed"]);
    dials.statuses(&first.parent);

    // With a second target there is nothing to hear before the answer.
    let bob = dials.phone_that("bob", CAROL_HZ, Answers::WhenTold);
    let far = dials.far("told", BOB_HZ);
    dials.connects("alice", &json!([far.target(), user("bob")[0]]), &options);
    alice.ring(&dials.stage.uri("1000")).expect("called");
    far.connect();
    bob.wait_event("CALL_INCOMING", SOON).expect("it rings");
    wait::expect("180", SOON, || alice.events("CALL_RINGING").len() == 1);
    wait::expect("early media", SOON, || {
        let told = dials.bodies("/status");
        told.iter().filter(|body| body["call_status"] == "early-media").count() == 2
    });
    assert_eq!(alice.events("CALL_PROGRESS").len(), 1, "no second 183");
    far.answer();
    expect("A", &alice, &[BOB_HZ]);
    bob.wait_event("CALL_CLOSED", SOON).expect("cancelled");
    assert_eq!(alice.events("CALL_PROGRESS").len(), 1, "no second 183");
    alice.hang_up().expect("hung up");
    far.ends_well();
}

#[test]
fn music_is_heard_instead_of_early_media_until_the_bridge() {
    let dials = Dials::new();
    let mut alice = dials.phone("alice", ALICE_HZ);
    for on_bridge in [false, true] {
        // Shorter than what is listened to: it repeats.
        let music = json!({ "dialMusic": dials.tone(MUSIC_HZ, 100), "answerOnBridge": on_bridge });
        let far = dials.far("told", BOB_HZ);
        dials.connects("alice", &json!([far.target()]), &music);
        alice.ring(&dials.stage.uri("1000")).expect("called");
        far.connect();
        far.wait("early");
        expect("A while it rings", &alice, &[MUSIC_HZ]);
        // Answered in the first round alone.
        assert_eq!(alice.events("CALL_ESTABLISHED").len(), 1, "answerOnBridge: {on_bridge}");
        far.answer();
        expect("A", &alice, &[BOB_HZ]);
        expect("B", &far.rtp, &[ALICE_HZ]);
        let legs = dials.legs("alice");
        dials.put(&legs.child_path(), &json!({ "call_status": "completed" }), 202);
        expect("A after it", &alice, &[AFTER_HZ]);
        far.ends_well();
        alice.hang_up().expect("hung up");
        dials.statuses(&legs.parent);
    }
}

#[test]
fn each_is_asked_by_its_own_hook_and_others_ring_on_until_one_accepts() {
    let dials = Dials::new();
    let bob = dials.phone("bob", BOB_HZ);
    let mut carol = dials.phone_that("carol", CAROL_HZ, Answers::WhenTold);
    let mut alice = dials.phone("alice", ALICE_HZ);
    dials.script(&json!({
        "/decline": [{ "verb": "hangup" }],
        "/confirm": [{ "verb": "dtmf", "dtmf": "5", "duration": 100 }, dials.plays(OWN_HZ, 2_500)],
    }));
    let targets = json!([
        { "type": "user", "name": "bob", "confirmHook": "/decline", "method": "GET" },
        { "type": "user", "name": "carol" },
    ]);
    let options = json!({ "confirmHook": "/confirm", "dialMusic": dials.tone(MUSIC_HZ, 1_000) });
    dials.connects("alice", &targets, &options);
    alice.dial(&dials.stage.uri("1000"), SOON).expect("answered");
    let parent = dials.call_sid("alice");

    // B answers by itself and is let go; C rings on.
    bob.wait_event("CALL_CLOSED", SOON).expect("a BYE");
    let declined = dials.told("/decline", "B's own hook", |_| true);
    assert_eq!(dials.app.requests("/decline")[0]["method"], "GET");
    assert_eq!(text(&declined, "parent_call_sid"), parent, "{declined}");
    assert_eq!(text(&declined, "to"), format!("bob@{}", dials.stage.tenant.realm));
    assert!(carol.events("CALL_CLOSED").is_empty(), "C rings no longer");
    carol.answer().expect("answered");
    expect("C while it is asked", &carol, &[OWN_HZ]);
    expect("A meanwhile", &alice, &[MUSIC_HZ]);
    assert_eq!(carol.keys(), "5");
    expect("A", &alice, &[CAROL_HZ]);
    expect("C", &carol, &[ALICE_HZ]);
    let asked = dials.told("/confirm", "C's hook", |_| true);
    assert_eq!(dials.app.requests("/confirm").len(), 1, "B has its own");
    assert_eq!(text(&asked, "parent_call_sid"), parent, "{asked}");
    assert_eq!(asked["direction"], "outbound", "{asked}");
    assert_eq!(asked["call_status"], "in-progress", "{asked}");
    assert_eq!(text(&asked, "to"), format!("carol@{}", dials.stage.tenant.realm));
    carol.hang_up().expect("hung up");
    let done = dials.told("/done", "the dial is over", |_| true);
    assert_eq!(done["dial_call_sid"], asked["call_sid"], "{done}");
    assert_eq!(done["dial_call_status"], "completed", "{done}");
    dials.app.assert_all_signed();
}

#[test]
fn a_confirm_hook_that_fails_declines_and_one_without_verbs_connects_at_once() {
    let dials = Dials::new();
    let mut bob = dials.phone("bob", BOB_HZ);
    let mut alice = dials.phone("alice", ALICE_HZ);
    dials.script(&json!({
        "/fails": 500,
        "/empty": [],
        "/asks": [dials.plays(OWN_HZ, 60_000)],
    }));
    let dial = |hook: &str| dials.dial(&user("bob"), &json!({ "confirmHook": hook }));
    dials.script(
        &json!({ "/call": [dial("/fails"), dial("/asks"), dial("/empty"), dials.after()] }),
    );
    alice.dial(&dials.stage.uri("1000"), SOON).expect("answered");
    wait::expect("B was let go", SOON, || bob.events("CALL_CLOSED").len() == 1);
    // It hangs up while it is asked: declined, too.
    expect("B while it is asked", &bob, &[OWN_HZ]);
    bob.hang_up().expect("hung up");
    dials.told("/empty", "the third hook", |_| true);
    expect("A", &alice, &[BOB_HZ]);
    expect("B", &bob, &[ALICE_HZ]);
    bob.hang_up().expect("hung up");
    expect("A after it", &alice, &[AFTER_HZ]);
    let done = dials.bodies("/done");
    let statuses: Vec<&Value> = done.iter().map(|body| &body["dial_call_status"]).collect();
    assert_eq!(statuses.len(), 3, "{statuses:?}");
    assert_eq!(statuses[2], "completed", "{statuses:?}");
    let mut sids: Vec<&Value> = done.iter().map(|body| &body["dial_call_sid"]).collect();
    sids.dedup();
    assert_eq!(sids.len(), 3, "three children: {done:#?}");
}
