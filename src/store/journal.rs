//! The journal: call records, alerts, recordings and registrations on their way to the database.
//!
//! Writing never makes a call wait: entries go into a bounded channel, one task commits whatever
//! has gathered, at once, in one transaction. What the database has not taken within
//! [`writer::SPILL_AFTER`], because it is away, slow or locked, is appended to a file in the data
//! directory, and so is everything that follows, until the file's content has been committed, in
//! order. What a killed process leaves there the next start commits first. A record is therefore in
//! the database or in the file well within a second, and survives `kill -9` from then on; a power
//! cut it may not survive, for nothing is forced to the disk.
//!
//! When the file has reached its bound the channel fills, and beyond that entries are dropped and
//! counted.

mod spill;
mod writer;

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::error;

pub(super) use spill::Spill;
pub(super) use writer::replay;

use super::Database;
use super::alerts::Raised;
use super::registrations::Registered;
use crate::model::{CallRecord, Recording};
use writer::Writer;

/// What is written; a line of the spill file is one of these.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Record {
    Call(Box<CallRecord>),
    Alert(Box<Raised>),
    /// All contacts a user has now.
    Registered(Box<Registered>),
    /// What is known of it now.
    Recording(Box<Recording>),
}

enum Entry {
    /// With the moment it was handed over.
    Record(Instant, Record),
    /// Answered when everything before it is committed.
    Flush(oneshot::Sender<()>),
    Close,
}

#[derive(Debug)]
pub(super) struct Journal {
    sender: mpsc::Sender<Entry>,
    writer: Mutex<Option<JoinHandle<()>>>,
    dropped: Arc<Dropped>,
}

const CLOSE_WITHIN: Duration = Duration::from_secs(10);

impl Journal {
    /// Starts the writer on the current runtime. The spill file has been replayed by then.
    pub(super) fn start(database: Database, capacity: usize, spill: Spill) -> Self {
        let (sender, receiver) = mpsc::channel(capacity);
        let dropped = Arc::new(Dropped::default());
        let writer = Writer::new(database, receiver, spill, dropped.clone());
        let writer = tokio::spawn(writer.run());
        Self { sender, writer: Mutex::new(Some(writer)), dropped }
    }

    pub(super) fn write(&self, record: Record) {
        if self.sender.try_send(Entry::Record(Instant::now(), record)).is_err() {
            self.dropped.add(1, "journal full or closed");
        }
    }

    pub(super) async fn flush(&self) {
        let (done, committed) = oneshot::channel();
        if self.sender.send(Entry::Flush(done)).await.is_ok() {
            // An error means the writer has ended, so there is nothing left to wait for.
            let _ = committed.await;
        }
    }

    /// Commits what is there, or leaves it in the spill file, and ends the writer.
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

/// How many records are lost.
#[derive(Debug, Default)]
struct Dropped(AtomicU64);

impl Dropped {
    fn add(&self, count: usize, why: &'static str) {
        let count = count as u64;
        metrics::counter!("store_journal_dropped_total").increment(count);
        let before = self.0.fetch_add(count, Ordering::Relaxed);
        let dropped = before + count;
        // At 1, 2, 4, 8, …: a database that stays away must not fill the log as well.
        if before.checked_ilog2() != dropped.checked_ilog2() {
            error!(dropped, why, "call records, alerts or registrations were dropped");
        }
    }
}

#[cfg(test)]
mod tests;
