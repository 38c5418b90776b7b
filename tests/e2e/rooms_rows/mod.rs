//! Rooms row by row: every property of the conference verb (contract verbs.md §3.5) and every line of its REST
//! side (rest.md §3.2, §3.3), judged by tones at foreign peers, by what an application in Node is told, and by
//! what REST shows.

mod audible;
mod ears;
mod participants;
mod phones;
mod rest;
mod verb;

use serde_json::{Value, json};
use support::rtp_peer::Voice;
use support::{Answer, RtpPeer, wait};

use crate::node_app::NodeApp;
use crate::stage::{Caller, LEVEL_DB, SOON, Stage};

/// What members send: multiples of 50 Hz, which one frame can tell apart.
const A_HZ: f64 = 450.0;
const C_HZ: f64 = 800.0;
const S_HZ: f64 = 1_250.0;
const H_HZ: f64 = 1_700.0;
/// What the application plays: to those who wait, who are held, to announce something, and after the room.
const WAIT_HZ: f64 = 2_150.0;
const HOLD_HZ: f64 = 2_600.0;
const NEWS_HZ: f64 = 3_050.0;
const AFTER_HZ: f64 = 650.0;

/// A tone below this counts as gone.
const GONE_DB: f64 = LEVEL_DB - 35.0;
/// A tone above this is heard.
const HEARD_DB: f64 = LEVEL_DB - 3.0;

/// A server whose callers are answered by `rooms_app.js`.
struct Rooms {
    stage: Stage,
    app: NodeApp,
}

impl Rooms {
    fn new() -> Self {
        let stage = Stage::new();
        let secret = stage.tenant.webhook_secret().expect("a secret");
        let app = NodeApp::start("node/rooms_app.js", &secret);
        let hooks = [format!("{}/call", app.url), format!("{}/status", app.url)];
        let sid = stage.tenant.application("rooms", &hooks[0], &hooks[1]).expect("an application");
        stage.tenant.answer_devices_with(&sid).expect("phones have an application");
        let rooms = Self { stage, app };
        rooms.script(&json!({
            "/status": 204,
            "/events": 204,
            "/wait": [rooms.plays(WAIT_HZ, 300)],
            "/hold": [rooms.plays(HOLD_HZ, 300)],
            // The next verb of who has left a room: heard until the test is over.
            "/after": [rooms.plays(AFTER_HZ, 60_000)],
        }));
        rooms
    }

