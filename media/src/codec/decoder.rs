//! A decoder of any codec, with the state it needs from packet to packet.

use super::{CodecKind, l16, pcma, pcmu};
use crate::error::Error;
use crate::time::SampleRate;

/// Makes PCM of payloads.
#[derive(Debug)]
pub struct Decoder {
    codec: CodecKind,
}

impl Decoder {
    /// A decoder that gives PCM at `codec.pcm_rate(mix)`.
    ///
    /// # Errors
    /// [`Error::CodecRate`] if the codec cannot give that rate.
    pub fn new(codec: CodecKind, mix: SampleRate) -> Result<Self, Error> {
        match codec {
            CodecKind::Opus | CodecKind::G722 => Err(Error::CodecRate { codec, hz: mix.hz() }),
            _ => Ok(Self { codec }),
        }
    }

    /// What it decodes.
    pub fn codec(&self) -> CodecKind {
        self.codec
    }

    /// Decodes one packet and gives the samples written; 0 if the payload is broken. Stops where
    /// `out` is full (Opus: gives nothing if `out` is too short for the packet).
    pub fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> usize {
        match self.codec {
            CodecKind::Pcmu => pcmu::decode(payload, out),
            CodecKind::Pcma => pcma::decode(payload, out),
            CodecKind::L16Wide | CodecKind::L16Narrow => l16::decode(payload, out),
            CodecKind::Opus | CodecKind::G722 => 0,
        }
    }

    /// Recovers the packet lost before `next` from the redundancy in it (RFC 6716 §2.1.7): fills all
    /// of `out`, which is as long as what was lost. `false` if `next` holds none.
    pub fn decode_fec(&mut self, next: &[u8], out: &mut [i16]) -> bool {
        let _ = (next, out);
        false
    }

    /// Makes up for lost audio with the codec's own concealment: fills all of `out`. `false` if the
    /// codec has none.
    pub fn conceal(&mut self, out: &mut [i16]) -> bool {
        let _ = out;
        false
    }

    /// Back to the beginning of a stream.
    pub fn reset(&mut self) {}
}
