//! Provisional responses of ours, reliable where the peer asks for it, and their PRACK
//! (RFC 3262 §3, RFC 3261 §13.3.1.1).

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng;

use super::event::{EndCause, Event};
use super::order::{Reliable, Reply};
use super::{Endpoint, TransactionId, reply};
use crate::Error;
use crate::dialog::{DialogId, Incoming, IncomingState, Offer, Reliably, Session, Unacked};
use crate::message::build::Body;
use crate::message::{RAck, Request};
use crate::transaction::Backoff;

impl Endpoint {
    /// Sends a provisional response (101 to 199) to the INVITE under way: reliably, and after the
    /// PRACK of the one before, if the peer requires it or can and
    /// [`Config::reliable`](super::Config::reliable) says so. A body is left out where no description
    /// may stand: offer and answer are complete, or the offer would be ours in an unreliable response.
    ///
    /// # Errors
    /// The dialog is unknown or has no open INVITE, too many responses wait for their PRACK, or the
    /// reply may not be written.
    pub fn progress(&mut self, now: Instant, dialog: DialogId, reply: Reply) -> Result<(), Error> {
        self.open_invite(dialog, "progress")?;
        reply::check(&reply, 101..200, true)?;
        let wants_all = self.config.reliable == Reliable::WhenSupported;
        let Some(session) = self.sessions.get_mut(&dialog) else { return Ok(()) };
        let Some(reliably) = session.incoming.as_mut().and_then(|i| i.reliably.as_mut()) else {
            self.send_progress(now, dialog, reply, false);
            return Ok(());
        };
        if reliably.answer.is_some() {
            return Err(Error::WrongState { dialog, order: "progress" });
        }
        let is_reliable = reliably.is_required || (wants_all && reply.body.is_some());
        if is_reliable && reliably.unacked.is_some() {
            if reliably.queue.len() >= MAX_QUEUED {
                return Err(Error::Full { what: "provisional responses", limit: MAX_QUEUED });
            }
            reliably.queue.push_back(reply);
            return Ok(());
        }
        self.send_progress(now, dialog, reply, is_reliable);
        Ok(())
    }

    fn send_progress(&mut self, now: Instant, dialog: DialogId, mut reply: Reply, reliable: bool) {
        let Ok((txn, contact)) = self.open_invite(dialog, "progress") else { return };
        let Some(session) = self.sessions.get_mut(&dialog) else { return };
        let Some(incoming) = &mut session.incoming else { return };
        let has_description = reply.body.as_ref().is_some_and(Body::is_description);
        match session.exchange.offer {
            Offer::Complete if has_description => reply.body = None,
            Offer::Missing if has_description && !reliable => reply.body = None,
            Offer::Missing if has_description => session.exchange.offer = Offer::Ours,
            Offer::Theirs if has_description && reliable => {
                session.exchange.offer = Offer::Complete;
            }
            _ => {}
        }
        let has_description = has_description && reply.body.is_some();
        if reliable {
            session.exchange.keep_local(reply.body.as_ref());
        }
        let rseq = match incoming.reliably.as_mut().filter(|_| reliable) {
            Some(reliably) => {
                let rseq = reliably.next_rseq;
                reliably.next_rseq += 1;
                reply.headers.push(("Require".to_owned(), "100rel".to_owned()));
                reply.headers.push(("RSeq".to_owned(), rseq.to_string()));
                Some(rseq)
            }
            None => None,
        };
        let cseq = incoming.seq;
        if let IncomingState::Open { refresh_at, .. } = &mut incoming.state {
            *refresh_at = Some(now + PROVISIONAL_REFRESH);
        }
        self.send_reply(now, txn, &reply, Some(&contact));
        let timers = self.config.timers;
        let sent = self.servers.get(txn).and_then(|t| Some((t.last.clone()?, t.reply_flow)));
        if let Some(rseq) = rseq
            && let Some((bytes, flow)) = sent
            && let Some(reliably) = self.reliably_mut(dialog)
        {
            reliably.unacked = Some(Unacked {
                rack: RAck { rseq, cseq },
                bytes,
                flow,
                again: Backoff::start(now, timers.t1),
                give_up_at: now + timers.give_up(),
                has_description,
            });
        }
        self.rewake_dialog(dialog);
    }

    /// The start of an INVITE's reliable responses, if its sender can take them.
    pub(super) fn new_reliably(&mut self, request: &Request) -> Option<Box<Reliably>> {
        let is_required = request.lists("Require", "100rel");
        let can = is_required || request.lists("Supported", "100rel");
        // §3: a random start below 2^31
        can.then(|| Box::new(Reliably::new(is_required, (self.rng.next_u32() >> 1).max(1))))
    }

