//! One agent's turn, step by step.

use std::time::Instant;

use serde_json::{Value, json};

use super::*;
use crate::model::AccountSid;
use crate::verb::{Line, PlayReport, Verb, VerbKind, parse};

struct Agent {
    verb: Dequeue,
    run: RunId,
    runs: u32,
}

impl Agent {
    /// Waiting for a caller of `support`, with `more` said.
    fn waiting(more: Value) -> Self {
        let mut verb = json!({"verb": "dequeue", "name": "support", "actionHook": "/after"});
        if let (Some(verb), Value::Object(more)) = (verb.as_object_mut(), more) {
            verb.extend(more);
        }
        let mut parsed = parse(&json!([verb])).unwrap();
        let Some(Verb { kind: VerbKind::Dequeue(verb), .. }) = parsed.pop() else { panic!("one") };
        let mut agent = Self { verb: *verb, run: RunId(1), runs: 1 };
        agent.step(|verb, run, cx| verb.start(run, cx));
        agent
    }

    /// With a bridge open for a caller.
    fn meeting(more: Value) -> Self {
        let mut agent = Self::waiting(more);
        agent.queue(QueueEvent::Offered);
        agent
    }

    fn step<T>(
        &mut self,
        step: impl FnOnce(&mut Dequeue, RunId, &mut Cx<'_>) -> T,
    ) -> (T, Vec<Effect>) {
        let mut out = Vec::new();
        let mut cx = Cx {
            now: Instant::now(),
            line: Line::Answered,
            account_sid: AccountSid::random(),
            ear: Ear::Call,
            runs: &mut self.runs,
            out: &mut out,
        };
        let done = step(&mut self.verb, self.run, &mut cx);
        (done, out)
    }

    fn queue(&mut self, event: QueueEvent) -> (Step, Vec<Effect>) {
        self.step(|verb, run, cx| verb.on_event(Event::Queue(event), run, run, cx))
    }

    fn timer(&mut self) -> (Step, Vec<Effect>) {
        self.step(|verb, run, cx| verb.on_event(Event::Timer, run, run, cx))
    }

    /// An event for what was begun last.
    fn part(&mut self, event: Event) -> (Step, Vec<Effect>) {
        let to = RunId(self.runs);
        assert!(self.verb.owns(to), "not its own");
        self.step(|verb, run, cx| verb.on_event(event, to, run, cx))
    }

    fn order(&self, order: QueueOrder) -> Effect {
        Effect::Queue { run: self.run, order }
    }
}

fn told(step: &Step) -> &str {
    let Step::Done(Some(question)) = step else { panic!("not asked: {step:?}") };
    question.fields["dequeue_result"].as_str().unwrap()
}

#[test]
fn properties_are_read() {
    let call = CallSid::random();
    let body = json!({"name": "q", "timeout": 2.5, "callSid": call.to_string(), "beep": true});
    let verbs = parse(&json!([{"dequeue": body}])).unwrap();
    let [Verb { kind: VerbKind::Dequeue(verb), .. }] = &verbs[..] else { panic!("one") };
    assert_eq!((verb.timeout, verb.caller), (Some(Duration::from_millis(2500)), Some(call)));
    assert!(verb.beep);
    let verbs = parse(&json!([{"dequeue": {"name": "q", "timeout": 0}}])).unwrap();
    let [Verb { kind: VerbKind::Dequeue(verb), .. }] = &verbs[..] else { panic!("one") };
    assert_eq!((verb.timeout, verb.caller), (None, None));
    for bad in [json!({}), json!({"name": ""}), json!({"name": "q", "callSid": "x"})] {
        assert!(parse(&json!([{"dequeue": bad.clone()}])).is_err(), "{bad}");
    }
}

#[test]
fn a_caller_is_bridged_and_both_go_on_when_it_is_over() {
    let mut agent = Agent::waiting(json!({"timeout": 5}));
    let (_, out) = agent.queue(QueueEvent::Offered);
    let bridge = RunId(agent.runs);
    assert_eq!(out, [agent.order(QueueOrder::Open { bridge })]);
    let (_, out) = agent.part(Event::Bridge(BridgeChange::Connected));
    assert_eq!(out, [agent.order(QueueOrder::Met)]);
    let (_, out) = agent.queue(QueueEvent::Settled);
    assert_eq!(out, [Effect::StopTimer { run: agent.run }]);
    let (step, out) = agent.part(Event::Bridge(BridgeChange::PeerLeft));
    assert_eq!(told(&step), "complete");
    assert!(out.contains(&Effect::ExitBridge { run: bridge }));
}

#[test]
fn the_time_is_for_waiting_and_a_caller_who_is_there_is_not_lost_to_it() {
    let mut agent = Agent::waiting(json!({"timeout": 5}));
    let (step, out) = agent.timer();
    assert_eq!(told(&step), "timeout");
    assert_eq!(out.last(), Some(&agent.order(QueueOrder::Leave(Outcome::Done))));

    let mut agent = Agent::meeting(json!({"timeout": 5}));
    assert_eq!(agent.timer().0, Step::Wait);
    let (step, _) = agent.queue(QueueEvent::Withdrawn);
    assert_eq!(told(&step), "timeout");

    let mut agent = Agent::meeting(json!({"timeout": 5}));
    agent.timer();
    agent.part(Event::Bridge(BridgeChange::Connected));
    assert_eq!(agent.queue(QueueEvent::Settled).0, Step::Wait);
}

#[test]
fn who_vanishes_is_followed_by_the_next_unless_one_was_wanted() {
    let mut agent = Agent::meeting(json!({}));
    let bridge = RunId(agent.runs);
    let (step, out) = agent.queue(QueueEvent::Withdrawn);
    assert_eq!((step, out), (Step::Wait, vec![Effect::ExitBridge { run: bridge }]));
    let (_, out) = agent.queue(QueueEvent::Offered);
    assert!(matches!(out[..], [Effect::Queue { order: QueueOrder::Open { .. }, .. }]));
    // What comes late of the first bridge is nobody's.
    assert!(!agent.verb.owns(bridge));

    let caller = CallSid::random().to_string();
    let mut agent = Agent::meeting(json!({"callSid": caller}));
    assert_eq!(told(&agent.queue(QueueEvent::Withdrawn).0), "hangup");
}

#[test]
fn a_beep_is_heard_before_the_bridge() {
    for heard in [true, false] {
        let mut agent = Agent::waiting(json!({"beep": true}));
        let (_, out) = agent.queue(QueueEvent::Offered);
        assert!(matches!(out[..], [Effect::Play { ear: Ear::Call, .. }]), "{out:?}");
        let report = PlayReport { played: Duration::from_millis(200), last_offset_samples: 0 };
        let event = match heard {
            true => Event::PlayDone(report),
            false => Event::PlayFailed { url: String::new(), detail: String::new() },
        };
        let (_, out) = agent.part(event);
        assert!(matches!(out[..], [Effect::Queue { order: QueueOrder::Open { .. }, .. }]));
    }
    let mut agent = Agent::meeting(json!({"beep": true}));
    let tone = RunId(agent.runs);
    let (_, out) = agent.queue(QueueEvent::Withdrawn);
    assert_eq!(out, [Effect::StopPlay { run: tone }]);
}

#[test]
fn a_bridge_that_fails_is_told_to_the_queue() {
    let mut agent = Agent::meeting(json!({}));
    let (_, out) = agent.part(Event::Bridge(BridgeChange::Failed));
    assert_eq!(out, [agent.order(QueueOrder::Failed)]);
    // The media failed between the agent's word that both are there and the queue's that it holds.
    let mut agent = Agent::meeting(json!({}));
    agent.part(Event::Bridge(BridgeChange::Connected));
    assert_eq!(agent.part(Event::Bridge(BridgeChange::Failed)).0, Step::Wait);
    let (step, out) = agent.queue(QueueEvent::Settled);
    assert_eq!(told(&step), "complete", "nobody is left to talk with");
    assert_eq!(out.last(), Some(&agent.order(QueueOrder::Leave(Outcome::Done))));
    // The caller was there and left before the queue knew.
    let mut agent = Agent::meeting(json!({}));
    agent.part(Event::Bridge(BridgeChange::Connected));
    assert_eq!(agent.part(Event::Bridge(BridgeChange::PeerLeft)).0, Step::Wait);
    assert_eq!(told(&agent.queue(QueueEvent::Settled).0), "complete");
}

#[test]
fn stopping_leaves_bridge_and_queue() {
    let mut agent = Agent::meeting(json!({}));
    agent.queue(QueueEvent::Settled);
    let (question, out) = agent.step(|verb, run, cx| verb.stop(Stop::CallEnded, run, cx));
    assert_eq!(question.unwrap().fields["dequeue_result"], "complete");
    let leave = agent.order(QueueOrder::Leave(Outcome::HungUp));
    assert_eq!((out.len(), out.last()), (2, Some(&leave)));
    let mut agent = Agent::waiting(json!({}));
    let (question, _) = agent.step(|verb, run, cx| verb.stop(Stop::Replaced, run, cx));
    assert_eq!(question, None);
}
