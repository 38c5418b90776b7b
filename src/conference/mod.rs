//! Conferences: rooms with a name in which calls hear each other.

pub mod actor;
pub mod message;
pub mod news;
pub mod policy;
pub mod rules;
pub mod snapshot;
