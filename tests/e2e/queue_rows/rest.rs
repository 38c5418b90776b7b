//! Queues over REST, line by line (contract rest.md §3.1, §3.4).

use serde_json::{Value, json};

use super::ears::Ear;
use super::{CALLER_HZ, MUSIC_HZ, NEWS_HZ, NOBODY, OTHER_HZ, Queues};

fn names(list: &Value) -> Vec<&str> {
    let list = list["data"].as_array().or(list.as_array()).expect("a list");
    list.iter().filter_map(|queue| queue["name"].as_str()).collect()
}

#[test]
fn queues_are_listed_by_name_and_in_detail_laid_down_or_open() {
    let queues = Queues::new();
    let sid = queues.post("/Queues", &json!({ "name": "attic" })).sid().expect("201");
    let passing = json!({ "name": "cellar", "persistent": false });
    queues.post("/Queues", &passing).sid().expect("201");
    queues.waits("carl", &json!({}));
    queues.waits("cora", &json!({}));
    let carl = queues.line_of("carl", CALLER_HZ);
    queues.expect_length(1);
    let _cora = queues.line_of("cora", OTHER_HZ);
    queues.expect_length(2);
    let row = |name: &str, length: u64| json!({ "name": name, "length": length });
    let all = json!([row("attic", 0), row("cellar", 0), row("support", 2)]);
    for (search, expected) in [
        (json!([]), all),
        (json!(["support"]), json!([row("support", 2)])),
        (json!(["*t*"]), json!([row("attic", 0), row("support", 2)])),
        (json!(["?ell[a-e]r"]), json!([row("cellar", 0)])),
        (json!(["sup"]), json!([])),
    ] {
        assert_eq!(queues.order("sdk", "queues", "list", &search), expected, "{search}");
    }
    let detail = queues.stage.get("/Queues?detail=true&search=*t*");
    assert_eq!(names(&detail), ["attic", "support"]);
    let page = queues.stage.get("/Queues?page=2&page_size=2");
    assert_eq!(names(&page), ["support"]);
    assert_eq!((&page["page"], &page["total"]), (&json!(2), &json!(3)), "{page}");

    let attic = queues.stage.get("/Queues/attic");
    assert_eq!(queues.stage.get(&format!("/Queues/{sid}")), attic, "by sid and by name");
    assert_eq!(attic, detail[0]);
    assert_eq!((&attic["queue_sid"], &attic["persistent"]), (&json!(sid), &json!(true)));
    // Seconds of those who wait now.
    let support = queues.expect_shown("/Queues/support", "a second", |queue| {
        queue["longest_wait"].as_u64() >= Some(1)
    });
    for (name, value) in [
        ("event_sid", json!(queues.event_sid())),
        ("account_sid", json!(queues.stage.tenant.account_sid)),
        ("persistent", json!(false)),
        ("max_length", Value::Null),
        ("wait_hook", Value::Null),
        ("length", json!(2)),
    ] {
        assert_eq!(support[name], value, "{name}: {support}");
    }
    assert!(support["average_wait"].as_u64() <= support["longest_wait"].as_u64(), "{support}");
    assert!(support["created_at"].is_string(), "{support}");
    let by_sid = format!("/Queues/{}", support["queue_sid"].as_str().expect("a sid"));
    assert_eq!(queues.stage.get(&by_sid)["name"], "support");

    for (body, status) in [
        (json!({}), 400),
        (json!({ "name": "a/b" }), 400),
        (json!({ "name": "a:b" }), 400),
        (json!({ "name": "x".repeat(65) }), 400),
        (json!({ "name": "x", "max_length": 0 }), 400),
        (json!({ "name": "attic" }), 422),
        (json!({ "name": "support" }), 422),
    ] {
        assert_eq!(queues.post("/Queues", &body).status, status, "{body}");
    }
    queues.put("/Queues/support", &json!({ "name": "other" }), 400);
    queues.put("/Queues/support", &json!({ "max_length": "many" }), 400);
    for nowhere in ["/Queues/nowhere".to_owned(), format!("/Queues/{NOBODY}")] {
        queues.put(&nowhere, &json!({ "max_length": 1 }), 404);
        queues.delete(&nowhere, 404);
        queues.expect_gone(&nowhere);
        queues.expect_gone(&format!("{nowhere}/Calls"));
    }
    queues.delete("/Queues/attic", 204);
    queues.expect_gone(&format!("/Queues/{sid}"));
    carl.expect("carl waits all the time", &[MUSIC_HZ]);
}

