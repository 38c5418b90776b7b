//! The conference actor: one per room, on a media arbiter.
//!
//! It owns the mixer and, for each member inside, that member's line. At each tick it takes what
//! arrived on every line, mixes once, and sends to everybody (docs/adr/0002). Its mailbox carries
//! control only; [`Policy`] decides, this actor carries out.

mod relocation;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use media::mixer::{Event, Mixer, Play, SeatConfig, SeatId};
use media::source::Pcm;
use time::OffsetDateTime;

use self::relocation::Residence;
use super::message::{
    Close, End, Guest, Happened, Join, Leave, Mute, MuteAll, Renegotiated, SeatLine, Settle, Tag,
};
use super::news::News;
use super::policy::{Effect, Exit, Member, Policy, Refusal, Standing, StatusEvent};
use super::rules::{Rules, Starter, StatusRule};
use super::snapshot::{ConferenceSnapshot, ParticipantSnapshot};
use crate::call::ConferenceTarget;
use crate::directory::{ConferenceChanged, ConferenceEmpty, ConferenceGone, DirectoryActor};
use crate::media_io::hub::Place;
use crate::media_io::line::{Line, Moment, Scratch};
use crate::media_io::settings::MediaSettings;
use crate::media_io::tick::{HalfTick, Tick, TickMetrics};
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
    mixer: Mixer,
    /// Everybody whose line is here, in no order that matters.
    seats: Vec<Seated>,
    scratch: Box<Scratch>,
    ticking: Option<SpawnHandle>,
    /// Ticks between the ticks, while a member's packets need them.
    halves: Option<SpawnHandle>,
    metrics: TickMetrics,
    residence: Residence,
    /// The room has just arrived here: its last tick, served elsewhere.
    resumed_after: Option<Tick>,
}

/// A member as the shell keeps it beside the policy's record.
struct Inside {
    guest: Guest,
    joined_at: OffsetDateTime,
}

/// A line with its place in the mixer.
struct Seated {
    call: CallSid,
    seat: SeatId,
    line: Box<Line>,
    /// Hears of digits and of a peer that went silent.
    media: Recipient<ParticipantEvent>,
    told_inactive: bool,
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
            mixer: Mixer::new(settings.mixer),
            seats: Vec::new(),
            scratch: Box::default(),
            ticking: None,
            halves: None,
            metrics: TickMetrics::new(),
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
                Effect::Mute { call, muted } => self.mute_seat(call, muted),
                Effect::Beep => self.beep(),
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
            inside.guest.participant.do_send(HandOver(ctx.address()));
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
        if let Some(at) = self.seats.iter().position(|s| s.call == call) {
            let seated = self.seats.swap_remove(at);
            self.mixer.remove_seat(seated.seat);
            seated.line.set_talking(false);
            inside.guest.participant.do_send(TakeBack(seated.line));
        }
        inside.guest.tell(Happened::Left(exit));
        if self.seats.is_empty() {
            for handle in [self.ticking.take(), self.halves.take()].into_iter().flatten() {
                ctx.cancel_future(handle);
            }
            self.resumed_after = None;
        }
    }

    fn mute_seat(&mut self, call: CallSid, muted: bool) {
        if let Some(seated) = self.seats.iter().find(|s| s.call == call) {
            self.mixer.mute(seated.seat, muted);
        }
    }

    fn beep(&mut self) {
        // The tone was made at the mixer's rate, and a room without audio needs none.
        let _ = self.mixer.play_to_room(Play::once(self.entry_tone.clone()));
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

    /// Sends what the last tick left for the middle of the period.
    fn send_rest(&mut self, now: Instant) {
        for seated in &mut self.seats {
            seated.line.send_rest(now, self.mixer.outgoing(seated.seat), &mut self.scratch);
        }
    }

    /// Asks for the middles of the periods while a member's packets need them.
    fn tick_between(&mut self, phase: u8, needed: bool, ctx: &mut Context<Self>) {
        if needed && self.halves.is_none() {
            let halves = self.place.arbiter.subscribe_between(phase);
            self.halves = Some(ctx.add_stream(halves));
        } else if !needed && let Some(handle) = self.halves.take() {
            ctx.cancel_future(handle);
        }
    }

    /// A member began or ceased to talk.
    fn note_talking(&mut self, seat: SeatId, talking: bool) {
        let Some(seated) = self.seats.iter().find(|s| s.seat == seat) else { return };
        seated.line.set_talking(talking);
        let (call, members) = (seated.call, self.policy.joined().len());
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
        if !self.seats.is_empty() {
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
            if self.seats.iter().any(|seated| seated.call == *call) {
                inside.guest.participant.do_send(LineLost);
            } else {
                inside.guest.media.do_send(ParticipantEvent::Failed);
            }
        }
        self.directory.do_send(ConferenceGone(self.identity.room));
    }
}

