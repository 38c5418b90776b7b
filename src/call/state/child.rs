//! A call that `dial` placed: it has no application but the questions of a `confirmHook`, and reports to
//! the call that dialled it, until it gets an application of its own (contract verbs.md §1.9, §3.4).

use serde_json::{Map, Value};

use super::session::Socket;
use super::{State, Turn};
use crate::call::Effect;
use crate::call::failure::next_verbs;
use crate::hook::{HookError, HookId, HookKind, HookReply, payload};
use crate::model::Hook;
use crate::model::call::{CallStatus, SipHeaders};
use crate::verb::{BridgeChange, ChildEvent, Listen, RunId, Verb, VerbKind};

/// What ties the call to the one that dialled it.
#[derive(Debug)]
pub(super) struct Kinship {
    confirm: Option<Hook>,
    /// An application of its own, for the time when the far end has answered.
    own: Option<Own>,
    stage: Stage,
    /// The parent has gone on without it: it waits for an application of its own, or ends.
    is_released: bool,
}

#[derive(Debug)]
enum Own {
    /// To be asked for it.
    Hook(Hook),
    Verbs(Vec<Verb>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Calling,
    /// Answered, and the application it is to get is asked before anything else.
    Leaving,
    /// Its hook is asked.
    Asking(HookId),
    /// What the hook replied is being run.
    Confirming,
    Accepted,
}

/// What a parent tells its child's application side.
#[derive(Clone, Debug, PartialEq)]
pub enum ParentWord {
    /// Ask this hook for an application of its own.
    Redirect(Hook),
    /// Go on alone with whatever that brings.
    Release,
    /// Run these verbs alone.
    Adult(Vec<Verb>),
    /// Tell this hook, about this call.
    Tell(Hook, Map<String, Value>),
    /// Stream this call's audio while the two talk.
    Listen(Box<Listen>),
}

impl Kinship {
    pub(super) fn new(confirm: Option<Hook>) -> Self {
        Self { confirm, own: None, stage: Stage::Calling, is_released: false }
    }
}

impl State {
    pub(super) fn tell_parent(&mut self, event: ChildEvent, turn: &mut Turn<'_>) {
        if self.kinship.is_some() {
            turn.out.push(Effect::TellParent(Box::new(event)));
        }
    }

    pub(super) fn is_child(&self) -> bool {
        self.kinship.is_some()
    }

    /// Keeps the hook for the answer; gives it back if the call is nobody's child.
    pub(super) fn leave_with(&mut self, hook: Hook) -> Option<Hook> {
        let Some(kinship) = &mut self.kinship else { return Some(hook) };
        kinship.own = Some(Own::Hook(hook));
        None
    }

    /// The far end has answered; `false` if the call is nobody's child.
    pub(super) fn on_child_answered(&mut self, turn: &mut Turn<'_>) -> bool {
        let Some(kinship) = &mut self.kinship else { return false };
        match kinship.own.take() {
            Some(Own::Hook(hook)) => {
                kinship.stage = Stage::Leaving;
                self.tell_parent(ChildEvent::Answered, turn);
                self.redirect(hook, turn);
                if self.session.redirect.is_none() {
                    self.confirm(turn);
                }
            }
            Some(Own::Verbs(verbs)) => {
                self.grow_up(turn);
                self.load(verbs, turn);
            }
            None => {
                if kinship.confirm.is_some() {
                    self.tell_parent(ChildEvent::Answered, turn);
                }
                self.confirm(turn);
            }
        }
        true
    }

    /// Has its hook decide whether the child is connected.
    fn confirm(&mut self, turn: &mut Turn<'_>) {
        let Some(hook) = self.kinship.as_mut().and_then(|kinship| kinship.confirm.take()) else {
            return self.accept(turn);
        };
        match self.session.resolve(&hook) {
            Ok(target) => {
                let body = payload::plain(&self.base);
                let request = self.request(HookKind::DialConfirm, target, body);
                if let Some(kinship) = &mut self.kinship {
                    kinship.stage = Stage::Asking(request.id);
                }
                turn.out.push(Effect::Hook(Box::new(request)));
            }
            Err(error) => {
                turn.out.push(Effect::Alert(error.alert()));
                self.hang_up(SipHeaders::default(), turn);
            }
        }
    }

    pub(super) fn is_confirming(&self, id: HookId) -> bool {
        self.kinship.as_ref().is_some_and(|kinship| kinship.stage == Stage::Asking(id))
    }

    pub(super) fn on_confirm_reply(
        &mut self,
        result: Result<HookReply, HookError>,
        turn: &mut Turn<'_>,
    ) {
        let bars = |verb: &Verb| matches!(verb.kind, VerbKind::SipDecline(_));
        match next_verbs(result) {
            Ok(verbs) if verbs.is_empty() => self.accept(turn),
            Ok(verbs) if verbs.iter().any(bars) => self.hang_up(SipHeaders::default(), turn),
            Ok(verbs) => {
                if let Some(kinship) = &mut self.kinship {
                    kinship.stage = Stage::Confirming;
                }
                self.load(verbs, turn);
            }
            Err(failure) => {
                turn.out.extend(failure.alert().map(Effect::Alert));
                self.hang_up(SipHeaders::default(), turn);
            }
        }
    }

