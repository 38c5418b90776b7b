//! What REST costs, and whether it disturbs calls: while all callers of a run talk and are measured, one
//! kind of request after the other is sent to the server, as many as it answers and then at a steady rate.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::json;
use support::{Rest, Tenant};

use crate::args::Args;
use crate::http::{self, Answered, Ask, Pace};
use crate::pin;
use crate::proc::{CpuTime, Machine};
use crate::run::{Measured, Run};
use crate::seat;
use crate::spread::{Spread, millis, round};
use crate::target::{Door, Target};

/// Half of what one processor is to answer of what is stored.
const STEADY: f64 = 10_000.0;
/// Where the server answers less than twice that: a part of what it does.
const PART: f64 = 0.5;
/// Applications of the account whose list is asked for.
const LISTED: usize = 20;
/// Creates a second beside the reads.
const WRITES: f64 = 300.0;
const WRITING_CONNECTIONS: u32 = 4;
/// The window in which the calls are measured lies around that of the requests.
const MARGIN: Duration = Duration::from_millis(300);
/// The threads that serve HTTP, and those of SQLite, as Linux cuts their names.
const HTTP: &str = "http";
const SQLITE: &str = "sqlx-sqlite-wor";

#[derive(Debug, Serialize)]
pub(crate) struct RestReport {
    tool: String,
    machine: Machine,
    plan: String,
    calls: usize,
    listeners: usize,
    /// Callers and load generator have no processors of their own.
    shared_cores: usize,
    cases: Vec<Case>,
    pub(crate) passed: bool,
}

#[derive(Debug, Serialize)]
struct Case {
    what: &'static str,
    /// Each connection asks again when it is answered.
    closed: Load,
    /// At times laid down beforehand, by which delays count.
    open: Load,
}

#[derive(Debug, Serialize)]
struct Load {
    connections: u32,
    asked_per_second: Option<f64>,
    per_second: f64,
    /// For each second of processor time of the threads of HTTP and of the database.
    per_second_of_a_core: f64,
    http_us_per_request: f64,
    database_us_per_request: f64,
    body_bytes: u64,
    answer_ms: Spread,
    /// Answers that were not 2xx, by status.
    refused: BTreeMap<u16, u64>,
    broken_connections: u64,
    writes_beside: Option<Writes>,
    own_percent_of_a_core: f64,
    media: Media,
}

#[derive(Debug, Serialize)]
struct Writes {
    per_second: f64,
    answer_ms: Spread,
    failed: u64,
}

/// The calls meanwhile.
#[derive(Debug, Serialize)]
struct Media {
    packets_per_second_worst: f64,
    longest_gap_ms: f64,
    with_gap_over_60_ms: usize,
    lost: u64,
    /// Packets were dropped at full socket buffers, or this program was late itself.
    dropped_at_full_buffers: u64,
    own_lateness_ms: Spread,
    /// Mixes begun more than 5 ms after their time, and frames skipped, by the server's own count.
    ticks: u64,
    ticks_late: u64,
    ticks_skipped: u64,
}

