//! `/Accounts` and the webhook secret (contract rest.md §2.5, §2.14).

use serde_json::{Value, json};
use trunkline::api::Change;

use crate::support::{NOBODY, TestApi};

#[actix_web::test]
async fn a_new_account_shows_every_column_with_its_default() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let body = json!({"name": "a", "service_provider_sid": provider.sid});
    let sid = api.post(&api.admin, "/Accounts", body).await.sid();
    let mut read = api.get(&api.admin, &format!("/Accounts/{sid}")).await.expect(200).json();
    let secret = read["webhook_secret"].take();
    assert!(secret.as_str().unwrap().starts_with("wh_secret_"));
    let created = read["created_at"].take();
    assert!(created.as_str().unwrap().ends_with(" +0000"), "{created}");
    assert_eq!(
        read,
        json!({
            "account_sid": sid, "name": "a", "sip_realm": null,
            "service_provider_sid": provider.sid, "registration_hook": null,
            "queue_event_hook": null, "device_calling_application_sid": null,
            "siprec_hook_sid": null, "webhook_secret": null, "is_active": 1, "disable_cdrs": 0,
            "record_all_calls": 0, "record_format": "mp3", "bucket_credential": null,
            "enable_debug_log": 0, "plan_type": "trial", "stripe_customer_id": null,
            "trial_end_date": null, "deactivated_reason": null, "device_to_call_ratio": 5,
            "subspace_client_id": null, "subspace_client_secret": null,
            "subspace_sip_teleport_id": null, "subspace_sip_teleport_destinations": null,
            "created_at": null
        })
    );
    api.stop().await;
}

#[actix_web::test]
async fn every_property_can_be_set_and_cleared() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let app = api.new_application(&account, "app").await;
    let path = format!("/Accounts/{}", account.sid);
    let hook = json!({"url": "https://a/b", "method": "GET", "username": null, "password": "p"});
    for (property, set, shown, cleared) in [
        ("name", json!("b"), json!("b"), None),
        ("sip_realm", json!("SIP.Example.com"), json!("sip.example.com"), Some(json!(null))),
        ("registration_hook", hook.clone(), hook.clone(), Some(json!(null))),
        ("queue_event_hook", hook.clone(), hook.clone(), Some(json!(null))),
        ("device_calling_application_sid", json!(app), json!(app), Some(json!(null))),
        ("siprec_hook_sid", json!(app), json!(app), Some(json!(null))),
        ("webhook_secret", json!("my own secret"), json!("my own secret"), None),
        ("is_active", json!("0"), json!(0), Some(json!(1))),
        ("disable_cdrs", json!(true), json!(1), Some(json!(0))),
        ("record_all_calls", json!("true"), json!(1), Some(json!(0))),
        ("record_format", json!("wav"), json!("wav"), Some(json!("mp3"))),
        ("enable_debug_log", json!(1), json!(1), Some(json!(0))),
        ("plan_type", json!("paid"), json!("paid"), Some(json!("trial"))),
        ("stripe_customer_id", json!("cus_1"), json!("cus_1"), Some(json!(null))),
        (
            "trial_end_date",
            json!("2027-01-02T03:04:05.000Z"),
            json!("Sat, 02 Jan 2027 03:04:05 +0000"),
            Some(json!(null)),
        ),
        ("deactivated_reason", json!("why"), json!("why"), Some(json!(null))),
        ("device_to_call_ratio", json!("7"), json!(7), Some(json!(5))),
    ] {
        let read = async || api.get(&api.admin, &path).await.json()[property].clone();
        api.put(&api.admin, &path, json!({property: set})).await.expect(204);
        assert_eq!(read().await, shown, "{property}");
        api.put(&api.admin, &path, json!({})).await.expect(204);
        assert_eq!(read().await, shown, "{property}");
        if let Some(cleared) = cleared {
            api.put(&api.admin, &path, json!({property: null})).await.expect(204);
            assert_eq!(read().await, cleared, "{property}");
        }
    }
    api.put(&api.admin, &path, json!({"queue_event_hook": hook})).await.expect(204);
    api.put(&api.admin, &path, json!({"queue_event_hook": {"url": ""}})).await.expect(204);
    assert_eq!(api.get(&api.admin, &path).await.json()["queue_event_hook"], json!(null));
    api.stop().await;
}

#[actix_web::test]
async fn bucket_secrets_are_obscured_and_kept_when_sent_back() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let path = format!("/Accounts/{}", account.sid);
    let bucket = json!({
        "vendor": "aws_s3", "region": "r", "name": "b", "access_key_id": "AKIA",
        "secret_access_key": "topsecret", "tags": [{"Key": "a", "Value": "b"}]
    });
    api.put(&account.key, &path, json!({"bucket_credential": bucket})).await.expect(204);
    let mut shown = api.get(&account.key, &path).await.json()["bucket_credential"].clone();
    assert_eq!(shown["secret_access_key"], "topsecXXX");
    assert_eq!(shown["tags"][0]["Key"], "a");
    shown["name"] = json!("c");
    api.put(&account.key, &path, json!({"bucket_credential": shown})).await.expect(204);
    let sid = trunkline::model::AccountSid::parse(&account.sid).unwrap();
    let stored = api.state.store.accounts().get(trunkline::model::Scope::Admin, sid).await.unwrap();
    let stored = stored.unwrap().bucket_credential.unwrap();
    assert_eq!(stored.as_map()["secret_access_key"], "topsecret");
    assert_eq!(stored.as_map()["name"], "c");
    let none = json!({"bucket_credential": {"vendor": "none"}});
    api.put(&account.key, &path, none).await.expect(204);
    assert_eq!(api.get(&account.key, &path).await.json()["bucket_credential"], json!(null));
    api.stop().await;
}

