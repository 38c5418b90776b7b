//! 2xx responses to an INVITE of ours: the first that counts, the ACK of each, and the answers of forks
//! that lost (RFC 3261 §13.2.2.4).

use std::sync::Arc;
use std::time::Instant;

use super::draft::Draft;
use super::event::Event;
use super::fork::MAX_FORKS;
use super::order::Body;
use super::sent::{Outcome, Purpose, Sent};
use super::{Endpoint, TransactionId};
use crate::dialog::{Cancel, DialogId, Offer, OwnContact, Path, RouteSet, Stage, Unanswered};
use crate::message::{Method, Response};
use crate::transport::{Flow, via};

impl Endpoint {
    /// A 2xx to an INVITE of ours: acknowledged whatever else it means (§13.2.2.4).
    pub(super) fn on_accepted(
        &mut self,
        now: Instant,
        id: TransactionId,
        dialog: DialogId,
        flow: Flow,
        response: Arc<Response>,
    ) {
        let Some(txn) = self.clients.get(id) else { return };
        let tag = response.to().tag().unwrap_or_default();
        if let Some((_, flow, ack)) = txn.user.acks.iter().find(|(known, ..)| known == tag) {
            let (flow, ack) = (*flow, ack.clone());
            return self.transmit(flow, ack);
        }
        if txn.user.acks.len() >= MAX_FORKS {
            return;
        }
        let Sent { purpose, draft, .. } = &txn.user;
        let is_initial = matches!(purpose, Purpose::Invite(_));
        let (via_flow, seq) = (txn.flow, draft.seq);
        let session = self.sessions.get_mut(&dialog);
        let is_repeated = |held: &Unanswered| held.txn == id && held.tag == tag;
        if session.as_ref().is_some_and(|s| s.unanswered.as_ref().is_some_and(is_repeated)) {
            return;
        }
        let outgoing = session.as_ref().and_then(|session| session.outgoing.as_ref());
        let outgoing = outgoing.filter(|outgoing| outgoing.txn == id);
        let (is_awaited, is_wanted) =
            (outgoing.is_some(), outgoing.is_some_and(|outgoing| outgoing.cancel == Cancel::No));
        let (path, offer) = match session {
            Some(session) if is_initial => match session.fork_mut(tag) {
                Some(fork) => (fork.path.answered(&response, flow), fork.exchange.offer),
                None => (session.path.answered(&response, flow), session.exchange.offer),
            },
            Some(session) => (refreshed(&session.path, &response), session.exchange.offer),
            // the dialog is over; what is left of it stands in the request
            None => match orphan_path(draft, &response, via_flow) {
                Some(path) => (path, Offer::Complete),
                None => return,
            },
        };
        let body = draft.body.clone();
        let wants_answer = is_wanted && offer == Offer::Missing && response.has_description();
        let held = wants_answer.then(|| Unanswered {
            txn: id,
            tag: tag.to_owned(),
            seq,
            authorization: draft.authorization.clone(),
            give_up_at: now + self.config.timers.give_up(),
        });
        if held.is_none() {
            self.ack_success(id, tag, &path);
        }
        if is_awaited {
            let answer = Answer { path, is_initial, body, held };
            self.on_first_answer(now, dialog, response, answer);
        } else if is_initial {
            // another fork answered as well, or the call was given up: nobody wants this one
            let seq = match self.sessions.get_mut(&dialog) {
                Some(session) => session.fork_mut(tag).map_or(seq + 1, |f| f.local_seq.next()),
                None => seq + PAST_EARLY,
            };
            let mut bye = Draft::along(&path, Method::Bye, seq);
            bye.headers.push(super::closing::reason(200, "Call completed elsewhere"));
            self.send_request(now, path.flow, bye, Purpose::Errand);
        }
    }

    fn ack_success(&mut self, id: TransactionId, tag: &str, path: &Path) {
        let branch = self.new_branch();
        let via = via::own(path.flow.transport, self.own_addr(&path.flow), &branch);
        let Some(txn) = self.clients.get_mut(id) else { return };
        let ack = txn.user.draft.ack_success(path, &via);
        txn.user.acks.push((tag.to_owned(), path.flow, ack.clone()));
        self.transmit(path.flow, ack);
    }

    fn on_first_answer(
        &mut self,
        now: Instant,
        dialog: DialogId,
        response: Arc<Response>,
        answer: Answer,
    ) {
        let Answer { path, is_initial, body, held } = answer;
        let Some(session) = self.sessions.get_mut(&dialog) else { return };
        let Some(outgoing) = session.outgoing.take() else { return };
        let was_cancelled = outgoing.cancel != Cancel::No;
        if is_initial {
            session.confirm_fork(response.to().tag().unwrap_or_default());
        }
        session.path = path;
        if response.header("Allow").is_some() {
            session.takes_update = response.lists("Allow", "UPDATE");
        }
        let wants_answer = held.is_some();
        if wants_answer {
            session.exchange.offer = Offer::Theirs;
        } else if session.held.is_none() {
            session.exchange.offer = Offer::Complete;
        }
        session.unanswered = held;
        // an UPDATE may have changed it meanwhile
        if !is_initial || session.exchange.local.is_none() {
            session.exchange.keep_local(body.as_ref());
        }
        match (&session.stage, is_initial) {
            (Stage::Early, true) if was_cancelled => {
                // the answer crossed the CANCEL: hang up, and let the caller see its cancellation
                session.stage = Stage::Confirmed;
                session.is_told = true;
                let Outcome { status, reason, response } = Outcome::local(487);
                self.tell(Event::Rejected { dialog, status, reason, response });
                self.send_bye(now, dialog, Vec::new());
            }
            (Stage::Early, true) => {
                session.stage = Stage::Confirmed;
                self.start_timer(now, dialog, &response);
                self.tell(Event::Answered { dialog, response, wants_answer });
            }
            (Stage::Confirmed, _) => {
                self.start_timer(now, dialog, &response);
                self.tell(Event::ReinviteAnswered { dialog, response, wants_answer });
            }
            (Stage::Gone, _) => return self.end(now, dialog, None),
            // our BYE is under way: nobody will answer an offer
            _ => self.send_held_ack(dialog, None),
        }
        self.repath_dialog(dialog);
        self.rewake_dialog(dialog);
    }
}

/// What a 2xx means for its dialog.
struct Answer {
    path: Path,
    is_initial: bool,
    /// The offer it answers.
    body: Option<Body>,
    /// The ACK, if it waits for our answer.
    held: Option<Unanswered>,
}

/// §12.2.1.2: the 2xx of a re-INVITE may name a new target; the routes stay.
fn refreshed(path: &Path, response: &Response) -> Path {
    let mut path = path.clone();
    if let Some(contact) = response.contact() {
        path.target = contact.uri;
    }
    path
}

/// The path of an answer to an INVITE whose dialog is gone.
fn orphan_path(draft: &Draft, response: &Response, flow: Flow) -> Option<Path> {
    let path = Path {
        call_id: draft.call_id.clone(),
        local: draft.from.parse().ok()?,
        remote: draft.to.parse().ok()?,
        target: draft.uri.clone(),
        routes: RouteSet::default(),
        flow,
        contact: OwnContact::default(),
    };
    Some(path.answered(response, flow))
}

/// More than the PRACKs and UPDATEs an early dialog can have seen: the BYE of a fork nothing is kept of
/// takes a number above theirs (§12.2.1.1 asks for a higher one, not for the next).
const PAST_EARLY: u32 = 1_000;
