//! What offers decide: codec, length of a packet, and how keys travel.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use serde_json::json;
use support::heard::longest_absence;
use support::rtp_peer::Voice;
use support::tone::Tone;
use support::{RtpFormat, RtpPeer, sdp, wait};

use crate::stage::{Caller, LEVEL_DB, SOON, Stage};

const ALICE_HZ: f64 = 450.0;
const BOB_HZ: f64 = 800.0;

/// A tone of our level in that format.
fn tone(format: &RtpFormat, hz: f64) -> Voice {
    Voice::Tone(Tone::at_rate(hz, LEVEL_DB, format.coding.rate()))
}

fn wait_heard(listener: &Caller, hz: f64) {
    wait::expect("the other one is heard", SOON, || {
        (listener.rtp.listen(Duration::from_millis(240)).level_db(hz) - LEVEL_DB).abs() < 1.0
    });
}

/// Both hear each other at their level and not themselves; what arrives is unbroken.
fn hear_each_other(pair: [(&Caller, f64); 2]) {
    let [(alice, alice_hz), (bob, bob_hz)] = pair;
    wait_heard(alice, bob_hz);
    wait_heard(bob, alice_hz);
    let start = SystemTime::now();
    let length = Duration::from_millis(1_200);
    let at_alice = alice.rtp.listen(length);
    let at_bob = bob.rtp.heard().since(start);
    assert!(at_bob.length() >= length - Duration::from_millis(200), "{:?}", at_bob.length());
    for (listener, heard, own, other) in
        [(alice, at_alice, alice_hz, bob_hz), (bob, at_bob, bob_hz, alice_hz)]
    {
        let format = listener.rtp.format();
        let level = heard.level_db(other) - LEVEL_DB;
        assert!(level.abs() <= 1.0, "{format:?} hears the other one {level} dB off");
        let echo = heard.level_db(own) - LEVEL_DB;
        assert!(echo <= -40.0, "{format:?} hears itself at {echo} dB");
        let gap = longest_absence(&heard.samples(), other, LEVEL_DB - 10.0);
        assert!(gap <= Duration::from_millis(20), "{format:?}: a gap of {gap:?}");
        let units = format.packet_samples() as u32;
        for pair in heard.frames.windows(2) {
            let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
            let packets = pair[1].seq.wrapping_sub(pair[0].seq);
            assert_eq!((step, packets), (units, 1), "{format:?}");
        }
        let samples = 8 * format.ptime_ms as usize;
        assert!(heard.frames.iter().all(|frame| frame.samples.len() == samples), "{format:?}");
    }
}

#[test]
fn packets_are_as_long_as_asked_for_both_ways() {
    let stage = Stage::new();
    stage.answer_with_conference("lengths");
    let bob = stage.caller("bob", BOB_HZ);
    for ptime_ms in [10, 30, 40, 60] {
        let format = RtpFormat { ptime_ms, ..RtpFormat::PCMU };
        let name = format!("alice{ptime_ms}");
        let mut alice = stage.caller_speaking(&name, format, tone(&format, ALICE_HZ));
        let answer = String::from_utf8_lossy(&alice.call.answer.body).into_owned();
        assert!(answer.contains(&format!("a=ptime:{ptime_ms}\r\n")), "{answer}");
        hear_each_other([(&alice, ALICE_HZ), (&bob, BOB_HZ)]);
        let media = &stage.get(&format!("/Calls/{}", alice.call_sid))["media"];
        assert_eq!(media["ptime_ms"], ptime_ms, "{media}");
        alice.hang_up();
    }
}

#[test]
fn a_law_and_linear_peers_hear_each_other() {
    let stage = Stage::new();
    stage.answer_with_conference("codecs");
    let carol_hz = 1_150.0;
    let formats = [
        ("alice", RtpFormat::L16_WIDE, ALICE_HZ, "L16"),
        ("bob", RtpFormat::PCMA, BOB_HZ, "PCMA"),
        ("carol", RtpFormat { payload_type: 112, ..RtpFormat::L16_WIDE }, carol_hz, "L16"),
    ];
    let [alice, bob, carol] = formats.map(|(user, format, hz, codec)| {
        let caller = stage.caller_speaking(user, format, tone(&format, hz));
        wait::expect("the codec is shown", SOON, || {
            stage.get(&format!("/Calls/{}", caller.call_sid))["media"]["codec"] == json!(codec)
        });
        caller
    });
    hear_each_other([(&alice, ALICE_HZ), (&bob, BOB_HZ)]);
    hear_each_other([(&alice, ALICE_HZ), (&carol, carol_hz)]);
    hear_each_other([(&carol, carol_hz), (&bob, BOB_HZ)]);
}

