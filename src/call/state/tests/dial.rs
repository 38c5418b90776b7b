//! Two calls that belong together: the one that dials, and the one that was dialled.

use super::*;
use crate::call::ParentWord;
use crate::call::child::Parent;
use crate::verb::{ChildEvent, ChildId, ChildName, Farewell, Held, RunId, parse};

const RUN: RunId = RunId(2);
const ONE: ChildId = ChildId(0);

fn dialling(mut verb: Value) -> Story {
    verb["verb"] = "dial".into();
    verb["target"] = json!([{"type": "user", "name": "bob"}]);
    verb["actionHook"] = "/done".into();
    Story::talking(json!([verb, {"verb": "pause", "length": 5}]))
}

/// What the child of a dialling call reports.
fn child(event: ChildEvent) -> Input {
    let name = ChildName { call_sid: CallSid::random(), call_id: "b@leg".into() };
    Input::Child { run: RUN, child: ONE, name: Some(name), event }
}

fn ended(status: CallStatus, sip_status: u16) -> Input {
    child(ChildEvent::Ended { status, sip_status })
}

/// A call that was dialled.
fn dialled(confirm_hook: Option<Hook>) -> Story {
    let parent = facts(Direction::Inbound);
    let base = crate::hook::Base::of(&Hook::post(HELLO));
    let status = base.resolve(&Hook::post(STATUS)).ok();
    let refer_hook = Some(Hook::post("/refer"));
    let own = CallFacts {
        parent_call_sid: Some(parent.call_sid),
        caller_id: Some("1001".into()),
        ..facts(Direction::Outbound)
    };
    let facts = Arc::new(parent);
    let fields = BaseFields::new(facts.clone());
    let parent = Parent { facts, fields, base, status, confirm_hook, refer_hook };
    Story::new(Setup {
        facts: Arc::new(own),
        application: Application::default(),
        parent: Some(Box::new(parent)),
        ..setup(Direction::Outbound)
    })
}

#[test]
fn a_dial_ends_with_its_child_and_the_list_goes_on() {
    let mut story = dialling(json!({}));
    assert!(story.tell(child(ChildEvent::Ringing)).is_empty());
    assert_eq!(story.tell(child(ChildEvent::Accepted)), ["Bridge { child: ChildId(0) }"]);
    let log = story.tell(ended(CallStatus::Completed, 200));
    assert_eq!(log, ["exit bridge", "VerbHook http://app.example.com/done"]);
    let told = story.last_hook();
    assert_eq!(told["dial_call_status"], "completed");
    assert_eq!(told["dial_sip_status"], 200);
    assert_eq!(told["dial_sbc_callid"], "b@leg");
    assert!(story.reply(json!([])).is_empty(), "the pause");
    assert_eq!(
        story.pass(5.0),
        ["BYE", "event completed 200 by jambonz after 5", "ended: called party hungup"]
    );
}

#[test]
fn an_unanswered_caller_hears_the_ringing_then_the_answer_or_603() {
    let dial = json!([{"verb": "dial", "answerOnBridge": true,
        "target": [{"type": "user", "name": "bob"}]}]);
    let run = RunId(1);
    let of_child = |event| match child(event) {
        Input::Child { child, name, event, .. } => Input::Child { run, child, name, event },
        other => other,
    };
    let mut story = Story::running(dial.clone());
    assert_eq!(story.tell(of_child(ChildEvent::Ringing)), ["180"]);
    assert_eq!(story.tell(of_child(ChildEvent::Accepted)), ["200"]);
    assert_eq!(
        story.tell(Input::Answered),
        ["event in-progress 200", "Bridge { child: ChildId(0) }"]
    );

    let mut story = Story::running(dial);
    let busy = ChildEvent::Ended { status: CallStatus::Busy, sip_status: 486 };
    let log = story.tell(of_child(busy));
    assert!(log[0].starts_with("603 Decline"), "{log:?}");
}

