//! Random sequences of whatever can happen to a room, against a plain model of it.

use std::time::Duration;

use super::*;

const SEQUENCES: u64 = 10_000;
const STEPS: usize = 40;
/// Calls that come, go and come again.
const CALLS: usize = 7;
const TAGS: [&str; 3] = ["agent", "caller", "boss"];

/// Steele's SplitMix64: small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }

    fn flip(&mut self) -> bool {
        self.roll(2) == 0
    }

    fn maybe<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.flip().then(|| value(self))
    }

    fn tag(&mut self) -> Option<String> {
        self.maybe(|dice| TAGS[dice.roll(TAGS.len())].to_owned())
    }
}

#[derive(Clone, Debug)]
enum Step {
    Enter(Entry),
    Exit(CallSid, Exit),
    Mute(CallSid, bool),
    MuteAll(bool),
    Hold(CallSid, bool),
    HoldAll(bool),
    Tag(CallSid, Option<String>),
    Coach(CallSid, Option<String>),
    Settle(Settings),
    End,
    GraceOver,
}

fn any_step(dice: &mut Dice, calls: &[CallSid]) -> Step {
    let call = calls[dice.roll(calls.len())];
    match dice.roll(20) {
        0..8 => Step::Enter(Entry {
            call,
            moderator: dice.flip(),
            end_on_exit: dice.roll(3) == 0,
            join_muted: dice.maybe(Dice::flip),
            beep: dice.maybe(Dice::flip),
            tag: dice.tag(),
            speak_only_to: dice.tag(),
            distribute_dtmf: dice.flip(),
            grace: Duration::from_secs(dice.roll(3) as u64),
            max_participants: (dice.roll(8) == 0).then(|| 2 + dice.roll(CALLS)),
        }),
        8..11 => Step::Exit(call, if dice.flip() { Exit::Left } else { Exit::Kicked }),
        11 => Step::Mute(call, dice.flip()),
        12 => Step::MuteAll(dice.flip()),
        13 => Step::Hold(call, dice.flip()),
        14 => Step::HoldAll(dice.flip()),
        15 => Step::Tag(call, dice.tag()),
        16 => Step::Coach(call, dice.tag()),
        17 => Step::Settle(Settings {
            max_participants: (dice.roll(4) == 0).then(|| 2 + dice.roll(CALLS)),
            beep: dice.maybe(Dice::flip),
            join_muted: dice.maybe(Dice::flip),
            locked: dice.roll(4) == 0,
        }),
        18 if dice.roll(3) == 0 => Step::End,
        _ => Step::GraceOver,
    }
}

/// The room in plain words: a list of people.
#[derive(Default)]
struct Model {
    people: Vec<Person>,
    started: bool,
    ending: bool,
    settings: Settings,
    wished_max: Option<usize>,
}

#[derive(Clone, Debug, PartialEq)]
struct Person {
    call: CallSid,
    inside: bool,
    moderator: bool,
    ender: bool,
    grace: Duration,
    muted: bool,
    held: bool,
    tag: Option<String>,
    coaches: Option<String>,
}

impl Model {
    fn take(&mut self, step: &Step) {
        match step {
            Step::Enter(entry) => self.enter(entry),
            Step::Exit(call, _) => self.exit(*call),
            Step::Mute(call, on) => self.each(|p| p.call == *call, |p| p.muted = *on),
            Step::MuteAll(on) => self.each(|p| p.inside && !p.moderator, |p| p.muted = *on),
            Step::Hold(call, on) => self.each(|p| p.call == *call && p.inside, |p| p.held = *on),
            Step::HoldAll(on) => self.each(|p| p.inside && !p.moderator, |p| p.held = *on),
            Step::Tag(call, tag) => self.each(|p| p.call == *call, |p| p.tag = tag.clone()),
            Step::Coach(call, tag) => self.each(|p| p.call == *call, |p| p.coaches = tag.clone()),
            Step::Settle(settings) => self.settings = *settings,
            Step::End => self.close(),
            Step::GraceOver if self.ending => self.close(),
            Step::GraceOver => {}
        }
        if self.people.is_empty() {
            self.wished_max = None;
        }
    }

