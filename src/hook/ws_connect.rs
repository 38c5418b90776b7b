//! Opens WebSockets to applications, as a client (contract verbs.md §2.1, §4.1): the same guard of
//! addresses as for HTTP, TLS with the roots the system trusts, and a handshake within a time limit.
//!
//! Knows nothing of what is said over the socket. The handshake is written here and not by the library,
//! which insists that an offered subprotocol is accepted; audio sockets may do without (D-43).

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::{
    Request, Response, generate_key, generate_request,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::handshake::machine::TryParse as _;
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderName, header};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use url::Url;

use super::guard::{Guard, Unreachable};
use super::http::fault::fault_of;
use super::resolve::{Login, shown};
use super::{ConnectFault, HookClient, HookError};

/// The configurable part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WsConfig {
    /// From connecting to the end of the handshake; a redirect has the same again.
    pub handshake_timeout: Duration,
    /// A longer message ends the socket.
    pub message_max_bytes: usize,
    /// How long an application has to acknowledge a message.
    pub ack_timeout: Duration,
    /// PEM file of authorities beside those the system trusts.
    pub ca_file: Option<PathBuf>,
}

impl Default for WsConfig {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_millis(1500),
            message_max_bytes: 1024 * 1024,
            ack_timeout: Duration::from_secs(5),
            ca_file: None,
        }
    }
}

/// Where a WebSocket is to be opened, and how.
#[derive(Clone, Debug)]
pub struct WsTarget<'a> {
    /// `ws` or `wss`, without user name and password.
    pub url: &'a Url,
    pub auth: Option<&'a Login>,
    /// What is offered, the dearest first.
    pub subprotocols: &'a [&'a str],
    /// Whether an answer that accepts none of them is a failure.
    pub needs_subprotocol: bool,
}

/// What came over a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WsIncoming {
    Text(Utf8Bytes),
    Binary(Bytes),
    /// The peer closed it, with that code if it named one. Nothing comes after this.
    Closed(Option<u16>),
    /// It broke, for that reason. Nothing comes after this.
    Lost(String),
}

/// A message could not be sent: the socket is of no more use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("websocket lost: {0}")]
pub struct WsLost(String);

/// An open WebSocket. Dropping it ends the connection without a word.
pub struct WsSocket {
    inner: WebSocketStream<Wire>,
    subprotocol: Option<String>,
}

type Wire = Box<dyn Io>;

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

impl HookClient {
    /// Opens a WebSocket; up to `MAX_REDIRECTS` redirects are followed, each checked like the first
    /// address. The credentials go to the first origin only.
    ///
    /// # Errors
    /// [`HookError::ForbiddenAddress`], [`HookError::Connect`], [`HookError::Status`] for an
    /// answer that is no handshake, [`HookError::Subprotocol`].
    pub async fn connect_ws(&self, target: &WsTarget<'_>) -> Result<WsSocket, HookError> {
        self.ws.open(target).await
    }
}

/// Opens WebSockets. Cloning shares the roots.
#[derive(Clone)]
pub(super) struct Dialer(Arc<Parts>);

struct Parts {
    config: WsConfig,
    user_agent: String,
    guard: Guard,
    tls: OnceLock<Option<TlsConnector>>,
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.config.fmt(f)
    }
}

/// What became of one attempt.
enum Outcome {
    Open(Box<WsSocket>),
    Elsewhere(Url),
}

impl Dialer {
    pub(super) fn ack_timeout(&self) -> Duration {
        self.0.config.ack_timeout
    }

    pub(super) fn new(config: &WsConfig, user_agent: &str, guard: Guard) -> Self {
        let (config, user_agent) = (config.clone(), user_agent.to_owned());
        Self(Arc::new(Parts { config, user_agent, guard, tls: OnceLock::new() }))
    }

