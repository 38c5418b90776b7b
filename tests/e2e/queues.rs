//! Queues: callers and agents brought together by verbs and over REST, judged by what they hear, what
//! their applications are told, and what reads show.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use support::{HookRequest, Reply};

use crate::stage::{Caller, LEVEL_DB, SOON, Stage};

const CALLER_HZ: f64 = 450.0;
const AGENT_HZ: f64 = 800.0;
const MUSIC_HZ: f64 = 1_500.0;
const MUSIC: &str = "tone_stream://%(2000,0,1500)";
/// A tone below this counts as gone.
const GONE_DB: f64 = LEVEL_DB - 30.0;
/// What a queue that is there for both may take to bring them together.
const MEETING: Duration = Duration::from_millis(200);
/// More than that, for a machine that does much else.
const BUSY: Duration = Duration::from_millis(800);

/// Whoever's name begins with `agent` takes the next caller, with what `agent` adds to the verb; all
/// others wait with what `caller` adds. Afterwards both go on for a while.
fn stage(caller: Value, agent: Value) -> Stage {
    let stage = Stage::new();
    for path in ["/after", "/served", "/events"] {
        stage.hooks.on(path, Reply::Status(204));
    }
    stage.hooks.on_json("/wait", json!([{"verb": "play", "url": MUSIC, "loop": "forever"}]));
    let hook = json!({"queue_event_hook": {"url": stage.hooks.url("/events"), "method": "POST"}});
    assert_eq!(stage.put("", &hook), 204);
    stage.hooks.on_fn("/call", move |request| {
        let (mut verb, more) = if request.text("from").starts_with("agent") {
            (json!({"verb": "dequeue", "name": "support", "actionHook": "/served"}), &agent)
        } else {
            let wait = json!({"verb": "enqueue", "name": "support", "waitHook": "/wait",
                "actionHook": "/after"});
            (wait, &caller)
        };
        if let (Some(verb), Value::Object(more)) = (verb.as_object_mut(), more) {
            verb.extend(more.clone());
        }
        Reply::Json(json!([verb, {"verb": "pause", "length": 30}]))
    });
    stage
}

fn plain() -> Stage {
    stage(json!({}), json!({}))
}

fn hears(listener: &Caller, hz: f64) -> bool {
    let heard = listener.rtp.listen(Duration::from_millis(60));
    heard.first_with(hz, LEVEL_DB - 12.0).is_some()
}

fn expect_hears(listener: &Caller, hz: f64) {
    support::wait::expect(&format!("{hz} Hz are heard"), SOON, || hears(listener, hz));
}

fn length(stage: &Stage) -> usize {
    let queues = stage.get("/Queues");
    let queue = queues.as_array().expect("a list").iter().find(|queue| queue["name"] == "support");
    queue.map_or(0, |queue| queue["length"].as_u64().expect("a number") as usize)
}

fn expect_length(stage: &Stage, expected: usize) {
    support::wait::expect(&format!("{expected} wait"), SOON, || length(stage) == expected);
}

/// What the hook at `path` was told of that call, last.
fn told(stage: &Stage, path: &str, call_sid: &str) -> HookRequest {
    let of_call = |request: &HookRequest| request.text("call_sid") == call_sid;
    let all = stage.hooks.wait_for(path, SOON, |requests| requests.iter().any(of_call));
    all.into_iter().rfind(of_call).expect("just seen")
}

/// The queue's events so far: what happened to whom, how long it was then, and why.
fn events(stage: &Stage, least: usize) -> Vec<(String, String, u64, String)> {
    let told = stage.hooks.wait_for("/events", SOON, |requests| requests.len() >= least);
    let text = |request: &HookRequest, name: &str| request.text(name).to_owned();
    told.iter()
        .map(|event| {
            let length = event.json["length"].as_u64().expect("a number");
            (text(event, "event"), text(event, "from"), length, text(event, "leave_reason"))
        })
        .collect()
}

