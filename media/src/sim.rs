//! A bad network for tests: one seeded, one-way link in virtual time.
//!
//! Packets go in with the instant they were sent, come out with the instant they arrive: lost (at
//! random or in bursts), delayed, jittered, overtaken, doubled. The same seed gives the same fate.
//! Also the one place where this crate reads a clock: tests need some [`Instant`] to count from.

use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// Any instant to count virtual time from.
#[allow(clippy::disallowed_methods)]
pub fn epoch() -> Instant {
    Instant::now()
}

/// How bad the link is. Probabilities are 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkConfig {
    /// Same seed, same fate.
    pub seed: u64,
    /// Each packet alone.
    pub loss: f64,
    /// A burst begins with this packet.
    pub burst: f64,
    /// Packets lost per burst.
    pub burst_len: u32,
    /// Least time on the way.
    pub delay: Duration,
    /// On top, evenly spread from zero to this.
    pub jitter: Duration,
    /// Jitter may change the order; without it, later packets wait for earlier ones.
    pub keep_order: bool,
    /// A packet is held back by `reorder_by` and so overtaken.
    pub reorder: f64,
    /// How long.
    pub reorder_by: Duration,
    /// A packet arrives twice.
    pub duplicate: f64,
}

impl LinkConfig {
    /// Every packet arrives, in order, 10 ms later.
    pub fn perfect(seed: u64) -> Self {
        Self {
            seed,
            loss: 0.0,
            burst: 0.0,
            burst_len: 0,
            delay: Duration::from_millis(10),
            jitter: Duration::ZERO,
            keep_order: true,
            reorder: 0.0,
            reorder_by: Duration::from_millis(30),
            duplicate: 0.0,
        }
    }
}

/// What the link did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkStats {
    /// Packets put in.
    pub sent: u64,
    /// Packets that never come out.
    pub lost: u64,
    /// Packets held back.
    pub reordered: u64,
    /// Packets that come out twice.
    pub duplicated: u64,
}

/// One direction of a path.
#[derive(Debug)]
pub struct Link {
    config: LinkConfig,
    dice: Dice,
    burst_left: u32,
    latest: Option<Instant>,
    in_flight: BinaryHeap<InFlight>,
    sent: u64,
    stats: LinkStats,
}

#[derive(Debug, PartialEq, Eq)]
struct InFlight {
    arrival: Instant,
    order: u64,
    bytes: Vec<u8>,
}

impl Ord for InFlight {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.arrival, other.order).cmp(&(self.arrival, self.order)) // earliest on top
    }
}

impl PartialOrd for InFlight {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Link {
    /// An empty link.
    pub fn new(config: LinkConfig) -> Self {
        Self {
            config,
            dice: Dice::new(config.seed),
            burst_left: 0,
            latest: None,
            in_flight: BinaryHeap::new(),
            sent: 0,
            stats: LinkStats::default(),
        }
    }

    /// Puts a datagram in at `now`.
    pub fn send(&mut self, now: Instant, bytes: &[u8]) {
        self.stats.sent += 1;
        if self.is_lost() {
            self.stats.lost += 1;
            return;
        }
        let mut arrival = now + self.config.delay + self.config.jitter.mul_f64(self.dice.roll());
        if self.config.keep_order {
            arrival = self.latest.map_or(arrival, |latest| latest.max(arrival));
            self.latest = Some(arrival);
        }
        if self.dice.happens(self.config.reorder) {
            self.stats.reordered += 1;
            arrival += self.config.reorder_by;
        }
        self.fly(arrival, bytes);
        if self.dice.happens(self.config.duplicate) {
            self.stats.duplicated += 1;
            self.fly(arrival + Duration::from_millis(1), bytes);
        }
    }

    /// The next datagram that has arrived by `now`, with its arrival.
    pub fn poll_arrival(&mut self, now: Instant) -> Option<(Instant, Vec<u8>)> {
        if self.in_flight.peek()?.arrival > now {
            return None;
        }
        self.in_flight.pop().map(|flight| (flight.arrival, flight.bytes))
    }

    /// From now on packets fare like this. Those under way are not changed; later ones may overtake
    /// them.
    pub fn set_config(&mut self, config: LinkConfig) {
        self.config = config;
        self.latest = None;
    }

    /// What has happened so far.
    pub fn stats(&self) -> LinkStats {
        self.stats
    }

    fn is_lost(&mut self) -> bool {
        if self.burst_left > 0 {
            self.burst_left -= 1;
            return true;
        }
        if self.dice.happens(self.config.burst) {
            self.burst_left = self.config.burst_len.saturating_sub(1);
            return true;
        }
        self.dice.happens(self.config.loss)
    }

    fn fly(&mut self, arrival: Instant, bytes: &[u8]) {
        self.in_flight.push(InFlight { arrival, order: self.sent, bytes: bytes.to_vec() });
        self.sent += 1;
    }
}

/// A small seeded generator (splitmix64), good enough for fate.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        crate::time::splitmix(&mut self.0)
    }

    /// Evenly from 0 to 1.
    pub fn roll(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// `true` with this probability.
    pub fn happens(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.roll() < probability
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(config: LinkConfig, packets: u32) -> (Vec<(u128, u32)>, LinkStats) {
        let (mut link, start) = (Link::new(config), epoch());
        for n in 0..packets {
            link.send(start + Duration::from_millis(20 * u64::from(n)), &n.to_be_bytes());
        }
        let end = start + Duration::from_secs(3_600);
        let all = std::iter::from_fn(|| link.poll_arrival(end))
            .map(|(at, bytes)| {
                ((at - start).as_millis(), u32::from_be_bytes(bytes.try_into().unwrap()))
            })
            .collect();
        (all, link.stats())
    }

    #[test]
    fn a_perfect_link_only_delays() {
        let (all, _) = arrivals(LinkConfig::perfect(1), 3);
        assert_eq!(all, [(10, 0), (30, 1), (50, 2)]);
    }

    #[test]
    fn the_same_seed_has_the_same_fate_and_rates_are_met() {
        let bad = LinkConfig {
            loss: 0.05,
            jitter: Duration::from_millis(50),
            keep_order: false,
            reorder: 0.02,
            duplicate: 0.01,
            ..LinkConfig::perfect(7)
        };
        let (first, stats) = arrivals(bad, 10_000);
        assert_eq!(first, arrivals(bad, 10_000).0);
        assert!((400..600).contains(&stats.lost), "{stats:?}");
        assert!((140..260).contains(&stats.reordered), "{stats:?}");
        assert!((60..140).contains(&stats.duplicated), "{stats:?}");
        assert!(first.windows(2).any(|pair| pair[0].1 > pair[1].1));
    }
}
