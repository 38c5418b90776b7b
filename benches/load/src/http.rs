//! Load over HTTP/1.1: connections that are kept, one request at a time on each.
//!
//! Closed: each connection sends its next request when the last is answered, which shows how many a
//! server answers. Open: requests have their times beforehand, and an answer's delay counts from there,
//! so one that is late makes those behind it late as well, as it would real clients.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::spread::{Spread, millis};

/// Longest wait for one answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
const BUFFER: usize = 64 * 1_024;

/// What is asked for.
pub(crate) enum Ask {
    Same(Vec<u8>),
    /// Unlike each other, by number.
    Each(Box<dyn Fn(u64) -> Vec<u8> + Send + Sync>),
}

impl Ask {
    fn bytes(&self, number: u64) -> Cow<'_, [u8]> {
        match self {
            Self::Same(bytes) => Cow::Borrowed(bytes),
            Self::Each(make) => Cow::Owned(make(number)),
        }
    }
}

/// A request with a token, as bytes.
pub(crate) fn request(method: &str, path: &str, token: &str, body: &str) -> Vec<u8> {
    let content = match body.len() {
        0 => String::new(),
        length => format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"),
    };
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{content}\r\n{body}"
    )
    .into_bytes()
}

#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) connections: u32,
    pub(crate) time: Duration,
    /// Requests a second, of all connections together; without one, closed.
    pub(crate) rate: Option<f64>,
}

/// What came of it.
#[derive(Default)]
pub(crate) struct Answered {
    /// 2xx.
    pub(crate) good: u64,
    /// Other answers, by status.
    pub(crate) other: BTreeMap<u16, u64>,
    /// Connections that broke.
    pub(crate) broken: u64,
    /// Of bodies.
    pub(crate) bytes: u64,
    pub(crate) ms: Spread,
    pub(crate) took: Duration,
}

/// Asks until the time is over and the last answer is there.
///
/// # Errors
/// When the server cannot be reached.
pub(crate) fn load(server: SocketAddr, ask: &Ask, pace: Pace) -> Result<Answered> {
    let connections: Vec<Connection> =
        (0..pace.connections).map(|_| Connection::open(server)).collect::<Result<_>>()?;
    let (start, number) = (Instant::now(), AtomicU64::new(0));
    let talks: Vec<Talk> = thread::scope(|scope| {
        let number = &number;
        let threads: Vec<_> = (0..)
            .zip(connections)
            .map(|(index, connection)| {
                scope.spawn(move || connection.talk(ask, pace, start, index, number))
            })
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    ensure!(talks.len() == pace.connections as usize, "a thread of the load generator ended");
    let mut answered = Answered { took: start.elapsed(), ..Answered::default() };
    for talk in &talks {
        answered.broken += u64::from(talk.broken);
        answered.bytes += talk.bytes;
        for (&status, &count) in &talk.statuses {
            match status {
                200..=299 => answered.good += count,
                _ => *answered.other.entry(status).or_default() += count,
            }
        }
    }
    answered.ms = Spread::of(talks.iter().flat_map(|talk| &talk.ms).map(|&ms| f64::from(ms)));
    Ok(answered)
}

#[derive(Default)]
struct Talk {
    statuses: BTreeMap<u16, u64>,
    ms: Vec<f32>,
    bytes: u64,
    broken: bool,
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    fn open(server: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(server).with_context(|| format!("connect to {server}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        Ok(Self { stream, buffer: vec![0; BUFFER] })
    }

    /// The part of the load that is this connection's, the `index`-th.
    fn talk(
        mut self,
        ask: &Ask,
        pace: Pace,
        start: Instant,
        index: u32,
        number: &AtomicU64,
    ) -> Talk {
        let (mut talk, end) = (Talk::default(), start + pace.time);
        for turn in 0u32.. {
            let due = match pace.rate {
                None => Instant::now(),
                Some(rate) => {
                    let place = f64::from(turn) * f64::from(pace.connections) + f64::from(index);
                    start + Duration::from_secs_f64(place / rate)
                }
            };
            if due >= end {
                break;
            }
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let bytes = ask.bytes(number.fetch_add(1, Ordering::Relaxed));
            let Ok((status, length)) = self.exchange(&bytes) else {
                talk.broken = true;
                break;
            };
            talk.ms.push(millis(due.elapsed()) as f32);
            talk.bytes += length as u64;
            *talk.statuses.entry(status).or_default() += 1;
        }
        talk
    }

    /// Status and length of the body.
    fn exchange(&mut self, request: &[u8]) -> Result<(u16, usize)> {
        self.stream.write_all(request)?;
        let (mut filled, mut head) = (0, None);
        let head = loop {
            let free = self.buffer.get_mut(filled..).unwrap_or_default();
            let read = self.stream.read(free)?;
            ensure!(read > 0, "closed in the middle of an answer");
            filled += read;
            head = head.or_else(|| Head::of(self.buffer.get(..filled)?));
            if let Some(head) = head {
                break head;
            }
        };
        let mut left =
            (head.bytes + head.body).checked_sub(filled).context("more than asked for")?;
        while left > 0 {
            let read = self.stream.read(&mut self.buffer)?;
            ensure!(read > 0, "closed in the middle of a body");
            left = left.checked_sub(read).context("more than asked for")?;
        }
        Ok((head.status, head.body))
    }
}

/// Of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    /// Its own length.
    bytes: usize,
    body: usize,
}

impl Head {
    /// `None` until it is complete.
    fn of(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let text = std::str::from_utf8(bytes.get(..end)?).ok()?;
        let status = text.split(' ').nth(1)?.parse().ok()?;
        let length = text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then_some(value.trim())
        });
        Some(Self { status, bytes: end, body: length.map_or(Some(0), |text| text.parse().ok())? })
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_complete() {
        let text = b"HTTP/1.1 201 Created\r\ncontent-Length: 7\r\n\r\n{\"sid\"";
        assert_eq!(Head::of(text), Some(Head { status: 201, bytes: 43, body: 7 }));
        assert_eq!(Head::of(&text[..40]), None);
        let none = b"HTTP/1.1 204 No Content\r\n\r\n";
        assert_eq!(Head::of(none), Some(Head { status: 204, bytes: 27, body: 0 }));
    }

    #[test]
    fn what_is_answered_is_counted_by_status() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let serve = thread::spawn(move || {
            let mut peers: Vec<TcpStream> = (0..2).map(|_| listener.accept().unwrap().0).collect();
            let mut asked = 0;
            let mut buffer = [0; 1_000];
            // One after the other, until they hang up: it is a load of two requests each.
            for peer in &mut peers {
                while peer.read(&mut buffer).unwrap() > 0 {
                    asked += 1;
                    let answer: &[u8] = match asked {
                        2 => b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
                        _ => b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
                    };
                    peer.write_all(answer).unwrap();
                }
            }
            asked
        });
        let ask = Ask::Same(request("GET", "/", "t", ""));
        let time = Duration::from_secs(1);
        // Numbers 0 to 3, a quarter of a second apart.
        let pace = Pace { connections: 2, time, rate: Some(4.0) };
        let answered = load(server, &ask, pace).unwrap();
        assert_eq!(serve.join().unwrap(), 4);
        assert_eq!((answered.good, answered.broken, answered.bytes), (3, 0, 9));
        assert_eq!(answered.other, BTreeMap::from([(503, 1)]));
    }
}
