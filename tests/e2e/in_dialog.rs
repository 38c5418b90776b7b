//! Requests inside a dialog, both ways: what a phone sends an application, what an application and the
//! API send a phone, and offers by UPDATE.

use std::time::Duration;

use serde_json::{Value, json};
use support::rtp_peer::Voice;
use support::sip_peer::SipCall;
use support::{Message, Reply, RtpPeer, SipPeer, sdp};

use crate::stage::{LEVEL_DB, SOON, Stage};

/// Sends a request inside the dialog; the final response.
pub(crate) fn ask(
    peer: &mut SipPeer,
    call: &mut SipCall,
    method: &str,
    headers: &[(&str, &str)],
    body: Option<(&str, &str)>,
) -> Message {
    let mut request = call.dialog.request(method);
    request.headers.insert(0, ("Via".to_owned(), peer.via()));
    let mut request = request.with("Contact", peer.contact());
    for (name, value) in headers {
        request = request.with(name, *value);
    }
    if let Some((kind, text)) = body {
        request = request.with_body(kind, text);
    }
    peer.transact(&request)
}

/// A call of alice's whose application runs these verbs.
#[allow(clippy::needless_pass_by_value, reason = "json! literals read best by value")]
pub(crate) fn call_running(stage: &Stage, verbs: Value) -> (SipPeer, SipCall, RtpPeer) {
    stage.hooks.on_json("/call", verbs);
    let mut alice = stage.phone("alice");
    let rtp = RtpPeer::start(Voice::tone(450.0, LEVEL_DB));
    let call = alice
        .call(&stage.uri("1000"), &rtp)
        .unwrap_or_else(|refused| panic!("refused: {refused}\n{}", alice.history()));
    (alice, call, rtp)
}

#[test]
fn info_and_message_reach_the_application_whose_verbs_take_over() {
    let stage = Stage::new();
    stage.hooks.on_json("/in-dialog", json!([]));
    let (mut alice, mut call, _rtp) = call_running(
        &stage,
        json!([
            {"verb": "answer"},
            {"verb": "config", "sipRequestWithinDialogHook": "/in-dialog"},
            {"verb": "pause", "length": 60},
        ]),
    );
    let info = ask(
        &mut alice,
        &mut call,
        "INFO",
        &[("X-Ticket", "7")],
        Some(("application/vnd.example", "hello")),
    );
    assert_eq!(info.code(), Some(200), "{info}");
    let told = stage.hooks.wait_for("/in-dialog", SOON, |requests| !requests.is_empty());
    assert_eq!(told[0].text("sip_method"), "INFO");
    assert_eq!(told[0].text("sip_body"), "hello");
    assert_eq!(told[0].json["sip_headers"]["x_ticket"], "7");

    stage.hooks.on_json("/in-dialog", json!([{"verb": "hangup", "headers": {"X-Why": "told"}}]));
    let message = ask(&mut alice, &mut call, "MESSAGE", &[], Some(("text/plain", "bye")));
    assert_eq!(message.code(), Some(202), "{message}");
    assert_eq!(alice.expect_bye(SOON).header("X-Why"), Some("told"));
}

#[test]
fn what_no_application_reads_is_answered_by_the_book() {
    let stage = Stage::new();
    let pause = json!([{"verb": "answer"}, {"verb": "pause", "length": 60}]);
    let (mut alice, mut call, _rtp) = call_running(&stage, pause);
    let mut send = |method: &str, headers: &[(&str, &str)], body| {
        ask(&mut alice, &mut call, method, headers, body)
    };
    assert_eq!(send("INFO", &[], None).code(), Some(200), "a keep-alive");
    let refused = send("INFO", &[], Some(("text/plain", "x")));
    assert_eq!(refused.code(), Some(415));
    assert!(refused.header("Accept").is_some_and(|kinds| kinds.contains("dtmf-relay")));
    let refused = send("INFO", &[("Info-Package", "foo")], Some(("text/plain", "x")));
    assert_eq!(refused.code(), Some(469), "RFC 6086");
    assert!(refused.header("Recv-Info").is_some());
    assert_eq!(send("MESSAGE", &[], Some(("text/plain", "x"))).code(), Some(480));
    assert_eq!(send("NOTIFY", &[("Event", "presence")], None).code(), Some(489));
    assert_eq!(send("REFER", &[("Refer-To", "<sip:bob@example.com>")], None).code(), Some(501));
}

