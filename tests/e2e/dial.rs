//! `dial`: who is rung, who answers, who is let go, and what the application is told of it.

use std::time::Duration;

use serde_json::{Value, json};
use support::rtp_peer::Voice;
use support::sip_peer::SipCall;
use support::tone::Tone;
use support::{HookServer, Message, Reply, RtpPeer, SipPeer, sdp, wait};

use crate::stage::{Caller, LEVEL_DB, SOON, Stage};

pub(crate) const ALICE_HZ: f64 = 450.0;
pub(crate) const BOB_HZ: f64 = 800.0;
const MUSIC_HZ: f64 = 1_150.0;
/// 40 dB under the level sent.
pub(crate) const GONE_DB: f64 = LEVEL_DB - 40.0;

/// A stage whose application dials bob with these properties, then says good-bye with a header.
#[allow(clippy::needless_pass_by_value, reason = "json! literals read best by value")]
pub(crate) fn dialling(stage: &Stage, properties: Value) {
    let mut dial = json!({
        "verb": "dial",
        "target": [{"type": "user", "name": "bob"}],
        "actionHook": "/done",
    });
    if let (Some(dial), Value::Object(more)) = (dial.as_object_mut(), properties) {
        dial.extend(more);
    }
    stage.hooks.on_json("/done", json!([]));
    let bye = json!({"verb": "hangup", "headers": {"X-Next": "reached"}});
    stage.hooks.on_json("/call", json!([dial, bye]));
}

pub(crate) fn registered(stage: &Stage, user: &str) -> SipPeer {
    let mut phone = stage.phone(user);
    assert_eq!(phone.register(300).code(), Some(200), "{}", phone.history());
    phone
}

/// Alice calls and does not wait for the answer.
fn place(stage: &Stage, to: &str) -> (SipPeer, RtpPeer, Message) {
    let mut alice = stage.phone("alice");
    let rtp = RtpPeer::start(Voice::tone(ALICE_HZ, LEVEL_DB));
    let offer = sdp::pcmu(rtp.local_addr());
    let invite = alice.request("INVITE", to).with_body("application/sdp", offer);
    let challenge = alice.transact(&invite);
    let invite = alice.authorized(&invite, &challenge).expect("a challenge");
    alice.send(&invite);
    (alice, rtp, invite)
}

fn answered(alice: &mut SipPeer, rtp: &RtpPeer, invite: &Message) -> SipCall {
    let response = alice.final_response(invite);
    assert_eq!(response.code(), Some(200), "{}", alice.history());
    let call = alice.acknowledge(invite, response);
    rtp.connect(sdp::remote_audio(&call.answer.body).expect("audio").rtp);
    call
}

/// The next provisional response above 100.
fn progress(alice: &mut SipPeer, invite: &Message) -> Message {
    loop {
        let response = alice.expect_response(invite, SOON);
        if response.code() != Some(100) {
            return response;
        }
    }
}

pub(crate) fn hears(who: &RtpPeer, hz: f64) -> bool {
    who.listen(Duration::from_millis(60)).first_with(hz, LEVEL_DB - 3.0).is_some()
}

pub(crate) fn wait_to_hear(who: &RtpPeer, hz: f64) {
    wait::expect("the tone is heard", SOON, || hears(who, hz));
}

pub(crate) fn wait_for_silence(who: &RtpPeer, hz: f64) {
    wait::expect("the tone is gone", SOON, || {
        who.listen(Duration::from_millis(200)).level_db(hz) < GONE_DB
    });
}

/// What the action hook was told.
pub(crate) fn results(hooks: &HookServer) -> (Value, Value) {
    let told = hooks.wait_for("/done", SOON, |requests| !requests.is_empty());
    let told = &told[0].json;
    (told["dial_call_status"].clone(), told["dial_sip_status"].clone())
}

/// Confirms a CANCEL and the INVITE it ends; its Reason.
fn cancelled(phone: &mut SipPeer, invite: &Message) -> String {
    let cancel = phone.expect_request("CANCEL", SOON);
    phone.reply(&cancel, 200, "OK");
    phone.reply(invite, 487, "Request Terminated");
    phone.expect_request("ACK", SOON);
    cancel.header("Reason").unwrap_or_default().to_owned()
}

