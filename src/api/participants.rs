//! `…/Conferences/{conference}/Participants` (contract rest.md §3.3): list, read, mute, tag, remove.

use actix_web::web::{Data, Path};
use serde_json::{Value, json};

use super::auth::Principal;
use super::body::Body;
use super::conferences::find;
use super::error::ApiError;
use super::query::Query;
use super::reply::{self, Reply, Wire};
use super::state::{AppState, Doors};
use crate::conference::message::{Leave, Mute, Tag};
use crate::conference::policy::{Exit, Standing};
use crate::conference::snapshot::{ConferenceSnapshot, ParticipantSnapshot};
use crate::directory::LiveConference;
use crate::model::{CallSid, Patch, Timestamp};
use crate::store::Listing;

type Member = Path<(String, String, String)>;

pub(super) async fn list(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
    query: Query,
) -> Reply {
    let (_, room) = find(&principal, &state, &path.0, &path.1).await?;
    let page = query.page()?;
    let wanted = match query.get("status") {
        None => None,
        Some("joined") => Some(Standing::Joined),
        Some("waiting") => Some(Standing::Waiting),
        Some(_) => return Err(ApiError::bad_request("missing or invalid \"status\" query arg")),
    };
    let members = room.snapshot.participants.iter();
    let members = members.filter(|p| wanted.is_none_or(|w| p.standing == w)).cloned().collect();
    let doors = state.doors()?;
    reply::list(&Listing::cut(members, page), page, |p| view(p, &room.snapshot, doors, state.wire))
}

pub(super) async fn read(principal: Principal, state: Data<AppState>, path: Member) -> Reply {
    let (room, member) = member(&principal, &state, &path).await?;
    reply::ok(&view(&member, &room.snapshot, state.doors()?, state.wire))
}

/// Mutes or unmutes, and sets or clears the tag: all or nothing.
pub(super) async fn update(
    principal: Principal,
    state: Data<AppState>,
    path: Member,
    body: Body,
) -> Reply {
    let account = principal.reach_account(&state, &path.0).await?;
    let call = CallSid::parse(&path.2).ok_or(ApiError::MalformedSid)?;
    let mut fields = body.fields()?;
    let muted = match fields.text("mute_status", 8)? {
        Patch::Value(word) if word == "mute" => Some(true),
        Patch::Value(word) if word == "unmute" => Some(false),
        Patch::Absent => None,
        Patch::Value(_) | Patch::Null => return Err(ApiError::bad_request("invalid mute_status")),
    };
    let tag = fields.text("member_tag", 64)?;
    fields.finish()?;
    if muted.is_none() && tag.is_absent() {
        return Err(ApiError::bad_request("one of mute_status, member_tag is required"));
    }
    let room = state.doors()?.live.conference(account, &path.1).ok_or(ApiError::NotFound)?;
    let found = room.snapshot.participant(call).ok_or(ApiError::NotFound)?;
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
    reply::no_content()
}

/// Takes the call out of the room; it goes on with its next verb, or hangs up.
pub(super) async fn delete(
    principal: Principal,
    state: Data<AppState>,
    path: Member,
    query: Query,
) -> Reply {
    let (room, found) = member(&principal, &state, &path).await?;
    let call = found.call;
    if query.is_set("hangup") {
        let live = state.doors()?.live.call(room.snapshot.account, call);
        if let Some(actor) = live.and_then(|live| live.actor) {
            actor.do_send(crate::call::actor::Hangup);
        }
    }
    let leave = Leave { call, exit: Exit::Kicked, run: None, base: None };
    room.actor.send(leave).await.map_err(|_| ApiError::NotFound)?;
    reply::no_content()
}

async fn member(
    principal: &Principal,
    state: &AppState,
    (a, segment, sid): &(String, String, String),
) -> Result<(LiveConference, ParticipantSnapshot), ApiError> {
    let (_, room) = find(principal, state, a, segment).await?;
    let sid = CallSid::parse(sid).ok_or(ApiError::MalformedSid)?;
    let found = room.snapshot.participant(sid).cloned().ok_or(ApiError::NotFound)?;
    Ok((room, found))
}

fn view(p: &ParticipantSnapshot, room: &ConferenceSnapshot, doors: &Doors, wire: Wire) -> Value {
    let joined_at = Timestamp::from(p.joined_at);
    let mut shown = json!({
        "call_sid": p.call,
        "account_sid": room.account,
        "conference_sid": room.sid,
        "conference_name": room.name,
        "member_id": p.member_id,
        "status": match p.standing { Standing::Joined => "joined", Standing::Waiting => "waiting" },
        "muted": p.muted,
        "held": false,
        "talking": false,
        "moderator": p.moderator,
        "end_conference_on_exit": p.end_on_exit,
        "member_tag": p.tag,
        "speak_only_to": null,
        "joined_at": wire.date(joined_at),
        "duration": Timestamp::now().seconds_since(joined_at),
    });
    if let (Some(call), Some(shown)) =
        (doors.live.call(room.account, p.call), shown.as_object_mut())
    {
        let is_heard = p.standing == Standing::Joined && !p.muted;
        shown.insert("talking".into(), json!(is_heard && call.is_talking()));
        if let Some(media) = call.media() {
            shown.insert("media".into(), json!(media));
        }
        let call = &call.snapshot;
        shown.insert("application_sid".into(), json!(call.application_sid));
        shown.insert("direction".into(), json!(call.direction));
        shown.insert("from".into(), json!(call.from));
        shown.insert("to".into(), json!(call.to));
        shown.insert("caller_name".into(), json!(call.caller_name));
        shown.insert("call_status".into(), json!(call.call_status));
        shown.insert("customer_data".into(), json!(call.customer_data));
    }
    shown
}
