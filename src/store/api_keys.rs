//! API keys: found by the hash of their token, which is never stored itself.

use std::time::Duration;

use sqlx::Row as _;
use tracing::warn;
use uuid::Uuid;

use super::column::flag;
use super::key_cache::{CachedKey, TokenHash, hash};
use super::sql::QueryBuilder;
use super::{Error, Found, Row, Store, Tx, users};
use crate::model::{
    AccountSid, ApiKey, ApiKeySid, Invalid, Scope, Secret, ServiceProviderSid, Timestamp, hex,
};

/// `last_used` is written at most this often per key.
const TOUCH_EVERY: Duration = Duration::from_secs(60);

const PREFIX_CHARS: usize = 8;

#[derive(Clone, Copy, Debug)]
pub struct ApiKeys<'s> {
    pub(super) store: &'s Store,
}

/// Who a valid token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authenticated {
    pub key_sid: ApiKeySid,
    pub scope: Scope,
}

/// Where the admin key of this start comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bootstrap {
    Configured,
    /// Just made: to be printed now, it cannot be shown again.
    Generated(Secret),
    /// Made at an earlier start.
    Existing,
}

impl ApiKeys<'_> {
    /// Whose token this is; `None` when nobody's, or expired at `now`.
    pub async fn authenticate(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Option<Authenticated>, Error> {
        let hash = hash(token);
        let Some(key) = self.find(hash).await? else { return Ok(None) };
        if key.expires_at.is_some_and(|end| end <= now) {
            return Ok(None);
        }
        if key.last_used.is_none_or(|last| last.plus(TOUCH_EVERY) <= now)
            && let Err(error) = self.touch(hash, key.sid, now).await
        {
            // A valid token stays valid while the database cannot be written.
            warn!(%error, key_sid = %key.sid, "last use of an API key not noted");
        }
        Ok(Some(Authenticated { key_sid: key.sid, scope: key.scope }))
    }

    async fn find(&self, hash: TokenHash) -> Result<Option<CachedKey>, Error> {
        let cache = &self.store.inner.keys;
        if let Some(key) = cache.get(&hash) {
            return Ok(Some(key));
        }
        let generation = cache.generation();
        let row = sqlx::query("SELECT * FROM api_keys WHERE token_hash = $1")
            .bind(hex(&hash))
            .fetch_optional(self.store.read())
            .await?;
        let Some(row) = row else { return Ok(None) };
        let ApiKey { sid, scope, expires_at, last_used, .. } = read(&row)?;
        let key = CachedKey { sid, scope, expires_at, last_used };
        cache.put(generation, hash, key);
        Ok(Some(key))
    }

    async fn touch(&self, hash: TokenHash, sid: ApiKeySid, now: Timestamp) -> Result<(), Error> {
        // First in memory, so that requests in flight do not all queue up to write the same.
        self.store.inner.keys.touch(&hash, now);
        sqlx::query("UPDATE api_keys SET last_used = $2 WHERE api_key_sid = $1")
            .bind(sid)
            .bind(now)
            .execute(self.store.inner.database.write())
            .await?;
        Ok(())
    }

    /// Makes a key and returns it with its token, which is not kept.
    ///
    /// # Errors
    /// [`Invalid::NoSuch`] when the account or service provider of `scope` does not exist.
    pub async fn create(
        &self,
        scope: Scope,
        expires_at: Option<Timestamp>,
    ) -> Result<(ApiKey, Secret), Error> {
        let token = Secret(Uuid::new_v4().to_string());
        let mut tx = self.store.begin().await?;
        check_owner(&mut tx, scope).await?;
        let key = insert(&mut tx, scope, &token, expires_at, false).await?;
        tx.commit().await?;
        Ok((key, token))
    }

    /// Keys of one account or one service provider, oldest first.
    pub async fn list(
        &self,
        account: Option<AccountSid>,
        provider: Option<ServiceProviderSid>,
    ) -> Result<Vec<ApiKey>, Error> {
        let mut query = QueryBuilder::new("SELECT * FROM api_keys WHERE 1 = 1");
        if let Some(sid) = account {
            query.push(" AND account_sid = ").push_bind(sid);
        }
        if let Some(sid) = provider {
            query.push(" AND service_provider_sid = ").push_bind(sid);
        }
        query.push(" ORDER BY created_at, api_key_sid");
        let rows = query.build().fetch_all(self.store.read()).await?;
        rows.iter().map(read).collect()
    }

    /// A key as seen from `scope`: a provider token also reaches the keys of its accounts.
    pub async fn locate(&self, scope: Scope, sid: ApiKeySid) -> Result<Found<ApiKey>, Error> {
        let row = sqlx::query(
            "SELECT k.*, COALESCE(k.service_provider_sid, a.service_provider_sid) AS owner_provider \
             FROM api_keys k LEFT JOIN accounts a ON a.account_sid = k.account_sid \
             WHERE k.api_key_sid = $1",
        )
        .bind(sid)
        .fetch_optional(self.store.read())
        .await?;
        let Some(row) = row else { return Ok(Found::Nowhere) };
        let provider: Option<ServiceProviderSid> = row.try_get("owner_provider")?;
        let key = read(&row)?;
        Ok(match key.scope.account() {
            account if scope.reaches(account, provider) => Found::Here(key),
            _ => Found::Elsewhere,
        })
    }

    pub async fn delete(&self, sid: ApiKeySid) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        let done = sqlx::query("DELETE FROM api_keys WHERE api_key_sid = $1")
            .bind(sid)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        self.store.inner.keys.clear();
        match done.rows_affected() {
            0 => Err(Error::NotFound),
            _ => Ok(()),
        }
    }

    /// Sees to it that an admin key exists. A configured key takes the place of an earlier bootstrap
    /// key; without one, a key is generated at the first start and never again.
    pub async fn bootstrap(&self, configured: Option<&Secret>) -> Result<Bootstrap, Error> {
        let mut tx = self.store.begin().await?;
        let outcome = match configured {
            Some(token) => {
                configure(&mut tx, token).await?;
                Bootstrap::Configured
            }
            None if is_bootstrapped(&mut tx).await? => Bootstrap::Existing,
            None => {
                let token = Secret(Uuid::new_v4().to_string());
                insert(&mut tx, Scope::Admin, &token, None, true).await?;
                Bootstrap::Generated(token)
            }
        };
        sqlx::query("INSERT INTO meta (name, value) VALUES ('bootstrapped', '1') ON CONFLICT (name) DO NOTHING")
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        self.store.inner.keys.clear();
        Ok(outcome)
    }
}

