//! Whose the tokens used of late are, API keys and sessions alike, so that a request does not cost a
//! query. Bounded; emptied whenever one may have ended, by whatever way. Where other servers may end
//! them, entries grow too old.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::model::{ApiKeySid, Scope, Timestamp};

/// SHA-256 of a token.
pub(super) type TokenHash = [u8; 32];

pub(super) fn hash(token: &str) -> TokenHash {
    Sha256::digest(token.as_bytes()).into()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CachedKey {
    pub(super) sid: ApiKeySid,
    pub(super) scope: Scope,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) last_used: Option<Timestamp>,
}

#[derive(Debug)]
pub(super) struct TokenCache<T> {
    max_age: Option<Duration>,
    table: Mutex<Table<T>>,
}

#[derive(Debug)]
struct Table<T> {
    /// With the moment it was read.
    entries: HashMap<TokenHash, (T, Instant)>,
    /// Counts the emptyings: what was read before one must not be put in after it.
    generation: u64,
}

const MAX_ENTRIES: usize = 4096;

impl<T: Copy> TokenCache<T> {
    /// What is older than `max_age` is read again; without one, it stays until it is cleared.
    pub(super) fn new(max_age: Option<Duration>) -> Self {
        Self { max_age, table: Mutex::new(Table { entries: HashMap::new(), generation: 0 }) }
    }

    pub(super) fn get(&self, hash: &TokenHash) -> Option<T> {
        let (entry, read_at) = self.lock().entries.get(hash).copied()?;
        let is_fresh = self.max_age.is_none_or(|max| read_at.elapsed() < max);
        is_fresh.then_some(entry)
    }

    pub(super) fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// Keeps what was read from the database in `generation`.
    pub(super) fn put(&self, generation: u64, hash: TokenHash, entry: T) {
        let mut table = self.lock();
        if table.generation != generation {
            return;
        }
        if table.entries.len() >= MAX_ENTRIES {
            table.entries.clear();
        }
        table.entries.insert(hash, (entry, Instant::now()));
    }

    pub(super) fn clear(&self) {
        let mut table = self.lock();
        table.entries.clear();
        table.generation += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Table<T>> {
        // A panic under the lock cannot leave the map half changed in a way that matters.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TokenCache<CachedKey> {
    /// Marks a key as used, if it is still here.
    pub(super) fn touch(&self, hash: &TokenHash, now: Timestamp) {
        if let Some((key, _)) = self.lock().entries.get_mut(hash) {
            key.last_used = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> CachedKey {
        let sid = ApiKeySid::random();
        CachedKey { sid, scope: Scope::Admin, expires_at: None, last_used: None }
    }

    #[test]
    fn a_key_read_before_an_emptying_is_not_kept_after_it() {
        let cache = TokenCache::new(None);
        let before = cache.generation();
        cache.clear();
        cache.put(before, [1; 32], key());
        assert_eq!(cache.get(&[1; 32]), None);
        cache.put(cache.generation(), [1; 32], key());
        assert!(cache.get(&[1; 32]).is_some());
    }

    #[test]
    fn what_is_too_old_is_read_again() {
        for (max_age, is_kept) in
            [(None, true), (Some(Duration::from_secs(3600)), true), (Some(Duration::ZERO), false)]
        {
            let cache = TokenCache::new(max_age);
            cache.put(0, [1; 32], key());
            assert_eq!(cache.get(&[1; 32]).is_some(), is_kept, "{max_age:?}");
        }
    }

    #[test]
    fn the_cache_is_bounded() {
        let cache = TokenCache::new(None);
        for n in 0..=MAX_ENTRIES {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&n.to_be_bytes());
            cache.put(0, hash, key());
        }
        assert!(cache.lock().entries.len() <= MAX_ENTRIES);
    }
}
