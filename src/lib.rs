//! Trunkline: the server. See docs/architecture.md for the rooms and the walks.

pub mod api;
pub mod bridge;
pub mod call;
pub mod conference;
pub mod config;
pub mod directory;
pub mod floor;
pub mod hook;
pub mod media_io;
pub mod model;
pub mod participant;
pub mod queue;
pub mod rate;
pub mod routing;
pub mod server;
pub mod sip_io;
pub mod speech;
pub mod store;
pub mod verb;
pub mod welcome;
