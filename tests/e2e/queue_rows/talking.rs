//! A caller and an agent meet: what both hear, and what the application is told when it is over.

use std::time::Duration;

use serde_json::{Value, json};
use support::wait;

use super::ears::{Ear, Track};
use super::{
    AFTER_HZ, AGENT_HZ, BEEP_HZ, CALLER_HZ, MUSIC_HZ, NEWS_HZ, OTHER_HZ, Queues, call, expect_base,
    queued,
};
use crate::stage::SOON;

/// The contract's limit for wait music under the talk, in frames of 20 ms.
const MUSIC_LIMIT: usize = 5;
/// The contract's limit for bringing two together who are both there (D-37), in milliseconds.
const MEETING_LIMIT: i64 = 200;

#[test]
fn a_caller_hears_music_until_an_agent_takes_him_and_both_hear_each_other() {
    let queues = Queues::new();
    let caller = queues.caller("carl", CALLER_HZ);
    caller.expect("carl waits", &[MUSIC_HZ]);
    let mut agent = queues.agent("anna");
    caller.expect("carl", &[AGENT_HZ]);
    agent.expect("anna", &[CALLER_HZ]);
    agent.assert_never("anna", MUSIC_HZ);
    let track = Track(caller.heard());
    let (first, music) = (track.first(AGENT_HZ).expect("heard"), track.trace(MUSIC_HZ));
    let music = music.expect("music was heard");
    assert!(music <= first + MUSIC_LIMIT, "music in frame {music}, the agent from {first} on");
    // Nobody is in it, so there is no such queue.
    assert_eq!(queues.order("sdk", "queues", "list", &json!([])), json!([]));
    let shown = queues.order("node-client", "calls", "retrieve", &json!([caller.call_sid]));
    assert_eq!(shown["call_status"], "in-progress", "{shown}");

    agent.hang_up();
    let after = queues.expect_after(&caller.call_sid, "bridged");
    assert_eq!(after["call_status"], "in-progress", "{after}");
    let served = queues.expect_served(&agent.call_sid, "complete");
    assert_eq!(served["call_status"], "completed", "{served}");
    queues.expect_next_verb("carl", &caller);
    queues.expect_events(&[("join", "carl", 1, ""), ("leave", "carl", 0, "dequeued")]);
    let told = queues.bodies("/events");
    let ms = |body: &Value, name: &str| body[name].as_u64().expect("epoch ms");
    assert!(ms(&told[0], "join_time") <= ms(&told[1], "leave_time"), "{told:?}");
    assert!(ms(&told[0], "join_time") > 1_600_000_000_000, "{told:?}");
    let dequeuer = &told[1]["dequeuer"];
    expect_base(dequeuer);
    assert_eq!(
        (&dequeuer["call_sid"], &dequeuer["from"]),
        (&json!(agent.call_sid), &json!("anna"))
    );
    assert_eq!(queues.statuses(&agent.call_sid), ["trying", "in-progress", "completed"]);
    queues.app.assert_all_signed();
}

#[test]
fn a_caller_who_hangs_up_ends_the_talk_and_the_reply_of_the_agent_s_hook_is_honoured() {
    let queues = Queues::new();
    queues.script(&json!({ "/served": [queues.plays(NEWS_HZ, 60_000)] }));
    let agent = queues.agent("anna");
    let mut caller = {
        queues.waits("carl", &json!({}));
        queues.dial("carl", CALLER_HZ)
    };
    agent.expect("anna", &[CALLER_HZ]);
    caller.hang_up();
    let served = queues.expect_served(&agent.call_sid, "complete");
    assert_eq!(served["call_status"], "in-progress", "{served}");
    let after = queues.expect_after(&caller.call_sid, "bridged");
    assert_eq!(after["call_status"], "completed", "{after}");
    // D-36: what the hook answered, and not the next verb.
    agent.expect("anna", &[NEWS_HZ]);
    agent.assert_never("anna", AFTER_HZ);
    // He never waited: the agent was there before him.
    assert_eq!(queues.statuses(&caller.call_sid), ["trying", "in-progress", "completed"]);
    queues.expect_events(&[("join", "carl", 1, ""), ("leave", "carl", 0, "dequeued")]);
}

