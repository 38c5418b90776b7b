//! `…/Queues`: the queues of an account, laid down by REST or opened by a verb (contract rest.md §3.4).
//!
//! A definition and the live queue of its name are one queue. What is laid down is in the store's memory,
//! what is live in [`Live`](crate::directory::Live): no read here asks an actor.

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::web::{Data, Path};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::definitions::{adopt, undo};
use super::describe::{Param, ParamKind, QueryShape, body};
use super::error::ApiError;
use super::query::{PAGE, PAGE_SIZE};
use super::reply::{Array, Created, Either, HookView, Json, Listed, NoContent, Reply, Wire};
use super::{AppState, Body, Change, Principal, Query};
use crate::directory::LiveQueue;
use crate::model::glob::Glob;
use crate::model::{AccountSid, Queue, QueueInput, QueueSid, Timestamp};
use crate::queue::message::Clear;
use crate::store::{Definition, Listing};
use crate::verb;

body!(NewQueue = QueueInput::create, "name": "support");
body!(QueueUpdate = QueueInput::update);

/// Which queues, and how much of them.
pub(super) struct Asked;

impl QueryShape for Asked {
    const PARAMS: &'static [Param] = &[
        PAGE,
        PAGE_SIZE,
        Param::optional("detail", ParamKind::Flag, "whole objects instead of names and lengths"),
        Param::optional("search", ParamKind::Text, "a name, with the wildcards *, ? and [..]"),
    ];
}

/// What happens to the calls of a queue that is deleted.
pub(super) struct Emptying;

impl QueryShape for Emptying {
    const PARAMS: &'static [Param] = &[Param::optional(
        "force",
        ParamKind::Flag,
        "also with calls waiting: they go on with their next verb",
    )];
}

/// Longest pattern: a name of 64 characters, each of them as a class of its own.
const MAX_SEARCH: usize = 512;

/// A queue: what is laid down for it, who waits in it, or both.
pub(super) struct Found {
    pub(super) sid: QueueSid,
    pub(super) name: String,
    created_at: Timestamp,
    pub(super) defined: Option<Arc<Queue>>,
    pub(super) live: Option<LiveQueue>,
}

/// Names and lengths, or with `detail=true` or a page whole objects.
pub(super) async fn list(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    query: Query<Asked>,
) -> Reply<Either<Array<QueueLength>, Listed<QueueView>>> {
    let account = principal.reach_account(&state, &a).await?;
    let page = query.page()?;
    let search = query.get("search");
    if search.is_some_and(|pattern| pattern.len() > MAX_SEARCH) {
        return Err(ApiError::bad_request("missing or invalid \"search\" query arg"));
    }
    let mut queues = queues(&state, account);
    if let Some(pattern) = search.map(Glob::new) {
        queues.retain(|queue| pattern.matches(&queue.name));
    }
    if page.is_none() && query.get("page_size").is_none() && !query.is_set("detail") {
        let lengths: Vec<_> = queues
            .into_iter()
            .map(|queue| QueueLength { length: queue.length(), name: queue.name })
            .collect();
        return Either::first(Array::reply(&lengths));
    }
    let shown = Listing::cut(queues, page);
    Either::second(Listed::reply(&shown, page, |queue| QueueView::new(account, queue, state.wire)))
}

/// All of an account, by name.
fn queues(state: &AppState, account: AccountSid) -> Vec<Found> {
    let live = state.live().map(|live| live.queues(account)).unwrap_or_default();
    let mut live: HashMap<String, LiveQueue> =
        live.into_iter().map(|queue| (queue.board.name.clone(), queue)).collect();
    let defined = state.store.queues().of(account);
    let mut queues: Vec<Found> = defined
        .into_iter()
        .map(|defined| {
            let live = live.remove(&defined.name);
            Found::defined(defined, live)
        })
        .collect();
    queues.extend(live.into_values().filter(is_used).map(Found::opened));
    queues.sort_by(|a, b| a.name.cmp(&b.name));
    queues
}

/// One that only agents look into does not exist yet.
fn is_used(live: &LiveQueue) -> bool {
    live.board.length() > 0
}

/// Lays down a queue. Nothing runs for it until somebody enters.
pub(super) async fn create(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    body: Body<NewQueue>,
) -> Reply<Created> {
    let account = principal.require_account(&state, &a).await?.sid;
    let (name, input) = QueueInput::create(body.fields()?)?;
    state.admit_urls(input.urls()).await?;
    let mut record = Queue::new(account, name);
    let live = || state.live().and_then(|live| live.queue_named(account, &record.name));
    // Agents wait for it already.
    if let Some(live) = live().filter(|live| !is_used(live)) {
        record.sid = live.board.sid;
    }
    input.apply(&mut record)?;
    let queues = state.store.queues();
    let made = queues.create(principal.scope, record).await?;
    // A verb may have opened the name before. From now on it opens what was made here.
    let live = state.live().and_then(|live| live.queue_named(account, &made.name));
    if live.is_some_and(|live| live.board.sid != made.sid) {
        undo(queues.delete(principal.scope, account, made.sid).await)?;
        return Err(ApiError::unprocessable(Queue::TAKEN));
    }
    state.announce(Change::Queue { account, name: made.name.clone() });
    Created::reply(&made.sid)
}

pub(super) async fn read(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
) -> Reply<Json<QueueView>> {
    let account = principal.reach_account(&state, &path.0).await?;
    let queue = find(&state, account, &path.1)?;
    Json::reply(&QueueView::new(account, &queue, state.wire))
}

