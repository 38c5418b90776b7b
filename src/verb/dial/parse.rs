//! The properties of `dial` (contract verbs.md §3.4).

use std::time::Duration;

use serde_json::Value;

use super::hold::Hold;
use super::keys::{Capture, Keys};
use super::{ChildCall, Course, Dial};
use crate::model::call::{BadCall, SipHeaders, Target, TargetKind};
use crate::model::{Encryption, Hook, HookMethod};
use crate::verb::props::Props;
use crate::verb::{VerbError, listen};

impl Dial {
    /// Calls one registered user and connects the two, as phones of one realm call each other.
    pub fn user(name: String) -> Self {
        let kind = TargetKind::User { name, override_to: None };
        let call = ChildCall::to(Target { kind, auth: None, proxy: None });
        Self { answer_on_bridge: true, ..Self::new(vec![call]) }
    }

    fn new(callees: Vec<ChildCall>) -> Self {
        Self {
            callees,
            action_hook: None,
            answer_on_bridge: false,
            timeout: RING_TIMEOUT,
            time_limit: None,
            music: None,
            refer_hook: None,
            listen: None,
            keys: Keys::default(),
            hold: Hold::default(),
            held_early: Vec::new(),
            without_effect: Vec::new(),
            children: Vec::new(),
            course: Course::New,
            playing: None,
            has_rung: false,
            is_bridged: false,
            is_heard: false,
            leaving: None,
            last: None,
        }
    }

    pub(in crate::verb) fn parse(props: &mut Props<'_>) -> Result<Self, VerbError> {
        let callees = callees(props)?;
        let (timeout, time_limit) = (seconds(props, "timeout")?, seconds(props, "timeLimit")?);
        let keys = keys(props)?;
        let hold = Hold::new(props.hook("onHoldHook")?);
        // The server has the media in hand whatever these say.
        for name in ["anchorMedia", "exitMediaPath"] {
            props.flag(name)?;
        }
        let set = UNBUILT.into_iter().filter(|name| props.value(name).is_some());
        let mut without_effect: Vec<_> = set.collect();
        if props.text("srtpEncryption")?.as_deref() == Some("dtls") {
            without_effect.push("srtpEncryption");
        }
        Ok(Self {
            action_hook: props.hook("actionHook")?,
            answer_on_bridge: props.flag("answerOnBridge")?.unwrap_or_default(),
            timeout: timeout.unwrap_or(RING_TIMEOUT),
            time_limit,
            music: props.text("dialMusic")?.filter(|url| !url.is_empty()),
            refer_hook: props.hook("referHook")?,
            listen: listen::nested(props)?.map(Box::new),
            keys,
            hold,
            without_effect,
            ..Self::new(callees)
        })
    }
}

impl ChildCall {
    fn to(to: Target) -> Self {
        Self {
            to,
            headers: SipHeaders::default(),
            from_user: None,
            from_host: None,
            caller_name: None,
            confirm_hook: None,
            refer_hook: None,
            tag: None,
            forwards_identity: true,
            encryption: None,
            ring_timeout: RING_TIMEOUT,
        }
    }
}

fn callees(props: &mut Props<'_>) -> Result<Vec<ChildCall>, VerbError> {
    const PROBLEM: &str = "must be an array of 1 to 10 targets";
    let value = props.required("target")?;
    let items = match value {
        Value::Array(items) => items.as_slice(),
        Value::Object(_) => std::slice::from_ref(value),
        _ => return Err(props.bad("target", PROBLEM)),
    };
    if items.is_empty() {
        return Err(props.bad("target", PROBLEM));
    }
    let mut distinct: Vec<&Value> = Vec::new();
    for item in items.iter().take(MAX_GIVEN) {
        if !distinct.contains(&item) {
            distinct.push(item);
        }
    }
    let common = common(props)?;
    let calls = distinct.into_iter().take(MAX_TARGETS);
    calls.map(|item| callee(item, common.clone(), props)).collect()
}

/// What is said for all targets; its own target is none yet.
fn common(props: &mut Props<'_>) -> Result<ChildCall, VerbError> {
    let encryption = match props.text("srtpEncryption")?.as_deref() {
        None | Some("dtls") => None,
        Some("sdes") => Some(Encryption::Required),
        Some(_) => return Err(props.bad("srtpEncryption", "must be sdes or dtls")),
    };
    let proxy = props.text("proxy")?.filter(|proxy| !proxy.is_empty());
    let tag = match props.value("tag") {
        None => None,
        Some(Value::Object(tag)) => Some(tag.clone()),
        Some(_) => return Err(props.bad("tag", "must be an object")),
    };
    let nobody = TargetKind::Sip { uri: String::new() };
    Ok(ChildCall {
        headers: props.headers()?,
        from_user: line(props, "callerId")?,
        caller_name: line(props, "callerName")?,
        confirm_hook: props.hook("confirmHook")?,
        refer_hook: props.hook("referHook")?,
        tag,
        forwards_identity: props.flag("forwardPAI")?.unwrap_or(true),
        encryption,
        ring_timeout: seconds(props, "timeout")?.unwrap_or(RING_TIMEOUT) + GRACE,
        ..ChildCall::to(Target { kind: nobody, auth: None, proxy })
    })
}

