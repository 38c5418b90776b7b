//! The two databases behind one door: how they are reached, opened and written to.
//!
//! SQLite: one file in the data directory. WAL with synchronous=NORMAL: what was committed survives
//! the death of the process (kill -9 included) because it is in the log file by then; a power cut may
//! lose the last commits, never the consistency of the file. One connection writes, several read.
//!
//! PostgreSQL: a URL. As with SQLite one connection of this server writes provisioned objects; with
//! several servers on one database an advisory lock makes their writers take turns, so that what a
//! write transaction checked holds until it commits. The journal has a connection of its own and needs
//! no lock: it only appends.

use std::future::Future;
use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{
    AnyConnection, ConnectOptions as _, Connection as _, Executor as _, Pool, Row as _, Transaction,
};
use tracing::warn;
use url::Url;

use super::tx::{Changes, Tx};
use super::{Db, Error, sql};
use crate::config;
use crate::model::Secret;

/// SQLite's file in the data directory.
pub(super) const FILE: &str = "trunkline.db";

/// A database that is open.
#[derive(Clone, Debug)]
pub(super) struct Database {
    kind: Kind,
    read: Pool<Db>,
    /// A single connection: writers queue here instead of failing as busy in SQLite.
    write: Pool<Db>,
    /// The journal's way in; with SQLite it shares the only writer.
    append: Pool<Db>,
    changes: Changes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Sqlite,
    Postgres,
}

/// Committed writes stay when the process dies; a missing parent is refused.
const SQLITE_SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; \
     PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000";

/// Nothing of ours takes this long: a lock that is not given, a statement or a server that hangs must
/// not hold up the other servers for good.
const POSTGRES_SETTINGS: &str = "SET lock_timeout = '10s'; SET statement_timeout = '30s'; \
     SET idle_in_transaction_session_timeout = '30s'";

/// The oldest PostgreSQL that is tried.
const POSTGRES_AT_LEAST: i64 = 13;

/// How long a start waits for a PostgreSQL that is not up yet.
const START_WITHIN: Duration = Duration::from_secs(30);
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(250);

/// How long a request waits for a connection. SQLite: for its turn to write. PostgreSQL: also for a
/// database that is away, so less, for each request would wait as long.
const SQLITE_ACQUIRE_WITHIN: Duration = Duration::from_secs(10);
const POSTGRES_ACQUIRE_WITHIN: Duration = Duration::from_secs(4);

/// The lock of our writers among all advisory locks of a database: "trunkline" in ASCII, cut to fit.
const WRITERS: i64 = 0x7472_756e_6b6c_696e;

impl Database {
    /// Opens it, after bringing it to this version's shape.
    pub(super) async fn open(config: &config::Store) -> Result<Self, Error> {
        sqlx::any::install_default_drivers();
        match &config.url {
            Some(url) => Self::open_postgres(url, config.read_connections).await,
            None => {
                let file = config.data_dir.join(FILE);
                Self::open_sqlite(&file, config.read_connections).await
            }
        }
    }

    async fn open_sqlite(file: &Path, readers: u32) -> Result<Self, Error> {
        let pool = |connections| {
            pool(connections, SQLITE_ACQUIRE_WITHIN, SQLITE_SETTINGS).test_before_acquire(false)
        };
        let write = pool(1).connect_with(sqlite_options(file, "rwc")?).await?;
        sql::migrations().run(&write).await?;
        let read = pool(readers).connect_with(sqlite_options(file, "ro")?).await?;
        let (append, changes) = (write.clone(), Changes::default());
        Ok(Self { kind: Kind::Sqlite, read, append, write, changes })
    }

    async fn open_postgres(url: &Secret, readers: u32) -> Result<Self, Error> {
        let url: Url = url.0.parse().map_err(|_| Error::BadUrl)?;
        let options = AnyConnectOptions::from_url(&url)?.disable_statement_logging();
        let mut first = reach(&options, &url).await?;
        check_version(&mut first).await?;
        first.close().await?;
        // Without our settings: a migration of many records may take its time.
        let migrating = AnyPoolOptions::new().max_connections(1).connect_lazy_with(options.clone());
        sql::migrations_by_bytes().run(&migrating).await?;
        migrating.close().await;
        let pool = |connections| {
            pool(connections, POSTGRES_ACQUIRE_WITHIN, POSTGRES_SETTINGS)
                .connect_lazy_with(options.clone())
        };
        let (read, write, append) = (pool(readers), pool(1), pool(1));
        Ok(Self { kind: Kind::Postgres, read, write, append, changes: Changes::default() })
    }

    pub(super) fn read(&self) -> &Pool<Db> {
        &self.read
    }

    /// For a single statement that checks nothing.
    pub(super) fn write(&self) -> &Pool<Db> {
        &self.write
    }

    /// A write transaction that no other runs beside, on this server or another. SQLite's write lock
    /// is taken at once, so that it never fails half-way as busy.
    pub(super) async fn begin(&self) -> Result<Tx, Error> {
        Ok(Tx::new(self.begin_alone().await?, Some(self.changes.clone())))
    }

