//! Rooms are spread over the media threads by what they cost, and go on spreading while they live.
//!
//! Every few seconds the directory looks how busy threads and rooms are; [`Balancer`] decides which
//! room goes where, if any, and the room's actor does it.

use std::time::{Duration, Instant};

use actix::prelude::*;

use super::{ConferenceActor, DirectoryActor, RoomId, room, write};
use crate::media_io::hub::{MediaPlane, Place, PlaneWatch};
use crate::media_io::load::{Balancer, RoomLoad, Watch};

/// How often the load is looked at.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The directory's knowledge of how busy everybody is.
pub(super) struct Balance {
    plane: PlaneWatch,
    balancer: Balancer,
    moved: metrics::Counter,
}

impl Balance {
    pub(super) fn new(plane: &MediaPlane) -> Self {
        Self {
            plane: plane.watch(Instant::now()),
            balancer: Balancer::default(),
            moved: metrics::counter!("conference_rooms_moved_total"),
        }
    }
}

/// Where a room is and what it costs there.
pub(super) struct RoomWatch {
    arbiter: usize,
    watch: Watch,
    /// It was told to move and has not said that it has.
    is_moving: bool,
}

impl RoomWatch {
    pub(super) fn new(place: &Place, plane: &MediaPlane) -> Self {
        Self {
            arbiter: plane.number_of(place).unwrap_or_default(),
            watch: Watch::new(place.meter(), Instant::now()),
            is_moving: false,
        }
    }
}

impl DirectoryActor {
    /// Measures; then moves one room at most, if the settings allow it.
    pub(super) fn look_at_load(&mut self) {
        let now = Instant::now();
        let arbiters = self.balance.plane.measure(now);
        let (mut rooms, mut loads) = (Vec::new(), Vec::new());
        for (id, room) in &mut self.rooms {
            let share = room.watch.watch.share(now);
            if !room.watch.is_moving {
                rooms.push(*id);
                loads.push(RoomLoad { arbiter: room.watch.arbiter, share });
            }
        }
        if !self.settings.balance {
            return;
        }
        if let Some(decided) = self.balance.balancer.decide(&arbiters, &loads)
            && let Some(room) = rooms.get(decided.room)
        {
            self.relocate(*room, decided.to);
        }
    }

    fn relocate(&mut self, id: RoomId, arbiter: usize) {
        let (Some(room), Some(place)) = (self.rooms.get_mut(&id), self.plane.place_on(arbiter))
        else {
            return;
        };
        room.watch = RoomWatch { is_moving: true, ..RoomWatch::new(&place, &self.plane) };
        room.actor.do_send(room::Relocate(place));
    }
}

/// A room lives on another thread now, and has another address.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ConferenceMoved {
    pub room: RoomId,
    pub actor: Addr<ConferenceActor>,
}

impl Handler<ConferenceMoved> for DirectoryActor {
    type Result = ();

    fn handle(&mut self, moved: ConferenceMoved, _: &mut Context<Self>) {
        let ConferenceMoved { room: id, actor } = moved;
        self.balance.moved.increment(1);
        // A room that was forgotten meanwhile has been told to stop, and passes that on.
        let Some(room) = self.rooms.get_mut(&id) else { return };
        room.actor = actor.clone();
        room.watch.is_moving = false;
        tracing::info!(conference = room.identity.name, arbiter = room.watch.arbiter, "room moved");
        if let Some(shown) = write(&self.live.conferences).get_mut(&room.identity.sid) {
            shown.actor = actor;
        }
    }
}
