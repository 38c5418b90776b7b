//! The registrar's decisions (RFC 3261 §10.3): what a REGISTER changes and what it is answered.
//!
//! Who may register is the caller's business ([`auth`](crate::auth)); so is storage, which follows
//! the [`Change`]s, or keeps what [`Bindings::saved`] gives for [`Bindings::restore`].

mod apply;
mod binding;
mod contacts;
mod outbound;
mod saved;
mod table;
#[cfg(test)]
mod tests;

pub use apply::{Applied, Change, Limits};
pub use binding::Binding;
pub use saved::Saved;
pub use table::Bindings;
