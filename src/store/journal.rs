//! The journal: call records, alerts and registrations on their way to the database.
//!
//! Writing never makes a call wait: entries go into a bounded channel, one task commits whatever
//! has gathered, at once, in one transaction. A failing database is tried again with the same
//! batch; meanwhile the channel fills, and beyond its bound entries are dropped and counted.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::{error, warn};

use super::registrations::{self, Registered};
use super::{Database, Error, alerts, calls};
use crate::model::{Alert, CallRecord, Timestamp};

pub(super) enum Entry {
    Call(Box<CallRecord>),
    Alert(Timestamp, Box<Alert>),
    /// All contacts a user has now.
    Registered(Box<Registered>),
    /// Answered when everything before it is committed.
    Flush(oneshot::Sender<()>),
    Close,
}

#[derive(Debug)]
pub(super) struct Journal {
    sender: mpsc::Sender<Entry>,
    writer: Mutex<Option<JoinHandle<()>>>,
    dropped: AtomicU64,
}

const MAX_BATCH: usize = 256;
const RETRY_AFTER: Duration = Duration::from_millis(250);
const CLOSE_WITHIN: Duration = Duration::from_secs(10);

impl Journal {
    pub(super) fn start(database: Database, capacity: usize) -> Self {
        let (sender, receiver) = mpsc::channel(capacity);
        let writer = tokio::spawn(write_all(database, receiver));
        Self { sender, writer: Mutex::new(Some(writer)), dropped: AtomicU64::new(0) }
    }

    pub(super) fn write(&self, entry: Entry) {
        if self.sender.try_send(entry).is_ok() {
            return;
        }
        metrics::counter!("store_journal_dropped_total").increment(1);
        let dropped = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
        // At 1, 2, 4, 8, …: a database that stays away must not fill the log as well.
        if dropped.is_power_of_two() {
            error!(
                dropped,
                "journal full or closed: call records, alerts or registrations were dropped"
            );
        }
    }

    pub(super) async fn flush(&self) {
        let (done, committed) = oneshot::channel();
        if self.sender.send(Entry::Flush(done)).await.is_ok() {
            // An error means the writer has ended, so there is nothing left to wait for.
            let _ = committed.await;
        }
    }

    /// Commits what is there and ends the writer.
    pub(super) async fn close(&self) {
        let writer = self.writer.lock().ok().and_then(|mut writer| writer.take());
        let Some(writer) = writer else { return };
        let finish = async {
            // An error means the writer has ended already.
            let _ = self.sender.send(Entry::Close).await;
            writer.await
        };
        if tokio::time::timeout(CLOSE_WITHIN, finish).await.is_err() {
            error!("journal not written within {CLOSE_WITHIN:?} of closing");
        }
    }
}

async fn write_all(database: Database, mut receiver: mpsc::Receiver<Entry>) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    while receiver.recv_many(&mut batch, MAX_BATCH).await > 0 {
        let mut failures = 0u64;
        while let Err(error) = commit(&database, &batch).await {
            if failures == 0 {
                warn!(%error, cause = ?error, entries = batch.len(), "journal cannot be written, trying again");
            }
            failures += 1;
            tokio::time::sleep(RETRY_AFTER).await;
        }
        if failures > 0 {
            warn!(failures, "journal is written again");
        }
        let mut closing = false;
        for entry in batch.drain(..) {
            match entry {
                // Whoever asked may have gone.
                Entry::Flush(done) => _ = done.send(()),
                Entry::Close => closing = true,
                Entry::Call(_) | Entry::Alert(..) | Entry::Registered(_) => {}
            }
        }
        if closing {
            return;
        }
    }
}

async fn commit(database: &Database, batch: &[Entry]) -> Result<(), Error> {
    let is_record = |entry: &Entry| !matches!(entry, Entry::Flush(_) | Entry::Close);
    if !batch.iter().any(is_record) {
        return Ok(());
    }
    let mut tx = database.begin_append().await?;
    for entry in batch {
        match entry {
            Entry::Call(record) => calls::insert(&mut tx, record).await?,
            Entry::Alert(time, alert) => alerts::insert(&mut tx, *time, alert).await?,
            Entry::Registered(user) => registrations::replace(&mut tx, user).await?,
            Entry::Flush(_) | Entry::Close => {}
        }
    }
    Ok(tx.commit().await?)
}
