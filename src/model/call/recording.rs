//! Recording of one call, as REST and the `config` verb order it (contract rest.md §2.3.7, verbs.md §3.2).

use serde_json::{Map, Value};

/// What is to become of the recording of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordCall {
    /// To a file of ours.
    Start,
    /// To a recorder that speaks SIPREC, which is not built.
    StartElsewhere,
    Stop,
    Pause,
    Resume,
}

const ACTIONS: [&str; 4] =
    ["startCallRecording", "stopCallRecording", "pauseCallRecording", "resumeCallRecording"];

impl RecordCall {
    /// # Errors
    /// What is wrong with it, to be read after the property's name.
    pub fn read(order: &Map<String, Value>) -> Result<Self, &'static str> {
        let action = order.get("action").and_then(Value::as_str).unwrap_or_default();
        let Some(action) = ACTIONS.iter().position(|known| *known == action) else {
            return Err("needs an action");
        };
        // jambonz' default is the other one.
        let is_elsewhere = match order.get("type").filter(|kind| !kind.is_null()) {
            None => true,
            Some(kind) => match kind.as_str() {
                Some("siprec") => true,
                Some("cloud") => false,
                _ => return Err("has an unknown type"),
            },
        };
        if is_elsewhere && action == 0 && order.get("siprecServerURL").is_none_or(Value::is_null) {
            return Err("needs a siprecServerURL");
        }
        Ok(match action {
            0 if is_elsewhere => Self::StartElsewhere,
            0 => Self::Start,
            1 => Self::Stop,
            2 => Self::Pause,
            _ => Self::Resume,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn orders_are_told_apart() {
        for (order, expected) in [
            (json!({"action": "startCallRecording", "type": "cloud"}), Ok(RecordCall::Start)),
            (
                json!({"action": "startCallRecording", "siprecServerURL": "sip:a@b"}),
                Ok(RecordCall::StartElsewhere),
            ),
            (json!({"action": "stopCallRecording"}), Ok(RecordCall::Stop)),
            (json!({"action": "pauseCallRecording", "type": "cloud"}), Ok(RecordCall::Pause)),
            (json!({"action": "resumeCallRecording"}), Ok(RecordCall::Resume)),
            (json!({}), Err("needs an action")),
            (json!({"action": "start"}), Err("needs an action")),
            (json!({"action": "startCallRecording"}), Err("needs a siprecServerURL")),
            (json!({"action": "stopCallRecording", "type": "tape"}), Err("has an unknown type")),
        ] {
            let Value::Object(fields) = &order else { panic!("an object") };
            assert_eq!(RecordCall::read(fields), expected, "{order}");
        }
    }
}
