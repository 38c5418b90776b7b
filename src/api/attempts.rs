//! How often somebody may be wrong at the door (contract rest.md §2.15): six times in half an hour for
//! one name, whether or not there is such a user; and for one address, a good deal more often, so that
//! many names cannot be tried from it either.
//!
//! The tables hold more than the passwords that can be checked in the time they look back
//! (`store/password.rs` bounds those), so nobody can push a name out of them by trying others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

/// So much is forgotten when it is over.
const WINDOW: Duration = Duration::from_secs(1800);
const MAX_FOR_NAME: u32 = 6;
const MAX_FOR_ADDRESS: u32 = 100;
const MAX_ENTRIES: usize = 200_000;

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    Wrong,
    /// Too often wrong: it counts for nothing whether this one was right.
    Blocked,
}

#[derive(Debug, Default)]
pub(super) struct Attempts {
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    names: Table,
    addresses: Table,
}

#[derive(Debug, Default)]
struct Table(HashMap<Key, Failures>);

/// A part of a hash: what is kept is short, and no list of names.
type Key = [u8; 16];

#[derive(Clone, Copy, Debug)]
struct Failures {
    since: Instant,
    count: u32,
}

impl Attempts {
    /// Whether it is of any use to look at a password for this name, from there.
    pub(super) fn is_blocked(&self, name: &str, from: Option<IpAddr>, now: Instant) -> bool {
        let tables = self.lock();
        tables.names.count(&name_key(name), now) >= MAX_FOR_NAME
            || from
                .and_then(address_key)
                .is_some_and(|key| tables.addresses.count(&key, now) >= MAX_FOR_ADDRESS)
    }

    /// Notes what came of an attempt. Decided here and not before: those that were let in together
    /// must not get more tries together than one after the other.
    pub(super) fn settle(
        &self,
        name: &str,
        from: Option<IpAddr>,
        is_right: bool,
        now: Instant,
    ) -> Verdict {
        let mut tables = self.lock();
        let (name, address) = (name_key(name), from.and_then(address_key));
        let is_full = tables.names.count(&name, now) >= MAX_FOR_NAME
            || address.is_some_and(|key| tables.addresses.count(&key, now) >= MAX_FOR_ADDRESS);
        if is_full {
            return Verdict::Blocked;
        }
        if is_right {
            // The address is not forgiven: it may know one user of many.
            tables.names.0.remove(&name);
            return Verdict::Right;
        }
        if let Some(key) = address {
            tables.addresses.fail(key, now);
        }
        if tables.names.fail(name, now) >= MAX_FOR_NAME { Verdict::Blocked } else { Verdict::Wrong }
    }

    /// Takes one of a name's tries before it is known what comes of it: for what is done at once when it
    /// is right, so that those who try together get no more than their tries. False when none is left.
    pub(super) fn take(&self, name: &str, now: Instant) -> bool {
        let mut tables = self.lock();
        let name = name_key(name);
        let is_left = tables.names.count(&name, now) < MAX_FOR_NAME;
        if is_left {
            tables.names.fail(name, now);
        }
        is_left
    }

    /// It came to nothing that says whether it was right.
    pub(super) fn give_back(&self, name: &str) {
        if let Some(entry) = self.lock().names.0.get_mut(&name_key(name)) {
            entry.count = entry.count.saturating_sub(1);
        }
    }

    /// It was right.
    pub(super) fn forgive(&self, name: &str) {
        self.lock().names.0.remove(&name_key(name));
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        // A panic under the lock cannot leave the tables half changed in a way that matters.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn count(&self, key: &Key, now: Instant) -> u32 {
        let entry = self.0.get(key).filter(|entry| entry.is_live(now));
        entry.map_or(0, |entry| entry.count)
    }

    fn fail(&mut self, key: Key, now: Instant) -> u32 {
        if self.0.len() >= MAX_ENTRIES && !self.0.contains_key(&key) {
            self.0.retain(|_, entry| entry.is_live(now));
            // Cannot be, as long as passwords are checked one by one; memory is bounded nevertheless.
            if self.0.len() >= MAX_ENTRIES {
                self.0.clear();
            }
        }
        let entry = self.0.entry(key).or_insert(Failures { since: now, count: 0 });
        if !entry.is_live(now) {
            *entry = Failures { since: now, count: 0 };
        }
        entry.count += 1;
        entry.count
    }
}

impl Failures {
    fn is_live(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < WINDOW
    }
}

