//! Why an application could not run, and what follows from each reason (contract verbs.md §1.6).

use serde_json::Value;

use crate::hook::{Alert, AlertKind, HookError, HookReply};
use crate::verb::{self, Verb, VerbError};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppFailure {
    #[error(transparent)]
    Hook(#[from] HookError),
    #[error(transparent)]
    Invalid(#[from] VerbError),
    /// An empty array, or no body.
    #[error("no application provided")]
    Empty,
    /// Neither a call hook nor verbs are configured.
    #[error("no configured application")]
    NotConfigured,
}

impl AppFailure {
    /// The record for the application's owner; a call without application is not its fault.
    pub fn alert(&self) -> Option<Alert> {
        match self {
            Self::Hook(error) => Some(error.alert()),
            Self::Invalid(_) | Self::Empty => {
                Some(Alert::new(AlertKind::InvalidAppPayload, self.to_string()))
            }
            Self::NotConfigured => None,
        }
    }

    /// The text of the `X-Reason` header.
    pub fn x_reason(&self) -> String {
        match self {
            Self::Hook(error) => error.x_reason(),
            _ => self.to_string(),
        }
    }
}

/// The verbs of a session's first reply: there must be some.
pub(super) fn first_verbs(reply: Result<HookReply, HookError>) -> Result<Vec<Verb>, AppFailure> {
    match reply?.body {
        None => Err(AppFailure::Empty),
        Some(body) => some_verbs(verb::parse(&body)?),
    }
}

/// The verbs of an `app_json`.
pub(super) fn script_verbs(text: &str) -> Result<Vec<Verb>, AppFailure> {
    some_verbs(verb::parse_text(text)?)
}

/// The verbs of any later reply: an empty array, an object, `null` or no body means none
/// (contract verbs.md §1.2).
pub(super) fn next_verbs(reply: Result<HookReply, HookError>) -> Result<Vec<Verb>, AppFailure> {
    match reply?.body {
        Some(body @ Value::Array(_)) => Ok(verb::parse(&body)?),
        None | Some(Value::Null | Value::Object(_)) => Ok(Vec::new()),
        Some(_) => Err(VerbError::NotAnArray.into()),
    }
}

fn some_verbs(verbs: Vec<Verb>) -> Result<Vec<Verb>, AppFailure> {
    match verbs.is_empty() {
        true => Err(AppFailure::Empty),
        false => Ok(verbs),
    }
}
