//! Walks an application's verbs, one at a time (contract verbs.md §1.8, §3.0).
//!
//! Answers the call for the verb that needs it, skips what cannot run, asks the action hook of
//! what ended and waits for the reply. It decides nothing about the call itself: when the list is
//! exhausted it says so.

use std::collections::VecDeque;

use super::{
    Ask, AskKind, Conference, Cx, Dial, Effect, Event, Line, Need, Question, RunId, Step, Stop,
    Verb, VerbKind,
};

#[derive(Debug, Default)]
pub struct Runner {
    list: VecDeque<Verb>,
    current: Current,
}

#[derive(Debug, Default)]
enum Current {
    #[default]
    Idle,
    /// A verb whose turn it is, waiting for the media path it needs.
    Blocked {
        verb: Verb,
        run: RunId,
        need: Need,
    },
    Active {
        verb: Verb,
        run: RunId,
    },
    /// A verb ended and its hook was asked.
    Asking {
        run: RunId,
    },
}

/// Where the list stands after the runner had its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Something is under way and will report.
    Running,
    /// Nothing is left to do.
    Exhausted,
    /// A verb ended the application.
    Ended,
}

impl Runner {
    /// Drops what is there, running verb and all, and starts `verbs`.
    pub fn replace(&mut self, verbs: Vec<Verb>, cx: &mut Cx<'_>) -> Progress {
        self.stop(Stop::Replaced, cx);
        self.list = verbs.into();
        self.next(cx)
    }

    /// Adds `verbs` to the list, as far as there is room; they start now if nothing runs.
    pub fn append(&mut self, verbs: Vec<Verb>, cx: &mut Cx<'_>) -> Progress {
        let room = MAX_LISTED.saturating_sub(self.list.len());
        self.list.extend(verbs.into_iter().take(room));
        match self.current {
            Current::Idle => self.next(cx),
            _ => Progress::Running,
        }
    }

    /// Carries out a verb that ends where it starts, whatever the list does meanwhile.
    pub fn aside(&mut self, mut verb: Verb, cx: &mut Cx<'_>) -> Progress {
        let run = cx.fresh_run();
        // Such a verb says no more than that it is done.
        let _ = verb.start(run, cx);
        self.progress()
    }

    /// Stops the running verb and forgets the list.
    pub fn stop(&mut self, why: Stop, cx: &mut Cx<'_>) {
        self.list.clear();
        if let Current::Active { mut verb, run } = std::mem::take(&mut self.current)
            && let Some(question) = verb.stop(why, run, cx)
        {
            cx.out.push(ask(question, run, &verb, false));
        }
    }

    /// The line changed: the call was answered, or 183 went out.
    pub fn on_line(&mut self, cx: &mut Cx<'_>) -> Progress {
        match std::mem::take(&mut self.current) {
            Current::Blocked { mut verb, run, need } if is_met(need, cx.line) => {
                match verb.start(run, cx) {
                    Step::Wait => {
                        self.current = Current::Active { verb, run };
                        Progress::Running
                    }
                    step => self.after(step, &verb, run, cx),
                }
            }
            Current::Active { mut verb, run } => match verb.on_event(Event::Line, run, run, cx) {
                Step::Wait => {
                    self.current = Current::Active { verb, run };
                    Progress::Running
                }
                step => self.after(step, &verb, run, cx),
            },
            other => {
                self.current = other;
                self.progress()
            }
        }
    }

    /// An event for one verb; of a verb that is over it is dropped.
    pub fn on_event(&mut self, to: RunId, event: Event, cx: &mut Cx<'_>) -> Progress {
        match std::mem::take(&mut self.current) {
            Current::Active { mut verb, run } if run == to || verb.owns(to) => {
                let told = cx.out.len();
                let step = verb.on_event(event, to, run, cx);
                // A verb does not know the name that the application gave it.
                for effect in cx.out.iter_mut().skip(told) {
                    if let Effect::Ask(Ask { kind: AskKind::Action, verb_id, .. }) = effect {
                        verb_id.clone_from(&verb.id);
                    }
                }
                match step {
                    Step::Wait => {
                        self.current = Current::Active { verb, run };
                        Progress::Running
                    }
                    step => self.after(step, &verb, run, cx),
                }
            }
            other => {
                self.current = other;
                self.progress()
            }
        }
    }

    /// The application answered the question of `to`; no verbs means: go on.
    pub fn on_reply(&mut self, to: RunId, verbs: Vec<Verb>, cx: &mut Cx<'_>) -> Progress {
        match self.current {
            Current::Asking { run } if run == to => {
                self.current = Current::Idle;
                if !verbs.is_empty() {
                    self.list = verbs.into();
                }
                self.next(cx)
            }
            _ => self.progress(),
        }
    }

