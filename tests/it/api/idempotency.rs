//! `Idempotency-Key` where no call can be placed; `tests/e2e/idempotency.rs` has those that ring.

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use trunkline::model::{AccountSid, Timestamp};

use crate::support::{Answer, Tenant, TestApi};

async fn call(api: &TestApi, account: &Tenant, keys: &[&str], body: &Value) -> Answer {
    let mut request = api
        .request(Method::POST, &format!("/v1/Accounts/{}/Calls", account.sid))
        .header(AUTHORIZATION, format!("Bearer {}", account.key))
        .header(CONTENT_TYPE, "application/json")
        .body(body.to_string());
    for key in keys {
        request = request.header("Idempotency-Key", *key);
    }
    api.send(request).await
}

fn order() -> Value {
    json!({"from": "15550001", "to": {"type": "sip", "sipUri": "sip:a@192.0.2.1"},
        "call_hook": "http://127.0.0.1:9/hook"})
}

#[actix_web::test]
async fn a_key_is_printable_and_given_once() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let long = "x".repeat(256);
    for keys in [&[""][..], &["a\tb"], &["ä"], &[&long], &["a", "b"]] {
        let refused = call(&api, &account, keys, &order()).await.expect(400);
        assert!(refused.msg().starts_with("Idempotency-Key"), "{keys:?}: {}", refused.msg());
    }
    for key in ["a", "\"8e03978e-40d5-43e8-bc93-6894a57f9324\"", &long[1..]] {
        call(&api, &account, &[key], &order()).await.expect(480);
    }
    api.stop().await;
}

#[actix_web::test]
async fn what_was_refused_is_not_kept() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let bad = json!({"from": "15550001"});
    call(&api, &account, &["k"], &bad).await.expect(400);
    let mut order = order();
    call(&api, &account, &["k"], &order).await.expect(480);
    call(&api, &account, &["k"], &order).await.expect(480);
    // Under its key it may even be corrected.
    order["from"] = json!("15550002");
    call(&api, &account, &["k"], &order).await.expect(480);
    api.stop().await;
}

#[actix_web::test]
async fn a_key_that_was_used_is_for_no_other_request_and_no_other_account() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let sid = AccountSid::parse(&account.sid).unwrap();
    let first = api.state.store.idempotency();
    first.begin(sid, "k", "another request", Timestamp::now()).await.unwrap();
    first.answer(sid, "k", ("another request", "{}"), Timestamp::now()).await.unwrap();
    let refused = call(&api, &account, &["k"], &order()).await.expect(422);
    assert!(refused.msg().contains("another request"), "{}", refused.msg());
    let sibling = api.new_account(&provider, "b").await;
    call(&api, &sibling, &["k"], &order()).await.expect(480);
    api.delete(&provider.key, &format!("/Accounts/{}", account.sid)).await.expect(204);
    let known = first.find(sid, "k", Timestamp::now()).await.unwrap();
    assert_eq!(known, None, "keys go with their account");
    api.stop().await;
}

#[actix_web::test]
async fn what_was_done_is_answered_again_although_it_could_not_be_done_now() {
    let api = TestApi::start_with(|config| config.hook.allow_private_networks = false).await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    call(&api, &account, &["k"], &order()).await.expect(400);
    let first = api.state.store.idempotency();
    let sid = AccountSid::parse(&account.sid).unwrap();
    let hash = Sha256::digest(format!("calls\n{}", order()));
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    first.begin(sid, "k", &hash, Timestamp::now()).await.unwrap();
    let placed = json!({"sid": "8e03978e-40d5-43e8-bc93-6894a57f9324", "callId": "a"});
    let answer = placed.to_string();
    first.answer(sid, "k", (&hash, &answer), Timestamp::now()).await.unwrap();
    let again = call(&api, &account, &["k"], &order()).await.expect(201);
    assert_eq!(again.json(), placed);
    api.stop().await;
}