#[test]
fn an_agent_who_is_sent_elsewhere_leaves_a_caller_whose_hook_decides() {
    let queues = Queues::new();
    queues.script(&json!({ "/after": [queues.plays(NEWS_HZ, 60_000)], "/elsewhere": [
        queues.plays(MUSIC_HZ, 60_000),
    ] }));
    let caller = queues.caller("carl", CALLER_HZ);
    // The agent is called, as an application does it.
    let mut phone = queues.stage.baresip("anna", AGENT_HZ);
    let dequeue = json!([{ "verb": "dequeue", "name": "support", "actionHook": "/served" }]);
    queues.script(&json!({ "/agent": dequeue }));
    let create = json!([{
        "from": "15083084809",
        "to": { "type": "user", "name": format!("anna@{}", queues.stage.tenant.realm) },
        "call_hook": { "url": queues.url("/agent"), "method": "POST" },
        "call_status_hook": { "url": queues.url("/status"), "method": "POST" },
    }]);
    let agent = queues.order("node-client", "calls", "create", &create);
    let agent = agent.as_str().expect("a sid").to_owned();
    caller.expect("carl", &[AGENT_HZ]);

    let elsewhere = json!([agent, { "call_hook": queues.url("/elsewhere") }]);
    queues.order("node-client", "calls", "update", &elsewhere);
    let after = queues.expect_after(&caller.call_sid, "bridged");
    assert_eq!(after["call_status"], "in-progress", "{after}");
    caller.expect("carl", &[NEWS_HZ]);
    caller.assert_never("carl", AFTER_HZ);
    let heard = wait::until(SOON, || {
        let heard = phone.listen(0.4).ok()?;
        Track(heard).first(MUSIC_HZ)
    });
    assert!(heard.is_some(), "anna was to hear where she was sent");
    // Replaced: nobody asks how it went.
    assert_eq!(queues.count("/served", &agent), 0);
    phone.hang_up().expect("hung up");
    queues.last_status(&agent);
    assert_eq!(queues.count("/served", &agent), 0);
    queues.app.assert_all_signed();
}

#[test]
fn an_agent_waits_as_long_as_it_says_or_for_ever_and_talks_longer_than_that() {
    let queues = Queues::new();
    let patient = queues.agent("paul");
    queues.serves("late", &json!({ "timeout": 1 }));
    let late = queues.line_of("late", OTHER_HZ);
    let served = queues.expect_served(&late.call_sid, "timeout");
    assert_eq!(served["call_status"], "in-progress", "{served}");
    queues.expect_next_verb("the late one", &late);
    // A queue that only agents look into is none.
    queues.expect_gone("/Queues/support");
    assert_eq!(queues.stage.get("/Queues"), json!([]));

    queues.serves("anna", &json!({ "timeout": 2 }));
    let agent = queues.dial("anna", AGENT_HZ);
    queues.waits("cora", &json!({}));
    queues.waits("cyril", &json!({}));
    let first = queues.line_of("cora", CALLER_HZ);
    patient.expect("paul", &[CALLER_HZ]);
    let second = queues.line_of("cyril", OTHER_HZ);
    agent.expect("anna", &[OTHER_HZ]);
    second.expect("cyril", &[AGENT_HZ]);
    // Longer than anna wanted to wait.
    let frames = wait::until(SOON, || {
        let count = Track(agent.heard()).count(OTHER_HZ);
        (count > 130).then_some(count)
    });
    assert!(frames.is_some(), "the talk was over in time");
    assert_eq!(queues.count("/served", &agent.call_sid), 0);
    first.expect("cora", &[AGENT_HZ]);
}

