//! `/Clients`, the SIP users (contract rest.md §2.10).

use serde_json::json;
use trunkline::api::Change;

use crate::support::{NOBODY, TestApi};

#[actix_web::test]
async fn a_client_is_made_read_changed_and_deleted() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let body = json!({"username": "alice", "password": "secret", "is_active": "1",
        "allow_direct_queue_calling": "0"});
    let sid = api.post(&account.key, "/Clients", body).await.sid();
    let path = format!("/Clients/{sid}");
    let read = api.get(&account.key, &path).await.expect(200).json();
    assert_eq!(
        read,
        json!({
            "client_sid": sid, "account_sid": account.sid, "username": "alice",
            "password": "sXXXXX", "is_active": 1, "allow_direct_app_calling": 1,
            "allow_direct_queue_calling": 0, "allow_direct_user_calling": 1
        })
    );
    for key in [&account.key, &provider.key, &api.admin] {
        assert_eq!(api.get(key, "/Clients").await.json(), json!([read]));
    }
    for body in [
        json!({"username": "alice2"}),
        json!({"is_active": 0, "allow_direct_app_calling": false}),
        json!({"password": "other"}),
        json!({}),
    ] {
        api.put(&account.key, &path, body).await.expect(204);
    }
    let read = api.get(&account.key, &path).await.json();
    assert_eq!((&read["username"], &read["password"]), (&json!("alice2"), &json!("oXXXX")));
    assert_eq!((&read["is_active"], &read["allow_direct_app_calling"]), (&json!(0), &json!(0)));
    api.delete(&account.key, &path).await.expect(204);
    api.get(&account.key, &path).await.expect(404);

    let changes = api.take_changes();
    let Some(Change::Client { before, after: None }) = changes.last() else {
        panic!("{changes:?}");
    };
    assert_eq!(before.username, "alice2");
    api.stop().await;
}

#[actix_web::test]
async fn digest_follows_the_password_and_the_realm() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let body = json!({"username": "Mufasa", "password": "Circle Of Life"});
    let sid = api.post(&account.key, "/Clients", body).await.sid();
    let path = format!("/Clients/{sid}");
    let routing = api.state.store.routing();
    let realm = async |realm: &str| {
        let path = format!("/Accounts/{}", account.sid);
        api.put(&api.admin, &path, json!({"sip_realm": realm})).await.expect(204);
    };
    let ha1 = async |realm: &str| {
        let auth = routing.client_by_realm_username(realm, "Mufasa").await.unwrap();
        auth.and_then(|auth| auth.ha1).map(|ha1| ha1.0)
    };

    assert_eq!(ha1("host.com").await, None);
    realm("Host.com").await;
    let at_host = ha1("HOST.com").await.unwrap();
    assert_eq!(at_host, "72d471071fb90479e8729cf8b8b27dff");
    // Usable at once under a new realm, with the same password.
    realm("other.com").await;
    assert_eq!(ha1("host.com").await, None);
    let at_other = ha1("other.com").await.unwrap();
    assert_ne!(at_other, at_host);
    // The obscured form sent back changes nothing; leaving it out neither; null clears it.
    let obscured = json!({"password": "CXXXXXXXXXXXXX", "username": "Mufasa"});
    api.put(&account.key, &path, obscured).await.expect(204);
    assert_eq!(ha1("other.com").await, Some(at_other.clone()));
    api.put(&account.key, &path, json!({"is_active": 1})).await.expect(204);
    assert_eq!(ha1("other.com").await, Some(at_other.clone()));
    api.put(&account.key, &path, json!({"password": "new"})).await.expect(204);
    assert_ne!(ha1("other.com").await, Some(at_other));
    api.put(&account.key, &path, json!({"password": null})).await.expect(204);
    assert_eq!(ha1("other.com").await, None);
    assert_eq!(api.get(&account.key, &path).await.json()["password"], json!(null));
    api.stop().await;
}

#[actix_web::test]
async fn refusals_have_their_wording() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let account = &t.accounts[0][0];
    let post = async |key: &str, body| api.post(key, "/Clients", body).await;
    post(&account.key, json!({"username": "alice"})).await.expect(201);
    post(&t.accounts[0][1].key, json!({"username": "alice"})).await.expect(201);
    let taken = post(&account.key, json!({"username": "alice"})).await.expect(400);
    assert_eq!(taken.msg(), "the client's username already exists");
    let bob = post(&account.key, json!({"username": "bob"})).await.sid();
    let path = format!("/Clients/{bob}");
    let taken = api.put(&account.key, &path, json!({"username": "alice"})).await;
    assert_eq!(taken.expect(400).msg(), "the client's username already exists");

    for key in [&api.admin, &t.providers[0].key] {
        let missing = post(key, json!({"username": "carol"})).await.expect(400);
        assert_eq!(missing.msg(), "missing field account_sid");
    }
    for sid in [t.accounts[1][0].sid.as_str(), NOBODY] {
        let body = json!({"username": "carol", "account_sid": sid});
        let refused = post(&t.providers[0].key, body).await.expect(403);
        assert_eq!(refused.msg(), "insufficient permissions");
    }
    // An account token's client is its own, whatever it says.
    let body = json!({"username": "carol", "account_sid": t.accounts[1][0].sid});
    let sid = post(&account.key, body).await.sid();
    let made = api.get(&api.admin, &format!("/Clients/{sid}")).await.json();
    assert_eq!(made["account_sid"], json!(account.sid));
    api.stop().await;
}

#[actix_web::test]
async fn no_password_is_on_disk_in_clear() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let body = json!({"username": "alice", "password": "client-clear-text"});
    api.post(&account.key, "/Clients", body).await.expect(201);
    let body = json!({"name": "app", "env_vars": {"TOKEN": "env-clear-text"},
        "call_hook": {"url": "http://a", "username": "u", "password": "hook-clear-text"}});
    api.post(&account.key, "/Applications", body).await.expect(201);
    let secret = json!({"webhook_secret": "signing-clear-text"});
    api.put(&account.key, &format!("/Accounts/{}", account.sid), secret).await.expect(204);

    let dir = &api.state.config.store.data_dir;
    for file in std::fs::read_dir(dir).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("clear-text"));
        assert!(!text.contains(&account.key));
        assert!(!text.contains(&api.admin));
    }
    api.stop().await;
}
