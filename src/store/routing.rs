//! What the SIP side asks: whose realm, which user, which number, which application.
//!
//! Read at each call, so that a change over REST holds for the next one. Whether an account or a
//! client is active is for the caller to look at.

use std::net::IpAddr;

use super::{Error, Store, accounts, applications, clients};
use crate::model::{Account, Application, ApplicationSid, ClientAuth, Scope, number};

#[derive(Clone, Copy, Debug)]
pub struct Routing<'s> {
    pub(super) store: &'s Store,
}

/// Where a dialled number leads.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberRoute {
    pub account: Account,
    /// None: the number has no application; the caller gets 480.
    pub application: Option<Application>,
}

impl Routing<'_> {
    /// The account with this realm, in any case of letters.
    pub async fn account_by_realm(&self, realm: &str) -> Result<Option<Account>, Error> {
        let row = sqlx::query("SELECT * FROM accounts WHERE sip_realm = $1")
            .bind(realm.to_ascii_lowercase())
            .fetch_optional(self.store.read())
            .await?;
        row.map(|row| accounts::read(&row, self.store.seal())).transpose()
    }

    /// The account that answers for the host part of an address: the one with that realm, or for a
    /// bare IP address and `localhost` the one with `home_realm`.
    pub async fn account_for_host(
        &self,
        host: &str,
        home_realm: Option<&str>,
    ) -> Result<Option<Account>, Error> {
        if let Some(account) = self.account_by_realm(host).await? {
            return Ok(Some(account));
        }
        match home_realm {
            Some(realm) if is_bare_host(host) => self.account_by_realm(realm).await,
            Some(_) | None => Ok(None),
        }
    }

    /// The user of a realm with what a digest check needs; the check names the account's digest realm.
    pub async fn client_by_realm_username(
        &self,
        realm: &str,
        username: &str,
    ) -> Result<Option<ClientAuth>, Error> {
        match self.account_by_realm(realm).await? {
            Some(account) => self.client(account, username).await,
            None => Ok(None),
        }
    }

    /// As [`Routing::client_by_realm_username`], for an account already read.
    pub async fn client(
        &self,
        account: Account,
        username: &str,
    ) -> Result<Option<ClientAuth>, Error> {
        let row = sqlx::query("SELECT * FROM clients WHERE account_sid = $1 AND username = $2")
            .bind(account.sid)
            .bind(username)
            .fetch_optional(self.store.read())
            .await?;
        let Some(row) = row else { return Ok(None) };
        let client = clients::read(&row)?;
        Ok(Some(ClientAuth { client, account }))
    }

    /// Whom a number belongs to. One leading `+` makes no difference. `None` for a number nobody
    /// has, or which is not assigned to an account.
    pub async fn phone_number(&self, dialled: &str) -> Result<Option<NumberRoute>, Error> {
        let row = sqlx::query(
            "SELECT a.*, t.application_sid AS number_application FROM phone_numbers t \
             JOIN accounts a ON a.account_sid = t.account_sid \
             WHERE t.number = $1 ORDER BY t.voip_carrier_sid LIMIT 1",
        )
        .bind(number::canonical(dialled))
        .fetch_optional(self.store.read())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let account = accounts::read(&row, self.store.seal())?;
        let application =
            self.optional_application(sqlx::Row::try_get(&row, "number_application")?);
        Ok(Some(NumberRoute { account, application: application.await? }))
    }

    /// The application for calls that the account's own phones make.
    pub async fn device_application(
        &self,
        account: &Account,
    ) -> Result<Option<Application>, Error> {
        self.optional_application(account.device_calling_application_sid).await
    }

    pub async fn application(&self, sid: ApplicationSid) -> Result<Option<Application>, Error> {
        self.store.applications().get(Scope::Admin, sid).await
    }

    async fn optional_application(
        &self,
        sid: Option<ApplicationSid>,
    ) -> Result<Option<Application>, Error> {
        let Some(sid) = sid else { return Ok(None) };
        let row = sqlx::query("SELECT * FROM applications WHERE application_sid = $1")
            .bind(sid)
            .fetch_optional(self.store.read())
            .await?;
        row.map(|row| applications::read(&row, self.store.seal())).transpose()
    }
}

fn is_bare_host(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().is_ok() || host.eq_ignore_ascii_case("localhost")
}
