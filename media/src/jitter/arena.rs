//! Where waiting payloads lie: one block of bytes, filled from the front, closed up when it is full.
//!
//! Payloads differ in length by a factor of a hundred (a SILK frame, 60 ms of G.711), so that slots of
//! one length would waste most of a seat's memory.

use super::Entry;

/// The bytes of all waiting payloads. Which bytes are whose, the entries know.
#[derive(Debug)]
pub(super) struct Arena {
    bytes: Box<[u8]>,
    /// Everything from here on is free.
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
            larger[..self.end].copy_from_slice(&self.bytes[..self.end]);
            self.bytes = larger;
        }
    }

    pub(super) fn clear(&mut self) {
        self.end = 0;
    }

    /// Copies a payload in and gives its offset. `None` if there is no room at the end.
    pub(super) fn put(&mut self, payload: &[u8]) -> Option<u16> {
        let start = self.end;
        self.bytes.get_mut(start..start + payload.len())?.copy_from_slice(payload);
        self.end += payload.len();
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
        let offsets: Vec<_> = [[1u8; 4], [2; 4], [3; 4]].iter().map(|p| arena.put(p)).collect();
        assert_eq!(offsets, [Some(0), Some(4), Some(8)]);
        assert_eq!(arena.put(&[9]), None);
        let mut entries = [entry(8, 4), entry(4, 4), entry(0, 0)];
        arena.close_up(&mut entries);
        assert_eq!(arena.get(&entries[0]), [3; 4]);
        assert_eq!(arena.get(&entries[1]), [2; 4]);
        assert_eq!(arena.put(&[5; 4]), Some(8));
        assert_eq!(arena.put(&[6]), None);
    }

    #[test]
    fn growing_keeps_what_is_there() {
        let mut arena = Arena::new();
        arena.reserve(2);
        assert_eq!(arena.put(&[7, 8]), Some(0));
        arena.reserve(4);
        arena.reserve(3);
        assert_eq!(arena.put(&[9, 9]), Some(2));
        assert_eq!(arena.get(&entry(0, 2)), [7, 8]);
    }
}
