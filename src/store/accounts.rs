//! Accounts: the tenants, and the secret that signs their webhooks.

use serde_json::Value;
use sqlx::Row as _;

use super::column::{Columns, flag, optional_hook};
use super::page::push_scope;
use super::sql::QueryBuilder;
use super::{Error, Found, Row, Seal, Store, Tx, applications, duplicate};
use crate::model::account::{Commercial, new_webhook_secret};
use crate::model::{
    Account, AccountInput, AccountSid, ApplicationSid, BucketCredential, Invalid, Scope, Secret,
    ServiceProviderSid,
};

#[derive(Clone, Copy, Debug)]
pub struct Accounts<'s> {
    pub(super) store: &'s Store,
}

impl Accounts<'_> {
    pub async fn locate(&self, scope: Scope, sid: AccountSid) -> Result<Found<Account>, Error> {
        let row = sqlx::query("SELECT * FROM accounts WHERE account_sid = $1")
            .bind(sid)
            .fetch_optional(self.store.read())
            .await?;
        let Some(row) = row else { return Ok(Found::Nowhere) };
        let account = read(&row, self.store.seal())?;
        Ok(if scope.reaches(Some(sid), Some(account.service_provider_sid)) {
            Found::Here(account)
        } else {
            Found::Elsewhere
        })
    }

    pub async fn get(&self, scope: Scope, sid: AccountSid) -> Result<Option<Account>, Error> {
        Ok(self.locate(scope, sid).await?.here())
    }

    /// Whose an account is; `None` for one that does not exist.
    pub async fn provider_of(&self, sid: AccountSid) -> Result<Option<ServiceProviderSid>, Error> {
        let row = sqlx::query("SELECT service_provider_sid FROM accounts WHERE account_sid = $1")
            .bind(sid)
            .fetch_optional(self.store.read())
            .await?;
        Ok(row.map(|row| row.try_get("service_provider_sid")).transpose()?)
    }

    /// Whether some account, whoever's, has this realm.
    pub async fn has_realm(&self, realm: &str) -> Result<bool, Error> {
        let row = sqlx::query("SELECT 1 FROM accounts WHERE sip_realm = $1")
            .bind(realm.to_ascii_lowercase())
            .fetch_optional(self.store.read())
            .await?;
        Ok(row.is_some())
    }

    /// Those within reach, by name; with `provider`, only that provider's.
    pub async fn list(
        &self,
        scope: Scope,
        provider: Option<ServiceProviderSid>,
    ) -> Result<Vec<Account>, Error> {
        let mut query = QueryBuilder::new("SELECT * FROM accounts WHERE 1 = 1");
        push_scope(&mut query, scope, "account_sid", "service_provider_sid");
        if let Some(provider) = provider {
            query.push(" AND service_provider_sid = ").push_bind(provider);
        }
        query.push(" ORDER BY name, account_sid");
        let rows = query.build().fetch_all(self.store.read()).await?;
        rows.iter().map(|row| read(row, self.store.seal())).collect()
    }

    /// # Errors
    /// [`Invalid::NoSuch`] for an application named in it (a new account has none) or an unknown
    /// service provider; [`Error::Duplicate`] for a realm that is taken.
    pub async fn create(&self, record: &Account) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        let provider = record.service_provider_sid;
        let known = sqlx::query("SELECT 1 FROM service_providers WHERE service_provider_sid = $1")
            .bind(provider)
            .fetch_optional(&mut *tx)
            .await?;
        if known.is_none() {
            let sid = provider.to_string();
            return Err(Invalid::NoSuch { what: "service_provider", sid }.into());
        }
        insert(&mut tx, record, self.store.seal()).await?;
        check_applications(&mut tx, record).await?;
        Ok(tx.commit().await?)
    }

    /// The record before and after.
    pub async fn update(
        &self,
        scope: Scope,
        sid: AccountSid,
        input: AccountInput,
    ) -> Result<(Account, Account), Error> {
        let seal = self.store.seal();
        let mut tx = self.store.begin().await?;
        let before = in_tx(&mut tx, scope, sid, seal).await?;
        let mut record = before.clone();
        input.apply(&mut record)?;
        check_applications(&mut tx, &record).await?;
        write(&mut tx, &record, seal).await?;
        tx.commit().await?;
        Ok((before, record))
    }

    /// Makes and returns a new webhook secret.
    pub async fn replace_webhook_secret(
        &self,
        scope: Scope,
        sid: AccountSid,
    ) -> Result<Secret, Error> {
        let seal = self.store.seal();
        let mut tx = self.store.begin().await?;
        let mut record = in_tx(&mut tx, scope, sid, seal).await?;
        record.webhook_secret = new_webhook_secret();
        write(&mut tx, &record, seal).await?;
        tx.commit().await?;
        Ok(record.webhook_secret)
    }

    /// Keys, users, applications, numbers, carriers, clients, conferences, queues and limits go with
    /// it; records of its calls stay.
    /// Returns what was deleted.
    pub async fn delete(&self, scope: Scope, sid: AccountSid) -> Result<Account, Error> {
        let _turn = self.store.shelving().await;
        let _limits = self.store.inner.limits.changing();
        let mut tx = self.store.begin().await?;
        let account = in_tx(&mut tx, scope, sid, self.store.seal()).await?;
        // These first: they reference applications, which the cascade would take in any order.
        for sql in [
            "DELETE FROM phone_numbers WHERE account_sid = $1",
            "DELETE FROM voip_carriers WHERE account_sid = $1",
            "DELETE FROM accounts WHERE account_sid = $1",
        ] {
            sqlx::query(sql).bind(sid).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        self.store.inner.keys.clear();
        self.store.inner.conferences.clear(sid);
        self.store.inner.queues.clear(sid);
        self.store.inner.sessions.clear();
        Ok(account)
    }
}

