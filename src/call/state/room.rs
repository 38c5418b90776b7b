//! What a call is told as a member of a conference (contract rest.md §2.3.7, §3.3): orders about it, what all
//! or it alone shall hear, and the order to enter one.

use std::time::Instant;

use serde_json::Value;
use time::OffsetDateTime;

use super::update::no_effect;
use super::{State, Turn, UpdateError};
use crate::call::Effect;
use crate::call::effect::Audience;
use crate::model::call::{MemberOrder, SipHeaders};
use crate::verb::{Announcement, Conference, Hangup, RunId, VerbKind};

const OUTSIDE: &str = "the call is not in a conference";

impl State {
    /// Leaves what the call runs for a conference; nothing follows it but what its action hook says. A
    /// dialled leg leaves the call that dialled it.
    ///
    /// # Errors
    /// [`UpdateError`]: the call is not up, or in that conference.
    pub fn enter_room(
        &mut self,
        now: Instant,
        wall: OffsetDateTime,
        room: Conference,
        out: &mut Vec<Effect>,
    ) -> Result<(), UpdateError> {
        if self.has_ended() {
            return Err(UpdateError::Gone(self.setup.facts.call_sid));
        }
        if !self.is_answered() {
            return Err(UpdateError::Incompatible("conference"));
        }
        if self.runner.conference_name().is_some_and(|name| name == room.name) {
            return Err(UpdateError::AlreadyIn);
        }
        let turn = &mut Turn { now, wall, out };
        self.grow_up(turn);
        // Without a hook nobody is asked what follows: an application with an open socket would never say.
        let hangup = || VerbKind::Hangup(Hangup { headers: SipHeaders::default() });
        let last = room.action_hook.is_none().then(hangup);
        self.run_instead([VerbKind::Conference(Box::new(room))].into_iter().chain(last), turn);
        Ok(())
    }

    pub(super) fn order_member(&mut self, name: &str, order: MemberOrder, turn: &mut Turn<'_>) {
        match self.member() {
            Some(id) => turn.out.push(Effect::OrderMember { id, order }),
            None => no_effect(name, OUTSIDE, turn),
        }
    }

    /// `room_say` and `room_play`: for everybody in the call's conference.
    pub(super) fn announce(&mut self, name: &str, verb: &Value, turn: &mut Turn<'_>) {
        self.have_heard(name, verb, Audience::Room, turn);
    }

    /// Prompts for this side alone. In a conference the others talk on meanwhile; of two who talk the
    /// other is apart.
    pub(super) fn whisper(&mut self, prompts: &Value, turn: &mut Turn<'_>) {
        self.have_heard("whisper", prompts, Audience::Member, turn);
    }

    /// The visit to a conference that this call is inside of.
    fn member(&self) -> Option<RunId> {
        self.runner.conference().filter(|(_, is_joined)| *is_joined).map(|(id, _)| id)
    }

    fn have_heard(&mut self, name: &str, verbs: &Value, audience: Audience, turn: &mut Turn<'_>) {
        match (self.member(), Announcement::parse(verbs)) {
            (Some(id), Ok(Announcement(mut clips))) => {
                self.settle_clips(&mut clips, turn);
                turn.out.push(Effect::Announce { id, clips, audience });
            }
            (_, Err(error)) => no_effect(name, &error.to_string(), turn),
            (None, Ok(Announcement(mut clips)))
                if self.is_bridged && matches!(audience, Audience::Member) =>
            {
                self.settle_clips(&mut clips, turn);
                self.whisper_apart(clips, turn);
            }
            (None, Ok(_)) => no_effect(name, OUTSIDE, turn),
        }
    }
}