fn name_key(name: &str) -> Key {
    short(&Sha256::digest(name.as_bytes()))
}

/// None for this very host: that is a proxy, behind which everybody is.
fn address_key(address: IpAddr) -> Option<Key> {
    if address.to_canonical().is_loopback() {
        return None;
    }
    let mut key = [0; 16];
    match address.to_canonical() {
        IpAddr::V4(v4) => key[12..].copy_from_slice(&v4.octets()),
        // A host has its whole /64.
        IpAddr::V6(v6) => key[..8].copy_from_slice(&v6.octets()[..8]),
    }
    Some(key)
}

fn short(hash: &[u8]) -> Key {
    let mut key = [0; 16];
    key.copy_from_slice(&hash[..16]);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Option<IpAddr> = None;

    #[test]
    fn six_failures_close_the_door_until_the_window_ends() {
        let (attempts, start) = (Attempts::default(), Instant::now());
        for n in 1..=5 {
            assert_eq!(attempts.settle("ada", HERE, false, start), Verdict::Wrong, "{n}");
            assert!(!attempts.is_blocked("ada", HERE, start));
        }
        assert_eq!(attempts.settle("ada", HERE, false, start), Verdict::Blocked);
        let late = start + WINDOW - Duration::from_millis(1);
        assert!(attempts.is_blocked("ada", HERE, late));
        assert_eq!(attempts.settle("ada", HERE, true, late), Verdict::Blocked);
        assert!(!attempts.is_blocked("bob", HERE, late));
        assert!(!attempts.is_blocked("ada", HERE, start + WINDOW));
        assert_eq!(attempts.settle("ada", HERE, true, start + WINDOW), Verdict::Right);
    }

    #[test]
    fn who_comes_in_starts_anew() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for _ in 0..20 {
            assert_eq!(attempts.settle("ada", HERE, false, now), Verdict::Wrong);
            assert_eq!(attempts.settle("ada", HERE, true, now), Verdict::Right);
        }
    }

    #[test]
    fn tries_are_taken_beforehand_and_given_back_when_they_say_nothing() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for _ in 0..20 {
            assert!(attempts.take("ada", now));
            attempts.give_back("ada");
        }
        for n in 0..MAX_FOR_NAME {
            assert!(attempts.take("ada", now), "{n}");
        }
        assert!(!attempts.take("ada", now) && attempts.take("bob", now));
        assert!(attempts.is_blocked("ada", HERE, now));
        attempts.give_back("ada");
        assert!(attempts.take("ada", now) && !attempts.take("ada", now));
        attempts.forgive("ada");
        assert!(attempts.take("ada", now + WINDOW));
        attempts.give_back("nobody");
    }

    #[test]
    fn many_names_from_one_address_are_noticed_even_if_one_is_right() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let from: Option<IpAddr> = Some("2001:db8::1".parse().unwrap());
        for n in 0..MAX_FOR_ADDRESS {
            assert_eq!(attempts.settle("mallory", from, true, now), Verdict::Right);
            assert_eq!(attempts.settle(&format!("user{n}"), from, false, now), Verdict::Wrong);
        }
        assert_eq!(attempts.settle("mallory", from, true, now), Verdict::Blocked);
        let neighbour: Option<IpAddr> = Some("2001:db8::2".parse().unwrap());
        let stranger: Option<IpAddr> = Some("2001:db8:0:1::1".parse().unwrap());
        assert!(attempts.is_blocked("fresh", neighbour, now));
        assert!(!attempts.is_blocked("fresh", stranger, now));
    }

    #[test]
    fn a_proxy_on_this_host_is_not_taken_for_its_users() {
        for (address, counts) in [
            ("127.0.0.1", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("192.0.2.1", true),
            ("::ffff:192.0.2.1", true),
        ] {
            assert_eq!(address_key(address.parse().unwrap()).is_some(), counts, "{address}");
        }
        let [v4, mapped] =
            ["192.0.2.1", "::ffff:192.0.2.1"].map(|a| address_key(a.parse().unwrap()));
        assert_eq!(v4, mapped);
    }

    #[test]
    fn the_tables_are_bounded() {
        let (mut table, now) = (Table::default(), Instant::now());
        for n in 0..=MAX_ENTRIES {
            let mut key = [0; 16];
            key[..8].copy_from_slice(&n.to_be_bytes());
            table.fail(key, now);
        }
        assert!(table.0.len() <= MAX_ENTRIES);
    }
}
