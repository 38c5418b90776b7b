//! From text to sound, by a program of its own: espeak-ng (contract verbs.md §3.3, §5.5; adr/0020).
//!
//! [`pieces`] and `voices` are pure: what is said in which pieces, and by which of the voices there are.
//! [`Engine`] has a piece spoken by a process that lives for that piece alone, so that nothing it does
//! or fails to do touches calls. Equal orders give equal samples.

mod cut;
mod engine;
mod pieces;
mod ssml;
mod voices;

pub use engine::{Engine, Settings, SpeechError, Turn};
pub use pieces::{Piece, pieces};
pub use voices::{Manner, Wanted};
