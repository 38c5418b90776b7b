//! Applications over WebSocket, written with the public Node libraries, unmodified
//! (`tests/e2e/node/ws_app.js`): real phones call, what they hear and what the application is told is
//! asserted, sockets are killed and closed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use support::rtp_peer::Voice;
use support::sip_peer::SipCall;
use support::{RtpPeer, SipPeer, wait};

use crate::stage::{LEVEL_DB, SOON, Stage, file};

const HZ: f64 = 450.0;
const BOB_HZ: f64 = 1210.0;
const GONE_DB: f64 = LEVEL_DB - 40.0;
/// The SDK compiles its schema first, which takes its time on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running `ws_app.js`. Dropping it kills it.
struct WsApp {
    child: Child,
    orders: ChildStdin,
    facts: Arc<Mutex<Vec<Value>>>,
    url: String,
}

impl WsApp {
    /// Every session is answered with `verbs`.
    fn start(library: &str, verbs: &Value) -> Self {
        let mut child = Command::new("node")
            .arg(file("node/ws_app.js"))
            .args([library, "0"])
            .env("VERBS", verbs.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node runs (Debian package nodejs)");
        let orders = child.stdin.take().expect("piped");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let facts = Arc::new(Mutex::new(Vec::new()));
        thread::spawn({
            let facts = Arc::clone(&facts);
            move || {
                let facts = &facts;
                lines
                    .map_while(Result::ok)
                    .filter_map(|line| serde_json::from_str(&line).ok())
                    .for_each(|fact: Value| lock(facts).push(fact));
            }
        });
        let mut app = Self { child, orders, facts, url: String::new() };
        let port =
            wait::until(START_LIMIT, || Some(app.facts("listening").first()?["port"].clone()));
        let port = port.expect("ws_app.js listens");
        app.url = format!("ws://127.0.0.1:{port}");
        app
    }

    #[allow(clippy::needless_pass_by_value, reason = "json! literals read best by value")]
    fn order(&mut self, order: Value) {
        writeln!(self.orders, "{order}").expect("the application runs");
    }

    fn inject(&mut self, command: &str, data: &Value) {
        self.order(json!({ "do": "inject", "command": command, "data": data }));
    }

    /// Facts of one kind so far.
    fn facts(&self, event: &str) -> Vec<Value> {
        lock(&self.facts).iter().filter(|fact| fact["event"] == event).cloned().collect()
    }

    /// The first fact of a kind that is as wanted, which must come soon.
    fn wait_for(&self, event: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        let found = wait::until(SOON, || self.facts(event).into_iter().find(&is_wanted));
        found.unwrap_or_else(|| panic!("no such {event}: {:#?}", lock(&self.facts)))
    }

    fn statuses(&self) -> Vec<String> {
        let told = self.facts("call:status");
        told.iter().filter_map(|fact| Some(fact["data"]["call_status"].as_str()?.into())).collect()
    }
}

impl Drop for WsApp {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A stage whose phones are answered over a socket; no separate status hook. Node has its time.
fn stage_for(url: &str) -> Stage {
    let stage = Stage::with_env(&[("TRUNKLINE__HOOK__WS_ACK_TIMEOUT", "30s")]);
    let hook = json!({ "url": url, "method": "POST", "username": "jo", "password": "secret" });
    let body = json!({ "name": "ws", "account_sid": stage.tenant.account_sid, "call_hook": hook });
    let made = stage.tenant.rest.post("/v1/Applications", &body).expect("an answer");
    stage.tenant.answer_devices_with(&made.sid().expect("201")).expect("set");
    stage
}

/// A phone of the stage that has called and was answered.
fn caller(stage: &Stage) -> (SipPeer, RtpPeer, SipCall) {
    let mut phone = stage.phone("alice");
    let rtp = RtpPeer::start(Voice::tone(HZ, LEVEL_DB));
    let call = phone
        .call(&stage.uri("1000"), &rtp)
        .unwrap_or_else(|refused| panic!("refused: {refused}\n{}", phone.history()));
    (phone, rtp, call)
}

fn lobby() -> Value {
    let events = ["start", "end", "join", "leave"];
    json!({ "verb": "conference", "name": "lobby", "statusHook": "/conference",
        "statusEvents": events, "actionHook": "/action" })
}

fn application_runs_a_call(library: &str) {
    let greeting =
        json!({ "verb": "play", "url": "silence_stream://100", "actionHook": "/action" });
    let mut app = WsApp::start(library, &json!([{ "verb": "answer" }, greeting, lobby()]));
    let stage = stage_for(&format!("{}/call", app.url));
    let (mut phone, rtp, _call) = caller(&stage);

    let session = app.wait_for("session", |_| true);
    assert_eq!((&session["type"], &session["user"]), (&json!("session:new"), &json!("jo")));
    let call_sid = session["data"]["call_sid"].as_str().expect("a sid").to_owned();
    assert_eq!(session["data"]["from"], "alice");
    assert!(session["data"]["sip"]["headers"].is_object(), "{session}");
    let played = app.wait_for("hook", |fact| fact["hook"] == "/action");
    assert_eq!(played["data"]["call_sid"], call_sid.as_str());
    app.wait_for("hook", |fact| fact["hook"] == "/conference" && fact["data"]["event"] == "join");

    // Live control, by the table that REST uses.
    let participant = format!("/Conferences/lobby/Participants/{call_sid}");
    let shows = |name: &str, value: Value| {
        wait::expect("the participant as ordered", SOON, || stage.get(&participant)[name] == value);
    };
    app.inject("mute:status", &json!({ "mute_status": "mute" }));
    shows("muted", json!(true));
    app.inject("mute:status", &json!({ "mute_status": "unmute" }));
    shows("muted", json!(false));
    app.inject("tag", &json!({ "ticket": 7 }));
    wait::expect("the call's customer data", SOON, || {
        stage.get(&format!("/Calls/{call_sid}"))["customer_data"] == json!({ "ticket": 7 })
    });

    // Another application, which ends; the call waits for more.
    app.order(json!({ "do": "verbs", "verbs": [{ "verb": "pause", "length": 0.2 }] }));
    wait::expect("the room is empty", SOON, || stage.get("/Conferences") == json!([]));
    app.inject("mute:status", &json!({ "mute_status": "mute" }));
    app.wait_for("jambonz:error", |fact| {
        fact["data"]["details"].as_str().is_some_and(|text| text.contains("not in a conference"))
    });
    assert!(!rtp.listen(Duration::from_millis(300)).frames.is_empty());
    let prompt = json!({ "verb": "play", "url": "silence_stream://100" });
    app.order(json!({ "do": "verbs", "queue": true, "verbs": [prompt, { "verb": "hangup" }] }));
    phone.expect_bye(SOON);
    app.wait_for("call:status", |fact| fact["data"]["call_status"] == "completed");
    // What precedes the session's first message is heard by no library.
    assert_eq!(app.statuses(), ["trying", "in-progress", "completed"]);
    assert_eq!(app.wait_for("closed", |_| true)["code"], 1000);
}

#[test]
fn an_application_of_node_client_ws_runs_a_call() {
    application_runs_a_call("node-client-ws");
}

#[test]
fn an_application_of_the_node_sdk_runs_a_call() {
    application_runs_a_call("sdk");
}

fn application_comes_back(library: &str) {
    let mut app = WsApp::start(library, &json!([{ "verb": "answer" }, lobby()]));
    let stage = stage_for(&format!("{}/call", app.url));
    let (mut phone, _rtp, _call) = caller(&stage);
    let call_sid = app.wait_for("session", |_| true)["data"]["call_sid"].clone();
    wait::expect("the room is open", SOON, || stage.get("/Conferences") == json!(["lobby"]));

    app.order(json!({ "do": "kill" }));
    let again = app.wait_for("session", |fact| {
        // The SDK shows it as a new session: it is the second in any case.
        fact["type"] == "session:reconnect" || app.facts("session").len() == 2
    });
    assert_eq!(again["data"]["call_sid"], call_sid);
    // Its ack brought the first verbs again, which start nothing: the call is where it was.
    app.inject("mute:status", &json!({ "mute_status": "mute" }));
    let participant =
        format!("/Conferences/lobby/Participants/{}", call_sid.as_str().expect("a sid"));
    wait::expect("muted", SOON, || stage.get(&participant)["muted"] == true);

    app.inject("call:status", &json!({ "call_status": "completed" }));
    phone.expect_bye(SOON);
    app.wait_for("call:status", |fact| fact["data"]["call_status"] == "completed");
}

#[test]
fn a_killed_socket_of_node_client_ws_comes_back_and_the_call_goes_on() {
    application_comes_back("node-client-ws");
}

#[test]
fn a_killed_socket_of_the_node_sdk_comes_back_and_the_call_goes_on() {
    application_comes_back("sdk");
}

#[test]
fn an_application_that_closes_in_order_has_its_verbs_done() {
    let verbs = json!([{ "verb": "answer" }, { "verb": "pause", "length": 1 },
        { "verb": "tag", "data": { "done": true } }]);
    let mut app = WsApp::start("sdk", &verbs);
    let stage = stage_for(&format!("{}/call", app.url));
    let (mut phone, _rtp, _call) = caller(&stage);
    let call_sid = app.wait_for("session", |_| true)["data"]["call_sid"].clone();
    app.order(json!({ "do": "close" }));
    phone.expect_bye(SOON);
    let call = stage.get(&format!("/Calls/{}", call_sid.as_str().expect("a sid")));
    assert_eq!(call["customer_data"], json!({ "done": true }));
    assert_eq!(app.facts("session").len(), 1, "it is not called back");
}

#[test]
fn what_an_application_says_wrong_is_said_back_and_harms_nobody() {
    let mut app = WsApp::start("node-client-ws", &json!([{ "verb": "answer" }, lobby()]));
    let stage = stage_for(&format!("{}/call", app.url));
    let (mut phone, _rtp, mut call) = caller(&stage);
    app.wait_for("session", |_| true);
    for (text, binary, details) in [
        ("{", false, "not JSON"),
        ("hello", true, "binary frame"),
        (r#"{"type":"command","command":"sing","data":{}}"#, false, "not supported"),
        (r#"{"type":"command","command":"redirect","data":[{"verb":"sing"}]}"#, false, "sing"),
        (r#"{"type":"ack","msgid":"nobody's","data":[{"verb":"hangup"}]}"#, false, ""),
    ] {
        app.order(json!({ "do": "raw", "text": text, "binary": binary }));
        if !details.is_empty() {
            app.wait_for("jambonz:error", |fact| fact["data"].to_string().contains(details));
        }
    }
    app.inject("dtmf", &json!({ "digit": "1" }));
    assert_eq!(stage.get("/Conferences"), json!(["lobby"]));
    assert_eq!(phone.hang_up(&mut call).code(), Some(200));
    let ended = app.wait_for("call:status", |fact| fact["data"]["call_status"] == "completed");
    assert_eq!(ended["data"]["call_termination_by"], "caller");
    wait::expect("alerts", SOON, || {
        let alerts = stage.get("/Alerts?page=1&count=50");
        alerts["data"].as_array().is_some_and(|alerts| {
            alerts.iter().filter(|alert| alert["alert_type"] == "invalid-app-payload").count() >= 4
        })
    });
}

#[test]
fn a_failing_start_declines_the_call() {
    let mut app = WsApp::start("node-client-ws", &json!([{ "verb": "answer" }]));
    app.order(json!({ "do": "deaf" }));
    let stage = stage_for(&format!("{}/call#rc=1", app.url));
    let mut phone = stage.phone("alice");
    let rtp = RtpPeer::start(Voice::Silence);
    let refused = phone.call(&stage.uri("1000"), &rtp).expect_err("refused");
    assert!(refused.to_string().contains("480"), "{refused}");
    app.order(json!({ "do": "hear" }));
    phone.call(&stage.uri("1000"), &rtp).expect("answered");
    drop(app);
}

#[test]
fn a_call_of_rest_tells_of_itself_and_a_redirect_moves_the_session() {
    let mut app = WsApp::start("node-client-ws", &json!([{ "verb": "pause", "length": 60 }]));
    let stage = Stage::new();
    let mut phone = stage.phone("bob");
    assert_eq!(phone.register(300).code(), Some(200));
    let to = json!({ "type": "user", "name": format!("bob@{}", stage.tenant.realm) });
    let body = json!({ "from": "15551230000", "to": to, "call_hook": format!("{}/call", app.url) });
    let answering = thread::spawn(move || {
        let rtp = RtpPeer::start(Voice::tone(HZ, LEVEL_DB));
        let invite = phone.expect_request("INVITE", SOON);
        phone.accept(&invite, &rtp);
        (phone, rtp)
    });
    let call_sid = stage.create_call(&body);
    let (mut phone, _rtp) = answering.join().expect("answered");
    let session = app.wait_for("session", |fact| fact["path"] == "/call");
    assert_eq!(session["data"]["direction"], "outbound");

    let call = format!("/Calls/{call_sid}");
    let other = json!({ "call_hook": format!("{}/other", app.url) });
    assert_eq!(stage.put(&call, &other), 202);
    let moved = app.wait_for("session", |fact| fact["path"] == "/other");
    assert_eq!(moved["data"]["call_sid"], call_sid.as_str());
    assert_eq!(app.wait_for("closed", |_| true)["code"], 1000);
    // This library acknowledges a redirect without verbs: they come as a command.
    stage.hooks.on_json("/last", json!([{ "verb": "hangup" }]));
    app.inject("redirect", &json!({ "call_hook": stage.hooks.url("/last") }));
    phone.expect_bye(SOON);
    wait::expect("both sockets closed", SOON, || app.facts("closed").len() == 2);
}

#[test]
fn a_call_that_dials_tells_of_its_child_over_the_same_socket() {
    let hold_on = json!([{ "verb": "answer" }, { "verb": "pause", "length": 60 }]);
    let mut app = WsApp::start("node-client-ws", &hold_on);
    let stage = stage_for(&format!("{}/call", app.url));
    let mut bob = stage.phone("bob");
    assert_eq!(bob.register(300).code(), Some(200));
    let (mut phone, _rtp, mut call) = caller(&stage);
    let call_sid = app.wait_for("session", |_| true)["data"]["call_sid"].clone();
    let answering = thread::spawn(move || {
        let rtp = RtpPeer::start(Voice::tone(HZ, LEVEL_DB));
        let invite = bob.expect_request("INVITE", SOON);
        bob.accept(&invite, &rtp);
        (bob, rtp)
    });
    let target = json!([{ "type": "user", "name": format!("bob@{}", stage.tenant.realm) }]);
    let dial = json!({ "verb": "dial", "target": target, "confirmHook": "named",
        "actionHook": "/action" });
    app.order(json!({ "do": "verbs", "verbs": [dial] }));
    let (mut bob, _bobs_rtp) = answering.join().expect("answered");
    let confirm = app.wait_for("hook", |fact| fact["hook"] == "named");
    let child_sid = confirm["data"]["call_sid"].clone();
    assert_eq!(confirm["data"]["parent_call_sid"], call_sid);
    let of_child = || -> Vec<Value> {
        let told = app.facts("call:status").into_iter();
        let told = told.filter(|fact| fact["data"]["call_sid"] == child_sid);
        told.map(|fact| fact["data"]["call_status"].clone()).collect()
    };
    wait::expect("the child's events", SOON, || of_child() == ["trying", "in-progress"]);

    // A command that is aimed at the child; one that is aimed at nobody's is refused.
    let tag = |sid: &Value| json!({ "do": "inject", "command": "tag", "data": { "side": "b" }, "callSid": sid });
    let orders = [tag(&child_sid), tag(&json!("00000000-0000-4000-8000-000000000000"))];
    let child = format!("/Calls/{}", child_sid.as_str().expect("a sid"));
    for order in orders {
        writeln!(app.orders, "{order}").expect("the application runs");
    }
    app.wait_for("jambonz:error", |fact| {
        fact["data"].to_string().contains("no call of this session")
    });
    // One that it cannot carry out any more: it is answered.
    app.order(json!({ "do": "inject", "command": "call:status",
        "data": { "call_status": "no-answer" }, "callSid": child_sid }));
    app.wait_for("jambonz:error", |fact| fact["data"].to_string().contains("incompatible"));
    wait::expect("the child's customer data", SOON, || {
        stage.get(&child)["customer_data"] == json!({ "side": "b" })
    });
    assert_eq!(phone.hang_up(&mut call).code(), Some(200));
    bob.expect_bye(SOON);
    // Both ends are told, before the socket closes.
    app.wait_for("closed", |fact| fact["code"] == 1000);
    let ended = app.facts("call:status").into_iter();
    let ended = ended.filter(|fact| fact["data"]["call_status"] == "completed");
    assert_eq!(ended.count(), 2);
}

#[test]
fn a_leg_that_gets_verbs_of_its_own_is_a_session_of_its_own() {
    let hold_on = json!([{ "verb": "answer" }, { "verb": "pause", "length": 60 }]);
    let mut app = WsApp::start("node-client-ws", &hold_on);
    let stage = stage_for(&format!("{}/call", app.url));
    let mut bob = stage.phone("bob");
    assert_eq!(bob.register(300).code(), Some(200));
    let (mut phone, rtp, mut call) = caller(&stage);
    let call_sid = app.wait_for("session", |_| true)["data"]["call_sid"].clone();
    let target = json!([{ "type": "user", "name": format!("bob@{}", stage.tenant.realm) }]);
    app.order(json!({ "do": "verbs", "verbs": [{ "verb": "dial", "target": target }] }));
    let bobs_rtp = RtpPeer::start(Voice::tone(BOB_HZ, LEVEL_DB));
    let invite = bob.expect_request("INVITE", SOON);
    bob.accept(&invite, &bobs_rtp);
    let hears_bob = || rtp.listen(Duration::from_millis(200)).level_db(BOB_HZ) > GONE_DB;
    wait::expect("the two talk", SOON, hears_bob);

    let pause = json!([{ "verb": "pause", "length": 60 }]);
    app.inject("redirect", &json!({ "child_call": pause, "parent_call": pause }));
    let own = app.wait_for("session", |fact| fact["path"] == "/call/adulting");
    assert_eq!(own["user"], "jo", "with the credentials of the application");
    let (data, parent) = (&own["data"], &own["data"]["parent_call_info"]);
    assert_eq!((&parent["call_sid"], &data["parent_call_sid"]), (&call_sid, &call_sid));
    wait::expect("they do not talk any more", SOON, || !hears_bob());

    // Orders over the new socket are for that leg, and it tells of itself there.
    app.order(json!({ "do": "verbs", "verbs": [{ "verb": "hangup" }] }));
    bob.expect_bye(SOON);
    app.wait_for("call:status", |fact| {
        fact["data"]["call_sid"] == data["call_sid"] && fact["data"]["call_status"] == "completed"
    });
    app.wait_for("closed", |fact| fact["code"] == 1000);
    assert_eq!(phone.hang_up(&mut call).code(), Some(200), "the other leg was there still");
    wait::expect("both sockets closed", SOON, || app.facts("closed").len() == 2);
}

fn lock(facts: &Mutex<Vec<Value>>) -> MutexGuard<'_, Vec<Value>> {
    facts.lock().unwrap_or_else(PoisonError::into_inner)
}
