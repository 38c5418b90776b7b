//! `listen` (`stream`) as an option of another verb: the audio of the call to a WebSocket (contract verbs.md
//! §3.8, §4). Audio from there is not taken yet.

use serde_json::{Map, Value};

use super::props::Props;
use super::{VerbError, props};
use crate::model::Secret;

/// What is streamed, where to and as what.
#[derive(Clone, Debug, PartialEq)]
pub struct Listen {
    /// `ws`, `wss`, `http` or `https`, or relative to the application.
    pub url: String,
    pub mix: MixType,
    /// In hertz.
    pub sample_rate: u32,
    /// For the first message; wins over what it says of the call.
    pub metadata: Option<Map<String, Value>>,
    pub auth: Option<WsAuth>,
    /// The far end's keys as text messages.
    pub pass_dtmf: bool,
    /// In `dial`: of whom it called, not of the call that dials.
    pub is_of_callee: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WsAuth {
    pub username: String,
    pub password: Secret,
}

/// Which audio a message carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MixType {
    /// What the call's peer says.
    #[default]
    Mono,
    /// That and what it hears, added up.
    Mixed,
    /// Both, interleaved: what it says first.
    Stereo,
}

impl MixType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mono => "mono",
            Self::Mixed => "mixed",
            Self::Stereo => "stereo",
        }
    }
}

const RATES: [u32; 6] = [8_000, 16_000, 24_000, 32_000, 48_000, 64_000];
/// Of metadata as JSON, so that a first message stays small.
const MAX_METADATA_BYTES: usize = 64 * 1024;
const MAX_URL_BYTES: usize = 2_048;
const MAX_LOGIN_BYTES: usize = 256;

/// Reads `listen`, or `stream`, of another verb.
pub(super) fn nested(props: &mut Props<'_>) -> Result<Option<Listen>, VerbError> {
    for property in ["listen", "stream"] {
        if let Some(value) = props.value(property) {
            let read = value.as_object().ok_or("must be an object").and_then(read);
            return read.map(Some).map_err(|problem| props.bad(property, problem));
        }
    }
    Ok(None)
}

fn read(listen: &Map<String, Value>) -> Result<Listen, &'static str> {
    let given = |name: &str| listen.get(name).filter(|value| !value.is_null());
    let url = given("url").and_then(Value::as_str).filter(|url| !url.is_empty());
    let url = url.filter(|url| url.len() <= MAX_URL_BYTES).ok_or("needs a url")?;
    let mix = match given("mixType").map(Value::as_str) {
        None | Some(Some("mono")) => MixType::Mono,
        Some(Some("mixed")) => MixType::Mixed,
        Some(Some("stereo")) => MixType::Stereo,
        Some(_) => return Err("has a mixType that is not mono, mixed or stereo"),
    };
    let sample_rate = match given("sampleRate") {
        None => RATES[0],
        Some(rate) => props::whole(rate)
            .filter(|rate| RATES.contains(rate))
            .ok_or("has a sampleRate that is not 8000, 16000, 24000, 32000, 48000 or 64000")?,
    };
    let metadata = match given("metadata") {
        None => None,
        Some(Value::Object(map)) => Some(map.clone()),
        Some(_) => return Err("has metadata that are no object"),
    };
    if metadata.as_ref().is_some_and(|map| written_bytes(map) > MAX_METADATA_BYTES) {
        return Err("has more than 64 KiB of metadata");
    }
    let auth = match given("wsAuth").or_else(|| given("auth")) {
        None => None,
        Some(auth) => Some(login(auth).ok_or("needs username and password in wsAuth")?),
    };
    let pass_dtmf = match given("passDtmf") {
        None => false,
        Some(flag) => flag.as_bool().ok_or("has a passDtmf that is no boolean")?,
    };
    let is_of_callee = match given("channel").map(props::whole) {
        None | Some(Some(1)) => false,
        Some(Some(2)) => true,
        Some(_) => return Err("has a channel that is not 1 or 2"),
    };
    Ok(Listen { url: url.to_owned(), mix, sample_rate, metadata, auth, pass_dtmf, is_of_callee })
}

fn login(auth: &Value) -> Option<WsAuth> {
    let text = |name: &str| {
        let text = auth.get(name).and_then(Value::as_str);
        text.filter(|text| text.len() <= MAX_LOGIN_BYTES).map(str::to_owned)
    };
    Some(WsAuth { username: text("username")?, password: Secret(text("password")?) })
}

fn written_bytes(map: &Map<String, Value>) -> usize {
    serde_json::to_string(map).map_or(0, |text| text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(listen: &Value) -> Result<Listen, &'static str> {
        read(listen.as_object().unwrap())
    }

    #[test]
    fn a_stream_has_defaults_and_two_names_for_its_login() {
        let plain = of(&json!({"url": "/audio"})).unwrap();
        assert_eq!((plain.mix, plain.sample_rate, plain.pass_dtmf), (MixType::Mono, 8_000, false));
        assert!(plain.metadata.is_none() && plain.auth.is_none());
        for name in ["wsAuth", "auth"] {
            let full = of(&json!({
                "url": "wss://a/b", "mixType": "stereo", "sampleRate": 16000, "metadata": {"a": 1},
                name: {"username": "jo", "password": "pw"}, "passDtmf": true, "timeout": 5,
            }));
            let full = full.unwrap();
            assert_eq!((full.mix, full.sample_rate), (MixType::Stereo, 16_000));
            assert_eq!(full.auth.unwrap().password.0, "pw");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for bad in [
            json!({}),
            json!({"url": ""}),
            json!({"url": 5}),
            json!({"url": "/a", "mixType": "left"}),
            json!({"url": "/a", "sampleRate": 11_025}),
            json!({"url": "/a", "metadata": [1]}),
            json!({"url": "/a", "metadata": {"a": "x".repeat(70_000)}}),
            json!({"url": "/a", "wsAuth": {"username": "jo"}}),
            json!({"url": "/a", "passDtmf": "yes"}),
            json!({"url": "/a", "channel": 3}),
        ] {
            assert!(of(&bad).is_err(), "{bad}");
        }
    }
}
