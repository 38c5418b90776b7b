//! What a callee is told of the caller, which way the INVITE takes, and what a dial cannot do yet.

use serde_json::{Value, json};
use support::baresip::{Answers, MediaEncryption, Security};
use support::{Message, wait};

use super::ears::expect;
use super::{AFTER_HZ, ALICE_HZ, BOB_HZ, Dials, Far, text, user};
use crate::stage::{PASSWORD, SOON};

const ASSERTED: &str = "sip:4711@net.test.example";

impl Dials {
    /// A carrier of the account's with one gateway; gives its sid.
    fn carrier(&self, name: &str, gateway: Value) -> String {
        let rest = &self.stage.tenant.rest;
        let post = |path: &str, body: &Value| {
            let created = rest.post(path, body).expect("an answer");
            created.sid().unwrap_or_else(|error| panic!("POST {path}: {error}"))
        };
        let sid = post(&self.stage.tenant.path("/VoipCarriers"), &json!({ "name": name }));
        let mut gateway = gateway;
        gateway["voip_carrier_sid"] = json!(sid);
        gateway["ipv4"] = json!("127.0.0.1");
        post("/v1/SipGateways", &gateway);
        sid
    }
}

/// The INVITE that each of them got, after all have refused.
fn invites(fars: Vec<Far>) -> Vec<Message> {
    fars.into_iter().map(|far| far.ends_well().swap_remove(0)).collect()
}

#[test]
fn a_callee_is_told_what_the_verb_and_its_target_say_of_the_caller() {
    let dials = Dials::new();
    // Its word on who is calling is believed.
    dials.carrier("network", json!({ "inbound": true, "outbound": false }));
    dials.number("15550001");
    let fars: Vec<Far> = (0..8).map(|_| dials.refuses("486", "Busy Here")).collect();
    let proxied = json!({ "type": "sip", "sipUri": "sip:bob@192.0.2.1" });
    let with = |target: Value, more: Value| {
        let mut target = target;
        for (name, value) in more.as_object().into_iter().flatten() {
            target[name] = value.clone();
        }
        target
    };
    let verbs = [
        (fars[0].target(), json!({})),
        (
            with(fars[1].target(), json!({ "headers": { "X-Both": "target" } })),
            json!({
                "callerId": "0815", "callerName": "The Desk", "tag": { "leg": "b" },
                "headers": { "X-Ticket": "7", "X-Both": "verb" },
            }),
        ),
        (fars[2].target(), json!({ "forwardPAI": false })),
        (
            with(
                fars[3].target(),
                json!({ "from": { "user": "own", "host": "own.test.example" } }),
            ),
            json!({ "callerId": "0815" }),
        ),
        (
            fars[4].target(),
            json!({ "headers": { "P-Asserted-Identity": "<sip:other@net.test.example>" } }),
        ),
        (proxied.clone(), json!({ "proxy": fars[5].uri() })),
        (
            with(proxied, json!({ "proxy": fars[6].uri() })),
            json!({ "proxy": "sip:192.0.2.9", "timeout": 3 }),
        ),
        (
            json!({
                "type": "user", "name": "bob", "proxy": fars[7].uri(),
                "overrideTo": "sip:the-desk@elsewhere.test.example",
            }),
            json!({}),
        ),
    ];
    let _bob = dials.phone("bob", BOB_HZ);
    let mut list: Vec<Value> =
        verbs.iter().map(|(target, more)| dials.dial(&json!([target]), more)).collect();
    list.push(json!({ "verb": "hangup" }));
    dials.script(&json!({ "/call": list }));
    let keys = [("caller", "4711"), ("identity", ASSERTED), ("privacy", "none")];
    let caller = dials.caller("identity", "15550001", ALICE_HZ, &keys);
    caller.ends_well();
    let invites = invites(fars);
    let header = |at: usize, name: &str| invites[at].header(name).map(str::to_owned);
    let from = |at: usize| header(at, "From").unwrap_or_default();
    let asserted = Some(format!("<{ASSERTED}>"));

    // Nothing said: the caller's number and identity.
    assert!(from(0).contains("sip:4711@"), "{}", from(0));
    assert_eq!(header(0, "P-Asserted-Identity"), asserted);
    assert_eq!(header(0, "Privacy").as_deref(), Some("none"));
    assert!(from(1).starts_with("\"The Desk\" <sip:0815@"), "{}", from(1));
    assert_eq!(header(1, "X-Ticket").as_deref(), Some("7"));
    assert_eq!(invites[1].all("X-Both").collect::<Vec<_>>(), ["target"]);
    assert_eq!(header(1, "P-Asserted-Identity"), asserted);
    assert_eq!(header(2, "P-Asserted-Identity"), None);
    assert_eq!(header(2, "Privacy"), None);
    assert!(from(3).contains("<sip:own@own.test.example>"), "{}", from(3));
    let identities: Vec<&str> = invites[4].all("P-Asserted-Identity").collect();
    assert_eq!(identities, ["<sip:other@net.test.example>"], "the verb's wins");
    for at in [5, 6] {
        assert_eq!(invites[at].uri(), Some("sip:bob@192.0.2.1"), "by way of the proxy");
    }
    let to = header(7, "To").unwrap_or_default();
    assert!(to.contains("sip:the-desk@elsewhere.test.example"), "{to}");
    // How events name the caller.
    let tagged = dials.told("/status", "the tagged child", |body| {
        body["customerData"]["leg"] == "b" && body["call_status"] == "busy"
    });
    assert_eq!((text(&tagged, "from"), text(&tagged, "caller_id")), ("0815".into(), "0815".into()));
    let parent = dials.call_sid("4711");
    let of_parent = |body: &&Value| body["call_sid"] == parent.as_str();
    let events = dials.bodies("/status");
    assert!(events.iter().filter(of_parent).all(|body| body["customerData"].is_null()));
}

