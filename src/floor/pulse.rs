//! The ticks of one owner of a floor: wanted while somebody sits there.
//!
//! A lone member keeps a room ticking although nobody is heard. Phones and the boxes between take a
//! stream that stops for a dead one: NAT bindings close within half a minute, RTP timeouts hang up
//! after one, and a caller who hears not even silence hangs up himself. Nor would it save a tick to
//! hand the line back, as the participant has to send the same silence. What the room does for it is
//! the two system calls that any call alone costs; mixing one seat is the small rest.

use actix::prelude::*;

use crate::media_io::hub::MediaArbiter;
use crate::media_io::tick::{HalfTick, Tick};

#[derive(Default)]
pub struct Pulse {
    ticking: Option<SpawnHandle>,
    /// Ticks between the ticks, while a seat's packets need them.
    halves: Option<SpawnHandle>,
}

impl Pulse {
    pub fn is_on(&self) -> bool {
        self.ticking.is_some()
    }

    /// Whether the middles of the periods are asked for: what is left for them may be waiting.
    pub fn has_halves(&self) -> bool {
        self.halves.is_some()
    }

    /// Asks for ticks, in that phase of the clock or in whichever has room.
    pub fn start<A>(&mut self, arbiter: &MediaArbiter, phase: Option<u8>, ctx: &mut Context<A>)
    where
        A: Actor<Context = Context<A>> + StreamHandler<Tick>,
    {
        if self.ticking.is_none() {
            self.ticking = Some(ctx.add_stream(arbiter.subscribe_at(phase)));
        }
    }

    pub fn stop<A>(&mut self, ctx: &mut Context<A>)
    where
        A: Actor<Context = Context<A>>,
    {
        for handle in [self.ticking.take(), self.halves.take()].into_iter().flatten() {
            ctx.cancel_future(handle);
        }
    }

    /// Asks for the middles of the periods while they are `needed`.
    pub fn between<A>(
        &mut self,
        arbiter: &MediaArbiter,
        phase: u8,
        needed: bool,
        ctx: &mut Context<A>,
    ) where
        A: Actor<Context = Context<A>> + StreamHandler<HalfTick>,
    {
        if needed && self.halves.is_none() {
            self.halves = Some(ctx.add_stream(arbiter.subscribe_between(phase)));
        } else if !needed && let Some(handle) = self.halves.take() {
            ctx.cancel_future(handle);
        }
    }
}
