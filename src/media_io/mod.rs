//! Sockets, ports and the clock of the media threads: the shells around the `media` crate.

pub mod clock;
pub mod hub;
pub mod line;
pub mod load;
pub mod port_pool;
pub mod quality;
pub mod settings;
pub mod sys;
pub mod tick;
