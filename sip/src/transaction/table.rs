//! The tables of live transactions: by id for the user, by key for messages. Bounded.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::{
    ClientInvite, ClientKey, ClientOther, Machine, MergeKey, OnRepeat, OnResponse, OnTimeout,
    ServerInvite, ServerKey, ServerOther, Timers, TransactionId,
};
use crate::message::{Method, Request};
use crate::transport::Flow;

/// Entries by id, found by key.
#[derive(Debug)]
pub(crate) struct Table<K, T> {
    by_id: HashMap<TransactionId, (K, T)>,
    by_key: HashMap<K, TransactionId>,
}

impl<K: Hash + Eq + Clone, T> Table<K, T> {
    pub(crate) fn new() -> Self {
        Self { by_id: HashMap::new(), by_key: HashMap::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn find(&self, key: &K) -> Option<TransactionId> {
        self.by_key.get(key).copied()
    }

    pub(crate) fn get(&self, id: TransactionId) -> Option<&T> {
        self.by_id.get(&id).map(|(_, entry)| entry)
    }

    pub(crate) fn get_mut(&mut self, id: TransactionId) -> Option<&mut T> {
        self.by_id.get_mut(&id).map(|(_, entry)| entry)
    }

    pub(crate) fn insert(&mut self, id: TransactionId, key: K, entry: T) {
        self.by_key.insert(key.clone(), id);
        self.by_id.insert(id, (key, entry));
    }

    pub(crate) fn remove(&mut self, id: TransactionId) -> Option<T> {
        let (key, entry) = self.by_id.remove(&id)?;
        self.by_key.remove(&key);
        Some(entry)
    }
}

/// The server transactions.
pub(crate) type ServerTable = Table<ServerKey, ServerTxn>;

/// The client transactions; `U` is what the user above keeps with each.
pub(crate) type ClientTable<U> = Table<ClientKey, ClientTxn<U>>;

/// One server transaction with what it needs to answer.
#[derive(Debug)]
pub(crate) struct ServerTxn {
    machine: ServerMachine,
    /// Until the final response: a transaction stays up to 64*T1 longer, and many of them at a time.
    request: Option<Arc<Request>>,
    /// Where responses go (RFC 3261 §18.2.2).
    pub(crate) reply_flow: Flow,
    /// The tag of our To.
    pub(crate) to_tag: String,
    /// The last response, for repetitions.
    pub(crate) last: Option<Bytes>,
    /// Its status; 0 before the first.
    pub(crate) last_status: u16,
    /// Other copies of this request are refused.
    pub(crate) merge_key: Option<MergeKey>,
}

#[derive(Debug)]
enum ServerMachine {
    Invite(ServerInvite),
    Other(ServerOther),
}

impl ServerTxn {
    pub(crate) fn start(
        now: Instant,
        timers: Timers,
        request: Arc<Request>,
        reply_flow: Flow,
        to_tag: String,
    ) -> Self {
        let is_reliable = reply_flow.transport.is_reliable();
        let machine = match request.method() {
            Method::Invite => ServerMachine::Invite(ServerInvite::start(now, timers, is_reliable)),
            _ => ServerMachine::Other(ServerOther::start(now, timers, is_reliable)),
        };
        let merge_key = MergeKey::of(&request);
        let request = Some(request);
        Self { machine, request, reply_flow, to_tag, last: None, last_status: 0, merge_key }
    }

    /// The request, as long as it has no final response.
    pub(crate) fn request(&self) -> Option<&Arc<Request>> {
        self.request.as_ref()
    }

    pub(crate) fn is_pending(&self) -> bool {
        match &self.machine {
            ServerMachine::Invite(machine) => machine.is_pending(),
            ServerMachine::Other(machine) => machine.is_pending(),
        }
    }

    /// Whether it is an INVITE that was answered with 2xx.
    pub(crate) fn is_accepted(&self) -> bool {
        matches!(&self.machine, ServerMachine::Invite(machine) if machine.is_accepted())
    }

    pub(crate) fn on_reply(&mut self, now: Instant, status: u16, bytes: Bytes) {
        self.last = Some(bytes);
        self.last_status = status;
        if status >= 200 {
            self.request = None;
        }
        match &mut self.machine {
            ServerMachine::Invite(machine) => machine.on_reply(now, status),
            ServerMachine::Other(machine) => machine.on_reply(now, status),
        }
    }

    pub(crate) fn on_repeat(&self) -> OnRepeat {
        match &self.machine {
            ServerMachine::Invite(machine) => machine.on_repeat(),
            ServerMachine::Other(machine) => machine.on_repeat(),
        }
    }

    pub(crate) fn on_ack(&mut self, now: Instant) {
        if let ServerMachine::Invite(machine) = &mut self.machine {
            machine.on_ack(now);
        }
    }
}

impl Machine for ServerTxn {
    fn next_wake(&self) -> Option<Instant> {
        match &self.machine {
            ServerMachine::Invite(machine) => machine.next_wake(),
            ServerMachine::Other(machine) => machine.next_wake(),
        }
    }

    fn on_timeout(&mut self, now: Instant) -> OnTimeout {
        match &mut self.machine {
            ServerMachine::Invite(machine) => machine.on_timeout(now),
            ServerMachine::Other(machine) => machine.on_timeout(now),
        }
    }
}

/// One client transaction with the bytes it sends.
#[derive(Debug)]
pub(crate) struct ClientTxn<U> {
    machine: ClientMachine,
    pub(crate) flow: Flow,
    /// The request, for repetitions.
    pub(crate) bytes: Bytes,
    /// What the user above keeps with it.
    pub(crate) user: U,
}

#[derive(Debug)]
enum ClientMachine {
    Invite(ClientInvite),
    Other(ClientOther),
}

impl<U> ClientTxn<U> {
    pub(crate) fn start(
        now: Instant,
        timers: Timers,
        method: &Method,
        flow: Flow,
        bytes: Bytes,
        user: U,
    ) -> Self {
        let is_reliable = flow.transport.is_reliable();
        let machine = match method {
            Method::Invite => ClientMachine::Invite(ClientInvite::start(now, timers, is_reliable)),
            _ => ClientMachine::Other(ClientOther::start(now, timers, is_reliable)),
        };
        Self { machine, flow, bytes, user }
    }

    pub(crate) fn is_pending(&self) -> bool {
        match &self.machine {
            ClientMachine::Invite(machine) => machine.is_pending(),
            ClientMachine::Other(machine) => machine.is_pending(),
        }
    }

    /// Whether it is an INVITE that may be cancelled now.
    pub(crate) fn is_proceeding_invite(&self) -> bool {
        matches!(&self.machine, ClientMachine::Invite(machine) if machine.is_proceeding())
    }

    pub(crate) fn on_response(&mut self, now: Instant, status: u16) -> OnResponse {
        match &mut self.machine {
            ClientMachine::Invite(machine) => machine.on_response(now, status),
            ClientMachine::Other(machine) => machine.on_response(now, status),
        }
    }
}

impl<U> Machine for ClientTxn<U> {
    fn next_wake(&self) -> Option<Instant> {
        match &self.machine {
            ClientMachine::Invite(machine) => machine.next_wake(),
            ClientMachine::Other(machine) => machine.next_wake(),
        }
    }

    fn on_timeout(&mut self, now: Instant) -> OnTimeout {
        match &mut self.machine {
            ClientMachine::Invite(machine) => machine.on_timeout(now),
            ClientMachine::Other(machine) => machine.on_timeout(now),
        }
    }
}
