//! `…/Conferences`: the rooms of an account (contract rest.md §3.2, the part that reads and ends).

use actix_web::web::{Data, Path};
use serde_json::{Value, json};

use super::auth::Principal;
use super::error::ApiError;
use super::query::Query;
use super::reply::{self, Reply, Wire};
use super::state::AppState;
use crate::conference::message::End;
use crate::conference::policy::Standing;
use crate::conference::snapshot::ConferenceSnapshot;
use crate::directory::LiveConference;
use crate::model::AccountSid;
use crate::store::Listing;

/// Names, or with `detail=true` or a page whole objects.
pub(super) async fn list(
    principal: Principal,
    state: Data<AppState>,
    a: Path<String>,
    query: Query,
) -> Reply {
    let account = principal.reach_account(&state, &a).await?;
    let page = query.page()?;
    let mut rooms = state.doors()?.live.conferences(account);
    rooms.sort_by(|a, b| a.snapshot.name.cmp(&b.snapshot.name));
    if page.is_none() && !query.is_set("detail") {
        return reply::ok(&rooms.iter().map(|room| &room.snapshot.name).collect::<Vec<_>>());
    }
    rooms.retain(|room| is_asked_for(&room.snapshot, &query));
    reply::list(&Listing::cut(rooms, page), page, |room| view(&room.snapshot, state.wire))
}

fn is_asked_for(room: &ConferenceSnapshot, query: &Query) -> bool {
    query.get("name").is_none_or(|part| room.name.contains(part))
        && query.get("status").is_none_or(|status| room.status() == status)
}

pub(super) async fn read(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
) -> Reply {
    let (_, room) = find(&principal, &state, &path.0, &path.1).await?;
    reply::ok(&view(&room.snapshot, state.wire))
}

/// Ends the room: its calls go on with their next verb, or hang up.
pub(super) async fn delete(
    principal: Principal,
    state: Data<AppState>,
    path: Path<(String, String)>,
    query: Query,
) -> Reply {
    let (_, room) = find(&principal, &state, &path.0, &path.1).await?;
    let hang_up = query.is_set("hangup");
    if hang_up {
        let doors = state.doors()?;
        for participant in &room.snapshot.participants {
            let call = doors.live.call(room.snapshot.account, participant.call);
            if let Some(actor) = call.and_then(|call| call.actor) {
                actor.do_send(crate::call::actor::Hangup);
            }
        }
    }
    // A room that is gone by now has ended as asked.
    let _ = room.actor.send(End).await;
    reply::no_content()
}

/// The room named by a path, its account first.
pub(super) async fn find(
    principal: &Principal,
    state: &AppState,
    a: &str,
    segment: &str,
) -> Result<(AccountSid, LiveConference), ApiError> {
    let account = principal.reach_account(state, a).await?;
    let room = state.doors()?.live.conference(account, segment).ok_or(ApiError::NotFound)?;
    Ok((account, room))
}

fn view(room: &ConferenceSnapshot, wire: Wire) -> Value {
    json!({
        "conference_sid": room.sid,
        "event_sid": crate::hook::payload::conference_sid(room.account, &room.name),
        "account_sid": room.account,
        "name": room.name,
        "status": room.status(),
        // Rooms that a verb opened vanish with their last participant.
        "persistent": false,
        "participant_count": room.count(Standing::Joined),
        "waiting_count": room.count(Standing::Waiting),
        "moderator_count": room.participants.iter().filter(|p| p.moderator).count(),
        "max_participants": room.max_participants,
        "beep": room.beep,
        "join_muted": room.join_muted,
        "wait_hook": null,
        "status_hook": null,
        "status_events": [],
        "locked": room.locked,
        "recording": { "state": "off", "path": null },
        "created_at": wire.date(room.created_at.into()),
        "started_at": wire.date_or_null(room.started_at.map(Into::into)),
    })
}
