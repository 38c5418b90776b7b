//! Requests inside the dialog: the far end's, the application's, the API's.

use super::*;
use crate::call::refer::{Progress, Refer};
use crate::call::{AnswerId, Asked, FarEnd, InDialog};

const INFO: Asked = Asked::Info { usual: 415 };

fn asks(method: &str, asked: Asked) -> Input {
    Input::Request(Box::new(InDialog {
        answer: AnswerId(1),
        method: method.into(),
        headers: vec![
            ("X-Ticket".into(), "7".into()),
            ("x-ticket-more".into(), "8".into()),
            ("Authorization".into(), "Digest secret".into()),
        ],
        body: "hello".into(),
        asked,
    }))
}

pub(super) fn refers(wants_notify: bool) -> Input {
    let refer = Refer {
        refer_to: "<sip:bob@example.com>".into(),
        target: "sip:bob@example.com".parse().unwrap(),
        replaces: None,
        referred_by: Some("<sip:alice@example.com>".into()),
        user_agent: None,
        extensions: vec![("X-Foo-Bar".into(), "1".into())],
        wants_notify,
        seq: 7,
    };
    asks("REFER", Asked::Refer(Ok(Box::new(refer))))
}

fn notifies(status: u16, is_last: bool) -> Input {
    asks("NOTIFY", Asked::Notify(Some(Progress { status: Some(status), is_last })))
}

impl Story {
    /// Answered, with both hooks set, and a long pause.
    fn listening() -> Self {
        let hooks = json!({"verb": "config", "sipRequestWithinDialogHook": "/in-dialog",
            "referHook": "/refer"});
        Self::talking(json!([hooks, {"verb": "pause", "length": 1000}]))
    }

    fn that_transfers(transfers: Transfers) -> Self {
        let setup = Setup { transfers, ..setup(Direction::Inbound) };
        let mut story = Self::new(setup);
        story.tell(Input::Start);
        story.reply(json!([{"verb": "answer"}, {"verb": "pause", "length": 1000}]));
        story.tell(Input::Answered);
        story
    }

    fn done(&mut self, status: u16, is_heard: bool) -> Vec<String> {
        let id = self.request.unwrap();
        self.tell(Input::RequestDone { id, status, reason: "x".into(), is_heard })
    }
}

#[test]
fn info_and_message_are_answered_before_the_application_hears_of_them() {
    let mut story = Story::listening();
    let hook = "VerbHook http://app.example.com/in-dialog";
    assert_eq!(story.tell(asks("INFO", INFO)), ["answer 200", hook]);
    let told = story.last_hook();
    assert_eq!(told["sip_method"], "INFO");
    assert_eq!(told["sip_body"], "hello");
    assert_eq!(told["sip_headers"], json!({"x_ticket": "7", "x_ticket_more": "8"}));
    assert!(told["call_sid"].is_string());
    assert!(story.reply(json!([])).is_empty(), "no verbs: nothing changes");

    assert_eq!(story.tell(asks("MESSAGE", Asked::Message)), ["answer 202", hook]);
    assert_eq!(
        story.reply(json!([{"verb": "play", "url": "/a.wav"}])),
        ["play http://app.example.com/a.wav"]
    );
}

#[test]
fn without_a_listener_an_info_gets_its_usual_answer() {
    let mut story = Story::talking(json!([{"verb": "pause", "length": 1000}]));
    for (asked, status) in [
        (Asked::Info { usual: 200 }, 200),
        (Asked::Info { usual: 469 }, 469),
        (Asked::Message, 480),
        (Asked::Other, 501),
        (Asked::Refer(Err(400)), 400),
        (Asked::Notify(None), 489),
        (Asked::Notify(Some(Progress { status: Some(200), is_last: true })), 481),
    ] {
        let heard = story.tell(asks("X", asked.clone()));
        assert_eq!(heard, [format!("answer {status}")], "{asked:?}");
    }
    story.tell(bye());
    assert_eq!(story.tell(asks("INFO", INFO)), ["answer 481"]);
}

#[test]
fn a_listener_that_fails_leaves_the_application_alone() {
    let mut story = Story::listening();
    story.tell(asks("INFO", INFO));
    let log = story.fail_hook(refused());
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(log[0].starts_with("alert webhook-connection-failure"), "{log:?}");
    story.tell(asks("INFO", INFO));
    let log = story.reply(json!([{"verb": "nonsense"}]));
    assert!(log[0].starts_with("alert invalid-app-payload"), "{log:?}");
    assert!(story.state.is_answered());
}

