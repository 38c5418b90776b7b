//! The chain of packets in one datagram (RFC 3550 §6.1, A.2), and the pen that writes one.
//!
//! [`parse`] walks the chain once and refuses it if version, lengths or padding are wrong; what it
//! gives can then be iterated without failing. Unlike A.2 the first packet need not be a report:
//! reduced-size RTCP (RFC 5506) is in use, and a lone BYE must not be missed.

use super::error::Error;
use super::rr::{BLOCK_BYTES, ReportBlocks};
use super::sdes::Sdes;
use super::sr::{SENDER_INFO_BYTES, SenderInfo};
use super::{Bye, sr};
use crate::rtp::Ssrc;

pub(super) const SENDER_REPORT: u8 = 200;
pub(super) const RECEIVER_REPORT: u8 = 201;
pub(super) const SOURCE_DESCRIPTION: u8 = 202;
pub(super) const GOODBYE: u8 = 203;

/// Bytes before the body of every RTCP packet.
pub(super) const HEADER_BYTES: usize = 4;

/// One packet of a compound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    /// SR (RFC 3550 §6.4.1).
    SenderReport {
        /// Who reports.
        ssrc: Ssrc,
        /// What it has sent.
        info: SenderInfo,
        /// What it receives.
        blocks: ReportBlocks<'a>,
    },
    /// RR (RFC 3550 §6.4.2).
    ReceiverReport {
        /// Who reports.
        ssrc: Ssrc,
        /// What it receives.
        blocks: ReportBlocks<'a>,
    },
    /// SDES (RFC 3550 §6.5).
    SourceDescription(Sdes<'a>),
    /// BYE (RFC 3550 §6.6).
    Goodbye(Bye<'a>),
    /// Something else, or too short for its own type.
    Other {
        /// The type octet.
        packet_type: u8,
    },
}

/// The packets of one datagram, in order. Made by [`parse`].
#[derive(Debug, Clone)]
pub struct Compound<'a> {
    rest: &'a [u8],
}

/// Whether a datagram on a muxed port is RTCP rather than RTP (RFC 5761 §4).
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [first, 192..=223, ..] if first >> 6 == 2)
}

/// Checks a datagram and gives its packets.
///
/// # Errors
/// [`Error::Malformed`] unless it is a chain of packets of version 2 that ends where the datagram
/// ends, with padding on the last one only.
pub fn parse(datagram: &[u8]) -> Result<Compound<'_>, Error> {
    let mut at = 0;
    loop {
        let malformed = Error::Malformed { at, have: datagram.len() };
        let rest = datagram.get(at..).unwrap_or_default();
        let raw = Raw::split(rest).ok_or(malformed)?;
        at += raw.whole.len();
        let is_last = at == datagram.len();
        if raw.body().is_none() || (raw.is_padded() && !is_last) {
            return Err(malformed);
        }
        if is_last {
            return Ok(Compound { rest: datagram });
        }
    }
}

impl<'a> Iterator for Compound<'a> {
    type Item = Packet<'a>;

    fn next(&mut self) -> Option<Packet<'a>> {
        let raw = Raw::split(self.rest)?;
        self.rest = self.rest.get(raw.whole.len()..).unwrap_or_default();
        let packet = raw.body().and_then(|body| raw.read(body));
        Some(packet.unwrap_or(Packet::Other { packet_type: raw.packet_type }))
    }
}

/// One packet with its header taken apart.
struct Raw<'a> {
    first: u8,
    packet_type: u8,
    /// Header, body and padding.
    whole: &'a [u8],
}

impl<'a> Raw<'a> {
    /// The first packet of `bytes`, if it is of version 2, of an RTCP type, and whole.
    fn split(bytes: &'a [u8]) -> Option<Self> {
        let (&[first, packet_type, high, low], _) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        if !is_rtcp(bytes) {
            return None;
        }
        let words = usize::from(u16::from_be_bytes([high, low]));
        let whole = bytes.get(..HEADER_BYTES + words * 4)?;
        Some(Self { first, packet_type, whole })
    }

