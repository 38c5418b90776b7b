//! Random stories of a line against a plain reference, which searches lists where the line keeps books.

use std::collections::HashMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

const STORIES: u64 = 10_000;
const STEPS: usize = 25;

/// What a caller is, as the reference has it: in no order.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Held {
    Free,
    Promised(CallSid),
    With(CallSid, Attempt),
}

#[derive(Default)]
struct Reference {
    callers: Vec<(CallSid, Place, Held)>,
    /// By arrival: who, whom they want, whom they avoid.
    agents: Vec<(CallSid, Option<CallSid>, Vec<CallSid>)>,
    arrivals: u64,
    attempts: u64,
}

impl Reference {
    fn caller(&self, call: CallSid) -> Option<&(CallSid, Place, Held)> {
        self.callers.iter().find(|(caller, ..)| *caller == call)
    }

    fn has(&mut self, call: CallSid, held: Held) {
        if let Some(found) = self.callers.iter_mut().find(|(caller, ..)| *caller == call) {
            found.2 = held;
        }
    }

    fn is_free(&self, call: CallSid) -> bool {
        self.caller(call).is_some_and(|(_, _, held)| *held == Held::Free)
    }

    fn is_busy(&self, agent: CallSid) -> bool {
        self.callers
            .iter()
            .any(|(_, _, held)| matches!(held, Held::With(with, _) if *with == agent))
    }

    /// Frees whoever is with the agent, and forgets the agent.
    fn drop_agent(&mut self, agent: CallSid) {
        let had = self.agents.iter().any(|(call, ..)| *call == agent);
        if had {
            for (_, _, held) in &mut self.callers {
                if matches!(held, Held::With(with, _) if *with == agent) {
                    *held = Held::Free;
                }
            }
        }
        self.agents.retain(|(call, ..)| *call != agent);
    }

    fn drop_caller(&mut self, caller: CallSid) {
        self.callers.retain(|(call, ..)| *call != caller);
    }

    fn head(&self, suits: impl Fn(CallSid) -> bool) -> Option<CallSid> {
        let free =
            self.callers.iter().filter(|(call, _, held)| *held == Held::Free && suits(*call));
        free.min_by_key(|(_, place, _)| *place).map(|(call, ..)| *call)
    }

    /// The offers that are due, in order.
    fn serve(&mut self) -> Vec<(CallSid, CallSid, Attempt)> {
        let mut offers = Vec::new();
        for (agent, wants, avoids) in self.agents.clone() {
            if self.is_busy(agent) {
                continue;
            }
            let suits = |call: CallSid| {
                !avoids.contains(&call) && wants.is_none_or(|wanted| wanted == call)
            };
            if let Some(caller) = self.head(suits) {
                offers.push(self.offer(caller, agent));
            }
        }
        offers
    }

    fn offer(&mut self, caller: CallSid, agent: CallSid) -> (CallSid, CallSid, Attempt) {
        self.attempts += 1;
        let attempt = Attempt(self.attempts);
        self.has(caller, Held::With(agent, attempt));
        (caller, agent, attempt)
    }
}

struct Story {
    line: Line,
    reference: Reference,
    rng: StdRng,
    people: Vec<CallSid>,
    /// Stays that began and have not ended, by caller.
    stays: HashMap<CallSid, u32>,
    /// Offers that stand.
    offers: Vec<(CallSid, CallSid, Attempt)>,
}

