//! `/VoipCarriers` and `/PredefinedCarriers` (contract rest.md §2.7, §2.14).

use serde_json::{Value, json};
use trunkline::api::Change;
use trunkline::model::Scope;
use trunkline::store::VoipCarrierQuery;

use crate::support::{NOBODY, TestApi};

#[actix_web::test]
async fn a_carrier_is_made_read_changed_and_deleted() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let sid = api.post(&account.key, "/VoipCarriers", json!({"name": "carrier"})).await.sid();
    let path = format!("/VoipCarriers/{sid}");
    let mut read = api.get(&account.key, &path).await.expect(200).json();
    let created_at = read["created_at"].take();
    assert!(created_at.as_str().unwrap().ends_with("+0000"), "{created_at}");
    assert_eq!(
        read,
        json!({
            "voip_carrier_sid": sid, "name": "carrier", "description": null,
            "account_sid": account.sid, "service_provider_sid": provider.sid,
            "application_sid": null, "trunk_type": "static_ip", "is_active": 1,
            "e164_leading_plus": 0, "tech_prefix": null, "diversion": null,
            "outbound_sip_proxy": null, "dtmf_type": "rfc2833", "requires_register": 0,
            "register_username": null, "register_password": null, "register_from_user": null,
            "register_sip_realm": null, "register_from_domain": null,
            "register_public_ip_in_contact": 0, "register_use_tls": 0, "register_status": {},
            "inbound_auth_username": null, "inbound_auth_password": null, "smpp_system_id": null,
            "smpp_password": null, "smpp_enquire_link_interval": 0,
            "smpp_inbound_system_id": null, "smpp_inbound_password": null,
            "media_encryption": null, "digest_algorithm": null, "created_at": null,
        })
    );

    let app = api.new_application(&account, "app").await;
    let full = json!({
        "name": "other", "description": "ours", "application_sid": app, "trunk_type": "reg",
        "is_active": 0, "e164_leading_plus": 1, "tech_prefix": "9011#", "diversion": "+15550001",
        "outbound_sip_proxy": "sip:proxy.example.com:5080;transport=tcp", "dtmf_type": "info",
        "requires_register": 1, "register_username": "user@example.com",
        "register_from_user": "from", "register_sip_realm": "sip.example.com",
        "register_from_domain": "from.example.com", "register_public_ip_in_contact": 1,
        "register_use_tls": 1, "inbound_auth_username": "in", "smpp_system_id": "s",
        "smpp_enquire_link_interval": 30, "smpp_inbound_system_id": "i",
        "media_encryption": "required", "digest_algorithm": "SHA-256",
    });
    let mut body = full.clone();
    for (name, password) in PASSWORDS {
        body[name] = json!(password);
    }
    // Output that is sent back is no error.
    body["created_at"] = created_at;
    body["register_status"] = json!({"status": "ok"});
    api.put(&account.key, &path, body).await.expect(204);
    let read = api.get(&account.key, &path).await.json();
    for (name, value) in full.as_object().unwrap() {
        assert_eq!(&read[name], value, "{name}");
    }
    api.put(&account.key, &path, json!({})).await.expect(204);
    assert_eq!(api.get(&account.key, &path).await.json(), read);

    api.delete(&account.key, &path).await.expect(204);
    assert_eq!(api.get(&account.key, &path).await.expect(404).msg(), "not found");
    api.delete(&account.key, &path).await.expect(404);
    api.put(&account.key, &path, json!({})).await.expect(404);
    for malformed in ["/VoipCarriers/undefined", "/VoipCarriers/123"] {
        assert_eq!(api.get(&account.key, malformed).await.expect(400).msg(), "Bad request");
        api.put(&account.key, malformed, json!({})).await.expect(400);
        api.delete(&account.key, malformed).await.expect(400);
    }

    let changes = api.take_changes();
    let [
        Change::Carrier { before: None, after: Some(made) },
        Change::Carrier { before: Some(old), after: Some(new) },
        Change::Carrier { before: Some(_), after: Some(_) },
        Change::Carrier { before: Some(gone), after: None },
    ] = changes.as_slice()
    else {
        panic!("{changes:?}");
    };
    assert_eq!(made.sid.to_string(), sid);
    assert_eq!((old.name.as_str(), new.name.as_str()), ("carrier", "other"));
    assert_eq!(gone, new);
    let password = new.register.password.as_ref().unwrap();
    assert_eq!(password.0, "register-clear-text");
    assert!(!format!("{changes:?}").contains("clear-text"));
    api.stop().await;
}

