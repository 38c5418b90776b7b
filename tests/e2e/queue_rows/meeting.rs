//! Between the moment an agent is given a caller and the moment their bridge stands: whatever goes wrong
//! there, the caller is where he was.
//!
//! A `sipp` without an offer is answered before it has sound, so that its bridge waits for it: until the
//! pause of its scenario is over, and then for what it does instead.

use std::time::Duration;

use serde_json::{Value, json};
use support::wait;

use super::ears::{Ear, Track};
use super::phones::Line;
use super::{AGENT_HZ, CALLER_HZ, MUSIC_HZ, OTHER_HZ, Queues, call, queued};
use crate::stage::SOON;

/// Enough to look about while the two are being brought together.
const WHILE: Duration = Duration::from_millis(1_500);
/// More than a bridge may take to stand.
const TOO_LONG: Duration = Duration::from_millis(2_400);

/// Carl, then Cora, who both wait; Carl hears music at once.
fn two_wait(queues: &Queues) -> [Line; 2] {
    queues.waits("carl", &json!({}));
    queues.waits("cora", &json!({}));
    let first = queues.line_of("carl", CALLER_HZ);
    queues.expect_line(&["carl"]);
    let second = queues.line_of("cora", OTHER_HZ);
    queues.expect_line(&["carl", "cora"]);
    first.expect("carl waits", &[MUSIC_HZ]);
    [first, second]
}

/// An agent who has a caller reserved, and no sound for a while.
fn hesitant(queues: &Queues, scenario: &str, pause: Duration, options: &Value) -> Line {
    queues.serves("hank", options);
    queues.sipp(scenario, "hank", AGENT_HZ, pause)
}

/// Waits until the caller is reserved; he is listed all the time, and nobody else can have him.
fn expect_reserved(queues: &Queues, line: &Line) {
    let path = queues.stage.tenant.path(&queued(&line.call_sid));
    let rest = &queues.stage.tenant.rest;
    let reserved = wait::until(SOON, || {
        // His own priority: no change if he is free still.
        let answer = rest.put(&path, &json!({ "priority": 999 })).ok()?;
        (answer.status == 404).then_some(())
    });
    assert!(reserved.is_some(), "nobody has reserved him");
    for body in [json!({ "call_hook": queues.url("/news") }), json!({ "priority": 0 })] {
        queues.put(&queued(&line.call_sid), &body, 404);
    }
    queues.delete(&queued(&line.call_sid), 404);
    let shown = queues.stage.get(&queued(&line.call_sid));
    assert_eq!((&shown["position"], &shown["priority"]), (&json!(0), &json!(999)), "{shown}");
}

/// An agent with sound takes whoever is first: Carl.
fn expect_first_is_carl(queues: &Queues, carl: &Line) {
    let agent = queues.agent("anna");
    agent.expect("anna", &[CALLER_HZ]);
    carl.expect("carl", &[AGENT_HZ]);
    queues.expect_line(&["cora"]);
    queues.expect_events(&[
        ("join", "carl", 1, ""),
        ("join", "cora", 2, ""),
        ("leave", "carl", 1, "dequeued"),
    ]);
    let told = queues.told("/events", "carl is dequeued", |body| body["event"] == "leave");
    assert_eq!(told["dequeuer"]["from"], "anna", "{told}");
    assert!(queues.bodies("/after").is_empty(), "nobody's wait is over for good");
}

#[test]
fn a_caller_whose_agent_turns_out_to_have_no_sound_is_back_in_his_old_place() {
    let queues = Queues::new();
    let [carl, cora] = two_wait(&queues);
    let agent = hesitant(&queues, "uac_user_mute", WHILE, &json!({}));
    expect_reserved(&queues, &carl);
    carl.expect_silence("carl, who is being connected");
    queues.expect_line(&["carl", "cora"]);
    assert_eq!(queues.count("/wait", &carl.call_sid), 1);
    // The agent's answer to our offer does not come: the call is over.
    let served = queues.expect_served(&agent.call_sid, "hangup");
    assert_eq!(served["call_status"], "completed", "{served}");
    agent.ends_well();
    carl.expect("carl waits again", &[MUSIC_HZ]);
    let mut rounds = queues.bodies("/wait").into_iter();
    let last = rounds.rfind(|body| body["call_sid"] == carl.call_sid.as_str());
    let last = last.expect("asked");
    assert_eq!((&last["queue_position"], &last["queue_size"]), (&json!(0), &json!(2)), "{last}");
    assert!(last["queue_time"].as_u64() >= Some(1), "the time goes on: {last}");
    assert_eq!(queues.count("/wait", &carl.call_sid), 2);
    queues.expect_line(&["carl", "cora"]);
    cora.expect("cora heard nothing of it", &[MUSIC_HZ]);
    expect_first_is_carl(&queues, &carl);
    queues.app.assert_all_signed();
}

#[test]
fn a_caller_whose_agent_hangs_up_during_the_beep_waits_on_without_a_break() {
    let queues = Queues::new();
    let [carl, _cora] = two_wait(&queues);
    let agent = hesitant(&queues, "uac_user_leaves", WHILE, &json!({ "beep": true }));
    expect_reserved(&queues, &carl);
    queues.expect_served(&agent.call_sid, "hangup");
    agent.ends_well();
    queues.expect_line(&["carl", "cora"]);
    carl.expect("carl waits on", &[MUSIC_HZ]);
    let gap = Track(carl.heard()).longest_gap(MUSIC_HZ);
    assert!(gap <= 3, "the music was away for {gap} frames");
    assert_eq!(queues.count("/wait", &carl.call_sid), 1);
    expect_first_is_carl(&queues, &carl);
}

