//! The table of conferences that REST defined.

use sqlx::Row as _;

use super::column::{Columns, flag, optional_hook};
use super::definitions::Definition;
use super::shelf::Shelf;
use super::{Error, Row, Seal, Store, Tx, duplicate};
use crate::model::{Conference, ConferenceInput, ConferenceSid, Invalid, RoomEvent};

impl Definition for Conference {
    type Input = ConferenceInput;

    const TAKEN: &'static str = "a conference with this name already exists in the account";
    const ALL: &'static str = "SELECT * FROM conferences";

    fn apply(&mut self, input: ConferenceInput) -> Result<(), Invalid> {
        input.apply(self)
    }

    fn is_persistent(&self) -> bool {
        self.persistent
    }

    fn shelf(store: &Store) -> &Shelf<Self> {
        &store.inner.conferences
    }

    async fn write(&self, tx: &mut Tx, seal: &Seal) -> Result<(), Error> {
        let events = self.status_events.as_ref().map(|events| {
            let words: Vec<&str> = events.iter().map(|event| event.as_str()).collect();
            serde_json::Value::from(words).to_string()
        });
        sqlx::query(
            "INSERT INTO conferences (conference_sid, account_sid, name, max_participants, beep, \
             join_muted, wait_hook, status_hook, status_events, locked, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
             ON CONFLICT (conference_sid) DO UPDATE SET max_participants = EXCLUDED.max_participants, \
             beep = EXCLUDED.beep, join_muted = EXCLUDED.join_muted, \
             wait_hook = EXCLUDED.wait_hook, status_hook = EXCLUDED.status_hook, \
             status_events = EXCLUDED.status_events, locked = EXCLUDED.locked",
        )
        .bind(self.sid)
        .bind(self.account_sid)
        .bind(&self.name)
        .bind(self.max_participants.map(i64::from))
        .bind(self.beep.map(flag))
        .bind(self.join_muted.map(flag))
        .bind(optional_hook(self.wait_hook.as_ref(), seal)?)
        .bind(optional_hook(self.status_hook.as_ref(), seal)?)
        .bind(events)
        .bind(flag(self.locked))
        .bind(self.created_at)
        .execute(&mut **tx)
        .await
        .map_err(duplicate(Self::TAKEN))?;
        Ok(())
    }

    async fn remove(sid: ConferenceSid, tx: &mut Tx) -> Result<(), Error> {
        sqlx::query("DELETE FROM conferences WHERE conference_sid = $1")
            .bind(sid)
            .execute(&mut **tx)
            .await?;
        Ok(())
    }

    fn read(row: &Row, seal: &Seal) -> Result<Self, Error> {
        const EVENTS: &str = "status_events";
        let events = match row.object(EVENTS)? {
            None => None,
            Some(words) => {
                let words = words.as_array().map(Vec::as_slice).unwrap_or_default();
                let known = words.iter().map(|word| word.as_str().and_then(RoomEvent::parse));
                Some(known.collect::<Option<Vec<_>>>().ok_or(Error::Corrupt { column: EVENTS })?)
            }
        };
        Ok(Self {
            sid: row.try_get("conference_sid")?,
            account_sid: row.try_get("account_sid")?,
            name: row.try_get("name")?,
            persistent: true,
            max_participants: row.optional_count("max_participants")?,
            beep: row.optional_flag("beep")?,
            join_muted: row.optional_flag("join_muted")?,
            wait_hook: row.hook("wait_hook", seal)?,
            status_hook: row.hook("status_hook", seal)?,
            status_events: events,
            locked: row.flag("locked")?,
            created_at: row.try_get("created_at")?,
        })
    }
}
