//! A floor: a mixer, the lines of those who sit in it, and what is played to them.
//!
//! The one audio path of the server: a call alone, a bridge of two and a conference of many are the
//! same thing with other rules. Its owner is an actor of a media arbiter, which subscribes to ticks and
//! calls [`Floor::tick`] at each: what arrived on every line is taken, mixed once, and everybody is sent
//! theirs (docs/adr/0002). Then [`Floor::poll`] tells what the owner may want to act on; the calls
//! themselves have heard of their digits, their plays and their silent peers already. Nothing allocates
//! in a tick after warm-up.

pub mod message;
mod player;
mod playlist;
pub mod pulse;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use actix::prelude::*;
use media::codec::SendFormat;
use media::dtmf::DtmfEvent;
use media::mixer::{self, Mixer, PlayDone, SeatConfig, SeatId, Tag};

use self::player::{Listener, Note, Order, Player, Stage};
pub use self::player::{MAX_ANNOUNCEMENTS, Told};
use crate::media_io::line::{Agreed, Line, Moment, Scratch};
use crate::media_io::settings::MediaSettings;
use crate::media_io::tick::{Tick, TickMetrics};
use crate::model::CallSid;
use crate::participant::message::{ParticipantEvent, Play, SendDigits};
use crate::verb::{PlayReport, RunId};

/// Silence between keys that are passed on or sent.
const DIGIT_GAP: Duration = Duration::from_millis(60);
/// Shorter presses are passed on as long ones: not every peer notices less.
const MIN_DIGIT: Duration = Duration::from_millis(60);
const MAX_DIGIT: Duration = Duration::from_secs(2);

/// What the owner is told after a tick.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    TalkStarted(CallSid),
    TalkStopped(CallSid),
    /// A key, as an event or as tones. The call was told.
    Digit(CallSid, DtmfEvent),
    /// What played to one call alone is over. Who asked was told.
    Played(CallSid, RunId, PlayReport),
    /// What was queued for the room begins to sound.
    RoomPlays(RunId),
    /// It is over. Who asked was told.
    RoomPlayed(RunId, PlayReport),
    /// Reading what this call's peer sent failed inside: it has to go, the others go on.
    Broken(CallSid),
}

/// A line on its way to a seat.
pub struct Arrival {
    pub call: CallSid,
    pub line: Box<Line>,
    pub format: SendFormat,
    /// Hears of digits, plays and of a peer that went silent.
    pub media: Recipient<ParticipantEvent>,
    /// It is not heard.
    pub muted: bool,
    /// It does not hear.
    pub deaf: bool,
}

/// A line that found no seat: there is no encoder for its format.
pub struct NoSeat {
    pub line: Box<Line>,
    pub error: media::Error,
}

pub struct Floor {
    mixer: Mixer,
    /// Everybody whose line is here, in no order that matters.
    seats: Vec<Seated>,
    /// What plays to everybody.
    room: Player,
    /// What waits for the lines of calls that are on their way.
    awaited: Vec<(CallSid, Player)>,
    scratch: Box<Scratch>,
    settings: MediaSettings,
    /// Rooms count their ticks; calls alone would drown them.
    metrics: Option<TickMetrics>,
    /// Keys of this tick.
    digits: Vec<(CallSid, DtmfEvent)>,
    notes: Vec<Note>,
    events: VecDeque<Event>,
}

/// A line with its place in the mixer.
struct Seated {
    call: CallSid,
    seat: SeatId,
    line: Box<Line>,
    media: Recipient<ParticipantEvent>,
    told_inactive: bool,
    deaf: bool,
    /// Its keys are sent to the others.
    relayed: bool,
    player: Box<Player>,
}

impl Floor {
    /// Of a call alone.
    pub fn new(settings: MediaSettings) -> Self {
        Self {
            mixer: Mixer::new(settings.mixer),
            seats: Vec::new(),
            room: Player::default(),
            awaited: Vec::new(),
            scratch: Box::default(),
            settings,
            metrics: None,
            digits: Vec::new(),
            notes: Vec::new(),
            events: VecDeque::new(),
        }
    }

    /// Of a room: its ticks are counted.
    pub fn of_room(settings: MediaSettings) -> Self {
        Self { metrics: Some(TickMetrics::new()), ..Self::new(settings) }
    }

    pub fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    pub fn is_seated(&self, call: CallSid) -> bool {
        self.at(call).is_some()
    }

