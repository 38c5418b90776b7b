//! Live control over the API, in every state.

use super::*;
use crate::verb::{ConferenceEvent, RunId};

fn in_room() -> Story {
    let mut story = Story::talking(lobby());
    story.tell(Input::Conference { id: RunId(2), event: ConferenceEvent::Joined });
    story
}

#[test]
fn completed_hangs_up_an_answered_call_and_no_other() {
    let completed = json!({"call_status": "completed"});
    let log = in_room().update(completed.clone()).unwrap();
    assert_eq!(log[0], "BYE");
    for mut story in [Story::running(json!([{"verb": "pause", "length": 9}])), Story::calling()] {
        assert_eq!(story.update(completed.clone()), Err(UpdateError::Incompatible("completed")));
    }
}

#[test]
fn no_answer_ends_an_unanswered_call_and_no_other() {
    let no_answer = json!({"call_status": "no-answer"});
    assert_eq!(Story::calling().update(no_answer.clone()).unwrap(), ["CANCEL"]);
    let mut story = Story::running(json!([{"verb": "pause", "length": 9}]));
    assert_eq!(
        story.update(no_answer.clone()).unwrap(),
        [
            "503 Service Unavailable [X-Reason: Call Hangup]",
            "event failed 503 by jambonz",
            "ended: failed",
        ]
    );
    assert_eq!(in_room().update(no_answer), Err(UpdateError::Incompatible("no-answer")));
}

#[test]
fn a_call_that_is_over_takes_no_update() {
    let mut story = in_room();
    story.tell(bye());
    let error = story.update(json!({"mute_status": "mute"})).unwrap_err().to_string();
    assert!(error.starts_with("call session is gone for call_sid "), "{error}");
}

#[test]
fn delete_ends_a_call_in_every_state() {
    let hangup = || Input::Hangup { headers: SipHeaders::default() };
    assert_eq!(in_room().tell(hangup())[0], "BYE");
    assert_eq!(Story::calling().tell(hangup()), ["CANCEL"]);
    let log = Story::running(json!([{"verb": "pause", "length": 9}])).tell(hangup());
    assert_eq!(log[0], "480 Temporarily Unavailable [X-Reason: Call Hangup]");
    let mut waiting = Story::inbound();
    waiting.tell(Input::Start);
    assert_eq!(waiting.tell(hangup())[1], "event failed 480 by jambonz");
}

#[test]
fn a_new_application_replaces_the_old_when_it_is_there() {
    let mut story = in_room();
    let body = json!({"call_hook": "/other", "call_status_hook": "http://b.example.com/news"});
    assert_eq!(story.update(body).unwrap(), ["SessionRedirect http://app.example.com/other"]);
    assert_eq!(story.last_hook()["call_status"], "in-progress");
    // Meanwhile the old one goes on: the call is still in its room. A replaced member leaves
    // without an action hook.
    assert_eq!(
        story.reply(json!([{"verb": "play", "url": "/a.wav"}])),
        ["leave", "play http://app.example.com/a.wav"]
    );
    story.tell(bye());
    let last = story.events.last().unwrap();
    assert_eq!(last.target.url.as_str(), "http://b.example.com/news");
}

#[test]
fn a_new_application_that_fails_leaves_the_old_one() {
    let mut story = in_room();
    story.update(json!({"call_hook": "/other"})).unwrap();
    let log = story.fail_hook(HookError::Status { url: HELLO.into(), status: 404 });
    assert_eq!(
        log,
        ["alert webhook-failure: webhook http://app.example.com/hello returned status 404"]
    );
    story.update(json!({"call_hook": "/other"})).unwrap();
    let log = story.reply(json!([{"verb": "sing"}]));
    assert_eq!(log, ["alert invalid-app-payload: unknown verb \"sing\""]);
    assert_eq!(story.update(json!({"mute_status": "mute"})).unwrap(), ["mute true"]);
}

#[test]
fn the_latest_of_two_redirects_counts() {
    let mut story = in_room();
    story.update(json!({"call_hook": "/one"})).unwrap();
    let one = story.hooks.last().unwrap().id;
    story.update(json!({"call_hook": "/two"})).unwrap();
    let verbs = json!([{"verb": "play", "url": "/a.wav"}]);
    assert_eq!(story.reply_to(one, Ok(HookReply { body: Some(verbs.clone()) })), [""; 0]);
    assert_eq!(story.reply(verbs).len(), 2);
}

