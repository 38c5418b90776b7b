//! UPDATE both ways, in early dialogs too (RFC 3311).

use std::sync::Arc;
use std::time::Instant;

use super::draft::Draft;
use super::event::Event;
use super::order::{Body, Reply};
use super::sent::{Outcome, Purpose};
use super::{Endpoint, TransactionId, reply};
use crate::Error;
use crate::dialog::{DialogId, Offer, Retry, Session, Stage, UpdateOut};
use crate::message::{Method, Request, Response};

impl Endpoint {
    /// Whether the peer said that it takes UPDATE and nothing stands in the way of one now.
    pub fn can_update(&self, dialog: DialogId) -> bool {
        self.sessions.get(&dialog).is_some_and(|session| {
            if session.is_early_caller() {
                session.forks.iter().any(|f| f.takes_update && f.exchange.is_quiet())
            } else {
                session.takes_update && session.exchange.is_quiet()
            }
        })
    }

    /// Changes the session by UPDATE (RFC 3311 §5.1): [`Event::UpdateAnswered`] or
    /// [`Event::UpdateRejected`] follows; a 491 is tried again by itself. With a body it is an offer.
    /// In a call of ours that is not answered it goes to the last fork whose offer and answer are
    /// complete.
    ///
    /// # Errors
    /// The dialog is unknown, an offer, an INVITE or an UPDATE is under way, or a value given may not
    /// be written.
    pub fn update(
        &mut self,
        now: Instant,
        dialog: DialogId,
        headers: Vec<(String, String)>,
        body: Option<Body>,
    ) -> Result<(), Error> {
        let session = self.sessions.get(&dialog).ok_or(Error::UnknownDialog(dialog))?;
        if session.is_told {
            return Err(Error::UnknownDialog(dialog));
        }
        if !matches!(session.stage, Stage::Early | Stage::Confirmed) || session.retry.is_some() {
            return Err(Error::WrongState { dialog, order: "update" });
        }
        self.send_update(now, dialog, headers, body, false)
    }

    pub(super) fn send_update(
        &mut self,
        now: Instant,
        dialog: DialogId,
        headers: Vec<(String, String)>,
        body: Option<Body>,
        is_refresh: bool,
    ) -> Result<(), Error> {
        let wrong = Err(Error::WrongState { dialog, order: "update" });
        let servers = &self.servers;
        let Some(session) = self.sessions.get_mut(&dialog) else {
            return Err(Error::UnknownDialog(dialog));
        };
        for exchange in session.exchanges_mut() {
            exchange.update_in.take_if(|txn| !servers.get(*txn).is_some_and(|t| t.is_pending()));
        }
        let has_offer = body.as_ref().is_some_and(Body::is_description);
        let is_reinviting = session.stage == Stage::Confirmed
            && (session.outgoing.is_some() || session.open_incoming().is_some());
        if has_offer && is_reinviting {
            return wrong;
        }
        let credentials = session.credentials.clone();
        let tag = if session.is_early_caller() {
            let fork = session.forks.iter().rev().find(|fork| fork.exchange.is_quiet());
            match fork {
                Some(fork) => Some(fork.tag.clone()),
                None => return wrong,
            }
        } else {
            None
        };
        let Some(view) = session.view(tag.as_deref()) else { return wrong };
        let is_free = view.exchange.update_out.is_none()
            && (!has_offer
                || (view.exchange.offer == Offer::Complete && view.exchange.update_in.is_none()));
        if !is_free {
            return wrong;
        }
        let (flow, own) = (view.path.flow, view.path.contact.clone());
        let draft = Draft::along(view.path, Method::Update, 0).with(headers, body)?;
        let seq = view.local_seq.next();
        let contact = Some(self.contact(&own, &flow));
        let session = self.sessions.get(&dialog).filter(|session| session.timer.is_some());
        let timing = session.and_then(|session| self.timing(session));
        let draft = Draft { seq, contact, credentials, timing, ..draft };
        let txn = self.send_request(now, flow, draft, Purpose::Update(dialog));
        let session = self.sessions.get_mut(&dialog);
        if let Some(view) = session.and_then(|session| session.view(tag.as_deref())) {
            view.exchange.update_out = Some(UpdateOut { txn, has_offer, is_refresh });
        }
        Ok(())
    }

