//! Voice applications that misbehave, and ones that use more than a conference.

use serde_json::{Value, json};
use support::rtp_peer::Voice;
use support::tone::Tone;
use support::{Reply, RtpPeer, wav};

use crate::stage::{SOON, Stage};

/// Calls an application that answers so, and expects to be refused.
fn refused(stage: &Stage, user: &str, reply: &Reply) {
    stage.hooks.on("/call", reply.clone());
    let mut sip = stage.phone(user);
    let rtp = RtpPeer::start(Voice::Silence);
    let Err(response) = sip.call(&stage.uri("1000"), &rtp) else {
        panic!("answered although the application said {reply:?}");
    };
    assert_eq!(response.code(), Some(480), "after {reply:?}");
    let reason = response.header("X-Reason").unwrap_or_default();
    assert!(!reason.is_empty(), "no X-Reason after {reply:?}\n{response}");
    let call_sid = stage.call_sid_from(user);
    let statuses = stage.statuses(&call_sid);
    assert_eq!(statuses.last().map(String::as_str), Some("failed"), "{statuses:?}");
    let last = stage.hooks.events("/status", &call_sid).pop().expect("a final event");
    assert_eq!(last.json["sip_status"], 480);
}

#[test]
fn an_application_that_fails_gets_its_caller_480_with_a_reason() {
    let stage = Stage::with_env(&[("TRUNKLINE__HOOK__TIMEOUT", "1s")]);
    let text = |content_type, text: &str| Reply::Body {
        status: 200,
        content_type,
        bytes: text.as_bytes().to_vec(),
    };
    refused(&stage, "u1", &Reply::Status(500));
    refused(&stage, "u2", &Reply::Close);
    refused(&stage, "u3", &Reply::Hang);
    refused(&stage, "u4", &text("text/html", "<h1>hello</h1>"));
    refused(&stage, "u5", &text("application/json", "{ not json"));
    refused(&stage, "u6", &Reply::Json(json!({ "verb": "answer" })));
    refused(&stage, "u7", &Reply::Json(json!([])));
    refused(&stage, "u8", &Reply::Json(json!([{ "verb": "answer" }, { "verb": "no-such-verb" }])));
    refused(&stage, "u9", &Reply::Json(json!([{ "verb": "conference" }])));
}

#[test]
fn an_application_that_declines_decides_the_code() {
    let stage = Stage::new();
    let decline = json!([{
        "verb": "sip:decline", "status": 486, "reason": "Not now", "headers": { "X-Why": "tea" },
    }]);
    stage.hooks.on_json("/call", decline);
    let mut sip = stage.phone("alice");
    let rtp = RtpPeer::start(Voice::Silence);
    let response = sip.call(&stage.uri("1000"), &rtp).expect_err("declined");
    assert_eq!((response.code(), response.reason()), (Some(486), "Not now"));
    assert_eq!(response.header("X-Why"), Some("tea"));
    let call_sid = stage.call_sid_from("alice");
    let statuses = stage.statuses(&call_sid);
    assert_eq!(statuses.last().map(String::as_str), Some("failed"), "{statuses:?}");
}

#[test]
fn a_prompt_is_heard_and_the_call_ends_with_the_verbs() {
    let stage = Stage::new();
    let dir = support::temp_dir::TempDir::new("prompt").expect("a directory");
    let path = dir.path().join("tone.wav");
    wav::write(&path, 16_000, &resampled(&Tone::render(650.0, -12.0, 1.0))).expect("written");
    let bytes = std::fs::read(&path).expect("read");
    stage.hooks.on("/tone.wav", Reply::Body { status: 200, content_type: "audio/wav", bytes });
    let verbs: Value = json!([
        { "verb": "play", "url": stage.hooks.url("/tone.wav"), "actionHook": "/played" },
        { "verb": "hangup" },
    ]);
    stage.hooks.on_json("/call", verbs);
    stage.hooks.on_json("/played", json!([]));
    let mut sip = stage.phone("alice");
    let rtp = RtpPeer::start(Voice::Silence);
    sip.call(&stage.uri("1000"), &rtp).expect("answered");
    sip.expect_bye(SOON);
    let heard = rtp.heard();
    let first = heard.first_with(650.0, -15.0).expect("the prompt is heard");
    let last = heard.last_with(650.0, -15.0).expect("the prompt is heard");
    let length = last.duration_since(first).unwrap_or_default().as_millis();
    assert!((940..=1_040).contains(&length), "one second of prompt lasted {length} ms");
    let prompt = heard.since(first).until(last);
    assert!((prompt.level_db(650.0) + 12.0).abs() <= 1.0, "{} dB", prompt.level_db(650.0));
    let call_sid = stage.call_sid_from("alice");
    assert_eq!(stage.statuses(&call_sid), ["trying", "in-progress", "completed"]);
}

#[test]
fn mp3_tones_and_files_of_the_server_are_heard_and_nothing_else_of_the_server_is() {
    let dir = support::temp_dir::TempDir::new("sounds").expect("a directory");
    let sounds = dir.path().join("sounds");
    std::fs::create_dir(&sounds).expect("created");
    for path in [sounds.join("tone.wav"), dir.path().join("outside.wav")] {
        wav::write(&path, 8_000, &Tone::render(650.0, -12.0, 0.4)).expect("written");
    }
    let folder = sounds.to_str().expect("a plain path");
    let stage = Stage::with_env(&[("TRUNKLINE__MEDIA__SOUNDS_DIR", folder)]);
    let bytes = include_bytes!("../../media/tests/data/tone-16k-mono.mp3").to_vec();
    stage.hooks.on("/tone", Reply::Body { status: 200, content_type: "audio/wav", bytes });
    let play = |url: &str, hook: &str| json!({ "verb": "play", "url": url, "actionHook": hook });
    stage.hooks.on_json(
        "/call",
        json!([
            play("file:///../outside.wav", "/refused"),
            play("file://tone.wav", "/local"),
            play(&stage.hooks.url("/tone"), "/mp3"),
            play("tone_stream://L=2;v=-10;%(200,50,450)", "/tones"),
            { "verb": "hangup" },
        ]),
    );
    for hook in ["/refused", "/local", "/mp3", "/tones"] {
        stage.hooks.on_json(hook, json!([]));
    }
    let mut sip = stage.phone("alice");
    let rtp = RtpPeer::start(Voice::Silence);
    sip.call(&stage.uri("1000"), &rtp).expect("answered");
    sip.expect_bye(SOON);
    let reason = |hook: &str| stage.hooks.requests(hook)[0].text("reason").to_owned();
    assert_eq!(reason("/refused"), "playFailed");
    for hook in ["/local", "/mp3", "/tones"] {
        assert_eq!(reason(hook), "playCompleted", "{hook}");
    }
    let heard = rtp.heard();
    for (hz, lasts_ms) in [(650.0, 340..=440), (1_000.0, 940..=1_040), (450.0, 380..=480)] {
        let first = heard.first_with(hz, -15.0).expect("the tone is heard");
        let last = heard.last_with(hz, -15.0).expect("the tone is heard");
        let length = last.duration_since(first).unwrap_or_default().as_millis();
        assert!(lasts_ms.contains(&length), "{hz} Hz lasted {length} ms");
    }
}

/// Twice the rate by repeating samples: crude, but the tone stays where it is.
fn resampled(samples: &[i16]) -> Vec<i16> {
    samples.iter().flat_map(|&sample| [sample, sample]).collect()
}
