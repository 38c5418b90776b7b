//! The mixer: N seats, each hears all the others.
//!
//! The single mixing primitive of the house: a solo call is a mixer with one seat and a player, a
//! conference is N seats. Per tick it takes a frame of every seat, sums once in `i32`, gives each
//! talker the sum without itself, limits at the end, and encodes once for all seats that hear the same
//! mix in the same format. Cost is linear in seats; silent seats cost a look at their payload.
//!
//! It works at the highest rate that two of its seats share (`rate.rs`), live. Who hears whom is in
//! `audience.rs`, which encoded stream a seat is sent in `follow.rs`, how one is made in `chain.rs`.
//!
//! Called by one owner: [`Mixer::push`] for each packet, [`Mixer::tick`] every 20 ms, then
//! [`Mixer::outgoing`] for each seat and [`Mixer::poll_event`] until it is empty.

mod audience;
mod chain;
mod follow;
mod pass;
mod play;
mod rate;
mod seat;
mod seats;
mod tune;

#[cfg(test)]
mod tests;

pub use audience::Tag;
pub use chain::Outgoing;
pub use play::{Loops, Play, PlayDone, PlayEnd, PlayId, PlayTarget};
pub use seat::SeatConfig;
pub use seats::SeatId;

use std::collections::VecDeque;
use std::time::Instant;

use crate::codec::{CodecKind, SendFormat};
use crate::dsp;
use crate::dtmf::DtmfEvent;
use crate::error::Error;
use crate::jitter::{Inserted, JitterConfig};
use crate::playout::StreamStats;
use crate::prefetch::prefetch;
use crate::rtp::AudioPacket;
use crate::source::tick_samples;
use crate::time::{Ptime, SampleRate};

use audience::Audiences;
use chain::Chain;
use follow::{Groups, Stream, is_plain};
use play::Player;
use rate::Wishes;
use seat::{Output, Seat};
use seats::Seats;

/// Players of the whole room at a time; one more replaces the oldest.
pub const MAX_ROOM_PLAYS: usize = 4;
/// Rooms of up to so many seats leave nothing out: their background noise is part of the talk.
const MAX_UNGATED_SEATS: usize = 4;

/// How a mixer is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MixerConfig {
    /// For the jitter buffer of each seat.
    pub jitter: JitterConfig,
    /// It never mixes at more than this.
    pub max_rate: SampleRate,
    /// So many of the loudest seats are mixed; 0 mixes all that speak.
    pub loudest: usize,
    /// Seats that send no speech, but noise, are left out of rooms of more than a few.
    pub gate: bool,
}

impl Default for MixerConfig {
    fn default() -> Self {
        Self { jitter: JitterConfig::default(), max_rate: SampleRate::FULL, loudest: 0, gate: true }
    }
}

/// What the owner is told after a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A player ended.
    PlayDone(PlayDone),
    /// The seat's member began to talk.
    TalkStarted(SeatId),
    /// The seat's member ceased to talk, or was muted.
    TalkStopped(SeatId),
    /// A key was heard as tones in what the seat says.
    Digit(SeatId, DtmfEvent),
}

/// See the module text.
#[derive(Debug)]
pub struct Mixer {
    config: MixerConfig,
    rate: SampleRate,
    /// Samples of one tick.
    frame: usize,
    /// Ticks so far: packets of all chains begin in step with it.
    ticks: u64,
    seats: Seats,
    wishes: Wishes,
    audiences: Audiences,
    groups: Groups,
    /// What each seat says in this tick: one row of `frame` samples per slot.
    voices: Vec<i16>,
    /// G.711 payloads of seats that hear a mix of their own: one row of `PLAIN_BYTES` per slot.
    payloads: Vec<u8>,
    silence: [[u8; PLAIN_BYTES]; 2],
    mix: Vec<i16>,
    scratch: Vec<i16>,
    zeros: Vec<i16>,
    /// For choosing the loudest.
    loudness: Vec<f32>,
    room: Vec<Player>,
    next_play: u64,
    events: VecDeque<Event>,
}

/// A tick of G.711.
const PLAIN_BYTES: usize = 160;