    fn each(&mut self, whom: impl Fn(&Person) -> bool, act: impl Fn(&mut Person)) {
        self.people.iter_mut().filter(|person| whom(person)).for_each(act);
    }

    fn refusal(&self, call: CallSid) -> Option<Refusal> {
        let max = self.settings.max_participants.or(self.wished_max).unwrap_or(usize::MAX);
        if self.people.iter().any(|person| person.call == call) {
            Some(Refusal::AlreadyIn)
        } else if self.settings.locked {
            Some(Refusal::Locked)
        } else {
            (self.people.len() >= max).then_some(Refusal::Full)
        }
    }

    fn enter(&mut self, entry: &Entry) {
        self.wished_max = entry.max_participants.or(self.wished_max);
        if self.refusal(entry.call).is_some() {
            return;
        }
        let laid_down = if entry.moderator { None } else { self.settings.join_muted };
        let starts = entry.moderator && !self.started;
        self.started |= starts;
        let person = Person {
            call: entry.call,
            inside: self.started,
            moderator: entry.moderator,
            ender: entry.end_on_exit,
            grace: entry.grace,
            muted: laid_down.or(entry.join_muted) == Some(true),
            held: false,
            tag: entry.tag.clone(),
            coaches: entry.speak_only_to.clone(),
        };
        // Who starts the room is in it first.
        let at = if starts { 0 } else { self.people.len() };
        self.people.insert(at, person);
        if starts {
            self.people.iter_mut().for_each(|person| person.inside = true);
        }
        if self.people[at].inside && entry.end_on_exit {
            self.ending = false;
        }
    }

    fn exit(&mut self, call: CallSid) {
        let Some(at) = self.people.iter().position(|person| person.call == call) else { return };
        let person = self.people.remove(at);
        if !person.inside {
            return;
        }
        let is_last_ender = person.ender && !self.people.iter().any(|p| p.inside && p.ender);
        if self.people.is_empty() || is_last_ender && person.grace.is_zero() {
            self.close();
        } else if is_last_ender {
            self.ending = true;
        }
    }

    fn close(&mut self) {
        self.people.clear();
        (self.started, self.ending) = (false, false);
    }
}

/// What those outside can tell from effects alone, and what must hold of them.
#[derive(Default)]
struct Witness {
    waiting: Vec<CallSid>,
    inside: Vec<CallSid>,
    started: bool,
    grace: bool,
}

impl Witness {
    fn watch(&mut self, effects: &[Effect]) {
        let mut released = Vec::new();
        for (n, effect) in effects.iter().enumerate() {
            match effect {
                Effect::Seat { call, .. } => {
                    assert!(!self.inside.contains(call) && !released.contains(call), "twice in");
                    assert!(self.started, "before the start");
                    self.waiting.retain(|waiting| waiting != call);
                    self.inside.push(*call);
                    let follows = effects[n + 1..].iter().find(|e| **e != Effect::Beep);
                    let members = self.inside.len();
                    let join = Effect::Notify { event: StatusEvent::Join, about: *call, members };
                    assert_eq!(follows, Some(&join));
                }
                Effect::Wait(call) => {
                    assert!(!self.started && !self.knows(*call));
                    self.waiting.push(*call);
                }
                Effect::Refuse { call, why } => {
                    assert_eq!(self.knows(*call), *why == Refusal::AlreadyIn);
                }
                Effect::Release { call, .. } => {
                    assert!(self.knows(*call), "{call} is released and was not there");
                    let was_inside = self.inside.contains(call);
                    self.inside.retain(|inside| inside != call);
                    self.waiting.retain(|waiting| waiting != call);
                    released.push(*call);
                    if was_inside {
                        let members = self.inside.len();
                        let event = StatusEvent::Leave;
                        let leave = Effect::Notify { event, about: *call, members };
                        assert_eq!(effects.get(n + 1), Some(&leave));
                    }
                }
                Effect::Mute { call, .. } | Effect::Hold { call, .. } | Effect::Retag(call) => {
                    assert!(self.inside.contains(call), "an effect on somebody who is not inside");
                }
                Effect::StartGrace(time) => {
                    assert!(!std::mem::replace(&mut self.grace, true) && !time.is_zero());
                }
                Effect::StopGrace => assert!(std::mem::take(&mut self.grace)),
                Effect::Beep => assert!(!self.inside.is_empty()),
                Effect::Notify { event: StatusEvent::Start, members, about } => {
                    assert!(!std::mem::replace(&mut self.started, true) && *members == 0);
                    assert!(matches!(effects[n + 1], Effect::Seat { call, .. } if call == *about));
                }
                Effect::Notify { event: StatusEvent::End, members, about } => {
                    assert!(std::mem::take(&mut self.started), "ended twice");
                    assert!(self.inside.is_empty() && *members == 0, "somebody is still inside");
                    assert!(released.contains(about));
                }
                Effect::Notify { about, .. } => {
                    assert!(self.inside.contains(about) || released.contains(about));
                }
                Effect::Empty => {
                    assert!(self.inside.is_empty() && self.waiting.is_empty());
                    assert_eq!(n + 1, effects.len(), "the last word");
                }
            }
        }
    }

