//! Plain SIP on the wire, over UDP and TCP: who is let in, what is answered to what.

use std::time::Duration;

use serde_json::json;
use support::rtp_peer::Voice;
use support::{Message, RtpPeer, SipPeer, sdp, sipp, wait};

use crate::stage::{PASSWORD, SOON, Stage, file};

#[test]
fn options_is_answered_and_unknown_methods_are_not_served() {
    let stage = Stage::new();
    for mut peer in [SipPeer::udp(stage.server.sip()), SipPeer::tcp(stage.server.sip())] {
        let uri = format!("sip:{}", stage.server.sip());
        let options = peer.request("OPTIONS", &uri);
        let response = peer.transact(&options);
        assert_eq!(response.code(), Some(200), "{}", peer.history());
        let allow = response.header("Allow").unwrap_or_default();
        assert!(["INVITE", "ACK", "BYE", "CANCEL"].iter().all(|m| allow.contains(m)), "{allow}");
        let unknown = peer.request("FROBNICATE", &uri);
        let code = peer.transact(&unknown).code();
        assert!(matches!(code, Some(405 | 501)), "{code:?}");
    }
}

#[test]
fn a_stranger_s_call_is_refused_with_403() {
    let stage = Stage::new();
    for mut peer in [SipPeer::udp(stage.server.sip()), SipPeer::tcp(stage.server.sip())] {
        let rtp = RtpPeer::start(Voice::Silence);
        let refused = peer.call(&format!("sip:1000@{}", stage.server.sip()), &rtp);
        assert_eq!(refused.expect_err("refused").code(), Some(403), "{}", peer.history());
    }
    assert!(stage.hooks.all_requests().is_empty());
}

#[test]
fn a_call_to_a_number_reaches_its_application_without_registration() {
    let stage = Stage::new();
    stage.answer_with_conference("front-desk");
    stage.tenant.number("+15083084809", &stage.application_sid).expect("a number");
    let mut peer = SipPeer::udp(stage.server.sip());
    let rtp = RtpPeer::start(Voice::Silence);
    let uri = format!("sip:+15083084809@{}", stage.server.sip());
    let mut call = peer.call(&uri, &rtp).unwrap_or_else(|r| panic!("{r}\n{}", peer.history()));
    assert_eq!(peer.hang_up(&mut call).code(), Some(200));
}

/// Anybody can write another's address into an INVITE: no audio goes there before the ACK, which names a
/// tag that only who got the answer knows.
#[test]
fn a_stranger_is_sent_audio_only_once_it_acknowledged_the_answer() {
    let stage = Stage::new();
    stage.answer_with_conference("front-desk");
    stage.tenant.number("+15083084809", &stage.application_sid).expect("a number");
    let mut peer = SipPeer::udp(stage.server.sip());
    let rtp = RtpPeer::start(Voice::Silence);
    let uri = format!("sip:+15083084809@{}", stage.server.sip());
    let offer = sdp::audio(rtp.local_addr(), rtp.format());
    let invite = peer.request("INVITE", &uri).with_body("application/sdp", offer.as_str());
    peer.send(&invite);
    let is_ok = |message: &Message| message.code() == Some(200);
    peer.find(SOON, is_ok).unwrap_or_else(|| panic!("{}", peer.history()));
    let again = peer.find(SOON, is_ok).unwrap_or_else(|| panic!("{}", peer.history()));
    assert_eq!(rtp.heard().frames.len(), 0, "half a second after the answer");
    let mut call = peer.acknowledge(&invite, again);
    assert!(wait::until(SOON, || (rtp.heard().frames.len() > 10).then_some(())).is_some());
    assert_eq!(peer.hang_up(&mut call).code(), Some(200));
}

