//! `…/Conferences/{conference}/Participants` (contract rest.md §3.3): list, read, add, change, remove.

use std::sync::Arc;

use actix_web::web::{Data, Path};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::announce::{announce, clips};
use super::calls::{check, order_call};
use super::conferences::find;
use super::describe::{BodyShape, Operation, Param, ParamKind, QueryShape};
use super::error::ApiError;
use super::idempotency::IdempotencyKey;
use super::query::{PAGE, PAGE_SIZE, Removal};
use super::reply::{Created, Json, Listed, NoContent, Reply, Wire};
use super::state::AppState;
use super::{Body, Principal, Query};
use crate::call::actor::EnterRoom;
use crate::conference::message::{Hold, Leave, Mute, SpeakOnlyTo, Tag};
use crate::conference::policy::{Exit, Standing};
use crate::conference::snapshot::{ConferenceSnapshot, ParticipantSnapshot};
use crate::directory::{Live, LiveConference};
use crate::media_io::quality::Quality;
use crate::model::call::{CallStatus, Direction, urls_in_participant};
use crate::model::{
    Account, AccountSid, ApplicationSid, CallSid, ConferenceSid, Fields, HoldOrder, NewParticipant,
    Part, ParticipantUpdate, Timestamp, Who,
};
use crate::store::Listing;
use crate::verb::Conference;

/// Either `call_sid` or `to` is required, which its reader says of one alone.
pub(super) struct NewMember;

impl BodyShape for NewMember {
    fn describe(operation: &mut Operation) {
        const NAME: &str = "NewParticipant";
        operation.body_by_reader(NAME, &[], NewParticipant::read);
        let ways = json!([{"required": ["call_sid"]}, {"required": ["to", "from"]}]);
        operation.amend(NAME, "oneOf", ways);
    }
}

/// Any of its properties will do.
pub(super) struct MemberChange;

impl BodyShape for MemberChange {
    fn describe(operation: &mut Operation) {
        const NAME: &str = "ParticipantUpdate";
        operation.body_by_reader(NAME, &[], ParticipantUpdate::read);
        operation.amend(NAME, "minProperties", json!(1));
    }
}

const STANDINGS: &[&str] = &["joined", "waiting"];

/// Which participants.
pub(super) struct Asked;

impl QueryShape for Asked {
    const PARAMS: &'static [Param] = &[
        PAGE,
        PAGE_SIZE,
        Param::optional("status", ParamKind::OneOf(STANDINGS), "inside, or waiting for the start"),
    ];
}

type Member = Path<(String, String, String)>;

pub(super) async fn list(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
    query: Query<Asked>,
) -> Reply<Listed<ParticipantView>> {
    let account = principal.reach_account(&state, &path.0).await?;
    let page = query.page()?;
    let wanted =
        query.one_of("status", |text| STANDINGS.iter().copied().find(|known| *known == text))?;
    let room = find(&state, account, &path.1)?;
    let mut members = Vec::new();
    // One that is laid down and not live is empty.
    if let Some((room, live)) = room.snapshot().zip(state.live()) {
        let all = room.participants.iter();
        let asked_for = all.filter(|p| wanted.is_none_or(|wanted| standing(p) == wanted));
        members.extend(asked_for.map(|p| (p, room, live)));
    }
    Listed::reply(&Listing::cut(members, page), page, |(participant, room, live)| {
        ParticipantView::new(participant, room, live, state.wire)
    })
}

pub(super) async fn read(
    principal: Principal,
    state: Data<AppState>,
    path: Member,
) -> Reply<Json<ParticipantView>> {
    let account = principal.reach_account(&state, &path.0).await?;
    let call = CallSid::parse(&path.2).ok_or(ApiError::MalformedSid)?;
    let (room, found) = member(&state, account, &path.1, call)?;
    let live = state.doors()?.live.as_ref();
    Json::reply(&ParticipantView::new(&found, &room.snapshot, live, state.wire))
}

