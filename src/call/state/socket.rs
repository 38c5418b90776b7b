//! What comes over the socket of a WebSocket application, and how a session moves to one and away from
//! it (contract verbs.md §1.2, §1.8, §2.3).

use std::time::Instant;

use time::OffsetDateTime;

use super::session::Socket;
use super::{State, Turn};
use crate::call::{Effect, Script};
use crate::hook::{HookId, HookKind, ResolvedHook, Via};
use crate::model::call::Direction;
use crate::verb::Verb;

impl State {
    /// Runs `verbs` instead of whatever runs, or after it. Of an outbound call nobody has answered they
    /// are what its session will begin with.
    pub fn take_verbs(
        &mut self,
        now: Instant,
        wall: OffsetDateTime,
        verbs: Vec<Verb>,
        append: bool,
        out: &mut Vec<Effect>,
    ) {
        let turn = &mut Turn { now, wall, out };
        if self.has_ended() || verbs.is_empty() {
            return;
        }
        if self.direction() == Direction::Outbound && !self.is_answered() {
            self.session.begin_with(Script::Verbs(verbs));
        } else if append && self.session.is_open {
            self.run(turn, |runner, cx| runner.append(verbs, cx));
        } else {
            self.session.forget_openings();
            self.load(verbs, turn);
        }
    }

    /// Has the child that this call talks with run these verbs by itself; `false` if it talks with none.
    pub fn let_child_go(
        &mut self,
        now: Instant,
        wall: OffsetDateTime,
        verbs: Vec<Verb>,
        out: &mut Vec<Effect>,
    ) -> bool {
        self.release_child(verbs, &mut Turn { now, wall, out })
    }

    /// Carries out a verb that ends where it starts, beside the list.
    pub fn run_aside(
        &mut self,
        now: Instant,
        wall: OffsetDateTime,
        verb: Verb,
        out: &mut Vec<Effect>,
    ) {
        if !self.has_ended() {
            let turn = &mut Turn { now, wall, out };
            self.run(turn, |runner, cx| runner.aside(verb, cx));
        }
    }

    pub(super) fn on_application_gone(&mut self, turn: &mut Turn<'_>) {
        if self.session.socket == Socket::Open && !self.has_ended() {
            self.session.socket = Socket::Over;
            self.resume(turn);
        }
    }

    /// How a redirect is said: whom it brings to a socket from HTTP begins a session there.
    pub(super) fn redirect_kind(&self, target: &ResolvedHook) -> HookKind {
        match target.via {
            Via::Socket if self.session.base.session_socket().is_none() => HookKind::SessionNew,
            _ => HookKind::SessionRedirect,
        }
    }

    /// A redirect succeeded: the session goes on where it led.
    pub(super) fn follow(&mut self, id: HookId, target: &ResolvedHook, turn: &mut Turn<'_>) {
        match target.via {
            Via::Session(_) => {}
            Via::Socket => {
                turn.out.push(Effect::MoveSession { to: Some(id) });
                self.session.socket = Socket::Open;
            }
            Via::Http => self.leave_socket_for(target, turn),
        }
        if !matches!(target.via, Via::Session(_)) {
            self.session.adulting = None;
        }
        self.session.base.follow(target);
    }

    /// The session is about to go on elsewhere.
    pub(super) fn leave_socket_for(&mut self, target: &ResolvedHook, turn: &mut Turn<'_>) {
        let is_elsewhere = !matches!(target.via, Via::Session(_));
        if is_elsewhere && self.session.base.session_socket().is_some() {
            turn.out.push(Effect::MoveSession { to: None });
            self.session.socket = Socket::None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verb::{Progress, Runner};
    use serde_json::json;

    #[test]
    fn what_is_appended_starts_at_once_when_nothing_runs() {
        // The runner's part; whole calls are in the call's own tests.
        let mut runner = Runner::default();
        let (mut out, mut runs) = (Vec::new(), 0);
        let mut cx = crate::verb::Cx {
            now: Instant::now(),
            line: crate::verb::Line::Answered,
            account_sid: crate::model::AccountSid::random(),
            ear: crate::verb::Ear::Call,
            runs: &mut runs,
            out: &mut out,
        };
        let pause = || crate::verb::parse(&json!([{"verb": "pause", "length": 1}])).unwrap();
        assert_eq!(runner.append(pause(), &mut cx), Progress::Running);
        assert_eq!(runner.append(pause(), &mut cx), Progress::Running);
        assert_eq!(cx.out.len(), 1, "the second waits");
    }
}
