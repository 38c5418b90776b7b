//! Two phones that talk: until when, what REST does to them, and an application for one of them.

use serde_json::{Value, json};
use support::wait;

use super::ears::expect;
use super::{AFTER_HZ, ALICE_HZ, BOB_HZ, Dials, MUSIC_HZ, OWN_HZ, text, user};
use crate::stage::SOON;

/// The fields of every action hook of an inbound call (verbs.md §1.4), and those of `dial`.
const TOLD: [&str; 19] = [
    "account_sid",
    "api_base_url",
    "application_sid",
    "call_id",
    "call_sid",
    "call_status",
    "dial_call_sid",
    "dial_call_status",
    "dial_sbc_callid",
    "dial_sip_status",
    "direction",
    "from",
    "fs_sip_address",
    "originating_sip_ip",
    "sbc_callid",
    "sip_reason",
    "sip_status",
    "to",
    "trace_id",
];

#[test]
fn two_phones_talk_until_the_callee_hangs_up_and_the_caller_hears_the_next_verb() {
    let dials = Dials::new();
    let (alice, mut bob, legs) = dials.pair(&json!({ "tag": { "leg": "b" } }));
    let shown = dials.stage.get(&legs.child_path());
    assert_eq!(shown["parent_call_sid"], legs.parent.as_str(), "{shown}");
    assert_eq!(shown["direction"], "outbound", "{shown}");
    assert_eq!(shown["customer_data"]["leg"], "b", "{shown}");

    bob.hang_up().expect("hung up");
    let done = dials.expect_done("/done", &legs, "completed", 200);
    let mut names: Vec<&str> =
        done.as_object().expect("fields").keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, TOLD);
    for (name, value) in [
        ("account_sid", dials.stage.tenant.account_sid.as_str()),
        ("direction", "inbound"),
        ("from", "alice"),
        ("to", "1000"),
        ("call_status", "in-progress"),
    ] {
        assert_eq!(done[name], value, "{name}: {done}");
    }
    let of_child = |body: &Value| body["call_sid"] == legs.child.as_str();
    let event = dials.told("/status", "the child is over", |body| {
        of_child(body) && body["call_status"] == "completed"
    });
    assert_eq!(done["dial_sbc_callid"], event["call_id"], "{event}");
    assert_eq!(event["customerData"]["leg"], "b", "{event}");
    assert_eq!(event["call_termination_by"], "caller", "{event}");
    assert!(event["duration"].is_u64(), "{event}");
    expect("A", &alice, &[AFTER_HZ]);
    let mut statuses = dials.statuses(&legs.child);
    statuses.retain(|status| status != "ringing");
    assert_eq!(statuses, ["trying", "in-progress", "completed"]);
    wait::expect("the child's record", SOON, || {
        let calls = dials.stage.get("/RecentCalls?page=1&count=25");
        let calls = calls["data"].as_array().cloned().unwrap_or_default();
        calls.iter().any(|record| record["call_sid"] == legs.child.as_str())
    });
    dials.app.assert_all_signed();
}

#[test]
fn a_caller_who_hangs_up_ends_both_and_what_its_hook_replies_is_ignored() {
    let dials = Dials::new();
    dials.script(&json!({ "/done": [{ "verb": "redirect", "actionHook": "/never" }] }));
    let (mut alice, bob, legs) = dials.pair(&json!({}));
    alice.hang_up().expect("hung up");
    bob.wait_event("CALL_CLOSED", SOON).expect("a BYE");
    let done = dials.expect_done("/done", &legs, "completed", 200);
    assert_eq!(done["call_termination_by"], "caller", "{done}");
    assert_eq!(dials.statuses(&legs.parent), ["trying", "in-progress", "completed"]);
    let over = dials.told("/status", "the child is over", |body| {
        body["call_sid"] == legs.child.as_str() && body["call_status"] == "completed"
    });
    assert_eq!(over["call_termination_by"], "jambonz", "{over}");
    assert!(dials.app.requests("/never").is_empty());
}

#[test]
fn two_may_talk_for_so_long_and_both_are_told_why_it_ends() {
    let dials = Dials::new();
    let far = dials.far("accepts", BOB_HZ);
    dials.number("15550001");
    let targets = json!([far.target()]);
    dials.script(
        &json!({ "/call": [dials.dial(&targets, &json!({ "timeLimit": 1 })), dials.after()] }),
    );
    let keys = [("caller", "4711"), ("identity", "sip:4711@net.test.example"), ("privacy", "none")];
    let caller = dials.caller("identity", "15550001", ALICE_HZ, &keys);
    caller.connect();
    far.connect();
    expect("A", &caller.rtp, &[BOB_HZ]);
    expect("B", &far.rtp, &[ALICE_HZ]);
    let legs = dials.legs("4711");
    for received in [far.ends_well(), caller.ends_well()] {
        let bye = received.iter().find(|message| message.method() == Some("BYE")).expect("a BYE");
        assert_eq!(bye.header("X-Reason"), Some("Max Call Duration"), "{bye}");
    }
    let done = dials.expect_done("/done", &legs, "completed", 200);
    assert_eq!(done["call_termination_by"], "jambonz", "{done}");
    let over = dials.told("/status", "the child is over", |body| {
        body["call_sid"] == legs.child.as_str() && body["call_status"] == "completed"
    });
    assert!(over["duration"].as_u64() >= Some(1), "{over}");
}

