//! The directory's queues: opened and forgotten in the same mailbox as rooms, so that two calls that
//! name one queue at the same moment meet in it.

use std::collections::HashMap;
use std::sync::Arc;

use actix::prelude::*;

use super::{DirectoryActor, Live, read, write};
use crate::model::{AccountSid, Alert, CallSid, QueueSid};
use crate::queue::actor::{QueueActor, QueueId};
use crate::queue::message::{Arrive, Close, KeepPlace, Rules, Settle};
use crate::queue::news::{NewsLines, QueueNews};
use crate::queue::snapshot::Board;

/// A queue as REST sees it.
#[derive(Clone)]
pub struct LiveQueue {
    pub board: Arc<Board>,
    pub actor: Addr<QueueActor>,
}

impl Live {
    pub fn queue(&self, account: AccountSid, sid: QueueSid) -> Option<LiveQueue> {
        let queues = read(&self.queues);
        queues.get(&account)?.values().find(|queue| queue.board.sid == sid).cloned()
    }

    pub fn queue_named(&self, account: AccountSid, name: &str) -> Option<LiveQueue> {
        read(&self.queues).get(&account)?.get(name).cloned()
    }

    pub fn queues(&self, account: AccountSid) -> Vec<LiveQueue> {
        let queues = read(&self.queues);
        queues.get(&account).map(|of| of.values().cloned().collect()).unwrap_or_default()
    }

    /// The queue a call waits in.
    pub fn queue_of(&self, account: AccountSid, call: CallSid) -> Option<LiveQueue> {
        let queues = self.queues(account);
        queues.into_iter().find(|queue| queue.board.caller(call).is_some())
    }
}

/// The live queues of all accounts, by name.
pub(super) type LiveQueues = HashMap<AccountSid, HashMap<String, LiveQueue>>;

/// What the directory knows of them.
#[derive(Default)]
pub(super) struct Queues {
    names: HashMap<(AccountSid, String), QueueId>,
    open: HashMap<QueueId, Open>,
    /// Counts the openings.
    opened: u64,
    news: NewsLines,
}

struct Open {
    board: Arc<Board>,
    actor: Addr<QueueActor>,
    /// Calls, and orders to keep a place for one, sent there; a queue is forgotten only when it has seen all of them.
    arrivals: u64,
}

impl DirectoryActor {
    /// Opens the queue of that name, as it is laid down if it is.
    fn open_queue(&mut self, account: AccountSid, name: &str, directory: Addr<Self>) -> QueueId {
        self.queues.opened += 1;
        let id = QueueId(self.queues.opened);
        // Whoever defines this name at this moment sees the queue, or we see the definition: it is
        // looked for while the table is ours.
        let mut shown = write(&self.live.queues);
        let defined = self.store.queues().named(account, name);
        let rules = defined.as_deref().map(Rules::of).unwrap_or_default();
        let sid = defined.map_or_else(QueueSid::random, |defined| defined.sid);
        let board = Arc::new(Board::new(sid, account, name));
        let actor = QueueActor::launch(id, board.clone(), rules, directory);
        let live = LiveQueue { board: board.clone(), actor: actor.clone() };
        shown.entry(account).or_default().insert(name.to_owned(), live);
        drop(shown);
        self.queues.open.insert(id, Open { board, actor, arrivals: 0 });
        self.queues.names.insert((account, name.to_owned()), id);
        id
    }

    /// Something that keeps the queue until it has seen it.
    fn send_to_queue<M>(
        &mut self,
        account: AccountSid,
        name: String,
        arrival: M,
        ctx: &Context<Self>,
    ) -> Option<Addr<QueueActor>>
    where
        M: Message<Result = ()> + Send + 'static,
        QueueActor: Handler<M>,
    {
        let key = (account, name);
        let known = self.queues.names.get(&key).copied();
        let id = known.unwrap_or_else(|| self.open_queue(account, &key.1, ctx.address()));
        let queue = self.queues.open.get_mut(&id)?;
        queue.arrivals += 1;
        queue.actor.do_send(arrival);
        Some(queue.actor.clone())
    }

    pub(super) fn tidy_queue_news(&mut self) {
        self.queues.news.tidy();
    }

