//! `/ServiceProviders` (contract rest.md §2.6).

use actix_web::web::{Data, Path};
use serde::Serialize;
use utoipa::ToSchema;

use super::describe::body;
use super::error::{ApiError, INSUFFICIENT_PERMISSIONS};
use super::reply::{Array, Created, HookView, Json, NoContent, Reply};
use super::snapshot::Snapshot;
use super::{AppState, Body, Change, Principal};
use crate::model::{Invalid, Scope, ServiceProvider, ServiceProviderInput, ServiceProviderSid};

body!(NewServiceProvider = ServiceProviderInput::create);
body!(ServiceProviderUpdate = ServiceProviderInput::update);

pub(super) async fn list(
    principal: Principal,
    state: Data<AppState>,
    kept: Snapshot,
) -> Reply<Array<ServiceProviderView>> {
    let read = async {
        let providers = state.store.service_providers().list(principal.scope).await?;
        Array::reply(&providers.iter().map(ServiceProviderView::new).collect::<Vec<_>>())
    };
    kept.or(&state, principal.scope, read).await
}

pub(super) async fn read(
    principal: Principal,
    state: Data<AppState>,
    sp: Path<String>,
    kept: Snapshot,
) -> Reply<Json<ServiceProviderView>> {
    let read = async {
        let provider = principal.require_service_provider(&state, &sp).await?;
        Json::reply(&ServiceProviderView::new(&provider))
    };
    kept.or(&state, principal.scope, read).await
}

pub(super) async fn create(
    principal: Principal,
    state: Data<AppState>,
    body: Body<NewServiceProvider>,
) -> Reply<Created> {
    principal.require_admin()?;
    let input = ServiceProviderInput::create(body.fields()?)?;
    state.admit_urls(input.urls()).await?;
    let mut provider = ServiceProvider::new(input.name.clone().ok_or(Invalid::Missing("name"))?);
    input.apply(&mut provider)?;
    state.store.service_providers().create(&provider).await?;
    Created::reply(&provider.sid)
}

pub(super) async fn update(
    principal: Principal,
    state: Data<AppState>,
    sp: Path<String>,
    body: Body<ServiceProviderUpdate>,
) -> Reply<NoContent> {
    let provider = principal.require_service_provider(&state, &sp).await?;
    if matches!(principal.scope, Scope::Account(_)) {
        return Err(ApiError::Forbidden(INSUFFICIENT_PERMISSIONS));
    }
    let input = ServiceProviderInput::update(body.fields()?)?;
    state.admit_urls(input.urls()).await?;
    state.store.service_providers().update(provider.sid, input).await?;
    NoContent::reply()
}

pub(super) async fn delete(
    principal: Principal,
    state: Data<AppState>,
    sp: Path<String>,
) -> Reply<NoContent> {
    let provider = principal.require_service_provider(&state, &sp).await?;
    principal.require_admin()?;
    for carrier in state.store.service_providers().delete(provider.sid).await? {
        state.announce(Change::Carrier { before: Some(carrier.into()), after: None });
    }
    NoContent::reply()
}

/// A service provider as it is shown.
#[derive(Serialize, ToSchema)]
#[schema(as = ServiceProvider)]
pub(super) struct ServiceProviderView {
    service_provider_sid: ServiceProviderSid,
    name: String,
    description: Option<String>,
    root_domain: Option<String>,
    registration_hook: Option<HookView>,
    ms_teams_fqdn: Option<String>,
    lcr_sid: Option<String>,
}

impl ServiceProviderView {
    pub(super) fn new(provider: &ServiceProvider) -> Self {
        Self {
            service_provider_sid: provider.sid,
            name: provider.name.clone(),
            description: provider.description.clone(),
            root_domain: provider.root_domain.clone(),
            registration_hook: HookView::of_any(provider.registration_hook.as_ref()),
            ms_teams_fqdn: provider.ms_teams_fqdn.clone(),
            lcr_sid: None,
        }
    }
}
