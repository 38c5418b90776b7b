//! SQL for either database: statements put together from pieces, migrations, and the text that both
//! can hold.
//!
//! sqlx's own builder writes `?` when the database is known at run time only, which PostgreSQL does not
//! take; this one writes `$1`, `$2`, …, which both do.

use std::fmt::Write as _;

use sqlx::any::AnyArguments;
use sqlx::migrate::Migrator;
use sqlx::query::{Query, QueryScalar};
use sqlx::{Arguments as _, AssertSqlSafe, Encode, SqlSafeStr as _, Type};

use super::Db;

/// A statement that grows; values never become part of its text.
pub(super) struct QueryBuilder {
    sql: String,
    arguments: AnyArguments,
}

impl QueryBuilder {
    pub(super) fn new(sql: &'static str) -> Self {
        Self { sql: sql.to_owned(), arguments: AnyArguments::default() }
    }

    pub(super) fn push(&mut self, sql: &'static str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// Adds a value and the name it has in the statement.
    pub(super) fn push_bind<'v, T>(&mut self, value: T) -> &mut Self
    where
        T: Encode<'v, Db> + Type<Db>,
    {
        self.arguments.add(value).expect("numbers and text can always be bound");
        // Writing to a string cannot fail.
        let _ = write!(self.sql, "${}", self.arguments.len());
        self
    }

    /// The statement so far, with its values, which are gone from here then.
    pub(super) fn build(&mut self) -> Query<'static, Db, AnyArguments> {
        let (sql, arguments) = self.take();
        sqlx::query_with(sql, arguments)
    }

    /// As [`QueryBuilder::build`], for a single column.
    pub(super) fn build_query_scalar<T>(&mut self) -> QueryScalar<'static, Db, T, AnyArguments>
    where
        (T,): for<'r> sqlx::FromRow<'r, super::Row>,
    {
        let (sql, arguments) = self.take();
        sqlx::query_scalar_with(sql, arguments)
    }

    fn take(&mut self) -> (AssertSqlSafe<String>, AnyArguments) {
        // Only static pieces and `$n` were ever pushed.
        (AssertSqlSafe(std::mem::take(&mut self.sql)), std::mem::take(&mut self.arguments))
    }
}

/// The migrations as they are written, for SQLite.
pub(super) fn migrations() -> Migrator {
    sqlx::migrate!()
}

/// The same for PostgreSQL, where text is compared byte by byte as in SQLite: each `TEXT` gets the
/// collation `"C"`, whatever the database was made with. Otherwise lists would have another order and
/// a search would find other rows. The checksums stay those of the files.
pub(super) fn migrations_by_bytes() -> Migrator {
    let mut migrator = migrations();
    for migration in migrator.migrations.to_mut() {
        migration.sql = AssertSqlSafe(by_bytes(migration.sql.as_str())).into_sql_str();
    }
    migrator
}

fn by_bytes(sql: &str) -> String {
    let is_edge = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    let mut out = String::with_capacity(sql.len() * 2);
    for piece in sql.split_inclusive(is_edge) {
        match piece.strip_prefix("TEXT") {
            Some(rest) if rest.chars().all(is_edge) => {
                out.push_str("TEXT COLLATE \"C\"");
                out.push_str(rest);
            }
            Some(_) | None => out.push_str(piece),
        }
    }
    out
}

/// Text from outside as both databases can hold it: PostgreSQL has no NUL in text. For what must not
/// fail to be written; where somebody can be told, input with a NUL is refused.
pub(super) fn storable(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

/// Bytes of one text of an index. PostgreSQL takes 2704 for all columns of an entry together, and would
/// refuse the row.
pub(super) const MAX_INDEXED: usize = 640;

/// As [`storable`], for text that stands in an index and may be of any length: it is cut.
pub(super) fn indexable(text: &str) -> String {
    let mut text = storable(text);
    text.truncate(text.floor_char_boundary(MAX_INDEXED));
    text
}

#[cfg(test)]
mod tests {
    use sqlx::Execute as _;

    use super::*;

    #[test]
    fn values_are_numbered_in_the_order_they_come() {
        let mut query = QueryBuilder::new("SELECT 1 WHERE a = ");
        query.push_bind(1i64).push(" AND b = ").push_bind("x").push(" AND c IS NULL");
        assert_eq!(query.build().sql().as_str(), "SELECT 1 WHERE a = $1 AND b = $2 AND c IS NULL");
    }

    #[test]
    fn only_the_type_gets_a_collation() {
        let sql = "a TEXT PRIMARY KEY,\nb TEXT,\nTEXTS TEXT_ MYTEXT\nc TEXT";
        let expected = "a TEXT COLLATE \"C\" PRIMARY KEY,\nb TEXT COLLATE \"C\",\n\
                        TEXTS TEXT_ MYTEXT\nc TEXT COLLATE \"C\"";
        assert_eq!(by_bytes(sql), expected);
    }

    #[test]
    fn text_is_kept_but_for_its_nuls() {
        assert_eq!(storable("a\0b"), "a\u{FFFD}b");
        assert_eq!(storable("plain"), "plain");
        assert_eq!(indexable("a\0b"), "a\u{FFFD}b");
        let long = "€".repeat(1000);
        assert!(long.starts_with(&indexable(&long)));
        assert_eq!(indexable(&long).len(), 639);
    }
}
