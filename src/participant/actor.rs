//! The participant actor: one per call, on a media arbiter.
//!
//! While the call is alone it owns the line and a one-seat mixer and services both at each tick, so
//! the caller always receives audio, silence included. While the call sits in a conference the line
//! is there (docs/adr/0002) and this actor only keeps the address.

use std::time::{Duration, Instant};

use actix::prelude::*;
use media::codec::SendFormat;
use media::mixer::{Event, Mixer, PlayDone, SeatConfig, SeatId};

use super::message::{
    Close, HandOver, LineLost, Negotiate, ParticipantEvent, Play, StopPlay, TakeBack,
};
use super::playlist::Playlist;
use crate::conference::actor::ConferenceActor;
use crate::conference::message::{Renegotiated, SeatLine};
use crate::media_io::hub::Place;
use crate::media_io::line::{Agreed, Line, Moment, Scratch};
use crate::media_io::settings::MediaSettings;
use crate::media_io::tick::{HalfTick, Tick};
use crate::model::CallSid;
use crate::verb::{PlayReport, RunId};

pub struct ParticipantActor {
    call: CallSid,
    place: Place,
    events: Recipient<ParticipantEvent>,
    settings: MediaSettings,
    line: Whereabouts,
    /// The room that asked for the line while it could not be given.
    wanted: Option<Addr<ConferenceActor>>,
    /// A change of offer and answer that was passed on to the room which has the line.
    passed_on: Option<Agreed>,
    /// What to play once the line is back.
    pending: Option<Play>,
    ticking: Option<SpawnHandle>,
    /// Ticks between the ticks, while the call's packets need them.
    halves: Option<SpawnHandle>,
    scratch: Box<Scratch>,
}

enum Whereabouts {
    Here(Box<Solo>),
    InConference(Addr<ConferenceActor>),
    /// The call ended while a conference held the line.
    Awaited,
    Gone,
}

/// A call alone with the server: a mixer of one seat, and what is played into it.
struct Solo {
    line: Box<Line>,
    mixer: Mixer,
    seat: Option<SeatId>,
    playlist: Option<Playlist>,
    told_inactive: bool,
    inband_dtmf: bool,
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
            line: Whereabouts::Here(Box::new(Solo::new(Box::new(line), &settings))),
            wanted: None,
            passed_on: None,
            pending: None,
            ticking: None,
            halves: None,
            scratch: Box::default(),
        })
    }

    fn tick_on(&mut self, ctx: &mut Context<Self>) {
        if self.ticking.is_none() {
            self.ticking = Some(ctx.add_stream(self.place.arbiter.subscribe()));
        }
    }

    fn tick_off(&mut self, ctx: &mut Context<Self>) {
        for handle in [self.ticking.take(), self.halves.take()].into_iter().flatten() {
            ctx.cancel_future(handle);
        }
    }

    /// Gives the line to the room that wants it, if it is here and speaks a codec already.
    fn hand_over(&mut self, ctx: &mut Context<Self>) {
        let Whereabouts::Here(solo) = &self.line else { return };
        if solo.line.format().is_none() {
            return;
        }
        let Some(room) = self.wanted.take() else { return };
        self.tick_off(ctx);
        let next = Whereabouts::InConference(room.clone());
        if let Whereabouts::Here(solo) = std::mem::replace(&mut self.line, next) {
            room.do_send(SeatLine::new(self.call, solo.line, ctx.address()));
        }
    }

    fn finish(&mut self, mut line: Box<Line>, ctx: &mut Context<Self>) {
        line.close(&mut self.scratch);
        self.line = Whereabouts::Gone;
        ctx.stop();
    }
}

impl Actor for ParticipantActor {
    type Context = Context<Self>;
}

impl StreamHandler<Tick> for ParticipantActor {
    fn handle(&mut self, tick: Tick, ctx: &mut Context<Self>) {
        let Whereabouts::Here(solo) = &mut self.line else { return };
        let (events, at) = (&self.events, Moment::now());
        solo.send_rest(at.now, &mut self.scratch);
        solo.tick(tick, at, &mut self.scratch, |event| events.do_send(event));
        let needs_halves = solo.line.needs_halves();
        if needs_halves && self.halves.is_none() {
            let halves = self.place.arbiter.subscribe_between(tick.phase);
            self.halves = Some(ctx.add_stream(halves));
        } else if !needs_halves && let Some(handle) = self.halves.take() {
            ctx.cancel_future(handle);
        }
        if !solo.told_inactive && solo.line.silence(tick.due) > self.settings.inactivity {
            solo.told_inactive = true;
            events.do_send(ParticipantEvent::Inactive);
        }
        self.place.spent(at.now.elapsed());
    }

