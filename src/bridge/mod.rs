//! Bridges: two calls talk with each other.

pub mod actor;
pub mod message;

pub use actor::open;
