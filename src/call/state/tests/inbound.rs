//! Inbound calls: every row of the contract's status table, and the races around the answer.

use super::*;

#[test]
fn a_caller_joins_a_conference_and_hangs_up() {
    let mut story = Story::inbound();
    assert_eq!(story.tell(Input::Start), ["SessionNew http://app.example.com/hello"]);
    assert_eq!(story.state.snapshot().call_status, CallStatus::Trying);
    assert_eq!(story.reply(lobby()), ["event trying 100", "200"]);
    story.pass(1.0);
    assert_eq!(story.tell(Input::Answered), ["event in-progress 200", "join lobby"]);
    story.pass(61.9);
    assert_eq!(
        story.tell(bye()),
        [
            "leave",
            "VerbHook http://app.example.com/after",
            "event completed 200 by caller after 61",
            "ended: caller hungup",
        ]
    );
    // The reply of a hook whose call is gone is ignored.
    assert_eq!(story.reply(json!([{"verb": "answer"}])), [""; 0]);
    assert_eq!(story.last_hook()["call_status"], "completed");
    let record = story.record.unwrap();
    assert_eq!((record.duration, record.sip_status), (61, 200));
    assert_eq!(record.terminated_at - record.attempted_at, time::Duration::milliseconds(62_900));
    assert_eq!(record.answered_at, Some(record.attempted_at + time::Duration::SECOND));
}

#[test]
fn the_application_hangs_up_with_headers() {
    let mut story = Story::talking(json!([
        {"verb": "pause", "length": 2},
        {"verb": "hangup", "headers": {"X-Why": "done"}},
        {"verb": "pause", "length": 9},
    ]));
    assert_eq!(
        story.pass(2.0),
        [
            "BYE [X-Why: done]",
            "event completed 200 by jambonz after 2",
            "ended: called party hungup",
        ]
    );
}

#[test]
fn the_end_of_the_list_is_the_end_of_the_call() {
    let mut story = Story::running(json!([{"verb": "answer"}]));
    assert_eq!(
        story.tell(Input::Answered),
        [
            "event in-progress 200",
            "BYE",
            "event completed 200 by jambonz after 0",
            "ended: called party hungup",
        ]
    );
}

#[test]
fn a_list_that_never_answers_declines_with_603() {
    let mut story = Story::running(json!([
        {"verb": "pause", "length": 1},
        {"verb": "hangup"},
    ]));
    assert_eq!(
        story.pass(1.0),
        [
            "603 Decline [X-Reason: application ended without answer]",
            "event failed 603 by jambonz",
            "ended: failed",
        ]
    );
    assert!(story.last_event().get("duration").is_none());
}

#[test]
fn cancel_before_the_answer_is_no_answer() {
    for verbs in [None, Some(json!([{"verb": "pause", "length": 9}])), Some(lobby())] {
        let mut story = Story::inbound();
        story.tell(Input::Start);
        if let Some(verbs) = verbs {
            story.reply(verbs);
        }
        let log = story.tell(Input::CancelledByCaller { reason_header: None });
        assert_eq!(
            log[log.len() - 2..],
            ["event no-answer 487 by caller", "ended: caller abandoned"]
        );
        assert_eq!(story.last_event()["sip_reason"], "Request Terminated");
    }
}

#[test]
fn cancel_while_the_application_thinks_makes_its_answer_late() {
    let mut story = Story::inbound();
    story.tell(Input::Start);
    let reason = "SIP;cause=200;text=\"Call completed elsewhere\"";
    story.tell(Input::CancelledByCaller { reason_header: Some(reason.into()) });
    assert_eq!(story.reply(lobby()), [""; 0]);
    assert_eq!(story.told(), ["event no-answer 487 by caller"]);
    assert_eq!(story.last_event()["sip_reason_header"], reason);
}

#[test]
fn cancel_that_overtook_our_200_ends_the_call() {
    let mut story = Story::talking(lobby());
    let log = story.tell(Input::CancelledByCaller { reason_header: None });
    assert_eq!(log.last().map(String::as_str), Some("ended: caller abandoned"), "{log:?}");
    assert_eq!(story.last_event()["call_status"], "no-answer");
}

