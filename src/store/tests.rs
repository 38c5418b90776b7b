//! Tests of what the SIP side asks the store.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::postgres;

use super::*;
use crate::model::{
    Account, AccountInput, Application, ApplicationInput, Client, ClientInput, DigestAlgorithm,
    Fields, FormerClient, LimitCategory, LimitInput, LimitOwner, PasswordTrace, PhoneNumberInput,
    Registration, Scope, Secret, ServiceProvider, SipGatewayInput, Timestamp, VoipCarrierInput,
};

/// A store with one account; its directory goes away with it, and its database on PostgreSQL.
struct Fixture {
    store: Store,
    account: Account,
    dir: PathBuf,
    database: Option<postgres::Database<'static>>,
}

impl Fixture {
    async fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("trunkline-store-{}", uuid::Uuid::new_v4()));
        let database = postgres::wanted();
        let store = Store::open(&settings(&dir, database.as_ref())).await.unwrap();
        let provider = ServiceProvider::new("p");
        store.service_providers().create(&provider).await.unwrap();
        let mut account = Account::new(provider.sid, "a");
        account.sip_realm = Some("sip.example.com".to_owned());
        store.accounts().create(&account).await.unwrap();
        Self { store, account, dir, database }
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
        let input = ClientInput::create(fields(body)).unwrap();
        self.store.clients().create(Scope::Admin, self.account.sid, input).await.unwrap()
    }

    async fn account(&self) -> Account {
        self.store.accounts().get(Scope::Admin, self.account.sid).await.unwrap().unwrap()
    }

    async fn update_account(&self, body: Value) {
        let input = AccountInput::update(fields(body)).unwrap();
        self.store.accounts().update(Scope::Admin, self.account.sid, input).await.unwrap();
    }

    /// Closes it and opens it again, as a restart does.
    async fn reopen(&mut self) {
        self.store.close().await;
        let settings = settings(&self.dir, self.database.as_ref());
        self.store = Store::open(&settings).await.unwrap();
    }

    async fn end(self) {
        self.store.close().await;
        std::fs::remove_dir_all(&self.dir).unwrap();
    }
}

fn settings(dir: &Path, database: Option<&postgres::Database<'_>>) -> config::Store {
    let url = database.map(|database| Secret(database.url()));
    config::Store { data_dir: dir.to_owned(), url, ..config::Store::default() }
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
        let rows = routing.numbers(dialled).await.unwrap();
        let found = (rows[0].account_sid, rows[0].application_sid, rows.len());
        assert_eq!(found, (Some(fixture.account.sid), Some(app.sid), 1));
    }
    assert_eq!(routing.numbers("100").await.unwrap()[0].application_sid, None);
    for dialled in ["200", "300", "", "+"] {
        assert_eq!(routing.numbers(dialled).await.unwrap(), [], "{dialled}");
    }
    fixture.end().await;
}

#[tokio::test]
async fn who_does_not_exist_is_asked_like_the_next_one() {
    let fixture = Fixture::new().await;
    fixture.client(json!({"username": "bob", "digest_algorithm": "SHA-256"})).await;
    fixture.client(json!({"username": "dora"})).await;
    let routing = fixture.store.routing();
    for (username, exists, algorithm) in [
        ("alice", false, Some(DigestAlgorithm::Sha256)),
        ("bob", true, Some(DigestAlgorithm::Sha256)),
        ("carol", false, None),
        ("dora", true, None),
        ("eve", false, None),
    ] {
        let claim = routing.claim(fixture.account().await, username).await.unwrap();
        assert_eq!((claim.client.is_some(), claim.algorithm), (exists, algorithm), "{username}");
    }
    fixture.end().await;
}