    /// A 2xx to an UPDATE of ours.
    pub(super) fn on_update_answered(
        &mut self,
        now: Instant,
        id: TransactionId,
        dialog: DialogId,
        response: Arc<Response>,
    ) {
        let Some(session) = self.sessions.get_mut(&dialog) else { return };
        let Some(update) = take_update(session, id) else { return };
        let body = self.clients.get(id).and_then(|txn| txn.user.draft.body.as_ref());
        if let Some(view) = session.view(response.to().tag()) {
            view.exchange.keep_local(body);
            if let Some(contact) = response.contact() {
                view.path.target = contact.uri;
            }
        }
        let is_told = session.is_told;
        if session.timer.is_some() {
            self.start_timer(now, dialog, &response);
        }
        if !update.is_refresh && !is_told {
            self.tell(Event::UpdateAnswered { dialog, response });
        }
    }

    /// An UPDATE of ours failed; the session goes on as it was.
    pub(super) fn on_update_failed(
        &mut self,
        now: Instant,
        id: TransactionId,
        dialog: DialogId,
        outcome: Outcome,
    ) {
        let Some(session) = self.sessions.get_mut(&dialog) else { return };
        let Some(update) = take_update(session, id) else { return };
        if session.is_told {
            return;
        }
        if outcome.status == 491 && !update.is_refresh {
            let wait = self.glare_wait(dialog);
            let draft = self.clients.get(id).map(|txn| &txn.user.draft);
            let session = self.sessions.get_mut(&dialog);
            if let (Some(draft), Some(session)) = (draft, session) {
                let (headers, body) = (draft.headers.clone(), draft.body.clone());
                session.retry =
                    Some(Retry { at: now + wait, method: Method::Update, headers, body });
            }
            return self.rewake_dialog(dialog);
        }
        if update.is_refresh {
            return self.on_refresh_failed(now, dialog, &Method::Update, &outcome);
        }
        let Outcome { status, reason, response } = outcome;
        let is_local = response.is_none();
        self.tell(Event::UpdateRejected { dialog, status, reason, response });
        self.on_peer_gone(now, dialog, status, is_local);
        self.rewake_dialog(dialog);
    }

    /// An UPDATE of the peer that was judged good.
    pub(super) fn on_update(
        &mut self,
        now: Instant,
        txn: TransactionId,
        dialog: DialogId,
        request: Arc<Request>,
    ) {
        if !request.has_description() {
            return self.answer_update(now, txn, dialog, &request, Reply::new(200));
        }
        let session = self.sessions.get_mut(&dialog);
        let Some(view) = session.and_then(|session| session.view(request.from().tag())) else {
            return;
        };
        view.exchange.update_in = Some(txn);
        self.tell(Event::Update { dialog, txn, request });
    }

    /// The owner's answer to an UPDATE, or to a PRACK with an offer.
    pub(super) fn respond_update(
        &mut self,
        now: Instant,
        txn: TransactionId,
        request: &Request,
        reply: Reply,
    ) -> Result<(), Error> {
        reply::check(&reply, 200..700, true)?;
        let dialog = self.sessions_of(txn).ok_or(Error::UnknownTransaction(txn))?;
        self.answer_update(now, txn, dialog, request, reply);
        Ok(())
    }

    fn answer_update(
        &mut self,
        now: Instant,
        txn: TransactionId,
        dialog: DialogId,
        request: &Request,
        mut reply: Reply,
    ) {
        let Some(session) = self.sessions.get_mut(&dialog) else { return };
        let Some(view) = session.view(request.from().tag()) else { return };
        view.exchange.update_in.take_if(|open| *open == txn);
        let is_update = *request.method() == Method::Update;
        let (own, flow) = (view.path.contact.clone(), view.path.flow);
        if reply.status < 300 {
            view.exchange.keep_local(reply.body.as_ref());
        }
        if is_update && reply.status < 300 {
            // §5.2: a target refresh
            if let Some(contact) = request.contact() {
                view.path.target = contact.uri;
            }
            if request.header("Allow").is_some() {
                *view.takes_update = request.lists("Allow", "UPDATE");
            }
        }
        if is_update && reply.status < 300 {
            self.agree_timer(now, dialog, request, &mut reply);
        }
        let contact = is_update.then(|| self.contact(&own, &flow));
        self.send_reply(now, txn, &reply, contact.as_deref());
        self.rewake_dialog(dialog);
    }
}

/// Takes our UPDATE of that transaction out of whichever dialog of the session it is in.
fn take_update(session: &mut Session, id: TransactionId) -> Option<UpdateOut> {
    session.exchanges_mut().find_map(|exchange| exchange.update_out.take_if(|u| u.txn == id))
}
