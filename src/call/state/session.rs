//! The application side of a call (contract verbs.md §1.1, §1.6, §1.8): which hook opens the
//! session, and what its replies start, replace or end.

use std::collections::VecDeque;

use url::Url;

use super::{AppFailure, Phase, State, Turn};
use crate::call::child::Parent;
use crate::call::failure::{first_verbs, next_verbs, script_verbs};
use crate::call::{Application, Effect, Script};
use crate::hook::{Base, HookError, HookId, HookKind, HookReply, ResolvedHook, Via};
use crate::model::Hook;
use crate::model::call::Direction;
use crate::verb::{AskKind, Event, RunId, Verb, VerbKind};

/// Hooks asked for prompts and not answered, at a time.
const MAX_PROMPTS: usize = 8;

/// What the call knows about its application, and what it has asked it.
#[derive(Debug)]
pub(super) struct Session {
    /// Opens the session; live control may change it until then.
    opener: Opener,
    pub(super) base: Base,
    status: StatusHook,
    pub(super) socket: Socket,
    /// The application failed before it began: over its own socket nothing is said of that (D-8).
    pub(super) is_failed_start: bool,
    /// What introduces a child to its application as a session of its own, until it is answered.
    pub(super) adulting: Option<HookId>,
    /// The first request, until it is answered.
    opening: Option<HookId>,
    /// A request for another application from outside, until it is answered; the latest counts.
    pub(super) redirect: Option<(HookId, ResolvedHook)>,
    /// The question of the verb that ended last.
    pub(super) question: Option<Pending>,
    /// Hooks that were asked for prompts, for a part of the running verb; the latest counts.
    prompts: VecDeque<(HookId, RunId)>,
    /// Verbs are there (or were): the line's changes concern them.
    pub(super) is_open: bool,
}

#[derive(Debug)]
enum Opener {
    Script(Script),
    Hook(Hook),
    Nothing,
}

/// Where the session's socket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Socket {
    /// There is none, or its application has not said anything yet.
    None,
    Open,
    /// Nothing more comes over it.
    Over,
}

#[derive(Debug)]
enum StatusHook {
    /// None of its own: a WebSocket application is told over its socket.
    None,
    Target(ResolvedHook),
    /// Cannot be asked; said once.
    Broken(HookError),
}

#[derive(Debug)]
pub(super) struct Pending {
    pub(super) id: HookId,
    pub(super) run: RunId,
    pub(super) kind: AskKind,
    pub(super) target: ResolvedHook,
}

impl Session {
    pub(super) fn new(application: &Application) -> Self {
        let base = application.call_hook.as_ref().map(Base::of).unwrap_or_default();
        let status = StatusHook::of(application.status_hook.as_ref(), &base);
        let opener = match (&application.script, &application.call_hook) {
            (Some(script), _) => Opener::Script(script.clone()),
            (None, Some(hook)) => Opener::Hook(hook.clone()),
            (None, None) => Opener::Nothing,
        };
        Self {
            opener,
            base,
            status,
            socket: Socket::None,
            is_failed_start: false,
            adulting: None,
            opening: None,
            redirect: None,
            question: None,
            prompts: VecDeque::new(),
            is_open: false,
        }
    }

    /// The session of a call that another dialled: what is relative there is so here.
    pub(super) fn of_child(parent: &Parent) -> Self {
        // The socket of a session is told of for as long as the session is there.
        let status = parent.status.clone().filter(|target| !matches!(target.via, Via::Session(_)));
        let status = status.map_or(StatusHook::None, StatusHook::Target);
        Self { base: parent.base.clone(), status, ..Self::new(&Application::default()) }
    }

    pub(super) fn status_target(&mut self, turn: &mut Turn<'_>) -> Option<ResolvedHook> {
        match std::mem::replace(&mut self.status, StatusHook::None) {
            StatusHook::None => self.base.session_socket().filter(|_| !self.is_failed_start),
            StatusHook::Broken(error) => {
                turn.out.push(Effect::Alert(error.alert()));
                None
            }
            StatusHook::Target(target) => {
                self.status = StatusHook::Target(target.clone());
                Some(target)
            }
        }
    }

