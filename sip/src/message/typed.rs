//! Typed views of the header values the stack itself reads: name-addr, Via, CSeq (RFC 3261 §20).
//!
//! rsip's typed headers lose lists, IPv6 and quoted parameters, so these are ours. A view is made on
//! demand from the header text; printing a view and parsing it again gives the same view.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::limits::MAX_ID_BYTES;
use super::method::Method;
use super::params::{Params, find_outside_quotes, is_quoted_string, is_token, quote, unquote};
use super::uri::{Uri, split_host_port};
use crate::Error;

/// `"display" <uri>;params`: From, To, Contact, Route, Record-Route, Reply-To and the like.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NameAddr {
    /// The display name without quotes and escapes.
    pub display: Option<String>,
    /// The address.
    pub uri: Uri,
    /// Header parameters (`tag`, `q`, `expires`, …), not those of the URI.
    pub params: Params,
}

impl NameAddr {
    /// An address without display name and parameters.
    pub fn new(uri: Uri) -> Self {
        Self { display: None, uri, params: Params::default() }
    }

    /// The same with a display name.
    pub fn with_display(mut self, display: &str) -> Self {
        self.display = Some(display.to_owned());
        self
    }

    /// The dialog tag.
    pub fn tag(&self) -> Option<&str> {
        self.params.get("tag")
    }

    /// The same with a dialog tag.
    pub(crate) fn with_tag(mut self, tag: &str) -> Self {
        self.params.set("tag", Some(tag.to_owned()));
        self
    }

    /// Parses a header value; `what` names the header in the error.
    pub(crate) fn parse(text: &str, what: &'static str) -> Result<Self, Error> {
        let bad = || Error::Malformed { what };
        let text = text.trim();
        let (display, rest) = match find_bracket(text) {
            Some(at) => {
                let (display, rest) = text.split_at_checked(at).ok_or_else(bad)?;
                (parse_display(display.trim()).ok_or_else(bad)?, rest)
            }
            None => (None, text),
        };
        let (uri, params) = match rest.strip_prefix('<') {
            Some(rest) => rest.split_once('>').ok_or_else(bad)?,
            None => {
                let end = rest.find(';').unwrap_or(rest.len());
                let (uri, params) = rest.split_at_checked(end).ok_or_else(bad)?;
                // RFC 3261 §20.10: a URI with comma or question mark needs the brackets
                if uri.contains(['?', ',']) {
                    return Err(bad());
                }
                (uri.trim(), params)
            }
        };
        let params = match params.trim().strip_prefix(';') {
            Some(params) => Params::parse(params, what)?,
            None if params.trim().is_empty() => Params::default(),
            None => return Err(bad()),
        };
        if params.get("tag").is_some_and(|tag| tag.len() > MAX_ID_BYTES) {
            return Err(Error::TooLarge { what: "tag", limit: MAX_ID_BYTES });
        }
        let uri = uri.parse().map_err(|error| match error {
            Error::TooLarge { .. } => error,
            _ => bad(),
        })?;
        Ok(Self { display, uri, params })
    }
}

impl FromStr for NameAddr {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text, "address")
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(display) = &self.display {
            write!(f, "{} ", quote(display))?;
        }
        write!(f, "<{}>{}", self.uri, self.params)
    }
}

/// The `<` that opens the address, outside a quoted display name.
fn find_bracket(text: &str) -> Option<usize> {
    find_outside_quotes(text, '<')
}

/// The display name: nothing, a quoted string, or words. Unquoted names are taken as leniently as
/// they are written in the field, but not with characters that could hide another value.
fn parse_display(text: &str) -> Option<Option<String>> {
    if text.is_empty() {
        return Some(None);
    }
    if text.starts_with('"') {
        return is_quoted_string(text).then(|| Some(unquote(text).into_owned()));
    }
    let hidden = text.contains(['"', ',', ';', ':', '<', '>', '@', '\\']);
    (!hidden).then(|| Some(text.to_owned()))
}

/// One Via value (RFC 3261 §20.42).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via {
    /// The transport token, upper case.
    pub transport: String,
    /// Host of sent-by; IPv6 in brackets.
    pub host: String,
    /// Port of sent-by.
    pub port: Option<u16>,
    /// `branch`, `rport`, `received`, `maddr`, …
    pub params: Params,
}