#[test]
fn an_offer_of_codecs_and_rates_we_do_not_have_is_answered_488() {
    let stage = Stage::new();
    let mut alice = stage.phone("alice");
    let rtp = RtpPeer::start(Voice::Nothing);
    let attributes = "a=rtpmap:18 G729/8000\r\na=rtpmap:97 iLBC/8000\r\na=rtpmap:98 L16/44100/2\r\n\
                      a=rtpmap:99 PCMU/16000\r\na=rtpmap:101 telephone-event/8000\r\n";
    let offer = sdp::stream(rtp.local_addr(), "18 97 98 99 13 101", attributes);
    let refused = alice.call_offering(&stage.uri("conference-nobody"), &rtp, &offer);
    let response = refused.expect_err("refused");
    assert_eq!(response.code(), Some(488), "{}", alice.history());
}

/// How many keys the call has been told of.
fn digits(stage: &Stage, call_sid: &str) -> usize {
    let log = stage.server.log();
    log.lines().filter(|line| line.contains("digit received") && line.contains(call_sid)).count()
}

/// A stage that writes keys into its log.
fn keys_stage(inband: &str) -> Stage {
    let stage = Stage::with_env(&[
        ("TRUNKLINE_LOG", "info,trunkline::call=debug"),
        ("TRUNKLINE__MEDIA__INBAND_DTMF", inband),
    ]);
    stage.answer_with_conference("keys");
    stage
}

#[test]
fn keys_beside_opus_are_received_at_either_clock() {
    let stage = keys_stage("false");
    let mut alice = stage.phone("alice");
    let rtp = RtpPeer::start(Voice::Nothing);
    let attributes = "a=rtpmap:111 opus/48000/2\r\na=rtpmap:110 telephone-event/48000\r\n\
                      a=rtpmap:126 telephone-event/8000\r\n";
    let offer = sdp::stream(rtp.local_addr(), "111 110 126", attributes);
    let mut call = alice.call_offering(&stage.uri("1000"), &rtp, &offer).expect("answered");
    let answer = sdp::remote_audio(&call.answer.body).expect("audio");
    assert_eq!(answer.payload_types, [111, 110]);
    let call_sid = stage.call_sid_from("alice");
    for (pressed, (payload_type, clock_hz)) in
        [(110, 48_000), (126, 8_000), (110, 48_000)].into_iter().enumerate()
    {
        rtp.press(payload_type, clock_hz, 5);
        wait::expect("the key is received", SOON, || digits(&stage, &call_sid) == pressed + 1);
    }
    // Six packets of 20 ms, whatever the clock.
    let lengths = stage.server.log().matches("ms=120").count();
    assert_eq!(lengths, 3, "{}", stage.server.log());
    assert_eq!(alice.hang_up(&mut call).code(), Some(200));
}

#[test]
fn keys_sent_as_tones_are_received_of_peers_that_do_not_agree_on_events() {
    let stage = keys_stage("true");
    let plain = RtpFormat { events: false, ..RtpFormat::PCMU };
    let alice = stage.caller_speaking("alice", plain, Voice::Silence);
    let bob = stage.caller_speaking("bob", RtpFormat::PCMU, Voice::Silence);
    let key = |low, high| Voice::Pair(Tone::new(low, -12.0), Tone::new(high, -12.0));
    // 5, 9 and #: 100 ms each, with 100 ms between.
    let keys = || {
        let pause = || (5, Voice::Silence);
        let pressed = [(770.0, 1_336.0), (852.0, 1_477.0), (941.0, 1_477.0)]
            .into_iter()
            .flat_map(|(low, high)| [(5, key(low, high)), pause()]);
        Voice::Sequence(pressed.collect::<VecDeque<_>>())
    };
    bob.rtp.say(keys());
    wait_until_said(&bob);
    alice.rtp.say(keys());
    wait::expect("three keys", SOON, || digits(&stage, &alice.call_sid) == 3);
    wait_until_said(&alice);
    assert_eq!(digits(&stage, &alice.call_sid), 3);
    assert_eq!(digits(&stage, &bob.call_sid), 0, "bob's keys travel as events");
}

/// Until the peer has sent another second of packets.
fn wait_until_said(caller: &Caller) {
    let sent = caller.rtp.sent();
    wait::expect("a second of packets", SOON, || caller.rtp.sent() >= sent + 50);
}
