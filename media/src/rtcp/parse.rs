//! Reading compound packets (RFC 3550 §6.1, checks of A.2).

#![warn(clippy::indexing_slicing)]

use super::{GOODBYE, RECEIVER_REPORT, ReportBlock, SENDER_REPORT, SOURCE_DESCRIPTION, SenderInfo};
use crate::error::Error;
use crate::rtp::Ssrc;
use crate::time::{NtpTime, RtpTime};

/// One packet of a compound.
#[derive(Debug, Clone)]
pub enum Item<'a> {
    /// A peer that sends.
    SenderReport {
        /// Who.
        ssrc: Ssrc,
        /// About its own stream.
        info: SenderInfo,
        /// About what it receives.
        blocks: ReportBlocks<'a>,
    },
    /// A peer that only receives.
    ReceiverReport {
        /// Who.
        ssrc: Ssrc,
        /// About what it receives.
        blocks: ReportBlocks<'a>,
    },
    /// The canonical name of the first chunk.
    Description {
        /// Who.
        ssrc: Ssrc,
        /// CNAME, at most 255 bytes; empty if there is none.
        cname: &'a [u8],
    },
    /// The sources that leave.
    Goodbye {
        /// Four bytes each.
        ssrcs: Sources<'a>,
    },
    /// Another packet type, skipped.
    Other {
        /// Its type.
        packet_type: u8,
    },
}

/// Report blocks, read as they are asked for; at most 31.
#[derive(Debug, Clone)]
pub struct ReportBlocks<'a>(&'a [u8]);

/// SSRCs, read as they are asked for; at most 31.
#[derive(Debug, Clone)]
pub struct Sources<'a>(&'a [u8]);

/// A checked compound packet: iterate for its items.
#[derive(Debug, Clone)]
pub struct Compound<'a>(&'a [u8]);

/// Checks a datagram as A.2 does: version 2 throughout, a report first, padding only at the end,
/// lengths that add up, and every packet long enough for its counts.
///
/// # Errors
/// [`Error::MalformedRtcp`] with the place.
pub fn parse(datagram: &[u8]) -> Result<Compound<'_>, Error> {
    let have = datagram.len();
    let mut rest = datagram;
    loop {
        let at = have - rest.len();
        let malformed = Error::MalformedRtcp { at, have };
        let Some((packet, after)) = split(rest) else { return Err(malformed) };
        let is_report = matches!(packet.kind, SENDER_REPORT | RECEIVER_REPORT);
        if (at == 0 && !is_report)
            || (packet.is_padded && !after.is_empty())
            || packet.item().is_none()
        {
            return Err(malformed);
        }
        if after.is_empty() {
            return Ok(Compound(datagram));
        }
        rest = after;
    }
}

impl<'a> Iterator for Compound<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        let (packet, after) = split(self.0)?;
        self.0 = after;
        packet.item()
    }
}

impl Iterator for ReportBlocks<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        let mut fields = Fields(self.0);
        let ssrc = Ssrc(fields.word()?);
        let loss = fields.word()?;
        let block = ReportBlock {
            ssrc,
            fraction_lost: (loss >> 24) as u8,
            cumulative_lost: ((loss << 8) as i32) >> 8, // sign of the 24 bits
            highest_seq: fields.word()?,
            jitter: fields.word()?,
            last_sr: fields.word()?,
            delay_since_last_sr: fields.word()?,
        };
        self.0 = fields.0;
        Some(block)
    }
}

impl Iterator for Sources<'_> {
    type Item = Ssrc;

    fn next(&mut self) -> Option<Ssrc> {
        let mut fields = Fields(self.0);
        let ssrc = fields.word()?;
        self.0 = fields.0;
        Some(Ssrc(ssrc))
    }
}

/// One packet between its header and the next.
struct RawPacket<'a> {
    kind: u8,
    count: usize,
    is_padded: bool,
    body: &'a [u8],
}

