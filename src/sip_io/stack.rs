//! The stack actor: the only owner of SIP sockets and of the `sip::Endpoint` behind them.
//!
//! What comes in passes the rate limiter, then the endpoint. New calls and registrations pass the
//! [`Gate`]; everything else goes to the owner of its dialog. What the endpoint wants sent goes out on
//! the flow it names.

use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use bytes::Bytes;
use sip::auth::Nonces;
use sip::registrar::{Bindings, Limits};
use sip::{DialogId, Endpoint, Event, Flow, Output, Reply, Request, TransactionId, Transport};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;

use super::gate::{Findings, Gate, Verdict};
use super::info;
use super::limiter::Limiter;
use super::message::{
    Action, DialogEvent, Drain, IncomingCall, Order, Originate, Originated, Revoke,
};
use super::registrations::{Contact, Registrations};
use super::tcp::{ConnectionId, Connections, StreamEvent};
use super::udp::{self, Datagram, UdpStream};
use crate::call::desk::Desk;

/// What the stack is built from.
pub struct StackParts {
    pub endpoint: Endpoint,
    /// Bound and non-blocking.
    pub udp: std::net::UdpSocket,
    pub tcp: std::net::TcpListener,
    /// The address the sockets are bound to.
    pub local: SocketAddr,
    pub connections: Connections,
    pub limiter: Limiter,
    pub gate: Gate,
    pub nonces: Nonces,
    pub registrar: Limits,
    pub registrations: Arc<Registrations>,
    pub desk: Desk,
    pub max_calls: usize,
}

pub struct StackActor {
    parts: StackParts,
    /// The datagram socket, once the actor runs.
    udp: Option<Arc<UdpSocket>>,
    bindings: Bindings,
    streams: HashMap<ConnectionId, mpsc::Sender<Bytes>>,
    /// Messages for connections that are still being opened.
    opening: HashMap<ConnectionId, Vec<Bytes>>,
    /// Connections this side opened, by peer, so that they are used again.
    opened: HashMap<SocketAddr, ConnectionId>,
    owners: HashMap<DialogId, Recipient<DialogEvent>>,
    /// INVITEs whose sender is being looked up.
    deciding: HashSet<DialogId>,
    /// Counts the [`Revoke`]s: what was looked up before one is not acted on after it.
    revoked: u64,
    wake: Option<(Instant, SpawnHandle)>,
}

/// Messages kept for one connection while it opens.
const MAX_OPENING: usize = 16;
/// How often expired bindings are dropped.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

impl StackActor {
    pub fn new(parts: StackParts) -> Self {
        Self {
            parts,
            udp: None,
            bindings: Bindings::new(MAX_AORS),
            streams: HashMap::new(),
            opening: HashMap::new(),
            opened: HashMap::new(),
            owners: HashMap::new(),
            deciding: HashSet::new(),
            revoked: 0,
            wake: None,
        }
    }

    /// Hands the sockets to the runtime of this arbiter.
    fn listen(&mut self, ctx: &mut Context<Self>) -> std::io::Result<()> {
        let udp = Arc::new(UdpSocket::from_std(self.parts.udp.try_clone()?)?);
        ctx.add_stream(UdpStream::new(udp.clone()));
        self.udp = Some(udp);
        let tcp = TcpListener::from_std(self.parts.tcp.try_clone()?)?;
        actix::spawn(self.parts.connections.clone().accept(tcp));
        Ok(())
    }

    fn admit(&mut self, source: SocketAddr) -> bool {
        let admitted = self.parts.limiter.admit(Instant::now(), source.ip());
        if !admitted {
            metrics::counter!("sip_messages_dropped_total").increment(1);
        }
        admitted
    }

    /// Carries out all the endpoint wants done, and sets the next alarm.
    fn pump(&mut self, ctx: &mut Context<Self>) {
        while let Some(output) = self.parts.endpoint.poll_output() {
            match output {
                Output::Transmit { flow, bytes } => self.transmit(flow, bytes),
                Output::Event(event) => self.on_event(event, ctx),
            }
        }
        let Some(at) = self.parts.endpoint.next_wake() else { return };
        if self.wake.as_ref().is_some_and(|(armed, _)| *armed <= at) {
            return;
        }
        if let Some((_, handle)) = self.wake.take() {
            ctx.cancel_future(handle);
        }
        let handle = ctx.run_later(at.saturating_duration_since(Instant::now()), |this, ctx| {
            this.wake = None;
            this.parts.endpoint.handle_timeout(Instant::now());
            this.pump(ctx);
        });
        self.wake = Some((at, handle));
    }