    /// The stream never ends by itself; actix stops an actor whose stream did.
    fn finished(&mut self, _: &mut Context<Self>) {}
}

impl StreamHandler<HalfTick> for ParticipantActor {
    fn handle(&mut self, _: HalfTick, _: &mut Context<Self>) {
        if let Whereabouts::Here(solo) = &mut self.line {
            solo.send_rest(Moment::now().now, &mut self.scratch);
        }
    }

    fn finished(&mut self, _: &mut Context<Self>) {}
}

impl Handler<Negotiate> for ParticipantActor {
    type Result = ();

    fn handle(&mut self, Negotiate(agreed): Negotiate, ctx: &mut Context<Self>) {
        match &mut self.line {
            Whereabouts::Here(solo) => {
                solo.line.negotiate(&agreed, Moment::now().now);
                solo.sit(agreed.terms.send, &self.events);
                self.tick_on(ctx);
                self.hand_over(ctx);
            }
            Whereabouts::InConference(room) => {
                // The line may be on its way back already; then the change waits for it here.
                self.passed_on = Some(agreed.clone());
                room.do_send(Renegotiated { call: self.call, agreed });
            }
            Whereabouts::Awaited | Whereabouts::Gone => {}
        }
    }
}

impl Handler<Play> for ParticipantActor {
    type Result = ();

    fn handle(&mut self, play: Play, _: &mut Context<Self>) {
        match &mut self.line {
            Whereabouts::Here(solo) => solo.play(play),
            // The call left its room a moment ago: the line is about to come back.
            Whereabouts::InConference(_) => self.pending = Some(play),
            Whereabouts::Awaited | Whereabouts::Gone => {}
        }
    }
}

impl Handler<StopPlay> for ParticipantActor {
    type Result = ();

    fn handle(&mut self, StopPlay(id): StopPlay, _: &mut Context<Self>) {
        let unheard = match &mut self.line {
            Whereabouts::Here(solo) => solo.stop_play(id),
            _ => self.pending.take_if(|play| play.id == id).is_some(),
        };
        if unheard {
            let report = PlayReport { played: Duration::ZERO, last_offset_samples: 0 };
            self.events.do_send(ParticipantEvent::Played { id, report });
        }
    }
}

impl Handler<HandOver> for ParticipantActor {
    type Result = ();

    fn handle(&mut self, HandOver(room): HandOver, ctx: &mut Context<Self>) {
        self.wanted = Some(room);
        self.hand_over(ctx);
    }
}

impl Handler<TakeBack> for ParticipantActor {
    type Result = ();

    fn handle(&mut self, TakeBack(line): TakeBack, ctx: &mut Context<Self>) {
        if let Whereabouts::Awaited = self.line {
            self.finish(line, ctx);
            return;
        }
        let mut solo = Solo::new(line, &self.settings);
        if let Some(agreed) = self.passed_on.take() {
            solo.line.negotiate(&agreed, Moment::now().now);
        }
        if let Some(format) = solo.line.format() {
            solo.sit(format, &self.events);
            self.tick_on(ctx);
        }
        if let Some(play) = self.pending.take() {
            solo.play(play);
        }
        self.line = Whereabouts::Here(Box::new(solo));
        self.hand_over(ctx);
    }
}

impl Handler<LineLost> for ParticipantActor {
    type Result = ();

    fn handle(&mut self, _: LineLost, ctx: &mut Context<Self>) {
        self.line = Whereabouts::Gone;
        self.events.do_send(ParticipantEvent::Failed);
        ctx.stop();
    }
}

impl Handler<Close> for ParticipantActor {
    type Result = ();

