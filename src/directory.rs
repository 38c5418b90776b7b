//! The directory: only owner of names and sids, and the tables REST reads without asking an actor.
//!
//! Rooms are opened and forgotten in this one mailbox, so two calls that name the same room at the
//! same moment meet in it. Every actor sends its snapshot here when it changes; the directory puts
//! it into [`Live`], whose locks no media thread ever touches.

mod balance;
mod queues;
mod recording;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use actix::prelude::*;
use media::source::Pcm;

use self::balance::{Balance, LOOK_EVERY, RoomWatch};
use self::queues::{LiveQueues, Queues};
use self::recording::RoomTake;
use crate::call::CallSnapshot;
use crate::call::actor::CallActor;
use crate::conference::actor::{ConferenceActor, Identity, RoomId};
use crate::conference::message::{self as room, Join, Leave};
use crate::conference::news::{News, NewsLine};
use crate::conference::policy::Standing;
use crate::conference::rules::Rules;
use crate::conference::snapshot::ConferenceSnapshot;
use crate::hook::HookClient;
use crate::media_io::hub::MediaPlane;
use crate::media_io::quality::{Quality, QualityCell};
use crate::media_io::settings::MediaSettings;
use crate::model::{AccountSid, Alert, CallSid, Conference, ConferenceSid};
use crate::recording::Recorder;
use crate::store::Store;

pub use self::balance::ConferenceMoved;
pub use self::queues::{
    EnterQueue, KeepQueuePlace, LiveQueue, QueueDefined, QueueEmpty, QueueGone,
};
pub use self::recording::{
    ConferenceEnded, NotRecorded, RecordRoom, RecordingStanding, RoomRecording,
};

/// Ended calls kept readable at most, whatever the retention says.
const MAX_ENDED: usize = 100_000;
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// A call as REST sees it.
#[derive(Clone)]
pub struct LiveCall {
    pub snapshot: Arc<CallSnapshot>,
    /// `None` once the call has ended.
    pub actor: Option<Addr<CallActor>>,
    /// How its media flows, once it has a line; what it was, after its end.
    pub quality: Option<Arc<QualityCell>>,
    ended: Option<Instant>,
    /// Deleted over REST while it still ends: shown to nobody, and gone with its last word.
    forgotten: bool,
}

impl LiveCall {
    /// How its media flows or flowed; `None` until it has.
    pub fn media(&self) -> Option<Quality> {
        self.quality.as_ref()?.read()
    }

    /// Whether the caller is talking now.
    pub fn is_talking(&self) -> bool {
        self.quality.as_ref().is_some_and(|quality| quality.is_talking())
    }
}

/// A conference as REST sees it.
#[derive(Clone)]
pub struct LiveConference {
    pub snapshot: Arc<ConferenceSnapshot>,
    pub actor: Addr<ConferenceActor>,
    pub recording: RoomRecording,
}

/// What is going on on the whole server, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Calls that have not ended.
    pub calls: usize,
    pub conferences: usize,
    /// Members inside of all conferences together.
    pub participants: usize,
}

/// What is going on now; reads take a short lock and clone `Arc`s.
#[derive(Default)]
pub struct Live {
    calls: RwLock<HashMap<CallSid, LiveCall>>,
    conferences: RwLock<HashMap<ConferenceSid, LiveConference>>,
    queues: RwLock<LiveQueues>,
}

impl Live {
    pub fn call(&self, account: AccountSid, sid: CallSid) -> Option<LiveCall> {
        let found = read(&self.calls).get(&sid).cloned()?;
        (found.snapshot.account_sid == account && !found.forgotten).then_some(found)
    }

    /// All calls of an account that still can be read, ended ones included.
    pub fn calls(&self, account: AccountSid) -> Vec<LiveCall> {
        let calls = read(&self.calls);
        let of_account = |c: &&LiveCall| c.snapshot.account_sid == account && !c.forgotten;
        calls.values().filter(of_account).cloned().collect()
    }

