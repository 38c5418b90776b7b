//! Sessions in virtual time: what is said, what is waited for, and what a loss does.

use serde_json::json;

use super::*;
use crate::hook::ConnectFault;

struct Story {
    session: Session,
    now: Instant,
}

impl Story {
    fn new() -> Self {
        let rules = Rules {
            call_sid: CallSid::random(),
            shown: "ws://app/".into(),
            prefix: "m".into(),
            schedule: Schedule::of_socket(None),
            ack_timeout: Duration::from_secs(5),
        };
        Self { session: Session::new(rules), now: Instant::now() }
    }

    /// A session whose first message was acknowledged as `m-1`.
    fn open() -> Self {
        let mut story = Self::new();
        story.send(new(1));
        story.session.connected(story.now);
        assert_eq!(story.told(), ["connect", "session:new m-1"]);
        story.hear(json!({"type": "ack", "msgid": "m-1", "data": [{"verb": "answer"}]}));
        assert_eq!(story.told(), [r#"reply 1 [{"verb":"answer"}]"#]);
        story
    }

    fn send(&mut self, message: Message) {
        self.session.send(message, self.now);
    }

    #[allow(clippy::needless_pass_by_value, reason = "json! literals read best by value")]
    fn hear(&mut self, message: Value) {
        self.session.text(&message.to_string(), self.now);
    }

    fn wait(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.session.on_time(self.now);
    }

    fn fail(&mut self) {
        let url = "ws://app/".into();
        let error = HookError::Connect { url, fault: ConnectFault::Refused };
        self.session.connect_failed(error, self.now);
    }

    /// All that followed, as short lines.
    fn told(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.session.poll()).map(|output| line(&output)).collect()
    }

    fn wakes_in(&self) -> Option<u64> {
        let wait = self.session.wake()?.duration_since(self.now);
        Some(u64::try_from(wait.as_millis()).unwrap())
    }
}

fn line(output: &Output) -> String {
    match output {
        Output::Connect => "connect".into(),
        Output::Send(text) => {
            let value: Value = serde_json::from_str(text).unwrap();
            assert!(value["data"].is_object() && value["call_sid"].is_string(), "{text}");
            let word = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
            [word("type"), word("msgid"), word("hook")].join(" ").trim().to_owned()
        }
        Output::Close(code) => format!("close {code}"),
        Output::Reply(Reply { id, result }) => match result {
            Ok(HookReply { body: None }) => format!("reply {} nothing", id.0),
            Ok(HookReply { body: Some(body) }) => format!("reply {} {body}", id.0),
            Err(error) => format!("fail {} {}", id.0, error.x_reason()),
        },
        Output::Command(command) => format!("command {}", command.name),
        Output::Alert(alert) => format!("alert {}", alert.kind.as_str()),
        Output::Ended(ending) => format!("ended {ending:?}"),
        Output::Done => "done".into(),
    }
}

fn message(kind: MessageType, hook: Option<&str>, reply_to: Option<u64>) -> Message {
    Message {
        kind,
        hook: hook.map(Into::into),
        data: Map::from_iter([("first".to_owned(), json!(true))]),
        reply_to: reply_to.map(HookId),
    }
}

fn new(id: u64) -> Message {
    message(MessageType::SessionNew, None, Some(id))
}

fn hook(name: &str, id: u64) -> Message {
    message(MessageType::VerbHook, Some(name), Some(id))
}

fn status() -> Message {
    message(MessageType::CallStatus, None, None)
}

#[test]
fn the_first_message_opens_the_socket_and_the_others_follow_in_order() {
    let mut story = Story::new();
    story.send(status());
    story.send(new(1));
    story.send(hook("/a", 2));
    assert_eq!(story.told(), ["connect"]);
    story.session.connected(story.now);
    assert_eq!(story.told(), ["call:status m-1", "session:new m-2", "verb:hook m-3 /a"]);
    // Acks are matched by their msgid alone, in whatever order, once.
    story.hear(json!({"type": "ack", "msgid": "m-3", "data": []}));
    story.hear(json!({"type": "ack", "msgid": "m-3", "data": [1]}));
    story.hear(json!({"type": "ack", "msgid": "m-1"}));
    story.hear(json!({"type": "ack", "msgid": "m-2", "data": [2]}));
    assert_eq!(story.told(), ["reply 2 []", "reply 1 [2]"]);
    assert_eq!(story.wakes_in(), None);
}

#[test]
fn a_question_is_waited_for_so_long_and_a_late_answer_is_nobodys() {
    let mut story = Story::open();
    story.send(hook("/a", 2));
    story.wait(2000);
    story.send(hook("/b", 3));
    assert_eq!(story.told(), ["verb:hook m-2 /a", "verb:hook m-3 /b"]);
    assert_eq!(story.wakes_in(), Some(3000));
    story.wait(3000);
    assert_eq!(story.told(), ["fail 2 webhook timeout"]);
    story.hear(json!({"type": "ack", "msgid": "m-2"}));
    story.hear(json!({"type": "ack", "msgid": "m-3"}));
    assert_eq!(story.told(), ["reply 3 nothing"]);
}

#[test]
fn a_command_that_names_a_message_answers_it() {
    let mut story = Story::open();
    story.send(hook("/a", 2));
    let verbs = json!([{"verb": "hangup"}]);
    story.hear(json!({"type": "command", "command": "redirect", "queueCommand": true,
        "msgid": "m-2", "data": verbs}));
    assert_eq!(story.told(), ["verb:hook m-2 /a", "reply 2 nothing", "command redirect"]);
    story.hear(json!({"type": "command", "command": "tag", "msgid": "m-2", "data": {}}));
    assert_eq!(story.told(), ["command tag"]);

    let mut first = Story::new();
    first.send(new(1));
    first.session.connected(first.now);
    first.hear(json!({"type": "command", "command": "redirect", "msgid": "m-1", "data": verbs}));
    let told = ["connect", "session:new m-1", r#"reply 1 [{"verb":"hangup"}]"#];
    assert_eq!(first.told(), told);
}

#[test]
fn what_cannot_be_read_is_said_back_and_changes_nothing() {
    let mut story = Story::open();
    story.session.text("{\"type\":", story.now);
    let told: Vec<Output> = std::iter::from_fn(|| story.session.poll()).collect();
    let Output::Send(text) = &told[1] else { panic!("{told:?}") };
    let error: Value = serde_json::from_str(text).unwrap();
    assert_eq!(error["type"], "jambonz:error");
    let data = json!({"msg": "InvalidMessage", "details": "not JSON", "content": "{\"type\":"});
    assert_eq!(error["data"], data);
    story.session.binary();
    assert_eq!(story.told(), ["alert invalid-app-payload", "jambonz:error m-3"]);
    for _ in 0..30 {
        story.session.binary();
    }
    let alerts = story.told().iter().filter(|line| line.starts_with("alert")).count();
    assert_eq!(alerts, 14, "there are 16 at most");
}

#[test]
fn a_socket_that_cannot_be_opened_is_tried_six_times() {
    let mut story = Story::new();
    story.send(new(1));
    for wait in [500, 1000, 2000, 4000, 6000] {
        assert_eq!(story.told(), ["connect"]);
        story.fail();
        assert_eq!(story.wakes_in(), Some(wait));
        story.wait(wait);
    }
    assert_eq!(story.told(), ["connect"]);
    story.fail();
    assert_eq!(story.told(), ["fail 1 webhook connection failure"]);
    // Nothing of this session was heard: what comes next tries anew, and an event has its own alert.
    story.send(status());
    assert_eq!(story.told(), ["connect"]);
    let url = "ws://app/".into();
    story.session.connect_failed(HookError::Status { url, status: 404 }, story.now);
    assert_eq!(story.told(), ["alert webhook-failure"]);
    story.session.close();
    assert_eq!(story.told(), ["done"]);
}

#[test]
fn a_lost_socket_is_opened_again_and_the_session_taken_up_first() {
    let mut story = Story::open();
    story.send(hook("/a", 2));
    story.session.closed(Some(1006), story.now);
    assert_eq!(story.told(), ["verb:hook m-2 /a", "fail 2 websocket closed"]);
    story.send(status());
    story.send(hook("/b", 3));
    assert_eq!(story.wakes_in(), Some(500));
    story.wait(500);
    story.fail();
    assert_eq!(story.wakes_in(), Some(1000));
    story.wait(1000);
    story.session.connected(story.now);
    assert_eq!(story.told(), ["connect", "connect", "session:reconnect m-3"]);
    // An ack of before means nothing now; this one's verbs are a repeat of the first.
    story.hear(json!({"type": "ack", "msgid": "m-2", "data": [1]}));
    story.hear(json!({"type": "ack", "msgid": "m-3", "data": [1]}));
    assert_eq!(story.told(), ["call:status m-4", "verb:hook m-5 /b"]);
    // The count begins anew.
    story.session.lost(story.now);
    assert_eq!(story.wakes_in(), Some(500));
}

#[test]
fn a_loss_before_the_first_ack_has_the_next_socket_supply_the_verbs() {
    let mut story = Story::new();
    story.send(new(1));
    story.session.connected(story.now);
    story.session.lost(story.now);
    story.wait(500);
    story.session.connected(story.now);
    let told = ["connect", "session:new m-1", "connect", "session:reconnect m-2"];
    assert_eq!(story.told(), told);
    story.hear(json!({"type": "ack", "msgid": "m-2", "data": [1]}));
    assert_eq!(story.told(), ["reply 1 [1]"]);
}

#[test]
fn who_waits_for_the_first_ack_after_a_loss_is_answered_when_the_session_ends() {
    let lost = || {
        let mut story = Story::new();
        story.send(new(1));
        story.session.connected(story.now);
        story.session.lost(story.now);
        assert_eq!(story.told(), ["connect", "session:new m-1"]);
        story
    };
    // The call ends meanwhile.
    let mut ended = lost();
    ended.session.close();
    assert_eq!(ended.told(), ["reply 1 nothing", "done"]);
    let mut resuming = lost();
    resuming.wait(500);
    resuming.session.connected(resuming.now);
    resuming.session.close();
    let told = ["connect", "session:reconnect m-2", "reply 1 nothing", "close 1001", "done"];
    assert_eq!(resuming.told(), told);

    // The application does not want it any more.
    let mut declined = lost();
    declined.wait(500);
    declined.session.connected(declined.now);
    declined.session.closed(Some(1000), declined.now);
    let told = ["connect", "session:reconnect m-2", "fail 1 websocket closed", "ended Graceful"];
    assert_eq!(declined.told(), told);
}

#[test]
fn a_session_that_is_not_taken_up_again_is_given_up() {
    let mut story = Story::open();
    story.session.lost(story.now);
    story.send(hook("/a", 2));
    story.wait(500);
    story.session.connected(story.now);
    assert_eq!(story.told(), ["connect", "session:reconnect m-2"]);
    story.wait(5000);
    assert_eq!(story.told(), ["close 1001"]);
    for wait in [1000, 2000, 4000, 8000] {
        assert_eq!(story.wakes_in(), Some(wait));
        story.wait(wait);
        assert_eq!(story.told(), ["connect"]);
        story.fail();
    }
    let told = ["alert webhook-connection-failure", "reply 2 nothing", "ended Unreachable"];
    assert_eq!(story.told(), told);
    // What the verbs ask from here on is answered with nothing: they go on to their end.
    story.send(hook("/b", 3));
    story.send(status());
    assert_eq!(story.told(), ["reply 3 nothing"]);
    story.session.close();
    assert_eq!(story.told(), ["done"]);
}

#[test]
fn a_close_in_order_is_the_applications_last_word() {
    let mut story = Story::open();
    story.send(hook("/a", 2));
    story.told();
    story.session.closed(Some(1000), story.now);
    assert_eq!(story.told(), ["reply 2 nothing", "ended Graceful"]);
    story.send(hook("/b", 3));
    story.send(status());
    assert_eq!(story.told(), ["reply 3 nothing"]);
    assert_eq!(story.wakes_in(), None);

    let mut early = Story::new();
    early.send(new(1));
    early.session.connected(early.now);
    early.session.closed(Some(1000), early.now);
    let told = ["connect", "session:new m-1", "fail 1 websocket closed", "ended Graceful"];
    assert_eq!(early.told(), told);

    // It took what was no session as one: the session has a socket of its own.
    let mut deaf = Story::new();
    deaf.send(status());
    deaf.session.connected(deaf.now);
    deaf.session.closed(Some(1000), deaf.now);
    deaf.send(new(1));
    assert_eq!(deaf.told(), ["connect", "call:status m-1", "connect"]);
}

#[test]
fn the_end_of_the_call_is_said_and_then_the_socket_closes() {
    let mut story = Story::open();
    story.send(hook("/a", 2));
    story.send(status());
    story.session.close();
    let told = ["verb:hook m-2 /a", "call:status m-3", "reply 2 nothing", "close 1000", "done"];
    assert_eq!(story.told(), told);

    let mut failed = Story::new();
    failed.send(new(1));
    failed.session.connected(failed.now);
    failed.wait(5000);
    failed.session.close();
    let told = ["connect", "session:new m-1", "fail 1 webhook timeout", "close 1001", "done"];
    assert_eq!(failed.told(), told);

    // Still connecting: what happened is told when there is a socket, and no session begins any more.
    let mut quick = Story::new();
    quick.send(status());
    quick.send(new(1));
    quick.send(status());
    quick.session.close();
    quick.session.connected(quick.now);
    let told = ["connect", "reply 1 nothing", "call:status m-1", "call:status m-2"];
    assert_eq!(quick.told()[..4], told);
}

#[test]
fn silence_is_never_taken_for_a_yes_to_a_child() {
    let confirm = |id| message(MessageType::DialConfirm, Some("/take"), Some(id));
    let mut gone = Story::open();
    gone.send(confirm(2));
    gone.told();
    gone.session.closed(Some(1000), gone.now);
    gone.send(confirm(3));
    let told = ["fail 2 websocket closed", "ended Graceful", "fail 3 websocket closed"];
    assert_eq!(gone.told(), told);

    let mut over = Story::open();
    over.send(confirm(2));
    over.session.close();
    over.send(confirm(3));
    let told = over.told();
    assert!(told.contains(&"fail 2 websocket closed".to_owned()), "{told:?}");
    assert!(told.contains(&"fail 3 websocket closed".to_owned()), "{told:?}");

    let mut lost = Story::open();
    lost.session.lost(lost.now);
    lost.send(confirm(2));
    for _ in 0..5 {
        lost.wait(8000);
        lost.fail();
    }
    let told = lost.told();
    assert!(told.contains(&"fail 2 websocket closed".to_owned()), "{told:?}");

    // Verbs that come as a command are the child's, not the session's.
    let mut late = Story::open();
    late.send(confirm(2));
    late.hear(json!({"type": "command", "command": "redirect", "queueCommand": true,
        "msgid": "m-2", "data": [{"verb": "hangup"}]}));
    assert_eq!(late.told(), ["dial:confirm m-2 /take", r#"reply 2 [{"verb":"hangup"}]"#]);
}

#[test]
fn what_waits_is_bounded() {
    let mut story = Story::new();
    for id in 0..300 {
        story.send(hook("/a", id));
    }
    let told = story.told();
    assert_eq!((told.len(), told[1].as_str()), (45, "fail 256 websocket closed"));
}
