//! SIP clients. Of a password only HA1 is stored (RFC 3261 §22.4), made for the account's digest
//! realm, which is fixed here with the first client and outlives every change of `sip_realm`.

use sqlx::Row as _;

use super::column::{Columns, flag};
use super::page::push_scope;
use super::sql::QueryBuilder;
use super::{Error, Found, Row, Store, Tx, accounts, duplicate};
use crate::model::{
    Account, AccountSid, Client, ClientInput, ClientSid, FormerClient, PasswordTrace, Scope,
    Secret, ServiceProviderSid,
};

const SELECT: &str = "SELECT t.*, a.service_provider_sid AS owner_provider, a.sip_realm AS owner_realm \
     FROM clients t JOIN accounts a ON a.account_sid = t.account_sid WHERE ";

pub(super) const TAKEN: &str = "the client's username already exists";

#[derive(Clone, Copy, Debug)]
pub struct Clients<'s> {
    pub(super) store: &'s Store,
}

impl Clients<'_> {
    pub async fn locate(&self, scope: Scope, sid: ClientSid) -> Result<Found<Client>, Error> {
        let row = by_sid(sid).build().fetch_optional(self.store.read()).await?;
        place(row.as_ref(), scope)
    }

    pub async fn get(&self, scope: Scope, sid: ClientSid) -> Result<Option<Client>, Error> {
        Ok(self.locate(scope, sid).await?.here())
    }

    /// Those within reach, by user name.
    pub async fn list(&self, scope: Scope) -> Result<Vec<Client>, Error> {
        let mut query = QueryBuilder::new(SELECT);
        query.push("1 = 1");
        push_scope(&mut query, scope, "t.account_sid", "a.service_provider_sid");
        query.push(" ORDER BY t.username, t.client_sid");
        let rows = query.build().fetch_all(self.store.read()).await?;
        rows.iter().map(read).collect()
    }

    /// # Errors
    /// [`Error::OutOfReach`] for an account that is not the scope's; [`Error::Duplicate`] for a
    /// user name that the account already has.
    pub async fn create(
        &self,
        scope: Scope,
        account_sid: AccountSid,
        input: ClientInput,
    ) -> Result<Client, Error> {
        let mut tx = self.store.begin().await?;
        let account = accounts::owner(&mut tx, scope, account_sid, self.store.seal()).await?;
        let record = insert(&mut tx, &account, input).await?;
        tx.commit().await?;
        Ok(record)
    }

    /// The record before and after, so that registrations under an old name can be dropped.
    ///
    /// # Errors
    /// As [`Clients::create`], and those of [`ClientInput::apply`].
    pub async fn update(
        &self,
        scope: Scope,
        sid: ClientSid,
        input: ClientInput,
    ) -> Result<(FormerClient, Client), Error> {
        let mut tx = self.store.begin().await?;
        let (row, mut record) = in_tx(&mut tx, scope, sid).await?;
        let before = former(&row, &record)?;
        let target = input.account_sid.unwrap_or(record.account_sid);
        let account = accounts::owner(&mut tx, scope, target, self.store.seal()).await?;
        let digest_realm = accounts::fix_digest_realm(&mut tx, &account).await?;
        input.apply(&mut record, &digest_realm)?;
        let [ha1_md5, ha1_sha256, obscured] = password_columns(&record);
        sqlx::query(
            "UPDATE clients SET account_sid = $2, username = $3, ha1_md5 = $4, ha1_sha256 = $5, \
             password_obscured = $6, is_active = $7, allow_direct_app_calling = $8, \
             allow_direct_queue_calling = $9, allow_direct_user_calling = $10, \
             media_encryption = $11, digest_algorithm = $12 WHERE client_sid = $1",
        )
        .bind(record.sid)
        .bind(record.account_sid)
        .bind(&record.username)
        .bind(ha1_md5)
        .bind(ha1_sha256)
        .bind(obscured)
        .bind(flag(record.is_active))
        .bind(flag(record.allow_direct_app_calling))
        .bind(flag(record.allow_direct_queue_calling))
        .bind(flag(record.allow_direct_user_calling))
        .bind(record.media_encryption)
        .bind(record.digest_algorithm)
        .execute(&mut *tx)
        .await
        .map_err(duplicate(TAKEN))?;
        tx.commit().await?;
        Ok((before, record))
    }

    /// What was deleted.
    pub async fn delete(&self, scope: Scope, sid: ClientSid) -> Result<FormerClient, Error> {
        let mut tx = self.store.begin().await?;
        let (row, record) = in_tx(&mut tx, scope, sid).await?;
        sqlx::query("DELETE FROM clients WHERE client_sid = $1")
            .bind(sid)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        former(&row, &record)
    }
}