#[test]
fn a_caller_who_offered_nothing_hears_180_and_is_answered_by_the_answer() {
    for more in [json!({}), json!({"dialMusic": "/music.wav"})] {
        let mut setup = setup(Direction::Inbound);
        setup.has_offer = false;
        let mut story = Story::new(setup);
        story.tell(Input::Start);
        let mut dial = json!({"verb": "dial", "answerOnBridge": true,
            "target": [{"type": "user", "name": "bob"}]});
        dial.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut log = story.reply(json!([dial]));
        let early = child(ChildEvent::EarlyMedia);
        let Input::Child { child, name, event, .. } = early else { panic!() };
        log.extend(story.tell(Input::Child { run: RunId(1), child, name, event }));
        assert!(log.contains(&"180".to_owned()), "{log:?}");
        assert!(!log.iter().any(|line| line == "183" || line == "200"), "{log:?}");
    }
}

#[test]
fn a_caller_who_hangs_up_takes_the_child_along() {
    let mut story = dialling(json!({}));
    story.tell(child(ChildEvent::Ringing));
    let log = story.tell(bye());
    let drop = format!("{:?}", verb::DialOrder::Drop { child: ONE, why: Farewell::NotWanted });
    assert_eq!(log[..2], [drop, "VerbHook http://app.example.com/done".to_owned()]);
    assert_eq!(story.last_hook()["dial_call_status"], "no-answer");
}

#[test]
fn a_time_limit_hangs_up_on_both() {
    let mut story = dialling(json!({"timeLimit": 10}));
    story.tell(child(ChildEvent::Accepted));
    let log = story.pass(10.0);
    assert_eq!(
        log,
        [
            "Drop { child: ChildId(0), why: TimeLimit }",
            "BYE [X-Reason: Max Call Duration]",
            "exit bridge",
            "VerbHook http://app.example.com/done",
            "event completed 200 by jambonz after 10",
            "ended: called party hungup",
        ]
    );
}

#[test]
fn a_child_tells_its_parent_and_has_statuses_of_its_own() {
    for (status, sip_status) in
        [("busy", 486), ("busy", 600), ("failed", 603), ("no-answer", 487), ("failed", 404)]
    {
        let mut story = dialled(None);
        assert_eq!(story.tell(Input::Start), ["event trying 100"]);
        let log = story.tell(rejected(sip_status, "No"));
        assert!(log[0].starts_with(&format!("event {status} {sip_status} by")), "{log:?}");
        assert!(log[1].starts_with("tell parent Ended"), "{log:?}");
    }
    let mut story = dialled(None);
    story.tell(Input::Start);
    let ringing = Input::Ringing { status: 180, reason: "Ringing".into() };
    assert_eq!(story.tell(ringing), ["event ringing 180", "tell parent Ringing"]);
    let log = story.tell(Input::Answered);
    assert_eq!(log, ["event in-progress 200", "tell parent Accepted"]);
    assert!(story.last_event().get("parent_call_sid").is_some());
    assert_eq!(story.last_event()["caller_id"], "1001");
    story.pass(2.0);
    let log = story.tell(bye());
    assert_eq!(log[0], "event completed 200 by caller after 2");
    assert_eq!(log[1], "tell parent Ended { status: Completed, sip_status: 200 }");
    assert_eq!(story.record.unwrap().sip_parent_callid.as_deref(), Some("abc@10.0.0.1"));
}

#[test]
fn a_confirm_hook_decides_whether_a_child_is_accepted() {
    let asked = || {
        let mut story = dialled(Some(Hook::post("/confirm")));
        story.tell(Input::Start);
        assert_eq!(
            story.tell(Input::Answered),
            [
                "event in-progress 200",
                "tell parent Answered",
                "DialConfirm http://app.example.com/confirm",
            ]
        );
        assert!(story.last_hook().get("parent_call_sid").is_some());
        story
    };
    assert_eq!(asked().reply(json!([])), ["tell parent Accepted"]);

    let mut story = asked();
    assert!(story.reply(json!([{"verb": "pause", "length": 1}])).is_empty());
    assert_eq!(story.pass(1.0), ["tell parent Accepted"]);

    let mut story = asked();
    let log = story.reply(json!([{"verb": "hangup"}]));
    assert_eq!(log[0], "BYE");
    assert!(!log.contains(&"tell parent Accepted".to_owned()), "{log:?}");

    // Later replies may bring less.
    let mut story = asked();
    story.reply(json!([{"verb": "redirect", "actionHook": "/more"}]));
    let log = story.reply(json!([{"verb": "conference", "name": "lobby"},
        {"verb": "play", "url": "/a.wav"}, {"verb": "enqueue", "name": "sales"}]));
    assert_eq!(log, ["play http://app.example.com/a.wav"]);

    assert_eq!(asked().fail_hook(refused())[1], "BYE");
    assert_eq!(asked().reply(json!([{"verb": "sip:decline", "status": 486}]))[0], "BYE");
}

