//! Recordings: taps of rooms and calls become files, off the media path (contract rest.md §2.12, §3.2).
//!
//! A room or a call asks the [`Recorder`] for taps, gives their writers to its mixer, starts a recording
//! and keeps the [`Take`]: as long as it has it, the recording goes on. One thread polls all taps and
//! writes all files; a media thread never waits for it, and a file that cannot be written ends its
//! recording alone. What there is stands in the store; where it lies, the [`Archive`] knows.

mod archive;
mod recorder;
mod running;
mod sweep;
mod track;

pub use archive::Archive;
pub use recorder::{Ended, News, Pause, Recorder, Settings, Subject, Take, Wanted};
pub use sweep::{delete, recover, sweep};
pub use track::Feed;
