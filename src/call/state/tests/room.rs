//! A call in a conference: what it hears before, while it waits and on hold, what it is ordered, and how it is
//! brought there from outside.

use super::*;
use crate::verb::{Conference, ConferenceEvent, LeaveReason, Refusal, RunId};

const WAIT: &str = "http://app.example.com/wait";

#[allow(clippy::needless_pass_by_value, reason = "json! literals read best by value")]
fn room(options: Value) -> Value {
    let mut verb = json!({"verb": "conference", "name": "lobby", "actionHook": "/after"});
    for (name, value) in options.as_object().unwrap() {
        verb[name] = value.clone();
    }
    json!([verb])
}

fn event(story: &mut Story, event: ConferenceEvent) -> Vec<String> {
    story.tell(Input::Conference { id: RunId(2), event })
}

fn waiting(wait_hook: Option<&str>) -> ConferenceEvent {
    ConferenceEvent::Waiting { wait_hook: wait_hook.map(Hook::post) }
}

fn held(wait_hook: Option<&str>) -> ConferenceEvent {
    ConferenceEvent::Held { held: true, wait_hook: wait_hook.map(Hook::post) }
}

const UNHELD: ConferenceEvent = ConferenceEvent::Held { held: false, wait_hook: None };

/// Inside the room.
fn member(options: Value) -> Story {
    let mut story = Story::talking(room(options));
    event(&mut story, ConferenceEvent::Joined);
    story
}

fn music() -> Value {
    json!([{"verb": "play", "url": "/music.wav"}])
}

/// The play that was started last is over.
fn played(story: &mut Story) -> Vec<String> {
    let id = crate::call::PlayId(RunId(story.state.runs));
    let report = verb::PlayReport { played: Duration::from_secs(1), last_offset_samples: 0 };
    story.tell(Input::PlayDone { id, report })
}

#[test]
fn a_wait_hook_is_asked_again_after_each_round_until_the_room_starts() {
    let mut story = Story::talking(room(json!({"waitHook": "/wait"})));
    assert_eq!(event(&mut story, waiting(None)), [format!("VerbHook {WAIT}")]);
    let told = story.last_hook();
    let sid = format!("conf:{}:lobby", told["account_sid"].as_str().unwrap());
    assert_eq!((&told["conference_sid"], &told["friendly_name"]), (&json!(sid), &json!("lobby")));
    assert_eq!(told["call_status"], "in-progress");
    for _ in 0..3 {
        assert_eq!(story.reply(music()), ["play http://app.example.com/music.wav"]);
        assert_eq!(played(&mut story), [""; 0]);
        assert_eq!(story.pass(0.74), [""; 0]);
        assert_eq!(story.pass(0.01), [format!("VerbHook {WAIT}")]);
    }
    story.reply(music());
    assert_eq!(event(&mut story, ConferenceEvent::Joined), ["stop play"]);
    // What the player says of it now is nobody's.
    assert_eq!(played(&mut story), [""; 0]);
    assert_eq!(story.pass(5.0), [""; 0]);
}

#[test]
fn the_rooms_wait_hook_is_for_those_whose_verb_names_none() {
    let mut story = Story::talking(room(json!({})));
    let other = "http://b.example.com/wait";
    assert_eq!(event(&mut story, waiting(Some(other))), [format!("VerbHook {other}")]);
    let mut story = Story::talking(room(json!({"waitHook": "/wait"})));
    assert_eq!(event(&mut story, waiting(Some(other))), [format!("VerbHook {WAIT}")]);
    let mut story = Story::talking(room(json!({})));
    assert_eq!(event(&mut story, waiting(None)), [""; 0]);
}

#[test]
fn a_wait_hook_that_fails_leaves_silence_and_the_wait_goes_on() {
    let mut story = Story::talking(room(json!({"waitHook": "/wait"})));
    event(&mut story, waiting(None));
    let log = story.fail_hook(HookError::Status { url: WAIT.into(), status: 500 });
    assert_eq!(log, [format!("alert webhook-failure: webhook {WAIT} returned status 500")]);
    for forbidden in [json!([]), json!([{"verb": "hangup"}])] {
        let mut story = Story::talking(room(json!({"waitHook": "/wait"})));
        event(&mut story, waiting(None));
        assert_eq!(story.reply(forbidden), [""; 0]);
        assert_eq!(story.pass(9.0), [""; 0]);
        assert!(story.state.is_answered());
        event(&mut story, ConferenceEvent::Joined);
        assert_eq!(story.update(json!({"mute_status": "mute"})).unwrap(), ["mute true"]);
    }
}

