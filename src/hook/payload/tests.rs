//! The bodies, key by key, in the contract's order.

use std::time::Duration;

use super::*;
use crate::hook::CallFacts;
use crate::model::call::{CallStatus, EndedBy};
use crate::model::{ApplicationSid, CallSid, ServiceProviderSid};

fn base(direction: Direction) -> BaseFields {
    BaseFields::new(Arc::new(CallFacts {
        call_sid: CallSid::random(),
        account_sid: AccountSid::random(),
        service_provider_sid: ServiceProviderSid::random(),
        application_sid: Some(ApplicationSid::random()),
        direction,
        from: "1001".into(),
        to: "15551230000".into(),
        caller_name: String::new(),
        call_id: "abc@10.0.0.1".into(),
        trace_id: "0123456789abcdef0123456789abcdef".into(),
        fs_sip_address: "192.0.2.1:5060".into(),
        fs_public_ip: Some("198.51.100.1".into()),
        api_base_url: Some("http://api.example.com/v1".into()),
        originating_sip_ip: Some("192.0.2.9".into()),
        originating_sip_trunk_name: Some("carrier".into()),
        parent_call_sid: None,
        caller_id: None,
    }))
}

fn keys(map: &Map<String, Value>) -> Vec<&str> {
    map.keys().map(String::as_str).collect()
}

fn invite() -> InviteText {
    let headers = [
        ("Via", "SIP/2.0/UDP a"),
        ("Via", "SIP/2.0/UDP b"),
        ("From", "<sip:1001@example.com>"),
        ("X-Foo-Bar", "1"),
        ("x-low", "2"),
        ("P-Own", "3"),
    ];
    InviteText {
        request_uri: "sip:15551230000@example.com".into(),
        called_number: "15551230000".into(),
        calling_number: "1001".into(),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        body: "v=0\r\n".into(),
        raw: "INVITE sip:15551230000@example.com SIP/2.0\r\n\r\nv=0\r\n".into(),
        parts: vec![("application/sdp".into(), "v=0\r\n".into())],
        source_address: "192.0.2.9".into(),
        source_port: 5070,
        transport: "udp".into(),
    }
}

#[test]
fn base_fields_come_in_the_contracts_order() {
    let mut inbound = base(Direction::Inbound);
    inbound.call_status = CallStatus::Completed;
    inbound.ended_by = Some(EndedBy::Caller);
    inbound.duration = Some(7);
    inbound.customer_data = Some(Arc::new(Map::from_iter([("aB".to_owned(), json!(1))])));
    inbound.bye_headers = Some(Arc::new(Map::from_iter([("X-Foo-Bar".to_owned(), json!("1"))])));
    inbound.sip_reason_header = Some("Q.850;cause=16".into());
    let map = plain(&inbound);
    assert_eq!(
        keys(&map),
        [
            "call_sid",
            "direction",
            "from",
            "to",
            "call_id",
            "sbc_callid",
            "sip_status",
            "sip_reason",
            "call_status",
            "account_sid",
            "application_sid",
            "trace_id",
            "fs_sip_address",
            "fs_public_ip",
            "originating_sip_ip",
            "originating_sip_trunk_name",
            "call_termination_by",
            "duration",
            "customerData",
            "headers",
            "api_base_url",
            "sip_reason_header",
        ]
    );
    assert_eq!(map["customerData"], json!({"aB": 1}));
    assert_eq!(map["headers"], json!({"x_foo_bar": "1"}));
}

#[test]
fn queue_events_are_told_in_snake_case_with_epoch_milliseconds() {
    let caller = Arc::new(base(Direction::Inbound));
    let mut agent = base(Direction::Outbound);
    agent.customer_data = Some(Arc::new(Map::from_iter([("aB".to_owned(), json!(1))])));
    let agent = Arc::new(agent);
    let at = OffsetDateTime::from_unix_timestamp_nanos(1_700_000_000_123_456_789).unwrap();
    let body = |event: QueueChange| {
        let status =
            QueueStatus { base: caller.clone(), queue: "support".into(), length: 2, at, event };
        let all = Value::Object(status.to_json());
        assert_eq!(all["call_sid"], caller.facts.call_sid.to_string());
        assert_eq!((&all["queue"], &all["length"]), (&json!("support"), &json!(2)));
        all
    };
    let join = body(QueueChange::Join);
    assert_eq!(
        (&join["event"], &join["join_time"]),
        (&json!("join"), &json!(1_700_000_000_123_i64))
    );
    assert!(join.get("leave_reason").is_none() && join.get("leave_time").is_none());
    for (change, reason) in [
        (QueueChange::Abandoned, "abandoned"),
        (QueueChange::Removed, "removed"),
        (QueueChange::Dequeued(None), "dequeued"),
        (QueueChange::Dequeued(Some(agent.clone())), "dequeued"),
    ] {
        let is_known = matches!(change, QueueChange::Dequeued(Some(_)));
        let leave = body(change);
        assert_eq!((&leave["event"], &leave["leave_reason"]), (&json!("leave"), &json!(reason)));
        assert_eq!(leave["leave_time"], 1_700_000_000_123_i64);
        assert!(leave.get("join_time").is_none());
        assert_eq!(leave.get("dequeuer").is_some(), is_known);
        if is_known {
            assert_eq!(leave["dequeuer"]["direction"], "outbound");
            assert_eq!(leave["dequeuer"]["customerData"], json!({"aB": 1}));
        }
    }
}

