//! Two who were brought together by `dial`: keys, hold, mute, whisper, an application for one of them,
//! and REFER.

use std::time::Duration;

use serde_json::json;
use support::tone::Tone;
use support::{Message, Reply, sdp, wait};

use crate::dial::{
    ALICE_HZ, BOB_HZ, Pair, dialling, results, talking, wait_for_silence, wait_to_hear,
};
use crate::in_dialog::ask;
use crate::stage::{LEVEL_DB, SOON, Stage};

const HELD_HZ: f64 = 1_150.0;
/// `*` and `2` as events (RFC 4733).
const STAR: u8 = 10;
const TWO: u8 = 2;

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
fn keys_of_one_reach_the_other_and_sequences_the_application() {
    let stage = Stage::new();
    dialling(&stage, json!({"dtmfCapture": ["*2"], "dtmfHook": "/keys"}));
    stage.hooks.on_json("/keys", json!([{"verb": "hangup"}]));
    let mut pair = talking(&stage);
    pair.bob_rtp.press(101, 8000, STAR);
    pair.bob_rtp.press(101, 8000, TWO);
    let told = stage.hooks.wait_for("/keys", SOON, |requests| !requests.is_empty());
    assert_eq!(told[0].text("dtmf"), "*2");
    assert_eq!(told[0].text("call_sid"), pair.child);
    wait::expect("the keys reach alice", SOON, || {
        pair.alice.rtp.others().iter().any(|other| other.payload_type == 101)
    });
    // Live control sends keys as well.
    let before = pair.bob_rtp.others().len();
    let keys = json!({"dtmf": {"digit": "5", "duration": 100}});
    assert_eq!(stage.put(&format!("/Calls/{}", pair.child), &keys), 202);
    wait::expect("a key reaches bob", SOON, || pair.bob_rtp.others().len() > before);
    // What the hook replies is ignored: they talk on.
    wait_to_hear(&pair.alice.rtp, BOB_HZ);
    assert_eq!(pair.bob.hang_up(&mut pair.bob_call).code(), Some(200));
    pair.alice.sip.expect_bye(SOON);
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
}

#[test]
fn either_of_the_two_is_muted_by_rest() {
    let stage = Stage::new();
    dialling(&stage, json!({}));
    let mut pair = talking(&stage);
    let (parent, child) =
        (format!("/Calls/{}", pair.alice.call_sid), format!("/Calls/{}", pair.child));
    assert_eq!(stage.put(&parent, &json!({"mute_status": "mute"})), 202);
    wait_for_silence(&pair.bob_rtp, ALICE_HZ);
    wait_to_hear(&pair.alice.rtp, BOB_HZ);
    assert_eq!(stage.put(&parent, &json!({"mute_status": "unmute"})), 202);
    wait_to_hear(&pair.bob_rtp, ALICE_HZ);
    assert_eq!(stage.put(&child, &json!({"mute_status": "mute"})), 202);
    wait_for_silence(&pair.alice.rtp, BOB_HZ);
    wait_to_hear(&pair.bob_rtp, ALICE_HZ);
    assert_eq!(stage.put(&child, &json!({"call_status": "completed"})), 202);
    pair.bob.expect_bye(SOON);
    assert_eq!(results(&stage.hooks), (json!("completed"), json!(200)));
    pair.alice.sip.expect_bye(SOON);
}

