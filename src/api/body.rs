//! Reading request bodies (contract rest.md §1.4): JSON or a form, anything else counts as `{}`.
//!
//! A handler decides when a bad body is refused: after scope and sids, which come first.

use std::marker::PhantomData;

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::AppState;
use super::describe::{BodyShape, Extracts, Operation};
use super::error::ApiError;
use crate::model::Fields;

/// The body of a request, already read and parsed, refused only when it is asked for. `T` describes
/// it in the API document. Not `Debug`: it may hold secrets.
pub struct Body<T>(Result<Value, ApiError>, PhantomData<fn() -> T>);

impl<T: BodyShape> Extracts for Body<T> {
    fn describe(operation: &mut Operation) {
        T::describe(operation);
    }
}

impl<T> Body<T> {
    /// The properties of an object. An array is refused.
    pub fn fields(self) -> Result<Fields, ApiError> {
        match self.0? {
            Value::Object(map) => Ok(Fields::new(map)),
            _ => Err(ApiError::bad_request("the body must be an object")),
        }
    }

    /// An object or an array.
    pub fn value(self) -> Result<Value, ApiError> {
        self.0
    }
}

impl<T: 'static> FromRequest for Body<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let http = request
            .app_data::<web::Data<AppState>>()
            .map(|state| (state.config.http.max_body_bytes, state.config.http.request_timeout));
        let (limit, patience) = http.unwrap_or_default();
        let kind = Kind::of(request);
        let payload = payload.take();
        Box::pin(async move {
            let value = match tokio::time::timeout(patience, read(payload, limit)).await {
                Ok(Ok(bytes)) => kind.parse(&bytes),
                Ok(Err(error)) => Err(error),
                Err(_) => Err(ApiError::bad_request("the body took too long")),
            };
            Ok(Self(value, PhantomData))
        })
    }
}

/// What is sent beyond the limit is still read for a while, so that the client gets to see the
/// answer instead of a broken connection.
const DRAIN_FACTOR: usize = 16;

async fn read(mut payload: Payload, limit: usize) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::new();
    let mut seen = 0usize;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| ApiError::bad_request("the body ended too early"))?;
        seen = seen.saturating_add(chunk.len());
        if seen > limit.saturating_mul(DRAIN_FACTOR) {
            break;
        }
        if seen <= limit {
            bytes.extend_from_slice(&chunk);
        }
    }
    if seen > limit { Err(ApiError::TooLarge) } else { Ok(bytes) }
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Json,
    Form,
    Other,
}

impl Kind {
    fn of(request: &HttpRequest) -> Self {
        let header = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = header.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
        match essence {
            e if e.eq_ignore_ascii_case("application/json") => Self::Json,
            e if e.eq_ignore_ascii_case("application/x-www-form-urlencoded") => Self::Form,
            _ => Self::Other,
        }
    }

    fn parse(self, bytes: &[u8]) -> Result<Value, ApiError> {
        match self {
            Self::Json if bytes.iter().all(u8::is_ascii_whitespace) => Ok(empty()),
            Self::Json => match serde_json::from_slice(bytes) {
                Ok(value) if is_deeper(&value, MAX_DEPTH) => {
                    Err(ApiError::bad_request("the body is nested too deeply"))
                }
                Ok(value @ (Value::Object(_) | Value::Array(_))) => Ok(value),
                Ok(_) => Err(ApiError::bad_request("the body must be an object or an array")),
                Err(error) => Err(ApiError::bad_request(error.to_string())),
            },
            Self::Form => form(bytes),
            Self::Other => Ok(empty()),
        }
    }
}

/// Objects and arrays inside each other.
const MAX_DEPTH: usize = 64;