#[test]
fn media_that_fails_before_the_call_began_is_answered_too() {
    let mut story = Story::inbound();
    let failed = Input::MediaFailed { status: 488, reason: "no common codec".into() };
    let log = story.tell(failed);
    assert_eq!(log[0], "488 no common codec [X-Reason: no common codec]");
    assert_eq!(log.last().map(String::as_str), Some("ended: failed"), "{log:?}");
}

#[test]
fn an_invite_that_expires_unanswered_ends_the_call() {
    let mut story = Story::running(lobby());
    let log = story.tell(Input::DialogFailed);
    assert_eq!(log.last().map(String::as_str), Some("ended: failed"), "{log:?}");
}

#[test]
fn a_200_that_got_out_after_all_is_taken_back() {
    let mut story = Story::running(lobby());
    story.tell(Input::CancelledByCaller { reason_header: None });
    assert_eq!(story.tell(Input::Answered), ["BYE"]);
    assert_eq!(story.told().len(), 2);
}

#[test]
fn sip_decline_fails_with_the_verbs_status() {
    let mut story = Story::inbound();
    story.tell(Input::Start);
    assert_eq!(
        story.reply(json!([{
            "verb": "sip:decline",
            "status": 486,
            "reason": "Not Now",
            "headers": {"Retry-After": "5"},
        }])),
        [
            "event trying 100",
            "486 Not Now [Retry-After: 5] [X-Reason: SIP Decline Verb]",
            "event failed 486 by jambonz",
            "ended: failed",
        ]
    );
    assert_eq!(story.last_event()["sip_reason"], "Not Now");
}

#[test]
fn media_that_cannot_be_negotiated_fails_with_its_code() {
    let mut story = Story::running(lobby());
    let failed = Input::MediaFailed { status: 488, reason: "Not Acceptable Here".into() };
    assert_eq!(
        story.tell(failed),
        [
            "488 Not Acceptable Here [X-Reason: Not Acceptable Here]",
            "event failed 488 by jambonz",
            "ended: failed",
        ]
    );
}

#[test]
fn early_media_sends_183_and_no_event() {
    let mut story = Story::inbound();
    story.tell(Input::Start);
    let verbs = json!([
        {"verb": "play", "url": "/wait.wav", "earlyMedia": true},
        {"verb": "sip:decline", "status": 480},
    ]);
    assert_eq!(story.reply(verbs), ["event trying 100", "183"]);
    assert_eq!(story.tell(Input::ProgressSent), ["play http://app.example.com/wait.wav"]);
    let id = crate::call::PlayId(verb::RunId(1));
    let report = verb::PlayReport { played: Duration::from_secs(1), last_offset_samples: 8000 };
    let log = story.tell(Input::PlayDone { id, report });
    assert_eq!(
        log,
        [
            "480 Temporarily Unavailable [X-Reason: SIP Decline Verb]",
            "event failed 480 by jambonz",
            "ended: failed",
        ]
    );
}

#[test]
fn a_phone_that_vanishes_ends_the_call_once() {
    for (input, last_word) in
        [(Input::MediaTimeout, "BYE [X-Reason: Media Timeout]"), (Input::DialogFailed, "BYE")]
    {
        let mut story = Story::talking(json!([{"verb": "pause", "length": 99}]));
        story.pass(10.0);
        let log = story.tell(input);
        let event = "event completed 200 by jambonz after 10";
        assert_eq!(log, [last_word, event, "ended: called party hungup"]);
        assert_eq!(story.tell(bye()), [""; 0]);
        assert_eq!(story.tell(Input::MediaTimeout), [""; 0]);
    }
}

#[test]
fn limits_end_the_call_with_their_reason() {
    let mut setup = setup(Direction::Inbound);
    setup.limits.time_limit = Some(Duration::from_secs(30));
    let mut story = Story::new(setup);
    story.tell(Input::Start);
    story.reply(json!([{"verb": "answer"}, {"verb": "pause", "length": 99_999}]));
    story.pass(20.0);
    story.tell(Input::Answered);
    assert_eq!(story.pass(29.9), [""; 0]);
    assert_eq!(
        story.pass(0.1),
        [
            "BYE [X-Reason: Max Call Duration]",
            "event completed 200 by jambonz after 30",
            "ended: called party hungup",
        ]
    );
    let mut story = Story::running(json!([{"verb": "pause", "length": 99_999}]));
    assert_eq!(
        story.pass(180.0 * 60.0),
        [
            "480 Temporarily Unavailable [X-Reason: Max Call Duration]",
            "event failed 480 by jambonz",
            "ended: failed",
        ]
    );
}

