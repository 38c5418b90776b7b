//! `…/Conferences` as far as nobody is in them (contract rest.md §3.1, §3.2). Live rooms are judged in
//! `tests/e2e/rooms.rs`.

use serde_json::{Value, json};
use trunkline::api::Change;
use trunkline::config::WireStyle;

use crate::support::{NOBODY, Tenant, TestApi};

const TAKEN: &str = "a conference with this name already exists in the account";

fn rooms(account: &Tenant) -> String {
    format!("/Accounts/{}/Conferences", account.sid)
}

/// What a conference shows for which nothing is laid down.
fn plain(account: &Tenant, sid: &str, name: &str, created_at: &Value) -> Value {
    json!({
        "conference_sid": sid,
        "event_sid": format!("conf:{}:{name}", account.sid),
        "account_sid": account.sid,
        "name": name,
        "status": "init",
        "persistent": true,
        "participant_count": 0,
        "waiting_count": 0,
        "moderator_count": 0,
        "max_participants": null,
        "beep": false,
        "join_muted": false,
        "wait_hook": null,
        "status_hook": null,
        "status_events": [],
        "locked": false,
        "recording": {"state": "off", "path": null},
        "created_at": created_at,
        "started_at": null,
    })
}

#[actix_web::test]
async fn a_conference_is_laid_down_read_changed_and_deleted() {
    let api = TestApi::start_with(|config| config.api.wire = WireStyle::Jambonz).await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let list = rooms(&account);
    assert_eq!(api.get(&account.key, &list).await.expect(200).json(), json!([]));
    let sid = api.post(&account.key, &list, json!({"name": "Über uns"})).await.sid();
    let path = format!("{list}/{sid}");
    let read = api.get(&account.key, &path).await.expect(200).json();
    assert!(read["created_at"].as_str().is_some_and(|date| date.ends_with('Z')), "{read}");
    assert_eq!(read, plain(&account, &sid, "Über uns", &read["created_at"]));
    let by_name = format!("{list}/%C3%9Cber%20uns");
    assert_eq!(api.get(&account.key, &by_name).await.expect(200).json(), read);
    assert_eq!(api.get(&account.key, &list).await.json(), json!(["Über uns"]));
    let detailed = api.get(&account.key, &format!("{list}?detail=true")).await;
    assert_eq!(detailed.expect(200).json(), json!([read]));

    api.take_changes();
    let laid_down = json!({
        "max_participants": 2, "beep": true, "join_muted": true, "locked": true,
        "wait_hook": "https://app.example.com/wait",
        "status_hook": {"url": "https://app.example.com/s", "method": "get", "username": "u", "password": "p"},
        "status_events": ["start", "end", "join", "leave", "start-talking", "stop-talking"],
    });
    api.put(&account.key, &by_name, laid_down.clone()).await.expect(204);
    let changes = api.take_changes();
    let [Change::Conference { name, .. }] = &changes[..] else { panic!("{changes:?}") };
    assert_eq!(name, "Über uns");
    let changed = api.get(&account.key, &path).await.json();
    for name in ["max_participants", "beep", "join_muted", "locked", "status_events"] {
        assert_eq!(changed[name], laid_down[name], "{name}");
    }
    let hook = |url: &str, method: &str, username: Value, password: Value| json!({"url": url, "method": method, "username": username, "password": password});
    let wait = hook("https://app.example.com/wait", "POST", Value::Null, Value::Null);
    assert_eq!(changed["wait_hook"], wait);
    let status = hook("https://app.example.com/s", "GET", json!("u"), json!("p"));
    assert_eq!(changed["status_hook"], status);

    // Nothing to change; and everything taken back.
    api.put(&account.key, &path, json!({})).await.expect(204);
    assert_eq!(api.get(&account.key, &path).await.json(), changed);
    let back: Value =
        laid_down.as_object().unwrap().keys().map(|k| (k.clone(), Value::Null)).collect();
    api.put(&account.key, &path, back).await.expect(204);
    assert_eq!(api.get(&account.key, &path).await.json(), read);

    api.delete(&account.key, &by_name).await.expect(204);
    for gone in [&path, &by_name] {
        api.get(&account.key, gone).await.expect(404);
        api.put(&account.key, gone, json!({})).await.expect(404);
        api.delete(&account.key, gone).await.expect(404);
    }
    assert_eq!(api.get(&account.key, &list).await.json(), json!([]));
    api.post(&account.key, &list, json!({"name": "Über uns"})).await.expect(201);
    api.stop().await;
}

