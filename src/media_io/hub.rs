//! The one actor of a media arbiter that hears the clock, and the plane of all such arbiters.
//!
//! The clock wakes a [`MediaHub`] once per phase; the hub wakes the actors of that phase on its own
//! thread, which costs tens of nanoseconds each. An actor subscribes while it has audio to move and
//! unsubscribes by dropping its stream, so an idle arbiter has no tick.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use actix::prelude::*;

use super::clock::{ClockEntry, ClockWaker, MediaClock, PHASES};
use super::sys;
use super::tick::{Tick, TickSlot, TickStream};

/// Wakes the subscribed actors of one media arbiter.
pub struct MediaHub {
    phases: [Vec<Arc<TickSlot>>; PHASES],
    phase: usize,
    active: Arc<AtomicBool>,
    clock: ClockWaker,
    ticks: Option<TickStream>,
}

/// Puts a slot on the emptiest phase. It leaves when the other holder drops its end.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Subscribe(pub Arc<TickSlot>);

impl Actor for MediaHub {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        if let Some(ticks) = self.ticks.take() {
            ctx.add_stream(ticks);
        }
    }
}

impl Handler<Subscribe> for MediaHub {
    type Result = ();

    fn handle(&mut self, Subscribe(slot): Subscribe, _: &mut Context<Self>) {
        if let Some(emptiest) = self.phases.iter_mut().min_by_key(|p| p.len()) {
            emptiest.push(slot);
        }
        if !self.active.swap(true, Ordering::AcqRel) {
            self.clock.wake();
        }
    }
}

impl StreamHandler<Tick> for MediaHub {
    fn handle(&mut self, tick: Tick, _: &mut Context<Self>) {
        // A late hub still serves every phase it missed: the slots turn repeats into a skip count.
        for _ in 0..=tick.skipped {
            self.phase = (self.phase + 1) % PHASES;
            self.fire(self.phase, tick.due);
        }
    }
}

impl MediaHub {
    fn fire(&mut self, phase: usize, due: Instant) {
        let Some(slots) = self.phases.get_mut(phase) else { return };
        // One holder left means that the actor dropped its stream.
        slots.retain(|slot| Arc::strong_count(slot) > 1);
        for slot in slots {
            slot.fire(due);
        }
        if self.phases.iter().all(Vec::is_empty) {
            self.active.store(false, Ordering::Release);
        }
    }
}

/// One media arbiter as the rest of the server sees it.
#[derive(Clone)]
pub struct MediaArbiter {
    arbiter: ArbiterHandle,
    hub: Addr<MediaHub>,
    epoch: Instant,
    actors: Arc<AtomicUsize>,
}

/// An actor's place on a media arbiter; counted while it is held.
pub struct Place {
    pub arbiter: MediaArbiter,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.arbiter.actors.fetch_sub(1, Ordering::Relaxed);
    }
}

impl MediaArbiter {
    /// A tick subscription for an actor that lives on this arbiter.
    pub fn subscribe(&self) -> TickStream {
        let (slot, stream) = TickSlot::new(self.epoch);
        self.hub.do_send(Subscribe(slot));
        stream
    }

    pub fn handle(&self) -> &ArbiterHandle {
        &self.arbiter
    }
}

/// All media arbiters and their clock.
pub struct MediaPlane {
    arbiters: Vec<MediaArbiter>,
    owned: Vec<Arbiter>,
    _clock: MediaClock,
}

impl MediaPlane {
    /// Starts `count` arbiters and the clock; `real_time` asks for real-time priority on all of them.
    ///
    /// # Errors
    /// The error of creating the clock thread.
    pub fn start(count: usize, real_time: bool) -> std::io::Result<Self> {
        let epoch = Instant::now();
        let wakes: Vec<_> = (0..count.max(1))
            .map(|_| (TickSlot::new(epoch), Arc::new(AtomicBool::new(false))))
            .collect();
        let entries = wakes
            .iter()
            .map(|((slot, _), active)| ClockEntry { slot: slot.clone(), active: active.clone() })
            .collect();
        let clock = MediaClock::start(entries, real_time)?;
        let waker = clock.waker();
        let mut plane = Self { arbiters: Vec::new(), owned: Vec::new(), _clock: clock };
        for ((_, ticks), active) in wakes {
            let Some(clock) = waker.clone() else { break };
            let arbiter = Arbiter::new();
            if real_time {
                arbiter.spawn_fn(|| {
                    let granted = sys::request_real_time(ARBITER_PRIORITY);
                    tracing::info!(priority = granted.as_str(), "media arbiter runs");
                });
            }
            let hub = MediaHub {
                phases: Default::default(),
                phase: 0,
                active,
                clock,
                ticks: Some(ticks),
            };
            let handle = arbiter.handle();
            plane.arbiters.push(MediaArbiter {
                hub: MediaHub::start_in_arbiter(&handle, |_| hub),
                arbiter: handle,
                epoch,
                actors: Arc::new(AtomicUsize::new(0)),
            });
            plane.owned.push(arbiter);
        }
        Ok(plane)
    }

    /// A place on the arbiter that has the fewest actors.
    pub fn place(&self) -> Option<Place> {
        let arbiter =
            self.arbiters.iter().min_by_key(|a| a.actors.load(Ordering::Relaxed))?.clone();
        arbiter.actors.fetch_add(1, Ordering::Relaxed);
        Some(Place { arbiter })
    }

    /// Stops the arbiters; the actors on them are dropped.
    pub fn stop(&self) {
        for arbiter in &self.owned {
            arbiter.stop();
        }
    }
}

/// Below the clock, above everything that is not real time.
const ARBITER_PRIORITY: i32 = 10;
