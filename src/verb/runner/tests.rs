//! The walk through a list, one verb's end at a time.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;
use crate::model::{AccountSid, Hook};
use crate::verb::{
    AskKind, ConferenceEvent, Ear, LeaveReason, PlayReport, QueueEvent, Refusal, parse,
};

/// A runner with its surroundings; `step` returns progress and what the verbs wanted.
struct Walk {
    runner: Runner,
    line: Line,
    now: Instant,
    account_sid: AccountSid,
    runs: u32,
}

impl Walk {
    fn new(line: Line) -> Self {
        let runner = Runner::default();
        Self { runner, line, now: Instant::now(), account_sid: AccountSid::random(), runs: 0 }
    }

    fn step(
        &mut self,
        step: impl FnOnce(&mut Runner, &mut Cx<'_>) -> Progress,
    ) -> (Progress, Vec<Effect>) {
        let mut out = Vec::new();
        let (now, line, account_sid) = (self.now, self.line, self.account_sid);
        let (ear, runs) = (Ear::Call, &mut self.runs);
        let mut cx = Cx { now, line, account_sid, ear, runs, out: &mut out };
        let progress = step(&mut self.runner, &mut cx);
        (progress, out)
    }

    #[allow(clippy::needless_pass_by_value, reason = "json! literals read best by value")]
    fn start(&mut self, verbs: Value) -> (Progress, Vec<Effect>) {
        let verbs = parse(&verbs).unwrap();
        self.step(|runner, cx| runner.replace(verbs, cx))
    }

    fn event(&mut self, run: u32, event: Event) -> (Progress, Vec<Effect>) {
        self.step(|runner, cx| runner.on_event(RunId(run), event, cx))
    }

    fn line(&mut self, line: Line) -> (Progress, Vec<Effect>) {
        self.line = line;
        self.step(Runner::on_line)
    }
}

fn asked(effect: &Effect) -> (&str, Value, bool) {
    match effect {
        Effect::Ask(ask) => (&ask.hook.url, Value::Object(ask.fields.clone()), ask.wants_reply),
        other => panic!("not a question: {other:?}"),
    }
}

#[test]
fn a_list_without_waiting_runs_through_at_once() {
    let mut walk = Walk::new(Line::Answered);
    let (progress, effects) = walk.start(json!([
        {"verb": "answer"},
        {"verb": "tag", "data": {"a": 1}},
        {"verb": "pause", "length": 0},
    ]));
    assert_eq!(progress, Progress::Exhausted);
    assert!(matches!(effects.as_slice(), [Effect::SetCustomerData(_)]));
}

#[test]
fn verbs_that_need_media_answer_first_and_others_do_not() {
    for verb in [
        json!({"verb": "answer"}),
        json!({"verb": "play", "url": "http://a/b.wav"}),
        json!({"verb": "conference", "name": "lobby"}),
    ] {
        let mut walk = Walk::new(Line::Unanswered);
        let (progress, effects) = walk.start(json!([verb]));
        assert_eq!((progress, effects), (Progress::Running, vec![Effect::Answer]), "{verb}");
    }
    let mut walk = Walk::new(Line::Unanswered);
    let (_, effects) = walk.start(json!([{"verb": "pause", "length": 1}]));
    assert!(matches!(effects.as_slice(), [Effect::StartTimer { .. }]));
}

#[test]
fn early_media_takes_183_and_an_answered_call_needs_none() {
    let early = json!([{"verb": "play", "url": "http://a/b.wav", "earlyMedia": true}]);
    let mut walk = Walk::new(Line::Unanswered);
    assert_eq!(walk.start(early.clone()).1, [Effect::Progress]);
    let (_, effects) = walk.line(Line::EarlyMedia);
    assert!(matches!(effects.as_slice(), [Effect::Play { .. }]));
    let mut walk = Walk::new(Line::Answered);
    assert!(matches!(walk.start(early).1.as_slice(), [Effect::Play { .. }]));
}

#[test]
fn what_cannot_run_is_skipped() {
    let mut walk = Walk::new(Line::Answered);
    let decline = json!([{"verb": "sip:decline", "status": 486}]);
    assert_eq!(walk.start(decline), (Progress::Exhausted, vec![]));
    let mut walk = Walk::new(Line::Unanswered);
    assert_eq!(walk.start(json!([{"verb": "hangup"}])), (Progress::Exhausted, vec![]));
}

#[test]
fn hangup_and_decline_drop_the_rest() {
    let mut walk = Walk::new(Line::Answered);
    let (progress, effects) = walk.start(json!([{"verb": "hangup"}, {"verb": "tag", "data": {}}]));
    assert_eq!(progress, Progress::Ended);
    assert!(matches!(effects.as_slice(), [Effect::Hangup { .. }]));
    let mut walk = Walk::new(Line::Unanswered);
    let (progress, effects) = walk.start(json!([{"verb": "sip:decline", "status": 404}]));
    assert_eq!(progress, Progress::Ended);
    let [Effect::Decline { status: 404, reason, headers }] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!(reason, "Not Found");
    assert_eq!(headers.find("X-Reason"), Some("SIP Decline Verb"));
}

#[test]
fn a_pause_ends_with_its_own_timer_only() {
    let mut walk = Walk::new(Line::Answered);
    let two = json!([{"verb": "pause", "length": 1}, {"verb": "pause", "length": 2}]);
    let (_, effects) = walk.start(two);
    assert_eq!(effects, [Effect::StartTimer { run: RunId(1), after: Duration::from_secs(1) }]);
    let (_, effects) = walk.event(1, Event::Timer);
    assert!(matches!(effects.as_slice(), [Effect::StartTimer { run: RunId(2), .. }]));
    // The first pause's timer fires late.
    assert_eq!(walk.event(1, Event::Timer), (Progress::Running, vec![]));
    assert_eq!(walk.event(2, Event::Timer), (Progress::Exhausted, vec![]));
}

#[test]
fn play_reports_to_its_action_hook_and_waits_for_the_reply() {
    let mut walk = Walk::new(Line::Answered);
    walk.start(json!([
        {"verb": "play", "url": "http://a/b.wav", "actionHook": "/played", "id": "p1"},
        {"verb": "pause", "length": 1},
    ]));
    let report = PlayReport { played: Duration::from_millis(2500), last_offset_samples: 20_000 };
    let (progress, effects) = walk.event(1, Event::PlayDone(report));
    assert_eq!(progress, Progress::Running);
    let [effect @ Effect::Ask(ask)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(ask.verb_id.as_deref(), Some("p1"));
    let fields = json!({
        "reason": "playCompleted",
        "playback_seconds": 2,
        "playback_milliseconds": 2500,
        "playback_last_offset_pos": 20000,
    });
    assert_eq!(asked(effect), ("/played", fields, true));
    assert!(walk.runner.is_asking(RunId(1)));
    let (_, effects) = walk.step(|runner, cx| runner.on_reply(RunId(1), vec![], cx));
    assert!(matches!(effects.as_slice(), [Effect::StartTimer { run: RunId(2), .. }]));
}

#[test]
fn a_reply_with_verbs_replaces_all_that_remained() {
    let mut walk = Walk::new(Line::Answered);
    walk.start(json!([
        {"verb": "redirect", "actionHook": "/other"},
        {"verb": "pause", "length": 9},
    ]));
    let verbs = parse(&json!([{"verb": "hangup"}])).unwrap();
    let (progress, effects) = walk.step(|runner, cx| runner.on_reply(RunId(1), verbs, cx));
    assert_eq!(progress, Progress::Ended);
    assert!(matches!(effects.as_slice(), [Effect::Hangup { .. }]));
}

#[test]
fn a_file_that_cannot_be_played_is_an_alert_and_the_next_verb() {
    let mut walk = Walk::new(Line::Answered);
    walk.start(json!([{"verb": "play", "url": "http://a/b.wav"}]));
    let failed = Event::PlayFailed { url: "http://a/b.wav".into(), detail: "404".into() };
    let (progress, effects) = walk.event(1, failed.clone());
    assert_eq!(progress, Progress::Exhausted);
    assert!(matches!(effects.as_slice(), [Effect::MediaMissing { .. }]));
    walk.start(json!([{"verb": "play", "url": "http://a/b.wav", "actionHook": "/x"}]));
    let (_, effects) = walk.event(2, failed);
    let fields = json!({"reason": "playFailed", "status": "fail"});
    assert_eq!(asked(&effects[1]), ("/x", fields, true));
}

#[test]
fn a_play_that_is_limited_stops_and_says_how_far_it_came() {
    let mut walk = Walk::new(Line::Answered);
    let (_, effects) =
        walk.start(json!([{"verb": "play", "url": "http://a/b.wav", "timeoutSecs": 3}]));
    assert!(matches!(effects.as_slice(), [Effect::Play { .. }, Effect::StartTimer { .. }]));
    assert_eq!(
        walk.event(1, Event::Timer),
        (Progress::Running, vec![Effect::StopPlay { run: RunId(1) }])
    );
    let report = PlayReport { played: Duration::from_secs(3), last_offset_samples: 24_000 };
    assert_eq!(walk.event(1, Event::PlayDone(report)), (Progress::Exhausted, vec![]));
}

#[test]
fn a_replaced_play_asks_nothing() {
    let mut walk = Walk::new(Line::Answered);
    walk.start(json!([
        {"verb": "play", "url": "http://a/b.wav", "timeoutSecs": 3, "actionHook": "/x"},
    ]));
    let (_, effects) = walk.start(json!([{"verb": "hangup"}]));
    assert!(matches!(
        effects.as_slice(),
        [Effect::StopTimer { .. }, Effect::StopPlay { .. }, Effect::Hangup { .. }]
    ));
}

#[test]
fn a_member_that_is_removed_goes_on_with_its_call() {
    let mut walk = Walk::new(Line::Answered);
    walk.start(json!([
        {"verb": "conference", "name": "lobby", "actionHook": "/after"},
        {"verb": "hangup"},
    ]));
    assert_eq!(walk.runner.conference(), Some((RunId(1), false)));
    walk.event(1, Event::Conference(ConferenceEvent::Waiting { wait_hook: None }));
    assert_eq!(walk.runner.conference(), Some((RunId(1), false)));
    walk.event(1, Event::Conference(ConferenceEvent::Joined));
    assert_eq!(walk.runner.conference(), Some((RunId(1), true)));
    walk.now += Duration::from_millis(61_500);
    let (_, effects) = walk.event(1, Event::Conference(ConferenceEvent::Left(LeaveReason::Kicked)));
    let fields = json!({
        "conference_sid": format!("conf:{}:lobby", walk.account_sid),
        "friendly_name": "lobby",
        "duration": 61,
    });
    assert_eq!(asked(&effects[0]), ("/after", fields, true));
    let (progress, _) = walk.step(|runner, cx| runner.on_reply(RunId(1), vec![], cx));
    assert_eq!(progress, Progress::Ended);
}

#[test]
fn a_refused_member_is_told_why() {
    let mut walk = Walk::new(Line::Answered);
    walk.start(json!([{"verb": "conference", "name": "lobby", "actionHook": "/after"}]));
    let (_, effects) = walk.event(1, Event::Conference(ConferenceEvent::Refused(Refusal::Full)));
    let (_, fields, _) = asked(&effects[0]);
    assert_eq!(fields["reason"], "conference full");
}

#[test]
fn a_member_leaves_with_a_hook_when_the_call_ends_and_without_when_replaced() {
    let conference = json!([{"verb": "conference", "name": "lobby", "actionHook": "/after"}]);
    let mut walk = Walk::new(Line::Answered);
    walk.start(conference.clone());
    let (_, effects) = walk.step(|runner, cx| {
        runner.stop(Stop::CallEnded, cx);
        runner.progress()
    });
    assert_eq!(effects[0], Effect::LeaveConference { run: RunId(1) });
    assert!(!asked(&effects[1]).2);
    let mut walk = Walk::new(Line::Answered);
    walk.start(conference);
    let (_, effects) = walk.start(json!([]));
    assert_eq!(effects, [Effect::LeaveConference { run: RunId(1) }]);
}

#[test]
fn redirect_asks_with_its_kind_and_changes_the_status_hook_first() {
    let mut walk = Walk::new(Line::Unanswered);
    let (_, effects) = walk.start(json!([
        {"verb": "redirect", "actionHook": "/other", "statusHook": "/status"},
    ]));
    assert!(matches!(effects[0], Effect::SetStatusHook(_)));
    assert!(matches!(&effects[1], Effect::Ask(Ask { kind: AskKind::Redirect, .. })));
}

#[test]
fn what_a_verb_tells_on_its_way_has_its_name() {
    let mut walk = Walk::new(Line::Answered);
    walk.start(json!([{"verb": "enqueue", "name": "support", "id": "q1", "actionHook": "/after"}]));
    let elsewhere = QueueEvent::Redirected(Hook::post("/new"));
    let (_, effects) = walk.event(1, Event::Queue(elsewhere));
    let asks = effects.iter().filter_map(|effect| match effect {
        Effect::Ask(ask) => Some((ask.hook.url.as_str(), ask.verb_id.as_deref())),
        _ => None,
    });
    assert_eq!(asks.collect::<Vec<_>>(), [("/after", Some("q1")), ("/new", Some("q1"))]);
}
