//! The one actor of a media arbiter that hears the clock, and the plane of all such arbiters.
//!
//! The clock wakes a [`MediaHub`] once per phase; the hub wakes the actors of that phase on its own
//! thread, which costs tens of nanoseconds each. An actor subscribes while it has audio to move and
//! unsubscribes by dropping its stream, so an idle arbiter has no tick.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use futures_util::{Stream, StreamExt as _};

use super::clock::{ActivePhases, ClockEntry, ClockWaker, MediaClock, PHASES};
use super::load::{ArbiterLoad, Meter, Watch};
use super::sys;
use super::tick::{HalfTick, Tick, TickSlot, TickStream};

/// Wakes the subscribed actors of one media arbiter.
pub struct MediaHub {
    phases: [Vec<Arc<TickSlot>>; PHASES],
    active: Arc<ActivePhases>,
    clock: ClockWaker,
    /// The clock's ticks, one stream for each phase, until the actor listens to them.
    ticks: Option<[TickStream; PHASES]>,
}

/// Puts a slot on a phase, the emptiest if none is named. It leaves when the other holder drops its
/// end.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Subscribe {
    pub slot: Arc<TickSlot>,
    pub phase: Option<u8>,
}

/// A tick of the clock for one phase.
struct PhaseTick {
    phase: usize,
    tick: Tick,
}

impl MediaHub {
    /// A hub before it has a clock: what the clock is given, and what the hub is made of then.
    pub fn wiring(epoch: Instant) -> (ClockEntry, Wiring) {
        let pairs: [_; PHASES] = std::array::from_fn(|_| TickSlot::new(epoch));
        let slots = pairs.each_ref().map(|(slot, _)| slot.clone());
        let active = Arc::<ActivePhases>::default();
        let entry = ClockEntry { slots, active: active.clone() };
        (entry, Wiring { ticks: pairs.map(|(_, ticks)| ticks), active })
    }

    pub fn new(Wiring { ticks, active }: Wiring, clock: ClockWaker) -> Self {
        Self { phases: Default::default(), active, clock, ticks: Some(ticks) }
    }
}

/// The hub's ends of a [`ClockEntry`].
pub struct Wiring {
    ticks: [TickStream; PHASES],
    active: Arc<ActivePhases>,
}

impl Actor for MediaHub {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        for (phase, ticks) in self.ticks.take().into_iter().flatten().enumerate() {
            ctx.add_stream(ticks.map(move |tick| PhaseTick { phase, tick }));
        }
    }
}

impl Handler<Subscribe> for MediaHub {
    type Result = ();

    fn handle(&mut self, Subscribe { slot, phase }: Subscribe, _: &mut Context<Self>) {
        let allowed = |n: usize| phase.is_none_or(|phase| usize::from(phase) == n);
        let phases = self.phases.iter_mut().enumerate().filter(|(n, _)| allowed(*n));
        let Some((phase, slots)) = phases.min_by_key(|(_, slots)| slots.len()) else { return };
        slot.set_phase(phase as u8);
        slots.push(slot);
        if self.active.set(phase, true) {
            self.clock.wake();
        }
    }
}

impl StreamHandler<PhaseTick> for MediaHub {
    fn handle(&mut self, PhaseTick { phase, tick }: PhaseTick, _: &mut Context<Self>) {
        let Some(slots) = self.phases.get_mut(phase) else { return };
        // One holder left means that the actor dropped its stream.
        slots.retain(|slot| Arc::strong_count(slot) > 1);
        for slot in &*slots {
            slot.miss(tick.skipped);
            slot.fire(tick.due);
        }
        if slots.is_empty() {
            self.active.set(phase, false);
        }
    }
}

/// One media arbiter as the rest of the server sees it.
#[derive(Clone)]
pub struct MediaArbiter {
    arbiter: ArbiterHandle,
    hub: Addr<MediaHub>,
    epoch: Instant,
    load: Arc<ArbiterLoad>,
}

/// An actor's place on a media arbiter; counted while it is held.
pub struct Place {
    pub arbiter: MediaArbiter,
    meter: Meter,
    is_held: bool,
}

impl Place {
    fn on(arbiter: &MediaArbiter) -> Self {
        arbiter.load.enter();
        Self { arbiter: arbiter.clone(), meter: Meter::default(), is_held: true }
    }

    /// Notes time spent in a tick.
    pub fn spent(&self, time: Duration) {
        self.meter.add(time);
        self.arbiter.load.meter.add(time);
    }

