//! How busy the media threads are: who may take more, and which room should go elsewhere.
//!
//! Every actor adds the time it spent in its ticks to its own [`Meter`] and to its thread's, which
//! costs one look at the clock per tick. The control side turns the sums into shares every few
//! seconds; [`Balancer`] decides on them and carries nothing out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Time spent in ticks, by one actor or by all of one thread.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<AtomicU64>);

impl Meter {
    pub(super) fn add(&self, spent: Duration) {
        let nanos = u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_add(nanos, Ordering::Relaxed);
    }

    fn nanos(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Looks at a meter now and then.
#[derive(Debug)]
pub struct Watch {
    meter: Meter,
    looked: Instant,
    nanos: u64,
}

impl Watch {
    pub fn new(meter: Meter, now: Instant) -> Self {
        Self { nanos: meter.nanos(), meter, looked: now }
    }

    /// Part of the time since the last look that was spent in ticks, 0 to 1.
    pub fn share(&mut self, now: Instant) -> f32 {
        let nanos = self.meter.nanos();
        let spent = Duration::from_nanos(nanos - std::mem::replace(&mut self.nanos, nanos));
        let passed = now.saturating_duration_since(std::mem::replace(&mut self.looked, now));
        if passed.is_zero() { 0.0 } else { (spent.as_secs_f32() / passed.as_secs_f32()).min(1.0) }
    }
}

/// What is known of one thread's load.
#[derive(Debug, Default)]
pub(super) struct ArbiterLoad {
    pub(super) meter: Meter,
    actors: AtomicUsize,
    /// At the last measurement: millionths of the time, and the actors there were.
    share: AtomicU32,
    measured_actors: AtomicUsize,
}

/// What an actor is taken to cost until the next measurement, in millionths of a thread: about what
/// a lone call does. Without it all calls of a busy second would go to the same thread.
const NEWCOMER: i64 = 500;

impl ArbiterLoad {
    pub(super) fn enter(&self) {
        self.actors.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn leave(&self) {
        self.actors.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn measured(&self, share: f32) {
        self.share.store((share * 1e6) as u32, Ordering::Relaxed);
        self.measured_actors.store(self.actors.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Orders threads: the least takes the next actor. Among idle ones, the number of actors decides.
    pub(super) fn rank(&self) -> (i64, usize) {
        let actors = self.actors.load(Ordering::Relaxed);
        let newcomers = actors as i64 - self.measured_actors.load(Ordering::Relaxed) as i64;
        let share = i64::from(self.share.load(Ordering::Relaxed));
        ((share + NEWCOMER * newcomers).max(0), actors)
    }
}

/// A room as the balancer sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoomLoad {
    /// Number of its thread.
    pub arbiter: usize,
    /// Part of the time that its ticks take.
    pub share: f32,
}

/// A room that should go to another thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// Its place in the list given.
    pub room: usize,
    pub to: usize,
}

/// Decides when a room moves: seldom, and only if it helps.
#[derive(Debug, Default)]
pub struct Balancer {
    /// Measurements in a row at which somebody was too busy.
    hot_for: u32,
}

impl Balancer {
    /// A thread busier than this gives rooms away,
    const HOT: f32 = 0.6;
    /// to one that is less busy by this,
    const GAP: f32 = 0.2;
    /// if the busier of the two is then less busy by this,
    const GAIN: f32 = 0.05;
    /// and only if it was so at this many measurements in a row.
    const PATIENCE: u32 = 2;

    /// Takes a measurement of all threads and of the rooms that can move.
    pub fn decide(&mut self, arbiters: &[f32], rooms: &[RoomLoad]) -> Option<Move> {
        let by_share = |a: &(usize, &f32), b: &(usize, &f32)| a.1.total_cmp(b.1);
        let (from, &hot) = arbiters.iter().enumerate().max_by(by_share)?;
        let (to, &cool) = arbiters.iter().enumerate().min_by(by_share)?;
        if hot < Self::HOT || hot - cool < Self::GAP {
            self.hot_for = 0;
            return None;
        }
        self.hot_for += 1;
        if self.hot_for < Self::PATIENCE {
            return None;
        }
        let busier_after = |room: &RoomLoad| (hot - room.share).max(cool + room.share);
        let candidates = rooms.iter().enumerate().filter(|(_, room)| room.arbiter == from);
        let best = candidates.min_by(|a, b| busier_after(a.1).total_cmp(&busier_after(b.1)));
        let (room, load) = best.filter(|(_, load)| busier_after(load) <= hot - Self::GAIN)?;
        tracing::debug!(share = load.share, from, to, "a room should move");
        self.hot_for = 0;
        Some(Move { room, to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rooms(shares: &[(usize, f32)]) -> Vec<RoomLoad> {
        shares.iter().map(|&(arbiter, share)| RoomLoad { arbiter, share }).collect()
    }

    /// What is decided when the same is measured again and again.
    fn at_last(arbiters: &[f32], shares: &[(usize, f32)]) -> Option<Move> {
        let mut balancer = Balancer::default();
        (0..10).find_map(|_| balancer.decide(arbiters, &rooms(shares)))
    }

    #[test]
    fn a_share_is_the_time_spent_by_the_time_passed() {
        let (meter, now) = (Meter::default(), Instant::now());
        let mut watch = Watch::new(meter.clone(), now);
        meter.add(Duration::from_millis(300));
        assert!((watch.share(now + Duration::from_secs(1)) - 0.3).abs() < 1e-6);
        assert!(watch.share(now + Duration::from_secs(2)).abs() < 1e-6);
    }

    #[test]
    fn the_least_busy_thread_is_next_and_newcomers_count_before_they_are_measured() {
        let (busy, idle) = (ArbiterLoad::default(), ArbiterLoad::default());
        busy.measured(0.010);
        let mut placed = 0;
        while idle.rank() < busy.rank() {
            idle.enter();
            placed += 1;
        }
        assert_eq!(placed, 20, "twenty calls are taken for one per cent");
        // Measured, they turn out to cost nothing.
        idle.measured(0.0);
        assert!(idle.rank() < busy.rank());
        for _ in 0..placed {
            idle.leave();
        }
        assert_eq!(idle.rank(), (0, 0));
    }

    #[test]
    fn the_room_moves_that_levels_the_threads_best() {
        let shares = [(0, 0.4), (0, 0.25), (0, 0.05), (1, 0.1)];
        assert_eq!(at_last(&[0.7, 0.1], &shares), Some(Move { room: 1, to: 1 }));
        assert_eq!(at_last(&[0.1, 0.3, 0.7], &[(2, 0.7), (2, 0.2)]), Some(Move { room: 1, to: 0 }));
    }

    #[test]
    fn nothing_moves_without_need_or_gain() {
        assert_eq!(at_last(&[0.59, 0.0], &[(0, 0.3)]), None, "not hot");
        assert_eq!(at_last(&[0.9, 0.75], &[(0, 0.1)]), None, "nobody has room");
        assert_eq!(at_last(&[0.9, 0.1], &[(0, 0.9)]), None, "one giant would only change places");
        assert_eq!(at_last(&[0.9, 0.1], &[(0, 0.01)]), None, "no gain");
        assert_eq!(at_last(&[0.9, 0.1], &[(1, 0.1)]), None, "lone calls, and they do not move");
        assert_eq!(at_last(&[0.9], &[(0, 0.3), (0, 0.6)]), None, "nowhere to go");
    }

    #[test]
    fn one_hot_measurement_moves_nothing_and_a_move_is_waited_for() {
        let (mut balancer, rooms) = (Balancer::default(), rooms(&[(0, 0.3), (0, 0.4)]));
        let mut decide = |hot: f32| balancer.decide(&[hot, 0.0], &rooms).is_some();
        let decided = [0.7, 0.5, 0.7, 0.7, 0.7, 0.7].map(&mut decide);
        assert_eq!(decided, [false, false, false, true, false, true]);
    }
}
