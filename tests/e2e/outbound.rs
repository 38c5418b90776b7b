//! Calls made over REST: to a registered user and to a SIP URI, and everything that can become of them.

use std::time::Duration;

use serde_json::{Value, json};
use support::rtp_peer::Voice;
use support::{HookRequest, Message, RtpPeer, SipPeer};

use crate::stage::{LEVEL_DB, SOON, Stage};

/// A stage and a phone that is registered there as `alice`.
fn registered() -> (Stage, SipPeer) {
    let stage = Stage::new();
    stage.hooks.on_json("/call", json!([{ "verb": "pause", "length": 60 }]));
    let mut alice = stage.phone("alice");
    let response = alice.register(300);
    assert_eq!(response.code(), Some(200), "{}", alice.history());
    (stage, alice)
}

fn to_alice(stage: &Stage) -> Value {
    json!({
        "from": "15083084809",
        "to": { "type": "user", "name": format!("alice@{}", stage.tenant.realm) },
        "call_hook": stage.hooks.url("/call"),
        "call_status_hook": stage.hooks.url("/status"),
        "tag": { "order": 7 },
    })
}

/// Creates the call; the INVITE must be on the wire when the 201 comes.
fn dialled(stage: &Stage, phone: &mut SipPeer, body: &Value) -> (String, Message) {
    let call_sid = stage.create_call(body);
    let invite = phone.expect_request("INVITE", Duration::from_secs(1));
    (call_sid, invite)
}

fn last_event(stage: &Stage, call_sid: &str) -> HookRequest {
    stage.hooks.events("/status", call_sid).pop().expect("an event")
}

#[test]
fn a_registered_user_is_called_rings_answers_and_is_hung_up_by_delete() {
    let (stage, mut alice) = registered();
    let (call_sid, invite) = dialled(&stage, &mut alice, &to_alice(&stage));
    assert!(invite.header("From").is_some_and(|from| from.contains("15083084809")), "{invite}");
    alice.reply(&invite, 180, "Ringing");
    stage.hooks.wait_for("/status", SOON, |events| {
        events.iter().any(|event| event.text("call_status") == "ringing")
    });
    assert!(
        stage.hooks.requests("/call").is_empty(),
        "the application was asked before the answer"
    );
    let rtp = RtpPeer::start(Voice::tone(450.0, LEVEL_DB));
    alice.accept(&invite, &rtp);

    let asked = stage.hooks.wait_for("/call", SOON, |requests| !requests.is_empty());
    assert_eq!(asked[0].text("call_sid"), call_sid);
    assert_eq!(asked[0].text("call_status"), "in-progress");
    assert_eq!(asked[0].text("direction"), "outbound");
    assert_eq!(asked[0].json["sip_status"], 200);
    assert_eq!(asked[0].json["customerData"], json!({ "order": 7 }));
    let call = stage.tenant.call(&call_sid).expect("an answer");
    assert_eq!(call["call_status"], "in-progress", "{call}");
    assert!(stage.get("/Calls").as_array().is_some_and(|calls| calls.len() == 1));
    assert!(!rtp.listen(Duration::from_millis(200)).frames.is_empty(), "a pause sends silence");

    assert_eq!(stage.delete(&format!("/Calls/{call_sid}")), 204);
    alice.expect_bye(SOON);
    assert_eq!(stage.statuses(&call_sid), ["trying", "ringing", "in-progress", "completed"]);
    let last = last_event(&stage, &call_sid);
    assert_eq!(last.text("call_termination_by"), "jambonz");
    assert!(last.json["duration"].is_u64());
}

#[test]
fn the_far_end_hanging_up_completes_the_call() {
    let (stage, mut alice) = registered();
    let (call_sid, invite) = dialled(&stage, &mut alice, &to_alice(&stage));
    let rtp = RtpPeer::start(Voice::Silence);
    let mut call = alice.accept(&invite, &rtp);
    stage.hooks.wait_for("/call", SOON, |requests| !requests.is_empty());
    assert_eq!(alice.hang_up(&mut call).code(), Some(200));
    assert_eq!(stage.statuses(&call_sid), ["trying", "in-progress", "completed"]);
    assert_eq!(last_event(&stage, &call_sid).text("call_termination_by"), "caller");
}

#[test]
fn a_busy_user_gives_busy_and_nothing_more() {
    let (stage, mut alice) = registered();
    let (call_sid, invite) = dialled(&stage, &mut alice, &to_alice(&stage));
    alice.reply(&invite, 486, "Busy Here");
    alice.expect_request("ACK", SOON);
    assert_eq!(stage.statuses(&call_sid), ["trying", "busy"]);
    assert_eq!(last_event(&stage, &call_sid).json["sip_status"], 486);
    assert!(stage.hooks.requests("/call").is_empty());
}

#[test]
fn a_user_who_does_not_answer_in_time_is_cancelled() {
    let (stage, mut alice) = registered();
    let mut body = to_alice(&stage);
    body["timeout"] = json!(1);
    let (call_sid, invite) = dialled(&stage, &mut alice, &body);
    alice.reply(&invite, 180, "Ringing");
    cancelled(&mut alice, &invite);
    assert_eq!(stage.statuses(&call_sid), ["trying", "ringing", "no-answer"]);
    assert_eq!(last_event(&stage, &call_sid).json["sip_status"], 487);
}