/// Reads an account inside a write transaction, within reach or refused.
pub(super) async fn in_tx(
    tx: &mut Tx,
    scope: Scope,
    sid: AccountSid,
    seal: &Seal,
) -> Result<Account, Error> {
    let row = sqlx::query("SELECT * FROM accounts WHERE account_sid = $1")
        .bind(sid)
        .fetch_optional(&mut **tx)
        .await?
        .ok_or(Error::NotFound)?;
    let account = read(&row, seal)?;
    if !scope.reaches(Some(sid), Some(account.service_provider_sid)) {
        return Err(Error::OutOfReach);
    }
    Ok(account)
}

/// The account that a body names as owner: within reach, or refused without telling whether it
/// exists; the administrator, who sees all, is told.
pub(super) async fn owner(
    tx: &mut Tx,
    scope: Scope,
    sid: AccountSid,
    seal: &Seal,
) -> Result<Account, Error> {
    match in_tx(tx, scope, sid, seal).await {
        Err(Error::NotFound) if scope == Scope::Admin => {
            Err(Invalid::NoSuch { what: "account", sid: sid.to_string() }.into())
        }
        Err(Error::NotFound) => Err(Error::OutOfReach),
        other => other,
    }
}

/// The realm for the HA1 of an account's clients. Fixes it for good: call when one is stored.
pub(super) async fn fix_digest_realm(tx: &mut Tx, account: &Account) -> Result<String, Error> {
    let realm = account.digest_realm();
    if account.fixed_digest_realm.is_none() {
        sqlx::query(
            "UPDATE accounts SET digest_realm = $2 WHERE account_sid = $1 AND digest_realm IS NULL",
        )
        .bind(account.sid)
        .bind(&realm)
        .execute(&mut **tx)
        .await?;
    }
    Ok(realm)
}

/// The applications an account names must be its own.
async fn check_applications(tx: &mut Tx, record: &Account) -> Result<(), Error> {
    let named: [Option<ApplicationSid>; 2] =
        [record.device_calling_application_sid, record.siprec_hook_sid];
    for sid in named.into_iter().flatten() {
        applications::check_owner(tx, sid, record.sid).await?;
    }
    Ok(())
}

/// The row with its columns that never change; [`write`] fills in the rest.
pub(super) async fn insert(tx: &mut Tx, record: &Account, seal: &Seal) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO accounts (account_sid, service_provider_sid, name, webhook_secret_sealed, \
         is_active, disable_cdrs, record_all_calls, record_format, enable_debug_log, plan_type, \
         device_to_call_ratio, created_at) \
         VALUES ($1, $2, $3, '', 1, 0, 0, 'mp3', 0, 'trial', 5, $4)",
    )
    .bind(record.sid)
    .bind(record.service_provider_sid)
    .bind(&record.name)
    .bind(record.created_at)
    .execute(&mut **tx)
    .await?;
    write(tx, record, seal).await
}

