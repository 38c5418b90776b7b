//! The bridge actor: two calls talk, on a media arbiter.
//!
//! It asks both participants for their lines and services them on one floor. It lives as long as both
//! calls want it: when one goes, by itself or because its media failed, the other is told and gets its
//! line back.

use actix::prelude::*;

use super::message::{BridgeEvent, Enter, Exit, Happened, Hold, Mute, RelayDigits, Whisper};
use crate::floor::message::{
    PlayToMember, Renegotiated, RoomAddr, SeatLine, SendMemberDigits, StopMemberPlay,
};
use crate::floor::pulse::Pulse;
use crate::floor::{Arrival, Event, Floor, NoSeat};
use crate::media_io::hub::{MediaPlane, Place};
use crate::media_io::line::Moment;
use crate::media_io::settings::MediaSettings;
use crate::media_io::tick::{HalfTick, Tick};
use crate::model::CallSid;
use crate::participant::actor::ParticipantActor;
use crate::participant::message::{HandOver, ParticipantEvent, Play, TakeBack};
use crate::verb::RunId;

/// Whispers that sound or wait at a time.
const MAX_WHISPERS: usize = 16;

pub struct BridgeActor {
    place: Place,
    floor: Floor,
    pulse: Pulse,
    /// At most two.
    parties: Vec<Party>,
    /// What is played to one of the two while they are apart.
    whispers: Vec<(CallSid, RunId)>,
    is_connected: bool,
}

struct Party {
    call: CallSid,
    run: RunId,
    participant: Addr<ParticipantActor>,
    media: Recipient<ParticipantEvent>,
    told: Recipient<BridgeEvent>,
    muted: bool,
    held: bool,
    relayed: bool,
}

/// Opens a bridge on the least busy media arbiter, for two calls to [`Enter`]. `None`: there is none.
pub fn open(plane: &MediaPlane, settings: MediaSettings) -> Option<Addr<BridgeActor>> {
    let place = plane.place()?;
    let arbiter = place.arbiter.handle().clone();
    Some(BridgeActor::start_in_arbiter(&arbiter, move |_| BridgeActor {
        place,
        floor: Floor::of_room(settings),
        pulse: Pulse::default(),
        parties: Vec::with_capacity(2),
        whispers: Vec::new(),
        is_connected: false,
    }))
}

impl Party {
    fn tell(&self, happened: Happened) {
        self.told.do_send(BridgeEvent { run: self.run, happened });
    }
}

impl BridgeActor {
    fn party(&mut self, call: CallSid) -> Option<&mut Party> {
        self.parties.iter_mut().find(|party| party.call == call)
    }

    /// Has the floor do as things stand now.
    fn arrange(&mut self) {
        let apart = !self.whispers.is_empty();
        for party in &self.parties {
            self.floor.mute(party.call, party.muted || party.held);
            self.floor.deafen(party.call, party.held || apart);
            self.floor.relay_digits(party.call, party.relayed && !party.held && !apart);
        }
    }

    /// One of the two goes, so both do: the lines go back to their owners.
    fn part(&mut self, leaver: CallSid, ctx: &mut Context<Self>) {
        for party in std::mem::take(&mut self.parties) {
            if let Some(line) = self.floor.unseat(party.call) {
                party.participant.do_send(TakeBack(line));
            }
            if party.call != leaver {
                party.tell(Happened::PeerLeft);
            }
        }
        self.pulse.stop(ctx);
        ctx.stop();
    }

    /// A call's media failed: it is told so, and goes.
    fn eject(&mut self, call: CallSid, ctx: &mut Context<Self>) {
        tracing::error!(call_sid = %call, "media of a call failed");
        if let Some(party) = self.party(call) {
            party.media.do_send(ParticipantEvent::Failed);
            party.tell(Happened::Failed);
        }
        self.part(call, ctx);
    }

    fn cannot_encode(&mut self, call: CallSid, error: &media::Error, ctx: &mut Context<Self>) {
        tracing::error!(call_sid = %call, %error, "no encoder for a call");
        self.eject(call, ctx);
    }
}

impl Actor for BridgeActor {
    type Context = Context<Self>;
}

/// A bridge that is dropped with calls in it (a panic, or shutdown) says so, and lets go of their lines.
impl Drop for BridgeActor {
    fn drop(&mut self) {
        for (call, line) in self.floor.abandon() {
            if let Some(party) = self.parties.iter().find(|party| party.call == call) {
                party.participant.do_send(TakeBack(line));
            }
        }
        for party in &self.parties {
            party.tell(Happened::Failed);
        }
    }
}

impl StreamHandler<Tick> for BridgeActor {
    fn handle(&mut self, tick: Tick, ctx: &mut Context<Self>) {
        let at = Moment::now();
        if self.pulse.has_halves() {
            self.floor.send_rest(at.now);
        }
        let needs_halves = self.floor.tick(tick, tick.skipped, at);
        self.pulse.between(&self.place.arbiter, tick.phase, needs_halves, ctx);
        while let Some(event) = self.floor.poll() {
            match event {
                Event::Played(call, id, _) => {
                    let before = self.whispers.len();
                    self.whispers.retain(|whisper| *whisper != (call, id));
                    if self.whispers.len() < before {
                        self.arrange();
                    }
                }
                Event::Broken(call) => return self.eject(call, ctx),
                Event::TalkStarted(_)
                | Event::TalkStopped(_)
                | Event::Digit(..)
                | Event::RoomPlays(_)
                | Event::RoomPlayed(..) => {}
            }
        }
        self.place.spent(at.now.elapsed());
    }

