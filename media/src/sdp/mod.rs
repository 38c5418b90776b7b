//! Offer and answer of RTP audio, plain or encrypted (RFC 3264, RFC 8866, RFC 4568): what the two
//! sides send each other.
//!
//! `call/` keeps a [`Session`] for each dialog and asks it for every description, under a [`Policy`].
//! The outcome, [`Negotiated`], configures a [`Leg`](crate::leg::Leg). An exchange without a past
//! can be had with [`offer`], [`answer`] and [`accept_answer`]. The reader (`wire.rs`) is our own: it
//! skips what it does not know and forgives what phones get wrong, where the general SDP crates refuse
//! the whole description. Names are not resolved, and keys by DTLS are not taken here.

mod answer;
mod crypto;
mod error;
mod extmap;
mod fmtp;
mod local;
mod negotiated;
mod offer;
mod policy;
mod rtpmap;
mod session;
mod text;
mod wire;

#[cfg(test)]
mod codec_tests;
#[cfg(test)]
mod sequence_tests;
#[cfg(test)]
mod session_tests;
#[cfg(test)]
mod tests;

pub use crypto::Encryption;
pub use error::Error;
pub use local::LocalMedia;
pub use negotiated::{Direction, Format, Negotiated};
pub use policy::Policy;
pub use session::Session;
pub use wire::{MAX_ATTRIBUTES, MAX_BYTES, MAX_FORMATS, MAX_MEDIA};

/// The first offer of a call we place: see [`Session::offer`].
pub fn offer(local: &LocalMedia, policy: &Policy) -> String {
    Session::new(*local).offer(policy)
}

/// Answers a first offer: see [`Session::answer`].
///
/// # Errors
/// As [`Session::answer`].
pub fn answer(
    offer: &[u8],
    local: &LocalMedia,
    policy: &Policy,
) -> Result<(String, Negotiated), Error> {
    Session::new(*local).answer(offer, policy)
}

/// Reads the answer to an [`offer`] of the same side under the same policy: see
/// [`Session::accept_answer`].
///
/// # Errors
/// As [`Session::accept_answer`].
pub fn accept_answer(
    answer: &[u8],
    local: &LocalMedia,
    policy: &Policy,
) -> Result<Negotiated, Error> {
    let mut session = Session::new(*local);
    session.offer(policy);
    session.accept_answer(answer, policy)
}
