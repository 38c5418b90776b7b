//! The endpoint: bytes, timeouts and orders in; bytes to send, wake-ups and events out.
//!
//! It joins the transactions (§17) with the user agent's duties (§8, §11 to §15) and holds every
//! table. The shell calls `handle_*` and the orders, and after each polls until nothing is left.
//!
//! - `receive`: from bytes to a transaction, a dialog, or a refusal (`refuse`)
//! - `uas`: calls that come in; `reliable`: provisional responses and PRACK
//! - `in_dialog`: what a peer asks inside a dialog; `update`: UPDATE both ways
//! - `uac`: calls that go out; `fork`: their early dialogs; `answered`: their 2xx; `delayed`: offers in
//!   responses; `replaced`: which dialog a Replaces means
//! - `outside`: requests without dialog; `sent`: requests under way and their answers; `large`: what does
//!   not fit into a datagram
//! - `session_timer`: refreshes and expiry (RFC 4028)
//! - `closing`: hanging up, and every other end; `timeout`: what time does

mod answered;
mod closing;
mod config;
mod delayed;
mod draft;
mod event;
mod fork;
mod in_dialog;
mod large;
mod order;
mod outside;
mod receive;
mod refuse;
mod reliable;
mod replaced;
mod reply;
mod sent;
mod session_timer;
mod timeout;
mod uac;
mod uas;
mod update;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::time::Instant;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

pub use config::{Config, Listener};
pub use event::{EndCause, Event, Output};
pub use order::{Body, Credentials, Invite, Outside, Reliable, Replaces, Reply};

pub use crate::dialog::DialogId;
use crate::dialog::{DialogKey, OwnContact, Session};
use crate::message::{BRANCH_COOKIE, Uri};
pub use crate::transaction::TransactionId;
use crate::transaction::table::{ClientTable, ClientTxn, ServerTable};
use crate::transaction::{Machine, MergeKey, Wakes};
use crate::transport::Flow;
use crate::transport::paths::Paths;
use sent::Sent;

/// One SIP user agent on any number of transports.
pub struct Endpoint {
    config: Config,
    rng: StdRng,
    /// Keys the tags of stateless responses.
    tag_secret: u64,
    last_id: u64,
    servers: ServerTable,
    merges: HashMap<MergeKey, TransactionId>,
    clients: ClientTable<Sent>,
    sessions: HashMap<DialogId, Session>,
    dialogs: HashMap<DialogKey, DialogId>,
    wakes: Wakes<Owner>,
    /// Requests of ours that want an answer.
    waiting_on: Paths<TransactionId>,
    /// Dialogs over streams. A datagram that is not sent says nothing about those at rest.
    dialogs_on: Paths<DialogId>,
    outputs: VecDeque<Output>,
}

/// Whom a wake-up is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Server(TransactionId),
    Client(TransactionId),
    Dialog(DialogId),
}

/// How much an endpoint holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Dialogs, early and closing ones included.
    pub dialogs: usize,
    /// Server transactions.
    pub servers: usize,
    /// Client transactions.
    pub clients: usize,
}

impl Endpoint {
    /// An endpoint without dialogs. `seed` must be unpredictable in production: tags and branches
    /// are drawn from it.
    pub fn new(config: Config, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let tag_secret = rng.next_u64();
        Self {
            config,
            rng,
            tag_secret,
            last_id: 0,
            servers: ServerTable::new(),
            merges: HashMap::new(),
            clients: ClientTable::new(),
            sessions: HashMap::new(),
            dialogs: HashMap::new(),
            wakes: Wakes::new(),
            waiting_on: Paths::new(),
            dialogs_on: Paths::new(),
            outputs: VecDeque::new(),
        }
    }

    /// When `handle_timeout` is wanted next.
    pub fn next_wake(&self) -> Option<Instant> {
        self.wakes.first()
    }

    /// The next thing to do. Poll until `None` after every `handle_*` and every order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether `poll_output` has something.
    pub fn has_output(&self) -> bool {
        !self.outputs.is_empty()
    }

    /// How much it holds now.
    pub fn load(&self) -> Load {
        Load {
            dialogs: self.sessions.len(),
            servers: self.servers.len(),
            clients: self.clients.len(),
        }
    }

    fn transmit(&mut self, flow: Flow, bytes: Bytes) {
        self.outputs.push_back(Output::Transmit { flow, bytes });
    }

    fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// A tag: 64 random bits (§19.3 asks for 32).
    fn new_tag(&mut self) -> String {
        format!("{:016x}", self.rng.next_u64())
    }

    fn new_branch(&mut self) -> String {
        format!("{BRANCH_COOKIE}{:016x}", self.rng.next_u64())
    }

    /// Our address on a flow, as peers should see it.
    fn own_addr(&self, flow: &Flow) -> std::net::SocketAddr {
        self.config.public_addr(flow)
    }

    /// Our Contact value on a flow. It is `sips:` only where we can be reached so; RFC 5630 §3.1.4 has
    /// no `transport=tls` beside it.
    fn contact(&self, own: &OwnContact, flow: &Flow) -> String {
        let addr = Uri::of_addr(None, self.own_addr(flow));
        let user = own.user.as_ref().map_or_else(String::new, |user| format!("{user}@"));
        let is_sips = own.is_sips && flow.transport.is_secure();
        let scheme = if is_sips { "sips" } else { "sip" };
        let transport = flow.transport.uri_param().filter(|name| !is_sips || *name != "tls");
        let param = transport.map_or_else(String::new, |name| format!(";transport={name}"));
        format!("<{scheme}:{user}{}{param}>", addr.host_port())
    }

    fn rewake_server(&mut self, id: TransactionId) {
        let at = self.servers.get(id).and_then(Machine::next_wake);
        self.wakes.set(Owner::Server(id), at);
    }

    fn rewake_client(&mut self, id: TransactionId) {
        let at = self.clients.get(id).and_then(|txn| {
            let fallback = txn.user.fallback.and_then(|fallback| fallback.at);
            [txn.next_wake(), fallback].into_iter().flatten().min()
        });
        self.wakes.set(Owner::Client(id), at);
    }

    /// Takes a client transaction out, with all that is set for it.
    fn forget_client(&mut self, id: TransactionId) -> Option<ClientTxn<Sent>> {
        self.wakes.set(Owner::Client(id), None);
        self.waiting_on.set(id, None);
        self.clients.remove(id)
    }

    /// A dialog has begun or ended, or goes another way now.
    fn repath_dialog(&mut self, id: DialogId) {
        let flow = self.sessions.get(&id).map(|session| session.path.flow);
        self.dialogs_on.set(id, flow.filter(|flow| flow.transport.is_reliable()));
    }

    fn rewake_dialog(&mut self, id: DialogId) {
        let at = self.sessions.get(&id).and_then(Session::next_wake);
        self.wakes.set(Owner::Dialog(id), at);
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("load", &self.load()).finish_non_exhaustive()
    }
}
