//! Limits hold: a call too many is refused and a device too many is not registered, the owner can read
//! why, and what REST changes counts for the next one.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use support::message::Message;
use support::rtp_peer::Voice;
use support::{RtpPeer, SipPeer, wait};

use crate::dial::{dialling, registered, results};
use crate::stage::{Caller, LEVEL_DB, SOON, Stage};

/// Sets a limit of the account.
fn limit(stage: &Stage, category: &str, quantity: u32) {
    let body = json!({ "category": category, "quantity": quantity });
    let set = stage.tenant.rest.post(&stage.tenant.path("/Limits"), &body).expect("an answer");
    set.sid().expect("201");
}

fn limit_provider(stage: &Stage, quantity: u32) {
    let path = format!("/v1/ServiceProviders/{}/Limits", stage.tenant.service_provider_sid);
    let body = json!({ "category": "voice_call_session", "quantity": quantity });
    stage.server.admin().post(&path, &body).expect("an answer").sid().expect("201");
}

/// A call by a phone that is known already.
fn refused(stage: &Stage, phone: &mut SipPeer) -> Box<Message> {
    let rtp = RtpPeer::start(Voice::tone(450.0, LEVEL_DB));
    phone.call(&stage.uri("1000"), &rtp).expect_err("a call too many")
}

fn expect_full(stage: &Stage, phone: &mut SipPeer) {
    let refusal = refused(stage, phone);
    assert_eq!(refusal.code(), Some(503), "{refusal}");
    assert_eq!(refusal.header("X-Reason"), Some("Maximum Calls In Progress"), "{refusal}");
    assert_eq!(refusal.header("Retry-After"), None, "other tenants' calls are welcome");
}

/// The alerts of one kind, newest first, once there are some.
fn alerts(stage: &Stage, kind: &str) -> Vec<Value> {
    let path = format!("/Alerts?page=1&count=100&alert_type={kind}");
    let read = || stage.get(&path)["data"].as_array().cloned().unwrap_or_default();
    wait::expect("an alert", SOON, || !read().is_empty());
    read()
}

fn count(stage: &Stage) -> Value {
    stage.get("/CallCount")
}

fn expect_count(stage: &Stage, inbound: u32, outbound: u32) {
    let expected = json!({ "inbound": inbound, "outbound": outbound });
    wait::expect("that many calls", SOON, || count(stage) == expected);
}