#[test]
fn the_enter_hook_is_heard_once_before_the_room_is_asked() {
    let hooks = json!({"enterHook": "/enter", "waitHook": "/wait"});
    let mut story = Story::running(json!([{"verb": "answer"}, room(hooks)[0]]));
    let log = story.tell(Input::Answered);
    assert_eq!(log[1..], ["VerbHook http://app.example.com/enter"]);
    story.reply(music());
    assert_eq!(played(&mut story), ["join lobby"]);
    assert_eq!(event(&mut story, waiting(None)), [format!("VerbHook {WAIT}")]);
    assert_eq!(event(&mut story, ConferenceEvent::Joined), [""; 0]);
}

#[test]
fn an_enter_hook_that_fails_does_not_keep_the_call_out() {
    let mut story = Story::talking(room(json!({"enterHook": "/enter"})));
    let log = story.fail_hook(HookError::Status { url: HELLO.into(), status: 500 });
    assert_eq!(log[1..], ["join lobby"]);
    for reply in [json!([]), json!([{"verb": "sip:decline"}])] {
        let mut story = Story::talking(room(json!({"enterHook": "/enter"})));
        assert_eq!(story.reply(reply).last().map(String::as_str), Some("join lobby"));
    }
}

#[test]
fn whoever_hangs_up_during_the_enter_hook_never_was_in_the_room() {
    let mut story = Story::talking(room(json!({"enterHook": "/enter"})));
    story.reply(music());
    let log = story.update(json!({"mute_status": "mute"})).unwrap();
    assert!(log[0].starts_with("alert error-updating-call: "), "{log:?}");
    let log = story.tell(bye());
    assert_eq!(
        log[..2],
        ["stop play".to_owned(), "VerbHook http://app.example.com/after".to_owned()]
    );
    assert!(!log.contains(&"leave".to_owned()), "{log:?}");
}

#[test]
fn on_hold_a_member_hears_the_hooks_verbs_until_it_is_taken_back() {
    let mut story = member(json!({}));
    let log = story.update(json!({"conf_hold_status": "hold", "waitHook": "/wait"})).unwrap();
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(log[0].starts_with("Hold {"), "{log:?}");
    assert_eq!(event(&mut story, held(Some("/wait"))), [format!("VerbHook {WAIT}")]);
    assert_eq!(story.last_hook()["friendly_name"], "lobby");
    story.reply(music());
    // Held once more without a hook, or with the same: nothing changes; with another, that one is heard.
    assert_eq!(event(&mut story, held(None)), [""; 0]);
    assert_eq!(event(&mut story, held(Some("/wait"))), [""; 0]);
    let other = "http://app.example.com/other";
    assert_eq!(
        event(&mut story, held(Some("/other"))),
        ["stop play".to_owned(), format!("VerbHook {other}")]
    );
    story.reply(music());
    assert_eq!(event(&mut story, UNHELD), ["stop play"]);
    assert_eq!(story.pass(9.0), [""; 0]);
    assert_eq!(event(&mut story, held(None)), [""; 0]);
}

#[test]
fn prompts_end_with_the_stay_however_it_ends() {
    let left = ConferenceEvent::Left(LeaveReason::Kicked);
    let full = ConferenceEvent::Refused(Refusal::Full);
    for last in [left, full] {
        let mut story = member(json!({}));
        event(&mut story, held(Some("/wait")));
        story.reply(music());
        let log = event(&mut story, last);
        assert_eq!(log, ["stop play", "VerbHook http://app.example.com/after"]);
    }
    let mut story = member(json!({}));
    event(&mut story, held(Some("/wait")));
    story.reply(music());
    let log = story.tell(bye());
    assert_eq!(log[..3], ["stop play", "leave", "VerbHook http://app.example.com/after"]);
}

