//! The bodies of hook requests (contract verbs.md §1.4, §1.5, §1.7, §3.5). Payload shapes live
//! here only.

mod queue;

use std::sync::Arc;

use serde_json::{Map, Value, json};
use time::OffsetDateTime;

pub use self::queue::{QueueChange, QueueStatus};
pub use super::facts::{BaseFields, CallFacts};
use super::queue::StatusPayload;
use super::snake_case::wire_keys;
use crate::model::AccountSid;
use crate::model::call::{Direction, SpeechDefaults};

/// An INVITE in plain words, for `session:new` of an inbound call.
#[derive(Clone, PartialEq, Eq)]
pub struct InviteText {
    pub request_uri: String,
    /// User part of the request-URI.
    pub called_number: String,
    /// User of P-Asserted-Identity, else of From.
    pub calling_number: String,
    /// Names as received, long forms, in message order; a name may come more than once.
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// The complete message.
    pub raw: String,
    /// MIME parts of the body: type and content. One for a plain SDP body.
    pub parts: Vec<(String, String)>,
    pub source_address: String,
    pub source_port: u16,
    /// `udp`, `tcp` …
    pub transport: String,
}

/// The message holds the caller's credentials, so it does not print.
impl std::fmt::Debug for InviteText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InviteText").field("request_uri", &self.request_uri).finish_non_exhaustive()
    }
}

/// What `session:new` says beyond the base fields.
#[derive(Clone, Debug, Default)]
pub struct SessionExtras<'a> {
    pub defaults: Option<&'a SpeechDefaults>,
    pub env_vars: Option<&'a Map<String, Value>>,
    pub invite: Option<&'a InviteText>,
}

/// The first request of a session.
pub fn session_new(base: &BaseFields, extras: &SessionExtras<'_>) -> Map<String, Value> {
    let mut map = base.to_map();
    if base.facts.direction == Direction::Inbound {
        let facts = &base.facts;
        map.insert("caller_name".into(), facts.caller_name.as_str().into());
        map.insert("has_recording".into(), false.into());
        // D-5: both pairs of address names.
        map.insert("local_sip_address".into(), facts.fs_sip_address.as_str().into());
        if let Some(ip) = &facts.fs_public_ip {
            map.insert("public_ip".into(), ip.as_str().into());
        }
        map.insert("service_provider_sid".into(), facts.service_provider_sid.to_string().into());
        if let Some(invite) = extras.invite {
            map.insert("sip".into(), sip_object(invite));
        }
    }
    if let Some(speech) = extras.defaults {
        map.insert("defaults".into(), defaults(speech));
    }
    if let Some(vars) = extras.env_vars.filter(|vars| !vars.is_empty()) {
        map.insert("env_vars".into(), Value::Object(vars.clone()));
    }
    wire_keys(map)
}

/// Base fields alone: status events and redirects.
pub fn plain(base: &BaseFields) -> Map<String, Value> {
    wire_keys(base.to_map())
}

/// Base fields and a verb's results.
pub fn action(
    base: &BaseFields,
    results: Map<String, Value>,
    verb_id: Option<&str>,
) -> Map<String, Value> {
    let mut map = base.to_map();
    map.extend(results);
    if let Some(id) = verb_id {
        map.insert("verb_id".into(), id.into());
    }
    wire_keys(map)
}

/// One status event of a conference, about the member concerned (contract verbs.md §3.5).
#[derive(Clone, Debug)]
pub struct ConferenceStatus {
    pub base: Arc<BaseFields>,
    /// `start`, `join`, `leave`, `end` …
    pub event: &'static str,
    pub account: AccountSid,
    pub name: String,
    /// Seconds since the conference started.
    pub duration: f64,
    /// After the event.
    pub members: usize,
    pub time: OffsetDateTime,
}

impl ConferenceStatus {
    /// The body as it goes on the wire; durations are told to the millisecond.
    pub fn to_json(&self) -> Map<String, Value> {
        let mut map = self.base.to_map();
        let duration = (self.duration * 1000.0).round() / 1000.0;
        map.insert("event".into(), self.event.into());
        map.insert("conference_sid".into(), conference_sid(self.account, &self.name).into());
        map.insert("friendly_name".into(), self.name.as_str().into());
        map.insert("duration".into(), json!(duration));
        map.insert("members".into(), self.members.into());
        map.insert("time".into(), iso_8601(self.time).into());
        wire_keys(map)
    }
}

