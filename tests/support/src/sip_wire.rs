//! How SIP messages travel to and from a [`SipPeer`](crate::sip_peer::SipPeer): datagrams, a stream of
//! bytes, or WebSocket messages; the last two plain or inside TLS.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use tungstenite::client::IntoClientRequest as _;
use tungstenite::http::{HeaderValue, header};
use tungstenite::{Message as Frame, WebSocket};

use crate::authority::Authority;
use crate::message::Message;

/// Longest wait for a handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A connection, plain or inside TLS.
pub(crate) trait Duplex: Read + Write + Send {}

impl<T: Read + Write + Send> Duplex for T {}

/// What carries messages.
enum Carrier {
    Datagrams(UdpSocket),
    Bytes { stream: Box<dyn Duplex>, unread: Vec<u8> },
    Frames(Box<WebSocket<Box<dyn Duplex>>>),
}

pub(crate) struct Wire {
    carrier: Carrier,
    /// The socket below a stream, for its address and its timeout.
    socket: Option<TcpStream>,
    transport: &'static str,
}

impl Wire {
    pub(crate) fn udp() -> io::Result<Self> {
        Self::udp_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }

    pub(crate) fn udp_at(local: SocketAddr) -> io::Result<Self> {
        let carrier = Carrier::Datagrams(UdpSocket::bind(local)?);
        Ok(Self { carrier, socket: None, transport: "UDP" })
    }

    pub(crate) fn tcp(server: SocketAddr) -> io::Result<Self> {
        let (socket, stream) = connect(server, None)?;
        Ok(Self::bytes(stream, socket, "TCP"))
    }

    /// `host` is the name the server's certificate must have, and `authority` its signer.
    pub(crate) fn tls(server: SocketAddr, host: &str, authority: &Authority) -> io::Result<Self> {
        let (socket, stream) = connect(server, Some((host, authority)))?;
        Ok(Self::bytes(stream, socket, "TLS"))
    }

    fn bytes(stream: Box<dyn Duplex>, socket: TcpStream, transport: &'static str) -> Self {
        let carrier = Carrier::Bytes { stream, unread: Vec::new() };
        Self { carrier, socket: Some(socket), transport }
    }

    /// A WebSocket that offers `protocol`, for a page of `origin`; inside TLS if there is an authority.
    pub(crate) fn ws(
        server: SocketAddr,
        tls: Option<(&str, &Authority)>,
        protocol: &str,
        origin: Option<&str>,
    ) -> io::Result<Self> {
        let (socket, stream) = connect(server, tls)?;
        let transport = if tls.is_some() { "WSS" } else { "WS" };
        let mut request =
            format!("ws://{server}/").into_client_request().map_err(io::Error::other)?;
        let mut put = |name, value: &str| {
            let value = HeaderValue::from_str(value).map_err(io::Error::other)?;
            request.headers_mut().insert(name, value);
            Ok::<(), io::Error>(())
        };
        put(header::SEC_WEBSOCKET_PROTOCOL, protocol)?;
        origin.map_or(Ok(()), |origin| put(header::ORIGIN, origin))?;
        let shaken = tungstenite::client(request, stream);
        let (frames, _) = shaken.map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self { carrier: Carrier::Frames(Box::new(frames)), socket: Some(socket), transport })
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        match (&self.carrier, &self.socket) {
            (Carrier::Datagrams(socket), _) => socket.local_addr(),
            (_, Some(socket)) => socket.local_addr(),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// `UDP`, `TCP`, `TLS`, `WS` or `WSS`, as in Via.
    pub(crate) fn transport(&self) -> &'static str {
        self.transport
    }

    pub(crate) fn is_datagrams(&self) -> bool {
        matches!(self.carrier, Carrier::Datagrams(_))
    }

    /// Sends bytes as they are; `to` is where a datagram goes.
    pub(crate) fn send(&mut self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        match &mut self.carrier {
            Carrier::Datagrams(socket) => socket.send_to(bytes, to).map(drop),
            Carrier::Bytes { stream, .. } => {
                stream.write_all(bytes)?;
                stream.flush()
            }
            Carrier::Frames(socket) => {
                let frame = match std::str::from_utf8(bytes) {
                    Ok(text) => Frame::text(text),
                    Err(_) => Frame::binary(bytes.to_vec()),
                };
                socket.send(frame).map_err(failure)
            }
        }
    }

    /// The next message before `deadline`; a datagram that is no message is passed over.
    ///
    /// # Errors
    /// When the connection was closed or carries what can never become a message.
    pub(crate) fn receive(&mut self, deadline: Instant) -> io::Result<Option<Message>> {
        loop {
            if let Carrier::Bytes { unread, .. } = &mut self.carrier
                && let Some(message) = Message::take(unread).map_err(io::Error::other)?
            {
                return Ok(Some(message));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            // Zero would mean "wait for ever".
            match self.read(left.max(Duration::from_millis(1))) {
                Ok(None) => {}
                Ok(Some(message)) => return Ok(Some(message)),
                Err(e) if is_quiet(&e) && Instant::now() >= deadline => return Ok(None),
                Err(e) if is_quiet(&e) => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Reads once; a message, if that completed one (of a stream: none, its bytes are kept).
    fn read(&mut self, within: Duration) -> io::Result<Option<Message>> {
        if let Some(socket) = &self.socket {
            socket.set_read_timeout(Some(within))?;
        }
        let mut buffer = vec![0; 65_536];
        match &mut self.carrier {
            Carrier::Datagrams(socket) => {
                socket.set_read_timeout(Some(within))?;
                let len = socket.recv(&mut buffer)?;
                Ok(Message::parse(buffer.get(..len).unwrap_or_default()))
            }
            Carrier::Bytes { stream, unread } => {
                let len = stream.read(&mut buffer)?;
                if len == 0 {
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
                unread.extend_from_slice(buffer.get(..len).unwrap_or_default());
                Ok(None)
            }
            Carrier::Frames(socket) => match socket.read().map_err(failure)? {
                Frame::Text(text) => Ok(Message::parse(text.as_bytes())),
                Frame::Binary(bytes) => Ok(Message::parse(&bytes)),
                _ => Ok(None),
            },
        }
    }
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Wire").field(&self.transport).finish()
    }
}

/// A connection, with the socket below it.
fn connect(
    server: SocketAddr,
    tls: Option<(&str, &Authority)>,
) -> io::Result<(TcpStream, Box<dyn Duplex>)> {
    let socket = TcpStream::connect(server)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(HANDSHAKE))?;
    let below = socket.try_clone()?;
    let Some((host, authority)) = tls else { return Ok((below, Box::new(socket))) };
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let session = ClientConnection::new(authority.client(), name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(session, socket);
    // The handshake at once, so that a refusal is seen here.
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok((below, Box::new(stream)))
}

fn failure(error: tungstenite::Error) -> io::Error {
    match error {
        tungstenite::Error::Io(error) => error,
        error => io::Error::other(error),
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
