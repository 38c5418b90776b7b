//! Rooms row by row: every property of the conference verb (contract verbs.md §3.5) and every line of its REST
//! side (rest.md §3.2, §3.3), judged by tones at foreign peers, by what an application in Node is told, and by
//! what REST shows.

mod audible;
mod ears;
mod participants;
mod phones;
mod rest;
mod verb;

use std::ops::Deref;

use serde_json::{Value, json};
use support::rtp_peer::Voice;
use support::{RtpPeer, wait};

use crate::scripted::Scripted;
use crate::stage::{Caller, LEVEL_DB, SOON};

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

/// A server whose callers are put into rooms.
struct Rooms {
    house: Scripted,
}

impl Deref for Rooms {
    type Target = Scripted;

    fn deref(&self) -> &Scripted {
        &self.house
    }
}

impl Rooms {
    fn new() -> Self {
        let rooms = Self { house: Scripted::new() };
        rooms.script(&json!({
            "/events": 204,
            "/wait": [rooms.plays(WAIT_HZ, 300)],
            "/hold": [rooms.plays(HOLD_HZ, 300)],
            // The next verb of who has left a room: heard until the test is over.
            "/after": [rooms.plays(AFTER_HZ, 60_000)],
        }));
        rooms
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
