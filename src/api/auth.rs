//! Who asks: a bearer token becomes a [`Principal`], and a principal reaches accounts and service
//! providers or is refused (contract rest.md §1.2, §1.3).

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::future::LocalBoxFuture;

use super::AppState;
use super::describe::{Extracts, Operation};
use super::error::{ApiError, INSUFFICIENT_PERMISSIONS};
use crate::model::{
    Account, AccountSid, ApiKeySid, Scope, ServiceProvider, ServiceProviderSid, Timestamp,
};
use crate::store::Found;

/// The holder of a valid token. A handler that takes one is closed to everybody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Principal {
    pub scope: Scope,
    pub key_sid: ApiKeySid,
}

/// Longer ones are nobody's; they are not even hashed.
const MAX_TOKEN_BYTES: usize = 512;

impl Extracts for Principal {
    fn describe(operation: &mut Operation) {
        operation.is_secured = true;
    }
}

impl FromRequest for Principal {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let state = request.app_data::<web::Data<AppState>>().cloned();
        let token = bearer(request);
        Box::pin(async move {
            let state = state.ok_or(ApiError::Internal)?;
            let token = token?;
            let known = state.store.api_keys().authenticate(&token, Timestamp::now()).await?;
            let known = known.ok_or(ApiError::InvalidToken)?;
            Ok(Self { scope: known.scope, key_sid: known.key_sid })
        })
    }
}

fn bearer(request: &HttpRequest) -> Result<String, ApiError> {
    let header = request.headers().get(AUTHORIZATION).ok_or(ApiError::NoCredentials)?;
    let text = header.to_str().map_err(|_| ApiError::InvalidToken)?.trim();
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(ApiError::NoCredentials);
    }
    match token.trim() {
        token if token.is_empty() || token.len() > MAX_TOKEN_BYTES => Err(ApiError::InvalidToken),
        token => Ok(token.to_owned()),
    }
}

impl Principal {
    pub fn is_admin(&self) -> bool {
        self.scope == Scope::Admin
    }

    /// 403 for everybody but the administrator.
    pub fn require_admin(&self) -> Result<(), ApiError> {
        if self.is_admin() { Ok(()) } else { Err(ApiError::Forbidden(INSUFFICIENT_PERMISSIONS)) }
    }

    /// The account of a path, which must exist: malformed 400, out of reach 403 (unknown to anybody
    /// but the administrator as well), unknown 404.
    pub async fn require_account(
        &self,
        state: &AppState,
        segment: &str,
    ) -> Result<Account, ApiError> {
        let sid = AccountSid::parse(segment).ok_or(ApiError::MalformedSid)?;
        match state.store.accounts().locate(self.scope, sid).await? {
            Found::Here(account) => Ok(account),
            Found::Nowhere if self.is_admin() => Err(ApiError::NotFound),
            Found::Nowhere | Found::Elsewhere => Err(ApiError::Forbidden(INSUFFICIENT_PERMISSIONS)),
        }
    }

    /// The account of a path whose list is empty rather than missing when the administrator asks
    /// for one that does not exist.
    pub async fn reach_account(
        &self,
        state: &AppState,
        segment: &str,
    ) -> Result<AccountSid, ApiError> {
        let sid = AccountSid::parse(segment).ok_or(ApiError::MalformedSid)?;
        let reached = match self.scope {
            Scope::Admin => true,
            Scope::Account(own) => own == sid,
            Scope::ServiceProvider(own) => {
                state.store.accounts().provider_of(sid).await? == Some(own)
            }
        };
        if reached { Ok(sid) } else { Err(ApiError::Forbidden(INSUFFICIENT_PERMISSIONS)) }
    }

    /// The service provider of a path, by the same rules. An account token reaches its own.
    pub async fn require_service_provider(
        &self,
        state: &AppState,
        segment: &str,
    ) -> Result<ServiceProvider, ApiError> {
        let sid = ServiceProviderSid::parse(segment).ok_or(ApiError::MalformedSid)?;
        match state.store.service_providers().locate(self.scope, sid).await? {
            Found::Here(provider) => Ok(provider),
            Found::Nowhere if self.is_admin() => Err(ApiError::NotFound),
            Found::Nowhere | Found::Elsewhere => Err(ApiError::Forbidden(INSUFFICIENT_PERMISSIONS)),
        }
    }

    /// What a list under a service provider shows this principal: an account token its own rows,
    /// everybody else the provider's.
    pub fn within(&self, provider: ServiceProviderSid) -> Scope {
        match self.scope {
            Scope::Account(_) => self.scope,
            Scope::Admin | Scope::ServiceProvider(_) => Scope::ServiceProvider(provider),
        }
    }
}
