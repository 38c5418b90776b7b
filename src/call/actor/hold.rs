//! Hold, both ways: the far end says that it does not want to hear, and we say so to it, by an offer of
//! another direction in a re-INVITE (RFC 3264 §8.4).

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use media::sdp::Direction;
use sip::Response;

use super::CallActor;
use super::media::{description, sdp_body};
use crate::call::Input;
use crate::sip_io::message::Action;
use crate::verb::Flow;

/// Where hold stands.
#[derive(Default)]
pub(super) struct Holding {
    /// The far end does not want to hear.
    by_far_end: bool,
    /// What it is to be offered, and how often that was refused.
    wanted: Option<(Flow, u8)>,
    /// Our offer is out.
    is_offering: bool,
}

impl Holding {
    /// What was agreed with the far end: what goes through it now, if it holds or does no more.
    fn note(&mut self, agreed: Direction) -> Option<Flow> {
        // What we do not offer it cannot take.
        let ours = self.wanted.map(|(flow, _)| flow);
        let receives = agreed.sends() || ours.is_some_and(|flow| !flow.sends);
        let sends = agreed.receives() || ours.is_some_and(|flow| !flow.receives);
        let by_far_end = !receives;
        let has_changed = std::mem::replace(&mut self.by_far_end, by_far_end) != by_far_end;
        has_changed.then_some(Flow { sends, receives })
    }

    /// Whether it was offered less than all.
    fn is_by_us(&self) -> bool {
        self.wanted.is_some_and(|(flow, _)| !(flow.sends && flow.receives))
    }
}

impl CallActor {
    /// After an offer of the far end: whether it holds now, or does no more.
    pub(super) fn note_hold(&mut self, ctx: &mut Context<Self>) {
        let agreed = self.media.session.as_ref().and_then(|session| session.agreed());
        let Some(direction) = agreed.map(|agreed| agreed.direction) else { return };
        if let Some(flow) = self.holding.note(direction) {
            self.input(Input::Held { flow }, ctx);
        }
    }

    /// Offers the far end that `flow` goes through us to it: what the other side of the call does.
    pub(super) fn reoffer(&mut self, flow: Flow, ctx: &mut Context<Self>) {
        self.holding.wanted = Some((flow, 0));
        self.offer_again(ctx);
    }

    /// The call is with nobody any more who could hold it.
    pub(super) fn unhold(&mut self, ctx: &mut Context<Self>) {
        if self.holding.is_by_us() {
            self.reoffer(Flow { sends: true, receives: true }, ctx);
        }
    }

    /// Another far end is there instead: what was said to the one before is not known to it, nor has it
    /// said anything.
    pub(super) fn on_other_far_end(&mut self, ctx: &mut Context<Self>) {
        self.holding.is_offering = false;
        self.note_hold(ctx);
        if self.holding.is_by_us() {
            self.offer_again(ctx);
        }
    }

    fn offer_again(&mut self, _: &mut Context<Self>) {
        let Some((flow, _)) = self.holding.wanted else { return };
        if self.holding.is_offering || !self.state.is_answered() {
            return;
        }
        let Some(session) = self.media.session.as_mut() else { return };
        session.set_direction(Direction::new(flow.sends, flow.receives));
        let text = session.offer(&self.desk.sdp_policy);
        self.holding.is_offering = true;
        self.order(Action::Reinvite(description(text)));
    }

    pub(super) fn on_reinvite_done(
        &mut self,
        done: Result<Arc<Response>, u16>,
        ctx: &mut Context<Self>,
    ) {
        if !std::mem::take(&mut self.holding.is_offering) {
            return;
        }
        let offered = self.media.session.as_ref().map(|session| session.direction());
        match done {
            Ok(response) => {
                let answer = sdp_body(response.body(), response.content_type());
                let agreed = self.media.session.as_mut().zip(answer).map(|(session, answer)| {
                    session.accept_answer(&answer.bytes, &self.desk.sdp_policy)
                });
                match agreed {
                    Some(Ok(agreed)) => self.agree(agreed),
                    Some(Err(error)) => {
                        tracing::info!(call_sid = %self.sid, %error, "answer to a hold is no answer");
                    }
                    None => {}
                }
                // It has changed meanwhile.
                let wanted = self.holding.wanted.map(|(flow, _)| direction(flow));
                if wanted != offered {
                    self.offer_again(ctx);
                }
            }
            Err(status) => {
                tracing::info!(call_sid = %self.sid, status, "far end refuses to be held or resumed");
                let Some((_, refusals)) = &mut self.holding.wanted else { return };
                *refusals += 1;
                if *refusals < MOST_REFUSALS {
                    ctx.run_later(PAUSE, Self::offer_again);
                }
            }
        }
    }
}

fn direction(flow: Flow) -> Direction {
    Direction::new(flow.sends, flow.receives)
}

/// Another offer may be under way: the core tries again by itself only what it could send.
const PAUSE: Duration = Duration::from_secs(2);
const MOST_REFUSALS: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: Flow = Flow { sends: true, receives: true };

    #[test]
    fn a_hold_of_the_far_end_is_told_once_and_so_is_its_end() {
        let mut holding = Holding::default();
        assert_eq!(holding.note(Direction::SendRecv), None);
        // It sends only: music of its own.
        let held = Some(Flow { sends: true, receives: false });
        assert_eq!(holding.note(Direction::RecvOnly), held);
        assert_eq!(holding.note(Direction::Inactive), None, "held is held");
        // Also by another far end, which has said nothing of it.
        assert_eq!(holding.note(Direction::SendRecv), Some(BOTH));
        let held = Some(Flow { sends: false, receives: false });
        assert_eq!(holding.note(Direction::Inactive), held);
    }

    #[test]
    fn what_we_hold_ourselves_is_no_hold_of_the_far_end() {
        let mut holding = Holding::default();
        assert!(!holding.is_by_us());
        holding.wanted = Some((Flow { sends: false, receives: true }, 0));
        assert!(holding.is_by_us());
        assert_eq!(holding.note(Direction::RecvOnly), None);
        holding.wanted = Some((BOTH, 0));
        assert!(!holding.is_by_us());
        assert_eq!(holding.note(Direction::RecvOnly), Some(Flow { sends: true, receives: false }));
    }
}
