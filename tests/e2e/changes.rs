//! What is live follows what REST changes: calls of a closed account, registrations of a lost address.

use serde_json::{Value, json};
use support::wait;

use crate::stage::{PASSWORD, SOON, Stage};

fn registered(stage: &Stage) -> Value {
    stage.get("/RegisteredSipUsers")
}

fn expect_nobody(stage: &Stage) {
    wait::expect("nobody is registered", SOON, || registered(stage) == json!([]));
}

#[test]
fn a_deleted_account_is_hung_up_and_its_users_vanish() {
    let stage = Stage::new();
    stage.answer_with_conference("closing");
    let mut alice = stage.caller("alice", 450.0);
    assert_eq!(alice.sip.register(300).code(), Some(200), "{}", alice.sip.history());
    assert_eq!(registered(&stage), json!([format!("alice@{}", stage.tenant.realm)]));
    let admin = stage.server.admin();
    assert_eq!(admin.delete(&stage.tenant.path("")).expect("an answer").status, 204);
    alice.sip.expect_bye(SOON);
    assert_eq!(alice.sip.register(300).code(), Some(403), "{}", alice.sip.history());

    // Who gets the realm next does not inherit the phones.
    let body = json!({
        "name": "next",
        "service_provider_sid": stage.tenant.service_provider_sid,
        "sip_realm": stage.tenant.realm,
    });
    let next = admin.post("/v1/Accounts", &body).expect("an answer").sid().expect("201");
    let users = admin.get(&format!("/v1/Accounts/{next}/RegisteredSipUsers")).expect("an answer");
    assert_eq!((users.status, users.json), (200, json!([])));
}

#[test]
fn an_account_switched_off_is_hung_up_and_its_users_vanish() {
    let stage = Stage::new();
    stage.answer_with_conference("closing");
    let mut alice = stage.caller("alice", 450.0);
    assert_eq!(alice.sip.register(300).code(), Some(200), "{}", alice.sip.history());
    assert_eq!(stage.put("", &json!({ "is_active": false })), 204);
    alice.sip.expect_bye(SOON);
    assert_eq!(stage.statuses(&alice.call_sid).last().map(String::as_str), Some("completed"));
    expect_nobody(&stage);
    assert_eq!(alice.sip.register(300).code(), Some(403), "{}", alice.sip.history());
    assert_eq!(stage.put("", &json!({ "is_active": true })), 204);
    assert_eq!(alice.sip.register(300).code(), Some(200), "{}", alice.sip.history());
}

#[test]
fn a_deleted_client_is_registered_no_longer_and_the_others_stay() {
    let stage = Stage::new();
    let mut bob = stage.phone("bob");
    assert_eq!(bob.register(300).code(), Some(200));
    let sid = stage.tenant.client("alice", PASSWORD).expect("a client");
    let mut alice =
        support::SipPeer::udp(stage.server.sip()).as_client("alice", PASSWORD, &stage.tenant.realm);
    assert_eq!(alice.register(300).code(), Some(200));
    assert_eq!(registered(&stage).as_array().map(Vec::len), Some(2));
    let deleted = stage.tenant.rest.delete(&format!("/v1/Clients/{sid}")).expect("an answer");
    assert_eq!(deleted.status, 204);
    let bob_alone = json!([format!("bob@{}", stage.tenant.realm)]);
    wait::expect("bob is alone", SOON, || registered(&stage) == bob_alone);
    assert_eq!(alice.register(300).code(), Some(403), "{}", alice.history());
}

#[test]
fn a_client_renamed_or_switched_off_is_registered_no_longer() {
    let stage = Stage::new();
    let sid = stage.tenant.client("alice", PASSWORD).expect("a client");
    let peer = |user| {
        support::SipPeer::udp(stage.server.sip()).as_client(user, PASSWORD, &stage.tenant.realm)
    };
    let put = |body| {
        let answer = stage.tenant.rest.put(&format!("/v1/Clients/{sid}"), &body);
        assert_eq!(answer.expect("an answer").status, 204);
    };
    assert_eq!(peer("alice").register(300).code(), Some(200));
    put(json!({ "username": "carol", "password": PASSWORD }));
    expect_nobody(&stage);
    assert_eq!(peer("carol").register(300).code(), Some(200));
    put(json!({ "is_active": false }));
    expect_nobody(&stage);
    assert_eq!(peer("carol").register(300).code(), Some(403));
}
