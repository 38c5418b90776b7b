//! Two service providers with two accounts each: nobody reaches what is not theirs
//! (contract rest.md §1.3).

use serde_json::{Value, json};

use crate::support::{NOBODY, TestApi};

#[actix_web::test]
async fn flat_objects_of_others_are_404_to_read_and_403_to_change() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let owner = &t.accounts[0][0];
    let app = api.new_application(owner, "app").await;
    let number = api.post(&owner.key, "/PhoneNumbers", json!({"number": "1555"})).await.sid();
    let client = api.post(&owner.key, "/Clients", json!({"username": "alice"})).await.sid();
    let strangers = [&t.accounts[0][1].key, &t.accounts[1][0].key, &t.providers[1].key];
    for path in [
        format!("/Applications/{app}"),
        format!("/PhoneNumbers/{number}"),
        format!("/Clients/{client}"),
    ] {
        for key in strangers {
            assert_eq!(api.get(key, &path).await.expect(404).msg(), "not found");
            for body in [json!({}), json!({"nonsense": 1})] {
                let refused = api.put(key, &path, body).await.expect(403);
                assert_eq!(refused.msg(), "insufficient privileges");
            }
            let refused = api.delete(key, &path).await;
            if path.starts_with("/Applications") && *key != t.providers[1].key {
                assert_eq!(refused.expect(422).msg(), "insufficient permissions");
            } else {
                assert_eq!(refused.expect(403).msg(), "insufficient privileges");
            }
        }
        for key in [&owner.key, &t.providers[0].key, &api.admin] {
            api.get(key, &path).await.expect(200);
            api.put(key, &path, json!({})).await.expect(204);
        }
    }
    api.stop().await;
}

#[actix_web::test]
async fn lists_show_only_what_is_within_reach() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    for (n, account) in t.accounts.iter().flatten().enumerate() {
        api.new_application(account, "app").await;
        let number = json!({"number": format!("1555000{n}")});
        api.post(&account.key, "/PhoneNumbers", number).await.expect(201);
        api.post(&account.key, "/Clients", json!({"username": "alice"})).await.expect(201);
        api.post(&account.key, "/VoipCarriers", json!({"name": "c"})).await.expect(201);
    }
    for list in ["/Accounts", "/Applications", "/PhoneNumbers", "/VoipCarriers", "/Clients"] {
        for (key, expected) in [
            (&api.admin, 4),
            (&t.providers[0].key, 2),
            (&t.providers[1].key, 2),
            (&t.accounts[0][0].key, 1),
            (&t.accounts[1][1].key, 1),
        ] {
            let rows = api.get(key, list).await.expect(200).json();
            assert_eq!(rows.as_array().unwrap().len(), expected, "{list}");
        }
    }
    for list in ["Accounts", "Applications", "PhoneNumbers", "VoipCarriers"] {
        let path = format!("/ServiceProviders/{}/{list}", t.providers[0].sid);
        for (key, expected) in
            [(&api.admin, 2), (&t.providers[0].key, 2), (&t.accounts[0][1].key, 1)]
        {
            let rows = api.get(key, &path).await.expect(200).json();
            assert_eq!(rows.as_array().unwrap().len(), expected, "{path}");
        }
        for key in [&t.providers[1].key, &t.accounts[1][0].key] {
            assert_eq!(api.get(key, &path).await.expect(403).msg(), "insufficient permissions");
        }
    }
    api.stop().await;
}

#[actix_web::test]
async fn account_paths_out_of_reach_are_403_known_or_not() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let target = t.accounts[0][0].sid.as_str();
    let page = "?page=1&count=10";
    for tail in [
        "",
        "/ApiKeys",
        "/Applications",
        "/VoipCarriers",
        "/WebhookSecret",
        "/RecentCalls",
        "/Alerts",
    ] {
        let query = if tail == "/RecentCalls" || tail == "/Alerts" { page } else { "" };
        for sid in [target, NOBODY] {
            let path = format!("/Accounts/{sid}{tail}{query}");
            for key in [&t.accounts[0][1].key, &t.accounts[1][0].key, &t.providers[1].key] {
                let refused = api.get(key, &path).await.expect(403);
                assert_eq!(refused.msg(), "insufficient permissions", "{path}");
            }
        }
        let path = format!("/Accounts/{target}{tail}{query}");
        for key in [&t.accounts[0][0].key, &t.providers[0].key, &api.admin] {
            api.get(key, &path).await.expect(200);
        }
        let malformed = format!("/Accounts/undefined{tail}{query}");
        for key in [&t.accounts[0][0].key, &t.providers[0].key, &api.admin] {
            assert_eq!(api.get(key, &malformed).await.expect(400).msg(), "Bad request");
        }
    }
    for key in [&t.accounts[0][1].key, &t.providers[1].key] {
        let path = format!("/Accounts/{target}");
        api.put(key, &path, json!({"name": "x"})).await.expect(403);
        api.delete(key, &path).await.expect(403);
    }
    let still: Value = api.get(&api.admin, &format!("/Accounts/{target}")).await.json();
    assert_eq!(still["name"], "1a");
    api.stop().await;
}

#[actix_web::test]
async fn a_provider_manages_its_accounts_and_no_others() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let key = &t.providers[0].key;
    let own = format!("/Accounts/{}", t.accounts[0][1].sid);
    let body = json!({"sip_realm": "sip.own.example", "is_active": 0});
    api.put(key, &own, body).await.expect(204);
    api.delete(key, &own).await.expect(204);
    api.get(key, &own).await.expect(403);
    api.get(&api.admin, &own).await.expect(404);
    api.stop().await;
}
