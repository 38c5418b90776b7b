//! Many callers, few agents, one queue. Callers wait with different priorities; some hang up while they
//! wait, some are removed over REST, those who are put through hang up after a moment, and their agent
//! takes the next. Then callers come one by one while agents wait, which shows how soon the two meet.
//!
//! What happened is read from the account's queue events, which the server sends in order.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use serde_json::{Value, json};
use support::{HookServer, Reply, Rest, Tenant};

use crate::args::Args;
use crate::caller::Caller;
use crate::proc::Machine;
use crate::run::Run;
use crate::spread::{Spread, round};
use crate::target::{Door, Target};

const QUEUE: &str = "race";
const PRIORITIES: u64 = 5;
/// One in so many callers hangs up while waiting, and one in so many is removed over REST.
const GIVES_UP: u64 = 10;
const REMOVED: u64 = 20;
/// How long a talk lasts: the least, and what is added at random at most.
const TALK: (Duration, Duration) = (Duration::from_millis(300), Duration::from_millis(700));
/// When who gives up or is removed does so, at most, after he came.
const WAIT: Duration = Duration::from_secs(8);
/// Callers a second, of those who come while agents wait.
const SINGLE_RATE: u32 = 20;
const SINGLES: usize = 200;
/// Two agents reserve at once and are connected in either order: so long may a better caller still wait.
const OVERTAKING: u64 = 2_000;
/// Put through by then (p99), of those for whom an agent waits.
const BRIDGED_MS: f64 = 50.0;
const PATIENCE: Duration = Duration::from_secs(180);
/// So long after the last BYE a call may still be counted.
const ENDING: Duration = Duration::from_secs(5);

#[derive(Debug, Serialize)]
pub(crate) struct RaceReport {
    tool: String,
    machine: Machine,
    callers: usize,
    agents: u32,
    seconds: f64,
    /// By how their wait ended.
    put_through: usize,
    gave_up: usize,
    removed: usize,
    /// Callers the queue never told of, or whose end it never told of.
    lost: usize,
    bridged_twice: usize,
    out_of_order: usize,
    failed_calls: usize,
    failures: Vec<String>,
    left_in_queue: u64,
    calls_left: u64,
    /// From joining to being put through, of those who came while agents waited.
    singles: usize,
    bridged_ms: Spread,
    pub(crate) passed: bool,
}

/// One caller's wait, as the queue tells it.
#[derive(Debug, Clone)]
struct Wait {
    call_sid: String,
    priority: u64,
    arrival: usize,
    joined_at: u64,
    left: Option<(String, u64)>,
}

/// What the queue has told so far.
#[derive(Default)]
struct Log {
    waits: Vec<Wait>,
    by_call: BTreeMap<String, usize>,
    bridged_twice: usize,
}

