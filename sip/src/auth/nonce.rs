//! Nonces: made without state, remembered once used (RFC 7616 §3.3, §5.4, §5.5).
//!
//! A nonce holds its time of issue, a number, and a keyed hash over both and the asker's address, so
//! a flood of unauthenticated requests costs no memory. A nonce that was used is kept with a window
//! of the counts seen, in a table that never grows past its bound.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::digest::{DigestCredentials, is_equal};

/// Issues nonces and judges their use.
pub struct Nonces {
    secret: [u8; 32],
    lifetime: Duration,
    epoch: Option<Instant>,
    issued: u32,
    used: BTreeMap<Stamp, Window>,
    /// Nonces up to this one count as stale: their windows were given up for room.
    floor: Option<Stamp>,
}

/// The judgement on the nonce of credentials whose digest is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonceVerdict {
    /// Ours, young, and this count was not used before.
    Fresh,
    /// Too old, used up, of another address, or from before a restart: challenge with `stale=true`,
    /// and the phone tries again without asking its user.
    Stale,
    /// No nonce we could have made, or an unreadable count: challenge without `stale`.
    Bad,
}

/// Seconds since the epoch of the table, and a running number.
type Stamp = (u32, u32);

/// The counts seen of one nonce: the highest, and which of the 63 below it.
#[derive(Debug, Clone, Copy)]
struct Window {
    highest: u32,
    seen: u64,
}

impl Nonces {
    /// A table without entries. `secret` must be unpredictable.
    pub fn new(secret: [u8; 32]) -> Self {
        Self {
            secret,
            lifetime: DEFAULT_LIFETIME,
            epoch: None,
            issued: 0,
            used: BTreeMap::new(),
            floor: None,
        }
    }

    /// The same with another lifetime than five minutes.
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// A nonce for a challenge to `peer`.
    pub fn issue(&mut self, now: Instant, peer: IpAddr) -> String {
        let stamp = (self.seconds(now), self.issued);
        self.issued = self.issued.wrapping_add(1);
        format!("{:08x}{:08x}{}", stamp.0, stamp.1, self.seal(stamp, peer))
    }

    /// Judges the nonce and marks its count as used.
    ///
    /// Call it after [`verify`](super::verify) said yes: a wrong digest must not use up a count.
    pub fn check(
        &mut self,
        now: Instant,
        peer: IpAddr,
        credentials: &DigestCredentials,
    ) -> NonceVerdict {
        let (stamp, count) = match self.read(now, peer, credentials) {
            Ok(read) => read,
            Err(verdict) => return verdict,
        };
        self.make_room(now);
        match self.used.entry(stamp).or_insert(Window { highest: 0, seen: 0 }).take(count) {
            true => NonceVerdict::Fresh,
            false => NonceVerdict::Stale,
        }
    }

    /// The same without a look at the count, and without marking it: whether the nonce was made for this
    /// peer and is young. Only who gets what is sent to its address can know one.
    pub fn peek(
        &mut self,
        now: Instant,
        peer: IpAddr,
        credentials: &DigestCredentials,
    ) -> NonceVerdict {
        self.read(now, peer, credentials).map_or_else(|verdict| verdict, |_| NonceVerdict::Fresh)
    }

    fn read(
        &mut self,
        now: Instant,
        peer: IpAddr,
        credentials: &DigestCredentials,
    ) -> Result<(Stamp, u32), NonceVerdict> {
        let nonce = credentials.nonce();
        let stamp = nonce.get(..8).zip(nonce.get(8..16)).and_then(|(seconds, number)| {
            Some((u32::from_str_radix(seconds, 16).ok()?, u32::from_str_radix(number, 16).ok()?))
        });
        let count = credentials.nonce_count().flatten();
        let (Some(stamp), Some(count)) = (stamp, count) else { return Err(NonceVerdict::Bad) };
        let seal = self.seal(stamp, peer);
        if !is_equal(seal.as_bytes(), nonce.get(16..).unwrap_or_default().as_bytes()) {
            return Err(NonceVerdict::Stale);
        }
        let age = self.seconds(now).saturating_sub(stamp.0);
        let is_old = Duration::from_secs(age.into()) > self.lifetime;
        if is_old || self.floor.is_some_and(|floor| stamp <= floor) {
            return Err(NonceVerdict::Stale);
        }
        Ok((stamp, count))
    }

    fn make_room(&mut self, now: Instant) {
        let now = self.seconds(now);
        while let Some((&stamp, _)) = self.used.first_key_value() {
            let is_old = Duration::from_secs(now.saturating_sub(stamp.0).into()) > self.lifetime;
            if !is_old && self.used.len() < MAX_USED {
                break;
            }
            self.used.pop_first();
            self.floor = Some(stamp);
        }
    }

    fn seconds(&mut self, now: Instant) -> u32 {
        let epoch = *self.epoch.get_or_insert(now);
        u32::try_from(now.saturating_duration_since(epoch).as_secs()).unwrap_or(u32::MAX)
    }

    fn seal(&self, stamp: Stamp, peer: IpAddr) -> String {
        let address = match peer {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        let mut hash = Sha256::new();
        // every part has a fixed length, so no two inputs read the same
        hash.update(self.secret);
        hash.update(stamp.0.to_be_bytes());
        hash.update(stamp.1.to_be_bytes());
        hash.update(address.octets());
        hash.finalize().iter().take(16).map(|b| format!("{b:02x}")).collect()
    }
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nonces").field("used", &self.used.len()).finish_non_exhaustive()
    }
}

