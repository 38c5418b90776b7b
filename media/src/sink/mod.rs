//! What can listen to a mixer: taps that carry its audio to another thread, and the files it becomes
//! there. Files are bytes: whoever asks for them writes them.

mod file;
pub mod ogg_opus;
mod tap;
pub mod wav;

pub use file::{FileFormat, FileWriter};
pub use tap::{TapReader, TapWriter, tap};
