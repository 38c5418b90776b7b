//! `/Applications`, flat and nested (contract rest.md §2.1, §1.7).

use serde_json::{Value, json};

use crate::support::{NOBODY, TestApi};

#[actix_web::test]
async fn a_new_application_shows_every_column_with_its_default() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let body = json!({"name": "app", "call_hook": {"url": "https://a/b", "username": "u", "password": "p"}});
    let sid = api.post(&account.key, "/Applications", body).await.sid();
    let mut read = api.get(&account.key, &format!("/Applications/{sid}")).await.expect(200).json();
    assert_eq!(read["call_hook"]["webhook_sid"].take().as_str().unwrap().len(), 36);
    assert!(read["created_at"].take().is_string());
    assert_eq!(
        read,
        json!({
            "application_sid": sid, "name": "app", "account_sid": account.sid,
            "service_provider_sid": null,
            "call_hook": {"webhook_sid": null, "url": "https://a/b", "method": "POST",
                "username": "u", "password": "p"},
            "call_status_hook": null, "messaging_hook": null, "app_json": null,
            "speech_synthesis_vendor": "google", "speech_synthesis_language": "en-US",
            "speech_synthesis_voice": "en-US-Standard-C", "speech_synthesis_label": null,
            "speech_recognizer_vendor": "google", "speech_recognizer_language": "en-US",
            "speech_recognizer_label": null, "use_for_fallback_speech": 0,
            "fallback_speech_synthesis_vendor": null, "fallback_speech_synthesis_language": null,
            "fallback_speech_synthesis_voice": null, "fallback_speech_synthesis_label": null,
            "fallback_speech_recognizer_vendor": null,
            "fallback_speech_recognizer_language": null,
            "fallback_speech_recognizer_label": null, "env_vars": null, "record_all_calls": 0,
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
    let sid = api.new_application(&account, "app").await;
    let path = format!("/Applications/{sid}");
    for (property, set, shown, cleared) in [
        ("name", json!("b"), json!("b"), None),
        (
            "app_json",
            json!("[{\"verb\":\"hangup\"}]"),
            json!("[{\"verb\":\"hangup\"}]"),
            Some(json!(null)),
        ),
        ("speech_synthesis_vendor", json!("aws"), json!("aws"), Some(json!("google"))),
        ("speech_synthesis_language", json!("de-DE"), json!("de-DE"), Some(json!("en-US"))),
        ("speech_synthesis_voice", json!("v"), json!("v"), Some(json!(null))),
        ("speech_synthesis_label", json!("l"), json!("l"), Some(json!(null))),
        ("speech_recognizer_vendor", json!("aws"), json!("aws"), Some(json!("google"))),
        ("speech_recognizer_language", json!("de-DE"), json!("de-DE"), Some(json!("en-US"))),
        ("speech_recognizer_label", json!("l"), json!("l"), Some(json!(null))),
        ("use_for_fallback_speech", json!("1"), json!(1), Some(json!(0))),
        ("fallback_speech_synthesis_vendor", json!("f"), json!("f"), Some(json!(null))),
        ("fallback_speech_synthesis_language", json!("f"), json!("f"), Some(json!(null))),
        ("fallback_speech_synthesis_voice", json!("f"), json!("f"), Some(json!(null))),
        ("fallback_speech_synthesis_label", json!("f"), json!("f"), Some(json!(null))),
        ("fallback_speech_recognizer_vendor", json!("f"), json!("f"), Some(json!(null))),
        ("fallback_speech_recognizer_language", json!("f"), json!("f"), Some(json!(null))),
        ("fallback_speech_recognizer_label", json!("f"), json!("f"), Some(json!(null))),
        ("env_vars", json!({"A": "1", "B": 2}), json!({"A": "1", "B": 2}), Some(json!(null))),
        ("record_all_calls", json!(true), json!(1), Some(json!(0))),
    ] {
        let read = async || api.get(&account.key, &path).await.json()[property].clone();
        api.put(&account.key, &path, json!({property: set})).await.expect(204);
        assert_eq!(read().await, shown, "{property}");
        api.put(&account.key, &path, json!({})).await.expect(204);
        assert_eq!(read().await, shown, "{property}");
        if let Some(cleared) = cleared {
            api.put(&account.key, &path, json!({property: null})).await.expect(204);
            assert_eq!(read().await, cleared, "{property}");
        }
    }
    api.stop().await;
}

#[actix_web::test]
async fn hooks_are_changed_in_place_or_replaced() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let body = json!({
        "name": "app", "call_hook": {"url": "http://a", "password": "p"},
        "call_status_hook": {"url": "http://a/s", "method": "get"}
    });
    let sid = api.post(&account.key, "/Applications", body).await.sid();
    let path = format!("/Applications/{sid}");
    let read = async || api.get(&account.key, &path).await.json();
    let first = read().await;
    assert_eq!(first["call_status_hook"]["method"], "GET");
    let in_place = first["call_hook"]["webhook_sid"].clone();

    let body = json!({"call_hook": {"webhook_sid": in_place, "url": "http://b"}});
    api.put(&account.key, &path, body).await.expect(204);
    let second = read().await;
    assert_eq!(second["call_hook"]["webhook_sid"], in_place);
    assert_eq!(second["call_hook"]["url"], "http://b");
    assert_eq!(second["call_hook"]["password"], "p");

    api.put(&account.key, &path, json!({"call_hook": {"url": "http://c"}})).await.expect(204);
    let third = read().await;
    assert_ne!(third["call_hook"]["webhook_sid"], in_place);
    assert_eq!(third["call_hook"]["password"], json!(null));

    // The status hook's sid is not the call hook's.
    let body = json!({"call_hook": third["call_status_hook"]});
    let refused = api.put(&account.key, &path, body).await.expect(400);
    assert!(refused.msg().starts_with("call_hook"));
    api.put(&account.key, &path, json!({"call_status_hook": null})).await.expect(204);
    assert_eq!(read().await["call_status_hook"], json!(null));
    api.stop().await;
}

#[actix_web::test]
async fn the_account_of_a_new_application_follows_the_token() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let create = async |key: &str, account: Option<&str>| {
        let name = uuid::Uuid::new_v4().to_string();
        let mut body = json!({"name": name, "call_hook": {"url": "http://a"}});
        if let Some(account) = account {
            body["account_sid"] = json!(account);
        }
        api.post(key, "/Applications", body).await
    };
    let (own, sibling, foreign) = (&t.accounts[0][0], &t.accounts[0][1].sid, &t.accounts[1][0].sid);
    let provider = &t.providers[0];

    let missing = create(&provider.key, None).await.expect(400);
    assert_eq!(missing.msg(), "missing required field: 'account_sid'");
    assert_eq!(create(&api.admin, None).await.expect(400).msg(), "missing field account_sid");
    create(&api.admin, Some(foreign)).await.expect(201);
    create(&provider.key, Some(sibling)).await.expect(201);
    for sid in [foreign.as_str(), NOBODY] {
        let refused = create(&provider.key, Some(sid)).await.expect(403);
        assert_eq!(refused.msg(), "insufficient privileges");
    }
    create(&api.admin, Some(NOBODY)).await.expect(400);
    let sid = create(&own.key, Some(foreign)).await.sid();
    let made = api.get(&api.admin, &format!("/Applications/{sid}")).await.json();
    assert_eq!(made["account_sid"], json!(own.sid));
    api.stop().await;
}

