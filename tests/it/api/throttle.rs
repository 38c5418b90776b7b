//! 429 and its headers (contract rest.md §1.6). That buckets fill again is shown in virtual time, in
//! `src/rate.rs`: here they are too slow to.

use reqwest::Method;
use reqwest::header::AUTHORIZATION;
use serde_json::json;

use crate::support::{Answer, TestApi};

fn number(answer: &Answer, header: &str) -> u64 {
    let text = answer.headers.get(header).unwrap_or_else(|| panic!("no {header}"));
    text.to_str().unwrap().parse().unwrap()
}

#[actix_web::test]
async fn without_a_limit_nothing_is_said_of_one() {
    let api = TestApi::start().await;
    for _ in 0..200 {
        let answer = api.get(&api.admin, "/Accounts").await.expect(200);
        assert!(!answer.headers.contains_key("ratelimit-limit"));
        api.get("nobody", "/Accounts").await.expect(401);
    }
    api.stop().await;
}

#[actix_web::test]
async fn one_token_that_asks_too_often_is_told_when_to_come_back() {
    let api = TestApi::start_with(|config| {
        config.http.rate_per_second = 1;
        config.http.rate_burst = 2000;
    })
    .await;
    let provider = api.new_provider("p").await;
    let first = api.get(&provider.key, "/Accounts").await.expect(200);
    assert_eq!(number(&first, "ratelimit-limit"), 2000);
    assert!(number(&first, "ratelimit-remaining") < 2000);
    // Refusals count as well.
    let refused = loop {
        let answer = api.get(&provider.key, "/Accounts/undefined").await;
        match answer.status {
            400 => assert!(!answer.headers.contains_key("retry-after")),
            _ => break answer.expect(429),
        }
    };
    assert_eq!(refused.json(), json!({"msg": "too many requests"}));
    assert_eq!(number(&refused, "ratelimit-remaining"), 0);
    assert!(number(&refused, "ratelimit-reset") >= 1999);
    assert_eq!(number(&refused, "retry-after"), 1);
    assert_eq!(refused.headers["access-control-allow-origin"], "*");
    // Another token has its own bucket, and what needs no token has none.
    api.get(&api.admin, "/Accounts").await.expect(200);
    let open = api.send(api.request(Method::GET, "/v1/PredefinedCarriers")).await.expect(200);
    assert!(!open.headers.contains_key("ratelimit-limit"));
    api.stop().await;
}

#[actix_web::test]
async fn an_address_that_tries_tokens_is_not_listened_to() {
    let api = TestApi::start_with(|config| {
        config.http.auth_failures_per_second = 1;
        config.http.auth_failures_burst = 500;
    })
    .await;
    // No token is no try.
    for _ in 0..600 {
        api.send(api.request(Method::GET, "/v1/Accounts")).await.expect(401);
    }
    let refused = loop {
        let request =
            api.request(Method::GET, "/v1/Accounts").header(AUTHORIZATION, "Bearer guess");
        let answer = api.send(request).await;
        if answer.status != 401 {
            break answer.expect(429);
        }
    };
    assert_eq!(number(&refused, "ratelimit-limit"), 500);
    assert!(number(&refused, "retry-after") >= 1);
    api.stop().await;
}
