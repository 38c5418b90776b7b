//! `…/Conferences`: the rooms of an account, laid down by REST or opened by a verb (contract rest.md §3.2).
//!
//! A definition and the live room of its name are one conference. What is laid down is in the store's
//! memory, what is live in [`Live`](crate::directory::Live): no request here asks an actor or reads a table.

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::web::{Data, Path};
use serde::Serialize;
use utoipa::ToSchema;

use super::announce::{announce, clips};
use super::definitions::{adopt, undo};
use super::describe::{Param, ParamKind, QueryShape, body};
use super::error::ApiError;
use super::query::{PAGE, PAGE_SIZE};
use super::reply::{Array, Created, Either, HookView, Json, Listed, NoContent, Reply, Wire};
use super::{AppState, Body, Change, Principal, Query};
use crate::conference::message::{End, HoldAll, MuteAll};
use crate::conference::policy::Standing;
use crate::conference::snapshot::ConferenceSnapshot;
use crate::directory::{LiveConference, RecordRoom};
use crate::hook::payload;
use crate::model::{
    AccountSid, CallSid, Conference, ConferenceInput, ConferenceSid, ConferenceUpdate, HoldOrder,
    RecordOrder, RoomEvent, RoomOrder, Timestamp,
};
use crate::store::{Definition, Listing};
use crate::verb::Clip;

body!(NewConference = ConferenceInput::create, "name": "lobby");
body!(ConferenceChange = ConferenceInput::update);

const STATUSES: &[&str] = &["init", "waiting", "in-progress"];

/// Which conferences, and how much of them.
pub(super) struct Asked;

impl QueryShape for Asked {
    const PARAMS: &'static [Param] = &[
        PAGE,
        PAGE_SIZE,
        Param::optional("detail", ParamKind::Flag, "whole objects instead of names"),
        Param::optional("name", ParamKind::Text, "a part of the name"),
        Param::optional("status", ParamKind::OneOf(STATUSES), "how far it is"),
    ];
}

/// How a conference is ended.
pub(super) struct Ending;

impl QueryShape for Ending {
    const PARAMS: &'static [Param] = &[Param::optional(
        "hangup",
        ParamKind::Flag,
        "hang up those who leave, instead of going on with their next verb",
    )];
}

/// A conference: what is laid down for it, what is going on in it, or both.
pub(super) struct Room {
    sid: ConferenceSid,
    name: String,
    created_at: Timestamp,
    defined: Option<Arc<Conference>>,
    pub(super) live: Option<LiveConference>,
}

/// Names, or with `detail=true` or a page whole objects.
pub(super) async fn list(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    query: Query<Asked>,
) -> Reply<Either<Array<String>, Listed<ConferenceView>>> {
    let account = principal.reach_account(&state, &a).await?;
    let page = query.page()?;
    let part = query.get("name").map(str::to_lowercase);
    let status =
        query.one_of("status", |text| STATUSES.iter().copied().find(|known| *known == text))?;
    let mut rooms = rooms(&state, account);
    rooms.retain(|room| {
        part.as_ref().is_none_or(|part| room.name.to_lowercase().contains(part))
            && status.is_none_or(|status| room.status() == status)
    });
    if page.is_none() && query.get("page_size").is_none() && !query.is_set("detail") {
        let names: Vec<_> = rooms.into_iter().map(|room| room.name).collect();
        return Either::first(Array::reply(&names));
    }
    let shown = Listing::cut(rooms, page);
    Either::second(Listed::reply(&shown, page, |room| {
        ConferenceView::new(account, room, state.wire)
    }))
}

/// All of an account, by name.
fn rooms(state: &AppState, account: AccountSid) -> Vec<Room> {
    let live = state.live().map(|live| live.conferences(account)).unwrap_or_default();
    let mut live: HashMap<String, LiveConference> =
        live.into_iter().map(|room| (room.snapshot.name.clone(), room)).collect();
    let defined = state.store.conferences().of(account);
    let mut rooms: Vec<Room> = defined
        .into_iter()
        .map(|defined| {
            let live = live.remove(&defined.name);
            Room::defined(defined, live)
        })
        .collect();
    rooms.extend(live.into_values().map(Room::opened));
    rooms.sort_by(|a, b| a.name.cmp(&b.name));
    rooms
}

/// Lays down a conference. Nothing runs for it until somebody enters.
pub(super) async fn create(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    body: Body<NewConference>,
) -> Reply<Created> {
    let account = principal.require_account(&state, &a).await?.sid;
    let (name, input) = ConferenceInput::create(body.fields()?)?;
    state.admit_urls(input.urls()).await?;
    let mut record = Conference::new(account, name);
    input.apply(&mut record)?;
    let conferences = state.store.conferences();
    let made = conferences.create(principal.scope, record).await?;
    // A verb may have opened the name before. From now on it opens what was made here.
    let live = state.live().and_then(|live| live.conference_named(account, &made.name));
    if live.is_some_and(|live| live.snapshot.sid != made.sid) {
        undo(conferences.delete(principal.scope, account, made.sid).await)?;
        return Err(ApiError::unprocessable(Conference::TAKEN));
    }
    Created::reply(&made.sid)
}

