//! Where a URL may lead that is saved, or named in a request: not into this machine's own network,
//! unless the configuration says so.

use std::collections::BTreeSet;

use ::support::{HookServer, Reply};
use serde_json::{Value, json};
use trunkline::config::Hook;

use crate::support::{Answer, NOBODY, TestApi};

/// Every spelling is the URL parser's business (`model/address_policy.rs`); here some of each kind.
const FORBIDDEN: [&str; 12] = [
    "http://127.0.0.1:8080/x",
    "https://2130706433/",
    "http://0x7f.1/",
    "ws://[::1]:9/",
    "wss://[::ffff:10.0.0.1]/",
    "http://169.254.169.254/latest/meta-data",
    "http://app.example@192.168.1.1/",
    "http://0/",
    "http://localhost/",
    "wss://app.localhost./",
    "http://metadata.google.internal/computeMetadata/v1/",
    // No resolver is needed for that one either, and the hosts file is asked for the others.
    "http://[fd00:ec2::254]/",
];

async fn strict() -> TestApi {
    TestApi::start_with(|config| config.hook = Hook::default()).await
}

async fn on_loopback() -> TestApi {
    TestApi::start_with(|config| {
        config.hook = Hook::default();
        config.hook.allow_loopback();
    })
    .await
}

fn refused(answer: &Answer, property: &str, url: &str) {
    assert_eq!(answer.status, 400, "{property} {url}: {}", answer.text);
    let msg = answer.msg();
    assert!(msg.starts_with(&format!("{property} url leads to")), "{msg}");
    assert!(msg.contains("hook.allowed_networks"), "{msg}");
}

#[actix_web::test]
async fn no_stored_hook_leads_into_the_servers_own_network() {
    let api = strict().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let public = json!({"url": "https://1.1.1.1/hook"});
    let app = json!({"name": "app", "call_hook": public});
    let sid = api.post(&account.key, "/Applications", app.clone()).await.sid();
    for url in FORBIDDEN {
        let hook = json!({"url": url});
        for property in ["call_hook", "call_status_hook", "messaging_hook"] {
            let mut body = app.clone();
            body[property] = hook.clone();
            for path in ["/Applications", &format!("/Accounts/{}/Applications", account.sid)] {
                refused(&api.post(&account.key, path, body.clone()).await, property, url);
            }
            let change = json!({property: hook});
            for path in [
                format!("/Applications/{sid}"),
                format!("/Accounts/{}/Applications/{sid}", account.sid),
            ] {
                refused(&api.put(&account.key, &path, change.clone()).await, property, url);
            }
        }
        for property in ["registration_hook", "queue_event_hook"] {
            let path = format!("/Accounts/{}", account.sid);
            let change = json!({property: hook});
            refused(&api.put(&account.key, &path, change).await, property, url);
            let new = json!({"name": "b", property: hook});
            refused(&api.post(&provider.key, "/Accounts", new).await, property, url);
        }
        let path = format!("/ServiceProviders/{}", provider.sid);
        let change = json!({"registration_hook": hook});
        refused(&api.put(&provider.key, &path, change).await, "registration_hook", url);
        let new = json!({"name": "q", "registration_hook": hook});
        refused(&api.post(&api.admin, "/ServiceProviders", new).await, "registration_hook", url);
        let bucket = json!({"bucket_credential": {"vendor": "s3_compatible", "endpoint": url,
            "name": "b", "access_key_id": "a", "secret_access_key": "s"}});
        let path = format!("/Accounts/{}", account.sid);
        refused(&api.put(&account.key, &path, bucket).await, "bucket_credential", url);
    }
    let read = api.get(&account.key, &format!("/Applications/{sid}")).await.json();
    assert_eq!(read["call_hook"]["url"], "https://1.1.1.1/hook");
    assert_eq!(read["call_status_hook"], Value::Null);
    api.stop().await;
}

