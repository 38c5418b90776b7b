//! Gain that moves without a click: from one factor to another within one frame.

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
pub fn ramp(frame: &mut [i16], from: f32, to: f32) {
    let step = (to - from) / frame.len().max(1) as f32;
    for (n, sample) in frame.iter_mut().enumerate() {
        let factor = from + step * (n + 1) as f32;
        *sample = (f32::from(*sample) * factor) as i16; // `as` saturates
    }
}

/// Turns `into` from `from` at its first sample to itself at its last.
pub fn cross_fade(from: &[i16], into: &mut [i16]) {
    let step = 1.0 / into.len().max(1) as f32;
    for (n, (sample, &old)) in into.iter_mut().zip(from).enumerate() {
        let weight = step * (n + 1) as f32;
        let old = f32::from(old);
        *sample = (old + (f32::from(*sample) - old) * weight) as i16;
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

    #[test]
    fn an_aimed_ramp_moves_for_one_frame() {
        let mut gain = Ramp::steady(1.0);
        gain.aim(0.0);
        assert!(!gain.is_shut());
        gain.apply(&mut [1; 4]);
        assert!(gain.is_shut());
    }
}