/// Whether objects and arrays are nested in more than `most` levels. What is read here is bounded by
/// the parser (128), and so is the recursion.
fn is_deeper(value: &Value, most: usize) -> bool {
    let Some(rest) = most.checked_sub(1) else {
        return value.is_object() || value.is_array();
    };
    match value {
        Value::Array(items) => items.iter().any(|item| is_deeper(item, rest)),
        Value::Object(map) => map.values().any(|item| is_deeper(item, rest)),
        _ => false,
    }
}

fn empty() -> Value {
    Value::Object(Map::new())
}

const MAX_FORM_PAIRS: usize = 1000;
const MAX_FORM_DEPTH: usize = 5;

/// `a=1&b[c]=2` is `{"a":"1","b":{"c":"2"}}`.
fn form(bytes: &[u8]) -> Result<Value, ApiError> {
    let mut root = Map::new();
    for (count, (name, value)) in form_urlencoded::parse(bytes).enumerate() {
        if count >= MAX_FORM_PAIRS {
            return Err(ApiError::bad_request("too many form fields"));
        }
        let (head, tail) = name.split_once('[').unwrap_or((&name, ""));
        let keys: Vec<&str> = std::iter::once(head)
            .chain(
                tail.split('[').map(|key| key.trim_end_matches(']')).filter(|key| !key.is_empty()),
            )
            .collect();
        if keys.len() > MAX_FORM_DEPTH {
            return Err(ApiError::bad_request("form fields are nested too deeply"));
        }
        place(&mut root, &keys, value.into_owned());
    }
    Ok(Value::Object(root))
}

fn place(map: &mut Map<String, Value>, keys: &[&str], value: String) {
    match keys {
        [] => {}
        [key] => _ = map.insert((*key).to_owned(), value.into()),
        [key, rest @ ..] => {
            let entry = map.entry((*key).to_owned()).or_insert_with(empty);
            if !entry.is_object() {
                *entry = empty();
            }
            if let Value::Object(inner) = entry {
                place(inner, rest, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn forms_become_objects() {
        let parsed = form(b"name=a%20b&call_hook[url]=http%3A%2F%2Fx&call_hook[method]=GET&name=c");
        let expected = json!({"name": "c", "call_hook": {"url": "http://x", "method": "GET"}});
        assert_eq!(parsed, Ok(expected));
        assert_eq!(form(b""), Ok(json!({})));
        assert_eq!(form(b"a=1&a[b]=2"), Ok(json!({"a": {"b": "2"}})));
    }

    #[test]
    fn forms_are_bounded() {
        let nested = format!("a{}=1", "[b]".repeat(MAX_FORM_DEPTH));
        assert!(form(nested.as_bytes()).is_err());
        let many = "a=1&".repeat(MAX_FORM_PAIRS + 1);
        assert!(form(many.as_bytes()).is_err());
    }

    #[test]
    fn json_is_an_object_or_an_array() {
        assert_eq!(Kind::Json.parse(b""), Ok(json!({})));
        assert_eq!(Kind::Json.parse(b"[1]"), Ok(json!([1])));
        for bad in [&b"{"[..], b"5", b"\"a\"", b"\xff", b"{\"a\":1}x"] {
            assert!(matches!(Kind::Json.parse(bad), Err(ApiError::BadRequest(_))), "{bad:?}");
        }
        assert_eq!(Kind::Other.parse(b"<xml/>"), Ok(json!({})));
        let deep = "[".repeat(10_000);
        assert!(Kind::Json.parse(deep.as_bytes()).is_err());
    }

    #[test]
    fn json_is_nested_in_so_many_levels_and_no_more() {
        let nested = |open: &str, close: &str, levels| {
            format!("{}1{}", open.repeat(levels), close.repeat(levels))
        };
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            assert!(Kind::Json.parse(nested(open, close, MAX_DEPTH).as_bytes()).is_ok());
            let refused = Kind::Json.parse(nested(open, close, MAX_DEPTH + 1).as_bytes());
            assert_eq!(refused, Err(ApiError::bad_request("the body is nested too deeply")));
        }
    }
}
