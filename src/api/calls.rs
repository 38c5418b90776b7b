//! `…/Calls`: live call control (contract rest.md §2.3).

use std::sync::Arc;

use actix_web::web::{Data, Path};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::auth::Principal;
use super::body::Body;
use super::call_bodies::{CallUpdate, NewCall};
use super::describe::{Param, ParamKind, QueryShape};
use super::error::ApiError;
use super::idempotency::IdempotencyKey;
use super::query::Query;
use super::reply::{Accepted, Array, CreatedAs, Either, Json, NoContent, Reply};
use super::state::{AppState, Doors};
use crate::call::CallSnapshot;
use crate::call::actor::{Hangup, Update, Updated};
use crate::call::originate::{Full, NotPlaced, Order};
use crate::directory::LiveCall;
use crate::media_io::quality::Quality;
use crate::model::call::{
    BadCall, Command, CreateCall, TargetKind, UpdateCall, urls_in_create, urls_in_update,
};
use crate::model::{Account, AccountSid, CallSid, Scope};
use crate::verb::{self, Announcement, Conference};

/// Places a call; answers when its INVITE is on the wire.
pub(super) async fn create(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    key: IdempotencyKey,
    body: Body<NewCall>,
) -> Reply<CreatedAs<PlacedCall>> {
    if let Scope::ServiceProvider(_) = principal.scope {
        let sid = AccountSid::parse(&a).ok_or(ApiError::MalformedSid)?;
        let text = format!("unauthorized createCall request for account {sid}");
        return Err(ApiError::BadRequest(text));
    }
    let account = principal.require_account(&state, &a).await?;
    let body = body.value()?;
    let create = CreateCall::parse(&body)?;
    let (account_sid, urls) = (account.sid, urls_in_create(&body));
    // Whatever may come out otherwise another time is not asked again for a call that was placed.
    let place = {
        let state = state.clone();
        async move {
            state.admit_urls(urls).await?;
            place(state, account, create).await
        }
    };
    let placed = key.once(&state, account_sid, ("calls", &body), place).await?;
    CreatedAs::reply(&placed)
}

/// What is known of a call that is on its way.
#[derive(Deserialize, Serialize, ToSchema)]
pub(super) struct PlacedCall {
    pub(super) sid: CallSid,
    /// Of SIP.
    #[serde(rename = "callId")]
    call_id: String,
}

async fn place(
    state: Data<AppState>,
    account: Account,
    create: CreateCall,
) -> Result<PlacedCall, ApiError> {
    let order = check(&state, account, create, None).await?;
    order_call(&state, order).await
}

/// Answers when the INVITE of the call is on the wire.
pub(super) async fn order_call(state: &AppState, order: Order) -> Result<PlacedCall, ApiError> {
    let doors = state.doors()?;
    let placed = doors.desk.place(&doors.stack, order).await?;
    let placed = placed.await.map_err(|_| ApiError::Unavailable)?;
    Ok(PlacedCall { sid: placed.sid, call_id: placed.call_id })
}

/// What only the store and the verb grammar can tell about a well-formed request.
pub(super) async fn check(
    state: &AppState,
    account: Account,
    create: CreateCall,
    room: Option<Box<Conference>>,
) -> Result<Order, ApiError> {
    if !account.is_active {
        return Err(ApiError::bad_request("the account is not active"));
    }
    let application = match create.application_sid {
        None => None,
        Some(sid) => {
            let found = state.store.applications().get(Scope::Account(account.sid), sid).await?;
            Some(found.ok_or_else(|| BadCall::ApplicationNotFound(sid.to_string()))?)
        }
    };
    if application.is_none()
        && let Some(Err(error)) = create.app_json.as_deref().map(verb::parse_text)
    {
        return Err(ApiError::bad_request(format!("app_json: {error}")));
    }
    let needs_realm = match &create.to.kind {
        TargetKind::User { name, .. } => !name.contains('@'),
        TargetKind::Phone { .. } | TargetKind::Sip { .. } => false,
    };
    if needs_realm && account.sip_realm.is_none() {
        let text = "missing or invalid to property: the account has no sip_realm";
        return Err(ApiError::bad_request(text));
    }
    Ok(Order { account, create, application, room })
}

pub(super) async fn list(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    query: Query<Narrowed>,
) -> Reply<Array<Shown>> {
    let account = principal.reach_account(&state, &a).await?;
    let calls = state.doors()?.live.calls(account);
    let shown = calls.iter().filter(|call| is_asked_for(call, &query));
    Array::reply(&shown.map(Shown::of).collect::<Vec<_>>())
}

/// The filters compare exactly; a leading `+` makes no difference to a number (§1.8).
fn is_asked_for(call: &LiveCall, query: &Query<Narrowed>) -> bool {
    let call = &call.snapshot;
    let same = |name, value: &str| {
        query
            .get(name)
            .is_none_or(|asked| asked.trim_start_matches('+') == value.trim_start_matches('+'))
    };
    same("direction", call.direction.as_str())
        && same("from", &call.from)
        && same("to", &call.to)
        && same("callStatus", call.call_status.as_str())
}