#[actix_web::test]
async fn each_property_is_taken_or_refused_by_name() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let list = rooms(&account);
    let long = "x".repeat(65);
    for (name, text) in [
        (Value::Null, "name must be a string"),
        (json!(7), "name must be a string"),
        (json!(""), "name must have 1 to 64 characters"),
        (json!(long), "name is longer than 64 characters"),
        (json!("a/b"), "name must not contain control characters, / or :"),
        (json!("a:b"), "name must not contain control characters, / or :"),
        (json!("a\tb"), "name must not contain control characters, / or :"),
    ] {
        let refused = api.post(&account.key, &list, json!({"name": name})).await;
        assert_eq!((refused.status, refused.msg().as_str()), (400, text), "{name}");
    }
    let refused = api.post(&account.key, &list, json!({"beep": true})).await.expect(400);
    assert_eq!(refused.msg(), "missing field name");

    let path = format!("{list}/lobby");
    api.post(&account.key, &list, json!({"name": "lobby"})).await.expect(201);
    let flag = "must be a boolean";
    let words = "must be an array of start, end, join, leave, start-talking, stop-talking";
    let hook = "must be an object or a URL";
    let (number, range) = ("must be an integer", "must be an integer in range");
    let url = |length: usize| format!("https://a/{}", "x".repeat(length - 10));
    for (n, (property, value, refusal)) in [
        ("persistent", json!(true), None),
        ("persistent", json!("0"), None),
        ("persistent", json!("yes"), Some(flag)),
        ("max_participants", json!(2), None),
        ("max_participants", json!("400"), None),
        ("max_participants", json!(1), Some(range)),
        ("max_participants", json!(5_000_000_000_i64), Some(range)),
        ("max_participants", json!(2.5), Some(number)),
        ("max_participants", json!([]), Some(number)),
        ("beep", json!(1), None),
        ("beep", json!(2), Some(flag)),
        ("join_muted", json!(false), None),
        ("join_muted", json!({}), Some(flag)),
        ("locked", json!("true"), None),
        ("locked", json!([true]), Some(flag)),
        ("wait_hook", json!(url(1024)), None),
        ("wait_hook", json!({"url": "http://a.example.com"}), None),
        ("wait_hook", json!(""), None),
        ("wait_hook", json!(7), Some(hook)),
        ("wait_hook", json!(url(1025)), Some("url must be a string of at most 1024 characters")),
        ("wait_hook", json!("/relative"), Some("url is not an absolute URL")),
        ("status_hook", json!({"url": "http://a.example.com", "method": "POST"}), None),
        ("status_hook", json!({}), Some("url is missing")),
        ("status_hook", json!({"url": "http://a", "x": 1}), Some("has an unknown property")),
        ("status_hook", json!(false), Some(hook)),
        ("status_events", json!(["start", "start", "stop-talking"]), None),
        ("status_events", json!([]), None),
        ("status_events", json!(["begin"]), Some(words)),
        ("status_events", json!([1]), Some(words)),
        ("status_events", json!("start"), Some("must be an array")),
    ]
    .into_iter()
    .enumerate()
    {
        let put = api.put(&account.key, &path, json!({property: value})).await;
        let new = json!({"name": format!("room {n}"), property: value});
        let post = api.post(&account.key, &list, new).await;
        match refusal {
            None => assert_eq!((put.status, post.status), (204, 201), "{property} {value}"),
            Some(text) => {
                let expected = format!("{property} {text}");
                assert_eq!((put.status, put.msg()), (400, expected.clone()), "{value}");
                assert_eq!((post.status, post.msg()), (400, expected), "{value}");
            }
        }
    }
    for (body, text) in [
        (json!({"name": "hall"}), "name may not be modified"),
        (json!({"conference_sid": NOBODY}), "primary key conference_sid is immutable"),
        (json!({"colour": "red"}), "unknown property colour"),
        (json!({"mute_status": "silence"}), "mute_status must be mute or unmute"),
        (json!({"mute_status": null}), "mute_status must be mute or unmute"),
        (json!({"hold_status": "held"}), "hold_status must be hold or unhold"),
        (json!({"hold_status": "hold", "wait_hook": 5}), "wait_hook must be an object or a URL"),
        (json!({"announce": "hi"}), "announce must be a say or play verb, or an array of them"),
        (json!({"announce": {"verb": "hangup"}}), "announce: verb 0 is no say or play"),
        (
            json!({"announce": [{"verb": "play", "url": "/a.wav"}]}),
            "announce: /a.wav is not an absolute URL",
        ),
        (
            json!({"record": {"action": "begin"}}),
            "record needs an action: start, stop, pause or resume",
        ),
        (
            json!({"mute_status": "mute", "record": {"action": "stop"}}),
            "only one of mute_status, hold_status, announce and record may be given",
        ),
        (json!([]), "the body must be an object"),
    ] {
        let refused = api.put(&account.key, &path, body.clone()).await;
        assert_eq!((refused.status, refused.msg().as_str()), (400, text), "{body}");
    }
    // An order needs a live room, and changes nothing without one.
    let before = api.get(&account.key, &path).await.json();
    for order in [
        json!({"mute_status": "mute", "max_participants": 9}),
        json!({"hold_status": "hold", "wait_hook": "https://a.example.com/w"}),
        json!({"announce": {"verb": "play", "url": "https://a.example.com/a.wav"}}),
        json!({"record": {"action": "start"}}),
    ] {
        let refused = api.put(&account.key, &path, order).await.expect(422);
        assert_eq!(refused.msg(), "the conference is not in progress");
    }
    assert_eq!(api.get(&account.key, &path).await.json(), before);
    api.stop().await;
}

