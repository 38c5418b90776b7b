//! Calls that ring in several places: one answer, the others told, and what is reported when there is
//! none.

use serde_json::{Value, json};
use support::rtp_peer::Voice;
use support::{Message, RtpPeer, SipPeer};

use crate::stage::{LEVEL_DB, PASSWORD, SOON, Stage};

/// Two phones of the same user.
fn two_phones() -> (Stage, SipPeer, SipPeer) {
    let stage = Stage::new();
    stage.hooks.on_json("/call", json!([{ "verb": "pause", "length": 60 }]));
    let mut desk = stage.phone("alice");
    let mut mobile =
        SipPeer::udp(stage.server.sip()).as_client("alice", PASSWORD, &stage.tenant.realm);
    for phone in [&mut desk, &mut mobile] {
        assert_eq!(phone.register(300).code(), Some(200), "{}", phone.history());
    }
    (stage, desk, mobile)
}

fn call_alice(stage: &Stage, phones: &mut [&mut SipPeer]) -> (String, Vec<Message>) {
    let call_sid = stage.create_call(&json!({
        "from": "15083084809",
        "to": { "type": "user", "name": format!("alice@{}", stage.tenant.realm) },
        "call_hook": stage.hooks.url("/call"),
        "call_status_hook": stage.hooks.url("/status"),
    }));
    let invites = phones.iter_mut().map(|phone| phone.expect_request("INVITE", SOON)).collect();
    (call_sid, invites)
}

/// Confirms a CANCEL and the INVITE it ends; the CANCEL.
fn cancelled(phone: &mut SipPeer, invite: &Message) -> Message {
    let cancel = phone.expect_request("CANCEL", SOON);
    phone.reply(&cancel, 200, "OK");
    phone.reply(invite, 487, "Request Terminated");
    phone.expect_request("ACK", SOON);
    cancel
}

fn last_event(stage: &Stage, call_sid: &str) -> Value {
    stage.hooks.events("/status", call_sid).pop().expect("an event").json
}

#[test]
fn the_first_phone_to_answer_has_the_call_and_the_other_learns_why_it_stops_ringing() {
    let (stage, mut desk, mut mobile) = two_phones();
    let (call_sid, invites) = call_alice(&stage, &mut [&mut desk, &mut mobile]);
    assert_ne!(invites[0].call_id(), invites[1].call_id(), "two calls on the wire");
    desk.reply(&invites[0], 180, "Ringing");
    mobile.reply(&invites[1], 180, "Ringing");
    let rtp = RtpPeer::start(Voice::tone(450.0, LEVEL_DB));
    let mut call = mobile.accept(&invites[1], &rtp);
    let cancel = cancelled(&mut desk, &invites[0]);
    let reason = cancel.header("Reason").unwrap_or_default();
    assert!(reason.contains("Call completed elsewhere"), "RFC 3326: {reason}");
    stage.hooks.wait_for("/call", SOON, |requests| !requests.is_empty());
    // The call is the one with the phone that answered.
    let shown = stage.tenant.call(&call_sid).expect("an answer");
    assert_eq!(shown["call_id"], invites[1].call_id(), "{shown}");
    assert_eq!(mobile.hang_up(&mut call).code(), Some(200));
    assert_eq!(stage.statuses(&call_sid), ["trying", "ringing", "in-progress", "completed"]);
}

#[test]
fn an_answer_that_comes_too_late_is_acknowledged_and_hung_up() {
    let (stage, mut desk, mut mobile) = two_phones();
    let (call_sid, invites) = call_alice(&stage, &mut [&mut desk, &mut mobile]);
    desk.reply(&invites[0], 180, "Ringing");
    let (first, second) = (RtpPeer::start(Voice::Silence), RtpPeer::start(Voice::Silence));
    let mut call = mobile.accept(&invites[1], &first);
    let cancel = desk.expect_request("CANCEL", SOON);
    // The 200 crosses the CANCEL.
    desk.accept(&invites[0], &second);
    desk.reply(&cancel, 200, "OK");
    desk.expect_bye(SOON);
    assert_eq!(mobile.hang_up(&mut call).code(), Some(200));
    assert_eq!(stage.statuses(&call_sid).last().map(String::as_str), Some("completed"));
}

#[test]
fn of_two_refusals_one_is_told() {
    let (stage, mut desk, mut mobile) = two_phones();
    let (call_sid, invites) = call_alice(&stage, &mut [&mut desk, &mut mobile]);
    desk.reply(&invites[0], 480, "Temporarily Unavailable");
    desk.expect_request("ACK", SOON);
    mobile.reply(&invites[1], 486, "Busy Here");
    mobile.expect_request("ACK", SOON);
    // Of two refusals of a class the first is told (RFC 3261 §16.7).
    assert_eq!(stage.statuses(&call_sid), ["trying", "failed"]);
    assert_eq!(last_event(&stage, &call_sid)["sip_status"], 480);
}

#[test]
fn a_decline_ends_the_call_everywhere() {
    let (stage, mut desk, mut mobile) = two_phones();
    let (call_sid, invites) = call_alice(&stage, &mut [&mut desk, &mut mobile]);
    mobile.reply(&invites[1], 180, "Ringing");
    desk.reply(&invites[0], 603, "Decline");
    desk.expect_request("ACK", SOON);
    cancelled(&mut mobile, &invites[1]);
    assert_eq!(stage.statuses(&call_sid).last().map(String::as_str), Some("busy"));
    assert_eq!(last_event(&stage, &call_sid)["sip_status"], 603);
}

#[test]
fn one_phone_that_points_elsewhere_does_not_stop_the_other() {
    let (stage, mut desk, mut mobile) = two_phones();
    let (call_sid, invites) = call_alice(&stage, &mut [&mut desk, &mut mobile]);
    mobile.reply(&invites[1], 180, "Ringing");
    let mut home = SipPeer::udp(stage.server.sip());
    let moved = desk.response(&invites[0], 302, "Moved Temporarily");
    let moved = moved.with("Contact", home.contact());
    desk.respond(&invites[0], &moved);
    desk.expect_request("ACK", SOON);
    let invite = home.expect_request("INVITE", SOON);
    let rtp = RtpPeer::start(Voice::Silence);
    home.accept(&invite, &rtp);
    cancelled(&mut mobile, &invites[1]);
    assert_eq!(stage.delete(&format!("/Calls/{call_sid}")), 204);
    home.expect_bye(SOON);
}

#[test]
fn giving_up_cancels_every_phone() {
    let (stage, mut desk, mut mobile) = two_phones();
    let (call_sid, invites) = call_alice(&stage, &mut [&mut desk, &mut mobile]);
    desk.reply(&invites[0], 180, "Ringing");
    mobile.reply(&invites[1], 180, "Ringing");
    assert_eq!(stage.put(&format!("/Calls/{call_sid}"), &json!({"call_status": "no-answer"})), 202);
    cancelled(&mut desk, &invites[0]);
    cancelled(&mut mobile, &invites[1]);
    assert_eq!(stage.statuses(&call_sid).last().map(String::as_str), Some("no-answer"));
}
