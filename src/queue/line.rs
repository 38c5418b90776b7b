//! The core of one queue: who waits in which order, and who is whose (contract verbs.md §3.6,
//! rest.md §3.5).
//!
//! Two phases: an agent and a caller are reserved for each other ([`Effect::Offer`]), their calls are
//! bridged, and only then the caller leaves the line ([`Line::commit`]). When the bridge fails the caller
//! is where he was before, and the agent is given the next one. Whatever ends a stay, ends it once: who
//! comes second finds the caller [`Gone`].

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use crate::model::CallSid;

#[derive(Debug, Default)]
pub struct Line {
    max_length: Option<usize>,
    callers: HashMap<CallSid, Caller>,
    /// All callers, head first.
    order: VecDeque<(Place, CallSid)>,
    /// Those that nobody has reserved, head first.
    free: BTreeMap<Place, CallSid>,
    /// By arrival.
    agents: BTreeMap<u64, Agent>,
    /// Agents without an offer, by arrival.
    idle: BTreeSet<u64>,
    agent_arrivals: HashMap<CallSid, u64>,
    /// Calls that are on their way here and have their place, wherever that will be.
    kept: BTreeSet<CallSid>,
    /// Offers that stand, and the agents who have them.
    offers: HashMap<Attempt, u64>,
    arrivals: u64,
    attempts: u64,
}

/// Where a caller stands: the lower priority first, then who came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    pub priority: u32,
    pub arrival: u64,
}

/// One try to bring a caller and an agent together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Attempt(pub u64);

#[derive(Debug)]
struct Caller {
    place: Place,
    hold: Option<Hold>,
}

/// Why a caller is not free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    /// For an agent who is on the way.
    Promised(CallSid),
    /// To the agent that arrived then.
    Offered(u64),
}

#[derive(Debug)]
struct Agent {
    call: CallSid,
    /// This caller and no other, out of turn.
    wants: Option<CallSid>,
    offer: Option<(Attempt, CallSid)>,
    /// Callers it could not be bridged with, until [`Line::forgive`].
    avoids: Vec<CallSid>,
}

/// How a caller's stay ends, but for the bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// The call is over.
    HungUp,
    /// The application is another one now.
    Replaced,
    /// The wait hook said `leave`.
    Left,
    /// Over the API.
    Removed,
}

/// What follows, in the order in which it happened. Lengths are those after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Joined {
        caller: CallSid,
        place: Place,
        length: usize,
    },
    /// The caller stands elsewhere.
    Moved {
        caller: CallSid,
        from: Place,
        to: Place,
    },
    /// They are reserved for each other: [`Line::commit`] or [`Line::fail`] ends that.
    Offer {
        caller: CallSid,
        agent: CallSid,
        attempt: Attempt,
    },
    /// The offer is void; the agent waits for the next.
    Withdrawn {
        agent: CallSid,
        attempt: Attempt,
    },
    /// The caller waits on, in the old place.
    Back {
        caller: CallSid,
    },
    /// Both are bridged, and out of the line.
    Bridged {
        caller: CallSid,
        agent: CallSid,
        attempt: Attempt,
        place: Place,
        length: usize,
    },
    Left {
        caller: CallSid,
        why: Departure,
        place: Place,
        length: usize,
    },
    /// Nobody is here any more, caller or agent.
    Empty,
}

/// The line is as long as it may get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The caller is not here, or somebody has taken him.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

impl Line {
    pub fn new(max_length: Option<usize>) -> Self {
        Self { max_length, ..Self::default() }
    }

    /// For callers to come; those who are in stay. `None`: as long as the server bears.
    pub fn set_max_length(&mut self, max_length: Option<usize>) {
        self.max_length = max_length;
    }

