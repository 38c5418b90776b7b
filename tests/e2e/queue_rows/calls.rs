//! Queued calls over REST, line by line (contract rest.md §3.5).

use std::net::UdpSocket;

use serde_json::{Value, json};

use super::ears::Ear;
use super::phones::Line;
use super::{
    AFTER_HZ, AGENT_HZ, CALLER_HZ, MUSIC_HZ, NEWS_HZ, NOBODY, OTHER_HZ, Queues, call, queued,
};
use crate::stage::SOON;

const CALLS: &str = "/Queues/support/Calls";

/// A user who is answered by an application that has nothing to do with queues.
fn idle(queues: &Queues, user: &str, hz: f64) -> Line {
    let verbs = json!([{ "verb": "answer" }, { "verb": "pause", "length": 60 }]);
    queues.script(&json!({ format!("/call#{user}"): verbs }));
    queues.line_of(user, hz)
}

/// A call that is out and not answered; the socket is where it rings.
fn unanswered(queues: &Queues) -> (String, UdpSocket) {
    let nobody = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let uri = format!("sip:far@{}", nobody.local_addr().expect("bound"));
    let body = json!({
        "from": "15083084809", "to": { "type": "sip", "sipUri": uri },
        "call_hook": queues.url("/news"), "call_status_hook": queues.url("/status"),
    });
    (queues.stage.create_call(&body), nobody)
}

#[test]
fn a_queued_call_is_shown_with_all_there_is_to_know() {
    let queues = Queues::new();
    let sid = queues.post("/Queues", &json!({ "name": "support" })).sid().expect("201");
    assert_eq!(queues.stage.get(CALLS), json!([]));
    queues.expect_gone("/Queues/support/Calls/Front");
    queues.waits("carl", &json!({ "priority": 7 }));
    queues.waits("cora", &json!({}));
    let carl = queues.line_of("carl", CALLER_HZ);
    queues.expect_length(1);
    let cora = queues.line_of("cora", OTHER_HZ);
    queues.expect_line(&["carl", "cora"]);
    let tag = json!({ "tag": { "number": 7 } });
    queues.put(&call(&carl.call_sid), &tag, 202);
    let shown = queues.expect_shown(&queued(&carl.call_sid), "its tag, a second later", |shown| {
        shown["customer_data"]["number"] == 7 && shown["wait_time"].as_u64() >= Some(1)
    });
    let itself = queues.stage.get(&call(&carl.call_sid));
    for (name, value) in [
        ("call_sid", json!(carl.call_sid)),
        ("account_sid", json!(queues.stage.tenant.account_sid)),
        ("queue_sid", json!(sid)),
        ("queue_name", json!("support")),
        ("position", json!(0)),
        ("priority", json!(7)),
        ("direction", json!("inbound")),
        ("from", json!("carl")),
        ("to", json!("1000")),
        ("call_status", json!("in-progress")),
        ("caller_name", itself["caller_name"].clone()),
        ("application_sid", itself["application_sid"].clone()),
    ] {
        assert_eq!(shown[name], value, "{name}: {shown}");
    }
    assert!(shown["queued_at"].is_string(), "{shown}");
    let second = queues.stage.get(&queued(&cora.call_sid));
    assert_eq!((&second["position"], &second["priority"]), (&json!(1), &json!(999)), "{second}");
    assert_eq!(second["customer_data"], Value::Null, "{second}");
    let by_sid = queues.stage.get(&format!("/Queues/{sid}/Calls"));
    let sids: Vec<&Value> =
        by_sid.as_array().into_iter().flatten().map(|row| &row["call_sid"]).collect();
    assert_eq!(sids, [carl.call_sid.as_str(), cora.call_sid.as_str()]);
    let front = queues.stage.get("/Queues/support/Calls/Front");
    assert_eq!(front["call_sid"], carl.call_sid.as_str());
    queues.expect_gone(&queued(NOBODY));
    queues.expect_gone("/Queues/nowhere/Calls");
    queues.expect_gone("/Queues/nowhere/Calls/Front");
}

