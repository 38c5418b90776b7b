//! What the bodies of `…/Calls` look like, for the API document (contract rest.md §2.3). They are
//! read in `model::call`, and unknown properties are passed over there.

use serde_json::{Map, Value, json};

use super::describe::{BodyShape, Operation, reference};

pub(super) struct NewCall;

impl BodyShape for NewCall {
    fn describe(operation: &mut Operation) {
        operation.components.insert("Hook".to_owned(), hook());
        operation.components.insert("CallTarget".to_owned(), target());
        let mut properties = object(json!({
            "from": {"type": "string", "minLength": 1, "maxLength": 256},
            "to": reference("CallTarget"),
            "application_sid": {"type": "string", "format": "uuid"},
            "call_hook": reference("Hook"),
            "app_json": {"type": "string", "description": "JSON text of a verb array"},
            "call_status_hook": reference("Hook"),
            "callerName": {"type": "string"},
            "fromHost": {"type": "string"},
            "timeout": {"type": "integer", "description": "seconds to a final answer"},
            "timeLimit": {"type": "integer", "description": "seconds after the answer"},
            "headers": {"type": "object", "additionalProperties": {"type": "string"}},
            "tag": {"type": "object"},
            "sipRequestWithinDialogHook": reference("Hook"),
            "referHook": reference("Hook"),
            "answerOnBridge": {"type": "boolean"},
            "record_all_calls": {"type": "boolean"},
        }));
        for part in ["synthesis_vendor", "synthesis_language", "synthesis_voice", "synthesis_label"]
            .into_iter()
            .chain(["recognizer_vendor", "recognizer_language", "recognizer_label"])
        {
            properties.insert(format!("speech_{part}"), json!({"type": "string"}));
        }
        operation.body = Some(json!({
            "type": "object",
            "required": ["from", "to"],
            "properties": properties,
            "description": "with one of application_sid, call_hook and app_json",
        }));
    }
}

pub(super) struct CallUpdate;

impl BodyShape for CallUpdate {
    fn describe(operation: &mut Operation) {
        operation.components.insert("Hook".to_owned(), hook());
        let word = |words: &[&str]| json!({"enum": words});
        operation.body = Some(json!({
            "type": "object",
            "description": "one command, alone or with whisper",
            "properties": {
                "call_hook": reference("Hook"),
                "child_call_hook": reference("Hook"),
                "call_status_hook": reference("Hook"),
                "call_status": word(&["completed", "no-answer"]),
                "listen_status": word(&["pause", "silence", "resume"]),
                "stream_status": word(&["pause", "silence", "resume"]),
                "transcribe_status": word(&["pause", "resume"]),
                "mute_status": word(&["mute", "unmute"]),
                "conf_mute_status": word(&["mute", "unmute"]),
                "conf_hold_status": word(&["hold", "unhold"]),
                "wait_hook": reference("Hook"),
                "conferenceParticipantAction": {
                    "type": "object",
                    "required": ["action"],
                    "properties": {
                        "action": word(&[
                            "tag", "untag", "coach", "uncoach", "mute", "unmute", "hold", "unhold", "kick",
                        ]),
                        "tag": {"type": "string", "maxLength": 64},
                        "wait_hook": reference("Hook"),
                    },
                },
                "room_say": {"type": "object", "description": "properties of a say verb"},
                "room_play": {"type": "object", "description": "properties of a play verb"},
                "whisper": {"type": ["object", "array"]},
                "sip_request": {
                    "type": "object",
                    "required": ["method"],
                    "properties": {
                        "method": {"type": "string"},
                        "content_type": {"type": "string"},
                        "content": {"type": "string"},
                        "headers": {"type": "object"},
                    },
                },
                "dtmf": {
                    "type": "object",
                    "required": ["digit"],
                    "properties": {
                        "digit": {"type": "string", "pattern": "^[0-9*#A-D]+$"},
                        "duration": {"type": "integer"},
                    },
                },
                "record": {"type": "object"},
                "tag": {"type": "object"},
                "dub": {"type": "object"},
                "boostAudioSignal": {"type": ["number", "string"]},
                "media_path": word(&["no-media", "partial-media", "full-media"]),
                "noise_isolation_status": word(&["enable", "disable", "on", "off"]),
            },
        }));
    }
}

/// A webhook in a call's body: a URL, or an object with one.
fn hook() -> Value {
    json!({
        "oneOf": [
            {"type": "string", "maxLength": 1024},
            {
                "type": "object",
                "required": ["url"],
                "properties": {
                    "url": {"type": "string", "maxLength": 1024},
                    "method": {"enum": ["GET", "POST"]},
                    "username": {"type": ["string", "null"]},
                    "password": {"type": ["string", "null"], "writeOnly": true},
                },
            },
        ],
    })
}

fn target() -> Value {
    json!({
        "type": "object",
        "required": ["type"],
        "properties": {
            "type": {"enum": ["phone", "user", "sip"]},
            "number": {"type": "string", "description": "of a phone"},
            "trunk": {"type": "string", "description": "carrier, by name or sid"},
            "name": {"type": "string", "description": "of a user: user, or user@realm"},
            "overrideTo": {"type": "string", "description": "To URI"},
            "sipUri": {"type": "string"},
            "proxy": {"type": "string", "description": "next hop, a SIP URI"},
            "headers": {"type": "object", "additionalProperties": {"type": "string"}},
            "auth": {
                "type": "object",
                "properties": {
                    "username": {"type": "string"},
                    "password": {"type": "string", "writeOnly": true},
                },
            },
        },
    })
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
