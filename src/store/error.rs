//! What the store can refuse or fail at. `api/error.rs` has the table to HTTP.

use std::path::PathBuf;

use crate::model::Invalid;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The object does not exist.
    #[error("not found")]
    NotFound,
    /// It exists, but beyond the scope of the request; or it would have to be moved or made there.
    #[error("out of reach")]
    OutOfReach,
    /// A unique value is taken; the text is for the client.
    #[error("{0}")]
    Duplicate(&'static str),
    /// The account has as many of them as it may.
    #[error("creation quota reached")]
    Full,
    /// The object is in use; the text is for the client.
    #[error("{0}")]
    InUse(&'static str),
    /// The password given is not that of the user.
    #[error("wrong password")]
    WrongPassword,
    /// Too many wait for a password to be checked.
    #[error("too many logins at once, try again")]
    Busy,
    #[error(transparent)]
    Invalid(#[from] Invalid),

    /// The database has not answered in time.
    #[error("the database does not answer")]
    Silent,
    /// PostgreSQL has a tool of its own.
    #[error("the database is on PostgreSQL: pg_dump backs it up")]
    NotOurs,
    #[error("the copy of the database is damaged")]
    Damaged,
    /// Another process has opened the same data directory.
    #[error("another server uses {dir}; set TRUNKLINE_DATA_DIR to another folder")]
    Locked { dir: PathBuf },
    #[error("database")]
    Database(#[from] sqlx::Error),
    #[error("migrating the database")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    #[error("store.url is not a URL such as postgres://user:password@host/database")]
    BadUrl,
    /// PostgreSQL did not come up in time, or refuses us. `place` names no user and no password.
    #[error("PostgreSQL at {place} cannot be reached")]
    Unreachable { place: String, source: sqlx::Error },
    #[error("PostgreSQL {found} is too old, {at_least} or later is needed")]
    TooOld { found: String, at_least: i64 },
    #[error("the PostgreSQL database holds text as {found}; make one with ENCODING 'UTF8'")]
    NotUtf8 { found: String },
    /// A stored value that the store itself would never have written.
    #[error("column {column} holds what it should not")]
    Corrupt { column: &'static str },
    #[error("a password cannot be hashed")]
    Unhashable,
    /// Sealed with another key, or changed since.
    #[error("a sealed value cannot be opened")]
    Unsealable,
    #[error("the server key must be 32 bytes in base64 ({origin})")]
    BadKey { origin: &'static str },
    /// The database was sealed with another server key than the one at hand.
    #[error("the server key does not belong to this database; restore the one it was made with")]
    WrongKey,
    #[error("{path}")]
    File { path: PathBuf, source: std::io::Error },
}

impl Error {
    /// Whether the database refuses the values themselves (a constraint, a text it cannot hold): then
    /// trying again leads nowhere.
    pub(super) fn is_refusal(&self) -> bool {
        let Self::Database(sqlx::Error::Database(error)) = self else { return false };
        let Some(code) = error.code() else { return false };
        if code.len() == 5 {
            // SQLSTATE: data exceptions, integrity constraint violations, limits of the program.
            return ["22", "23", "54"].iter().any(|class| code.starts_with(class));
        }
        // SQLite, extended result codes: TOOBIG, CONSTRAINT, MISMATCH.
        code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 18..=20))
    }
}
