//! From a URI to the addresses to try, in order (RFC 3263), without asking anybody: the shell asks.
//!
//! [`Resolution::next_query`] says what is to be looked up, [`Resolution::answer`] takes what came of it,
//! [`Resolution::targets`] lists the way to go, best first. Three rounds at most, NAPTR, SRV and
//! addresses, and the queries of one round may run side by side. A numeric host needs none of them.
//! Time-outs, caches and CNAMEs are the shell's; all that an answer may hold is bounded here.

mod naptr;
mod srv;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

pub use naptr::NaptrRecord;
pub use srv::SrvRecord;

use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::message::{Scheme, Uri};
use crate::transport::Transport;

/// What of the answer can be used at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The transports there is a socket for, in our order of preference; it decides where the domain
    /// has none. WebSockets are passed over: only browsers open those (RFC 7118 §5).
    pub transports: Vec<Transport>,
    /// The address families there is a socket for, the better first (RFC 7984 §3.1).
    pub families: Vec<Family>,
}

/// A family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// A records.
    V4,
    /// AAAA records.
    V6,
}

impl Family {
    /// The family of an address.
    pub const fn of(ip: &IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

/// One question for the DNS. Names are in lower case, without the dot at the end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Query {
    /// NAPTR records of a domain.
    Naptr(String),
    /// SRV records of a service: `_sip._udp.example.com`.
    Srv(String),
    /// Addresses of a host, A and AAAA as the [`Policy`] has families.
    Host(String),
}

/// What came of a [`Query`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// NAPTR records, in any order.
    Naptr(Vec<NaptrRecord>),
    /// SRV records, in any order.
    Srv(Vec<SrvRecord>),
    /// Addresses, in the order of the server.
    Host(Vec<IpAddr>),
    /// No such name, no such record, or no answer in time: the next means is tried. Servers that
    /// choke on NAPTR and SRV are common, and must not hide the addresses.
    Nothing,
}

/// One way to the URI.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// The protocol.
    pub transport: Transport,
    /// Where to.
    pub addr: SocketAddr,
    /// The host of the URI, an IPv6 address without brackets: what a certificate must be made out to,
    /// whatever names SRV led through (RFC 5922 §7.3).
    pub host: String,
}

/// The look-ups of one URI.
#[derive(Debug)]
pub struct Resolution {
    /// The name that is looked up: `maddr`, or the host (RFC 3263 §4).
    domain: String,
    /// The host of the URI, for [`Target::host`].
    host: String,
    is_sips: bool,
    policy: Policy,
    random: StdRng,
    round: Round,
    /// Queries of this round that were not asked yet, and those that were.
    waiting: Vec<Query>,
    asked: Vec<Query>,
    /// Services to find by SRV, best first.
    services: Vec<Service>,
    /// Without any SRV record: the transport whose default port is tried.
    fallback: Option<Transport>,
    hops: Vec<Hop>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    Naptr,
    Srv,
    Hosts,
    Done,
}

/// A service of the domain.
#[derive(Debug)]
struct Service {
    transport: Transport,
    name: String,
    records: Vec<SrvRecord>,
}

/// A host and port to go to.
#[derive(Debug)]
struct Hop {
    transport: Transport,
    host: String,
    port: u16,
    addresses: Vec<IpAddr>,
}

impl Resolution {
    /// Begins with a URI. `seed` decides between SRV records by their weight (RFC 2782); fresh
    /// randomness spreads the load as the domain wishes.
    ///
    /// A URI that cannot be gone to (`tel:`, a transport we do not have) has no queries and no targets.
    pub fn new(uri: &Uri, policy: Policy, seed: u64) -> Self {
        let host = bare(uri.host());
        let mut this = Self {
            domain: uri.param("maddr").map_or_else(|| host.clone(), bare),
            host,
            is_sips: *uri.scheme() == Scheme::Sips,
            policy,
            random: StdRng::seed_from_u64(seed),
            round: Round::Done,
            waiting: Vec::new(),
            asked: Vec::new(),
            services: Vec::new(),
            fallback: None,
            hops: Vec::new(),
        };
        if uri.is_sip() {
            this.begin(uri);
        }
        this
    }

