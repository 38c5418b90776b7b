//! How SIP messages travel to and from a [`SipPeer`](crate::sip_peer::SipPeer): datagrams or one stream.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use crate::message::Message;

#[derive(Debug)]
pub(crate) enum Wire {
    Udp(UdpSocket),
    Tcp { stream: TcpStream, unread: Vec<u8> },
}

impl Wire {
    pub(crate) fn udp() -> io::Result<Self> {
        Ok(Self::Udp(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?))
    }

    pub(crate) fn tcp(server: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        Ok(Self::Tcp { stream, unread: Vec::new() })
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Udp(socket) => socket.local_addr(),
            Self::Tcp { stream, .. } => stream.local_addr(),
        }
    }

    /// `UDP` or `TCP`, as in Via.
    pub(crate) fn transport(&self) -> &'static str {
        match self {
            Self::Udp(_) => "UDP",
            Self::Tcp { .. } => "TCP",
        }
    }

    /// Sends bytes as they are; `to` is where a datagram goes.
    pub(crate) fn send(&mut self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        match self {
            Self::Udp(socket) => socket.send_to(bytes, to).map(drop),
            Self::Tcp { stream, .. } => stream.write_all(bytes),
        }
    }

    /// The next message before `deadline`; a datagram that is no message is passed over.
    ///
    /// # Errors
    /// When the connection was closed or carries what can never become a message.
    pub(crate) fn receive(&mut self, deadline: Instant) -> io::Result<Option<Message>> {
        let mut buffer = vec![0; 65_536];
        loop {
            if let Self::Tcp { unread, .. } = self
                && let Some(message) = Message::take(unread).map_err(io::Error::other)?
            {
                return Ok(Some(message));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            // Zero would mean "wait for ever".
            let bytes = match self.read(&mut buffer, left.max(Duration::from_millis(1))) {
                Ok(len) => buffer.get(..len).unwrap_or_default(),
                Err(e) if is_quiet(&e) && Instant::now() >= deadline => return Ok(None),
                Err(e) if is_quiet(&e) => continue,
                Err(e) => return Err(e),
            };
            match self {
                Self::Udp(_) => {
                    if let Some(message) = Message::parse(bytes) {
                        return Ok(Some(message));
                    }
                }
                Self::Tcp { .. } if bytes.is_empty() => {
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
                Self::Tcp { unread, .. } => unread.extend_from_slice(bytes),
            }
        }
    }

    fn read(&mut self, buffer: &mut [u8], within: Duration) -> io::Result<usize> {
        match self {
            Self::Udp(socket) => {
                socket.set_read_timeout(Some(within))?;
                socket.recv(buffer)
            }
            Self::Tcp { stream, .. } => {
                stream.set_read_timeout(Some(within))?;
                stream.read(buffer)
            }
        }
    }
}

/// Nothing came in time, or (over UDP) an ICMP answer to something sent before.
fn is_quiet(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock
            | io::ErrorKind::TimedOut
            | io::ErrorKind::Interrupted
            | io::ErrorKind::ConnectionRefused
    )
}
