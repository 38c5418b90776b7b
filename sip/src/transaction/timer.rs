//! The timer values of RFC 3261 §17 and table 4, and the queue of pending wake-ups.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// The base values all timers are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// Round-trip estimate: first retransmission.
    pub t1: Duration,
    /// Longest interval between retransmissions of non-INVITE requests and INVITE responses.
    pub t2: Duration,
    /// How long a message may stay in the network.
    pub t4: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
        }
    }
}

impl Timers {
    /// 64·T1: timers B, F, H, J, L and M.
    pub fn give_up(&self) -> Duration {
        self.t1 * 64
    }

    /// Timer D: how long a client answers repeated failures over datagrams with its ACK.
    pub fn timer_d(&self) -> Duration {
        self.give_up().max(Duration::from_secs(32))
    }
}

/// A retransmission in steps that double.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Backoff {
    /// When to send again.
    pub(crate) at: Instant,
    interval: Duration,
}

impl Backoff {
    pub(crate) fn start(now: Instant, first: Duration) -> Self {
        Self { at: now + first, interval: first }
    }

    /// The next step, twice as long but at most `longest`.
    pub(crate) fn step(&mut self, now: Instant, longest: Duration) {
        self.interval = (self.interval * 2).min(longest);
        self.at = now + self.interval;
    }
}

/// Who wants to be woken when: one entry per owner, the earliest first.
#[derive(Debug)]
pub(crate) struct Wakes<K> {
    queue: BTreeSet<(Instant, K)>,
    at: BTreeMap<K, Instant>,
}

impl<K: Ord + Copy> Wakes<K> {
    pub(crate) fn new() -> Self {
        Self { queue: BTreeSet::new(), at: BTreeMap::new() }
    }

    /// Sets or clears the wake-up of an owner.
    pub(crate) fn set(&mut self, key: K, at: Option<Instant>) {
        let before = match at {
            Some(at) => self.at.insert(key, at),
            None => self.at.remove(&key),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.queue.remove(&(before, key));
        }
        if let Some(at) = at {
            self.queue.insert((at, key));
        }
    }

    pub(crate) fn first(&self) -> Option<Instant> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// Takes out the earliest owner whose time has come.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<K> {
        let (at, key) = *self.queue.first()?;
        if at > now {
            return None;
        }
        self.queue.pop_first();
        self.at.remove(&key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::epoch;

    #[test]
    fn the_timers_have_the_values_of_table_4() {
        let timers = Timers::default();
        assert_eq!(timers.give_up(), Duration::from_secs(32));
        assert_eq!(timers.timer_d(), Duration::from_secs(32));
        let fast = Timers { t1: Duration::from_millis(10), ..timers };
        assert_eq!(fast.give_up(), Duration::from_millis(640));
        assert_eq!(fast.timer_d(), Duration::from_secs(32));
    }

    #[test]
    fn an_owner_is_woken_once_at_its_latest_setting() {
        let now = epoch();
        let at = |s| now + Duration::from_secs(s);
        let mut wakes = Wakes::new();
        wakes.set(1, Some(at(5)));
        wakes.set(2, Some(at(3)));
        wakes.set(1, Some(at(1)));
        wakes.set(3, Some(at(2)));
        wakes.set(3, None);
        assert_eq!(wakes.first(), Some(at(1)));
        assert_eq!(wakes.pop_due(now), None);
        assert_eq!(wakes.pop_due(at(10)), Some(1));
        assert_eq!(wakes.pop_due(at(10)), Some(2));
        assert_eq!(wakes.pop_due(at(10)), None);
        assert_eq!(wakes.first(), None);
    }
}
