//! `kill -9` with callers waiting and talking: what was laid down is there again, nobody waits in it.

use serde_json::json;
use support::wait;

use super::ears::Ear;
use super::{AGENT_HZ, CALLER_HZ, MUSIC_HZ, NEWS_HZ, Queues, call};
use crate::stage::SOON;

#[test]
fn after_kill_9_a_queue_stays_as_it_was_laid_down_and_its_callers_are_gone() {
    let mut queues = Queues::new();
    let body = json!({ "name": "support", "max_length": 3, "wait_hook": queues.url("/news") });
    let sid = queues.post("/Queues", &body).sid().expect("201");
    let passing = json!({ "name": "passing", "persistent": false });
    queues.post("/Queues", &passing).sid().expect("201");
    queues.does("clara", "enqueue", &json!({}), &json!({ "name": "opened" }));
    let mut anna = queues.agent("anna");
    let mut carl = {
        queues.waits("carl", &json!({}));
        queues.dial("carl", CALLER_HZ)
    };
    anna.expect("anna", &[CALLER_HZ]);
    queues.does("cora", "enqueue", &json!({ "actionHook": "/after" }), &json!({}));
    let cora = queues.line_of("cora", CALLER_HZ);
    cora.expect("cora hears the queue's music", &[NEWS_HZ]);
    let clara = queues.line_of("clara", CALLER_HZ);
    queues.expect_shown("/Queues/opened", "opened by a verb", |queue| queue["length"] == 1);
    let before = queues.stage.get(&format!("/Queues/{sid}"));

    queues.house.stage.server.kill().expect("killed");
    queues.house.stage.server.restart().expect("it comes up");
    assert_eq!(queues.stage.get("/Queues"), json!([{ "name": "support", "length": 0 }]));
    let after = queues.stage.get("/Queues/support");
    for name in ["queue_sid", "max_length", "wait_hook", "persistent", "created_at"] {
        assert_eq!(after[name], before[name], "{name}: {after}");
    }
    assert_eq!(queues.stage.get("/Queues/support/Calls"), json!([]));
    assert_eq!(queues.stage.get("/Calls"), json!([]));
    for gone in [&carl.call_sid, &anna.call_sid, &cora.call_sid, &clara.call_sid] {
        queues.expect_gone(&call(gone));
    }
    // Phones notice it when they hang up, and meet anew.
    for phone in [&mut carl, &mut anna] {
        phone.hang_up();
    }
    drop((cora, clara));
    carl.baresip.dial(&queues.stage.uri("1000"), SOON).expect("answered");
    queues.expect_length(1);
    anna.baresip.dial(&queues.stage.uri("1000"), SOON).expect("answered");
    wait::expect("they have met", SOON, || queues.length() == 0);
    carl.expect("carl", &[AGENT_HZ]);
    anna.expect("anna", &[CALLER_HZ]);
    anna.assert_never("anna", MUSIC_HZ);
    let shown = queues.stage.get("/Queues/support");
    assert_eq!(shown["queue_sid"], sid.as_str(), "{shown}");
}
