//! Who may come in: INVITEs and REGISTERs pass the gate, and registrations are published.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use actix::prelude::*;
use sip::auth::{DigestCredentials, NonceVerdict};
use sip::{DialogId, Flow, Reply, Request, TransactionId};

use super::{Owner, StackActor};
use crate::sip_io::gate::{Admitted, Identity, User, Verdict};
use crate::sip_io::message::{IncomingCall, Revoke};
use crate::sip_io::registrations::Contact;

/// INVITEs that may wait for the store at once: about two seconds' work of one processor.
const MAX_DECIDING: usize = 4096;

/// REGISTERs that may wait for the store at once, as after a restart when all phones come back.
const MAX_REGISTERING: usize = 4096;

impl StackActor {
    pub(super) fn on_invite(
        &mut self,
        dialog: DialogId,
        request: Arc<Request>,
        flow: Flow,
        ctx: &mut Context<Self>,
    ) {
        let is_full = self.owners.len() + self.deciding.len() >= self.parts.max_calls;
        // Who waits longer than that has given up by the time it is answered.
        let is_behind = self.deciding.len() >= MAX_DECIDING;
        if is_full || is_behind {
            let busy = Reply::new(503).with_header("Retry-After", "10");
            let why = if is_full { "too many calls" } else { "overloaded" };
            self.reject(dialog, busy.with_header("X-Reason", why));
            return;
        }
        if request.header("Replaces").is_some() {
            return self.on_replacing(dialog, request, flow, ctx);
        }
        self.deciding.insert(dialog);
        self.identify(dialog, request, flow, ctx);
    }

    /// Asks the store who calls, then has it proved.
    fn identify(
        &self,
        dialog: DialogId,
        request: Arc<Request>,
        flow: Flow,
        ctx: &mut Context<Self>,
    ) {
        let gate = self.parts.gate.clone();
        let asked = request.clone();
        let revoked = self.revoked;
        let identify = async move { gate.identify(&asked, &flow).await };
        ctx.spawn(identify.into_actor(self).map(move |found, this, ctx| {
            // The caller may have given up, or the INVITE expired, meanwhile.
            if !this.deciding.contains(&dialog) {
                return;
            }
            match found {
                _ if this.revoked != revoked => this.identify(dialog, request, flow, ctx),
                Ok(identity) => this.judge(dialog, request, flow, identity, ctx),
                Err(error) => {
                    tracing::error!(%error, "cannot look up who calls");
                    this.refuse(dialog, &request, flow, Reply::new(500));
                }
            }
            this.pump(ctx);
        }));
    }

    /// Judges the proof; for who passes the store is asked what was dialled.
    fn judge(
        &mut self,
        dialog: DialogId,
        request: Arc<Request>,
        flow: Flow,
        identity: Identity,
        ctx: &mut Context<Self>,
    ) {
        let now = Instant::now();
        let known = match identity.prove(&request, flow.peer.ip(), &mut self.parts.nonces, now) {
            Ok(known) => known,
            Err(reply) => return self.refuse(dialog, &request, flow, reply),
        };
        if known.is_proved() && self.is_real(now, &request, &flow) {
            self.parts.defence.proved(now, flow.peer.ip());
        }
        let gate = self.parts.gate.clone();
        let revoked = self.revoked;
        let answer = async move { gate.answer(known).await };
        ctx.spawn(answer.into_actor(self).map(move |found, this, ctx| {
            if !this.deciding.contains(&dialog) {
                return;
            }
            match found {
                // A proof counts once: who passed before a change is asked anew, and may prove it anew.
                _ if this.revoked != revoked => this.identify(dialog, request, flow, ctx),
                Ok(Verdict::Refuse(reply)) => this.refuse(dialog, &request, flow, reply),
                Ok(Verdict::Pass(admitted)) => this.let_in(dialog, request, flow, admitted, ctx),
                Err(error) => {
                    tracing::error!(%error, "cannot look up what is dialled");
                    this.refuse(dialog, &request, flow, Reply::new(500));
                }
            }
            this.pump(ctx);
        }));
    }

    fn let_in(
        &mut self,
        dialog: DialogId,
        request: Arc<Request>,
        flow: Flow,
        admitted: Admitted,
        ctx: &Context<Self>,
    ) {
        self.deciding.remove(&dialog);
        let stack = ctx.address();
        let call = IncomingCall { dialog, request, flow, admitted, stack };
        let account = call.admitted.account.sid;
        match self.parts.desk.answer(call) {
            Ok(events) => _ = self.owners.insert(dialog, Owner { events, account }),
            Err(full) => self.reject(dialog, full),
        }
    }

    pub(super) fn refuse(&mut self, dialog: DialogId, request: &Request, flow: Flow, reply: Reply) {
        self.deciding.remove(&dialog);
        if is_failure(request, &reply) {
            self.blame(request, &flow);
        }
        if reply.status != 401 {
            tracing::info!(source = %flow.peer.ip(), status = reply.status, "call refused");
        }
        self.reject(dialog, reply);
    }