fn callee(item: &Value, common: ChildCall, props: &Props<'_>) -> Result<ChildCall, VerbError> {
    let bad = |problem: &str| props.bad("target", problem);
    if item.get("type").and_then(Value::as_str) == Some("teams") {
        return Err(bad("of type teams is not supported"));
    }
    let (mut to, own_headers) = Target::parse(item).map_err(|error| match error {
        BadCall::To(problem) => bad(&format!("is not valid: {problem}")),
        other => bad(&other.to_string()),
    })?;
    to.proxy = to.proxy.or_else(|| common.to.proxy.clone());
    let mut headers = common.headers.clone();
    headers.merge(own_headers);
    let mut own_hook = match item.get("confirmHook").filter(|hook| !hook.is_null()) {
        None => None,
        Some(hook) if hook.as_str() == Some("") => None,
        Some(hook) => match serde_json::from_value::<Hook>(hook.clone()) {
            Ok(hook) if !hook.url.is_empty() => Some(hook),
            _ => return Err(bad("has a confirmHook that is none")),
        },
    };
    let method = item.get("method").and_then(Value::as_str);
    if let Some(hook) = &mut own_hook
        && method.is_some_and(|method| method.eq_ignore_ascii_case("GET"))
    {
        hook.method = HookMethod::Get;
    }
    let from = |name: &str| match item.get("from").and_then(|from| from.get(name)) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if is_line(text) => Ok(Some(text.clone())),
        Some(_) => Err(bad("has a from that does not fit a header")),
    };
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    let from_host = from("host")?;
    if from_host.as_ref().is_some_and(|host| !host.bytes().all(fits)) {
        return Err(bad("has a from.host that is no host"));
    }
    Ok(ChildCall {
        to,
        headers,
        from_user: from("user")?.or(common.from_user),
        from_host,
        confirm_hook: own_hook.or(common.confirm_hook),
        ..common
    })
}

fn keys(props: &mut Props<'_>) -> Result<Keys, VerbError> {
    let hook = props.hook("dtmfHook")?;
    let (mut caller, mut child) = (Capture::default(), Capture::default());
    if let Some(value) = props.value("dtmfCapture") {
        let bad = |problem| props.bad("dtmfCapture", problem);
        match value {
            Value::Object(sides) => {
                let of = |name: &str| match sides.get(name).filter(|value| !value.is_null()) {
                    None => Ok(Capture::default()),
                    Some(patterns) => Capture::new(patterns).map_err(bad),
                };
                (caller, child) = (of("parentCall")?, of("childCall")?);
            }
            patterns => {
                caller = Capture::new(patterns).map_err(bad)?;
                child = caller.clone();
            }
        }
    }
    Ok(Keys { hook, caller, child })
}

fn seconds(props: &mut Props<'_>, name: &'static str) -> Result<Option<Duration>, VerbError> {
    let seconds = props.number_or_text(name)?.filter(|seconds| *seconds > 0.0);
    Ok(seconds.map(|seconds| Duration::from_secs_f64(seconds.min(MAX_SECONDS))))
}

/// A text that ends in a header.
fn line(props: &mut Props<'_>, name: &'static str) -> Result<Option<String>, VerbError> {
    let Some(text) = props.text(name)?.filter(|text| !text.is_empty()) else { return Ok(None) };
    if is_line(&text) { Ok(Some(text)) } else { Err(props.bad(name, "does not fit a header")) }
}

fn is_line(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_LINE && !text.chars().any(char::is_control)
}

const UNBUILT: [&str; 5] = ["transcribe", "dub", "amd", "boostAudioSignal", "codecs"];
const RING_TIMEOUT: Duration = Duration::from_secs(60);
/// A child waits a little longer than its parent, who is to decide.
const GRACE: Duration = Duration::from_secs(5);
const MAX_TARGETS: usize = 10;
/// Beyond these many even duplicates are not looked at.
const MAX_GIVEN: usize = 100;
const MAX_LINE: usize = 256;
/// A year.
const MAX_SECONDS: f64 = 366.0 * 24.0 * 3600.0;