#[test]
fn the_api_sends_a_request_and_gives_its_answer() {
    let stage = Stage::new();
    let pause = json!([{"verb": "answer"}, {"verb": "pause", "length": 60}]);
    let (mut alice, mut call, _rtp) = call_running(&stage, pause);
    let path = stage.tenant.path(&format!("/Calls/{}", stage.call_sid_from("alice")));
    let body = json!({"sip_request": {"method": "INFO", "content_type": "text/x-note",
        "content": "look", "headers": {"X-A": "1", "Via": "mine"}}});
    let answer = std::thread::scope(|scope| {
        let asked = scope.spawn(|| stage.tenant.rest.put(&path, &body).expect("an answer"));
        let info = alice.expect_request("INFO", SOON);
        assert_eq!(info.header("X-A"), Some("1"));
        assert_eq!(info.all("Via").count(), 1, "a header of ours stays ours");
        assert_eq!(info.header("Content-Type"), Some("text/x-note"));
        assert_eq!(info.body, b"look");
        alice.reply(&info, 488, "No Such Note");
        asked.join().expect("the request was made")
    });
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json, json!({"status": 488, "reason": "No Such Note"}));

    for bad in [
        json!({"sip_request": {"method": "BYE"}}),
        json!({"sip_request": {"content": "x"}}),
        json!({"sip_request": {"method": "INFO", "headers": {"X-A": "1\r\nX-B: 2"}}}),
        json!({"sip_request": {"method": "INFO", "headers": {"X-A\u{0}": "1"}}}),
    ] {
        assert_eq!(stage.tenant.rest.put(&path, &bad).expect("an answer").status, 400, "{bad}");
    }
    assert_eq!(alice.hang_up(&mut call).code(), Some(200));
    support::wait::expect("the call is over", SOON, || {
        stage.tenant.rest.put(&path, &body).expect("an answer").status == 422
    });
}

#[test]
fn an_application_sends_a_request_and_a_refer() {
    let stage = Stage::new();
    stage.hooks.on("/event", Reply::Status(204));
    stage.hooks.on_json("/sent", json!([]));
    stage.hooks.on_json("/referred", json!([{"verb": "hangup"}]));
    let (mut alice, mut call, _rtp) = call_running(
        &stage,
        json!([
            {"verb": "answer"},
            {"verb": "sip:request", "method": "INFO", "body": "x",
             "headers": {"Content-Type": "text/x-note"}, "actionHook": "/sent"},
            {"verb": "sip:refer", "referTo": "sip:bob@example.com", "referredBy": "desk",
             "referredByDisplayName": "The \"Desk\"", "headers": {"X-B": "2"},
             "eventHook": "/event", "actionHook": "/referred"},
        ]),
    );
    let info = alice.expect_request("INFO", SOON);
    assert_eq!(info.header("Content-Type"), Some("text/x-note"));
    alice.reply(&info, 200, "OK");
    let sent = stage.hooks.wait_for("/sent", SOON, |requests| !requests.is_empty());
    assert_eq!((sent[0].text("result"), &sent[0].json["sip_status"]), ("success", &json!(200)));

    let refer = alice.expect_request("REFER", SOON);
    assert_eq!(refer.header("Refer-To"), Some("<sip:bob@example.com>"));
    assert_eq!(refer.header("X-B"), Some("2"));
    let by = refer.header("Referred-By").unwrap_or_default();
    assert!(by.starts_with("\"The \\\"Desk\\\"\" <sip:desk@"), "{by}");
    alice.reply(&refer, 202, "Accepted");
    for (line, state) in [
        ("SIP/2.0 180 Ringing", "active;expires=60"),
        ("SIP/2.0 200 OK", "terminated;reason=noresource"),
    ] {
        let headers = [("Event", "refer"), ("Subscription-State", state)];
        let body = Some(("message/sipfrag;version=2.0", line));
        let taken = ask(&mut alice, &mut call, "NOTIFY", &headers, body);
        assert_eq!(taken.code(), Some(200), "{line}");
    }
    let events = stage.hooks.wait_for("/event", SOON, |events| events.len() == 2);
    assert_eq!(events[0].json["call_status"], 180);
    assert_eq!(events[1].text("event"), "transfer-status");
    let done = stage.hooks.wait_for("/referred", SOON, |requests| !requests.is_empty());
    assert_eq!(done[0].json["refer_status"], 202);
    assert_eq!(done[0].json["final_referred_call_status"], 200);
    alice.expect_bye(SOON);
}

#[test]
fn an_update_holds_and_resumes_the_call() {
    let stage = Stage::new();
    stage.answer_with_conference("room");
    let mut alice = stage.caller("alice", 450.0);
    let bob = stage.caller("bob", 800.0);
    let offer =
        |direction: &str| sdp::stream(alice.rtp.local_addr(), "0", &format!("a={direction}\r\n"));
    for (direction, mirrored) in [("sendonly", "recvonly"), ("sendrecv", "sendrecv")] {
        let body = offer(direction);
        let answer =
            ask(&mut alice.sip, &mut alice.call, "UPDATE", &[], Some(("application/sdp", &body)));
        assert_eq!(answer.code(), Some(200), "{answer}");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        // `sendrecv` may go without saying.
        let said = text.contains(&format!("a={mirrored}"));
        assert!(said || mirrored == "sendrecv" && !text.contains("only"), "{text}");
    }
    support::wait::expect("alice hears bob again", SOON, || {
        let heard = alice.rtp.listen(Duration::from_millis(60));
        heard.first_with(800.0, LEVEL_DB - 3.0).is_some()
    });
    drop(bob);
}

