//! `/ApiKeys` (contract rest.md §2.2).

use actix_web::web::{Data, Path};
use serde::Serialize;
use utoipa::ToSchema;

use super::describe::body;
use super::error::ApiError;
use super::reply::{Array, CreatedAs, NoContent, Reply, Wire};
use super::{AppState, Body, Principal};
use crate::model::{AccountSid, ApiKey, ApiKeyInput, ApiKeySid, Scope, ServiceProviderSid};
use crate::store::Found;

body!(NewApiKey = ApiKeyInput::create);

/// A new key, with the token that is shown this once.
#[derive(Serialize, ToSchema)]
pub(super) struct MadeApiKey {
    sid: ApiKeySid,
    token: String,
}

const NO_ADMIN_KEY: &str = "service provider token may not be used to create admin token";
const SAME_PROVIDER: &str =
    "a service provider token can only be used to create tokens for the same service provider";
const SAME_ACCOUNT: &str =
    "an account level token can only be used to create account level tokens for the same account";

pub(super) async fn create(
    principal: Principal,
    state: Data<AppState>,
    body: Body<NewApiKey>,
) -> Reply<CreatedAs<MadeApiKey>> {
    let input = ApiKeyInput::create(body.fields()?)?;
    let scope = permitted(&principal, &state, &input).await?;
    let (key, token) = state.store.api_keys().create(scope, input.expires_at).await?;
    CreatedAs::reply(&MadeApiKey { sid: key.sid, token: token.0 })
}

/// The scope of the new key, if this principal may make such a one.
async fn permitted(
    principal: &Principal,
    state: &AppState,
    input: &ApiKeyInput,
) -> Result<Scope, ApiError> {
    let asked = match (input.account_sid, input.service_provider_sid) {
        (Some(account), _) => Scope::Account(account),
        (None, Some(provider)) => Scope::ServiceProvider(provider),
        (None, None) => Scope::Admin,
    };
    match (principal.scope, asked) {
        (Scope::Admin, _) => Ok(asked),
        (Scope::ServiceProvider(_), Scope::Admin) => Err(ApiError::bad_request(NO_ADMIN_KEY)),
        (Scope::ServiceProvider(own), _) => {
            let provider_fits = input.service_provider_sid.is_none_or(|sid| sid == own);
            let account_fits = match input.account_sid {
                Some(sid) => state.store.accounts().provider_of(sid).await? == Some(own),
                None => true,
            };
            if provider_fits && account_fits {
                Ok(asked)
            } else {
                Err(ApiError::bad_request(SAME_PROVIDER))
            }
        }
        (Scope::Account(own), Scope::Account(sid)) if own == sid => Ok(asked),
        (Scope::Account(_), _) => Err(ApiError::bad_request(SAME_ACCOUNT)),
    }
}

pub(super) async fn delete(
    principal: Principal,
    state: Data<AppState>,
    sid: Path<String>,
) -> Reply<NoContent> {
    let sid = ApiKeySid::parse(&sid).ok_or(ApiError::MalformedSid)?;
    let keys = state.store.api_keys();
    match keys.locate(principal.scope, sid).await? {
        Found::Here(key) => keys.delete(key.sid).await?,
        Found::Elsewhere => {
            return Err(ApiError::bad_request("this API key belongs to somebody else"));
        }
        Found::Nowhere => return Err(ApiError::NotFound),
    }
    NoContent::reply()
}

pub(super) async fn list_of_account(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
) -> Reply<Array<ApiKeyView>> {
    let account = principal.require_account(&state, &a).await?;
    listing(&state, Some(account.sid), None).await
}

pub(super) async fn list_of_provider(
    principal: Principal,
    state: Data<AppState>,
    sp: Path<String>,
) -> Reply<Array<ApiKeyView>> {
    let provider = principal.require_service_provider(&state, &sp).await?;
    match principal.scope.account() {
        Some(own) => listing(&state, Some(own), None).await,
        None => listing(&state, None, Some(provider.sid)).await,
    }
}

async fn listing(
    state: &AppState,
    account: Option<AccountSid>,
    provider: Option<ServiceProviderSid>,
) -> Reply<Array<ApiKeyView>> {
    let keys = state.store.api_keys().list(account, provider).await?;
    Array::reply(&keys.iter().map(|key| ApiKeyView::new(key, state.wire)).collect::<Vec<_>>())
}

/// Tokens are as long as a UUID.
const TOKEN_CHARS: usize = 36;

/// A key as it is listed: of its token the beginning.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(super) struct ApiKeyView {
    api_key_sid: ApiKeySid,
    token: String,
    account_sid: Option<AccountSid>,
    service_provider_sid: Option<ServiceProviderSid>,
    expires_at: Option<String>,
    last_used: Option<String>,
    created_at: String,
}

impl ApiKeyView {
    fn new(key: &ApiKey, wire: Wire) -> Self {
        Self {
            api_key_sid: key.sid,
            token: format!("{:X<TOKEN_CHARS$}", key.prefix),
            account_sid: key.scope.account(),
            service_provider_sid: key.scope.service_provider(),
            expires_at: key.expires_at.map(|date| wire.date(date)),
            last_used: key.last_used.map(|date| wire.date(date)),
            created_at: wire.date(key.created_at),
        }
    }
}
