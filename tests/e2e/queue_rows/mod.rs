//! TABLE

mod calls;
mod ears;
mod first_wins;
mod killed;
mod meeting;
mod phones;
mod rest;
mod talking;
mod turns;
mod waiting;

use std::ops::Deref;

use serde_json::{Value, json};
use support::wait;

use self::ears::Ear;
use self::phones::Phone;
use crate::scripted::Scripted;
use crate::stage::{LEVEL_DB, SOON};

/// What phones send: multiples of 50 Hz, which one frame can tell apart; 800 Hz is the beep.
const CALLER_HZ: f64 = 450.0;
const OTHER_HZ: f64 = 1_700.0;
const AGENT_HZ: f64 = 1_250.0;
/// What the application plays: to those who wait, after a queue, and where a hook sends a call.
const MUSIC_HZ: f64 = 2_150.0;
const AFTER_HZ: f64 = 3_050.0;
const NEWS_HZ: f64 = 2_600.0;
const BEEP_HZ: f64 = 800.0;
/// All of them but the beep.
const TONES: [f64; 6] = [CALLER_HZ, OTHER_HZ, AGENT_HZ, MUSIC_HZ, AFTER_HZ, NEWS_HZ];

/// A tone below this counts as gone.
const GONE_DB: f64 = LEVEL_DB - 35.0;
/// A tone above this is heard.
const HEARD_DB: f64 = LEVEL_DB - 3.0;

/// What every hook but the wait hook is told of a call, whatever else (contract verbs.md §1.4).
const BASE: [&str; 12] = [
    "call_sid",
    "direction",
    "from",
    "to",
    "call_id",
    "sip_status",
    "sip_reason",
    "call_status",
    "account_sid",
    "application_sid",
    "trace_id",
    "fs_sip_address",
];

/// Nobody's call.
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

/// A server whose callers wait in the queue `support` or take somebody out of it.
struct Queues {
    house: Scripted,
}

impl Deref for Queues {
    type Target = Scripted;

    fn deref(&self) -> &Scripted {
        &self.house
    }
}

