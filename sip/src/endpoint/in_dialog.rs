//! What a peer asks inside a dialog (RFC 3261 §12.2.2, §14.2, §15.1.2).

use std::sync::Arc;
use std::time::Instant;

use rand::Rng;

use super::Endpoint;
use super::event::Event;
use super::order::Reply;
use super::receive::{Inbound, options_reply};
use super::refuse::ALLOW_IN_DIALOG;
use crate::dialog::{DialogId, IncomingState, Session, Stage};
use crate::message::{Method, NameAddr, Request};
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
        let refusal = judge(session, &request);
        if refusal.is_none() {
            adopt_flow(session, &request, flow);
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
            Method::Options => {
                self.send_reply(now, txn, &options_reply(ALLOW_IN_DIALOG), None);
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
        self.refuse_open_invite(now, dialog);
        self.end(now, dialog, None);
    }

    /// §15.1.2: a request that is still open when the session ends gets 487.
    pub(super) fn refuse_open_invite(&mut self, now: Instant, dialog: DialogId) {
        let open = self.sessions.get(&dialog).and_then(Session::open_incoming);
        if let Some(txn) = open.map(|incoming| incoming.txn) {
            self.send_reply(now, txn, &Reply::new(487), None);
        }
        if let Some(session) = self.sessions.get_mut(&dialog) {
            session.incoming = None;
        }
    }
}

/// Whether a request has to wait or comes at a bad time. `None` lets it pass.
fn judge(session: &mut Session, request: &Request) -> Option<Reply> {
    if session.is_caller && session.stage == Stage::Early {
        // it overtook the answer that makes the dialog
        return Some(Reply::new(500));
    }
    if !session.remote_seq.take(request.cseq().seq) {
        return Some(Reply::new(500).with_reason("CSeq Out Of Order"));
    }
    let is_open = matches!(session.stage, Stage::Confirmed | Stage::Early) && !session.is_told;
    match request.method() {
        Method::Bye => return None,
        _ if !is_open => return Some(Reply::new(481)),
        Method::Invite => {}
        _ => return None,
    }
    if session.outgoing.is_some() {
        return Some(Reply::new(491));
    }
    match session.incoming.as_ref().map(|incoming| &incoming.state) {
        Some(IncomingState::Open { .. }) => Some(Reply::new(500)),
        // RFC 5407 §3.1.5: offer and answer are not complete before the ACK
        Some(IncomingState::Answered { .. }) => Some(Reply::new(491)),
        None => None,
    }
}

/// A phone that changed its path (NAT rebinding, a new connection) is followed when it says so with
/// a target refresh, or when the old path is known to be broken.
fn adopt_flow(session: &mut Session, request: &Request, flow: Flow) {
    if session.is_cut_off || *request.method() == Method::Invite {
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