    fn finished(&mut self, _: &mut Context<Self>) {}
}

impl StreamHandler<HalfTick> for BridgeActor {
    fn handle(&mut self, _: HalfTick, _: &mut Context<Self>) {
        self.floor.send_rest(Moment::now().now);
    }

    fn finished(&mut self, _: &mut Context<Self>) {}
}

impl Handler<Enter> for BridgeActor {
    type Result = ();

    fn handle(&mut self, enter: Enter, ctx: &mut Context<Self>) {
        let Enter { call, participant, media, told, run } = enter;
        let (muted, held, relayed) = (false, false, true);
        let party = Party { call, run, participant, media, told, muted, held, relayed };
        if self.parties.len() == 2 || self.party(call).is_some() {
            return party.tell(Happened::Failed);
        }
        party.participant.do_send(HandOver(RoomAddr::of(&ctx.address())));
        self.parties.push(party);
    }
}

impl Handler<SeatLine> for BridgeActor {
    type Result = ();

    fn handle(&mut self, mut arrived: SeatLine, ctx: &mut Context<Self>) {
        let call = arrived.call;
        // A call that left while its line was on the way gets it back when `arrived` is dropped.
        let Some(party) = self.parties.iter().find(|party| party.call == call) else { return };
        let Some((line, format)) = arrived.take() else { return };
        let (media, muted, deaf) = (party.media.clone(), party.muted || party.held, party.held);
        match self.floor.seat(Arrival { call, line, format, media, muted, deaf }) {
            Ok(()) => {
                self.arrange();
                self.pulse.start(&self.place.arbiter, None, ctx);
                let floor = &self.floor;
                let is_complete = self.parties.len() == 2
                    && self.parties.iter().all(|party| floor.is_seated(party.call));
                if is_complete && !std::mem::replace(&mut self.is_connected, true) {
                    self.parties.iter().for_each(|party| party.tell(Happened::Connected));
                }
            }
            Err(NoSeat { line, error }) => {
                party.participant.do_send(TakeBack(line));
                self.cannot_encode(call, &error, ctx);
            }
        }
    }
}

impl Handler<Renegotiated> for BridgeActor {
    type Result = ();

    fn handle(&mut self, Renegotiated { call, agreed }: Renegotiated, ctx: &mut Context<Self>) {
        if let Err(error) = self.floor.renegotiate(call, &agreed) {
            self.cannot_encode(call, &error, ctx);
        }
    }
}

impl Handler<Exit> for BridgeActor {
    type Result = ();

    fn handle(&mut self, Exit { call }: Exit, ctx: &mut Context<Self>) {
        if self.parties.is_empty() || self.party(call).is_some() {
            self.part(call, ctx);
        }
    }
}

impl Handler<Mute> for BridgeActor {
    type Result = ();

    fn handle(&mut self, Mute { call, muted }: Mute, _: &mut Context<Self>) {
        if let Some(party) = self.party(call) {
            party.muted = muted;
            self.arrange();
        }
    }
}

impl Handler<Hold> for BridgeActor {
    type Result = ();

    fn handle(&mut self, Hold { call, held }: Hold, _: &mut Context<Self>) {
        if let Some(party) = self.party(call) {
            party.held = held;
            self.arrange();
        }
    }
}

impl Handler<RelayDigits> for BridgeActor {
    type Result = ();

    fn handle(&mut self, RelayDigits { call, relayed }: RelayDigits, _: &mut Context<Self>) {
        if let Some(party) = self.party(call) {
            party.relayed = relayed;
            self.arrange();
        }
    }
}

impl Handler<Whisper> for BridgeActor {
    type Result = ();

    fn handle(&mut self, Whisper { call, play }: Whisper, _: &mut Context<Self>) {
        let Some(party) = self.party(call) else { return };
        let media = party.media.clone();
        let play = Play { announce: true, ..play };
        // Dropped, it is reported.
        let mut order = PlayToMember::new(call, play, Some(media));
        if self.whispers.len() < MAX_WHISPERS
            && let Some((play, told)) = order.take()
        {
            // Before it begins: the other must not hear a word of it, nor this one two at once.
            self.whispers.push((call, play.id));
            self.arrange();
            self.floor.play(call, play, told);
        }
    }
}

impl Handler<PlayToMember> for BridgeActor {
    type Result = ();

    fn handle(&mut self, mut order: PlayToMember, _: &mut Context<Self>) {
        let call = order.call;
        if self.party(call).is_some()
            && let Some((play, told)) = order.take()
        {
            self.floor.play(call, play, told);
        }
    }
}

impl Handler<StopMemberPlay> for BridgeActor {
    type Result = ();

    fn handle(&mut self, order: StopMemberPlay, _: &mut Context<Self>) {
        self.floor.stop_play(order.call, order.id);
    }
}

impl Handler<SendMemberDigits> for BridgeActor {
    type Result = ();

    fn handle(&mut self, order: SendMemberDigits, _: &mut Context<Self>) {
        self.floor.send_digits(order.call, &order.digits);
    }
}
