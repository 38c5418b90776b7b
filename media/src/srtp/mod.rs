//! Encrypted media (SRTP, RFC 3711): suites and the keys that both sides have exchanged.
//!
//! [`sdp`](crate::sdp) exchanges the keys (RFC 4568), a [`Leg`](crate::leg::Leg) uses them.

mod keys;
mod suite;

pub use keys::{Keys, LocalKeys, MasterKey, Mki};
pub use suite::Suite;
