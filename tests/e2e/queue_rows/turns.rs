//! Whose turn it is.

use serde_json::{Value, json};

use super::ears::Ear;
use super::phones::Line;
use super::{AGENT_HZ, CALLER_HZ, OTHER_HZ, Queues, call, queued};

#[test]
fn the_lower_priority_is_served_first_and_equals_by_arrival() {
    let queues = Queues::new();
    let wishes = [
        ("none", json!({})),
        ("negative", json!({ "priority": -5 })),
        ("p500", json!({ "priority": 500 })),
        ("p0", json!({ "priority": 0 })),
        ("p500b", json!({ "priority": 500 })),
    ];
    let mut lines: Vec<(&str, Line)> = Vec::new();
    for (user, options) in &wishes {
        queues.waits(user, options);
        lines.push((user, queues.line_of(user, CALLER_HZ)));
        queues.expect_length(lines.len() as u64);
    }
    let order = ["p0", "p500", "p500b", "none", "negative"];
    queues.expect_line(&order);
    let rows = queues.stage.get("/Queues/support/Calls");
    let rows = rows.as_array().expect("a list");
    let shown: Vec<&Value> = rows.iter().map(|row| &row["priority"]).collect();
    assert_eq!(shown, [0, 500, 500, 999, 999]);
    let positions: Vec<&Value> = rows.iter().map(|row| &row["position"]).collect();
    assert_eq!(positions, [0, 1, 2, 3, 4]);

    // One agent takes one after the other.
    let again = json!([{ "verb": "dequeue", "name": "support", "actionHook": "/served" }]);
    queues.script(&json!({ "/served": again, "/after": [{ "verb": "hangup" }] }));
    queues.serves("anna", &json!({}));
    let _agent = queues.line_of("anna", AGENT_HZ);
    for user in order {
        queues.told("/events", user, |body| body["event"] == "leave" && body["from"] == user);
        let line = lines.iter().find(|(name, _)| *name == user).expect("of those");
        queues.delete(&call(&line.1.call_sid), 204);
    }
    let left = queues.events().into_iter().filter(|(event, ..)| event == "leave");
    let left: Vec<_> = left.map(|(_, from, length, why)| (from, length, why)).collect();
    let expected = order
        .iter()
        .enumerate()
        .map(|(number, user)| ((*user).to_owned(), 4 - number as u64, "dequeued".to_owned()));
    assert_eq!(left, expected.collect::<Vec<_>>());
    for (_, line) in lines {
        line.ends_well();
    }
}

#[test]
fn another_priority_is_another_place_and_the_next_agent_goes_by_it() {
    let queues = Queues::new();
    let first = queues.caller("carl", CALLER_HZ);
    queues.waits("cora", &json!({}));
    let second = queues.line_of("cora", OTHER_HZ);
    queues.expect_line(&["carl", "cora"]);
    queues.put(&queued(&second.call_sid), &json!({ "priority": 998 }), 204);
    queues.expect_line(&["cora", "carl"]);
    // Behind those who came before and have the same.
    queues.put(&queued(&second.call_sid), &json!({ "priority": 999 }), 204);
    queues.expect_line(&["carl", "cora"]);
    queues.put(&queued(&first.call_sid), &json!({ "priority": 100_000 }), 204);
    queues.expect_line(&["cora", "carl"]);
    let front = queues.stage.get("/Queues/support/Calls/Front");
    assert_eq!((&front["from"], &front["position"]), (&json!("cora"), &json!(0)));
    let agent = queues.agent("anna");
    agent.expect("anna", &[OTHER_HZ]);
    second.expect("cora", &[AGENT_HZ]);
    // No event tells of a move.
    queues.expect_events(&[
        ("join", "carl", 1, ""),
        ("join", "cora", 2, ""),
        ("leave", "cora", 1, "dequeued"),
    ]);
}
