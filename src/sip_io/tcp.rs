//! SIP over a stream of bytes, TCP or TLS: messages cut by their length, keep-alives (RFC 5626 §3.5.1).

use std::io;
use std::time::Duration;

use bytes::Bytes;
use sip::{Frame, StreamFramer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::connection::{CONNECT, Link};

/// A stranger that connects and says nothing, and a message that does not end, are waited for so long.
const PATIENCE: Duration = Duration::from_secs(30);
const PING: &[u8] = b"\r\n\r\n";
const PONG: &[u8] = b"\r\n";

/// Carries messages both ways until one side ends it.
///
/// # Errors
/// Why it ended, if not by a peer that closed it.
pub async fn carry<S: AsyncRead + AsyncWrite + Unpin>(
    link: &Link,
    stream: S,
    mut queue: mpsc::Receiver<Bytes>,
) -> io::Result<()> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut framer = StreamFramer::new();
    let mut buffer = vec![0; 4 * 1024];
    let mut watch = Watch::new(link);
    let ended = loop {
        tokio::select! {
            outgoing = queue.recv() => match outgoing {
                Some(bytes) => {
                    if let Err(error) = write(&mut writer, &bytes).await {
                        break Err(error);
                    }
                    watch.sent();
                }
                None => break Ok(()),
            },
            read = reader.read(&mut buffer) => {
                let len = match read {
                    Ok(0) => break Ok(()),
                    Ok(len) => len,
                    Err(error) => break Err(error),
                };
                framer.push(buffer.get(..len).unwrap_or_default());
                match take(link, &mut framer, &mut writer).await {
                    Ok(had_message) => watch.heard(had_message, framer.is_partial()),
                    Err(error) => break Err(error),
                }
            }
            () = sleep_until(watch.deadline) => break Err(io::ErrorKind::TimedOut.into()),
            () = sleep_until(watch.ping_at) => {
                if link.is_ours && let Err(error) = write(&mut writer, PING).await {
                    break Err(error);
                }
                watch.sent();
            }
        }
    };
    // What is not sent by now is not sent at all: the stack has to know that.
    queue.close();
    // The peer learns at once, and TLS says that nothing was cut off. It may be gone already.
    let _ = timeout(CONNECT, writer.shutdown()).await;
    ended
}

/// Hands on every whole message there is; true if there was one.
async fn take<W: AsyncWrite + Unpin>(
    link: &Link,
    framer: &mut StreamFramer,
    writer: &mut W,
) -> io::Result<bool> {
    let mut had_message = false;
    while let Some(frame) = framer.next().map_err(io::Error::other)? {
        match frame {
            Frame::Message(bytes) => {
                had_message = true;
                link.receive(bytes).await?;
            }
            Frame::Ping if link.answers_ping() => write(writer, PONG).await?,
            Frame::Ping => {}
        }
    }
    Ok(had_message)
}

async fn write<W: AsyncWrite + Unpin>(writer: &mut W, bytes: &[u8]) -> io::Result<()> {
    let all = async {
        writer.write_all(bytes).await?;
        writer.flush().await
    };
    timeout(CONNECT, all).await?
}

/// When a connection has been silent for too long.
struct Watch<'a> {
    link: &'a Link,
    /// The end, unless something comes in.
    deadline: Instant,
    ping_at: Instant,
    /// Whether a whole message has come.
    is_known: bool,
    partial_since: Option<Instant>,
}

impl<'a> Watch<'a> {
    fn new(link: &'a Link) -> Self {
        let now = Instant::now();
        // Until the first whole message one deadline holds, however many bytes trickle in.
        let patience = if link.is_ours { link.rules().idle } else { PATIENCE };
        Self {
            link,
            deadline: now + patience,
            ping_at: now + link.rules().keep_alive,
            is_known: link.is_ours,
            partial_since: None,
        }
    }

    fn sent(&mut self) {
        self.ping_at = Instant::now() + self.link.rules().keep_alive;
    }

    fn heard(&mut self, had_message: bool, is_partial: bool) {
        let now = Instant::now();
        self.is_known |= had_message;
        self.partial_since = match self.partial_since {
            Some(since) if is_partial && !had_message => Some(since),
            _ => is_partial.then_some(now),
        };
        if self.is_known {
            let rest = self.partial_since.map(|since| since + PATIENCE);
            self.deadline = rest.unwrap_or_else(|| now + self.link.rules().idle);
        }
    }
}