    fn handle(&mut self, _: Close, ctx: &mut Context<Self>) {
        match std::mem::replace(&mut self.line, Whereabouts::Awaited) {
            Whereabouts::Here(solo) => self.finish(solo.line, ctx),
            // The conference was told to release the call; the line is on its way here.
            Whereabouts::InConference(room) if room.connected() => {}
            Whereabouts::InConference(_) | Whereabouts::Awaited | Whereabouts::Gone => ctx.stop(),
        }
    }
}

impl Solo {
    fn new(line: Box<Line>, settings: &MediaSettings) -> Self {
        let mixer = Mixer::new(settings.mixer);
        Self {
            line,
            mixer,
            seat: None,
            playlist: None,
            told_inactive: false,
            inband_dtmf: settings.inband_dtmf,
        }
    }

    /// Gives the call the mixer's one seat, or changes what that is sent.
    fn sit(&mut self, format: SendFormat, events: &Recipient<ParticipantEvent>) {
        self.told_inactive = false;
        let seated = match self.seat {
            Some(seat) => self.mixer.set_format(seat, format).map(|()| seat),
            None => {
                self.line.sit();
                self.mixer.add_seat(SeatConfig::new(format))
            }
        };
        match seated {
            Ok(seat) => {
                self.mixer.detect_tones(seat, self.inband_dtmf && !self.line.has_events());
                if self.seat.replace(seat).is_none() {
                    self.start_clip();
                }
            }
            Err(error) => {
                tracing::error!(%error, "no encoder for a call");
                events.do_send(ParticipantEvent::Failed);
            }
        }
    }

    fn tick(
        &mut self,
        tick: Tick,
        at: Moment,
        scratch: &mut Scratch,
        mut tell: impl FnMut(ParticipantEvent),
    ) {
        let Some(seat) = self.seat else { return };
        self.line.receive(at, seat, &mut self.mixer, scratch, |digit| {
            tell(ParticipantEvent::Digit(digit));
        });
        self.line.skip(tick.skipped);
        self.mixer.tick(at.now);
        self.line.send(at.now, self.mixer.outgoing(seat), scratch);
        while let Some(event) = self.mixer.poll_event() {
            match event {
                Event::PlayDone(done) => {
                    if let Some((id, report)) = self.clip_ended(&done) {
                        tell(ParticipantEvent::Played { id, report });
                    }
                }
                Event::TalkStarted(_) => self.line.set_talking(true),
                Event::TalkStopped(_) => self.line.set_talking(false),
                Event::Digit(_, digit) => tell(ParticipantEvent::Digit(digit)),
            }
        }
    }

    /// Sends what the last tick left for the middle of the period.
    fn send_rest(&mut self, now: Instant, scratch: &mut Scratch) {
        if let Some(seat) = self.seat {
            self.line.send_rest(now, self.mixer.outgoing(seat), scratch);
        }
    }

    fn play(&mut self, play: Play) {
        self.stop();
        self.playlist = Some(Playlist::new(play));
        self.start_clip();
    }

    /// Stops the clip that sounds; the mixer reports it with its last samples.
    fn stop(&mut self) {
        if let Some(playing) = self.playlist.as_ref().and_then(|list| list.playing) {
            self.mixer.stop_play(playing);
        }
    }

    /// Stops the list of that name; `true` if none of it was heard and nothing will report it.
    fn stop_play(&mut self, id: RunId) -> bool {
        let Some(list) = self.playlist.take_if(|list| list.id == id) else { return false };
        if list.playing.is_none() {
            return true;
        }
        self.playlist = Some(list);
        self.stop();
        false
    }

    fn start_clip(&mut self) {
        let (Some(seat), Some(list)) = (self.seat, &mut self.playlist) else { return };
        let Some(clip) = list.next_clip() else { return };
        // Clips are rendered at rates the mixer has filters from.
        list.playing = self.mixer.play_to_seat(seat, clip).ok();
    }

    /// Goes on with the list; its name and report when it is through.
    fn clip_ended(&mut self, done: &PlayDone) -> Option<(RunId, PlayReport)> {
        let list = self.playlist.as_mut().filter(|list| list.playing == Some(done.play))?;
        if list.clip_ended(done) {
            self.start_clip();
            return None;
        }
        self.playlist.take().map(|list| list.report(done))
    }
}
