//! `…/Queues` (contract rest.md §3.1, §3.4, §3.5), as far as no call is needed.

use serde_json::{Value, json};

use crate::support::{NOBODY, Tenant, TestApi};

fn queues(account: &Tenant) -> String {
    format!("/Accounts/{}/Queues", account.sid)
}

#[actix_web::test]
async fn a_queue_is_laid_down_read_changed_and_deleted() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let list = queues(&account);
    assert_eq!(api.get(&account.key, &list).await.expect(200).json(), json!([]));
    let sid = api.post(&account.key, &list, json!({"name": "first aid"})).await.sid();
    let path = format!("{list}/{sid}");
    let read = api.get(&account.key, &path).await.expect(200).json();
    let expected = json!({
        "queue_sid": sid,
        "event_sid": format!("queue:{}:first aid", account.sid),
        "account_sid": account.sid,
        "name": "first aid",
        "persistent": true,
        "max_length": null,
        "wait_hook": null,
        "length": 0,
        "longest_wait": 0,
        "average_wait": 0,
        "created_at": read["created_at"],
    });
    assert_eq!(read, expected);
    assert!(read["created_at"].as_str().is_some_and(|date| date.ends_with("+0000")));
    let by_name = format!("{list}/first%20aid");
    assert_eq!(api.get(&account.key, &by_name).await.json(), read);
    assert_eq!(
        api.get(&account.key, &list).await.json(),
        json!([{"name": "first aid", "length": 0}])
    );
    assert_eq!(api.get(&account.key, &format!("{list}?detail=true")).await.json(), json!([read]));

    let laid_down = json!({"max_length": 3, "wait_hook": "https://a.example.com/wait"});
    api.put(&account.key, &by_name, laid_down).await.expect(204);
    api.put(&account.key, &by_name, json!({})).await.expect(204);
    let changed = api.get(&account.key, &path).await.json();
    assert_eq!((&changed["max_length"], &changed["persistent"]), (&json!(3), &json!(true)));
    assert_eq!(changed["wait_hook"]["url"], "https://a.example.com/wait");
    api.put(&account.key, &path, json!({"max_length": null, "wait_hook": null})).await.expect(204);
    assert_eq!(api.get(&account.key, &path).await.json(), read);

    // Nobody waits in it.
    let calls = format!("{by_name}/Calls");
    assert_eq!(api.get(&account.key, &calls).await.expect(200).json(), json!([]));
    for call in ["Front", NOBODY] {
        api.get(&account.key, &format!("{calls}/{call}")).await.expect(404);
    }
    api.get(&account.key, &format!("{calls}/front")).await.expect(400);

    api.delete(&account.key, &format!("{path}?force=true")).await.expect(204);
    for gone in [&path, &by_name] {
        api.get(&account.key, gone).await.expect(404);
        api.put(&account.key, gone, json!({})).await.expect(404);
        api.delete(&account.key, gone).await.expect(404);
        api.get(&account.key, &format!("{gone}/Calls")).await.expect(404);
        api.get(&account.key, &format!("{gone}/Calls/Front")).await.expect(404);
    }
    api.stop().await;
}

#[actix_web::test]
async fn each_property_is_taken_or_refused_by_name() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let list = queues(&account);
    for (body, text) in [
        (json!({}), "missing field name"),
        (json!({"name": null}), "name must be a string"),
        (json!({"name": ["a"]}), "name must be a string"),
        (json!({"name": ""}), "name must have 1 to 64 characters"),
        (json!({"name": "x".repeat(65)}), "name is longer than 64 characters"),
        (json!({"name": "a/b"}), "name must not contain control characters, / or :"),
        (json!({"name": "a", "persistent": 5}), "persistent must be a boolean"),
        (json!({"name": "a", "max_length": 0}), "max_length must be an integer in range"),
        (json!({"name": "a", "max_length": "many"}), "max_length must be an integer"),
        (json!({"name": "a", "wait_hook": 1}), "wait_hook must be an object or a URL"),
        (json!({"name": "a", "wait_hook": "a b"}), "wait_hook url is not an absolute URL"),
        (json!({"name": "a", "colour": "red"}), "unknown property colour"),
    ] {
        let refused = api.post(&account.key, &list, body.clone()).await;
        assert_eq!((refused.status, refused.msg().as_str()), (400, text), "{body}");
    }
    let path = format!("{list}/a");
    let body = json!({"name": "a", "persistent": "false", "max_length": "1"});
    api.post(&account.key, &list, body).await.expect(201);
    let taken = api.post(&account.key, &list, json!({"name": "a"})).await.expect(422);
    assert_eq!(taken.msg(), "a queue with this name already exists in the account");
    for (body, text) in [
        (json!({"name": "b"}), "name may not be modified"),
        (json!({"queue_sid": NOBODY}), "primary key queue_sid is immutable"),
        (json!({"max_length": 1.5}), "max_length must be an integer"),
        (json!({"persistent": {}}), "persistent must be a boolean"),
        (json!({"wait_hook": {"url": "ftp://a"}}), "wait_hook url must be http, https, ws or wss"),
    ] {
        let refused = api.put(&account.key, &path, body.clone()).await;
        assert_eq!((refused.status, refused.msg().as_str()), (400, text), "{body}");
    }
    // What a client has read it may send back.
    let mut read = api.get(&account.key, &path).await.json();
    for fixed in ["queue_sid", "name"] {
        read.as_object_mut().unwrap().remove(fixed);
    }
    api.put(&account.key, &path, read).await.expect(204);
    api.stop().await;
}