#[test]
fn a_caller_whose_agent_dies_unheard_is_given_to_the_next_one() {
    let queues = Queues::new();
    let [carl, _cora] = two_wait(&queues);
    let agent = hesitant(&queues, "uac_user_late", Duration::from_secs(60), &json!({}));
    expect_reserved(&queues, &carl);
    let dead = agent.call_sid.clone();
    // The program is killed: no word comes from there any more.
    drop(agent);
    // Two agents with sound; the first has Cora, the other waits for Carl.
    queues.serves("anna", &json!({}));
    queues.serves("amy", &json!({}));
    let anna = queues.line_of("anna", AGENT_HZ);
    anna.expect("anna", &[OTHER_HZ]);
    let amy = queues.line_of("amy", AGENT_HZ);
    amy.expect("amy", &[CALLER_HZ]);
    carl.expect("carl", &[AGENT_HZ]);
    let expected = [
        ("join", "carl", 1, ""),
        ("join", "cora", 2, ""),
        ("leave", "cora", 1, "dequeued"),
        ("leave", "carl", 0, "dequeued"),
    ];
    queues.expect_events(&expected);
    assert_eq!(queues.count("/served", &dead), 0, "it waits on, as far as anybody knows");
}

#[test]
fn an_agent_whose_sound_comes_late_gets_the_same_caller_in_the_end() {
    let queues = Queues::new();
    queues.waits("carl", &json!({}));
    let carl = queues.dial("carl", CALLER_HZ);
    carl.expect("carl waits", &[MUSIC_HZ]);
    let agent = hesitant(&queues, "uac_user_late", TOO_LONG, &json!({}));
    // Called in, and sent back when the bridge took too long.
    carl.expect_silence("carl, who is being connected");
    carl.expect("carl waits again", &[MUSIC_HZ]);
    assert_eq!(queues.count("/wait", &carl.call_sid), 2);
    queues.expect_line(&["carl"]);
    carl.expect("carl", &[AGENT_HZ]);
    agent.expect("hank", &[CALLER_HZ]);
    queues.expect_events(&[("join", "carl", 1, ""), ("leave", "carl", 0, "dequeued")]);
    assert!(queues.bodies("/served").is_empty(), "the agent has not given up meanwhile");
}

#[test]
fn a_caller_who_vanishes_while_he_is_connected_is_followed_by_the_next() {
    let queues = Queues::new();
    let mut first = queues.caller("carl", CALLER_HZ);
    queues.waits("cora", &json!({}));
    let second = queues.line_of("cora", OTHER_HZ);
    queues.expect_line(&["carl", "cora"]);
    let agent = hesitant(&queues, "uac_user_late", WHILE, &json!({ "timeout": 8 }));
    first.expect_silence("carl, who is being connected");
    first.hang_up();
    let after = queues.expect_after(&first.call_sid, "hangup");
    assert_eq!(after["call_status"], "completed", "{after}");
    agent.expect("hank", &[OTHER_HZ]);
    second.expect("cora", &[AGENT_HZ]);
    agent.assert_never("hank", CALLER_HZ);
    queues.expect_events(&[
        ("join", "carl", 1, ""),
        ("join", "cora", 2, ""),
        ("leave", "carl", 1, "abandoned"),
        ("leave", "cora", 0, "dequeued"),
    ]);
    assert!(queues.bodies("/served").is_empty());
}

#[test]
fn an_agent_whose_one_caller_vanishes_while_he_is_connected_is_told_of_a_hangup() {
    let queues = Queues::new();
    let mut first = queues.caller("carl", CALLER_HZ);
    queues.waits("cora", &json!({}));
    let second = queues.line_of("cora", OTHER_HZ);
    queues.expect_line(&["carl", "cora"]);
    let wanted = json!({ "callSid": first.call_sid });
    let agent = hesitant(&queues, "uac_user_late", WHILE, &wanted);
    first.expect_silence("carl, who is being connected");
    first.hang_up();
    let served = queues.expect_served(&agent.call_sid, "hangup");
    assert_eq!(served["call_status"], "in-progress", "{served}");
    queues.expect_next_verb("hank", &agent);
    queues.expect_line(&["cora"]);
    second.expect("cora waits", &[MUSIC_HZ]);
}

#[test]
fn a_caller_without_sound_is_passed_over_and_his_agent_has_the_next() {
    let queues = Queues::new();
    queues.waits("carl", &json!({}));
    queues.waits("cora", &json!({}));
    let carl = queues.sipp("uac_user_late", "carl", CALLER_HZ, Duration::from_secs(60));
    queues.expect_line(&["carl"]);
    let _cora = queues.line_of("cora", OTHER_HZ);
    queues.expect_line(&["carl", "cora"]);
    let agent = queues.agent("anna");
    // The bridge with Carl takes too long; he waits on, and Cora is next for this agent.
    agent.expect("anna", &[OTHER_HZ]);
    queues.expect_line(&["carl"]);
    queues.delete(&call(&carl.call_sid), 204);
    queues.expect_after(&carl.call_sid, "hangup");
    queues.expect_events(&[
        ("join", "carl", 1, ""),
        ("join", "cora", 2, ""),
        ("leave", "cora", 1, "dequeued"),
        ("leave", "carl", 0, "abandoned"),
    ]);
}
