//! What a call hears while it waits: the verbs of a hook, one after the other, asked for again and
//! again (contract verbs.md §3.5, §3.6 and "Restricted contexts").
//!
//! A part of the verb that waits, not a verb: `conference` has it for its wait, enter and hold hooks,
//! `enqueue` for its wait hook, `dial` for its hold hook. What it starts has [`RunId`]s of its own, so the
//! verb asks [`Prompts::owns`] whose event it has been given. A hook that fails, or says what may not
//! stand there, leaves silence.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Map, Value};

use super::{Ask, AskKind, Cx, Ear, Effect, Event, RunId, Step, Stop, Verb, VerbKind};
use crate::model::Hook;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Prompts {
    hook: Hook,
    plan: Plan,
    stage: Stage,
}

/// How prompts go on, and what may stand in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Silence between two rounds; `None`: there is one round only.
    pub(super) gap: Option<Duration>,
    /// Also `leave` and `tag`.
    pub(super) may_leave: bool,
    pub(super) ear: Ear,
}

#[derive(Clone, Debug, PartialEq)]
enum Stage {
    /// Before the first question and after the end: nothing is heard.
    Silent,
    Asking(RunId),
    Running {
        verb: Box<Verb>,
        run: RunId,
        rest: VecDeque<Verb>,
    },
    Gap(RunId),
}

/// How far the prompts have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Round {
    GoesOn,
    /// The silence after a round is over: [`Prompts::ask`] with what is to be told now.
    Again,
    /// One round was all, or the hook failed or had nothing to say: silence from here on.
    Over,
    /// The verbs said `leave`.
    Leave,
}

impl Prompts {
    pub(super) fn new(hook: Hook, plan: Plan) -> Self {
        Self { hook, plan, stage: Stage::Silent }
    }

    /// Who is asked.
    pub(super) fn hook(&self) -> &Hook {
        &self.hook
    }

    /// Asks the hook what shall be heard.
    pub(super) fn ask(&mut self, fields: Map<String, Value>, cx: &mut Cx<'_>) {
        self.stop(cx);
        let run = cx.fresh_run();
        let (kind, hook) = (AskKind::Prompt, self.hook.clone());
        cx.out.push(Effect::Ask(Ask { run, kind, hook, fields, verb_id: None, wants_reply: true }));
        self.stage = Stage::Asking(run);
    }

    /// Whether an event of that name is for these prompts.
    pub(super) fn owns(&self, to: RunId) -> bool {
        match &self.stage {
            Stage::Silent => false,
            Stage::Asking(run) | Stage::Gap(run) | Stage::Running { run, .. } => *run == to,
        }
    }

    /// Takes an event that they [own](Self::owns).
    pub(super) fn on_event(&mut self, event: Event, cx: &mut Cx<'_>) -> Round {
        match (std::mem::replace(&mut self.stage, Stage::Silent), event) {
            (Stage::Asking(_), Event::Prompts(Some(verbs)))
                if !verbs.is_empty() && verbs.iter().all(|verb| self.may_run(verb)) =>
            {
                self.next(verbs.into(), cx)
            }
            (Stage::Asking(_), Event::Prompts(_)) => Round::Over,
            (Stage::Gap(_), Event::Timer) => Round::Again,
            (Stage::Running { mut verb, run, rest }, event) => {
                match self.inside(cx, |cx| verb.on_event(event, run, run, cx)) {
                    Step::Wait => {
                        self.stage = Stage::Running { verb, run, rest };
                        Round::GoesOn
                    }
                    // A prompt has no action hook.
                    Step::Done(_) | Step::End => self.next(rest, cx),
                }
            }
            (stage, _) => {
                self.stage = stage;
                Round::GoesOn
            }
        }
    }

    /// Ends them at once.
    pub(super) fn stop(&mut self, cx: &mut Cx<'_>) {
        match std::mem::replace(&mut self.stage, Stage::Silent) {
            Stage::Silent | Stage::Asking(_) => {}
            Stage::Gap(run) => cx.out.push(Effect::StopTimer { run }),
            Stage::Running { mut verb, run, .. } => {
                // Nobody is told how far a prompt came.
                let _ = verb.stop(Stop::Replaced, run, cx);
            }
        }
    }

    fn next(&mut self, mut rest: VecDeque<Verb>, cx: &mut Cx<'_>) -> Round {
        while let Some(verb) = rest.pop_front() {
            if let VerbKind::Leave(_) = verb.kind {
                return Round::Leave;
            }
            let (run, mut verb) = (cx.fresh_run(), Box::new(verb));
            if self.inside(cx, |cx| verb.start(run, cx)) == Step::Wait {
                self.stage = Stage::Running { verb, run, rest };
                return Round::GoesOn;
            }
        }
        self.end_round(cx)
    }

    fn end_round(&mut self, cx: &mut Cx<'_>) -> Round {
        let Some(after) = self.plan.gap else { return Round::Over };
        let run = cx.fresh_run();
        cx.out.push(Effect::StartTimer { run, after });
        self.stage = Stage::Gap(run);
        Round::GoesOn
    }

    fn may_run(&self, verb: &Verb) -> bool {
        match verb.kind {
            VerbKind::Play(_) | VerbKind::Say(_) | VerbKind::Pause(_) => true,
            VerbKind::Leave(_) | VerbKind::Tag(_) => self.plan.may_leave,
            _ => false,
        }
    }