/// The sid of the latest child, as events name it.
pub(crate) fn child_sid(stage: &Stage) -> String {
    let is_child = |request: &support::HookRequest| !request.text("parent_call_sid").is_empty();
    let events = stage.hooks.wait_for("/status", SOON, |events| events.iter().any(is_child));
    let latest = events.iter().rev().find(|event| is_child(event));
    latest.map(|event| event.text("call_sid").to_owned()).unwrap_or_default()
}

/// Two who talk.
pub(crate) struct Pair {
    pub(crate) alice: Caller,
    pub(crate) bob: SipPeer,
    pub(crate) bob_rtp: RtpPeer,
    pub(crate) bob_call: SipCall,
    pub(crate) child: String,
}

pub(crate) fn talking(stage: &Stage) -> Pair {
    let mut bob = registered(stage, "bob");
    let alice = stage.caller("alice", ALICE_HZ);
    let invite = bob.expect_request("INVITE", SOON);
    let bob_rtp = RtpPeer::start(Voice::tone(BOB_HZ, LEVEL_DB));
    let bob_call = bob.accept(&invite, &bob_rtp);
    wait_to_hear(&alice.rtp, BOB_HZ);
    wait_to_hear(&bob_rtp, ALICE_HZ);
    let child = child_sid(stage);
    Pair { alice, bob, bob_rtp, bob_call, child }
}

#[test]
fn two_talk_until_the_callee_hangs_up_and_the_list_goes_on() {
    let stage = Stage::new();
    dialling(
        &stage,
        json!({"callerId": "4711", "callerName": "The Desk", "tag": {"leg": "b"},
        "headers": {"X-Ticket": "7"}}),
    );
    let mut bob = registered(&stage, "bob");
    let mut alice = stage.caller("alice", ALICE_HZ);
    let invite = bob.expect_request("INVITE", SOON);
    let from = invite.header("From").unwrap_or_default();
    assert!(from.contains("\"The Desk\"") && from.contains("sip:4711@"), "{from}");
    assert_eq!(invite.header("X-Ticket"), Some("7"));
    bob.reply(&invite, 180, "Ringing");
    let child = child_sid(&stage);
    let rtp = RtpPeer::start(Voice::tone(BOB_HZ, LEVEL_DB));
    let mut call = bob.accept(&invite, &rtp);
    wait_to_hear(&alice.rtp, BOB_HZ);
    wait_to_hear(&rtp, ALICE_HZ);

    let shown = stage.get(&format!("/Calls/{child}"));
    assert_eq!(shown["parent_call_sid"], alice.call_sid.as_str(), "{shown}");
    assert_eq!(shown["direction"], "outbound");
    assert_eq!(shown["from"], "4711");
    assert_eq!(shown["customer_data"]["leg"], "b", "{shown}");
    assert_eq!(stage.get("/Calls").as_array().map(Vec::len), Some(2));

    assert_eq!(bob.hang_up(&mut call).code(), Some(200));
    assert_eq!(results(&stage.hooks), (json!("completed"), json!(200)));
    let told = stage.hooks.requests("/done");
    assert_eq!(told[0].text("dial_call_sid"), child);
    assert_eq!(told[0].text("dial_sbc_callid"), invite.call_id());
    assert_eq!(alice.sip.expect_bye(SOON).header("X-Next"), Some("reached"));

    assert_eq!(stage.statuses(&child), ["trying", "ringing", "in-progress", "completed"]);
    assert_eq!(stage.statuses(&alice.call_sid), ["trying", "in-progress", "completed"]);
    let event = stage.hooks.events("/status", &child).pop().expect("an event").json;
    assert_eq!(event["parent_call_sid"], alice.call_sid.as_str());
    assert_eq!(event["call_termination_by"], "caller");
    assert_eq!(event["customerData"]["leg"], "b");
    wait::expect("both records", SOON, || {
        let calls = stage.get("/RecentCalls?page=1&count=25");
        let calls = calls["data"].as_array().cloned().unwrap_or_default();
        calls.iter().any(|record| record["call_sid"] == *child)
            && calls.iter().any(|record| record["call_sid"] == *alice.call_sid)
    });
}

