//! `/login`, `/logout` and `/change-password` (contract rest.md §2.15).

use std::net::IpAddr;
use std::time::Instant;

use actix_web::HttpRequest;
use actix_web::web::Data;
use serde::Serialize;
use utoipa::ToSchema;

use super::attempts::Verdict;
use super::auth::{Anyone, Holder};
use super::describe::body;
use super::error::ApiError;
use super::jwt::scope_name;
use super::reply::{Json, NoContent, Reply};
use super::{AppState, Body};
use crate::model::user::folded;
use crate::model::{
    AccountSid, Login, PasswordChange, Secret, ServiceProviderSid, Timestamp, UserSid,
};
use crate::store;

body!(Credentials = Login::read);
body!(NewPassword = PasswordChange::read);

/// The same whether there is such a user or not.
const WRONG: ApiError = ApiError::Forbidden("invalid username or password");

/// What comes of it is known to the client only after a while, so that neither patience nor a watch
/// helps in guessing.
pub(super) async fn login(
    request: HttpRequest,
    state: Data<AppState>,
    body: Body<Credentials>,
) -> Reply<Json<LoggedIn>> {
    let login = Login::read(body.fields()?)?;
    let from = request.peer_addr().map(|address| address.ip());
    let outcome = come_in(&state, &login, from).await;
    tokio::time::sleep(rand::random_range(state.door.delay.clone())).await;
    Json::reply(&outcome?)
}

async fn come_in(
    state: &AppState,
    login: &Login,
    from: Option<IpAddr>,
) -> Result<LoggedIn, ApiError> {
    let attempts = &state.door.attempts;
    let name = folded(&login.username);
    if attempts.is_blocked(&name, from, Instant::now()) {
        return Err(ApiError::LoginBlocked);
    }
    let found = state.store.users().check_login(&login.username, &login.password).await?;
    match attempts.settle(&name, from, found.is_some(), Instant::now()) {
        Verdict::Blocked => Err(ApiError::LoginBlocked),
        Verdict::Wrong => Err(WRONG),
        Verdict::Right => open(state, found.ok_or(WRONG)?).await,
    }
}

async fn open(state: &AppState, found: store::Opened) -> Result<LoggedIn, ApiError> {
    let store::Opened { user, password_hash } = found;
    let now = Timestamp::now();
    let end = now.plus(state.config.api.jwt_lifetime);
    let token = state.door.signer.token(&user, now, end).ok_or(ApiError::Internal)?;
    if !state.store.sessions().open(&token, &user, &password_hash, end).await? {
        return Err(WRONG);
    }
    let Secret(token) = token;
    Ok(LoggedIn {
        token,
        user_sid: user.sid,
        scope: scope_name(user.scope),
        force_change: user.force_change,
        permissions: user.permissions(),
        service_provider_sid: user.service_provider_sid,
        service_provider_name: user.service_provider_name,
        account_sid: user.scope.account(),
        account_name: user.account_name,
    })
}

/// Who comes in gets this. Not `Debug`: the token is a secret.
#[derive(Serialize, ToSchema)]
pub(super) struct LoggedIn {
    token: String,
    user_sid: UserSid,
    scope: &'static str,
    force_change: bool,
    permissions: &'static [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    service_provider_sid: Option<ServiceProviderSid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_provider_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_sid: Option<AccountSid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_name: Option<String>,
}

/// What has no session has nothing that could end.
pub(super) async fn logout(Anyone(principal): Anyone, state: Data<AppState>) -> Reply<NoContent> {
    if let Holder::User(_, session) = principal.holder {
        state.store.sessions().close(session).await?;
    }
    NoContent::reply()
}

pub(super) async fn change_password(
    Anyone(principal): Anyone,
    state: Data<AppState>,
    body: Body<NewPassword>,
) -> Reply<NoContent> {
    let (sid, session) = principal.require_user()?;
    let change = PasswordChange::read(body.fields()?)?;
    prove(&state, sid, state.store.users().change_password(sid, change, session)).await?;
    NoContent::reply()
}

/// Does what needs a user's old password; who is wrong too often is not asked any more.
pub(super) async fn prove(
    state: &AppState,
    sid: UserSid,
    change: impl Future<Output = Result<(), store::Error>>,
) -> Result<(), ApiError> {
    let attempts = &state.door.attempts;
    // No name that anybody could log in with.
    let name = format!("\0{sid}");
    if !attempts.take(&name, Instant::now()) {
        return Err(ApiError::LoginBlocked);
    }
    let outcome = change.await;
    match &outcome {
        Ok(()) => attempts.forgive(&name),
        Err(store::Error::WrongPassword) if attempts.is_blocked(&name, None, Instant::now()) => {
            return Err(ApiError::LoginBlocked);
        }
        Err(store::Error::WrongPassword) => {}
        Err(_) => attempts.give_back(&name),
    }
    Ok(outcome?)
}
