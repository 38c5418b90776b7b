//! `PUT` and `POST /Accounts/{sid}/Calls/{call_sid}`: the body (contract rest.md §2.3.7).
//!
//! Exactly one command, or `whisper` alone, or both. Every command of the contract is known here
//! and its payload is checked; those whose verb is not built yet arrive as
//! [`Command::Unbuilt`] and have no effect beyond an alert. Prompts are handed on as they came: their
//! grammar is the verbs'.

use std::time::Duration;

use serde_json::{Map, Value};

use super::input::Body;
use super::member::{MemberOrder, hold_status, participant_action};
use super::{BadCall, Content, RecordCall, SipRequest, StreamFlow};
use crate::model::Hook;

#[derive(Clone, Debug, PartialEq)]
pub struct UpdateCall {
    pub command: Option<Command>,
    /// Prompts for this side alone, run after the command: a verb or an array of them.
    pub whisper: Option<Value>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Fetch a new application, with a new status target if one is named.
    CallHook {
        call_hook: Hook,
        status_hook: Option<Hook>,
        child_call_hook: Option<Hook>,
    },
    CallStatus(CloseAs),
    /// This call's audio towards others.
    Mute(bool),
    /// Every member of the call's conference that is no moderator.
    ConferenceMute(bool),
    /// This call as a member of its conference.
    /// Under the name of its property.
    Member(&'static str, MemberOrder),
    /// A verb for everybody in the call's conference; the property that had it.
    Announce(&'static str, Value),
    /// Replaces the customer data.
    Tag(Map<String, Value>),
    /// In-dialog request; needs an answered call.
    SipRequest(Box<SipRequest>),
    Record(RecordCall),
    /// What the stream of its audio is given; the property that had it.
    Stream(&'static str, StreamFlow),
    /// A command of the contract that needs a verb which does not exist yet; its property name.
    Unbuilt(&'static str),
    /// An application of its own for the call that this one dialled.
    ChildHook(Hook),
    /// Keys to this call's far end, each of that duration.
    Digits(String, Duration),
    /// What it asks for is so already.
    Nothing,
}

/// The two ways to close a call from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseAs {
    Completed,
    NoAnswer,
}

impl UpdateCall {
    /// Reads a request body.
    ///
    /// # Errors
    /// [`BadCall`], whose text goes to the client with a 400.
    pub fn parse(body: &Value) -> Result<Self, BadCall> {
        let body = Body::new(body).ok_or(BadCall::NotAnObject)?;
        let mut given = COMMANDS.iter().filter(|name| body.value(name).is_some());
        let whisper = body.value("whisper").cloned();
        let command = match (given.next(), given.next(), given.next()) {
            (None, ..) if whisper.is_some() => None,
            (None, ..) => return Err(no_command(body)),
            (Some(&name), None, _) => Some(command(body, name)?),
            (Some(&"call_hook"), Some(&"child_call_hook"), None) => {
                Some(command(body, "call_hook")?)
            }
            _ => return Err(BadCall::ManyOptions),
        };
        if body.value("call_status_hook").is_some()
            && !matches!(command, Some(Command::CallHook { .. }))
        {
            return Err(BadCall::property("call_status_hook", "is only valid with call_hook"));
        }
        Ok(Self { command, whisper })
    }
}

fn no_command(body: Body<'_>) -> BadCall {
    match body.value("call_status_hook") {
        Some(_) => BadCall::property("call_status_hook", "is only valid with call_hook"),
        None => BadCall::NoOption,
    }
}

fn command(body: Body<'_>, name: &'static str) -> Result<Command, BadCall> {
    Ok(match name {
        "call_hook" => Command::CallHook {
            call_hook: body.hook("call_hook")?.ok_or(BadCall::NoOption)?,
            status_hook: body.hook("call_status_hook")?,
            child_call_hook: body.hook("child_call_hook")?,
        },
        "call_status" => match word(body, name)? {
            "completed" => Command::CallStatus(CloseAs::Completed),
            "no-answer" => Command::CallStatus(CloseAs::NoAnswer),
            _ => return Err(BadCall::Invalid(name)),
        },
        "mute_status" => Command::Mute(is_first(body, name, ["mute", "unmute"])?),
        "conf_mute_status" => Command::ConferenceMute(is_first(body, name, ["mute", "unmute"])?),
        "conf_hold_status" => Command::Member(name, hold_status(body)?),
        "conferenceParticipantAction" => Command::Member(name, participant_action(body)?),
        "room_say" => Command::Announce("room_say", room_verb(body, "room_say", "say", "text")?),
        "room_play" => Command::Announce("room_play", room_verb(body, "room_play", "play", "url")?),
        "tag" => match body.value(name).and_then(Value::as_object) {
            Some(tag) => Command::Tag(tag.clone()),
            None => return Err(BadCall::Invalid("tag data")),
        },
        "sip_request" => Command::SipRequest(Box::new(sip_request(body)?)),
        "record" => Command::Record(record(body, name)?),
        "listen_status" | "stream_status" => {
            let flow = StreamFlow::parse(word(body, name)?);
            Command::Stream(name, flow.ok_or(BadCall::Invalid(name))?)
        }
        "child_call_hook" => {
            Command::ChildHook(body.hook("child_call_hook")?.ok_or(BadCall::NoOption)?)
        }
        "dtmf" => digits(body)?,
        "media_path" if word(body, name)? == "full-media" => Command::Nothing,
        other => {
            check_unbuilt(body, other)?;
            Command::Unbuilt(other)
        }
    })
}

/// Payload rules of the commands that have no verb to act on yet.
fn check_unbuilt(body: Body<'_>, name: &'static str) -> Result<(), BadCall> {
    let one_of = |allowed: &[&str]| match allowed.contains(&word(body, name)?) {
        true => Ok(()),
        false => Err(BadCall::Invalid(name)),
    };
    match name {
        "transcribe_status" => one_of(&["pause", "resume"]),
        "media_path" => one_of(&["no-media", "partial-media", "full-media"]),
        "noise_isolation_status" | "noiseIsolation_status" => {
            one_of(&["enable", "disable", "on", "off"])
        }
        "dub" => {
            let dub = Body::new_in(body, name)?;
            let action = dub.text("action")?.unwrap_or_default();
            if !DUB_ACTIONS.contains(&action) || dub.text("track")?.is_none() {
                return Err(BadCall::property(name, "needs a known action and a track"));
            }
            Ok(())
        }
        "boostAudioSignal" => match body.value(name) {
            Some(value) if is_gain(value) => Ok(()),
            _ => Err(BadCall::property(name, "must be a number of dB or a text such as \"+6 dB\"")),
        },
        _ => Body::new_in(body, name).map(|_| ()),
    }
}

impl<'a> Body<'a> {
    /// The object under a command's name.
    pub(super) fn new_in(body: Self, name: &'static str) -> Result<Self, BadCall> {
        body.value(name)
            .and_then(Self::new)
            .ok_or_else(|| BadCall::property(name, "must be an object"))
    }
}

pub(super) fn word<'a>(body: Body<'a>, name: &'static str) -> Result<&'a str, BadCall> {
    body.value(name).and_then(Value::as_str).ok_or(BadCall::Invalid(name))
}

/// True for the first word, false for the second; anything else is refused.
pub(super) fn is_first(
    body: Body<'_>,
    name: &'static str,
    words: [&str; 2],
) -> Result<bool, BadCall> {
    let word = word(body, name)?;
    match words.iter().position(|w| *w == word) {
        Some(place) => Ok(place == 0),
        None => Err(BadCall::Invalid(name)),
    }
}

fn sip_request(body: Body<'_>) -> Result<SipRequest, BadCall> {
    const NAME: &str = "sip_request";
    let request = Body::new_in(body, NAME)?;
    let method = match request.line("method")?.filter(|method| !method.is_empty()) {
        Some(method) => SipRequest::method(method)
            .map_err(|problem| BadCall::property(NAME, format!("has a method that {problem}")))?,
        None => return Err(BadCall::property(NAME, "needs a method")),
    };
    let content = match (request.text_up_to("content", MAX_CONTENT)?, request.line("content_type")?)
    {
        (None | Some(""), _) => None,
        (Some(_), None | Some("")) => {
            return Err(BadCall::property(NAME, "with content needs a content_type"));
        }
        (Some(text), Some(kind)) => {
            Some(Content { content_type: kind.to_owned(), text: text.to_owned() })
        }
    };
    Ok(SipRequest { method, headers: request.headers("headers")?, content })
}

/// The properties of a verb as the verb itself.
fn room_verb(
    body: Body<'_>,
    name: &'static str,
    verb: &str,
    needed: &'static str,
) -> Result<Value, BadCall> {
    let given = Body::new_in(body, name)?;
    if given.value(needed).is_none() {
        return Err(BadCall::property(name, format!("needs a {needed}")));
    }
    let mut object = Map::from_iter([("verb".to_owned(), Value::from(verb))]);
    let properties = body.value(name).and_then(Value::as_object).into_iter().flatten();
    // What to do with what sounds there is the hosted product's wish; here one follows the other.
    let own = properties.filter(|(property, _)| !matches!(property.as_str(), "verb" | "replace"));
    object.extend(own.map(|(property, value)| (property.clone(), value.clone())));
    Ok(Value::Object(object))
}

fn record(body: Body<'_>, name: &'static str) -> Result<RecordCall, BadCall> {
    let order = body.value(name).and_then(Value::as_object);
    let order = order.ok_or_else(|| BadCall::property(name, "must be an object"))?;
    RecordCall::read(order).map_err(|problem| BadCall::property(name, problem))
}

/// `{digit, duration?}`; some clients write `{dtmf}` (D-11).
fn digits(body: Body<'_>) -> Result<Command, BadCall> {
    const NAME: &str = "dtmf";
    let given = Body::new_in(body, NAME)?;
    let named = ["digit", NAME].into_iter().find(|name| given.value(name).is_some());
    let digits = named.and_then(|name| given.text(name).ok().flatten());
    let Some(digits) = digits.filter(|digits| is_digits(digits)) else {
        return Err(BadCall::Invalid(NAME));
    };
    let ms = given.whole("duration").map_err(|_| BadCall::Invalid(NAME))?;
    let ms = ms.filter(|ms| *ms > 0).unwrap_or(DIGIT_MS).min(MAX_DIGIT_MS);
    Ok(Command::Digits(digits.to_owned(), Duration::from_millis(ms)))
}

const DIGIT_MS: u64 = 250;
const MAX_DIGIT_MS: u64 = 8000;

fn is_digits(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text.bytes().all(|b| b.is_ascii_digit() || b"*#ABCD".contains(&b))
}

fn is_gain(value: &Value) -> bool {
    match value {
        Value::Number(_) => true,
        Value::String(text) => {
            let text = text.trim();
            let number = text.strip_suffix("dB").or_else(|| text.strip_suffix("db"));
            number.unwrap_or(text).trim().parse::<f64>().is_ok_and(f64::is_finite)
        }
        _ => false,
    }
}

/// Every property that counts as a command, `call_hook` before `child_call_hook`.
const COMMANDS: [&str; 24] = [
    "call_hook",
    "child_call_hook",
    "call_status",
    "listen_status",
    "stream_status",
    "transcribe_status",
    "mute_status",
    "conf_mute_status",
    "conf_hold_status",
    "conferenceParticipantAction",
    "sip_request",
    "dtmf",
    "record",
    "tag",
    "dub",
    "boostAudioSignal",
    "media_path",
    "llm_update",
    "agent_update",
    "llm_tool_output",
    "noise_isolation_status",
    "noiseIsolation_status",
    "room_say",
    "room_play",
];

const DUB_ACTIONS: [&str; 5] =
    ["addTrack", "removeTrack", "silenceTrack", "playOnTrack", "sayOnTrack"];

/// Of an in-dialog request: what a UDP datagram carries with its headers.
const MAX_CONTENT: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::call::SipHeaders;
    use serde_json::json;

    #[test]
    fn each_command_is_read() {
        let hook = Hook::post("/other");
        for (body, command) in [
            (
                json!({"call_hook": "/other"}),
                Command::CallHook {
                    call_hook: hook.clone(),
                    status_hook: None,
                    child_call_hook: None,
                },
            ),
            (
                json!({"call_hook": "/other", "child_call_hook": "/c", "call_status_hook": "/s"}),
                Command::CallHook {
                    call_hook: hook,
                    status_hook: Some(Hook::post("/s")),
                    child_call_hook: Some(Hook::post("/c")),
                },
            ),
            (json!({"call_status": "completed"}), Command::CallStatus(CloseAs::Completed)),
            (json!({"call_status": "no-answer"}), Command::CallStatus(CloseAs::NoAnswer)),
            (json!({"mute_status": "mute", "room_say": null}), Command::Mute(true)),
            (json!({"mute_status": "unmute", "unknown": 1}), Command::Mute(false)),
            (json!({"conf_mute_status": "mute"}), Command::ConferenceMute(true)),
            (json!({"tag": {"a": 1}}), Command::Tag(Map::from_iter([("a".into(), json!(1))]))),
            (
                json!({"sip_request": {"method": "info", "headers": {"X-A": "1"},
                    "content": "a\r\nb", "content_type": "text/plain"}}),
                Command::SipRequest(Box::new(SipRequest {
                    method: "INFO".into(),
                    headers: SipHeaders::parse(&json!({"X-A": "1"})).unwrap(),
                    content: Some(Content {
                        content_type: "text/plain".into(),
                        text: "a\r\nb".into(),
                    }),
                })),
            ),
            (json!({"stream_status": "resume"}), Command::Stream("stream_status", StreamFlow::On)),
            (
                json!({"record": {"action": "startCallRecording", "type": "cloud"}}),
                Command::Record(RecordCall::Start),
            ),
            (
                json!({"room_say": {"text": "hi", "verb": "hangup"}}),
                Command::Announce("room_say", json!({"verb": "say", "text": "hi"})),
            ),
            (
                json!({"room_play": {"url": "http://a/b.wav", "id": "1", "replace": true}}),
                Command::Announce(
                    "room_play",
                    json!({"verb": "play", "url": "http://a/b.wav", "id": "1"}),
                ),
            ),
            (json!({"boostAudioSignal": "+6 dB"}), Command::Unbuilt("boostAudioSignal")),
            (
                json!({"llm_tool_output": {}, "tool_call_id": "t"}),
                Command::Unbuilt("llm_tool_output"),
            ),
        ] {
            let expected = UpdateCall { command: Some(command), whisper: None };
            assert_eq!(UpdateCall::parse(&body), Ok(expected), "{body}");
        }
    }

    #[test]
    fn whisper_stands_alone_or_beside_one_command() {
        let say = json!({"verb": "say", "text": "hi"});
        let alone = UpdateCall::parse(&json!({"whisper": say})).unwrap();
        assert_eq!(alone, UpdateCall { command: None, whisper: Some(say.clone()) });
        let both = UpdateCall::parse(&json!({"whisper": say, "mute_status": "mute"})).unwrap();
        assert_eq!(both, UpdateCall { command: Some(Command::Mute(true)), whisper: Some(say) });
    }

    #[test]
    fn each_bad_body_is_refused_with_its_text() {
        for (body, text) in [
            (json!([]), "body must be an object"),
            (json!({}), "no valid options supplied to updateCall"),
            (json!({"llm_status": "x"}), "no valid options supplied to updateCall"),
            (json!({"wait_hook": "/w"}), "no valid options supplied to updateCall"),
            (
                json!({"mute_status": "mute", "tag": {}}),
                "multiple options are not allowed in updateCall",
            ),
            (
                json!({"call_hook": "/a", "mute_status": "mute"}),
                "multiple options are not allowed in updateCall",
            ),
            (
                json!({"call_hook": "/a", "child_call_hook": "/b", "tag": {}}),
                "multiple options are not allowed in updateCall",
            ),
            (json!({"call_status_hook": "/s"}), "call_status_hook is only valid with call_hook"),
            (
                json!({"call_status_hook": "/s", "tag": {}}),
                "call_status_hook is only valid with call_hook",
            ),
            (json!({"call_hook": 5}), "call_hook a hook is"),
            (json!({"call_status": "ended"}), "invalid call_status"),
            (json!({"call_status": 5}), "invalid call_status"),
            (json!({"mute_status": true}), "invalid mute_status"),
            (json!({"conf_mute_status": "quiet"}), "invalid conf_mute_status"),
            (json!({"listen_status": "x"}), "invalid listen_status"),
            (json!({"transcribe_status": "silence"}), "invalid transcribe_status"),
            (json!({"media_path": "x"}), "invalid media_path"),
            (json!({"tag": "x"}), "invalid tag data"),
            (json!({"dtmf": {"digit": "x"}}), "invalid dtmf"),
            (json!({"dtmf": {}}), "invalid dtmf"),
            (json!({"sip_request": {}}), "sip_request needs a method"),
            (
                json!({"sip_request": {"method": "INFO", "content": "x"}}),
                "sip_request with content needs a content_type",
            ),
            (
                json!({"sip_request": {"method": "BYE"}}),
                "sip_request has a method that is a method the call itself is led by",
            ),
            (json!({"sip_request": {"method": "A B"}}), "sip_request has a method that is no SIP"),
            (
                json!({"sip_request": {"method": "INFO", "headers": {"X-A": "1\r\nVia: x"}}}),
                "headers has a value for X-A that does not fit a header",
            ),
            (
                json!({"sip_request": {"method": "INFO", "content": "x",
                    "content_type": "a/b\r\nVia: x"}}),
                "content_type must not contain control characters",
            ),
            (
                json!({"sip_request": {"method": "INFO", "content": "x".repeat(MAX_CONTENT + 1),
                    "content_type": "a/b"}}),
                "content is too long",
            ),
            (json!({"record": {}}), "record needs an action"),
            (json!({"record": {"action": "startCallRecording"}}), "record needs a siprecServerURL"),
            (json!({"room_say": "hi"}), "room_say must be an object"),
            (json!({"room_say": {}}), "room_say needs a text"),
            (json!({"room_play": {"id": "1"}}), "room_play needs a url"),
            (json!({"dub": {"action": "addTrack"}}), "dub needs a known action and a track"),
            (json!({"boostAudioSignal": "loud"}), "boostAudioSignal must be a number"),
            (json!({"agent_update": 1}), "agent_update must be an object"),
        ] {
            let error = UpdateCall::parse(&body).expect_err(&body.to_string()).to_string();
            assert!(error.starts_with(text), "{body}: {error}");
        }
    }
}
