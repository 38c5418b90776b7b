//! What Linux says about processes and the machine (`/proc`, proc(5)).

use std::collections::BTreeMap;
use std::{fmt, fs};

use anyhow::{Context, Result};
use serde::Serialize;

/// Clock ticks per second of `/proc/PID/stat`; Linux fixes it at 100 for user space.
const TICKS_PER_SECOND: u64 = 100;

/// CPU time of one process at one moment, in microseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct CpuTime {
    /// User and system time of the whole thread group (`/proc/PID/stat`, resolution 10 ms).
    total_us: u64,
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

    /// All of it: the threads' own times, which are exact, unless a thread has ended with some of it.
    pub(crate) fn us(&self) -> u64 {
        let living: u64 = self.by_thread_us.values().sum();
        let hundredths = 2 * 1_000_000 / TICKS_PER_SECOND;
        if self.total_us > living + hundredths { self.total_us } else { living }
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

/// Resident memory of a process, in KiB.
pub(crate) fn resident_kib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Datagrams this machine has dropped so far because a socket's buffer was full: loss that the
/// reader is to blame for, not the sender.
pub(crate) fn full_buffers() -> u64 {
    let text = fs::read_to_string("/proc/self/net/snmp").unwrap_or_default();
    full_buffers_of(&text).unwrap_or(0)
}

/// Two lines begin with "Udp:", the names and the values.
fn full_buffers_of(snmp: &str) -> Option<u64> {
    let mut udp = snmp.lines().filter_map(|line| line.strip_prefix("Udp:"));
    let column = udp.next()?.split_whitespace().position(|name| name == "RcvbufErrors")?;
    udp.next()?.split_whitespace().nth(column)?.parse().ok()
}

/// The machine the figures were made on.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    cpu: String,
    pub(crate) cores: usize,
    kernel: String,
    load_average: String,
}

impl Machine {
    pub(crate) fn here() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let cpuinfo = read("/proc/cpuinfo");
        let cpu = cpuinfo
            .lines()
            .find(|line| line.starts_with("model name"))
            .and_then(|line| line.split_once(':'))
            .map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned());
        Self {
            cpu,
            // Not those this thread may use: it may be pinned.
            cores: cpuinfo.lines().filter(|line| line.starts_with("processor")).count(),
            kernel: read("/proc/sys/kernel/osrelease"),
            load_average: read("/proc/loadavg"),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let load = self.load_average.split(' ').next().unwrap_or_default();
        write!(f, "{}, {} cores, Linux {}, load {load}", self.cpu, self.cores, self.kernel)
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
    fn full_buffers_are_found_by_the_name_of_their_column() {
        let snmp = "Tcp: A B\nTcp: 1 2\nUdp: InDatagrams RcvbufErrors X\nUdp: 10 7 3\n";
        assert_eq!(full_buffers_of(snmp), Some(7));
    }

    #[test]
    fn the_time_of_a_thread_that_ended_is_not_lost() {
        let spent = |total_us, thread| CpuTime {
            total_us,
            by_thread_us: BTreeMap::from([("a".to_owned(), thread)]),
        };
        assert_eq!(spent(1_010_000, 1_003_417).us(), 1_003_417);
        assert_eq!(spent(3_000_000, 1_003_417).us(), 3_000_000);
    }

    #[test]
    fn own_threads_are_seen() {
        let cpu = CpuTime::of(std::process::id()).unwrap();
        assert!(!cpu.by_thread_us.is_empty());
    }
}