    fn transmit(&mut self, flow: Flow, bytes: Bytes) {
        metrics::counter!("sip_messages_sent_total").increment(1);
        if flow.transport == Transport::Udp {
            let Some(socket) = &self.udp else { return };
            match udp::send(socket, flow.peer, &bytes) {
                Ok(()) => {}
                // A full buffer loses a datagram, as any network may: timers send it again.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => {
                    tracing::debug!(peer = %flow.peer, %error, "SIP datagram not sent");
                    self.parts.endpoint.handle_transport_error(Instant::now(), flow);
                }
            }
            return;
        }
        let id = match flow.connection.or_else(|| self.opened.get(&flow.peer).copied()) {
            Some(id) => id,
            None => {
                let id = self.parts.connections.connect(flow.peer);
                self.opened.insert(flow.peer, id);
                self.opening.insert(id, Vec::new());
                id
            }
        };
        if let Some(waiting) = self.opening.get_mut(&id) {
            if waiting.len() < MAX_OPENING {
                waiting.push(bytes);
            }
        } else if self.streams.get(&id).is_none_or(|writer| writer.try_send(bytes).is_err()) {
            self.streams.remove(&id);
            self.parts.endpoint.handle_transport_error(Instant::now(), flow);
        }
    }

    fn on_event(&mut self, event: Event, ctx: &mut Context<Self>) {
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

    fn tell(&self, dialog: DialogId, event: DialogEvent) {
        if let Some(owner) = self.owners.get(&dialog) {
            owner.do_send(event);
        }
    }

    fn tell_last(&mut self, dialog: DialogId, event: DialogEvent) {
        self.deciding.remove(&dialog);
        if let Some(owner) = self.owners.remove(&dialog) {
            owner.do_send(event);
        }
    }

    fn respond(&mut self, txn: TransactionId, reply: Reply) {
        if let Err(error) = self.parts.endpoint.respond(Instant::now(), txn, reply) {
            tracing::debug!(%error, "reply came too late");
        }
    }

    fn reject(&mut self, dialog: DialogId, reply: Reply) {
        if let Err(error) = self.parts.endpoint.reject(Instant::now(), dialog, reply) {
            tracing::debug!(%error, "refusal came too late");
        }
    }

    fn on_invite(
        &mut self,
        dialog: DialogId,
        request: Arc<Request>,
        flow: Flow,
        ctx: &mut Context<Self>,
    ) {
        if self.owners.len() + self.deciding.len() >= self.parts.max_calls {
            let busy = Reply::new(503).with_header("Retry-After", "10");
            self.reject(dialog, busy.with_header("X-Reason", "too many calls"));
            return;
        }
        self.deciding.insert(dialog);
        let gate = self.parts.gate.clone();
        let asked = request.clone();
        let revoked = self.revoked;
        let look_up = async move { gate.look_up(&asked).await };
        ctx.spawn(look_up.into_actor(self).map(move |found, this, ctx| {
            // The caller may have given up, or the INVITE expired, during the look-up.
            if !this.deciding.remove(&dialog) {
                return;
            }
            match found {
                _ if this.revoked != revoked => this.on_invite(dialog, request, flow, ctx),
                Ok(findings) => this.decide(dialog, request, flow, findings, ctx),
                Err(error) => {
                    tracing::error!(%error, "cannot look up who calls");
                    this.reject(dialog, Reply::new(500));
                }
            }
            this.pump(ctx);
        }));
    }

    fn decide(
        &mut self,
        dialog: DialogId,
        request: Arc<Request>,
        flow: Flow,
        findings: Findings,
        ctx: &Context<Self>,
    ) {
        let now = Instant::now();
        let source = flow.peer.ip();
        match findings.on_invite(&request, source, &mut self.parts.nonces, now) {
            Verdict::Refuse(reply) => {
                if reply.status != 401 {
                    tracing::info!(%source, status = reply.status, "call refused");
                }
                self.reject(dialog, reply);
            }
            Verdict::Pass(admitted) => {
                let stack = ctx.address();
                let call = IncomingCall { dialog, request, flow, admitted, stack };
                self.owners.insert(dialog, self.parts.desk.answer(call));
            }
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

    fn on_register(
        &mut self,
        txn: TransactionId,
        request: Arc<Request>,
        flow: Flow,
        ctx: &mut Context<Self>,
    ) {
        let gate = self.parts.gate.clone();
        let asked = request.clone();
        let revoked = self.revoked;
        let look_up = async move { gate.look_up(&asked).await };
        ctx.spawn(look_up.into_actor(self).map(move |found, this, ctx| {
            let reply = match found {
                _ if this.revoked != revoked => return this.on_register(txn, request, flow, ctx),
                Ok(findings) => this.register(&request, flow, findings),
                Err(error) => {
                    tracing::error!(%error, "cannot look up who registers");
                    Reply::new(500)
                }
            };
            this.respond(txn, reply);
            this.pump(ctx);
        }));
    }

    fn register(&mut self, request: &Request, flow: Flow, findings: Findings) -> Reply {
        let now = Instant::now();
        let nonces = &mut self.parts.nonces;
        let registrant = match findings.on_register(request, flow.peer.ip(), nonces, now) {
            Verdict::Refuse(reply) => return reply,
            Verdict::Pass(registrant) => registrant,
        };
        let aor = registrant.aor;
        match self.bindings.apply(now, &aor, request, flow, &self.parts.registrar) {
            Err(reply) => reply,
            Ok(applied) => {
                tracing::info!(user = %aor, source = %flow.peer, "registered");
                self.publish(now, &aor);
                applied.reply
            }
        }
    }

    fn publish(&self, now: Instant, aor: &str) {
        let contacts = self.bindings.lookup(now, aor);
        let contacts = contacts.into_iter().map(|b| Contact {
            uri: b.contact.clone(),
            flow: b.flow,
            expires_at: b.expires_at,
        });
        self.parts.registrations.publish(aor, contacts.collect());
    }

    fn unregister(&mut self, aor: &str) {
        if !self.bindings.remove(aor).is_empty() {
            tracing::info!(user = %aor, "registration dropped");
        }
        self.parts.registrations.publish(aor, Vec::new());
    }

    fn sweep(&mut self) {
        let now = Instant::now();
        for (aor, _) in self.bindings.expire(now) {
            self.publish(now, &aor);
        }
    }
}

/// Users that can be registered at once.
const MAX_AORS: usize = 100_000;

impl Actor for StackActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        // Orders come from our own actors; what the network sends comes as streams with their own
        // back-pressure.
        ctx.set_mailbox_capacity(4096);
        if let Err(error) = self.listen(ctx) {
            tracing::error!(%error, "cannot listen for SIP");
            ctx.stop();
        }
        ctx.run_interval(SWEEP_EVERY, |this, _| this.sweep());
    }
}