#[actix_web::test]
async fn no_hook_of_a_conference_or_a_queue_leads_into_the_servers_own_network() {
    let api = strict().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    for (kind, properties) in
        [("Conferences", &["wait_hook", "status_hook"][..]), ("Queues", &["wait_hook"])]
    {
        let list = format!("/Accounts/{}/{kind}", account.sid);
        api.post(&account.key, &list, json!({"name": "lobby"})).await.expect(201);
        for url in FORBIDDEN {
            for (property, hook) in properties.iter().zip([json!(url), json!({"url": url})]) {
                let new = json!({"name": "hall", *property: hook});
                refused(&api.post(&account.key, &list, new).await, property, url);
                let change = json!({*property: hook});
                let path = format!("{list}/lobby");
                refused(&api.put(&account.key, &path, change).await, property, url);
            }
        }
        let good = json!({"name": "hall", "wait_hook": "https://1.1.1.1/"});
        api.post(&account.key, &list, good).await.expect(201);
    }
    let calls = format!("/Accounts/{}/Queues/lobby/Calls", account.sid);
    for url in FORBIDDEN {
        for property in ["wait_hook", "action_hook"] {
            let body = json!({"call_sid": NOBODY, property: url});
            refused(&api.post(&account.key, &calls, body).await, property, url);
        }
        let change = json!({"call_hook": {"url": url}});
        let path = format!("{calls}/{NOBODY}");
        refused(&api.put(&account.key, &path, change).await, "call_hook", url);
    }
    api.stop().await;
}

#[actix_web::test]
async fn no_hook_of_a_call_leads_into_the_servers_own_network() {
    let api = strict().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let calls = format!("/Accounts/{}/Calls", account.sid);
    let good = json!({"from": "1", "to": {"type": "sip", "sipUri": "sip:a@b.example"},
        "call_hook": "https://1.1.1.1/"});
    for url in FORBIDDEN {
        for hook in [json!(url), json!({"url": url, "method": "GET"})] {
            for property in
                ["call_hook", "call_status_hook", "sipRequestWithinDialogHook", "referHook"]
            {
                let mut body = good.clone();
                body[property] = hook.clone();
                refused(&api.post(&account.key, &calls, body).await, property, url);
            }
            let mut body = good.clone();
            body["amd"] = json!({"actionHook": hook});
            refused(&api.post(&account.key, &calls, body).await, "amd.actionHook", url);

            let call = format!("{calls}/{NOBODY}");
            for (body, property) in [
                (json!({"call_hook": hook}), "call_hook"),
                (json!({"child_call_hook": hook}), "child_call_hook"),
                (json!({"call_hook": "/next", "call_status_hook": hook}), "call_status_hook"),
                (json!({"conf_hold_status": "hold", "wait_hook": hook}), "wait_hook"),
                (json!({"conf_hold_status": "hold", "waitHook": hook}), "waitHook"),
                (
                    json!({"conferenceParticipantAction": {"action": "hold", "wait_hook": hook}}),
                    "conferenceParticipantAction.wait_hook",
                ),
            ] {
                refused(&api.put(&account.key, &call, body.clone()).await, property, url);
                refused(&api.post(&account.key, &call, body).await, property, url);
            }
        }
    }
    // Nothing else is wrong with these: there is no SIP, and no such call.
    api.post(&account.key, &calls, good).await.expect(480);
    let call = format!("{calls}/{NOBODY}");
    api.put(&account.key, &call, json!({"call_hook": "/next"})).await.expect(480);
    api.stop().await;
}

#[actix_web::test]
async fn no_hook_of_a_participant_leads_into_the_servers_own_network() {
    let api = strict().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let list = format!("/Accounts/{}/Conferences", account.sid);
    api.post(&account.key, &list, json!({"name": "lobby"})).await.expect(201);
    let participants = format!("{list}/lobby/Participants");
    let to = json!({"from": "1", "to": {"type": "sip", "sipUri": "sip:a@b.example"}});
    for url in FORBIDDEN {
        for hook in [json!(url), json!({"url": url})] {
            for property in ["action_hook", "call_status_hook"] {
                let mut body = to.clone();
                body[property] = hook.clone();
                refused(&api.post(&account.key, &participants, body).await, property, url);
            }
            let mut body = to.clone();
            body["amd"] = json!({"actionHook": hook});
            refused(&api.post(&account.key, &participants, body).await, "amd.actionHook", url);
            let held = json!({"hold_status": "hold", "wait_hook": hook});
            for path in [format!("{list}/lobby"), format!("{participants}/{NOBODY}")] {
                refused(&api.put(&account.key, &path, held.clone()).await, "wait_hook", url);
            }
        }
    }
    api.post(&account.key, &participants, to).await.expect(480);
    api.stop().await;
}

