//! What a first start prints: the keys that are shown once, and what to type into two phones.

use std::net::SocketAddr;

use anyhow::Context as _;
use tracing::warn;

use crate::config::{Api, Config};
use crate::store::{Bootstrap, Demo, Store};

/// What is to be shown, and how to reach the server.
pub struct Welcome {
    admin_key: Option<String>,
    /// The portal's administrator was made just now.
    admin_user: Option<&'static str>,
    demo: Option<Demo>,
}

impl Welcome {
    /// Makes the admin key, the admin user and the demo tenant where they do not exist yet.
    ///
    /// # Errors
    /// The store's.
    pub async fn prepare(store: &Store, config: &mut Config, demo: bool) -> anyhow::Result<Self> {
        let made = store
            .api_keys()
            .bootstrap(config.api.admin_key.as_ref())
            .await
            .context("cannot make the admin key")?;
        let admin_key = match made {
            Bootstrap::Generated(key) => Some(key.0),
            Bootstrap::Configured | Bootstrap::Existing => None,
        };
        let admin_user = match &config.api.admin_password {
            Some(password) => {
                let made = store.users().bootstrap(password).await;
                let is_default = Some(password) == Api::default().admin_password.as_ref();
                let shown = if is_default { "admin" } else { "as configured" };
                made.context("cannot make the admin user")?.then_some(shown)
            }
            None => None,
        };
        if config.api.default_tenant {
            let made = store.seed_default_tenant().await;
            if let Some(account) = made.context("cannot make the default tenant")? {
                tracing::info!(%account, "the default tenant is made");
            }
        }
        let is_open = !config.http.listen.ip().is_loopback();
        if is_open && store.users().has_first_password().await.context("cannot read the store")? {
            warn!(
                "the user admin has its first password still, and REST is not only for this host"
            );
        }
        let demo = if demo {
            let demo = store.seed_demo().await.context("cannot make the demo tenant")?;
            config.sip.home_realm.get_or_insert_with(|| demo.sip_realm.clone());
            Some(demo)
        } else {
            None
        };
        Ok(Self { admin_key, admin_user, demo })
    }

    /// Writes to standard output; logs go elsewhere.
    pub fn print(&self, http: SocketAddr, sip: SocketAddr) {
        if self.admin_key.is_none() && self.admin_user.is_none() && self.demo.is_none() {
            return;
        }
        println!("\nTrunkline {} is ready.\n", env!("CARGO_PKG_VERSION"));
        println!("  REST API   http://{http}/v1");
        println!("  SIP        {sip}  (UDP and TCP)");
        if let Some(key) = &self.admin_key {
            println!("  Admin key  {key}   (shown this once)");
        }
        if let Some(password) = self.admin_user {
            println!("  Portal     user admin, password {password}   (choose another at once)");
        }
        if let Some(demo) = &self.demo {
            print_demo(demo, http, sip);
        }
        println!();
    }
}

fn print_demo(demo: &Demo, http: SocketAddr, sip: SocketAddr) {
    println!("\nDemo account {}", demo.account_sid);
    let Some(secrets) = &demo.secrets else {
        println!("  Its key and the phones' passwords were shown when it was made.");
        println!("  To start over, stop the server and delete its data folder.");
        return;
    };
    println!("  Account key  {}   (shown this once)", secrets.account_key.0);
    println!("\nType this into two SIP phones:\n");
    println!("  {:<10} {:<22} {:<10} {:<16}", "", "registrar / domain", "user", "password");
    for (n, user) in secrets.users.iter().enumerate() {
        let (name, password) = (&user.username, &user.password.0);
        println!("  {:<10} {sip:<22} {name:<10} {password:<16}", format!("phone {}", n + 1));
    }
    println!("\nThen dial  conference-lobby  on both, and talk. Who is in:\n");
    println!("  curl -H 'Authorization: Bearer {}' \\", secrets.account_key.0);
    let account = demo.account_sid;
    println!("    http://{http}/v1/Accounts/{account}/Conferences/lobby/Participants");
}
