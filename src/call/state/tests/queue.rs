//! Queues in the story of a call.

use super::*;
use crate::call::{Assignment, QueueErrand};
use crate::verb::{BridgeChange, Enqueue, QueueEvent, QueueOrder, RunId, Standing};

fn support() -> Value {
    json!([
        {"verb": "enqueue", "name": "support", "waitHook": "/wait", "actionHook": "/after"},
        {"verb": "pause", "length": 1},
    ])
}

fn standing() -> Standing {
    Standing { size: 1, position: 0, wait_hook: None }
}

impl Story {
    /// What is wanted of queues by an input.
    fn errands(&mut self, input: Input) -> Vec<QueueErrand> {
        let mut out = Vec::new();
        self.state.handle(self.now, self.wall, input, &mut out);
        self.queue_of(out)
    }

    fn queue_of(&mut self, out: Vec<Effect>) -> Vec<QueueErrand> {
        let mut errands = Vec::new();
        for effect in out {
            match effect {
                Effect::Queue(errand) => errands.push(*errand),
                Effect::Hook(request) => self.hooks.push(*request),
                _ => {}
            }
        }
        errands
    }

    fn assign(&mut self, assignment: Assignment) -> Result<Vec<QueueErrand>, UpdateError> {
        let mut out = Vec::new();
        self.state.assign(self.now, self.wall, assignment, &mut out)?;
        Ok(self.queue_of(out))
    }
}

fn wait() -> Assignment {
    Assignment::Wait(Box::new(Enqueue::ordered("support".into(), Some(3), None, None)))
}

/// A call in the line, with the name of its visit.
fn waiting() -> (Story, RunId) {
    let mut story = Story::running(support());
    let errands = story.errands(Input::Answered);
    let [QueueErrand { run, order: QueueOrder::Wait { name, priority }, events, .. }] =
        &errands[..]
    else {
        panic!("not into the line: {errands:?}")
    };
    assert_eq!((name.as_str(), *priority), ("support", 999));
    let events = events.as_ref().expect("the account's queue event hook");
    assert_eq!(events.hook.url.as_str(), "http://events.example.com/queue");
    let id = *run;
    story.errands(Input::Queue { id, event: QueueEvent::Joined(standing()) });
    (story, id)
}

#[test]
fn a_call_waits_with_prompts_and_what_comes_for_another_visit_is_dropped() {
    let (mut story, run) = waiting();
    let asked = story.hooks.last().unwrap();
    assert_eq!(asked.target.url.path(), "/wait");
    assert_eq!((&asked.body["queue_position"], &asked.body["queue_size"]), (&json!(0), &json!(1)));
    assert_eq!(asked.body["call_status"], "in-progress");
    let id = RunId(run.0 + 100);
    assert!(story.errands(Input::Queue { id, event: QueueEvent::Removed }).is_empty());
    assert_eq!(story.hooks.last().unwrap().target.url.path(), "/wait");
}

#[test]
fn a_removed_call_asks_its_action_hook_and_goes_on() {
    let (mut story, id) = waiting();
    story.errands(Input::Queue { id, event: QueueEvent::Removed });
    let asked = story.hooks.last().unwrap();
    assert_eq!(asked.target.url.path(), "/after");
    assert_eq!(asked.body["queue_result"], "leave");
    let queue_sid = asked.body["queue_sid"].as_str().unwrap();
    assert!(queue_sid.starts_with("queue:") && queue_sid.ends_with(":support"), "{queue_sid}");
}

#[test]
fn a_caller_who_hangs_up_leaves_and_the_hook_is_told() {
    let (mut story, run) = waiting();
    let errands = story.errands(bye());
    let [QueueErrand { run: of, order: QueueOrder::Leave(_), base, .. }] = &errands[..] else {
        panic!("not out: {errands:?}")
    };
    assert_eq!((*of, base.call_status), (run, CallStatus::Completed));
    assert_eq!(story.hooks.last().unwrap().body["queue_result"], "hangup");
}

#[test]
fn the_api_puts_an_answered_call_into_a_queue_instead_of_its_application() {
    let mut story = Story::talking(json!([{"verb": "pause", "length": 60}]));
    let errands = story.assign(wait()).unwrap();
    let [QueueErrand { run, order: QueueOrder::Wait { priority: 3, .. }, .. }] = &errands[..]
    else {
        panic!("not into the line: {errands:?}")
    };
    assert!(story.assign(wait()).is_err(), "it is in a queue");
    // Nothing follows the queue but what its action hook says, and there is none.
    let id = *run;
    let mut out = Vec::new();
    let removed = Input::Queue { id, event: QueueEvent::Removed };
    story.state.handle(story.now, story.wall, removed, &mut out);
    assert!(matches!(out[0], Effect::SendBye { .. }), "{out:?}");
}

#[test]
fn a_call_that_is_not_answered_or_with_another_is_not_put_into_a_queue() {
    let mut story = Story::inbound();
    story.tell(Input::Start);
    assert!(story.assign(wait()).is_err());
    let mut agent = Story::running(json!([{"verb": "dequeue", "name": "support"}]));
    let errands = agent.errands(Input::Answered);
    let [QueueErrand { run: id, order: QueueOrder::Seek { .. }, .. }] = errands[..] else {
        panic!("does not seek: {errands:?}")
    };
    let errands = agent.errands(Input::Queue { id, event: QueueEvent::Offered });
    let [QueueErrand { order: QueueOrder::Open { bridge }, .. }] = errands[..] else {
        panic!("does not open: {errands:?}")
    };
    assert!(agent.assign(wait()).is_err());
    let connected = Input::Bridge { run: bridge, event: BridgeChange::Connected };
    let errands = agent.errands(connected);
    assert!(matches!(errands[..], [QueueErrand { order: QueueOrder::Met, .. }]), "{errands:?}");
    agent.errands(bye());
    assert_eq!(
        agent.assign(wait()).unwrap_err(),
        UpdateError::Gone(agent.state.setup.facts.call_sid)
    );
}
