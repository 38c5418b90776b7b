//! The queue actor: one per queue that has somebody in it, on the control arbiter.
//!
//! [`Line`] decides; this shell tells the calls, keeps the [`Board`] that REST reads and tells the
//! directory of events. The agent's call opens the bridge, the caller's is led into it, and what both report decides
//! the offer; one that takes too long has failed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use time::OffsetDateTime;

use super::line::{Attempt, Departure, Effect, Full, Gone, Line};
use super::message::{
    Arrive, Clear, Close, Failed, GiveUpPlace, Guest, KeepPlace, Leave, Look, Met, Opened, Promise,
    QueueTold, Release, Remove, Rules, SetPriority, Settle, Wish,
};
use super::news::{EventTarget, QueueNews};
use super::snapshot::Board;
use crate::bridge::actor::BridgeActor;
use crate::directory::{DirectoryActor, QueueEmpty, QueueGone};
use crate::hook::BaseFields;
use crate::hook::payload::{QueueChange, QueueStatus};
use crate::model::{CallSid, Hook};
use crate::verb::{QueueEvent, Standing};

/// Names a queue in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QueueId(pub u64);

pub struct QueueActor {
    id: QueueId,
    /// Told along, since a call may hear from the queue before it has its address.
    address: Option<Addr<Self>>,
    board: Arc<Board>,
    directory: Addr<DirectoryActor>,
    line: Line,
    rules: Rules,
    callers: HashMap<CallSid, Guest>,
    agents: HashMap<CallSid, Guest>,
    /// Offers that stand, with their time limit.
    limits: HashMap<Attempt, SpawnHandle>,
    /// Callers kept for agents who are to come, with the end of that.
    promises: HashMap<CallSid, SpawnHandle>,
    /// Who is taken out right now over the API, for another application.
    redirect: Option<Hook>,
    /// Arrivals taken from the mailbox: the directory compares it with those it sent.
    arrivals: u64,
    was_used: bool,
    is_closed: bool,
}

/// For an agent's call to open the bridge, a beep included.
const TO_OPEN: Duration = Duration::from_secs(3);
/// For both to be in it.
const TO_MEET: Duration = Duration::from_secs(2);
/// For an agent to come to whom a caller was promised.
const TO_COME: Duration = Duration::from_secs(3);
/// Until the two of a failed offer are brought together again.
const FORGIVEN_AFTER: Duration = Duration::from_secs(1);

impl QueueActor {
    /// Starts the queue of that board on the arbiter of whoever calls.
    pub fn launch(
        id: QueueId,
        board: Arc<Board>,
        rules: Rules,
        directory: Addr<DirectoryActor>,
    ) -> Addr<Self> {
        Self {
            id,
            address: None,
            board,
            directory,
            line: Line::new(rules.max_length),
            rules,
            callers: HashMap::new(),
            agents: HashMap::new(),
            limits: HashMap::new(),
            promises: HashMap::new(),
            redirect: None,
            arrivals: 0,
            was_used: false,
            is_closed: false,
        }
        .start()
    }

    fn carry_out(&mut self, effects: Vec<Effect>, ctx: &mut Context<Self>) {
        for effect in effects {
            match effect {
                Effect::Joined { caller, place, length } => {
                    self.was_used = true;
                    let now = OffsetDateTime::now_utc();
                    self.board.put(place, caller, now);
                    let standing = self.standing(caller);
                    self.tell_caller(caller, QueueEvent::Joined(standing));
                    if let Some(guest) = self.callers.get(&caller) {
                        let (base, events) = (guest.base.clone(), guest.events.clone());
                        self.report(events, base, QueueChange::Join, length, now);
                    }
                }
                Effect::Moved { from, to, .. } => self.board.shift(from, to),
                Effect::Offer { agent, attempt, .. } => {
                    tracing::debug!(queue = self.board.name, %agent, "caller is reserved");
                    self.limit(attempt, TO_OPEN, ctx);
                    self.tell_agent(agent, QueueEvent::Offered, Some(attempt));
                }
                Effect::Withdrawn { agent, attempt } => {
                    self.unlimit(attempt, ctx);
                    self.tell_agent(agent, QueueEvent::Withdrawn, Some(attempt));
                }
                Effect::Back { caller } => self.tell_caller(caller, QueueEvent::Back),
                Effect::Bridged { caller, agent, attempt, place, length } => {
                    self.unlimit(attempt, ctx);
                    self.board.cut(place);
                    self.tell_agent(agent, QueueEvent::Settled, Some(attempt));
                    self.tell_caller(caller, QueueEvent::Settled);
                    let agent = self.agents.remove(&agent).map(|guest| guest.base);
                    if let Some(guest) = self.callers.remove(&caller) {
                        tracing::info!(call_sid = %caller, queue = self.board.name, "call is dequeued");
                        let change = QueueChange::Dequeued(agent);
                        let now = OffsetDateTime::now_utc();
                        self.report(guest.events, guest.base, change, length, now);
                    }
                }
                Effect::Left { caller, why, place, length } => {
                    self.board.cut(place);
                    self.on_left(caller, why, length);
                }
                Effect::Empty => {
                    let (queue, arrivals) = (self.id, self.arrivals);
                    let was_used = self.was_used;
                    let empty = QueueEmpty { queue, arrivals, was_used };
                    self.directory.do_send(empty);
                }
            }
        }
    }

