//! G.722 at 64 kb/s (ITU-T G.722, mode 1): 16 kHz in two bands of ADPCM, 6 bits for the lower and 2
//! for the higher, one byte for two samples.
//!
//! The state is plain data: a copy of an encoder continues its stream.

mod band;
mod qmf;
mod tables;

use band::{Band, HIGHER, LOWER, saturate};
use qmf::Window;
use tables::{ILN, ILP, Q6, QM2, QM4, QM6, WH, WL};

/// PCM at 16 kHz to bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Encoder {
    window: Window,
    lower: Band,
    higher: Band,
}

impl Encoder {
    pub(super) const fn new() -> Self {
        Self { window: Window::new(), lower: Band::new(&LOWER), higher: Band::new(&HIGHER) }
    }

    /// One byte for two samples; a last odd sample is ignored. Stops where `out` is full; gives the
    /// bytes written.
    pub(super) fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> usize {
        let count = out.len().min(pcm.len() / 2);
        for (pair, byte) in pcm.as_chunks::<2>().0.iter().zip(out) {
            let [low, high] = self.window.analyse(*pair);
            *byte = self.encode_high(high) << 6 | self.encode_low(low);
        }
        count
    }

    #[inline]
    fn encode_low(&mut self, sample: i32) -> u8 {
        let code = quantise_low(saturate(sample - self.lower.prediction()), self.lower.scale());
        let core = usize::from(code >> 2);
        self.lower.adapt(&LOWER, self.lower.difference(QM4[core]), WL[core]);
        code
    }

    #[inline]
    fn encode_high(&mut self, sample: i32) -> u8 {
        let code = quantise_high(saturate(sample - self.higher.prediction()), self.higher.scale());
        let index = usize::from(code);
        self.higher.adapt(&HIGHER, self.higher.difference(QM2[index]), WH[index]);
        code
    }
}

/// Bytes to PCM at 16 kHz.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decoder {
    window: Window,
    lower: Band,
    higher: Band,
}

impl Decoder {
    pub(super) const fn new() -> Self {
        Self { window: Window::new(), lower: Band::new(&LOWER), higher: Band::new(&HIGHER) }
    }

    /// Two samples for each byte. Stops where `out` is full; gives the samples written.
    pub(super) fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> usize {
        let count = payload.len().min(out.len() / 2);
        for (&byte, pair) in payload.iter().zip(out.as_chunks_mut::<2>().0) {
            let bands = [self.decode_low(byte & 0x3f), self.decode_high(byte >> 6)];
            *pair = self.window.synthesise(bands);
        }
        2 * count
    }

    #[inline]
    fn decode_low(&mut self, code: u8) -> i32 {
        let (code, core) = (usize::from(code), usize::from(code >> 2));
        let sample = self.lower.prediction() + self.lower.difference(QM6[code]);
        self.lower.adapt(&LOWER, self.lower.difference(QM4[core]), WL[core]);
        limit(sample)
    }

    #[inline]
    fn decode_high(&mut self, code: u8) -> i32 {
        let code = usize::from(code);
        let difference = self.higher.difference(QM2[code]);
        let sample = self.higher.prediction() + difference;
        self.higher.adapt(&HIGHER, difference, WH[code]);
        limit(sample)
    }
}

/// QUANTL.
#[inline]
fn quantise_low(difference: i32, scale: i32) -> u8 {
    let magnitude = if difference < 0 { !difference } else { difference };
    // The levels rise, so counting those below finds the interval, and without a branch.
    let interval: usize =
        Q6.iter().map(|level| usize::from(magnitude >= (level * scale) >> 12)).sum();
    if difference < 0 { ILN[interval] } else { ILP[interval] }
}

/// QUANTH.
#[inline]
fn quantise_high(difference: i32, scale: i32) -> u8 {
    let magnitude = if difference < 0 { !difference } else { difference };
    let outer = magnitude >= (564 * scale) >> 12;
    match (difference < 0, outer) {
        (true, false) => 1,
        (true, true) => 0,
        (false, false) => 3,
        (false, true) => 2,
    }
}

/// LIMIT: the bands have 15 bits.
#[inline]
fn limit(sample: i32) -> i32 {
    sample.clamp(-16_384, 16_383)
}
