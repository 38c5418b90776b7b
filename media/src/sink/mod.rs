//! What can listen to a mixer: taps that carry its audio to another thread.

mod tap;

pub use tap::{TapReader, TapWriter, tap};
