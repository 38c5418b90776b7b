//! Reading the properties of a JSON object, with errors that name the property.
//!
//! Resources take their properties out of [`Fields`] one by one; what is left at
//! [`Fields::finish`] is unknown. The coercions of contract rest.md §1.4 (booleans as `1`/`"0"`,
//! integers as numeric strings) live here and nowhere else.

use std::fmt;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::shape::{Kind, Notes};
use super::{HookInput, Secret, Timestamp};

/// A property of a partial update.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// Not in the body: unchanged.
    #[default]
    Absent,
    /// `null`: cleared, or back to its default.
    Null,
    Value(T),
}

impl<T> Patch<T> {
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// The value given, if one was.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }

    pub fn as_ref(&self) -> Patch<&T> {
        match self {
            Self::Absent => Patch::Absent,
            Self::Null => Patch::Null,
            Self::Value(value) => Patch::Value(value),
        }
    }

    pub fn try_map<U, E>(self, f: impl FnOnce(T) -> Result<U, E>) -> Result<Patch<U>, E> {
        Ok(match self {
            Self::Absent => Patch::Absent,
            Self::Null => Patch::Null,
            Self::Value(value) => Patch::Value(f(value)?),
        })
    }

    /// Writes into a nullable place.
    pub fn apply(self, place: &mut Option<T>) {
        match self {
            Self::Absent => {}
            Self::Null => *place = None,
            Self::Value(value) => *place = Some(value),
        }
    }

    /// Writes into a place that always holds something; `null` puts the default back.
    pub fn apply_or(self, default: impl FnOnce() -> T, place: &mut T) {
        match self {
            Self::Absent => {}
            Self::Null => *place = default(),
            Self::Value(value) => *place = value,
        }
    }
}

