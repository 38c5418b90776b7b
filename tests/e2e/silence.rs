//! Who talks and who does not: comfort noise, audio levels, talking events, and how calls are heard.

use std::time::Duration;

use serde_json::{Value, json};
use support::heard::Heard;
use support::rtp_format::COMFORT_NOISE;
use support::rtp_peer::Voice;
use support::tone::{Tone, rms_db};
use support::{RtpFormat, wait};

use crate::stage::{Caller, LEVEL_DB, SOON, Stage};

const ALICE_HZ: f64 = 450.0;
const BOB_HZ: f64 = 800.0;

fn stage(events: &[&str]) -> Stage {
    let stage = Stage::new();
    stage.answer_with_conference_telling("quiet", events);
    stage
}

fn is_loud(listener: &Caller, hz: f64) -> bool {
    let heard = listener.rtp.listen(Duration::from_millis(60));
    heard.first_with(hz, LEVEL_DB - 3.0).is_some()
}

#[test]
fn a_peer_with_comfort_noise_gets_one_descriptor_a_second_in_silence_and_the_others_a_stream() {
    let stage = stage(&[]);
    let with_noise = RtpFormat { comfort_noise: true, ..RtpFormat::PCMU };
    let alice = stage.caller_speaking("alice", with_noise, Voice::Silence);
    let bob = stage.caller_speaking("bob", RtpFormat::PCMU, Voice::Silence);
    let carol = stage.caller_speaking("carol", RtpFormat::PCMU, Voice::Silence);
    let noise = || {
        let others = alice.rtp.others();
        assert!(others.iter().all(|packet| packet.payload_type == COMFORT_NOISE), "{others:?}");
        others
    };
    let before = noise().len();
    wait::expect("four descriptors", SOON, || noise().len() >= before + 4);
    let noise = noise().split_off(before);
    assert!(noise.iter().all(|packet| packet.payload.first().is_some_and(|level| *level <= 127)));
    let (first, last) = (&noise[0], &noise[3]);
    let quiet = |heard: Heard| heard.since(first.at).until(last.at);
    assert!(quiet(alice.rtp.heard()).frames.is_empty(), "audio between descriptors");
    for pair in noise.windows(2) {
        assert_eq!(pair[1].timestamp.wrapping_sub(pair[0].timestamp), 8_000, "a second apart");
    }
    let stream = quiet(carol.rtp.heard()).frames;
    assert!((145..=155).contains(&stream.len()), "{} packets in three seconds", stream.len());
    assert!(carol.rtp.others().is_empty());

    // The first that alice hears then is what bob says, not later than carol, who has no pauses.
    bob.rtp.say(Voice::tone(BOB_HZ, LEVEL_DB));
    wait::expect("bob is heard", SOON, || is_loud(&alice, BOB_HZ) && is_loud(&carol, BOB_HZ));
    let first_at = |caller: &Caller| {
        let heard = caller.rtp.heard();
        (heard.first_with(BOB_HZ, LEVEL_DB - 12.0).expect("heard"), heard.since(last.at))
    };
    let ((at_alice, resumed), (at_carol, _)) = (first_at(&alice), first_at(&carol));
    let later = at_alice.duration_since(at_carol).unwrap_or_default();
    assert!(later <= Duration::from_millis(20), "alice hears bob {later:?} after carol");
    let silent = resumed.until(at_alice).frames.len();
    assert!(silent <= 2, "{silent} packets of silence before bob's voice");
    let heard = alice.rtp.listen(Duration::from_millis(500));
    assert!((heard.level_db(BOB_HZ) - LEVEL_DB).abs() <= 1.0, "{}", heard.level_db(BOB_HZ));

    bob.rtp.say(Voice::Silence);
    let before = alice.rtp.others().len();
    wait::expect("comfort noise again", SOON, || alice.rtp.others().len() > before);
}

