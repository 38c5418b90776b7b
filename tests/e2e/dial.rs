//! `dial` with peers of our own, for what no foreign phone can be made to do; see `dial_rows`.

use std::time::Duration;

use serde_json::{Value, json};
use support::rtp_peer::Voice;
use support::sip_peer::SipCall;
use support::tone::Tone;
use support::{HookServer, Message, Reply, RtpPeer, SipPeer, sdp, wait};

use crate::stage::{Caller, LEVEL_DB, SOON, Stage};

const ALICE_HZ: f64 = 450.0;
const BOB_HZ: f64 = 800.0;
const AFTER_HZ: f64 = 1_150.0;

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

/// What the action hook was told.
pub(crate) fn results(hooks: &HookServer) -> (Value, Value) {
    let told = hooks.wait_for("/done", SOON, |requests| !requests.is_empty());
    let told = &told[0].json;
    (told["dial_call_status"].clone(), told["dial_sip_status"].clone())
}

fn hears(who: &RtpPeer, hz: f64) -> bool {
    who.listen(Duration::from_millis(60)).first_with(hz, LEVEL_DB - 3.0).is_some()
}

fn wait_to_hear(who: &RtpPeer, hz: f64) {
    wait::expect("the tone is heard", SOON, || hears(who, hz));
}

/// Two who talk.
struct Pair {
    alice: Caller,
    bob: SipPeer,
    bob_rtp: RtpPeer,
    bob_call: SipCall,
}

fn talking(stage: &Stage) -> Pair {
    let mut bob = registered(stage, "bob");
    let alice = stage.caller("alice", ALICE_HZ);
    let invite = bob.expect_request("INVITE", SOON);
    let bob_rtp = RtpPeer::start(Voice::tone(BOB_HZ, LEVEL_DB));
    let bob_call = bob.accept(&invite, &bob_rtp);
    wait_to_hear(&alice.rtp, BOB_HZ);
    wait_to_hear(&bob_rtp, ALICE_HZ);
    Pair { alice, bob, bob_rtp, bob_call }
}

fn wav(stage: &Stage, path: &str, seconds: f64) {
    let bytes =
        support::wav::bytes(8000, &Tone::render(AFTER_HZ, LEVEL_DB, seconds)).expect("a file");
    stage.hooks.on(path, Reply::Body { status: 200, content_type: "audio/wav", bytes });
}

/// A re-INVITE of bob's without an offer; its ACK answers ours.
fn offered_late(pair: &mut Pair, mut request: Message, direction: &str) -> Message {
    request.headers.insert(0, ("Via".to_owned(), pair.bob.via()));
    let response = pair.bob.transact(&request);
    assert_eq!(response.code(), Some(200), "{}", pair.bob.history());
    let mut ack = pair.bob_call.dialog.request("ACK");
    ack.set("CSeq", format!("{} ACK", request.cseq().map_or(0, |(number, _)| number)));
    ack.headers.insert(0, ("Via".to_owned(), pair.bob.via()));
    let text = sdp::pcmu(pair.bob_rtp.local_addr()).replace("sendrecv", direction);
    pair.bob.send(&ack.with_body("application/sdp", text));
    response
}

/// The re-INVITE that alice is sent, answered: the direction it offers.
fn reoffered(pair: &mut Pair) -> String {
    let alice = &mut pair.alice;
    let invite = alice.sip.expect_request("INVITE", SOON);
    let offered = sdp::remote_audio(&invite.body).expect("audio").direction;
    let mirrored = match offered.as_str() {
        "sendonly" => "recvonly",
        "recvonly" => "sendonly",
        other => other,
    };
    let text = sdp::pcmu(alice.rtp.local_addr()).replace("sendrecv", mirrored);
    let ok = alice.sip.response(&invite, 200, "OK").with_body("application/sdp", text);
    alice.sip.respond(&invite, &ok);
    alice.sip.expect_request("ACK", SOON);
    offered
}

#[test]
fn who_was_held_is_taken_back_when_the_dial_is_over() {
    let stage = Stage::new();
    wav(&stage, "/after.wav", 0.5);
    dialling(&stage, json!({}));
    stage.hooks.on_json("/done", json!([{"verb": "play", "url": "/after.wav", "loop": 20}]));
    let mut pair = talking(&stage);
    // By the answer to an offer that we were asked for.
    let request = pair.bob_call.dialog.request("INVITE").with("Contact", pair.bob.contact());
    let asked = offered_late(&mut pair, request, "sendonly");
    assert!(sdp::remote_audio(&asked.body).is_some(), "our offer");
    assert_eq!(reoffered(&mut pair), "sendonly");
    assert_eq!(pair.bob.hang_up(&mut pair.bob_call).code(), Some(200));
    assert_eq!(reoffered(&mut pair), "sendrecv");
    wait_to_hear(&pair.alice.rtp, AFTER_HZ);
    pair.alice.hang_up();
}
