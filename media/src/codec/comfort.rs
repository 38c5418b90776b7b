//! Comfort noise (RFC 3389): what a sender says of its background while it sends no speech.
//!
//! A payload holds a level and, if the sender likes, reflection coefficients of an all-pole filter.
//! [`ComfortNoise`] makes noise of that level and colour, at the rate of the codec it stands in for.

#![warn(clippy::indexing_slicing)]

/// Coefficients beyond are left out, as §3 allows.
pub const MAX_ORDER: usize = 10;

/// Makes noise as the last payload described it; silence before the first.
#[derive(Debug, Clone)]
pub struct ComfortNoise {
    /// RMS of the excitation now, and where it goes: a new level fades in.
    gain: f32,
    target: f32,
    reflection: [f32; MAX_ORDER],
    order: usize,
    /// Backward prediction errors of the lattice, delayed by one sample.
    backward: [f32; MAX_ORDER],
    random: u32,
}

impl ComfortNoise {
    /// Silent until told otherwise.
    pub const fn new() -> Self {
        Self {
            gain: 0.0,
            target: 0.0,
            reflection: [0.0; MAX_ORDER],
            order: 0,
            backward: [0.0; MAX_ORDER],
            random: 0x9e37_79b9,
        }
    }

    /// Follows a payload from now on. `false` if it is empty; then nothing has changed.
    pub fn update(&mut self, payload: &[u8]) -> bool {
        let Some((&level, spectrum)) = payload.split_first() else { return false };
        self.order = spectrum.len().min(MAX_ORDER);
        self.reflection = [0.0; MAX_ORDER];
        // What the filter adds, the excitation is to lack.
        let mut power = 1.0;
        for (k, &byte) in self.reflection.iter_mut().zip(spectrum) {
            *k = (258.0 * (f32::from(byte) - 127.0) / 32_768.0)
                .clamp(-MAX_REFLECTION, MAX_REFLECTION);
            power *= 1.0 - *k * *k;
        }
        self.target = OVERLOAD * 10f32.powf(f32::from(level & MAX_LEVEL) / -20.0) * power.sqrt();
        true
    }

    /// Goes on for as long as `out`.
    pub fn fill(&mut self, out: &mut [i16]) {
        for sample in out {
            self.gain += (self.target - self.gain) * FADE;
            let excitation = self.gain * self.white();
            *sample = self.filter(excitation).round() as i16;
        }
    }

    /// One step of the all-pole lattice.
    fn filter(&mut self, excitation: f32) -> f32 {
        let mut forward = excitation;
        let mut rising = None;
        let stages = self.reflection.iter().zip(&mut self.backward).take(self.order).rev();
        for (k, backward) in stages {
            forward -= k * *backward;
            let error = *backward + k * forward;
            // The error of this stage is what the next higher one sees a sample later.
            if let Some(higher) = rising.replace(backward) {
                *higher = error;
            }
        }
        if let Some(lowest) = rising {
            *lowest = forward;
        }
        forward
    }

    /// Uniform, mean 0, RMS 1.
    fn white(&mut self) -> f32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.random as i32 as f32 * (1.732_050_8 / 2_147_483_648.0)
    }
}

impl Default for ComfortNoise {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes a payload for noise of `level_dbov` below overload, 0 to 127, without a spectrum. Gives the
/// bytes written, 0 if `out` is empty.
pub fn write(level_dbov: u8, out: &mut [u8]) -> usize {
    let Some(first) = out.first_mut() else { return 0 };
    *first = level_dbov.min(MAX_LEVEL);
    1
}

/// In dB below overload (§3.1).
const MAX_LEVEL: u8 = 127;
/// 0 dBov: the RMS of a square wave of full scale.
const OVERLOAD: f32 = 32_768.0;
/// Keeps the filter from ringing for longer than a packet.
const MAX_REFLECTION: f32 = 0.98;
/// Per sample: a new level is there within some 10 ms at 8 kHz.
const FADE: f32 = 0.03;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dsp::goertzel_dbfs;

    fn noise(payload: &[u8]) -> Vec<i16> {
        let mut noise = ComfortNoise::new();
        assert!(noise.update(payload));
        let mut out = vec![0; 40_000];
        noise.fill(&mut out);
        out.split_off(8_000)
    }

    fn dbov(frame: &[i16]) -> f32 {
        let power: f64 = frame.iter().map(|&sample| f64::from(sample).powi(2)).sum();
        (10.0 * (power / frame.len() as f64 / 32_768f64.powi(2)).log10()) as f32
    }

    /// Averaged over blocks: noise has no one level at a frequency.
    fn level_near(frame: &[i16], hz: f32) -> f32 {
        let blocks: Vec<_> = frame.chunks_exact(80).collect();
        let power: f32 =
            blocks.iter().map(|block| 10f32.powf(goertzel_dbfs(block, 8_000, hz) / 10.0)).sum();
        10.0 * (power / blocks.len() as f32).log10()
    }

    #[test]
    fn the_level_is_what_the_payload_says_whatever_the_colour() {
        let spectra: [&[u8]; 5] = [
            &[],
            &[127],
            &[30],
            &[220, 90],
            &[40, 180, 100, 140, 120, 130, 127, 110, 150, 120, 9, 9],
        ];
        for spectrum in spectra {
            for level in (12..=80).step_by(4) {
                let payload = [&[level], spectrum].concat();
                let measured = dbov(&noise(&payload));
                assert!((measured + f32::from(level)).abs() < 1.0, "{payload:?}: {measured}");
            }
        }
    }

    #[test]
    fn coefficients_colour_the_noise() {
        let flat = noise(&[30]);
        assert!((level_near(&flat, 600.0) - level_near(&flat, 3_400.0)).abs() < 1.0);
        // One coefficient of -0.7: a pole at +0.7, which lifts the low end. |A| at 600 Hz and 3.4 kHz
        // differ by 10.5 dB.
        let low = noise(&[30, 127 - 89]);
        let tilt = level_near(&low, 600.0) - level_near(&low, 3_400.0);
        assert!((tilt - 10.5).abs() < 1.0, "{tilt}");
        let high = noise(&[30, 127 + 89]);
        let tilt = level_near(&high, 600.0) - level_near(&high, 3_400.0);
        assert!((tilt + 10.5).abs() < 1.0, "{tilt}");
    }

    #[test]
    fn what_is_written_is_read() {
        for level in [0, 40, 127, 200] {
            let mut payload = [0xff; 2];
            assert_eq!(write(level, &mut payload), 1);
            assert_eq!(payload[0], level.min(127));
        }
        assert_eq!(write(40, &mut []), 0);
        assert!(noise(&[127]).iter().all(|&sample| sample == 0));
    }

    #[test]
    fn an_empty_payload_changes_nothing() {
        let mut noise = ComfortNoise::new();
        assert!(!noise.update(&[]));
        let mut out = [1; 160];
        noise.fill(&mut out);
        assert_eq!(out, [0; 160]);
    }

    proptest! {
        #[test]
        fn any_payload_gives_noise_that_ends_with_the_next(
            payload in proptest::collection::vec(any::<u8>(), 1..40),
        ) {
            let mut noise = ComfortNoise::new();
            let mut out = [0; 1_600];
            noise.update(&payload);
            noise.fill(&mut out);
            noise.update(&[80]);
            for _ in 0..10 {
                noise.fill(&mut out);
            }
            prop_assert!((dbov(&out) + 80.0).abs() < 1.5);
        }
    }
}
