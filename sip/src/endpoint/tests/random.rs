//! Random schedules: two endpoints whose owners order whatever there is to order, at any time, over links
//! that lose, double and reorder.
//!
//! What must hold for each: every dialog ends on both sides with exactly one event; messages go again
//! when the RFC says, to within 10 ms; and 64·T1 + 5 s after the last end and the last message nothing is
//! left. A thousand schedules run in every test, 100,000 at night (`make nightly`). The seed of a failure
//! is printed; `TRUNKLINE_SEED=n` runs that one alone.

use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::schedules::{NOTHING, Seen};
use crate::sim::{Link, Pair, Sent, Side};
use crate::{Body, DialogId, EndCause, Event, Invite, Method, Reliable, Reply, Transport};

/// When nothing may be left, after the last end and the last message.
const REMNANT: Duration = Duration::from_secs(32 + 5);

/// Longer than any chain of timers between the last order and the last end.
const ALL_OVER: Duration = Duration::from_secs(64 * 8);

#[test]
fn random_schedules_end_once_keep_time_and_leave_nothing() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
    let seeds = match number("TRUNKLINE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TRUNKLINE_SCHEDULES").unwrap_or(1_000),
    };
    let is_whole = seeds.end - seeds.start >= 1_000;
    let mut kinds = BTreeSet::new();
    for seed in seeds {
        match catch_unwind(AssertUnwindSafe(|| Schedule::new(seed).run())) {
            Ok(seen) => kinds.extend(seen),
            Err(_) => panic!("the schedule failed: TRUNKLINE_SEED={seed} runs it alone"),
        }
    }
    let missing: Vec<_> = KINDS.iter().filter(|kind| !kinds.contains(*kind)).collect();
    assert!(!is_whole || missing.is_empty(), "the schedules never saw {missing:?}");
}

/// What a thousand schedules must have seen, so that they are about something.
const KINDS: [&str; 25] = [
    "Acked",
    "Answered",
    "ByeReceived",
    "Cancelled",
    "Declined",
    "Hangup",
    "Invite",
    "NoAck",
    "NoPrack",
    "PeerGone",
    "Pracked",
    "Provisional",
    "Reinvite",
    "ReinviteAnswered",
    "ReinviteRejected",
    "Rejected",
    "Request",
    "RequestDone",
    "SessionExpired",
    "Trying",
    "Unanswered",
    "Update",
    "UpdateAnswered",
    "UpdateRejected",
    "wants_answer",
];

fn kind_of(event: &Event) -> &'static str {
    match event {
        Event::Provisional { wants_answer: true, .. }
        | Event::ReinviteAnswered { wants_answer: true, .. }
        | Event::Answered { wants_answer: true, .. } => "wants_answer",
        Event::Invite { .. } => "Invite",
        Event::Cancelled { .. } => "Cancelled",
        Event::Acked { .. } => "Acked",
        Event::Reinvite { .. } => "Reinvite",
        Event::ByeReceived { .. } => "ByeReceived",
        Event::Provisional { .. } => "Provisional",
        Event::Pracked { .. } => "Pracked",
        Event::Trying { .. } => "Trying",
        Event::Update { .. } => "Update",
        Event::UpdateAnswered { .. } => "UpdateAnswered",
        Event::UpdateRejected { .. } => "UpdateRejected",
        Event::Answered { .. } => "Answered",
        Event::Rejected { .. } => "Rejected",
        Event::ReinviteAnswered { .. } => "ReinviteAnswered",
        Event::ReinviteRejected { .. } => "ReinviteRejected",
        Event::Request { .. } => "Request",
        Event::RequestDone { .. } => "RequestDone",
        Event::Response { .. } => "Response",
        Event::Ended { cause, .. } => match cause {
            EndCause::Hangup => "Hangup",
            EndCause::Declined => "Declined",
            EndCause::NoAck => "NoAck",
            EndCause::NoPrack => "NoPrack",
            EndCause::Unanswered => "Unanswered",
            EndCause::PeerGone { .. } => "PeerGone",
            EndCause::Transport => "Transport",
            EndCause::SetupTimeout => "SetupTimeout",
            EndCause::SessionExpired => "SessionExpired",
        },
    }
}

struct Schedule {
    seed: u64,
    pair: Pair,
    script: Script,
}

/// The owners of both sides.
struct Script {
    seen: Seen,
    open: Vec<(Side, DialogId)>,
    last_end: Instant,
    /// No more orders than needed to end it all.
    is_ending: bool,
    /// The kinds of events seen.
    kinds: BTreeSet<&'static str>,
}