#[actix_web::test]
async fn realms_are_unique_whatever_their_case() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let put = |sid: &str, realm: Value| {
        let path = format!("/Accounts/{sid}");
        let api = &api;
        async move { api.put(&api.admin, &path, json!({"sip_realm": realm})).await }
    };
    put(&t.accounts[0][0].sid, json!("sip.one.example")).await.expect(204);
    put(&t.accounts[0][0].sid, json!("sip.one.example")).await.expect(204);
    put(&t.accounts[1][0].sid, json!("SIP.one.example")).await.expect(422);
    let body = json!({"name": "x", "sip_realm": "Sip.One.Example"});
    api.post(&t.providers[1].key, "/Accounts", body).await.expect(422);
    put(&t.accounts[0][0].sid, json!(null)).await.expect(204);
    put(&t.accounts[1][0].sid, json!("sip.one.example")).await.expect(204);
    api.stop().await;
}

#[actix_web::test]
async fn who_may_create_accounts_and_for_whom() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let missing = api.post(&api.admin, "/Accounts", json!({"name": "x"})).await.expect(400);
    assert_eq!(missing.msg(), "missing field service_provider_sid");
    let body = json!({"name": "x", "service_provider_sid": NOBODY});
    let unknown = api.post(&api.admin, "/Accounts", body).await.expect(400);
    assert!(unknown.msg().starts_with("service_provider not found for sid"));
    // A provider token makes accounts of its own, whatever it says.
    let body = json!({"name": "x", "service_provider_sid": t.providers[1].sid});
    let sid = api.post(&t.providers[0].key, "/Accounts", body).await.sid();
    let made = api.get(&api.admin, &format!("/Accounts/{sid}")).await.json();
    assert_eq!(made["service_provider_sid"], json!(t.providers[0].sid));
    let refused = api.post(&t.accounts[0][0].key, "/Accounts", json!({"name": "x"})).await;
    assert_eq!(refused.expect(403).msg(), "insufficient permissions");
    api.stop().await;
}

#[actix_web::test]
async fn what_an_update_may_not_touch() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let account = &t.accounts[0][0];
    let foreign = api.new_application(&t.accounts[0][1], "app").await;
    let path = format!("/Accounts/{}", account.sid);
    for (key, body, text) in [
        (&api.admin, json!({"account_sid": account.sid}), "primary key account_sid is immutable"),
        (
            &api.admin,
            json!({"service_provider_sid": t.providers[1].sid}),
            "service_provider_sid may not be modified",
        ),
        (&account.key, json!({"sip_realm": "a.b.c"}), "sip_realm may not be modified"),
        (
            &api.admin,
            json!({"device_calling_application_sid": foreign}),
            "application not found for sid",
        ),
        (&api.admin, json!({"siprec_hook_sid": NOBODY}), "application not found for sid"),
    ] {
        let refused = api.put(key, &path, body.clone()).await;
        assert_eq!(refused.status, 400, "{body}");
        assert!(refused.msg().starts_with(text), "{}", refused.msg());
    }
    let body = json!({"name": "x", "device_calling_application_sid": foreign});
    let refused = api.post(&t.providers[0].key, "/Accounts", body).await.expect(400);
    assert!(refused.msg().starts_with("application not found for sid"));
    api.stop().await;
}

#[actix_web::test]
async fn deleting_an_account_takes_everything_with_it() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let app = api.new_application(&account, "app").await;
    let device = json!({"device_calling_application_sid": app});
    api.put(&account.key, &format!("/Accounts/{}", account.sid), device).await.expect(204);
    let number = json!({"number": "15551230000", "application_sid": app});
    let number = api.post(&account.key, "/PhoneNumbers", number).await.sid();
    let client = json!({"username": "alice", "password": "p"});
    let client = api.post(&account.key, "/Clients", client).await.sid();
    api.take_changes();

    api.delete(&account.key, &format!("/Accounts/{}", account.sid)).await.expect(204);
    for path in [
        format!("/Accounts/{}", account.sid),
        format!("/Applications/{app}"),
        format!("/PhoneNumbers/{number}"),
        format!("/Clients/{client}"),
    ] {
        api.get(&api.admin, &path).await.expect(404);
    }
    let changes = api.take_changes();
    let told = matches!(
        changes.as_slice(),
        [Change::Account { before, after: None }] if before.sid.to_string() == account.sid
    );
    assert!(told, "{changes:?}");
    api.delete(&api.admin, &format!("/Accounts/{}", account.sid)).await.expect(404);
    api.stop().await;
}

#[actix_web::test]
async fn the_webhook_secret_is_read_and_regenerated() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let account = &t.accounts[0][0];
    let path = format!("/Accounts/{}/WebhookSecret", account.sid);
    let read = async |path: &str| api.get(&account.key, path).await.expect(200).json();
    let first = read(&path).await;
    assert!(first["webhook_secret"].as_str().unwrap().starts_with("wh_secret_"));
    assert_eq!(read(&path).await, first);
    let second = read(&format!("{path}?regenerate=true")).await;
    assert_ne!(second, first);
    assert_eq!(read(&path).await, second);
    api.get(&t.accounts[0][1].key, &path).await.expect(403);
    api.get(&t.providers[1].key, &path).await.expect(403);
    api.get(&t.providers[0].key, &path).await.expect(200);
    api.stop().await;
}
