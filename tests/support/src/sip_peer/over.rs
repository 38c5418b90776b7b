//! Peers over each transport.

use std::io;
use std::net::SocketAddr;

use super::SipPeer;
use crate::authority::Authority;
use crate::sip_wire::Wire;

impl SipPeer {
    /// # Panics
    /// When no socket can be had.
    #[must_use]
    pub fn udp(server: SocketAddr) -> Self {
        Self::over(Wire::udp().expect("a UDP socket"), server)
    }

    /// # Panics
    /// When the server does not accept the connection.
    #[must_use]
    pub fn tcp(server: SocketAddr) -> Self {
        Self::over(Wire::tcp(server).expect("the server accepts TCP"), server)
    }

    /// Over UDP from an address of the server's family.
    ///
    /// # Panics
    /// When no socket can be had.
    #[must_use]
    pub fn udp_from(local: SocketAddr, server: SocketAddr) -> Self {
        Self::over(Wire::udp_at(local).expect("a UDP socket"), server)
    }

    /// Over TLS; the server must show a certificate for `host`, signed by `authority`.
    ///
    /// # Errors
    /// When it does not.
    pub fn tls(server: SocketAddr, host: &str, authority: &Authority) -> io::Result<Self> {
        Ok(Self::over(Wire::tls(server, host, authority)?, server))
    }

    /// Over WebSocket, offering a subprotocol, for a page of `origin`.
    ///
    /// # Errors
    /// When the server refuses the handshake; the text holds its status.
    pub fn ws(server: SocketAddr, protocol: &str, origin: Option<&str>) -> io::Result<Self> {
        Ok(Self::over(Wire::ws(server, None, protocol, origin)?, server))
    }

    /// Over WebSocket inside TLS.
    ///
    /// # Errors
    /// As [`SipPeer::tls`] and [`SipPeer::ws`].
    pub fn wss(server: SocketAddr, host: &str, authority: &Authority) -> io::Result<Self> {
        Ok(Self::over(Wire::ws(server, Some((host, authority)), "sip", None)?, server))
    }
}
