//! What an endpoint tells its caller.
//!
//! Every dialog the caller knows ends with exactly one of [`Event::Rejected`], [`Event::Cancelled`],
//! [`Event::ByeReceived`], [`Event::Ended`]; afterwards its id is unknown.

use std::sync::Arc;

use bytes::Bytes;

use super::order::Body;
use crate::dialog::DialogId;
use crate::message::{Request, Response};
use crate::transaction::TransactionId;
use crate::transport::Flow;

/// One thing for the shell to do.
#[derive(Debug, Clone)]
pub enum Output {
    /// Send these bytes on that path.
    Transmit {
        /// The path. A stream without connection has to be opened.
        flow: Flow,
        /// One whole message.
        bytes: Bytes,
    },
    /// Tell the call's owner.
    Event(Event),
}

/// What happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A new call. 100 Trying was sent. Order `progress`, `answer` or `reject`.
    Invite {
        /// The new dialog.
        dialog: DialogId,
        /// The INVITE's transaction, for `respond` (a 401, say).
        txn: TransactionId,
        /// The INVITE.
        request: Arc<Request>,
        /// The path it came by.
        flow: Flow,
    },
    /// The caller gave up before the answer; 200 and 487 were sent. Ends the dialog.
    Cancelled {
        /// The dialog.
        dialog: DialogId,
        /// The Reason header of the CANCEL (RFC 3326).
        reason_header: Option<String>,
    },
    /// The ACK of a 2xx came.
    Acked {
        /// The dialog.
        dialog: DialogId,
        /// Its body: the SDP answer, when the offer was ours.
        body: Option<Body>,
    },
    /// The peer wants to change the session. Order `answer` or `reject`.
    Reinvite {
        /// The dialog.
        dialog: DialogId,
        /// The re-INVITE.
        request: Arc<Request>,
        /// The path it came by.
        flow: Flow,
    },
    /// The peer hung up; 200 was sent. Ends the dialog.
    ByeReceived {
        /// The dialog.
        dialog: DialogId,
        /// The BYE.
        request: Arc<Request>,
    },
    /// 100 to our INVITE: whoever is there works on it.
    Trying {
        /// The dialog.
        dialog: DialogId,
    },
    /// A provisional response (not 100) to our INVITE. A reliable one was acknowledged (RFC 3262),
    /// unless it makes an offer.
    Provisional {
        /// The dialog.
        dialog: DialogId,
        /// The response. Its To tag tells forks apart.
        response: Arc<Response>,
        /// Our INVITE had no offer and this reliable response has: order `ack` with the answer, which
        /// goes out in the PRACK.
        wants_answer: bool,
    },
    /// A reliable provisional response of ours was acknowledged.
    Pracked {
        /// The dialog.
        dialog: DialogId,
        /// The body of the PRACK: the answer, when the offer was in our response.
        body: Option<Body>,
    },
    /// The peer makes an offer by UPDATE (RFC 3311), or in a PRACK once offer and answer are
    /// complete. Answer it with `respond`; the session goes on as it was after a refusal.
    Update {
        /// The dialog.
        dialog: DialogId,
        /// The transaction.
        txn: TransactionId,
        /// The request.
        request: Arc<Request>,
    },
    /// Our UPDATE was answered with 2xx.
    UpdateAnswered {
        /// The dialog.
        dialog: DialogId,
        /// The response.
        response: Arc<Response>,
    },
    /// Our UPDATE failed; the session goes on as it was.
    UpdateRejected {
        /// The dialog.
        dialog: DialogId,
        /// The status.
        status: u16,
        /// The reason phrase.
        reason: String,
        /// The response, if one came.
        response: Option<Arc<Response>>,
    },
    /// The final answer to a request of [`send`](crate::Endpoint::send); 408 and 503 may be made here.
    Response {
        /// The transaction `send` named.
        txn: TransactionId,
        /// The status.
        status: u16,
        /// The reason phrase.
        reason: String,
        /// The CSeq number of the last try.
        seq: u32,
        /// The response, if one came.
        response: Option<Arc<Response>>,
    },
    /// The first 2xx to our INVITE. The ACK was sent, unless the offer is the peer's. A description in it
    /// means nothing if a reliable provisional response (`Require: 100rel`) of the same To tag had one
    /// before (RFC 3261 §13.2.1).
    Answered {
        /// The dialog.
        dialog: DialogId,
        /// The response.
        response: Arc<Response>,
        /// Our INVITE had no offer and this response has: order `ack` with the answer.
        wants_answer: bool,
    },
    /// Our INVITE failed: its final response, or 408 (no answer at all), 487 (cancelled) or 503
    /// (transport) made here. Ends the dialog.
    Rejected {
        /// The dialog.
        dialog: DialogId,
        /// The status.
        status: u16,
        /// The reason phrase.
        reason: String,
        /// The response, if one came.
        response: Option<Arc<Response>>,
    },
    /// Our re-INVITE was answered with 2xx. The ACK was sent, unless the offer is the peer's. Comes
    /// without an order too, where the endpoint refreshed the session by a re-INVITE with the last
    /// description (RFC 4028): the answer may differ from the one before.
    ReinviteAnswered {
        /// The dialog.
        dialog: DialogId,
        /// The response.
        response: Arc<Response>,
        /// Our re-INVITE had no offer and this response has: order `ack` with the answer.
        wants_answer: bool,
    },
    /// Our re-INVITE failed; the session goes on as it was.
    ReinviteRejected {
        /// The dialog.
        dialog: DialogId,
        /// The status.
        status: u16,
        /// The reason phrase.
        reason: String,
        /// The response, if one came.
        response: Option<Arc<Response>>,
    },
    /// A request the caller must answer with `respond`: REGISTER, or INFO, MESSAGE, REFER and NOTIFY
    /// in a dialog.
    Request {
        /// The transaction.
        txn: TransactionId,
        /// The request.
        request: Arc<Request>,
        /// The path it came by.
        flow: Flow,
        /// The dialog it belongs to.
        dialog: Option<DialogId>,
    },
    /// The final answer to `request`.
    RequestDone {
        /// The transaction `request` named.
        txn: TransactionId,
        /// The dialog.
        dialog: DialogId,
        /// The status; 408 and 503 may be made here.
        status: u16,
        /// The reason phrase.
        reason: String,
        /// The response, if one came.
        response: Option<Arc<Response>>,
    },
    /// The dialog is over for another reason.
    Ended {
        /// The dialog.
        dialog: DialogId,
        /// The reason.
        cause: EndCause,
    },
}

/// Why a dialog ended without the peer saying so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndCause {
    /// Our BYE is through: answered, or given up.
    Hangup,
    /// Our `reject` of a new call was sent.
    Declined,
    /// The ACK of our 2xx never came; a BYE was sent.
    NoAck,
    /// The PRACK of our reliable provisional response never came; 504 was sent.
    NoPrack,
    /// The offer of the peer's 2xx was never answered by `ack`; a BYE was sent.
    Unanswered,
    /// A request inside the dialog was answered 481 or 408, or not at all (408).
    PeerGone {
        /// The status.
        status: u16,
    },
    /// A request inside the dialog could not be sent.
    Transport,
    /// An INVITE stayed without final response for too long.
    SetupTimeout,
    /// The session was not refreshed in time (RFC 4028 §10); a BYE was sent.
    SessionExpired,
}
