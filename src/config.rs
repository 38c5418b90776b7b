//! The one configuration tree: defaults, then the TOML file, then the environment.
//!
//! Read once at start by `main.rs`; nothing else in the server reads the environment. Unknown keys
//! are errors, durations carry their unit (`"20ms"`), secrets never print. `config/example.toml`
//! lists every key; a test keeps it equal to the defaults here.
//!
//! Environment: the names in [`FIXED_VARIABLES`] and, for every other key, `TRUNKLINE__SECTION__KEY`
//! (`TRUNKLINE__RTP__INACTIVITY_TIMEOUT=30s`). An empty variable counts as unset.

mod media;
mod net;
mod recording;
mod sip;
mod speech;
mod units;

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::Figment;
use figment::providers::{Format, Toml};
use serde::{Deserialize, Serialize};

use crate::model::user::MAX_PASSWORD;
use crate::model::{AddressPolicy, Network, Secret};

pub use self::media::{Codec, Media, Opus};
pub use self::recording::Recording;
pub use self::sip::{Listen, ListenTransport, Reliable, Sip, Transfers};
pub use self::speech::Speech;
pub use units::{PortRange, parse_duration};

/// Variables whose names are fixed because scripts rely on them, and the key each one sets.
pub const FIXED_VARIABLES: [(&str, &str); 8] = [
    ("TRUNKLINE_HTTP_LISTEN", "http.listen"),
    ("TRUNKLINE_SIP_LISTEN", "sip.listen"),
    ("TRUNKLINE_MEDIA_IP", "media.ip"),
    ("TRUNKLINE_RTP_PORTS", "rtp.ports"),
    ("TRUNKLINE_DATA_DIR", "store.data_dir"),
    ("TRUNKLINE_STORE_URL", "store.url"),
    ("TRUNKLINE_ADMIN_KEY", "api.admin_key"),
    ("TRUNKLINE_LOG", "log.filter"),
];

const PREFIX: &str = "TRUNKLINE__";

