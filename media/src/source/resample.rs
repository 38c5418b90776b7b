//! Changing the rate of whole recordings: windowed sinc, for files, not for live audio.
//!
//! A polyphase filter with a Kaiser window, 24 zero crossings to each side: stop band below -80 dB.
//! Ratios of up to 1,024 phases are exact (all usual file rates are); odder ones take the nearest of
//! 1,024 phases.

use crate::time::SampleRate;

/// Zero crossings of the sinc to each side.
const CROSSINGS: f64 = 24.0;
/// Kaiser window shape: about 85 dB.
const BETA: f64 = 8.5;
/// Share of the lower Nyquist band that passes.
const PASS: f64 = 0.93;
/// Phases kept at most.
const MAX_PHASES: u64 = 1_024;

/// `samples` at `from`, heard at `to`. The length is scaled, rounded up.
pub(super) fn resample(samples: &[f32], from: SampleRate, to: SampleRate) -> Vec<f32> {
    if from == to || samples.is_empty() {
        return samples.to_vec();
    }
    let filter = Filter::new(from, to);
    let (from, to) = (u64::from(from.hz()), u64::from(to.hz()));
    let count = (samples.len() as u64 * to).div_ceil(from);
    // Silence around the recording spares the inner loop all bounds.
    let mut padded = vec![0.0; filter.reach];
    padded.extend_from_slice(samples);
    padded.resize(padded.len() + filter.taps + 1, 0.0);
    (0..count)
        .map(|n| {
            let place = n * from; // in 1/to of an input sample
            let (mut whole, fraction) = ((place / to) as usize, place % to);
            let mut phase = ((fraction * filter.phases + to / 2) / to) as usize;
            if phase == filter.phases as usize {
                (whole, phase) = (whole + 1, 0);
            }
            dot(&padded[whole..whole + filter.taps], filter.row(phase))
        })
        .collect()
}

struct Filter {
    phases: u64,
    /// Input samples before the centre.
    reach: usize,
    /// A multiple of eight.
    taps: usize,
    rows: Vec<f32>,
}

impl Filter {
    fn new(from: SampleRate, to: SampleRate) -> Self {
        let (from, to) = (u64::from(from.hz()), u64::from(to.hz()));
        let phases = (to / gcd(from, to)).min(MAX_PHASES);
        // Relative to the input rate; below both Nyquist limits.
        let cutoff = PASS * (to as f64 / from as f64).min(1.0);
        let reach = (CROSSINGS / cutoff).ceil() as usize;
        let taps = (2 * reach + 1).next_multiple_of(8);
        let half = reach as f64 + 1.0;
        let mut rows = Vec::with_capacity(phases as usize * taps);
        for phase in 0..phases {
            let row = (0..taps).map(|tap| {
                let distance = tap as f64 - reach as f64 - phase as f64 / phases as f64;
                sinc(distance * cutoff) * cutoff * kaiser(distance / half)
            });
            let row: Vec<f64> = row.collect();
            // Unity gain for every phase, or a constant would ripple.
            let gain: f64 = row.iter().sum();
            rows.extend(row.iter().map(|tap| (tap / gain) as f32));
        }
        Self { phases, reach, taps, rows }
    }

    fn row(&self, phase: usize) -> &[f32] {
        &self.rows[phase * self.taps..(phase + 1) * self.taps]
    }
}

/// Eight sums side by side, so that the compiler may use one vector.
fn dot(samples: &[f32], row: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    for (a, b) in samples.chunks_exact(8).zip(row.chunks_exact(8)) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum()
}

fn sinc(x: f64) -> f64 {
    let x = x * std::f64::consts::PI;
    if x.abs() < 1e-9 { 1.0 } else { x.sin() / x }
}

/// The window at -1 to 1; zero outside.
fn kaiser(x: f64) -> f64 {
    if x.abs() >= 1.0 { 0.0 } else { bessel_i0(BETA * (1.0 - x * x).sqrt()) / bessel_i0(BETA) }
}

fn bessel_i0(x: f64) -> f64 {
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    while term > sum * 1e-12 {
        term *= (x / (2.0 * k)).powi(2);
        sum += term;
        k += 1.0;
    }
    sum
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::goertzel_dbfs;

    fn tone(rate: u32, hz: f64, count: usize) -> Vec<f32> {
        let step = 2.0 * std::f64::consts::PI * hz / f64::from(rate);
        (0..count).map(|n| ((step * n as f64).sin() * 16_384.0) as f32).collect()
    }

    fn through(from: u32, to: u32, hz: f64) -> Vec<i16> {
        let (from_rate, to_rate) = (SampleRate::new(from).unwrap(), SampleRate::new(to).unwrap());
        let out = resample(&tone(from, hz, from as usize), from_rate, to_rate);
        assert_eq!(out.len(), to as usize);
        // Without the ends, where the recording begins and stops.
        out[to as usize / 8..to as usize * 7 / 8].iter().map(|s| s.round() as i16).collect()
    }

    const RATES: [u32; 13] = [
        4_000, 6_000, 8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000,
        96_000, 192_000,
    ];

    #[test]
    fn a_tone_in_band_keeps_its_level_from_every_rate() {
        for from in RATES {
            for hz in [300.0, 1_000.0, 0.4 * f64::from(from.min(8_000))] {
                let out = through(from, 8_000, hz);
                let level = goertzel_dbfs(&out, 8_000, hz as f32);
                assert!((level + 6.02).abs() < 0.1, "{from} Hz, tone {hz}: {level}");
            }
        }
    }

    #[test]
    fn a_tone_above_the_new_band_is_gone() {
        for from in RATES.into_iter().filter(|from| *from >= 11_025) {
            let hz = 4_400.0;
            let out = through(from, 8_000, hz);
            let alias = goertzel_dbfs(&out, 8_000, 3_600.0);
            assert!(alias < -70.0, "{from} Hz: {alias}");
        }
    }

    #[test]
    fn the_rest_is_silent_when_going_up() {
        let out = through(8_000, 48_000, 3_000.0);
        assert!(goertzel_dbfs(&out, 48_000, 5_000.0) < -75.0); // image of 3,000 around 8,000
        assert!((goertzel_dbfs(&out, 48_000, 3_000.0) + 6.02).abs() < 0.1);
    }

    #[test]
    fn odd_rates_take_the_nearest_phase() {
        let out = through(44_101, 8_000, 1_000.0);
        assert!((goertzel_dbfs(&out, 8_000, 1_000.0) + 6.02).abs() < 0.1);
    }
}
