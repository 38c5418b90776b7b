//! Coming and going: one room, half of whose members stay and are measured while the others join and leave
//! all the time. At the end the room is deleted over REST, and everybody must be released.
//!
//! Gaps are shown as they came and judged less the time for which the machine stood still.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use crate::args::Args;
use crate::caller::Caller;
use crate::pin::Pins;
use crate::proc::Machine;
use crate::reception::LONG_GAP;
use crate::run::Run;
use crate::seat;
use crate::spread::{Spread, millis, round};
use crate::stalls::Watch;
use crate::target::{Door, Target};

/// How soon everybody is to be released.
const RELEASE: Duration = Duration::from_secs(1);
/// Seats beyond the members, for calls that are just ending.
const SPARE_SECONDS: u32 = 2;
/// Longest wait for what is on its way when the churn ends, and for the last BYE.
const PATIENCE: Duration = Duration::from_secs(10);
const SHOWN_FAILURES: usize = 5;

#[derive(Debug, Serialize)]
pub(crate) struct ChurnReport {
    tool: String,
    machine: Machine,
    members: u32,
    seconds: f64,
    joins: u64,
    leaves: u64,
    /// INVITE to 200 of those who came.
    join_ms: Spread,
    /// Calls that were not answered, or ended before they were hung up; with a few of the reasons.
    failed: u64,
    failures: Vec<String>,
    /// Of those who stayed.
    stayed: usize,
    longest_gap_ms: f64,
    with_gap_over_40_ms: usize,
    /// The same without the machine's stalls; and those.
    longest_gap_but_for_stalls_ms: f64,
    with_gap_over_40_ms_but_for_stalls: usize,
    machine_longest_stall_ms: f64,
    machine_stalls_ms: f64,
    lost: u64,
    packets_per_second_worst: f64,
    /// Members the server showed once the churn was over, and calls that stood.
    shown_at_the_end: usize,
    standing_at_the_end: usize,
    /// From DELETE to the last BYE.
    released_ms: f64,
    not_released: usize,
    calls_left: u64,
    failed_inside: u64,
    server_percent_of_a_core: f64,
    server_resident_mib: f64,
    own_lateness_ms: Spread,
    dropped_at_full_buffers: u64,
    pub(crate) passed: bool,
}

/// Who comes and goes.
struct Churn {
    uri: String,
    every: Duration,
    next: Instant,
    /// Inside or on their way in, the longest first.
    inside: VecDeque<usize>,
    outside: VecDeque<usize>,
    joins: u64,
    leaves: u64,
    join_ms: Vec<f64>,
    failures: Vec<String>,
    failed: u64,
}

