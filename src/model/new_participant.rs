//! `POST …/Participants`: the body (contract rest.md §3.3). An existing call, or one to place; and how it
//! takes part.

use serde_json::{Map, Value};

use super::call::{BadCall, CreateCall};
use super::{CallSid, Fields, Hook, Invalid, Patch};

#[derive(Clone, Debug, PartialEq)]
pub struct NewParticipant {
    pub who: Who,
    pub part: Part,
}

/// Which call takes part.
#[derive(Clone, Debug, PartialEq)]
pub enum Who {
    Call(CallSid),
    /// A call to place; it has no application yet.
    Placed(Box<CreateCall>),
}

/// How it takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub moderator: bool,
    pub end_on_exit: bool,
    pub join_muted: bool,
    pub beep: bool,
    pub member_tag: Option<String>,
    /// Heard by members with this tag alone.
    pub speak_only_to: Option<String>,
    /// The application after the conference.
    pub action_hook: Option<Hook>,
}

/// What only a call to place has.
const OF_PLACED: &[&str] = &[
    "from",
    "fromHost",
    "callerName",
    "headers",
    "timeout",
    "timeLimit",
    "tag",
    "amd",
    "call_status_hook",
];

impl NewParticipant {
    /// # Errors
    /// [`Invalid`], in the words of a create for what is the same there.
    pub fn read(mut fields: Fields) -> Result<Self, Invalid> {
        let sid = fields.sid("call_sid", CallSid::parse)?.value();
        let to = fields.object("to")?.value();
        let who = match (sid, to) {
            (Some(sid), None) => {
                let placed = placed(&mut fields)?;
                if let Some((name, _)) = placed.body.into_iter().next() {
                    let name = OF_PLACED.iter().find(|known| **known == name).unwrap_or(&"to");
                    return Err(Invalid::Refused { name, reason: "is only valid with to" });
                }
                if placed.call_status_hook.is_some() {
                    let name = "call_status_hook";
                    return Err(Invalid::Refused { name, reason: "is only valid with to" });
                }
                Who::Call(sid)
            }
            (None, Some(to)) => {
                let Placed { mut body, call_status_hook } = placed(&mut fields)?;
                body.insert("to".to_owned(), Value::Object(to));
                let create = CreateCall::into_room(&Value::Object(body), call_status_hook);
                Who::Placed(Box::new(create.map_err(in_words)?))
            }
            (Some(_), Some(_)) => {
                return Err(Invalid::Rule("only one of call_sid and to may be given"));
            }
            (None, None) => {
                let text = "one of call_sid and to is required";
                return Err(Invalid::MissingAs { name: "call_sid", text });
            }
        };
        let part = Part::read(&mut fields)?;
        fields.finish()?;
        Ok(Self { who, part })
    }
}

impl Part {
    fn read(fields: &mut Fields) -> Result<Self, Invalid> {
        let mut flag = |name| Ok::<_, Invalid>(fields.flag(name)?.value());
        Ok(Self {
            moderator: flag("moderator")?.unwrap_or(true),
            end_on_exit: flag("end_conference_on_exit")?.unwrap_or_default(),
            join_muted: flag("join_muted")?.unwrap_or_default(),
            beep: flag("beep")?.unwrap_or_default(),
            member_tag: fields.tag("member_tag")?.value(),
            speak_only_to: fields.tag("speak_only_to")?.value(),
            action_hook: fields.plain_hook("action_hook")?,
        })
    }
}

/// What a create has to judge, as it came, and the hook beside it.
struct Placed {
    body: Map<String, Value>,
    call_status_hook: Option<Hook>,
}

/// The readers say what kind each is, for the API document; a create says what is wrong with them.
fn placed(fields: &mut Fields) -> Result<Placed, Invalid> {
    let mut body = Map::new();
    for (name, max) in [("from", 256), ("fromHost", 255), ("callerName", 256)] {
        if let Patch::Value(text) = fields.text(name, max)? {
            body.insert(name.to_owned(), text.into());
        }
    }
    for name in ["headers", "tag", "amd"] {
        if let Patch::Value(map) = fields.object(name)? {
            body.insert(name.to_owned(), map.into());
        }
    }
    for name in ["timeout", "timeLimit"] {
        if let Patch::Value(seconds) = fields.integer(name, 1..=i64::from(u32::MAX))? {
            body.insert(name.to_owned(), seconds.into());
        }
    }
    Ok(Placed { body, call_status_hook: fields.plain_hook("call_status_hook")? })
}

