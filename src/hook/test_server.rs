//! A small HTTP server on loopback that answers as a test tells it to, well or badly.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use url::Url;

use super::{ResolvedHook, Via};
use crate::model::HookMethod;

/// One request as it came.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// Counted from 0, over all connections.
    pub(super) number: usize,
    /// Counted from 0.
    pub(super) connection: usize,
    /// `POST /path?query HTTP/1.1`.
    pub(super) line: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

pub(super) enum Answer {
    /// These bytes; the connection stays open.
    Raw(String),
    /// These bytes, and the end.
    RawThenClose(String),
    /// The end without a word.
    Close,
    /// These bytes and then nothing, for ever.
    Hang(String),
}

pub(super) struct TestServer {
    pub(super) address: SocketAddr,
    seen: mpsc::UnboundedReceiver<Seen>,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut of_name = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let found = of_name.next().map(|(_, value)| value.as_str());
        assert!(of_name.next().is_none(), "{name} came twice");
        found
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Answer {
    pub(super) fn json(body: &str) -> Self {
        Self::status(200, "application/json; charset=utf-8", body)
    }

    pub(super) fn status(status: u16, content_type: &str, body: &str) -> Self {
        Self::Raw(format!(
            "HTTP/1.1 {status} Any\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    }
}

impl TestServer {
    pub(super) async fn start(answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), answer).await
    }

    pub(super) async fn start_at(
        address: SocketAddr,
        answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (saw, seen) = mpsc::unbounded_channel();
        let answer = Arc::new(answer);
        let requests = Arc::new(AtomicUsize::new(0));
        tokio::spawn(async move {
            for connection in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                let (answer, requests, saw) = (answer.clone(), requests.clone(), saw.clone());
                tokio::spawn(async move {
                    serve(stream, connection, &requests, &saw, &*answer).await;
                });
            }
        });
        Self { address, seen }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn hook(&self, path: &str) -> ResolvedHook {
        ResolvedHook {
            url: Url::parse(&self.url(path)).unwrap(),
            method: HookMethod::Post,
            auth: None,
            via: Via::Http,
        }
    }

    /// The next request, which must come soon.
    pub(super) async fn next(&mut self) -> Seen {
        timeout(Duration::from_secs(10), self.seen.recv()).await.expect("a request").unwrap()
    }

    /// A request that has come already.
    pub(super) fn seen(&mut self) -> Option<Seen> {
        self.seen.try_recv().ok()
    }
}

async fn serve(
    mut stream: TcpStream,
    connection: usize,
    requests: &AtomicUsize,
    saw: &mpsc::UnboundedSender<Seen>,
    answer: &(dyn Fn(&Seen) -> Answer + Send + Sync),
) {
    while let Some(mut seen) = read_request(&mut stream).await {
        seen.connection = connection;
        seen.number = requests.fetch_add(1, Ordering::SeqCst);
        let answer = answer(&seen);
        // The test may have heard enough.
        let _ = saw.send(seen);
        match answer {
            Answer::Raw(bytes) => stream.write_all(bytes.as_bytes()).await.unwrap(),
            Answer::RawThenClose(bytes) => {
                return stream.write_all(bytes.as_bytes()).await.unwrap();
            }
            Answer::Close => return,
            Answer::Hang(bytes) => {
                stream.write_all(bytes.as_bytes()).await.unwrap();
                return std::future::pending().await;
            }
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap().to_owned();
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut seen = Seen { number: 0, connection: 0, line, headers, body: String::new() };
    let length = seen.header("content-length").map_or(0, |value| value.parse().unwrap());
    let mut body = bytes.split_off(head_end + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    seen.body = String::from_utf8(body).unwrap();
    Some(seen)
}