/// Brings a call in: one that is up leaves what it runs for it, one that is to be placed comes when it
/// is answered.
pub(super) async fn create(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
    key: IdempotencyKey,
    body: Body<NewMember>,
) -> Reply<Created> {
    let account = principal.require_account(&state, &path.0).await?;
    let body = body.value()?;
    let Value::Object(map) = &body else {
        return Err(ApiError::bad_request("the body must be an object"));
    };
    let new = NewParticipant::read(Fields::new(map.clone()))?;
    let (sid, urls) = (account.sid, urls_in_participant(&body));
    let what = format!("participants of {}", path.1);
    let add = {
        let (state, segment) = (state.clone(), path.1.clone());
        async move {
            state.admit_urls(urls).await?;
            add(&state, account, &segment, new).await
        }
    };
    let added: CallSid = key.once(&state, sid, (&what, &body), add).await?;
    Created::reply(&added)
}

async fn add(
    state: &AppState,
    account: Account,
    segment: &str,
    new: NewParticipant,
) -> Result<CallSid, ApiError> {
    let room = find(state, account.sid, segment)?;
    let verb = Box::new(entry(room.name(), new.part)?);
    match new.who {
        Who::Call(call) => {
            let live = state.live().and_then(|live| live.call(account.sid, call));
            let actor = live.ok_or(ApiError::NotFound)?.actor;
            room.admit(Some(call))?;
            let gone =
                || ApiError::unprocessable(format!("call session is gone for call_sid {call}"));
            let entered = actor.ok_or_else(gone)?.send(EnterRoom(verb)).await;
            entered.map_err(|_| gone())?.map_err(|e| ApiError::unprocessable(e.to_string()))?;
            Ok(call)
        }
        Who::Placed(create) => {
            room.admit(None)?;
            let order = check(state, account, *create, Some(verb)).await?;
            Ok(order_call(state, order).await?.sid)
        }
    }
}

/// The verb that takes part in that way.
fn entry(name: &str, part: Part) -> Result<Conference, ApiError> {
    let mut verb = Conference::named(name).map_err(ApiError::bad_request)?;
    verb.start_on_enter = part.moderator;
    verb.end_on_exit = part.end_on_exit;
    verb.join_muted = part.join_muted;
    verb.beep = part.beep;
    verb.member_tag = part.member_tag;
    verb.speak_only_to = part.speak_only_to;
    verb.action_hook = part.action_hook;
    Ok(verb)
}

/// Mutes, holds, tags, has somebody coach, announces: all or nothing.
pub(super) async fn update(
    principal: Principal,
    state: Data<AppState>,
    path: Member,
    body: Body<MemberChange>,
) -> Reply<NoContent> {
    let account = principal.reach_account(&state, &path.0).await?;
    let call = CallSid::parse(&path.2).ok_or(ApiError::MalformedSid)?;
    let change = ParticipantUpdate::read(body.fields()?)?;
    let announcement = change.announce.as_ref().map(clips).transpose()?;
    state.admit_urls(change.url()).await?;
    let (room, found) = member(&state, account, &path.1, call)?;
    if found.standing == Standing::Waiting {
        return Err(ApiError::unprocessable("the participant is still waiting"));
    }
    // The one thing that may be refused, then what cannot be.
    if let Some(clips) = announcement {
        announce(&state, &room, Some(call), clips)?;
    }
    // A room that has gone meanwhile has no participants: the same answer as a moment later.
    let gone = |_| ApiError::NotFound;
    if let Some(muted) = change.mute {
        room.actor.send(Mute { call, muted }).await.map_err(gone)?;
    }
    if let Some(HoldOrder { held, wait_hook }) = change.hold {
        room.actor.send(Hold { call, held, wait_hook }).await.map_err(gone)?;
    }
    if !change.tag.is_absent() {
        room.actor.send(Tag { call, tag: change.tag.value() }).await.map_err(gone)?;
    }
    if !change.speak_only_to.is_absent() {
        let tag = change.speak_only_to.value();
        room.actor.send(SpeakOnlyTo { call, tag }).await.map_err(gone)?;
    }
    state.shown().await;
    NoContent::reply()
}

