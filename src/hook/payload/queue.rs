//! The body of a queue event (contract verbs.md §3.6, rest.md §3.4).

use std::sync::Arc;

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::super::facts::BaseFields;
use super::super::queue::StatusPayload;
use super::super::snake_case::wire_keys;

/// One event of a queue, about the caller concerned.
#[derive(Clone, Debug)]
pub struct QueueStatus {
    pub base: Arc<BaseFields>,
    /// The queue's name.
    pub queue: String,
    /// After the event.
    pub length: usize,
    pub at: OffsetDateTime,
    pub event: QueueChange,
}

#[derive(Clone, Debug)]
pub enum QueueChange {
    Join,
    /// An agent has the call: its base fields, if they are known.
    Dequeued(Option<Arc<BaseFields>>),
    /// The call went by itself: it hung up, or its application had it leave.
    Abandoned,
    /// Over the API.
    Removed,
}

impl QueueStatus {
    /// The body as it goes on the wire; times are epoch milliseconds.
    pub fn to_json(&self) -> Map<String, Value> {
        let mut map = self.base.to_map();
        let ms = (self.at.unix_timestamp_nanos() / 1_000_000) as i64;
        let (event, time) = match self.event {
            QueueChange::Join => ("join", "join_time"),
            _ => ("leave", "leave_time"),
        };
        map.insert("event".into(), event.into());
        map.insert("queue".into(), self.queue.as_str().into());
        map.insert("length".into(), self.length.into());
        map.insert(time.into(), ms.into());
        let reason = match &self.event {
            QueueChange::Join => None,
            QueueChange::Dequeued(agent) => {
                if let Some(agent) = agent {
                    map.insert("dequeuer".into(), Value::Object(agent.to_map()));
                }
                Some("dequeued")
            }
            QueueChange::Abandoned => Some("abandoned"),
            QueueChange::Removed => Some("removed"),
        };
        if let Some(reason) = reason {
            map.insert("leave_reason".into(), reason.into());
        }
        wire_keys(map)
    }
}

impl StatusPayload for QueueStatus {
    fn into_body(self: Box<Self>) -> Map<String, Value> {
        self.to_json()
    }
}