    /// The next question, if there is one that was not handed out yet.
    pub fn next_query(&mut self) -> Option<Query> {
        let query = self.waiting.pop()?;
        self.asked.push(query.clone());
        Some(query)
    }

    /// Takes an answer. One to a question that is not open, or of another kind, counts as nothing.
    pub fn answer(&mut self, query: &Query, answer: Answer) {
        let Some(at) = self.asked.iter().position(|asked| asked == query) else { return };
        self.asked.swap_remove(at);
        match (query, answer) {
            (Query::Naptr(_), Answer::Naptr(records)) => self.take_naptr(records),
            (Query::Srv(name), Answer::Srv(records)) => {
                for service in self.services.iter_mut().filter(|service| service.name == *name) {
                    service.records = srv::in_order(records.clone(), &mut self.random);
                }
            }
            (Query::Host(name), Answer::Host(mut found)) => {
                found.retain(|ip| self.policy.families.contains(&Family::of(ip)));
                let rank = |ip: &IpAddr| {
                    self.policy.families.iter().position(|family| *family == Family::of(ip))
                };
                found.sort_by_key(rank);
                found.truncate(MAX_ADDRESSES);
                for hop in self.hops.iter_mut().filter(|hop| hop.host == *name) {
                    hop.addresses.clone_from(&found);
                }
            }
            _ => {}
        }
        self.advance();
    }

    /// Whether every question was answered.
    pub fn is_done(&self) -> bool {
        self.round == Round::Done
    }

    /// The ways to go, best first, each once, at most [`MAX_TARGETS`]. Empty until [`Self::is_done`],
    /// and afterwards if the URI leads nowhere.
    pub fn targets(&self) -> Vec<Target> {
        let mut targets = Vec::new();
        if !self.is_done() {
            return targets;
        }
        for hop in &self.hops {
            for ip in &hop.addresses {
                let target = Target {
                    transport: hop.transport,
                    addr: SocketAddr::new(*ip, hop.port),
                    host: self.host.clone(),
                };
                if targets.len() < MAX_TARGETS && !targets.contains(&target) {
                    targets.push(target);
                }
            }
        }
        targets
    }

    /// RFC 3263 §4.1 and §4.2: what the URI says itself.
    fn begin(&mut self, uri: &Uri) {
        let usual = if self.is_sips { Transport::Tls } else { Transport::Udp };
        let asked_for = match uri.param("transport") {
            None => None,
            Some(name) => match self.of_param(name) {
                Some(transport) => Some(transport),
                None => return,
            },
        };
        let transport = asked_for.unwrap_or(usual);
        let port = uri.port().filter(|port| *port != 0);
        if let Ok(ip) = self.domain.parse::<IpAddr>() {
            if self.can_send(transport) && self.policy.families.contains(&Family::of(&ip)) {
                let host = self.domain.clone();
                let port = port.unwrap_or_else(|| transport.default_port());
                self.hops.push(Hop { transport, host, port, addresses: vec![ip] });
            }
            return;
        }
        match (port, asked_for) {
            (Some(port), _) => {
                if self.can_send(transport) {
                    self.add_hop(transport, self.domain.clone(), port);
                }
                self.start_hosts();
            }
            (None, Some(transport)) => {
                if self.can_send(transport) {
                    self.fallback = Some(transport);
                    self.add_service(transport, None);
                }
                self.start_srv();
            }
            (None, None) => {
                self.round = Round::Naptr;
                self.waiting.push(Query::Naptr(self.domain.clone()));
            }
        }
    }

    /// The transport of a URI's parameter. With `sips` every hop is TLS, whatever is written beside
    /// it; there is none over datagrams.
    fn of_param(&self, name: &str) -> Option<Transport> {
        match (Transport::from_name(name)?, self.is_sips) {
            (Transport::Tcp | Transport::Tls, true) => Some(Transport::Tls),
            (_, true) => None,
            (transport, false) => Some(transport),
        }
    }

    fn can_send(&self, transport: Transport) -> bool {
        !transport.is_websocket() && self.policy.transports.contains(&transport)
    }

