//! `/Users` (contract rest.md §2.15).

use actix_web::web::{Data, Path};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::accounts::AccountView;
use super::auth::{Anyone, Holder, Principal};
use super::describe::body;
use super::error::{ApiError, VIEW_ONLY_ACCESS};
use super::jwt::scope_name;
use super::login::prove;
use super::reply::{Array, CreatedAs, Flag, Json, NoContent, Reply, Wire};
use super::service_providers::ServiceProviderView;
use super::{AppState, Body};
use crate::model::{
    Account, AccountSid, Scope, ServiceProvider, ServiceProviderSid, User, UserInput, UserSid,
};

body!(NewUser = UserInput::create, "email": "ada@example.com");
body!(UserUpdate = UserInput::update, "email": "ada@example.com");

pub(super) async fn list(principal: Principal, state: Data<AppState>) -> Reply<Array<UserInList>> {
    let users = state.store.users().list(principal.scope).await?;
    Array::reply(&users.iter().map(UserInList::new).collect::<Vec<_>>())
}

pub(super) async fn create(
    principal: Principal,
    state: Data<AppState>,
    body: Body<NewUser>,
) -> Reply<CreatedAs<CreatedUser>> {
    let input = UserInput::create(body.fields()?)?;
    let user_sid = state.store.users().create(principal.scope, &input).await?;
    CreatedAs::reply(&CreatedUser { user_sid })
}

pub(super) async fn read(
    principal: Principal,
    state: Data<AppState>,
    sid: Path<String>,
) -> Reply<Json<UserView<Flag>>> {
    let found = state.store.users().locate(principal.scope, parse(&sid)?).await?;
    let user = found.here().ok_or(ApiError::NotFound)?;
    Json::reply(&UserView::new(&user, state.wire))
}

/// The user who is logged in, with what it belongs to.
pub(super) async fn me(principal: Principal, state: Data<AppState>) -> Reply<Json<Me>> {
    let (sid, _) = principal.require_user()?;
    let store = &state.store;
    // It is its own user, account and provider: all of that is within its reach.
    let user = store.users().locate(Scope::Admin, sid).await?.ok()?;
    let account = match user.scope.account() {
        Some(sid) => store.accounts().get(Scope::Admin, sid).await?,
        None => None,
    };
    let provider = match user.service_provider_sid {
        Some(sid) => store.service_providers().locate(Scope::Admin, sid).await?.here(),
        None => None,
    };
    let nobody = ServiceProvider::new("");
    let nothing = AccountView::new(&Account::new(nobody.sid, ""), state.wire);
    Json::reply(&Me {
        user: UserView::new(&user, state.wire),
        account: match account {
            Some(account) => members(&AccountView::new(&account, state.wire))?,
            None => nulls(members(&nothing)?),
        },
        sp: match provider {
            Some(provider) => members(&ServiceProviderView::new(&provider))?,
            None => nulls(members(&ServiceProviderView::new(&nobody))?),
        },
    })
}

pub(super) async fn update(
    Anyone(principal): Anyone,
    state: Data<AppState>,
    sid: Path<String>,
    body: Body<UserUpdate>,
) -> Reply<NoContent> {
    let fields = body.fields();
    let names_passwords = fields
        .as_ref()
        .is_ok_and(|fields| fields.has("old_password") && fields.has("new_password"));
    if principal.is_view_only && !names_passwords {
        return Err(ApiError::Forbidden(VIEW_ONLY_ACCESS));
    }
    let sid = parse(&sid)?;
    let users = state.store.users();
    users.locate(principal.scope, sid).await?.ok()?;
    let input = UserInput::update(fields?)?;
    let own_session = match principal.holder {
        Holder::User(own, session) if own == sid => Some(session),
        _ => None,
    };
    if principal.is_view_only && !(own_session.is_some() && input.is_own_password_alone()) {
        return Err(ApiError::Forbidden(VIEW_ONLY_ACCESS));
    }
    let update = users.update(principal.scope, sid, &input, own_session);
    match input.own_password {
        Some(_) => prove(&state, sid, update).await?,
        None => update.await?,
    }
    NoContent::reply()
}

