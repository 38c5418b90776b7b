//! Attempts in virtual time: what they hear, and what is done, as lines.

use sip::{Flow, Invite, NameAddr};

use super::*;
use crate::model::SipGatewaySid;

struct Bench {
    tries: Tries,
    /// What was done since the last look.
    log: Vec<String>,
}

fn attempt(gateway: bool) -> Attempt {
    let address = "192.0.2.1:5060".parse().unwrap();
    let uri = Uri::of_addr(None, address);
    let name = NameAddr::new(uri.clone());
    let direct = Attempt::direct(Invite::new(uri, Flow::udp(address, address), name.clone(), name));
    Attempt { gateway: gateway.then(SipGatewaySid::random), ..direct }
}

impl Bench {
    /// A call with stages of so many attempts each.
    fn of(stages: &[usize], gateways: bool) -> Self {
        let stage = |count: &usize| (0..*count).map(|_| attempt(gateways)).collect::<Vec<_>>();
        let route = Route::new(stages.iter().map(stage)).unwrap();
        let mut bench = Self { tries: Tries::new(route, Duration::from_secs(5)), log: Vec::new() };
        bench.turn(Tries::start);
        bench
    }

    fn turn(&mut self, step: impl FnOnce(&mut Tries, &mut Vec<Move>)) {
        let mut out = Vec::new();
        step(&mut self.tries, &mut out);
        self.log.extend(out.iter().map(line));
    }

    fn fails(&mut self, id: u64, status: u16) {
        self.fails_at(id, status, &[]);
    }

    fn fails_at(&mut self, id: u64, status: u16, contacts: &[&str]) {
        let contacts = contacts.iter().map(|uri| uri.parse().unwrap()).collect();
        let failure = Failure::local(status, "x");
        self.turn(|tries, out| tries.on_failed(TryId(id), failure, contacts, out));
    }

    fn answers(&mut self, id: u64) {
        self.turn(|tries, out| tries.on_answered(TryId(id), out));
    }

    fn finds(&mut self, id: u64, found: Result<usize, u16>) {
        let found = found
            .map(|count| (0..count).map(|_| attempt(false)).collect())
            .map_err(|status| Failure::local(status, "x"));
        self.turn(|tries, out| tries.redirected(TryId(id), found, out));
    }

    fn does(&mut self, expected: &[&str]) {
        assert_eq!(std::mem::take(&mut self.log), expected);
    }
}

/// One move; only gateways are reported on.
fn line(done: &Move) -> String {
    match done {
        Move::Place(TryId(id)) => format!("INVITE {id}"),
        Move::Cancel { id: TryId(id), elsewhere: false } => format!("CANCEL {id}"),
        Move::Cancel { id: TryId(id), elsewhere: true } => format!("CANCEL {id}, elsewhere"),
        Move::Resolve { id: TryId(id), to } => format!("resolve {id} {}", to[0]),
        Move::Alarm { stage, after } => format!("alarm {stage} in {}", after.as_secs()),
        Move::Report { outcome, .. } => match outcome {
            Outcome::Answered => "works".into(),
            Outcome::Silent => "silent".into(),
            Outcome::Unavailable { retry_after } => {
                format!("unavailable for {}", retry_after.map_or(0, |after| after.as_secs()))
            }
        },
        Move::Won(TryId(id)) => format!("won {id}"),
        Move::Failed(failure) => format!("failed {}", failure.status),
    }
}

#[test]
fn the_first_answer_wins_and_the_others_are_cancelled() {
    let mut bench = Bench::of(&[3, 1], false);
    bench.does(&["INVITE 1", "INVITE 2", "INVITE 3", "alarm 1 in 5"]);
    bench.fails(1, 486);
    bench.answers(2);
    bench.does(&["CANCEL 3, elsewhere", "won 2"]);
    assert!(bench.tries.winner().is_some());
    bench.answers(3);
    bench.fails(3, 487);
    bench.turn(Tries::cancel);
    bench.does(&[]);
}

#[test]
fn only_silence_and_server_failures_lead_to_the_next_stage() {
    for (status, goes_on) in [
        (408, true),
        (500, true),
        (503, true),
        (599, true),
        (404, false),
        (480, false),
        (486, false),
        (403, false),
        (407, false),
        (600, false),
        (603, false),
    ] {
        let mut bench = Bench::of(&[1, 1], true);
        bench.does(&["INVITE 1", "alarm 1 in 5"]);
        bench.fails(1, status);
        let worked = if matches!(status, 408 | 503) { "silent" } else { "works" };
        let failed = format!("failed {status}");
        bench.does(&[worked, if goes_on { "INVITE 2" } else { &failed }]);
    }
}

#[test]
fn a_gateway_says_how_long_it_wants_to_be_left_alone() {
    let mut bench = Bench::of(&[1], true);
    bench.log.clear();
    let after = Some(Duration::from_secs(30));
    let outcome = Outcome::Unavailable { retry_after: after };
    let failure = Failure { outcome, ..Failure::local(503, "x") };
    bench.turn(|tries, out| tries.on_failed(TryId(1), failure, Vec::new(), out));
    bench.does(&["unavailable for 30", "failed 503"]);
}

