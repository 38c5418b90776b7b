//! Waiting for a condition with a deadline; the only place where tests let time pass.

use std::thread;
use std::time::{Duration, Instant};

/// Asks `probe` every few milliseconds until it gives a value or `within` has passed.
pub fn until<T>(within: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(value) = probe() {
            return Some(value);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// As [`until`] for a yes or no.
///
/// # Panics
/// When it is still no at the deadline; `what` says what was awaited.
pub fn expect(what: &str, within: Duration, mut probe: impl FnMut() -> bool) {
    let met = until(within, || probe().then_some(()));
    assert!(met.is_some(), "not within {within:?}: {what}");
}
