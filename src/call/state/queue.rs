//! Queues of a call (contract verbs.md §3.6, rest.md §3.5): what its verbs want of one, and what the API
//! makes it do there.

use std::sync::Arc;
use std::time::Instant;

use time::OffsetDateTime;

use super::{State, Turn, UpdateError};
use crate::call::{Effect, QueueErrand};
use crate::hook::Base;
use crate::queue::news::EventTarget;
use crate::verb::{Dequeue, Enqueue, Event, QueueEvent, QueueOrder, RunId, VerbKind};

/// What the API has a call do instead of its application.
#[derive(Clone, Debug, PartialEq)]
pub enum Assignment {
    /// Wait in a queue.
    Wait(Box<Enqueue>),
    /// Take a caller out of one.
    Take(Box<Dequeue>),
}

impl State {
    /// Replaces the application; the work goes on after the answer.
    ///
    /// # Errors
    /// [`UpdateError`] when the call is not answered, is bridged, or waits in a queue already.
    pub fn assign(
        &mut self,
        now: Instant,
        wall: OffsetDateTime,
        assignment: Assignment,
        out: &mut Vec<Effect>,
    ) -> Result<(), UpdateError> {
        if self.has_ended() {
            return Err(UpdateError::Gone(self.setup.facts.call_sid));
        }
        let (action, kind) = match assignment {
            Assignment::Wait(_) if self.runner.waits_in_queue() => {
                return Err(UpdateError::Incompatible("enqueue: it is in a queue"));
            }
            Assignment::Wait(wait) => ("enqueue", VerbKind::Enqueue(wait)),
            Assignment::Take(take) => ("dequeue", VerbKind::Dequeue(take)),
        };
        if !self.is_answered() || self.runner.is_bridged() || self.is_child() {
            return Err(UpdateError::Incompatible(action));
        }
        self.run_instead([kind], &mut Turn { now, wall, out });
        Ok(())
    }

    pub(super) fn on_queue(&mut self, run: RunId, event: QueueEvent, turn: &mut Turn<'_>) {
        self.tell(run, Event::Queue(event), turn);
    }

    pub(super) fn queue(&mut self, run: RunId, order: QueueOrder, turn: &mut Turn<'_>) {
        let events = match &order {
            QueueOrder::Wait { .. } => self.queue_events(turn),
            _ => None,
        };
        let base = self.base.clone();
        turn.out.push(Effect::Queue(Box::new(QueueErrand { run, order, base, events })));
    }

    /// Where the account wants to hear of its queues.
    fn queue_events(&self, turn: &mut Turn<'_>) -> Option<Arc<EventTarget>> {
        match Base::default().resolve(self.setup.queue_event_hook.as_ref()?) {
            Ok(hook) => {
                let secret = self.setup.webhook_secret.clone();
                Some(Arc::new(EventTarget { hook, secret }))
            }
            Err(error) => {
                turn.out.push(Effect::Alert(error.alert()));
                None
            }
        }
    }
}