/// Stores a new client, and with an account's first one fixes its digest realm.
pub(super) async fn insert(
    tx: &mut Tx,
    account: &Account,
    input: ClientInput,
) -> Result<Client, Error> {
    let digest_realm = accounts::fix_digest_realm(tx, account).await?;
    let record = input.into_record(account.sid, &digest_realm)?;
    let [ha1_md5, ha1_sha256, obscured] = password_columns(&record);
    sqlx::query(
        "INSERT INTO clients (client_sid, account_sid, username, ha1_md5, ha1_sha256, \
         password_obscured, is_active, allow_direct_app_calling, allow_direct_queue_calling, \
         allow_direct_user_calling, media_encryption, digest_algorithm, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
    )
    .bind(record.sid)
    .bind(record.account_sid)
    .bind(&record.username)
    .bind(ha1_md5)
    .bind(ha1_sha256)
    .bind(obscured)
    .bind(flag(record.is_active))
    .bind(flag(record.allow_direct_app_calling))
    .bind(flag(record.allow_direct_queue_calling))
    .bind(flag(record.allow_direct_user_calling))
    .bind(record.media_encryption)
    .bind(record.digest_algorithm)
    .bind(record.created_at)
    .execute(&mut **tx)
    .await
    .map_err(duplicate(TAKEN))?;
    Ok(record)
}

fn password_columns(record: &Client) -> [Option<&str>; 3] {
    let password = record.password.as_ref();
    [
        password.map(|trace| trace.ha1_md5.0.as_str()),
        password.map(|trace| trace.ha1_sha256.0.as_str()),
        password.map(|trace| trace.obscured.0.as_str()),
    ]
}

async fn in_tx(tx: &mut Tx, scope: Scope, sid: ClientSid) -> Result<(Row, Client), Error> {
    let row = by_sid(sid).build().fetch_optional(&mut **tx).await?.ok_or(Error::NotFound)?;
    let record = place(Some(&row), scope)?.ok()?;
    Ok((row, record))
}

fn by_sid(sid: ClientSid) -> QueryBuilder {
    let mut query = QueryBuilder::new(SELECT);
    query.push("t.client_sid = ").push_bind(sid);
    query
}

fn place(row: Option<&Row>, scope: Scope) -> Result<Found<Client>, Error> {
    let Some(row) = row else { return Ok(Found::Nowhere) };
    let provider: ServiceProviderSid = row.try_get("owner_provider")?;
    let account: AccountSid = row.try_get("account_sid")?;
    if !scope.reaches(Some(account), Some(provider)) {
        return Ok(Found::Elsewhere);
    }
    read(row).map(Found::Here)
}

fn former(row: &Row, record: &Client) -> Result<FormerClient, Error> {
    Ok(FormerClient { client: record.clone(), sip_realm: row.try_get("owner_realm")? })
}

pub(super) fn read(row: &Row) -> Result<Client, Error> {
    let secret = |column| Ok::<_, Error>(row.try_get::<Option<String>, _>(column)?.map(Secret));
    let password = match (secret("ha1_md5")?, secret("ha1_sha256")?, secret("password_obscured")?) {
        (Some(ha1_md5), Some(ha1_sha256), Some(obscured)) => {
            Some(PasswordTrace { ha1_md5, ha1_sha256, obscured })
        }
        (None, None, None) => None,
        _ => return Err(Error::Corrupt { column: "ha1_md5" }),
    };
    Ok(Client {
        sid: row.try_get("client_sid")?,
        account_sid: row.try_get("account_sid")?,
        username: row.try_get("username")?,
        password,
        is_active: row.flag("is_active")?,
        allow_direct_app_calling: row.flag("allow_direct_app_calling")?,
        allow_direct_queue_calling: row.flag("allow_direct_queue_calling")?,
        allow_direct_user_calling: row.flag("allow_direct_user_calling")?,
        media_encryption: row.try_get("media_encryption")?,
        digest_algorithm: row.try_get("digest_algorithm")?,
        created_at: row.try_get("created_at")?,
    })
}