/// Changes what is laid down, and the live queue with it.
pub(super) async fn update(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
    body: Body<QueueUpdate>,
) -> Reply<NoContent> {
    let account = principal.reach_account(&state, &path.0).await?;
    let input = QueueInput::update(body.fields()?)?;
    state.admit_urls(input.urls()).await?;
    let queue = find(&state, account, &path.1)?;
    if !input.is_empty() {
        lay_down(&principal, &state, account, &queue, input).await?;
        state.announce(Change::Queue { account, name: queue.name });
    }
    NoContent::reply()
}

async fn lay_down(
    principal: &Principal,
    state: &AppState,
    account: AccountSid,
    queue: &Found,
    input: QueueInput,
) -> Result<(), ApiError> {
    let (scope, queues) = (principal.scope, state.store.queues());
    if let Some(defined) = &queue.defined {
        queues.update(scope, account, defined.sid, input).await?;
        return Ok(());
    }
    // What is laid down for it now goes with it, unless it is to stay.
    let &Found { sid, created_at, .. } = queue;
    let new = Queue::new(account, &*queue.name);
    let opened = Queue { sid, created_at, persistent: false, ..new };
    let is_live = || state.live().is_some_and(|live| live.queue(account, sid).is_some());
    adopt(&queues, scope, opened, input, is_live).await
}

/// Deletes what is laid down; with `force` those who wait go on with their next verb.
pub(super) async fn delete(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
    query: Query<Emptying>,
) -> Reply<NoContent> {
    let account = principal.reach_account(&state, &path.0).await?;
    let queue = find(&state, account, &path.1)?;
    if queue.length() > 0 && !query.is_set("force") {
        return Err(ApiError::unprocessable("calls are waiting in the queue"));
    }
    if let Some(defined) = &queue.defined {
        undo(state.store.queues().delete(principal.scope, account, defined.sid).await)?;
        state.announce(Change::Queue { account, name: queue.name.clone() });
    }
    // Without force it was empty: who comes right now waits in a queue that nobody has laid down.
    if let Some(live) = queue.live.filter(|_| query.is_set("force")) {
        // One that is gone by now is empty.
        let _ = live.actor.send(Clear).await;
    }
    NoContent::reply()
}

/// The queue whose sid or name `segment` is; a sid is tried first.
pub(super) fn find(
    state: &AppState,
    account: AccountSid,
    segment: &str,
) -> Result<Found, ApiError> {
    let (queues, live) = (state.store.queues(), state.live());
    let by_sid = QueueSid::parse(segment).and_then(|sid| {
        let defined = queues.get(account, sid).map(|defined| defined.name.clone());
        defined.or_else(|| Some(live?.queue(account, sid)?.board.name.clone()))
    });
    let name = by_sid.unwrap_or_else(|| segment.to_owned());
    let defined = queues.named(account, &name);
    let live = live.and_then(|live| live.queue_named(account, &name));
    match (defined, live) {
        (Some(defined), live) => Ok(Found::defined(defined, live)),
        (None, Some(live)) if is_used(&live) => Ok(Found::opened(live)),
        (None, _) => Err(ApiError::NotFound),
    }
}

impl Found {
    fn defined(defined: Arc<Queue>, live: Option<LiveQueue>) -> Self {
        Self {
            sid: defined.sid,
            name: defined.name.clone(),
            created_at: defined.created_at,
            defined: Some(defined),
            live,
        }
    }

    /// By a verb.
    fn opened(live: LiveQueue) -> Self {
        Self {
            sid: live.board.sid,
            name: live.board.name.clone(),
            created_at: live.board.created_at.into(),
            defined: None,
            live: Some(live),
        }
    }

    pub(super) fn length(&self) -> usize {
        self.live.as_ref().map_or(0, |live| live.board.length())
    }
}

/// A queue in the plain list.
#[derive(Serialize, ToSchema)]
pub(super) struct QueueLength {
    name: String,
    length: usize,
}

/// A queue as it is shown. Times are of the calls now waiting, in seconds.
#[derive(Serialize, ToSchema)]
#[schema(as = Queue)]
pub(super) struct QueueView {
    queue_sid: QueueSid,
    event_sid: String,
    account_sid: AccountSid,
    name: String,
    persistent: bool,
    max_length: Option<u32>,
    wait_hook: Option<HookView>,
    length: usize,
    longest_wait: u64,
    average_wait: u64,
    created_at: String,
}

impl QueueView {
    fn new(account: AccountSid, queue: &Found, wire: Wire) -> Self {
        let defined = queue.defined.as_deref();
        let live = queue.live.as_ref();
        let waits = live.map(|live| live.board.waits(OffsetDateTime::now_utc()));
        let waits = waits.unwrap_or_default();
        Self {
            queue_sid: queue.sid,
            event_sid: verb::queue_event_sid(account, &queue.name),
            account_sid: account,
            name: queue.name.clone(),
            // A queue that a verb opened vanishes with its last call.
            persistent: defined.is_some_and(|defined| defined.persistent),
            max_length: defined.and_then(|defined| defined.max_length),
            wait_hook: HookView::of_any(defined.and_then(|defined| defined.wait_hook.as_ref())),
            length: waits.length,
            longest_wait: waits.longest,
            average_wait: waits.average,
            created_at: wire.date(queue.created_at),
        }
    }
}
