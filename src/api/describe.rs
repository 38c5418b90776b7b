//! How the API document comes about: every handler describes itself.
//!
//! What a handler takes (a [`Principal`](super::Principal), a path, a [`Query`](super::Query), a
//! [`Body`](super::Body)) and what it returns (a [`Reply`](super::Reply)) are types, and each type
//! adds its part to the [`Operation`]. So the document cannot say what the code does not do. Bodies
//! are described by their readers, run on probing fields (`model::shape`).

use actix_web::web::{Data, Path};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use super::AppState;
use crate::model::shape::{Kind, Property, Shape, probe};
use crate::model::{Fields, Invalid};

/// One method of one path, as its handler describes it.
#[derive(Debug, Default)]
pub struct Operation {
    /// Without a token it is 401.
    pub(super) is_secured: bool,
    pub(super) query: &'static [Param],
    pub(super) headers: &'static [Param],
    /// The schema of its body, of type `application/json`.
    pub(super) body: Option<Value>,
    pub(super) answers: Vec<Answered>,
    /// What schemas refer to, by name.
    pub(super) components: Map<String, Value>,
}

/// One way a request can succeed.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) what: &'static str,
    /// Content type and schema.
    pub(super) content: Option<(&'static str, Value)>,
}

/// One query argument, or one header.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    pub name: &'static str,
    pub is_required: bool,
    pub kind: ParamKind,
    pub what: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub enum ParamKind {
    Text,
    /// From, to.
    Integer(i64, i64),
    Flag,
    Date,
    Sid,
    OneOf(&'static [&'static str]),
}

impl Param {
    pub const fn optional(name: &'static str, kind: ParamKind, what: &'static str) -> Self {
        Self { name, is_required: false, kind, what }
    }

    pub const fn required(name: &'static str, kind: ParamKind, what: &'static str) -> Self {
        Self { name, is_required: true, kind, what }
    }
}

/// An argument of a handler.
pub trait Extracts {
    fn describe(operation: &mut Operation);
}

/// What a handler returns.
pub trait Answers {
    fn describe(operation: &mut Operation);
}

/// The query arguments of an operation: the parameter of [`Query`](super::Query).
pub trait QueryShape {
    const PARAMS: &'static [Param];
}

/// The body of an operation: the parameter of [`Body`](super::Body).
pub trait BodyShape {
    fn describe(operation: &mut Operation);
}

impl Extracts for Data<AppState> {
    fn describe(_: &mut Operation) {}
}

/// Parameters of a path are in its pattern.
impl<T> Extracts for Path<T> {
    fn describe(_: &mut Operation) {}
}

impl Extracts for actix_web::HttpRequest {
    fn describe(_: &mut Operation) {}
}

macro_rules! extracts_all {
    ($($name:ident)*) => {
        impl<$($name: Extracts),*> Extracts for ($($name,)*) {
            #[allow(unused_variables, reason = "for the handler without arguments")]
            fn describe(operation: &mut Operation) {
                $($name::describe(operation);)*
            }
        }
    };
}

extracts_all!();
extracts_all!(A);
extracts_all!(A B);
extracts_all!(A B C);
extracts_all!(A B C D);
extracts_all!(A B C D E);
extracts_all!(A B C D E F);

impl Operation {
    /// The schema of a type: a reference to it, with it and all it refers to among the components.
    pub(super) fn schema_of<T: ToSchema>(&mut self) -> Value {
        let mut found: Vec<(String, RefOr<Schema>)> = Vec::new();
        T::schemas(&mut found);
        found.push((T::name().into_owned(), T::schema()));
        for (name, schema) in found {
            // A schema that cannot be written as JSON does not exist.
            self.components.insert(name, serde_json::to_value(schema).unwrap_or_default());
        }
        reference(&T::name())
    }

    /// The body is what `read` takes; `samples` as for [`probe`].
    pub(super) fn body_by_reader<T>(
        &mut self,
        name: &str,
        samples: &[(&str, Value)],
        read: impl Fn(Fields) -> Result<T, Invalid>,
    ) {
        let (shape, outcome) = probe(samples, read);
        debug_assert_eq!(outcome, Ok(()), "{name}");
        self.components.insert(name.to_owned(), shape_schema(&shape));
        let names_hook = |kind: &Kind| matches!(kind, Kind::Hook | Kind::HookOrUrl);
        if shape.properties.iter().any(|property| names_hook(&property.kind)) {
            self.components.insert("HookInput".to_owned(), hook_schema());
        }
        self.body = Some(reference(name));
    }

