//! The conference actor: one per room, on a media arbiter.
//!
//! It owns the floor on which its members sit, and services it at each tick (docs/adr/0002). Its
//! mailbox carries control only; [`Policy`] decides, this actor carries out.

mod relocation;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use media::mixer::Play;
use media::source::Pcm;
use time::OffsetDateTime;

use self::relocation::Residence;
use super::message::{Close, End, Guest, Happened, Join, Leave, Mute, MuteAll, Settle, Tag};
use super::news::News;
use super::policy::{Effect, Exit, Member, Policy, Refusal, Standing, StatusEvent};
use super::rules::{Rules, Starter, StatusRule};
use super::snapshot::{ConferenceSnapshot, ParticipantSnapshot};
use crate::call::ConferenceTarget;
use crate::directory::{ConferenceChanged, ConferenceEmpty, ConferenceGone, DirectoryActor};
use crate::floor::message::{
    PlayToMember, Renegotiated, RoomAddr, SeatLine, SendMemberDigits, StopMemberPlay,
};
use crate::floor::pulse::Pulse;
use crate::floor::{Arrival, Event, Floor, NoSeat};
use crate::media_io::hub::Place;
use crate::media_io::line::Moment;
use crate::media_io::settings::MediaSettings;
use crate::media_io::tick::{HalfTick, Tick};
use crate::model::{AccountSid, CallSid, ConferenceSid};
use crate::participant::message::{HandOver, LineLost, ParticipantEvent, TakeBack};

/// One opening of a room: a conference that stays keeps its sid from one to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RoomId(pub u64);

/// Which room this is.
#[derive(Clone, Debug)]
pub struct Identity {
    pub room: RoomId,
    pub sid: ConferenceSid,
    pub account: AccountSid,
    pub name: String,
}

pub struct ConferenceActor {
    identity: Identity,
    place: Place,
    directory: Addr<DirectoryActor>,
    settings: MediaSettings,
    entry_tone: Arc<Pcm>,
    created_at: OffsetDateTime,
    started: Option<(Instant, OffsetDateTime)>,
    policy: Policy,
    /// What is laid down for the room's events, and what its starter asks for.
    status_rule: StatusRule,
    starter: Option<Starter>,
    /// What follows of both.
    status: Option<Arc<ConferenceTarget>>,
    guests: HashMap<CallSid, Inside>,
    /// Joins taken from the mailbox: the directory compares it with those it sent.
    joins: u64,
    floor: Floor,
    pulse: Pulse,
    residence: Residence,
    /// The room has just arrived here: its last tick, served elsewhere.
    resumed_after: Option<Tick>,
}

/// A member as the shell keeps it beside the policy's record.
struct Inside {
    guest: Guest,
    joined_at: OffsetDateTime,
}

impl ConferenceActor {
    /// Starts the room on the arbiter of its `place`.
    pub fn launch(
        identity: Identity,
        rules: Rules,
        place: Place,
        settings: MediaSettings,
        entry_tone: Arc<Pcm>,
        directory: Addr<DirectoryActor>,
    ) -> Addr<Self> {
        let arbiter = place.arbiter.handle().clone();
        Self::start_in_arbiter(&arbiter, move |_| Self {
            identity,
            place,
            directory,
            settings,
            entry_tone,
            created_at: OffsetDateTime::now_utc(),
            started: None,
            policy: Policy::new(rules.settings),
            status_rule: rules.status,
            starter: None,
            status: None,
            guests: HashMap::new(),
            joins: 0,
            floor: Floor::of_room(settings),
            pulse: Pulse::default(),
            residence: Residence::Here,
            resumed_after: None,
        })
    }

