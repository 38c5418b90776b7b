//! Trunkline: the server. See docs/architecture.md for the rooms and the walks.

pub mod api;
pub mod call;
pub mod config;
pub mod hook;
pub mod model;
pub mod store;
pub mod verb;
