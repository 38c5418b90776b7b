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
    /// The same inside TLS.
    Tls,
    /// WebSocket (RFC 7118); one message in each WebSocket message.
    Ws,
    /// WebSocket inside TLS.
    Wss,
}

impl Transport {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss];

    /// Whether retransmission is the transport's business and not ours (RFC 3261 §17).
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Self::Udp)
    }

    /// Whether nobody on the way can read along.
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    /// Whether only the client can open the connection: a browser is reached by its own or not at all
    /// (RFC 7118 §5).
    pub const fn is_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    /// The token in Via.
    pub const fn via_token(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// The same in lower case: the name in a URI's `transport` parameter, in configuration and REST.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// From a name, in any case of letters.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|transport| transport.name().eq_ignore_ascii_case(name))
    }

    /// The value of a URI's `transport` parameter; `None` for the default, UDP. `wss` is no such
    /// value: RFC 7118 §5.5 writes `ws` and means the connection there is.
    pub const fn uri_param(self) -> Option<&'static str> {
        match self {
            Self::Udp => None,
            Self::Wss => Some("ws"),
            other => Some(other.name()),
        }
    }

    /// The port of a URI or Via that names none (RFC 3261 §19.1.2).
    pub const fn default_port(self) -> u16 {
        if self.is_secure() { 5061 } else { 5060 }
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

    /// A path of any kind, without connection yet.
    pub fn new(transport: Transport, local: SocketAddr, peer: SocketAddr) -> Self {
        Self { transport, local, peer, connection: None }
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
