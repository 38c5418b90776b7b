//! The call's visits to queues, as a caller or as an agent: from the wish to enter to the last word.

use std::sync::Arc;

use actix::prelude::*;
use time::OffsetDateTime;
use tokio::sync::oneshot;

use super::CallActor;
use crate::bridge::actor::BridgeActor;
use crate::call::{Assignment, Input, QueueErrand, UpdateError};
use crate::directory::EnterQueue;
use crate::hook::BaseFields;
use crate::queue::actor::QueueActor;
use crate::queue::line::{Attempt, Departure};
use crate::queue::message::{Arrive, Failed, Guest, Leave, Look, Met, Opened, QueueTold, Wish};
use crate::queue::news::EventTarget;
use crate::verb::{Outcome, QueueEvent, QueueOrder, RunId};

/// What this call has to do with queues.
#[derive(Default)]
pub(super) struct Queueing {
    visit: Option<Visit>,
    /// The API waits to hear that the call has its place.
    placed: Option<oneshot::Sender<bool>>,
}

/// A visit, wished for or going on.
struct Visit {
    run: RunId,
    queue: Option<Addr<QueueActor>>,
    /// The call left before it knew the queue's address.
    left: Option<(Departure, Arc<BaseFields>)>,
    /// The last offer.
    attempt: Option<Attempt>,
    /// Where the caller is called to.
    bridge: Option<Addr<BridgeActor>>,
}

impl Queueing {
    /// Whether a queue that is being entered has to hear that this call is gone.
    pub(super) fn is_entering(&self) -> bool {
        self.visit.is_some()
    }
}

impl CallActor {
    pub(super) fn run_queue_errand(&mut self, errand: QueueErrand, ctx: &mut Context<Self>) {
        let QueueErrand { run, order, base, events } = errand;
        let base = Arc::new(base);
        match order {
            QueueOrder::Wait { name, priority } => {
                let guest = self.guest(run, base, events, ctx);
                self.enter_queue(name, Arrive { guest, wish: Wish::Wait { priority } }, ctx);
            }
            QueueOrder::Seek { name, caller } => {
                let guest = self.guest(run, base, events, ctx);
                self.enter_queue(name, Arrive { guest, wish: Wish::Seek { caller } }, ctx);
            }
            QueueOrder::Look => {
                let call = self.sid;
                self.tell_queue(run, |_| Some(Look { call, run }));
            }
            QueueOrder::Open { bridge } => {
                // Without one it has failed, as the verb hears.
                if let Some(bridge) = self.open_bridge(bridge, ctx) {
                    self.tell_queue(run, |visit| Some(Opened { attempt: visit.attempt?, bridge }));
                }
            }
            QueueOrder::Follow { bridge } => {
                let visit = self.queueing.visit.as_mut().filter(|visit| visit.run == run);
                if let Some(opened) = visit.and_then(|visit| visit.bridge.take()) {
                    self.enter_bridge(bridge, opened, ctx);
                }
            }
            QueueOrder::Met => self.tell_queue(run, |visit| visit.attempt.map(Met)),
            QueueOrder::Failed => self.tell_queue(run, |visit| visit.attempt.map(Failed)),
            QueueOrder::Leave(outcome) => self.leave_queue(run, departure(outcome), base),
        }
    }

    fn guest(
        &self,
        run: RunId,
        base: Arc<BaseFields>,
        events: Option<Arc<EventTarget>>,
        ctx: &Context<Self>,
    ) -> Guest {
        Guest { call: self.sid, run, base, told: ctx.address().recipient(), events }
    }

    fn enter_queue(&mut self, name: String, arrival: Arrive, ctx: &mut Context<Self>) {
        let run = arrival.guest.run;
        tracing::info!(call_sid = %self.sid, queue = name, wish = ?arrival.wish, "call comes to a queue");
        let (queue, left, attempt, bridge) = (None, None, None, None);
        self.queueing.visit = Some(Visit { run, queue, left, attempt, bridge });
        let account = self.state.base_fields().facts.account_sid;
        let asked = self.desk.directory.send(EnterQueue { account, name, arrival });
        ctx.spawn(asked.into_actor(self).map(move |found, this, ctx| {
            match found.ok().flatten() {
                Some(queue) => this.queue_found(run, queue),
                // The server stops.
                None => this.queueing.visit = None,
            }
            this.stop_if_done(ctx);
        }));
    }

