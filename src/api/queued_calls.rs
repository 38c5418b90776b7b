//! `…/Queues/{queue}/Calls`: the calls that wait in a queue (contract rest.md §3.5).
//!
//! Reads look at the queue's board. Orders go to the queue, which knows whether a call is still there to
//! be had: who comes second gets 404.

use std::sync::Arc;

use actix_web::web::{Data, Path};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use tokio::sync::oneshot;
use utoipa::ToSchema;

use super::describe::{BodyShape, Operation, body};
use super::error::ApiError;
use super::idempotency::IdempotencyKey;
use super::query::Removal;
use super::queues::{Found, find};
use super::reply::{Array, CreatedAs, Json, NoContent, Reply, Wire};
use super::{AppState, Body, Principal, Query};
use crate::call::Assignment;
use crate::call::actor::{Assign, CallActor};
use crate::directory::{KeepQueuePlace, Live, LiveQueue};
use crate::model::call::{CallStatus, Direction};
use crate::model::{
    AccountSid, ApplicationSid, CallSid, Fields, QueueSid, QueuedCallChange, QueuedCallInput,
    Timestamp,
};
use crate::queue::message::{GiveUpPlace, KeepPlace, Promise, Release, Remove, SetPriority};
use crate::queue::snapshot::QueuedCaller;
use crate::verb::{Dequeue, Enqueue};

body!(NewQueuedCall = QueuedCallInput::read);

/// One of its properties at a time.
pub(super) struct QueuedCallUpdate;

impl BodyShape for QueuedCallUpdate {
    fn describe(operation: &mut Operation) {
        const NAME: &str = "QueuedCallUpdate";
        operation.body_by_reader(NAME, &[("priority", json!(1))], QueuedCallChange::read);
        if let Some(Value::Object(schema)) = operation.components.get_mut(NAME) {
            schema.remove("required");
            schema.insert("minProperties".to_owned(), 1.into());
            schema.insert("maxProperties".to_owned(), 1.into());
        }
    }
}

type Waiting = Path<(String, String, String)>;

/// Calls waiting in a queue, head first.
pub(super) async fn list(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
) -> Reply<Array<QueuedCallView>> {
    let account = principal.reach_account(&state, &path.0).await?;
    let queue = find(&state, account, &path.1)?;
    let callers = queue.live.as_ref().map(|live| live.board.callers()).unwrap_or_default();
    let shown = callers.iter().map(|caller| QueuedCallView::new(account, &queue, caller, &state));
    Array::reply(&shown.collect::<Vec<_>>())
}

/// One of them, or with `Front` the head.
pub(super) async fn read(
    principal: Principal,
    state: Data<AppState>,
    path: Waiting,
) -> Reply<Json<QueuedCallView>> {
    let account = principal.reach_account(&state, &path.0).await?;
    let wanted = match &*path.2 {
        "Front" => None,
        sid => Some(CallSid::parse(sid).ok_or(ApiError::MalformedSid)?),
    };
    let queue = find(&state, account, &path.1)?;
    let board = &queue.live.as_ref().ok_or(ApiError::NotFound)?.board;
    let found = wanted.map_or_else(|| board.front(), |call| board.caller(call));
    let caller = found.ok_or(ApiError::NotFound)?;
    Json::reply(&QueuedCallView::new(account, &queue, &caller, &state))
}

/// Has a live call wait in the queue, instead of its application.
pub(super) async fn create(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
    key: IdempotencyKey,
    body: Body<NewQueuedCall>,
) -> Reply<CreatedAs<Queued>> {
    let account = principal.reach_account(&state, &path.0).await?;
    let body = body.value()?;
    let Value::Object(map) = &body else {
        return Err(ApiError::bad_request("the body must be an object"));
    };
    let input = QueuedCallInput::read(Fields::new(map.clone()))?;
    let (what, queue) = (format!("queued_calls/{}", path.1), path.1.clone());
    let assign = {
        let state = state.clone();
        async move {
            state.admit_urls(input.urls()).await?;
            assign(&state, account, &queue, input).await
        }
    };
    let placed = key.once(&state, account, (&what, &body), assign).await?;
    CreatedAs::reply(&placed)
}

