//! The few shapes of a successful answer (contract rest.md §1.5, §1.7, §1.8). Each is a type that
//! makes the answer and describes it.

use std::marker::PhantomData;

use actix_web::body::{BoxBody, MessageBody as _};
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, Responder};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::describe::{Answers, Operation};
use super::error::ApiError;
use crate::config::WireStyle;
use crate::model::{StoredHook, Timestamp, WebhookSid, number};
use crate::store::{Listing, Page};

pub const JSON: &str = "application/json; charset=utf-8";

const TEXT: &str = "text/plain; charset=utf-8";

/// What every handler returns; `T` is the shape of its success: [`Json`], [`Listed`], [`Created`],
/// [`NoContent`], [`Accepted`].
pub type Reply<T> = Result<Answer<T>, ApiError>;

/// A response of shape `T`.
#[derive(Debug)]
pub struct Answer<T>(HttpResponse, PhantomData<fn() -> T>);

impl<T> Answer<T> {
    /// 200 with JSON that is written already.
    pub(super) fn written(body: Bytes) -> Self {
        let response = HttpResponse::Ok().insert_header((CONTENT_TYPE, JSON)).body(body);
        Self(response, PhantomData)
    }

    /// The same, after its body was shown, if it is a 200 whose body is all there.
    pub(super) fn showing_body(self, show: impl FnOnce(Bytes)) -> Self {
        let Self(response, shape) = self;
        if response.status() != StatusCode::OK {
            return Self(response, shape);
        }
        let (head, body) = response.into_parts();
        let body = match body.try_into_bytes() {
            Ok(bytes) => {
                show(bytes.clone());
                BoxBody::new(bytes)
            }
            Err(body) => body,
        };
        Self(head.set_body(body), shape)
    }
}

impl<T> Responder for Answer<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.0
    }
}

impl<T: Answers> Answers for Reply<T> {
    fn describe(operation: &mut Operation) {
        T::describe(operation);
    }
}

/// A response that is no JSON object of the API: health, metrics, the document itself.
impl Answers for HttpResponse {
    fn describe(operation: &mut Operation) {
        operation.answer(200, "as asked for", None);
    }
}

fn answer<T>(status: StatusCode, body: &impl Serialize) -> Reply<T> {
    let text = serde_json::to_string(body).map_err(|error| ApiError::internal(&error))?;
    let response = HttpResponse::build(status).insert_header((CONTENT_TYPE, JSON)).body(text);
    Ok(Answer(response, PhantomData))
}

/// 200 with an object, or whatever else `T` is as JSON.
#[derive(Debug)]
pub struct Json<T>(PhantomData<T>);

impl<T: Serialize> Json<T> {
    pub fn reply(body: &T) -> Reply<Self> {
        answer(StatusCode::OK, body)
    }
}

impl<T: ToSchema> Answers for Json<T> {
    fn describe(operation: &mut Operation) {
        let schema = operation.schema_of::<T>();
        operation.answer(200, "as asked for", Some(("application/json", schema)));
    }
}

/// 200 with an array of `T`.
#[derive(Debug)]
pub struct Array<T>(PhantomData<T>);

impl<T: Serialize> Array<T> {
    pub fn reply(rows: &[T]) -> Reply<Self> {
        answer(StatusCode::OK, &rows)
    }
}

impl<T: ToSchema> Answers for Array<T> {
    fn describe(operation: &mut Operation) {
        let schema = json!({"type": "array", "items": operation.schema_of::<T>()});
        operation.answer(200, "the whole list", Some(("application/json", schema)));
    }
}

/// 200 with an array of `T`, or with the envelope of one page when a page is asked for.
#[derive(Debug)]
pub struct Listed<T>(PhantomData<T>);

impl<T: Serialize> Listed<T> {
    pub fn reply<R>(
        listing: &Listing<R>,
        page: Option<Page>,
        view: impl FnMut(&R) -> T,
    ) -> Reply<Self> {
        let rows: Vec<T> = listing.rows.iter().map(view).collect();
        match page {
            None => answer(StatusCode::OK, &rows),
            Some(page) => answer(StatusCode::OK, &Envelope::new(listing.total, page, rows)),
        }
    }
}

impl<T: ToSchema> Answers for Listed<T> {
    fn describe(operation: &mut Operation) {
        let rows = json!({"type": "array", "items": operation.schema_of::<T>()});
        let schema = json!({"oneOf": [rows, envelope_schema(&rows)]});
        operation.answer(200, "the list, or one page of it", Some(("application/json", schema)));
    }
}

/// 200 with the envelope of one page.
#[derive(Debug)]
pub struct Paged<T>(PhantomData<T>);

impl<T: Serialize> Paged<T> {
    pub fn reply<R>(listing: &Listing<R>, page: Page, view: impl FnMut(&R) -> T) -> Reply<Self> {
        let rows: Vec<T> = listing.rows.iter().map(view).collect();
        answer(StatusCode::OK, &Envelope::new(listing.total, page, rows))
    }
}

impl<T: ToSchema> Answers for Paged<T> {
    fn describe(operation: &mut Operation) {
        let rows = json!({"type": "array", "items": operation.schema_of::<T>()});
        let content = ("application/json", envelope_schema(&rows));
        operation.answer(200, "one page", Some(content));
    }
}

