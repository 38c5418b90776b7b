//! The application side of a call (contract verbs.md §1.1, §1.6, §1.8): which hook opens the
//! session, what its replies start, replace or end, and what the verbs' effects become.

use super::{AppFailure, Early, Phase, State, Turn};
use crate::call::failure::{first_verbs, next_verbs, script_verbs};
use crate::call::{Application, ConferenceTarget, Effect, JoinConference, PlayId, Script, TimerId};
use crate::hook::{
    Alert, AlertKind, Base, HookError, HookId, HookKind, HookReply, ResolvedHook, payload,
};
use crate::model::Hook;
use crate::model::call::{Direction, SipHeaders};
use crate::verb::{
    self, Ask, AskKind, Conference, ConferenceEvent, Cx, Event, PlayReport, Progress, RunId,
    Runner, Stop, Verb,
};

/// What the call knows about its application, and what it has asked it.
#[derive(Debug)]
pub(super) struct Session {
    /// Opens the session; live control may change it until then.
    opener: Opener,
    base: Base,
    status: StatusHook,
    /// The first request, until it is answered.
    opening: Option<HookId>,
    /// A request for another application from outside, until it is answered; the latest counts.
    redirect: Option<(HookId, ResolvedHook)>,
    /// The question of the verb that ended last.
    question: Option<Pending>,
    /// Verbs are there (or were): the line's changes concern them.
    is_open: bool,
}

#[derive(Debug)]
enum Opener {
    Script(Script),
    Hook(Hook),
    Nothing,
}

#[derive(Debug)]
enum StatusHook {
    None,
    Target(ResolvedHook),
    /// Cannot be asked; said once.
    Broken(HookError),
}

#[derive(Debug)]
struct Pending {
    id: HookId,
    run: RunId,
    kind: AskKind,
    target: ResolvedHook,
}

