//! What an endpoint must know before the first message: its addresses, names, timers and bounds.

use std::net::SocketAddr;
use std::time::Duration;

use super::order::Reliable;
use super::refuse::ALLOW_IN_DIALOG;
use crate::transaction::Timers;
use crate::transport::{Flow, Transport};

/// One address messages come in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener {
    /// The protocol.
    pub transport: Transport,
    /// The address it is bound to, as in [`Flow::local`]; the IP may be unspecified.
    pub local: SocketAddr,
    /// The address for Via and Contact: what peers can reach. An unspecified IP stands for the
    /// flow's local one.
    pub public: SocketAddr,
}

/// Settings of an [`Endpoint`](crate::Endpoint).
#[derive(Debug, Clone)]
pub struct Config {
    /// Where messages come in, the preferred first. Never empty.
    pub listeners: Vec<Listener>,
    /// User-Agent and Server.
    pub user_agent: String,
    /// Methods taken inside a dialog, as Allow lists them. INFO, MESSAGE, REFER and NOTIFY belong here
    /// only if the caller answers them; what is not listed is refused with 405. PRACK and UPDATE are
    /// what the endpoint says of itself: they stay.
    pub allow_in_dialog: &'static str,
    /// Which provisional responses are sent reliably.
    pub reliable: Reliable,
    /// The session interval asked for and agreed to (RFC 4028). `None` asks for none, but takes the
    /// peer's.
    pub session_expires: Option<Duration>,
    /// The shortest session interval a peer may ask for. The RFC wants 90 s at least.
    pub min_se: Duration,
    /// T1, T2, T4.
    pub timers: Timers,
    /// The largest request, in octets, that goes as a datagram when a TCP listener is there
    /// (RFC 3261 §18.1.1). `None` sends all as datagrams.
    pub udp_max_request: Option<usize>,
    /// How long an INVITE may stay without final response, in either direction, before the endpoint
    /// ends it by itself. The caller's own limits are shorter; this one catches what it forgot.
    pub max_setup: Duration,
    /// Dialogs at a time.
    pub max_dialogs: usize,
    /// Transactions of each kind (client, server) at a time.
    pub max_transactions: usize,
    /// Retry-After of the 503 when a table is full.
    pub retry_after: Duration,
}

impl Config {
    /// Default settings on these listeners.
    pub fn new(listeners: Vec<Listener>) -> Self {
        Self {
            listeners,
            user_agent: "Trunkline".to_owned(),
            allow_in_dialog: ALLOW_IN_DIALOG,
            reliable: Reliable::default(),
            session_expires: Some(Duration::from_secs(1_800)),
            min_se: Duration::from_secs(90),
            timers: Timers::default(),
            udp_max_request: Some(1_300),
            max_setup: Duration::from_secs(600),
            max_dialogs: 20_000,
            // a call leaves two of them for 32 s over UDP
            max_transactions: 200_000,
            retry_after: Duration::from_secs(10),
        }
    }

    /// Default settings on one address that serves UDP and TCP.
    pub fn at(address: SocketAddr) -> Self {
        let listener = |transport| Listener { transport, local: address, public: address };
        Self::new(vec![listener(Transport::Udp), listener(Transport::Tcp)])
    }

    /// Our address on a flow, as peers should see it: that of the flow's own listener, else of one
    /// of the same transport and address family, else of the transport, else of any.
    pub(crate) fn public_addr(&self, flow: &Flow) -> SocketAddr {
        let is_family = |l: &&Listener| l.local.is_ipv4() == flow.peer.is_ipv4();
        let same = || self.listeners.iter().filter(|l| l.transport == flow.transport);
        let found = same()
            .find(|l| l.local == flow.local)
            .or_else(|| same().find(is_family))
            .or_else(|| same().next())
            .or_else(|| self.listeners.iter().find(is_family))
            .or_else(|| self.listeners.first());
        let mut address = found.map_or(flow.local, |listener| listener.public);
        if address.ip().is_unspecified() {
            address.set_ip(flow.local.ip());
        }
        address
    }
}
