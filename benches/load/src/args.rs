//! The command line, checked: every target must be on the loopback interface.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, ensure};
use clap::Parser;

use crate::codec::Codec;
use crate::voice::Quiet;

/// Places real SIP calls with RTP into conferences of a server on this machine, measures what each
/// caller receives and what the server spends, and prints a table and a JSON document.
///
/// Ways to a server: `--spawn` starts and provisions one; `--rest URL --admin-key KEY` provisions the
/// one at `--server`; `--user --password --realm` takes an existing SIP client; `--uri` calls another
/// product; `--janus URL` joins a room of Janus's AudioBridge by its API; `--bare` measures no server
/// but a loop that receives and sends.
///
/// For figures to compare, pin: `--spawn --pin --with-bare -n 400`. For the largest conference one
/// processor holds: `--spawn --pin --search -n 2500 --rate 200 --seconds 10`.
///
/// Gaps, loss and pacing are measured by the kernel's receive stamps, made while the server sends, so
/// they do not depend on when this program reads. It does pace what the server receives, and says so
/// when it was late itself.
#[derive(Debug, Clone, Parser)]
#[command(name = "trunkline-load", version)]
pub(crate) struct Args {
    /// Number of calls; with --search the largest number tried.
    #[arg(short = 'n', long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub(crate) calls: u32,
    /// How many of the callers send a tone of their own, or `all`; the rest send what --quiet says.
    #[arg(long, default_value = "3")]
    pub(crate) talkers: Talkers,
    /// What everybody speaks.
    #[arg(long, value_enum, default_value_t = Codec::Pcmu)]
    pub(crate) codec: Codec,
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
    /// Put the server on one processor and this program on another.
    #[arg(long)]
    pub(crate) pin: bool,
    /// Afterwards, with the same callers and packets, measure a loop that only receives and sends, on
    /// the server's processor, and print how many times its cost the server's is.
    #[arg(long, conflicts_with = "bare")]
    pub(crate) with_bare: bool,
    /// Measure that loop alone.
    #[arg(long, conflicts_with_all = ["spawn", "rest", "user", "uri", "janus", "pid", "search"])]
    pub(crate) bare: bool,
    /// Find the largest number of calls at which everybody gets 49 packets a second and sees no gap
    /// over 60 ms: doubles from --search-from until it fails or -n is reached, then halves the step.
    #[arg(long)]
    pub(crate) search: bool,
    /// Where --search begins.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub(crate) search_from: u32,
    /// Place no lasting calls, but have `sipp` find how many calls a second (INVITE, 200, ACK, BYE, no
    /// media) a server started here answers; each rate is tried for --seconds.
    #[arg(long, requires = "spawn", conflicts_with_all = ["search", "with_bare", "table"])]
    pub(crate) cps: bool,
    /// Where --cps begins.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(crate) cps_from: u32,
    /// No higher rate is tried by --cps.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(crate) cps_to: u32,
    /// While the calls are measured, send so many SIP requests a second from 127.0.0.2, place
    /// legitimate calls from 127.0.0.1, and watch the server's memory.
    #[arg(long, conflicts_with_all = ["search", "with_bare", "bare", "janus", "uri", "cps"])]
    pub(crate) flood: Option<u32>,
    /// While the calls are measured, load the REST API of a server started here, one kind of request
    /// after the other: as many as it answers for --seconds, then half as many (10,000 a second at
    /// most) at times laid down beforehand.
    #[arg(long, requires = "spawn", conflicts_with_all = ["search", "with_bare", "bare", "janus", "uri", "cps", "flood", "pin"])]
    pub(crate) rest_load: bool,
    /// While the first half of the calls stays in one room and is measured, the other half comes and goes:
    /// so many joins and so many leaves a second. Then the room is deleted over REST.
    #[arg(long, requires = "spawn", conflicts_with_all = ["search", "with_bare", "cps", "flood", "rest_load"])]
    pub(crate) churn: Option<u32>,
    /// -n callers wait in one queue for so many agents, hang up at random and are removed over REST; then
    /// callers come one by one while agents wait.
    #[arg(long, requires = "spawn", conflicts_with_all = ["search", "with_bare", "cps", "flood", "rest_load", "churn"])]
    pub(crate) queue_race: Option<u32>,
    /// Place no calls, but lay down so many conferences and so many queues, and see what they cost.
    #[arg(long, requires = "spawn", conflicts_with_all = ["search", "with_bare", "cps", "flood", "rest_load", "churn", "queue_race"])]
    pub(crate) idle_rooms: Option<u32>,
    /// So many callers more, in a room of their own, who only listen and send nothing; --rest-load lists
    /// them.
    #[arg(long, default_value_t = 0, requires = "rest_load", value_parser = clap::value_parser!(u32).range(0..=2_000))]
    pub(crate) listeners: u32,
    /// Connections of --rest-load.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) connections: u32,
    /// Name of the conference: calls go to sip:conference-NAME@REALM.
    #[arg(long, default_value = "load")]
    pub(crate) conference: String,
    /// Calls go to exactly this URI instead, for instance on another product.
    #[arg(long)]
    pub(crate) uri: Option<String>,
    /// Join by the API of Janus at this URL (http://127.0.0.1:8088/janus) instead of by SIP, as plain
    /// RTP participants of the AudioBridge room --janus-room.
    #[arg(long, value_parser = loopback_url, conflicts_with_all = ["spawn", "rest", "user", "uri"])]
    pub(crate) janus: Option<String>,
    #[arg(long, default_value_t = 1234)]
    pub(crate) janus_room: u64,
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
    #[arg(long, conflicts_with_all = ["rest", "user", "pid"])]
    pub(crate) spawn: Option<Option<PathBuf>>,
    /// Process whose CPU time and memory are the server's.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// One line of JSON and no table.
    #[arg(long, conflicts_with = "table")]
    pub(crate) json: bool,
    /// The table on standard output and no JSON.
    #[arg(long)]
    pub(crate) table: bool,
    /// Make no calls, but one table of the reports in these files.
    #[arg(long, num_args = 1.., value_name = "NAME=FILE")]
    pub(crate) compare: Vec<String>,
    /// Be the loop of --bare: so many sockets, so many seconds at most.
    #[arg(long, hide = true, num_args = 2, value_names = ["SOCKETS", "SECONDS"])]
    pub(crate) bare_loop: Option<Vec<u32>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Talkers {
    All,
    Some(u32),
}

impl FromStr for Talkers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            _ => text.parse().map(Self::Some).map_err(|_| "a number or `all`".to_owned()),
        }
    }
}

