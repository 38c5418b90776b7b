//! A decoder of any codec, with the state it needs from packet to packet.

use super::{CodecKind, g722, l16, opus, pcma, pcmu};
use crate::error::Error;
use crate::time::SampleRate;

/// Makes PCM of payloads.
#[derive(Debug)]
pub struct Decoder {
    codec: CodecKind,
    state: State,
}

#[derive(Debug)]
enum State {
    None,
    G722(Box<g722::Decoder>),
    Opus(opus::Decoder),
}

impl Decoder {
    /// A decoder that gives PCM at `codec.pcm_rate(mix)`.
    ///
    /// # Errors
    /// [`Error::CodecRate`] if the codec cannot give that rate.
    pub fn new(codec: CodecKind, mix: SampleRate) -> Result<Self, Error> {
        let state = match codec {
            CodecKind::Pcmu | CodecKind::Pcma | CodecKind::L16Wide | CodecKind::L16Narrow => {
                State::None
            }
            CodecKind::G722 => State::G722(Box::new(g722::Decoder::new())),
            CodecKind::Opus => State::Opus(opus::Decoder::new(mix)?),
        };
        Ok(Self { codec, state })
    }

    /// What it decodes.
    pub fn codec(&self) -> CodecKind {
        self.codec
    }

    /// Decodes one packet and gives the samples written; 0 if the payload is broken. Stops where
    /// `out` is full (Opus: gives nothing if `out` is too short for the packet).
    pub fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> usize {
        match &mut self.state {
            State::Opus(decoder) => decoder.decode(payload, out),
            State::G722(decoder) => decoder.decode(payload, out),
            State::None => match self.codec {
                CodecKind::Pcmu => pcmu::decode(payload, out),
                CodecKind::Pcma => pcma::decode(payload, out),
                _ => l16::decode(payload, out),
            },
        }
    }

    /// Recovers the packet lost before `next` from the redundancy in it (RFC 6716 §2.1.7): fills all
    /// of `out`, which is as long as what was lost. `false` if `next` holds none, or if `out` is not a
    /// multiple of 2.5 ms up to 120 ms; nothing has changed then.
    pub fn decode_fec(&mut self, next: &[u8], out: &mut [i16]) -> bool {
        match &mut self.state {
            State::Opus(decoder) => decoder.decode_fec(next, out),
            State::None | State::G722(_) => false,
        }
    }

    /// Makes up for lost audio with the codec's own concealment: fills all of `out`. `false` if the
    /// codec has none, or if `out` is not a multiple of 2.5 ms up to 120 ms.
    pub fn conceal(&mut self, out: &mut [i16]) -> bool {
        match &mut self.state {
            State::Opus(decoder) => decoder.conceal(out),
            State::None | State::G722(_) => false,
        }
    }

    /// Back to the beginning of a stream.
    pub fn reset(&mut self) {
        match &mut self.state {
            State::None => {}
            State::G722(decoder) => **decoder = g722::Decoder::new(),
            State::Opus(decoder) => decoder.reset(),
        }
    }
}
