//! Offers of the peer in responses to our INVITE: the ACK or PRACK waits for our answer
//! (RFC 3261 §13.2.2.4, RFC 3262 §5).

use std::time::Instant;

use super::Endpoint;
use super::draft::{Ack, check_headers};
use super::event::EndCause;
use super::order::Body;
use crate::Error;
use crate::dialog::{DialogId, Offer, Session};
use crate::message::RAck;
use crate::transport::via;

impl Endpoint {
    /// Answers the offer of a response whose event had `wants_answer`: the body goes in the ACK, or in
    /// the PRACK of a provisional response. Without body the offer is not taken, and the owner should
    /// hang up. A 2xx nobody answers for 64·T1 is acknowledged without body and hung up
    /// ([`EndCause::Unanswered`]).
    ///
    /// # Errors
    /// The dialog is unknown or nothing waits for an answer, or the body may not be written.
    pub fn ack(&mut self, now: Instant, dialog: DialogId, body: Option<Body>) -> Result<(), Error> {
        check_headers(&[], body.as_ref())?;
        let session = self.sessions.get_mut(&dialog).ok_or(Error::UnknownDialog(dialog))?;
        if session.is_told {
            return Err(Error::UnknownDialog(dialog));
        }
        if let Some((tag, rack)) = take_held(session) {
            self.send_prack(now, dialog, tag.as_deref(), rack, body);
            return Ok(());
        }
        if session.unanswered.is_none() {
            return Err(Error::WrongState { dialog, order: "ack" });
        }
        self.send_held_ack(dialog, body.as_ref());
        Ok(())
    }

    /// Sends the ACK that was held back, if there is one.
    pub(super) fn send_held_ack(&mut self, dialog: DialogId, body: Option<&Body>) {
        let branch = self.new_branch();
        let Some(session) = self.sessions.get_mut(&dialog) else { return };
        let Some(held) = session.unanswered.take() else { return };
        session.exchange.offer = Offer::Complete;
        session.exchange.keep_local(body);
        let path = &session.path;
        let flow = path.flow;
        let via = via::own(flow.transport, self.config.public_addr(&flow), &branch);
        let ack = Ack { seq: held.seq, authorization: &held.authorization, body };
        let bytes = ack.write(path, &via);
        if let Some(txn) = self.clients.get_mut(held.txn) {
            txn.user.acks.push((held.tag, flow, bytes.clone()));
        }
        self.transmit(flow, bytes);
        self.rewake_dialog(dialog);
    }

    /// The owner never answered the offer of a 2xx.
    pub(super) fn on_unanswered(&mut self, now: Instant, dialog: DialogId) {
        self.tell_end(dialog, EndCause::Unanswered);
        self.send_bye(now, dialog, vec![super::closing::reason(500, "No answer to the offer")]);
    }
}

/// The PRACK that waits for an answer: of the early dialogs the one that came first.
fn take_held(session: &mut Session) -> Option<(Option<String>, RAck)> {
    if !session.is_early_caller() {
        let rack = session.held.take()?;
        session.exchange.offer = Offer::Complete;
        return Some((None, rack));
    }
    let fork = session.forks.iter_mut().find(|fork| fork.held.is_some())?;
    let rack = fork.held.take()?;
    fork.exchange.offer = Offer::Complete;
    Some((Some(fork.tag.clone()), rack))
}
