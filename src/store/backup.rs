//! A consistent copy of the database in one file, while the server runs or not.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};

use super::database::FILE;
use super::{Error, seal};
use crate::config;

/// What was written, and what must be kept with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    pub bytes: u64,
    /// The file with the server key; `None` when the key is in the configuration.
    pub key_file: Option<PathBuf>,
}

/// Copies the database of that data directory to `to`, which must not exist. What is committed when it
/// begins is in the copy; who writes meanwhile does not wait. The copy has been checked when it appears
/// under its name.
///
/// # Errors
/// [`Error::NotOurs`] when it is on PostgreSQL, [`Error::File`] with the path that is in the way or cannot be written, or the database's.
pub async fn back_up(config: &config::Store, to: &Path) -> Result<Backup, Error> {
    if config.url.is_some() {
        return Err(Error::NotOurs);
    }
    let failed = |path: &Path, source| Error::File { path: path.to_owned(), source };
    if fs::symlink_metadata(to).is_ok() {
        return Err(failed(to, io::ErrorKind::AlreadyExists.into()));
    }
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    // It holds phone numbers and names.
    File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&part)
        .map_err(|source| failed(&part, source))?;
    let copied = copy(&config.data_dir.join(FILE), &part).await;
    let finished = copied.and_then(|()| finish(&part, to).map_err(|source| failed(to, source)));
    if finished.is_err() {
        // What failed matters more than what is left of it.
        let _ = fs::remove_file(&part);
    }
    let key_file = config.key.is_none().then(|| config.data_dir.join(seal::KEY_FILE));
    Ok(Backup { bytes: finished?, key_file })
}

async fn copy(database: &Path, part: &Path) -> Result<(), Error> {
    let there = SqliteConnectOptions::new();
    let mut source = SqliteConnection::connect_with(&there.clone().filename(database)).await?;
    let name = part.to_str().ok_or_else(|| Error::File {
        path: part.to_owned(),
        source: io::ErrorKind::InvalidFilename.into(),
    })?;
    sqlx::query("VACUUM INTO $1").bind(name).execute(&mut source).await?;
    source.close().await?;

    let mut copy = SqliteConnection::connect_with(&there.filename(part).read_only(true)).await?;
    let found: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut copy).await?;
    copy.close().await?;
    if found != "ok" {
        tracing::error!(found, "the copy of the database is damaged");
        return Err(Error::Damaged);
    }
    Ok(())
}

/// To the disk, then to its name. Gives its size.
fn finish(part: &Path, to: &Path) -> io::Result<u64> {
    let file = File::open(part)?;
    file.sync_all()?;
    let bytes = file.metadata()?.len();
    // Unlike a rename this never replaces what came there meanwhile.
    fs::hard_link(part, to)?;
    fs::remove_file(part)?;
    Ok(bytes)
}
