//! The few shapes of a successful answer (contract rest.md §1.5, §1.7, §1.8).

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::error::ApiError;
use crate::config::WireStyle;
use crate::model::{Hook, StoredHook, Timestamp, number};
use crate::store::{Listing, Page};

pub const JSON: &str = "application/json; charset=utf-8";

/// What every handler returns.
pub type Reply = Result<HttpResponse, ApiError>;

/// 200 with a body.
pub fn ok(body: &impl Serialize) -> Reply {
    with_status(StatusCode::OK, body)
}

/// 201 `{"sid": …}`
pub fn created(sid: &impl ToString) -> Reply {
    with_status(StatusCode::CREATED, &json!({"sid": sid.to_string()}))
}

pub fn with_status(status: StatusCode, body: &impl Serialize) -> Reply {
    let text = serde_json::to_string(body).map_err(|error| ApiError::internal(&error))?;
    Ok(HttpResponse::build(status).insert_header((CONTENT_TYPE, JSON)).body(text))
}

/// 204
pub fn no_content() -> Reply {
    Ok(HttpResponse::NoContent().finish())
}

/// 202 with the text `Accepted`.
pub fn accepted() -> Reply {
    Ok(HttpResponse::Accepted()
        .insert_header((CONTENT_TYPE, "text/plain; charset=utf-8"))
        .body("Accepted"))
}

/// 200 with an array, or with the envelope of one page.
pub fn list<T>(listing: &Listing<T>, page: Option<Page>, view: impl FnMut(&T) -> Value) -> Reply {
    let rows: Vec<Value> = listing.rows.iter().map(view).collect();
    match page {
        None => ok(&rows),
        Some(page) => ok(&json!({
            "total": listing.total,
            "page": page.number,
            "page_size": page.size,
            "data": rows,
        })),
    }
}

/// How dates and numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wire(pub WireStyle);

impl Wire {
    pub fn date(self, moment: Timestamp) -> String {
        match self.0 {
            WireStyle::Trunkline => moment.to_rfc2822(),
            WireStyle::Jambonz => moment.to_iso8601(),
        }
    }

    /// `null` for a moment that has not come.
    pub fn date_or_null(self, moment: Option<Timestamp>) -> Value {
        moment.map_or(Value::Null, |moment| self.date(moment).into())
    }

    /// A phone number, stored with or without its `+`. What is no E.164 number is left as it is.
    pub fn number(self, stored: &str) -> String {
        let canonical = number::canonical(stored);
        match self.0 {
            _ if !number::is_e164(canonical) => stored.to_owned(),
            WireStyle::Trunkline => format!("+{canonical}"),
            WireStyle::Jambonz => canonical.to_owned(),
        }
    }
}

/// Booleans of stored resources are integers.
pub fn flag(value: bool) -> u8 {
    u8::from(value)
}

/// A hook as accounts and service providers show it: four members.
pub fn hook(stored: Option<&StoredHook>) -> Value {
    stored.map_or(Value::Null, |stored| Value::Object(hook_members(&stored.hook)))
}

/// A hook as applications show it: with its sid.
pub fn hook_with_sid(stored: Option<&StoredHook>) -> Value {
    let Some(StoredHook { sid, hook }) = stored else { return Value::Null };
    let mut members = Map::from_iter([("webhook_sid".to_owned(), sid.to_string().into())]);
    members.extend(hook_members(hook));
    Value::Object(members)
}

fn hook_members(hook: &Hook) -> Map<String, Value> {
    Map::from_iter([
        ("url".to_owned(), hook.url.clone().into()),
        ("method".to_owned(), hook.method.as_str().into()),
        ("username".to_owned(), hook.username.clone().into()),
        ("password".to_owned(), hook.password.as_ref().map(|p| p.0.clone()).into()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_dates_follow_the_wire_style() {
        let (ours, theirs) = (Wire(WireStyle::Trunkline), Wire(WireStyle::Jambonz));
        assert_eq!(ours.number("15551234567"), "+15551234567");
        assert_eq!(theirs.number("+15551234567"), "15551234567");
        for plain in ["100", "alice", "sip:a@b"] {
            assert_eq!(ours.number(plain), plain);
            assert_eq!(theirs.number(plain), plain);
        }
        let moment = Timestamp::from_millis(0).unwrap();
        assert_eq!(ours.date(moment), "Thu, 01 Jan 1970 00:00:00 +0000");
        assert_eq!(theirs.date(moment), "1970-01-01T00:00:00.000Z");
        assert_eq!(ours.date_or_null(None), Value::Null);
    }
}
