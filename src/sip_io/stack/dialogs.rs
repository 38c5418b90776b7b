//! Dialogs and their owners: what the endpoint reports goes to the call that owns the dialog, and
//! what calls order goes to the endpoint.

use std::sync::Arc;
use std::time::Instant;

use actix::prelude::*;
use sip::{DialogId, Event, Method, Reply, Request, TransactionId};

use super::outside::Answered;
use super::{Owner, StackActor};
use crate::sip_io::info;
use crate::sip_io::message::{
    Action, DialogEvent, Happened, Order, Originate, Originated, RequestId,
};

impl StackActor {
    pub(super) fn on_event(&mut self, event: Event, ctx: &mut Context<Self>) {
        match event {
            Event::Invite { dialog, request, flow, .. } => {
                self.on_invite(dialog, request, flow, ctx)
            }
            Event::Request { txn, request, flow, dialog: None } => {
                self.on_register(txn, request, flow, ctx);
            }
            Event::Request { txn, request, dialog: Some(dialog), .. } => {
                self.on_request(txn, request, dialog);
            }
            Event::Trying { dialog } => {
                self.tell(dialog, Happened::Trying);
            }
            // Our INVITEs make the offer: no response leaves one to be answered.
            Event::Provisional { dialog, response, .. } => {
                self.tell(dialog, Happened::Provisional(response));
            }
            Event::Answered { dialog, response, .. } => {
                self.tell(dialog, Happened::Answered(response));
            }
            Event::Acked { dialog, body } => self.tell(dialog, Happened::Acked { body }),
            Event::Pracked { dialog, .. } => self.tell(dialog, Happened::Pracked),
            Event::Reinvite { dialog, request, .. } => {
                self.tell(dialog, Happened::Reinvite(request));
            }
            Event::ReinviteAnswered { dialog, response, .. } => {
                self.tell(dialog, Happened::ReinviteDone(Ok(response)));
            }
            Event::ReinviteRejected { dialog, status, .. } => {
                self.tell(dialog, Happened::ReinviteDone(Err(status)));
            }
            Event::Update { dialog, txn, request } => {
                self.tell(dialog, Happened::Update { txn, request });
            }
            Event::RequestDone { txn, dialog, status, reason, response } => {
                if let Some((_, id)) = self.requests.remove(&txn) {
                    let is_heard = response.is_some();
                    self.tell(dialog, Happened::RequestDone { id, status, reason, is_heard });
                }
            }
            Event::Rejected { dialog, status, reason, response } => {
                self.tell_last(dialog, Happened::Rejected { status, reason, response });
            }
            Event::Cancelled { dialog, reason_header } => {
                self.tell_last(dialog, Happened::Cancelled { reason: reason_header });
            }
            Event::ByeReceived { dialog, request } => {
                self.tell_last(dialog, Happened::ByeReceived(request));
            }
            Event::Ended { dialog, cause } => self.tell_last(dialog, Happened::Ended(cause)),
            Event::Response { txn, status, reason, seq, response } => {
                self.on_response(txn, Answered { status, reason, seq, response });
            }
            _ => {}
        }
    }

    pub(super) fn tell(&self, dialog: DialogId, happened: Happened) {
        if let Some(owner) = self.owners.get(&dialog) {
            owner.events.do_send(DialogEvent { dialog, happened });
        }
    }

    pub(super) fn tell_last(&mut self, dialog: DialogId, happened: Happened) {
        self.deciding.remove(&dialog);
        self.requests.retain(|_, (of, _)| *of != dialog);
        self.replacing.remove(&dialog);
        if let Some(owner) = self.owners.remove(&dialog) {
            owner.events.do_send(DialogEvent { dialog, happened });
        }
    }

    pub(super) fn respond(&mut self, txn: TransactionId, reply: Reply) {
        if let Err(error) = self.parts.endpoint.respond(Instant::now(), txn, reply) {
            tracing::debug!(%error, "reply came too late");
        }
    }

    pub(super) fn reject(&mut self, dialog: DialogId, reply: Reply) {
        if let Err(error) = self.parts.endpoint.reject(Instant::now(), dialog, reply) {
            tracing::debug!(%error, "refusal came too late");
        }
    }

    /// Keys in an INFO are answered here; every other request is its owner's to answer.
    fn on_request(&mut self, txn: TransactionId, request: Arc<Request>, dialog: DialogId) {
        let key = match request.method() {
            Method::Info => info::key(&request).ok().flatten(),
            _ => None,
        };
        match key {
            // Nobody owns the dialog yet: its call is still being admitted.
            None if !self.owners.contains_key(&dialog) => self.respond(txn, Reply::new(480)),
            None => self.tell(dialog, Happened::Request { txn, request }),
            Some(key) => {
                self.respond(txn, Reply::new(200));
                self.tell(dialog, Happened::Key(key));
            }
        }
    }

    /// A request that cannot be sent is answered at once, as one that nobody answers is later.
    fn request(
        &mut self,
        dialog: DialogId,
        id: RequestId,
        method: Method,
        headers: Vec<(String, String)>,
        body: Option<sip::Body>,
    ) {
        match self.parts.endpoint.request(Instant::now(), dialog, method, headers, body) {
            Ok(txn) => {
                self.requests.insert(txn, (dialog, id));
            }
            Err(error) => {
                let (status, reason) = (503, error.to_string());
                self.tell(dialog, Happened::RequestDone { id, status, reason, is_heard: false });
            }
        }
    }
}

impl Handler<Originate> for StackActor {
    type Result = Result<Originated, sip::Error>;

    fn handle(&mut self, originate: Originate, ctx: &mut Context<Self>) -> Self::Result {
        let replaces = originate.invite.replaces.clone();
        let placed = self.parts.endpoint.invite(Instant::now(), originate.invite);
        if let Ok((dialog, _)) = &placed {
            let Originate { owner: events, account, .. } = originate;
            self.owners.insert(*dialog, Owner { events, account });
            self.replacing.extend(replaces.map(|replaces| (*dialog, replaces)));
        }
        // The INVITE is handed to the socket before the caller hears of it.
        self.pump(ctx);
        placed.map(|(dialog, call_id)| Originated { dialog, call_id })
    }
}

impl Handler<Order> for StackActor {
    type Result = ();

    fn handle(&mut self, Order { dialog, action }: Order, ctx: &mut Context<Self>) {
        let now = Instant::now();
        let endpoint = &mut self.parts.endpoint;
        let done = match action {
            Action::Progress(reply) => endpoint.progress(now, dialog, reply),
            Action::Answer(reply) => endpoint.answer(now, dialog, reply),
            Action::Reject(reply) => endpoint.reject(now, dialog, reply),
            Action::Reinvite(body) => {
                let sent = endpoint.reinvite(now, dialog, Vec::new(), Some(body));
                if sent.is_err() {
                    self.tell(dialog, Happened::ReinviteDone(Err(REQUEST_PENDING)));
                }
                sent
            }
            Action::Cancel(headers) => endpoint.cancel_with(now, dialog, headers),
            Action::Bye(headers) => endpoint.bye(now, dialog, headers),
            Action::Respond { txn, reply } => endpoint.respond(now, txn, reply),
            Action::Request { id, method, headers, body } => {
                self.request(dialog, id, method, headers, body);
                Ok(())
            }
        };
        if let Err(error) = done {
            tracing::debug!(%error, "order came too late");
        }
        self.pump(ctx);
    }
}

/// RFC 3261 §21.4.27: another offer is under way.
const REQUEST_PENDING: u16 = 491;
