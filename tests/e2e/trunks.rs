//! Carriers: their calls, calls through them, pings, and our registrations with them. Each carrier is a
//! peer whose gateway is its own address and port.

use std::time::Duration;

use serde_json::{Value, json};
use support::rtp_peer::Voice;
use support::{Message, RtpPeer, SipPeer, wait};

use crate::stage::{SOON, Stage};

const NUMBER: &str = "15083084809";

/// A stage whose application keeps every caller waiting.
fn stage() -> Stage {
    stage_with(&[])
}

fn stage_with(env: &[(&str, &str)]) -> Stage {
    let stage = Stage::with_env(env);
    stage.hooks.on_json("/call", json!([{ "verb": "answer" }, { "verb": "pause", "length": 60 }]));
    stage
}

fn post(stage: &Stage, path: &str, body: &Value) -> String {
    let answer = stage.tenant.rest.post(path, body).expect("an answer");
    answer.sid().unwrap_or_else(|error| panic!("{path} {body}: {error}"))
}

fn carrier(stage: &Stage, body: &Value) -> String {
    post(stage, &stage.tenant.path("/VoipCarriers"), body)
}

/// A gateway at the peer's address.
fn gateway(stage: &Stage, carrier: &str, peer: &SipPeer, more: &Value) -> String {
    let mut body = json!({ "voip_carrier_sid": carrier, "ipv4": "127.0.0.1",
        "port": peer.local_addr().port() });
    if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
        body.extend(more.clone());
    }
    post(stage, "/v1/SipGateways", &body)
}

fn number_on(stage: &Stage, carrier: &str) -> String {
    let body = json!({ "number": NUMBER, "voip_carrier_sid": carrier,
        "application_sid": stage.application_sid });
    post(stage, "/v1/PhoneNumbers", &body)
}

fn get(stage: &Stage, path: &str) -> Value {
    let answer = stage.tenant.rest.get(&format!("/v1{path}")).expect("an answer");
    assert_eq!(answer.status, 200, "GET {path}: {}", answer.text);
    answer.json
}

/// Looks again until it is so; the last look is told when it never is.
fn wait_until(what: &str, mut look: impl FnMut() -> (bool, Value)) {
    let mut last = Value::Null;
    let met = wait::until(SOON, || {
        let (is_so, seen) = look();
        last = seen;
        is_so.then_some(())
    });
    assert!(met.is_some(), "{what}: {last}");
}

fn called(stage: &Stage) -> String {
    format!("sip:{NUMBER}@{}", stage.server.sip())
}

/// Places a call from the peer; the status of its refusal.
fn refused(peer: &mut SipPeer, uri: &str) -> Option<u16> {
    let rtp = RtpPeer::start(Voice::Silence);
    peer.call(uri, &rtp).err().and_then(|response| response.code())
}

#[test]
fn a_carrier_comes_in_by_its_address_and_nobody_else_does() {
    let stage = stage();
    let mut acme = SipPeer::udp(stage.server.sip());
    let mut stranger = SipPeer::udp(stage.server.sip());
    let sid = carrier(&stage, &json!({ "name": "acme" }));
    number_on(&stage, &sid);
    assert_eq!(refused(&mut acme, &called(&stage)), Some(403), "{}", acme.history());
    gateway(&stage, &sid, &acme, &json!({ "inbound": 1 }));
    // The change counts from the next call on.
    let rtp = RtpPeer::start(Voice::Silence);
    let mut call = acme.call(&called(&stage), &rtp).expect("an answer");
    let asked = stage.hooks.wait_for("/call", SOON, |requests| !requests.is_empty());
    assert_eq!(asked[0].text("originating_sip_trunk_name"), "acme");
    assert_eq!(asked[0].text("to"), NUMBER);
    assert_eq!(refused(&mut stranger, &called(&stage)), Some(403), "{}", stranger.history());
    assert_eq!(acme.hang_up(&mut call).code(), Some(200));
    let call_sid = asked[0].text("call_sid").to_owned();
    stage.statuses(&call_sid);
    wait_until("the record", || {
        let records = stage.get("/RecentCalls?page=1&count=25");
        let is_there = records["data"].as_array().is_some_and(|rows| {
            rows.iter().any(|row| row["call_sid"] == call_sid.as_str() && row["trunk"] == "acme")
        });
        (is_there, records)
    });

    // Another number has nobody, until the carrier itself has an application.
    let other = format!("sip:15550000@{}", stage.server.sip());
    assert_eq!(refused(&mut acme, &other), Some(480), "{}", acme.history());
    let application = json!({ "application_sid": stage.application_sid });
    assert_eq!(stage.put(&format!("/VoipCarriers/{sid}"), &application), 204);
    let mut call = acme.call(&other, &rtp).expect("an answer");
    acme.hang_up(&mut call);
    assert_eq!(stage.put(&format!("/VoipCarriers/{sid}"), &json!({ "is_active": 0 })), 204);
    assert_eq!(refused(&mut acme, &called(&stage)), Some(403), "{}", acme.history());
}

