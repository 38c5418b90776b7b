//! Queues row by row: every line of the contract's verbs.md §3.6 and rest.md §3.4, §3.5, judged by foreign phones
//! (`baresip`; `sipp` where the signalling is the point), by what an application in Node is told, and by what REST
//! shows, to us and to the public clients (`node/orders.js`).
//!
//! | row | scenario |
//! |---|---|
//! | `enqueue` `name`, answers, no such name | `waiting::enqueue_answers_a_call…`, `…under_no_possible_name…` |
//! | `priority`, equals, none, negative | `turns::the_lower_priority…` |
//! | `waitHook`: loop, 500 ms, what may stand in it | `waiting::the_wait_hook_is_asked_again…`, `say_play_pause_and_tag…` |
//! | `waitHook`: empty, failed, forbidden | `waiting::a_wait_hook_that_fails…` |
//! | wait payload, `customerData`, D-35 | `waiting::the_wait_hook_is_asked_again…`; after a failed bridge `meeting::a_caller_whose_agent_turns_out…` |
//! | `actionHook`, `queue_time`, base fields | `Queues::expect_after`, in all of them |
//! | `bridged`, the other ended; next verbs | `talking::a_caller_hears_music…`; the reply decides: `an_agent_who_is_sent_elsewhere…` |
//! | `bridged`, this side hung up | `talking::a_caller_who_hangs_up…` |
//! | `hangup`: left while waiting, replaced | `waiting::the_wait_hook_is_asked_again…`, `a_caller_whom_rest_sends_elsewhere…` |
//! | `leave`: verbs before it, reply, next verbs | `waiting::say_play_pause_and_tag…` |
//! | `error` | `rest::what_is_laid_down…` (full) |
//! | dequeued: prompt stops at once, both hear each other | `talking::a_caller_hears_music…` |
//! | caller hangs up: place freed, reply ignored | `waiting::the_wait_hook_is_asked_again…`; partner: `talking::a_caller_who_hangs_up…` |
//! | REST redirect | `waiting::a_caller_whom_rest_sends_elsewhere…` |
//! | created by use, removed when empty | `rest::a_queue_that_was_laid_down_stays…`, `talking::an_agent_waits…` (agents alone) |
//! | `dequeue` `timeout`, none, and after it | `talking::an_agent_waits_as_long…` |
//! | `callSid`, `beep` | `talking::an_agent_takes_the_caller_it_names…` |
//! | `complete`, `timeout`, `hangup` | `talking::a_caller_hears_music…`, `an_agent_waits…`; `meeting::an_agent_whose_one_caller_vanishes…` |
//! | D-36: the reply is honoured; replaced: none | `talking::a_caller_who_hangs_up…`; `an_agent_who_is_sent_elsewhere…` |
//! | D-37 | `talking::two_who_are_both_there…` |
//! | two agents never get the same | `first_wins::a_crowd…` |
//! | a member that vanished is skipped | `meeting::a_caller_who_vanishes…`, `a_caller_without_sound…` |
//! | two phases: back in the old place | `meeting::a_caller_whose_agent_turns_out…`, `…hangs_up_during_the_beep…`, `…dies_unheard…`, `an_agent_whose_sound_comes_late…` |
//! | events `join`, `leave`, order, signature | `Queues::expect_events`, in most; `dequeued` with `dequeuer`: `talking::a_caller_hears_music…` |
//! | `abandoned`: hang-up, `leave`, redirect | the three in `waiting` |
//! | `removed`: each way of the API | `calls::rest_puts…`, `a_queued_call_is_sent…`; `rest::what_is_laid_down…` |
//! | `queue-<name>` dialled by a user (verbs.md §1.1) | `talking::a_registered_phone…` |
//! | identity: sid, name, `event_sid` (rest.md §3.1) | `rest::queues_are_listed…`, `waiting::enqueue_answers…` (percent-encoded) |
//! | GET lists, `search`, `detail`, pages; POST, GET, PUT, DELETE and their codes | `rest::queues_are_listed…` |
//! | `persistent` | `rest::a_queue_that_was_laid_down_stays…`; over `kill -9`: `killed` |
//! | `max_length`, `wait_hook`, DELETE with calls, `force` | `rest::what_is_laid_down…` |
//! | `length`, `longest_wait`, `average_wait` | `rest::queues_are_listed…` |
//! | GET queued calls, one, `Front`, all fields | `calls::a_queued_call_is_shown…`; order: `turns` |
//! | POST, its body and codes | `calls::rest_puts…`; in a `dial`: `a_call_that_talks_in_a_dial…`; full: `rest::what_is_laid_down…` |
//! | PUT: exactly one property | `calls::a_queued_call_is_sent…` |
//! | PUT `priority` | `turns::another_priority…` |
//! | PUT `call_hook` | `calls::a_queued_call_is_sent…` |
//! | PUT `dequeue_to`, its 422s | `calls::a_queued_call_is_handed…`, `a_call_that_talks_in_a_dial…` |
//! | DELETE, `hangup=true` | `calls::rest_puts…` |
//! | first wins, the other gets 404 | `first_wins`; while an agent is being connected: `meeting::expect_reserved` |
//!
//! A fault inside the server is `tests/it/faults.rs`; who may reach an account's queues `tests/it/api/queues.rs`.

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
