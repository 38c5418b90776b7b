//! A server for one test: its own data directory, its own port, a client that speaks to it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use ::support::postgres::{self, Database};
use actix_web::dev::ServerHandle;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use serde_json::{Value, json};
use sqlx::{AnyConnection, Connection as _};
use trunkline::api::{self, AppState, Change};
use trunkline::config::{self, Config};
use trunkline::hook::{HookClient, HookConfig};
use trunkline::model::Secret;
use trunkline::store::{Bootstrap, Store};

/// A directory that goes away with its owner.
struct TempDir(PathBuf);

impl TempDir {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("trunkline-it-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // Left over in the temporary directory at worst.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Where a store is kept: a data directory and, when the tests run on PostgreSQL, a database. Both go
/// away with their owner.
pub(crate) struct Home {
    dir: TempDir,
    database: Option<Database<'static>>,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { dir: TempDir::new(), database: postgres::wanted() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn url(&self) -> Option<Secret> {
        self.database.as_ref().map(|database| Secret(database.url()))
    }

    /// A foreign process that lets nobody else write, until its connection is closed.
    pub(crate) async fn lock_for_writing(&self) -> AnyConnection {
        sqlx::any::install_default_drivers();
        let (url, lock) = match self.url() {
            Some(url) => {
                (url.0, "BEGIN; LOCK TABLE calls, alerts, registrations IN EXCLUSIVE MODE")
            }
            None => (format!("sqlite://{}/trunkline.db", self.path().display()), "BEGIN IMMEDIATE"),
        };
        let mut connection = AnyConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(lock).execute(&mut connection).await.unwrap();
        connection
    }

    /// What somebody who copies the database finds in it: every file of the data directory, one after
    /// the other, and a dump of the database that is elsewhere.
    pub(crate) fn copy(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.path()).unwrap();
        let files = files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap());
        let dump = self.database.as_ref().map(|database| database.dump().unwrap());
        files.chain(dump.into_iter().flatten()).collect()
    }

    /// The settings of several servers that share the database; with SQLite there is only one.
    pub(crate) fn servers(&self, count: usize) -> Vec<config::Store> {
        let count = if self.database.is_some() { count } else { 1 };
        let key = Some(Secret("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned()));
        let of = |number| config::Store {
            data_dir: self.path().join(format!("server{number}")),
            key: key.clone(),
            ..self.store()
        };
        (0..count).map(of).collect()
    }

    /// The settings of a store in it.
    pub(crate) fn store(&self) -> config::Store {
        let data_dir = self.path().to_owned();
        config::Store { data_dir, url: self.url(), ..config::Store::default() }
    }
}

pub(crate) struct TestApi {
    pub(crate) admin: String,
    pub(crate) state: AppState,
    changes: Arc<Mutex<Vec<Change>>>,
    pub(crate) base: String,
    client: reqwest::Client,
    server: ServerHandle,
    pub(crate) home: Home,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.headers[CONTENT_TYPE], "application/json; charset=utf-8", "{self:?}");
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    pub(crate) fn msg(&self) -> String {
        self.json()["msg"].as_str().unwrap_or_else(|| panic!("no msg: {}", self.text)).to_owned()
    }

    /// The sid of a 201.
    pub(crate) fn sid(&self) -> String {
        assert_eq!(self.status, 201, "{}", self.text);
        self.json()["sid"].as_str().unwrap().to_owned()
    }

    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }
}

/// A tenant with its key.
#[derive(Clone, Debug)]
pub(crate) struct Tenant {
    pub(crate) sid: String,
    pub(crate) key: String,
}

/// Two service providers with two accounts each.
#[derive(Debug)]
pub(crate) struct Tenancy {
    pub(crate) providers: [Tenant; 2],
    /// `accounts[provider][n]`
    pub(crate) accounts: [[Tenant; 2]; 2],
}

