//! What REST lays down for a room, judged by who comes in and what is heard there.

use std::time::Duration;

use serde_json::{Value, json};
use support::{HookRequest, Reply};

use crate::stage::{Caller, LEVEL_DB, SOON, Stage};

const ALICE_HZ: f64 = 450.0;
const BOB_HZ: f64 = 800.0;
/// A tone below this counts as gone: 40 dB under the level sent.
const GONE_DB: f64 = LEVEL_DB - 40.0;

/// Everybody is put into the room `desk`, all but bob as moderators; where the verb says otherwise than
/// REST, REST is to win. What becomes of them is told to `/left`.
fn stage() -> Stage {
    let stage = Stage::new();
    for path in ["/left", "/verb-events", "/rest-events"] {
        stage.hooks.on(path, Reply::Status(204));
    }
    let (left, events) = (stage.hooks.url("/left"), stage.hooks.url("/verb-events"));
    stage.hooks.on_fn("/call", move |request| {
        Reply::Json(json!([{
            "verb": "conference",
            "name": "desk",
            "startConferenceOnEnter": request.text("from") != "bob",
            "maxParticipants": 9,
            "statusHook": events,
            "statusEvents": ["start", "join"],
            "actionHook": left,
        }]))
    });
    stage
}

fn lay_down(stage: &Stage, body: &Value) -> String {
    let path = stage.tenant.path("/Conferences");
    stage.tenant.rest.post(&path, body).expect("an answer").sid().expect("201")
}

fn hears(listener: &Caller, hz: f64) -> bool {
    let heard = listener.rtp.listen(Duration::from_millis(60));
    heard.first_with(hz, LEVEL_DB - 3.0).is_some()
}

fn is_rid_of(listener: &Caller, hz: f64) -> bool {
    let heard = listener.rtp.listen(Duration::from_millis(60));
    heard.last_with(hz, GONE_DB).is_none()
}

/// The call is not let in: its verb ends with that reason, and the call with it.
fn expect_refusal(stage: &Stage, caller: &mut Caller, reason: &str) {
    let told = stage.hooks.wait_for("/left", SOON, |requests| {
        requests.iter().any(|request| request.text("call_sid") == caller.call_sid)
    });
    let of_call = |request: &&HookRequest| request.text("call_sid") == caller.call_sid;
    let last = told.iter().rfind(of_call).expect("just seen");
    assert_eq!(last.text("reason"), reason);
    caller.sip.expect_bye(SOON);
}

fn wait_for_count(stage: &Stage, count: usize) {
    support::wait::expect("the room is shown as it is", SOON, || {
        stage.get("/Conferences/desk")["participant_count"] == json!(count)
    });
}