    fn is_padded(&self) -> bool {
        self.first & 0x20 != 0
    }

    /// The five-bit count of blocks, chunks or sources.
    fn count(&self) -> usize {
        usize::from(self.first & 0x1f)
    }

    /// What lies between header and padding. `None` if the padding is not a count of whole words
    /// that fits (RFC 3550 §6.4.1).
    fn body(&self) -> Option<&'a [u8]> {
        let padded = self.whole.get(HEADER_BYTES..)?;
        if !self.is_padded() {
            return Some(padded);
        }
        let padding = usize::from(*padded.last()?);
        if padding == 0 || padding % 4 != 0 {
            return None;
        }
        padded.get(..padded.len().checked_sub(padding)?)
    }

    fn read(&self, body: &'a [u8]) -> Option<Packet<'a>> {
        match self.packet_type {
            SENDER_REPORT => {
                let (ssrc, rest) = split_ssrc(body)?;
                let (info, rest) = rest.split_first_chunk::<SENDER_INFO_BYTES>()?;
                let blocks = ReportBlocks::new(self.count(), rest);
                Some(Packet::SenderReport { ssrc, info: sr::read_info(info), blocks })
            }
            RECEIVER_REPORT => {
                let (ssrc, rest) = split_ssrc(body)?;
                Some(Packet::ReceiverReport { ssrc, blocks: ReportBlocks::new(self.count(), rest) })
            }
            SOURCE_DESCRIPTION => Some(Packet::SourceDescription(Sdes::new(self.count(), body))),
            GOODBYE => Some(Packet::Goodbye(Bye::new(self.count(), body))),
            _ => None,
        }
    }
}

/// Takes an SSRC off the front.
pub(super) fn split_ssrc(bytes: &[u8]) -> Option<(Ssrc, &[u8])> {
    let (ssrc, rest) = bytes.split_first_chunk::<4>()?;
    Some((Ssrc(u32::from_be_bytes(*ssrc)), rest))
}

/// Writes into a buffer and counts on beyond its end, so that the error can say what was needed.
pub(super) struct Writer<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn new(out: &'a mut [u8]) -> Self {
        Self { out, len: 0 }
    }

    /// The header of a packet whose body will have `body` bytes, a multiple of 4.
    pub(super) fn header(&mut self, count: usize, packet_type: u8, body: usize) {
        let [high, low] = ((body / 4) as u16).to_be_bytes();
        self.put(&[0x80 | (count as u8 & 0x1f), packet_type, high, low]);
    }

    pub(super) fn put(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        if let Some(place) = self.out.get_mut(self.len..end) {
            place.copy_from_slice(bytes);
        }
        self.len = end;
    }

    pub(super) fn put_u32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }

    /// The number of bytes written, if they all fitted.
    pub(super) fn finish(self) -> Result<usize, Error> {
        if self.len > self.out.len() {
            return Err(Error::BufferTooSmall { need: self.len, have: self.out.len() });
        }
        Ok(self.len)
    }
}

/// The most blocks one report holds: the count has five bits.
pub(super) const MAX_BLOCKS: usize = 31;

