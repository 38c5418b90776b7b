//! The call's recording: by order, by the verb, from the answer on.

use super::*;

const START: &str = "record Start";

fn order(action: &str) -> Value {
    json!({"record": {"action": format!("{action}CallRecording"), "type": "cloud"}})
}

#[test]
fn orders_are_obeyed_in_their_order_and_others_are_alerts() {
    let mut story = Story::talking(json!([{"verb": "pause", "length": 9}]));
    for (action, expected) in [
        ("stop", Err("the call is not recorded")),
        ("resume", Err("the recording is not in such a state")),
        ("start", Ok("Start")),
        ("start", Err("the call is recorded already")),
        ("resume", Err("the recording is not in such a state")),
        ("pause", Ok("Pause")),
        ("pause", Err("the recording is not in such a state")),
        ("start", Err("the call is recorded already")),
        ("resume", Ok("Resume")),
        ("pause", Ok("Pause")),
        ("stop", Ok("Stop")),
        ("pause", Err("the recording is not in such a state")),
        ("start", Ok("Start")),
    ] {
        let expected = match expected {
            Ok(done) => format!("record {done}"),
            Err(why) => format!("alert error-updating-call: record has no effect: {why}"),
        };
        assert_eq!(story.update(order(action)).unwrap(), [expected], "{action}");
    }
    // It ended by itself, of a full disk say.
    story.state.recording_ended();
    assert_eq!(story.update(order("start")).unwrap(), [START]);
    let siprec = json!({"record": {"action": "startCallRecording", "siprecServerURL": "sip:a@b"}});
    let log = story.update(siprec).unwrap();
    assert!(log[0].contains("SIPREC is not supported"), "{log:?}");
}

#[test]
fn what_is_wished_before_the_answer_begins_with_it() {
    let mut story = Story::calling();
    assert_eq!(story.update(order("start")).unwrap(), [""; 0]);
    assert_eq!(story.update(order("stop")).unwrap(), [""; 0]);
    let log = story.update(order("pause")).unwrap();
    assert!(log[0].starts_with("alert"), "{log:?}");
    assert_eq!(story.update(order("start")).unwrap(), [""; 0]);
    let log = story.tell(Input::Answered);
    assert_eq!(log.iter().filter(|line| *line == START).count(), 1, "{log:?}");

    let mut story = Story::inbound();
    story.state.record_from_answer();
    story.tell(Input::Start);
    let mut log = story.reply(json!([{"verb": "answer"}, {"verb": "pause", "length": 9}]));
    assert!(!log.contains(&START.to_owned()));
    log = story.tell(Input::Answered);
    assert!(log.contains(&START.to_owned()), "{log:?}");
}

#[test]
fn the_config_verb_orders_it_too() {
    let config = json!({"verb": "config", "record": order("start")["record"]});
    let mut story =
        Story::running(json!([{"verb": "answer"}, config, {"verb": "pause", "length": 9}]));
    let log = story.tell(Input::Answered);
    assert!(log.contains(&START.to_owned()), "{log:?}");
}
