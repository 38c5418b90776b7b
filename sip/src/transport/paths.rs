//! Who is on which path, so that one that breaks costs no look at all the others: a peer that opens and
//! closes connections must not have us walk through every call each time.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::net::SocketAddr;

use super::kind::{Flow, Transport};

/// Each has one path or none.
#[derive(Debug)]
pub(crate) struct Paths<T> {
    of: HashMap<T, Flow>,
    by_peer: HashMap<(Transport, SocketAddr), BTreeSet<T>>,
    by_connection: HashMap<u64, BTreeSet<T>>,
}

impl<T: Copy + Ord + Hash> Paths<T> {
    pub(crate) fn new() -> Self {
        Self { of: HashMap::new(), by_peer: HashMap::new(), by_connection: HashMap::new() }
    }

    /// Sets or clears the path of one.
    pub(crate) fn set(&mut self, who: T, flow: Option<Flow>) {
        if self.of.get(&who).copied() == flow {
            return;
        }
        if let Some(before) = self.of.remove(&who) {
            take(&mut self.by_peer, &(before.transport, before.peer), &who);
            if let Some(connection) = before.connection {
                take(&mut self.by_connection, &connection, &who);
            }
        }
        if let Some(flow) = flow {
            self.of.insert(who, flow);
            self.by_peer.entry((flow.transport, flow.peer)).or_default().insert(who);
            if let Some(connection) = flow.connection {
                self.by_connection.entry(connection).or_default().insert(who);
            }
        }
    }

    /// All that are on the same path as this, in order of their names.
    pub(crate) fn on(&self, flow: &Flow) -> Vec<T> {
        let peers = self.by_peer.get(&(flow.transport, flow.peer));
        let connections = flow.connection.and_then(|id| self.by_connection.get(&id));
        let is_there = |who: &&T| self.of.get(who).is_some_and(|other| other.is_same_path(flow));
        let found: BTreeSet<T> =
            peers.into_iter().chain(connections).flatten().filter(is_there).copied().collect();
        found.into_iter().collect()
    }
}

#[cfg(test)]
impl<T> Paths<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.of.is_empty() && self.by_peer.is_empty() && self.by_connection.is_empty()
    }
}

fn take<K: Eq + Hash, T: Ord>(sets: &mut HashMap<K, BTreeSet<T>>, key: &K, who: &T) {
    if let Some(set) = sets.get_mut(key) {
        set.remove(who);
        if set.is_empty() {
            sets.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_on_a_path_are_found_and_nothing_is_kept_of_the_others() {
        let local = "192.0.2.1:5060".parse().unwrap();
        let flow = |peer: &str, connection| Flow::tcp(local, peer.parse().unwrap(), connection);
        let (near, far) = ("192.0.2.2:1", "192.0.2.3:1");
        let mut paths = Paths::new();
        for (who, flow) in [
            (1, flow(near, Some(7))),
            (2, flow(near, None)),
            (3, flow(near, Some(8))),
            (4, flow(far, Some(7))),
            (5, Flow::udp(local, near.parse().unwrap())),
        ] {
            paths.set(who, Some(flow));
        }
        assert_eq!(paths.on(&flow(near, Some(7))), [1, 2, 4]);
        assert_eq!(paths.on(&flow(near, None)), [1, 2, 3]);
        assert_eq!(paths.on(&Flow::udp(local, near.parse().unwrap())), [5]);
        assert!(paths.on(&flow(far, Some(9))).is_empty());
        paths.set(1, Some(flow(far, Some(9))));
        assert_eq!(paths.on(&flow(near, Some(7))), [2, 4]);
        assert_eq!(paths.on(&flow(far, Some(9))), [1]);
        (1..=5).for_each(|who| paths.set(who, None));
        assert!(paths.is_empty());
    }
}