#[test]
fn a_caller_stays_unanswered_until_the_callee_answers() {
    let stage = Stage::new();
    dialling(&stage, json!({"answerOnBridge": true}));
    let mut bob = registered(&stage, "bob");
    let (mut alice, rtp, invite) = place(&stage, &stage.uri("1000"));
    let at_bob = bob.expect_request("INVITE", SOON);
    bob.reply(&at_bob, 180, "Ringing");
    assert_eq!(progress(&mut alice, &invite).code(), Some(180));
    let bob_rtp = RtpPeer::start(Voice::tone(BOB_HZ, LEVEL_DB));
    bob.accept(&at_bob, &bob_rtp);
    let mut call = answered(&mut alice, &rtp, &invite);
    wait_to_hear(&rtp, BOB_HZ);
    wait_to_hear(&bob_rtp, ALICE_HZ);
    assert_eq!(alice.hang_up(&mut call).code(), Some(200));
    bob.expect_bye(SOON);
    assert_eq!(results(&stage.hooks), (json!("completed"), json!(200)));
}

#[test]
fn early_media_of_the_callee_is_heard() {
    let stage = Stage::new();
    dialling(&stage, json!({"answerOnBridge": true}));
    let mut bob = registered(&stage, "bob");
    let (mut alice, rtp, invite) = place(&stage, &stage.uri("1000"));
    let at_bob = bob.expect_request("INVITE", SOON);
    let bob_rtp = RtpPeer::start(Voice::tone(BOB_HZ, LEVEL_DB));
    bob_rtp.connect(sdp::remote_audio(&at_bob.body).expect("audio").rtp);
    let early = bob
        .response(&at_bob, 183, "Session Progress")
        .with_body("application/sdp", sdp::pcmu(bob_rtp.local_addr()));
    bob.respond(&at_bob, &early);
    let heard = progress(&mut alice, &invite);
    assert_eq!(heard.code(), Some(183), "{heard}");
    rtp.connect(sdp::remote_audio(&heard.body).expect("audio").rtp);
    if heard.header("Require").is_some_and(|options| options.contains("100rel")) {
        panic!("alice did not ask for it");
    }
    wait_to_hear(&rtp, BOB_HZ);
    bob.accept(&at_bob, &bob_rtp);
    let mut call = answered(&mut alice, &rtp, &invite);
    wait_to_hear(&bob_rtp, ALICE_HZ);
    wait_to_hear(&rtp, BOB_HZ);
    assert_eq!(alice.hang_up(&mut call).code(), Some(200));
    bob.expect_bye(SOON);
    let child = child_sid(&stage);
    assert_eq!(stage.statuses(&child), ["trying", "early-media", "in-progress", "completed"]);
}

#[test]
fn several_ring_the_first_wins_and_a_late_answer_is_hung_up() {
    let stage = Stage::new();
    dialling(
        &stage,
        json!({"target": [
            {"type": "user", "name": "bob"},
            {"type": "user", "name": "carol"},
            {"type": "user", "name": "dave"},
            {"type": "user", "name": "bob"},
            {"type": "user", "name": "nobody"},
        ]}),
    );
    let (mut bob, mut carol, mut dave) =
        (registered(&stage, "bob"), registered(&stage, "carol"), registered(&stage, "dave"));
    let mut alice = stage.caller("alice", ALICE_HZ);
    let invites = [&mut bob, &mut carol, &mut dave].map(|phone| {
        let invite = phone.expect_request("INVITE", SOON);
        phone.reply(&invite, 180, "Ringing");
        invite
    });
    let rtp = RtpPeer::start(Voice::tone(BOB_HZ, LEVEL_DB));
    let mut call = carol.accept(&invites[1], &rtp);
    let reason = cancelled(&mut bob, &invites[0]);
    assert!(reason.contains("Call completed elsewhere"), "RFC 3326: {reason}");
    // Dave's answer crosses the CANCEL.
    let cancel = dave.expect_request("CANCEL", SOON);
    dave.accept(&invites[2], &RtpPeer::start(Voice::Silence));
    dave.reply(&cancel, 200, "OK");
    dave.expect_bye(SOON);
    wait_to_hear(&alice.rtp, BOB_HZ);
    assert!(bob.hears_no("INVITE", Duration::from_millis(100)), "a duplicate is rung once");
    assert_eq!(carol.hang_up(&mut call).code(), Some(200));
    assert_eq!(results(&stage.hooks), (json!("completed"), json!(200)));
    alice.sip.expect_bye(SOON);
}