#[actix_web::test]
async fn each_order_about_a_queued_call_is_taken_or_refused_by_name() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let list = queues(&account);
    api.post(&account.key, &list, json!({"name": "q"})).await.expect(201);
    let calls = format!("{list}/q/Calls");
    let one = format!("{calls}/{NOBODY}");
    for (body, text) in [
        (json!({}), "missing field call_sid"),
        (json!({"call_sid": null}), "missing field call_sid"),
        (json!({"call_sid": "x"}), "call_sid must be a sid (UUID)"),
        (json!({"call_sid": NOBODY, "priority": -1}), "priority must be an integer in range"),
        (json!({"call_sid": NOBODY, "priority": "high"}), "priority must be an integer"),
        (json!({"call_sid": NOBODY, "wait_hook": 1}), "wait_hook must be an object or a URL"),
        (
            json!({"call_sid": NOBODY, "action_hook": "/x"}),
            "action_hook url is not an absolute URL",
        ),
        (json!({"call_sid": NOBODY, "colour": "red"}), "unknown property colour"),
    ] {
        let refused = api.post(&account.key, &calls, body.clone()).await;
        assert_eq!((refused.status, refused.msg().as_str()), (400, text), "{body}");
    }
    let one_of = "exactly one of priority, call_hook, dequeue_to is required";
    for (body, text) in [
        (json!({}), one_of),
        (json!({"priority": 1, "call_hook": "https://a.example.com/"}), one_of),
        (json!({"priority": 1.5}), "priority must be an integer"),
        (json!({"call_hook": {}}), "call_hook url is missing"),
        (json!({"dequeue_to": NOBODY}), "dequeue_to must be an object"),
        (json!({"dequeue_to": {"call_sid": 1}}), "call_sid must be a sid (UUID)"),
        (json!({"hangup": true}), "unknown property hangup"),
    ] {
        let refused = api.put(&account.key, &one, body.clone()).await;
        assert_eq!((refused.status, refused.msg().as_str()), (400, text), "{body}");
    }
    // Nobody waits there, and without SIP there is no call to be put in.
    api.put(&account.key, &one, json!({"priority": 1})).await.expect(404);
    api.put(&account.key, &one, json!({"dequeue_to": {"call_sid": NOBODY}})).await.expect(404);
    for path in [one.clone(), format!("{one}?hangup=true")] {
        api.delete(&account.key, &path).await.expect(404);
    }
    api.post(&account.key, &calls, json!({"call_sid": NOBODY})).await.expect(480);
    for malformed in [format!("{calls}/x"), format!("{calls}/undefined")] {
        api.put(&account.key, &malformed, json!({"priority": 1})).await.expect(400);
        api.delete(&account.key, &malformed).await.expect(400);
    }
    let nowhere = format!("{list}/nowhere/Calls");
    api.post(&account.key, &nowhere, json!({"call_sid": NOBODY})).await.expect(404);
    api.get(&account.key, &nowhere).await.expect(404);
    api.stop().await;
}

