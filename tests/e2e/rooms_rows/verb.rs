//! The conference verb, property by property (contract verbs.md §3.5).

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use support::wait;

use super::ears::{expect_heard, expect_next_verb, expect_no_tone, expect_tone};
use super::{
    A_HZ, AFTER_HZ, C_HZ, GONE_DB, H_HZ, HEARD_DB, NEWS_HZ, Rooms, S_HZ, WAIT_HZ, call, seat,
};
use crate::stage::{Caller, SOON};

/// How soon wait music must have stopped after the start.
const MUSIC_LIMIT: Duration = Duration::from_millis(100);
/// Silence between two rounds of a wait hook.
const WAIT_GAP_MS: i64 = 750;

const EVENTS: [&str; 4] = ["start", "end", "join", "leave"];

fn told_of(body: &Value, caller: &Caller) -> bool {
    body["call_sid"] == caller.call_sid.as_str()
}

/// The time of a room's event.
fn time_of(body: &Value) -> SystemTime {
    let text = body["time"].as_str().unwrap_or_default();
    let format = &time::format_description::well_known::Iso8601::DEFAULT;
    time::OffsetDateTime::parse(text, format).expect("ISO 8601").into()
}

#[test]
fn who_waits_hears_the_wait_hook_again_and_again_until_the_room_starts() {
    let rooms = Rooms::new();
    rooms.script(&json!({ "/wait": [rooms.plays(WAIT_HZ, 2_000)] }));
    let waiting = json!({ "startConferenceOnEnter": false, "waitHook": "/wait" });
    let c = rooms.enter("caller", C_HZ, &waiting);
    expect_tone("C hears wait music", &c, WAIT_HZ);
    let h = rooms.enter("helper", H_HZ, &waiting);
    expect_tone("H hears wait music", &h, WAIT_HZ);
    let asked = rooms.told("/wait", "the wait hook of C", |body| told_of(body, &c));
    assert_eq!(asked["conference_sid"], rooms.event_sid(), "{asked}");
    assert_eq!(asked["friendly_name"], "desk", "{asked}");
    for base in
        ["account_sid", "application_sid", "call_id", "call_status", "direction", "from", "to"]
    {
        assert!(asked[base].is_string(), "{base} is missing: {asked}");
    }
    rooms.expect_room("two wait", |room| {
        room["status"] == "waiting" && room["waiting_count"] == 2 && room["participant_count"] == 0
    });
    // The next round: the music, and a silence after it.
    rooms.script(&json!({ "/wait": [rooms.plays(WAIT_HZ, 20_000)] }));
    for who in [&c, &h] {
        let rounds = || {
            let told = rooms.app.requests("/wait");
            let at = told.iter().filter(|request| told_of(&request["body"], who));
            at.filter_map(|request| request["at"].as_i64()).collect::<Vec<_>>()
        };
        let rounds = wait::until(SOON, || Some(rounds()).filter(|rounds| rounds.len() >= 2));
        let rounds = rounds.expect("the wait hook is asked again");
        let gap = rounds[1] - rounds[0];
        assert!(gap >= 2_000 + WAIT_GAP_MS - 50, "asked again after {gap} ms");
    }
    for who in [&c, &h] {
        expect_tone("music in the second round", who, WAIT_HZ);
    }

    let rounds = rooms.app.requests("/wait").len();
    let started = rooms.enter(
        "agent",
        A_HZ,
        &json!({
            "statusHook": "/events", "statusEvents": EVENTS,
        }),
    );
    let start = rooms.told("/events", "the start", |body| body["event"] == "start");
    for (name, who) in [("C", &c), ("H", &h)] {
        expect_tone(&format!("{name} hears A"), who, A_HZ);
        let last = who.rtp.heard().last_with(WAIT_HZ, HEARD_DB).expect("it heard music");
        let late = last.duration_since(time_of(&start)).unwrap_or_default();
        assert!(late <= MUSIC_LIMIT, "{name} heard music {late:?} after the start");
        expect_no_tone("wait music is over", who, WAIT_HZ);
    }
    let all = [A_HZ, C_HZ, H_HZ, WAIT_HZ];
    let rows: [(&str, &Caller, &[f64]); 3] =
        [("A", &started, &[C_HZ, H_HZ]), ("C", &c, &[A_HZ, H_HZ]), ("H", &h, &[A_HZ, C_HZ])];
    expect_heard("started", &all, &rows);
    // The starter, then who waited, in the order of their arrival.
    rooms.expect_events(&[
        ("start", "agent"),
        ("join", "agent"),
        ("join", "caller"),
        ("join", "helper"),
    ]);
    // Long past the time of another round.
    assert_eq!(rooms.app.requests("/wait").len(), rounds, "nobody waits any more");
    rooms.app.assert_all_signed();
}