const PASSWORDS: [(&str, &str); 4] = [
    ("register_password", "register-clear-text"),
    ("inbound_auth_password", "inbound-clear-text"),
    ("smpp_password", "smpp-clear-text"),
    ("smpp_inbound_password", "smpp-inbound-clear-text"),
];

#[actix_web::test]
async fn passwords_are_shown_obscured_and_kept_when_sent_back() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let mut body = json!({"name": "c", "register_username": "u", "inbound_auth_username": "i"});
    for (name, password) in PASSWORDS {
        body[name] = json!(password);
    }
    let sid = api.post(&account.key, "/VoipCarriers", body).await.sid();
    let path = format!("/VoipCarriers/{sid}");
    let nested = format!("/Accounts/{}/VoipCarriers", account.sid);
    for key in [&account.key, &provider.key, &api.admin] {
        for path in [&path, "/VoipCarriers", "/VoipCarriers?page=1", &nested] {
            let text = api.get(key, path).await.expect(200).text;
            assert!(!text.contains("clear-text") && text.contains("rXXX"), "{text}");
        }
    }
    let shown = api.get(&account.key, &path).await.json();
    let echo: Value =
        PASSWORDS.iter().map(|(name, _)| ((*name).to_owned(), shown[*name].clone())).collect();
    api.put(&account.key, &path, echo).await.expect(204);
    let store = &api.state.store;
    let carrier = async || {
        let all = VoipCarrierQuery::default();
        store.voip_carriers().list(Scope::Admin, &all, None).await.unwrap().rows.remove(0)
    };
    let stored = carrier().await;
    let all = [
        &stored.register.password,
        &stored.inbound_auth.password,
        &stored.smpp.password,
        &stored.smpp.inbound_password,
    ];
    for (stored, (_, password)) in all.into_iter().zip(PASSWORDS) {
        assert_eq!(stored.as_ref().unwrap().0, password);
    }
    // Callers are challenged in whichever realm they address.
    for realm in ["one.example.com", "two.example.com"] {
        assert!(stored.inbound_auth.trace(realm).is_some());
    }
    api.put(&account.key, &path, json!({"inbound_auth_password": null})).await.expect(204);
    assert_eq!(carrier().await.inbound_auth.password, None);
    assert_eq!(api.get(&account.key, &path).await.json()["inbound_auth_password"], Value::Null);
    api.stop().await;
}

