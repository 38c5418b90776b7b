//! A foreign phone transfers its call to another one: who is heard before and after, and what the
//! application, REST and both phones are told.

use std::time::Duration;

use support::wait;

use crate::stage::{Caller, LEVEL_DB, SOON, Stage};

const PEER_HZ: f64 = 450.0;
const ALICE_HZ: f64 = 750.0;
const BOB_HZ: f64 = 1_150.0;
/// Quieter than this is not heard.
const QUIET_DB: f64 = LEVEL_DB - 40.0;

/// The peer hears exactly that one of the two phones.
fn wait_heard(peer: &Caller, heard: f64, silent: f64) {
    wait::expect("the right phone is heard", SOON, || {
        let sound = peer.rtp.listen(Duration::from_millis(240));
        (sound.level_db(heard) - LEVEL_DB).abs() < 1.5 && sound.level_db(silent) < QUIET_DB
    });
}

#[test]
fn a_phone_transfers_its_call_blindly_and_the_other_takes_its_place() {
    let stage = Stage::with_env(&[("TRUNKLINE__SIP__TRANSFERS", "clients")]);
    stage.answer_with_conference("transfer");
    let mut peer = stage.caller("peer", PEER_HZ);
    let mut alice = stage.baresip("alice", ALICE_HZ);
    let mut bob = stage.baresip("bob", BOB_HZ);
    alice.dial(&stage.uri("1000"), SOON).expect("answered");
    wait_heard(&peer, ALICE_HZ, BOB_HZ);
    let call_sid = stage.call_sid_from("alice");

    alice.transfer(&stage.uri("bob")).expect("asked for");
    bob.wait_event("CALL_ESTABLISHED", SOON).expect("called and answered");
    wait_heard(&peer, BOB_HZ, ALICE_HZ);
    alice.wait_event("CALL_CLOSED", SOON).expect("its call is over");
    let call = stage.tenant.call(&call_sid).expect("an answer");
    assert_eq!(call["call_status"], "in-progress", "the call goes on with bob: {call}");

    bob.hang_up().expect("hung up");
    assert_eq!(stage.statuses(&call_sid), ["trying", "in-progress", "completed"]);
    peer.hang_up();
}

/// `baresip` hangs up by itself when its transfer fails.
#[test]
fn a_transfer_to_nobody_is_told_to_have_failed() {
    let stage = Stage::with_env(&[("TRUNKLINE__SIP__TRANSFERS", "clients")]);
    stage.answer_with_conference("transfer");
    let mut peer = stage.caller("peer", PEER_HZ);
    let mut alice = stage.baresip("alice", ALICE_HZ);
    alice.dial(&stage.uri("1000"), SOON).expect("answered");
    wait_heard(&peer, ALICE_HZ, BOB_HZ);
    alice.transfer(&stage.uri("nobody")).expect("asked for");
    alice.wait_event("TRANSFER_FAILED", SOON).expect("told so");
    let call_sid = stage.call_sid_from("alice");
    assert_eq!(stage.statuses(&call_sid), ["trying", "in-progress", "completed"]);
    peer.hang_up();
}