#[test]
fn talking_is_told_as_it_begins_and_ends_but_not_of_the_muted() {
    let stage = stage(&["start-talking", "stop-talking"]);
    let alice = stage.caller("alice", ALICE_HZ);
    let bob = stage.caller_speaking("bob", RtpFormat::PCMU, Voice::Silence);
    let told = || -> Vec<String> {
        let events = stage.hooks.requests("/conference");
        let of_alice = |e: &&support::HookRequest| e.text("call_sid") == alice.call_sid;
        assert_eq!(events.iter().find(|event| !of_alice(event)).map(|e| &e.json), None);
        events.iter().filter(of_alice).map(|e| e.text("event").to_owned()).collect()
    };
    let participant = format!("/Conferences/quiet/Participants/{}", alice.call_sid);
    let expect = |events: &[&str]| {
        wait::expect(&format!("{events:?}"), SOON, || told().len() >= events.len());
        assert_eq!(told(), events);
        let talking = events.last() == Some(&"start-talking");
        wait::expect("the same over REST", SOON, || stage.get(&participant)["talking"] == talking);
    };
    expect(&["start-talking"]);
    alice.rtp.say(Voice::Silence);
    expect(&["start-talking", "stop-talking"]);
    alice.rtp.say(Voice::tone(ALICE_HZ, LEVEL_DB));
    expect(&["start-talking", "stop-talking", "start-talking"]);
    alice.rtp.say(Voice::Silence);
    let all = ["start-talking", "stop-talking", "start-talking", "stop-talking", "start-talking"];
    expect(&all[..4]);

    assert_eq!(stage.put(&participant, &json!({ "mute_status": "mute" })), 204);
    alice.rtp.say(Voice::tone(ALICE_HZ, LEVEL_DB));
    let _ = bob.rtp.listen(Duration::from_secs(1));
    expect(&all[..4]);
    assert_eq!(stage.put(&participant, &json!({ "mute_status": "unmute" })), 204);
    expect(&all);
    // Muting a member that talks ends its turn.
    assert_eq!(stage.put(&participant, &json!({ "mute_status": "mute" })), 204);
    expect(&[&all[..], &["stop-talking"]].concat());
}

#[test]
fn a_clean_call_is_shown_with_its_codec_and_a_high_mos() {
    let stage = stage(&[]);
    let alice = stage.caller("alice", ALICE_HZ);
    let bob = stage.caller("bob", BOB_HZ);
    let path = format!("/Calls/{}", alice.call_sid);
    let media = |path: &str| stage.get(path)["media"].clone();
    wait::expect("two seconds of packets", SOON, || {
        media(&path)["packets_received"].as_u64() >= Some(100)
    });
    assert!(is_loud(&bob, ALICE_HZ));
    let participant = format!("/Conferences/quiet/Participants/{}", alice.call_sid);
    for shown in [media(&path), media(&participant)] {
        let number = |name: &str| shown[name].as_f64().unwrap_or_else(|| panic!("{name}: {shown}"));
        assert_eq!((&shown["codec"], &shown["ptime_ms"]), (&json!("PCMU"), &json!(20)));
        assert!(number("mos") > 4.0 && number("mos") <= 4.5, "{shown}");
        assert_eq!((number("packets_lost"), number("packets_duplicate")), (0.0, 0.0), "{shown}");
        assert!((0.0..40.0).contains(&number("jitter_ms")), "{shown}");
        assert!((20.0..200.0).contains(&number("delay_ms")), "{shown}");
        assert_eq!(number("octets_received"), 160.0 * number("packets_received"), "{shown}");
        assert!(number("packets_sent") > 90.0, "{shown}");
        assert_eq!(shown.get("round_trip_ms"), None::<&Value>, "the peer sends no RTCP: {shown}");
    }
}

#[test]
fn a_peer_that_measures_itself_silent_is_not_mixed_and_heard_from_its_first_loud_packet() {
    let stage = stage(&[]);
    let with_level = RtpFormat { level_extension: Some(3), ..RtpFormat::PCMU };
    let alice = stage.caller_speaking("alice", with_level, Voice::Silence);
    let bob = stage.caller_speaking("bob", RtpFormat::PCMU, Voice::Silence);
    let answer = String::from_utf8_lossy(&alice.call.answer.body).into_owned();
    assert!(answer.contains("a=extmap:3") && answer.contains("ssrc-audio-level"), "{answer}");
    let loudness = || rms_db(&bob.rtp.listen(Duration::from_millis(200)).samples());

    // -26 dB of noise: heard as long as alice says that it is some.
    alice.rtp.say_at(Voice::noise(-24.0), 0x80 | 30);
    wait::expect("noise is heard", SOON, || loudness() > -35.0);
    alice.rtp.say_at(Voice::noise(-24.0), 127);
    wait::expect("noise is heard no longer", SOON, || loudness() < -70.0);
    let heard = bob.rtp.listen(Duration::from_secs(1));
    assert!(rms_db(&heard.samples()) < -70.0, "{} dB", rms_db(&heard.samples()));

    // One packet of another tone first: it must not be missing.
    let first = (1, Voice::tone(BOB_HZ, LEVEL_DB));
    let rest = (0, Voice::Tone(Tone::new(ALICE_HZ, LEVEL_DB)));
    alice.rtp.say_at(Voice::Sequence([first, rest].into()), 0x80 | 20);
    wait::expect("alice is heard", SOON, || is_loud(&bob, ALICE_HZ));
    let heard = bob.rtp.heard();
    let first = heard.first_with(BOB_HZ, LEVEL_DB - 9.0);
    let rest = heard.first_with(ALICE_HZ, LEVEL_DB - 3.0);
    assert!(first.is_some() && first <= rest, "the first packet is missing");
}
