//! The command line, checked: every target must be on the loopback interface.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};

/// Places real SIP calls with RTP into conferences of a server on this machine, measures what each
/// caller receives and what the server spends, and prints one JSON document.
///
/// Three ways to a server: `--spawn` starts and provisions one; `--rest URL --admin-key KEY`
/// provisions the one at `--server`; `--user --password --realm` takes an existing SIP client.
#[derive(Debug, Clone, Parser)]
#[command(name = "trunkline-load", version)]
pub(crate) struct Args {
    /// Number of calls.
    #[arg(short = 'n', long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub(crate) calls: u32,
    /// How many of the callers send a tone of their own; the rest send what --quiet says.
    #[arg(long, default_value_t = 3)]
    pub(crate) talkers: u32,
    /// What the callers without a tone send.
    #[arg(long, value_enum, default_value_t = Quiet::Silence)]
    pub(crate) quiet: Quiet,
    /// Length of the measured window, in seconds, once all calls stand.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub(crate) seconds: u32,
    /// Calls started per second.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) rate: u32,
    /// Rooms; call i goes to room i mod R, named NAME-0, NAME-1 … when there is more than one.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub(crate) rooms: u32,
    /// Name of the conference: calls go to sip:conference-NAME@REALM.
    #[arg(long, default_value = "load")]
    pub(crate) conference: String,
    /// Calls go to exactly this URI instead, for instance on another product.
    #[arg(long)]
    pub(crate) uri: Option<String>,
    /// SIP address of the server, UDP, on this machine.
    #[arg(long, default_value = "127.0.0.1:5060", value_parser = loopback_address)]
    pub(crate) server: SocketAddr,
    /// SIP user to register and call as.
    #[arg(long, requires = "password")]
    pub(crate) user: Option<String>,
    #[arg(long, env = "TRUNKLINE_LOAD_PASSWORD", hide_env_values = true)]
    pub(crate) password: Option<String>,
    /// Domain of From and of the called URI; default: the server's address.
    #[arg(long)]
    pub(crate) realm: Option<String>,
    /// Do not register before calling.
    #[arg(long)]
    pub(crate) no_register: bool,
    /// Base URL of the REST API, to provision a tenant with a SIP client (needs --admin-key).
    #[arg(long, requires = "admin_key", value_parser = loopback_url)]
    pub(crate) rest: Option<String>,
    #[arg(long, env = "TRUNKLINE_ADMIN_KEY", hide_env_values = true)]
    pub(crate) admin_key: Option<String>,
    /// Start the server itself (default: the `trunkline` beside this program) on free ports.
    #[arg(long, num_args = 0..=1, default_missing_value = "", conflicts_with_all = ["rest", "user", "pid"])]
    pub(crate) spawn: Option<PathBuf>,
    /// Process whose CPU time is the server's.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// One line of JSON and no summary on stderr.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Quiet {
    /// Frames of digital silence (0xFF).
    Silence,
    /// Faint noise at -60 dB, different in every frame: nothing a server could recognise by bytes.
    Comfort,
}

impl Args {
    /// # Errors
    /// When values do not fit each other.
    pub(crate) fn check(&self) -> Result<()> {
        ensure!(self.talkers <= self.calls, "more talkers than calls");
        ensure!(self.rooms <= self.calls, "more rooms than calls");
        Ok(())
    }
}

fn loopback_address(text: &str) -> Result<SocketAddr> {
    let addresses = text.to_socket_addrs().with_context(|| format!("{text} is not host:port"))?;
    let address = addresses.into_iter().find(SocketAddr::is_ipv4).context("no IPv4 address")?;
    ensure!(address.ip().is_loopback(), "{text} is not on the loopback interface: refused");
    Ok(address)
}

fn loopback_url(text: &str) -> Result<String> {
    let rest = text.strip_prefix("http://").context("the REST URL must begin with http://")?;
    let host = rest.split('/').next().unwrap_or(rest);
    ensure!(!host.contains('@'), "user information in the REST URL: refused");
    let host = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    loopback_address(&host)?;
    Ok(text.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory as _;
        Args::command().debug_assert();
    }

    #[test]
    fn targets_off_this_machine_are_refused() {
        assert!(loopback_address("127.0.0.1:5060").is_ok());
        assert!(loopback_address("192.0.2.1:5060").is_err());
        assert!(loopback_address("0.0.0.0:5060").is_err());
        assert!(loopback_url("http://127.0.0.1:3000/").is_ok());
        assert!(loopback_url("http://127.0.0.1@192.0.2.1/").is_err());
        assert!(loopback_url("http://192.0.2.1:3000").is_err());
        assert!(loopback_url("https://127.0.0.1:3000").is_err());
    }
}
