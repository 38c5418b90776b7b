//! The integration tests: the real server on port 0 with a store of its own, one binary for all.

// The lint knows tests, not the helpers they call.
#![allow(clippy::unwrap_used)]

mod api;
mod bridges;
mod faults;
mod house;
mod media_house;
mod postgres;
mod queues;
mod recordings;
mod room_orders;
mod rooms;
mod store;
mod streams;
mod support;