#[actix_web::test]
async fn names_are_unique_in_an_account_and_lists_find_them() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let [own, sibling] = &t.accounts[0];
    for name in ["b-sales", "A-Sales", "lobby"] {
        let body = json!({"name": name});
        api.post(&own.key, &rooms(own), body.clone()).await.expect(201);
        let refused = api.post(&own.key, &rooms(own), body.clone()).await.expect(422);
        assert_eq!(refused.msg(), TAKEN);
        // One that is not to stay takes its name like any other.
        let passing = json!({"name": name, "persistent": false});
        api.post(&own.key, &rooms(own), passing).await.expect(422);
        api.post(&sibling.key, &rooms(sibling), body).await.expect(201);
    }
    let get = async |query: &str| {
        api.get(&own.key, &format!("{}{query}", rooms(own))).await.expect(200).json()
    };
    assert_eq!(get("").await, json!(["A-Sales", "b-sales", "lobby"]));
    let names = |list: &Value| -> Vec<String> {
        let rows = list.as_array().unwrap().iter();
        rows.map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&get("?detail=true&name=sales").await), ["A-Sales", "b-sales"]);
    assert_eq!(names(&get("?detail=1&status=init").await).len(), 3);
    assert_eq!(get("?detail=true&status=waiting").await, json!([]));
    let page = get("?page=2&page_size=2").await;
    assert_eq!(
        (&page["total"], &page["page"], &page["page_size"]),
        (&json!(3), &json!(2), &json!(2))
    );
    assert_eq!(names(&page["data"]), ["lobby"]);
    assert_eq!(names(&get("?page_size=2").await).len(), 3, "whole objects, and no page of them");
    for query in ["?page=x", "?page=1&page_size=0", "?status=asleep"] {
        api.get(&own.key, &format!("{}{query}", rooms(own))).await.expect(400);
    }
    api.stop().await;
}

#[actix_web::test]
async fn a_segment_is_tried_as_sid_first_then_as_name() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let list = rooms(&account);
    let lobby = api.post(&account.key, &list, json!({"name": "lobby"})).await.sid();
    // Somebody names a room like the sid of another.
    let shadow = api.post(&account.key, &list, json!({"name": lobby})).await.sid();
    let named = api.post(&account.key, &list, json!({"name": NOBODY})).await.sid();
    for (segment, sid) in [(&*lobby, &lobby), (NOBODY, &named), (&*shadow, &shadow)] {
        let read = api.get(&account.key, &format!("{list}/{segment}")).await.expect(200).json();
        assert_eq!(read["conference_sid"], json!(sid), "{segment}");
    }
    api.get(&account.key, &format!("{list}/undefined")).await.expect(404);
    api.stop().await;
}

#[actix_web::test]
async fn who_may_reach_an_account_reaches_its_conferences_and_nobody_else() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let owner = &t.accounts[0][0];
    let list = rooms(owner);
    let sid = api.post(&owner.key, &list, json!({"name": "lobby"})).await.sid();
    let one = format!("{list}/{sid}");
    let participants = format!("{one}/Participants");
    for key in [&t.accounts[0][1].key, &t.accounts[1][0].key, &t.providers[1].key] {
        for path in [&list, &one, &participants] {
            assert_eq!(api.get(key, path).await.expect(403).msg(), "insufficient permissions");
        }
        for body in [json!({"name": "mine"}), json!({"nonsense": 1})] {
            api.post(key, &list, body.clone()).await.expect(403);
            api.put(key, &one, body.clone()).await.expect(403);
            api.post(key, &participants, body).await.expect(403);
        }
        api.delete(key, &one).await.expect(403);
    }
    // By the sid of another's there is nothing under one's own account.
    let elsewhere = format!("{}/{sid}", rooms(&t.accounts[0][1]));
    api.get(&t.providers[0].key, &elsewhere).await.expect(404);
    api.put(&t.providers[0].key, &elsewhere, json!({"locked": true})).await.expect(404);
    api.delete(&t.providers[0].key, &elsewhere).await.expect(404);
    for (n, key) in [&owner.key, &t.providers[0].key, &api.admin].into_iter().enumerate() {
        api.get(key, &one).await.expect(200);
        assert_eq!(api.get(key, &participants).await.expect(200).json(), json!([]));
        api.put(key, &one, json!({"beep": true})).await.expect(204);
        let made = api.post(key, &list, json!({"name": format!("n{n}")})).await.sid();
        api.delete(key, &format!("{list}/{made}")).await.expect(204);
    }
    let nobodys = format!("/Accounts/{NOBODY}/Conferences");
    assert_eq!(api.get(&api.admin, &nobodys).await.expect(200).json(), json!([]));
    api.post(&api.admin, &nobodys, json!({"name": "x"})).await.expect(404);
    api.get(&api.admin, "/Accounts/undefined/Conferences").await.expect(400);
    api.stop().await;
}