/// What a verb made of the call, once its effects are carried out.
enum Verdict {
    GoesOn,
    Bye(SipHeaders),
    Decline { status: u16, reason: String, headers: SipHeaders },
    Failed(AppFailure),
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
        Self { opener, base, status, opening: None, redirect: None, question: None, is_open: false }
    }

    pub(super) fn status_target(&mut self, turn: &mut Turn<'_>) -> Option<ResolvedHook> {
        match std::mem::replace(&mut self.status, StatusHook::None) {
            StatusHook::None => None,
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

    pub(super) fn resolve(&self, hook: &Hook) -> Result<ResolvedHook, HookError> {
        self.base.resolve(hook)
    }

    pub(super) fn await_redirect(&mut self, id: HookId, target: ResolvedHook) {
        self.redirect = Some((id, target));
    }
}

impl StatusHook {
    fn of(hook: Option<&Hook>, base: &Base) -> Self {
        match hook.map(|hook| base.resolve(hook)) {
            None => Self::None,
            Some(Ok(target)) => Self::Target(target),
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

    /// The application cannot go on, and neither can the call (contract verbs.md §1.6, D-10).
    pub(super) fn fail(&mut self, failure: &AppFailure, turn: &mut Turn<'_>) {
        turn.out.extend(failure.alert().map(Effect::Alert));
        let why = failure.x_reason();
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
            match first_verbs(result) {
                Ok(verbs) => self.load(verbs, turn),
                Err(failure) => self.fail(&failure, turn),
            }
        } else if let Some((_, target)) = session.redirect.take_if(|(asked, _)| *asked == id) {
            self.on_redirect_reply(&target, result, turn);
        } else if let Some(pending) = session.question.take_if(|pending| pending.id == id) {
            self.on_answer(&pending, result, turn);
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
        target: &ResolvedHook,
        result: Result<HookReply, HookError>,
        turn: &mut Turn<'_>,
    ) {
        match next_verbs(result) {
            Ok(verbs) => {
                self.session.base.follow(target);
                if verbs.is_empty() {
                    self.resume(turn);
                } else {
                    self.session.opening = None;
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
    fn resume(&mut self, turn: &mut Turn<'_>) {
        if self.session.is_open && self.session.opening.is_none() {
            self.run(turn, |runner, _| runner.progress());
        }
    }

    fn on_answer(
        &mut self,
        pending: &Pending,
        result: Result<HookReply, HookError>,
        turn: &mut Turn<'_>,
    ) {
        match next_verbs(result) {
            Ok(verbs) => {
                if pending.kind == AskKind::Redirect {
                    self.session.base.follow(&pending.target);
                }
                self.run(turn, |runner, cx| runner.on_reply(pending.run, verbs, cx));
            }
            Err(failure) => self.fail(&failure, turn),
        }
    }

    // ---- verbs ----

    pub(super) fn on_verb_timer(&mut self, run: RunId, turn: &mut Turn<'_>) {
        self.tell(run, Event::Timer, turn);
    }

    pub(super) fn on_play_done(&mut self, id: PlayId, report: PlayReport, turn: &mut Turn<'_>) {
        self.tell(id.0, Event::PlayDone(report), turn);
    }

    pub(super) fn on_play_failed(
        &mut self,
        id: PlayId,
        url: String,
        detail: String,
        turn: &mut Turn<'_>,
    ) {
        self.tell(id.0, Event::PlayFailed { url, detail }, turn);
    }

    pub(super) fn on_conference(&mut self, id: RunId, event: ConferenceEvent, turn: &mut Turn<'_>) {
        self.tell(id, Event::Conference(event), turn);
    }

    pub(super) fn tell(&mut self, run: RunId, event: Event, turn: &mut Turn<'_>) {
        if self.session.is_open && !self.has_ended() {
            self.run(turn, |runner, cx| runner.on_event(run, event, cx));
        }
    }

    /// Gives the runner its turn and carries out what it decided.
    pub(super) fn run(
        &mut self,
        turn: &mut Turn<'_>,
        step: impl FnOnce(&mut Runner, &mut Cx<'_>) -> Progress,
    ) {
        if !self.session.is_open {
            return;
        }
        let mut effects = Vec::new();
        let mut cx = Cx {
            now: turn.now,
            line: self.line(),
            account_sid: self.setup.facts.account_sid,
            out: &mut effects,
        };
        let progress = step(&mut self.runner, &mut cx);
        match self.apply(effects, turn) {
            Verdict::Bye(headers) => self.hang_up(headers, turn),
            Verdict::Decline { status, reason, headers } => {
                self.decline_with(status, reason, headers, turn);
            }
            Verdict::Failed(failure) => self.fail(&failure, turn),
            Verdict::GoesOn if progress == Progress::Exhausted => self.on_exhausted(turn),
            Verdict::GoesOn => {}
        }
    }

    /// An HTTP application has nothing more to say.
    fn on_exhausted(&mut self, turn: &mut Turn<'_>) {
        if self.session.redirect.is_some() {
            return;
        }
        match self.phase {
            Phase::Up { .. } => self.hang_up(SipHeaders::default(), turn),
            // The 200 is on its way; its arrival ends what is left.
            Phase::Early(Early { answer_asked: true, .. }) => {}
            _ => self.decline(603, "Decline".into(), "application ended without answer", turn),
        }
    }

    /// Ends the running verb with the call. Its hook is still sent, the reply ignored.
    pub(super) fn stop_verbs(&mut self, turn: &mut Turn<'_>) {
        let mut effects = Vec::new();
        let mut cx = Cx {
            now: turn.now,
            line: self.line(),
            account_sid: self.setup.facts.account_sid,
            out: &mut effects,
        };
        self.runner.stop(Stop::CallEnded, &mut cx);
        // A stopped verb asks no more than that.
        let _ = self.apply(effects, turn);
    }

    fn apply(&mut self, effects: Vec<verb::Effect>, turn: &mut Turn<'_>) -> Verdict {
        let mut verdict = Verdict::GoesOn;
        for effect in effects {
            match effect {
                verb::Effect::Answer => self.ask_answer(turn),
                verb::Effect::Progress => self.ask_progress(turn),
                verb::Effect::Hangup { headers } => verdict = Verdict::Bye(headers),
                verb::Effect::Decline { status, reason, headers } => {
                    verdict = Verdict::Decline { status, reason, headers };
                }
                verb::Effect::StartTimer { run, after } => {
                    self.start_timer(TimerId::Verb(run), after, turn);
                }
                verb::Effect::StopTimer { run } => self.stop_timer(TimerId::Verb(run), turn),
                verb::Effect::Play { run, urls, loops, seek_samples } => {
                    let urls =
                        urls.iter().map(|url| self.session.base.resolve_media(url)).collect();
                    turn.out.push(Effect::Play { id: PlayId(run), urls, loops, seek_samples });
                }
                verb::Effect::StopPlay { run } => {
                    turn.out.push(Effect::StopPlay { id: PlayId(run) });
                }
                verb::Effect::MediaMissing { url, detail } => {
                    let message = format!("file not found or not playable: {url}");
                    let alert = Alert::new(AlertKind::PlayUrlNotFound, message);
                    turn.out.push(Effect::Alert(alert.with_detail(detail)));
                }
                verb::Effect::JoinConference { run, verb } => self.join(run, *verb, turn),
                verb::Effect::LeaveConference { run } => {
                    let base = Box::new(self.base.clone());
                    turn.out.push(Effect::LeaveConference { id: run, base });
                }
                verb::Effect::SetCustomerData(data) => {
                    self.base.customer_data = Some(data.into());
                    turn.out.push(Effect::Publish);
                }
                verb::Effect::SetStatusHook(hook) => self.session.set_status_hook(&hook),
                verb::Effect::SetDialogHooks { request_hook, refer_hook } => {
                    self.requests.set_hooks(request_hook, refer_hook);
                }
                verb::Effect::WithoutEffect { verb, names } => {
                    let message = format!("{verb}: no effect yet: {}", names.join(", "));
                    let alert = Alert::new(AlertKind::InvalidAppPayload, message);
                    turn.out.push(Effect::Alert(alert));
                }
                verb::Effect::SipRequest { run, request } => {
                    self.send_request(request, Some(run), turn);
                }
                verb::Effect::Refer { run, order } => self.send_refer(run, order, turn),
                verb::Effect::Tell { run, hook, fields } => {
                    let (kind, verb_id) = (AskKind::Action, None);
                    let ask = Ask { run, kind, hook, fields, verb_id, wants_reply: false };
                    // It asks nothing that could fail.
                    let _ = self.ask(ask, turn);
                }
                verb::Effect::Ask(ask) => {
                    if let Err(failure) = self.ask(ask, turn) {
                        verdict = Verdict::Failed(failure);
                    }
                }
            }
        }
        verdict
    }

    fn ask_answer(&mut self, turn: &mut Turn<'_>) {
        if let Phase::Early(early @ Early { answer_asked: false, .. }) = &mut self.phase {
            early.answer_asked = true;
            turn.out.push(Effect::SendAnswer);
        }
    }

    fn ask_progress(&mut self, turn: &mut Turn<'_>) {
        if let Phase::Early(early @ Early { answer_asked: false, progress_asked: false, .. }) =
            &mut self.phase
        {
            early.progress_asked = true;
            turn.out.push(Effect::SendProgress);
        }
    }

    fn join(&mut self, run: RunId, room: Conference, turn: &mut Turn<'_>) {
        let status = match room.status_hook.as_ref().map(|hook| self.session.resolve(hook)) {
            None => None,
            Some(Ok(hook)) => Some(ConferenceTarget {
                hook,
                secret: self.setup.webhook_secret.clone(),
                events: room.status_events,
            }),
            Some(Err(error)) => {
                turn.out.push(Effect::Alert(error.alert()));
                None
            }
        };
        turn.out.push(Effect::JoinConference(Box::new(JoinConference {
            id: run,
            name: room.name,
            start_on_enter: room.start_on_enter,
            end_on_exit: room.end_on_exit,
            join_muted: room.join_muted,
            beep: room.beep,
            member_tag: room.member_tag,
            max_participants: room.max_participants,
            status,
            base: self.base.clone(),
        })));
    }

    /// Sends a verb's question. One that cannot be sent at all has failed.
    fn ask(&mut self, ask: Ask, turn: &mut Turn<'_>) -> Result<(), AppFailure> {
        let target = match self.session.resolve(&ask.hook) {
            Ok(target) => target,
            Err(error) if ask.wants_reply => return Err(error.into()),
            Err(error) => {
                turn.out.push(Effect::Alert(error.alert()));
                return Ok(());
            }
        };
        let kind = match ask.kind {
            AskKind::Action => HookKind::VerbHook,
            AskKind::Redirect => HookKind::SessionRedirect,
        };
        let body = payload::action(&self.base, ask.fields, ask.verb_id.as_deref());
        let request = self.request(kind, target.clone(), body);
        if ask.wants_reply {
            let (id, run, kind) = (request.id, ask.run, ask.kind);
            self.session.question = Some(Pending { id, run, kind, target });
        }
        turn.out.push(Effect::Hook(Box::new(request)));
        Ok(())
    }
}