#[tokio::test]
async fn trunks_come_with_their_gateways_in_order() {
    let fixture = Fixture::new().await;
    let carrier = |body| VoipCarrierInput::create(fields(body)).unwrap();
    let carriers = fixture.store.voip_carriers();
    let own = json!({"name": "own", "account_sid": fixture.account.sid});
    let own = carriers.create(Scope::Admin, carrier(own)).await.unwrap();
    let shared =
        json!({"name": "shared", "service_provider_sid": fixture.account.service_provider_sid});
    carriers.create(Scope::Admin, carrier(shared)).await.unwrap();
    for (host, priority) in [("b.example", 100), ("c.example", 100), ("a.example", 1)] {
        let body = json!({"voip_carrier_sid": own.sid, "ipv4": host, "priority": priority});
        let input = SipGatewayInput::create(fields(body)).unwrap();
        fixture.store.sip_gateways().create(Scope::Admin, input).await.unwrap();
    }
    fixture.update_account(json!({"is_active": 0})).await;
    let trunks = fixture.store.routing().trunks().await.unwrap();
    let shape = trunks.iter().map(|trunk| {
        let hosts: Vec<_> = trunk.gateways.iter().map(|gateway| gateway.host.as_str()).collect();
        (trunk.carrier.name.as_str(), hosts, trunk.is_closed)
    });
    let expected =
        [("own", vec!["a.example", "b.example", "c.example"], true), ("shared", vec![], false)];
    assert_eq!(shape.collect::<Vec<_>>(), expected);
    fixture.end().await;
}

#[tokio::test]
async fn what_is_enforced_follows_every_change() {
    let mut fixture = Fixture::new().await;
    let (sid, provider) = (fixture.account.sid, fixture.account.service_provider_sid);
    let enforced = async |store: &Store| {
        let calls = store.limits().calls(sid, provider).await.unwrap();
        let devices = store.limits().devices(sid).await.unwrap();
        (calls.account, calls.service_provider, devices)
    };
    let (account, all) = (LimitOwner::Account(sid), LimitOwner::ServiceProvider(provider));
    let (calls, devices) = (LimitCategory::VoiceCallSession, LimitCategory::Device);
    let store = fixture.store.clone();
    let set = async |owner, category, quantity| {
        let input = LimitInput { category, quantity };
        store.limits().set(Scope::Admin, owner, input).await.unwrap();
        enforced(&store).await
    };
    assert_eq!(enforced(&store).await, (None, None, None));
    assert_eq!(set(account, LimitCategory::ApiRate, 5).await, (None, None, None));
    assert_eq!(set(account, calls, 3).await, (Some(3), None, None));
    assert_eq!(set(all, calls, 0).await, (Some(3), Some(0), None));
    assert_eq!(set(all, devices, 9).await, (Some(3), Some(0), None));
    assert_eq!(set(account, devices, 7).await, (Some(3), Some(0), Some(7)));
    assert_eq!(set(account, calls, 4).await, (Some(4), Some(0), Some(7)));
    fixture.reopen().await;
    let store = &fixture.store;
    assert_eq!(enforced(store).await, (Some(4), Some(0), Some(7)));
    store.limits().delete(Scope::Admin, account, Some(calls)).await.unwrap();
    assert_eq!(enforced(store).await, (None, Some(0), Some(7)));
    store.accounts().delete(Scope::Admin, sid).await.unwrap();
    assert_eq!(enforced(store).await, (None, Some(0), None));
    store.service_providers().delete(provider).await.unwrap();
    assert_eq!(enforced(store).await, (None, None, None));
    fixture.end().await;
}

#[tokio::test]
async fn accounts_are_found_by_realm_and_applications_by_sid() {
    let fixture = Fixture::new().await;
    let app = fixture.application("devices").await;
    let routing = fixture.store.routing();
    let found = routing.account_by_realm("SIP.example.com").await.unwrap();
    assert_eq!(found.map(|account| account.sid), Some(fixture.account.sid));
    assert_eq!(routing.account_by_realm("example.com").await.unwrap(), None);
    assert_eq!(routing.application(app.sid).await.unwrap(), Some(app));
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
    assert_eq!(alice.account.sid, fixture.account.sid);
    // MD5("alice:sip.example.com:secret")
    assert_eq!(alice.ha1(DigestAlgorithm::Md5).unwrap().0, "a0bbf6034b8565747c15ee9850d9215a");
    assert!(find("sip.example.com", "bob").await.unwrap().ha1(DigestAlgorithm::Md5).is_none());
    assert!(find("sip.example.com", "Alice").await.is_none());
    assert!(find("other.example.com", "alice").await.is_none());
    fixture.end().await;
}

