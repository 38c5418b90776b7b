//! Where waiting payloads lie: one block of bytes, used round and round, closed up when it is full.
//!
//! Payloads differ in length by a factor of a hundred (a SILK frame, 60 ms of G.711), so that slots of
//! one length would waste most of a seat's memory.

use super::Entry;

/// The bytes of all waiting payloads. Which bytes are whose, the entries know.
#[derive(Debug)]
pub(super) struct Arena {
    bytes: Box<[u8]>,
    /// Where the newest payload ends.
    end: usize,
}

impl Arena {
    /// The most an offset in an entry can say.
    const MAX_BYTES: usize = u16::MAX as usize;

    /// Takes nothing yet.
    pub(super) fn new() -> Self {
        Self { bytes: Box::default(), end: 0 }
    }

    /// Makes room for so many bytes in all; never gives room back.
    pub(super) fn reserve(&mut self, bytes: usize) {
        let bytes = bytes.min(Self::MAX_BYTES);
        if bytes > self.bytes.len() {
            let mut larger = vec![0; bytes].into_boxed_slice();
            larger[..self.bytes.len()].copy_from_slice(&self.bytes);
            self.bytes = larger;
        }
    }

    pub(super) fn clear(&mut self) {
        self.end = 0;
    }

    /// Copies a payload in and gives its offset. `None` if there is no room beside those of `live`.
    pub(super) fn put(&mut self, payload: &[u8], live: &[Entry]) -> Option<u16> {
        let (mut front, mut next) = (self.bytes.len(), self.bytes.len());
        for entry in live.iter().filter(|entry| entry.len > 0) {
            let offset = usize::from(entry.offset);
            front = front.min(offset);
            if offset >= self.end {
                next = next.min(offset);
            }
        }
        // The front first: a stream then lives in the few hundred bytes that are in the cache.
        let start = if payload.len() <= front { 0 } else { self.end };
        let bound = if start == 0 { front } else { next };
        self.bytes.get_mut(start..bound)?.get_mut(..payload.len())?.copy_from_slice(payload);
        self.end = start + payload.len();
        Some(start as u16)
    }

    pub(super) fn get(&self, entry: &Entry) -> &[u8] {
        let start = usize::from(entry.offset);
        &self.bytes[start..start + usize::from(entry.len)]
    }

    /// Moves all payloads to the front, closing the gaps that played ones left.
    pub(super) fn close_up(&mut self, entries: &mut [Entry]) {
        self.end = 0;
        let mut from = 0;
        // Lowest offset first, so that nothing is overwritten before it was moved.
        while let Some(entry) = entries
            .iter_mut()
            .filter(|entry| entry.len > 0 && usize::from(entry.offset) >= from)
            .min_by_key(|entry| entry.offset)
        {
            let (start, len) = (usize::from(entry.offset), usize::from(entry.len));
            self.bytes.copy_within(start..start + len, self.end);
            entry.offset = self.end as u16;
            self.end += len;
            from = start + len;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(offset: u16, len: u16) -> Entry {
        Entry { offset, len, ..Entry::EMPTY }
    }

    #[test]
    fn closing_up_keeps_every_payload_whatever_the_order_of_the_entries() {
        let mut arena = Arena::new();
        arena.reserve(12);
        let mut live = Vec::new();
        for n in 1..=3u8 {
            let offset = arena.put(&[n; 4], &live).unwrap();
            live.push(entry(offset, 4));
        }
        assert_eq!(arena.put(&[9], &live), None);
        live.remove(0); // 4 bytes are free at the front
        live.reverse();
        assert_eq!(arena.put(&[9; 5], &live), None);
        arena.close_up(&mut live);
        assert_eq!(arena.get(&live[0]), [3; 4]);
        assert_eq!(arena.get(&live[1]), [2; 4]);
        let offset = arena.put(&[5; 4], &live).unwrap();
        live.push(entry(offset, 4));
        assert_eq!(arena.put(&[6], &live), None);
        assert_eq!(live.iter().map(|e| arena.get(e)[0]).collect::<Vec<_>>(), [3, 2, 5]);
    }

    #[test]
    fn two_waiting_payloads_take_no_more_than_their_own_room() {
        let mut arena = Arena::new();
        arena.reserve(2_560);
        let mut live = std::collections::VecDeque::new();
        for n in 0..100u8 {
            let offset = arena.put(&[n; 160], live.make_contiguous()).unwrap();
            live.push_back(entry(offset, 160));
            assert!(offset <= 320);
            if live.len() > 2 {
                live.pop_front();
            }
            assert!(live.iter().zip(n.saturating_sub(1)..).all(|(e, n)| arena.get(e)[0] == n));
        }
    }

    #[test]
    fn growing_keeps_what_is_there() {
        let mut arena = Arena::new();
        arena.reserve(2);
        let live = [entry(arena.put(&[7, 8], &[]).unwrap(), 2)];
        arena.reserve(4);
        arena.reserve(3);
        assert_eq!(arena.put(&[9, 9], &live), Some(2));
        assert_eq!(arena.get(&live[0]), [7, 8]);
    }
}