#[test]
fn what_is_laid_down_for_a_room_beats_what_verbs_say() {
    let stage = stage();
    let sid = lay_down(
        &stage,
        &json!({
            "name": "desk", "max_participants": 2, "join_muted": true,
            "status_hook": stage.hooks.url("/rest-events"), "status_events": ["join", "leave"],
        }),
    );
    let mut alice = stage.caller("alice", ALICE_HZ);
    let mut bob = stage.caller("bob", BOB_HZ);

    // Bob, no moderator, comes in muted.
    support::wait::expect("bob hears alice", SOON, || hears(&bob, ALICE_HZ));
    wait_for_count(&stage, 2);
    assert!(is_rid_of(&alice, BOB_HZ), "bob was to be muted");
    let participant = format!("/Conferences/{sid}/Participants/{}", bob.call_sid);
    assert_eq!(stage.put(&participant, &json!({"mute_status": "unmute"})), 204);
    support::wait::expect("alice hears bob", SOON, || hears(&alice, BOB_HZ));
    let room = stage.get("/Conferences/desk");
    for (name, value) in [
        ("conference_sid", json!(sid)),
        ("status", json!("in-progress")),
        ("persistent", json!(true)),
        ("moderator_count", json!(1)),
        ("waiting_count", json!(0)),
        ("max_participants", json!(2)),
    ] {
        assert_eq!(room[name], value, "{room}");
    }
    assert!(room["started_at"].is_string(), "{room}");
    assert_eq!(stage.get("/Conferences"), json!(["desk"]));

    // Full; then open for more, and locked.
    let mut carol = stage.caller("carol", 1_250.0);
    expect_refusal(&stage, &mut carol, "conference full");
    let wider = json!({"max_participants": null, "locked": true});
    assert_eq!(stage.put(&format!("/Conferences/{sid}"), &wider), 204);
    let mut dave = stage.caller("dave", 1_250.0);
    expect_refusal(&stage, &mut dave, "conference locked");

    // Everybody but moderators.
    assert_eq!(stage.put("/Conferences/desk", &json!({"mute_status": "mute"})), 204);
    support::wait::expect("bob is muted", SOON, || is_rid_of(&alice, BOB_HZ));
    assert!(hears(&bob, ALICE_HZ), "moderators are spared");
    assert_eq!(stage.put("/Conferences/desk", &json!({"mute_status": "unmute"})), 204);
    support::wait::expect("alice hears bob again", SOON, || hears(&alice, BOB_HZ));

    // Events go where REST says, and no others.
    bob.hang_up();
    alice.hang_up();
    let told = stage.hooks.wait_for("/rest-events", SOON, |requests| requests.len() >= 4);
    let told: Vec<_> = told.iter().map(|r| (r.text("event"), r.text("from"))).collect();
    let expected = [("join", "alice"), ("join", "bob"), ("leave", "bob"), ("leave", "alice")];
    assert_eq!(told, expected);
    let secret = stage.tenant.webhook_secret().expect("a secret");
    let signed = stage.hooks.requests("/rest-events");
    assert!(signed.iter().all(|request| request.is_signed_with(&secret)));
    assert_eq!(stage.hooks.requests("/verb-events").len(), 0);

    // Empty it stays, locked, with its sid, and opens anew.
    support::wait::expect("the room is empty", SOON, || {
        let room = stage.get("/Conferences/desk");
        room["status"] == "init" && room["participant_count"] == 0
    });
    assert_eq!(stage.get("/Conferences/desk/Participants"), json!([]));
    let mut erin = stage.caller("erin", ALICE_HZ);
    expect_refusal(&stage, &mut erin, "conference locked");
    assert_eq!(stage.put("/Conferences/desk", &json!({"locked": false})), 204);
    let mut frank = stage.caller("frank", ALICE_HZ);
    wait_for_count(&stage, 1);
    let participants = stage.get(&format!("/Conferences/{sid}/Participants"));
    assert_eq!(participants[0]["conference_sid"], json!(sid), "{participants}");
    assert_eq!(participants[0]["call_sid"], json!(frank.call_sid));

    // Deleted it ends, and is gone for good.
    assert_eq!(stage.delete("/Conferences/desk"), 204);
    frank.sip.expect_bye(SOON);
    support::wait::expect("the room is gone", SOON, || stage.get("/Conferences") == json!([]));
}

#[test]
fn a_room_that_a_verb_opened_takes_settings_and_goes_with_its_last_participant() {
    let stage = stage();
    let mut alice = stage.caller("alice", ALICE_HZ);
    support::wait::expect("the room is open", SOON, || {
        stage.get("/Conferences") == json!(["desk"])
    });
    wait_for_count(&stage, 1);
    let opened = stage.get("/Conferences/desk");
    assert_eq!((&opened["persistent"], &opened["max_participants"]), (&json!(false), &json!(9)));
    let path = stage.tenant.path("/Conferences");
    let taken = stage.tenant.rest.post(&path, &json!({"name": "desk"})).expect("an answer");
    assert_eq!(taken.status, 422, "{}", taken.text);

    assert_eq!(stage.put("/Conferences/desk", &json!({"locked": true})), 204);
    let locked = stage.get("/Conferences/desk");
    for name in ["conference_sid", "persistent", "created_at", "started_at"] {
        assert_eq!(locked[name], opened[name], "{name}");
    }
    assert_eq!(locked["locked"], json!(true));
    let mut carol = stage.caller("carol", BOB_HZ);
    expect_refusal(&stage, &mut carol, "conference locked");
    alice.hang_up();
    support::wait::expect("the room is gone", SOON, || stage.get("/Conferences") == json!([]));

    // Laid down for one meeting: it waits for the first, and goes with the last.
    let sid = lay_down(&stage, &json!({"name": "desk", "persistent": false, "locked": true}));
    let mut erin = stage.caller("erin", BOB_HZ);
    expect_refusal(&stage, &mut erin, "conference locked");
    assert_eq!(stage.put("/Conferences/desk", &json!({"locked": false})), 204);
    let mut dave = stage.caller("dave", BOB_HZ);
    wait_for_count(&stage, 1);
    assert_eq!(stage.get("/Conferences/desk")["conference_sid"], json!(sid));
    dave.hang_up();
    support::wait::expect("the room is gone", SOON, || stage.get("/Conferences") == json!([]));
}
