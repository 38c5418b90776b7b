//! Definitions kept in memory beside their table: what a call or a list needs to know is read without a
//! query, and costs its own size while nobody uses it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::Error;
use crate::model::{AccountSid, Conference, ConferenceSid, Queue, QueueSid};

/// Definitions of one kind that an account may have. A tenant must not fill our memory.
pub(super) const MAX_OF_ACCOUNT: usize = 20_000;

/// What a shelf needs to know of what lies on it.
pub trait Shelved {
    type Sid: Copy + fmt::Debug + Eq + Hash + Send + Sync + 'static;

    fn sid(&self) -> Self::Sid;
    fn account(&self) -> AccountSid;
    fn name(&self) -> &str;
}

impl Shelved for Conference {
    type Sid = ConferenceSid;

    fn sid(&self) -> ConferenceSid {
        self.sid
    }

    fn account(&self) -> AccountSid {
        self.account_sid
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl Shelved for Queue {
    type Sid = QueueSid;

    fn sid(&self) -> QueueSid {
        self.sid
    }

    fn account(&self) -> AccountSid {
        self.account_sid
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// All definitions of one kind. An account reads its own alone: it is an argument of every question.
#[derive(Debug)]
pub struct Shelf<T: Shelved>(RwLock<HashMap<AccountSid, Board<T>>>);

/// One account's: names are unique and never change.
#[derive(Debug)]
struct Board<T: Shelved> {
    by_name: BTreeMap<String, Arc<T>>,
    names: HashMap<T::Sid, String>,
}

impl<T: Shelved> Default for Shelf<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<T: Shelved> Default for Board<T> {
    fn default() -> Self {
        Self { by_name: BTreeMap::new(), names: HashMap::new() }
    }
}

impl<T: Shelved> Shelf<T> {
    /// An account's, by name.
    pub(super) fn of(&self, account: AccountSid) -> Vec<Arc<T>> {
        let all = self.read();
        all.get(&account).map(|board| board.by_name.values().cloned().collect()).unwrap_or_default()
    }

    pub(super) fn get(&self, account: AccountSid, sid: T::Sid) -> Option<Arc<T>> {
        let all = self.read();
        let board = all.get(&account)?;
        board.by_name.get(board.names.get(&sid)?).cloned()
    }

    pub(super) fn named(&self, account: AccountSid, name: &str) -> Option<Arc<T>> {
        self.read().get(&account)?.by_name.get(name).cloned()
    }

    /// Whether another of that name fits in.
    ///
    /// # Errors
    /// [`Error::Duplicate`] with `taken`, or [`Error::Full`].
    pub(super) fn check_place(
        &self,
        account: AccountSid,
        name: &str,
        taken: &'static str,
    ) -> Result<(), Error> {
        let all = self.read();
        let Some(board) = all.get(&account) else { return Ok(()) };
        if board.by_name.contains_key(name) {
            return Err(Error::Duplicate(taken));
        }
        if board.by_name.len() >= MAX_OF_ACCOUNT { Err(Error::Full) } else { Ok(()) }
    }

    /// Puts it there, in the place of what had its name.
    pub(super) fn put(&self, record: T) -> Arc<T> {
        let record = Arc::new(record);
        let mut all = self.write();
        let board = all.entry(record.account()).or_default();
        board.names.insert(record.sid(), record.name().to_owned());
        board.by_name.insert(record.name().to_owned(), record.clone());
        record
    }

    /// Puts it in the place of what it was, if that is still there.
    pub(super) fn put_back(&self, record: T) -> Option<Arc<T>> {
        let mut all = self.write();
        let place = all.get_mut(&record.account())?.by_name.get_mut(record.name())?;
        if place.sid() != record.sid() {
            return None;
        }
        *place = Arc::new(record);
        Some(place.clone())
    }

    /// Takes it off if it is as asked for.
    pub(super) fn take_if(
        &self,
        account: AccountSid,
        name: &str,
        is_meant: impl FnOnce(&T) -> bool,
    ) -> Option<Arc<T>> {
        let mut all = self.write();
        let board = all.get_mut(&account)?;
        if !is_meant(board.by_name.get(name)?) {
            return None;
        }
        let record = board.by_name.remove(name)?;
        board.names.remove(&record.sid());
        if board.by_name.is_empty() {
            all.remove(&account);
        }
        Some(record)
    }

    /// Drops all of an account.
    pub(super) fn clear(&self, account: AccountSid) {
        self.write().remove(&account);
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<AccountSid, Board<T>>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<AccountSid, Board<T>>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs to its end although whoever asked may be gone before: what is on a shelf and what is in its table
/// must not part half-way.
pub(super) async fn undisturbed<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    tokio::spawn(work).await.unwrap_or(Err(Error::Database(sqlx::Error::WorkerCrashed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_sees_its_own_by_sid_and_by_name() {
        let shelf = Shelf::default();
        let (one, two) = (AccountSid::random(), AccountSid::random());
        let lobby = shelf.put(Conference::new(one, "lobby"));
        shelf.put(Conference::new(one, "attic"));
        assert_eq!(shelf.get(one, lobby.sid), Some(lobby.clone()));
        assert_eq!((shelf.get(two, lobby.sid), shelf.named(two, "lobby")), (None, None));
        let names: Vec<_> = shelf.of(one).iter().map(|room| room.name.clone()).collect();
        assert_eq!(names, ["attic", "lobby"]);
        assert!(shelf.check_place(one, "lobby", "taken").is_err());
        assert!(shelf.check_place(two, "lobby", "taken").is_ok());
        assert_eq!(shelf.take_if(one, "lobby", |room| !room.persistent), None);
        assert!(shelf.take_if(one, "lobby", |room| room.persistent).is_some());
        assert_eq!((shelf.get(one, lobby.sid), shelf.named(one, "lobby")), (None, None));
        shelf.clear(one);
        assert!(shelf.of(one).is_empty());
    }

    #[test]
    fn an_account_has_a_bound() {
        let shelf = Shelf::default();
        let account = AccountSid::random();
        for n in 0..MAX_OF_ACCOUNT {
            shelf.check_place(account, &n.to_string(), "taken").unwrap();
            shelf.put(Queue::new(account, n.to_string()));
        }
        assert!(matches!(shelf.check_place(account, "one more", "taken"), Err(Error::Full)));
        assert!(shelf.check_place(AccountSid::random(), "one more", "taken").is_ok());
    }
}
