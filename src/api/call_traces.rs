//! What `…/RecentCalls` has below it: traces and logs of one call. None are kept here, so each is 404,
//! once the one who asks may ask (contract rest.md §2.12).

use actix_web::web::{Data, Path};

use super::error::ApiError;
use super::recent_calls::provider_scope;
use super::reply::{NoContent, Reply};
use super::{AppState, Principal};

pub(super) async fn trace_of_account(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
) -> Reply<NoContent> {
    none_of_account(&principal, &state, &path.0).await
}

pub(super) async fn trace_of_provider(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
) -> Reply<NoContent> {
    none_of_provider(&principal, &state, &path.0).await
}

pub(super) async fn pcap_of_account(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String, String)>,
) -> Reply<NoContent> {
    none_of_account(&principal, &state, &path.0).await
}

pub(super) async fn pcap_of_provider(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String, String)>,
) -> Reply<NoContent> {
    none_of_provider(&principal, &state, &path.0).await
}

pub(super) async fn logs_of_account(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
) -> Reply<NoContent> {
    none_of_account(&principal, &state, &path.0).await
}

pub(super) async fn logs_of_provider(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
) -> Reply<NoContent> {
    none_of_provider(&principal, &state, &path.0).await
}

pub(super) async fn jaeger_of_account(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
) -> Reply<NoContent> {
    none_of_account(&principal, &state, &path.0).await
}

pub(super) async fn jaeger_of_provider(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
) -> Reply<NoContent> {
    none_of_provider(&principal, &state, &path.0).await
}

async fn none_of_account(principal: &Principal, state: &AppState, a: &str) -> Reply<NoContent> {
    // Records outlive their account.
    principal.reach_account(state, a).await.map_err(ApiError::with_status)?;
    Err(ApiError::NotFound.with_status())
}

async fn none_of_provider(principal: &Principal, state: &AppState, sp: &str) -> Reply<NoContent> {
    provider_scope(principal, state, sp).await.map_err(ApiError::with_status)?;
    Err(ApiError::NotFound.with_status())
}
