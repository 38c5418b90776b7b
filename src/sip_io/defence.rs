//! What is asked of every message before a byte of it is read: is its source trusted, banned, too fast?
//!
//! Whoever writes a datagram chooses its source. So a source that has proved who it is (its nonce went
//! to that address and came back) is not banned for datagrams that anybody may have sent in its name.
//!
//! One table for all sockets, shared with the connections' tasks. What is dropped is counted, and a
//! summary is logged now and then: a flood must not fill the log.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::ban::{BanRules, Bans, MAX_SOURCES};
use crate::model::Network;
use crate::rate::{Buckets, group};

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    Pass,
    /// More than the source may send.
    TooFast,
    /// The source is not heard.
    Banned,
}

/// Clones are the same defence.
#[derive(Clone)]
pub struct Defence(Arc<Mutex<Inner>>);

struct Inner {
    limiter: Buckets<IpAddr>,
    bans: Bans,
    /// From the configuration.
    trusted: Vec<Network>,
    /// Gateways of carriers, which come and go.
    gateways: Vec<Network>,
    gateway_hosts: HashSet<IpAddr>,
    /// Sources that have proved who they are, and until when that counts.
    known: HashMap<IpAddr, Instant>,
    dropped: u64,
    /// One of those that were dropped since the last summary.
    example: Option<IpAddr>,
}

/// What was dropped since the last [`Defence::sweep`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    pub dropped: u64,
    /// One of the sources.
    pub example: Option<IpAddr>,
    /// Sources that are shut out now.
    pub banned: usize,
}

impl Defence {
    pub fn new(limiter: Buckets<IpAddr>, rules: BanRules, trusted: Vec<Network>) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            limiter,
            bans: Bans::new(rules),
            trusted,
            gateways: Vec::new(),
            gateway_hosts: HashSet::new(),
            known: HashMap::new(),
            dropped: 0,
            example: None,
        })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one token of the source.
    pub fn admit(&self, now: Instant, source: IpAddr) -> Admission {
        let mut inner = self.inner();
        let admission = inner.admit(now, source);
        if admission != Admission::Pass {
            inner.dropped += 1;
            inner.example = Some(source);
        }
        admission
    }

    /// Whether a new connection of the source is not taken.
    pub fn is_banned(&self, now: Instant, source: IpAddr) -> bool {
        let inner = self.inner();
        !inner.is_trusted(source) && inner.bans.is_banned(now, group(source))
    }

    /// Looks at a message that was admitted; its source is banned if a scanner sent it. `is_real`: the
    /// source is no forged one, as that of a connection.
    pub fn inspect(
        &self,
        now: Instant,
        source: IpAddr,
        is_real: bool,
        message: &[u8],
    ) -> Admission {
        let mut inner = self.inner();
        if !inner.bans.is_scanner(message) || inner.is_trusted(source) {
            return Admission::Pass;
        }
        if inner.is_to_blame(now, source, is_real) && inner.bans.ban(now, group(source)) {
            tell_ban(source, "a scanner");
        }
        Admission::Banned
    }

    /// A call, a registration or a digest of this source was refused.
    pub fn failed(&self, now: Instant, source: IpAddr, is_real: bool) {
        let mut inner = self.inner();
        if !inner.is_trusted(source)
            && inner.is_to_blame(now, source, is_real)
            && inner.bans.fail(now, group(source))
        {
            tell_ban(source, "too many refusals");
        }
    }

    /// The source has proved who it is: earlier refusals are forgotten, and for a time it is not blamed
    /// for what others may send in its name.
    pub fn proved(&self, now: Instant, source: IpAddr) {
        let mut inner = self.inner();
        inner.bans.absolve(group(source));
        if inner.known.len() >= MAX_SOURCES {
            inner.known.retain(|_, until| now < *until);
        }
        if inner.known.len() < MAX_SOURCES {
            inner.known.insert(group(source), now + KNOWN_FOR);
        }
    }

    /// The networks of all gateways: besides the configured ones, they are neither limited nor banned.
    pub fn trust(&self, gateways: Vec<Network>) {
        let mut inner = self.inner();
        let (hosts, networks) = gateways.into_iter().partition(Network::is_host);
        let hosts: Vec<Network> = hosts;
        inner.gateway_hosts = hosts.iter().map(|host| host.address()).collect();
        inner.gateways = networks;
    }

    /// Drops what is over, and tells what was dropped since the last time.
    pub fn sweep(&self, now: Instant) -> Summary {
        let mut inner = self.inner();
        let banned = inner.bans.sweep(now);
        inner.known.retain(|_, until| now < *until);
        let dropped = std::mem::take(&mut inner.dropped);
        Summary { dropped, example: inner.example.take(), banned }
    }
}

