//! The figures of a run as one JSON document, and as a few lines for people.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use support::g711::ulaw_decode;
use support::tone::{FLOOR_DB, level_db};

use crate::args::{Args, Quiet};
use crate::proc::{self, CpuTime, Machine};
use crate::reception::Window;
use crate::run::{Run, Seat, Spent, tone_level_db};

/// Samples of one look at a tone: 200 ms, so 5 Hz a bin.
const LOOK: usize = 1_600;
/// A tone must arrive within this of the level it was sent at.
const LEVEL_TOLERANCE_DB: f64 = 1.0;
/// A talker must hear itself at most this loud, against the level sent.
const OWN_LIMIT_DB: f64 = -40.0;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    tool: String,
    machine: Machine,
    plan: Plan,
    set_up: SetUp,
    server: Option<ServerCost>,
    receive: Receive,
    tones: Option<Tones>,
    own: OwnCost,
    pub(crate) passed: bool,
}

#[derive(Debug, Serialize)]
struct Plan {
    calls: u32,
    talkers: u32,
    rooms: u32,
    quiet: &'static str,
    seconds: u32,
    rate: u32,
}

#[derive(Debug, Serialize)]
struct SetUp {
    answered: usize,
    failed: usize,
    failures: BTreeMap<String, usize>,
    ms: Spread,
}

/// Median, 99th percentile and worst of a set of values.
#[derive(Debug, Default, Serialize)]
struct Spread {
    p50: f64,
    p99: f64,
    max: f64,
}

#[derive(Debug, Serialize)]
struct ServerCost {
    pid: u32,
    cpu_us_per_participant_second: f64,
    cpu_percent_of_a_core: f64,
    resident_mib: Option<u64>,
    /// The same cost split by thread name.
    threads_us_per_participant_second: BTreeMap<String, f64>,
}

#[derive(Debug, Serialize)]
struct Receive {
    participants: usize,
    packets_per_second_worst: f64,
    packets_per_second_median: f64,
    longest_gap_ms: Spread,
    participants_with_gap_over_60_ms: usize,
    lost: u64,
    duplicated: u64,
    reordered: u64,
    /// Participants that saw more than one SSRC.
    changed_stream: usize,
}

#[derive(Debug, Serialize)]
struct Tones {
    sent_level_db: f64,
    listeners: usize,
    tones_checked: usize,
    tones_off: usize,
    worst_level_error_db: f64,
    /// Looks of 200 ms at a tone that was off while its median was right: glitches.
    looks_off: usize,
    looks: usize,
    /// Loudest own tone a sampled talker heard, against the level sent.
    worst_own_db: Option<f64>,
}

#[derive(Debug, Serialize)]
struct OwnCost {
    cpu_percent_of_a_core: f64,
    lateness_ms: Spread,
}

impl Report {
    pub(crate) fn of(args: &Args, run: &mut Run, spent: &Spent, pid: Option<u32>) -> Self {
        let mut windows = Vec::new();
        let mut heard = Vec::new();
        for (number, seat) in run.seats.iter_mut().enumerate() {
            let Some((window, capture)) = seat.media.reception.close_window() else { continue };
            if seat.caller.set_up.is_some() {
                windows.push(window);
                heard.extend(capture.map(|bytes| (number, bytes)));
            }
        }
        let set_up = SetUp::of(&run.seats);
        let all_stood = set_up.failed == 0;
        let tones = Tones::of(args, &run.seats, &heard);
        let receive = Receive::of(&windows, args.seconds);
        let all_receive = args.uri.is_some() || receive.packets_per_second_worst > 0.0;
        let right = tones.as_ref().is_none_or(Tones::are_right);
        Self {
            tool: concat!("trunkline-load ", env!("CARGO_PKG_VERSION")).to_owned(),
            machine: Machine::here(),
            plan: Plan::of(args),
            set_up,
            server: pid
                .zip(spent.server.as_ref())
                .map(|(pid, cpu)| ServerCost::of(pid, cpu, spent)),
            receive,
            tones,
            own: OwnCost {
                cpu_percent_of_a_core: percent(spent.own.total_us, spent.window),
                lateness_ms: Spread::of(spent.lateness.iter().map(|&late| millis(late))),
            },
            passed: all_stood && all_receive && right,
        }
    }

    /// What matters, for a terminal.
    pub(crate) fn summary(&self) -> String {
        let mut lines = vec![format!(
            "{} of {} calls answered, set-up {:.1} ms median, {:.1} ms worst",
            self.set_up.answered, self.plan.calls, self.set_up.ms.p50, self.set_up.ms.max
        )];
        lines.extend(self.set_up.failures.iter().map(|(why, n)| format!("  {n} failed: {why}")));
        if let Some(server) = &self.server {
            lines.push(format!(
                "server: {:.0} us of CPU per participant-second ({:.1} % of a core)",
                server.cpu_us_per_participant_second, server.cpu_percent_of_a_core
            ));
        }
        lines.push(format!(
            "worst participant: {:.2} packets/s; longest gap {:.1} ms (p99 {:.1}); {} packets lost",
            self.receive.packets_per_second_worst,
            self.receive.longest_gap_ms.max,
            self.receive.longest_gap_ms.p99,
            self.receive.lost
        ));
        if let Some(tones) = &self.tones {
            lines.push(format!(
                "tones: {} of {} right at {} listeners, worst error {:.2} dB, own at {} dB",
                tones.tones_checked - tones.tones_off,
                tones.tones_checked,
                tones.listeners,
                tones.worst_level_error_db,
                tones.worst_own_db.map_or_else(|| "-".to_owned(), |db| format!("{db:.0}"))
            ));
        }
        lines.push(format!(
            "this program: {:.1} % of a core, late by {:.2} ms at p99, {:.2} ms worst",
            self.own.cpu_percent_of_a_core, self.own.lateness_ms.p99, self.own.lateness_ms.max
        ));
        lines.join("\n")
    }
}