    /// What a confirmation may still bring after its first reply (contract verbs.md §3.11, D-42).
    pub(super) fn restrict(&self, verbs: &mut Vec<Verb>) {
        let stage = self.kinship.as_ref().map(|kinship| kinship.stage);
        if stage == Some(Stage::Confirming) {
            verbs.retain(|verb| {
                matches!(
                    verb.kind,
                    VerbKind::Config(_)
                        | VerbKind::Hangup(_)
                        | VerbKind::Pause(_)
                        | VerbKind::Play(_)
                        | VerbKind::Say(_)
                        | VerbKind::Tag(_)
                )
            });
        }
    }

    /// The verbs of the confirmation are through, or no other application came, and the far end is still
    /// there.
    pub(super) fn on_child_exhausted(&mut self, turn: &mut Turn<'_>) -> bool {
        match &self.kinship {
            None => return false,
            Some(Kinship { is_released: true, .. }) => self.hang_up(SipHeaders::default(), turn),
            Some(Kinship { stage: Stage::Leaving, .. }) => self.confirm(turn),
            Some(Kinship { stage: Stage::Confirming, .. }) => self.accept(turn),
            Some(_) => {}
        }
        true
    }

    fn accept(&mut self, turn: &mut Turn<'_>) {
        if let Some(kinship) = &mut self.kinship {
            kinship.stage = Stage::Accepted;
        }
        self.tell_parent(ChildEvent::Accepted, turn);
    }

    /// Becomes a session of its own (contract verbs.md §1.9): what comes next is its alone.
    pub(super) fn grow_up(&mut self, turn: &mut Turn<'_>) {
        if let Some(stage) = self.kinship.as_ref().map(|kinship| kinship.stage) {
            self.is_bridged = false;
            self.stop_stream(RunId::OF_CHILD, turn);
            turn.out.push(Effect::ExitBridge { run: RunId::OF_CHILD });
            self.tell_parent(ChildEvent::Left, turn);
            self.kinship = None;
            self.introduce(stage == Stage::Accepted, turn);
        }
    }

    /// Has a WebSocket application that the call shares with its parent hear of it over a socket of its
    /// own; `has_talked` with the parent.
    fn introduce(&mut self, has_talked: bool, turn: &mut Turn<'_>) {
        let Some(parent) = &self.setup.parent else { return };
        let mut parent = parent.fields.clone();
        // It came to a socket of its own by the hook that it was given.
        if self.session.socket == Socket::Open {
            return;
        }
        let Some(target) = self.session.base.leave_family() else { return };
        if has_talked {
            (parent.call_status, parent.sip_status) = (CallStatus::InProgress, 200);
            parent.sip_reason = "OK".into();
        }
        let mut fields = Map::new();
        fields.insert("parent_call_info".into(), Value::Object(payload::plain(&parent)));
        let body = payload::action(&self.base, fields, None);
        let request = self.request(HookKind::SessionAdulting, target, body);
        self.session.adulting = Some(request.id);
        turn.out.push(Effect::Hook(Box::new(request)));
    }

    /// The application has taken the call as a session of its own. Its verbs, if there are some, replace
    /// those that the call came with; without it those are all there is.
    pub(super) fn on_introduced(
        &mut self,
        result: Result<HookReply, HookError>,
        turn: &mut Turn<'_>,
    ) {
        if self.session.base.session_socket().is_some() {
            match &result {
                Ok(_) => self.session.socket = Socket::Open,
                Err(_) => self.session.is_failed_start = true,
            }
        }
        match next_verbs(result) {
            Ok(verbs) if verbs.is_empty() => self.resume(turn),
            Ok(verbs) => self.load(verbs, turn),
            Err(failure) => {
                turn.out.extend(failure.alert().map(Effect::Alert));
                self.resume(turn);
            }
        }
    }

    pub(super) fn on_parent_word(&mut self, word: ParentWord, turn: &mut Turn<'_>) {
        if self.has_ended() || self.kinship.is_none() {
            return;
        }
        match word {
            ParentWord::Redirect(hook) => self.redirect(hook, turn),
            ParentWord::Adult(verbs) if self.is_answered() => {
                self.grow_up(turn);
                self.load(verbs, turn);
            }
            ParentWord::Adult(verbs) => {
                if let Some(kinship) = &mut self.kinship {
                    kinship.own = Some(Own::Verbs(verbs));
                }
            }
            ParentWord::Release => {
                if let Some(kinship) = &mut self.kinship {
                    kinship.is_released = true;
                }
                if self.session.redirect.is_none() {
                    self.hang_up(SipHeaders::default(), turn);
                }
            }
            ParentWord::Tell(hook, fields) => self.tell_hook(&hook, fields, turn),
            ParentWord::Listen(listen) => self.stream_now(RunId::OF_CHILD, listen, turn),
        }
    }

    /// The bridge's word to a child; its parent decides what follows from most of it.
    pub(super) fn on_child_bridge(&mut self, change: BridgeChange, turn: &mut Turn<'_>) {
        if change == BridgeChange::Failed && self.kinship.is_some() {
            self.hang_up_for("media failed", turn);
        }
    }
}
