//! The mixer: N seats, each hears all the others.
//!
//! The single mixing primitive of the house: a solo call is a mixer with one seat and a player, a
//! conference is N seats. Per tick it decodes every seat once, sums once in `i32`, gives each talker
//! the sum without itself, limits at the end, and encodes once for all seats that hear the same mix
//! with the same codec. Cost is linear in seats; silent seats cost a look at their payload.
//!
//! Called by one owner: [`Mixer::push`] for each packet, [`Mixer::tick`] every 20 ms, then
//! [`Mixer::payload`] for each seat and [`Mixer::poll_event`] until it is empty.

mod play;
mod seat;
mod share;

#[cfg(test)]
mod tests;

pub use play::{Loops, Play, PlayDone, PlayEnd, PlayId, PlayTarget};
pub use seat::SeatConfig;

use std::collections::VecDeque;
use std::time::Instant;

use crate::codec::CodecKind;
use crate::dsp;
use crate::error::Error;
use crate::jitter::{Inserted, JitterConfig};
use crate::playout::StreamStats;
use crate::rtp::AudioPacket;
use crate::source::tick_samples;
use crate::time::SampleRate;

use play::Player;
use seat::{Output, Seat};
use share::Shared;

/// Players of the whole room at a time; one more replaces the oldest.
pub const MAX_ROOM_PLAYS: usize = 4;

/// How a mixer is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MixerConfig {
    /// The rate it mixes at. Every codec in it must have this rate today.
    pub rate: SampleRate,
    /// For the jitter buffer of each seat.
    pub jitter: JitterConfig,
}

impl Default for MixerConfig {
    fn default() -> Self {
        Self { rate: SampleRate::NARROW, jitter: JitterConfig::default() }
    }
}

/// A place in a mixer. Stays valid until [`Mixer::remove_seat`]; never names a later occupant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeatId {
    index: u32,
    generation: u32,
}

/// What the owner is told after a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A player ended.
    PlayDone(PlayDone),
}

/// See the module text.
#[derive(Debug)]
pub struct Mixer {
    config: MixerConfig,
    /// Samples of one tick.
    frame: usize,
    slots: Vec<Slot>,
    free: Vec<u32>,
    occupied: usize,
    /// What each seat says in this tick: one row of `frame` samples per slot.
    voices: Vec<i16>,
    /// Payloads of seats that hear a mix of their own: one row of `frame` bytes per slot.
    payloads: Vec<u8>,
    sum: Vec<i32>,
    mix: Vec<i16>,
    scratch: Vec<i16>,
    shared: Shared,
    room: Vec<Player>,
    next_play: u64,
    events: VecDeque<Event>,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    seat: Option<Seat>,
}

impl Mixer {
    /// An empty room.
    pub fn new(config: MixerConfig) -> Self {
        let frame = tick_samples(config.rate);
        Self {
            config,
            frame,
            slots: Vec::new(),
            free: Vec::new(),
            occupied: 0,
            voices: Vec::new(),
            payloads: Vec::new(),
            sum: vec![0; frame],
            mix: vec![0; frame],
            scratch: vec![0; frame],
            shared: Shared::new(frame),
            room: Vec::with_capacity(MAX_ROOM_PLAYS),
            next_play: 0,
            events: VecDeque::new(),
        }
    }

    /// The rate it mixes at; what is played must have it.
    pub fn rate(&self) -> SampleRate {
        self.config.rate
    }

    /// Adds a member. Allocates; everything up to its removal then does not.
    pub fn add_seat(&mut self, config: SeatConfig) -> SeatId {
        let index = self.free.pop().unwrap_or_else(|| self.grow());
        let slot = &mut self.slots[index as usize];
        slot.seat = Some(Seat::new(config, &self.config));
        self.occupied += 1;
        self.events.reserve(2 * self.occupied + MAX_ROOM_PLAYS);
        SeatId { index, generation: slot.generation }
    }

    /// Removes a member; what played to it ends without an event. `false` if it was gone already.
    pub fn remove_seat(&mut self, seat: SeatId) -> bool {
        if self.seat(seat).is_none() {
            return false;
        }
        let slot = &mut self.slots[seat.index as usize];
        slot.seat = None;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(seat.index);
        self.occupied -= 1;
        true
    }

    /// Members.
    pub fn seat_count(&self) -> usize {
        self.occupied
    }

    /// Whether the seat is here.
    pub fn has_seat(&self, seat: SeatId) -> bool {
        self.seat(seat).is_some()
    }