#[test]
fn a_wrong_password_neither_registers_nor_calls() {
    let stage = Stage::new();
    stage.tenant.client("alice", PASSWORD).expect("a client");
    let mut thief =
        SipPeer::udp(stage.server.sip()).as_client("alice", "guess", &stage.tenant.realm);
    let code = thief.register(60).code();
    assert!(matches!(code, Some(401 | 403)), "{code:?}\n{}", thief.history());
    assert_eq!(stage.get("/RegisteredSipUsers"), json!([]));
    let rtp = RtpPeer::start(Voice::Silence);
    let refused = thief.call(&stage.uri("1000"), &rtp).expect_err("refused");
    assert!(matches!(refused.code(), Some(401 | 403 | 407)), "{refused}");
}

#[test]
fn a_registration_is_listed_until_it_is_taken_back() {
    let stage = Stage::new();
    let mut alice = stage.phone("alice");
    assert_eq!(alice.register(300).code(), Some(200), "{}", alice.history());
    let name = format!("alice@{}", stage.tenant.realm);
    assert_eq!(stage.get("/RegisteredSipUsers"), json!([name]));
    let user = stage.get("/RegisteredSipUsers/alice");
    assert_eq!(user["registered_status"], "active", "{user}");
    assert_eq!(alice.register(0).code(), Some(200));
    assert_eq!(stage.get("/RegisteredSipUsers"), json!([]));
}

#[test]
fn a_phone_keeps_its_password_when_the_realm_changes() {
    let mut stage = Stage::new();
    let mut alice = stage.phone("alice");
    assert_eq!(alice.register(300).code(), Some(200), "{}", alice.history());
    let old = std::mem::replace(&mut stage.tenant.realm, "moved.test.example".to_owned());
    let account = stage.tenant.path("");
    let body = json!({ "sip_realm": stage.tenant.realm });
    assert_eq!(stage.server.admin().put(&account, &body).expect("an answer").status, 204);

    // The old address is nobody's any more, and with it the registration.
    wait::expect("the old address is gone", SOON, || alice.register(300).code() == Some(403));
    assert_eq!(stage.get("/RegisteredSipUsers"), json!([]));
    let mut alice =
        SipPeer::udp(stage.server.sip()).as_client("alice", PASSWORD, &stage.tenant.realm);
    assert_eq!(alice.register(300).code(), Some(200), "{}", alice.history());
    assert_eq!(stage.get("/RegisteredSipUsers"), json!(["alice@moved.test.example"]));
    // The challenge goes on naming the realm that the password was stored for.
    assert!(alice.history().contains(&format!("realm=\"{old}\"")), "{}", alice.history());

    stage.answer_with_conference("moved");
    let rtp = RtpPeer::start(Voice::Silence);
    let mut call = alice.call(&stage.uri("1000"), &rtp).expect("answered");
    assert_eq!(alice.hang_up(&mut call).code(), Some(200));
}

#[test]
fn a_client_without_password_neither_registers_nor_calls() {
    let stage = Stage::new();
    let body = json!({ "username": "alice" });
    stage.tenant.rest.post("/v1/Clients", &body).expect("an answer").sid().expect("201");
    let mut alice = SipPeer::udp(stage.server.sip()).as_client("alice", "", &stage.tenant.realm);
    assert_eq!(alice.register(60).code(), Some(403), "{}", alice.history());
    let rtp = RtpPeer::start(Voice::Silence);
    let refused = alice.call(&stage.uri("1000"), &rtp).expect_err("refused");
    assert_eq!(refused.code(), Some(403), "{refused}");
}

#[test]
fn a_call_over_tcp_is_answered_and_hung_up() {
    let stage = Stage::new();
    stage.answer_with_conference("stream");
    stage.tenant.client("alice", PASSWORD).expect("a client");
    let mut alice =
        SipPeer::tcp(stage.server.sip()).as_client("alice", PASSWORD, &stage.tenant.realm);
    assert_eq!(alice.register(300).code(), Some(200));
    let rtp = RtpPeer::start(Voice::Silence);
    let mut call = alice.call(&stage.uri("1000"), &rtp).expect("answered");
    assert!(!rtp.listen(Duration::from_millis(300)).frames.is_empty());
    let info = alice.in_dialog(&mut call.dialog, "OPTIONS");
    assert_eq!(info.code(), Some(200));
    assert_eq!(alice.hang_up(&mut call).code(), Some(200));
    assert_eq!(
        stage.statuses(&stage.call_sid_from("alice")),
        ["trying", "in-progress", "completed"]
    );
}