#[test]
fn a_carrier_with_a_password_is_challenged_wherever_it_calls_from() {
    for algorithm in ["MD5", "SHA-256"] {
        let stage = stage();
        let sid = carrier(
            &stage,
            &json!({ "name": "acme", "inbound_auth_username": "acme-in",
                "inbound_auth_password": "s3cret-in", "digest_algorithm": algorithm }),
        );
        number_on(&stage, &sid);
        let peer = || SipPeer::udp(stage.server.sip());
        let mut wrong = peer().as_client("acme-in", "wrong", "carrier.example");
        assert_eq!(refused(&mut wrong, &called(&stage)), Some(403), "{}", wrong.history());
        let mut unknown = peer().as_client("acme-out", "s3cret-in", "carrier.example");
        assert_eq!(refused(&mut unknown, &called(&stage)), Some(403), "{}", unknown.history());
        let mut acme = peer().as_client("acme-in", "s3cret-in", "carrier.example");
        let rtp = RtpPeer::start(Voice::Silence);
        let mut call = acme
            .call(&called(&stage), &rtp)
            .unwrap_or_else(|response| panic!("{response}\n{}", acme.history()));
        let asked = stage.hooks.wait_for("/call", SOON, |requests| !requests.is_empty());
        assert_eq!(asked[0].text("originating_sip_trunk_name"), "acme");
        acme.hang_up(&mut call);
    }
}

/// A call to a phone over REST.
fn to_phone(stage: &Stage, more: &Value) -> Value {
    let mut to = json!({ "type": "phone", "number": "14155550100" });
    if let (Some(to), Some(more)) = (to.as_object_mut(), more.as_object()) {
        to.extend(more.clone());
    }
    json!({ "from": NUMBER, "to": to, "call_hook": stage.hooks.url("/call"),
        "call_status_hook": stage.hooks.url("/status") })
}

fn user_of(invite: &Message) -> &str {
    let uri = invite.uri().unwrap_or_default();
    uri.strip_prefix("sip:").and_then(|rest| rest.split('@').next()).unwrap_or_default()
}

