//! Live control of a call by the API (contract rest.md §2.3.7): what is possible in which state.
//!
//! Forgiving where the contract is: a command that finds nothing to act on has no effect but an
//! alert of type `error-updating-call`.

use time::OffsetDateTime;

use std::time::Instant;

use super::{AppFailure, Phase, State, Turn};
use crate::call::Effect;
use crate::hook::{Alert, AlertKind, payload};
use crate::model::Hook;
use crate::model::call::{CloseAs, Command, Direction, MemberOrder, SipHeaders, UpdateCall};
use crate::sip_io::message::RequestId;

/// Why an update is refused: always a 422.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    #[error("current call state is incompatible with requested action {0}")]
    Incompatible(&'static str),
    /// Of a call that is to enter a conference it is in.
    #[error("the call is in that conference already")]
    AlreadyIn,
    #[error("call session is gone for call_sid {0}")]
    Gone(crate::model::CallSid),
}

impl State {
    /// Takes an update; the work goes on after the answer. The request that was sent, if that is what
    /// was ordered: [`Input::RequestDone`](crate::call::Input::RequestDone) has its answer.
    ///
    /// # Errors
    /// [`UpdateError`] when the contract does not forgive the call's state.
    pub fn update(
        &mut self,
        now: Instant,
        wall: OffsetDateTime,
        update: UpdateCall,
        out: &mut Vec<Effect>,
    ) -> Result<Option<RequestId>, UpdateError> {
        if self.has_ended() {
            return Err(UpdateError::Gone(self.setup.facts.call_sid));
        }
        let turn = &mut Turn { now, wall, out };
        let sent = match update.command {
            Some(command) => self.obey(command, turn)?,
            None => None,
        };
        if let Some(prompts) = &update.whisper {
            self.whisper(prompts, turn);
        }
        Ok(sent)
    }

    fn obey(
        &mut self,
        command: Command,
        turn: &mut Turn<'_>,
    ) -> Result<Option<RequestId>, UpdateError> {
        match command {
            Command::CallHook { call_hook, status_hook, child_call_hook } => {
                if let Some(hook) = &status_hook {
                    self.session.set_status_hook(hook);
                }
                if let Some(hook) = child_call_hook {
                    self.redirect_child(hook, turn);
                }
                self.redirect(call_hook, turn);
            }
            Command::CallStatus(close) => self.close(close, turn)?,
            Command::Mute(muted) => match self.runner.conference() {
                Some((id, _)) => {
                    let order = MemberOrder::Mute(muted);
                    turn.out.push(Effect::OrderMember { id, order });
                }
                None => match self.tie() {
                    Some(run) => turn.out.push(Effect::MuteTie { run, muted }),
                    None => no_effect("mute_status", "the call is not in a conference", turn),
                },
            },
            Command::Member(name, order) => self.order_member(name, order, turn),
            Command::Announce(name, verb) => self.announce(name, &verb, turn),
            Command::ConferenceMute(muted) => match self.runner.conference() {
                Some((id, true)) => turn.out.push(Effect::MuteOthers { id, muted }),
                _ => no_effect("conf_mute_status", "the call is not in a conference", turn),
            },
            Command::Tag(data) => {
                self.base.customer_data = Some(data.into());
                turn.out.push(Effect::Publish);
            }
            Command::Record(order) => self.record(order, turn),
            Command::Stream(name, flow) => self.set_stream_flow(name, flow, turn),
            Command::SipRequest(_) if !self.is_answered() => {
                return Err(UpdateError::Incompatible("sip_request"));
            }
            Command::SipRequest(request) => {
                return Ok(Some(self.send_request(*request, None, turn)));
            }
            Command::ChildHook(hook) => self.redirect_child(hook, turn),
            Command::Digits(digits, duration) if self.is_answered() => {
                turn.out.push(Effect::SendDigits { digits, duration });
            }
            Command::Digits(..) => no_effect("dtmf", "the call is not answered", turn),
            Command::Nothing => {}
            Command::Unbuilt(name) => no_effect(name, "the call runs no such verb", turn),
        }
        Ok(None)
    }

    /// Fetches another application; the present one goes on until it is there.
    pub(super) fn redirect(&mut self, hook: Hook, turn: &mut Turn<'_>) {
        let target = match self.session.resolve(&hook) {
            Ok(target) => target,
            Err(error) => {
                turn.out.extend(AppFailure::from(error).alert().map(Effect::Alert));
                return;
            }
        };
        if self.direction() == Direction::Outbound && !self.is_answered() {
            let Some(hook) = self.leave_with(hook) else { return };
            // Nothing has been fetched yet: the new hook is asked when the far end answers.
            self.leave_socket_for(&target, turn);
            self.session.open_with(hook, &target);
            return;
        }
        let body = payload::plain(&self.base);
        let request = self.request(self.redirect_kind(&target), target.clone(), body);
        self.session.await_redirect(request.id, target);
        turn.out.push(Effect::Hook(Box::new(request)));
    }

    fn close(&mut self, close: CloseAs, turn: &mut Turn<'_>) -> Result<(), UpdateError> {
        match (close, self.phase, self.direction()) {
            (CloseAs::Completed, Phase::Up { .. }, _) => {
                self.hang_up(SipHeaders::default(), turn);
            }
            (CloseAs::NoAnswer, Phase::Early(_), Direction::Outbound) => self.cancel(turn),
            (CloseAs::NoAnswer, Phase::Cancelling, _) => {}
            (CloseAs::NoAnswer, Phase::Early(_), Direction::Inbound) => {
                self.decline(503, "Service Unavailable".into(), "Call Hangup", turn);
            }
            (CloseAs::Completed, ..) => return Err(UpdateError::Incompatible("completed")),
            (CloseAs::NoAnswer, ..) => return Err(UpdateError::Incompatible("no-answer")),
        }
        Ok(())
    }
}

pub(super) fn no_effect(command: &str, why: &str, turn: &mut Turn<'_>) {
    let message = format!("{command} has no effect: {why}");
    turn.out.push(Effect::Alert(Alert::new(AlertKind::ErrorUpdatingCall, message)));
}
