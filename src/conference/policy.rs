//! The rules of one conference, without sockets, clock or audio (contract verbs.md §3.5).
//!
//! Who is seated, who waits, who is muted, when the room starts and ends, and which status events
//! that makes, in order. The conference actor carries the [`Effect`]s out in the order given.

use std::time::Duration;

use crate::model::{CallSid, Hook};
use crate::verb::StatusEventName;

/// What a member asks for when it comes to the door.
#[derive(Clone, Debug)]
pub struct Entry {
    pub call: CallSid,
    /// `startConferenceOnEnter`: starts the room, and makes the member a moderator.
    pub moderator: bool,
    pub end_on_exit: bool,
    /// The member's own wish, where nothing is laid down for the room.
    pub join_muted: Option<bool>,
    pub beep: Option<bool>,
    pub tag: Option<String>,
    /// Heard by members with this tag alone.
    pub speak_only_to: Option<String>,
    /// Its keys are sent to the others.
    pub distribute_dtmf: bool,
    /// With `end_on_exit`: how long the others stay after it, if it was the last one of its kind.
    pub grace: Duration,
    /// For the room: the last one set wins, where nothing is laid down.
    pub max_participants: Option<usize>,
}

impl Entry {
    /// Of a moderator without any wishes.
    pub fn plain(call: CallSid) -> Self {
        Self {
            call,
            moderator: true,
            end_on_exit: false,
            join_muted: None,
            beep: None,
            tag: None,
            speak_only_to: None,
            distribute_dtmf: false,
            grace: Duration::ZERO,
            max_participants: None,
        }
    }
}

/// What is laid down for the room and beats every member's wish. `None`: nothing is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub max_participants: Option<usize>,
    pub beep: Option<bool>,
    /// For all but moderators.
    pub join_muted: Option<bool>,
    /// Nobody new comes in.
    pub locked: bool,
}

/// A member as the room keeps it.
#[derive(Clone, Debug)]
pub struct Member {
    pub call: CallSid,
    /// Counts from 1 in order of arrival, never reused.
    pub member_id: u32,
    pub moderator: bool,
    pub end_on_exit: bool,
    pub muted: bool,
    /// Neither hears nor is heard, muted or not.
    pub held: bool,
    pub tag: Option<String>,
    pub speak_only_to: Option<String>,
    pub distribute_dtmf: bool,
    grace: Duration,
    beep: bool,
}

impl Member {
    /// Whether the others hear it, those to whom it speaks.
    pub fn is_heard(&self) -> bool {
        !self.muted && !self.held
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Full,
    Locked,
    AlreadyIn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The call left by itself: hang-up, redirect, the end of its verb.
    Left,
    Kicked,
    /// The room ended for everybody.
    Ended,
}

/// Status events in the contract's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatusEvent {
    Start,
    End,
    Join,
    Leave,
    StartTalking,
    StopTalking,
    SayStart,
    SayDone,
    PlayStart,
    PlayDone,
}

impl StatusEvent {
    /// What an application calls it.
    pub fn name(self) -> StatusEventName {
        match self {
            Self::Start => StatusEventName::Start,
            Self::End => StatusEventName::End,
            Self::Join => StatusEventName::Join,
            Self::Leave => StatusEventName::Leave,
            Self::StartTalking => StatusEventName::StartTalking,
            Self::StopTalking => StatusEventName::StopTalking,
            Self::SayStart => StatusEventName::SayStart,
            Self::SayDone => StatusEventName::SayDone,
            Self::PlayStart => StatusEventName::PlayStart,
            Self::PlayDone => StatusEventName::PlayDone,
        }
    }
}

/// What the shell must do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Fetch the call's audio and give it a seat.
    Seat {
        call: CallSid,
        muted: bool,
    },
    /// Keep the call where it is until the room starts.
    Wait(CallSid),
    Refuse {
        call: CallSid,
        why: Refusal,
    },
    /// Give the call's audio back, if it had been fetched.
    Release {
        call: CallSid,
        exit: Exit,
    },
    Mute {
        call: CallSid,
        muted: bool,
    },
    /// The call neither hears nor is heard, or as it was muted or not before; it is told, also when it
    /// was held already: its prompts may be others now.
    Hold {
        call: CallSid,
        held: bool,
        wait_hook: Option<Hook>,
    },
    /// The member's tag, or the tag it speaks to alone, is another one now.
    Retag(CallSid),
    /// [`Policy::on_grace_over`] is due after this time.
    StartGrace(Duration),
    /// It is not any more.
    StopGrace,
    /// The entry tone, heard by the room.
    Beep,
    /// Tell the status hook; `about` is the member concerned, `members` the count after the event.
    Notify {
        event: StatusEvent,
        about: CallSid,
        members: usize,
    },
    /// The room has nobody left.
    Empty,
}

/// Where a call stands in the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Joined,
    Waiting,
}