/// # Errors
/// When the run cannot be made.
pub(crate) fn run(args: &Args, rate: u32, pins: Option<Pins>) -> Result<ChurnReport> {
    let spare = rate * SPARE_SECONDS;
    let whole = Args { calls: args.calls + spare, rooms: 1, ..args.clone() };
    let target = Target::of(&whole, pins)?;
    let (Some(server), Door::Sip(sip)) = (&target.server, &target.door) else {
        bail!("--churn needs a server that is started here");
    };
    let tenant = sip.tenant.as_ref().context("no tenant")?;
    let room = tenant.path(&format!("/Conferences/{}", args.conference));
    let mut run = Run::new(&whole, &target)?;
    let (members, stayers) = (args.calls as usize, args.calls as usize / 2);
    run.call_first(members, args.rate)?;
    let standing = run.callers().iter().filter(|caller| caller.is_connected()).count();
    ensure!(standing == members, "{standing} of {members} calls stand");
    run.go_on(Duration::from_secs(2))?;
    eprintln!("{standing} calls stand; {rate} join and leave a second for {} s", args.seconds);
    let mut churn = Churn {
        uri: seat::room_uri(&whole, Some(0), &sip.domain),
        every: Duration::from_secs(1) / rate.max(1),
        next: Instant::now(),
        inside: (stayers..members).collect(),
        outside: (members..members + spare as usize).collect(),
        joins: 0,
        leaves: 0,
        join_ms: Vec::new(),
        failures: Vec::new(),
        failed: 0,
    };
    let length = Duration::from_secs(args.seconds.into());
    let watch = Watch::begin(Machine::here().cores);
    let measured = run.measure_first(stayers, length, target.pid, |run| churn.turn(run))?;
    let stalls = watch.end();
    let ended = Instant::now();
    while ended.elapsed() < PATIENCE && !run.callers().iter().all(|c| c.is_settled() || c.is_gone())
    {
        run.one_turn()?;
    }
    for number in stayers..members + spare as usize {
        churn.close(&run, number);
    }
    let standing = run.callers().iter().filter(|caller| caller.is_connected()).count();
    let shown = shown(&tenant.rest, &room)?;
    let (rest, path) = (tenant.rest.clone(), room.clone());
    let deleted = Instant::now();
    let deleting = thread::spawn(move || rest.delete(&path));
    while deleted.elapsed() < PATIENCE && run.callers().iter().any(Caller::is_connected) {
        run.one_turn()?;
    }
    let released = deleted.elapsed();
    let answer = deleting.join().map_err(|_| anyhow::anyhow!("DELETE ended"))??;
    ensure!(answer.status == 204, "DELETE {room}: {} {}", answer.status, answer.text);
    let not_released = run.callers().iter().filter(|caller| caller.is_connected()).count();
    run.go_on(Duration::from_millis(500))?;
    let left = tenant.rest.get(&tenant.path("/CallCount"))?.json;
    let metrics = server.admin().get("/metrics")?.text;
    let counted = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    };
    let gaps = || measured.windows.iter().map(|window| window.longest_gap);
    let own_gaps = || {
        measured.windows.iter().map(|window| {
            let long = window.long_gaps.iter().map(|gap| stalls.without(gap)).max();
            long.unwrap_or_default().max(window.longest_short_gap)
        })
    };
    let longest =
        |gaps: &mut dyn Iterator<Item = Duration>| round(gaps.map(millis).fold(0.0, f64::max));
    let seconds = measured.length.as_secs_f64();
    let rates = measured.windows.iter().map(|window| window.packets as f64 / seconds);
    let server_us = measured.server.as_ref().map_or(0, crate::proc::CpuTime::us);
    let mut report = ChurnReport {
        tool: concat!("trunkline-load ", env!("CARGO_PKG_VERSION")).to_owned(),
        machine: Machine::here(),
        members: args.calls,
        seconds: round(seconds),
        joins: churn.joins,
        leaves: churn.leaves,
        join_ms: Spread::of(churn.join_ms.into_iter()),
        failed: churn.failed,
        failures: churn.failures,
        stayed: measured.windows.len(),
        longest_gap_ms: longest(&mut gaps()),
        with_gap_over_40_ms: gaps().filter(|gap| *gap > LONG_GAP).count(),
        longest_gap_but_for_stalls_ms: longest(&mut own_gaps()),
        with_gap_over_40_ms_but_for_stalls: own_gaps().filter(|gap| *gap > LONG_GAP).count(),
        machine_longest_stall_ms: round(millis(stalls.longest())),
        machine_stalls_ms: round(millis(stalls.total())),
        lost: measured.windows.iter().map(|window| window.lost).sum(),
        packets_per_second_worst: round(rates.reduce(f64::min).unwrap_or(0.0)),
        shown_at_the_end: shown,
        standing_at_the_end: standing,
        released_ms: round(millis(released)),
        not_released,
        calls_left: ["inbound", "outbound"].iter().filter_map(|side| left[side].as_u64()).sum(),
        failed_inside: counted("calls_failed_inside_total"),
        server_percent_of_a_core: round(server_us as f64 / seconds / 1e4),
        server_resident_mib: round(measured.server_resident_kib.unwrap_or(0) as f64 / 1_024.0),
        own_lateness_ms: measured.lateness,
        dropped_at_full_buffers: measured.full_buffers,
        passed: false,
    };
    report.passed = report.faults().is_empty();
    Ok(report)
}

