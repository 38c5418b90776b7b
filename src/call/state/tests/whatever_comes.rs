//! Whatever arrives in whatever order: one end, one final event, no word after it.

use proptest::prelude::*;

use super::*;
use crate::call::PlayId;
use crate::verb::{ConferenceEvent, LeaveReason, PlayReport, Refusal, RunId};

/// One thing that may happen to a call.
#[derive(Clone, Debug)]
enum Happening {
    Told(Input),
    /// The hook with this place among those sent is answered with this reply.
    Replied(usize, usize),
    Updated(usize),
    /// Seconds pass.
    Passed(f64),
}

fn replies() -> Vec<Result<HookReply, HookError>> {
    let body = |value| Ok(HookReply { body: Some(value) });
    vec![
        body(lobby()),
        body(json!([{"verb": "answer"}, {"verb": "pause", "length": 5}])),
        body(json!([{"verb": "pause", "length": 1}, {"verb": "redirect", "actionHook": "/x"}])),
        body(json!([
            {"verb": "play", "url": "/a.wav", "earlyMedia": true, "actionHook": "/p"},
            {"verb": "conference", "name": "b"},
            {"verb": "hangup"},
        ])),
        body(json!([{"verb": "sip:decline", "status": 486}, {"verb": "hangup"}])),
        body(json!([])),
        body(json!([{"verb": "sing"}])),
        Ok(HookReply { body: None }),
        Err(refused()),
    ]
}

fn updates() -> Vec<Value> {
    vec![
        json!({"call_hook": "/other"}),
        json!({"call_hook": "http://b.example.com/other", "call_status_hook": "/s"}),
        json!({"call_status": "completed"}),
        json!({"call_status": "no-answer"}),
        json!({"mute_status": "mute"}),
        json!({"conf_mute_status": "mute"}),
        json!({"tag": {"a": 1}}),
        json!({"conf_hold_status": "hold", "wait_hook": "/wait"}),
        json!({"whisper": {"verb": "play", "url": "/a.wav"}}),
        json!({"room_play": {"url": "/a.wav"}}),
    ]
}

fn input() -> impl Strategy<Value = Input> {
    let run = (1_u32..5).prop_map(RunId);
    let report = PlayReport { played: Duration::from_secs(1), last_offset_samples: 1 };
    let events = vec![
        ConferenceEvent::Joined,
        ConferenceEvent::Waiting { wait_hook: Some(Hook::post("/wait")) },
        ConferenceEvent::Held { held: true, wait_hook: Some(Hook::post("/hold")) },
        ConferenceEvent::Held { held: false, wait_hook: None },
        ConferenceEvent::Left(LeaveReason::Kicked),
        ConferenceEvent::Refused(Refusal::Full),
    ];
    let code = prop::sample::select(vec![302_u16, 408, 486, 487, 500, 603]);
    prop_oneof![
        Just(Input::Start),
        Just(Input::Ringing { status: 180, reason: "Ringing".into() }),
        Just(Input::EarlyMedia { status: 183, reason: "Session Progress".into() }),
        code.prop_map(|code| rejected(code, "Whatever")),
        Just(Input::Answered),
        Just(Input::ProgressSent),
        Just(Input::CancelledByCaller { reason_header: None }),
        Just(bye()),
        Just(Input::MediaFailed { status: 488, reason: "codec".into() }),
        Just(Input::MediaTimeout),
        Just(Input::DialogFailed),
        Just(Input::Hangup { headers: SipHeaders::default() }),
        run.clone().prop_map(move |run| Input::PlayDone { id: PlayId(run), report }),
        run.clone().prop_map(|run| {
            let (url, detail) = ("http://a".to_owned(), "404".to_owned());
            Input::PlayFailed { id: PlayId(run), url, detail }
        }),
        (run, prop::sample::select(events)).prop_map(|(id, event)| Input::Conference { id, event }),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => input().prop_map(Happening::Told),
        3 => (0_usize..4, 0..replies().len()).prop_map(|(which, reply)| {
            Happening::Replied(which, reply)
        }),
        1 => (0..updates().len()).prop_map(Happening::Updated),
        1 => (0.1_f64..100.0).prop_map(Happening::Passed),
    ]
}

fn live(story: &mut Story, happening: Happening) -> Vec<String> {
    match happening {
        Happening::Told(input) => story.tell(input),
        Happening::Replied(which, reply) => match story.hooks.get(which).map(|hook| hook.id) {
            Some(id) => {
                let reply = replies().remove(reply);
                story.reply_to(id, reply)
            }
            None => Vec::new(),
        },
        Happening::Updated(which) => story.update(updates().remove(which)).unwrap_or_default(),
        Happening::Passed(seconds) => story.pass(seconds),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_call_ends_once_and_is_silent_afterwards(
        inbound in any::<bool>(),
        happenings in prop::collection::vec(happening(), 0..24),
    ) {
        let mut story = if inbound { Story::inbound() } else { Story::outbound() };
        for happening in happenings {
            let was_over = story.record.is_some();
            let log = live(&mut story, happening);
            for line in &log {
                let harmless = line.starts_with("alert") || line == "BYE";
                prop_assert!(!was_over || harmless, "after the end: {line}");
            }
        }
        // However it went, the server's own limit ends it.
        story.tell(Input::Start);
        story.pass(200.0 * 60.0);
        if !story.state.has_ended() {
            // Our 200 is asked for and never reported.
            story.tell(Input::Answered);
            story.tell(bye());
        }
        prop_assert!(story.state.has_ended());
        let finals = story
            .events
            .iter()
            .filter(|event| {
                let status = event.body["call_status"].as_str().unwrap_or_default();
                matches!(status, "completed" | "failed" | "busy" | "no-answer")
            })
            .count();
        prop_assert_eq!(finals, 1);
        let last = story.last_event();
        prop_assert_eq!(
            last.get("duration").is_some(),
            last["call_status"] == "completed"
        );
        prop_assert!(last.get("call_termination_by").is_some());
    }
}
