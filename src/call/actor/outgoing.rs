//! The INVITEs a call sends: the shell around [`Tries`]. At the beginning of an outbound call, and
//! when a call follows a transfer.

use std::collections::HashMap;
use std::time::Duration;

use actix::prelude::*;
use media::sdp::{self, Session};
use sip::{DialogId, Flow, NameAddr, Reply, Request, Response, TransactionId, Uri};
use tokio::sync::oneshot;

use super::CallActor;
use super::media::{description, not_acceptable, offer_of, sdp_body, sdp_terms};
use crate::call::Input;
use crate::call::originate::{NoRoute, Placed};
use crate::call::route::{Attempt, Route};
use crate::call::tries::{Failure, Move, Tries, TryId};
use crate::model::Trunk;
use crate::routing::trunk::TrunkTable;
use crate::sip_io::trunks::health::Outcome;

use crate::sip_io::message::{Action, Order, Originate};
use crate::sip_io::stack::StackActor;

/// What is tried, and what each attempt has come to.
pub(super) struct Outgoing {
    tries: Tries,
    stack: Addr<StackActor>,
    dialogs: HashMap<DialogId, TryId>,
    sides: HashMap<TryId, Side>,
    purpose: Purpose,
}

/// Why a call sends INVITEs.
pub(super) enum Purpose {
    /// It is an outbound call; who ordered it waits to hear that the first one is out.
    Call { placed: Option<oneshot::Sender<Placed>> },
    /// The far end asked for it.
    Transfer,
}

/// The session with one attempt, and its Call-ID once the INVITE is out.
struct Side {
    session: Session,
    call_id: String,
}

impl CallActor {
    pub(super) fn begin_outbound(
        &mut self,
        stack: Addr<StackActor>,
        route: Result<Route, NoRoute>,
        placed: oneshot::Sender<Placed>,
        ctx: &mut Context<Self>,
    ) {
        // The call can be read from now on, so the client that asked for it finds it.
        self.publish(ctx);
        if let Err((status, reason)) = self.open_media(ctx) {
            self.refuse(placed, status, reason, ctx);
            return;
        }
        match route {
            Ok(route) => {
                let purpose = Purpose::Call { placed: Some(placed) };
                self.send_invites(stack, route, purpose, ctx);
            }
            Err(NoRoute { status, reason }) => self.refuse(placed, status, reason.to_owned(), ctx),
        }
    }

    /// The INVITE cannot be sent: the call exists, and fails at once.
    fn refuse(
        &mut self,
        placed: oneshot::Sender<Placed>,
        status: u16,
        reason: String,
        ctx: &mut Context<Self>,
    ) {
        self.input(Input::Start, ctx);
        self.tell_placed(placed);
        self.input(Input::NotPlaced { status, reason }, ctx);
    }

    /// The client that asked may have gone away; the call goes on.
    fn tell_placed(&self, placed: oneshot::Sender<Placed>) {
        let call_id = self.state.base_fields().facts.call_id.clone();
        let _ = placed.send(Placed { sid: self.sid, call_id });
    }

    pub(super) fn send_invites(
        &mut self,
        stack: Addr<StackActor>,
        route: Route,
        purpose: Purpose,
        ctx: &mut Context<Self>,
    ) {
        let tries = Tries::new(route, self.desk.config.sip.failover_after);
        let (dialogs, sides) = (HashMap::new(), HashMap::new());
        self.outgoing = Some(Outgoing { tries, stack, dialogs, sides, purpose });
        self.turn(ctx, Tries::start);
    }

    /// The attempt that this dialog is.
    pub(super) fn attempt_of(&self, dialog: DialogId) -> Option<TryId> {
        self.outgoing.as_ref()?.dialogs.get(&dialog).copied()
    }

    /// Gives the attempts up; each still confirms it.
    pub(super) fn cancel_invites(&mut self, ctx: &mut Context<Self>) {
        self.turn(ctx, Tries::cancel);
    }

