//! `conference` (`room`): puts the call into a named room of its account until the room or the
//! call ends (contract verbs.md §3.5).
//!
//! The room's policy lives in the conference; this is one member's view: the enter hook, the join, the wait
//! for the start and what is heard meanwhile, the stay, what is heard on hold, and the action hook
//! afterwards.

use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::prompts::{Plan, Prompts, Round};
use super::props::Props;
use super::{Cx, Ear, Effect, Event, Question, RunId, Step, Stop, VerbError};
use crate::model::{AccountSid, Hook, room_name};

#[derive(Clone, Debug, PartialEq)]
pub struct Conference {
    pub name: String,
    /// True: a moderator. False: waits until another member starts the room (D-29).
    pub start_on_enter: bool,
    /// The room ends when the last member with this flag leaves.
    pub end_on_exit: bool,
    /// How long the others may stay after that (D-30).
    pub grace: Duration,
    pub join_muted: bool,
    /// A short tone to the room when this member enters.
    pub beep: bool,
    pub member_tag: Option<String>,
    /// Coach mode: heard by members with this tag alone.
    pub speak_only_to: Option<String>,
    /// This member's digits are sent to the others.
    pub distribute_dtmf: bool,
    /// Has what is heard until the room starts; without one the room's own has.
    pub wait_hook: Option<Hook>,
    /// Has what this member hears once before it joins.
    pub enter_hook: Option<Hook>,
    /// The mix is recorded there, if this member starts the room.
    pub record_path: Option<String>,
    /// For the room; a joiner beyond it is refused.
    pub max_participants: Option<u32>,
    /// With `status_events`: the starter's holds for the whole room.
    pub status_hook: Option<Hook>,
    pub status_events: Vec<StatusEventName>,
    pub action_hook: Option<Hook>,
    stage: Stage,
    joined_at: Option<Instant>,
    /// What this member alone hears now: before it enters, while it waits, on hold.
    prompts: Option<Prompts>,
}

