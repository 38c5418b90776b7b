//! Reads of what is stored are answered from what was answered before, and nobody can tell: each answer
//! is that of a request which was never made before.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Tenancy, TestApi};

/// Asks everybody for everything, twice as a client does, once with an argument that no request had
/// before, so that this one is read from the store.
async fn compare(api: &TestApi, t: &Tenancy, paths: &[String], step: usize) {
    let accounts = t.accounts.iter().flatten();
    let keys = [&api.admin].into_iter().chain(t.providers.iter().chain(accounts).map(|t| &t.key));
    for (n, key) in keys.enumerate() {
        for path in paths {
            let sign = if path.contains('?') { '&' } else { '?' };
            let fresh = api.get(key, &format!("{path}{sign}fresh={step}")).await;
            for _ in 0..2 {
                let kept = api.get(key, path).await;
                let what = format!("{path} for key {n} after write {step}");
                assert_eq!((kept.status, &kept.text), (fresh.status, &fresh.text), "{what}");
                assert_eq!(kept.headers.get("content-type"), fresh.headers.get("content-type"));
            }
        }
    }
}

#[actix_web::test]
async fn after_every_kind_of_write_everybody_reads_what_is_stored() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let [[owner, neighbour], _] = &t.accounts;
    let provider = &t.providers[0];
    let app = api.new_application(owner, "app").await;
    let of_account = api.new_application(neighbour, "other").await;
    let number = api.post(&owner.key, "/PhoneNumbers", json!({"number": "1555"})).await.sid();
    let client = api.post(&owner.key, "/Clients", json!({"username": "alice"})).await.sid();
    let (a, p) = (&owner.sid, &provider.sid);
    let paths: Vec<String> = [
        "/Accounts".to_owned(),
        "/Applications".to_owned(),
        "/Applications?page=1&page_size=1".to_owned(),
        "/PhoneNumbers".to_owned(),
        "/Clients".to_owned(),
        "/ServiceProviders".to_owned(),
        format!("/Accounts/{a}"),
        format!("/Accounts/{a}/Applications"),
        format!("/Accounts/{a}/Applications/{app}"),
        format!("/Applications/{app}"),
        format!("/Applications/{of_account}"),
        format!("/PhoneNumbers/{number}"),
        format!("/Clients/{client}"),
        format!("/ServiceProviders/{p}"),
        format!("/ServiceProviders/{p}/Accounts"),
        format!("/ServiceProviders/{p}/Applications"),
        format!("/ServiceProviders/{p}/PhoneNumbers"),
    ]
    .into();
    compare(&api, &t, &paths, 0).await;
    let put = |path: String, body: Value| ("PUT", path, body);
    let delete = |path: String| ("DELETE", path, Value::Null);
    let writes = [
        put(format!("/Applications/{app}"), json!({"name": "renamed"})),
        put(format!("/Accounts/{a}"), json!({"device_calling_application_sid": app})),
        put(format!("/PhoneNumbers/{number}"), json!({"application_sid": app})),
        put(format!("/Clients/{client}"), json!({"is_active": 0})),
        put(format!("/ServiceProviders/{p}"), json!({"description": "d"})),
        (
            "POST",
            "/Applications".to_owned(),
            json!({"name": "new", "account_sid": a,
            "call_hook": {"url": "http://127.0.0.1:9/"}}),
        ),
        ("GET", format!("/Accounts/{a}/WebhookSecret?regenerate=true"), Value::Null),
        ("POST", format!("/Accounts/{a}/SipRealms/fresh.example.com"), json!({})),
        delete(format!("/Clients/{client}")),
        delete(format!("/PhoneNumbers/{number}")),
        delete(format!("/Accounts/{}", neighbour.sid)),
        delete(format!("/Accounts/{a}")),
    ];
    for ((method, path, body), step) in writes.into_iter().zip(1..) {
        let done = match method {
            "GET" => api.get(&api.admin, &path).await,
            "POST" => api.post(&api.admin, &path, body).await,
            "PUT" => api.put(&api.admin, &path, body).await,
            _ => api.delete(&api.admin, &path).await,
        };
        assert!((200..300).contains(&done.status), "{method} {path}: {}", done.text);
        compare(&api, &t, &paths, step).await;
    }
    api.stop().await;
}

#[actix_web::test]
async fn what_was_answered_is_in_the_very_next_read_however_many_read_beside() {
    let api = TestApi::start_with(|config| config.http.workers = 2).await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let path = format!("/Applications/{}", api.new_application(&account, "0").await);
    let is_over = Arc::new(AtomicBool::new(false));
    // These keep putting back what they read, at any moment of a write.
    let readers = join_all((0..4).map(|_| async {
        while !is_over.load(Ordering::Relaxed) {
            api.get(&account.key, &path).await.expect(200);
        }
    }));
    let writer = async {
        for n in 1..=100 {
            let name = n.to_string();
            api.put(&account.key, &path, json!({"name": name})).await.expect(204);
            let read = api.get(&account.key, &path).await.expect(200).json();
            assert_eq!(read["name"], name);
        }
        is_over.store(true, Ordering::Relaxed);
    };
    futures_util::join!(readers, writer);
    api.stop().await;
}
