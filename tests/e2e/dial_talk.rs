//! Hold between two who were brought together by `dial`, in ways that the phones of `dial_rows` do not have.

use std::time::Duration;

use serde_json::json;
use support::tone::Tone;
use support::{Message, Reply, sdp, wait};

use crate::dial::{
    ALICE_HZ, BOB_HZ, Pair, dialling, results, talking, wait_for_silence, wait_to_hear,
};
use crate::stage::{LEVEL_DB, SOON, Stage};

const HELD_HZ: f64 = 1_150.0;

fn wav(stage: &Stage, path: &str, seconds: f64) {
    let bytes =
        support::wav::bytes(8000, &Tone::render(HELD_HZ, LEVEL_DB, seconds)).expect("a file");
    stage.hooks.on(path, Reply::Body { status: 200, content_type: "audio/wav", bytes });
}

/// Bob holds alice or takes her back.
fn offer(pair: &mut Pair, direction: &str) -> Message {
    let text = sdp::pcmu(pair.bob_rtp.local_addr()).replace("sendrecv", direction);
    let request = pair.bob_call.dialog.request("INVITE").with("Contact", pair.bob.contact());
    offer_as(pair, request.with_body("application/sdp", text), None)
}

/// A re-INVITE of bob's, with its offer, or with an answer to ours in the ACK.
fn offer_as(pair: &mut Pair, mut request: Message, answer: Option<&str>) -> Message {
    request.headers.insert(0, ("Via".to_owned(), pair.bob.via()));
    let response = pair.bob.transact(&request);
    assert_eq!(response.code(), Some(200), "{}", pair.bob.history());
    let mut ack = pair.bob_call.dialog.request("ACK");
    ack.set("CSeq", format!("{} ACK", request.cseq().map_or(0, |(number, _)| number)));
    ack.headers.insert(0, ("Via".to_owned(), pair.bob.via()));
    if let Some(direction) = answer {
        let text = sdp::pcmu(pair.bob_rtp.local_addr()).replace("sendrecv", direction);
        ack = ack.with_body("application/sdp", text);
    }
    pair.bob.send(&ack);
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
fn hold_is_passed_on_to_the_other_phone() {
    let stage = Stage::new();
    dialling(&stage, json!({}));
    let mut pair = talking(&stage);
    let held = offer(&mut pair, "sendonly");
    assert_eq!(sdp::remote_audio(&held.body).expect("audio").direction, "recvonly");
    assert_eq!(reoffered(&mut pair), "sendonly");
    wait::expect("bob is sent nothing", SOON, || {
        let before = pair.bob_rtp.heard().frames.len();
        std::thread::sleep(Duration::from_millis(200));
        pair.bob_rtp.heard().frames.len() == before
    });
    offer(&mut pair, "sendrecv");
    assert_eq!(reoffered(&mut pair), "sendrecv");
    wait_to_hear(&pair.bob_rtp, ALICE_HZ);
    wait_to_hear(&pair.alice.rtp, BOB_HZ);
    pair.alice.hang_up();
    pair.bob.expect_bye(SOON);
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
    let asked = offer_as(&mut pair, request, Some("sendonly"));
    assert!(sdp::remote_audio(&asked.body).is_some(), "our offer");
    assert_eq!(reoffered(&mut pair), "sendonly");
    assert_eq!(pair.bob.hang_up(&mut pair.bob_call).code(), Some(200));
    assert_eq!(reoffered(&mut pair), "sendrecv");
    wait_to_hear(&pair.alice.rtp, HELD_HZ);
    pair.alice.hang_up();
}

#[test]
fn a_hold_hook_says_what_the_caller_hears_until_it_is_over() {
    let stage = Stage::new();
    wav(&stage, "/held.wav", 0.3);
    stage.hooks.on_json("/hold", json!([{"verb": "play", "url": "/held.wav"}]));
    dialling(&stage, json!({"onHoldHook": "/hold"}));
    let mut pair = talking(&stage);
    offer(&mut pair, "inactive");
    wait_to_hear(&pair.alice.rtp, HELD_HZ);
    let told = stage.hooks.wait_for("/hold", SOON, |requests| requests.len() > 1);
    assert_eq!(told[0].json["hold_detail"]["to"], "alice", "{}", told[0].json);
    offer(&mut pair, "sendrecv");
    wait_to_hear(&pair.alice.rtp, BOB_HZ);
    wait_for_silence(&pair.alice.rtp, HELD_HZ);
    assert!(pair.alice.sip.hears_no("INVITE", Duration::from_millis(50)), "it is not passed on");
    pair.alice.hang_up();
    pair.bob.expect_bye(SOON);
    assert_eq!(results(&stage.hooks), (json!("completed"), json!(200)));
    assert_eq!(stage.statuses(&pair.child), ["trying", "in-progress", "completed"]);
}
