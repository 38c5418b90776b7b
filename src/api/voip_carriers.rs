//! `/VoipCarriers`, flat, under an account and under a service provider (contract rest.md §2.7).

use actix_web::web::{Data, Path};
use serde_json::{Value, json};

use super::error::{ApiError, INSUFFICIENT_PERMISSIONS};
use super::reply::{self, Reply, flag};
use super::{AppState, Body, Change, Principal, Query};
use crate::model::{
    AccountSid, Patch, Scope, Secret, VoipCarrier, VoipCarrierInput, VoipCarrierSid,
};
use crate::store::{Found, VoipCarrierQuery};

const NOT_YOURS: &str = "carrier belongs to a different user";

pub(super) async fn list(principal: Principal, state: Data<AppState>, query: Query) -> Reply {
    listing(&state, principal.scope, &query).await
}

pub(super) async fn list_of_account(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    query: Query,
) -> Reply {
    let account = principal.require_account(&state, &a).await?;
    listing(&state, Scope::Account(account.sid), &query).await
}

pub(super) async fn list_of_provider(
    principal: Principal,
    state: Data<AppState>,
    sp: Path<String>,
    query: Query,
) -> Reply {
    let provider = principal.require_service_provider(&state, &sp).await?;
    listing(&state, principal.within(provider.sid), &query).await
}

async fn listing(state: &AppState, scope: Scope, query: &Query) -> Reply {
    let page = query.page()?;
    let narrow = VoipCarrierQuery {
        name: query.get("name").map(str::to_owned),
        account_sid: query.sid("account_sid", AccountSid::parse)?,
    };
    let found = state.store.voip_carriers().list(scope, &narrow, page).await?;
    reply::list(&found, page, |carrier| view(carrier, state))
}

pub(super) async fn create(principal: Principal, state: Data<AppState>, body: Body) -> Reply {
    let input = VoipCarrierInput::create(body.fields()?)?;
    make(&state, principal.scope, input).await
}

pub(super) async fn create_in_account(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    body: Body,
) -> Reply {
    let account = principal.require_account(&state, &a).await?;
    let mut input = VoipCarrierInput::create(body.fields()?)?;
    input.account_sid = Patch::Value(account.sid);
    make(&state, principal.scope, input).await
}

pub(super) async fn create_in_provider(
    principal: Principal,
    state: Data<AppState>,
    sp: Path<String>,
    body: Body,
) -> Reply {
    let provider = principal.require_service_provider(&state, &sp).await?;
    no_account(&principal)?;
    let mut input = VoipCarrierInput::create(body.fields()?)?;
    input.service_provider_sid = Patch::Value(provider.sid);
    make(&state, principal.scope, input).await
}

async fn make(state: &AppState, scope: Scope, input: VoipCarrierInput) -> Reply {
    let carrier = state.store.voip_carriers().create(scope, input).await?;
    let sid = carrier.sid;
    state.announce(Change::Carrier { before: None, after: Some(carrier.into()) });
    reply::created(&sid)
}

pub(super) async fn read(principal: Principal, state: Data<AppState>, sid: Path<String>) -> Reply {
    let found = state.store.voip_carriers().get(principal.scope, parse(&sid)?).await?;
    reply::ok(&view(&found.ok_or(ApiError::NotFound)?, &state))
}

pub(super) async fn update(
    principal: Principal,
    state: Data<AppState>,
    sid: Path<String>,
    body: Body,
) -> Reply {
    change(&state, principal.scope, principal.scope, &sid, body, |_| {}).await
}

/// Under an account only its own carriers can be changed, and they stay there.
pub(super) async fn update_in_account(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
    body: Body,
) -> Reply {
    let (a, sid) = path.into_inner();
    let account = principal.require_account(&state, &a).await?;
    let within = Scope::Account(account.sid);
    change(&state, principal.scope, within, &sid, body, |input| {
        input.account_sid = Patch::Absent;
    })
    .await
}

pub(super) async fn update_in_provider(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
    body: Body,
) -> Reply {
    let (sp, sid) = path.into_inner();
    let provider = principal.require_service_provider(&state, &sp).await?;
    no_account(&principal)?;
    let within = Scope::ServiceProvider(provider.sid);
    change(&state, principal.scope, within, &sid, body, |input| {
        input.service_provider_sid = Patch::Absent;
    })
    .await
}

