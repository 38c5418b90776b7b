//! Who talks: whether a frame may enter the mix, and when a member started or stopped talking.
//!
//! One detector per seat, told the mean square of each frame of 20 ms
//! ([`mean_square`](super::mean_square), or of an RFC 6464 level [`mean_square_at`](super::mean_square_at)).
//! It compares with a threshold above the noise floor, and the floor is the quietest frame of the last
//! two seconds (minimum statistics): speech has gaps, noise has none. Nothing is delayed and no onset is
//! lost; the price is that noise is heard until it is known to be noise. No logarithm per frame.

use super::level::FULL_SINE;

/// Louder is speech, whatever the floor: -50 dBFS.
const ALWAYS: f32 = FULL_SINE * 1e-5;
/// Quieter is silence, whatever the floor: -65 dBFS.
const NEVER: f32 = FULL_SINE * 3.162e-7;
/// How far speech is above the floor: 9 dB.
const ABOVE_FLOOR: f32 = 7.943;
/// Frames of exact zeros, or nearly, say nothing about the noise around the microphone: they are a
/// muted one, discontinuous transmission or loss.
const NOTHING: f32 = 0.5;

/// Frames, this one included, in which a word holds the gate open: 300 ms after the last.
const HANGOVER: u32 = 16;
/// Talking starts with so many frames of speech, 60 ms, …
const START: u32 = 3;
/// … among so many, 100 ms …
const START_WITHIN: u32 = 5;
/// … and stops after so many without, 500 ms.
const STOP: u32 = 25;

/// What [`TalkDetector::update`] says about a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Talk {
    /// The frame belongs into the mix: it is speech, or follows speech closely.
    pub audible: bool,
    /// The member started or stopped talking with this frame.
    pub change: Option<TalkChange>,
}

/// A member's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TalkChange {
    /// Talks since this frame; the first word began up to 100 ms before.
    Started,
    /// Has been silent for 500 ms.
    Stopped,
}

/// Decides about one seat, frame by frame.
#[derive(Debug, Clone)]
pub struct TalkDetector {
    floor: Floor,
    /// One bit per frame, the newest lowest: whether it was speech.
    speech: u32,
    /// The same, of speech that counts as talking.
    talk: u32,
    is_talking: bool,
    loudness: f32,
}

impl TalkDetector {
    /// Nothing heard yet.
    pub const fn new() -> Self {
        Self { floor: Floor::new(), speech: 0, talk: 0, is_talking: false, loudness: 0.0 }
    }

    /// Takes the mean square of the next 20 ms, 0 if nothing came.
    pub fn update(&mut self, mean_square: f32) -> Talk {
        let is_speech = mean_square >= (self.floor.level * ABOVE_FLOOR).clamp(NEVER, ALWAYS);
        // Until the noise is known, what may be noise is heard but not called talking.
        let is_sure = mean_square >= ALWAYS || self.floor.is_known();
        self.speech = (self.speech << 1) | u32::from(is_speech);
        self.talk = (self.talk << 1) | u32::from(is_speech && is_sure);
        self.floor.update(mean_square);
        self.loudness = mean_square.max(self.loudness + (mean_square - self.loudness) * RELEASE);
        let audible = self.speech & newest(HANGOVER) != 0;
        Talk { audible, change: self.change() }
    }

    /// Between [`TalkChange::Started`] and [`TalkChange::Stopped`].
    pub fn is_talking(&self) -> bool {
        self.is_talking
    }

    /// Mean square that rises at once and falls over about 200 ms: for picking the loudest few, so
    /// that nobody is dropped between two syllables.
    pub fn loudness(&self) -> f32 {
        self.loudness
    }

    fn change(&mut self) -> Option<TalkChange> {
        let (is_talking, change) = if self.is_talking {
            (self.talk & newest(STOP) != 0, TalkChange::Stopped)
        } else {
            let frames = (self.talk & newest(START_WITHIN)).count_ones();
            (frames >= START, TalkChange::Started)
        };
        let has_changed = is_talking != self.is_talking;
        self.is_talking = is_talking;
        has_changed.then_some(change)
    }
}

impl Default for TalkDetector {
    fn default() -> Self {
        Self::new()
    }
}

/// Part of the way down that loudness goes in a frame.
const RELEASE: f32 = 0.1;

/// A mask of the newest `frames` bits.
const fn newest(frames: u32) -> u32 {
    (1 << frames) - 1
}

