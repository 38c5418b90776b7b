//! Where a SIP URI leads: name servers asked as RFC 3263 says, and flows made of what they say.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use sip::{Flow, Listener, Transport, Uri};

use super::peers::{Peer, Peers};

/// How long all questions about one URI may take together.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long one name server may take for one question.
const QUESTION: Duration = Duration::from_secs(2);

/// Finds the addresses behind SIP URIs. Clones are the same resolver.
#[derive(Clone)]
pub struct Resolver(Arc<Inner>);

struct Inner {
    dns: TokioResolver,
    listeners: Vec<Listener>,
    peers: Peers,
}

/// Why a URI leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    #[error("no SIP URI")]
    NotSip,
    #[error("this transport cannot be used")]
    Transport,
    #[error("host not found")]
    NotFound,
    #[error("no answer from the name servers")]
    Timeout,
}

/// Why a resolver cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up name resolution: {0}")]
pub struct Broken(String);

impl Resolver {
    /// Asks `servers`, or those of the system when there are none; flows leave by `listeners`.
    ///
    /// # Errors
    /// The system's configuration cannot be read.
    pub fn new(
        servers: &[SocketAddr],
        listeners: Vec<Listener>,
        peers: Peers,
    ) -> Result<Self, Broken> {
        let broken = |error| Broken(format!("{error}"));
        let mut builder = if servers.is_empty() {
            TokioResolver::builder_tokio().map_err(broken)?
        } else {
            let config = ResolverConfig::from_name_servers(servers.iter().map(server).collect());
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options = builder.options_mut();
        options.timeout = QUESTION;
        options.attempts = 1;
        let dns = builder.build().map_err(broken)?;
        Ok(Self(Arc::new(Inner { dns, listeners, peers })))
    }

    /// The ways to a URI, the preferred first; never empty. A numeric host is not asked for.
    ///
    /// # Errors
    /// [`Unresolved`]; nothing can be sent then.
    pub async fn resolve(&self, uri: &Uri) -> Result<Vec<Flow>, Unresolved> {
        if !uri.is_sip() {
            return Err(Unresolved::NotSip);
        }
        let transport = transport(uri)?;
        let port = uri.port().unwrap_or_else(|| transport.default_port());
        let host = uri.host().trim_start_matches('[').trim_end_matches(']');
        let addresses = match host.parse::<IpAddr>() {
            Ok(ip) => vec![ip],
            Err(_) => self.addresses(host).await?,
        };
        let flows: Vec<Flow> = addresses
            .into_iter()
            .filter_map(|ip| self.flow(transport, SocketAddr::new(ip, port), host))
            .collect();
        if flows.is_empty() { Err(Unresolved::Transport) } else { Ok(flows) }
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Unresolved> {
        let asked = tokio::time::timeout(PATIENCE, self.0.dns.lookup_ip(host)).await;
        let found = asked.map_err(|_| Unresolved::Timeout)?.map_err(|error| {
            tracing::debug!(host, %error, "name not resolved");
            Unresolved::NotFound
        })?;
        Ok(found.iter().collect())
    }

    /// The flow to an address; a stream's id is reserved, so that it is opened for the right host.
    fn flow(&self, transport: Transport, addr: SocketAddr, host: &str) -> Option<Flow> {
        let local = self.local(transport, addr)?;
        let mut flow = Flow::new(transport, local, addr);
        if transport.is_reliable() {
            let peer = Peer { transport, addr, host: host.to_owned() };
            flow.connection = Some(self.0.peers.reserve(&peer));
        }
        Some(flow)
    }

    /// Our side of a way: a listener of that transport and family. A TLS connection can be opened
    /// without one; then answers and calls back come over it alone.
    fn local(&self, transport: Transport, addr: SocketAddr) -> Option<SocketAddr> {
        if transport.is_websocket() {
            return None;
        }
        let fits = |one: &&Listener| one.local.is_ipv4() == addr.is_ipv4();
        let own = self.0.listeners.iter().filter(fits).find(|one| one.transport == transport);
        let any = || self.0.listeners.iter().find(fits).filter(|_| transport == Transport::Tls);
        own.or_else(any).map(|one| one.local)
    }
}

fn server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

fn transport(uri: &Uri) -> Result<Transport, Unresolved> {
    let is_sips = matches!(uri.scheme(), sip::message::Scheme::Sips);
    match uri.param("transport").map(Transport::from_name) {
        None => Ok(if is_sips { Transport::Tls } else { Transport::Udp }),
        Some(Some(Transport::Tcp)) if is_sips => Ok(Transport::Tls),
        Some(Some(Transport::Tls)) => Ok(Transport::Tls),
        Some(Some(Transport::Udp)) if !is_sips => Ok(Transport::Udp),
        Some(Some(Transport::Tcp)) => Ok(Transport::Tcp),
        Some(_) => Err(Unresolved::Transport),
    }
}

#[cfg(test)]
mod tests;
