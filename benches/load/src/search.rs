//! How many calls a server holds: doubled until somebody is served badly, then narrowed down.
//!
//! "Holds" is the measure: all calls stand, every receiver gets 49 packets a second and sees
//! no gap over 60 ms. A size is tried again once before it counts as failed: one stall of a shared
//! machine is not the server's limit.

use anyhow::Result;
use serde::Serialize;

use crate::args::Args;
use crate::report::Report;

/// Narrowed down to this part of the size.
const RESOLUTION: f64 = 0.05;
const LEAST_PACKETS_PER_SECOND: f64 = 49.0;
const TRIES: u32 = 2;

#[derive(Debug, Serialize)]
pub(crate) struct Search {
    /// Largest number of calls that was held; 0 when none was.
    pub(crate) held: u32,
    /// It held -n: the limit was not found.
    pub(crate) reached_limit: bool,
    pub(crate) trials: Vec<Trial>,
    /// The full report of the largest size that was held.
    report: Option<Report>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Trial {
    pub(crate) calls: u32,
    pub(crate) held: bool,
    pub(crate) why: String,
    cpu_percent_of_a_core: Option<f64>,
    cpu_us_per_participant_second: Option<f64>,
    packets_per_second_worst: f64,
    longest_gap_ms: f64,
    generator_lateness_p99_ms: f64,
}

impl Search {
    /// `run` makes one run with so many calls.
    ///
    /// # Errors
    /// When a run could not be made.
    pub(crate) fn go(args: &Args, mut run: impl FnMut(u32) -> Result<Report>) -> Result<Self> {
        let mut search = Self { held: 0, reached_limit: false, trials: Vec::new(), report: None };
        let (mut calls, mut failed_at) = (args.search_from, None);
        loop {
            let held = search.holds(calls, &mut run)?;
            if held {
                search.held = calls
            } else {
                failed_at = Some(calls)
            }
            let next = next_size(search.held, failed_at, args.calls);
            let Some(next) = next.filter(|&n| n >= args.rooms) else { break };
            calls = next;
        }
        search.reached_limit = search.held == args.calls;
        Ok(search)
    }

    fn holds(&mut self, calls: u32, run: &mut impl FnMut(u32) -> Result<Report>) -> Result<bool> {
        for _ in 0..TRIES {
            let report = run(calls)?;
            let trial = Trial::of(calls, &report);
            eprintln!("{calls} calls: {}", trial.why);
            let held = trial.held;
            self.trials.push(trial);
            if held {
                self.report = Some(report);
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The size to try next, `None` when the limit is known well enough.
fn next_size(held: u32, failed_at: Option<u32>, limit: u32) -> Option<u32> {
    match failed_at {
        None if held == limit => None,
        None => Some((held * 2).min(limit)),
        Some(failed_at) => {
            let step = (f64::from(failed_at) * RESOLUTION).ceil() as u32;
            let middle = held + (failed_at - held) / 2;
            (failed_at - held > step.max(1) && middle > 0).then_some(middle)
        }
    }
}

impl Trial {
    fn of(calls: u32, report: &Report) -> Self {
        let (receive, server) = (&report.receive, report.server.as_ref());
        let rate = receive.packets_per_second_worst;
        let gap = receive.longest_gap_ms.max;
        let mut faults = Vec::new();
        if report.set_up.failed > 0 {
            faults.push(format!("{} calls failed", report.set_up.failed));
        }
        if rate < LEAST_PACKETS_PER_SECOND {
            faults.push(format!("{rate} packets/s at the worst"));
        }
        if receive.participants_with_gap_over_60_ms > 0 {
            faults.push(format!("a gap of {gap} ms"));
        }
        if !faults.is_empty() && report.own.was_late {
            faults.push("but this program was late".to_owned());
        }
        let held = faults.is_empty();
        let cpu = server.map(|server| server.cpu_percent_of_a_core);
        let spent = cpu.map_or_else(String::new, |percent| format!(" at {percent} % of a core"));
        let why =
            if held { format!("held{spent}") } else { format!("{}{spent}", faults.join(", ")) };
        Self {
            calls,
            held,
            why,
            cpu_percent_of_a_core: cpu,
            cpu_us_per_participant_second: server.map(|s| s.cpu_us_per_participant_second),
            packets_per_second_worst: rate,
            longest_gap_ms: gap,
            generator_lateness_p99_ms: report.own.lateness_ms.p99,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes tried against a server that holds `capacity`, and the answer.
    fn search(capacity: u32, from: u32, limit: u32) -> (Vec<u32>, u32) {
        let (mut held, mut failed_at, mut tried, mut size) = (0, None, Vec::new(), Some(from));
        while let Some(calls) = size {
            tried.push(calls);
            if calls <= capacity {
                held = calls
            } else {
                failed_at = Some(calls)
            }
            size = next_size(held, failed_at, limit);
        }
        (tried, held)
    }

    #[test]
    fn it_doubles_then_narrows_down() {
        let (tried, held) = search(1_130, 100, 5_000);
        assert_eq!(tried[..5], [100, 200, 400, 800, 1_600]);
        assert!((1_060..=1_130).contains(&held), "{held}: {tried:?}");
        assert!(tried.len() <= 10, "{tried:?}");
    }

    #[test]
    fn it_ends_at_the_limit_and_at_nothing() {
        assert_eq!(search(9_999, 100, 2_500), (vec![100, 200, 400, 800, 1_600, 2_500], 2_500));
        assert_eq!(search(0, 8, 100).1, 0);
        assert_eq!(search(1, 8, 100).1, 1);
    }
}
