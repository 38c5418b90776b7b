//! One SIP socket over UDP as a stream of datagrams; sending never waits.
//!
//! A datagram is dropped while it still lies in the one buffer when its source is too fast or banned,
//! so that a flood costs one system call and one look into a table for each, and no memory.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use futures_util::Stream;
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

use super::defence::{Admission, Defence};

/// The largest datagram UDP can carry.
const MAX_DATAGRAM_BYTES: usize = 65_535;
/// Less than any SIP message has: what keeps a NAT open (CRLF and the like).
const MIN_DATAGRAM_BYTES: usize = 20;
/// Datagrams dropped before other sockets and the actor's orders have their turn.
const DROPS_IN_A_ROW: usize = 32;

/// One datagram, where it came in, and who sent it.
pub struct Datagram {
    pub local: SocketAddr,
    pub from: SocketAddr,
    pub bytes: Bytes,
}

/// Yields datagrams until it is dropped. Transient socket errors (an ICMP refusal of something sent
/// earlier) are passed over.
pub struct UdpStream {
    socket: Arc<UdpSocket>,
    local: SocketAddr,
    buffer: Box<[u8]>,
    defence: Defence,
    longest: usize,
}

impl UdpStream {
    /// Datagrams of `socket`, which is bound to `local`; those over `longest` octets are dropped.
    pub fn new(
        socket: Arc<UdpSocket>,
        local: SocketAddr,
        defence: Defence,
        longest: usize,
    ) -> Self {
        let buffer = vec![0; MAX_DATAGRAM_BYTES].into_boxed_slice();
        Self { socket, local, buffer, defence, longest }
    }
}

impl Stream for UdpStream {
    type Item = Datagram;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Datagram>> {
        let this = &mut *self;
        for _ in 0..DROPS_IN_A_ROW {
            let mut buffer = ReadBuf::new(&mut this.buffer);
            let from = match this.socket.poll_recv_from(cx, &mut buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(from)) => from,
                Poll::Ready(Err(error)) => {
                    tracing::debug!(%error, "SIP socket reported an error");
                    continue;
                }
            };
            let (now, message) = (Instant::now(), buffer.filled());
            let is_good = this.defence.admit(now, from.ip()) == Admission::Pass
                && (MIN_DATAGRAM_BYTES..=this.longest).contains(&message.len())
                && this.defence.inspect(now, from.ip(), message) == Admission::Pass;
            if is_good {
                let bytes = Bytes::copy_from_slice(message);
                return Poll::Ready(Some(Datagram { local: this.local, from, bytes }));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Sends one datagram; when the kernel's buffer is full the datagram is lost like any other.
///
/// # Errors
/// The error of the system call, `WouldBlock` included.
pub fn send(socket: &UdpSocket, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
    socket.try_send_to(bytes, to).map(|_| ())
}
