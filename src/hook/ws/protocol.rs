//! The messages of an application's WebSocket: text to facts, and facts to text (contract verbs.md
//! §2.2, §2.3).

use serde_json::{Map, Value};

use crate::hook::js_json;
use crate::model::CallSid;

/// The subprotocol that the server of an application must accept.
pub(super) const SUBPROTOCOL: &str = "ws.jambonz.org";

/// What an application says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Incoming {
    Ack { msgid: String, data: Option<Value> },
    Command(Command),
}

/// An order of the application, not asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    pub name: String,
    /// `null` where none was given.
    pub data: Value,
    /// Of `redirect`: append, do not replace.
    pub queue: bool,
    /// The leg it is aimed at, if not the session's own.
    pub call_sid: Option<CallSid>,
    pub tool_call_id: Option<Value>,
    /// The message it answers as well (D-14).
    pub msgid: Option<String>,
}

/// Reads one text frame.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse(text: &str) -> Result<Incoming, String> {
    let value: Value = serde_json::from_str(text).map_err(|_| "not JSON".to_owned())?;
    let Value::Object(mut map) = value else { return Err("not an object".to_owned()) };
    let kind = word(&mut map, "type")?.ok_or("type is missing")?;
    let msgid = word(&mut map, "msgid")?;
    let data = map.remove("data").filter(|data| !data.is_null());
    match kind.as_str() {
        "ack" => Ok(Incoming::Ack { msgid: msgid.ok_or("msgid is missing")?, data }),
        "command" => {
            let name = word(&mut map, "command")?.ok_or("command is missing")?;
            if data.is_none() && !WITHOUT_DATA.contains(&name.as_str()) {
                return Err("data is missing".to_owned());
            }
            let call_sid = word(&mut map, "callSid")?
                .map(|sid| CallSid::parse(&sid).ok_or("callSid is no sid"))
                .transpose()?;
            let queue = map.remove("queueCommand");
            Ok(Incoming::Command(Command {
                name,
                data: data.unwrap_or_default(),
                queue: queue.is_some_and(|queue| queue == Value::Bool(true)),
                call_sid,
                tool_call_id: map.remove("tool_call_id"),
                msgid,
            }))
        }
        other => Err(format!("unknown type {}", other.chars().take(40).collect::<String>())),
    }
}

/// A property that is a text, or is not there.
fn word(map: &mut Map<String, Value>, name: &'static str) -> Result<Option<String>, String> {
    match map.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() <= MAX_WORD_BYTES => Ok(Some(text)),
        Some(_) => Err(format!("{name} must be a string")),
    }
}

/// One message as it goes out. Clients throw when `type`, `msgid` or `data` is missing.
pub(super) fn envelope(
    kind: &str,
    msgid: String,
    call_sid: CallSid,
    hook: Option<&str>,
    data: Map<String, Value>,
) -> String {
    let mut map = Map::new();
    map.insert("type".into(), kind.into());
    map.insert("msgid".into(), msgid.into());
    map.insert("call_sid".into(), call_sid.to_string().into());
    if let Some(hook) = hook {
        map.insert("hook".into(), hook.into());
    }
    map.insert("data".into(), Value::Object(data));
    js_json::object_text(&map)
}

const WITHOUT_DATA: [&str; 3] = ["llm:tool-output", "tts:flush", "tts:clear"];
const MAX_WORD_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn acks_and_commands_are_read() {
        let ack = |msgid: &str, data| Incoming::Ack { msgid: msgid.into(), data };
        assert_eq!(
            parse(r#"{"type":"ack","msgid":"a","data":[1]}"#),
            Ok(ack("a", Some(json!([1]))))
        );
        assert_eq!(parse(r#"{"type":"ack","msgid":"a","data":null}"#), Ok(ack("a", None)));
        let sid = CallSid::random();
        let text = json!({"type": "command", "command": "redirect", "queueCommand": true,
            "data": [{"verb": "hangup"}], "callSid": sid.to_string(), "msgid": "m", "b3": "x"});
        let Ok(Incoming::Command(command)) = parse(&text.to_string()) else { panic!() };
        assert_eq!((command.name.as_str(), command.queue), ("redirect", true));
        assert_eq!((command.call_sid, command.msgid.as_deref()), (Some(sid), Some("m")));
        let plain = r#"{"type":"command","command":"tts:flush","queueCommand":"true"}"#;
        let Ok(Incoming::Command(command)) = parse(plain) else { panic!() };
        assert_eq!((command.data, command.queue), (Value::Null, false));
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        for (text, problem) in [
            ("", "not JSON"),
            ("[]", "not an object"),
            ("{}", "type is missing"),
            (r#"{"type":1}"#, "type must be a string"),
            (r#"{"type":"ack"}"#, "msgid is missing"),
            (r#"{"type":"ack","msgid":5}"#, "msgid must be a string"),
            (r#"{"type":"command","data":{}}"#, "command is missing"),
            (r#"{"type":"command","command":"redirect"}"#, "data is missing"),
            (r#"{"type":"command","command":"tag","data":{},"callSid":"x"}"#, "callSid is no sid"),
            (r#"{"type":"hello"}"#, "unknown type hello"),
        ] {
            assert_eq!(parse(text), Err(problem.to_owned()), "{text}");
        }
    }

    #[test]
    fn the_envelope_has_what_clients_look_for() {
        let sid = CallSid::random();
        let data = Map::from_iter([("a".to_owned(), json!(1))]);
        let text = envelope("verb:hook", "m-1".into(), sid, Some("/x?é"), data);
        let expected = format!(
            r#"{{"type":"verb:hook","msgid":"m-1","call_sid":"{sid}","hook":"/x?é","data":{{"a":1}}}}"#
        );
        assert_eq!(text, expected);
        let bare = envelope("call:status", "m".into(), sid, None, Map::new());
        assert!(!bare.contains("hook") && bare.ends_with(r#""data":{}}"#));
    }
}
