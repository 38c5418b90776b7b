//! One SIP socket over UDP as a stream of datagrams; sending never waits.
//!
//! A datagram is dropped while it still lies in the one buffer when its source is too fast or banned,
//! so that a flood costs one system call and one look into a table for each, and no memory. Keep-alives
//! end here: STUN is answered (RFC 5626 §3.5.2), line ends alone are not.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use futures_util::Stream;
use sip::transport::stun;
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
            if this.defence.admit(now, from.ip()) != Admission::Pass {
                continue;
            }
            if stun::is_stun(message) {
                if let Some(answer) = stun::answer(message, from) {
                    // A keep-alive that is lost is sent again.
                    let _ = send(&this.socket, from, &answer);
                }
                continue;
            }
            let is_good = (MIN_DATAGRAM_BYTES..=this.longest).contains(&message.len())
                && this.defence.inspect(now, from.ip(), false, message) == Admission::Pass;
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::StreamExt;

    use super::*;
    use crate::rate::Buckets;
    use crate::sip_io::ban::BanRules;

    /// RFC 8489: a binding request without attributes.
    const STUN: [u8; 20] = *b"\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl";

    async fn socket() -> (Arc<UdpSocket>, SocketAddr) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let local = socket.local_addr().unwrap();
        (Arc::new(socket), local)
    }

    #[tokio::test]
    async fn a_flood_is_dropped_and_others_are_heard() {
        let (own, local) = socket().await;
        let hour = Duration::from_secs(3600);
        let rules = BanRules { failures: 1, window: hour, time: hour, ..BanRules::default() };
        let defence = Defence::new(Buckets::new(1, 9), rules, Vec::new());
        let mut stream = UdpStream::new(own, local, defence.clone(), 100);
        let (flooder, source) = socket().await;
        defence.failed(Instant::now(), source.ip(), false);
        let sent = 4 * DROPS_IN_A_ROW;
        for _ in 0..sent {
            flooder.send_to(&[b'x'; 50], local).await.unwrap();
        }
        let friend = UdpSocket::bind("127.0.0.2:0").await.unwrap();
        for len in [4, 101, 99] {
            friend.send_to(&vec![b'y'; len], local).await.unwrap();
        }
        let heard = stream.next().await.unwrap();
        assert_eq!((heard.local, heard.bytes.len(), heard.bytes[0]), (local, 99, b'y'));
        assert_eq!(defence.sweep(Instant::now()).dropped, sent as u64);
    }

    #[tokio::test]
    async fn stun_is_answered_with_the_address_that_was_seen() {
        let (own, local) = socket().await;
        let defence = Defence::new(Buckets::new(9, 9), BanRules::default(), Vec::new());
        let mut stream = UdpStream::new(own, local, defence, 100);
        let (phone, address) = socket().await;
        phone.send_to(&STUN, local).await.unwrap();
        let mut answer = [0; 100];
        let seen = tokio::select! {
            _ = stream.next() => panic!("STUN is no SIP"),
            seen = phone.recv(&mut answer) => seen.unwrap(),
            () = tokio::time::sleep(Duration::from_secs(10)) => panic!("no answer"),
        };
        assert_eq!(Some(&answer[..seen]), stun::answer(&STUN, address).as_deref());
    }
}
