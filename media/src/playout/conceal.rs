//! Concealment of lost audio for codecs that bring none: the last pitch period goes on, fading.
//!
//! The idea is that of ITU-T G.711 appendix I, at any rate and without its delay: one period of what
//! was heard last is repeated, smoothed where its ends meet; after 10 ms it begins to fade and after
//! 80 ms it is gone. What comes back is faded in over what would have gone on.

use super::pitch;
use super::track::Track;
use crate::time::SampleRate;

/// Continues a track.
#[derive(Debug)]
pub(super) struct Conceal {
    rate: SampleRate,
    /// Samples made since the last real one.
    age: usize,
    /// The period that is repeated.
    cycle: Box<[i16]>,
    period: usize,
    /// What the last real sample was off the sample before the cycle; fades within `seam`.
    step: f32,
    seam: usize,
    /// At full level up to here, silent from `end`.
    hold: usize,
    end: usize,
}

impl Conceal {
    /// How much of the past it looks at.
    pub(super) const PAST_MS: usize = 30;
    const TEMPLATE_MS: usize = 10;
    const HOLD_MS: usize = 10;
    const END_MS: usize = 80;
    /// How long audio that returns is blended in.
    pub(super) const BLEND_MS: usize = 5;
    /// What resembles itself less than this has no pitch: short repetitions of it would hum.
    const VOICED: f32 = 0.4;

    pub(super) fn new(rate: SampleRate) -> Self {
        let ms = rate.hz() as usize / 1_000;
        Self {
            rate,
            age: 0,
            cycle: vec![0; pitch::longest(rate)].into_boxed_slice(),
            period: 0,
            step: 0.0,
            seam: ms,
            hold: Self::HOLD_MS * ms,
            end: Self::END_MS * ms,
        }
    }

    /// Whether a gap is being bridged.
    pub(super) fn is_active(&self) -> bool {
        self.age > 0
    }

    /// Adds `count` samples to the track that go on from its end: silence once all has faded. Gives
    /// how many are not silence.
    pub(super) fn extend(&mut self, track: &mut Track, count: usize) -> usize {
        if self.age == 0 {
            if !track.has_audio() {
                track.add_silence(count);
                return 0;
            }
            self.begin(track.newest());
        }
        let made = count.min(self.end.saturating_sub(self.age));
        if made > 0 {
            for sample in &mut track.room(made)[..] {
                *sample = self.next() as i16;
            }
            track.extend(made);
        }
        self.age += count - made;
        track.add_silence(count - made);
        made
    }

    /// Audio is back: fades from what would have gone on into `audio`. The gap is over.
    pub(super) fn blend(&mut self, audio: &mut [i16]) {
        if self.age == 0 {
            return;
        }
        let count = (Self::BLEND_MS * self.rate.hz() as usize / 1_000).min(audio.len());
        for (n, sample) in audio[..count].iter_mut().enumerate() {
            let made_up = self.next();
            let weight = (n + 1) as f32 / (count + 1) as f32;
            *sample = (made_up + (f32::from(*sample) - made_up) * weight) as i16;
        }
        self.finish();
    }

    /// The track jumps: what comes next is blended with what would have gone on.
    pub(super) fn jump(&mut self, track: &mut Track) {
        if self.age == 0 && track.has_audio() {
            self.begin(track.newest());
            self.age = 1; // the sample it stands for is not missed
        }
    }

    /// The gap is over.
    pub(super) fn finish(&mut self) {
        self.age = 0;
    }

    /// Takes the last period of `past` for the cycle.
    fn begin(&mut self, past: &[i16]) {
        let template_len = (Self::TEMPLATE_MS * self.rate.hz() as usize / 1_000).min(past.len());
        let (shortest, longest) = (pitch::shortest(self.rate), pitch::longest(self.rate));
        let template_at = past.len() - template_len;
        let first = template_at.saturating_sub(longest);
        let signal = &past[first..past.len() - shortest];
        let (offset, likeness) = pitch::best_match(&past[template_at..], signal, self.rate);
        let lag = (template_at - first).saturating_sub(offset).max(1);
        self.period = if likeness < Self::VOICED { longest } else { lag }.min(past.len() / 2);
        let from = past.len() - self.period;
        self.cycle[..self.period].copy_from_slice(&past[from..]);
        self.step = f32::from(past[past.len() - 1]) - f32::from(past[from - 1]);
        // The end of the cycle turns into what came before its beginning, so that it closes.
        let seam = (self.period / 4).max(1);
        for n in 0..seam {
            let weight = (n + 1) as f32 / seam as f32;
            let sample = &mut self.cycle[self.period - seam + n];
            let before = f32::from(past[from - seam + n]);
            *sample = (f32::from(*sample) * (1.0 - weight) + before * weight) as i16;
        }
    }

