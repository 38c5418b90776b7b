//! RSeq and RAck (RFC 3262 §7.1, §7.2): which provisional response is meant.

use std::fmt;
use std::str::FromStr;

use super::method::Method;
use super::typed::{CSeq, parse_number};
use crate::Error;

/// The RAck value: the RSeq of a provisional response, and the CSeq of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RAck {
    /// RSeq, never 0.
    pub(crate) rseq: u32,
    /// The number of the INVITE.
    pub(crate) cseq: u32,
}

impl FromStr for RAck {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        const BAD: Error = Error::Malformed { what: "RAck" };
        let (rseq, cseq) = text.trim().split_once(char::is_whitespace).ok_or(BAD)?;
        let rseq = parse_rseq(rseq).ok_or(BAD)?;
        let cseq: CSeq = cseq.parse().map_err(|_| BAD)?;
        // only an INVITE is answered reliably
        if cseq.method != Method::Invite {
            return Err(BAD);
        }
        Ok(Self { rseq, cseq: cseq.seq })
    }
}

impl fmt::Display for RAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} INVITE", self.rseq, self.cseq)
    }
}

/// An RSeq value: 1 to 2^32 - 1.
pub(crate) fn parse_rseq(text: &str) -> Option<u32> {
    parse_number(text).filter(|rseq| *rseq > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_3262_7_2_reads_and_prints() {
        let rack: RAck = "776656 1 INVITE".parse().unwrap();
        assert_eq!(rack, RAck { rseq: 776_656, cseq: 1 });
        assert_eq!(rack.to_string(), "776656 1 INVITE");
    }

    #[test]
    fn numbers_out_of_range_and_other_methods_are_refused() {
        for bad in ["", "1", "1 1", "0 1 INVITE", "4294967296 1 INVITE", "1 1 BYE", "-1 1 INVITE"] {
            assert!(bad.parse::<RAck>().is_err(), "{bad}");
        }
        assert_eq!((parse_rseq("0"), parse_rseq(" 4294967295 ")), (None, Some(u32::MAX)));
    }
}
