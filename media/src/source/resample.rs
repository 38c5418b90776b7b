//! Whole files from one sample rate to another: a Kaiser-windowed sinc, evaluated offline.
//!
//! Called once per file by [`decode`](super::file::decode), off the media thread. The stop band begins at the
//! lower of the two Nyquist frequencies and is 80 dB down; the pass band ends at 0.88 of it. There is
//! no delay: output sample 0 is input sample 0.

use std::f64::consts::PI;

use crate::dsp::bessel_i0;
use crate::time::SampleRate;

/// Zero crossings of the sinc on each side.
const CROSSINGS: usize = 48;
/// Where the sinc is cut off, as a part of the lower Nyquist frequency: half a transition below it.
const CUTOFF: f64 = 0.94;
/// Kaiser's beta for 90 dB.
const BETA: f64 = 8.96;
/// Points of the stored kernel between two zero crossings; read with linear interpolation.
const POINTS: usize = 512;
/// The most phases whose weights are stored. Pairs of rates with more read between two of them.
const MAX_PHASES: u64 = 1_024;

/// Converts `input`; gives as many samples as last equally long, rounded up.
pub(super) fn resample(input: &[i16], from: SampleRate, to: SampleRate) -> Vec<i16> {
    if from == to {
        return input.to_vec();
    }
    let common = gcd(u64::from(from.hz()), u64::from(to.hz()));
    let (step, phases) = (u64::from(from.hz()) / common, u64::from(to.hz()) / common);
    let bank = Bank::new(from, to, phases.min(MAX_PHASES));
    let count = (input.len() as u64 * phases).div_ceil(step);
    (0..count)
        .map(|n| {
            let behind = n * step % phases;
            bank.sample(input, (n * step / phases) as usize, behind as f64 / phases as f64)
        })
        .collect()
}

/// The filter for places between two input samples.
struct Bank {
    /// One row of weights per phase, the last for a whole sample.
    rows: Vec<Vec<f32>>,
    /// Input samples on each side.
    reach: usize,
}

impl Bank {
    fn new(from: SampleRate, to: SampleRate, phases: u64) -> Self {
        // The lower rate as a part of the input rate.
        let ratio = (f64::from(to.hz()) / f64::from(from.hz())).min(1.0);
        let reach = (CROSSINGS as f64 / ratio).ceil() as usize;
        let kernel = Kernel::new();
        let rows = (0..=phases)
            .map(|phase| {
                let behind = phase as f64 / phases as f64;
                let distance = |n: usize| n as f64 + 1.0 - reach as f64 - behind;
                normalised((0..2 * reach).map(|n| kernel.at(distance(n).abs() * ratio)).collect())
            })
            .collect();
        Self { rows, reach }
    }

    /// The signal `behind` input sample `at`, which is 0.0..1.0 samples.
    fn sample(&self, input: &[i16], at: usize, behind: f64) -> i16 {
        let place = behind * (self.rows.len() - 1) as f64;
        let row = place.round();
        let value = if (place - row).abs() < 1e-9 {
            self.convolve(input, at, row as usize)
        } else {
            let here = self.convolve(input, at, place as usize);
            let next = self.convolve(input, at, place as usize + 1);
            here + (next - here) * place.fract() as f32
        };
        value.round() as i16 // `as` saturates
    }

    /// Beyond its ends the input is silent.
    fn convolve(&self, input: &[i16], at: usize, row: usize) -> f32 {
        let first = (at + 1).saturating_sub(self.reach);
        let skipped = (first + self.reach).saturating_sub(at + 1);
        let samples = input.get(first..).unwrap_or_default();
        let weights = self.rows.get(row).and_then(|row| row.get(skipped..)).unwrap_or_default();
        dot(samples, weights)
    }
}

/// Every phase lets a constant through as it is.
fn normalised(mut weights: Vec<f32>) -> Vec<f32> {
    let sum: f32 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    weights
}

/// Eight sums side by side, so that the compiler may use vector registers.
fn dot(samples: &[i16], weights: &[f32]) -> f32 {
    let count = samples.len().min(weights.len());
    let (samples, weights) = (&samples[..count], &weights[..count]);
    let (sample_lanes, weight_lanes) = (samples.chunks_exact(8), weights.chunks_exact(8));
    let tail: f32 = sample_lanes
        .remainder()
        .iter()
        .zip(weight_lanes.remainder())
        .map(|(&sample, weight)| f32::from(sample) * weight)
        .sum();
    let mut sums = [0.0f32; 8];
    for (samples, weights) in sample_lanes.zip(weight_lanes) {
        for ((sum, &sample), weight) in sums.iter_mut().zip(samples).zip(weights) {
            *sum += f32::from(sample) * weight;
        }
    }
    sums.iter().sum::<f32>() + tail
}

/// The windowed sinc as a table.
struct Kernel(Vec<f32>);

impl Kernel {
    fn new() -> Self {
        let points = CROSSINGS * POINTS + 1;
        Self((0..points).map(|n| kernel(n as f64 / POINTS as f64) as f32).collect())
    }

    /// At a distance from the middle, counted in samples of the lower rate.
    fn at(&self, distance: f64) -> f32 {
        let place = distance * POINTS as f64;
        match (self.0.get(place as usize), self.0.get(place as usize + 1)) {
            (Some(here), Some(next)) => here + (next - here) * place.fract() as f32,
            _ => 0.0,
        }
    }
}

