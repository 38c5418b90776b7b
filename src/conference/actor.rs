//! The conference actor: one per room, on a media arbiter.
//!
//! It owns the floor on which its members sit, and services it at each tick (docs/adr/0002). Its
//! mailbox carries control only; [`Policy`] decides, this actor carries out.

mod announcements;
mod lines;
mod orders;
mod relocation;
mod tags;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use media::mixer::Play;
use media::source::Pcm;
use time::OffsetDateTime;

use self::announcements::Announcements;
use self::relocation::Residence;
use self::tags::Tags;
use super::message::{Guest, Happened, Join, Leave};
use super::news::News;
use super::policy::{Effect, Exit, Member, Policy, Refusal, Standing, StatusEvent};
use super::rules::{Rules, Starter, StatusRule};
use super::snapshot::{ConferenceSnapshot, ParticipantSnapshot};
use crate::call::ConferenceTarget;
use crate::directory::{
    ConferenceChanged, ConferenceEmpty, ConferenceEnded, ConferenceGone, DirectoryActor, RecordRoom,
};
use crate::floor::message::RoomAddr;
use crate::floor::pulse::Pulse;
use crate::floor::{Event, Floor};
use crate::hook::ws::WeakSocket;
use crate::media_io::hub::Place;
use crate::media_io::line::Moment;
use crate::media_io::settings::MediaSettings;
use crate::media_io::tick::{HalfTick, Tick};
use crate::model::{AccountSid, CallSid, ConferenceSid, Hook, RecordOrder};
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
    /// What is laid down for those who wait for the start.
    wait_hook: Option<Hook>,
    /// When the room ends, now that nobody is left who ends it by leaving.
    grace_ends: Option<Instant>,
    grace: Option<SpawnHandle>,
    guests: HashMap<CallSid, Inside>,
    /// Joins taken from the mailbox: the directory compares it with those it sent.
    joins: u64,
    floor: Floor,
    tags: Tags,
    announcements: Announcements,
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
            wait_hook: rules.wait_hook,
            grace_ends: None,
            grace: None,
            guests: HashMap::new(),
            joins: 0,
            floor: Floor::of_room(settings),
            tags: Tags::default(),
            announcements: Announcements::default(),
            pulse: Pulse::default(),
            residence: Residence::Here,
            resumed_after: None,
        })
    }

    fn carry_out(&mut self, effects: Vec<Effect>, ctx: &mut Context<Self>) {
        let mut gone = Vec::new();
        for effect in effects {
            match effect {
                Effect::Seat { call, .. } => {
                    // Who waited for the start joins only now.
                    if let Some(inside) = self.guests.get_mut(&call) {
                        inside.joined_at = OffsetDateTime::now_utc();
                    }
                    self.fetch_line(call, ctx);
                }
                Effect::Wait(call) => {
                    let wait_hook = self.wait_hook.clone();
                    self.tell(call, Happened::Waiting { wait_hook });
                }
                Effect::Refuse { call, why } => {
                    self.tell(call, Happened::Refused(why));
                    gone.push(call);
                }
                Effect::Release { call, exit } => {
                    self.release(call, exit, ctx);
                    gone.push(call);
                }
                Effect::Mute { call, .. } => self.arrange(call),
                Effect::Hold { call, held, wait_hook } => {
                    self.arrange(call);
                    self.tell(call, Happened::Held { held, wait_hook });
                }
                Effect::Retag(call) => self.retag(call),
                Effect::StartGrace(time) => {
                    self.grace_ends = Some(Instant::now() + time);
                    self.await_grace(ctx);
                }
                Effect::StopGrace => {
                    self.grace_ends = None;
                    self.await_grace(ctx);
                }
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

    /// Has the room end when its grace is over.
    fn await_grace(&mut self, ctx: &mut Context<Self>) {
        let left = self.grace_ends.map(|at| at.saturating_duration_since(Instant::now()));
        let timer = left.map(|left| {
            ctx.run_later(left, |this, ctx| {
                (this.grace, this.grace_ends) = (None, None);
                let mut effects = Vec::new();
                this.policy.on_grace_over(&mut effects);
                this.carry_out(effects, ctx);
            })
        });
        if let Some(former) = std::mem::replace(&mut self.grace, timer) {
            ctx.cancel_future(former);
        }
    }

    fn fetch_line(&self, call: CallSid, ctx: &Context<Self>) {
        if let Some(inside) = self.guests.get(&call) {
            // First: what plays to the call is over with the next line, and it should know why.
            inside.guest.tell(Happened::Joined);
            inside.guest.participant.do_send(HandOver(RoomAddr::of(&ctx.address())));
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
            self.announcements = Announcements::default();
        }
    }

    fn notify(&mut self, event: StatusEvent, about: CallSid, members: usize) {
        if event == StatusEvent::Start {
            self.started = Some((Instant::now(), OffsetDateTime::now_utc()));
            self.record_as_started();
        }
        let running_for = self.started.map_or(Duration::ZERO, |(at, _)| at.elapsed());
        if event == StatusEvent::End {
            self.started = None;
            // Who is on the way here starts another conference, whose recording is its own.
            self.directory.do_send(ConferenceEnded(self.identity.room));
        }
        let (Some(target), Some(inside)) = (&self.status, self.guests.get(&about)) else { return };
        self.directory.do_send(News {
            identity: self.identity.clone(),
            target: target.clone(),
            sockets: self.sockets(target, about),
            base: inside.guest.base.clone(),
            event,
            running_for,
            members,
            at: OffsetDateTime::now_utc(),
        });
    }

    /// By which a hook is told that is told over a session's socket: the one of the session that started the
    /// room, which keeps the order; once that is closed, another one of the same application.
    fn sockets(&self, target: &ConferenceTarget, about: CallSid) -> Vec<WeakSocket> {
        let Some(of_starter) = &target.socket else { return Vec::new() };
        let joined = self.policy.joined().iter().map(|member| member.call);
        let guests = std::iter::once(about).chain(joined).filter_map(|call| self.guests.get(&call));
        let others = guests.filter_map(|inside| inside.guest.socket.as_ref());
        let others = others.filter(|(url, _)| *url == target.hook.url).map(|(_, socket)| socket);
        std::iter::once(of_starter).chain(others).cloned().collect()
    }

    /// The member that starts the room may want it recorded.
    fn record_as_started(&self) {
        let Some(path) = self.starter.as_ref().and_then(|starter| starter.record.clone()) else {
            return;
        };
        let (account, room) = (self.identity.account, self.identity.sid);
        let order = RecordOrder::Start { path: Some(path) };
        // If it is being recorded already, that goes on.
        self.directory.do_send(RecordRoom { account, room, order });
    }

    /// Tells of something that happens often, if anybody wants to know.
    fn mention(&mut self, event: StatusEvent, about: CallSid) {
        if self.status.as_ref().is_some_and(|target| target.events.contains(&event.name())) {
            self.notify(event, about, self.policy.joined().len());
        }
    }

    fn publish(&self) {
        let describe = |member: &Member, standing| {
            self.guests.get(&member.call).map(|inside| ParticipantSnapshot {
                call: member.call,
                member_id: member.member_id,
                standing,
                muted: member.muted,
                held: member.held,
                moderator: member.moderator,
                end_on_exit: member.end_on_exit,
                tag: member.tag.clone(),
                speak_only_to: member.speak_only_to.clone(),
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
        self.await_grace(ctx);
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
                Event::TalkStarted(call) => self.mention(StatusEvent::StartTalking, call),
                Event::TalkStopped(call) => self.mention(StatusEvent::StopTalking, call),
                Event::Broken(call) => self.eject(call, ctx),
                Event::RoomPlays(id) => self.announcement_began(id),
                Event::RoomPlayed(id, _) => self.announcement_ended(id),
                Event::Digit(..) | Event::Played(..) => {}
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
        let Some(mut join) = self.here(join) else { return };
        let Some(guest) = join.take() else { return };
        let call = join.entry.call;
        if let Some(inside) = self.guests.get(&call) {
            if inside.guest.run == guest.run {
                self.joins += 1;
                guest.tell(Happened::Refused(Refusal::AlreadyIn));
                return;
            }
            // A call leaves before it comes again; after a move its word may take the longer way.
            let mut effects = Vec::new();
            self.policy.on_exit(call, Exit::Left, &mut effects);
            self.carry_out(effects, ctx);
        }
        // Not before: a room that is empty in between would be closed with this one on its way in.
        self.joins += 1;
        // The hook and event list of the member that starts the room apply to all of it.
        if join.entry.moderator && !self.policy.is_started() {
            self.status = self.status_rule.target(&join.starter);
            self.starter = Some(join.starter.clone());
        }
        let joined_at = OffsetDateTime::now_utc();
        self.guests.insert(call, Inside { guest, joined_at });
        let mut effects = Vec::new();
        self.policy.on_entry(&join.entry, &mut effects);
        self.carry_out(effects, ctx);
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
