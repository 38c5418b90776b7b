//! Calls whose application speaks over a WebSocket.

use super::*;

const SOCKET: &str = "ws://app.example.com/call";

fn over_socket(direction: Direction, status: Option<&str>) -> Story {
    let mut setup = setup(direction);
    setup.application.call_hook = Some(Hook::post(SOCKET));
    setup.application.status_hook = status.map(Hook::post);
    Story::new(setup)
}

/// An answered inbound call whose list has run out.
fn waiting() -> Story {
    let mut story = over_socket(Direction::Inbound, None);
    assert_eq!(story.tell(Input::Start), [format!("SessionNew {SOCKET}")]);
    assert_eq!(story.reply(json!([{"verb": "answer"}])), ["event trying 100", "200"]);
    assert_eq!(story.tell(Input::Answered), ["event in-progress 200"]);
    story
}

impl Story {
    #[allow(clippy::needless_pass_by_value, reason = "json! literals read best by value")]
    fn order(&mut self, verbs: Value, append: bool) -> Vec<String> {
        let verbs = verb::parse(&verbs).unwrap();
        let mut out = Vec::new();
        self.state.take_verbs(self.now, self.wall, verbs, append, &mut out);
        self.take(out)
    }
}

#[test]
fn a_list_that_ran_out_waits_for_commands_and_events_go_over_the_socket() {
    let mut story = waiting();
    assert!(story.events.iter().all(|event| event.target.session_hook().is_some()));
    let log = story.order(json!([{"verb": "play", "url": "/a.wav"}]), true);
    assert_eq!(log, ["play http://app.example.com/a.wav"]);
    assert_eq!(story.order(json!([{"verb": "redirect", "actionHook": "next"}]), true), [""; 0]);
    assert_eq!(story.order(json!([{"verb": "pause", "length": 1}]), false), ["stop play"]);
    assert_eq!(story.pass(1.0), [""; 0]);
    let log = story.order(json!([{"verb": "redirect", "actionHook": "next"}]), false);
    assert_eq!(log, ["SessionRedirect next"]);
    assert_eq!(story.reply(json!([])), [""; 0], "it waits again");
    assert_eq!(story.order(json!([{"verb": "hangup"}]), true)[0], "BYE");
}

#[test]
fn an_application_that_is_gone_has_its_verbs_done_and_then_the_call_ends() {
    let mut idle = waiting();
    assert_eq!(idle.tell(Input::ApplicationGone)[0], "BYE");

    let mut busy = waiting();
    busy.order(json!([{"verb": "pause", "length": 3}]), false);
    assert_eq!(busy.tell(Input::ApplicationGone), [""; 0]);
    assert_eq!(busy.pass(3.0)[0], "BYE");
}

#[test]
fn a_failed_start_is_said_to_a_status_hook_and_not_over_the_socket() {
    let mut silent = over_socket(Direction::Inbound, None);
    silent.tell(Input::Start);
    let log = silent.fail_hook(refused());
    assert_eq!(log[1], "480 Temporarily Unavailable [X-Reason: webhook connection failure]");
    assert_eq!(log[2], "ended: failed");

    let mut told = over_socket(Direction::Inbound, Some(STATUS));
    told.tell(Input::Start);
    assert_eq!(told.fail_hook(refused())[2], "event failed 480 by jambonz");
    assert!(told.events[0].target.session_hook().is_none());
}

#[test]
fn an_outbound_call_tells_of_itself_before_its_session_begins() {
    let mut story = over_socket(Direction::Outbound, None);
    assert_eq!(story.tell(Input::Start), ["event trying 100"]);
    // What is ordered before anybody answers is what the session begins with.
    assert_eq!(story.order(json!([{"verb": "pause", "length": 9}]), false), [""; 0]);
    let log = story.tell(Input::Answered);
    assert_eq!(log, ["event in-progress 200"]);
    assert_eq!(story.pass(9.0)[0], "BYE", "no session, so nothing to wait for");
}

#[test]
fn a_redirect_moves_the_session_when_it_was_answered() {
    let mut story = Story::talking(json!([{"verb": "pause", "length": 900}]));
    let log = story.update(json!({"call_hook": "ws://b.example.com/x"})).unwrap();
    assert_eq!(log, ["SessionNew ws://b.example.com/x"]);
    let id = story.hooks.last().unwrap().id.0;
    let log = story.reply(json!([{"verb": "redirect", "actionHook": "/again"}]));
    assert_eq!(log, [format!("session moves to Some({id})"), "SessionRedirect /again".into()]);
    story.reply(json!([]));

    let log = story.update(json!({"call_hook": "ws://c.example.com/x"})).unwrap();
    assert_eq!(log, ["SessionRedirect ws://c.example.com/x"]);
    assert_eq!(story.fail_hook(refused()).len(), 1, "an alert, and the old application goes on");
    story.update(json!({"call_hook": "http://d.example.com/x"})).unwrap();
    let log = story.reply(json!([{"verb": "pause", "length": 1}]));
    assert_eq!(log, ["session moves to None"]);
    assert_eq!(story.pass(1.0)[0], "BYE", "an HTTP application has nothing more to say");
}

