//! Applications.

use serde_json::Value;
use sqlx::Row as _;

use super::column::{Columns, flag, hook, optional_hook};
use super::page::{push_containing, push_scope};
use super::sql::QueryBuilder;
use super::{Error, Found, Listing, Page, Row, Seal, Store, Tx, accounts, duplicate};
use crate::model::application::{FallbackSpeech, Speech};
use crate::model::{
    AccountSid, Application, ApplicationInput, ApplicationSid, Invalid, Scope, ServiceProviderSid,
};

const SELECT: &str = "SELECT t.*, a.service_provider_sid AS owner_provider \
     FROM applications t JOIN accounts a ON a.account_sid = t.account_sid WHERE ";

const TAKEN: &str = "an application with this name already exists in the account";

#[derive(Clone, Copy, Debug)]
pub struct Applications<'s> {
    pub(super) store: &'s Store,
}

impl Applications<'_> {
    pub async fn locate(
        &self,
        scope: Scope,
        sid: ApplicationSid,
    ) -> Result<Found<Application>, Error> {
        let mut query = by_sid(sid);
        let row = query.build().fetch_optional(self.store.read()).await?;
        place(row.as_ref(), scope, self.store.seal())
    }

    pub async fn get(
        &self,
        scope: Scope,
        sid: ApplicationSid,
    ) -> Result<Option<Application>, Error> {
        Ok(self.locate(scope, sid).await?.here())
    }

    /// Those within reach: by sid, or by name when paged. `name` finds a part of the name.
    pub async fn list(
        &self,
        scope: Scope,
        name: Option<&str>,
        page: Option<Page>,
    ) -> Result<Listing<Application>, Error> {
        let narrow = |query: &mut QueryBuilder| {
            push_scope(query, scope, "t.account_sid", "a.service_provider_sid");
            if let Some(name) = name {
                push_containing(query, "t.name", name);
            }
        };
        let mut query = QueryBuilder::new(SELECT);
        query.push("1 = 1");
        narrow(&mut query);
        match page {
            Some(page) => {
                query.push(" ORDER BY t.name, t.application_sid");
                page.push(&mut query);
            }
            None => {
                query.push(" ORDER BY t.application_sid");
            }
        }
        let rows = query.build().fetch_all(self.store.read()).await?;
        let rows: Vec<_> =
            rows.iter().map(|row| read(row, self.store.seal())).collect::<Result<_, _>>()?;
        let total = match page {
            None => rows.len() as i64,
            Some(_) => {
                let mut count = QueryBuilder::new(
                    "SELECT COUNT(*) FROM applications t \
                     JOIN accounts a ON a.account_sid = t.account_sid WHERE 1 = 1",
                );
                narrow(&mut count);
                count.build_query_scalar().fetch_one(self.store.read()).await?
            }
        };
        Ok(Listing { total, rows })
    }

    /// # Errors
    /// [`Error::OutOfReach`] when the account is not the scope's to give applications to.
    pub async fn create(&self, scope: Scope, record: &Application) -> Result<(), Error> {
        let seal = self.store.seal();
        let mut tx = self.store.begin().await?;
        accounts::owner(&mut tx, scope, record.account_sid, seal).await?;
        insert(&mut tx, record, seal).await?;
        Ok(tx.commit().await?)
    }

    /// # Errors
    /// [`Error::InUse`] when it would move to another account while numbers, carriers or its old
    /// account still name it.
    pub async fn update(
        &self,
        scope: Scope,
        sid: ApplicationSid,
        input: ApplicationInput,
    ) -> Result<(), Error> {
        let seal = self.store.seal();
        let mut tx = self.store.begin().await?;
        let row = by_sid(sid).build().fetch_optional(&mut *tx).await?;
        let mut record = place(row.as_ref(), scope, seal)?.ok()?;
        let from = record.account_sid;
        input.apply(&mut record)?;
        if record.account_sid != from {
            accounts::owner(&mut tx, scope, record.account_sid, seal).await?;
            check_unused(&mut tx, sid, "cannot move application with phone numbers").await?;
        }
        write(&mut tx, &record, seal).await?;
        Ok(tx.commit().await?)
    }

    pub async fn delete(&self, scope: Scope, sid: ApplicationSid) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        let row = by_sid(sid).build().fetch_optional(&mut *tx).await?;
        place(row.as_ref(), scope, self.store.seal())?.ok()?;
        check_unused(&mut tx, sid, "cannot delete application with phone numbers").await?;
        sqlx::query("DELETE FROM applications WHERE application_sid = $1")
            .bind(sid)
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }
}