fn shown(rest: &support::Rest, room: &str) -> Result<usize> {
    let answer = rest.get(&format!("{room}/Participants"))?;
    answer.json.as_array().map(Vec::len).with_context(|| format!("participants: {}", answer.text))
}

impl Churn {
    /// What is due: one leaves and one joins.
    fn turn(&mut self, run: &mut Run) -> Result<()> {
        while Instant::now() >= self.next {
            self.next += self.every;
            if let Some(number) = self.inside.pop_front() {
                run.end(number);
                self.leaves += 1;
                self.outside.push_back(number);
            }
            let free = self
                .outside
                .iter()
                .position(|n| run.callers().get(*n).is_some_and(Caller::is_gone));
            if let Some(number) = free.and_then(|at| self.outside.remove(at)) {
                self.close(run, number);
                run.place(number, &self.uri)?;
                self.joins += 1;
                self.inside.push_back(number);
            }
        }
        Ok(())
    }

    /// Takes down how the call went that has or had this seat.
    fn close(&mut self, run: &Run, number: usize) {
        let Some(caller) = run.callers().get(number) else { return };
        self.join_ms.extend(caller.set_up.map(millis));
        if let Some(failure) = &caller.failure {
            self.failed += 1;
            if self.failures.len() < SHOWN_FAILURES {
                self.failures.push(failure.clone());
            }
        }
    }
}

impl ChurnReport {
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.failed > 0 {
            faults.push(format!("{} calls failed", self.failed));
        }
        if self.with_gap_over_40_ms_but_for_stalls > 0 {
            let count = self.with_gap_over_40_ms_but_for_stalls;
            faults.push(format!(
                "{count} who stayed saw a gap over 40 ms that was not the machine's"
            ));
        }
        if self.shown_at_the_end != self.standing_at_the_end {
            faults.push("members are shown that do not stand, or not shown that do".to_owned());
        }
        if self.not_released > 0 || self.released_ms > millis(RELEASE) {
            faults.push(format!("the last was released after {:.0} ms", self.released_ms));
        }
        if self.calls_left > 0 || self.failed_inside > 0 {
            let (left, inside) = (self.calls_left, self.failed_inside);
            faults.push(format!("{left} calls are left, {inside} failed inside the server"));
        }
        faults
    }

    /// For people.
    pub(crate) fn table(&self) -> String {
        let mut text = format!(
            "{} members, {} joins and {} leaves in {:.0} s; joined in p50 {:.1} p99 {:.1} max {:.1} ms, \
             {} failed\nthose who stayed ({}): longest gap {:.1} ms, {} over 40 ms, {} packets lost, \
             worst {:.1} packets/s\nmachine: stood still for {:.1} ms at most, {:.0} ms in all; but for \
             that: longest gap {:.1} ms, {} over 40 ms\nroom deleted: {} members, the last released after {:.0} ms\n\
             server: {:.0} % of a core, {:.0} MiB; own lateness p99 {:.1} ms, {} dropped at full buffers\n",
            self.members,
            self.joins,
            self.leaves,
            self.seconds,
            self.join_ms.p50,
            self.join_ms.p99,
            self.join_ms.max,
            self.failed,
            self.stayed,
            self.longest_gap_ms,
            self.with_gap_over_40_ms,
            self.lost,
            self.packets_per_second_worst,
            self.machine_longest_stall_ms,
            self.machine_stalls_ms,
            self.longest_gap_but_for_stalls_ms,
            self.with_gap_over_40_ms_but_for_stalls,
            self.standing_at_the_end,
            self.released_ms,
            self.server_percent_of_a_core,
            self.server_resident_mib,
            self.own_lateness_ms.p99,
            self.dropped_at_full_buffers,
        );
        for fault in self.faults() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "NOT AS IT SHOULD BE: {fault}");
        }
        text
    }
}