impl Args {
    /// # Errors
    /// When values do not fit each other.
    pub(crate) fn check(&self) -> Result<()> {
        ensure!(self.talkers() <= self.calls, "more talkers than calls");
        ensure!(self.rooms <= self.calls, "more rooms than calls");
        ensure!(self.rooms == 1 || self.janus.is_none(), "--janus joins one room");
        ensure!(
            self.quiet != Quiet::Dtx || self.codec == Codec::Opus,
            "--quiet dtx is Opus's; G.711 has no discontinuous transmission of its own"
        );
        ensure!(self.cps_from <= self.cps_to, "--cps-from is above --cps-to");
        ensure!(!self.search || self.search_from <= self.calls, "--search-from is above -n");
        Ok(())
    }

    /// Number of callers that talk.
    pub(crate) fn talkers(&self) -> u32 {
        match self.talkers {
            Talkers::All => self.calls,
            Talkers::Some(count) => count,
        }
    }

    /// Whether a server of ours is called, whose rooms are known.
    pub(crate) fn rooms_are_ours(&self) -> bool {
        self.uri.is_none() && !self.bare
    }

    /// In a few words.
    pub(crate) fn plan(&self) -> String {
        let rooms = match self.rooms {
            1 => "one room".to_owned(),
            rooms => format!("{rooms} rooms"),
        };
        let talk = match self.talkers() {
            talkers if talkers == self.calls => "all talking".to_owned(),
            talkers => format!("{talkers} talking, the others {}", named(self.quiet)),
        };
        format!("{} calls, {}, {rooms}, {talk}, {} s", self.calls, self.codec.name(), self.seconds)
    }
}

fn named(quiet: Quiet) -> &'static str {
    match quiet {
        Quiet::Silence => "digitally silent",
        Quiet::Comfort => "faint noise",
        Quiet::Levels => "faint noise with RFC 6464 levels",
        Quiet::Dtx => "faint noise under DTX",
    }
}

fn loopback_address(text: &str) -> Result<SocketAddr> {
    let addresses = text.to_socket_addrs().with_context(|| format!("{text} is not host:port"))?;
    let address = addresses.into_iter().find(SocketAddr::is_ipv4).context("no IPv4 address")?;
    ensure!(address.ip().is_loopback(), "{text} is not on the loopback interface: refused");
    Ok(address)
}

fn loopback_url(text: &str) -> Result<String> {
    let rest = text.strip_prefix("http://").context("the URL must begin with http://")?;
    let host = rest.split('/').next().unwrap_or(rest);
    ensure!(!host.contains('@'), "user information in the URL: refused");
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
    fn what_does_not_fit_together_is_refused() {
        let check = |words: &[&str]| {
            let words = std::iter::once("trunkline-load").chain(words.iter().copied());
            Args::try_parse_from(words).map_err(anyhow::Error::from).and_then(|args| {
                args.check()?;
                Ok(args)
            })
        };
        assert_eq!(check(&["-n", "9", "--talkers", "all"]).unwrap().talkers(), 9);
        assert!(check(&["-n", "9", "--talkers", "10"]).is_err());
        assert!(check(&["--quiet", "dtx"]).is_err());
        assert!(check(&["--quiet", "dtx", "--codec", "opus"]).is_ok());
        assert_eq!(check(&["--spawn", "--pin"]).unwrap().spawn, Some(None));
        assert!(check(&["--bare", "--spawn"]).is_err());
        assert!(check(&["--bare", "--pin"]).is_ok());
        assert!(check(&["--janus", "http://192.0.2.1:8088/janus"]).is_err());
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