/// # Errors
/// When the run cannot be made.
pub(crate) fn run(args: &Args, agents: u32) -> Result<RaceReport> {
    let callers = args.calls as usize;
    let seats = callers + agents as usize + SINGLES;
    let whole = Args {
        calls: u32::try_from(seats)?,
        talkers: crate::args::Talkers::Some(0),
        ..args.clone()
    };
    let target = Target::of(&whole, None)?;
    let Door::Sip(sip) = &target.door else { bail!("--queue-race needs a server started here") };
    let tenant = sip.tenant.as_ref().context("no tenant")?;
    let (hooks, events) = application(tenant)?;
    let mut run = Run::new(&whole, &target)?;
    let mut race = Race {
        run: &mut run,
        domain: sip.domain.clone(),
        rest: tenant.rest.clone(),
        queue: tenant.path(&format!("/Queues/{QUEUE}")),
        events,
        log: Log::default(),
        came: BTreeSet::new(),
        ends: Vec::new(),
        removals: Vec::new(),
        random: 0x9E37_79B9_7F4A_7C15,
    };
    let began = Instant::now();
    race.come(0..callers, args.rate)?;
    eprintln!("{callers} callers wait; {agents} agents come");
    let agents_at = callers..callers + agents as usize;
    for number in agents_at.clone() {
        race.run.place(number, &format!("sip:agent@{}", race.domain))?;
        race.turn()?;
    }
    race.until_over(0..callers)?;
    let seconds = began.elapsed().as_secs_f64();
    let raced = race.log.waits.len();
    eprintln!("the race is over after {seconds:.0} s; now one by one while agents wait");
    race.go_on(Duration::from_secs(2))?;
    race.singly(callers + agents as usize..seats)?;
    let single: Vec<f64> = race.log.waits[raced..]
        .iter()
        .filter_map(|wait| {
            let (how, at) = wait.left.as_ref()?;
            (how == "dequeued").then(|| at.saturating_sub(wait.joined_at) as f64)
        })
        .collect();
    let waits = &race.log.waits[..raced];
    let ended = |how: &str| {
        waits.iter().filter(|w| w.left.as_ref().is_some_and(|(left, _)| left == how)).count()
    };
    // A removed caller has no verb left: the server ends its call.
    let failure_of = |caller: &Caller| {
        caller.failure.clone().filter(|why| !why.starts_with("ended by the server"))
    };
    let failures: Vec<String> = race.run.callers().iter().filter_map(failure_of).collect();
    // Whose call was never answered cannot have come to the queue: that is a failed call.
    let answered = |number: &usize| race.run.callers()[*number].set_up.is_some();
    let untold = (0..callers).filter(answered).filter(|n| !race.came.contains(n)).count();
    let lost = untold + waits.iter().filter(|wait| wait.left.is_none()).count();
    let left = race.rest.get(&race.queue)?.json["length"].as_u64().unwrap_or(0);
    let out_of_order = out_of_order(waits);
    let (bridged_twice, put_through) = (race.log.bridged_twice, ended("dequeued"));
    let (gave_up, removed) = (ended("abandoned"), ended("removed"));
    run.hang_up(&target)?;
    let calls_left = calls_left(tenant)?;
    drop(hooks);
    let mut report = RaceReport {
        tool: concat!("trunkline-load ", env!("CARGO_PKG_VERSION")).to_owned(),
        machine: Machine::here(),
        callers,
        agents,
        seconds: round(seconds),
        put_through,
        gave_up,
        removed,
        lost,
        bridged_twice,
        out_of_order,
        failed_calls: failures.len(),
        failures: failures.into_iter().take(5).collect(),
        left_in_queue: left,
        calls_left,
        singles: single.len(),
        bridged_ms: Spread::of(single.into_iter()),
        passed: false,
    };
    report.passed = report.faults().is_empty();
    Ok(report)
}

