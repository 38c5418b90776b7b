//! Token buckets per source address, asked before a message is parsed.
//!
//! The table is bounded: when it is full, quiet sources make room, and when none is quiet any one
//! does, so a flood from many addresses costs memory for [`MAX_SOURCES`] entries and no more.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Sources remembered at once.
pub const MAX_SOURCES: usize = 16_384;

pub struct Limiter {
    per_second: f64,
    burst: f64,
    sources: HashMap<IpAddr, Bucket>,
    last_sweep: Option<Instant>,
}

struct Bucket {
    tokens: f64,
    seen: Instant,
}

impl Limiter {
    /// `per_second` messages are allowed from each source, after a first `burst`. Zero allows all.
    pub fn new(per_second: u32, burst: u32) -> Self {
        Self {
            per_second: f64::from(per_second),
            burst: f64::from(burst.max(1)),
            sources: HashMap::new(),
            last_sweep: None,
        }
    }

    /// Takes one token of `source`; `false` means drop the message.
    pub fn admit(&mut self, now: Instant, source: IpAddr) -> bool {
        if self.per_second <= 0.0 {
            return true;
        }
        self.make_room(now, source);
        let burst = self.burst;
        let bucket = self.sources.entry(source).or_insert(Bucket { tokens: burst, seen: now });
        let elapsed = now.saturating_duration_since(bucket.seen).as_secs_f64();
        bucket.tokens = (bucket.tokens + elapsed * self.per_second).min(burst);
        bucket.seen = now;
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }

    fn make_room(&mut self, now: Instant, source: IpAddr) {
        if self.sources.len() < MAX_SOURCES || self.sources.contains_key(&source) {
            return;
        }
        // A sweep walks the whole table, so a flood of new sources must not buy one per message.
        let due = self.last_sweep.is_none_or(|at| now.duration_since(at) >= SWEEP_EVERY);
        if due {
            self.last_sweep = Some(now);
            self.sources.retain(|_, b| now.saturating_duration_since(b.seen) < QUIET);
        }
        if self.sources.len() >= MAX_SOURCES {
            if let Some(&any) = self.sources.keys().next() {
                self.sources.remove(&any);
            }
        }
    }
}

const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// A source silent this long has a full bucket again anyway.
const QUIET: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(n: u32) -> IpAddr {
        IpAddr::from(n.to_be_bytes())
    }

    #[test]
    fn burst_is_allowed_then_the_rate() {
        let start = Instant::now();
        let mut limiter = Limiter::new(10, 5);
        assert_eq!((0..8).filter(|_| limiter.admit(start, ip(1))).count(), 5);
        assert!(limiter.admit(start, ip(2)), "another source has its own bucket");
        let later = start + Duration::from_millis(250);
        assert_eq!((0..8).filter(|_| limiter.admit(later, ip(1))).count(), 2);
    }

    #[test]
    fn table_stays_bounded_under_a_flood_of_sources() {
        let start = Instant::now();
        let mut limiter = Limiter::new(10, 5);
        for n in 0..(MAX_SOURCES as u32 + 500) {
            limiter.admit(start, ip(n));
        }
        assert_eq!(limiter.sources.len(), MAX_SOURCES);
    }

    #[test]
    fn zero_rate_allows_everything() {
        let mut limiter = Limiter::new(0, 0);
        assert!((0..1000).all(|_| limiter.admit(Instant::now(), ip(1))));
    }
}
