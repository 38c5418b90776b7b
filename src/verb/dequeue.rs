//! `dequeue`: the call is an agent's and takes a caller out of a queue (contract verbs.md §3.6).
//!
//! It waits until the queue has reserved a caller for it, opens a bridge and tells the queue that both
//! are there. A caller who vanishes before that is followed by the next, until the time is over.

use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::Map;

use super::play::{Clip, Loops};
use super::props::Props;
use super::queue::{Outcome, QueueEvent, QueueOrder};
use super::{BridgeChange, Cx, Ear, Effect, Event, Question, RunId, Step, Stop, VerbError};
use crate::model::{CallSid, Hook, room_name};

#[derive(Clone, Debug, PartialEq)]
pub struct Dequeue {
    pub name: String,
    /// For a caller; `None`: forever.
    pub timeout: Option<Duration>,
    /// This one and no other, out of turn.
    pub caller: Option<CallSid>,
    /// A short tone to the agent before the bridge.
    pub beep: bool,
    pub action_hook: Option<Hook>,
    stage: Stage,
    /// The time is over while a caller is being reached.
    is_late: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    Waiting,
    Beeping {
        tone: RunId,
    },
    Meeting {
        bridge: RunId,
        /// The caller has gone from it, and the queue has not said yet whether it held.
        is_broken: bool,
    },
    Talking {
        bridge: RunId,
    },
}

/// How long a registered user waits who dialled the queue (contract verbs.md §1.1).
const DIALLED_TIMEOUT: Duration = Duration::from_secs(5);
/// The `beep`.
const TONE: &str = "tone_stream://%(200,0,800)";