/// The call that waits.
#[derive(Deserialize, Serialize, ToSchema)]
pub(super) struct Queued {
    sid: CallSid,
}

async fn assign(
    state: &AppState,
    account: AccountSid,
    queue: &str,
    input: QueuedCallInput,
) -> Result<Queued, ApiError> {
    let queue = find(state, account, queue)?;
    let call = state.doors()?.live.call(account, input.call).ok_or(ApiError::NotFound)?;
    let actor = call.actor.ok_or_else(|| ApiError::unprocessable("the call has ended"))?;
    let is_full = || ApiError::unprocessable("the queue is full");
    let QueuedCallInput { call, priority, wait_hook, action_hook } = input;
    // Before the call loses what it runs: a queue that is full must not cost it that.
    let (told, is_kept) = oneshot::channel();
    let place = KeepPlace { call, told };
    let keep = KeepQueuePlace { account, name: queue.name.clone(), place };
    let place = state.doors()?.desk.directory.send(keep).await.ok().flatten();
    let place = place.ok_or_else(|| ApiError::unprocessable("the server stops"))?;
    if !is_kept.await.unwrap_or(false) {
        return Err(is_full());
    }
    let wait = Enqueue::ordered(queue.name, priority, wait_hook, action_hook);
    let placed = match give(&actor, Assignment::Wait(Box::new(wait))).await {
        Ok(placed) => placed,
        Err(error) => {
            place.do_send(GiveUpPlace(call));
            return Err(error);
        }
    };
    match placed.await {
        Ok(true) => Ok(Queued { sid: call }),
        Ok(false) => Err(is_full()),
        Err(_) => Err(ApiError::unprocessable("the call has ended")),
    }
}

/// Gives a call something else to do.
async fn give(
    actor: &actix::Addr<CallActor>,
    assignment: Assignment,
) -> Result<oneshot::Receiver<bool>, ApiError> {
    match actor.send(Assign(assignment)).await {
        Ok(Ok(placed)) => Ok(placed),
        Ok(Err(error)) => Err(ApiError::unprocessable(error.to_string())),
        Err(_) => Err(ApiError::unprocessable("the call has ended")),
    }
}

/// Another place, another application, or an agent.
pub(super) async fn update(
    principal: Principal,
    state: Data<AppState>,
    path: Waiting,
    body: Body<QueuedCallUpdate>,
) -> Reply<NoContent> {
    let account = principal.reach_account(&state, &path.0).await?;
    let call = CallSid::parse(&path.2).ok_or(ApiError::MalformedSid)?;
    let change = QueuedCallChange::read(body.fields()?)?;
    state.admit_urls(change.url()).await?;
    let (queue, live) = waiting(&state, account, &path.1, call)?;
    let taken = match change {
        QueuedCallChange::Priority(priority) => {
            live.actor.send(SetPriority { call, priority }).await
        }
        QueuedCallChange::CallHook(hook) => {
            live.actor.send(Remove { call, call_hook: Some(hook) }).await
        }
        QueuedCallChange::DequeueTo(agent) => {
            return hand_over(&state, account, &queue, &live, (call, agent)).await;
        }
    };
    // A queue that has ended meanwhile has nobody in it.
    taken.map_err(|_| ApiError::NotFound)?.map_err(|_| ApiError::NotFound)?;
    NoContent::reply()
}