    async fn open(&self, target: &WsTarget<'_>) -> Result<WsSocket, HookError> {
        let mut url = target.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let is_first_origin = url.origin() == target.url.origin();
            let auth = target.auth.filter(|_| is_first_origin);
            let limit = self.0.config.handshake_timeout;
            match timeout(limit, self.attempt(&url, auth, target)).await {
                Ok(Ok(Outcome::Open(socket))) => return Ok(*socket),
                Ok(Ok(Outcome::Elsewhere(next))) => url = next,
                Ok(Err(error)) => return Err(error),
                Err(_) => {
                    let fault = ConnectFault::TimedOut;
                    return Err(HookError::Connect { url: shown(&url), fault });
                }
            }
        }
        Err(HookError::Status { url: shown(&url), status: TOO_MANY_REDIRECTS })
    }

    async fn attempt(
        &self,
        url: &Url,
        auth: Option<&Login>,
        target: &WsTarget<'_>,
    ) -> Result<Outcome, HookError> {
        let connect = |fault| HookError::Connect { url: shown(url), fault };
        let lost = |error: io::Error| connect(fault_of(error.kind()));
        let key = generate_key();
        let request = self.request(url, auth, target.subprotocols, &key);
        let request = request.ok_or_else(|| HookError::BadUrl { url: shown(url) })?;
        let mut wire = self.wire(url).await?;
        wire.write_all(&request).await.map_err(lost)?;
        let (response, rest) = read_response(&mut wire, url).await?;
        let headers = response.headers();
        let status = response.status().as_u16();
        if matches!(status, 301 | 302 | 303 | 307 | 308)
            && let Some(next) = text(headers, &header::LOCATION)
        {
            let next =
                redirected(url, next).ok_or_else(|| HookError::BadUrl { url: shown(url) })?;
            return Ok(Outcome::Elsewhere(next));
        }
        if status != 101 {
            return Err(HookError::Status { url: shown(url), status });
        }
        if !is_handshake(headers, &key) {
            return Err(connect(ConnectFault::NotWebSocket));
        }
        let subprotocol = text(headers, &header::SEC_WEBSOCKET_PROTOCOL).map(str::to_owned);
        let is_agreed = match &subprotocol {
            Some(name) => target.subprotocols.contains(&name.as_str()),
            None => !target.needs_subprotocol,
        };
        if !is_agreed {
            return Err(HookError::Subprotocol { url: shown(url) });
        }
        let longest = self.0.config.message_max_bytes;
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(MAX_WRITE_BYTES)
            .max_message_size(Some(longest))
            .max_frame_size(Some(longest));
        let inner =
            WebSocketStream::from_partially_read(wire, rest, Role::Client, Some(config)).await;
        Ok(Outcome::Open(Box::new(WsSocket { inner, subprotocol })))
    }

    /// The handshake as it goes on the wire; nothing for a URL that cannot be written.
    fn request(
        &self,
        url: &Url,
        auth: Option<&Login>,
        subprotocols: &[&str],
        key: &str,
    ) -> Option<Vec<u8>> {
        let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let mut request = Request::builder()
            .uri(path)
            .header(header::HOST, host)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, key)
            .header(header::USER_AGENT, &self.0.user_agent);
        if !subprotocols.is_empty() {
            request = request.header(header::SEC_WEBSOCKET_PROTOCOL, subprotocols.join(", "));
        }
        if let Some(Login { username, password }) = auth {
            let credentials = BASE64.encode(format!("{username}:{}", password.0));
            request = request.header(header::AUTHORIZATION, format!("Basic {credentials}"));
        }
        let (bytes, _) = generate_request(request.body(()).ok()?).ok()?;
        Some(bytes)
    }

    async fn wire(&self, url: &Url) -> Result<Wire, HookError> {
        let connect = |fault| HookError::Connect { url: shown(url), fault };
        let addresses = self.0.guard.addresses(url).await.map_err(|error| match error {
            Unreachable::Forbidden(_) => HookError::ForbiddenAddress { url: shown(url) },
            Unreachable::NotFound(_) => connect(ConnectFault::Dns),
        })?;
        let stream = TcpStream::connect(addresses.as_slice()).await;
        let stream = stream.map_err(|error| connect(fault_of(error.kind())))?;
        // Without it small messages wait for each other; it fails for a dead connection only.
        let _ = stream.set_nodelay(true);
        if url.scheme() != "wss" {
            return Ok(Box::new(stream));
        }
        let tls = self.tls().await.ok_or_else(|| connect(ConnectFault::Tls))?;
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(|_| connect(ConnectFault::Tls))?;
        let stream = tls.connect(name, stream).await.map_err(|_| connect(ConnectFault::Tls))?;
        Ok(Box::new(stream))
    }

    /// Reads the authorities when the first `wss` needs them, off the runtime's threads.
    async fn tls(&self) -> Option<TlsConnector> {
        if let Some(tls) = self.0.tls.get() {
            return tls.clone();
        }
        let parts = self.0.clone();
        let read =
            move || parts.tls.get_or_init(|| tls_connector(parts.config.ca_file.as_ref())).clone();
        tokio::task::spawn_blocking(read).await.ok().flatten()
    }
}

impl WsSocket {
    /// What the peer accepted of the subprotocols that were offered.
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// The next message; pings are answered meanwhile. May be cancelled without loss.
    pub async fn next(&mut self) -> WsIncoming {
        loop {
            return match self.inner.next().await {
                Some(Ok(Message::Text(text))) => WsIncoming::Text(text),
                Some(Ok(Message::Binary(bytes))) => WsIncoming::Binary(bytes),
                Some(Ok(Message::Close(frame))) => {
                    // The answer to it is the library's, and goes out with the next flush.
                    let _ = timeout(CLOSE_LIMIT, self.inner.flush()).await;
                    WsIncoming::Closed(frame.map(|frame| frame.code.into()))
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Err(Error::ConnectionClosed | Error::AlreadyClosed)) => {
                    WsIncoming::Closed(None)
                }
                Some(Err(error)) => WsIncoming::Lost(error.to_string()),
                None => WsIncoming::Lost("end of stream".to_owned()),
            };
        }
    }

