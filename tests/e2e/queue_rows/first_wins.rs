//! Who wants the same caller at the same instant: the first has him, the other gets 404 or the next one.

use std::collections::HashMap;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::rtp_peer::Voice;
use support::sipp::Sipp;
use support::{RtpPeer, wait};

use super::phones::Line;
use super::{AGENT_HZ, CALLER_HZ, NOBODY, Queues, call, queued};
use crate::stage::{SOON, file};

const ROUNDS: u32 = 36;
const CALLS: &str = "/Queues/support/Calls";

/// Carl's call, which REST puts into the queue again and again, and an agent's.
struct Contest {
    queues: Queues,
    carl: Line,
    anna: Line,
}

impl Contest {
    fn new() -> Self {
        let queues = Queues::new();
        let idle = json!([{ "verb": "pause", "length": 300 }]);
        let talk = json!([{ "verb": "answer" }, idle[0]]);
        queues.script(&json!({
            "/call": talk, "/after": idle, "/idle": idle, "/served": idle,
            "/take": [{ "verb": "dequeue", "name": "support", "actionHook": "/served" }],
        }));
        queues.post("/Queues", &json!({ "name": "support" })).sid().expect("201");
        let carl = queues.line_of("carl", CALLER_HZ);
        let anna = queues.line_of("anna", AGENT_HZ);
        Self { queues, carl, anna }
    }

    /// Two orders, the second so much later.
    fn both(
        &self,
        lead: Duration,
        first: impl Fn() -> u16 + Sync,
        second: impl Fn() -> u16 + Sync,
    ) -> (u16, u16) {
        let start = Barrier::new(2);
        thread::scope(|scope| {
            let early = scope.spawn(|| {
                start.wait();
                first()
            });
            start.wait();
            let due = Instant::now() + lead;
            while Instant::now() < due {
                std::hint::spin_loop();
            }
            let second = second();
            (early.join().expect("an answer"), second)
        })
    }

    fn put(&self, path: &str, body: &Value) -> u16 {
        self.queues.stage.put(path, body)
    }

    /// Puts Carl in.
    fn wait(&self) {
        let hook = self.queues.url("/after");
        let body = json!({ "call_sid": self.carl.call_sid, "action_hook": hook });
        let answer = self.queues.post(CALLS, &body);
        assert_eq!(answer.status, 201, "{}", answer.text);
    }

    fn remove(&self) -> u16 {
        self.queues.stage.delete(&queued(&self.carl.call_sid))
    }

    /// Waits until it is clear who had Carl, and that nobody else had.
    fn outcome(&self, round: usize) -> String {
        let queues = &self.queues;
        wait::expect("he has left", SOON, || queues.events().len() >= 2 * round);
        let events = queues.events();
        assert_eq!(events.len(), 2 * round, "{events:#?}");
        let (event, from, length, why) = &events[2 * round - 1];
        assert_eq!((event.as_str(), from.as_str(), *length), ("leave", "carl", 0));
        assert_eq!(events[2 * round - 2].0, "join");
        why.clone()
    }

    /// Carl's wait is over, for the so-many-th time; what his hook was told.
    fn expect_over(&self, round: usize) -> String {
        let queues = &self.queues;
        wait::expect("his hook is told", SOON, || {
            queues.count("/after", &self.carl.call_sid) >= round
        });
        let told = queues.bodies("/after");
        assert_eq!(told.len(), round, "told once of each wait");
        told[round - 1]["queue_result"].as_str().unwrap_or_default().to_owned()
    }

    fn send_anna(&self, to: &str) -> u16 {
        let hook = json!({ "call_hook": self.queues.url(to) });
        self.put(&call(&self.anna.call_sid), &hook)
    }
}

#[test]
fn an_api_removal_and_a_hand_over_at_the_same_instant_have_one_winner() {
    let contest = Contest::new();
    let to = json!({ "dequeue_to": { "call_sid": contest.anna.call_sid } });
    let path = queued(&contest.carl.call_sid);
    let mut winners = HashMap::new();
    for round in 1..=ROUNDS {
        contest.wait();
        // From the same instant to one after the other.
        let lead = Duration::from_micros(400) * (round / 2 % 9);
        let (remove, hand) = (|| contest.remove(), || contest.put(&path, &to));
        let (removed, handed) = if round % 2 == 0 {
            contest.both(lead, remove, hand)
        } else {
            let (handed, removed) = contest.both(lead, hand, remove);
            (removed, handed)
        };
        let (why, result) = match (removed, handed) {
            (204, 404) => ("removed", "leave"),
            (404, 204) => ("dequeued", "bridged"),
            both => panic!("round {round}, led by {lead:?}: {both:?}"),
        };
        assert_eq!(contest.outcome(round as usize), why, "round {round}");
        *winners.entry(why).or_insert(0) += 1;
        if why == "dequeued" {
            assert_eq!(contest.send_anna("/idle"), 202);
        }
        assert_eq!(contest.expect_over(round as usize), result, "round {round}");
    }
    assert_eq!(winners.len(), 2, "each of the two has won: {winners:?}");
}

