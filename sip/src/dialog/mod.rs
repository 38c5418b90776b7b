//! Dialogs (RFC 3261 §12) and the INVITE session that lives in one (§13, §14, §15).
//!
//! State only: what is due, what is allowed, where requests go. The endpoint writes and sends.

mod cseq;
mod exchange;
mod fork;
mod id;
mod invite_session;
mod path;
mod reliable;
mod route_set;
mod session_timer;

pub(crate) use cseq::{LocalCSeq, RemoteCSeq};
pub(crate) use exchange::{Offer, UpdateOut};
pub(crate) use fork::Fork;
pub use id::DialogId;
pub(crate) use id::DialogKey;
pub(crate) use invite_session::{
    Cancel, Incoming, IncomingState, Outgoing, Retry, Session, Stage, Unanswered,
};
pub(crate) use path::{OwnContact, Path, is_sips};
pub(crate) use reliable::{Reliably, Unacked};
pub(crate) use route_set::RouteSet;
pub(crate) use session_timer::SessionTimer;
