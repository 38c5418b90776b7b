//! What the stack knows of transports: their kind and reliability, and where answers go
//! (RFC 3261 §18, RFC 3581). Sockets are the shell's.

mod kind;
pub(crate) mod paths;
pub mod stun;
pub(crate) mod target;
pub(crate) mod via;

pub use kind::{Flow, Transport};
