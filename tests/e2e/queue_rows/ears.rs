//! Who hears which tones.

use std::fmt::Write as _;
use std::time::Duration;

use support::heard::median_level_db;
use support::tone::level_db;
use support::wait;

use super::phones::{Line, Phone};
use super::{GONE_DB, HEARD_DB, TONES};
use crate::stage::{LEVEL_DB, SOON};

/// What is listened to at a time.
const LOOK: Duration = Duration::from_millis(400);
/// How far the level of a tone that is heard may be off.
const TOLERANCE_DB: f64 = 1.5;
/// A tone below this has left no trace in one frame.
const TRACE_DB: f64 = LEVEL_DB - 30.0;
/// Samples of 20 ms.
const FRAME: usize = 160;

pub(super) trait Ear {
    /// Sound that arrives from now on, about.
    fn listen(&self, length: Duration) -> Vec<i16>;

    /// All that the call has let it hear so far, in its order.
    fn heard(&self) -> Vec<i16>;

    /// Waits until it hears these tones at the level they were sent at, and no others of [`TONES`].
    fn expect(&self, who: &str, tones: &[f64]) {
        let mut shown = String::new();
        let met = wait::until(SOON, || {
            let heard = self.listen(LOOK);
            shown.clear();
            let mut is_so = true;
            for hz in TONES {
                let level = median_level_db(&heard, hz);
                let well = if tones.contains(&hz) {
                    (level - LEVEL_DB).abs() <= TOLERANCE_DB
                } else {
                    level <= GONE_DB
                };
                is_so &= well;
                let mark = if well { ' ' } else { '!' };
                let _ = writeln!(shown, "{mark}{who} hears {hz} Hz at {level:.1} dB");
            }
            is_so.then_some(())
        });
        assert!(met.is_some(), "{who} was to hear {tones:?}\n{shown}");
    }

    /// Waits until it hears nothing of [`TONES`].
    fn expect_silence(&self, who: &str) {
        self.expect(who, &[]);
    }

    /// A tone has not sounded at any time.
    fn assert_never(&self, who: &str, hz: f64) {
        let first = Track(self.heard()).first(hz);
        assert!(first.is_none(), "{who} heard {hz} Hz, first in frame {first:?}");
    }
}

impl Ear for Phone {
    fn listen(&self, length: Duration) -> Vec<i16> {
        self.baresip.listen(length.as_secs_f64()).expect("sound")
    }

    fn heard(&self) -> Vec<i16> {
        self.baresip.heard().expect("a recording")
    }
}

impl Ear for Line {
    fn listen(&self, length: Duration) -> Vec<i16> {
        self.rtp.listen(length).samples()
    }

    fn heard(&self) -> Vec<i16> {
        self.rtp.heard().samples()
    }
}

/// What was heard, by frames of 20 ms.
pub(super) struct Track(pub(super) Vec<i16>);

impl Track {
    fn has(&self, frame: usize, hz: f64, db: f64) -> bool {
        let samples = self.0.get(frame * FRAME..(frame + 1) * FRAME);
        samples.is_some_and(|samples| level_db(samples, hz) >= db)
    }

    fn frames(&self) -> usize {
        self.0.len() / FRAME
    }

    /// The first frame that is full of a tone.
    pub(super) fn first(&self, hz: f64) -> Option<usize> {
        (0..self.frames()).find(|frame| self.has(*frame, hz, HEARD_DB))
    }

    /// The last one.
    pub(super) fn last(&self, hz: f64) -> Option<usize> {
        (0..self.frames()).rfind(|frame| self.has(*frame, hz, HEARD_DB))
    }

    /// How many there are.
    pub(super) fn count(&self, hz: f64) -> usize {
        (0..self.frames()).filter(|frame| self.has(*frame, hz, HEARD_DB)).count()
    }

    /// The last frame with a trace of a tone.
    pub(super) fn trace(&self, hz: f64) -> Option<usize> {
        (0..self.frames()).rfind(|frame| self.has(*frame, hz, TRACE_DB))
    }

    /// The longest run of frames without a tone, between its first and its last.
    pub(super) fn longest_gap(&self, hz: f64) -> usize {
        let (Some(first), Some(last)) = (self.first(hz), self.last(hz)) else { return 0 };
        let (mut longest, mut now) = (0, 0);
        for frame in first..=last {
            now = if self.has(frame, hz, HEARD_DB) { 0 } else { now + 1 };
            longest = longest.max(now);
        }
        longest
    }
}