/// The same, computed.
fn kernel(distance: f64) -> f64 {
    let part = distance / CROSSINGS as f64;
    if part > 1.0 {
        return 0.0;
    }
    let angle = PI * CUTOFF * distance;
    let sinc = if angle == 0.0 { 1.0 } else { angle.sin() / angle };
    CUTOFF * sinc * bessel_i0(BETA * (1.0 - part * part).sqrt()) / bessel_i0(BETA)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::super::tone::sine;
    use super::*;
    use crate::dsp::{energy, goertzel_dbfs, rms_dbfs};

    const TO: SampleRate = SampleRate::NARROW;
    const LEVEL: f32 = -6.0;

    fn converted(hz: u32, frequency: f32) -> Vec<i16> {
        let from = SampleRate::new(hz).unwrap();
        let samples = resample(&sine(from, frequency, LEVEL, hz as usize / 5), from, TO);
        samples[100..samples.len() - 100].to_vec() // without the ends, where silence begins
    }

    #[test]
    fn speech_frequencies_keep_their_level_from_any_rate() {
        for hz in [4_000, 11_025, 12_347, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000] {
            for frequency in [200.0, 1_000.0, 1_700.0, 3_400.0] {
                if frequency * 2.0 / 0.88 > hz as f32 {
                    continue;
                }
                let out = converted(hz, frequency);
                let level = goertzel_dbfs(&out, TO.hz(), frequency);
                assert!((level - LEVEL).abs() < 0.1, "{frequency} Hz at {hz}: {level}");
                assert!(residue_db(&out, frequency) < -70.0, "{frequency} Hz at {hz}");
            }
        }
    }

    /// What is left of `out` without its best fit of a sine, relative to that sine.
    fn residue_db(out: &[i16], frequency: f32) -> f64 {
        let step = 2.0 * PI * f64::from(frequency) / f64::from(TO.hz());
        // Normal equations of a * sin + b * cos.
        let (mut ss, mut cc, mut sc, mut ys, mut yc, mut yy) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
        for (n, &sample) in out.iter().enumerate() {
            let ((sin, cos), y) = ((step * n as f64).sin_cos(), f64::from(sample));
            (ss, cc, sc) = (ss + sin * sin, cc + cos * cos, sc + sin * cos);
            (ys, yc, yy) = (ys + y * sin, yc + y * cos, yy + y * y);
        }
        let determinant = ss * cc - sc * sc;
        let (a, b) = ((ys * cc - yc * sc) / determinant, (yc * ss - ys * sc) / determinant);
        let fitted = a * ys + b * yc;
        10.0 * ((yy - fitted).max(1e-9) / fitted).log10()
    }

    #[test]
    fn what_would_alias_is_at_least_70_db_down() {
        for hz in [11_025, 12_347, 16_000, 22_050, 44_100, 48_000, 192_000] {
            for frequency in [4_000.0, 4_100.0, 4_600.0, 5_000.0, 7_400.0, 15_000.0, 60_000.0] {
                if frequency * 2.0 > hz as f32 {
                    continue;
                }
                let out = converted(hz, frequency);
                let level = rms_dbfs(energy(&out), out.len());
                assert!(level - LEVEL < -70.0, "{frequency} Hz at {hz}: {level}");
            }
        }
    }

    #[test]
    fn images_of_a_lower_rate_are_at_least_70_db_down() {
        let from = SampleRate::new(4_000).unwrap();
        let out = resample(&sine(from, 1_000.0, LEVEL, 4_000), from, TO);
        assert!(goertzel_dbfs(&out[400..7_600], TO.hz(), 3_000.0) < LEVEL - 70.0);
    }

    #[test]
    fn the_stop_band_is_80_db_down_by_design() {
        // The response of the kernel itself, sampled finely, from the Nyquist frequency up.
        let response = |frequency: f64| {
            let points = CROSSINGS * 16;
            let sum: f64 = (1..points)
                .map(|n| n as f64 / 16.0)
                .map(|x| 2.0 * kernel(x) * (PI * frequency * x).cos())
                .sum();
            20.0 * ((sum + kernel(0.0)) / 16.0).abs().max(1e-9).log10()
        };
        for n in 0..200 {
            let frequency = 1.0 + f64::from(n) * 0.01;
            assert!(response(frequency) < -80.0, "{frequency}: {}", response(frequency));
        }
        assert!(response(0.88).abs() < 0.01, "{}", response(0.88));
    }

    #[test]
    fn the_length_lasts_equally_long_and_a_constant_stays() {
        for hz in [4_000, 11_025, 12_347, 48_000, 191_999] {
            let from = SampleRate::new(hz).unwrap();
            let out = resample(&vec![1_000; hz as usize / 10], from, TO);
            assert_eq!(out.len(), 800, "{hz}");
            assert!(out[100..700].iter().all(|&sample| (999..=1_001).contains(&sample)), "{hz}");
        }
        assert_eq!(resample(&[], SampleRate::FULL, TO), []);
        assert_eq!(resample(&[7], SampleRate::FULL, TO).len(), 1);
        assert_eq!(resample(&[1, 2, 3], TO, TO), [1, 2, 3]);
    }

    #[test]
    fn full_scale_saturates_and_does_not_wrap() {
        let square: Vec<i16> =
            (0..48_000).map(|n| if n / 60 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let out = resample(&square, SampleRate::FULL, TO);
        // 400 Hz at 8 kHz: the middle of each half wave keeps its sign.
        assert!(out[1_005] > 20_000 && out[1_015] < -20_000);
    }
}
