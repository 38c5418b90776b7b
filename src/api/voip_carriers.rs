//! `/VoipCarriers`, flat, under an account and under a service provider (contract rest.md §2.7).

use actix_web::web::{Data, Path};
use serde::Serialize;
use utoipa::ToSchema;

use super::describe::{Param, ParamKind, QueryShape, body};
use super::error::{ApiError, INSUFFICIENT_PERMISSIONS};
use super::query::{PAGE, PAGE_SIZE};
use super::reply::{Created, Flag, Json, Listed, NoContent, Reply};
use super::{AppState, Body, Change, Principal, Query, quotas};
use crate::model::{
    AccountSid, ApplicationSid, DigestAlgorithm, DtmfType, Encryption, Patch, Scope, Secret,
    ServiceProviderSid, TrunkType, VoipCarrier, VoipCarrierInput, VoipCarrierSid,
};
use crate::store::{Found, Owned, VoipCarrierQuery};

body!(NewVoipCarrier = VoipCarrierInput::create);
body!(VoipCarrierUpdate = VoipCarrierInput::update);

/// How a list is narrowed.
pub(super) struct Narrowed;

impl QueryShape for Narrowed {
    const PARAMS: &'static [Param] = &[
        PAGE,
        PAGE_SIZE,
        Param::optional("name", ParamKind::Text, "a part of the name"),
        Param::optional("account_sid", ParamKind::Sid, "only this account's"),
    ];
}

const NOT_YOURS: &str = "carrier belongs to a different user";

pub(super) async fn list(
    principal: Principal,
    state: Data<AppState>,
    query: Query<Narrowed>,
) -> Reply<Listed<VoipCarrierView>> {
    listing(&state, principal.scope, &query).await
}

pub(super) async fn list_of_account(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    query: Query<Narrowed>,
) -> Reply<Listed<VoipCarrierView>> {
    let account = principal.require_account(&state, &a).await?;
    listing(&state, Scope::Account(account.sid), &query).await
}

pub(super) async fn list_of_provider(
    principal: Principal,
    state: Data<AppState>,
    sp: Path<String>,
    query: Query<Narrowed>,
) -> Reply<Listed<VoipCarrierView>> {
    let provider = principal.require_service_provider(&state, &sp).await?;
    listing(&state, principal.within(provider.sid), &query).await
}

async fn listing(
    state: &AppState,
    scope: Scope,
    query: &Query<Narrowed>,
) -> Reply<Listed<VoipCarrierView>> {
    let page = query.page()?;
    let narrow = VoipCarrierQuery {
        name: query.get("name").map(str::to_owned),
        account_sid: query.sid("account_sid", AccountSid::parse)?,
    };
    let found = state.store.voip_carriers().list(scope, &narrow, page).await?;
    Listed::reply(&found, page, |carrier| VoipCarrierView::new(carrier, state))
}

pub(super) async fn create(
    principal: Principal,
    state: Data<AppState>,
    body: Body<NewVoipCarrier>,
) -> Reply<Created> {
    let input = VoipCarrierInput::create(body.fields()?)?;
    make(&state, principal.scope, input).await
}

pub(super) async fn create_in_account(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    body: Body<NewVoipCarrier>,
) -> Reply<Created> {
    let account = principal.require_account(&state, &a).await?;
    let mut input = VoipCarrierInput::create(body.fields()?)?;
    input.account_sid = Patch::Value(account.sid);
    make(&state, principal.scope, input).await
}

pub(super) async fn create_in_provider(
    principal: Principal,
    state: Data<AppState>,
    sp: Path<String>,
    body: Body<NewVoipCarrier>,
) -> Reply<Created> {
    let provider = principal.require_service_provider(&state, &sp).await?;
    no_account(&principal)?;
    let mut input = VoipCarrierInput::create(body.fields()?)?;
    input.service_provider_sid = Patch::Value(provider.sid);
    make(&state, principal.scope, input).await
}

async fn make(state: &AppState, scope: Scope, input: VoipCarrierInput) -> Reply<Created> {
    quotas::check(state, scope, Owned::VoipCarriers).await?;
    let carrier = state.store.voip_carriers().create(scope, input).await?;
    let sid = carrier.sid;
    state.announce(Change::Carrier { before: None, after: Some(carrier.into()) });
    Created::reply(&sid)
}

pub(super) async fn read(
    principal: Principal,
    state: Data<AppState>,
    sid: Path<String>,
) -> Reply<Json<VoipCarrierView>> {
    let found = state.store.voip_carriers().get(principal.scope, parse(&sid)?).await?;
    Json::reply(&VoipCarrierView::new(&found.ok_or(ApiError::NotFound)?, &state))
}

pub(super) async fn update(
    principal: Principal,
    state: Data<AppState>,
    sid: Path<String>,
    body: Body<VoipCarrierUpdate>,
) -> Reply<NoContent> {
    change(&state, principal.scope, principal.scope, &sid, body, |_| {}).await
}

