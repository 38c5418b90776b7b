//! Stories of `dial` in virtual time: what children report and what follows.

use std::time::Instant;

use serde_json::json;

use super::*;
use crate::model::{AccountSid, CallSid, Encryption};
use crate::verb::{PlayReport, VerbError, VerbKind, parse};

const RUN: RunId = RunId(1);
const ONE: ChildId = ChildId(0);
const TWO: ChildId = ChildId(1);

struct Scene {
    dial: Dial,
    line: Line,
    now: Instant,
    runs: u32,
}

#[allow(clippy::needless_pass_by_value, reason = "json! literals read best by value")]
fn read(properties: Value) -> Result<Dial, VerbError> {
    let mut verb = json!({"verb": "dial", "target": [{"type": "user", "name": "bob"}]});
    if let (Some(verb), Value::Object(more)) = (verb.as_object_mut(), properties) {
        verb.extend(more);
    }
    parse(&json!([verb])).map(|mut verbs| match verbs.remove(0).kind {
        VerbKind::Dial(dial) => *dial,
        other => panic!("no dial: {other:?}"),
    })
}

fn two() -> Value {
    json!([{"type": "user", "name": "bob"}, {"type": "phone", "number": "+4930"}])
}

impl Scene {
    /// A call in that state of its line, which has begun to dial.
    fn new(line: Line, properties: Value) -> (Self, Vec<Effect>) {
        let dial = read(properties).unwrap();
        let mut scene = Self { dial, line, now: Instant::now(), runs: 1 };
        let (step, out) = scene.step(|dial, cx| dial.start(RUN, cx));
        assert_eq!(step, Step::Wait);
        (scene, out)
    }