    fn on_left(&mut self, caller: CallSid, why: Departure, length: usize) {
        let change = match why {
            Departure::HungUp | Departure::Replaced | Departure::Left => QueueChange::Abandoned,
            Departure::Removed => {
                let event = match self.redirect.take() {
                    Some(hook) => QueueEvent::Redirected(hook),
                    None => QueueEvent::Removed,
                };
                self.tell_caller(caller, event);
                QueueChange::Removed
            }
        };
        if let Some(guest) = self.callers.remove(&caller) {
            tracing::info!(call_sid = %caller, queue = self.board.name, ?why, "call has left the queue");
            self.report(guest.events, guest.base, change, length, OffsetDateTime::now_utc());
        }
    }

    fn report(
        &self,
        events: Option<Arc<EventTarget>>,
        base: Arc<BaseFields>,
        event: QueueChange,
        length: usize,
        at: OffsetDateTime,
    ) {
        let Some(target) = events else { return };
        let (account, queue) = (self.board.account, self.board.name.clone());
        let status = QueueStatus { base, queue, length, at, event };
        self.directory.do_send(QueueNews { account, target, status });
    }

    fn standing(&self, caller: CallSid) -> Standing {
        Standing {
            size: self.line.len(),
            position: self.line.position(caller).unwrap_or_default(),
            wait_hook: self.rules.wait_hook.clone(),
        }
    }

    fn tell(
        &self,
        guest: &Guest,
        event: QueueEvent,
        attempt: Option<Attempt>,
        bridge: Option<Addr<BridgeActor>>,
    ) {
        let (run, queue) = (guest.run, self.address.clone());
        guest.told.do_send(QueueTold { run, queue, event, attempt, bridge });
    }

    fn tell_caller(&self, caller: CallSid, event: QueueEvent) {
        if let Some(guest) = self.callers.get(&caller) {
            self.tell(guest, event, None, None);
        }
    }

    fn tell_agent(&self, agent: CallSid, event: QueueEvent, attempt: Option<Attempt>) {
        if let Some(guest) = self.agents.get(&agent) {
            self.tell(guest, event, attempt, None);
        }
    }

    fn limit(&mut self, attempt: Attempt, after: Duration, ctx: &mut Context<Self>) {
        let handle = ctx.run_later(after, move |this, ctx| {
            this.limits.remove(&attempt);
            tracing::warn!(queue = this.board.name, "caller and agent did not meet in time");
            this.fail(attempt, ctx);
        });
        if let Some(former) = self.limits.insert(attempt, handle) {
            ctx.cancel_future(former);
        }
    }

    fn unlimit(&mut self, attempt: Attempt, ctx: &mut Context<Self>) {
        if let Some(handle) = self.limits.remove(&attempt) {
            ctx.cancel_future(handle);
        }
    }

    fn fail(&mut self, attempt: Attempt, ctx: &mut Context<Self>) {
        let Some((caller, agent)) = self.line.partner(attempt) else { return };
        let mut effects = Vec::new();
        self.line.fail(attempt, &mut effects);
        self.carry_out(effects, ctx);
        self.let_go_of_ghost(caller, ctx);
        self.let_go_of_ghost(agent, ctx);
        ctx.run_later(FORGIVEN_AFTER, move |this, ctx| {
            let mut effects = Vec::new();
            this.line.forgive(agent, &mut effects);
            this.carry_out(effects, ctx);
        });
    }

