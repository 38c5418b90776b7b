//! Queues' events on their way to the account's queue event hook (contract verbs.md §3.6).
//!
//! In order, one after the other, and nobody waits for them. The order is that of a name: a queue that
//! has emptied and is opened anew goes on in the same [`NewsLines`], which its actor could not do.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use actix::prelude::*;

use crate::hook::payload::QueueStatus;
use crate::hook::{HookClient, HookError, ResolvedHook, StatusSender};
use crate::model::{AccountSid, Secret};

/// An account's queue event hook.
#[derive(Clone, Debug, PartialEq)]
pub struct EventTarget {
    pub hook: ResolvedHook,
    /// Signs the requests.
    pub secret: Secret,
}

/// An event and where it goes: calls that began later may know another hook.
#[derive(Message, Debug)]
#[rtype(result = "()")]
pub struct QueueNews {
    pub account: AccountSid,
    pub target: Arc<EventTarget>,
    pub status: QueueStatus,
}

/// Events that may wait: a long queue that fills and empties at once.
const LENGTH: usize = 4096;

/// The ordered lines, one for the queue of a name in whichever of its lives.
#[derive(Default)]
pub struct NewsLines(HashMap<(AccountSid, String), StatusSender>);

impl NewsLines {
    /// Sends an event after all that were sent before of that queue; `on_failure` hears of those that do
    /// not arrive.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn send(
        &mut self,
        news: QueueNews,
        client: &HookClient,
        on_failure: impl FnMut(HookError) + Send + 'static,
    ) {
        let QueueNews { account, target, status } = news;
        let line = match self.0.entry((account, status.queue.clone())) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => {
                free.insert(StatusSender::start_long(client.clone(), LENGTH, on_failure))
            }
        };
        line.towards(target.hook.clone(), target.secret.clone()).send(status);
    }

    /// Lets go of lines that nothing is under way in: there is no order left to keep.
    pub fn tidy(&mut self) {
        self.0.retain(|_, line| !line.is_idle());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;
    use tokio::sync::mpsc;

    use super::*;
    use crate::hook::{Base, HookConfig};
    use crate::model::{AddressPolicy, Hook};

    #[tokio::test]
    async fn a_line_is_let_go_of_when_its_last_event_is_through() {
        let (told, mut failures) = mpsc::unbounded_channel();
        let addresses = AddressPolicy::loopback();
        let client = HookClient::new(&HookConfig { addresses, ..HookConfig::default() }).unwrap();
        let line = StatusSender::start_long(client, LENGTH, move |_| told.send(()).unwrap());
        // Nobody listens there.
        let hook = Base::default().resolve(&Hook::post("http://127.0.0.1:1/")).unwrap();
        line.towards(hook, Secret("s".into())).send(Map::new());
        let mut lines = NewsLines::default();
        lines.0.insert((AccountSid::random(), "support".into()), line);
        lines.tidy();
        assert_eq!(lines.0.len(), 1, "its event is under way");
        failures.recv().await.unwrap();
        lines.tidy();
        assert!(lines.0.is_empty());
    }
}
