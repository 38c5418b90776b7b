//! Calls that are brought into a conference over REST: out of what they run, from another room, dialled out.

use std::time::Duration;

use serde_json::{Value, json};
use support::rtp_peer::Voice;
use support::{Answer, Reply, RtpPeer, SipPeer, wait};

use crate::stage::{Caller, LEVEL_DB, SOON, Stage};

const ALICE_HZ: f64 = 450.0;
const BOB_HZ: f64 = 800.0;

fn lay_down(stage: &Stage, body: &Value) -> String {
    let path = stage.tenant.path("/Conferences");
    stage.tenant.rest.post(&path, body).expect("an answer").sid().expect("201")
}

fn add(stage: &Stage, room: &str, body: &Value) -> Answer {
    let path = stage.tenant.path(&format!("/Conferences/{room}/Participants"));
    stage.tenant.rest.post(&path, body).expect("an answer")
}

fn hears(listener: &RtpPeer, hz: f64) -> bool {
    let heard = listener.listen(Duration::from_millis(60));
    heard.first_with(hz, LEVEL_DB - 4.0).is_some()
}

fn wait_to_meet(alice: &Caller, bob: &Caller) {
    wait::expect("they hear each other", SOON, || {
        hears(&alice.rtp, BOB_HZ) && hears(&bob.rtp, ALICE_HZ)
    });
}

fn member(stage: &Stage, room: &str, call_sid: &str) -> Value {
    let path = stage.tenant.path(&format!("/Conferences/{room}/Participants/{call_sid}"));
    stage.tenant.rest.get(&path).expect("an answer").json
}

fn wait_for_member(stage: &Stage, room: &str, call_sid: &str) -> Value {
    wait::expect("the call is in the room", SOON, || {
        member(stage, room, call_sid)["status"] == "joined"
    });
    member(stage, room, call_sid)
}

/// Callers wait in a long pause.
fn stage() -> Stage {
    let stage = Stage::new();
    stage.hooks.on("/left", Reply::Status(204));
    let verbs = ["answer", "pause", "hangup"].map(|verb| json!({"verb": verb, "length": 600}));
    stage.hooks.on_json("/call", json!(verbs));
    stage
}

#[test]
fn a_call_is_taken_out_of_what_it_runs_and_from_room_to_room() {
    let stage = stage();
    let sid = lay_down(&stage, &json!({"name": "hall"}));
    lay_down(&stage, &json!({"name": "attic"}));
    let mut alice = stage.caller("alice", ALICE_HZ);
    let mut bob = stage.caller("bob", BOB_HZ);
    let plain = add(&stage, "hall", &json!({"call_sid": alice.call_sid}));
    assert_eq!((plain.status, &plain.json), (201, &json!({"sid": alice.call_sid})));
    wait_for_member(&stage, "hall", &alice.call_sid);
    let part = json!({
        "call_sid": bob.call_sid, "moderator": false, "end_conference_on_exit": true,
        "join_muted": true, "member_tag": "agent", "speak_only_to": "boss",
        "action_hook": stage.hooks.url("/left"),
    });
    assert_eq!(add(&stage, &sid, &part).status, 201);
    let shown = wait_for_member(&stage, "hall", &bob.call_sid);
    for (name, value) in [
        ("moderator", json!(false)),
        ("end_conference_on_exit", json!(true)),
        ("muted", json!(true)),
        ("member_tag", json!("agent")),
        ("speak_only_to", json!("boss")),
    ] {
        assert_eq!(shown[name], value, "{name}: {shown}");
    }
    let again = add(&stage, "hall", &json!({"call_sid": alice.call_sid}));
    assert_eq!(again.status, 422, "{}", again.text);

    // To another room, without a word to the phones; what ends the first one moves on as well.
    for caller in [&alice, &bob] {
        assert_eq!(add(&stage, "attic", &json!({"call_sid": caller.call_sid})).status, 201);
        wait_for_member(&stage, "attic", &caller.call_sid);
    }
    wait_to_meet(&alice, &bob);
    assert!(alice.sip.hears_no("INVITE", Duration::ZERO), "{}", alice.sip.history());
    assert!(stage.hooks.requests("/left").is_empty(), "a replaced verb asks nothing");

    // Nothing follows: the call of a removed participant ends.
    let path = format!("/Conferences/attic/Participants/{}", bob.call_sid);
    assert_eq!(stage.delete(&path), 204);
    bob.sip.expect_bye(SOON);
    let gone = add(&stage, "hall", &json!({"call_sid": bob.call_sid}));
    assert_eq!(gone.status, 422, "{}", gone.text);
    alice.hang_up();
}

