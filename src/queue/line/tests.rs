//! Lines by example.

use super::*;

struct Lab {
    line: Line,
    out: Vec<Effect>,
}

impl Lab {
    fn new() -> Self {
        Self { line: Line::new(None), out: Vec::new() }
    }

    fn join(&mut self, priority: u32) -> CallSid {
        let caller = CallSid::random();
        self.line.join(caller, priority, &mut self.out).unwrap();
        caller
    }

    fn seek(&mut self, wants: Option<CallSid>) -> CallSid {
        let agent = CallSid::random();
        self.line.seek(agent, wants, &mut self.out).unwrap();
        agent
    }

    fn leave(&mut self, call: CallSid, why: Departure) {
        self.line.leave(call, why, &mut self.out);
    }

    fn out(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.out)
    }

    /// The offers of what happened since the last look.
    fn offers(&mut self) -> Vec<(CallSid, CallSid, Attempt)> {
        let offer = |effect: &Effect| match *effect {
            Effect::Offer { caller, agent, attempt } => Some((caller, agent, attempt)),
            _ => None,
        };
        self.out().iter().filter_map(offer).collect()
    }

    fn only_offer(&mut self) -> (CallSid, CallSid, Attempt) {
        match self.offers()[..] {
            [offer] => offer,
            ref others => panic!("not one offer: {others:?}"),
        }
    }
}

#[test]
fn the_lower_priority_is_first_and_among_equals_who_came_first() {
    let mut lab = Lab::new();
    let (late, urgent, early) = (lab.join(999), lab.join(0), lab.join(500));
    let last = lab.join(999);
    let places = [urgent, early, late, last].map(|caller| lab.line.position(caller));
    assert_eq!(places, [Some(0), Some(1), Some(2), Some(3)]);
    lab.out();
    for expected in [urgent, early, late, last] {
        let agent = lab.seek(None);
        let (caller, to, attempt) = lab.only_offer();
        assert_eq!((caller, to), (expected, agent));
        assert!(lab.line.commit(attempt, &mut lab.out));
    }
    assert_eq!(lab.out.last(), Some(&Effect::Empty));
    assert!(lab.line.is_empty());
}

#[test]
fn agents_are_served_in_the_order_they_came() {
    let mut lab = Lab::new();
    let (first, second) = (lab.seek(None), lab.seek(None));
    let one = lab.join(5);
    assert_eq!(lab.only_offer().1, first);
    let two = lab.join(5);
    let (caller, agent, _) = lab.only_offer();
    assert_eq!((caller, agent), (two, second));
    assert_eq!(lab.line.position(one), Some(0));
}

#[test]
fn a_failed_bridge_puts_the_caller_back_and_gives_the_agent_the_next() {
    let mut lab = Lab::new();
    let (first, second) = (lab.join(5), lab.join(5));
    let agent = lab.seek(None);
    let (_, _, attempt) = lab.only_offer();
    lab.line.fail(attempt, &mut lab.out);
    let out = lab.out();
    let next = Attempt(attempt.0 + 1);
    assert_eq!(
        out,
        [
            Effect::Withdrawn { agent, attempt },
            Effect::Back { caller: first },
            Effect::Offer { caller: second, agent, attempt: next },
        ]
    );
    assert_eq!(lab.line.position(first), Some(0));
    // Another agent gets him at once.
    lab.seek(None);
    assert_eq!(lab.only_offer().0, first);
    // What is void stays so.
    assert!(!lab.line.commit(attempt, &mut lab.out));
    lab.line.fail(attempt, &mut lab.out);
    assert_eq!(lab.out(), []);
}

#[test]
fn the_same_two_are_tried_again_once_that_is_forgiven() {
    let mut lab = Lab::new();
    let (caller, agent) = (lab.join(5), lab.seek(None));
    let (_, _, attempt) = lab.only_offer();
    lab.line.fail(attempt, &mut lab.out);
    assert_eq!(lab.offers(), []);
    lab.line.forgive(agent, &mut lab.out);
    assert_eq!(lab.only_offer().0, caller);
}

#[test]
fn an_agent_may_want_one_caller_out_of_turn_and_waits_for_him() {
    let mut lab = Lab::new();
    let (first, second) = (lab.join(5), lab.join(5));
    lab.seek(Some(second));
    assert_eq!(lab.only_offer().0, second);
    let wanted = CallSid::random();
    let agent = lab.seek(Some(wanted));
    assert_eq!(lab.offers(), []);
    lab.line.join(wanted, 999, &mut lab.out).unwrap();
    let (caller, to, _) = lab.only_offer();
    assert_eq!((caller, to), (wanted, agent));
    assert_eq!(lab.line.position(first), Some(0));
}

#[test]
fn who_hangs_up_while_being_bridged_frees_the_other() {
    let mut lab = Lab::new();
    let (first, second) = (lab.join(5), lab.join(5));
    let agent = lab.seek(None);
    let (_, _, attempt) = lab.only_offer();
    lab.leave(first, Departure::HungUp);
    let next = Attempt(attempt.0 + 1);
    let place = Place { priority: 5, arrival: 1 };
    assert_eq!(
        lab.out(),
        [
            Effect::Left { caller: first, why: Departure::HungUp, place, length: 1 },
            Effect::Withdrawn { agent, attempt },
            Effect::Offer { caller: second, agent, attempt: next },
        ]
    );
    lab.leave(agent, Departure::HungUp);
    assert_eq!(lab.out(), [Effect::Back { caller: second }]);
    lab.leave(second, Departure::Left);
    assert!(lab.out().contains(&Effect::Empty));
}

