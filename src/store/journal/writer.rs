//! The journal's writer: straight into the database while that keeps up, else through the spill file.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tracing::{debug, info, warn};

use super::spill::Spill;
use super::{Dropped, Entry, Record};
use crate::store::call_days::CallDays;
use crate::store::database::Database;
use crate::store::{Error, alerts, calls, recordings, registrations};

/// How old a record may get before it goes into the spill file.
pub(super) const SPILL_AFTER: Duration = Duration::from_millis(300);
const RETRY_AFTER: Duration = Duration::from_millis(250);
/// A connection that says nothing for so long is given up.
const ATTEMPT_WITHIN: Duration = Duration::from_secs(20);
/// How long the database is tried again once the journal is being closed.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);
const MAX_BATCH: usize = 256;

pub(super) struct Writer {
    database: Database,
    receiver: mpsc::Receiver<Entry>,
    spill: Spill,
    dropped: Arc<Dropped>,
    /// Who waits, and up to which position of the spill file all must be committed for that.
    flushes: Vec<(u64, oneshot::Sender<()>)>,
    closing: Option<Instant>,
}

/// Records of one turn, with the moment the first of them was handed over.
struct Batch {
    oldest: Instant,
    records: Vec<Record>,
}

/// An attempt at the database; gives the position of the spill file up to which all is committed.
type Attempt = Pin<Box<dyn Future<Output = Result<u64, Error>> + Send>>;

impl Writer {
    pub(super) fn new(
        database: Database,
        receiver: mpsc::Receiver<Entry>,
        spill: Spill,
        dropped: Arc<Dropped>,
    ) -> Self {
        Self { database, receiver, spill, dropped, flushes: Vec::new(), closing: None }
    }

    pub(super) async fn run(mut self) {
        let mut entries = Vec::with_capacity(MAX_BATCH);
        while self.closing.is_none() && self.receiver.recv_many(&mut entries, MAX_BATCH).await > 0 {
            if let Some(batch) = self.sort(&mut entries) {
                self.write(batch).await;
            }
            self.answer(u64::MAX);
        }
    }

    /// Takes the records out, and notes who waits and whether this is the end.
    fn sort(&mut self, entries: &mut Vec<Entry>) -> Option<Batch> {
        let mut batch: Option<Batch> = None;
        for entry in entries.drain(..) {
            match entry {
                Entry::Record(at, record) => {
                    let new = || Batch { oldest: at, records: Vec::new() };
                    batch.get_or_insert_with(new).records.push(record);
                }
                Entry::Flush(done) => self.flushes.push((u64::MAX, done)),
                Entry::Close => self.closing = Some(Instant::now() + LEAVE_WITHIN),
            }
        }
        batch
    }

