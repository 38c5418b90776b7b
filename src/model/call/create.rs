//! `POST /Accounts/{sid}/Calls`: the body (contract rest.md §2.3.1, §2.3.2).
//!
//! Unknown properties are ignored, as clients of several ages send them. Properties that belong
//! to features which are not built yet (`amd`, `dual_streams`) are checked for
//! their type and have no effect.

use std::time::Duration;

use serde_json::{Map, Value};

use super::input::Body;
use super::{BadCall, SipHeaders};
use crate::model::{ApplicationSid, Hook, Secret};

#[derive(Clone, Debug, PartialEq)]
pub struct CreateCall {
    /// User part of From.
    pub from: String,
    pub to: Target,
    pub application_sid: Option<ApplicationSid>,
    pub call_hook: Option<Hook>,
    /// JSON text of a verb array; the caller validates it with the verb grammar.
    pub app_json: Option<String>,
    pub call_status_hook: Option<Hook>,
    /// Display name of From.
    pub caller_name: Option<String>,
    /// Host of From.
    pub from_host: Option<String>,
    /// No final answer by then: CANCEL.
    pub timeout: Duration,
    /// Hang up that long after the answer.
    pub time_limit: Option<Duration>,
    /// For the INVITE; the target's own headers are merged in and won.
    pub headers: SipHeaders,
    pub tag: Option<Map<String, Value>>,
    pub speech: SpeechDefaults,
    /// Told of INFO and MESSAGE from the far end.
    pub request_hook: Option<Hook>,
    /// Told of a REFER from the far end.
    pub refer_hook: Option<Hook>,
}

/// Where the call goes, and what any kind of target may add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub kind: TargetKind,
    /// Answers a digest challenge of the far end.
    pub auth: Option<DigestLogin>,
    /// Next hop, a SIP URI.
    pub proxy: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetKind {
    Phone {
        number: String,
        /// Carrier, by name or sid.
        trunk: Option<String>,
    },
    /// A registered user: `name`, or `name@realm`.
    User {
        name: String,
        /// To URI.
        override_to: Option<String>,
    },
    Sip {
        uri: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestLogin {
    pub username: String,
    pub password: Secret,
}

/// Speech settings of an application or a call, as given; empty where nothing was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpeechDefaults {
    pub synthesis_vendor: Option<String>,
    pub synthesis_language: Option<String>,
    pub synthesis_voice: Option<String>,
    pub synthesis_label: Option<String>,
    pub recognizer_vendor: Option<String>,
    pub recognizer_language: Option<String>,
    pub recognizer_label: Option<String>,
}

impl CreateCall {
    /// Reads a request body.
    ///
    /// # Errors
    /// [`BadCall`], whose text goes to the client with a 400.
    pub fn parse(body: &Value) -> Result<Self, BadCall> {
        let call = Self::read(body)?;
        if call.application_sid.is_none() && call.call_hook.is_none() && call.app_json.is_none() {
            return Err(BadCall::NoApplication);
        }
        Ok(call)
    }

    /// The same of a call that needs no application: it enters a conference when it is answered.
    ///
    /// # Errors
    /// As [`CreateCall::parse`].
    pub fn into_room(body: &Value, status_hook: Option<Hook>) -> Result<Self, BadCall> {
        Ok(Self { call_status_hook: status_hook, ..Self::read(body)? })
    }

    fn read(body: &Value) -> Result<Self, BadCall> {
        let body = Body::new(body).ok_or(BadCall::NotAnObject)?;
        let from = body.line("from")?.ok_or(BadCall::MissingFrom)?;
        if from.is_empty() {
            return Err(BadCall::MissingFrom);
        }
        if from.chars().count() > MAX_FROM_CHARS {
            return Err(BadCall::property("from", "must have 1 to 256 characters"));
        }
        let (to, to_headers) = target(body)?;
        let mut headers = body.headers("headers")?;
        headers.merge(to_headers);
        let call = Self {
            from: from.to_owned(),
            to,
            application_sid: application_sid(body)?,
            call_hook: body.absolute_hook("call_hook")?,
            app_json: body.text_of_any_length("app_json")?.map(str::to_owned),
            call_status_hook: body.absolute_hook("call_status_hook")?,
            caller_name: body.line("callerName")?.map(str::to_owned),
            from_host: from_host(body)?,
            timeout: seconds(body, "timeout")?.unwrap_or(DEFAULT_RING_TIMEOUT),
            time_limit: seconds(body, "timeLimit")?,
            headers,
            tag: body.object("tag")?.and_then(Value::as_object).cloned(),
            speech: speech(body)?,
            request_hook: body.hook("sipRequestWithinDialogHook")?,
            refer_hook: body.hook("referHook")?,
        };
        check_unbuilt(body)?;
        Ok(call)
    }
}

impl<'a> Body<'a> {
    /// A string bounded by the request body alone.
    fn text_of_any_length(self, name: &'static str) -> Result<Option<&'a str>, BadCall> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(BadCall::property(name, "must be a string")),
        }
    }
}