    pub(super) fn on_register(
        &mut self,
        txn: TransactionId,
        request: Arc<Request>,
        flow: Flow,
        ctx: &mut Context<Self>,
    ) {
        if self.registering >= MAX_REGISTERING {
            self.respond(txn, Reply::new(503).with_header("Retry-After", "10"));
            return;
        }
        self.registering += 1;
        let gate = self.parts.gate.clone();
        let asked = request.clone();
        let revoked = self.revoked;
        let identify = async move { gate.identify_user(&asked).await };
        ctx.spawn(identify.into_actor(self).map(move |found, this, ctx| {
            this.registering -= 1;
            let reply = match found {
                _ if this.revoked != revoked => return this.on_register(txn, request, flow, ctx),
                Ok(user) => this.register(&request, flow, user),
                Err(error) => {
                    tracing::error!(%error, "cannot look up who registers");
                    Reply::new(500)
                }
            };
            this.respond(txn, reply);
            this.pump(ctx);
        }));
    }

    pub(super) fn register(&mut self, request: &Request, flow: Flow, user: User) -> Reply {
        let now = Instant::now();
        let nonces = &mut self.parts.nonces;
        let registrant = match user.on_register(request, flow.peer.ip(), nonces, now) {
            Verdict::Refuse(reply) => {
                if is_failure(request, &reply) {
                    self.blame(request, &flow);
                }
                return reply;
            }
            Verdict::Pass(registrant) => registrant,
        };
        self.parts.defence.proved(now, flow.peer.ip());
        let has_room = self.has_room_for(&registrant);
        let aor = registrant.aor;
        if flow.connection.is_some_and(|id| !self.streams.is_open(id)) {
            // It ended meanwhile: nobody would ever take the binding back.
            return Reply::new(500);
        }
        match self.bindings.apply(now, &aor, request, flow, &self.parts.registrar) {
            Err(reply) => reply,
            Ok(_) if !has_room && !self.bindings.lookup(now, &aor).is_empty() => {
                // Nobody has seen them yet, but perhaps contacts before them that had run out.
                self.bindings.remove(&aor);
                self.show(now, &aor);
                self.refuse_device(registrant.account, registrant.devices, &aor)
            }
            Ok(applied) => {
                tracing::info!(user = %aor, source = %flow.peer, "registered");
                self.publish(now, &aor);
                applied.reply
            }
        }
    }

    fn blame(&mut self, request: &Request, flow: &Flow) {
        let now = Instant::now();
        let is_real = self.is_real(now, request, flow);
        self.parts.defence.failed(now, flow.peer.ip(), is_real);
    }

    /// Whether the source is the one it says: it has a connection, or a nonce that was sent there.
    fn is_real(&mut self, now: Instant, request: &Request, flow: &Flow) -> bool {
        let nonces = &mut self.parts.nonces;
        let mut given = request.headers("Authorization").filter_map(DigestCredentials::parse);
        flow.transport.is_reliable()
            || given.any(|one| nonces.peek(now, flow.peer.ip(), &one) == NonceVerdict::Fresh)
    }

    /// Shows a user's contacts as they are now, and has them kept.
    pub(super) fn publish(&self, now: Instant, aor: &str) {
        self.show(now, aor);
        self.keep(now, aor);
    }

    pub(super) fn show(&self, now: Instant, aor: &str) {
        let contacts = self.bindings.lookup(now, aor);
        let contacts = contacts.into_iter().map(|b| Contact {
            uri: b.contact.clone(),
            flow: b.flow,
            expires_at: b.expires_at,
            q: b.q,
            path: b.path.iter().filter_map(|hop| hop.parse().ok()).collect(),
            instance: b.instance().map(Cow::into_owned),
        });
        self.parts.registrations.publish(aor, contacts.collect());
    }

    pub(super) fn unregister(&mut self, aor: &str) {
        if !self.bindings.remove(aor).is_empty() {
            tracing::info!(user = %aor, "registration dropped");
        }
        self.publish(Instant::now(), aor);
    }

    pub(super) fn sweep(&mut self) {
        let now = Instant::now();
        for (aor, _) in self.bindings.expire(now) {
            self.publish(now, &aor);
        }
        let found = self.parts.defence.sweep(now);
        metrics::gauge!("sip_registered_users").set(self.bindings.len() as f64);
        metrics::gauge!("sip_banned_sources").set(found.banned as f64);
        metrics::counter!("sip_messages_dropped_total").increment(found.dropped);
        if let Some(source) = found.example {
            let (dropped, banned) = (found.dropped, found.banned);
            tracing::warn!(dropped, banned, %source, "messages dropped: too many, or banned");
        }
    }
}

/// Whether a refusal counts towards a ban. A first challenge does not, nor what any honest caller may
/// run into (nobody there, too busy); credentials that were not taken do.
fn is_failure(request: &Request, reply: &Reply) -> bool {
    let is_stale = || {
        let mut headers = reply.headers.iter();
        headers.any(|(_, value)| value.contains("stale=true") || value.contains("stale=TRUE"))
    };
    match reply.status {
        401 => request.header("Authorization").is_some() && !is_stale(),
        403 => true,
        _ => false,
    }
}

impl Handler<Revoke> for StackActor {
    type Result = ();

    fn handle(&mut self, Revoke { realm, user }: Revoke, _: &mut Context<Self>) {
        self.revoked = self.revoked.wrapping_add(1);
        match (realm, user) {
            (None, _) => {}
            (Some(realm), Some(user)) => self.unregister(&format!("{user}@{realm}")),
            (Some(realm), None) => {
                for (aor, _) in self.parts.registrations.of_realm(&realm) {
                    self.unregister(&aor);
                }
            }
        }
    }
}
