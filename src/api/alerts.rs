//! `…/Alerts` (contract rest.md §2.13).

use actix_web::web::{Data, Path};
use serde_json::{Value, json};

use super::error::ApiError;
use super::recent_calls::provider_scope;
use super::reply::{self, Reply, Wire};
use super::{AppState, Principal, Query};
use crate::model::{AlertRow, Scope, Timestamp};
use crate::store::AlertQuery;

pub(super) async fn list_of_account(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    query: Query,
) -> Reply {
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

async fn listing(state: &AppState, scope: Scope, query: &Query) -> Reply {
    let page = query.page_and_count()?;
    let narrow = AlertQuery {
        window: query.window(Timestamp::now())?,
        alert_type: query.get("alert_type").map(str::to_owned),
    };
    let found = state.store.alerts().list(scope, &narrow, page).await?;
    reply::list(&found, Some(page), |row| view(row, state.wire))
}

/// `detail` and `target_sid` are left out when there is nothing in them.
fn view(row: &AlertRow, wire: Wire) -> Value {
    let mut view = json!({
        "time": wire.date(row.time),
        "account_sid": row.alert.account_sid,
        "service_provider_sid": row.service_provider_sid,
        "alert_type": row.alert.alert_type.as_str(),
        "message": row.alert.message,
    });
    for (name, value) in [("detail", &row.alert.detail), ("target_sid", &row.alert.target_sid)] {
        if let Some(text) = value {
            view[name] = text.as_str().into();
        }
    }
    view
}
