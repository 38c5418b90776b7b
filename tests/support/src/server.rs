//! The server under test: started on free loopback ports with an own data directory, ended with it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::ports::free_block;
use crate::rest::Rest;
use crate::temp_dir::TempDir;
use crate::wait;

/// Longest wait for the first answer of `GET /health`.
const START_LIMIT: Duration = Duration::from_secs(30);
/// Lines of the server's log shown when a test fails.
const LOG_LINES_SHOWN: usize = 80;

/// A running server. Dropping it kills it; while panicking, the end of its log is shown.
#[derive(Debug)]
pub struct Server {
    child: Child,
    setting: Setting,
    dir: TempDir,
}

/// What a server is started with; it survives a restart.
#[derive(Debug, Clone)]
struct Setting {
    binary: PathBuf,
    http: SocketAddr,
    sip: SocketAddr,
    rtp_first: u16,
    rtp_last: u16,
    admin_key: String,
    env: Vec<(String, String)>,
}

impl Server {
    /// Starts `binary` (tests pass `env!("CARGO_BIN_EXE_trunkline")`) and waits until it is healthy.
    ///
    /// # Panics
    /// When it does not come up; the log is shown.
    #[must_use]
    pub fn spawn(binary: impl AsRef<OsStr>) -> Self {
        Self::spawn_with(binary, &[])
    }

    /// As [`Server::spawn`] with further environment variables.
    ///
    /// # Panics
    /// When it does not come up; the log is shown.
    #[must_use]
    pub fn spawn_with(binary: impl AsRef<OsStr>, env: &[(&str, &str)]) -> Self {
        Self::start(binary, env, 200).expect("the server starts")
    }

    /// As [`Server::spawn_with`] for a program that wants an error, with room for `rtp_ports` ports.
    ///
    /// # Errors
    /// When it cannot be started or does not become healthy in time.
    pub fn start(binary: impl AsRef<OsStr>, env: &[(&str, &str)], rtp_ports: u16) -> Result<Self> {
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let rtp_first = free_block(rtp_ports);
        let setting = Setting {
            binary: binary.as_ref().into(),
            http: local(free_block(1)),
            sip: local(free_block(1)),
            rtp_first,
            rtp_last: rtp_first + rtp_ports - 1,
            admin_key: "5bd3f5e0-0000-4000-8000-00005ec2e75e".to_owned(),
            env: env.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
        };
        let dir = TempDir::new("server")?;
        let child = setting.launch(dir.path())?;
        let mut server = Self { child, setting, dir };
        server.wait_healthy()?;
        Ok(server)
    }

    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.setting.http
    }

    /// Where it speaks SIP, over UDP and TCP.
    #[must_use]
    pub fn sip(&self) -> SocketAddr {
        self.setting.sip
    }

    /// First and last port of its RTP range.
    #[must_use]
    pub fn rtp_ports(&self) -> (u16, u16) {
        (self.setting.rtp_first, self.setting.rtp_last)
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A REST client with the admin key.
    #[must_use]
    pub fn admin(&self) -> Rest {
        Rest::new(&format!("http://{}", self.setting.http), &self.setting.admin_key)
    }

    /// Everything it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log_path()).unwrap_or_default()).into_owned()
    }

    /// Whether the process still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// `kill -9`: no chance to save anything.
    ///
    /// # Errors
    /// When the process cannot be waited for.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, then waits for the exit.
    ///
    /// # Errors
    /// When it has not gone after `within`.
    pub fn terminate(&mut self, within: Duration) -> Result<ExitStatus> {
        self.ask_to_end()?;
        self.wait_exit(within)
    }

    /// SIGTERM.
    ///
    /// # Errors
    /// When there is no process any more.
    pub fn ask_to_end(&self) -> Result<()> {
        crate::stamp::signal(self.pid(), libc::SIGTERM).context("SIGTERM")
    }

    /// SIGHUP: it reads its certificates again.
    ///
    /// # Errors
    /// When there is no process any more.
    pub fn reload(&self) -> Result<()> {
        crate::stamp::signal(self.pid(), libc::SIGHUP).context("SIGHUP")
    }

    /// # Errors
    /// When it has not gone after `within`.
    pub fn wait_exit(&mut self, within: Duration) -> Result<ExitStatus> {
        wait::until(within, || self.child.try_wait().ok().flatten())
            .with_context(|| format!("still running after {within:?}"))
    }

    /// Starts it anew on the same ports and data.
    ///
    /// # Errors
    /// When it still runs or does not come up again.
    pub fn restart(&mut self) -> Result<()> {
        ensure!(!self.is_running(), "restart of a server that still runs");
        self.child = self.setting.launch(self.dir.path())?;
        self.wait_healthy()
    }

    fn wait_healthy(&mut self) -> Result<()> {
        let rest = self.admin();
        let healthy = wait::until(START_LIMIT, || {
            if !self.is_running() {
                return Some(false);
            }
            rest.get("/health").is_ok_and(|answer| answer.status == 200).then_some(true)
        });
        if healthy == Some(true) {
            return Ok(());
        }
        let how = if healthy.is_some() { "it exited" } else { "no answer of GET /health" };
        bail!("the server did not come up ({how}); its log ends:\n{}", self.log_end())
    }

    fn log_path(&self) -> PathBuf {
        self.dir.path().join("server.log")
    }

    fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }
}

impl Setting {
    fn launch(&self, dir: &Path) -> Result<Child> {
        let log = File::options().create(true).append(true).open(dir.join("server.log"))?;
        let mut command = Command::new(&self.binary);
        command
            .current_dir(dir)
            .env("TRUNKLINE_HTTP_LISTEN", self.http.to_string())
            .env("TRUNKLINE_SIP_LISTEN", self.sip.to_string())
            .env("TRUNKLINE_MEDIA_IP", self.sip.ip().to_string())
            .env("TRUNKLINE_RTP_PORTS", format!("{}-{}", self.rtp_first, self.rtp_last))
            .env("TRUNKLINE_DATA_DIR", dir.join("data"))
            .env("TRUNKLINE_ADMIN_KEY", &self.admin_key)
            // Applications of tests are on this machine.
            .env("TRUNKLINE__HOOK__ALLOWED_NETWORKS", "127.0.0.0/8,::1/128")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        command.spawn().with_context(|| format!("start {}", self.binary.display()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- the server's log ends ---\n{}\n---", self.log_end());
        }
    }
}
