//! We call `sipp`.

use serde_json::json;
use support::rtp_peer::Voice;
use support::{Reply, RtpPeer};

use super::{SOON, Scene, hears_the_application, side_by_side, silent_between, speaker};
use crate::stage::Stage;

#[test]
fn the_called_of_sipp_get_what_their_scenarios_say() {
    let stage = Stage::new();
    side_by_side(
        &stage,
        &[
            ("accepts", accepts),
            ("accepts-tcp", accepts),
            ("early", early_media),
            ("302", redirected),
            ("401", challenged),
            ("407", challenged),
            ("401_twice", challenged_twice),
            ("cancel_crossed", cancel_crossed),
            ("fork", late_answer_of_a_fork),
            ("486", refused),
            ("503", refused),
            ("prack", early_media),
            ("hold", hold),
            ("update", hold),
            ("requests", requests),
            ("refer", referred),
            ("timer_422", accepts),
        ],
    );
}

/// The call stands, the application is heard, REST ends it.
fn is_heard_and_ended(scene: &Scene<'_>, rtp: &RtpPeer, call_sid: &str) {
    scene.wait_status(call_sid, "in-progress");
    hears_the_application(rtp);
    assert_eq!(scene.stage.delete(&format!("/Calls/{call_sid}")), 204);
}

fn accepts(scene: &Scene<'_>) {
    let rtp = speaker();
    let tcp = scene.name.ends_with("-tcp");
    let far = scene.waits(if tcp { "t1" } else { "u1" }, &rtp, &[]);
    let uri = if tcp { format!("{};transport=tcp", far.uri()) } else { far.uri() };
    let call_sid = scene.order(&uri, &json!([scene.play(20.0, false)]), |_| {});
    far.connect(&rtp);
    is_heard_and_ended(scene, &rtp, &call_sid);
    far.ends_well();
    scene.ends(&call_sid, &["trying", "ringing", "in-progress", "completed"]);
}

/// Sound of the called before it answers is told as such.
fn early_media(scene: &Scene<'_>) {
    let rtp = speaker();
    let far = scene.waits("u1", &rtp, &[]);
    let call_sid = scene.order(&far.uri(), &json!([scene.play(20.0, false)]), |_| {});
    far.connect(&rtp);
    scene.wait_status(&call_sid, "early-media");
    is_heard_and_ended(scene, &rtp, &call_sid);
    far.ends_well();
    scene.ends(&call_sid, &["trying", "early-media", "in-progress", "completed"]);
    let early = &scene.stage.hooks.events("/status", &call_sid)[1];
    assert_eq!(early.json["sip_status"], 183);
}

/// The called holds and takes back; the application plays all the time.
fn hold(scene: &Scene<'_>) {
    let rtp = speaker();
    let far = scene.waits("u1", &rtp, &[]);
    let call_sid = scene.order(&far.uri(), &json!([scene.play(20.0, false)]), |_| {});
    far.connect(&rtp);
    let times = ["held", "unheld"].map(|state| far.time(state));
    is_heard_and_ended(scene, &rtp, &call_sid);
    silent_between(&rtp, times[0], times[1]);
    far.ends_well();
    scene.ends(&call_sid, &["trying", "ringing", "in-progress", "completed"]);
}

fn redirected(scene: &Scene<'_>) {
    let rtp = speaker();
    let elsewhere = scene.waits_as("accepts", "u1", &rtp, &[]);
    let far = scene.waits("u1", &rtp, &["-key", "elsewhere", &elsewhere.uri()]);
    let call_sid = scene.order(&far.uri(), &json!([scene.play(20.0, false)]), |_| {});
    elsewhere.connect(&rtp);
    is_heard_and_ended(scene, &rtp, &call_sid);
    far.ends_well();
    elsewhere.ends_well();
    scene.ends(&call_sid, &["trying", "ringing", "in-progress", "completed"]);
}

fn challenged(scene: &Scene<'_>) {
    let rtp = speaker();
    let far = scene.waits("u1", &rtp, &[]);
    let call_sid = scene.order(&far.uri(), &json!([scene.play(20.0, false)]), |body| {
        body["to"]["auth"] = json!({ "username": "trunk", "password": "s3cret" });
    });
    far.connect(&rtp);
    is_heard_and_ended(scene, &rtp, &call_sid);
    far.ends_well();
    scene.ends(&call_sid, &["trying", "ringing", "in-progress", "completed"]);
}

