//! Three foreign phones in one conference: who hears whom, and what everyone is told about it.

use serde_json::json;
use support::Baresip;
use support::baresip::{Codec, Phone};
use support::heard::median_level_db;

use crate::stage::{LEVEL_DB, PASSWORD, SOON, Stage};

/// The phones and the tone each of them sends.
const PHONES: [(&str, f64); 3] = [("alice", 450.0), ("bob", 750.0), ("carol", 1_150.0)];

/// A new client of the account and its phone; bob's speaks TCP.
fn start_phone(stage: &Stage, user: &str, hz: f64) -> Baresip {
    stage.tenant.client(user, PASSWORD).expect("a SIP client");
    let phone = Phone {
        user,
        password: PASSWORD,
        realm: &stage.tenant.realm,
        server: stage.server.sip(),
        transport: if user == "bob" { "tcp" } else { "udp" },
        tones: &[(hz, LEVEL_DB)],
        codec: Codec::Pcmu,
    };
    Baresip::start(&phone).expect("baresip runs")
}

fn start_phones(stage: &Stage) -> Vec<Baresip> {
    let mut phones: Vec<Baresip> =
        PHONES.into_iter().map(|(user, hz)| start_phone(stage, user, hz)).collect();
    for phone in &mut phones {
        phone.wait_registered(SOON).expect("registered");
        phone.dial(&stage.uri("1000"), SOON).expect("answered");
    }
    phones
}

#[test]
fn three_baresip_phones_in_a_conference_hear_the_others_and_not_themselves() {
    let stage = Stage::new();
    stage.answer_with_conference("tea");
    let mut phones = start_phones(&stage);

    let participants = stage.get("/Conferences/tea/Participants");
    assert_eq!(participants.as_array().map(Vec::len), Some(3), "{participants}");
    assert_eq!(stage.get("/Conferences"), json!(["tea"]));
    let registered = stage.get("/RegisteredSipUsers");
    assert_eq!(registered.as_array().map(Vec::len), Some(3), "{registered}");

    for (listener, (name, own)) in phones.iter().zip(PHONES) {
        let heard = listener.listen(1.5).expect("sound");
        let level = |hz| median_level_db(&heard, hz);
        let others: Vec<f64> =
            PHONES.iter().filter(|(_, hz)| *hz != own).map(|(_, hz)| level(*hz)).collect();
        assert!((others[0] - others[1]).abs() <= 1.0, "{name} hears the others at {others:?} dB");
        assert!((others[0] - LEVEL_DB).abs() <= 1.0, "{name} hears the others at {others:?} dB");
        let own = level(own) - others[0];
        assert!(own <= -40.0, "{name} hears itself at {own} dB below the others");
    }

    let bob = stage.call_sid_from("bob");
    assert_eq!(stage.delete(&format!("/Calls/{bob}")), 204);
    phones[1].wait_event("CALL_CLOSED", SOON).expect("a BYE");
    assert_eq!(stage.statuses(&bob), ["trying", "in-progress", "completed"]);
    let last = stage.hooks.events("/status", &bob).pop().expect("a final event");
    assert_eq!(last.text("call_termination_by"), "jambonz");
    assert!(last.json["duration"].is_u64(), "{}", last.json);

    for (index, user) in [(0, "alice"), (2, "carol")] {
        phones[index].hang_up().expect("hung up");
        let call_sid = stage.call_sid_from(user);
        assert_eq!(stage.statuses(&call_sid), ["trying", "in-progress", "completed"]);
        let last = stage.hooks.events("/status", &call_sid).pop().expect("a final event");
        assert_eq!(last.text("call_termination_by"), "caller");
    }
    conference_events_are_in_order(&stage);
}

fn conference_events_are_in_order(stage: &Stage) {
    let events = stage.hooks.wait_for("/conference", SOON, |events| {
        events.last().is_some_and(|event| event.text("event") == "end")
    });
    let told: Vec<(&str, Option<u64>)> =
        events.iter().map(|e| (e.text("event"), e.json["members"].as_u64())).collect();
    let names: Vec<&str> = told.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["start", "join", "join", "join", "leave", "leave", "leave", "end"]);
    let members: Vec<Option<u64>> = told[1..7].iter().map(|(_, members)| *members).collect();
    assert_eq!(members, [1, 2, 3, 2, 1, 0].map(Some));
    let sid = format!("conf:{}:tea", stage.tenant.account_sid);
    for event in &events {
        assert_eq!(event.text("conference_sid"), sid, "{}", event.json);
        assert_eq!(event.text("friendly_name"), "tea", "{}", event.json);
    }
    let secret = stage.tenant.webhook_secret().expect("a secret");
    assert!(stage.hooks.all_requests().iter().all(|request| request.is_signed_with(&secret)));
}

#[test]
fn a_baresip_phone_answers_a_call_made_over_rest_on_either_transport() {
    let stage = Stage::new();
    stage.hooks.on_json("/call", json!([{ "verb": "pause", "length": 60 }]));
    for (user, hz) in [PHONES[0], PHONES[1]] {
        let mut phone = start_phone(&stage, user, hz);
        phone.wait_registered(SOON).expect("registered");
        let call_sid = stage.create_call(&json!({
            "from": "15083084809",
            "to": { "type": "user", "name": format!("{user}@{}", stage.tenant.realm) },
            "application_sid": stage.application_sid,
        }));
        phone.wait_event("CALL_ESTABLISHED", SOON).expect("answered");
        stage.hooks.wait_for("/call", SOON, |requests| {
            requests.iter().any(|request| request.text("call_sid") == call_sid)
        });
        let heard = phone.listen(0.5).expect("silence, but a stream of it");
        assert!(median_level_db(&heard, hz) < LEVEL_DB - 40.0, "{user} hears itself");
        assert_eq!(stage.delete(&format!("/Calls/{call_sid}")), 204);
        phone.wait_event("CALL_CLOSED", SOON).expect("a BYE");
        let mut statuses = stage.statuses(&call_sid);
        statuses.retain(|status| status != "ringing");
        assert_eq!(statuses, ["trying", "in-progress", "completed"]);
    }
}