    async fn begin_alone(&self) -> Result<Transaction<'static, Db>, Error> {
        match self.kind {
            Kind::Sqlite => Ok(self.write.begin_with("BEGIN IMMEDIATE").await?),
            Kind::Postgres => {
                let mut tx = self.write.begin().await?;
                sqlx::query("SELECT pg_advisory_xact_lock($1)")
                    .bind(WRITERS)
                    .execute(&mut *tx)
                    .await?;
                Ok(tx)
            }
        }
    }

    /// A transaction that only appends, as the journal's.
    pub(super) async fn begin_append(&self) -> Result<Tx, Error> {
        let inner = match self.kind {
            Kind::Sqlite => self.begin_alone().await?,
            Kind::Postgres => self.append.begin().await?,
        };
        Ok(Tx::new(inner, None))
    }

    /// How many changes were committed so far; `None` where other servers commit theirs.
    pub(super) fn changes(&self) -> Option<u64> {
        (!self.is_shared()).then(|| self.changes.count())
    }

    /// Whether other servers may write to it as well.
    pub(super) fn is_shared(&self) -> bool {
        self.kind == Kind::Postgres
    }

    pub(super) async fn close(&self) {
        for pool in [&self.read, &self.append, &self.write] {
            pool.close().await;
        }
    }
}

/// Each connection runs `settings` first.
fn pool(connections: u32, acquire_within: Duration, settings: &'static str) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(acquire_within)
        .idle_timeout(None)
        .max_lifetime(None)
        .after_connect(move |connection, _| {
            Box::pin(async move { connection.execute(settings).await.map(|_| ()) })
        })
}

fn sqlite_options(file: &Path, mode: &str) -> Result<AnyConnectOptions, Error> {
    let io = |source| Error::File { path: file.to_owned(), source };
    let absolute = std::path::absolute(file).map_err(io)?;
    // Written as a URL, a name may hold `?`, `#` and `%`.
    let named = Url::from_file_path(absolute)
        .map_err(|()| io(std::io::ErrorKind::InvalidFilename.into()))?;
    let url = format!("sqlite://{}?mode={mode}", named.path());
    Ok(url.parse::<AnyConnectOptions>()?.disable_statement_logging())
}

/// The first connection. A server that starts together with its database finds it not up yet.
async fn reach(options: &AnyConnectOptions, url: &Url) -> Result<AnyConnection, Error> {
    let unreachable = |source| Error::Unreachable { place: place(url), source };
    let deadline = Instant::now() + START_WITHIN;
    let mut has_warned = false;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let failure = match within(left, options.connect()).await {
            Ok(connection) => return Ok(connection),
            Err(error) => error,
        };
        let is_late = deadline.saturating_duration_since(Instant::now()) < TRY_AGAIN_AFTER;
        if is_late || !may_come_up(&failure) {
            return Err(unreachable(failure));
        }
        if !has_warned {
            let place = place(url);
            warn!(%place, error = %failure, "PostgreSQL does not answer yet, waiting up to {START_WITHIN:?}");
            has_warned = true;
        }
        tokio::time::sleep(TRY_AGAIN_AFTER).await;
    }
}

async fn within<T>(
    left: Duration,
    step: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    tokio::time::timeout(left, step)
        .await
        .unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
}

/// Whether waiting may help: nobody listens yet, or the database says that it is starting. A wrong
/// password or name stays wrong.
fn may_come_up(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(error) => error.is_transient_in_connect_phase(),
        _ => false,
    }
}

/// What of a URL may be told: where the database is, not who we are there.
fn place(url: &Url) -> String {
    let host = url.host_str().filter(|host| !host.is_empty()).unwrap_or("localhost");
    format!("{host}:{}{}", url.port().unwrap_or(5432), url.path())
}

async fn check_version(connection: &mut AnyConnection) -> Result<(), Error> {
    let row = sqlx::query(
        "SELECT current_setting('server_version_num')::bigint / 10000 AS version, \
         current_setting('server_version') AS text, current_setting('server_encoding') AS encoding",
    )
    .fetch_one(connection)
    .await?;
    if row.try_get::<i64, _>("version")? < POSTGRES_AT_LEAST {
        return Err(Error::TooOld { found: row.try_get("text")?, at_least: POSTGRES_AT_LEAST });
    }
    match row.try_get("encoding")? {
        "UTF8" => Ok(()),
        other => Err(Error::NotUtf8 { found: str::to_owned(other) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_a_url_is_neither_user_nor_password() {
        for (url, expected) in [
            ("postgres://me:secret@db.example:6432/calls?sslmode=require", "db.example:6432/calls"),
            ("postgres://me:secret@[2001:db8::1]/calls", "[2001:db8::1]:5432/calls"),
            ("postgres:///calls?password=secret", "localhost:5432/calls"),
        ] {
            assert_eq!(place(&url.parse().unwrap()), expected);
        }
    }

    #[test]
    fn a_file_may_have_any_name() {
        let options = sqlite_options(Path::new("/tmp/a b?c#d%e/x.db"), "ro").unwrap();
        assert_eq!(options.database_url.as_str(), "sqlite:///tmp/a%20b%3Fc%23d%25e/x.db?mode=ro");
    }
}