#[test]
fn rest_puts_a_live_call_into_a_queue_and_takes_it_out_again() {
    let queues = Queues::new();
    queues.post("/Queues", &json!({ "name": "support" })).sid().expect("201");
    queues.script(&json!({ "/after": [queues.plays(AFTER_HZ, 60_000)] }));
    let carl = idle(&queues, "carl", CALLER_HZ);
    let body = json!({
        "call_sid": carl.call_sid, "priority": 7,
        "wait_hook": queues.url("/wait"), "action_hook": queues.url("/after"),
    });
    let assigned = queues.post(CALLS, &body);
    assert_eq!((assigned.status, &assigned.json), (201, &json!({ "sid": carl.call_sid })));
    assert_eq!(queues.stage.get(&queued(&carl.call_sid))["priority"], 7);
    carl.expect("carl waits", &[MUSIC_HZ]);
    let (ringing, _nobody) = unanswered(&queues);
    for (body, status) in [
        (body, 422),
        (json!({}), 400),
        (json!({ "call_sid": carl.call_sid, "priority": -1 }), 400),
        (json!({ "call_sid": NOBODY }), 404),
        (json!({ "call_sid": ringing }), 422),
    ] {
        assert_eq!(queues.post(CALLS, &body).status, status, "{body}");
    }
    let nowhere = json!({ "call_sid": carl.call_sid });
    assert_eq!(queues.post("/Queues/nowhere/Calls", &nowhere).status, 404);

    // Out again: with what its hook says.
    queues.delete(&queued(&carl.call_sid), 204);
    queues.expect_after(&carl.call_sid, "leave");
    queues.expect_next_verb("carl", &carl);
    queues.delete(&queued(&carl.call_sid), 404);
    // Without a hook nothing follows, and the call is over.
    let cora = idle(&queues, "cora", OTHER_HZ);
    assert_eq!(queues.post(CALLS, &json!({ "call_sid": cora.call_sid })).status, 201);
    assert_eq!(queues.stage.get(&queued(&cora.call_sid))["priority"], 999);
    cora.expect_silence("cora, who waits without a hook");
    queues.delete(&queued(&cora.call_sid), 204);
    cora.ends_well();
    // Hung up, whatever its hook would say.
    assert_eq!(queues.post(CALLS, &json!({ "call_sid": carl.call_sid })).status, 201);
    queues.delete(&format!("{}?hangup=true", queued(&carl.call_sid)), 204);
    let last = queues.last_status(&carl.call_sid);
    assert_eq!(last["call_termination_by"], "jambonz", "{last}");
    carl.ends_well();
    queues.expect_length(0);
    queues.delete(&call(&ringing), 204);
    let rows: Vec<_> = queues
        .events()
        .into_iter()
        .map(|(event, from, _, why)| format!("{event} {from} {why}"))
        .collect();
    let of = |user: &str| [format!("join {user} "), format!("leave {user} removed")];
    assert_eq!(rows, [of("carl"), of("cora"), of("carl")].concat());
}

#[test]
fn a_call_that_talks_in_a_dial_is_not_put_into_a_queue() {
    let queues = Queues::new();
    queues.post("/Queues", &json!({ "name": "support" })).sid().expect("201");
    let bob = queues.stage.baresip("bob", OTHER_HZ);
    let name = format!("bob@{}", queues.stage.tenant.realm);
    let dial = json!({ "verb": "dial", "target": [{ "type": "user", "name": name }] });
    queues.script(&json!({ "/call#carl": [dial] }));
    let carl = queues.dial("carl", CALLER_HZ);
    carl.expect("carl", &[OTHER_HZ]);
    let child = queues.told("/status", "the dialled call", |body| {
        body["parent_call_sid"] == carl.call_sid.as_str()
    });
    for talker in [&json!(carl.call_sid), &child["call_sid"]] {
        assert_eq!(queues.post(CALLS, &json!({ "call_sid": talker })).status, 422, "{talker}");
    }
    carl.expect("carl still", &[OTHER_HZ]);
    // Nor is it an agent to whom somebody could be given.
    let cora = queues.caller("cora", AGENT_HZ);
    for talker in [&json!(carl.call_sid), &child["call_sid"]] {
        let to = json!({ "dequeue_to": { "call_sid": talker } });
        queues.put(&queued(&cora.call_sid), &to, 422);
    }
    cora.expect("cora waits on", &[MUSIC_HZ]);
    drop(bob);
}

