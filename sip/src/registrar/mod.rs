//! The registrar's decisions (RFC 3261 §10.3): what a REGISTER changes and what it is answered.
//!
//! Who may register is the caller's business ([`auth`](crate::auth)); so is storage, which follows
//! the [`Change`]s.

mod binding;

pub use binding::{Applied, Binding, Bindings, Change, Limits};

#[cfg(test)]
mod tests;
