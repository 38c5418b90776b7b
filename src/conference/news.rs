//! A room's status events on their way to the hook of the member that started it.
//!
//! The conference only reports facts; they are put into words and sent from a control thread.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::actor::Identity;
use super::policy::StatusEvent;
use crate::call::ConferenceTarget;
use crate::hook::payload::ConferenceStatus;
use crate::hook::queue::StatusPayload;
use crate::hook::ws::{Message, MessageType};
use crate::hook::{BaseFields, HookClient, HookError, StatusHook};

/// A status event of a room.
#[derive(Message, Clone, Debug)]
#[rtype(result = "()")]
pub struct News {
    pub identity: Identity,
    pub target: Arc<ConferenceTarget>,
    /// The member concerned.
    pub base: Arc<BaseFields>,
    pub event: StatusEvent,
    /// Since the room started.
    pub running_for: Duration,
    /// After the event.
    pub members: usize,
    pub at: OffsetDateTime,
}

impl News {
    /// Whether the room's starter asked for events of this kind.
    pub fn is_wanted(&self) -> bool {
        self.target.events.contains(&self.event.name())
    }
}

impl StatusPayload for News {
    fn into_body(self: Box<Self>) -> Map<String, Value> {
        let status = ConferenceStatus {
            base: self.base,
            event: self.event.name().as_str(),
            account: self.identity.account,
            name: self.identity.name,
            duration: self.running_for.as_secs_f64(),
            members: self.members,
            time: self.at,
        };
        Box::new(status).into_body()
    }
}

/// The ordered line to one room's hook. A room that starts anew may have another hook.
#[derive(Default)]
pub struct NewsLine(Option<(Arc<ConferenceTarget>, StatusHook)>);

impl NewsLine {
    /// Sends news after all that were sent before; `on_failure` hears of those that do not arrive.
    pub fn send(
        &mut self,
        news: News,
        client: &HookClient,
        on_failure: impl FnMut(HookError) + Send + 'static,
    ) {
        if let Some(socket) = &news.target.socket {
            let socket = socket.clone();
            let hook = news.target.hook.session_hook().map(Into::into);
            let data = Box::new(news).into_body();
            let kind = MessageType::VerbHook;
            // Lost with the session of the member that started the room.
            let _ = socket.send(Message { kind, hook, data, reply_to: None });
            return;
        }
        let known = self.0.take().filter(|(target, _)| Arc::ptr_eq(target, &news.target));
        let (target, hook) = known.unwrap_or_else(|| {
            let target = news.target.clone();
            let (to, secret) = (target.hook.clone(), target.secret.clone());
            let hook = StatusHook::start(client.clone(), to, secret, on_failure);
            (target, hook)
        });
        hook.send(news);
        self.0 = Some((target, hook));
    }
}
