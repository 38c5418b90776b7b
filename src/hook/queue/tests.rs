use std::sync::Mutex;
use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use super::*;
use crate::hook::HookConfig;
use crate::hook::test_server::{Answer, TestServer};
use crate::model::AddressPolicy;

fn client(limit: Duration) -> HookClient {
    let config = HookConfig {
        timeout: limit,
        addresses: AddressPolicy::loopback(),
        ..HookConfig::default()
    };
    HookClient::new(&config).unwrap()
}

fn event(number: usize) -> Map<String, Value> {
    let Value::Object(map) = json!({"number": number}) else { unreachable!() };
    map
}

fn hook(server: &TestServer) -> StatusHook {
    let client = client(Duration::from_secs(10));
    StatusHook::start(client, server.hook("/status"), Secret("s".into()), |error| {
        panic!("{error}");
    })
}

async fn finished(hook: &StatusHook) {
    timeout(Duration::from_secs(10), hook.finished()).await.expect("the line ends");
}

#[tokio::test]
async fn events_arrive_in_order_and_the_last_one_ends_the_line() {
    let mut server = TestServer::start(|_| Answer::status(200, "text/plain", "OK")).await;
    let hook = hook(&server);
    for number in 0..20 {
        hook.send(event(number));
    }
    hook.send_last(event(20));
    finished(&hook).await;
    for number in 0..=20 {
        let seen = server.seen().expect("all were sent");
        assert_eq!(seen.json(), json!({"number": number}));
        assert!(seen.header("jambonz-signature").is_some());
    }
    hook.send(event(21));
    hook.send_last(event(22));
    assert_eq!(hook.refused(), 2);
    assert!(server.seen().is_none());
}

#[tokio::test]
async fn the_next_event_waits_until_the_last_was_answered_or_has_failed() {
    // The first hangs; the second is sent only when the first has failed.
    let mut server = TestServer::start(|seen| match seen.number {
        0 => Answer::Hang(String::new()),
        1 => Answer::status(500, "text/plain", "broken"),
        _ => Answer::json("[]"),
    })
    .await;
    let failures = Arc::new(Mutex::new(Vec::new()));
    let told = failures.clone();
    let limit = Duration::from_millis(500);
    let sender = StatusSender::start(client(limit), move |error| {
        told.lock().unwrap().push(error);
    });
    let hook = sender.towards(server.hook("/status"), Secret("s".into()));
    for number in 0..3 {
        hook.send(event(number));
    }
    assert_eq!(server.next().await.json(), json!({"number": 0}));
    assert_eq!(server.next().await.json(), json!({"number": 1}));
    assert!(matches!(failures.lock().unwrap()[..], [HookError::Timeout { .. }]));
    assert_eq!(server.next().await.json(), json!({"number": 2}));
    hook.send_last(event(3));
    finished(&hook).await;
    assert_eq!(server.next().await.json(), json!({"number": 3}));
    let failures = failures.lock().unwrap();
    assert!(matches!(failures[..], [HookError::Timeout { .. }, HookError::Status { .. }]));
}

#[tokio::test]
async fn a_full_line_refuses_the_newest_but_never_the_last_event() {
    let mut server = TestServer::start(|_| Answer::json("[]")).await;
    let hook = hook(&server);
    // The task has had no turn yet, so the line only fills.
    for number in 0..LINE_LENGTH + 10 {
        hook.send(event(number));
    }
    assert_eq!(hook.refused(), 10);
    hook.send_last(event(9999));
    assert_eq!(hook.refused(), 10);
    finished(&hook).await;
    let mut numbers = Vec::new();
    while let Some(seen) = server.seen() {
        numbers.push(seen.json()["number"].as_u64().unwrap() as usize);
    }
    let expected: Vec<usize> = (0..LINE_LENGTH).chain([9999]).collect();
    assert_eq!(numbers, expected);
}

#[tokio::test]
async fn a_hook_that_hangs_delays_no_other_line() {
    let silent = TestServer::start(|_| Answer::Hang(String::new())).await;
    let mut server = TestServer::start(|_| Answer::json("[]")).await;
    let stuck = hook(&silent);
    stuck.send(event(0));
    stuck.send(event(1));
    let other = hook(&server);
    other.send_last(event(2));
    finished(&other).await;
    assert_eq!(server.next().await.json(), json!({"number": 2}));
}

#[tokio::test]
async fn a_line_is_idle_when_each_event_is_delivered_or_has_failed() {
    let mut server = TestServer::start(|seen| match seen.number {
        0 => Answer::Close,
        _ => Answer::json("[]"),
    })
    .await;
    let (failed, mut failures) = mpsc::unbounded_channel();
    let sender = StatusSender::start(client(Duration::from_secs(10)), move |_| {
        failed.send(()).unwrap();
    });
    assert!(sender.is_idle());
    let hook = sender.towards(server.hook("/status"), Secret("s".into()));
    hook.send(event(0));
    assert!(!sender.is_idle(), "it waits");
    failures.recv().await.unwrap();
    assert!(sender.is_idle(), "it has failed");
    hook.send(event(1));
    hook.send_last(event(2));
    finished(&hook).await;
    assert!(sender.is_idle());
    hook.send(event(3));
    assert!(sender.is_idle(), "it is refused");
    assert_eq!(server.next().await.json(), json!({"number": 0}));
}

#[tokio::test]
async fn a_line_without_senders_ends_when_it_is_empty() {
    let mut server = TestServer::start(|_| Answer::json("[]")).await;
    let hook = hook(&server);
    hook.send(event(0));
    hook.clone().send(event(1));
    drop(hook);
    assert_eq!(server.next().await.json(), json!({"number": 0}));
    assert_eq!(server.next().await.json(), json!({"number": 1}));
}

#[tokio::test]
async fn events_come_from_a_thread_without_a_runtime_and_their_bodies_are_made_elsewhere() {
    struct Fact(std::thread::ThreadId);
    impl StatusPayload for Fact {
        fn into_body(self: Box<Self>) -> Map<String, Value> {
            assert_ne!(self.0, std::thread::current().id());
            event(7)
        }
    }
    let mut server = TestServer::start(|_| Answer::json("[]")).await;
    let hook = hook(&server);
    std::thread::spawn(move || hook.send(Fact(std::thread::current().id()))).join().unwrap();
    assert_eq!(server.next().await.json(), json!({"number": 7}));
}

#[tokio::test]
async fn a_call_may_change_its_status_hook_within_one_line() {
    use crate::hook::{HookId, HookKind};
    use crate::model::CallSid;

    let mut server = TestServer::start(|_| Answer::json("[]")).await;
    let sender = StatusSender::start(client(Duration::from_secs(10)), |error| panic!("{error}"));
    let request = |number, path: &str| {
        Box::new(HookRequest {
            id: HookId(number as u64),
            kind: HookKind::CallStatus,
            call_sid: CallSid::random(),
            target: server.hook(path),
            body: event(number),
            secret: Secret("s".into()),
        })
    };
    sender.send(request(0, "/old"));
    sender.send(request(1, "/new"));
    sender.send_last(request(2, "/new"));
    for (number, line) in
        ["POST /old HTTP/1.1", "POST /new HTTP/1.1", "POST /new HTTP/1.1"].iter().enumerate()
    {
        let seen = server.next().await;
        assert_eq!((seen.line.as_str(), seen.json()), (*line, json!({"number": number})));
    }
    timeout(Duration::from_secs(10), sender.finished()).await.expect("the line ends");
}