/// Calls that do not end, though everybody has hung up.
fn calls_left(tenant: &Tenant) -> Result<u64> {
    let asked = Instant::now();
    loop {
        let counted = tenant.rest.get(&tenant.path("/CallCount"))?.json;
        let left = ["inbound", "outbound"].iter().filter_map(|side| counted[side].as_u64()).sum();
        if left == 0 || asked.elapsed() > ENDING {
            return Ok(left);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Callers of `wait-P` wait with priority P, whoever calls `agent` serves the queue until he hangs up.
fn application(tenant: &Tenant) -> Result<(HookServer, Receiver<Value>)> {
    let hooks = HookServer::start();
    let next = hooks.url("/next");
    let dequeue = json!([{ "verb": "dequeue", "name": QUEUE, "actionHook": next }]);
    let serve = dequeue.clone();
    hooks.on_fn("/call", move |request| {
        Reply::Json(match request.text("to").strip_prefix("wait-") {
            Some(priority) => json!([{
                "verb": "enqueue",
                "name": QUEUE,
                "priority": priority.parse::<u64>().unwrap_or(999),
            }]),
            None => serve.clone(),
        })
    });
    hooks.on_json("/next", dequeue);
    let (tell, events) = channel();
    hooks.on_fn("/events", move |request| {
        let _ = tell.send(request.json.clone());
        Reply::Status(204)
    });
    let call = json!({ "url": hooks.url("/call"), "method": "POST" });
    let application = json!({
        "name": "race", "account_sid": tenant.account_sid, "call_hook": call, "call_status_hook": null,
    });
    let sid = tenant.rest.post("/v1/Applications", &application)?.sid()?;
    tenant.answer_devices_with(&sid)?;
    let body = json!({ "queue_event_hook": { "url": hooks.url("/events"), "method": "POST" } });
    let answer = tenant.rest.put(&format!("/v1/Accounts/{}", tenant.account_sid), &body)?;
    ensure!(answer.status == 204, "PUT account: {} {}", answer.status, answer.text);
    Ok((hooks, events))
}

struct Race<'a> {
    run: &'a mut Run,
    domain: String,
    rest: Rest,
    queue: String,
    events: Receiver<Value>,
    log: Log,
    /// Of whom the queue told that they came.
    came: BTreeSet<usize>,
    /// Whose call ends when.
    ends: Vec<(Instant, usize)>,
    /// Who is removed over REST when.
    removals: Vec<(Instant, String)>,
    random: u64,
}

impl Race<'_> {
    /// Callers come, `rate` a second, each with a priority and a fate of his own.
    fn come(&mut self, who: std::ops::Range<usize>, rate: u32) -> Result<()> {
        let (began, first) = (Instant::now(), who.start);
        for number in who {
            let due = Duration::from_secs_f64((number - first) as f64 / f64::from(rate));
            while began.elapsed() < due {
                self.turn()?;
            }
            let priority = self.below(PRIORITIES);
            self.run.place(number, &format!("sip:wait-{priority}@{}", self.domain))?;
            if self.below(GIVES_UP) == 0 {
                let after = self.some(WAIT);
                self.ends.push((Instant::now() + Duration::from_millis(500) + after, number));
            }
        }
        self.go_on(Duration::from_secs(1))
    }

    /// Until nobody of them has a call any more.
    fn until_over(&mut self, who: std::ops::Range<usize>) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE
            && who.clone().any(|number| !self.run.callers().get(number).is_none_or(Caller::is_gone))
        {
            self.turn()?;
        }
        self.go_on(Duration::from_millis(500))
    }

    /// One caller after the other, who finds agents waiting.
    fn singly(&mut self, who: std::ops::Range<usize>) -> Result<()> {
        let every = Duration::from_secs(1) / SINGLE_RATE;
        for number in who.clone() {
            self.run.place(number, &format!("sip:wait-0@{}", self.domain))?;
            self.go_on(every)?;
        }
        self.until_over(who)
    }

    fn go_on(&mut self, time: Duration) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < time {
            self.turn()?;
        }
        Ok(())
    }

    fn turn(&mut self) -> Result<()> {
        self.run.one_turn()?;
        while let Ok(event) = self.events.try_recv() {
            self.take(&event);
        }
        let now = Instant::now();
        let due: Vec<usize> =
            self.ends.extract_if(.., |(at, _)| *at <= now).map(|(_, number)| number).collect();
        for number in due {
            self.run.end(number);
        }
        let due: Vec<String> =
            self.removals.extract_if(.., |(at, _)| *at <= now).map(|(_, sid)| sid).collect();
        for sid in due {
            let (rest, path) = (self.rest.clone(), format!("{}/Calls/{sid}", self.queue));
            // 404 for one that has gone meanwhile.
            thread::spawn(move || rest.delete(&path).map(drop));
        }
        Ok(())
    }

    /// What the queue tells of.
    fn take(&mut self, event: &Value) {
        let Some(left) = self.log.take(event) else {
            if event["event"] != "join" {
                return;
            }
            let call_id = event["call_id"].as_str();
            self.came.extend(call_id.and_then(|call_id| self.run.number_of(call_id)));
            if self.below(REMOVED) == 0 {
                let after = self.some(WAIT);
                let sid = event["call_sid"].as_str().unwrap_or_default().to_owned();
                self.removals.push((Instant::now() + after, sid));
            }
            return;
        };
        let number = event["call_id"].as_str().and_then(|call_id| self.run.number_of(call_id));
        if let Some(number) = number.filter(|_| left == "dequeued") {
            let talk = TALK.0 + self.some(TALK.1);
            self.ends.retain(|(_, ending)| *ending != number);
            self.ends.push((Instant::now() + talk, number));
        }
    }

    fn some(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.below(1_000) as f64 / 1_000.0)
    }

    /// A number below `most`, the same ones in each run (xorshift64).
    fn below(&mut self, most: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % most
    }
}

impl Log {
    /// How the caller left, if that is what the event tells.
    fn take(&mut self, event: &Value) -> Option<String> {
        let sid = event["call_sid"].as_str()?.to_owned();
        if event["event"] == "join" {
            let priority =
                event["to"].as_str().and_then(|to| to.strip_prefix("wait-")?.parse().ok());
            self.by_call.insert(sid.clone(), self.waits.len());
            self.waits.push(Wait {
                call_sid: sid,
                priority: priority.unwrap_or(999),
                arrival: self.waits.len(),
                joined_at: event["join_time"].as_u64().unwrap_or(0),
                left: None,
            });
            return None;
        }
        let how = event["leave_reason"].as_str()?.to_owned();
        let wait = self.by_call.get(&sid).and_then(|&at| self.waits.get_mut(at))?;
        if wait.left.is_some() {
            self.bridged_twice += 1;
            return None;
        }
        wait.left = Some((how.clone(), event["leave_time"].as_u64().unwrap_or(0)));
        Some(how)
    }
}

