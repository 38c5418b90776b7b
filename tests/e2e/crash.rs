//! `kill -9` in the middle of calls: what was finished is kept, what was alive is gone, all works again.

use serde_json::json;

use crate::stage::{SOON, Stage};

#[test]
fn after_kill_9_the_store_opens_clean_and_ended_calls_have_their_records() {
    let mut stage = Stage::new();
    stage.answer_with_conference("volcano");
    let mut ended = Vec::new();
    for number in 0..4 {
        let mut caller = stage.caller(&format!("ended{number}"), 450.0);
        caller.hang_up();
        stage.statuses(&caller.call_sid);
        ended.push(caller.call_sid);
    }
    let _alive = [stage.caller("alive1", 450.0), stage.caller("alive2", 800.0)];
    support::wait::expect("ended calls are on record", SOON, || {
        stage.get("/RecentCalls?page=1&count=50")["total"].as_u64() >= Some(4)
    });
    stage.server.kill().expect("killed");
    stage.server.restart().expect("it opens its store and comes up");

    let recent = stage.get("/RecentCalls?page=1&count=50");
    let records = recent["data"].as_array().expect("an envelope").clone();
    for call_sid in &ended {
        let record = records.iter().find(|record| record["call_sid"] == call_sid.as_str());
        let record = record.unwrap_or_else(|| panic!("no record of {call_sid}: {recent}"));
        assert_eq!(record["answered"], true, "{record}");
        assert_eq!(record["sip_status"], 200, "{record}");
        assert_eq!(record["termination_reason"], "caller hungup", "{record}");
    }
    assert_eq!(stage.get("/CallCount"), json!({ "inbound": 0, "outbound": 0 }));
    assert_eq!(stage.get("/Conferences"), json!([]));
    let mut after = stage.caller("after", 450.0);
    after.hang_up();
    assert_eq!(stage.statuses(&after.call_sid), ["trying", "in-progress", "completed"]);
}

#[test]
fn after_kill_9_a_registered_phone_still_rings() {
    let mut stage = Stage::new();
    stage.answer_with_conference("phoenix");
    let mut alice = stage.phone("alice");
    assert_eq!(alice.register(300).code(), Some(200));
    let mut gone = stage.phone("gone");
    assert_eq!(gone.register(300).code(), Some(200));
    assert_eq!(gone.register(0).code(), Some(200));
    // Records are written in the order of what happened: with this one the registrations are on disk.
    stage.caller("bob", 450.0).hang_up();
    support::wait::expect("the call is on record", SOON, || {
        stage.get("/RecentCalls?page=1&count=50")["total"].as_u64() >= Some(1)
    });
    stage.server.kill().expect("killed");
    stage.server.restart().expect("it comes up");

    support::wait::expect("alice is registered", SOON, || {
        stage.get("/RegisteredSipUsers") == json!([format!("alice@{}", stage.tenant.realm)])
    });
    let found = stage.get("/RegisteredSipUsers/alice");
    assert_eq!(found["protocol"], "udp", "{found}");
    stage.create_call(&json!({
        "from": "15083084809",
        "to": { "type": "user", "name": format!("alice@{}", stage.tenant.realm) },
        "call_hook": stage.hooks.url("/call"),
        "call_status_hook": stage.hooks.url("/status"),
    }));
    let invite = alice.expect_request("INVITE", SOON);
    alice.reply(&invite, 486, "Busy Here");
    alice.expect_request("ACK", SOON);
}

#[test]
fn sigterm_hangs_up_and_exits_with_success() {
    let mut stage = Stage::new();
    stage.answer_with_conference("dusk");
    let mut caller = stage.caller("alice", 450.0);
    stage.server.ask_to_end().expect("signalled");
    caller.sip.expect_bye(SOON);
    let status = stage.server.wait_exit(SOON).expect("it exits");
    assert!(status.success(), "{status}");
}
