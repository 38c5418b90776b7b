//! REFER and Replaces from the phone's side: the application decides, or the server follows; and
//! whose transfers are nobody's business.

use std::time::Duration;

use serde_json::json;
use support::rtp_peer::Voice;
use support::sip_peer::SipCall;
use support::{Message, Reply, RtpPeer, SipPeer, sdp};

use crate::in_dialog::{ask, call_running};
use crate::stage::{Caller, LEVEL_DB, PASSWORD, SOON, Stage};

const ALICE_HZ: f64 = 450.0;
const CAROL_HZ: f64 = 800.0;
const BOB_HZ: f64 = 1_150.0;

/// A server that follows its users' REFERs.
fn following() -> Stage {
    Stage::with_env(&[("TRUNKLINE__SIP__TRANSFERS", "clients")])
}

fn refer(peer: &mut SipPeer, call: &mut SipCall, to: &str) -> Message {
    let by = peer.contact();
    ask(peer, call, "REFER", &[("Refer-To", to), ("Referred-By", &by)], None)
}

/// The next NOTIFY, answered: its Subscription-State and status line.
fn notified(peer: &mut SipPeer) -> (String, String) {
    let notify = peer.expect_request("NOTIFY", SOON);
    assert!(notify.header("Event").is_some_and(|event| event.starts_with("refer")), "{notify}");
    assert_eq!(notify.header("Content-Type"), Some("message/sipfrag;version=2.0"));
    peer.reply(&notify, 200, "OK");
    let state = notify.header("Subscription-State").unwrap_or_default().to_owned();
    let line = String::from_utf8_lossy(&notify.body).lines().next().unwrap_or_default().to_owned();
    (state, line)
}

/// The NOTIFYs until the last, which says that.
fn notified_to_the_end(peer: &mut SipPeer, expected: &str) {
    loop {
        let (state, line) = notified(peer);
        if state.starts_with("terminated") {
            return assert_eq!(line, expected);
        }
    }
}

fn hears(who: &RtpPeer, hz: f64) -> bool {
    who.listen(Duration::from_millis(60)).first_with(hz, LEVEL_DB - 3.0).is_some()
}

/// Alice and Carol in a room; Bob is registered.
fn room_and_bob(stage: &Stage) -> (Caller, Caller, SipPeer) {
    stage.answer_with_conference("room");
    let alice = stage.caller("alice", ALICE_HZ);
    let carol = stage.caller("carol", CAROL_HZ);
    let mut bob = stage.phone("bob");
    assert_eq!(bob.register(300).code(), Some(200), "{}", bob.history());
    (alice, carol, bob)
}

/// The dialog of a call as a Replaces header names it to the server.
fn replaces(call: &SipCall) -> String {
    let tag = |value: &str| value.split_once("tag=").map_or("", |(_, tag)| tag).to_owned();
    let dialog = &call.dialog;
    let (to, from) = (tag(&dialog.remote), tag(&dialog.local));
    format!("{};to-tag={to};from-tag={from}", dialog.call_id)
}

/// Escaped for the headers of a URI.
fn escaped(text: &str) -> String {
    text.replace(';', "%3B").replace('=', "%3D").replace('@', "%40")
}

#[test]
fn a_refer_hook_decides() {
    let stage = Stage::new();
    stage.hooks.on_json("/refer", json!([]));
    let (mut alice, mut call, _rtp) = call_running(
        &stage,
        json!([
            {"verb": "answer"},
            {"verb": "config", "referHook": "/refer"},
            {"verb": "pause", "length": 60},
        ]),
    );
    let to = "<sip:bob@example.com?Replaces=x%40y%3Bto-tag%3D1%3Bfrom-tag%3D2>";
    assert_eq!(refer(&mut alice, &mut call, to).code(), Some(202), "{}", alice.history());
    let (state, line) = notified(&mut alice);
    assert!(state.starts_with("terminated"), "{state}");
    assert_eq!(line, "SIP/2.0 200 OK");
    let told = stage.hooks.requests("/refer");
    let details = &told[0].json["refer_details"];
    assert_eq!(details["refer_to_user"], "bob");
    assert_eq!(details["sip_refer_to"], to);
    assert_eq!(details["replaces"]["call_id"], "x@y");
    assert_eq!(details["referring_call_sid"], told[0].text("call_sid"));
    assert!(details["referred_call_sid"].is_null());

    stage.hooks.on("/refer", Reply::Status(404));
    assert_eq!(refer(&mut alice, &mut call, to).code(), Some(404));
    assert_eq!(ask(&mut alice, &mut call, "REFER", &[], None).code(), Some(400), "no Refer-To");

    stage.hooks.on_json("/refer", json!([{"verb": "hangup", "headers": {"X-Sent": "away"}}]));
    assert_eq!(refer(&mut alice, &mut call, to).code(), Some(202));
    assert_eq!(alice.expect_bye(SOON).header("X-Sent"), Some("away"));
}

