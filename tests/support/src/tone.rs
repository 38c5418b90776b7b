//! Sines: made, sent, and found again (Goertzel's algorithm, under a Hann window).
//!
//! Levels are in dB against a full-scale sine (peak 32768): 0 dB is the loudest sine 16 bits can hold.

use std::f64::consts::TAU;

/// Samples per second of everything measured here, and of tones unless another rate is named.
pub const RATE: f64 = 8_000.0;

/// Level reported for "nothing at all", so that arithmetic on levels stays finite.
pub const FLOOR_DB: f64 = -120.0;

/// An endless sine.
#[derive(Debug, Clone)]
pub struct Tone {
    /// Cycles per sample.
    pace: f64,
    peak: f64,
    step: u64,
}

impl Tone {
    #[must_use]
    pub fn new(hz: f64, level_db: f64) -> Self {
        Self::at_rate(hz, level_db, RATE as u32)
    }

    /// The same at another number of samples per second.
    #[must_use]
    pub fn at_rate(hz: f64, level_db: f64, rate: u32) -> Self {
        Self { pace: hz / f64::from(rate), peak: peak_of(level_db), step: 0 }
    }

    /// The next sample. The phase is computed from a counter, so it does not drift over hours.
    pub fn sample(&mut self) -> i16 {
        let phase = (self.step as f64 * self.pace).fract();
        self.step += 1;
        ((phase * TAU).sin() * self.peak).round() as i16
    }

    pub fn fill(&mut self, samples: &mut [i16]) {
        samples.fill_with(|| self.sample());
    }

    /// `seconds` of the tone from its start.
    #[must_use]
    pub fn render(hz: f64, level_db: f64, seconds: f64) -> Vec<i16> {
        let mut samples = vec![0; (seconds * RATE) as usize];
        Self::new(hz, level_db).fill(&mut samples);
        samples
    }
}

/// Level of the sine of `hz` inside `samples`, in dB; leakage of tones three or more bins away
/// (a bin is `RATE / samples.len()` Hz) is below -40 dB.
#[must_use]
pub fn level_db(samples: &[i16], hz: f64) -> f64 {
    goertzel(samples, hz, |i, n| 1.0 - (TAU * i as f64 / n as f64).cos())
}

/// As [`level_db`] without a window: exact when every tone present fits a whole number of times
/// into `samples` (multiples of 50 Hz in a 20 ms frame).
#[must_use]
pub fn frame_level_db(samples: &[i16], hz: f64) -> f64 {
    goertzel(samples, hz, |_, _| 1.0)
}

fn goertzel(samples: &[i16], hz: f64, window: impl Fn(usize, usize) -> f64) -> f64 {
    let n = samples.len();
    if n == 0 {
        return FLOOR_DB;
    }
    let omega = TAU * hz / RATE;
    let coefficient = 2.0 * omega.cos();
    let (mut s1, mut s2, mut weight) = (0.0, 0.0, 0.0);
    for (i, &sample) in samples.iter().enumerate() {
        let w = window(i, n);
        weight += w;
        let s0 = f64::from(sample) * w + coefficient * s1 - s2;
        s2 = s1;
        s1 = s0;
    }
    let power = (s1 * s1 + s2 * s2 - coefficient * s1 * s2).max(0.0);
    db_of(2.0 * power.sqrt() / weight)
}

/// Root mean square of the samples in dB, scaled so that a pure sine reads the same as by [`level_db`].
#[must_use]
pub fn rms_db(samples: &[i16]) -> f64 {
    if samples.is_empty() {
        return FLOOR_DB;
    }
    let sum: f64 = samples.iter().map(|&s| f64::from(s).powi(2)).sum();
    db_of((2.0 * sum / samples.len() as f64).sqrt())
}

#[must_use]
pub fn peak_of(level_db: f64) -> f64 {
    32_768.0 * 10f64.powf(level_db / 20.0)
}

fn db_of(peak: f64) -> f64 {
    (20.0 * (peak / 32_768.0).max(1e-9).log10()).max(FLOOR_DB)
}

/// `count` frequencies between 350 and 3350 Hz such that distortion of some (third harmonics,
/// `2a-b`, `a+b-c`) falls on none of the others while the set is small enough to allow it.
#[must_use]
pub fn distinct_tones(count: usize) -> Vec<f64> {
    let candidates: Vec<i32> = (0..3_000).map(|i| 350 + (i * 577) % 3_000).collect();
    let mut chosen: Vec<i32> = Vec::with_capacity(count);
    for strict in [true, false] {
        for &hz in &candidates {
            if chosen.len() == count {
                break;
            }
            let spaced = chosen.iter().all(|&c| (c - hz).abs() >= if strict { 20 } else { 4 });
            if spaced && !(strict && chosen.len() < 24 && is_product(hz, &chosen)) {
                chosen.push(hz);
            }
        }
    }
    chosen.into_iter().map(f64::from).collect()
}

fn is_product(hz: i32, chosen: &[i32]) -> bool {
    let near = |other: i32| (other - hz).abs() < 4;
    chosen.iter().any(|&a| near(3 * a) || near(2 * a) || 3 * hz == a)
        || chosen.iter().any(|&a| {
            chosen.iter().any(|&b| {
                near(2 * a - b) || near(a + b) || chosen.iter().any(|&c| near(a + b - c) && c != b)
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::g711::{ulaw_decode, ulaw_encode};

    #[test]
    fn a_tone_reads_its_own_level_and_silence_at_other_frequencies() {
        let samples = Tone::render(440.0, -16.0, 0.5);
        assert!((level_db(&samples, 440.0) + 16.0).abs() < 0.05);
        assert!(level_db(&samples, 523.0) < -80.0);
        assert!((rms_db(&samples) + 16.0).abs() < 0.05);
    }

    #[test]
    fn a_tone_through_mu_law_keeps_its_level() {
        let mut samples = Tone::render(1_000.0, -20.0, 0.5);
        samples.iter_mut().for_each(|s| *s = ulaw_decode(ulaw_encode(*s)));
        assert!((level_db(&samples, 1_000.0) + 20.0).abs() < 0.2);
    }

    #[test]
    fn one_frame_separates_multiples_of_fifty_hertz() {
        let a = Tone::render(450.0, -16.0, 0.02);
        assert!((frame_level_db(&a, 450.0) + 16.0).abs() < 0.05);
        assert!(frame_level_db(&a, 800.0) < -70.0);
    }

    #[test]
    fn nothing_reads_as_the_floor() {
        assert_eq!(level_db(&[], 440.0), FLOOR_DB);
        assert_eq!(level_db(&[0; 800], 440.0), FLOOR_DB);
    }

    #[test]
    fn chosen_tones_are_distinct_and_in_band_for_any_room() {
        for count in [1, 3, 24, 200] {
            let tones = distinct_tones(count);
            assert_eq!(tones.len(), count);
            assert!(tones.iter().all(|hz| (350.0..=3_350.0).contains(hz)));
            for (i, a) in tones.iter().enumerate() {
                assert!(tones[i + 1..].iter().all(|b| (a - b).abs() >= 4.0));
            }
        }
    }
}