impl Schedule {
    fn new(seed: u64) -> Self {
        let transport = if seed % 4 == 3 { Transport::Tcp } else { Transport::Udp };
        let link = match (transport, seed % 3) {
            (Transport::Tcp, _) | (_, 0) => Link::GOOD,
            _ => Link::BAD,
        };
        let mut pair = Pair::with(transport, link, seed, |side, config| {
            let dice = seed >> if side == Side::A { 2 } else { 5 };
            config.session_expires = dice.is_multiple_of(2).then(|| Duration::from_secs(20));
            config.min_se = Duration::from_secs(if dice.is_multiple_of(3) { 30 } else { 10 });
            if dice.is_multiple_of(5) {
                config.reliable = Reliable::WhenRequired;
            }
            if dice.is_multiple_of(7) {
                config.allow_in_dialog = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, INFO, REFER";
            }
        });
        pair.trace = Some(Vec::new());
        let script = Script {
            seen: Seen::default(),
            open: Vec::new(),
            last_end: pair.now,
            is_ending: false,
            kinds: BTreeSet::new(),
        };
        Self { seed, pair, script }
    }

    /// Plays it; the kinds of events it saw.
    fn run(mut self) -> BTreeSet<&'static str> {
        let Self { pair, script, seed } = &mut self;
        for _ in 0..3 {
            script.place(pair);
        }
        let steps = 10 + pair.chance(30);
        for _ in 0..steps {
            let wait = Duration::from_millis(pair.chance(3_000).into());
            pair.run(wait, |pair, side, event| script.react(pair, side, &event));
            let pick = usize::try_from(pair.chance(64)).unwrap() % script.open.len();
            let (side, dialog) = script.open[pick];
            script.meddle(pair, side, dialog);
        }
        // in the end everybody hangs up; what is over already says so
        script.is_ending = true;
        let now = pair.now;
        for (side, dialog) in script.open.clone() {
            let _ = pair.end(side).bye(now, dialog, vec![]);
        }
        let limit = now + ALL_OVER;
        while script.seen.ends.values().any(|ends| *ends == 0) {
            assert!(pair.now < limit, "seed {seed}: stuck: {:?}", script.seen.ends);
            pair.run(Duration::from_secs(1), |pair, side, event| script.react(pair, side, &event));
        }
        loop {
            let until = pair.last_arrival.max(script.last_end) + REMNANT;
            let Some(wait) = until.checked_duration_since(pair.now).filter(|d| !d.is_zero()) else {
                break;
            };
            pair.run(wait, |pair, side, event| script.react(pair, side, &event));
            assert!(pair.now < limit + ALL_OVER, "seed {seed}: never quiet");
        }
        script.seen.assert_all_ended_once(*seed);
        assert_eq!((pair.a.load(), pair.b.load()), (NOTHING, NOTHING), "seed {seed}");
        assert_eq!((pair.a.next_wake(), pair.b.next_wake()), (None, None), "seed {seed}");
        keeps_time(*seed, &pair.trace.take().unwrap());
        std::mem::take(&mut script.kinds)
    }
}

impl Script {
    fn place(&mut self, pair: &mut Pair) {
        let from = if pair.chance(2) == 0 { Side::A } else { Side::B };
        let flow = pair.flow(from);
        let mut invite = Invite::new(
            format!("sip:callee@{}", flow.peer).parse().unwrap(),
            flow,
            "<sip:caller@example.com>".parse().unwrap(),
            "<sip:callee@example.com>".parse().unwrap(),
        );
        // now and then the callee has to make the offer, or must answer reliably
        invite.body = (pair.chance(4) > 0).then(sdp);
        if pair.chance(4) == 0 {
            invite.headers.push(("Require".into(), "100rel".into()));
        }
        let now = pair.now;
        let (dialog, _) = pair.end(from).invite(now, invite).unwrap();
        self.seen.ends.insert((from == Side::A, dialog), 0);
        self.open.push((from, dialog));
    }