#[test]
fn a_wait_hook_that_fails_or_says_what_it_must_not_leaves_silence_and_the_wait() {
    let rooms = Rooms::new();
    rooms.script(&json!({
        "/fails": 500,
        "/empty": [],
        "/forbidden": [rooms.plays(WAIT_HZ, 5_000), { "verb": "hangup" }],
        "/pauses": [{ "verb": "pause", "length": 0.1 }, rooms.plays(WAIT_HZ, 20_000)],
    }));
    let hooks = ["/fails", "/empty", "/forbidden", "/pauses"];
    let members: Vec<Caller> = hooks
        .iter()
        .map(|hook| {
            let options = json!({ "startConferenceOnEnter": false, "waitHook": hook });
            rooms.enter(hook.trim_start_matches('/'), C_HZ, &options)
        })
        .collect();
    expect_tone("a pause and a play are fine", &members[3], WAIT_HZ);
    for (member, hook) in members.iter().zip(hooks) {
        rooms.told(hook, "the wait hook", |body| told_of(body, member));
        rooms.expect_member(member, "waiting", |shown| shown["status"] == "waiting");
    }
    for member in &members[..3] {
        assert!(member.rtp.heard().first_with(WAIT_HZ, HEARD_DB).is_none(), "silence was due");
    }
    let _a = rooms.enter("agent", A_HZ, &json!({}));
    for member in &members {
        expect_tone("all who waited are in", member, A_HZ);
    }
}

#[test]
fn an_enter_hook_is_heard_by_the_one_who_enters_before_the_room_is() {
    let rooms = Rooms::new();
    rooms.script(&json!({ "/enter": [rooms.plays(NEWS_HZ, 1_500)] }));
    let a = rooms.enter("agent", A_HZ, &json!({}));
    let c = rooms.enter("caller", C_HZ, &json!({ "enterHook": "/enter" }));
    let asked = rooms.told("/enter", "the enter hook", |body| told_of(body, &c));
    assert_eq!(asked["friendly_name"], "desk", "{asked}");
    expect_tone("C hears the prompt", &c, NEWS_HZ);
    expect_tone("C is in", &c, A_HZ);
    expect_tone("A hears C", &a, C_HZ);
    let heard = c.rtp.heard();
    let prompt = heard.last_with(NEWS_HZ, HEARD_DB).expect("heard");
    let room = heard.first_with(A_HZ, HEARD_DB).expect("heard");
    assert!(prompt <= room, "the room was heard before the prompt was over");
    assert!(a.rtp.heard().first_with(NEWS_HZ, GONE_DB).is_none(), "A heard the prompt");
    assert_eq!(rooms.app.requests("/enter").len(), 1);
}

#[test]
fn the_room_ends_with_its_last_member_that_says_so_and_the_rest_goes_on() {
    let rooms = Rooms::new();
    let ends = json!({
        "endConferenceOnExit": true, "statusHook": "/events", "statusEvents": EVENTS,
    });
    let mut a = rooms.enter("agent", A_HZ, &ends);
    let mut s = rooms.enter("supervisor", S_HZ, &ends);
    let c = rooms.enter("caller", C_HZ, &json!({}));
    expect_tone("C hears A", &c, A_HZ);
    expect_tone("C hears S", &c, S_HZ);
    a.hang_up();
    expect_no_tone("A is gone", &c, A_HZ);
    expect_tone("the room goes on for S", &c, S_HZ);
    s.hang_up();
    rooms.expect_left(&c);
    expect_next_verb("C", &c);
    rooms.expect_gone("/Conferences/desk");
    let told = rooms.events();
    let (last, before) = told.split_last().expect("events");
    assert_eq!(last.0, "end", "{told:?}");
    assert_eq!(before.iter().filter(|(event, _)| event == "leave").count(), 3, "{told:?}");
    for member in [&a, &s] {
        rooms.expect_left(member);
    }
    rooms.app.assert_all_signed();
}

#[test]
fn a_grace_time_keeps_the_rest_together_after_the_moderator_has_left() {
    let rooms = Rooms::new();
    let grace = json!({ "endConferenceOnExit": true, "endConferenceDuration": 3 });
    let mut a = rooms.enter("agent", A_HZ, &grace);
    let c = rooms.enter("caller", C_HZ, &json!({ "startConferenceOnEnter": false }));
    let h = rooms.enter("helper", H_HZ, &json!({ "startConferenceOnEnter": false }));
    expect_tone("C hears A", &c, A_HZ);
    expect_tone("H hears C", &h, C_HZ);
    a.hang_up();
    let left = SystemTime::now();
    expect_no_tone("A is gone", &c, A_HZ);
    expect_next_verb("C", &c);
    let together = c.rtp.heard().last_with(H_HZ, HEARD_DB).expect("heard");
    let grace = together.duration_since(left).unwrap_or_default();
    assert!(grace >= Duration::from_millis(2_500), "C and H were together for {grace:?}");
    expect_next_verb("H", &h);
    for member in [&c, &h] {
        rooms.expect_left(member);
    }
}