    /// Has what the verbs play heard where these prompts are.
    fn inside<T>(&self, cx: &mut Cx<'_>, work: impl FnOnce(&mut Cx<'_>) -> T) -> T {
        let before = std::mem::replace(&mut cx.ear, self.plan.ear);
        let done = work(cx);
        cx.ear = before;
        done
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use serde_json::json;

    use super::*;
    use crate::model::AccountSid;
    use crate::verb::{Line, PlayReport, parse};

    const GAP: Duration = Duration::from_millis(750);

    struct Waiter {
        prompts: Prompts,
        runs: u32,
    }

    impl Waiter {
        fn new(gap: Option<Duration>) -> Self {
            let plan = Plan { gap, may_leave: true, ear: Ear::Seat };
            Self { prompts: Prompts::new(Hook::post("/wait"), plan), runs: 0 }
        }

        fn step<T>(
            &mut self,
            step: impl FnOnce(&mut Prompts, &mut Cx<'_>) -> T,
        ) -> (T, Vec<Effect>) {
            let mut out = Vec::new();
            let mut cx = Cx {
                now: Instant::now(),
                line: Line::Answered,
                account_sid: AccountSid::random(),
                ear: Ear::Call,
                runs: &mut self.runs,
                out: &mut out,
            };
            let done = step(&mut self.prompts, &mut cx);
            (done, out)
        }

        fn ask(&mut self) -> Vec<Effect> {
            self.step(|prompts, cx| prompts.ask(Map::new(), cx)).1
        }

        /// An event for what was started last.
        fn event(&mut self, event: Event) -> (Round, Vec<Effect>) {
            assert!(self.prompts.owns(RunId(self.runs)), "not theirs");
            self.step(|prompts, cx| prompts.on_event(event, cx))
        }

        #[allow(clippy::needless_pass_by_value, reason = "json! literals read best by value")]
        fn reply(&mut self, verbs: Value) -> (Round, Vec<Effect>) {
            self.event(Event::Prompts(Some(parse(&verbs).unwrap())))
        }
    }

    fn played() -> Event {
        let played = Duration::from_secs(1);
        Event::PlayDone(PlayReport { played, last_offset_samples: 0 })
    }

    #[test]
    fn a_round_is_played_then_there_is_silence_then_the_hook_is_asked_again() {
        let mut waiter = Waiter::new(Some(GAP));
        assert!(matches!(&waiter.ask()[..], [Effect::Ask(Ask { kind: AskKind::Prompt, .. })]));
        let verbs = json!([{"verb": "play", "url": "/a.wav"}, {"verb": "pause", "length": 1}]);
        let (round, out) = waiter.reply(verbs);
        assert_eq!(round, Round::GoesOn);
        assert!(matches!(&out[..], [Effect::Play { ear: Ear::Seat, .. }]), "{out:?}");
        let (_, out) = waiter.event(played());
        assert!(matches!(&out[..], [Effect::StartTimer { .. }]), "{out:?}");
        let (_, out) = waiter.event(Event::Timer);
        assert!(matches!(&out[..], [Effect::StartTimer { after: GAP, .. }]), "{out:?}");
        assert_eq!(waiter.event(Event::Timer).0, Round::Again);
    }

    #[test]
    fn one_round_is_all_where_there_is_no_gap() {
        let mut waiter = Waiter::new(None);
        waiter.ask();
        let _ = waiter.reply(json!([{"verb": "play", "url": "/a.wav"}]));
        assert_eq!(waiter.event(played()), (Round::Over, vec![]));
    }

    #[test]
    fn a_failed_an_empty_and_a_forbidden_reply_leave_silence() {
        for reply in [
            None,
            Some(json!([])),
            Some(json!([{"verb": "pause", "length": 1}, {"verb": "hangup"}])),
        ] {
            let mut waiter = Waiter::new(Some(GAP));
            waiter.ask();
            let verbs = reply.map(|verbs| parse(&verbs).unwrap());
            assert_eq!(waiter.event(Event::Prompts(verbs)), (Round::Over, vec![]));
        }
    }

    #[test]
    fn leave_ends_them_after_what_stands_before_it() {
        let mut waiter = Waiter::new(Some(GAP));
        waiter.ask();
        let (round, out) = waiter.reply(json!([
            {"verb": "tag", "data": {"a": 1}},
            {"verb": "play", "url": "/bye.wav"},
            {"verb": "leave"},
        ]));
        assert_eq!(round, Round::GoesOn);
        assert!(matches!(&out[..], [Effect::SetCustomerData(_), Effect::Play { .. }]), "{out:?}");
        assert_eq!(waiter.event(played()).0, Round::Leave);
    }

    #[test]
    fn stopping_stops_what_is_heard_and_what_comes_late_is_not_theirs() {
        let mut waiter = Waiter::new(Some(GAP));
        waiter.ask();
        let _ = waiter.reply(json!([{"verb": "play", "url": "/a.wav"}]));
        let run = RunId(waiter.runs);
        let ((), out) = waiter.step(Prompts::stop);
        assert_eq!(out, [Effect::StopPlay { run }]);
        assert!(!waiter.prompts.owns(run));
    }
}