const JWT_LIFETIMES: RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(365 * 86_400);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub http: Http,
    pub sip: Sip,
    pub rtp: Rtp,
    pub media: Media,
    pub speech: Speech,
    pub store: Store,
    pub hook: Hook,
    pub call: Call,
    pub recording: Recording,
    pub api: Api,
    pub log: Log,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    pub listen: SocketAddr,
    pub workers: usize,
    pub max_body_bytes: usize,
    #[serde(with = "units::duration")]
    pub request_timeout: Duration,
    #[serde(with = "units::duration")]
    pub keep_alive: Duration,
    /// Connections at once; more wait until one is closed.
    pub max_connections: usize,
    /// Requests of one token. Zero: as many as it likes.
    pub rate_per_second: u32,
    pub rate_burst: u32,
    /// Requests with tokens that nobody has, from one address. Zero: no limit.
    pub auth_failures_per_second: u32,
    pub auth_failures_burst: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rtp {
    pub ports: PortRange,
    #[serde(with = "units::duration")]
    pub inactivity_timeout: Duration,
    #[serde(with = "units::duration")]
    pub jitter_min: Duration,
    #[serde(with = "units::duration")]
    pub jitter_start: Duration,
    #[serde(with = "units::duration")]
    pub jitter_max: Duration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    pub data_dir: PathBuf,
    /// PostgreSQL, as in `postgres://user:password@host/database`. Unset: SQLite in `data_dir`.
    #[serde(with = "units::optional_secret")]
    pub url: Option<Secret>,
    /// Seals readable secrets at rest: 32 bytes in base64. Unset: kept in `data_dir/server.key`.
    #[serde(with = "units::optional_secret")]
    pub key: Option<Secret>,
    pub read_connections: u32,
    /// Call records and alerts waiting to be written; beyond this they are dropped and counted.
    pub journal_capacity: usize,
    /// Bytes of them that are kept in `data_dir/journal.ndjson` while the database takes none; 0: it
    /// is not used.
    pub journal_spill_bytes: u64,
    /// How long records are kept from the start of the call, or from the alert; zero: for ever.
    #[serde(with = "units::duration")]
    pub keep_calls: Duration,
    #[serde(with = "units::duration")]
    pub keep_alerts: Duration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hook {
    #[serde(with = "units::duration")]
    pub timeout: Duration,
    pub user_agent: String,
    pub max_reply_bytes: usize,
    /// From connecting to the end of the WebSocket handshake.
    #[serde(with = "units::duration")]
    pub ws_handshake_timeout: Duration,
    /// How long a WebSocket application has to acknowledge a message.
    #[serde(with = "units::duration")]
    pub ws_ack_timeout: Duration,
    /// Longer messages of a WebSocket application end its socket.
    pub ws_message_max_bytes: usize,
    /// A PEM file of further authorities, beside those the system trusts, for `wss`.
    #[serde(with = "units::optional_path")]
    pub ws_ca_file: Option<PathBuf>,
    /// Whether hooks may go to loopback, link-local and private addresses.
    pub allow_private_networks: bool,
    /// The networks of that kind that they may go to all the same.
    #[serde(with = "units::list")]
    pub allowed_networks: Vec<Network>,
}

impl Hook {
    /// Allows hooks on this machine.
    pub fn allow_loopback(&mut self) {
        self.allowed_networks.extend(Network::LOOPBACK);
    }

    /// Where the URLs of tenants may lead.
    pub fn address_policy(&self) -> AddressPolicy {
        AddressPolicy {
            allow_private_networks: self.allow_private_networks,
            allowed_networks: self.allowed_networks.clone(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Call {
    #[serde(with = "units::duration")]
    pub max_duration: Duration,
    #[serde(with = "units::duration")]
    pub ended_retention: Duration,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Api {
    pub wire: WireStyle,
    #[serde(with = "units::optional_secret")]
    pub admin_key: Option<Secret>,
    /// Of the user `admin`, which is made at the first start with a password here.
    #[serde(with = "units::optional_secret")]
    pub admin_password: Option<Secret>,
    /// Signs the tokens of people who log in. Unset: kept in `data_dir/jwt.key`.
    #[serde(with = "units::optional_secret")]
    pub jwt_secret: Option<Secret>,
    #[serde(with = "units::duration")]
    pub jwt_lifetime: Duration,
    /// Whether a new server begins with a service provider and an account.
    pub default_tenant: bool,
    /// Whether account tokens may only make so many applications, carriers, gateways and numbers.
    pub creation_quotas: bool,
}

/// How dates and numbers leave the API (contract rest.md §1.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WireStyle {
    /// RFC 2822 dates, E.164 numbers with `+`.
    #[default]
    Trunkline,
    /// ISO 8601 dates, numbers without `+`.
    Jambonz,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    pub filter: String,
    pub format: LogFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read as TOML, a key is unknown, or a value has the wrong shape.
    #[error("{0}")]
    Unreadable(#[from] Box<figment::Error>),
    #[error("configuration file {path} not found")]
    NoFile { path: PathBuf },
    /// A readable value that cannot work.
    #[error("{key}: {reason}")]
    Invalid { key: &'static str, reason: &'static str },
}

impl Config {
    /// Defaults < `file` < the process environment, checked.
    ///
    /// # Errors
    /// See [`Error`]; the text names the key.
    pub fn load(file: Option<&Path>) -> Result<Self, Error> {
        Self::load_from(
            file,
            std::env::vars_os().filter_map(|(name, value)| {
                Some((name.into_string().ok()?, value.into_string().ok()?))
            }),
        )
    }

    /// As [`Config::load`], with the environment given; what tests use.
    pub fn load_from(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        let mut figment = Figment::new();
        if let Some(path) = file {
            if !path.is_file() {
                return Err(Error::NoFile { path: path.to_owned() });
            }
            figment = figment.merge(Toml::file_exact(path));
        }
        for (name, value) in variables.into_iter().filter(|(_, value)| !value.is_empty()) {
            if let Some((_, key)) = FIXED_VARIABLES.iter().find(|(fixed, _)| *fixed == name) {
                figment = figment.merge((*key, value));
            } else if let Some(path) = name.strip_prefix(PREFIX) {
                let key = path.to_ascii_lowercase().replace("__", ".");
                figment = figment.merge((key, units::environment_value(&value)));
            }
        }
        let config: Self = figment.extract().map_err(Box::new)?;
        config.check()?;
        Ok(config)
    }

    /// Refuses values that can be read but cannot work.
    pub fn check(&self) -> Result<(), Error> {
        let rules: [(&'static str, bool, &'static str); 18] = [
            ("http.workers", (1..=64).contains(&self.http.workers), "must be 1 to 64"),
            ("http.max_body_bytes", self.http.max_body_bytes >= 1024, "must be at least 1024"),
            (
                "http.max_connections",
                self.http.max_connections >= self.http.workers,
                "must not be less than workers",
            ),
            ("http.rate_burst", self.http.rate_burst > 0, "must not be zero"),
            ("http.auth_failures_burst", self.http.auth_failures_burst > 0, "must not be zero"),
            (
                "rtp.jitter_min",
                self.rtp.jitter_min <= self.rtp.jitter_start,
                "is above jitter_start",
            ),
            (
                "rtp.jitter_max",
                self.rtp.jitter_start <= self.rtp.jitter_max,
                "is below jitter_start",
            ),
            (
                "store.url",
                self.store.url.as_ref().is_none_or(|url| units::is_postgres_url(&url.0)),
                "must be like postgres://user:password@host/database",
            ),
            (
                "store.read_connections",
                (1..=64).contains(&self.store.read_connections),
                "must be 1 to 64",
            ),
            ("store.journal_capacity", self.store.journal_capacity > 0, "must not be zero"),
            (
                "store.journal_spill_bytes",
                matches!(self.store.journal_spill_bytes, 0 | 1_048_576..),
                "must be 0 or at least 1048576",
            ),
            ("hook.timeout", !self.hook.timeout.is_zero(), "must not be zero"),
            (
                "hook.ws_handshake_timeout",
                !self.hook.ws_handshake_timeout.is_zero(),
                "must not be zero",
            ),
            ("hook.ws_ack_timeout", !self.hook.ws_ack_timeout.is_zero(), "must not be zero"),
            (
                "api.admin_key",
                self.api.admin_key.as_ref().is_none_or(|key| units::is_token(&key.0)),
                "must be 8 to 256 visible ASCII characters",
            ),
            (
                "api.admin_password",
                self.api.admin_password.as_ref().is_none_or(|p| p.0.len() <= MAX_PASSWORD),
                "must have 255 octets at most",
            ),
            (
                // RFC 7518 §3.2: as long as the hash at least.
                "api.jwt_secret",
                self.api.jwt_secret.as_ref().is_none_or(|secret| secret.0.len() >= 32),
                "must have 32 octets at least",
            ),
            (
                "api.jwt_lifetime",
                JWT_LIFETIMES.contains(&self.api.jwt_lifetime),
                "must be 1m to 365d",
            ),
        ];
        let rules = rules
            .into_iter()
            .chain(self.sip.rules())
            .chain(self.media.rules())
            .chain(self.speech.rules())
            .chain(self.recording.rules());
        match rules.into_iter().find(|(_, holds, _)| !holds) {
            Some((key, _, reason)) => Err(Error::Invalid { key, reason }),
            None => Ok(()),
        }
    }

    /// The address put into SDP: `media.ip`, else `sip.public_ip`, else the SIP listen address when it
    /// is specific, else the first address of this host that is not loopback, else 127.0.0.1. Sends no
    /// packet.
    pub fn media_ip(&self) -> IpAddr {
        let listen = self.sip.listen.ip();
        match self.media.ip.or(self.sip.public_ip) {
            Some(ip) => ip,
            None if !listen.is_unspecified() => listen,
            None => net::first_address(),
        }
    }

    /// What peers are told of a listener that is bound to `bound`: its own public address, else
    /// `sip.public_ip` if it is of the same family, else where it is bound; for all addresses of the
    /// host, the one media has, or the host's first of that family. A loopback address stays what it
    /// is, for nobody outside can reach it by another.
    pub fn public_address(&self, listen: &Listen, bound: SocketAddr) -> SocketAddr {
        let same_family = |ip: &IpAddr| ip.is_ipv4() == bound.is_ipv4();
        let ip = match self.sip.public_ip.filter(same_family) {
            _ if bound.ip().is_loopback() => bound.ip(),
            Some(ip) => ip,
            None if !bound.ip().is_unspecified() => bound.ip(),
            None => Some(self.media_ip())
                .filter(same_family)
                .or_else(|| net::first_address_of(bound.is_ipv4()))
                .unwrap_or_else(|| bound.ip()),
        };
        listen.public.unwrap_or_else(|| SocketAddr::new(ip, bound.port()))
    }

    /// How many media arbiters run: the configured number, or one less than the cores, at least 1.
    pub fn media_arbiters(&self) -> usize {
        match self.media.arbiters {
            0 => {
                std::thread::available_parallelism().map_or(1, |n| n.get().saturating_sub(1).max(1))
            }
            n => n,
        }
    }

    /// Where recordings lie: the configured folder, or one in the data directory.
    pub fn recording_dir(&self) -> PathBuf {
        let own = || self.store.data_dir.join("recordings");
        self.recording.dir.clone().unwrap_or_else(own)
    }

    /// The effective tree as TOML with secrets masked, for `--check-config`.
    pub fn to_masked_toml(&self) -> String {
        // Every field is a number, a string or a boolean inside a table, which TOML can hold.
        toml::to_string_pretty(self).unwrap_or_else(|error| format!("# cannot print: {error}\n"))
    }
}

/// Names that look like ours and mean nothing: a misspelt variable deserves a warning at start.
pub fn stray_variables(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let known = |name: &str| {
        name.starts_with(PREFIX) || FIXED_VARIABLES.iter().any(|(fixed, _)| *fixed == name)
    };
    names.into_iter().filter(|name| name.starts_with("TRUNKLINE_") && !known(name)).collect()
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 3000)),
            workers: 2,
            max_body_bytes: 1024 * 1024,
            request_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            max_connections: 4096,
            rate_per_second: 0,
            rate_burst: 100,
            auth_failures_per_second: 0,
            auth_failures_burst: 20,
        }
    }
}

impl Default for Rtp {
    fn default() -> Self {
        Self {
            ports: PortRange { first: 20_000, last: 29_999 },
            inactivity_timeout: Duration::from_secs(60),
            jitter_min: Duration::from_millis(20),
            jitter_start: Duration::from_millis(40),
            jitter_max: Duration::from_millis(200),
        }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("./data"),
            url: None,
            key: None,
            read_connections: 4,
            journal_capacity: 16_384,
            journal_spill_bytes: 64 * 1024 * 1024,
            keep_calls: Duration::from_secs(365 * 86_400),
            keep_alerts: Duration::from_secs(30 * 86_400),
        }
    }
}

impl Default for Hook {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            user_agent: "jambonz".to_owned(),
            max_reply_bytes: 1024 * 1024,
            ws_handshake_timeout: Duration::from_millis(1500),
            ws_ack_timeout: Duration::from_secs(5),
            ws_message_max_bytes: 1024 * 1024,
            ws_ca_file: None,
            allow_private_networks: false,
            allowed_networks: Vec::new(),
        }
    }
}

impl Default for Call {
    fn default() -> Self {
        Self {
            max_duration: Duration::from_secs(180 * 60),
            ended_retention: Duration::from_secs(3600),
        }
    }
}

impl Default for Api {
    fn default() -> Self {
        Self {
            wire: WireStyle::default(),
            admin_key: None,
            admin_password: Some(Secret("admin".to_owned())),
            jwt_secret: None,
            jwt_lifetime: Duration::from_secs(3600),
            default_tenant: false,
            creation_quotas: false,
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Text }
    }
}

#[cfg(test)]
mod tests;
