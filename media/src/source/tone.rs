//! Tones rendered to PCM: the conference beep, test sines.
//!
//! Ends of a tone are shaped over 5 ms so that it does not click.

use super::Pcm;
use crate::time::SampleRate;

/// Level of the beep.
const BEEP_DBFS: f32 = -18.0;
/// Length of each of its two tones.
const BEEP_TONE_MS: u32 = 125;

/// The short two-tone a room hears when a member enters: 600 Hz, then 800 Hz, 250 ms.
pub fn entry_beep(rate: SampleRate) -> Pcm {
    let samples = (rate.hz() * BEEP_TONE_MS / 1_000) as usize;
    let mut low = sine(rate, 600.0, BEEP_DBFS, samples);
    let mut high = sine(rate, 800.0, BEEP_DBFS, samples);
    shape(&mut low, rate);
    shape(&mut high, rate);
    low.append(&mut high);
    Pcm::new(low, rate)
}

/// `count` samples of a sine, starting at phase 0. `level_dbfs` is relative to full scale.
pub fn sine(rate: SampleRate, frequency_hz: f32, level_dbfs: f32, count: usize) -> Vec<i16> {
    let step = 2.0 * std::f64::consts::PI * f64::from(frequency_hz) / f64::from(rate.hz());
    let amplitude = f64::from(i16::MAX) * 10f64.powf(f64::from(level_dbfs) / 20.0);
    (0..count).map(|n| ((step * n as f64).sin() * amplitude).round() as i16).collect()
}

/// Raised-cosine edges.
pub(super) fn shape(samples: &mut [i16], rate: SampleRate) {
    let edge = (rate.hz() / 200) as usize;
    let count = samples.len();
    for n in 0..edge.min(count / 2) {
        let factor = 0.5 - 0.5 * (std::f32::consts::PI * n as f32 / edge as f32).cos();
        samples[n] = (f32::from(samples[n]) * factor) as i16;
        samples[count - 1 - n] = (f32::from(samples[count - 1 - n]) * factor) as i16;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::goertzel_dbfs;

    #[test]
    fn the_beep_is_two_tones_one_after_the_other() {
        let beep = entry_beep(SampleRate::NARROW);
        assert_eq!(beep.duration(), std::time::Duration::from_millis(250));
        let (low, high) = beep.samples().split_at(beep.samples().len() / 2);
        for (half, there, not_there) in [(low, 600.0, 800.0), (high, 800.0, 600.0)] {
            assert!((goertzel_dbfs(half, 8_000, there) - BEEP_DBFS).abs() < 1.0);
            assert!(goertzel_dbfs(half, 8_000, not_there) < -50.0);
        }
        assert_eq!((low[0], high[high.len() - 1]), (0, 0));
    }
}
