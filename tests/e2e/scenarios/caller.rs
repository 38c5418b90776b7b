//! `sipp` calls us.

use serde_json::json;
use support::rtp_peer::Voice;
use support::{Reply, RtpPeer};

use super::{LIMIT, SOON, Scene, hears_the_application, side_by_side, silent_between, speaker};
use crate::stage::{Stage, file};

#[test]
fn callers_of_sipp_get_what_their_scenarios_say() {
    let stage = Stage::new();
    trust_this_host(&stage);
    side_by_side(
        &stage,
        &[
            ("early", early_media),
            ("early-tcp", early_media),
            ("hold", hold),
            ("delayed", delayed_offer),
            ("delayed-tcp", delayed_offer),
            ("cancel", cancel),
            ("cancel-tcp", cancel),
            ("cancel_late", cancel_too_late),
            ("options", options),
            ("prack", early_media),
            ("supports_100rel", early_media),
            ("timer_small", stands_and_is_hung_up),
            ("update", hold),
            ("requests", requests),
            ("refer", refer_told),
        ],
    );
}

/// Calls come from a carrier here: a stranger would hear nothing before its ACK.
fn trust_this_host(stage: &Stage) {
    let post = |path: &str, body| {
        let created = stage.tenant.rest.post(path, &body).expect("an answer");
        created.sid().unwrap_or_else(|error| panic!("POST {path}: {error}"))
    };
    let carrier = post(&stage.tenant.path("/VoipCarriers"), json!({ "name": "sipp" }));
    let gateway = json!({ "voip_carrier_sid": carrier, "ipv4": "127.0.0.1", "inbound": true });
    post("/v1/SipGateways", gateway);
}

fn transport(scene: &Scene<'_>) -> &'static str {
    if scene.name.ends_with("-tcp") { "t1" } else { "u1" }
}

/// The application is heard before it answers.
fn early_media(scene: &Scene<'_>) {
    let rtp = speaker();
    let number = scene.line(json!([
        scene.play(1.5, true), { "verb": "answer" }, { "verb": "hangup" },
    ]));
    let call = scene.calls(transport(scene), &number, &rtp, &[]);
    call.connect(&rtp);
    hears_the_application(&rtp);
    let call_sid = scene.call_sid();
    let before = scene.stage.tenant.call(&call_sid).expect("an answer");
    assert_ne!(before["call_status"], "in-progress", "{before}");
    call.ends_well();
    scene.ends(&call_sid, &["trying", "in-progress", "completed"]);
}

/// The application plays all the time: on hold it is not heard, whatever way hold is asked for.
fn hold(scene: &Scene<'_>) {
    let rtp = speaker();
    let number = scene.line(json!([{ "verb": "answer" }, scene.play(20.0, false)]));
    let call = scene.calls("u1", &number, &rtp, &[]);
    call.connect(&rtp);
    let call_sid = scene.call_sid();
    let times = ["held", "unheld"].map(|state| call.time(state));
    hears_the_application(&rtp);
    silent_between(&rtp, times[0], times[1]);
    assert_eq!(scene.stage.delete(&format!("/Calls/{call_sid}")), 204);
    call.ends_well();
    scene.ends(&call_sid, &["trying", "in-progress", "completed"]);
}

/// We offer, in the 200 and in the answer to a re-INVITE; sound both ways follows the ACK.
fn delayed_offer(scene: &Scene<'_>) {
    let rtp = speaker();
    let number = scene.line(json!([{ "verb": "answer" }, scene.play(20.0, false)]));
    let call = scene.calls(transport(scene), &number, &rtp, &[]);
    let call_sid = scene.call_sid();
    for state in ["up", "again"] {
        call.wait("state", state);
        call.connect(&rtp);
        hears_the_application(&rtp);
    }
    let media = &scene.stage.get(&format!("/Calls/{call_sid}"))["media"];
    assert_eq!(media["codec"], "PCMU", "{media}");
    assert_eq!(scene.stage.delete(&format!("/Calls/{call_sid}")), 204);
    call.ends_well();
    scene.ends(&call_sid, &["trying", "in-progress", "completed"]);
}

fn cancel(scene: &Scene<'_>) {
    let rtp = RtpPeer::start(Voice::Nothing);
    let number = scene.line_replying(Reply::Hang);
    let call = scene.calls(transport(scene), &number, &rtp, &[]);
    call.ends_well();
    // The application never answered, so what it was asked is not kept: the event tells the call.
    let events = scene.stage.hooks.wait_for("/status", SOON, |events| {
        events.iter().any(|e| e.text("from") == scene.name && e.text("call_status") == "no-answer")
    });
    let last = events.iter().rfind(|event| event.text("from") == scene.name).expect("an event");
    assert_eq!(last.json["sip_status"], 487);
}

fn cancel_too_late(scene: &Scene<'_>) {
    let rtp = speaker();
    let number = scene.line(json!([{ "verb": "answer" }, { "verb": "pause", "length": 60 }]));
    let call = scene.calls("u1", &number, &rtp, &[]);
    call.ends_well();
    let call_sid = scene.call_sid();
    scene.ends(&call_sid, &["trying", "in-progress", "completed"]);
    let last = scene.last_event(&call_sid);
    assert_eq!(last["call_termination_by"], "caller", "hung up, not cancelled: {last}");
}

fn options(scene: &Scene<'_>) {
    let rtp = RtpPeer::start(Voice::Nothing);
    scene.calls("u1", "0", &rtp, &[]).ends_well();
}

/// What the caller asks for inside the call is answered; the call goes on until it hangs up.
fn stands_and_is_hung_up(scene: &Scene<'_>) {
    let rtp = speaker();
    let number = scene.line(json!([{ "verb": "answer" }, { "verb": "pause", "length": 60 }]));
    let call = scene.calls("u1", &number, &rtp, &[]);
    let call_sid = scene.call_sid();
    call.ends_well();
    scene.ends(&call_sid, &["trying", "in-progress", "completed"]);
}

/// A MESSAGE is told to the application, which asked for it.
fn requests(scene: &Scene<'_>) {
    let rtp = speaker();
    let hook = "/in-dialog";
    scene.stage.hooks.on(hook, Reply::Status(200));
    let number = scene.line(json!([
        { "verb": "config", "sipRequestWithinDialogHook": hook },
        { "verb": "answer" },
        { "verb": "pause", "length": 60 },
    ]));
    let call = scene.calls("u1", &number, &rtp, &[]);
    let call_sid = scene.call_sid();
    call.ends_well();
    scene.ends(&call_sid, &["trying", "in-progress", "completed"]);
    // The INFO was a key, which is the call's own affair.
    let told = scene.stage.hooks.wait_for(hook, SOON, |told| !told.is_empty());
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].text("call_sid"), call_sid);
    assert_eq!(told[0].text("sip_method"), "MESSAGE");
    assert!(told[0].text("sip_body").contains("hello from sipp"), "{}", told[0].json);
}

