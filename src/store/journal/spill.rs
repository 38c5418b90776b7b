//! The spill file: records that the database has not taken yet, one JSON object in each line.
//!
//! One process appends to it and reads it back from the front; when all of it is committed, it is
//! cut to nothing. It lies in the kernel's cache like any file: the death of the process does not
//! harm it, a power cut may.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::{error, warn};

use super::Record;
use crate::store::Error;

const NAME: &str = "journal.ndjson";

/// How much is read, and so committed, in one go; some hundred records.
const CHUNK: u64 = 256 * 1024;

#[derive(Debug)]
pub(in crate::store) struct Spill {
    file: Arc<File>,
    path: PathBuf,
    limit: u64,
    /// How far it is written, and how far of that committed.
    written: u64,
    committed: u64,
}

/// Lines yet to be committed.
pub(super) struct Rest {
    file: Arc<File>,
    path: PathBuf,
    from: u64,
    to: u64,
}

impl Spill {
    /// Opens or makes the file in `dir`. It will not grow beyond `limit` bytes; 0: it is not used.
    pub(in crate::store) fn open(dir: &Path, limit: u64) -> Result<Self, Error> {
        let path = dir.join(NAME);
        let open = || {
            let mut options = File::options();
            let file = options.read(true).write(true).create(true).mode(0o600).open(&path)?;
            let written = file.metadata()?.len();
            io::Result::Ok((Arc::new(file), written))
        };
        match open() {
            Ok((file, written)) => Ok(Self { file, path, limit, written, committed: 0 }),
            Err(source) => Err(Error::File { path, source }),
        }
    }

    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Appends all of the records or none. Whether it did.
    pub(super) async fn append(&mut self, records: &[Record]) -> bool {
        let Some(lines) = lines(records) else { return false };
        let (at, end) = (self.written, self.written + lines.len() as u64);
        if end > self.limit {
            return false;
        }
        let file = self.file.clone();
        match blocking(move || file.write_all_at(&lines, at)).await {
            Ok(()) => {
                self.written = end;
                true
            }
            Err(error) => {
                error!(%error, path = %self.path.display(), "spill file cannot be written");
                // What was written of it must not be read as what came last; the next one may be shorter.
                let file = self.file.clone();
                if let Err(error) = blocking(move || file.set_len(at)).await {
                    error!(%error, path = %self.path.display(), "spill file cannot be cut");
                }
                false
            }
        }
    }

    pub(super) fn rest(&self) -> Option<Rest> {
        let (from, to) = (self.committed, self.written);
        (from < to).then(|| Rest { file: self.file.clone(), path: self.path.clone(), from, to })
    }

    /// Everything before `position` is in the database. Once that is everything, the file is emptied.
    pub(super) async fn committed(&mut self, position: u64) {
        self.committed = position;
        if position == 0 || position < self.written {
            return;
        }
        let file = self.file.clone();
        match blocking(move || file.set_len(0)).await {
            Ok(()) => (self.written, self.committed) = (0, 0),
            // Committing it again at the next start does no harm.
            Err(error) => {
                error!(%error, path = %self.path.display(), "spill file cannot be emptied");
            }
        }
    }
}

impl Rest {
    /// The next records, and the position behind them.
    pub(super) async fn next(self) -> Result<(Vec<Record>, u64), Error> {
        let path = self.path.clone();
        blocking(move || self.read()).await.map_err(|source| Error::File { path, source })
    }

    /// Reads whole lines, at least one.
    fn read(&self) -> io::Result<(Vec<Record>, u64)> {
        let mut size = CHUNK;
        loop {
            let available = self.to - self.from;
            let mut text = vec![0; usize::try_from(size.min(available)).unwrap_or(usize::MAX)];
            self.file.read_exact_at(&mut text, self.from)?;
            let end = match text.iter().rposition(|&byte| byte == b'\n') {
                Some(newline) => newline + 1,
                // The last line, without its end: its writer was killed.
                None if size >= available => text.len(),
                None => {
                    size *= 2;
                    continue;
                }
            };
            return Ok((records(&text[..end]), self.from + end as u64));
        }
    }
}

fn lines(records: &[Record]) -> Option<Vec<u8>> {
    let mut lines = Vec::with_capacity(records.len() * 768);
    for record in records {
        if let Err(error) = serde_json::to_writer(&mut lines, record) {
            error!(%error, "record cannot be written as JSON");
            return None;
        }
        lines.push(b'\n');
    }
    Some(lines)
}

fn records(text: &[u8]) -> Vec<Record> {
    let mut records = Vec::new();
    let mut unreadable = 0u64;
    for line in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        match serde_json::from_slice(line) {
            Ok(record) => records.push(record),
            Err(_) => unreadable += 1,
        }
    }
    if unreadable > 0 {
        warn!(
            lines = unreadable,
            "spill file: lines that were not written to their end are skipped"
        );
    }
    records
}

/// File work may wait for the disk, which no thread of the runtime should.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