impl Via {
    /// The branch, if there is one.
    pub fn branch(&self) -> Option<&str> {
        self.params.get("branch")
    }

    /// Whether the branch promises uniqueness (RFC 3261 §8.1.1.7): the cookie, and something after.
    pub fn has_unique_branch(&self) -> bool {
        self.branch()
            .and_then(|branch| {
                branch.get(BRANCH_COOKIE.len()..).zip(branch.get(..BRANCH_COOKIE.len()))
            })
            .is_some_and(|(rest, cookie)| {
                !rest.is_empty() && cookie.eq_ignore_ascii_case(BRANCH_COOKIE)
            })
    }

    /// Host and port of sent-by, as the transaction key needs them: lower case, default port filled.
    pub fn sent_by(&self) -> String {
        let default = if self.transport == "TLS" { 5061 } else { 5060 };
        format!("{}:{}", self.host.to_ascii_lowercase(), self.port.unwrap_or(default))
    }
}

impl FromStr for Via {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        const BAD: Error = Error::Malformed { what: "Via" };
        let (head, params) = match find_outside_quotes(text, ';') {
            Some(at) => {
                let (head, params) = text.split_at_checked(at).ok_or(BAD)?;
                (head, Params::parse(params.strip_prefix(';').unwrap_or(params), "Via")?)
            }
            None => (text, Params::default()),
        };
        let mut parts = head.splitn(3, '/').map(str::trim);
        let (Some(name), Some(version), Some(rest)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(BAD);
        };
        let (transport, sent_by) = rest.split_once(|c: char| c.is_whitespace()).ok_or(BAD)?;
        let good = name.eq_ignore_ascii_case("SIP") && version == "2.0" && is_token(transport);
        // white space round the colon of sent-by is legal: "host : 5060"
        let sent_by: String = sent_by.split_whitespace().collect();
        let (host, port) = split_host_port(&sent_by).filter(|_| good).ok_or(BAD)?;
        if params.get("branch").is_some_and(|branch| branch.len() > MAX_ID_BYTES) {
            return Err(Error::TooLarge { what: "branch", limit: MAX_ID_BYTES });
        }
        Ok(Self { transport: transport.to_ascii_uppercase(), host: host.to_owned(), port, params })
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}", self.transport, self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        write!(f, "{}", self.params)
    }
}

/// The CSeq value (RFC 3261 §20.16).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CSeq {
    /// The sequence number, below 2^31 (§8.1.1.5).
    pub seq: u32,
    /// The method.
    pub method: Method,
}

impl FromStr for CSeq {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        const BAD: Error = Error::Malformed { what: "CSeq" };
        let mut words = text.split_whitespace();
        let (Some(seq), Some(method), None) = (words.next(), words.next(), words.next()) else {
            return Err(BAD);
        };
        let seq = parse_number(seq).filter(|seq| *seq < 1 << 31).ok_or(BAD)?;
        if !is_token(method) {
            return Err(BAD);
        }
        Ok(Self { seq, method: Method::from_token(method) })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.seq, self.method)
    }
}

/// A number of digits only (no sign, no space). `None` above `u32::MAX`.
pub(crate) fn parse_number(text: &str) -> Option<u32> {
    let text = text.trim();
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// A media type without its parameters, lower case: `application/sdp`.
pub(crate) fn media_type(text: &str) -> Cow<'_, str> {
    let kind = text.split(';').next().unwrap_or_default();
    Cow::Owned(kind.split_whitespace().collect::<String>().to_ascii_lowercase())
}

/// Whether a body of that type is, or may hold, a session description.
pub(crate) fn is_description(content_type: &str, body: &[u8]) -> bool {
    if body.is_empty() {
        return false;
    }
    content_type == "application/sdp" || {
        let kind = media_type(content_type);
        kind == "application/sdp" || kind.starts_with("multipart/")
    }
}