impl Mixer {
    /// An empty room.
    pub fn new(config: MixerConfig) -> Self {
        let rate = SampleRate::NARROW;
        let frame = tick_samples(rate);
        Self {
            config,
            rate,
            frame,
            ticks: 0,
            seats: Seats::default(),
            wishes: Wishes::default(),
            audiences: Audiences::new(frame),
            groups: Groups::default(),
            voices: Vec::new(),
            payloads: Vec::new(),
            silence: [CodecKind::Pcmu, CodecKind::Pcma].map(|codec| {
                let mut payload = [0; PLAIN_BYTES];
                codec.encode(&[0; PLAIN_BYTES], &mut payload);
                payload
            }),
            mix: vec![0; frame],
            scratch: vec![0; frame],
            zeros: vec![0; frame],
            loudness: Vec::new(),
            room: Vec::with_capacity(MAX_ROOM_PLAYS),
            next_play: 0,
            events: VecDeque::new(),
        }
    }

    /// The rate it mixes at now.
    pub fn rate(&self) -> SampleRate {
        self.rate
    }

    /// Adds a member. Allocates; everything up to its removal then does not, once as many talk at a
    /// time as ever did.
    ///
    /// # Errors
    /// [`Error::CodecRate`] if its format cannot be encoded.
    pub fn add_seat(&mut self, config: SeatConfig) -> Result<SeatId, Error> {
        let mut wishes = self.wishes;
        wishes.add(config.format.sample_rate());
        let stream = if is_plain(&config.format, self.rate) {
            Stream::Plain
        } else {
            Stream::Starting(self.groups.fresh(&config.format, self.rate)?)
        };
        let audience = self.audiences.index_of(None);
        let group = self.groups.join(&config.format, audience);
        let seat = Seat::new(config, &self.config, self.rate, audience, group, stream);
        let id = self.seats.add(seat);
        let slots = self.seats.slots();
        self.voices.resize(slots * self.frame, 0);
        self.payloads.resize(slots * PLAIN_BYTES, 0);
        self.loudness.reserve(slots);
        self.events.reserve(2 * slots + MAX_ROOM_PLAYS);
        self.wishes = wishes;
        self.follow_wishes();
        Ok(id)
    }

    /// Removes a member; what played to it ends without an event. `false` if it was gone already.
    pub fn remove_seat(&mut self, seat: SeatId) -> bool {
        let Some(gone) = self.seats.remove(seat) else { return false };
        self.wishes.remove(gone.format.sample_rate());
        if let Stream::Own { chain, .. } | Stream::Starting(chain) = gone.stream {
            self.groups.put_away(Some(chain));
        }
        self.groups.leave(gone.group);
        if gone.only_to.is_some() {
            self.follow_tags();
        }
        self.follow_wishes();
        true
    }

    /// Members.
    pub fn seat_count(&self) -> usize {
        self.seats.len()
    }

    /// Whether the seat is here.
    pub fn has_seat(&self, seat: SeatId) -> bool {
        self.seats.get(seat).is_some()
    }

    /// Takes a packet a seat sent. `None` if the seat is gone.
    pub fn push(
        &mut self,
        seat: SeatId,
        arrival: Instant,
        packet: &AudioPacket<'_>,
    ) -> Option<Inserted> {
        Some(self.seats.get_mut(seat)?.push(arrival, packet))
    }

    /// Changes what the seat is sent, after a re-negotiation. What it sends says its codec itself.
    ///
    /// # Errors
    /// [`Error::NoSuchSeat`]; [`Error::CodecRate`], and the seat goes on as before.
    pub fn set_format(&mut self, seat: SeatId, format: SendFormat) -> Result<(), Error> {
        let Self { seats, groups, wishes, rate, .. } = self;
        let place = seats.get_mut(seat).ok_or(Error::NoSuchSeat)?;
        if place.format == format {
            return Ok(());
        }
        let stream = match is_plain(&format, *rate) {
            true => Stream::Plain,
            false => Stream::Starting(groups.fresh(&format, *rate)?),
        };
        let former = std::mem::replace(&mut place.stream, stream);
        // What had not filled a packet is not sent any more, but its time has passed.
        let cut = match &former {
            Stream::Own { chain, .. } => chain.pending_ms(),
            Stream::Following => groups.chain(place.group).map_or(0, Chain::pending_ms),
            Stream::Plain | Stream::Starting(_) => 0,
        };
        place.unsent_ms += cut;
        place.skipped_ms = 0;
        wishes.remove(place.format.sample_rate());
        wishes.add(format.sample_rate());
        groups.leave(place.group);
        place.group = groups.join(&format, place.audience);
        place.format = format;
        place.output = Output::Silence;
        self.follow_wishes();
        Ok(())
    }

    /// Others stop, or start, hearing the seat. It fades within one frame.
    pub fn mute(&mut self, seat: SeatId, on: bool) {
        if let Some(seat) = self.seats.get_mut(seat) {
            seat.mute(on);
        }
    }

