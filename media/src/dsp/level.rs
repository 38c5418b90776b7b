//! How loud: energy and RMS of a frame, and the level of one frequency (Goertzel).
//!
//! dBFS here: a full-scale sine is 0 dB, so a square wave can reach +3.

use multiversion::multiversion;

use super::sample::magnitude;

/// Level given for digital silence.
const FLOOR_DBFS: f32 = -96.0;

/// Mean square of a full-scale sine.
pub(super) const FULL_SINE: f32 = 32_767.0 * 32_767.0 / 2.0;

/// Sum of squares.
#[multiversion(targets("x86_64+avx2", "aarch64+neon"))]
pub fn energy(frame: &[i16]) -> u64 {
    // By pairs, for which processors have one instruction.
    let (pairs, last) = frame.as_chunks::<2>();
    let mut sum = last.iter().map(|&sample| square(sample)).sum();
    for &[one, other] in pairs {
        sum += square(one) + square(other);
    }
    sum
}

#[inline(always)]
fn square(sample: i16) -> u64 {
    (i32::from(sample) * i32::from(sample)) as u64
}

/// The largest magnitude, within one.
#[multiversion(targets("x86_64+avx2", "aarch64+neon"))]
pub(super) fn peak(frame: &[i16]) -> i16 {
    frame.iter().fold(0, |peak, &sample| peak.max(magnitude(sample)))
}

/// RMS level of a frame of `samples` with this energy, relative to a full-scale sine.
pub fn rms_dbfs(energy: u64, samples: usize) -> f32 {
    if energy == 0 || samples == 0 {
        return FLOOR_DBFS;
    }
    let mean_square = energy as f64 / samples as f64;
    ((10.0 * (mean_square / f64::from(FULL_SINE)).log10()) as f32).max(FLOOR_DBFS)
}

/// Mean of the squares: 0 dBFS is 5.4e8, and 10 dB a factor of ten. For decisions per frame, which need
/// no logarithm.
pub fn mean_square(frame: &[i16]) -> f32 {
    energy(frame) as f32 / frame.len().max(1) as f32
}

/// The mean square of a level. The levels of RFC 6464 count from a full-scale square wave, 3 dB above
/// a sine: `-level + 3.0`.
pub fn mean_square_at(dbfs: f32) -> f32 {
    FULL_SINE * 10f32.powf(dbfs / 10.0)
}

/// Level of `frequency_hz` within `samples`, relative to a full-scale sine, through a Hann window so
/// that neighbours more than a few bins away do not leak in. For tests and for detectors.
pub fn goertzel_dbfs(samples: &[i16], rate_hz: u32, frequency_hz: f32) -> f32 {
    let count = samples.len() as f64;
    let step = 2.0 * std::f64::consts::PI * f64::from(frequency_hz) / f64::from(rate_hz);
    let coefficient = 2.0 * step.cos();
    let (mut one, mut two) = (0.0f64, 0.0f64);
    for (n, &sample) in samples.iter().enumerate() {
        let hann = 0.5 - 0.5 * (2.0 * std::f64::consts::PI * (n as f64 + 0.5) / count).cos();
        let zero = f64::from(sample) * hann + coefficient * one - two;
        two = one;
        one = zero;
    }
    let power = one * one + two * two - coefficient * one * two;
    // A sine of amplitude A gives |X| = A * N/2 * 1/2.
    let amplitude = power.max(0.0).sqrt() * 4.0 / count.max(1.0);
    ((20.0 * (amplitude / f64::from(i16::MAX)).max(1e-6).log10()) as f32).max(FLOOR_DBFS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::source::tone;
    use crate::time::SampleRate;

    #[test]
    fn a_sine_has_the_level_it_was_made_with() {
        let sine = tone::sine(SampleRate::NARROW, 1_000.0, -12.0, 8_000);
        assert!((rms_dbfs(energy(&sine), sine.len()) + 12.0).abs() < 0.05);
        assert!((mean_square(&sine) / mean_square_at(-12.0) - 1.0).abs() < 0.01);
        assert!((goertzel_dbfs(&sine, 8_000, 1_000.0) + 12.0).abs() < 0.05);
        assert!(goertzel_dbfs(&sine, 8_000, 1_100.0) < -80.0);
    }

    proptest! {
        #[test]
        fn energy_is_the_sum_of_squares(frame in proptest::collection::vec(any::<i16>(), 0..1_000)) {
            let plain: u64 = frame.iter().map(|&sample| u64::from(sample.unsigned_abs()).pow(2)).sum();
            prop_assert_eq!(energy(&frame), plain);
        }
    }

    #[test]
    fn silence_is_at_the_floor_and_full_scale_does_not_overflow() {
        assert_eq!(rms_dbfs(energy(&[0; 160]), 160), FLOOR_DBFS);
        assert_eq!(energy(&[i16::MIN; 160]), 160 << 30);
        assert!(rms_dbfs(energy(&[i16::MIN; 160]), 160) < 3.1);
    }
}
