//! Conferences over REST, line by line (contract rest.md §3.2).

use serde_json::{Value, json};
use support::rtp_peer::Voice;

use super::ears::{expect_heard, expect_next_verb, expect_tone};
use super::{A_HZ, C_HZ, H_HZ, Rooms, S_HZ, WAIT_HZ, call, seat};
use crate::stage::{Caller, SOON};

fn names(list: &Value) -> Vec<&str> {
    let list = list["data"].as_array().or(list.as_array()).expect("a list");
    list.iter().filter_map(|room| room["name"].as_str().or(room.as_str())).collect()
}

#[test]
fn rooms_are_listed_by_name_and_in_detail_laid_down_or_open() {
    let rooms = Rooms::new();
    let sid = rooms.post("/Conferences", &json!({ "name": "attic" })).sid().expect("201");
    rooms
        .post("/Conferences", &json!({ "name": "cellar", "persistent": false }))
        .sid()
        .expect("201");
    let _a = rooms.enter("agent", A_HZ, &json!({}));
    rooms.expect_room("started", |room| room["status"] == "in-progress");
    let listed = rooms.stage.get("/Conferences");
    let mut plain = names(&listed);
    plain.sort_unstable();
    assert_eq!(plain, ["attic", "cellar", "desk"]);
    for (query, expected) in [
        ("?detail=true&name=ell", vec!["cellar"]),
        ("?detail=true&status=in-progress", vec!["desk"]),
        ("?page=1&page_size=10&status=init", vec!["attic", "cellar"]),
    ] {
        let listed = rooms.stage.get(&format!("/Conferences{query}"));
        let mut found = names(&listed);
        found.sort_unstable();
        assert_eq!(found, expected, "{query}: {listed}");
        if query.contains("page") {
            assert_eq!((&listed["page"], &listed["total"]), (&json!(1), &json!(2)), "{listed}");
        }
    }
    let one = rooms.stage.get("/Conferences/attic");
    assert_eq!(one["conference_sid"], sid.as_str());
    assert_eq!(one["started_at"], Value::Null);
    assert_eq!(one["recording"]["state"], "off");
    assert_eq!(rooms.stage.get(&format!("/Conferences/{sid}")), one, "by sid and by name");
    for (body, status) in [
        (json!({}), 400),
        (json!({ "name": "a/b" }), 400),
        (json!({ "name": "x", "max_participants": 1 }), 400),
        (json!({ "name": "attic" }), 422),
        (json!({ "name": "desk" }), 422),
    ] {
        assert_eq!(rooms.post("/Conferences", &body).status, status, "{body}");
    }
    rooms.put("/Conferences/nowhere", &json!({ "locked": true }), 404);
    rooms.put("/Conferences/attic", &json!({ "locked": "perhaps" }), 400);
    rooms.delete("/Conferences/nowhere", 404);
    rooms.expect_gone("/Conferences/nowhere");
}

#[test]
fn a_room_s_own_wait_hook_is_for_those_whose_verb_names_none() {
    let rooms = Rooms::new();
    let wait_hook = format!("{}/wait", rooms.app.url);
    rooms
        .post("/Conferences", &json!({ "name": "desk", "wait_hook": wait_hook }))
        .sid()
        .expect("201");
    let c = rooms.enter("caller", C_HZ, &json!({ "startConferenceOnEnter": false }));
    rooms.expect_room("one waits", |room| room["waiting_count"] == 1);
    expect_tone("C hears the room's music", &c, WAIT_HZ);
    let _a = rooms.enter("agent", A_HZ, &json!({}));
    expect_tone("C hears A", &c, A_HZ);
    let shown = rooms.expect_room("started", |room| room["status"] == "in-progress");
    for (name, value) in [
        ("participant_count", json!(2)),
        ("waiting_count", json!(0)),
        ("moderator_count", json!(1)),
        ("persistent", json!(true)),
    ] {
        assert_eq!(shown[name], value, "{shown}");
    }
}

