//! REFER while two talk: what the hook is told, what its answer does, and how the phone is answered.

use serde_json::{Value, json};

use super::ears::expect;
use super::{AFTER_HZ, ALICE_HZ, BOB_HZ, Dials, OWN_HZ, text};
use crate::stage::SOON;

#[test]
fn verbs_for_a_refer_of_the_callee_replace_the_caller_s_session() {
    let dials = Dials::new();
    dials.script(&json!({ "/refer": [dials.plays(OWN_HZ, 60_000)] }));
    let (alice, mut bob, legs) = dials.pair(&json!({ "referHook": "/refer" }));
    bob.transfer("sip:carol@elsewhere.test.example").expect("asked for");
    expect("A", &alice, &[OWN_HZ]);
    let told = dials.told("/refer", "the REFER", |_| true);
    assert_eq!(text(&told, "call_sid"), legs.child, "the leg that referred: {told}");
    assert_eq!(text(&told, "parent_call_sid"), legs.parent, "{told}");
    assert_eq!(told["refer_details"]["referring_call_sid"], legs.child.as_str(), "{told}");
    assert_eq!(told["refer_details"]["referred_call_sid"], legs.parent.as_str(), "{told}");
    assert_eq!(told["refer_details"]["refer_to_user"], "carol", "{told}");
    bob.wait_event("CALL_CLOSED", SOON).expect("its part is done");
    dials.expect_done("/done", &legs, "completed", 200);
    expect("A alone", &alice, &[OWN_HZ]);
    dials.app.assert_all_signed();
}

#[test]
fn verbs_for_a_refer_of_the_caller_run_on_the_callee_s_leg_and_the_dial_ends() {
    let dials = Dials::new();
    dials.script(&json!({ "/refer": [dials.plays(OWN_HZ, 60_000)] }));
    let (mut alice, mut bob, legs) = dials.pair(&json!({ "referHook": "/refer" }));
    alice.transfer("sip:carol@elsewhere.test.example").expect("asked for");
    expect("B", &bob, &[OWN_HZ]);
    let told = dials.told("/refer", "the REFER", |_| true);
    assert_eq!(text(&told, "call_sid"), legs.parent, "the leg that referred: {told}");
    assert_eq!(told["refer_details"]["referring_call_sid"], legs.parent.as_str(), "{told}");
    assert_eq!(told["refer_details"]["referred_call_sid"], legs.child.as_str(), "{told}");
    dials.expect_done("/done", &legs, "completed", 200);
    alice.wait_event("CALL_CLOSED", SOON).expect("its part is done");
    assert_eq!(dials.statuses(&legs.parent), ["trying", "in-progress", "completed"]);
    expect("B alone", &bob, &[OWN_HZ]);
    bob.hang_up().expect("hung up");
    assert_eq!(dials.statuses(&legs.child).last().map(String::as_str), Some("completed"));
}

#[test]
fn what_the_hook_says_of_a_refer_is_its_answer_and_without_verbs_nothing_changes() {
    let dials = Dials::new();
    dials.script(&json!({ "/refer": [], "/config": [], "/refuses": 404 }));
    let mut alice = dials.phone("alice", ALICE_HZ);
    // The hook of the verb, that of the session, one that refuses, none.
    for (hook, config, answer) in [
        (Some("/refer"), None, 202),
        (None, Some("/config"), 202),
        (Some("/refuses"), None, 404),
        (None, None, 501),
    ] {
        let far = dials.far("refers", BOB_HZ);
        let options = hook.map_or(json!({}), |hook| json!({ "referHook": hook }));
        let dial = dials.dial(&json!([far.target()]), &options);
        let mut verbs = vec![dial, dials.after()];
        if let Some(hook) = config {
            verbs.insert(0, json!({ "verb": "config", "referHook": hook }));
        }
        dials.script(&json!({ "/call#alice": verbs }));
        alice.dial(&dials.stage.uri("1000"), SOON).expect("answered");
        far.connect();
        far.wait("answered");
        expect(&format!("A after {answer}"), &alice, &[BOB_HZ]);
        expect(&format!("B after {answer}"), &far.rtp, &[ALICE_HZ]);
        let legs = dials.legs("alice");
        if let Some(hook) = hook.or(config) {
            let told = dials.told(hook, "the REFER", |_| true);
            assert_eq!(text(&told, "call_sid"), legs.child);
            let expected = json!({
                "sip_refer_to": "<sip:carol@elsewhere.test.example>",
                "refer_to_user": "carol",
                "sip_referred_by": "\"The Desk\" <sip:desk@elsewhere.test.example>",
                "referred_by_user": "desk",
                "sip_user_agent": "sipp",
                "referring_call_sid": legs.child,
                "referred_call_sid": legs.parent,
                "x_ticket": "7",
            });
            assert_eq!(told["refer_details"], expected);
        }
        // B is let go by REST, and A has its next verb: nothing was replaced.
        dials.put(&legs.child_path(), &json!({ "call_status": "completed" }), 202);
        expect("A", &alice, &[AFTER_HZ]);
        let received = far.ends_well();
        let answers = received.iter().filter_map(|message| {
            let of_refer = message.header("CSeq").is_some_and(|cseq| cseq.ends_with("REFER"));
            message.code().filter(|_| of_refer)
        });
        assert_eq!(answers.collect::<Vec<_>>(), [answer]);
        dials.expect_done("/done", &legs, "completed", 200);
        alice.hang_up().expect("hung up");
        let is_over = |body: &Value| body["call_sid"] == legs.parent.as_str();
        dials.told("/status", "over", |body| is_over(body) && body["call_status"] == "completed");
    }
}
