//! Answers to GET, kept as they were written until something is committed: reading the same again costs
//! no query.
//!
//! A handler opts in by taking a [`Snapshot`] and reading inside of [`Snapshot::or`]. It may, if its
//! answer depends on the scope, the path with its query, and the store alone: on nothing that is live, no
//! clock, no session. An answer is kept under its scope, so nobody is ever given another's, and holds
//! for the count of changes that was taken before it was read ([`Store::changes`]): what was committed
//! before a request began is in its answer, whoever wrote it and by whatever way. With a database that
//! other servers write to as well nothing is kept.
//!
//! [`Store::changes`]: crate::store::Store::changes

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::sync::{PoisonError, RwLock};

use actix_web::dev::Payload;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};

use super::AppState;
use super::describe::{Extracts, Operation};
use super::reply::{Answer, Reply};
use crate::model::Scope;

/// What the answer to this request is kept under, beside the scope: path and query.
pub(super) struct Snapshot(String);

impl Extracts for Snapshot {
    fn describe(_: &mut Operation) {}
}

impl FromRequest for Snapshot {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let target = request.uri().path_and_query().map(|target| target.as_str());
        ready(Ok(Self(target.unwrap_or_default().to_owned())))
    }
}

impl Snapshot {
    /// What was answered to `scope` before, if nothing has changed since; else what `read` says. Refusals
    /// are not kept.
    pub(super) async fn or<T>(
        self,
        state: &AppState,
        scope: Scope,
        read: impl Future<Output = Reply<T>>,
    ) -> Reply<T> {
        let Some(changes) = state.store.changes() else { return read.await };
        let key = (scope, self.0);
        if let Some(body) = state.snapshots.get(&key, changes) {
            return Ok(Answer::written(body));
        }
        let answer = read.await?;
        Ok(answer.showing_body(|body| state.snapshots.put(key, changes, body)))
    }
}

type Key = (Scope, String);

/// What is kept, for all HTTP workers. Bodies hold secrets of tenants: it has no `Debug`.
#[derive(Default)]
pub(super) struct Snapshots(RwLock<Table>);

#[derive(Default)]
struct Table {
    /// With the count of changes each was read at.
    entries: HashMap<Key, (u64, Bytes)>,
    /// Of keys and bodies.
    bytes: usize,
}

const MAX_ENTRIES: usize = 10_000;
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// Longer answers are rare, and would push out many others.
const MAX_BODY_BYTES: usize = 256 * 1024;

impl Snapshots {
    fn get(&self, key: &Key, changes: u64) -> Option<Bytes> {
        let table = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (read_at, body) = table.entries.get(key)?;
        (*read_at == changes).then(|| body.clone())
    }

    /// When there is no room for it, what is out of date goes; if that is not enough, everything.
    fn put(&self, key: Key, changes: u64, body: Bytes) {
        if body.len() > MAX_BODY_BYTES {
            return;
        }
        let size = size(&key, &body);
        // A panic under the lock can only leave `bytes` too high, which is put right with the next emptying.
        let mut table = self.0.write().unwrap_or_else(PoisonError::into_inner);
        table.remove(&key);
        if !table.has_room(size) {
            table.entries.retain(|_, (read_at, _)| *read_at >= changes);
            table.bytes = table.entries.iter().map(|(key, (_, body))| self::size(key, body)).sum();
        }
        if !table.has_room(size) {
            *table = Table::default();
        }
        table.bytes += size;
        table.entries.insert(key, (changes, body));
    }
}

impl Table {
    fn has_room(&self, size: usize) -> bool {
        self.entries.len() < MAX_ENTRIES && self.bytes + size <= MAX_BYTES
    }

    fn remove(&mut self, key: &Key) {
        if let Some((_, body)) = self.entries.remove(key) {
            self.bytes -= size(key, &body);
        }
    }
}

/// What an entry takes, roughly.
fn size(key: &Key, body: &Bytes) -> usize {
    size_of::<(Key, (u64, Bytes))>() + key.1.len() + body.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AccountSid, ServiceProviderSid};

    fn key(scope: Scope, target: &str) -> Key {
        (scope, target.to_owned())
    }

    #[test]
    fn an_answer_is_for_one_scope_one_target_and_one_count_of_changes() {
        let kept = Snapshots::default();
        let (one, other) = (AccountSid::random(), AccountSid::random());
        let owner = key(Scope::Account(one), "/v1/Applications?page=1");
        kept.put(owner.clone(), 7, Bytes::from_static(b"[1]"));
        assert_eq!(kept.get(&owner, 7).as_deref(), Some(b"[1]".as_slice()));
        for (stranger, changes) in [
            (owner.clone(), 8),
            (owner, 6),
            (key(Scope::Account(one), "/v1/Applications?page=2"), 7),
            (key(Scope::Account(one), "/v1/Applications"), 7),
            (key(Scope::Account(other), "/v1/Applications?page=1"), 7),
            (key(Scope::Admin, "/v1/Applications?page=1"), 7),
            (
                key(
                    Scope::ServiceProvider(ServiceProviderSid::random()),
                    "/v1/Applications?page=1",
                ),
                7,
            ),
        ] {
            assert_eq!(kept.get(&stranger, changes), None, "{stranger:?} at {changes}");
        }
    }

    #[test]
    fn entries_and_bytes_are_bounded_and_counted() {
        let kept = Snapshots::default();
        let put = |n: usize, bytes: usize| {
            kept.put(key(Scope::Admin, &n.to_string()), 1, Bytes::from(vec![b'x'; bytes]));
        };
        let check = || {
            let table = kept.0.read().unwrap();
            let counted: usize = table.entries.iter().map(|(key, (_, body))| size(key, body)).sum();
            assert_eq!(table.bytes, counted);
            assert!(table.entries.len() <= MAX_ENTRIES && table.bytes <= MAX_BYTES);
            table.entries.len()
        };
        for n in 0..=MAX_ENTRIES {
            put(n, 1);
        }
        assert!(check() <= MAX_ENTRIES);
        for n in 0..2 * MAX_BYTES / MAX_BODY_BYTES {
            put(n, MAX_BODY_BYTES);
        }
        let before = check();
        put(0, MAX_BODY_BYTES + 1);
        assert_eq!(check(), before, "what is too long is not kept");
        put(0, 5);
        put(0, 9);
        check();
    }

    #[test]
    fn what_is_out_of_date_goes_first() {
        let kept = Snapshots::default();
        for n in 0..MAX_ENTRIES - 1 {
            kept.put(key(Scope::Admin, &n.to_string()), 1, Bytes::new());
        }
        kept.put(key(Scope::Admin, "new"), 2, Bytes::new());
        kept.put(key(Scope::Admin, "newer"), 2, Bytes::new());
        assert!(kept.get(&key(Scope::Admin, "new"), 2).is_some());
        assert_eq!(kept.get(&key(Scope::Admin, "0"), 1), None);
    }
}