/// RFC 3325 §7: who wants to stay unknown is known to carriers only.
#[test]
fn a_private_identity_goes_to_carriers_alone() {
    let dials = Dials::new();
    let (carrier, far) = (dials.refuses("486", "Busy Here"), dials.refuses("486", "Busy Here"));
    dials.carrier("network", json!({ "inbound": true, "outbound": false }));
    let port = carrier.sipp.address().port();
    dials.carrier("way-out", json!({ "port": port, "inbound": false, "outbound": true }));
    dials.number("15550001");
    let phone = json!([{ "type": "phone", "number": "15551230001", "trunk": "way-out" }]);
    dials.script(&json!({ "/call": [
        dials.dial(&phone, &json!({})),
        dials.dial(&json!([far.target()]), &json!({})),
        { "verb": "hangup" },
    ] }));
    let keys = [("caller", "4711"), ("identity", ASSERTED), ("privacy", "id")];
    dials.caller("identity", "15550001", ALICE_HZ, &keys).ends_well();
    let told = invites(vec![carrier, far]);
    assert_eq!(told[0].header("P-Asserted-Identity"), Some(format!("<{ASSERTED}>").as_str()));
    assert_eq!(told[0].header("Privacy"), Some("id"));
    assert_eq!(told[1].header("P-Asserted-Identity"), None);
}

#[test]
fn a_phone_number_goes_to_the_carrier_that_is_named_else_to_the_owner_of_the_caller_s_number() {
    let dials = Dials::new();
    let fars: Vec<Far> = (0..4).map(|_| dials.refuses("486", "Busy Here")).collect();
    let port = |far: &Far| far.sipp.address().port();
    let gateway = |far: &Far| json!({ "port": port(far), "inbound": false, "outbound": true });
    // The first is the default; the second is named; the third owns the caller's number.
    dials.carrier("first", gateway(&fars[0]));
    dials.carrier("named", gateway(&fars[1]));
    let owner = dials.carrier("owner", gateway(&fars[2]));
    let number = json!({
        "number": "15550009", "account_sid": dials.stage.tenant.account_sid, "voip_carrier_sid": owner,
    });
    dials
        .stage
        .tenant
        .rest
        .post("/v1/PhoneNumbers", &number)
        .expect("an answer")
        .sid()
        .expect("201");
    let phone = |more: Value| {
        let mut target = json!({ "type": "phone" });
        for (name, value) in more.as_object().into_iter().flatten() {
            target[name] = value.clone();
        }
        json!([target])
    };
    let to_number = json!({ "number": "15551230001" });
    dials.script(&json!({ "/call": [
        dials.dial(&phone(to_number.clone()), &json!({})),
        dials.dial(&phone(json!({ "number": "15551230002", "trunk": "named" })), &json!({})),
        dials.dial(&phone(json!({ "name": "+15551230003" })), &json!({ "callerId": "15550009" })),
        dials.dial(&phone(json!({ "number": "15551230004", "trunk": "none" })), &json!({})),
        dials.after(),
    ] }));
    let mut alice = dials.phone("alice", ALICE_HZ);
    alice.dial(&dials.stage.uri("1000"), SOON).expect("answered");
    expect("A", &alice, &[AFTER_HZ]);
    let mut fars = fars;
    let unused = fars.pop().expect("the fourth");
    for (far, dialled) in fars.into_iter().zip(["15551230001", "15551230002", "15551230003"]) {
        let received = far.ends_well();
        let called = received[0].uri().unwrap_or_default();
        let user = called.trim_start_matches("sip:").split('@').next().unwrap_or_default();
        assert_eq!(user.trim_start_matches('+'), dialled, "{called}");
    }
    assert!(unused.sipp.received().is_empty());
    let done = dials.bodies("/done");
    let codes: Vec<&Value> = done.iter().map(|body| &body["dial_sip_status"]).collect();
    assert_eq!(codes, [486, 486, 486, 603]);
    let to = |at: usize| {
        let sid = &done[at]["dial_call_sid"];
        text(&dials.told("/status", "the child", |body| body["call_sid"] == *sid), "to")
    };
    assert_eq!(to(0), "15551230001");
    wait::expect("an alert", SOON, || {
        let alerts = dials.stage.get("/Alerts?page=1&count=50");
        let alerts = alerts["data"].as_array().cloned().unwrap_or_default();
        alerts.iter().any(|alert| alert["alert_type"] == "no-carrier")
    });
}

