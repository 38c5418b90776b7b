//! `/SipGateways` (contract rest.md §2.8).

use serde_json::{Value, json};
use trunkline::api::Change;

use crate::support::{NOBODY, Tenant, TestApi};

async fn carrier(api: &TestApi, key: &str) -> String {
    api.post(key, "/VoipCarriers", json!({"name": "c"})).await.sid()
}

async fn start() -> (TestApi, Tenant, String) {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let sid = carrier(&api, &account.key).await;
    api.take_changes();
    (api, account, sid)
}

#[actix_web::test]
async fn a_gateway_is_made_read_changed_and_deleted() {
    let (api, account, carrier) = start().await;
    let body = json!({"voip_carrier_sid": carrier, "ipv4": "10.0.0.1"});
    let sid = api.post(&account.key, "/SipGateways", body).await.sid();
    let path = format!("/SipGateways/{sid}");
    let mut expected = json!({
        "sip_gateway_sid": sid, "voip_carrier_sid": carrier, "ipv4": "10.0.0.1", "port": null,
        "netmask": 32, "inbound": 0, "outbound": 0, "is_active": 1, "protocol": "udp",
        "send_options_ping": 0, "use_sips_scheme": 0, "pad_crypto": 0, "remove_ice": 0,
        "dtls_off": 0, "priority": 100, "status": {"state": "unknown"},
    });
    assert_eq!(api.get(&account.key, &path).await.expect(200).json(), expected);

    let change = json!({
        "ipv4": "10.0.0.0", "port": "5080", "netmask": "24", "inbound": true, "outbound": "1",
        "is_active": 0, "protocol": "tls/srtp", "send_options_ping": 1, "use_sips_scheme": 1,
        "pad_crypto": 1, "remove_ice": 1, "dtls_off": 1, "priority": 5,
    });
    api.put(&account.key, &path, change.clone()).await.expect(204);
    expected.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    let as_shown = json!({"port": 5080, "netmask": 24, "inbound": 1, "outbound": 1});
    expected.as_object_mut().unwrap().extend(as_shown.as_object().unwrap().clone());
    assert_eq!(api.get(&account.key, &path).await.json(), expected);

    // What is shown can be sent back, but for its key.
    let mut echo = expected.clone();
    echo.as_object_mut().unwrap().shift_remove("sip_gateway_sid");
    echo["status"] = json!({"state": "up"});
    api.put(&account.key, &path, echo).await.expect(204);
    api.put(&account.key, &path, json!({})).await.expect(204);
    let list = format!("/SipGateways?voip_carrier_sid={carrier}");
    assert_eq!(api.get(&account.key, &list).await.expect(200).json(), json!([expected]));

    api.delete(&account.key, &path).await.expect(204);
    assert_eq!(api.get(&account.key, &list).await.json(), json!([]));
    assert_eq!(api.get(&account.key, &path).await.expect(404).msg(), "not found");
    let changes = api.take_changes();
    let [
        Change::Gateway { before: None, after: Some(made) },
        Change::Gateway { before: Some(_), after: Some(new) },
        Change::Gateway { before: Some(_), after: Some(_) },
        Change::Gateway { before: Some(_), after: Some(_) },
        Change::Gateway { before: Some(gone), after: None },
    ] = changes.as_slice()
    else {
        panic!("{changes:?}");
    };
    assert_eq!((made.host.as_str(), new.host.as_str()), ("10.0.0.1", "10.0.0.0"));
    assert_eq!(gone, new);
    api.stop().await;
}