/// The application decides what becomes of a transfer: here it takes the call on itself.
fn refer_told(scene: &Scene<'_>) {
    let rtp = speaker();
    let hook = "/refer";
    scene.stage.hooks.on_json(hook, json!([{ "verb": "pause", "length": 60 }]));
    let number = scene.line(json!([
        { "verb": "config", "referHook": hook },
        { "verb": "answer" },
        { "verb": "pause", "length": 60 },
    ]));
    let call = scene.calls("u1", &number, &rtp, &["-key", "target", "sip:elsewhere@192.0.2.1"]);
    let call_sid = scene.call_sid();
    call.wait("state", "transferred");
    let told = scene.stage.hooks.requests(hook);
    let details = &told[0].json["refer_details"];
    assert!(details.to_string().contains("sip:elsewhere@192.0.2.1"), "{details}");
    assert_eq!(scene.stage.delete(&format!("/Calls/{call_sid}")), 204);
    call.ends_well();
    scene.ends(&call_sid, &["trying", "in-progress", "completed"]);
}

/// Where users may transfer, strangers may not.
#[test]
fn a_stranger_s_transfer_is_refused_and_the_call_goes_on() {
    let stage = Stage::with_env(&[("TRUNKLINE__SIP__TRANSFERS", "clients")]);
    side_by_side(&stage, &[("refer_refused", stands_and_is_hung_up)]);
}

/// What `make cps` plays, twenty times.
#[test]
fn calls_of_the_throughput_bench_are_answered_and_hung_up() {
    let stage = Stage::new();
    let verbs = json!([{ "verb": "answer" }, { "verb": "pause", "length": 60 }]);
    stage.hooks.on_json("/call", verbs);
    stage.tenant.number("15550100", &stage.application_sid).expect("a number");
    let scenario = file("../../benches/load/sipp/cps.xml");
    let arguments = ["-s", "15550100", "-m", "20", "-r", "50"];
    let outcome = support::sipp::play(&scenario, stage.server.sip(), "u1", &arguments, LIMIT);
    let outcome = outcome.expect("sipp runs");
    assert!(outcome.is_good(), "sipp ended with {:?}\n{}", outcome.code, outcome.log);
    support::wait::expect("twenty calls are over", SOON, || {
        let events = stage.hooks.requests("/status");
        events.iter().filter(|event| event.text("call_status") == "completed").count() == 20
    });
}