    fn step<T>(&mut self, step: impl FnOnce(&mut Dial, &mut Cx<'_>) -> T) -> (T, Vec<Effect>) {
        let mut out = Vec::new();
        let mut cx = Cx {
            now: self.now,
            line: self.line,
            account_sid: AccountSid::random(),
            ear: Ear::Call,
            runs: &mut self.runs,
            out: &mut out,
        };
        let done = step(&mut self.dial, &mut cx);
        (done, out)
    }

    fn event(&mut self, event: Event) -> (Step, Vec<Effect>) {
        self.step(|dial, cx| dial.on_event(event, RUN, RUN, cx))
    }

    fn child(&mut self, child: ChildId, event: ChildEvent) -> (Step, Vec<Effect>) {
        let call_sid = CallSid::random();
        let name = Some(ChildName { call_sid, call_id: format!("call{}", child.0) });
        self.event(Event::Child { child, name, event })
    }

    fn ended(&mut self, child: ChildId, sip_status: u16) -> (Step, Vec<Effect>) {
        let status = match sip_status {
            486 => CallStatus::Busy,
            487 => CallStatus::NoAnswer,
            200 => CallStatus::Completed,
            _ => CallStatus::Failed,
        };
        self.child(child, ChildEvent::Ended { status, sip_status })
    }
}

fn ordered(out: &[Effect]) -> Vec<String> {
    let word = |effect: &Effect| match effect {
        Effect::Dial { order, .. } => match order {
            DialOrder::Call { child, .. } => format!("call {}", child.0),
            DialOrder::Drop { child, why } => format!("drop {} {why:?}", child.0),
            DialOrder::Bridge { child } => format!("bridge {}", child.0),
            DialOrder::Hold { to, flow } => format!("hold {to:?} {} {}", flow.sends, flow.receives),
            DialOrder::Listen { child, .. } => format!("listen to {}", child.0),
            DialOrder::Tell { of, fields, .. } => format!("tell {of:?} {}", fields["dtmf"]),
            other => format!("{other:?}"),
        },
        Effect::StartTimer { after, .. } => format!("timer {}", after.as_secs()),
        Effect::StopTimer { .. } => "stop timer".to_owned(),
        Effect::Play { .. } => "play".to_owned(),
        Effect::StopPlay { .. } => "stop play".to_owned(),
        Effect::Ask(_) => "ask".to_owned(),
        other => format!("{other:?}").split([' ', '{']).next().unwrap_or_default().to_owned(),
    };
    out.iter().map(word).collect()
}

/// The results a dial ended with.
fn results(step: Step) -> (String, u64) {
    let Step::Done(Some(question)) = step else { panic!("not done with a question: {step:?}") };
    let fields = question.fields;
    let status = fields["dial_call_status"].as_str().unwrap_or_default().to_owned();
    (status, fields["dial_sip_status"].as_u64().unwrap_or_default())
}

fn hook() -> Value {
    json!({"actionHook": "/done"})
}

fn with(mut properties: Value) -> Value {
    properties["actionHook"] = "/done".into();
    properties
}

#[test]
fn the_first_who_answers_talks_and_the_others_are_let_go() {
    let (mut scene, out) = Scene::new(Line::Answered, with(json!({"target": two()})));
    assert_eq!(ordered(&out), ["call 0", "call 1", "timer 60"]);
    scene.child(ONE, ChildEvent::Ringing);
    let (_, out) = scene.child(TWO, ChildEvent::Accepted);
    assert_eq!(ordered(&out), ["stop timer", "drop 0 Elsewhere", "bridge 1"]);
    // Its CANCEL crossed its answer.
    assert_eq!(ordered(&scene.child(ONE, ChildEvent::Accepted).1), [""; 0]);
    assert_eq!(scene.ended(ONE, 487), (Step::Wait, vec![]));
    let (step, out) = scene.ended(TWO, 200);
    assert_eq!(results(step), ("completed".into(), 200));
    assert_eq!(ordered(&out), ["stop timer", "ExitBridge"]);
}

#[test]
fn a_call_stays_unanswered_until_the_bridge() {
    let (mut scene, _) =
        Scene::new(Line::Unanswered, with(json!({"answerOnBridge": true, "timeLimit": 30})));
    assert_eq!(scene.dial.need(), Need::Nothing);
    assert_eq!(ordered(&scene.child(ONE, ChildEvent::Ringing).1), ["Ring"]);
    assert_eq!(ordered(&scene.child(ONE, ChildEvent::Ringing).1), [""; 0]);
    assert_eq!(ordered(&scene.child(ONE, ChildEvent::Accepted).1), ["stop timer", "Answer"]);
    scene.line = Line::Answered;
    assert_eq!(ordered(&scene.event(Event::Line).1), ["bridge 0", "timer 30"]);
    let (step, out) = scene.event(Event::Timer);
    assert_eq!(step, Step::Wait);
    assert_eq!(ordered(&out), ["drop 0 TimeLimit", "Hangup"]);
}

#[test]
fn early_media_of_a_single_target_is_heard() {
    let (mut scene, _) = Scene::new(Line::Unanswered, with(json!({"answerOnBridge": true})));
    assert_eq!(ordered(&scene.child(ONE, ChildEvent::EarlyMedia).1), ["RingWithMedia", "bridge 0"]);
    scene.line = Line::EarlyMedia;
    assert_eq!(ordered(&scene.child(ONE, ChildEvent::Accepted).1), ["stop timer", "Answer"]);
    scene.line = Line::Answered;
    assert_eq!(ordered(&scene.event(Event::Line).1), [""; 0], "they are together already");
    let (step, _) = scene.ended(ONE, 200);
    assert_eq!(results(step), ("completed".into(), 200));

    let (mut scene, _) = Scene::new(Line::EarlyMedia, with(json!({"answerOnBridge": true})));
    scene.child(ONE, ChildEvent::EarlyMedia);
    let (step, out) = scene.ended(ONE, 486);
    assert_eq!(ordered(&out), ["ExitBridge", "stop timer"]);
    assert_eq!(results(step), ("busy".into(), 486));
}

#[test]
fn early_media_stays_unheard_with_music_with_others_and_before_a_question() {
    for more in [
        json!({"dialMusic": "http://a/b.wav"}),
        json!({"target": two()}),
        json!({"confirmHook": "/confirm"}),
    ] {
        let (mut scene, _) = Scene::new(Line::Answered, more.clone());
        let (_, out) = scene.child(ONE, ChildEvent::EarlyMedia);
        assert_eq!(ordered(&out), [""; 0], "{more}");
    }
}

#[test]
fn music_plays_until_somebody_answers() {
    let music = json!({"dialMusic": "http://a/b.wav", "answerOnBridge": true});
    let (mut scene, out) = Scene::new(Line::Unanswered, music);
    assert_eq!(ordered(&out), ["RingWithMedia", "play", "call 0", "timer 60"]);
    scene.line = Line::EarlyMedia;
    let (_, out) = scene.child(ONE, ChildEvent::Accepted);
    assert_eq!(ordered(&out), ["stop timer", "stop play", "Answer"]);
    // The player's last word is for nobody.
    let run = RunId(scene.runs);
    assert!(!scene.dial.owns(run));

    let (mut scene, _) = Scene::new(Line::Answered, json!({"dialMusic": "http://a/b.wav"}));
    let run = RunId(scene.runs);
    assert!(scene.dial.owns(run));
    let failed = Event::PlayFailed { url: "u".into(), detail: "d".into() };
    let (step, out) = scene.step(|dial, cx| dial.on_event(failed, run, RUN, cx));
    assert_eq!((step, ordered(&out)), (Step::Wait, vec!["MediaMissing".to_owned()]));
    let done = Event::PlayDone(PlayReport { played: Duration::ZERO, last_offset_samples: 0 });
    assert_eq!(scene.step(|dial, cx| dial.on_event(done, run, RUN, cx)).0, Step::Wait);
}

#[test]
fn nobody_left_ends_it_with_the_last_failure() {
    let (mut scene, _) = Scene::new(Line::Answered, with(json!({"target": two()})));
    assert_eq!(scene.ended(TWO, 486).0, Step::Wait);
    let (step, _) = scene.ended(ONE, 404);
    assert_eq!(results(step), ("failed".into(), 404));
}

#[test]
fn time_to_ring_is_over() {
    let (mut scene, out) =
        Scene::new(Line::Answered, with(json!({"target": two(), "timeout": 20})));
    assert!(ordered(&out).contains(&"timer 20".to_owned()));
    scene.child(ONE, ChildEvent::Ringing);
    let (step, out) = scene.event(Event::Timer);
    assert_eq!(ordered(&out), ["drop 0 NotWanted", "drop 1 NotWanted", "stop timer"]);
    assert_eq!(results(step), ("no-answer".into(), 487));
}

#[test]
fn who_is_asked_first_does_not_stop_the_others_from_ringing() {
    let properties = with(json!({"target": two(), "confirmHook": "/confirm"}));
    let (mut scene, _) = Scene::new(Line::Answered, properties.clone());
    assert_eq!(ordered(&scene.child(ONE, ChildEvent::Answered).1), [""; 0]);
    // Declined.
    assert_eq!(scene.ended(ONE, 200), (Step::Wait, vec![]));
    scene.child(TWO, ChildEvent::Answered);
    // It does not ring any more.
    assert_eq!(scene.event(Event::Timer), (Step::Wait, vec![]));
    let (_, out) = scene.child(TWO, ChildEvent::Accepted);
    assert_eq!(ordered(&out), ["stop timer", "bridge 1"]);

    let (mut scene, _) = Scene::new(Line::Answered, properties);
    scene.child(ONE, ChildEvent::Answered);
    let (_, out) = scene.child(ONE, ChildEvent::Accepted);
    assert_eq!(ordered(&out), ["stop timer", "drop 1 Elsewhere", "bridge 0"]);
}

#[test]
fn who_answers_and_is_declined_was_in_no_bridge() {
    let (mut scene, _) = Scene::new(Line::Answered, with(json!({"confirmHook": "/confirm"})));
    scene.child(ONE, ChildEvent::Answered);
    let (step, _) = scene.ended(ONE, 200);
    assert_eq!(results(step), ("failed".into(), 480));
}

#[test]
fn the_hook_is_sent_whatever_stops_it() {
    let (mut scene, _) = Scene::new(Line::Answered, hook());
    let (question, out) = scene.step(|dial, cx| dial.stop(Stop::CallEnded, RUN, cx));
    assert_eq!(ordered(&out), ["stop timer", "drop 0 NotWanted"]);
    assert!(question.unwrap().fields.is_empty(), "no attempt was made yet");

    let (mut scene, _) = Scene::new(Line::Answered, hook());
    scene.child(ONE, ChildEvent::Ringing);
    let (question, _) = scene.step(|dial, cx| dial.stop(Stop::Replaced, RUN, cx));
    assert_eq!(results(Step::Done(question)), ("no-answer".into(), 487));

    let (mut scene, _) = Scene::new(Line::Answered, hook());
    scene.child(ONE, ChildEvent::Accepted);
    let (question, out) = scene.step(|dial, cx| dial.stop(Stop::CallEnded, RUN, cx));
    assert_eq!(ordered(&out), ["stop timer", "drop 0 NotWanted", "ExitBridge"]);
    let fields = question.unwrap().fields;
    assert_eq!(fields["dial_call_status"], "completed");
    assert_eq!(fields["dial_sbc_callid"], "call0");
    assert!(fields.contains_key("dial_call_sid"));
}

#[test]
fn a_bridge_that_fails_ends_it() {
    let (mut scene, _) = Scene::new(Line::Answered, hook());
    scene.child(ONE, ChildEvent::Accepted);
    let (step, out) = scene.event(Event::Bridge(BridgeChange::Failed));
    assert_eq!(ordered(&out), ["stop timer", "drop 0 NotWanted", "ExitBridge"]);
    assert_eq!(results(step), ("failed".into(), 500));
}

#[test]
fn a_child_that_goes_its_own_way_leaves_the_next_verb_to_the_call() {
    let (mut scene, _) = Scene::new(Line::Answered, hook());
    scene.child(ONE, ChildEvent::Accepted);
    let mut out = Vec::new();
    assert!(scene.dial.redirect_child(RUN, Hook::post("/own"), &mut out));
    let (step, out) = scene.child(ONE, ChildEvent::Left);
    assert_eq!(ordered(&out), ["stop timer", "ExitBridge"], "it is not hung up");
    assert_eq!(results(step), ("completed".into(), 200));

    // The call gets another application meanwhile: the child is left to what comes.
    let (mut scene, _) = Scene::new(Line::Answered, hook());
    scene.child(ONE, ChildEvent::Accepted);
    assert!(scene.dial.redirect_child(RUN, Hook::post("/own"), &mut Vec::new()));
    let (_, out) = scene.step(|dial, cx| dial.stop(Stop::Replaced, RUN, cx));
    assert_eq!(ordered(&out), ["Release { child: ChildId(0) }", "stop timer", "ExitBridge"]);
}

#[test]
fn keys_that_make_a_sequence_are_told_to_the_hook() {
    let (mut scene, _) = Scene::new(
        Line::Answered,
        json!({"dtmfCapture": {"parentCall": ["*1"], "childCall": ["*2"]}, "dtmfHook": "/keys"}),
    );
    scene.child(ONE, ChildEvent::Accepted);
    let duration = Duration::from_millis(100);
    let press =
        |scene: &mut Scene, key| scene.event(Event::Key { key, duration, is_relayed: true }).1;
    press(&mut scene, '*');
    assert_eq!(ordered(&press(&mut scene, '1')), ["tell Caller \"*1\""]);
    let key = |key| ChildEvent::Key { key, duration, is_relayed: true };
    scene.child(ONE, key('*'));
    assert_eq!(ordered(&scene.child(ONE, key('2')).1), ["tell Child(ChildId(0)) \"*2\""]);
    // One that came in a message is not in the audio that goes to the other.
    let (_, out) = scene.event(Event::Key { key: '5', duration, is_relayed: false });
    assert!(matches!(
        &out[..],
        [Effect::Dial { order: DialOrder::Key { to: Side::Child(ONE), key: '5', .. }, .. }]
    ));
}

fn held(sends: bool, receives: bool, music: Option<&str>) -> Held {
    Held {
        flow: Flow { sends, receives },
        from: "bob".into(),
        to: "alice".into(),
        music: music.map(str::to_owned),
    }
}

#[test]
fn hold_is_passed_on_with_music_if_there_is_some() {
    let (mut scene, _) = Scene::new(Line::Answered, json!({}));
    scene.child(ONE, ChildEvent::Accepted);
    let (_, out) = scene.child(ONE, ChildEvent::Held(held(false, false, None)));
    assert_eq!(ordered(&out), ["hold Caller false false"]);
    let (_, out) = scene.child(ONE, ChildEvent::Held(held(true, true, None)));
    assert_eq!(ordered(&out), ["hold Caller true true"]);
    let (_, out) = scene.event(Event::Held(held(true, false, None)));
    assert_eq!(ordered(&out), ["hold Child(ChildId(0)) true false"]);
    let (_, out) = scene.child(ONE, ChildEvent::Held(held(false, false, Some("http://a/b"))));
    assert_eq!(ordered(&out), ["play", "hold Caller true false"]);
    let (_, out) = scene.child(ONE, ChildEvent::Held(held(true, true, Some("http://a/b"))));
    assert_eq!(ordered(&out), ["stop play", "hold Caller true true"]);
}

#[test]
fn music_of_a_hold_is_not_stopped_by_a_hold_of_who_hears_it() {
    let (mut scene, _) = Scene::new(Line::Answered, json!({}));
    scene.child(ONE, ChildEvent::Accepted);
    let music = Some("http://a/b");
    scene.child(ONE, ChildEvent::Held(held(false, false, music)));
    let (_, out) = scene.event(Event::Held(held(false, false, None)));
    assert_eq!(ordered(&out), ["hold Child(ChildId(0)) false false"]);
    let (_, out) = scene.event(Event::Held(held(true, true, None)));
    assert_eq!(ordered(&out), ["hold Child(ChildId(0)) true true"]);
    let (_, out) = scene.child(ONE, ChildEvent::Held(held(true, true, music)));
    assert_eq!(ordered(&out), ["stop play", "hold Caller true true"]);
}

#[test]
fn hold_before_the_two_talk_holds_when_they_do() {
    let (mut scene, _) = Scene::new(Line::Answered, with(json!({"target": two()})));
    assert_eq!(ordered(&scene.event(Event::Held(held(true, false, None))).1), [""; 0]);
    scene.child(TWO, ChildEvent::Held(held(false, false, None)));
    let (_, out) = scene.child(ONE, ChildEvent::Accepted);
    let word = "hold Child(ChildId(0)) true false";
    assert_eq!(ordered(&out), ["stop timer", "drop 1 Elsewhere", "bridge 0", word]);

    // Over before it mattered.
    let (mut scene, _) = Scene::new(Line::Answered, json!({"confirmHook": "/confirm"}));
    scene.child(ONE, ChildEvent::Held(held(false, false, None)));
    scene.child(ONE, ChildEvent::Held(held(true, true, None)));
    let (_, out) = scene.child(ONE, ChildEvent::Accepted);
    assert_eq!(ordered(&out), ["stop timer", "bridge 0"]);
}

#[test]
fn a_hold_hook_says_what_is_heard_meanwhile() {
    let (mut scene, _) = Scene::new(Line::Answered, json!({"onHoldHook": "/hold"}));
    scene.child(ONE, ChildEvent::Accepted);
    let (_, out) = scene.child(ONE, ChildEvent::Held(held(true, false, None)));
    let [Effect::Ask(ask)] = &out[..] else { panic!("{out:?}") };
    assert_eq!(ask.fields["hold_detail"], json!({"from": "bob", "to": "alice"}));
    let run = ask.run;
    assert!(scene.dial.owns(run));
    let verbs = parse(&json!([{"verb": "pause", "length": 1}])).unwrap();
    let reply = Event::Prompts(Some(verbs));
    let (_, out) = scene.step(|dial, cx| dial.on_event(reply, run, RUN, cx));
    assert_eq!(ordered(&out), ["timer 1"]);
    let (_, out) = scene.child(ONE, ChildEvent::Held(held(true, true, None)));
    assert_eq!(ordered(&out), ["stop timer"]);
}

#[test]
fn targets_are_read_each_once_and_not_more_than_ten() {
    let calls = |targets: Value| read(json!({"target": targets})).map(|dial| dial.callees.len());
    let many: Vec<_> =
        (0..12).map(|n| json!({"type": "phone", "number": format!("+{n}")})).collect();
    assert_eq!(calls(json!(many)), Ok(10));
    let bob = json!({"type": "user", "name": "bob"});
    assert_eq!(calls(json!([bob, bob, {"type": "sip", "sipUri": "sip:a@b"}])), Ok(2));
    for bad in [
        json!([]),
        json!("bob"),
        json!([{"type": "teams", "number": "1"}]),
        json!([{"type": "user"}]),
        json!([{"type": "sip", "sipUri": "http://x"}]),
        json!([{"type": "user", "name": "b", "confirmHook": 5}]),
        json!([{"type": "user", "name": "b", "from": {"user": "a\r\nb"}}]),
        json!([{"type": "user", "name": "b", "from": {"host": "a b"}}]),
    ] {
        assert!(calls(bad.clone()).is_err(), "{bad}");
    }
    assert!(read(json!({"target": null})).is_err());
    assert!(read(json!({"callerId": "a\nb"})).is_err());
    assert!(read(json!({"dtmfCapture": ["x"]})).is_err());
    assert!(read(json!({"srtpEncryption": "zrtp"})).is_err());
}

#[test]
fn a_target_has_what_is_said_for_all_unless_it_says_otherwise() {
    let dial = read(json!({
        "target": [
            {"type": "user", "name": "bob", "confirmHook": "/own", "method": "get",
             "headers": {"X-A": "own"}, "from": {"user": "7", "host": "example.com"}},
            {"type": "sip", "sipUri": "sip:a@b", "proxy": "sip:own"},
        ],
        "confirmHook": "/all", "callerId": "5", "callerName": "Five", "tag": {"a": 1},
        "headers": {"X-A": "all", "X-B": "b"}, "proxy": "sip:all", "forwardPAI": false,
        "srtpEncryption": "sdes", "timeout": 20,
    }))
    .unwrap();
    let [bob, uri] = &dial.callees[..] else { panic!("two") };
    let hook = bob.confirm_hook.clone().unwrap();
    assert_eq!((hook.url.as_str(), hook.method), ("/own", crate::model::HookMethod::Get));
    assert_eq!(uri.confirm_hook, Some(Hook::post("/all")));
    assert_eq!((bob.headers.find("X-A"), bob.headers.find("X-B")), (Some("own"), Some("b")));
    assert_eq!(bob.from_user.as_deref(), Some("7"));
    assert_eq!(bob.from_host.as_deref(), Some("example.com"));
    assert_eq!(uri.from_user.as_deref(), Some("5"));
    assert_eq!(bob.to.proxy.as_deref(), Some("sip:all"));
    assert_eq!(uri.to.proxy.as_deref(), Some("sip:own"));
    for call in [bob, uri] {
        assert_eq!(call.caller_name.as_deref(), Some("Five"));
        assert_eq!(call.encryption, Some(Encryption::Required));
        assert!(!call.forwards_identity && call.tag.is_some());
        assert!(call.ring_timeout > Duration::from_secs(20));
    }
}

#[test]
fn one_side_is_listened_to_while_they_talk() {
    for (listen, at_bridge, at_end) in [
        (json!({"url": "/audio"}), "Listen", ["stop timer", "StopListen", "ExitBridge"].as_slice()),
        (json!({"url": "/audio", "channel": 2}), "listen to 0", &["stop timer", "ExitBridge"]),
    ] {
        for name in ["listen", "stream"] {
            let (mut scene, out) = Scene::new(Line::Answered, json!({ name: listen }));
            assert_eq!(ordered(&out), ["call 0", "timer 60"]);
            let (_, out) = scene.child(ONE, ChildEvent::Accepted);
            assert_eq!(ordered(&out), ["stop timer", "bridge 0", at_bridge]);
            assert_eq!(ordered(&scene.ended(ONE, 200).1), at_end);
        }
    }
    assert!(read(json!({"listen": {"url": 5}})).is_err());
}

#[test]
fn what_has_no_effect_yet_is_said() {
    let nested = json!({"dub": [], "amd": {}, "srtpEncryption": "dtls"});
    let (_, out) = Scene::new(Line::Answered, nested);
    let Some(Effect::WithoutEffect { verb: "dial", names }) = out.first() else {
        panic!("{out:?}")
    };
    assert_eq!(names, &["dub", "amd", "srtpEncryption"]);
}
