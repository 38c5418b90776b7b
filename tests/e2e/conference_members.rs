//! What the members of a conference hear of each other and of the application: waiting, on hold, coached,
//! announced to. Judged by tones at their sockets.

use std::time::Duration;

use serde_json::{Value, json};
use support::Reply;
use support::wait;

use crate::stage::{Caller, LEVEL_DB, SOON, Stage};

/// Tones that a single 20 ms frame can tell apart.
const ALICE_HZ: f64 = 450.0;
const BOB_HZ: f64 = 800.0;
const CAROL_HZ: f64 = 1_150.0;
const MUSIC_HZ: f64 = 1_900.0;
/// A tone below this counts as gone: 40 dB under the level sent.
const GONE_DB: f64 = LEVEL_DB - 40.0;

/// Everybody is put into the room `desk` with the options of that name.
fn stage(options: &[(&'static str, Value)]) -> Stage {
    let stage = Stage::new();
    for path in ["/left", "/room"] {
        stage.hooks.on(path, Reply::Status(204));
    }
    let music =
        json!([{"verb": "play", "url": format!("tone_stream://v=-14;%(60000,0,{MUSIC_HZ})")}]);
    stage.hooks.on_json("/music", music);
    let options: Vec<_> = options.to_vec();
    let left = stage.hooks.url("/left");
    stage.hooks.on_fn("/call", move |request| {
        let mut verb = json!({"verb": "conference", "name": "desk", "actionHook": left});
        let of_caller = options.iter().filter(|(name, _)| *name == request.text("from"));
        for (name, value) in
            of_caller.flat_map(|(_, options)| options.as_object().expect("an object"))
        {
            verb[name] = value.clone();
        }
        Reply::Json(json!([verb, {"verb": "play", "url": "tone_stream://%(400,0,600)"}]))
    });
    stage
}

fn hears(listener: &Caller, hz: f64) -> bool {
    let heard = listener.rtp.listen(Duration::from_millis(60));
    heard.first_with(hz, LEVEL_DB - 4.0).is_some()
}

fn is_rid_of(listener: &Caller, hz: f64) -> bool {
    let heard = listener.rtp.listen(Duration::from_millis(60));
    heard.last_with(hz, GONE_DB).is_none()
}

/// Exactly those of all tones are heard, and stay.
fn wait_to_hear(who: &str, listener: &Caller, tones: &[f64]) {
    const ALL: [f64; 4] = [ALICE_HZ, BOB_HZ, CAROL_HZ, MUSIC_HZ];
    wait::expect(&format!("{who} hears {tones:?} and nothing else"), SOON, || {
        ALL.iter().all(|hz| match tones.contains(hz) {
            true => hears(listener, *hz),
            false => is_rid_of(listener, *hz),
        })
    });
}

fn wait_for_members(stage: &Stage, count: usize) {
    wait::expect("the room is shown as it is", SOON, || {
        let path = stage.tenant.path("/Conferences/desk");
        stage.tenant.rest.get(&path).expect("an answer").json["participant_count"] == json!(count)
    });
}

fn participant(caller: &Caller) -> String {
    format!("/Conferences/desk/Participants/{}", caller.call_sid)
}

fn action(stage: &Stage, caller: &Caller, body: &Value) {
    let path = format!("/Calls/{}", caller.call_sid);
    assert_eq!(stage.put(&path, &json!({"conferenceParticipantAction": body})), 202);
}

#[test]
fn on_hold_a_member_hears_music_alone_and_is_not_heard() {
    let stage = stage(&[]);
    let alice = stage.caller("alice", ALICE_HZ);
    let bob = stage.caller("bob", BOB_HZ);
    wait_to_hear("bob", &bob, &[ALICE_HZ]);
    let hold = json!({"hold_status": "hold", "wait_hook": stage.hooks.url("/music")});
    assert_eq!(stage.put(&participant(&bob), &hold), 204);
    wait_to_hear("bob", &bob, &[MUSIC_HZ]);
    wait_to_hear("alice", &alice, &[]);
    wait::expect("bob is shown held", SOON, || stage.get(&participant(&bob))["held"] == true);
    let asked = stage.hooks.requests("/music");
    assert_eq!(asked[0].text("call_sid"), bob.call_sid);
    assert_eq!(asked[0].text("friendly_name"), "desk");
    assert!(asked[0].text("conference_sid").ends_with(":desk"));
    assert_eq!(stage.put(&participant(&bob), &json!({"hold_status": "unhold"})), 204);
    wait_to_hear("bob", &bob, &[ALICE_HZ]);
    wait_to_hear("alice", &alice, &[BOB_HZ]);

    // The same by live control, with a hook beside the application.
    let held = json!({"conf_hold_status": "hold", "waitHook": "/music"});
    let call = format!("/Calls/{}", alice.call_sid);
    assert_eq!(stage.put(&call, &held), 202);
    wait_to_hear("alice", &alice, &[MUSIC_HZ]);
    wait_to_hear("bob", &bob, &[]);
    assert_eq!(stage.put(&call, &json!({"conf_hold_status": "unhold"})), 202);
    wait_to_hear("alice", &alice, &[BOB_HZ]);
}

#[test]
fn all_but_the_moderators_are_held_at_once() {
    let stage = stage(&[("bob", json!({"startConferenceOnEnter": false}))]);
    let alice = stage.caller("alice", ALICE_HZ);
    wait_for_members(&stage, 1);
    let bob = stage.caller("bob", BOB_HZ);
    wait_to_hear("alice", &alice, &[BOB_HZ]);
    let hold = json!({"hold_status": "hold", "wait_hook": stage.hooks.url("/music")});
    assert_eq!(stage.put("/Conferences/desk", &hold), 204);
    wait_to_hear("bob", &bob, &[MUSIC_HZ]);
    wait_to_hear("alice", &alice, &[]);
    assert_eq!(stage.put("/Conferences/desk", &json!({"hold_status": "unhold"})), 204);
    wait_to_hear("bob", &bob, &[ALICE_HZ]);
    wait_to_hear("alice", &alice, &[BOB_HZ]);
}

#[test]
fn a_coach_is_heard_by_those_with_the_tag_alone() {
    let stage = stage(&[
        ("alice", json!({"memberTag": "agent"})),
        ("carol", json!({"speakOnlyTo": "agent"})),
    ]);
    let alice = stage.caller("alice", ALICE_HZ);
    let bob = stage.caller("bob", BOB_HZ);
    let carol = stage.caller("carol", CAROL_HZ);
    wait_to_hear("alice", &alice, &[BOB_HZ, CAROL_HZ]);
    wait_to_hear("bob", &bob, &[ALICE_HZ]);
    wait_to_hear("carol", &carol, &[ALICE_HZ, BOB_HZ]);
    let shown = stage.get(&participant(&carol));
    assert_eq!((&shown["speak_only_to"], &shown["member_tag"]), (&json!("agent"), &Value::Null));

    // Nobody has the tag; then another; then there is no coach.
    assert_eq!(stage.put(&participant(&alice), &json!({"member_tag": null})), 204);
    wait_to_hear("alice", &alice, &[BOB_HZ]);
    wait_to_hear("bob", &bob, &[ALICE_HZ]);
    action(&stage, &bob, &json!({"action": "tag", "tag": "agent"}));
    wait_to_hear("bob", &bob, &[ALICE_HZ, CAROL_HZ]);
    wait_to_hear("alice", &alice, &[BOB_HZ]);
    action(&stage, &carol, &json!({"action": "uncoach"}));
    wait_to_hear("alice", &alice, &[BOB_HZ, CAROL_HZ]);
    assert_eq!(stage.put(&participant(&carol), &json!({"speak_only_to": "nobody"})), 204);
    wait_to_hear("alice", &alice, &[BOB_HZ]);
    wait_to_hear("bob", &bob, &[ALICE_HZ]);
    wait_to_hear("carol", &carol, &[ALICE_HZ, BOB_HZ]);
}

#[test]
fn an_announcement_is_heard_by_all_or_by_one() {
    let stage = stage(&[]);
    let alice = stage.caller("alice", ALICE_HZ);
    let bob = stage.caller("bob", BOB_HZ);
    wait_to_hear("alice", &alice, &[BOB_HZ]);
    let tone = format!("tone_stream://v=-14;%(3000,0,{MUSIC_HZ})");
    let play = json!({"verb": "play", "url": tone});
    assert_eq!(stage.put("/Conferences/desk", &json!({"announce": play})), 204);
    wait::expect("both hear it", SOON, || hears(&alice, MUSIC_HZ) && hears(&bob, MUSIC_HZ));
    wait::expect("it is over", SOON, || is_rid_of(&alice, MUSIC_HZ) && is_rid_of(&bob, MUSIC_HZ));
    assert_eq!(stage.put(&participant(&bob), &json!({"announce": [play]})), 204);
    wait::expect("bob hears it", SOON, || hears(&bob, MUSIC_HZ));
    assert!(is_rid_of(&alice, MUSIC_HZ), "alice hears what is bob's");
    wait::expect("it is over", SOON, || is_rid_of(&bob, MUSIC_HZ));
    // By live control: a whisper, and for the room.
    let call = format!("/Calls/{}", alice.call_sid);
    assert_eq!(stage.put(&call, &json!({"whisper": play})), 202);
    wait::expect("alice hears it", SOON, || hears(&alice, MUSIC_HZ));
    assert!(is_rid_of(&bob, MUSIC_HZ), "bob hears what is alice's");
    wait::expect("it is over", SOON, || is_rid_of(&alice, MUSIC_HZ));
    assert_eq!(stage.put(&call, &json!({"room_play": {"url": tone}})), 202);
    wait::expect("both hear it", SOON, || hears(&alice, MUSIC_HZ) && hears(&bob, MUSIC_HZ));

    // What cannot be had is an alert; the room goes on.
    stage.hooks.on("/gone.wav", Reply::Status(404));
    let gone = json!({"announce": {"verb": "play", "url": stage.hooks.url("/gone.wav")}});
    assert_eq!(stage.put("/Conferences/desk", &gone), 204);
    wait::expect("an alert", SOON, || {
        let alerts = stage.get("/Alerts?page=1&count=50");
        let alerts = alerts["data"].as_array().cloned().unwrap_or_default();
        alerts.iter().any(|alert| alert["alert_type"] == "play-url-notfound")
    });
    wait_to_hear("alice", &alice, &[BOB_HZ]);
}

#[test]
fn a_kicked_member_goes_on_with_its_next_verb() {
    let stage = stage(&[]);
    let alice = stage.caller("alice", ALICE_HZ);
    let mut bob = stage.caller("bob", BOB_HZ);
    wait_to_hear("alice", &alice, &[BOB_HZ]);
    action(&stage, &bob, &json!({"action": "kick"}));
    wait::expect("the next verb is heard", SOON, || hears(&bob, 600.0));
    let told = stage.hooks.wait_for("/left", SOON, |requests| !requests.is_empty());
    assert_eq!(told[0].text("call_sid"), bob.call_sid);
    bob.sip.expect_bye(SOON);
    wait_for_members(&stage, 1);
    wait_to_hear("alice", &alice, &[]);
}

#[test]
fn who_waits_hears_the_wait_hook_again_and_again_until_the_room_starts() {
    let stage = Stage::new();
    let (wait_url, enter_url) = (stage.hooks.url("/wait"), stage.hooks.url("/enter"));
    let beep = json!([{"verb": "play", "url": format!("tone_stream://v=-14;%(300,0,{MUSIC_HZ})")}]);
    stage.hooks.on_json("/wait", beep);
    let hello =
        json!([{"verb": "play", "url": format!("tone_stream://v=-14;%(300,0,{CAROL_HZ})")}]);
    stage.hooks.on_json("/enter", hello);
    stage.hooks.on_fn("/call", move |request| {
        let is_boss = request.text("from") == "alice";
        let mut verb =
            json!({"verb": "conference", "name": "desk", "startConferenceOnEnter": is_boss});
        if !is_boss {
            (verb["waitHook"], verb["enterHook"]) = (json!(wait_url), json!(enter_url));
        }
        Reply::Json(json!([verb]))
    });
    let bob = stage.caller("bob", BOB_HZ);
    wait::expect("bob hears the enter hook", SOON, || hears(&bob, CAROL_HZ));
    stage.hooks.wait_for("/wait", SOON, |requests| requests.len() >= 3);
    assert_eq!(stage.hooks.requests("/enter").len(), 1);
    let waiting = stage.get("/Conferences/desk/Participants?status=waiting");
    assert_eq!(waiting[0]["call_sid"], json!(bob.call_sid));
    assert_eq!(stage.put(&participant(&bob), &json!({"mute_status": "mute"})), 422);
    assert_eq!(stage.put("/Conferences/desk", &json!({"mute_status": "mute"})), 422);
    let alice = stage.caller("alice", ALICE_HZ);
    wait_to_hear("alice", &alice, &[BOB_HZ]);
    let so_far = stage.hooks.requests("/wait").len();
    wait_to_hear("bob", &bob, &[ALICE_HZ]);
    let heard = bob.rtp.listen(Duration::from_millis(1_500));
    assert!(heard.last_with(MUSIC_HZ, GONE_DB).is_none(), "the wait music goes on");
    assert_eq!(stage.hooks.requests("/wait").len(), so_far);
}

#[test]
fn the_rooms_wait_hook_is_heard_by_those_whose_verb_names_none() {
    let stage = stage(&[("bob", json!({"startConferenceOnEnter": false}))]);
    let path = stage.tenant.path("/Conferences");
    let body = json!({"name": "desk", "wait_hook": stage.hooks.url("/music")});
    stage.tenant.rest.post(&path, &body).expect("an answer").sid().expect("201");
    let bob = stage.caller("bob", BOB_HZ);
    wait_to_hear("bob", &bob, &[MUSIC_HZ]);
    let alice = stage.caller("alice", ALICE_HZ);
    wait_to_hear("bob", &bob, &[ALICE_HZ]);
    wait_to_hear("alice", &alice, &[BOB_HZ]);
}

#[test]
fn after_the_last_that_ends_it_the_others_have_some_time_left() {
    let ends = json!({"endConferenceOnExit": true, "endConferenceDuration": 2});
    let stage = stage(&[("alice", ends)]);
    let mut alice = stage.caller("alice", ALICE_HZ);
    let mut bob = stage.caller("bob", BOB_HZ);
    let carol = stage.caller("carol", CAROL_HZ);
    wait_to_hear("carol", &carol, &[ALICE_HZ, BOB_HZ]);
    alice.hang_up();
    wait_to_hear("carol", &carol, &[BOB_HZ]);
    bob.sip.expect_bye(SOON);
    wait::expect("the room is gone", SOON, || stage.get("/Conferences") == json!([]));
}
