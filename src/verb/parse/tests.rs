//! The verb grammar, accepted and refused.

use std::num::NonZeroU32;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::{Hook, HookMethod};
use crate::verb::{Clip, Loops, StatusEventName};

#[allow(clippy::needless_pass_by_value, reason = "json! literals read best by value")]
fn one(value: Value) -> Result<VerbKind, VerbError> {
    parse(&json!([value])).map(|mut verbs| verbs.remove(0).kind)
}

#[allow(clippy::needless_pass_by_value, reason = "json! literals read best by value")]
fn play(loops: Value) -> Result<Loops, VerbError> {
    match one(json!({"verb": "play", "url": "http://a/b.wav", "loop": loops}))? {
        VerbKind::Play(play) => Ok(play.loops),
        other => panic!("not a play: {other:?}"),
    }
}

#[test]
fn both_forms_of_a_verb_mean_the_same() {
    let verbs = parse(&json!([
        {"verb": "pause", "length": 1.5, "id": "p"},
        {"pause": {"length": 1.5, "id": "p"}},
    ]))
    .unwrap();
    let pause = VerbKind::Pause(Pause { length: Duration::from_millis(1500) });
    let expected = Verb { id: Some("p".into()), kind: pause };
    assert_eq!(verbs, [expected.clone(), expected]);
}

#[test]
fn each_verb_is_read_with_its_properties() {
    assert_eq!(one(json!({"verb": "answer"})), Ok(VerbKind::Answer(Answer)));
    assert_eq!(one(json!({"answer": {}})), Ok(VerbKind::Answer(Answer)));
    let Ok(VerbKind::Hangup(hangup)) =
        one(json!({"verb": "hangup", "headers": {"X-Why": "done", "X-N": 3}}))
    else {
        panic!()
    };
    assert_eq!(hangup.headers.iter().collect::<Vec<_>>(), [("X-Why", "done"), ("X-N", "3")]);
    let Ok(VerbKind::SipDecline(decline)) =
        one(json!({"verb": "sip:decline", "status": 486.0, "reason": "Busy"}))
    else {
        panic!()
    };
    assert_eq!((decline.status, decline.reason.as_deref()), (486, Some("Busy")));
    let Ok(VerbKind::Tag(tag)) = one(json!({"verb": "tag", "data": {"aB": {"c": null}}})) else {
        panic!()
    };
    assert_eq!(Value::Object(tag.data), json!({"aB": {"c": null}}));
    let Ok(VerbKind::Redirect(redirect)) = one(json!({
        "verb": "redirect",
        "actionHook": {"url": "/next", "method": "get"},
        "statusHook": "http://b/status",
    })) else {
        panic!()
    };
    assert_eq!(redirect.action_hook.method, HookMethod::Get);
    assert_eq!(redirect.status_hook, Some(Hook::post("http://b/status")));
    let Ok(VerbKind::Play(play)) = one(json!({
        "verb": "play",
        "url": ["http://a/1.wav", "/2.wav"],
        "earlyMedia": true,
        "seekOffset": "8000",
        "timeoutSecs": 2.5,
        "actionHook": "/played",
    })) else {
        panic!()
    };
    let urls = ["http://a/1.wav", "/2.wav"].map(|url| Clip::Url(url.to_owned()));
    assert_eq!(play.clips, urls);
    assert_eq!(play.loops, Loops::Times(NonZeroU32::MIN));
    assert!(play.early_media);
    assert_eq!(play.seek_samples, 8000);
    assert_eq!(play.timeout, Some(Duration::from_millis(2500)));
    assert_eq!(play.action_hook, Some(Hook::post("/played")));
}

#[test]
fn conference_and_room_are_one_verb() {
    for verb in ["conference", "room"] {
        let Ok(VerbKind::Conference(room)) = one(json!({
            "verb": verb,
            "name": "lobby",
            "joinMuted": true,
            "startConferenceOnEnter": false,
            "endConferenceOnExit": true,
            "beep": true,
            "memberTag": "agent",
            "maxParticipants": 3.0,
            "actionHook": "/after",
            "statusHook": "/status",
            "statusEvents": ["join", "leave", "end-talking", "stop-talking"],
            "waitHook": "/wait",
            "enterHook": "/enter",
        })) else {
            panic!()
        };
        assert_eq!(room.name, "lobby");
        assert!(room.join_muted && room.end_on_exit && room.beep && !room.start_on_enter);
        assert_eq!(room.member_tag.as_deref(), Some("agent"));
        assert_eq!(room.max_participants, Some(3));
        assert_eq!(
            room.status_events,
            [StatusEventName::Join, StatusEventName::Leave, StatusEventName::StopTalking]
        );
    }
    let Ok(VerbKind::Conference(plain)) = one(json!({"conference": {"name": "lobby"}})) else {
        panic!()
    };
    assert_eq!(*plain, Conference::named("lobby").unwrap());
    assert!(plain.start_on_enter);
}