    fn knows(&self, call: CallSid) -> bool {
        self.inside.contains(&call) || self.waiting.contains(&call)
    }
}

fn take(room: &mut Policy, step: &Step) -> Vec<Effect> {
    let mut out = Vec::new();
    match step.clone() {
        Step::Enter(entry) => room.on_entry(&entry, &mut out),
        Step::Exit(call, exit) => room.on_exit(call, exit, &mut out),
        Step::Mute(call, on) => room.on_mute(call, on, &mut out),
        Step::MuteAll(on) => room.on_mute_all(on, &mut out),
        Step::Hold(call, on) => room.on_hold(call, on, None, &mut out),
        Step::HoldAll(on) => room.on_hold_all(on, None, &mut out),
        Step::Tag(call, tag) => room.on_tag(call, tag, &mut out),
        Step::Coach(call, tag) => room.on_speak_only_to(call, tag, &mut out),
        Step::Settle(settings) => room.settle(settings),
        Step::End => room.on_end(&mut out),
        Step::GraceOver => room.on_grace_over(&mut out),
    }
    out
}

fn as_people(room: &Policy) -> Vec<Person> {
    let person = |member: &Member, inside| Person {
        call: member.call,
        inside,
        moderator: member.moderator,
        ender: member.end_on_exit,
        grace: member.grace,
        muted: member.muted,
        held: member.held,
        tag: member.tag.clone(),
        coaches: member.speak_only_to.clone(),
    };
    let joined = room.joined().iter().map(|member| person(member, true));
    joined.chain(room.waiting().iter().map(|member| person(member, false))).collect()
}

/// Tells which sequence it was that failed.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the sequence of seed {}", self.0);
        }
    }
}

#[test]
fn a_room_does_what_a_list_of_people_would() {
    for seed in 0..SEQUENCES {
        let _seed = Seed(seed);
        let mut dice = Dice(seed);
        let calls: Vec<CallSid> = (0..CALLS).map(|_| CallSid::random()).collect();
        let (mut room, mut model) = (Policy::default(), Model::default());
        let mut witness = Witness::default();
        for _ in 0..STEPS {
            let step = any_step(&mut dice, &calls);
            model.take(&step);
            let effects = take(&mut room, &step);
            if let Step::GraceOver = step {
                witness.grace = false;
            }
            witness.watch(&effects);
            assert_eq!(as_people(&room), model.people, "after {step:?}: {effects:?}");
            assert_eq!((room.is_started(), witness.started), (model.started, model.started));
            assert_eq!(witness.grace, model.ending);
            let (joined, waiting) = (room.joined(), room.waiting());
            assert!(joined.iter().map(|member| member.call).eq(witness.inside.iter().copied()));
            assert!(waiting.iter().map(|member| member.call).eq(witness.waiting.iter().copied()));
            let is_told_empty = effects.last() == Some(&Effect::Empty);
            assert!(!is_told_empty || model.people.is_empty());
            let somebody_went = effects.iter().any(|e| matches!(e, Effect::Release { .. }));
            assert!(is_told_empty || !somebody_went || !model.people.is_empty());
        }
        let effects = take(&mut room, &Step::End);
        witness.watch(&effects);
        assert!(witness.inside.is_empty() && witness.waiting.is_empty(), "everybody is released");
        assert_eq!(effects.last(), Some(&Effect::Empty));
    }
}
