//! From JSON to verbs: the whole array or one error (contract verbs.md §3.0).

use serde_json::{Map, Value};

use super::props::Props;
use super::{
    Answer, Conference, Config, Dequeue, Dial, Dtmf, Enqueue, Hangup, Leave, Pause, Play, Redirect,
    Say, SipDecline, SipRefer, SipRequestVerb, Tag, Verb, VerbError, VerbKind,
};

/// Reads an application's answer. Both forms of a verb are taken, `{"verb": "pause", "length": 1}`
/// and `{"pause": {"length": 1}}`. Unknown properties are ignored and logged once per array
/// (D-17); an empty array is fine here.
///
/// # Errors
/// The first thing wrong with the array; then no verb of it may run.
pub fn parse(value: &Value) -> Result<Vec<Verb>, VerbError> {
    let items = value.as_array().ok_or(VerbError::NotAnArray)?;
    if items.len() > MAX_VERBS {
        return Err(VerbError::TooMany { limit: MAX_VERBS });
    }
    let mut unused = Vec::new();
    let verbs = items
        .iter()
        .enumerate()
        .map(|(index, item)| verb(index, item, &mut unused))
        .collect::<Result<Vec<_>, _>>()?;
    if !unused.is_empty() {
        unused.sort_unstable();
        unused.dedup();
        unused.truncate(MAX_LOGGED);
        tracing::info!(properties = ?unused, "application uses properties that have no effect here");
    }
    Ok(verbs)
}

/// Reads a stored `app_json`: the text of a verb array.
///
/// # Errors
/// As [`parse`]; text that is no JSON counts as no array.
pub fn parse_text(text: &str) -> Result<Vec<Verb>, VerbError> {
    let value: Value = serde_json::from_str(text).map_err(|_| VerbError::NotAnArray)?;
    parse(&value)
}

/// One verb of either form, wherever it stands.
pub(super) fn parse_one(index: usize, item: &Value) -> Result<Verb, VerbError> {
    verb(index, item, &mut Vec::new())
}

fn verb(index: usize, item: &Value, unused: &mut Vec<String>) -> Result<Verb, VerbError> {
    let (name, map) = name_and_properties(item).ok_or(VerbError::NotAVerb { index })?;
    let verb = known(name)?;
    let mut props = Props::new(verb, map);
    let id = props.text("id")?;
    let kind = match verb {
        "answer" => VerbKind::Answer(Answer),
        "conference" => VerbKind::Conference(Box::new(Conference::parse(&mut props)?)),
        "config" => VerbKind::Config(Box::new(Config::parse(&mut props)?)),
        "dequeue" => VerbKind::Dequeue(Box::new(Dequeue::parse(&mut props)?)),
        "enqueue" => VerbKind::Enqueue(Box::new(Enqueue::parse(&mut props)?)),
        "dial" => VerbKind::Dial(Box::new(Dial::parse(&mut props)?)),
        "dtmf" => VerbKind::Dtmf(Dtmf::parse(&mut props)?),
        "hangup" => VerbKind::Hangup(Hangup::parse(&mut props)?),
        "leave" => VerbKind::Leave(Leave),
        "pause" => VerbKind::Pause(Pause::parse(&mut props)?),
        "play" => VerbKind::Play(Box::new(Play::parse(&mut props)?)),
        "redirect" => VerbKind::Redirect(Redirect::parse(&mut props)?),
        "say" => VerbKind::Say(Box::new(Say::parse(&mut props)?)),
        "sip:decline" => VerbKind::SipDecline(SipDecline::parse(&mut props)?),
        "sip:refer" => VerbKind::SipRefer(Box::new(SipRefer::parse(&mut props)?)),
        "sip:request" => VerbKind::SipRequest(Box::new(SipRequestVerb::parse(&mut props)?)),
        "tag" => VerbKind::Tag(Tag::parse(&mut props)?),
        unbuilt => return Err(VerbError::NotSupportedYet { verb: unbuilt }),
    };
    unused.extend(props.unused().map(|property| format!("{verb}.{property}")));
    Ok(Verb { id, kind })
}

fn name_and_properties(item: &Value) -> Option<(&str, &Map<String, Value>)> {
    let object = item.as_object()?;
    if let Some(name) = object.get("verb") {
        return Some((name.as_str()?, object));
    }
    let mut entries = object.iter();
    match (entries.next(), entries.next()) {
        (Some((name, properties)), None) => Some((name, properties.as_object()?)),
        _ => None,
    }
}

/// The contract's own name of a verb; synonyms are resolved.
fn known(name: &str) -> Result<&'static str, VerbError> {
    let name = match name {
        "room" => "conference",
        other => other,
    };
    BUILT
        .iter()
        .chain(UNBUILT.iter())
        .find(|known| **known == name)
        .copied()
        .ok_or_else(|| VerbError::Unknown { verb: name.chars().take(MAX_NAME_CHARS).collect() })
}

const BUILT: [&str; 17] = [
    "answer",
    "conference",
    "config",
    "dequeue",
    "dial",
    "dtmf",
    "enqueue",
    "hangup",
    "leave",
    "pause",
    "play",
    "redirect",
    "say",
    "sip:decline",
    "sip:refer",
    "sip:request",
    "tag",
];

/// Verbs of the contract that wait for their turn.
const UNBUILT: [&str; 24] = [
    "agent",
    "alert",
    "deepgram_s2s",
    "dialogflow",
    "dub",
    "elevenlabs_s2s",
    "gather",
    "google_s2s",
    "gptlive_s2s",
    "lex",
    "listen",
    "llm",
    "message",
    "microsoft_s2s",
    "openai_s2s",
    "pipeline",
    "qwen_s2s",
    "rasa",
    "s2s",
    "stream",
    "transcribe",
    "transfer",
    "ultravox_s2s",
    "voiceagent_s2s",
];

const MAX_VERBS: usize = 1000;
const MAX_NAME_CHARS: usize = 64;
const MAX_LOGGED: usize = 20;

#[cfg(test)]
mod tests;