/// # Errors
/// When the server cannot be started or asked.
pub(crate) fn run(args: &Args) -> Result<RestReport> {
    let target = Target::of(args, None)?;
    let (Some(server), Door::Sip(sip)) = (&target.server, &target.door) else {
        anyhow::bail!("--rest-load needs a server that is started here");
    };
    let tenant = sip.tenant.as_ref().context("no tenant")?;
    let other = Tenant::provision(&server.admin(), "writer")?;
    let mut run = Run::new(args, &target)?;
    // As far as it is granted: what it paces and stamps then does not wait for the requests' threads.
    pin::before_others();
    eprintln!("placing {} calls and {} listeners", args.calls, args.listeners);
    run.set_up(&target, args.rate)?;
    let standing = |run: &Run| run.seats.iter().filter(|seat| seat.media.is_sending()).count();
    let (calls, wanted) = (standing(&run), (args.calls + args.listeners) as usize);
    ensure!(calls == wanted, "{calls} of {wanted} calls stand");
    let bench = Bench { args, server: server.http(), pid: server.pid(), admin: server.admin() };
    let mut cases = Vec::new();
    for (what, ask, write) in questions(args, tenant, &other)? {
        let closed = bench.load(&mut run, &ask, write.as_ref(), None)?;
        let rate = (closed.per_second * PART).min(STEADY);
        let open = bench.load(&mut run, &ask, write.as_ref(), Some(rate))?;
        eprintln!(
            "{what}: {:.0} a second, {:.0} a second of a core",
            closed.per_second, closed.per_second_of_a_core
        );
        cases.push(Case { what, closed, open });
    }
    let all_stand = standing(&run) == wanted;
    run.hang_up(&target)?;
    let machine = Machine::here();
    let is_well = |case: &Case| [&case.closed, &case.open].into_iter().all(Load::is_well);
    Ok(RestReport {
        tool: concat!("trunkline-load ", env!("CARGO_PKG_VERSION")).to_owned(),
        plan: args.plan(),
        calls: args.calls as usize,
        listeners: args.listeners as usize,
        shared_cores: machine.cores,
        passed: all_stand && cases.iter().all(is_well),
        machine,
        cases,
    })
}

type Question = (&'static str, Ask, Option<Ask>);

/// What is asked one after the other, with what is written beside.
fn questions(args: &Args, tenant: &Tenant, other: &Tenant) -> Result<Vec<Question>> {
    let token = tenant.rest.token();
    let get = |path: &str| Ask::Same(http::request("GET", path, token, ""));
    let mut application = String::new();
    for number in 0..LISTED {
        let answer =
            tenant.rest.post("/v1/Applications", &new_application(tenant, number as u64))?;
        application = answer.sid()?;
    }
    let calls = tenant.rest.get(&tenant.path("/Calls"))?;
    let call = calls.json[0]["call_sid"].as_str().context("no call is shown")?;
    let list = tenant.path("/Applications");
    let call = tenant.path(&format!("/Calls/{call}"));
    let room = match args.listeners {
        0 if args.rooms == 1 => args.conference.clone(),
        0 => format!("{}-0", args.conference),
        _ => seat::listeners_room(args),
    };
    let members = tenant.path(&format!("/Conferences/{room}/Participants"));
    for path in [&list, &call, &members] {
        let answer = tenant.rest.get(path)?;
        ensure!(answer.status == 200, "GET {path}: {} {}", answer.status, answer.text);
    }
    let application = format!("/v1/Applications/{application}");
    // Names that begin with another letter for each use.
    let create = |letter: char| {
        let (tenant, token) = (other.clone(), other.rest.token().to_owned());
        Ask::Each(Box::new(move |number| {
            let mut body = new_application(&tenant, number);
            let unique = format!("{letter}{number}-{:?}", std::time::Instant::now());
            body["name"] = json!(unique);
            http::request("POST", "/v1/Applications", &token, &body.to_string())
        }))
    };
    Ok(vec![
        ("GET application", get(&application), None),
        ("GET 20 applications", get(&list), None),
        ("GET call", get(&call), None),
        ("GET participants", get(&members), None),
        ("POST application", create('a'), None),
        ("GET application, 300 POST/s beside", get(&application), Some(create('b'))),
    ])
}

fn new_application(tenant: &Tenant, number: u64) -> serde_json::Value {
    json!({
        "name": format!("application-{number}"),
        "account_sid": tenant.account_sid,
        "call_hook": { "url": "http://127.0.0.1:9/call", "method": "POST" },
        "call_status_hook": { "url": "http://127.0.0.1:9/status", "method": "POST" },
    })
}

struct Bench<'a> {
    args: &'a Args,
    server: SocketAddr,
    pid: u32,
    admin: Rest,
}