#[test]
fn the_callee_s_leg_alone_is_encrypted_where_the_verb_says_so() {
    let dials = Dials::new();
    let security = Security { media: MediaEncryption::Required, ..Security::default() };
    dials.stage.tenant.client("bob", PASSWORD).expect("a SIP client");
    let bob = dials.another_phone("bob", BOB_HZ, Answers::AtOnce, &security);
    let mut alice = dials.phone("alice", ALICE_HZ);
    let plain = dials.dial(&user("bob"), &json!({}));
    let secret = dials.dial(&user("bob"), &json!({ "srtpEncryption": "sdes" }));
    dials.script(&json!({ "/call": { "plain": [plain, secret, dials.after()] } }));
    alice.dial(&dials.stage.uri("1000"), SOON).expect("answered");
    expect("A", &alice, &[BOB_HZ]);
    expect("B", &bob, &[ALICE_HZ]);
    // The phone takes nothing else.
    let done = dials.told("/done", "the first dial is over", |_| true);
    assert_eq!(done["dial_call_status"], "failed", "{done}");
}

#[test]
fn what_a_dial_cannot_do_yet_is_told_in_an_alert_and_the_dial_goes_on() {
    let dials = Dials::new();
    let tone = dials.tone(BOB_HZ, 100);
    let unbuilt = [
        ("transcribe", json!({ "transcriptionHook": "/never" })),
        ("dub", json!([{ "action": "addTrack", "track": "one", "play": tone }])),
        ("amd", json!({ "actionHook": "/never" })),
        ("boostAudioSignal", json!("+6 dB")),
        ("codecs", json!(["PCMA"])),
        ("srtpEncryption", json!("dtls")),
    ];
    let nobody = json!([{ "type": "user", "name": "nobody" }]);
    let dial = |options: &Value| dials.dial(&nobody, options);
    let mut verbs: Vec<Value> =
        unbuilt.iter().map(|(name, value)| dial(&json!({ *name: value }))).collect();
    // Satisfied whatever they say.
    verbs.push(dial(&json!({ "anchorMedia": true, "exitMediaPath": true })));
    verbs.push(dials.after());
    dials.script(&json!({ "/call": { "plain": verbs } }));
    let mut alice = dials.phone("alice", ALICE_HZ);
    alice.dial(&dials.stage.uri("1000"), SOON).expect("answered");
    expect("A", &alice, &[AFTER_HZ]);
    let done = dials.bodies("/done");
    let codes: Vec<&Value> = done.iter().map(|body| &body["dial_sip_status"]).collect();
    assert_eq!(codes, [404; 7]);
    let messages = || {
        let alerts = dials.stage.get("/Alerts?page=1&count=50");
        let alerts = alerts["data"].as_array().cloned().unwrap_or_default();
        let mut found: Vec<String> = alerts
            .iter()
            .filter(|alert| alert["alert_type"] == "invalid-app-payload")
            .map(|alert| text(alert, "message"))
            .collect();
        found.sort_unstable();
        found
    };
    let mut expected: Vec<String> =
        unbuilt.iter().map(|(name, _)| format!("dial: no effect yet: {name}")).collect();
    expected.sort_unstable();
    wait::expect("the alerts", SOON, || messages() == expected);

    // A target of a kind that there is not is no dial at all.
    let teams = dials.dial(&json!([{ "type": "teams", "number": "1000" }]), &json!({}));
    dials.script(&json!({ "/call": [teams, dials.after()] }));
    alice.hang_up().expect("hung up");
    alice.ring(&dials.stage.uri("1000")).expect("called");
    wait::expect("refused", SOON, || alice.events("CALL_CLOSED").len() == 2);
    let refused = alice.events("CALL_CLOSED").pop().expect("an event");
    assert!(refused["param"].as_str().is_some_and(|text| text.contains("480")), "{refused}");
    wait::expect("its alert", SOON, || {
        messages().iter().any(|message| message.contains("teams is not supported"))
    });
}
