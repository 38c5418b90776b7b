//! `…/Conferences/{conference}/Participants` (contract rest.md §3.3): list, read, mute, tag, remove.

use std::sync::Arc;

use actix_web::web::{Data, Path};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::conferences::find;
use super::describe::{Param, ParamKind, QueryShape, body};
use super::error::ApiError;
use super::query::{PAGE, PAGE_SIZE};
use super::reply::{Json, Listed, NoContent, Reply, Wire};
use super::state::AppState;
use super::{Body, Principal, Query};
use crate::conference::message::{Leave, Mute, Tag};
use crate::conference::policy::{Exit, Standing};
use crate::conference::snapshot::{ConferenceSnapshot, ParticipantSnapshot};
use crate::directory::{Live, LiveConference};
use crate::media_io::quality::Quality;
use crate::model::call::{CallStatus, Direction};
use crate::model::{
    AccountSid, ApplicationSid, CallSid, ConferenceSid, Fields, Invalid, Patch, Timestamp,
};
use crate::store::Listing;

body!(ParticipantUpdate = Change::read, "mute_status": "mute");

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

/// What becomes of a call that is removed.
pub(super) struct Removal;

impl QueryShape for Removal {
    const PARAMS: &'static [Param] = &[Param::optional(
        "hangup",
        ParamKind::Flag,
        "hang it up, instead of going on with its next verb",
    )];
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

/// The body of an update.
struct Change {
    muted: Option<bool>,
    tag: Patch<String>,
}

impl Change {
    fn read(mut fields: Fields) -> Result<Self, Invalid> {
        for name in ["hold_status", "wait_hook", "speak_only_to", "announce"] {
            fields.refuse(name, Invalid::NotYet(name))?;
        }
        let muted = fields.mute_status()?;
        let tag = fields.text("member_tag", 64)?;
        fields.finish()?;
        if muted.is_none() && tag.is_absent() {
            let text = "one of mute_status, member_tag is required";
            return Err(Invalid::MissingAs { name: "mute_status", text });
        }
        Ok(Self { muted, tag })
    }
}

/// Mutes or unmutes, and sets or clears the tag: all or nothing.
pub(super) async fn update(
    principal: Principal,
    state: Data<AppState>,
    path: Member,
    body: Body<ParticipantUpdate>,
) -> Reply<NoContent> {
    let account = principal.reach_account(&state, &path.0).await?;
    let call = CallSid::parse(&path.2).ok_or(ApiError::MalformedSid)?;
    let Change { muted, tag } = Change::read(body.fields()?)?;
    let (room, found) = member(&state, account, &path.1, call)?;
    if found.standing == Standing::Waiting {
        return Err(ApiError::unprocessable("the participant is still waiting"));
    }
    // A room that has gone meanwhile has no participants: the same answer as a moment later.
    let gone = |_| ApiError::NotFound;
    if let Some(muted) = muted {
        room.actor.send(Mute { call, muted }).await.map_err(gone)?;
    }
    if !tag.is_absent() {
        room.actor.send(Tag { call, tag: tag.value() }).await.map_err(gone)?;
    }
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
        let live = state.live().and_then(|live| live.call(account, call));
        if let Some(actor) = live.and_then(|live| live.actor) {
            actor.do_send(crate::call::actor::Hangup);
        }
    }
    let leave = Leave { call, exit: Exit::Kicked, run: None, base: None };
    room.actor.send(leave).await.map_err(|_| ApiError::NotFound)?;
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