    /// The queue is over, and if it `was_used` so is what was laid down for it and is not to stay.
    fn forget_queue(&mut self, id: QueueId, was_used: bool) {
        let Some(Open { board, actor, .. }) = self.queues.open.remove(&id) else { return };
        actor.do_send(Close);
        let (account, name) = (board.account, board.name.clone());
        // In this order: whoever lays something down for a live queue looks afterwards whether it lives.
        let mut shown = write(&self.live.queues);
        if let Some(of_account) = shown.get_mut(&account) {
            of_account.remove(&name);
            if of_account.is_empty() {
                shown.remove(&account);
            }
        }
        drop(shown);
        if was_used {
            self.store.queues().expire(account, &name, board.sid);
        }
        self.queues.names.remove(&(account, name));
    }
}

/// A call goes to the queue of that name, which is opened if need be.
#[derive(Message)]
#[rtype(result = "Option<Addr<QueueActor>>")]
pub struct EnterQueue {
    pub account: AccountSid,
    pub name: String,
    pub arrival: Arrive,
}

impl Handler<EnterQueue> for DirectoryActor {
    type Result = Option<Addr<QueueActor>>;

    fn handle(&mut self, enter: EnterQueue, ctx: &mut Context<Self>) -> Self::Result {
        self.send_to_queue(enter.account, enter.name, enter.arrival, ctx)
    }
}

/// Over the API: a place for a call that is about to enter that queue, which is opened if need be.
#[derive(Message)]
#[rtype(result = "Option<Addr<QueueActor>>")]
pub struct KeepQueuePlace {
    pub account: AccountSid,
    pub name: String,
    pub place: KeepPlace,
}

impl Handler<KeepQueuePlace> for DirectoryActor {
    type Result = Option<Addr<QueueActor>>;

    fn handle(&mut self, keep: KeepQueuePlace, ctx: &mut Context<Self>) -> Self::Result {
        self.send_to_queue(keep.account, keep.name, keep.place, ctx)
    }
}

/// A queue has nobody left, after the given number of arrivals.
#[derive(Message)]
#[rtype(result = "()")]
pub struct QueueEmpty {
    pub queue: QueueId,
    pub arrivals: u64,
    /// Whether anybody ever waited in it: if not, a definition that is not to stay still waits.
    pub was_used: bool,
}

impl Handler<QueueEmpty> for DirectoryActor {
    type Result = ();

    fn handle(&mut self, empty: QueueEmpty, _: &mut Context<Self>) {
        // A call still on its way keeps the queue; it will report empty again.
        let queue = self.queues.open.get(&empty.queue);
        if queue.is_some_and(|queue| queue.arrivals == empty.arrivals) {
            self.forget_queue(empty.queue, empty.was_used);
        }
    }
}

/// A queue's actor is gone by a fault.
#[derive(Message)]
#[rtype(result = "()")]
pub struct QueueGone(pub QueueId);

impl Handler<QueueGone> for DirectoryActor {
    type Result = ();

    fn handle(&mut self, QueueGone(queue): QueueGone, _: &mut Context<Self>) {
        self.forget_queue(queue, true);
    }
}

/// Something else is laid down for the queue of that name: if it is live it goes by it from now on.
#[derive(Message)]
#[rtype(result = "()")]
pub struct QueueDefined {
    pub account: AccountSid,
    pub name: String,
}

impl Handler<QueueDefined> for DirectoryActor {
    type Result = ();

    fn handle(&mut self, defined: QueueDefined, _: &mut Context<Self>) {
        let QueueDefined { account, name } = defined;
        // What holds now, whichever change this message was sent for; nothing, once it is deleted.
        let defined = self.store.queues().named(account, &name);
        let id = self.queues.names.get(&(account, name));
        if let Some(queue) = id.and_then(|id| self.queues.open.get(id)) {
            queue.actor.do_send(Settle(defined.as_deref().map(Rules::of).unwrap_or_default()));
        }
    }
}

/// Events of queues are sent from here, since this outlives the queue.
impl Handler<QueueNews> for DirectoryActor {
    type Result = ();

    fn handle(&mut self, news: QueueNews, _: &mut Context<Self>) {
        let (store, account) = (self.store.clone(), news.account);
        self.queues.news.send(news, &self.hooks, move |error| {
            store.alerts().write(Alert::of_hook(account, None, error.alert()));
        });
    }
}
