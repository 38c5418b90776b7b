//! Alerts.

use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use uuid::Uuid;

use super::journal::Record;
use super::page::push_scope;
use super::sql::{QueryBuilder, storable};
use super::{Error, Listing, Page, Row, Store, Tx, Window};
use crate::model::{Alert, AlertRow, Scope, Timestamp};

#[derive(Clone, Copy, Debug)]
pub struct Alerts<'s> {
    pub(super) store: &'s Store,
}

/// What a list of alerts is narrowed by.
#[derive(Clone, Debug, Default)]
pub struct AlertQuery {
    pub window: Window,
    pub alert_type: Option<String>,
}

/// An alert with what makes it one and the same, however often it is written.
#[derive(Serialize, Deserialize)]
pub(super) struct Raised {
    alert_sid: Uuid,
    time: Timestamp,
    alert: Alert,
}

impl Alerts<'_> {
    /// Hands an alert over, timed now. Returns at once.
    pub fn write(&self, alert: Alert) {
        let raised = Raised { alert_sid: Uuid::new_v4(), time: Timestamp::now(), alert };
        self.store.inner.journal.write(Record::Alert(Box::new(raised)));
    }

    /// Newest first.
    pub async fn list(
        &self,
        scope: Scope,
        narrow: &AlertQuery,
        page: Page,
    ) -> Result<Listing<AlertRow>, Error> {
        let push = |query: &mut QueryBuilder| {
            push_scope(query, scope, "account_sid", "service_provider_sid");
            narrow.window.push(query, "time");
            if let Some(alert_type) = &narrow.alert_type {
                query.push(" AND alert_type = ").push_bind(alert_type.clone());
            }
        };
        let mut count = QueryBuilder::new("SELECT COUNT(*) FROM alerts WHERE 1 = 1");
        push(&mut count);
        let total = count.build_query_scalar().fetch_one(self.store.read()).await?;
        let mut query = QueryBuilder::new("SELECT * FROM alerts WHERE 1 = 1");
        push(&mut query);
        query.push(" ORDER BY time DESC, alert_sid");
        page.push(&mut query);
        let rows = query.build().fetch_all(self.store.read()).await?;
        Ok(Listing { total, rows: rows.iter().map(read).collect::<Result<_, _>>()? })
    }
}

/// A second time it changes nothing.
pub(super) async fn insert(tx: &mut Tx, raised: &Raised) -> Result<(), Error> {
    let Raised { alert_sid, time, alert } = raised;
    sqlx::query(
        "INSERT INTO alerts (alert_sid, time, account_sid, service_provider_sid, alert_type, \
         message, detail, target_sid) VALUES ($1, $2, $3, (SELECT service_provider_sid \
         FROM accounts WHERE account_sid = $3), $4, $5, $6, $7) \
         ON CONFLICT (alert_sid) DO NOTHING",
    )
    .bind(alert_sid.to_string())
    .bind(*time)
    .bind(alert.account_sid)
    .bind(alert.alert_type)
    .bind(storable(&alert.message))
    .bind(alert.detail.as_deref().map(storable))
    .bind(alert.target_sid.as_deref().map(storable))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn read(row: &Row) -> Result<AlertRow, Error> {
    Ok(AlertRow {
        time: row.try_get("time")?,
        service_provider_sid: row.try_get("service_provider_sid")?,
        alert: Alert {
            account_sid: row.try_get("account_sid")?,
            alert_type: row.try_get("alert_type")?,
            message: row.try_get("message")?,
            detail: row.try_get("detail")?,
            target_sid: row.try_get("target_sid")?,
        },
    })
}
