//! The participant actor: one per call, on a media arbiter.
//!
//! While the call is alone it owns the line, on a floor of one seat that it services at each tick, so
//! the caller always receives audio, silence included. While the call sits in a room the line is
//! there (docs/adr/0002) and this actor only keeps the way to it.

use std::collections::VecDeque;

use actix::prelude::*;

use super::message::{
    Close, HandOver, LineLost, Negotiate, ParticipantEvent, Play, Pressed, SendDigits, StopPlay,
    TakeBack, Tap,
};
use crate::floor::message::{
    MemberPressed, PlayToMember, Renegotiated, RoomAddr, SeatLine, SendMemberDigits,
    StopMemberPlay, TapMember,
};
use crate::floor::pulse::Pulse;
use crate::floor::{Arrival, Event, Floor, MAX_ANNOUNCEMENTS, NoSeat};
use crate::media_io::hub::Place;
use crate::media_io::line::{Agreed, Line, Moment, Scratch};
use crate::media_io::settings::MediaSettings;
use crate::media_io::tick::{HalfTick, Tick};
use crate::model::CallSid;
use crate::verb::{PlayReport, RunId};

/// Plays that wait for a line that is elsewhere: what is one too many is over unheard.
const MAX_PENDING: usize = MAX_ANNOUNCEMENTS + 1;

pub struct ParticipantActor {
    call: CallSid,
    place: Place,
    events: Recipient<ParticipantEvent>,
    settings: MediaSettings,
    line: Whereabouts,
    /// The room that asked for the line while it could not be given.
    wanted: Option<RoomAddr>,
    /// A change of offer and answer that was passed on to the room which has the line.
    passed_on: Option<Agreed>,
    /// What to play once the line is here and speaks a codec: at most one that is no announcement.
    pending: VecDeque<Play>,
    pulse: Pulse,
    /// The call wants no more of it, or knows that there is no more: nothing is left to be told.
    is_over: bool,
}

enum Whereabouts {
    /// Here, and nothing was agreed on yet.
    New(Box<Line>),
    Here(Box<Floor>),
    InRoom(RoomAddr),
    /// The call ended while a room held the line.
    Awaited,
    Gone,
}

impl ParticipantActor {
    /// Starts the participant on the arbiter of its `place`.
    pub fn launch(
        call: CallSid,
        place: Place,
        line: Line,
        settings: MediaSettings,
        events: Recipient<ParticipantEvent>,
    ) -> Addr<Self> {
        let arbiter = place.arbiter.handle().clone();
        Self::start_in_arbiter(&arbiter, move |_| Self {
            call,
            place,
            events,
            settings,
            line: Whereabouts::New(Box::new(line)),
            wanted: None,
            passed_on: None,
            pending: VecDeque::new(),
            pulse: Pulse::default(),
            is_over: false,
        })
    }

    /// The line is here. Goes on to the room that wants it, or sits down alone.
    fn settle(&mut self, line: Box<Line>, ctx: &mut Context<Self>) {
        let Some(format) = line.format() else {
            self.line = Whereabouts::New(line);
            return;
        };
        if let Some(room) = self.wanted.take() {
            return self.send_to(room, line, ctx);
        }
        let mut floor = Box::new(Floor::new(self.settings));
        let media = self.events.clone();
        let (call, muted, deaf) = (self.call, false, false);
        match floor.seat(Arrival { call, line, format, media, muted, deaf }) {
            Ok(()) => {
                for play in self.pending.drain(..) {
                    floor.play(call, play, Some(self.events.clone()));
                }
                self.pulse.start(&self.place.arbiter, None, ctx);
                self.line = Whereabouts::Here(floor);
            }
            Err(NoSeat { line, error }) => {
                self.line = Whereabouts::New(line);
                self.fail(&error);
            }
        }
    }

    fn fail(&self, error: &media::Error) {
        tracing::error!(call_sid = %self.call, %error, "no encoder for a call");
        self.events.do_send(ParticipantEvent::Failed);
    }

    fn send_to(&mut self, room: RoomAddr, line: Box<Line>, ctx: &mut Context<Self>) {
        self.pulse.stop(ctx);
        room.seat.do_send(SeatLine::new(self.call, line, ctx.address().recipient()));
        let (there, here): (VecDeque<_>, _) = self.pending.drain(..).partition(|play| play.there);
        self.pending = here;
        for play in there {
            let told = Some(self.events.clone());
            room.play.do_send(PlayToMember::new(self.call, play, told));
        }
        self.line = Whereabouts::InRoom(room);
    }

