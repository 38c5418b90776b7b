//! The store: everything that outlives the process. One repository per noun; SQL lives nowhere else.
//!
//! SQLite, one file in the data directory, or PostgreSQL by a URL: the same repositories and the same
//! SQL (database.rs says how each is opened and written to, sql.rs what keeps them alike).
//!
//! Call records, alerts, recordings and registrations take another door, the journal, which never makes a call wait.

mod accounts;
mod alerts;
mod api_keys;
mod applications;
mod backup;
mod call_days;
mod calls;
mod clients;
mod column;
mod conferences;
mod database;
mod default_tenant;
mod definitions;
mod demo;
mod error;
mod idempotency;
mod journal;
mod key_cache;
mod limit_cache;
mod limits;
mod page;
mod password;
mod phone_numbers;
mod queues;
mod quotas;
mod recordings;
mod registrations;
mod retention;
mod routing;
mod sbcs;
mod seal;
mod service_providers;
mod sessions;
mod shelf;
mod sip_gateways;
mod sql;
mod system_information;
mod tx;
mod users;
mod voip_carriers;

use std::fs::File;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::{Pool, Row as _};
use tokio::task::AbortHandle;

pub use accounts::Accounts;
pub use alerts::{AlertQuery, Alerts};
pub use api_keys::{ApiKeys, Authenticated, Bootstrap};
pub use applications::Applications;
pub use backup::{Backup, back_up};
pub use calls::{CallQuery, Calls};
pub use clients::Clients;
pub use definitions::{Definition, Definitions};
pub use demo::{Demo, DemoSecrets, DemoUser};
pub use error::Error;
pub use idempotency::{FirstRequest, Idempotency};
pub use limits::Limits;
pub use page::{Listing, Page, Window};
pub use phone_numbers::{PhoneNumberQuery, PhoneNumbers};
pub use quotas::Owned;
pub use recordings::{RecordOfCall, RecordingQuery, Recordings};
pub use registrations::{Registered, Registrations};
pub use routing::{Claim, Routing};
pub use sbcs::Sbcs;
pub use seal::kept_key;
pub use service_providers::ServiceProviders;
pub use sessions::{Session, SessionId, Sessions};
pub use sip_gateways::SipGateways;
pub use users::{Opened, Users};
pub use voip_carriers::{VoipCarrierQuery, VoipCarriers};

use database::Database;
use journal::{Journal, Spill};
use key_cache::{CachedKey, TokenCache};
use limit_cache::LimitCache;
use password::Hasher;
use retention::Retention;
use seal::Seal;
use shelf::Shelf;
use tx::Tx;

use crate::config;
use crate::model::{Conference, Queue};

/// Which database it is, is known when it is opened.
type Db = sqlx::Any;
type Row = sqlx::any::AnyRow;

/// How long a token or a limit that another server of the same database changed may still hold here.
const MAX_AGE: Duration = Duration::from_secs(5);