impl Dequeue {
    fn of(name: &str) -> Result<Self, &'static str> {
        room_name::check(name)?;
        Ok(Self {
            name: name.to_owned(),
            timeout: None,
            caller: None,
            beep: false,
            action_hook: None,
            stage: Stage::Waiting,
            is_late: false,
        })
    }

    /// As the dial string `queue-<name>` means it.
    ///
    /// # Errors
    /// What is wrong with the name.
    pub fn dialled(name: &str) -> Result<Self, &'static str> {
        Ok(Self { timeout: Some(DIALLED_TIMEOUT), ..Self::of(name)? })
    }

    /// Takes over a caller whom the queue has promised.
    ///
    /// # Errors
    /// What is wrong with the name.
    pub fn promised(name: &str, caller: CallSid) -> Result<Self, &'static str> {
        Ok(Self { caller: Some(caller), ..Self::dialled(name)? })
    }

    pub(super) fn parse(props: &mut Props<'_>) -> Result<Self, VerbError> {
        props.required("name")?;
        let name = props.text("name")?.unwrap_or_default();
        let verb = Self::of(&name).map_err(|problem| props.bad("name", problem))?;
        let timeout = props.number_or_text("timeout")?.filter(|seconds| *seconds > 0.0);
        let caller = match props.text("callSid")?.filter(|sid| !sid.is_empty()) {
            None => None,
            Some(sid) => match CallSid::parse(&sid) {
                None => return Err(props.bad("callSid", "must be a call_sid")),
                found => found,
            },
        };
        Ok(Self {
            timeout: timeout.map(|seconds| Duration::from_secs_f64(seconds.min(MAX_TIMEOUT))),
            caller,
            beep: props.flag("beep")?.unwrap_or_default(),
            action_hook: props.hook("actionHook")?,
            ..verb
        })
    }

    pub(super) fn start(&mut self, run: RunId, cx: &mut Cx<'_>) -> Step {
        if let Some(after) = self.timeout {
            cx.out.push(Effect::StartTimer { run, after });
        }
        order(run, QueueOrder::Seek { name: self.name.clone(), caller: self.caller }, cx);
        Step::Wait
    }

    /// Whether an event of that name is for a part of this verb.
    pub(super) fn owns(&self, to: RunId) -> bool {
        match self.stage {
            Stage::Waiting => false,
            Stage::Beeping { tone: part }
            | Stage::Meeting { bridge: part, .. }
            | Stage::Talking { bridge: part } => part == to,
        }
    }

    pub(super) fn on_event(
        &mut self,
        event: Event,
        to: RunId,
        run: RunId,
        cx: &mut Cx<'_>,
    ) -> Step {
        match event {
            Event::Timer if to == run => match self.stage {
                Stage::Waiting => self.end("timeout", run, cx),
                _ => {
                    self.is_late = true;
                    Step::Wait
                }
            },
            // Heard or not, the caller waits.
            Event::PlayDone(_) | Event::PlayFailed { .. } => match self.stage {
                Stage::Beeping { tone } if tone == to => self.open(run, cx),
                _ => Step::Wait,
            },
            Event::Queue(event) => self.on_queue(&event, run, cx),
            Event::Bridge(change) => self.on_bridge(change, to, run, cx),
            _ => Step::Wait,
        }
    }

    pub(super) fn stop(&mut self, why: Stop, run: RunId, cx: &mut Cx<'_>) -> Option<Question> {
        let talks = matches!(self.stage, Stage::Talking { .. });
        self.part(cx);
        self.stop_timer(run, cx);
        let outcome = match why {
            Stop::Replaced => Outcome::Replaced,
            Stop::CallEnded => Outcome::HungUp,
        };
        order(run, QueueOrder::Leave(outcome), cx);
        match why {
            Stop::Replaced => None,
            // The agent's side ended it: it was bridged and is over, or it waited no longer.
            Stop::CallEnded => self.question(if talks { "complete" } else { "hangup" }),
        }
    }

    /// Whether the call is with a caller.
    pub(super) fn is_bridged(&self) -> bool {
        matches!(self.stage, Stage::Meeting { .. } | Stage::Talking { .. })
    }

    fn on_queue(&mut self, event: &QueueEvent, run: RunId, cx: &mut Cx<'_>) -> Step {
        match (event, self.stage) {
            (QueueEvent::Offered, Stage::Waiting) if self.beep => {
                let tone = cx.fresh_run();
                self.stage = Stage::Beeping { tone };
                cx.out.push(Effect::Play {
                    run: tone,
                    clips: vec![Clip::Url(TONE.to_owned())],
                    loops: Loops::Times(NonZeroU32::MIN),
                    seek_samples: 0,
                    ear: Ear::Call,
                });
                Step::Wait
            }
            (QueueEvent::Offered, Stage::Waiting) => self.open(run, cx),
            (QueueEvent::Settled, Stage::Meeting { bridge, is_broken: false }) => {
                self.stage = Stage::Talking { bridge };
                self.stop_timer(run, cx);
                Step::Wait
            }
            (QueueEvent::Settled, Stage::Meeting { is_broken: true, .. }) => {
                self.part(cx);
                self.end("complete", run, cx)
            }
            (QueueEvent::Withdrawn, Stage::Beeping { .. } | Stage::Meeting { .. }) => {
                self.part(cx);
                self.stage = Stage::Waiting;
                if self.is_late {
                    self.end("timeout", run, cx)
                } else if self.caller.is_some() {
                    // There is no other to wait for.
                    self.end("hangup", run, cx)
                } else {
                    Step::Wait
                }
            }
            (QueueEvent::Refused | QueueEvent::Lost, _) => {
                self.part(cx);
                self.end("hangup", run, cx)
            }
            _ => Step::Wait,
        }
    }

    fn on_bridge(&mut self, change: BridgeChange, to: RunId, run: RunId, cx: &mut Cx<'_>) -> Step {
        match (change, &mut self.stage) {
            (BridgeChange::Connected, Stage::Meeting { bridge, .. }) if *bridge == to => {
                order(run, QueueOrder::Met, cx);
                Step::Wait
            }
            (BridgeChange::PeerLeft, Stage::Meeting { bridge, is_broken }) if *bridge == to => {
                *is_broken = true;
                Step::Wait
            }
            (BridgeChange::Failed, Stage::Meeting { bridge, is_broken }) if *bridge == to => {
                *is_broken = true;
                order(run, QueueOrder::Failed, cx);
                Step::Wait
            }
            (BridgeChange::PeerLeft | BridgeChange::Failed, Stage::Talking { bridge })
                if *bridge == to =>
            {
                self.part(cx);
                self.end("complete", run, cx)
            }
            _ => Step::Wait,
        }
    }

    fn open(&mut self, run: RunId, cx: &mut Cx<'_>) -> Step {
        let bridge = cx.fresh_run();
        self.stage = Stage::Meeting { bridge, is_broken: false };
        order(run, QueueOrder::Open { bridge }, cx);
        Step::Wait
    }

    /// Out of whatever was begun with a caller.
    fn part(&mut self, cx: &mut Cx<'_>) {
        match self.stage {
            Stage::Waiting => {}
            Stage::Beeping { tone } => cx.out.push(Effect::StopPlay { run: tone }),
            Stage::Meeting { bridge, .. } | Stage::Talking { bridge } => {
                cx.out.push(Effect::ExitBridge { run: bridge });
            }
        }
    }

    fn stop_timer(&self, run: RunId, cx: &mut Cx<'_>) {
        if self.timeout.is_some() {
            cx.out.push(Effect::StopTimer { run });
        }
    }

    fn end(&mut self, result: &str, run: RunId, cx: &mut Cx<'_>) -> Step {
        self.stop_timer(run, cx);
        order(run, QueueOrder::Leave(Outcome::Done), cx);
        Step::Done(self.question(result))
    }

    fn question(&self, result: &str) -> Option<Question> {
        let mut fields = Map::new();
        fields.insert("dequeue_result".into(), result.into());
        Question::action(&self.action_hook, fields)
    }
}

fn order(run: RunId, order: QueueOrder, cx: &mut Cx<'_>) {
    cx.out.push(Effect::Queue { run, order });
}

/// Seconds; nobody waits longer than a call may last.
const MAX_TIMEOUT: f64 = 86_400.0;

#[cfg(test)]
mod tests;
