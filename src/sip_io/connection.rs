//! Connections: accepting, opening, and one task for each that carries messages both ways.
//!
//! A connection's task awaits the stack's mailbox for each message, so a peer that sends faster than
//! the stack reads is slowed by TCP itself. What goes out passes a bounded queue; a peer that does
//! not read loses its connection. How messages are cut is `tcp.rs`'s and
//! `ws.rs`'s affair, who may read along is `tls.rs`'s.

use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix::prelude::*;
use bytes::Bytes;
use sip::{Flow, Listener, Request, Transport};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::defence::{Admission, Defence};
use super::peers::{ConnectionId, Peer, Peers};
use super::tls::{Proof, Tls};
use super::{listeners, tcp, ws};
use crate::rate::group;

/// Messages that may wait for a slow reader.
const QUEUE: usize = 64;
/// For connecting, and for one write.
pub const CONNECT: Duration = Duration::from_secs(5);
/// For a TLS or WebSocket handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What connections tell the stack, in order for each connection. An id may be opened again and again;
/// `run` tells which time is meant.
#[derive(Message)]
#[rtype(result = "()")]
pub enum StreamEvent {
    Opened {
        id: ConnectionId,
        run: u64,
        writer: mpsc::Sender<Bytes>,
    },
    Message {
        flow: Flow,
        bytes: Bytes,
    },
    /// Ended, or could not be opened at all.
    Closed {
        flow: Flow,
        run: u64,
    },
}

/// Bounds and habits of connections.
#[derive(Clone, Debug)]
pub struct ConnectionRules {
    /// Connections at once; a quarter of them for one source.
    pub most: usize,
    /// A connection that carried nothing for this long is closed.
    pub idle: Duration,
    /// How often a quiet connection that we opened, or a WebSocket, is kept alive.
    pub keep_alive: Duration,
    pub message_max_bytes: usize,
    /// Origins of pages that may open a WebSocket; empty: all.
    pub ws_origins: Vec<String>,
}

/// What connections are made with.
pub struct ConnectionParts {
    pub rules: ConnectionRules,
    pub listeners: Vec<Listener>,
    pub peers: Peers,
    pub defence: Defence,
    pub tls: Tls,
    pub stack: Recipient<StreamEvent>,
}

/// Opens and accepts connections; clones are the same.
#[derive(Clone)]
pub struct Connections(Arc<Inner>);

struct Inner {
    parts: ConnectionParts,
    open: Mutex<Count>,
}

/// How many connections are open, and opened by whom; a source without any has no entry.
#[derive(Default)]
struct Count {
    all: usize,
    of: HashMap<IpAddr, usize>,
}

impl Deref for Connections {
    type Target = ConnectionParts;

    fn deref(&self) -> &ConnectionParts {
        &self.0.parts
    }
}

impl Connections {
    pub fn new(parts: ConnectionParts) -> Self {
        Self(Arc::new(Inner { parts, open: Mutex::default() }))
    }