impl StreamHandler<Datagram> for StackActor {
    fn handle(&mut self, datagram: Datagram, ctx: &mut Context<Self>) {
        metrics::counter!("sip_messages_received_total").increment(1);
        if self.admit(datagram.from) {
            let flow = Flow::udp(self.parts.local, datagram.from);
            self.parts.endpoint.handle_message(Instant::now(), flow, &datagram.bytes);
            self.pump(ctx);
        }
    }
}

/// A connection with its peer, as long as it is open.
impl Handler<StreamEvent> for StackActor {
    type Result = ();

    fn handle(&mut self, event: StreamEvent, ctx: &mut Context<Self>) {
        match event {
            StreamEvent::Opened { id, writer } => {
                for bytes in self.opening.remove(&id).unwrap_or_default() {
                    // The queue is empty and longer than what may wait.
                    let _ = writer.try_send(bytes);
                }
                self.streams.insert(id, writer);
            }
            StreamEvent::Message { flow, bytes } => {
                metrics::counter!("sip_messages_received_total").increment(1);
                if self.admit(flow.peer) {
                    self.parts.endpoint.handle_message(Instant::now(), flow, &bytes);
                }
            }
            StreamEvent::Closed { flow } => {
                if let Some(id) = flow.connection {
                    self.streams.remove(&id);
                    self.opening.remove(&id);
                    self.opened.retain(|_, opened| *opened != id);
                }
                let now = Instant::now();
                for (aor, _) in self.bindings.drop_flow(&flow) {
                    self.publish(now, &aor);
                }
                self.parts.endpoint.handle_transport_error(Instant::now(), flow);
            }
        }
        self.pump(ctx);
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

impl Handler<Drain> for StackActor {
    type Result = ();

    fn handle(&mut self, _: Drain, _: &mut Context<Self>) {
        self.parts.max_calls = 0;
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