#[test]
fn a_whisper_is_for_one_of_the_two_who_are_apart_meanwhile() {
    let stage = Stage::new();
    wav(&stage, "/whisper.wav", 1.5);
    dialling(&stage, json!({}));
    let mut pair = talking(&stage);
    for by_parent in [true, false] {
        let (sid, here, there) = match by_parent {
            true => (&pair.alice.call_sid, &pair.alice.rtp, &pair.bob_rtp),
            false => (&pair.child, &pair.bob_rtp, &pair.alice.rtp),
        };
        let (own_hz, other_hz) = if by_parent { (ALICE_HZ, BOB_HZ) } else { (BOB_HZ, ALICE_HZ) };
        let whisper = json!({"whisper": {"verb": "play", "url": "/whisper.wav", "loop": 5}});
        assert_eq!(stage.put(&format!("/Calls/{sid}"), &whisper), 202);
        wait_to_hear(here, HELD_HZ);
        let (heard, elsewhere) =
            (here.listen(Duration::from_millis(300)), there.listen(Duration::from_millis(300)));
        assert!(heard.level_db(other_hz) < LEVEL_DB - 40.0, "the other is heard meanwhile");
        assert!(elsewhere.level_db(HELD_HZ) < LEVEL_DB - 40.0, "the whisper is heard there");
        assert!(elsewhere.level_db(own_hz) < LEVEL_DB - 40.0, "they are not apart");
        // Once, whatever `loop` says; then they are together again.
        wait_to_hear(here, other_hz);
        wait_to_hear(there, own_hz);
        wait_for_silence(here, HELD_HZ);
    }
    pair.alice.hang_up();
    pair.bob.expect_bye(SOON);
}

#[test]
fn a_callee_gets_an_application_of_its_own_and_the_caller_goes_on() {
    let stage = Stage::new();
    wav(&stage, "/own.wav", 1.0);
    let own =
        json!([{"verb": "play", "url": "/own.wav"}, {"verb": "hangup", "headers": {"X-Own": "1"}}]);
    stage.hooks.on_json("/own", own);
    dialling(&stage, json!({}));
    let mut pair = talking(&stage);
    let parent = format!("/Calls/{}", pair.alice.call_sid);
    assert_eq!(stage.put(&parent, &json!({"child_call_hook": stage.hooks.url("/own")})), 202);
    assert_eq!(pair.alice.sip.expect_bye(SOON).header("X-Next"), Some("reached"));
    wait_to_hear(&pair.bob_rtp, HELD_HZ);
    let asked = stage.hooks.requests("/own");
    assert_eq!(asked[0].text("call_sid"), pair.child);
    assert_eq!(asked[0].text("parent_call_sid"), pair.alice.call_sid);
    assert_eq!(pair.bob.expect_bye(SOON).header("X-Own"), Some("1"));
    assert_eq!(stage.statuses(&pair.child), ["trying", "in-progress", "completed"]);
}

#[test]
fn verbs_for_a_refer_run_on_the_other_leg() {
    for by_caller in [true, false] {
        let stage = Stage::new();
        wav(&stage, "/own.wav", 1.0);
        let own = json!([{"verb": "play", "url": "/own.wav"}, {"verb": "hangup"}]);
        stage.hooks.on_json("/refer", own);
        let stage_uri = format!("<{}>", stage.uri("carol"));
        dialling(&stage, json!({"referHook": "/refer"}));
        let mut pair = talking(&stage);
        let headers = [("Refer-To", stage_uri.as_str())];
        let (caller, child) = (pair.alice.call_sid.clone(), pair.child.clone());
        let (response, referring, referred, other) = if by_caller {
            let response = ask(&mut pair.alice.sip, &mut pair.alice.call, "REFER", &headers, None);
            (response, caller, child, &pair.bob_rtp)
        } else {
            let response = ask(&mut pair.bob, &mut pair.bob_call, "REFER", &headers, None);
            (response, child, caller, &pair.alice.rtp)
        };
        assert_eq!(response.code(), Some(202), "{response}");
        let told = stage.hooks.requests("/refer").pop().expect("told").json;
        assert_eq!(told["refer_details"]["referring_call_sid"], referring.as_str());
        assert_eq!(told["refer_details"]["referred_call_sid"], referred.as_str());
        assert_eq!(told["call_sid"], referring.as_str());
        wait_to_hear(other, HELD_HZ);
        pair.bob.expect_bye(SOON);
        pair.alice.sip.expect_bye(SOON);
    }
}