/// `within` is what the path says, which never reaches further than the token.
async fn change(
    state: &AppState,
    scope: Scope,
    within: Scope,
    sid: &str,
    body: Body,
    by_path: impl FnOnce(&mut VoipCarrierInput),
) -> Reply {
    let sid = parse(sid)?;
    own(state, within, sid).await?;
    let mut input = VoipCarrierInput::update(body.fields()?)?;
    by_path(&mut input);
    let (before, after) = state.store.voip_carriers().update(scope, sid, input).await?;
    let (before, after) = (Some(before.into()), Some(after.into()));
    state.announce(Change::Carrier { before, after });
    reply::no_content()
}

pub(super) async fn delete(
    principal: Principal,
    state: Data<AppState>,
    sid: Path<String>,
) -> Reply {
    let sid = parse(&sid)?;
    own(&state, principal.scope, sid).await?;
    let before = state.store.voip_carriers().delete(principal.scope, sid).await?;
    state.announce(Change::Carrier { before: Some(before.into()), after: None });
    reply::no_content()
}

/// 404 for a carrier that does not exist, 422 for somebody else's, a shared one included.
async fn own(state: &AppState, scope: Scope, sid: VoipCarrierSid) -> Result<(), ApiError> {
    match state.store.voip_carriers().locate(scope, sid).await? {
        Found::Here(_) => Ok(()),
        Found::Elsewhere => Err(ApiError::unprocessable(NOT_YOURS)),
        Found::Nowhere => Err(ApiError::NotFound),
    }
}

/// An account reads its service provider's carriers but makes and changes none for all.
pub(super) fn no_account(principal: &Principal) -> Result<(), ApiError> {
    match principal.scope {
        Scope::Account(_) => Err(ApiError::Forbidden(INSUFFICIENT_PERMISSIONS)),
        Scope::Admin | Scope::ServiceProvider(_) => Ok(()),
    }
}

fn parse(segment: &str) -> Result<VoipCarrierSid, ApiError> {
    VoipCarrierSid::parse(segment).ok_or(ApiError::MalformedSid)
}

/// Our registration with a carrier: empty until it was answered.
fn register_status(carrier: VoipCarrierSid, state: &AppState) -> Value {
    let doors = state.doors().ok();
    match doors.and_then(|doors| doors.trunks.register_status(carrier)) {
        None => json!({}),
        Some(status) => json!({
            "status": if status.is_ok { "ok" } else { "fail" },
            "reason": status.reason,
            "cseq": status.cseq,
            "callId": status.call_id,
        }),
    }
}

fn view(carrier: &VoipCarrier, state: &AppState) -> Value {
    let VoipCarrier { register, inbound_auth, smpp, .. } = carrier;
    let obscured = |secret: &Option<Secret>| secret.as_ref().map(Secret::obscured);
    json!({
        "voip_carrier_sid": carrier.sid,
        "name": carrier.name,
        "description": carrier.description,
        "account_sid": carrier.account_sid,
        "service_provider_sid": carrier.service_provider_sid,
        "application_sid": carrier.application_sid,
        "trunk_type": carrier.trunk_type,
        "is_active": flag(carrier.is_active),
        "e164_leading_plus": flag(carrier.e164_leading_plus),
        "tech_prefix": carrier.tech_prefix,
        "diversion": carrier.diversion,
        "outbound_sip_proxy": carrier.outbound_sip_proxy,
        "dtmf_type": carrier.dtmf_type,
        "requires_register": flag(register.required),
        "register_username": register.username,
        "register_password": obscured(&register.password),
        "register_from_user": register.from_user,
        "register_sip_realm": register.sip_realm,
        "register_from_domain": register.from_domain,
        "register_public_ip_in_contact": flag(register.public_ip_in_contact),
        "register_use_tls": flag(register.use_tls),
        "register_status": register_status(carrier.sid, state),
        "inbound_auth_username": inbound_auth.username,
        "inbound_auth_password": obscured(&inbound_auth.password),
        "smpp_system_id": smpp.system_id,
        "smpp_password": obscured(&smpp.password),
        "smpp_enquire_link_interval": smpp.enquire_link_interval,
        "smpp_inbound_system_id": smpp.inbound_system_id,
        "smpp_inbound_password": obscured(&smpp.inbound_password),
        "media_encryption": carrier.media_encryption,
        "digest_algorithm": carrier.digest_algorithm,
        "created_at": state.wire.date(carrier.created_at),
    })
}
