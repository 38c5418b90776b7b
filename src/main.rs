//! Arguments, configuration, logging; then the server.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;
use trunkline::config::{Config, LogFormat, stray_variables};
use trunkline::server;
use trunkline::store::{self, Backup};

/// Real-time media and signalling server: SIP phones, webhook applications, REST call control.
#[derive(Parser)]
#[command(version, about, after_help = AFTER_HELP)]
struct Arguments {
    /// TOML file with settings; see config/example.toml for every key.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Make a demo tenant with two phones, and allow webhooks on this machine.
    #[arg(long)]
    demo: bool,

    /// Copy the database to FILE, which must not exist, while the server runs or not, and exit.
    #[arg(long, value_name = "FILE")]
    backup: Option<PathBuf>,

    /// Print the effective configuration, secrets masked, and exit.
    #[arg(long)]
    check_config: bool,
}

const AFTER_HELP: &str = "\
Environment (over the file):
  TRUNKLINE_HTTP_LISTEN  address of the REST API             [127.0.0.1:3000]
  TRUNKLINE_SIP_LISTEN   address for SIP over UDP and TCP    [0.0.0.0:5060]
  TRUNKLINE_MEDIA_IP     address put into SDP                [the listen address, or the host's first]
  TRUNKLINE_RTP_PORTS    range of RTP and RTCP ports         [20000-29999]
  TRUNKLINE_DATA_DIR     folder of the database              [./data]
  TRUNKLINE_STORE_URL    postgres://user:password@host/name  [SQLite in that folder]
  TRUNKLINE_ADMIN_KEY    admin API key                       [generated and printed once]
  TRUNKLINE_LOG          log filter, as in info,trunkline=debug
  TRUNKLINE__SECTION__KEY  any other key, as in TRUNKLINE__RTP__INACTIVITY_TIMEOUT=30s

First call in one minute:  trunkline --demo";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut config = match Config::load(arguments.config.as_deref()) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("trunkline: configuration: {error}");
            eprintln!("Every key is described in config/example.toml; --check-config shows yours.");
            return ExitCode::from(2);
        }
    };
    if arguments.demo {
        config.hook.allow_loopback();
    }
    if arguments.check_config {
        print!("{}", config.to_masked_toml());
        return ExitCode::SUCCESS;
    }
    start_logging(&config);
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in stray_variables(names) {
        tracing::warn!(name, "environment variable is not a setting; see --help");
    }
    if let Some(file) = arguments.backup {
        return back_up(&config, &file);
    }
    match actix::System::new().block_on(server::run(config, arguments.demo)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Copies the database, and says what else a restore needs.
fn back_up(config: &Config, file: &Path) -> ExitCode {
    match actix::System::new().block_on(store::back_up(&config.store, file)) {
        Ok(Backup { bytes, key_file }) => {
            println!("{}: {bytes} bytes", file.display());
            match key_file {
                Some(key) => {
                    println!("keep {} with it: it opens the secrets inside", key.display())
                }
                None => println!(
                    "keep store.key of the configuration with it: it opens the secrets inside"
                ),
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("trunkline: no backup: {:#}", anyhow::Error::new(error));
            ExitCode::FAILURE
        }
    }
}

/// Logs go to standard error, so that what the demo prints stays readable by programs.
fn start_logging(config: &Config) {
    let filter = EnvFilter::try_new(&config.log.filter).unwrap_or_else(|error| {
        eprintln!("trunkline: log filter not understood ({error}); using info");
        EnvFilter::new("info")
    });
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match config.log.format {
        LogFormat::Text => logs.init(),
        LogFormat::Json => logs.json().init(),
    }
}
