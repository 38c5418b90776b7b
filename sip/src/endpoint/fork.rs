//! Provisional responses to our INVITE: early dialogs, one per fork, and the PRACK of those that want
//! one (RFC 3261 §12.1.2, §13.2.2.1, RFC 3262 §4).

use std::sync::Arc;
use std::time::Instant;

use super::draft::Draft;
use super::event::Event;
use super::order::Body;
use super::sent::Purpose;
use super::{Endpoint, TransactionId};
use crate::dialog::{Cancel, DialogId, Fork, LocalCSeq, Offer, RemoteCSeq, Session};
use crate::message::{Method, RAck, Response, parse_rseq};
use crate::transport::Flow;

/// What a provisional response turned out to be.
#[derive(Debug, PartialEq, Eq)]
enum Early {
    /// Nothing has to be acknowledged.
    Plain,
    /// A repetition, or one out of order: not for anybody.
    Dropped,
    /// To be acknowledged.
    Reliable(RAck),
    /// To be acknowledged with the answer to the offer it makes.
    Offer(RAck),
}

impl Endpoint {
    pub(super) fn on_provisional(
        &mut self,
        now: Instant,
        id: TransactionId,
        dialog: DialogId,
        flow: Flow,
        response: Arc<Response>,
    ) {
        let Some(session) = self.sessions.get_mut(&dialog) else { return };
        let Some(outgoing) = session.outgoing.as_ref().filter(|o| o.txn == id) else { return };
        let is_wanted = outgoing.cancel == Cancel::No;
        if response.status() > 100 {
            let early = note_early(session, flow, &response);
            let tag = response.to().tag();
            let wants_answer = is_wanted && matches!(early, Early::Offer(_));
            match early {
                Early::Offer(rack) if wants_answer => {
                    if let Some(fork) = tag.and_then(|tag| session.fork_mut(tag)) {
                        fork.held = Some(rack);
                    }
                }
                Early::Offer(rack) | Early::Reliable(rack) => {
                    let tag = tag.map(str::to_owned);
                    self.send_prack(now, dialog, tag.as_deref(), rack, None);
                }
                Early::Plain | Early::Dropped => {}
            }
            if is_wanted && early != Early::Dropped {
                self.tell(Event::Provisional { dialog, response, wants_answer });
            }
        }
        self.cancel_if_possible(now, dialog);
    }

    /// Acknowledges a reliable response along its early dialog.
    pub(super) fn send_prack(
        &mut self,
        now: Instant,
        dialog: DialogId,
        tag: Option<&str>,
        rack: RAck,
        body: Option<Body>,
    ) {
        let Some(session) = self.sessions.get_mut(&dialog) else { return };
        let credentials = session.credentials.clone();
        let Some(view) = session.view(tag) else { return };
        view.exchange.keep_local(body.as_ref());
        let mut draft = Draft::along(view.path, Method::Prack, view.local_seq.next());
        draft.own.push(("RAck", rack.to_string()));
        draft.body = body;
        draft.credentials = credentials;
        let flow = view.path.flow;
        self.send_request(now, flow, draft, Purpose::Prack(dialog));
    }
}

/// Keeps what a provisional response says of its early dialog, and judges its RSeq.
fn note_early(session: &mut Session, flow: Flow, response: &Response) -> Early {
    // without tag there is no dialog to acknowledge in
    let Some(tag) = response.to().tag() else { return Early::Plain };
    if session.fork_mut(tag).is_none() {
        if session.forks.len() >= MAX_FORKS {
            return Early::Dropped;
        }
        let fork = Fork {
            tag: tag.to_owned(),
            path: session.path.answered(response, flow),
            local_seq: LocalCSeq::after(response.cseq().seq),
            remote_seq: RemoteCSeq::default(),
            exchange: session.exchange.clone(),
            rseq: None,
            held: None,
            takes_update: false,
        };
        session.forks.push(fork);
    }
    let Some(fork) = session.fork_mut(tag) else { return Early::Dropped };
    if response.header("Allow").is_some() {
        fork.takes_update = response.lists("Allow", "UPDATE");
    }
    let rseq = response.header("RSeq").and_then(parse_rseq);
    let Some(rseq) = rseq.filter(|_| response.lists("Require", "100rel")) else {
        return Early::Plain;
    };
    // §4: one that is not the next was seen, or comes again after the one that is
    if fork.rseq.is_some_and(|last| last.checked_add(1) != Some(rseq)) {
        return Early::Dropped;
    }
    fork.rseq = Some(rseq);
    let rack = RAck { rseq, cseq: response.cseq().seq };
    match (fork.exchange.offer, response.has_description()) {
        (Offer::Missing, true) => {
            fork.exchange.offer = Offer::Theirs;
            Early::Offer(rack)
        }
        (Offer::Ours, true) => {
            fork.exchange.offer = Offer::Complete;
            Early::Reliable(rack)
        }
        _ => Early::Reliable(rack),
    }
}

/// Early dialogs of one INVITE, and answers of different forks that are acknowledged and hung up.
pub(super) const MAX_FORKS: usize = 16;