    /// Accepts until the listener's task is dropped.
    pub async fn accept(self, at: Listener, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => match self.let_in(peer.ip()) {
                    Some(place) => {
                        let id = self.peers.new_id();
                        let flow = Flow {
                            connection: Some(id),
                            ..Flow::new(at.transport, at.local, peer)
                        };
                        let link = Link::new(self.clone(), flow, id, false);
                        actix::spawn(link.serve(stream, None, place));
                    }
                    None => {
                        metrics::counter!("sip_connections_refused_total").increment(1);
                        tracing::debug!(%peer, "connection refused");
                    }
                },
                Err(error) => {
                    // Out of file descriptors, most likely: give the others time to end.
                    tracing::warn!(%error, "cannot accept a SIP connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// Starts opening connection `id`; `Opened` or `Closed` follows, with the same `run`.
    pub fn connect(&self, id: ConnectionId, run: u64, to: Peer) {
        let same_family = |one: &&Listener| one.local.is_ipv4() == to.addr.is_ipv4();
        let mut listeners = self.listeners.iter().filter(|one| one.transport == to.transport);
        let local = listeners.find(same_family).map_or(to.addr, |one| one.local);
        let flow = Flow { connection: Some(id), ..Flow::new(to.transport, local, to.addr) };
        let link = Link::new(self.clone(), flow, run, true);
        actix::spawn(async move {
            let failed = match link.open(to.addr).await {
                Ok((stream, place)) => return link.serve(stream, Some(to.host), place).await,
                Err(error) => error,
            };
            tracing::debug!(peer = %to.addr, error = %failed, "cannot connect");
            link.tell(StreamEvent::Closed { flow: link.flow, run }).await;
        });
    }

    /// A place for a connection that a peer opens. It counts as a message: a handshake costs more than
    /// one.
    fn let_in(&self, source: IpAddr) -> Option<Place> {
        let admission = self.defence.admit(std::time::Instant::now(), source);
        self.enter(source).filter(|_| admission == Admission::Pass)
    }

    /// A place for one more connection of that source, unless it is banned, or it or all have too many:
    /// one source (of IPv6 a /64) may hold a quarter, so that it cannot shut the others out.
    fn enter(&self, source: IpAddr) -> Option<Place> {
        if self.defence.is_banned(std::time::Instant::now(), source) {
            return None;
        }
        let source = group(source);
        let mut open = self.open();
        let held = open.of.get(&source).copied().unwrap_or_default();
        if open.all >= self.rules.most || held >= (self.rules.most / 4).max(1) {
            return None;
        }
        open.all += 1;
        open.of.insert(source, held + 1);
        drop(open);
        Some(Place { connections: self.clone(), source })
    }

    fn open(&self) -> MutexGuard<'_, Count> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's share of what may be open, given back when dropped.
struct Place {
    connections: Connections,
    source: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.connections.open();
        open.all = open.all.saturating_sub(1);
        match open.of.get(&self.source).copied() {
            Some(held) if held > 1 => open.of.insert(self.source, held - 1),
            _ => open.of.remove(&self.source),
        };
    }
}

/// One connection as its task sees it.
pub struct Link {
    connections: Connections,
    pub flow: Flow,
    run: u64,
    /// Whether we opened it.
    pub is_ours: bool,
    /// What the client's certificate says, until its first message has been looked at.
    proof: Cell<Option<Proof>>,
}

impl Link {
    fn new(connections: Connections, flow: Flow, run: u64, is_ours: bool) -> Self {
        Self { connections, flow, run, is_ours, proof: Cell::new(None) }
    }

    pub fn rules(&self) -> &ConnectionRules {
        &self.connections.rules
    }

    async fn open(&self, peer: SocketAddr) -> io::Result<(TcpStream, Place)> {
        if self.flow.transport.is_websocket() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "only a browser can open it"));
        }
        let full = || io::Error::new(io::ErrorKind::QuotaExceeded, "too many connections");
        let place = self.connections.enter(peer.ip()).ok_or_else(full)?;
        Ok((timeout(CONNECT, TcpStream::connect(peer)).await??, place))
    }

    /// Carries messages until the connection ends; `host` is whom we opened it for.
    async fn serve(self, stream: TcpStream, host: Option<String>, place: Place) {
        let gauge = metrics::gauge!("sip_connections", "transport" => self.flow.transport.name());
        gauge.increment(1.0);
        listeners::prepare(&stream);
        if let Err(error) = self.carry(stream, host).await {
            tracing::debug!(peer = %self.flow.peer, transport = self.flow.transport.name(), %error,
                "SIP connection ended");
        }
        gauge.decrement(1.0);
        drop(place);
        if let Some(id) = self.flow.connection.filter(|_| !self.is_ours) {
            self.connections.peers.forget(id);
        }
        self.tell(StreamEvent::Closed { flow: self.flow, run: self.run }).await;
    }

    async fn carry(&self, stream: TcpStream, host: Option<String>) -> io::Result<()> {
        let tls = &self.connections.tls;
        match (self.flow.transport, host) {
            (Transport::Tls, Some(host)) => {
                let stream = timeout(HANDSHAKE, tls.connect(&host, stream)).await??;
                self.bytes(stream).await
            }
            (Transport::Tls, None) => {
                let stream = timeout(HANDSHAKE, tls.accept(stream)).await??;
                self.proof.set(Proof::of(&stream));
                self.bytes(stream).await
            }
            (Transport::Ws, _) => self.frames(stream).await,
            (Transport::Wss, _) => {
                self.frames(timeout(HANDSHAKE, tls.accept(stream)).await??).await
            }
            _ => self.bytes(stream).await,
        }
    }

    async fn bytes(&self, stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        tcp::carry(self, stream, self.announce().await).await
    }

    async fn frames(&self, stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let socket = timeout(HANDSHAKE, ws::accept(self.rules(), stream)).await??;
        ws::carry(self, socket, self.announce().await).await
    }

    /// Tells the stack that messages can be sent, and returns where they come out.
    async fn announce(&self) -> mpsc::Receiver<Bytes> {
        let (writer, queue) = mpsc::channel(QUEUE);
        if let Some(id) = self.flow.connection {
            self.tell(StreamEvent::Opened { id, run: self.run, writer }).await;
        }
        queue
    }