/// Writes every column that can change; `digest_realm` is not one of them.
async fn write(tx: &mut Tx, record: &Account, seal: &Seal) -> Result<(), Error> {
    let bucket = match &record.bucket_credential {
        Some(bucket) => {
            let clear = Value::Object(bucket.as_map().clone()).to_string();
            Some(seal.seal(record.sid, &clear)?)
        }
        None => None,
    };
    let commercial = &record.commercial;
    sqlx::query(
        "UPDATE accounts SET name = $2, sip_realm = $3, registration_hook = $4, \
         queue_event_hook = $5, device_calling_application_sid = $6, siprec_hook_sid = $7, \
         webhook_secret_sealed = $8, is_active = $9, disable_cdrs = $10, record_all_calls = $11, \
         record_format = $12, bucket_credential_sealed = $13, enable_debug_log = $14, \
         plan_type = $15, stripe_customer_id = $16, trial_end_date = $17, \
         deactivated_reason = $18, device_to_call_ratio = $19 WHERE account_sid = $1",
    )
    .bind(record.sid)
    .bind(&record.name)
    .bind(&record.sip_realm)
    .bind(optional_hook(record.registration_hook.as_ref(), seal)?)
    .bind(optional_hook(record.queue_event_hook.as_ref(), seal)?)
    .bind(record.device_calling_application_sid)
    .bind(record.siprec_hook_sid)
    .bind(seal.seal(record.sid, &record.webhook_secret.0)?)
    .bind(flag(record.is_active))
    .bind(flag(record.disable_cdrs))
    .bind(flag(record.record_all_calls))
    .bind(record.record_format)
    .bind(bucket)
    .bind(flag(record.enable_debug_log))
    .bind(commercial.plan_type)
    .bind(&commercial.stripe_customer_id)
    .bind(commercial.trial_end_date)
    .bind(&commercial.deactivated_reason)
    .bind(commercial.device_to_call_ratio)
    .execute(&mut **tx)
    .await
    .map_err(duplicate("an account with this sip_realm already exists"))?;
    Ok(())
}

pub(super) fn read(row: &Row, seal: &Seal) -> Result<Account, Error> {
    let sid: AccountSid = row.try_get("account_sid")?;
    let bucket = match row.try_get::<Option<&str>, _>("bucket_credential_sealed")? {
        Some(sealed) => {
            let clear = seal.unseal(sid, sealed)?;
            let map = serde_json::from_str(&clear)
                .map_err(|_| Error::Corrupt { column: "bucket_credential_sealed" })?;
            Some(BucketCredential::from_stored(map))
        }
        None => None,
    };
    Ok(Account {
        sid,
        service_provider_sid: row.try_get("service_provider_sid")?,
        name: row.try_get("name")?,
        sip_realm: row.try_get("sip_realm")?,
        fixed_digest_realm: row.try_get("digest_realm")?,
        registration_hook: row.hook("registration_hook", seal)?,
        queue_event_hook: row.hook("queue_event_hook", seal)?,
        device_calling_application_sid: row.try_get("device_calling_application_sid")?,
        siprec_hook_sid: row.try_get("siprec_hook_sid")?,
        webhook_secret: Secret(seal.unseal(sid, row.try_get("webhook_secret_sealed")?)?),
        is_active: row.flag("is_active")?,
        disable_cdrs: row.flag("disable_cdrs")?,
        record_all_calls: row.flag("record_all_calls")?,
        record_format: row.try_get("record_format")?,
        bucket_credential: bucket,
        enable_debug_log: row.flag("enable_debug_log")?,
        commercial: Commercial {
            plan_type: row.try_get("plan_type")?,
            stripe_customer_id: row.try_get("stripe_customer_id")?,
            trial_end_date: row.try_get("trial_end_date")?,
            deactivated_reason: row.try_get("deactivated_reason")?,
            device_to_call_ratio: row.try_get("device_to_call_ratio")?,
        },
        created_at: row.try_get("created_at")?,
    })
}
