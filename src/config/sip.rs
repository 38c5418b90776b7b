//! `[sip]`: where SIP is heard, with which certificates, how phones register, and who is shut out.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::units;
use crate::model::{Encryption, Network};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sip {
    /// UDP and TCP.
    pub listen: SocketAddr,
    #[serde(with = "units::optional")]
    pub tls_listen: Option<SocketAddr>,
    /// SIP over WebSocket (RFC 7118), plain and inside TLS.
    #[serde(with = "units::optional")]
    pub ws_listen: Option<SocketAddr>,
    #[serde(with = "units::optional")]
    pub wss_listen: Option<SocketAddr>,
    /// More addresses, of any transport.
    #[serde(with = "units::list")]
    pub listeners: Vec<Listen>,
    /// What peers outside reach us by; see [`Config::public_address`](crate::config::Config::public_address).
    #[serde(with = "units::optional")]
    pub public_ip: Option<IpAddr>,
    /// PEM files. Both or neither; needed by the listeners inside TLS.
    #[serde(with = "units::optional_path")]
    pub tls_cert: Option<PathBuf>,
    #[serde(with = "units::optional_path")]
    pub tls_key: Option<PathBuf>,
    /// Who may sign the certificates of servers we connect to; unset: those the system trusts.
    #[serde(with = "units::optional_path")]
    pub tls_ca: Option<PathBuf>,
    /// Whether servers we connect to must prove who they are.
    pub tls_verify_peer: bool,
    /// Who may sign the certificates of clients; unset: clients are not asked for any.
    #[serde(with = "units::optional_path")]
    pub tls_client_ca: Option<PathBuf>,
    pub tls_require_client_cert: bool,
    /// Origins of pages that may open a WebSocket; empty: all.
    #[serde(with = "units::list")]
    pub ws_origins: Vec<String>,
    /// Name servers to ask; empty: those of the system.
    #[serde(with = "units::list")]
    pub dns_servers: Vec<SocketAddr>,
    pub user_agent: String,
    /// The account with this `sip_realm` answers requests addressed to a bare IP address.
    #[serde(with = "units::optional")]
    pub home_realm: Option<String>,
    #[serde(with = "units::duration")]
    pub t1: Duration,
    #[serde(with = "units::duration")]
    pub min_expires: Duration,
    #[serde(with = "units::duration")]
    pub default_expires: Duration,
    #[serde(with = "units::duration")]
    pub max_expires: Duration,
    #[serde(with = "units::duration")]
    pub nonce_lifetime: Duration,
    /// How long a gateway may say nothing while there are others.
    #[serde(with = "units::duration")]
    pub failover_after: Duration,
    /// Whose REFER is followed when the application does not want to hear of it.
    pub transfers: Transfers,
    /// Whether calls are encrypted (SDES-SRTP) where neither client nor carrier says.
    pub srtp: Encryption,
    /// How long a call lasts unless it is refreshed (RFC 4028); zero: none is asked for.
    #[serde(with = "units::duration")]
    pub session_expires: Duration,
    /// The least a peer may ask for.
    #[serde(with = "units::duration")]
    pub min_se: Duration,
    /// Which provisional responses are sent reliably (RFC 3262).
    pub reliable: Reliable,
    /// Larger requests that open a conversation go by TCP; 0: none does.
    pub udp_max_request: usize,
    pub max_calls: usize,
    pub max_connections: usize,
    /// A connection that carried nothing for this long is closed.
    #[serde(with = "units::duration")]
    pub connection_idle: Duration,
    /// How often a connection we opened is kept alive while nothing else passes (RFC 5626).
    #[serde(with = "units::duration")]
    pub keep_alive: Duration,
    pub message_max_bytes: usize,
    /// Bits that the network of a gateway has at least.
    pub min_netmask: u8,
    /// Between OPTIONS to a gateway that is pinged.
    #[serde(with = "units::duration")]
    pub ping_interval: Duration,
    /// Per source address: sustained messages per second and the burst above it.
    pub rate_per_second: u32,
    pub rate_burst: u32,
    /// A source with so many refusals inside the window is not heard for the time; 0: none is.
    pub ban_failures: u32,
    #[serde(with = "units::duration")]
    pub ban_window: Duration,
    #[serde(with = "units::duration")]
    pub ban_time: Duration,
    /// Parts of the User-Agent of programs that look for open servers.
    #[serde(with = "units::list")]
    pub ban_user_agents: Vec<String>,
    /// Networks that are neither limited nor banned.
    #[serde(with = "units::list")]
    pub trusted: Vec<Network>,
}