/// The quietest frame of the last two seconds, kept as minima of half seconds.
#[derive(Debug, Clone)]
struct Floor {
    level: f32,
    /// Of the half second that is running.
    minimum: f32,
    frames: u8,
    /// Of those before, the newest last. 0 while there was none.
    minima: [f32; 4],
}

impl Floor {
    const FRAMES: u8 = 25;

    const fn new() -> Self {
        Self { level: 0.0, minimum: f32::INFINITY, frames: 0, minima: [0.0; 4] }
    }

    fn is_known(&self) -> bool {
        self.minima[0] > 0.0
    }

    fn update(&mut self, mean_square: f32) {
        if mean_square < NOTHING {
            return;
        }
        self.minimum = self.minimum.min(mean_square);
        self.level = self.level.min(mean_square);
        self.frames += 1;
        if self.frames == Self::FRAMES {
            self.minima.rotate_left(1);
            self.minima[3] = self.minimum;
            self.level = self.minima.iter().copied().fold(f32::INFINITY, f32::min);
            (self.minimum, self.frames) = (f32::INFINITY, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::{mean_square, mean_square_at};
    use crate::source::file;
    use crate::time::{SampleRate, splitmix};

    /// The gate of each frame, and the changes with their frames.
    struct Heard {
        audible: Vec<bool>,
        changes: Vec<(usize, TalkChange)>,
    }

    fn hear(mean_squares: impl IntoIterator<Item = f32>) -> Heard {
        let mut detector = TalkDetector::new();
        let mut heard = Heard { audible: Vec::new(), changes: Vec::new() };
        for (n, mean_square) in mean_squares.into_iter().enumerate() {
            let talk = detector.update(mean_square);
            heard.audible.push(talk.audible);
            heard.changes.extend(talk.change.map(|change| (n, change)));
        }
        heard
    }

    /// Levels in dBFS, each for so many frames.
    fn hear_levels(levels: &[(f32, usize)]) -> Heard {
        hear(levels.iter().flat_map(|&(dbfs, frames)| vec![mean_square_at(dbfs); frames]))
    }

    #[test]
    fn the_gate_follows_the_table() {
        // Levels with their frames; whether the last of each is audible.
        let table: &[&[(f32, usize, bool)]] = &[
            // A voice out of digital silence opens at once and holds for 300 ms.
            &[(-96.0, 50, false), (-40.0, 1, true), (-96.0, 15, true), (-96.0, 1, false)],
            // From the very first frame.
            &[(-64.0, 1, true)],
            // Steady noise ends up closed, however it began.
            &[(-60.0, 200, false), (-60.0, 3_000, false)],
            // Noise that grows is heard for a while.
            &[(-63.0, 200, false), (-53.0, 1, true), (-53.0, 150, false)],
            // A quiet speaker over a quiet room, and over a loud one.
            &[(-65.0, 500, false), (-45.0, 1, true)],
            &[(-55.0, 500, false), (-45.0, 1, true), (-55.0, 15, true), (-55.0, 1, false)],
            // 9 dB make the difference.
            &[(-63.0, 500, false), (-54.5, 1, false), (-53.5, 1, true)],
            // A tone stays, and so does anything above -50 dBFS.
            &[(-49.0, 10_000, true)],
            // Below -65 dBFS there is nothing to hear, however quiet the room.
            &[(-85.0, 500, false), (-66.0, 1, false)],
            // Lost packets do not make the noise audible again.
            &[(-60.0, 500, false), (-117.0, 100, false), (-60.0, 1, false)],
        ];
        for (row, steps) in table.iter().enumerate() {
            let levels: Vec<_> = steps.iter().map(|&(dbfs, frames, _)| (dbfs, frames)).collect();
            let heard = hear_levels(&levels);
            let mut end = 0;
            for &(dbfs, frames, expected) in *steps {
                end += frames;
                assert_eq!(heard.audible[end - 1], expected, "row {row}, at the end of {dbfs}");
            }
        }
    }

    #[test]
    fn talking_starts_within_60_ms_and_stops_after_500() {
        use TalkChange::{Started, Stopped};
        let heard = hear_levels(&[(-96.0, 10), (-20.0, 50), (-96.0, 100), (-20.0, 3)]);
        assert_eq!(heard.changes, [(12, Started), (84, Stopped), (162, Started)]);
        // A pause of 480 ms is part of the turn.
        let heard = hear_levels(&[(-20.0, 50), (-96.0, 24), (-20.0, 50), (-96.0, 30)]);
        assert_eq!(heard.changes, [(2, Started), (148, Stopped)]);
    }

    #[test]
    fn a_click_is_audible_and_is_not_talking() {
        let heard = hear_levels(&[(-96.0, 10), (-20.0, 2), (-96.0, 50), (-20.0, 1), (-96.0, 4)]);
        assert_eq!(heard.changes, []);
        assert!(heard.audible[10] && heard.audible[62]);
    }

    #[test]
    fn noise_from_the_first_frame_on_is_not_talking() {
        assert_eq!(hear_levels(&[(-58.0, 1_000)]).changes, []);
        // Nor is it afterwards, with a voice in between.
        let heard = hear_levels(&[(-58.0, 300), (-25.0, 50), (-58.0, 300)]);
        assert_eq!(heard.changes.len(), 2);
        // Noise of a changing level that stays within 9 dB.
        let restless = (0..2_000).map(|n| mean_square_at(if n % 7 < 3 { -56.0 } else { -60.0 }));
        assert_eq!(hear(restless).changes, []);
    }

    #[test]
    fn loudness_outlasts_a_gap_between_syllables() {
        let mut detector = TalkDetector::new();
        detector.update(1e6);
        assert!(detector.loudness() >= 1e6);
        (0..5).for_each(|_| _ = detector.update(0.0));
        assert!(detector.loudness() > 5e5);
        (0..50).for_each(|_| _ = detector.update(0.0));
        assert!(detector.loudness() < 1e4);
    }

    const CLIPS: [&[u8]; 3] = [
        include_bytes!("../../tests/data/speech/a-8k.wav"),
        include_bytes!("../../tests/data/speech/b-8k.wav"),
        include_bytes!("../../tests/data/speech/c-8k.wav"),
    ];

    /// A second of noise, the clip at `gain_db` over it, two seconds of noise. Gives the mean squares
    /// of the clip alone and of all.
    fn scene(clip: &[u8], gain_db: f32, noise_dbfs: f32) -> (Vec<f32>, Vec<f32>) {
        let pcm = file::decode_at(clip, SampleRate::NARROW).unwrap();
        let gain = 10f32.powf(gain_db / 20.0);
        let mut alone = vec![0i16; 3 * 8_000];
        alone.extend(pcm.samples().iter().map(|&sample| (f32::from(sample) * gain) as i16));
        alone.resize(alone.len() + 2 * 8_000, 0);
        let mut seed = 7;
        // Uniform noise of this amplitude has a third of its square as mean square.
        let amplitude = (3.0 * mean_square_at(noise_dbfs)).sqrt();
        let noisy: Vec<i16> = alone
            .iter()
            .map(|&sample| {
                let uniform = (splitmix(&mut seed) >> 40) as f32 / (1u32 << 23) as f32 - 1.0;
                (f32::from(sample) + amplitude * uniform) as i16
            })
            .collect();
        let squares = |pcm: &[i16]| pcm.chunks(160).map(mean_square).collect();
        (squares(&alone), squares(&noisy))
    }

    #[test]
    fn no_onset_of_real_speech_is_lost_and_a_sentence_is_few_turns() {
        for (n, clip) in CLIPS.iter().enumerate() {
            for (gain_db, noise_dbfs) in
                [(0.0, -96.0), (0.0, -60.0), (-15.0, -65.0), (-25.0, -65.0), (-10.0, -55.0)]
            {
                let (alone, noisy) = scene(clip, gain_db, noise_dbfs);
                let heard = hear(noisy.iter().copied());
                let context = format!("clip {n} at {gain_db} dB over {noise_dbfs} dBFS");
                // What stands out of the noise by 10 dB is speech, in the frame where it begins.
                let bound = mean_square_at((noise_dbfs + 10.0).clamp(-64.0, -49.0));
                let lost =
                    alone.iter().zip(&heard.audible).filter(|(ms, on)| **ms > bound && !**on);
                assert_eq!(lost.count(), 0, "{context}");
                let ends = heard.audible.len();
                assert!(!heard.audible[ends - 10] && !heard.audible[149], "{context}");
                // Sentences with a pause or two.
                let starts = heard.changes.iter().filter(|(_, to)| *to == TalkChange::Started);
                assert!((1..=3).contains(&starts.count()), "{context}: {:?}", heard.changes);
                assert_eq!(heard.changes.len() % 2, 0, "{context}");
                assert!(heard.changes[0].0 >= 160 && heard.changes[0].0 < 170, "{context}");
            }
        }
    }
}
