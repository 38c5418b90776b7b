//! What a peer asks inside a dialog (RFC 3261 §12.2.2, §14.2, §15.1.2).

use std::sync::Arc;
use std::time::Instant;

use rand::Rng;

use super::Endpoint;
use super::event::Event;
use super::order::Reply;
use super::receive::{Inbound, options_reply};
use crate::dialog::{DialogId, IncomingState, Offer, Session, Stage};
use crate::message::{Method, NameAddr, Request};
use crate::transaction::table::ServerTable;
use crate::transport::{Flow, target};

impl Endpoint {
    pub(super) fn on_dialog_request(&mut self, now: Instant, inbound: Inbound, dialog: DialogId) {
        // room is kept for dialogs that exist: they must be able to end
        let room = self.config.max_transactions + self.config.max_dialogs;
        if self.servers.len() >= room {
            return self.refuse_busy(&inbound);
        }
        let Some(session) = self.sessions.get_mut(&dialog) else { return };
        let request = Arc::clone(&inbound.request);
        let flow = inbound.flow;
        let tag = session.path.local_tag().to_owned();
        let refusal = judge(session, &self.servers, &request);
        if refusal.is_none() {
            adopt_flow(session, &request, flow);
            self.repath_dialog(dialog);
        }
        let txn = self.open_transaction(now, inbound, tag);
        if let Some(mut reply) = refusal {
            if reply.status == 500 {
                // §14.2: the wait is random, up to ten seconds
                let seconds = self.rng.next_u32() % 10;
                reply = reply.with_header("Retry-After", seconds.to_string());
            }
            return self.send_reply(now, txn, &reply, None);
        }
        match request.method() {
            Method::Invite => {
                self.send_reply(now, txn, &Reply::new(100), None);
                let incoming = self.new_incoming(now, txn, &request, false);
                if let Some(session) = self.sessions.get_mut(&dialog) {
                    session.exchange.begin(false, request.has_description());
                    if request.header("Allow").is_some() {
                        session.takes_update = request.lists("Allow", "UPDATE");
                    }
                    refresh_target(session, &request);
                    session.incoming = Some(incoming);
                }
                self.rewake_dialog(dialog);
                self.tell(Event::Reinvite { dialog, request, flow });
            }
            Method::Bye => {
                self.send_reply(now, txn, &Reply::new(200), None);
                self.on_bye(now, dialog, request);
            }
            Method::Prack => self.on_prack(now, txn, dialog, &request),
            Method::Update => self.on_update(now, txn, dialog, request),
            Method::Options => {
                self.send_reply(now, txn, &options_reply(self.config.allow_in_dialog), None);
            }
            _ => self.tell(Event::Request { txn, request, flow, dialog: Some(dialog) }),
        }
    }

    fn on_bye(&mut self, now: Instant, dialog: DialogId, request: Arc<Request>) {
        let Some(session) = self.sessions.get_mut(&dialog) else { return };
        // our own BYE crossed this one and ends the dialog itself
        if session.stage == Stage::Closing {
            return;
        }
        let is_told = std::mem::replace(&mut session.is_told, true);
        if !is_told {
            self.tell(Event::ByeReceived { dialog, request });
        }
        self.refuse_open_requests(now, dialog);
        self.end(now, dialog, None);
    }

    /// §15.1.2: requests that are still open when the session ends get 487.
    pub(super) fn refuse_open_requests(&mut self, now: Instant, dialog: DialogId) {
        let Some(session) = self.sessions.get_mut(&dialog) else { return };
        let invite = session.open_incoming().map(|incoming| incoming.txn);
        session.incoming = None;
        let updates = session.exchanges_mut().filter_map(|exchange| exchange.update_in.take());
        let open: Vec<_> = invite.into_iter().chain(updates).collect();
        for txn in open {
            if self.servers.get(txn).is_some_and(|server| server.is_pending()) {
                self.send_reply(now, txn, &Reply::new(487), None);
            }
        }
    }
}

/// Whether a request has to wait or comes at a bad time. `None` lets it pass.
fn judge(session: &mut Session, servers: &ServerTable, request: &Request) -> Option<Reply> {
    let is_early_caller = session.is_early_caller();
    let is_open = matches!(session.stage, Stage::Confirmed | Stage::Early) && !session.is_told;
    let has_outgoing = session.outgoing.is_some();
    let has_unanswered = session.unanswered.is_some();
    let incoming = session.incoming.as_ref().map(|incoming| match incoming.state {
        IncomingState::Open { .. } => Reply::new(500),
        // RFC 5407 §3.1.5: offer and answer are not complete before the ACK
        IncomingState::Answered { .. } => Reply::new(491),
    });
    // it overtook the response that makes the dialog
    let Some(view) = session.view(request.from().tag()) else { return Some(Reply::new(500)) };
    // a PRACK says by its RAck what it is for, and may be overtaken by what its sender did next
    let is_in_order =
        view.remote_seq.take(request.cseq().seq) || *request.method() == Method::Prack;
    if !is_in_order {
        return Some(Reply::new(500).with_reason("CSeq Out Of Order"));
    }
    let exchange = view.exchange;
    exchange.update_in.take_if(|txn| !servers.get(*txn).is_some_and(|open| open.is_pending()));
    match request.method() {
        // §15: a callee hangs up after its answer only, which this overtook
        Method::Bye => is_early_caller.then(|| Reply::new(500)),
        _ if !is_open => Some(Reply::new(481)),
        Method::Invite if has_outgoing || has_unanswered || exchange.awaits_answer() => {
            Some(Reply::new(491))
        }
        // RFC 3311 §5.2, in its order
        Method::Invite | Method::Update if exchange.update_in.is_some() => Some(Reply::new(500)),
        Method::Invite => incoming,
        Method::Update if !request.has_description() => None,
        Method::Update if exchange.awaits_answer() || (has_outgoing && !is_early_caller) => {
            Some(Reply::new(491))
        }
        Method::Update if exchange.offer != Offer::Complete => Some(Reply::new(500)),
        _ => None,
    }
}

/// A phone that changed its path (NAT rebinding, a new connection) is followed when it says so with
/// a target refresh, or when the old path is known to be broken.
fn adopt_flow(session: &mut Session, request: &Request, flow: Flow) {
    if session.is_early_caller() {
        return;
    }
    if session.is_cut_off || matches!(request.method(), Method::Invite | Method::Update) {
        session.is_cut_off = false;
        let contact = request.contact().map(|contact: NameAddr| contact.uri);
        let target = contact.as_ref().unwrap_or(&session.path.target);
        let next_hop = session.path.routes.first().unwrap_or(target).clone();
        session.path.flow = target::of_dialog(request, &flow, &next_hop);
    }
}

/// §12.2.2: the Contact of a re-INVITE replaces the target.
fn refresh_target(session: &mut Session, request: &Request) {
    if let Some(contact) = request.contact() {
        session.path.target = contact.uri;
    }
}
