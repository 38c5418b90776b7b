//! `/Sbcs`, `/SystemInformation`, `…/SipRealms`, `/Availability` (contract rest.md §2.14, §2.17).

use serde_json::{Value, json};
use trunkline::config::WireStyle;
use trunkline::model::sbc::{self, PortUse};

use crate::support::{NOBODY, TestApi};

#[actix_web::test]
async fn addresses_are_the_servers_own_and_those_that_were_added() {
    for wire in [WireStyle::Trunkline, WireStyle::Jambonz] {
        let own = sbc::own([
            (PortUse::Plain, "192.0.2.1:5060".parse().unwrap()),
            (PortUse::Tls, "192.0.2.1:5061".parse().unwrap()),
        ]);
        let own_sid = own[0].sid.to_string();
        let api =
            TestApi::start_as(|config| config.api.wire = wire, |state| state.with_own_sbcs(own))
                .await;
        let t = api.tenancy().await;
        let added = json!({"ipv4": "203.0.113.9", "port": "5080", "tls_port": 5081,
            "wss_port": null, "service_provider_sid": t.providers[0].sid});
        let one = api.post(&api.admin, "/Sbcs", added).await.sid();
        let all = api.post(&api.admin, "/Sbcs", json!({"ipv4": "sip.example.com"})).await.sid();
        let list = api.get(&api.admin, "/Sbcs").await.expect(200).json();
        let mut rows = list.as_array().unwrap().clone();
        for row in &mut rows {
            let date = row.as_object_mut().unwrap().shift_remove("last_updated").unwrap();
            assert_eq!(date.as_str().unwrap().ends_with('Z'), wire == WireStyle::Jambonz, "{date}");
        }
        let row = |sid: &str, ipv4, ports: [Option<u16>; 3], provider: Option<&str>| {
            json!({"sbc_address_sid": sid, "ipv4": ipv4, "port": ports[0], "tls_port": ports[1],
                "wss_port": ports[2], "service_provider_sid": provider})
        };
        let provider = t.providers[0].sid.as_str();
        assert_eq!(
            rows,
            [
                row(&own_sid, "192.0.2.1", [Some(5060), Some(5061), None], None),
                row(&one, "203.0.113.9", [Some(5080), Some(5081), None], Some(provider)),
                row(&all, "sip.example.com", [Some(5060), None, None], None),
            ]
        );
        let seen = async |key: &str, query: &str| {
            let list = api.get(key, &format!("/Sbcs{query}")).await.expect(200).json();
            list.as_array().unwrap().len()
        };
        assert_eq!(seen(&t.providers[0].key, "").await, 3);
        assert_eq!(seen(&t.accounts[0][1].key, "").await, 3);
        assert_eq!(seen(&t.providers[1].key, "").await, 2);
        assert_eq!(seen(&t.accounts[1][0].key, "").await, 2);
        let narrow = format!("?service_provider_sid={provider}");
        assert_eq!(seen(&api.admin, &narrow).await, 3);
        assert_eq!(seen(&t.providers[1].key, &narrow).await, 2);
        assert_eq!(seen(&api.admin, &format!("?service_provider_sid={NOBODY}")).await, 2);
        api.get(&api.admin, "/Sbcs?service_provider_sid=x").await.expect(400);

        for key in [&t.providers[0].key, &t.accounts[0][0].key] {
            let refused = api.post(key, "/Sbcs", json!({"ipv4": "192.0.2.7"})).await.expect(403);
            assert_eq!(refused.msg(), "insufficient permissions");
            api.delete(key, &format!("/Sbcs/{one}")).await.expect(403);
        }
        api.delete(&api.admin, &format!("/Sbcs/{one}")).await.expect(204);
        api.delete(&api.admin, &format!("/Sbcs/{one}")).await.expect(404);
        api.delete(&api.admin, &format!("/Sbcs/{own_sid}")).await.expect(422);
        api.delete(&api.admin, "/Sbcs/undefined").await.expect(400);
        assert_eq!(seen(&api.admin, "").await, 2);
        api.stop().await;
    }
}

#[actix_web::test]
async fn bad_addresses_and_notes_are_refused_by_name() {
    let api = TestApi::start().await;
    let with_address = |property: &str, value: Value| {
        let mut body = json!({"ipv4": "192.0.2.1"});
        body[property] = value;
        body
    };
    for (property, value) in [
        ("ipv4", json!(5)),
        ("ipv4", json!("")),
        ("ipv4", json!(null)),
        ("ipv4", json!("10.0.0.300")),
        ("ipv4", json!("a b")),
        ("ipv4", json!("x".repeat(256))),
        ("port", json!("x")),
        ("port", json!(0)),
        ("port", json!(65_536)),
        ("tls_port", json!(-1)),
        ("wss_port", json!([])),
        ("service_provider_sid", json!("x")),
        ("colour", json!("red")),
    ] {
        let refused = api.post(&api.admin, "/Sbcs", with_address(property, value.clone())).await;
        assert_eq!(refused.status, 400, "{property} = {value}");
        assert!(refused.msg().contains(property), "{property} = {value}: {}", refused.msg());
    }
    let refused = api.post(&api.admin, "/Sbcs", json!({})).await.expect(400);
    assert_eq!(refused.msg(), "missing field ipv4");
    let refused =
        api.post(&api.admin, "/Sbcs", with_address("service_provider_sid", json!(NOBODY)));
    assert!(refused.await.expect(400).msg().starts_with("service_provider not found for sid"));

    for (property, value) in [
        ("domain_name", json!(5)),
        ("domain_name", json!("a b")),
        ("domain_name", json!("x".repeat(256))),
        ("sip_domain_name", json!({})),
        ("monitoring_domain_name", json!("http://a")),
        ("private_network_cidr", json!("10.0.0.0/8,x")),
        ("private_network_cidr", json!(["10.0.0.0/8"])),
        ("log_level", json!("loud")),
        ("colour", json!("red")),
    ] {
        let body = json!({property: value});
        let refused = api.post(&api.admin, "/SystemInformation", body.clone()).await.expect(400);
        assert!(refused.msg().contains(property), "{body}: {}", refused.msg());
        assert_eq!(refused.json()["status"], "fail");
    }
    api.stop().await;
}

