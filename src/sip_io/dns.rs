//! Where a SIP URI leads: name servers asked as RFC 3263 says, and flows made of what they say.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig,
};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use sip::resolve::{Answer, Family, NaptrRecord, Policy, Query, Resolution, SrvRecord, Target};
use sip::{Flow, Listener, Transport, Uri};

use super::peers::{Peer, Peers};

/// How long one question may take; there are three rounds of them at most (NAPTR, SRV, addresses).
const QUESTION: Duration = Duration::from_secs(2);
/// How long one name server may take before it is asked again, once.
const TRY: Duration = Duration::from_millis(900);

/// How long it is remembered at least that a record is not there: most hosts have no NAPTR and SRV.
const NEGATIVE: Duration = Duration::from_secs(5);

/// Finds the addresses behind SIP URIs. Clones are the same resolver.
#[derive(Clone)]
pub struct Resolver(Arc<Inner>);

struct Inner {
    dns: TokioResolver,
    policy: Policy,
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
        options.timeout = TRY;
        options.attempts = 1;
        options.negative_min_ttl = Some(NEGATIVE);
        let policy = policy(&listeners);
        options.ip_strategy = match policy.families[..] {
            [Family::V4] => LookupIpStrategy::Ipv4Only,
            [Family::V6] => LookupIpStrategy::Ipv6Only,
            _ => LookupIpStrategy::Ipv4AndIpv6,
        };
        let dns = builder.build().map_err(broken)?;
        Ok(Self(Arc::new(Inner { dns, policy, listeners, peers })))
    }

    /// The ways to a URI, the preferred first; never empty. A numeric host is not asked for.
    ///
    /// # Errors
    /// [`Unresolved`]; nothing can be sent then.
    pub async fn resolve(&self, uri: &Uri) -> Result<Vec<Flow>, Unresolved> {
        if !uri.is_sip() {
            return Err(Unresolved::NotSip);
        }
        let mut resolution = Resolution::new(uri, self.0.policy.clone(), rand::random());
        if resolution.is_done() && resolution.targets().is_empty() {
            return Err(Unresolved::Transport);
        }
        let mut timed_out = false;
        while !resolution.is_done() {
            let queries: Vec<Query> = std::iter::from_fn(|| resolution.next_query()).collect();
            let asked = queries.iter().map(|query| async move {
                tokio::time::timeout(QUESTION, self.ask(query)).await.ok()
            });
            let answers = futures_util::future::join_all(asked).await;
            for (query, answer) in queries.iter().zip(answers) {
                timed_out |= answer.is_none();
                resolution.answer(query, answer.unwrap_or(Answer::Nothing));
            }
        }
        let targets = resolution.targets();
        let flows: Vec<Flow> = targets.iter().filter_map(|target| self.flow(target)).collect();
        match flows.is_empty() {
            false => Ok(flows),
            true if !targets.is_empty() => Err(Unresolved::Transport),
            true if timed_out => Err(Unresolved::Timeout),
            true => Err(Unresolved::NotFound),
        }
    }

    async fn ask(&self, query: &Query) -> Answer {
        let dns = &self.0.dns;
        let found = match query {
            // A dot at the end: services are never those of the system's own domain.
            Query::Naptr(name) => {
                dns.lookup(format!("{name}."), RecordType::NAPTR).await.map(|found| naptr(&found))
            }
            Query::Srv(name) => {
                dns.lookup(format!("{name}."), RecordType::SRV).await.map(|found| srv(&found))
            }
            Query::Host(name) => {
                dns.lookup_ip(name.as_str()).await.map(|found| Answer::Host(found.iter().collect()))
            }
        };
        found.unwrap_or_else(|error| {
            tracing::debug!(?query, %error, "name not resolved");
            Answer::Nothing
        })
    }

    /// The flow to a target; a stream's id is reserved, so that it is opened for the right host.
    fn flow(&self, target: &Target) -> Option<Flow> {
        let Target { transport, addr, host } = target;
        let local = self.local(*transport, *addr)?;
        let mut flow = Flow::new(*transport, local, *addr);
        if transport.is_reliable() {
            let peer = Peer { transport: *transport, addr: *addr, host: host.clone() };
            flow.connection = Some(self.0.peers.reserve(&peer));
        }
        Some(flow)
    }

    /// Our side of a way: a listener of that transport and family. A TLS connection can be opened
    /// without one; then answers and calls back come over it alone.
    fn local(&self, transport: Transport, addr: SocketAddr) -> Option<SocketAddr> {
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

/// What can be sent: over the transports there are listeners of, and TLS, which needs none.
fn policy(listeners: &[Listener]) -> Policy {
    let has = |transport| listeners.iter().any(|one| one.transport == transport);
    let transports = [Transport::Udp, Transport::Tcp, Transport::Tls];
    let can_send = |transport: &Transport| *transport == Transport::Tls || has(*transport);
    let families = [Family::V4, Family::V6].into_iter();
    let is_there =
        |family: &Family| listeners.iter().any(|one| Family::of(&one.local.ip()) == *family);
    Policy {
        transports: transports.into_iter().filter(can_send).collect(),
        families: families.filter(is_there).collect(),
    }
}

fn naptr(found: &Lookup) -> Answer {
    let records = found.answers().iter().filter_map(|record| match &record.data {
        RData::NAPTR(naptr) => Some(NaptrRecord {
            order: naptr.order,
            preference: naptr.preference,
            flags: String::from_utf8_lossy(&naptr.flags).into_owned(),
            service: String::from_utf8_lossy(&naptr.services).into_owned(),
            replacement: naptr.replacement.to_ascii(),
        }),
        _ => None,
    });
    Answer::Naptr(records.collect())
}

fn srv(found: &Lookup) -> Answer {
    let records = found.answers().iter().filter_map(|record| match &record.data {
        RData::SRV(srv) => Some(SrvRecord {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            target: srv.target.to_ascii(),
        }),
        _ => None,
    });
    Answer::Srv(records.collect())
}

#[cfg(test)]
mod tests;
