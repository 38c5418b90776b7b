//! The stack actor: the only owner of SIP sockets and of the `sip::Endpoint` behind them.
//!
//! What comes in has passed the defence, and goes to the endpoint. New calls and registrations pass the
//! [`Gate`]; everything else goes to the owner of its dialog. What the endpoint wants sent goes out on
//! the flow it names.

mod admission;
mod devices;
mod dialogs;
mod keeping;
pub mod outside;
mod replacing;
mod streams;

use std::collections::{HashMap, HashSet};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use bytes::Bytes;
use sip::auth::Nonces;
use sip::registrar::{Bindings, Limits};
use sip::{DialogId, Endpoint, Flow, Output, Replaces, TransactionId, Transport};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::oneshot;

use self::streams::{Sent, Streams};
use super::connection::{ConnectionParts, ConnectionRules, Connections, StreamEvent};
use super::defence::Defence;
use super::gate::Gate;
use super::listeners::{Bound, Open};
use super::message::{DialogEvent, Drain, RequestId};
use super::peers::{Peer, Peers};
use super::registrations::Registrations;
use super::tls::Tls;
use super::udp::{self, Datagram, UdpStream};
use crate::call::desk::Desk;
use crate::model::AccountSid;
use crate::store::{Registered, Store};

/// What the stack is built from.
pub struct StackParts {
    pub endpoint: Endpoint,
    /// Taken when the actor starts.
    pub sockets: Vec<Open>,
    pub connections: ConnectionRules,
    pub peers: Peers,
    pub tls: Tls,
    pub defence: Defence,
    pub gate: Gate,
    /// Where registrations are kept, and those of before the restart.
    pub store: Store,
    pub registered: Vec<Registered>,
    pub nonces: Nonces,
    pub registrar: Limits,
    pub registrations: Arc<Registrations>,
    pub desk: Desk,
    pub max_calls: usize,
}

pub struct StackActor {
    parts: StackParts,
    /// The datagram sockets by the address they are bound to, once the actor runs.
    udp: Vec<(SocketAddr, Arc<UdpSocket>)>,
    connections: Option<Connections>,
    bindings: Bindings,
    streams: Streams,
    owners: HashMap<DialogId, Owner>,
    /// What our own INVITEs are to take the place of.
    replacing: HashMap<DialogId, Replaces>,
    /// Requests of owners inside their dialogs, until they are answered.
    requests: HashMap<TransactionId, (DialogId, RequestId)>,
    /// INVITEs whose sender is being looked up.
    deciding: HashSet<DialogId>,
    /// REGISTERs whose sender is being looked up.
    registering: usize,
    /// Who waits for the answers to requests outside dialogs.
    asked: HashMap<TransactionId, oneshot::Sender<outside::Answered>>,
    /// Counts the [`Revoke`]s: what was looked up before one is not acted on after it.
    revoked: u64,
    wake: Option<(Instant, SpawnHandle)>,
}

/// Who hears of a dialog.
struct Owner {
    events: Recipient<DialogEvent>,
    /// Whose call it is.
    account: AccountSid,
}

/// How often expired bindings are dropped.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

impl StackActor {
    pub fn new(parts: StackParts) -> Self {
        Self {
            parts,
            udp: Vec::new(),
            connections: None,
            bindings: Bindings::new(MAX_AORS),
            streams: Streams::default(),
            owners: HashMap::new(),
            replacing: HashMap::new(),
            requests: HashMap::new(),
            deciding: HashSet::new(),
            registering: 0,
            asked: HashMap::new(),
            revoked: 0,
            wake: None,
        }
    }

    /// Hands the sockets to the runtime of this arbiter.
    fn listen(&mut self, ctx: &mut Context<Self>) -> io::Result<()> {
        let sockets = std::mem::take(&mut self.parts.sockets);
        let connections = Connections::new(ConnectionParts {
            rules: self.parts.connections.clone(),
            listeners: sockets.iter().map(|open| open.listener).collect(),
            peers: self.parts.peers.clone(),
            defence: self.parts.defence.clone(),
            tls: self.parts.tls.clone(),
            stack: ctx.address().recipient(),
        });
        for Open { listener, socket } in sockets {
            match socket {
                Bound::Datagrams(socket) => {
                    let socket = Arc::new(UdpSocket::from_std(socket)?);
                    let (local, defence) = (listener.local, self.parts.defence.clone());
                    let longest = self.parts.connections.message_max_bytes;
                    ctx.add_stream(UdpStream::new(socket.clone(), local, defence, longest));
                    self.udp.push((local, socket));
                }
                Bound::Streams(socket) => {
                    let socket = TcpListener::from_std(socket)?;
                    actix::spawn(connections.clone().accept(listener, socket));
                }
            }
        }
        self.connections = Some(connections);
        Ok(())
    }

    /// The socket a datagram of this flow leaves by: the one it names, else one of the same family.
    fn socket(&self, flow: &Flow) -> Option<&UdpSocket> {
        let named = self.udp.iter().find(|(local, _)| *local == flow.local);
        let fits = || self.udp.iter().find(|(local, _)| local.is_ipv4() == flow.peer.is_ipv4());
        named.or_else(fits).map(|(_, socket)| &**socket)
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
            let sent = match self.socket(&flow) {
                Some(socket) => udp::send(socket, flow.peer, &bytes),
                None => Err(ErrorKind::AddrNotAvailable.into()),
            };
            match sent {
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
        let id = flow.connection.unwrap_or_else(|| self.parts.peers.reserve(&Peer::of(&flow)));
        let is_lost = match self.streams.send(id, bytes) {
            Sent::Taken => false,
            Sent::Lost => true,
            Sent::Closed(bytes) => match (self.parts.peers.find(id), &self.connections) {
                (Some(peer), Some(connections)) => {
                    let run = self.parts.peers.new_id();
                    self.streams.begin(id, run, bytes);
                    connections.connect(id, run, peer);
                    false
                }
                // The peer's own connection, which has ended: only the peer can open it again.
                _ => true,
            },
        };
        if is_lost {
            self.parts.endpoint.handle_transport_error(Instant::now(), flow);
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
        self.put_back();
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
        let flow = Flow::udp(datagram.local, datagram.from);
        self.parts.endpoint.handle_message(Instant::now(), flow, &datagram.bytes);
        self.pump(ctx);
    }
}

/// A connection with its peer, as long as it is open.
impl Handler<StreamEvent> for StackActor {
    type Result = ();

    fn handle(&mut self, event: StreamEvent, ctx: &mut Context<Self>) {
        match event {
            StreamEvent::Opened { id, run, writer } => self.streams.opened(id, run, writer),
            StreamEvent::Message { flow, bytes } => {
                metrics::counter!("sip_messages_received_total").increment(1);
                self.parts.endpoint.handle_message(Instant::now(), flow, &bytes);
            }
            StreamEvent::Closed { flow, run } => {
                let now = Instant::now();
                if let Some(id) = flow.connection {
                    if !self.streams.closed(id, run) {
                        return;
                    }
                    for (aor, _) in self.bindings.drop_connection(id) {
                        self.publish(now, &aor);
                    }
                }
                self.parts.endpoint.handle_transport_error(now, flow);
            }
        }
        self.pump(ctx);
    }
}

impl Handler<Drain> for StackActor {
    type Result = ();

    fn handle(&mut self, _: Drain, _: &mut Context<Self>) {
        self.parts.max_calls = 0;
    }
}