    /// What the application answers from now on.
    fn script(&self, answers: &Value) {
        let answer = support::Rest::new(&self.app.url, "").put("/script", answers);
        let answer = answer.expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text);
    }

    fn tone(&self, hz: f64, ms: u32) -> String {
        format!("{}/tone/{hz}/{ms}.wav", self.app.url)
    }

    fn plays(&self, hz: f64, ms: u32) -> Value {
        json!({ "verb": "play", "url": self.tone(hz, ms) })
    }

    /// Calls of that user are put into the room `desk` with these options, and hear a tone after it.
    fn seat(&self, user: &str, options: &Value) {
        let mut verb = json!({ "verb": "conference", "name": "desk", "actionHook": "/left" });
        let (Value::Object(verb_map), Value::Object(options)) = (&mut verb, options) else {
            panic!("options are an object");
        };
        verb_map.extend(options.clone());
        let key = format!("/call#{user}");
        self.script(&json!({ key: [verb, self.plays(AFTER_HZ, 60_000)] }));
    }

    /// Seats the user so, and has it call.
    fn enter(&self, user: &str, hz: f64, options: &Value) -> Caller {
        self.seat(user, options);
        self.call(user, hz)
    }

    /// A new phone of that name calls and is answered.
    fn call(&self, user: &str, hz: f64) -> Caller {
        let mut sip = self.stage.phone(user);
        let rtp = RtpPeer::start(Voice::tone(hz, LEVEL_DB));
        let call = sip
            .call(&self.stage.uri("1000"), &rtp)
            .unwrap_or_else(|refused| panic!("refused: {refused}\n{}", sip.history()));
        let asked = self.told("/call", "the call's first hook", |body| body["from"] == user);
        let call_sid = asked["call_sid"].as_str().unwrap_or_default().to_owned();
        Caller { sip, rtp, call, call_sid }
    }

    /// Everything the application was told at a path, in order.
    fn bodies(&self, path: &str) -> Vec<Value> {
        self.app.requests(path).into_iter().map(|request| request["body"].clone()).collect()
    }

    /// Waits until the application is told something at a path, and gives it.
    fn told(&self, path: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let found = wait::until(SOON, || self.bodies(path).into_iter().rev().find(&is));
        found.unwrap_or_else(|| panic!("not told: {what}\n{:#?}", self.bodies(path)))
    }

    /// The room's events so far: name and user.
    fn events(&self) -> Vec<(String, String)> {
        let text = |body: &Value, name: &str| body[name].as_str().unwrap_or_default().to_owned();
        self.bodies("/events")
            .iter()
            .map(|body| (text(body, "event"), text(body, "from")))
            .collect()
    }

    /// Waits until the room has told exactly that.
    fn expect_events(&self, expected: &[(&str, &str)]) {
        let is_all = || {
            let told = self.events();
            let pairs = told.iter().map(|(event, from)| (event.as_str(), from.as_str()));
            pairs.eq(expected.iter().copied())
        };
        let met = wait::until(SOON, || is_all().then_some(()));
        assert!(met.is_some(), "told {:?}\nexpected {expected:?}", self.events());
    }

    /// The room as REST shows it, once that is so.
    fn expect_room(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        self.expect_shown("/Conferences/desk", what, is)
    }

    fn expect_member(&self, member: &Caller, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        self.expect_shown(&seat(member), what, is)
    }

    fn expect_shown(&self, path: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let met = wait::until(SOON, || {
            let answer = self.stage.tenant.rest.get(&self.stage.tenant.path(path)).ok()?;
            last = answer.json;
            (answer.status == 200 && is(&last)).then_some(())
        });
        assert!(met.is_some(), "not shown: {what}\n{last:#}");
        last
    }

    fn expect_gone(&self, path: &str) {
        wait::expect(&format!("404 for {path}"), SOON, || {
            let answer = self.stage.tenant.rest.get(&self.stage.tenant.path(path));
            answer.is_ok_and(|answer| answer.status == 404)
        });
    }

    fn post(&self, path: &str, body: &Value) -> Answer {
        self.stage.tenant.rest.post(&self.stage.tenant.path(path), body).expect("an answer")
    }

    /// PUT; the answer must have that status.
    fn put(&self, path: &str, body: &Value, status: u16) {
        let path = self.stage.tenant.path(path);
        let answer = self.stage.tenant.rest.put(&path, body).expect("an answer");
        assert_eq!(answer.status, status, "PUT {path} {body}: {}", answer.text);
    }

    fn delete(&self, path: &str, status: u16) {
        assert_eq!(self.stage.delete(path), status, "DELETE {path}");
    }

    /// The application is told that this member's stay is over; gives what it was told.
    fn expect_left(&self, member: &Caller) -> Value {
        let told = self
            .told("/left", "the stay is over", |body| body["call_sid"] == member.call_sid.as_str());
        assert_eq!(told["conference_sid"], self.event_sid(), "{told}");
        assert_eq!(told["friendly_name"], "desk", "{told}");
        told
    }

    fn event_sid(&self) -> String {
        format!("conf:{}:desk", self.stage.tenant.account_sid)
    }
}

/// Where REST shows a member of `desk`.
fn seat(member: &Caller) -> String {
    format!("/Conferences/desk/Participants/{}", member.call_sid)
}

fn call(member: &Caller) -> String {
    format!("/Calls/{}", member.call_sid)
}