#[test]
fn questions_to_an_application_are_bounded() {
    let mut story = Story::listening();
    for _ in 0..16 {
        assert_eq!(story.tell(asks("INFO", INFO))[0], "answer 200");
    }
    assert_eq!(story.tell(asks("INFO", INFO)), ["answer 503"]);
    assert_eq!(story.tell(refers(true)), ["answer 491"]);
}

#[test]
fn a_refer_hook_decides_and_is_told_the_details() {
    let mut story = Story::listening();
    assert_eq!(story.tell(refers(true)), ["VerbHook http://app.example.com/refer"]);
    let details = &story.last_hook()["refer_details"];
    assert_eq!(details["sip_refer_to"], "<sip:bob@example.com>");
    assert_eq!(details["refer_to_user"], "bob");
    assert_eq!(details["referred_by_user"], "alice");
    assert_eq!(details["x_foo_bar"], "1");
    assert_eq!(details["referred_call_sid"], Value::Null);
    let first = "NOTIFY [Event: refer] [Subscription-State: terminated;reason=noresource] \
                 \"SIP/2.0 200 OK\\r\\n\"";
    let log = story.reply(json!([{"verb": "play", "url": "/a.wav"}]));
    assert_eq!(log, ["answer 202", first, "play http://app.example.com/a.wav"]);
    // The second one of a dialog has an id (RFC 3515 §2.4.6).
    story.tell(refers(true));
    let log = story.reply(json!([]));
    assert_eq!(log[1], first.replace("refer]", "refer;id=7]"));
}

#[test]
fn a_refer_hook_that_fails_answers_with_its_status() {
    for (error, answer) in [
        (HookError::Status { url: HELLO.into(), status: 403 }, "answer 403"),
        (HookError::Status { url: HELLO.into(), status: 302 }, "answer 503"),
        (refused(), "answer 503"),
    ] {
        let mut story = Story::listening();
        story.tell(refers(true));
        let log = story.fail_hook(error);
        assert_eq!(log.last().unwrap(), answer);
        assert!(story.state.is_answered());
    }
    let mut story = Story::listening();
    story.tell(refers(true));
    assert_eq!(story.reply(json!([{"verb": "nonsense"}])).last().unwrap(), "answer 500");
}

#[test]
fn who_wants_no_notify_gets_none() {
    let mut story = Story::listening();
    story.tell(refers(false));
    assert_eq!(story.reply(json!([])), ["answer 202 [Refer-Sub: false]"]);
}

#[test]
fn without_a_hook_the_servers_rule_decides() {
    for (transfers, log) in [
        (Transfers::Unknown, vec!["answer 501"]),
        (Transfers::Forbidden, vec!["answer 403"]),
        (Transfers::Followed, vec!["answer 202", "transfer to sip:bob@example.com"]),
    ] {
        assert_eq!(Story::that_transfers(transfers).tell(refers(true)), log);
    }
}

#[test]
fn one_transfer_at_a_time_and_a_new_far_end_is_judged_anew() {
    let mut story = Story::that_transfers(Transfers::Followed);
    story.tell(refers(true));
    assert_eq!(story.tell(refers(true)), ["answer 491"]);
    assert!(story.tell(Input::Transferred(None)).is_empty());
    assert_eq!(story.tell(refers(true)).len(), 2);
    let stranger = FarEnd { remote_host: "198.51.100.7:5060".into(), is_client: false };
    story.tell(Input::Transferred(Some(stranger)));
    assert_eq!(story.tell(refers(true)), ["answer 403"]);
    story.tell(bye());
    assert_eq!(story.record.unwrap().remote_host.unwrap(), "198.51.100.7:5060");
}

#[test]
fn a_refer_before_the_answer_has_to_wait() {
    let mut story = Story::running(json!([{"verb": "pause", "length": 1000}]));
    assert_eq!(story.tell(refers(true)), ["answer 480"]);
}

#[test]
fn a_hook_of_the_create_call_holds_from_the_beginning() {
    let mut setup = setup(Direction::Outbound);
    setup.application.request_hook = Some(Hook::post("/in-dialog"));
    setup.application.refer_hook = Some(Hook::post("/refer"));
    let mut story = Story::new(setup);
    story.tell(Input::Start);
    story.tell(Input::Answered);
    assert_eq!(story.tell(asks("INFO", INFO)).len(), 2);
    assert_eq!(story.tell(refers(true)), ["VerbHook http://app.example.com/refer"]);
}