impl Inner {
    fn admit(&mut self, now: Instant, source: IpAddr) -> Admission {
        if self.is_trusted(source) {
            return Admission::Pass;
        }
        let source = group(source);
        if self.bans.is_banned(now, source) {
            return Admission::Banned;
        }
        if self.limiter.admit(now, source) { Admission::Pass } else { Admission::TooFast }
    }

    /// Whether this source has to answer for a message that bears its address.
    fn is_to_blame(&self, now: Instant, source: IpAddr, is_real: bool) -> bool {
        is_real || self.known.get(&group(source)).is_none_or(|until| *until <= now)
    }

    fn is_trusted(&self, source: IpAddr) -> bool {
        self.gateway_hosts.contains(&source.to_canonical())
            || self.trusted.iter().chain(&self.gateways).any(|network| network.contains(source))
    }
}

/// How long a proof counts: longer than the longest registration may last.
const KNOWN_FOR: Duration = Duration::from_secs(2 * 3600);

fn tell_ban(source: IpAddr, why: &'static str) {
    metrics::counter!("sip_bans_total").increment(1);
    tracing::warn!(%source, why, "banned");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn defence() -> Defence {
        let rules = BanRules {
            failures: 2,
            window: Duration::from_secs(10),
            time: Duration::from_secs(60),
            agents: vec!["sipvicious".to_owned()],
        };
        Defence::new(Buckets::new(10, 5), rules, vec!["198.51.100.0/24".parse().unwrap()])
    }

    fn passed(defence: &Defence, source: &str) -> usize {
        let source = source.parse().unwrap();
        let now = Instant::now();
        (0..20).filter(|_| defence.admit(now, source) == Admission::Pass).count()
    }

    #[test]
    fn one_ipv6_network_has_one_bucket() {
        let defence = defence();
        assert_eq!(passed(&defence, "2001:db8:1:2::1"), 5);
        assert_eq!(passed(&defence, "2001:db8:1:2:ffff::9"), 0);
        assert_eq!(passed(&defence, "2001:db8:1:3::1"), 5);
        let summary = defence.sweep(Instant::now());
        assert_eq!((summary.dropped, summary.banned), (50, 0));
        assert_eq!(defence.sweep(Instant::now()).dropped, 0);
    }

    #[test]
    fn the_trusted_are_neither_limited_nor_banned() {
        let defence = defence();
        let now = Instant::now();
        assert_eq!(passed(&defence, "198.51.100.7"), 20);
        let gateways = ["203.0.113.1", "192.0.2.0/28"].map(|text| text.parse().unwrap());
        defence.trust(gateways.to_vec());
        for gateway in ["203.0.113.1", "192.0.2.3"] {
            let ip = gateway.parse().unwrap();
            (0..9).for_each(|_| defence.failed(now, ip, true));
            assert_eq!(
                defence.inspect(now, ip, true, b"User-Agent: sipvicious\r\n"),
                Admission::Pass
            );
            assert_eq!(passed(&defence, gateway), 20, "{gateway}");
        }
        defence.trust(Vec::new());
        assert_eq!(passed(&defence, "203.0.113.1"), 5);
    }

    #[test]
    fn who_is_banned_is_not_heard() {
        let defence = defence();
        let now = Instant::now();
        let [guesser, scanner, phone] =
            ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(|ip| ip.parse().unwrap());
        defence.failed(now, guesser, false);
        defence.failed(now, guesser, false);
        assert_eq!(defence.admit(now, guesser), Admission::Banned);
        assert!(defence.is_banned(now, guesser));
        assert_eq!(
            defence.inspect(now, scanner, false, b"User-Agent: sipvicious\r\n"),
            Admission::Banned
        );
        assert_eq!(defence.admit(now, scanner), Admission::Banned);
        defence.failed(now, phone, true);
        defence.proved(now, phone);
        defence.failed(now, phone, true);
        assert_eq!(defence.admit(now, phone), Admission::Pass);
        assert_eq!(defence.sweep(now).banned, 2);
    }

    #[test]
    fn a_known_source_is_not_banned_in_its_name_but_for_what_it_does() {
        let defence = defence();
        let now = Instant::now();
        let office = "192.0.2.1".parse().unwrap();
        defence.proved(now, office);
        (0..9).for_each(|_| defence.failed(now, office, false));
        let scan = b"User-Agent: sipvicious\r\n";
        assert_eq!(defence.inspect(now, office, false, scan), Admission::Banned, "not heard");
        assert_eq!(defence.admit(now, office), Admission::Pass, "and nobody banned");
        let later = now + KNOWN_FOR;
        assert_eq!(defence.inspect(later, office, false, scan), Admission::Banned);
        assert_eq!(defence.admit(later, office), Admission::Banned, "long unheard of");
        let other = "192.0.2.2".parse().unwrap();
        defence.proved(now, other);
        (0..2).for_each(|_| defence.failed(now, other, true));
        assert_eq!(defence.admit(now, other), Admission::Banned);
    }
}
