//! What REST laid down for rooms of a name, conferences and queues alike. All of it is in memory; what is
//! to stay also in a table.
//!
//! What is not to stay lives in memory alone, until the last call has left its room, it is deleted, or the
//! process ends: nobody can be left in it then.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::shelf::{Shelf, Shelved, undisturbed};
use super::{Error, Row, Seal, Store, Tx, accounts};
use crate::model::{AccountSid, Invalid, Scope};

/// A kind of them: where it lies, and how it is written and read.
pub trait Definition: Shelved + Clone + Send + Sync + 'static {
    /// The settings in a create or an update.
    type Input: Clone + Send + 'static;

    /// What a name that another has is refused with.
    const TAKEN: &'static str;
    /// Reads the whole table.
    const ALL: &'static str;

    fn apply(&mut self, input: Self::Input) -> Result<(), Invalid>;
    fn is_persistent(&self) -> bool;
    fn shelf(store: &Store) -> &Shelf<Self>;
    fn write(&self, tx: &mut Tx, seal: &Seal) -> impl Future<Output = Result<(), Error>> + Send;
    fn remove(sid: Self::Sid, tx: &mut Tx) -> impl Future<Output = Result<(), Error>> + Send;
    fn read(row: &Row, seal: &Seal) -> Result<Self, Error>;
}

/// Those of one kind.
pub struct Definitions<'s, T> {
    store: &'s Store,
    kind: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for Definitions<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Definitions").field("store", &self.store).finish_non_exhaustive()
    }
}

impl<'s, T: Definition> Definitions<'s, T> {
    pub(super) fn new(store: &'s Store) -> Self {
        Self { store, kind: PhantomData }
    }

