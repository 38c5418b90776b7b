//! Virtual time and a virtual wire for tests: two endpoints, one seeded link that loses, doubles and
//! reorders datagrams. Hours pass in milliseconds, and the same seed gives the same hours.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::endpoint::{Config, Endpoint, Event, Output};
use crate::transport::{Flow, Transport};

/// The start of virtual time: the one clock read of this crate.
#[expect(clippy::disallowed_methods, reason = "an Instant cannot be made up")]
pub fn epoch() -> Instant {
    Instant::now()
}

/// How bad a link is.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    /// Lost datagrams per thousand.
    pub loss: u32,
    /// Doubled datagrams per thousand.
    pub doubled: u32,
    /// The shortest way through, in milliseconds.
    pub delay_ms: u32,
    /// What chance adds at most; more than the gap between two datagrams reorders them.
    pub jitter_ms: u32,
}

impl Link {
    /// A link that delivers everything in order, 10 ms later.
    pub const GOOD: Self = Self { loss: 0, doubled: 0, delay_ms: 10, jitter_ms: 0 };
    /// A link nobody would pay for.
    pub const BAD: Self = Self { loss: 200, doubled: 100, delay_ms: 5, jitter_ms: 700 };
    /// No link.
    pub const CUT: Self = Self { loss: 1_000, doubled: 0, delay_ms: 0, jitter_ms: 0 };
}

/// One of the two endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The first.
    A,
    /// The second.
    B,
}

impl Side {
    /// The address of this side.
    pub fn addr(self) -> SocketAddr {
        match self {
            Self::A => SocketAddr::from(([192, 0, 2, 1], 5060)),
            Self::B => SocketAddr::from(([192, 0, 2, 2], 5060)),
        }
    }

    fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// One message as it was handed to the wire, lost or not.
#[derive(Debug, Clone)]
pub struct Sent {
    /// When.
    pub at: Instant,
    /// By whom.
    pub from: Side,
    /// The message.
    pub bytes: Bytes,
}

/// Two endpoints on one wire.
#[derive(Debug)]
pub struct Pair {
    /// The endpoint of [`Side::A`].
    pub a: Endpoint,
    /// The endpoint of [`Side::B`].
    pub b: Endpoint,
    /// The link; may be changed on the way.
    pub link: Link,
    /// Virtual time.
    pub now: Instant,
    /// What was sent, if somebody wants to know: set it to an empty list.
    pub trace: Option<Vec<Sent>>,
    /// When a message last arrived.
    pub last_arrival: Instant,
    transport: Transport,
    rng: StdRng,
    on_wire: BTreeMap<(Instant, u64), (Side, Bytes)>,
    sent: u64,
}

impl Pair {
    /// Two idle endpoints.
    pub fn new(transport: Transport, link: Link, seed: u64) -> Self {
        Self::with(transport, link, seed, |_, _| {})
    }

    /// Two idle endpoints with settings of their own.
    pub fn with(
        transport: Transport,
        link: Link,
        seed: u64,
        mut change: impl FnMut(Side, &mut Config),
    ) -> Self {
        let mut endpoint = |side: Side, seed| {
            let mut config = Config::at(side.addr());
            change(side, &mut config);
            Endpoint::new(config, seed)
        };
        let now = epoch();
        Self {
            a: endpoint(Side::A, seed ^ 0xA),
            b: endpoint(Side::B, seed ^ 0xB),
            link,
            now,
            trace: None,
            last_arrival: now,
            transport,
            rng: StdRng::seed_from_u64(seed),
            on_wire: BTreeMap::new(),
            sent: 0,
        }
    }

    /// The endpoint of a side.
    pub fn end(&mut self, side: Side) -> &mut Endpoint {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }

    /// The path from a side to the other.
    pub fn flow(&self, from: Side) -> Flow {
        let connection = (!self.is_lossy()).then_some(1);
        let (local, peer) = (from.addr(), from.other().addr());
        Flow { transport: self.transport, local, peer, connection }
    }

    /// A number below `below` from the pair's seed.
    pub fn chance(&mut self, below: u32) -> u32 {
        self.rng.next_u32() % below
    }

    /// Lets time pass. What happens is given to `react`, which may order something in return.
    pub fn run(&mut self, time: Duration, mut react: impl FnMut(&mut Self, Side, Event)) {
        let until = self.now + time;
        loop {
            self.drain(&mut react);
            let next = [
                self.on_wire.first_key_value().map(|((at, _), _)| *at),
                self.a.next_wake(),
                self.b.next_wake(),
            ];
            match next.into_iter().flatten().min().filter(|next| *next <= until) {
                Some(next) => self.now = self.now.max(next),
                None => break,
            }
            self.a.handle_timeout(self.now);
            self.b.handle_timeout(self.now);
            self.deliver();
        }
        self.now = until;
    }

    fn drain(&mut self, react: &mut impl FnMut(&mut Self, Side, Event)) {
        for side in [Side::A, Side::B] {
            while let Some(output) = self.end(side).poll_output() {
                match output {
                    Output::Transmit { bytes, .. } => {
                        if let Some(trace) = &mut self.trace {
                            trace.push(Sent { at: self.now, from: side, bytes: bytes.clone() });
                        }
                        self.put_on_wire(side.other(), &bytes);
                    }
                    Output::Event(event) => react(self, side, event),
                }
            }
        }
        // an order given on one side may have made output on the other
        if self.a.has_output() || self.b.has_output() {
            self.drain(react);
        }
    }

    fn put_on_wire(&mut self, to: Side, bytes: &Bytes) {
        let copies = if self.chance(1_000) < self.link.doubled { 2 } else { 1 };
        for _ in 0..copies {
            if self.chance(1_000) < self.link.loss {
                continue;
            }
            let jitter = self.chance(self.link.jitter_ms + 1);
            let wait = Duration::from_millis((self.link.delay_ms + jitter).into());
            self.sent += 1;
            self.on_wire.insert((self.now + wait, self.sent), (to, bytes.clone()));
        }
    }

    fn deliver(&mut self) {
        while let Some(entry) = self.on_wire.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let (to, bytes) = entry.remove();
            let (now, flow) = (self.now, self.flow(to));
            self.last_arrival = now;
            self.end(to).handle_message(now, flow, &bytes);
        }
    }

    fn is_lossy(&self) -> bool {
        !self.transport.is_reliable()
    }
}