    fn carry_out(&mut self, effects: Vec<Effect>, ctx: &mut Context<Self>) {
        let mut gone = Vec::new();
        for effect in effects {
            match effect {
                Effect::Seat { call, .. } => self.fetch_line(call, ctx),
                Effect::Wait(call) => self.tell(call, Happened::Waiting),
                Effect::Refuse { call, why } => {
                    self.tell(call, Happened::Refused(why));
                    gone.push(call);
                }
                Effect::Release { call, exit } => {
                    self.release(call, exit, ctx);
                    gone.push(call);
                }
                Effect::Mute { call, muted } => self.floor.mute(call, muted),
                Effect::Beep => self.floor.beep(Play::once(self.entry_tone.clone())),
                Effect::Notify { event, about, members } => self.notify(event, about, members),
                Effect::Empty => {
                    let (room, was_used) = (self.identity.room, self.policy.was_used());
                    let empty = ConferenceEmpty { room, joins: self.joins, was_used };
                    self.directory.do_send(empty);
                }
            }
        }
        // Only now: the events about those who left have shown who they were.
        for call in gone {
            self.guests.remove(&call);
        }
        self.publish();
    }

    fn fetch_line(&self, call: CallSid, ctx: &Context<Self>) {
        if let Some(inside) = self.guests.get(&call) {
            inside.guest.participant.do_send(HandOver(RoomAddr::of(&ctx.address())));
            inside.guest.tell(Happened::Joined);
        }
    }

    fn tell(&self, call: CallSid, happened: Happened) {
        if let Some(inside) = self.guests.get(&call) {
            inside.guest.tell(happened);
        }
    }

    fn release(&mut self, call: CallSid, exit: Exit, ctx: &mut Context<Self>) {
        let Some(inside) = self.guests.get(&call) else { return };
        if let Some(line) = self.floor.unseat(call) {
            inside.guest.participant.do_send(TakeBack(line));
        }
        inside.guest.tell(Happened::Left(exit));
        if self.floor.is_empty() {
            self.pulse.stop(ctx);
            self.resumed_after = None;
        }
    }

    fn notify(&mut self, event: StatusEvent, about: CallSid, members: usize) {
        if event == StatusEvent::Start {
            self.started = Some((Instant::now(), OffsetDateTime::now_utc()));
        }
        let running_for = self.started.map_or(Duration::ZERO, |(at, _)| at.elapsed());
        if event == StatusEvent::End {
            self.started = None;
        }
        let (Some(target), Some(inside)) = (&self.status, self.guests.get(&about)) else { return };
        self.directory.do_send(News {
            identity: self.identity.clone(),
            target: target.clone(),
            base: inside.guest.base.clone(),
            event,
            running_for,
            members,
            at: OffsetDateTime::now_utc(),
        });
    }

    /// A member began or ceased to talk.
    fn note_talking(&mut self, call: CallSid, talking: bool) {
        let members = self.policy.joined().len();
        let event = if talking { StatusEvent::StartTalking } else { StatusEvent::StopTalking };
        if self.status.as_ref().is_some_and(|target| target.events.contains(&event.name())) {
            self.notify(event, call, members);
        }
    }

    fn publish(&self) {
        let describe = |member: &Member, standing| {
            self.guests.get(&member.call).map(|inside| ParticipantSnapshot {
                call: member.call,
                member_id: member.member_id,
                standing,
                muted: member.muted,
                moderator: member.moderator,
                end_on_exit: member.end_on_exit,
                tag: member.tag.clone(),
                joined_at: inside.joined_at,
            })
        };
        let joined = self.policy.joined().iter().filter_map(|m| describe(m, Standing::Joined));
        let waiting = self.policy.waiting().iter().filter_map(|m| describe(m, Standing::Waiting));
        let snapshot = ConferenceSnapshot {
            sid: self.identity.sid,
            account: self.identity.account,
            name: self.identity.name.clone(),
            created_at: self.created_at,
            started_at: self.started.map(|(_, wall)| wall),
            max_participants: self.policy.max_participants(),
            participants: joined.chain(waiting).collect(),
        };
        let (room, snapshot) = (self.identity.room, Arc::new(snapshot));
        self.directory.do_send(ConferenceChanged { room, snapshot });
    }

    fn cannot_encode(&mut self, call: CallSid, error: &media::Error, ctx: &mut Context<Self>) {
        tracing::error!(call_sid = %call, %error, "no encoder for a member");
        self.eject(call, ctx);
    }

    /// A call whose handling failed leaves; the room goes on.
    fn eject(&mut self, call: CallSid, ctx: &mut Context<Self>) {
        tracing::error!(call_sid = %call, conference = self.identity.name, "media of a call failed");
        if let Some(inside) = self.guests.get(&call) {
            inside.guest.media.do_send(ParticipantEvent::Failed);
        }
        let mut effects = Vec::new();
        self.policy.on_exit(call, Exit::Left, &mut effects);
        self.carry_out(effects, ctx);
    }
}

