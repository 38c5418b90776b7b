//! `/PredefinedCarriers`, templates that anybody may read, and copies of them (contract rest.md
//! §2.7, §2.14).

use actix_web::web::{Data, Path};
use serde_json::{Value, json};

use super::error::ApiError;
use super::reply::{self, Reply, flag};
use super::voip_carriers::no_account;
use super::{AppState, Change, Principal};
use crate::model::{
    AccountSid, PREDEFINED_CARRIERS, Patch, PredefinedCarrier, PredefinedCarrierSid, Scope,
    ServiceProviderSid,
};

/// Without authentication, as jambonz has it.
pub(super) async fn list() -> Reply {
    reply::ok(&PREDEFINED_CARRIERS.iter().map(view).collect::<Vec<_>>())
}

pub(super) async fn copy_to_account(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
) -> Reply {
    let (a, p) = path.into_inner();
    let account = principal.require_account(&state, &a).await?;
    copy(&state, principal.scope, &p, Some(account.sid), None).await
}

pub(super) async fn copy_to_provider(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
) -> Reply {
    let (sp, p) = path.into_inner();
    let provider = principal.require_service_provider(&state, &sp).await?;
    no_account(&principal)?;
    copy(&state, principal.scope, &p, None, Some(provider.sid)).await
}

async fn copy(
    state: &AppState,
    scope: Scope,
    sid: &str,
    account: Option<AccountSid>,
    provider: Option<ServiceProviderSid>,
) -> Reply {
    let sid = PredefinedCarrierSid::parse(sid).ok_or(ApiError::MalformedSid)?;
    let template = PredefinedCarrier::find(sid).ok_or(ApiError::NotFound)?;
    let mut input = template.carrier()?;
    input.account_sid = account.map_or(Patch::Absent, Patch::Value);
    input.service_provider_sid = provider.map_or(Patch::Absent, Patch::Value);
    let rename = |taken: &[String]| Some(template.free_name(taken));
    let carriers = state.store.voip_carriers();
    let carrier = carriers.create_with(scope, input, template.gateways()?, rename).await?;
    let sid = carrier.sid;
    state.announce(Change::Carrier { before: None, after: Some(carrier.into()) });
    reply::created(&sid)
}

fn view(template: &PredefinedCarrier) -> Value {
    json!({
        "predefined_carrier_sid": template.sid,
        "name": template.name,
        "requires_static_ip": flag(template.requires_static_ip),
        "e164_leading_plus": flag(template.e164_leading_plus),
        "requires_register": flag(false),
        "register_username": null,
        "register_password": null,
        "register_sip_realm": null,
        "tech_prefix": null,
        "inbound_auth_username": null,
        "inbound_auth_password": null,
        "diversion": null,
    })
}
