//! What `enqueue` and `dequeue` have in common: what they want of a queue, and what it tells them.

use crate::model::{AccountSid, CallSid, Hook};

use super::RunId;

/// What a verb wants of a queue, by way of its call.
#[derive(Clone, Debug, PartialEq)]
pub enum QueueOrder {
    /// Stand in the line of that name.
    Wait { name: String, priority: u32 },
    /// Be given its next caller, or this one.
    Seek { name: String, caller: Option<CallSid> },
    /// [`QueueEvent::Standing`] answers.
    Look,
    /// The agent's side: open a bridge under that name, and have the caller called into it.
    Open { bridge: RunId },
    /// The caller's side: enter the bridge he was called into.
    Follow { bridge: RunId },
    /// Both are in the bridge, says the agent's side.
    Met,
    /// They did not get together.
    Failed,
    /// The stay is over, for this call.
    Leave(Outcome),
}

/// Why a verb leaves a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The call is over.
    HungUp,
    /// Another application is there.
    Replaced,
    /// The wait hook said `leave`.
    Left,
    /// The agent waits no longer, or has had its caller.
    Done,
}

/// What a queue tells a verb.
#[derive(Clone, Debug, PartialEq)]
pub enum QueueEvent {
    // To a caller.
    Joined(Standing),
    /// The line is full.
    Refused,
    /// Where the caller is now.
    Standing(Standing),
    /// Another wait hook is laid down for the queue, or none any more.
    HookChanged(Standing),
    /// An agent has opened a bridge for him.
    Called,
    /// The agent could not be reached; the caller is where he was.
    Back,
    /// Taken out over the API.
    Removed,
    /// Taken out over the API for another application.
    Redirected(Hook),

    // To an agent.
    /// A caller is reserved for it.
    Offered,
    /// That caller has gone, or could not be reached.
    Withdrawn,

    // To both.
    /// The bridge holds: the caller is out of the line.
    Settled,
    /// The queue has failed.
    Lost,
}

/// How a wait stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    pub size: usize,
    /// 0: the next.
    pub position: usize,
    /// Laid down for the queue.
    pub wait_hook: Option<Hook>,
}

/// The form of a queue's identity that webhooks carry (contract rest.md §3.1).
pub(crate) fn queue_event_sid(account_sid: AccountSid, name: &str) -> String {
    format!("queue:{account_sid}:{name}")
}
