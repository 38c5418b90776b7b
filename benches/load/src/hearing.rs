//! What sampled callers heard: every other talker of their room at the right level, and not themselves.

use anyhow::Result;
use serde::Serialize;
use support::tone::{FLOOR_DB, level_db};

use crate::args::Args;
use crate::codec::{DECODED_HZ, Decoder};
use crate::seat::{self, Seat, TONES_TOLD_APART};
use crate::spread::{median, round};

/// Samples of one look at a tone: half a second, two whole periods of a talker's loudness, so that
/// its movement adds nothing to the tone or to its neighbours.
const LOOK: usize = DECODED_HZ as usize / 2;
/// A tone must arrive within this of the level it was sent at.
const LEVEL_TOLERANCE_DB: f64 = 1.0;
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
    /// `None` when nobody talks, so many that nobody could tell them apart, or all to a loop.
    ///
    /// # Errors
    /// When a decoder cannot be had.
    pub(crate) fn of(
        args: &Args,
        seats: &[Seat],
        heard: &[(usize, Vec<Vec<u8>>)],
    ) -> Result<Option<Self>> {
        let talkers = seat::talkers_of_a_room(args);
        if talkers == 0 || talkers > TONES_TOLD_APART || args.bare {
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
            for talker in seats.iter().filter(|seat| seat.room == listener.room) {
                let Some(hz) = talker.tone else { continue };
                let levels: Vec<f64> = samples
                    .chunks_exact(LOOK)
                    .map(|look| level_db(look, hz) - sent_level_db)
                    .collect();
                if std::ptr::eq(talker, listener) {
                    tones.count_own(&levels);
                } else {
                    tones.count(&levels);
                }
            }
        }
        tones.worst_level_error_db = round(tones.worst_level_error_db);
        tones.worst_own_db = tones.worst_own_db.map(round);
        Ok(Some(tones))
    }

    fn count(&mut self, levels: &[f64]) {
        let errors: Vec<f64> = levels.iter().map(|level| level.abs()).collect();
        let median = median(&errors).unwrap_or(-FLOOR_DB);
        self.checked += 1;
        self.off += usize::from(median > LEVEL_TOLERANCE_DB);
        self.worst_level_error_db = self.worst_level_error_db.max(median);
        self.looks += errors.len();
        self.looks_off += errors.iter().filter(|error| **error > LEVEL_TOLERANCE_DB).count();
    }

    fn count_own(&mut self, levels: &[f64]) {
        let median = median(levels).unwrap_or(FLOOR_DB);
        self.worst_own_db = Some(self.worst_own_db.unwrap_or(FLOOR_DB).max(median));
    }

    pub(crate) fn are_right(&self) -> bool {
        self.checked > 0 && self.off == 0 && self.worst_own_db.is_none_or(|db| db <= OWN_LIMIT_DB)
    }
}