    /// Calls in progress on the whole server.
    pub fn active_calls(&self) -> Vec<Addr<CallActor>> {
        read(&self.calls).values().filter_map(|call| call.actor.clone()).collect()
    }

    pub fn conference(&self, account: AccountSid, sid: ConferenceSid) -> Option<LiveConference> {
        let room = read(&self.conferences).get(&sid).cloned()?;
        (room.snapshot.account == account).then_some(room)
    }

    pub fn conference_named(&self, account: AccountSid, name: &str) -> Option<LiveConference> {
        let is_meant =
            |c: &&LiveConference| c.snapshot.account == account && c.snapshot.name == name;
        read(&self.conferences).values().find(is_meant).cloned()
    }

    pub fn conferences(&self, account: AccountSid) -> Vec<LiveConference> {
        let rooms = read(&self.conferences);
        rooms.values().filter(|c| c.snapshot.account == account).cloned().collect()
    }

    /// How much is going on, on the whole server.
    pub fn load(&self) -> Load {
        let calls = read(&self.calls).values().filter(|call| call.actor.is_some()).count();
        let rooms = read(&self.conferences);
        let participants =
            rooms.values().map(|room| room.snapshot.count(Standing::Joined)).sum::<usize>();
        Load { calls, conferences: rooms.len(), participants }
    }

    /// Shows a call as it stands; `actor` is `None` once it has ended.
    pub fn publish_call(
        &self,
        snapshot: Arc<CallSnapshot>,
        quality: Option<Arc<QualityCell>>,
        actor: Option<Addr<CallActor>>,
    ) {
        let ended = actor.is_none().then(Instant::now);
        let sid = snapshot.call_sid;
        let mut calls = write(&self.calls);
        let forgotten = calls.get(&sid).is_some_and(|call| call.forgotten);
        if forgotten && actor.is_none() {
            calls.remove(&sid);
        } else {
            calls.insert(sid, LiveCall { snapshot, actor, quality, ended, forgotten });
        }
    }

    /// A call's actor is gone without having said how it ended: it failed.
    pub fn lose_call(&self, sid: CallSid) {
        if let Some(call) = write(&self.calls).get_mut(&sid) {
            call.snapshot = Arc::new(CallSnapshot::clone(&call.snapshot).failed());
            call.actor = None;
            call.ended = Some(Instant::now());
        }
    }

    /// Drops a call from what can be read (REST DELETE).
    pub fn forget(&self, sid: CallSid) {
        let mut calls = write(&self.calls);
        match calls.get_mut(&sid) {
            Some(call) if call.actor.is_some() => call.forgotten = true,
            _ => _ = calls.remove(&sid),
        }
    }
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

pub struct DirectoryActor {
    live: Arc<Live>,
    plane: Arc<MediaPlane>,
    settings: MediaSettings,
    retention: Duration,
    entry_tone: Arc<Pcm>,
    hooks: HookClient,
    store: Store,
    recorder: Option<Arc<Recorder>>,
    names: HashMap<(AccountSid, String), RoomId>,
    rooms: HashMap<RoomId, Room>,
    queues: Queues,
    /// Counts the openings.
    opened: u64,
    balance: Balance,
}

struct Room {
    identity: Identity,
    actor: Addr<ConferenceActor>,
    news: NewsLine,
    /// Joins sent there; a room is forgotten only when it has seen all of them.
    joins: u64,
    watch: RoomWatch,
    recording: Option<RoomTake>,
}

impl DirectoryActor {
    /// `settings` are passed to rooms; ended calls stay readable for `retention`.
    pub fn new(
        live: Arc<Live>,
        plane: Arc<MediaPlane>,
        settings: MediaSettings,
        retention: Duration,
        entry_tone: Arc<Pcm>,
        hooks: HookClient,
        store: Store,
    ) -> Self {
        let balance = Balance::new(&plane);
        Self {
            live,
            plane,
            settings,
            retention,
            entry_tone,
            hooks,
            store,
            recorder: None,
            names: HashMap::new(),
            rooms: HashMap::new(),
            queues: Queues::default(),
            opened: 0,
            balance,
        }
    }

