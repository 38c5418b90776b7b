//! The media clock: one plain thread that sleeps to absolute deadlines and wakes the media hubs.
//!
//! A 20 ms period is cut into [`PHASES`] so that rooms do not all send in one burst. The thread
//! sleeps to the next phase that somebody uses, fires the slots of the hubs that use it, and does
//! nothing else; while nobody uses any it is parked.
//! tokio's timers fire 1-2 ms late by design, which is why this is a thread (docs/adr/0003).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use super::sys;
use super::tick::TickSlot;

/// The period of every mixer: 20 ms.
pub const PERIOD: Duration = Duration::from_millis(20);
/// Parts of a period at which rooms may be due.
pub const PHASES: usize = 4;

/// One hub's entry with the clock.
pub struct ClockEntry {
    /// One slot for each phase.
    pub slots: [Arc<TickSlot>; PHASES],
    pub active: Arc<ActivePhases>,
}

/// The phases that somebody on a hub wants ticks for: one bit each.
#[derive(Default)]
pub struct ActivePhases(AtomicU8);

impl ActivePhases {
    /// Says whether a phase is used; whether that is new.
    pub fn set(&self, phase: usize, used: bool) -> bool {
        let bit = 1 << phase;
        let before = match used {
            true => self.0.fetch_or(bit, Ordering::AcqRel),
            false => self.0.fetch_and(!bit, Ordering::AcqRel),
        };
        (before & bit != 0) != used
    }

    fn bits(&self) -> u8 {
        self.0.load(Ordering::Acquire)
    }
}

/// Handle of the clock thread; dropping it stops the thread.
pub struct MediaClock {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Wakes a parked clock; given to every hub.
#[derive(Clone)]
pub struct ClockWaker(Thread);

impl ClockWaker {
    /// Wakes `thread`, whatever it parks for.
    pub fn of(thread: Thread) -> Self {
        Self(thread)
    }

    pub fn wake(&self) {
        self.0.unpark();
    }
}

impl MediaClock {
    /// Starts the thread. `real_time` asks for real-time priority; what was granted is logged once.
    ///
    /// # Errors
    /// The error of creating the thread.
    pub fn start(entries: Vec<ClockEntry>, real_time: bool) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = stop.clone();
        let thread = thread::Builder::new().name("media-clock".into()).spawn(move || {
            if real_time {
                let granted = sys::request_real_time(CLOCK_PRIORITY);
                tracing::info!(priority = granted.as_str(), "media clock runs");
            }
            run(&entries, &stopping);
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }

    pub fn waker(&self) -> Option<ClockWaker> {
        self.thread.as_ref().map(|t| ClockWaker::of(t.thread().clone()))
    }
}

impl Drop for MediaClock {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // The thread only sleeps and fires; a panic in it was logged by the panic hook.
            let _ = thread.join();
        }
    }
}

/// Above the media arbiters, so that a busy one cannot delay the others' ticks.
const CLOCK_PRIORITY: i32 = 20;

fn run(entries: &[ClockEntry], stop: &AtomicBool) {
    let step = PERIOD / PHASES as u32;
    // The two names of one clock: `Instant` cannot be made of a reading.
    let (start, start_reading) = (Instant::now(), sys::monotonic());
    let mut due = start_reading;
    let mut phase = 0;
    while !stop.load(Ordering::Acquire) {
        let used = entries.iter().fold(0, |bits, entry| bits | entry.active.bits());
        if used == 0 {
            thread::park();
            due = sys::monotonic();
            continue;
        }
        due += step;
        phase = (phase + 1) % PHASES;
        if used & (1 << phase) == 0 {
            continue;
        }
        sys::sleep_until(due);
        // After a stall whole periods are left out, never caught up with: the slots count them, so
        // that RTP timestamps advance by the time that really passed.
        let late = sys::monotonic().saturating_sub(due);
        let missed = u32::try_from(late.as_micros() / PERIOD.as_micros()).unwrap_or(u32::MAX);
        if missed > 0 {
            due += PERIOD * missed;
            for entry in entries {
                let bits = entry.active.bits();
                let used = entry.slots.iter().enumerate().filter(|(n, _)| bits & (1 << n) != 0);
                used.for_each(|(_, slot)| slot.miss(missed));
            }
        }
        let planned = start + due.saturating_sub(start_reading);
        for entry in entries.iter().filter(|entry| entry.active.bits() & (1 << phase) != 0) {
            if let Some(slot) = entry.slots.get(phase) {
                slot.fire(planned);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt};

    use super::*;
    use crate::media_io::tick::TickStream;

    fn entry(epoch: Instant) -> (ClockEntry, [TickStream; PHASES]) {
        let pairs: [_; PHASES] = std::array::from_fn(|_| TickSlot::new(epoch));
        let slots = pairs.each_ref().map(|(slot, _)| slot.clone());
        let streams = pairs.map(|(_, stream)| stream);
        (ClockEntry { slots, active: Arc::default() }, streams)
    }

    #[test]
    fn clock_fires_only_used_phases_and_ends_when_dropped() {
        let epoch = Instant::now();
        let (busy, mut streams) = entry(epoch);
        let (idle, mut idle_streams) = entry(epoch);
        let active = busy.active.clone();
        let clock = MediaClock::start(vec![busy, idle], false).unwrap();
        assert!(active.set(2, true));
        assert!(!active.set(2, true));
        clock.waker().unwrap().wake();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let ticks = runtime.block_on(streams[2].by_ref().take(3).collect::<Vec<_>>());
        assert!(ticks.windows(2).all(|w| w[1].due - w[0].due >= PERIOD));
        drop(clock);
        for stream in streams[..2].iter_mut().chain(&mut idle_streams) {
            assert!(stream.next().now_or_never().is_none());
        }
    }
}
