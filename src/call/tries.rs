//! The INVITEs of one outbound call: stage after stage of a [`Route`], the attempts of a stage at the
//! same time (RFC 3261 §13.2, §16.7 for what is reported of several answers).
//!
//! Facts about single attempts come in, [`Move`]s leave. The call as a whole hears of one ringing, one
//! answer, or one failure; who loses is cancelled.

use std::collections::VecDeque;
use std::time::Duration;

use sip::Uri;

use super::route::{Attempt, MAX_FORKS, Route};
use crate::model::SipGatewaySid;
use crate::sip_io::trunks::health::Outcome;

/// One INVITE of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TryId(pub u64);

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// Send the INVITE of [`Tries::attempt`].
    Place(TryId),
    /// CANCEL it: `elsewhere` when another attempt was answered.
    Cancel { id: TryId, elsewhere: bool },
    /// Find the way to where a 3xx points, then say [`Tries::redirected`].
    Resolve { id: TryId, to: Vec<Uri> },
    /// Say [`Tries::on_alarm`] of this stage after so long.
    Alarm { stage: u32, after: Duration },
    /// How an attempt ended, for the health of its gateway.
    Report { gateway: SipGatewaySid, outcome: Outcome },
    /// This one was answered first: the call goes on with it. Nothing follows.
    Won(TryId),
    /// Nobody is left. Nothing follows.
    Failed(Failure),
}

/// Why an attempt, or all of them, came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub status: u16,
    pub reason: String,
    /// RFC 3326 Reason of the response.
    pub reason_header: Option<String>,
    /// What it says of who was asked.
    pub outcome: Outcome,
}

impl Failure {
    /// A failure without a response.
    pub fn local(status: u16, reason: impl Into<String>) -> Self {
        let outcome = Outcome::of(status, None);
        Self { status, reason: reason.into(), reason_header: None, outcome }
    }

    /// Whether somebody else should be asked: nobody is there, or cannot work.
    fn is_failover(&self) -> bool {
        self.status == 408 || (500..600).contains(&self.status)
    }

    /// RFC 3261 §16.7: 6xx before all, else the lowest class; silence last of its class.
    fn rank(&self) -> (u16, bool) {
        let class = self.status / 100;
        (if class >= 6 { 0 } else { class }, self.is_failover())
    }
}

#[derive(Debug)]
pub struct Tries {
    stages: VecDeque<Vec<Attempt>>,
    open: Vec<Try>,
    /// The attempt that won, kept for who asks.
    won: Option<Attempt>,
    best: Option<Failure>,
    /// Counts stages; alarms of those that are over have no effect.
    stage: u32,
    last_id: u64,
    redirects_left: u8,
    failover_after: Duration,
    course: Course,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    GoesOn,
    Cancelled,
    Over,
}

#[derive(Debug)]
struct Try {
    id: TryId,
    attempt: Attempt,
    /// Somebody is there.
    is_heard: bool,
    /// Its answer pointed elsewhere; the way there is looked for.
    is_resolving: bool,
}

impl Tries {
    /// `failover_after`: how long a gateway may say nothing while there are others.
    pub fn new(route: Route, failover_after: Duration) -> Self {
        Self {
            stages: route.stages.into(),
            open: Vec::new(),
            won: None,
            best: None,
            stage: 0,
            last_id: 0,
            redirects_left: MAX_REDIRECTS,
            failover_after,
            course: Course::GoesOn,
        }
    }

    /// What an open attempt sends, or the one that won sent.
    pub fn attempt(&self, id: TryId) -> Option<&Attempt> {
        self.open.iter().find(|open| open.id == id).map(|open| &open.attempt)
    }

    pub fn winner(&self) -> Option<&Attempt> {
        self.won.as_ref()
    }

    /// Whether the call is given up.
    pub fn is_cancelled(&self) -> bool {
        self.course == Course::Cancelled
    }

    /// Sends the first stage.
    pub fn start(&mut self, out: &mut Vec<Move>) {
        self.next_stage(out);
    }

    /// The far end of this attempt has said something.
    pub fn on_heard(&mut self, id: TryId) {
        if let Some(open) = self.open.iter_mut().find(|open| open.id == id) {
            open.is_heard = true;
        }
    }

    /// A 2xx. One that nobody waits for any more was cancelled, and is hung up by the stack.
    pub fn on_answered(&mut self, id: TryId, out: &mut Vec<Move>) {
        let Some(place) = self.open.iter().position(|open| open.id == id) else { return };
        if self.course != Course::GoesOn {
            return;
        }
        let won = self.open.swap_remove(place);
        report(&won.attempt, Outcome::Answered, out);
        self.won = Some(won.attempt);
        self.course = Course::Over;
        self.drop_others(true, out);
        out.push(Move::Won(id));
    }