impl Queues {
    fn new() -> Self {
        let queues = Self { house: Scripted::new() };
        queues.script(&json!({
            "/events": 204,
            "/wait": [queues.plays(MUSIC_HZ, 30_000)],
            "/after": [],
            "/served": [],
            "/news": [queues.plays(NEWS_HZ, 60_000)],
        }));
        let hook = json!({ "url": queues.url("/events"), "method": "POST" });
        queues.put("", &json!({ "queue_event_hook": hook }), 204);
        queues
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.app.url)
    }

    /// Has a public REST client do that; what it gives.
    fn order(&self, library: &str, resource: &str, method: &str, args: &Value) -> Value {
        let rest = &self.stage.tenant.rest;
        let order = json!({
            "library": library, "resource": resource, "method": method, "args": args,
            "base_url": rest.base(), "account_sid": self.stage.tenant.account_sid,
            "api_key": rest.token(),
        });
        let answer = support::Rest::new(&self.app.url, "").put("/order", &order);
        let answer = answer.expect("an answer");
        assert_eq!(answer.status, 200, "{library} {resource}.{method} {args}: {}", answer.text);
        answer.json["result"].clone()
    }

    /// Calls of that user do this, and then hear the tone of the next verb.
    fn does(&self, user: &str, verb: &str, hooks: &Value, options: &Value) {
        let mut all = json!({ "verb": verb, "name": "support" });
        for part in [hooks, options] {
            let (Value::Object(all), Value::Object(part)) = (&mut all, part) else {
                panic!("options are an object");
            };
            all.extend(part.clone());
        }
        let key = format!("/call#{user}");
        self.script(&json!({ key: [all, self.plays(AFTER_HZ, 60_000)] }));
    }

    /// Calls of that user wait, with these options.
    fn waits(&self, user: &str, options: &Value) {
        let hooks = json!({ "waitHook": "/wait", "actionHook": "/after" });
        self.does(user, "enqueue", &hooks, options);
    }

    /// Calls of that user take somebody out, with these options.
    fn serves(&self, user: &str, options: &Value) {
        self.does(user, "dequeue", &json!({ "actionHook": "/served" }), options);
    }

    /// A phone that calls, and is in the queue.
    fn caller(&self, user: &str, hz: f64) -> Phone {
        self.waits(user, &json!({}));
        let before = self.length();
        let phone = self.dial(user, hz);
        self.expect_length(before + 1);
        phone
    }

    /// A phone that calls to take somebody out.
    fn agent(&self, user: &str) -> Phone {
        self.serves(user, &json!({}));
        self.dial(user, AGENT_HZ)
    }

    fn event_sid(&self) -> String {
        format!("queue:{}:support", self.stage.tenant.account_sid)
    }

    /// The number that the plain list shows; none of a queue that there is not.
    fn length(&self) -> u64 {
        let list = self.stage.get("/Queues");
        let rows = list.as_array().expect("a list");
        let row = rows.iter().find(|row| row["name"] == "support");
        row.map_or(0, |row| row["length"].as_u64().expect("a number"))
    }

    fn expect_length(&self, length: u64) {
        wait::expect(&format!("{length} wait"), SOON, || self.length() == length);
    }

    /// Who waits, head first.
    fn line(&self) -> Vec<String> {
        let answer = self.stage.tenant.rest.get(&self.stage.tenant.path("/Queues/support/Calls"));
        let answer = answer.expect("an answer");
        let rows = answer.json.as_array().cloned().unwrap_or_default();
        rows.iter().map(|row| row["from"].as_str().unwrap_or_default().to_owned()).collect()
    }

    fn expect_line(&self, expected: &[&str]) {
        let met = wait::until(SOON, || (self.line() == expected).then_some(()));
        assert!(met.is_some(), "{:?} wait, not {expected:?}", self.line());
    }

    /// What the action hook of a wait was told, last.
    fn expect_after(&self, call_sid: &str, result: &str) -> Value {
        let told = self.told("/after", &format!("the wait ended with {result}"), |body| {
            body["call_sid"] == call_sid && body["queue_result"] == result
        });
        assert_eq!(told["queue_sid"], self.event_sid(), "{told}");
        assert!(told["queue_time"].is_u64(), "{told}");
        expect_base(&told);
        told
    }

    /// What the action hook of a `dequeue` was told, last.
    fn expect_served(&self, call_sid: &str, result: &str) -> Value {
        let told = self.told("/served", &format!("the dequeue ended with {result}"), |body| {
            body["call_sid"] == call_sid && body["dequeue_result"] == result
        });
        expect_base(&told);
        told
    }

    /// How often a hook was told of a call.
    fn count(&self, path: &str, call_sid: &str) -> usize {
        self.bodies(path).iter().filter(|body| body["call_sid"] == call_sid).count()
    }

    /// The queue's events so far: what happened, to whom, the length then, and why.
    fn events(&self) -> Vec<(String, String, u64, String)> {
        let text = |body: &Value, name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let told = self.bodies("/events");
        let rows = told.iter().map(|body| {
            let length = body["length"].as_u64().expect("a number");
            (text(body, "event"), text(body, "from"), length, text(body, "leave_reason"))
        });
        rows.collect()
    }

    /// Waits until the queue has told exactly that.
    fn expect_events(&self, expected: &[(&str, &str, u64, &str)]) {
        let is_all = || {
            let told = self.events();
            let rows = told.iter().map(|(event, from, length, why)| {
                (event.as_str(), from.as_str(), *length, why.as_str())
            });
            rows.eq(expected.iter().copied())
        };
        let met = wait::until(SOON, || is_all().then_some(()));
        assert!(met.is_some(), "told {:#?}\nexpected {expected:#?}", self.events());
        for told in self.bodies("/events") {
            assert_eq!(told["queue"], "support", "{told}");
            expect_base(&told);
        }
    }

    /// A call stands, and its next verb is heard.
    fn expect_next_verb(&self, who: &str, phone: &dyn Ear) {
        phone.expect(who, &[AFTER_HZ]);
    }
}

/// Where REST shows a call of `support`.
fn queued(call_sid: &str) -> String {
    format!("/Queues/support/Calls/{call_sid}")
}

fn call(call_sid: &str) -> String {
    format!("/Calls/{call_sid}")
}

fn expect_base(told: &Value) {
    for name in BASE {
        assert!(!told[name].is_null(), "{name} is missing: {told}");
    }
}