#[test]
fn loop_counts_follow_the_contract() {
    let times = |n| Loops::Times(NonZeroU32::new(n).unwrap());
    assert_eq!(play(json!(null)), Ok(times(1)));
    assert_eq!(play(json!(3)), Ok(times(3)));
    assert_eq!(play(json!(3.0)), Ok(times(3)));
    assert_eq!(play(json!("2")), Ok(times(2)));
    // D-18
    assert_eq!(play(json!(0)), Ok(Loops::Forever));
    assert_eq!(play(json!("forever")), Ok(Loops::Forever));
    for bad in [json!(-1), json!(1.5), json!("often"), json!(true), json!([1])] {
        assert!(play(bad.clone()).is_err(), "{bad}");
    }
}

#[test]
fn a_refusal_names_verb_and_property() {
    let cases = [
        (json!({}), "malformed jambonz payload: must be array"),
        (json!(null), "malformed jambonz payload: must be array"),
        (json!("[]"), "malformed jambonz payload: must be array"),
        (json!([1]), "malformed jambonz payload: item 0 is not a verb"),
        (json!([{"answer": {}}, {}]), "malformed jambonz payload: item 1 is not a verb"),
        (json!([{"verb": 3}]), "malformed jambonz payload: item 0 is not a verb"),
        (json!([{"a": {}, "b": {}}]), "malformed jambonz payload: item 0 is not a verb"),
        (json!([{"pause": 3}]), "malformed jambonz payload: item 0 is not a verb"),
        (json!([{"verb": "sing"}]), "unknown verb \"sing\""),
        (json!([{"verb": "rest:dial"}]), "unknown verb \"rest:dial\""),
        (json!([{"verb": "sip:notify"}]), "unknown verb \"sip:notify\""),
        (json!([{"verb": "gather"}]), "verb \"gather\" is not supported yet"),
        (json!([{"gather": {}}]), "verb \"gather\" is not supported yet"),
        (json!([{"verb": "pause"}]), "verb \"pause\": missing required property \"length\""),
        (json!([{"verb": "pause", "length": null}]), "verb \"pause\": missing required property"),
        (json!([{"verb": "pause", "length": "1"}]), "verb \"pause\": property \"length\" must be"),
        (json!([{"verb": "play"}]), "verb \"play\": missing required property \"url\""),
        (json!([{"verb": "play", "url": []}]), "verb \"play\": property \"url\" must be a string"),
        (json!([{"verb": "play", "url": [1]}]), "verb \"play\": property \"url\" must hold"),
        (
            json!([{"verb": "play", "url": "http://a", "earlyMedia": "yes"}]),
            "verb \"play\": property \"earlyMedia\" must be a boolean",
        ),
        (
            json!([{"verb": "play", "url": "http://a", "actionHook": {"method": "GET"}}]),
            "verb \"play\": property \"actionHook\" is no hook",
        ),
        (json!([{"verb": "tag", "data": []}]), "verb \"tag\": property \"data\" must be an object"),
        (json!([{"verb": "redirect"}]), "verb \"redirect\": missing required property"),
        (json!([{"verb": "redirect", "actionHook": ""}]), "verb \"redirect\": property"),
        (json!([{"verb": "sip:decline", "status": 200}]), "verb \"sip:decline\": property"),
        (json!([{"verb": "sip:decline", "status": 486.5}]), "verb \"sip:decline\": property"),
        (
            json!([{"verb": "hangup", "headers": {"X-A": "a\r\nVia: b"}}]),
            "verb \"hangup\": property \"headers\" has a value for X-A",
        ),
        (json!([{"verb": "conference"}]), "verb \"conference\": missing required property"),
        (json!([{"verb": "room", "name": 7}]), "verb \"conference\": property \"name\" must be"),
        (json!([{"verb": "room", "name": ""}]), "verb \"conference\": property \"name\" must have"),
        (
            json!([{"verb": "conference", "name": "a", "statusEvents": ["born"]}]),
            "verb \"conference\": property \"statusEvents\" must be an array",
        ),
        (json!([{"verb": "answer", "id": 5}]), "verb \"answer\": property \"id\" must be a string"),
    ];
    for (payload, text) in cases {
        let error = parse(&payload).expect_err(&payload.to_string()).to_string();
        assert!(error.starts_with(text), "{payload}: {error}");
    }
}

#[test]
fn one_bad_verb_refuses_the_whole_array() {
    assert!(parse(&json!([{"verb": "answer"}, {"verb": "sing"}])).is_err());
}

