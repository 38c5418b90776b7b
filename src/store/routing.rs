//! What the SIP side asks: whose realm, which user, which number, which application.
//!
//! Read at each call, so that a change over REST holds for the next one. Whether an account or a
//! client is active is for the caller to look at.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::column::flag;
use super::sql::storable;
use super::{Error, Store, VoipCarrierQuery, accounts, clients, phone_numbers};
use crate::model::{
    Account, AccountSid, Application, ApplicationSid, ClientAuth, DigestAlgorithm, PhoneNumber,
    Scope, SipGateway, Trunk, VoipCarrierSid, number,
};

#[derive(Clone, Copy, Debug)]
pub struct Routing<'s> {
    pub(super) store: &'s Store,
}

/// Who a user of a realm may be.
#[derive(Clone, Debug)]
pub struct Claim {
    pub account: Account,
    pub client: Option<ClientAuth>,
    /// What to challenge with. Of a user who does not exist, it is that of the next one by name, so
    /// that the answer does not tell.
    pub algorithm: Option<DigestAlgorithm>,
}

/// Rows of one number: it may stand once on each carrier. More than this many tenants do not share
/// one.
const MAX_ROWS: i64 = 64;

impl Routing<'_> {
    /// The account with this realm, in any case of letters.
    pub async fn account_by_realm(&self, realm: &str) -> Result<Option<Account>, Error> {
        let row = sqlx::query("SELECT * FROM accounts WHERE sip_realm = $1")
            .bind(storable(&realm.to_ascii_lowercase()))
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
            .bind(storable(username))
            .fetch_optional(self.store.read())
            .await?;
        let Some(row) = row else { return Ok(None) };
        let client = clients::read(&row)?;
        Ok(Some(ClientAuth { client, account }))
    }

    /// Who claims to be `username` of this account. The same work whether there is such a user.
    pub async fn claim(&self, account: Account, username: &str) -> Result<Claim, Error> {
        let row = sqlx::query(
            "SELECT * FROM clients WHERE account_sid = $1 AND username >= $2 ORDER BY username LIMIT 1",
        )
        .bind(account.sid)
        .bind(storable(username))
        .fetch_optional(self.store.read())
        .await?;
        let next = row.map(|row| clients::read(&row)).transpose()?;
        let algorithm = next.as_ref().and_then(|client| client.digest_algorithm);
        let client = next
            .filter(|client| client.username == username)
            .map(|client| ClientAuth { client, account: account.clone() });
        Ok(Claim { account, client, algorithm })
    }

    /// A dialled number as it is provisioned: on carriers, or on none, which comes first. One leading
    /// `+` makes no difference. Rows that are not assigned to an account are left out.
    pub async fn numbers(&self, dialled: &str) -> Result<Vec<PhoneNumber>, Error> {
        let rows = sqlx::query(
            "SELECT * FROM phone_numbers WHERE number = $1 AND account_sid IS NOT NULL \
             ORDER BY voip_carrier_sid IS NOT NULL, voip_carrier_sid LIMIT $2",
        )
        .bind(storable(number::canonical(dialled)))
        .bind(MAX_ROWS)
        .fetch_all(self.store.read())
        .await?;
        rows.iter().map(phone_numbers::read).collect()
    }

    pub async fn account(&self, sid: AccountSid) -> Result<Option<Account>, Error> {
        self.store.accounts().get(Scope::Admin, sid).await
    }

    /// Every carrier with its gateways, in the order they are tried; the inactive ones too. Three
    /// queries, whatever there is.
    pub async fn trunks(&self) -> Result<Vec<Trunk>, Error> {
        let everything = VoipCarrierQuery::default();
        let carriers = self.store.voip_carriers().list(Scope::Admin, &everything, None).await?.rows;
        let mut gateways: HashMap<VoipCarrierSid, Vec<SipGateway>> = HashMap::new();
        for gateway in self.store.sip_gateways().all().await? {
            gateways.entry(gateway.voip_carrier_sid).or_default().push(gateway);
        }
        let rows = sqlx::query("SELECT account_sid FROM accounts WHERE is_active = $1")
            .bind(flag(false))
            .fetch_all(self.store.read())
            .await?;
        let closed: HashSet<AccountSid> = rows
            .iter()
            .map(|row| sqlx::Row::try_get(row, "account_sid"))
            .collect::<Result<_, _>>()?;
        let with_gateways = carriers.into_iter().map(|carrier| Trunk {
            gateways: gateways.remove(&carrier.sid).unwrap_or_default(),
            is_closed: carrier.account_sid.is_some_and(|sid| closed.contains(&sid)),
            carrier,
        });
        Ok(with_gateways.collect())
    }

    pub async fn application(&self, sid: ApplicationSid) -> Result<Option<Application>, Error> {
        self.store.applications().get(Scope::Admin, sid).await
    }
}

fn is_bare_host(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().is_ok() || host.eq_ignore_ascii_case("localhost")
}