    /// The verb that waits for the reply to its hook.
    pub fn is_asking(&self, id: RunId) -> bool {
        matches!(self.current, Current::Asking { run } if run == id)
    }

    /// The conference this call is in or waits for, and whether it has entered it.
    pub fn conference(&self) -> Option<(RunId, bool)> {
        let (room, run) = self.room()?;
        Some((run, room.is_joined()?))
    }

    /// The name of the conference this call is in, waits for or is about to enter.
    pub fn conference_name(&self) -> Option<&str> {
        self.room().map(|(room, _)| room.name.as_str())
    }

    fn room(&self) -> Option<(&Conference, RunId)> {
        match &self.current {
            Current::Active { verb, run } => match &verb.kind {
                VerbKind::Conference(room) => Some((room, *run)),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether the call is in a queue as a caller.
    pub fn waits_in_queue(&self) -> bool {
        match &self.current {
            Current::Active { verb, .. } => matches!(verb.kind, VerbKind::Enqueue(_)),
            _ => false,
        }
    }

    /// Whether the call talks with one other call.
    pub fn is_bridged(&self) -> bool {
        match &self.current {
            Current::Active { verb, .. } => match &verb.kind {
                VerbKind::Dequeue(agent) => agent.is_bridged(),
                VerbKind::Dial(dial) => dial.peer().is_some(),
                VerbKind::Enqueue(wait) => wait.is_bridged(),
                _ => false,
            },
            _ => false,
        }
    }

    /// The `dial` under way.
    pub fn dial(&self) -> Option<(RunId, &Dial)> {
        match &self.current {
            Current::Active { verb, run } => match &verb.kind {
                VerbKind::Dial(dial) => Some((*run, dial)),
                _ => None,
            },
            _ => None,
        }
    }

    /// The same, to order something of it.
    pub fn dial_mut(&mut self) -> Option<(RunId, &mut Dial)> {
        match &mut self.current {
            Current::Active { verb, run } => match &mut verb.kind {
                VerbKind::Dial(dial) => Some((*run, dial)),
                _ => None,
            },
            _ => None,
        }
    }

    /// The `sip:refer` under way, which hears the far end's NOTIFYs.
    pub fn refer(&self) -> Option<RunId> {
        match &self.current {
            Current::Active { verb, run } => match &verb.kind {
                VerbKind::SipRefer(_) => Some(*run),
                _ => None,
            },
            _ => None,
        }
    }

    fn next(&mut self, cx: &mut Cx<'_>) -> Progress {
        while let Some(mut verb) = self.list.pop_front() {
            if !verb.may_run(cx.line) {
                continue;
            }
            let run = cx.fresh_run();
            let need = verb.need();
            if !is_met(need, cx.line) {
                cx.out.push(match need {
                    Need::EarlyMedia => Effect::Progress,
                    Need::Answer | Need::Nothing => Effect::Answer,
                });
                self.current = Current::Blocked { verb, run, need };
                return Progress::Running;
            }
            match verb.start(run, cx) {
                Step::Wait => {
                    self.current = Current::Active { verb, run };
                    return Progress::Running;
                }
                Step::Done(None) => {}
                Step::Done(Some(question)) => {
                    cx.out.push(ask(question, run, &verb, true));
                    self.current = Current::Asking { run };
                    return Progress::Running;
                }
                Step::End => return self.end(),
            }
        }
        Progress::Exhausted
    }

    fn after(&mut self, step: Step, verb: &Verb, run: RunId, cx: &mut Cx<'_>) -> Progress {
        match step {
            Step::Wait => Progress::Running,
            Step::Done(None) => self.next(cx),
            Step::Done(Some(question)) => {
                cx.out.push(ask(question, run, verb, true));
                self.current = Current::Asking { run };
                Progress::Running
            }
            Step::End => self.end(),
        }
    }

    fn end(&mut self) -> Progress {
        self.list.clear();
        Progress::Ended
    }

    /// Where the list stands.
    pub fn progress(&self) -> Progress {
        match self.current {
            Current::Idle if self.list.is_empty() => Progress::Exhausted,
            _ => Progress::Running,
        }
    }
}

/// Verbs that wait for their turn.
const MAX_LISTED: usize = 2000;

fn is_met(need: Need, line: Line) -> bool {
    match need {
        Need::Nothing => true,
        Need::Answer => line == Line::Answered,
        Need::EarlyMedia => line != Line::Unanswered,
    }
}

fn ask(question: Question, run: RunId, verb: &Verb, wants_reply: bool) -> Effect {
    let Question { kind, hook, fields } = question;
    Effect::Ask(Ask { run, kind, hook, fields, verb_id: verb.id.clone(), wants_reply })
}

#[cfg(test)]
mod tests;
