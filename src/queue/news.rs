//! A queue's events on their way to the account's queue event hook (contract verbs.md §3.6).
//!
//! In order, one after the other, and nobody waits for them.

use std::sync::Arc;

use crate::hook::payload::QueueStatus;
use crate::hook::{HookClient, HookError, ResolvedHook, StatusHook};
use crate::model::Secret;

/// An account's queue event hook.
#[derive(Clone, Debug, PartialEq)]
pub struct EventTarget {
    pub hook: ResolvedHook,
    /// Signs the requests.
    pub secret: Secret,
}

/// Events that may wait: a long queue that fills and empties at once.
const LENGTH: usize = 4096;

/// The ordered line to the hook of one queue. Calls that began later may know another hook.
#[derive(Default)]
pub struct NewsLine(Option<(Arc<EventTarget>, StatusHook)>);

impl NewsLine {
    /// Sends an event after all that were sent before; `on_failure` hears of those that do not arrive.
    pub fn send(
        &mut self,
        to: &Arc<EventTarget>,
        event: QueueStatus,
        client: &HookClient,
        on_failure: impl FnMut(HookError) + Send + 'static,
    ) {
        let known = self.0.take().filter(|(target, _)| **target == **to);
        let (target, hook) = known.unwrap_or_else(|| {
            let (hook, secret) = (to.hook.clone(), to.secret.clone());
            let client = client.clone();
            (to.clone(), StatusHook::start_long(client, hook, secret, LENGTH, on_failure))
        });
        hook.send(event);
        self.0 = Some((target, hook));
    }
}
