//! Goodbye (RFC 3550 §6.6): the stream has ended.

use super::error::Error;
use super::sdes;
use super::sr::Report;
use super::wire::{GOODBYE, Writer, split_ssrc};
use crate::rtp::Ssrc;

/// One BYE packet, read in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bye<'a> {
    count: usize,
    bytes: &'a [u8],
}

impl<'a> Bye<'a> {
    pub(super) const fn new(count: usize, bytes: &'a [u8]) -> Self {
        Self { count, bytes }
    }

    /// The streams that have ended.
    pub fn sources(self) -> impl Iterator<Item = Ssrc> {
        let mut rest = self.bytes;
        (0..self.count).map_while(move |_| {
            let (ssrc, behind) = split_ssrc(rest)?;
            rest = behind;
            Some(ssrc)
        })
    }

    /// Why, if the sender says it; need not be UTF-8.
    pub fn reason(self) -> Option<&'a [u8]> {
        let (&len, text) = self.bytes.get(self.count * 4..)?.split_first()?;
        text.get(..usize::from(len)).filter(|text| !text.is_empty())
    }
}

/// Writes a last report, our CNAME and a BYE for our stream; gives the length of the datagram.
///
/// # Errors
/// [`Error::BufferTooSmall`] if `out` cannot hold it.
pub fn write_bye(report: &Report<'_>, cname: &str, out: &mut [u8]) -> Result<usize, Error> {
    let mut writer = Writer::new(out);
    report.write(&mut writer);
    sdes::write(report.ssrc, cname, &mut writer);
    writer.header(1, GOODBYE, 4);
    writer.put_u32(report.ssrc.0);
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::super::{Packet, parse};
    use super::*;

    #[test]
    fn a_goodbye_follows_report_and_cname() {
        let report = Report { ssrc: Ssrc(0x0a0b_0c0d), sender: None, blocks: &[] };
        let mut out = [0; 64];
        let len = write_bye(&report, "c", &mut out).unwrap();
        assert_eq!(out[len - 8..len], [0x81, 203, 0, 1, 0x0a, 0x0b, 0x0c, 0x0d]);
        let packets: Vec<_> = parse(&out[..len]).unwrap().collect();
        assert!(matches!(packets[0], Packet::ReceiverReport { .. }));
        assert!(matches!(packets[1], Packet::SourceDescription(_)));
        assert!(matches!(packets[2], Packet::Goodbye(_)));
        assert_eq!(packets.len(), 3);
    }

    #[test]
    fn several_sources_and_a_reason_are_read() {
        let bye = Bye::new(2, &[0, 0, 0, 1, 0, 0, 0, 2, 3, b'e', b'n', b'd']);
        assert_eq!(bye.sources().collect::<Vec<_>>(), [Ssrc(1), Ssrc(2)]);
        assert_eq!(bye.reason(), Some(&b"end"[..]));
    }

    #[test]
    fn a_count_beyond_the_body_gives_what_is_there() {
        let bye = Bye::new(3, &[0, 0, 0, 1]);
        assert_eq!(bye.sources().collect::<Vec<_>>(), [Ssrc(1)]);
        assert_eq!(bye.reason(), None);
        assert_eq!(Bye::new(0, &[200, b'x', 0, 0]).reason(), None);
    }
}
