//! The verbs of a call: the runner has its turn, and what it decided becomes effects of the call.

use super::session::{Pending, Socket};
use super::{AppFailure, Early, Phase, State, Turn};
use crate::call::{ConferenceTarget, Effect, JoinConference, PlayId, TimerId};
use crate::hook::{Alert, AlertKind, HookKind, ResolvedHook, payload};
use crate::model::call::SipHeaders;
use crate::verb::{
    self, Ask, AskKind, Clip, Conference, ConferenceEvent, Cx, Ear, Event, PlayReport, Progress,
    RunId, Runner, Stop,
};

/// What a verb made of the call, once its effects are carried out.
pub(super) enum Verdict {
    GoesOn,
    Bye(SipHeaders),
    Decline { status: u16, reason: String, headers: SipHeaders },
    Failed(AppFailure),
}

impl State {
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
        self.stream_along(id, &event, turn);
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
            ear: Ear::Call,
            runs: &mut self.runs,
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

    /// An HTTP application has nothing more to say. One with an open socket may.
    fn on_exhausted(&mut self, turn: &mut Turn<'_>) {
        if self.on_child_exhausted(turn) {
            return;
        }
        let session = &self.session;
        let is_asking = session.redirect.is_some() || session.adulting.is_some();
        if is_asking || session.socket == Socket::Open {
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
            ear: Ear::Call,
            runs: &mut self.runs,
            out: &mut effects,
        };
        self.runner.stop(Stop::CallEnded, &mut cx);
        // A stopped verb asks no more than that.
        let _ = self.apply(effects, turn);
    }

    pub(super) fn apply(&mut self, effects: Vec<verb::Effect>, turn: &mut Turn<'_>) -> Verdict {
        let mut verdict = Verdict::GoesOn;
        for effect in effects {
            match effect {
                verb::Effect::Answer => self.ask_answer(turn),
                verb::Effect::Progress => self.ask_progress(turn),
                verb::Effect::RingWithMedia if self.setup.has_offer => self.ask_progress(turn),
                verb::Effect::Ring | verb::Effect::RingWithMedia => self.ring(turn),
                verb::Effect::Hangup { headers } => verdict = Verdict::Bye(headers),
                verb::Effect::Decline { status, reason, headers } => {
                    verdict = Verdict::Decline { status, reason, headers };
                }
                verb::Effect::StartTimer { run, after } => {
                    self.start_timer(TimerId::Verb(run), after, turn);
                }
                verb::Effect::StopTimer { run } => self.stop_timer(TimerId::Verb(run), turn),
                verb::Effect::Play { run, mut clips, loops, seek_samples, ear } => {
                    self.settle_clips(&mut clips, turn);
                    let id = PlayId(run);
                    turn.out.push(Effect::Play { id, clips, loops, seek_samples, ear });
                }
                verb::Effect::StopPlay { run } => {
                    turn.out.push(Effect::StopPlay { id: PlayId(run) });
                }
                verb::Effect::MediaMissing { url, detail } => {
                    let message = format!("file not found or not playable: {url}");
                    let alert = Alert::new(AlertKind::PlayUrlNotFound, message);
                    turn.out.push(Effect::Alert(alert.with_detail(detail)));
                }
                verb::Effect::SpeechFailed { detail } => {
                    let message = format!("text-to-speech failed: {detail}");
                    turn.out.push(Effect::Alert(Alert::new(AlertKind::TtsFailure, message)));
                }
                verb::Effect::SetSpeech(settings) => self.voice.set(settings),
                verb::Effect::JoinConference { run, verb } => self.join(run, *verb, turn),
                verb::Effect::LeaveConference { run } => {
                    self.stop_stream(run, turn);
                    let base = Box::new(self.base.clone());
                    turn.out.push(Effect::LeaveConference { id: run, base });
                }
                verb::Effect::Queue { run, order } => self.queue(run, order, turn),
                verb::Effect::Dial { run, order } => self.on_dial_order(run, order, turn),
                verb::Effect::ExitBridge { run } => {
                    self.is_bridged = false;
                    turn.out.push(Effect::ExitBridge { run });
                }
                verb::Effect::SendDigits { digits, duration } => {
                    turn.out.push(Effect::SendDigits { digits, duration });
                }
                verb::Effect::Listen { run, listen } => self.stream_now(run, listen, turn),
                verb::Effect::StopListen { run } => self.stop_stream(run, turn),
                verb::Effect::SetHoldMusic(url) => self.hold_music = Some(url),
                verb::Effect::SetCustomerData(data) => {
                    self.base.customer_data = Some(data.into());
                    turn.out.push(Effect::Publish);
                }
                verb::Effect::SetStatusHook(hook) => self.session.set_status_hook(&hook),
                verb::Effect::SetDialogHooks { request_hook, refer_hook } => {
                    self.requests.set_hooks(request_hook, refer_hook);
                }
                verb::Effect::Record(order) => self.record(order, turn),
                verb::Effect::WithoutEffect { verb, names } => {
                    let message = format!("{verb}: no effect yet: {}", names.join(", "));
                    let alert = Alert::new(AlertKind::InvalidAppPayload, message);
                    turn.out.push(Effect::Alert(alert));
                }
                verb::Effect::SipRequest { run, request } => {
                    self.send_request(request, Some(run), turn);
                }
                verb::Effect::Refer { run, order } => self.send_refer(run, order, turn),
                verb::Effect::Tell { hook, fields, .. } => self.tell_hook(&hook, fields, turn),
                verb::Effect::Ask(ask) => {
                    if let Err(failure) = self.ask(ask, turn) {
                        verdict = Verdict::Failed(failure);
                    }
                }
            }
        }
        verdict
    }

