//! SIP over WebSocket (RFC 7118): one SIP message in each WebSocket message.

use std::io;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::handshake::server::{
    ErrorResponse, Request as Handshake, Response as Accepted,
};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

use super::connection::{CONNECT, ConnectionRules, Link};

const SUBPROTOCOL: &str = "sip";
/// A browser answers every ping: one that has been silent for so many is gone.
const MISSED_PINGS: u32 = 3;
const BUFFER_BYTES: usize = 4 * 1024;

/// The WebSocket handshake, as a server: the client must offer the subprotocol `sip` (RFC 7118 §4.1),
/// and its page must come from an origin that is allowed.
///
/// # Errors
/// The handshake failed; the client was told why.
pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    rules: &ConnectionRules,
    stream: S,
) -> io::Result<WebSocketStream<S>> {
    let longest = rules.message_max_bytes;
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * longest)
        .max_message_size(Some(longest))
        .max_frame_size(Some(longest));
    // The callback's error is as large as the library makes it.
    #[expect(clippy::result_large_err, reason = "the library's type")]
    let judge = |request: &Handshake, mut accepted: Accepted| {
        judge(rules, request).map_err(|(status, why)| refusal(status, why))?;
        let name = HeaderValue::from_static(SUBPROTOCOL);
        accepted.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, name);
        Ok(accepted)
    };
    accept_hdr_async_with_config(stream, judge, Some(config)).await.map_err(io::Error::other)
}

fn judge(rules: &ConnectionRules, request: &Handshake) -> Result<(), (StatusCode, &'static str)> {
    let offered = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let mut offered = offered.iter().filter_map(|value| value.to_str().ok());
    if !offered.any(|value| value.split(',').any(|name| name.trim() == SUBPROTOCOL)) {
        return Err((StatusCode::BAD_REQUEST, "subprotocol sip is needed"));
    }
    // Only browsers send an origin, and no page can make them leave it out or lie.
    let origin = request.headers().get(header::ORIGIN);
    let is_known = |origin: &HeaderValue| {
        rules.ws_origins.iter().any(|own| own.as_bytes().eq_ignore_ascii_case(origin.as_bytes()))
    };
    if !rules.ws_origins.is_empty() && !origin.is_some_and(is_known) {
        return Err((StatusCode::FORBIDDEN, "this origin may not connect"));
    }
    Ok(())
}

fn refusal(status: StatusCode, why: &str) -> ErrorResponse {
    let mut response = ErrorResponse::new(Some(why.to_owned()));
    *response.status_mut() = status;
    response
}

/// Carries messages both ways until one side ends it.
///
/// # Errors
/// Why it ended, if not by a peer that closed it.
pub async fn carry<S: AsyncRead + AsyncWrite + Unpin>(
    link: &Link,
    mut socket: WebSocketStream<S>,
    mut queue: mpsc::Receiver<Bytes>,
) -> io::Result<()> {
    let keep_alive = link.rules().keep_alive;
    let patience = (keep_alive * MISSED_PINGS).min(link.rules().idle);
    let mut deadline = Instant::now() + patience;
    let mut ping_at = Instant::now() + keep_alive;
    let ended = loop {
        tokio::select! {
            outgoing = queue.recv() => match outgoing {
                Some(bytes) => {
                    if let Err(error) = write(&mut socket, message(bytes)).await {
                        break Err(error);
                    }
                }
                None => break Ok(()),
            },
            incoming = socket.next() => {
                deadline = Instant::now() + patience;
                let bytes = match incoming {
                    Some(Ok(Message::Text(text))) => Bytes::from(text),
                    Some(Ok(Message::Binary(bytes))) => bytes,
                    Some(Ok(Message::Close(_))) | None => break Ok(()),
                    // A pong to a ping is the library's to send.
                    Some(Ok(_)) => continue,
                    Some(Err(error)) => break Err(failure(error)),
                };
                // Line ends alone keep the connection open, as on other streams (RFC 7118 §6).
                if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
                    if bytes.len() >= 4
                        && link.answers_ping()
                        && let Err(error) = write(&mut socket, Message::text("\r\n")).await
                    {
                        break Err(error);
                    }
                } else if let Err(error) = link.receive(bytes).await {
                    break Err(error);
                }
            }
            () = sleep_until(deadline) => break Err(io::ErrorKind::TimedOut.into()),
            () = sleep_until(ping_at) => {
                ping_at = Instant::now() + keep_alive;
                if let Err(error) = write(&mut socket, Message::Ping(Bytes::new())).await {
                    break Err(error);
                }
            }
        }
    };
    // What is not sent by now is not sent at all: the stack has to know that.
    queue.close();
    // The peer learns at once; it may be gone already.
    let _ = timeout(CONNECT, socket.close(None)).await;
    ended
}

/// Text where it is text: browser libraries expect it.
fn message(bytes: Bytes) -> Message {
    Utf8Bytes::try_from(bytes.clone()).map_or_else(|_| Message::Binary(bytes), Message::Text)
}

async fn write<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    message: Message,
) -> io::Result<()> {
    timeout(CONNECT, socket.send(message)).await?.map_err(failure)
}

fn failure(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        error => io::Error::other(error),
    }
}
