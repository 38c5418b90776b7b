//! Routing, CORS, headers, bodies, errors (contract rest.md §1.1, §1.4, §1.6).

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::json;

use crate::support::TestApi;

#[actix_web::test]
async fn the_tree_answers_at_both_bases_with_any_slashes() {
    let api = TestApi::start().await;
    let bearer = format!("Bearer {}", api.admin);
    for path in [
        "/v1/ServiceProviders",
        "/api/v1/ServiceProviders",
        "/v1/ServiceProviders/",
        "/v1//ServiceProviders",
        "//api//v1///ServiceProviders//",
        "/v1/ServiceProviders?x=1",
    ] {
        let request = api.request(Method::GET, path).header(AUTHORIZATION, &bearer);
        let answer = api.send(request).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, "[]"), "{path}");
    }
    for path in ["/", "/health", "/metrics"] {
        let answer = api.send(api.request(Method::GET, path)).await;
        assert_eq!(answer.status, 200, "{path}");
    }
    api.stop().await;
}

#[actix_web::test]
async fn unknown_paths_are_404_and_other_methods_405_with_allow() {
    let api = TestApi::start().await;
    for path in ["/nothing", "/v1", "/v1/nothing", "/v1/ApiKeys/x/y", "/v2/Accounts"] {
        let answer = api.send(api.request(Method::GET, path)).await;
        assert_eq!((answer.status, answer.json()), (404, json!({"msg": "not found"})), "{path}");
    }
    let answer = api.send(api.request(Method::PATCH, "/v1/Applications")).await;
    assert_eq!(answer.status, 405);
    assert_eq!(answer.headers["allow"], "GET, HEAD, POST");
    assert!(!answer.msg().is_empty());
    // Listing keys without an owner is not offered.
    assert_eq!(api.get(&api.admin, "/ApiKeys").await.status, 405);
    api.stop().await;
}

#[actix_web::test]
async fn options_needs_no_token_and_echoes_the_headers() {
    let api = TestApi::start().await;
    for path in ["/v1/Accounts", "/v1/nothing", "/api/v1/ApiKeys"] {
        let request = api
            .request(Method::OPTIONS, path)
            .header("Access-Control-Request-Headers", "authorization,content-type");
        let answer = api.send(request).await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""), "{path}");
        assert_eq!(answer.headers["access-control-allow-origin"], "*");
        let methods = "GET,HEAD,PUT,PATCH,POST,DELETE";
        assert_eq!(answer.headers["access-control-allow-methods"], methods);
        let echoed = "authorization,content-type";
        assert_eq!(answer.headers["access-control-allow-headers"], echoed);
    }
    api.stop().await;
}

#[actix_web::test]
async fn every_answer_carries_the_fixed_headers() {
    let api = TestApi::start().await;
    let bearer = format!("Bearer {}", api.admin);
    for (method, path) in [
        (Method::GET, "/v1/Accounts"),
        (Method::GET, "/v1/nothing"),
        (Method::PATCH, "/v1/Accounts"),
        (Method::POST, "/v1/Accounts"),
        (Method::GET, "/v1/Accounts/undefined"),
        (Method::GET, "/health"),
    ] {
        let request = api.request(method, path).header(AUTHORIZATION, &bearer);
        let headers = api.send(request).await.headers;
        assert_eq!(headers["access-control-allow-origin"], "*", "{path}");
        assert_eq!(headers["cache-control"], "no-store", "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
    }
    api.stop().await;
}

#[actix_web::test]
async fn answers_are_compressed_only_when_asked() {
    let api = TestApi::start().await;
    for n in 0..20 {
        api.new_provider(&format!("provider {n}")).await;
    }
    let bearer = format!("Bearer {}", api.admin);
    let get = || api.request(Method::GET, "/v1/ServiceProviders").header(AUTHORIZATION, &bearer);
    let plain = get().send().await.unwrap();
    assert!(plain.headers().get("content-encoding").is_none());
    let packed = get().header("Accept-Encoding", "gzip").send().await.unwrap();
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    assert_eq!(packed.bytes().await.unwrap()[..2], [0x1f, 0x8b]);
    let head = api.request(Method::HEAD, "/v1/ServiceProviders").header(AUTHORIZATION, &bearer);
    let head = api.send(head).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    api.stop().await;
}

#[actix_web::test]
async fn reads_and_deletes_may_name_a_content_type_without_a_body() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let bearer = format!("Bearer {}", api.admin);
    let path = format!("/v1/ServiceProviders/{}", provider.sid);
    for (method, status) in [(Method::GET, 200), (Method::DELETE, 204)] {
        let request = api
            .request(method, &path)
            .header(AUTHORIZATION, &bearer)
            .header(CONTENT_TYPE, "application/json");
        assert_eq!(api.send(request).await.status, status);
    }
    api.stop().await;
}

