//! Who is rung, who wins, and how a dial ends that nobody answers.

use serde_json::{Value, json};
use support::baresip::{Answers, Security};
use support::wait;

use super::ears::expect;
use super::{AFTER_HZ, ALICE_HZ, BOB_HZ, CAROL_HZ, Dials, Far, text};
use crate::stage::{PASSWORD, SOON};

/// Waits for so many action hooks, and gives their status words and codes.
fn outcomes(dials: &Dials, count: usize) -> Vec<(String, u64)> {
    wait::expect("every dial is over", SOON, || dials.bodies("/done").len() >= count);
    let shown = |body: &Value| {
        (text(body, "dial_call_status"), body["dial_sip_status"].as_u64().unwrap_or_default())
    };
    dials.bodies("/done").iter().map(shown).collect()
}

#[test]
fn ten_are_rung_at_once_the_first_to_answer_wins_and_nine_are_cancelled() {
    let dials = Dials::new();
    let mut alice = dials.phone("alice", ALICE_HZ);
    let mut cancelled: Vec<Far> = (0..8).map(|_| dials.far("cancelled", CAROL_HZ)).collect();
    // Its answer crosses the CANCEL: acknowledged and hung up.
    let crossed = dials.far("cancel_crossed", CAROL_HZ);
    let eleventh = dials.far("cancelled", CAROL_HZ);
    let mut bob = dials.phone_that("bob", BOB_HZ, Answers::WhenTold);
    let mut targets: Vec<Value> = cancelled.iter().map(Far::target).collect();
    targets.push(crossed.target());
    // Named twice, rung once.
    targets.insert(0, targets[0].clone());
    targets.push(json!({ "type": "user", "name": "bob" }));
    targets.push(eleventh.target());
    dials.connects("alice", &json!(targets), &json!({}));
    alice.dial(&dials.stage.uri("1000"), SOON).expect("answered");
    for far in cancelled.iter().chain([&crossed]) {
        far.wait("ringing");
    }
    bob.wait_event("CALL_INCOMING", SOON).expect("the tenth rings");
    bob.answer().expect("answered");
    expect("A", &alice, &[BOB_HZ]);
    expect("B", &bob, &[ALICE_HZ]);
    cancelled.push(crossed);
    for far in cancelled {
        let received = far.ends_well();
        let mut invites = received.iter().filter(|one| one.method() == Some("INVITE"));
        assert!(invites.next().is_some() && invites.next().is_none(), "{received:?}");
        let cancel = received.iter().find(|one| one.method() == Some("CANCEL"));
        let reason = cancel.and_then(|cancel| cancel.header("Reason"));
        assert_eq!(reason, Some("SIP;cause=200;text=\"Call completed elsewhere\""));
    }
    assert!(eleventh.sipp.received().is_empty(), "the eleventh is rung");
    bob.hang_up().expect("hung up");
    let done = dials.told("/done", "the dial is over", |_| true);
    let winner = dials.told("/status", "the winner", |body| {
        body["to"] == format!("bob@{}", dials.stage.tenant.realm).as_str()
    });
    assert_eq!(done["dial_call_sid"], winner["call_sid"], "{done}");
    assert_eq!(outcomes(&dials, 1), [("completed".to_owned(), 200)]);
    // The others' statuses, each told once.
    let lost = dials.bodies("/status");
    let lost: Vec<&Value> = lost.iter().filter(|body| body["call_status"] == "no-answer").collect();
    assert_eq!(lost.len(), 9, "{lost:#?}");
    assert!(lost.iter().all(|body| body["sip_status"] == 487), "{lost:#?}");
}

