//! A store of the oldest shape with a million call records: how long this version takes to open it,
//! how fast records are added to it then, and how fast its lists are over REST. `make upgrade`;
//! the argument `--rows N` makes it smaller. Not a criterion bench: an upgrade happens once.

use std::borrow::Cow;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{Connection as _, SqliteConnection};
use support::temp_dir::TempDir;
use support::{Rest, Server};
use trunkline::config;
use trunkline::model::{AccountSid, CallRecord, CallSid, Direction, Timestamp};
use trunkline::store::Store;

/// The shape it is made in.
const OLD_MIGRATIONS: i64 = 3;
/// Calls are spread over so much time.
const YEAR_MS: i64 = 360 * 86_400_000;
const REQUESTS: usize = 200;
/// For requests that read every record.
const SLOW_REQUESTS: usize = 30;
const ADDED: usize = 50_000;

const ACCOUNT: &str = "11111111-0000-4000-8000-000000000001";
const OTHER: &str = "11111111-0000-4000-8000-000000000002";
const PROVIDER: &str = "22222222-0000-4000-8000-000000000001";

fn main() -> anyhow::Result<()> {
    let rows = rows();
    let dir = TempDir::new("upgrade")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let config = config::Store {
        data_dir: dir.path().to_owned(),
        // Retention is not what is measured.
        keep_calls: Duration::ZERO,
        ..config::Store::default()
    };
    println!("machine: {}", machine());
    runtime.block_on(make(&dir.path().join("trunkline.db"), rows))?;
    println!("rows: {rows} calls, {} MB", size(dir.path()) / 1_000_000);
    runtime.block_on(async {
        let begin = Instant::now();
        let store = Store::open(&config).await?;
        println!(
            "upgrade: {:.2} s, {} MB",
            begin.elapsed().as_secs_f64(),
            size(dir.path()) / 1_000_000
        );
        store.close().await;
        let begin = Instant::now();
        let store = Store::open(&config).await?;
        println!("second open: {:.3} s", begin.elapsed().as_secs_f64());
        add(&store).await;
        store.close().await;
        anyhow::Ok(())
    })?;
    read(dir.path())
}

fn rows() -> i64 {
    let arguments: Vec<String> = std::env::args().collect();
    let given = arguments.windows(2).find(|pair| pair[0] == "--rows");
    given.and_then(|pair| pair[1].parse().ok()).unwrap_or(1_000_000)
}

/// What an older version would have left: four fifths of the calls are of one account.
async fn make(file: &Path, rows: i64) -> anyhow::Result<()> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal);
    let mut old = SqliteConnection::connect_with(&options).await?;
    let mut migrator: Migrator = sqlx::migrate!();
    let first = migrator.migrations.iter().filter(|migration| migration.version <= OLD_MIGRATIONS);
    migrator.migrations = Cow::Owned(first.cloned().collect());
    migrator.run(&mut old).await?;
    let from = Timestamp::now().as_millis() - YEAR_MS;
    sqlx::query(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $1), \
         r AS (SELECT i, lower(hex(randomblob(16))) AS x, lower(hex(randomblob(16))) AS y, \
         $2 + i * ($3 / $1) AS at FROM n) \
         INSERT INTO calls (call_sid, account_sid, service_provider_sid, application_sid, \
         direction, from_party, to_party, trunk, sip_callid, host, remote_host, attempted_at, \
         answered_at, terminated_at, call_status, sip_status, sip_reason, termination_reason, \
         call_termination_by) \
         SELECT substr(x, 1, 8) || '-' || substr(x, 9, 4) || '-4' || substr(x, 14, 3) || '-8' || \
         substr(x, 18, 3) || '-' || substr(x, 21), CASE i % 5 WHEN 0 THEN $4 ELSE $5 END, $6, \
         substr(y, 1, 8) || '-' || substr(y, 9, 4) || '-4' || substr(y, 14, 3) || '-8' || \
         substr(y, 18, 3) || '-' || substr(y, 21), \
         CASE i % 3 WHEN 0 THEN 'outbound' ELSE 'inbound' END, '+1508555' || (1000 + i % 9000), \
         '+44207' || (1000000 + i % 1000000), 'carrier', y || '@10.0.0.1', '10.0.0.1:5060', \
         '198.51.100.7:5060', at, CASE i % 4 WHEN 0 THEN NULL ELSE at + 2000 END, at + 62000, \
         'completed', 200, 'OK', 'caller hungup', 'caller' FROM r",
    )
    .bind(rows)
    .bind(from)
    .bind(YEAR_MS)
    .bind(OTHER)
    .bind(ACCOUNT)
    .bind(PROVIDER)
    .execute(&mut old)
    .await?;
    old.close().await?;
    Ok(())
}

