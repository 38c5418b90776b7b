//! What an application's answers do: every row of the initial hook's failures, action hooks,
//! redirects.

use super::*;
use crate::verb::{ConferenceEvent, LeaveReason, RunId};

fn url() -> String {
    HELLO.to_owned()
}

/// Replies and errors with the `X-Reason` and the alert they lead to.
fn failures() -> Vec<(Result<HookReply, HookError>, &'static str, &'static str)> {
    let body = |value| Ok(HookReply { body: Some(value) });
    let timeout = HookError::Timeout {
        url: url(),
        phase: crate::hook::Phase::Headers,
        limit: Duration::from_secs(10),
    };
    vec![
        (Err(refused()), "webhook connection failure", "webhook-connection-failure"),
        (
            Err(HookError::Status { url: url(), status: 500 }),
            "webhook returned status 500",
            "webhook-failure",
        ),
        (Err(timeout), "webhook timeout", "webhook-connection-failure"),
        (
            Err(HookError::NotJson { url: url() }),
            "malformed jambonz payload: not JSON",
            "invalid-app-payload",
        ),
        (body(json!({})), "malformed jambonz payload: must be array", "invalid-app-payload"),
        (body(json!("x")), "malformed jambonz payload: must be array", "invalid-app-payload"),
        (body(json!([])), "no application provided", "invalid-app-payload"),
        (Ok(HookReply { body: None }), "no application provided", "invalid-app-payload"),
        (body(json!([{"verb": "sing"}])), "unknown verb \"sing\"", "invalid-app-payload"),
        (
            body(json!([{"verb": "answer"}, {"verb": "pause"}])),
            "verb \"pause\": missing required property \"length\"",
            "invalid-app-payload",
        ),
        (
            body(json!([{"verb": "play", "url": 7}])),
            "verb \"play\": property \"url\" must be a string or a non-empty array of strings",
            "invalid-app-payload",
        ),
    ]
}

#[test]
fn an_inbound_call_whose_application_fails_is_declined_with_480() {
    for (reply, x_reason, alert) in failures() {
        let mut story = Story::inbound();
        story.tell(Input::Start);
        let id = story.hooks[0].id;
        let log = story.reply_to(id, reply);
        assert!(log[0].starts_with(&format!("alert {alert}: ")), "{log:?}");
        assert_eq!(
            log[1..],
            [
                format!("480 Temporarily Unavailable [X-Reason: {x_reason}]"),
                "event failed 480 by jambonz".into(),
                "ended: failed".into(),
            ]
        );
        // D-8, and never a `trying` before an application was there.
        assert_eq!(story.told(), ["event failed 480 by jambonz"]);
    }
}

#[test]
fn an_outbound_call_whose_application_fails_is_hung_up() {
    for (reply, x_reason, alert) in failures() {
        let mut story = Story::calling();
        story.tell(Input::Answered);
        let id = story.hooks[0].id;
        let log = story.reply_to(id, reply);
        assert!(log[0].starts_with(&format!("alert {alert}: ")), "{log:?}");
        assert_eq!(
            log[1..],
            [
                format!("BYE [X-Reason: {x_reason}]"),
                "event completed 200 by jambonz after 0".into(),
                "ended: caller hungup".into(),
            ]
        );
    }
}

#[test]
fn a_call_without_application_is_declined_and_no_alert_is_written() {
    let mut setup = setup(Direction::Inbound);
    setup.application = Application::default();
    let mut story = Story::new(setup);
    assert_eq!(
        story.tell(Input::Start),
        ["480 Temporarily Unavailable [X-Reason: no configured application]", "ended: failed"]
    );
}

