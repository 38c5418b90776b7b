//! Automatic gain of one seat: brings talkers of different loudness close to each other, slowly.
//!
//! It learns only while its seat talks ([`TalkDetector`](super::TalkDetector) says when) and holds the
//! gain in between, so nothing is pumped up in pauses. What a gain above one would drive into the ceiling
//! is bent by the curve of [`limit`](super::limit) while the gain comes down quickly.

use multiversion::multiversion;

use super::gain::ramp;
use super::level::{FULL_SINE, mean_square, peak};
use super::sum::{KNEE, knee};

/// Mean square of speech to arrive at: -20 dBFS.
const TARGET: f32 = FULL_SINE * 0.01;
/// Nearer than 1.5 dB is near enough: a gain of exactly one stays that, and costs nothing.
const NEAR: f32 = 1.41;
/// Quieter frames are gaps in speech, which say nothing of its level: -55 dBFS.
const GAP: f32 = FULL_SINE * 3.16e-6;
/// Frames the mean reaches back: two seconds of speech.
const MEMORY: f32 = 100.0;
/// Frames of speech before the gain begins to move.
const WARM_UP: f32 = 10.0;

/// 15 dB either way.
const MAX_GAIN: f32 = 5.623;
const MIN_GAIN: f32 = 1.0 / MAX_GAIN;
/// Per frame: 3 dB a second, …
const UP: f32 = 1.006_931;
/// … 6 dB a second, …
const DOWN: f32 = 1.0 / 1.013_911;
/// … 1 dB a frame.
const OVERLOAD: f32 = 0.891_25;

/// The gain of one seat and the level of its speech.
#[derive(Debug, Clone)]
pub struct Agc {
    gain: f32,
    /// Mean square of speech, before the gain.
    level: f32,
    /// Frames of speech heard, up to [`MEMORY`].
    heard: f32,
}

impl Agc {
    /// A gain of one, and nothing known.
    pub const fn new() -> Self {
        Self { gain: 1.0, level: 0.0, heard: 0.0 }
    }

    /// Applies the gain to 20 ms of audio; learns from them if the seat is `talking`.
    pub fn apply(&mut self, frame: &mut [i16], talking: bool) {
        let before = self.gain;
        if talking {
            self.learn(mean_square(frame));
            self.gain = self.next_gain();
        }
        let loudest = self.gain.max(before);
        let overloads = loudest > 1.0 && f32::from(peak(frame)) * loudest > KNEE as f32;
        if overloads {
            self.gain = (before * OVERLOAD).max(1.0).min(self.gain);
            bent_ramp(frame, before, self.gain);
        } else if loudest != 1.0 || self.gain != before {
            ramp(frame, before, self.gain);
        }
    }

    /// The factor applied at the end of the last frame.
    pub fn gain(&self) -> f32 {
        self.gain
    }

    fn learn(&mut self, mean_square: f32) {
        if mean_square < GAP {
            return;
        }
        self.heard = (self.heard + 1.0).min(MEMORY);
        self.level += (mean_square - self.level) / self.heard;
    }

    fn next_gain(&self) -> f32 {
        let heard_at = self.level * self.gain * self.gain;
        if self.heard < WARM_UP {
            self.gain
        } else if heard_at * NEAR < TARGET {
            (self.gain * UP).min(MAX_GAIN)
        } else if heard_at > TARGET * NEAR {
            (self.gain * DOWN).max(MIN_GAIN)
        } else {
            self.gain
        }
    }
}

impl Default for Agc {
    fn default() -> Self {
        Self::new()
    }
}