#[test]
fn who_cannot_be_reached_ends_the_dial() {
    for (answer, expected) in [
        (Some((486, "Busy Here")), (json!("busy"), json!(486))),
        (Some((603, "Decline")), (json!("failed"), json!(603))),
        (None, (json!("failed"), json!(404))),
    ] {
        let stage = Stage::new();
        dialling(&stage, json!({}));
        let mut bob = answer.map(|_| registered(&stage, "bob"));
        let mut alice = stage.caller("alice", ALICE_HZ);
        if let (Some(bob), Some((code, reason))) = (&mut bob, answer) {
            let invite = bob.expect_request("INVITE", SOON);
            bob.reply(&invite, code, reason);
            bob.expect_request("ACK", SOON);
        }
        assert_eq!(results(&stage.hooks), expected);
        assert_eq!(alice.sip.expect_bye(SOON).header("X-Next"), Some("reached"));
        let child = child_sid(&stage);
        assert_eq!(stage.statuses(&child), ["trying", expected.0.as_str().unwrap_or_default()]);
    }
}

#[test]
fn time_to_ring_is_over() {
    let stage = Stage::new();
    dialling(&stage, json!({"timeout": 1}));
    let mut bob = registered(&stage, "bob");
    let mut alice = stage.caller("alice", ALICE_HZ);
    let invite = bob.expect_request("INVITE", SOON);
    bob.reply(&invite, 180, "Ringing");
    assert_eq!(cancelled(&mut bob, &invite), "");
    assert_eq!(results(&stage.hooks), (json!("no-answer"), json!(487)));
    alice.sip.expect_bye(SOON);
    assert_eq!(stage.statuses(&child_sid(&stage)), ["trying", "ringing", "no-answer"]);
}

#[test]
fn a_caller_who_gives_up_takes_the_callee_along() {
    let stage = Stage::new();
    dialling(&stage, json!({"answerOnBridge": true}));
    let mut bob = registered(&stage, "bob");
    let (mut alice, _rtp, invite) = place(&stage, &stage.uri("1000"));
    let at_bob = bob.expect_request("INVITE", SOON);
    bob.reply(&at_bob, 180, "Ringing");
    assert_eq!(progress(&mut alice, &invite).code(), Some(180));
    assert_eq!(alice.cancel(&invite).code(), Some(200));
    assert_eq!(alice.final_response(&invite).code(), Some(487));
    cancelled(&mut bob, &at_bob);
    assert_eq!(results(&stage.hooks), (json!("no-answer"), json!(487)));
}

#[test]
fn an_unanswered_caller_is_declined_when_nobody_can_be_reached() {
    let stage = Stage::new();
    dialling(&stage, json!({"answerOnBridge": true}));
    stage.hooks.on_json(
        "/call",
        json!([{"verb": "dial", "answerOnBridge": true,
        "target": [{"type": "user", "name": "nobody"}]}]),
    );
    let (mut alice, _rtp, invite) = place(&stage, &stage.uri("1000"));
    assert_eq!(alice.final_response(&invite).code(), Some(603));
}

#[test]
fn music_plays_until_the_bridge() {
    let stage = Stage::new();
    let wav = support::wav::bytes(8000, &Tone::render(MUSIC_HZ, LEVEL_DB, 0.5)).expect("a file");
    stage
        .hooks
        .on("/music.wav", Reply::Body { status: 200, content_type: "audio/wav", bytes: wav });
    dialling(&stage, json!({"dialMusic": "/music.wav"}));
    let mut bob = registered(&stage, "bob");
    let mut alice = stage.caller("alice", ALICE_HZ);
    let invite = bob.expect_request("INVITE", SOON);
    let rtp = RtpPeer::start(Voice::tone(BOB_HZ, LEVEL_DB));
    rtp.connect(sdp::remote_audio(&invite.body).expect("audio").rtp);
    let early = bob
        .response(&invite, 183, "Session Progress")
        .with_body("application/sdp", sdp::pcmu(rtp.local_addr()));
    bob.respond(&invite, &early);
    wait_to_hear(&alice.rtp, MUSIC_HZ);
    // It repeats, and early media stays unheard.
    let heard = alice.rtp.listen(Duration::from_millis(1200));
    assert!(heard.level_db(MUSIC_HZ) > LEVEL_DB - 6.0, "{}", heard.level_db(MUSIC_HZ));
    assert!(heard.level_db(BOB_HZ) < GONE_DB);
    let mut call = bob.accept(&invite, &rtp);
    wait_to_hear(&alice.rtp, BOB_HZ);
    wait_for_silence(&alice.rtp, MUSIC_HZ);
    assert_eq!(bob.hang_up(&mut call).code(), Some(200));
    alice.sip.expect_bye(SOON);
}

