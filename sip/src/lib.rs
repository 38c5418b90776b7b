//! Sans-IO SIP (RFC 3261 and friends): no socket, no clock, no thread.
//!
//! Bytes and time go into an [`Endpoint`]; bytes to send, the next wake-up and events come out.
//!
//! - [`message`]: wire parser, typed views, writer, stream framing. The only place that knows rsip.
//! - [`transport`]: kinds of transport, the path of a message, Via.
//! - [`transaction`]: the four machines of §17 and their timers.
//! - [`auth`]: digest, both sides.
//! - [`registrar`]: what a REGISTER changes (§10).
//! - [`resolve`]: from a URI to addresses (RFC 3263).
//! - [`endpoint`]: the whole, as a user agent.
//!
//! A shell is little more than this:
//!
//! ```
//! # use std::time::Instant;
//! use sip::{Endpoint, Event, Flow, Output, Reply};
//!
//! /// One datagram came in; `send` puts one on the wire. Returns when to call `handle_timeout`.
//! fn on_datagram(
//!     endpoint: &mut Endpoint,
//!     now: Instant,
//!     flow: Flow,
//!     bytes: &[u8],
//!     mut send: impl FnMut(Flow, &[u8]),
//! ) -> Option<Instant> {
//!     endpoint.handle_message(now, flow, bytes);
//!     while let Some(output) = endpoint.poll_output() {
//!         match output {
//!             Output::Transmit { flow, bytes } => send(flow, &bytes),
//!             Output::Event(Event::Invite { dialog, .. }) => {
//!                 // fails only if the caller gave up meanwhile, which has an event of its own
//!                 let _ = endpoint.reject(now, dialog, Reply::new(486));
//!             }
//!             Output::Event(_) => {}
//!         }
//!     }
//!     endpoint.next_wake()
//! }
//! ```
#![warn(missing_docs, clippy::indexing_slicing)]

pub mod auth;
mod dialog;
pub mod endpoint;
mod error;
pub mod message;
pub mod registrar;
pub mod resolve;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
pub mod transaction;
pub mod transport;

pub use endpoint::{
    Body, Config, Credentials, DialogId, EndCause, Endpoint, Event, Invite, Listener, Output,
    Outside, Reliable, Replaces, Reply, TransactionId,
};
pub use error::Error;
pub use message::framing::{Frame, StreamFramer};
pub use message::{Headers, Message, Method, NameAddr, Request, Response, Uri};
pub use transaction::Timers;
pub use transport::{Flow, Transport};
