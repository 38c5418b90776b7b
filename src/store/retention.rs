//! Records that are too old are deleted: a little at a time, with pauses, so that nobody waits for it.

use std::time::Duration;

use sqlx::Row as _;
use tokio::time::sleep;
use tracing::{info, warn};

use super::Error;
use super::call_days::CallDays;
use super::database::Database;
use crate::config;
use crate::model::Timestamp;

const EVERY: Duration = Duration::from_secs(10 * 60);
/// Rows of one transaction, some milliseconds of work.
const BATCH: i64 = 500;
/// Between two transactions, for those who wait to write.
const PAUSE: Duration = Duration::from_millis(50);

/// How long records are kept; zero: for ever.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retention {
    calls: Duration,
    alerts: Duration,
}

/// How many were deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Swept {
    pub(super) calls: u64,
    pub(super) alerts: u64,
}

impl Retention {
    pub(super) fn new(config: &config::Store) -> Self {
        Self { calls: config.keep_calls, alerts: config.keep_alerts }
    }

    /// Sweeps now and then, for as long as it is polled.
    pub(super) async fn run(self, database: Database) {
        loop {
            match self.sweep(&database, Timestamp::now()).await {
                Ok(Swept { calls: 0, alerts: 0 }) => {}
                Ok(Swept { calls, alerts }) => info!(calls, alerts, "old records deleted"),
                Err(error) => warn!(%error, cause = ?error, "old records cannot be deleted"),
            }
            sleep(EVERY).await;
        }
    }

    /// Deletes what is older at `now` than it may get.
    pub(super) async fn sweep(self, database: &Database, now: Timestamp) -> Result<Swept, Error> {
        let mut swept = Swept { calls: 0, alerts: 0 };
        if !self.calls.is_zero() {
            let before = now.minus(self.calls);
            while let deleted @ 1.. = delete_calls(database, before).await? {
                swept.calls += deleted;
                sleep(PAUSE).await;
            }
        }
        if !self.alerts.is_zero() {
            let before = now.minus(self.alerts);
            while let deleted @ 1.. = delete_alerts(database, before).await? {
                swept.alerts += deleted;
                sleep(PAUSE).await;
            }
        }
        Ok(swept)
    }
}

async fn delete_calls(database: &Database, before: Timestamp) -> Result<u64, Error> {
    let mut tx = database.begin().await?;
    let rows = sqlx::query(
        "DELETE FROM calls WHERE call_sid IN (SELECT call_sid FROM calls WHERE attempted_at < $1 \
         ORDER BY attempted_at LIMIT $2) \
         RETURNING account_sid, service_provider_sid, attempted_at",
    )
    .bind(before)
    .bind(BATCH)
    .fetch_all(&mut *tx)
    .await?;
    let mut days = CallDays::default();
    for row in &rows {
        days.count(
            row.try_get("account_sid")?,
            row.try_get("service_provider_sid")?,
            row.try_get("attempted_at")?,
            -1,
        );
    }
    days.write(&mut tx).await?;
    if !rows.is_empty() {
        sqlx::query("DELETE FROM call_days WHERE total <= 0").execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(rows.len() as u64)
}

async fn delete_alerts(database: &Database, before: Timestamp) -> Result<u64, Error> {
    let mut tx = database.begin().await?;
    let done = sqlx::query(
        "DELETE FROM alerts WHERE alert_sid IN (SELECT alert_sid FROM alerts WHERE time < $1 \
         ORDER BY time LIMIT $2)",
    )
    .bind(before)
    .bind(BATCH)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(done.rows_affected())
}

#[cfg(test)]
mod tests;
