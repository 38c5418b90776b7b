//! One caller's wait, step by step.

use serde_json::{Value, json};

use super::*;
use crate::model::AccountSid;
use crate::verb::{Line, Verb, VerbKind, parse};

struct Caller {
    verb: Enqueue,
    run: RunId,
    runs: u32,
    now: Instant,
}

impl Caller {
    #[allow(clippy::needless_pass_by_value, reason = "json! literals read best by value")]
    fn new(verb: Value) -> Self {
        let mut parsed = parse(&json!([verb])).unwrap();
        let Some(Verb { kind: VerbKind::Enqueue(verb), .. }) = parsed.pop() else { panic!("one") };
        Self { verb: *verb, run: RunId(1), runs: 1, now: Instant::now() }
    }

    /// In line, with prompts by `/wait`.
    fn waiting() -> Self {
        let mut caller = Self::new(json!({
            "verb": "enqueue", "name": "support", "waitHook": "/wait", "actionHook": "/after",
        }));
        caller.step(|verb, run, cx| verb.start(run, cx));
        caller.queue(QueueEvent::Joined(standing(0)));
        caller
    }

    /// In an agent's bridge, which the queue has not settled yet.
    fn meeting() -> Self {
        let mut caller = Self::waiting();
        let (_, out) = caller.queue(QueueEvent::Called);
        assert!(matches!(out[..], [Effect::Queue { order: QueueOrder::Follow { .. }, .. }]));
        caller
    }