#[test]
fn a_blind_transfer_of_a_user_puts_another_in_its_place() {
    let stage = following();
    let (mut alice, carol, mut bob) = room_and_bob(&stage);
    let to = format!("<{}>", stage.uri("bob"));
    assert_eq!(refer(&mut alice.sip, &mut alice.call, &to).code(), Some(202));
    assert_eq!(notified(&mut alice.sip).1, "SIP/2.0 100 Trying");
    let invite = bob.expect_request("INVITE", SOON);
    assert_eq!(invite.header("Referred-By"), Some(alice.sip.contact().as_str()));
    bob.reply(&invite, 180, "Ringing");
    assert_eq!(notified(&mut alice.sip).1, "SIP/2.0 180 Ringing");
    let rtp = RtpPeer::start(Voice::tone(BOB_HZ, LEVEL_DB));
    let mut call = bob.accept(&invite, &rtp);
    notified_to_the_end(&mut alice.sip, "SIP/2.0 200 OK");
    alice.sip.expect_bye(SOON);
    support::wait::expect("bob is in the room in place of alice", SOON, || {
        hears(&rtp, CAROL_HZ) && hears(&carol.rtp, BOB_HZ)
    });
    let shown = stage.tenant.call(&alice.call_sid).expect("an answer");
    assert_eq!(shown["call_status"], "in-progress", "the same call: {shown}");
    assert_eq!(bob.hang_up(&mut call).code(), Some(200));
    assert_eq!(stage.statuses(&alice.call_sid), ["trying", "in-progress", "completed"]);
}

#[test]
fn a_transfer_that_fails_leaves_the_call_as_it_was() {
    let stage = following();
    let (mut alice, carol, mut bob) = room_and_bob(&stage);
    let to = format!("<{}>", stage.uri("bob"));
    assert_eq!(refer(&mut alice.sip, &mut alice.call, &to).code(), Some(202));
    let invite = bob.expect_request("INVITE", SOON);
    bob.reply(&invite, 486, "Busy Here");
    bob.expect_request("ACK", SOON);
    notified_to_the_end(&mut alice.sip, "SIP/2.0 486 Busy Here");
    assert!(hears(&alice.rtp, CAROL_HZ) && hears(&carol.rtp, ALICE_HZ), "both talk on");
    // Nobody of that name.
    let to = format!("<{}>", stage.uri("nobody"));
    assert_eq!(refer(&mut alice.sip, &mut alice.call, &to).code(), Some(202));
    notified_to_the_end(&mut alice.sip, "SIP/2.0 404 Not Found");
    alice.hang_up();
}

#[test]
fn who_hangs_up_before_the_target_answers_has_transferred_all_the_same() {
    let stage = following();
    let (mut alice, carol, mut bob) = room_and_bob(&stage);
    let to = format!("<{}>", stage.uri("bob"));
    assert_eq!(refer(&mut alice.sip, &mut alice.call, &to).code(), Some(202));
    let invite = bob.expect_request("INVITE", SOON);
    alice.hang_up();
    bob.reply(&invite, 180, "Ringing");
    let rtp = RtpPeer::start(Voice::tone(BOB_HZ, LEVEL_DB));
    let mut call = bob.accept(&invite, &rtp);
    support::wait::expect("carol hears bob", SOON, || hears(&carol.rtp, BOB_HZ));
    assert_eq!(bob.hang_up(&mut call).code(), Some(200));
    assert_eq!(stage.statuses(&alice.call_sid).last().map(String::as_str), Some("completed"));
}

