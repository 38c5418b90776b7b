//! Talking to applications (contract verbs.md §1, §2): what is asked, how it is written,
//! signed and sent, and what may come back.
//!
//! `payload`, `js_json`, `sign`, `retry` and `resolve` are pure; [`http`] does the network;
//! [`queue`] keeps one call's status events in order; [`ws`] is the same over one WebSocket per
//! session, which [`ws_connect`] opens. Called by `call/` and `conference/`.

mod alert;
mod bucket;
mod error;
mod facts;
mod guard;
pub mod http;
mod js_json;
pub mod payload;
pub mod queue;
mod resolve;
mod retry;
mod sign;
mod snake_case;
#[cfg(test)]
mod test_server;
pub mod ws;
pub mod ws_connect;

pub use alert::{Alert, AlertKind};
pub use bucket::BucketFault;
pub use error::{ConnectFault, HookError, Phase};
pub use facts::{BaseFields, CallFacts};
pub use http::{HookClient, HookConfig};
pub use queue::{StatusHook, StatusPayload, StatusSender};
pub use resolve::{Base, Login, ResolvedHook, Via};

use serde_json::{Map, Value};

use crate::model::{CallSid, Secret};

/// Names a request within its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HookId(pub u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookKind {
    /// The first request of a session.
    SessionNew,
    /// A redirect, by verb or from outside.
    SessionRedirect,
    /// The first request of a session that a child has for itself from now on.
    SessionAdulting,
    /// The action hook of a verb.
    VerbHook,
    /// Whether a child that has answered is to be connected.
    DialConfirm,
    CallStatus,
    ConferenceStatus,
}

/// One request, ready to be sent: nothing in it refers to anything.
#[derive(Clone, Debug)]
pub struct HookRequest {
    pub id: HookId,
    pub kind: HookKind,
    pub call_sid: CallSid,
    pub target: ResolvedHook,
    /// Keys as they go on the wire.
    pub body: Map<String, Value>,
    /// The account's webhook secret, key of the signature.
    pub secret: Secret,
}

/// An answer with status 200, 202 or 204.
#[derive(Clone, Debug, PartialEq)]
pub struct HookReply {
    /// The body, if it was declared to be JSON.
    pub body: Option<Value>,
}