#[test]
fn an_agent_takes_the_caller_it_names_out_of_turn_after_a_beep() {
    let queues = Queues::new();
    let first = queues.caller("carl", CALLER_HZ);
    queues.waits("cora", &json!({}));
    let second = queues.line_of("cora", OTHER_HZ);
    queues.expect_line(&["carl", "cora"]);
    queues.serves("anna", &json!({ "callSid": second.call_sid, "beep": true }));
    let agent = queues.line_of("anna", AGENT_HZ);
    agent.expect("anna", &[OTHER_HZ]);
    second.expect("cora", &[AGENT_HZ]);
    queues.expect_line(&["carl"]);
    let track = Track(agent.heard());
    let (beep, talk) = (track.last(BEEP_HZ), track.first(OTHER_HZ));
    assert!(beep < talk, "the beep until frame {beep:?}, cora from {talk:?} on");
    let frames = track.count(BEEP_HZ);
    assert!((5..=15).contains(&frames), "a short tone of {frames} frames");
    second.assert_never("cora", BEEP_HZ);
    first.expect("carl waits on", &[MUSIC_HZ]);
    queues.expect_events(&[
        ("join", "carl", 1, ""),
        ("join", "cora", 2, ""),
        ("leave", "cora", 1, "dequeued"),
    ]);
    // Nobody of that name is there any more: she waits until he is, or the time is over.
    queues.serves("amy", &json!({ "callSid": second.call_sid, "timeout": 1 }));
    let amy = queues.line_of("amy", AGENT_HZ);
    queues.expect_served(&amy.call_sid, "timeout");
    queues.expect_line(&["carl"]);
}

/// When an event of a queue was, by the server's clock.
fn at(queues: &Queues, event: &str, from: &str) -> i64 {
    let told = queues.told("/events", event, |b| b["event"] == event && b["from"] == from);
    told[format!("{event}_time")].as_i64().expect("epoch ms")
}

#[test]
fn two_who_are_both_there_are_together_within_the_limit() {
    let queues = Queues::new();
    let mut took = Vec::new();
    for (number, agent_first) in [true, false, true, false].into_iter().enumerate() {
        let (agent, caller) = (format!("agent{number}"), format!("caller{number}"));
        queues.serves(&agent, &json!({}));
        queues.waits(&caller, &json!({}));
        let lines = if agent_first {
            [queues.line_of(&agent, AGENT_HZ), queues.line_of(&caller, CALLER_HZ)]
        } else {
            [queues.line_of(&caller, CALLER_HZ), queues.line_of(&agent, AGENT_HZ)]
        };
        let left = at(&queues, "leave", &caller);
        // The latest moment at which the second of them was not there yet.
        let both = if agent_first {
            at(&queues, "join", &caller)
        } else {
            let asked = queues.app.requests("/call");
            let asked = asked.iter().rfind(|request| request["body"]["from"] == agent.as_str());
            asked.and_then(|request| request["at"].as_i64()).expect("asked")
        };
        took.push(left - both);
        for line in lines {
            queues.delete(&call(&line.call_sid), 204);
        }
    }
    // One round for a machine that does much else.
    took.sort_unstable();
    assert!(took[2] <= MEETING_LIMIT, "together after {took:?} ms");
}

#[test]
fn a_registered_phone_takes_the_next_caller_by_dialling_the_queue() {
    let queues = Queues::new();
    let caller = queues.caller("carl", CALLER_HZ);
    let mut phone = queues.stage.baresip("anna", AGENT_HZ);
    phone.dial(&queues.stage.uri("queue-support"), SOON).expect("answered");
    caller.expect("carl", &[AGENT_HZ]);
    queues.expect_gone(&queued(&caller.call_sid));
    phone.hang_up().expect("hung up");
    phone.wait_event("CALL_CLOSED", SOON).expect("over");
    queues.expect_after(&caller.call_sid, "bridged");
    // With nobody there it is over after five seconds.
    phone.dial(&queues.stage.uri("queue-support"), SOON).expect("answered");
    let closed = wait::until(Duration::from_secs(8), || {
        (phone.events("CALL_CLOSED").len() == 2).then_some(())
    });
    assert!(closed.is_some(), "not hung up\n{}", phone.log());
}
