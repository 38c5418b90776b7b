//! What an RTP peer received, frame by frame with kernel receive times, and questions about it.

use std::time::{Duration, SystemTime};

use crate::tone::{FLOOR_DB, RATE, frame_level_db, level_db};

/// Samples of one look at a tone by [`Heard::level_db`] and [`median_level_db`]: 60 ms. Long enough
/// to tell tones 70 Hz apart, short enough that a glitch now and then spoils only few looks.
const LOOK: usize = 480;
/// Samples between two looks' starts.
const LOOK_STEP: usize = 240;

/// One received packet with audio.
#[derive(Debug, Clone)]
pub struct Frame {
    pub at: SystemTime,
    pub seq: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    pub samples: Vec<i16>,
}

/// Frames in the order of arrival.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    pub frames: Vec<Frame>,
}

impl Heard {
    /// Only what arrived at or after `start`.
    #[must_use]
    pub fn since(mut self, start: SystemTime) -> Self {
        self.frames.retain(|frame| frame.at >= start);
        self
    }

    /// Only what arrived before `end`.
    #[must_use]
    pub fn until(mut self, end: SystemTime) -> Self {
        self.frames.retain(|frame| frame.at < end);
        self
    }

    /// Time between first and last frame.
    #[must_use]
    pub fn length(&self) -> Duration {
        let ends = self.frames.first().zip(self.frames.last());
        ends.map_or(Duration::ZERO, |(first, last)| {
            last.at.duration_since(first.at).unwrap_or_default()
        })
    }

    /// Longest time between two neighbouring arrivals.
    #[must_use]
    pub fn longest_gap(&self) -> Duration {
        self.frames
            .windows(2)
            .map(|pair| pair[1].at.duration_since(pair[0].at).unwrap_or_default())
            .max()
            .unwrap_or_default()
    }

    /// All samples one after another.
    #[must_use]
    pub fn samples(&self) -> Vec<i16> {
        self.frames.iter().flat_map(|frame| frame.samples.iter().copied()).collect()
    }

    /// Usual level of a tone: the median of looks of 60 ms.
    #[must_use]
    pub fn level_db(&self, hz: f64) -> f64 {
        median_level_db(&self.samples(), hz)
    }

    /// Arrival of the last frame in which the tone is at least that loud. Exact when all tones
    /// present are multiples of 50 Hz.
    #[must_use]
    pub fn last_with(&self, hz: f64, at_least_db: f64) -> Option<SystemTime> {
        let loud = |frame: &&Frame| frame_level_db(&frame.samples, hz) >= at_least_db;
        self.frames.iter().rev().find(loud).map(|frame| frame.at)
    }

    /// Arrival of the first frame in which the tone is at least that loud; see [`Heard::last_with`].
    #[must_use]
    pub fn first_with(&self, hz: f64, at_least_db: f64) -> Option<SystemTime> {
        let loud = |frame: &&Frame| frame_level_db(&frame.samples, hz) >= at_least_db;
        self.frames.iter().find(loud).map(|frame| frame.at)
    }
}

/// Median level of a tone over overlapping looks of 60 ms: one glitch or a late start does not
/// decide. Less than one look reads as the floor.
#[must_use]
pub fn median_level_db(samples: &[i16], hz: f64) -> f64 {
    median_level_at(samples, RATE as u32, hz)
}

/// The same of so many samples per second, a multiple of 8000.
#[must_use]
pub fn median_level_at(samples: &[i16], rate: u32, hz: f64) -> f64 {
    let factor = (rate / RATE as u32) as usize;
    // A look takes frequencies as those of 8000 samples a second.
    let hz = hz / factor as f64;
    let looks = samples.windows(LOOK * factor).step_by(LOOK_STEP * factor);
    let mut levels: Vec<f64> = looks.map(|look| level_db(look, hz)).collect();
    levels.sort_by(f64::total_cmp);
    levels.get(levels.len() / 2).copied().unwrap_or(FLOOR_DB)
}

/// Longest time without the tone, to 10 ms: in looks of 20 ms, exact when all tones present are
/// multiples of 50 Hz.
#[must_use]
pub fn longest_absence(samples: &[i16], hz: f64, at_least_db: f64) -> Duration {
    let looks = samples.windows(160).step_by(80).map(|look| frame_level_db(look, hz) < at_least_db);
    let count = |(longest, run): (u64, u64), absent| {
        let run = if absent { run + 1 } else { 0 };
        (longest.max(run), run)
    };
    Duration::from_millis(10 * looks.fold((0, 0), count).0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::Tone;

    /// Half a second of 450 Hz, then half a second of nothing, 20 ms apart.
    fn heard() -> Heard {
        let start = SystemTime::UNIX_EPOCH;
        let mut samples = Tone::render(450.0, -16.0, 0.5);
        samples.resize(8_000, 0);
        let frame = |(n, samples): (usize, &[i16])| Frame {
            at: start + Duration::from_millis(20 * n as u64),
            seq: n as u16,
            timestamp: 160 * n as u32,
            ssrc: 1,
            samples: samples.to_vec(),
        };
        Heard { frames: samples.chunks(160).enumerate().map(frame).collect() }
    }

    #[test]
    fn the_last_frame_with_a_tone_is_found_to_the_frame() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(480);
        assert_eq!(heard().last_with(450.0, -20.0), Some(at));
        assert_eq!(heard().last_with(800.0, -20.0), None);
        assert_eq!(heard().first_with(450.0, -20.0), Some(SystemTime::UNIX_EPOCH));
    }

    #[test]
    fn a_cut_out_part_has_the_level_of_that_part() {
        let middle = SystemTime::UNIX_EPOCH + Duration::from_millis(500);
        assert!((heard().until(middle).level_db(450.0) + 16.0).abs() < 0.1);
        assert!(heard().since(middle).level_db(450.0) < -80.0);
    }

    #[test]
    fn the_longest_absence_of_a_tone_is_found() {
        let mut samples = Tone::render(450.0, -16.0, 0.5);
        assert_eq!(longest_absence(&samples, 450.0, -20.0), Duration::ZERO);
        samples[800..1_600].fill(0);
        let found = longest_absence(&samples, 450.0, -20.0).as_millis();
        assert!((90..=110).contains(&found), "{found}");
        assert!(longest_absence(&samples, 800.0, -20.0) >= Duration::from_millis(470));
    }

    #[test]
    fn a_missing_frame_is_a_gap() {
        let mut heard = heard();
        heard.frames.remove(7);
        assert_eq!(heard.longest_gap(), Duration::from_millis(40));
    }
}
