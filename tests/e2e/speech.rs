//! Texts that are spoken: heard by a phone, in order, and what a caller hears when nobody can speak.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use serde_json::{Value, json};
use support::heard::Frame;
use support::rtp_peer::Voice;
use support::temp_dir::TempDir;
use support::tone::{Tone, frame_level_db, rms_db};
use support::{Heard, Reply, RtpPeer, wait, wav};

use crate::stage::{SOON, Stage};

const TONE_HZ: f64 = 650.0;
const TEXT: &str = "Good morning. This is the voice of the telephone exchange.";

/// Calls, hears the application's verbs to their end, and gives what was heard.
fn hear(stage: &Stage, user: &str, verbs: Value) -> Heard {
    stage.hooks.on_json("/call", verbs);
    let mut sip = stage.phone(user);
    let rtp = RtpPeer::start(Voice::Silence);
    sip.call(&stage.uri("1000"), &rtp).expect("answered");
    sip.expect_bye(Duration::from_secs(40));
    rtp.heard()
}

fn has_sound(frame: &Frame) -> bool {
    rms_db(&frame.samples) > -45.0
}

fn is_tone(frame: &Frame) -> bool {
    frame_level_db(&frame.samples, TONE_HZ) > -15.0
}

fn seconds(frames: &[&Frame]) -> f64 {
    let ends = frames.first().zip(frames.last());
    ends.map_or(0.0, |(first, last)| {
        last.at.duration_since(first.at).unwrap_or_default().as_secs_f64()
    })
}

fn alerts(stage: &Stage) -> Vec<(String, String)> {
    let listed = stage.get("/Alerts?page=1&count=50");
    let text = |alert: &Value, name: &str| alert[name].as_str().unwrap_or_default().to_owned();
    let data = listed["data"].as_array().cloned().unwrap_or_default();
    data.iter().map(|alert| (text(alert, "alert_type"), text(alert, "message"))).collect()
}

/// A tone of that many seconds at `/tone.wav`.
fn offer_tone(stage: &Stage, seconds: f64) -> String {
    let dir = TempDir::new("tone").expect("a directory");
    let path = dir.path().join("tone.wav");
    wav::write(&path, 8_000, &Tone::render(TONE_HZ, -12.0, seconds)).expect("written");
    let bytes = fs::read(&path).expect("read");
    stage.hooks.on("/tone.wav", Reply::Body { status: 200, content_type: "audio/wav", bytes });
    stage.hooks.url("/tone.wav")
}

#[test]
fn a_phone_hears_a_text_between_silences() {
    let stage = Stage::new();
    let silence = json!({ "verb": "play", "url": "silence_stream://600" });
    let say = json!({ "verb": "say", "text": TEXT });
    let heard = hear(&stage, "alice", json!([silence, say, silence, { "verb": "hangup" }]));
    let loud: Vec<&Frame> = heard.frames.iter().filter(|frame| has_sound(frame)).collect();
    // Ten words.
    assert!((2.0..8.0).contains(&seconds(&loud)), "{} s of speech", seconds(&loud));
    assert!(loud.len() > 75, "{} frames of it have sound", loud.len());
    let (first, last) = (loud[0].at, loud[loud.len() - 1].at);
    for (place, silent) in [("before", heard.clone().until(first)), ("after", heard.since(last))] {
        let length = silent.length();
        assert!(length > Duration::from_millis(450), "{length:?} of silence {place} the text");
    }
    // The application names a vendor that is not here; the embedded engine has spoken in its place.
    wait::expect("an alert about the vendor", SOON, || {
        alerts(&stage).iter().any(|(kind, text)| kind == "no-tts" && text.contains("google"))
    });
}

#[test]
fn texts_and_sounds_are_heard_in_order_and_equal_texts_alike() {
    let stage = Stage::new();
    let tone = offer_tone(&stage, 0.6);
    let espeak = json!({ "vendor": "espeak-ng", "language": "en-GB" });
    let gap = "silence_stream://1200";
    let heard = hear(
        &stage,
        "alice",
        json!([
            { "verb": "config", "synthesizer": espeak },
            { "verb": "say", "text": [TEXT, gap, tone, gap, TEXT] },
            { "verb": "play", "url": gap },
            { "verb": "say", "text": TEXT, "disableTtsCache": true },
            { "verb": "hangup" },
        ]),
    );
    let frames = &heard.frames;
    let first_tone = frames.iter().position(is_tone).expect("the tone is heard");
    let last_tone = frames.iter().rposition(is_tone).expect("the tone is heard");
    assert!((24..=36).contains(&(last_tone - first_tone)), "{} frames", last_tone - first_tone);
    let (before, after) = (&frames[..first_tone], &frames[last_tone + 1..]);

    // The first text stands before the tone, the second one behind it: from memory, and spoken anew.
    let first = utterance(before);
    let (second, rest) = split_at_silence(after);
    let (second, third) = (utterance(second), utterance(rest));
    assert!(first.len() > 8_000 * 2, "{} samples of speech", first.len());
    for (name, other) in [("second", &second), ("third", &third)] {
        let length = first.len().abs_diff(other.len());
        assert!(length <= 320, "{name}: {length} samples longer or shorter");
        let unlike = first.iter().zip(other.iter()).filter(|(a, b)| a != b).count();
        assert!(unlike == 0, "{name}: {unlike} of {} samples differ", first.len());
    }
    assert_eq!(alerts(&stage), []);
}

/// All samples from the first frame with sound to the last one.
fn utterance(frames: &[Frame]) -> Vec<i16> {
    let first = frames.iter().position(has_sound).expect("speech");
    let last = frames.iter().rposition(has_sound).expect("speech");
    frames[first..=last].iter().flat_map(|frame| frame.samples.iter().copied()).collect()
}

/// What stands before and behind the first 800 ms without sound that follow some.
fn split_at_silence(frames: &[Frame]) -> (&[Frame], &[Frame]) {
    let start = frames.iter().position(has_sound).expect("speech");
    let is_silent = |at: &usize| !frames[*at..].iter().take(40).any(has_sound);
    let at = (start..frames.len()).find(is_silent).expect("a silence");
    frames.split_at(at)
}

#[test]
fn what_cannot_be_spoken_is_an_alert_and_the_next_verb_is_heard() {
    let dir = TempDir::new("speech").expect("a directory");
    let crashes = dir.path().join("crashes");
    fs::write(&crashes, "#!/bin/sh\nkill -SEGV $$\n").expect("written");
    fs::set_permissions(&crashes, fs::Permissions::from_mode(0o755)).expect("made a program");
    let missing = dir.path().join("missing");
    for (program, reason) in [(missing, "apt-get install espeak-ng"), (crashes, "signal: 11")] {
        let program = program.to_str().expect("a plain path");
        let stage = Stage::with_env(&[("TRUNKLINE__SPEECH__PROGRAM", program)]);
        let tone = offer_tone(&stage, 0.4);
        let verbs = json!([
            { "verb": "say", "text": TEXT },
            { "verb": "play", "url": tone },
            { "verb": "hangup" },
        ]);
        let heard = hear(&stage, "alice", verbs);
        assert!(heard.frames.iter().any(is_tone), "the next verb was not heard");
        wait::expect("an alert about the text", SOON, || {
            alerts(&stage).iter().any(|(kind, text)| kind == "tts-failure" && text.contains(reason))
        });
    }
}