#[test]
fn a_redirected_call_rings_elsewhere_under_the_same_sid() {
    let (stage, mut alice) = registered();
    let mut elsewhere = SipPeer::udp(stage.server.sip());
    let (call_sid, invite) = dialled(&stage, &mut alice, &to_alice(&stage));
    let mut moved = alice.response(&invite, 302, "Moved Temporarily");
    moved.set("Contact", format!("<sip:desk@{}>", elsewhere.local_addr()));
    alice.respond(&invite, &moved);
    alice.expect_request("ACK", SOON);

    let again = elsewhere.expect_request("INVITE", SOON);
    let rtp = RtpPeer::start(Voice::tone(450.0, LEVEL_DB));
    elsewhere.accept(&again, &rtp);
    stage.hooks.wait_for("/call", SOON, |requests| !requests.is_empty());
    assert_eq!(stage.delete(&format!("/Calls/{call_sid}")), 204);
    elsewhere.expect_bye(SOON);
    assert_eq!(stage.statuses(&call_sid), ["trying", "in-progress", "completed"]);
}

#[test]
fn deleting_a_ringing_call_cancels_it() {
    let (stage, mut alice) = registered();
    let (call_sid, invite) = dialled(&stage, &mut alice, &to_alice(&stage));
    alice.reply(&invite, 180, "Ringing");
    stage.hooks.wait_for("/status", SOON, |events| events.len() == 2);
    assert_eq!(stage.delete(&format!("/Calls/{call_sid}")), 204);
    assert_eq!(stage.tenant.call(&call_sid).expect("an answer"), Value::Null);
    cancelled(&mut alice, &invite);
    assert_eq!(stage.statuses(&call_sid), ["trying", "ringing", "no-answer"]);
    assert_eq!(stage.tenant.call(&call_sid).expect("an answer"), Value::Null, "it came back");
}

fn cancelled(phone: &mut SipPeer, invite: &Message) {
    let cancel = phone.expect_request("CANCEL", SOON);
    assert_eq!(cancel.branch(), invite.branch(), "CANCEL shares the INVITE's branch");
    phone.reply(&cancel, 200, "OK");
    phone.reply(invite, 487, "Request Terminated");
    phone.expect_request("ACK", SOON);
}

#[test]
fn a_user_who_is_not_registered_fails_with_404() {
    let stage = Stage::new();
    stage.tenant.client("alice", "x").expect("a client");
    let call_sid = stage.create_call(&to_alice(&stage));
    let statuses = stage.statuses(&call_sid);
    assert_eq!(statuses.last().map(String::as_str), Some("failed"), "{statuses:?}");
    assert_eq!(last_event(&stage, &call_sid).json["sip_status"], 404);
}

#[test]
fn a_sip_uri_is_called_and_joins_a_conference_by_redirect() {
    let stage = Stage::new();
    stage.hooks.on_json("/call", json!([{ "verb": "pause", "length": 60 }]));
    stage.hooks.on_json("/room", json!([{ "verb": "conference", "name": "redirected" }]));
    let mut far = SipPeer::udp(stage.server.sip());
    let body = json!({
        "from": "15083084809",
        "to": { "type": "sip", "sipUri": format!("sip:far@{}", far.local_addr()) },
        "application_sid": stage.application_sid,
        "headers": { "X-Order": "7" },
    });
    let (call_sid, invite) = dialled(&stage, &mut far, &body);
    assert_eq!(invite.header("X-Order"), Some("7"));
    let rtp = RtpPeer::start(Voice::Silence);
    let mut call = far.accept(&invite, &rtp);
    stage.hooks.wait_for("/call", SOON, |requests| !requests.is_empty());
    let update = json!({ "call_hook": stage.hooks.url("/room") });
    assert_eq!(stage.put(&format!("/Calls/{call_sid}"), &update), 202);
    support::wait::expect("the call is in the conference", SOON, || {
        stage.get("/Conferences") == json!(["redirected"])
    });
    assert_eq!(far.hang_up(&mut call).code(), Some(200));
    assert_eq!(stage.statuses(&call_sid), ["trying", "in-progress", "completed"]);
}

#[test]
fn completing_a_call_over_rest_hangs_it_up_and_again_is_refused() {
    let (stage, mut alice) = registered();
    let (call_sid, invite) = dialled(&stage, &mut alice, &to_alice(&stage));
    let rtp = RtpPeer::start(Voice::Silence);
    alice.accept(&invite, &rtp);
    stage.hooks.wait_for("/call", SOON, |requests| !requests.is_empty());
    let path = format!("/Calls/{call_sid}");
    assert_eq!(stage.put(&path, &json!({ "call_status": "nonsense" })), 400);
    assert_eq!(stage.put(&path, &json!({ "call_status": "no-answer" })), 422);
    assert_eq!(stage.put(&path, &json!({ "call_status": "completed" })), 202);
    alice.expect_bye(SOON);
    assert_eq!(stage.statuses(&call_sid), ["trying", "in-progress", "completed"]);
    assert_eq!(stage.put(&path, &json!({ "call_status": "completed" })), 422);
}

#[test]
fn a_time_limit_hangs_up_with_its_reason() {
    let (stage, mut alice) = registered();
    let mut body = to_alice(&stage);
    body["timeLimit"] = json!(1);
    let (call_sid, invite) = dialled(&stage, &mut alice, &body);
    let rtp = RtpPeer::start(Voice::Silence);
    alice.accept(&invite, &rtp);
    let bye = alice.expect_bye(SOON);
    assert_eq!(bye.header("X-Reason"), Some("Max Call Duration"));
    assert_eq!(stage.statuses(&call_sid), ["trying", "in-progress", "completed"]);
}