    /// Gives them up without waiting for what they say; `elsewhere` when another was answered.
    pub(super) fn drop_invites(&mut self, elsewhere: bool) {
        let Some(Outgoing { stack, dialogs, .. }) = self.outgoing.take() else { return };
        self.guard.attempts.clear();
        for dialog in dialogs.into_keys() {
            stack.do_send(Order { dialog, action: cancel(elsewhere) });
        }
    }

    fn turn(&mut self, ctx: &mut Context<Self>, step: impl FnOnce(&mut Tries, &mut Vec<Move>)) {
        let mut moves = Vec::new();
        if let Some(outgoing) = &mut self.outgoing {
            step(&mut outgoing.tries, &mut moves);
        }
        for done in moves {
            self.carry(done, ctx);
        }
    }

    fn carry(&mut self, done: Move, ctx: &mut Context<Self>) {
        match done {
            Move::Place(id) => self.place(id, ctx),
            Move::Cancel { id, elsewhere } => {
                self.order_attempt(id, cancel(elsewhere || self.family.is_elsewhere));
            }
            Move::Resolve { id, to } => self.follow(id, to, ctx),
            Move::Alarm { stage, after } => self.set_patience(stage, after, ctx),
            Move::Report { gateway, outcome } => self.desk.trunks.report(gateway, outcome),
            // The answer itself is looked at by who brought it.
            Move::Won(_) => {}
            Move::Failed(failure) => self.on_nobody(failure, ctx),
        }
    }

    fn order_attempt(&self, id: TryId, action: Action) {
        let Some(outgoing) = &self.outgoing else { return };
        let found = outgoing.dialogs.iter().find(|(_, of)| **of == id);
        if let Some((&dialog, _)) = found {
            outgoing.stack.do_send(Order { dialog, action });
        }
    }

    fn set_patience(&mut self, stage: u32, after: Duration, ctx: &mut Context<Self>) {
        ctx.run_later(after, move |this, ctx| {
            this.turn(ctx, |tries, out| tries.on_alarm(stage, out));
        });
    }

    fn place(&mut self, id: TryId, ctx: &mut Context<Self>) {
        let Some(attempt) = self.outgoing.as_ref().and_then(|o| o.tries.attempt(id)) else {
            return;
        };
        let Attempt { mut invite, encryption, .. } = attempt.clone();
        let Some(mut session) = self.offering_session(encryption) else { return };
        invite.body = Some(description(session.offer(&self.desk.sdp_policy)));
        let owner = ctx.address().recipient();
        let account = self.state.base_fields().facts.account_sid;
        let Some(outgoing) = &mut self.outgoing else { return };
        let side = Side { session, call_id: String::new() };
        outgoing.sides.insert(id, side);
        let asked = outgoing.stack.send(Originate { invite, owner, account });
        // Nothing else is heard until the INVITE is out: its answers come after its name.
        ctx.wait(asked.into_actor(self).map(move |asked, this, ctx| match asked {
            Ok(Ok(originated)) => this.on_placed(id, originated.dialog, originated.call_id, ctx),
            Ok(Err(error)) => this.on_unplaced(id, error.to_string(), ctx),
            Err(_) => this.on_unplaced(id, "the server is stopping".to_owned(), ctx),
        }));
    }

    fn on_placed(&mut self, id: TryId, dialog: DialogId, call_id: String, ctx: &mut Context<Self>) {
        tracing::info!(call_sid = %self.sid, call_id, "INVITE goes out");
        let Some(outgoing) = &mut self.outgoing else { return };
        outgoing.dialogs.insert(dialog, id);
        self.guard.attempts.push(dialog);
        if let Some(side) = outgoing.sides.get_mut(&id) {
            side.call_id.clone_from(&call_id);
        }
        if let Purpose::Call { placed } = &mut outgoing.purpose
            && let Some(placed) = placed.take()
        {
            self.state.set_call_id(call_id);
            self.input(Input::Start, ctx);
            self.tell_placed(placed);
        }
        // It was given up while it went out.
        let is_open = self.outgoing.as_ref().is_some_and(|o| o.tries.attempt(id).is_some());
        let is_ending = self.outgoing.as_ref().is_none_or(|o| o.tries.is_cancelled());
        if !is_open || is_ending {
            self.order_attempt(id, cancel(false));
        }
    }

