//! SIP clients. The password is sealed, not hashed: a digest hash is bound to one realm and would
//! go stale when the account's realm changes, and it is as good as the password to a thief.

use sqlx::{QueryBuilder, Row as _};

use super::column::{Columns, flag};
use super::page::push_scope;
use super::{Db, Error, Found, Row, Seal, Store, Tx, accounts, duplicate};
use crate::model::{AccountSid, Client, ClientInput, ClientSid, Scope, Secret, ServiceProviderSid};

const SELECT: &str = "SELECT t.*, a.service_provider_sid AS owner_provider \
     FROM clients t JOIN accounts a ON a.account_sid = t.account_sid WHERE ";

pub(super) const TAKEN: &str = "the client's username already exists";

#[derive(Clone, Copy, Debug)]
pub struct Clients<'s> {
    pub(super) store: &'s Store,
}

impl Clients<'_> {
    pub async fn locate(&self, scope: Scope, sid: ClientSid) -> Result<Found<Client>, Error> {
        let row = by_sid(sid).build().fetch_optional(self.store.read()).await?;
        place(row.as_ref(), scope, self.store.seal())
    }

    pub async fn get(&self, scope: Scope, sid: ClientSid) -> Result<Option<Client>, Error> {
        Ok(self.locate(scope, sid).await?.here())
    }

    /// Those within reach, by user name.
    pub async fn list(&self, scope: Scope) -> Result<Vec<Client>, Error> {
        let mut query = QueryBuilder::<Db>::new(SELECT);
        query.push("1 = 1");
        push_scope(&mut query, scope, "t.account_sid", "a.service_provider_sid");
        query.push(" ORDER BY t.username, t.client_sid");
        let rows = query.build().fetch_all(self.store.read()).await?;
        rows.iter().map(|row| read(row, self.store.seal())).collect()
    }

    /// # Errors
    /// [`Error::OutOfReach`] for an account that is not the scope's; [`Error::Duplicate`] for a
    /// user name that the account already has.
    pub async fn create(&self, scope: Scope, record: &Client) -> Result<(), Error> {
        let seal = self.store.seal();
        let mut tx = self.store.begin().await?;
        accounts::owner(&mut tx, scope, record.account_sid, seal).await?;
        insert(&mut tx, record, seal).await?;
        Ok(tx.commit().await?)
    }

    /// The record before and after, so that registrations under an old name can be dropped.
    pub async fn update(
        &self,
        scope: Scope,
        sid: ClientSid,
        input: ClientInput,
    ) -> Result<(Client, Client), Error> {
        let seal = self.store.seal();
        let mut tx = self.store.begin().await?;
        let row = by_sid(sid).build().fetch_optional(&mut *tx).await?;
        let before = place(row.as_ref(), scope, seal)?.ok()?;
        let mut record = before.clone();
        input.apply(&mut record);
        if record.account_sid != before.account_sid {
            accounts::owner(&mut tx, scope, record.account_sid, seal).await?;
        }
        sqlx::query(
            "UPDATE clients SET account_sid = $2, username = $3, password_sealed = $4, \
             is_active = $5, allow_direct_app_calling = $6, allow_direct_queue_calling = $7, \
             allow_direct_user_calling = $8 WHERE client_sid = $1",
        )
        .bind(record.sid)
        .bind(record.account_sid)
        .bind(&record.username)
        .bind(sealed_password(&record, seal)?)
        .bind(flag(record.is_active))
        .bind(flag(record.allow_direct_app_calling))
        .bind(flag(record.allow_direct_queue_calling))
        .bind(flag(record.allow_direct_user_calling))
        .execute(&mut *tx)
        .await
        .map_err(duplicate(TAKEN))?;
        tx.commit().await?;
        Ok((before, record))
    }

    /// The record that was deleted.
    pub async fn delete(&self, scope: Scope, sid: ClientSid) -> Result<Client, Error> {
        let mut tx = self.store.begin().await?;
        let row = by_sid(sid).build().fetch_optional(&mut *tx).await?;
        let record = place(row.as_ref(), scope, self.store.seal())?.ok()?;
        sqlx::query("DELETE FROM clients WHERE client_sid = $1")
            .bind(sid)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(record)
    }
}

pub(super) async fn insert(tx: &mut Tx, record: &Client, seal: &Seal) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO clients (client_sid, account_sid, username, password_sealed, is_active, \
         allow_direct_app_calling, allow_direct_queue_calling, allow_direct_user_calling, \
         created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(record.sid)
    .bind(record.account_sid)
    .bind(&record.username)
    .bind(sealed_password(record, seal)?)
    .bind(flag(record.is_active))
    .bind(flag(record.allow_direct_app_calling))
    .bind(flag(record.allow_direct_queue_calling))
    .bind(flag(record.allow_direct_user_calling))
    .bind(record.created_at)
    .execute(&mut **tx)
    .await
    .map_err(duplicate(TAKEN))?;
    Ok(())
}

fn sealed_password(record: &Client, seal: &Seal) -> Result<Option<String>, Error> {
    record.password.as_ref().map(|password| seal.seal(record.sid, &password.0)).transpose()
}

fn by_sid(sid: ClientSid) -> QueryBuilder<Db> {
    let mut query = QueryBuilder::new(SELECT);
    query.push("t.client_sid = ").push_bind(sid);
    query
}

fn place(row: Option<&Row>, scope: Scope, seal: &Seal) -> Result<Found<Client>, Error> {
    let Some(row) = row else { return Ok(Found::Nowhere) };
    let provider: ServiceProviderSid = row.try_get("owner_provider")?;
    let account: AccountSid = row.try_get("account_sid")?;
    if !scope.reaches(Some(account), Some(provider)) {
        return Ok(Found::Elsewhere);
    }
    read(row, seal).map(Found::Here)
}

pub(super) fn read(row: &Row, seal: &Seal) -> Result<Client, Error> {
    let sid: ClientSid = row.try_get("client_sid")?;
    let sealed: Option<&str> = row.try_get("password_sealed")?;
    Ok(Client {
        sid,
        account_sid: row.try_get("account_sid")?,
        username: row.try_get("username")?,
        password: sealed.map(|sealed| seal.unseal(sid, sealed)).transpose()?.map(Secret),
        is_active: row.flag("is_active")?,
        allow_direct_app_calling: row.flag("allow_direct_app_calling")?,
        allow_direct_queue_calling: row.flag("allow_direct_queue_calling")?,
        allow_direct_user_calling: row.flag("allow_direct_user_calling")?,
        created_at: row.try_get("created_at")?,
    })
}
