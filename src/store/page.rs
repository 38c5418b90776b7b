//! Lists: which page of them, how far they reach, how they are searched.

use super::sql::{MAX_INDEXED, QueryBuilder};
use crate::model::{Scope, Timestamp};

/// One page of a list. `number` counts from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    pub number: u32,
    pub size: u32,
}

impl Page {
    fn offset(self) -> i64 {
        i64::from(self.number.saturating_sub(1)).saturating_mul(i64::from(self.size))
    }

    /// Whether a list of `total` ends before it.
    pub(super) fn is_beyond(self, total: i64) -> bool {
        self.offset() >= total
    }

    pub(super) fn push(self, query: &mut QueryBuilder) {
        query.push(" LIMIT ").push_bind(i64::from(self.size));
        query.push(" OFFSET ").push_bind(self.offset());
    }
}

/// Rows of one page, and how many there are on all pages together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing<T> {
    pub total: i64,
    pub rows: Vec<T>,
}

impl<T> Listing<T> {
    /// The page of a list that is in memory anyway.
    pub fn cut(all: Vec<T>, page: Option<Page>) -> Self {
        let total = i64::try_from(all.len()).unwrap_or(i64::MAX);
        let rows = match page {
            None => all,
            Some(page) => {
                let skip = usize::try_from(page.offset()).unwrap_or(usize::MAX);
                all.into_iter().skip(skip).take(page.size as usize).collect()
            }
        };
        Self { total, rows }
    }
}

/// A span of time; an end left out is open. Both ends belong to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
}

impl Window {
    pub(super) fn push(self, query: &mut QueryBuilder, column: &'static str) {
        if let Some(from) = self.from {
            query.push(" AND ").push(column).push(" >= ").push_bind(from);
        }
        if let Some(to) = self.to {
            query.push(" AND ").push(column).push(" <= ").push_bind(to);
        }
    }
}

/// Limits a query to what `scope` reaches. The columns are SQL, never input.
pub(super) fn push_scope(
    query: &mut QueryBuilder,
    scope: Scope,
    account_column: &'static str,
    provider_column: &'static str,
) {
    match scope {
        Scope::Admin => {}
        Scope::Account(sid) => {
            query.push(" AND ").push(account_column).push(" = ").push_bind(sid);
        }
        Scope::ServiceProvider(sid) => {
            query.push(" AND ").push(provider_column).push(" = ").push_bind(sid);
        }
    }
}

/// Limits a query to rows whose column holds `text` somewhere, in any case of ASCII letters: lower()
/// knows no others in SQLite, nor on PostgreSQL with the collation of our columns.
pub(super) fn push_containing(query: &mut QueryBuilder, column: &'static str, text: &str) {
    // No column that is searched holds so much, and SQLite refuses patterns beyond 50 000 bytes.
    if text.len() > MAX_INDEXED {
        query.push(" AND 1 = 0");
        return;
    }
    // Digits have no case, and a list of calls is long.
    let (open, close) = match text.bytes().any(|byte| byte.is_ascii_alphabetic()) {
        true => (" AND lower(", ")"),
        false => (" AND ", ""),
    };
    query.push(open).push(column).push(close).push(" LIKE ");
    query.push_bind(containing(&text.to_ascii_lowercase())).push(" ESCAPE '\\'");
}

/// A LIKE pattern in which the wildcards of `text` are plain characters.
fn containing(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_in_a_search_are_plain_characters() {
        assert_eq!(containing("50%_A\\"), "%50\\%\\_A\\\\%");
    }

    #[test]
    fn the_first_page_starts_at_the_top() {
        assert_eq!(Page { number: 1, size: 50 }.offset(), 0);
        assert_eq!(Page { number: 3, size: 50 }.offset(), 100);
        assert!(Page { number: u32::MAX, size: u32::MAX }.offset() > 0);
    }
}
