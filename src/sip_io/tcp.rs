//! SIP over TCP: accepting, connecting, and one task per connection that frames what comes in.
//!
//! A connection task awaits the stack's mailbox for each message, so a peer that sends faster than
//! the stack reads is slowed by TCP itself. What goes out passes a bounded queue; a peer that does
//! not read loses its connection.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix::prelude::*;
use bytes::Bytes;
use sip::{Flow, Frame, StreamFramer, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use super::peers::{ConnectionId, Peer, Peers};

/// Messages that may wait for a slow reader.
const QUEUE: usize = 64;
/// A stranger that connects and says nothing is dropped after this.
const FIRST_MESSAGE: Duration = Duration::from_secs(30);
/// A connection that carried nothing either way for this long is closed; phones reconnect.
const IDLE: Duration = Duration::from_secs(3600);
const CONNECT: Duration = Duration::from_secs(5);

/// What connections tell the stack, in order for each connection.
#[derive(Message)]
#[rtype(result = "()")]
pub enum StreamEvent {
    Opened {
        id: ConnectionId,
        writer: mpsc::Sender<Bytes>,
    },
    Message {
        flow: Flow,
        bytes: Bytes,
    },
    /// Ended, or could not be opened at all.
    Closed {
        flow: Flow,
    },
}

/// Opens and accepts connections and gives them their ids.
#[derive(Clone)]
pub struct Connections {
    peers: Peers,
    open: Arc<AtomicUsize>,
    by_source: Arc<Mutex<HashMap<IpAddr, usize>>>,
    most: usize,
    /// The address connections are accepted on.
    local: SocketAddr,
    stack: Recipient<StreamEvent>,
}

impl Connections {
    /// At most `most` connections at once; `stack` hears of all of them.
    pub fn new(
        most: usize,
        local: SocketAddr,
        peers: Peers,
        stack: Recipient<StreamEvent>,
    ) -> Self {
        Self {
            peers,
            open: Arc::new(AtomicUsize::new(0)),
            by_source: Arc::default(),
            most,
            local,
            stack,
        }
    }

    /// Accepts until the listener's task is dropped.
    pub async fn accept(self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) if self.has_room(peer.ip()) => {
                    actix::spawn(self.clone().serve(self.peers.new_id(), stream, peer));
                }
                Ok((_, peer)) => {
                    metrics::counter!("sip_connections_refused_total").increment(1);
                    tracing::debug!(%peer, "connection refused: too many are open");
                }
                Err(error) => {
                    // Out of file descriptors, most likely: give the others time to end.
                    tracing::warn!(%error, "cannot accept a SIP connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// Starts opening connection `id`; `Opened` or `Closed` follows.
    pub fn connect(&self, id: ConnectionId, to: Peer) {
        let this = self.clone();
        actix::spawn(async move {
            let peer = to.addr;
            if to.transport != Transport::Tcp {
                return this.failed(id, peer, &io::ErrorKind::Unsupported.into()).await;
            }
            match timeout(CONNECT, TcpStream::connect(peer)).await {
                Ok(Ok(stream)) => this.serve(id, stream, peer).await,
                Ok(Err(error)) => this.failed(id, peer, &error).await,
                Err(_) => this.failed(id, peer, &io::ErrorKind::TimedOut.into()).await,
            }
        });
    }

    /// One source may hold a quarter of all connections, so that it cannot shut the others out.
    fn has_room(&self, source: IpAddr) -> bool {
        let held = self.sources().get(&source).copied().unwrap_or(0);
        self.open.load(Ordering::Relaxed) < self.most && held < (self.most / 4).max(1)
    }

    fn sources(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.by_source.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, source: IpAddr) {
        self.open.fetch_add(1, Ordering::Relaxed);
        *self.sources().entry(source).or_insert(0) += 1;
    }

    fn discount(&self, source: IpAddr) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        let mut sources = self.sources();
        if let Some(held) = sources.get_mut(&source) {
            *held -= 1;
            if *held == 0 {
                sources.remove(&source);
            }
        }
    }

    async fn failed(&self, id: ConnectionId, peer: SocketAddr, error: &io::Error) {
        tracing::debug!(%peer, %error, "cannot connect");
        self.tell(StreamEvent::Closed { flow: Flow::tcp(self.local, peer, Some(id)) }).await;
    }

    /// The stack's mailbox is gone only while the server stops; then nobody needs to hear.
    async fn tell(&self, event: StreamEvent) {
        let _ = self.stack.send(event).await;
    }

    async fn serve(self, id: ConnectionId, stream: TcpStream, peer: SocketAddr) {
        self.count(peer.ip());
        // Small messages both ways: waiting to fill a segment only adds delay.
        let _ = stream.set_nodelay(true);
        let local = stream.local_addr().unwrap_or(self.local);
        let flow = Flow::tcp(local, peer, Some(id));
        let (writer, queue) = mpsc::channel(QUEUE);
        self.tell(StreamEvent::Opened { id, writer }).await;
        if let Err(error) = self.exchange(flow, stream, queue).await {
            tracing::debug!(%peer, %error, "SIP connection ended");
        }
        self.discount(peer.ip());
        self.tell(StreamEvent::Closed { flow }).await;
    }

    async fn exchange(
        &self,
        flow: Flow,
        stream: TcpStream,
        mut queue: mpsc::Receiver<Bytes>,
    ) -> io::Result<()> {
        let (mut reader, mut writer) = stream.into_split();
        let mut framer = StreamFramer::new();
        let mut buffer = vec![0; 16 * 1024];
        // Until the first whole message one deadline holds, however many bytes trickle in.
        let mut deadline = Instant::now() + FIRST_MESSAGE;
        let mut is_known = false;
        loop {
            tokio::select! {
                outgoing = queue.recv() => match outgoing {
                    Some(bytes) => timeout(CONNECT, writer.write_all(&bytes)).await??,
                    None => return Ok(()),
                },
                read = timeout_at(deadline, reader.read(&mut buffer)) => {
                    let len = read??;
                    if len == 0 {
                        return Ok(());
                    }
                    if is_known {
                        deadline = Instant::now() + IDLE;
                    }
                    framer.push(buffer.get(..len).unwrap_or_default());
                    while let Some(frame) = framer.next().map_err(io::Error::other)? {
                        match frame {
                            Frame::Message(bytes) => {
                                is_known = true;
                                deadline = Instant::now() + IDLE;
                                self.tell(StreamEvent::Message { flow, bytes }).await;
                            }
                            // RFC 5626 §3.5.1: a double CRLF is answered with one.
                            Frame::Ping => timeout(CONNECT, writer.write_all(b"\r\n")).await??,
                        }
                    }
                }
            }
        }
    }
}
