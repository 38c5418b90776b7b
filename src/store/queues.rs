//! The table of queues that REST defined.

use sqlx::Row as _;

use super::column::{Columns, optional_hook};
use super::definitions::Definition;
use super::shelf::Shelf;
use super::{Error, Row, Seal, Store, Tx, duplicate};
use crate::model::{Invalid, Queue, QueueInput, QueueSid};

impl Definition for Queue {
    type Input = QueueInput;

    const TAKEN: &'static str = "a queue with this name already exists in the account";
    const ALL: &'static str = "SELECT * FROM queues";

    fn apply(&mut self, input: QueueInput) -> Result<(), Invalid> {
        input.apply(self)
    }

    fn is_persistent(&self) -> bool {
        self.persistent
    }

    fn shelf(store: &Store) -> &Shelf<Self> {
        &store.inner.queues
    }

    async fn write(&self, tx: &mut Tx, seal: &Seal) -> Result<(), Error> {
        sqlx::query(
            "INSERT INTO queues (queue_sid, account_sid, name, max_length, wait_hook, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (queue_sid) DO UPDATE SET \
             max_length = EXCLUDED.max_length, wait_hook = EXCLUDED.wait_hook",
        )
        .bind(self.sid)
        .bind(self.account_sid)
        .bind(&self.name)
        .bind(self.max_length.map(i64::from))
        .bind(optional_hook(self.wait_hook.as_ref(), seal)?)
        .bind(self.created_at)
        .execute(&mut **tx)
        .await
        .map_err(duplicate(Self::TAKEN))?;
        Ok(())
    }

    async fn remove(sid: QueueSid, tx: &mut Tx) -> Result<(), Error> {
        sqlx::query("DELETE FROM queues WHERE queue_sid = $1").bind(sid).execute(&mut **tx).await?;
        Ok(())
    }

    fn read(row: &Row, seal: &Seal) -> Result<Self, Error> {
        Ok(Self {
            sid: row.try_get("queue_sid")?,
            account_sid: row.try_get("account_sid")?,
            name: row.try_get("name")?,
            persistent: true,
            max_length: row.optional_count("max_length")?,
            wait_hook: row.hook("wait_hook", seal)?,
            created_at: row.try_get("created_at")?,
        })
    }
}
