//! Tokens and scopes (contract rest.md §1.2, §1.3, §1.9).

use std::time::Duration;

use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use serde_json::json;
use trunkline::model::{Secret, Timestamp};
use trunkline::store::Bootstrap;

use crate::support::{NOBODY, TestApi};

#[actix_web::test]
async fn strangers_get_401_with_a_challenge() {
    let api = TestApi::start().await;
    let plain = r#"Bearer realm="Users""#;
    let invalid = r#"Bearer realm="Users", error="invalid_token""#;
    let long = format!("Bearer {}", "x".repeat(5000));
    let query_token = format!("/v1/Accounts?access_token={}", api.admin);
    for (path, header, challenge) in [
        ("/v1/Accounts", None, plain),
        (query_token.as_str(), None, plain),
        ("/v1/Accounts", Some("Basic dXNlcjpwYXNz"), plain),
        ("/v1/Accounts", Some(""), plain),
        ("/v1/Accounts", Some("Bearer"), invalid),
        ("/v1/Accounts", Some("Bearer nonsense"), invalid),
        ("/v1/Accounts", Some(&format!("Bearer {NOBODY}")), invalid),
        ("/v1/Accounts", Some(&long), invalid),
    ] {
        let mut request = api.request(Method::GET, path);
        if let Some(header) = header {
            request = request.header(AUTHORIZATION, header);
        }
        let answer = api.send(request).await;
        assert_eq!(answer.status, 401, "{header:?}");
        assert_eq!(answer.headers["www-authenticate"], challenge, "{header:?}");
        assert_eq!(answer.json(), json!({"msg": "Unauthorized"}));
    }
    api.stop().await;
}

#[actix_web::test]
async fn the_scheme_name_is_not_case_sensitive() {
    let api = TestApi::start().await;
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let request = api
            .request(Method::GET, "/v1/Accounts")
            .header(AUTHORIZATION, format!("{scheme} {}", api.admin));
        assert_eq!(api.send(request).await.status, 200);
    }
    api.stop().await;
}

#[actix_web::test]
async fn a_token_is_checked_before_anything_else() {
    let api = TestApi::start().await;
    for (method, path) in [
        (Method::GET, "/v1/Accounts/undefined"),
        (Method::POST, "/v1/Applications"),
        (Method::PUT, "/v1/Clients/undefined"),
        (Method::DELETE, "/v1/ApiKeys/undefined"),
    ] {
        assert_eq!(api.send(api.request(method, path)).await.status, 401, "{path}");
    }
    api.stop().await;
}

#[actix_web::test]
async fn an_expired_key_is_refused() {
    let api = TestApi::start().await;
    let past = Timestamp::now().minus(Duration::from_secs(60));
    let future = Timestamp::now().plus(Duration::from_secs(3600));
    for (expires_at, status) in [
        (past.to_rfc2822(), 401),
        (past.to_iso8601(), 401),
        (future.to_rfc2822(), 200),
        (future.to_iso8601(), 200),
    ] {
        let key = api.new_key(json!({"expires_at": expires_at})).await;
        assert_eq!(api.get(&key, "/Accounts").await.status, status, "{expires_at}");
    }
    api.stop().await;
}

#[actix_web::test]
async fn a_key_that_is_in_use_expires_on_time() {
    let api = TestApi::start().await;
    let key = api.new_key(json!({"expiry_secs": 3600})).await;
    api.get(&key, "/Accounts").await.expect(200);
    let keys = api.state.store.api_keys();
    let soon = Timestamp::now().plus(Duration::from_secs(3500));
    assert!(keys.authenticate(&key, soon).await.unwrap().is_some());
    let later = Timestamp::now().plus(Duration::from_secs(3601));
    assert_eq!(keys.authenticate(&key, later).await.unwrap(), None);
    api.stop().await;
}

#[actix_web::test]
async fn deleted_keys_end_at_once_and_so_do_those_of_deleted_tenants() {
    let api = TestApi::start().await;
    let answer = api.post(&api.admin, "/ApiKeys", json!({})).await.expect(201).json();
    let (sid, token) = (answer["sid"].as_str().unwrap(), answer["token"].as_str().unwrap());
    api.get(token, "/Accounts").await.expect(200);
    api.delete(&api.admin, &format!("/ApiKeys/{sid}")).await.expect(204);
    api.get(token, "/Accounts").await.expect(401);

    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    api.get(&account.key, "/Applications").await.expect(200);
    api.delete(&api.admin, &format!("/Accounts/{}", account.sid)).await.expect(204);
    api.get(&account.key, "/Applications").await.expect(401);
    api.get(&provider.key, "/Applications").await.expect(200);
    api.delete(&api.admin, &format!("/ServiceProviders/{}", provider.sid)).await.expect(204);
    api.get(&provider.key, "/Applications").await.expect(401);
    api.stop().await;
}

#[actix_web::test]
async fn the_configured_admin_key_works_and_replaces_the_former() {
    let api = TestApi::start_with(|config| {
        config.api.admin_key = Some(Secret("first-admin-key".to_owned()));
    })
    .await;
    api.get("first-admin-key", "/Accounts").await.expect(200);
    let keys = api.state.store.api_keys();
    assert_eq!(keys.bootstrap(None).await.unwrap(), Bootstrap::Existing);
    api.get("first-admin-key", "/Accounts").await.expect(200);

    let second = Secret("second-admin-key".to_owned());
    assert_eq!(keys.bootstrap(Some(&second)).await.unwrap(), Bootstrap::Configured);
    assert_eq!(keys.bootstrap(Some(&second)).await.unwrap(), Bootstrap::Configured);
    api.get("first-admin-key", "/Accounts").await.expect(401);
    api.get("second-admin-key", "/Accounts").await.expect(200);
    api.stop().await;
}

#[actix_web::test]
async fn the_generated_admin_key_is_made_once() {
    let api = TestApi::start().await;
    let keys = api.state.store.api_keys();
    assert_eq!(keys.bootstrap(None).await.unwrap(), Bootstrap::Existing);
    api.get(&api.admin, "/Accounts").await.expect(200);
    api.stop().await;
}