/// Under an account only its own carriers can be changed, and they stay there.
pub(super) async fn update_in_account(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
    body: Body<VoipCarrierUpdate>,
) -> Reply<NoContent> {
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
    body: Body<VoipCarrierUpdate>,
) -> Reply<NoContent> {
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
    body: Body<VoipCarrierUpdate>,
    by_path: impl FnOnce(&mut VoipCarrierInput),
) -> Reply<NoContent> {
    let sid = parse(sid)?;
    own(state, within, sid).await?;
    let mut input = VoipCarrierInput::update(body.fields()?)?;
    by_path(&mut input);
    let (before, after) = state.store.voip_carriers().update(scope, sid, input).await?;
    let (before, after) = (Some(before.into()), Some(after.into()));
    state.announce(Change::Carrier { before, after });
    NoContent::reply()
}

pub(super) async fn delete(
    principal: Principal,
    state: Data<AppState>,
    sid: Path<String>,
) -> Reply<NoContent> {
    let sid = parse(&sid)?;
    own(&state, principal.scope, sid).await?;
    let before = state.store.voip_carriers().delete(principal.scope, sid).await?;
    state.announce(Change::Carrier { before: Some(before.into()), after: None });
    NoContent::reply()
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
#[derive(Default, Serialize, ToSchema)]
pub(super) struct RegisterStatus {
    /// `ok` or `fail`.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cseq: Option<String>,
    #[serde(rename = "callId", skip_serializing_if = "Option::is_none")]
    call_id: Option<String>,
}

fn register_status(carrier: VoipCarrierSid, state: &AppState) -> RegisterStatus {
    let doors = state.doors().ok();
    match doors.and_then(|doors| doors.trunks.register_status(carrier)) {
        None => RegisterStatus::default(),
        Some(status) => RegisterStatus {
            status: Some(if status.is_ok { "ok" } else { "fail" }),
            reason: Some(status.reason),
            cseq: Some(status.cseq),
            call_id: Some(status.call_id),
        },
    }
}

/// A carrier as it is shown; passwords are obscured.
#[derive(Serialize, ToSchema)]
#[schema(as = VoipCarrier)]
pub(super) struct VoipCarrierView {
    voip_carrier_sid: VoipCarrierSid,
    name: String,
    description: Option<String>,
    account_sid: Option<AccountSid>,
    service_provider_sid: Option<ServiceProviderSid>,
    application_sid: Option<ApplicationSid>,
    trunk_type: TrunkType,
    is_active: Flag,
    e164_leading_plus: Flag,
    tech_prefix: Option<String>,
    diversion: Option<String>,
    outbound_sip_proxy: Option<String>,
    dtmf_type: DtmfType,
    requires_register: Flag,
    register_username: Option<String>,
    register_password: Option<String>,
    register_from_user: Option<String>,
    register_sip_realm: Option<String>,
    register_from_domain: Option<String>,
    register_public_ip_in_contact: Flag,
    register_use_tls: Flag,
    register_status: RegisterStatus,
    inbound_auth_username: Option<String>,
    inbound_auth_password: Option<String>,
    smpp_system_id: Option<String>,
    smpp_password: Option<String>,
    smpp_enquire_link_interval: i64,
    smpp_inbound_system_id: Option<String>,
    smpp_inbound_password: Option<String>,
    media_encryption: Option<Encryption>,
    digest_algorithm: Option<DigestAlgorithm>,
    created_at: String,
}

impl VoipCarrierView {
    fn new(carrier: &VoipCarrier, state: &AppState) -> Self {
        let VoipCarrier { register, inbound_auth, smpp, .. } = carrier;
        let obscured = |secret: &Option<Secret>| secret.as_ref().map(|s| s.obscured().0);
        Self {
            voip_carrier_sid: carrier.sid,
            name: carrier.name.clone(),
            description: carrier.description.clone(),
            account_sid: carrier.account_sid,
            service_provider_sid: carrier.service_provider_sid,
            application_sid: carrier.application_sid,
            trunk_type: carrier.trunk_type,
            is_active: carrier.is_active.into(),
            e164_leading_plus: carrier.e164_leading_plus.into(),
            tech_prefix: carrier.tech_prefix.clone(),
            diversion: carrier.diversion.clone(),
            outbound_sip_proxy: carrier.outbound_sip_proxy.clone(),
            dtmf_type: carrier.dtmf_type,
            requires_register: register.required.into(),
            register_username: register.username.clone(),
            register_password: obscured(&register.password),
            register_from_user: register.from_user.clone(),
            register_sip_realm: register.sip_realm.clone(),
            register_from_domain: register.from_domain.clone(),
            register_public_ip_in_contact: register.public_ip_in_contact.into(),
            register_use_tls: register.use_tls.into(),
            register_status: register_status(carrier.sid, state),
            inbound_auth_username: inbound_auth.username.clone(),
            inbound_auth_password: obscured(&inbound_auth.password),
            smpp_system_id: smpp.system_id.clone(),
            smpp_password: obscured(&smpp.password),
            smpp_enquire_link_interval: smpp.enquire_link_interval,
            smpp_inbound_system_id: smpp.inbound_system_id.clone(),
            smpp_inbound_password: obscured(&smpp.inbound_password),
            media_encryption: carrier.media_encryption,
            digest_algorithm: carrier.digest_algorithm,
            created_at: state.wire.date(carrier.created_at),
        }
    }
}
