//! What a queue is told, and what it tells the calls in it.

use std::sync::Arc;

use actix::prelude::*;
use tokio::sync::oneshot;

use super::actor::QueueActor;
use super::line::{Attempt, Departure, Gone};
use super::news::EventTarget;
use crate::bridge::actor::BridgeActor;
use crate::hook::BaseFields;
use crate::model::{CallSid, Hook, Queue};
use crate::verb::{QueueEvent, RunId};

/// A call at the door. [`QueueTold`] answers it.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Arrive {
    pub guest: Guest,
    pub wish: Wish,
}

/// Who came and where to reach the call.
pub struct Guest {
    pub call: CallSid,
    /// Names this visit in what `told` hears.
    pub run: RunId,
    pub base: Arc<BaseFields>,
    pub told: Recipient<QueueTold>,
    /// The account's queue event hook.
    pub events: Option<Arc<EventTarget>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Of a caller: to wait.
    Wait { priority: u32 },
    /// Of an agent: to be given the next caller, or this one.
    Seek { caller: Option<CallSid> },
}

/// A caller is about to come, by order of the API: keeps a place for a moment, and says whether there is one.
#[derive(Message)]
#[rtype(result = "()")]
pub struct KeepPlace {
    pub call: CallSid,
    pub told: oneshot::Sender<bool>,
}

/// The call for which a place is kept does not come.
#[derive(Message)]
#[rtype(result = "()")]
pub struct GiveUpPlace(pub CallSid);

/// How a call's visit goes.
#[derive(Message)]
#[rtype(result = "()")]
pub struct QueueTold {
    /// The visit it belongs to.
    pub run: RunId,
    /// Who tells it.
    pub queue: Option<Addr<QueueActor>>,
    pub event: QueueEvent,
    /// Which offer it is about.
    pub attempt: Option<Attempt>,
    /// Where the caller is called to.
    pub bridge: Option<Addr<BridgeActor>>,
}

/// A caller asks where he stands: [`QueueEvent::Standing`] answers.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Look {
    pub call: CallSid,
    pub run: RunId,
}

/// The agent of this offer has opened a bridge for the two.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Opened {
    pub attempt: Attempt,
    pub bridge: Addr<BridgeActor>,
}

/// The two of this offer are in their bridge.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Met(pub Attempt);

/// The two of this offer did not get together.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Failed(pub Attempt);

/// A call leaves, caller or agent.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Leave {
    pub call: CallSid,
    /// The visit that ends; `None` is whichever goes on.
    pub run: Option<RunId>,
    pub why: Departure,
    /// The call as its last event shall show it, if that changed.
    pub base: Option<Arc<BaseFields>>,
}

/// Over the API: takes a caller out, who goes on with the next verb or with that application.
#[derive(Message)]
#[rtype(result = "Result<(), Gone>")]
pub struct Remove {
    pub call: CallSid,
    pub call_hook: Option<Hook>,
}

#[derive(Message)]
#[rtype(result = "Result<(), Gone>")]
pub struct SetPriority {
    pub call: CallSid,
    pub priority: u32,
}

/// Keeps a caller for an agent who is on the way.
#[derive(Message)]
#[rtype(result = "Result<(), Gone>")]
pub struct Promise {
    pub caller: CallSid,
    pub agent: CallSid,
}

/// That agent does not come.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Release {
    pub caller: CallSid,
    pub agent: CallSid,
}

/// All callers out: they go on with their next verb.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Clear;

/// Something else is laid down for the queue now.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Settle(pub Rules);

/// The directory forgot the empty queue; it stops.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Close;

/// What REST laid down for a queue, as the queue takes it (contract rest.md §3.4).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    pub max_length: Option<usize>,
    /// For callers whose verb names none.
    pub wait_hook: Option<Hook>,
}

impl Rules {
    pub fn of(defined: &Queue) -> Self {
        Self {
            max_length: defined.max_length.and_then(|max| usize::try_from(max).ok()),
            wait_hook: defined.wait_hook.as_ref().map(|stored| stored.hook.clone()),
        }
    }
}