#[actix_web::test]
async fn refusals_have_their_wording() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let account = &t.accounts[0][0];
    let siblings = api.new_application(&t.accounts[0][1], "app").await;
    let foreign = api.new_application(&t.accounts[1][0], "app").await;
    let owned = json!(account.sid);
    let (admin, provider) = (&api.admin, &t.providers[0].key);
    let not_theirs = "application_sid does not exist for specified account_sid";
    for (key, body, text) in [
        (admin, json!({}), "missing field name"),
        (admin, json!({"name": "c", "account_sid": NOBODY}), "unknown account_sid"),
        (admin, json!({"name": "c", "account_sid": "xxxx"}), "unknown account_sid"),
        (admin, json!({"name": "c", "application_sid": siblings}), "account_sid missing"),
        (
            admin,
            json!({"name": "c", "account_sid": owned, "application_sid": "xxx"}),
            "unknown application_sid",
        ),
        (
            admin,
            json!({"name": "c", "account_sid": owned, "application_sid": NOBODY}),
            "unknown application_sid",
        ),
        (admin, json!({"name": "c", "account_sid": owned, "application_sid": foreign}), not_theirs),
        (
            provider,
            json!({"name": "c", "account_sid": owned, "application_sid": siblings}),
            not_theirs,
        ),
        // Whoever may not see an application does not learn that it exists.
        (
            provider,
            json!({"name": "c", "account_sid": owned, "application_sid": foreign}),
            "unknown application_sid",
        ),
        (
            &account.key,
            json!({"name": "c", "application_sid": siblings}),
            "unknown application_sid",
        ),
        (
            admin,
            json!({"name": "c", "service_provider_sid": NOBODY}),
            &format!("service_provider not found for sid {NOBODY}"),
        ),
        (
            provider,
            json!({"name": "c", "service_provider_sid": t.providers[1].sid}),
            &format!("service_provider not found for sid {}", t.providers[1].sid),
        ),
        (
            admin,
            json!({"name": "c", "account_sid": owned, "service_provider_sid": t.providers[1].sid}),
            &format!("service_provider not found for sid {}", t.providers[1].sid),
        ),
        (&account.key, json!({"name": "c", "colour": "red"}), "unknown property colour"),
    ] {
        let refused = api.post(key, "/VoipCarriers", body.clone()).await;
        assert_eq!((refused.status, refused.msg().as_str()), (400, text), "{body}");
    }
    for (property, value, part) in [
        ("register_username", json!("my trunk"), "must not contain whitespace"),
        ("register_password", json!("a b"), "must not contain whitespace"),
        ("register_sip_realm", json!(""), "must not be empty string"),
        ("register_sip_realm", json!("sip:example.com"), "no sip: prefix"),
        ("register_sip_realm", json!("Switch"), "valid domain or IP"),
        ("register_from_domain", json!("sips:example.com"), "no sip: prefix"),
        ("register_from_domain", json!("a b.example"), "valid domain or IP"),
        ("trunk_type", json!("pstn"), "static_ip, auth or reg"),
        ("dtmf_type", json!("morse"), "rfc2833, tones or info"),
        ("media_encryption", json!("maybe"), "off, offered or required"),
        ("digest_algorithm", json!("SHA-1"), "MD5 or SHA-256"),
        ("requires_register", json!("maybe"), "a boolean"),
        ("name", json!("x".repeat(65)), "longer than 64"),
        ("smpp_enquire_link_interval", json!(-1), "an integer"),
    ] {
        let mut body = json!({"name": "c"});
        body[property] = value;
        let refused = api.post(&account.key, "/VoipCarriers", body.clone()).await.expect(400).msg();
        assert!(refused.starts_with(property) && refused.contains(part), "{body}: {refused}");
    }
    for key in [provider, &account.key] {
        // An account token's carrier is its account's, whatever it says.
        let body = json!({"name": "c", "account_sid": t.accounts[1][0].sid});
        let answer = api.post(key, "/VoipCarriers", body).await;
        if key == provider {
            assert_eq!(answer.expect(403).msg(), "insufficient privileges");
        } else {
            let made = api.get(key, &format!("/VoipCarriers/{}", answer.sid())).await.json();
            assert_eq!(made["account_sid"], owned);
        }
    }
    api.stop().await;
}

#[actix_web::test]
async fn nothing_that_could_break_a_header_is_stored() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let sid = api.post(&account.key, "/VoipCarriers", json!({"name": "c"})).await.sid();
    let path = format!("/VoipCarriers/{sid}");
    for property in [
        "name",
        "tech_prefix",
        "diversion",
        "outbound_sip_proxy",
        "register_username",
        "register_password",
        "register_from_user",
        "register_sip_realm",
        "register_from_domain",
        "inbound_auth_username",
        "inbound_auth_password",
    ] {
        for bad in ["a.b\r\nVia: SIP/2.0/UDP evil", "a.b\nc", "a.b\rc", "a.b\0c"] {
            let refused = api.put(&account.key, &path, json!({property: bad})).await.expect(400);
            assert!(refused.msg().starts_with(property), "{property}: {}", refused.msg());
        }
    }
    api.stop().await;
}