#[actix_web::test]
async fn names_are_unique_within_an_account() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let body = || json!({"name": "app", "call_hook": {"url": "http://a"}});
    api.post(&t.accounts[0][0].key, "/Applications", body()).await.expect(201);
    api.post(&t.accounts[0][0].key, "/Applications", body()).await.expect(422);
    api.post(&t.accounts[0][1].key, "/Applications", body()).await.expect(201);
    let other = api.new_application(&t.accounts[0][0], "other").await;
    let path = format!("/Applications/{other}");
    api.put(&t.accounts[0][0].key, &path, json!({"name": "app"})).await.expect(422);
    api.stop().await;
}

#[actix_web::test]
async fn an_application_in_use_cannot_be_deleted_or_moved() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let account = &t.accounts[0][0];
    let app = api.new_application(account, "app").await;
    let path = format!("/Applications/{app}");
    let number = json!({"number": "15551230000", "application_sid": app});
    let number = api.post(&account.key, "/PhoneNumbers", number).await.sid();
    for key in [&account.key, &t.providers[0].key, &api.admin] {
        let refused = api.delete(key, &path).await.expect(422);
        assert_eq!(refused.msg(), "cannot delete application with phone numbers");
    }
    let elsewhere = json!({"account_sid": t.accounts[0][1].sid});
    api.put(&t.providers[0].key, &path, elsewhere.clone()).await.expect(422);
    api.delete(&account.key, &format!("/PhoneNumbers/{number}")).await.expect(204);

    let account_path = format!("/Accounts/{}", account.sid);
    for property in ["device_calling_application_sid", "siprec_hook_sid"] {
        api.put(&account.key, &account_path, json!({property: app})).await.expect(204);
        api.delete(&account.key, &path).await.expect(422);
        api.put(&account.key, &account_path, json!({property: null})).await.expect(204);
    }
    api.put(&account.key, &path, elsewhere.clone()).await.expect(403);
    api.put(&t.providers[0].key, &path, json!({"account_sid": t.accounts[1][0].sid}))
        .await
        .expect(403);
    api.put(&t.providers[0].key, &path, elsewhere).await.expect(204);
    api.get(&account.key, &path).await.expect(404);
    api.delete(&t.accounts[0][1].key, &path).await.expect(204);
    api.delete(&t.accounts[0][1].key, &path).await.expect(404);
    api.stop().await;
}