    /// The seat stops, or starts, hearing the others. What is played to it alone it still hears.
    pub fn deafen(&mut self, seat: SeatId, on: bool) {
        if let Some(seat) = self.seats.get_mut(seat) {
            seat.deafen(on);
        }
    }

    /// How loud others hear the seat, in dB; 0 leaves it as it is. Clamped to -60..=24.
    pub fn set_gain_db(&mut self, seat: SeatId, gain_db: f32) {
        if let Some(seat) = self.seats.get_mut(seat) {
            seat.set_gain_db(gain_db);
        }
    }

    /// How loud the seat hears the others, in dB; 0 leaves them as they are. Clamped to -60..=24.
    pub fn set_volume_db(&mut self, seat: SeatId, volume_db: f32) {
        if let Some(seat) = self.seats.get_mut(seat) {
            seat.set_volume_db(volume_db);
        }
    }

    /// Brings what the seat says to a common loudness, slowly, or leaves it as it is.
    pub fn set_agc(&mut self, seat: SeatId, on: bool) {
        if let Some(seat) = self.seats.get_mut(seat) {
            seat.set_agc(on);
        }
    }

    /// Listens for keys in what the seat says, or no longer (ITU-T Q.23): for peers that cannot send
    /// them as events. [`Event::Digit`] tells of each.
    pub fn detect_tones(&mut self, seat: SeatId, on: bool) {
        let rate = self.rate;
        if let Some(seat) = self.seats.get_mut(seat) {
            seat.detect_tones(on, rate);
        }
    }

    /// Marks the seat, for those who [speak to a tag alone](Self::speak_only_to).
    pub fn set_tag(&mut self, seat: SeatId, tag: Option<Tag>) {
        if let Some(place) = self.seats.get_mut(seat) {
            place.tag = tag;
            self.follow_tags();
        }
    }

    /// Only seats with this tag hear the seat from now on; `None`: everybody does.
    pub fn speak_only_to(&mut self, seat: SeatId, tag: Option<Tag>) {
        if let Some(place) = self.seats.get_mut(seat) {
            place.only_to = tag;
            self.follow_tags();
        }
    }

    /// Whether the seat is muted; `false` for one that is gone.
    pub fn is_muted(&self, seat: SeatId) -> bool {
        self.seats.get(seat).is_some_and(Seat::is_muted)
    }

    /// Whether the seat's member is talking; `false` for one that is gone or muted.
    pub fn is_talking(&self, seat: SeatId) -> bool {
        self.seats.get(seat).is_some_and(Seat::is_talking)
    }

    /// Plays to one seat only; what played to it before is replaced.
    ///
    /// # Errors
    /// [`Error::NoSuchSeat`], [`Error::RateMismatch`].
    pub fn play_to_seat(&mut self, seat: SeatId, play: Play) -> Result<PlayId, Error> {
        let id = PlayId(self.next_play);
        let player = Player::new(id, play, self.rate)?;
        let place = self.seats.get_mut(seat).ok_or(Error::NoSuchSeat)?;
        let replaced = place.player.replace(player);
        self.next_play += 1;
        self.report(replaced, PlayTarget::Seat(seat), PlayEnd::Replaced);
        Ok(id)
    }

    /// Plays to everyone.
    ///
    /// # Errors
    /// [`Error::RateMismatch`].
    pub fn play_to_room(&mut self, play: Play) -> Result<PlayId, Error> {
        let id = PlayId(self.next_play);
        let player = Player::new(id, play, self.rate)?;
        self.next_play += 1;
        if self.room.len() == MAX_ROOM_PLAYS {
            let oldest = self.room.remove(0);
            self.report(Some(oldest), PlayTarget::Room, PlayEnd::Replaced);
        }
        self.room.push(player);
        Ok(id)
    }

    /// Ends a player: it fades within the next frame, then [`PlayDone`] follows. `false` if it has
    /// ended already.
    pub fn stop_play(&mut self, play: PlayId) -> bool {
        self.player(play).map(Player::stop).is_some()
    }

    /// Ends a player at once, without a fade and without an event: how far it came. `None` if it has
    /// ended already.
    pub fn cut_play(&mut self, play: PlayId) -> Option<PlayDone> {
        if let Some(at) = self.room.iter().position(|player| player.id() == play) {
            return Some(self.room.remove(at).done(PlayTarget::Room, PlayEnd::Stopped));
        }
        self.seats.slots_mut().find_map(|(id, seat)| {
            let player = seat?.player.take_if(|player| player.id() == play)?;
            Some(player.done(PlayTarget::Seat(id), PlayEnd::Stopped))
        })
    }