    /// A call that failed before it knew where it was could not take its leave.
    fn let_go_of_ghost(&mut self, call: CallSid, ctx: &mut Context<Self>) {
        let guest = self.callers.get(&call).or_else(|| self.agents.get(&call));
        if guest.is_some_and(|guest| !guest.told.connected()) {
            tracing::warn!(call_sid = %call, queue = self.board.name, "call is gone");
            let why = Departure::HungUp;
            ctx.notify(Leave { call, run: None, why, base: None });
        }
    }

    /// The caller of an offer is to come into the agent's bridge.
    fn call_in(&mut self, attempt: Attempt, bridge: Addr<BridgeActor>, ctx: &mut Context<Self>) {
        // Void by now: the agent has been told, and leaves the bridge again.
        let Some((caller, _)) = self.line.partner(attempt) else { return };
        self.limit(attempt, TO_MEET, ctx);
        if let Some(guest) = self.callers.get(&caller) {
            self.tell(guest, QueueEvent::Called, Some(attempt), Some(bridge));
        }
    }

    fn change(
        &mut self,
        ctx: &mut Context<Self>,
        work: impl FnOnce(&mut Line, &mut Vec<Effect>) -> Result<(), Gone>,
    ) -> Result<(), Gone> {
        let mut effects = Vec::new();
        let done = work(&mut self.line, &mut effects);
        self.carry_out(effects, ctx);
        done
    }
}

impl Actor for QueueActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.address = Some(ctx.address());
    }
}

/// A queue that is dropped with calls in it (a panic, or shutdown) says so.
impl Drop for QueueActor {
    fn drop(&mut self) {
        if self.is_closed {
            return;
        }
        for guest in self.callers.values().chain(self.agents.values()) {
            self.tell(guest, QueueEvent::Lost, None, None);
        }
        self.directory.do_send(QueueGone(self.id));
    }
}

impl Handler<Arrive> for QueueActor {
    type Result = ();

    fn handle(&mut self, Arrive { guest, wish }: Arrive, ctx: &mut Context<Self>) {
        self.arrivals += 1;
        let call = guest.call;
        let mut effects = Vec::new();
        if self.callers.contains_key(&call) || self.agents.contains_key(&call) {
            // A visit that is over, and whose end is still on its way.
            self.line.leave(call, Departure::Replaced, &mut effects);
            // The next one begins at once.
            effects.retain(|effect| *effect != Effect::Empty);
            self.carry_out(std::mem::take(&mut effects), ctx);
            self.agents.remove(&call);
        }
        let (guests, taken) = match wish {
            Wish::Wait { priority } => {
                (&mut self.callers, self.line.join(call, priority, &mut effects))
            }
            Wish::Seek { caller } => (&mut self.agents, self.line.seek(call, caller, &mut effects)),
        };
        match taken {
            Ok(()) => _ = guests.insert(call, guest),
            Err(Full) => {
                tracing::info!(call_sid = %call, queue = self.board.name, "queue is full");
                self.tell(&guest, QueueEvent::Refused, None, None);
                if self.line.is_empty() {
                    effects.push(Effect::Empty);
                }
            }
        }
        self.carry_out(effects, ctx);
        self.let_go_of_ghost(call, ctx);
    }
}

impl Handler<KeepPlace> for QueueActor {
    type Result = ();

    fn handle(&mut self, KeepPlace { call, told }: KeepPlace, ctx: &mut Context<Self>) {
        self.arrivals += 1;
        let is_kept = self.line.keep_place(call).is_ok();
        if is_kept {
            ctx.notify_later(GiveUpPlace(call), TO_COME);
        } else if self.line.is_empty() {
            self.carry_out(vec![Effect::Empty], ctx);
        }
        // Whoever asked may have gone away: then the place is given up in time.
        let _ = told.send(is_kept);
    }
}

impl Handler<GiveUpPlace> for QueueActor {
    type Result = ();

    fn handle(&mut self, GiveUpPlace(call): GiveUpPlace, ctx: &mut Context<Self>) {
        let mut effects = Vec::new();
        self.line.give_up_place(call, &mut effects);
        self.carry_out(effects, ctx);
    }
}

impl Handler<Look> for QueueActor {
    type Result = ();