pub(super) async fn read(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
) -> Reply<Json<ConferenceView>> {
    let account = principal.reach_account(&state, &path.0).await?;
    let room = find(&state, account, &path.1)?;
    Json::reply(&ConferenceView::new(account, &room, state.wire))
}

/// Changes what is laid down, and the live room with it; then the order for the live room.
pub(super) async fn update(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
    body: Body<ConferenceChange>,
) -> Reply<NoContent> {
    let account = principal.reach_account(&state, &path.0).await?;
    let update = ConferenceInput::update(body.fields()?)?;
    let order = update.order.clone().map(Order::read).transpose()?;
    state.admit_urls(update.urls()).await?;
    let ConferenceUpdate { settings, .. } = update;
    let room = find(&state, account, &path.1)?;
    // All or nothing: what is wrong with the settings is known before the order is given.
    settings.clone().apply(&mut room.record(account))?;
    if let Some(order) = order {
        // First: it may be refused, and then nothing is changed.
        let live = room.live.as_ref().filter(|live| live.snapshot.started_at.is_some());
        let not_yet = || ApiError::unprocessable("the conference is not in progress");
        order.give(&state, live.ok_or_else(not_yet)?).await?;
    }
    if !settings.is_empty() {
        lay_down(&principal, &state, account, &room, settings).await?;
        state.announce(Change::Conference { account, name: room.name.clone() });
    }
    state.shown().await;
    NoContent::reply()
}

/// An order as it is given to the live room.
enum Order {
    Mute(bool),
    Hold(HoldOrder),
    Announce(Vec<Clip>),
    /// There is nothing yet that could record.
    Record(RecordOrder),
}

impl Order {
    fn read(order: RoomOrder) -> Result<Self, ApiError> {
        Ok(match order {
            RoomOrder::Mute(muted) => Self::Mute(muted),
            RoomOrder::Hold(hold) => Self::Hold(hold),
            RoomOrder::Announce(verbs) => Self::Announce(clips(&verbs)?),
            RoomOrder::Record(record) => Self::Record(record),
        })
    }

    async fn give(self, state: &AppState, room: &LiveConference) -> Result<(), ApiError> {
        // A room that has gone meanwhile has nobody left to be told.
        match self {
            Self::Mute(muted) => _ = room.actor.send(MuteAll(muted)).await,
            Self::Hold(HoldOrder { held, wait_hook }) => {
                _ = room.actor.send(HoldAll { held, wait_hook }).await;
            }
            Self::Announce(clips) => announce(state, room, None, clips)?,
            Self::Record(order) => {
                let ConferenceSnapshot { account, sid: room, .. } = &*room.snapshot;
                let order = RecordRoom { account: *account, room: *room, order };
                let recorded = state.doors()?.desk.directory.send(order).await;
                let recorded = recorded.map_err(|_| ApiError::NotFound)?;
                recorded.map_err(|why| ApiError::unprocessable(why.to_string()))?;
            }
        }
        Ok(())
    }
}

async fn lay_down(
    principal: &Principal,
    state: &AppState,
    account: AccountSid,
    room: &Room,
    settings: ConferenceInput,
) -> Result<(), ApiError> {
    let (scope, conferences) = (principal.scope, state.store.conferences());
    if let Some(defined) = &room.defined {
        conferences.update(scope, account, defined.sid, settings).await?;
        return Ok(());
    }
    let is_live = || state.live().is_some_and(|live| live.conference(account, room.sid).is_some());
    adopt(&conferences, scope, room.record(account), settings, is_live).await
}

/// Ends the room: its calls go on with their next verb, or hang up. What was laid down is gone.
pub(super) async fn delete(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
    query: Query<Ending>,
) -> Reply<NoContent> {
    let account = principal.reach_account(&state, &path.0).await?;
    let room = find(&state, account, &path.1)?;
    if let Some(defined) = &room.defined {
        undo(state.store.conferences().delete(principal.scope, account, defined.sid).await)?;
    }
    if let Some(room) = room.live {
        if query.is_set("hangup") {
            for participant in &room.snapshot.participants {
                state.hang_up(account, participant.call);
            }
        }
        // A room that is gone by now has ended as asked.
        let _ = room.actor.send(End).await;
        state.shown().await;
    }
    NoContent::reply()
}

/// The conference whose sid or name `segment` is; a sid is tried first.
pub(super) fn find(state: &AppState, account: AccountSid, segment: &str) -> Result<Room, ApiError> {
    let (conferences, live) = (state.store.conferences(), state.live());
    let by_sid = ConferenceSid::parse(segment).and_then(|sid| {
        let defined = conferences.get(account, sid).map(|defined| defined.name.clone());
        defined.or_else(|| Some(live?.conference(account, sid)?.snapshot.name.clone()))
    });
    let name = by_sid.unwrap_or_else(|| segment.to_owned());
    let defined = conferences.named(account, &name);
    let live = live.and_then(|live| live.conference_named(account, &name));
    match (defined, live) {
        (Some(defined), live) => Ok(Room::defined(defined, live)),
        (None, Some(live)) => Ok(Room::opened(live)),
        (None, None) => Err(ApiError::NotFound),
    }
}

