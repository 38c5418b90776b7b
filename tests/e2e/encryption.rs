//! Encrypted calls (SDES-SRTP, RFC 4568) as far as descriptions show them: what is offered, taken and
//! refused under each setting. What encrypted audio sounds like, phones tell in their own scenarios.

use serde_json::json;
use support::rtp_peer::Voice;
use support::{Message, RtpPeer, SipPeer, sdp};

use crate::stage::{SOON, Stage};

const KEY: &str = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 \
                   inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n";

fn stage(srtp: &str) -> Stage {
    let stage = Stage::with_env(&[("TRUNKLINE__SIP__SRTP", srtp)]);
    stage.hooks.on_json("/call", json!([{ "verb": "answer" }, { "verb": "pause", "length": 60 }]));
    stage
}

fn text(message: &Message) -> String {
    String::from_utf8_lossy(&message.body).into_owned()
}

/// The `m=` and `a=crypto` lines of a description.
fn terms(description: &str) -> (String, usize) {
    let media = description.lines().find(|line| line.starts_with("m=audio")).unwrap_or_default();
    let protocol = media.split(' ').nth(2).unwrap_or_default().to_owned();
    (protocol, description.lines().filter(|line| line.starts_with("a=crypto")).count())
}

/// Calls bob, who is a user with that setting, or nobody's user; the INVITE's terms.
fn called(stage: &Stage, setting: Option<&str>) -> (String, SipPeer, Message) {
    let mut bob = match setting {
        Some(_) => stage.phone("bob"),
        None => SipPeer::udp(stage.server.sip()),
    };
    let mut to = json!({ "type": "sip", "sipUri": bob.contact_uri() });
    if let Some(setting) = setting {
        let clients = stage.tenant.rest.get("/v1/Clients").expect("an answer").json;
        let sid = clients[0]["client_sid"].as_str().expect("a client").to_owned();
        let body = json!({ "media_encryption": setting });
        let path = format!("/v1/Clients/{sid}");
        assert_eq!(stage.tenant.rest.put(&path, &body).expect("an answer").status, 204);
        assert_eq!(bob.register(300).code(), Some(200));
        to = json!({ "type": "user", "name": format!("bob@{}", stage.tenant.realm) });
    }
    let call_sid = stage.create_call(&json!({
        "from": "1000",
        "to": to,
        "call_hook": stage.hooks.url("/call"),
        "call_status_hook": stage.hooks.url("/status"),
    }));
    let invite = bob.expect_request("INVITE", SOON);
    (call_sid, bob, invite)
}

#[test]
fn a_call_out_offers_keys_as_the_settings_say() {
    for (srtp, client, protocol, has_keys) in [
        ("off", None, "RTP/AVP", false),
        ("offered", None, "RTP/AVP", false),
        ("required", None, "RTP/SAVP", true),
        ("off", Some("offered"), "RTP/AVP", true),
        ("offered", Some("required"), "RTP/SAVP", true),
        ("required", Some("off"), "RTP/AVP", false),
    ] {
        let stage = stage(srtp);
        let (call_sid, mut bob, invite) = called(&stage, client);
        let (offered, keys) = terms(&text(&invite));
        assert_eq!((offered.as_str(), keys > 0), (protocol, has_keys), "{srtp} {client:?}");
        // A plain answer is enough unless keys are required.
        let rtp = RtpPeer::start(Voice::Silence);
        bob.accept(&invite, &rtp);
        if protocol == "RTP/SAVP" {
            bob.expect_bye(SOON);
            assert_eq!(stage.statuses(&call_sid), ["trying", "failed"]);
        } else {
            assert_eq!(stage.delete(&format!("/Calls/{call_sid}")), 204);
            bob.expect_bye(SOON);
        }
    }
}

#[test]
fn an_offer_with_keys_is_taken_and_a_plain_one_refused_as_the_setting_says() {
    for (srtp, with_keys, plain) in
        [("off", 488, 200), ("offered", 200, 200), ("required", 200, 488)]
    {
        let stage = stage(srtp);
        let mut alice = stage.phone("alice");
        let rtp = RtpPeer::start(Voice::Silence);
        let plain_offer = sdp::pcmu(rtp.local_addr());
        let secret_offer = sdp::stream(rtp.local_addr(), "0", KEY).replace("RTP/AVP", "RTP/SAVP");
        for (offer, code) in [(secret_offer, with_keys), (plain_offer, plain)] {
            let (protocol, offered) = terms(&offer);
            let invite = alice.request("INVITE", &stage.uri("1000"));
            let invite = invite.with_body("application/sdp", offer.into_bytes());
            let (invite, answer) = alice.transact_authorized(invite);
            assert_eq!(answer.code(), Some(code), "{srtp}\n{}", alice.history());
            if code == 200 {
                assert_eq!(terms(&text(&answer)), (protocol, offered), "{answer}");
                let mut call = alice.acknowledge(&invite, answer);
                assert_eq!(alice.hang_up(&mut call).code(), Some(200));
            } else {
                assert!(answer.header("Warning").is_some(), "{answer}");
            }
        }
    }
}
