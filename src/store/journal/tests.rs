//! Tests of the journal under a database that takes nothing for a while.

use std::path::PathBuf;

use sqlx::{AnyConnection, Connection as _};
use support::postgres;

use super::*;
use crate::config;
use crate::model::{
    AccountSid, Alert, AlertType, CallSid, Direction, Registration, Scope, Secret, Timestamp,
};
use crate::store::{AlertQuery, CallQuery, Page, Store};

const SOON: Duration = Duration::from_secs(30);

struct Fixture {
    dir: PathBuf,
    account: AccountSid,
    database: Option<postgres::Database<'static>>,
}

impl Fixture {
    fn new() -> Self {
        let dir = std::env::temp_dir().join(format!("trunkline-journal-{}", uuid::Uuid::new_v4()));
        Self { dir, account: AccountSid::random(), database: postgres::wanted() }
    }

    async fn open(&self) -> Store {
        self.open_with(|_| {}).await
    }

    async fn open_with(&self, change: impl FnOnce(&mut config::Store)) -> Store {
        let mut config = self.config();
        change(&mut config);
        Store::open(&config).await.unwrap()
    }

    fn config(&self) -> config::Store {
        let url = self.database.as_ref().map(|database| Secret(database.url()));
        config::Store { data_dir: self.dir.clone(), url, ..config::Store::default() }
    }

    /// A foreign process that has locked the database for writing, until its connection is closed.
    async fn locked(&self) -> AnyConnection {
        let (url, lock) = match &self.database {
            Some(database) => {
                (database.url(), "BEGIN; LOCK TABLE calls, alerts, registrations IN EXCLUSIVE MODE")
            }
            None => (format!("sqlite://{}/trunkline.db", self.dir.display()), "BEGIN IMMEDIATE"),
        };
        let mut foreign = AnyConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(lock).execute(&mut foreign).await.unwrap();
        foreign
    }

    fn spilled(&self) -> Vec<u8> {
        std::fs::read(self.dir.join("journal.ndjson")).unwrap()
    }

    async fn lines(&self, wanted: usize) {
        let lines = || self.spilled().iter().filter(|&&byte| byte == b'\n').count();
        until(|| lines() >= wanted).await;
    }

    fn call(&self) -> CallRecord {
        CallRecord {
            call_sid: CallSid::random(),
            account_sid: self.account,
            service_provider_sid: None,
            application_sid: None,
            parent_call_sid: None,
            direction: Direction::Inbound,
            from: "a".to_owned(),
            to: "b\n\"c\"".to_owned(),
            caller_name: None,
            trunk: None,
            sip_callid: "x".to_owned(),
            sip_parent_callid: None,
            host: None,
            remote_host: None,
            attempted_at: Timestamp::now(),
            answered_at: Some(Timestamp::now()),
            terminated_at: Timestamp::now(),
            call_status: "completed".to_owned(),
            sip_status: 200,
            sip_reason: None,
            termination_reason: None,
            call_termination_by: None,
            trace_id: None,
            customer_data: Some(serde_json::json!({"a": [1, null]})),
        }
    }

    fn alert(&self) -> Alert {
        Alert {
            account_sid: self.account,
            alert_type: AlertType::NoCarrier,
            message: "m".to_owned(),
            detail: None,
            target_sid: None,
        }
    }

    fn registered(&self, contact: &str) -> Registered {
        let contact = Registration {
            contact: contact.to_owned(),
            transport: "udp".to_owned(),
            local: "[::]:5060".parse().unwrap(),
            peer: "10.0.0.7:40000".parse().unwrap(),
            expires_at: Timestamp::now().plus(SOON),
            registered_at: Timestamp::now(),
            user_agent: None,
            path: Vec::new(),
            call_id: "c".to_owned(),
            cseq: 1,
        };
        let (username, realm) = ("alice".to_owned(), "sip.example.com".to_owned());
        Registered { username, realm, contacts: vec![contact] }
    }

    async fn calls(&self, store: &Store) -> i64 {
        let page = Page { number: 1, size: 1 };
        let scope = Scope::Account(self.account);
        store.calls().list(scope, &CallQuery::default(), page).await.unwrap().total
    }

    async fn alerts(&self, store: &Store) -> i64 {
        let page = Page { number: 1, size: 1 };
        let scope = Scope::Account(self.account);
        store.alerts().list(scope, &AlertQuery::default(), page).await.unwrap().total
    }

    async fn end(self, store: Store) {
        store.close().await;
        std::fs::remove_dir_all(&self.dir).unwrap();
    }
}

