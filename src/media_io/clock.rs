//! The media clock: one plain thread that sleeps to absolute deadlines and wakes the media hubs.
//!
//! A 20 ms period is cut into [`PHASES`] so that rooms do not all send in one burst. The thread
//! fires each hub's slot once per phase and does nothing else; with no hub active it is parked.
//! tokio's timers fire 1-2 ms late by design, which is why this is a thread (docs/adr/0003).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
    pub slot: Arc<TickSlot>,
    /// Whether anybody on that hub wants ticks.
    pub active: Arc<AtomicBool>,
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
        self.thread.as_ref().map(|t| ClockWaker(t.thread().clone()))
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
    let mut due = sys::monotonic();
    while !stop.load(Ordering::Acquire) {
        if !entries.iter().any(|e| e.active.load(Ordering::Acquire)) {
            thread::park();
            due = sys::monotonic();
            continue;
        }
        due += step;
        sys::sleep_until(due);
        // After a stall the missed phases fire at once, each a cheap store: the slots keep only the
        // newest and count the rest, so that RTP timestamps advance by the time that really passed.
        let planned = Instant::now() - sys::monotonic().saturating_sub(due);
        for entry in entries.iter().filter(|e| e.active.load(Ordering::Acquire)) {
            entry.slot.fire(planned);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    #[test]
    fn clock_fires_only_active_hubs_and_ends_when_dropped() {
        let epoch = Instant::now();
        let (slot, mut stream) = TickSlot::new(epoch);
        let (idle_slot, _idle) = TickSlot::new(epoch);
        let active = Arc::new(AtomicBool::new(false));
        let clock = MediaClock::start(
            vec![
                ClockEntry { slot, active: active.clone() },
                ClockEntry { slot: idle_slot.clone(), active: Arc::new(AtomicBool::new(false)) },
            ],
            false,
        )
        .unwrap();
        active.store(true, Ordering::Release);
        clock.waker().unwrap().wake();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let ticks = runtime.block_on(stream.by_ref().take(3).collect::<Vec<_>>());
        assert!(ticks.windows(2).all(|w| w[0].due < w[1].due));
        drop(clock);
        assert!(Arc::strong_count(&idle_slot) == 2);
    }
}
