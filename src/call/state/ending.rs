//! How a call ends: BYE, CANCEL, a rejection, and the one way out that all of them share
//! (contract verbs.md §1.7).

use std::time::Duration;

use super::{Phase, State, Turn};
use crate::call::{CallRecord, Effect, Termination, TimerId};
use crate::model::call::{CallStatus, EndedBy, SipHeaders};
use crate::verb::ChildEvent;

/// How a call ends: its last status, and what is still said to the far end.
pub(super) struct Ending {
    pub(super) status: CallStatus,
    /// Absent: the last status stays.
    pub(super) sip: Option<(u16, String)>,
    pub(super) ended_by: EndedBy,
    pub(super) last_word: Option<Effect>,
}

impl State {
    /// BYE; nothing if the call is not up.
    pub(super) fn hang_up(&mut self, headers: SipHeaders, turn: &mut Turn<'_>) {
        if self.is_answered() {
            let bye = Effect::SendBye { headers };
            self.finish(Ending::completed(EndedBy::Jambonz).saying(bye), turn);
        }
    }

    pub(super) fn hang_up_for(&mut self, reason: &str, turn: &mut Turn<'_>) {
        self.hang_up(x_reason(reason), turn);
    }

    pub(super) fn cancel(&mut self, turn: &mut Turn<'_>) {
        if matches!(self.phase, Phase::Early(_)) {
            self.phase = Phase::Cancelling;
            self.stop_timer(TimerId::Ring, turn);
            turn.out.push(Effect::SendCancel);
            // A far end that has said nothing may not be there at all: the CANCEL waits for it in
            // the stack, the call does not.
            let is_silent = self.base.call_status == CallStatus::Trying;
            let patience = if is_silent { SILENT_PATIENCE } else { CANCEL_PATIENCE };
            self.start_timer(TimerId::Cancel, patience, turn);
        }
    }

    /// Rejects an inbound call; every rejection says why.
    pub(super) fn decline(&mut self, code: u16, reason: String, why: &str, turn: &mut Turn<'_>) {
        self.decline_with(code, reason, x_reason(why), turn);
    }

    pub(super) fn decline_with(
        &mut self,
        code: u16,
        reason: String,
        headers: SipHeaders,
        turn: &mut Turn<'_>,
    ) {
        let response = Effect::SendDecline { status: code, reason: reason.clone(), headers };
        self.finish(Ending::failed(code, reason, EndedBy::Jambonz).saying(response), turn);
    }

    /// The one way out of life.
    pub(super) fn finish(&mut self, ending: Ending, turn: &mut Turn<'_>) {
        let answered = match self.phase {
            Phase::Ended => return,
            Phase::Up { since, at } => Some((turn.now.duration_since(since).as_secs(), at)),
            _ => None,
        };
        let (sip_status, sip_reason) =
            ending.sip.unwrap_or_else(|| (self.base.sip_status, self.base.sip_reason.to_string()));
        self.set_status(ending.status, sip_status, &sip_reason);
        self.base.ended_by = Some(ending.ended_by);
        if ending.status == CallStatus::Completed {
            self.base.duration = Some(answered.map_or(0, |(seconds, _)| seconds));
        }
        self.phase = Phase::Ended;
        turn.out.extend(ending.last_word);
        self.stop_verbs(turn);
        for id in std::mem::take(&mut self.timers) {
            turn.out.push(Effect::StopTimer { id });
        }
        self.send_status_event(turn);
        self.tell_parent(ChildEvent::Ended { status: ending.status, sip_status }, turn);
        let record = CallRecord {
            facts: self.setup.facts.clone(),
            attempted_at: self.attempted_at.unwrap_or(turn.wall),
            answered_at: answered.map(|(_, at)| at),
            terminated_at: turn.wall,
            duration: answered.map_or(0, |(seconds, _)| seconds),
            sip_status,
            call_status: ending.status,
            termination: Termination::of(ending.status, self.direction(), ending.ended_by),
            sip_parent_callid: self.setup.parent.as_ref().map(|p| p.facts.call_id.clone()),
            remote_host: self.setup.remote_host.clone(),
        };
        turn.out.push(Effect::Ended(Box::new(record)));
    }
}

impl Ending {
    pub(super) fn completed(ended_by: EndedBy) -> Self {
        Self { status: CallStatus::Completed, sip: None, ended_by, last_word: None }
    }

    pub(super) fn failed(code: u16, reason: String, ended_by: EndedBy) -> Self {
        Self { status: CallStatus::Failed, sip: Some((code, reason)), ended_by, last_word: None }
    }

    pub(super) fn no_answer(ended_by: EndedBy) -> Self {
        let sip = Some((487, "Request Terminated".into()));
        Self { status: CallStatus::NoAnswer, sip, ended_by, last_word: None }
    }

    pub(super) fn saying(self, effect: Effect) -> Self {
        Self { last_word: Some(effect), ..self }
    }
}

/// Every ending of our making says why.
pub(super) fn x_reason(text: &str) -> SipHeaders {
    let mut headers = SipHeaders::default();
    headers.set("X-Reason", text);
    headers
}

/// RFC 3261 §9.1: without a final response in 64*T1 the INVITE counts as cancelled; the stack's
/// own timer comes first.
const CANCEL_PATIENCE: Duration = Duration::from_secs(40);
/// The same for a far end that never sent a provisional response.
const SILENT_PATIENCE: Duration = Duration::from_secs(2);