/// While one member's system calls run, the next one's line and seat are on their way to the caches.
fn fetch_ahead(others: &[Seated], mixer: &Mixer) {
    if let Some(next) = others.first() {
        media::prefetch(&*next.line);
        mixer.prefetch(next.seat);
    }
}

impl StreamHandler<Tick> for ConferenceActor {
    fn handle(&mut self, tick: Tick, ctx: &mut Context<Self>) {
        let at = Moment::now();
        let skipped = self.skipped(tick);
        if self.halves.is_some() {
            self.send_rest(at.now);
        }
        let mut broken = None;
        let mut rest = &mut self.seats[..];
        while let Some((seated, others)) = rest.split_first_mut() {
            fetch_ahead(others, &self.mixer);
            rest = others;
            let media = &seated.media;
            let (mixer, scratch) = (&mut self.mixer, &mut *self.scratch);
            // Foreign bytes are handled here: if that ever panics, it costs this call, not the room.
            let took = catch_unwind(AssertUnwindSafe(|| {
                seated.line.receive(at, seated.seat, mixer, scratch, |digit| {
                    media.do_send(ParticipantEvent::Digit(digit));
                });
            }));
            if took.is_err() {
                broken = Some(seated.call);
            }
            seated.line.skip(skipped);
            if !seated.told_inactive && seated.line.silence(at.now) > self.settings.inactivity {
                seated.told_inactive = true;
                media.do_send(ParticipantEvent::Inactive);
            }
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
        self.tick_between(tick.phase, needs_halves, ctx);
        while let Some(event) = self.mixer.poll_event() {
            match event {
                Event::PlayDone(_) => {}
                Event::TalkStarted(seat) => self.note_talking(seat, true),
                Event::TalkStopped(seat) => self.note_talking(seat, false),
                Event::Digit(seat, digit) => {
                    if let Some(seated) = self.seats.iter().find(|s| s.seat == seat) {
                        seated.media.do_send(ParticipantEvent::Digit(digit));
                    }
                }
            }
        }
        self.metrics.count(tick, at.now);
        if let Some(call) = broken {
            self.eject(call, ctx);
        }
        self.place.spent(at.now.elapsed());
        self.depart(tick, ctx);
    }

    fn finished(&mut self, _: &mut Context<Self>) {}
}

impl StreamHandler<HalfTick> for ConferenceActor {
    fn handle(&mut self, _: HalfTick, _: &mut Context<Self>) {
        self.send_rest(Moment::now().now);
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
        let Some((mut line, format)) = arrived.take() else { return };
        line.sit();
        let seat = match self.mixer.add_seat(SeatConfig { format, muted: member.muted }) {
            Ok(seat) => seat,
            Err(error) => {
                tracing::error!(call_sid = %call, %error, "no encoder for a member");
                inside.guest.participant.do_send(TakeBack(line));
                return self.eject(call, ctx);
            }
        };
        self.mixer.detect_tones(seat, self.settings.inband_dtmf && !line.has_events());
        let media = inside.guest.media.clone();
        self.seats.push(Seated { call, seat, line, media, told_inactive: false });
        self.tick_on(ctx);
    }
}

impl Handler<Renegotiated> for ConferenceActor {
    type Result = ();

    fn handle(&mut self, news: Renegotiated, ctx: &mut Context<Self>) {
        let Some(Renegotiated { call, agreed }) = self.here(news) else { return };
        if let Some(seated) = self.seats.iter_mut().find(|s| s.call == call) {
            seated.line.negotiate(&agreed, Moment::now().now);
            seated.told_inactive = false;
            if let Err(error) = self.mixer.set_format(seated.seat, agreed.terms.send) {
                tracing::error!(call_sid = %call, %error, "no encoder for a member");
                return self.eject(call, ctx);
            }
            let listen = self.settings.inband_dtmf && !seated.line.has_events();
            self.mixer.detect_tones(seated.seat, listen);
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
