//! Queues that REST defined. All of them are in memory; those that are to stay also in a table.

use std::sync::Arc;

use sqlx::Row as _;

use super::column::{Columns, optional_hook};
use super::shelf::undisturbed;
use super::{Error, Row, Seal, Store, Tx, accounts, duplicate};
use crate::model::{AccountSid, Queue, QueueInput, QueueSid, Scope};

const TAKEN: &str = "a queue with this name already exists in the account";

#[derive(Clone, Copy, Debug)]
pub struct Queues<'s> {
    pub(super) store: &'s Store,
}

impl Queues<'_> {
    /// An account's, by name.
    pub fn of(&self, account: AccountSid) -> Vec<Arc<Queue>> {
        self.store.inner.queues.of(account)
    }

    pub fn get(&self, account: AccountSid, sid: QueueSid) -> Option<Arc<Queue>> {
        self.store.inner.queues.get(account, sid)
    }

    pub fn named(&self, account: AccountSid, name: &str) -> Option<Arc<Queue>> {
        self.store.inner.queues.named(account, name)
    }

    /// # Errors
    /// [`Error::Duplicate`] for a name that is taken, [`Error::Full`] when the account has too many.
    pub async fn create(&self, scope: Scope, record: Queue) -> Result<Arc<Queue>, Error> {
        let store = self.store.clone();
        undisturbed(async move { store.queues().add(scope, record).await }).await
    }

    /// What it is now.
    pub async fn update(
        &self,
        scope: Scope,
        account: AccountSid,
        sid: QueueSid,
        input: QueueInput,
    ) -> Result<Arc<Queue>, Error> {
        let store = self.store.clone();
        undisturbed(async move { store.queues().change(scope, account, sid, input).await }).await
    }

    pub async fn delete(
        &self,
        scope: Scope,
        account: AccountSid,
        sid: QueueSid,
    ) -> Result<(), Error> {
        let store = self.store.clone();
        undisturbed(async move { store.queues().drop(scope, account, sid).await }).await
    }

    /// The last call has left the queue: a definition that is not to stay is gone. At once; asks nobody.
    /// Another that has the name by now stays.
    pub fn expire(&self, account: AccountSid, name: &str, sid: QueueSid) {
        let is_meant = |found: &Queue| found.sid == sid && !found.persistent;
        self.store.inner.queues.take_if(account, name, is_meant);
    }

    async fn add(&self, scope: Scope, record: Queue) -> Result<Arc<Queue>, Error> {
        let _turn = self.store.shelving().await;
        let shelf = &self.store.inner.queues;
        shelf.check_place(record.account_sid, &record.name, TAKEN)?;
        self.save(scope, &record).await?;
        Ok(shelf.put(record))
    }

    async fn change(
        &self,
        scope: Scope,
        account: AccountSid,
        sid: QueueSid,
        input: QueueInput,
    ) -> Result<Arc<Queue>, Error> {
        let _turn = self.store.shelving().await;
        let shelf = &self.store.inner.queues;
        let mut record = Queue::clone(&*shelf.get(account, sid).ok_or(Error::NotFound)?);
        input.apply(&mut record)?;
        self.save(scope, &record).await?;
        // It may have expired meanwhile: then it is not put back, unless it is in its table now.
        match record.persistent {
            true => Ok(shelf.put(record)),
            false => shelf.put_back(record).ok_or(Error::NotFound),
        }
    }

    async fn drop(&self, scope: Scope, account: AccountSid, sid: QueueSid) -> Result<(), Error> {
        let _turn = self.store.shelving().await;
        let shelf = &self.store.inner.queues;
        let record = shelf.get(account, sid).ok_or(Error::NotFound)?;
        let mut tx = self.store.begin().await?;
        accounts::in_tx(&mut tx, scope, account, self.store.seal()).await?;
        remove(&mut tx, sid).await?;
        tx.commit().await?;
        shelf.take_if(account, &record.name, |found| found.sid == sid);
        Ok(())
    }

    async fn save(&self, scope: Scope, record: &Queue) -> Result<(), Error> {
        let seal = self.store.seal();
        let mut tx = self.store.begin().await?;
        accounts::in_tx(&mut tx, scope, record.account_sid, seal).await?;
        if record.persistent {
            write(&mut tx, record, seal).await?;
        } else {
            remove(&mut tx, record.sid).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Fills the memory, at start.
    pub(super) async fn load(&self) -> Result<(), Error> {
        let rows = sqlx::query("SELECT * FROM queues").fetch_all(self.store.read()).await?;
        for row in &rows {
            self.store.inner.queues.put(read(row, self.store.seal())?);
        }
        Ok(())
    }
}

async fn write(tx: &mut Tx, record: &Queue, seal: &Seal) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO queues (queue_sid, account_sid, name, max_length, wait_hook, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (queue_sid) DO UPDATE SET \
         max_length = EXCLUDED.max_length, wait_hook = EXCLUDED.wait_hook",
    )
    .bind(record.sid)
    .bind(record.account_sid)
    .bind(&record.name)
    .bind(record.max_length.map(i64::from))
    .bind(optional_hook(record.wait_hook.as_ref(), seal)?)
    .bind(record.created_at)
    .execute(&mut **tx)
    .await
    .map_err(duplicate(TAKEN))?;
    Ok(())
}

async fn remove(tx: &mut Tx, sid: QueueSid) -> Result<(), Error> {
    sqlx::query("DELETE FROM queues WHERE queue_sid = $1").bind(sid).execute(&mut **tx).await?;
    Ok(())
}

fn read(row: &Row, seal: &Seal) -> Result<Queue, Error> {
    Ok(Queue {
        sid: row.try_get("queue_sid")?,
        account_sid: row.try_get("account_sid")?,
        name: row.try_get("name")?,
        persistent: true,
        max_length: row.optional_count("max_length")?,
        wait_hook: row.hook("wait_hook", seal)?,
        created_at: row.try_get("created_at")?,
    })
}