impl Actor for ConferenceActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        if !self.floor.is_empty() {
            self.tick_on(ctx);
        }
    }
}

/// A room that is dropped with members (a panic in it, or shutdown) says so to all of them.
impl Drop for ConferenceActor {
    fn drop(&mut self) {
        if let Residence::Gone(_) = self.residence {
            return;
        }
        for (call, inside) in &self.guests {
            if self.floor.is_seated(*call) {
                inside.guest.participant.do_send(LineLost);
            } else {
                inside.guest.media.do_send(ParticipantEvent::Failed);
            }
        }
        self.directory.do_send(ConferenceGone(self.identity.room));
    }
}

impl StreamHandler<Tick> for ConferenceActor {
    fn handle(&mut self, tick: Tick, ctx: &mut Context<Self>) {
        let at = Moment::now();
        let skipped = self.skipped(tick);
        if self.pulse.has_halves() {
            self.floor.send_rest(at.now);
        }
        let needs_halves = self.floor.tick(tick, skipped, at);
        self.pulse.between(&self.place.arbiter, tick.phase, needs_halves, ctx);
        while let Some(event) = self.floor.poll() {
            match event {
                Event::TalkStarted(call) => self.note_talking(call, true),
                Event::TalkStopped(call) => self.note_talking(call, false),
                Event::Broken(call) => self.eject(call, ctx),
                Event::Digit(..)
                | Event::Played(..)
                | Event::RoomPlays(_)
                | Event::RoomPlayed(..) => {}
            }
        }
        self.place.spent(at.now.elapsed());
        self.depart(tick, ctx);
    }

    fn finished(&mut self, _: &mut Context<Self>) {}
}

impl StreamHandler<HalfTick> for ConferenceActor {
    fn handle(&mut self, _: HalfTick, _: &mut Context<Self>) {
        self.floor.send_rest(Moment::now().now);
    }

    fn finished(&mut self, _: &mut Context<Self>) {}
}

impl Handler<Join> for ConferenceActor {
    type Result = ();

    fn handle(&mut self, join: Join, ctx: &mut Context<Self>) {
        let Some(join) = self.here(join) else { return };
        self.joins += 1;
        let call = join.entry.call;
        if let Some(inside) = self.guests.get(&call) {
            if inside.guest.run == join.member.run {
                join.member.tell(Happened::Refused(Refusal::AlreadyIn));
                return;
            }
            // A call leaves before it comes again; after a move its word may take the longer way.
            let mut effects = Vec::new();
            self.policy.on_exit(call, Exit::Left, &mut effects);
            self.carry_out(effects, ctx);
        }
        // The hook and event list of the member that starts the room apply to all of it.
        if join.entry.moderator && !self.policy.is_started() {
            self.status = self.status_rule.target(&join.starter);
            self.starter = Some(join.starter);
        }
        let joined_at = OffsetDateTime::now_utc();
        self.guests.insert(call, Inside { guest: join.member, joined_at });
        let mut effects = Vec::new();
        self.policy.on_entry(&join.entry, &mut effects);
        self.carry_out(effects, ctx);
    }
}

impl Handler<SeatLine> for ConferenceActor {
    type Result = ();

    fn handle(&mut self, arrived: SeatLine, ctx: &mut Context<Self>) {
        let Some(mut arrived) = self.here(arrived) else { return };
        let call = arrived.call;
        let member = self.policy.joined().iter().find(|m| m.call == call);
        // A call that left while its line was on the way gets it back when `arrived` is dropped.
        let (Some(member), Some(inside)) = (member, self.guests.get(&call)) else { return };
        let Some((line, format)) = arrived.take() else { return };
        let (media, muted, deaf) = (inside.guest.media.clone(), member.muted, false);
        match self.floor.seat(Arrival { call, line, format, media, muted, deaf }) {
            Ok(()) => self.tick_on(ctx),
            Err(NoSeat { line, error }) => {
                inside.guest.participant.do_send(TakeBack(line));
                self.cannot_encode(call, &error, ctx);
            }
        }
    }
}

