//! `…/Queues`: what is laid down for the queues of an account (contract rest.md §3.4, §3.5). Nothing can be
//! put into one yet, so all of them are empty.

use actix_web::web::{Data, Path};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::describe::{Param, ParamKind, QueryShape, body};
use super::error::ApiError;
use super::query::{PAGE, PAGE_SIZE};
use super::reply::{Array, Created, Either, HookView, Json, Listed, NoContent, Reply, Wire};
use super::{AppState, Body, Principal, Query};
use crate::model::glob::Glob;
use crate::model::{AccountSid, CallSid, Queue, QueueInput, QueueSid};
use crate::store::Listing;
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
    let mut queues = state.store.queues().of(account);
    if let Some(pattern) = search.map(Glob::new) {
        queues.retain(|queue| pattern.matches(&queue.name));
    }
    if page.is_none() && !query.is_set("detail") {
        let lengths: Vec<_> =
            queues.iter().map(|q| QueueLength { name: q.name.clone(), length: 0 }).collect();
        return Either::first(Array::reply(&lengths));
    }
    let shown = Listing::cut(queues, page);
    Either::second(Listed::reply(&shown, page, |queue| QueueView::new(queue, state.wire)))
}

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
    input.apply(&mut record)?;
    let made = state.store.queues().create(principal.scope, record).await?;
    Created::reply(&made.sid)
}

pub(super) async fn read(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
) -> Reply<Json<QueueView>> {
    let account = principal.reach_account(&state, &path.0).await?;
    let queue = state.store.queues().find(account, &path.1).ok_or(ApiError::NotFound)?;
    Json::reply(&QueueView::new(&queue, state.wire))
}

pub(super) async fn update(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
    body: Body<QueueUpdate>,
) -> Reply<NoContent> {
    let account = principal.reach_account(&state, &path.0).await?;
    let input = QueueInput::update(body.fields()?)?;
    state.admit_urls(input.urls()).await?;
    let queues = state.store.queues();
    let queue = queues.find(account, &path.1).ok_or(ApiError::NotFound)?;
    queues.update(principal.scope, account, queue.sid, input).await?;
    NoContent::reply()
}

pub(super) async fn delete(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
    _: Query<Emptying>,
) -> Reply<NoContent> {
    let account = principal.reach_account(&state, &path.0).await?;
    let queues = state.store.queues();
    let queue = queues.find(account, &path.1).ok_or(ApiError::NotFound)?;
    queues.delete(principal.scope, account, queue.sid).await?;
    NoContent::reply()
}

/// Calls waiting in a queue, head first.
pub(super) async fn calls(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
) -> Reply<Array<Value>> {
    let account = principal.reach_account(&state, &path.0).await?;
    state.store.queues().find(account, &path.1).ok_or(ApiError::NotFound)?;
    Array::reply(&[])
}

/// One of them, or with `Front` the head.
pub(super) async fn call(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String, String)>,
) -> Reply<Json<Value>> {
    let account = principal.reach_account(&state, &path.0).await?;
    if path.2 != "Front" && CallSid::parse(&path.2).is_none() {
        return Err(ApiError::MalformedSid);
    }
    state.store.queues().find(account, &path.1).ok_or(ApiError::NotFound)?;
    Err(ApiError::NotFound)
}

/// A queue in the plain list.
#[derive(Serialize, ToSchema)]
pub(super) struct QueueLength {
    name: String,
    length: u32,
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
    length: u32,
    longest_wait: u32,
    average_wait: u32,
    created_at: String,
}

impl QueueView {
    fn new(queue: &Queue, wire: Wire) -> Self {
        Self {
            queue_sid: queue.sid,
            event_sid: verb::queue_event_sid(queue.account_sid, &queue.name),
            account_sid: queue.account_sid,
            name: queue.name.clone(),
            persistent: queue.persistent,
            max_length: queue.max_length,
            wait_hook: HookView::of_any(queue.wait_hook.as_ref()),
            length: 0,
            longest_wait: 0,
            average_wait: 0,
            created_at: wire.date(queue.created_at),
        }
    }
}