#[test]
fn nobody_is_missed_while_the_target_rings() {
    let stage = Stage::with_env(&[
        ("TRUNKLINE__SIP__TRANSFERS", "clients"),
        ("TRUNKLINE__RTP__INACTIVITY_TIMEOUT", "1s"),
    ]);
    let (mut alice, carol, mut bob) = room_and_bob(&stage);
    let to = format!("<{}>", stage.uri("bob"));
    assert_eq!(refer(&mut alice.sip, &mut alice.call, &to).code(), Some(202));
    let invite = bob.expect_request("INVITE", SOON);
    bob.reply(&invite, 180, "Ringing");
    alice.hang_up();
    drop(alice); // nor does she send any longer
    assert!(bob.hears_no("CANCEL", Duration::from_millis(2_500)), "{}", bob.history());
    let rtp = RtpPeer::start(Voice::tone(BOB_HZ, LEVEL_DB));
    let mut call = bob.accept(&invite, &rtp);
    support::wait::expect("carol hears bob", SOON, || hears(&carol.rtp, BOB_HZ));
    assert_eq!(bob.hang_up(&mut call).code(), Some(200));
}

#[test]
fn a_target_that_has_answered_our_offer_early_need_not_repeat_itself() {
    let stage = following();
    let (mut alice, carol, mut bob) = room_and_bob(&stage);
    let to = format!("<{}>", stage.uri("bob"));
    assert_eq!(refer(&mut alice.sip, &mut alice.call, &to).code(), Some(202));
    let invite = bob.expect_request("INVITE", SOON);
    let rtp = RtpPeer::start(Voice::tone(BOB_HZ, LEVEL_DB));
    rtp.connect(sdp::remote_audio(&invite.body).expect("an offer").rtp);
    let early = bob
        .response(&invite, 183, "Session Progress")
        .with_body("application/sdp", sdp::pcmu(rtp.local_addr()));
    bob.send(&early);
    loop {
        if notified(&mut alice.sip).1 == "SIP/2.0 183 Session Progress" {
            break;
        }
    }
    assert!(hears(&carol.rtp, ALICE_HZ), "alice is there until bob has answered");
    let ok = bob.response(&invite, 200, "OK");
    bob.respond(&invite, &ok);
    bob.expect_request("ACK", SOON);
    notified_to_the_end(&mut alice.sip, "SIP/2.0 200 OK");
    alice.sip.expect_bye(SOON);
    support::wait::expect("carol hears bob", SOON, || hears(&carol.rtp, BOB_HZ));
}

#[test]
fn a_request_to_who_has_left_is_answered_before_the_next_is_there() {
    let stage = following();
    let (mut alice, _carol, mut bob) = room_and_bob(&stage);
    let to = format!("<{}>", stage.uri("bob"));
    assert_eq!(refer(&mut alice.sip, &mut alice.call, &to).code(), Some(202));
    let invite = bob.expect_request("INVITE", SOON);
    let path = stage.tenant.path(&format!("/Calls/{}", alice.call_sid));
    let body = json!({ "sip_request": { "method": "INFO" } });
    let put = || stage.tenant.rest.put(&path, &body).expect("an answer");
    let answers = std::thread::scope(|scope| {
        let asked = scope.spawn(put);
        alice.sip.expect_request("INFO", SOON);
        alice.sip.hang_up(&mut alice.call);
        // One that alice leaves unanswered, one when she has left.
        [asked.join().expect("the request was made"), put()]
    });
    for answer in answers {
        assert_eq!((answer.status, &answer.json["status"]), (200, &json!(481)));
    }
    bob.reply(&invite, 486, "Busy Here");
    bob.expect_request("ACK", SOON);
    assert_eq!(stage.statuses(&alice.call_sid), ["trying", "in-progress", "completed"]);
}

#[test]
fn a_call_that_ends_during_a_transfer_does_not_say_it_was_answered_elsewhere() {
    let stage = following();
    let (mut alice, _carol, mut bob) = room_and_bob(&stage);
    let to = format!("<{}>", stage.uri("bob"));
    assert_eq!(refer(&mut alice.sip, &mut alice.call, &to).code(), Some(202));
    let invite = bob.expect_request("INVITE", SOON);
    bob.reply(&invite, 180, "Ringing");
    assert_eq!(stage.delete(&format!("/Calls/{}", alice.call_sid)), 204);
    let cancel = bob.expect_request("CANCEL", SOON);
    assert_eq!(cancel.header("Reason"), None, "{cancel}");
    alice.sip.expect_bye(SOON);
    assert_eq!(stage.statuses(&alice.call_sid), ["trying", "in-progress", "completed"]);
}

#[test]
fn a_stranger_transfers_nobody() {
    let stage = following();
    stage.answer_with_conference("room");
    stage.tenant.number("+15083084809", &stage.application_sid).expect("a number");
    let mut stranger = SipPeer::udp(stage.server.sip());
    let rtp = RtpPeer::start(Voice::Silence);
    let uri = format!("sip:+15083084809@{}", stage.server.sip());
    let mut call = stranger.call(&uri, &rtp).expect("answered");
    let to = "<sip:+1900@example.com>";
    assert_eq!(refer(&mut stranger, &mut call, to).code(), Some(403), "{}", stranger.history());
    assert_eq!(stranger.hang_up(&mut call).code(), Some(200));
}