/// One proof is all that is sent.
fn challenged_twice(scene: &Scene<'_>) {
    let rtp = RtpPeer::start(Voice::Nothing);
    let far = scene.waits("u1", &rtp, &[]);
    let call_sid = scene.order(&far.uri(), &json!([{ "verb": "pause", "length": 1 }]), |body| {
        body["to"]["auth"] = json!({ "username": "trunk", "password": "wrong" });
    });
    far.ends_well();
    scene.ends(&call_sid, &["trying", "failed"]);
    assert_eq!(scene.last_event(&call_sid)["sip_status"], 401);
}

/// Deleted while it rings; the answer comes all the same and is hung up.
fn cancel_crossed(scene: &Scene<'_>) {
    let rtp = RtpPeer::start(Voice::Nothing);
    let far = scene.waits("u1", &rtp, &[]);
    let call_sid = scene.order(&far.uri(), &json!([{ "verb": "pause", "length": 1 }]), |_| {});
    scene.wait_status(&call_sid, "ringing");
    assert_eq!(scene.stage.delete(&format!("/Calls/{call_sid}")), 204);
    far.ends_well();
    scene.ends(&call_sid, &["trying", "ringing", "no-answer"]);
    assert!(scene.stage.hooks.requests(&scene.hook()).is_empty(), "an application was asked");
}

/// The second answer is acknowledged and hung up by the endpoint; the call knows of the first alone.
fn late_answer_of_a_fork(scene: &Scene<'_>) {
    let rtp = speaker();
    let far = scene.waits("u1", &rtp, &[]);
    let call_sid = scene.order(&far.uri(), &json!([scene.play(20.0, false)]), |_| {});
    far.connect(&rtp);
    far.wait("state", "second-gone");
    is_heard_and_ended(scene, &rtp, &call_sid);
    far.ends_well();
    scene.ends(&call_sid, &["trying", "ringing", "in-progress", "completed"]);
}

fn refused(scene: &Scene<'_>) {
    let rtp = RtpPeer::start(Voice::Nothing);
    let far = scene.waits("u1", &rtp, &[]);
    let call_sid = scene.order(&far.uri(), &json!([{ "verb": "pause", "length": 1 }]), |_| {});
    far.ends_well();
    let status = if scene.name == "486" { "busy" } else { "failed" };
    scene.ends(&call_sid, &["trying", status]);
    assert_eq!(scene.last_event(&call_sid)["sip_status"].to_string(), scene.name);
}

/// What REST has the server send in the call, and the codes it got.
fn requests(scene: &Scene<'_>) {
    let rtp = speaker();
    let far = scene.waits("u1", &rtp, &[]);
    let call_sid = scene.order(&far.uri(), &json!([scene.play(20.0, false)]), |_| {});
    far.connect(&rtp);
    scene.wait_status(&call_sid, "in-progress");
    let path = scene.stage.tenant.path(&format!("/Calls/{call_sid}"));
    for (method, content, status) in
        [("INFO", "hello info", 200), ("MESSAGE", "hello message", 200), ("OPTIONS", "", 486)]
    {
        let mut order = json!({ "method": method });
        if !content.is_empty() {
            order["content_type"] = json!("text/plain");
            order["content"] = json!(content);
        }
        let answer = scene.stage.tenant.rest.put(&path, &json!({ "sip_request": order }));
        let answer = answer.expect("an answer");
        assert_eq!(
            (answer.status, &answer.json["status"]),
            (200, &json!(status)),
            "{}",
            answer.text
        );
    }
    is_heard_and_ended(scene, &rtp, &call_sid);
    far.ends_well();
}

/// The application sends the called elsewhere and hears how that went.
fn referred(scene: &Scene<'_>) {
    let rtp = speaker();
    let (done, event) = ("/referred", "/refer-event");
    scene.stage.hooks.on_json(done, json!([{ "verb": "pause", "length": 60 }]));
    scene.stage.hooks.on(event, Reply::Status(200));
    let far = scene.waits("u1", &rtp, &[]);
    let verbs = json!([{
        "verb": "sip:refer",
        "referTo": "sip:elsewhere@192.0.2.1",
        "actionHook": done,
        "eventHook": event,
    }]);
    let call_sid = scene.order(&far.uri(), &verbs, |_| {});
    far.ends_well();
    scene.ends(&call_sid, &["trying", "ringing", "in-progress", "completed"]);
    assert_eq!(scene.last_event(&call_sid)["call_termination_by"], "caller");
    let events = scene.stage.hooks.wait_for(event, SOON, |events| events.len() == 2);
    let statuses: Vec<_> = events.iter().map(|event| &event.json["call_status"]).collect();
    assert_eq!(statuses, [&json!(100), &json!(200)]);
    let told = &scene.stage.hooks.wait_for(done, SOON, |told| !told.is_empty())[0].json;
    assert_eq!(told["refer_status"], 202, "{told}");
    assert_eq!(told["final_referred_call_status"], 200, "{told}");
}
