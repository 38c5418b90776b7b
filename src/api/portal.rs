//! What the portal asks for and this server has nothing of: it is answered, so that the portal shows no
//! errors (contract rest.md §2.9, §2.16, §2.17).

use actix_web::web::{Data, Path};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::describe::{Param, ParamKind, QueryShape, body};
use super::error::ApiError;
use super::reply::{Array, Created, Json, NoContent, Reply};
use super::{AppState, Body, Principal, Query};
use crate::model::{Fields, Invalid, Patch};

pub(super) async fn lcrs(_: Principal) -> Reply<Array<Value>> {
    Array::reply(&[])
}

pub(super) async fn google_custom_voices(_: Principal) -> Reply<Array<Value>> {
    Array::reply(&[])
}

pub(super) async fn teams_tenants(_: Principal) -> Reply<Array<Value>> {
    Array::reply(&[])
}

pub(super) async fn smpps(_: Principal) -> Reply<Array<Value>> {
    Array::reply(&[])
}

pub(super) async fn speech_credentials_of_account(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
) -> Reply<Array<Value>> {
    principal.require_account(&state, &a).await?;
    Array::reply(&[])
}

pub(super) async fn speech_credentials_of_provider(
    principal: Principal,
    state: Data<AppState>,
    sp: Path<String>,
) -> Reply<Array<Value>> {
    principal.require_service_provider(&state, &sp).await?;
    Array::reply(&[])
}

/// Whose languages and voices.
pub(super) struct OfVendor;

impl QueryShape for OfVendor {
    const PARAMS: &'static [Param] =
        &[Param::required("vendor", ParamKind::Text, "a vendor of speech services")];
}

/// What a vendor offers.
#[derive(Default, Serialize, ToSchema)]
pub(super) struct SpeechOffer {
    tts: Vec<Value>,
    stt: Vec<Value>,
    models: Vec<Value>,
    #[serde(rename = "sttModels")]
    stt_models: Vec<Value>,
}

pub(super) async fn voices_of_account(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    query: Query<OfVendor>,
) -> Reply<Json<SpeechOffer>> {
    principal.require_account(&state, &a).await?;
    voices(&query)
}

pub(super) async fn voices_of_provider(
    principal: Principal,
    state: Data<AppState>,
    sp: Path<String>,
    query: Query<OfVendor>,
) -> Reply<Json<SpeechOffer>> {
    principal.require_service_provider(&state, &sp).await?;
    voices(&query)
}

/// Vendors that applications may name.
const VENDORS: &[&str] = &[
    "assemblyai",
    "aws",
    "cartesia",
    "cobalt",
    "deepgram",
    "deepgramflux",
    "elevenlabs",
    "gladia",
    "google",
    "houndify",
    "ibm",
    "inworld",
    "microsoft",
    "nuance",
    "nvidia",
    "openai",
    "playht",
    "resemble",
    "rimelabs",
    "soniox",
    "speechmatics",
    "verbio",
    "voxist",
    "wellsaid",
    "whisper",
];

fn voices(query: &Query<OfVendor>) -> Reply<Json<SpeechOffer>> {
    let vendor = query.get("vendor").unwrap_or_default();
    if !VENDORS.contains(&vendor) && !vendor.starts_with("custom:") {
        return Err(ApiError::unprocessable("missing or unknown vendor"));
    }
    Json::reply(&SpeechOffer::default())
}

/// The cache of spoken text.
#[derive(Serialize, ToSchema)]
pub(super) struct TtsCache {
    size: u64,
}

pub(super) async fn tts_cache(_: Principal) -> Reply<Json<TtsCache>> {
    Json::reply(&TtsCache { size: 0 })
}

pub(super) async fn empty_tts_cache(_: Principal) -> Reply<NoContent> {
    NoContent::reply()
}

pub(super) async fn tts_cache_of_account(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
) -> Reply<Json<TtsCache>> {
    principal.require_account(&state, &a).await?;
    Json::reply(&TtsCache { size: 0 })
}

pub(super) async fn empty_tts_cache_of_account(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
) -> Reply<NoContent> {
    principal.require_account(&state, &a).await?;
    NoContent::reply()
}

body!(NewMessage = check_message);

/// Well-formed messages are refused: nobody here could send them.
pub(super) async fn send_message(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    body: Body<NewMessage>,
) -> Reply<Created> {
    principal.require_account(&state, &a).await?;
    check_message(body.fields()?)?;
    Err(ApiError::Unavailable)
}

/// Longest text of a message, in characters: ten times what a phone shows as one.
const LONGEST_TEXT: usize = 1600;
const LONGEST_ADDRESS: usize = 256;

fn check_message(mut fields: Fields) -> Result<(), Invalid> {
    for name in ["from", "to"] {
        fields.name(name, LONGEST_ADDRESS)?.ok_or(Invalid::Missing(name))?;
    }
    let has_text = !fields.text("text", LONGEST_TEXT)?.is_absent();
    let has_media = match fields.take("media") {
        Patch::Absent | Patch::Null => false,
        Patch::Value(Value::String(_) | Value::Array(_)) => true,
        Patch::Value(_) => {
            return Err(Invalid::Wrong { name: "media", expected: "a URL or an array of them" });
        }
    };
    fields.text("provider", LONGEST_ADDRESS)?;
    if has_text || has_media { Ok(()) } else { Err(Invalid::Missing("text")) }
}