#[test]
fn who_is_taken_is_gone_for_everybody_else() {
    let mut lab = Lab::new();
    let caller = lab.join(5);
    let stranger = CallSid::random();
    assert_eq!(lab.line.take(stranger, &mut lab.out), Err(Gone));
    lab.seek(None);
    let (_, _, attempt) = lab.only_offer();
    assert_eq!(lab.line.take(caller, &mut lab.out), Err(Gone));
    assert_eq!(lab.line.set_priority(caller, 0, &mut lab.out), Err(Gone));
    assert_eq!(lab.line.promise(caller, stranger), Err(Gone));
    lab.line.fail(attempt, &mut lab.out);
    assert_eq!(lab.line.take(caller, &mut lab.out), Ok(()));
    assert_eq!(lab.line.take(caller, &mut lab.out), Err(Gone));
}

#[test]
fn a_promised_caller_is_kept_for_who_is_on_the_way() {
    let mut lab = Lab::new();
    let (caller, next) = (lab.join(5), lab.join(5));
    let coming = CallSid::random();
    lab.line.promise(caller, coming).unwrap();
    lab.out();
    lab.seek(None);
    assert_eq!(lab.only_offer().0, next);
    lab.line.seek(coming, Some(caller), &mut lab.out).unwrap();
    let (got, agent, _) = lab.only_offer();
    assert_eq!((got, agent), (caller, coming));

    let other = lab.join(5);
    lab.line.promise(other, coming).unwrap();
    let idle = lab.seek(None);
    assert_eq!(lab.offers(), []);
    lab.line.release(other, coming, &mut lab.out);
    let (got, agent, _) = lab.only_offer();
    assert_eq!((got, agent), (other, idle));
}

#[test]
fn another_priority_is_another_place() {
    let mut lab = Lab::new();
    let (first, second, third) = (lab.join(5), lab.join(5), lab.join(5));
    lab.line.set_priority(third, 4, &mut lab.out).unwrap();
    lab.line.set_priority(first, 6, &mut lab.out).unwrap();
    let places = [third, second, first].map(|caller| lab.line.position(caller));
    assert_eq!(places, [Some(0), Some(1), Some(2)]);
    lab.out();
    lab.seek(None);
    assert_eq!(lab.only_offer().0, third);
}

#[test]
fn a_full_line_takes_nobody_and_deleting_it_releases_all() {
    let mut lab = Lab::new();
    lab.line.set_max_length(Some(2));
    let (first, second) = (lab.join(5), lab.join(5));
    let late = CallSid::random();
    assert_eq!(lab.line.join(late, 0, &mut lab.out), Err(Full));
    let agent = lab.seek(None);
    lab.out();
    lab.line.clear(&mut lab.out);
    let left: Vec<_> = lab
        .out()
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::Left { caller, why: Departure::Removed, .. } => Some(caller),
            _ => None,
        })
        .collect();
    assert_eq!(left, [first, second]);
    // The agent waits on.
    assert!(!lab.line.is_empty());
    assert_eq!(lab.line.len(), 0);
    lab.line.join(late, 0, &mut lab.out).unwrap();
    let (caller, to, _) = lab.only_offer();
    assert_eq!((caller, to), (late, agent));
}

#[test]
fn who_comes_again_has_begun_anew() {
    let mut lab = Lab::new();
    let (first, second) = (lab.join(5), lab.join(5));
    lab.line.join(first, 5, &mut lab.out).unwrap();
    assert_eq!((lab.line.position(second), lab.line.position(first)), (Some(0), Some(1)));
    let agent = lab.seek(None);
    lab.line.seek(agent, Some(first), &mut lab.out).unwrap();
    assert_eq!(lab.offers().last().map(|offer| offer.0), Some(first));
    assert_eq!(lab.line.len(), 2);
}

#[test]
fn a_kept_place_is_one_until_the_call_comes_or_it_is_given_up() {
    let mut lab = Lab::new();
    lab.line.set_max_length(Some(2));
    let (first, second) = (CallSid::random(), CallSid::random());
    assert_eq!(lab.line.keep_place(first), Ok(()));
    assert_eq!(lab.line.keep_place(first), Ok(()), "it has one");
    assert_eq!(lab.line.keep_place(second), Ok(()));
    assert_eq!(lab.line.keep_place(CallSid::random()), Err(Full));
    assert_eq!(lab.line.join(CallSid::random(), 0, &mut lab.out), Err(Full));
    assert_eq!((lab.line.len(), lab.line.is_empty()), (0, false));
    assert_eq!(lab.line.join(first, 0, &mut lab.out), Ok(()));
    lab.line.give_up_place(first, &mut lab.out);
    assert_eq!(lab.line.len(), 1, "he has come");
    lab.line.give_up_place(second, &mut lab.out);
    assert_eq!(lab.line.join(CallSid::random(), 0, &mut lab.out), Ok(()));
    assert!(!lab.out().contains(&Effect::Empty));
}

#[test]
fn a_place_given_up_may_leave_nobody() {
    let mut lab = Lab::new();
    let caller = CallSid::random();
    lab.line.keep_place(caller).unwrap();
    lab.line.give_up_place(caller, &mut lab.out);
    lab.line.give_up_place(caller, &mut lab.out);
    assert_eq!(lab.out(), [Effect::Empty]);
}