    async fn write(&mut self, batch: Batch) {
        let records = Arc::new(batch.records);
        let (database, shared, dropped) =
            (self.database.clone(), records.clone(), self.dropped.clone());
        let mut attempt: Attempt = Box::pin(async move {
            commit(&database, &shared, &dropped).await?;
            Ok(0)
        });
        match timeout_at(batch.oldest + SPILL_AFTER, &mut attempt).await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => {
                warn!(%error, cause = ?error, "journal cannot be written, using the spill file");
                attempt = self.retry(&records);
            }
            Err(_) => warn!("journal is written too slowly, using the spill file"),
        }
        self.write_by_spilling(records, attempt).await;
        info!("journal is written again");
    }

    /// Appends to the spill file whatever comes, until all of it is in the database or the journal
    /// must end. `attempt` is at the first records.
    async fn write_by_spilling(&mut self, first: Arc<Vec<Record>>, mut attempt: Attempt) {
        // What the file has no room for. Nothing is received while there is any.
        let mut held = first;
        let mut entries = Vec::with_capacity(MAX_BATCH);
        if self.keep(&mut held).await {
            // The attempt under way is at what is now the whole file.
            let end = self.spill.written();
            attempt = Box::pin(async move { attempt.await.map(|_| end) });
        }
        loop {
            let give_up = self.closing;
            tokio::select! {
                count = self.receiver.recv_many(&mut entries, MAX_BATCH),
                    if held.is_empty() && give_up.is_none() =>
                {
                    if count == 0 {
                        self.closing = Some(Instant::now() + LEAVE_WITHIN);
                    }
                    if let Some(batch) = self.sort(&mut entries) {
                        held = Arc::new(batch.records);
                        self.keep(&mut held).await;
                    }
                    let end = if held.is_empty() { self.spill.written() } else { u64::MAX };
                    for (position, _) in self.flushes.iter_mut().filter(|(p, _)| *p == u64::MAX) {
                        *position = end;
                    }
                }
                outcome = &mut attempt => match outcome {
                    Ok(position) => {
                        if position == 0 {
                            held = Arc::default();
                        }
                        self.spill.committed(position).await;
                        self.answer(position);
                        self.keep(&mut held).await;
                        match self.next(&held) {
                            Some(next) => attempt = next,
                            None => return,
                        }
                    }
                    Err(error) => {
                        debug!(%error, "journal still cannot be written");
                        // The disk may have room again.
                        self.keep(&mut held).await;
                        attempt = self.retry(&held);
                    }
                },
                () = sleep_until(give_up.unwrap_or_else(Instant::now)), if give_up.is_some() => {
                    self.leave(&held);
                    return;
                }
            }
        }
    }

    /// Moves what is held into the spill file, if it takes it; whether it did.
    async fn keep(&mut self, held: &mut Arc<Vec<Record>>) -> bool {
        let kept = !held.is_empty() && self.spill.append(held).await;
        if kept {
            metrics::counter!("store_journal_spilled_total").increment(held.len() as u64);
            *held = Arc::default();
        }
        kept
    }

    /// What is to be committed next: the front of the file, then what it had no room for.
    fn next(&self, held: &Arc<Vec<Record>>) -> Option<Attempt> {
        let (database, dropped) = (self.database.clone(), self.dropped.clone());
        if let Some(rest) = self.spill.rest() {
            return Some(Box::pin(async move {
                let (records, position) = rest.next().await?;
                commit(&database, &records, &dropped).await?;
                Ok(position)
            }));
        }
        let held = held.clone();
        (!held.is_empty()).then(|| -> Attempt {
            Box::pin(async move {
                commit(&database, &held, &dropped).await?;
                Ok(0)
            })
        })
    }

    /// The same, a little later.
    fn retry(&self, held: &Arc<Vec<Record>>) -> Attempt {
        let next = self.next(held);
        Box::pin(async move {
            sleep(RETRY_AFTER).await;
            match next {
                Some(next) => next.await,
                None => Ok(0),
            }
        })
    }

    /// Tells those who wait for what is before `position`.
    fn answer(&mut self, position: u64) {
        for (_, done) in self.flushes.extract_if(.., |(needed, _)| *needed <= position) {
            // Whoever asked may have gone.
            let _ = done.send(());
        }
    }

    fn leave(&self, held: &[Record]) {
        warn!(
            bytes = self.spill.written(),
            "the database takes nothing: the next start will read the spill file"
        );
        if !held.is_empty() {
            self.dropped.add(held.len(), "journal closed while the database takes nothing");
        }
    }
}

/// Commits what an earlier process left in the spill file.
pub(in crate::store) async fn replay(database: &Database, spill: &mut Spill) -> Result<(), Error> {
    let dropped = Dropped::default();
    if spill.rest().is_some() {
        info!(bytes = spill.written(), "committing what the last process left in the spill file");
    }
    while let Some(rest) = spill.rest() {
        let (records, position) = rest.next().await?;
        commit(database, &records, &dropped).await?;
        spill.committed(position).await;
    }
    Ok(())
}

/// Commits all of them. A record that the database refuses for what it is, and would refuse for
/// ever, is left out and counted, so that it cannot hold up the others.
async fn commit(database: &Database, records: &[Record], dropped: &Dropped) -> Result<(), Error> {
    match commit_together(database, records).await {
        Err(error) if error.is_refusal() => {}
        other => return other,
    }
    for record in records {
        match commit_together(database, std::slice::from_ref(record)).await {
            Err(error) if error.is_refusal() => {
                warn!(cause = ?error, "the database refuses a record");
                dropped.add(1, "the database refuses them");
            }
            other => other?,
        }
    }
    Ok(())
}

async fn commit_together(database: &Database, records: &[Record]) -> Result<(), Error> {
    let work = async {
        let mut tx = database.begin_append().await?;
        let mut days = CallDays::default();
        for record in records {
            match record {
                Record::Call(record) => calls::insert(&mut tx, record, &mut days).await?,
                Record::Alert(raised) => alerts::insert(&mut tx, raised).await?,
                Record::Registered(user) => registrations::replace(&mut tx, user).await?,
                Record::Recording(recording) => recordings::write(&mut tx, recording).await?,
            }
        }
        days.write(&mut tx).await?;
        Ok(tx.commit().await?)
    };
    timeout(ATTEMPT_WITHIN, work).await.unwrap_or(Err(Error::Silent))
}
