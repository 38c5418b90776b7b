//! `conference` (`room`): puts the call into a named room of its account until the room or the
//! call ends (contract verbs.md §3.5).
//!
//! The room's policy lives in the conference; this is one member's view: join, stay, leave, and
//! the action hook afterwards. Wait and enter hooks, coaching, recording and nested streams are
//! read and have no effect yet.

use std::time::Instant;

use serde_json::Map;

use super::props::Props;
use super::{Cx, Effect, Event, Question, RunId, Step, Stop, VerbError};
use crate::model::{AccountSid, Hook, room_name};

#[derive(Clone, Debug, PartialEq)]
pub struct Conference {
    pub name: String,
    /// True: a moderator. False: waits until another member starts the room (D-29).
    pub start_on_enter: bool,
    /// The room ends when the last member with this flag leaves.
    pub end_on_exit: bool,
    pub join_muted: bool,
    /// A short tone to the room when this member enters.
    pub beep: bool,
    pub member_tag: Option<String>,
    /// For the room; a joiner beyond it is refused.
    pub max_participants: Option<u32>,
    /// With `status_events`: the starter's holds for the whole room.
    pub status_hook: Option<Hook>,
    pub status_events: Vec<StatusEventName>,
    pub action_hook: Option<Hook>,
    joined_at: Option<Instant>,
}

/// Events a `statusHook` may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatusEventName {
    Start,
    End,
    Join,
    Leave,
    StartTalking,
    StopTalking,
    SayStart,
    SayDone,
    PlayStart,
    PlayDone,
}

/// What the room tells a member's call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConferenceEvent {
    Joined,
    /// Nobody has started the room yet.
    Waiting,
    Left(LeaveReason),
    Refused(Refusal),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaveReason {
    /// On its own account, by an order that is not this verb's.
    Left,
    /// Removed by somebody else.
    Kicked,
    /// The room ended for all.
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Full,
    Locked,
    /// The call has a seat there already.
    AlreadyIn,
}

impl Conference {
    /// A plain stay in a room, as the dial string `conference-<name>` means it.
    ///
    /// # Errors
    /// What is wrong with the name.
    pub fn named(name: &str) -> Result<Self, &'static str> {
        room_name::check(name)?;
        Ok(Self {
            name: name.to_owned(),
            start_on_enter: true,
            end_on_exit: false,
            join_muted: false,
            beep: false,
            member_tag: None,
            max_participants: None,
            status_hook: None,
            status_events: Vec::new(),
            action_hook: None,
            joined_at: None,
        })
    }

    pub(super) fn parse(props: &mut Props<'_>) -> Result<Self, VerbError> {
        props.required("name")?;
        let name = props.text("name")?.unwrap_or_default();
        let room = Self::named(&name).map_err(|problem| props.bad("name", problem))?;
        Ok(Self {
            start_on_enter: props.flag("startConferenceOnEnter")?.unwrap_or(true),
            end_on_exit: props.flag("endConferenceOnExit")?.unwrap_or_default(),
            join_muted: props.flag("joinMuted")?.unwrap_or_default(),
            beep: props.flag("beep")?.unwrap_or_default(),
            member_tag: props.text("memberTag")?.filter(|tag| !tag.is_empty()),
            // "number > 1": a limit of 0 or 1 is no limit.
            max_participants: props.whole("maxParticipants")?.filter(|max| *max > 1),
            status_hook: props.hook("statusHook")?,
            status_events: status_events(props)?,
            action_hook: props.hook("actionHook")?,
            ..room
        })
    }

    pub(super) fn start(&mut self, run: RunId, cx: &mut Cx<'_>) -> Step {
        cx.out.push(Effect::JoinConference { run, verb: Box::new(self.clone()) });
        Step::Wait
    }

    pub(super) fn on_event(&mut self, event: &Event, cx: &mut Cx<'_>) -> Step {
        match event {
            Event::Conference(ConferenceEvent::Joined) => {
                self.joined_at = Some(cx.now);
                Step::Wait
            }
            Event::Conference(ConferenceEvent::Left(_)) => Step::Done(self.question(None, cx)),
            Event::Conference(ConferenceEvent::Refused(refusal)) => {
                Step::Done(self.question(Some(refusal.as_str()), cx))
            }
            _ => Step::Wait,
        }
    }

    /// The hook is still sent when the call ended, not when the application was replaced
    /// (contract verbs.md §1.8).
    pub(super) fn stop(&mut self, why: Stop, run: RunId, cx: &mut Cx<'_>) -> Option<Question> {
        cx.out.push(Effect::LeaveConference { run });
        match why {
            Stop::Replaced => None,
            Stop::CallEnded => self.question(None, cx),
        }
    }

    pub(super) fn is_joined(&self) -> bool {
        self.joined_at.is_some()
    }

    fn question(&self, reason: Option<&str>, cx: &Cx<'_>) -> Option<Question> {
        let stay = self.joined_at.map_or(0, |since| cx.now.duration_since(since).as_secs());
        let mut fields = Map::new();
        fields.insert("conference_sid".into(), event_sid(cx.account_sid, &self.name).into());
        fields.insert("friendly_name".into(), self.name.clone().into());
        fields.insert("duration".into(), stay.into());
        if let Some(reason) = reason {
            fields.insert("reason".into(), reason.into());
        }
        Question::action(&self.action_hook, fields)
    }
}

impl StatusEventName {
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "start" => Self::Start,
            "end" => Self::End,
            "join" => Self::Join,
            "leave" => Self::Leave,
            "start-talking" => Self::StartTalking,
            "stop-talking" | "end-talking" => Self::StopTalking,
            "say-start" => Self::SayStart,
            "say-done" => Self::SayDone,
            "play-start" => Self::PlayStart,
            "play-done" => Self::PlayDone,
            _ => return None,
        })
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::End => "end",
            Self::Join => "join",
            Self::Leave => "leave",
            Self::StartTalking => "start-talking",
            Self::StopTalking => "stop-talking",
            Self::SayStart => "say-start",
            Self::SayDone => "say-done",
            Self::PlayStart => "play-start",
            Self::PlayDone => "play-done",
        }
    }
}

impl Refusal {
    fn as_str(self) -> &'static str {
        match self {
            Self::Full => "conference full",
            Self::Locked => "conference locked",
            Self::AlreadyIn => "already in conference",
        }
    }
}

/// The form of a conference's identity that webhooks carry (contract rest.md §3.1).
pub(crate) fn event_sid(account_sid: AccountSid, name: &str) -> String {
    format!("conf:{account_sid}:{name}")
}

fn status_events(props: &mut Props<'_>) -> Result<Vec<StatusEventName>, VerbError> {
    const PROBLEM: &str = "must be an array of conference event names";
    let Some(value) = props.value("statusEvents") else { return Ok(Vec::new()) };
    let names = value.as_array().ok_or_else(|| props.bad("statusEvents", PROBLEM))?;
    let mut events = Vec::with_capacity(names.len().min(10));
    for name in names {
        let event = name
            .as_str()
            .and_then(StatusEventName::parse)
            .ok_or_else(|| props.bad("statusEvents", PROBLEM))?;
        if !events.contains(&event) {
            events.push(event);
        }
    }
    Ok(events)
}
