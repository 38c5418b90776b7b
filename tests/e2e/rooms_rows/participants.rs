//! Participants over REST, line by line (contract rest.md §3.3).

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use support::rtp_peer::Voice;
use support::{RtpPeer, SipPeer};

use super::ears::{expect_heard, expect_next_verb, expect_no_tone, expect_tone};
use super::rest::quiet;
use super::{A_HZ, AFTER_HZ, C_HZ, H_HZ, HOLD_HZ, NEWS_HZ, Rooms, S_HZ, WAIT_HZ, seat};
use crate::stage::{Caller, LEVEL_DB, SOON};

const SEATS: &str = "/Conferences/desk/Participants";
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// A call that hears a tone, and would for a long time.
fn busy(rooms: &Rooms, user: &str, hz: f64) -> Caller {
    let key = format!("/call#{user}");
    rooms.script(&json!({ key: [rooms.plays(AFTER_HZ, 60_000)] }));
    let caller = rooms.call(user, hz);
    expect_tone("its application", &caller, AFTER_HZ);
    caller
}

#[test]
fn a_call_is_taken_from_its_application_into_a_room_and_back_to_another() {
    let rooms = Rooms::new();
    let a = rooms.enter("agent", A_HZ, &json!({}));
    let c = busy(&rooms, "caller", C_HZ);
    rooms.script(&json!({ "/next": [rooms.plays(NEWS_HZ, 60_000)] }));
    let body = json!({
        "call_sid": c.call_sid, "moderator": false, "member_tag": "guest", "join_muted": true,
        "action_hook": format!("{}/next", rooms.app.url),
    });
    let added = rooms.post(SEATS, &body);
    assert_eq!((added.status, &added.json["sid"]), (201, &json!(c.call_sid)), "{}", added.text);
    rooms.expect_member(&c, "in as asked", |shown| {
        shown["status"] == "joined"
            && shown["moderator"] == false
            && shown["member_tag"] == "guest"
            && shown["muted"] == true
    });
    let tones = [A_HZ, C_HZ, AFTER_HZ];
    expect_heard("C muted", &tones, &[("A", &a, &[]), ("C", &c, &[A_HZ])]);
    rooms.put(&seat(&c), &json!({ "mute_status": "unmute" }), 204);
    expect_heard("C unmuted", &tones, &[("A", &a, &[C_HZ]), ("C", &c, &[A_HZ])]);
    assert_eq!(rooms.post(SEATS, &body).status, 422, "it is in already");
    rooms.delete(&seat(&c), 204);
    expect_tone("C goes on with its action hook's verbs", &c, NEWS_HZ);
    expect_no_tone("A is alone", &a, C_HZ);
    rooms.app.assert_all_signed();
}

#[test]
fn a_call_that_was_added_without_an_action_hook_is_hung_up_after_the_room() {
    let rooms = Rooms::new();
    let a = rooms.enter("agent", A_HZ, &json!({}));
    let mut c = busy(&rooms, "caller", C_HZ);
    let body = json!({ "call_sid": c.call_sid });
    assert_eq!(rooms.post(SEATS, &body).status, 201);
    expect_tone("C is in", &c, A_HZ);
    expect_tone("A hears C", &a, C_HZ);
    rooms.delete(&seat(&c), 204);
    c.sip.expect_bye(SOON);
}