    fn on_unplaced(&mut self, id: TryId, reason: String, ctx: &mut Context<Self>) {
        self.turn(ctx, |tries, out| {
            tries.on_failed(id, Failure::local(503, reason), Vec::new(), out);
        });
    }

    /// Goes where a 3xx points (RFC 3261 §8.1.3.4): to the first place that can be found.
    fn follow(&mut self, id: TryId, to: Vec<Uri>, ctx: &mut Context<Self>) {
        let Some(attempt) = self.outgoing.as_ref().and_then(|o| o.tries.attempt(id)).cloned()
        else {
            return;
        };
        tracing::info!(call_sid = %self.sid, "call is redirected");
        let desk = self.desk.clone();
        let looking = async move {
            let table = desk.trunks.table().await.ok();
            for uri in to {
                if let Ok(flows) = desk.resolver.resolve(&uri).await
                    && let Some(flow) = flows.into_iter().next()
                    && table.as_ref().is_some_and(|table| may_follow(table, &attempt, &uri, &flow))
                {
                    return Ok(vec![redirected(attempt, uri, flow)]);
                }
            }
            Err(Failure::local(503, "Host Not Found"))
        };
        ctx.spawn(looking.into_actor(self).map(move |found, this, ctx| {
            this.turn(ctx, |tries, out| tries.redirected(id, found, out));
        }));
    }

    // ---- what attempts report ----

    pub(super) fn on_attempt_heard(&mut self, id: TryId) {
        if let Some(outgoing) = &mut self.outgoing {
            outgoing.tries.on_heard(id);
        }
    }

    pub(super) fn on_provisional(
        &mut self,
        id: TryId,
        response: &Response,
        ctx: &mut Context<Self>,
    ) {
        self.on_attempt_heard(id);
        let status = response.status();
        let reason = response.reason().to_owned();
        let answer = sdp_body(response.body(), response.content_type());
        // The final response need not repeat an answer that came reliably (RFC 3262 §5).
        let policy = &self.desk.sdp_policy;
        let side = self.outgoing.as_mut().and_then(|outgoing| outgoing.sides.get_mut(&id));
        let agreed = side.zip(answer.as_ref()).and_then(|(side, answer)| {
            // Early media that cannot be used is no reason to give up before the answer.
            side.session.accept_answer(&answer.bytes, policy).ok()
        });
        if self.transfer.is_some() {
            // The far end of so far is heard until then.
            return self.tell_referrer(status, &reason);
        }
        if let Some(agreed) = agreed {
            self.media.turn_to(id);
            self.agree(agreed);
        }
        match answer {
            Some(_) => self.input(Input::EarlyMedia { status, reason }, ctx),
            None if status == 180 => self.input(Input::Ringing { status, reason }, ctx),
            None => {}
        }
    }

    /// An offer by UPDATE before the answer (RFC 3311 §5.2): one attempt's own affair.
    pub(super) fn on_early_update(
        &mut self,
        id: TryId,
        dialog: DialogId,
        txn: TransactionId,
        request: &Request,
    ) {
        let side = self.outgoing.as_mut().and_then(|outgoing| outgoing.sides.get_mut(&id));
        let Some(side) = side else { return };
        let mut agreed = None;
        let reply = match offer_of(request) {
            Err(refusal) => refusal,
            // It refreshes the session (RFC 4028) or the path.
            Ok(None) => Reply::new(200),
            // Our own offer is not answered yet.
            Ok(Some(_)) if side.session.agreed().is_none() => {
                Reply::new(500).with_header("Retry-After", "1")
            }
            Ok(Some(offer)) => match side.session.answer(&offer.bytes, &self.desk.sdp_policy) {
                Ok((text, now)) => {
                    agreed = Some(now);
                    Reply::new(200).with_body(description(text))
                }
                Err(error) => not_acceptable(&error.to_string()),
            },
        };
        if let Some(agreed) = agreed.filter(|_| self.transfer.is_none()) {
            self.media.turn_to(id);
            self.agree(agreed);
        }
        self.guard.order_to(dialog, Action::Respond { txn, reply });
    }

