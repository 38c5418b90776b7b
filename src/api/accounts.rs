//! `/Accounts` and the webhook secret (contract rest.md §2.5, §2.14).

use actix_web::web::{Data, Path};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::describe::{Param, ParamKind, QueryShape, body};
use super::error::{ApiError, INSUFFICIENT_PERMISSIONS};
use super::reply::{Array, Created, Flag, HookView, Json, NoContent, Reply, Wire};
use super::snapshot::Snapshot;
use super::{AppState, Body, Change, Principal, Query};
use crate::model::{
    Account, AccountInput, AccountSid, ApplicationSid, Invalid, Scope, ServiceProviderSid,
};

body!(NewAccount = AccountInput::create);
body!(AccountUpdate = AccountInput::update);

pub(super) async fn list(
    principal: Principal,
    state: Data<AppState>,
    kept: Snapshot,
) -> Reply<Array<AccountView>> {
    let read = async {
        let accounts = state.store.accounts().list(principal.scope, None).await?;
        Array::reply(&accounts.iter().map(|a| AccountView::new(a, state.wire)).collect::<Vec<_>>())
    };
    kept.or(&state, principal.scope, read).await
}

pub(super) async fn list_of_provider(
    principal: Principal,
    state: Data<AppState>,
    sp: Path<String>,
    kept: Snapshot,
) -> Reply<Array<AccountView>> {
    let read = async {
        let provider = principal.require_service_provider(&state, &sp).await?;
        let accounts = state.store.accounts().list(principal.scope, Some(provider.sid)).await?;
        Array::reply(&accounts.iter().map(|a| AccountView::new(a, state.wire)).collect::<Vec<_>>())
    };
    kept.or(&state, principal.scope, read).await
}

pub(super) async fn read(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    kept: Snapshot,
) -> Reply<Json<AccountView>> {
    let read = async {
        let account = principal.require_account(&state, &a).await?;
        Json::reply(&AccountView::new(&account, state.wire))
    };
    kept.or(&state, principal.scope, read).await
}

pub(super) async fn create(
    principal: Principal,
    state: Data<AppState>,
    body: Body<NewAccount>,
) -> Reply<Created> {
    if let Scope::Account(_) = principal.scope {
        return Err(ApiError::Forbidden(INSUFFICIENT_PERMISSIONS));
    }
    let input = AccountInput::create(body.fields()?)?;
    state.admit_urls(input.urls()).await?;
    let provider = principal.scope.service_provider().or(input.service_provider_sid);
    let provider = provider.ok_or(Invalid::Missing("service_provider_sid"))?;
    let name = input.name.clone().ok_or(Invalid::Missing("name"))?;
    let mut account = Account::new(provider, name);
    input.apply(&mut account)?;
    state.store.accounts().create(&account).await?;
    Created::reply(&account.sid)
}

pub(super) async fn update(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    body: Body<AccountUpdate>,
) -> Reply<NoContent> {
    let account = principal.require_account(&state, &a).await?;
    let fields = body.fields()?;
    if let Scope::Account(_) = principal.scope {
        fields.refuse("sip_realm", Invalid::Fixed("sip_realm"))?;
    }
    let input = AccountInput::update(fields)?;
    state.admit_urls(input.urls()).await?;
    let (before, after) =
        state.store.accounts().update(principal.scope, account.sid, input).await?;
    state.announce(Change::Account { before: before.into(), after: Some(after.into()) });
    NoContent::reply()
}

pub(super) async fn delete(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
) -> Reply<NoContent> {
    let account = principal.require_account(&state, &a).await?;
    let before = state.store.accounts().delete(principal.scope, account.sid).await?;
    state.announce(Change::Account { before: before.into(), after: None });
    NoContent::reply()
}

pub(super) async fn webhook_secret(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    query: Query<Regenerate>,
) -> Reply<Json<WebhookSecretView>> {
    let account = principal.require_account(&state, &a).await?;
    let secret = if query.is_set("regenerate") {
        // A GET that changes something.
        principal.require_more_than_looking()?;
        state.store.accounts().replace_webhook_secret(principal.scope, account.sid).await?
    } else {
        account.webhook_secret
    };
    Json::reply(&WebhookSecretView { webhook_secret: secret.0 })
}

pub(super) struct Regenerate;

impl QueryShape for Regenerate {
    const PARAMS: &'static [Param] =
        &[Param::optional("regenerate", ParamKind::Flag, "make a new one first")];
}

#[derive(Serialize, ToSchema)]
#[schema(as = WebhookSecret)]
pub(super) struct WebhookSecretView {
    webhook_secret: String,
}

/// An account as it is shown.
#[derive(Serialize, ToSchema)]
#[schema(as = Account)]
pub(super) struct AccountView {
    account_sid: AccountSid,
    name: String,
    sip_realm: Option<String>,
    service_provider_sid: ServiceProviderSid,
    registration_hook: Option<HookView>,
    queue_event_hook: Option<HookView>,
    device_calling_application_sid: Option<ApplicationSid>,
    siprec_hook_sid: Option<ApplicationSid>,
    webhook_secret: String,
    is_active: Flag,
    disable_cdrs: Flag,
    record_all_calls: Flag,
    record_format: &'static str,
    #[schema(value_type = Option<Object>)]
    bucket_credential: Option<Map<String, Value>>,
    enable_debug_log: Flag,
    plan_type: &'static str,
    stripe_customer_id: Option<String>,
    trial_end_date: Option<String>,
    deactivated_reason: Option<String>,
    device_to_call_ratio: i64,
    subspace_client_id: Option<String>,
    subspace_client_secret: Option<String>,
    subspace_sip_teleport_id: Option<String>,
    subspace_sip_teleport_destinations: Option<String>,
    created_at: String,
}

impl AccountView {
    pub(super) fn new(account: &Account, wire: Wire) -> Self {
        Self {
            account_sid: account.sid,
            name: account.name.clone(),
            sip_realm: account.sip_realm.clone(),
            service_provider_sid: account.service_provider_sid,
            registration_hook: HookView::of_any(account.registration_hook.as_ref()),
            queue_event_hook: HookView::of_any(account.queue_event_hook.as_ref()),
            device_calling_application_sid: account.device_calling_application_sid,
            siprec_hook_sid: account.siprec_hook_sid,
            webhook_secret: account.webhook_secret.0.clone(),
            is_active: account.is_active.into(),
            disable_cdrs: account.disable_cdrs.into(),
            record_all_calls: account.record_all_calls.into(),
            record_format: account.record_format.as_str(),
            bucket_credential: account.bucket_credential.as_ref().map(|b| b.to_obscured()),
            enable_debug_log: account.enable_debug_log.into(),
            plan_type: account.commercial.plan_type.as_str(),
            stripe_customer_id: account.commercial.stripe_customer_id.clone(),
            trial_end_date: account.commercial.trial_end_date.map(|date| wire.date(date)),
            deactivated_reason: account.commercial.deactivated_reason.clone(),
            device_to_call_ratio: account.commercial.device_to_call_ratio,
            subspace_client_id: None,
            subspace_client_secret: None,
            subspace_sip_teleport_id: None,
            subspace_sip_teleport_destinations: None,
            created_at: wire.date(account.created_at),
        }
    }
}