    /// What its actor spends.
    pub fn meter(&self) -> Meter {
        self.meter.clone()
    }

    /// Gives the place up although its holder stays a while, with nothing to do.
    pub fn vacate(&mut self) {
        if std::mem::take(&mut self.is_held) {
            self.arbiter.load.leave();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.vacate();
    }
}

impl MediaArbiter {
    /// A tick subscription for an actor that lives on this arbiter.
    pub fn subscribe(&self) -> TickStream {
        self.subscribe_at(None)
    }

    /// As [`subscribe`](Self::subscribe), on a phase of one's own choice: phases are the same instants
    /// on all arbiters.
    pub fn subscribe_at(&self, phase: Option<u8>) -> TickStream {
        let (slot, stream) = TickSlot::new(self.epoch);
        self.hub.do_send(Subscribe { slot, phase });
        stream
    }

    /// The instants half a period after the ticks of this phase.
    pub fn subscribe_between(&self, phase: u8) -> impl Stream<Item = HalfTick> + use<> {
        let phase = (usize::from(phase) + PHASES / 2) % PHASES;
        self.subscribe_at(Some(phase as u8)).map(HalfTick)
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
        let (mut entries, mut wirings) = (Vec::new(), Vec::new());
        for _ in 0..count.max(1) {
            let (entry, wiring) = MediaHub::wiring(epoch);
            entries.push(entry);
            wirings.push(wiring);
        }
        let clock = MediaClock::start(entries, real_time)?;
        let waker = clock.waker();
        let mut plane = Self { arbiters: Vec::new(), owned: Vec::new(), _clock: clock };
        for wiring in wirings {
            let Some(clock) = waker.clone() else { break };
            let arbiter = Arbiter::new();
            if real_time {
                arbiter.spawn_fn(|| {
                    let granted = sys::request_real_time(ARBITER_PRIORITY);
                    tracing::info!(priority = granted.as_str(), "media arbiter runs");
                });
            }
            let hub = MediaHub::new(wiring, clock);
            let handle = arbiter.handle();
            plane.arbiters.push(MediaArbiter {
                hub: MediaHub::start_in_arbiter(&handle, |_| hub),
                arbiter: handle,
                epoch,
                load: Arc::default(),
            });
            plane.owned.push(arbiter);
        }
        Ok(plane)
    }

    /// A place on the least busy arbiter.
    pub fn place(&self) -> Option<Place> {
        self.arbiters.iter().min_by_key(|arbiter| arbiter.load.rank()).map(Place::on)
    }

    /// A place on a certain arbiter; they are numbered from 0.
    pub fn place_on(&self, arbiter: usize) -> Option<Place> {
        self.arbiters.get(arbiter).map(Place::on)
    }

    /// The number of the arbiter of a place.
    pub fn number_of(&self, place: &Place) -> Option<usize> {
        self.arbiters.iter().position(|a| Arc::ptr_eq(&a.load, &place.arbiter.load))
    }

    /// The look at how busy the arbiters are. One holder at a time: what it measures is what
    /// [`place`](Self::place) goes by.
    pub fn watch(&self, now: Instant) -> PlaneWatch {
        let watch = |(n, arbiter): (usize, &MediaArbiter)| ArbiterWatch {
            load: arbiter.load.clone(),
            watch: Watch::new(arbiter.load.meter.clone(), now),
            gauge: metrics::gauge!("media_arbiter_busy_ratio", "arbiter" => n.to_string()),
        };
        PlaneWatch(self.arbiters.iter().enumerate().map(watch).collect())
    }

    /// Stops the arbiters; the actors on them are dropped.
    pub fn stop(&self) {
        for arbiter in &self.owned {
            arbiter.stop();
        }
    }
}

/// Looks at all arbiters now and then.
pub struct PlaneWatch(Vec<ArbiterWatch>);

struct ArbiterWatch {
    load: Arc<ArbiterLoad>,
    watch: Watch,
    gauge: metrics::Gauge,
}

impl PlaneWatch {
    /// How busy each arbiter was since the last look, 0 to 1.
    pub fn measure(&mut self, now: Instant) -> Vec<f32> {
        let measure = |arbiter: &mut ArbiterWatch| {
            let share = arbiter.watch.share(now);
            arbiter.load.measured(share);
            arbiter.gauge.set(f64::from(share));
            share
        };
        self.0.iter_mut().map(measure).collect()
    }
}

/// Below the clock, above everything that is not real time.
const ARBITER_PRIORITY: i32 = 10;
