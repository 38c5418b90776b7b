//! A foreign scenario player: the `sipp` program (Debian `sip-tester`, 3.6) with a scenario file.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::ports::free_block;
use crate::temp_dir::TempDir;
use crate::wait;

/// What became of a run.
#[derive(Debug)]
pub struct Outcome {
    /// 0: all calls went as the scenario says.
    pub code: Option<i32>,
    /// What it wrote about unexpected messages, and its screen.
    pub log: String,
}

impl Outcome {
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.code == Some(0)
    }
}

/// Plays `scenario` once against `server`. `transport` is `u1` (UDP) or `t1` (TCP); `more` are further
/// arguments (`-s`, `-au`, `-ap`, `-key`, `-m` …).
///
/// # Errors
/// When the program is missing or has not ended `within`; it is killed then.
pub fn play(
    scenario: &Path,
    server: SocketAddr,
    transport: &str,
    more: &[&str],
    within: Duration,
) -> Result<Outcome> {
    let dir = TempDir::new("sipp")?;
    let ports = free_block(20);
    let errors = dir.path().join("errors.log");
    let screen = fs::File::create(dir.path().join("screen"))?;
    let mut child = Command::new("sipp")
        .current_dir(dir.path())
        .arg(server.to_string())
        .arg("-sf")
        .arg(fs::canonicalize(scenario).with_context(|| format!("{}", scenario.display()))?)
        .args(["-i", "127.0.0.1", "-p", &ports.to_string(), "-mp", &(ports + 4).to_string()])
        .args(["-t", transport, "-nostdin", "-trace_err", "-error_file"])
        .arg(&errors)
        .args(["-timeout", &format!("{}s", within.as_secs())])
        .args(if more.contains(&"-m") { &[][..] } else { &["-m", "1"][..] })
        .args(more)
        .stdin(Stdio::null())
        .stdout(screen.try_clone()?)
        .stderr(screen)
        .spawn()
        .context("start sipp (Debian package sip-tester)")?;
    let ended = wait::until(within + Duration::from_secs(2), || child.try_wait().ok().flatten());
    if ended.is_none() {
        child.kill()?;
        child.wait()?;
    }
    let ended = ended.with_context(|| format!("sipp has not ended within {within:?}"))?;
    let read =
        |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
    let log = format!("{}\n{}", read(&errors), read(&dir.path().join("screen")));
    Ok(Outcome { code: ended.code(), log })
}