    /// Goes on playing from this sample of the PCM. `false` if the player has ended already.
    pub fn seek_play(&mut self, play: PlayId, offset: u64) -> bool {
        self.player(play).map(|player| player.seek(offset)).is_some()
    }

    /// Mixes one tick: takes what is due of every seat and makes every seat's packets.
    ///
    /// Cost is linear in seats; nothing allocates but the first streams of their own that seats need.
    pub fn tick(&mut self, now: Instant) {
        self.audiences.open();
        self.gather(now);
        let room_plays = self.play_room();
        self.audiences.close();
        self.distribute(room_plays);
        self.ticks += 1;
    }

    /// What this tick completed for the seat: one packet mostly, two of 10 ms, none while a longer
    /// one fills. While a stream of long packets waits for its first, an empty one tells of the time
    /// that passes. Nothing if the seat is gone.
    pub fn outgoing(&self, seat: SeatId) -> impl Iterator<Item = Outgoing<'_>> {
        let place = self.seats.get(seat);
        let chain = place.and_then(|place| match &place.stream {
            Stream::Own { chain, .. } => Some(&**chain),
            Stream::Following => self.groups.chain(place.group),
            Stream::Plain | Stream::Starting(_) => None,
        });
        let plain = place.and_then(|place| self.plain_payload(seat, place));
        let skipped = place.and_then(Self::skipped);
        skipped.into_iter().chain(plain).chain(chain.into_iter().flat_map(Chain::packets))
    }

    /// What everybody hears who wears no tag, at [`rate`](Self::rate), as of the last tick: for
    /// recording and streaming. Limited on first use in a tick.
    pub fn mixed(&mut self) -> &[i16] {
        self.audiences.get_mut(0).mix()
    }

    /// What others hear of the seat in the last tick, at [`rate`](Self::rate); `None` is silence.
    pub fn voice(&self, seat: SeatId) -> Option<&[i16]> {
        self.seats.get(seat).filter(|place| place.talks())?;
        self.voices.chunks_exact(self.frame).nth(seat.slot())
    }

    /// Level of the seat's last frame in dBFS, muted or not; -96 is silence. `None` if it is gone.
    pub fn seat_level(&self, seat: SeatId) -> Option<f32> {
        Some(dsp::rms_dbfs(self.seats.get(seat)?.energy(), self.frame))
    }

    /// What is known of the stream the seat sends. `None` if it is gone.
    pub fn seat_stats(&self, seat: SeatId) -> Option<StreamStats> {
        Some(self.seats.get(seat)?.playout().stats())
    }

    /// Has the state of a seat that is about to be pushed to, or asked for its packets, on its way.
    pub fn prefetch(&self, seat: SeatId) {
        if let Some(seat) = self.seats.get(seat) {
            prefetch(seat);
        }
    }

    /// What happened, oldest first; poll until `None` after each tick.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn skipped(place: &Seat) -> Option<Outgoing<'_>> {
        let units = place.format.codec.clock_hz() / 1_000 * place.skipped_ms;
        (units > 0).then_some(Outgoing { payload: &[], units, is_silent: true, later: false })
    }

    fn plain_payload<'a>(&'a self, id: SeatId, place: &'a Seat) -> Option<Outgoing<'a>> {
        if !matches!(place.stream, Stream::Plain) {
            return None;
        }
        let codec = place.format.codec;
        let payload = match place.output {
            Output::Silence => &self.silence[usize::from(codec == CodecKind::Pcma)][..],
            Output::Shared => self.audiences.get(place.audience).plain(codec),
            Output::Own { len } => self.payloads.get(id.slot() * PLAIN_BYTES..)?.get(..len)?,
        };
        let is_silent = place.output == Output::Silence;
        let units = codec.clock_units(Ptime::TICK);
        Some(Outgoing { payload, units, is_silent, later: false })
    }

    fn player(&mut self, play: PlayId) -> Option<&mut Player> {
        let seats = self.seats.iter_mut().filter_map(|seat| seat.player.as_mut());
        self.room.iter_mut().chain(seats).find(|player| player.id() == play)
    }

    fn report(&mut self, player: Option<Player>, target: PlayTarget, end: PlayEnd) {
        if let Some(player) = player {
            self.events.push_back(Event::PlayDone(player.done(target, end)));
        }
    }
}
