//! Whatever is wrong with a body or a path, the answer is a 4xx that says so
//! (contract rest.md §1.4, §1.6).

use serde_json::{Value, json};

use crate::support::{NOBODY, TestApi};

#[actix_web::test]
async fn each_bad_property_is_400_and_named() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let app = api.new_application(&account, "app").await;
    let client = api.post(&account.key, "/Clients", json!({"username": "u"})).await.sid();
    let sp_path = format!("/ServiceProviders/{}", provider.sid);
    let account_path = format!("/Accounts/{}", account.sid);
    let app_path = format!("/Applications/{app}");
    let client_path = format!("/Clients/{client}");
    let long = |n: usize| json!("x".repeat(n + 1));

    let cases: Vec<(&str, &str, Value)> = vec![
        (&sp_path, "name", json!(5)),
        (&sp_path, "name", json!("")),
        (&sp_path, "name", json!(null)),
        (&sp_path, "name", long(64)),
        (&sp_path, "description", json!([])),
        (&sp_path, "root_domain", long(128)),
        (&sp_path, "registration_hook", json!("http://a")),
        (&sp_path, "registration_hook", json!({"method": "GET"})),
        (&sp_path, "lcr", json!(NOBODY)),
        (&account_path, "name", long(64)),
        (&account_path, "sip_realm", long(132)),
        (&account_path, "sip_realm", json!("a b")),
        (&account_path, "registration_hook", json!(7)),
        (&account_path, "queue_event_hook", json!({"url": "http://a", "method": "BREW"})),
        (&account_path, "device_calling_application_sid", json!("x")),
        (&account_path, "siprec_hook_sid", json!(5)),
        (&account_path, "webhook_secret", json!("short")),
        (&account_path, "is_active", json!("yes")),
        (&account_path, "disable_cdrs", json!(2)),
        (&account_path, "record_all_calls", json!({})),
        (&account_path, "record_format", json!("ogg")),
        (&account_path, "bucket_credential", json!("s3")),
        (&account_path, "bucket_credential", json!({"vendor": "ftp"})),
        (&account_path, "bucket_credential", json!({"vendor": "google", "name": "b"})),
        (&account_path, "enable_debug_log", json!("maybe")),
        (&account_path, "plan_type", json!("gold")),
        (&account_path, "trial_end_date", json!("soon")),
        (&account_path, "device_to_call_ratio", json!("five")),
        (&account_path, "device_to_call_ratio", json!(-1)),
        (&account_path, "colour", json!("red")),
        (&app_path, "name", long(64)),
        (&app_path, "account_sid", json!("x")),
        (&app_path, "call_hook", json!("http://a")),
        (&app_path, "call_hook", json!(null)),
        (&app_path, "call_hook", json!({"url": ""})),
        (&app_path, "call_hook", json!({"url": "/relative"})),
        (&app_path, "call_hook", json!({"url": "ftp://a"})),
        (&app_path, "call_hook", json!({"url": " http://a"})),
        (&app_path, "call_hook", json!({"url": "http://"})),
        (&app_path, "call_hook", json!({"url": "http://a", "password": 5})),
        (&app_path, "call_hook", json!({"url": "http://a", "webhook_sid": NOBODY})),
        (&app_path, "call_hook", json!({"url": long(1024)})),
        (&app_path, "call_status_hook", json!({"url": "nonsense"})),
        (&app_path, "messaging_hook", json!([])),
        (&app_path, "app_json", json!("{")),
        (&app_path, "app_json", json!("[{\"verb\":\"sing\"}]")),
        (&app_path, "app_json", json!([])),
        (&app_path, "speech_synthesis_vendor", long(64)),
        (&app_path, "speech_synthesis_language", long(12)),
        (&app_path, "speech_synthesis_voice", long(256)),
        (&app_path, "speech_synthesis_label", json!(5)),
        (&app_path, "speech_recognizer_vendor", json!({})),
        (&app_path, "fallback_speech_recognizer_label", long(64)),
        (&app_path, "env_vars", json!("A=1")),
        (&app_path, "record_all_calls", json!("on")),
        (&client_path, "username", json!("a b")),
        (&client_path, "username", json!("a:b")),
        (&client_path, "username", json!("")),
        (&client_path, "username", long(64)),
        (&client_path, "password", json!(12345)),
        (&client_path, "password", long(255)),
        (&client_path, "account_sid", json!("x")),
        (&client_path, "allow_direct_user_calling", json!("sometimes")),
        (&client_path, "client_sid", json!(client)),
        (&app_path, "application_sid", json!(app)),
    ];
    assert!(cases.len() >= 30);
    for (path, property, value) in cases {
        let shown = value.to_string();
        let shown = &shown[..shown.len().min(60)];
        let sent = if property == "lcr" { "lcr_sid" } else { property };
        let refused = api.put(&api.admin, path, json!({sent: value})).await;
        assert_eq!(refused.status, 400, "{property} = {shown}: {}", refused.text);
        assert!(refused.msg().contains(property), "{property} = {shown}: {}", refused.msg());
    }
    api.stop().await;
}