/// What the tests above go through, by path.
const HOOKS: [(&str, &[&str]); 18] = [
    ("/Accounts", &["queue_event_hook", "registration_hook"]),
    ("/Accounts/{a}", &["queue_event_hook", "registration_hook"]),
    ("/Accounts/{a}/Applications", &["call_hook", "call_status_hook", "messaging_hook"]),
    ("/Accounts/{a}/Applications/{sid}", &["call_hook", "call_status_hook", "messaging_hook"]),
    (
        "/Accounts/{a}/Calls",
        &["call_hook", "call_status_hook", "referHook", "sipRequestWithinDialogHook"],
    ),
    (
        "/Accounts/{a}/Calls/{call_sid}",
        &[
            "call_hook",
            "call_status_hook",
            "child_call_hook",
            "conferenceParticipantAction",
            "wait_hook",
        ],
    ),
    ("/Accounts/{a}/Conferences", &["status_hook", "wait_hook"]),
    ("/Accounts/{a}/Conferences/{conference}", &["status_hook", "wait_hook"]),
    ("/Accounts/{a}/Conferences/{conference}/Participants", &["action_hook", "call_status_hook"]),
    ("/Accounts/{a}/Conferences/{conference}/Participants/{call_sid}", &["wait_hook"]),
    ("/Accounts/{a}/Queues", &["wait_hook"]),
    ("/Accounts/{a}/Queues/{queue}", &["wait_hook"]),
    ("/Accounts/{a}/Queues/{queue}/Calls", &["action_hook", "wait_hook"]),
    ("/Accounts/{a}/Queues/{queue}/Calls/{queued_call}", &["call_hook"]),
    ("/Applications", &["call_hook", "call_status_hook", "messaging_hook"]),
    ("/Applications/{sid}", &["call_hook", "call_status_hook", "messaging_hook"]),
    ("/ServiceProviders", &["registration_hook"]),
    ("/ServiceProviders/{sp}", &["registration_hook"]),
];

/// A handler that takes a hook has to ask `admit_urls`. One that is not in [`HOOKS`] has no test that
/// it does.
#[actix_web::test]
async fn every_hook_of_the_api_document_has_its_test() {
    let api = TestApi::start().await;
    let document = api.get(&api.admin, "/openapi.json").await.expect(200).json();
    let known: BTreeSet<(&str, &str)> = HOOKS
        .iter()
        .flat_map(|(path, names)| names.iter().map(move |name| (*path, *name)))
        .collect();
    let mut found = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["post", "put"] {
            let body = &item[method]["requestBody"]["content"]["application/json"]["schema"];
            let named = body["$ref"].as_str().and_then(|at| at.rsplit('/').next());
            let body = named.map_or(body, |name| &document["components"]["schemas"][name]);
            let properties = body["properties"].as_object().into_iter().flatten();
            let hooks = properties.filter(|(_, schema)| {
                let schema = schema.to_string();
                schema.contains("schemas/Hook\"") || schema.contains("schemas/HookInput\"")
            });
            found.extend(hooks.map(|(name, _)| (path.as_str(), name.as_str())));
        }
    }
    assert_eq!(found, known);
    api.stop().await;
}

#[actix_web::test]
async fn the_configuration_opens_what_it_names() {
    let api = TestApi::start_with(|config| {
        config.hook = Hook::default();
        config.hook.allowed_networks = vec!["10.1.0.0/16".parse().unwrap()];
    })
    .await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let save = |name: &str, url: &str| {
        let body = json!({"name": name, "call_hook": {"url": url}});
        api.post(&account.key, "/Applications", body)
    };
    save("in", "http://10.1.2.3/").await.expect(201);
    save("mapped", "http://[::ffff:10.1.2.3]/").await.expect(201);
    refused(&save("out", "http://10.2.0.1/").await, "call_hook", "http://10.2.0.1/");
    refused(&save("me", "http://localhost/").await, "call_hook", "http://localhost/");
    // A name that nobody knows: a label is 63 characters at most (RFC 1035 §2.3.4).
    save("later", &format!("http://{}.example/", "x".repeat(64))).await.expect(201);
    api.stop().await;

    let api = TestApi::start_with(|config| config.hook.allow_private_networks = true).await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    for (number, url) in FORBIDDEN.iter().enumerate() {
        let body = json!({"name": format!("app{number}"), "call_hook": {"url": url}});
        api.post(&account.key, "/Applications", body).await.expect(201);
    }
    api.stop().await;
}

