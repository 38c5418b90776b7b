//! What the store promises across a restart, clean or not.

use std::io::{BufRead, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;
use sqlx::Connection as _;
use trunkline::config;
use trunkline::model::{
    Account, AccountInput, AccountSid, ApplicationInput, CallRecord, CallSid, DigestAlgorithm,
    Direction, Fields, Patch, Scope, Secret, ServiceProvider, Timestamp, VoipCarrierInput,
};
use trunkline::store::{
    self, Bootstrap, CallQuery, Error, Page, SessionId, Store, VoipCarrierQuery, back_up,
};

use crate::support::Home;

pub(crate) fn record(account_sid: AccountSid) -> CallRecord {
    CallRecord {
        call_sid: CallSid::random(),
        account_sid,
        service_provider_sid: None,
        application_sid: None,
        parent_call_sid: None,
        direction: Direction::Inbound,
        from: "a".to_owned(),
        to: "b".to_owned(),
        caller_name: None,
        trunk: None,
        sip_callid: "x".to_owned(),
        sip_parent_callid: None,
        host: None,
        remote_host: None,
        attempted_at: Timestamp::now(),
        answered_at: None,
        terminated_at: Timestamp::now(),
        call_status: "completed".to_owned(),
        sip_status: 200,
        sip_reason: None,
        termination_reason: None,
        call_termination_by: None,
        trace_id: None,
        customer_data: None,
    }
}

pub(crate) async fn recorded(store: &Store, account: AccountSid) -> i64 {
    let page = Page { number: 1, size: 1 };
    let calls = store.calls();
    calls.list(Scope::Account(account), &CallQuery::default(), page).await.unwrap().total
}

/// Name the data directory and the database to the process that is going to be killed.
const VICTIM: &str = "TRUNKLINE_IT_VICTIM_DIR";
const VICTIM_URL: &str = "TRUNKLINE_IT_VICTIM_URL";
const COMMITTED: &str = "records are committed for account ";

/// This test starts itself once more, as the victim.
#[actix_web::test]
async fn committed_records_survive_a_kill() {
    if let Some(dir) = std::env::var_os(VICTIM) {
        return write_until_killed(dir.into()).await;
    }
    let home = Home::new();
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::committed_records_survive_a_kill", "--nocapture"])
        .env(VICTIM, home.path())
        .envs(home.url().map(|url| (VICTIM_URL, url.0)))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let account = lines
        .map_while(Result::ok)
        .find_map(|line| AccountSid::parse(line.split_once(COMMITTED)?.1))
        .unwrap();
    victim.kill().unwrap();
    victim.wait().unwrap();

    let store = Store::open(&home.store()).await.unwrap();
    assert!(recorded(&store, account).await >= 1000);
    assert_eq!(store.service_providers().list(Scope::Admin).await.unwrap().len(), 1);
    store.close().await;
}

async fn write_until_killed(data_dir: PathBuf) {
    let account = AccountSid::random();
    let url = std::env::var(VICTIM_URL).ok().map(Secret);
    let config = config::Store { data_dir, url, ..config::Store::default() };
    let store = Store::open(&config).await.unwrap();
    store.service_providers().create(&ServiceProvider::new("p")).await.unwrap();
    for _ in 0..1000 {
        store.calls().record_ended(record(account));
    }
    store.flush().await;
    println!("{COMMITTED}{account}");
    // Death comes in the middle of writing.
    loop {
        store.calls().record_ended(record(account));
        tokio::task::yield_now().await;
    }
}

/// This test, too, starts itself once more; what is written to the victim's input has it begin.
#[actix_web::test]
async fn records_of_a_time_without_database_survive_a_kill() {
    const RECORDS: usize = 500;
    if let Some(dir) = std::env::var_os(VICTIM) {
        return write_when_told(dir.into(), RECORDS).await;
    }
    let home = Home::new();
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::records_of_a_time_without_database_survive_a_kill"])
        .arg("--nocapture")
        .env(VICTIM, home.path())
        .envs(home.url().map(|url| (VICTIM_URL, url.0)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
    let account = lines
        .map_while(Result::ok)
        .find_map(|line| AccountSid::parse(line.split_once(OPENED)?.1))
        .unwrap();
    let lock = home.lock_for_writing().await;
    writeln!(victim.stdin.as_mut().unwrap(), "write").unwrap();
    let spill = home.path().join("journal.ndjson");
    let kept = || std::fs::read_to_string(&spill).unwrap_or_default().lines().count();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while kept() < RECORDS {
        assert!(tokio::time::Instant::now() < deadline, "{} of {RECORDS} kept", kept());
        tokio::task::yield_now().await;
    }
    victim.kill().unwrap();
    victim.wait().unwrap();
    lock.close().await.unwrap();

    let store = Store::open(&home.store()).await.unwrap();
    assert_eq!(recorded(&store, account).await, i64::try_from(RECORDS).unwrap());
    store.close().await;
}

const OPENED: &str = "the store is open for account ";

async fn write_when_told(data_dir: PathBuf, records: usize) {
    let account = AccountSid::random();
    let url = std::env::var(VICTIM_URL).ok().map(Secret);
    let config = config::Store { data_dir, url, ..config::Store::default() };
    let store = Store::open(&config).await.unwrap();
    println!("{OPENED}{account}");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    for _ in 0..records {
        store.calls().record_ended(record(account));
    }
    std::future::pending().await
}

#[actix_web::test]
async fn after_a_clean_stop_one_file_is_the_whole_database() {
    let home = Home::new();
    if home.url().is_some() {
        return;
    }
    let account = AccountSid::random();
    let store = Store::open(&home.store()).await.unwrap();
    store.service_providers().create(&ServiceProvider::new("p")).await.unwrap();
    for _ in 0..100 {
        store.calls().record_ended(record(account));
    }
    store.close().await;
    assert!(!home.path().join("trunkline.db-wal").exists());

    let copy = Home::new();
    for name in ["trunkline.db", "server.key"] {
        std::fs::copy(home.path().join(name), copy.path().join(name)).unwrap();
    }
    let store = Store::open(&copy.store()).await.unwrap();
    assert_eq!(recorded(&store, account).await, 100);
    assert_eq!(store.service_providers().list(Scope::Admin).await.unwrap().len(), 1);
    store.close().await;
}

#[actix_web::test]
async fn a_backup_of_an_open_store_is_whole_and_replaces_nothing() {
    let home = Home::new();
    let copy = Home::new();
    let to = copy.path().join("trunkline.db");
    if home.url().is_some() {
        assert!(matches!(back_up(&home.store(), &to).await, Err(Error::NotOurs)));
        return;
    }
    let account = AccountSid::random();
    let store = Store::open(&home.store()).await.unwrap();
    for _ in 0..1000 {
        store.calls().record_ended(record(account));
    }
    store.flush().await;
    let backup = back_up(&home.store(), &to).await.unwrap();
    assert_eq!(backup.bytes, std::fs::metadata(&to).unwrap().len());
    let key = backup.key_file.unwrap();
    assert_eq!(key, home.path().join("server.key"));
    let again = back_up(&home.store(), &to).await;
    assert!(matches!(again, Err(Error::File { path, .. }) if path == to));
    let left: Vec<_> = std::fs::read_dir(copy.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    // It went on meanwhile.
    store.calls().record_ended(record(account));
    store.close().await;

    std::fs::copy(key, copy.path().join("server.key")).unwrap();
    let store = Store::open(&copy.store()).await.unwrap();
    assert_eq!(recorded(&store, account).await, 1000);
    store.close().await;
    // Nowhere to copy from.
    let empty = Home::new();
    assert!(back_up(&empty.store(), &empty.path().join("x.db")).await.is_err());
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0);
}

#[actix_web::test]
async fn a_record_is_committed_within_moments_without_a_flush() {
    let home = Home::new();
    let account = AccountSid::random();
    let store = Store::open(&home.store()).await.unwrap();
    store.calls().record_ended(record(account));
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    while recorded(&store, account).await == 0 {
        assert!(tokio::time::Instant::now() < deadline, "not committed");
        tokio::task::yield_now().await;
    }
    store.close().await;
}

#[actix_web::test]
async fn closing_writes_what_is_left() {
    let home = Home::new();
    let account = AccountSid::random();
    let store = Store::open(&home.store()).await.unwrap();
    for _ in 0..100 {
        store.calls().record_ended(record(account));
    }
    store.close().await;
    // After closing, records are dropped and nothing panics or hangs.
    store.calls().record_ended(record(account));
    store.flush().await;
    store.close().await;

    let store = Store::open(&home.store()).await.unwrap();
    assert_eq!(recorded(&store, account).await, 100);
    store.close().await;
}

#[actix_web::test]
async fn a_full_journal_drops_instead_of_waiting() {
    let home = Home::new();
    let account = AccountSid::random();
    let config = config::Store { journal_capacity: 10, ..home.store() };
    let store = Store::open(&config).await.unwrap();
    // The writer runs on this thread and gets no turn before the flush.
    for _ in 0..50 {
        store.calls().record_ended(record(account));
    }
    store.flush().await;
    assert_eq!(recorded(&store, account).await, 10);
    store.close().await;
}

#[actix_web::test]
async fn the_server_key_must_be_the_one_of_the_database() {
    let home = Home::new();
    Store::open(&home.store()).await.unwrap().close().await;
    let key_file = home.path().join("server.key");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(&key_file).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read_to_string(&key_file).unwrap();

    let other = Secret("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned());
    let wrong = config::Store { key: Some(other), ..home.store() };
    assert!(matches!(Store::open(&wrong).await, Err(Error::WrongKey)));
    std::fs::write(&key_file, "not a key").unwrap();
    assert!(matches!(Store::open(&home.store()).await, Err(Error::BadKey { .. })));
    let right = config::Store { key: Some(Secret(text)), ..home.store() };
    Store::open(&right).await.unwrap().close().await;
}

/// What a stranger calls itself may hold anything, and be longer than an index takes.
#[actix_web::test]
async fn a_record_is_kept_whatever_the_parties_call_themselves() {
    let home = Home::new();
    let account = AccountSid::random();
    let store = Store::open(&home.store()).await.unwrap();
    // Not to be compressed.
    let noise: String =
        std::iter::repeat_with(|| CallSid::random().to_string()).take(200).collect();
    for name in ["\0".to_owned(), format!("a\0{noise}"), noise] {
        let (from, to, trunk) = (name.clone(), name.clone(), Some(name));
        store.calls().record_ended(CallRecord { from, to, trunk, ..record(account) });
    }
    store.flush().await;
    assert_eq!(recorded(&store, account).await, 3);
    store.close().await;
}

#[actix_web::test]
async fn lists_are_in_the_order_of_bytes_and_searches_know_ascii_letters() {
    let home = Home::new();
    let store = Store::open(&home.store()).await.unwrap();
    // None of them is in the order of any language.
    let names = [" x", "-y", "A", "B", "Z", "_", "a", "aB", "ab", "b", "ß", "Ä", "ä", "€"];
    let mut sorted = names;
    sorted.sort_unstable();
    for name in names {
        store.service_providers().create(&ServiceProvider::new(name)).await.unwrap();
    }
    let listed = store.service_providers().list(Scope::Admin).await.unwrap();
    let provider = listed[0].sid;
    assert_eq!(listed.into_iter().map(|provider| provider.name).collect::<Vec<_>>(), sorted);

    for name in names {
        let input = Fields::new(serde_json::from_value(json!({ "name": name })).unwrap());
        let mut input = VoipCarrierInput::create(input).unwrap();
        input.service_provider_sid = Patch::Value(provider);
        store.voip_carriers().create(Scope::Admin, input).await.unwrap();
    }
    for (part, expected) in [
        ("B", &["B", "aB", "ab", "b"][..]),
        ("ab", &["aB", "ab"]),
        ("Ä", &["Ä"]),
        ("ä", &["ä"]),
        ("_", &["_"]),
        ("%", &[]),
        ("\\", &[]),
    ] {
        let narrow = VoipCarrierQuery { name: Some(part.to_owned()), account_sid: None };
        let found = store.voip_carriers().list(Scope::Admin, &narrow, None).await.unwrap().rows;
        let mut found: Vec<_> = found.into_iter().map(|carrier| carrier.name).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{part}");
    }
    store.close().await;
}

/// That an account's application exists is checked by the writers, not by the database.
#[actix_web::test]
async fn what_a_writer_has_checked_holds_until_it_commits_whoever_else_writes() {
    let home = Home::new();
    let servers = home.servers(2);
    let first = Store::open(&servers[0]).await.unwrap();
    let second = match servers.get(1) {
        Some(server) => Store::open(server).await.unwrap(),
        None => first.clone(),
    };
    let stores = [first, second];
    let provider = ServiceProvider::new("p");
    stores[0].service_providers().create(&provider).await.unwrap();
    let account = Account::new(provider.sid, "a");
    stores[0].accounts().create(&account).await.unwrap();
    let mut outcomes = [0; 2];
    for round in 0..30 {
        let body = json!({"name": format!("app{round}"), "call_hook": {"url": "http://a"}});
        let body = Fields::new(serde_json::from_value(body).unwrap());
        let input = ApplicationInput::create(body, |_| Ok(())).unwrap();
        let application = input.into_record(account.sid).unwrap();
        stores[0].applications().create(Scope::Admin, &application).await.unwrap();
        let named = json!({ "device_calling_application_sid": application.sid });
        let named = Fields::new(serde_json::from_value(named).unwrap());
        let named = AccountInput::update(named).unwrap();
        let (one, other) = (&stores[round % 2], &stores[(round + 1) % 2]);
        let (applications, accounts) = (one.applications(), other.accounts());
        let (deleted, named) = futures_util::join!(
            applications.delete(Scope::Admin, application.sid),
            accounts.update(Scope::Admin, account.sid, named),
        );
        assert!(deleted.is_ok() != named.is_ok(), "{deleted:?} {named:?}");
        outcomes[usize::from(named.is_ok())] += 1;
        let none = Fields::new(
            serde_json::from_value(json!({ "device_calling_application_sid": null })).unwrap(),
        );
        let none = AccountInput::update(none).unwrap();
        stores[0].accounts().update(Scope::Admin, account.sid, none).await.unwrap();
    }
    assert_eq!(outcomes.iter().sum::<u32>(), 30);
    for store in stores {
        store.close().await;
    }
}

#[actix_web::test]
async fn keys_survive_a_restart_and_the_generated_one_is_not_shown_again() {
    let home = Home::new();
    let store = Store::open(&home.store()).await.unwrap();
    let Bootstrap::Generated(token) = store.api_keys().bootstrap(None).await.unwrap() else {
        panic!("the first start generates a key");
    };
    store.close().await;
    let store = Store::open(&home.store()).await.unwrap();
    assert_eq!(store.api_keys().bootstrap(None).await.unwrap(), Bootstrap::Existing);
    let known = store.api_keys().authenticate(&token.0, Timestamp::now()).await.unwrap();
    assert_eq!(known.unwrap().scope, Scope::Admin);
    store.close().await;
}

#[actix_web::test]
async fn a_store_without_users_gets_its_administrator_and_sessions_survive_a_restart() {
    let home = Home::new();
    // As an earlier version left it.
    let store = Store::open(&home.store()).await.unwrap();
    store.api_keys().bootstrap(None).await.unwrap();
    store.close().await;

    let (first, token) = (Secret("admin".to_owned()), Secret("a.b.c".to_owned()));
    let store = Store::open(&home.store()).await.unwrap();
    assert!(store.users().bootstrap(&first).await.unwrap());
    assert!(store.users().has_first_password().await.unwrap());
    let opened = store.users().check_login("Admin", &first).await.unwrap().unwrap();
    let end = Timestamp::now().plus(Duration::from_secs(60));
    let sessions = store.sessions();
    assert!(sessions.open(&token, &opened.user, &opened.password_hash, end).await.unwrap());
    // Whose password was changed while it was checked does not come in.
    let stale = Secret("$argon2id$".to_owned());
    let other = Secret("d.e.f".to_owned());
    assert!(!sessions.open(&other, &opened.user, &stale, end).await.unwrap());
    store.close().await;

    let store = Store::open(&home.store()).await.unwrap();
    assert!(!store.users().bootstrap(&Secret("other".to_owned())).await.unwrap());
    let find = async |token: &Secret, now| {
        store.sessions().find(SessionId::of(&token.0), now).await.unwrap()
    };
    assert_eq!(find(&token, Timestamp::now()).await.unwrap().user_sid, opened.user.sid);
    assert_eq!(find(&token, end).await, None);
    assert_eq!(find(&other, Timestamp::now()).await, None);
    store.close().await;
}

#[actix_web::test]
async fn a_kept_key_is_made_once_for_its_owner_alone() {
    let home = Home::new();
    let file = home.path().join("jwt.key");
    let key = store::kept_key(&file).unwrap();
    assert!(key.0.len() >= 32);
    assert_eq!(store::kept_key(&file).unwrap(), key);
    let permissions = std::fs::metadata(&file).unwrap().permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&permissions) & 0o777, 0o600);
    std::fs::write(&file, "short").unwrap();
    assert!(matches!(store::kept_key(&file), Err(Error::BadKey { .. })));
}

#[actix_web::test]
async fn the_demo_tenant_is_made_once_and_its_phones_can_authenticate() {
    let home = Home::new();
    let store = Store::open(&home.store()).await.unwrap();
    let demo = store.seed_demo().await.unwrap();
    let secrets = demo.secrets.clone().unwrap();
    let key = store.api_keys().authenticate(&secrets.account_key.0, Timestamp::now()).await;
    assert_eq!(key.unwrap().unwrap().scope, Scope::Account(demo.account_sid));
    let names: Vec<_> = secrets.users.iter().map(|user| user.username.as_str()).collect();
    assert_eq!(names, ["alice", "bob"]);

    // A phone that uses our bare address is the demo tenant's.
    let home = Some(demo.sip_realm.as_str());
    for host in ["192.0.2.7", "[2001:db8::1]", "localhost", "DEMO.trunkline.internal"] {
        let account = store.routing().account_for_host(host, home).await.unwrap().unwrap();
        assert_eq!(account.sid, demo.account_sid, "{host}");
        let auth = store.routing().client(account, "alice").await.unwrap().unwrap();
        assert!(auth.ha1(DigestAlgorithm::Md5).is_some());
    }
    for (host, home) in [("example.com", home), ("192.0.2.7", None)] {
        assert_eq!(store.routing().account_for_host(host, home).await.unwrap(), None);
    }

    let again = store.seed_demo().await.unwrap();
    assert_eq!((again.account_sid, again.secrets), (demo.account_sid, None));
    store.accounts().delete(Scope::Admin, demo.account_sid).await.unwrap();
    let anew = store.seed_demo().await.unwrap();
    assert!(anew.account_sid != demo.account_sid && anew.secrets.is_some());
    store.close().await;
}