    /// Hands one message to the stack, if its source may send one.
    ///
    /// # Errors
    /// The connection must end: the message is too long, or the source is banned.
    pub async fn receive(&self, bytes: Bytes) -> io::Result<()> {
        let (now, source) = (std::time::Instant::now(), self.flow.peer.ip());
        if bytes.len() > self.rules().message_max_bytes {
            return Err(io::Error::other("message too long"));
        }
        let defence = &self.connections.defence;
        let admission = match defence.admit(now, source) {
            Admission::Pass => defence.inspect(now, source, true, &bytes),
            refused => refused,
        };
        match admission {
            Admission::Pass => {
                self.look_for_alias(&bytes);
                self.tell(StreamEvent::Message { flow: self.flow, bytes }).await;
            }
            Admission::TooFast => {}
            Admission::Banned => return Err(io::Error::other("banned")),
        }
        Ok(())
    }

    /// Whether a keep-alive is answered: each counts as a message, or four octets would buy one system
    /// call without end.
    pub fn answers_ping(&self) -> bool {
        let (now, source) = (std::time::Instant::now(), self.flow.peer.ip());
        self.connections.defence.admit(now, source) == Admission::Pass
    }

    /// A client that asks for it (RFC 5923) gets our own requests over this connection, too: if its
    /// certificate is good for the host it says it is. Without certificate anybody could say so.
    fn look_for_alias(&self, bytes: &[u8]) {
        let (Some(proof), Some(id)) = (self.proof.take(), self.flow.connection) else { return };
        let Ok(request) = Request::parse(bytes) else { return };
        let via = request.via();
        let host = via.host.trim_start_matches('[').trim_end_matches(']');
        if via.params.has("alias") && proof.is_of(host) {
            let port = via.port.unwrap_or_else(|| self.flow.transport.default_port());
            let addr = SocketAddr::new(self.flow.peer.ip(), port);
            let host = host.to_ascii_lowercase();
            self.connections.peers.alias(Peer { transport: self.flow.transport, addr, host }, id);
        }
    }

    /// The stack's mailbox is gone only while the server stops; then nobody needs to hear.
    async fn tell(&self, event: StreamEvent) {
        let _ = self.connections.stack.send(event).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate::Buckets;
    use crate::sip_io::ban::BanRules;
    use crate::sip_io::tls::TlsFiles;

    struct Nobody;

    impl Actor for Nobody {
        type Context = Context<Self>;
    }

    impl Handler<StreamEvent> for Nobody {
        type Result = ();

        fn handle(&mut self, _: StreamEvent, _: &mut Context<Self>) {}
    }

    fn connections(most: usize) -> Connections {
        let minute = Duration::from_secs(60);
        Connections::new(ConnectionParts {
            rules: ConnectionRules {
                most,
                idle: minute,
                keep_alive: minute,
                message_max_bytes: 1000,
                ws_origins: Vec::new(),
            },
            listeners: Vec::new(),
            peers: Peers::default(),
            defence: Defence::new(Buckets::new(9, 9), BanRules::default(), Vec::new()),
            tls: Tls::open(TlsFiles::default()).unwrap(),
            stack: Nobody.start().recipient(),
        })
    }

    #[actix::test]
    async fn new_connections_count_as_messages() {
        let connections = connections(1000);
        let let_in = |ip: &str| connections.let_in(ip.parse().unwrap()).is_some();
        assert!((0..9).all(|_| let_in("192.0.2.1")));
        assert!((0..1000).filter(|_| let_in("192.0.2.1")).count() < 1000);
        assert!(let_in("192.0.2.2"));
    }

    #[actix::test]
    async fn keep_alives_count_as_messages() {
        let connections = connections(8);
        let local = "127.0.0.1:5060".parse().unwrap();
        let flow = Flow::tcp(local, "192.0.2.1:40000".parse().unwrap(), Some(1));
        let link = Link::new(connections, flow, 1, false);
        assert!((0..9).all(|_| link.answers_ping()));
        assert!((0..1000).filter(|_| link.answers_ping()).count() < 1000);
    }

    #[actix::test]
    async fn one_source_holds_a_quarter_and_who_is_refused_leaves_nothing_behind() {
        let connections = connections(8);
        let enter = |ip: &str| connections.enter(ip.parse().unwrap());
        let first = [enter("2001:db8:1:2::1"), enter("2001:db8:1:2::2")];
        assert!(first.iter().all(Option::is_some));
        assert!(enter("2001:db8:1:2::3").is_none(), "a /64 is one source");
        let others: Vec<_> = (0..6).map(|n| enter(&format!("192.0.2.{n}"))).collect();
        assert!(others.iter().all(Option::is_some));
        for n in 0..100 {
            assert!(enter(&format!("198.51.100.{n}")).is_none(), "all places are taken");
        }
        assert_eq!(connections.open().of.len(), 7);
        drop(first);
        assert!(enter("198.51.100.1").is_some());
        drop(others);
        let open = connections.open();
        assert!(open.of.is_empty() && open.all == 0);
    }
}