    /// Keeps a play until the line is here.
    fn keep(&mut self, play: Play) {
        if !play.announce
            && let Some(at) = self.pending.iter().position(|waiting| !waiting.announce)
        {
            self.unheard_at(at);
        }
        if self.pending.len() < MAX_PENDING {
            self.pending.push_back(play);
        } else {
            self.unheard(play.id);
        }
    }

    fn unheard_at(&mut self, at: usize) {
        if let Some(play) = self.pending.remove(at) {
            self.unheard(play.id);
        }
    }

    fn unheard(&self, id: RunId) {
        self.events.do_send(ParticipantEvent::Played { id, report: PlayReport::default() });
    }

    fn finish(&mut self, mut line: Box<Line>, ctx: &mut Context<Self>) {
        line.close(&mut Scratch::default());
        self.line = Whereabouts::Gone;
        ctx.stop();
    }
}

impl Actor for ParticipantActor {
    type Context = Context<Self>;
}

/// A participant that is dropped with a call (a panic in it) says so: nobody serves the line any more.
impl Drop for ParticipantActor {
    fn drop(&mut self) {
        if !self.is_over {
            // Not when the server stops.
            if std::thread::panicking() {
                tracing::error!(call_sid = %self.call, "media of a call failed inside the server");
            }
            self.events.do_send(ParticipantEvent::Failed);
        }
    }
}

impl StreamHandler<Tick> for ParticipantActor {
    fn handle(&mut self, tick: Tick, ctx: &mut Context<Self>) {
        let Whereabouts::Here(floor) = &mut self.line else { return };
        let at = Moment::now();
        if self.pulse.has_halves() {
            floor.send_rest(at.now);
        }
        let needs_halves = floor.tick(tick, tick.skipped, at);
        self.pulse.between(&self.place.arbiter, tick.phase, needs_halves, ctx);
        while let Some(event) = floor.poll() {
            if let Event::Broken(call) = event {
                tracing::error!(call_sid = %call, "media of a call failed");
                self.events.do_send(ParticipantEvent::Failed);
            }
        }
        self.place.spent(at.now.elapsed());
    }

    /// The stream never ends by itself; actix stops an actor whose stream did.
    fn finished(&mut self, _: &mut Context<Self>) {}
}

impl StreamHandler<HalfTick> for ParticipantActor {
    fn handle(&mut self, _: HalfTick, _: &mut Context<Self>) {
        if let Whereabouts::Here(floor) = &mut self.line {
            floor.send_rest(Moment::now().now);
        }
    }

    fn finished(&mut self, _: &mut Context<Self>) {}
}

impl Handler<Negotiate> for ParticipantActor {
    type Result = ();

    fn handle(&mut self, Negotiate(agreed): Negotiate, ctx: &mut Context<Self>) {
        match std::mem::replace(&mut self.line, Whereabouts::Gone) {
            Whereabouts::New(mut line) => {
                line.negotiate(&agreed, Moment::now().now);
                self.settle(line, ctx);
            }
            Whereabouts::Here(mut floor) => {
                if let Err(error) = floor.renegotiate(self.call, &agreed) {
                    self.fail(&error);
                }
                self.line = Whereabouts::Here(floor);
            }
            Whereabouts::InRoom(room) => {
                // The line may be on its way back already; then the change waits for it here.
                self.passed_on = Some(agreed.clone());
                room.renegotiated.do_send(Renegotiated { call: self.call, agreed });
                self.line = Whereabouts::InRoom(room);
            }
            elsewhere @ (Whereabouts::Awaited | Whereabouts::Gone) => self.line = elsewhere,
        }
    }
}

impl Handler<Play> for ParticipantActor {
    type Result = ();

    fn handle(&mut self, play: Play, _: &mut Context<Self>) {
        let (call, told) = (self.call, Some(self.events.clone()));
        match &mut self.line {
            Whereabouts::Here(floor) => floor.play(call, play, told),
            Whereabouts::InRoom(room) if play.there => {
                room.play.do_send(PlayToMember::new(call, play, told));
            }
            // It may be that the call left its room a moment ago: the line is about to come back.
            Whereabouts::InRoom(_) | Whereabouts::New(_) => self.keep(play),
            Whereabouts::Awaited | Whereabouts::Gone => self.unheard(play.id),
        }
    }
}

