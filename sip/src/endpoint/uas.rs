//! Calls that come in (RFC 3261 §13.3), and answers to everything else the caller must decide.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::event::{EndCause, Event};
use super::order::Reply;
use super::receive::Inbound;
use super::{Endpoint, TransactionId, reply};
use crate::Error;
use crate::dialog::{
    DialogId, DialogKey, Incoming, IncomingState, Path, RemoteCSeq, Session, Stage,
};
use crate::message::build::Body;
use crate::message::{Method, Request};
use crate::transaction::Backoff;

impl Endpoint {
    /// Answers a request of [`Event::Request`], or an INVITE by its transaction.
    ///
    /// # Errors
    /// [`Error::UnknownTransaction`] if it was answered, cancelled or timed out; or the reply may
    /// not be written.
    pub fn respond(&mut self, now: Instant, txn: TransactionId, reply: Reply) -> Result<(), Error> {
        let pending = self.servers.get(txn).filter(|txn| txn.is_pending());
        let server = pending.ok_or(Error::UnknownTransaction(txn))?;
        if *server.request.method() == Method::Invite {
            let dialog = self.dialog_of(txn).ok_or(Error::UnknownTransaction(txn))?;
            return match reply.status {
                ..200 => self.progress(now, dialog, reply),
                200..300 => self.answer(now, dialog, reply),
                300.. => self.reject(now, dialog, reply),
            };
        }
        reply::check(&reply, 100..700, false)?;
        self.send_reply(now, txn, &reply, None);
        Ok(())
    }

    /// Sends a provisional response (101 to 199) to the INVITE under way.
    ///
    /// # Errors
    /// The dialog is unknown or has no open INVITE, or the reply may not be written.
    pub fn progress(&mut self, now: Instant, dialog: DialogId, reply: Reply) -> Result<(), Error> {
        let (txn, contact) = self.open_invite(dialog, "progress")?;
        reply::check(&reply, 101..200, true)?;
        self.send_reply(now, txn, &reply, Some(&contact));
        if let Some(session) = self.sessions.get_mut(&dialog)
            && let Some(Incoming { state: IncomingState::Open { refresh_at, .. }, .. }) =
                &mut session.incoming
        {
            *refresh_at = Some(now + PROVISIONAL_REFRESH);
        }
        self.rewake_dialog(dialog);
        Ok(())
    }

    /// Accepts the INVITE or re-INVITE with a 2xx, retransmitted until its ACK.
    ///
    /// # Errors
    /// The dialog is unknown or has no open INVITE, or the reply may not be written.
    pub fn answer(&mut self, now: Instant, dialog: DialogId, reply: Reply) -> Result<(), Error> {
        let (txn, contact) = self.open_invite(dialog, "answer")?;
        reply::check(&reply, 200..300, true)?;
        self.send_reply(now, txn, &reply, Some(&contact));
        let timers = self.config.timers;
        let sent = self.servers.get(txn).and_then(|t| Some((t.last.clone()?, t.reply_flow)));
        if let Some(session) = self.sessions.get_mut(&dialog)
            && let Some(incoming) = &mut session.incoming
            && let Some((bytes, flow)) = sent
        {
            let again = Backoff::start(now, timers.t1);
            let give_up_at = now + timers.give_up();
            incoming.state = IncomingState::Answered { bytes, flow, again, give_up_at };
            session.stage = Stage::Confirmed;
        }
        self.rewake_dialog(dialog);
        Ok(())
    }

    /// Refuses the INVITE (which ends the dialog) or re-INVITE with 3xx to 6xx.
    ///
    /// # Errors
    /// The dialog is unknown or has no open INVITE, or the reply may not be written.
    pub fn reject(&mut self, now: Instant, dialog: DialogId, reply: Reply) -> Result<(), Error> {
        let (txn, _) = self.open_invite(dialog, "reject")?;
        reply::check(&reply, 300..700, true)?;
        self.send_reply(now, txn, &reply, None);
        self.close_incoming(now, dialog, Some(EndCause::Declined));
        Ok(())
    }

