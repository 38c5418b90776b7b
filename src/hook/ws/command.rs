//! What a command means in the words of the REST API: one table (contract verbs.md §1.10).
//!
//! `redirect` with verbs, `config` and `dial` have no such word: who runs the call knows them.

use serde_json::{Map, Value};

/// The body of a REST update that means the same as a command; `None` for a command that has no such
/// word.
pub fn update_body(name: &str, data: &Value, tool_call_id: Option<&Value>) -> Option<Value> {
    let &(_, property, beside) = TABLE.iter().find(|(command, ..)| *command == name)?;
    let mut body = Map::new();
    match data {
        // The words of REST, which is how most clients write it.
        Value::Object(given) if is_wrapped(property, given) => {
            // D-11: the digits under the name of the command.
            let value = match (property, &given[property]) {
                ("dtmf", Value::String(digits)) => dtmf(digits, given),
                (_, value) => value.clone(),
            };
            body.insert(property.to_owned(), value);
            for name in beside {
                if let Some(value) = given.get(*name) {
                    body.insert((*name).to_owned(), value.clone());
                }
            }
        }
        data => {
            body.insert(property.to_owned(), data.clone());
        }
    }
    if let Some(id) = tool_call_id {
        body.insert("tool_call_id".to_owned(), id.clone());
    }
    Some(Value::Object(body))
}

/// Whether the data names the property itself. Customer data may have a key of its own called `tag`.
fn is_wrapped(property: &str, given: &Map<String, Value>) -> bool {
    given
        .get(property)
        .is_some_and(|value| property != "tag" || (given.len() == 1 && value.is_object()))
}

fn dtmf(digits: &str, given: &Map<String, Value>) -> Value {
    let mut dtmf = Map::from_iter([("digit".to_owned(), Value::from(digits))]);
    if let Some(duration) = given.get("duration") {
        dtmf.insert("duration".to_owned(), duration.clone());
    }
    Value::Object(dtmf)
}

/// Command, property of the update, and what may stand beside it in the command's data.
const TABLE: &[(&str, &str, &[&str])] = &[
    ("call:status", "call_status", &[]),
    ("mute:status", "mute_status", &[]),
    // D-15: the name one client uses.
    ("mute", "mute_status", &[]),
    ("conf:mute-status", "conf_mute_status", &[]),
    ("conf:hold-status", "conf_hold_status", &["wait_hook", "waitHook"]),
    ("conf:participant-action", "conferenceParticipantAction", &[]),
    ("listen:status", "listen_status", &[]),
    ("stream:status", "stream_status", &[]),
    ("transcribe:status", "transcribe_status", &[]),
    ("whisper", "whisper", &[]),
    ("sip:request", "sip_request", &[]),
    ("dtmf", "dtmf", &[]),
    ("record", "record", &[]),
    ("tag", "tag", &[]),
    ("dub", "dub", &[]),
    ("boostAudioSignal", "boostAudioSignal", &[]),
    ("media:path", "media_path", &[]),
    ("llm:update", "llm_update", &[]),
    ("llm:tool-output", "llm_tool_output", &[]),
    ("agent:update", "agent_update", &[]),
    ("noiseIsolation:status", "noise_isolation_status", &[]),
    ("room:say", "room_say", &[]),
    ("room:play", "room_play", &[]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::call::UpdateCall;
    use serde_json::json;

    #[test]
    fn each_command_is_an_update() {
        for (name, data, body) in [
            (
                "call:status",
                json!({"call_status": "completed"}),
                json!({"call_status": "completed"}),
            ),
            ("call:status", json!("completed"), json!({"call_status": "completed"})),
            ("mute:status", json!({"mute_status": "mute"}), json!({"mute_status": "mute"})),
            ("mute:status", json!("unmute"), json!({"mute_status": "unmute"})),
            ("mute", json!({"mute_status": "mute"}), json!({"mute_status": "mute"})),
            ("conf:mute-status", json!("mute"), json!({"conf_mute_status": "mute"})),
            (
                "conf:hold-status",
                json!({"conf_hold_status": "hold", "wait_hook": "/w", "other": 1}),
                json!({"conf_hold_status": "hold", "wait_hook": "/w"}),
            ),
            (
                "conf:participant-action",
                json!({"action": "tag", "tag": "agent"}),
                json!({"conferenceParticipantAction": {"action": "tag", "tag": "agent"}}),
            ),
            (
                "conf:participant-action",
                json!({"conferenceParticipantAction": {"action": "mute"}}),
                json!({"conferenceParticipantAction": {"action": "mute"}}),
            ),
            ("listen:status", json!({"listen_status": "pause"}), json!({"listen_status": "pause"})),
            ("stream:status", json!("resume"), json!({"stream_status": "resume"})),
            (
                "whisper",
                json!([{"verb": "play", "url": "/a"}]),
                json!({"whisper": [{"verb": "play", "url": "/a"}]}),
            ),
            (
                "whisper",
                json!({"whisper": {"verb": "play", "url": "/a"}}),
                json!({"whisper": {"verb": "play", "url": "/a"}}),
            ),
            ("sip:request", json!({"method": "INFO"}), json!({"sip_request": {"method": "INFO"}})),
            ("dtmf", json!({"digit": "1"}), json!({"dtmf": {"digit": "1"}})),
            (
                "dtmf",
                json!({"dtmf": "12", "duration": 100}),
                json!({"dtmf": {"digit": "12", "duration": 100}}),
            ),
            ("dtmf", json!({"dtmf": {"digit": "1"}}), json!({"dtmf": {"digit": "1"}})),
            (
                "record",
                json!({"action": "stopCallRecording"}),
                json!({"record": {"action": "stopCallRecording"}}),
            ),
            ("tag", json!({"a": 1}), json!({"tag": {"a": 1}})),
            ("tag", json!({"tag": {"a": 1}}), json!({"tag": {"a": 1}})),
            ("tag", json!({"tag": "vip"}), json!({"tag": {"tag": "vip"}})),
            ("boostAudioSignal", json!("+6 dB"), json!({"boostAudioSignal": "+6 dB"})),
            ("media:path", json!({"media_path": "no-media"}), json!({"media_path": "no-media"})),
        ] {
            let found = update_body(name, &data, None);
            assert_eq!(found.as_ref(), Some(&body), "{name} {data}");
            assert!(UpdateCall::parse(&body).is_ok(), "{body}");
        }
        for name in ["redirect", "config", "dial", "tts:tokens", "", "call_hook"] {
            assert_eq!(update_body(name, &json!({}), None), None, "{name}");
        }
        let body = update_body("llm:tool-output", &json!({"x": 1}), Some(&json!("t")));
        assert_eq!(body, Some(json!({"llm_tool_output": {"x": 1}, "tool_call_id": "t"})));
    }
}