    /// Gives a line its seat; what waited to be played to the call begins.
    ///
    /// # Errors
    /// The line back, when nothing can be sent in its format.
    pub fn seat(&mut self, arrival: Arrival) -> Result<(), NoSeat> {
        let Arrival { call, mut line, format, media, muted, deaf } = arrival;
        line.sit();
        let seat = match self.mixer.add_seat(SeatConfig { format, muted }) {
            Ok(seat) => seat,
            Err(error) => return Err(NoSeat { line, error }),
        };
        self.mixer.detect_tones(seat, self.settings.inband_dtmf && !line.has_events());
        self.mixer.deafen(seat, deaf);
        let waiting = self.awaited.iter().position(|(awaited, _)| *awaited == call);
        let mut player =
            waiting.map_or_else(Box::default, |at| Box::new(self.awaited.swap_remove(at).1));
        let mut stage = Stage { mixer: &mut self.mixer, listener: Listener::Seat(seat) };
        player.start(&mut stage, &mut self.notes);
        let (told_inactive, relayed) = (false, false);
        let seated = Seated { call, seat, line, media, told_inactive, deaf, relayed, player };
        self.seats.push(seated);
        self.note_seat(call);
        Ok(())
    }

    /// Takes the line from its seat, and reports what played or waited to be played to the call.
    pub fn unseat(&mut self, call: CallSid) -> Option<Box<Line>> {
        if let Some(at) = self.awaited.iter().position(|(awaited, _)| *awaited == call) {
            self.awaited.swap_remove(at).1.finish(None, &mut self.notes);
        }
        let seated = self.at(call).map(|at| self.seats.swap_remove(at));
        let line = seated.map(|mut seated| {
            let stage = Stage { mixer: &mut self.mixer, listener: Listener::Seat(seated.seat) };
            seated.player.finish(Some(stage), &mut self.notes);
            self.mixer.remove_seat(seated.seat);
            seated.line.set_talking(false);
            seated.line
        });
        self.note_seat(call);
        if self.seats.is_empty() {
            // Without a line there is no tick in which anything could sound or be told of.
            let stage = Stage { mixer: &mut self.mixer, listener: Listener::Room };
            self.room.finish(Some(stage), &mut self.notes);
            self.notes.clear();
            self.events.clear();
        }
        line
    }

