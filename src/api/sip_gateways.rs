//! `/SipGateways` (contract rest.md §2.8).

use actix_web::web::{Data, Path};
use serde_json::{Value, json};

use super::error::{ApiError, INSUFFICIENT_PRIVILEGES};
use super::reply::{self, Reply, flag};
use super::{AppState, Body, Change, Principal, Query};
use crate::model::sip_gateway::{INVALID_CARRIER, MISSING_CARRIER};
use crate::model::{Scope, SipGateway, SipGatewayInput, SipGatewaySid, VoipCarrierSid};
use crate::store::Found;

/// An unknown gateway in an update or a delete.
const INVALID_GATEWAY: &str = "invalid sip_gateway_sid";

pub(super) async fn list(principal: Principal, state: Data<AppState>, query: Query) -> Reply {
    let carrier = carrier_of(&query)?;
    let found = state.store.sip_gateways().list(principal.scope, carrier).await?;
    let gateways = found.ok_or_else(|| ApiError::bad_request(INVALID_CARRIER))?;
    reply::ok(&gateways.iter().map(|gateway| view(gateway, &state)).collect::<Vec<_>>())
}

/// No gateway here speaks SMPP, whoever's carrier is asked for.
pub(super) async fn list_of_smpp(_: Principal, query: Query) -> Reply {
    carrier_of(&query)?;
    reply::ok(&Vec::<Value>::new())
}

fn carrier_of(query: &Query) -> Result<VoipCarrierSid, ApiError> {
    let text =
        query.get("voip_carrier_sid").ok_or_else(|| ApiError::bad_request(MISSING_CARRIER))?;
    VoipCarrierSid::parse(text).ok_or_else(|| ApiError::bad_request(INVALID_CARRIER))
}

pub(super) async fn create(principal: Principal, state: Data<AppState>, body: Body) -> Reply {
    let input = SipGatewayInput::create(body.fields()?)?;
    let gateway = state.store.sip_gateways().create(principal.scope, input).await?;
    let sid = gateway.sid;
    state.announce(Change::Gateway { before: None, after: Some(gateway.into()) });
    reply::created(&sid)
}

pub(super) async fn read(principal: Principal, state: Data<AppState>, sid: Path<String>) -> Reply {
    let found = state.store.sip_gateways().get(principal.scope, parse(&sid)?).await?;
    reply::ok(&view(&found.ok_or(ApiError::NotFound)?, &state))
}

pub(super) async fn update(
    principal: Principal,
    state: Data<AppState>,
    sid: Path<String>,
    body: Body,
) -> Reply {
    let sid = parse(&sid)?;
    own(&state, principal.scope, sid).await?;
    let input = SipGatewayInput::update(body.fields()?)?;
    let (before, after) = state.store.sip_gateways().update(principal.scope, sid, input).await?;
    let (before, after) = (Some(before.into()), Some(after.into()));
    state.announce(Change::Gateway { before, after });
    reply::no_content()
}

pub(super) async fn delete(
    principal: Principal,
    state: Data<AppState>,
    sid: Path<String>,
) -> Reply {
    let sid = parse(&sid)?;
    own(&state, principal.scope, sid).await?;
    let before = state.store.sip_gateways().delete(principal.scope, sid).await?;
    state.announce(Change::Gateway { before: Some(before.into()), after: None });
    reply::no_content()
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

fn view(gateway: &SipGateway, state: &AppState) -> Value {
    // Ours, jambonz has nothing there: `up`, `down`, or `unknown` until it was heard of.
    let health = match state.doors() {
        Ok(doors) => doors.trunks.health(gateway.sid).as_str(),
        Err(_) => "unknown",
    };
    json!({
        "sip_gateway_sid": gateway.sid,
        "voip_carrier_sid": gateway.voip_carrier_sid,
        "ipv4": gateway.host,
        "port": gateway.port,
        "netmask": gateway.netmask,
        "inbound": flag(gateway.inbound),
        "outbound": flag(gateway.outbound),
        "is_active": flag(gateway.is_active),
        "protocol": gateway.protocol,
        "send_options_ping": flag(gateway.send_options_ping),
        "use_sips_scheme": flag(gateway.use_sips_scheme),
        "pad_crypto": flag(gateway.pad_crypto),
        "remove_ice": flag(gateway.remove_ice),
        "dtls_off": flag(gateway.dtls_off),
        "priority": gateway.priority,
        "status": {"state": health},
    })
}
