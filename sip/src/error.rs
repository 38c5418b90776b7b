//! The one error type of the crate: what a message or a caller's order got wrong.
//!
//! Parse errors carry enough to choose the status of the refusal ([`Error::status`]); order errors
//! tell the caller which of its arguments could not be carried out.

use crate::endpoint::{DialogId, TransactionId};

/// What can be wrong with bytes from a peer or with an order from the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are no SIP message at all; nothing can be answered.
    #[error("not a sip message")]
    NotSip,
    /// A part of the message does not fit the grammar; `what` names the part.
    #[error("malformed {what}")]
    Malformed {
        /// The header field or part of the message.
        what: &'static str,
    },
    /// A mandatory header field is missing.
    #[error("missing {what}")]
    Missing {
        /// The header field.
        what: &'static str,
    },
    /// A header field that may stand once stands more often.
    #[error("repeated {what}")]
    Repeated {
        /// The header field.
        what: &'static str,
    },
    /// A part of the message is larger than [`limits`](crate::message::limits) allow.
    #[error("{what} exceeds {limit}")]
    TooLarge {
        /// The part that is too large.
        what: &'static str,
        /// The limit, in octets or in items.
        limit: usize,
    },
    /// The start line names another protocol version than SIP/2.0.
    #[error("sip version is not 2.0")]
    Version,
    /// CSeq names another method than the request line.
    #[error("cseq method differs from request method")]
    CSeqMismatch,
    /// The body is shorter than Content-Length says.
    #[error("body has {got} octets, content-length says {want}")]
    Truncated {
        /// Octets announced.
        want: usize,
        /// Octets present.
        got: usize,
    },
    /// A value to be written holds CR, LF, NUL or another octet that has no place in it.
    #[error("{what} holds octets that must not be written")]
    ForbiddenBytes {
        /// The value's place in the message.
        what: &'static str,
    },
    /// The caller gave a header field which the endpoint writes itself.
    #[error("{what} is written by the endpoint alone")]
    ReservedHeader {
        /// The header field.
        what: &'static str,
    },
    /// The dialog does not exist, or no longer.
    #[error("no such dialog {0:?}")]
    UnknownDialog(DialogId),
    /// The transaction does not exist, was answered, or timed out.
    #[error("no such transaction {0:?}")]
    UnknownTransaction(TransactionId),
    /// The order does not fit the state of the dialog.
    #[error("dialog {dialog:?} cannot {order} now")]
    WrongState {
        /// The dialog.
        dialog: DialogId,
        /// The order that was refused.
        order: &'static str,
    },
    /// A status outside the range the order is for.
    #[error("status {0} does not fit the order")]
    WrongStatus(u16),
    /// The method cannot be sent by this order.
    #[error("the method has an order of its own")]
    WrongMethod,
    /// A table of the endpoint is full.
    #[error("table of {what} is full at {limit}")]
    Full {
        /// The table.
        what: &'static str,
        /// Its size.
        limit: usize,
    },
}

impl Error {
    /// The status with which a request that fails to parse is refused.
    pub fn status(&self) -> u16 {
        match self {
            Self::Version => 505,
            Self::TooLarge { what: "Request-URI", .. } => 414,
            Self::TooLarge { what: "body", .. } => 413,
            _ => 400,
        }
    }

    /// The reason phrase of that refusal. Holds no text of the peer's.
    pub fn reason(&self) -> String {
        match self {
            Self::Version => "Version Not Supported".to_owned(),
            Self::TooLarge { what: "Request-URI", .. } => "Request-URI Too Long".to_owned(),
            Self::TooLarge { what: "body", .. } => "Request Entity Too Large".to_owned(),
            Self::TooLarge { what, .. } => format!("Bad Request: {what} too large"),
            Self::Malformed { what } => format!("Bad Request: malformed {what}"),
            Self::Missing { what } => format!("Bad Request: missing {what}"),
            Self::Repeated { what } => format!("Bad Request: repeated {what}"),
            Self::CSeqMismatch => "Bad Request: CSeq method mismatch".to_owned(),
            Self::Truncated { .. } => "Bad Request: body shorter than Content-Length".to_owned(),
            _ => "Bad Request".to_owned(),
        }
    }
}
