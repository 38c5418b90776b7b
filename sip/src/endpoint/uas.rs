//! Calls that come in (RFC 3261 §13.3), and answers to everything else the caller must decide.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::event::{EndCause, Event};
use super::order::Reply;
use super::receive::Inbound;
use super::{Endpoint, TransactionId, reply};
use crate::Error;
use crate::dialog::{
    DialogId, DialogKey, Incoming, IncomingState, Offer, Path, RemoteCSeq, Session, Stage,
};
use crate::message::build::Body;
use crate::message::{Method, Request, parse_number};
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
        let request = server.request().map(Arc::clone).ok_or(Error::UnknownTransaction(txn))?;
        if matches!(request.method(), Method::Update | Method::Prack) {
            return self.respond_update(now, txn, &request, reply);
        }
        if *request.method() == Method::Invite {
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

    /// Accepts the INVITE or re-INVITE with a 2xx, retransmitted until its ACK. While a reliable
    /// provisional response with a description waits for its PRACK, so does the 2xx (RFC 3262 §3). Its
    /// description is left out if offer and answer are complete already.
    ///
    /// # Errors
    /// The dialog is unknown or has no open INVITE, or the reply may not be written.
    pub fn answer(&mut self, now: Instant, dialog: DialogId, reply: Reply) -> Result<(), Error> {
        self.open_invite(dialog, "answer")?;
        reply::check(&reply, 200..300, true)?;
        let incoming = self.sessions.get_mut(&dialog).and_then(|s| s.incoming.as_mut());
        if let Some(reliably) = incoming.and_then(|incoming| incoming.reliably.as_mut()) {
            if reliably.answer.is_some() {
                return Err(Error::WrongState { dialog, order: "answer" });
            }
            if reliably.unacked.as_ref().is_some_and(|unacked| unacked.has_description) {
                reliably.answer = Some(reply);
                return Ok(());
            }
        }
        self.send_answer(now, dialog, reply);
        Ok(())
    }

    pub(super) fn send_answer(&mut self, now: Instant, dialog: DialogId, mut reply: Reply) {
        let Ok((txn, contact)) = self.open_invite(dialog, "answer") else { return };
        if let Some(session) = self.sessions.get_mut(&dialog) {
            let has_description = reply.body.as_ref().is_some_and(Body::is_description);
            match session.exchange.offer {
                Offer::Complete if has_description => reply.body = None,
                Offer::Missing if has_description => session.exchange.offer = Offer::Ours,
                _ => session.exchange.offer = Offer::Complete,
            }
            session.exchange.keep_local(reply.body.as_ref());
        }
        if let Some(request) =
            self.servers.get(txn).and_then(|server| server.request().map(Arc::clone))
        {
            self.agree_timer(now, dialog, &request, &mut reply);
        }
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
            let unacked = incoming.reliably.take().and_then(|reliably| reliably.unacked);
            session.late_rack = unacked.map(|unacked| unacked.rack);
            session.stage = Stage::Confirmed;
        }
        self.rewake_dialog(dialog);
    }

    /// Refuses the INVITE (which ends the dialog) or re-INVITE with 3xx to 6xx.
    ///
    /// # Errors
    /// The dialog is unknown or has no open INVITE, or the reply may not be written.
    #[expect(clippy::needless_pass_by_value, reason = "an order is given away")]
    pub fn reject(&mut self, now: Instant, dialog: DialogId, reply: Reply) -> Result<(), Error> {
        let (txn, _) = self.open_invite(dialog, "reject")?;
        reply::check(&reply, 300..700, true)?;
        self.send_reply(now, txn, &reply, None);
        self.close_incoming(now, dialog, Some(EndCause::Declined));
        Ok(())
    }

    /// A new call: transaction, dialog, event. Its 100 goes when the answer takes long (§17.2.1).
    pub(super) fn on_invite(&mut self, now: Instant, inbound: Inbound) {
        let request = Arc::clone(&inbound.request);
        let flow = inbound.flow;
        let tag = self.new_tag();
        let path = Path::of_request(&request, &tag, flow);
        let key = DialogKey::new(request.call_id(), &tag);
        let txn = self.open_transaction(now, inbound, tag);
        let dialog = DialogId(self.next_id());
        let mut session = Session::new(path, false, 0);
        session.remote_seq = RemoteCSeq::after(request.cseq().seq);
        session.exchange.begin(false, request.has_description());
        session.takes_update = request.lists("Allow", "UPDATE");
        session.incoming = Some(self.new_incoming(now, txn, &request, true));
        self.sessions.insert(dialog, session);
        self.dialogs.insert(key, dialog);
        self.repath_dialog(dialog);
        self.rewake_dialog(dialog);
        self.tell(Event::Invite { dialog, txn, request, flow });
    }

    pub(super) fn new_incoming(
        &mut self,
        now: Instant,
        txn: TransactionId,
        request: &Request,
        is_initial: bool,
    ) -> Incoming {
        let patience =
            expiry(request).map_or(self.config.max_setup, |e| e.min(self.config.max_setup));
        let give_up_at = now + patience;
        Incoming {
            txn,
            seq: request.cseq().seq,
            is_initial,
            state: IncomingState::Open { refresh_at: None, give_up_at },
            reliably: self.new_reliably(request),
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
        session.exchange.offer = Offer::Complete;
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
            session.exchange.offer = Offer::Complete;
            self.rewake_dialog(dialog);
        }
    }

    /// Transaction and Contact of the INVITE that waits for its final response.
    pub(super) fn open_invite(
        &self,
        dialog: DialogId,
        order: &'static str,
    ) -> Result<(TransactionId, String), Error> {
        let session = self.sessions.get(&dialog).ok_or(Error::UnknownDialog(dialog))?;
        let incoming = session.open_incoming().ok_or(Error::WrongState { dialog, order })?;
        let path = &session.path;
        Ok((incoming.txn, self.contact(&path.contact, &path.flow)))
    }

    /// The dialog a server transaction is in.
    pub(super) fn sessions_of(&self, txn: TransactionId) -> Option<DialogId> {
        let server = self.servers.get(txn)?;
        let call_id = server.request()?.call_id();
        self.dialogs.get(&DialogKey::new(call_id, &server.to_tag)).copied()
    }

    fn dialog_of(&self, txn: TransactionId) -> Option<DialogId> {
        let dialog = self.sessions_of(txn)?;
        let incoming = self.sessions.get(&dialog)?.incoming.as_ref()?;
        (incoming.txn == txn).then_some(dialog)
    }
}

/// §13.3.1: how long the caller itself wants to wait.
pub(super) fn expiry(request: &Request) -> Option<Duration> {
    let seconds = request.header("Expires").and_then(parse_number).filter(|s| *s > 0)?;
    Some(Duration::from_secs(seconds.into()))
}
