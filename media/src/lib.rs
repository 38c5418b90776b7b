//! Sans-IO real-time audio: what happens between a UDP datagram and a mixed one.
//!
//! Nothing here reads a clock, owns a socket or spawns a thread: `now` and bytes come in, bytes and
//! decisions go out. Everything is called by one owner with `&mut`, and nothing allocates per packet
//! or per tick once the seats are set up (`tests/it/alloc.rs` counts).
//!
//! The walk of one packet:
//!
//! 1. [`leg::Leg::handle_rtp`] checks the sender and the header (RFC 3550), takes telephone-events out.
//! 2. [`mixer::Mixer::push`] puts the audio into the seat's [`playout::Playout`].
//! 3. [`mixer::Mixer::tick`], every 20 ms, decodes each seat, sums once, gives everyone all but
//!    themselves, and encodes once for all who hear the same.
//! 4. [`leg::Leg::write_rtp`] puts what [`mixer::Mixer::outgoing`] gives behind an RTP header.
//!
//! [`sdp`] negotiates what the two sides send (RFC 3264); [`source`] makes what can be played.

#![warn(missing_docs)]

pub mod codec;
pub mod dsp;
pub mod dtmf;
mod error;
pub mod jitter;
pub mod leg;
pub mod mixer;
pub mod playout;
mod prefetch;
pub mod quality;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
#[cfg(any(test, feature = "sim"))]
pub mod sim;
pub mod sink;
pub mod source;
pub mod srtp;
pub mod time;

pub use codec::CodecKind;
pub use error::Error;
pub use leg::{Leg, LegConfig, LegStats, Received, Transmit};
pub use mixer::{Mixer, MixerConfig, SeatConfig, SeatId};
pub use prefetch::prefetch;
pub use time::{NtpTime, Ptime, RtpTime, SampleRate};