/// A body may only name an application of the same account. Another's is as good as none.
pub(super) async fn check_owner(
    tx: &mut Tx,
    sid: ApplicationSid,
    owner: AccountSid,
) -> Result<(), Error> {
    let row = sqlx::query("SELECT account_sid FROM applications WHERE application_sid = $1")
        .bind(sid)
        .fetch_optional(&mut **tx)
        .await?;
    match row.map(|row| row.try_get::<AccountSid, _>("account_sid")).transpose()? {
        Some(account) if account == owner => Ok(()),
        Some(_) | None => Err(Invalid::NoSuch { what: "application", sid: sid.to_string() }.into()),
    }
}

async fn check_unused(
    tx: &mut Tx,
    sid: ApplicationSid,
    with_numbers: &'static str,
) -> Result<(), Error> {
    let by_number = sqlx::query("SELECT 1 FROM phone_numbers WHERE application_sid = $1 LIMIT 1")
        .bind(sid)
        .fetch_optional(&mut **tx)
        .await?;
    if by_number.is_some() {
        return Err(Error::InUse(with_numbers));
    }
    let by_account = sqlx::query(
        "SELECT 1 FROM accounts \
         WHERE device_calling_application_sid = $1 OR siprec_hook_sid = $1 LIMIT 1",
    )
    .bind(sid)
    .fetch_optional(&mut **tx)
    .await?;
    if by_account.is_some() {
        let text = "application is the device-calling or SIPREC application of an account";
        return Err(Error::InUse(text));
    }
    let by_carrier = sqlx::query("SELECT 1 FROM voip_carriers WHERE application_sid = $1 LIMIT 1")
        .bind(sid)
        .fetch_optional(&mut **tx)
        .await?;
    match by_carrier {
        Some(_) => Err(Error::InUse("application is the default application of a voip carrier")),
        None => Ok(()),
    }
}

fn by_sid(sid: ApplicationSid) -> QueryBuilder {
    let mut query = QueryBuilder::new(SELECT);
    query.push("t.application_sid = ").push_bind(sid);
    query
}

fn place(row: Option<&Row>, scope: Scope, seal: &Seal) -> Result<Found<Application>, Error> {
    let Some(row) = row else { return Ok(Found::Nowhere) };
    let provider: ServiceProviderSid = row.try_get("owner_provider")?;
    let account: AccountSid = row.try_get("account_sid")?;
    if !scope.reaches(Some(account), Some(provider)) {
        return Ok(Found::Elsewhere);
    }
    read(row, seal).map(Found::Here)
}

/// The row with its columns that never change; [`write`] fills in the rest.
async fn insert(tx: &mut Tx, record: &Application, seal: &Seal) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO applications (application_sid, account_sid, name, call_hook, \
         speech_synthesis_vendor, speech_synthesis_language, speech_recognizer_vendor, \
         speech_recognizer_language, use_for_fallback_speech, record_all_calls, created_at) \
         VALUES ($1, $2, $3, '', '', '', '', '', 0, 0, $4)",
    )
    .bind(record.sid)
    .bind(record.account_sid)
    .bind(&record.name)
    .bind(record.created_at)
    .execute(&mut **tx)
    .await
    .map_err(duplicate(TAKEN))?;
    write(tx, record, seal).await
}

