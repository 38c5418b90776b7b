//! A foreign carrier (`kamailio`): it challenges our registration and our calls, passes these on to the
//! rest of the world (`sipp`), and brings calls from there to where we are registered.

use serde_json::{Value, json};
use support::rtp_peer::Voice;
use support::sipp::Sipp;
use support::{Kamailio, RtpPeer, wait};

use crate::stage::{LEVEL_DB, SOON, Stage, file};

const NUMBER: &str = "15083084809";

/// The server, a carrier of its account, and somebody far away whom the carrier reaches.
struct Market {
    stage: Stage,
    carrier: Kamailio,
    far: Sipp,
    far_rtp: RtpPeer,
    carrier_sid: String,
}

impl Market {
    /// The carrier challenges by `algorithm`; `more` is what REST says of it beside its name.
    fn open(algorithm: &str, more: &Value) -> Self {
        let stage = Stage::new();
        let far_rtp = RtpPeer::start(Voice::tone(450.0, LEVEL_DB));
        let port = far_rtp.local_addr().port().to_string();
        let far = Sipp::called(&file("sipp/uas_accepts.xml"), "u1", &["-key", "peer_rtp", &port]);
        let far = far.expect("sipp runs");
        let address = far.address().to_string();
        let carrier = Kamailio::start(
            &file("kamailio/carrier.cfg"),
            &[("FAR", address.as_str()), ("ALGORITHM", algorithm), ("EXPIRES", "12")],
        );
        let carrier = carrier.expect("kamailio runs");
        let mut body = json!({ "name": "kamailio", "account_sid": stage.tenant.account_sid });
        for (name, value) in more.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        let rest = &stage.tenant.rest;
        let carrier_sid = rest.post("/v1/VoipCarriers", &body).expect("an answer").sid();
        let carrier_sid = carrier_sid.expect("201");
        let gateway = json!({
            "voip_carrier_sid": carrier_sid,
            "ipv4": "127.0.0.1",
            "port": carrier.address().port(),
            "inbound": 1,
            "outbound": 1,
        });
        rest.post("/v1/SipGateways", &gateway).expect("an answer").sid().expect("201");
        Self { stage, carrier, far, far_rtp, carrier_sid }
    }

    fn register_status(&self) -> Value {
        let path = format!("/v1/VoipCarriers/{}", self.carrier_sid);
        self.stage.tenant.rest.get(&path).expect("an answer").json["register_status"].clone()
    }

    /// How often the carrier has logged that.
    fn logged(&self, text: &str) -> usize {
        self.carrier.log().lines().filter(|line| line.contains(text)).count()
    }

    /// REST calls a telephone number; gives the sid.
    fn dial(&self, number: &str) -> String {
        self.stage.hooks.on_json("/call", json!([{ "verb": "pause", "length": 60 }]));
        self.stage.create_call(&json!({
            "from": NUMBER,
            "to": { "type": "phone", "number": number },
            "application_sid": self.stage.application_sid,
        }))
    }
}

fn credentials(password: &str, registers: bool) -> Value {
    json!({
        "requires_register": registers,
        "register_username": "trunk",
        "register_password": password,
        "register_sip_realm": "carrier.test.example",
        "e164_leading_plus": 1,
        "tech_prefix": "99",
    })
}

/// The call is challenged once, proved, answered far away, and ended by REST along the recorded route.
fn a_call_goes_out(algorithm: &str) {
    let market = Market::open(algorithm, &credentials("s3cret", false));
    let call_sid = market.dial("15551230000");
    let audio = market.far.wait_logged("audio", SOON).expect("an offer");
    let port: u16 = audio.parse().expect("a port");
    market.far_rtp.connect(([127, 0, 0, 1], port).into());
    market.stage.hooks.wait_for("/call", SOON, |asked| !asked.is_empty());
    assert_eq!(market.stage.delete(&format!("/Calls/{call_sid}")), 204);
    let Market { stage, carrier, far, .. } = market;
    let outcome = far.outcome(SOON * 3).expect("it ends");
    assert!(outcome.is_good(), "{}\n{}", outcome.log, carrier.log());
    assert_eq!(carrier.relayed("INVITE"), 1, "{}", carrier.log());
    assert_eq!(carrier.relayed("BYE"), 1, "{}", carrier.log());
    assert!(carrier.log().contains("dialled 99+15551230000"), "{}", carrier.log());
    assert_eq!(stage.statuses(&call_sid), ["trying", "ringing", "in-progress", "completed"]);
    wait::expect("its record", SOON, || {
        let calls = stage.get("/RecentCalls?page=1&count=25");
        calls["data"].as_array().is_some_and(|calls| {
            calls.iter().any(|call| call["call_sid"] == *call_sid && call["trunk"] == "kamailio")
        })
    });
}

#[test]
fn a_call_by_a_carrier_that_challenges_with_md5_is_proved() {
    a_call_goes_out("MD5");
}

#[test]
fn a_call_by_a_carrier_that_challenges_with_sha_256_is_proved() {
    a_call_goes_out("SHA-256");
}

