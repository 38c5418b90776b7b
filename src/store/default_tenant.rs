//! The tenant that a new server may begin with: one service provider, one account.

use super::{Error, Store, accounts, service_providers};
use crate::model::{Account, AccountSid, ServiceProvider};

const META: &str = "default_account_sid";

impl Store {
    /// Makes the default tenant, once: deleted, it is not made again, and not beside other tenants.
    /// The account, if it was made now.
    pub async fn seed_default_tenant(&self) -> Result<Option<AccountSid>, Error> {
        let mut tx = self.begin().await?;
        let known = sqlx::query("SELECT 1 FROM meta WHERE name = $1")
            .bind(META)
            .fetch_optional(&mut *tx)
            .await?;
        let other =
            sqlx::query("SELECT 1 FROM service_providers LIMIT 1").fetch_optional(&mut *tx).await?;
        if known.is_some() || other.is_some() {
            return Ok(None);
        }
        let provider = ServiceProvider::new("default service provider");
        let account = Account::new(provider.sid, "default account");
        service_providers::insert(&mut tx, &provider, self.seal()).await?;
        accounts::insert(&mut tx, &account, self.seal()).await?;
        sqlx::query("INSERT INTO meta (name, value) VALUES ($1, $2)")
            .bind(META)
            .bind(account.sid)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(Some(account.sid))
    }
}
