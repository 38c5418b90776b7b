//! Who hears which of the tones.

use std::time::Duration;

use support::heard::median_level_db;
use support::{Baresip, RtpPeer, wait};

use super::{AFTER_HZ, ALICE_HZ, BOB_HZ, CAROL_HZ, HOLD_HZ, MUSIC_HZ, OWN_HZ};
use crate::stage::{LEVEL_DB, SOON};

/// All there are.
const TONES: [f64; 7] = [ALICE_HZ, BOB_HZ, CAROL_HZ, MUSIC_HZ, HOLD_HZ, OWN_HZ, AFTER_HZ];
/// How far the level of a tone that is heard may be off.
const TOLERANCE_DB: f64 = 1.5;
/// A tone below this counts as gone.
const GONE_DB: f64 = LEVEL_DB - 35.0;

/// Samples that a phone has to record for a look, and how long that may take: its recording grows in steps.
const LOOK: usize = 2_400;
const PATIENCE: Duration = Duration::from_secs(2);

/// Somebody who hears: the levels of all the tones from now on for a moment.
pub(super) trait Ear {
    fn levels(&self) -> [f64; TONES.len()];
}

impl Ear for Baresip {
    fn levels(&self) -> [f64; TONES.len()] {
        // Who is sent nothing records nothing.
        let start = self.heard().map_or(0, |samples| samples.len());
        let grown = || self.heard().ok().filter(|samples| samples.len() >= start + LOOK);
        let heard = wait::until(PATIENCE, grown).or_else(|| self.heard().ok()).unwrap_or_default();
        let heard = &heard[start.min(heard.len())..];
        TONES.map(|hz| median_level_db(heard, hz))
    }
}

impl Ear for RtpPeer {
    fn levels(&self) -> [f64; TONES.len()] {
        let heard = self.listen(Duration::from_millis(240));
        TONES.map(|hz| heard.level_db(hz))
    }
}

/// Waits until somebody hears these tones, each as loud as it was sent, and no other.
pub(super) fn expect(who: &str, ear: &impl Ear, tones: &[f64]) {
    let mut shown = Vec::new();
    let met = wait::until(SOON, || {
        let levels = ear.levels();
        shown = TONES.into_iter().zip(levels).collect();
        let is_well = |(hz, level): &(f64, f64)| match tones.contains(hz) {
            true => (level - LEVEL_DB).abs() <= TOLERANCE_DB,
            false => *level <= GONE_DB,
        };
        shown.iter().all(is_well).then_some(())
    });
    assert!(met.is_some(), "{who} was to hear {tones:?}, hears {shown:.1?}");
}
