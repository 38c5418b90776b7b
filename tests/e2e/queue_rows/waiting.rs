//! A caller waits: what he hears, what his wait hook is told, and how the wait ends without an agent.

use serde_json::{Value, json};
use support::tone::rms_db;
use support::wait;

use super::ears::{Ear, Track};
use super::{
    AFTER_HZ, AGENT_HZ, BASE, CALLER_HZ, MUSIC_HZ, NEWS_HZ, OTHER_HZ, Queues, call, queued,
};
use crate::stage::{LEVEL_DB, SOON};

/// Silence between two rounds of prompts.
const GAP_MS: i64 = 500;

/// The requests of a wait hook about a call so far: when, and what.
fn rounds(queues: &Queues, path: &str, call_sid: &str) -> Vec<(i64, Value)> {
    let told = queues.app.requests(path).into_iter();
    let of_call = told.filter(|request| request["body"]["call_sid"] == call_sid);
    of_call.map(|r| (r["at"].as_i64().unwrap_or_default(), r["body"].clone())).collect()
}

fn expect_round(queues: &Queues, call_sid: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let found = wait::until(SOON, || {
        rounds(queues, "/wait", call_sid).into_iter().map(|(_, body)| body).rfind(&is)
    });
    found.unwrap_or_else(|| panic!("no round: {what}\n{:#?}", rounds(queues, "/wait", call_sid)))
}

#[test]
fn the_wait_hook_is_asked_again_and_told_where_the_caller_stands() {
    let queues = Queues::new();
    queues.script(&json!({ "/wait": [{ "verb": "pause", "length": 0.1 }] }));
    queues.waits("carl", &json!({}));
    queues.waits("cora", &json!({}));
    let mut first = queues.dial("carl", CALLER_HZ);
    let alone = expect_round(&queues, &first.call_sid, "alone", |_| true);
    let called = queues.told("/call", "the first hook", |body| body["from"] == "carl");
    for (name, value) in [
        ("queue_sid", json!(queues.event_sid())),
        ("queue_size", json!(1)),
        ("queue_position", json!(0)),
        ("call_sid", json!(first.call_sid)),
        ("call_id", called["call_id"].clone()),
        ("customerData", Value::Null),
    ] {
        assert_eq!(alone[name], value, "{name}: {alone}");
    }
    // D-35: the base fields may stand beside these, and nothing else does.
    let others: Vec<&String> = alone
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name)
        .filter(|name| !called.as_object().is_some_and(|called| called.contains_key(*name)))
        .filter(|name| !BASE.contains(&name.as_str()))
        .collect();
    assert_eq!(others, ["queue_sid", "queue_time", "queue_size", "queue_position"], "{alone}");

    let second = queues.line_of("cora", OTHER_HZ);
    let behind = expect_round(&queues, &second.call_sid, "behind", |_| true);
    assert_eq!((&behind["queue_size"], &behind["queue_position"]), (&json!(2), &json!(1)));
    expect_round(&queues, &first.call_sid, "two wait", |body| {
        body["queue_size"] == 2 && body["queue_position"] == 0
    });
    // His time goes on, in whole seconds.
    expect_round(&queues, &first.call_sid, "a second later", |body| body["queue_time"] == 1);
    let tag = json!([first.call_sid, { "tag": { "seen": 1 } }]);
    queues.put(&call(&first.call_sid), &tag[1], 202);
    expect_round(&queues, &first.call_sid, "tagged", |body| body["customerData"]["seen"] == 1);
    let times: Vec<i64> =
        rounds(&queues, "/wait", &first.call_sid).into_iter().map(|(at, _)| at).collect();
    for pair in times.windows(2) {
        assert!(pair[1] - pair[0] >= 100 + GAP_MS - 20, "asked again too early: {times:?}");
    }

    // He hangs up: the other moves up, and what his hook answers is of no interest.
    queues.script(&json!({ "/after": [queues.plays(NEWS_HZ, 1_000)] }));
    first.hang_up();
    let after = queues.expect_after(&first.call_sid, "hangup");
    assert_eq!(after["call_status"], "completed", "{after}");
    assert!(after["queue_time"].as_u64() >= Some(1), "{after}");
    let last = queues.last_status(&first.call_sid);
    assert_eq!(last["call_termination_by"], "caller", "{last}");
    expect_round(&queues, &second.call_sid, "moved up", |body| {
        body["queue_size"] == 1 && body["queue_position"] == 0
    });
    queues.expect_line(&["cora"]);
    queues.expect_events(&[
        ("join", "carl", 1, ""),
        ("join", "cora", 2, ""),
        ("leave", "carl", 1, "abandoned"),
    ]);
    queues.app.assert_all_signed();
}

