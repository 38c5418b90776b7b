//! A foreign proxy (`kamailio`) in the way: between phones and us, with Path and Record-Route, and as
//! the outbound proxy of calls that REST orders.

use std::time::Duration;

use serde_json::json;
use support::baresip::{Codec, Phone};
use support::heard::median_level_db;
use support::rtp_peer::Voice;
use support::sipp::Sipp;
use support::{Baresip, Kamailio, RtpPeer, wait};

use crate::stage::{LEVEL_DB, PASSWORD, SOON, Stage, file};

const PHONE_HZ: f64 = 750.0;
const PEER_HZ: f64 = 450.0;

fn proxy_of(stage: &Stage) -> Kamailio {
    let server = stage.server.sip().to_string();
    let values = [("SERVER", server.as_str())];
    Kamailio::start(&file("kamailio/proxy.cfg"), &values).expect("kamailio runs")
}

/// A phone that knows nobody but the proxy, over that transport.
fn phone_behind(proxy: &Kamailio, stage: &Stage, user: &str, transport: &str) -> Baresip {
    stage.tenant.client(user, PASSWORD).expect("a SIP client");
    let phone = Phone {
        user,
        password: PASSWORD,
        realm: &stage.tenant.realm,
        server: proxy.address(),
        transport,
        tones: &[(PHONE_HZ, LEVEL_DB)],
        codec: Codec::Pcmu,
    };
    let mut phone = Baresip::start(&phone).expect("baresip runs");
    phone.wait_registered(SOON).unwrap_or_else(|error| panic!("{error}\n{}", proxy.log()));
    phone
}

/// It calls a conference and is heard there; both hang up once.
fn a_phone_behind_a_proxy(transport: &str) {
    let stage = Stage::new();
    let proxy = proxy_of(&stage);
    let mut phone = phone_behind(&proxy, &stage, "alice", transport);
    assert_eq!(proxy.relayed("REGISTER"), 2, "challenged once\n{}", proxy.log());

    stage.answer_with_conference("behind");
    let mut peer = stage.caller("peer", PEER_HZ);
    phone.dial(&stage.uri("1000"), SOON).expect("answered");
    wait::expect("the phone is heard", SOON, || {
        let level = peer.rtp.listen(Duration::from_millis(240)).level_db(PHONE_HZ);
        (level - LEVEL_DB).abs() < 1.5
    });
    let call_sid = stage.call_sid_from("alice");
    // Our request in the dialog takes the recorded route.
    assert_eq!(stage.delete(&format!("/Calls/{call_sid}")), 204);
    phone.wait_event("CALL_CLOSED", SOON).expect("a BYE");
    assert_eq!(proxy.relayed("BYE"), 1, "{}", proxy.log());
    assert_eq!(stage.statuses(&call_sid), ["trying", "in-progress", "completed"]);
    peer.hang_up();

    // Called along the Path of its registration; it hangs up by the same way.
    let before = proxy.relayed("INVITE");
    stage.hooks.on_json("/call", json!([{ "verb": "conference", "name": "called" }]));
    let mut peer = stage.caller("other-peer", PEER_HZ);
    let call_sid = stage.create_call(&json!({
        "from": "15083084809",
        "to": { "type": "user", "name": format!("alice@{}", stage.tenant.realm) },
        "application_sid": stage.application_sid,
    }));
    wait::expect("the peer is heard", SOON, || {
        phone
            .listen(0.3)
            .is_ok_and(|heard| (median_level_db(&heard, PEER_HZ) - LEVEL_DB).abs() < 1.5)
    });
    assert_eq!(proxy.relayed("INVITE"), before + 1, "{}", proxy.log());
    phone.hang_up().expect("hung up");
    assert_eq!(stage.statuses(&call_sid).last().map(String::as_str), Some("completed"));
    assert_eq!(proxy.relayed("BYE"), 2, "{}", proxy.log());
    peer.hang_up();
}

#[test]
fn a_phone_behind_a_proxy_registers_calls_and_is_called_over_udp() {
    a_phone_behind_a_proxy("udp");
}

#[test]
fn a_phone_behind_a_proxy_registers_calls_and_is_called_over_tcp() {
    a_phone_behind_a_proxy("tcp");
}

#[test]
fn a_call_goes_through_the_outbound_proxy_that_rest_names_and_stays_on_its_way() {
    let stage = Stage::new();
    let proxy = proxy_of(&stage);
    let rtp = RtpPeer::start(Voice::tone(PEER_HZ, LEVEL_DB));
    let port = rtp.local_addr().port().to_string();
    let far = Sipp::called(&file("sipp/uas_accepts.xml"), "u1", &["-key", "peer_rtp", &port])
        .expect("sipp runs");
    stage.hooks.on_json("/call", json!([{ "verb": "pause", "length": 60 }]));
    let call_sid = stage.create_call(&json!({
        "from": "15083084809",
        "to": {
            "type": "sip",
            "sipUri": format!("sip:far@{}", far.address()),
            "proxy": format!("sip:{};lr", proxy.address()),
        },
        "application_sid": stage.application_sid,
    }));
    stage.hooks.wait_for("/call", SOON, |asked| !asked.is_empty());
    assert_eq!(stage.delete(&format!("/Calls/{call_sid}")), 204);
    let outcome = far.outcome(SOON * 3).expect("it ends");
    assert!(outcome.is_good(), "{}\n{}", outcome.log, proxy.log());
    for method in ["INVITE", "ACK", "BYE"] {
        assert_eq!(proxy.relayed(method), 1, "{method}\n{}", proxy.log());
    }
    assert_eq!(stage.statuses(&call_sid), ["trying", "ringing", "in-progress", "completed"]);
}
