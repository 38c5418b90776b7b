//! `…/RecentCalls`, the records of ended calls (contract rest.md §2.12).

use actix_web::web::{Data, Path};
use serde::Serialize;
use utoipa::ToSchema;

use super::describe::{Param, ParamKind, QueryShape};
use super::error::{ApiError, INSUFFICIENT_PERMISSIONS};
use super::query::{COUNT, DAYS, END, PAGE_OF_RECORDS, START};
use super::recordings::url_of_call;
use super::reply::{Paged, Reply, Wire};
use super::{AppState, Principal, Query};
use crate::model::{
    AccountSid, ApplicationSid, CallRecord, CallSid, Direction, Recording, Scope,
    ServiceProviderSid, Timestamp,
};
use crate::store::CallQuery;

/// How a list is narrowed.
pub(super) struct Narrowed;

impl QueryShape for Narrowed {
    const PARAMS: &'static [Param] = &[
        PAGE_OF_RECORDS,
        COUNT,
        DAYS,
        START,
        END,
        Param::optional(
            "direction",
            ParamKind::OneOf(&["inbound", "outbound"]),
            "seen from the server",
        ),
        Param::optional("answered", ParamKind::Flag, "whether it was answered"),
        Param::optional("trunk", ParamKind::Text, "a carrier's name, user, device or sip"),
        Param::optional("filter", ParamKind::Text, "a part of from or to, or a whole call_sid"),
    ];
}

pub(super) async fn list_of_account(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    query: Query<Narrowed>,
) -> Reply<Paged<RecentCallView>> {
    // Records outlive their account, so an unknown one is an empty list.
    let account = principal.reach_account(&state, &a).await.map_err(ApiError::with_status)?;
    listing(&state, Scope::Account(account), &query).await.map_err(ApiError::with_status)
}

pub(super) async fn list_of_provider(
    principal: Principal,
    state: Data<AppState>,
    sp: Path<String>,
    query: Query<Narrowed>,
) -> Reply<Paged<RecentCallView>> {
    let scope = provider_scope(&principal, &state, &sp).await.map_err(ApiError::with_status)?;
    listing(&state, scope, &query).await.map_err(ApiError::with_status)
}

/// Records of a whole service provider are not for the token of one account.
pub(super) async fn provider_scope(
    principal: &Principal,
    state: &AppState,
    sp: &str,
) -> Result<Scope, ApiError> {
    let provider = principal.require_service_provider(state, sp).await?;
    match principal.scope {
        Scope::Account(_) => Err(ApiError::Forbidden(INSUFFICIENT_PERMISSIONS)),
        Scope::Admin | Scope::ServiceProvider(_) => Ok(Scope::ServiceProvider(provider.sid)),
    }
}

async fn listing(
    state: &AppState,
    scope: Scope,
    query: &Query<Narrowed>,
) -> Reply<Paged<RecentCallView>> {
    let page = query.page_and_count()?;
    let direction = match query.get("direction") {
        None => None,
        Some(text) => Some(Direction::parse(text).ok_or_else(|| wrong("direction"))?),
    };
    let answered = match query.get("answered") {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => return Err(wrong("answered")),
    };
    let narrow = CallQuery {
        window: query.window(Timestamp::now())?,
        direction,
        answered,
        trunk: query.get("trunk").map(str::to_owned),
        filter: query.get("filter").map(str::to_owned),
    };
    let found = state.store.calls().list(scope, &narrow, page).await?;
    let calls: Vec<CallSid> = found.rows.iter().map(|record| record.call_sid).collect();
    let recordings = state.store.recordings().of_calls(&calls).await?;
    Paged::reply(&found, page, |record| {
        let recording = recordings.get(&record.call_sid);
        // A call_sid is the same in one account only, but a table cannot know.
        let recording = recording.filter(|found| found.account_sid == record.account_sid);
        RecentCallView::new(record, recording, state.wire)
    })
}

fn wrong(name: &str) -> ApiError {
    ApiError::bad_request(format!("missing or invalid \"{name}\" query arg"))
}

/// The record of an ended call.
#[derive(Serialize, ToSchema)]
#[schema(as = RecentCall)]
pub(super) struct RecentCallView {
    call_sid: CallSid,
    account_sid: AccountSid,
    service_provider_sid: Option<ServiceProviderSid>,
    application_sid: Option<ApplicationSid>,
    from: String,
    to: String,
    direction: Direction,
    trunk: Option<String>,
    sip_callid: String,
    sip_parent_callid: Option<String>,
    host: Option<String>,
    remote_host: Option<String>,
    attempted_at: String,
    answered_at: Option<String>,
    terminated_at: String,
    answered: bool,
    duration: i64,
    sip_status: u16,
    termination_reason: Option<String>,
    trace_id: Option<String>,
    /// Where its recording is fetched: a path without `/v1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    recording_url: Option<String>,
}

impl RecentCallView {
    fn new(record: &CallRecord, recording: Option<&Recording>, wire: Wire) -> Self {
        Self {
            call_sid: record.call_sid,
            account_sid: record.account_sid,
            service_provider_sid: record.service_provider_sid,
            application_sid: record.application_sid,
            from: wire.number(&record.from),
            to: wire.number(&record.to),
            direction: record.direction,
            trunk: record.trunk.clone(),
            sip_callid: record.sip_callid.clone(),
            sip_parent_callid: record.sip_parent_callid.clone(),
            host: record.host.clone(),
            remote_host: record.remote_host.clone(),
            attempted_at: wire.date(record.attempted_at),
            answered_at: record.answered_at.map(|date| wire.date(date)),
            terminated_at: wire.date(record.terminated_at),
            answered: record.answered_at.is_some(),
            duration: record.duration_s(),
            sip_status: record.sip_status,
            termination_reason: record.termination_reason.clone(),
            trace_id: record.trace_id.clone(),
            recording_url: recording.and_then(url_of_call),
        }
    }
}
