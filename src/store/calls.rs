//! Records of ended calls.

use sqlx::Row as _;

use super::call_days::{self, CallDays};
use super::column::Columns;
use super::journal::Record;
use super::page::{push_containing, push_scope};
use super::sql::{QueryBuilder, indexable, storable};
use super::{Error, Listing, Page, Row, Store, Tx, Window};
use crate::model::{CallRecord, CallSid, Direction, Scope, number};

#[derive(Clone, Copy, Debug)]
pub struct Calls<'s> {
    pub(super) store: &'s Store,
}

/// What a list of ended calls is narrowed by.
#[derive(Clone, Debug, Default)]
pub struct CallQuery {
    pub window: Window,
    pub direction: Option<Direction>,
    pub answered: Option<bool>,
    pub trunk: Option<String>,
    /// A part of from or to, or a whole call_sid.
    pub filter: Option<String>,
}

impl Calls<'_> {
    /// Hands over the record of a call that just ended. Returns at once; it is committed within
    /// milliseconds. Accounts with `disable_cdrs` are left out there.
    pub fn record_ended(&self, record: CallRecord) {
        self.store.inner.journal.write(Record::Call(Box::new(record)));
    }

    pub async fn get(&self, scope: Scope, sid: CallSid) -> Result<Option<CallRecord>, Error> {
        let mut query = QueryBuilder::new("SELECT * FROM calls WHERE call_sid = ");
        query.push_bind(sid);
        push_scope(&mut query, scope, "account_sid", "service_provider_sid");
        let row = query.build().fetch_optional(self.store.read()).await?;
        row.as_ref().map(read).transpose()
    }

    /// Newest first.
    pub async fn list(
        &self,
        scope: Scope,
        narrow: &CallQuery,
        page: Page,
    ) -> Result<Listing<CallRecord>, Error> {
        let push = |query: &mut QueryBuilder| {
            push_scope(query, scope, "account_sid", "service_provider_sid");
            narrow.push(query);
        };
        let known = match narrow.is_window_only() {
            true => call_days::total(self.store, scope, narrow.window).await?,
            false => None,
        };
        let total = match known {
            Some(total) => total,
            None => {
                let mut count = QueryBuilder::new("SELECT COUNT(*) FROM calls WHERE 1 = 1");
                push(&mut count);
                count.build_query_scalar().fetch_one(self.store.read()).await?
            }
        };
        // Looking for what is not there takes as long as counting it.
        if page.is_beyond(total) {
            return Ok(Listing { total, rows: Vec::new() });
        }
        let mut query = QueryBuilder::new("SELECT * FROM calls WHERE 1 = 1");
        push(&mut query);
        query.push(" ORDER BY attempted_at DESC, call_sid DESC");
        page.push(&mut query);
        let rows = query.build().fetch_all(self.store.read()).await?;
        Ok(Listing { total, rows: rows.iter().map(read).collect::<Result<_, _>>()? })
    }
}

impl CallQuery {
    fn is_window_only(&self) -> bool {
        let Self { window: _, direction, answered, trunk, filter } = self;
        direction.is_none() && answered.is_none() && trunk.is_none() && filter.is_none()
    }

    fn push(&self, query: &mut QueryBuilder) {
        self.window.push(query, "attempted_at");
        if let Some(direction) = self.direction {
            query.push(" AND direction = ").push_bind(direction);
        }
        match self.answered {
            Some(true) => _ = query.push(" AND answered_at IS NOT NULL"),
            Some(false) => _ = query.push(" AND answered_at IS NULL"),
            None => {}
        }
        if let Some(trunk) = &self.trunk {
            query.push(" AND trunk = ").push_bind(trunk.clone());
        }
        if let Some(filter) = &self.filter {
            query.push(" AND (call_sid = ").push_bind(filter.clone()).push(" OR (1 = 1");
            push_containing(query, "from_party", number::canonical(filter));
            query.push(") OR (1 = 1");
            push_containing(query, "to_party", number::canonical(filter));
            query.push("))");
        }
    }
}