#[actix_web::test]
async fn registering_needs_credentials_also_in_an_update() {
    let api = TestApi::start().await;
    let admin = &api.admin;
    for (body, part) in [
        (json!({"register_password": "p"}), "register_username is required"),
        (json!({"register_username": "u"}), "register_password is required"),
    ] {
        let mut body = body;
        body["name"] = json!("c");
        body["requires_register"] = json!(true);
        assert!(api.post(admin, "/VoipCarriers", body).await.expect(400).msg().contains(part));
    }
    let sid = api.post(admin, "/VoipCarriers", json!({"name": "c"})).await.sid();
    let path = format!("/VoipCarriers/{sid}");
    let refused = api.put(admin, &path, json!({"requires_register": true})).await.expect(400);
    assert!(refused.msg().contains("register_username is required"));
    let body = json!({"requires_register": true, "register_username": "u",
        "register_password": "p", "register_sip_realm": null});
    api.put(admin, &path, body).await.expect(204);
    let refused = api.put(admin, &path, json!({"register_password": null})).await.expect(400);
    assert!(refused.msg().contains("register_password is required"));
    api.put(admin, &path, json!({"register_sip_realm": "192.168.1.100"})).await.expect(204);
    api.stop().await;
}

#[actix_web::test]
async fn accounts_read_what_their_provider_shares_and_change_what_is_theirs() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let (provider, account) = (&t.providers[0], &t.accounts[0][0]);
    let make = async |key: &str, path: &str| api.post(key, path, json!({"name": "c"})).await.sid();
    let under_account = format!("/Accounts/{}/VoipCarriers", account.sid);
    let under_provider = format!("/ServiceProviders/{}/VoipCarriers", provider.sid);
    let shared = make(&provider.key, &under_provider).await;
    let own = make(&account.key, &under_account).await;
    let siblings = make(&t.accounts[0][1].key, "/VoipCarriers").await;
    let foreign = make(&t.providers[1].key, "/VoipCarriers").await;
    let nobodys = make(&api.admin, "/VoipCarriers").await;
    let by_provider = make(&provider.key, &under_account).await;
    let by_admin = make(&api.admin, &under_provider).await;

    let sids = async |key: &str, path: &str| -> Vec<String> {
        let list = api.get(key, path).await.expect(200).json();
        let rows = list.as_array().unwrap();
        rows.iter().map(|row| row["voip_carrier_sid"].as_str().unwrap().to_owned()).collect()
    };
    // In order of creation.
    let of_account = [&shared, &own, &by_provider, &by_admin];
    for path in ["/VoipCarriers", &under_account, &under_provider] {
        assert_eq!(sids(&account.key, path).await, of_account.map(String::as_str), "{path}");
    }
    let of_provider = [&shared, &own, &siblings, &by_provider, &by_admin];
    for path in ["/VoipCarriers", &under_provider] {
        assert_eq!(sids(&provider.key, path).await, of_provider.map(String::as_str), "{path}");
    }
    assert_eq!(sids(&api.admin, "/VoipCarriers").await.len(), 7);
    let narrowed = format!("/VoipCarriers?account_sid={}", account.sid);
    assert_eq!(sids(&provider.key, &narrowed).await, [own.as_str(), &by_provider]);
    assert_eq!(sids(&t.providers[1].key, &narrowed).await, [""; 0]);
    assert_eq!(sids(&t.accounts[1][0].key, "/VoipCarriers").await, [foreign.as_str()]);

    let flat = |sid: &str| format!("/VoipCarriers/{sid}");
    api.get(&account.key, &flat(&shared)).await.expect(200);
    for sid in [&siblings, &foreign, &nobodys, &NOBODY.to_owned()] {
        assert_eq!(api.get(&account.key, &flat(sid)).await.expect(404).msg(), "not found");
    }
    api.get(&provider.key, &flat(&nobodys)).await.expect(404);
    let text = "carrier belongs to a different user";
    for (key, sid) in [
        (&account.key, &shared),
        (&account.key, &siblings),
        (&account.key, &foreign),
        (&provider.key, &foreign),
        (&provider.key, &nobodys),
    ] {
        // Whose it is comes before what the body says.
        for body in [json!({}), json!({"nonsense": 1})] {
            assert_eq!(api.put(key, &flat(sid), body).await.expect(422).msg(), text);
        }
        assert_eq!(api.delete(key, &flat(sid)).await.expect(422).msg(), text);
    }

    let nested = |sid: &str| format!("{under_account}/{sid}");
    for key in [&account.key, &provider.key, &api.admin] {
        api.put(key, &nested(&own), json!({"name": "renamed"})).await.expect(204);
        assert_eq!(api.put(key, &nested(&shared), json!({})).await.expect(422).msg(), text);
        assert_eq!(api.put(key, &nested(&siblings), json!({})).await.expect(422).msg(), text);
        api.put(key, &nested(NOBODY), json!({})).await.expect(404);
        api.put(key, &nested("undefined"), json!({})).await.expect(400);
    }
    let nested = |sid: &str| format!("{under_provider}/{sid}");
    for key in [&provider.key, &api.admin] {
        api.put(key, &nested(&shared), json!({"name": "renamed"})).await.expect(204);
        api.put(key, &nested(&own), json!({"name": "renamed"})).await.expect(204);
        assert_eq!(api.put(key, &nested(&foreign), json!({})).await.expect(422).msg(), text);
    }
    let refused = api.put(&account.key, &nested(&own), json!({})).await.expect(403);
    assert_eq!(refused.msg(), "insufficient permissions");
    api.post(&account.key, &under_provider, json!({"name": "c"})).await.expect(403);
    for key in [&t.accounts[0][1].key, &t.providers[1].key] {
        let refused = api.post(key, &under_account, json!({"name": "c"})).await.expect(403);
        assert_eq!(refused.msg(), "insufficient permissions");
    }
    api.get(&t.providers[1].key, &under_provider).await.expect(403);
    api.stop().await;
}