impl Handler<Renegotiated> for ConferenceActor {
    type Result = ();

    fn handle(&mut self, news: Renegotiated, ctx: &mut Context<Self>) {
        let Some(Renegotiated { call, agreed }) = self.here(news) else { return };
        if let Err(error) = self.floor.renegotiate(call, &agreed) {
            self.cannot_encode(call, &error, ctx);
        }
    }
}

impl Handler<PlayToMember> for ConferenceActor {
    type Result = ();

    fn handle(&mut self, order: PlayToMember, _: &mut Context<Self>) {
        let Some(mut order) = self.here(order) else { return };
        let call = order.call;
        if self.policy.standing(call) == Some(Standing::Joined)
            && let Some((play, told)) = order.take()
        {
            self.floor.play(call, play, told);
        }
    }
}

impl Handler<StopMemberPlay> for ConferenceActor {
    type Result = ();

    fn handle(&mut self, order: StopMemberPlay, _: &mut Context<Self>) {
        if let Some(StopMemberPlay { call, id }) = self.here(order) {
            self.floor.stop_play(call, id);
        }
    }
}

impl Handler<SendMemberDigits> for ConferenceActor {
    type Result = ();

    fn handle(&mut self, order: SendMemberDigits, _: &mut Context<Self>) {
        if let Some(SendMemberDigits { call, digits }) = self.here(order) {
            self.floor.send_digits(call, &digits);
        }
    }
}

impl Handler<Leave> for ConferenceActor {
    type Result = ();

    fn handle(&mut self, leave: Leave, ctx: &mut Context<Self>) {
        let Some(Leave { call, exit, run, base }) = self.here(leave) else { return };
        let visit = self.guests.get(&call).map(|inside| inside.guest.run);
        if run.is_some() && run != visit {
            return;
        }
        if let (Some(base), Some(inside)) = (base, self.guests.get_mut(&call)) {
            inside.guest.base = base;
        }
        let mut effects = Vec::new();
        self.policy.on_exit(call, exit, &mut effects);
        self.carry_out(effects, ctx);
    }
}

impl Handler<Mute> for ConferenceActor {
    type Result = ();

    fn handle(&mut self, mute: Mute, ctx: &mut Context<Self>) {
        let Some(Mute { call, muted }) = self.here(mute) else { return };
        let mut effects = Vec::new();
        self.policy.on_mute(call, muted, &mut effects);
        self.carry_out(effects, ctx);
    }
}

impl Handler<MuteAll> for ConferenceActor {
    type Result = ();

    fn handle(&mut self, mute: MuteAll, ctx: &mut Context<Self>) {
        let Some(MuteAll(muted)) = self.here(mute) else { return };
        let mut effects = Vec::new();
        self.policy.on_mute_all(muted, &mut effects);
        self.carry_out(effects, ctx);
    }
}

impl Handler<Tag> for ConferenceActor {
    type Result = ();

    fn handle(&mut self, tag: Tag, ctx: &mut Context<Self>) {
        let Some(Tag { call, tag }) = self.here(tag) else { return };
        self.policy.on_tag(call, tag);
        self.carry_out(Vec::new(), ctx);
    }
}

impl Handler<Settle> for ConferenceActor {
    type Result = ();

    fn handle(&mut self, settle: Settle, _: &mut Context<Self>) {
        let Some(Settle(rules)) = self.here(settle) else { return };
        self.policy.settle(rules.settings);
        self.status_rule = rules.status;
        self.status = self.starter.as_ref().and_then(|starter| self.status_rule.target(starter));
        self.publish();
    }
}

impl Handler<Close> for ConferenceActor {
    type Result = ();

    fn handle(&mut self, close: Close, ctx: &mut Context<Self>) {
        if self.here(close).is_some() {
            ctx.stop();
        }
    }
}

impl Handler<End> for ConferenceActor {
    type Result = ();

    fn handle(&mut self, end: End, ctx: &mut Context<Self>) {
        if self.here(end).is_none() {
            return;
        }
        let mut effects = Vec::new();
        self.policy.on_end(&mut effects);
        self.carry_out(effects, ctx);
    }
}