#[test]
fn a_list_that_runs_dry_waits_for_a_pending_redirect() {
    let play = json!([{"verb": "play", "url": "/a.wav"}]);
    let mut story = Story::talking(json!([{"verb": "pause", "length": 1}]));
    story.update(json!({"call_hook": "/other"})).unwrap();
    assert_eq!(story.pass(1.0), [""; 0]);
    assert_eq!(story.reply(play), ["play http://app.example.com/a.wav"]);
    let mut story = Story::talking(json!([{"verb": "pause", "length": 1}]));
    story.update(json!({"call_hook": "/other"})).unwrap();
    story.pass(1.0);
    assert_eq!(story.reply(json!([]))[0], "BYE");
}

#[test]
fn a_redirect_overtakes_the_first_request() {
    let mut story = Story::inbound();
    story.tell(Input::Start);
    let first = story.hooks[0].id;
    story.update(json!({"call_hook": "/other"})).unwrap();
    assert_eq!(story.reply(lobby()), ["event trying 100", "200"]);
    assert_eq!(story.reply_to(first, Ok(HookReply { body: Some(json!([])) })), [""; 0]);
    assert_eq!(story.tell(Input::Answered), ["event in-progress 200", "join lobby"]);
}

#[test]
fn a_redirect_while_the_200_is_on_its_way_does_not_decline() {
    let mut story = Story::running(lobby());
    story.update(json!({"call_hook": "/other"})).unwrap();
    assert_eq!(story.reply(json!([{"verb": "tag", "data": {}}])), [""; 0]);
    let log = story.tell(Input::Answered);
    assert_eq!(log[..2], ["event in-progress 200", "BYE"]);
}

#[test]
fn an_unanswered_outbound_call_asks_the_new_application_when_it_is_answered() {
    let mut story = Story::calling();
    let body = json!({"call_hook": "http://b.example.com/in"});
    assert_eq!(story.update(body).unwrap(), [""; 0]);
    assert_eq!(story.tell(Input::Answered)[1], "SessionNew http://b.example.com/in");
}

#[test]
fn mute_works_in_a_room_and_is_an_alert_elsewhere() {
    let mut story = in_room();
    assert_eq!(story.update(json!({"mute_status": "mute"})).unwrap(), ["mute true"]);
    assert_eq!(story.update(json!({"mute_status": "unmute"})).unwrap(), ["mute false"]);
    assert_eq!(story.update(json!({"conf_mute_status": "mute"})).unwrap(), ["mute others true"]);
    let mut waiting = Story::talking(lobby());
    assert_eq!(waiting.update(json!({"mute_status": "mute"})).unwrap(), ["mute true"]);
    let mut elsewhere = Story::talking(json!([{"verb": "pause", "length": 9}]));
    for (mut story, name) in [(waiting, "conf_mute_status"), (elsewhere_clone(), "mute_status")] {
        let log = story.update(json!({name: "mute"})).unwrap();
        assert_eq!(
            log,
            [format!(
                "alert error-updating-call: {name} has no effect: the call is not in a conference"
            )]
        );
    }
    assert!(elsewhere.update(json!({"conf_mute_status": "unmute"})).unwrap()[0].contains("alert"));
}

fn elsewhere_clone() -> Story {
    Story::talking(json!([{"verb": "pause", "length": 9}]))
}

#[test]
fn a_tag_replaces_the_customer_data() {
    let mut story = in_room();
    assert_eq!(story.update(json!({"tag": {"a": 1}})).unwrap(), [""; 0]);
    story.update(json!({"tag": {"b": 2}})).unwrap();
    let read = serde_json::to_value(story.state.snapshot()).unwrap();
    assert_eq!(read["customer_data"], json!({"b": 2}));
}

#[test]
fn commands_without_a_verb_to_act_on_have_no_effect_but_an_alert() {
    for body in [
        json!({"listen_status": "pause"}),
        json!({"record": {"action": "stopCallRecording"}}),
        json!({"child_call_hook": "/x"}),
    ] {
        let log = in_room().update(body.clone()).unwrap();
        assert_eq!(log.len(), 1, "{body}");
        assert!(log[0].starts_with("alert error-updating-call: "), "{log:?}");
    }
    assert_eq!(
        Story::calling().update(json!({"sip_request": {"method": "INFO"}})),
        Err(UpdateError::Incompatible("sip_request"))
    );
}