#[tokio::test]
async fn the_first_client_fixes_the_digest_realm() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.account().await.fixed_digest_realm, None);
    fixture.update_account(json!({"sip_realm": "second.example.com"})).await;
    assert_eq!(fixture.account().await.digest_realm(), "second.example.com");
    let alice = fixture.client(json!({"username": "alice", "password": "secret"})).await;
    for realm in [json!("third.example.com"), json!(null)] {
        fixture.update_account(json!({"sip_realm": realm})).await;
        let account = fixture.account().await;
        assert_eq!(account.fixed_digest_realm.as_deref(), Some("second.example.com"));
    }
    // It outlives the clients: a phone may still have the password of one that comes back.
    fixture.store.clients().delete(Scope::Admin, alice.sid).await.unwrap();
    assert_eq!(fixture.account().await.digest_realm(), "second.example.com");
    fixture.end().await;
}

#[tokio::test]
async fn without_a_realm_the_sid_is_the_digest_realm() {
    let fixture = Fixture::new().await;
    fixture.update_account(json!({"sip_realm": null})).await;
    fixture.client(json!({"username": "alice", "password": "secret"})).await;
    fixture.update_account(json!({"sip_realm": "late.example.com"})).await;
    let find = fixture.store.routing().client_by_realm_username("late.example.com", "alice").await;
    let alice = find.unwrap().unwrap();
    let sid = fixture.account.sid.to_string();
    assert_eq!(alice.account.digest_realm(), sid);
    let expected = PasswordTrace::of("alice", &sid, &Secret("secret".to_owned()));
    assert_eq!(alice.client.password, Some(expected));
    fixture.end().await;
}

#[tokio::test]
async fn a_client_that_moves_takes_the_digest_realm_of_its_new_account() {
    let fixture = Fixture::new().await;
    let alice = fixture.client(json!({"username": "alice", "password": "secret"})).await;
    let mut other = Account::new(fixture.account.service_provider_sid, "b");
    other.sip_realm = Some("other.example.com".to_owned());
    fixture.store.accounts().create(&other).await.unwrap();
    let body = json!({"account_sid": other.sid, "password": "secret"});
    let input = ClientInput::update(fields(body)).unwrap();
    let (before, after) =
        fixture.store.clients().update(Scope::Admin, alice.sid, input).await.unwrap();
    assert_eq!(
        before,
        FormerClient { client: alice, sip_realm: fixture.account.sip_realm.clone() }
    );
    let expected = PasswordTrace::of("alice", "other.example.com", &Secret("secret".to_owned()));
    assert_eq!(after.password, Some(expected));
    let other = fixture.store.accounts().get(Scope::Admin, other.sid).await.unwrap().unwrap();
    assert_eq!(other.fixed_digest_realm.as_deref(), Some("other.example.com"));
    fixture.end().await;
}

#[tokio::test]
async fn registrations_outlive_the_process_but_not_their_time_or_their_client() {
    let mut fixture = Fixture::new().await;
    fixture.client(json!({"username": "alice", "password": "secret12"})).await;
    fixture.client(json!({"username": "off", "password": "secret12", "is_active": false})).await;
    let contact = |ahead: u64| Registration {
        contact: "<sip:alice@10.0.0.1>;q=0.5".to_owned(),
        transport: "udp".to_owned(),
        local: "[::]:5060".parse().unwrap(),
        peer: "[2001:db8::7]:40000".parse().unwrap(),
        expires_at: Timestamp::now().plus(Duration::from_secs(ahead)),
        registered_at: Timestamp::now(),
        user_agent: Some("phone".to_owned()),
        path: vec!["<sip:edge;lr>".to_owned(), "<sip:core;lr>".to_owned()],
        call_id: "c".to_owned(),
        cseq: u32::MAX,
    };
    let registered = |username: &str, realm: &str, contacts: Vec<Registration>| Registered {
        username: username.to_owned(),
        realm: realm.to_owned(),
        contacts,
    };
    let alice = registered("alice", "sip.example.com", vec![contact(60), contact(120)]);
    let registrations = fixture.store.registrations();
    registrations.keep(registered("alice", "sip.example.com", vec![contact(9)]));
    registrations.keep(alice.clone());
    registrations.keep(registered("off", "sip.example.com", vec![contact(60)]));
    registrations.keep(registered("alice", "elsewhere.example.com", vec![contact(60)]));
    fixture.reopen().await;
    assert_eq!(fixture.store.registrations().take_live().await.unwrap(), [alice]);
    fixture.store.registrations().keep(registered(
        "alice",
        "sip.example.com",
        vec![contact(0), contact(60)],
    ));
    fixture.reopen().await;
    let found = fixture.store.registrations().take_live().await.unwrap();
    assert_eq!(found[0].contacts.len(), 1);
    fixture.store.registrations().keep(registered("alice", "sip.example.com", Vec::new()));
    fixture.reopen().await;
    assert!(fixture.store.registrations().take_live().await.unwrap().is_empty());
    fixture.end().await;
}