#[actix_web::test]
async fn refusals_have_their_wording() {
    let (api, account, carrier) = start().await;
    let of_carrier = |mut body: Value| {
        body["voip_carrier_sid"] = json!(carrier);
        body
    };
    for (body, text) in [
        (json!({"ipv4": "10.0.0.1"}), "missing voip_carrier_sid"),
        (json!({"ipv4": "10.0.0.1", "voip_carrier_sid": null}), "missing voip_carrier_sid"),
        (json!({"ipv4": "10.0.0.1", "voip_carrier_sid": "x"}), "invalid voip_carrier_sid"),
        (json!({"ipv4": "10.0.0.1", "voip_carrier_sid": NOBODY}), "invalid voip_carrier_sid"),
        (of_carrier(json!({})), "missing field ipv4"),
        (
            of_carrier(json!({"ipv4": "sip.example.com", "inbound": 1})),
            "ipv4 must be an IPv4 address for an inbound gateway",
        ),
        (
            of_carrier(json!({"ipv4": "10.0.0.0", "outbound": 1, "netmask": 24})),
            "netmask must be 32 for an outbound gateway",
        ),
        (of_carrier(json!({"ipv4": "10.0.0.1", "colour": "red"})), "unknown property colour"),
    ] {
        let refused = api.post(&account.key, "/SipGateways", body.clone()).await;
        assert_eq!((refused.status, refused.msg().as_str()), (400, text), "{body}");
    }
    let body = of_carrier(json!({"ipv4": "10.0.0.1", "outbound": 1}));
    let sid = api.post(&account.key, "/SipGateways", body).await.sid();
    let path = format!("/SipGateways/{sid}");
    for (property, value) in [
        ("ipv4", json!("10.0.0.1 ")),
        ("ipv4", json!("10.0. 0.1")),
        ("ipv4", json!("10.0.0.256")),
        ("ipv4", json!("a\r\nb")),
        ("ipv4", json!("sip:example.com")),
        ("ipv4", json!("a".repeat(129))),
        ("ipv4", json!(null)),
        ("port", json!(0)),
        ("port", json!(65_536)),
        ("port", json!("http")),
        ("netmask", json!(33)),
        ("netmask", json!(-1)),
        ("netmask", json!(31)),
        ("protocol", json!("sctp")),
        ("protocol", json!("UDP")),
        ("inbound", json!("yes")),
        ("priority", json!(-1)),
    ] {
        let refused = api.put(&account.key, &path, json!({property: value})).await.expect(400);
        assert!(refused.msg().starts_with(property), "{property} {value}: {}", refused.msg());
    }
    let refused = api.put(&account.key, &path, json!({"sip_gateway_sid": sid})).await.expect(400);
    assert_eq!(refused.msg(), "primary key sip_gateway_sid is immutable");

    let unknown = format!("/SipGateways/{NOBODY}");
    let refused = api.put(&account.key, &unknown, json!({})).await.expect(400);
    assert_eq!(refused.msg(), "invalid sip_gateway_sid");
    assert_eq!(
        api.delete(&account.key, &unknown).await.expect(400).msg(),
        "invalid sip_gateway_sid"
    );
    assert_eq!(api.get(&account.key, &unknown).await.expect(404).msg(), "not found");
    for malformed in ["/SipGateways/undefined", "/SipGateways/1"] {
        assert_eq!(api.get(&account.key, malformed).await.expect(400).msg(), "Bad request");
        api.put(&account.key, malformed, json!({})).await.expect(400);
        api.delete(&account.key, malformed).await.expect(400);
    }
    for list in ["/SipGateways", "/SmppGateways"] {
        let refused = api.get(&account.key, list).await.expect(400);
        assert_eq!(refused.msg(), "missing voip_carrier_sid");
        let refused = api.get(&account.key, &format!("{list}?voip_carrier_sid=x")).await;
        assert_eq!(refused.expect(400).msg(), "invalid voip_carrier_sid");
    }
    let refused = api.get(&account.key, &format!("/SipGateways?voip_carrier_sid={NOBODY}")).await;
    assert_eq!(refused.expect(400).msg(), "invalid voip_carrier_sid");
    let smpp = format!("/SmppGateways?voip_carrier_sid={carrier}");
    assert_eq!(api.get(&account.key, &smpp).await.expect(200).json(), json!([]));
    api.stop().await;
}