#[test]
fn a_phone_is_called_as_its_carrier_wants_it() {
    let stage = stage();
    let mut plain = SipPeer::udp(stage.server.sip());
    let mut fancy = SipPeer::udp(stage.server.sip());
    let first = carrier(&stage, &json!({ "name": "plain" }));
    gateway(&stage, &first, &plain, &json!({ "outbound": 1 }));
    let second = carrier(
        &stage,
        &json!({ "name": "fancy", "e164_leading_plus": 1, "tech_prefix": "77#",
            "diversion": "15550001", "register_from_domain": "acme.example",
            "register_username": "acc", "register_password": "s3cret-out" }),
    );
    gateway(&stage, &second, &fancy, &json!({ "outbound": 1 }));

    stage.create_call(&to_phone(&stage, &json!({})));
    let invite = plain.expect_request("INVITE", SOON);
    assert_eq!(user_of(&invite), "14155550100", "{invite}");
    assert_eq!(invite.header("Diversion"), None);
    plain.reply(&invite, 486, "Busy Here");

    // The named trunk, with its spelling, and its password for whoever asks there.
    let call_sid = stage.create_call(&to_phone(&stage, &json!({ "trunk": "fancy" })));
    let invite = fancy.expect_request("INVITE", SOON);
    assert_eq!(user_of(&invite), "77%23+14155550100", "{invite}");
    let diversion = invite.header("Diversion").unwrap_or_default();
    assert!(diversion.starts_with("<sip:+15550001@127.0.0.1:"), "{invite}");
    let from = invite.header("From").unwrap_or_default().to_owned();
    assert!(from.contains(&format!("sip:{NUMBER}@acme.example")), "{invite}");
    assert!(invite.header("Contact").is_some_and(|contact| contact.contains("sip:acc@")));
    let challenge = fancy
        .response(&invite, 407, "Proxy Authentication Required")
        .with("Proxy-Authenticate", "Digest realm=\"acme.example\",nonce=\"n1\",qop=\"auth\"");
    fancy.respond(&invite, &challenge);
    let is_proved = |message: &Message| {
        message.method() == Some("INVITE") && message.header("Proxy-Authorization").is_some()
    };
    let invite = fancy.find(SOON, is_proved).expect("an INVITE with credentials");
    let rtp = RtpPeer::start(Voice::Silence);
    let mut call = fancy.accept(&invite, &rtp);
    stage.hooks.wait_for("/call", SOON, |requests| {
        requests.iter().any(|request| request.text("call_sid") == call_sid)
    });
    fancy.hang_up(&mut call);
    assert_eq!(stage.statuses(&call_sid), ["trying", "in-progress", "completed"]);

    // The carrier that owns the caller's number.
    number_on(&stage, &second);
    stage.create_call(&to_phone(&stage, &json!({})));
    let invite = fancy.expect_request("INVITE", SOON);
    fancy.reply(&invite, 486, "Busy Here");
    assert!(plain.hears_no("INVITE", Duration::from_millis(1)), "{}", plain.history());
}

#[test]
fn the_next_gateway_is_called_when_one_fails_or_is_silent() {
    let env = [("TRUNKLINE__SIP__FAILOVER_AFTER", "300ms")];
    let stage = stage_with(&env);
    let mut busy = SipPeer::udp(stage.server.sip());
    let silent = SipPeer::udp(stage.server.sip());
    let mut last = SipPeer::udp(stage.server.sip());
    let sid = carrier(&stage, &json!({ "name": "acme" }));
    let first = gateway(&stage, &sid, &busy, &json!({ "outbound": 1 }));
    gateway(&stage, &sid, &silent, &json!({ "outbound": 1 }));
    gateway(&stage, &sid, &last, &json!({ "outbound": 1 }));
    let rtp = RtpPeer::start(Voice::Silence);
    let mut through_last = |stage: &Stage, busy: Option<&mut SipPeer>| {
        let call_sid = stage.create_call(&to_phone(stage, &json!({})));
        if let Some(busy) = busy {
            let invite = busy.expect_request("INVITE", SOON);
            busy.reply(&invite, 503, "Service Unavailable");
        }
        let invite = last.expect_request("INVITE", SOON);
        let mut call = last.accept(&invite, &rtp);
        stage.hooks.wait_for("/call", SOON, |requests| {
            requests.iter().any(|request| request.text("call_sid") == call_sid)
        });
        last.hang_up(&mut call);
        assert_eq!(stage.statuses(&call_sid), ["trying", "in-progress", "completed"]);
    };
    through_last(&stage, Some(&mut busy));
    through_last(&stage, Some(&mut busy));
    // Twice is enough: a gateway that is down has its turn after all others.
    let shown = get(&stage, &format!("/SipGateways/{first}"));
    assert_eq!(shown["status"]["state"], "down", "{shown}");
    through_last(&stage, None);
    assert!(busy.hears_no("INVITE", Duration::from_millis(1)), "{}", busy.history());
}