#[test]
fn stored_verbs_win_over_the_hook_and_fail_like_an_answer() {
    let mut setup = setup(Direction::Inbound);
    setup.application.script = Some(Script::Json(r#"[{"verb":"sing"}]"#.into()));
    let mut story = Story::new(setup);
    let log = story.tell(Input::Start);
    assert_eq!(log[0], "alert invalid-app-payload: unknown verb \"sing\"");
    assert_eq!(log[1], "480 Temporarily Unavailable [X-Reason: unknown verb \"sing\"]");
}

#[test]
fn an_action_hook_replaces_what_remained() {
    let mut story = Story::talking(json!([
        {"verb": "conference", "name": "lobby", "actionHook": "/after", "id": "c1"},
        {"verb": "pause", "length": 9},
    ]));
    let kicked = ConferenceEvent::Left(LeaveReason::Kicked);
    let log = story.tell(Input::Conference { id: RunId(2), event: kicked });
    assert_eq!(log, ["VerbHook http://app.example.com/after"]);
    let results = story.last_hook();
    assert_eq!(results["verb_id"], "c1");
    assert_eq!(results["friendly_name"], "lobby");
    assert_eq!(results["call_status"], "in-progress");
    let log = story.reply(json!([{"verb": "play", "url": "/bye.wav"}]));
    assert_eq!(log, ["play http://app.example.com/bye.wav"]);
}

#[test]
fn an_action_hook_without_verbs_continues_the_list() {
    for body in [Some(json!([])), Some(json!({})), Some(Value::Null), None] {
        let mut story =
            Story::talking(json!([lobby()[0], {"verb": "play", "url": "http://b/x.wav"}]));
        let ended = ConferenceEvent::Left(LeaveReason::Ended);
        story.tell(Input::Conference { id: RunId(2), event: ended });
        let id = story.hooks.last().unwrap().id;
        assert_eq!(story.reply_to(id, Ok(HookReply { body })), ["play http://b/x.wav"]);
    }
}

#[test]
fn a_failing_action_hook_ends_the_call() {
    // D-10
    for (reply, x_reason, _) in failures() {
        if matches!(&reply, Ok(HookReply { body: None })) || !x_reason.contains("webhook") {
            continue;
        }
        let mut story = Story::talking(json!([lobby()[0], {"verb": "pause", "length": 9}]));
        let ended = ConferenceEvent::Left(LeaveReason::Ended);
        story.tell(Input::Conference { id: RunId(2), event: ended });
        let id = story.hooks.last().unwrap().id;
        let log = story.reply_to(id, reply);
        assert_eq!(log[1], format!("BYE [X-Reason: {x_reason}]"));
        assert_eq!(log[2], "event completed 200 by jambonz after 0");
    }
    let mut story = Story::talking(lobby());
    let ended = ConferenceEvent::Left(LeaveReason::Ended);
    story.tell(Input::Conference { id: RunId(2), event: ended });
    let log = story.reply(json!([{"verb": "sing"}]));
    assert_eq!(log[1], "BYE [X-Reason: unknown verb \"sing\"]");
}

#[test]
fn a_hook_that_cannot_be_asked_is_a_failed_hook() {
    let mut story = Story::talking(json!([{"verb": "redirect", "actionHook": "ftp://a/b"}]));
    assert_eq!(story.hooks.len(), 1);
    assert_eq!(story.told().last().unwrap(), "event completed 200 by jambonz after 0");
    assert_eq!(story.tell(bye()), [""; 0]);
}

#[test]
fn the_caller_leaves_while_an_action_hook_is_pending() {
    let mut story = Story::talking(lobby());
    let ended = ConferenceEvent::Left(LeaveReason::Ended);
    story.tell(Input::Conference { id: RunId(2), event: ended });
    let log = story.tell(bye());
    assert_eq!(log, ["event completed 200 by caller after 0", "ended: caller hungup"]);
    assert_eq!(story.reply(json!([{"verb": "hangup"}])), [""; 0]);
}

#[test]
fn a_redirect_to_another_origin_moves_the_base() {
    let mut story = Story::talking(json!([
        {"verb": "redirect", "actionHook": "http://other.example.com/in", "statusHook": "/news"},
    ]));
    assert_eq!(story.hooks.last().unwrap().kind, HookKind::SessionRedirect);
    assert_eq!(
        story.reply(json!([{"verb": "play", "url": "/a.wav"}])),
        ["play http://other.example.com/a.wav"]
    );
    story.tell(bye());
    // The status hook was relative to the origin of its time.
    let status = &story.events.last().unwrap().target.url;
    assert_eq!(status.as_str(), "http://app.example.com/news");
}

#[test]
fn a_one_off_request_elsewhere_does_not_move_the_base() {
    let mut story = Story::talking(json!([
        {"verb": "conference", "name": "a", "actionHook": "http://other.example.com/x"},
    ]));
    let ended = ConferenceEvent::Left(LeaveReason::Ended);
    story.tell(Input::Conference { id: RunId(2), event: ended });
    let log = story.reply(json!([{"verb": "play", "url": "/a.wav"}]));
    assert_eq!(log, ["play http://app.example.com/a.wav"]);
}

#[test]
fn session_credentials_travel_to_their_origin_only() {
    let mut setup = setup(Direction::Inbound);
    let login = Hook {
        username: Some("user".into()),
        password: Some(Secret("hunter2".into())),
        ..Hook::post(HELLO)
    };
    setup.application.call_hook = Some(login);
    let mut story = Story::new(setup);
    story.tell(Input::Start);
    story.reply(json!([
        {"verb": "redirect", "actionHook": "/same"},
        {"verb": "redirect", "actionHook": "http://b.example.com/other"},
        {"verb": "redirect", "actionHook": "/same-again"},
    ]));
    story.reply(json!([]));
    story.reply(json!([]));
    let sent: Vec<_> = story
        .hooks
        .iter()
        .map(|request| (request.target.url.path().to_owned(), request.target.auth.is_some()))
        .collect();
    assert_eq!(
        sent,
        [
            ("/hello".into(), true),
            ("/same".into(), true),
            ("/other".into(), false),
            ("/same-again".into(), false),
        ]
    );
    assert!(!format!("{story_hooks:?}", story_hooks = story.hooks).contains("hunter2"));
}

#[test]
fn a_room_is_entered_with_all_its_options() {
    let mut story = Story::running(json!([{
        "verb": "conference",
        "name": "lobby",
        "joinMuted": true,
        "statusHook": "/room",
        "statusEvents": ["join", "end"],
    }]));
    let mut out = Vec::new();
    story.state.handle(story.now, story.wall, Input::Answered, &mut out);
    let join = out.iter().find_map(|effect| match effect {
        Effect::JoinConference(join) => Some(join),
        _ => None,
    });
    let join = join.unwrap();
    assert!(join.join_muted && join.start_on_enter && !join.beep);
    let status = join.status.as_ref().unwrap();
    assert_eq!(status.hook.url.as_str(), "http://app.example.com/room");
    assert_eq!(status.events, [verb::StatusEventName::Join, verb::StatusEventName::End]);
    assert_eq!(join.base.call_status, CallStatus::InProgress);
}

#[test]
fn a_missing_file_is_an_alert_and_the_next_verb() {
    let mut story = Story::talking(json!([
        {"verb": "play", "url": "/gone.wav"},
        {"verb": "pause", "length": 1},
    ]));
    let log = story.tell(Input::PlayFailed {
        id: crate::call::PlayId(RunId(2)),
        url: "http://app.example.com/gone.wav".into(),
        detail: "status 404".into(),
    });
    assert_eq!(
        log,
        ["alert play-url-notfound: file not found or not playable: \
          http://app.example.com/gone.wav"]
    );
    assert!(story.state.is_answered());
}

#[test]
fn keys_are_sent_after_the_answer_alone_and_the_next_verb_waits_for_them() {
    let keys = json!({"verb": "dtmf", "dtmf": "1w#", "duration": 200});
    let mut story = Story::running(json!([{"verb": "answer"}, keys, {"verb": "hangup"}]));
    assert_eq!(story.tell(Input::Answered), ["event in-progress 200", "keys 1w# 200"]);
    // Three of 200 ms with 250 after each, and what the far end takes to hear the last.
    assert!(story.pass(2.0).is_empty());
    assert_eq!(story.pass(0.2)[0], "BYE");

    let mut early = Story::inbound();
    early.tell(Input::Start);
    let decline = json!({"verb": "sip:decline", "status": 486});
    let log = early.reply(json!([keys, decline]));
    assert!(!log.iter().any(|line| line.starts_with("keys")), "{log:?}");
    assert!(log.iter().any(|line| line.starts_with("486")), "the list goes on: {log:?}");
}