    fn next(&mut self) -> f32 {
        let sample = f32::from(self.cycle[self.age % self.period]);
        let step = self.step * self.seam.saturating_sub(self.age) as f32 / self.seam as f32;
        let faded = self.age.saturating_sub(self.hold) as f32 / (self.end - self.hold) as f32;
        self.age += 1;
        (sample + step) * (1.0 - faded).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp;
    use crate::source::tone;

    const RATES: [SampleRate; 3] = [SampleRate::NARROW, SampleRate::WIDE, SampleRate::FULL];

    fn level(samples: &[i16]) -> f32 {
        dsp::rms_dbfs(dsp::energy(samples), samples.len())
    }

    /// A track that has just played `samples`.
    fn played(samples: &[i16], rate: SampleRate) -> Track {
        let mut track = Track::new(Conceal::PAST_MS * rate.hz() as usize / 1_000);
        track.room(samples.len()).copy_from_slice(samples);
        track.extend(samples.len());
        assert!(track.read(&mut vec![0; samples.len()]));
        track
    }

    fn largest_step(samples: &[i16]) -> i32 {
        samples.windows(2).map(|p| (i32::from(p[0]) - i32::from(p[1])).abs()).max().unwrap()
    }

    #[test]
    fn a_tone_goes_on_in_phase_and_is_gone_after_80_ms() {
        for rate in RATES {
            for hz in [130.0, 400.0, 1_004.0] {
                let ms = rate.hz() as usize / 1_000;
                let tone = tone::sine(rate, hz, -10.0, 60 * ms);
                let mut track = played(&tone[..40 * ms], rate);
                let mut conceal = Conceal::new(rate);
                let mut made = Vec::new();
                for _ in 0..5 {
                    conceal.extend(&mut track, 20 * ms);
                    let mut frame = vec![0; 20 * ms];
                    track.read(&mut frame);
                    made.push(frame);
                }
                let wrong: Vec<i16> =
                    made[0][..10 * ms].iter().zip(&tone[40 * ms..]).map(|(a, b)| a - b).collect();
                assert!(level(&wrong) < -22.0, "{rate:?}, {hz} Hz: {}", level(&wrong));
                let joined: Vec<i16> = [&tone[..40 * ms], &made[0]].concat();
                let natural = largest_step(&tone);
                assert!(largest_step(&joined) < natural * 5 / 4, "{rate:?}, {hz} Hz");
                assert!(made.windows(2).all(|pair| level(&pair[0]) > level(&pair[1])));
                assert_eq!(made[4], vec![0; 20 * ms]);
            }
        }
    }

    #[test]
    fn silence_is_concealed_by_silence() {
        let mut track = Track::new(240);
        let mut conceal = Conceal::new(SampleRate::NARROW);
        assert_eq!(conceal.extend(&mut track, 160), 0);
        assert!(!track.read(&mut [0; 160]));
    }

    #[test]
    fn audio_that_returns_is_blended_in() {
        for rate in RATES {
            let ms = rate.hz() as usize / 1_000;
            let mut track = played(&vec![8_000; 40 * ms], rate);
            let mut conceal = Conceal::new(rate);
            conceal.extend(&mut track, 20 * ms);
            let mut back = vec![-8_000i16; 20 * ms];
            conceal.blend(&mut back);
            assert!(largest_step(&back) < 600, "{}", largest_step(&back));
            assert_eq!(back[20 * ms - 1], -8_000);
            assert!(!conceal.is_active());
        }
    }
}
