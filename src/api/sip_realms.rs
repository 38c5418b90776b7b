//! `…/SipRealms/{realm}` and `/Availability`: the domain an account's SIP users have (contract rest.md
//! §2.14).

use actix_web::web::{Data, Path};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::describe::{Param, ParamKind, QueryShape};
use super::error::ApiError;
use super::reply::{Json, NoContent, Reply};
use super::{AppState, Change, Principal, Query};
use crate::model::{AccountInput, Fields};

/// Labels that a realm has at least.
const LABELS: usize = 3;

pub(super) async fn set(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
) -> Reply<NoContent> {
    let (a, realm) = path.into_inner();
    let account = principal.require_account(&state, &a).await?;
    let labels = realm.split('.').filter(|label| !label.is_empty()).count();
    let invalid = || ApiError::bad_request(format!("invalid sip_realm: {realm}"));
    if labels < LABELS {
        return Err(invalid());
    }
    let fields = Fields::new([("sip_realm".to_owned(), json!(realm))].into_iter().collect());
    let input = AccountInput::update(fields).map_err(|_| invalid())?;
    let (before, after) =
        state.store.accounts().update(principal.scope, account.sid, input).await?;
    state.announce(Change::Account { before: before.into(), after: Some(after.into()) });
    NoContent::reply()
}

/// What is asked for.
pub(super) struct Wanted;

const TYPES: &[&str] = &["email", "phone", "subdomain"];

impl QueryShape for Wanted {
    const PARAMS: &'static [Param] = &[
        Param::required("type", ParamKind::OneOf(TYPES), "what kind of value"),
        Param::required("value", ParamKind::Text, "the value that may be taken"),
    ];
}

#[derive(Serialize, ToSchema)]
pub(super) struct Availability {
    available: bool,
}

pub(super) async fn availability(
    _: Principal,
    state: Data<AppState>,
    query: Query<Wanted>,
) -> Reply<Json<Availability>> {
    let missing = |name| ApiError::bad_request(format!("missing or invalid \"{name}\" query arg"));
    let kind =
        query.get("type").filter(|kind| TYPES.contains(kind)).ok_or_else(|| missing("type"))?;
    let value = query.get("value").ok_or_else(|| missing("value"))?;
    let available = match kind {
        "subdomain" => !state.store.accounts().has_realm(value).await?,
        "email" => !state.store.users().has_login(value).await?,
        // Nobody is known here by a telephone number.
        _ => true,
    };
    Json::reply(&Availability { available })
}