#[test]
fn either_is_muted_and_gets_keys_by_rest_and_the_callee_is_hung_up_by_it() {
    let dials = Dials::new();
    let (alice, bob, legs) = dials.pair(&json!({}));
    for (path, muted) in [(legs.parent_path(), "A"), (legs.child_path(), "B")] {
        let is_a = muted == "A";
        dials.put(&path, &json!({ "mute_status": "mute" }), 202);
        expect(&format!("A while {muted} is muted"), &alice, if is_a { &[BOB_HZ] } else { &[] });
        expect(&format!("B while {muted} is muted"), &bob, if is_a { &[] } else { &[ALICE_HZ] });
        dials.put(&path, &json!({ "mute_status": "unmute" }), 202);
        expect("A unmuted", &alice, &[BOB_HZ]);
        expect("B unmuted", &bob, &[ALICE_HZ]);
    }
    dials.put(&legs.parent_path(), &json!({ "dtmf": { "digit": "5", "duration": 100 } }), 202);
    dials.put(&legs.child_path(), &json!({ "dtmf": { "digit": "7", "duration": 100 } }), 202);
    wait::expect("the keys", SOON, || alice.keys() == "5" && bob.keys() == "7");

    dials.put(&legs.child_path(), &json!({ "call_status": "completed" }), 202);
    bob.wait_event("CALL_CLOSED", SOON).expect("a BYE");
    dials.expect_done("/done", &legs, "completed", 200);
    expect("A", &alice, &[AFTER_HZ]);
}

#[test]
fn a_whisper_is_for_one_of_the_two_who_are_apart_meanwhile() {
    let dials = Dials::new();
    let (alice, bob, legs) = dials.pair(&json!({}));
    let whisper =
        json!({ "whisper": { "verb": "play", "url": dials.tone(OWN_HZ, 2_000), "loop": 5 } });
    for (path, (here, there)) in
        [(legs.parent_path(), (&alice, &bob)), (legs.child_path(), (&bob, &alice))]
    {
        dials.put(&path, &whisper, 202);
        expect("who is addressed", here, &[OWN_HZ]);
        expect("the other", there, &[]);
        // Once, whatever `loop` says; then they are together again.
        expect("A after it", &alice, &[BOB_HZ]);
        expect("B after it", &bob, &[ALICE_HZ]);
    }
}

#[test]
fn a_callee_gets_an_application_of_its_own_and_the_caller_goes_on_or_gets_one_too() {
    let dials = Dials::new();
    let (mut alice, mut bob, first) = dials.pair(&json!({}));
    let plays_own = json!([dials.plays(OWN_HZ, 60_000)]);
    dials.script(&json!({ "/own": plays_own, "/elsewhere": [dials.plays(MUSIC_HZ, 60_000)] }));
    let own = format!("{}/own", dials.app.url);
    dials.put(&first.parent_path(), &json!({ "child_call_hook": own }), 202);
    expect("B", &bob, &[OWN_HZ]);
    expect("A", &alice, &[AFTER_HZ]);
    let asked = dials.told("/own", "the child's hook", |_| true);
    assert_eq!(text(&asked, "call_sid"), first.child);
    assert_eq!(text(&asked, "parent_call_sid"), first.parent);
    dials.expect_done("/done", &first, "completed", 200);
    // Each is a session of its own now.
    alice.hang_up().expect("hung up");
    assert_eq!(dials.statuses(&first.parent), ["trying", "in-progress", "completed"]);
    expect("B alone", &bob, &[OWN_HZ]);
    bob.hang_up().expect("hung up");
    let mut statuses = dials.statuses(&first.child);
    statuses.retain(|status| status != "ringing");
    assert_eq!(statuses, ["trying", "in-progress", "completed"]);

    dials.connects("alice", &user("bob"), &json!({}));
    alice.dial(&dials.stage.uri("1000"), SOON).expect("answered");
    expect("A again", &alice, &[BOB_HZ]);
    let second = dials.legs("alice");
    let both =
        json!({ "child_call_hook": own, "call_hook": format!("{}/elsewhere", dials.app.url) });
    dials.put(&second.parent_path(), &both, 202);
    expect("B", &bob, &[OWN_HZ]);
    expect("A", &alice, &[MUSIC_HZ]);
    dials.expect_done("/done", &second, "completed", 200);
}