#[test]
fn a_call_with_a_wrong_password_is_tried_once_and_fails() {
    let market = Market::open("MD5", &credentials("guess", false));
    let call_sid = market.dial("15551230000");
    assert_eq!(market.stage.statuses(&call_sid), ["trying", "failed"]);
    let last = market.stage.hooks.events("/status", &call_sid).pop().expect("an event");
    assert_eq!(last.json["sip_status"], 407, "{}", last.json);
    assert_eq!(market.carrier.relayed("INVITE"), 0, "{}", market.carrier.log());
}

/// Registered, refreshed before it runs out, and called along the binding.
fn a_registration(algorithm: &str) {
    let market = Market::open(algorithm, &credentials("s3cret", true));
    wait::expect("registered", SOON, || market.register_status()["status"] == "ok");
    assert_eq!(market.logged("registered trunk"), 1, "{}", market.carrier.log());

    let stage = &market.stage;
    let number = json!({
        "number": NUMBER,
        "account_sid": stage.tenant.account_sid,
        "voip_carrier_sid": market.carrier_sid,
        "application_sid": stage.application_sid,
    });
    stage.tenant.rest.post("/v1/PhoneNumbers", &number).expect("an answer").sid().expect("201");
    stage.hooks.on_json("/call", json!([{ "verb": "answer" }, { "verb": "pause", "length": 60 }]));
    let rtp = RtpPeer::start(Voice::tone(450.0, LEVEL_DB));
    let port = rtp.local_addr().port().to_string();
    let arguments = ["-s", NUMBER, "-key", "caller", "15551239999", "-key", "peer_rtp", &port];
    let scenario = file("sipp/uac_call.xml");
    let caller = Sipp::caller(&scenario, market.carrier.address(), "u1", &arguments);
    let outcome = caller.expect("sipp runs").outcome(SOON * 3).expect("it ends");
    assert!(outcome.is_good(), "{}\n{}", outcome.log, market.carrier.log());
    let call_sid = stage.call_sid_from("15551239999");
    assert_eq!(stage.statuses(&call_sid), ["trying", "in-progress", "completed"]);

    wait::expect("refreshed", SOON * 2, || market.logged("registered trunk") >= 2);
    assert_eq!(market.register_status()["status"], "ok");
}

#[test]
fn a_registration_challenged_with_md5_holds_and_brings_calls() {
    a_registration("MD5");
}

#[test]
fn a_registration_challenged_with_sha_256_holds_and_brings_calls() {
    a_registration("SHA-256");
}

#[test]
fn a_registration_with_a_wrong_password_fails_and_is_not_repeated_at_once() {
    let market = Market::open("MD5", &credentials("guess", true));
    // Before it had a gateway there was nobody to ask.
    wait::expect("refused", SOON, || {
        let status = market.register_status();
        status["reason"].as_str().is_some_and(|why| why.starts_with("401"))
    });
    assert_eq!(market.register_status()["status"], "fail");
    assert_eq!(market.logged("registered trunk"), 0);
}

/// Three gateways in their order: one refuses, one says nothing, one takes the call.
#[test]
fn a_gateway_that_refuses_and_one_that_is_silent_are_left_for_the_next() {
    let stage = Stage::with_env(&[("TRUNKLINE__SIP__FAILOVER_AFTER", "1s")]);
    let rest = &stage.tenant.rest;
    let body = json!({ "name": "three", "account_sid": stage.tenant.account_sid });
    let carrier = rest.post("/v1/VoipCarriers", &body).expect("an answer").sid().expect("201");
    let rtp = RtpPeer::start(Voice::tone(450.0, LEVEL_DB));
    let port = rtp.local_addr().port().to_string();
    let gateways = ["503", "silent", "accepts"].map(|scenario| {
        let scenario = file(&format!("sipp/uas_{scenario}.xml"));
        let far = Sipp::called(&scenario, "u1", &["-key", "peer_rtp", &port]).expect("sipp runs");
        let gateway = json!({
            "voip_carrier_sid": carrier,
            "ipv4": "127.0.0.1",
            "port": far.address().port(),
            "outbound": 1,
        });
        rest.post("/v1/SipGateways", &gateway).expect("an answer").sid().expect("201");
        far
    });
    stage.hooks.on_json("/call", json!([{ "verb": "pause", "length": 60 }]));
    let call_sid = stage.create_call(&json!({
        "from": NUMBER,
        "to": { "type": "phone", "number": "15551230000" },
        "application_sid": stage.application_sid,
    }));
    stage.hooks.wait_for("/call", SOON, |asked| !asked.is_empty());
    assert_eq!(stage.delete(&format!("/Calls/{call_sid}")), 204);
    for far in gateways {
        let outcome = far.outcome(SOON * 3).expect("it ends");
        assert!(outcome.is_good(), "{}", outcome.log);
    }
    assert_eq!(stage.statuses(&call_sid), ["trying", "ringing", "in-progress", "completed"]);
}