#[test]
fn what_is_heard_in_the_room_is_for_all_or_for_one() {
    let mut story = member(json!({}));
    let play = json!({"verb": "play", "url": ["/a.wav", "http://b/c.wav"], "loop": 9});
    assert_eq!(
        story.update(json!({"whisper": play})).unwrap(),
        ["Member hears http://app.example.com/a.wav http://b/c.wav"]
    );
    let both = json!({"whisper": [play], "mute_status": "mute"});
    assert_eq!(story.update(both).unwrap().len(), 2);
    assert_eq!(
        story.update(json!({"room_play": {"url": "/a.wav"}})).unwrap(),
        ["Room hears http://app.example.com/a.wav"]
    );
    let bad = story.update(json!({"whisper": {"verb": "hangup"}})).unwrap();
    assert_eq!(bad, ["alert error-updating-call: whisper has no effect: verb 0 is no say or play"]);
}

#[test]
fn each_order_goes_to_the_room_from_inside_and_is_an_alert_elsewhere() {
    let action =
        |action: &str| json!({"conferenceParticipantAction": {"action": action, "tag": "agent"}});
    for (body, expected) in [
        (action("tag"), "Tag(Some(\"agent\"))"),
        (action("untag"), "Tag(None)"),
        (action("coach"), "SpeakOnlyTo(Some(\"agent\"))"),
        (action("uncoach"), "SpeakOnlyTo(None)"),
        (action("mute"), "mute true"),
        (action("unmute"), "mute false"),
        (action("hold"), "Hold { wait_hook: None }"),
        (action("unhold"), "Unhold"),
        (action("kick"), "Kick"),
        (json!({"conf_hold_status": "unhold"}), "Unhold"),
    ] {
        assert_eq!(member(json!({})).update(body.clone()).unwrap(), [expected], "{body}");
        let mut waiter = Story::talking(room(json!({})));
        event(&mut waiter, waiting(None));
        for story in [&mut waiter, &mut Story::talking(json!([{"verb": "pause", "length": 9}]))] {
            let log = story.update(body.clone()).unwrap();
            assert_eq!(log.len(), 1, "{log:?}");
            assert!(log[0].ends_with("has no effect: the call is not in a conference"), "{log:?}");
        }
    }
}

fn enter(story: &mut Story, name: &str) -> Result<Vec<String>, UpdateError> {
    let mut out = Vec::new();
    let room = Conference::named(name).unwrap();
    story.state.enter_room(story.now, story.wall, room, &mut out)?;
    Ok(story.take(out))
}

#[test]
fn a_call_that_is_brought_in_leaves_what_it_runs_and_nothing_follows() {
    let mut story = Story::talking(json!([{"verb": "play", "url": "/a.wav"}, {"verb": "hangup"}]));
    assert_eq!(enter(&mut story, "hall").unwrap(), ["stop play", "join hall"]);
    let id = RunId(story.state.runs);
    story.tell(Input::Conference { id, event: ConferenceEvent::Joined });
    // From room to room; the first one's action hook is not asked.
    assert_eq!(enter(&mut story, "hall"), Err(UpdateError::AlreadyIn));
    assert_eq!(enter(&mut story, "attic").unwrap(), ["leave", "join attic"]);
    let id = RunId(story.state.runs);
    let left = ConferenceEvent::Left(LeaveReason::Kicked);
    assert_eq!(story.tell(Input::Conference { id, event: left })[0], "BYE");
}

#[test]
fn a_call_is_brought_in_when_it_is_up_and_what_its_application_says_comes_too_late() {
    let mut ringing = Story::calling();
    assert_eq!(enter(&mut ringing, "hall"), Err(UpdateError::Incompatible("conference")));
    ringing.tell(Input::Answered);
    assert_eq!(enter(&mut ringing, "hall").unwrap(), ["join hall"]);
    assert_eq!(ringing.reply(json!([{"verb": "hangup"}])), [""; 0]);
    assert!(ringing.state.is_answered());
    let mut over = member(json!({}));
    over.tell(bye());
    assert!(matches!(enter(&mut over, "hall"), Err(UpdateError::Gone(_))));
}
