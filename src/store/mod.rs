//! The store: everything that outlives the process. One repository per noun; SQL lives nowhere else.
//!
//! SQLite today, one file in the data directory; the SQL is written so that PostgreSQL can follow.
//! WAL with synchronous=NORMAL: what was committed survives the death of the process (kill -9
//! included) because it is in the log file by then; a power cut may lose the last commits, never
//! the consistency of the file. One connection writes, several read.
//!
//! Call records, alerts and registrations take another door, the journal, which never makes a call wait.

mod accounts;
mod alerts;
mod api_keys;
mod applications;
mod backup;
mod call_days;
mod calls;
mod clients;
mod column;
mod demo;
mod error;
mod journal;
mod key_cache;
mod page;
mod phone_numbers;
mod registrations;
mod retention;
mod routing;
mod seal;
mod service_providers;
mod sip_gateways;
mod voip_carriers;

use std::fs::File;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Pool, Row as _, Transaction};
use tokio::task::AbortHandle;

pub use accounts::Accounts;
pub use alerts::{AlertQuery, Alerts};
pub use api_keys::{ApiKeys, Authenticated, Bootstrap};
pub use applications::Applications;
pub use backup::{Backup, back_up};
pub use calls::{CallQuery, Calls};
pub use clients::Clients;
pub use demo::{Demo, DemoSecrets, DemoUser};
pub use error::Error;
pub use page::{Listing, Page, Window};
pub use phone_numbers::{PhoneNumberQuery, PhoneNumbers};
pub use registrations::{Registered, Registrations};
pub use routing::{Claim, Routing};
pub use service_providers::ServiceProviders;
pub use sip_gateways::SipGateways;
pub use voip_carriers::{VoipCarrierQuery, VoipCarriers};

use journal::{Journal, Spill};
use key_cache::KeyCache;
use retention::Retention;
use seal::Seal;

use crate::config;

/// The database in the data directory.
const FILE: &str = "trunkline.db";

type Db = sqlx::Sqlite;
type Row = sqlx::sqlite::SqliteRow;
type Tx = Transaction<'static, Db>;

/// A handle to the store; clones are the same store.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    read: Pool<Db>,
    /// A single connection: writers queue here instead of failing as busy in SQLite.
    write: Pool<Db>,
    seal: Seal,
    keys: KeyCache,
    journal: Journal,
    retention: AbortHandle,
    /// Held while it is open.
    lock: Mutex<Option<File>>,
}

/// An object as seen from a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<T> {
    Here(T),
    /// It exists out of reach.
    Elsewhere,
    Nowhere,
}

impl<T> Found<T> {
    pub fn here(self) -> Option<T> {
        match self {
            Self::Here(value) => Some(value),
            Self::Elsewhere | Self::Nowhere => None,
        }
    }

    pub fn ok(self) -> Result<T, Error> {
        match self {
            Self::Here(value) => Ok(value),
            Self::Elsewhere => Err(Error::OutOfReach),
            Self::Nowhere => Err(Error::NotFound),
        }
    }
}

impl Store {
    /// Opens or makes the database in the data directory, brings it to this version's shape, and
    /// starts the journal's writer on the current runtime.
    ///
    /// # Errors
    /// [`Error::WrongKey`] when the server key is not the one this database was sealed with,
    /// [`Error::Locked`] when another process has it open.
    pub async fn open(config: &config::Store) -> Result<Self, Error> {
        let dir = &config.data_dir;
        // It holds phone numbers and the server key: nobody else's business.
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|source| Error::File { path: dir.clone(), source })?;
        let lock = lock(dir)?;
        let seal = Seal::open(config.key.as_ref(), dir)?;
        let options = connect_options(&dir.join(FILE));
        let write = pool(1).connect_with(options.clone()).await?;
        sqlx::migrate!().run(&write).await?;
        let read = pool(config.read_connections).connect_with(options.read_only(true)).await?;
        check_key(&write, &seal).await?;
        let mut spill = Spill::open(dir, config.journal_spill_bytes)?;
        journal::replay(&write, &mut spill).await?;
        let journal = Journal::start(write.clone(), config.journal_capacity, spill);
        let retention = tokio::spawn(Retention::new(config).run(write.clone())).abort_handle();
        let lock = Mutex::new(Some(lock));
        let keys = KeyCache::default();
        let inner = Inner { read, write, seal, keys, journal, retention, lock };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Writes what the journal still holds, then closes. Later requests fail. With SQLite all is in
    /// the one file then.
    pub async fn close(&self) {
        self.inner.retention.abort();
        self.inner.journal.close().await;
        self.inner.read.close().await;
        self.inner.write.close().await;
        if let Ok(mut lock) = self.inner.lock.lock() {
            *lock = None;
        }
    }

