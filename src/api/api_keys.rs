//! `/ApiKeys` (contract rest.md §2.2).

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use serde_json::{Value, json};

use super::error::ApiError;
use super::reply::{self, Reply, Wire};
use super::{AppState, Body, Principal};
use crate::model::{AccountSid, ApiKey, ApiKeyInput, ApiKeySid, Scope, ServiceProviderSid};
use crate::store::Found;

const NO_ADMIN_KEY: &str = "service provider token may not be used to create admin token";
const SAME_PROVIDER: &str =
    "a service provider token can only be used to create tokens for the same service provider";
const SAME_ACCOUNT: &str =
    "an account level token can only be used to create account level tokens for the same account";

pub(super) async fn create(principal: Principal, state: Data<AppState>, body: Body) -> Reply {
    let input = ApiKeyInput::create(body.fields()?)?;
    let scope = permitted(&principal, &state, &input).await?;
    let (key, token) = state.store.api_keys().create(scope, input.expires_at).await?;
    reply::with_status(StatusCode::CREATED, &json!({"sid": key.sid, "token": token}))
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
) -> Reply {
    let sid = ApiKeySid::parse(&sid).ok_or(ApiError::MalformedSid)?;
    let keys = state.store.api_keys();
    match keys.locate(principal.scope, sid).await? {
        Found::Here(key) => keys.delete(key.sid).await?,
        Found::Elsewhere => {
            return Err(ApiError::bad_request("this API key belongs to somebody else"));
        }
        Found::Nowhere => return Err(ApiError::NotFound),
    }
    reply::no_content()
}

pub(super) async fn list_of_account(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
) -> Reply {
    let account = principal.require_account(&state, &a).await?;
    listing(&state, Some(account.sid), None).await
}

pub(super) async fn list_of_provider(
    principal: Principal,
    state: Data<AppState>,
    sp: Path<String>,
) -> Reply {
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
) -> Reply {
    let keys = state.store.api_keys().list(account, provider).await?;
    reply::ok(&keys.iter().map(|key| view(key, state.wire)).collect::<Vec<_>>())
}

/// Tokens are as long as a UUID.
const TOKEN_CHARS: usize = 36;

fn view(key: &ApiKey, wire: Wire) -> Value {
    json!({
        "api_key_sid": key.sid,
        "token": format!("{:X<TOKEN_CHARS$}", key.prefix),
        "account_sid": key.scope.account(),
        "service_provider_sid": key.scope.service_provider(),
        "expires_at": wire.date_or_null(key.expires_at),
        "last_used": wire.date_or_null(key.last_used),
        "created_at": wire.date(key.created_at),
    })
}