#[test]
fn a_child_goes_its_own_way_when_it_gets_an_application() {
    let mut story = dialled(None);
    story.tell(Input::Start);
    story.tell(Input::Answered);
    let redirect = Input::Parent(Box::new(ParentWord::Redirect(Hook::post("/own"))));
    assert_eq!(story.tell(redirect), ["SessionRedirect http://app.example.com/own"]);
    let log = story.reply(json!([{"verb": "pause", "length": 1}]));
    assert_eq!(log, ["exit bridge", "tell parent Left"]);
    let log = story.pass(1.0);
    assert_eq!(log[0], "BYE", "its own list is through: {log:?}");
    assert!(!log.iter().any(|line| line.starts_with("tell parent")), "{log:?}");

    // The parent has gone on without it, and the hook has nothing for it.
    let mut story = dialled(None);
    story.tell(Input::Start);
    story.tell(Input::Answered);
    story.tell(Input::Parent(Box::new(ParentWord::Redirect(Hook::post("/own")))));
    assert!(story.tell(Input::Parent(Box::new(ParentWord::Release))).is_empty());
    assert_eq!(story.reply(json!([]))[0], "BYE");

    let mut story = dialled(None);
    story.tell(Input::Start);
    story.tell(Input::Answered);
    let verbs = parse(&json!([{"verb": "pause", "length": 1}])).unwrap();
    let log = story.tell(Input::Parent(Box::new(ParentWord::Adult(verbs))));
    assert_eq!(log, ["exit bridge", "tell parent Left"]);
}

#[test]
fn an_application_for_a_child_that_rings_is_asked_when_it_answers() {
    let ringing = |confirm: Option<&str>| {
        let mut story = dialled(confirm.map(Hook::post));
        story.tell(Input::Start);
        let elsewhere = json!({"call_hook": "http://other.example.com/own"});
        assert!(story.update(elsewhere).unwrap().is_empty());
        let log = story.tell(Input::Answered);
        let told = ["tell parent Answered", "SessionRedirect http://other.example.com/own"];
        assert_eq!(log, [&["event in-progress 200"], &told[..]].concat());
        story
    };
    let mut story = ringing(Some("/confirm"));
    let log = story.reply(json!([{"verb": "pause", "length": 1}]));
    assert_eq!(log, ["exit bridge", "tell parent Left"]);
    assert_eq!(story.pass(1.0)[0], "BYE");

    // It brings nothing: the child is connected, or asked about, as if nothing had been ordered.
    assert_eq!(ringing(None).fail_hook(refused())[1..], ["tell parent Accepted"]);
    let mut story = ringing(Some("/confirm"));
    let log = story.fail_hook(refused());
    assert_eq!(log[1..], ["DialConfirm http://app.example.com/confirm"], "the base is as before");

    // Verbs wait for the answer as well.
    let mut story = dialled(None);
    story.tell(Input::Start);
    let verbs = parse(&json!([{"verb": "pause", "length": 1}])).unwrap();
    assert_eq!(story.tell(Input::Parent(Box::new(ParentWord::Adult(verbs)))), [""; 0]);
    let log = story.tell(Input::Answered);
    assert_eq!(log, ["event in-progress 200", "exit bridge", "tell parent Left"]);
    assert_eq!(story.pass(1.0)[0], "BYE");
}