/// Whose REFER the server follows by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transfers {
    /// Nobody's: the application's `referHook` decides.
    Hook,
    /// That of registered users.
    Clients,
}

/// Which provisional responses are sent reliably (RFC 3262).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reliable {
    /// Those with a body, to peers that can; and all to peers that require it.
    Supported,
    /// Only to peers that require it.
    Required,
}

/// A transport that SIP can be heard on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenTransport {
    Udp,
    Tcp,
    Tls,
    Ws,
    Wss,
}

impl ListenTransport {
    const ALL: [Self; 5] = [Self::Udp, Self::Tcp, Self::Tls, Self::Ws, Self::Wss];

    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    pub fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }
}

/// One address to listen on: `udp://[::]:5060`, with `?public=203.0.113.9:5060` if peers reach it by
/// another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    pub transport: ListenTransport,
    pub address: SocketAddr,
    pub public: Option<SocketAddr>,
}

impl FromStr for Listen {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const SHAPE: &str = "a listener is TRANSPORT://ADDRESS:PORT, with udp, tcp, tls, ws or wss";
        let (name, rest) = text.split_once("://").ok_or(SHAPE)?;
        let transport = ListenTransport::ALL.into_iter().find(|one| one.name() == name);
        let (address, query) = rest.split_once('?').map_or((rest, None), |(a, q)| (a, Some(q)));
        let public = match query {
            None => None,
            Some(query) => {
                let public = query.strip_prefix("public=").ok_or("only ?public= may follow")?;
                Some(public.parse().map_err(|_| "public is ADDRESS:PORT")?)
            }
        };
        let address = address.parse().map_err(|_| SHAPE)?;
        Ok(Self { transport: transport.ok_or(SHAPE)?, address, public })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.transport.name(), self.address)?;
        match self.public {
            Some(public) => write!(f, "?public={public}"),
            None => Ok(()),
        }
    }
}

impl Serialize for Listen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Sip {
    /// Every address to listen on, the preferred of each transport first.
    pub fn all_listeners(&self) -> Vec<Listen> {
        use ListenTransport::{Tcp, Tls, Udp, Ws, Wss};
        let named = [
            (Udp, Some(self.listen)),
            (Tcp, Some(self.listen)),
            (Tls, self.tls_listen),
            (Ws, self.ws_listen),
            (Wss, self.wss_listen),
        ];
        let named = named.into_iter().filter_map(|(transport, address)| {
            Some(Listen { transport, address: address?, public: None })
        });
        named.chain(self.listeners.iter().copied()).collect()
    }

    /// What cannot work: key, whether it is well, and what is asked for.
    pub(super) fn rules(&self) -> [(&'static str, bool, &'static str); 22] {
        let has_certificate = self.tls_cert.is_some() && self.tls_key.is_some();
        let wants_certificate =
            self.all_listeners().iter().any(|listen| listen.transport.is_secure());
        let is_origin = |origin: &String| origin.contains("://") && !origin.ends_with('/');
        [
            ("sip.t1", !self.t1.is_zero(), "must not be zero"),
            (
                "sip.default_expires",
                self.min_expires <= self.default_expires
                    && self.default_expires <= self.max_expires,
                "must lie between min_expires and max_expires",
            ),
            ("sip.nonce_lifetime", !self.nonce_lifetime.is_zero(), "must not be zero"),
            ("sip.failover_after", !self.failover_after.is_zero(), "must not be zero"),
            (
                "sip.session_expires",
                self.session_expires.is_zero() || self.session_expires >= self.min_se,
                "must not be below min_se, or 0s",
            ),
            (
                "sip.min_se",
                self.min_se >= Duration::from_secs(90),
                "must be at least 90s (RFC 4028)",
            ),
            (
                "sip.udp_max_request",
                self.udp_max_request == 0 || self.udp_max_request >= 512,
                "must be at least 512, or 0",
            ),
            ("sip.max_calls", self.max_calls > 0, "must not be zero"),
            ("sip.min_netmask", self.min_netmask <= 32, "must be 0 to 32"),
            ("sip.ping_interval", !self.ping_interval.is_zero(), "must not be zero"),
            (
                "sip.rate_burst",
                self.rate_per_second > 0 && self.rate_burst > 0,
                "rate_per_second and rate_burst must not be zero",
            ),
            ("sip.user_agent", units::is_header_text(&self.user_agent), "must be plain text"),
            (
                "sip.tls_cert",
                self.tls_cert.is_some() == self.tls_key.is_some(),
                "tls_cert and tls_key go together: name a PEM file in both, or in none",
            ),
            (
                "sip.tls_cert",
                has_certificate || !wants_certificate,
                "a tls or wss listener needs tls_cert and tls_key, two PEM files",
            ),
            (
                "sip.tls_client_ca",
                self.tls_client_ca.is_some() || !self.tls_require_client_cert,
                "tls_require_client_cert needs tls_client_ca, the PEM file of who signs clients",
            ),
            (
                "sip.public_ip",
                self.public_ip.is_none_or(|ip| !ip.is_unspecified()),
                "must be specific",
            ),
            (
                "sip.ws_origins",
                self.ws_origins.iter().all(is_origin),
                "an origin is SCHEME://HOST[:PORT], without a slash at the end",
            ),
            ("sip.listeners", self.listeners.len() <= 32, "must be 32 at most"),
            ("sip.max_connections", self.max_connections > 0, "must not be zero"),
            (
                "sip.message_max_bytes",
                (1024..=65_535).contains(&self.message_max_bytes),
                "must be 1024 to 65535",
            ),
            (
                "sip.connection_idle",
                !self.connection_idle.is_zero() && !self.keep_alive.is_zero(),
                "connection_idle and keep_alive must not be zero",
            ),
            (
                "sip.ban_user_agents",
                self.ban_user_agents.iter().all(|part| part.len() >= 4 && part.is_ascii()),
                "each must be 4 or more ASCII characters",
            ),
        ]
    }
}

