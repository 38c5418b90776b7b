//! Gain that moves without a click: from one factor to another within one frame.

use multiversion::multiversion;

use super::sample::nearest;

/// A linear gain that approaches its target over exactly one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ramp {
    now: f32,
    target: f32,
}

impl Ramp {
    /// Steady at `factor`.
    pub const fn steady(factor: f32) -> Self {
        Self { now: factor, target: factor }
    }

    /// Heads for `factor` with the next frame.
    pub fn aim(&mut self, factor: f32) {
        self.target = factor;
    }

    /// Neither now nor after the next frame anything but silence.
    pub fn is_shut(&self) -> bool {
        self.now == 0.0 && self.target == 0.0
    }

    /// Leaves samples as they are.
    pub fn is_open(&self) -> bool {
        self.now == 1.0 && self.target == 1.0
    }

    /// Applies one frame's worth and arrives at the target.
    pub fn apply(&mut self, frame: &mut [i16]) {
        if !self.is_open() {
            ramp(frame, self.now, self.target);
        }
        self.now = self.target;
    }

    /// Arrives without a frame.
    pub fn settle(&mut self) {
        self.now = self.target;
    }
}

/// Scales `frame` by a factor that runs linearly from `from` (before the first sample) to `to` (at
/// the last), saturating.
#[multiversion(targets("x86_64+avx2", "aarch64+neon"))]
pub fn ramp(frame: &mut [i16], from: f32, to: f32) {
    let step = (to - from) / frame.len().max(1) as f32;
    // Few processors turn 64-bit counters into floats side by side.
    for (n, sample) in (1i32..).zip(frame) {
        *sample = nearest(f32::from(*sample) * (from + step * n as f32));
    }
}

/// Turns `into` from `from` at its first sample to itself at its last.
#[multiversion(targets("x86_64+avx2", "aarch64+neon"))]
pub fn cross_fade(from: &[i16], into: &mut [i16]) {
    let step = 1.0 / into.len().max(1) as f32;
    for (n, (sample, &old)) in (1i32..).zip(into.iter_mut().zip(from)) {
        let old = f32::from(old);
        *sample = nearest(old + (f32::from(*sample) - old) * (step * n as f32));
    }
}

/// Lets `into` begin at the sample `before` it and come to itself within a quarter of its length, so
/// that two pieces of audio meet without a step.
pub fn join(before: i16, into: &mut [i16]) {
    let Some(&first) = into.first() else { return };
    let step = i32::from(before) - i32::from(first);
    let reach = (into.len() / 4).max(1);
    for (n, sample) in into.iter_mut().take(reach).enumerate() {
        let offset = step * (reach - n) as i32 / reach as i32;
        *sample = (i32::from(*sample) + offset).clamp(i16::MIN.into(), i16::MAX.into()) as i16;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_ramp_arrives_with_the_last_sample() {
        let mut frame = [10_000i16; 100];
        ramp(&mut frame, 1.0, 0.0);
        assert_eq!(frame[49], 5_000);
        assert_eq!(frame[99], 0);
        assert!(frame.windows(2).all(|pair| pair[0] - pair[1] <= 101));
    }

    #[test]
    fn joined_pieces_meet_without_a_step() {
        let mut frame = [-8_000i16; 160];
        join(8_000, &mut frame);
        assert_eq!(frame[0], 8_000);
        assert_eq!(frame[40..], [-8_000; 120]);
        assert!(frame.windows(2).all(|pair| (0..=401).contains(&(pair[0] - pair[1]))));
        join(i16::MIN, &mut [i16::MAX]);
        join(0, &mut []);
    }

    #[test]
    fn gain_above_one_saturates() {
        let mut frame = [30_000i16, -30_000];
        ramp(&mut frame, 2.0, 2.0);
        assert_eq!(frame, [i16::MAX, i16::MIN]);
    }

    proptest! {
        #[test]
        fn lanes_give_what_single_samples_give(
            frame in proptest::collection::vec(any::<i16>(), 1..1_000),
            from in 0.0f64..4.0,
            to in 0.0f64..4.0,
        ) {
            let (mut ramped, mut faded) = (frame.clone(), frame.clone());
            ramp(&mut ramped, from as f32, to as f32);
            let reversed: Vec<i16> = frame.iter().rev().copied().collect();
            cross_fade(&reversed, &mut faded);
            for (n, &sample) in frame.iter().enumerate() {
                let part = (n + 1) as f64 / frame.len() as f64;
                let scaled = f64::from(sample) * (from + (to - from) * part);
                let off = scaled.clamp(-32_768.0, 32_767.0) - f64::from(ramped[n]);
                prop_assert!(off.abs() < 0.6, "sample {}: {}", n, off);
                let old = f64::from(reversed[n]);
                let off = old + (f64::from(sample) - old) * part - f64::from(faded[n]);
                prop_assert!(off.abs() < 0.6, "sample {}: {}", n, off);
            }
        }
    }

    #[test]
    fn an_aimed_ramp_moves_for_one_frame() {
        let mut gain = Ramp::steady(1.0);
        gain.aim(0.0);
        assert!(!gain.is_shut());
        gain.apply(&mut [1; 4]);
        assert!(gain.is_shut());
    }
}
