//! What listens to a mixer without a seat: taps of the room, and of single seats.
//!
//! A tap gets a frame at every tick, silence included, and is let go when nobody reads it any more. A seat
//! that is tapped is sent a stream of its own, for what it hears has to be there as samples.

use super::{Mixer, SeatId};
use crate::sink::TapWriter;
use crate::time::SampleRate;

/// Most taps of one seat, and of the room.
pub const MAX_TAPS: usize = 8;

/// Listens to one seat.
#[derive(Debug, Default)]
pub struct SeatTap {
    /// What its peer sends, whether others may hear it or not.
    pub said: Option<TapWriter>,
    /// What it is sent: the others, and what is played to it.
    pub heard: Option<TapWriter>,
}

impl SeatTap {
    fn is_abandoned(&self) -> bool {
        let mut writers = [&self.said, &self.heard].into_iter().flatten();
        writers.all(TapWriter::is_abandoned)
    }
}

/// The taps of one seat.
#[derive(Debug, Default)]
pub(super) struct SeatTaps(Vec<SeatTap>);

impl SeatTaps {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Once a tick, before [`heard`](Self::heard).
    pub(super) fn said(&mut self, pcm: Option<&[i16]>, rate: SampleRate) {
        self.0.retain(|tap| !tap.is_abandoned());
        for tap in self.0.iter_mut().filter_map(|tap| tap.said.as_mut()) {
            tap.write(pcm, rate);
        }
    }

    pub(super) fn heard(&mut self, pcm: Option<&[i16]>, rate: SampleRate) {
        for tap in self.0.iter_mut().filter_map(|tap| tap.heard.as_mut()) {
            tap.write(pcm, rate);
        }
    }
}

impl Mixer {
    /// Has the whole mix written, from the next tick on: what everybody hears who wears no tag. `false` if
    /// there are [`MAX_TAPS`] already.
    pub fn tap_room(&mut self, tap: TapWriter) -> bool {
        let has_room = self.taps.len() < MAX_TAPS;
        if has_room {
            self.taps.push(tap);
        }
        has_room
    }

    /// Has written what the seat says and hears, from the next tick on. `false` if it is gone or has
    /// [`MAX_TAPS`] already.
    pub fn tap_seat(&mut self, seat: SeatId, tap: SeatTap) -> bool {
        let place = self.seats.get_mut(seat).filter(|place| place.taps.0.len() < MAX_TAPS);
        place.map(|place| place.taps.0.push(tap)).is_some()
    }

    /// Takes the taps from a seat, to go on at another one.
    pub fn untap_seat(&mut self, seat: SeatId) -> Vec<SeatTap> {
        self.seats.get_mut(seat).map(|place| std::mem::take(&mut place.taps.0)).unwrap_or_default()
    }

    pub(super) fn write_room(&mut self, room_plays: bool) {
        self.taps.retain(|tap| !tap.is_abandoned());
        if self.taps.is_empty() {
            return;
        }
        let audience = self.audiences.get_mut(0);
        let is_silent = audience.talkers() == 0 && !room_plays;
        let mix = if is_silent { None } else { Some(audience.mix()) };
        for tap in &mut self.taps {
            tap.write(mix, self.rate);
        }
    }
}
