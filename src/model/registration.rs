//! One contact of a registered user, as it is kept over a restart.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The Contact with its parameters, without `expires`.
    pub contact: String,
    /// `udp`, `tcp`, …
    pub transport: String,
    /// Our address and the phone's, of the way the REGISTER came.
    pub local: SocketAddr,
    pub peer: SocketAddr,
    pub expires_at: Timestamp,
    pub registered_at: Timestamp,
    pub user_agent: Option<String>,
    /// Path of the REGISTER (RFC 3327), first hop first.
    pub path: Vec<String>,
    pub call_id: String,
    pub cseq: u32,
}
