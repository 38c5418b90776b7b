//! What becomes of recordings afterwards: those that a crash left unfinished, those that are too old,
//! those that are deleted.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::{info, warn};

use super::archive::{Archive, Content};
use crate::model::{Recording, RecordingState, Timestamp};
use crate::store::{Error, Store};

const EVERY: Duration = Duration::from_secs(10 * 60);
/// Deleted at once, before others may use disk and database.
const BATCH: u32 = 100;
const PAUSE: Duration = Duration::from_millis(100);

/// Puts the files right that an earlier process did not finish. To be done before anything is recorded.
///
/// # Errors
/// Only of the store: a file that cannot be put right is logged.
pub async fn recover(store: &Store, archive: &Archive) -> Result<(), Error> {
    // What another server of the same database records looks the same, but its file is not here.
    let is_ours_alone = store.changes().is_some();
    for mut recording in store.recordings().unfinished().await? {
        let (archive, known) = (archive.clone(), recording.clone());
        let repaired = spawn_blocking(move || archive.repair(&known)).await;
        match repaired {
            Ok(Ok(Some(Content { bytes, duration_ms }))) => {
                recording.bytes = bytes;
                recording.duration_ms = duration_ms;
                info!(sid = %recording.sid, "a recording that was cut off is put right");
            }
            Ok(Ok(None)) if is_ours_alone => {}
            Ok(Ok(None)) => continue,
            Ok(Err(error)) => {
                warn!(sid = %recording.sid, %error, "a recording cannot be put right");
            }
            Err(error) => warn!(sid = %recording.sid, %error, "a recording cannot be put right"),
        }
        recording.state = RecordingState::Interrupted;
        store.recordings().write(recording);
    }
    store.flush().await;
    Ok(())
}

/// Deletes recordings that are older than `retention`, now and then, for as long as it is polled.
/// Zero: none.
pub async fn sweep(store: Store, archive: Archive, retention: Duration) {
    while !retention.is_zero() {
        match sweep_once(&store, &archive, Timestamp::now().minus(retention)).await {
            Ok(0) => {}
            Ok(deleted) => info!(deleted, "old recordings deleted"),
            Err(error) => warn!(%error, cause = ?error, "old recordings cannot be deleted"),
        }
        sleep(EVERY).await;
    }
}

/// How many began before `before` and were deleted.
async fn sweep_once(store: &Store, archive: &Archive, before: Timestamp) -> Result<usize, Error> {
    let mut deleted = 0;
    loop {
        let found = store.recordings().before(before, BATCH).await?;
        if found.is_empty() {
            return Ok(deleted);
        }
        let before = deleted;
        for recording in &found {
            match delete(store, archive, recording).await {
                Ok(()) => deleted += 1,
                Err(error) => warn!(%error, path = recording.path, "an old recording stays"),
            }
        }
        // Those that stay would be found again and again: the next pass tries them.
        if deleted == before {
            return Ok(deleted);
        }
        sleep(PAUSE).await;
    }
}

/// Deletes a recording that is over: first the file, then what is known of it.
///
/// # Errors
/// [`Error::File`] when the file stays; then all stays.
pub async fn delete(store: &Store, archive: &Archive, recording: &Recording) -> Result<(), Error> {
    let (place, known) = (archive.clone(), recording.clone());
    let removed = spawn_blocking(move || place.remove(&known)).await;
    let removed = removed.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    if let Err(source) = removed {
        return Err(Error::File { path: recording.path.clone().into(), source });
    }
    store.recordings().delete(recording.account_sid, recording.sid).await
}

#[cfg(test)]
mod tests;