    pub(super) fn on_attempt_answered(
        &mut self,
        id: TryId,
        dialog: DialogId,
        response: &Response,
        ctx: &mut Context<Self>,
    ) {
        self.turn(ctx, |tries, out| tries.on_answered(id, out));
        let Some(outgoing) = &mut self.outgoing else { return };
        let (Some(won), Some(side)) = (outgoing.tries.winner(), outgoing.sides.remove(&id)) else {
            return;
        };
        outgoing.dialogs.remove(&dialog);
        self.guard.attempts.retain(|attempt| *attempt != dialog);
        let (remote_host, trunk) = (won.invite.flow.peer.to_string(), won.trunk.clone());
        let Side { mut session, call_id } = side;
        let (said, default) = (won.encryption, self.desk.config.sip.srtp);
        let answer = sdp_body(response.body(), response.content_type());
        let agreed = match answer {
            Some(answer) => match session.accept_answer(&answer.bytes, &self.desk.sdp_policy) {
                // Repeated, though an UPDATE has gone beyond it (RFC 3261 §13.2.1: to be ignored).
                Err(sdp::Error::NoOffer) => {
                    session.agreed().cloned().ok_or_else(|| sdp::Error::NoOffer.to_string())
                }
                other => other.map_err(|error| error.to_string()),
            },
            // The answer may have come with a provisional response already.
            None => session.agreed().cloned().ok_or_else(|| "no answer to our offer".to_owned()),
        };
        // What the far end may offer from now on.
        session.set_encryption(sdp_terms(said.unwrap_or(default)));
        let outgoing = self.outgoing.take();
        if let Some(Purpose::Transfer) = outgoing.map(|outgoing| outgoing.purpose) {
            return self.on_transfer_answered(dialog, session, agreed, remote_host, ctx);
        }
        self.guard.dialog = Some(dialog);
        self.media.session = Some(session);
        if trunk.is_some() {
            self.keep.trunk = trunk;
        }
        self.state.set_far_end(call_id, remote_host);
        match agreed {
            Ok(agreed) => {
                // Also when it was agreed before: from now on the peer's silence counts anew.
                self.media.turn_to(id);
                self.agree(agreed);
                self.input(Input::Answered, ctx);
            }
            Err(reason) => self.media_failed(488, &reason, ctx),
        }
    }

    pub(super) fn on_attempt_failed(
        &mut self,
        dialog: DialogId,
        id: TryId,
        status: u16,
        reason: String,
        response: Option<&Response>,
        ctx: &mut Context<Self>,
    ) {
        let header = |name: &str| response.and_then(|r| r.header(name).map(str::to_owned));
        let failure = Failure {
            status,
            reason,
            reason_header: header("Reason"),
            outcome: Outcome::of(status, response),
        };
        let contacts = match response {
            Some(response) if (300..400).contains(&status) => contacts(response),
            _ => Vec::new(),
        };
        self.turn(ctx, |tries, out| tries.on_failed(id, failure, contacts, out));
        self.guard.attempts.retain(|attempt| *attempt != dialog);
        if let Some(outgoing) = &mut self.outgoing {
            outgoing.dialogs.remove(&dialog);
        }
    }

    /// All attempts have failed.
    fn on_nobody(&mut self, failure: Failure, ctx: &mut Context<Self>) {
        let Some(outgoing) = &mut self.outgoing else { return };
        let Failure { status, reason, reason_header, .. } = failure;
        match &mut outgoing.purpose {
            Purpose::Transfer => {
                self.outgoing = None;
                self.on_transfer_failed(status, &reason, ctx);
            }
            Purpose::Call { placed } => match placed.take() {
                Some(placed) => self.refuse(placed, status, reason, ctx),
                None => self.input(Input::Rejected { status, reason, reason_header }, ctx),
            },
        }
    }
}