    fn step<T>(
        &mut self,
        step: impl FnOnce(&mut Enqueue, RunId, &mut Cx<'_>) -> T,
    ) -> (T, Vec<Effect>) {
        let mut out = Vec::new();
        let mut cx = Cx {
            now: self.now,
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

    /// An event for what was begun last.
    fn part(&mut self, event: Event) -> (Step, Vec<Effect>) {
        let to = RunId(self.runs);
        assert!(self.verb.owns(to), "not its own");
        self.step(|verb, run, cx| verb.on_event(event, to, run, cx))
    }
}

fn standing(position: usize) -> Standing {
    Standing { size: position + 1, position, wait_hook: None }
}

/// What the action hook is told, without the queue's sid.
fn told(step: &Step) -> (String, u64) {
    let Step::Done(Some(question)) = step else { panic!("not asked: {step:?}") };
    told_by(question)
}

fn told_by(question: &Question) -> (String, u64) {
    assert_eq!(question.hook, Hook::post("/after"));
    let result = question.fields["queue_result"].as_str().unwrap().to_owned();
    (result, question.fields["queue_time"].as_u64().unwrap())
}

fn asked(out: &[Effect]) -> &Ask {
    match out {
        [.., Effect::Ask(ask)] => ask,
        other => panic!("not asked: {other:?}"),
    }
}

#[test]
fn properties_are_read() {
    for (value, expected) in
        [(json!(0), 0), (json!(5), 5), (json!(-1), 999), (json!(2000), 999), (json!("7"), 7)]
    {
        let caller =
            Caller::new(json!({"verb": "enqueue", "name": "q", "priority": value.clone()}));
        assert_eq!(caller.verb.priority, expected, "{value}");
    }
    assert_eq!(Caller::new(json!({"enqueue": {"name": "q"}})).verb.priority, 999);
    for bad in [json!({}), json!({"name": ""}), json!({"name": "a/b"}), json!({"name": 5})] {
        assert!(parse(&json!([{"enqueue": bad.clone()}])).is_err(), "{bad}");
    }
}

#[test]
fn the_wait_hook_is_told_how_it_stands_at_each_round() {
    let mut caller = Caller::waiting();
    // The first round was asked for on joining; here is its answer.
    let verbs = parse(&json!([{"verb": "pause", "length": 1}])).unwrap();
    caller.part(Event::Prompts(Some(verbs)));
    caller.part(Event::Timer);
    let (_, out) = caller.part(Event::Timer);
    let run = caller.run;
    assert_eq!(out, [Effect::Queue { run, order: QueueOrder::Look }]);
    caller.now += Duration::from_secs(90);
    let standing = Standing { size: 8, position: 3, wait_hook: Some(Hook::post("http://q/")) };
    let (_, out) = caller.queue(QueueEvent::Standing(standing));
    let ask = asked(&out);
    assert_eq!((&ask.hook, ask.kind), (&Hook::post("/wait"), AskKind::Prompt));
    let fields = Value::Object(ask.fields.clone());
    assert!(fields["queue_sid"].as_str().unwrap().ends_with(":support"));
    assert_eq!(fields["queue_time"], 90);
    assert_eq!((&fields["queue_size"], &fields["queue_position"]), (&json!(8), &json!(3)));
}

#[test]
fn the_queues_hook_holds_where_the_verb_names_none() {
    let mut caller = Caller::new(json!({"verb": "enqueue", "name": "q"}));
    caller.step(|verb, run, cx| verb.start(run, cx));
    let (_, out) = caller.queue(QueueEvent::Joined(standing(0)));
    assert_eq!(out, [], "silence");
    let laid_down = Some(Hook::post("http://q/wait"));
    let standing = Standing { wait_hook: laid_down.clone(), ..standing(0) };
    let (_, out) = caller.queue(QueueEvent::Standing(standing));
    assert_eq!(Some(&asked(&out).hook), laid_down.as_ref());
}

#[test]
fn another_hook_of_the_queue_is_heard_by_those_who_have_none_of_their_own() {
    let changed = |hook: Option<&str>| {
        let wait_hook = hook.map(Hook::post);
        QueueEvent::HookChanged(Standing { wait_hook, ..standing(0) })
    };
    let verbs = || Event::Prompts(parse(&json!([{"verb": "play", "url": "/music.wav"}])).ok());
    let mut own = Caller::waiting();
    own.part(verbs());
    for hook in [Some("http://q/wait"), None] {
        assert_eq!(own.queue(changed(hook)), (Step::Wait, vec![]), "its music plays on");
    }

    let mut caller = Caller::new(json!({"verb": "enqueue", "name": "q"}));
    caller.step(|verb, run, cx| verb.start(run, cx));
    caller.queue(QueueEvent::Joined(standing(0)));
    let (_, out) = caller.queue(changed(Some("http://q/wait")));
    assert_eq!(asked(&out).hook, Hook::post("http://q/wait"));
    caller.part(verbs());
    let music = Effect::StopPlay { run: RunId(caller.runs) };
    let (_, out) = caller.queue(changed(Some("http://q/other")));
    assert_eq!((&out[0], &asked(&out).hook), (&music, &Hook::post("http://q/other")));
    caller.part(verbs());
    let music = Effect::StopPlay { run: RunId(caller.runs) };
    let (_, out) = caller.queue(changed(None));
    assert_eq!(out, [music], "silence");
}

#[test]
fn leave_among_the_prompts_leaves_the_queue() {
    let mut caller = Caller::waiting();
    let verbs = parse(&json!([{"verb": "leave"}])).unwrap();
    let (step, out) = caller.part(Event::Prompts(Some(verbs)));
    assert_eq!(told(&step).0, "leave");
    let run = caller.run;
    assert_eq!(out, [Effect::Queue { run, order: QueueOrder::Leave(Outcome::Left) }]);
}

#[test]
fn a_full_queue_is_an_error_and_a_removal_a_leave() {
    let mut caller = Caller::waiting();
    assert_eq!(told(&caller.queue(QueueEvent::Removed).0).0, "leave");
    let mut caller = Caller::waiting();
    assert_eq!(told(&caller.queue(QueueEvent::Lost).0).0, "error");
    let mut caller = Caller::new(json!({"verb": "enqueue", "name": "q", "actionHook": "/after"}));
    caller.step(|verb, run, cx| verb.start(run, cx));
    assert_eq!(told(&caller.queue(QueueEvent::Refused).0), ("error".to_owned(), 0));
}

#[test]
fn a_settled_bridge_ends_with_the_agent_and_the_time_waited_is_told() {
    let mut caller = Caller::waiting();
    caller.now += Duration::from_secs(7);
    caller.queue(QueueEvent::Called);
    caller.part(Event::Bridge(BridgeChange::Connected));
    caller.queue(QueueEvent::Settled);
    caller.now += Duration::from_secs(60);
    let bridge = RunId(caller.runs);
    let (step, out) = caller.part(Event::Bridge(BridgeChange::PeerLeft));
    assert_eq!(told(&step), ("bridged".to_owned(), 7));
    assert_eq!(out, [Effect::ExitBridge { run: bridge }]);
}

#[test]
fn prompts_stop_at_once_when_an_agent_is_there() {
    let mut caller = Caller::waiting();
    let verbs = parse(&json!([{"verb": "play", "url": "/music.wav"}])).unwrap();
    caller.part(Event::Prompts(Some(verbs)));
    let music = RunId(caller.runs);
    let (_, out) = caller.queue(QueueEvent::Called);
    let (run, bridge) = (caller.run, RunId(caller.runs));
    let follow = Effect::Queue { run, order: QueueOrder::Follow { bridge } };
    assert_eq!(out, [Effect::StopPlay { run: music }, follow]);
}

#[test]
fn a_bridge_that_does_not_hold_leads_back_to_the_prompts() {
    for change in [BridgeChange::PeerLeft, BridgeChange::Failed] {
        let mut caller = Caller::meeting();
        let bridge = RunId(caller.runs);
        caller.part(Event::Bridge(BridgeChange::Connected));
        let (step, out) = caller.part(Event::Bridge(change));
        let failed = Effect::Queue { run: caller.run, order: QueueOrder::Failed };
        assert_eq!(out.contains(&failed), change == BridgeChange::Failed);
        assert_eq!(step, Step::Wait);
        let (_, out) = caller.queue(QueueEvent::Back);
        let look = Effect::Queue { run: caller.run, order: QueueOrder::Look };
        assert_eq!(out, [Effect::ExitBridge { run: bridge }, look]);
        caller.now += Duration::from_secs(3);
        let (_, out) = caller.queue(QueueEvent::Standing(standing(0)));
        assert_eq!(asked(&out).fields["queue_time"], 3);
    }
}

#[test]
fn an_agent_that_left_before_the_queue_said_it_held_has_been_there() {
    let mut caller = Caller::meeting();
    caller.part(Event::Bridge(BridgeChange::PeerLeft));
    assert_eq!(told(&caller.queue(QueueEvent::Settled).0).0, "bridged");
}

#[test]
fn the_hook_is_told_however_the_call_stops_waiting() {
    let settled = || {
        let mut caller = Caller::meeting();
        caller.queue(QueueEvent::Settled);
        caller
    };
    for (mut caller, why, outcome, result) in [
        (Caller::waiting(), Stop::CallEnded, Outcome::HungUp, "hangup"),
        (Caller::meeting(), Stop::CallEnded, Outcome::HungUp, "hangup"),
        (settled(), Stop::CallEnded, Outcome::HungUp, "bridged"),
        (Caller::waiting(), Stop::Replaced, Outcome::Replaced, "hangup"),
        (settled(), Stop::Replaced, Outcome::Replaced, "hangup"),
    ] {
        let (question, out) = caller.step(|verb, run, cx| verb.stop(why, run, cx));
        assert_eq!(told_by(&question.unwrap()).0, result);
        let leave = Effect::Queue { run: caller.run, order: QueueOrder::Leave(outcome) };
        assert_eq!(out.last(), Some(&leave));
    }
}

#[test]
fn another_application_over_the_api_is_asked_and_the_old_hook_told() {
    let mut caller = Caller::waiting();
    let (step, out) = caller.queue(QueueEvent::Redirected(Hook::post("http://new/")));
    let ask = asked(&out);
    assert_eq!((&ask.fields["queue_result"], ask.wants_reply), (&json!("hangup"), false));
    let Step::Done(Some(question)) = step else { panic!("not asked") };
    assert_eq!((question.kind, question.hook), (AskKind::Redirect, Hook::post("http://new/")));
}
