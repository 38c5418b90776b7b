//! The filters of [`Resampler`](super::Resampler): a Kaiser-windowed sinc for each ratio of rates,
//! cut into phases. Made once per ratio and shared by all who convert at it.
//!
//! The stop band begins at the lower of the two Nyquist frequencies and is 71 dB down, 74 dB
//! 2 % above; at 0.85 of it the pass band has lost less than 0.5 dB. More taps would sharpen that and
//! take longer than 3 ms.

use std::f64::consts::PI;
use std::sync::OnceLock;

/// Length of the filter, in samples of the lower rate: 6 ms at 8 kHz, of which half is delay.
const SPAN: usize = 48;
/// Kaiser's beta.
const BETA: f64 = 7.0;
/// The 6 dB point, as a part of the lower Nyquist frequency: half a transition below it.
const CUTOFF: f64 = 0.905;
/// The largest term of a ratio: 3/8 is 32 kHz to 12 kHz.
pub(super) const MAX_TERM: usize = 8;

/// Weights for `up` output samples per `down` input samples.
///
/// Output `p` of group `i` is the sum over columns `c` and taps `j` of `row(p)[c][j]` times input
/// sample `(i + j - reach) * down + c`: each column of the input is one contiguous run.
#[derive(Debug)]
pub(super) struct FilterBank {
    /// Output samples per group.
    pub(super) up: usize,
    /// Input samples per group.
    pub(super) down: usize,
    /// Groups of past input that the filter sees.
    pub(super) reach: usize,
    /// `up` rows of `down` columns of `reach + 1` taps.
    weights: Vec<f32>,
    /// How far the output lies behind, in units of 1 / (`up` * input rate).
    pub(super) lag: f64,
}

impl FilterBank {
    /// The bank for `from` to `to`, in hertz; `None` if the ratio has a term above [`MAX_TERM`].
    pub(super) fn shared(from: u32, to: u32) -> Option<&'static Self> {
        static BANKS: [OnceLock<FilterBank>; MAX_TERM * MAX_TERM] =
            [const { OnceLock::new() }; MAX_TERM * MAX_TERM];
        let common = gcd(from, to);
        let (up, down) = ((to / common) as usize, (from / common) as usize);
        if up > MAX_TERM || down > MAX_TERM {
            return None;
        }
        let slot = BANKS.get((up - 1) * MAX_TERM + down - 1)?;
        Some(slot.get_or_init(|| Self::new(up, down)))
    }

    fn new(up: usize, down: usize) -> Self {
        let prototype = prototype(up, down);
        let taps = prototype.len().div_ceil(up);
        // Where output `p` of a group looks first: the last one sees the group's newest sample.
        let spare = down - 1 - (up - 1) * down / up;
        let newest = |p: usize| spare + p * down / up;
        let reach = (taps - 1 - newest(0).min(taps - 1)).div_ceil(down);
        let mut weights = vec![0.0; up * down * (reach + 1)];
        for p in 0..up {
            let phase: Vec<f64> =
                prototype.iter().copied().skip(p * down % up).step_by(up).collect();
            // Each phase lets a constant through as it is.
            let sum: f64 = phase.iter().sum();
            for (k, weight) in phase.iter().enumerate() {
                let place = reach * down + newest(p) - k;
                let (column, tap) = (place % down, place / down);
                weights[(p * down + column) * (reach + 1) + tap] = (weight / sum) as f32;
            }
        }
        let lag = (prototype.len() - 1) as f64 / 2.0 - (spare * up) as f64;
        Self { up, down, reach, weights, lag }
    }

    /// All weights of output `p`: `down` columns of `reach + 1`.
    #[inline(always)]
    pub(super) fn row(&self, p: usize) -> &[f32] {
        let len = self.down * (self.reach + 1);
        &self.weights[p * len..(p + 1) * len]
    }
}

/// The low-pass filter at `up` times the input rate.
pub(super) fn prototype(up: usize, down: usize) -> Vec<f64> {
    let slower = up.max(down);
    if slower == 1 {
        return vec![1.0];
    }
    let count = SPAN * slower;
    let middle = (count - 1) as f64 / 2.0;
    (0..count)
        .map(|n| {
            let distance = n as f64 - middle;
            let angle = PI * CUTOFF * distance / slower as f64;
            let sinc = if angle == 0.0 { 1.0 } else { angle.sin() / angle };
            // The window ends half a sample beyond the outermost taps, so that these count.
            let part = distance / (count as f64 / 2.0);
            sinc * bessel_i0(BETA * (1.0 - part * part).sqrt()) * CUTOFF
                / (bessel_i0(BETA) * slower as f64)
        })
        .collect()
}

/// Modified Bessel function of the first kind, order 0, by its series: what Kaiser windows are made of.
pub(crate) fn bessel_i0(x: f64) -> f64 {
    let (mut sum, mut term, mut n) = (1.0, 1.0, 1.0);
    while term > sum * 1e-15 {
        term *= (x / (2.0 * n)).powi(2);
        sum += term;
        n += 1.0;
    }
    sum
}

const fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gain in dB at a frequency given as a part of the lower Nyquist frequency.
    fn response_db(prototype: &[f64], slower: usize, part: f64) -> f64 {
        let step = PI * part / slower as f64;
        let (re, im) = prototype.iter().enumerate().fold((0.0, 0.0), |(re, im), (n, weight)| {
            let (sin, cos) = (step * n as f64).sin_cos();
            (re + weight * cos, im + weight * sin)
        });
        20.0 * f64::hypot(re, im).max(1e-12).log10()
    }

    #[test]
    fn the_stop_band_is_71_db_down_and_the_pass_band_flat() {
        for (up, down) in [(2, 1), (3, 1), (6, 1), (1, 2), (1, 3), (1, 6), (3, 2), (3, 8), (3, 4)] {
            let (taps, slower) = (prototype(up, down), up.max(down));
            for n in 0..=850 {
                let loss = response_db(&taps, slower, f64::from(n) / 1_000.0);
                assert!(loss.abs() < 0.5, "{up}/{down}: {loss} dB at {n}");
            }
            assert!(response_db(&taps, slower, 0.8).abs() < 0.05);
            for n in 1_000..slower * 1_000 {
                let left = response_db(&taps, slower, n as f64 / 1_000.0);
                assert!(left < -71.0, "{up}/{down}: {left} dB at {n}");
            }
        }
    }

    #[test]
    fn odd_ratios_have_no_bank_and_equal_ones_share_theirs() {
        assert!(FilterBank::shared(44_100, 48_000).is_none());
        assert!(FilterBank::shared(11_025, 8_000).is_none());
        let (one, other) = (FilterBank::shared(8_000, 16_000), FilterBank::shared(24_000, 48_000));
        assert!(std::ptr::eq(one.unwrap(), other.unwrap()));
    }
}
