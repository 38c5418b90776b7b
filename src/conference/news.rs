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
use crate::hook::ws::{Message, MessageType, WeakSocket};
use crate::hook::{BaseFields, HookClient, HookError, StatusHook};

/// A status event of a room.
#[derive(Message, Clone, Debug)]
#[rtype(result = "()")]
pub struct News {
    pub identity: Identity,
    pub target: Arc<ConferenceTarget>,
    /// Of a hook that is told over a session's socket: the first that is open is taken.
    pub sockets: Vec<WeakSocket>,
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
        if news.target.socket.is_some() {
            let hook = news.target.hook.session_hook().map(Into::into);
            let (sockets, event) = (news.sockets.clone(), news.event);
            let data = Box::new(news).into_body();
            let message = Message { kind: MessageType::VerbHook, hook, data, reply_to: None };
            if send_by(&sockets, message).is_err() {
                tracing::warn!(?event, "a conference's event is lost: no session's socket is open");
            }
            return;
        }
        // Whatever else is settled anew: news to the same place keep their order.
        let is_same = |known: &ConferenceTarget| {
            known.hook == news.target.hook && known.secret == news.target.secret
        };
        let known = self.0.take().filter(|(target, _)| is_same(target));
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

/// By the first socket that takes it.
fn send_by(sockets: &[WeakSocket], mut message: Message) -> Result<(), Message> {
    for socket in sockets {
        match socket.send(message) {
            Ok(()) => return Ok(()),
            Err(back) => message = back,
        }
    }
    Err(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hook::ws::SocketSender;

    #[test]
    fn news_go_by_the_first_socket_that_is_open() {
        let message = || Message {
            kind: MessageType::VerbHook,
            hook: None,
            data: Map::new(),
            reply_to: None,
        };
        let ((first, mut by_first), (second, mut by_second)) =
            (SocketSender::loose(), SocketSender::loose());
        let sockets = [first.weak(), second.weak()];
        send_by(&sockets, message()).unwrap();
        assert!(by_first.try_recv().is_ok() && by_second.try_recv().is_err());
        drop(first);
        send_by(&sockets, message()).unwrap();
        assert!(by_second.try_recv().is_ok());
        drop(second);
        assert!(send_by(&sockets, message()).is_err());
        assert!(send_by(&[], message()).is_err());
    }
}