    fn queue_found(&mut self, run: RunId, queue: Addr<QueueActor>) {
        let (call, run_left) = (self.sid, Some(run));
        match &mut self.queueing.visit {
            Some(visit) if visit.run == run && visit.left.is_none() => {
                visit.queue = Some(queue.clone());
                self.guard.queue = Some(queue);
            }
            // Gone in the meantime: the queue learns it right after it learned of the arrival.
            Some(visit) if visit.run == run => {
                self.queueing.placed = None;
                if let Some((why, base)) = visit.left.take() {
                    queue.do_send(Leave { call, run: run_left, why, base: Some(base) });
                }
                self.queueing.visit = None;
            }
            // One that the queue itself has ended is not there any more, and this ends nothing.
            _ => {
                let why = Departure::Replaced;
                queue.do_send(Leave { call, run: run_left, why, base: None });
            }
        }
    }

    fn leave_queue(&mut self, run: RunId, why: Departure, base: Arc<BaseFields>) {
        // Over before the call had its place: nobody is to wait for that.
        self.queueing.placed = None;
        let Some(visit) = self.queueing.visit.as_mut().filter(|visit| visit.run == run) else {
            return;
        };
        match visit.queue.take() {
            Some(queue) => {
                let (call, run) = (self.sid, Some(run));
                queue.do_send(Leave { call, run, why, base: Some(base) });
                self.queueing.visit = None;
                self.guard.queue = None;
            }
            None => visit.left = Some((why, base)),
        }
    }

    fn tell_queue<M>(&self, run: RunId, message: impl FnOnce(&Visit) -> Option<M>)
    where
        M: Message<Result = ()> + Send + 'static,
        QueueActor: Handler<M>,
    {
        let Some(visit) = self.queueing.visit.as_ref().filter(|visit| visit.run == run) else {
            return;
        };
        if let Some((queue, message)) = visit.queue.as_ref().zip(message(visit)) {
            queue.do_send(message);
        }
    }

    /// The stay is over, as the queue itself says.
    fn is_over(event: &QueueEvent) -> bool {
        matches!(
            event,
            QueueEvent::Refused
                | QueueEvent::Removed
                | QueueEvent::Redirected(_)
                | QueueEvent::Settled
                | QueueEvent::Lost
        )
    }
}

fn departure(outcome: Outcome) -> Departure {
    match outcome {
        Outcome::HungUp => Departure::HungUp,
        Outcome::Replaced => Departure::Replaced,
        Outcome::Left | Outcome::Done => Departure::Left,
    }
}

impl Handler<QueueTold> for CallActor {
    type Result = ();

    fn handle(&mut self, told: QueueTold, ctx: &mut Context<Self>) {
        let QueueTold { run, queue, event, attempt, bridge } = told;
        let Some(visit) = self.queueing.visit.as_mut().filter(|visit| visit.run == run) else {
            return;
        };
        // The directory's answer may be later than the first word of the queue.
        if visit.queue.is_none() && visit.left.is_none() {
            visit.queue.clone_from(&queue);
            self.guard.queue = queue;
        }
        if matches!(event, QueueEvent::Offered | QueueEvent::Called) {
            (visit.attempt, visit.bridge) = (attempt, bridge);
        }
        if Self::is_over(&event) {
            self.queueing.visit = None;
            self.guard.queue = None;
        }
        if let QueueEvent::Joined(_) | QueueEvent::Refused = event
            && let Some(placed) = self.queueing.placed.take()
        {
            // The client may have gone away.
            let _ = placed.send(matches!(event, QueueEvent::Joined(_)));
        }
        self.input(Input::Queue { id: run, event }, ctx);
        self.stop_if_done(ctx);
    }
}

/// Have the call wait in a queue, or take a caller out of one, instead of its application. What is
/// given hears whether the call has its place in the line; of an agent's call nothing.
#[derive(Message)]
#[rtype(result = "Result<oneshot::Receiver<bool>, UpdateError>")]
pub struct Assign(pub Assignment);

impl Handler<Assign> for CallActor {
    type Result = Result<oneshot::Receiver<bool>, UpdateError>;

    fn handle(&mut self, Assign(assignment): Assign, ctx: &mut Context<Self>) -> Self::Result {
        let mut effects = Vec::new();
        let now = (std::time::Instant::now(), OffsetDateTime::now_utc());
        self.state.assign(now.0, now.1, assignment, &mut effects)?;
        // First: it may leave what it was in.
        self.carry_out(effects, ctx);
        let (tell, hear) = oneshot::channel();
        self.queueing.placed = Some(tell);
        Ok(hear)
    }
}