#[test]
fn what_is_laid_down_for_a_queue_holds_for_those_who_wait_and_come() {
    let queues = Queues::new();
    let body = json!({ "name": "support", "max_length": 1, "wait_hook": queues.url("/wait") });
    let sid = queues.post("/Queues", &body).sid().expect("201");
    let only_action = json!({ "actionHook": "/after" });
    for user in ["carl", "late", "cyril"] {
        queues.does(user, "enqueue", &only_action, &json!({}));
    }
    let carl = queues.line_of("carl", CALLER_HZ);
    carl.expect("carl hears the queue's music", &[MUSIC_HZ]);
    // Full: the next verb; nobody has seen the call there.
    let late = queues.line_of("late", OTHER_HZ);
    let after = queues.expect_after(&late.call_sid, "error");
    assert_eq!(after["queue_time"], 0, "{after}");
    queues.expect_next_verb("the late one", &late);
    let assign = json!({ "call_sid": late.call_sid });
    assert_eq!(queues.post("/Queues/support/Calls", &assign).status, 422);
    late.expect("the late one was left alone", &[super::AFTER_HZ]);
    queues.expect_line(&["carl"]);

    // Longer, and with other music: heard by those who wait already.
    let path = format!("/Queues/{sid}");
    let more = json!({ "max_length": null, "wait_hook": { "url": queues.url("/news") } });
    queues.put(&path, &more, 204);
    carl.expect("carl hears the new music", &[NEWS_HZ]);
    let cyril = queues.line_of("cyril", OTHER_HZ);
    cyril.expect("cyril hears it too", &[NEWS_HZ]);
    // A verb that names its own is not concerned.
    let own = queues.caller("cora", OTHER_HZ);
    own.expect("cora hears her own", &[MUSIC_HZ]);
    queues.expect_line(&["carl", "cyril", "cora"]);
    queues.put(&path, &json!({ "max_length": 1 }), 204);
    queues.expect_line(&["carl", "cyril", "cora"]);

    queues.delete("/Queues/support", 422);
    queues.delete("/Queues/support?force=true", 204);
    for (user, call_sid) in
        [("carl", &carl.call_sid), ("cyril", &cyril.call_sid), ("cora", &own.call_sid)]
    {
        let after = queues.expect_after(call_sid, "leave");
        assert_eq!(after["call_status"], "in-progress", "{user}: {after}");
    }
    queues.expect_next_verb("carl", &carl);
    queues.expect_next_verb("cyril", &cyril);
    queues.expect_next_verb("cora", &own);
    queues.expect_gone(&path);
    queues.expect_events(&[
        ("join", "carl", 1, ""),
        ("join", "cyril", 2, ""),
        ("join", "cora", 3, ""),
        ("leave", "carl", 2, "removed"),
        ("leave", "cyril", 1, "removed"),
        ("leave", "cora", 0, "removed"),
    ]);
    queues.app.assert_all_signed();
}

#[test]
fn a_queue_that_was_laid_down_stays_and_others_go_with_their_last_call() {
    let queues = Queues::new();
    let length = |queue: &Value| queue["length"].as_u64();
    let comes_and_goes = |user: &str| {
        queues.waits(user, &json!({}));
        let line = queues.line_of(user, CALLER_HZ);
        let shown = queues.expect_shown("/Queues/support", user, |q| length(q) == Some(1));
        queues.delete(&super::call(&line.call_sid), 204);
        line.ends_well();
        shown
    };
    let sid = queues.post("/Queues", &json!({ "name": "support" })).sid().expect("201");
    let shown = comes_and_goes("carl");
    assert_eq!(shown["queue_sid"], sid.as_str(), "{shown}");
    let empty = queues.expect_shown("/Queues/support", "empty", |q| length(q) == Some(0));
    assert_eq!((&empty["queue_sid"], &empty["longest_wait"]), (&json!(sid), &json!(0)));
    queues.delete("/Queues/support", 204);
    queues.expect_gone("/Queues/support");

    // Laid down for once: it waits for its first, and goes with its last.
    let passing = json!({ "name": "support", "persistent": false, "max_length": 5 });
    let sid = queues.post("/Queues", &passing).sid().expect("201");
    let shown = comes_and_goes("cora");
    assert_eq!((&shown["queue_sid"], &shown["max_length"]), (&json!(sid), &json!(5)), "{shown}");
    queues.expect_gone("/Queues/support");

    // Opened by a verb: gone with its last, unless it is told to stay.
    let shown = comes_and_goes("cyril");
    assert_eq!(shown["persistent"], false, "{shown}");
    queues.expect_gone("/Queues/support");
    let line = queues.caller("clara", CALLER_HZ);
    queues.put("/Queues/support", &json!({ "persistent": true }), 204);
    let opened = queues.stage.get("/Queues/support");
    queues.delete(&super::call(&line.call_sid), 204);
    let stays = queues.expect_shown("/Queues/support", "empty", |q| length(q) == Some(0));
    for name in ["queue_sid", "persistent", "created_at"] {
        assert_eq!(stays[name], opened[name], "{name}: {stays}");
    }
    assert_ne!(stays["queue_sid"], shown["queue_sid"], "another one of that name");
}