#[test]
fn an_attended_transfer_replaces_the_dialog_at_the_target() {
    let stage = following();
    stage.answer_with_conference("room");
    let mut alice = stage.caller("alice", ALICE_HZ);
    let carol = stage.caller("carol", CAROL_HZ);
    // Bob is no user of ours; he and Alice have talked past us.
    let mut bob = SipPeer::udp(stage.server.sip());
    let to = format!("<{}?Replaces={}>", bob.contact_uri(), escaped("c@d;to-tag=1;from-tag=2"));
    assert_eq!(refer(&mut alice.sip, &mut alice.call, &to).code(), Some(202));
    let invite = bob.expect_request("INVITE", SOON);
    assert_eq!(invite.header("Replaces"), Some("c@d;to-tag=1;from-tag=2"));
    let rtp = RtpPeer::start(Voice::tone(BOB_HZ, LEVEL_DB));
    let mut call = bob.accept(&invite, &rtp);
    notified_to_the_end(&mut alice.sip, "SIP/2.0 200 OK");
    alice.sip.expect_bye(SOON);
    support::wait::expect("carol hears bob", SOON, || hears(&carol.rtp, BOB_HZ));
    // Bob is a stranger, and may not send the call on.
    let refused = refer(&mut bob, &mut call, "<sip:x@example.com>");
    assert_eq!(refused.code(), Some(403));
    assert_eq!(bob.hang_up(&mut call).code(), Some(200));
}

#[test]
fn two_calls_of_a_phone_are_joined_by_an_attended_transfer() {
    let stage = following();
    stage.hooks.on_fn("/call", |request| {
        let name = match request.text("from") {
            "dave" => "second",
            "alice" if request.text("to") == "2000" => "second",
            _ => "first",
        };
        Reply::Json(json!([{ "verb": "conference", "name": name }]))
    });
    let mut alice = stage.caller("alice", ALICE_HZ);
    let carol = stage.caller("carol", CAROL_HZ);
    let dave = stage.caller("dave", BOB_HZ);
    let consult = RtpPeer::start(Voice::Silence);
    let second = alice.sip.call(&stage.uri("2000"), &consult).expect("answered");
    support::wait::expect("alice hears dave", SOON, || hears(&consult, BOB_HZ));

    let to = format!("<{}?Replaces={}>", stage.uri("2000"), escaped(&replaces(&second)));
    assert_eq!(refer(&mut alice.sip, &mut alice.call, &to).code(), Some(202));
    notified_to_the_end(&mut alice.sip, "SIP/2.0 200 OK");
    let ended = [alice.sip.expect_bye(SOON), alice.sip.expect_bye(SOON)];
    assert_ne!(ended[0].call_id(), ended[1].call_id(), "both calls of alice are over");
    support::wait::expect("carol and dave hear each other", SOON, || {
        hears(&carol.rtp, BOB_HZ) && hears(&dave.rtp, CAROL_HZ)
    });
}

/// An INVITE of a peer that takes a dialog's place; the final response, acknowledged if 2xx.
fn take_over(peer: &mut SipPeer, uri: &str, rtp: &RtpPeer, header: &str) -> Message {
    let invite = peer
        .request("INVITE", uri)
        .with("Require", "replaces")
        .with("Replaces", header)
        .with_body("application/sdp", sdp::pcmu(rtp.local_addr()));
    let (invite, response) = peer.transact_authorized(invite);
    if response.code() == Some(200) {
        let audio = sdp::remote_audio(&response.body).expect("an answer with audio");
        rtp.connect(audio.rtp);
        peer.acknowledge(&invite, response.clone());
    }
    response
}

#[test]
fn a_user_takes_the_place_of_another_by_replaces() {
    let stage = Stage::new();
    let (mut alice, carol, mut bob) = room_and_bob(&stage);
    let rtp = RtpPeer::start(Voice::tone(BOB_HZ, LEVEL_DB));
    let uri = stage.uri("room");
    let named = replaces(&alice.call);
    let taken = take_over(&mut bob, &uri, &rtp, &named);
    assert_eq!(taken.code(), Some(200), "{}", bob.history());
    alice.sip.expect_bye(SOON);
    support::wait::expect("bob is in the room in place of alice", SOON, || {
        hears(&rtp, CAROL_HZ) && hears(&carol.rtp, BOB_HZ)
    });
    // The dialog is gone with alice.
    assert_eq!(take_over(&mut bob, &uri, &rtp, &named).code(), Some(481));
}