/// Takes the first packet off a compound.
fn split(bytes: &[u8]) -> Option<(RawPacket<'_>, &[u8])> {
    let (&[first, kind, high, low], _) = bytes.split_first_chunk()?;
    if first >> 6 != 2 || !(192..=223).contains(&kind) {
        return None;
    }
    let len = (usize::from(u16::from_be_bytes([high, low])) + 1) * 4;
    let (packet, after) = bytes.split_at_checked(len)?;
    let is_padded = first & 0x20 != 0;
    let padding = if is_padded { usize::from(*packet.last()?) } else { 0 };
    if is_padded && padding == 0 {
        return None;
    }
    let body = packet.get(4..len.checked_sub(padding)?)?;
    Some((RawPacket { kind, count: usize::from(first & 0x1f), is_padded, body }, after))
}

impl<'a> RawPacket<'a> {
    fn item(&self) -> Option<Item<'a>> {
        let mut fields = Fields(self.body);
        Some(match self.kind {
            SENDER_REPORT => Item::SenderReport {
                ssrc: Ssrc(fields.word()?),
                info: SenderInfo {
                    ntp: NtpTime((u64::from(fields.word()?) << 32) | u64::from(fields.word()?)),
                    rtp: RtpTime(fields.word()?),
                    packets: fields.word()?,
                    octets: fields.word()?,
                },
                blocks: ReportBlocks(fields.take(self.count * 24)?),
            },
            RECEIVER_REPORT => Item::ReceiverReport {
                ssrc: Ssrc(fields.word()?),
                blocks: ReportBlocks(fields.take(self.count * 24)?),
            },
            SOURCE_DESCRIPTION if self.count > 0 => {
                Item::Description { ssrc: Ssrc(fields.word()?), cname: fields.cname()? }
            }
            GOODBYE => Item::Goodbye { ssrcs: Sources(fields.take(self.count * 4)?) },
            packet_type => Item::Other { packet_type },
        })
    }
}