async fn until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {SOON:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn contacts(store: &Store) -> Vec<String> {
    let sql = "SELECT contact FROM registrations";
    sqlx::query_scalar(sql).fetch_all(store.read()).await.unwrap()
}

#[tokio::test]
async fn while_the_database_is_locked_records_go_to_the_file_and_from_there_into_it() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let foreign = fixture.locked().await;
    let first = fixture.call();
    store.calls().record_ended(first.clone());
    fixture.lines(1).await;
    // The rest follows at once, whatever the database does.
    for _ in 0..100 {
        store.calls().record_ended(fixture.call());
    }
    store.alerts().write(fixture.alert());
    store.registrations().keep(fixture.registered("<sip:old@10.0.0.7>"));
    store.registrations().keep(fixture.registered("<sip:new@10.0.0.7>"));
    fixture.lines(104).await;
    assert_eq!(fixture.calls(&store).await, 0);

    foreign.close().await.unwrap();
    store.flush().await;
    assert_eq!((fixture.calls(&store).await, fixture.alerts(&store).await), (101, 1));
    assert_eq!(contacts(&store).await, ["<sip:new@10.0.0.7>"]);
    let found = store.calls().get(Scope::Admin, first.call_sid).await.unwrap();
    assert_eq!(found, Some(first));
    until(|| fixture.spilled().is_empty()).await;
    // From here on it is as it was.
    store.calls().record_ended(fixture.call());
    store.flush().await;
    assert_eq!(fixture.calls(&store).await, 102);
    fixture.end(store).await;
}

#[tokio::test]
async fn what_a_killed_process_left_is_committed_at_the_next_start_and_once_only() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let foreign = fixture.locked().await;
    for _ in 0..1000 {
        store.calls().record_ended(fixture.call());
    }
    store.alerts().write(fixture.alert());
    store.registrations().keep(fixture.registered("<sip:old@10.0.0.7>"));
    store.registrations().keep(fixture.registered("<sip:new@10.0.0.7>"));
    fixture.lines(1003).await;
    let mut left = fixture.spilled();
    // Death came in the middle of a line.
    left.extend_from_within(..99);
    foreign.close().await.unwrap();
    store.close().await;

    // Some of it had been committed: here, all of it.
    for _ in 0..2 {
        std::fs::write(fixture.dir.join("journal.ndjson"), &left).unwrap();
        let store = fixture.open().await;
        assert_eq!((fixture.calls(&store).await, fixture.alerts(&store).await), (1000, 1));
        assert_eq!(contacts(&store).await, ["<sip:new@10.0.0.7>"]);
        assert!(fixture.spilled().is_empty());
        store.close().await;
    }
    // And here none of it.
    let fresh = Fixture { account: fixture.account, ..Fixture::new() };
    std::fs::create_dir_all(&fresh.dir).unwrap();
    std::fs::write(fresh.dir.join("journal.ndjson"), &left).unwrap();
    let store = fresh.open().await;
    assert_eq!((fresh.calls(&store).await, fresh.alerts(&store).await), (1000, 1));
    fresh.end(store).await;
    std::fs::remove_dir_all(&fixture.dir).unwrap();
}

#[tokio::test]
async fn closing_under_a_locked_database_leaves_the_records_to_the_next_start() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let foreign = fixture.locked().await;
    for _ in 0..300 {
        store.calls().record_ended(fixture.call());
    }
    store.inner.journal.close().await;
    foreign.close().await.unwrap();
    store.close().await;
    let store = fixture.open().await;
    assert_eq!(fixture.calls(&store).await, 300);
    fixture.end(store).await;
}

