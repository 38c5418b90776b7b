//! `/PhoneNumbers` (contract rest.md §2.4).

use actix_web::web::{Data, Path};
use serde::Serialize;
use utoipa::ToSchema;

use super::describe::{Param, ParamKind, QueryShape, body};
use super::error::{ApiError, INSUFFICIENT_PRIVILEGES};
use super::query::{PAGE, PAGE_SIZE};
use super::reply::{Created, Json, Listed, NoContent, Reply, Wire};
use super::snapshot::Snapshot;
use super::{AppState, Body, Principal, Query, quotas};
use crate::model::{
    AccountSid, ApplicationSid, PhoneNumber, PhoneNumberInput, PhoneNumberSid, Scope,
    ServiceProviderSid, VoipCarrierSid,
};
use crate::store::{Found, Owned, PhoneNumberQuery};

body!(NewPhoneNumber = PhoneNumberInput::create);
body!(PhoneNumberUpdate = PhoneNumberInput::update);

/// How a list is narrowed.
pub(super) struct Narrowed;

impl QueryShape for Narrowed {
    const PARAMS: &'static [Param] = &[
        PAGE,
        PAGE_SIZE,
        Param::optional("filter", ParamKind::Text, "a part of the number"),
        Param::optional("account_sid", ParamKind::Sid, "only this account's"),
        Param::optional("service_provider_sid", ParamKind::Sid, "only this provider's"),
    ];
}

pub(super) async fn list(
    principal: Principal,
    state: Data<AppState>,
    query: Query<Narrowed>,
    kept: Snapshot,
) -> Reply<Listed<PhoneNumberView>> {
    let read = async { listing(&state, principal.scope, &query).await };
    kept.or(&state, principal.scope, read).await
}

pub(super) async fn list_of_provider(
    principal: Principal,
    state: Data<AppState>,
    sp: Path<String>,
    query: Query<Narrowed>,
    kept: Snapshot,
) -> Reply<Listed<PhoneNumberView>> {
    let read = async {
        let provider = principal.require_service_provider(&state, &sp).await?;
        listing(&state, principal.within(provider.sid), &query).await
    };
    kept.or(&state, principal.scope, read).await
}

async fn listing(
    state: &AppState,
    scope: Scope,
    query: &Query<Narrowed>,
) -> Reply<Listed<PhoneNumberView>> {
    let page = query.page()?;
    let narrow = PhoneNumberQuery {
        filter: query.get("filter").map(str::to_owned),
        account_sid: query.sid("account_sid", AccountSid::parse)?,
        service_provider_sid: query.sid("service_provider_sid", ServiceProviderSid::parse)?,
    };
    let found = state.store.phone_numbers().list(scope, &narrow, page).await?;
    Listed::reply(&found, page, |number| PhoneNumberView::new(number, state.wire))
}

pub(super) async fn create(
    principal: Principal,
    state: Data<AppState>,
    body: Body<NewPhoneNumber>,
) -> Reply<Created> {
    let input = PhoneNumberInput::create(body.fields()?)?;
    quotas::check(&state, principal.scope, Owned::PhoneNumbers).await?;
    let sid = state.store.phone_numbers().create(principal.scope, input).await?;
    Created::reply(&sid)
}

pub(super) async fn read(
    principal: Principal,
    state: Data<AppState>,
    sid: Path<String>,
    kept: Snapshot,
) -> Reply<Json<PhoneNumberView>> {
    let read = async {
        let found = state.store.phone_numbers().get(principal.scope, parse(&sid)?).await?;
        Json::reply(&PhoneNumberView::new(&found.ok_or(ApiError::NotFound)?, state.wire))
    };
    kept.or(&state, principal.scope, read).await
}

pub(super) async fn update(
    principal: Principal,
    state: Data<AppState>,
    sid: Path<String>,
    body: Body<PhoneNumberUpdate>,
) -> Reply<NoContent> {
    let sid = parse(&sid)?;
    if let Found::Elsewhere = state.store.phone_numbers().locate(principal.scope, sid).await? {
        return Err(ApiError::Forbidden(INSUFFICIENT_PRIVILEGES));
    }
    let input = PhoneNumberInput::update(body.fields()?)?;
    state.store.phone_numbers().update(principal.scope, sid, input).await?;
    NoContent::reply()
}

pub(super) async fn delete(
    principal: Principal,
    state: Data<AppState>,
    sid: Path<String>,
) -> Reply<NoContent> {
    state.store.phone_numbers().delete(principal.scope, parse(&sid)?).await?;
    NoContent::reply()
}

fn parse(segment: &str) -> Result<PhoneNumberSid, ApiError> {
    PhoneNumberSid::parse(segment).ok_or(ApiError::MalformedSid)
}

/// A phone number as it is shown.
#[derive(Serialize, ToSchema)]
#[schema(as = PhoneNumber)]
pub(super) struct PhoneNumberView {
    phone_number_sid: PhoneNumberSid,
    number: String,
    voip_carrier_sid: Option<VoipCarrierSid>,
    account_sid: Option<AccountSid>,
    application_sid: Option<ApplicationSid>,
    service_provider_sid: Option<ServiceProviderSid>,
}

impl PhoneNumberView {
    fn new(number: &PhoneNumber, wire: Wire) -> Self {
        Self {
            phone_number_sid: number.sid,
            number: wire.number(&number.number),
            voip_carrier_sid: number.voip_carrier_sid,
            account_sid: number.account_sid,
            application_sid: number.application_sid,
            service_provider_sid: number.service_provider_sid,
        }
    }
}
