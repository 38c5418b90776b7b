//! A foreign phone puts its call on hold and takes it back, with wideband codecs and over TCP: what is
//! heard before, meanwhile and after.
//!
//! `baresip` 1.0 records no more after its first hold, so what it hears afterwards is told by what the
//! server sends it, and what it says by the tone at the other end.

use std::time::Duration;

use support::Baresip;
use support::baresip::{Codec, Phone};
use support::heard::median_level_db;
use support::wait;

use crate::stage::{Caller, LEVEL_DB, PASSWORD, SOON, Stage};

const PHONE_HZ: f64 = 750.0;
const PEER_HZ: f64 = 450.0;

/// Quieter than this is not heard.
const QUIET_DB: f64 = LEVEL_DB - 40.0;

/// The peer hears the phone at that level, or does not, as `heard` says.
fn wait_at_peer(peer: &Caller, heard: bool) {
    wait::expect(if heard { "the phone is heard" } else { "the phone is silent" }, SOON, || {
        let level = peer.rtp.listen(Duration::from_millis(240)).level_db(PHONE_HZ);
        if heard { (level - LEVEL_DB).abs() < 1.5 } else { level < QUIET_DB }
    });
}

/// The phone's recording of its latest moments has the peer's tone.
fn wait_at_phone(phone: &Baresip) {
    wait::expect("the peer is heard", SOON, || {
        let heard = phone.listen(0.3).expect("sound");
        (median_level_db(&heard, PEER_HZ) - LEVEL_DB).abs() < 1.5
    });
}

/// Packets that the server has sent to a call.
fn sent(stage: &Stage, call_sid: &str) -> u64 {
    let media = &stage.get(&format!("/Calls/{call_sid}"))["media"];
    media["packets_sent"].as_u64().unwrap_or_else(|| panic!("no count in {media}"))
}

fn holds_and_resumes(user: &str, codec: Codec, transport: &str) {
    let stage = Stage::new();
    stage.answer_with_conference("hold");
    let mut peer = stage.caller("peer", PEER_HZ);
    stage.tenant.client(user, PASSWORD).expect("a SIP client");
    let mut phone = Baresip::start(&Phone {
        user,
        password: PASSWORD,
        realm: &stage.tenant.realm,
        server: stage.server.sip(),
        transport,
        tones: &[(PHONE_HZ, LEVEL_DB)],
        codec,
    })
    .expect("baresip runs");
    phone.wait_registered(SOON).expect("registered");
    phone.dial(&stage.uri("1000"), SOON).expect("answered");
    wait_at_peer(&peer, true);
    wait_at_phone(&phone);
    let call_sid = stage.call_sid_from(user);
    for _ in 0..2 {
        phone.hold().expect("on hold");
        wait_at_peer(&peer, false);
        phone.resume().expect("taken back");
        let before = sent(&stage, &call_sid);
        wait_at_peer(&peer, true);
        wait::expect("sound for the phone", SOON, || sent(&stage, &call_sid) > before + 25);
    }
    phone.hang_up().expect("hung up");
    assert_eq!(stage.statuses(&call_sid), ["trying", "in-progress", "completed"]);
    peer.hang_up();
}

#[test]
fn a_phone_of_g722_holds_and_takes_back() {
    holds_and_resumes("gertrude", Codec::G722, "udp");
}

#[test]
fn a_phone_of_opus_holds_and_takes_back_over_tcp() {
    holds_and_resumes("oscar", Codec::Opus, "tcp");
}