impl TestApi {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        Self::start_as(change, |state| state).await
    }

    pub(crate) async fn start_as(
        change: impl FnOnce(&mut Config),
        adapt: impl FnOnce(AppState) -> AppState,
    ) -> Self {
        static CRYPTO: Once = Once::new();
        CRYPTO.call_once(|| {
            // Another test may have been first, with a whole server.
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let home = Home::new();
        let mut config = Config { store: home.store(), ..Config::default() };
        config.http.workers = 1;
        // Hooks are names of nobody: without a rule nobody is asked who they are.
        config.hook.allow_private_networks = true;
        change(&mut config);
        Self::open(home, config, None, adapt).await
    }

    /// The same store in a new server.
    pub(crate) async fn restart(self) -> Self {
        self.server.stop(true).await;
        self.state.store.close().await;
        let config = Config::clone(&self.state.config);
        Self::open(self.home, config, Some(self.admin), |state| state).await
    }

    async fn open(
        home: Home,
        config: Config,
        admin: Option<String>,
        adapt: impl FnOnce(AppState) -> AppState,
    ) -> Self {
        let store = Store::open(&config.store).await.unwrap();
        let first = store.api_keys().bootstrap(config.api.admin_key.as_ref()).await.unwrap();
        let admin = admin.unwrap_or_else(|| match first {
            Bootstrap::Generated(token) => token.0,
            _ => config.api.admin_key.clone().unwrap().0,
        });
        let changes = Arc::new(Mutex::new(Vec::new()));
        let heard = changes.clone();
        let addresses = config.hook.address_policy();
        let hooks = HookClient::new(&HookConfig { addresses, ..HookConfig::default() }).unwrap();
        let state = AppState::new(store, Arc::new(config), check_verbs, hooks)
            .with_login_delay(Duration::ZERO..=Duration::ZERO)
            .with_on_change(move |change| heard.lock().unwrap().push(change));
        let state = adapt(state);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server = api::serve(listener, state.clone()).unwrap();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        let client = reqwest::Client::new();
        Self { admin, state, changes, base, client, server: handle, home }
    }

    /// What was announced since this was asked last.
    pub(crate) fn take_changes(&self) -> Vec<Change> {
        std::mem::take(&mut *self.changes.lock().unwrap())
    }

    /// Ends the server, its store included.
    pub(crate) async fn stop(self) {
        self.server.stop(true).await;
        self.state.store.close().await;
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// Sends what a builder holds.
    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        Answer { status, headers, text: response.text().await.unwrap() }
    }

    /// `path` is relative to `/v1`.
    async fn call(&self, method: Method, key: &str, path: &str, body: Option<&Value>) -> Answer {
        let mut request = self
            .request(method, &format!("/v1{path}"))
            .header(AUTHORIZATION, format!("Bearer {key}"));
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        self.send(request).await
    }

    pub(crate) async fn get(&self, key: &str, path: &str) -> Answer {
        self.call(Method::GET, key, path, None).await
    }

    pub(crate) async fn post(&self, key: &str, path: &str, body: Value) -> Answer {
        self.call(Method::POST, key, path, Some(&body)).await
    }

    pub(crate) async fn put(&self, key: &str, path: &str, body: Value) -> Answer {
        self.call(Method::PUT, key, path, Some(&body)).await
    }

    pub(crate) async fn delete(&self, key: &str, path: &str) -> Answer {
        self.call(Method::DELETE, key, path, None).await
    }

    /// Without a token.
    pub(crate) async fn log_in(&self, username: &str, password: &str) -> Answer {
        let body = json!({"username": username, "password": password}).to_string();
        let request = self.request(Method::POST, "/v1/login");
        self.send(request.header(CONTENT_TYPE, "application/json").body(body)).await
    }

    /// A user of the scope that `change` says, logged in: sid and token. Its password is
    /// [`PASSWORD`].
    pub(crate) async fn new_user(&self, name: &str, change: Value) -> (String, String) {
        let email = format!("{name}@example.com");
        let mut body = json!({"name": name, "email": email, "initial_password": PASSWORD});
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = self.post(&self.admin, "/Users", body).await.expect(201);
        let sid = answer.json()["user_sid"].as_str().unwrap().to_owned();
        let token = self.log_in(name, PASSWORD).await.expect(200).json();
        (sid, token["token"].as_str().unwrap().to_owned())
    }

    pub(crate) async fn new_key(&self, body: Value) -> String {
        let answer = self.post(&self.admin, "/ApiKeys", body).await.expect(201);
        answer.json()["token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn new_provider(&self, name: &str) -> Tenant {
        let sid = self.post(&self.admin, "/ServiceProviders", json!({"name": name})).await.sid();
        let key = self.new_key(json!({"service_provider_sid": sid})).await;
        Tenant { sid, key }
    }

    pub(crate) async fn new_account(&self, provider: &Tenant, name: &str) -> Tenant {
        let sid = self.post(&provider.key, "/Accounts", json!({"name": name})).await.sid();
        let key = self.new_key(json!({"account_sid": sid})).await;
        Tenant { sid, key }
    }

    pub(crate) async fn new_application(&self, account: &Tenant, name: &str) -> String {
        let body = json!({"name": name, "call_hook": {"url": "http://127.0.0.1:9/hook"}});
        self.post(&account.key, "/Applications", body).await.sid()
    }

    pub(crate) async fn tenancy(&self) -> Tenancy {
        let one = self.new_provider("one").await;
        let two = self.new_provider("two").await;
        let accounts = [
            [self.new_account(&one, "1a").await, self.new_account(&one, "1b").await],
            [self.new_account(&two, "2a").await, self.new_account(&two, "2b").await],
        ];
        Tenancy { providers: [one, two], accounts }
    }
}

/// Stands in for the verb grammar: an array of objects with a known verb.
fn check_verbs(text: &str) -> Result<(), String> {
    let verbs: Vec<Value> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let known = |verb: &Value| matches!(verb["verb"].as_str(), Some("say" | "hangup"));
    verbs.iter().all(known).then_some(()).ok_or_else(|| "unknown verb".to_owned())
}

/// Of the users of tests.
pub(crate) const PASSWORD: &str = "sesame-street-42";

/// A sid that nobody has.
pub(crate) const NOBODY: &str = "00000000-0000-4000-8000-000000000000";
