//! `/Clients`, the SIP users (contract rest.md §2.10).

use actix_web::web::{Data, Path};
use serde_json::{Value, json};

use super::error::{ApiError, INSUFFICIENT_PERMISSIONS, INSUFFICIENT_PRIVILEGES};
use super::reply::{self, Reply, flag};
use super::{AppState, Body, Change, Principal};
use crate::model::{Client, ClientInput, ClientSid, Invalid};
use crate::store::{self, Found};

pub(super) async fn list(principal: Principal, state: Data<AppState>) -> Reply {
    let clients = state.store.clients().list(principal.scope).await?;
    reply::ok(&clients.iter().map(view).collect::<Vec<_>>())
}

pub(super) async fn create(principal: Principal, state: Data<AppState>, body: Body) -> Reply {
    let input = ClientInput::create(body.fields()?)?;
    let account = principal.scope.account().or(input.account_sid);
    let account = account.ok_or(Invalid::Missing("account_sid"))?;
    let client = state
        .store
        .clients()
        .create(principal.scope, account, input)
        .await
        .map_err(|error| refusal(error).forbidden_as(INSUFFICIENT_PERMISSIONS))?;
    reply::created(&client.sid)
}

pub(super) async fn read(principal: Principal, state: Data<AppState>, sid: Path<String>) -> Reply {
    let found = state.store.clients().get(principal.scope, parse(&sid)?).await?;
    reply::ok(&view(&found.ok_or(ApiError::NotFound)?))
}

pub(super) async fn update(
    principal: Principal,
    state: Data<AppState>,
    sid: Path<String>,
    body: Body,
) -> Reply {
    let sid = parse(&sid)?;
    if let Found::Elsewhere = state.store.clients().locate(principal.scope, sid).await? {
        return Err(ApiError::Forbidden(INSUFFICIENT_PRIVILEGES));
    }
    let input = ClientInput::update(body.fields()?)?;
    let (before, after) =
        state.store.clients().update(principal.scope, sid, input).await.map_err(refusal)?;
    state.announce(Change::Client { before: before.into(), after: Some(after.into()) });
    reply::no_content()
}

pub(super) async fn delete(
    principal: Principal,
    state: Data<AppState>,
    sid: Path<String>,
) -> Reply {
    let before = state.store.clients().delete(principal.scope, parse(&sid)?).await?;
    state.announce(Change::Client { before: before.into(), after: None });
    reply::no_content()
}

fn parse(segment: &str) -> Result<ClientSid, ApiError> {
    ClientSid::parse(segment).ok_or(ApiError::MalformedSid)
}

/// A taken user name is 400 here, unlike other duplicates.
fn refusal(error: store::Error) -> ApiError {
    match error {
        store::Error::Duplicate(text) => ApiError::bad_request(text),
        other => other.into(),
    }
}

fn view(client: &Client) -> Value {
    json!({
        "client_sid": client.sid,
        "account_sid": client.account_sid,
        "username": client.username,
        "password": client.password.as_ref().map(|password| &password.obscured),
        "is_active": flag(client.is_active),
        "allow_direct_app_calling": flag(client.allow_direct_app_calling),
        "allow_direct_queue_calling": flag(client.allow_direct_queue_calling),
        "allow_direct_user_calling": flag(client.allow_direct_user_calling),
        "media_encryption": client.media_encryption,
        "digest_algorithm": client.digest_algorithm,
    })
}