impl StatusPayload for ConferenceStatus {
    fn into_body(self: Box<Self>) -> Map<String, Value> {
        self.to_json()
    }
}

/// The form of a conference's identity that webhooks carry; `event_sid` in the API
/// (contract rest.md §3.1).
pub fn conference_sid(account_sid: AccountSid, name: &str) -> String {
    crate::verb::event_sid(account_sid, name)
}

fn sip_object(invite: &InviteText) -> Value {
    let payload: Vec<Value> = invite
        .parts
        .iter()
        .map(|(kind, content)| json!({"type": kind, "content": content}))
        .collect();
    json!({
        "headers": header_map(&invite.headers),
        "raw": invite.raw,
        "body": invite.body,
        "method": "INVITE",
        "version": "2.0",
        "uri": invite.request_uri,
        "type": "request",
        "calledNumber": invite.called_number,
        "callingNumber": invite.calling_number,
        "payload": payload,
        "source": "network",
        "source_address": invite.source_address,
        "source_port": invite.source_port,
        "protocol": invite.transport,
    })
}

/// Lower-case names; of headers that are not standard ones the received spelling as well (D-6).
/// Repeated headers are joined by commas, as RFC 3261 §7.3.1 allows.
fn header_map(headers: &[(String, String)]) -> Map<String, Value> {
    let mut map = Map::new();
    for (name, value) in headers {
        let lower = name.to_ascii_lowercase();
        if !is_standard(&lower) && *name != lower {
            append(&mut map, name, value);
        }
        append(&mut map, &lower, value);
    }
    map
}

fn append(map: &mut Map<String, Value>, name: &str, value: &str) {
    match map.get_mut(name) {
        Some(Value::String(have)) => {
            have.push_str(", ");
            have.push_str(value);
        }
        _ => {
            map.insert(name.to_owned(), value.into());
        }
    }
}

/// Whether a header belongs to SIP itself; the others are an application's or a carrier's own.
pub(crate) fn is_standard(lower_name: &str) -> bool {
    STANDARD.contains(&lower_name)
}

fn defaults(speech: &SpeechDefaults) -> Value {
    let group = |fields: [(&str, &Option<String>); 4]| {
        let present = fields.into_iter().filter_map(|(name, value)| {
            value.as_ref().map(|value| (name.to_owned(), Value::from(value.as_str())))
        });
        Value::Object(present.collect())
    };
    json!({
        "synthesizer": group([
            ("vendor", &speech.synthesis_vendor),
            ("label", &speech.synthesis_label),
            ("language", &speech.synthesis_language),
            ("voice", &speech.synthesis_voice),
        ]),
        "recognizer": group([
            ("vendor", &speech.recognizer_vendor),
            ("label", &speech.recognizer_label),
            ("language", &speech.recognizer_language),
            ("", &None),
        ]),
    })
}

/// `2026-11-23T19:28:12.000Z`.
fn iso_8601(at: OffsetDateTime) -> String {
    let at = at.to_offset(time::UtcOffset::UTC);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.millisecond()
    )
}

const STANDARD: [&str; 58] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "alert-info",
    "allow",
    "allow-events",
    "authentication-info",
    "authorization",
    "call-id",
    "call-info",
    "contact",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-type",
    "cseq",
    "date",
    "error-info",
    "event",
    "expires",
    "from",
    "history-info",
    "identity",
    "in-reply-to",
    "join",
    "max-forwards",
    "mime-version",
    "min-expires",
    "min-se",
    "organization",
    "p-asserted-identity",
    "p-preferred-identity",
    "path",
    "priority",
    "privacy",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-require",
    "rack",
    "reason",
    "record-route",
    "refer-to",
    "referred-by",
    "replaces",
    "reply-to",
    "require",
    "retry-after",
    "route",
    "rseq",
    "server",
    "session-expires",
    "subject",
    "supported",
    "to",
    "user-agent",
    "via",
    "warning",
];

#[cfg(test)]
mod tests;