#[test]
fn a_dial_that_nobody_answers_ends_with_the_last_failure_and_the_list_goes_on() {
    let dials = Dials::new();
    let mut alice = dials.phone("alice", ALICE_HZ);
    let refused = [
        ("486", "Busy Here", "busy"),
        ("600", "Busy Everywhere", "busy"),
        ("603", "Decline", "failed"),
        ("480", "Temporarily Unavailable", "failed"),
    ];
    let fars: Vec<Far> =
        refused.iter().map(|(code, reason, _)| dials.refuses(code, reason)).collect();
    let last = dials.refuses("486", "Busy Here");
    let silent = [dials.far("cancelled", BOB_HZ), dials.far("cancelled", BOB_HZ)];
    let nobody = json!({ "type": "user", "name": "nobody" });
    let mut verbs: Vec<Value> =
        fars.iter().map(|far| dials.dial(&json!([far.target()]), &json!({}))).collect();
    verbs.push(dials.dial(&json!([nobody]), &json!({})));
    // Of two the last to report, whatever their order.
    verbs.push(dials.dial(&json!([last.target(), nobody]), &json!({})));
    let both = json!([silent[0].target(), silent[1].target()]);
    verbs.push(dials.dial(&both, &json!({ "timeout": 1 })));
    verbs.push(dials.after());
    dials.script(&json!({ "/call": verbs }));
    alice.dial(&dials.stage.uri("1000"), SOON).expect("answered");
    expect("A", &alice, &[AFTER_HZ]);

    let mut expected: Vec<(String, u64)> = refused
        .iter()
        .map(|(code, _, status)| ((*status).to_owned(), code.parse().expect("a number")))
        .collect();
    expected.extend([
        ("failed".to_owned(), 404),
        ("busy".to_owned(), 486),
        ("no-answer".to_owned(), 487),
    ]);
    assert_eq!(outcomes(&dials, 7), expected);
    for far in fars.into_iter().chain([last]) {
        far.ends_well();
    }
    for far in silent {
        let received = far.ends_well();
        let cancel = received.iter().find(|one| one.method() == Some("CANCEL")).expect("a CANCEL");
        assert_eq!(cancel.header("Reason"), None, "nobody has answered elsewhere");
    }
    // What the status hook was told of each child.
    for (done, (status, code)) in dials.bodies("/done").iter().zip(&expected) {
        let child = text(done, "dial_call_sid");
        let statuses = dials.statuses(&child);
        assert_eq!(statuses.last(), Some(status), "{statuses:?}");
        assert_eq!(statuses.len(), if *code == 487 { 3 } else { 2 }, "{statuses:?}");
    }
}

#[test]
fn an_unanswered_caller_is_declined_when_nothing_is_left_and_else_hears_the_next_verb() {
    let dials = Dials::new();
    dials.number("15550001");
    let (one, other) = (dials.refuses("486", "Busy Here"), dials.refuses("486", "Busy Here"));
    let dial = |far: &Far| dials.dial(&json!([far.target()]), &json!({ "answerOnBridge": true }));
    dials.script(&json!({ "/call#4711": [dial(&one)] }));
    let caller = dials.caller("declined", "15550001", ALICE_HZ, &[("caller", "4711")]);
    caller.ends_well();
    let parent = dials.call_sid("4711");
    assert_eq!(dials.statuses(&parent), ["trying", "failed"]);
    assert_eq!(outcomes(&dials, 1), [("busy".to_owned(), 486)]);
    one.ends_well();

    dials.script(&json!({ "/call#alice": [dial(&other), dials.after()] }));
    let mut alice = dials.phone("alice", ALICE_HZ);
    alice.dial(&dials.stage.uri("1000"), SOON).expect("the next verb answers");
    expect("A", &alice, &[AFTER_HZ]);
    other.ends_well();
}

#[test]
fn a_caller_who_gives_up_takes_the_callee_along() {
    let dials = Dials::new();
    let mut alice = dials.phone("alice", ALICE_HZ);
    let far = dials.far("cancelled", BOB_HZ);
    dials.script(&json!({ "/done": [{ "verb": "redirect", "actionHook": "/never" }] }));
    dials.connects("alice", &json!([far.target()]), &json!({ "answerOnBridge": true }));
    alice.ring(&dials.stage.uri("1000")).expect("called");
    alice.wait_event("CALL_RINGING", SOON).expect("180");
    let legs = dials.legs("alice");
    alice.hang_up().expect("given up");
    let received = far.ends_well();
    let cancel = received.iter().find(|one| one.method() == Some("CANCEL")).expect("a CANCEL");
    assert_eq!(cancel.header("Reason"), None);
    dials.expect_done("/done", &legs, "no-answer", 487);
    assert_eq!(dials.statuses(&legs.parent), ["trying", "no-answer"]);
    assert_eq!(dials.statuses(&legs.child), ["trying", "ringing", "no-answer"]);
    assert!(dials.app.requests("/never").is_empty());
}