#[actix_web::test]
async fn missing_required_properties_are_named() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    for (path, body, text) in [
        ("/ServiceProviders", json!({}), "missing field name"),
        ("/Accounts", json!({}), "missing field name"),
        ("/Applications", json!({}), "missing field name"),
        ("/Applications", json!({"name": "a"}), "missing field call_hook"),
        ("/Clients", json!({}), "missing field username"),
        ("/PhoneNumbers", json!({}), "number is required"),
    ] {
        let refused = api.post(&api.admin, path, body).await;
        assert_eq!((refused.status, refused.msg().as_str()), (400, text), "{path}");
    }
    let body = json!({"name": "a", "call_hook": {"url": "http://a"}, "app_json": "[]x"});
    api.post(&account.key, "/Applications", body).await.expect(400);
    for (property, value) in [
        ("expires_at", json!("soon")),
        ("expires_at", json!(5)),
        ("expiry_secs", json!("x")),
        ("expiry_secs", json!(0)),
        ("account_sid", json!("x")),
        ("colour", json!("red")),
    ] {
        let refused = api.post(&api.admin, "/ApiKeys", json!({property: value})).await;
        assert!(refused.expect(400).msg().contains(property));
    }
    api.stop().await;
}

const RESOURCES: [&str; 6] =
    ["ServiceProviders", "Accounts", "Applications", "PhoneNumbers", "VoipCarriers", "Clients"];

#[actix_web::test]
async fn nuls_in_a_query_are_found_nowhere() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    for path in [
        "/Applications?name=%00".to_owned(),
        "/PhoneNumbers?filter=a%00b".to_owned(),
        "/VoipCarriers?name=%00".to_owned(),
        "/Availability?type=subdomain&value=%00".to_owned(),
        "/Availability?type=email&value=%00".to_owned(),
        format!("/Accounts/{}/RecentCalls?page=1&count=9&filter=%00&trunk=%00", account.sid),
        format!("/Accounts/{}/Alerts?page=1&count=9&alert_type=%00", account.sid),
    ] {
        api.get(&account.key, &path).await.expect(200);
    }
    api.stop().await;
}

#[actix_web::test]
async fn malformed_sids_in_paths_are_400_for_every_method() {
    let api = TestApi::start().await;
    let unhyphenated = NOBODY.replace('-', "");
    for sid in ["undefined", "1", unhyphenated.as_str(), "%20", "%F0%28", "a%2Fb", "..%2f"] {
        for resource in RESOURCES {
            let path = format!("/{resource}/{sid}");
            for answer in [
                api.get(&api.admin, &path).await,
                api.put(&api.admin, &path, json!({})).await,
                api.delete(&api.admin, &path).await,
            ] {
                let got = (answer.status, answer.msg());
                assert_eq!(got, (400, "Bad request".to_owned()), "{path}");
            }
        }
    }
    for resource in RESOURCES {
        let path = format!("/{resource}/{NOBODY}");
        for answer in [
            api.get(&api.admin, &path).await,
            api.put(&api.admin, &path, json!({})).await,
            api.delete(&api.admin, &path).await,
        ] {
            assert_eq!((answer.status, answer.msg()), (404, "not found".to_owned()), "{path}");
        }
    }
    api.stop().await;
}

#[actix_web::test]
async fn what_is_searched_for_may_be_as_long_as_a_url() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    // SQLite takes patterns of 50 000 bytes; a wildcard takes two of them.
    for text in ["a".repeat(60_000), "9".repeat(60_000), "_".repeat(30_000)] {
        for path in [
            format!("/Applications?page=1&name={text}"),
            format!("/VoipCarriers?page=1&name={text}"),
            format!("/PhoneNumbers?page=1&filter={text}"),
            format!("/Accounts/{}/RecentCalls?page=1&count=5&filter={text}", account.sid),
        ] {
            let found = api.get(&account.key, &path).await.expect(200).json();
            assert_eq!(found["total"], 0, "{}", &path[..40]);
        }
    }
}