    fn handle(&mut self, Look { call, run }: Look, _: &mut Context<Self>) {
        if let Some(guest) = self.callers.get(&call).filter(|guest| guest.run == run) {
            self.tell(guest, QueueEvent::Standing(self.standing(call)), None, None);
        }
    }
}

impl Handler<Opened> for QueueActor {
    type Result = ();

    fn handle(&mut self, Opened { attempt, bridge }: Opened, ctx: &mut Context<Self>) {
        self.call_in(attempt, bridge, ctx);
    }
}

impl Handler<Met> for QueueActor {
    type Result = ();

    fn handle(&mut self, Met(attempt): Met, ctx: &mut Context<Self>) {
        let mut effects = Vec::new();
        // One that is void by now is known to be so to both.
        self.line.commit(attempt, &mut effects);
        self.carry_out(effects, ctx);
    }
}

impl Handler<Failed> for QueueActor {
    type Result = ();

    fn handle(&mut self, Failed(attempt): Failed, ctx: &mut Context<Self>) {
        self.fail(attempt, ctx);
    }
}

impl Handler<Leave> for QueueActor {
    type Result = ();

    fn handle(&mut self, Leave { call, run, why, base }: Leave, ctx: &mut Context<Self>) {
        let is_visit = |guest: &&mut Guest| run.is_none_or(|run| guest.run == run);
        let caller = self.callers.get_mut(&call).filter(is_visit);
        let Some(guest) = caller.or_else(|| self.agents.get_mut(&call).filter(is_visit)) else {
            return;
        };
        if let Some(base) = base {
            guest.base = base;
        }
        let mut effects = Vec::new();
        self.line.leave(call, why, &mut effects);
        self.agents.remove(&call);
        self.carry_out(effects, ctx);
    }
}

impl Handler<Remove> for QueueActor {
    type Result = Result<(), Gone>;

    fn handle(
        &mut self,
        Remove { call, call_hook }: Remove,
        ctx: &mut Context<Self>,
    ) -> Self::Result {
        self.redirect = call_hook;
        let removed = self.change(ctx, |line, out| line.take(call, out));
        self.redirect = None;
        removed
    }
}

impl Handler<SetPriority> for QueueActor {
    type Result = Result<(), Gone>;

    fn handle(&mut self, order: SetPriority, ctx: &mut Context<Self>) -> Self::Result {
        self.change(ctx, |line, out| line.set_priority(order.call, order.priority, out))
    }
}

impl Handler<Promise> for QueueActor {
    type Result = Result<(), Gone>;

    fn handle(
        &mut self,
        Promise { caller, agent }: Promise,
        ctx: &mut Context<Self>,
    ) -> Self::Result {
        self.line.promise(caller, agent)?;
        let timer = ctx.notify_later(Release { caller, agent }, TO_COME);
        // What is left of an earlier promise must not end this one.
        if let Some(former) = self.promises.insert(caller, timer) {
            ctx.cancel_future(former);
        }
        Ok(())
    }
}

impl Handler<Release> for QueueActor {
    type Result = ();

    fn handle(&mut self, Release { caller, agent }: Release, ctx: &mut Context<Self>) {
        if let Some(timer) = self.promises.remove(&caller) {
            ctx.cancel_future(timer);
        }
        let mut effects = Vec::new();
        self.line.release(caller, agent, &mut effects);
        self.carry_out(effects, ctx);
    }
}

impl Handler<Clear> for QueueActor {
    type Result = ();

    fn handle(&mut self, _: Clear, ctx: &mut Context<Self>) {
        let mut effects = Vec::new();
        self.line.clear(&mut effects);
        self.carry_out(effects, ctx);
    }
}

impl Handler<Settle> for QueueActor {
    type Result = ();

    fn handle(&mut self, Settle(rules): Settle, _: &mut Context<Self>) {
        let has_changed = rules.wait_hook != self.rules.wait_hook;
        self.line.set_max_length(rules.max_length);
        self.rules = rules;
        if has_changed {
            for (call, guest) in &self.callers {
                self.tell(guest, QueueEvent::HookChanged(self.standing(*call)), None, None);
            }
        }
    }
}

impl Handler<Close> for QueueActor {
    type Result = ();

    fn handle(&mut self, _: Close, ctx: &mut Context<Self>) {
        self.is_closed = true;
        ctx.stop();
    }
}
