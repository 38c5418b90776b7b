//! `trunkline-load`: N real SIP calls with RTP over loopback, measured from the callers' side.
//!
//! JSON on stdout, progress and a table on stderr. Exit code 0 when all calls stood to the end and the
//! sampled tones were right (or a search found a size that holds), 1 when not, 2 when the run could
//! not be made.

mod args;
mod bare;
mod caller;
mod churn;
mod codec;
mod compare;
mod cps;
mod flood;
mod hearing;
mod http;
mod idle;
mod janus;
mod line;
mod media;
mod pacing;
mod pin;
mod proc;
mod race;
mod reception;
mod report;
mod rest;
mod run;
mod search;
mod seat;
mod signalling;
mod spread;
mod stalls;
mod table;
mod target;
mod voice;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use clap::Parser as _;
use serde::Serialize;

use crate::args::Args;
use crate::flood::Flood;
use crate::pin::Pins;
use crate::report::Report;
use crate::run::Run;
use crate::search::Search;
use crate::target::{Door, Target};

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("trunkline-load: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether all was well.
fn run(args: &Args) -> Result<bool> {
    let files = support::stamp::raise_file_limit();
    if let Some([sockets, seconds]) = args.bare_loop.as_deref() {
        bare::run(*sockets, *seconds)?;
        return Ok(true);
    }
    if !args.compare.is_empty() {
        print!("{}", compare::table(&args.compare)?);
        return Ok(true);
    }
    args.check()?;
    let needed = u64::from(args.calls + args.listeners) * 2 + u64::from(args.connections) + 64;
    ensure!(files >= needed, "{needed} open files are needed, the limit is {files}");
    let pins = args.pin.then(Pins::choose).transpose()?;
    if args.cps {
        let found = cps::run(args, pins)?;
        println!("{}", serde_json::to_string_pretty(&found)?);
        eprintln!("{}", cps::text(&found));
        return Ok(found.held > 0);
    }
    if args.rest_load {
        let report = rest::run(args)?;
        print(args, &report, &report.table())?;
        return Ok(report.passed);
    }
    if let Some(rate) = args.churn {
        let report = churn::run(args, rate, pins)?;
        print(args, &report, &report.table())?;
        return Ok(report.passed);
    }
    if let Some(agents) = args.queue_race {
        let report = race::run(args, agents)?;
        print(args, &report, &report.table())?;
        return Ok(report.passed);
    }
    if let Some(count) = args.idle_rooms {
        let report = idle::run(args, count)?;
        print(args, &report, &report.table())?;
        return Ok(report.passed);
    }
    if args.search {
        let search = Search::go(args, |calls| {
            place_calls(&Args { calls, with_bare: false, ..args.clone() }, pins)
        })?;
        let limit = if search.reached_limit { " (more were not tried)" } else { "" };
        print(args, &search, &format!("held: {} calls{limit}", search.held))?;
        return Ok(search.held > 0);
    }
    let report = place_calls(args, pins)?;
    print(args, &report, &table::of(&report, &args.plan()))?;
    Ok(report.passed)
}

fn print(args: &Args, document: &impl Serialize, table: &str) -> Result<()> {
    if args.table {
        println!("{table}");
    } else if args.json {
        println!("{}", serde_json::to_string(document)?);
    } else {
        println!("{}", serde_json::to_string_pretty(document)?);
        eprintln!("{table}");
    }
    Ok(())
}

/// One run, from the first call to the last hang-up.
fn place_calls(args: &Args, pins: Option<Pins>) -> Result<Report> {
    let target = Target::of(args, pins)?;
    let mut run = Run::new(args, &target)?;
    let idle_kib = target.pid.and_then(proc::resident_kib);
    eprintln!("placing {}", args.plan());
    run.set_up(&target, args.rate)?;
    let standing = run.seats.iter().filter(|seat| seat.media.is_sending()).count();
    eprintln!("{standing} calls stand; measuring for {} s", args.seconds);
    let window = Duration::from_secs(args.seconds.into());
    let flood = match (args.flood, &target.door, target.pid) {
        (Some(rate), Door::Sip(sip), Some(pid)) => Some((Flood::start(sip, rate, pid)?, rate)),
        (Some(_), ..) => bail!("--flood needs a SIP server whose process is known"),
        (None, ..) => None,
    };
    let measured = run.measure(window, target.pid)?;
    let flood = flood.map(|(flood, rate)| flood.stop(rate, |time| run.go_on(time))).transpose()?;
    run.hang_up(&target)?;
    let mut report = Report::of(args, pins, &run, &measured, idle_kib, target.pid)?;
    if let Some(flood) = flood {
        report.weather(flood);
    }
    drop(target);
    if args.with_bare {
        eprintln!("the same with a bare loop for {} s", args.seconds);
        report.compare(args, &run.measure_bare(args, pins)?);
    }
    Ok(report)
}