#[test]
fn a_callee_is_asked_first_and_others_ring_on_until_one_accepts() {
    let stage = Stage::new();
    dialling(
        &stage,
        json!({
            "target": [
                {"type": "user", "name": "bob", "confirmHook": "/decline"},
                {"type": "user", "name": "carol"},
            ],
            "confirmHook": "/confirm",
        }),
    );
    stage.hooks.on_json("/decline", json!([{"verb": "hangup"}]));
    let accept = json!([{"verb": "play", "url": "silence_stream://300"}]);
    stage.hooks.on_json("/confirm", accept);
    let (mut bob, mut carol) = (registered(&stage, "bob"), registered(&stage, "carol"));
    let mut alice = stage.caller("alice", ALICE_HZ);
    let (at_bob, at_carol) =
        (bob.expect_request("INVITE", SOON), carol.expect_request("INVITE", SOON));
    carol.reply(&at_carol, 180, "Ringing");
    bob.accept(&at_bob, &RtpPeer::start(Voice::Silence));
    bob.expect_bye(SOON);
    let asked = stage.hooks.requests("/decline");
    assert_eq!(asked[0].text("parent_call_sid"), alice.call_sid, "the child's own fields");
    assert!(carol.hears_no("CANCEL", Duration::from_millis(200)), "carol rings on");
    let rtp = RtpPeer::start(Voice::tone(BOB_HZ, LEVEL_DB));
    let mut call = carol.accept(&at_carol, &rtp);
    wait_to_hear(&alice.rtp, BOB_HZ);
    assert_eq!(carol.hang_up(&mut call).code(), Some(200));
    assert_eq!(results(&stage.hooks), (json!("completed"), json!(200)));
    alice.sip.expect_bye(SOON);
}

#[test]
fn a_confirm_hook_that_fails_declines() {
    let stage = Stage::new();
    dialling(&stage, json!({"confirmHook": "/confirm"}));
    stage.hooks.on("/confirm", Reply::Status(500));
    let mut bob = registered(&stage, "bob");
    let mut alice = stage.caller("alice", ALICE_HZ);
    let invite = bob.expect_request("INVITE", SOON);
    bob.accept(&invite, &RtpPeer::start(Voice::Silence));
    bob.expect_bye(SOON);
    assert_eq!(alice.sip.expect_bye(SOON).header("X-Next"), Some("reached"));
}

#[test]
fn two_may_talk_for_so_long() {
    let stage = Stage::new();
    dialling(&stage, json!({"timeLimit": 1}));
    let mut bob = registered(&stage, "bob");
    let mut alice = stage.caller("alice", ALICE_HZ);
    let invite = bob.expect_request("INVITE", SOON);
    bob.accept(&invite, &RtpPeer::start(Voice::Silence));
    for bye in [bob.expect_bye(SOON), alice.sip.expect_bye(SOON)] {
        assert_eq!(bye.header("X-Reason"), Some("Max Call Duration"), "{bye}");
    }
    assert_eq!(results(&stage.hooks), (json!("completed"), json!(200)));
}

#[test]
fn users_of_a_realm_call_each_other_without_any_application() {
    let stage = Stage::new();
    let account = json!({"device_calling_application_sid": null});
    assert!(matches!(stage.put("", &account), 200 | 204));
    let mut bob = registered(&stage, "bob");
    let (mut alice, rtp, invite) = place(&stage, &stage.uri("bob"));
    let at_bob = bob.expect_request("INVITE", SOON);
    bob.reply(&at_bob, 180, "Ringing");
    assert_eq!(progress(&mut alice, &invite).code(), Some(180));
    let bob_rtp = RtpPeer::start(Voice::tone(BOB_HZ, LEVEL_DB));
    let mut bob_call = bob.accept(&at_bob, &bob_rtp);
    answered(&mut alice, &rtp, &invite);
    wait_to_hear(&rtp, BOB_HZ);
    wait_to_hear(&bob_rtp, ALICE_HZ);
    assert_eq!(bob.hang_up(&mut bob_call).code(), Some(200));
    alice.expect_bye(SOON);

    let nobody = alice.request("INVITE", &stage.uri("nobody"));
    let nobody = nobody.with_body("application/sdp", sdp::pcmu(rtp.local_addr()));
    assert_eq!(alice.transact_authorized(nobody).1.code(), Some(480));
}
