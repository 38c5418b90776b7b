//! What the stack is told, and what it tells the owner of a dialog.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use sip::{
    Body, DialogId, EndCause, Flow, Invite, Method, Reply, Request, Response, TransactionId,
};

use super::gate::Admitted;
use crate::model::{AccountSid, Encryption};

/// Place a call. The answer comes when the INVITE was handed to the socket.
#[derive(Message)]
#[rtype(result = "Result<Originated, sip::Error>")]
pub struct Originate {
    pub invite: Invite,
    pub owner: Recipient<DialogEvent>,
    /// Whose call it is.
    pub account: AccountSid,
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

/// Header fields to add to a message, as name and value.
pub type Fields = Vec<(String, String)>;

#[derive(Debug)]
pub enum Action {
    Progress(Reply),
    Answer(Reply),
    Reject(Reply),
    /// Offers a change of the session; [`Happened::ReinviteDone`] follows, also when it cannot be sent.
    Reinvite(Body),
    /// CANCEL with these headers.
    Cancel(Fields),
    Bye(Fields),
    /// Answers a [`Happened::Update`] or [`Happened::Request`].
    Respond {
        txn: TransactionId,
        reply: Reply,
    },
    /// Any other request; [`Happened::RequestDone`] with this id follows, also when it cannot be sent.
    Request {
        id: RequestId,
        method: Method,
        headers: Fields,
        body: Option<Body>,
    },
}

/// A request inside a dialog, as its sender counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// A call that passed the gate; whoever takes it owns the dialog.
pub struct IncomingCall {
    pub dialog: DialogId,
    pub request: Arc<Request>,
    pub flow: Flow,
    pub admitted: Admitted,
    pub stack: Addr<super::stack::StackActor>,
}

/// An INVITE that replaces a dialog: it has the same owner from now on, who answers or rejects it.
#[derive(Debug)]
pub struct Replacing {
    pub dialog: DialogId,
    pub request: Arc<Request>,
    pub flow: Flow,
    /// Only if the call is not answered yet.
    pub early_only: bool,
    /// It comes from a registered user of the account.
    pub is_client: bool,
    /// What that user's settings want of the audio; `None`: as the server's configuration says.
    pub encryption: Option<Encryption>,
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

/// What happened in a dialog, for its owner: one owner may have several.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct DialogEvent {
    pub dialog: DialogId,
    pub happened: Happened,
}

#[derive(Debug)]
pub enum Happened {
    /// 100 to our INVITE: somebody is there.
    Trying,
    Provisional(Arc<Response>),
    Answered(Arc<Response>),
    Rejected {
        status: u16,
        reason: String,
        response: Option<Arc<Response>>,
    },
    Cancelled {
        /// The Reason header of the CANCEL (RFC 3326).
        reason: Option<String>,
    },
    Acked {
        body: Option<Body>,
    },
    /// The far end acknowledged a reliable provisional response.
    Pracked,
    Reinvite(Arc<Request>),
    /// Our re-INVITE was answered, or refused with that status: the session then goes on as it was.
    ReinviteDone(Result<Arc<Response>, u16>),
    /// An offer by UPDATE or PRACK: order `Respond`.
    Update {
        txn: TransactionId,
        request: Arc<Request>,
    },
    /// INFO without a key, MESSAGE, REFER, NOTIFY and whatever else: order `Respond`.
    Request {
        txn: TransactionId,
        request: Arc<Request>,
    },
    /// The final answer to a request of ours; 408, 481 and 503 may be made here.
    RequestDone {
        id: RequestId,
        status: u16,
        reason: String,
        /// Whether the far end said so.
        is_heard: bool,
    },
    ByeReceived(Arc<Request>),
    Key(Key),
    /// Somebody of the same account wants to take this dialog's place (RFC 3891).
    Replaced(Box<Replacing>),
    Ended(EndCause),
}