/// Body bytes of a report.
pub(super) const fn report_body(has_sender: bool, blocks: usize) -> usize {
    4 + if has_sender { SENDER_INFO_BYTES } else { 0 } + blocks * BLOCK_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EMPTY_RR: [u8; 8] = [0x80, 201, 0, 1, 0, 0, 0, 9];

    #[test]
    fn a_chain_that_does_not_fill_the_datagram_is_refused() {
        let cases: [(&str, &[u8], usize); 10] = [
            ("empty", &[], 0),
            ("three bytes", &[0x80, 201, 0], 0),
            ("version 1", &[0x40, 201, 0, 1, 0, 0, 0, 9], 0),
            ("an rtp packet", &[0x80, 0, 0, 1, 0, 0, 0, 9], 0),
            ("longer than the datagram", &[0x80, 201, 0, 2, 0, 0, 0, 9], 0),
            ("a stray byte behind", &[0x80, 201, 0, 1, 0, 0, 0, 9, 0], 8),
            ("padding on the first of two", &[0xa0, 201, 0, 1, 0, 0, 0, 4, 0x80, 203, 0, 0], 0),
            ("padding of nothing", &[0xa0, 201, 0, 1, 0, 0, 0, 0], 0),
            ("padding of half a word", &[0xa0, 201, 0, 2, 0, 0, 0, 9, 0, 0, 0, 2], 0),
            ("padding beyond the body", &[0xa0, 201, 0, 1, 0, 0, 0, 8], 0),
        ];
        for (name, bytes, at) in cases {
            let refused = parse(bytes).map(Iterator::count);
            assert_eq!(refused, Err(Error::Malformed { at, have: bytes.len() }), "{name}");
        }
    }

    #[test]
    fn padding_behind_the_last_packet_is_dropped() {
        let mut bytes = EMPTY_RR.to_vec();
        bytes.extend([0xa1, 203, 0, 2, 0, 0, 0, 9, 0, 0, 0, 4]);
        let packets: Vec<_> = parse(&bytes).unwrap().collect();
        let Packet::Goodbye(bye) = packets[1] else { panic!("{packets:?}") };
        assert_eq!(bye.sources().collect::<Vec<_>>(), [Ssrc(9)]);
        assert_eq!(bye.reason(), None);
    }

    #[test]
    fn unknown_types_and_short_reports_are_stepped_over() {
        let mut bytes = vec![0x80, 204, 0, 2, 0, 0, 0, 9, b't', b'e', b's', b't']; // APP
        bytes.extend([0x80, 200, 0, 1, 0, 0, 0, 9]); // SR without sender info
        bytes.extend(EMPTY_RR);
        let packets: Vec<_> = parse(&bytes).unwrap().collect();
        assert_eq!(packets[0], Packet::Other { packet_type: 204 });
        assert_eq!(packets[1], Packet::Other { packet_type: 200 });
        let Packet::ReceiverReport { ssrc: Ssrc(9), blocks } = packets[2] else { panic!() };
        assert_eq!(blocks.count(), 0);
    }

    #[test]
    fn muxed_datagrams_are_told_apart_by_the_second_byte() {
        assert!(is_rtcp(&EMPTY_RR));
        assert!(!is_rtcp(&[0x80, 0x80, 0, 1])); // PCMU with marker
        assert!(!is_rtcp(&[0x80, 101, 0, 1]));
        assert!(!is_rtcp(&[0x80]));
        assert!(!is_rtcp(&[0x00, 201]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            count in 0u8..32, packet_type in 198u8..208,
        ) {
            let _ = parse(&bytes).map(read_all);
            // The same bytes with a header that lets them in.
            let words = bytes.len() / 4;
            let mut framed = vec![0x80 | count, packet_type, 0, words as u8];
            framed.extend(&bytes[..words * 4]);
            prop_assert_eq!(parse(&framed).map(read_all), Ok(1));
            framed[0] |= 0x20;
            let _ = parse(&framed).map(read_all);
        }
    }

    /// Looks at everything there is to see.
    fn read_all(compound: Compound<'_>) -> usize {
        let mut packets = 0;
        for packet in compound {
            packets += 1;
            match packet {
                Packet::SenderReport { blocks, .. } | Packet::ReceiverReport { blocks, .. } => {
                    assert!(blocks.count() <= MAX_BLOCKS);
                    for block in blocks {
                        let _ = block.round_trip(crate::time::NtpTime(u64::MAX / 3));
                    }
                }
                Packet::SourceDescription(sdes) => {
                    sdes.cnames().for_each(|(_, cname)| assert!(cname.len() < 256));
                }
                Packet::Goodbye(bye) => {
                    assert!(bye.sources().count() <= MAX_BLOCKS);
                    let _ = bye.reason();
                }
                Packet::Other { .. } => {}
            }
        }
        packets
    }
}