#[test]
fn a_child_is_brought_into_a_conference_and_leaves_its_parent_for_it() {
    for confirm in [None, Some(Hook::post("/confirm"))] {
        let is_asking = confirm.is_some();
        let mut story = dialled(confirm);
        let enter = |story: &mut Story| {
            let (room, mut out) = (verb::Conference::named("hall").unwrap(), Vec::new());
            story.state.enter_room(story.now, story.wall, room, &mut out)?;
            Ok::<_, UpdateError>(story.take(out))
        };
        story.tell(Input::Start);
        assert_eq!(enter(&mut story), Err(UpdateError::Incompatible("conference")));
        story.tell(Input::Answered);
        let log = enter(&mut story).unwrap();
        assert_eq!(log, ["exit bridge", "tell parent Left", "join hall"]);
        if is_asking {
            // Too late: nobody waits for it any more.
            assert_eq!(story.reply(json!([{"verb": "hangup"}])), [""; 0]);
        }
        let id = RunId(story.state.runs);
        let left = verb::ConferenceEvent::Left(verb::LeaveReason::Kicked);
        let log = story.tell(Input::Conference { id, event: left });
        assert_eq!(log[0], "BYE");
        assert!(!log.iter().any(|line| line.starts_with("tell parent")), "{log:?}");
    }
}

#[test]
fn live_control_reaches_the_child_and_the_bridge() {
    let mut story = dialling(json!({}));
    assert_eq!(story.update(json!({"mute_status": "mute"})).unwrap(), ["mute tie 2 true"]);
    let log = story.update(json!({"child_call_hook": "/own"})).unwrap();
    assert!(log[0].starts_with("alert"), "nobody talks yet: {log:?}");
    let whisper = json!({"whisper": {"verb": "play", "url": "/w.wav"}});
    assert!(
        story.update(whisper.clone()).unwrap()[0].starts_with("alert"),
        "nobody to be apart from"
    );
    story.tell(child(ChildEvent::Accepted));
    story.tell(Input::Bridge { run: RUN, event: verb::BridgeChange::Connected });
    assert_eq!(story.update(whisper).unwrap(), ["play http://app.example.com/w.wav"]);
    let log = story.update(json!({"child_call_hook": "/own"})).unwrap();
    assert!(log[0].starts_with("Redirect { child: ChildId(0)"), "{log:?}");
    let log = story.tell(child(ChildEvent::Left));
    assert_eq!(log, ["exit bridge", "VerbHook http://app.example.com/done"]);
    let keys = json!({"dtmf": {"digit": "12#"}});
    assert_eq!(story.update(keys).unwrap(), ["keys 12# 250"]);
    assert!(story.update(json!({"media_path": "full-media"})).unwrap().is_empty());
}

#[test]
fn a_mute_is_of_the_dial_it_was_ordered_in() {
    let mute = || json!({"mute_status": "mute"});
    let dial = json!({"verb": "dial", "target": [{"type": "user", "name": "bob"}]});
    let mut story = Story::talking(json!([dial, dial]));
    let first = story.update(mute()).unwrap();
    let event = ChildEvent::Ended { status: CallStatus::Busy, sip_status: 486 };
    let busy = Input::Child { run: RUN, child: ONE, name: None, event };
    assert!(story.tell(busy).last().unwrap().starts_with("call 0"), "the next one dials");
    let second = story.update(mute()).unwrap();
    assert_eq!(first, ["mute tie 2 true"]);
    assert_ne!(first, second);
    // The stay of a child is its parent's affair, and its only one.
    let mut child = dialled(None);
    child.tell(Input::Start);
    assert_eq!(child.update(mute()).unwrap(), ["mute tie 0 true"]);
}

#[test]
fn each_leg_streams_what_is_said_there() {
    let mut story = dialling(json!({"listen": {"url": "/audio"}}));
    let log = story.tell(child(ChildEvent::Accepted));
    assert_eq!(log, ["Bridge { child: ChildId(0) }", "stream to ws://app.example.com/audio"]);
    assert_eq!(story.update(json!({"listen_status": "pause"})).unwrap(), ["stream Paused"]);
    let log = story.tell(ended(CallStatus::Completed, 200));
    assert_eq!(log[..2], ["stop stream", "exit bridge"]);

    let mut story = dialled(None);
    story.tell(Input::Start);
    story.tell(Input::Answered);
    let listen = Box::new(verb::Listen {
        url: "/audio".into(),
        mix: verb::MixType::Mono,
        sample_rate: 8_000,
        metadata: None,
        auth: None,
        pass_dtmf: false,
        is_of_callee: true,
    });
    let log = story.tell(Input::Parent(Box::new(ParentWord::Listen(listen))));
    assert_eq!(log, ["stream to ws://app.example.com/audio"]);
    let verbs = parse(&json!([{"verb": "pause", "length": 1}])).unwrap();
    let log = story.tell(Input::Parent(Box::new(ParentWord::Adult(verbs))));
    assert_eq!(log, ["stop stream", "exit bridge", "tell parent Left"]);
}