    /// Callers waiting, those included who are being bridged.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether nobody is here, caller or agent, or about to be.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty() && self.agents.is_empty() && self.kept.is_empty()
    }

    /// 0 is the next.
    pub fn position(&self, caller: CallSid) -> Option<usize> {
        let place = self.callers.get(&caller)?.place;
        self.order.binary_search_by_key(&place, |(place, _)| *place).ok()
    }

    /// Whom an agent is being bridged with.
    pub fn partner(&self, attempt: Attempt) -> Option<(CallSid, CallSid)> {
        let agent = self.agents.get(self.offers.get(&attempt)?)?;
        agent.offer.map(|(_, caller)| (caller, agent.call))
    }

    /// A caller comes. One who is here already has begun anew.
    ///
    /// # Errors
    /// [`Full`]: there is no room.
    pub fn join(
        &mut self,
        caller: CallSid,
        priority: u32,
        out: &mut Vec<Effect>,
    ) -> Result<(), Full> {
        self.remove(caller, Departure::Replaced, out);
        self.kept.remove(&caller);
        if self.is_full() {
            self.serve(out);
            return Err(Full);
        }
        self.arrivals += 1;
        let place = Place { priority, arrival: self.arrivals };
        self.callers.insert(caller, Caller { place, hold: None });
        self.insert(place, caller);
        self.free.insert(place, caller);
        out.push(Effect::Joined { caller, place, length: self.order.len() });
        self.serve(out);
        Ok(())
    }

    /// Keeps a place for a call that will [join](Self::join).
    ///
    /// # Errors
    /// [`Full`]: there is no room.
    pub fn keep_place(&mut self, caller: CallSid) -> Result<(), Full> {
        if self.kept.contains(&caller) || !self.is_full() {
            self.kept.insert(caller);
            return Ok(());
        }
        Err(Full)
    }

    /// The call for which a place was kept does not come.
    pub fn give_up_place(&mut self, caller: CallSid, out: &mut Vec<Effect>) {
        if self.kept.remove(&caller) {
            self.settle(out);
        }
    }

    fn is_full(&self) -> bool {
        let bound = self.max_length.map_or(MAX_CALLERS, |max| max.min(MAX_CALLERS));
        self.order.len() + self.kept.len() >= bound
    }

    /// An agent comes for the next caller, or for one of whom it has been told. One who is here
    /// already has begun anew.
    ///
    /// # Errors
    /// [`Full`]: too many wait here.
    pub fn seek(
        &mut self,
        agent: CallSid,
        wants: Option<CallSid>,
        out: &mut Vec<Effect>,
    ) -> Result<(), Full> {
        self.dismiss(agent, out);
        if self.agents.len() >= MAX_AGENTS {
            self.serve(out);
            return Err(Full);
        }
        self.arrivals += 1;
        let arrival = self.arrivals;
        self.agents.insert(arrival, Agent { call: agent, wants, offer: None, avoids: Vec::new() });
        self.agent_arrivals.insert(agent, arrival);
        self.idle.insert(arrival);
        if let Some(caller) = wants
            && self.callers.get(&caller).is_some_and(|c| c.hold == Some(Hold::Promised(agent)))
        {
            self.offer(caller, arrival, out);
        }
        self.serve(out);
        Ok(())
    }

    /// A call goes by itself, caller or agent.
    pub fn leave(&mut self, call: CallSid, why: Departure, out: &mut Vec<Effect>) {
        let was_here = self.remove(call, why, out) | self.dismiss(call, out);
        if was_here {
            self.settle(out);
        }
    }

    /// Somebody else takes a caller out.
    ///
    /// # Errors
    /// [`Gone`]: another was first.
    pub fn take(&mut self, caller: CallSid, out: &mut Vec<Effect>) -> Result<(), Gone> {
        self.expect_free(caller)?;
        self.remove(caller, Departure::Removed, out);
        self.settle(out);
        Ok(())
    }

    /// All callers out, also those who are being bridged.
    pub fn clear(&mut self, out: &mut Vec<Effect>) {
        let all: Vec<_> = self.order.iter().map(|(_, caller)| *caller).collect();
        for caller in &all {
            self.remove(*caller, Departure::Removed, out);
        }
        if !all.is_empty() {
            self.settle(out);
        }
    }

    /// Another priority: behind those who have it and came before.
    ///
    /// # Errors
    /// [`Gone`]: somebody has taken the caller.
    pub fn set_priority(
        &mut self,
        caller: CallSid,
        priority: u32,
        out: &mut Vec<Effect>,
    ) -> Result<(), Gone> {
        self.expect_free(caller)?;
        let Some(found) = self.callers.get_mut(&caller) else { return Err(Gone) };
        let from = found.place;
        let to = Place { priority, ..from };
        found.place = to;
        self.cut(from);
        self.free.remove(&from);
        self.insert(to, caller);
        self.free.insert(to, caller);
        out.push(Effect::Moved { caller, from, to });
        self.serve(out);
        Ok(())
    }

    /// Keeps a caller for an agent who will [seek](Self::seek) him.
    ///
    /// # Errors
    /// [`Gone`]: somebody has taken the caller.
    pub fn promise(&mut self, caller: CallSid, agent: CallSid) -> Result<(), Gone> {
        self.expect_free(caller)?;
        if let Some(found) = self.callers.get_mut(&caller) {
            found.hold = Some(Hold::Promised(agent));
            self.free.remove(&found.place);
        }
        Ok(())
    }

    /// The agent whom a caller was promised does not come.
    pub fn release(&mut self, caller: CallSid, agent: CallSid, out: &mut Vec<Effect>) {
        let Some(found) = self.callers.get_mut(&caller) else { return };
        if found.hold == Some(Hold::Promised(agent)) {
            found.hold = None;
            self.free.insert(found.place, caller);
            self.serve(out);
        }
    }

    /// The two of an offer are bridged. False: the offer is void.
    pub fn commit(&mut self, attempt: Attempt, out: &mut Vec<Effect>) -> bool {
        let Some((caller, agent)) = self.partner(attempt) else { return false };
        let Some(found) = self.callers.remove(&caller) else { return false };
        let place = found.place;
        self.cut(place);
        self.forget_agent(agent);
        let length = self.order.len();
        out.push(Effect::Bridged { caller, agent, attempt, place, length });
        self.settle(out);
        true
    }

    /// The two of an offer could not be bridged.
    pub fn fail(&mut self, attempt: Attempt, out: &mut Vec<Effect>) {
        let Some((caller, agent)) = self.partner(attempt) else { return };
        if let Some(found) = self.agent_mut(agent) {
            if found.avoids.len() == MAX_AVOIDED {
                found.avoids.remove(0);
            }
            found.avoids.push(caller);
        }
        self.withdraw(agent, out);
        self.give_back(caller, out);
        self.serve(out);
    }

    /// The agent may be brought together again with those it could not be bridged with.
    pub fn forgive(&mut self, agent: CallSid, out: &mut Vec<Effect>) {
        if let Some(agent) = self.agent_mut(agent) {
            agent.avoids.clear();
            self.serve(out);
        }
    }

    /// Offers callers to agents as long as there are some of both.
    fn serve(&mut self, out: &mut Vec<Effect>) {
        let mut after = 0;
        while let Some(arrival) = self.idle.range(after..).next().copied() {
            if self.free.is_empty() {
                return;
            }
            after = arrival + 1;
            if let Some(caller) = self.choice(arrival) {
                self.offer(caller, arrival, out);
            }
        }
    }

    /// Whom the agent is to have.
    fn choice(&self, arrival: u64) -> Option<CallSid> {
        let agent = self.agents.get(&arrival)?;
        let suits = |caller: &&CallSid| !agent.avoids.contains(caller);
        match &agent.wants {
            Some(caller) => self.expect_free(*caller).ok().and(Some(caller)).filter(suits).copied(),
            None => self.free.values().find(suits).copied(),
        }
    }

    fn offer(&mut self, caller: CallSid, arrival: u64, out: &mut Vec<Effect>) {
        let Some(agent) = self.agents.get_mut(&arrival) else { return };
        let Some(found) = self.callers.get_mut(&caller) else { return };
        self.attempts += 1;
        let attempt = Attempt(self.attempts);
        agent.offer = Some((attempt, caller));
        found.hold = Some(Hold::Offered(arrival));
        self.offers.insert(attempt, arrival);
        self.free.remove(&found.place);
        self.idle.remove(&arrival);
        out.push(Effect::Offer { caller, agent: agent.call, attempt });
    }

    /// The agent's offer is void.
    fn withdraw(&mut self, agent: CallSid, out: &mut Vec<Effect>) {
        let Some(&arrival) = self.agent_arrivals.get(&agent) else { return };
        let Some(found) = self.agents.get_mut(&arrival) else { return };
        if let Some((attempt, _)) = found.offer.take() {
            self.offers.remove(&attempt);
            self.idle.insert(arrival);
            out.push(Effect::Withdrawn { agent, attempt });
        }
    }

    /// The caller is free again.
    fn give_back(&mut self, caller: CallSid, out: &mut Vec<Effect>) {
        if let Some(found) = self.callers.get_mut(&caller) {
            found.hold = None;
            self.free.insert(found.place, caller);
            out.push(Effect::Back { caller });
        }
    }

    /// A caller out of the line, whatever holds him.
    fn remove(&mut self, caller: CallSid, why: Departure, out: &mut Vec<Effect>) -> bool {
        let Some(Caller { place, hold }) = self.callers.remove(&caller) else { return false };
        self.cut(place);
        self.free.remove(&place);
        out.push(Effect::Left { caller, why, place, length: self.order.len() });
        if let Some(Hold::Offered(agent)) = hold
            && let Some(agent) = self.agents.get(&agent).map(|agent| agent.call)
        {
            self.withdraw(agent, out);
        }
        true
    }

    /// An agent out of the room; whom it was offered waits on.
    fn dismiss(&mut self, agent: CallSid, out: &mut Vec<Effect>) -> bool {
        let Some(found) = self.forget_agent(agent) else { return false };
        if let Some((_, caller)) = found.offer {
            self.give_back(caller, out);
        }
        true
    }

    fn forget_agent(&mut self, agent: CallSid) -> Option<Agent> {
        let arrival = self.agent_arrivals.remove(&agent)?;
        self.idle.remove(&arrival);
        let agent = self.agents.remove(&arrival)?;
        if let Some((attempt, _)) = agent.offer {
            self.offers.remove(&attempt);
        }
        Some(agent)
    }

    fn agent_mut(&mut self, agent: CallSid) -> Option<&mut Agent> {
        self.agents.get_mut(self.agent_arrivals.get(&agent)?)
    }

    fn expect_free(&self, caller: CallSid) -> Result<(), Gone> {
        let is_free = self.callers.get(&caller).is_some_and(|found| found.hold.is_none());
        if is_free { Ok(()) } else { Err(Gone) }
    }

    /// After somebody went: others may be served, or nobody is left.
    fn settle(&mut self, out: &mut Vec<Effect>) {
        self.serve(out);
        if self.is_empty() {
            out.push(Effect::Empty);
        }
    }

    fn insert(&mut self, place: Place, caller: CallSid) {
        let at = self.order.partition_point(|(other, _)| *other < place);
        self.order.insert(at, (place, caller));
    }

    fn cut(&mut self, place: Place) {
        if let Ok(at) = self.order.binary_search_by_key(&place, |(place, _)| *place) {
            self.order.remove(at);
        }
    }
}

/// A tenant must not fill our memory.
const MAX_CALLERS: usize = 10_000;
const MAX_AGENTS: usize = 10_000;
/// Callers an agent could not be bridged with that are remembered.
const MAX_AVOIDED: usize = 16;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
