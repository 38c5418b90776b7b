//! What conferences and queues cost that are laid down and empty: memory each, and processor time.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::json;

use crate::args::Args;
use crate::proc::{self, CpuTime, Machine};
use crate::spread::round;
use crate::target::{Door, Target};

/// The most one may take.
const KIB_EACH: f64 = 4.0;
const PERCENT: f64 = 1.0;
const SETTLE: Duration = Duration::from_secs(3);
const MAKERS: u32 = 4;

#[derive(Debug, Serialize)]
pub(crate) struct IdleReport {
    tool: String,
    machine: Machine,
    conferences: u32,
    queues: u32,
    laid_down_per_second: f64,
    kib_per_conference: f64,
    kib_per_queue: f64,
    percent_of_a_core: f64,
    seconds: f64,
    pub(crate) passed: bool,
}

/// # Errors
/// When the run cannot be made.
pub(crate) fn run(args: &Args, count: u32) -> Result<IdleReport> {
    let target = Target::of(args, None)?;
    let (Some(server), Door::Sip(sip)) = (&target.server, &target.door) else {
        bail!("--idle-rooms needs a server that is started here");
    };
    let tenant = sip.tenant.as_ref().context("no tenant")?;
    let resident = || {
        thread::sleep(SETTLE);
        proc::resident_kib(server.pid()).context("the server's memory")
    };
    let lay_down = |kind: &str| -> Result<f64> {
        let (path, began) = (tenant.path(&format!("/{kind}")), Instant::now());
        thread::scope(|scope| {
            let makers: Vec<_> = (0..MAKERS)
                .map(|first| {
                    let (path, rest) = (&path, &tenant.rest);
                    scope.spawn(move || -> Result<()> {
                        for number in (first..count).step_by(MAKERS as usize) {
                            let body = json!({ "name": format!("idle-{number}") });
                            rest.post(path, &body)?.sid()?;
                        }
                        Ok(())
                    })
                })
                .collect();
            for maker in makers {
                maker.join().map_err(|_| anyhow::anyhow!("a thread ended"))??;
            }
            Ok(f64::from(count) / began.elapsed().as_secs_f64())
        })
    };
    // One of each first: what the first of a kind costs is not what each costs.
    tenant.rest.post(&tenant.path("/Conferences"), &json!({ "name": "first" }))?.sid()?;
    tenant.rest.post(&tenant.path("/Queues"), &json!({ "name": "first" }))?.sid()?;
    let before = resident()?;
    let rate = lay_down("Conferences")?;
    let conferences = list_length(tenant, "Conferences")?;
    let between = resident()?;
    lay_down("Queues")?;
    let queues = list_length(tenant, "Queues")?;
    let after = resident()?;
    let (spent, began) = (CpuTime::of(server.pid())?, Instant::now());
    thread::sleep(Duration::from_secs(args.seconds.into()));
    let spent = CpuTime::of(server.pid())?.since(&spent).us();
    let seconds = began.elapsed().as_secs_f64();
    let each = |kib: u64, count: u32| round(kib as f64 / f64::from(count.max(1)));
    let mut report = IdleReport {
        tool: concat!("trunkline-load ", env!("CARGO_PKG_VERSION")).to_owned(),
        machine: Machine::here(),
        conferences,
        queues,
        laid_down_per_second: round(rate),
        kib_per_conference: each(between.saturating_sub(before), conferences),
        kib_per_queue: each(after.saturating_sub(between), queues),
        percent_of_a_core: round(spent as f64 / seconds / 1e4),
        seconds: round(seconds),
        passed: false,
    };
    report.passed = report.kib_per_conference <= KIB_EACH
        && report.kib_per_queue <= KIB_EACH
        && report.percent_of_a_core <= PERCENT;
    Ok(report)
}

fn list_length(tenant: &support::Tenant, kind: &str) -> Result<u32> {
    let answer = tenant.rest.get(&tenant.path(&format!("/{kind}")))?;
    let length = answer.json.as_array().map(Vec::len).context("no list")?;
    Ok(u32::try_from(length)?)
}

impl IdleReport {
    /// For people.
    pub(crate) fn table(&self) -> String {
        format!(
            "{} conferences at {:.2} KiB, {} queues at {:.2} KiB; {:.2} % of a core while nothing happens \
             ({:.0} s); {:.0} laid down a second",
            self.conferences,
            self.kib_per_conference,
            self.queues,
            self.kib_per_queue,
            self.percent_of_a_core,
            self.seconds,
            self.laid_down_per_second,
        )
    }
}
