//! Whether a call's audio is encrypted (SDES-SRTP, RFC 4568).

use serde::{Deserialize, Serialize};

/// What a trunk, a client or the server wants of its calls' audio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// Never, not even when it is offered.
    Off,
    /// When both sides can.
    #[default]
    Offered,
    /// Always: a call without it fails.
    Required,
}