impl Bench<'_> {
    /// Loads for `--seconds`, closed or at `rate`, while the calls are measured.
    fn load(
        &self,
        run: &mut Run,
        ask: &Ask,
        write: Option<&Ask>,
        rate: Option<f64>,
    ) -> Result<Load> {
        let time = Duration::from_secs(self.args.seconds.into());
        let pace = Pace { connections: self.args.connections, time, rate };
        let writing = Pace { connections: WRITING_CONNECTIONS, time, rate: Some(WRITES) };
        let ticks_before = Ticks::of(&self.admin)?;
        let (measured, answered, written) = thread::scope(|scope| {
            let asking = scope.spawn(|| {
                thread::sleep(MARGIN);
                let before = CpuTime::of(self.pid)?;
                let answered = http::load(self.server, ask, pace)?;
                anyhow::Ok((answered, CpuTime::of(self.pid)?.since(&before)))
            });
            let write = write.map(|write| {
                scope.spawn(move || {
                    thread::sleep(MARGIN);
                    http::load(self.server, write, writing)
                })
            });
            let measured = run.measure(time + 2 * MARGIN, Some(self.pid))?;
            // What is not answered yet is waited for: the calls go on.
            while !(asking.is_finished() && write.as_ref().is_none_or(|write| write.is_finished()))
            {
                run.go_on(Duration::from_millis(20))?;
            }
            let ended = |_| anyhow::anyhow!("a thread of the load generator ended");
            let answered = asking.join().map_err(ended)??;
            let written = write.map(|write| write.join().map_err(ended)?).transpose()?;
            anyhow::Ok((measured, answered, written))
        })?;
        let ticks = Ticks::of(&self.admin)?.since(&ticks_before);
        let (answered, spent) = answered;
        Ok(Load::of(
            pace,
            &answered,
            &spent,
            written.as_ref(),
            Media::of(&measured, ticks),
            &measured,
        ))
    }
}

impl Load {
    fn of(
        pace: Pace,
        answered: &Answered,
        spent: &CpuTime,
        written: Option<&Answered>,
        media: Media,
        measured: &Measured,
    ) -> Self {
        let of_threads = |name| spent.by_thread_us.get(name).copied().unwrap_or(0) as f64;
        let (http_us, database_us) = (of_threads(HTTP), of_threads(SQLITE));
        let all = (answered.good + answered.other.values().sum::<u64>()).max(1) as f64;
        let rate = |answered: &Answered| round(answered.good as f64 / answered.took.as_secs_f64());
        Self {
            connections: pace.connections,
            asked_per_second: pace.rate.map(round),
            per_second: rate(answered),
            per_second_of_a_core: round(all / ((http_us + database_us).max(1.0) / 1e6)),
            http_us_per_request: round(http_us / all),
            database_us_per_request: round(database_us / all),
            body_bytes: answered.bytes / all as u64,
            answer_ms: answered.ms.clone(),
            refused: answered.other.clone(),
            broken_connections: answered.broken,
            writes_beside: written.map(|written| Writes {
                per_second: rate(written),
                answer_ms: written.ms.clone(),
                failed: written.other.values().sum::<u64>() + written.broken,
            }),
            own_percent_of_a_core: round(
                measured.own.us() as f64 / measured.length.as_micros().max(1) as f64 * 100.0,
            ),
            media,
        }
    }

    /// All was answered, and every caller heard every frame.
    fn is_well(&self) -> bool {
        let media = &self.media;
        let answers = self.refused.is_empty() && self.broken_connections == 0;
        let writes = self.writes_beside.as_ref().is_none_or(|writes| writes.failed == 0);
        answers
            && writes
            && media.with_gap_over_60_ms == 0
            && media.lost == 0
            && media.ticks_skipped == 0
    }
}