    /// Takes a packet a seat sent. `None` if the seat is gone.
    pub fn push(
        &mut self,
        seat: SeatId,
        arrival: Instant,
        packet: &AudioPacket<'_>,
    ) -> Option<Inserted> {
        Some(self.seat_mut(seat)?.push(arrival, packet))
    }

    /// Changes what the seat is sent, after a re-negotiation. What it sends says its codec itself.
    pub fn set_codec(&mut self, seat: SeatId, codec: CodecKind) {
        if let Some(seat) = self.seat_mut(seat) {
            seat.set_codec(codec);
        }
    }

    /// Others stop, or start, hearing the seat. It fades within one frame.
    pub fn mute(&mut self, seat: SeatId, on: bool) {
        if let Some(seat) = self.seat_mut(seat) {
            seat.mute(on);
        }
    }

    /// The seat stops, or starts, hearing the others. What is played to it alone it still hears.
    pub fn deafen(&mut self, seat: SeatId, on: bool) {
        if let Some(seat) = self.seat_mut(seat) {
            seat.deafen(on);
        }
    }

    /// How loud others hear the seat, in dB; 0 leaves it as it is. Clamped to -60..=24.
    pub fn set_gain_db(&mut self, seat: SeatId, gain_db: f32) {
        if let Some(seat) = self.seat_mut(seat) {
            seat.set_gain_db(gain_db);
        }
    }

    /// Whether the seat is muted; `false` for one that is gone.
    pub fn is_muted(&self, seat: SeatId) -> bool {
        self.seat(seat).is_some_and(Seat::is_muted)
    }

    /// Plays to one seat only; what played to it before is replaced.
    ///
    /// # Errors
    /// [`Error::NoSuchSeat`], [`Error::RateMismatch`].
    pub fn play_to_seat(&mut self, seat: SeatId, play: Play) -> Result<PlayId, Error> {
        self.check_rate(&play)?;
        let id = PlayId(self.next_play);
        let place = self.seat_mut(seat).ok_or(Error::NoSuchSeat)?;
        let replaced = place.player.replace(Player::new(id, play));
        self.next_play += 1;
        self.report(replaced, PlayTarget::Seat(seat), PlayEnd::Replaced);
        Ok(id)
    }

    /// Plays to everyone.
    ///
    /// # Errors
    /// [`Error::RateMismatch`].
    pub fn play_to_room(&mut self, play: Play) -> Result<PlayId, Error> {
        self.check_rate(&play)?;
        let id = PlayId(self.next_play);
        self.next_play += 1;
        if self.room.len() == MAX_ROOM_PLAYS {
            let oldest = self.room.remove(0);
            self.report(Some(oldest), PlayTarget::Room, PlayEnd::Replaced);
        }
        self.room.push(Player::new(id, play));
        Ok(id)
    }

    /// Ends a player: it fades within the next frame, then [`PlayDone`] follows. `false` if it has
    /// ended already.
    pub fn stop_play(&mut self, play: PlayId) -> bool {
        let seats = self.slots.iter_mut().filter_map(|slot| slot.seat.as_mut());
        let mut players = self.room.iter_mut().chain(seats.filter_map(|seat| seat.player.as_mut()));
        match players.find(|player| player.id() == play) {
            Some(player) => {
                player.stop();
                true
            }
            None => false,
        }
    }

    /// Mixes one tick: takes what is due of every seat and makes every seat's payload.
    ///
    /// Cost is linear in seats; nothing allocates.
    pub fn tick(&mut self, now: Instant) {
        let talkers = self.gather(now);
        let room_plays = self.play_room();
        self.shared.begin_tick();
        self.distribute(talkers, room_plays);
    }

    /// The 20 ms for this seat, encoded with its codec: always something, silence included. Empty
    /// only if the seat is gone.
    pub fn payload(&self, seat: SeatId) -> &[u8] {
        let Some(place) = self.seat(seat) else { return &[] };
        match place.output {
            Output::Silence => self.shared.silence(place.codec()),
            Output::Shared => self.shared.payload(place.codec()),
            Output::Own { len } => {
                let start = seat.index as usize * self.frame;
                &self.payloads[start..start + len]
            }
        }
    }

    /// Level of the seat's last frame in dBFS, muted or not; -96 is silence. `None` if it is gone.
    pub fn seat_level(&self, seat: SeatId) -> Option<f32> {
        Some(dsp::rms_dbfs(self.seat(seat)?.energy(), self.frame))
    }

