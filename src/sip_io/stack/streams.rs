//! The way out over connections: a queue for each that is open, and what waits for one that is being
//! opened.
//!
//! An id may be opened again while the connection it named before is still ending, so each opening has
//! a number of its own: the end of the old one does not take the new one along.

use std::collections::HashMap;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::sip_io::peers::ConnectionId;

/// Messages kept for one connection while it opens.
const MAX_OPENING: usize = 16;

#[derive(Default)]
pub(super) struct Streams {
    open: HashMap<ConnectionId, (u64, mpsc::Sender<Bytes>)>,
    opening: HashMap<ConnectionId, (u64, Vec<Bytes>)>,
}

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// It is on its way, or waits until the connection is open.
    Taken,
    /// The peer does not read, or is gone: the connection is given up.
    Lost,
    /// No such connection; here it is again.
    Closed(Bytes),
}

impl Streams {
    pub(super) fn is_open(&self, id: ConnectionId) -> bool {
        self.open.contains_key(&id)
    }

    pub(super) fn send(&mut self, id: ConnectionId, bytes: Bytes) -> Sent {
        if let Some((_, writer)) = self.open.get(&id) {
            if writer.try_send(bytes).is_ok() {
                return Sent::Taken;
            }
            self.open.remove(&id);
            return Sent::Lost;
        }
        match self.opening.get_mut(&id) {
            Some((_, waiting)) if waiting.len() < MAX_OPENING => {
                waiting.push(bytes);
                Sent::Taken
            }
            Some(_) => Sent::Taken,
            None => Sent::Closed(bytes),
        }
    }

    /// Connection `id` is being opened, for the `run`-th time, to send this.
    pub(super) fn begin(&mut self, id: ConnectionId, run: u64, bytes: Bytes) {
        self.opening.insert(id, (run, vec![bytes]));
    }

    pub(super) fn opened(&mut self, id: ConnectionId, run: u64, writer: mpsc::Sender<Bytes>) {
        let waiting = self.opening.remove(&id).map(|(_, waiting)| waiting);
        for bytes in waiting.unwrap_or_default() {
            // The queue is empty and longer than what may wait.
            let _ = writer.try_send(bytes);
        }
        self.open.insert(id, (run, writer));
    }

    /// It has ended, or could not be opened. False if the id names another one by now.
    pub(super) fn closed(&mut self, id: ConnectionId, run: u64) -> bool {
        let open = self.open.get(&id).map(|(run, _)| *run);
        let opening = self.opening.get(&id).map(|(run, _)| *run);
        if [open, opening].into_iter().flatten().any(|other| other != run) {
            return false;
        }
        self.open.remove(&id);
        self.opening.remove(&id);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: ConnectionId = 7;

    fn text(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    #[test]
    fn the_end_of_the_old_connection_does_not_take_the_new_one_along() {
        let mut streams = Streams::default();
        let (writer, queue) = mpsc::channel(64);
        assert_eq!(streams.send(ID, text("a")), Sent::Closed(text("a")));
        streams.begin(ID, 1, text("a"));
        streams.opened(ID, 1, writer);
        // The peer is gone; its task has not said so yet.
        drop(queue);
        assert_eq!(streams.send(ID, text("b")), Sent::Lost);
        assert_eq!(streams.send(ID, text("c")), Sent::Closed(text("c")));
        streams.begin(ID, 2, text("c"));
        assert!(!streams.closed(ID, 1));
        let (writer, mut queue) = mpsc::channel(64);
        streams.opened(ID, 2, writer);
        assert!(!streams.closed(ID, 1));
        assert_eq!(streams.send(ID, text("d")), Sent::Taken);
        assert_eq!((queue.try_recv(), queue.try_recv()), (Ok(text("c")), Ok(text("d"))));
        assert!(streams.closed(ID, 2) && !streams.is_open(ID));
        assert!(streams.open.is_empty() && streams.opening.is_empty());
    }

    #[test]
    fn what_waits_for_a_connection_is_bounded() {
        let mut streams = Streams::default();
        streams.begin(ID, 1, text("a"));
        for _ in 0..100 {
            assert_eq!(streams.send(ID, text("a")), Sent::Taken);
        }
        assert_eq!(streams.opening[&ID].1.len(), MAX_OPENING);
        assert!(streams.closed(ID, 1), "it could not be opened");
        assert_eq!(streams.send(ID, text("b")), Sent::Closed(text("b")));
    }
}