    pub(super) fn set_status_hook(&mut self, hook: &Hook) {
        self.status = StatusHook::of(Some(hook), &self.base);
    }

    /// Asks another hook than planned to open the session.
    pub(super) fn open_with(&mut self, hook: Hook, target: &ResolvedHook) {
        self.base.follow(target);
        self.opener = Opener::Hook(hook);
    }

    pub(super) fn resolve_socket(&self, url: &str) -> Result<Url, HookError> {
        self.base.resolve_socket(url)
    }

    /// What opens the session when its time comes, instead of a hook.
    pub(super) fn begin_with(&mut self, script: Script) {
        self.opener = Opener::Script(script);
    }

    pub(super) fn resolve(&self, hook: &Hook) -> Result<ResolvedHook, HookError> {
        self.base.resolve(hook)
    }

    pub(super) fn await_prompts(&mut self, id: HookId, run: RunId) {
        if self.prompts.len() == MAX_PROMPTS {
            self.prompts.pop_front();
        }
        self.prompts.push_back((id, run));
    }

    fn take_prompts(&mut self, id: HookId) -> Option<RunId> {
        let at = self.prompts.iter().position(|(asked, _)| *asked == id)?;
        self.prompts.remove(at).map(|(_, run)| run)
    }

    /// Whatever the application says now to what it was asked before is too late.
    pub(super) fn forget_openings(&mut self) {
        self.opening = None;
        self.redirect = None;
    }

    pub(super) fn await_redirect(&mut self, id: HookId, target: ResolvedHook) {
        self.redirect = Some((id, target));
    }
}

impl StatusHook {
    fn of(hook: Option<&Hook>, base: &Base) -> Self {
        match hook.map(|hook| base.resolve(hook)) {
            None => Self::None,
            // The application has one socket, whatever it calls it here.
            Some(Ok(target)) if target.via != Via::Http && base.session_socket().is_some() => {
                Self::None
            }
            Some(Ok(target)) => match target.for_events() {
                Ok(target) => Self::Target(target),
                Err(error) => Self::Broken(error),
            },
            Some(Err(error)) => Self::Broken(error),
        }
    }
}

impl State {
    // ---- opening ----

    /// Gets the first verbs: known beforehand, or asked for.
    pub(super) fn open_session(&mut self, turn: &mut Turn<'_>) {
        let verbs = match std::mem::replace(&mut self.session.opener, Opener::Nothing) {
            Opener::Script(Script::Verbs(verbs)) => Ok(verbs),
            Opener::Script(Script::Json(text)) => script_verbs(&text),
            Opener::Nothing => Err(AppFailure::NotConfigured),
            Opener::Hook(hook) => match self.session.resolve(&hook) {
                Ok(target) => {
                    let body = self.session_new();
                    // Shown once; it is the largest thing a call holds.
                    self.setup.invite = None;
                    let request = self.request(HookKind::SessionNew, target, body);
                    self.session.opening = Some(request.id);
                    turn.out.push(Effect::Hook(Box::new(request)));
                    return;
                }
                Err(error) => Err(error.into()),
            },
        };
        match verbs {
            Ok(verbs) => self.load(verbs, turn),
            Err(failure) => self.fail(&failure, turn),
        }
    }

    /// Runs `verbs` instead of whatever ran before.
    pub(super) fn load(&mut self, verbs: Vec<Verb>, turn: &mut Turn<'_>) {
        if !self.session.is_open {
            self.session.is_open = true;
            if self.direction() == Direction::Inbound {
                // `trying`: only once there is an application.
                self.send_status_event(turn);
            }
        }
        self.session.question = None;
        self.run(turn, |runner, cx| runner.replace(verbs, cx));
    }

    /// Does as the API orders instead of what the application wants; what was asked of that before is of
    /// no interest any more.
    pub(super) fn run_instead(
        &mut self,
        kinds: impl IntoIterator<Item = VerbKind>,
        turn: &mut Turn<'_>,
    ) {
        self.session.forget_openings();
        self.load(kinds.into_iter().map(|kind| Verb { id: None, kind }).collect(), turn);
    }

