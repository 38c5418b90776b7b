//! What a reader of a body accepts, found out by running it.
//!
//! A reader takes its properties out of [`Fields`] one by one. Run on probing fields it leaves
//! behind which ones it asked for, of what kind, and which it cannot do without: the description
//! in the API document is made of that, so the two cannot differ.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::{Map, Value, json};

use super::{Fields, Invalid};

/// The properties of a body, in the order they are read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shape {
    pub properties: Vec<Property>,
    /// Others are refused.
    pub is_closed: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    pub name: String,
    pub kind: Kind,
    pub is_required: bool,
    pub is_nullable: bool,
}

/// What a property holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Most characters.
    Text(usize),
    /// As text, shown to nobody again.
    Secret(usize),
    Flag,
    Integer {
        min: i64,
        max: i64,
    },
    Date,
    Sid,
    Object,
    OneOf(&'static [&'static str]),
    Hook,
    HookOrUrl,
    /// An array of words of this set.
    Words(&'static [&'static str]),
    Any,
    /// Taken and not looked at: output that a client may send back.
    Ignored,
}

/// Any sid will do, for a reader that only looks at its form.
const SOME_SID: &str = "00000000-0000-4000-8000-000000000000";

impl Kind {
    /// A value of this kind.
    pub fn sample(&self) -> Value {
        match self {
            Self::Text(_) | Self::Secret(_) => json!("sample"),
            Self::Flag => json!(true),
            Self::Integer { min, .. } => json!(min),
            Self::Date => json!("2026-01-01T00:00:00Z"),
            Self::Sid => json!(SOME_SID),
            Self::Object | Self::Any | Self::Ignored => json!({}),
            Self::OneOf(choices) => json!(choices.first()),
            Self::Words(choices) => json!(choices),
            Self::Hook | Self::HookOrUrl => json!({"url": "https://app.example.com/hook"}),
        }
    }
}

/// What probing fields note down. Shared by the fields and whoever probes.
pub(super) type Notes = Rc<RefCell<Shape>>;

/// Runs `read` until it is content, giving it whatever it says is missing. `samples` are values for
/// properties whose grammar a plain sample would not pass.
pub fn probe<T>(
    samples: &[(&str, Value)],
    read: impl Fn(Fields) -> Result<T, Invalid>,
) -> (Shape, Result<(), Invalid>) {
    let mut required = BTreeSet::new();
    let mut given = Map::new();
    loop {
        let notes = Notes::default();
        let outcome = read(Fields::probing(given.clone(), notes.clone()));
        let mut shape = notes.take();
        let missing = match &outcome {
            Err(Invalid::Missing(name) | Invalid::MissingAs { name, .. }) => Some(*name),
            _ => None,
        };
        match missing {
            Some(name) if required.insert(name) => {
                let own = samples.iter().find(|(sample, _)| *sample == name);
                // Null: whoever reads it puts a sample of its kind there.
                given.insert(name.to_owned(), own.map_or(Value::Null, |(_, value)| value.clone()));
            }
            _ => {
                for property in &mut shape.properties {
                    property.is_required = required.contains(property.name.as_str());
                    property.is_nullable &= !property.is_required;
                }
                return (shape, outcome.map(drop));
            }
        }
    }
}

impl Shape {
    pub(super) fn note(&mut self, name: &str, kind: Kind, is_nullable: bool) {
        match self.properties.iter_mut().find(|property| property.name == name) {
            // A more telling reader of the same property wins.
            Some(known) if known.kind == Kind::Any => known.kind = kind,
            Some(_) => {}
            None => self.properties.push(Property {
                name: name.to_owned(),
                kind,
                is_required: false,
                is_nullable,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AccountInput, ApplicationInput, PhoneNumberInput};

    fn required(shape: &Shape) -> Vec<&str> {
        let all = shape.properties.iter().filter(|property| property.is_required);
        all.map(|property| property.name.as_str()).collect()
    }

    #[test]
    fn what_a_reader_cannot_do_without_is_required() {
        let (shape, outcome) = probe(&[], |f| ApplicationInput::create(f, |_| Ok(())));
        assert_eq!(outcome, Ok(()));
        let mut names = required(&shape);
        names.sort_unstable();
        assert_eq!(names, ["call_hook", "name"]);
        assert!(shape.is_closed);
        let (shape, outcome) = probe(&[], PhoneNumberInput::create);
        assert_eq!((required(&shape), outcome), (vec!["number"], Ok(())));
    }

    #[test]
    fn an_update_requires_nothing_and_knows_the_kinds() {
        let (shape, outcome) = probe(&[], AccountInput::update);
        assert_eq!(outcome, Ok(()));
        assert_eq!(required(&shape), Vec::<&str>::new());
        let kind = |name: &str| {
            let found = shape.properties.iter().find(|property| property.name == name);
            found.map(|property| property.kind.clone())
        };
        assert_eq!(kind("name"), Some(Kind::Text(64)));
        assert_eq!(kind("record_format"), Some(Kind::OneOf(&["mp3", "wav"])));
        assert_eq!(kind("registration_hook"), Some(Kind::Hook));
        assert_eq!(kind("created_at"), Some(Kind::Ignored));
    }

    #[test]
    fn samples_are_read_by_the_readers_of_their_kinds() {
        let kinds = [
            Kind::Text(64),
            Kind::Flag,
            Kind::Integer { min: 3, max: 9 },
            Kind::Date,
            Kind::Sid,
            Kind::Object,
            Kind::OneOf(&["a", "b"]),
            Kind::Hook,
            Kind::HookOrUrl,
            Kind::Words(&["a", "b"]),
        ];
        for kind in kinds {
            let mut fields = Fields::new(Map::from_iter([("p".to_owned(), kind.sample())]));
            let is_read = match &kind {
                Kind::Text(max) => fields.text("p", *max).is_ok(),
                Kind::Flag => fields.flag("p").is_ok(),
                Kind::Integer { min, max } => fields.integer("p", *min..=*max).is_ok(),
                Kind::Date => fields.date("p").is_ok(),
                Kind::Sid => fields.sid("p", crate::model::CallSid::parse).is_ok(),
                Kind::Object => fields.object("p").is_ok(),
                Kind::Hook => fields.hook("p").is_ok(),
                Kind::HookOrUrl => fields.hook_or_url("p").is_ok(),
                Kind::Words(words) => {
                    fields.words("p", words, |word| Some(word.to_owned())).is_ok()
                }
                _ => fields.one_of("p", &["a", "b"], |t| (t == "a").then_some(())).is_ok(),
            };
            assert!(is_read, "{kind:?}");
        }
    }
}