#[test]
fn a_queued_call_is_sent_to_another_application() {
    let queues = Queues::new();
    queues.script(&json!({ "/after": [queues.plays(OTHER_HZ, 60_000)] }));
    let carl = queues.caller("carl", CALLER_HZ);
    let path = queued(&carl.call_sid);
    for (body, status) in [
        (json!({}), 400),
        (json!({ "priority": 1, "call_hook": queues.url("/news") }), 400),
        (json!({ "priority": 1, "dequeue_to": { "call_sid": NOBODY } }), 400),
        (json!({ "priority": -1 }), 400),
        (json!({ "call_hook": "/news" }), 400),
        (json!({ "dequeue_to": NOBODY }), 400),
        (json!({ "leave": true }), 400),
    ] {
        queues.put(&path, &body, status);
    }
    carl.expect("carl waits all the time", &[MUSIC_HZ]);
    queues.put(&path, &json!({ "call_hook": queues.url("/news") }), 204);
    carl.expect("carl", &[NEWS_HZ]);
    let after = queues.expect_after(&carl.call_sid, "hangup");
    assert_eq!(after["call_status"], "in-progress", "{after}");
    carl.assert_never("carl", OTHER_HZ);
    carl.assert_never("carl", AFTER_HZ);
    queues.put(&path, &json!({ "call_hook": queues.url("/news") }), 404);
    queues.expect_gone("/Queues/support");
    queues.expect_events(&[("join", "carl", 1, ""), ("leave", "carl", 0, "removed")]);
}

#[test]
fn a_queued_call_is_handed_to_an_agent_s_call() {
    let queues = Queues::new();
    let carl = queues.caller("carl", CALLER_HZ);
    queues.waits("cora", &json!({}));
    let cora = queues.line_of("cora", OTHER_HZ);
    queues.expect_line(&["carl", "cora"]);
    let anna = idle(&queues, "anna", AGENT_HZ);
    let (ringing, _nobody) = unanswered(&queues);
    let to = |call_sid: &str| json!({ "dequeue_to": { "call_sid": call_sid } });
    let path = queued(&cora.call_sid);
    for unfit in [NOBODY, &ringing, &cora.call_sid] {
        queues.put(&path, &to(unfit), 422);
    }
    queues.put(&queued(&anna.call_sid), &to(&carl.call_sid), 404);
    cora.expect("cora waits on", &[MUSIC_HZ]);
    queues.expect_line(&["carl", "cora"]);

    // Out of turn.
    queues.put(&path, &to(&anna.call_sid), 204);
    anna.expect("anna", &[OTHER_HZ]);
    cora.expect("cora", &[AGENT_HZ]);
    queues.put(&path, &to(&anna.call_sid), 404);
    queues.delete(&path, 404);
    queues.put(&queued(&carl.call_sid), &to(&anna.call_sid), 422);
    let assign = json!({ "call_sid": anna.call_sid });
    assert_eq!(queues.post(CALLS, &assign).status, 422, "she talks");
    queues.expect_line(&["carl"]);

    // Her application is over with the talk; cora's goes on.
    queues.delete(&call(&anna.call_sid), 204);
    anna.ends_well();
    queues.expect_after(&cora.call_sid, "bridged");
    queues.expect_next_verb("cora", &cora);
    queues.expect_events(&[
        ("join", "carl", 1, ""),
        ("join", "cora", 2, ""),
        ("leave", "cora", 1, "dequeued"),
    ]);
    let told = queues.told("/events", "the last", |body| body["event"] == "leave");
    assert_eq!(told["dequeuer"]["call_sid"], json!(queues.call_sid("anna")), "{told}");
    // The other way round: the caller hangs up, and nothing follows for her who took him.
    let amy = idle(&queues, "amy", AGENT_HZ);
    let mut carl = carl;
    queues.put(&queued(&carl.call_sid), &to(&amy.call_sid), 204);
    amy.expect("amy", &[CALLER_HZ]);
    carl.hang_up();
    let last = queues.last_status(&amy.call_sid);
    assert_eq!(last["call_termination_by"], "jambonz", "{last}");
    amy.ends_well();
    queues.delete(&call(&ringing), 204);
    carl.baresip.wait_event("CALL_CLOSED", SOON).expect("over");
}