#[test]
fn an_offer_nobody_can_take_is_refused_with_a_warning_and_the_call_goes_on() {
    let stage = Stage::new();
    let pause = json!([{"verb": "answer"}, {"verb": "pause", "length": 60}]);
    let (mut alice, mut call, rtp) = call_running(&stage, pause);
    let useless = sdp::stream(rtp.local_addr(), "18", "");
    for method in ["UPDATE", "INVITE"] {
        let body = Some(("application/sdp", useless.as_str()));
        let refused = ask(&mut alice, &mut call, method, &[], body);
        assert_eq!(refused.code(), Some(488), "{method}\n{}", alice.history());
        let warning = refused.header("Warning").unwrap_or_default();
        assert!(warning.starts_with("399 ") && warning.contains("codec"), "{method}: {warning}");
    }
    assert_eq!(alice.hang_up(&mut call).code(), Some(200));
}

#[test]
fn an_offer_that_is_a_part_of_its_body_is_found() {
    let stage = Stage::new();
    stage.hooks.on_json("/call", json!([{"verb": "answer"}, {"verb": "pause", "length": 60}]));
    let mut alice = stage.phone("alice");
    let rtp = RtpPeer::start(Voice::Silence);
    let body = format!(
        "--part\r\nContent-Type: application/x-note\r\n\r\nhello\r\n\
         --part\r\nContent-Type: application/sdp\r\n\r\n{}\r\n--part--\r\n",
        sdp::pcmu(rtp.local_addr())
    );
    let invite = alice
        .request("INVITE", &stage.uri("1000"))
        .with_body("multipart/mixed;boundary=part", body.into_bytes());
    let (invite, answer) = alice.transact_authorized(invite);
    assert_eq!(answer.code(), Some(200), "{}", alice.history());
    assert!(sdp::remote_audio(&answer.body).is_some(), "{answer}");
    let mut call = alice.acknowledge(&invite, answer);
    let told = stage.hooks.wait_for("/call", SOON, |requests| !requests.is_empty());
    let parts = &told[0].json["sip"]["payload"];
    assert_eq!(parts[0], json!({"type": "application/x-note", "content": "hello"}), "{parts}");
    assert_eq!(parts[1]["type"], "application/sdp");
    assert_eq!(alice.hang_up(&mut call).code(), Some(200));
}

#[test]
fn an_early_update_goes_beyond_the_answer_that_the_200_repeats() {
    let stage = Stage::new();
    stage.hooks.on_json("/call", json!([{"verb": "pause", "length": 60}]));
    let mut bob = SipPeer::udp(stage.server.sip());
    let call_sid = stage.create_call(&json!({
        "from": "1000",
        "to": { "type": "sip", "sipUri": bob.contact_uri() },
        "call_hook": stage.hooks.url("/call"),
        "call_status_hook": stage.hooks.url("/status"),
    }));
    let invite = bob.expect_request("INVITE", SOON);
    let rtp = RtpPeer::start(Voice::Silence);
    let offer = sdp::pcmu(rtp.local_addr());
    let early = bob.response(&invite, 183, "Session Progress");
    let early = early.with("Require", "100rel").with("RSeq", "1");
    let early = early.with_body("application/sdp", offer.clone());
    bob.send(&early);
    let prack = bob.expect_request("PRACK", SOON);
    bob.reply(&prack, 200, "OK");
    let dialog = support::Dialog::of_called(&invite, &early).expect("our own 183 makes a dialog");
    let mut call = SipCall { dialog, answer: early, answered_at: std::time::SystemTime::now() };
    let updated = ask(&mut bob, &mut call, "UPDATE", &[], Some(("application/sdp", &offer)));
    assert_eq!(updated.code(), Some(200), "{}", bob.history());
    let _call = bob.accept(&invite, &rtp);
    let shown = stage.hooks.wait_for("/call", SOON, |requests| !requests.is_empty());
    assert_eq!(shown[0].text("call_sid"), call_sid);
    assert_eq!(stage.delete(&format!("/Calls/{call_sid}")), 204);
    bob.expect_bye(SOON);
    assert_eq!(stage.statuses(&call_sid), ["trying", "early-media", "in-progress", "completed"]);
}
