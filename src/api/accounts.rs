//! `/Accounts` and the webhook secret (contract rest.md §2.5, §2.14).

use actix_web::web::{Data, Path};
use serde_json::{Value, json};

use super::error::{ApiError, INSUFFICIENT_PERMISSIONS};
use super::reply::{self, Reply, Wire, flag};
use super::{AppState, Body, Change, Principal, Query};
use crate::model::{Account, AccountInput, Invalid, Scope};

pub(super) async fn list(principal: Principal, state: Data<AppState>) -> Reply {
    let accounts = state.store.accounts().list(principal.scope, None).await?;
    reply::ok(&accounts.iter().map(|account| view(account, state.wire)).collect::<Vec<_>>())
}

pub(super) async fn list_of_provider(
    principal: Principal,
    state: Data<AppState>,
    sp: Path<String>,
) -> Reply {
    let provider = principal.require_service_provider(&state, &sp).await?;
    let accounts = state.store.accounts().list(principal.scope, Some(provider.sid)).await?;
    reply::ok(&accounts.iter().map(|account| view(account, state.wire)).collect::<Vec<_>>())
}

pub(super) async fn read(principal: Principal, state: Data<AppState>, a: Path<String>) -> Reply {
    let account = principal.require_account(&state, &a).await?;
    reply::ok(&view(&account, state.wire))
}

pub(super) async fn create(principal: Principal, state: Data<AppState>, body: Body) -> Reply {
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
    reply::created(&account.sid)
}

pub(super) async fn update(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    body: Body,
) -> Reply {
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
    reply::no_content()
}

pub(super) async fn delete(principal: Principal, state: Data<AppState>, a: Path<String>) -> Reply {
    let account = principal.require_account(&state, &a).await?;
    let before = state.store.accounts().delete(principal.scope, account.sid).await?;
    state.announce(Change::Account { before: before.into(), after: None });
    reply::no_content()
}

pub(super) async fn webhook_secret(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    query: Query,
) -> Reply {
    let account = principal.require_account(&state, &a).await?;
    let secret = if query.is_set("regenerate") {
        state.store.accounts().replace_webhook_secret(principal.scope, account.sid).await?
    } else {
        account.webhook_secret
    };
    reply::ok(&json!({"webhook_secret": secret}))
}

fn view(account: &Account, wire: Wire) -> Value {
    let commercial = &account.commercial;
    json!({
        "account_sid": account.sid,
        "name": account.name,
        "sip_realm": account.sip_realm,
        "service_provider_sid": account.service_provider_sid,
        "registration_hook": reply::hook(account.registration_hook.as_ref()),
        "queue_event_hook": reply::hook(account.queue_event_hook.as_ref()),
        "device_calling_application_sid": account.device_calling_application_sid,
        "siprec_hook_sid": account.siprec_hook_sid,
        "webhook_secret": account.webhook_secret,
        "is_active": flag(account.is_active),
        "disable_cdrs": flag(account.disable_cdrs),
        "record_all_calls": flag(account.record_all_calls),
        "record_format": account.record_format.as_str(),
        "bucket_credential": account.bucket_credential.as_ref().map(|b| b.to_obscured()),
        "enable_debug_log": flag(account.enable_debug_log),
        "plan_type": commercial.plan_type.as_str(),
        "stripe_customer_id": commercial.stripe_customer_id,
        "trial_end_date": wire.date_or_null(commercial.trial_end_date),
        "deactivated_reason": commercial.deactivated_reason,
        "device_to_call_ratio": commercial.device_to_call_ratio,
        "subspace_client_id": null,
        "subspace_client_secret": null,
        "subspace_sip_teleport_id": null,
        "subspace_sip_teleport_destinations": null,
        "created_at": wire.date(account.created_at),
    })
}