impl Handler<StopPlay> for ParticipantActor {
    type Result = ();

    fn handle(&mut self, StopPlay(id): StopPlay, _: &mut Context<Self>) {
        if let Some(at) = self.pending.iter().position(|play| play.id == id) {
            return self.unheard_at(at);
        }
        match &mut self.line {
            Whereabouts::Here(floor) => floor.stop_play(self.call, id),
            // A play that went there and is over was reported, and is not known any more.
            Whereabouts::InRoom(room) => {
                room.stop_play.do_send(StopMemberPlay { call: self.call, id });
            }
            Whereabouts::New(_) | Whereabouts::Awaited | Whereabouts::Gone => {}
        }
    }
}

impl Handler<SendDigits> for ParticipantActor {
    type Result = ();

    fn handle(&mut self, digits: SendDigits, _: &mut Context<Self>) {
        match &mut self.line {
            Whereabouts::Here(floor) => floor.send_digits(self.call, &digits),
            Whereabouts::InRoom(room) => {
                room.digits.do_send(SendMemberDigits { call: self.call, digits });
            }
            Whereabouts::New(_) | Whereabouts::Awaited | Whereabouts::Gone => {}
        }
    }
}

impl Handler<Tap> for ParticipantActor {
    type Result = ();

    fn handle(&mut self, tap: Tap, ctx: &mut Context<Self>) {
        match &mut self.line {
            Whereabouts::New(line) => line.put_taps([tap.tap]),
            Whereabouts::Here(floor) => {
                // It has its seat here.
                floor.tap(self.call, tap.tap);
            }
            Whereabouts::InRoom(room) => {
                room.tap.do_send(TapMember::new(self.call, tap, ctx.address().recipient()));
            }
            Whereabouts::Awaited | Whereabouts::Gone => {}
        }
    }
}

impl Handler<Pressed> for ParticipantActor {
    type Result = ();

    fn handle(&mut self, Pressed(key): Pressed, _: &mut Context<Self>) {
        // Alone there is nobody to pass it on to.
        if let Whereabouts::InRoom(room) = &self.line {
            room.pressed.do_send(MemberPressed { call: self.call, key });
        }
    }
}

impl Handler<HandOver> for ParticipantActor {
    type Result = ();

    fn handle(&mut self, HandOver(room): HandOver, ctx: &mut Context<Self>) {
        match std::mem::replace(&mut self.line, Whereabouts::Gone) {
            Whereabouts::Here(mut floor) => {
                if let Some(line) = floor.unseat(self.call) {
                    self.send_to(room, line, ctx);
                }
            }
            elsewhere => {
                self.line = elsewhere;
                self.wanted = Some(room);
            }
        }
    }
}

impl Handler<TakeBack> for ParticipantActor {
    type Result = ();

    fn handle(&mut self, TakeBack(mut line): TakeBack, ctx: &mut Context<Self>) {
        if let Whereabouts::Awaited = self.line {
            self.finish(line, ctx);
            return;
        }
        if let Some(agreed) = self.passed_on.take() {
            line.negotiate(&agreed, Moment::now().now);
        }
        self.settle(line, ctx);
    }
}

impl Handler<LineLost> for ParticipantActor {
    type Result = ();

    fn handle(&mut self, _: LineLost, ctx: &mut Context<Self>) {
        (self.line, self.is_over) = (Whereabouts::Gone, true);
        self.events.do_send(ParticipantEvent::Failed);
        ctx.stop();
    }
}

impl Handler<Close> for ParticipantActor {
    type Result = ();

    fn handle(&mut self, _: Close, ctx: &mut Context<Self>) {
        self.is_over = true;
        match std::mem::replace(&mut self.line, Whereabouts::Awaited) {
            Whereabouts::New(line) => self.finish(line, ctx),
            Whereabouts::Here(mut floor) => match floor.unseat(self.call) {
                Some(line) => self.finish(line, ctx),
                None => ctx.stop(),
            },
            // The room was told to release the call; the line is on its way here.
            Whereabouts::InRoom(room) if room.connected() => {}
            Whereabouts::InRoom(_) | Whereabouts::Awaited | Whereabouts::Gone => ctx.stop(),
        }
    }
}
