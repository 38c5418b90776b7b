//! `…/Alerts` (contract rest.md §2.13).

use actix_web::web::{Data, Path};
use serde::Serialize;
use utoipa::ToSchema;

use super::describe::{Param, ParamKind, QueryShape};
use super::error::ApiError;
use super::query::{COUNT, DAYS, END, PAGE_OF_RECORDS, START};
use super::recent_calls::provider_scope;
use super::reply::{Paged, Reply, Wire};
use super::{AppState, Principal, Query};
use crate::model::{AccountSid, AlertRow, Scope, ServiceProviderSid, Timestamp};
use crate::store::AlertQuery;

/// How a list is narrowed.
pub(super) struct Narrowed;

impl QueryShape for Narrowed {
    const PARAMS: &'static [Param] = &[
        PAGE_OF_RECORDS,
        COUNT,
        DAYS,
        START,
        END,
        Param::optional("alert_type", ParamKind::Text, "only of this type"),
    ];
}

pub(super) async fn list_of_account(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    query: Query<Narrowed>,
) -> Reply<Paged<AlertView>> {
    let account = principal.reach_account(&state, &a).await.map_err(ApiError::with_status)?;
    listing(&state, Scope::Account(account), &query).await.map_err(ApiError::with_status)
}

pub(super) async fn list_of_provider(
    principal: Principal,
    state: Data<AppState>,
    sp: Path<String>,
    query: Query<Narrowed>,
) -> Reply<Paged<AlertView>> {
    let scope = provider_scope(&principal, &state, &sp).await.map_err(ApiError::with_status)?;
    listing(&state, scope, &query).await.map_err(ApiError::with_status)
}

async fn listing(
    state: &AppState,
    scope: Scope,
    query: &Query<Narrowed>,
) -> Reply<Paged<AlertView>> {
    let page = query.page_and_count()?;
    let narrow = AlertQuery {
        window: query.window(Timestamp::now())?,
        alert_type: query.get("alert_type").map(str::to_owned),
    };
    let found = state.store.alerts().list(scope, &narrow, page).await?;
    Paged::reply(&found, page, |row| AlertView::new(row, state.wire))
}

/// `detail` and `target_sid` are left out when there is nothing in them.
/// An alert as it is listed.
#[derive(Serialize, ToSchema)]
#[schema(as = Alert)]
pub(super) struct AlertView {
    time: String,
    account_sid: AccountSid,
    service_provider_sid: Option<ServiceProviderSid>,
    alert_type: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_sid: Option<String>,
}

impl AlertView {
    fn new(row: &AlertRow, wire: Wire) -> Self {
        let alert = &row.alert;
        Self {
            time: wire.date(row.time),
            account_sid: alert.account_sid,
            service_provider_sid: row.service_provider_sid,
            alert_type: alert.alert_type.as_str(),
            message: alert.message.clone(),
            detail: alert.detail.clone(),
            target_sid: alert.target_sid.clone(),
        }
    }
}
