//! The limits that the server enforces, in memory, so that a call or a REGISTER costs no query. Read
//! anew by whoever needs them first after one was changed, by whatever way. Where other servers may
//! change them, what was read grows too old.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::Error;
use crate::model::{AccountSid, ServiceProviderSid};

/// Every limit that is enforced, by whose it is.
#[derive(Debug, Default)]
pub(super) struct Enforced {
    pub(super) calls: HashMap<AccountSid, u32>,
    pub(super) calls_of_provider: HashMap<ServiceProviderSid, u32>,
    pub(super) devices: HashMap<AccountSid, u32>,
}

#[derive(Debug)]
pub(super) struct LimitCache {
    max_age: Option<Duration>,
    /// Counts the changes: what was read before one is not used after it.
    changes: AtomicU64,
    last: RwLock<Option<Last>>,
    /// One reads the database at a time, the others wait for what it brings.
    reading: tokio::sync::Mutex<()>,
}

/// What was read last.
#[derive(Debug)]
struct Last {
    enforced: Arc<Enforced>,
    /// The changes there had been.
    changes: u64,
    at: Instant,
}

/// Says that there was a change when it is dropped: also when whoever made it was given up half-way,
/// with the commit under way.
#[derive(Debug)]
pub(super) struct Changing<'c>(&'c LimitCache);

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.0.changes.fetch_add(1, Ordering::AcqRel);
    }
}

impl LimitCache {
    /// Limits older than `max_age` are read again; without one, only after a change.
    pub(super) fn new(max_age: Option<Duration>) -> Self {
        let reading = tokio::sync::Mutex::default();
        Self { max_age, changes: AtomicU64::new(0), last: RwLock::default(), reading }
    }

    /// Held by a writer until its commit is done.
    pub(super) fn changing(&self) -> Changing<'_> {
        Changing(self)
    }

    /// The limits as they are now; `read` gets them out of the database after a change.
    pub(super) async fn get<F>(&self, read: impl FnOnce() -> F) -> Result<Arc<Enforced>, Error>
    where
        F: Future<Output = Result<Enforced, Error>>,
    {
        if let Some(current) = self.current() {
            return Ok(current);
        }
        let _reading = self.reading.lock().await;
        if let Some(current) = self.current() {
            return Ok(current);
        }
        let (changes, at) = (self.changes.load(Ordering::Acquire), Instant::now());
        let enforced = Arc::new(read().await?);
        let last = Last { enforced: enforced.clone(), changes, at };
        *self.last.write().unwrap_or_else(PoisonError::into_inner) = Some(last);
        Ok(enforced)
    }

    fn current(&self) -> Option<Arc<Enforced>> {
        let last = self.last.read().unwrap_or_else(PoisonError::into_inner);
        let last = last.as_ref()?;
        let is_fresh = self.max_age.is_none_or(|max| last.at.elapsed() < max);
        let is_current = last.changes == self.changes.load(Ordering::Acquire);
        (is_fresh && is_current).then(|| last.enforced.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Limits one can tell apart from others.
    fn limits(most: u32) -> Enforced {
        let calls = HashMap::from([(AccountSid::random(), most)]);
        Enforced { calls, ..Enforced::default() }
    }

    async fn most(cache: &LimitCache, stored: u32) -> u32 {
        let found = cache.get(|| async { Ok(limits(stored)) }).await.unwrap();
        found.calls.values().copied().sum()
    }

    #[tokio::test]
    async fn the_database_is_asked_once_after_each_change() {
        let cache = LimitCache::new(None);
        assert_eq!((most(&cache, 1).await, most(&cache, 2).await), (1, 1));
        let changing = cache.changing();
        assert_eq!(most(&cache, 3).await, 1);
        drop(changing);
        assert_eq!((most(&cache, 4).await, most(&cache, 5).await), (4, 4));
    }

    #[tokio::test]
    async fn what_was_read_before_a_change_is_not_kept_after_it() {
        let cache = LimitCache::new(None);
        let read = || async {
            drop(cache.changing());
            Ok(limits(1))
        };
        cache.get(read).await.unwrap();
        assert_eq!(most(&cache, 2).await, 2);
    }

    #[tokio::test]
    async fn what_is_too_old_is_read_again() {
        for (max_age, second) in [(Duration::from_secs(3600), 1), (Duration::ZERO, 2)] {
            let cache = LimitCache::new(Some(max_age));
            assert_eq!((most(&cache, 1).await, most(&cache, 2).await), (1, second));
        }
    }

    #[tokio::test]
    async fn a_failure_is_nobodys_limit() {
        let cache = LimitCache::new(None);
        cache.get(|| async { Err(Error::NotFound) }).await.unwrap_err();
        assert_eq!(most(&cache, 7).await, 7);
    }
}