#[test]
fn a_call_beyond_the_accounts_limit_is_refused_until_another_has_ended() {
    let stage = Stage::new();
    stage.answer_with_conference("full");
    limit(&stage, "voice_call_session", 2);
    let [mut alice, bob] = ["alice", "bob"].map(|user| stage.caller(user, 450.0));
    assert_eq!(count(&stage), json!({ "inbound": 2, "outbound": 0 }));
    let mut carol = stage.phone("carol");
    for _ in 0..5 {
        expect_full(&stage, &mut carol);
    }
    let told = alerts(&stage, "account-call-limit");
    assert_eq!(told.len(), 1, "a flood of refusals is one alert: {told:?}");
    assert_eq!(told[0]["message"], "refused: the account's limit of calls at once is 2");
    let detail = told[0]["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("carol") && detail.contains("1000"), "{detail}");
    assert_eq!(told[0]["service_provider_sid"], json!(stage.tenant.service_provider_sid));

    // Those that are up go on, and one more takes the place of one that has ended.
    alice.hang_up();
    expect_count(&stage, 1, 0);
    let rtp = RtpPeer::start(Voice::tone(450.0, LEVEL_DB));
    let mut call = carol.call(&stage.uri("1000"), &rtp).expect("there is room again");
    expect_count(&stage, 2, 0);
    expect_full(&stage, &mut alice.sip);
    assert_eq!(carol.hang_up(&mut call).code(), Some(200));
    let Caller { sip: mut bob, call: mut bobs, .. } = bob;
    assert_eq!(bob.hang_up(&mut bobs).code(), Some(200));
    expect_count(&stage, 0, 0);
}

#[test]
fn a_call_that_a_dial_may_not_place_fails_with_503_and_the_caller_goes_on() {
    let stage = Stage::new();
    limit(&stage, "voice_call_session", 1);
    dialling(&stage, json!({}));
    let mut bob = registered(&stage, "bob");
    let mut alice = stage.caller("alice", 450.0);
    assert_eq!(results(&stage.hooks), (json!("failed"), json!(503)));
    assert_eq!(alice.sip.expect_bye(SOON).header("X-Next"), Some("reached"));
    assert!(bob.hears_no("INVITE", Duration::from_millis(50)), "bob is not rung");
    let told = alerts(&stage, "account-call-limit");
    let detail = told[0]["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("dialled") && detail.contains(&alice.call_sid), "{detail}");
    expect_count(&stage, 0, 0);
}

#[test]
fn of_many_that_call_at_once_as_many_come_in_as_may() {
    let stage = Stage::new();
    stage.answer_with_conference("rush");
    limit(&stage, "voice_call_session", 3);
    let phones: Vec<_> = (0..8).map(|n| stage.phone(&format!("caller{n}"))).collect();
    let (ready, all_called) = (Barrier::new(phones.len()), Barrier::new(phones.len()));
    let uri = stage.uri("1000");
    let call = |mut phone: SipPeer| {
        let rtp = RtpPeer::start(Voice::tone(450.0, LEVEL_DB));
        ready.wait();
        let called = phone.call(&uri, &rtp);
        // Nobody hangs up before the last one has an answer.
        all_called.wait();
        match called {
            Ok(mut call) => phone.hang_up(&mut call).code(),
            Err(refusal) => refusal.code(),
        }
    };
    let call = &call;
    let answers: Vec<Option<u16>> = thread::scope(|scope| {
        let callers: Vec<_> =
            phones.into_iter().map(|phone| scope.spawn(move || call(phone))).collect();
        callers.into_iter().map(|caller| caller.join().expect("no panic")).collect()
    });
    let with = |code| answers.iter().filter(|answer| **answer == Some(code)).count();
    assert_eq!((with(200), with(503)), (3, 5), "{answers:?}");
    expect_count(&stage, 0, 0);
}

#[test]
fn a_limit_changed_over_rest_holds_for_the_next_call() {
    let stage = Stage::new();
    stage.answer_with_conference("changing");
    let mut alice = stage.phone("alice");
    let rtp = RtpPeer::start(Voice::tone(450.0, LEVEL_DB));
    limit(&stage, "voice_call_session", 0);
    expect_full(&stage, &mut alice);
    limit(&stage, "voice_call_session", 1);
    let mut call = alice.call(&stage.uri("1000"), &rtp).expect("one may call");
    let mut bob = stage.phone("bob");
    expect_full(&stage, &mut bob);
    assert_eq!(stage.delete("/Limits?category=voice_call_session"), 204);
    let mut bobs = bob.call(&stage.uri("1000"), &rtp).expect("without a limit all may");
    // Lowered below what there is it ends nobody's call.
    limit(&stage, "voice_call_session", 1);
    expect_count(&stage, 2, 0);
    assert_eq!(bob.hang_up(&mut bobs).code(), Some(200));
    expect_count(&stage, 1, 0);
    expect_full(&stage, &mut bob);
    assert_eq!(alice.hang_up(&mut call).code(), Some(200));
}

#[test]
fn calls_of_both_directions_count_and_one_too_many_is_not_placed() {
    let stage = Stage::new();
    stage.hooks.on_json("/call", json!([{ "verb": "pause", "length": 60 }]));
    limit(&stage, "voice_call_session", 1);
    let mut phone = SipPeer::udp(stage.server.sip());
    let order = json!({
        "from": "15083084809",
        "to": { "type": "sip", "sipUri": phone.contact_uri() },
        "application_sid": stage.application_sid,
    });
    let call_sid = stage.create_call(&order);
    let invite = phone.expect_request("INVITE", SOON);
    assert_eq!(count(&stage), json!({ "inbound": 0, "outbound": 1 }));
    let place = || stage.tenant.rest.post(&stage.tenant.path("/Calls"), &order).expect("an answer");
    let answer = place();
    assert_eq!(answer.status, 422, "{}", answer.text);
    assert_eq!(answer.json["msg"], "the account has reached its limit of calls at once");
    expect_full(&stage, &mut stage.phone("alice"));
    assert_eq!(alerts(&stage, "account-call-limit").len(), 1);
    assert_eq!(stage.get("/Calls").as_array().map(Vec::len), Some(1), "the second is no call");

    // A call that fails frees its place as one that ends does.
    phone.reply(&invite, 486, "Busy Here");
    assert_eq!(stage.statuses(&call_sid).last().map(String::as_str), Some("busy"));
    expect_count(&stage, 0, 0);
    let call_sid = stage.create_call(&order);
    let invite = phone.find(SOON, |message| {
        message.method() == Some("INVITE") && message.header("Call-ID") != invite.header("Call-ID")
    });
    assert!(invite.is_some(), "{}", phone.history());
    assert_eq!(stage.delete(&format!("/Calls/{call_sid}")), 204);
    expect_count(&stage, 0, 0);
}

#[test]
fn a_service_providers_limit_is_that_of_all_its_accounts() {
    let stage = Stage::new();
    stage.answer_with_conference("shared");
    limit_provider(&stage, 1);
    let mut alice = stage.caller("alice", 450.0);
    let mut bob = stage.phone("bob");
    expect_full(&stage, &mut bob);
    let told = alerts(&stage, "service-provider-call-limit");
    assert_eq!(told.len(), 1, "{told:?}");
    let message = told[0]["message"].as_str().unwrap_or_default();
    assert_eq!(message, "refused: the service provider has reached its limit of calls at once");
    limit_provider(&stage, 2);
    limit(&stage, "voice_call_session", 1);
    expect_full(&stage, &mut bob);
    assert_eq!(alerts(&stage, "account-call-limit").len(), 1);
    alice.hang_up();
}

#[test]
fn a_device_beyond_the_limit_is_not_registered_until_another_leaves() {
    let stage = Stage::new();
    let [mut alice, mut bob] = ["alice", "bob"].map(|user| stage.phone(user));
    limit(&stage, "device", 1);
    assert_eq!(alice.register(300).code(), Some(200), "{}", alice.history());
    let refusal = bob.register(300);
    assert_eq!(refusal.code(), Some(403), "{refusal}");
    assert_eq!(refusal.header("X-Reason"), Some("Maximum Devices Registered"), "{refusal}");
    let alice_alone = json!([format!("alice@{}", stage.tenant.realm)]);
    assert_eq!(stage.get("/RegisteredSipUsers"), alice_alone);
    let told = alerts(&stage, "account-device-limit");
    assert_eq!(told[0]["message"], "refused: the account's limit of registered devices is 1");
    assert_eq!(told[0]["detail"], format!("bob@{}", stage.tenant.realm));

    // Who is in may refresh, also under a limit of none; who is out may say that it leaves.
    limit(&stage, "device", 0);
    assert_eq!(alice.register(300).code(), Some(200), "{}", alice.history());
    assert_eq!(bob.register(0).code(), Some(200), "{}", bob.history());
    assert_eq!(alice.register(0).code(), Some(200), "{}", alice.history());
    assert_eq!(alice.register(300).code(), Some(403), "{}", alice.history());
    limit(&stage, "device", 1);
    assert_eq!(bob.register(300).code(), Some(200), "{}", bob.history());
    assert_eq!(alice.register(300).code(), Some(403), "{}", alice.history());
    assert_eq!(stage.delete("/Limits"), 204);
    assert_eq!(alice.register(300).code(), Some(200), "{}", alice.history());
    assert_eq!(alerts(&stage, "account-device-limit").len(), 1);
}