#[actix_web::test]
async fn lists_are_searched_with_wildcards() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let list = queues(&account);
    for name in ["sales", "sales-eu", "support", "line1", "line2"] {
        api.post(&account.key, &list, json!({"name": name})).await.expect(201);
    }
    for (search, expected) in [
        ("sales", &["sales"][..]),
        ("sales*", &["sales", "sales-eu"]),
        ("*s*", &["sales", "sales-eu", "support"]),
        ("line%3F", &["line1", "line2"]),
        ("line%5B2-9%5D", &["line2"]),
        ("nobody", &[]),
        ("", &["line1", "line2", "sales", "sales-eu", "support"]),
    ] {
        let found = api.get(&account.key, &format!("{list}?search={search}")).await.json();
        let names: Vec<_> = found.as_array().unwrap().iter().map(|row| &row["name"]).collect();
        assert_eq!(names, expected, "{search}");
    }
    let page = api.get(&account.key, &format!("{list}?search=s*&page=1&page_size=2")).await.json();
    assert_eq!((&page["total"], &page["page_size"]), (&json!(3), &json!(2)));
    let names: Vec<_> = page["data"].as_array().unwrap().iter().map(|row| &row["name"]).collect();
    assert_eq!(names, ["sales", "sales-eu"]);
    let endless = "*a".repeat(257);
    api.get(&account.key, &format!("{list}?search={endless}")).await.expect(400);
    api.stop().await;
}

#[actix_web::test]
async fn who_may_reach_an_account_reaches_its_queues_and_nobody_else() {
    let api = TestApi::start().await;
    let t = api.tenancy().await;
    let owner = &t.accounts[0][0];
    let list = queues(owner);
    let sid = api.post(&owner.key, &list, json!({"name": "q"})).await.sid();
    let (one, calls) = (format!("{list}/{sid}"), format!("{list}/{sid}/Calls"));
    let front = format!("{calls}/Front");
    for key in [&t.accounts[0][1].key, &t.accounts[1][0].key, &t.providers[1].key] {
        for path in [&list, &one, &calls, &front] {
            assert_eq!(api.get(key, path).await.expect(403).msg(), "insufficient permissions");
        }
        for body in [json!({"name": "mine"}), json!({"nonsense": 1})] {
            api.post(key, &list, body.clone()).await.expect(403);
            api.put(key, &one, body.clone()).await.expect(403);
            api.post(key, &calls, body.clone()).await.expect(403);
            api.put(key, &front, body).await.expect(403);
        }
        api.delete(key, &one).await.expect(403);
        api.delete(key, &front).await.expect(403);
    }
    let elsewhere = format!("{}/{sid}", queues(&t.accounts[0][1]));
    api.get(&t.providers[0].key, &elsewhere).await.expect(404);
    api.put(&t.providers[0].key, &elsewhere, json!({"max_length": 1})).await.expect(404);
    api.delete(&t.providers[0].key, &elsewhere).await.expect(404);
    for (n, key) in [&owner.key, &t.providers[0].key, &api.admin].into_iter().enumerate() {
        api.get(key, &one).await.expect(200);
        api.put(key, &one, json!({"max_length": 9})).await.expect(204);
        let made = api.post(key, &list, json!({"name": format!("n{n}")})).await.sid();
        api.delete(key, &format!("{list}/{made}")).await.expect(204);
    }
    let nobodys = format!("/Accounts/{NOBODY}/Queues");
    assert_eq!(api.get(&api.admin, &nobodys).await.expect(200).json(), json!([]));
    api.post(&api.admin, &nobodys, json!({"name": "x"})).await.expect(404);
    api.stop().await;
}

#[actix_web::test]
async fn those_that_stay_are_there_after_a_restart_and_go_with_their_account() {
    let api = TestApi::start().await;
    let provider = api.new_provider("p").await;
    let account = api.new_account(&provider, "a").await;
    let list = queues(&account);
    let hook = json!({"url": "https://a.example.com", "username": "u", "password": "p"});
    let body = json!({"name": "stays", "max_length": 4, "wait_hook": hook});
    api.post(&account.key, &list, body).await.expect(201);
    let passing = json!({"name": "passes", "persistent": false});
    api.post(&account.key, &list, passing).await.expect(201);
    let stays = format!("{list}/stays");
    let before: Value = api.get(&account.key, &stays).await.json();
    let api = api.restart().await;
    assert_eq!(api.get(&account.key, &list).await.json(), json!([{"name": "stays", "length": 0}]));
    assert_eq!(api.get(&account.key, &stays).await.json(), before);
    api.delete(&provider.key, &format!("/Accounts/{}", account.sid)).await.expect(204);
    assert_eq!(api.get(&api.admin, &list).await.expect(200).json(), json!([]));
    let api = api.restart().await;
    assert_eq!(api.get(&api.admin, &list).await.expect(200).json(), json!([]));
    api.stop().await;
}
