//! The calls this call has dialled (contract verbs.md §3.4): what its `dial` wants of them, and what they
//! report.

use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::{Map, Value};

use super::update::no_effect;
use super::{Phase, State, Turn};
use crate::call::child::{ChildOrder, Parent};
use crate::call::{Effect, PlayId};
use crate::hook::{HookKind, payload};
use crate::model::call::Direction;
use crate::model::{CallSid, Hook};
use crate::verb::{
    BridgeChange, ChildEvent, ChildId, ChildName, Clip, DialOrder, Ear, Event, Flow, Held, Loops,
    RunId, Side, Verb,
};

impl State {
    pub(super) fn on_dial_order(&mut self, run: RunId, order: DialOrder, turn: &mut Turn<'_>) {
        match order {
            DialOrder::Call { child, call } => {
                let parent = Parent {
                    facts: self.setup.facts.clone(),
                    fields: self.base.clone(),
                    base: self.session.base.clone(),
                    status: self.session.status_target(turn),
                    confirm_hook: call.confirm_hook.clone(),
                    refer_hook: call.refer_hook.clone().or_else(|| self.refer_hook()),
                };
                let application = &self.setup.application;
                let order = Box::new(ChildOrder {
                    call: *call,
                    parent,
                    webhook_secret: self.setup.webhook_secret.clone(),
                    speech: application.speech.clone(),
                    env_vars: application.env_vars.clone(),
                });
                turn.out.push(Effect::CallChild { run, child, order });
            }
            DialOrder::Tell { of: Side::Caller, hook, fields } => {
                self.tell_hook(&hook, fields, turn);
            }
            order => turn.out.push(Effect::Dial { run, order }),
        }
    }

    pub(super) fn on_child(
        &mut self,
        run: RunId,
        child: ChildId,
        name: Option<ChildName>,
        mut event: ChildEvent,
        turn: &mut Turn<'_>,
    ) {
        match &mut event {
            ChildEvent::Replaces(verbs) => {
                if self.runner.dial().is_some_and(|(dialling, _)| dialling == run) {
                    self.load(std::mem::take(verbs), turn);
                }
                return;
            }
            ChildEvent::Held(held) => held.music.clone_from(&self.hold_music),
            _ => {}
        }
        self.tell(run, Event::Child { child, name, event }, turn);
    }

    pub(super) fn on_bridge(&mut self, run: RunId, change: BridgeChange, turn: &mut Turn<'_>) {
        self.is_bridged = change == BridgeChange::Connected;
        if run == RunId::OF_CHILD {
            return self.on_child_bridge(change, turn);
        }
        self.tell(run, Event::Bridge(change), turn);
    }

    /// The stay with another call that the call is in, or that a `dial` looks for.
    pub(super) fn tie(&self) -> Option<RunId> {
        match self.is_child() {
            true => Some(RunId::OF_CHILD),
            false => self.runner.dial().map(|(run, _)| run),
        }
    }

    /// Tells a hook whose answer nobody waits for; it keeps its order, as the status events do.
    pub(super) fn tell_hook(
        &mut self,
        hook: &Hook,
        fields: Map<String, Value>,
        turn: &mut Turn<'_>,
    ) {
        match self.session.resolve(hook) {
            Ok(target) => {
                let body = payload::action(&self.base, fields, None);
                let request = Box::new(self.request(HookKind::VerbHook, target, body));
                turn.out.push(Effect::StatusEvent { request, last: false });
            }
            Err(error) => turn.out.push(Effect::Alert(error.alert())),
        }
    }

    /// 180 to the caller, unless more was said already.
    pub(super) fn ring(&mut self, turn: &mut Turn<'_>) {
        if let Phase::Early(early) = &self.phase
            && !early.answer_asked
            && !early.progress_asked
        {
            turn.out.push(Effect::SendRinging);
        }
    }

    pub(super) fn on_key(
        &mut self,
        key: char,
        duration: Duration,
        is_relayed: bool,
        turn: &mut Turn<'_>,
    ) {
        if self.is_child() {
            self.tell_parent(ChildEvent::Key { key, duration, is_relayed }, turn);
        } else if let Some((run, _)) = self.runner.dial() {
            self.tell(run, Event::Key { key, duration, is_relayed }, turn);
        }
    }

    pub(super) fn on_held(&mut self, flow: Flow, turn: &mut Turn<'_>) {
        let facts = &self.setup.facts;
        let (from, to) = match facts.direction {
            Direction::Inbound => (facts.from.clone(), facts.to.clone()),
            Direction::Outbound => (facts.to.clone(), facts.from.clone()),
        };
        let held = Held { flow, from, to, music: None };
        if self.is_child() {
            self.tell_parent(ChildEvent::Held(held), turn);
        } else if let Some((run, _)) = self.runner.dial() {
            self.tell(run, Event::Held(held), turn);
        }
    }

    /// Has the child that this call talks with ask for an application of its own.
    pub(super) fn redirect_child(&mut self, hook: Hook, turn: &mut Turn<'_>) {
        let mut effects = Vec::new();
        let is_told = self
            .runner
            .dial_mut()
            .is_some_and(|(run, dial)| dial.redirect_child(run, hook, &mut effects));
        if !is_told {
            no_effect("child_call_hook", "the call talks with no child", turn);
        }
        // Nothing of it ends the call.
        let _ = self.apply(effects, turn);
    }

    /// Who is told of a REFER of the far end while the two talk, and how the other leg is named.
    pub(super) fn referred(&self) -> Option<(Option<Hook>, CallSid)> {
        if self.is_child() {
            let parent = self.setup.parent.as_deref()?;
            return Some((parent.refer_hook.clone(), parent.facts.call_sid));
        }
        let (_, dial) = self.runner.dial()?;
        Some((dial.refer_hook.clone(), dial.peer()?.call_sid))
    }

    /// Runs on the other leg what a hook said about a REFER.
    pub(super) fn run_referred(&mut self, verbs: Vec<Verb>, turn: &mut Turn<'_>) {
        match self.is_child() {
            true => self.tell_parent(ChildEvent::Replaces(verbs), turn),
            false => {
                self.release_child(verbs, turn);
            }
        }
    }

    /// Has the child that this call talks with run these verbs by itself; `false` if it talks with none.
    pub(super) fn release_child(&mut self, verbs: Vec<Verb>, turn: &mut Turn<'_>) -> bool {
        let mut effects = Vec::new();
        let is_told = self
            .runner
            .dial_mut()
            .is_some_and(|(run, dial)| dial.release_child(run, verbs, &mut effects));
        // Nothing of it ends the call.
        let _ = self.apply(effects, turn);
        is_told
    }

    /// Prompts for this call alone, which is apart from the other meanwhile.
    pub(super) fn whisper_apart(&mut self, clips: Vec<Clip>, turn: &mut Turn<'_>) {
        self.runs = self.runs.wrapping_add(1);
        let (id, loops) = (PlayId(RunId(self.runs)), Loops::Times(NonZeroU32::MIN));
        turn.out.push(Effect::Play { id, clips, loops, seek_samples: 0, ear: Ear::Whisper });
    }
}
