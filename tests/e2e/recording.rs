//! Calls that are recorded: by order, because the account wants it, and through a `kill -9`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::heard::median_level_at;
use support::tone::Tone;
use support::{Reply, wait, wav};

use crate::stage::{LEVEL_DB, SOON, Stage};

const RATE: u32 = 16_000;
const PROMPT_HZ: f64 = 1_300.0;

/// Left and right of a recording of 16-bit stereo.
fn channels(path: &PathBuf) -> [Vec<i16>; 2] {
    let bytes = std::fs::read(path).expect("the file");
    assert!(bytes.starts_with(b"RIFF") && bytes[22..24] == [2, 0], "not two channels");
    let length = u32::from_le_bytes([bytes[40], bytes[41], bytes[42], bytes[43]]);
    assert_eq!(length as usize, bytes.len() - 44, "the header says what is there");
    let samples: Vec<i16> =
        bytes[44..].chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
    [0, 1].map(|n| samples.iter().skip(n).step_by(2).copied().collect())
}

fn has(samples: &[i16], hz: f64) -> bool {
    median_level_at(samples, RATE, hz) > LEVEL_DB - 4.0
}

impl Stage {
    /// Callers hear a tone for as long as they stay.
    fn answer_with_a_tone(&self) {
        let samples = Tone::render(PROMPT_HZ, LEVEL_DB, 1.0);
        let bytes = wav::bytes(8_000, &samples).expect("a wav file");
        let reply = Reply::Body { status: 200, content_type: "audio/wav", bytes };
        self.hooks.on("/tone.wav", reply);
        let url = self.hooks.url("/tone.wav");
        self.hooks.on_json("/call", json!([{"verb": "play", "url": url, "loop": 0}]));
    }

    fn record(&self, call_sid: &str, action: &str) {
        let body = json!({"record": {"action": format!("{action}CallRecording"), "type": "cloud"}});
        assert_eq!(self.put(&format!("/Calls/{call_sid}"), &body), 202);
    }

    /// The recordings of a call.
    fn recordings(&self, call_sid: &str) -> Vec<Value> {
        let list = self.get(&format!("/Recordings?call_sid={call_sid}"));
        list["data"].as_array().cloned().unwrap_or_default()
    }

    /// The only one, once it is in that state.
    fn recording(&self, call_sid: &str, state: &str) -> Value {
        let deadline = Instant::now() + SOON;
        loop {
            let found = self.recordings(call_sid);
            if let [one] = &found[..]
                && one["state"] == state
            {
                return one.clone();
            }
            assert!(Instant::now() < deadline, "{found:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn recorded_file(&self, recording: &Value) -> PathBuf {
        let text = |name: &str| recording[name].as_str().expect("a text").to_owned();
        let folder = self.server.data_dir().join("recordings").join(text("account_sid"));
        folder.join(text("path"))
    }
}

#[test]
fn a_call_is_recorded_by_order_on_two_channels() {
    let stage = Stage::new();
    stage.answer_with_a_tone();
    let mut caller = stage.caller("alice", 500.0);
    wait::expect("the tone plays", SOON, || {
        caller.rtp.listen(Duration::from_millis(60)).first_with(PROMPT_HZ, LEVEL_DB - 3.0).is_some()
    });
    stage.record(&caller.call_sid, "start");
    let _ = caller.rtp.listen(Duration::from_secs(1));
    stage.record(&caller.call_sid, "pause");
    stage.record(&caller.call_sid, "resume");
    let _ = caller.rtp.listen(Duration::from_millis(500));
    stage.record(&caller.call_sid, "stop");
    let recording = stage.recording(&caller.call_sid, "completed");
    let [said, heard] = channels(&stage.recorded_file(&recording));
    assert!(said.len() > RATE as usize && said.len() < 10 * RATE as usize);
    assert!(has(&said, 500.0) && !has(&said, PROMPT_HZ));
    assert!(has(&heard, PROMPT_HZ) && !has(&heard, 500.0));
    // The call goes on as if nothing had been.
    assert!(caller.rtp.listen(Duration::from_millis(200)).level_db(PROMPT_HZ) > LEVEL_DB - 3.0);
    caller.hang_up();
    stage.statuses(&caller.call_sid);
    let day = wait_for_url(&stage, &caller.call_sid);
    let (status, kind, file) =
        stage.tenant.rest.get_bytes(&format!("/v1{day}")).expect("an answer");
    assert_eq!((status, kind.as_str()), (200, "audio/wav"));
    assert_eq!(recording["bytes"], file.len());
    assert_eq!(stage.tenant.rest.delete(&format!("/v1{day}")).expect("an answer").status, 204);
    assert!(stage.recordings(&caller.call_sid).is_empty());
    assert!(!stage.recorded_file(&recording).exists());
}

/// `recording_url` of an ended call.
fn wait_for_url(stage: &Stage, call_sid: &str) -> String {
    let deadline = Instant::now() + SOON;
    loop {
        let list = stage.get("/RecentCalls?page=1&count=10");
        let rows = list["data"].as_array().cloned().unwrap_or_default();
        let row = rows.iter().find(|row| row["call_sid"] == call_sid);
        if let Some(url) = row.and_then(|row| row["recording_url"].as_str()) {
            return url.to_owned();
        }
        assert!(Instant::now() < deadline, "{rows:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_account_that_wants_it_has_every_call_recorded() {
    let stage = Stage::new();
    stage.answer_with_a_tone();
    assert_eq!(stage.put("", &json!({"record_all_calls": 1, "record_format": "wav"})), 204);
    let mut caller = stage.caller("alice", 500.0);
    let _ = caller.rtp.listen(Duration::from_secs(1));
    caller.hang_up();
    stage.statuses(&caller.call_sid);
    let recording = stage.recording(&caller.call_sid, "completed");
    let [said, _] = channels(&stage.recorded_file(&recording));
    assert!(has(&said, 500.0));
    wait_for_url(&stage, &caller.call_sid);
}

#[test]
fn what_was_recorded_before_a_kill_can_be_heard_after_it() {
    let mut stage = Stage::with_env(&[("TRUNKLINE__RECORDING__FORMAT", "wav")]);
    stage.answer_with_a_tone();
    let caller = stage.caller("alice", 500.0);
    stage.record(&caller.call_sid, "start");
    let begun = stage.recording(&caller.call_sid, "recording");
    let _ = caller.rtp.listen(Duration::from_millis(1_500));
    stage.server.kill().expect("killed");
    stage.server.restart().expect("started again");
    let recording = stage.recording(&caller.call_sid, "interrupted");
    assert_eq!(recording["path"], begun["path"]);
    let [said, _] = channels(&stage.recorded_file(&recording));
    assert!(has(&said, 500.0));
    let file = stage.recorded_file(&recording);
    assert_eq!(std::fs::metadata(file).unwrap().len(), recording["bytes"].as_u64().unwrap());
}
