//! Calls that go out (RFC 3261 §13.2, §9.1, §14.1) and requests inside a dialog (§12.2.1).

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng;

use super::draft::Draft;
use super::event::Event;
use super::order::{Body, Invite};
use super::sent::{Outcome, Purpose, Sent};
use super::{Endpoint, TransactionId};
use crate::Error;
use crate::dialog::{Cancel, DialogId, DialogKey, Outgoing, Path, Retry, RouteSet, Session, Stage};
use crate::message::build::check_text;
use crate::message::{Method, Response};
use crate::transport::{Flow, via};

impl Endpoint {
    /// Places a call. Returns its dialog and Call-ID.
    ///
    /// # Errors
    /// A table is full, or a value given may not be written.
    pub fn invite(&mut self, now: Instant, invite: Invite) -> Result<(DialogId, String), Error> {
        self.check_room()?;
        for address in [&invite.from, &invite.to].into_iter().chain(&invite.route) {
            check_text(address.display.as_deref().unwrap_or_default(), "display name")?;
        }
        let call_id = format!("{:016x}{:016x}", self.rng.next_u64(), self.rng.next_u64());
        let tag = self.new_tag();
        let contact_user = invite.contact_user.map(|user| crate::message::escape_user(&user));
        let mut remote = invite.to;
        remote.params.remove("tag");
        let path = Path {
            call_id: call_id.clone(),
            local: invite.from.with_tag(&tag),
            remote,
            target: invite.uri,
            routes: RouteSet::new(invite.route),
            flow: invite.flow,
            contact_user,
        };
        let mut session = Session::new(path, true, 0);
        session.credentials = invite.credentials;
        let mut draft = self.invite_draft(&mut session).with(invite.headers, invite.body)?;
        if let Some(replaces) = invite.replaces {
            draft.own.extend(super::replaced::fields(&replaces)?);
        }
        let dialog = DialogId(self.next_id());
        self.dialogs.insert(DialogKey::new(&call_id, &tag), dialog);
        self.sessions.insert(dialog, session);
        self.start_invite(now, dialog, draft, Purpose::Invite(dialog));
        Ok((dialog, call_id))
    }

    /// Offers a change of the session. A 491 is tried again by itself (§14.1).
    ///
    /// # Errors
    /// The dialog is unknown, not confirmed, or has an INVITE under way; or a value given may not
    /// be written.
    pub fn reinvite(
        &mut self,
        now: Instant,
        dialog: DialogId,
        headers: Vec<(String, String)>,
        body: Option<Body>,
    ) -> Result<(), Error> {
        let session = self.sessions.get_mut(&dialog).ok_or(Error::UnknownDialog(dialog))?;
        let is_free = session.stage == Stage::Confirmed
            && session.outgoing.is_none()
            && session.incoming.is_none()
            && session.retry.is_none();
        if !is_free {
            return Err(Error::WrongState { dialog, order: "reinvite" });
        }
        self.send_reinvite(now, dialog, headers, body)
    }

    /// Sends a request (INFO, MESSAGE, OPTIONS, …) inside the dialog; [`Event::RequestDone`] follows.
    ///
    /// # Errors
    /// The dialog is unknown or not confirmed, the method has an order of its own, or a value given
    /// may not be written.
    pub fn request(
        &mut self,
        now: Instant,
        dialog: DialogId,
        method: Method,
        headers: Vec<(String, String)>,
        body: Option<Body>,
    ) -> Result<TransactionId, Error> {
        let wrong = Error::WrongState { dialog, order: "request" };
        if matches!(method, Method::Invite | Method::Ack | Method::Cancel | Method::Bye) {
            return Err(wrong);
        }
        if let Method::Other(token) = &method {
            crate::message::build::check_header(token, "")?;
        }
        self.check_room()?;
        let session = self.sessions.get_mut(&dialog).ok_or(Error::UnknownDialog(dialog))?;
        if session.stage != Stage::Confirmed {
            return Err(wrong);
        }
        let seq = session.local_seq.next();
        let mut draft = Draft::along(&session.path, method, seq).with(headers, body)?;
        draft.credentials.clone_from(&session.credentials);
        let flow = session.path.flow;
        let txn = TransactionId(self.next_id());
        self.send_request(now, flow, draft, Purpose::Request(dialog, txn));
        Ok(txn)
    }