    /// The application cannot go on, and neither can the call (contract verbs.md §1.6, D-10).
    pub(super) fn fail(&mut self, failure: &AppFailure, turn: &mut Turn<'_>) {
        turn.out.extend(failure.alert().map(Effect::Alert));
        let why = failure.x_reason();
        self.session.is_failed_start = !self.session.is_open;
        match self.phase {
            Phase::Up { .. } => self.hang_up_for(&why, turn),
            _ => self.decline(480, "Temporarily Unavailable".into(), &why, turn),
        }
    }

    // ---- replies ----

    pub(super) fn on_hook_reply(
        &mut self,
        id: HookId,
        result: Result<HookReply, HookError>,
        turn: &mut Turn<'_>,
    ) {
        if self.has_ended() {
            self.on_idle_reply(result, turn);
            return;
        }
        let session = &mut self.session;
        if session.opening.take_if(|opening| *opening == id).is_some() {
            if result.is_ok() && session.base.session_socket().is_some() {
                session.socket = Socket::Open;
            }
            match first_verbs(result) {
                Ok(verbs) => self.load(verbs, turn),
                Err(failure) => self.fail(&failure, turn),
            }
        } else if session.adulting.take_if(|asked| *asked == id).is_some() {
            self.on_introduced(result, turn);
        } else if let Some((_, target)) = session.redirect.take_if(|(asked, _)| *asked == id) {
            self.on_redirect_reply(id, &target, result, turn);
        } else if let Some(pending) = session.question.take_if(|pending| pending.id == id) {
            self.on_answer(&pending, result, turn);
        } else if self.is_confirming(id) {
            self.on_confirm_reply(result, turn);
        } else if let Some(run) = self.session.take_prompts(id) {
            self.on_prompts(run, result, turn);
        } else if let Err(result) = self.on_inquiry_reply(id, result, turn) {
            self.on_idle_reply(result, turn);
        }
    }

    /// Nobody waits for this reply any more; that the hook failed is still worth knowing.
    fn on_idle_reply(&mut self, result: Result<HookReply, HookError>, turn: &mut Turn<'_>) {
        if let Err(error) = result {
            turn.out.push(Effect::Alert(error.alert()));
        }
    }

    fn on_redirect_reply(
        &mut self,
        id: HookId,
        target: &ResolvedHook,
        result: Result<HookReply, HookError>,
        turn: &mut Turn<'_>,
    ) {
        match next_verbs(result) {
            Ok(verbs) => {
                self.follow(id, target, turn);
                if verbs.is_empty() {
                    self.resume(turn);
                } else {
                    self.session.opening = None;
                    self.grow_up(turn);
                    self.load(verbs, turn);
                }
            }
            Err(failure) => {
                // From outside: the old application goes on.
                turn.out.extend(failure.alert().map(Effect::Alert));
                self.resume(turn);
            }
        }
    }

    /// An old list that ran dry while the redirect was pending ends the call now.
    pub(super) fn resume(&mut self, turn: &mut Turn<'_>) {
        if self.is_child() {
            self.on_child_exhausted(turn);
        } else if self.session.is_open && self.session.opening.is_none() {
            self.run(turn, |runner, _| runner.progress());
        }
    }

    /// What shall be heard by who waits. A hook that fails is an alert, and silence.
    fn on_prompts(
        &mut self,
        run: RunId,
        result: Result<HookReply, HookError>,
        turn: &mut Turn<'_>,
    ) {
        let verbs = match next_verbs(result) {
            Ok(verbs) => Some(verbs),
            Err(failure) => {
                turn.out.extend(failure.alert().map(Effect::Alert));
                None
            }
        };
        self.tell(run, Event::Prompts(verbs), turn);
    }

    fn on_answer(
        &mut self,
        pending: &Pending,
        result: Result<HookReply, HookError>,
        turn: &mut Turn<'_>,
    ) {
        match next_verbs(result) {
            Ok(mut verbs) => {
                if pending.kind == AskKind::Redirect {
                    self.follow(pending.id, &pending.target, turn);
                }
                self.restrict(&mut verbs);
                self.run(turn, |runner, cx| runner.on_reply(pending.run, verbs, cx));
            }
            Err(failure) => self.fail(&failure, turn),
        }
    }
}
