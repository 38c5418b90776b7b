//! Sender reports (RFC 3550 §6.4.1), and the compound that every report of ours is.

use super::error::Error;
use super::rr::ReportBlock;
use super::sdes;
use super::wire::{MAX_BLOCKS, RECEIVER_REPORT, SENDER_REPORT, Writer, report_body};
use crate::rtp::Ssrc;
use crate::time::{NtpTime, RtpTime};

/// What a sender says of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderInfo {
    /// The wall clock at the moment of sending.
    pub ntp: NtpTime,
    /// The same moment on the RTP clock.
    pub rtp: RtpTime,
    /// Packets sent since the stream began, wrapping.
    pub packets: u32,
    /// Payload octets sent since the stream began, wrapping.
    pub octets: u32,
}

pub(super) const SENDER_INFO_BYTES: usize = 20;

/// What we report: an SR if we have sent since the last report, else an RR.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// The stream we send.
    pub ssrc: Ssrc,
    /// What we have sent; `None` makes an RR.
    pub sender: Option<SenderInfo>,
    /// What we receive; blocks beyond the 31st are left out.
    pub blocks: &'a [ReportBlock],
}

impl Report<'_> {
    pub(super) fn write(&self, writer: &mut Writer<'_>) {
        let blocks = self.blocks.get(..MAX_BLOCKS).unwrap_or(self.blocks);
        let packet_type = if self.sender.is_some() { SENDER_REPORT } else { RECEIVER_REPORT };
        let body = report_body(self.sender.is_some(), blocks.len());
        writer.header(blocks.len(), packet_type, body);
        writer.put_u32(self.ssrc.0);
        if let Some(info) = self.sender {
            writer.put(&info.ntp.0.to_be_bytes());
            writer.put_u32(info.rtp.0);
            writer.put_u32(info.packets);
            writer.put_u32(info.octets);
        }
        for block in blocks {
            block.write(writer);
        }
    }
}

/// Writes SR or RR, then SDES with our CNAME; gives the length of the datagram.
///
/// `cname` beyond 255 bytes is cut off.
///
/// # Errors
/// [`Error::BufferTooSmall`] if `out` cannot hold it.
pub fn write_report(report: &Report<'_>, cname: &str, out: &mut [u8]) -> Result<usize, Error> {
    let mut writer = Writer::new(out);
    report.write(&mut writer);
    sdes::write(report.ssrc, cname, &mut writer);
    writer.finish()
}