fn in_words(bad: BadCall) -> Invalid {
    match bad {
        BadCall::MissingFrom => Invalid::MissingAs { name: "from", text: "missing from parameter" },
        BadCall::Property { name, problem } => Invalid::Said(format!("{name} {problem}")),
        other => Invalid::Said(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn read(body: Value) -> Result<NewParticipant, String> {
        let Value::Object(map) = body else { panic!("an object") };
        NewParticipant::read(Fields::new(map)).map_err(|bad| bad.to_string())
    }

    #[test]
    fn a_call_takes_part_as_it_is_told() {
        let sid = CallSid::random();
        let plain = read(json!({"call_sid": sid})).unwrap();
        let part = Part {
            moderator: true,
            end_on_exit: false,
            join_muted: false,
            beep: false,
            member_tag: None,
            speak_only_to: None,
            action_hook: None,
        };
        assert_eq!(plain, NewParticipant { who: Who::Call(sid), part });
        let told = read(json!({
            "call_sid": sid, "moderator": 0, "end_conference_on_exit": true, "join_muted": "1",
            "beep": true, "member_tag": "a", "speak_only_to": "b",
            "action_hook": {"url": "https://a/after", "method": "get"}, "to": null, "from": null,
        }))
        .unwrap();
        let part = &told.part;
        assert!(!part.moderator && part.end_on_exit && part.join_muted && part.beep);
        assert_eq!(
            (part.member_tag.as_deref(), part.speak_only_to.as_deref()),
            (Some("a"), Some("b"))
        );
        assert_eq!(part.action_hook.as_ref().unwrap().url, "https://a/after");
    }

    #[test]
    fn a_call_is_placed_as_by_a_create() {
        let new = read(json!({
            "to": {"type": "user", "name": "a@b.example"}, "from": "1", "timeout": "9",
            "timeLimit": 60, "headers": {"X-A": "1"}, "tag": {"k": 1}, "callerName": "A",
            "fromHost": "h.example", "call_status_hook": "https://a/s", "amd": null,
        }))
        .unwrap();
        let Who::Placed(create) = &new.who else { panic!("{new:?}") };
        assert_eq!((create.from.as_str(), create.timeout), ("1", Duration::from_secs(9)));
        assert_eq!(create.time_limit, Some(Duration::from_secs(60)));
        assert_eq!(create.call_status_hook, Some(Hook::post("https://a/s")));
        assert_eq!((&create.call_hook, &create.app_json), (&None, &None));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let sid = CallSid::random();
        let to = json!({"type": "user", "name": "a@b.example"});
        for (body, text) in [
            (json!({}), "one of call_sid and to is required"),
            (json!({"call_sid": sid, "to": to}), "only one of call_sid and to may be given"),
            (json!({"call_sid": "x"}), "call_sid must be a sid (UUID)"),
            (json!({"call_sid": sid, "from": "1"}), "from is only valid with to"),
            (json!({"call_sid": sid, "tag": {}}), "tag is only valid with to"),
            (
                json!({"call_sid": sid, "call_status_hook": "https://a"}),
                "call_status_hook is only valid with to",
            ),
            (json!({"to": to}), "missing from parameter"),
            (json!({"to": to, "from": 5}), "from must be a string"),
            (json!({"to": "x", "from": "1"}), "to must be an object"),
            (json!({"to": {"type": "fax"}, "from": "1"}), "missing or invalid to property: type"),
            (json!({"to": to, "from": "1", "timeout": 0}), "timeout must be an integer in range"),
            (json!({"to": to, "from": "1", "headers": {"a": "\r\n"}}), "headers has a value for"),
            (json!({"to": to, "from": "1", "amd": {}}), "amd needs an actionHook"),
            (json!({"to": to, "from": "1", "call_status_hook": "/s"}), "call_status_hook url is"),
            (json!({"call_sid": sid, "moderator": "maybe"}), "moderator must be a boolean"),
            (json!({"call_sid": sid, "member_tag": 5}), "member_tag must be a string"),
            (json!({"call_sid": sid, "action_hook": 5}), "action_hook must be an object or a URL"),
            (json!({"call_sid": sid, "colour": "red"}), "unknown property colour"),
        ] {
            let refused = read(body.clone()).expect_err(&body.to_string());
            assert!(refused.starts_with(text), "{body}: {refused}");
        }
    }
}