impl Room {
    fn defined(defined: Arc<Conference>, live: Option<LiveConference>) -> Self {
        Self {
            sid: defined.sid,
            name: defined.name.clone(),
            created_at: defined.created_at,
            defined: Some(defined),
            live,
        }
    }

    /// By a verb.
    fn opened(live: LiveConference) -> Self {
        Self {
            sid: live.snapshot.sid,
            name: live.snapshot.name.clone(),
            created_at: live.snapshot.created_at.into(),
            defined: None,
            live: Some(live),
        }
    }

    /// What is laid down for it. For a room that a verb opened it goes with it, unless it is to stay.
    fn record(&self, account: AccountSid) -> Conference {
        if let Some(defined) = &self.defined {
            return Conference::clone(defined);
        }
        let mut record = Conference::new(account, &*self.name);
        (record.sid, record.created_at, record.persistent) = (self.sid, self.created_at, false);
        record
    }

    fn status(&self) -> &'static str {
        self.snapshot().map_or("init", ConferenceSnapshot::status)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether one more call may come in, and this one is not there yet.
    ///
    /// # Errors
    /// 422, as its verb would be refused.
    pub(super) fn admit(&self, call: Option<CallSid>) -> Result<(), ApiError> {
        let refused = |text| Err(ApiError::unprocessable(text));
        let live = self.snapshot();
        if call.is_some_and(|call| live.is_some_and(|live| live.participant(call).is_some())) {
            return refused("the call is in that conference already");
        }
        if self.defined.as_ref().is_some_and(|defined| defined.locked) {
            return refused("the conference is locked");
        }
        let inside = live.map_or(0, |live| live.participants.len());
        match self.max_participants() {
            Some(most) if inside >= usize::try_from(most).unwrap_or(usize::MAX) => {
                refused("the conference is full")
            }
            _ => Ok(()),
        }
    }

    /// What is laid down may be on its way to the room.
    fn max_participants(&self) -> Option<u32> {
        let laid_down = self.defined.as_ref().and_then(|defined| defined.max_participants);
        laid_down.or_else(|| u32::try_from(self.snapshot()?.max_participants?).ok())
    }

    pub(super) fn snapshot(&self) -> Option<&ConferenceSnapshot> {
        self.live.as_ref().map(|live| &*live.snapshot)
    }
}

/// A conference as it is shown.
#[derive(Serialize, ToSchema)]
#[schema(as = Conference)]
pub(super) struct ConferenceView {
    conference_sid: ConferenceSid,
    event_sid: String,
    account_sid: AccountSid,
    name: String,
    status: &'static str,
    persistent: bool,
    participant_count: usize,
    waiting_count: usize,
    moderator_count: usize,
    max_participants: Option<u32>,
    beep: bool,
    join_muted: bool,
    wait_hook: Option<HookView>,
    status_hook: Option<HookView>,
    status_events: Vec<RoomEvent>,
    locked: bool,
    recording: RecordingView,
    created_at: String,
    started_at: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RoomRecording)]
struct RecordingView {
    state: &'static str,
    path: Option<String>,
}

impl RecordingView {
    fn of(live: Option<&LiveConference>) -> Self {
        let recording = live.map(|live| live.recording.clone()).unwrap_or_default();
        Self { state: recording.state.as_str(), path: recording.path }
    }
}

impl ConferenceView {
    fn new(account: AccountSid, room: &Room, wire: Wire) -> Self {
        let (live, defined) = (room.snapshot(), room.defined.as_deref());
        let count = |standing| live.map_or(0, |live| live.count(standing));
        let moderators = |live: &ConferenceSnapshot| {
            live.participants.iter().filter(|participant| participant.moderator).count()
        };
        Self {
            conference_sid: room.sid,
            event_sid: payload::conference_sid(account, &room.name),
            account_sid: account,
            name: room.name.clone(),
            status: room.status(),
            // A room that a verb opened vanishes with its last participant.
            persistent: defined.is_some_and(|defined| defined.persistent),
            participant_count: count(Standing::Joined),
            waiting_count: count(Standing::Waiting),
            moderator_count: live.map_or(0, moderators),
            max_participants: room.max_participants(),
            beep: defined.is_some_and(|defined| defined.beep.unwrap_or_default()),
            join_muted: defined.is_some_and(|defined| defined.join_muted.unwrap_or_default()),
            wait_hook: HookView::of_any(defined.and_then(|defined| defined.wait_hook.as_ref())),
            status_hook: HookView::of_any(defined.and_then(|defined| defined.status_hook.as_ref())),
            status_events: defined
                .and_then(|defined| defined.status_events.clone())
                .unwrap_or_default(),
            locked: defined.is_some_and(|defined| defined.locked),
            recording: RecordingView::of(room.live.as_ref()),
            created_at: wire.date(room.created_at),
            started_at: live
                .and_then(|live| live.started_at)
                .map(|started_at| wire.date(started_at.into())),
        }
    }
}
