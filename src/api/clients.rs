//! `/Clients`, the SIP users (contract rest.md §2.10).

use actix_web::web::{Data, Path};
use serde::Serialize;
use utoipa::ToSchema;

use super::describe::body;
use super::error::{ApiError, INSUFFICIENT_PERMISSIONS, INSUFFICIENT_PRIVILEGES};
use super::reply::{Array, Created, Flag, Json, NoContent, Reply};
use super::snapshot::Snapshot;
use super::{AppState, Body, Change, Principal};
use crate::model::{
    AccountSid, Client, ClientInput, ClientSid, DigestAlgorithm, Encryption, Invalid,
};
use crate::store::{self, Found};

body!(NewClient = ClientInput::create);
body!(ClientUpdate = ClientInput::update);

pub(super) async fn list(
    principal: Principal,
    state: Data<AppState>,
    kept: Snapshot,
) -> Reply<Array<ClientView>> {
    let read = async {
        let clients = state.store.clients().list(principal.scope).await?;
        Array::reply(&clients.iter().map(ClientView::new).collect::<Vec<_>>())
    };
    kept.or(&state, principal.scope, read).await
}

pub(super) async fn create(
    principal: Principal,
    state: Data<AppState>,
    body: Body<NewClient>,
) -> Reply<Created> {
    let input = ClientInput::create(body.fields()?)?;
    let account = principal.scope.account().or(input.account_sid);
    let account = account.ok_or(Invalid::Missing("account_sid"))?;
    let client = state
        .store
        .clients()
        .create(principal.scope, account, input)
        .await
        .map_err(|error| refusal(error).forbidden_as(INSUFFICIENT_PERMISSIONS))?;
    Created::reply(&client.sid)
}

pub(super) async fn read(
    principal: Principal,
    state: Data<AppState>,
    sid: Path<String>,
    kept: Snapshot,
) -> Reply<Json<ClientView>> {
    let read = async {
        let found = state.store.clients().get(principal.scope, parse(&sid)?).await?;
        Json::reply(&ClientView::new(&found.ok_or(ApiError::NotFound)?))
    };
    kept.or(&state, principal.scope, read).await
}

pub(super) async fn update(
    principal: Principal,
    state: Data<AppState>,
    sid: Path<String>,
    body: Body<ClientUpdate>,
) -> Reply<NoContent> {
    let sid = parse(&sid)?;
    if let Found::Elsewhere = state.store.clients().locate(principal.scope, sid).await? {
        return Err(ApiError::Forbidden(INSUFFICIENT_PRIVILEGES));
    }
    let input = ClientInput::update(body.fields()?)?;
    let (before, after) =
        state.store.clients().update(principal.scope, sid, input).await.map_err(refusal)?;
    state.announce(Change::Client { before: before.into(), after: Some(after.into()) });
    NoContent::reply()
}

pub(super) async fn delete(
    principal: Principal,
    state: Data<AppState>,
    sid: Path<String>,
) -> Reply<NoContent> {
    let before = state.store.clients().delete(principal.scope, parse(&sid)?).await?;
    state.announce(Change::Client { before: before.into(), after: None });
    NoContent::reply()
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

/// A SIP user as it is shown; of the password its first character.
#[derive(Serialize, ToSchema)]
#[schema(as = Client)]
pub(super) struct ClientView {
    client_sid: ClientSid,
    account_sid: AccountSid,
    username: String,
    password: Option<String>,
    is_active: Flag,
    allow_direct_app_calling: Flag,
    allow_direct_queue_calling: Flag,
    allow_direct_user_calling: Flag,
    media_encryption: Option<Encryption>,
    digest_algorithm: Option<DigestAlgorithm>,
}

impl ClientView {
    fn new(client: &Client) -> Self {
        Self {
            client_sid: client.sid,
            account_sid: client.account_sid,
            username: client.username.clone(),
            password: client.password.as_ref().map(|password| password.obscured.0.clone()),
            is_active: client.is_active.into(),
            allow_direct_app_calling: client.allow_direct_app_calling.into(),
            allow_direct_queue_calling: client.allow_direct_queue_calling.into(),
            allow_direct_user_calling: client.allow_direct_user_calling.into(),
            media_encryption: client.media_encryption,
            digest_algorithm: client.digest_algorithm,
        }
    }
}