    /// Waits until every call record, alert and registration handed over so far is committed.
    pub async fn flush(&self) {
        self.inner.journal.flush().await;
    }

    /// Whether the database answers.
    pub async fn is_alive(&self) -> bool {
        sqlx::query("SELECT 1").execute(self.read()).await.is_ok()
    }

    pub fn service_providers(&self) -> ServiceProviders<'_> {
        ServiceProviders { store: self }
    }

    pub fn accounts(&self) -> Accounts<'_> {
        Accounts { store: self }
    }

    pub fn api_keys(&self) -> ApiKeys<'_> {
        ApiKeys { store: self }
    }

    pub fn applications(&self) -> Applications<'_> {
        Applications { store: self }
    }

    pub fn phone_numbers(&self) -> PhoneNumbers<'_> {
        PhoneNumbers { store: self }
    }

    pub fn voip_carriers(&self) -> VoipCarriers<'_> {
        VoipCarriers { store: self }
    }

    pub fn sip_gateways(&self) -> SipGateways<'_> {
        SipGateways { store: self }
    }

    pub fn clients(&self) -> Clients<'_> {
        Clients { store: self }
    }

    pub fn calls(&self) -> Calls<'_> {
        Calls { store: self }
    }

    pub fn alerts(&self) -> Alerts<'_> {
        Alerts { store: self }
    }

    pub fn registrations(&self) -> Registrations<'_> {
        Registrations { store: self }
    }

    /// What the SIP side asks when a request comes in.
    pub fn routing(&self) -> Routing<'_> {
        Routing { store: self }
    }

    fn read(&self) -> &Pool<Db> {
        &self.inner.read
    }

    /// A write transaction. Takes the write lock at once, so that it never fails half-way as busy.
    async fn begin(&self) -> Result<Tx, Error> {
        Ok(self.inner.write.begin_with("BEGIN IMMEDIATE").await?)
    }

    fn seal(&self) -> &Seal {
        &self.inner.seal
    }
}

/// Keeps every other process off the same data directory, for as long as the file is held.
fn lock(dir: &Path) -> Result<File, Error> {
    let path = dir.join("lock");
    let file = File::create(&path).map_err(|source| Error::File { path, source })?;
    file.try_lock().map_err(|_| Error::Locked { dir: dir.to_owned() })?;
    Ok(file)
}

fn connect_options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(5))
        .disable_statement_logging()
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10))
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

/// The first start leaves a sealed word behind; every later one must be able to open it.
async fn check_key(pool: &Pool<Db>, seal: &Seal) -> Result<(), Error> {
    const NAME: &str = "seal_check";
    let stored = sqlx::query("SELECT value FROM meta WHERE name = $1")
        .bind(NAME)
        .fetch_optional(pool)
        .await?;
    match stored {
        Some(row) => {
            seal.unseal(NAME, row.try_get("value")?).map(|_| ()).map_err(|_| Error::WrongKey)
        }
        None => {
            sqlx::query("INSERT INTO meta (name, value) VALUES ($1, $2)")
                .bind(NAME)
                .bind(seal.seal(NAME, NAME)?)
                .execute(pool)
                .await?;
            Ok(())
        }
    }
}

/// Turns the violation of a unique constraint into the refusal that names the value.
fn duplicate(text: &'static str) -> impl Fn(sqlx::Error) -> Error {
    move |error| match error.as_database_error() {
        Some(db) if db.is_unique_violation() => Error::Duplicate(text),
        _ => Error::Database(error),
    }
}

#[cfg(test)]
mod tests;
