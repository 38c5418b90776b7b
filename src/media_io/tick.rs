//! The wake-up of one media actor: a slot the clock side fires, a stream the actor polls.
//!
//! A [`TickSlot`] holds at most one tick, so a late actor never works through a backlog: the next
//! tick replaces the one it missed and says how many were lost. Firing allocates nothing.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::Stream;
use futures_util::task::AtomicWaker;

/// One period of work is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// The planned instant, not the one at which the actor got to run.
    pub due: Instant,
    /// Ticks that passed unused since the last one taken.
    pub skipped: u32,
    /// The part of the period it belongs to, as the subscription was given it.
    pub phase: u8,
}

/// The middle of a period: what was left for later is to be sent.
#[derive(Clone, Copy, Debug)]
pub struct HalfTick(pub Tick);

/// The place where one actor's next tick lies until it is taken.
pub struct TickSlot {
    epoch: Instant,
    /// Nanoseconds of the due time since `epoch`, plus one; zero when nothing is due.
    due: AtomicU64,
    skipped: AtomicU32,
    phase: AtomicU8,
    waker: AtomicWaker,
}

impl TickSlot {
    /// A slot and the stream that empties it. `epoch` lies before every tick ever fired.
    pub fn new(epoch: Instant) -> (Arc<Self>, TickStream) {
        let slot = Arc::new(Self {
            epoch,
            due: AtomicU64::new(0),
            skipped: AtomicU32::new(0),
            phase: AtomicU8::new(0),
            waker: AtomicWaker::new(),
        });
        (slot.clone(), TickStream(slot))
    }

    /// Makes a tick due. One still lying there counts as skipped.
    pub fn fire(&self, due: Instant) {
        let nanos = due.saturating_duration_since(self.epoch).as_nanos();
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX - 1);
        if self.due.swap(nanos + 1, Ordering::AcqRel) != 0 {
            self.skipped.fetch_add(1, Ordering::Relaxed);
        }
        self.waker.wake();
    }

    /// Counts ticks that nobody will serve any more.
    pub fn miss(&self, ticks: u32) {
        self.skipped.fetch_add(ticks, Ordering::Relaxed);
    }

    /// Names the part of the period at which it will be fired.
    pub(super) fn set_phase(&self, phase: u8) {
        self.phase.store(phase, Ordering::Relaxed);
    }

    fn take(&self) -> Option<Tick> {
        let nanos = self.due.swap(0, Ordering::AcqRel).checked_sub(1)?;
        Some(Tick {
            due: self.epoch + Duration::from_nanos(nanos),
            skipped: self.skipped.swap(0, Ordering::Relaxed),
            phase: self.phase.load(Ordering::Relaxed),
        })
    }
}

/// How punctual an actor's ticks are, for Prometheus. Made once, counted without a look-up.
pub struct TickMetrics {
    ticks: metrics::Counter,
    skipped: metrics::Counter,
    late: metrics::Counter,
    lateness_us: metrics::Counter,
}

/// A tick served later than this counts as late.
const LATE: Duration = Duration::from_millis(5);

impl TickMetrics {
    pub fn new() -> Self {
        Self {
            ticks: metrics::counter!("mixer_ticks_total"),
            skipped: metrics::counter!("mixer_ticks_skipped_total"),
            late: metrics::counter!("mixer_ticks_late_total"),
            lateness_us: metrics::counter!("mixer_tick_lateness_us_total"),
        }
    }

    /// Counts a tick whose work was begun at `begun`.
    pub fn count(&self, tick: Tick, begun: Instant) {
        let late = begun.saturating_duration_since(tick.due);
        self.ticks.increment(1);
        self.lateness_us.increment(u64::try_from(late.as_micros()).unwrap_or(u64::MAX));
        if late > LATE {
            self.late.increment(1);
        }
        if tick.skipped > 0 {
            self.skipped.increment(u64::from(tick.skipped));
        }
    }
}

impl Default for TickMetrics {
    fn default() -> Self {
        Self::new()
    }
}

/// The actor's side; dropping it ends the subscription.
pub struct TickStream(Arc<TickSlot>);

impl Stream for TickStream {
    type Item = Tick;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Tick>> {
        // Register before looking, or a tick fired in between would wake nobody.
        self.0.waker.register(cx.waker());
        self.0.take().map_or(Poll::Pending, |tick| Poll::Ready(Some(tick)))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt};

    use super::*;

    #[test]
    fn late_reader_gets_the_newest_tick_and_the_number_it_missed() {
        let epoch = Instant::now();
        let (slot, mut stream) = TickSlot::new(epoch);
        assert!(stream.next().now_or_never().is_none());
        for n in 1..=3 {
            slot.fire(epoch + Duration::from_millis(20 * n));
        }
        let tick = stream.next().now_or_never().flatten().expect("due");
        assert_eq!(tick, Tick { due: epoch + Duration::from_millis(60), skipped: 2, phase: 0 });
        assert!(stream.next().now_or_never().is_none());
    }
}
