//! An encoder of any codec, with the state it needs from packet to packet.

use super::{CodecKind, SendFormat, g722, l16, opus, pcma, pcmu};
use crate::error::Error;
use crate::time::SampleRate;

/// Makes payloads of PCM. One packet's worth per call.
#[derive(Debug)]
pub struct Encoder {
    state: State,
}

#[derive(Debug)]
enum State {
    Pcmu,
    Pcma,
    L16,
    // Boxed: most seats have a codec without state.
    G722(Box<g722::Encoder>),
    Opus(opus::Encoder),
}

impl Encoder {
    /// An encoder that takes PCM at `format.codec.pcm_rate(mix)`.
    ///
    /// # Errors
    /// [`Error::CodecRate`] if the codec cannot take that rate.
    pub fn new(format: &SendFormat, mix: SampleRate) -> Result<Self, Error> {
        let state = match format.codec {
            CodecKind::Pcmu => State::Pcmu,
            CodecKind::Pcma => State::Pcma,
            CodecKind::L16Wide | CodecKind::L16Narrow => State::L16,
            CodecKind::G722 => State::G722(Box::new(g722::Encoder::new())),
            CodecKind::Opus => State::Opus(opus::Encoder::new(&format.opus, format.ptime, mix)?),
        };
        Ok(Self { state })
    }

    /// Encodes one packet's PCM and gives the bytes written: 0 if nothing is to be sent for it
    /// (discontinuous transmission), or if `out` is too short.
    pub fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> usize {
        match &mut self.state {
            State::Pcmu => pcmu::encode(pcm, out),
            State::Pcma => pcma::encode(pcm, out),
            State::L16 => l16::encode(pcm, out),
            State::G722(encoder) => encoder.encode(pcm, out),
            State::Opus(encoder) => encoder.encode(pcm, out),
        }
    }

    /// Takes over the state of `other`, which was made for an equal format and rate: what is encoded
    /// next continues the other's stream. Allocates nothing.
    pub fn copy_from(&mut self, other: &Self) {
        match (&mut self.state, &other.state) {
            (State::G722(to), State::G722(from)) => to.clone_from(from),
            (State::Opus(to), State::Opus(from)) => to.copy_from(from),
            _ => {}
        }
    }

    /// Back to the beginning of a stream.
    pub fn reset(&mut self) {
        match &mut self.state {
            State::Pcmu | State::Pcma | State::L16 => {}
            State::G722(encoder) => **encoder = g722::Encoder::new(),
            State::Opus(encoder) => encoder.reset(),
        }
    }
}
