//! Source descriptions (RFC 3550 §6.5): we send a CNAME and read CNAMEs, nothing else.

use super::wire::{SOURCE_DESCRIPTION, Writer, split_ssrc};
use crate::rtp::Ssrc;

const CNAME: u8 = 1;

/// The longest CNAME that is written: its length has one octet.
pub const CNAME_BYTES: usize = 255;

/// The chunks of one SDES packet, read in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sdes<'a> {
    chunks: usize,
    bytes: &'a [u8],
}

impl<'a> Sdes<'a> {
    pub(super) const fn new(chunks: usize, bytes: &'a [u8]) -> Self {
        Self { chunks, bytes }
    }

    /// The CNAME of each source that gives one, as it was sent: it need not be UTF-8.
    /// Ends where the packet stops making sense.
    pub fn cnames(self) -> impl Iterator<Item = (Ssrc, &'a [u8])> {
        let mut rest = self.bytes;
        (0..self.chunks)
            .map_while(move |_| {
                let (ssrc, items) = split_ssrc(rest)?;
                let (cname, len) = read_items(items)?;
                // The items end with a zero and fill up to a whole word, counted with the SSRC.
                rest = items.get(len.next_multiple_of(4)..).unwrap_or_default();
                Some((ssrc, cname))
            })
            .filter_map(|(ssrc, cname)| Some((ssrc, cname?)))
    }
}

/// The CNAME among the items of a chunk, and the length of the items with their end mark.
fn read_items(items: &[u8]) -> Option<(Option<&[u8]>, usize)> {
    let mut cname = None;
    let mut at = 0;
    while *items.get(at)? != 0 {
        let len = usize::from(*items.get(at + 1)?);
        let text = items.get(at + 2..at + 2 + len)?;
        if items.get(at) == Some(&CNAME) {
            cname = cname.or(Some(text));
        }
        at += 2 + len;
    }
    Some((cname, at + 1))
}

/// Writes an SDES with one chunk of one item.
pub(super) fn write(ssrc: Ssrc, cname: &str, writer: &mut Writer<'_>) {
    let cname = cname.as_bytes();
    let cname = cname.get(..CNAME_BYTES).unwrap_or(cname);
    let items = 2 + cname.len();
    let filled = (items + 1).next_multiple_of(4);
    writer.header(1, SOURCE_DESCRIPTION, 4 + filled);
    writer.put_u32(ssrc.0);
    writer.put(&[CNAME, cname.len() as u8]);
    writer.put(cname);
    writer.put([0; 4].get(..filled - items).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_of_cname_ends_with_a_zero_on_a_word() {
        for len in 0..=300 {
            let cname = "c".repeat(len);
            let mut out = [0xff; 300];
            let mut writer = Writer::new(&mut out);
            write(Ssrc(5), &cname, &mut writer);
            let written = writer.finish().unwrap();
            assert_eq!(written % 4, 0);
            assert_eq!(out[written - 1], 0);
            assert_eq!(usize::from(out[3]) * 4 + 4, written);
            let read: Vec<_> = Sdes::new(1, &out[4..written]).cnames().collect();
            assert_eq!(read, [(Ssrc(5), &cname.as_bytes()[..len.min(CNAME_BYTES)])]);
        }
    }

    #[test]
    fn cnames_are_found_among_other_items_and_chunks() {
        let mut body = vec![0, 0, 0, 1, 2, 2, b'n', b'm', 1, 1, b'a', 0]; // NAME, CNAME
        body.extend([0, 0, 0, 2, 6, 1, b't', 0]); // TOOL only
        body.extend([0, 0, 0, 3, 1, 2, b'b', b'c', 0, 0, 0, 0]);
        let read: Vec<_> = Sdes::new(3, &body).cnames().collect();
        assert_eq!(read, [(Ssrc(1), &b"a"[..]), (Ssrc(3), &b"bc"[..])]);
    }

    #[test]
    fn reading_ends_at_an_item_that_overruns() {
        let body = [0, 0, 0, 1, 1, 200, b'a', 0];
        assert_eq!(Sdes::new(1, &body).cnames().count(), 0);
        assert_eq!(Sdes::new(31, &[]).cnames().count(), 0);
    }
}