    /// Says of a body what its reader cannot: a keyword in place of the list of what is required.
    pub(super) fn amend(&mut self, name: &str, keyword: &str, value: Value) {
        if let Some(Value::Object(schema)) = self.components.get_mut(name) {
            schema.remove("required");
            schema.insert(keyword.to_owned(), value);
        }
    }

    pub(super) fn answer(
        &mut self,
        status: u16,
        what: &'static str,
        content: Option<(&'static str, Value)>,
    ) {
        self.answers.push(Answered { status, what, content });
    }
}

pub(super) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// A body that is read by `Fields`: its type, its name in the document, how it is read.
macro_rules! body {
    ($(#[$doc:meta])* $name:ident = $read:expr $(, $sample:literal: $value:expr)* $(,)?) => {
        $(#[$doc])*
        pub(super) struct $name;

        impl $crate::api::describe::BodyShape for $name {
            fn describe(operation: &mut $crate::api::describe::Operation) {
                let samples = [$(($sample, ::serde_json::json!($value))),*];
                operation.body_by_reader(stringify!($name), &samples, $read);
            }
        }
    };
}

pub(super) use body;

fn shape_schema(shape: &Shape) -> Value {
    let properties: Map<String, Value> =
        shape.properties.iter().map(|p| (p.name.clone(), property_schema(p))).collect();
    let required: Vec<&str> =
        shape.properties.iter().filter(|p| p.is_required).map(|p| p.name.as_str()).collect();
    let mut schema = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if shape.is_closed {
        schema["additionalProperties"] = json!(false);
    }
    schema
}

fn property_schema(property: &Property) -> Value {
    let schema = match &property.kind {
        Kind::Text(max) => json!({"type": "string", "maxLength": max}),
        Kind::Secret(max) => json!({"type": "string", "maxLength": max, "writeOnly": true}),
        Kind::Flag => {
            json!({"anyOf": [{"type": "boolean"}, {"enum": [0, 1, "0", "1", "true", "false"]}]})
        }
        Kind::Integer { min, max } => {
            let mut schema = json!({"type": "integer"});
            if *min != i64::MIN {
                schema["minimum"] = json!(min);
            }
            if *max != i64::MAX {
                schema["maximum"] = json!(max);
            }
            schema
        }
        Kind::Date => json!({
            "type": "string",
            "description": "a date in RFC 2822 or ISO 8601 form",
            "examples": [property.kind.sample()],
        }),
        Kind::Sid => json!({"type": "string", "format": "uuid"}),
        Kind::Object => json!({"type": "object"}),
        Kind::OneOf(choices) => json!({"enum": choices}),
        Kind::Hook => reference("HookInput"),
        Kind::HookOrUrl => json!({"anyOf": [
            reference("HookInput"),
            {"type": "string", "format": "uri", "maxLength": 1024},
        ]}),
        Kind::Words(choices) => json!({"type": "array", "items": {"enum": choices}}),
        Kind::Any => json!({}),
        Kind::Ignored => json!({"description": "output; taken back and not looked at"}),
    };
    let takes_null_already = matches!(property.kind, Kind::Any | Kind::Ignored);
    match property.is_nullable && !takes_null_already {
        true => json!({"anyOf": [schema, {"type": "null"}]}),
        false => schema,
    }
}

/// What `HookInput::read` takes.
fn hook_schema() -> Value {
    let (shape, _) = probe(&[], crate::model::HookInput::probe);
    let mut schema = shape_schema(&shape);
    schema["description"] = json!("a webhook; with its webhook_sid it is changed in place");
    schema
}

impl Param {
    /// As it stands in the document; `place` is `query` or `header`.
    pub(super) fn to_json(self, place: &'static str) -> Value {
        let schema = match self.kind {
            ParamKind::Text | ParamKind::Date => json!({"type": "string"}),
            ParamKind::Integer(min, max) => {
                json!({"type": "integer", "minimum": min, "maximum": max})
            }
            ParamKind::Flag => json!({"type": "boolean"}),
            ParamKind::Sid => json!({"type": "string", "format": "uuid"}),
            ParamKind::OneOf(choices) => json!({"enum": choices}),
        };
        json!({
            "name": self.name,
            "in": place,
            "required": self.is_required,
            "description": self.what,
            "schema": schema,
        })
    }
}
