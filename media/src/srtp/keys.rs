//! Master keys with their salts: what stands behind `inline:` in `a=crypto`. Nothing here prints them.

use std::fmt;

use super::Suite;

/// The longest key and salt of all suites.
const MAX_BYTES: usize = 32 + 14;

/// A master key and its salt, of the length its suite wants.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MasterKey {
    suite: Suite,
    /// Key, then salt; zero behind them.
    bytes: [u8; MAX_BYTES],
}

impl MasterKey {
    /// From key and salt in one piece, as `inline:` has them; `None` if the length is not the suite's.
    pub fn new(suite: Suite, key_and_salt: &[u8]) -> Option<Self> {
        if key_and_salt.len() != suite.inline_bytes() {
            return None;
        }
        let mut bytes = [0; MAX_BYTES];
        bytes.get_mut(..key_and_salt.len())?.copy_from_slice(key_and_salt);
        Some(Self { suite, bytes })
    }

    /// What the key is for.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// Key and salt in one piece.
    pub fn key_and_salt(&self) -> &[u8] {
        self.bytes.get(..self.suite.inline_bytes()).unwrap_or_default()
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.suite.name())
    }
}

/// Our own keys of one session: one for each suite, so that no key serves twice.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LocalKeys {
    random: [u8; Self::BYTES],
}

impl LocalKeys {
    /// Bytes of all keys and salts, in the order of [`Suite::ALL`].
    pub const BYTES: usize = 2 * (16 + 14) + 2 * (32 + 14) + (16 + 12) + (32 + 12);

    /// From bytes of a cryptographic generator, new for each session.
    pub const fn from_random(random: [u8; Self::BYTES]) -> Self {
        Self { random }
    }

    /// The key that we send with under this suite.
    pub fn of(&self, suite: Suite) -> MasterKey {
        let before = Suite::ALL.into_iter().take_while(|&other| other != suite);
        let start: usize = before.map(Suite::inline_bytes).sum();
        let len = suite.inline_bytes();
        let mut bytes = [0; MAX_BYTES];
        for (to, from) in bytes.iter_mut().zip(self.random.iter().skip(start).take(len)) {
            *to = *from;
        }
        MasterKey { suite, bytes }
    }
}

impl fmt::Debug for LocalKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalKeys")
    }
}

/// The key identifier a peer puts into its packets (RFC 3711 §3.1): `len` bytes, most significant first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mki {
    /// What it says.
    pub value: u32,
    /// In how many bytes, 1 to 4.
    pub len: u8,
}

/// What both sides encrypt with: one suite, a key for each way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys {
    /// What we send with.
    pub local: MasterKey,
    /// What the peer sends with.
    pub remote: MasterKey,
    /// What the peer has announced to put into its packets beside the tag.
    pub remote_mki: Option<Mki>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_has_its_own_part_of_the_random_bytes() {
        let needed: usize = Suite::ALL.into_iter().map(Suite::inline_bytes).sum();
        assert_eq!(LocalKeys::BYTES, needed);
        let random = std::array::from_fn(|index| index as u8);
        let keys = LocalKeys::from_random(random);
        let all: Vec<u8> =
            Suite::ALL.iter().flat_map(|&suite| keys.of(suite).key_and_salt().to_vec()).collect();
        assert_eq!(all, random);
    }

    #[test]
    fn keys_have_the_length_of_their_suite_and_do_not_print() {
        for suite in Suite::ALL {
            let len = suite.inline_bytes();
            let key = MasterKey::new(suite, &vec![0x41; len]).unwrap();
            assert_eq!(key.key_and_salt(), vec![0x41; len]);
            assert!(MasterKey::new(suite, &vec![0; len - 1]).is_none());
            assert!(MasterKey::new(suite, &vec![0; len + 1]).is_none());
            let keys = Keys { local: key, remote: key, remote_mki: None };
            let printed = format!("{key:?} {keys:?} {:?}", LocalKeys::from_random([0x41; 224]));
            assert!(!printed.contains("41") && !printed.contains("65"), "{printed}");
        }
    }
}
