//! What sampled callers heard: every other talker of their room at the right level, and not themselves.

use anyhow::Result;
use serde::Serialize;
use support::tone::{FLOOR_DB, level_db, rms_db};

use crate::args::Args;
use crate::codec::{DECODED_HZ, Decoder};
use crate::seat::{self, Seat, TONES_TOLD_APART};
use crate::spread::{median, round};
use crate::voice::SYLLABLE_DEPTH;

/// Samples of one look at a tone: half a second, two whole periods of a talker's loudness, so that
/// its movement adds nothing to the tone or to its neighbours.
const LOOK: usize = DECODED_HZ as usize / 2;
/// A tone must arrive within this of the level it was sent at.
const LEVEL_TOLERANCE_DB: f64 = 1.0;
/// More talkers than can be told apart are heard as their sum, up to here: more would be limited.
const MOST_SUMMED: u32 = 500;
const SUM_TOLERANCE_DB: f64 = 2.0;
/// A talker must hear itself at most this loud, against the level sent.
const OWN_LIMIT_DB: f64 = -40.0;

#[derive(Debug, Serialize)]
pub(crate) struct Tones {
    sent_level_db: f64,
    pub(crate) listeners: usize,
    pub(crate) checked: usize,
    pub(crate) off: usize,
    pub(crate) worst_level_error_db: f64,
    /// Looks of 500 ms at a tone that was off while its median was right: glitches.
    looks_off: usize,
    looks: usize,
    /// Loudest own tone a sampled talker heard, against the level sent.
    pub(crate) worst_own_db: Option<f64>,
}

impl Tones {
    /// `None` when nobody talks, too many for any check, or all to a loop. Talkers too many to be told
    /// apart are checked as one, by the level of their sum.
    ///
    /// # Errors
    /// When a decoder cannot be had.
    pub(crate) fn of(
        args: &Args,
        seats: &[Seat],
        heard: &[(usize, Vec<Vec<u8>>)],
    ) -> Result<Option<Self>> {
        let talkers = seat::talkers_of_a_room(args);
        if talkers == 0 || talkers > MOST_SUMMED || args.bare {
            return Ok(None);
        }
        let sent_level_db = seat::tone_level_db(args);
        let mut tones = Self {
            sent_level_db: round(sent_level_db),
            listeners: heard.len(),
            checked: 0,
            off: 0,
            worst_level_error_db: 0.0,
            looks_off: 0,
            looks: 0,
            worst_own_db: None,
        };
        for (number, payloads) in heard {
            let (mut decoder, mut samples) = (Decoder::new(args.codec)?, Vec::new());
            payloads.iter().for_each(|payload| decoder.decode(payload, &mut samples));
            let Some(listener) = seats.get(*number) else { continue };
            if talkers > TONES_TOLD_APART {
                let others = seats.iter().filter(|seat| {
                    seat.room == listener.room
                        && seat.tone.is_some()
                        && !std::ptr::eq(*seat, listener)
                });
                let expected = sum_db(sent_level_db, others.count());
                let levels: Vec<f64> =
                    samples.chunks_exact(LOOK).map(|look| rms_db(look) - expected).collect();
                tones.count(&levels, SUM_TOLERANCE_DB);
                continue;
            }
            for talker in seats.iter().filter(|seat| seat.room == listener.room) {
                let Some(hz) = talker.tone else { continue };
                let levels: Vec<f64> = samples
                    .chunks_exact(LOOK)
                    .map(|look| level_db(look, hz) - sent_level_db)
                    .collect();
                if std::ptr::eq(talker, listener) {
                    tones.count_own(&levels);
                } else {
                    tones.count(&levels, LEVEL_TOLERANCE_DB);
                }
            }
        }
        tones.worst_level_error_db = round(tones.worst_level_error_db);
        tones.worst_own_db = tones.worst_own_db.map(round);
        Ok(Some(tones))
    }

    fn count(&mut self, levels: &[f64], tolerance_db: f64) {
        let errors: Vec<f64> = levels.iter().map(|level| level.abs()).collect();
        let median = median(&errors).unwrap_or(-FLOOR_DB);
        self.checked += 1;
        self.off += usize::from(median > tolerance_db);
        self.worst_level_error_db = self.worst_level_error_db.max(median);
        self.looks += errors.len();
        self.looks_off += errors.iter().filter(|error| **error > tolerance_db).count();
    }

    fn count_own(&mut self, levels: &[f64]) {
        let median = median(levels).unwrap_or(FLOOR_DB);
        self.worst_own_db = Some(self.worst_own_db.unwrap_or(FLOOR_DB).max(median));
    }

    pub(crate) fn are_right(&self) -> bool {
        self.checked > 0 && self.off == 0 && self.worst_own_db.is_none_or(|db| db <= OWN_LIMIT_DB)
    }
}

/// Level of so many talkers together, whose powers add up.
fn sum_db(each_db: f64, talkers: usize) -> f64 {
    let movement = 1.0 + SYLLABLE_DEPTH.powi(2) / 2.0;
    each_db + 10.0 * (talkers as f64 * movement).max(1e-9).log10()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Codec, PACKETS_PER_SECOND};
    use crate::voice::{Quiet, Voice};

    #[test]
    fn the_level_of_a_sum_is_foretold() {
        let mut sum = vec![0i32; LOOK * 2];
        for number in 0..20 {
            let hz = 400.0 + 97.0 * f64::from(number);
            let voice = Voice::tone(Codec::Pcmu, Quiet::Comfort, hz, -35.0, number).unwrap();
            let (mut decoder, mut samples) = (Decoder::new(Codec::Pcmu).unwrap(), Vec::new());
            for position in 0..PACKETS_PER_SECOND as usize {
                decoder.decode(voice.at(position).payload, &mut samples);
            }
            sum.iter_mut().zip(samples).for_each(|(sum, sample)| *sum += i32::from(sample));
        }
        let sum: Vec<i16> = sum.into_iter().map(|sample| sample as i16).collect();
        assert!((rms_db(&sum) - sum_db(-35.0, 20)).abs() < 0.5);
    }
}
