//! The endpoint: bytes, timeouts and orders in; bytes to send, wake-ups and events out.

mod config;
mod event;
mod order;

use std::collections::VecDeque;
use std::time::Instant;

pub use config::Config;
pub use event::{EndCause, Event, Output};
pub use order::{Body, Credentials, DialogId, Invite, Reply, TransactionId};

use crate::Error;
use crate::message::Method;
use crate::transport::Flow;

/// One SIP user agent on any number of transports.
#[derive(Debug)]
pub struct Endpoint {
    config: Config,
    seed: u64,
    outputs: VecDeque<Output>,
}

impl Endpoint {
    /// An endpoint without dialogs. `seed` must be unpredictable in production: tags and branches
    /// are drawn from it.
    pub fn new(config: Config, seed: u64) -> Self {
        Self { config, seed, outputs: VecDeque::new() }
    }

    /// Takes one datagram, or one message cut from a stream.
    pub fn handle_message(&mut self, _now: Instant, _flow: Flow, _bytes: &[u8]) {}

    /// The path is gone: connection lost or refused, or ICMP said so. Client transactions on it
    /// fail with 503.
    pub fn handle_transport_error(&mut self, _now: Instant, _flow: Flow) {}

    /// Runs what is due.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// When `handle_timeout` is wanted next.
    pub fn next_wake(&self) -> Option<Instant> {
        None
    }

    /// The next thing to do. Poll until `None` after every `handle_*` and every order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Answers a request of [`Event::Request`], or an INVITE by its transaction.
    ///
    /// # Errors
    /// [`Error::UnknownTransaction`] if it was answered, cancelled or timed out.
    pub fn respond(
        &mut self,
        _now: Instant,
        txn: TransactionId,
        _reply: Reply,
    ) -> Result<(), Error> {
        Err(Error::UnknownTransaction(txn))
    }

    /// Sends a provisional response (101 to 199) to the INVITE under way.
    ///
    /// # Errors
    /// The dialog is unknown or has no open INVITE.
    pub fn progress(
        &mut self,
        _now: Instant,
        dialog: DialogId,
        _reply: Reply,
    ) -> Result<(), Error> {
        Err(Error::UnknownDialog(dialog))
    }

    /// Accepts the INVITE or re-INVITE with a 2xx, retransmitted until its ACK.
    ///
    /// # Errors
    /// The dialog is unknown or has no open INVITE.
    pub fn answer(&mut self, _now: Instant, dialog: DialogId, _reply: Reply) -> Result<(), Error> {
        Err(Error::UnknownDialog(dialog))
    }

    /// Refuses the INVITE (which ends the dialog) or re-INVITE with 3xx to 6xx.
    ///
    /// # Errors
    /// The dialog is unknown or has no open INVITE.
    pub fn reject(&mut self, _now: Instant, dialog: DialogId, _reply: Reply) -> Result<(), Error> {
        Err(Error::UnknownDialog(dialog))
    }

    /// Places a call. Returns its dialog and Call-ID.
    ///
    /// # Errors
    /// A table is full, or a value given may not be written.
    pub fn invite(&mut self, _now: Instant, _invite: Invite) -> Result<(DialogId, String), Error> {
        Err(Error::Full { what: "dialogs", limit: self.config.max_dialogs })
    }

    /// Gives up a call that is not answered: CANCEL as soon as it is allowed.
    ///
    /// # Errors
    /// The dialog is unknown.
    pub fn cancel(&mut self, _now: Instant, dialog: DialogId) -> Result<(), Error> {
        Err(Error::UnknownDialog(dialog))
    }

    /// Hangs up.
    ///
    /// # Errors
    /// The dialog is unknown or already closing.
    pub fn bye(
        &mut self,
        _now: Instant,
        dialog: DialogId,
        _headers: Vec<(String, String)>,
    ) -> Result<(), Error> {
        Err(Error::UnknownDialog(dialog))
    }

    /// Sends a request (INFO, MESSAGE, OPTIONS, …) inside the dialog; [`Event::RequestDone`] follows.
    ///
    /// # Errors
    /// The dialog is unknown or not confirmed, or a value given may not be written.
    pub fn request(
        &mut self,
        _now: Instant,
        dialog: DialogId,
        _method: Method,
        _headers: Vec<(String, String)>,
        _body: Option<Body>,
    ) -> Result<TransactionId, Error> {
        Err(Error::UnknownDialog(dialog))
    }

    /// Offers a change of the session.
    ///
    /// # Errors
    /// The dialog is unknown, not confirmed, or has an INVITE under way.
    pub fn reinvite(
        &mut self,
        _now: Instant,
        dialog: DialogId,
        _headers: Vec<(String, String)>,
        _body: Option<Body>,
    ) -> Result<(), Error> {
        Err(Error::UnknownDialog(dialog))
    }
}