#[actix_web::test]
async fn an_application_says_which_settings_it_takes() {
    let api = on_loopback().await;
    let account = {
        let provider = api.new_provider("p").await;
        api.new_account(&provider, "a").await
    };
    let app = HookServer::start();
    let schema = json!({"GREETING": {"type": "string", "description": "said first"}});
    app.on_json("/settings", schema.clone());
    app.on_json("/other", json!([{"verb": "answer"}]));
    app.on("/none", Reply::Status(204));
    app.on("/text", Reply::Body { status: 200, content_type: "text/plain", bytes: b"hi".into() });
    let ask = |url: &str| {
        let query: String = url::form_urlencoded::byte_serialize(url.as_bytes()).collect();
        let path = format!("/AppEnv?url={query}");
        let (api, key) = (&api, &account.key);
        async move { api.get(key, &path).await }
    };
    for url in [app.url("/settings"), app.url("/settings").replace("http:", "ws:")] {
        assert_eq!(ask(&url).await.expect(200).json(), schema, "{url}");
    }
    let request = &app.requests("/settings")[0];
    assert_eq!(
        (request.method.as_str(), request.header("Accept")),
        ("OPTIONS", Some("application/json"))
    );
    for path in ["/none", "/text", "/unknown"] {
        assert_eq!(ask(&app.url(path)).await.expect(204).text, "", "{path}");
    }
    assert_eq!(ask(&app.url("/other")).await.expect(400).msg(), "Invalid appenv schema");
    for url in ["", "/relative", "ftp://a.example/", "http://", "x"] {
        let msg = ask(url).await.expect(400).msg();
        assert_eq!(msg, "missing or invalid \"url\" query arg", "{url}");
    }
    for url in ["http://10.0.0.1/", "ws://169.254.169.254/", "http://metadata/"] {
        let msg = ask(url).await.expect(400).msg();
        assert!(msg.starts_with("url leads to"), "{msg}");
    }
    api.get("nobody", "/AppEnv?url=http://a.example").await.expect(401);
    api.stop().await;
}

#[actix_web::test]
async fn the_credentials_of_a_bucket_are_tried_out() {
    let api = on_loopback().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let other = api.new_account(&provider, "b").await;
    let store = HookServer::start();
    let object = "/recordings/trunkline-test.txt";
    store.on(object, Reply::Status(200));
    let path = format!("/Accounts/{}/BucketCredentialTest", account.sid);
    let credential = json!({"vendor": "s3_compatible", "endpoint": store.url(""),
        "name": "recordings", "access_key_id": "AKID", "secret_access_key": "hunter2secret"});
    let good = api.post(&account.key, &path, credential.clone()).await.expect(200);
    assert_eq!(good.json(), json!({"status": "ok"}));
    let written = &store.requests(object)[0];
    assert_eq!(written.method, "PUT");
    assert!(!written.target.contains("hunter2") && written.target.contains("X-Amz-Signature="));

    // What is stored is tried where its secret comes back obscured.
    let account_path = format!("/Accounts/{}", account.sid);
    let stored = json!({"bucket_credential": credential});
    api.put(&account.key, &account_path, stored).await.expect(204);
    let shown = api.get(&account.key, &account_path).await.json()["bucket_credential"].clone();
    assert_eq!(shown["secret_access_key"], "hunterXXXXXXX");
    let again = api.post(&account.key, &path, shown).await.expect(200);
    assert_eq!(again.json(), json!({"status": "ok"}));

    let xml = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>";
    let bytes = xml.as_bytes().to_vec();
    store.on(object, Reply::Body { status: 403, content_type: "application/xml", bytes });
    let failed = |part: &str, value: Value| {
        let mut body = credential.clone();
        body[part] = value;
        let (api, key, path) = (&api, &account.key, &path);
        async move {
            let answer = api.post(key, path, body).await.expect(200).json();
            assert_eq!(answer["status"], "failed", "{answer}");
            answer["reason"].as_str().unwrap().to_owned()
        }
    };
    assert!(failed("tags", json!([])).await.contains("403 AccessDenied: no"));
    assert!(failed("endpoint", json!("http://10.0.0.1")).await.contains("hook.allowed_networks"));
    assert!(failed("endpoint", json!("gopher://a")).await.contains("endpoint"));
    assert!(failed("vendor", json!("ftp")).await.contains("vendor"));
    assert!(failed("vendor", json!("none")).await.contains("no bucket"));
    assert!(failed("secret_access_key", Value::Null).await.contains("complete"));
    let azure = json!({"vendor": "azure", "name": "b", "connection_string": "x"});
    let answer = api.post(&account.key, &path, azure).await.expect(200).json();
    assert_eq!(answer["status"], "failed");
    assert!(answer["reason"].as_str().unwrap().contains("azure"), "{answer}");

    api.post(&account.key, &path, json!([])).await.expect(400);
    api.post(&other.key, &path, credential.clone()).await.expect(403);
    api.post(&api.admin, &format!("/Accounts/{NOBODY}/BucketCredentialTest"), credential)
        .await
        .expect(404);
    api.stop().await;
}
