//! How many call records an account or a service provider has of each day, kept beside the records:
//! the total of a list then costs as much as there are days, not calls.

use std::collections::BTreeMap;

use super::sql::QueryBuilder;
use super::{Error, Store, Tx, Window};
use crate::model::{AccountSid, Scope, ServiceProviderSid, Timestamp};

const DAY_MS: i64 = 86_400_000;

/// What one transaction changes. In order of the key, so that two of them cannot wait for each other.
#[derive(Default)]
pub(super) struct CallDays(BTreeMap<(String, i64), i64>);

impl CallDays {
    /// `count` records more, or fewer when it is negative.
    pub(super) fn count(
        &mut self,
        account: AccountSid,
        provider: Option<ServiceProviderSid>,
        attempted_at: Timestamp,
        count: i64,
    ) {
        let day = attempted_at.as_millis() / DAY_MS;
        let owners = [Some(account.to_string()), provider.map(|sid| sid.to_string())];
        for owner in owners.into_iter().flatten() {
            *self.0.entry((owner, day)).or_default() += count;
        }
    }

    pub(super) async fn write(self, tx: &mut Tx) -> Result<(), Error> {
        for ((owner, day), count) in self.0 {
            sqlx::query(
                "INSERT INTO call_days (owner, day, total) VALUES ($1, $2, $3) \
                 ON CONFLICT (owner, day) DO UPDATE SET total = call_days.total + excluded.total",
            )
            .bind(owner)
            .bind(day)
            .bind(count)
            .execute(&mut **tx)
            .await?;
        }
        Ok(())
    }
}

/// How many records `scope` has in the window: whole days are known, its ends are counted. `None` when
/// they must all be counted.
pub(super) async fn total(
    store: &Store,
    scope: Scope,
    window: Window,
) -> Result<Option<i64>, Error> {
    let (column, owner) = match scope {
        Scope::Admin => return Ok(None),
        Scope::Account(sid) => ("account_sid", sid.to_string()),
        Scope::ServiceProvider(sid) => ("service_provider_sid", sid.to_string()),
    };
    let Some(days) = WholeDays::of(window) else { return Ok(None) };
    let mut query = QueryBuilder::new(
        "SELECT COALESCE((SELECT CAST(SUM(total) AS BIGINT) FROM call_days WHERE owner = ",
    );
    query.push_bind(owner.clone());
    query.push(" AND day >= ").push_bind(days.first);
    query.push(" AND day <= ").push_bind(days.last).push("), 0)");
    for (from, before) in days.ends.into_iter().flatten() {
        query.push(" + (SELECT COUNT(*) FROM calls WHERE ").push(column).push(" = ");
        query.push_bind(owner.clone());
        query.push(" AND attempted_at >= ").push_bind(from);
        query.push(" AND attempted_at < ").push_bind(before).push(")");
    }
    Ok(Some(query.build_query_scalar().fetch_one(store.read()).await?))
}

/// A window as the days wholly in it and what is left at either end, in milliseconds, the second of
/// them not included.
#[derive(Debug, PartialEq, Eq)]
struct WholeDays {
    first: i64,
    last: i64,
    ends: [Option<(i64, i64)>; 2],
}

impl WholeDays {
    /// `None` when no day is wholly in it.
    fn of(window: Window) -> Option<Self> {
        let from = window.from.map(Timestamp::as_millis);
        let before = window.to.map(|to| to.as_millis() + 1);
        let first = from.map_or(0, |from| (from + DAY_MS - 1) / DAY_MS);
        let after = before.map_or(i64::MAX / DAY_MS, |before| before / DAY_MS);
        let end = |from: i64, before: i64| (from < before).then_some((from, before));
        (first < after).then(|| Self {
            first,
            last: after - 1,
            ends: [
                from.and_then(|from| end(from, first * DAY_MS)),
                before.and_then(|before| end(after * DAY_MS, before)),
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_whole_days_and_its_ends() {
        let window = |from: Option<i64>, to: Option<i64>| {
            let moment = |ms| Timestamp::from_millis(ms).unwrap();
            WholeDays::of(Window { from: from.map(moment), to: to.map(moment) })
        };
        let days = |first, last, ends| Some(WholeDays { first, last, ends });
        let far = i64::MAX / DAY_MS - 1;
        assert_eq!(window(None, None), days(0, far, [None, None]));
        assert_eq!(window(Some(2 * DAY_MS), None), days(2, far, [None, None]));
        let end = Some((DAY_MS + 1, 2 * DAY_MS));
        assert_eq!(window(Some(DAY_MS + 1), None), days(2, far, [end, None]));
        // Both ends of a window belong to it.
        assert_eq!(window(None, Some(3 * DAY_MS - 1)), days(0, 2, [None, None]));
        let end = Some((3 * DAY_MS, 3 * DAY_MS + 1));
        assert_eq!(window(None, Some(3 * DAY_MS)), days(0, 2, [None, end]));
        assert_eq!(window(Some(1), Some(DAY_MS + 1)), None);
        assert_eq!(window(Some(5 * DAY_MS), Some(DAY_MS)), None);
    }
}
