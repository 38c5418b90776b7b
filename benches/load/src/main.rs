//! `trunkline-load`: N real SIP calls with RTP over loopback, measured from the callers' side.
//!
//! JSON on stdout, progress on stderr. Exit code 0 when all calls stood to the end and the sampled
//! tones were right, 1 when not, 2 when the run could not be made.

mod args;
mod caller;
mod line;
mod media;
mod proc;
mod reception;
mod report;
mod run;
mod target;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser as _;

use crate::args::Args;
use crate::report::Report;
use crate::run::Run;
use crate::target::Target;

fn main() -> ExitCode {
    let args = Args::parse();
    match place_calls(&args) {
        Ok(report) if report.passed => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            eprintln!("trunkline-load: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn place_calls(args: &Args) -> Result<Report> {
    args.check()?;
    let files = support::stamp::raise_file_limit();
    let needed = u64::from(args.calls) * 2 + 32;
    ensure!(files >= needed, "{needed} open files are needed, the limit is {files}");
    let target = Target::of(args)?;
    let mut run = Run::new(args, &target)?;
    if target.credentials.is_some() && !args.no_register {
        run.register()?;
    }
    eprintln!("placing {} calls to {}, {} per second", args.calls, target.sip, args.rate);
    run.set_up(args.rate)?;
    let standing = run.seats.iter().filter(|seat| seat.caller.is_connected()).count();
    eprintln!("{standing} calls stand; measuring for {} s", args.seconds);
    let window = Duration::from_secs(args.seconds.into());
    let spent = run.measure(window, target.pid)?;
    run.hang_up()?;
    let report = Report::of(args, &mut run, &spent, target.pid);
    if args.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{}", serde_json::to_string_pretty(&report)?);
        eprintln!("{}", report.summary());
    }
    Ok(report)
}
