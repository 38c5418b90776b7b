//! The kind of a transport, and the path a message takes: local address, peer, connection.

use std::net::SocketAddr;

/// A transport protocol of RFC 3261 §18.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Transport {
    /// Datagrams; every message is its own, and may be lost.
    Udp,
    /// A stream; messages are cut by Content-Length.
    Tcp,
}

impl Transport {
    /// Whether retransmission is the transport's business and not ours (RFC 3261 §17).
    pub fn is_reliable(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp => true,
        }
    }

    /// The token in Via and the `transport` parameter.
    pub fn via_token(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }

    /// The value of a URI's `transport` parameter; `None` for the default, UDP.
    pub fn uri_param(self) -> Option<&'static str> {
        match self {
            Self::Udp => None,
            Self::Tcp => Some("tcp"),
        }
    }
}

/// The way one message came or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flow {
    /// The protocol.
    pub transport: Transport,
    /// Our address.
    pub local: SocketAddr,
    /// The other side's address.
    pub peer: SocketAddr,
    /// The shell's number of a stream connection. `None` for datagrams, and for a stream the shell
    /// still has to open.
    pub connection: Option<u64>,
}

impl Flow {
    /// A datagram path.
    pub fn udp(local: SocketAddr, peer: SocketAddr) -> Self {
        Self { transport: Transport::Udp, local, peer, connection: None }
    }

    /// A stream, existing (`Some`) or to be opened (`None`).
    pub fn tcp(local: SocketAddr, peer: SocketAddr, connection: Option<u64>) -> Self {
        Self { transport: Transport::Tcp, local, peer, connection }
    }

    /// Whether two flows are one path: the same connection, or the same protocol and peer when one
    /// of them does not name its connection.
    pub fn is_same_path(&self, other: &Self) -> bool {
        match (self.connection, other.connection) {
            (Some(a), Some(b)) => self.transport == other.transport && a == b,
            _ => self.transport == other.transport && self.peer == other.peer,
        }
    }
}
