//! Sans-IO SIP (RFC 3261 and friends): no socket, no clock, no thread.
//!
//! Bytes and time go into an [`Endpoint`]; bytes to send, the next wake-up and events come out.
//!
//! - [`message`]: wire parser, typed views, writer, stream framing. The only place that knows rsip.
//! - [`transport`]: kinds of transport, the path of a message, Via.
//! - [`transaction`]: the four machines of §17 and their timers.
//! - [`auth`]: digest, both sides.
//! - [`registrar`]: what a REGISTER changes (§10).
//! - [`endpoint`]: the whole, as a user agent.
#![warn(missing_docs)]

pub mod auth;
mod dialog;
pub mod endpoint;
mod error;
pub mod message;
pub mod registrar;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
pub mod transaction;
pub mod transport;

pub use endpoint::{
    Body, Config, Credentials, DialogId, EndCause, Endpoint, Event, Invite, Output, Reply,
    TransactionId,
};
pub use error::Error;
pub use message::framing::{Frame, StreamFramer};
pub use message::{Headers, Message, Method, NameAddr, Request, Response, Uri};
pub use transaction::Timers;
pub use transport::{Flow, Transport};