#[tokio::test]
async fn beyond_the_file_s_bound_records_wait_in_memory_and_then_are_dropped_and_counted() {
    let fixture = Fixture::new();
    let limit = 1024 * 1024;
    let change = |config: &mut config::Store| {
        (config.journal_spill_bytes, config.journal_capacity) = (limit, 10);
    };
    let store = fixture.open_with(change).await;
    let foreign = fixture.locked().await;
    let dropped = || store.inner.journal.dropped.0.load(Ordering::Relaxed);
    let mut written = 0;
    let deadline = Instant::now() + SOON;
    let full = limit as usize - 20_000;
    while fixture.spilled().len() < full || dropped() == 0 {
        assert!(Instant::now() < deadline, "never full");
        for _ in 0..5 {
            store.calls().record_ended(fixture.call());
            written += 1;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(fixture.spilled().len() <= limit as usize);
    foreign.close().await.unwrap();
    store.flush().await;
    let kept = fixture.calls(&store).await;
    assert_eq!(kept as u64 + dropped(), written);
    fixture.end(store).await;
}

#[tokio::test]
async fn a_record_that_the_database_refuses_does_not_hold_up_the_others() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let picky = match fixture.database {
        Some(_) => "ALTER TABLE calls ADD CONSTRAINT picky CHECK (from_party <> 'bad')",
        None => {
            "CREATE TRIGGER picky BEFORE INSERT ON calls WHEN NEW.from_party = 'bad' \
             BEGIN SELECT RAISE(ABORT, 'refused'); END"
        }
    };
    sqlx::raw_sql(picky).execute(store.inner.database.write()).await.unwrap();
    for number in 0..300 {
        let mut call = fixture.call();
        if number % 100 == 50 {
            "bad".clone_into(&mut call.from);
        }
        store.calls().record_ended(call);
    }
    store.flush().await;
    assert_eq!(fixture.calls(&store).await, 297);
    assert_eq!(store.inner.journal.dropped.0.load(Ordering::Relaxed), 3);
    fixture.end(store).await;
}

#[tokio::test]
async fn one_data_directory_is_open_once() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let second = Store::open(&fixture.config()).await;
    assert!(matches!(second, Err(crate::store::Error::Locked { .. })));
    store.close().await;
    let store = fixture.open().await;
    fixture.end(store).await;
}

#[test]
fn a_line_longer_than_a_chunk_is_read_whole() {
    let fixture = Fixture::new();
    std::fs::create_dir_all(&fixture.dir).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut spill = Spill::open(&fixture.dir, u64::MAX).unwrap();
        let mut long = fixture.call();
        long.from = "x".repeat(1_000_000);
        let records = [long.clone(), fixture.call()].map(|call| Record::Call(Box::new(call)));
        assert!(spill.append(&records).await);
        let mut froms = Vec::new();
        while let Some(rest) = spill.rest() {
            let (records, position) = rest.next().await.unwrap();
            for record in records {
                let Record::Call(call) = record else { panic!("a call") };
                froms.push(call.from.len());
            }
            spill.committed(position).await;
        }
        assert_eq!(froms, [1_000_000, 1]);
        assert_eq!(spill.written(), 0);
    });
    std::fs::remove_dir_all(&fixture.dir).unwrap();
}

/// Runs itself again in a process whose files may not grow beyond a megabyte: as on a full disk, a part of
/// what is too much is written.
#[test]
fn of_what_could_not_be_written_nothing_is_read_back() {
    const NAME: &str = "store::journal::tests::of_what_could_not_be_written_nothing_is_read_back";
    const FULL: &str = "TRUNKLINE_TEST_DISK_IS_FULL";
    if std::env::var_os(FULL).is_none() {
        let limited = "trap '' XFSZ; ulimit -f 1000 && exec \"$@\"";
        let mut again = std::process::Command::new("sh");
        again.args(["-c", limited, "sh"]).arg(std::env::current_exe().unwrap());
        let output = again.args(["--exact", NAME]).env(FULL, "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let fixture = Fixture::new();
    std::fs::create_dir_all(&fixture.dir).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let left = runtime.block_on(async {
        let mut spill = Spill::open(&fixture.dir, u64::MAX).unwrap();
        let call = |from: &str| {
            let mut call = fixture.call();
            from.clone_into(&mut call.from);
            Record::Call(Box::new(call))
        };
        let many: Vec<_> = (0..3000).map(|_| call("stale")).collect();
        assert!(!spill.append(&many).await);
        assert!(spill.append(&[call("new")]).await);
        let mut spill = Spill::open(&fixture.dir, u64::MAX).unwrap();
        let mut left = Vec::new();
        while let Some(rest) = spill.rest() {
            let (records, position) = rest.next().await.unwrap();
            left.extend(records.into_iter().map(|record| match record {
                Record::Call(call) => call.from,
                _ => String::new(),
            }));
            spill.committed(position).await;
        }
        left
    });
    std::fs::remove_dir_all(&fixture.dir).unwrap();
    assert_eq!(left, ["new"]);
}

#[test]
fn every_record_reads_back_as_it_was() {
    fn back<T: Serialize + serde::de::DeserializeOwned>(value: &T) -> T {
        serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
    }
    let fixture = Fixture::new();
    let call = fixture.call();
    assert_eq!(back(&call), call);
    let alert = fixture.alert();
    assert_eq!(back(&alert), alert);
    let registered = fixture.registered("<sip:a@b>");
    assert_eq!(back(&registered), registered);
    let moment = serde_json::from_str::<Timestamp>("-1");
    assert!(moment.is_err());
}