#[tokio::test]
async fn first_answers_are_kept_for_a_day_and_for_so_many_keys() {
    let mut fixture = Fixture::new().await;
    let account = fixture.account.sid;
    let now = Timestamp::now();
    let at = |seconds| now.plus(Duration::from_secs(seconds));
    let answered = |answer: Option<&str>| {
        Some(FirstRequest { request_hash: "h".to_owned(), answer: answer.map(str::to_owned) })
    };
    for n in 0..5 {
        fixture.store.idempotency().begin(account, &n.to_string(), "h", at(n)).await.unwrap();
    }
    fixture.store.idempotency().answer(account, "1", ("other", "{}"), at(2)).await.unwrap();
    // Its beginning could not be noted.
    fixture.store.idempotency().answer(account, "5", ("h", "[]"), at(5)).await.unwrap();
    fixture.store.idempotency().forget(account, "2").await.unwrap();
    fixture.reopen().await;
    let store = fixture.store.idempotency();
    assert_eq!(store.find(account, "0", at(9)).await.unwrap(), answered(None));
    assert_eq!(store.find(account, "1", at(9)).await.unwrap(), answered(Some("{}")));
    assert_eq!(store.find(account, "2", at(9)).await.unwrap(), None);
    assert_eq!(store.find(account, "5", at(9)).await.unwrap(), answered(Some("[]")));
    store.forget(account, "5").await.unwrap();
    let stranger = crate::model::AccountSid::random();
    assert_eq!(store.find(stranger, "1", at(9)).await.unwrap(), None);
    let tomorrow = at(24 * 3600 + 1);
    assert_eq!(store.find(account, "1", tomorrow).await.unwrap(), None);
    assert_eq!(store.find(account, "3", tomorrow).await.unwrap(), answered(None));
    let mut tx = fixture.store.begin().await.unwrap();
    idempotency::sweep(&mut tx, at(9), 2).await.unwrap();
    tx.commit().await.unwrap();
    for (key, known) in [("0", None), ("1", None), ("3", answered(None)), ("4", answered(None))] {
        assert_eq!(store.find(account, key, at(9)).await.unwrap(), known, "{key}");
    }
    // One that is used again after its time begins anew.
    store.begin(account, "3", "other", tomorrow).await.unwrap();
    let anew = store.find(account, "3", tomorrow).await.unwrap().unwrap();
    assert_eq!((anew.request_hash.as_str(), anew.answer), ("other", None));
    fixture.end().await;
}

#[tokio::test]
async fn changes_are_counted_when_they_are_committed_and_not_before() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let Some(before) = store.changes() else {
        assert!(postgres::wanted().is_some(), "only where other servers write there is no count");
        return fixture.end().await;
    };
    let tx = store.begin().await.unwrap();
    assert_eq!(store.changes(), Some(before));
    drop(tx);
    fixture.update_account(json!({"name": "b"})).await;
    assert_eq!(store.changes(), Some(before + 1));
    // Whoever began a commit and went away, has begun it: it is counted, now or when it is done.
    let tx = store.begin().await.unwrap();
    let mut commit = Box::pin(tx.commit());
    assert!(futures_util::poll!(&mut commit).is_pending());
    drop(commit);
    // The next to write waits for it.
    fixture.update_account(json!({"name": "c"})).await;
    assert_eq!(store.changes(), Some(before + 3));
    // What the journal writes no kept answer shows.
    store.alerts().write(crate::model::Alert {
        account_sid: fixture.account.sid,
        alert_type: crate::model::AlertType::NoCarrier,
        message: "m".to_owned(),
        detail: None,
        target_sid: None,
    });
    store.flush().await;
    assert_eq!(store.changes(), Some(before + 3));
    fixture.end().await;
}