    /// Opens the room of that name, as it is laid down if it is. `None`: no media arbiter.
    fn open(&mut self, account: AccountSid, name: &str, directory: Addr<Self>) -> Option<RoomId> {
        let place = self.plane.place()?;
        let watch = RoomWatch::new(&place, &self.plane);
        self.opened += 1;
        let id = RoomId(self.opened);
        // Whoever defines this name at this moment sees the room, or we see the definition: it is
        // looked for while the table is ours.
        let mut shown = write(&self.live.conferences);
        let defined = self.store.conferences().named(account, name);
        let rules = defined.as_deref().map(|defined| self.rules(defined)).unwrap_or_default();
        let sid = defined.map_or_else(ConferenceSid::random, |defined| defined.sid);
        let identity = Identity { room: id, sid, account, name: name.to_owned() };
        let (settings, tone) = (self.settings, self.entry_tone.clone());
        let actor =
            ConferenceActor::launch(identity.clone(), rules, place, settings, tone, directory);
        let snapshot = Arc::new(ConferenceSnapshot::opened(sid, account, name));
        let recording = RoomRecording::default();
        shown.insert(sid, LiveConference { snapshot, actor: actor.clone(), recording });
        drop(shown);
        let (news, recording) = (NewsLine::default(), None);
        self.rooms.insert(id, Room { identity, actor, news, joins: 0, watch, recording });
        self.names.insert((account, name.to_owned()), id);
        Some(id)
    }

    /// As a room takes them. A status hook that cannot be asked is an alert to the account.
    fn rules(&self, defined: &Conference) -> Rules {
        let (rules, error) = Rules::of(defined);
        if let Some(error) = error {
            let alert = Alert::of_hook(defined.account_sid, None, error.alert());
            self.store.alerts().write(alert);
        }
        rules
    }

    /// The room is over, and if it `was_used` so is what was laid down for it and is not to stay.
    fn forget(&mut self, id: RoomId, was_used: bool) {
        let Some(room) = self.rooms.remove(&id) else { return };
        room.actor.do_send(room::Close);
        let Identity { sid, account, name, .. } = room.identity;
        // In this order: whoever lays something down for a live room looks afterwards whether it lives.
        write(&self.live.conferences).remove(&sid);
        if was_used {
            self.store.conferences().expire(account, &name, sid);
        }
        self.names.remove(&(account, name));
    }

    /// Drops calls whose retention is over, and the oldest beyond the bound.
    fn sweep(&self) {
        let mut calls = write(&self.live.calls);
        calls.retain(|_, call| call.ended.is_none_or(|at| at.elapsed() < self.retention));
        let mut ended: Vec<_> =
            calls.iter().filter_map(|(sid, call)| Some((call.ended?, *sid))).collect();
        if ended.len() > MAX_ENDED {
            ended.sort_unstable_by_key(|(at, _)| *at);
            for (_, sid) in ended.iter().take(ended.len() - MAX_ENDED) {
                calls.remove(sid);
            }
        }
    }
}

impl Actor for DirectoryActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.run_interval(SWEEP_EVERY, |this, _| {
            this.sweep();
            this.tidy_queue_news();
        });
        ctx.run_interval(LOOK_EVERY, |this, _| this.look_at_load());
    }
}

/// A call goes to the room of that name, which is opened if need be. `None`: no media arbiter.
#[derive(Message)]
#[rtype(result = "Option<Addr<ConferenceActor>>")]
pub struct Enter {
    pub account: AccountSid,
    pub name: String,
    pub join: Join,
}

impl Handler<Enter> for DirectoryActor {
    type Result = Option<Addr<ConferenceActor>>;

    fn handle(&mut self, enter: Enter, ctx: &mut Context<Self>) -> Self::Result {
        let Enter { account, name, mut join } = enter;
        let key = (account, name);
        let known = self.names.get(&key).copied();
        let Some(id) = known.or_else(|| self.open(account, &key.1, ctx.address())) else {
            // The answer says so.
            join.take();
            return None;
        };
        let room = self.rooms.get_mut(&id)?;
        room.joins += 1;
        room.actor.do_send(join);
        Some(room.actor.clone())
    }
}

