//! `/Clients`, the SIP users (contract rest.md §2.10).

use serde_json::json;
use trunkline::api::Change;
use trunkline::model::DigestAlgorithm;

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
            "allow_direct_queue_calling": 0, "allow_direct_user_calling": 1,
            "media_encryption": null, "digest_algorithm": null
        })
    );
    for key in [&account.key, &provider.key, &api.admin] {
        assert_eq!(api.get(key, "/Clients").await.json(), json!([read]));
    }
    for body in [
        json!({"username": "alice2", "password": "secret2"}),
        json!({"is_active": 0, "allow_direct_app_calling": false}),
        json!({"password": "other"}),
        json!({"media_encryption": "required", "digest_algorithm": "SHA-256"}),
        json!({}),
    ] {
        api.put(&account.key, &path, body).await.expect(204);
    }
    let read = api.get(&account.key, &path).await.json();
    assert_eq!((&read["username"], &read["password"]), (&json!("alice2"), &json!("oXXXX")));
    assert_eq!((&read["is_active"], &read["allow_direct_app_calling"]), (&json!(0), &json!(0)));
    let shown = (&read["media_encryption"], &read["digest_algorithm"]);
    assert_eq!(shown, (&json!("required"), &json!("SHA-256")));
    for body in [json!({"media_encryption": "on"}), json!({"digest_algorithm": "sha-256"})] {
        api.put(&account.key, &path, body).await.expect(400);
    }
    let back = json!({"media_encryption": null, "digest_algorithm": null});
    api.put(&account.key, &path, back).await.expect(204);
    assert_eq!(api.get(&account.key, &path).await.json()["media_encryption"], json!(null));
    api.delete(&account.key, &path).await.expect(204);
    api.get(&account.key, &path).await.expect(404);

    let changes = api.take_changes();
    let Some(Change::Client { before, after: None }) = changes.last() else {
        panic!("{changes:?}");
    };
    assert_eq!(before.client.username, "alice2");
    api.stop().await;
}

#[actix_web::test]
async fn ha1_follows_the_password_and_survives_changes_of_the_realm() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let account_path = format!("/Accounts/{}", account.sid);
    let realm = async |realm: &str| {
        api.put(&provider.key, &account_path, json!({"sip_realm": realm})).await.expect(204);
    };
    realm("Host.com").await;
    let body = json!({"username": "Mufasa", "password": "Circle Of Life"});
    let sid = api.post(&account.key, "/Clients", body).await.sid();
    let path = format!("/Clients/{sid}");
    let routing = api.state.store.routing();
    let find = async |realm: &str| routing.client_by_realm_username(realm, "Mufasa").await.unwrap();
    let ha1 = async |realm: &str| {
        find(realm).await.and_then(|a| a.ha1(DigestAlgorithm::Md5).map(|ha1| ha1.0.clone()))
    };

    // MD5("Mufasa:host.com:Circle Of Life")
    let first = Some("72d471071fb90479e8729cf8b8b27dff".to_owned());
    assert_eq!(ha1("HOST.com").await, first);
    // Still good under a new realm: the challenge goes on naming the old one.
    realm("other.com").await;
    assert!(find("host.com").await.is_none());
    assert_eq!(ha1("other.com").await, first);
    assert_eq!(find("other.com").await.unwrap().account.digest_realm(), "host.com");
    // The obscured form sent back changes nothing; leaving it out neither; null clears it.
    let obscured = json!({"password": "CXXXXXXXXXXXXX", "username": "Mufasa"});
    api.put(&account.key, &path, obscured).await.expect(204);
    assert_eq!(ha1("other.com").await, first);
    api.put(&account.key, &path, json!({"is_active": 1})).await.expect(204);
    assert_eq!(ha1("other.com").await, first);
    api.put(&account.key, &path, json!({"password": "new"})).await.expect(204);
    let second = ha1("other.com").await;
    assert!(second.is_some() && second != first);
    // The old password again is the old HA1 again: the digest realm has not moved.
    api.put(&account.key, &path, json!({"password": "Circle Of Life"})).await.expect(204);
    assert_eq!(ha1("other.com").await, first);
    api.put(&account.key, &path, json!({"password": null})).await.expect(204);
    assert_eq!(ha1("other.com").await, None);
    assert_eq!(api.get(&account.key, &path).await.json()["password"], json!(null));
    api.stop().await;
}

#[actix_web::test]
async fn another_name_or_account_needs_the_password() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let [here, there] = &t.accounts[0];
    let body = json!({"username": "alice", "password": "secret"});
    let path = format!("/Clients/{}", api.post(&here.key, "/Clients", body).await.sid());
    let put = async |body| api.put(&t.providers[0].key, &path, body).await;
    for body in [json!({"username": "bob"}), json!({"username": "bob", "password": "sXXXXX"})] {
        let refused = put(body).await.expect(400);
        assert_eq!(refused.msg(), "password is required to change username");
    }
    let refused = put(json!({"account_sid": there.sid})).await.expect(400);
    assert_eq!(refused.msg(), "password is required to change account_sid");
    let read = api.get(&here.key, &path).await.json();
    assert_eq!((&read["username"], &read["account_sid"]), (&json!("alice"), &json!(here.sid)));
    // What stays as it was may be named.
    put(json!({"username": "alice", "account_sid": here.sid, "is_active": 0})).await.expect(204);
    put(json!({"username": "bob", "password": "secret"})).await.expect(204);
    put(json!({"account_sid": there.sid, "password": "secret"})).await.expect(204);
    let read = api.get(&there.key, &path).await.json();
    assert_eq!((&read["username"], &read["password"]), (&json!("bob"), &json!("sXXXXX")));
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