/// [`ramp`] with a soft end.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2", "aarch64+neon"))]
fn bent_ramp(frame: &mut [i16], from: f32, to: f32) {
    let step = (to - from) / frame.len().max(1) as f32;
    for (n, sample) in (1i32..).zip(frame) {
        // At most 15 dB above full scale.
        *sample = knee((f32::from(*sample) * (from + step * n as f32)) as i32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::{TalkDetector, mean_square_at};
    use crate::source::{file, tone};
    use crate::time::SampleRate;

    /// Half a minute of speech with pauses, its active level at about `dbfs`.
    fn speech(dbfs: f32) -> Vec<i16> {
        let clip = include_bytes!("../../tests/data/speech/a-8k.wav");
        let pcm = file::decode_at(clip, SampleRate::NARROW).unwrap();
        let squares = pcm.samples().chunks(160).map(mean_square).filter(|&ms| ms > GAP);
        let (sum, count) = squares.fold((0.0, 0.0), |(sum, count), ms| (sum + ms, count + 1.0));
        let gain = (mean_square_at(dbfs) / (sum / count)).sqrt();
        let scaled = pcm.samples().iter().map(|&s| (f32::from(s) * gain) as i16);
        let scaled: Vec<i16> = scaled.collect();
        scaled.repeat(6)
    }

    /// The gain in dB after each frame.
    fn gains_db(agc: &mut Agc, pcm: &mut [i16]) -> Vec<f32> {
        let mut detector = TalkDetector::new();
        let gain_db = |frame: &mut [i16]| {
            detector.update(mean_square(frame));
            agc.apply(frame, detector.is_talking());
            20.0 * agc.gain().log10()
        };
        pcm.chunks_mut(160).map(gain_db).collect()
    }

    #[test]
    fn quiet_and_loud_talkers_end_near_the_target() {
        for (dbfs, expected) in
            [(-30.0, 10.0), (-24.0, 4.0), (-20.0, 0.0), (-12.0, -8.0), (-45.0, 15.0), (-3.5, -15.0)]
        {
            let gains = gains_db(&mut Agc::new(), &mut speech(dbfs));
            let last = gains[gains.len() - 1];
            assert!((last - expected).abs() < 2.5, "{dbfs} dBFS: {last} dB");
        }
    }

    #[test]
    fn the_gain_moves_slowly_and_rests_once_it_has_arrived() {
        let gains = gains_db(&mut Agc::new(), &mut speech(-30.0));
        for second in gains.windows(51) {
            assert!(second[50] - second[0] <= 3.01, "{}", second[50] - second[0]);
        }
        let arrived = &gains[gains.len() / 2..];
        let (low, high) = arrived
            .iter()
            .fold((f32::MAX, f32::MIN), |(low, high), &db| (low.min(db), high.max(db)));
        assert!(high - low < 2.0, "{low} to {high} dB over fifteen seconds");
    }

    #[test]
    fn pauses_and_noise_change_nothing() {
        let mut agc = Agc::new();
        gains_db(&mut agc, &mut speech(-30.0));
        let before = agc.gain();
        let mut hiss = tone::sine(SampleRate::NARROW, 900.0, -58.0, 160);
        (0..500).for_each(|_| agc.apply(&mut hiss.clone(), false));
        (0..500).for_each(|_| agc.apply(&mut [0; 160], true));
        assert_eq!(agc.gain(), before);
        agc.apply(&mut hiss, false);
        let expected = mean_square_at(-58.0) * before * before;
        assert!((mean_square(&hiss) / expected - 1.0).abs() < 0.1);
    }

    #[test]
    fn a_shout_after_whispers_is_bent_and_not_clipped() {
        let mut agc = Agc::new();
        gains_db(&mut agc, &mut speech(-45.0));
        assert!(agc.gain() > 5.0);
        let shout = tone::sine(SampleRate::NARROW, 437.0, -1.0, 160 * 20);
        for (n, input) in shout.chunks(160).enumerate() {
            let (mut frame, before) = (input.to_vec(), agc.gain());
            agc.apply(&mut frame, true);
            // Down by 1 dB a frame as long as it is too loud, and never below one for that.
            assert!(agc.gain() < before || agc.gain() <= 1.0, "frame {n}");
            assert!(agc.gain() / before > 0.89);
            // Louder stays louder, and nothing changes its sign.
            let mut pairs: Vec<_> = input.iter().zip(&frame).map(|(&i, &o)| (i, o)).collect();
            assert!(pairs.iter().all(|&(i, o)| i.signum() == o.signum()));
            if n == 0 {
                pairs.sort_unstable();
                assert!(pairs.first().unwrap().1 > i16::MIN);
            }
        }
        assert!(agc.gain() <= 1.0);
    }

    #[test]
    fn the_gain_is_smooth_across_frames() {
        let mut pcm = tone::sine(SampleRate::NARROW, 100.0, -35.0, 8_000 * 4);
        let steepest = |pcm: &[i16]| {
            pcm.windows(2)
                .map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs())
                .max()
                .unwrap()
        };
        let before = steepest(&pcm);
        let gains = gains_db(&mut Agc::new(), &mut pcm);
        let factor = 10f32.powf(gains[gains.len() - 1] / 20.0);
        assert!(factor > 2.0);
        assert!(steepest(&pcm) as f32 <= before as f32 * factor + 2.0);
    }

    #[test]
    fn near_the_target_samples_stay_as_they_are() {
        let voice = tone::sine(SampleRate::NARROW, 300.0, -20.5, 160);
        let (mut agc, mut frame) = (Agc::new(), voice.clone());
        (0..200).for_each(|_| agc.apply(&mut frame, true));
        assert_eq!((agc.gain(), frame), (1.0, voice));
    }
}