impl Plan {
    fn of(args: &Args) -> Self {
        Self {
            calls: args.calls,
            talkers: args.talkers,
            rooms: args.rooms,
            quiet: match args.quiet {
                Quiet::Silence => "silence",
                Quiet::Comfort => "comfort",
            },
            seconds: args.seconds,
            rate: args.rate,
        }
    }
}

impl SetUp {
    fn of(seats: &[Seat]) -> Self {
        let mut failures = BTreeMap::new();
        for why in seats.iter().filter_map(|seat| seat.caller.failure.clone()) {
            *failures.entry(why).or_default() += 1;
        }
        Self {
            answered: seats.iter().filter(|seat| seat.caller.set_up.is_some()).count(),
            failed: failures.values().sum(),
            failures,
            ms: Spread::of(seats.iter().filter_map(|seat| seat.caller.set_up).map(millis)),
        }
    }
}

impl ServerCost {
    fn of(pid: u32, cpu: &CpuTime, spent: &Spent) -> Self {
        let participant_seconds = (spent.standing.max(1)) as f64 * spent.window.as_secs_f64();
        let each = |us: u64| round(us as f64 / participant_seconds);
        Self {
            pid,
            cpu_us_per_participant_second: each(cpu.total_us),
            cpu_percent_of_a_core: percent(cpu.total_us, spent.window),
            resident_mib: proc::resident_mib(pid),
            threads_us_per_participant_second: cpu
                .by_thread_us
                .iter()
                .map(|(name, &us)| (name.clone(), each(us)))
                .filter(|(_, us)| *us > 0.0)
                .collect(),
        }
    }
}

impl Receive {
    fn of(windows: &[Window], seconds: u32) -> Self {
        let rates: Vec<f64> =
            windows.iter().map(|w| w.packets as f64 / f64::from(seconds)).collect();
        let worst = rates.iter().copied().reduce(f64::min).unwrap_or(0.0);
        let sum = |count: fn(&Window) -> u64| windows.iter().map(count).sum();
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
            duplicated: sum(|w| w.duplicated),
            reordered: sum(|w| w.reordered),
            changed_stream: windows.iter().filter(|w| w.streams > 1).count(),
        }
    }
}

impl Tones {
    /// `None` when nobody talks, or calls go elsewhere than into rooms.
    fn of(args: &Args, seats: &[Seat], heard: &[(usize, Vec<u8>)]) -> Option<Self> {
        if args.talkers == 0 || args.uri.is_some() {
            return None;
        }
        let sent_level_db = tone_level_db(args);
        let mut tones = Self {
            sent_level_db: round(sent_level_db),
            listeners: heard.len(),
            tones_checked: 0,
            tones_off: 0,
            worst_level_error_db: 0.0,
            looks_off: 0,
            looks: 0,
            worst_own_db: None,
        };
        for (number, bytes) in heard {
            let samples: Vec<i16> = bytes.iter().map(|&code| ulaw_decode(code)).collect();
            let Some(listener) = seats.get(*number) else { continue };
            for talker in seats.iter().filter(|seat| seat.room == listener.room) {
                let Some(hz) = talker.tone else { continue };
                let levels: Vec<f64> = samples
                    .chunks_exact(LOOK)
                    .map(|look| level_db(look, hz) - sent_level_db)
                    .collect();
                if std::ptr::eq(talker, listener) {
                    tones.count_own(&levels);
                } else {
                    tones.count(&levels);
                }
            }
        }
        tones.worst_level_error_db = round(tones.worst_level_error_db);
        tones.worst_own_db = tones.worst_own_db.map(round);
        Some(tones)
    }

    fn count(&mut self, levels: &[f64]) {
        let errors: Vec<f64> = levels.iter().map(|level| level.abs()).collect();
        let median = median(&errors).unwrap_or(-FLOOR_DB);
        self.tones_checked += 1;
        self.tones_off += usize::from(median > LEVEL_TOLERANCE_DB);
        self.worst_level_error_db = self.worst_level_error_db.max(median);
        self.looks += errors.len();
        self.looks_off += errors.iter().filter(|error| **error > LEVEL_TOLERANCE_DB).count();
    }

    fn count_own(&mut self, levels: &[f64]) {
        let median = median(levels).unwrap_or(FLOOR_DB);
        self.worst_own_db = Some(self.worst_own_db.unwrap_or(FLOOR_DB).max(median));
    }

    fn are_right(&self) -> bool {
        self.tones_checked > 0
            && self.tones_off == 0
            && self.worst_own_db.is_none_or(|db| db <= OWN_LIMIT_DB)
    }
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let index = (sorted.len() as f64 * part) as usize;
            round(sorted.get(index.min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0))
        };
        Self { p50: at(0.5), p99: at(0.99), max: at(1.0) }
    }
}

/// Of the looks at one tone: a single glitch spreads over all frequencies and shall not decide.
fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn percent(us: u64, window: Duration) -> f64 {
    round(us as f64 / window.as_micros().max(1) as f64 * 100.0)
}

/// Two decimals: more would only be noise in the document.
fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
