//! Binding the sockets SIP comes in by.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use sip::{Listener, Transport};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::TcpStream;

/// What the kernel is asked to hold of datagrams while the stack is busy. It may give less.
pub const UDP_BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// Silence of a connection after which the kernel asks whether the peer is there.
const PROBE_AFTER: Duration = Duration::from_secs(60);

/// A socket nobody listens on yet; non-blocking.
pub enum Bound {
    Datagrams(UdpSocket),
    Streams(TcpListener),
}

impl Bound {
    /// Binds one socket. An IPv6 address takes no IPv4 along, so that both can have the same port.
    ///
    /// # Errors
    /// The system's, when the address is in use or not ours.
    pub fn open(transport: Transport, address: SocketAddr) -> io::Result<Self> {
        let domain = Domain::for_address(address);
        let is_udp = transport == Transport::Udp;
        let (kind, protocol) =
            if is_udp { (Type::DGRAM, Protocol::UDP) } else { (Type::STREAM, Protocol::TCP) };
        let socket = Socket::new(domain, kind, Some(protocol))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        if is_udp {
            // Refused where a limit of the system is passed; then it stays as it was.
            let _ = socket.set_recv_buffer_size(UDP_BUFFER_BYTES);
            let _ = socket.set_send_buffer_size(UDP_BUFFER_BYTES);
            socket.bind(&address.into())?;
            return Ok(Self::Datagrams(socket.into()));
        }
        // The port can be taken again while connections of the last run are still being closed.
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(Self::Streams(socket.into()))
    }

    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Datagrams(socket) => socket.local_addr(),
            Self::Streams(listener) => listener.local_addr(),
        }
    }
}

/// Prepares a connection: small messages go at once, and a peer that is gone without a word is noticed.
/// What the system refuses stays as it was.
pub fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let probes = TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_AFTER / 4);
    let _ = SockRef::from(stream).set_tcp_keepalive(&probes);
}

/// A bound socket and what the endpoint knows of it.
pub struct Open {
    pub listener: Listener,
    pub socket: Bound,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_may_have_one_port() {
        let v4 = Bound::open(Transport::Udp, "0.0.0.0:0".parse().unwrap()).unwrap();
        let port = v4.local_addr().unwrap().port();
        let v6 = SocketAddr::new("::".parse().unwrap(), port);
        let v6 = Bound::open(Transport::Udp, v6).unwrap();
        assert_eq!(v6.local_addr().unwrap().port(), port);
        assert!(Bound::open(Transport::Udp, v4.local_addr().unwrap()).is_err());
    }
}
