//! Calls per second: how fast `sipp` gets calls set up and torn down (INVITE, 200, ACK, BYE, 200).
//!
//! The calls go to a phone number whose application is stored with it (answer, then wait), so no
//! webhook is in the figure, and no RTP is sent; what a call needs is made all the same: ports, a
//! participant, a record. The rate is doubled until calls fail, then narrowed down. A rate is held
//! when every call went through, `sipp` could offer it, no more than one message in a hundred had to be
//! sent again, and the server did not run into debt: all the work that the calls made for it, the
//! records it writes afterwards included, fits into their time. The highest such rate is the answer.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use serde_json::json;
use support::temp_dir::TempDir;
use support::{Server, Tenant, ports, wait};

use crate::args::Args;
use crate::pin::{self, Pins};
use crate::proc::{self, CpuTime, Machine};
use crate::spread::{Spread, round};

const SCENARIO: &str = include_str!("../sipp/cps.xml");
const NUMBER: &str = "15550100";
/// RTP ports of the server: two for each call that stands at one time.
const RTP_PORTS: u16 = 8_000;
/// Narrowed down to this part of the rate.
const RESOLUTION: f64 = 0.05;
/// A rate counts as offered when `sipp` came this near.
const OFFERED: f64 = 0.97;
const TRIES: u32 = 2;
/// The server must have forgotten a trial's calls by then.
const REST_LIMIT: Duration = Duration::from_secs(90);

/// All that was tried, and the highest rate that was held.
#[derive(Debug, Serialize)]
pub(crate) struct Found {
    /// Calls per second; 0 when none was held.
    pub(crate) held: u32,
    machine: Machine,
    /// Whether server and generator had a processor each.
    pinned: bool,
    trials: Vec<Trial>,
}

/// One run at one rate.
#[derive(Debug, Clone, Serialize)]
struct Trial {
    asked_per_second: u32,
    offered_per_second: f64,
    calls: u64,
    failed: u64,
    retransmissions: u64,
    held: bool,
    /// CPU time of the server for one call, all its threads together.
    server_us_per_call: f64,
    server_percent_of_a_core: f64,
    /// The same by thread name, of those that spent at least 1 µs a call.
    server_us_per_call_by_thread: Vec<(String, f64)>,
    sipp_percent_of_a_core: f64,
    /// From INVITE to 200.
    set_up_ms: Spread,
    server_resident_mib: u64,
}

/// Searches from `args.cps_from` calls a second on.
///
/// # Errors
/// When server or `sipp` cannot be started, or a trial's figures cannot be read.
pub(crate) fn run(args: &Args, pins: Option<Pins>) -> Result<Found> {
    let mut found =
        Found { held: 0, machine: Machine::here(), pinned: pins.is_some(), trials: Vec::new() };
    let (mut rate, mut failed_at) = (args.cps_from, None);
    loop {
        if holds(args, pins, rate, &mut found.trials)? {
            found.held = rate;
        } else {
            failed_at = Some(rate);
        }
        match next_rate(found.held, failed_at, args.cps_to) {
            Some(next) => rate = next,
            None => return Ok(found),
        }
    }
}

/// A few lines for people.
pub(crate) fn text(found: &Found) -> String {
    let best = found.trials.iter().rev().find(|trial| trial.held);
    let Some(best) = best.filter(|_| found.held > 0) else {
        return "no rate was held".to_owned();
    };
    format!(
        "{} calls/s held: {:.0} us of CPU per call ({:.0} % of a core), {} of {} messages sent again, \
         set up in {:.1} ms (p50), {:.1} ms (p99)",
        found.held,
        best.server_us_per_call,
        best.server_percent_of_a_core,
        best.retransmissions,
        best.calls * 3,
        best.set_up_ms.p50,
        best.set_up_ms.p99,
    )
}

/// The rate to try next, `None` when the limit is known well enough.
fn next_rate(held: u32, failed_at: Option<u32>, highest: u32) -> Option<u32> {
    match failed_at {
        None => (held < highest).then(|| (held * 2).min(highest)),
        Some(failed_at) => {
            let step = (f64::from(failed_at) * RESOLUTION) as u32;
            let middle = held + (failed_at - held) / 2;
            (failed_at - held > step.max(10)).then_some(middle)
        }
    }
}