#[test]
fn an_action_hook_says_what_follows() {
    let stage = stage();
    lay_down(&stage, &json!({"name": "hall"}));
    stage
        .hooks
        .on_json("/next", json!([{"verb": "play", "url": "tone_stream://v=-14;%(60000,0,1900)"}]));
    let alice = stage.caller("alice", ALICE_HZ);
    let body =
        json!({"call_sid": alice.call_sid, "action_hook": {"url": stage.hooks.url("/next")}});
    assert_eq!(add(&stage, "hall", &body).status, 201);
    wait_for_member(&stage, "hall", &alice.call_sid);
    assert_eq!(stage.delete("/Conferences/hall"), 204);
    wait::expect("what follows is heard", SOON, || hears(&alice.rtp, 1_900.0));
    let told = stage.hooks.requests("/next");
    assert_eq!(told[0].text("friendly_name"), "hall");
}

#[test]
fn who_may_not_come_in_stays_with_what_it_runs() {
    let stage = stage();
    lay_down(&stage, &json!({"name": "hall", "max_participants": 2}));
    let alice = stage.caller("alice", ALICE_HZ);
    let bob = stage.caller("bob", BOB_HZ);
    let mut carol = stage.caller("carol", 1_150.0);
    for caller in [&alice, &bob] {
        assert_eq!(add(&stage, "hall", &json!({"call_sid": caller.call_sid})).status, 201);
        wait_for_member(&stage, "hall", &caller.call_sid);
    }
    let body = json!({"call_sid": carol.call_sid});
    let full = add(&stage, "hall", &body);
    assert_eq!((full.status, full.json["msg"].as_str()), (422, Some("the conference is full")));
    assert_eq!(stage.put("/Conferences/hall", &json!({"locked": true})), 204);
    let locked = add(&stage, "hall", &body);
    assert_eq!(
        (locked.status, locked.json["msg"].as_str()),
        (422, Some("the conference is locked"))
    );
    assert_eq!(add(&stage, "nowhere", &body).status, 404);
    assert!(carol.sip.hears_no("BYE", Duration::from_millis(200)), "{}", carol.sip.history());
}

#[test]
fn somebody_is_called_into_the_room_once_for_one_key() {
    let stage = stage();
    lay_down(&stage, &json!({"name": "hall"}));
    let alice = stage.caller("alice", ALICE_HZ);
    assert_eq!(add(&stage, "hall", &json!({"call_sid": alice.call_sid})).status, 201);
    let mut far = SipPeer::udp(stage.server.sip());
    let body = json!({
        "to": {"type": "sip", "sipUri": format!("sip:far@{}", far.local_addr())},
        "from": "15083084809", "tag": {"order": 7}, "timeout": 20, "headers": {"X-Order": "7"},
        "call_status_hook": stage.hooks.url("/status"), "member_tag": "guest",
    });
    let path = stage.tenant.path("/Conferences/hall/Participants");
    let keyed = stage.tenant.rest.with_header("Idempotency-Key", "guest 1");
    let post = |body: &Value| keyed.post(&path, body).expect("an answer");
    let first = post(&body);
    let call_sid = first.sid().expect("201");
    let invite = far.expect_request("INVITE", SOON);
    assert_eq!(invite.header("X-Order"), Some("7"));
    // Ringing, it may not be brought anywhere else.
    assert_eq!(add(&stage, "hall", &json!({"call_sid": call_sid})).status, 422);
    assert_eq!((post(&body).status, post(&body).json), (201, first.json.clone()));
    let mut other = body.clone();
    other["member_tag"] = json!("other");
    assert_eq!(post(&other).status, 422);

    let rtp = RtpPeer::start(Voice::tone(BOB_HZ, LEVEL_DB));
    let call = far.accept(&invite, &rtp);
    let mut guest = Caller { sip: far, rtp, call, call_sid: call_sid.clone() };
    wait_to_meet(&alice, &guest);
    let shown = wait_for_member(&stage, "hall", &call_sid);
    assert_eq!(
        (&shown["member_tag"], &shown["customer_data"], &shown["direction"]),
        (&json!("guest"), &json!({"order": 7}), &json!("outbound"))
    );
    assert!(guest.sip.hears_no("INVITE", Duration::from_millis(300)), "{}", guest.sip.history());
    // Nothing follows the conference.
    assert_eq!(stage.delete(&format!("/Conferences/hall/Participants/{call_sid}")), 204);
    guest.sip.expect_bye(SOON);
    assert_eq!(stage.statuses(&call_sid), ["trying", "in-progress", "completed"]);
}

#[test]
fn one_call_sent_twice_with_one_key_is_brought_in_once() {
    let stage = stage();
    lay_down(&stage, &json!({"name": "hall"}));
    let alice = stage.caller("alice", ALICE_HZ);
    let path = stage.tenant.path("/Conferences/hall/Participants");
    let keyed = stage.tenant.rest.with_header("Idempotency-Key", "alice 1");
    let body = json!({"call_sid": alice.call_sid});
    let answers = [(); 3].map(|()| keyed.post(&path, &body).expect("an answer"));
    for answer in &answers {
        assert_eq!((answer.status, &answer.json), (201, &json!({"sid": alice.call_sid})));
    }
    let shown = wait_for_member(&stage, "hall", &alice.call_sid);
    assert_eq!(shown["member_id"], json!(1));
}
