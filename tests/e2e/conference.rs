//! Control of a running conference over REST, judged by what arrives at the listeners' sockets.

use std::time::{Duration, SystemTime};

use serde_json::json;
use support::rtp_peer::Voice;

use crate::stage::{Caller, LEVEL_DB, SOON, Stage};

/// Tones that a single 20 ms frame can tell apart.
const ALICE_HZ: f64 = 450.0;
const BOB_HZ: f64 = 800.0;
/// A tone below this counts as gone: 40 dB under the level sent.
const GONE_DB: f64 = LEVEL_DB - 40.0;
/// How soon a mute must be heard, or rather not.
const MUTE_LIMIT: Duration = Duration::from_millis(100);

fn conference() -> (Stage, Caller, Caller) {
    let stage = Stage::new();
    stage.answer_with_conference("desk");
    let alice = stage.caller("alice", ALICE_HZ);
    let bob = stage.caller("bob", BOB_HZ);
    support::wait::expect("both hear each other", SOON, || {
        let heard = |caller: &Caller, hz| {
            caller.rtp.listen(Duration::from_millis(60)).first_with(hz, LEVEL_DB - 3.0).is_some()
        };
        heard(&alice, BOB_HZ) && heard(&bob, ALICE_HZ)
    });
    (stage, alice, bob)
}

/// Mutes alice, checks what bob and she hear, unmutes her again.
fn mute_and_unmute(stage: &Stage, path: &str, accepted: u16, alice: &Caller, bob: &Caller) {
    assert_eq!(stage.put(path, &json!({ "mute_status": "mute" })), accepted);
    let answered = SystemTime::now();
    let at_alice = alice.rtp.listen(Duration::from_millis(500));
    let after = bob.rtp.heard().since(answered);
    if let Some(last) = after.last_with(ALICE_HZ, GONE_DB) {
        let late = last.duration_since(answered).unwrap_or_default();
        assert!(late <= MUTE_LIMIT, "bob still heard alice {late:?} after the answer to {path}");
    }
    assert!(after.length() >= Duration::from_millis(400), "bob no longer receives audio");
    assert!((at_alice.level_db(BOB_HZ) - LEVEL_DB).abs() <= 1.0, "alice no longer hears bob");

    assert_eq!(stage.put(path, &json!({ "mute_status": "unmute" })), accepted);
    support::wait::expect("bob hears alice again", SOON, || {
        let heard = bob.rtp.listen(Duration::from_millis(60));
        heard.first_with(ALICE_HZ, LEVEL_DB - 3.0).is_some()
    });
}

#[test]
fn a_muted_participant_is_gone_for_others_within_100_ms_and_hears_on() {
    let (stage, alice, bob) = conference();
    let call = format!("/Calls/{}", alice.call_sid);
    mute_and_unmute(&stage, &call, 202, &alice, &bob);
    let participant = format!("/Conferences/desk/Participants/{}", alice.call_sid);
    mute_and_unmute(&stage, &participant, 204, &alice, &bob);

    stage.put(&participant, &json!({ "mute_status": "mute" }));
    // What reads show follows the room by a message.
    support::wait::expect("alice is shown muted", SOON, || {
        stage.get(&participant)["muted"] == true
    });
}

#[test]
fn how_audio_flows_is_shown_of_calls_and_participants() {
    let (stage, alice, bob) = conference();
    let participant = format!("/Conferences/desk/Participants/{}", alice.call_sid);
    support::wait::expect("alice is shown talking", SOON, || {
        stage.get(&participant)["talking"] == true
    });
    bob.rtp.say(Voice::Silence);
    support::wait::expect("bob is shown silent", SOON, || {
        stage.get(&format!("/Conferences/desk/Participants/{}", bob.call_sid))["talking"] == false
    });
    let media = stage.get(&participant)["media"].clone();
    assert_eq!((&media["codec"], &media["ptime_ms"]), (&json!("PCMU"), &json!(20)));
    let number = |name: &str| media[name].as_u64().unwrap_or_else(|| panic!("{name}: {media}"));
    assert!(number("packets_received") > 0 && number("packets_sent") > 0);
    assert_eq!(number("octets_received"), 160 * number("packets_received"));
    assert_eq!((number("packets_lost"), number("packets_duplicate")), (0, 0));
    assert!(media["delay_ms"].as_f64().is_some_and(|ms| (20.0..200.0).contains(&ms)), "{media}");

    let call = stage.get(&format!("/Calls/{}", alice.call_sid));
    assert!(call["media"]["packets_received"].as_u64() >= Some(number("packets_received")));
    let metrics = stage.server.admin().get("/metrics").expect("an answer").text;
    for line in ["calls_live 2", "conferences_live 1", "conference_participants 2"] {
        assert!(metrics.lines().any(|shown| shown == line), "{line} is missing in\n{metrics}");
    }
}