#[actix_web::test]
async fn the_nested_routes_work_as_the_flat_ones() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let account = &t.accounts[0][0];
    let base = format!("/Accounts/{}/Applications", account.sid);
    for key in [&account.key, &t.providers[0].key, &api.admin] {
        let body = json!({"name": "app", "call_hook": {"url": "http://a"},
            "account_sid": t.accounts[1][0].sid});
        let sid = api.post(key, &base, body).await.sid();
        let path = format!("{base}/{sid}");
        let read = api.get(key, &path).await.expect(200).json();
        assert_eq!(read["account_sid"], json!(account.sid));
        assert_eq!(api.get(key, &base).await.json(), json!([read]));
        api.put(key, &path, json!({"name": "b"})).await.expect(204);
        assert_eq!(api.get(key, &path).await.json()["name"], "b");
        api.delete(key, &path).await.expect(204);
        api.get(key, &path).await.expect(404);
    }
    // Another account's application is not there, even for those who may see it elsewhere.
    let foreign = api.new_application(&t.accounts[0][1], "app").await;
    let path = format!("{base}/{foreign}");
    api.get(&api.admin, &path).await.expect(404);
    api.put(&api.admin, &path, json!({})).await.expect(404);
    api.delete(&api.admin, &path).await.expect(404);
    api.get(&t.accounts[0][1].key, &path).await.expect(403);
    api.get(&api.admin, &format!("{base}/undefined")).await.expect(400);
    let unknown = format!("/Accounts/{NOBODY}/Applications");
    api.get(&api.admin, &unknown).await.expect(404);
    api.get(&account.key, &unknown).await.expect(403);
    api.stop().await;
}

#[actix_web::test]
async fn lists_are_sorted_paged_and_filtered() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    for name in ["delta", "alpha", "Charlie", "b%ravo", "echo"] {
        api.new_application(&account, name).await;
    }
    let get = async |path: &str| api.get(&account.key, path).await.expect(200).json();
    let plain = get("/Applications").await;
    let sids: Vec<&str> =
        plain.as_array().unwrap().iter().map(|a| a["application_sid"].as_str().unwrap()).collect();
    assert!(sids.is_sorted() && sids.len() == 5);

    let names = |list: &Value| -> Vec<String> {
        let rows = list["data"].as_array().unwrap_or_else(|| list.as_array().unwrap());
        rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    };
    let first = get("/Applications?page=1&page_size=2").await;
    assert_eq!(
        (&first["total"], &first["page"], &first["page_size"]),
        (&json!(5), &json!(1), &json!(2))
    );
    let mut all = names(&first);
    all.extend(names(&get("/Applications?page=2&page_size=2").await));
    all.extend(names(&get("/Applications?page=3&page_size=2").await));
    assert_eq!(all, ["Charlie", "alpha", "b%ravo", "delta", "echo"]);
    let beyond = get("/Applications?page=9&page_size=2").await;
    assert_eq!((&beyond["total"], &beyond["data"]), (&json!(5), &json!([])));
    let zero = get("/Applications?page=0").await;
    assert_eq!((&zero["page"], &zero["page_size"]), (&json!(1), &json!(50)));
    let nested = format!("/Accounts/{}/Applications?page=1", account.sid);
    assert_eq!(get(&nested).await["total"], json!(5));

    assert_eq!(names(&get("/Applications?name=CHAR").await), ["Charlie"]);
    assert_eq!(names(&get("/Applications?name=%25").await), ["b%ravo"]);
    assert_eq!(get("/Applications?name=zulu").await, json!([]));
    let filtered = get("/Applications?name=a&page=1&page_size=1").await;
    assert_eq!((&filtered["total"], names(&filtered)), (&json!(4), vec!["Charlie".to_owned()]));
    for query in ["page=x", "page=-1", "page=1&page_size=x", "page=1&page_size=0"] {
        api.get(&account.key, &format!("/Applications?{query}")).await.expect(400);
    }
    api.stop().await;
}
