//! What the API says about calls: the words of a call's life, and the inputs that make and change
//! one (contract rest.md §2.3). Deserialising is validating: a `CreateCall` that exists is correct.

mod create;
mod headers;
mod input;
mod member;
mod sip_request;
mod update;
mod urls;

pub use create::{CreateCall, DigestLogin, SpeechDefaults, Target, TargetKind};
pub use headers::SipHeaders;
pub use input::BadCall;
pub use member::MemberOrder;
pub use sip_request::{Content, SipRequest};
pub use update::{CloseAs, Command, UpdateCall};
pub use urls::{urls_in, urls_in_create, urls_in_participant, urls_in_update};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who placed the call, seen from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    Inbound,
    Outbound,
}

impl Direction {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "inbound" => Some(Self::Inbound),
            "outbound" => Some(Self::Outbound),
            _ => None,
        }
    }
}

/// The `call_status` of events and reads (contract verbs.md §1.7). `queued` is reserved there and
/// never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CallStatus {
    Trying,
    Ringing,
    EarlyMedia,
    InProgress,
    Completed,
    Failed,
    Busy,
    NoAnswer,
}

impl CallStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trying => "trying",
            Self::Ringing => "ringing",
            Self::EarlyMedia => "early-media",
            Self::InProgress => "in-progress",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Busy => "busy",
            Self::NoAnswer => "no-answer",
        }
    }

    /// A status after which nothing follows.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Busy | Self::NoAnswer)
    }
}

/// Who ended a call. `jambonz` on the wire means the server or its application; `caller` means
/// the far end, whatever the direction. Clients compare these literals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EndedBy {
    Caller,
    Jambonz,
}

impl EndedBy {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Jambonz => "jambonz",
        }
    }
}