#[test]
fn the_last_stage_reports_its_own_failure() {
    let mut bench = Bench::of(&[1, 1], true);
    bench.fails(1, 503);
    bench.fails(2, 500);
    bench.does(&["INVITE 1", "alarm 1 in 5", "silent", "INVITE 2", "works", "failed 500"]);
}

#[test]
fn of_several_failures_the_best_is_reported() {
    for (statuses, best) in [
        ([408, 486, 503], 486),
        ([503, 404, 486], 404),
        ([503, 408, 500], 408),
        ([302, 486, 500], 302),
    ] {
        let mut bench = Bench::of(&[3], false);
        bench.log.clear();
        for (id, status) in (1..).zip(statuses) {
            bench.fails(id, status);
        }
        assert_eq!(bench.log.last(), Some(&format!("failed {best}")), "{statuses:?}");
    }
}

#[test]
fn a_global_failure_ends_all_at_once() {
    let mut bench = Bench::of(&[2, 1], false);
    bench.log.clear();
    bench.fails(1, 603);
    bench.does(&["CANCEL 2", "failed 603"]);
    bench.answers(2);
    bench.does(&[]);
}

#[test]
fn a_silent_gateway_is_left_for_the_next_while_there_is_one() {
    let mut bench = Bench::of(&[1, 1], true);
    bench.log.clear();
    bench.turn(|tries, out| tries.on_alarm(1, out));
    bench.does(&["silent", "CANCEL 1", "INVITE 2"]);
    // What it says now is too late; and nobody comes after the last.
    bench.fails(1, 486);
    bench.turn(|tries, out| tries.on_alarm(2, out));
    bench.does(&[]);
    bench.answers(2);
    bench.does(&["works", "won 2"]);
}

#[test]
fn who_was_heard_and_who_is_no_gateway_keeps_its_time() {
    let mut bench = Bench::of(&[1, 1], true);
    bench.log.clear();
    bench.tries.on_heard(TryId(1));
    bench.turn(|tries, out| tries.on_alarm(1, out));
    bench.does(&[]);
    let mut phones = Bench::of(&[2, 1], false);
    phones.log.clear();
    phones.turn(|tries, out| tries.on_alarm(1, out));
    phones.does(&[]);
}

#[test]
fn giving_up_cancels_all_and_fails_with_the_last_confirmation() {
    let mut bench = Bench::of(&[2, 1], false);
    bench.log.clear();
    bench.fails(1, 486);
    bench.log.clear();
    bench.turn(Tries::cancel);
    bench.does(&["CANCEL 2"]);
    bench.fails(2, 487);
    bench.does(&["failed 487"]);
}

#[test]
fn a_refusal_that_crosses_the_cancel_counts() {
    let mut bench = Bench::of(&[1], false);
    bench.log.clear();
    bench.turn(Tries::cancel);
    bench.fails(1, 486);
    bench.does(&["CANCEL 1", "failed 486"]);
}

#[test]
fn a_redirect_is_followed_as_part_of_its_stage() {
    let mut bench = Bench::of(&[2], false);
    bench.log.clear();
    bench.fails_at(1, 302, &["sip:bob@192.0.2.7"]);
    bench.does(&["resolve 1 sip:bob@192.0.2.7"]);
    bench.fails(2, 480);
    bench.does(&[]);
    bench.finds(1, Ok(1));
    bench.does(&["INVITE 3"]);
    bench.answers(3);
    bench.does(&["won 3"]);
}

#[test]
fn a_redirect_that_leads_nowhere_is_a_failure() {
    let mut bench = Bench::of(&[1], false);
    bench.log.clear();
    bench.fails_at(1, 302, &["sip:bob@nowhere.example"]);
    bench.finds(1, Err(503));
    bench.does(&["resolve 1 sip:bob@nowhere.example", "failed 503"]);
    // Without a Contact it is a refusal like others.
    let mut bench = Bench::of(&[1], false);
    bench.fails(1, 302);
    assert_eq!(bench.log.last().unwrap(), "failed 302");
}

#[test]
fn a_chain_of_redirects_has_an_end() {
    let mut bench = Bench::of(&[1], false);
    for id in 1..=u64::from(MAX_REDIRECTS) {
        bench.fails_at(id, 302, &["sip:a@192.0.2.7"]);
        bench.finds(id, Ok(1));
    }
    bench.log.clear();
    bench.fails_at(u64::from(MAX_REDIRECTS) + 1, 302, &["sip:a@192.0.2.7"]);
    assert_eq!(bench.log.last().unwrap(), "failed 302");
}

#[test]
fn giving_up_during_a_redirect_ends_it() {
    let mut bench = Bench::of(&[1], false);
    bench.log.clear();
    bench.fails_at(1, 302, &["sip:a@192.0.2.7"]);
    bench.turn(Tries::cancel);
    bench.finds(1, Ok(1));
    bench.does(&["resolve 1 sip:a@192.0.2.7", "failed 487"]);
}
