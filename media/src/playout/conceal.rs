//! Concealment of lost audio: the last pitch period repeated, fading within 60 ms.
//!
//! Chosen for G.711, which brings none of its own (the idea of ITU-T G.711 appendix I, simplified).

use crate::time::SampleRate;

/// Remembers the last frame heard and continues it.
#[derive(Debug)]
pub(super) struct Conceal {
    last: Box<[i16]>,
    last_voiced: bool,
    /// Samples concealed since the last one received.
    age: usize,
    /// The period repeated in this gap.
    period: usize,
    fade: usize,
    blend: usize,
    shortest: usize,
    longest: usize,
}

impl Conceal {
    pub(super) fn new(rate: SampleRate, frame: usize) -> Self {
        let per_ms = rate.hz() as usize / 1_000;
        Self {
            last: vec![0; frame].into_boxed_slice(),
            last_voiced: false,
            age: 0,
            period: frame,
            fade: 60 * per_ms,
            blend: 5 * per_ms,
            shortest: 5 * per_ms,
            longest: 15 * per_ms,
        }
    }

    /// Keeps the frame just heard, to continue it if the next is lost.
    pub(super) fn remember(&mut self, frame: &[i16], voiced: bool) {
        if self.age > 0 {
            return; // made, at least in part, by us
        }
        self.last_voiced = voiced;
        if voiced {
            self.last.copy_from_slice(frame);
        }
    }

    /// Continues the last frame into `out`; `false` once that is silence.
    pub(super) fn fill(&mut self, out: &mut [i16]) -> bool {
        if !self.last_voiced || self.age >= self.fade {
            out.fill(0);
            self.last_voiced = false;
            return false;
        }
        if self.age == 0 {
            self.period = self.find_period();
        }
        for sample in out.iter_mut() {
            *sample = self.next();
        }
        true
    }

    /// Audio is back: fades from what we made up into `out`.
    pub(super) fn blend(&mut self, out: &mut [i16]) {
        if self.age == 0 {
            return;
        }
        let count = self.blend.min(out.len());
        for (n, sample) in out[..count].iter_mut().enumerate() {
            let made_up = if self.last_voiced { f32::from(self.next()) } else { 0.0 };
            let weight = (n + 1) as f32 / (count + 1) as f32;
            *sample = (made_up + (f32::from(*sample) - made_up) * weight) as i16;
        }
        self.end();
    }

    /// The gap is over.
    pub(super) fn end(&mut self) {
        self.age = 0;
    }

    fn next(&mut self) -> i16 {
        let start = self.last.len() - self.period;
        let sample = f32::from(self.last[start + self.age % self.period]);
        let gain = 1.0 - self.age as f32 / self.fade as f32;
        self.age += 1;
        (sample * gain.max(0.0)) as i16
    }

    /// The lag at which the end of the last frame best resembles what came before it.
    fn find_period(&self) -> usize {
        let template = self.last.len() - self.blend;
        let (tail, longest) = (&self.last[template..], self.longest.min(template));
        let mut best = (f32::MIN, longest);
        for lag in self.shortest..=longest {
            let earlier = &self.last[template - lag..template - lag + tail.len()];
            let (mut product, mut energy) = (0f32, 1f32);
            for (&a, &b) in tail.iter().zip(earlier) {
                product += f32::from(a) * f32::from(b);
                energy += f32::from(b) * f32::from(b);
            }
            let likeness = product / energy.sqrt();
            if likeness > best.0 {
                best = (likeness, lag);
            }
        }
        best.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp;
    use crate::source::tone;

    const RATE: SampleRate = SampleRate::NARROW;

    fn level(samples: &[i16]) -> f32 {
        dsp::rms_dbfs(dsp::energy(samples), samples.len())
    }

    #[test]
    fn a_tone_goes_on_in_phase_and_is_gone_after_60_ms() {
        let tone = tone::sine(RATE, 400.0, -10.0, 320);
        let mut conceal = Conceal::new(RATE, 160);
        conceal.remember(&tone[..160], true);
        let mut first = [0; 160];
        assert!(conceal.fill(&mut first));
        let step = i32::from(first[0]) - i32::from(tone[159]);
        assert!(step.abs() < 4_000, "jumps by {step}");
        assert!((dsp::goertzel_dbfs(&first, 8_000, 400.0) + 11.6).abs() < 1.5);
        let mut second = [0; 160];
        conceal.fill(&mut second);
        let mut third = [0; 160];
        conceal.fill(&mut third);
        assert!(level(&first) > level(&second) && level(&second) > level(&third));
        let mut fourth = [1; 160];
        assert!(!conceal.fill(&mut fourth));
        assert_eq!(fourth, [0; 160]);
    }

    #[test]
    fn silence_is_concealed_by_silence() {
        let mut conceal = Conceal::new(RATE, 160);
        let mut out = [1; 160];
        assert!(!conceal.fill(&mut out));
        assert_eq!(out, [0; 160]);
    }

    #[test]
    fn audio_that_returns_is_blended_in() {
        let mut conceal = Conceal::new(RATE, 160);
        conceal.remember(&[8_000; 160], true);
        let mut gap = [0; 160];
        conceal.fill(&mut gap);
        let mut back = [-8_000i16; 160];
        conceal.blend(&mut back);
        let largest = back.windows(2).map(|p| (i32::from(p[0]) - i32::from(p[1])).abs()).max();
        assert!(largest < Some(600), "{largest:?}");
        assert_eq!(back[159], -8_000);
    }
}