#[test]
fn what_cannot_be_added_is_refused() {
    let rooms = Rooms::new();
    let _a = rooms.enter("agent", A_HZ, &json!({}));
    rooms.expect_room("started", |room| room["status"] == "in-progress");
    let user = json!({ "type": "user", "name": "nobody" });
    for (body, status) in [
        (json!({}), 400),
        (json!({ "call_sid": NOBODY, "to": user, "from": "1" }), 400),
        (json!({ "call_sid": "x" }), 400),
        (json!({ "call_sid": NOBODY }), 404),
        (json!({ "to": { "type": "pigeon" }, "from": "1" }), 400),
        (json!({ "to": user }), 400),
        (json!({ "call_sid": NOBODY, "moderator": "perhaps" }), 400),
    ] {
        let answer = rooms.post(SEATS, &body);
        assert_eq!(answer.status, status, "{body}: {}", answer.text);
        assert!(answer.json["msg"].is_string(), "{body}: {}", answer.text);
    }
    let answer = rooms.post("/Conferences/nowhere/Participants", &json!({ "call_sid": NOBODY }));
    assert_eq!(answer.status, 404, "{}", answer.text);

    // A call that nobody has answered yet.
    let mut far = SipPeer::udp(rooms.stage.server.sip());
    let to = json!({ "type": "sip", "sipUri": format!("sip:far@{}", far.local_addr()) });
    let call_sid = rooms.stage.create_call(&json!({
        "from": "1000", "to": to, "call_hook": format!("{}/call", rooms.app.url),
    }));
    let invite = far.expect_request("INVITE", SOON);
    far.reply(&invite, 180, "Ringing");
    assert_eq!(rooms.post(SEATS, &json!({ "call_sid": call_sid })).status, 422);
}

/// Whoever is dialled answers and sends a tone.
fn dial_into(rooms: &Rooms, body: &Value, hz: f64) -> Caller {
    let mut sip = SipPeer::udp(rooms.stage.server.sip());
    let uri = format!("sip:far@{}", sip.local_addr());
    let answering = thread::spawn(move || {
        let rtp = RtpPeer::start(Voice::tone(hz, LEVEL_DB));
        let invite = sip.expect_request("INVITE", SOON);
        let call = sip.accept(&invite, &rtp);
        (sip, rtp, call)
    });
    let mut order = json!({ "to": { "type": "sip", "sipUri": uri }, "from": "15083084809" });
    if let (Value::Object(order), Value::Object(body)) = (&mut order, body) {
        order.extend(body.clone());
    }
    let added = rooms.post(SEATS, &order);
    let call_sid = added.sid().unwrap_or_else(|_| panic!("{order}: {}", added.text));
    let (sip, rtp, call) = answering.join().expect("the phone answers");
    Caller { sip, rtp, call, call_sid }
}

#[test]
fn a_participant_is_dialled_and_enters_on_answer() {
    let rooms = Rooms::new();
    let a = rooms.enter("agent", A_HZ, &json!({}));
    rooms.expect_room("started", |room| room["status"] == "in-progress");
    let body = json!({
        "member_tag": "far", "moderator": false, "tag": { "order": 7 },
        "call_status_hook": format!("{}/far-status", rooms.app.url),
        "action_hook": format!("{}/after", rooms.app.url),
    });
    let far = dial_into(&rooms, &body, H_HZ);
    let tones = [A_HZ, H_HZ];
    expect_heard("dialled", &tones, &[("A", &a, &[H_HZ]), ("far", &far, &[A_HZ])]);
    rooms.expect_member(&far, "as asked", |shown| {
        shown["direction"] == "outbound"
            && shown["member_tag"] == "far"
            && shown["moderator"] == false
            && shown["customer_data"]["order"] == 7
    });
    rooms.told("/far-status", "its status", |body| body["call_status"] == "in-progress");
    rooms.delete(&seat(&far), 204);
    expect_next_verb("the far end", &far);

    // Nobody home: nobody comes in, and that is told.
    let mut busy = SipPeer::udp(rooms.stage.server.sip());
    let to = json!({ "type": "sip", "sipUri": format!("sip:busy@{}", busy.local_addr()) });
    let answer = rooms.post(SEATS, &json!({
        "to": to, "from": "15083084809", "call_status_hook": format!("{}/busy-status", rooms.app.url),
    }));
    assert_eq!(answer.status, 201, "{}", answer.text);
    let invite = busy.expect_request("INVITE", SOON);
    busy.reply(&invite, 486, "Busy Here");
    rooms.told("/busy-status", "it was busy", |body| body["call_status"] == "busy");
    rooms.expect_room("A alone", |room| room["participant_count"] == 1);
}