/// Tried again once before it counts as failed: one stall of a shared machine is not the limit.
fn holds(args: &Args, pins: Option<Pins>, rate: u32, trials: &mut Vec<Trial>) -> Result<bool> {
    let cores = if pins.is_some() { 1 } else { Machine::here().cores };
    for _ in 0..TRIES {
        let trial = match Bench::start(args, pins)?.trial(rate, args.seconds, cores) {
            Ok(trial) => trial,
            // The first rate shows that all is in place; beyond the limit nothing may end in time.
            Err(error) if !trials.is_empty() => {
                eprintln!("{rate} calls/s asked: not held: {error:#}");
                continue;
            }
            Err(error) => return Err(error),
        };
        eprintln!(
            "{rate} calls/s asked: {:.0} offered, {} of {} failed, {} sent again, {:.0} us a call, \
             server at {:.0} % of a core, sipp at {:.0} %",
            trial.offered_per_second,
            trial.failed,
            trial.calls,
            trial.retransmissions,
            trial.server_us_per_call,
            trial.server_percent_of_a_core,
            trial.sipp_percent_of_a_core,
        );
        let held = trial.held;
        trials.push(trial);
        if held {
            return Ok(true);
        }
    }
    Ok(false)
}

struct Bench {
    server: Server,
    tenant: Tenant,
    dir: TempDir,
}

impl Bench {
    /// A server of its own for every trial: what one has left behind is no load for the next.
    fn start(args: &Args, pins: Option<Pins>) -> Result<Self> {
        if let Some(pins) = pins {
            // What is started from here on inherits the server's processor.
            pin::this_thread(pins.server)?;
        }
        let bench = Self::provisioned(args)?;
        if let Some(pins) = pins {
            pin::process(bench.server.pid(), pins.server)?;
            pin::this_thread(pins.own)?;
        }
        Ok(bench)
    }

    fn provisioned(args: &Args) -> Result<Self> {
        let binary = args.spawn.clone().flatten().map_or_else(beside_us, Ok)?;
        let env = [
            ("TRUNKLINE_LOG", "warn"),
            // All calls come from one address.
            ("TRUNKLINE__SIP__RATE_PER_SECOND", "1000000"),
            ("TRUNKLINE__SIP__RATE_BURST", "1000000"),
        ];
        let server = Server::start(binary.canonicalize()?, &env, RTP_PORTS)?;
        let tenant = Tenant::provision(&server.admin(), "cps").context("provision a tenant")?;
        let verbs = json!([{ "verb": "answer" }, { "verb": "pause", "length": 20 }]);
        let application = tenant.rest.post(
            "/v1/Applications",
            &json!({
                "name": "cps",
                "account_sid": tenant.account_sid,
                // Not asked: the verbs stand in its place.
                "call_hook": { "url": "http://127.0.0.1:9/", "method": "POST" },
                "app_json": verbs.to_string(),
            }),
        )?;
        tenant.number(NUMBER, &application.sid()?)?;
        let dir = TempDir::new("cps")?;
        fs::write(dir.path().join("cps.xml"), SCENARIO)?;
        Ok(Self { server, tenant, dir })
    }

    /// `cores`: those the server may use.
    fn trial(&self, rate: u32, seconds: u32, cores: usize) -> Result<Trial> {
        let pid = self.server.pid();
        let calls = u64::from(rate) * u64::from(seconds);
        let before = CpuTime::of(pid)?;
        let played = self.sipp(self.server.sip(), rate, calls, seconds)?;
        let resident = proc::resident_kib(pid).unwrap_or_default();
        // What a call leaves behind is part of its cost.
        self.wait_idle()?;
        let spent = CpuTime::of(pid)?.since(&before);
        let stat = Stat::read(&played.dir.join("stat.csv"))?;
        let (failed, sent_again) =
            (stat.number("FailedCall(C)")?, stat.number("Retransmissions(C)")?);
        let done = stat.number("SuccessfulCall(C)")?;
        let offered = calls as f64 / played.seconds;
        let per_call = |us: u64| us as f64 / calls as f64;
        let mut by_thread: Vec<(String, f64)> = spent
            .by_thread_us
            .iter()
            .map(|(name, &us)| (name.clone(), round(per_call(us))))
            .collect();
        by_thread.retain(|(_, us)| *us >= 1.0);
        by_thread.sort_by(|a, b| b.1.total_cmp(&a.1));
        Ok(Trial {
            asked_per_second: rate,
            offered_per_second: round(offered),
            calls,
            failed,
            retransmissions: sent_again,
            held: done == calls
                && failed == 0
                && offered >= OFFERED * f64::from(rate)
                && per_call(spent.us()) * f64::from(rate) <= 1e6 * cores as f64
                && sent_again * 100 <= calls * 3,
            server_us_per_call: round(per_call(spent.us())),
            server_percent_of_a_core: round(per_call(spent.us()) * f64::from(rate) / 10_000.0),
            server_us_per_call_by_thread: by_thread,
            sipp_percent_of_a_core: round(played.cpu_us as f64 / played.seconds / 10_000.0),
            set_up_ms: Spread::of(response_times(&played.dir)?.into_iter()),
            server_resident_mib: resident / 1_024,
        })
    }

