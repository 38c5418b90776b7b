//! First answers of requests that carried an Idempotency-Key, so that one sent again does nothing more.
//!
//! Kept for [`KEEP`], and of one account not more than [`MOST_PER_ACCOUNT`]: then the oldest go.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::Row as _;

use super::{Error, Store, Tx};
use crate::model::{AccountSid, Timestamp};

/// How long a request may be sent again.
const KEEP: Duration = Duration::from_secs(24 * 3600);

/// Keys of one account that are remembered.
const MOST_PER_ACCOUNT: i64 = 100_000;

/// What is too old or too many is looked for with every so many new keys.
const SWEEP_EVERY: u32 = 500;

#[derive(Clone, Copy, Debug)]
pub struct Idempotency<'s> {
    pub(super) store: &'s Store,
}

/// What is known of a request with that key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstRequest {
    /// What it asked.
    pub request_hash: String,
    /// The JSON it was answered with. None: it runs, or the server ended while it did.
    pub answer: Option<String>,
}

/// Counts new keys, to sweep now and then.
#[derive(Debug, Default)]
pub(super) struct Sweep(AtomicU32);

impl Idempotency<'_> {
    /// The first request of the account with that key, if it came after `now` less [`KEEP`].
    pub async fn find(
        &self,
        account: AccountSid,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<FirstRequest>, Error> {
        let row = sqlx::query(
            "SELECT request_hash, answer FROM idempotency_keys \
             WHERE account_sid = $1 AND idempotency_key = $2 AND created_at > $3",
        )
        .bind(account)
        .bind(key)
        .bind(now.minus(KEEP))
        .fetch_optional(self.store.read())
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(FirstRequest {
            request_hash: row.try_get("request_hash")?,
            answer: row.try_get("answer")?,
        }))
    }

    /// Notes that a request with this key begins. An expired one of that key is forgotten.
    pub async fn begin(
        &self,
        account: AccountSid,
        key: &str,
        request_hash: &str,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        let counted = self.store.inner.sweep.0.fetch_add(1, Ordering::Relaxed);
        if counted.is_multiple_of(SWEEP_EVERY) {
            sweep(&mut tx, now, MOST_PER_ACCOUNT).await?;
        }
        sqlx::query(
            "INSERT INTO idempotency_keys \
             (account_sid, idempotency_key, request_hash, answer, created_at) \
             VALUES ($1, $2, $3, NULL, $4) ON CONFLICT (account_sid, idempotency_key) DO UPDATE \
             SET request_hash = excluded.request_hash, answer = NULL, \
             created_at = excluded.created_at",
        )
        .bind(account)
        .bind(key)
        .bind(request_hash)
        .bind(now)
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    /// Keeps what the request was answered, also when its beginning was not noted.
    pub async fn answer(
        &self,
        account: AccountSid,
        key: &str,
        (request_hash, answer): (&str, &str),
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        sqlx::query(
            "INSERT INTO idempotency_keys \
             (account_sid, idempotency_key, request_hash, answer, created_at) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (account_sid, idempotency_key) DO UPDATE \
             SET answer = excluded.answer",
        )
        .bind(account)
        .bind(key)
        .bind(request_hash)
        .bind(answer)
        .bind(now)
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    /// The request came to nothing: it may be sent again.
    pub async fn forget(&self, account: AccountSid, key: &str) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        sqlx::query("DELETE FROM idempotency_keys WHERE account_sid = $1 AND idempotency_key = $2")
            .bind(account)
            .bind(key)
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }
}

/// Drops what is too old, and the oldest of accounts that have more than `most`.
pub(super) async fn sweep(tx: &mut Tx, now: Timestamp, most: i64) -> Result<(), Error> {
    sqlx::query("DELETE FROM idempotency_keys WHERE created_at <= $1")
        .bind(now.minus(KEEP))
        .execute(&mut **tx)
        .await?;
    let crowded = sqlx::query(
        "SELECT account_sid FROM idempotency_keys GROUP BY account_sid HAVING COUNT(*) > $1",
    )
    .bind(most)
    .fetch_all(&mut **tx)
    .await?;
    for row in crowded {
        let account: AccountSid = row.try_get("account_sid")?;
        sqlx::query(
            "DELETE FROM idempotency_keys WHERE account_sid = $1 AND created_at <= \
             (SELECT created_at FROM idempotency_keys WHERE account_sid = $1 \
             ORDER BY created_at DESC LIMIT 1 OFFSET $2)",
        )
        .bind(account)
        .bind(most)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}
