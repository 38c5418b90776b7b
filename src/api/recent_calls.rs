//! `…/RecentCalls`, the records of ended calls (contract rest.md §2.12).

use actix_web::web::{Data, Path};
use serde_json::{Value, json};

use super::error::{ApiError, INSUFFICIENT_PERMISSIONS};
use super::reply::{self, Reply, Wire};
use super::{AppState, Principal, Query};
use crate::model::{CallRecord, Direction, Scope, Timestamp};
use crate::store::CallQuery;

pub(super) async fn list_of_account(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    query: Query,
) -> Reply {
    // Records outlive their account, so an unknown one is an empty list.
    let account = principal.reach_account(&state, &a).await.map_err(ApiError::with_status)?;
    listing(&state, Scope::Account(account), &query).await.map_err(ApiError::with_status)
}

pub(super) async fn list_of_provider(
    principal: Principal,
    state: Data<AppState>,
    sp: Path<String>,
    query: Query,
) -> Reply {
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

async fn listing(state: &AppState, scope: Scope, query: &Query) -> Reply {
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
    reply::list(&found, Some(page), |record| view(record, state.wire))
}

fn wrong(name: &str) -> ApiError {
    ApiError::bad_request(format!("missing or invalid \"{name}\" query arg"))
}

fn view(record: &CallRecord, wire: Wire) -> Value {
    json!({
        "call_sid": record.call_sid,
        "account_sid": record.account_sid,
        "service_provider_sid": record.service_provider_sid,
        "application_sid": record.application_sid,
        "from": wire.number(&record.from),
        "to": wire.number(&record.to),
        "direction": record.direction.as_str(),
        "trunk": record.trunk,
        "sip_callid": record.sip_callid,
        "sip_parent_callid": record.sip_parent_callid,
        "host": record.host,
        "remote_host": record.remote_host,
        "attempted_at": wire.date(record.attempted_at),
        "answered_at": wire.date_or_null(record.answered_at),
        "terminated_at": wire.date(record.terminated_at),
        "answered": record.answered_at.is_some(),
        "duration": record.duration_s(),
        "sip_status": record.sip_status,
        "termination_reason": record.termination_reason,
        "trace_id": record.trace_id,
    })
}