/// What the journal takes, with the store as large as it is.
async fn add(store: &Store) {
    let account = AccountSid::parse(ACCOUNT).expect("a sid");
    let before = cpu();
    let begin = Instant::now();
    for number in 0..ADDED {
        store.calls().record_ended(record(account, number));
        // No more than the journal's channel holds.
        if number % 8192 == 8191 {
            store.flush().await;
        }
    }
    store.flush().await;
    let (wall, cpu) = (begin.elapsed().as_secs_f64(), (cpu() - before).as_secs_f64());
    println!(
        "adding {ADDED} records: {:.0} a second, {:.1} µs of CPU each",
        ADDED as f64 / wall,
        cpu * 1e6 / ADDED as f64
    );
}

fn record(account_sid: AccountSid, number: usize) -> CallRecord {
    let now = Timestamp::now();
    CallRecord {
        call_sid: CallSid::random(),
        account_sid,
        service_provider_sid: None,
        application_sid: None,
        parent_call_sid: None,
        direction: Direction::Inbound,
        from: format!("+1508555{}", 1000 + number % 9000),
        to: "+442071000000".to_owned(),
        caller_name: None,
        trunk: Some("carrier".to_owned()),
        sip_callid: CallSid::random().to_string(),
        sip_parent_callid: None,
        host: Some("10.0.0.1:5060".to_owned()),
        remote_host: Some("198.51.100.7:5060".to_owned()),
        attempted_at: now,
        answered_at: Some(now),
        terminated_at: now,
        call_status: "completed".to_owned(),
        sip_status: 200,
        sip_reason: Some("OK".to_owned()),
        termination_reason: Some("caller hungup".to_owned()),
        call_termination_by: Some("caller".to_owned()),
        trace_id: None,
        customer_data: None,
    }
}

/// The lists of the larger account, as the server gives them.
fn read(dir: &Path) -> anyhow::Result<()> {
    let dir = dir.to_str().expect("a path in UTF-8");
    let environment = [
        ("TRUNKLINE_DATA_DIR", dir),
        ("TRUNKLINE_LOG", "warn"),
        ("TRUNKLINE__STORE__KEEP_CALLS", "0s"),
    ];
    let server = Server::start(env!("CARGO_BIN_EXE_trunkline"), &environment, 20)?;
    let rest = server.admin();
    let queries = [
        ("page=1&count=25", REQUESTS),
        ("page=1&count=25&days=1", REQUESTS),
        ("page=1&count=25&days=30", REQUESTS),
        ("page=1&count=500", REQUESTS),
        ("page=30000&count=25", SLOW_REQUESTS),
        ("page=1&count=25&answered=false", SLOW_REQUESTS),
        ("page=1&count=25&days=30&direction=inbound", SLOW_REQUESTS),
        ("page=1&count=25&filter=5551234", SLOW_REQUESTS),
        ("page=1&count=25&filter=nobody", SLOW_REQUESTS),
        ("page=1&count=25&days=30&filter=5551234", SLOW_REQUESTS),
    ];
    println!("GET /v1/Accounts/…/RecentCalls, one after the other:");
    for (query, requests) in queries {
        let mut times = Vec::with_capacity(requests);
        let mut total = 0;
        for _ in 0..requests {
            let begin = Instant::now();
            total = get(&rest, query)?;
            times.push(begin.elapsed());
        }
        times.sort();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3;
        println!("  {query:<45} total {total:>8}  p50 {:>7.1} ms  p99 {:>7.1} ms", at(50), at(99));
    }
    Ok(())
}

fn get(rest: &Rest, query: &str) -> anyhow::Result<i64> {
    let answer = rest.get(&format!("/v1/Accounts/{ACCOUNT}/RecentCalls?{query}"))?;
    anyhow::ensure!(answer.status == 200, "{query}: {} {}", answer.status, answer.text);
    Ok(answer.json["total"].as_i64().unwrap_or(-1))
}

fn size(dir: &Path) -> u64 {
    let files = fs::read_dir(dir).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|data| data.len()).sum()
}

/// What this process has used so far, both in user mode and in the kernel.
fn cpu() -> Duration {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = text.rsplit(')').next().unwrap_or_default();
    let ticks: u64 =
        after.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    // Linux counts 100 of them a second for everybody.
    Duration::from_millis(ticks * 10)
}

fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let models = cpu.lines().filter_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    let model = models.clone().next().unwrap_or("?");
    format!("{} × {model}, Linux {}, load {}", models.count(), kernel.trim(), load.trim())
}
