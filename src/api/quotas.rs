//! How much an account may make with its own token (contract rest.md §1.9); off unless configured.

use super::AppState;
use super::error::ApiError;
use crate::model::Scope;
use crate::store::Owned;

/// Requests that run at the same moment may go beyond a quota by their number, which does no harm.
///
/// # Errors
/// 422 when the account has as much as it may have.
pub(super) async fn check(state: &AppState, scope: Scope, what: Owned) -> Result<(), ApiError> {
    let Scope::Account(account) = scope else { return Ok(()) };
    if !state.config.api.creation_quotas {
        return Ok(());
    }
    let (most, name) = match what {
        Owned::Applications => (50, "applications"),
        Owned::VoipCarriers => (10, "carriers"),
        Owned::SipGateways => (150, "gateways"),
        Owned::PhoneNumbers => (200, "phone numbers"),
    };
    if state.store.count_owned(account, what).await? < most {
        return Ok(());
    }
    Err(ApiError::unprocessable(format!("an account may not have more than {most} {name}")))
}
