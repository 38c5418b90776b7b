//! The rules of one conference, without sockets, clock or audio (contract verbs.md §3.5).
//!
//! Who is seated, who waits, who is muted, when the room starts and ends, and which status events
//! that makes, in order. The conference actor carries the [`Effect`]s out in the order given.

use crate::model::CallSid;
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
    /// For the room: the last one set wins, where nothing is laid down.
    pub max_participants: Option<usize>,
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
    pub tag: Option<String>,
    beep: bool,
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
            tag: entry.tag.clone(),
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
        if self.joined.is_empty() || was_last_ender {
            self.end(member.call, out);
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

    fn close_if_empty(&self, out: &mut Vec<Effect>) {
        let closed = matches!(out.last(), Some(Effect::Empty));
        if self.joined.is_empty() && self.waiting.is_empty() && !closed {
            out.push(Effect::Empty);
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

    /// Sets or clears a member's tag. Unknown calls change nothing.
    pub fn on_tag(&mut self, call: CallSid, tag: Option<String>) {
        let mut members = self.joined.iter_mut().chain(&mut self.waiting);
        if let Some(member) = members.find(|m| m.call == call) {
            member.tag = tag;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(moderator: bool) -> Entry {
        Entry {
            call: CallSid::random(),
            moderator,
            end_on_exit: false,
            join_muted: None,
            beep: None,
            tag: None,
            max_participants: None,
        }
    }

    fn enter(policy: &mut Policy, entry: &Entry) -> Vec<Effect> {
        let mut out = Vec::new();
        policy.on_entry(entry, &mut out);
        out
    }

    fn exit(policy: &mut Policy, call: CallSid, exit: Exit) -> Vec<Effect> {
        let mut out = Vec::new();
        policy.on_exit(call, exit, &mut out);
        out
    }

    fn notify(event: StatusEvent, about: &Entry, members: usize) -> Effect {
        Effect::Notify { event, about: about.call, members }
    }

    #[test]
    fn first_moderator_starts_the_room_then_joins() {
        let mut room = Policy::default();
        let a = entry(true);
        assert_eq!(
            enter(&mut room, &a),
            [
                notify(StatusEvent::Start, &a, 0),
                Effect::Seat { call: a.call, muted: false },
                notify(StatusEvent::Join, &a, 1),
            ]
        );
    }

    #[test]
    fn waiters_join_in_arrival_order_when_a_moderator_comes() {
        let mut room = Policy::default();
        let (a, b, boss) = (entry(false), entry(false), entry(true));
        assert_eq!(enter(&mut room, &a), [Effect::Wait(a.call)]);
        assert_eq!(enter(&mut room, &b), [Effect::Wait(b.call)]);
        let out = enter(&mut room, &boss);
        let joins: Vec<_> = out
            .iter()
            .filter_map(|e| match e {
                Effect::Notify { event: StatusEvent::Join, about, members } => {
                    Some((*about, *members))
                }
                _ => None,
            })
            .collect();
        assert_eq!(joins, [(boss.call, 1), (a.call, 2), (b.call, 3)]);
        assert!(room.waiting().is_empty());
    }

    #[test]
    fn waiter_that_hangs_up_leaves_without_an_event() {
        let mut room = Policy::default();
        let a = entry(false);
        enter(&mut room, &a);
        assert_eq!(
            exit(&mut room, a.call, Exit::Left),
            [Effect::Release { call: a.call, exit: Exit::Left }, Effect::Empty]
        );
    }

    #[test]
    fn last_member_out_ends_the_room_once() {
        let mut room = Policy::default();
        let a = entry(true);
        enter(&mut room, &a);
        assert_eq!(
            exit(&mut room, a.call, Exit::Left),
            [
                Effect::Release { call: a.call, exit: Exit::Left },
                notify(StatusEvent::Leave, &a, 0),
                notify(StatusEvent::End, &a, 0),
                Effect::Empty,
            ]
        );
    }

    #[test]
    fn last_ender_takes_everybody_along_and_leaves_precede_the_end() {
        let mut room = Policy::default();
        let (a, b) = (Entry { end_on_exit: true, ..entry(true) }, entry(true));
        let second = Entry { end_on_exit: true, ..entry(true) };
        for e in [&a, &b, &second] {
            enter(&mut room, e);
        }
        let out = exit(&mut room, a.call, Exit::Left);
        assert!(!out.contains(&Effect::Empty), "another ender is still in");
        assert_eq!(
            exit(&mut room, second.call, Exit::Left),
            [
                Effect::Release { call: second.call, exit: Exit::Left },
                notify(StatusEvent::Leave, &second, 1),
                Effect::Release { call: b.call, exit: Exit::Ended },
                notify(StatusEvent::Leave, &b, 0),
                notify(StatusEvent::End, &b, 0),
                Effect::Empty,
            ]
        );
    }

    #[test]
    fn full_locked_and_double_entries_are_refused() {
        let mut room = Policy::default();
        let a = Entry { max_participants: Some(2), ..entry(true) };
        let (b, c) = (entry(true), entry(true));
        enter(&mut room, &a);
        enter(&mut room, &b);
        assert_eq!(enter(&mut room, &c), [Effect::Refuse { call: c.call, why: Refusal::Full }]);
        assert_eq!(
            enter(&mut room, &b),
            [Effect::Refuse { call: b.call, why: Refusal::AlreadyIn }]
        );
        exit(&mut room, b.call, Exit::Left);
        room.settle(Settings { locked: true, ..Settings::default() });
        assert_eq!(enter(&mut room, &c), [Effect::Refuse { call: c.call, why: Refusal::Locked }]);
    }

    #[test]
    fn rooms_mute_spares_moderators_unless_they_asked() {
        let mut room = Policy::new(Settings { join_muted: Some(true), ..Settings::default() });
        let (boss, shy) = (entry(true), Entry { join_muted: Some(true), ..entry(true) });
        let guest = entry(false);
        for e in [&boss, &shy, &guest] {
            enter(&mut room, e);
        }
        let muted: Vec<_> = room.joined().iter().map(|m| m.muted).collect();
        assert_eq!(muted, [false, true, true]);
        let mut out = Vec::new();
        room.on_mute_all(false, &mut out);
        assert_eq!(out, [Effect::Mute { call: guest.call, muted: false }]);
    }

    #[test]
    fn what_is_laid_down_beats_what_verbs_say() {
        let settings = Settings {
            max_participants: Some(3),
            beep: Some(false),
            join_muted: Some(false),
            locked: false,
        };
        let mut room = Policy::new(settings);
        let loud = |moderator| Entry {
            join_muted: Some(true),
            beep: Some(true),
            max_participants: Some(2),
            ..entry(moderator)
        };
        let (boss, guest, third, fourth) = (loud(true), loud(false), loud(false), loud(true));
        // Moderators are muted by their own wish alone.
        assert!(enter(&mut room, &boss).contains(&Effect::Seat { call: boss.call, muted: true }));
        let out = enter(&mut room, &guest);
        assert!(out.contains(&Effect::Seat { call: guest.call, muted: false }));
        assert!(!out.contains(&Effect::Beep));
        enter(&mut room, &third);
        let full = [Effect::Refuse { call: fourth.call, why: Refusal::Full }];
        assert_eq!(enter(&mut room, &fourth), full);

        // Taken back while the room is live: the verbs' limit is the one that holds.
        room.settle(Settings::default());
        exit(&mut room, third.call, Exit::Left);
        assert_eq!(enter(&mut room, &fourth), full);
        room.settle(Settings {
            beep: Some(true),
            max_participants: Some(9),
            ..Settings::default()
        });
        let plain = entry(false);
        let out = enter(&mut room, &plain);
        assert!(out.contains(&Effect::Seat { call: plain.call, muted: false }));
        assert!(out.contains(&Effect::Beep));
    }

    #[test]
    fn a_room_that_was_locked_before_anybody_came_closes_again() {
        let mut room = Policy::new(Settings { locked: true, ..Settings::default() });
        let a = entry(true);
        let refused = Effect::Refuse { call: a.call, why: Refusal::Locked };
        assert_eq!(enter(&mut room, &a), [refused, Effect::Empty]);
        assert!(!room.was_used());
        room.settle(Settings::default());
        enter(&mut room, &a);
        assert!(room.was_used());
    }

    #[test]
    fn a_lower_limit_and_a_lock_send_nobody_out() {
        let mut room = Policy::default();
        let (a, b, late) = (entry(true), entry(true), entry(true));
        enter(&mut room, &a);
        enter(&mut room, &b);
        room.settle(Settings { max_participants: Some(2), locked: true, ..Settings::default() });
        assert_eq!(room.joined().len(), 2);
        let refused = |why| [Effect::Refuse { call: late.call, why }];
        assert_eq!(enter(&mut room, &late), refused(Refusal::Locked));
        room.settle(Settings { max_participants: Some(2), ..Settings::default() });
        assert_eq!(enter(&mut room, &late), refused(Refusal::Full));
        room.settle(Settings { max_participants: Some(3), ..Settings::default() });
        assert!(enter(&mut room, &late).contains(&Effect::Seat { call: late.call, muted: false }));
    }

    #[test]
    fn kicked_member_is_released_as_kicked() {
        let mut room = Policy::default();
        let (a, b) = (entry(true), entry(true));
        enter(&mut room, &a);
        enter(&mut room, &b);
        let out = exit(&mut room, b.call, Exit::Kicked);
        assert_eq!(out[0], Effect::Release { call: b.call, exit: Exit::Kicked });
        assert_eq!(room.joined().len(), 1);
    }

    #[test]
    fn ending_by_order_releases_members_and_waiters() {
        let mut room = Policy::default();
        let a = entry(true);
        enter(&mut room, &a);
        let mut out = Vec::new();
        room.on_end(&mut out);
        assert_eq!(out.iter().filter(|e| **e == Effect::Empty).count(), 1);
        assert!(!room.is_started());
        let mut room = Policy::default();
        let w = entry(false);
        enter(&mut room, &w);
        let mut out = Vec::new();
        room.on_end(&mut out);
        assert_eq!(out, [Effect::Release { call: w.call, exit: Exit::Ended }, Effect::Empty]);
    }
}