/// Takes the call out of the room; it goes on with its next verb, or hangs up.
pub(super) async fn delete(
    principal: Principal,
    state: Data<AppState>,
    path: Member,
    query: Query<Removal>,
) -> Reply<NoContent> {
    let account = principal.reach_account(&state, &path.0).await?;
    let call = CallSid::parse(&path.2).ok_or(ApiError::MalformedSid)?;
    let (room, _) = member(&state, account, &path.1, call)?;
    if query.is_set("hangup") {
        state.hang_up(account, call);
    }
    let leave = Leave { call, exit: Exit::Kicked, run: None, base: None };
    room.actor.send(leave).await.map_err(|_| ApiError::NotFound)?;
    state.shown().await;
    NoContent::reply()
}

/// The live room that `segment` names, and the participant in it.
fn member(
    state: &AppState,
    account: AccountSid,
    segment: &str,
    call: CallSid,
) -> Result<(LiveConference, ParticipantSnapshot), ApiError> {
    let room = find(state, account, segment)?.live.ok_or(ApiError::NotFound)?;
    let found = room.snapshot.participant(call).cloned().ok_or(ApiError::NotFound)?;
    Ok((room, found))
}

fn standing(participant: &ParticipantSnapshot) -> &'static str {
    match participant.standing {
        Standing::Joined => "joined",
        Standing::Waiting => "waiting",
    }
}

/// A participant as it is shown. What belongs to its call is null once that is gone.
#[derive(Serialize, ToSchema)]
#[schema(as = Participant)]
pub(super) struct ParticipantView {
    call_sid: CallSid,
    account_sid: AccountSid,
    application_sid: Option<ApplicationSid>,
    conference_sid: ConferenceSid,
    conference_name: String,
    member_id: u32,
    status: &'static str,
    muted: bool,
    held: bool,
    talking: bool,
    moderator: bool,
    end_conference_on_exit: bool,
    member_tag: Option<String>,
    speak_only_to: Option<String>,
    joined_at: String,
    /// Seconds since `joined_at`.
    duration: i64,
    #[schema(value_type = Option<String>)]
    direction: Option<Direction>,
    from: Option<String>,
    to: Option<String>,
    caller_name: Option<String>,
    #[schema(value_type = Option<String>)]
    call_status: Option<CallStatus>,
    #[schema(value_type = Option<Object>)]
    customer_data: Option<Arc<Map<String, Value>>>,
    /// How its audio flows, once it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    media: Option<Quality>,
}

impl ParticipantView {
    fn new(p: &ParticipantSnapshot, room: &ConferenceSnapshot, live: &Live, wire: Wire) -> Self {
        let joined_at = Timestamp::from(p.joined_at);
        let found = live.call(room.account, p.call);
        let call = found.as_ref().map(|call| &*call.snapshot);
        let is_heard = p.standing == Standing::Joined && !p.muted && !p.held;
        Self {
            call_sid: p.call,
            account_sid: room.account,
            application_sid: call.and_then(|call| call.application_sid),
            conference_sid: room.sid,
            conference_name: room.name.clone(),
            member_id: p.member_id,
            status: standing(p),
            muted: p.muted,
            held: p.held,
            talking: is_heard && found.as_ref().is_some_and(|call| call.is_talking()),
            moderator: p.moderator,
            end_conference_on_exit: p.end_on_exit,
            member_tag: p.tag.clone(),
            speak_only_to: p.speak_only_to.clone(),
            joined_at: wire.date(joined_at),
            duration: Timestamp::now().seconds_since(joined_at),
            direction: call.map(|call| call.direction),
            from: call.map(|call| call.from.clone()),
            to: call.map(|call| call.to.clone()),
            caller_name: call.map(|call| call.caller_name.clone()),
            call_status: call.map(|call| call.call_status),
            customer_data: call.and_then(|call| call.customer_data.clone()),
            media: found.as_ref().and_then(|call| call.media()),
        }
    }
}
