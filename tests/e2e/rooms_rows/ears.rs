//! Who hears which tones.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use support::wait;

use super::{AFTER_HZ, GONE_DB, HEARD_DB};
use crate::stage::{Caller, LEVEL_DB, SOON};

/// What is listened to at a time.
const LOOK: Duration = Duration::from_millis(240);
/// How far the level of a tone that is heard may be off.
const TOLERANCE_DB: f64 = 1.5;

/// A listener, its name, and the tones it must hear; all others of the table it must not.
pub(super) type Row<'a> = (&'a str, &'a Caller, &'a [f64]);

/// Waits until everybody hears what the table says, at the level it was sent at, and nothing else of
/// `tones`.
pub(super) fn expect_heard(state: &str, tones: &[f64], rows: &[Row<'_>]) {
    let mut shown = String::new();
    let met = wait::until(SOON, || {
        let start = SystemTime::now();
        for (_, listener, _) in rows {
            // All have been listening meanwhile: only the first takes its time.
            let so_far = start.elapsed().unwrap_or_default();
            let _ = listener.rtp.listen(LOOK.saturating_sub(so_far));
        }
        shown.clear();
        let mut is_so = true;
        for (name, listener, expected) in rows {
            let heard = listener.rtp.heard().since(start);
            for hz in tones {
                let level = heard.level_db(*hz);
                let well = if expected.contains(hz) {
                    (level - LEVEL_DB).abs() <= TOLERANCE_DB
                } else {
                    level <= GONE_DB
                };
                is_so &= well;
                let mark = if well { ' ' } else { '!' };
                let _ = writeln!(shown, "{mark}{name} hears {hz} Hz at {level:.1} dB");
            }
        }
        is_so.then_some(())
    });
    assert!(met.is_some(), "{state}: not heard as it should be\n{shown}");
}

/// Waits until somebody hears a tone, whatever else.
pub(super) fn expect_tone(what: &str, listener: &Caller, hz: f64) {
    wait::expect(what, SOON, || {
        let heard = listener.rtp.listen(Duration::from_millis(60));
        heard.first_with(hz, HEARD_DB).is_some()
    });
}

/// Waits until somebody no longer hears a tone.
pub(super) fn expect_no_tone(what: &str, listener: &Caller, hz: f64) {
    wait::expect(what, SOON, || {
        let heard = listener.rtp.listen(Duration::from_millis(100));
        heard.last_with(hz, GONE_DB).is_none()
    });
}

/// Out of the room, and the next verb is heard: nobody of the room, and its tone.
pub(super) fn expect_next_verb(who: &str, listener: &Caller) {
    expect_tone(&format!("{who} hears the next verb"), listener, AFTER_HZ);
}