    /// # Errors
    /// [`WsLost`]; also when the peer takes nothing for [`WRITE_LIMIT`].
    pub async fn send_text(&mut self, text: String) -> Result<(), WsLost> {
        self.send(Message::text(text)).await
    }

    /// # Errors
    /// As [`WsSocket::send_text`].
    pub async fn send_binary(&mut self, bytes: Bytes) -> Result<(), WsLost> {
        self.send(Message::Binary(bytes)).await
    }

    /// Asks the peer for a sign of life, which [`WsSocket::next`] takes in silence.
    ///
    /// # Errors
    /// As [`WsSocket::send_text`].
    pub async fn ping(&mut self) -> Result<(), WsLost> {
        self.send(Message::Ping(Bytes::new())).await
    }

    /// Closes with a code and waits for the peer's word on it, but not for long.
    pub async fn close(mut self, code: u16, reason: &'static str) {
        let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
        let closing = async {
            if self.inner.close(Some(frame)).await.is_ok() {
                while let Some(Ok(_)) = self.inner.next().await {}
            }
        };
        // The peer may be gone; then nobody is told.
        let _ = timeout(CLOSE_LIMIT, closing).await;
    }

    async fn send(&mut self, message: Message) -> Result<(), WsLost> {
        match timeout(WRITE_LIMIT, self.inner.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(WsLost(error.to_string())),
            Err(_) => Err(WsLost("the peer takes nothing".to_owned())),
        }
    }
}

impl fmt::Debug for WsSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WsSocket").field("subprotocol", &self.subprotocol).finish_non_exhaustive()
    }
}

/// The head of the answer, and what was read beyond it.
async fn read_response(wire: &mut Wire, url: &Url) -> Result<(Response, Vec<u8>), HookError> {
    let connect = |fault| HookError::Connect { url: shown(url), fault };
    let mut bytes = Vec::with_capacity(1024);
    loop {
        match wire.read_buf(&mut bytes).await {
            Ok(0) => return Err(connect(ConnectFault::Reset)),
            Ok(_) => {}
            Err(error) => return Err(connect(fault_of(error.kind()))),
        }
        match Response::try_parse(&bytes) {
            Ok(Some((length, response))) => return Ok((response, bytes.split_off(length))),
            Ok(None) if bytes.len() < MAX_HEAD_BYTES => {}
            Ok(None) | Err(_) => return Err(connect(ConnectFault::NotWebSocket)),
        }
    }
}

/// RFC 6455 §4.2.2.
fn is_handshake(headers: &HeaderMap, key: &str) -> bool {
    let says = |name: &HeaderName, word: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        let mut words = values.flat_map(|value| value.split(','));
        words.any(|given| given.trim().eq_ignore_ascii_case(word))
    };
    says(&header::UPGRADE, "websocket")
        && says(&header::CONNECTION, "upgrade")
        && text(headers, &header::SEC_WEBSOCKET_ACCEPT)
            .is_some_and(|accept| accept == derive_accept_key(key.as_bytes()))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// Where a redirect leads: to a WebSocket, also where it is written as HTTP; credentials in it do not
/// count.
fn redirected(from: &Url, location: &str) -> Option<Url> {
    let mut next = from.join(location).ok()?;
    let scheme = match next.scheme() {
        "http" | "ws" => "ws",
        "https" | "wss" => "wss",
        _ => return None,
    };
    next.set_scheme(scheme).ok()?;
    // Fails only for URLs without a host.
    let _ = next.set_username("");
    let _ = next.set_password(None);
    next.has_host().then_some(next)
}

fn tls_connector(ca_file: Option<&PathBuf>) -> Option<TlsConnector> {
    let mut roots = RootCertStore::empty();
    // Some of a system's may be unreadable; the others serve.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        match CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
            Ok(own) => _ = roots.add_parsable_certificates(own),
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "authorities cannot be read");
            }
        }
    }
    if roots.is_empty() {
        tracing::warn!("no certificates to trust: wss applications will fail");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Some(TlsConnector::from(Arc::new(config)))
}

/// How long a peer may take nothing of what it is sent.
pub const WRITE_LIMIT: Duration = Duration::from_secs(10);

const CLOSE_LIMIT: Duration = Duration::from_secs(1);
const MAX_REDIRECTS: usize = 2;
const TOO_MANY_REDIRECTS: u16 = 508;
const MAX_HEAD_BYTES: usize = 16 * 1024;
const BUFFER_BYTES: usize = 4 * 1024;
/// Of frames that are not written yet; a single message may be as long.
const MAX_WRITE_BYTES: usize = 16 * 1024 * 1024;

#[cfg(test)]
mod tests;