fn target(body: Body<'_>) -> Result<(Target, SipHeaders), BadCall> {
    Target::parse(body.value("to").ok_or(BadCall::To("it is required"))?)
}

impl Target {
    /// Reads a target and the headers it adds to the INVITE.
    ///
    /// # Errors
    /// [`BadCall::To`] says what is wrong with it.
    pub fn parse(value: &Value) -> Result<(Self, SipHeaders), BadCall> {
        target_of(Body::new(value).ok_or(BadCall::To("it must be an object"))?)
    }
}

fn target_of(to: Body<'_>) -> Result<(Target, SipHeaders), BadCall> {
    let text = |name, problem| match to.line(name) {
        Ok(Some(text)) if !text.trim().is_empty() => Ok(text.to_owned()),
        _ => Err(BadCall::To(problem)),
    };
    let optional = |name, problem| to.line(name).map_err(|_| BadCall::To(problem));
    let kind = match to.text("type").map_err(|_| BadCall::To("type must be a string"))? {
        Some("phone") => TargetKind::Phone {
            // D-26: public examples give the number as `name`.
            number: text("number", "a phone needs a number")
                .or_else(|bad| text("name", "a phone needs a number").map_err(|_| bad))?,
            trunk: optional("trunk", "trunk must be a string")?.map(str::to_owned),
        },
        Some("user") => TargetKind::User {
            name: text("name", "a user needs a name")?,
            override_to: optional("overrideTo", "overrideTo must be a string")?.map(str::to_owned),
        },
        Some("sip") => TargetKind::Sip { uri: sip_uri(&text("sipUri", "sip needs a sipUri")?)? },
        Some("teams") => return Err(BadCall::To("teams is not supported yet")),
        Some(_) => return Err(BadCall::To("type must be phone, user or sip")),
        None => return Err(BadCall::To("type is required")),
    };
    let auth = match to.value("auth") {
        None => None,
        Some(value) => Some(digest_login(value)?),
    };
    let proxy = optional("proxy", "proxy must be a SIP URI")?.map(sip_uri).transpose()?;
    let headers = to.headers("headers").map_err(|_| BadCall::To("headers must be an object"))?;
    Ok((Target { kind, auth, proxy }, headers))
}

fn sip_uri(text: &str) -> Result<String, BadCall> {
    let scheme = text.split_once(':').map(|(scheme, _)| scheme);
    let known =
        scheme.is_some_and(|s| s.eq_ignore_ascii_case("sip") || s.eq_ignore_ascii_case("sips"));
    let clean = !text.chars().any(|c| c.is_whitespace() || matches!(c, '<' | '>' | '"'));
    if known && clean && text.len() > "sip:".len() {
        Ok(text.to_owned())
    } else {
        Err(BadCall::To("a SIP URI is sip:user@host"))
    }
}

fn digest_login(value: &Value) -> Result<DigestLogin, BadCall> {
    const PROBLEM: BadCall = BadCall::To("auth needs username and password");
    let login = Body::new(value).ok_or(PROBLEM)?;
    let username = login.line("username").ok().flatten().ok_or(PROBLEM)?;
    let password = login.text("password").ok().flatten().ok_or(PROBLEM)?;
    Ok(DigestLogin { username: username.to_owned(), password: Secret(password.to_owned()) })
}

fn application_sid(body: Body<'_>) -> Result<Option<ApplicationSid>, BadCall> {
    let Some(text) = body.text("application_sid")? else { return Ok(None) };
    match ApplicationSid::parse(text) {
        Some(sid) => Ok(Some(sid)),
        None => Err(BadCall::ApplicationNotFound(text.to_owned())),
    }
}

fn from_host(body: Body<'_>) -> Result<Option<String>, BadCall> {
    let Some(host) = body.line("fromHost")? else { return Ok(None) };
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    if host.is_empty() || host.len() > 255 || !host.bytes().all(fits) {
        return Err(BadCall::property("fromHost", "must be a host name or address"));
    }
    Ok(Some(host.to_owned()))
}

fn seconds(body: Body<'_>, name: &'static str) -> Result<Option<Duration>, BadCall> {
    match body.whole(name)? {
        None => Ok(None),
        Some(0) => Err(BadCall::property(name, "must be at least 1")),
        Some(seconds) => Ok(Some(Duration::from_secs(seconds.min(MAX_SECONDS)))),
    }
}

fn speech(body: Body<'_>) -> Result<SpeechDefaults, BadCall> {
    let text = |name| body.text(name).map(|text| text.map(str::to_owned));
    Ok(SpeechDefaults {
        synthesis_vendor: text("speech_synthesis_vendor")?,
        synthesis_language: text("speech_synthesis_language")?,
        synthesis_voice: text("speech_synthesis_voice")?,
        synthesis_label: text("speech_synthesis_label")?,
        recognizer_vendor: text("speech_recognizer_vendor")?,
        recognizer_language: text("speech_recognizer_language")?,
        recognizer_label: text("speech_recognizer_label")?,
    })
}

