//! `enqueue`: the call waits in a queue until an agent takes it, and goes on when they have talked
//! (contract verbs.md §3.6).
//!
//! The queue decides; this is one caller's view: wait with prompts, be led into the agent's bridge, stay
//! there, and the action hook afterwards. That both are in the bridge is not enough: only when the queue
//! has said so is the wait over, and until then it may send the caller back to his place.

use std::time::{Duration, Instant};

use serde_json::Map;

use super::prompts::{Plan, Prompts, Round};
use super::props::Props;
use super::queue::{Outcome, QueueEvent, QueueOrder, Standing, queue_event_sid};
use super::{
    Ask, AskKind, BridgeChange, Cx, Ear, Effect, Event, Question, RunId, Step, Stop, VerbError,
};
use crate::model::{Hook, room_name};

#[derive(Clone, Debug, PartialEq)]
pub struct Enqueue {
    pub name: String,
    /// Lower first; among equals who came first.
    pub priority: u32,
    pub wait_hook: Option<Hook>,
    pub action_hook: Option<Hook>,
    prompts: Option<Prompts>,
    stage: Stage,
    joined_at: Option<Instant>,
    /// Until an agent had the call.
    waited: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    /// On the way into the line.
    Entering,
    Waiting,
    /// Led into an agent's bridge; the queue has not said yet that it holds.
    Meeting {
        bridge: RunId,
        /// One of the two sides has gone from it.
        is_broken: bool,
    },
    Talking {
        bridge: RunId,
    },
}

/// What a call waits with that names no priority.
const LAST: u32 = 999;
/// Silence between two rounds of prompts.
const GAP: Duration = Duration::from_millis(500);

impl Enqueue {
    /// A wait as the API orders it, in the queue of that name.
    pub fn ordered(
        name: String,
        priority: Option<u32>,
        wait_hook: Option<Hook>,
        action_hook: Option<Hook>,
    ) -> Self {
        Self {
            name,
            priority: priority.unwrap_or(LAST),
            wait_hook,
            action_hook,
            prompts: None,
            stage: Stage::Entering,
            joined_at: None,
            waited: None,
        }
    }

    pub(super) fn parse(props: &mut Props<'_>) -> Result<Self, VerbError> {
        props.required("name")?;
        let name = props.text("name")?.unwrap_or_default();
        room_name::check(&name).map_err(|problem| props.bad("name", problem))?;
        let priority = props.number_or_text("priority")?.map(priority);
        let (wait_hook, action_hook) = (props.hook("waitHook")?, props.hook("actionHook")?);
        Ok(Self::ordered(name, priority, wait_hook, action_hook))
    }

    pub(super) fn start(&mut self, run: RunId, cx: &mut Cx<'_>) -> Step {
        let (name, priority) = (self.name.clone(), self.priority);
        order(run, QueueOrder::Wait { name, priority }, cx);
        Step::Wait
    }

    /// Whether an event of that name is for a part of this verb.
    pub(super) fn owns(&self, to: RunId) -> bool {
        let bridge = match self.stage {
            Stage::Meeting { bridge, .. } | Stage::Talking { bridge } => Some(bridge),
            Stage::Entering | Stage::Waiting => None,
        };
        bridge == Some(to) || self.prompts.as_ref().is_some_and(|prompts| prompts.owns(to))
    }

    pub(super) fn on_event(
        &mut self,
        event: Event,
        to: RunId,
        run: RunId,
        cx: &mut Cx<'_>,
    ) -> Step {
        if let Some(prompts) = self.prompts.as_mut().filter(|prompts| prompts.owns(to)) {
            let round = prompts.on_event(event, cx);
            return self.after_round(round, run, cx);
        }
        match event {
            Event::Queue(event) => self.on_queue(event, run, cx),
            Event::Bridge(change) => self.on_bridge(change, to, run, cx),
            _ => Step::Wait,
        }
    }

    /// The hook is told however the wait ends (contract verbs.md §1.8).
    pub(super) fn stop(&mut self, why: Stop, run: RunId, cx: &mut Cx<'_>) -> Option<Question> {
        let talks = matches!(self.stage, Stage::Talking { .. });
        self.part(cx);
        let (outcome, result) = match why {
            Stop::CallEnded if talks => (Outcome::HungUp, "bridged"),
            Stop::CallEnded => (Outcome::HungUp, "hangup"),
            Stop::Replaced => (Outcome::Replaced, "hangup"),
        };
        order(run, QueueOrder::Leave(outcome), cx);
        self.question(result, cx)
    }

    /// Whether the call is with an agent.
    pub(super) fn is_bridged(&self) -> bool {
        matches!(self.stage, Stage::Meeting { .. } | Stage::Talking { .. })
    }