/// A handle to the store; clones are the same store.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    database: Database,
    seal: Seal,
    keys: TokenCache<CachedKey>,
    sessions: TokenCache<Session>,
    hasher: Hasher,
    limits: LimitCache,
    journal: Journal,
    /// All conferences and queues that REST defined: a call that enters one asks no database.
    conferences: Shelf<Conference>,
    queues: Shelf<Queue>,
    /// Whoever changes a shelf, or deletes an account of it, comes one by one: so what is on the shelves
    /// is what was committed last.
    shelving: tokio::sync::Mutex<()>,
    sweep: idempotency::Sweep,
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
    /// Opens the database, or makes the one in the data directory, brings it to this version's shape,
    /// and starts the journal's writer on the current runtime.
    ///
    /// # Errors
    /// [`Error::WrongKey`] when the server key is not the one this database was sealed with;
    /// [`Error::Locked`] when another process has the data directory open;
    /// [`Error::Unreachable`] when PostgreSQL did not come up in time, or refuses us.
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
        let database = Database::open(config).await?;
        check_key(&database, &seal).await?;
        let mut spill = Spill::open(dir, config.journal_spill_bytes)?;
        journal::replay(&database, &mut spill).await?;
        let max_age = database.is_shared().then_some(MAX_AGE);
        let sweeping = Retention::new(config).run(database.clone());
        let inner = Inner {
            keys: TokenCache::new(max_age),
            sessions: TokenCache::new(max_age),
            hasher: Hasher::default(),
            limits: LimitCache::new(max_age),
            sweep: idempotency::Sweep::default(),
            journal: Journal::start(database.clone(), config.journal_capacity, spill),
            retention: tokio::spawn(sweeping).abort_handle(),
            lock: Mutex::new(Some(lock)),
            conferences: Shelf::default(),
            queues: Shelf::default(),
            shelving: tokio::sync::Mutex::default(),
            database,
            seal,
        };
        let store = Self { inner: Arc::new(inner) };
        store.conferences().load().await?;
        store.queues().load().await?;
        Ok(store)
    }

    /// Writes what the journal still holds, then closes. Later requests fail. With SQLite all is in
    /// the one file then.
    pub async fn close(&self) {
        self.inner.retention.abort();
        self.inner.journal.close().await;
        self.inner.database.close().await;
        if let Ok(mut lock) = self.inner.lock.lock() {
            *lock = None;
        }
    }

    /// Waits until every call record, alert and registration handed over so far is committed.
    pub async fn flush(&self) {
        self.inner.journal.flush().await;
    }

    /// How many changes were committed so far, of all but call records, alerts and registrations: what
    /// was read at a count still holds while it is the same. `None` where other servers change
    /// things too.
    pub fn changes(&self) -> Option<u64> {
        self.inner.database.changes()
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

    pub fn users(&self) -> Users<'_> {
        Users { store: self }
    }

    pub fn sessions(&self) -> Sessions<'_> {
        Sessions { store: self }
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

    /// What REST laid down for rooms.
    pub fn conferences(&self) -> Definitions<'_, Conference> {
        Definitions::new(self)
    }

    pub fn queues(&self) -> Definitions<'_, Queue> {
        Definitions::new(self)
    }

    pub fn clients(&self) -> Clients<'_> {
        Clients { store: self }
    }

    pub fn limits(&self) -> Limits<'_> {
        Limits { store: self }
    }

    pub fn calls(&self) -> Calls<'_> {
        Calls { store: self }
    }

    pub fn alerts(&self) -> Alerts<'_> {
        Alerts { store: self }
    }

    /// Sound files of calls and rooms.
    pub fn recordings(&self) -> Recordings<'_> {
        Recordings { store: self }
    }

    pub fn registrations(&self) -> Registrations<'_> {
        Registrations { store: self }
    }

    pub fn sbcs(&self) -> Sbcs<'_> {
        Sbcs { store: self }
    }

    pub fn idempotency(&self) -> Idempotency<'_> {
        Idempotency { store: self }
    }

    /// What the SIP side asks when a request comes in.
    pub fn routing(&self) -> Routing<'_> {
        Routing { store: self }
    }

    fn read(&self) -> &Pool<Db> {
        self.inner.database.read()
    }

    /// A write transaction: what it checks stays true until it commits, for no other runs beside it.
    async fn begin(&self) -> Result<Tx, Error> {
        self.inner.database.begin().await
    }

    /// The turn to change what is on the shelves.
    async fn shelving(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.inner.shelving.lock().await
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

/// The first start leaves a sealed word behind; every later one must be able to open it.
async fn check_key(database: &Database, seal: &Seal) -> Result<(), Error> {
    const NAME: &str = "seal_check";
    let mut tx = database.begin().await?;
    let stored = sqlx::query("SELECT value FROM meta WHERE name = $1")
        .bind(NAME)
        .fetch_optional(&mut *tx)
        .await?;
    if let Some(row) = stored {
        return seal.unseal(NAME, row.try_get("value")?).map(|_| ()).map_err(|_| Error::WrongKey);
    }
    sqlx::query("INSERT INTO meta (name, value) VALUES ($1, $2)")
        .bind(NAME)
        .bind(seal.seal(NAME, NAME)?)
        .execute(&mut *tx)
        .await?;
    Ok(tx.commit().await?)
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