#[test]
fn deleting_a_room_releases_its_members_and_those_who_wait() {
    let rooms = Rooms::new();
    let starter = json!({ "statusHook": "/events", "statusEvents": ["start", "end", "leave"] });
    let a = rooms.enter("agent", A_HZ, &starter);
    let c = rooms.enter("caller", C_HZ, &json!({}));
    expect_tone("C hears A", &c, A_HZ);
    rooms.delete("/Conferences/desk", 204);
    for (name, member) in [("A", &a), ("C", &c)] {
        rooms.expect_left(member);
        expect_next_verb(name, member);
    }
    rooms.told("/events", "the end", |body| body["event"] == "end");
    let told = rooms.events();
    assert_eq!(told.iter().filter(|(event, _)| event == "end").count(), 1, "{told:?}");
    assert_eq!(told.last().map(|(event, _)| event.as_str()), Some("end"), "{told:?}");
    rooms.expect_gone("/Conferences/desk");

    // Nobody has started it: those who wait are released as well.
    let waiting = json!({ "startConferenceOnEnter": false, "waitHook": "/wait" });
    let h = rooms.enter("helper", H_HZ, &waiting);
    rooms.expect_member(&h, "waiting", |shown| shown["status"] == "waiting");
    rooms.delete("/Conferences/desk", 204);
    rooms.expect_left(&h);
    expect_next_verb("H", &h);
}

#[test]
fn deleting_a_room_with_hangup_ends_its_calls() {
    let rooms = Rooms::new();
    let mut a = rooms.enter("agent", A_HZ, &json!({}));
    let mut c = rooms.enter("caller", C_HZ, &json!({}));
    expect_tone("C hears A", &c, A_HZ);
    rooms.delete("/Conferences/desk?hangup=true", 204);
    for member in [&mut a, &mut c] {
        member.sip.expect_bye(SOON);
    }
    rooms.expect_gone("/Conferences/desk");
}

#[test]
fn a_locked_room_lets_nobody_in() {
    let rooms = Rooms::new();
    let _a = rooms.enter("agent", A_HZ, &json!({}));
    rooms.expect_room("started", |room| room["status"] == "in-progress");
    rooms.put("/Conferences/desk", &json!({ "locked": true }), 204);
    let c = rooms.enter("caller", C_HZ, &json!({}));
    let left = rooms.expect_left(&c);
    assert_eq!(left["reason"], "conference locked", "{left}");
    expect_next_verb("C", &c);
    let path = "/Conferences/desk/Participants";
    assert_eq!(rooms.post(path, &json!({ "call_sid": c.call_sid })).status, 422);
    rooms.put("/Conferences/desk", &json!({ "locked": false }), 204);
    assert_eq!(rooms.post(path, &json!({ "call_sid": c.call_sid })).status, 201);
    expect_tone("C is in", &c, A_HZ);
}

#[test]
fn commands_to_a_room_need_one_that_has_started_and_come_one_at_a_time() {
    let rooms = Rooms::new();
    let commands = || {
        let news = json!({ "verb": "play", "url": "silence_stream://100" });
        [
            json!({ "mute_status": "mute" }),
            json!({ "hold_status": "hold" }),
            json!({ "announce": news }),
        ]
    };
    rooms.post("/Conferences", &json!({ "name": "desk" })).sid().expect("201");
    for command in commands() {
        rooms.put("/Conferences/desk", &command, 422);
    }
    let a = rooms.enter("agent", A_HZ, &json!({}));
    let c = rooms.enter("caller", C_HZ, &json!({ "startConferenceOnEnter": false }));
    expect_tone("C hears A", &c, A_HZ);
    for (bad, status) in [
        (json!({ "mute_status": "mute", "hold_status": "hold" }), 400),
        (json!({ "mute_status": "loud" }), 400),
        (json!({ "hold_status": 1 }), 400),
        (json!({ "announce": { "verb": "hangup" } }), 400),
    ] {
        rooms.put("/Conferences/desk", &bad, status);
    }
    let tones = [A_HZ, C_HZ];
    for (status, at_a, at_c) in [
        (json!({ "mute_status": "mute" }), &[][..], &[A_HZ][..]),
        (json!({ "mute_status": "unmute" }), &[C_HZ][..], &[A_HZ][..]),
        (json!({ "hold_status": "hold" }), &[][..], &[][..]),
        (json!({ "hold_status": "unhold" }), &[C_HZ][..], &[A_HZ][..]),
    ] {
        rooms.put("/Conferences/desk", &status, 204);
        expect_heard(&status.to_string(), &tones, &[("A", &a, at_a), ("C", &c, at_c)]);
    }
}

