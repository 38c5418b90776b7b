//! `listen` nested in `dial` and in `conference`: one side's voice at the application's WebSocket (verbs.md §4).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use support::heard::median_level_db;
use support::wait;

use super::{ALICE_HZ, BOB_HZ, Dials, text, user};
use crate::scripted::Scripted;
use crate::stage::{LEVEL_DB, SOON};

const NOT_HEARD_DB: f64 = LEVEL_DB - 35.0;

/// What is kept of a stream, once that is so.
fn expect_stream(house: &Scripted, name: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let rest = support::Rest::new(&house.app.url, "");
    let mut last = Value::Null;
    let met = wait::until(SOON, || {
        last = rest.get(&format!("/stream/{name}")).ok()?.json;
        is(&last).then_some(())
    });
    last["audio"] = json!(null);
    assert!(met.is_some(), "{name}: {what}: {last}");
    last
}

/// The stream has a tone and no other of these two.
fn carries(stream: &Value, hz: f64) -> bool {
    let Ok(bytes) = BASE64.decode(text(stream, "audio")) else { return false };
    // The last half second: the two may only have begun to talk before.
    let samples: Vec<i16> =
        bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    let Some(recent) = samples.len().checked_sub(4_000).map(|from| &samples[from..]) else {
        return false;
    };
    [ALICE_HZ, BOB_HZ].into_iter().all(|tone| {
        let level = median_level_db(recent, tone);
        if tone == hz { (level - LEVEL_DB).abs() < 1.5 } else { level < NOT_HEARD_DB }
    })
}

#[test]
fn the_voice_of_one_side_is_streamed_while_the_two_talk() {
    let dials = Dials::new();
    let (mut alice, mut bob, legs) =
        dials.pair(&json!({ "listen": { "url": "/stream/a", "metadata": { "team": "red" } } }));
    let stream =
        expect_stream(&dials, "a", "the caller's voice", |stream| carries(stream, ALICE_HZ));
    let metadata = &stream["metadata"];
    assert_eq!(metadata["team"], "red", "{stream}");
    assert_eq!(metadata["mixType"], "mono", "{stream}");
    let call_sid = text(metadata, "callSid");
    assert!([&legs.parent, &legs.child].contains(&&call_sid), "{stream}");
    bob.hang_up().expect("hung up");
    let closed = |stream: &Value| stream["closed"] == 1000;
    expect_stream(&dials, "a", "closed with the bridge", closed);
    alice.hang_up().expect("hung up");

    let listen = json!({ "stream": { "url": "/stream/b", "channel": 2 } });
    dials.connects("alice", &user("bob"), &listen);
    alice.dial(&dials.stage.uri("1000"), SOON).expect("answered");
    expect_stream(&dials, "b", "the callee's voice", |stream| carries(stream, BOB_HZ));
}

#[test]
fn the_voice_of_one_member_is_streamed_while_it_is_in_its_conference() {
    let house = Scripted::new();
    let seat = |listen: Value| {
        let mut verb = json!({ "verb": "conference", "name": "desk" });
        if let (Some(verb), Value::Object(more)) = (verb.as_object_mut(), listen) {
            verb.extend(more);
        }
        json!([verb])
    };
    house.script(&json!({
        // The library does not know it here.
        "/call#alice": { "plain": seat(json!({ "listen": { "url": "/stream/member" } })) },
        "/call#bob": seat(json!({})),
    }));
    let call = |user: &str, hz: f64| {
        let mut sip = house.stage.phone(user);
        let rtp = support::RtpPeer::start(support::rtp_peer::Voice::tone(hz, LEVEL_DB));
        let call = sip.call(&house.stage.uri("1000"), &rtp).expect("answered");
        (sip, rtp, call)
    };
    let _bob = call("bob", BOB_HZ);
    let (mut alice, _rtp, mut talk) = call("alice", ALICE_HZ);
    expect_stream(&house, "member", "its voice", |stream| carries(stream, ALICE_HZ));
    assert_eq!(alice.hang_up(&mut talk).code(), Some(200));
    expect_stream(&house, "member", "closed with its stay", |stream| stream["closed"] == 1000);
}