#[test]
fn a_caller_who_gives_up_before_the_answer_is_no_answer() {
    let stage = Stage::new();
    stage.hooks.on("/call", support::Reply::Hang);
    let mut alice = stage.phone("alice");
    let rtp = RtpPeer::start(Voice::Silence);
    let offer = sdp::pcmu(rtp.local_addr());
    let invite = alice.request("INVITE", &stage.uri("1000")).with_body("application/sdp", offer);
    let challenge = alice.transact(&invite);
    let invite = alice.authorized(&invite, &challenge).expect("a challenge");
    alice.send(&invite);
    let call_sid = stage.call_sid_from("alice");
    assert_eq!(alice.cancel(&invite).code(), Some(200));
    assert_eq!(alice.final_response(&invite).code(), Some(487), "{}", alice.history());
    let statuses = stage.statuses(&call_sid);
    assert_eq!(statuses.last().map(String::as_str), Some("no-answer"), "{statuses:?}");
}

#[test]
fn a_cancel_on_the_heels_of_the_invite_leaves_no_call_behind() {
    let stage = Stage::new();
    let mut alice = stage.phone("alice");
    for _ in 0..5 {
        let rtp = RtpPeer::start(Voice::Silence);
        let offer = sdp::pcmu(rtp.local_addr());
        let uri = stage.uri("conference-ghosts");
        let invite = alice.request("INVITE", &uri).with_body("application/sdp", offer);
        let challenge = alice.transact(&invite);
        let invite = alice.authorized(&invite, &challenge).expect("a challenge");
        alice.send(&invite);
        assert_eq!(alice.cancel(&invite).code(), Some(200));
        assert_eq!(alice.final_response(&invite).code(), Some(487), "{}", alice.history());
        wait::expect("no live call", SOON, || {
            stage.get("/CallCount") == json!({ "inbound": 0, "outbound": 0 })
        });
    }
    wait::expect("an empty room to vanish", SOON, || stage.get("/Conferences") == json!([]));
}

#[test]
fn an_offer_without_a_codec_of_ours_is_answered_488_at_once() {
    let stage = Stage::new();
    let mut alice = stage.phone("alice");
    let rtp = RtpPeer::start(Voice::Nothing);
    let offer = sdp::pcmu(rtp.local_addr());
    for (kind, body, code) in [
        (
            "application/sdp",
            offer.replace("PCMU/8000", "G729/8000").replace("AVP 0", "AVP 18"),
            488,
        ),
        ("text/plain", "not a description".to_owned(), 415),
    ] {
        let uri = stage.uri("conference-nobody");
        let invite = alice.request("INVITE", &uri).with_body(kind, body.as_str());
        let (_, last) = alice.transact_authorized(invite);
        assert_eq!(last.code(), Some(code), "{kind}: {}", alice.history());
    }
}

#[test]
fn a_re_invite_is_answered_with_the_same_media() {
    let stage = Stage::new();
    stage.answer_with_conference("again");
    let mut alice = stage.caller("alice", 450.0);
    let before = sdp::remote_audio(&alice.call.answer.body).expect("audio");
    let mut again = alice.call.dialog.request("INVITE");
    again.headers.insert(0, ("Via".to_owned(), alice.sip.via()));
    let offer = sdp::pcmu(alice.rtp.local_addr());
    let again =
        again.with("Contact", alice.sip.contact()).with_body("application/sdp", offer.as_str());
    let ok = alice.sip.transact(&again);
    assert_eq!(ok.code(), Some(200), "{}", alice.sip.history());
    let after = sdp::remote_audio(&ok.body).expect("audio");
    assert_eq!((after.rtp, after.direction.as_str()), (before.rtp, "sendrecv"));
    let mut ack = alice.call.dialog.request("ACK");
    ack.headers.insert(0, ("Via".to_owned(), alice.sip.via()));
    alice.sip.send(&ack);
    assert!(!alice.rtp.listen(Duration::from_millis(300)).frames.is_empty());
    alice.hang_up();
}