/// The prefix that marks a branch as unique (RFC 3261 §8.1.1.7).
pub const BRANCH_COOKIE: &str = "z9hG4bK";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_all_their_shapes() {
        for (text, display, uri, tag) in [
            ("<sip:a@h>;tag=1", None, "sip:a@h", Some("1")),
            ("sip:a@h;tag=1", None, "sip:a@h", Some("1")),
            ("sip:a@h", None, "sip:a@h", None),
            ("<sip:a@h;tag=1>", None, "sip:a@h;tag=1", None),
            ("\"A \\\"B\\\" <C>\" <sip:a@h>", Some("A \"B\" <C>"), "sip:a@h", None),
            ("\"\"<sip:a@h>", Some(""), "sip:a@h", None),
            ("caller<sip:a@h>", Some("caller"), "sip:a@h", None),
            ("J. Doe (home) <sip:a@h> ; tag = 1", Some("J. Doe (home)"), "sip:a@h", Some("1")),
            ("Jörg <tel:+49;x=y>", Some("Jörg"), "tel:+49;x=y", None),
        ] {
            let address: NameAddr = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(address.display.as_deref(), display, "{text}");
            assert_eq!(address.uri.to_string(), uri, "{text}");
            assert_eq!(address.tag(), tag, "{text}");
            assert_eq!(address.to_string().parse::<NameAddr>().unwrap(), address);
        }
    }

    #[test]
    fn broken_addresses_are_refused() {
        for bad in [
            "",
            "<sip:a@h",
            "sip:a@h>",
            "\"A <sip:a@h>",
            "\"A\"B <sip:a@h>",
            "A, B <sip:a@h>",
            "< sip:a@h>",
            "<sip:a@h> x",
            "<sip:a@h>;",
            "<sip:a@h>;;tag=1",
            "sip:a@h?x=y",
            "a@h",
            "A <B <sip:a@h>",
        ] {
            assert!(bad.parse::<NameAddr>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn tags_and_branches_are_bounded() {
        let tag = |n: usize| format!("<sip:a@h>;tag={}", "x".repeat(n)).parse::<NameAddr>();
        assert!(tag(MAX_ID_BYTES).is_ok());
        let long = Error::TooLarge { what: "tag", limit: MAX_ID_BYTES };
        assert_eq!(tag(MAX_ID_BYTES + 1), Err(long));
        let branch = |n: usize| format!("SIP/2.0/UDP h;branch={}", "x".repeat(n)).parse::<Via>();
        assert!(branch(MAX_ID_BYTES).is_ok());
        let long = Error::TooLarge { what: "branch", limit: MAX_ID_BYTES };
        assert_eq!(branch(MAX_ID_BYTES + 1), Err(long));
    }

    #[test]
    fn via_is_read_with_white_space_and_ipv6() {
        let via: Via =
            "SIP  / 2.0  / udp  [2001:db8::9]  :  5061 ;branch = z9hG4bKx; rport".parse().unwrap();
        assert_eq!((via.transport.as_str(), via.host.as_str()), ("UDP", "[2001:db8::9]"));
        assert_eq!((via.port, via.branch()), (Some(5061), Some("z9hG4bKx")));
        assert_eq!(via.to_string(), "SIP/2.0/UDP [2001:db8::9]:5061;branch=z9hG4bKx;rport");
        assert_eq!(via.sent_by(), "[2001:db8::9]:5061");
        let tls: Via = "SIP/2.0/TLS Host".parse().unwrap();
        assert_eq!(tls.sent_by(), "host:5061");
        for bad in [
            "",
            "SIP/2.0/UDP",
            "SIP/1.0/UDP h",
            "HTTP/2.0/UDP h",
            "SIP/2.0/UDP h:x",
            "SIP/2.0/UDP h;",
        ] {
            assert!(bad.parse::<Via>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn cseq_numbers_end_below_two_to_the_31() {
        let cseq: CSeq = " 0009   INVITE ".parse().unwrap();
        assert_eq!((cseq.seq, cseq.method), (9, Method::Invite));
        assert!("2147483647 BYE".parse::<CSeq>().is_ok());
        for bad in [
            "2147483648 BYE",
            "36893488147419103232 BYE",
            "-1 BYE",
            "+1 BYE",
            "1",
            "1 B Y",
            "1 B(",
            "",
        ] {
            assert!(bad.parse::<CSeq>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn media_types_lose_their_parameters_and_case() {
        assert_eq!(media_type("Application / SDP ; charset=x"), "application/sdp");
    }
}