#[test]
fn absent_values_are_left_out() {
    let mut outbound = base(Direction::Outbound);
    let facts = CallFacts {
        application_sid: None,
        fs_public_ip: None,
        api_base_url: None,
        ..(*outbound.facts).clone()
    };
    outbound.facts = Arc::new(facts);
    assert_eq!(
        keys(&plain(&outbound)),
        [
            "call_sid",
            "direction",
            "from",
            "to",
            "call_id",
            "sip_status",
            "sip_reason",
            "call_status",
            "account_sid",
            "trace_id",
            "fs_sip_address",
        ]
    );
}

#[test]
fn an_inbound_session_starts_with_the_invite_in_plain_words() {
    let invite = invite();
    let speech = SpeechDefaults {
        synthesis_vendor: Some("google".into()),
        synthesis_language: Some("en-US".into()),
        recognizer_vendor: Some("google".into()),
        recognizer_label: Some("mine".into()),
        ..SpeechDefaults::default()
    };
    let vars = Map::from_iter([("MY_Var".to_owned(), json!("x"))]);
    let extras =
        SessionExtras { defaults: Some(&speech), env_vars: Some(&vars), invite: Some(&invite) };
    let map = session_new(&base(Direction::Inbound), &extras);
    assert_eq!(
        keys(&map)[17..],
        [
            "caller_name",
            "has_recording",
            "local_sip_address",
            "public_ip",
            "service_provider_sid",
            "sip",
            "defaults",
            "env_vars",
        ]
    );
    assert_eq!(map["caller_name"], "");
    assert_eq!(
        map["sip"],
        json!({
            "headers": {
                "via": "SIP/2.0/UDP a, SIP/2.0/UDP b",
                "from": "<sip:1001@example.com>",
                "X-Foo-Bar": "1",
                "x-foo-bar": "1",
                "x-low": "2",
                "P-Own": "3",
                "p-own": "3",
            },
            "raw": "INVITE sip:15551230000@example.com SIP/2.0\r\n\r\nv=0\r\n",
            "body": "v=0\r\n",
            "method": "INVITE",
            "version": "2.0",
            "uri": "sip:15551230000@example.com",
            "type": "request",
            "calledNumber": "15551230000",
            "callingNumber": "1001",
            "payload": [{"type": "application/sdp", "content": "v=0\r\n"}],
            "source": "network",
            "source_address": "192.0.2.9",
            "source_port": 5070,
            "protocol": "udp",
        })
    );
    assert_eq!(
        map["defaults"],
        json!({
            "synthesizer": {"vendor": "google", "language": "en-US"},
            "recognizer": {"vendor": "google", "label": "mine"},
        })
    );
    assert_eq!(map["env_vars"], json!({"MY_Var": "x"}));
}

#[test]
fn an_outbound_session_has_no_invite_to_show() {
    let vars = Map::new();
    let extras = SessionExtras { defaults: None, env_vars: Some(&vars), invite: None };
    let map = session_new(&base(Direction::Outbound), &extras);
    assert_eq!(map, plain(&base_of(&map)));
}

/// The same call's plain payload.
fn base_of(map: &Map<String, Value>) -> BaseFields {
    let mut same = base(Direction::Outbound);
    let sid = |name: &str| map[name].as_str().unwrap_or_default().to_owned();
    same.facts = Arc::new(CallFacts {
        call_sid: CallSid::parse(&sid("call_sid")).unwrap(),
        account_sid: AccountSid::parse(&sid("account_sid")).unwrap(),
        application_sid: ApplicationSid::parse(&sid("application_sid")),
        ..(*same.facts).clone()
    });
    same
}

#[test]
fn results_follow_the_base_fields_and_the_verbs_id_closes() {
    let results =
        Map::from_iter([("digits".to_owned(), json!("12")), ("reason".to_owned(), json!("x"))]);
    let map = action(&base(Direction::Inbound), results, Some("v1"));
    assert_eq!(keys(&map)[17..], ["digits", "reason", "verb_id"]);
    let map = action(&base(Direction::Inbound), Map::new(), None);
    assert!(map.get("verb_id").is_none());
}

#[test]
fn a_conferences_event_is_about_one_member() {
    let member = base(Direction::Inbound);
    let account = member.facts.account_sid;
    let status = ConferenceStatus {
        base: Arc::new(member),
        event: "join",
        account,
        name: "lobby".into(),
        duration: Duration::from_micros(1_234_567).as_secs_f64(),
        members: 2,
        time: OffsetDateTime::UNIX_EPOCH + Duration::from_millis(1_795_462_092_007),
    };
    let map = status.to_json();
    let tail: Map<String, Value> = map.into_iter().skip(17).collect();
    assert_eq!(
        Value::Object(tail),
        json!({
            "event": "join",
            "conference_sid": format!("conf:{account}:lobby"),
            "friendly_name": "lobby",
            "duration": 1.235,
            "members": 2,
            "time": "2026-11-23T19:28:12.007Z",
        })
    );
}

#[test]
fn an_invite_does_not_print_its_credentials() {
    let mut invite = invite();
    invite.raw = "Authorization: Digest response=\"hunter2\"".into();
    assert!(!format!("{invite:?}").contains("hunter2"));
}