#[test]
fn a_room_takes_no_more_than_it_may_and_the_next_verb_follows() {
    let rooms = Rooms::new();
    let two = json!({ "maxParticipants": 2 });
    let a = rooms.enter("agent", A_HZ, &two);
    let c = rooms.enter("caller", C_HZ, &two);
    expect_tone("C hears A", &c, A_HZ);
    let h = rooms.enter("helper", H_HZ, &two);
    let left = rooms.expect_left(&h);
    assert_eq!(left["reason"], "conference full", "{left}");
    expect_next_verb("H", &h);
    expect_heard("two", &[A_HZ, C_HZ, H_HZ], &[("A", &a, &[C_HZ]), ("C", &c, &[A_HZ])]);
}

#[test]
fn who_joins_muted_is_not_heard_and_a_beep_is_heard_by_those_inside() {
    let rooms = Rooms::new();
    let a = rooms.enter("agent", A_HZ, &json!({}));
    let muted = json!({ "joinMuted": true, "startConferenceOnEnter": false, "memberTag": "quiet" });
    let c = rooms.enter("caller", C_HZ, &muted);
    expect_heard("C muted", &[A_HZ, C_HZ], &[("A", &a, &[]), ("C", &c, &[A_HZ])]);
    rooms.expect_member(&c, "muted", |shown| {
        shown["muted"] == true && shown["member_tag"] == "quiet" && shown["moderator"] == false
    });
    rooms.put(&seat(&c), &json!({ "mute_status": "unmute" }), 204);
    expect_heard("C unmuted", &[A_HZ, C_HZ], &[("A", &a, &[C_HZ]), ("C", &c, &[A_HZ])]);

    // Two tones that nobody here sends: more in A's ear than C alone.
    let before = SystemTime::now();
    let _h = rooms.enter("helper", H_HZ, &json!({ "beep": true, "joinMuted": true }));
    rooms.expect_room("three are in", |room| room["participant_count"] == 3);
    let strange = |frame: &support::heard::Frame| {
        let all = support::tone::rms_db(&frame.samples);
        let known = support::tone::frame_level_db(&frame.samples, C_HZ);
        all > known + 1.5
    };
    wait::expect("a beep in A's ear", SOON, || {
        let heard = a.rtp.heard().since(before);
        heard.frames.iter().filter(|frame| strange(frame)).count() >= 4
    });
}

#[test]
fn the_events_are_the_starter_s_choice_and_tell_of_talking_too() {
    let rooms = Rooms::new();
    let all = ["start", "end", "join", "leave", "start-talking", "stop-talking"];
    let starter = json!({ "statusHook": "/events", "statusEvents": all });
    let mut a = rooms.enter("agent", A_HZ, &starter);
    rooms.told("/events", "A talks", |body| body["event"] == "start-talking" && told_of(body, &a));
    // What others would be told counts for nothing.
    let others = json!({ "statusHook": "/other-events", "statusEvents": all });
    let mut c = rooms.enter("caller", C_HZ, &others);
    rooms.told("/events", "C talks", |body| body["event"] == "start-talking" && told_of(body, &c));
    a.rtp.say(support::rtp_peer::Voice::Silence);
    let silent = rooms.told("/events", "A is silent", |body| {
        body["event"] == "stop-talking" && told_of(body, &a)
    });
    assert_eq!(silent["members"], 2, "{silent}");
    assert!(silent["duration"].is_number() && silent["time"].is_string(), "{silent}");
    assert_eq!(silent["conference_sid"], rooms.event_sid(), "{silent}");
    assert_eq!(silent["friendly_name"], "desk", "{silent}");
    assert_eq!(silent["call_sid"], a.call_sid.as_str(), "{silent}");
    c.hang_up();
    a.hang_up();
    rooms.told("/events", "the end", |body| body["event"] == "end");
    let told = rooms.events();
    let names: Vec<&str> = told
        .iter()
        .map(|(event, _)| event.as_str())
        .filter(|event| EVENTS.contains(event))
        .collect();
    assert_eq!(names, ["start", "join", "join", "leave", "leave", "end"]);
    assert!(rooms.bodies("/other-events").is_empty());
    let left = rooms.expect_left(&c);
    assert!(left["duration"].is_number(), "{left}");
    rooms.app.assert_all_signed();
}