#[actix_web::test]
async fn carriers_move_between_owners_within_reach() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let (provider, account) = (&t.providers[0], &t.accounts[0][0]);
    let sid = api.post(&account.key, "/VoipCarriers", json!({"name": "c"})).await.sid();
    let path = format!("/VoipCarriers/{sid}");
    let give = |sid: Option<&str>| json!({"account_sid": sid});
    for to in [Some(t.accounts[0][1].sid.as_str()), None] {
        let refused = api.put(&account.key, &path, give(to)).await.expect(403);
        assert_eq!(refused.msg(), "insufficient privileges");
    }
    let other_provider = give(Some(&t.accounts[1][0].sid));
    api.put(&provider.key, &path, other_provider.clone()).await.expect(403);

    api.put(&provider.key, &path, give(None)).await.expect(204);
    api.get(&t.accounts[0][1].key, &path).await.expect(200);
    let number = json!({"number": "1555", "voip_carrier_sid": sid});
    api.post(&account.key, "/PhoneNumbers", number).await.expect(201);
    // A number of another account is on it.
    let refused = api.put(&provider.key, &path, give(Some(&t.accounts[0][1].sid))).await;
    assert!(refused.expect(422).msg().contains("phone numbers"));
    api.put(&provider.key, &path, give(Some(&account.sid))).await.expect(204);
    api.put(&provider.key, &path, give(None)).await.expect(204);
    api.put(&api.admin, &path, other_provider.clone()).await.expect(422);
    let numbers = api.get(&account.key, "/PhoneNumbers").await.json();
    let number = format!("/PhoneNumbers/{}", numbers[0]["phone_number_sid"].as_str().unwrap());
    api.delete(&account.key, &number).await.expect(204);
    // With the account it follows to another provider.
    api.put(&api.admin, &path, other_provider).await.expect(204);
    let read = api.get(&t.providers[1].key, &path).await.expect(200).json();
    assert_eq!(read["service_provider_sid"], json!(t.providers[1].sid));
    api.get(&provider.key, &path).await.expect(404);
    api.stop().await;
}