pub(super) fn read_info(bytes: &[u8; SENDER_INFO_BYTES]) -> SenderInfo {
    let [n0, n1, n2, n3, n4, n5, n6, n7, r0, r1, r2, r3, p0, p1, p2, p3, o0, o1, o2, o3] = *bytes;
    SenderInfo {
        ntp: NtpTime(u64::from_be_bytes([n0, n1, n2, n3, n4, n5, n6, n7])),
        rtp: RtpTime(u32::from_be_bytes([r0, r1, r2, r3])),
        packets: u32::from_be_bytes([p0, p1, p2, p3]),
        octets: u32::from_be_bytes([o0, o1, o2, o3]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Packet, parse};
    use super::*;
    use proptest::prelude::*;

    const INFO: SenderInfo = SenderInfo {
        ntp: NtpTime(0x0102_0304_0506_0708),
        rtp: RtpTime(0x0a0b_0c0d),
        packets: 7,
        octets: 1_120,
    };

    fn block(n: u32) -> ReportBlock {
        ReportBlock {
            ssrc: Ssrc(n),
            fraction_lost: 3,
            cumulative_lost: -2,
            highest_seq: 0x0001_fffe,
            jitter: 55,
            last_sr: 0x0304_0506,
            delay_since_last_sr: 65_536,
        }
    }

    #[test]
    fn a_sender_report_is_laid_out_as_rfc_3550_6_4_1_draws_it() {
        let report = Report { ssrc: Ssrc(0xaabb_ccdd), sender: Some(INFO), blocks: &[block(5)] };
        let mut out = [0; 128];
        let len = write_report(&report, "a@b", &mut out).unwrap();
        let expected = [
            0x81, 200, 0, 12, 0xaa, 0xbb, 0xcc, 0xdd, // header, ssrc
            1, 2, 3, 4, 5, 6, 7, 8, // ntp
            0x0a, 0x0b, 0x0c, 0x0d, 0, 0, 0, 7, 0, 0, 4, 0x60, // rtp, packets, octets
            0, 0, 0, 5, 3, 0xff, 0xff, 0xfe, 0, 1, 0xff, 0xfe, // block: ssrc, loss, sequence
            0, 0, 0, 55, 3, 4, 5, 6, 0, 1, 0, 0, // jitter, LSR, DLSR
            0x81, 202, 0, 3, 0xaa, 0xbb, 0xcc, 0xdd, 1, 3, b'a', b'@', b'b', 0, 0, 0, // SDES
        ];
        assert_eq!(out[..len], expected);
    }

    #[test]
    fn who_has_not_sent_reports_as_a_receiver() {
        let report = Report { ssrc: Ssrc(1), sender: None, blocks: &[] };
        let mut out = [0; 64];
        let len = write_report(&report, "x", &mut out).unwrap();
        assert_eq!(out[..8], [0x80, 201, 0, 1, 0, 0, 0, 1]);
        assert_eq!(parse(&out[..len]).unwrap().count(), 2);
    }

    #[test]
    fn a_buffer_one_byte_short_is_refused_and_one_that_fits_is_not() {
        let report = Report { ssrc: Ssrc(1), sender: Some(INFO), blocks: &[block(5)] };
        let need = write_report(&report, "a@b", &mut [0; 128]).unwrap();
        let refused = write_report(&report, "a@b", &mut vec![0; need - 1]);
        assert_eq!(refused, Err(Error::BufferTooSmall { need, have: need - 1 }));
        assert_eq!(write_report(&report, "a@b", &mut vec![0; need]), Ok(need));
    }

    #[test]
    fn blocks_beyond_the_31st_are_left_out() {
        let blocks: Vec<_> = (0..40).map(block).collect();
        let report = Report { ssrc: Ssrc(1), sender: None, blocks: &blocks };
        let mut out = [0; 1_500];
        let len = write_report(&report, "x", &mut out).unwrap();
        let Some(Packet::ReceiverReport { blocks, .. }) = parse(&out[..len]).unwrap().next() else {
            panic!("not a receiver report");
        };
        assert_eq!(
            blocks.map(|block| block.ssrc.0).collect::<Vec<_>>(),
            (0..31).collect::<Vec<_>>()
        );
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            ssrc: u32, ntp: u64, rtp: u32, packets: u32, octets: u32, is_sender: bool,
            figures in proptest::collection::vec(
                (any::<u32>(), any::<u8>(), -0x80_0000i32..0x80_0000, any::<[u32; 4]>()), 0..4),
            cname in "[a-z0-9@.]{1,40}",
        ) {
            let written: Vec<_> = figures
                .into_iter()
                .map(|(of, fraction_lost, cumulative_lost, rest)| ReportBlock {
                    ssrc: Ssrc(of),
                    fraction_lost,
                    cumulative_lost,
                    highest_seq: rest[0],
                    jitter: rest[1],
                    last_sr: rest[2],
                    delay_since_last_sr: rest[3],
                })
                .collect();
            let info = SenderInfo { ntp: NtpTime(ntp), rtp: RtpTime(rtp), packets, octets };
            let sender = is_sender.then_some(info);
            let report = Report { ssrc: Ssrc(ssrc), sender, blocks: &written };
            let mut out = [0; 400];
            let len = write_report(&report, &cname, &mut out).unwrap();
            let mut packets = parse(&out[..len]).unwrap();
            let (from, read_info, blocks) = match packets.next() {
                Some(Packet::SenderReport { ssrc, info, blocks }) => (ssrc, Some(info), blocks),
                Some(Packet::ReceiverReport { ssrc, blocks }) => (ssrc, None, blocks),
                other => panic!("{other:?}"),
            };
            prop_assert_eq!((from, read_info), (Ssrc(ssrc), sender));
            prop_assert_eq!(blocks.collect::<Vec<_>>(), written);
            let Some(Packet::SourceDescription(sdes)) = packets.next() else { panic!("no sdes") };
            prop_assert_eq!(sdes.cnames().collect::<Vec<_>>(), [(Ssrc(ssrc), cname.as_bytes())]);
            prop_assert_eq!(packets.next(), None);
        }
    }
}