impl Story {
    fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let people = (0..rng.random_range(2..10)).map(|_| CallSid::random()).collect();
        Self {
            line: Line::new(None),
            reference: Reference::default(),
            rng,
            people,
            stays: HashMap::new(),
            offers: Vec::new(),
        }
    }

    fn anybody(&mut self) -> CallSid {
        self.people[self.rng.random_range(0..self.people.len())]
    }

    fn step(&mut self) {
        let (one, other) = (self.anybody(), self.anybody());
        let mut out = Vec::new();
        let mut expected = Vec::new();
        match self.rng.random_range(0..12) {
            0..3 => {
                let priority = self.rng.random_range(0..3);
                self.line.join(one, priority, &mut out).unwrap();
                self.reference.drop_caller(one);
                self.reference.arrivals += 1;
                let place = Place { priority, arrival: self.reference.arrivals };
                self.reference.callers.push((one, place, Held::Free));
            }
            3..5 => {
                let wants = self.rng.random_bool(0.3).then_some(other);
                self.line.seek(one, wants, &mut out).unwrap();
                self.reference.drop_agent(one);
                self.reference.arrivals += 1;
                self.reference.agents.push((one, wants, Vec::new()));
                if let Some(wanted) = wants
                    && self.reference.caller(wanted).is_some_and(|c| c.2 == Held::Promised(one))
                {
                    expected.push(self.reference.offer(wanted, one));
                }
            }
            5 => {
                let why = [Departure::HungUp, Departure::Left, Departure::Replaced];
                self.line.leave(one, why[self.rng.random_range(0..3)], &mut out);
                self.reference.drop_caller(one);
                self.reference.drop_agent(one);
            }
            6 => {
                let is_free = self.reference.is_free(one);
                assert_eq!(self.line.take(one, &mut out).is_ok(), is_free);
                if is_free {
                    self.reference.drop_caller(one);
                }
            }
            7 => {
                let priority = self.rng.random_range(0..3);
                let is_free = self.reference.is_free(one);
                assert_eq!(self.line.set_priority(one, priority, &mut out).is_ok(), is_free);
                if let Some(found) =
                    self.reference.callers.iter_mut().find(|(call, ..)| is_free && *call == one)
                {
                    found.1.priority = priority;
                }
            }
            8 => {
                let is_free = self.reference.is_free(one);
                assert_eq!(self.line.promise(one, other).is_ok(), is_free);
                if is_free {
                    self.reference.has(one, Held::Promised(other));
                }
                let is_over = self.rng.random_bool(0.5);
                if is_over {
                    self.line.release(one, other, &mut out);
                    if self.reference.caller(one).is_some_and(|c| c.2 == Held::Promised(other)) {
                        self.reference.has(one, Held::Free);
                    }
                }
            }
            9 => {
                self.line.forgive(one, &mut out);
                let mut agents = self.reference.agents.iter_mut();
                if let Some((_, _, avoids)) = agents.find(|(call, ..)| *call == one) {
                    avoids.clear();
                }
            }
            10 if self.rng.random_bool(0.05) => {
                self.line.clear(&mut out);
                self.reference.callers.clear();
            }
            _ => self.end_an_offer(&mut out),
        }
        expected.extend(self.reference.serve());
        self.check(&out, &expected);
    }

    /// One that stands or an old one, which changes nothing.
    fn end_an_offer(&mut self, out: &mut Vec<Effect>) {
        let attempt = Attempt(self.rng.random_range(0..=self.reference.attempts));
        let stands = self.reference.callers.iter().find_map(|(call, _, held)| match held {
            Held::With(agent, of) if *of == attempt => Some((*call, *agent)),
            _ => None,
        });
        if self.rng.random_bool(0.7) {
            assert_eq!(self.line.commit(attempt, out), stands.is_some());
            if let Some((caller, agent)) = stands {
                self.reference.drop_caller(caller);
                self.reference.drop_agent(agent);
            }
        } else {
            self.line.fail(attempt, out);
            if let Some((caller, agent)) = stands {
                self.reference.has(caller, Held::Free);
                let mut agents = self.reference.agents.iter_mut();
                if let Some((_, _, avoids)) = agents.find(|(call, ..)| *call == agent) {
                    if avoids.len() == MAX_AVOIDED {
                        avoids.remove(0);
                    }
                    avoids.push(caller);
                }
            }
        }
    }

    fn check(&mut self, out: &[Effect], expected: &[(CallSid, CallSid, Attempt)]) {
        let mut offers = Vec::new();
        for effect in out {
            match *effect {
                Effect::Joined { caller, .. } => {
                    let before = self.stays.insert(caller, 0);
                    assert_eq!(before, None, "twice in the line");
                }
                Effect::Left { caller, .. } => {
                    assert!(self.stays.remove(&caller).is_some(), "left and was not in");
                    self.offers.retain(|(of, ..)| *of != caller);
                }
                Effect::Offer { caller, agent, attempt } => {
                    let taken = self.offers.iter().any(|(c, a, _)| *c == caller || *a == agent);
                    assert!(!taken, "one caller, one agent");
                    assert!(self.stays.contains_key(&caller), "offered and not in");
                    self.offers.push((caller, agent, attempt));
                    offers.push((caller, agent, attempt));
                }
                Effect::Withdrawn { attempt, .. } => self.offers.retain(|(.., of)| *of != attempt),
                Effect::Back { caller } => self.offers.retain(|(of, ..)| *of != caller),
                Effect::Bridged { caller, attempt, .. } => {
                    let known = self.offers.iter().any(|(c, _, a)| (*c, *a) == (caller, attempt));
                    assert!(known, "bridged without an offer");
                    assert!(self.stays.remove(&caller).is_some(), "bridged twice");
                    self.offers.retain(|(.., of)| *of != attempt);
                }
                Effect::Moved { .. } => {}
                Effect::Empty => {
                    assert!(self.stays.is_empty(), "empty, and somebody is lost");
                }
            }
        }
        assert_eq!(offers, expected, "who is whose");
        // Nobody is lost, and all stand where they should.
        let mut order = self.reference.callers.clone();
        order.sort_by_key(|(_, place, _)| *place);
        assert_eq!(self.line.len(), order.len());
        assert_eq!(self.stays.len(), order.len());
        for (position, (caller, place, held)) in order.iter().enumerate() {
            assert_eq!(self.line.position(*caller), Some(position));
            assert_eq!(self.line.callers[caller].place, *place);
            let is_offered = self.offers.iter().any(|(of, ..)| of == caller);
            assert_eq!(matches!(held, Held::With(..)), is_offered);
        }
        let mut free: Vec<_> = order.iter().filter(|(.., held)| *held == Held::Free).collect();
        free.sort_by_key(|(_, place, _)| *place);
        assert!(self.line.free.values().eq(free.iter().map(|(call, ..)| call)));
        assert_eq!(self.line.offers.len(), self.offers.len());
        assert_eq!(self.line.agents.len(), self.reference.agents.len());
        assert_eq!(self.line.idle.len() + self.offers.len(), self.line.agents.len());
    }
}

#[test]
fn random_stories_are_as_the_reference_tells_them() {
    for seed in 0..STORIES {
        let mut story = Story::new(seed);
        for _ in 0..STEPS {
            story.step();
        }
    }
}
