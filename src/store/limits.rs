//! Limits of accounts and service providers: a table for each, of the same shape.

use std::collections::HashMap;

use sqlx::Row as _;

use super::limit_cache::Enforced;
use super::{Error, Row, Store};
use crate::model::{
    AccountSid, CallLimits, Limit, LimitCategory, LimitInput, LimitOwner, LimitSid, Scope,
    ServiceProviderSid,
};

#[derive(Clone, Copy, Debug)]
pub struct Limits<'s> {
    pub(super) store: &'s Store,
}

impl Limits<'_> {
    /// By category.
    ///
    /// # Errors
    /// [`Error::OutOfReach`] and [`Error::NotFound`] of the owner; so for all that name one. An account
    /// does not reach the limits of its service provider.
    pub async fn list(&self, scope: Scope, owner: LimitOwner) -> Result<Vec<Limit>, Error> {
        self.reach(scope, owner).await?;
        let sql = match owner {
            LimitOwner::Account(_) => {
                "SELECT account_limits_sid AS sid, category, quantity FROM account_limits \
                 WHERE account_sid = $1 ORDER BY category"
            }
            LimitOwner::ServiceProvider(_) => {
                "SELECT service_provider_limits_sid AS sid, category, quantity \
                 FROM service_provider_limits WHERE service_provider_sid = $1 ORDER BY category"
            }
        };
        let rows = sqlx::query(sql).bind(sid(owner)).fetch_all(self.store.read()).await?;
        rows.iter().map(read).collect()
    }

    /// Sets the limit of one category; one that it has keeps its sid.
    pub async fn set(
        &self,
        scope: Scope,
        owner: LimitOwner,
        LimitInput { category, quantity }: LimitInput,
    ) -> Result<LimitSid, Error> {
        self.reach(scope, owner).await?;
        let (upsert, select) = match owner {
            LimitOwner::Account(_) => (
                "INSERT INTO account_limits (account_limits_sid, account_sid, category, quantity) \
                 VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (account_sid, category) DO UPDATE SET quantity = excluded.quantity",
                "SELECT account_limits_sid AS sid FROM account_limits \
                 WHERE account_sid = $1 AND category = $2",
            ),
            LimitOwner::ServiceProvider(_) => (
                "INSERT INTO service_provider_limits \
                 (service_provider_limits_sid, service_provider_sid, category, quantity) \
                 VALUES ($1, $2, $3, $4) ON CONFLICT (service_provider_sid, category) \
                 DO UPDATE SET quantity = excluded.quantity",
                "SELECT service_provider_limits_sid AS sid FROM service_provider_limits \
                 WHERE service_provider_sid = $1 AND category = $2",
            ),
        };
        let _changing = self.store.inner.limits.changing();
        let mut tx = self.store.begin().await?;
        sqlx::query(upsert)
            .bind(LimitSid::random())
            .bind(sid(owner))
            .bind(category)
            .bind(i64::from(quantity))
            .execute(&mut *tx)
            .await
            .map_err(gone)?;
        let row = sqlx::query(select).bind(sid(owner)).bind(category).fetch_one(&mut *tx).await?;
        let sid = row.try_get("sid")?;
        tx.commit().await?;
        Ok(sid)
    }

    /// Takes away the limit of one category, or all.
    pub async fn delete(
        &self,
        scope: Scope,
        owner: LimitOwner,
        category: Option<LimitCategory>,
    ) -> Result<(), Error> {
        self.reach(scope, owner).await?;
        let (all, one) = match owner {
            LimitOwner::Account(_) => (
                "DELETE FROM account_limits WHERE account_sid = $1",
                "DELETE FROM account_limits WHERE account_sid = $1 AND category = $2",
            ),
            LimitOwner::ServiceProvider(_) => (
                "DELETE FROM service_provider_limits WHERE service_provider_sid = $1",
                "DELETE FROM service_provider_limits \
                 WHERE service_provider_sid = $1 AND category = $2",
            ),
        };
        let _changing = self.store.inner.limits.changing();
        let mut tx = self.store.begin().await?;
        let delete = match category {
            None => sqlx::query(all).bind(sid(owner)),
            Some(category) => sqlx::query(one).bind(sid(owner)).bind(category),
        };
        delete.execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }

    /// How many calls an account and its service provider may have at once. Asks the database only
    /// after a change, as [`Limits::devices`] does.
    pub async fn calls(
        &self,
        account: AccountSid,
        provider: ServiceProviderSid,
    ) -> Result<CallLimits, Error> {
        let enforced = self.store.inner.limits.get(|| self.enforced()).await?;
        Ok(CallLimits {
            account: enforced.calls.get(&account).copied(),
            service_provider: enforced.calls_of_provider.get(&provider).copied(),
        })
    }

    /// How many users of an account may be registered at once; `None`: as many as there are.
    pub async fn devices(&self, account: AccountSid) -> Result<Option<u32>, Error> {
        let enforced = self.store.inner.limits.get(|| self.enforced()).await?;
        Ok(enforced.devices.get(&account).copied())
    }

    async fn enforced(&self) -> Result<Enforced, Error> {
        let calls = LimitCategory::VoiceCallSession;
        let mut enforced = Enforced::default();
        let rows = sqlx::query(
            "SELECT account_sid, category, quantity FROM account_limits WHERE category IN ($1, $2)",
        )
        .bind(calls)
        .bind(LimitCategory::Device)
        .fetch_all(self.store.read())
        .await?;
        for row in &rows {
            let of = if row.try_get::<LimitCategory, _>("category")? == calls {
                &mut enforced.calls
            } else {
                &mut enforced.devices
            };
            of.insert(row.try_get("account_sid")?, quantity(row)?);
        }
        let rows = sqlx::query(
            "SELECT service_provider_sid, quantity FROM service_provider_limits WHERE category = $1",
        )
        .bind(calls)
        .fetch_all(self.store.read())
        .await?;
        let of_provider = rows
            .iter()
            .map(|row| Ok::<_, Error>((row.try_get("service_provider_sid")?, quantity(row)?)));
        enforced.calls_of_provider = of_provider.collect::<Result<HashMap<_, _>, _>>()?;
        Ok(enforced)
    }

    async fn reach(&self, scope: Scope, owner: LimitOwner) -> Result<(), Error> {
        match (owner, scope) {
            (LimitOwner::Account(sid), _) => {
                self.store.accounts().locate(scope, sid).await?.ok().map(|_| ())
            }
            (LimitOwner::ServiceProvider(_), Scope::Account(_)) => Err(Error::OutOfReach),
            (LimitOwner::ServiceProvider(sid), _) => {
                self.store.service_providers().locate(scope, sid).await?.ok().map(|_| ())
            }
        }
    }
}

/// An owner that was deleted since it was looked for.
fn gone(error: sqlx::Error) -> Error {
    match error.as_database_error() {
        Some(db) if db.is_foreign_key_violation() => Error::NotFound,
        _ => Error::Database(error),
    }
}

fn sid(owner: LimitOwner) -> String {
    match owner {
        LimitOwner::Account(sid) => sid.to_string(),
        LimitOwner::ServiceProvider(sid) => sid.to_string(),
    }
}

fn read(row: &Row) -> Result<Limit, Error> {
    Ok(Limit {
        sid: row.try_get("sid")?,
        category: row.try_get("category")?,
        quantity: quantity(row)?,
    })
}

fn quantity(row: &Row) -> Result<u32, Error> {
    let number: i64 = row.try_get("quantity")?;
    u32::try_from(number).map_err(|_| Error::Corrupt { column: "quantity" })
}