/// Fills the service provider in, keeps the first of two records of one call, and leaves accounts
/// out that want no records.
pub(super) async fn insert(
    tx: &mut Tx,
    record: &CallRecord,
    days: &mut CallDays,
) -> Result<(), Error> {
    let inserted = sqlx::query(
        "INSERT INTO calls (call_sid, account_sid, service_provider_sid, application_sid, \
         parent_call_sid, direction, from_party, to_party, caller_name, trunk, sip_callid, \
         sip_parent_callid, host, remote_host, attempted_at, answered_at, terminated_at, \
         call_status, sip_status, sip_reason, termination_reason, call_termination_by, trace_id, \
         customer_data) \
         SELECT $1, $2, COALESCE($3, (SELECT service_provider_sid FROM accounts \
         WHERE account_sid = $2)), $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, \
         $17, $18, $19, $20, $21, $22, $23, $24 \
         WHERE NOT EXISTS (SELECT 1 FROM accounts WHERE account_sid = $2 AND disable_cdrs = 1) \
         ON CONFLICT (call_sid) DO NOTHING RETURNING service_provider_sid",
    )
    .bind(record.call_sid)
    .bind(record.account_sid)
    .bind(record.service_provider_sid)
    .bind(record.application_sid)
    .bind(record.parent_call_sid)
    .bind(record.direction)
    .bind(indexable(&record.from))
    .bind(indexable(&record.to))
    .bind(record.caller_name.as_deref().map(storable))
    .bind(record.trunk.as_deref().map(indexable))
    .bind(storable(&record.sip_callid))
    .bind(record.sip_parent_callid.as_deref().map(storable))
    .bind(record.host.as_deref().map(storable))
    .bind(record.remote_host.as_deref().map(storable))
    .bind(record.attempted_at)
    .bind(record.answered_at)
    .bind(record.terminated_at)
    .bind(storable(&record.call_status))
    .bind(i64::from(record.sip_status))
    .bind(record.sip_reason.as_deref().map(storable))
    .bind(record.termination_reason.as_deref().map(storable))
    .bind(record.call_termination_by.as_deref().map(storable))
    .bind(record.trace_id.as_deref().map(storable))
    .bind(record.customer_data.as_ref().map(ToString::to_string))
    .fetch_optional(&mut **tx)
    .await?;
    if let Some(row) = inserted {
        let provider = row.try_get("service_provider_sid")?;
        days.count(record.account_sid, provider, record.attempted_at, 1);
    }
    Ok(())
}

fn read(row: &Row) -> Result<CallRecord, Error> {
    let sip_status = u16::try_from(row.try_get::<i64, _>("sip_status")?)
        .map_err(|_| Error::Corrupt { column: "sip_status" })?;
    Ok(CallRecord {
        call_sid: row.try_get("call_sid")?,
        account_sid: row.try_get("account_sid")?,
        service_provider_sid: row.try_get("service_provider_sid")?,
        application_sid: row.try_get("application_sid")?,
        parent_call_sid: row.try_get("parent_call_sid")?,
        direction: row.try_get("direction")?,
        from: row.try_get("from_party")?,
        to: row.try_get("to_party")?,
        caller_name: row.try_get("caller_name")?,
        trunk: row.try_get("trunk")?,
        sip_callid: row.try_get("sip_callid")?,
        sip_parent_callid: row.try_get("sip_parent_callid")?,
        host: row.try_get("host")?,
        remote_host: row.try_get("remote_host")?,
        attempted_at: row.try_get("attempted_at")?,
        answered_at: row.try_get("answered_at")?,
        terminated_at: row.try_get("terminated_at")?,
        call_status: row.try_get("call_status")?,
        sip_status,
        sip_reason: row.try_get("sip_reason")?,
        termination_reason: row.try_get("termination_reason")?,
        call_termination_by: row.try_get("call_termination_by")?,
        trace_id: row.try_get("trace_id")?,
        customer_data: row.object("customer_data")?,
    })
}
