//! `/PredefinedCarriers`, templates that anybody may read, and copies of them (contract rest.md
//! §2.7, §2.14).

use actix_web::web::{Data, Path};
use serde::Serialize;
use utoipa::ToSchema;

use super::error::ApiError;
use super::reply::{Array, Created, Flag, Reply};
use super::voip_carriers::no_account;
use super::{AppState, Change, Principal, quotas};
use crate::model::{
    AccountSid, PREDEFINED_CARRIERS, Patch, PredefinedCarrier, PredefinedCarrierSid, Scope,
    ServiceProviderSid,
};
use crate::store::Owned;

/// Without authentication, as jambonz has it.
pub(super) async fn list() -> Reply<Array<PredefinedCarrierView>> {
    Array::reply(&PREDEFINED_CARRIERS.iter().map(PredefinedCarrierView::new).collect::<Vec<_>>())
}

pub(super) async fn copy_to_account(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
) -> Reply<Created> {
    let (a, p) = path.into_inner();
    let account = principal.require_account(&state, &a).await?;
    copy(&state, principal.scope, &p, Some(account.sid), None).await
}

pub(super) async fn copy_to_provider(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
) -> Reply<Created> {
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
) -> Reply<Created> {
    let sid = PredefinedCarrierSid::parse(sid).ok_or(ApiError::MalformedSid)?;
    let template = PredefinedCarrier::find(sid).ok_or(ApiError::NotFound)?;
    let mut input = template.carrier()?;
    input.account_sid = account.map_or(Patch::Absent, Patch::Value);
    input.service_provider_sid = provider.map_or(Patch::Absent, Patch::Value);
    quotas::check(state, scope, Owned::VoipCarriers).await?;
    quotas::check(state, scope, Owned::SipGateways).await?;
    let rename = |taken: &[String]| Some(template.free_name(taken));
    let carriers = state.store.voip_carriers();
    let carrier = carriers.create_with(scope, input, template.gateways()?, rename).await?;
    let sid = carrier.sid;
    state.announce(Change::Carrier { before: None, after: Some(carrier.into()) });
    Created::reply(&sid)
}

/// A template as it is shown.
#[derive(Serialize, ToSchema)]
#[schema(as = PredefinedCarrier)]
pub(super) struct PredefinedCarrierView {
    predefined_carrier_sid: &'static str,
    name: &'static str,
    requires_static_ip: Flag,
    e164_leading_plus: Flag,
    requires_register: Flag,
    register_username: Option<String>,
    register_password: Option<String>,
    register_sip_realm: Option<String>,
    tech_prefix: Option<String>,
    inbound_auth_username: Option<String>,
    inbound_auth_password: Option<String>,
    diversion: Option<String>,
}

impl PredefinedCarrierView {
    fn new(template: &PredefinedCarrier) -> Self {
        Self {
            predefined_carrier_sid: template.sid,
            name: template.name,
            requires_static_ip: template.requires_static_ip.into(),
            e164_leading_plus: template.e164_leading_plus.into(),
            requires_register: false.into(),
            register_username: None,
            register_password: None,
            register_sip_realm: None,
            tech_prefix: None,
            inbound_auth_username: None,
            inbound_auth_password: None,
            diversion: None,
        }
    }
}