#[test]
fn say_play_pause_and_tag_are_heard_in_the_wait_and_leave_ends_it() {
    let queues = Queues::new();
    queues.script(&json!({
        "/wait": [
            { "verb": "say", "text": "please hold the line" },
            queues.plays(MUSIC_HZ, 400),
            { "verb": "pause", "length": 0.2 },
            { "verb": "tag", "data": { "heard": "all" } },
            queues.plays(NEWS_HZ, 400),
            { "verb": "leave" },
            queues.plays(OTHER_HZ, 400),
        ],
        "/after#cora": [queues.plays(AGENT_HZ, 60_000)],
    }));
    queues.waits("carl", &json!({}));
    queues.waits("cora", &json!({}));
    let caller = queues.dial("carl", CALLER_HZ);
    let other = queues.line_of("cora", CALLER_HZ);
    let after = queues.expect_after(&caller.call_sid, "leave");
    assert_eq!(after["customerData"], json!({ "heard": "all" }), "{after}");
    assert_eq!(after["call_status"], "in-progress", "{after}");
    // Nothing answered: the next verb. Something answered: that.
    queues.expect_next_verb("carl", &caller);
    queues.expect_after(&other.call_sid, "leave");
    other.expect("cora", &[AGENT_HZ]);
    other.assert_never("cora", AFTER_HZ);
    caller.assert_never("carl", OTHER_HZ);
    let track = Track(caller.heard());
    let music = (track.first(MUSIC_HZ).expect("heard"), track.last(MUSIC_HZ).expect("heard"));
    let news = track.first(NEWS_HZ).expect("heard");
    // Words before the music, and a pause after it.
    let words = rms_db(&track.0[..music.0 * 160]);
    assert!(words > LEVEL_DB - 20.0, "words of {words} dB before the music");
    assert!(news >= music.1 + 8, "the music until frame {}, the next from {news} on", music.1);
    queues.expect_gone("/Queues/support");
    let left: Vec<_> = queues.events().into_iter().filter(|event| event.0 == "leave").collect();
    assert!(left.iter().all(|(.., why)| why == "abandoned"), "{left:?}");
    assert_eq!(left.len(), 2);
}

#[test]
fn a_wait_hook_that_fails_or_has_nothing_fit_to_say_leaves_silence_and_the_wait() {
    let queues = Queues::new();
    queues.script(&json!({
        "/fails": 500,
        "/empty": [],
        "/forbidden": [queues.plays(NEWS_HZ, 5_000), { "verb": "hangup" }],
        "/pauses": [{ "verb": "pause", "length": 0.1 }, queues.plays(MUSIC_HZ, 20_000)],
    }));
    let hooks = ["fails", "empty", "forbidden", "pauses"];
    let mut lines = Vec::new();
    for hook in hooks {
        queues.waits(hook, &json!({ "waitHook": format!("/{hook}") }));
        lines.push(queues.line_of(hook, CALLER_HZ));
        queues.expect_length(lines.len() as u64);
    }
    lines[3].expect("a pause and a play are fine", &[MUSIC_HZ]);
    for (line, hook) in lines.iter().zip(&hooks[..3]) {
        assert_eq!(queues.count(&format!("/{hook}"), &line.call_sid), 1, "{hook}");
        line.expect_silence(hook);
        line.assert_never(hook, NEWS_HZ);
    }
    queues.expect_line(&hooks);
    // Until they are dequeued.
    let agent = queues.agent("anna");
    agent.expect("anna", &[CALLER_HZ]);
    lines[0].expect("who waited in silence", &[AGENT_HZ]);
    queues.expect_line(&hooks[1..]);
}

#[test]
fn a_caller_whom_rest_sends_elsewhere_has_left_and_his_hook_has_no_say() {
    let queues = Queues::new();
    queues.script(&json!({ "/after": [queues.plays(OTHER_HZ, 60_000)] }));
    let caller = queues.caller("carl", CALLER_HZ);
    caller.expect("carl waits", &[MUSIC_HZ]);
    let elsewhere = json!([caller.call_sid, { "call_hook": queues.url("/news") }]);
    queues.order("node-client", "calls", "update", &elsewhere);
    let after = queues.expect_after(&caller.call_sid, "hangup");
    assert_eq!(after["call_status"], "in-progress", "{after}");
    caller.expect("carl", &[NEWS_HZ]);
    caller.assert_never("carl", OTHER_HZ);
    caller.assert_never("carl", AFTER_HZ);
    queues.expect_gone(&queued(&caller.call_sid));
    queues.expect_gone("/Queues/support");
    queues.expect_events(&[("join", "carl", 1, ""), ("leave", "carl", 0, "abandoned")]);
}

#[test]
fn enqueue_answers_a_call_and_names_its_queue_in_any_letters() {
    let queues = Queues::new();
    let hooks = json!({ "actionHook": "/after" });
    queues.does("carl", "enqueue", &hooks, &json!({ "name": "Hilfe & Rat" }));
    let caller = queues.dial("carl", CALLER_HZ);
    queues.expect_shown("/Queues/Hilfe%20%26%20Rat", "by its name", |queue| queue["length"] == 1);
    caller.expect_silence("carl, whose verb has no wait hook");
    assert!(queues.bodies("/wait").is_empty());
    let told: Vec<Value> =
        queues.bodies("/status").iter().map(|body| body["call_status"].clone()).collect();
    assert_eq!(told, ["trying", "in-progress"]);
    queues.delete("/Queues/Hilfe%20%26%20Rat?force=true", 204);
    let after = queues.told("/after", "the wait is over", |body| body["queue_result"] == "leave");
    let sid = format!("queue:{}:Hilfe & Rat", queues.stage.tenant.account_sid);
    assert_eq!(after["queue_sid"], sid.as_str(), "{after}");
    queues.expect_next_verb("carl", &caller);
}

#[test]
fn a_call_that_is_to_wait_under_no_possible_name_is_not_answered() {
    let queues = Queues::new();
    queues.waits("carl", &json!({ "name": "a/b" }));
    let mut phone = queues.stage.baresip("carl", CALLER_HZ);
    phone.command("dial", &queues.stage.uri("1000")).expect("taken");
    phone.wait_event("CALL_CLOSED", SOON).expect("refused");
    assert!(phone.events("CALL_ESTABLISHED").is_empty());
    let told = queues.told("/status", "its end", |body| body["call_status"] == "failed");
    assert_eq!(told["sip_status"], 480, "{told}");
    assert_eq!(queues.stage.get("/Queues"), json!([]));
}
