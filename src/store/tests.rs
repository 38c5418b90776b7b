//! Tests of what the SIP side asks the store.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;
use crate::model::{
    Account, AccountInput, Application, ApplicationInput, Client, ClientInput, Fields,
    PhoneNumberInput, Scope, ServiceProvider,
};

/// A store with one account; its directory goes away with it.
struct Fixture {
    store: Store,
    account: Account,
    dir: PathBuf,
}

impl Fixture {
    async fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("trunkline-store-{}", uuid::Uuid::new_v4()));
        let config = config::Store { data_dir: dir.clone(), ..config::Store::default() };
        let store = Store::open(&config).await.unwrap();
        let provider = ServiceProvider::new("p");
        store.service_providers().create(&provider).await.unwrap();
        let mut account = Account::new(provider.sid, "a");
        account.sip_realm = Some("sip.example.com".to_owned());
        store.accounts().create(&account).await.unwrap();
        Self { store, account, dir }
    }

    async fn application(&self, name: &str) -> Application {
        let body = json!({"name": name, "call_hook": {"url": "http://a", "password": "p"},
            "env_vars": {"KEY": "value"}});
        let input = ApplicationInput::create(fields(body), |_| Ok(())).unwrap();
        let app = input.into_record(self.account.sid).unwrap();
        self.store.applications().create(Scope::Admin, &app).await.unwrap();
        app
    }

    async fn client(&self, body: Value) -> Client {
        let client = ClientInput::create(fields(body)).unwrap();
        let client = client.into_record(self.account.sid).unwrap();
        self.store.clients().create(Scope::Admin, &client).await.unwrap();
        client
    }

    async fn update_account(&self, body: Value) {
        let input = AccountInput::update(fields(body)).unwrap();
        self.store.accounts().update(Scope::Admin, self.account.sid, input).await.unwrap();
    }

    async fn end(self) {
        self.store.close().await;
        std::fs::remove_dir_all(&self.dir).unwrap();
    }
}

fn fields(value: Value) -> Fields {
    let Value::Object(map) = value else { panic!("an object") };
    Fields::new(map)
}

#[tokio::test]
async fn a_number_leads_to_its_account_and_application() {
    let fixture = Fixture::new().await;
    let app = fixture.application("app").await;
    let numbers = fixture.store.phone_numbers();
    for body in [
        json!({"number": "+15551230000", "account_sid": fixture.account.sid,
            "application_sid": app.sid}),
        json!({"number": "100", "account_sid": fixture.account.sid}),
        json!({"number": "200"}),
    ] {
        let input = PhoneNumberInput::create(fields(body)).unwrap();
        numbers.create(Scope::Admin, input).await.unwrap();
    }
    let routing = fixture.store.routing();
    for dialled in ["+15551230000", "15551230000"] {
        let route = routing.phone_number(dialled).await.unwrap().unwrap();
        assert_eq!(route.account.sid, fixture.account.sid);
        assert_eq!(route.application.as_ref(), Some(&app));
    }
    let route = routing.phone_number("100").await.unwrap().unwrap();
    assert_eq!(route.application, None);
    for dialled in ["200", "300", "", "+"] {
        assert_eq!(routing.phone_number(dialled).await.unwrap(), None, "{dialled}");
    }
    fixture.end().await;
}

#[tokio::test]
async fn calls_of_phones_go_to_the_device_application() {
    let fixture = Fixture::new().await;
    let app = fixture.application("devices").await;
    let routing = fixture.store.routing();
    let account = async || routing.account_by_realm("SIP.example.com").await.unwrap().unwrap();
    assert_eq!(routing.device_application(&account().await).await.unwrap(), None);
    fixture.update_account(json!({"device_calling_application_sid": app.sid})).await;
    let found = routing.device_application(&account().await).await.unwrap();
    assert_eq!(found, Some(app.clone()));
    assert_eq!(routing.application(app.sid).await.unwrap(), Some(app));
    assert_eq!(routing.account_by_realm("example.com").await.unwrap(), None);
    fixture.end().await;
}

#[tokio::test]
async fn users_belong_to_one_realm_and_need_a_password() {
    let fixture = Fixture::new().await;
    fixture.client(json!({"username": "alice", "password": "secret"})).await;
    fixture.client(json!({"username": "bob"})).await;
    let routing = fixture.store.routing();
    let find = async |realm, user| routing.client_by_realm_username(realm, user).await.unwrap();
    let alice = find("Sip.Example.Com", "alice").await.unwrap();
    assert_eq!(alice.account, fixture.account);
    // MD5("alice:sip.example.com:secret")
    assert_eq!(alice.ha1.unwrap().0, "a0bbf6034b8565747c15ee9850d9215a");
    assert!(find("sip.example.com", "bob").await.unwrap().ha1.is_none());
    assert!(find("sip.example.com", "Alice").await.is_none());
    assert!(find("other.example.com", "alice").await.is_none());
    fixture.end().await;
}