/// Callers who were put through while a better one waited on, by more than agents can overtake each other.
fn out_of_order(waits: &[Wait]) -> usize {
    let place = |wait: &Wait| (wait.priority, wait.arrival);
    let is_before = |better: &Wait, wait: &Wait, at: u64| {
        let left = better.left.as_ref().map_or(u64::MAX, |(_, left)| *left);
        place(better) < place(wait) && better.joined_at + OVERTAKING < at && left > at + OVERTAKING
    };
    waits
        .iter()
        .filter(|wait| match &wait.left {
            Some((how, at)) if how == "dequeued" => waits
                .iter()
                .any(|better| better.call_sid != wait.call_sid && is_before(better, wait, *at)),
            _ => false,
        })
        .count()
}

impl RaceReport {
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (count, what) in [
            (self.lost, "callers were lost"),
            (self.bridged_twice, "callers left twice"),
            (self.out_of_order, "callers were put through out of order"),
            (self.failed_calls, "calls failed"),
            (self.left_in_queue as usize, "callers are left in the queue"),
            (self.calls_left as usize, "calls are left"),
            (SINGLES.saturating_sub(self.singles), "single callers were not put through"),
        ] {
            if count > 0 {
                faults.push(format!("{count} {what}"));
            }
        }
        if self.bridged_ms.p99 > BRIDGED_MS {
            faults.push(format!("put through after {:.0} ms (p99)", self.bridged_ms.p99));
        }
        faults
    }

    /// For people.
    pub(crate) fn table(&self) -> String {
        let mut text = format!(
            "{} callers, {} agents, {:.0} s: {} put through, {} gave up, {} removed over REST, {} lost, \
             {} left twice, {} out of order, {} calls failed\n{} came while agents waited: put through \
             after p50 {:.0} p99 {:.0} max {:.0} ms\n",
            self.callers,
            self.agents,
            self.seconds,
            self.put_through,
            self.gave_up,
            self.removed,
            self.lost,
            self.bridged_twice,
            self.out_of_order,
            self.failed_calls,
            self.singles,
            self.bridged_ms.p50,
            self.bridged_ms.p99,
            self.bridged_ms.max,
        );
        for fault in self.faults() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "NOT AS IT SHOULD BE: {fault}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(log: &mut Log, sid: &str, priority: u64, at: u64) {
        let to = format!("wait-{priority}");
        let event = json!({ "event": "join", "call_sid": sid, "to": to, "join_time": at });
        assert_eq!(log.take(&event), None);
    }

    fn leave(log: &mut Log, sid: &str, how: &str, at: u64) -> Option<String> {
        log.take(&json!({
            "event": "leave", "call_sid": sid, "leave_reason": how, "leave_time": at,
        }))
    }

    #[test]
    fn whoever_is_put_through_past_a_better_one_is_out_of_order() {
        let mut log = Log::default();
        for (sid, priority) in [("a", 1), ("b", 0), ("c", 1)] {
            join(&mut log, sid, priority, 0);
        }
        assert_eq!(leave(&mut log, "b", "dequeued", 10_000).as_deref(), Some("dequeued"));
        leave(&mut log, "c", "dequeued", 10_100);
        leave(&mut log, "a", "dequeued", 10_200);
        assert_eq!(out_of_order(&log.waits), 0, "agents overtake each other");
        let mut log = Log::default();
        join(&mut log, "a", 1, 0);
        join(&mut log, "b", 1, 1);
        leave(&mut log, "b", "dequeued", 10_000);
        leave(&mut log, "a", "abandoned", 20_000);
        assert_eq!(out_of_order(&log.waits), 1);
    }

    #[test]
    fn who_leaves_twice_is_counted() {
        let mut log = Log::default();
        join(&mut log, "a", 1, 0);
        leave(&mut log, "a", "dequeued", 1);
        assert_eq!(leave(&mut log, "a", "dequeued", 2), None);
        assert_eq!(log.bridged_twice, 1);
    }
}