/// Reads big-endian fields off the front.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn word(&mut self) -> Option<u32> {
        let (&bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(bytes))
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// The CNAME among the items of one chunk (RFC 3550 §6.5); empty if the chunk has none.
    fn cname(&mut self) -> Option<&'a [u8]> {
        loop {
            match self.take(1)? {
                [0] => return Some(&[]),
                kind => {
                    let &[len] = self.take(1)? else { return None };
                    let text = self.take(usize::from(len))?;
                    if kind == [1] {
                        return Some(text);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::super::{Report, write_bye, write_report};
    use super::*;
    use proptest::prelude::*;

    fn block(ssrc: u32, lost: i32) -> ReportBlock {
        ReportBlock {
            ssrc: Ssrc(ssrc),
            fraction_lost: 12,
            cumulative_lost: lost,
            highest_seq: 70_000,
            jitter: 33,
            last_sr: 0x0102_0304,
            delay_since_last_sr: 65_536,
        }
    }

    #[test]
    fn a_sender_report_reads_back_and_names_its_sender() {
        let info =
            SenderInfo { ntp: NtpTime(99 << 30), rtp: RtpTime(5), packets: 7, octets: 1_120 };
        let report =
            Report { ssrc: Ssrc(9), sender: Some(info), block: Some(block(4, -3)), cname: "x@y" };
        let mut out = [0; 200];
        let len = write_report(&report, &mut out).unwrap();
        let items: Vec<_> = parse(&out[..len]).unwrap().collect();
        assert!(matches!(&items[0], Item::SenderReport { ssrc: Ssrc(9), info: seen, blocks }
            if *seen == info && blocks.clone().collect::<Vec<_>>() == [block(4, -3)]));
        assert!(matches!(&items[1], Item::Description { ssrc: Ssrc(9), cname: b"x@y" }));
        assert_eq!(items.len(), 2);
    }

    #[test]
    fn a_goodbye_names_who_leaves() {
        let report = Report { ssrc: Ssrc(9), sender: None, block: None, cname: "c" };
        let mut out = [0; 200];
        let len = write_bye(&report, &mut out).unwrap();
        let items: Vec<_> = parse(&out[..len]).unwrap().collect();
        assert!(
            matches!(&items[0], Item::ReceiverReport { blocks, .. } if blocks.clone().count() == 0)
        );
        assert!(matches!(&items[2], Item::Goodbye { ssrcs } if ssrcs.clone().eq([Ssrc(9)])));
    }

    #[test]
    fn malformed_compounds_are_refused() {
        let rr = [0x80, 201, 0, 1, 0, 0, 0, 9];
        let with = |tail: &[u8]| [&rr[..], tail].concat();
        let cases: [(&str, Vec<u8>); 10] = [
            ("empty", vec![]),
            ("three bytes", vec![0x80, 201, 0]),
            ("version 1", vec![0x40, 201, 0, 1, 0, 0, 0, 9]),
            ("not a report first", vec![0x81, 203, 0, 1, 0, 0, 0, 9]),
            ("longer than the datagram", vec![0x80, 201, 0, 2, 0, 0, 0, 9]),
            ("trailing bytes", with(&[1, 2, 3])),
            ("more blocks than bytes", vec![0x81, 201, 0, 1, 0, 0, 0, 9]),
            (
                "padding in the middle",
                [&[0xa0, 201, 0, 2, 0, 0, 0, 9, 0, 0, 0, 4][..], &rr].concat(),
            ),
            ("padding of zero", vec![0xa0, 201, 0, 2, 0, 0, 0, 9, 0, 0, 0, 0]),
            ("cname beyond the chunk", with(&[0x81, 202, 0, 2, 0, 0, 0, 9, 1, 200, 65, 0])),
        ];
        for (name, datagram) in cases {
            assert!(parse(&datagram).is_err(), "{name}");
        }
        assert!(parse(&rr).is_ok());
        let padded = [0xa0, 201, 0, 2, 0, 0, 0, 9, 0, 0, 0, 4];
        assert!(parse(&padded).is_ok());
    }

    #[test]
    fn unknown_types_are_skipped() {
        let datagram = [0x80, 201, 0, 1, 0, 0, 0, 9, 0x81, 205, 0, 2, 0, 0, 0, 9, 0, 0, 0, 1];
        let kinds: Vec<_> = parse(&datagram).unwrap().collect();
        assert!(matches!(kinds[1], Item::Other { packet_type: 205 }));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..160), shape: bool,
        ) {
            if shape && bytes.len() >= 8 {
                bytes[0] = 0x80 | (bytes[0] & 0x3f);
                bytes[1] = 200 + (bytes[1] & 3);
                bytes[2] = 0;
            }
            if let Ok(compound) = parse(&bytes) {
                for item in compound.take(64) {
                    match item {
                        Item::SenderReport { blocks, .. } | Item::ReceiverReport { blocks, .. } => {
                            prop_assert!(blocks.count() <= 31);
                        }
                        Item::Goodbye { ssrcs } => prop_assert!(ssrcs.count() <= 31),
                        Item::Description { .. } | Item::Other { .. } => {}
                    }
                }
            }
        }

        #[test]
        fn report_blocks_read_back(
            ssrc: u32, fraction_lost: u8, lost in -0x80_0000i32..0x7f_ffff, highest_seq: u32,
            jitter: u32, last_sr: u32, delay_since_last_sr: u32, cname in "[a-z0-9@.]{0,40}",
        ) {
            let block = ReportBlock {
                ssrc: Ssrc(ssrc), fraction_lost, cumulative_lost: lost, highest_seq, jitter,
                last_sr, delay_since_last_sr,
            };
            let report = Report { ssrc: Ssrc(1), sender: None, block: Some(block), cname: &cname };
            let mut out = [0; 256];
            let len = write_report(&report, &mut out).unwrap();
            let items: Vec<_> = parse(&out[..len]).unwrap().collect();
            let Item::ReceiverReport { blocks, .. } = &items[0] else { panic!("{items:?}") };
            prop_assert_eq!(blocks.clone().next(), Some(block));
            let Item::Description { cname: seen, .. } = &items[1] else { panic!("{items:?}") };
            prop_assert_eq!(*seen, cname.as_bytes());
        }
    }
}