#[test]
fn an_api_removal_and_an_agent_s_verb_at_the_same_instant_have_one_winner() {
    let contest = Contest::new();
    let mut winners = HashMap::new();
    for round in 1..=ROUNDS {
        contest.wait();
        // The agent's application has to be asked before its verb begins: so long the removal is held back.
        let lead = Duration::from_millis(1) * (round % 12);
        let (sent, removed) =
            contest.both(lead, || contest.send_anna("/take"), || contest.remove());
        assert_eq!(sent, 202);
        let why = contest.outcome(round as usize);
        let expected = if removed == 204 { "removed" } else { "dequeued" };
        assert!([204, 404].contains(&removed), "{removed}");
        assert_eq!(why, expected, "round {round}, led by {lead:?}: the removal got {removed}");
        *winners.entry(expected).or_insert(0) += 1;
        // Whether she talks or waits for the next one, she goes.
        assert_eq!(contest.send_anna("/idle"), 202);
        let result = if removed == 204 { "leave" } else { "bridged" };
        assert_eq!(contest.expect_over(round as usize), result, "round {round}");
    }
    assert_eq!(winners.len(), 2, "each of the two has won: {winners:?}");
}

#[test]
fn a_crowd_of_callers_and_a_few_agents_meet_once_each() {
    const CALLERS: usize = 20;
    const PASSERS: usize = 6;
    const AGENTS: usize = 4;
    const ALL: usize = CALLERS + PASSERS;
    let queues = Queues::new();
    let tenant = &queues.stage.tenant;
    let post = |path: &str, body: Value| tenant.rest.post(path, &body).expect("an answer");
    let carrier = post(&tenant.path("/VoipCarriers"), json!({ "name": "sipp" })).sid();
    let gateway = json!({
        "voip_carrier_sid": carrier.expect("201"), "ipv4": "127.0.0.1", "inbound": true,
    });
    post("/v1/SipGateways", gateway).sid().expect("201");
    let sid = queues.application("crowd", "/call");
    tenant.number("15550100", &sid).expect("a number");
    let dequeue = json!([{ "verb": "dequeue", "name": "support", "actionHook": "/served" }]);
    let enqueue = json!([{ "verb": "enqueue", "name": "support", "actionHook": "/after" }]);
    queues.script(&json!({
        "/call": enqueue, "/after": [{ "verb": "hangup" }], "/served": dequeue,
    }));
    for agent in 1..=AGENTS {
        queues.script(&json!({ format!("/call#agent{agent}"): dequeue }));
    }
    // Waits for somebody else, so that the queue has one life and its events one order.
    queues.serves("patient", &json!({ "callSid": NOBODY }));
    let _patient = queues.line_of("patient", AGENT_HZ);
    let ear = RtpPeer::start(Voice::Silence);
    let port = ear.local_addr().port().to_string();
    let crowd = |scenario: &str, name: &str, count: usize| {
        let count = count.to_string();
        let most = ["-m", &count, "-l", &count, "-r", "100"];
        let keys = ["-key", "caller", name, "-key", "peer_rtp", &port];
        let arguments = [&["-s", "15550100"], &most[..], &keys[..]].concat();
        let scenario = file(&format!("sipp/{scenario}.xml"));
        Sipp::caller(&scenario, queues.stage.server.sip(), "u1", &arguments).expect("sipp runs")
    };
    let agents = crowd("uac_crowd", "agent", AGENTS);
    // These hang up after half a second, wherever they are.
    let passers = crowd("uac_call", "passer", PASSERS);
    let callers = crowd("uac_crowd", "caller", CALLERS);
    // Every third is removed as soon as he is seen to wait, the others are hung up once an agent has them.
    let mut done = 0;
    let served = wait::until(SOON, || {
        let told = queues.bodies("/events");
        for body in &told[done..] {
            let text = |name: &str| body[name].as_str().unwrap_or_default();
            let number = text("from").strip_prefix("caller").and_then(|n| n.parse::<usize>().ok());
            let (Some(number), call_sid) = (number, text("call_sid")) else { continue };
            match (text("event"), text("leave_reason")) {
                // First come, first served: an agent may have him already.
                ("join", _) if number % 3 == 0 => _ = queues.stage.delete(&queued(call_sid)),
                ("leave", "dequeued") => _ = queues.stage.delete(&call(call_sid)),
                _ => {}
            }
        }
        done = told.len();
        (done >= 2 * ALL).then_some(())
    });
    assert!(served.is_some(), "{:#?}", queues.events());
    let mut length = 0;
    let mut stays: HashMap<String, Vec<String>> = HashMap::new();
    for body in queues.bodies("/events") {
        let text = |name: &str| body[name].as_str().unwrap_or_default();
        length = if text("event") == "join" { length + 1 } else { length - 1 };
        assert_eq!(body["length"], length, "{body}");
        let stay = format!("{} {}", text("event"), text("leave_reason"));
        stays.entry(text("call_sid").to_owned()).or_default().push(stay);
    }
    assert_eq!((length, stays.len()), (0, ALL));
    for (call_sid, stay) in stays {
        let is_whole = stay.len() == 2 && stay[0] == "join " && stay[1].starts_with("leave ");
        assert!(is_whole, "{call_sid}: {stay:?}");
    }
    for sipp in [callers, passers] {
        let outcome = sipp.outcome(SOON).expect("it ends");
        assert!(outcome.is_good(), "sipp ended with {:?}\n{}", outcome.code, outcome.log);
    }
    queues.expect_length(0);
    drop(agents);
}