#[actix_web::test]
async fn a_carriers_gateways_are_listed_in_the_order_they_are_tried() {
    let (api, account, carrier) = start().await;
    for (host, priority) in [("b", 100), ("c", 100), ("d", 200), ("a", 1)] {
        let body = json!({"voip_carrier_sid": carrier, "ipv4": format!("{host}.example.com"),
            "outbound": 1, "priority": priority});
        api.post(&account.key, "/SipGateways", body).await.expect(201);
    }
    let path = format!("/SipGateways?voip_carrier_sid={carrier}");
    let list = api.get(&account.key, &path).await.json();
    let hosts: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|g| g["ipv4"].as_str().unwrap()[..1].to_owned())
        .collect();
    assert_eq!(hosts, ["a", "b", "c", "d"]);
    let all = api.state.store.sip_gateways().all().await.unwrap();
    let stored: Vec<_> = all.iter().map(|gateway| gateway.priority).collect();
    assert_eq!(stored, [1, 100, 100, 200]);
    api.stop().await;
}

#[actix_web::test]
async fn gateways_are_reached_as_their_carrier_is() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let (provider, account) = (&t.providers[0], &t.accounts[0][0]);
    let own = carrier(&api, &account.key).await;
    let shared = carrier(&api, &provider.key).await;
    let siblings = carrier(&api, &t.accounts[0][1].key).await;
    let foreign = carrier(&api, &t.accounts[1][0].key).await;
    let body = |carrier: &str| json!({"voip_carrier_sid": carrier, "ipv4": "10.0.0.1"});
    let mut gateways = Vec::new();
    for sid in [&own, &shared, &siblings, &foreign] {
        let gateway = api.post(&api.admin, "/SipGateways", body(sid)).await.sid();
        gateways.push(format!("/SipGateways/{gateway}"));
    }
    let list = |carrier: &str| format!("/SipGateways?voip_carrier_sid={carrier}");
    for (key, reads, changes) in [
        (&account.key, [true, true, false, false], [true, false, false, false]),
        (&provider.key, [true, true, true, false], [true, true, true, false]),
        (&t.providers[1].key, [false, false, false, true], [false, false, false, true]),
        (&api.admin, [true; 4], [true; 4]),
    ] {
        for (at, carrier) in [&own, &shared, &siblings, &foreign].into_iter().enumerate() {
            let expect = |allowed: bool, yes, no| if allowed { yes } else { no };
            let path = &gateways[at];
            api.get(key, path).await.expect(expect(reads[at], 200, 404));
            api.get(key, &list(carrier)).await.expect(expect(reads[at], 200, 400));
            let changed = api.put(key, path, json!({"is_active": 1})).await;
            let changed = changed.expect(expect(changes[at], 204, 403));
            if !changes[at] {
                assert_eq!(changed.msg(), "insufficient privileges");
                let refused = api.delete(key, path).await.expect(403);
                assert_eq!(refused.msg(), "insufficient privileges");
                let refused = api.post(key, "/SipGateways", body(carrier)).await.expect(400);
                assert_eq!(refused.msg(), "invalid voip_carrier_sid");
            }
        }
    }
    // To another carrier, if that is within reach.
    for (carrier, status) in [(&shared, 400), (&siblings, 400), (&foreign, 400)] {
        let moved = api.put(&account.key, &gateways[0], json!({"voip_carrier_sid": carrier})).await;
        assert_eq!(moved.expect(status).msg(), "invalid voip_carrier_sid");
    }
    let to_shared = json!({"voip_carrier_sid": shared});
    api.put(&provider.key, &gateways[0], to_shared).await.expect(204);
    assert_eq!(api.get(&account.key, &list(&shared)).await.json().as_array().unwrap().len(), 2);
    api.stop().await;
}