impl Media {
    fn of(measured: &Measured, ticks: Ticks) -> Self {
        let windows = &measured.windows;
        let rates = windows.iter().map(|w| w.packets as f64 / measured.length.as_secs_f64());
        let gaps = || windows.iter().map(|window| millis(window.longest_gap));
        Self {
            packets_per_second_worst: round(rates.reduce(f64::min).unwrap_or(0.0)),
            longest_gap_ms: round(gaps().fold(0.0, f64::max)),
            with_gap_over_60_ms: gaps().filter(|ms| *ms > 60.0).count(),
            lost: windows.iter().map(|window| window.lost).sum(),
            dropped_at_full_buffers: measured.full_buffers,
            own_lateness_ms: measured.lateness.clone(),
            ticks: ticks.all,
            ticks_late: ticks.late,
            ticks_skipped: ticks.skipped,
        }
    }
}

/// The server's count of its mixes, and of those that were not on time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ticks {
    all: u64,
    late: u64,
    skipped: u64,
}

impl Ticks {
    fn of(admin: &Rest) -> Result<Self> {
        Ok(Self::read(&admin.get("/metrics")?.text))
    }

    /// A counter that was never counted up is not shown.
    fn read(metrics: &str) -> Self {
        let count = |name: &str| {
            let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            value.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
        };
        Self {
            all: count("mixer_ticks_total"),
            late: count("mixer_ticks_late_total"),
            skipped: count("mixer_ticks_skipped_total"),
        }
    }

    fn since(self, earlier: &Self) -> Self {
        Self {
            all: self.all - earlier.all,
            late: self.late - earlier.late,
            skipped: self.skipped - earlier.skipped,
        }
    }
}

impl RestReport {
    /// For people.
    pub(crate) fn table(&self) -> String {
        let mut table = format!(
            "{} calls, {} listeners; server, callers and load generator share {} processors\n\
             {:<36} {:>9} {:>9} {:>9} {:>8} {:>8} {:>8} {:>7} {:>7} {:>6} {:>5} {:>9}\n",
            self.calls,
            self.listeners,
            self.shared_cores,
            "",
            "asked/s",
            "done/s",
            "per core",
            "p50 ms",
            "p99 ms",
            "max ms",
            "not 2xx",
            "gap ms",
            "late",
            "lost",
            "own CPU %",
        );
        for case in &self.cases {
            for (how, load) in [("", &case.closed), (" (steady)", &case.open)] {
                let (ms, media) = (&load.answer_ms, &load.media);
                let asked = load
                    .asked_per_second
                    .map_or_else(|| "all".to_owned(), |rate| format!("{rate:.0}"));
                let failed = load.refused.values().sum::<u64>() + load.broken_connections;
                // Writing to a String cannot fail.
                let _ = writeln!(
                    table,
                    "{:<36} {asked:>9} {:>9.0} {:>9.0} {:>8.2} {:>8.2} {:>8.1} {failed:>7} {:>7.1} {:>6} {:>5} {:>9.0}",
                    format!("{}{how}", case.what),
                    load.per_second,
                    load.per_second_of_a_core,
                    ms.p50,
                    ms.p99,
                    ms.max,
                    media.longest_gap_ms,
                    media.ticks_late + media.ticks_skipped,
                    media.lost,
                    load.own_percent_of_a_core,
                );
                if let Some(writes) = &load.writes_beside {
                    let _ = writeln!(
                        table,
                        "  the POSTs: {:.0}/s, p50 {:.2} ms, p99 {:.2}, max {:.1}, {} failed",
                        writes.per_second,
                        writes.answer_ms.p50,
                        writes.answer_ms.p99,
                        writes.answer_ms.max,
                        writes.failed,
                    );
                }
            }
        }
        let _ = write!(table, "{}", self.machine);
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_read_from_the_metrics() {
        let metrics =
            "# TYPE mixer_ticks_total counter\nmixer_ticks_total 120\n\nmixer_ticks_late_total 3\n";
        let ticks = Ticks::read(metrics);
        assert_eq!(ticks, Ticks { all: 120, late: 3, skipped: 0 });
        let later = Ticks { all: 150, late: 4, skipped: 1 };
        assert_eq!(later.since(&ticks), Ticks { all: 30, late: 1, skipped: 1 });
    }
}