    fn sipp(&self, server: SocketAddr, rate: u32, calls: u64, seconds: u32) -> Result<Played> {
        let dir = self.dir.path().join(format!("{rate}-{}", ports::free_block(1)));
        fs::create_dir(&dir)?;
        let screen = File::create(dir.join("screen"))?;
        let limit = seconds + 40;
        let started = std::time::Instant::now();
        let mut child = Command::new("sipp")
            .current_dir(&dir)
            .arg(server.to_string())
            .args(["-sf", "../cps.xml", "-s", NUMBER, "-i", "127.0.0.1", "-nostdin"])
            .args(["-p", &ports::free_block(10).to_string()])
            .args(["-r", &rate.to_string(), "-m", &calls.to_string(), "-l", "20000"])
            .args(["-trace_stat", "-stf", "stat.csv", "-fd", "1"])
            .args(["-trace_rtt", "-rtt_freq", "50"])
            .args(["-timeout", &format!("{limit}s"), "-buff_size", "4194304"])
            .stdin(Stdio::null())
            .stdout(screen.try_clone()?)
            .stderr(screen)
            .spawn()
            .context("start sipp (Debian package sip-tester)")?;
        let mut cpu_us = 0;
        let ended = wait::until(Duration::from_secs(u64::from(limit) + 10), || {
            if let Ok(time) = CpuTime::of(child.id()) {
                cpu_us = cpu_us.max(time.us());
            }
            child.try_wait().ok().flatten()
        });
        let Some(status) = ended else {
            child.kill()?;
            child.wait()?;
            bail!("sipp has not ended within {limit} s");
        };
        // 0: all calls well, 1: some failed, 97: the time was over.
        ensure!(
            matches!(status.code(), Some(0 | 1 | 97 | 99)),
            "sipp ended with {status}\n{}",
            fs::read_to_string(dir.join("screen")).unwrap_or_default()
        );
        Ok(Played { dir, seconds: started.elapsed().as_secs_f64(), cpu_us })
    }

    fn wait_idle(&self) -> Result<()> {
        let path = self.tenant.path("/CallCount");
        let idle = wait::until(REST_LIMIT, || {
            let answer = self.tenant.rest.get(&path).ok()?;
            (answer.json["inbound"] == 0).then_some(())
        });
        idle.with_context(|| format!("calls are left after {REST_LIMIT:?}"))
    }
}

struct Played {
    dir: PathBuf,
    seconds: f64,
    cpu_us: u64,
}

/// The last line of the statistics of `sipp`, by the names in its first.
struct Stat {
    names: Vec<String>,
    values: Vec<String>,
}

impl Stat {
    fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).context("sipp wrote no statistics")?;
        let cells = |line: &str| line.split(';').map(|cell| cell.trim().to_owned()).collect();
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        let names = lines.next().map(cells).context("empty statistics")?;
        let values = lines.next_back().map(cells).context("statistics without figures")?;
        Ok(Self { names, values })
    }

    fn number(&self, name: &str) -> Result<u64> {
        let at = self.names.iter().position(|found| found == name);
        let value = at.and_then(|at| self.values.get(at)?.parse().ok());
        value.with_context(|| format!("no {name} in the statistics"))
    }
}

/// Times from INVITE to 200, in milliseconds.
fn response_times(dir: &Path) -> Result<Vec<f64>> {
    let files = fs::read_dir(dir)?.flatten().map(|entry| entry.path());
    let file = files.into_iter().find(|path| path.to_string_lossy().ends_with("_rtt.csv"));
    let text = fs::read_to_string(file.context("sipp wrote no response times")?)?;
    let times = text.lines().skip(1).filter_map(|line| line.split(';').nth(1)?.trim().parse().ok());
    Ok(times.collect())
}

fn beside_us() -> Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("trunkline"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_doubles_then_narrows_down_to_five_in_a_hundred() {
        let (mut held, mut failed_at, mut rate, mut tried) = (0, None, 500, Vec::new());
        loop {
            tried.push(rate);
            if rate <= 1_730 {
                held = rate
            } else {
                failed_at = Some(rate)
            }
            let Some(next) = next_rate(held, failed_at, 20_000) else { break };
            rate = next;
        }
        assert_eq!(tried[..3], [500, 1_000, 2_000]);
        assert!((1_630..=1_730).contains(&held), "{held}: {tried:?}");
        assert_eq!(next_rate(0, Some(10), 100), None);
        assert_eq!(next_rate(100, None, 100), None);
    }

    #[test]
    fn figures_are_found_by_their_name_in_the_last_line() {
        let dir = TempDir::new("stat").unwrap();
        let path = dir.path().join("stat.csv");
        fs::write(&path, "A(C);FailedCall(C);\n1;2;\n3;4;\n").unwrap();
        assert_eq!(Stat::read(&path).unwrap().number("FailedCall(C)").unwrap(), 4);
        assert!(Stat::read(&path).unwrap().number("B").is_err());
    }
}
