//! What must not outlive its call: dialog, participant, seat in a room, place in a queue, entry in the live table, place
//! among the calls its account may have.
//!
//! Dropped with the call's actor. When the actor ended in order, nothing is left to do; when it
//! panicked, this hangs up and frees everything, so that one call's failure ends that call alone.

use std::sync::Arc;

use actix::prelude::*;
use sip::{DialogId, Reply};

use super::actor::CallActor;
use super::actor::family::{FromParent, ToParent};
use super::tally::Counted;
use crate::bridge::actor::BridgeActor;
use crate::bridge::message::Exit as ExitBridge;
use crate::conference::actor::ConferenceActor;
use crate::conference::message::Leave;
use crate::conference::policy::Exit;
use crate::directory::{DirectoryActor, LeaveNamed, Live};
use crate::model::{AccountSid, CallSid};
use crate::participant::actor::ParticipantActor;
use crate::participant::message::Close;
use crate::queue::actor::QueueActor;
use crate::queue::line::Departure;
use crate::queue::message::Leave as LeaveQueue;
use crate::sip_io::message::{Action, Order};
use crate::sip_io::stack::StackActor;
use crate::verb::{Farewell, RunId};

/// A visit whose room the directory knows.
pub struct Entering {
    pub directory: Addr<DirectoryActor>,
    pub account: AccountSid,
    pub name: String,
    pub run: RunId,
}

pub struct Guard {
    call: CallSid,
    pub stack: Addr<StackActor>,
    live: Arc<Live>,
    counted: Option<Counted>,
    pub dialog: Option<DialogId>,
    /// INVITEs that are out and not answered.
    pub attempts: Vec<DialogId>,
    pub participant: Option<Addr<ParticipantActor>>,
    pub room: Option<Addr<ConferenceActor>>,
    /// The room it asked for, and whose address it does not know yet.
    pub entering: Option<Entering>,
    pub queue: Option<Addr<QueueActor>>,
    /// Where it talks with another call.
    pub bridge: Option<Addr<BridgeActor>>,
    /// Calls it has dialled.
    pub children: Vec<Addr<CallActor>>,
    /// The call that dialled it.
    pub parent: Option<ToParent>,
    finished: bool,
}

impl Guard {
    pub fn new(call: CallSid, stack: Addr<StackActor>, live: Arc<Live>, counted: Counted) -> Self {
        Self {
            call,
            stack,
            live,
            counted: Some(counted),
            dialog: None,
            attempts: Vec::new(),
            participant: None,
            room: None,
            entering: None,
            queue: None,
            bridge: None,
            children: Vec::new(),
            parent: None,
            finished: false,
        }
    }

    /// Gives the stack an order about the call's dialog.
    pub fn order(&self, action: Action) {
        if let Some(dialog) = self.dialog {
            self.order_to(dialog, action);
        }
    }

    /// The same about another dialog of the call.
    pub fn order_to(&self, dialog: DialogId, action: Action) {
        self.stack.do_send(Order { dialog, action });
    }

    /// The call ended in order: its last words are said, its media can go.
    pub fn finish(&mut self) {
        self.finished = true;
        self.close();
    }

    fn close(&mut self) {
        self.counted = None;
        if let Some(room) = self.room.take() {
            room.do_send(Leave { call: self.call, exit: Exit::Left, run: None, base: None });
        }
        if let Some(queue) = self.queue.take() {
            let (call, why) = (self.call, Departure::HungUp);
            queue.do_send(LeaveQueue { call, run: None, why, base: None });
        }
        if let Some(bridge) = self.bridge.take() {
            bridge.do_send(ExitBridge { call: self.call });
        }
        if let Some(participant) = self.participant.take() {
            participant.do_send(Close);
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Also of a call that has ended and still waited to hear where to say so.
        if let Some(Entering { directory, account, name, run }) = self.entering.take() {
            let (call, exit, run) = (self.call, Exit::Left, Some(run));
            let leave = Leave { call, exit, run, base: None };
            directory.do_send(LeaveNamed { account, name, leave });
        }
        if self.finished {
            return;
        }
        tracing::error!(call_sid = %self.call, "call failed inside the server; it is hung up");
        metrics::counter!("calls_failed_inside_total").increment(1);
        // Whichever fits the dialog's state takes effect, the others find nothing to do.
        self.order(Action::Reject(Reply::new(500)));
        for attempt in &self.attempts {
            self.order_to(*attempt, Action::Cancel(Vec::new()));
        }
        self.order(Action::Bye(Vec::new()));
        for child in self.children.drain(..) {
            child.do_send(FromParent::Drop(Farewell::NotWanted));
        }
        if let Some(parent) = self.parent.take() {
            parent.lose();
        }
        self.close();
        self.live.lose_call(self.call);
    }
}