/// A call that the call of a WebSocket application has dialled, and that talks with it.
fn child_of_socket() -> Story {
    let base = crate::hook::Base::of(&Hook::post(SOCKET));
    let facts = Arc::new(facts(Direction::Inbound));
    let parent = crate::call::child::Parent {
        fields: BaseFields::new(facts.clone()),
        facts,
        status: base.session_socket(),
        base,
        confirm_hook: None,
        refer_hook: None,
    };
    let (application, parent) = (Application::default(), Some(Box::new(parent)));
    let mut story = Story::new(Setup { application, parent, ..setup(Direction::Outbound) });
    assert_eq!(story.tell(Input::Start), ["event trying 100"]);
    assert!(story.events[0].target.session_hook().is_some());
    story.tell(Input::Answered);
    story
}

#[test]
fn a_child_that_moves_to_http_tells_nothing_to_the_socket_it_had() {
    let mut story = child_of_socket();
    let own = ParentWord::Redirect(Hook::post("http://other.example.com/own"));
    story.tell(Input::Parent(Box::new(own)));
    let log = story.reply(json!([{"verb": "hangup"}]));
    assert!(log.contains(&"session moves to None".to_owned()), "{log:?}");
    assert!(log.contains(&"BYE".to_owned()), "{log:?}");
    assert!(!log.iter().any(|line| line.starts_with("event")), "{log:?}");
}

#[test]
fn a_child_with_verbs_of_its_own_is_a_session_of_its_own() {
    let adult = || {
        let mut story = child_of_socket();
        let verbs = verb::parse(&json!([{"verb": "pause", "length": 1}])).unwrap();
        let log = story.tell(Input::Parent(Box::new(ParentWord::Adult(verbs))));
        assert_eq!(log, ["exit bridge", "tell parent Left", "SessionAdulting "]);
        story
    };
    let mut story = adult();
    let asked = story.hooks.last().unwrap();
    assert_eq!(asked.target.url.as_str(), format!("{SOCKET}/adulting"));
    let told = story.last_hook();
    assert_eq!(told["direction"], "outbound");
    assert_eq!(told["parent_call_info"]["direction"], "inbound");
    assert_eq!(told["parent_call_info"]["call_status"], "in-progress");
    assert_eq!(story.pass(1.0), [""; 0], "it may still be told what to do");
    assert_eq!(story.reply(json!([])), [""; 0]);
    let log = story.order(json!([{"verb": "redirect", "actionHook": "next"}]), true);
    assert_eq!(log, ["SessionRedirect next"], "it waits for commands");
    let log = story.reply(json!([{"verb": "hangup"}]));
    assert_eq!(log[..2], ["BYE", "event completed 200 by jambonz after 1"]);
    let told = story.events.last().unwrap();
    assert_eq!(told.target.url.as_str(), format!("{SOCKET}/adulting"));

    let mut story = adult();
    let log = story.reply(json!([{"verb": "play", "url": "/a.wav"}]));
    assert_eq!(log, ["play http://app.example.com/a.wav"]);

    // It is not reached: what the call came with is all there is.
    let mut story = adult();
    let log = story.fail_hook(refused());
    assert!(log.len() == 1 && log[0].starts_with("alert webhook-connection-failure"), "{log:?}");
    let log = story.pass(1.0);
    assert_eq!(log.len(), 2, "no event is told to it: {log:?}");
    assert_eq!(log[0], "BYE");
}

#[test]
fn a_status_hook_that_is_a_socket_is_the_sessions_or_nobodys() {
    let mut own = over_socket(Direction::Outbound, Some("ws://app.example.com/status"));
    assert_eq!(own.tell(Input::Start), ["event trying 100"]);
    assert_eq!(own.events[0].target.url.as_str(), SOCKET);

    let mut setup = setup(Direction::Outbound);
    setup.application.status_hook = Some(Hook::post("ws://app.example.com/status"));
    let log = Story::new(setup).tell(Input::Start);
    let alert = "alert webhook-connection-failure: hook cannot be asked over a websocket: \
                 ws://app.example.com/status";
    assert_eq!(log, [alert]);
}

#[test]
fn who_was_brought_into_a_conference_hangs_up_after_it_unless_a_hook_says_what_follows() {
    for (action_hook, expected) in [(None, "BYE"), (Some(Hook::post("/after")), "VerbHook /after")]
    {
        let mut story = waiting();
        let has_hook = action_hook.is_some();
        let mut room = verb::Conference::named("hall").unwrap();
        room.action_hook = action_hook;
        let mut out = Vec::new();
        story.state.enter_room(story.now, story.wall, room, &mut out).unwrap();
        story.take(out);
        let id = verb::RunId(story.state.runs);
        let event = verb::ConferenceEvent::Left(verb::LeaveReason::Kicked);
        assert_eq!(story.tell(Input::Conference { id, event })[0], expected);
        if has_hook {
            assert_eq!(story.reply(json!([])), [""; 0], "the application may still say something");
            assert!(story.state.is_answered());
        }
    }
}
