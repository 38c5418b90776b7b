//! The rules one by one.

use std::time::Duration;

use super::*;

fn entry(moderator: bool) -> Entry {
    Entry {
        call: CallSid::random(),
        moderator,
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
            Effect::Notify { event: StatusEvent::Join, about, members } => Some((*about, *members)),
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
    assert_eq!(enter(&mut room, &b), [Effect::Refuse { call: b.call, why: Refusal::AlreadyIn }]);
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
    room.settle(Settings { beep: Some(true), max_participants: Some(9), ..Settings::default() });
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

fn act(act: impl FnOnce(&mut Vec<Effect>)) -> Vec<Effect> {
    let mut out = Vec::new();
    act(&mut out);
    out
}

fn grace(seconds: u64) -> Entry {
    Entry { end_on_exit: true, grace: Duration::from_secs(seconds), ..entry(true) }
}

#[test]
fn those_who_stay_have_the_grace_of_the_last_who_ends_the_room() {
    let mut room = Policy::default();
    let (first, last, guest) = (grace(9), grace(5), entry(true));
    for e in [&first, &last, &guest] {
        enter(&mut room, e);
    }
    exit(&mut room, first.call, Exit::Left);
    let out = exit(&mut room, last.call, Exit::Left);
    assert_eq!(out.last(), Some(&Effect::StartGrace(Duration::from_secs(5))));
    assert_eq!(room.joined().len(), 1);
    assert_eq!(
        act(|out| room.on_grace_over(out)),
        [
            Effect::Release { call: guest.call, exit: Exit::Ended },
            notify(StatusEvent::Leave, &guest, 0),
            notify(StatusEvent::End, &guest, 0),
            Effect::Empty,
        ]
    );
    assert_eq!(act(|out| room.on_grace_over(out)), []);
}

#[test]
fn another_who_ends_the_room_calls_its_end_off() {
    let mut room = Policy::default();
    let (ender, guest, next) = (grace(5), entry(true), grace(7));
    for e in [&ender, &guest] {
        enter(&mut room, e);
    }
    exit(&mut room, ender.call, Exit::Left);
    assert_eq!(enter(&mut room, &next)[0], Effect::StopGrace);
    assert_eq!(act(|out| room.on_grace_over(out)), [], "a timer that fired meanwhile ends nothing");
    let out = exit(&mut room, next.call, Exit::Left);
    assert_eq!(out.last(), Some(&Effect::StartGrace(Duration::from_secs(7))));
    // Nobody is left before it is over: the room ends now.
    let out = exit(&mut room, guest.call, Exit::Left);
    assert!(out.contains(&Effect::StopGrace) && out.contains(&Effect::Empty));
}

#[test]
fn hold_and_mute_are_remembered_apart() {
    let mut room = Policy::default();
    let (boss, guest, waiter) = (entry(true), entry(false), entry(false));
    let hold = |call, held| Effect::Hold { call, held, wait_hook: None };
    enter(&mut room, &waiter);
    assert_eq!(act(|out| room.on_hold(waiter.call, true, None, out)), [], "it waits already");
    for e in [&boss, &guest] {
        enter(&mut room, e);
    }
    act(|out| room.on_mute(guest.call, true, out));
    assert_eq!(act(|out| room.on_hold(guest.call, true, None, out)), [hold(guest.call, true)]);
    assert_eq!(act(|out| room.on_hold(guest.call, true, None, out)), [hold(guest.call, true)]);
    act(|out| room.on_mute(guest.call, false, out));
    let guest_of = |room: &Policy| room.member(guest.call).cloned().unwrap();
    assert!(guest_of(&room).held && !guest_of(&room).is_heard());
    assert_eq!(
        act(|out| room.on_hold_all(true, None, out)),
        [hold(waiter.call, true), hold(guest.call, true)],
        "moderators are spared"
    );
    assert_eq!(
        act(|out| room.on_hold_all(false, None, out)),
        [hold(waiter.call, false), hold(guest.call, false)]
    );
    assert!(guest_of(&room).is_heard());
    assert_eq!(act(|out| room.on_hold(guest.call, false, None, out)), []);
}

#[test]
fn tags_and_coaches_change_for_those_inside_and_those_who_wait() {
    let mut room = Policy::default();
    let (coach, agent) = (
        Entry { speak_only_to: Some("agent".to_owned()), ..entry(true) },
        Entry { tag: Some("agent".to_owned()), ..entry(false) },
    );
    enter(&mut room, &agent);
    let tag = Some("a".to_owned());
    assert_eq!(act(|out| room.on_tag(agent.call, tag.clone(), out)), []);
    enter(&mut room, &coach);
    assert_eq!(room.member(agent.call).unwrap().tag, tag);
    assert_eq!(room.member(coach.call).unwrap().speak_only_to.as_deref(), Some("agent"));
    assert_eq!(
        act(|out| room.on_speak_only_to(coach.call, tag.clone(), out)),
        [Effect::Retag(coach.call)]
    );
    assert_eq!(act(|out| room.on_tag(agent.call, None, out)), [Effect::Retag(agent.call)]);
    assert_eq!(act(|out| room.on_tag(CallSid::random(), None, out)), []);
}
