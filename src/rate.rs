//! Token buckets, one for each of many: how much one source of messages, or one holder of a token, may
//! ask for. A pure table in time; SIP and REST both hold one.
//!
//! It is bounded: when it is full, the quiet make room, and when nobody is quiet anybody does, so a
//! flood from many addresses costs memory for [`MOST`] of them and no more.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Buckets kept at once.
pub const MOST: usize = 16_384;

const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// A bucket that nobody touched for so long makes room; most are full again by then.
const QUIET: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct Buckets<K> {
    per_second: f64,
    burst: f64,
    buckets: HashMap<K, Bucket>,
    last_sweep: Option<Instant>,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    seen: Instant,
}

/// How full a bucket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Tokens of a full bucket.
    pub limit: u32,
    /// Whole tokens in it now.
    pub remaining: u32,
    /// Until there is a whole token; zero when there is one.
    pub next: Duration,
    /// Until it is full.
    pub full: Duration,
}

impl<K: Eq + Hash + Clone> Buckets<K> {
    /// `per_second` tokens for each key, after a first `burst`. Zero is no limit.
    pub fn new(per_second: u32, burst: u32) -> Self {
        Self {
            per_second: f64::from(per_second),
            burst: f64::from(burst.max(1)),
            buckets: HashMap::new(),
            last_sweep: None,
        }
    }

    /// Whether there is a limit at all.
    pub fn is_on(&self) -> bool {
        self.per_second > 0.0
    }

    /// Takes one token of `key`; false when there is none.
    pub fn admit(&mut self, now: Instant, key: K) -> bool {
        if !self.is_on() {
            return true;
        }
        let bucket = self.bucket(now, key);
        let is_there = bucket.tokens >= 1.0;
        if is_there {
            bucket.tokens -= 1.0;
        }
        is_there
    }

    /// How full the bucket of `key` is; takes nothing.
    pub fn level(&mut self, now: Instant, key: K) -> Level {
        let (per_second, burst) = (self.per_second, self.burst);
        let tokens = if self.is_on() { self.bucket(now, key).tokens } else { burst };
        let until = |wanted: f64| match wanted - tokens {
            missing if missing <= 0.0 => Duration::ZERO,
            missing => Duration::from_secs_f64(missing / per_second),
        };
        // Whole tokens of a u32's burst, cut downwards.
        Level {
            limit: burst as u32,
            remaining: tokens as u32,
            next: until(1.0),
            full: until(burst),
        }
    }

    fn bucket(&mut self, now: Instant, key: K) -> &mut Bucket {
        self.make_room(now, &key);
        let (per_second, burst) = (self.per_second, self.burst);
        let bucket = self.buckets.entry(key).or_insert(Bucket { tokens: burst, seen: now });
        let elapsed = now.saturating_duration_since(bucket.seen).as_secs_f64();
        bucket.tokens = (bucket.tokens + elapsed * per_second).min(burst);
        bucket.seen = now;
        bucket
    }

    fn make_room(&mut self, now: Instant, key: &K) {
        if self.buckets.len() < MOST || self.buckets.contains_key(key) {
            return;
        }
        // A sweep walks the whole table, so a flood of new keys must not buy one each.
        let due = self.last_sweep.is_none_or(|at| now.duration_since(at) >= SWEEP_EVERY);
        if due {
            self.last_sweep = Some(now);
            self.buckets.retain(|_, b| now.saturating_duration_since(b.seen) < QUIET);
        }
        if self.buckets.len() >= MOST
            && let Some(any) = self.buckets.keys().next().cloned()
        {
            self.buckets.remove(&any);
        }
    }
}

/// Whom an address counts for: an IPv4 address for itself; of IPv6 the /64, which one host can fill
/// alone.
pub fn group(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_is_allowed_then_the_rate() {
        let start = Instant::now();
        let mut buckets = Buckets::new(10, 5);
        assert_eq!((0..8).filter(|_| buckets.admit(start, 1)).count(), 5);
        assert!(buckets.admit(start, 2), "another key has its own bucket");
        let later = start + Duration::from_millis(250);
        assert_eq!((0..8).filter(|_| buckets.admit(later, 1)).count(), 2);
    }

    #[test]
    fn the_level_tells_when_to_come_back() {
        let start = Instant::now();
        let mut buckets = Buckets::new(2, 3);
        let level = |buckets: &mut Buckets<u8>, ms| {
            let level = buckets.level(start + Duration::from_millis(ms), 1);
            (level.limit, level.remaining, level.next.as_millis(), level.full.as_millis())
        };
        assert_eq!(level(&mut buckets, 0), (3, 3, 0, 0));
        assert!((0..3).all(|_| buckets.admit(start, 1)));
        assert!(!buckets.admit(start, 1));
        assert_eq!(level(&mut buckets, 0), (3, 0, 500, 1500));
        assert_eq!(level(&mut buckets, 250), (3, 0, 250, 1250));
        assert_eq!(level(&mut buckets, 500), (3, 1, 0, 1000));
        assert_eq!(level(&mut buckets, 9_000), (3, 3, 0, 0), "never more than the burst");
    }

    #[test]
    fn time_that_goes_back_gives_nothing() {
        let start = Instant::now();
        let mut buckets = Buckets::new(1, 1);
        assert!(buckets.admit(start + Duration::from_secs(5), 1));
        assert!(!buckets.admit(start, 1));
    }

    #[test]
    fn the_table_stays_bounded_under_a_flood_of_keys() {
        let start = Instant::now();
        let mut buckets = Buckets::new(10, 5);
        for n in 0..MOST + 500 {
            buckets.admit(start, n);
        }
        assert_eq!(buckets.buckets.len(), MOST);
    }

    #[test]
    fn zero_rate_allows_everything() {
        let mut buckets = Buckets::new(0, 0);
        assert!(!buckets.is_on());
        assert!((0..1000).all(|_| buckets.admit(Instant::now(), 1)));
        assert_eq!(buckets.buckets.len(), 0);
    }
}