#[test]
fn a_request_of_the_application_tells_any_final_status() {
    let verbs = json!([{"verb": "sip:request", "method": "INFO", "body": "x",
        "headers": {"Content-Type": "text/x", "X-A": "1"}, "actionHook": "/done"}]);
    let mut story = Story::running({
        let mut all = verbs.as_array().unwrap().clone();
        all.insert(0, json!({"verb": "answer"}));
        Value::Array(all)
    });
    let log = story.tell(Input::Answered);
    assert_eq!(log.last().unwrap(), "INFO [X-A: 1] \"x\"");
    assert_eq!(story.done(481, true), ["VerbHook http://app.example.com/done"]);
    let told = story.last_hook();
    assert_eq!((&told["result"], &told["sip_status"]), (&json!("success"), &json!(481)));

    let mut story = Story::talking(verbs);
    story.done(408, false);
    let told = story.last_hook();
    assert_eq!((&told["result"], &told["err"]), (&json!("failed"), &json!("408 x")));
}

#[test]
fn a_refer_of_the_application_waits_for_how_it_went() {
    let verbs = json!([{"verb": "sip:refer", "referTo": "bob", "actionHook": "/done",
        "eventHook": "/event"}, {"verb": "pause", "length": 1000}]);
    let mut story = Story::running({
        let mut all = verbs.as_array().unwrap().clone();
        all.insert(0, json!({"verb": "answer"}));
        Value::Array(all)
    });
    let log = story.tell(Input::Answered);
    assert_eq!(
        log.last().unwrap(),
        "REFER [Refer-To: <sip:bob@192.0.2.9:5060>] [Referred-By: <sip:1001@192.0.2.1:5060>]"
    );
    assert!(story.done(202, true).is_empty());
    let event = "VerbHook http://app.example.com/event";
    assert_eq!(story.tell(notifies(180, false)), ["answer 200", event]);
    assert_eq!(story.last_hook()["call_status"], 180);
    let done = "VerbHook http://app.example.com/done";
    assert_eq!(story.tell(notifies(200, true)), ["answer 200", event, done]);
    let told = story.last_hook();
    assert_eq!(told["refer_status"], 202);
    assert_eq!(told["final_referred_call_status"], 200);
    // A late one is taken, and tells nobody.
    assert_eq!(story.tell(notifies(200, true)), ["answer 200"]);
}

#[test]
fn a_refer_of_the_application_gives_up_after_15_seconds() {
    let refer = json!([{"verb": "sip:refer", "referTo": "sip:bob@example.com",
        "referredBy": "carol@example.com", "referredByDisplayName": "Carol \"C\"",
        "actionHook": "/done"}]);
    let mut story = Story::talking(refer.clone());
    story.done(202, true);
    assert!(story.pass(14.9).is_empty());
    assert_eq!(story.pass(0.2), ["VerbHook http://app.example.com/done"]);
    assert_eq!(story.last_hook()["refer_status"], 202);
    assert_eq!(story.last_hook().get("final_referred_call_status"), None);
    // Refused: known at once.
    let mut story = Story::talking(refer);
    assert_eq!(story.done(603, true), ["VerbHook http://app.example.com/done"]);
    assert_eq!(story.last_hook()["refer_status"], 603);
}

#[test]
fn requests_and_transfers_are_skipped_before_the_answer() {
    let mut story = Story::running(json!([
        {"verb": "sip:request", "method": "INFO"},
        {"verb": "sip:refer", "referTo": "bob"},
        {"verb": "pause", "length": 1},
    ]));
    assert!(story.request.is_none());
    assert_eq!(story.pass(1.0)[0], "603 Decline [X-Reason: application ended without answer]");
}

#[test]
fn config_names_what_has_no_effect_in_one_alert() {
    let mut story = Story::inbound();
    story.tell(Input::Start);
    let log = story.reply(json!([
        {"verb": "config", "recognizer": {"vendor": "x"}, "bargeIn": {"enable": true},
         "referHook": "/refer", "unknown": 1},
        {"verb": "pause", "length": 1},
    ]));
    let alerts: Vec<_> = log.iter().filter(|line| line.starts_with("alert")).collect();
    assert_eq!(alerts, ["alert invalid-app-payload: config: no effect yet: bargeIn, recognizer"]);
}

#[test]
fn the_api_may_send_a_request_in_an_answered_call_only() {
    let body = json!({"sip_request": {"method": "INFO"}});
    let mut story = Story::inbound();
    story.tell(Input::Start);
    let refused = story.update(body.clone()).unwrap_err().to_string();
    assert!(refused.contains("incompatible with requested action sip_request"), "{refused}");
    let mut story = Story::talking(json!([{"verb": "pause", "length": 1000}]));
    assert_eq!(story.update(body).unwrap(), ["INFO"]);
}