#[test]
fn verbs_for_a_refer_run_on_the_other_leg() {
    // REFER of the caller.
    let mut story = dialling(json!({"referHook": "/refer"}));
    story.tell(child(ChildEvent::Accepted));
    let log = story.tell(in_dialog::refers(true));
    assert_eq!(log, ["VerbHook http://app.example.com/refer"]);
    assert!(story.last_hook()["refer_details"]["referred_call_sid"].is_string());
    let log = story.reply(json!([{"verb": "pause", "length": 1}]));
    assert!(log[0].starts_with("answer 202") && log.contains(&"adult 0 1".to_owned()), "{log:?}");

    // REFER of the child.
    let mut story = dialled(None);
    story.tell(Input::Start);
    story.tell(Input::Answered);
    story.tell(in_dialog::refers(true));
    let log = story.reply(json!([{"verb": "pause", "length": 1}]));
    assert!(log.last().unwrap().starts_with("tell parent Replaces"), "{log:?}");

    let mut story = dialling(json!({}));
    story.tell(child(ChildEvent::Accepted));
    let verbs = parse(&json!([{"verb": "pause", "length": 1}])).unwrap();
    let log = story.tell(child(ChildEvent::Replaces(verbs)));
    assert_eq!(
        log,
        [
            "Drop { child: ChildId(0), why: NotWanted }",
            "exit bridge",
            "VerbHook http://app.example.com/done",
        ]
    );
    // Nobody waits for that.
    assert!(story.reply(json!([{"verb": "hangup"}])).is_empty());
}

#[test]
fn verbs_for_a_refer_are_dropped_with_the_leg_they_were_for() {
    let pause = || json!([{"verb": "pause", "length": 9}]);
    let mut story = dialling(json!({"referHook": "/refer"}));
    story.tell(child(ChildEvent::Accepted));
    story.tell(in_dialog::refers(false));
    let asked = story.hooks.last().unwrap().id;
    story.tell(ended(CallStatus::Completed, 200));
    story.reply(json!([]));
    let log = story.reply_to(asked, Ok(HookReply { body: Some(pause()) }));
    assert_eq!(log, ["answer 202 [Refer-Sub: false]"]);
    assert_eq!(story.pass(5.0)[0], "BYE", "its own list goes on");

    // The child has an application of its own meanwhile.
    let mut story = dialled(None);
    story.tell(Input::Start);
    story.tell(Input::Answered);
    story.tell(in_dialog::refers(false));
    let verbs = parse(&json!([{"verb": "pause", "length": 1}])).unwrap();
    story.tell(Input::Parent(Box::new(ParentWord::Adult(verbs))));
    assert_eq!(story.reply(pause()), ["answer 202 [Refer-Sub: false]"]);
    assert_eq!(story.pass(1.0)[0], "BYE", "its own list goes on");
}

#[test]
fn who_is_held_hears_the_sessions_music() {
    let mut story = Story::talking(json!([
        {"verb": "config", "onHoldMusic": "/hold.wav"},
        {"verb": "dial", "target": [{"type": "user", "name": "bob"}]},
    ]));
    let run = RunId(3);
    let tell =
        |story: &mut Story, event| story.tell(Input::Child { run, child: ONE, name: None, event });
    tell(&mut story, ChildEvent::Accepted);
    let flow = verb::Flow { sends: false, receives: false };
    let held = Held { flow, from: "b".into(), to: "a".into(), music: None };
    let log = tell(&mut story, ChildEvent::Held(held));
    assert_eq!(log[0], "play http://app.example.com/hold.wav");

    let mut story = dialled(None);
    story.tell(Input::Start);
    story.tell(Input::Answered);
    let log = story.tell(Input::Held { flow });
    assert!(log[0].starts_with("tell parent Held"), "{log:?}");
}