#[actix_web::test]
async fn notes_about_the_installation_are_the_administrators() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let path = "/SystemInformation";
    let mut expected = json!({"domain_name": null, "sip_domain_name": null,
        "monitoring_domain_name": null, "private_network_cidr": null, "log_level": null});
    assert_eq!(api.get(&api.admin, path).await.expect(200).json(), expected);
    for (property, value) in [
        ("domain_name", json!("example.com")),
        ("sip_domain_name", json!("sip.example.com")),
        ("monitoring_domain_name", json!("grafana.example.com")),
        ("private_network_cidr", json!("10.0.0.0/8, 192.168.0.0/16")),
        ("log_level", json!("debug")),
        ("domain_name", json!(null)),
    ] {
        expected[property] = value.clone();
        let answer = api.post(&api.admin, path, json!({property: value})).await.expect(201);
        assert_eq!(answer.json(), expected);
        assert_eq!(api.get(&api.admin, path).await.json(), expected);
    }
    assert_eq!(api.post(&api.admin, path, json!({})).await.expect(201).json(), expected);
    for key in [&t.providers[0].key, &t.accounts[0][0].key] {
        for refused in [api.get(key, path).await, api.post(key, path, json!({})).await] {
            assert_eq!(
                refused.expect(403).json(),
                json!({"msg": "insufficient permissions", "status": "fail",
                    "message": "insufficient permissions"})
            );
        }
    }
    api.stop().await;
}

#[actix_web::test]
async fn a_realm_is_set_by_its_path_and_told_to_be_taken() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let account = &t.accounts[0][0];
    let path = |account: &str, realm: &str| format!("/Accounts/{account}/SipRealms/{realm}");
    let free = async |value: &str| {
        let path = format!("/Availability?type=subdomain&value={value}");
        api.get(&t.accounts[1][0].key, &path).await.expect(200).json()
    };
    assert_eq!(free("sip.example.com").await, json!({"available": true}));
    for key in [&account.key, &t.providers[0].key, &api.admin] {
        api.take_changes();
        api.post(key, &path(&account.sid, "SIP.example.com"), json!({})).await.expect(204);
        assert_eq!(api.take_changes().len(), 1, "registrations follow");
    }
    let read = api.get(&account.key, &format!("/Accounts/{}", account.sid)).await.json();
    assert_eq!(read["sip_realm"], "sip.example.com");
    assert_eq!(free("Sip.Example.com").await, json!({"available": false}));
    for kind in ["email", "phone"] {
        let path = format!("/Availability?type={kind}&value=nobody%40example.com");
        let answer = api.get(&api.admin, &path).await.expect(200).json();
        assert_eq!(answer, json!({"available": true}));
    }
    let user = json!({"name": "u", "email": "Somebody@example.com", "initial_password": "pass-w0rd",
        "is_active": true, "force_change": false});
    api.post(&api.admin, "/Users", user).await.expect(201);
    let mail = "/Availability?type=email&value=somebody%40Example.com";
    assert_eq!(api.get(&api.admin, mail).await.json(), json!({"available": false}));
    for query in ["", "?type=email", "?value=x", "?type=colour&value=red"] {
        api.get(&api.admin, &format!("/Availability{query}")).await.expect(400);
    }
    let taken = path(&t.accounts[0][1].sid, "sip.example.com");
    api.post(&t.accounts[0][1].key, &taken, json!({})).await.expect(422);
    for realm in ["example.com", "com", "a..com", "a.b.c%20d", "a.b.c%3A5060", "-a.b.c", "a.b.ä"] {
        let refused = api.post(&account.key, &path(&account.sid, realm), json!({})).await;
        assert!(refused.expect(400).msg().starts_with("invalid sip_realm"), "{realm}");
    }
    let long = format!("{}.example.com", "a".repeat(132));
    api.post(&account.key, &path(&account.sid, &long), json!({})).await.expect(400);
    for key in [&t.accounts[0][1].key, &t.providers[1].key] {
        let refused = api.post(key, &path(&account.sid, "a.b.c"), json!({})).await.expect(403);
        assert_eq!(refused.msg(), "insufficient permissions");
    }
    api.post(&api.admin, &path(NOBODY, "a.b.c"), json!({})).await.expect(404);
    api.post(&api.admin, &path("undefined", "a.b.c"), json!({})).await.expect(400);
    api.stop().await;
}