#[derive(Default)]
pub struct Policy {
    started: bool,
    joined: Vec<Member>,
    waiting: Vec<Member>,
    next_id: u32,
    settings: Settings,
    /// Nobody is left who ends the room by leaving: it ends when the grace is over.
    is_ending: bool,
    /// What the verbs of members said.
    wished_max: Option<usize>,
}

impl Policy {
    /// Where these things are laid down from the start.
    pub fn new(settings: Settings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// They hold for whoever comes from now on; whoever is inside stays as they are.
    pub fn settle(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// How many may be here, waiting ones included.
    pub fn max_participants(&self) -> Option<usize> {
        self.settings.max_participants.or(self.wished_max)
    }

    pub fn is_started(&self) -> bool {
        self.started
    }

    /// Whether anybody was ever let in.
    pub fn was_used(&self) -> bool {
        self.next_id > 0
    }

    pub fn joined(&self) -> &[Member] {
        &self.joined
    }

    pub fn waiting(&self) -> &[Member] {
        &self.waiting
    }

    /// A member that is inside.
    pub fn member(&self, call: CallSid) -> Option<&Member> {
        self.joined.iter().find(|m| m.call == call)
    }

    pub fn standing(&self, call: CallSid) -> Option<Standing> {
        if self.joined.iter().any(|m| m.call == call) {
            Some(Standing::Joined)
        } else if self.waiting.iter().any(|m| m.call == call) {
            Some(Standing::Waiting)
        } else {
            None
        }
    }

    /// A call is at the door: seated, kept waiting for the start, or refused.
    pub fn on_entry(&mut self, entry: &Entry, out: &mut Vec<Effect>) {
        if let Some(most) = entry.max_participants {
            self.wished_max = Some(most);
        }
        if let Some(why) = self.refusal(entry.call) {
            out.push(Effect::Refuse { call: entry.call, why });
            // It may have been opened for this call alone.
            self.close_if_empty(out);
            return;
        }
        self.next_id += 1;
        let laid_down = self.settings.join_muted.filter(|_| !entry.moderator);
        let member = Member {
            call: entry.call,
            member_id: self.next_id,
            moderator: entry.moderator,
            end_on_exit: entry.end_on_exit,
            muted: laid_down.or(entry.join_muted).unwrap_or_default(),
            held: false,
            tag: entry.tag.clone(),
            speak_only_to: entry.speak_only_to.clone(),
            distribute_dtmf: entry.distribute_dtmf,
            grace: entry.grace,
            beep: self.settings.beep.or(entry.beep).unwrap_or_default(),
        };
        if self.started {
            self.seat(member, out);
        } else if entry.moderator {
            self.started = true;
            out.push(Effect::Notify { event: StatusEvent::Start, about: entry.call, members: 0 });
            self.seat(member, out);
            for waiter in std::mem::take(&mut self.waiting) {
                self.seat(waiter, out);
            }
        } else {
            out.push(Effect::Wait(member.call));
            self.waiting.push(member);
        }
    }

    fn refusal(&self, call: CallSid) -> Option<Refusal> {
        if self.standing(call).is_some() {
            return Some(Refusal::AlreadyIn);
        }
        if self.settings.locked {
            return Some(Refusal::Locked);
        }
        let inside = self.joined.len() + self.waiting.len();
        self.max_participants().is_some_and(|most| inside >= most).then_some(Refusal::Full)
    }

    fn seat(&mut self, member: Member, out: &mut Vec<Effect>) {
        let (call, muted, beep) = (member.call, member.muted, member.beep);
        if member.end_on_exit {
            self.stay_open(out);
        }
        self.joined.push(member);
        out.push(Effect::Seat { call, muted });
        if beep {
            out.push(Effect::Beep);
        }
        let members = self.joined.len();
        out.push(Effect::Notify { event: StatusEvent::Join, about: call, members });
    }

    /// A call goes: by itself or by a kick. Unknown calls change nothing.
    pub fn on_exit(&mut self, call: CallSid, exit: Exit, out: &mut Vec<Effect>) {
        if let Some(at) = self.waiting.iter().position(|m| m.call == call) {
            self.waiting.remove(at);
            out.push(Effect::Release { call, exit });
            self.close_if_empty(out);
            return;
        }
        let Some(at) = self.joined.iter().position(|m| m.call == call) else { return };
        let member = self.joined.remove(at);
        self.release(&member, exit, out);
        let was_last_ender = member.end_on_exit && !self.joined.iter().any(|m| m.end_on_exit);
        if self.joined.is_empty() || was_last_ender && member.grace.is_zero() {
            self.end(member.call, out);
        } else if was_last_ender {
            self.is_ending = true;
            out.push(Effect::StartGrace(member.grace));
        }
    }

    /// The time that the others had is over.
    pub fn on_grace_over(&mut self, out: &mut Vec<Effect>) {
        if std::mem::take(&mut self.is_ending) {
            self.on_end(out);
        }
    }

    /// An end that was to come does not: somebody came by whose leaving the room ends again, or there is
    /// nobody left to wait for.
    fn stay_open(&mut self, out: &mut Vec<Effect>) {
        if std::mem::take(&mut self.is_ending) {
            out.push(Effect::StopGrace);
        }
    }

    /// The room ends for everybody (REST DELETE).
    pub fn on_end(&mut self, out: &mut Vec<Effect>) {
        match self.joined.first().map(|m| m.call) {
            Some(first) => self.end(first, out),
            None => self.release_waiting(out),
        }
        self.close_if_empty(out);
    }

    fn end(&mut self, mut last: CallSid, out: &mut Vec<Effect>) {
        self.stay_open(out);
        while !self.joined.is_empty() {
            let member = self.joined.remove(0);
            last = member.call;
            self.release(&member, Exit::Ended, out);
        }
        if std::mem::take(&mut self.started) {
            out.push(Effect::Notify { event: StatusEvent::End, about: last, members: 0 });
        }
        self.release_waiting(out);
        self.close_if_empty(out);
    }

    fn release(&self, member: &Member, exit: Exit, out: &mut Vec<Effect>) {
        out.push(Effect::Release { call: member.call, exit });
        let members = self.joined.len();
        out.push(Effect::Notify { event: StatusEvent::Leave, about: member.call, members });
    }

    fn release_waiting(&mut self, out: &mut Vec<Effect>) {
        for waiter in self.waiting.drain(..) {
            out.push(Effect::Release { call: waiter.call, exit: Exit::Ended });
        }
    }

    fn close_if_empty(&mut self, out: &mut Vec<Effect>) {
        let closed = matches!(out.last(), Some(Effect::Empty));
        if self.joined.is_empty() && self.waiting.is_empty() {
            // Whoever is on the way here comes to another conference.
            self.wished_max = None;
            if !closed {
                out.push(Effect::Empty);
            }
        }
    }

    /// Mutes one member; a waiting one enters muted. Unknown calls change nothing.
    pub fn on_mute(&mut self, call: CallSid, muted: bool, out: &mut Vec<Effect>) {
        if let Some(member) = self.joined.iter_mut().find(|m| m.call == call) {
            member.muted = muted;
            out.push(Effect::Mute { call, muted });
        } else if let Some(member) = self.waiting.iter_mut().find(|m| m.call == call) {
            member.muted = muted;
        }
    }

    /// Mutes or unmutes everybody but the moderators (`conf_mute_status`).
    pub fn on_mute_all(&mut self, muted: bool, out: &mut Vec<Effect>) {
        for member in self.joined.iter_mut().filter(|m| !m.moderator) {
            member.muted = muted;
            out.push(Effect::Mute { call: member.call, muted });
        }
    }

    /// Puts one member on hold or takes it back. One that waits or is unknown changes nothing.
    pub fn on_hold(
        &mut self,
        call: CallSid,
        held: bool,
        wait_hook: Option<Hook>,
        out: &mut Vec<Effect>,
    ) {
        if let Some(member) = self.joined.iter_mut().find(|m| m.call == call) {
            hold(member, held, wait_hook, out);
        }
    }

    /// Holds or takes back everybody but the moderators.
    pub fn on_hold_all(&mut self, held: bool, wait_hook: Option<&Hook>, out: &mut Vec<Effect>) {
        for member in self.joined.iter_mut().filter(|m| !m.moderator) {
            hold(member, held, wait_hook.cloned(), out);
        }
    }

    /// Sets or clears a member's tag. Unknown calls change nothing.
    pub fn on_tag(&mut self, call: CallSid, tag: Option<String>, out: &mut Vec<Effect>) {
        if let Some(member) = self.anybody(call) {
            member.tag = tag;
            self.retag(call, out);
        }
    }

    /// Lets a member be heard by those with a tag alone, or by all again. Unknown calls change nothing.
    pub fn on_speak_only_to(&mut self, call: CallSid, tag: Option<String>, out: &mut Vec<Effect>) {
        if let Some(member) = self.anybody(call) {
            member.speak_only_to = tag;
            self.retag(call, out);
        }
    }

    fn anybody(&mut self, call: CallSid) -> Option<&mut Member> {
        self.joined.iter_mut().chain(&mut self.waiting).find(|m| m.call == call)
    }

    fn retag(&self, call: CallSid, out: &mut Vec<Effect>) {
        if self.member(call).is_some() {
            out.push(Effect::Retag(call));
        }
    }
}

fn hold(member: &mut Member, held: bool, wait_hook: Option<Hook>, out: &mut Vec<Effect>) {
    if held || member.held {
        member.held = held;
        out.push(Effect::Hold { call: member.call, held, wait_hook });
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