    /// Gives up a call that is not answered: CANCEL as soon as it is allowed. A call that was
    /// answered meanwhile is hung up.
    ///
    /// # Errors
    /// The dialog is unknown, or the call came in (that is what `reject` is for).
    pub fn cancel(&mut self, now: Instant, dialog: DialogId) -> Result<(), Error> {
        let session = self.sessions.get_mut(&dialog).ok_or(Error::UnknownDialog(dialog))?;
        if session.is_told {
            return Err(Error::UnknownDialog(dialog));
        }
        match (&session.stage, &mut session.outgoing) {
            (Stage::Early, Some(outgoing)) => {
                if outgoing.cancel == Cancel::No {
                    outgoing.cancel = Cancel::Wanted;
                    self.cancel_if_possible(now, dialog);
                }
                Ok(())
            }
            (Stage::Confirmed, _) if session.is_caller => self.bye(now, dialog, Vec::new()),
            _ => Err(Error::WrongState { dialog, order: "cancel" }),
        }
    }

    pub(super) fn send_reinvite(
        &mut self,
        now: Instant,
        dialog: DialogId,
        headers: Vec<(String, String)>,
        body: Option<Body>,
    ) -> Result<(), Error> {
        let Some(mut session) = self.sessions.remove(&dialog) else {
            return Err(Error::UnknownDialog(dialog));
        };
        let draft = self.invite_draft(&mut session).with(headers, body);
        self.sessions.insert(dialog, session);
        self.start_invite(now, dialog, draft?, Purpose::Reinvite(dialog));
        Ok(())
    }

    fn invite_draft(&self, session: &mut Session) -> Draft {
        let seq = session.local_seq.next();
        let path = &session.path;
        let mut draft = Draft::along(path, Method::Invite, seq);
        draft.contact = Some(self.contact(path.contact_user.as_deref(), &path.flow));
        draft.credentials.clone_from(&session.credentials);
        draft
    }

    fn start_invite(&mut self, now: Instant, dialog: DialogId, draft: Draft, purpose: Purpose) {
        let Some(flow) = self.sessions.get(&dialog).map(|session| session.path.flow) else {
            return;
        };
        let txn = self.send_request(now, flow, draft, purpose);
        let outgoing =
            Outgoing { txn, cancel: Cancel::No, give_up_at: now + self.config.max_setup };
        if let Some(session) = self.sessions.get_mut(&dialog) {
            session.outgoing = Some(outgoing);
        }
        self.rewake_dialog(dialog);
    }

    /// Sends the CANCEL that is wanted, once the INVITE has its provisional response.
    pub(super) fn cancel_if_possible(&mut self, now: Instant, dialog: DialogId) {
        let Some(session) = self.sessions.get_mut(&dialog) else { return };
        let Some(outgoing) = session.outgoing.as_mut() else { return };
        let invite = self.clients.get(outgoing.txn).filter(|txn| txn.is_proceeding_invite());
        let Some(invite) = invite.filter(|_| outgoing.cancel == Cancel::Wanted) else { return };
        outgoing.cancel = Cancel::Sent;
        // §9.1: if no final response comes in 64*T1, the INVITE counts as cancelled
        outgoing.give_up_at = now + self.config.timers.give_up();
        let Sent { draft, via, branch, .. } = &invite.user;
        let bytes = draft.cancel(via);
        let sent = Sent {
            purpose: Purpose::Errand,
            draft: Draft { method: Method::Cancel, ..draft.clone() },
            via: via.clone(),
            branch: branch.clone(),
            acks: Vec::new(),
        };
        let flow = invite.flow;
        self.open_client(now, flow, bytes, sent);
        self.rewake_dialog(dialog);
    }

    pub(super) fn on_provisional(
        &mut self,
        now: Instant,
        id: TransactionId,
        dialog: DialogId,
        response: Arc<Response>,
    ) {
        let Some(session) = self.sessions.get(&dialog) else { return };
        let Some(outgoing) = session.outgoing.as_ref().filter(|o| o.txn == id) else { return };
        if outgoing.cancel == Cancel::No && response.status() > 100 {
            self.tell(Event::Provisional { dialog, response, wants_answer: false });
        }
        self.cancel_if_possible(now, dialog);
    }