#[test]
fn every_phone_of_a_user_rings_and_the_first_of_them_wins() {
    let dials = Dials::new();
    let mut desk = dials.phone_that("bob", BOB_HZ, Answers::WhenTold);
    let security = Security::default();
    let mobile = dials.another_phone("bob", CAROL_HZ, Answers::WhenTold, &security);
    let mut alice = dials.phone("alice", ALICE_HZ);
    // With its realm and without, and under another name.
    let named = json!([{
        "type": "user",
        "name": format!("bob@{}", dials.stage.tenant.realm),
        "overrideTo": "sip:the-desk@elsewhere.test.example",
    }]);
    dials.connects("alice", &named, &json!({}));
    alice.dial(&dials.stage.uri("1000"), SOON).expect("answered");
    for phone in [&desk, &mobile] {
        phone.wait_event("CALL_INCOMING", SOON).expect("it rings");
    }
    desk.answer().expect("answered");
    expect("A", &alice, &[BOB_HZ]);
    mobile.wait_event("CALL_CLOSED", SOON).expect("cancelled");
    let legs = dials.legs("alice");
    desk.hang_up().expect("hung up");
    dials.expect_done("/done", &legs, "completed", 200);
    dials.expect_shown(&legs.parent_path(), "one child", |_| true);
    let children: Vec<Value> = dials.bodies("/status");
    let mut sids: Vec<String> = children
        .iter()
        .filter(|body| body["parent_call_sid"] == legs.parent.as_str())
        .map(|body| text(body, "call_sid"))
        .collect();
    sids.dedup();
    assert_eq!(sids, [legs.child], "the phones of a user are one call");
}

#[test]
fn users_of_a_realm_call_each_other_without_any_application() {
    let dials = Dials::new();
    let account = json!({ "device_calling_application_sid": null });
    assert!(matches!(dials.stage.put("", &account), 200 | 204));
    let mut bob = dials.phone_that("bob", BOB_HZ, Answers::WhenTold);
    let mut alice = dials.phone("alice", ALICE_HZ);
    alice.ring(&dials.stage.uri("bob")).expect("called");
    bob.wait_event("CALL_INCOMING", SOON).expect("called");
    alice.wait_event("CALL_RINGING", SOON).expect("180");
    assert!(alice.events("CALL_ESTABLISHED").is_empty(), "answered before B");
    bob.answer().expect("answered");
    expect("A", &alice, &[BOB_HZ]);
    expect("B", &bob, &[ALICE_HZ]);
    bob.hang_up().expect("hung up");
    alice.wait_event("CALL_CLOSED", SOON).expect("a BYE");

    alice.ring(&dials.stage.uri("nobody")).expect("called");
    wait::expect("refused", SOON, || alice.events("CALL_CLOSED").len() == 2);
    let refused = alice.events("CALL_CLOSED").pop().expect("an event");
    assert!(refused["param"].as_str().is_some_and(|text| text.contains("480")), "{refused}");
    assert!(dials.app.requests("/call").is_empty());
}

#[test]
fn a_sip_target_proves_itself_where_it_is_challenged() {
    let dials = Dials::new();
    let mut alice = dials.phone("alice", ALICE_HZ);
    let far = dials.far("407", BOB_HZ);
    let mut target = far.target();
    target["auth"] = json!({ "username": "trunk", "password": PASSWORD });
    dials.connects("alice", &json!([target]), &json!({}));
    alice.dial(&dials.stage.uri("1000"), SOON).expect("answered");
    far.connect();
    expect("A", &alice, &[BOB_HZ]);
    expect("B", &far.rtp, &[ALICE_HZ]);
    let invite = far.gets("INVITE");
    let proof = invite.header("Proxy-Authorization").unwrap_or_default();
    assert!(proof.contains("username=\"trunk\""), "{proof}");
    let legs = dials.legs("alice");
    let child = dials.stage.get(&legs.child_path());
    assert_eq!(child["to"], far.uri(), "{child}");
    alice.hang_up().expect("hung up");
    far.ends_well();
}