/// A CANCEL; who is told that another was answered does not show a missed call (RFC 3326 §3.1).
fn cancel(elsewhere: bool) -> Action {
    let reason = elsewhere.then(|| ("Reason".to_owned(), ELSEWHERE.to_owned()));
    Action::Cancel(reason.into_iter().collect())
}

/// Whether a 3xx may lead there: to a gateway only within the carrier that sends it. A phone that is
/// called does not choose through whose gateway the call goes out, nor does another tenant's carrier.
fn may_follow(table: &TrunkTable, attempt: &Attempt, uri: &Uri, flow: &Flow) -> bool {
    let mut ways_out = table.ways_out(uri.host(), flow.peer).peekable();
    let is_sender =
        |trunk: &Trunk| trunk.gateways.iter().any(|one| Some(one.sid) == attempt.gateway);
    ways_out.peek().is_none() || ways_out.any(is_sender)
}

/// The same INVITE to another place. What belongs to the first one alone stays behind: credentials
/// that are for no realm, the proxies on the way to a phone.
fn redirected(attempt: Attempt, uri: Uri, flow: Flow) -> Attempt {
    let mut invite = attempt.invite;
    invite.credentials = invite.credentials.filter(|credentials| credentials.realm.is_some());
    invite.route = Vec::new();
    invite.keeps_flow = false;
    invite.uri = uri;
    invite.flow = flow;
    Attempt { invite, gateway: None, ..attempt }
}

/// Where a 3xx points: the SIP URIs of its Contacts, by falling q (RFC 3261 §20.10).
fn contacts(response: &Response) -> Vec<Uri> {
    let items = response.all_headers().items("Contact");
    let mut found: Vec<(f32, Uri)> = items
        .filter_map(|value| value.parse::<NameAddr>().ok())
        .filter(|contact| contact.uri.is_sip())
        .take(MAX_CONTACTS)
        .map(|contact| {
            let q = contact.params.get("q").and_then(|q| q.parse().ok());
            (q.unwrap_or(1.0_f32), contact.uri.as_request_uri())
        })
        .collect();
    found.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    found.into_iter().map(|(_, uri)| uri).collect()
}

/// RFC 3326 §3.1: another branch was answered.
const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";
const MAX_CONTACTS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use sip::{Credentials, Invite};

    #[test]
    fn a_redirected_call_leaves_behind_what_was_for_the_first_place() {
        let address = |text: &str| text.parse().unwrap();
        let (local, phone) = (address("192.0.2.1:5060"), address("192.0.2.9:5060"));
        let uri = Uri::of_addr(Some("bob"), phone);
        let name = NameAddr::new(uri.clone());
        let mut invite = Invite::new(uri, Flow::udp(local, phone), name.clone(), name.clone());
        invite.route = vec![name];
        invite.keeps_flow = true;
        invite.credentials = Some(Credentials::new("bob", "secret"));
        invite.headers = vec![("X-A".to_owned(), "1".to_owned())];
        let there = address("198.51.100.7:5060");
        let attempt = Attempt::direct(invite);
        let to = Uri::of_addr(Some("carol"), there);
        let invite = redirected(attempt, to.clone(), Flow::udp(local, there)).invite;
        assert!(invite.route.is_empty() && !invite.keeps_flow && invite.credentials.is_none());
        assert_eq!((invite.uri, invite.flow.peer, invite.headers.len()), (to, there, 1));
    }

    #[test]
    fn only_who_lost_to_another_is_told_so() {
        let reasons = |action| match action {
            Action::Cancel(headers) => headers.len(),
            _ => usize::MAX,
        };
        assert_eq!((reasons(cancel(true)), reasons(cancel(false))), (1, 0));
    }
}