#[test]
fn who_takes_a_place_encrypts_if_its_own_settings_say_so() {
    let stage = Stage::new();
    let (mut alice, _carol, mut bob) = room_and_bob(&stage);
    let clients = stage.tenant.rest.get("/v1/Clients").expect("an answer").json;
    let is_bob = |client: &&serde_json::Value| client["username"] == "bob";
    let found = clients.as_array().and_then(|clients| clients.iter().find(is_bob));
    let path =
        format!("/v1/Clients/{}", found.expect("bob")["client_sid"].as_str().expect("a sid"));
    let body = json!({ "media_encryption": "required" });
    assert_eq!(stage.tenant.rest.put(&path, &body).expect("an answer").status, 204);
    let rtp = RtpPeer::start(Voice::Silence);
    let refused = take_over(&mut bob, &stage.uri("room"), &rtp, &replaces(&alice.call));
    assert_eq!(refused.code(), Some(488), "{}", bob.history());
    alice.hang_up();
}

#[test]
fn a_ringing_call_is_picked_up_by_replaces() {
    let stage = Stage::new();
    stage.hooks.on_json("/call", json!([{ "verb": "pause", "length": 60 }]));
    let (mut alice, mut bob) = (stage.phone("alice"), stage.phone("bob"));
    assert_eq!(alice.register(300).code(), Some(200), "{}", alice.history());
    let call_sid = stage.create_call(&json!({
        "from": "1000",
        "to": { "type": "user", "name": format!("alice@{}", stage.tenant.realm) },
        "call_hook": stage.hooks.url("/call"),
        "call_status_hook": stage.hooks.url("/status"),
    }));
    let invite = alice.expect_request("INVITE", SOON);
    let ringing = alice.reply(&invite, 180, "Ringing");
    let (to, from) = (invite.from_tag().unwrap_or_default(), ringing.to_tag().unwrap_or_default());
    let named = format!("{};to-tag={to};from-tag={from};early-only", invite.call_id());
    let rtp = RtpPeer::start(Voice::Silence);
    let picked = take_over(&mut bob, &stage.uri("pickup"), &rtp, &named);
    assert_eq!(picked.code(), Some(200), "{}", bob.history());
    let cancel = alice.expect_request("CANCEL", SOON);
    let reason = cancel.header("Reason").unwrap_or_default();
    assert!(reason.contains("Call completed elsewhere"), "{reason}");
    let shown = stage.hooks.wait_for("/call", SOON, |requests| !requests.is_empty());
    assert_eq!(shown[0].text("call_sid"), call_sid);
    assert_eq!(stage.delete(&format!("/Calls/{call_sid}")), 204);
    bob.expect_bye(SOON);
    assert_eq!(stage.statuses(&call_sid), ["trying", "ringing", "in-progress", "completed"]);
}

#[test]
fn a_dialog_is_replaced_by_nobody_else() {
    let stage = Stage::new();
    let (mut alice, _carol, mut bob) = room_and_bob(&stage);
    let rtp = RtpPeer::start(Voice::Silence);
    let uri = stage.uri("room");
    let named = replaces(&alice.call);
    for (header, code) in [
        ("x;to-tag=1;from-tag=2".to_owned(), 481),
        (format!("{named}x"), 481),
        (format!("{named};early-only"), 486),
        ("nonsense".to_owned(), 400),
    ] {
        let refused = take_over(&mut bob, &uri, &rtp, &header).code();
        assert_eq!(refused, Some(code), "{header}\n{}", bob.history());
    }
    // A stranger, and the user of another account.
    let mut stranger = SipPeer::udp(stage.server.sip());
    let bare = format!("sip:room@{}", stage.server.sip());
    assert_eq!(take_over(&mut stranger, &bare, &rtp, &named).code(), Some(403));
    let other = support::Tenant::provision(&stage.server.admin(), "other").expect("a tenant");
    other.client("mallory", PASSWORD).expect("a client");
    let mut mallory = SipPeer::udp(stage.server.sip()).as_client("mallory", PASSWORD, &other.realm);
    let theirs = format!("sip:room@{}", other.realm);
    assert_eq!(take_over(&mut mallory, &theirs, &rtp, &named).code(), Some(481));
    alice.hang_up();
}
