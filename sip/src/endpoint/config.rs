//! What an endpoint must know before the first message: its addresses, names, timers and bounds.

use std::net::SocketAddr;
use std::time::Duration;

use crate::transaction::Timers;

/// Settings of an [`Endpoint`](crate::Endpoint).
#[derive(Debug, Clone)]
pub struct Config {
    /// The address for Via and Contact over UDP: what peers can reach.
    pub udp: SocketAddr,
    /// The same over TCP.
    pub tcp: SocketAddr,
    /// User-Agent and Server.
    pub user_agent: String,
    /// T1, T2, T4.
    pub timers: Timers,
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
    /// Default settings on these addresses.
    pub fn new(udp: SocketAddr, tcp: SocketAddr) -> Self {
        Self {
            udp,
            tcp,
            user_agent: "Trunkline".to_owned(),
            timers: Timers::default(),
            max_setup: Duration::from_secs(600),
            max_dialogs: 20_000,
            max_transactions: 60_000,
            retry_after: Duration::from_secs(10),
        }
    }
}
