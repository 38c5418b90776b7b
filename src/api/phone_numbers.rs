//! `/PhoneNumbers` (contract rest.md §2.4).

use actix_web::web::{Data, Path};
use serde_json::{Value, json};

use super::error::{ApiError, INSUFFICIENT_PRIVILEGES};
use super::reply::{self, Reply, Wire};
use super::{AppState, Body, Principal, Query};
use crate::model::{
    AccountSid, PhoneNumber, PhoneNumberInput, PhoneNumberSid, Scope, ServiceProviderSid,
};
use crate::store::{Found, PhoneNumberQuery};

pub(super) async fn list(principal: Principal, state: Data<AppState>, query: Query) -> Reply {
    listing(&state, principal.scope, &query).await
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
    let narrow = PhoneNumberQuery {
        filter: query.get("filter").map(str::to_owned),
        account_sid: query.sid("account_sid", AccountSid::parse)?,
        service_provider_sid: query.sid("service_provider_sid", ServiceProviderSid::parse)?,
    };
    let found = state.store.phone_numbers().list(scope, &narrow, page).await?;
    reply::list(&found, page, |number| view(number, state.wire))
}

pub(super) async fn create(principal: Principal, state: Data<AppState>, body: Body) -> Reply {
    let input = PhoneNumberInput::create(body.fields()?)?;
    let sid = state.store.phone_numbers().create(principal.scope, input).await?;
    reply::created(&sid)
}

pub(super) async fn read(principal: Principal, state: Data<AppState>, sid: Path<String>) -> Reply {
    let found = state.store.phone_numbers().get(principal.scope, parse(&sid)?).await?;
    reply::ok(&view(&found.ok_or(ApiError::NotFound)?, state.wire))
}

pub(super) async fn update(
    principal: Principal,
    state: Data<AppState>,
    sid: Path<String>,
    body: Body,
) -> Reply {
    let sid = parse(&sid)?;
    if let Found::Elsewhere = state.store.phone_numbers().locate(principal.scope, sid).await? {
        return Err(ApiError::Forbidden(INSUFFICIENT_PRIVILEGES));
    }
    let input = PhoneNumberInput::update(body.fields()?)?;
    state.store.phone_numbers().update(principal.scope, sid, input).await?;
    reply::no_content()
}

pub(super) async fn delete(
    principal: Principal,
    state: Data<AppState>,
    sid: Path<String>,
) -> Reply {
    state.store.phone_numbers().delete(principal.scope, parse(&sid)?).await?;
    reply::no_content()
}

fn parse(segment: &str) -> Result<PhoneNumberSid, ApiError> {
    PhoneNumberSid::parse(segment).ok_or(ApiError::MalformedSid)
}

fn view(number: &PhoneNumber, wire: Wire) -> Value {
    json!({
        "phone_number_sid": number.sid,
        "number": wire.number(&number.number),
        "voip_carrier_sid": number.voip_carrier_sid,
        "account_sid": number.account_sid,
        "application_sid": number.application_sid,
        "service_provider_sid": number.service_provider_sid,
    })
}
