//! `/ServiceProviders` (contract rest.md §2.6).

use serde_json::json;

use crate::support::{NOBODY, TestApi};

#[actix_web::test]
async fn a_provider_is_made_read_changed_and_deleted() {
    let api = TestApi::start().await;
    let admin = &api.admin;
    let hook = json!({"url": "http://a/reg", "method": "get", "username": "u", "password": "p"});
    let body = json!({
        "name": "acme", "description": "d", "root_domain": "acme.example", "ms_teams_fqdn": null,
        "registration_hook": hook, "lcr_sid": null
    });
    let sid = api.post(admin, "/ServiceProviders", body).await.sid();
    let path = format!("/ServiceProviders/{sid}");
    let read = api.get(admin, &path).await.expect(200).json();
    assert_eq!(
        read,
        json!({
            "service_provider_sid": sid, "name": "acme", "description": "d",
            "root_domain": "acme.example",
            "registration_hook":
                {"url": "http://a/reg", "method": "GET", "username": "u", "password": "p"},
            "ms_teams_fqdn": null, "lcr_sid": null
        })
    );
    assert_eq!(api.get(admin, "/ServiceProviders").await.json(), json!([read]));

    // What a PUT leaves out stays, the hook included.
    api.put(admin, &path, json!({"description": null})).await.expect(204);
    let read = api.get(admin, &path).await.json();
    assert_eq!(read["description"], json!(null));
    assert_eq!(read["registration_hook"]["url"], "http://a/reg");
    api.put(admin, &path, json!({"registration_hook": null})).await.expect(204);
    assert_eq!(api.get(admin, &path).await.json()["registration_hook"], json!(null));
    api.put(admin, &path, json!({})).await.expect(204);

    api.delete(admin, &path).await.expect(204);
    api.get(admin, &path).await.expect(404);
    api.delete(admin, &path).await.expect(404);
    api.put(admin, &path, json!({})).await.expect(404);
    api.stop().await;
}

#[actix_web::test]
async fn names_and_domains_are_unique() {
    let api = TestApi::start().await;
    let admin = &api.admin;
    let one = json!({"name": "one", "root_domain": "one.example"});
    api.post(admin, "/ServiceProviders", one).await.expect(201);
    let sid = api.post(admin, "/ServiceProviders", json!({"name": "two"})).await.sid();
    let again = api.post(admin, "/ServiceProviders", json!({"name": "one"})).await;
    assert!(again.expect(422).msg().contains("name"));
    let body = json!({"name": "three", "root_domain": "one.example"});
    assert!(api.post(admin, "/ServiceProviders", body).await.expect(422).msg().contains("domain"));
    let path = format!("/ServiceProviders/{sid}");
    api.put(admin, &path, json!({"name": "one"})).await.expect(422);
    api.put(admin, &path, json!({"name": "two"})).await.expect(204);
    api.stop().await;
}

#[actix_web::test]
async fn each_scope_reaches_what_the_matrix_says() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let (provider, account) = (&t.providers[0], &t.accounts[0][0]);
    let own = format!("/ServiceProviders/{}", provider.sid);
    let other = format!("/ServiceProviders/{}", t.providers[1].sid);
    let unknown = format!("/ServiceProviders/{NOBODY}");

    for key in [&provider.key, &account.key] {
        let list = api.get(key, "/ServiceProviders").await.expect(200).json();
        assert_eq!(list.as_array().unwrap().len(), 1);
        assert_eq!(list[0]["service_provider_sid"], json!(provider.sid));
        api.get(key, &own).await.expect(200);
        for path in [&other, &unknown] {
            let refused = api.get(key, path).await.expect(403);
            assert_eq!(refused.msg(), "insufficient permissions");
            assert_eq!(api.put(key, path, json!({})).await.status, 403);
            assert_eq!(api.delete(key, path).await.status, 403);
        }
        let create = api.post(key, "/ServiceProviders", json!({"name": "x"})).await;
        assert_eq!(create.expect(403).msg(), "insufficient permissions");
        api.delete(key, &own).await.expect(403);
    }
    api.put(&provider.key, &own, json!({"description": "mine"})).await.expect(204);
    api.put(&account.key, &own, json!({"description": "theirs"})).await.expect(403);
    assert_eq!(api.get(&api.admin, &own).await.json()["description"], "mine");
    assert_eq!(api.get(&api.admin, &unknown).await.status, 404);
    let all = api.get(&api.admin, "/ServiceProviders").await.json();
    assert_eq!(all.as_array().unwrap().len(), 2);
    api.stop().await;
}

#[actix_web::test]
async fn a_provider_with_accounts_cannot_be_deleted() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let path = format!("/ServiceProviders/{}", provider.sid);
    assert!(!api.delete(&api.admin, &path).await.expect(422).msg().is_empty());
    api.delete(&api.admin, &format!("/Accounts/{}", account.sid)).await.expect(204);
    api.delete(&api.admin, &path).await.expect(204);
    api.stop().await;
}