impl Default for Sip {
    fn default() -> Self {
        let scanners = [
            "friendly-scanner",
            "sipvicious",
            "sip-scan",
            "sipcli",
            "sundayddr",
            "siparmyknife",
            "pplsip",
            "VaxSIPUserAgent",
        ];
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 5060)),
            tls_listen: None,
            ws_listen: None,
            wss_listen: None,
            listeners: Vec::new(),
            public_ip: None,
            tls_cert: None,
            tls_key: None,
            tls_ca: None,
            tls_verify_peer: true,
            tls_client_ca: None,
            tls_require_client_cert: false,
            ws_origins: Vec::new(),
            dns_servers: Vec::new(),
            user_agent: "Trunkline".to_owned(),
            home_realm: None,
            t1: Duration::from_millis(500),
            min_expires: Duration::from_secs(60),
            default_expires: Duration::from_secs(3600),
            max_expires: Duration::from_secs(7200),
            nonce_lifetime: Duration::from_secs(300),
            failover_after: Duration::from_secs(5),
            transfers: Transfers::Hook,
            srtp: Encryption::Offered,
            session_expires: Duration::from_secs(1800),
            min_se: Duration::from_secs(90),
            reliable: Reliable::Supported,
            udp_max_request: 1300,
            max_calls: 10_000,
            max_connections: 4096,
            connection_idle: Duration::from_secs(3600),
            keep_alive: Duration::from_secs(30),
            message_max_bytes: 65_535,
            min_netmask: 0,
            ping_interval: Duration::from_secs(30),
            rate_per_second: 1000,
            rate_burst: 2000,
            ban_failures: 20,
            ban_window: Duration::from_secs(60),
            ban_time: Duration::from_secs(600),
            ban_user_agents: scanners.map(str::to_owned).to_vec(),
            trusted: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_reads_as_it_prints() {
        for text in
            ["udp://[::]:5060", "wss://0.0.0.0:8443", "tls://10.0.0.5:5061?public=203.0.113.9:443"]
        {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
        for bad in ["[::]:5060", "sctp://[::]:5060", "udp://host:5060", "udp://1.2.3.4:1?x=y"] {
            assert!(bad.parse::<Listen>().is_err(), "{bad}");
        }
    }

    #[test]
    fn listen_means_udp_and_tcp_and_the_rest_follows() {
        let sip = Sip {
            tls_listen: Some("0.0.0.0:5061".parse().unwrap()),
            listeners: vec!["udp://[::]:5060".parse().unwrap()],
            ..Sip::default()
        };
        let all: Vec<_> = sip.all_listeners().iter().map(Listen::to_string).collect();
        let expected =
            ["udp://0.0.0.0:5060", "tcp://0.0.0.0:5060", "tls://0.0.0.0:5061", "udp://[::]:5060"];
        assert_eq!(all, expected);
    }
}