/// Types of what is accepted without effect.
fn check_unbuilt(body: Body<'_>) -> Result<(), BadCall> {
    body.flag("answerOnBridge")?;
    body.flag("dual_streams")?;
    body.flag("record_all_calls")?;
    if let Some(amd) = body.object("amd")?.and_then(Body::new)
        && amd.hook("actionHook").ok().flatten().is_none()
    {
        return Err(BadCall::property("amd", "needs an actionHook"));
    }
    Ok(())
}

const DEFAULT_RING_TIMEOUT: Duration = Duration::from_secs(60);
const MAX_FROM_CHARS: usize = 256;
/// A year: longer limits mean none, and nothing overflows.
const MAX_SECONDS: u64 = 366 * 24 * 3600;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn good() -> Value {
        json!({
            "from": "15551230000",
            "to": {"type": "user", "name": "alice@sip.example.com"},
            "call_hook": "http://app.example.com/hello",
        })
    }

    #[allow(clippy::needless_pass_by_value, reason = "json! literals read best by value")]
    fn with(changes: Value) -> Result<CreateCall, BadCall> {
        let mut body = good();
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        CreateCall::parse(&body)
    }

    #[test]
    fn a_plain_body_has_the_contract_defaults() {
        let call = CreateCall::parse(&good()).unwrap();
        assert_eq!(call.timeout, Duration::from_secs(60));
        assert_eq!(call.time_limit, None);
        assert_eq!(call.call_hook, Some(Hook::post("http://app.example.com/hello")));
        assert_eq!(
            call.to.kind,
            TargetKind::User { name: "alice@sip.example.com".into(), override_to: None }
        );
    }

    #[test]
    fn each_bad_property_is_refused_with_its_text() {
        let cases = [
            (json!({"from": null}), "missing from parameter"),
            (json!({"from": ""}), "missing from parameter"),
            (json!({"from": 7}), "from must be a string"),
            (json!({"from": "a\r\nb"}), "from must not contain control characters"),
            (json!({"to": null}), "missing or invalid to property: it is required"),
            (json!({"to": "alice"}), "missing or invalid to property: it must be an object"),
            (json!({"to": {"type": "fax"}}), "missing or invalid to property: type must be phone"),
            (json!({"to": {"type": "user"}}), "missing or invalid to property: a user needs a"),
            (json!({"to": {"type": "sip", "sipUri": "http://x"}}), "missing or invalid to"),
            (json!({"to": {"type": "sip", "sipUri": "sip:a b"}}), "missing or invalid to"),
            (json!({"to": {"type": "sip", "sipUri": "sip:a@b", "auth": {}}}), "missing or invalid"),
            (json!({"application_sid": "undefined"}), "application_sid not found"),
            (json!({"call_hook": null}), "one of application_sid, call_hook and app_json"),
            (json!({"call_hook": "/relative"}), "call_hook must be an absolute"),
            (json!({"call_hook": "ftp://a/b"}), "call_hook must be an absolute"),
            (json!({"call_hook": {"method": "GET"}}), "call_hook a hook is a URL"),
            (json!({"call_status_hook": 5}), "call_status_hook a hook is a URL"),
            (json!({"timeout": -1}), "timeout must be a non-negative whole number"),
            (json!({"timeout": 0}), "timeout must be at least 1"),
            (json!({"timeLimit": "soon"}), "timeLimit must be a non-negative whole number"),
            (json!({"tag": ["a"]}), "tag must be an object"),
            (json!({"headers": {"X-A": "a\nb"}}), "headers has a value for X-A"),
            (json!({"fromHost": "a b"}), "fromHost must be a host name"),
            (json!({"amd": {}}), "amd needs an actionHook"),
            (json!({"app_json": [1]}), "app_json must be a string"),
        ];
        for (change, text) in cases {
            let error = with(change.clone()).expect_err(&change.to_string()).to_string();
            assert!(error.starts_with(text), "{change}: {error}");
        }
        assert_eq!(CreateCall::parse(&json!([])), Err(BadCall::NotAnObject));
    }

    #[test]
    fn whole_numbers_come_as_floats_and_strings_too() {
        assert_eq!(with(json!({"timeout": 5.0})).unwrap().timeout, Duration::from_secs(5));
        assert_eq!(with(json!({"timeout": "5"})).unwrap().timeout, Duration::from_secs(5));
        let far = with(json!({"timeLimit": 18_446_744_073_709_551_615_u64})).unwrap();
        assert!(far.time_limit.is_some());
    }

    #[test]
    fn a_phone_may_be_given_by_name_and_target_headers_win() {
        let call = with(json!({
            "to": {"type": "phone", "name": "+15550001111", "headers": {"x-a": "target"}},
            "headers": {"X-A": "call", "X-B": "b"},
        }))
        .unwrap();
        assert_eq!(call.to.kind, TargetKind::Phone { number: "+15550001111".into(), trunk: None });
        assert_eq!(call.headers.iter().collect::<Vec<_>>(), [("X-B", "b"), ("x-a", "target")]);
    }
}
