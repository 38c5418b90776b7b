//! The SIP socket over UDP as a stream of datagrams; sending never waits.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

/// The largest datagram UDP can carry.
const MAX_DATAGRAM_BYTES: usize = 65_535;

/// One datagram and who sent it.
pub struct Datagram {
    pub from: SocketAddr,
    pub bytes: Bytes,
}

/// Yields datagrams until it is dropped. Transient socket errors (an ICMP refusal of something sent
/// earlier) are passed over.
pub struct UdpStream {
    socket: Arc<UdpSocket>,
    buffer: Box<[u8]>,
}

impl UdpStream {
    pub fn new(socket: Arc<UdpSocket>) -> Self {
        Self { socket, buffer: vec![0; MAX_DATAGRAM_BYTES].into_boxed_slice() }
    }
}

impl Stream for UdpStream {
    type Item = Datagram;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Datagram>> {
        let this = &mut *self;
        loop {
            let mut buffer = ReadBuf::new(&mut this.buffer);
            match this.socket.poll_recv_from(cx, &mut buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(from)) => {
                    let bytes = Bytes::copy_from_slice(buffer.filled());
                    return Poll::Ready(Some(Datagram { from, bytes }));
                }
                Poll::Ready(Err(error)) => {
                    tracing::debug!(%error, "SIP socket reported an error");
                }
            }
        }
    }
}

/// Sends one datagram; when the kernel's buffer is full the datagram is lost like any other.
///
/// # Errors
/// The error of the system call, `WouldBlock` included.
pub fn send(socket: &UdpSocket, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
    socket.try_send_to(bytes, to).map(|_| ())
}
