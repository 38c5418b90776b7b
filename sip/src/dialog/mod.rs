//! Dialogs (RFC 3261 §12) and the INVITE session that lives in one (§13, §14, §15).
//!
//! State only: what is due, what is allowed, where requests go. The endpoint writes and sends.

mod cseq;
mod id;
mod invite_session;
mod path;
mod route_set;

pub(crate) use cseq::RemoteCSeq;
pub use id::DialogId;
pub(crate) use id::DialogKey;
pub(crate) use invite_session::{Cancel, Incoming, IncomingState, Outgoing, Retry, Session, Stage};
pub(crate) use path::Path;
pub(crate) use route_set::RouteSet;