pub(super) async fn delete(
    principal: Principal,
    state: Data<AppState>,
    sid: Path<String>,
) -> Reply<NoContent> {
    state.store.users().delete(principal.scope, parse(&sid)?).await?;
    NoContent::reply()
}

fn parse(segment: &str) -> Result<UserSid, ApiError> {
    UserSid::parse(segment).ok_or(ApiError::MalformedSid)
}

fn members(view: &impl Serialize) -> Result<Map<String, Value>, ApiError> {
    match serde_json::to_value(view) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(ApiError::Internal),
        Err(error) => Err(ApiError::internal(&error)),
    }
}

fn nulls(mut members: Map<String, Value>) -> Map<String, Value> {
    members.values_mut().for_each(|value| *value = Value::Null);
    members
}

#[derive(Serialize, ToSchema)]
pub(super) struct CreatedUser {
    user_sid: UserSid,
}

/// A user as lists show it.
#[derive(Serialize, ToSchema)]
pub(super) struct UserInList {
    user_sid: UserSid,
    name: String,
    email: String,
    scope: &'static str,
    force_change: Flag,
    is_active: Flag,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_sid: Option<AccountSid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_provider_sid: Option<ServiceProviderSid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_provider_name: Option<String>,
}

impl UserInList {
    fn new(user: &User) -> Self {
        Self {
            user_sid: user.sid,
            name: user.name.clone(),
            email: user.email.clone(),
            scope: scope_name(user.scope),
            force_change: user.force_change.into(),
            is_active: user.is_active.into(),
            account_sid: user.scope.account(),
            account_name: user.account_name.clone(),
            service_provider_sid: user.service_provider_sid,
            service_provider_name: user.service_provider_name.clone(),
        }
    }
}

/// A user as it is shown by itself. `F`: how some of its booleans are written, which differs between
/// `/Users/{sid}` and `/Users/me`.
#[derive(Serialize, ToSchema)]
pub(super) struct UserView<F> {
    user_sid: UserSid,
    name: String,
    email: String,
    /// Users are made by hand and change nothing by mail: these are what the portal expects then.
    pending_email: Option<String>,
    phone: Option<String>,
    provider: &'static str,
    account_sid: Option<AccountSid>,
    account_name: Option<String>,
    service_provider_sid: Option<ServiceProviderSid>,
    service_provider_name: Option<String>,
    scope: &'static str,
    permissions: &'static [&'static str],
    is_view_only: bool,
    is_active: Flag,
    force_change: F,
    email_validated: F,
    phone_validated: F,
    email_content_opt_out: Flag,
    created_at: String,
}

impl<F: From<bool>> UserView<F> {
    fn new(user: &User, wire: Wire) -> Self {
        Self {
            user_sid: user.sid,
            name: user.name.clone(),
            email: user.email.clone(),
            pending_email: None,
            phone: None,
            provider: "local",
            account_sid: user.scope.account(),
            account_name: user.account_name.clone(),
            service_provider_sid: user.service_provider_sid,
            service_provider_name: user.service_provider_name.clone(),
            scope: scope_name(user.scope),
            permissions: user.permissions(),
            is_view_only: user.is_view_only,
            is_active: user.is_active.into(),
            force_change: user.force_change.into(),
            email_validated: false.into(),
            phone_validated: false.into(),
            email_content_opt_out: false.into(),
            created_at: wire.date(user.created_at),
        }
    }
}

/// Who is logged in. Where it has no account or provider, their members are there and null.
#[derive(Serialize, ToSchema)]
pub(super) struct Me {
    user: UserView<bool>,
    #[schema(value_type = Object)]
    account: Map<String, Value>,
    #[schema(value_type = Object)]
    sp: Map<String, Value>,
}
