//! Session-Expires and Min-SE (RFC 4028 §4, §5).

use std::fmt;
use std::str::FromStr;

use super::params::Params;
use super::typed::parse_number;
use crate::Error;

/// The Session-Expires value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SessionExpires {
    /// The session interval in seconds.
    pub(crate) seconds: u32,
    /// Who refreshes, from the view of the request that says so.
    pub(crate) refresher: Option<Refresher>,
}

/// The side of a transaction that refreshes the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refresher {
    /// Whoever sends the request.
    Uac,
    /// Whoever answers it.
    Uas,
}

impl FromStr for SessionExpires {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        const BAD: Error = Error::Malformed { what: "Session-Expires" };
        let (seconds, params) = text.split_once(';').map_or((text, None), |(s, p)| (s, Some(p)));
        let params = match params {
            Some(params) => Params::parse(params, "Session-Expires")?,
            None => Params::default(),
        };
        let refresher = match params.get("refresher") {
            None => None,
            Some(name) if name.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
            Some(name) if name.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
            Some(_) => return Err(BAD),
        };
        Ok(Self { seconds: parse_number(seconds).ok_or(BAD)?, refresher })
    }
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refresher = match self.refresher {
            None => "",
            Some(Refresher::Uac) => ";refresher=uac",
            Some(Refresher::Uas) => ";refresher=uas",
        };
        write!(f, "{}{refresher}", self.seconds)
    }
}

/// The seconds of a Min-SE value; its parameters mean nothing.
pub(crate) fn parse_min_se(text: &str) -> Option<u32> {
    parse_number(text.split(';').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_and_print() {
        for (text, seconds, refresher) in [
            ("4000", 4_000, None),
            ("90;refresher=uac", 90, Some(Refresher::Uac)),
            ("1800 ; x=y ; refresher=UAS", 1_800, Some(Refresher::Uas)),
        ] {
            let read: SessionExpires = text.parse().unwrap();
            assert_eq!(read, SessionExpires { seconds, refresher }, "{text}");
            assert_eq!(read.to_string().parse(), Ok(read), "{text}");
        }
        for bad in ["", "x", "-1", "4294967296", "90;refresher=me", "90;"] {
            assert!(bad.parse::<SessionExpires>().is_err(), "{bad}");
        }
        assert_eq!(parse_min_se("120;x=y"), Some(120));
        assert_eq!(parse_min_se("x"), None);
    }
}
