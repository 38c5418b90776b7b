//! A request to place a call, sent twice under one `Idempotency-Key`: it rings once.

use std::time::Duration;

use serde_json::{Value, json};
use support::{Answer, SipPeer};

use crate::stage::{SOON, Stage};

fn order(stage: &Stage, far: &SipPeer) -> Value {
    json!({
        "from": "15083084809",
        "to": { "type": "sip", "sipUri": format!("sip:far@{}", far.local_addr()) },
        "call_hook": stage.hooks.url("/call"),
        "call_status_hook": stage.hooks.url("/status"),
    })
}

fn post(stage: &Stage, key: &str, body: &Value) -> Answer {
    let rest = stage.tenant.rest.with_header("Idempotency-Key", key);
    rest.post(&stage.tenant.path("/Calls"), body).expect("an answer")
}

fn refuse(far: &mut SipPeer) {
    let invite = far.expect_request("INVITE", SOON);
    far.reply(&invite, 486, "Busy Here");
    far.expect_request("ACK", SOON);
}

#[test]
fn a_call_ordered_twice_is_placed_once_also_over_a_kill_9() {
    let mut stage = Stage::new();
    let mut far = SipPeer::udp(stage.server.sip());
    let body = order(&stage, &far);
    let first = post(&stage, "order 7", &body);
    let call_sid = first.sid().expect("201");
    refuse(&mut far);
    let again = post(&stage, "order 7", &body);
    assert_eq!((again.status, &again.json), (201, &first.json));
    stage.server.kill().expect("killed");
    stage.server.restart().expect("it comes up");
    let again = post(&stage, "order 7", &body);
    assert_eq!((again.status, &again.json), (201, &first.json));

    let mut other = body.clone();
    other["from"] = json!("15083084810");
    let refused = post(&stage, "order 7", &other);
    assert_eq!(refused.status, 422, "{}", refused.text);
    // The next call that comes is the next that was ordered, and no other.
    let next = post(&stage, "order 8", &other);
    assert_ne!(next.sid().expect("201"), call_sid);
    let invite = far.expect_request("INVITE", SOON);
    assert!(invite.header("From").is_some_and(|from| from.contains("15083084810")), "{invite}");
    far.reply(&invite, 486, "Busy Here");
    far.expect_request("ACK", SOON);
    assert!(far.hears_no("INVITE", Duration::from_millis(300)), "{}", far.history());
}

#[test]
fn orders_at_the_same_moment_are_one_call() {
    let stage = Stage::new();
    let mut far = SipPeer::udp(stage.server.sip());
    let body = order(&stage, &far);
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let sent: Vec<_> = (0..8).map(|_| scope.spawn(|| post(&stage, "at once", &body))).collect();
        sent.into_iter().map(|sent| sent.join().expect("an answer")).collect()
    });
    refuse(&mut far);
    for answer in &answers {
        assert_eq!((answer.status, &answer.json), (201, &answers[0].json), "{}", answer.text);
    }
    assert!(far.hears_no("INVITE", Duration::from_millis(300)), "{}", far.history());
}