#[test]
fn keys_in_info_requests_reach_the_call_as_those_in_rtp_do() {
    let stage = Stage::with_env(&[("TRUNKLINE_LOG", "info,trunkline::call=debug")]);
    stage.answer_with_conference("keys");
    let mut alice = stage.caller("alice", 450.0);
    let allow = alice.call.answer.header("Allow").unwrap_or_default();
    assert!(allow.contains("INFO"), "{allow}");
    let rows = [
        ("application/dtmf-relay", "Signal=5\r\nDuration=170\r\n", 200),
        ("application/dtmf", "#", 200),
        ("application/dtmf-relay", "Signal=\r\n", 400),
        ("text/plain", "5", 415),
    ];
    for (kind, body, code) in rows {
        let mut info = alice.call.dialog.request("INFO");
        info.headers.insert(0, ("Via".to_owned(), alice.sip.via()));
        let answer = alice.sip.transact(&info.with_body(kind, body));
        assert_eq!(answer.code(), Some(code), "{kind}: {}", alice.sip.history());
        assert_eq!(answer.header("Accept").is_some(), code == 415);
    }
    let heard = || {
        let log = stage.server.log();
        let digits = log.lines().filter(|line| line.contains("digit received"));
        digits.map(|line| line.contains(&alice.call_sid)).collect::<Vec<_>>()
    };
    wait::expect("both keys at the call", SOON, || heard().len() >= 2);
    assert_eq!(heard(), [true, true]);
    assert!(stage.server.log().contains("170"));
    alice.hang_up();
}

/// The same scenario as `sipp` plays it, three calls at once.
fn sipp_calls(transport: &str) {
    let stage = Stage::new();
    stage.answer_with_conference("sipp");
    stage.tenant.client("sipp", PASSWORD).expect("a client");
    let arguments = [
        "-s",
        "1000",
        "-au",
        "sipp",
        "-ap",
        PASSWORD,
        "-key",
        "realm",
        &stage.tenant.realm,
        "-m",
        "3",
        "-r",
        "3",
    ];
    let scenario = file("sipp/uac_digest.xml");
    let outcome = sipp::play(&scenario, stage.server.sip(), transport, &arguments, SOON * 3)
        .expect("sipp runs");
    assert!(outcome.is_good(), "sipp ended with {:?}\n{}", outcome.code, outcome.log);
    let calls = stage.hooks.requests("/call");
    assert_eq!(calls.len(), 3);
    for call in calls {
        let statuses = stage.statuses(call.text("call_sid"));
        assert_eq!(statuses, ["trying", "in-progress", "completed"]);
    }
}

#[test]
fn sipp_registers_calls_with_digest_and_hangs_up_over_udp() {
    sipp_calls("u1");
}

#[test]
fn sipp_registers_calls_with_digest_and_hangs_up_over_tcp() {
    sipp_calls("t1");
}

#[test]
fn sipp_is_refused_with_a_wrong_password() {
    let stage = Stage::new();
    stage.tenant.client("sipp", PASSWORD).expect("a client");
    let arguments =
        ["-s", "1000", "-au", "sipp", "-ap", "guess", "-key", "realm", &stage.tenant.realm];
    let scenario = file("sipp/register_refused.xml");
    let outcome =
        sipp::play(&scenario, stage.server.sip(), "u1", &arguments, SOON * 3).expect("sipp runs");
    assert!(outcome.is_good(), "sipp ended with {:?}\n{}", outcome.code, outcome.log);
}
