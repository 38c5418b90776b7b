//! When the machine itself stood still: a virtual machine loses its processors to others for tens of
//! milliseconds at times, and no program on it can send meanwhile.
//!
//! One thread per processor, pinned there and before all others (those of the server that are real-time
//! included), looks at the clock every millisecond. What it misses nothing on this machine could have used.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use crate::pin;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(1);
/// A look may come so late on an idle machine.
const LATE: Duration = Duration::from_millis(2);
/// Stalls kept per processor; later ones count for nothing.
const KEPT: usize = 100_000;

type Stall = (SystemTime, SystemTime);

/// Watches until it is asked.
pub(crate) struct Watch {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Option<Vec<Stall>>>>,
}

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Stalls {
    /// Of one processor each.
    processors: Vec<Vec<Stall>>,
}

impl Watch {
    pub(crate) fn begin(processors: usize) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let threads = (0..processors).map(|cpu| {
            let over = Arc::clone(&over);
            thread::spawn(move || look(cpu, &over))
        });
        Self { threads: threads.collect(), over }
    }

    /// Nothing is seen where the system grants no priority: the watch would see its own waiting.
    pub(crate) fn end(self) -> Stalls {
        self.over.store(true, Ordering::Relaxed);
        let seen = self.threads.into_iter().filter_map(|thread| thread.join().ok().flatten());
        Stalls { processors: seen.collect() }
    }
}

fn look(cpu: usize, over: &AtomicBool) -> Option<Vec<Stall>> {
    pin::this_thread(cpu).ok()?;
    pin::before_all().then_some(())?;
    let mut stalls = Vec::new();
    let mut last = SystemTime::now();
    while !over.load(Ordering::Relaxed) {
        thread::sleep(LOOK);
        let now = SystemTime::now();
        let due = last + LOOK;
        if now.duration_since(due).is_ok_and(|late| late > LATE) && stalls.len() < KEPT {
            stalls.push((due, now));
        }
        last = now;
    }
    Some(stalls)
}

impl Stalls {
    pub(crate) fn longest(&self) -> Duration {
        self.processors.iter().flatten().map(length).max().unwrap_or_default()
    }

    /// Of all processors together.
    pub(crate) fn total(&self) -> Duration {
        self.processors.iter().flatten().map(length).sum()
    }

    /// What a gap would have been, had the machine stood still at no time in it: less the time of the
    /// processor that missed most of it.
    pub(crate) fn without(&self, gap: &Stall) -> Duration {
        let missed = |stalls: &Vec<Stall>| {
            let within = stalls.iter().map(|stall| (stall.0.max(gap.0), stall.1.min(gap.1)));
            within.map(|part| length(&part)).sum::<Duration>()
        };
        let most = self.processors.iter().map(missed).max().unwrap_or_default();
        length(gap).saturating_sub(most)
    }
}

fn length(stall: &Stall) -> Duration {
    stall.1.duration_since(stall.0).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stall(from: u64, to: u64) -> Stall {
        let at = |ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms);
        (at(from), at(to))
    }

    #[test]
    fn a_gap_is_less_what_one_processor_missed_of_it() {
        let processors = vec![vec![stall(0, 105), stall(110, 112)], vec![stall(120, 130)]];
        let stalls = Stalls { processors };
        let ms = |gap| stalls.without(&gap).as_millis();
        assert_eq!(ms(stall(100, 140)), 30);
        assert_eq!(ms(stall(106, 140)), 24);
        assert_eq!(ms(stall(200, 240)), 40);
        assert_eq!(stalls.longest(), Duration::from_millis(105));
        assert_eq!(stalls.total(), Duration::from_millis(117));
    }

    #[test]
    fn who_may_not_go_before_others_sees_nothing() {
        assert_eq!(Stalls::default().without(&stall(0, 50)), Duration::from_millis(50));
        let seen = Watch::begin(1).end();
        assert!(seen.processors.len() <= 1);
    }
}