    pub(super) fn on_reinvite_progress(
        &mut self,
        now: Instant,
        id: TransactionId,
        dialog: DialogId,
    ) {
        let outgoing = self.sessions.get(&dialog).and_then(|s| s.outgoing.as_ref());
        if outgoing.is_some_and(|outgoing| outgoing.txn == id) {
            self.cancel_if_possible(now, dialog);
        }
    }

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
        let is_initial = matches!(txn.user.purpose, Purpose::Invite(_));
        let (via_flow, seq) = (txn.flow, txn.user.draft.seq);
        let is_awaited = self.sessions.get(&dialog).and_then(|s| s.outgoing.as_ref());
        let is_awaited = is_awaited.is_some_and(|outgoing| outgoing.txn == id);
        let path = match self.sessions.get(&dialog) {
            Some(session) if is_initial => session.path.answered(&response, flow),
            Some(session) => refreshed(&session.path, &response),
            // the dialog is over; what is left of it stands in the request
            None => match orphan_path(&txn.user.draft, &response, via_flow) {
                Some(path) => path,
                None => return,
            },
        };
        self.ack_success(id, tag, &path);
        if is_awaited {
            self.on_first_answer(now, dialog, path, is_initial, response);
        } else if is_initial {
            // another fork answered as well, or the call was given up: nobody wants this one
            let bye = Draft::along(&path, Method::Bye, seq + 1);
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
        path: Path,
        is_initial: bool,
        response: Arc<Response>,
    ) {
        let Some(session) = self.sessions.get_mut(&dialog) else { return };
        let was_cancelled = session.outgoing.take().is_some_and(|o| o.cancel != Cancel::No);
        session.path = path;
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
                self.tell(Event::Answered { dialog, response, wants_answer: false });
            }
            (Stage::Confirmed, _) => {
                self.tell(Event::ReinviteAnswered { dialog, response, wants_answer: false });
            }
            (Stage::Gone, _) => return self.end(now, dialog, None),
            _ => {}
        }
        self.rewake_dialog(dialog);
    }

    pub(super) fn on_invite_failed(
        &mut self,
        now: Instant,
        dialog: DialogId,
        id: TransactionId,
        outcome: Outcome,
    ) {
        let Some(session) = self.sessions.get_mut(&dialog) else { return };
        if session.outgoing.take_if(|outgoing| outgoing.txn == id).is_none() {
            return;
        }
        let was_told = std::mem::replace(&mut session.is_told, true);
        let Outcome { status, reason, response } = outcome;
        if !was_told {
            self.tell(Event::Rejected { dialog, status, reason, response });
        }
        self.end(now, dialog, None);
    }

    pub(super) fn on_reinvite_failed(
        &mut self,
        now: Instant,
        dialog: DialogId,
        id: TransactionId,
        outcome: Outcome,
    ) {
        let Some(session) = self.sessions.get_mut(&dialog) else { return };
        if session.outgoing.take_if(|outgoing| outgoing.txn == id).is_none() {
            return;
        }
        match session.stage {
            Stage::Confirmed => {}
            Stage::Gone => return self.end(now, dialog, None),
            _ => return self.rewake_dialog(dialog),
        }
        if outcome.status == 491
            && let Some(txn) = self.clients.get(id)
        {
            // §14.1: whoever made the Call-ID waits longer, in steps of 10 ms
            let (base, span) = if session.is_caller { (2_100, 191) } else { (0, 201) };
            let wait = base + u64::from(self.rng.next_u32() % span) * 10;
            let (headers, body) = (txn.user.draft.headers.clone(), txn.user.draft.body.clone());
            session.retry = Some(Retry { at: now + Duration::from_millis(wait), headers, body });
            return self.rewake_dialog(dialog);
        }
        let Outcome { status, reason, response } = outcome;
        let is_local = response.is_none();
        self.tell(Event::ReinviteRejected { dialog, status, reason, response });
        self.on_peer_gone(now, dialog, status, is_local);
        self.rewake_dialog(dialog);
    }

    /// Whether there is room for one more dialog or request.
    fn check_room(&self) -> Result<(), Error> {
        let full = |what, limit| Err(Error::Full { what, limit });
        if self.sessions.len() >= self.config.max_dialogs {
            return full("dialogs", self.config.max_dialogs);
        }
        if self.clients.len() >= self.config.max_transactions {
            return full("client transactions", self.config.max_transactions);
        }
        Ok(())
    }
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
        contact_user: None,
    };
    Some(path.answered(response, flow))
}

/// Answers of different forks that are acknowledged and hung up.
const MAX_FORKS: usize = 16;
