//! The figures of a run as one JSON document; [`table`](crate::table) prints them for people.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::args::Args;
use crate::flood::FloodReport;
use crate::hearing::Tones;
use crate::pin::Pins;
use crate::proc::{CpuTime, Machine};
use crate::run::{Measured, Run};
use crate::spread::{Spread, median, millis, round};
use crate::voice::Quiet;

/// The generator paces what the server receives: later than this, a gap or loss may be its own fault.
const LATE_P99_MS: f64 = 5.0;
const LATE_WORST_MS: f64 = 40.0;

/// Packets a second that the worst served receiver must get for two costs to be compared.
const PACE: f64 = 49.0;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    tool: String,
    pub(crate) machine: Machine,
    pinned: Option<Pins>,
    plan: Plan,
    pub(crate) set_up: SetUp,
    pub(crate) server: Option<ServerCost>,
    /// A loop that only receives and sends, with the same callers and packets.
    pub(crate) bare: Option<BareCost>,
    pub(crate) receive: Receive,
    pub(crate) pacing: Pacing,
    pub(crate) tones: Option<Tones>,
    /// What went on beside the calls.
    pub(crate) flood: Option<FloodReport>,
    pub(crate) own: OwnCost,
    pub(crate) passed: bool,
}

#[derive(Debug, Serialize)]
struct Plan {
    summary: String,
    calls: u32,
    codec: &'static str,
    talkers: u32,
    rooms: u32,
    quiet: &'static str,
    seconds: u32,
    rate: u32,
}