    /// A final response of 300 or more, or none; `contacts` are where a 3xx points.
    pub fn on_failed(
        &mut self,
        id: TryId,
        failure: Failure,
        contacts: Vec<Uri>,
        out: &mut Vec<Move>,
    ) {
        let Some(place) = self.open.iter().position(|open| open.id == id) else { return };
        if self.course == Course::GoesOn {
            report(&self.open[place].attempt, failure.outcome, out);
            let is_redirect = (300..400).contains(&failure.status) && !contacts.is_empty();
            if is_redirect && let Some(left) = self.redirects_left.checked_sub(1) {
                self.redirects_left = left;
                let open = &mut self.open[place];
                open.is_resolving = true;
                open.is_heard = true;
                out.push(Move::Resolve { id, to: contacts });
                return;
            }
        }
        self.open.swap_remove(place);
        self.note(failure, out);
    }

    /// The ways a 3xx led to: INVITEs of the same stage; or why there are none.
    pub fn redirected(
        &mut self,
        id: TryId,
        found: Result<Vec<Attempt>, Failure>,
        out: &mut Vec<Move>,
    ) {
        let Some(place) = self.open.iter().position(|open| open.id == id && open.is_resolving)
        else {
            return;
        };
        self.open.swap_remove(place);
        match found {
            Ok(attempts) if self.course == Course::GoesOn && !attempts.is_empty() => {
                let room = MAX_FORKS.saturating_sub(self.open.len());
                self.place(attempts.into_iter().take(room), out);
            }
            Ok(_) => self.note(Failure::local(404, "Not Found"), out),
            Err(failure) => self.note(failure, out),
        }
    }

    /// A stage's patience is over: gateways that said nothing count as failed while there are others.
    pub fn on_alarm(&mut self, stage: u32, out: &mut Vec<Move>) {
        if self.course != Course::GoesOn || stage != self.stage || self.stages.is_empty() {
            return;
        }
        let is_silent = |open: &Try| !open.is_heard && open.attempt.gateway.is_some();
        let (silent, others) = std::mem::take(&mut self.open).into_iter().partition(is_silent);
        self.open = others;
        let silent: Vec<Try> = silent;
        for Try { id, attempt, .. } in &silent {
            report(attempt, Outcome::Silent, out);
            out.push(Move::Cancel { id: *id, elsewhere: false });
        }
        if !silent.is_empty() {
            self.note(Failure::local(408, "Request Timeout"), out);
        }
    }

    /// The call is given up; [`Move::Failed`] follows when all attempts have confirmed it.
    pub fn cancel(&mut self, out: &mut Vec<Move>) {
        if self.course != Course::GoesOn {
            return;
        }
        self.course = Course::Cancelled;
        // What failed before is not why the call ends.
        self.best = None;
        self.stages.clear();
        self.open.retain(|open| !open.is_resolving);
        out.extend(self.open.iter().map(|open| Move::Cancel { id: open.id, elsewhere: false }));
        if self.open.is_empty() {
            self.fail(out);
        }
    }

    /// Takes note of a failed attempt, and goes on with what is left.
    fn note(&mut self, failure: Failure, out: &mut Vec<Move>) {
        if self.course == Course::Over {
            return;
        }
        let is_global = failure.status >= 600;
        if self.best.as_ref().is_none_or(|best| failure.rank() < best.rank()) {
            self.best = Some(failure);
        }
        if is_global {
            // §16.7: the callee does not want the call anywhere.
            self.drop_others(false, out);
        }
        if !self.open.is_empty() {
            return;
        }
        let is_failover = self.best.as_ref().is_some_and(Failure::is_failover);
        if self.course == Course::GoesOn && is_failover && !self.stages.is_empty() {
            self.best = None;
            self.next_stage(out);
        } else {
            self.fail(out);
        }
    }

    fn fail(&mut self, out: &mut Vec<Move>) {
        let terminated = || Failure::local(487, "Request Terminated");
        let failure = self.best.take().unwrap_or_else(terminated);
        self.course = Course::Over;
        out.push(Move::Failed(failure));
    }

    fn next_stage(&mut self, out: &mut Vec<Move>) {
        let Some(attempts) = self.stages.pop_front() else { return self.fail(out) };
        self.stage += 1;
        self.place(attempts.into_iter(), out);
        if !self.stages.is_empty() {
            out.push(Move::Alarm { stage: self.stage, after: self.failover_after });
        }
    }

    fn place(&mut self, attempts: impl Iterator<Item = Attempt>, out: &mut Vec<Move>) {
        for attempt in attempts {
            self.last_id += 1;
            let id = TryId(self.last_id);
            self.open.push(Try { id, attempt, is_heard: false, is_resolving: false });
            out.push(Move::Place(id));
        }
    }

    fn drop_others(&mut self, elsewhere: bool, out: &mut Vec<Move>) {
        self.stages.clear();
        for Try { id, is_resolving, .. } in self.open.drain(..) {
            if !is_resolving {
                out.push(Move::Cancel { id, elsewhere });
            }
        }
    }
}

fn report(attempt: &Attempt, outcome: Outcome, out: &mut Vec<Move>) {
    out.extend(attempt.gateway.map(|gateway| Move::Report { gateway, outcome }));
}

/// A chain of 3xx longer than this is a loop.
const MAX_REDIRECTS: u8 = 5;

#[cfg(test)]
mod tests;