#[test]
fn adding_twice_under_one_key_dials_once() {
    let rooms = Rooms::new();
    let _a = rooms.enter("agent", A_HZ, &json!({}));
    rooms.expect_room("started", |room| room["status"] == "in-progress");
    let mut far = SipPeer::udp(rooms.stage.server.sip());
    let to = json!({ "type": "sip", "sipUri": format!("sip:far@{}", far.local_addr()) });
    let body = json!({ "to": to, "from": "15083084809" });
    let rest = rooms.stage.tenant.rest.with_header("Idempotency-Key", "guest 1");
    let path = rooms.stage.tenant.path(SEATS);
    let first = rest.post(&path, &body).expect("an answer");
    let again = rest.post(&path, &body).expect("an answer");
    assert_eq!((first.status, again.status), (201, 201), "{}", again.text);
    assert_eq!(first.json, again.json);
    let invite = far.expect_request("INVITE", SOON);
    far.reply(&invite, 486, "Busy Here");
    far.expect_request("ACK", SOON);
    assert!(far.hears_no("INVITE", Duration::from_millis(500)), "{}", far.history());
}

#[test]
fn the_last_member_that_ends_the_room_may_have_come_by_rest() {
    let rooms = Rooms::new();
    let a = rooms.enter("agent", A_HZ, &json!({}));
    rooms.expect_room("started", |room| room["status"] == "in-progress");
    let mut far = dial_into(&rooms, &json!({ "end_conference_on_exit": true, "beep": true }), H_HZ);
    expect_tone("A hears who was dialled", &a, H_HZ);
    rooms.expect_member(&far, "ends it", |shown| shown["end_conference_on_exit"] == true);
    far.hang_up();
    rooms.expect_left(&a);
    expect_next_verb("A", &a);
    rooms.expect_gone("/Conferences/desk");
}

#[test]
fn a_member_moves_to_another_room_without_its_phone_noticing() {
    let rooms = Rooms::new();
    let a = rooms.enter("agent", A_HZ, &json!({}));
    let mut c = rooms.enter("caller", C_HZ, &json!({}));
    rooms.seat("supervisor", &json!({ "name": "office" }));
    let s = rooms.call("supervisor", S_HZ);
    expect_tone("C hears A", &c, A_HZ);
    let moved = rooms.post("/Conferences/office/Participants", &json!({ "call_sid": c.call_sid }));
    assert_eq!(moved.status, 201, "{}", moved.text);
    let all = [A_HZ, C_HZ, S_HZ];
    expect_heard("moved", &all, &[("A", &a, &[]), ("C", &c, &[S_HZ]), ("S", &s, &[C_HZ])]);
    rooms.expect_gone(&seat(&c));
    rooms.expect_shown(
        &format!("/Conferences/office/Participants/{}", c.call_sid),
        "C in the office",
        |shown| shown["status"] == "joined",
    );
    assert!(c.sip.hears_no("INVITE", Duration::from_millis(300)), "{}", c.sip.history());
}

