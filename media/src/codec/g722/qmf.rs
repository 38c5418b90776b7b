//! The quadrature mirror filters: 16 kHz to two bands of 8 kHz and back (ITU-T G.722 §3.1, §4.4).
//!
//! The window slides over a stretch of memory rather than the memory through the window, and both
//! filters are dot products of 16-bit numbers, so that they vectorise.

use super::tables::QMF;

const TAPS: usize = 24;
/// What the window reaches back.
const PAST: usize = TAPS - 2;
/// Pairs filtered before the memory is moved.
const PAIRS: usize = 40;

/// The samples under the window. In the analysis they are PCM, in the synthesis sums and differences
/// of the bands in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    samples: [i16; PAST + 2 * PAIRS],
    used: usize,
}

impl Window {
    pub(super) const fn new() -> Self {
        Self { samples: [0; PAST + 2 * PAIRS], used: PAST }
    }

    /// Two samples of PCM to one of the lower and one of the higher band.
    #[inline]
    pub(super) fn analyse(&mut self, pair: [i16; 2]) -> [i32; 2] {
        let window = self.push(pair);
        // The Recommendation limits the bands to 15 bits.
        [dot(window, &LOW), dot(window, &HIGH)].map(|sum| (sum >> 14).clamp(-16_384, 16_383))
    }

    /// One sample of each band, of 15 bits, to two of PCM.
    #[inline]
    pub(super) fn synthesise(&mut self, [low, high]: [i32; 2]) -> [i16; 2] {
        let window = self.push([(low + high) as i16, (low - high) as i16]);
        [dot(window, &FIRST), dot(window, &SECOND)]
            .map(|sum| super::band::saturate(sum >> 11) as i16)
    }

    #[inline]
    fn push(&mut self, pair: [i16; 2]) -> &[i16; TAPS] {
        if self.used + 2 > self.samples.len() {
            self.samples.copy_within(self.used - PAST.., 0);
            self.used = PAST;
        }
        self.samples[self.used..self.used + 2].copy_from_slice(&pair);
        self.used += 2;
        self.samples[..self.used].last_chunk().expect("the window begins full")
    }
}

#[inline]
fn dot(window: &[i16; TAPS], taps: &[i16; TAPS]) -> i32 {
    window.iter().zip(taps).map(|(&sample, &tap)| i32::from(sample) * i32::from(tap)).sum()
}

/// Sum and difference of the two phases.
const LOW: [i16; TAPS] = interleave(1, 1);
const HIGH: [i16; TAPS] = interleave(-1, 1);
/// Each phase alone: differences of the bands make the first sample of a pair, sums the second.
const FIRST: [i16; TAPS] = interleave(0, 1);
const SECOND: [i16; TAPS] = interleave(1, 0);

const fn interleave(even: i16, odd: i16) -> [i16; TAPS] {
    let mut taps = [0; TAPS];
    let mut n = 0;
    while n < QMF.len() {
        taps[2 * n] = even * QMF[n];
        taps[2 * n + 1] = odd * QMF[QMF.len() - 1 - n];
        n += 1;
    }
    taps
}