    /// Figures of what the seat sends. `None` if it is gone.
    pub fn seat_stats(&self, seat: SeatId) -> Option<StreamStats> {
        Some(self.seat(seat)?.playout().stats())
    }

    /// How much audio the seat's jitter buffer holds back. `None` if it is gone.
    pub fn seat_delay(&self, seat: SeatId) -> Option<std::time::Duration> {
        Some(self.seat(seat)?.playout().delay())
    }

    /// What happened, oldest first; poll until `None` after each tick.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// First pass: every seat's frame into its row, and the sum. Gives the number of talkers.
    fn gather(&mut self, now: Instant) -> usize {
        self.sum.fill(0);
        let mut talkers = 0;
        for (slot, row) in self.slots.iter_mut().zip(self.voices.chunks_exact_mut(self.frame)) {
            let Some(seat) = &mut slot.seat else { continue };
            if seat.speak(now, row) {
                dsp::add(&mut self.sum, row);
                talkers += 1;
            }
        }
        talkers
    }

    /// Adds what plays to the room. Gives whether anything did.
    fn play_room(&mut self) -> bool {
        let any = !self.room.is_empty();
        for player in &mut self.room {
            player.render(&mut self.scratch);
            dsp::add(&mut self.sum, &self.scratch);
        }
        let events = &mut self.events;
        self.room.retain(|player| match player.ended() {
            Some(end) => {
                events.push_back(Event::PlayDone(player.done(PlayTarget::Room, end)));
                false
            }
            None => true,
        });
        any
    }

    /// Second pass: every seat's payload, shared where it can be.
    fn distribute(&mut self, talkers: usize, room_plays: bool) {
        let Self { slots, voices, payloads, sum, mix, scratch, shared, events, frame, .. } = self;
        let rows = voices.chunks_exact(*frame).zip(payloads.chunks_exact_mut(*frame));
        for (index, (slot, (voice, payload))) in slots.iter_mut().zip(rows).enumerate() {
            let Some(seat) = &mut slot.seat else { continue };
            let others = talkers - usize::from(seat.talks());
            let hears = !seat.hear.is_shut() && (others > 0 || room_plays);
            if seat.player.is_none() && (!hears || (seat.hear.is_open() && !seat.talks())) {
                seat.hear.settle();
                seat.output = if hears { Output::Shared } else { Output::Silence };
                if hears {
                    shared.encode(seat.codec(), sum, mix);
                }
                continue;
            }
            match (hears, seat.talks()) {
                (true, true) => dsp::subtract(sum, voice, mix),
                (true, false) => dsp::limit(sum, mix),
                (false, _) => mix.fill(0),
            }
            seat.hear.apply(mix);
            if let Some(player) = &mut seat.player {
                player.render(scratch);
                dsp::add_saturating(mix, scratch);
                if let Some(end) = player.ended() {
                    let id = SeatId { index: index as u32, generation: slot.generation };
                    events.push_back(Event::PlayDone(player.done(PlayTarget::Seat(id), end)));
                    seat.player = None;
                }
            }
            seat.output = Output::Own { len: seat.codec().encode(mix, payload) };
        }
    }

    fn report(&mut self, player: Option<Player>, target: PlayTarget, end: PlayEnd) {
        if let Some(player) = player {
            self.events.push_back(Event::PlayDone(player.done(target, end)));
        }
    }

    fn check_rate(&self, play: &Play) -> Result<(), Error> {
        let (source_hz, mixer_hz) = (play.pcm.rate().hz(), self.config.rate.hz());
        if source_hz == mixer_hz {
            Ok(())
        } else {
            Err(Error::RateMismatch { source_hz, mixer_hz })
        }
    }

    fn grow(&mut self) -> u32 {
        self.slots.push(Slot::default());
        self.voices.resize(self.slots.len() * self.frame, 0);
        self.payloads.resize(self.slots.len() * self.frame, 0);
        self.free.reserve(self.slots.len());
        self.slots.len() as u32 - 1
    }

    fn seat(&self, id: SeatId) -> Option<&Seat> {
        let slot = self.slots.get(id.index as usize)?;
        if slot.generation == id.generation { slot.seat.as_ref() } else { None }
    }

    fn seat_mut(&mut self, id: SeatId) -> Option<&mut Seat> {
        let slot = self.slots.get_mut(id.index as usize)?;
        if slot.generation == id.generation { slot.seat.as_mut() } else { None }
    }
}