#[test]
fn a_participant_is_changed_as_a_whole_or_not_at_all() {
    let rooms = Rooms::new();
    let a = rooms.enter("agent", A_HZ, &json!({ "memberTag": "agent" }));
    let c = rooms.enter("caller", C_HZ, &json!({ "startConferenceOnEnter": false }));
    let h = rooms.enter("helper", H_HZ, &json!({ "startConferenceOnEnter": false }));
    let all = [A_HZ, C_HZ, H_HZ, HOLD_HZ, NEWS_HZ];
    let plain: [&[f64]; 3] = [&[C_HZ, H_HZ], &[A_HZ, H_HZ], &[A_HZ, C_HZ]];
    let expect = |state: &str, heard: [&[f64]; 3]| {
        let [at_a, at_c, at_h] = heard;
        expect_heard(state, &all, &[("A", &a, at_a), ("C", &c, at_c), ("H", &h, at_h)]);
    };
    expect("plain", plain);
    for (bad, status) in [
        (json!({}), 400),
        (json!({ "mute_status": "mute", "hold_status": "perhaps" }), 400),
        (json!({ "mute_status": "mute", "announce": { "verb": "hangup" } }), 400),
        (json!({ "mute_status": "mute", "speak_only_to": 7 }), 400),
    ] {
        rooms.put(&seat(&c), &bad, status);
        assert_eq!(rooms.stage.get(&seat(&c))["muted"], false, "{bad}");
    }
    rooms.put(&format!("{SEATS}/{NOBODY}"), &json!({ "mute_status": "mute" }), 404);

    // Several at once.
    let both = json!({ "member_tag": "guest", "speak_only_to": "agent" });
    rooms.put(&seat(&c), &both, 204);
    expect("C speaks to A alone", [&[C_HZ, H_HZ], &[A_HZ, H_HZ], &[A_HZ]]);
    rooms.expect_member(&c, "both", |shown| {
        shown["member_tag"] == "guest" && shown["speak_only_to"] == "agent"
    });
    rooms.put(&seat(&c), &json!({ "member_tag": null, "speak_only_to": null }), 204);
    expect("C speaks to all", plain);
    rooms.expect_member(&c, "neither", |shown| {
        shown["member_tag"].is_null() && shown["speak_only_to"].is_null()
    });

    // Held with music, then with other music.
    rooms.script(&json!({
        "/hold": [rooms.plays(HOLD_HZ, 20_000)], "/news": [rooms.plays(NEWS_HZ, 20_000)],
    }));
    let hook = |path: &str| format!("{}{path}", rooms.app.url);
    let held: [&[f64]; 3] = [&[H_HZ], &[HOLD_HZ], &[A_HZ]];
    rooms.put(&seat(&c), &json!({ "hold_status": "hold", "wait_hook": hook("/hold") }), 204);
    expect("held", held);
    rooms.expect_member(&c, "held", |shown| shown["held"] == true);
    rooms.put(&seat(&c), &json!({ "hold_status": "hold", "wait_hook": hook("/news") }), 204);
    expect("held with other music", [&[H_HZ], &[NEWS_HZ], &[A_HZ]]);
    rooms.put(&seat(&c), &json!({ "hold_status": "unhold" }), 204);
    expect("taken back", plain);
    rooms.expect_member(&c, "taken back", |shown| shown["held"] == false);
    rooms.app.assert_all_signed();
}

#[test]
fn who_waits_takes_no_commands_but_can_be_removed() {
    let rooms = Rooms::new();
    let waiting = json!({ "startConferenceOnEnter": false, "waitHook": "/wait" });
    let c = rooms.enter("caller", C_HZ, &waiting);
    rooms.expect_member(&c, "waiting", |shown| shown["status"] == "waiting");
    expect_tone("C waits", &c, WAIT_HZ);
    for body in [
        json!({ "mute_status": "mute" }),
        json!({ "hold_status": "hold" }),
        json!({ "member_tag": "x" }),
        json!({ "speak_only_to": "x" }),
    ] {
        rooms.put(&seat(&c), &body, 422);
    }
    let listed = rooms.stage.get(&format!("{SEATS}?status=waiting"));
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
    rooms.delete(&seat(&c), 204);
    rooms.expect_left(&c);
    expect_next_verb("C", &c);
    rooms.delete(&seat(&c), 404);

    let mut h = rooms.enter("helper", H_HZ, &waiting);
    rooms.expect_member(&h, "waiting", |shown| shown["status"] == "waiting");
    rooms.delete(&format!("{}?hangup=true", seat(&h)), 204);
    h.sip.expect_bye(SOON);
}

#[test]
fn what_was_removed_with_hangup_is_gone_and_what_is_elsewhere_is_no_participant() {
    let rooms = Rooms::new();
    let mut a = rooms.enter("agent", A_HZ, &json!({}));
    rooms.expect_room("started", |room| room["status"] == "in-progress");
    rooms.script(
        &json!({ "/call#visitor": [{ "verb": "answer" }, { "verb": "pause", "length": 60 }] }),
    );
    let visitor = quiet(&rooms, "visitor");
    rooms.expect_gone(&seat(&visitor));
    rooms.put(&seat(&visitor), &json!({ "mute_status": "mute" }), 404);
    rooms.delete(&seat(&visitor), 404);
    rooms.delete(&format!("{}?hangup=true", seat(&a)), 204);
    a.sip.expect_bye(SOON);
    rooms.expect_gone("/Conferences/desk");
}
