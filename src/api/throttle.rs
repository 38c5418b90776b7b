//! How often a token may ask, and how often an address may come with tokens that nobody has (contract
//! rest.md §1.6, 429). Both are off unless they are configured.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use actix_web::{HttpMessage, HttpRequest};

use super::auth::Holder;
use super::error::ApiError;
use crate::config::Http;
use crate::model::{ApiKeySid, UserSid};
use crate::rate::{Buckets, Level, group};

#[derive(Debug)]
pub(super) struct Throttle {
    holders: Mutex<Buckets<Asker>>,
    failures: Mutex<Buckets<IpAddr>>,
}

/// Whom a token counts for: all that one user is logged in with are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Asker {
    Key(ApiKeySid),
    User(UserSid),
    Signer,
}

impl From<Holder> for Asker {
    fn from(holder: Holder) -> Self {
        match holder {
            Holder::Key(sid) => Self::Key(sid),
            Holder::User(sid, _) => Self::User(sid),
            Holder::Signer => Self::Signer,
        }
    }
}

/// What the answer to a request says about the limit it fell under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    level: Level,
    is_refused: bool,
}

impl Throttle {
    pub(super) fn new(http: &Http) -> Self {
        let failures = Buckets::new(http.auth_failures_per_second, http.auth_failures_burst);
        Self {
            holders: Mutex::new(Buckets::new(http.rate_per_second, http.rate_burst)),
            failures: Mutex::new(failures),
        }
    }

    /// Counts a request of the holder of a token.
    ///
    /// # Errors
    /// [`ApiError::TooMany`]
    pub(super) fn count(&self, request: &HttpRequest, holder: Holder) -> Result<(), ApiError> {
        let now = Instant::now();
        let mut holders = lock(&self.holders);
        if !holders.is_on() {
            return Ok(());
        }
        let asker = Asker::from(holder);
        let is_admitted = holders.admit(now, asker);
        let level = holders.level(now, asker);
        Verdict { level, is_refused: !is_admitted }.settle(request)
    }

    /// Whether the sender's token is looked at at all.
    ///
    /// # Errors
    /// [`ApiError::TooMany`] for an address that has used up its failures.
    pub(super) fn let_try(&self, request: &HttpRequest) -> Result<(), ApiError> {
        let mut failures = lock(&self.failures);
        let Some(source) = source(request).filter(|_| failures.is_on()) else { return Ok(()) };
        let level = failures.level(Instant::now(), source);
        if level.remaining > 0 {
            Ok(())
        } else {
            Verdict { level, is_refused: true }.settle(request)
        }
    }

    /// The sender's token is nobody's.
    pub(super) fn failed(&self, request: &HttpRequest) {
        if let Some(source) = source(request) {
            lock(&self.failures).admit(Instant::now(), source);
        }
    }
}

impl Verdict {
    /// What was found while the request was served.
    pub(super) fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().copied()
    }

    fn settle(self, request: &HttpRequest) -> Result<(), ApiError> {
        request.extensions_mut().insert(self);
        if self.is_refused { Err(ApiError::TooMany) } else { Ok(()) }
    }

    pub(super) fn write(self, headers: &mut HeaderMap) {
        let mut put = |name: &'static str, number: u64| {
            headers.insert(HeaderName::from_static(name), HeaderValue::from(number));
        };
        put("ratelimit-limit", self.level.limit.into());
        put("ratelimit-remaining", self.level.remaining.into());
        put("ratelimit-reset", seconds(self.level.full));
        if self.is_refused {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds(self.level.next).max(1)));
        }
    }
}

/// Rounded up: who comes back then is let in.
fn seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

fn source(request: &HttpRequest) -> Option<IpAddr> {
    request.peer_addr().map(|peer| group(peer.ip()))
}

fn lock<K>(buckets: &Mutex<Buckets<K>>) -> MutexGuard<'_, Buckets<K>> {
    // A bucket is whole after each step.
    buckets.lock().unwrap_or_else(PoisonError::into_inner)
}
