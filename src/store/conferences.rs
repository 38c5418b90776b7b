//! Conferences that REST defined. All of them are in memory; those that are to stay also in a table.
//!
//! One that is not to stay lives in memory alone, until the last participant of its room has left, it
//! is deleted, or the process ends: nobody can be left in it then.

use std::sync::Arc;

use sqlx::Row as _;

use super::column::{Columns, flag, optional_hook};
use super::shelf::undisturbed;
use super::{Error, Row, Seal, Store, Tx, accounts, duplicate};
use crate::model::{AccountSid, Conference, ConferenceInput, ConferenceSid, RoomEvent, Scope};

const TAKEN: &str = "a conference with this name already exists in the account";

#[derive(Clone, Copy, Debug)]
pub struct Conferences<'s> {
    pub(super) store: &'s Store,
}

impl Conferences<'_> {
    /// An account's, by name.
    pub fn of(&self, account: AccountSid) -> Vec<Arc<Conference>> {
        self.store.inner.conferences.of(account)
    }

    pub fn get(&self, account: AccountSid, sid: ConferenceSid) -> Option<Arc<Conference>> {
        self.store.inner.conferences.get(account, sid)
    }

    pub fn named(&self, account: AccountSid, name: &str) -> Option<Arc<Conference>> {
        self.store.inner.conferences.named(account, name)
    }

    /// # Errors
    /// [`Error::Duplicate`] for a name that is taken, [`Error::Full`] when the account has too many.
    pub async fn create(&self, scope: Scope, record: Conference) -> Result<Arc<Conference>, Error> {
        let store = self.store.clone();
        undisturbed(async move { store.conferences().add(scope, record).await }).await
    }

    /// What it is now.
    pub async fn update(
        &self,
        scope: Scope,
        account: AccountSid,
        sid: ConferenceSid,
        input: ConferenceInput,
    ) -> Result<Arc<Conference>, Error> {
        let store = self.store.clone();
        undisturbed(async move { store.conferences().change(scope, account, sid, input).await })
            .await
    }

    pub async fn delete(
        &self,
        scope: Scope,
        account: AccountSid,
        sid: ConferenceSid,
    ) -> Result<(), Error> {
        let store = self.store.clone();
        undisturbed(async move { store.conferences().drop(scope, account, sid).await }).await
    }

    /// The last participant of its room has left: a definition that is not to stay is gone. At once;
    /// asks nobody. Another that has the name by now stays.
    pub fn expire(&self, account: AccountSid, name: &str, sid: ConferenceSid) {
        let is_meant = |found: &Conference| found.sid == sid && !found.persistent;
        self.store.inner.conferences.take_if(account, name, is_meant);
    }

    async fn add(&self, scope: Scope, record: Conference) -> Result<Arc<Conference>, Error> {
        let _turn = self.store.shelving().await;
        let shelf = &self.store.inner.conferences;
        shelf.check_place(record.account_sid, &record.name, TAKEN)?;
        self.save(scope, &record).await?;
        Ok(shelf.put(record))
    }

    async fn change(
        &self,
        scope: Scope,
        account: AccountSid,
        sid: ConferenceSid,
        input: ConferenceInput,
    ) -> Result<Arc<Conference>, Error> {
        let _turn = self.store.shelving().await;
        let shelf = &self.store.inner.conferences;
        let mut record = Conference::clone(&*shelf.get(account, sid).ok_or(Error::NotFound)?);
        input.apply(&mut record)?;
        self.save(scope, &record).await?;
        // It may have expired meanwhile: then it is not put back, unless it is in its table now.
        match record.persistent {
            true => Ok(shelf.put(record)),
            false => shelf.put_back(record).ok_or(Error::NotFound),
        }
    }

    async fn drop(
        &self,
        scope: Scope,
        account: AccountSid,
        sid: ConferenceSid,
    ) -> Result<(), Error> {
        let _turn = self.store.shelving().await;
        let shelf = &self.store.inner.conferences;
        let record = shelf.get(account, sid).ok_or(Error::NotFound)?;
        let mut tx = self.store.begin().await?;
        accounts::in_tx(&mut tx, scope, account, self.store.seal()).await?;
        remove(&mut tx, sid).await?;
        tx.commit().await?;
        shelf.take_if(account, &record.name, |found| found.sid == sid);
        Ok(())
    }

    async fn save(&self, scope: Scope, record: &Conference) -> Result<(), Error> {
        let seal = self.store.seal();
        let mut tx = self.store.begin().await?;
        accounts::in_tx(&mut tx, scope, record.account_sid, seal).await?;
        if record.persistent {
            write(&mut tx, record, seal).await?;
        } else {
            remove(&mut tx, record.sid).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Fills the memory, at start.
    pub(super) async fn load(&self) -> Result<(), Error> {
        let rows = sqlx::query("SELECT * FROM conferences").fetch_all(self.store.read()).await?;
        for row in &rows {
            self.store.inner.conferences.put(read(row, self.store.seal())?);
        }
        Ok(())
    }
}

async fn write(tx: &mut Tx, record: &Conference, seal: &Seal) -> Result<(), Error> {
    let events = record.status_events.as_ref().map(|events| {
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
    .bind(record.sid)
    .bind(record.account_sid)
    .bind(&record.name)
    .bind(record.max_participants.map(i64::from))
    .bind(record.beep.map(flag))
    .bind(record.join_muted.map(flag))
    .bind(optional_hook(record.wait_hook.as_ref(), seal)?)
    .bind(optional_hook(record.status_hook.as_ref(), seal)?)
    .bind(events)
    .bind(flag(record.locked))
    .bind(record.created_at)
    .execute(&mut **tx)
    .await
    .map_err(duplicate(TAKEN))?;
    Ok(())
}

async fn remove(tx: &mut Tx, sid: ConferenceSid) -> Result<(), Error> {
    sqlx::query("DELETE FROM conferences WHERE conference_sid = $1")
        .bind(sid)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

fn read(row: &Row, seal: &Seal) -> Result<Conference, Error> {
    const EVENTS: &str = "status_events";
    let events = match row.object(EVENTS)? {
        None => None,
        Some(words) => {
            let words = words.as_array().map(Vec::as_slice).unwrap_or_default();
            let known = words.iter().map(|word| word.as_str().and_then(RoomEvent::parse));
            Some(known.collect::<Option<Vec<_>>>().ok_or(Error::Corrupt { column: EVENTS })?)
        }
    };
    Ok(Conference {
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

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::json;
    use tokio::time::sleep;

    use super::*;
    use crate::config;
    use crate::model::{Account, Fields, ServiceProvider};

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_definition_that_goes_with_its_room_does_not_come_back_and_takes_no_other_along() {
        let dir = std::env::temp_dir().join(format!("trunkline-rooms-{}", uuid::Uuid::new_v4()));
        let config = config::Store { data_dir: dir.clone(), ..config::Store::default() };
        let store = Store::open(&config).await.unwrap();
        let provider = ServiceProvider::new("p");
        store.service_providers().create(&provider).await.unwrap();
        let account = Account::new(provider.sid, "a");
        store.accounts().create(&account).await.unwrap();
        let passing = || Conference { persistent: false, ..Conference::new(account.sid, "lobby") };
        let rooms = store.conferences();
        let input = || {
            let body = json!({"locked": true});
            ConferenceInput::update(Fields::new(body.as_object().unwrap().clone())).unwrap()
        };

        // Its room ends while a change of it waits for the database.
        let first = rooms.create(Scope::Admin, passing()).await.unwrap();
        let busy = store.begin().await.unwrap();
        let change = tokio::spawn({
            let store = store.clone();
            let (account, sid, settings) = (account.sid, first.sid, input().settings);
            async move { store.conferences().update(Scope::Admin, account, sid, settings).await }
        });
        let deadline = Instant::now() + SOON;
        while store.inner.shelving.try_lock().is_ok() {
            assert!(Instant::now() < deadline, "no change within {SOON:?}");
            sleep(Duration::from_millis(1)).await;
        }
        rooms.expire(account.sid, "lobby", first.sid);
        drop(busy);
        assert!(matches!(change.await.unwrap(), Err(Error::NotFound)));
        assert!(rooms.of(account.sid).is_empty());

        // The room of the first ends late, when another has the name.
        let second = rooms.create(Scope::Admin, passing()).await.unwrap();
        rooms.expire(account.sid, "lobby", first.sid);
        assert_eq!(rooms.named(account.sid, "lobby"), Some(second.clone()));
        rooms.expire(account.sid, "lobby", second.sid);
        assert!(rooms.of(account.sid).is_empty());
        store.close().await;
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