    fn on_queue(&mut self, event: QueueEvent, run: RunId, cx: &mut Cx<'_>) -> Step {
        match (event, self.stage) {
            (QueueEvent::Joined(standing), Stage::Entering) => {
                self.stage = Stage::Waiting;
                self.joined_at = Some(cx.now);
                self.prompt(&standing, cx);
            }
            (QueueEvent::Refused, _) => return Step::Done(self.question("error", cx)),
            (QueueEvent::Standing(standing), Stage::Waiting) => self.prompt(&standing, cx),
            // Who has one of his own listens on.
            (QueueEvent::HookChanged(standing), Stage::Waiting) if self.wait_hook.is_none() => {
                self.hush(cx);
                self.prompt(&standing, cx);
            }
            (QueueEvent::Called, Stage::Waiting) => {
                self.hush(cx);
                let bridge = cx.fresh_run();
                self.stage = Stage::Meeting { bridge, is_broken: false };
                self.waited = self.joined_at.map(|since| cx.now.duration_since(since));
                order(run, QueueOrder::Follow { bridge }, cx);
            }
            (QueueEvent::Settled, Stage::Meeting { is_broken: false, bridge }) => {
                self.stage = Stage::Talking { bridge };
            }
            // It held, and is over already.
            (QueueEvent::Settled, Stage::Meeting { is_broken: true, .. }) => {
                self.part(cx);
                return Step::Done(self.question("bridged", cx));
            }
            (QueueEvent::Back, Stage::Meeting { .. }) => {
                self.part(cx);
                self.stage = Stage::Waiting;
                self.waited = None;
                order(run, QueueOrder::Look, cx);
            }
            (QueueEvent::Removed, _) => {
                self.part(cx);
                return Step::Done(self.question("leave", cx));
            }
            (QueueEvent::Redirected(hook), _) => {
                self.part(cx);
                // As of a call whose application is replaced; what is asked then is the new one.
                if let Some(told) = self.question("hangup", cx) {
                    let Question { kind, hook, fields } = told;
                    let verb_id = None;
                    let ask = Ask { run, kind, hook, fields, verb_id, wants_reply: false };
                    cx.out.push(Effect::Ask(ask));
                }
                let (kind, fields) = (AskKind::Redirect, Map::new());
                return Step::Done(Some(Question { kind, hook, fields }));
            }
            (QueueEvent::Lost, _) => {
                self.part(cx);
                return Step::Done(self.question("error", cx));
            }
            _ => {}
        }
        Step::Wait
    }

    fn on_bridge(&mut self, change: BridgeChange, to: RunId, run: RunId, cx: &mut Cx<'_>) -> Step {
        match (change, &mut self.stage) {
            // The agent's call says so to the queue.
            (BridgeChange::Connected, _) => Step::Wait,
            (change, Stage::Meeting { bridge, is_broken }) if *bridge == to => {
                *is_broken = true;
                if change == BridgeChange::Failed {
                    order(run, QueueOrder::Failed, cx);
                }
                // The queue knows whether it held before: it says `Settled` or `Back`.
                Step::Wait
            }
            (_, Stage::Talking { bridge }) if *bridge == to => {
                self.part(cx);
                Step::Done(self.question("bridged", cx))
            }
            _ => Step::Wait,
        }
    }

    fn after_round(&mut self, round: Round, run: RunId, cx: &mut Cx<'_>) -> Step {
        match round {
            // Silence until dequeued.
            Round::GoesOn | Round::Over => Step::Wait,
            Round::Again => {
                order(run, QueueOrder::Look, cx);
                Step::Wait
            }
            Round::Leave => {
                order(run, QueueOrder::Leave(Outcome::Left), cx);
                Step::Done(self.question("leave", cx))
            }
        }
    }

    /// Asks what shall be heard: the hook of the verb, else the queue's.
    fn prompt(&mut self, standing: &Standing, cx: &mut Cx<'_>) {
        let Some(hook) = self.wait_hook.as_ref().or(standing.wait_hook.as_ref()) else { return };
        let plan = Plan { gap: Some(GAP), may_leave: true, ear: Ear::Call };
        let mut fields = Map::new();
        fields.insert("queue_sid".into(), queue_event_sid(cx.account_sid, &self.name).into());
        fields.insert("queue_time".into(), self.time(cx).as_secs().into());
        fields.insert("queue_size".into(), standing.size.into());
        fields.insert("queue_position".into(), standing.position.into());
        self.hush_with(hook.clone(), plan, cx).ask(fields, cx);
    }

    /// The present prompts ended, and new ones of that hook.
    fn hush_with(&mut self, hook: Hook, plan: Plan, cx: &mut Cx<'_>) -> &mut Prompts {
        self.hush(cx);
        self.prompts.insert(Prompts::new(hook, plan))
    }

    fn hush(&mut self, cx: &mut Cx<'_>) {
        if let Some(mut prompts) = self.prompts.take() {
            prompts.stop(cx);
        }
    }

    /// Out of the bridge, and out of the prompts.
    fn part(&mut self, cx: &mut Cx<'_>) {
        self.hush(cx);
        if let Stage::Meeting { bridge, .. } | Stage::Talking { bridge } = self.stage {
            cx.out.push(Effect::ExitBridge { run: bridge });
        }
    }

    fn time(&self, cx: &Cx<'_>) -> Duration {
        let waiting = || self.joined_at.map(|since| cx.now.duration_since(since));
        self.waited.or_else(waiting).unwrap_or_default()
    }

    fn question(&self, result: &str, cx: &Cx<'_>) -> Option<Question> {
        let mut fields = Map::new();
        fields.insert("queue_sid".into(), queue_event_sid(cx.account_sid, &self.name).into());
        fields.insert("queue_time".into(), self.time(cx).as_secs().into());
        fields.insert("queue_result".into(), result.into());
        Question::action(&self.action_hook, fields)
    }
}

fn order(run: RunId, order: QueueOrder, cx: &mut Cx<'_>) {
    cx.out.push(Effect::Queue { run, order });
}

/// 0 to 999; what is below 0 is last.
fn priority(number: f64) -> u32 {
    if number < 0.0 { LAST } else { number.min(f64::from(LAST)) as u32 }
}

#[cfg(test)]
mod tests;
