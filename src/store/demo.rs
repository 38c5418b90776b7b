//! The demo tenant of `--demo`: one account, two phone users and a key, made once.

use sqlx::Row as _;

use super::{Error, Store, Tx, accounts, api_keys, clients, service_providers};
use crate::model::account::random_text;
use crate::model::{Account, AccountSid, ClientInput, Scope, Secret, ServiceProvider};

/// What `--demo` has to print.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demo {
    pub account_sid: AccountSid,
    /// To be used as `sip.home_realm`, so that phones can use the server's bare IP address.
    pub sip_realm: String,
    /// Only at the start that made it.
    pub secrets: Option<DemoSecrets>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoSecrets {
    pub account_key: Secret,
    pub users: Vec<DemoUser>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoUser {
    pub username: String,
    pub password: Secret,
}

/// `.internal` is reserved for private use, so it is nobody's domain.
const REALM: &str = "demo.trunkline.internal";
const USERS: [&str; 2] = ["alice", "bob"];
const META: &str = "demo_account_sid";

impl Store {
    /// Makes the demo tenant, or finds the one made earlier. Deleted over REST, it is made anew.
    pub async fn seed_demo(&self) -> Result<Demo, Error> {
        let mut tx = self.begin().await?;
        if let Some(demo) = existing(&mut tx).await? {
            return Ok(demo);
        }
        let provider = self.demo_provider(&mut tx).await?;
        let mut account = Account::new(provider.sid, "demo");
        account.sip_realm = Some(REALM.to_owned());
        accounts::insert(&mut tx, &account, self.seal()).await?;
        let users: Vec<_> = USERS.into_iter().map(new_user).collect();
        for user in &users {
            let input = ClientInput::new(&user.username, user.password.clone());
            clients::insert(&mut tx, &account, input).await?;
        }
        let account_key = Secret(uuid::Uuid::new_v4().to_string());
        api_keys::insert(&mut tx, Scope::Account(account.sid), &account_key, None, false).await?;
        sqlx::query(
            "INSERT INTO meta (name, value) VALUES ($1, $2) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(META)
        .bind(account.sid)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Demo {
            account_sid: account.sid,
            sip_realm: REALM.to_owned(),
            secrets: Some(DemoSecrets { account_key, users }),
        })
    }

    /// The provider may have been left over when only the account was deleted.
    async fn demo_provider(&self, tx: &mut Tx) -> Result<ServiceProvider, Error> {
        let mut provider = ServiceProvider::new("demo");
        let row = sqlx::query("SELECT service_provider_sid FROM service_providers WHERE name = $1")
            .bind(&provider.name)
            .fetch_optional(&mut **tx)
            .await?;
        match row {
            Some(row) => provider.sid = row.try_get("service_provider_sid")?,
            None => service_providers::insert(tx, &provider, self.seal()).await?,
        }
        Ok(provider)
    }
}

async fn existing(tx: &mut Tx) -> Result<Option<Demo>, Error> {
    let row = sqlx::query(
        "SELECT a.account_sid, a.sip_realm FROM accounts a \
         JOIN meta m ON m.value = a.account_sid WHERE m.name = $1",
    )
    .bind(META)
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let realm: Option<String> = row.try_get("sip_realm")?;
    Ok(Some(Demo {
        account_sid: row.try_get("account_sid")?,
        sip_realm: realm.unwrap_or_else(|| REALM.to_owned()),
        secrets: None,
    }))
}

fn new_user(username: &str) -> DemoUser {
    DemoUser { username: username.to_owned(), password: Secret(random_text(12)) }
}