/// How far the visit has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// The enter hook's prompts, or nothing yet.
    #[default]
    Outside,
    /// The room has been asked.
    AtTheDoor,
    Inside,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConferenceEvent {
    Joined,
    /// Nobody has started the room yet. The hook is the room's, for those whose verb names none.
    Waiting {
        wait_hook: Option<Hook>,
    },
    /// Neither heard nor hearing from now on, or again as before. With a hook: that one says what is
    /// heard meanwhile, in place of the one before.
    Held {
        held: bool,
        wait_hook: Option<Hook>,
    },
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
            grace: Duration::ZERO,
            join_muted: false,
            beep: false,
            member_tag: None,
            speak_only_to: None,
            distribute_dtmf: false,
            wait_hook: None,
            enter_hook: None,
            record_path: None,
            max_participants: None,
            status_hook: None,
            status_events: Vec::new(),
            action_hook: None,
            stage: Stage::Outside,
            joined_at: None,
            prompts: None,
        })
    }

    pub(super) fn parse(props: &mut Props<'_>) -> Result<Self, VerbError> {
        props.required("name")?;
        let name = props.text("name")?.unwrap_or_default();
        let room = Self::named(&name).map_err(|problem| props.bad("name", problem))?;
        let grace = props.number_or_text("endConferenceDuration")?.filter(|grace| *grace > 0.0);
        Ok(Self {
            start_on_enter: props.flag("startConferenceOnEnter")?.unwrap_or(true),
            end_on_exit: props.flag("endConferenceOnExit")?.unwrap_or_default(),
            join_muted: props.flag("joinMuted")?.unwrap_or_default(),
            beep: props.flag("beep")?.unwrap_or_default(),
            grace: Duration::from_secs_f64(grace.unwrap_or_default().min(MAX_GRACE_SECONDS)),
            member_tag: tag(props, "memberTag")?,
            speak_only_to: tag(props, "speakOnlyTo")?,
            distribute_dtmf: props.flag("distributeDtmf")?.unwrap_or_default(),
            wait_hook: props.hook("waitHook")?,
            enter_hook: props.hook("enterHook")?,
            record_path: record_path(props)?,
            // "number > 1": a limit of 0 or 1 is no limit.
            max_participants: props.whole("maxParticipants")?.filter(|max| *max > 1),
            status_hook: props.hook("statusHook")?,
            status_events: status_events(props)?,
            action_hook: props.hook("actionHook")?,
            ..room
        })
    }

    pub(super) fn start(&mut self, run: RunId, cx: &mut Cx<'_>) -> Step {
        match self.enter_hook.take() {
            Some(hook) => {
                let once = Plan { gap: None, may_leave: false, ear: Ear::Call };
                self.listen_to(hook, once, cx);
            }
            None => self.knock(run, cx),
        }
        Step::Wait
    }

    /// Asks to be let in.
    fn knock(&mut self, run: RunId, cx: &mut Cx<'_>) {
        self.stage = Stage::AtTheDoor;
        cx.out.push(Effect::JoinConference { run, verb: Box::new(self.clone()) });
    }

    /// Whether an event of that name is for what is heard meanwhile.
    pub(super) fn owns(&self, to: RunId) -> bool {
        self.prompts.as_ref().is_some_and(|prompts| prompts.owns(to))
    }

    pub(super) fn on_event(
        &mut self,
        event: Event,
        to: RunId,
        run: RunId,
        cx: &mut Cx<'_>,
    ) -> Step {
        if to != run {
            self.on_prompts(event, run, cx);
            return Step::Wait;
        }
        let Event::Conference(event) = event else { return Step::Wait };
        match event {
            ConferenceEvent::Waiting { wait_hook } => {
                if let Some(hook) = self.wait_hook.clone().or(wait_hook) {
                    self.listen_to(hook, looping(Ear::Call), cx);
                }
            }
            ConferenceEvent::Joined => {
                self.hear_nothing(cx);
                self.stage = Stage::Inside;
                self.joined_at = Some(cx.now);
            }
            ConferenceEvent::Held { held: true, wait_hook } => {
                let is_heard = self.prompts.as_ref().map(Prompts::hook) == wait_hook.as_ref();
                if let Some(hook) = wait_hook.filter(|_| !is_heard) {
                    self.listen_to(hook, looping(Ear::Seat), cx);
                }
            }
            ConferenceEvent::Held { held: false, .. } => self.hear_nothing(cx),
            ConferenceEvent::Left(_) => {
                self.hear_nothing(cx);
                return Step::Done(self.question(None, cx));
            }
            ConferenceEvent::Refused(refusal) => {
                self.hear_nothing(cx);
                return Step::Done(self.question(Some(refusal.as_str()), cx));
            }
        }
        Step::Wait
    }

    /// The hook is still sent when the call ended, not when the application was replaced
    /// (contract verbs.md §1.8).
    pub(super) fn stop(&mut self, why: Stop, run: RunId, cx: &mut Cx<'_>) -> Option<Question> {
        self.hear_nothing(cx);
        if self.stage != Stage::Outside {
            cx.out.push(Effect::LeaveConference { run });
        }
        match why {
            Stop::Replaced => None,
            Stop::CallEnded => self.question(None, cx),
        }
    }

    /// Whether it is inside; `None`: it has not come to the room yet.
    pub(super) fn is_joined(&self) -> Option<bool> {
        (self.stage != Stage::Outside).then_some(self.stage == Stage::Inside)
    }

    fn listen_to(&mut self, hook: Hook, plan: Plan, cx: &mut Cx<'_>) {
        self.hear_nothing(cx);
        let mut prompts = Prompts::new(hook, plan);
        prompts.ask(self.fields(cx), cx);
        self.prompts = Some(prompts);
    }

    fn hear_nothing(&mut self, cx: &mut Cx<'_>) {
        if let Some(mut prompts) = self.prompts.take() {
            prompts.stop(cx);
        }
    }

    fn on_prompts(&mut self, event: Event, run: RunId, cx: &mut Cx<'_>) {
        let Some(prompts) = &mut self.prompts else { return };
        match prompts.on_event(event, cx) {
            Round::GoesOn => {}
            Round::Again => {
                let fields = self.fields(cx);
                if let Some(prompts) = &mut self.prompts {
                    prompts.ask(fields, cx);
                }
            }
            Round::Over | Round::Leave => {
                self.prompts = None;
                // Also when the enter hook failed.
                if self.stage == Stage::Outside {
                    self.knock(run, cx);
                }
            }
        }
    }

    /// What every hook of the visit is told (D-32, D-33).
    fn fields(&self, cx: &Cx<'_>) -> Map<String, Value> {
        let mut fields = Map::new();
        fields.insert("conference_sid".into(), event_sid(cx.account_sid, &self.name).into());
        fields.insert("friendly_name".into(), self.name.clone().into());
        fields
    }

    fn question(&self, reason: Option<&str>, cx: &Cx<'_>) -> Option<Question> {
        let stay = self.joined_at.map_or(0, |since| cx.now.duration_since(since).as_secs());
        let mut fields = self.fields(cx);
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

/// Rounds of a hook's prompts until something else happens.
fn looping(ear: Ear) -> Plan {
    Plan { gap: Some(ROUND_GAP), may_leave: false, ear }
}

/// An empty one is none.
fn tag(props: &mut Props<'_>, property: &'static str) -> Result<Option<String>, VerbError> {
    let tag = props.text(property)?.filter(|tag| !tag.is_empty());
    match &tag {
        Some(tag) if tag.chars().count() > MAX_TAG_CHARS => {
            Err(props.bad(property, "must have at most 64 characters"))
        }
        _ => Ok(tag),
    }
}

fn record_path(props: &mut Props<'_>) -> Result<Option<String>, VerbError> {
    const PROBLEM: &str = "must be an object with a path";
    let Some(record) = props.value("record") else { return Ok(None) };
    let path = record.get("path").and_then(Value::as_str);
    match path.filter(|path| !path.is_empty() && path.len() <= MAX_PATH_BYTES) {
        Some(path) => Ok(Some(path.to_owned())),
        None => Err(props.bad("record", PROBLEM)),
    }
}

/// Between two rounds of a wait hook (contract verbs.md §3.5).
const ROUND_GAP: Duration = Duration::from_millis(750);
/// A day.
const MAX_GRACE_SECONDS: f64 = 24.0 * 3600.0;
const MAX_TAG_CHARS: usize = 64;
const MAX_PATH_BYTES: usize = 1024;

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
