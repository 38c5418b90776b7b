//! Recordings: which files there are. The files themselves are `recording`'s.

use std::collections::HashMap;

use sqlx::Row as _;

use super::journal::Record;
use super::sql::{QueryBuilder, storable};
use super::{Error, Listing, Page, Row, Store, Tx};
use crate::model::{
    AccountSid, CallSid, ConferenceSid, Recording, RecordingSid, RecordingState, SoundFormat,
    Timestamp,
};

#[derive(Clone, Copy, Debug)]
pub struct Recordings<'s> {
    pub(super) store: &'s Store,
}

/// What a list of recordings is narrowed by.
#[derive(Clone, Debug, Default)]
pub struct RecordingQuery {
    pub call_sid: Option<CallSid>,
    /// The sid or the name.
    pub conference: Option<String>,
}

/// What names the file of an ended call (contract rest.md §2.12).
#[derive(Clone, Copy, Debug)]
pub struct RecordOfCall {
    pub account_sid: AccountSid,
    pub call_sid: CallSid,
    /// When the day began on which it was started.
    pub day: Timestamp,
    pub format: SoundFormat,
}

impl Recordings<'_> {
    /// Hands over what is known of a recording now. Returns at once; it is committed within
    /// milliseconds. What is over does not change any more.
    pub fn write(&self, recording: Recording) {
        self.store.inner.journal.write(Record::Recording(Box::new(recording)));
    }

    pub async fn get(
        &self,
        account: AccountSid,
        sid: RecordingSid,
    ) -> Result<Option<Recording>, Error> {
        let query = "SELECT * FROM recordings WHERE recording_sid = $1 AND account_sid = $2";
        let query = sqlx::query(query).bind(sid).bind(account);
        let row = query.fetch_optional(self.store.read()).await?;
        row.as_ref().map(read).transpose()
    }

    /// Newest first.
    pub async fn list(
        &self,
        account: AccountSid,
        narrow: &RecordingQuery,
        page: Page,
    ) -> Result<Listing<Recording>, Error> {
        let push = |query: &mut QueryBuilder| {
            query.push_bind(account);
            if let Some(sid) = narrow.call_sid {
                query.push(" AND call_sid = ").push_bind(sid);
            }
            if let Some(conference) = &narrow.conference {
                query.push(" AND (conference_sid = ").push_bind(conference.clone());
                query.push(" OR conference_name = ").push_bind(conference.clone()).push(")");
            }
        };
        let mut count = QueryBuilder::new("SELECT COUNT(*) FROM recordings WHERE account_sid = ");
        push(&mut count);
        let total = count.build_query_scalar().fetch_one(self.store.read()).await?;
        if page.is_beyond(total) {
            return Ok(Listing { total, rows: Vec::new() });
        }
        let mut query = QueryBuilder::new("SELECT * FROM recordings WHERE account_sid = ");
        push(&mut query);
        query.push(" ORDER BY started_at DESC, recording_sid DESC");
        page.push(&mut query);
        let rows = query.build().fetch_all(self.store.read()).await?;
        Ok(Listing { total, rows: rows.iter().map(read).collect::<Result<_, _>>()? })
    }

    /// The latest finished recording of each of these calls that has one.
    pub async fn of_calls(&self, calls: &[CallSid]) -> Result<HashMap<CallSid, Recording>, Error> {
        let mut found = HashMap::new();
        let Some((first, rest)) = calls.split_first() else { return Ok(found) };
        let mut query = QueryBuilder::new("SELECT * FROM recordings WHERE call_sid IN (");
        query.push_bind(*first);
        for sid in rest {
            query.push(", ").push_bind(*sid);
        }
        query.push(") AND state <> ").push_bind(RecordingState::Recording);
        query.push(" ORDER BY started_at, recording_sid");
        for row in &query.build().fetch_all(self.store.read()).await? {
            let recording = read(row)?;
            if let Some(call) = recording.call_sid {
                found.insert(call, recording);
            }
        }
        Ok(found)
    }

    /// The finished recording that [`RecordOfCall`] names; the latest of several.
    pub async fn record_of_call(&self, of: RecordOfCall) -> Result<Option<Recording>, Error> {
        const DAY_MS: i64 = 86_400_000;
        let row = sqlx::query(
            "SELECT * FROM recordings WHERE account_sid = $1 AND call_sid = $2 AND format = $3 \
             AND started_at >= $4 AND started_at < $5 AND state <> $6 \
             ORDER BY started_at DESC, recording_sid DESC LIMIT 1",
        )
        .bind(of.account_sid)
        .bind(of.call_sid)
        .bind(of.format)
        .bind(of.day)
        .bind(of.day.as_millis() + DAY_MS)
        .bind(RecordingState::Recording)
        .fetch_optional(self.store.read())
        .await?;
        row.as_ref().map(read).transpose()
    }

    /// Those that are being written, by whatever server of this database; or were when one went down.
    pub async fn unfinished(&self) -> Result<Vec<Recording>, Error> {
        let query = sqlx::query("SELECT * FROM recordings WHERE state = $1");
        let query = query.bind(RecordingState::Recording);
        query.fetch_all(self.store.read()).await?.iter().map(read).collect()
    }

    /// Some of those that are over and began before a moment, oldest first.
    pub async fn before(&self, moment: Timestamp, limit: u32) -> Result<Vec<Recording>, Error> {
        let query = "SELECT * FROM recordings WHERE started_at < $1 AND state <> $2 \
                     ORDER BY started_at, recording_sid LIMIT $3";
        let query = sqlx::query(query).bind(moment).bind(RecordingState::Recording);
        let query = query.bind(i64::from(limit));
        query.fetch_all(self.store.read()).await?.iter().map(read).collect()
    }

    /// Forgets a recording. Its file is to be gone before.
    pub async fn delete(&self, account: AccountSid, sid: RecordingSid) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        sqlx::query("DELETE FROM recordings WHERE recording_sid = $1 AND account_sid = $2")
            .bind(sid)
            .bind(account)
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }
}