#[test]
fn a_removed_participant_leaves_and_the_call_goes_on_or_ends_as_asked() {
    let (stage, mut alice, mut bob) = conference();
    let participant = format!("/Conferences/desk/Participants/{}", bob.call_sid);
    assert_eq!(stage.delete(&format!("{participant}?hangup=true")), 204);
    bob.sip.expect_bye(SOON);
    assert_eq!(stage.statuses(&bob.call_sid), ["trying", "in-progress", "completed"]);

    let participants = stage.get("/Conferences/desk/Participants");
    assert_eq!(participants.as_array().map(Vec::len), Some(1), "{participants}");
    let one = &participants[0];
    assert_eq!(one["call_sid"], alice.call_sid.as_str());
    assert_eq!((&one["status"], &one["muted"]), (&json!("joined"), &json!(false)));

    // Without another verb the call of a removed member ends.
    assert_eq!(stage.delete(&format!("/Conferences/desk/Participants/{}", alice.call_sid)), 204);
    alice.sip.expect_bye(SOON);
    support::wait::expect("the empty conference is gone", SOON, || {
        stage.get("/Conferences") == json!([])
    });
}

#[test]
fn a_lone_member_receives_a_steady_stream_of_silence() {
    let stage = Stage::new();
    stage.answer_with_conference("alone");
    let mut alice = stage.caller("alice", ALICE_HZ);
    let heard = alice.rtp.listen(Duration::from_secs(2));
    let packets = heard.frames.len();
    assert!((98..=103).contains(&packets), "{packets} packets in two seconds");
    assert!(heard.level_db(ALICE_HZ) < GONE_DB, "she hears herself");
    let steps_by_160 = heard
        .frames
        .windows(2)
        .all(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp).is_multiple_of(160));
    assert!(steps_by_160, "timestamps do not advance by whole frames");
    alice.hang_up();
}

#[test]
fn dialling_a_conference_by_name_needs_no_application() {
    let stage = Stage::new();
    let mut sip = stage.phone("alice");
    let rtp = support::RtpPeer::start(Voice::Silence);
    let mut call = sip.call(&stage.uri("conference-lobby"), &rtp).expect("answered");
    // The 200 and the room's opening race.
    support::wait::expect("the room is open", SOON, || {
        stage.get("/Conferences") == json!(["lobby"])
    });
    assert!(stage.hooks.requests("/call").is_empty());
    assert_eq!(sip.hang_up(&mut call).code(), Some(200));
}

#[test]
fn a_member_sent_to_a_prompt_hears_it_out_and_goes_on() {
    let stage = Stage::new();
    stage.answer_with_conference("desk");
    let silence = json!([{ "verb": "play", "url": "silence_stream://100" }, { "verb": "hangup" }]);
    stage.hooks.on_json("/prompt", silence);
    for name in ["alice", "bob", "carol", "dave"] {
        let mut alice = stage.caller(name, ALICE_HZ);
        support::wait::expect("alice in the room", SOON, || {
            // 404 between the room of the last one and that of this one.
            let path = stage.tenant.path("/Conferences/desk/Participants");
            let members = stage.tenant.rest.get(&path).expect("an answer").json;
            members[0]["call_sid"] == json!(alice.call_sid)
        });
        let call = format!("/Calls/{}", alice.call_sid);
        let update = json!({ "call_hook": stage.hooks.url("/prompt") });
        assert_eq!(stage.put(&call, &update), 202);
        alice.sip.expect_bye(SOON);
    }
}