    /// Completes what the session says of clips: where relative URLs lead, and the voice of texts.
    pub(super) fn settle_clips(&mut self, clips: &mut [Clip], turn: &mut Turn<'_>) {
        for clip in clips {
            match clip {
                Clip::Url(url) => *url = self.session.base.resolve_media(url),
                Clip::Speech(speech) => self.voice.settle(speech, turn),
            }
        }
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
        let status = match room
            .status_hook
            .as_ref()
            .map(|hook| self.session.resolve(hook).and_then(ResolvedHook::for_events))
        {
            None => None,
            Some(Ok(hook)) => Some(ConferenceTarget {
                hook,
                secret: self.setup.webhook_secret.clone(),
                events: room.status_events,
                socket: None,
            }),
            Some(Err(error)) => {
                turn.out.push(Effect::Alert(error.alert()));
                None
            }
        };
        self.stream_there(run, room.listen);
        turn.out.push(Effect::JoinConference(Box::new(JoinConference {
            id: run,
            name: room.name,
            start_on_enter: room.start_on_enter,
            end_on_exit: room.end_on_exit,
            grace: room.grace,
            join_muted: room.join_muted,
            beep: room.beep,
            member_tag: room.member_tag,
            speak_only_to: room.speak_only_to,
            distribute_dtmf: room.distribute_dtmf,
            record_path: room.record_path,
            max_participants: room.max_participants,
            status,
            webhook_secret: self.setup.webhook_secret.clone(),
            base: self.base.clone(),
        })));
    }

    /// Sends a verb's question. One that cannot be sent at all has failed.
    fn ask(&mut self, ask: Ask, turn: &mut Turn<'_>) -> Result<(), AppFailure> {
        let target = match self.session.resolve(&ask.hook) {
            Ok(target) => target,
            // Without prompts the verb goes on waiting, in silence.
            Err(error) if ask.wants_reply && ask.kind != AskKind::Prompt => {
                return Err(error.into());
            }
            Err(error) => {
                turn.out.push(Effect::Alert(error.alert()));
                return Ok(());
            }
        };
        let kind = match ask.kind {
            AskKind::Action | AskKind::Prompt => HookKind::VerbHook,
            AskKind::Redirect => self.redirect_kind(&target),
        };
        let body = payload::action(&self.base, ask.fields, ask.verb_id.as_deref());
        let request = self.request(kind, target.clone(), body);
        if ask.kind == AskKind::Prompt {
            self.session.await_prompts(request.id, ask.run);
        } else if ask.wants_reply {
            let (id, run, kind) = (request.id, ask.run, ask.kind);
            self.session.question = Some(Pending { id, run, kind, target });
        }
        turn.out.push(Effect::Hook(Box::new(request)));
        Ok(())
    }
}