fn event(what: &str, from: &str, length: u64, why: &str) -> (String, String, u64, String) {
    (what.to_owned(), from.to_owned(), length, why.to_owned())
}

fn call_path(caller: &Caller) -> String {
    format!("/Queues/support/Calls/{}", caller.call_sid)
}

#[test]
fn a_caller_waits_with_music_until_an_agent_is_there_and_goes_on_afterwards() {
    let stage = plain();
    let mut caller = stage.caller("carl", CALLER_HZ);
    expect_hears(&caller, MUSIC_HZ);
    let asked = &stage.hooks.requests("/wait")[0];
    assert_eq!(asked.text("call_sid"), caller.call_sid);
    let account = &stage.tenant.account_sid;
    assert_eq!(asked.text("queue_sid"), format!("queue:{account}:support"));
    assert_eq!((&asked.json["queue_size"], &asked.json["queue_position"]), (&json!(1), &json!(0)));
    assert!(asked.json["queue_time"].is_u64() && asked.json["call_id"].is_string());

    let shown = stage.get("/Queues/support");
    assert_eq!((&shown["length"], &shown["persistent"]), (&json!(1), &json!(false)));
    let waiting = stage.get("/Queues/support/Calls");
    assert_eq!(waiting[0]["call_sid"], caller.call_sid.as_str());
    assert_eq!((&waiting[0]["position"], &waiting[0]["priority"]), (&json!(0), &json!(999)));
    assert_eq!(waiting[0]["from"], "carl");
    assert_eq!(stage.get("/Queues/support/Calls/Front"), waiting[0]);

    let agent = stage.caller("agent", AGENT_HZ);
    let joined = SystemTime::now();
    expect_hears(&caller, AGENT_HZ);
    expect_hears(&agent, CALLER_HZ);
    let after = caller.rtp.heard();
    let first = after.first_with(AGENT_HZ, LEVEL_DB - 12.0).expect("just heard");
    let late = first.duration_since(joined).unwrap_or_default();
    assert!(late <= BUSY, "the caller heard the agent after {late:?}, {MEETING:?} is the aim");
    // The music has gone with the first word.
    let rest = after.since(first + Duration::from_millis(100));
    assert_eq!(rest.last_with(MUSIC_HZ, GONE_DB), None, "music under the talk");
    expect_length(&stage, 0);
    // Nobody is in it, so there is no such queue.
    assert_eq!(stage.get("/Queues"), json!([]));

    let mut agent = agent;
    agent.hang_up();
    let after = told(&stage, "/after", &caller.call_sid);
    assert_eq!(after.text("queue_result"), "bridged");
    assert_eq!(after.text("queue_sid"), format!("queue:{account}:support"));
    assert!(after.json["queue_time"].is_u64());
    assert_eq!(told(&stage, "/served", &agent.call_sid).text("dequeue_result"), "complete");
    // His next verb runs.
    assert_eq!(stage.get(&format!("/Calls/{}", caller.call_sid))["call_status"], "in-progress");
    caller.hang_up();

    let expected = [event("join", "carl", 1, ""), event("leave", "carl", 0, "dequeued")];
    assert_eq!(events(&stage, 2), expected);
    let told = stage.hooks.requests("/events");
    assert!(told[0].json["join_time"].as_u64() <= told[1].json["leave_time"].as_u64());
    assert_eq!(told[1].json["dequeuer"]["call_sid"], agent.call_sid.as_str());
    assert_eq!(told[1].json["dequeuer"]["from"], "agent");
    let secret = stage.tenant.webhook_secret().expect("a secret");
    assert!(told.iter().all(|request| request.is_signed_with(&secret)));
}