/// Keeps the caller for the agent, whose call then takes him as by `dequeue`.
async fn hand_over(
    state: &AppState,
    account: AccountSid,
    queue: &Found,
    live: &LiveQueue,
    (caller, agent): (CallSid, CallSid),
) -> Reply<NoContent> {
    let unfit = || ApiError::unprocessable("dequeue_to must be another live call of the account");
    let found = state.doors()?.live.call(account, agent).filter(|_| agent != caller);
    let actor = found.and_then(|call| call.actor).ok_or_else(unfit)?;
    let take = Dequeue::promised(&queue.name, caller).map_err(|_| ApiError::NotFound)?;
    let promised = live.actor.send(Promise { caller, agent }).await;
    promised.map_err(|_| ApiError::NotFound)?.map_err(|_| ApiError::NotFound)?;
    if let Err(refused) = give(&actor, Assignment::Take(Box::new(take))).await {
        live.actor.do_send(Release { caller, agent });
        return Err(refused);
    }
    NoContent::reply()
}

/// Takes the call out of the queue; it goes on with its next verb, or hangs up.
pub(super) async fn delete(
    principal: Principal,
    state: Data<AppState>,
    path: Waiting,
    query: Query<Removal>,
) -> Reply<NoContent> {
    let account = principal.reach_account(&state, &path.0).await?;
    let call = CallSid::parse(&path.2).ok_or(ApiError::MalformedSid)?;
    let (_, live) = waiting(&state, account, &path.1, call)?;
    let removed = live.actor.send(Remove { call, call_hook: None }).await;
    removed.map_err(|_| ApiError::NotFound)?.map_err(|_| ApiError::NotFound)?;
    if query.is_set("hangup") {
        state.hang_up(account, call);
    }
    NoContent::reply()
}

/// The queue that `segment` names, with the call in it.
fn waiting(
    state: &AppState,
    account: AccountSid,
    segment: &str,
    call: CallSid,
) -> Result<(Found, LiveQueue), ApiError> {
    let queue = find(state, account, segment)?;
    let live = queue.live.clone().ok_or(ApiError::NotFound)?;
    live.board.caller(call).ok_or(ApiError::NotFound)?;
    Ok((queue, live))
}

/// A waiting call as it is shown. What belongs to the call is null once that is gone.
#[derive(Serialize, ToSchema)]
#[schema(as = QueuedCall)]
pub(super) struct QueuedCallView {
    call_sid: CallSid,
    account_sid: AccountSid,
    queue_sid: QueueSid,
    queue_name: String,
    /// 0: the next.
    position: usize,
    priority: u32,
    queued_at: String,
    /// Seconds since `queued_at`.
    wait_time: i64,
    #[schema(value_type = Option<String>)]
    direction: Option<Direction>,
    from: Option<String>,
    to: Option<String>,
    caller_name: Option<String>,
    #[schema(value_type = Option<String>)]
    call_status: Option<CallStatus>,
    application_sid: Option<ApplicationSid>,
    #[schema(value_type = Option<Object>)]
    customer_data: Option<Arc<Map<String, Value>>>,
}

impl QueuedCallView {
    fn new(account: AccountSid, queue: &Found, caller: &QueuedCaller, state: &AppState) -> Self {
        let found = state.live().and_then(|live: &Live| live.call(account, caller.call));
        let call = found.as_ref().map(|call| &*call.snapshot);
        let wire: Wire = state.wire;
        let wait_time = (OffsetDateTime::now_utc() - caller.queued_at).whole_seconds();
        Self {
            call_sid: caller.call,
            account_sid: account,
            queue_sid: queue.sid,
            queue_name: queue.name.clone(),
            position: caller.position,
            priority: caller.priority,
            queued_at: wire.date(Timestamp::from(caller.queued_at)),
            wait_time: wait_time.max(0),
            direction: call.map(|call| call.direction),
            from: call.map(|call| call.from.clone()),
            to: call.map(|call| call.to.clone()),
            caller_name: call.map(|call| call.caller_name.clone()),
            call_status: call.map(|call| call.call_status),
            application_sid: call.and_then(|call| call.application_sid),
            customer_data: call.and_then(|call| call.customer_data.clone()),
        }
    }
}
