//! Ids of connections, and whom a connection that is still to be opened shall lead to.
//!
//! An id may be reserved before its connection is there, because a message for `sips:host` names an
//! address by then and no longer the host whose certificate must be shown. The stack opens a reserved
//! connection when something is sent on it, and again when it has ended; the same peer by the same
//! name always has the same id, so that its connection is used again (RFC 5923).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sip::{Flow, Transport};

/// Names one connection for as long as the server runs.
pub type ConnectionId = u64;

/// Whom a connection leads to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    pub transport: Transport,
    pub addr: SocketAddr,
    /// The host that was asked for: a name, or an IP address without brackets.
    pub host: String,
}

impl Peer {
    /// The peer of a flow that nobody gave a name.
    pub fn of(flow: &Flow) -> Self {
        Self { transport: flow.transport, addr: flow.peer, host: flow.peer.ip().to_string() }
    }
}

/// The table of reserved ids; clones are the same table.
#[derive(Clone, Default)]
pub struct Peers(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    last: ConnectionId,
    ids: HashMap<Peer, ConnectionId>,
    peers: HashMap<ConnectionId, Peer>,
    /// Connections that peers opened and that lead to them as well as our own would.
    aliases: HashMap<Peer, ConnectionId>,
    /// Ids by the time of their last use, the oldest first.
    order: Vec<ConnectionId>,
}

/// Peers remembered at once; whoever was not asked for the longest is forgotten.
const MAX_PEERS: usize = 4096;

impl Peers {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An id that nothing is known of: a connection somebody else opened.
    pub fn new_id(&self) -> ConnectionId {
        self.table().next()
    }

    /// The id of the connection to that peer, whether it is open or not.
    pub fn reserve(&self, peer: &Peer) -> ConnectionId {
        let mut table = self.table();
        if let Some(&id) = table.aliases.get(peer) {
            return id;
        }
        if let Some(&id) = table.ids.get(peer) {
            table.order.retain(|other| *other != id);
            table.order.push(id);
            return id;
        }
        if table.order.len() >= MAX_PEERS {
            let oldest = table.order.remove(0);
            if let Some(peer) = table.peers.remove(&oldest) {
                table.ids.remove(&peer);
            }
        }
        let id = table.next();
        table.ids.insert(peer.clone(), id);
        table.peers.insert(id, peer.clone());
        table.order.push(id);
        id
    }

    /// From now on the connection `id`, which the peer opened, is the one to it (RFC 5923).
    pub fn alias(&self, peer: Peer, id: ConnectionId) {
        let mut table = self.table();
        if table.aliases.len() < MAX_PEERS {
            table.aliases.insert(peer, id);
        }
    }

    /// The connection `id`, which the peer opened, has ended.
    pub fn forget(&self, id: ConnectionId) {
        self.table().aliases.retain(|_, other| *other != id);
    }

    /// Whom a reserved id stands for.
    pub fn find(&self, id: ConnectionId) -> Option<Peer> {
        self.table().peers.get(&id).cloned()
    }
}

impl Table {
    fn next(&mut self) -> ConnectionId {
        self.last += 1;
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(host: &str) -> Peer {
        let addr = "192.0.2.7:5061".parse().unwrap();
        Peer { transport: Transport::Tls, addr, host: host.to_owned() }
    }

    #[test]
    fn a_peer_keeps_its_id_and_another_name_has_another() {
        let peers = Peers::default();
        let (one, two) = (peers.reserve(&peer("a")), peers.reserve(&peer("b")));
        assert_ne!(one, two);
        assert_eq!(peers.reserve(&peer("a")), one);
        assert_eq!(peers.find(two), Some(peer("b")));
        assert_eq!(peers.find(peers.new_id()), None);
    }

    #[test]
    fn the_peer_s_own_connection_is_used_while_it_is_open() {
        let peers = Peers::default();
        let own = peers.reserve(&peer("a"));
        let theirs = peers.new_id();
        peers.alias(peer("a"), theirs);
        assert_eq!(peers.reserve(&peer("a")), theirs);
        assert_eq!(peers.find(theirs), None, "only the peer can open it again");
        peers.forget(theirs);
        assert_eq!(peers.reserve(&peer("a")), own);
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_oldest() {
        let peers = Peers::default();
        let ids: Vec<_> = (0..MAX_PEERS).map(|n| peers.reserve(&peer(&format!("h{n}")))).collect();
        peers.reserve(&peer("h0"));
        peers.reserve(&peer("one more"));
        assert_eq!(peers.find(ids[0]), Some(peer("h0")));
        assert_eq!(peers.find(ids[1]), None);
        assert_eq!(peers.table().ids.len(), MAX_PEERS);
    }
}
