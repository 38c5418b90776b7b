//! A call and the calls it has dialled: what the one orders and the others report.

use std::collections::HashMap;

use actix::prelude::*;
use tokio::sync::oneshot;

use super::CallActor;
use super::socket::{Lent, Sockets};
use crate::bridge::actor::BridgeActor;
use crate::call::child::ChildOrder;
use crate::call::guard::Guard;
use crate::call::originate::{NoRoute, Plan};
use crate::call::{Input, ParentWord, State};
use crate::model::call::{CallStatus, SipHeaders};
use crate::participant::message::SendDigits;
use crate::sip_io::message::{Fields, IncomingCall};
use crate::verb::{ChildEvent, ChildId, ChildName, DialOrder, Farewell, Flow, RunId, Side};

/// The children of a call, and the call it is a child of.
#[derive(Default)]
pub(super) struct Family {
    children: HashMap<(RunId, ChildId), Kid>,
    /// Says who is really calling, from whoever may be believed (RFC 3325).
    identity: Fields,
    /// CANCELs say that another was answered.
    pub(super) is_elsewhere: bool,
}

impl Family {
    pub(super) fn of_caller(identity: Fields) -> Self {
        Self { identity, ..Self::default() }
    }
}

enum Kid {
    /// Its way is being looked for.
    Planned,
    Live(Addr<CallActor>),
}

/// To whom a child reports, and under which name.
#[derive(Clone)]
pub struct ToParent {
    pub call: Recipient<FromChild>,
    pub run: RunId,
    pub child: ChildId,
}

/// What a child reports.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct FromChild {
    pub run: RunId,
    pub child: ChildId,
    pub name: Option<ChildName>,
    pub event: ChildEvent,
}

/// What a child is told.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub enum FromParent {
    /// CANCEL or BYE, whichever fits.
    Drop(Farewell),
    Enter(Addr<BridgeActor>),
    Digits(SendDigits),
    Hold(Flow),
    Word(Box<ParentWord>),
}