async fn configure(tx: &mut Tx, token: &Secret) -> Result<(), Error> {
    let hash = hex(&hash(&token.0));
    sqlx::query("DELETE FROM api_keys WHERE is_bootstrap = 1 AND token_hash <> $1")
        .bind(&hash)
        .execute(&mut **tx)
        .await?;
    let known = sqlx::query("SELECT * FROM api_keys WHERE token_hash = $1")
        .bind(&hash)
        .fetch_optional(&mut **tx)
        .await?;
    match known.as_ref().map(read).transpose()? {
        None => insert(tx, Scope::Admin, token, None, true).await.map(|_| ()),
        Some(key) if key.scope == Scope::Admin => Ok(()),
        Some(_) => Err(Error::Duplicate("the configured admin key is already another key")),
    }
}

async fn is_bootstrapped(tx: &mut Tx) -> Result<bool, Error> {
    let row = sqlx::query("SELECT 1 FROM meta WHERE name = 'bootstrapped'")
        .fetch_optional(&mut **tx)
        .await?;
    Ok(row.is_some())
}

async fn check_owner(tx: &mut Tx, scope: Scope) -> Result<(), Error> {
    let (sql, sid, what) = match scope {
        Scope::Admin => return Ok(()),
        Scope::Account(sid) => {
            ("SELECT 1 FROM accounts WHERE account_sid = $1", sid.to_string(), "account")
        }
        Scope::ServiceProvider(sid) => (
            "SELECT 1 FROM service_providers WHERE service_provider_sid = $1",
            sid.to_string(),
            "service_provider",
        ),
    };
    match sqlx::query(sql).bind(&sid).fetch_optional(&mut **tx).await? {
        Some(_) => Ok(()),
        None => Err(Invalid::NoSuch { what, sid }.into()),
    }
}

pub(super) async fn insert(
    tx: &mut Tx,
    scope: Scope,
    token: &Secret,
    expires_at: Option<Timestamp>,
    is_bootstrap: bool,
) -> Result<ApiKey, Error> {
    // A short configured key must not be shown whole.
    let shown = PREFIX_CHARS.min(token.0.chars().count() / 2);
    let key = ApiKey {
        sid: ApiKeySid::random(),
        prefix: token.0.chars().take(shown).collect(),
        scope,
        expires_at,
        last_used: None,
        created_at: Timestamp::now(),
    };
    sqlx::query(
        "INSERT INTO api_keys (api_key_sid, token_hash, prefix, account_sid, \
         service_provider_sid, is_bootstrap, expires_at, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(key.sid)
    .bind(hex(&hash(&token.0)))
    .bind(&key.prefix)
    .bind(scope.account())
    .bind(scope.service_provider())
    .bind(flag(is_bootstrap))
    .bind(key.expires_at)
    .bind(key.created_at)
    .execute(&mut **tx)
    .await?;
    Ok(key)
}

fn read(row: &Row) -> Result<ApiKey, Error> {
    let scope = users::scope(row)?;
    Ok(ApiKey {
        sid: row.try_get("api_key_sid")?,
        prefix: row.try_get("prefix")?,
        scope,
        expires_at: row.try_get("expires_at")?,
        last_used: row.try_get("last_used")?,
        created_at: row.try_get("created_at")?,
    })
}