    /// Takes all lines, touching the mixer no more: something in it failed.
    pub fn abandon(&mut self) -> impl Iterator<Item = (CallSid, Box<Line>)> + use<'_> {
        self.seats.drain(..).map(|mut seated| {
            seated.player.finish(None, &mut Vec::new());
            (seated.call, seated.line)
        })
    }

    /// Offer and answer changed.
    ///
    /// # Errors
    /// When nothing can be sent in the new format.
    pub fn renegotiate(&mut self, call: CallSid, agreed: &Agreed) -> Result<(), media::Error> {
        let Some(at) = self.at(call) else { return Ok(()) };
        let Some(seated) = self.seats.get_mut(at) else { return Ok(()) };
        seated.line.negotiate(agreed, Moment::now().now);
        seated.told_inactive = false;
        self.mixer.set_format(seated.seat, agreed.terms.send)?;
        let listen = self.settings.inband_dtmf && !seated.line.has_events();
        self.mixer.detect_tones(seated.seat, listen);
        Ok(())
    }

    /// The others hear the call, or no longer.
    pub fn mute(&mut self, call: CallSid, on: bool) {
        if let Some(seat) = self.seat_of(call) {
            self.mixer.mute(seat, on);
        }
    }

    /// The call hears the others, or no longer. What plays to it alone it hears, and what is played to the
    /// room from now on.
    pub fn deafen(&mut self, call: CallSid, on: bool) {
        let Some(seated) = self.seats.iter_mut().find(|seated| seated.call == call) else { return };
        self.mixer.deafen(seated.seat, on);
        if std::mem::replace(&mut seated.deaf, on) && !on {
            let mut stage = Stage { mixer: &mut self.mixer, listener: Listener::Seat(seated.seat) };
            seated.player.drop_copies(&mut stage, &mut self.notes);
            self.note_seat(call);
        }
    }

    /// Marks the call, for those who speak to a tag alone.
    pub fn set_tag(&mut self, call: CallSid, tag: Option<Tag>) {
        if let Some(seat) = self.seat_of(call) {
            self.mixer.set_tag(seat, tag);
        }
    }

    /// Only calls with this tag hear the call from now on; `None`: everybody does.
    pub fn speak_only_to(&mut self, call: CallSid, tag: Option<Tag>) {
        if let Some(seat) = self.seat_of(call) {
            self.mixer.speak_only_to(seat, tag);
        }
    }

    /// Sends the keys that come as events (RFC 4733) from this call to the others.
    pub fn relay_digits(&mut self, call: CallSid, on: bool) {
        if let Some(seated) = self.seats.iter_mut().find(|seated| seated.call == call) {
            seated.relayed = on;
        }
    }

    /// Sends keys to the call's peer. Lost where the peer takes no telephone-events.
    pub fn send_digits(&mut self, call: CallSid, keys: &SendDigits) {
        if let Some(seated) = self.seats.iter_mut().find(|seated| seated.call == call)
            && let Err(error) = seated.line.send_digits(&keys.digits, keys.duration, DIGIT_GAP)
        {
            tracing::debug!(call_sid = %call, %error, "keys are not sent");
        }
    }

    /// Plays to one call alone, once its line is here. The owner knows that the call is expected; `told`
    /// hears of the end, whatever it is.
    pub fn play(&mut self, call: CallSid, play: Play, told: Option<Recipient<ParticipantEvent>>) {
        let told = told.map(|to| Told { id: play.id, to });
        let order = Order { play, told, is_copy: false };
        if let Some(seated) = self.seats.iter_mut().find(|seated| seated.call == call) {
            let stage = Stage { mixer: &mut self.mixer, listener: Listener::Seat(seated.seat) };
            seated.player.play(order, Some(stage), &mut self.notes);
        } else {
            let waiting = self.awaited.iter().position(|(awaited, _)| *awaited == call);
            let at = waiting.unwrap_or_else(|| {
                self.awaited.push((call, Player::default()));
                self.awaited.len() - 1
            });
            if let Some((_, player)) = self.awaited.get_mut(at) {
                player.play(order, None, &mut self.notes);
            }
        }
        self.note_seat(call);
    }

    /// Stops what plays to the call under that name, or waits to.
    pub fn stop_play(&mut self, call: CallSid, id: RunId) {
        if let Some(seated) = self.seats.iter_mut().find(|seated| seated.call == call) {
            let stage = Stage { mixer: &mut self.mixer, listener: Listener::Seat(seated.seat) };
            seated.player.stop(id, Some(stage), &mut self.notes);
        } else if let Some((_, player)) = self.awaited.iter_mut().find(|(at, _)| *at == call) {
            player.stop(id, None, &mut self.notes);
        }
        self.note_seat(call);
    }

    /// Plays to everybody, the deaf included, after what was queued for the room before.
    /// Without anybody to hear it, it is over at once.
    pub fn play_to_room(&mut self, play: Play, told: Option<Told>) {
        let play = Play { announce: true, ..play };
        let (mixer, notes) = (&mut self.mixer, &mut self.notes);
        for seated in self.seats.iter_mut().filter(|seated| seated.deaf) {
            let order = Order { play: play.clone(), told: None, is_copy: true };
            let stage = Stage { mixer: &mut *mixer, listener: Listener::Seat(seated.seat) };
            seated.player.play(order, Some(stage), notes);
            let over = notes.drain(..).filter_map(|note| note.over(seated.call));
            self.events.extend(over);
        }
        let order = Order { play, told, is_copy: false };
        let stage = Stage { mixer: &mut *mixer, listener: Listener::Room };
        self.room.play(order, Some(stage), notes);
        if self.seats.is_empty() {
            self.room.finish(Some(Stage { mixer, listener: Listener::Room }), notes);
            return notes.clear();
        }
        self.note_room();
    }

    /// A short signal to everybody, beside all that plays. Nobody hears of its end.
    pub fn beep(&mut self, tone: mixer::Play) {
        // The tone was made at the mixer's rate, and a room without audio needs none.
        let _ = self.mixer.play_to_room(tone);
    }

    /// One tick: takes what arrived, mixes, sends. Gives whether a packet is left for the middle of the
    /// period. `skipped` periods have passed without a tick.
    pub fn tick(&mut self, tick: Tick, skipped: u32, at: Moment) -> bool {
        let mut rest = &mut self.seats[..];
        while let Some((seated, others)) = rest.split_first_mut() {
            fetch_ahead(others, &self.mixer);
            rest = others;
            let (mixer, scratch) = (&mut self.mixer, &mut *self.scratch);
            let (call, digits) = (seated.call, &mut self.digits);
            // Foreign bytes are handled here: if that ever panics, it costs this call, not the room.
            let took = catch_unwind(AssertUnwindSafe(|| {
                seated.line.receive(at, seated.seat, mixer, scratch, |digit| {
                    digits.push((call, digit));
                });
            }));
            if took.is_err() {
                self.events.push_back(Event::Broken(call));
            }
            seated.line.skip(skipped);
            if !seated.told_inactive && seated.line.silence(at.now) > self.settings.inactivity {
                seated.told_inactive = true;
                seated.media.do_send(ParticipantEvent::Inactive);
            }
        }
        if !self.digits.is_empty() {
            self.pass_digits();
        }
        self.mixer.tick(at.now);
        let mut rest = &mut self.seats[..];
        let mut needs_halves = false;
        while let Some((seated, others)) = rest.split_first_mut() {
            fetch_ahead(others, &self.mixer);
            rest = others;
            seated.line.send(at.now, self.mixer.outgoing(seated.seat), &mut self.scratch);
            needs_halves |= seated.line.needs_halves();
        }
        if let Some(metrics) = &self.metrics {
            metrics.count(tick, at.now);
        }
        needs_halves
    }

    /// Sends what the last tick left for the middle of the period.
    pub fn send_rest(&mut self, now: Instant) {
        for seated in &mut self.seats {
            seated.line.send_rest(now, self.mixer.outgoing(seated.seat), &mut self.scratch);
        }
    }

    /// What happened, oldest first; poll until `None` after each tick.
    pub fn poll(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            match self.mixer.poll_event()? {
                mixer::Event::PlayDone(done) => self.on_play_done(&done),
                mixer::Event::TalkStarted(seat) => self.on_talk(seat, true),
                mixer::Event::TalkStopped(seat) => self.on_talk(seat, false),
                mixer::Event::Digit(seat, digit) => {
                    if let Some(seated) = self.seats.iter().find(|seated| seated.seat == seat) {
                        seated.media.do_send(ParticipantEvent::Digit(digit));
                        self.events.push_back(Event::Digit(seated.call, digit));
                    }
                }
            }
        }
    }

    fn at(&self, call: CallSid) -> Option<usize> {
        self.seats.iter().position(|seated| seated.call == call)
    }

    fn seat_of(&self, call: CallSid) -> Option<SeatId> {
        self.seats.iter().find(|seated| seated.call == call).map(|seated| seated.seat)
    }

    fn on_talk(&mut self, seat: SeatId, talking: bool) {
        let Some(seated) = self.seats.iter().find(|seated| seated.seat == seat) else { return };
        seated.line.set_talking(talking);
        let call = seated.call;
        let event = if talking { Event::TalkStarted(call) } else { Event::TalkStopped(call) };
        self.events.push_back(event);
    }

    fn on_play_done(&mut self, done: &PlayDone) {
        let (mixer, notes) = (&mut self.mixer, &mut self.notes);
        match done.target {
            mixer::PlayTarget::Seat(seat) => {
                let Some(seated) = self.seats.iter_mut().find(|s| s.seat == seat) else { return };
                let call = seated.call;
                let mut stage = Stage { mixer, listener: Listener::Seat(seat) };
                seated.player.ended(done, &mut stage, notes);
                self.note_seat(call);
            }
            mixer::PlayTarget::Room => {
                self.room.ended(done, &mut Stage { mixer, listener: Listener::Room }, notes);
                self.note_room();
            }
        }
    }

    /// The keys of this tick: to their calls, and to the others where they are passed on.
    fn pass_digits(&mut self) {
        let mut digits = std::mem::take(&mut self.digits);
        for (call, digit) in digits.drain(..) {
            let Some(seated) = self.seats.iter().find(|seated| seated.call == call) else {
                continue;
            };
            seated.media.do_send(ParticipantEvent::Digit(digit));
            if seated.relayed {
                let length = digit.duration.clamp(MIN_DIGIT, MAX_DIGIT);
                let mut buffer = [0; 4];
                let key = digit.digit.as_char().encode_utf8(&mut buffer);
                for other in self.seats.iter_mut().filter(|other| other.call != call) {
                    // A peer without telephone-events, or one that is far behind, misses it.
                    let _ = other.line.send_digits(key, length, DIGIT_GAP);
                }
            }
            self.events.push_back(Event::Digit(call, digit));
        }
        self.digits = digits;
    }

    /// What became of plays to one call.
    fn note_seat(&mut self, call: CallSid) {
        self.events.extend(self.notes.drain(..).filter_map(|note| note.over(call)));
    }

    fn note_room(&mut self) {
        self.events.extend(self.notes.drain(..).map(|note| match note {
            Note::Began(id) => Event::RoomPlays(id),
            Note::Over(id, report) => Event::RoomPlayed(id, report),
        }));
    }
}

impl Note {
    /// As the owner is told of it, of what one call hears.
    fn over(self, call: CallSid) -> Option<Event> {
        match self {
            Self::Began(_) => None,
            Self::Over(id, report) => Some(Event::Played(call, id, report)),
        }
    }
}

/// While one member's system calls run, the next one's line and seat are on their way to the caches.
fn fetch_ahead(others: &[Seated], mixer: &Mixer) {
    if let Some(next) = others.first() {
        media::prefetch(&*next.line);
        mixer.prefetch(next.seat);
    }
}
