//! The media side of one call: owns its line, plays to it, lends it to a room.

pub mod actor;
pub mod message;