#[derive(Serialize)]
struct Envelope<T> {
    total: i64,
    page: u32,
    page_size: u32,
    data: Vec<T>,
}

impl<T> Envelope<T> {
    fn new(total: i64, page: Page, data: Vec<T>) -> Self {
        Self { total, page: page.number, page_size: page.size, data }
    }
}

fn envelope_schema(rows: &Value) -> Value {
    json!({
        "type": "object",
        "required": ["total", "page", "page_size", "data"],
        "properties": {
            "total": {"type": "integer"},
            "page": {"type": "integer"},
            "page_size": {"type": "integer"},
            "data": rows,
        },
    })
}

/// 201 `{"sid": …}`
#[derive(Debug)]
pub struct Created;

impl Created {
    pub fn reply(sid: &impl ToString) -> Reply<Self> {
        answer(StatusCode::CREATED, &json!({"sid": sid.to_string()}))
    }
}

impl Answers for Created {
    fn describe(operation: &mut Operation) {
        let schema = json!({
            "type": "object",
            "required": ["sid"],
            "properties": {"sid": {"type": "string", "format": "uuid"}},
        });
        operation.answer(201, "made", Some(("application/json", schema)));
    }
}

/// 201 with an object.
#[derive(Debug)]
pub struct CreatedAs<T>(PhantomData<T>);

impl<T: Serialize> CreatedAs<T> {
    pub fn reply(body: &T) -> Reply<Self> {
        answer(StatusCode::CREATED, body)
    }
}

impl<T: ToSchema> Answers for CreatedAs<T> {
    fn describe(operation: &mut Operation) {
        let schema = operation.schema_of::<T>();
        operation.answer(201, "made", Some(("application/json", schema)));
    }
}

/// 204
#[derive(Debug)]
pub struct NoContent;

impl NoContent {
    pub fn reply() -> Reply<Self> {
        Ok(Answer(HttpResponse::NoContent().finish(), PhantomData))
    }
}

impl Answers for NoContent {
    fn describe(operation: &mut Operation) {
        operation.answer(204, "done", None);
    }
}

/// 202 with the text `Accepted`.
#[derive(Debug)]
pub struct Accepted;

impl Accepted {
    pub fn reply() -> Reply<Self> {
        let mut response = HttpResponse::Accepted();
        let response = response.insert_header((CONTENT_TYPE, TEXT)).body("Accepted");
        Ok(Answer(response, PhantomData))
    }
}

impl Answers for Accepted {
    fn describe(operation: &mut Operation) {
        let content = ("text/plain", json!({"const": "Accepted"}));
        operation.answer(202, "begun; it goes on after the answer", Some(content));
    }
}

/// 200 with a file of sound, or 206 with parts of it.
#[derive(Debug)]
pub struct SoundFile;

impl SoundFile {
    /// A response that is one already.
    pub(super) fn reply(response: HttpResponse) -> Answer<Self> {
        Answer(response, PhantomData)
    }
}

impl Answers for SoundFile {
    fn describe(operation: &mut Operation) {
        let bytes = json!({"type": "string", "format": "binary"});
        operation.answer(200, "the file", Some(("audio/wav", bytes.clone())));
        operation.answer(200, "the file", Some(("audio/ogg", bytes)));
        operation.answer(206, "the ranges of it that were asked for", None);
        operation.answer(304, "the one who asks has it", None);
    }
}

/// Either of two shapes.
#[derive(Debug)]
pub struct Either<A, B>(PhantomData<(A, B)>);

impl<A, B> Either<A, B> {
    pub fn first(reply: Reply<A>) -> Reply<Self> {
        reply.map(|Answer(response, _)| Answer(response, PhantomData))
    }

    pub fn second(reply: Reply<B>) -> Reply<Self> {
        reply.map(|Answer(response, _)| Answer(response, PhantomData))
    }
}

impl<A: Answers, B: Answers> Answers for Either<A, B> {
    fn describe(operation: &mut Operation) {
        A::describe(operation);
        B::describe(operation);
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

/// A boolean as stored resources show it: 0 or 1.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Flag(u8);

impl From<bool> for Flag {
    fn from(value: bool) -> Self {
        Self(u8::from(value))
    }
}

impl PartialSchema for Flag {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Integer).enum_values(Some([0, 1])).into()
    }
}

impl ToSchema for Flag {}

/// A hook as accounts and service providers show it: four members.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct HookView {
    url: String,
    method: &'static str,
    username: Option<String>,
    password: Option<String>,
}

impl HookView {
    pub fn of(stored: &StoredHook) -> Self {
        let hook = &stored.hook;
        Self {
            url: hook.url.clone(),
            method: hook.method.as_str(),
            username: hook.username.clone(),
            password: hook.password.as_ref().map(|password| password.0.clone()),
        }
    }

    /// `null` where there is none.
    pub fn of_any(stored: Option<&StoredHook>) -> Option<Self> {
        stored.map(Self::of)
    }
}

/// A hook as applications show it: with its sid.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct HookViewWithSid {
    webhook_sid: WebhookSid,
    #[serde(flatten)]
    hook: HookView,
}

impl HookViewWithSid {
    pub fn of(stored: &StoredHook) -> Self {
        Self { webhook_sid: stored.sid, hook: HookView::of(stored) }
    }

    pub fn of_any(stored: Option<&StoredHook>) -> Option<Self> {
        stored.map(Self::of)
    }
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
    }
}
