//! Hanging up (RFC 3261 §15), and every other end of a dialog.

use std::time::Instant;

use super::Endpoint;
use super::draft::{Draft, check_headers};
use super::event::{EndCause, Event};
use super::order::Reply;
use super::sent::Purpose;
use crate::Error;
use crate::dialog::{Cancel, DialogId, DialogKey, Outgoing, Stage};
use crate::message::Method;

impl Endpoint {
    /// Hangs up. Before the answer this cancels a call of ours and refuses (480) one of the peer's; the
    /// header fields go with it.
    /// A call the peer has not acknowledged is hung up when the ACK comes or is given up (§15).
    ///
    /// # Errors
    /// The dialog is unknown or already closing, or a header may not be written.
    pub fn bye(
        &mut self,
        now: Instant,
        dialog: DialogId,
        headers: Vec<(String, String)>,
    ) -> Result<(), Error> {
        check_headers(&headers, None)?;
        let session = self.sessions.get_mut(&dialog).ok_or(Error::UnknownDialog(dialog))?;
        if session.is_told {
            return Err(Error::UnknownDialog(dialog));
        }
        match session.stage {
            Stage::Early if session.is_caller => self.cancel_with(now, dialog, headers),
            Stage::Early => {
                let mut reply = Reply::new(480);
                reply.headers = headers;
                self.reject(now, dialog, reply)
            }
            Stage::Confirmed if session.unacked().is_some_and(|i| i.is_initial) => {
                session.stage = Stage::Leaving(headers);
                Ok(())
            }
            Stage::Confirmed => {
                self.send_bye(now, dialog, headers);
                Ok(())
            }
            Stage::Leaving(_) | Stage::Closing | Stage::Gone => {
                Err(Error::WrongState { dialog, order: "bye" })
            }
        }
    }

    /// Sends the BYE of a confirmed dialog. Its answer, whatever it is, ends the dialog.
    pub(super) fn send_bye(
        &mut self,
        now: Instant,
        dialog: DialogId,
        headers: Vec<(String, String)>,
    ) {
        self.refuse_open_requests(now, dialog);
        self.send_held_ack(dialog, None);
        let Some(session) = self.sessions.get_mut(&dialog) else { return };
        session.stage = Stage::Closing;
        session.retry = None;
        let seq = session.local_seq.next();
        let mut draft = Draft::along(&session.path, Method::Bye, seq);
        draft.headers = headers;
        draft.credentials.clone_from(&session.credentials);
        let flow = session.path.flow;
        self.send_request(now, flow, draft, Purpose::Bye(dialog));
        self.rewake_dialog(dialog);
    }

    /// §12.2.1.2: what a failed request says about its dialog. `is_local` tells a 408 or 503 made
    /// here, for want of an answer or of a path, from one of the peer's.
    pub(super) fn on_peer_gone(
        &mut self,
        now: Instant,
        dialog: DialogId,
        status: u16,
        is_local: bool,
    ) {
        let cause = match status {
            408 | 481 => EndCause::PeerGone { status },
            503 if is_local => EndCause::Transport,
            _ => return,
        };
        let Some(session) = self.sessions.get(&dialog) else { return };
        if session.stage != Stage::Confirmed {
            return;
        }
        self.tell_end(dialog, cause);
        if status == 408 {
            self.send_bye(now, dialog, vec![reason(408, "Request Timeout")]);
        } else {
            self.refuse_open_requests(now, dialog);
            self.end(now, dialog, None);
        }
    }

    /// Tells the caller of the end, once.
    pub(super) fn tell_end(&mut self, dialog: DialogId, cause: EndCause) {
        let Some(session) = self.sessions.get_mut(&dialog) else { return };
        if !std::mem::replace(&mut session.is_told, true) {
            self.tell(Event::Ended { dialog, cause });
        }
    }

    /// Forgets a dialog, after telling the caller if it was not told yet. An INVITE of ours that is
    /// still open keeps a remnant until its final response, so that it can be acknowledged.
    pub(super) fn end(&mut self, now: Instant, dialog: DialogId, cause: Option<EndCause>) {
        if let Some(cause) = cause {
            self.tell_end(dialog, cause);
        }
        self.send_held_ack(dialog, None);
        self.refuse_open_requests(now, dialog);
        let Some(session) = self.sessions.get_mut(&dialog) else { return };
        session.retry = None;
        let key = DialogKey::new(&session.path.call_id, session.path.local_tag());
        self.dialogs.remove(&key);
        let clients = &self.clients;
        let is_open = |outgoing: &&mut Outgoing| {
            clients.get(outgoing.txn).is_some_and(|txn| txn.is_pending())
        };
        match session.outgoing.as_mut().filter(is_open) {
            Some(outgoing) => {
                outgoing.give_up_at = now + self.config.timers.give_up();
                session.stage = Stage::Gone;
            }
            None => {
                self.sessions.remove(&dialog);
                self.repath_dialog(dialog);
            }
        }
        self.rewake_dialog(dialog);
    }

    /// An INVITE of ours is without final response for too long: cancelled first, then forgotten.
    pub(super) fn give_up_outgoing(&mut self, now: Instant, dialog: DialogId) {
        let Some(session) = self.sessions.get_mut(&dialog) else { return };
        let Some(outgoing) = session.outgoing.as_mut() else { return };
        let (txn, cancel) = (outgoing.txn, outgoing.cancel);
        outgoing.give_up_at = now + self.config.timers.give_up();
        if cancel == Cancel::No && session.stage != Stage::Gone {
            outgoing.cancel = Cancel::Wanted;
            outgoing.cancel_headers = vec![reason(408, "No final response")];
            self.cancel_if_possible(now, dialog);
            return self.rewake_dialog(dialog);
        }
        let Some(client) = self.forget_client(txn) else { return self.end(now, dialog, None) };
        let outcome = super::sent::Outcome::local(487);
        self.on_outcome(now, txn, client.user.purpose, client.user.draft.seq, outcome);
    }
}

/// A Reason field for a BYE or CANCEL the endpoint sends by itself (RFC 3326 §2); the text is ours.
pub(super) fn reason(cause: u16, text: &str) -> (String, String) {
    ("Reason".to_owned(), format!("SIP;cause={cause};text=\"{text}\""))
}