#[actix_web::test]
async fn lists_are_paged_and_searched_by_name() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    for name in ["Zulu", "alpha", "Mike", "al_fa"] {
        api.post(&account.key, "/VoipCarriers", json!({"name": name})).await.expect(201);
    }
    let names = async |path: &str| -> Vec<String> {
        let list = api.get(&account.key, path).await.expect(200).json();
        let rows = list.get("data").unwrap_or(&list).as_array().unwrap().clone();
        rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("/VoipCarriers").await, ["Zulu", "alpha", "Mike", "al_fa"]);
    assert_eq!(names("/VoipCarriers?page=2&page_size=3").await, ["al_fa"]);
    assert_eq!(names("/VoipCarriers?name=AL").await, ["alpha", "al_fa"]);
    assert_eq!(names("/VoipCarriers?name=_").await, ["al_fa"]);
    let paged = format!("/Accounts/{}/VoipCarriers?page=1&page_size=2&name=al", account.sid);
    let page = api.get(&account.key, &paged).await.json();
    assert_eq!(
        (&page["total"], &page["page"], &page["page_size"]),
        (&2.into(), &1.into(), &2.into())
    );
    api.get(&account.key, "/VoipCarriers?page=x").await.expect(400);
    api.get(&account.key, "/VoipCarriers?account_sid=x").await.expect(400);
    api.stop().await;
}

#[actix_web::test]
async fn what_is_in_use_stays_and_what_is_owned_goes_along() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let app = api.new_application(&account, "app").await;
    let body = json!({"name": "c", "application_sid": app});
    let sid = api.post(&account.key, "/VoipCarriers", body).await.sid();
    let path = format!("/VoipCarriers/{sid}");
    let app_path = format!("/Applications/{app}");
    assert!(api.delete(&account.key, &app_path).await.expect(422).msg().contains("voip carrier"));
    let number = json!({"number": "1555", "voip_carrier_sid": sid});
    let number = api.post(&account.key, "/PhoneNumbers", number).await.sid();
    let refused = api.delete(&account.key, &path).await.expect(422);
    assert_eq!(refused.msg(), "cannot delete voip carrier with active phone numbers");
    api.delete(&account.key, &format!("/PhoneNumbers/{number}")).await.expect(204);
    let gateway = json!({"voip_carrier_sid": sid, "ipv4": "10.0.0.1", "inbound": 1});
    let gateway = api.post(&account.key, "/SipGateways", gateway).await.sid();
    api.delete(&account.key, &path).await.expect(204);
    api.get(&account.key, &format!("/SipGateways/{gateway}")).await.expect(404);
    api.delete(&account.key, &app_path).await.expect(204);

    // An account takes its carriers along, with an application as default and a number on it.
    let app = api.new_application(&account, "app").await;
    let body = json!({"name": "c", "application_sid": app});
    let own = api.post(&account.key, "/VoipCarriers", body).await.sid();
    let number = json!({"number": "1555", "voip_carrier_sid": own, "application_sid": app});
    api.post(&account.key, "/PhoneNumbers", number).await.expect(201);
    let shared = api.post(&provider.key, "/VoipCarriers", json!({"name": "s"})).await.sid();
    let number = json!({"number": "1556", "voip_carrier_sid": shared});
    let number = api.post(&provider.key, "/PhoneNumbers", number).await.sid();
    api.delete(&api.admin, &format!("/Accounts/{}", account.sid)).await.expect(204);
    api.get(&api.admin, &format!("/VoipCarriers/{own}")).await.expect(404);
    api.get(&api.admin, &format!("/VoipCarriers/{shared}")).await.expect(200);

    // So does a service provider with the shared ones and the numbers on them, and says so.
    api.take_changes();
    api.delete(&api.admin, &format!("/ServiceProviders/{}", provider.sid)).await.expect(204);
    api.get(&api.admin, &format!("/VoipCarriers/{shared}")).await.expect(404);
    api.get(&api.admin, &format!("/PhoneNumbers/{number}")).await.expect(404);
    let changes = api.take_changes();
    let [Change::Carrier { before: Some(gone), after: None }] = changes.as_slice() else {
        panic!("{changes:?}");
    };
    assert_eq!(gone.sid.to_string(), shared);
    api.stop().await;
}

