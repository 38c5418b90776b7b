//! Dialogs and their owners: what the endpoint reports goes to the call that owns the dialog, and
//! what calls order goes to the endpoint.

use std::time::Instant;

use actix::prelude::*;
use sip::{DialogId, Event, Reply, Request, TransactionId};

use super::StackActor;
use crate::sip_io::info;
use crate::sip_io::message::{Action, DialogEvent, Order, Originate, Originated};

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
                self.on_info(txn, &request, dialog);
            }
            Event::Provisional { dialog, response, .. } => {
                self.tell(dialog, DialogEvent::Provisional(response));
            }
            Event::Answered { dialog, response, .. } => {
                self.tell(dialog, DialogEvent::Answered(response));
            }
            // an offer in mid-call by UPDATE is not taken yet; the session goes on as it was
            Event::Update { txn, .. } => self.respond(txn, Reply::new(488)),
            Event::Acked { dialog, body } => self.tell(dialog, DialogEvent::Acked { body }),
            Event::Reinvite { dialog, request, .. } => {
                self.tell(dialog, DialogEvent::Reinvite(request));
            }
            Event::Rejected { dialog, status, reason, response } => {
                self.tell_last(dialog, DialogEvent::Rejected { status, reason, response });
            }
            Event::Cancelled { dialog, reason_header } => {
                self.tell_last(dialog, DialogEvent::Cancelled { reason: reason_header });
            }
            Event::ByeReceived { dialog, request } => {
                self.tell_last(dialog, DialogEvent::ByeReceived(request));
            }
            Event::Ended { dialog, cause } => self.tell_last(dialog, DialogEvent::Ended(cause)),
            _ => {}
        }
    }

    pub(super) fn tell(&self, dialog: DialogId, event: DialogEvent) {
        if let Some(owner) = self.owners.get(&dialog) {
            owner.do_send(event);
        }
    }

    pub(super) fn tell_last(&mut self, dialog: DialogId, event: DialogEvent) {
        self.deciding.remove(&dialog);
        if let Some(owner) = self.owners.remove(&dialog) {
            owner.do_send(event);
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

    /// INFO is the only request inside a dialog that comes here: no other is allowed.
    fn on_info(&mut self, txn: TransactionId, request: &Request, dialog: DialogId) {
        let reply = match info::key(request) {
            Ok(key) => {
                if let Some(key) = key {
                    self.tell(dialog, DialogEvent::Key(key));
                }
                Reply::new(200)
            }
            Err(refusal) => refusal,
        };
        self.respond(txn, reply);
    }
}

impl Handler<Originate> for StackActor {
    type Result = Result<Originated, sip::Error>;

    fn handle(&mut self, originate: Originate, ctx: &mut Context<Self>) -> Self::Result {
        let placed = self.parts.endpoint.invite(Instant::now(), originate.invite);
        if let Ok((dialog, _)) = &placed {
            self.owners.insert(*dialog, originate.owner);
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
            Action::Cancel => endpoint.cancel(now, dialog),
            Action::Bye(headers) => endpoint.bye(now, dialog, headers),
        };
        if let Err(error) = done {
            tracing::debug!(%error, "order came too late");
        }
        self.pump(ctx);
    }
}