pub(super) async fn read(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
) -> Reply<Json<Shown>> {
    let (_, call) = find(&principal, &state, &path).await?;
    Json::reply(&Shown::of(&call))
}

/// A call with how its media flows, which is absent until it does.
#[derive(Serialize, ToSchema)]
#[schema(as = Call)]
pub(super) struct Shown {
    #[serde(flatten)]
    #[schema(value_type = CallSnapshot)]
    call: Arc<CallSnapshot>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media: Option<Quality>,
}

impl Shown {
    fn of(call: &LiveCall) -> Self {
        Self { call: call.snapshot.clone(), media: call.media() }
    }
}

pub(super) async fn update(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
    body: Body<CallUpdate>,
) -> Reply<Either<Accepted, Json<SipAnswer>>> {
    let (a, sid) = &*path;
    let account = principal.reach_account(&state, a).await?;
    let sid = CallSid::parse(sid).ok_or(ApiError::MalformedSid)?;
    let body = body.value()?;
    let update = UpdateCall::parse(&body)?;
    if let Some(Command::Announce(name, prompts)) = &update.command {
        let bad = |error| ApiError::bad_request(format!("{name}: {error}"));
        Announcement::parse(prompts).map_err(bad)?;
    }
    state.admit_urls(urls_in_update(&body)).await?;
    let call = state.doors()?.live.call(account, sid).ok_or(ApiError::NotFound)?;
    let gone = || ApiError::unprocessable(format!("call session is gone for call_sid {sid}"));
    let actor = call.actor.ok_or_else(gone)?;
    match actor.send(Update(update)).await {
        Ok(Ok(Updated::Accepted)) => Either::first(Accepted::reply()),
        Ok(Ok(Updated::Asked(answer))) => {
            let answer = answer.await.map_err(|_| gone())?;
            let answer = SipAnswer { status: answer.status, reason: answer.reason };
            Either::second(Json::reply(&answer))
        }
        Ok(Err(error)) => Err(ApiError::unprocessable(error.to_string())),
        Err(_) => Err(gone()),
    }
}

/// How the far end answered a `sip_request`.
#[derive(Serialize, ToSchema)]
pub(super) struct SipAnswer {
    status: u16,
    reason: String,
}

/// Hangs up, and drops the record of a call that had ended already (J*: jambonz only forgets).
pub(super) async fn delete(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
) -> Reply<NoContent> {
    let (doors, call) = find(&principal, &state, &path).await?;
    let sid = call.snapshot.call_sid;
    if let Some(actor) = call.actor {
        // An actor that has just ended needs no order any more.
        let _ = actor.send(Hangup).await;
    }
    doors.live.forget(sid);
    NoContent::reply()
}

/// The live calls, as the account's limits count them.
pub(super) async fn count(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
) -> Reply<Json<CallCount>> {
    let account = principal.reach_account(&state, &a).await?;
    let count = state.doors()?.desk.call_count(account);
    Json::reply(&CallCount { inbound: count.inbound, outbound: count.outbound })
}

/// Live calls.
#[derive(Serialize, ToSchema)]
pub(super) struct CallCount {
    inbound: u32,
    outbound: u32,
}

/// How a list is narrowed.
pub(super) struct Narrowed;

impl QueryShape for Narrowed {
    const PARAMS: &'static [Param] = &[
        Param::optional(
            "direction",
            ParamKind::OneOf(&["inbound", "outbound"]),
            "seen from the server",
        ),
        Param::optional("from", ParamKind::Text, "exactly this, but for a leading +"),
        Param::optional("to", ParamKind::Text, "exactly this, but for a leading +"),
        Param::optional("callStatus", ParamKind::Text, "exactly this"),
    ];
}

async fn find<'s>(
    principal: &Principal,
    state: &'s AppState,
    (a, sid): &(String, String),
) -> Result<(&'s Doors, LiveCall), ApiError> {
    let account = principal.reach_account(state, a).await?;
    let sid = CallSid::parse(sid).ok_or(ApiError::MalformedSid)?;
    let doors = state.doors()?;
    let call = doors.live.call(account, sid).ok_or(ApiError::NotFound)?;
    Ok((doors, call))
}

impl From<BadCall> for ApiError {
    fn from(bad: BadCall) -> Self {
        Self::BadRequest(bad.to_string())
    }
}

impl From<NotPlaced> for ApiError {
    fn from(why: NotPlaced) -> Self {
        match why {
            NotPlaced::Full(Full::Account(_)) => {
                Self::unprocessable("the account has reached its limit of calls at once")
            }
            NotPlaced::Full(Full::ServiceProvider) => {
                Self::unprocessable("the service provider has reached its limit of calls at once")
            }
            NotPlaced::Store(error) => error.into(),
        }
    }
}
