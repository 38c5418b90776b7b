//! `…/Limits` of accounts and service providers (contract rest.md §2.14).

use actix_web::web::{Data, Path};
use serde::Serialize;
use utoipa::ToSchema;

use super::describe::{Param, ParamKind, QueryShape, body};
use super::error::{ApiError, INSUFFICIENT_PERMISSIONS};
use super::reply::{Array, Created, NoContent, Reply};
use super::{AppState, Body, Principal, Query};
use crate::model::{
    AccountSid, Limit, LimitCategory, LimitInput, LimitOwner, LimitSid, Scope, ServiceProviderSid,
};

body!(NewLimit = LimitInput::create);

/// Which of the limits.
pub(super) struct Narrowed;

impl QueryShape for Narrowed {
    const PARAMS: &'static [Param] = &[Param::optional(
        "category",
        ParamKind::OneOf(LimitCategory::WORDS),
        "only this category's; without it all",
    )];
}

pub(super) async fn list_of_account(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    query: Query<Narrowed>,
) -> Reply<Array<AccountLimitView>> {
    let list = async {
        let account_sid = principal.require_account(&state, &a).await?.sid;
        let found = find(&principal, &state, LimitOwner::Account(account_sid), &query).await?;
        let views = found.into_iter().map(|limit| AccountLimitView {
            account_limits_sid: limit.sid,
            account_sid,
            category: limit.category,
            quantity: limit.quantity,
        });
        Array::reply(&views.collect::<Vec<_>>())
    };
    list.await.map_err(ApiError::with_status)
}

pub(super) async fn set_of_account(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    body: Body<NewLimit>,
) -> Reply<Created> {
    let owner = of_account(&principal, &state, &a).await.map_err(ApiError::with_status)?;
    set(&principal, &state, owner, body).await.map_err(ApiError::with_status)
}

pub(super) async fn delete_of_account(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    query: Query<Narrowed>,
) -> Reply<NoContent> {
    let owner = of_account(&principal, &state, &a).await.map_err(ApiError::with_status)?;
    delete(&principal, &state, owner, &query).await.map_err(ApiError::with_status)
}

pub(super) async fn list_of_provider(
    principal: Principal,
    state: Data<AppState>,
    sp: Path<String>,
    query: Query<Narrowed>,
) -> Reply<Array<ServiceProviderLimitView>> {
    let list = async {
        let service_provider_sid = provider(&principal, &state, &sp).await?;
        let owner = LimitOwner::ServiceProvider(service_provider_sid);
        let found = find(&principal, &state, owner, &query).await?;
        let views = found.into_iter().map(|limit| ServiceProviderLimitView {
            service_provider_limits_sid: limit.sid,
            service_provider_sid,
            category: limit.category,
            quantity: limit.quantity,
        });
        Array::reply(&views.collect::<Vec<_>>())
    };
    list.await.map_err(ApiError::with_status)
}

pub(super) async fn set_of_provider(
    principal: Principal,
    state: Data<AppState>,
    sp: Path<String>,
    body: Body<NewLimit>,
) -> Reply<Created> {
    let owner = of_provider(&principal, &state, &sp).await.map_err(ApiError::with_status)?;
    set(&principal, &state, owner, body).await.map_err(ApiError::with_status)
}

pub(super) async fn delete_of_provider(
    principal: Principal,
    state: Data<AppState>,
    sp: Path<String>,
    query: Query<Narrowed>,
) -> Reply<NoContent> {
    let owner = of_provider(&principal, &state, &sp).await.map_err(ApiError::with_status)?;
    delete(&principal, &state, owner, &query).await.map_err(ApiError::with_status)
}

async fn of_account(
    principal: &Principal,
    state: &AppState,
    a: &str,
) -> Result<LimitOwner, ApiError> {
    principal.require_account(state, a).await.map(|account| LimitOwner::Account(account.sid))
}

async fn of_provider(
    principal: &Principal,
    state: &AppState,
    sp: &str,
) -> Result<LimitOwner, ApiError> {
    provider(principal, state, sp).await.map(LimitOwner::ServiceProvider)
}

/// An account is not told what its service provider may have.
async fn provider(
    principal: &Principal,
    state: &AppState,
    sp: &str,
) -> Result<ServiceProviderSid, ApiError> {
    let provider = principal.require_service_provider(state, sp).await?;
    match principal.scope {
        Scope::Account(_) => Err(ApiError::Forbidden(INSUFFICIENT_PERMISSIONS)),
        Scope::Admin | Scope::ServiceProvider(_) => Ok(provider.sid),
    }
}

async fn find(
    principal: &Principal,
    state: &AppState,
    owner: LimitOwner,
    query: &Query<Narrowed>,
) -> Result<Vec<Limit>, ApiError> {
    let category = query.one_of("category", LimitCategory::parse)?;
    let mut found = state.store.limits().list(principal.scope, owner).await?;
    found.retain(|limit| category.is_none_or(|category| limit.category == category));
    Ok(found)
}

async fn set(
    principal: &Principal,
    state: &AppState,
    owner: LimitOwner,
    body: Body<NewLimit>,
) -> Reply<Created> {
    let input = LimitInput::create(body.fields()?)?;
    Created::reply(&state.store.limits().set(principal.scope, owner, input).await?)
}

async fn delete(
    principal: &Principal,
    state: &AppState,
    owner: LimitOwner,
    query: &Query<Narrowed>,
) -> Reply<NoContent> {
    let category = query.one_of("category", LimitCategory::parse)?;
    state.store.limits().delete(principal.scope, owner, category).await?;
    NoContent::reply()
}

/// A limit of an account as it is shown.
#[derive(Serialize, ToSchema)]
#[schema(as = AccountLimit)]
pub(super) struct AccountLimitView {
    account_limits_sid: LimitSid,
    account_sid: AccountSid,
    category: LimitCategory,
    quantity: u32,
}

/// A limit of a service provider as it is shown.
#[derive(Serialize, ToSchema)]
#[schema(as = ServiceProviderLimit)]
pub(super) struct ServiceProviderLimitView {
    service_provider_limits_sid: LimitSid,
    service_provider_sid: ServiceProviderSid,
    category: LimitCategory,
    quantity: u32,
}
