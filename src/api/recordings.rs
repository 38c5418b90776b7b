//! `…/Recordings`, the sound files of an account, and `…/record/…`, that of an ended call (contract
//! rest.md §2.12).

use std::io::ErrorKind;

use actix_files::NamedFile;
use actix_web::HttpRequest;
use actix_web::http::header::ContentEncoding;
use actix_web::web::{Data, Path, block};
use serde::Serialize;
use utoipa::ToSchema;

use super::describe::{Param, ParamKind, QueryShape};
use super::error::ApiError;
use super::query::{PAGE, PAGE_SIZE};
use super::reply::{Json, NoContent, Paged, Reply, SoundFile, Wire};
use super::{AppState, Principal, Query};
use crate::model::{
    AccountSid, CallSid, ConferenceSid, Recording, RecordingSid, RecordingState, SoundFormat,
    Timestamp,
};
use crate::recording::delete as delete_recording;
use crate::store::{Page, RecordOfCall, RecordingQuery};

/// How a list is narrowed.
pub(super) struct Narrowed;

impl QueryShape for Narrowed {
    const PARAMS: &'static [Param] = &[
        PAGE,
        PAGE_SIZE,
        Param::optional("call_sid", ParamKind::Sid, "only those of this call"),
        Param::optional("conference", ParamKind::Text, "only those of this sid or name"),
    ];
}

const FIRST_PAGE: Page = Page { number: 1, size: 50 };

/// Newest first.
pub(super) async fn list(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    query: Query<Narrowed>,
) -> Reply<Paged<RecordingView>> {
    let account = principal.reach_account(&state, &a).await?;
    let page = query.page()?.unwrap_or(FIRST_PAGE);
    let narrow = RecordingQuery {
        call_sid: query.sid("call_sid", CallSid::parse)?,
        conference: query.get("conference").map(str::to_owned),
    };
    let found = state.store.recordings().list(account, &narrow, page).await?;
    Paged::reply(&found, page, |recording| RecordingView::new(recording, state.wire))
}

pub(super) async fn read(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
) -> Reply<Json<RecordingView>> {
    let recording = find(&principal, &state, &path).await?;
    Json::reply(&RecordingView::new(&recording, state.wire))
}

/// The file, or the ranges of it that are asked for.
pub(super) async fn file(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
    request: HttpRequest,
) -> Reply<SoundFile> {
    let recording = find(&principal, &state, &path).await?;
    require_over(&recording)?;
    send(&state, &recording, &request).await
}

pub(super) async fn delete(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
) -> Reply<NoContent> {
    let recording = find(&principal, &state, &path).await?;
    require_over(&recording)?;
    delete_recording(&state.store, &state.archive, &recording).await?;
    NoContent::reply()
}

/// The file of an ended call, as `recording_url` names it.
pub(super) async fn file_of_call(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String, String, String, String, String)>,
    request: HttpRequest,
) -> Reply<SoundFile> {
    let found = find_of_call(&principal, &state, &path).await;
    let recording = found.map_err(ApiError::with_status)?;
    send(&state, &recording, &request).await.map_err(ApiError::with_status)
}

pub(super) async fn delete_of_call(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String, String, String, String, String)>,
) -> Reply<NoContent> {
    let found = find_of_call(&principal, &state, &path).await;
    let recording = found.map_err(ApiError::with_status)?;
    let deleted = delete_recording(&state.store, &state.archive, &recording).await;
    deleted.map_err(|error| ApiError::from(error).with_status())?;
    NoContent::reply()
}

/// Where the file of a call is fetched: a path without `/v1`.
pub(super) fn url_of_call(recording: &Recording) -> Option<String> {
    let (account, call) = (recording.account_sid, recording.call_sid?);
    let (day, format) = (recording.started_at.to_day_path(), recording.format.as_str());
    Some(format!("/Accounts/{account}/RecentCalls/{call}/record/{day}/{format}"))
}

async fn find(
    principal: &Principal,
    state: &AppState,
    (a, sid): &(String, String),
) -> Result<Recording, ApiError> {
    let account = principal.reach_account(state, a).await?;
    let sid = RecordingSid::parse(sid).ok_or(ApiError::MalformedSid)?;
    state.store.recordings().get(account, sid).await?.ok_or(ApiError::NotFound)
}

async fn find_of_call(
    principal: &Principal,
    state: &AppState,
    (a, call, yyyy, mm, dd, format): &(String, String, String, String, String, String),
) -> Result<Recording, ApiError> {
    // Records outlive their account.
    let account_sid = principal.reach_account(state, a).await?;
    let call_sid = CallSid::parse(call).ok_or(ApiError::MalformedSid)?;
    let day = Timestamp::parse(&format!("{yyyy}-{mm}-{dd}")).ok_or(ApiError::NotFound)?;
    let format = SoundFormat::parse(format).ok_or(ApiError::NotFound)?;
    let of = RecordOfCall { account_sid, call_sid, day, format };
    state.store.recordings().record_of_call(of).await?.ok_or(ApiError::NotFound)
}

fn require_over(recording: &Recording) -> Result<(), ApiError> {
    match recording.state.is_over() {
        true => Ok(()),
        false => Err(ApiError::unprocessable("the recording is not over")),
    }
}

async fn send(state: &AppState, recording: &Recording, request: &HttpRequest) -> Reply<SoundFile> {
    let path = state.archive.file(recording).ok_or(ApiError::NotFound)?;
    let opened = block(|| NamedFile::open(path)).await;
    let opened = opened.map_err(|error| ApiError::internal(&error))?;
    let file = opened.map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => ApiError::NotFound,
        _ => ApiError::internal(&error),
    })?;
    // Packed it would lose its length and its ranges, and sound does not shrink.
    let file = file.set_content_encoding(ContentEncoding::Identity);
    let file = match recording.format.content_type().parse() {
        Ok(kind) => file.set_content_type(kind),
        Err(_) => file,
    };
    Ok(SoundFile::reply(file.into_response(request)))
}

/// A recording as it is shown.
#[derive(Serialize, ToSchema)]
#[schema(as = Recording)]
pub(super) struct RecordingView {
    recording_sid: RecordingSid,
    account_sid: AccountSid,
    /// Of a recording of a call.
    call_sid: Option<CallSid>,
    /// Of a recording of a conference, as its name.
    conference_sid: Option<ConferenceSid>,
    conference_name: Option<String>,
    /// In the folder of the account.
    path: String,
    format: SoundFormat,
    /// Of a call: the left one is what it said, the right one what it heard.
    channels: u8,
    started_at: String,
    /// Seconds.
    duration: u64,
    bytes: u64,
    state: RecordingState,
    /// Where the file is fetched: a path without `/v1`. None while it is being written.
    url: Option<String>,
}

impl RecordingView {
    fn new(recording: &Recording, wire: Wire) -> Self {
        let (account, sid) = (recording.account_sid, recording.sid);
        let url = format!("/Accounts/{account}/Recordings/{sid}/file");
        Self {
            recording_sid: sid,
            account_sid: account,
            call_sid: recording.call_sid,
            conference_sid: recording.conference_sid,
            conference_name: recording.conference_name.clone(),
            path: recording.path.clone(),
            format: recording.format,
            channels: recording.channels,
            started_at: wire.date(recording.started_at),
            duration: recording.duration_ms / 1_000,
            bytes: recording.bytes,
            state: recording.state,
            url: recording.state.is_over().then_some(url),
        }
    }
}
