//! Replaces (RFC 3891 §6.1): a dialog as somebody else names it.

use std::fmt;
use std::str::FromStr;

use super::limits::MAX_ID_BYTES;
use super::params::{Params, is_token};
use crate::Error;

/// A dialog as somebody else names it (RFC 3891 §3): tags from the view of the one who is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaces {
    /// Call-ID.
    pub call_id: String,
    /// The tag of whoever receives this.
    pub to_tag: String,
    /// The tag of its peer.
    pub from_tag: String,
    /// Only if the dialog is not confirmed yet.
    pub early_only: bool,
}

impl Replaces {
    /// Reads a header value, as it stands in an INVITE or, unescaped, in the URI of a Refer-To.
    ///
    /// # Errors
    /// [`Error::Malformed`] without Call-ID or one of the tags, or when a part is repeated or longer
    /// than [`limits`](super::limits) allow.
    pub fn parse(value: &str) -> Result<Self, Error> {
        const BAD: Error = Error::Malformed { what: "Replaces" };
        let (call_id, params) = value.split_once(';').ok_or(BAD)?;
        let call_id = call_id.trim();
        let is_odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, ',' | ';');
        if call_id.is_empty() || call_id.len() > MAX_ID_BYTES || call_id.contains(is_odd) {
            return Err(BAD);
        }
        let params = Params::parse(params, "Replaces")?;
        let tag = |name: &str| {
            let mut values = params.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
            match (values.next(), values.next()) {
                (Some((_, Some(tag))), None) if is_token(tag) && tag.len() <= MAX_ID_BYTES => {
                    Ok(tag.to_owned())
                }
                _ => Err(BAD),
            }
        };
        Ok(Self {
            call_id: call_id.to_owned(),
            to_tag: tag("to-tag")?,
            from_tag: tag("from-tag")?,
            early_only: params.has("early-only"),
        })
    }
}

impl FromStr for Replaces {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl fmt::Display for Replaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call_id, to_tag, from_tag, early_only } = self;
        let early_only = if *early_only { ";early-only" } else { "" };
        write!(f, "{call_id};to-tag={to_tag};from-tag={from_tag}{early_only}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_3891_6_1_read_and_print() {
        for (text, early_only) in [
            ("98732@sip.example.com ;from-tag=r33th4x0r ;to-tag=ff87ff", false),
            ("12adf2f34456gs5;to-tag=12345;from-tag=54321", false),
            ("87134@171.161.34.23;to-tag=24796;from-tag=0;early-only", true),
        ] {
            let read = Replaces::parse(text).unwrap();
            assert_eq!(read.early_only, early_only, "{text}");
            assert_eq!(read.to_string().parse(), Ok(read), "{text}");
        }
    }

    #[test]
    fn a_dialog_that_is_not_named_whole_is_refused() {
        let long = format!("{};to-tag=a;from-tag=b", "x".repeat(MAX_ID_BYTES + 1));
        for bad in [
            "",
            "c",
            ";to-tag=a;from-tag=b",
            "c;to-tag=a",
            "c;from-tag=b",
            "c;to-tag;from-tag=b",
            "c;to-tag=a;to-tag=a;from-tag=b",
            "c d;to-tag=a;from-tag=b",
            "c\r\nX: y;to-tag=a;from-tag=b",
            "c, d;to-tag=a;from-tag=b",
            &long,
        ] {
            assert!(Replaces::parse(bad).is_err(), "{bad:?}");
        }
    }
}