/// Why a body was refused. The text is what the client sees in `msg`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    #[error("missing field {0}")]
    Missing(&'static str),
    /// The same, in words of the contract.
    #[error("{text}")]
    MissingAs { name: &'static str, text: &'static str },
    #[error("unknown property {0}")]
    Unknown(String),
    #[error("{name} must be {expected}")]
    Wrong { name: &'static str, expected: &'static str },
    #[error("{name} must be {}", any_of(choices))]
    NotOneOf { name: &'static str, choices: &'static [&'static str] },
    #[error("{name} must be an array of {}", choices.join(", "))]
    NotWords { name: &'static str, choices: &'static [&'static str] },
    #[error("{name} is longer than {max} characters")]
    TooLong { name: &'static str, max: usize },
    #[error("primary key {0} is immutable")]
    PrimaryKey(&'static str),
    #[error("{0} may not be modified")]
    Fixed(&'static str),
    /// A hook of this property cannot be used.
    #[error("{name} {reason}")]
    Hook { name: &'static str, reason: &'static str },
    /// A value of this property is refused for a reason of its own.
    #[error("{name} {reason}")]
    Refused { name: &'static str, reason: &'static str },
    /// The contract has it, this server does not.
    #[error("{0} is not supported yet")]
    NotYet(&'static str),
    /// The body names something that does not exist, or belongs to someone else.
    #[error("{what} not found for sid {sid}")]
    NoSuch { what: &'static str, sid: String },
    /// A rule whose wording is part of the contract.
    #[error("{0}")]
    Rule(&'static str),
    /// The words of another reader.
    #[error("{0}")]
    Said(String),
    /// A property refused by a grammar that explains itself.
    #[error("{name}: {reason}")]
    Grammar { name: &'static str, reason: String },
}

/// `a, b or c`
fn any_of(words: &[&str]) -> String {
    match words {
        [rest @ .., last] if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

/// The properties of one object, taken out one by one. `Debug` shows names, since values may be
/// secret.
#[derive(Default)]
pub struct Fields {
    map: Map<String, Value>,
    /// Where what is asked for is noted down, when this is not a client's body; see
    /// [`probe`](super::shape::probe).
    notes: Option<Notes>,
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.map.keys()).finish()
    }
}

impl Fields {
    pub fn new(map: Map<String, Value>) -> Self {
        Self { map, notes: None }
    }

    pub(super) fn probing(map: Map<String, Value>, notes: Notes) -> Self {
        Self { map, notes: Some(notes) }
    }

    fn note(&mut self, name: &str, kind: Kind) {
        self.note_nullable(name, kind, true);
    }

    fn note_nullable(&mut self, name: &str, kind: Kind, is_nullable: bool) {
        let Some(notes) = &self.notes else { return };
        if let Some(value @ Value::Null) = self.map.get_mut(name) {
            *value = kind.sample();
        }
        notes.borrow_mut().note(name, kind, is_nullable);
    }

    /// Everything that nobody has taken.
    pub fn into_map(self) -> Map<String, Value> {
        self.map
    }

    pub fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    /// Takes a property as it came.
    pub fn take(&mut self, name: &str) -> Patch<Value> {
        self.note(name, Kind::Any);
        match self.map.shift_remove(name) {
            None => Patch::Absent,
            Some(Value::Null) => Patch::Null,
            Some(value) => Patch::Value(value),
        }
    }

    /// Text of at most `max` characters.
    pub fn text(&mut self, name: &'static str, max: usize) -> Result<Patch<String>, Invalid> {
        self.note(name, Kind::Text(max));
        self.take(name).try_map(|value| match value {
            Value::String(text) if text.chars().count() > max => {
                Err(Invalid::TooLong { name, max })
            }
            Value::String(text) if text.contains('\0') => {
                Err(Invalid::Wrong { name, expected: "text without NUL" })
            }
            Value::String(text) => Ok(text),
            _ => Err(Invalid::Wrong { name, expected: "a string" }),
        })
    }

    /// As [`Fields::text`] with the empty string read as `null`.
    pub fn text_or_empty(
        &mut self,
        name: &'static str,
        max: usize,
    ) -> Result<Patch<String>, Invalid> {
        Ok(match self.text(name, max)? {
            Patch::Value(text) if text.is_empty() => Patch::Null,
            other => other,
        })
    }

    /// As [`Fields::text`], for what must not be printed.
    pub fn secret(&mut self, name: &'static str, max: usize) -> Result<Patch<Secret>, Invalid> {
        self.note(name, Kind::Secret(max));
        self.text(name, max)?.try_map(|text| Ok(Secret(text)))
    }

    /// Text that may be left out of an update but never empty or `null`.
    pub fn name(&mut self, name: &'static str, max: usize) -> Result<Option<String>, Invalid> {
        self.note_nullable(name, Kind::Text(max), false);
        match self.text(name, max)? {
            Patch::Absent => Ok(None),
            Patch::Value(text) if !text.trim().is_empty() => Ok(Some(text)),
            Patch::Null | Patch::Value(_) => {
                Err(Invalid::Wrong { name, expected: "a string that is not empty" })
            }
        }
    }

    /// `true`/`false`, `1`/`0`, and each of them as a string.
    pub fn flag(&mut self, name: &'static str) -> Result<Patch<bool>, Invalid> {
        self.note(name, Kind::Flag);
        self.take(name).try_map(|value| match &value {
            Value::Bool(flag) => Ok(*flag),
            Value::Number(n) if n.as_i64() == Some(1) => Ok(true),
            Value::Number(n) if n.as_i64() == Some(0) => Ok(false),
            Value::String(text) => match text.as_str() {
                "1" | "true" => Ok(true),
                "0" | "false" => Ok(false),
                _ => Err(Invalid::Wrong { name, expected: "a boolean" }),
            },
            _ => Err(Invalid::Wrong { name, expected: "a boolean" }),
        })
    }

    /// An integer, or a string of one.
    pub fn integer(
        &mut self,
        name: &'static str,
        range: RangeInclusive<i64>,
    ) -> Result<Patch<i64>, Invalid> {
        self.note(name, Kind::Integer { min: *range.start(), max: *range.end() });
        self.take(name).try_map(|value| {
            let number = match &value {
                Value::Number(n) => n.as_i64(),
                Value::String(text) => text.trim().parse().ok(),
                _ => None,
            };
            match number {
                Some(n) if range.contains(&n) => Ok(n),
                Some(_) => Err(Invalid::Wrong { name, expected: "an integer in range" }),
                None => Err(Invalid::Wrong { name, expected: "an integer" }),
            }
        })
    }

    /// A number of things, `least` or more.
    pub fn count(&mut self, name: &'static str, least: u32) -> Result<Patch<u32>, Invalid> {
        let range = i64::from(least)..=i64::from(i32::MAX);
        self.integer(name, range)?.try_map(|n| {
            u32::try_from(n).map_err(|_| Invalid::Wrong { name, expected: "an integer in range" })
        })
    }

    /// A date in RFC 2822 or ISO 8601 form.
    pub fn date(&mut self, name: &'static str) -> Result<Patch<Timestamp>, Invalid> {
        self.note(name, Kind::Date);
        self.take(name).try_map(|value| {
            value
                .as_str()
                .and_then(Timestamp::parse)
                .ok_or(Invalid::Wrong { name, expected: "a date in RFC 2822 or ISO 8601 form" })
        })
    }

    /// A sid; `parse` is the `parse` of its type.
    pub fn sid<S>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Option<S>,
    ) -> Result<Patch<S>, Invalid> {
        self.note(name, Kind::Sid);
        self.take(name).try_map(|value| {
            value.as_str().and_then(parse).ok_or(Invalid::Wrong { name, expected: "a sid (UUID)" })
        })
    }

    pub fn object(&mut self, name: &'static str) -> Result<Patch<Map<String, Value>>, Invalid> {
        self.note(name, Kind::Object);
        self.take(name).try_map(|value| match value {
            Value::Object(map) => Ok(map),
            _ => Err(Invalid::Wrong { name, expected: "an object" }),
        })
    }

    /// One of a closed set; `parse` reads it, `choices` lists it.
    pub fn one_of<T>(
        &mut self,
        name: &'static str,
        choices: &'static [&'static str],
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Patch<T>, Invalid> {
        self.note(name, Kind::OneOf(choices));
        self.take(name).try_map(|value| {
            value.as_str().and_then(parse).ok_or(Invalid::NotOneOf { name, choices })
        })
    }

    /// A webhook object (contract rest.md §2.0).
    pub fn hook(&mut self, name: &'static str) -> Result<Patch<HookInput>, Invalid> {
        self.note(name, Kind::Hook);
        self.take(name).try_map(|value| match value {
            Value::Object(map) => HookInput::read(name, map),
            _ => Err(Invalid::Hook { name, reason: "must be an object" }),
        })
    }

    /// A webhook object, or its URL alone.
    pub fn hook_or_url(&mut self, name: &'static str) -> Result<Patch<HookInput>, Invalid> {
        self.note(name, Kind::HookOrUrl);
        self.take(name).try_map(|value| match value {
            Value::Object(map) => HookInput::read(name, map),
            Value::String(_) => HookInput::read(name, Map::from_iter([("url".to_owned(), value)])),
            _ => Err(Invalid::Hook { name, reason: "must be an object or a URL" }),
        })
    }

    /// An array of words of a closed set, each taken once.
    pub fn words<T: PartialEq>(
        &mut self,
        name: &'static str,
        choices: &'static [&'static str],
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Patch<Vec<T>>, Invalid> {
        self.note(name, Kind::Words(choices));
        self.take(name).try_map(|value| {
            let Value::Array(given) = value else {
                return Err(Invalid::Wrong { name, expected: "an array" });
            };
            let mut words = Vec::new();
            for word in &given {
                let word = word.as_str().and_then(&parse);
                let word = word.ok_or(Invalid::NotWords { name, choices })?;
                if !words.contains(&word) {
                    words.push(word);
                }
            }
            Ok(words)
        })
    }

    /// Drops properties that are output only, so that a client may send back what it read.
    pub fn ignore(&mut self, names: &[&str]) {
        for name in names {
            self.note(name, Kind::Ignored);
            self.map.shift_remove(*name);
        }
    }

    /// Refuses a property that this request may not carry.
    pub fn refuse(&self, name: &'static str, why: Invalid) -> Result<(), Invalid> {
        if self.has(name) { Err(why) } else { Ok(()) }
    }

    /// Whatever nobody took is unknown.
    pub fn finish(self) -> Result<(), Invalid> {
        if let Some(notes) = self.notes {
            notes.borrow_mut().is_closed = true;
            return Ok(());
        }
        match self.map.into_iter().next() {
            Some((name, _)) => Err(Invalid::Unknown(name.chars().take(64).collect())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(value: Value) -> Fields {
        let Value::Object(map) = value else { panic!("an object") };
        Fields::new(map)
    }

    #[test]
    fn booleans_come_in_six_spellings() {
        for (value, flag) in [
            (json!(true), true),
            (json!(1), true),
            (json!("1"), true),
            (json!("true"), true),
            (json!(0), false),
            (json!("false"), false),
        ] {
            assert_eq!(fields(json!({"f": value})).flag("f"), Ok(Patch::Value(flag)));
        }
        for value in [json!(2), json!("yes"), json!([]), json!(1.5)] {
            let refused = fields(json!({"f": value})).flag("f").unwrap_err();
            assert_eq!(refused.to_string(), "f must be a boolean");
        }
    }

    #[test]
    fn integers_may_be_numeric_strings_within_range() {
        assert_eq!(fields(json!({"n": "42"})).integer("n", 0..=99), Ok(Patch::Value(42)));
        assert_eq!(fields(json!({"n": null})).integer("n", 0..=99), Ok(Patch::Null));
        for value in [json!(100), json!("x"), json!(1.5), json!(true)] {
            assert!(fields(json!({"n": value})).integer("n", 0..=99).is_err());
        }
    }

    #[test]
    fn text_is_limited_in_characters_not_bytes() {
        assert!(fields(json!({"t": "ä".repeat(64)})).text("t", 64).is_ok());
        let refused = fields(json!({"t": "a".repeat(65)})).text("t", 64).unwrap_err();
        assert_eq!(refused.to_string(), "t is longer than 64 characters");
        assert!(fields(json!({"t": 5})).text("t", 64).is_err());
    }

    #[test]
    fn what_nobody_took_is_unknown() {
        let mut fields = fields(json!({"a": 1, "b": 2, "c": 3}));
        fields.ignore(&["a"]);
        assert_eq!(fields.integer("b", 0..=9), Ok(Patch::Value(2)));
        assert_eq!(fields.finish(), Err(Invalid::Unknown("c".to_owned())));
    }
}
