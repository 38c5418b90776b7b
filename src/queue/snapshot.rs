//! What is known of a queue from outside, read without asking anybody.
//!
//! The queue writes one entry at each change, so a long line costs a change no more than a short one.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use time::OffsetDateTime;

use super::line::Place;
use crate::model::{AccountSid, CallSid, QueueSid};

/// One queue as REST sees it: callers in order, head first.
#[derive(Debug)]
pub struct Board {
    pub sid: QueueSid,
    pub account: AccountSid,
    pub name: String,
    pub created_at: OffsetDateTime,
    callers: RwLock<BTreeMap<Place, Entry>>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    call: CallSid,
    queued_at: OffsetDateTime,
}

/// A waiting caller.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QueuedCaller {
    pub call: CallSid,
    /// 0: the next.
    pub position: usize,
    pub priority: u32,
    pub queued_at: OffsetDateTime,
}

/// How long those wait who wait now, in whole seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    pub length: usize,
    pub longest: u64,
    pub average: u64,
}

impl Board {
    /// Of a queue that nobody has entered yet.
    pub fn new(sid: QueueSid, account: AccountSid, name: &str) -> Self {
        Self {
            sid,
            account,
            name: name.to_owned(),
            created_at: OffsetDateTime::now_utc(),
            callers: RwLock::default(),
        }
    }

    pub fn length(&self) -> usize {
        self.read().len()
    }

    /// All who wait, head first.
    pub fn callers(&self) -> Vec<QueuedCaller> {
        self.read().iter().enumerate().map(shown).collect()
    }

    /// The head.
    pub fn front(&self) -> Option<QueuedCaller> {
        self.read().iter().enumerate().next().map(shown)
    }

    pub fn caller(&self, call: CallSid) -> Option<QueuedCaller> {
        let callers = self.read();
        callers.iter().enumerate().find(|(_, (_, entry))| entry.call == call).map(shown)
    }

    pub fn waits(&self, now: OffsetDateTime) -> Waits {
        let callers = self.read();
        let seconds = |entry: &Entry| {
            u64::try_from((now - entry.queued_at).whole_seconds()).unwrap_or_default()
        };
        let (mut longest, mut sum) = (0, 0);
        for entry in callers.values() {
            let waited = seconds(entry);
            longest = waited.max(longest);
            sum += waited;
        }
        let length = callers.len();
        let average = sum.checked_div(u64::try_from(length).unwrap_or_default());
        Waits { length, longest, average: average.unwrap_or_default() }
    }

    pub(super) fn put(&self, place: Place, call: CallSid, queued_at: OffsetDateTime) {
        self.write().insert(place, Entry { call, queued_at });
    }

    pub(super) fn shift(&self, from: Place, to: Place) {
        let mut callers = self.write();
        if let Some(entry) = callers.remove(&from) {
            callers.insert(to, entry);
        }
    }

    /// Since when who stood there waited.
    pub(super) fn cut(&self, place: Place) -> Option<OffsetDateTime> {
        self.write().remove(&place).map(|entry| entry.queued_at)
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<Place, Entry>> {
        self.callers.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<Place, Entry>> {
        self.callers.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shown((position, (place, entry)): (usize, (&Place, &Entry))) -> QueuedCaller {
    let (call, queued_at) = (entry.call, entry.queued_at);
    QueuedCaller { call, position, priority: place.priority, queued_at }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn callers_are_read_in_order_with_what_they_waited() {
        let board = Board::new(QueueSid::random(), AccountSid::random(), "support");
        let now = OffsetDateTime::now_utc();
        assert_eq!((board.length(), board.front()), (0, None));
        assert_eq!(board.waits(now), Waits::default());
        let (first, second) = (CallSid::random(), CallSid::random());
        let places = [(5, 1), (5, 2)].map(|(priority, arrival)| Place { priority, arrival });
        board.put(places[0], first, now - Duration::from_secs(10));
        board.put(places[1], second, now - Duration::from_secs(5));
        let calls = |board: &Board| {
            board.callers().iter().map(|c| (c.call, c.position)).collect::<Vec<_>>()
        };
        assert_eq!(calls(&board), [(first, 0), (second, 1)]);
        assert_eq!(board.waits(now), Waits { length: 2, longest: 10, average: 7 });
        board.shift(places[1], Place { priority: 4, arrival: 2 });
        assert_eq!(calls(&board), [(second, 0), (first, 1)]);
        assert_eq!(board.caller(first).map(|caller| caller.position), Some(1));
        assert_eq!(board.front().map(|caller| caller.priority), Some(4));
        assert!(board.cut(places[0]).is_some());
        assert_eq!(board.caller(first), None);
    }
}
