//! What a conference, or one participant of it, is ordered to hear (contract rest.md §3.2, §3.3): read
//! here, fetched and played after the answer.

use serde_json::Value;

use super::error::ApiError;
use super::state::AppState;
use crate::call::desk::{Announcement, Audience};
use crate::directory::LiveConference;
use crate::model::CallSid;
use crate::verb::{self, Clip};

/// What the verbs of an `announce` say. There is no application here that could complete a URL.
pub(super) fn clips(verbs: &Value) -> Result<Vec<Clip>, ApiError> {
    let bad = |text: String| ApiError::bad_request(format!("announce: {text}"));
    let announcement = verb::Announcement::parse(verbs).map_err(|error| bad(error.to_string()))?;
    if let Some(url) = announcement.relative_url() {
        return Err(bad(format!("{url} is not an absolute URL")));
    }
    Ok(announcement.0)
}

/// Has the room hear it, or that member alone.
pub(super) fn announce(
    state: &AppState,
    room: &LiveConference,
    member: Option<CallSid>,
    clips: Vec<Clip>,
) -> Result<(), ApiError> {
    let announcement = Announcement {
        account: room.snapshot.account,
        room: room.actor.clone(),
        call: member,
        clips,
        audience: if member.is_some() { Audience::Member } else { Audience::Room },
    };
    let announced = state.doors()?.desk.announce(announcement);
    announced.map_err(|too_many| ApiError::unprocessable(too_many.to_string()))
}