#[actix_web::test]
async fn forms_are_read_and_other_bodies_count_as_empty() {
    let api = TestApi::start().await;
    let bearer = format!("Bearer {}", api.admin);
    let post = |kind: Option<&str>, body: &'static str| {
        let mut request = api
            .request(Method::POST, "/v1/ServiceProviders")
            .header(AUTHORIZATION, &bearer)
            .body(body);
        if let Some(kind) = kind {
            request = request.header(CONTENT_TYPE, kind);
        }
        api.send(request)
    };
    let form = "name=form&registration_hook[url]=http%3A%2F%2Fa&registration_hook[method]=get";
    let sid = post(Some("application/x-www-form-urlencoded"), form).await.sid();
    let made = api.get(&api.admin, &format!("/ServiceProviders/{sid}")).await.json();
    assert_eq!(made["registration_hook"]["method"], "GET");
    post(Some("application/json; charset=UTF-8"), r#"{"name":"utf"}"#).await.expect(201);
    for kind in [None, Some("text/plain"), Some("application/xml")] {
        let answer = post(kind, r#"{"name":"ignored"}"#).await;
        assert_eq!((answer.status, answer.msg().as_str()), (400, "missing field name"));
    }
    api.stop().await;
}

#[actix_web::test]
async fn broken_and_oversized_bodies_are_refused() {
    let api = TestApi::start().await;
    let bearer = format!("Bearer {}", api.admin);
    let post = |body: String| {
        let request = api
            .request(Method::POST, "/v1/ServiceProviders")
            .header(AUTHORIZATION, &bearer)
            .header(CONTENT_TYPE, "application/json");
        api.send(request.body(body))
    };
    for body in ["{", "nonsense", "5", "\"text\"", "null", "[]", "[{}]", "{\"name\":\"a\"} x"] {
        let answer = post(body.to_owned()).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(!answer.msg().is_empty(), "{body}");
    }
    let nested = |levels: usize| {
        format!(r#"{{"name":{}1{}}}"#, "[".repeat(levels - 1), "]".repeat(levels - 1))
    };
    assert_eq!(post(nested(64)).await.msg(), "name must be a string");
    for levels in [65, 100, 100_000] {
        assert_eq!(post(nested(levels)).await.status, 400, "{levels}");
    }
    assert_eq!(post(nested(65)).await.msg(), "the body is nested too deeply");
    let padding = "x".repeat(1024 * 1024);
    let answer = post(format!(r#"{{"name":"{padding}"}}"#)).await;
    assert_eq!((answer.status, answer.msg().as_str()), (413, "request entity too large"));
    // Just below the limit the property itself is at fault.
    let padding = "x".repeat(1024 * 1024 - 100);
    assert_eq!(post(format!(r#"{{"name":"{padding}"}}"#)).await.status, 400);
    api.stop().await;
}

#[actix_web::test]
async fn metrics_are_in_prometheus_text() {
    let api = TestApi::start().await;
    api.get(&api.admin, "/Accounts").await.expect(200);
    let answer = api.send(api.request(Method::GET, "/metrics")).await;
    assert!(answer.text.contains("http_requests_total{status=\"2xx\"}"), "{}", answer.text);
    api.stop().await;
}