#[actix_web::test]
async fn templates_are_open_to_all_and_copied_with_their_gateways() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let (provider, account) = (&t.providers[0], &t.accounts[0][0]);
    let open = api.send(api.request(reqwest::Method::GET, "/v1/PredefinedCarriers")).await;
    let templates = open.expect(200).json();
    let names: Vec<_> = templates.as_array().unwrap().iter().map(|t| t["name"].as_str()).collect();
    assert_eq!(names, ["Simwood", "Telnyx", "Twilio", "Voxbone"].map(Some));
    let twilio = &templates[2];
    assert_eq!(
        (&twilio["requires_static_ip"], &twilio["e164_leading_plus"]),
        (&0.into(), &1.into())
    );
    let template = twilio["predefined_carrier_sid"].as_str().unwrap();

    let under_account = format!("/Accounts/{}/PredefinedCarriers", account.sid);
    let under_provider = format!("/ServiceProviders/{}/PredefinedCarriers", provider.sid);
    let copy = async |key: &str, path: &str| {
        let sid = api.post(key, &format!("{path}/{template}"), json!({})).await.sid();
        api.get(key, &format!("/VoipCarriers/{sid}")).await.expect(200).json()
    };
    for (key, path, name, owner) in [
        (&account.key, &under_account, "Twilio", Some(&account.sid)),
        (&provider.key, &under_account, "Twilio-2", Some(&account.sid)),
        (&provider.key, &under_provider, "Twilio", None),
        (&api.admin, &under_provider, "Twilio-2", None),
    ] {
        let carrier = copy(key, path).await;
        assert_eq!((&carrier["name"], &carrier["account_sid"]), (&json!(name), &json!(owner)));
        assert_eq!(carrier["service_provider_sid"], json!(provider.sid));
        assert_eq!(carrier["e164_leading_plus"], 1);
        let sid = carrier["voip_carrier_sid"].as_str().unwrap();
        let gateways =
            api.get(&account.key, &format!("/SipGateways?voip_carrier_sid={sid}")).await.json();
        let gateways = gateways.as_array().unwrap();
        let inbound: Vec<_> = gateways.iter().filter(|g| g["inbound"] == 1).collect();
        assert_eq!((gateways.len(), inbound.len()), (9, 8));
        assert_eq!(
            (&inbound[0]["ipv4"], &inbound[0]["netmask"]),
            (&"54.172.60.0".into(), &30.into())
        );
        // Nobody calls a host that has yet to be filled in.
        let outbound = gateways.iter().find(|g| g["outbound"] == 1).unwrap();
        assert_eq!(outbound["is_active"], 0);
    }
    assert_eq!(api.take_changes().len(), 4);

    let path = |base: &str, sid: &str| format!("{base}/{sid}");
    api.post(&account.key, &path(&under_account, NOBODY), json!({})).await.expect(404);
    api.post(&account.key, &path(&under_account, "x"), json!({})).await.expect(400);
    api.post(&account.key, &path(&under_provider, template), json!({})).await.expect(403);
    api.post(&t.providers[1].key, &path(&under_provider, template), json!({})).await.expect(403);
    api.post(&t.accounts[0][1].key, &path(&under_account, template), json!({})).await.expect(403);
    api.stop().await;
}