/// A call leaves the room of that name that was asked for, and whose address it never heard.
#[derive(Message)]
#[rtype(result = "()")]
pub struct LeaveNamed {
    pub account: AccountSid,
    pub name: String,
    pub leave: Leave,
}

impl Handler<LeaveNamed> for DirectoryActor {
    type Result = ();

    fn handle(&mut self, left: LeaveNamed, _: &mut Context<Self>) {
        let LeaveNamed { account, name, leave } = left;
        if let Some(room) = self.names.get(&(account, name)).and_then(|id| self.rooms.get(id)) {
            room.actor.do_send(leave);
        }
    }
}

/// Answered when what actors sent here before is shown.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Shown;

impl Handler<Shown> for DirectoryActor {
    type Result = ();

    fn handle(&mut self, _: Shown, _: &mut Context<Self>) {}
}

/// A room changed.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ConferenceChanged {
    pub room: RoomId,
    pub snapshot: Arc<ConferenceSnapshot>,
}

impl Handler<ConferenceChanged> for DirectoryActor {
    type Result = ();

    fn handle(&mut self, changed: ConferenceChanged, _: &mut Context<Self>) {
        let ConferenceChanged { room, snapshot } = changed;
        if let Some(room) = self.rooms.get(&room) {
            let actor = room.actor.clone();
            let recording = room.recording.as_ref().map(RoomTake::shown).unwrap_or_default();
            let shown = LiveConference { snapshot, actor, recording };
            write(&self.live.conferences).insert(shown.snapshot.sid, shown);
        }
    }
}

/// A room has nobody left, after the given number of joins.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ConferenceEmpty {
    pub room: RoomId,
    pub joins: u64,
    /// Whether anybody was ever in: if not, a definition that is not to stay still waits for its first.
    pub was_used: bool,
}

impl Handler<ConferenceEmpty> for DirectoryActor {
    type Result = ();

    fn handle(&mut self, empty: ConferenceEmpty, _: &mut Context<Self>) {
        // A join still on its way keeps the room; it will report empty again.
        if self.rooms.get(&empty.room).is_some_and(|room| room.joins == empty.joins) {
            self.forget(empty.room, empty.was_used);
        }
    }
}

/// A room's actor is gone, by order or by a fault.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ConferenceGone(pub RoomId);

impl Handler<ConferenceGone> for DirectoryActor {
    type Result = ();

    fn handle(&mut self, ConferenceGone(room): ConferenceGone, _: &mut Context<Self>) {
        self.forget(room, true);
    }
}

/// Something else is laid down for the rooms of that name: the one that is live goes by it from now on.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ConferenceDefined {
    pub account: AccountSid,
    pub name: String,
}

impl Handler<ConferenceDefined> for DirectoryActor {
    type Result = ();

    fn handle(&mut self, defined: ConferenceDefined, _: &mut Context<Self>) {
        let ConferenceDefined { account, name } = defined;
        // What holds now, whichever change this message was sent for. Without any the room is on its end.
        let Some(defined) = self.store.conferences().named(account, &name) else { return };
        if let Some(room) = self.names.get(&(account, name)).and_then(|id| self.rooms.get(id)) {
            room.actor.do_send(room::Settle(self.rules(&defined)));
        }
    }
}

/// Status events of rooms are put into words and sent here, on a control thread.
impl Handler<News> for DirectoryActor {
    type Result = ();

    fn handle(&mut self, news: News, _: &mut Context<Self>) {
        let Some(room) = self.rooms.get_mut(&news.identity.room) else { return };
        if news.is_wanted() {
            let (store, account) = (self.store.clone(), news.identity.account);
            room.news.send(news, &self.hooks, move |error| {
                store.alerts().write(Alert::of_hook(account, None, error.alert()));
            });
        }
    }
}