#[test]
fn headers_of_the_bye_reach_the_application_in_snake_case() {
    let mut story = Story::talking(json!([{"verb": "pause", "length": 9}]));
    let headers = [("X-Foo-Bar", "1"), ("User-Agent", "phone"), ("Reason", "Q.850;cause=16")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    story.tell(Input::ByeReceived { headers });
    assert_eq!(story.last_event()["headers"], json!({"x_foo_bar": "1"}));
}

#[test]
fn without_a_status_hook_there_are_no_events() {
    let mut setup = setup(Direction::Inbound);
    setup.application.status_hook = None;
    let mut story = Story::new(setup);
    story.tell(Input::Start);
    story.reply(lobby());
    story.tell(Input::Answered);
    story.tell(bye());
    assert_eq!(story.told(), [""; 0]);
}

#[test]
fn a_status_hook_that_cannot_be_asked_is_said_once() {
    let mut setup = setup(Direction::Inbound);
    setup.application.status_hook = Some(Hook::post("ws://app.example.com/status"));
    let mut story = Story::new(setup);
    story.tell(Input::Start);
    let log = story.reply(lobby());
    assert!(log[0].starts_with("alert webhook-connection-failure: hook cannot"), "{log:?}");
    assert_eq!(story.tell(Input::Answered), ["join lobby"]);
}

#[test]
fn a_dial_string_names_a_conference_without_any_application() {
    let mut setup = setup(Direction::Inbound);
    setup.application = Application::conference("lobby").unwrap();
    let mut story = Story::new(setup);
    assert_eq!(story.tell(Input::Start), ["200"]);
    assert_eq!(story.tell(Input::Answered), ["join lobby"]);
}

#[test]
fn the_first_request_shows_the_call_at_its_beginning() {
    let mut story = Story::inbound();
    story.tell(Input::Start);
    let facts = story.state.setup.facts.clone();
    assert_eq!(
        story.last_hook(),
        json!({
            "call_sid": facts.call_sid,
            "direction": "inbound",
            "from": "1001",
            "to": "15551230000",
            "call_id": "abc@10.0.0.1",
            "sbc_callid": "abc@10.0.0.1",
            "sip_status": 100,
            "sip_reason": "Trying",
            "call_status": "trying",
            "account_sid": facts.account_sid,
            "application_sid": facts.application_sid,
            "trace_id": "0123456789abcdef0123456789abcdef",
            "fs_sip_address": "192.0.2.1:5060",
            "originating_sip_ip": "192.0.2.9",
            "caller_name": "Alice",
            "has_recording": false,
            "local_sip_address": "192.0.2.1:5060",
            "service_provider_sid": facts.service_provider_sid,
        })
    );
}

#[test]
fn reads_show_what_events_showed() {
    let mut story =
        Story::talking(json!([{"verb": "tag", "data": {"a": 1}}, {"pause": {"length": 9}}]));
    story.pass(5.0);
    story.tell(bye());
    let read = serde_json::to_value(story.state.snapshot()).unwrap();
    let facts = story.state.setup.facts.clone();
    assert_eq!(
        read,
        json!({
            "call_sid": facts.call_sid,
            "account_sid": facts.account_sid,
            "application_sid": facts.application_sid,
            "direction": "inbound",
            "from": "1001",
            "to": "15551230000",
            "caller_name": "Alice",
            "call_id": "abc@10.0.0.1",
            "sbc_callid": "abc@10.0.0.1",
            "trace_id": "0123456789abcdef0123456789abcdef",
            "customer_data": {"a": 1},
            "sip_status": 200,
            "sip_reason": "OK",
            "call_status": "completed",
            "duration": 5,
            "call_termination_by": "caller",
            "originating_sip_ip": "192.0.2.9",
            "fs_sip_address": "192.0.2.1:5060",
        })
    );
    assert_eq!(story.last_event()["customerData"], json!({"a": 1}));
}