#[test]
fn an_empty_list_of_events_means_none() {
    let rooms = Rooms::new();
    let mut a = rooms.enter("agent", A_HZ, &json!({ "statusHook": "/events", "statusEvents": [] }));
    rooms.expect_room("started", |room| room["status"] == "in-progress");
    a.hang_up();
    rooms.expect_left(&a);
    rooms.expect_gone("/Conferences/desk");
    assert_eq!(rooms.events(), []);
}

#[test]
fn digits_of_a_member_that_distributes_them_reach_the_others() {
    let rooms = Rooms::new();
    let a = rooms.enter("agent", A_HZ, &json!({ "distributeDtmf": true }));
    let c = rooms.enter("caller", C_HZ, &json!({}));
    expect_tone("C hears A", &c, A_HZ);
    expect_tone("A hears C", &a, C_HZ);
    a.rtp.press(EVENTS_TYPE, 8_000, 5);
    let keys = |who: &Caller| {
        let others = who.rtp.others();
        others.iter().filter(|packet| packet.payload.first() == Some(&5)).count()
    };
    wait::expect("the key at C", SOON, || keys(&c) >= 3);
    c.rtp.press(EVENTS_TYPE, 8_000, 7);
    a.rtp.press(EVENTS_TYPE, 8_000, 5);
    wait::expect("the second key at C", SOON, || keys(&c) >= 6);
    let at_a = a.rtp.others();
    assert!(at_a.iter().all(|packet| packet.payload.first() != Some(&7)), "C does not distribute");
}

#[test]
fn who_hangs_up_while_waiting_is_forgotten_and_reported() {
    let rooms = Rooms::new();
    let waiting = json!({ "startConferenceOnEnter": false, "waitHook": "/wait" });
    let mut c = rooms.enter("caller", C_HZ, &waiting);
    rooms.expect_member(&c, "waiting", |shown| shown["status"] == "waiting");
    c.hang_up();
    rooms.expect_left(&c);
    rooms.expect_gone("/Conferences/desk");
    assert_eq!(rooms.app.statuses_to_the_end(), ["trying", "in-progress", "completed"]);
}

#[test]
fn a_member_that_is_kicked_or_sent_elsewhere_goes_on_with_its_verbs() {
    let rooms = Rooms::new();
    let starter = json!({ "statusHook": "/events", "statusEvents": EVENTS });
    let a = rooms.enter("agent", A_HZ, &starter);
    let c = rooms.enter("caller", C_HZ, &json!({}));
    let h = rooms.enter("helper", H_HZ, &json!({}));
    expect_tone("C hears A", &c, A_HZ);
    expect_tone("H hears A", &h, A_HZ);
    rooms.put(&call(&c), &json!({ "conferenceParticipantAction": { "action": "kick" } }), 202);
    rooms.expect_left(&c);
    expect_next_verb("C", &c);
    rooms.script(&json!({ "/elsewhere": [rooms.plays(NEWS_HZ, 20_000)] }));
    rooms.put(&call(&h), &json!({ "call_hook": "/elsewhere" }), 202);
    expect_tone("H hears its new application", &h, NEWS_HZ);
    let all = [A_HZ, C_HZ, H_HZ, NEWS_HZ, AFTER_HZ];
    let rows: [(&str, &Caller, &[f64]); 3] =
        [("A", &a, &[]), ("C", &c, &[AFTER_HZ]), ("H", &h, &[NEWS_HZ])];
    expect_heard("A alone", &all, &rows);
    rooms.expect_events(&[
        ("start", "agent"),
        ("join", "agent"),
        ("join", "caller"),
        ("join", "helper"),
        ("leave", "caller"),
        ("leave", "helper"),
    ]);
    // Replaced: no action hook.
    assert!(rooms.bodies("/left").iter().all(|body| !told_of(body, &h)));
}

#[test]
fn a_member_s_action_hook_decides_what_follows() {
    let rooms = Rooms::new();
    rooms.script(&json!({ "/left": [rooms.plays(NEWS_HZ, 20_000)] }));
    let _a = rooms.enter("agent", A_HZ, &json!({}));
    let c = rooms.enter("caller", C_HZ, &json!({}));
    expect_tone("C hears A", &c, A_HZ);
    rooms.delete(&seat(&c), 204);
    expect_tone("C hears what the hook answered", &c, NEWS_HZ);
    assert!(c.rtp.heard().first_with(AFTER_HZ, HEARD_DB).is_none(), "the rest was replaced");
}

/// The payload type of events in our peers' offers.
const EVENTS_TYPE: u8 = support::rtp_format::EVENTS;
