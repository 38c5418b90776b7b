//! The properties of one verb, read by type. Remembers what was asked for, so that the rest can
//! be named as unknown. `null` counts as absent.

use serde_json::{Map, Value};

use super::VerbError;
use crate::model::Hook;
use crate::model::call::SipHeaders;

pub(super) struct Props<'a> {
    verb: &'static str,
    map: &'a Map<String, Value>,
    used: Vec<&'static str>,
}

impl<'a> Props<'a> {
    pub(super) fn new(verb: &'static str, map: &'a Map<String, Value>) -> Self {
        Self { verb, map, used: Vec::with_capacity(16) }
    }

    pub(super) fn value(&mut self, property: &'static str) -> Option<&'a Value> {
        self.used.push(property);
        self.map.get(property).filter(|value| !value.is_null())
    }

    pub(super) fn required(&mut self, property: &'static str) -> Result<&'a Value, VerbError> {
        self.value(property).ok_or(VerbError::Missing { verb: self.verb, property })
    }

    pub(super) fn bad(&self, property: &'static str, problem: impl Into<String>) -> VerbError {
        VerbError::Property { verb: self.verb, property, problem: problem.into() }
    }

    pub(super) fn text(&mut self, property: &'static str) -> Result<Option<String>, VerbError> {
        match self.value(property) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(self.bad(property, "must be a string")),
        }
    }

    pub(super) fn flag(&mut self, property: &'static str) -> Result<Option<bool>, VerbError> {
        match self.value(property) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(_) => Err(self.bad(property, "must be a boolean")),
        }
    }

    /// A finite number; text is not one.
    pub(super) fn number(&mut self, property: &'static str) -> Result<Option<f64>, VerbError> {
        match self.value(property) {
            None => Ok(None),
            Some(value) => match value.as_f64() {
                Some(number) if number.is_finite() => Ok(Some(number)),
                _ => Err(self.bad(property, "must be a number")),
            },
        }
    }

    /// A number, also as text (`"30"`).
    pub(super) fn number_or_text(
        &mut self,
        property: &'static str,
    ) -> Result<Option<f64>, VerbError> {
        let number = match self.value(property) {
            None => return Ok(None),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(value) => value.as_f64(),
        };
        match number {
            Some(number) if f64::is_finite(number) => Ok(Some(number)),
            _ => Err(self.bad(property, "must be a number")),
        }
    }

    /// A whole number of at least 0; some clients write it `1.0`.
    pub(super) fn whole(&mut self, property: &'static str) -> Result<Option<u32>, VerbError> {
        match self.value(property) {
            None => Ok(None),
            Some(value) => match whole(value) {
                Some(number) => Ok(Some(number)),
                None => Err(self.bad(property, "must be a whole number")),
            },
        }
    }

    /// A hook; the empty string means none, as it does for the reference implementation.
    pub(super) fn hook(&mut self, property: &'static str) -> Result<Option<Hook>, VerbError> {
        let Some(value) = self.value(property) else { return Ok(None) };
        if value.as_str() == Some("") {
            return Ok(None);
        }
        match serde_json::from_value::<Hook>(value.clone()) {
            Ok(hook) if hook.url.is_empty() => Err(self.bad(property, "has an empty url")),
            Ok(hook) if hook.url.len() > MAX_URL_BYTES => {
                Err(self.bad(property, "has a url that is too long"))
            }
            Ok(hook) => Ok(Some(hook)),
            Err(problem) => Err(self.bad(property, format!("is no hook: {problem}"))),
        }
    }

    pub(super) fn headers(&mut self) -> Result<SipHeaders, VerbError> {
        match self.value("headers") {
            None => Ok(SipHeaders::default()),
            Some(value) => SipHeaders::parse(value).map_err(|p| self.bad("headers", p)),
        }
    }

    /// A string or an array of strings, at least one of them.
    pub(super) fn texts(&mut self, property: &'static str) -> Result<Vec<String>, VerbError> {
        match self.required(property)? {
            Value::String(text) if !text.is_empty() => Ok(vec![text.clone()]),
            Value::Array(items) if !items.is_empty() && items.len() <= MAX_ITEMS => items
                .iter()
                .map(|item| match item {
                    Value::String(text) if !text.is_empty() => Ok(text.clone()),
                    _ => Err(self.bad(property, "must hold strings only")),
                })
                .collect(),
            _ => Err(self.bad(property, "must be a string or a non-empty array of strings")),
        }
    }

    /// Properties that nothing asked for.
    pub(super) fn unused(&self) -> impl Iterator<Item = &'a str> {
        self.map
            .keys()
            .map(String::as_str)
            .filter(|key| !matches!(*key, "verb" | "_") && !self.used.contains(key))
    }
}

/// `3`, `3.0`; not `-1`, `2.5`, `"3"`.
pub(super) fn whole(value: &Value) -> Option<u32> {
    let number = value.as_f64()?;
    (number >= 0.0 && number.fract() == 0.0 && number <= f64::from(u32::MAX))
        .then_some(number as u32)
}

const MAX_URL_BYTES: usize = 4096;
const MAX_ITEMS: usize = 100;