#[test]
fn unknown_properties_are_ignored() {
    // D-17, and `_` is reserved.
    let verb = json!({"verb": "answer", "newIn2030": {"a": 1}, "_": 1});
    assert_eq!(one(verb), Ok(VerbKind::Answer(Answer)));
}

#[test]
fn a_pause_is_never_negative_and_never_overflows() {
    for (length, expected) in
        [(json!(-3), Duration::ZERO), (json!(1e300), Duration::from_secs(7 * 24 * 3600))]
    {
        let Ok(VerbKind::Pause(pause)) = one(json!({"verb": "pause", "length": length})) else {
            panic!()
        };
        assert_eq!(pause.length, expected);
    }
}

#[test]
fn the_array_is_bounded() {
    let verbs = |n: usize| Value::Array(vec![json!({"verb": "answer"}); n]);
    assert_eq!(parse(&verbs(MAX_VERBS)).map(|v| v.len()), Ok(MAX_VERBS));
    assert!(parse(&verbs(MAX_VERBS + 1)).is_err());
}

#[test]
fn stored_text_is_read_like_an_answer() {
    assert_eq!(parse_text(r#"[{"verb":"answer"}]"#).map(|v| v.len()), Ok(1));
    assert_eq!(parse_text("[{]"), Err(VerbError::NotAnArray));
    assert_eq!(parse_text(""), Err(VerbError::NotAnArray));
    assert!(parse_text(&"[".repeat(100_000)).is_err());
}

/// JSON that leans towards verbs, so that properties of every type reach every verb.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        Just(json!("http://a/b")),
        Just(json!("forever")),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key(), inner), 0..5)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "verb",
            "url",
            "length",
            "status",
            "reason",
            "headers",
            "data",
            "actionHook",
            "statusHook",
            "statusEvents",
            "name",
            "loop",
            "timeoutSecs",
            "seekOffset",
            "id",
            "maxParticipants",
            "method",
            "basicAuth",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,8}",
    ]
}

proptest! {
    #[test]
    fn any_json_is_parsed_or_refused_without_panic(
        verb in prop::sample::select(BUILT.to_vec()),
        properties in prop::collection::vec((key(), any_json()), 0..8),
        other in any_json(),
    ) {
        let mut item: Map<String, Value> = properties.into_iter().collect();
        item.insert("verb".into(), verb.into());
        let _ = parse(&json!([item]));
        let _ = parse(&json!([other.clone()]));
        let _ = parse(&other);
    }
}

#[test]
fn requests_and_referrals_are_read_and_cannot_break_out_of_their_lines() {
    let Ok(VerbKind::SipRequest(verb)) = one(json!({"verb": "sip:request", "method": "message",
        "body": "hi", "headers": {"content-type": "text/x", "X-A": "1", "Via": "mine"}}))
    else {
        panic!()
    };
    assert_eq!(verb.request.method, "MESSAGE");
    assert_eq!(verb.request.headers.iter().collect::<Vec<_>>(), [("X-A", "1")]);
    assert_eq!(verb.request.content.map(|c| c.content_type), Some("text/x".to_owned()));
    let Ok(VerbKind::SipRefer(verb)) = one(json!({"verb": "sip:refer", "referTo": "+15551230000",
        "referredByDisplayName": "", "eventHook": "/event"}))
    else {
        panic!()
    };
    assert_eq!(verb.order.refer_to, "+15551230000");
    assert_eq!(verb.order.referred_by_name, None);
    for bad in [
        json!({"verb": "sip:request"}),
        json!({"verb": "sip:request", "method": "BYE"}),
        json!({"verb": "sip:request", "method": "IN FO"}),
        json!({"verb": "sip:request", "method": "INFO", "body": 5}),
        json!({"verb": "sip:request", "method": "INFO", "body": "x".repeat(40_000)}),
        json!({"verb": "sip:request", "method": "INFO", "headers": {"X-A": "1\r\nVia: x"}}),
        json!({"verb": "sip:request", "method": "INFO", "headers": {"Content-Type": "a/b\r\nX: y"}}),
        json!({"verb": "sip:request", "method": "INFO", "headers": {"Content-Type": "text"}}),
        json!({"verb": "sip:refer"}),
        json!({"verb": "sip:refer", "referTo": ""}),
        json!({"verb": "sip:refer", "referTo": "sip:a@b>\r\nVia: x"}),
        json!({"verb": "sip:refer", "referTo": "a b"}),
        json!({"verb": "sip:refer", "referTo": "a", "referredBy": "<b>"}),
        json!({"verb": "sip:refer", "referTo": "a", "referredByDisplayName": "b\u{0}"}),
        json!({"verb": "config", "referHook": 5}),
        json!({"verb": "config", "sipRequestWithinDialogHook": {"method": "POST"}}),
    ] {
        assert!(one(bad.clone()).is_err(), "{bad}");
    }
}
