//! Calls that go out (RFC 3261 §13.2, §9.1, §14.1) and requests inside a dialog (§12.2.1).

use std::time::{Duration, Instant};

use rand::Rng;

use super::draft::{Draft, check_headers};
use super::event::Event;
use super::order::{Body, Invite};
use super::sent::{Outcome, Purpose, Sent};
use super::{Endpoint, TransactionId};
use crate::Error;
use crate::dialog::{
    Cancel, DialogId, DialogKey, Offer, Outgoing, OwnContact, Path, Retry, RouteSet, Session,
    Stage, is_sips,
};
use crate::message::Method;
use crate::message::build::check_text;

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
        let first_hop = invite.route.first().map_or(&invite.uri, |route| &route.uri);
        let contact = OwnContact {
            user: invite.contact_user.map(|user| crate::message::escape_user(&user)),
            is_sips: is_sips(&invite.uri) || is_sips(first_hop),
        };
        let mut remote = invite.to;
        remote.params.remove("tag");
        let path = Path {
            call_id: call_id.clone(),
            local: invite.from.with_tag(&tag),
            remote,
            target: invite.uri,
            routes: RouteSet::new(invite.route),
            flow: invite.flow,
            contact,
        };
        let mut session = Session::new(path, true, 0);
        session.credentials = invite.credentials;
        let mut draft = self.invite_draft(&mut session).with(invite.headers, invite.body)?;
        draft.is_initial = true;
        draft.keeps_flow = invite.keeps_flow;
        if let Some(replaces) = invite.replaces {
            draft.own.extend(super::replaced::fields(&replaces)?);
        }
        let dialog = DialogId(self.next_id());
        self.dialogs.insert(DialogKey::new(&call_id, &tag), dialog);
        self.sessions.insert(dialog, session);
        self.repath_dialog(dialog);
        self.start_invite(now, dialog, draft, Purpose::Invite(dialog));
        Ok((dialog, call_id))
    }

    /// Offers a change of the session, or asks the peer for an offer (no body). A 491 is tried again by
    /// itself (§14.1).
    ///
    /// # Errors
    /// The dialog is unknown, not confirmed, or has an INVITE or UPDATE under way; or a value given may not
    /// be written.
    pub fn reinvite(
        &mut self,
        now: Instant,
        dialog: DialogId,
        headers: Vec<(String, String)>,
        body: Option<Body>,
    ) -> Result<(), Error> {
        let is_pending = |txn| self.servers.get(txn).is_some_and(|open| open.is_pending());
        let session = self.sessions.get(&dialog).ok_or(Error::UnknownDialog(dialog))?;
        let is_free = session.stage == Stage::Confirmed
            && session.outgoing.is_none()
            && session.incoming.is_none()
            && session.unanswered.is_none()
            && session.retry.is_none()
            && session.exchange.update_out.is_none()
            && session.exchange.update_in.is_none_or(|txn| !is_pending(txn));
        if !is_free {
            return Err(Error::WrongState { dialog, order: "reinvite" });
        }
        self.send_reinvite(now, dialog, headers, body)
    }

    /// Sends a request (INFO, MESSAGE, REFER, NOTIFY, OPTIONS, …) inside the dialog; [`Event::RequestDone`] follows.
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
        if matches!(
            method,
            Method::Invite
                | Method::Ack
                | Method::Cancel
                | Method::Bye
                | Method::Prack
                | Method::Update
        ) {
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
        self.cancel_with(now, dialog, Vec::new())
    }

    /// The same with header fields for the CANCEL or BYE: a Reason (RFC 3326), say, so that the phones
    /// of a group do not count a call as missed that another one took.
    ///
    /// # Errors
    /// As `cancel`, or a header may not be written.
    pub fn cancel_with(
        &mut self,
        now: Instant,
        dialog: DialogId,
        headers: Vec<(String, String)>,
    ) -> Result<(), Error> {
        check_headers(&headers, None)?;
        let session = self.sessions.get_mut(&dialog).ok_or(Error::UnknownDialog(dialog))?;
        if session.is_told {
            return Err(Error::UnknownDialog(dialog));
        }
        match (&session.stage, &mut session.outgoing) {
            (Stage::Early, Some(outgoing)) => {
                if outgoing.cancel == Cancel::No {
                    outgoing.cancel = Cancel::Wanted;
                    outgoing.cancel_headers = headers;
                    self.cancel_if_possible(now, dialog);
                }
                Ok(())
            }
            (Stage::Confirmed, _) if session.is_caller => self.bye(now, dialog, headers),
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
        draft.contact = Some(self.contact(&path.contact, &path.flow));
        draft.credentials.clone_from(&session.credentials);
        draft.timing = self.timing(session);
        draft
    }

    fn start_invite(&mut self, now: Instant, dialog: DialogId, draft: Draft, purpose: Purpose) {
        let Some(flow) = self.sessions.get(&dialog).map(|session| session.path.flow) else {
            return;
        };
        let has_offer = draft.body.as_ref().is_some_and(Body::is_description);
        let txn = self.send_request(now, flow, draft, purpose);
        let outgoing = Outgoing {
            txn,
            cancel: Cancel::No,
            cancel_headers: Vec::new(),
            is_refresh: false,
            give_up_at: now + self.config.max_setup,
        };
        if let Some(session) = self.sessions.get_mut(&dialog) {
            session.outgoing = Some(outgoing);
            session.exchange.begin(true, has_offer);
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
        let bytes = draft.cancel(via, &outgoing.cancel_headers);
        let sent = Sent {
            purpose: Purpose::Errand,
            draft: Draft { method: Method::Cancel, ..draft.clone() },
            via: via.clone(),
            branch: branch.clone(),
            acks: Vec::new(),
            fallback: None,
        };
        let flow = invite.flow;
        self.open_client(now, flow, bytes, sent);
        self.rewake_dialog(dialog);
    }

    /// 100: somebody is there, and will answer.
    pub(super) fn on_trying(&mut self, now: Instant, id: TransactionId, dialog: DialogId) {
        let outgoing = self.sessions.get(&dialog).and_then(|s| s.outgoing.as_ref());
        if outgoing.is_some_and(|outgoing| outgoing.is_wanted(id)) {
            self.tell(Event::Trying { dialog });
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
        let Some(outgoing) = session.outgoing.take_if(|outgoing| outgoing.txn == id) else {
            return;
        };
        session.exchange.offer = Offer::Complete;
        match session.stage {
            Stage::Confirmed => {}
            Stage::Gone => return self.end(now, dialog, None),
            _ => return self.rewake_dialog(dialog),
        }
        if outgoing.is_refresh {
            return self.on_refresh_failed(now, dialog, &Method::Invite, &outcome);
        }
        if outcome.status == 491
            && let Some(txn) = self.clients.get(id)
        {
            let (headers, body) = (txn.user.draft.headers.clone(), txn.user.draft.body.clone());
            let at = now + self.glare_wait(dialog);
            if let Some(session) = self.sessions.get_mut(&dialog) {
                session.retry = Some(Retry { at, method: Method::Invite, headers, body });
            }
            return self.rewake_dialog(dialog);
        }
        let Outcome { status, reason, response } = outcome;
        let is_local = response.is_none();
        self.tell(Event::ReinviteRejected { dialog, status, reason, response });
        self.on_peer_gone(now, dialog, status, is_local);
        self.rewake_dialog(dialog);
    }

    /// §14.1: how long to wait after a 491. Whoever made the Call-ID waits longer, in steps of 10 ms.
    pub(super) fn glare_wait(&mut self, dialog: DialogId) -> Duration {
        let is_caller = self.sessions.get(&dialog).is_some_and(|session| session.is_caller);
        let (base, span) = if is_caller { (2_100, 191) } else { (0, 201) };
        Duration::from_millis(base + u64::from(self.rng.next_u32() % span) * 10)
    }

    /// Sends what met a request of the peer again. If something is under way now as well, it waits
    /// once more. Its header fields were checked when the caller gave them.
    pub(super) fn retry(&mut self, now: Instant, dialog: DialogId, retry: Retry) {
        let Retry { method, headers, body, .. } = retry;
        let sent = match method {
            Method::Update => self.send_update(now, dialog, headers.clone(), body.clone(), false),
            _ => self.reinvite(now, dialog, headers.clone(), body.clone()),
        };
        if sent.is_err() {
            let at = now + self.glare_wait(dialog).max(MIN_WAIT);
            if let Some(session) = self.sessions.get_mut(&dialog)
                && matches!(session.stage, Stage::Early | Stage::Confirmed)
            {
                session.retry = Some(Retry { at, method, headers, body });
            }
        }
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

/// How long what could not be sent waits at least.
const MIN_WAIT: Duration = Duration::from_millis(100);