/// The second time for one that is over it changes nothing.
pub(super) async fn write(tx: &mut Tx, recording: &Recording) -> Result<(), Error> {
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    sqlx::query(
        "INSERT INTO recordings (recording_sid, account_sid, call_sid, conference_sid, \
         conference_name, path, format, channels, started_at, duration_ms, bytes, state) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
         ON CONFLICT (recording_sid) DO UPDATE SET path = excluded.path, \
         duration_ms = excluded.duration_ms, bytes = excluded.bytes, state = excluded.state \
         WHERE recordings.state = 'recording'",
    )
    .bind(recording.sid)
    .bind(recording.account_sid)
    .bind(recording.call_sid)
    .bind(recording.conference_sid)
    .bind(recording.conference_name.as_deref().map(storable))
    .bind(storable(&recording.path))
    .bind(recording.format)
    .bind(i64::from(recording.channels))
    .bind(recording.started_at)
    .bind(count(recording.duration_ms))
    .bind(count(recording.bytes))
    .bind(recording.state)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn read(row: &Row) -> Result<Recording, Error> {
    let number = |column: &'static str| {
        u64::try_from(row.try_get::<i64, _>(column)?).map_err(|_| Error::Corrupt { column })
    };
    Ok(Recording {
        sid: row.try_get("recording_sid")?,
        account_sid: row.try_get("account_sid")?,
        call_sid: row.try_get("call_sid")?,
        conference_sid: row.try_get::<Option<ConferenceSid>, _>("conference_sid")?,
        conference_name: row.try_get("conference_name")?,
        path: row.try_get("path")?,
        format: row.try_get("format")?,
        channels: number("channels")?
            .try_into()
            .map_err(|_| Error::Corrupt { column: "channels" })?,
        started_at: row.try_get("started_at")?,
        duration_ms: number("duration_ms")?,
        bytes: number("bytes")?,
        state: row.try_get("state")?,
    })
}
