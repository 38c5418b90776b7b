//! `/ServiceProviders` (contract rest.md §2.6).

use actix_web::web::{Data, Path};
use serde_json::{Value, json};

use super::error::{ApiError, INSUFFICIENT_PERMISSIONS};
use super::reply::{self, Reply};
use super::{AppState, Body, Change, Principal};
use crate::model::{Invalid, Scope, ServiceProvider, ServiceProviderInput};

pub(super) async fn list(principal: Principal, state: Data<AppState>) -> Reply {
    let providers = state.store.service_providers().list(principal.scope).await?;
    reply::ok(&providers.iter().map(view).collect::<Vec<_>>())
}

pub(super) async fn read(principal: Principal, state: Data<AppState>, sp: Path<String>) -> Reply {
    let provider = principal.require_service_provider(&state, &sp).await?;
    reply::ok(&view(&provider))
}

pub(super) async fn create(principal: Principal, state: Data<AppState>, body: Body) -> Reply {
    principal.require_admin()?;
    let input = ServiceProviderInput::create(body.fields()?)?;
    state.admit_urls(input.urls()).await?;
    let mut provider = ServiceProvider::new(input.name.clone().ok_or(Invalid::Missing("name"))?);
    input.apply(&mut provider)?;
    state.store.service_providers().create(&provider).await?;
    reply::created(&provider.sid)
}

pub(super) async fn update(
    principal: Principal,
    state: Data<AppState>,
    sp: Path<String>,
    body: Body,
) -> Reply {
    let provider = principal.require_service_provider(&state, &sp).await?;
    if matches!(principal.scope, Scope::Account(_)) {
        return Err(ApiError::Forbidden(INSUFFICIENT_PERMISSIONS));
    }
    let input = ServiceProviderInput::update(body.fields()?)?;
    state.admit_urls(input.urls()).await?;
    state.store.service_providers().update(provider.sid, input).await?;
    reply::no_content()
}

pub(super) async fn delete(principal: Principal, state: Data<AppState>, sp: Path<String>) -> Reply {
    let provider = principal.require_service_provider(&state, &sp).await?;
    principal.require_admin()?;
    for carrier in state.store.service_providers().delete(provider.sid).await? {
        state.announce(Change::Carrier { before: Some(carrier.into()), after: None });
    }
    reply::no_content()
}

fn view(provider: &ServiceProvider) -> Value {
    json!({
        "service_provider_sid": provider.sid,
        "name": provider.name,
        "description": provider.description,
        "root_domain": provider.root_domain,
        "registration_hook": reply::hook(provider.registration_hook.as_ref()),
        "ms_teams_fqdn": provider.ms_teams_fqdn,
        "lcr_sid": null,
    })
}