/// Who is really calling, by the word of a carrier that may be believed (RFC 3325 §5).
pub(super) fn identity(call: &IncomingCall) -> Fields {
    if call.admitted.trunk.is_none() {
        return Fields::new();
    }
    let headers = ["P-Asserted-Identity", "Privacy"].into_iter();
    let found =
        headers.flat_map(|name| call.request.all_headers().all(name).map(move |v| (name, v)));
    found.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

impl ToParent {
    pub fn tell(&self, name: Option<ChildName>, event: ChildEvent) {
        let (run, child) = (self.run, self.child);
        self.call.do_send(FromChild { run, child, name, event });
    }

    /// The child is gone, and could not say how.
    pub fn lose(&self) {
        self.tell(None, ChildEvent::Ended { status: CallStatus::Failed, sip_status: 500 });
    }
}

impl CallActor {
    fn originate_child(
        plan: Plan,
        parent: &Self,
        to_parent: ToParent,
        socket: Option<Lent>,
    ) -> Addr<Self> {
        let desk = parent.desk.clone();
        let sid = plan.setup.facts.call_sid;
        let arbiter = desk.control.clone();
        Self::start_in_arbiter(&arbiter, move |_| {
            let Plan { counted, setup, keep, stack, route } = plan;
            let mut guard = Guard::new(sid, stack.clone(), desk.live.clone(), counted);
            guard.parent = Some(to_parent);
            // Its parent hears more of it than that its INVITE is out.
            let (placed, _) = oneshot::channel();
            let begin = super::Begin::Outbound { stack, route, placed };
            let sockets = Sockets::of_child(socket);
            Self { sockets, ..Self::new(sid, desk, keep, State::new(setup), begin, guard) }
        })
    }

    // ---- the parent's side ----

    pub(super) fn call_child(
        &mut self,
        run: RunId,
        child: ChildId,
        order: ChildOrder,
        ctx: &mut Context<Self>,
    ) {
        self.family.children.insert((run, child), Kid::Planned);
        let (desk, stack) = (self.desk.clone(), self.guard.stack.clone());
        let identity = self.family.identity.clone();
        let planning = async move { desk.plan_child(stack, order, identity).await };
        ctx.spawn(planning.into_actor(self).map(move |plan, this, ctx| {
            // Dropped meanwhile: the plan is, too.
            if let Some(Kid::Planned) = this.family.children.get(&(run, child)) {
                this.on_child_planned(run, child, plan, ctx);
            }
        }));
    }

    fn on_child_planned(
        &mut self,
        run: RunId,
        child: ChildId,
        plan: Result<Plan, NoRoute>,
        ctx: &mut Context<Self>,
    ) {
        match plan {
            Ok(plan) => {
                let to_parent = ToParent { call: ctx.address().recipient(), run, child };
                let socket = self.sockets.lend(ctx.address());
                let kid = Self::originate_child(plan, self, to_parent, socket);
                self.guard.children.push(kid.clone());
                self.family.children.insert((run, child), Kid::Live(kid));
            }
            Err(NoRoute { status, .. }) => {
                self.family.children.remove(&(run, child));
                let event = ChildEvent::Ended { status: CallStatus::Failed, sip_status: status };
                self.input(Input::Child { run, child, name: None, event }, ctx);
            }
        }
    }

    pub(super) fn order_child(&mut self, run: RunId, order: DialOrder, ctx: &mut Context<Self>) {
        match order {
            // The call's state has made a plan of the one, and has asked for the other.
            DialOrder::Call { .. } | DialOrder::Tell { of: Side::Caller, .. } => {}
            DialOrder::Drop { child, why } => {
                self.tell_child(run, child, FromParent::Drop(why));
                self.forget_child(run, child);
            }
            DialOrder::Bridge { child } => {
                if let Some(bridge) = self.open_bridge(run, ctx) {
                    self.tell_child(run, child, FromParent::Enter(bridge));
                }
            }
            DialOrder::Key { to, key, duration } => {
                let digits = SendDigits { digits: key.to_string(), duration };
                match to {
                    Side::Caller => self.send_digits(digits),
                    Side::Child(child) => self.tell_child(run, child, FromParent::Digits(digits)),
                }
            }
            DialOrder::Hold { to: Side::Caller, flow } => self.reoffer(flow, ctx),
            DialOrder::Hold { to: Side::Child(child), flow } => {
                self.tell_child(run, child, FromParent::Hold(flow));
            }
            DialOrder::Redirect { child, hook } => {
                self.say_to_child(run, child, ParentWord::Redirect(hook));
            }
            DialOrder::Release { child } => self.say_to_child(run, child, ParentWord::Release),
            DialOrder::Adult { child, verbs } => {
                self.say_to_child(run, child, ParentWord::Adult(verbs));
            }
            DialOrder::Listen { child, listen } => {
                self.say_to_child(run, child, ParentWord::Listen(listen));
            }
            DialOrder::Tell { of: Side::Child(child), hook, fields } => {
                self.say_to_child(run, child, ParentWord::Tell(hook, fields));
            }
        }
    }

    fn say_to_child(&mut self, run: RunId, child: ChildId, word: ParentWord) {
        self.tell_child(run, child, FromParent::Word(Box::new(word)));
    }

    fn tell_child(&self, run: RunId, child: ChildId, word: FromParent) {
        if let Some(Kid::Live(kid)) = self.family.children.get(&(run, child)) {
            kid.do_send(word);
        }
    }

    fn forget_child(&mut self, run: RunId, child: ChildId) {
        if let Some(Kid::Live(kid)) = self.family.children.remove(&(run, child)) {
            self.guard.children.retain(|other| *other != kid);
        }
    }

    // ---- the child's side ----

    pub(super) fn tell_parent(&mut self, event: ChildEvent) {
        let Some(parent) = self.guard.parent.clone() else { return };
        // An own application, or none any more: nobody decides for it from now on.
        if matches!(event, ChildEvent::Left | ChildEvent::Ended { .. }) {
            self.guard.parent = None;
        }
        let facts = &self.state.base_fields().facts;
        let name = ChildName { call_sid: facts.call_sid, call_id: facts.call_id.clone() };
        parent.tell(Some(name), event);
    }

    pub(super) fn send_digits(&self, digits: SendDigits) {
        if let Some(participant) = self.participant() {
            participant.do_send(digits);
        }
    }
}

impl Handler<FromChild> for CallActor {
    type Result = ();

    fn handle(&mut self, news: FromChild, ctx: &mut Context<Self>) {
        let FromChild { run, child, name, event } = news;
        if matches!(event, ChildEvent::Left | ChildEvent::Ended { .. }) {
            self.forget_child(run, child);
        }
        self.input(Input::Child { run, child, name, event }, ctx);
    }
}

impl Handler<FromParent> for CallActor {
    type Result = ();

    fn handle(&mut self, word: FromParent, ctx: &mut Context<Self>) {
        // It has gone its own way meanwhile.
        if self.guard.parent.is_none() {
            return;
        }
        match word {
            FromParent::Drop(why) => {
                self.guard.parent = None;
                let mut headers = SipHeaders::default();
                match why {
                    Farewell::NotWanted => {}
                    Farewell::Elsewhere => self.family.is_elsewhere = true,
                    Farewell::TimeLimit => headers.set("X-Reason", "Max Call Duration"),
                }
                self.input(Input::Hangup { headers }, ctx);
            }
            FromParent::Enter(bridge) => self.enter_bridge(RunId::OF_CHILD, bridge, ctx),
            FromParent::Digits(digits) => self.send_digits(digits),
            FromParent::Hold(flow) => self.reoffer(flow, ctx),
            FromParent::Word(word) => self.input(Input::Parent(word), ctx),
        }
    }
}