/// Writes every column that can change.
async fn write(tx: &mut Tx, record: &Application, seal: &Seal) -> Result<(), Error> {
    let env_vars = match &record.env_vars {
        Some(map) => Some(seal.seal(record.sid, &Value::Object(map.clone()).to_string())?),
        None => None,
    };
    let (speech, fallback) = (&record.speech, &record.fallback_speech);
    sqlx::query(
        "UPDATE applications SET account_sid = $2, name = $3, call_hook = $4, \
         call_status_hook = $5, messaging_hook = $6, app_json = $7, \
         speech_synthesis_vendor = $8, speech_synthesis_language = $9, \
         speech_synthesis_voice = $10, speech_synthesis_label = $11, \
         speech_recognizer_vendor = $12, speech_recognizer_language = $13, \
         speech_recognizer_label = $14, use_for_fallback_speech = $15, \
         fallback_speech_synthesis_vendor = $16, fallback_speech_synthesis_language = $17, \
         fallback_speech_synthesis_voice = $18, fallback_speech_synthesis_label = $19, \
         fallback_speech_recognizer_vendor = $20, fallback_speech_recognizer_language = $21, \
         fallback_speech_recognizer_label = $22, env_vars_sealed = $23, record_all_calls = $24 \
         WHERE application_sid = $1",
    )
    .bind(record.sid)
    .bind(record.account_sid)
    .bind(&record.name)
    .bind(hook(&record.call_hook, seal)?)
    .bind(optional_hook(record.call_status_hook.as_ref(), seal)?)
    .bind(optional_hook(record.messaging_hook.as_ref(), seal)?)
    .bind(&record.app_json)
    .bind(&speech.synthesis_vendor)
    .bind(&speech.synthesis_language)
    .bind(&speech.synthesis_voice)
    .bind(&speech.synthesis_label)
    .bind(&speech.recognizer_vendor)
    .bind(&speech.recognizer_language)
    .bind(&speech.recognizer_label)
    .bind(flag(record.use_for_fallback_speech))
    .bind(&fallback.synthesis_vendor)
    .bind(&fallback.synthesis_language)
    .bind(&fallback.synthesis_voice)
    .bind(&fallback.synthesis_label)
    .bind(&fallback.recognizer_vendor)
    .bind(&fallback.recognizer_language)
    .bind(&fallback.recognizer_label)
    .bind(env_vars)
    .bind(flag(record.record_all_calls))
    .execute(&mut **tx)
    .await
    .map_err(duplicate(TAKEN))?;
    Ok(())
}

pub(super) fn read(row: &Row, seal: &Seal) -> Result<Application, Error> {
    let sid: ApplicationSid = row.try_get("application_sid")?;
    let env_vars = match row.try_get::<Option<&str>, _>("env_vars_sealed")? {
        Some(sealed) => Some(
            serde_json::from_str(&seal.unseal(sid, sealed)?)
                .map_err(|_| Error::Corrupt { column: "env_vars_sealed" })?,
        ),
        None => None,
    };
    Ok(Application {
        sid,
        account_sid: row.try_get("account_sid")?,
        name: row.try_get("name")?,
        call_hook: row.hook("call_hook", seal)?.ok_or(Error::Corrupt { column: "call_hook" })?,
        call_status_hook: row.hook("call_status_hook", seal)?,
        messaging_hook: row.hook("messaging_hook", seal)?,
        app_json: row.try_get("app_json")?,
        speech: Speech {
            synthesis_vendor: row.try_get("speech_synthesis_vendor")?,
            synthesis_language: row.try_get("speech_synthesis_language")?,
            synthesis_voice: row.try_get("speech_synthesis_voice")?,
            synthesis_label: row.try_get("speech_synthesis_label")?,
            recognizer_vendor: row.try_get("speech_recognizer_vendor")?,
            recognizer_language: row.try_get("speech_recognizer_language")?,
            recognizer_label: row.try_get("speech_recognizer_label")?,
        },
        use_for_fallback_speech: row.flag("use_for_fallback_speech")?,
        fallback_speech: FallbackSpeech {
            synthesis_vendor: row.try_get("fallback_speech_synthesis_vendor")?,
            synthesis_language: row.try_get("fallback_speech_synthesis_language")?,
            synthesis_voice: row.try_get("fallback_speech_synthesis_voice")?,
            synthesis_label: row.try_get("fallback_speech_synthesis_label")?,
            recognizer_vendor: row.try_get("fallback_speech_recognizer_vendor")?,
            recognizer_language: row.try_get("fallback_speech_recognizer_language")?,
            recognizer_label: row.try_get("fallback_speech_recognizer_label")?,
        },
        env_vars,
        record_all_calls: row.flag("record_all_calls")?,
        created_at: row.try_get("created_at")?,
    })
}
