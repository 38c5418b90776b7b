//! `/SipGateways` (contract rest.md §2.8).

use actix_web::web::{Data, Path};
use serde::Serialize;
use utoipa::ToSchema;

use super::describe::{Param, ParamKind, QueryShape, body};
use super::error::{ApiError, INSUFFICIENT_PRIVILEGES};
use super::reply::{Array, Created, Flag, Json, NoContent, Reply};
use super::{AppState, Body, Change, Principal, Query, quotas};
use crate::model::sip_gateway::{INVALID_CARRIER, MISSING_CARRIER};
use crate::model::{Protocol, Scope, SipGateway, SipGatewayInput, SipGatewaySid, VoipCarrierSid};
use crate::store::{Found, Owned};

body!(
    NewSipGateway = SipGatewayInput::create,
    "ipv4": "192.0.2.1",
    "voip_carrier_sid": "00000000-0000-4000-8000-000000000000",
);
body!(SipGatewayUpdate = SipGatewayInput::update);

/// Whose gateways.
pub(super) struct OfCarrier;

impl QueryShape for OfCarrier {
    const PARAMS: &'static [Param] =
        &[Param::required("voip_carrier_sid", ParamKind::Sid, "whose gateways")];
}

/// An unknown gateway in an update or a delete.
const INVALID_GATEWAY: &str = "invalid sip_gateway_sid";

pub(super) async fn list(
    principal: Principal,
    state: Data<AppState>,
    query: Query<OfCarrier>,
) -> Reply<Array<SipGatewayView>> {
    let carrier = carrier_of(&query)?;
    let found = state.store.sip_gateways().list(principal.scope, carrier).await?;
    let gateways = found.ok_or_else(|| ApiError::bad_request(INVALID_CARRIER))?;
    Array::reply(
        &gateways.iter().map(|gateway| SipGatewayView::new(gateway, &state)).collect::<Vec<_>>(),
    )
}

/// No gateway here speaks SMPP, whoever's carrier is asked for.
pub(super) async fn list_of_smpp(
    _: Principal,
    query: Query<OfCarrier>,
) -> Reply<Array<SipGatewayView>> {
    carrier_of(&query)?;
    Array::reply(&[])
}

fn carrier_of(query: &Query<OfCarrier>) -> Result<VoipCarrierSid, ApiError> {
    let text =
        query.get("voip_carrier_sid").ok_or_else(|| ApiError::bad_request(MISSING_CARRIER))?;
    VoipCarrierSid::parse(text).ok_or_else(|| ApiError::bad_request(INVALID_CARRIER))
}

pub(super) async fn create(
    principal: Principal,
    state: Data<AppState>,
    body: Body<NewSipGateway>,
) -> Reply<Created> {
    let input = SipGatewayInput::create(body.fields()?)?;
    input.check_netmask(state.config.sip.min_netmask)?;
    quotas::check(&state, principal.scope, Owned::SipGateways).await?;
    let gateway = state.store.sip_gateways().create(principal.scope, input).await?;
    let sid = gateway.sid;
    state.announce(Change::Gateway { before: None, after: Some(gateway.into()) });
    Created::reply(&sid)
}

pub(super) async fn read(
    principal: Principal,
    state: Data<AppState>,
    sid: Path<String>,
) -> Reply<Json<SipGatewayView>> {
    let found = state.store.sip_gateways().get(principal.scope, parse(&sid)?).await?;
    Json::reply(&SipGatewayView::new(&found.ok_or(ApiError::NotFound)?, &state))
}

pub(super) async fn update(
    principal: Principal,
    state: Data<AppState>,
    sid: Path<String>,
    body: Body<SipGatewayUpdate>,
) -> Reply<NoContent> {
    let sid = parse(&sid)?;
    own(&state, principal.scope, sid).await?;
    let input = SipGatewayInput::update(body.fields()?)?;
    input.check_netmask(state.config.sip.min_netmask)?;
    let (before, after) = state.store.sip_gateways().update(principal.scope, sid, input).await?;
    let (before, after) = (Some(before.into()), Some(after.into()));
    state.announce(Change::Gateway { before, after });
    NoContent::reply()
}

pub(super) async fn delete(
    principal: Principal,
    state: Data<AppState>,
    sid: Path<String>,
) -> Reply<NoContent> {
    let sid = parse(&sid)?;
    own(&state, principal.scope, sid).await?;
    let before = state.store.sip_gateways().delete(principal.scope, sid).await?;
    state.announce(Change::Gateway { before: Some(before.into()), after: None });
    NoContent::reply()
}

async fn own(state: &AppState, scope: Scope, sid: SipGatewaySid) -> Result<(), ApiError> {
    match state.store.sip_gateways().locate(scope, sid).await? {
        Found::Here(_) => Ok(()),
        Found::Elsewhere => Err(ApiError::Forbidden(INSUFFICIENT_PRIVILEGES)),
        Found::Nowhere => Err(ApiError::bad_request(INVALID_GATEWAY)),
    }
}

fn parse(segment: &str) -> Result<SipGatewaySid, ApiError> {
    SipGatewaySid::parse(segment).ok_or(ApiError::MalformedSid)
}

/// Whether a gateway answers.
#[derive(Serialize, ToSchema)]
pub(super) struct GatewayStatus {
    state: &'static str,
}

/// A gateway as it is shown.
#[derive(Serialize, ToSchema)]
#[schema(as = SipGateway)]
pub(super) struct SipGatewayView {
    sip_gateway_sid: SipGatewaySid,
    voip_carrier_sid: VoipCarrierSid,
    ipv4: String,
    port: Option<u16>,
    netmask: u8,
    inbound: Flag,
    outbound: Flag,
    is_active: Flag,
    protocol: Protocol,
    send_options_ping: Flag,
    use_sips_scheme: Flag,
    pad_crypto: Flag,
    remove_ice: Flag,
    dtls_off: Flag,
    priority: u16,
    status: GatewayStatus,
}

impl SipGatewayView {
    fn new(gateway: &SipGateway, state: &AppState) -> Self {
        // Ours, jambonz has nothing there: `up`, `down`, or `unknown` until it was heard of.
        let health = match state.doors() {
            Ok(doors) => doors.trunks.health(gateway.sid).as_str(),
            Err(_) => "unknown",
        };
        Self {
            sip_gateway_sid: gateway.sid,
            voip_carrier_sid: gateway.voip_carrier_sid,
            ipv4: gateway.host.clone(),
            port: gateway.port,
            netmask: gateway.netmask,
            inbound: gateway.inbound.into(),
            outbound: gateway.outbound.into(),
            is_active: gateway.is_active.into(),
            protocol: gateway.protocol,
            send_options_ping: gateway.send_options_ping.into(),
            use_sips_scheme: gateway.use_sips_scheme.into(),
            pad_crypto: gateway.pad_crypto.into(),
            remove_ice: gateway.remove_ice.into(),
            dtls_off: gateway.dtls_off.into(),
            priority: gateway.priority,
            status: GatewayStatus { state: health },
        }
    }
}