#[test]
fn a_caller_who_hangs_up_while_talking_lets_the_agent_go_on() {
    let stage = plain();
    let agent = stage.caller("agent", AGENT_HZ);
    let mut caller = stage.caller("carl", CALLER_HZ);
    expect_hears(&agent, CALLER_HZ);
    caller.hang_up();
    assert_eq!(told(&stage, "/served", &agent.call_sid).text("dequeue_result"), "complete");
    assert_eq!(told(&stage, "/after", &caller.call_sid).text("queue_result"), "bridged");
    assert_eq!(stage.get(&format!("/Calls/{}", agent.call_sid))["call_status"], "in-progress");
}

#[test]
fn the_lower_priority_is_served_first_and_positions_show_it() {
    let stage = plain();
    stage.hooks.on_fn("/call", |request| {
        let from = request.text("from");
        let verb = match from.strip_prefix("caller") {
            Some(priority) => json!({"verb": "enqueue", "name": "support",
                "priority": priority.parse::<i64>().unwrap()}),
            None => json!({"verb": "dequeue", "name": "support"}),
        };
        Reply::Json(json!([verb, {"verb": "pause", "length": 30}]))
    });
    let mut callers = Vec::new();
    for (at, (name, hz)) in
        [("caller500", 450.0), ("caller900", 700.0), ("caller5", 950.0)].into_iter().enumerate()
    {
        callers.push(stage.caller(name, hz));
        expect_length(&stage, at + 1);
    }
    let order = |stage: &Stage| -> Vec<String> {
        let calls = stage.get("/Queues/support/Calls");
        calls.as_array().unwrap().iter().map(|c| c["from"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(order(&stage), ["caller5", "caller500", "caller900"]);
    // Another place over REST.
    assert_eq!(stage.put(&call_path(&callers[1]), &json!({"priority": 0})), 204);
    assert_eq!(order(&stage), ["caller900", "caller5", "caller500"]);
    for (number, hz) in [700.0, 950.0, 450.0].into_iter().enumerate() {
        let agent = stage.caller(&format!("agent{number}"), AGENT_HZ + 400.0);
        expect_hears(&agent, hz);
    }
    expect_length(&stage, 0);
}

#[test]
fn leave_ends_the_wait_after_what_stands_before_it() {
    let stage = plain();
    stage.hooks.on_json(
        "/wait",
        json!([{"verb": "tag", "data": {"seen": 1}}, {"verb": "leave"}, {"verb": "pause", "length": 9}]),
    );
    stage.hooks.on_json("/after", json!([{"verb": "play", "url": MUSIC, "loop": "forever"}]));
    let caller = stage.caller("carl", CALLER_HZ);
    let after = told(&stage, "/after", &caller.call_sid);
    assert_eq!(after.text("queue_result"), "leave");
    assert_eq!(after.json["customerData"], json!({"seen": 1}));
    // The reply is honoured.
    expect_hears(&caller, MUSIC_HZ);
    let expected = [event("join", "carl", 1, ""), event("leave", "carl", 0, "abandoned")];
    assert_eq!(events(&stage, 2), expected);
}

#[test]
fn wait_prompts_are_asked_for_again_after_half_a_second_and_fail_into_silence() {
    let stage = plain();
    stage.hooks.on_json("/wait", json!([{"verb": "pause", "length": 0.1}]));
    let caller = stage.caller("carl", CALLER_HZ);
    let asked = stage.hooks.wait_for("/wait", SOON, |requests| requests.len() >= 3);
    let gap = asked[2].at.duration_since(asked[1].at).unwrap();
    assert!(gap >= Duration::from_millis(550), "asked again after {gap:?}");
    stage.hooks.on_json("/wait", json!([{"verb": "hangup"}]));
    let so_far = stage.hooks.requests("/wait").len();
    stage.hooks.wait_for("/wait", SOON, |requests| requests.len() > so_far);
    // What may not stand there is not done, and the call waits on.
    let agent = stage.caller("agent", AGENT_HZ);
    expect_hears(&agent, CALLER_HZ);
    expect_hears(&caller, AGENT_HZ);
}

#[test]
fn an_agent_waits_for_a_caller_of_its_choice_or_gives_up_in_time() {
    let stage = plain();
    let first = stage.caller("carl", CALLER_HZ);
    expect_length(&stage, 1);
    let second = stage.caller("cora", 950.0);
    expect_length(&stage, 2);
    let wanted = second.call_sid.clone();
    stage.hooks.on_fn("/call", move |request| {
        let mut verb = json!({"verb": "dequeue", "name": "support", "actionHook": "/served",
            "beep": true, "timeout": 1});
        if request.text("from") == "agent1" {
            verb["callSid"] = json!(wanted);
        } else {
            verb["name"] = json!("nobody");
        }
        Reply::Json(json!([verb]))
    });
    let agent = stage.caller("agent1", AGENT_HZ);
    expect_hears(&agent, 950.0);
    expect_length(&stage, 1);
    assert_eq!(stage.get("/Queues/support/Calls")[0]["call_sid"], first.call_sid.as_str());
    // The time was for waiting: it does not end the talk.
    let mut late = stage.caller("agent2", AGENT_HZ);
    let served = told(&stage, "/served", &late.call_sid);
    assert_eq!(served.text("dequeue_result"), "timeout");
    late.sip.expect_bye(SOON);
    assert!(hears(&agent, 950.0));
    // Whom nobody called does not exist.
    assert_eq!(stage.get("/Queues").as_array().map(Vec::len), Some(1));
}

#[test]
fn a_registered_user_takes_the_next_caller_by_dialling_the_queue() {
    let stage = plain();
    let caller = stage.caller("carl", CALLER_HZ);
    expect_length(&stage, 1);
    let mut phone = stage.phone("agent");
    let rtp = support::RtpPeer::start(support::rtp_peer::Voice::tone(AGENT_HZ, LEVEL_DB));
    let mut call = phone.call(&stage.uri("queue-support"), &rtp).expect("answered");
    expect_hears(&caller, AGENT_HZ);
    phone.hang_up(&mut call);
    assert_eq!(told(&stage, "/after", &caller.call_sid).text("queue_result"), "bridged");
    // With nobody there it is over after five seconds.
    let _call = phone.call(&stage.uri("queue-support"), &rtp).expect("answered");
    phone.expect_bye(SOON);
}

#[test]
fn a_full_queue_is_an_error_and_a_queue_laid_down_stays() {
    let stage = plain();
    let path = stage.tenant.path("/Queues");
    let wait = stage.hooks.url("/rest-wait");
    stage.hooks.on_json("/rest-wait", json!([{"verb": "play", "url": MUSIC, "loop": "forever"}]));
    let body = json!({"name": "support", "max_length": 1, "wait_hook": wait});
    let sid = stage.tenant.rest.post(&path, &body).unwrap().sid().unwrap();
    stage
        .hooks
        .on_json("/call", json!([{"verb": "enqueue", "name": "support", "actionHook": "/after"}]));
    // The hook of the queue holds where the verb names none.
    let mut caller = stage.caller("carl", CALLER_HZ);
    expect_hears(&caller, MUSIC_HZ);
    let mut late = stage.caller("cora", CALLER_HZ);
    assert_eq!(told(&stage, "/after", &late.call_sid).text("queue_result"), "error");
    late.sip.expect_bye(SOON);
    assert_eq!(stage.delete("/Queues/support"), 422);
    // Another wait hook is heard from the next round on; this one plays without an end.
    assert_eq!(stage.put(&format!("/Queues/{sid}"), &json!({"max_length": null})), 204);
    let other = stage.caller("cyril", CALLER_HZ);
    expect_length(&stage, 2);
    caller.hang_up();
    assert_eq!(told(&stage, "/after", &caller.call_sid).text("queue_result"), "hangup");
    expect_length(&stage, 1);
    let shown = stage.get(&format!("/Queues/{sid}"));
    assert!(shown["longest_wait"].is_u64() && shown["average_wait"].is_u64(), "{shown}");
    assert_eq!(stage.delete(&format!("/Queues/{sid}?force=true")), 204);
    assert_eq!(told(&stage, "/after", &other.call_sid).text("queue_result"), "leave");
    support::wait::expect("the queue is gone", SOON, || stage.get("/Queues") == json!([]));
    let why: Vec<_> = events(&stage, 4).into_iter().map(|(.., why)| why).collect();
    assert_eq!(why, ["", "", "abandoned", "removed"]);
}

#[test]
fn rest_assigns_hands_over_and_removes() {
    let stage = plain();
    let path = stage.tenant.path("/Queues");
    stage.tenant.rest.post(&path, &json!({"name": "support"})).unwrap().sid().unwrap();
    let talk = json!([{"verb": "answer"}, {"verb": "pause", "length": 60}]);
    stage.hooks.on_json("/call", talk);
    let (mut caller, agent) = (stage.caller("carl", CALLER_HZ), stage.caller("anna", AGENT_HZ));
    let calls = stage.tenant.path("/Queues/support/Calls");
    let assign = |body: Value| stage.tenant.rest.post(&calls, &body).expect("an answer");
    let body = json!({"call_sid": caller.call_sid, "priority": 7,
        "wait_hook": stage.hooks.url("/wait"), "action_hook": stage.hooks.url("/after")});
    assert_eq!(assign(body.clone()).sid().unwrap(), caller.call_sid);
    // At once, and once.
    assert_eq!(stage.get("/Queues/support/Calls")[0]["priority"], 7);
    assert_eq!(assign(body).status, 422);
    assert_eq!(assign(json!({"call_sid": "4b1a1ee2-4f0c-4b0f-a3f1-000000000000"})).status, 404);
    assert_eq!(assign(json!({})).status, 400);
    expect_hears(&caller, MUSIC_HZ);

    // Nobody to hand him to, then an agent's call that does something else.
    let nobody = json!({"dequeue_to": {"call_sid": "4b1a1ee2-4f0c-4b0f-a3f1-000000000000"}});
    assert_eq!(stage.put(&call_path(&caller), &nobody), 422);
    assert_eq!(stage.put(&call_path(&agent), &json!({"priority": 1})), 404);
    let to = json!({"dequeue_to": {"call_sid": agent.call_sid}});
    assert_eq!(stage.put(&call_path(&caller), &to), 204);
    expect_hears(&agent, CALLER_HZ);
    expect_hears(&caller, AGENT_HZ);
    assert_eq!(stage.put(&call_path(&caller), &to), 404);
    assert_eq!(stage.delete(&call_path(&caller)), 404);
    // One who talks is not put into a queue.
    assert_eq!(assign(json!({"call_sid": agent.call_sid})).status, 422);
    let mut agent = agent;
    agent.hang_up();
    assert_eq!(told(&stage, "/after", &caller.call_sid).text("queue_result"), "bridged");
    caller.sip.expect_bye(SOON);

    // Out again: with the next verb, with another application, and with the call.
    let next = stage.hooks.url("/next");
    stage.hooks.on_json("/next", json!([{"verb": "play", "url": MUSIC, "loop": "forever"}]));
    let put_in = |name: &str| {
        let one = stage.caller(name, CALLER_HZ);
        let hook = stage.hooks.url("/after");
        let body = json!({"call_sid": one.call_sid, "action_hook": hook});
        assert_eq!(assign(body).status, 201);
        one
    };
    let mut one = put_in("cora");
    assert_eq!(stage.delete(&call_path(&one)), 204);
    assert_eq!(told(&stage, "/after", &one.call_sid).text("queue_result"), "leave");
    one.sip.expect_bye(SOON);
    let two = put_in("cyril");
    assert_eq!(stage.put(&call_path(&two), &json!({"call_hook": next})), 204);
    assert_eq!(told(&stage, "/after", &two.call_sid).text("queue_result"), "hangup");
    expect_hears(&two, MUSIC_HZ);
    let mut three = put_in("clara");
    assert_eq!(stage.delete(&format!("{}?hangup=true", call_path(&three))), 204);
    three.sip.expect_bye(SOON);
    expect_length(&stage, 0);
    let why: Vec<_> = events(&stage, 8).into_iter().filter(|e| e.0 == "leave").collect();
    let why: Vec<_> = why.iter().map(|(.., why)| why.as_str()).collect();
    assert_eq!(why, ["dequeued", "removed", "removed", "removed"]);
}

#[test]
fn a_redirected_caller_leaves_and_the_hook_hears_of_it() {
    let stage = plain();
    stage.hooks.on_json("/next", json!([{"verb": "play", "url": MUSIC, "loop": "forever"}]));
    let caller = stage.caller("carl", CALLER_HZ);
    expect_length(&stage, 1);
    let hook = json!({"call_hook": stage.hooks.url("/next")});
    assert_eq!(stage.put(&format!("/Calls/{}", caller.call_sid), &hook), 202);
    assert_eq!(told(&stage, "/after", &caller.call_sid).text("queue_result"), "hangup");
    expect_length(&stage, 0);
    expect_hears(&caller, MUSIC_HZ);
    let expected = [event("join", "carl", 1, ""), event("leave", "carl", 0, "abandoned")];
    assert_eq!(events(&stage, 2), expected);
}

#[test]
fn callers_and_agents_in_a_race_meet_once_each() {
    const CALLERS: usize = 30;
    const AGENTS: usize = 5;
    let stage = plain();
    stage.hooks.on_fn("/call", |request| {
        let verb = if request.text("from").starts_with("agent") {
            json!([{"verb": "dequeue", "name": "support", "actionHook": "/more"}])
        } else {
            json!([{"verb": "enqueue", "name": "support", "actionHook": "/after"}])
        };
        Reply::Json(verb)
    });
    // An agent takes one after the other.
    stage
        .hooks
        .on_json("/more", json!([{"verb": "dequeue", "name": "support", "actionHook": "/more"}]));
    stage.hooks.on_json("/after", json!([{"verb": "hangup"}]));
    let mut agents: Vec<_> =
        (0..AGENTS).map(|n| stage.caller(&format!("agent{n}"), AGENT_HZ)).collect();
    std::thread::scope(|scope| {
        for n in 0..CALLERS {
            let stage = &stage;
            scope.spawn(move || {
                let mut caller = stage.caller(&format!("caller{n}"), CALLER_HZ);
                match n % 3 {
                    // Hangs up at once, or is removed, or talks for a while.
                    0 => caller.hang_up(),
                    1 => {
                        stage.delete(&format!("{}?hangup=true", call_path(&caller)));
                        std::thread::sleep(Duration::from_millis(50));
                        let _ = caller.sip.hang_up(&mut caller.call);
                    }
                    _ => {
                        std::thread::sleep(Duration::from_millis(300));
                        let _ = caller.sip.hang_up(&mut caller.call);
                    }
                }
            });
        }
    });
    // Everybody who came in has left, once.
    let all = events(&stage, 2 * CALLERS);
    for n in 0..CALLERS {
        let name = format!("caller{n}");
        let of_call: Vec<_> = all.iter().filter(|(_, from, ..)| *from == name).collect();
        let what: Vec<_> = of_call.iter().map(|(what, ..)| what.as_str()).collect();
        assert_eq!(what, ["join", "leave"], "{name}: {of_call:?}");
    }
    assert_eq!(all.last().map(|(_, _, length, _)| *length), Some(0));
    expect_length(&stage, 0);
    for agent in &mut agents {
        agent.hang_up();
        stage.hooks.wait_for("/more", SOON, |requests| {
            requests.iter().any(|request| {
                request.text("call_sid") == agent.call_sid
                    && request.text("call_status") == "completed"
            })
        });
    }
}
