//! Keeps a flood of refusals from filling the table of alerts: the first is told at once, those of the
//! minute after it as one number.
//!
//! Pure; who uses it keeps the time.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::{AccountSid, AlertType};

/// What is told apart: a tenant's alerts of one kind.
pub type Key = (AccountSid, AlertType);

/// The refusals of each open minute that nobody has been told of.
#[derive(Debug, Default)]
pub struct Throttle(Mutex<HashMap<Key, u64>>);

impl Throttle {
    /// One more refusal. Whether it is to be told now; a minute begins then, at whose end [`close`]
    /// is due.
    ///
    /// [`close`]: Self::close
    pub fn note(&self, key: Key) -> bool {
        let mut open = self.lock();
        match open.get_mut(&key) {
            Some(untold) => {
                *untold = untold.saturating_add(1);
                false
            }
            None => {
                open.insert(key, 0);
                true
            }
        }
    }

    /// A minute is over. Gives the number of refusals to tell of, and the next minute has begun; 0 ends
    /// it, and the next refusal is a first one.
    pub fn close(&self, key: Key) -> u64 {
        let mut open = self.lock();
        match open.get_mut(&key).map(std::mem::take) {
            None | Some(0) => {
                open.remove(&key);
                0
            }
            Some(untold) => untold,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_alert_and_then_a_number_a_minute() {
        let throttle = Throttle::default();
        let flood = (AccountSid::random(), AlertType::AccountCallLimit);
        let other = (flood.0, AlertType::AccountDeviceLimit);
        assert!(throttle.note(flood));
        assert_eq!((0..1000).filter(|_| throttle.note(flood)).count(), 0);
        assert!(throttle.note(other), "another kind is told by itself");
        assert_eq!((throttle.close(flood), throttle.close(other)), (1000, 0));
        assert!(!throttle.note(flood), "its second minute runs");
        assert_eq!((throttle.close(flood), throttle.close(flood)), (1, 0));
        assert!(throttle.lock().is_empty());
        assert!(throttle.note(flood));
    }
}
