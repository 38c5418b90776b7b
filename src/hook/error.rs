//! Why a hook failed, and what its owner and the caller are told (contract verbs.md §1.6, §1.11).

use std::time::Duration;

use super::{Alert, AlertKind};
use crate::model::address_policy::NOT_ALLOWED;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HookError {
    /// No connection, or it broke before an answer began.
    #[error("webhook connection failure ({fault}): {url}")]
    Connect { url: String, fault: ConnectFault },
    #[error("webhook {url} did not answer in time")]
    Timeout { url: String, phase: Phase, limit: Duration },
    #[error("webhook {url} returned status {status}")]
    Status { url: String, status: u16 },
    /// The body broke off.
    #[error("webhook {url} sent an incomplete answer")]
    Truncated { url: String },
    #[error("webhook {url} sent more than {limit} bytes")]
    TooLarge { url: String, limit: usize },
    /// Declared as JSON and is none.
    #[error("malformed jambonz payload: not JSON")]
    NotJson { url: String },
    /// An address of this machine or its network, which applications may not reach.
    #[error("webhook {url} leads to {why}", why = NOT_ALLOWED)]
    ForbiddenAddress { url: String },
    /// A hook that is asked by HTTP alone.
    #[error("hook cannot be asked over a websocket: {url}")]
    WebSocket { url: String },
    /// The other side of a WebSocket does not speak the subprotocol that is needed.
    #[error("websocket {url} did not accept the subprotocol")]
    Subprotocol { url: String },
    /// The session's WebSocket was lost while the answer was awaited.
    #[error("websocket {url} was closed before it answered")]
    Abandoned { url: String },
    /// Not absolute, and there is nothing it could be relative to; or another scheme.
    #[error("webhook url cannot be used: {url}")]
    BadUrl { url: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectFault {
    Refused,
    Reset,
    TimedOut,
    Dns,
    Tls,
    /// What answered does not speak WebSocket.
    NotWebSocket,
    Other,
}

/// What was waited for when the time was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Headers,
    Body,
}

impl HookError {
    pub fn alert(&self) -> Alert {
        match self {
            Self::Status { .. } => Alert::new(AlertKind::WebhookFailure, self.to_string()),
            Self::NotJson { url } => {
                Alert::new(AlertKind::InvalidAppPayload, self.to_string()).with_detail(url)
            }
            Self::Timeout { phase, limit, .. } => {
                let detail = format!("no {phase} within {} ms", limit.as_millis());
                Alert::new(AlertKind::WebhookConnectionFailure, self.to_string())
                    .with_detail(detail)
            }
            _ => Alert::new(AlertKind::WebhookConnectionFailure, self.to_string()),
        }
    }

    /// For the caller's `X-Reason`: no URL, which is the application owner's business.
    pub fn x_reason(&self) -> String {
        match self {
            Self::Connect { .. } => "webhook connection failure".into(),
            Self::Timeout { .. } => "webhook timeout".into(),
            Self::Status { status, .. } => format!("webhook returned status {status}"),
            Self::Truncated { .. } => "webhook sent an incomplete answer".into(),
            Self::TooLarge { .. } => "webhook sent too much".into(),
            Self::NotJson { .. } => self.to_string(),
            Self::ForbiddenAddress { .. } => "webhook address is not allowed".into(),
            Self::WebSocket { .. } => "hook cannot be asked over a websocket".into(),
            Self::Subprotocol { .. } => "websocket subprotocol refused".into(),
            Self::Abandoned { .. } => "websocket closed".into(),
            Self::BadUrl { .. } => "webhook url cannot be used".into(),
        }
    }
}

impl std::fmt::Display for ConnectFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::TimedOut => "timed out",
            Self::Dns => "name not found",
            Self::Tls => "TLS",
            Self::NotWebSocket => "not a websocket",
            Self::Other => "failed",
        })
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Headers => "answer",
            Self::Body => "complete body",
        })
    }
}