    fn take_naptr(&mut self, records: Vec<NaptrRecord>) {
        for (transport, name) in naptr::in_order(records) {
            let fits = transport == Transport::Tls || !self.is_sips;
            if fits && self.can_send(transport) {
                self.fallback = self.fallback.or(Some(transport));
                self.add_service(transport, Some(name));
            }
        }
    }

    /// Goes on to the next round when this one has no open question.
    fn advance(&mut self) {
        while self.waiting.is_empty() && self.asked.is_empty() {
            match self.round {
                Round::Naptr => self.end_naptr(),
                Round::Srv => self.end_srv(),
                Round::Hosts => self.round = Round::Done,
                Round::Done => return,
            }
        }
    }

    fn end_naptr(&mut self) {
        if self.services.is_empty() {
            // RFC 3263 §4.1: no NAPTR record that we can use; SRV for each transport we have
            let usual = if self.is_sips { Transport::Tls } else { Transport::Udp };
            self.fallback = Some(usual).filter(|usual| self.can_send(*usual));
            for transport in self.policy.transports.clone() {
                let fits = transport == Transport::Tls || !self.is_sips;
                if fits && self.can_send(transport) {
                    self.add_service(transport, None);
                }
            }
        }
        self.start_srv();
    }

    fn start_srv(&mut self) {
        self.round = Round::Srv;
        for service in &self.services {
            let query = Query::Srv(service.name.clone());
            if !self.waiting.contains(&query) {
                self.waiting.push(query);
            }
        }
        // handed out from the end
        self.waiting.reverse();
        self.advance();
    }

    fn end_srv(&mut self) {
        let mut is_refused = false;
        for service in std::mem::take(&mut self.services) {
            for record in service.records {
                if record.is_refusal() {
                    is_refused |= self.fallback == Some(service.transport);
                } else {
                    self.add_hop(service.transport, bare(&record.target), record.port);
                }
            }
        }
        // RFC 3263 §4.2: without SRV records the addresses of the domain itself
        if let (Some(transport), true, false) = (self.fallback, self.hops.is_empty(), is_refused) {
            self.add_hop(transport, self.domain.clone(), transport.default_port());
        }
        self.start_hosts();
    }

    fn start_hosts(&mut self) {
        self.round = Round::Hosts;
        for hop in &mut self.hops {
            // no record leads to an address, but where one does, it is clear what is meant
            if let Ok(ip) = hop.host.parse::<IpAddr>() {
                hop.addresses = vec![ip];
                hop.addresses.retain(|ip| self.policy.families.contains(&Family::of(ip)));
                continue;
            }
            let query = Query::Host(hop.host.clone());
            if !self.waiting.contains(&query) {
                self.waiting.push(query);
            }
        }
        self.waiting.reverse();
        self.advance();
    }

    fn add_service(&mut self, transport: Transport, name: Option<String>) {
        let prefix = match transport {
            Transport::Udp => "_sip._udp",
            Transport::Tcp => "_sip._tcp",
            Transport::Tls => "_sips._tcp",
            Transport::Ws | Transport::Wss => return,
        };
        let name = name.unwrap_or_else(|| format!("{prefix}.{}", self.domain));
        let is_known = self.services.iter().any(|s| s.transport == transport && s.name == name);
        if self.services.len() < MAX_SERVICES && !is_known {
            self.services.push(Service { transport, name, records: Vec::new() });
        }
    }

    fn add_hop(&mut self, transport: Transport, host: String, port: u16) {
        if self.hops.len() < MAX_HOPS && !host.is_empty() && port != 0 {
            self.hops.push(Hop { transport, host, port, addresses: Vec::new() });
        }
    }
}

/// A name as it is compared: lower case, without the dot of the root; an address without brackets.
fn bare(host: &str) -> String {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// Ways that one URI leads to at most.
pub const MAX_TARGETS: usize = 16;
/// Services of one domain that are followed, each by an SRV query.
const MAX_SERVICES: usize = 6;
/// Hosts that are looked up for one URI.
const MAX_HOPS: usize = 12;
/// Addresses of one host that are used.
const MAX_ADDRESSES: usize = 8;
