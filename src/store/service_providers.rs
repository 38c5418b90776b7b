//! Service providers.

use sqlx::Row as _;

use super::column::{Columns, optional_hook};
use super::sql::QueryBuilder;
use super::{Error, Found, Row, Seal, Store, Tx, voip_carriers};
use crate::model::{Scope, ServiceProvider, ServiceProviderInput, ServiceProviderSid, VoipCarrier};

#[derive(Clone, Copy, Debug)]
pub struct ServiceProviders<'s> {
    pub(super) store: &'s Store,
}

impl ServiceProviders<'_> {
    /// An account token reaches the provider of its account.
    pub async fn locate(
        &self,
        scope: Scope,
        sid: ServiceProviderSid,
    ) -> Result<Found<ServiceProvider>, Error> {
        let row = sqlx::query("SELECT * FROM service_providers WHERE service_provider_sid = $1")
            .bind(sid)
            .fetch_optional(self.store.read())
            .await?;
        let Some(row) = row else { return Ok(Found::Nowhere) };
        let reached = match scope {
            Scope::Admin => true,
            Scope::ServiceProvider(own) => own == sid,
            Scope::Account(account) => {
                self.store.accounts().provider_of(account).await? == Some(sid)
            }
        };
        if !reached {
            return Ok(Found::Elsewhere);
        }
        read(&row, self.store.seal()).map(Found::Here)
    }

    /// Those within reach, by name.
    pub async fn list(&self, scope: Scope) -> Result<Vec<ServiceProvider>, Error> {
        let mut query = QueryBuilder::new("SELECT * FROM service_providers");
        match scope {
            Scope::Admin => {}
            Scope::ServiceProvider(own) => {
                query.push(" WHERE service_provider_sid = ").push_bind(own);
            }
            Scope::Account(own) => {
                query.push(
                    " WHERE service_provider_sid = \
                     (SELECT service_provider_sid FROM accounts WHERE account_sid = ",
                );
                query.push_bind(own).push(")");
            }
        }
        query.push(" ORDER BY name");
        let rows = query.build().fetch_all(self.store.read()).await?;
        rows.iter().map(|row| read(row, self.store.seal())).collect()
    }

    pub async fn create(&self, record: &ServiceProvider) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        insert(&mut tx, record, self.store.seal()).await?;
        Ok(tx.commit().await?)
    }

    pub async fn update(
        &self,
        sid: ServiceProviderSid,
        input: ServiceProviderInput,
    ) -> Result<(), Error> {
        let seal = self.store.seal();
        let mut tx = self.store.begin().await?;
        let row = sqlx::query("SELECT * FROM service_providers WHERE service_provider_sid = $1")
            .bind(sid)
            .fetch_optional(&mut *tx)
            .await?
            .ok_or(Error::NotFound)?;
        let mut record = read(&row, seal)?;
        input.apply(&mut record)?;
        sqlx::query(
            "UPDATE service_providers SET name = $2, description = $3, root_domain = $4, \
             ms_teams_fqdn = $5, registration_hook = $6 WHERE service_provider_sid = $1",
        )
        .bind(record.sid)
        .bind(&record.name)
        .bind(&record.description)
        .bind(&record.root_domain)
        .bind(&record.ms_teams_fqdn)
        .bind(optional_hook(record.registration_hook.as_ref(), seal)?)
        .execute(&mut *tx)
        .await
        .map_err(taken)?;
        Ok(tx.commit().await?)
    }

    /// Its API keys and limits go with it, and its carriers with the numbers on them; other numbers that named
    /// it stay, unassigned. Returns the carriers that were deleted.
    ///
    /// # Errors
    /// [`Error::InUse`] while it has accounts or users.
    pub async fn delete(&self, sid: ServiceProviderSid) -> Result<Vec<VoipCarrier>, Error> {
        let _limits = self.store.inner.limits.changing();
        let mut tx = self.store.begin().await?;
        for (sql, refusal) in [
            (
                "SELECT 1 FROM accounts WHERE service_provider_sid = $1 LIMIT 1",
                "cannot delete service provider with accounts",
            ),
            (
                "SELECT 1 FROM users WHERE service_provider_sid = $1 LIMIT 1",
                "cannot delete service provider with users",
            ),
        ] {
            if sqlx::query(sql).bind(sid).fetch_optional(&mut *tx).await?.is_some() {
                return Err(Error::InUse(refusal));
            }
        }
        let carriers = voip_carriers::delete_of_provider(&mut tx, sid, self.store.seal()).await?;
        let done = sqlx::query("DELETE FROM service_providers WHERE service_provider_sid = $1")
            .bind(sid)
            .execute(&mut *tx)
            .await?;
        if done.rows_affected() == 0 {
            return Err(Error::NotFound);
        }
        tx.commit().await?;
        self.store.inner.keys.clear();
        self.store.inner.sessions.clear();
        Ok(carriers)
    }
}

pub(super) async fn insert(
    tx: &mut Tx,
    record: &ServiceProvider,
    seal: &Seal,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO service_providers (service_provider_sid, name, description, root_domain, \
         ms_teams_fqdn, registration_hook, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(record.sid)
    .bind(&record.name)
    .bind(&record.description)
    .bind(&record.root_domain)
    .bind(&record.ms_teams_fqdn)
    .bind(optional_hook(record.registration_hook.as_ref(), seal)?)
    .bind(record.created_at)
    .execute(&mut **tx)
    .await
    .map_err(taken)?;
    Ok(())
}

fn taken(error: sqlx::Error) -> Error {
    match error.as_database_error() {
        Some(db) if db.is_unique_violation() && db.message().contains("root_domain") => {
            Error::Duplicate("a service provider with this root_domain already exists")
        }
        Some(db) if db.is_unique_violation() => {
            Error::Duplicate("a service provider with this name already exists")
        }
        _ => Error::Database(error),
    }
}

fn read(row: &Row, seal: &Seal) -> Result<ServiceProvider, Error> {
    Ok(ServiceProvider {
        sid: row.try_get("service_provider_sid")?,
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        root_domain: row.try_get("root_domain")?,
        ms_teams_fqdn: row.try_get("ms_teams_fqdn")?,
        registration_hook: row.hook("registration_hook", seal)?,
        created_at: row.try_get("created_at")?,
    })
}
