//! What Linux says about processes and the machine (`/proc`, proc(5)).

use std::collections::BTreeMap;
use std::fs;
use std::thread;

use anyhow::{Context, Result};
use serde::Serialize;

/// Clock ticks per second of `/proc/PID/stat`; Linux fixes it at 100 for user space.
const TICKS_PER_SECOND: u64 = 100;

/// CPU time of one process at one moment, in microseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct CpuTime {
    /// User and system time of the whole thread group (resolution 10 ms).
    pub(crate) total_us: u64,
    /// Run time by thread name (resolution 1 ns, living threads only).
    pub(crate) by_thread_us: BTreeMap<String, u64>,
}

impl CpuTime {
    /// # Errors
    /// When there is no such process.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))
            .with_context(|| format!("process {pid} is not there"))?;
        let total_us = ticks(&stat).context("malformed /proc stat")? * 1_000_000 / TICKS_PER_SECOND;
        Ok(Self { total_us, by_thread_us: threads(pid) })
    }

    /// What was spent since `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let spent = |name: &String, now: u64| {
            now.saturating_sub(earlier.by_thread_us.get(name).copied().unwrap_or(0))
        };
        Self {
            total_us: self.total_us.saturating_sub(earlier.total_us),
            by_thread_us: self
                .by_thread_us
                .iter()
                .map(|(name, &now)| (name.clone(), spent(name, now)))
                .collect(),
        }
    }
}

/// utime + stime: fields 14 and 15, counted behind the name, which may hold blanks.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let utime: u64 = fields.next()?.parse().ok()?;
    let stime: u64 = fields.next()?.parse().ok()?;
    Some(utime + stime)
}

/// Threads of one name are added up. A thread that ends in between is missed, not an error.
fn threads(pid: u32) -> BTreeMap<String, u64> {
    let mut by_name = BTreeMap::new();
    for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let read = |file: &str| fs::read_to_string(task.path().join(file)).unwrap_or_default();
        let ran_ns: Option<u64> =
            read("schedstat").split_whitespace().next().and_then(|word| word.parse().ok());
        if let Some(ran_ns) = ran_ns {
            *by_name.entry(read("comm").trim().to_owned()).or_default() += ran_ns / 1_000;
        }
    }
    by_name
}

/// Resident memory of a process, in MiB.
pub(crate) fn resident_mib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
}

/// The machine the figures were made on.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    kernel: String,
    load_average: String,
}

impl Machine {
    pub(crate) fn here() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let cpu = read("/proc/cpuinfo")
            .lines()
            .find(|line| line.starts_with("model name"))
            .and_then(|line| line.split_once(':'))
            .map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned());
        Self {
            cpu,
            cores: thread::available_parallelism().map_or(0, usize::from),
            kernel: read("/proc/sys/kernel/osrelease"),
            load_average: read("/proc/loadavg"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_a_name_with_blanks_and_brackets() {
        let stat = "7 (a) b (c) S 1 1 1 0 -1 4194560 1 0 0 0 120 34 0 0 20 0 1 0 5 6 7";
        assert_eq!(ticks(stat), Some(154));
        assert_eq!(ticks("nonsense"), None);
    }

    #[test]
    fn own_threads_are_seen() {
        let cpu = CpuTime::of(std::process::id()).unwrap();
        assert!(!cpu.by_thread_us.is_empty());
    }
}
