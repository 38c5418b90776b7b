//! Reading one property of a request body, and what can be wrong with it. The texts in `BadCall`
//! are the API's literals where the contract names one (contract rest.md §2.3).

use serde_json::{Map, Value};
use url::Url;

use super::SipHeaders;
use crate::model::Hook;

/// Why a body for creating or changing a call is refused: always a 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCall {
    #[error("body must be an object")]
    NotAnObject,
    #[error("missing from parameter")]
    MissingFrom,
    #[error("missing or invalid to property: {0}")]
    To(&'static str),
    #[error("application_sid not found: {0}")]
    ApplicationNotFound(String),
    #[error("one of application_sid, call_hook and app_json is required")]
    NoApplication,
    #[error("{name} {problem}")]
    Property { name: &'static str, problem: String },
    /// A bad value of an update command whose text the contract fixes as `invalid <name>`.
    #[error("invalid {0}")]
    Invalid(&'static str),
    #[error("no valid options supplied to updateCall")]
    NoOption,
    #[error("multiple options are not allowed in updateCall")]
    ManyOptions,
}

impl BadCall {
    pub(super) fn property(name: &'static str, problem: impl Into<String>) -> Self {
        Self::Property { name, problem: problem.into() }
    }
}

/// One JSON object of a request; `null` values count as absent (contract rest.md §2.3.1).
#[derive(Clone, Copy)]
pub(super) struct Body<'a>(&'a Map<String, Value>);

impl<'a> Body<'a> {
    pub(super) fn new(value: &'a Value) -> Option<Self> {
        value.as_object().map(Self)
    }

    pub(super) fn value(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(self, name: &'static str) -> Result<Option<&'a str>, BadCall> {
        self.text_up_to(name, MAX_TEXT_BYTES)
    }

    pub(super) fn text_up_to(
        self,
        name: &'static str,
        max_bytes: usize,
    ) -> Result<Option<&'a str>, BadCall> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let text = value.as_str().ok_or_else(|| BadCall::property(name, "must be a string"))?;
        if text.len() > max_bytes {
            return Err(BadCall::property(name, "is too long"));
        }
        Ok(Some(text))
    }

    /// A text that ends in a SIP header: no control characters.
    pub(super) fn line(self, name: &'static str) -> Result<Option<&'a str>, BadCall> {
        let text = self.text(name)?;
        if text.is_some_and(|text| text.chars().any(char::is_control)) {
            return Err(BadCall::property(name, "must not contain control characters"));
        }
        Ok(text)
    }

    /// A whole number; `60`, `60.0` and `"60"` are the same (contract rest.md §1.4).
    pub(super) fn whole(self, name: &'static str) -> Result<Option<u64>, BadCall> {
        let Some(value) = self.value(name) else { return Ok(None) };
        whole(value)
            .map(Some)
            .ok_or_else(|| BadCall::property(name, "must be a non-negative whole number"))
    }

    pub(super) fn flag(self, name: &'static str) -> Result<Option<bool>, BadCall> {
        match self.value(name) {
            None => Ok(None),
            Some(value) => flag(value)
                .map(Some)
                .ok_or_else(|| BadCall::property(name, "must be true or false")),
        }
    }

    pub(super) fn object(self, name: &'static str) -> Result<Option<&'a Value>, BadCall> {
        match self.value(name) {
            Some(value) if !value.is_object() => Err(BadCall::property(name, "must be an object")),
            other => Ok(other),
        }
    }

    pub(super) fn headers(self, name: &'static str) -> Result<SipHeaders, BadCall> {
        match self.value(name) {
            None => Ok(SipHeaders::default()),
            Some(value) => {
                SipHeaders::parse(value).map_err(|problem| BadCall::property(name, problem))
            }
        }
    }

    pub(super) fn hook(self, name: &'static str) -> Result<Option<Hook>, BadCall> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let hook: Hook = serde_json::from_value(value.clone())
            .map_err(|error| BadCall::property(name, error.to_string()))?;
        if hook.url.is_empty() || hook.url.len() > MAX_URL_BYTES {
            return Err(BadCall::property(name, "must have a url of 1 to 1024 characters"));
        }
        Ok(Some(hook))
    }

    /// A hook whose URL must stand alone: `http`, `https`, `ws` or `wss` with a host.
    pub(super) fn absolute_hook(self, name: &'static str) -> Result<Option<Hook>, BadCall> {
        let hook = self.hook(name)?;
        match &hook {
            Some(hook) if !is_hook_url(&hook.url) => {
                Err(BadCall::property(name, "must be an absolute http(s) or ws(s) url"))
            }
            _ => Ok(hook),
        }
    }
}

fn is_hook_url(text: &str) -> bool {
    Url::parse(text)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https" | "ws" | "wss") && url.has_host())
}

/// Reads a non-negative whole number from a JSON number or a numeric string.
fn whole(value: &Value) -> Option<u64> {
    if let Value::String(text) = value {
        return text.parse().ok();
    }
    value.as_u64().or_else(|| {
        let float = value.as_f64()?;
        (float >= 0.0 && float.fract() == 0.0 && float < MAX_EXACT).then_some(float as u64)
    })
}

fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => match number.as_f64()? {
            0.0 => Some(false),
            1.0 => Some(true),
            _ => None,
        },
        Value::String(text) => match text.as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

const MAX_TEXT_BYTES: usize = 4096;
const MAX_URL_BYTES: usize = 1024;
/// Above this a double no longer holds every whole number.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;
