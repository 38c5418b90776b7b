//! Two peers of ours, brought together by `dial`.

use std::time::Duration;

use serde_json::{Value, json};
use support::rtp_peer::Voice;
use support::sip_peer::SipCall;
use support::{HookServer, RtpPeer, SipPeer, wait};

use crate::stage::{Caller, LEVEL_DB, SOON, Stage};

pub(crate) const ALICE_HZ: f64 = 450.0;
pub(crate) const BOB_HZ: f64 = 800.0;
/// 40 dB under the level sent.
pub(crate) const GONE_DB: f64 = LEVEL_DB - 40.0;

/// A stage whose application dials bob with these properties, then says good-bye with a header.
#[allow(clippy::needless_pass_by_value, reason = "json! literals read best by value")]
pub(crate) fn dialling(stage: &Stage, properties: Value) {
    let mut dial = json!({
        "verb": "dial",
        "target": [{"type": "user", "name": "bob"}],
        "actionHook": "/done",
    });
    if let (Some(dial), Value::Object(more)) = (dial.as_object_mut(), properties) {
        dial.extend(more);
    }
    stage.hooks.on_json("/done", json!([]));
    let bye = json!({"verb": "hangup", "headers": {"X-Next": "reached"}});
    stage.hooks.on_json("/call", json!([dial, bye]));
}

pub(crate) fn registered(stage: &Stage, user: &str) -> SipPeer {
    let mut phone = stage.phone(user);
    assert_eq!(phone.register(300).code(), Some(200), "{}", phone.history());
    phone
}

pub(crate) fn hears(who: &RtpPeer, hz: f64) -> bool {
    who.listen(Duration::from_millis(60)).first_with(hz, LEVEL_DB - 3.0).is_some()
}

pub(crate) fn wait_to_hear(who: &RtpPeer, hz: f64) {
    wait::expect("the tone is heard", SOON, || hears(who, hz));
}

pub(crate) fn wait_for_silence(who: &RtpPeer, hz: f64) {
    wait::expect("the tone is gone", SOON, || {
        who.listen(Duration::from_millis(200)).level_db(hz) < GONE_DB
    });
}

/// What the action hook was told.
pub(crate) fn results(hooks: &HookServer) -> (Value, Value) {
    let told = hooks.wait_for("/done", SOON, |requests| !requests.is_empty());
    let told = &told[0].json;
    (told["dial_call_status"].clone(), told["dial_sip_status"].clone())
}

/// The sid of the latest child, as events name it.
pub(crate) fn child_sid(stage: &Stage) -> String {
    let is_child = |request: &support::HookRequest| !request.text("parent_call_sid").is_empty();
    let events = stage.hooks.wait_for("/status", SOON, |events| events.iter().any(is_child));
    let latest = events.iter().rev().find(|event| is_child(event));
    latest.map(|event| event.text("call_sid").to_owned()).unwrap_or_default()
}

/// Two who talk.
pub(crate) struct Pair {
    pub(crate) alice: Caller,
    pub(crate) bob: SipPeer,
    pub(crate) bob_rtp: RtpPeer,
    pub(crate) bob_call: SipCall,
    pub(crate) child: String,
}

pub(crate) fn talking(stage: &Stage) -> Pair {
    let mut bob = registered(stage, "bob");
    let alice = stage.caller("alice", ALICE_HZ);
    let invite = bob.expect_request("INVITE", SOON);
    let bob_rtp = RtpPeer::start(Voice::tone(BOB_HZ, LEVEL_DB));
    let bob_call = bob.accept(&invite, &bob_rtp);
    wait_to_hear(&alice.rtp, BOB_HZ);
    wait_to_hear(&bob_rtp, ALICE_HZ);
    let child = child_sid(stage);
    Pair { alice, bob, bob_rtp, bob_call, child }
}