    /// A new call: transaction, 100, dialog, event.
    pub(super) fn on_invite(&mut self, now: Instant, inbound: Inbound) {
        let request = Arc::clone(&inbound.request);
        let flow = inbound.flow;
        let tag = self.new_tag();
        let path = Path::of_request(&request, &tag, flow);
        let key = DialogKey::new(request.call_id(), &tag);
        let txn = self.open_transaction(now, inbound, tag);
        self.send_reply(now, txn, &Reply::new(100), None);
        let dialog = DialogId(self.next_id());
        let mut session = Session::new(path, false, 0);
        session.remote_seq = RemoteCSeq::after(request.cseq().seq);
        session.incoming = Some(self.new_incoming(now, txn, &request, true));
        self.sessions.insert(dialog, session);
        self.dialogs.insert(key, dialog);
        self.rewake_dialog(dialog);
        self.tell(Event::Invite { dialog, txn, request, flow });
    }

    pub(super) fn new_incoming(
        &self,
        now: Instant,
        txn: TransactionId,
        request: &Request,
        is_initial: bool,
    ) -> Incoming {
        let give_up_at = now + self.config.max_setup;
        Incoming {
            txn,
            seq: request.cseq().seq,
            is_initial,
            state: IncomingState::Open { refresh_at: None, give_up_at },
        }
    }

    /// The peer takes its INVITE back (§9.2); too late if it has its final response.
    pub(super) fn on_cancelled(
        &mut self,
        now: Instant,
        txn: TransactionId,
        reason_header: Option<String>,
    ) {
        let Some(dialog) = self.dialog_of(txn) else { return };
        let Some(session) = self.sessions.get_mut(&dialog) else { return };
        let Some(is_initial) = session.open_incoming().map(|incoming| incoming.is_initial) else {
            return;
        };
        let is_news = is_initial && !session.is_told;
        session.is_told |= is_initial;
        self.send_reply(now, txn, &Reply::new(487), None);
        if is_news {
            self.tell(Event::Cancelled { dialog, reason_header });
        }
        self.close_incoming(now, dialog, None);
    }

    /// The ACK of a 2xx.
    pub(super) fn on_success_acked(&mut self, now: Instant, dialog: DialogId, ack: &Request) {
        let Some(session) = self.sessions.get_mut(&dialog) else { return };
        if session.unacked().is_none_or(|incoming| incoming.seq != ack.cseq().seq) {
            return;
        }
        session.incoming = None;
        match std::mem::replace(&mut session.stage, Stage::Confirmed) {
            // §15: now the BYE may go
            Stage::Leaving(headers) => self.send_bye(now, dialog, headers),
            stage => {
                session.stage = stage;
                let body = (!ack.body().is_empty())
                    .then(|| Body::new(ack.content_type().unwrap_or_default(), ack.body().clone()));
                self.tell(Event::Acked { dialog, body });
            }
        }
        self.rewake_dialog(dialog);
    }

    /// After the final failure of an INVITE: the dialog ends if it was the first.
    pub(super) fn close_incoming(
        &mut self,
        now: Instant,
        dialog: DialogId,
        cause: Option<EndCause>,
    ) {
        let Some(session) = self.sessions.get_mut(&dialog) else { return };
        let was_initial = session.incoming.take().is_some_and(|incoming| incoming.is_initial);
        if was_initial {
            self.end(now, dialog, cause);
        } else {
            self.rewake_dialog(dialog);
        }
    }

    /// Transaction and Contact of the INVITE that waits for its final response.
    fn open_invite(
        &self,
        dialog: DialogId,
        order: &'static str,
    ) -> Result<(TransactionId, String), Error> {
        let session = self.sessions.get(&dialog).ok_or(Error::UnknownDialog(dialog))?;
        let incoming = session.open_incoming().ok_or(Error::WrongState { dialog, order })?;
        let path = &session.path;
        Ok((incoming.txn, self.contact(path.contact_user.as_deref(), &path.flow)))
    }

    fn dialog_of(&self, txn: TransactionId) -> Option<DialogId> {
        let server = self.servers.get(txn)?;
        let key = DialogKey::new(server.request.call_id(), &server.to_tag);
        let dialog = *self.dialogs.get(&key)?;
        let incoming = self.sessions.get(&dialog)?.incoming.as_ref()?;
        (incoming.txn == txn).then_some(dialog)
    }
}

/// §13.3.1.1: how often a provisional response is repeated so that proxies keep waiting.
pub(super) const PROVISIONAL_REFRESH: Duration = Duration::from_secs(60);