#[test]
fn a_gateway_that_does_not_answer_its_pings_is_down_until_it_does() {
    let env = [("TRUNKLINE__SIP__PING_INTERVAL", "100ms"), ("TRUNKLINE__SIP__T1", "20ms")];
    let stage = stage_with(&env);
    let mut peer = SipPeer::udp(stage.server.sip());
    let mut spare = SipPeer::udp(stage.server.sip());
    let sid = carrier(&stage, &json!({ "name": "acme" }));
    let pinged = gateway(&stage, &sid, &peer, &json!({ "outbound": 1, "send_options_ping": 1 }));
    gateway(&stage, &sid, &spare, &json!({ "outbound": 1 }));
    for (code, reason, state) in
        [(200, "OK", "up"), (503, "Service Unavailable", "down"), (404, "Not Found", "up")]
    {
        wait_until(state, || {
            if let Some(options) =
                peer.find(Duration::from_secs(1), |message| message.method() == Some("OPTIONS"))
            {
                peer.reply(&options, code, reason);
            }
            let shown = get(&stage, &format!("/SipGateways/{pinged}"));
            (shown["status"]["state"] == state, shown)
        });
        // While it is down, calls go to the other one.
        stage.create_call(&to_phone(&stage, &json!({})));
        let taker = if state == "down" { &mut spare } else { &mut peer };
        let invite = taker.expect_request("INVITE", SOON);
        taker.reply(&invite, 486, "Busy Here");
    }
}

/// The Contact and expiry of a REGISTER.
fn asked_for(register: &Message) -> (String, String) {
    let contact = register.header("Contact").unwrap_or_default();
    let uri = support::message::uri_of(contact).to_owned();
    (uri, register.header("Expires").unwrap_or_default().to_owned())
}

#[test]
fn we_register_with_a_carrier_take_its_calls_and_go_when_it_is_switched_off() {
    let stage = stage();
    let mut registrar = SipPeer::udp(stage.server.sip());
    let sid = carrier(
        &stage,
        &json!({ "name": "acme", "requires_register": 1, "register_username": "acc",
            "register_password": "s3cret-reg", "register_sip_realm": "sip.acme.example" }),
    );
    gateway(&stage, &sid, &registrar, &json!({ "outbound": 1 }));
    number_on(&stage, &sid);
    let path = format!("/VoipCarriers/{sid}");
    assert_eq!(refused(&mut registrar, &called(&stage)), Some(403), "{}", registrar.history());

    let first = registrar.expect_request("REGISTER", SOON);
    assert_eq!(first.uri(), Some("sip:sip.acme.example"), "{first}");
    assert_eq!(get(&stage, &path)["register_status"], json!({}));
    let challenge = registrar
        .response(&first, 401, "Unauthorized")
        .with("WWW-Authenticate", "Digest realm=\"sip.acme.example\",nonce=\"n1\",qop=\"auth\"");
    registrar.respond(&first, &challenge);
    let is_proved = |message: &Message| {
        message.method() == Some("REGISTER") && message.header("Authorization").is_some()
    };
    let second = registrar.find(SOON, is_proved).expect("a REGISTER with credentials");
    assert_eq!(second.call_id(), first.call_id());
    let (contact, _) = asked_for(&second);
    assert!(contact.starts_with("sip:acc@"), "{second}");
    let ok =
        registrar.response(&second, 200, "OK").with("Contact", format!("<{contact}>;expires=600"));
    registrar.respond(&second, &ok);
    wait_until("registered", || {
        let shown = get(&stage, &path);
        (shown["register_status"]["status"] == "ok", shown)
    });
    let status = get(&stage, &path)["register_status"].clone();
    let cseq = second.header("CSeq").unwrap_or_default();
    let expected = json!({ "status": "ok", "reason": "200 OK", "cseq": cseq,
        "callId": first.call_id() });
    assert_eq!(status, expected);

    // The carrier calls our Contact; whom it wants stands in To.
    let rtp = RtpPeer::start(Voice::Silence);
    let mut call = registrar.call(&called(&stage), &rtp).expect("an answer");
    registrar.hang_up(&mut call);
    let asked = stage.hooks.wait_for("/call", SOON, |requests| !requests.is_empty());
    assert_eq!(asked[0].text("originating_sip_trunk_name"), "acme");
    assert_eq!(refused(&mut SipPeer::udp(stage.server.sip()), &contact), Some(480));

    assert_eq!(stage.put(&path, &json!({ "is_active": 0 })), 204);
    let is_last =
        |message: &Message| message.method() == Some("REGISTER") && asked_for(message).1 == "0";
    let last = registrar.find(SOON, is_last).expect("a REGISTER that takes the binding back");
    assert_eq!(last.call_id(), first.call_id());
    registrar.reply(&last, 200, "OK");
    wait_until("gone", || {
        let shown = get(&stage, &path);
        (shown["register_status"] == json!({}), shown)
    });
    assert_eq!(refused(&mut registrar, &called(&stage)), Some(403), "{}", registrar.history());
}