#[derive(Debug, Serialize)]
pub(crate) struct SetUp {
    pub(crate) answered: usize,
    pub(crate) failed: usize,
    pub(crate) failures: BTreeMap<String, usize>,
    /// INVITE to 200, a challenge in between included.
    pub(crate) ms: Spread,
    /// Callers whose audio levels the server takes, when they were offered.
    pub(crate) with_levels: Option<usize>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ServerCost {
    pid: u32,
    pub(crate) cpu_us_per_participant_second: f64,
    pub(crate) cpu_percent_of_a_core: f64,
    pub(crate) resident_mib: Option<f64>,
    /// Of what it grew by since before the first call.
    pub(crate) resident_kib_per_participant: Option<f64>,
    /// The same cost split by thread name.
    threads_us_per_participant_second: BTreeMap<String, f64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct BareCost {
    pub(crate) cpu_us_per_participant_second: f64,
    /// The server's cost over this one; `null` when either did not keep its pace, which makes it
    /// look cheap.
    pub(crate) server_over_bare: Option<f64>,
    pub(crate) packets_per_second_worst: f64,
    own_lateness_ms: Spread,
}

#[derive(Debug, Serialize)]
pub(crate) struct Receive {
    participants: usize,
    pub(crate) packets_per_second_worst: f64,
    packets_per_second_median: f64,
    pub(crate) longest_gap_ms: Spread,
    pub(crate) participants_with_gap_over_60_ms: usize,
    pub(crate) lost: u64,
    /// Datagrams the machine dropped at full socket buffers: the reader's fault, not the sender's.
    pub(crate) dropped_at_full_buffers: u64,
    duplicated: u64,
    reordered: u64,
    /// Participants that saw more than one SSRC.
    changed_stream: usize,
}

#[derive(Debug, Serialize)]
pub(crate) struct Pacing {
    /// How far from 20 ms the time between two packets in a row was.
    pub(crate) deviation_ms: Spread,
    /// How fast the server's clock runs against the monotonic one, in ppm: of the median stream, and
    /// of the one furthest off.
    pub(crate) drift_ppm_median: Option<f64>,
    pub(crate) drift_ppm_worst: Option<f64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct OwnCost {
    pub(crate) cpu_percent_of_a_core: f64,
    pub(crate) lateness_ms: Spread,
    /// This program was late: gaps and loss may be its fault.
    pub(crate) was_late: bool,
}

impl Report {
    /// # Errors
    /// When a decoder cannot be had.
    pub(crate) fn of(
        args: &Args,
        pins: Option<Pins>,
        run: &Run,
        measured: &Measured,
        idle_kib: Option<u64>,
        pid: Option<u32>,
    ) -> Result<Self> {
        let set_up = SetUp::of(args, run);
        let tones = Tones::of(args, &run.seats, &measured.heard)?;
        let receive = Receive::of(measured, args.seconds);
        let all_receive = args.uri.is_some() || receive.packets_per_second_worst > 0.0;
        // How others mix is shown; it is for ours to be right.
        let judged = tones.as_ref().filter(|_| args.rooms_are_ours() && args.janus.is_none());
        let passed = set_up.failed == 0 && all_receive && judged.is_none_or(Tones::are_right);
        Ok(Self {
            tool: concat!("trunkline-load ", env!("CARGO_PKG_VERSION")).to_owned(),
            machine: Machine::here(),
            pinned: pins,
            plan: Plan::of(args),
            set_up,
            // Without participants there is no cost of one.
            server: pid
                .filter(|_| measured.standing > 0)
                .zip(measured.server.as_ref())
                .map(|(pid, cpu)| ServerCost::of(pid, cpu, measured, idle_kib)),
            bare: None,
            receive,
            pacing: Pacing::of(measured),
            tones,
            flood: None,
            own: OwnCost::of(measured),
            passed,
        })
    }

    /// Under a flood no frame may be lost or late, whatever else is asked.
    pub(crate) fn weather(&mut self, flood: FloodReport) {
        let receive = &self.receive;
        let unharmed = receive.lost == 0 && receive.participants_with_gap_over_60_ms == 0;
        self.passed &= unharmed && flood.faults().is_empty();
        self.flood = Some(flood);
    }

    /// Sets the server's cost against that of the bare loop.
    pub(crate) fn compare(&mut self, args: &Args, bare: &Measured) {
        let Some(cpu) = &bare.server else { return };
        let each = each_us(cpu.us(), bare);
        let pace = Receive::of(bare, args.seconds).packets_per_second_worst;
        let kept_pace = pace.min(self.receive.packets_per_second_worst) >= PACE;
        let server = self.server.as_ref().map(|server| server.cpu_us_per_participant_second);
        self.bare = Some(BareCost {
            cpu_us_per_participant_second: round(each),
            server_over_bare: server.filter(|_| kept_pace).map(|us| round(us / each)),
            packets_per_second_worst: pace,
            own_lateness_ms: bare.lateness.clone(),
        });
    }
}

impl Plan {
    fn of(args: &Args) -> Self {
        Self {
            summary: args.plan(),
            calls: args.calls,
            codec: args.codec.name(),
            talkers: args.talkers(),
            rooms: args.rooms,
            quiet: args.quiet.name(),
            seconds: args.seconds,
            rate: args.rate,
        }
    }
}

impl SetUp {
    fn of(args: &Args, run: &Run) -> Self {
        let mut failures = BTreeMap::new();
        for why in run.callers().iter().filter_map(|caller| caller.failure.clone()) {
            *failures.entry(why).or_default() += 1;
        }
        Self {
            answered: run.seats.iter().filter(|seat| seat.stood).count(),
            failed: failures.values().sum(),
            failures,
            ms: Spread::of(run.callers().iter().filter_map(|caller| caller.set_up).map(millis)),
            with_levels: (args.quiet == Quiet::Levels)
                .then(|| run.seats.iter().filter(|seat| seat.media.sends_levels()).count()),
        }
    }
}

impl ServerCost {
    fn of(pid: u32, cpu: &CpuTime, measured: &Measured, idle_kib: Option<u64>) -> Self {
        let grown = measured
            .server_resident_kib
            .zip(idle_kib)
            .map(|(now, idle)| round(now.saturating_sub(idle) as f64 / measured.standing as f64));
        Self {
            pid,
            cpu_us_per_participant_second: round(each_us(cpu.us(), measured)),
            cpu_percent_of_a_core: percent(cpu.us(), measured.length),
            resident_mib: measured.server_resident_kib.map(|kib| round(kib as f64 / 1_024.0)),
            resident_kib_per_participant: grown,
            threads_us_per_participant_second: cpu
                .by_thread_us
                .iter()
                .map(|(name, &us)| (name.clone(), round(each_us(us, measured))))
                .filter(|(_, us)| *us > 0.0)
                .collect(),
        }
    }
}

impl Receive {
    fn of(measured: &Measured, seconds: u32) -> Self {
        let windows = &measured.windows;
        let rates: Vec<f64> =
            windows.iter().map(|w| w.packets as f64 / f64::from(seconds)).collect();
        let worst = rates.iter().copied().reduce(f64::min).unwrap_or(0.0);
        let sum = |count: fn(&crate::reception::Window) -> u64| windows.iter().map(count).sum();
        Self {
            participants: windows.len(),
            packets_per_second_worst: round(worst),
            packets_per_second_median: round(median(&rates).unwrap_or(0.0)),
            longest_gap_ms: Spread::of(windows.iter().map(|w| millis(w.longest_gap))),
            participants_with_gap_over_60_ms: windows
                .iter()
                .filter(|w| w.longest_gap > Duration::from_millis(60))
                .count(),
            lost: sum(|w| w.lost),
            dropped_at_full_buffers: measured.full_buffers,
            duplicated: sum(|w| w.duplicated),
            reordered: sum(|w| w.reordered),
            changed_stream: windows.iter().filter(|w| w.streams > 1).count(),
        }
    }
}

impl Pacing {
    fn of(measured: &Measured) -> Self {
        // The stamps are of the wall clock, which may itself be slewed.
        let drifts: Vec<f64> = measured
            .windows
            .iter()
            .filter_map(|window| window.fast_ppm)
            .map(|ppm| round(ppm + measured.wall_fast_ppm))
            .collect();
        let worst = drifts.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs()));
        Self {
            deviation_ms: measured.deviation.clone(),
            drift_ppm_median: median(&drifts),
            drift_ppm_worst: worst,
        }
    }
}

impl OwnCost {
    fn of(measured: &Measured) -> Self {
        let late = &measured.lateness;
        Self {
            cpu_percent_of_a_core: percent(measured.own.us(), measured.length),
            lateness_ms: late.clone(),
            was_late: late.p99 > LATE_P99_MS || late.max > LATE_WORST_MS,
        }
    }
}

/// Of a participant-second.
fn each_us(us: u64, measured: &Measured) -> f64 {
    us as f64 / (measured.standing as f64 * measured.length.as_secs_f64())
}

fn percent(us: u64, length: Duration) -> f64 {
    round(us as f64 / length.as_micros().max(1) as f64 * 100.0)
}