#[test]
fn members_are_listed_in_the_order_they_came_with_all_there_is_to_know() {
    let rooms = Rooms::new();
    let waiting = json!({ "startConferenceOnEnter": false, "memberTag": "t", "waitHook": "/wait" });
    let c = rooms.enter("caller", C_HZ, &waiting);
    let first = rooms.expect_member(&c, "waiting", |shown| shown["status"] == "waiting");
    assert_eq!(
        (&first["moderator"], &first["member_tag"]),
        (&json!(false), &json!("t")),
        "{first}"
    );
    let ends = json!({ "endConferenceOnExit": true });
    let a = rooms.enter("agent", A_HZ, &ends);
    let s = rooms.enter("supervisor", S_HZ, &json!({ "speakOnlyTo": "t" }));
    s.rtp.say(Voice::Silence);
    rooms.expect_member(&s, "silent", |shown| shown["talking"] == false);
    rooms.expect_member(&a, "talking", |shown| shown["talking"] == true);
    let listed = rooms.expect_shown("/Conferences/desk/Participants", "three", |list| {
        list.as_array().is_some_and(|list| list.len() == 3)
    });
    let sids: Vec<&Value> =
        listed.as_array().into_iter().flatten().map(|m| &m["call_sid"]).collect();
    let in_order = [&a, &c, &s].map(|member| member.call_sid.as_str());
    // In the order in which they joined: C waited for A.
    assert_eq!(sids, in_order, "{listed}");
    let room = rooms.stage.get("/Conferences/desk");
    for (member, user, flags) in [
        (&a, "agent", [true, true]),
        (&c, "caller", [false, false]),
        (&s, "supervisor", [true, false]),
    ] {
        let shown = rooms.stage.get(&seat(member));
        let [moderator, ends] = flags;
        for (name, value) in [
            ("conference_sid", room["conference_sid"].clone()),
            ("conference_name", json!("desk")),
            ("account_sid", json!(rooms.stage.tenant.account_sid)),
            ("status", json!("joined")),
            ("direction", json!("inbound")),
            ("from", json!(user)),
            ("call_status", json!("in-progress")),
            ("muted", json!(false)),
            ("held", json!(false)),
            ("moderator", json!(moderator)),
            ("end_conference_on_exit", json!(ends)),
            ("customer_data", Value::Null),
        ] {
            assert_eq!(shown[name], value, "{name} of {user}: {shown}");
        }
        assert!(shown["member_id"].is_u64() && shown["joined_at"].is_string(), "{shown}");
        assert!(shown["duration"].is_u64(), "{shown}");
    }
    assert_eq!(rooms.stage.get(&seat(&s))["speak_only_to"], "t");
    let filtered = rooms.stage.get("/Conferences/desk/Participants?status=waiting");
    assert_eq!(filtered, json!([]));
    rooms.put(&call(&c), &json!({ "tag": { "number": 7 } }), 202);
    rooms.expect_member(&c, "its tag", |shown| shown["customer_data"]["number"] == 7);
    rooms.expect_gone("/Conferences/desk/Participants/00000000-0000-4000-8000-000000000000");
    rooms.expect_gone("/Conferences/nowhere/Participants");
}

/// A member that nobody has to hear.
pub(super) fn quiet(rooms: &Rooms, user: &str) -> Caller {
    let caller = rooms.call(user, H_HZ);
    caller.rtp.say(Voice::Silence);
    caller
}

#[test]
fn what_is_recorded_is_shown_and_goes_in_order() {
    let rooms = Rooms::new();
    let _a = rooms.enter("agent", A_HZ, &json!({}));
    rooms.expect_room("started", |room| room["status"] == "in-progress");
    for (bad, status) in [("rewind", 400), ("stop", 422), ("resume", 422), ("pause", 422)] {
        rooms.put("/Conferences/desk", &json!({ "record": { "action": bad } }), status);
    }
    for (action, state, again) in [
        ("start", "on", 422),
        ("pause", "paused", 422),
        ("resume", "on", 422),
        ("stop", "off", 422),
    ] {
        let record = json!({ "record": { "action": action } });
        rooms.put("/Conferences/desk", &record, 204);
        rooms.expect_room(action, |room| room["recording"]["state"] == state);
        rooms.put("/Conferences/desk", &record, again);
    }
}