    fn shelf(&self) -> &'s Shelf<T> {
        T::shelf(self.store)
    }

    /// An account's, by name.
    pub fn of(&self, account: AccountSid) -> Vec<Arc<T>> {
        self.shelf().of(account)
    }

    pub fn get(&self, account: AccountSid, sid: T::Sid) -> Option<Arc<T>> {
        self.shelf().get(account, sid)
    }

    pub fn named(&self, account: AccountSid, name: &str) -> Option<Arc<T>> {
        self.shelf().named(account, name)
    }

    /// # Errors
    /// [`Error::Duplicate`] for a name that is taken, [`Error::Full`] when the account has too many.
    pub async fn create(&self, scope: Scope, record: T) -> Result<Arc<T>, Error> {
        let store = self.store.clone();
        undisturbed(async move { Definitions::new(&store).add(scope, record).await }).await
    }

    /// What it is now.
    pub async fn update(
        &self,
        scope: Scope,
        account: AccountSid,
        sid: T::Sid,
        input: T::Input,
    ) -> Result<Arc<T>, Error> {
        let store = self.store.clone();
        undisturbed(
            async move { Definitions::new(&store).change(scope, account, sid, input).await },
        )
        .await
    }

    pub async fn delete(
        &self,
        scope: Scope,
        account: AccountSid,
        sid: T::Sid,
    ) -> Result<(), Error> {
        let store = self.store.clone();
        undisturbed(async move { Definitions::<T>::new(&store).drop(scope, account, sid).await })
            .await
    }

    /// The last call has left its room: a definition that is not to stay is gone. At once; asks nobody.
    /// Another that has the name by now stays.
    pub fn expire(&self, account: AccountSid, name: &str, sid: T::Sid) {
        let is_meant = |found: &T| found.sid() == sid && !found.is_persistent();
        self.shelf().take_if(account, name, is_meant);
    }

    async fn add(&self, scope: Scope, record: T) -> Result<Arc<T>, Error> {
        let _turn = self.store.shelving().await;
        self.shelf().check_place(record.account(), record.name(), T::TAKEN)?;
        self.save(scope, &record).await?;
        Ok(self.shelf().put(record))
    }

    async fn change(
        &self,
        scope: Scope,
        account: AccountSid,
        sid: T::Sid,
        input: T::Input,
    ) -> Result<Arc<T>, Error> {
        let _turn = self.store.shelving().await;
        let mut record = T::clone(&*self.shelf().get(account, sid).ok_or(Error::NotFound)?);
        record.apply(input)?;
        self.save(scope, &record).await?;
        // It may have expired meanwhile: then it is not put back, unless it is in its table now.
        match record.is_persistent() {
            true => Ok(self.shelf().put(record)),
            false => self.shelf().put_back(record).ok_or(Error::NotFound),
        }
    }

    async fn drop(&self, scope: Scope, account: AccountSid, sid: T::Sid) -> Result<(), Error> {
        let _turn = self.store.shelving().await;
        let record = self.shelf().get(account, sid).ok_or(Error::NotFound)?;
        let mut tx = self.store.begin().await?;
        accounts::in_tx(&mut tx, scope, account, self.store.seal()).await?;
        T::remove(sid, &mut tx).await?;
        tx.commit().await?;
        self.shelf().take_if(account, record.name(), |found| found.sid() == sid);
        Ok(())
    }

    async fn save(&self, scope: Scope, record: &T) -> Result<(), Error> {
        let seal = self.store.seal();
        let mut tx = self.store.begin().await?;
        accounts::in_tx(&mut tx, scope, record.account(), seal).await?;
        if record.is_persistent() {
            record.write(&mut tx, seal).await?;
        } else {
            T::remove(record.sid(), &mut tx).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Fills the memory, at start.
    pub(super) async fn load(&self) -> Result<(), Error> {
        let rows = sqlx::query(T::ALL).fetch_all(self.store.read()).await?;
        for row in &rows {
            self.shelf().put(T::read(row, self.store.seal())?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::json;
    use tokio::time::sleep;

    use super::*;
    use crate::config;
    use crate::model::{Account, Conference, ConferenceInput, Fields, ServiceProvider};

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_definition_that_goes_with_its_room_does_not_come_back_and_takes_no_other_along() {
        let dir = std::env::temp_dir().join(format!("trunkline-rooms-{}", uuid::Uuid::new_v4()));
        let config = config::Store { data_dir: dir.clone(), ..config::Store::default() };
        let store = Store::open(&config).await.unwrap();
        let provider = ServiceProvider::new("p");
        store.service_providers().create(&provider).await.unwrap();
        let account = Account::new(provider.sid, "a");
        store.accounts().create(&account).await.unwrap();
        let passing = || Conference { persistent: false, ..Conference::new(account.sid, "lobby") };
        let rooms = store.conferences();
        let input = || {
            let body = json!({"locked": true});
            ConferenceInput::update(Fields::new(body.as_object().unwrap().clone())).unwrap()
        };

        // Its room ends while a change of it waits for the database.
        let first = rooms.create(Scope::Admin, passing()).await.unwrap();
        let busy = store.begin().await.unwrap();
        let change = tokio::spawn({
            let store = store.clone();
            let (account, sid, settings) = (account.sid, first.sid, input().settings);
            async move { store.conferences().update(Scope::Admin, account, sid, settings).await }
        });
        let deadline = Instant::now() + SOON;
        while store.inner.shelving.try_lock().is_ok() {
            assert!(Instant::now() < deadline, "no change within {SOON:?}");
            sleep(Duration::from_millis(1)).await;
        }
        rooms.expire(account.sid, "lobby", first.sid);
        drop(busy);
        assert!(matches!(change.await.unwrap(), Err(Error::NotFound)));
        assert!(rooms.of(account.sid).is_empty());

        // The room of the first ends late, when another has the name.
        let second = rooms.create(Scope::Admin, passing()).await.unwrap();
        rooms.expire(account.sid, "lobby", first.sid);
        assert_eq!(rooms.named(account.sid, "lobby"), Some(second.clone()));
        rooms.expire(account.sid, "lobby", second.sid);
        assert!(rooms.of(account.sid).is_empty());
        store.close().await;
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