impl Window {
    /// Takes a count; false if it was taken before or lies too far back to know.
    fn take(&mut self, count: u32) -> bool {
        if count > self.highest {
            let shift = count - self.highest;
            self.seen = self.seen.checked_shl(shift).unwrap_or(0) | 1;
            self.highest = count;
            return true;
        }
        let back = self.highest - count;
        let bit = 1u64.checked_shl(back).unwrap_or(0);
        let is_new = count > 0 && bit != 0 && self.seen & bit == 0;
        self.seen |= bit;
        is_new
    }
}

/// How long a nonce may be used.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(300);

/// Nonces whose use is remembered.
const MAX_USED: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::epoch;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn use_of(nonce: &str, nc: Option<u32>) -> DigestCredentials {
        let count = nc.map_or_else(String::new, |nc| format!(",qop=auth,cnonce=c,nc={nc:08x}"));
        let value = format!("Digest username=u,realm=r,nonce=\"{nonce}\",uri=u,response=x{count}");
        DigestCredentials::parse(&value).unwrap()
    }

    #[test]
    fn each_count_is_good_once_and_may_come_out_of_order() {
        let now = epoch();
        let mut nonces = Nonces::new([1; 32]);
        let nonce = nonces.issue(now, HOME);
        let mut check = |nc| nonces.check(now, HOME, &use_of(&nonce, Some(nc)));
        for (nc, verdict) in [
            (1, NonceVerdict::Fresh),
            (1, NonceVerdict::Stale),
            (3, NonceVerdict::Fresh),
            (2, NonceVerdict::Fresh),
            (2, NonceVerdict::Stale),
            (0, NonceVerdict::Stale),
            (100, NonceVerdict::Fresh),
            (37, NonceVerdict::Fresh),
            (36, NonceVerdict::Stale),
        ] {
            assert_eq!(check(nc), verdict, "nc {nc}");
        }
    }

    #[test]
    fn without_a_count_no_nonce_is_good() {
        let now = epoch();
        let mut nonces = Nonces::new([1; 32]);
        let nonce = nonces.issue(now, HOME);
        assert_eq!(nonces.check(now, HOME, &use_of(&nonce, None)), NonceVerdict::Bad);
    }

    #[test]
    fn a_nonce_is_bound_to_age_address_and_secret() {
        let now = epoch();
        let mut nonces = Nonces::new([1; 32]).with_lifetime(Duration::from_secs(60));
        let nonce = nonces.issue(now, HOME);
        let use_it = use_of(&nonce, Some(1));
        let away: IpAddr = "192.0.2.2".parse().unwrap();
        assert_eq!(nonces.check(now, away, &use_it), NonceVerdict::Stale);
        assert_eq!(Nonces::new([2; 32]).check(now, HOME, &use_it), NonceVerdict::Stale);
        let late = now + Duration::from_secs(61);
        assert_eq!(nonces.check(late, HOME, &use_it), NonceVerdict::Stale);
        assert_eq!(nonces.peek(late, HOME, &use_it), NonceVerdict::Stale);
        assert_eq!(nonces.peek(now, away, &use_it), NonceVerdict::Stale);
        assert_eq!(nonces.peek(now, HOME, &use_it), NonceVerdict::Fresh, "and takes no count");
        let in_time = now + Duration::from_secs(60);
        assert_eq!(nonces.check(in_time, HOME, &use_it), NonceVerdict::Fresh);
    }

    #[test]
    fn garbage_is_bad_and_a_changed_nonce_is_never_fresh() {
        let now = epoch();
        let mut nonces = Nonces::new([1; 32]);
        let nonce = nonces.issue(now, HOME);
        for garbage in ["", "x", "0000000", "zzzzzzzzzzzzzzzzzzzz", "日本日本日本日本"] {
            assert_eq!(nonces.check(now, HOME, &use_of(garbage, Some(1))), NonceVerdict::Bad);
        }
        let changed = format!("{}{}", &nonce[..15], "f00000");
        assert_eq!(nonces.check(now, HOME, &use_of(&changed, Some(1))), NonceVerdict::Stale);
        let mut bad_count = use_of(&nonce, Some(1));
        bad_count = DigestCredentials::parse(&format!(
            "Digest username=u,realm=r,nonce=\"{}\",uri=u,response=x,qop=auth,cnonce=c,nc=+0000001",
            bad_count.nonce()
        ))
        .unwrap();
        assert_eq!(nonces.check(now, HOME, &bad_count), NonceVerdict::Bad);
    }

    #[test]
    fn the_table_of_used_nonces_is_bounded_and_forgets_to_the_safe_side() {
        let now = epoch();
        let mut nonces = Nonces::new([1; 32]);
        let first = nonces.issue(now, HOME);
        assert_eq!(nonces.check(now, HOME, &use_of(&first, Some(1))), NonceVerdict::Fresh);
        for _ in 0..MAX_USED {
            let nonce = nonces.issue(now, HOME);
            assert_eq!(nonces.check(now, HOME, &use_of(&nonce, Some(1))), NonceVerdict::Fresh);
        }
        assert_eq!(nonces.used.len(), MAX_USED);
        assert_eq!(nonces.check(now, HOME, &use_of(&first, Some(2))), NonceVerdict::Stale);
    }
}
