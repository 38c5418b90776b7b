//! Calls placed over the API: every row of the contract's status table.

use super::*;

fn ringing(status: u16) -> Input {
    Input::Ringing { status, reason: "Ringing".into() }
}

fn early(status: u16) -> Input {
    Input::EarlyMedia { status, reason: "Session Progress".into() }
}

#[test]
fn a_call_rings_is_answered_and_runs_its_application() {
    let mut story = Story::outbound();
    assert_eq!(story.tell(Input::Start), ["event trying 100"]);
    assert_eq!(story.tell(ringing(180)), ["event ringing 180"]);
    assert_eq!(story.tell(early(183)), ["event early-media 183"]);
    assert_eq!(
        story.tell(Input::Answered),
        ["event in-progress 200", "SessionNew http://app.example.com/hello"]
    );
    let first = story.last_hook();
    assert_eq!((&first["call_status"], &first["sip_status"]), (&json!("in-progress"), &json!(200)));
    assert!(first.get("sip").is_none() && first.get("sbc_callid").is_none());
    assert_eq!(story.reply(lobby()), ["join lobby"]);
    story.pass(3.0);
    assert_eq!(
        story.tell(bye()),
        [
            "leave",
            "VerbHook http://app.example.com/after",
            "event completed 200 by caller after 3",
            "ended: called party hungup",
        ]
    );
}

#[test]
fn repeated_and_backward_provisional_responses_are_no_news() {
    let mut story = Story::calling();
    let inputs = [
        ringing(180),
        ringing(180),
        early(180),
        early(183),
        ringing(180),
        Input::Start,
        ringing(180),
    ];
    for input in inputs {
        story.tell(input);
    }
    assert_eq!(story.told(), ["event trying 100", "event ringing 180", "event early-media 180"]);
}

#[test]
fn each_rejection_has_its_status() {
    for (code, expected) in [
        (486, "busy"),
        (603, "busy"),
        (487, "no-answer"),
        (302, "failed"),
        (404, "failed"),
        (408, "failed"),
        (480, "failed"),
        (488, "failed"),
        (500, "failed"),
        (503, "failed"),
        (600, "failed"),
    ] {
        let mut story = Story::calling();
        let log = story.tell(rejected(code, "Whatever"));
        assert_eq!(log[0], format!("event {expected} {code} by caller"));
        let told = story.last_event();
        assert_eq!(told["sip_reason"], "Whatever");
        assert!(told.get("duration").is_none());
        assert_eq!(story.tell(rejected(code, "Whatever")), [""; 0]);
        assert_eq!(story.hooks.len(), 0);
    }
}

#[test]
fn a_reason_header_of_the_failure_is_shown() {
    let mut story = Story::calling();
    let reason_header = Some("Q.850;cause=1".to_owned());
    story.tell(Input::Rejected { status: 404, reason: "Not Found".into(), reason_header });
    assert_eq!(story.last_event()["sip_reason_header"], "Q.850;cause=1");
}

#[test]
fn an_invite_that_never_left_fails_whatever_its_code() {
    for code in [404, 500, 603] {
        let mut story = Story::outbound();
        assert_eq!(
            story.tell(rejected(code, "No Carrier")),
            [format!("event failed {code} by jambonz"), "ended: failed".into()]
        );
    }
    let mut story = Story::outbound();
    let no_port = Input::MediaFailed { status: 500, reason: "No Port".into() };
    assert_eq!(story.tell(no_port), ["event failed 500 by jambonz", "ended: failed"]);
}

#[test]
fn nobody_answers_in_time() {
    let mut story = Story::calling();
    story.tell(ringing(180));
    assert_eq!(story.pass(59.9), [""; 0]);
    assert_eq!(story.pass(0.1), ["CANCEL"]);
    assert_eq!(
        story.tell(rejected(487, "Request Terminated")),
        ["event no-answer 487 by jambonz", "ended: caller abandoned"]
    );
}

#[test]
fn an_invite_that_cannot_be_sent_failed_whatever_the_code() {
    let mut story = Story::calling();
    let log = story.tell(Input::NotPlaced { status: 603, reason: "Decline".into() });
    assert_eq!(log, ["event failed 603 by jambonz", "ended: failed"]);
}

#[test]
fn a_cancel_that_is_never_confirmed_ends_all_the_same() {
    let mut story = Story::calling();
    assert_eq!(
        story.pass(120.0),
        ["CANCEL", "BYE", "event no-answer 487 by jambonz", "ended: caller abandoned"]
    );
    // The 200 comes after all.
    assert_eq!(story.tell(Input::Answered), ["BYE"]);
}

#[test]
fn an_answer_that_crosses_our_cancel_is_hung_up() {
    let mut story = Story::calling();
    story.tell(Input::Hangup { headers: SipHeaders::default() });
    assert_eq!(
        story.tell(Input::Answered),
        ["BYE", "event no-answer 487 by jambonz", "ended: caller abandoned"]
    );
}

#[test]
fn a_rejection_that_crosses_our_cancel_counts_as_it_is() {
    let mut story = Story::calling();
    story.tell(Input::Hangup { headers: SipHeaders::default() });
    assert_eq!(
        story.tell(rejected(486, "Busy Here")),
        ["event busy 486 by jambonz", "ended: failed"]
    );
}

#[test]
fn an_answer_with_unusable_media_fails_without_asking_the_application() {
    let mut story = Story::calling();
    let failed = Input::MediaFailed { status: 488, reason: "no common codec".into() };
    assert_eq!(
        story.tell(failed),
        ["BYE [X-Reason: no common codec]", "event failed 488 by jambonz", "ended: failed",]
    );
    assert_eq!(story.hooks.len(), 0);
}

#[test]
fn the_time_limit_counts_from_the_answer() {
    let mut setup = setup(Direction::Outbound);
    setup.limits.time_limit = Some(Duration::from_secs(10));
    let mut story = Story::new(setup);
    story.tell(Input::Start);
    story.pass(30.0);
    story.tell(Input::Answered);
    story.reply(lobby());
    let log = story.pass(10.0);
    assert_eq!(log[0], "BYE [X-Reason: Max Call Duration]");
    assert_eq!(log.last().unwrap(), "ended: caller hungup");
    assert_eq!(story.last_event()["duration"], 10);
}

#[test]
fn the_far_end_hangs_up_while_the_application_thinks() {
    let mut story = Story::calling();
    story.tell(Input::Answered);
    story.pass(2.0);
    assert_eq!(
        story.tell(bye()),
        ["event completed 200 by caller after 2", "ended: called party hungup"]
    );
    assert_eq!(story.reply(lobby()), [""; 0]);
    assert_eq!(
        story.fail_hook(refused()),
        ["alert webhook-connection-failure: webhook connection failure (refused): \
          http://app.example.com/hello"]
    );
}

#[test]
fn verbs_given_with_the_call_run_without_a_request() {
    let mut setup = setup(Direction::Outbound);
    setup.application.script = Some(Script::Json(lobby().to_string()));
    let mut story = Story::new(setup);
    story.tell(Input::Start);
    assert_eq!(story.tell(Input::Answered), ["event in-progress 200", "join lobby"]);
}

#[test]
fn a_tag_of_the_request_is_in_every_payload() {
    let mut setup = setup(Direction::Outbound);
    setup.customer_data = json!({"orderId": 7}).as_object().cloned();
    let mut story = Story::new(setup);
    story.tell(Input::Start);
    assert_eq!(story.last_event()["customerData"], json!({"orderId": 7}));
    story.tell(Input::Answered);
    assert_eq!(story.last_hook()["customerData"], json!({"orderId": 7}));
}