#[test]
fn bindings_are_taken_back_when_the_server_stops() {
    let mut stage = stage();
    let mut registrar = SipPeer::udp(stage.server.sip());
    let sid = carrier(
        &stage,
        &json!({ "name": "acme", "requires_register": 1, "register_username": "acc",
            "register_password": "s3cret-reg" }),
    );
    gateway(&stage, &sid, &registrar, &json!({ "outbound": 1 }));
    let register = registrar.expect_request("REGISTER", SOON);
    registrar.reply(&register, 200, "OK");
    let path = format!("/VoipCarriers/{sid}");
    wait_until("registered", || {
        let shown = get(&stage, &path);
        (shown["register_status"]["status"] == "ok", shown)
    });
    stage.server.ask_to_end().expect("a signal is sent");
    let last = registrar.expect_request("REGISTER", SOON);
    assert_eq!(asked_for(&last).1, "0", "{last}");
    registrar.reply(&last, 200, "OK");
    assert!(stage.server.wait_exit(SOON).expect("an end").success());
}

#[test]
fn no_phone_sends_a_call_out_through_a_gateway() {
    let stage = Stage::with_env(&[("TRUNKLINE__SIP__TRANSFERS", "clients")]);
    stage.answer_with_conference("room");
    let mut acme = SipPeer::udp(stage.server.sip());
    let mut second = SipPeer::udp(stage.server.sip());
    let sid = carrier(&stage, &json!({ "name": "acme" }));
    for peer in [&acme, &second] {
        gateway(&stage, &sid, peer, &json!({ "outbound": 1 }));
    }
    let way_out = format!("<sip:+1900@{}>", acme.local_addr());

    // By REFER.
    let mut alice = stage.caller("alice", 450.0);
    let to = [("Refer-To", way_out.as_str())];
    let answer = crate::in_dialog::ask(&mut alice.sip, &mut alice.call, "REFER", &to, None);
    assert_eq!(answer.code(), Some(202));
    let told = loop {
        let notify = alice.sip.expect_request("NOTIFY", SOON);
        alice.sip.reply(&notify, 200, "OK");
        if notify.header("Subscription-State").is_some_and(|state| state.starts_with("term")) {
            break String::from_utf8_lossy(&notify.body).into_owned();
        }
    };
    assert_eq!(told, "SIP/2.0 403 Forbidden\r\n");
    alice.hang_up();

    // By 302.
    let mut bob = stage.phone("bob");
    assert_eq!(bob.register(300).code(), Some(200), "{}", bob.history());
    let call = |to: &Value| {
        stage.create_call(&json!({
            "from": "1000",
            "to": to,
            "call_hook": stage.hooks.url("/call"),
            "call_status_hook": stage.hooks.url("/status"),
        }))
    };
    let move_on = |peer: &mut SipPeer, there: &str| {
        let invite = peer.expect_request("INVITE", SOON);
        assert!(!invite.to_string().contains("+1900"), "{invite}");
        let moved = peer.response(&invite, 302, "Moved Temporarily").with("Contact", there);
        peer.respond(&invite, &moved);
        peer.expect_request("ACK", SOON);
    };
    let call_sid = call(&json!({ "type": "user", "name": format!("bob@{}", stage.tenant.realm) }));
    move_on(&mut bob, &way_out);
    assert_eq!(stage.statuses(&call_sid), ["trying", "failed"]);

    // Within one carrier it is the carrier's affair; and nothing else has reached it.
    let call_sid = call(&json!({ "type": "phone", "number": "555" }));
    let there = format!("<sip:555@{}>", second.local_addr());
    move_on(&mut acme, &there);
    let invite = second.expect_request("INVITE", SOON);
    second.reply(&invite, 486, "Busy Here");
    assert_eq!(stage.statuses(&call_sid), ["trying", "busy"]);
}