#[actix_web::test]
async fn those_that_stay_are_there_after_a_restart_and_go_with_their_account() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let [own, sibling] = &t.accounts[0];
    let body = json!({
        "name": "stays", "max_participants": 7, "join_muted": false, "status_events": ["end"],
        "status_hook": {"url": "https://a.example.com", "username": "u", "password": "hunter2"}
    });
    api.post(&own.key, &rooms(own), body).await.expect(201);
    let passing = json!({"name": "passes", "persistent": false});
    api.post(&own.key, &rooms(own), passing.clone()).await.expect(201);
    api.post(&own.key, &rooms(own), json!({"name": "passed", "persistent": false}))
        .await
        .expect(201);
    api.post(&own.key, &rooms(own), json!({"name": "stayed"})).await.expect(201);
    api.post(&sibling.key, &rooms(sibling), passing).await.expect(201);
    let path = |name: &str| format!("{}/{name}", rooms(own));
    assert_eq!(api.get(&own.key, &path("passes")).await.json()["persistent"], json!(false));
    api.put(&own.key, &path("passed"), json!({"persistent": true})).await.expect(204);
    api.put(&own.key, &path("stayed"), json!({"persistent": false})).await.expect(204);
    let before = api.get(&own.key, &path("stays")).await.json();

    let (api, [own, sibling]) = (api.restart().await, [own, sibling]);
    assert_eq!(api.get(&own.key, &rooms(own)).await.json(), json!(["passed", "stays"]));
    assert_eq!(api.get(&own.key, &path("stays")).await.json(), before);
    assert_eq!(api.get(&sibling.key, &rooms(sibling)).await.json(), json!([]));

    api.delete(&t.providers[0].key, &format!("/Accounts/{}", own.sid)).await.expect(204);
    assert_eq!(api.get(&api.admin, &rooms(own)).await.expect(200).json(), json!([]));
    let api = api.restart().await;
    assert_eq!(api.get(&api.admin, &rooms(own)).await.expect(200).json(), json!([]));
    api.stop().await;
}

#[actix_web::test]
async fn requests_at_the_same_moment_leave_one_of_a_name_and_lose_no_change() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let list = rooms(&account);
    let made = futures_util::future::join_all((0..8).map(|n| {
        let body = json!({"name": "lobby", "persistent": n % 2 == 0});
        let (api, list, key) = (&api, &list, &account.key);
        async move { api.post(key, list, body).await.status }
    }))
    .await;
    assert_eq!(made.iter().filter(|status| **status == 201).count(), 1, "{made:?}");
    assert_eq!(made.iter().filter(|status| **status == 422).count(), 7, "{made:?}");
    let path = format!("{list}/lobby");
    let changes = [
        json!({"beep": true}),
        json!({"locked": true}),
        json!({"join_muted": true}),
        json!({"max_participants": 5}),
    ];
    let changed = futures_util::future::join_all(changes.iter().map(|body| {
        let (api, path, key) = (&api, &path, &account.key);
        async move { api.put(key, path, body.clone()).await.status }
    }))
    .await;
    assert_eq!(changed, [204; 4]);
    let read = api.get(&account.key, &path).await.json();
    for body in &changes {
        let (name, value) = body.as_object().unwrap().iter().next().unwrap();
        assert_eq!(&read[name], value, "{name}");
    }
    api.stop().await;
}

#[actix_web::test]
async fn passwords_of_hooks_are_sealed_in_the_file() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let hook = json!({"url": "https://a.example.com", "username": "u", "password": "hunter2-conf"});
    let body = json!({"name": "lobby", "wait_hook": hook, "status_hook": hook});
    api.post(&account.key, &rooms(&account), body).await.expect(201);
    let queue = json!({"name": "q", "wait_hook": hook});
    let queues = format!("/Accounts/{}/Queues", account.sid);
    api.post(&account.key, &queues, queue).await.expect(201);
    let copy = api.home.copy();
    assert!(!copy.windows(12).any(|window| window == b"hunter2-conf"), "a password in clear");
    api.stop().await;
}
