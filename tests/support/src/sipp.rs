//! A foreign scenario player: the `sipp` program (Debian `sip-tester`, 3.6) with a scenario file, as
//! caller ([`Sipp::caller`], [`play`]) or as the one who is called ([`Sipp::called`]).
//!
//! A scenario tells the test what it saw by `<action><log message="name=[$value]"/></action>`; such
//! lines are read with [`Sipp::logged`] while it runs. How this version behaves: it lets a repetition
//! of the last message pass unseen, ends with 0 when all calls went as written, and takes one SIP port.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::message::Message;
use crate::ports::free_block;
use crate::temp_dir::TempDir;
use crate::wait;

/// Longest wait for a started scenario to listen.
const START_LIMIT: Duration = Duration::from_secs(10);
/// How much of the end of each of its files is shown.
const SHOWN: usize = 12_000;

/// What became of a run.
#[derive(Debug)]
pub struct Outcome {
    /// 0: all calls went as the scenario says.
    pub code: Option<i32>,
    /// What it wrote about unexpected messages, its screen, and all messages.
    pub log: String,
    /// What it has received, in order.
    pub received: Vec<Message>,
}

impl Outcome {
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.code == Some(0)
    }
}

/// A scenario that is being played. Dropping it kills the program.
#[derive(Debug)]
pub struct Sipp {
    child: Child,
    dir: TempDir,
    address: SocketAddr,
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
    Sipp::caller(scenario, server, transport, more)?.outcome(within)
}

impl Sipp {
    /// Starts a scenario that calls `server`; arguments as those of [`play`].
    ///
    /// # Errors
    /// When the program or the scenario is missing.
    pub fn caller(
        scenario: &Path,
        server: SocketAddr,
        transport: &str,
        more: &[&str],
    ) -> Result<Self> {
        Self::start(scenario, Some(server), transport, more)
    }

    /// Starts a scenario that waits for a call at [`Sipp::address`], and waits until it listens.
    ///
    /// # Errors
    /// When the program or the scenario is missing, or it does not listen in time.
    pub fn called(scenario: &Path, transport: &str, more: &[&str]) -> Result<Self> {
        let mut sipp = Self::start(scenario, None, transport, more)?;
        let stream = transport.starts_with('t');
        let listens = wait::until(START_LIMIT, || {
            let taken = if stream {
                TcpListener::bind(sipp.address).is_err()
            } else {
                UdpSocket::bind(sipp.address).is_err()
            };
            let ended = matches!(sipp.child.try_wait(), Ok(Some(_)));
            (taken || ended).then_some(!ended)
        });
        anyhow::ensure!(listens == Some(true), "sipp does not listen\n{}", sipp.log());
        Ok(sipp)
    }

    fn start(
        scenario: &Path,
        server: Option<SocketAddr>,
        transport: &str,
        more: &[&str],
    ) -> Result<Self> {
        let dir = TempDir::new("sipp")?;
        let ports = free_block(20);
        let scenario =
            fs::canonicalize(scenario).with_context(|| format!("{}", scenario.display()))?;
        let screen = fs::File::create(dir.path().join("screen"))?;
        let mut command = Command::new("sipp");
        command
            .current_dir(dir.path())
            .args(server.map(|server| server.to_string()))
            .arg("-sf")
            .arg(scenario)
            .args(["-i", "127.0.0.1", "-p", &ports.to_string(), "-mp", &(ports + 4).to_string()])
            .args(["-t", transport, "-nostdin"])
            .args(["-trace_err", "-error_file", "errors"])
            .args(["-trace_msg", "-message_file", "messages"])
            .args(["-trace_logs", "-log_file", "logged"])
            .args(if more.contains(&"-m") { &[][..] } else { &["-m", "1"][..] })
            .args(more)
            .stdin(Stdio::null())
            .stdout(screen.try_clone()?)
            .stderr(screen);
        let child = command.spawn().context("start sipp (Debian package sip-tester)")?;
        Ok(Self { child, dir, address: (Ipv4Addr::LOCALHOST, ports).into() })
    }

    /// Where it speaks SIP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Value of the latest line `name=value` the scenario has logged.
    #[must_use]
    pub fn logged(&self, name: &str) -> Option<String> {
        let lines = read(&self.dir.path().join("logged"));
        let mut values = lines.lines().filter_map(|line| line.split_once('='));
        values.rfind(|(key, _)| *key == name).map(|(_, value)| value.trim().to_owned())
    }

    /// Waits for such a line.
    ///
    /// # Errors
    /// When there is none `within`.
    pub fn wait_logged(&self, name: &str, within: Duration) -> Result<String> {
        wait::until(within, || self.logged(name))
            .with_context(|| format!("sipp has not logged {name}\n{}", self.log()))
    }

    /// What it has received so far, in order; what it writes is flushed by message.
    #[must_use]
    pub fn received(&self) -> Vec<Message> {
        let text = fs::read(self.dir.path().join("messages")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        // "UDP message received [N] bytes :", a blank line, N bytes.
        let mut found = Vec::new();
        for part in text.split(" message received [").skip(1) {
            let Some((length, rest)) = part.split_once("] bytes :\n\n") else { continue };
            let length = length.parse().unwrap_or(0_usize);
            found.extend(rest.as_bytes().get(..length).and_then(Message::parse));
        }
        found
    }

    /// Waits for a request of that method, and gives the latest.
    ///
    /// # Errors
    /// When none has come `within`.
    pub fn wait_received(&self, method: &str, within: Duration) -> Result<Message> {
        wait::until(within, || self.received().into_iter().rfind(|m| m.method() == Some(method)))
            .with_context(|| format!("sipp has not received {method}\n{}", self.log()))
    }

    /// Waits for the end of the scenario.
    ///
    /// # Errors
    /// When it has not ended `within`; it is killed then.
    pub fn outcome(mut self, within: Duration) -> Result<Outcome> {
        let ended = wait::until(within, || self.child.try_wait().ok().flatten());
        if ended.is_none() {
            self.child.kill()?;
            self.child.wait()?;
        }
        let log = self.log();
        let ended =
            ended.with_context(|| format!("sipp has not ended within {within:?}\n{log}"))?;
        Ok(Outcome { code: ended.code(), log, received: self.received() })
    }

    /// What it has written so far about unexpected messages, its screen, and all messages.
    #[must_use]
    pub fn log(&self) -> String {
        let end = |name: &str| {
            let text = read(&self.dir.path().join(name));
            let start = text.len().saturating_sub(SHOWN);
            let start = (start..=text.len()).find(|&at| text.is_char_boundary(at));
            text[start.unwrap_or_default()..].to_owned()
        };
        format!("{}\n{}\n{}", end("errors"), end("screen"), end("messages"))
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}