    fn react(&mut self, pair: &mut Pair, side: Side, event: &Event) {
        self.seen.note(side, event);
        self.kinds.insert(kind_of(event));
        let (now, dice) = (pair.now, pair.chance(10));
        match *event {
            Event::Rejected { .. }
            | Event::Cancelled { .. }
            | Event::ByeReceived { .. }
            | Event::Ended { .. } => self.last_end = now,
            Event::Invite { dialog, .. } => {
                self.open.push((side, dialog));
                if self.is_ending {
                    let _ = pair.end(side).bye(now, dialog, vec![]);
                } else if dice < 6 {
                    self.progress(pair, side, dialog);
                }
            }
            Event::Reinvite { dialog, .. } => {
                let end = pair.end(side);
                let _ = match dice {
                    0..6 => end.answer(now, dialog, Reply::new(200).with_body(sdp())),
                    6..8 => end.reject(now, dialog, Reply::new(488)),
                    _ => Ok(()),
                };
            }
            Event::Provisional { dialog, wants_answer: true, .. }
            | Event::Answered { dialog, wants_answer: true, .. }
            | Event::ReinviteAnswered { dialog, wants_answer: true, .. }
                if dice < 8 =>
            {
                let _ = pair.end(side).ack(now, dialog, (dice > 0).then(sdp));
            }
            Event::Update { txn, .. } => {
                let reply = match dice {
                    0..6 => Reply::new(200).with_body(sdp()),
                    6..9 => Reply::new(488),
                    _ => return,
                };
                // too late if the call ended at the same time
                let _ = pair.end(side).respond(now, txn, reply);
            }
            Event::Request { txn, .. } => {
                pair.end(side).respond(now, txn, Reply::new(202)).unwrap();
            }
            _ => {}
        }
    }

    fn progress(&self, pair: &mut Pair, side: Side, dialog: DialogId) {
        let now = pair.now;
        for _ in 0..=pair.chance(3) {
            let reply = match pair.chance(2) {
                0 => Reply::new(180),
                _ => Reply::new(183).with_body(sdp()),
            };
            let _ = pair.end(side).progress(now, dialog, reply);
        }
    }

    /// What one side may do to a call at any time; most of it is refused in most states.
    fn meddle(&self, pair: &mut Pair, side: Side, dialog: DialogId) {
        let (now, dice, body) = (pair.now, pair.chance(18), pair.chance(3));
        let end = pair.end(side);
        let body = (body > 0).then(sdp);
        // an order that does not fit the state is an error and nothing else: that is the point
        let _ = match dice {
            0 => end.bye(now, dialog, vec![]),
            1 => end.cancel(now, dialog),
            2 | 3 => end.reinvite(now, dialog, vec![], body),
            4 | 5 => end.update(now, dialog, vec![], body),
            6 => end.request(now, dialog, Method::Info, vec![], None).map(drop),
            7 => end.request(now, dialog, Method::Refer, vec![], None).map(drop),
            8 => end.request(now, dialog, Method::Notify, vec![], None).map(drop),
            9 => end.reject(now, dialog, Reply::new(486)),
            10 => end.ack(now, dialog, body),
            11 | 12 => {
                self.progress(pair, side, dialog);
                Ok(())
            }
            _ => end.answer(now, dialog, Reply::new(200).with_body(sdp())),
        };
    }
}

/// Whether requests, and the 2xx of INVITEs, went again when the RFC says and at no other time.
fn keeps_time(seed: u64, trace: &[Sent]) {
    let mut first: HashMap<(bool, &Bytes), (Instant, usize)> = HashMap::new();
    for Sent { at, from, bytes } in trace {
        let Some(steps) = steps_of(bytes) else { continue };
        let entry = first.entry((*from == Side::A, bytes)).or_insert((*at, 0));
        let (begin, count) = *entry;
        entry.1 += 1;
        if count == 0 {
            continue;
        }
        let after = u64::try_from(at.duration_since(begin).as_millis()).unwrap();
        let expected = steps.get(count - 1).copied();
        assert!(
            expected.is_some_and(|expected| after.abs_diff(expected) <= 10),
            "seed {seed}: sent again after {after} ms, not {expected:?}: {bytes:?}"
        );
    }
}

/// When a message goes again by itself, in milliseconds (RFC 3261 §17.1.1.2, §17.1.2.2, §13.3.1.4).
/// `None` for those that go again on demand.
fn steps_of(bytes: &[u8]) -> Option<&'static [u64]> {
    const DOUBLING: [u64; 6] = [500, 1_500, 3_500, 7_500, 15_500, 31_500];
    const UP_TO_T2: [u64; 10] =
        [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
    let text = std::str::from_utf8(bytes).unwrap();
    match text.split(' ').next()? {
        "ACK" => None,
        "INVITE" => Some(&DOUBLING),
        "SIP/2.0" => {
            let is_success = text.starts_with("SIP/2.0 2") && text.contains(" INVITE\r\n");
            is_success.then_some(&UP_TO_T2[..])
        }
        _ => Some(&UP_TO_T2),
    }
}

fn sdp() -> Body {
    Body::sdp("v=0\r\n")
}
