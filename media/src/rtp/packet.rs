//! One RTP packet on the wire (RFC 3550 §5.1), read in place and written into a buffer.
//!
//! The reader refuses anything that is not version 2 or whose CSRC list, extension or padding does
//! not fit the datagram; contributing sources are skipped, extensions are read by
//! [`Extensions`](super::Extensions).

use rtp_rs::{RtpPacketBuilder, RtpReader, Seq};

use super::{PayloadType, SeqNo, Ssrc};
use crate::codec::CodecKind;
use crate::error::Error;
use crate::time::RtpTime;

/// Bytes of the header we write: no CSRC, no extension.
pub const HEADER_BYTES: usize = 12;

/// The longest RTP or RTCP datagram we read or write: an Ethernet frame's worth.
pub const MAX_DATAGRAM_BYTES: usize = 1_500;

/// The fields of one packet; the payload stays in the datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// What the payload holds, as negotiated.
    pub payload_type: PayloadType,
    /// For audio: first packet of a talk spurt (RFC 3551 §4.1).
    pub marker: bool,
    /// Counts packets.
    pub seq: SeqNo,
    /// Counts samples: the first one of the payload.
    pub timestamp: RtpTime,
    /// Who sent it.
    pub ssrc: Ssrc,
    /// Without padding; may be empty, which is a keep-alive.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a datagram.
    ///
    /// # Errors
    /// [`Error::NotRtp`] if it is not a well-formed packet of version 2.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, Error> {
        let refuse = || Error::NotRtp {
            have: datagram.len(),
            first: datagram.first().copied().unwrap_or_default(),
        };
        let reader = RtpReader::new(datagram).map_err(|_| refuse())?;
        Ok(Self {
            payload_type: PayloadType(reader.payload_type()),
            marker: reader.mark(),
            seq: SeqNo(u16::from(reader.sequence_number())),
            timestamp: RtpTime(reader.timestamp()),
            ssrc: Ssrc(reader.ssrc()),
            payload: reader.payload(),
        })
    }

    /// Writes header and payload; gives the length of the datagram.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`] if `out` cannot hold it.
    pub fn write(&self, out: &mut [u8]) -> Result<usize, Error> {
        let have = out.len();
        RtpPacketBuilder::new()
            .payload_type(self.payload_type.0 & 0x7f)
            .marked(self.marker)
            .sequence(Seq::from(self.seq.0))
            .timestamp(self.timestamp.0)
            .ssrc(self.ssrc.0)
            .payload(self.payload)
            .build_into(out)
            .map_err(|_| Error::BufferTooSmall { need: HEADER_BYTES + self.payload.len(), have })
    }
}

/// A packet of speech from the right sender: what a leg hands to the mixer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioPacket<'a> {
    /// Changes when the sender restarts; the jitter buffer then starts anew.
    pub ssrc: Ssrc,
    /// Counts packets, telephone-events among them.
    pub seq: SeqNo,
    /// RTP clock of the codec at the first sample.
    pub timestamp: RtpTime,
    /// First packet of a talk spurt.
    pub marker: bool,
    /// What encoded it; of comfort noise, the codec it stands in for.
    pub codec: CodecKind,
    /// What the payload is.
    pub content: Content,
    /// What the sender says of its loudness (RFC 6464), if it does.
    pub level: Option<AudioLevel>,
    /// Encoded audio, never empty.
    pub payload: &'a [u8],
}

/// What the payload of an audio packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Speech, encoded with the packet's codec.
    Speech,
    /// A silence descriptor (RFC 3389): noise of this kind goes on until speech comes.
    ComfortNoise,
}

/// The loudness of a packet's audio as its sender measured it (RFC 6464 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioLevel {
    /// Level below full scale in dB: 0 is the loudest, 127 silence.
    pub below_dbov: u8,
    /// The sender believes that somebody speaks. Of use only when set: not every sender detects it.
    pub voice: bool,
}

impl AudioPacket<'_> {
    /// How long it plays, in RTP clock units; 0 if that cannot be told, as for comfort noise.
    pub fn units(&self) -> u32 {
        self.codec.payload_units(self.payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packet(payload: &[u8]) -> Packet<'_> {
        Packet {
            payload_type: PayloadType(8),
            marker: true,
            seq: SeqNo(0xfffe),
            timestamp: RtpTime(0xdead_beef),
            ssrc: Ssrc(0x0102_0304),
            payload,
        }
    }

    #[test]
    fn header_is_laid_out_as_rfc_3550_5_1_draws_it() {
        let mut out = [0; 14];
        assert_eq!(packet(&[7, 9]).write(&mut out), Ok(14));
        let expected =
            [0x80, 0x88, 0xff, 0xfe, 0xde, 0xad, 0xbe, 0xef, 0x01, 0x02, 0x03, 0x04, 7, 9];
        assert_eq!(out, expected);
    }

    #[test]
    fn a_buffer_one_byte_short_is_refused() {
        let mut out = [0; 13];
        let refused = packet(&[7, 9]).write(&mut out);
        assert_eq!(refused, Err(Error::BufferTooSmall { need: 14, have: 13 }));
    }

    #[test]
    fn csrc_extension_and_padding_are_not_payload() {
        let mut datagram = vec![0xb1, 0x00, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]; // P X CC=1
        datagram.extend([9, 9, 9, 9]); // CSRC
        datagram.extend([0xbe, 0xde, 0, 1, 1, 2, 3, 4]); // extension of one word
        datagram.extend([0x55, 0x66, 0, 2]); // payload, two bytes of padding
        assert_eq!(Packet::parse(&datagram).unwrap().payload, [0x55, 0x66]);
    }

    #[test]
    fn malformed_packets_are_refused() {
        let cases: [(&str, &[u8]); 6] = [
            ("empty", &[]),
            ("eleven bytes", &[0x80; 11]),
            ("version 1", &[0x40; 12]),
            ("csrc beyond the end", &[0x8f; 40]),
            ("extension beyond the end", &[0x90; 16]),
            ("padding beyond the end", &[0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 200]),
        ];
        for (name, datagram) in cases {
            assert!(Packet::parse(datagram).is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            payload_type in 0u8..128, marker: bool, seq: u16, timestamp: u32, ssrc: u32,
            payload in proptest::collection::vec(any::<u8>(), 0..400),
        ) {
            let packet = Packet {
                payload_type: PayloadType(payload_type),
                marker,
                seq: SeqNo(seq),
                timestamp: RtpTime(timestamp),
                ssrc: Ssrc(ssrc),
                payload: &payload,
            };
            let mut out = [0; 512];
            let len = packet.write(&mut out).unwrap();
            prop_assert_eq!(Packet::parse(&out[..len]), Ok(packet));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..96)) {
            let _ = Packet::parse(&bytes);
        }
    }
}
