//! `/Sbcs`, the addresses SIP is spoken at: those of the server, and those the administrator added
//! (contract rest.md §2.14).

use actix_web::web::{Data, Path};
use serde::Serialize;
use utoipa::ToSchema;

use super::describe::{Param, ParamKind, QueryShape, body};
use super::error::ApiError;
use super::reply::{Array, Created, NoContent, Reply, Wire};
use super::{AppState, Body, Principal, Query};
use crate::model::{Sbc, SbcAddressSid, ServiceProviderSid};

body!(NewSbc = Sbc::create, "ipv4": "192.0.2.1");

/// How the list is narrowed.
pub(super) struct Narrowed;

impl QueryShape for Narrowed {
    const PARAMS: &'static [Param] = &[Param::optional(
        "service_provider_sid",
        ParamKind::Sid,
        "of those that serve one provider, only this one's",
    )];
}

pub(super) async fn list(
    principal: Principal,
    state: Data<AppState>,
    query: Query<Narrowed>,
) -> Reply<Array<SbcView>> {
    let provider = query.sid("service_provider_sid", ServiceProviderSid::parse)?;
    let added = state.store.sbcs().list(principal.scope, provider).await?;
    let all = state.own_sbcs.iter().chain(&added);
    Array::reply(&all.map(|sbc| SbcView::new(sbc, state.wire)).collect::<Vec<_>>())
}

pub(super) async fn create(
    principal: Principal,
    state: Data<AppState>,
    body: Body<NewSbc>,
) -> Reply<Created> {
    principal.require_admin()?;
    let sbc = Sbc::create(body.fields()?)?;
    state.store.sbcs().create(&sbc).await?;
    Created::reply(&sbc.sid)
}

pub(super) async fn delete(
    principal: Principal,
    state: Data<AppState>,
    sid: Path<String>,
) -> Reply<NoContent> {
    let sid = SbcAddressSid::parse(&sid).ok_or(ApiError::MalformedSid)?;
    principal.require_admin()?;
    if state.own_sbcs.iter().any(|own| own.sid == sid) {
        return Err(ApiError::unprocessable("the server itself listens at this address"));
    }
    state.store.sbcs().delete(sid).await?;
    NoContent::reply()
}

/// An address as it is shown.
#[derive(Serialize, ToSchema)]
#[schema(as = Sbc)]
pub(super) struct SbcView {
    sbc_address_sid: SbcAddressSid,
    ipv4: String,
    port: Option<u16>,
    tls_port: Option<u16>,
    wss_port: Option<u16>,
    service_provider_sid: Option<ServiceProviderSid>,
    last_updated: String,
}

impl SbcView {
    fn new(sbc: &Sbc, wire: Wire) -> Self {
        Self {
            sbc_address_sid: sbc.sid,
            ipv4: sbc.host.clone(),
            port: sbc.port,
            tls_port: sbc.tls_port,
            wss_port: sbc.wss_port,
            service_provider_sid: sbc.service_provider_sid,
            last_updated: wire.date(sbc.last_updated),
        }
    }
}