    /// A PRACK came.
    pub(super) fn on_prack(
        &mut self,
        now: Instant,
        txn: TransactionId,
        dialog: DialogId,
        request: &Arc<Request>,
    ) {
        let Some(Ok(rack)) = request.header("RAck").map(str::parse::<RAck>) else {
            let reply = Reply::new(400).with_reason("Bad Request: malformed RAck");
            return self.send_reply(now, txn, &reply, None);
        };
        let Some(session) = self.sessions.get_mut(&dialog) else { return };
        if !take_acked(session, rack) {
            return self.send_reply(now, txn, &Reply::new(481), None);
        }
        let has_description = request.has_description();
        let is_new_offer = has_description && session.exchange.offer != Offer::Ours;
        if is_new_offer && session.exchange.offer != Offer::Complete {
            // two offers at once
            self.send_reply(now, txn, &Reply::new(491), None);
        } else if is_new_offer {
            session.exchange.update_in = Some(txn);
            self.tell(Event::Pracked { dialog, body: None });
            self.tell(Event::Update { dialog, txn, request: Arc::clone(request) });
        } else {
            if session.exchange.offer == Offer::Ours {
                session.exchange.offer = Offer::Complete;
            }
            let body = has_description.then(|| {
                Body::new(request.content_type().unwrap_or_default(), request.body().clone())
            });
            self.send_reply(now, txn, &Reply::new(200), None);
            self.tell(Event::Pracked { dialog, body });
        }
        self.after_prack(now, dialog);
    }

    /// What waited for the PRACK: the answer, else the next provisional response.
    fn after_prack(&mut self, now: Instant, dialog: DialogId) {
        if let Some(reliably) = self.reliably_mut(dialog) {
            if let Some(answer) = reliably.answer.take() {
                reliably.queue.clear();
                self.send_answer(now, dialog, answer);
            } else if let Some(next) = reliably.queue.pop_front() {
                self.send_progress(now, dialog, next, true);
            }
        }
        self.rewake_dialog(dialog);
    }

    /// §3: the response goes again, at T1, doubling.
    pub(super) fn resend_progress(&mut self, now: Instant, dialog: DialogId) {
        let longest = self.config.timers.give_up();
        let Some(reliably) = self.reliably_mut(dialog) else { return };
        let Some(unacked) = &mut reliably.unacked else { return };
        unacked.again.step(now, longest);
        let (flow, bytes) = (unacked.flow, unacked.bytes.clone());
        self.transmit(flow, bytes);
    }

    /// §3: no PRACK in 64·T1, so the INVITE is refused.
    pub(super) fn on_no_prack(&mut self, now: Instant, dialog: DialogId) {
        let open = self.sessions.get(&dialog).and_then(Session::open_incoming);
        let Some(txn) = open.map(|incoming| incoming.txn) else { return };
        self.send_reply(now, txn, &Reply::new(504), None);
        self.close_incoming(now, dialog, Some(EndCause::NoPrack));
    }

    /// §13.3.1.1 and RFC 3262 §3: every minute proxies hear that the call is still alive. A reliable
    /// response is not repeated once it was acknowledged: a new one without description goes out.
    pub(super) fn refresh_provisional(
        &mut self,
        now: Instant,
        dialog: DialogId,
        txn: TransactionId,
    ) {
        let is_required = self.reliably_mut(dialog).map(|reliably| reliably.is_required);
        match (is_required, self.servers.get(txn).map(|server| (server.last_status, server))) {
            (Some(is_required), Some((status @ 101..200, _))) => {
                let is_idle =
                    self.reliably_mut(dialog).is_some_and(|reliably| reliably.unacked.is_none());
                self.send_progress(now, dialog, Reply::new(status), is_required && is_idle);
            }
            (_, Some((_, server))) => {
                if let Some(bytes) = server.last.clone() {
                    let flow = server.reply_flow;
                    self.transmit(flow, bytes);
                }
            }
            _ => {}
        }
        if let Some(session) = self.sessions.get_mut(&dialog)
            && let Some(Incoming { state: IncomingState::Open { refresh_at, .. }, .. }) =
                &mut session.incoming
        {
            *refresh_at = Some(now + PROVISIONAL_REFRESH);
        }
    }

    fn reliably_mut(&mut self, dialog: DialogId) -> Option<&mut Reliably> {
        self.sessions.get_mut(&dialog)?.incoming.as_mut()?.reliably.as_deref_mut()
    }
}

/// Whether a PRACK is for the response under way, which it then ends.
fn take_acked(session: &mut Session, rack: RAck) -> bool {
    let is_open = session.open_incoming().is_some();
    let unacked =
        session.incoming.as_mut().and_then(|i| i.reliably.as_mut()).map(|r| &mut r.unacked);
    if let Some(unacked) = unacked.filter(|_| is_open)
        && unacked.take_if(|unacked| unacked.rack == rack).is_some()
    {
        return true;
    }
    // §3: the final response may have overtaken it
    session.late_rack.take_if(|late| *late == rack).is_some()
}

/// §13.3.1.1: how often a provisional response is repeated so that proxies keep waiting.
pub(super) const PROVISIONAL_REFRESH: Duration = Duration::from_secs(60);

/// Provisional responses that wait for the PRACK of another.
const MAX_QUEUED: usize = 8;
