//! The stream of a call in a conference: begun when it joins, ended when it leaves.

use super::*;
use crate::verb::{ConferenceEvent, LeaveReason, RunId};

const ROOM: RunId = RunId(2);

fn listening(url: &str) -> Story {
    let verb = json!({"verb": "conference", "name": "lobby", "listen": {"url": url}});
    Story::talking(json!([verb, {"verb": "pause", "length": 9}]))
}

fn told(story: &mut Story, event: ConferenceEvent) -> Vec<String> {
    story.tell(Input::Conference { id: ROOM, event })
}

#[test]
fn it_goes_with_the_stay() {
    for (url, there) in [
        ("wss://ears.example/a", "wss://ears.example/a"),
        ("https://ears.example/a", "wss://ears.example/a"),
        ("/audio", "ws://app.example.com/audio"),
    ] {
        let mut story = listening(url);
        let alert = "alert error-updating-call: listen_status has no effect: nothing is streamed";
        assert_eq!(story.update(json!({"listen_status": "pause"})).unwrap(), [alert]);
        let alias = alert.replace("listen", "stream");
        assert_eq!(story.update(json!({"stream_status": "pause"})).unwrap(), [alias]);
        let log = told(&mut story, ConferenceEvent::Joined);
        assert!(log.contains(&format!("stream to {there}")), "{log:?}");
        for (word, flow) in [("pause", "Paused"), ("silence", "Silent"), ("resume", "On")] {
            let log = story.update(json!({"stream_status": word})).unwrap();
            assert_eq!(log, [format!("stream {flow}")]);
        }
        let log = told(&mut story, ConferenceEvent::Left(LeaveReason::Kicked));
        assert_eq!(log.iter().filter(|line| *line == "stop stream").count(), 1, "{log:?}");
        assert_eq!(story.update(json!({"listen_status": "pause"})).unwrap(), [alert]);
    }
}

#[test]
fn its_own_end_is_no_end_of_the_stay() {
    let mut story = listening("wss://ears.example/a");
    told(&mut story, ConferenceEvent::Joined);
    story.state.stream_ended(ROOM);
    let log = told(&mut story, ConferenceEvent::Left(LeaveReason::Left));
    assert!(!log.contains(&"stop stream".to_owned()), "{log:?}");
}

#[test]
fn a_url_that_leads_nowhere_is_an_alert_and_the_call_goes_on() {
    let mut story = listening("ftp://ears.example/a");
    let log = told(&mut story, ConferenceEvent::Joined);
    assert!(log.iter().any(|line| line.starts_with("alert ")), "{log:?}");
    assert!(!log.iter().any(|line| line.starts_with("stream ")), "{log:?}");
}
