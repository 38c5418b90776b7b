//! A live room goes to another media thread.
//!
//! The room's actor starts a successor there with all it has and becomes an address that passes
//! messages on, in their order, until nobody holds it any more. Only the directory learns the new
//! address, for new members and for REST. Calls and participants keep the one they know on purpose: what one
//! of them sends must not overtake what it sent before.
//!
//! It happens right after a tick, and the successor asks for the same phase of the clock, so its first
//! tick is the one that is due next.

use actix::prelude::*;

use super::ConferenceActor;
use crate::conference::message::Relocate;
use crate::directory::ConferenceMoved;
use crate::floor::Floor;
use crate::floor::pulse::Pulse;
use crate::media_io::clock::PERIOD;
use crate::media_io::hub::Place;
use crate::media_io::tick::Tick;

/// Where a room is in the course of its moves.
#[derive(Default)]
pub(super) enum Residence {
    #[default]
    Here,
    /// To go there after the next tick.
    Leaving(Place),
    Gone(Addr<ConferenceActor>),
}

impl ConferenceActor {
    /// The message, if the room is here; else it goes after the room.
    pub(super) fn here<M>(&self, message: M) -> Option<M>
    where
        M: Message<Result = ()> + Send + 'static,
        Self: Handler<M>,
    {
        match &self.residence {
            Residence::Gone(successor) => {
                successor.do_send(message);
                None
            }
            _ => Some(message),
        }
    }

    /// Asks for ticks: from the first member's line on, until the last one is gone. In the phase of the
    /// last one if the room has just arrived.
    pub(super) fn tick_on(&mut self, ctx: &mut Context<Self>) {
        let phase = self.resumed_after.map(|last| last.phase);
        self.pulse.start(&self.place.arbiter, phase, ctx);
    }

    /// Periods that passed without a tick since the last one served, here or elsewhere.
    pub(super) fn skipped(&mut self, tick: Tick) -> u32 {
        let Some(last) = self.resumed_after.take() else { return tick.skipped };
        let passed = tick.due.saturating_duration_since(last.due);
        // Both are of one phase: whole periods, whatever nanoseconds say.
        let periods = (passed + PERIOD / 2).as_micros() / PERIOD.as_micros();
        u32::try_from(periods.saturating_sub(1)).unwrap_or(u32::MAX)
    }

    /// After a tick: goes, if it was told to.
    pub(super) fn depart(&mut self, last: Tick, ctx: &mut Context<Self>) {
        match std::mem::take(&mut self.residence) {
            Residence::Leaving(place) => self.relocate(place, Some(last), ctx),
            other => self.residence = other,
        }
    }

    fn relocate(&mut self, place: Place, last: Option<Tick>, ctx: &mut Context<Self>) {
        self.pulse.stop(ctx);
        if let Some(timer) = self.grace.take() {
            ctx.cancel_future(timer);
        }
        let successor = Self {
            identity: self.identity.clone(),
            place,
            directory: self.directory.clone(),
            settings: self.settings,
            entry_tone: self.entry_tone.clone(),
            created_at: self.created_at,
            started: self.started.take(),
            policy: std::mem::take(&mut self.policy),
            status_rule: std::mem::take(&mut self.status_rule),
            starter: self.starter.take(),
            status: self.status.take(),
            wait_hook: self.wait_hook.take(),
            grace_ends: self.grace_ends.take(),
            grace: None,
            guests: std::mem::take(&mut self.guests),
            joins: self.joins,
            floor: std::mem::replace(&mut self.floor, Floor::new(self.settings)),
            tags: std::mem::take(&mut self.tags),
            announcements: std::mem::take(&mut self.announcements),
            pulse: Pulse::default(),
            residence: Residence::Here,
            resumed_after: last,
        };
        let arbiter = successor.place.arbiter.handle().clone();
        let address = Self::start_in_arbiter(&arbiter, move |_| successor);
        let room = self.identity.room;
        self.directory.do_send(ConferenceMoved { room, actor: address.clone() });
        self.residence = Residence::Gone(address);
        self.place.vacate();
    }
}

impl Handler<Relocate> for ConferenceActor {
    type Result = ();

    fn handle(&mut self, order: Relocate, ctx: &mut Context<Self>) {
        let Some(Relocate(place)) = self.here(order) else { return };
        if self.pulse.is_on() {
            // A tick may be due at this moment. After the next one there is the most time.
            self.residence = Residence::Leaving(place);
        } else {
            self.relocate(place, None, ctx);
        }
    }
}
