//! Who asks: a bearer token, an API key or that of a user who is logged in, becomes a [`Principal`],
//! and a principal reaches accounts and service providers or is refused (contract rest.md §1.2, §1.3).

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::future::LocalBoxFuture;

use super::AppState;
use super::describe::{Extracts, Operation};
use super::error::{ApiError, INSUFFICIENT_PERMISSIONS, VIEW_ONLY_ACCESS};
use super::jwt::Claimed;
use crate::model::{
    Account, AccountSid, ApiKeySid, Scope, ServiceProvider, ServiceProviderSid, Timestamp, UserSid,
};
use crate::store::{Found, Session, SessionId};

/// The holder of a valid token. A handler that takes one is closed to everybody else, and to users
/// who may only look unless it only reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Principal {
    pub scope: Scope,
    pub holder: Holder,
    pub is_view_only: bool,
}

/// What stands behind a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Holder {
    Key(ApiKeySid),
    /// A user who is logged in.
    User(UserSid, SessionId),
    /// Whoever shares the secret that tokens are signed with.
    Signer,
}

/// As [`Principal`], not closed to users who may only look: the handler says what they may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anyone(pub Principal);

/// Longer ones are nobody's; they are not even hashed. A token with three long names has about 2500.
const MAX_TOKEN_BYTES: usize = 4096;

impl Extracts for Principal {
    fn describe(operation: &mut Operation) {
        operation.is_secured = true;
    }
}

impl Extracts for Anyone {
    fn describe(operation: &mut Operation) {
        operation.is_secured = true;
    }
}

impl FromRequest for Principal {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let only_reads = request.method().is_safe();
        let anyone = Anyone::from_request(request, payload);
        Box::pin(async move {
            let Anyone(principal) = anyone.await?;
            match principal.is_view_only && !only_reads {
                true => Err(ApiError::Forbidden(VIEW_ONLY_ACCESS)),
                false => Ok(principal),
            }
        })
    }
}

impl FromRequest for Anyone {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let state = request.app_data::<web::Data<AppState>>().cloned();
        let token = bearer(request);
        let request = request.clone();
        Box::pin(async move {
            let state = state.ok_or(ApiError::Internal)?;
            state.throttle.let_try(&request)?;
            let found = match token {
                Ok(token) => Self::holding(&state, &token).await,
                Err(error) => Err(error),
            };
            match &found {
                Ok(Self(principal)) => state.throttle.count(&request, principal.holder)?,
                Err(ApiError::InvalidToken) => state.throttle.failed(&request),
                Err(_) => {}
            }
            found
        })
    }
}

impl Anyone {
    async fn holding(state: &AppState, token: &str) -> Result<Self, ApiError> {
        let now = Timestamp::now();
        let known = match state.door.signer.read(token, now) {
            Some(claims) => user(state, token, claims, now).await?,
            None => key(state, token, now).await?,
        };
        known.map(Self).ok_or(ApiError::InvalidToken)
    }
}

async fn key(state: &AppState, token: &str, now: Timestamp) -> Result<Option<Principal>, ApiError> {
    let known = state.store.api_keys().authenticate(token, now).await?;
    Ok(known.map(|key| Principal {
        scope: key.scope,
        holder: Holder::Key(key.key_sid),
        is_view_only: false,
    }))
}

/// The claims decide how far a token reaches, but never farther than its user does now.
async fn user(
    state: &AppState,
    token: &str,
    claims: Claimed,
    now: Timestamp,
) -> Result<Option<Principal>, ApiError> {
    let Claimed { scope, user_sid, is_view_only } = claims;
    let Some(user_sid) = user_sid else {
        return Ok(Some(Principal { scope, holder: Holder::Signer, is_view_only }));
    };
    let id = SessionId::of(token);
    let session = state.store.sessions().find(id, now).await?;
    let is_live = |s: &Session| s.user_sid == user_sid && [Scope::Admin, scope].contains(&s.scope);
    Ok(session.filter(is_live).map(|session| Principal {
        scope,
        holder: Holder::User(user_sid, id),
        is_view_only: is_view_only || session.is_view_only,
    }))
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
    /// The user who is logged in, and the session; 403 for a token that is nobody's in particular.
    pub fn require_user(&self) -> Result<(UserSid, SessionId), ApiError> {
        match self.holder {
            Holder::User(sid, session) => Ok((sid, session)),
            Holder::Key(_) | Holder::Signer => Err(ApiError::Forbidden(INSUFFICIENT_PERMISSIONS)),
        }
    }

    /// 403 for users who may only look, where the method does not say that something is changed.
    pub fn require_more_than_looking(&self) -> Result<(), ApiError> {
        if self.is_view_only { Err(ApiError::Forbidden(VIEW_ONLY_ACCESS)) } else { Ok(()) }
    }

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
