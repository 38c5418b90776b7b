//! Queues: callers wait for agents (contract verbs.md §3.6, rest.md §3.4, §3.5).
//!
//! [`line`] decides who is whose, [`actor`] tells the calls, [`snapshot`] is what REST reads and
//! [`news`] what the account's queue event hook hears.

pub mod actor;
pub mod line;
pub mod message;
pub mod news;
pub mod snapshot;
