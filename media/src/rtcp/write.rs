//! Writing compound packets (RFC 3550 §6.1): a report, our CNAME, and at the end a goodbye.

use super::{GOODBYE, RECEIVER_REPORT, ReportBlock, SENDER_REPORT, SOURCE_DESCRIPTION, SenderInfo};
use crate::error::Error;
use crate::rtp::Ssrc;

/// What one compound says.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// Us.
    pub ssrc: Ssrc,
    /// Present if we sent since the last report: it becomes a sender report.
    pub sender: Option<SenderInfo>,
    /// About the peer, once we have heard it.
    pub block: Option<ReportBlock>,
    /// Our canonical name; cut at 255 bytes.
    pub cname: &'a str,
}

/// Writes SR or RR, then SDES; gives the length.
///
/// # Errors
/// [`Error::BufferTooSmall`].
pub fn write_report(report: &Report<'_>, out: &mut [u8]) -> Result<usize, Error> {
    let mut writer = Writer { out, len: 0 };
    writer.report(report);
    writer.description(report.ssrc, report.cname);
    writer.finish()
}

/// Writes the same and a BYE (RFC 3550 §6.6); gives the length.
///
/// # Errors
/// [`Error::BufferTooSmall`].
pub fn write_bye(report: &Report<'_>, out: &mut [u8]) -> Result<usize, Error> {
    let mut writer = Writer { out, len: 0 };
    writer.report(report);
    writer.description(report.ssrc, report.cname);
    writer.header(1, GOODBYE, 1);
    writer.word(report.ssrc.0);
    writer.finish()
}

/// Writes what fits and counts what is needed.
struct Writer<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl Writer<'_> {
    fn report(&mut self, report: &Report<'_>) {
        let count = u8::from(report.block.is_some());
        let block_words = u16::from(count) * 6;
        match report.sender {
            Some(info) => {
                self.header(count, SENDER_REPORT, 6 + block_words);
                self.word(report.ssrc.0);
                self.word((info.ntp.0 >> 32) as u32);
                self.word(info.ntp.0 as u32);
                self.word(info.rtp.0);
                self.word(info.packets);
                self.word(info.octets);
            }
            None => {
                self.header(count, RECEIVER_REPORT, 1 + block_words);
                self.word(report.ssrc.0);
            }
        }
        if let Some(block) = &report.block {
            self.block(block);
        }
    }

    fn block(&mut self, block: &ReportBlock) {
        let lost = block.cumulative_lost as u32 & 0x00ff_ffff;
        self.word(block.ssrc.0);
        self.word((u32::from(block.fraction_lost) << 24) | lost);
        self.word(block.highest_seq);
        self.word(block.jitter);
        self.word(block.last_sr);
        self.word(block.delay_since_last_sr);
    }

    fn description(&mut self, ssrc: Ssrc, cname: &str) {
        let name = &cname.as_bytes()[..cname.len().min(255)];
        // SSRC, type, length, text, then at least one zero up to a whole word.
        let words = (4 + 2 + name.len() + 4) / 4;
        self.header(1, SOURCE_DESCRIPTION, words as u16);
        self.word(ssrc.0);
        self.bytes(&[1, name.len() as u8]);
        self.bytes(name);
        let end = 4 - (2 + name.len()) % 4;
        self.bytes(&[0; 4][..end]);
    }

    fn header(&mut self, count: u8, kind: u8, words: u16) {
        let [high, low] = words.to_be_bytes();
        self.bytes(&[0x80 | count, kind, high, low]);
    }

    fn word(&mut self, word: u32) {
        self.bytes(&word.to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if let Some(place) = self.out.get_mut(self.len..self.len + bytes.len()) {
            place.copy_from_slice(bytes);
        }
        self.len += bytes.len();
    }

    fn finish(self) -> Result<usize, Error> {
        let (need, have) = (self.len, self.out.len());
        if need <= have { Ok(need) } else { Err(Error::BufferTooSmall { need, have }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_length_end_with_a_zero_on_a_word() {
        for len in 0..300 {
            let name = "n".repeat(len);
            let report = Report { ssrc: Ssrc(1), sender: None, block: None, cname: &name };
            let mut out = [0xff; 400];
            let written = write_report(&report, &mut out).unwrap();
            assert_eq!(written % 4, 0, "{len}");
            assert_eq!(out[written - 1], 0, "{len}");
            assert!(super::super::parse(&out[..written]).is_ok(), "{len}");
        }
    }

    #[test]
    fn a_buffer_one_byte_short_is_refused() {
        let report = Report { ssrc: Ssrc(1), sender: None, block: None, cname: "abc" };
        let len = write_bye(&report, &mut [0; 64]).unwrap();
        let mut short = vec![0; len - 1];
        let refused = write_bye(&report, &mut short);
        assert_eq!(refused, Err(Error::BufferTooSmall { need: len, have: len - 1 }));
    }
}
