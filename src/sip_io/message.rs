//! What the stack is told, and what it tells the owner of a dialog.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use sip::{Body, DialogId, EndCause, Flow, Invite, Reply, Request, Response};

use super::gate::Admitted;

/// Place a call. The answer comes when the INVITE was handed to the socket.
#[derive(Message)]
#[rtype(result = "Result<Originated, sip::Error>")]
pub struct Originate {
    pub invite: Invite,
    pub owner: Recipient<DialogEvent>,
}

#[derive(Clone, Debug)]
pub struct Originated {
    pub dialog: DialogId,
    pub call_id: String,
}

/// An order about one dialog. Orders for dialogs that are gone meanwhile have no effect.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Order {
    pub dialog: DialogId,
    pub action: Action,
}

#[derive(Debug)]
pub enum Action {
    Progress(Reply),
    Answer(Reply),
    Reject(Reply),
    Cancel,
    Bye(Vec<(String, String)>),
}

/// A call that passed the gate; whoever takes it owns the dialog.
pub struct IncomingCall {
    pub dialog: DialogId,
    pub request: Arc<Request>,
    pub flow: Flow,
    pub admitted: Admitted,
    pub stack: Addr<super::stack::StackActor>,
}

/// What the store says about these users has changed: drops their registrations.
///
/// Who registers or calls meanwhile is looked up anew, so nothing is let in on the old record once
/// this has been answered. With no realm nobody is registered, and only that remains.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
#[rtype(result = "()")]
pub struct Revoke {
    pub realm: Option<String>,
    /// `None`: every user of the realm.
    pub user: Option<String>,
}

/// The server is stopping: every new call is answered 503.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Drain;

/// A key that was pressed in an INFO request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// `0-9`, `*`, `#`, `A-D`.
    pub symbol: char,
    pub duration: Duration,
}

/// What happened in a dialog.
#[derive(Message, Clone, Debug)]
#[rtype(result = "()")]
pub enum DialogEvent {
    Provisional(Arc<Response>),
    Answered(Arc<Response>),
    Rejected { status: u16, reason: String, response: Option<Arc<Response>> },
    Cancelled { reason: Option<String> },
    Acked { body: Option<Body> },
    Reinvite(Arc<Request>),
    ByeReceived(Arc<Request>),
    Key(Key),
    Ended(EndCause),
}
