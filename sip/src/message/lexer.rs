//! The wire parser (RFC 3261 §7): start line, header fields, body, for datagrams and framed messages.
//!
//! Unfolds lines, expands compact names, splits the lists of Via, Contact, Route and Record-Route,
//! and cuts the body at Content-Length. Lenient where phones are sloppy (bare LF, white space),
//! strict where leniency could hide a second meaning. What mandatory fields a message needs is
//! checked by [`Request`](super::Request) and [`Response`](super::Response), not here.

use std::borrow::Cow;

use bytes::Bytes;

use super::headers::{Headers, long_name};
use super::limits::{
    MAX_BODY_BYTES, MAX_CONTACTS, MAX_HEADER_BYTES, MAX_HEADERS, MAX_MESSAGE_BYTES,
    MAX_START_LINE_BYTES, MAX_VIAS,
};
use super::method::Method;
use super::params::{is_token, split_outside_quotes};
use super::typed::parse_number;
use crate::Error;

/// The first line of a message, not yet interpreted further than its three parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StartLine {
    /// `METHOD URI SIP/2.0`
    Request { method: Method, uri: String, version: String },
    /// `SIP/2.0 STATUS Reason`
    Response { version: String, status: String, reason: String },
}

/// A message cut into its parts. Errors found on the way are kept in `fault`, so that as much as
/// possible is there for a refusal to be addressed.
#[derive(Debug, Clone)]
pub(crate) struct Lexed {
    pub(crate) start: StartLine,
    pub(crate) headers: Headers,
    pub(crate) body: Bytes,
    pub(crate) raw: Bytes,
    pub(crate) fault: Option<Error>,
}

/// Cuts one datagram, or one framed message, into its parts.
///
/// # Errors
/// [`Error::NotSip`] or [`Error::TooLarge`] when there is nothing to address a refusal to.
pub(crate) fn lex(bytes: &[u8]) -> Result<Lexed, Error> {
    if bytes.len() > MAX_MESSAGE_BYTES {
        return Err(Error::TooLarge { what: "message", limit: MAX_MESSAGE_BYTES });
    }
    // RFC 3261 §7.5: ignore CRLF before the start line
    let skip = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    let raw = Bytes::copy_from_slice(bytes.get(skip..).unwrap_or_default());
    let mut lines = Lines { rest: &raw, at_end: false };
    let start = parse_start_line(lines.next().ok_or(Error::NotSip)?)?;
    let mut lexed = Lexed {
        start,
        headers: Headers::default(),
        body: Bytes::new(),
        raw: Bytes::new(),
        fault: None,
    };
    let mut field: Vec<u8> = Vec::new();
    for line in &mut lines {
        if line.first().is_some_and(|b| matches!(b, b' ' | b'\t')) {
            let folded = line.trim_ascii();
            if field.len() + folded.len() < MAX_HEADER_BYTES + 1 {
                field.push(b' ');
            }
            field.extend_from_slice(folded);
        } else {
            lexed.take_field(&field);
            field.clear();
            field.extend_from_slice(line);
        }
        if field.len() > MAX_HEADER_BYTES {
            lexed.blame(Error::TooLarge { what: "header field", limit: MAX_HEADER_BYTES });
            field.clear();
        }
        if lexed.headers.len() > MAX_HEADERS {
            break;
        }
    }
    lexed.take_field(&field);
    if !lines.at_end {
        lexed.blame(Error::Malformed { what: "end of header fields" });
    }
    let rest = lines.rest.len();
    lexed.take_body(&raw.slice(raw.len() - rest..));
    lexed.check_counts();
    lexed.raw = raw;
    Ok(lexed)
}

impl Lexed {
    /// Keeps the first fault: it is the one nearest to the cause.
    pub(crate) fn blame(&mut self, fault: Error) {
        self.fault.get_or_insert(fault);
    }

    fn take_field(&mut self, field: &[u8]) {
        if field.is_empty() {
            return;
        }
        let Some((name, value)) = split_field(field) else {
            self.blame(Error::Malformed { what: "header field" });
            return;
        };
        let name = long_name(name);
        if is_split_list(name) {
            for item in split_outside_quotes(&value, ',') {
                self.headers.push(name, item.trim());
                if self.headers.len() > MAX_HEADERS {
                    return;
                }
            }
        } else {
            self.headers.push(name, value);
        }
    }

    fn take_body(&mut self, rest: &Bytes) {
        let length = self.headers.get("Content-Length").map(parse_number);
        let repeated = self.headers.all("Content-Length").nth(1).is_some();
        if repeated {
            self.blame(Error::Repeated { what: "Content-Length" });
            return;
        }
        let want = match length {
            // RFC 3261 §18.3: without the field a datagram's body ends with the datagram
            None => rest.len(),
            Some(Some(want)) => usize::try_from(want).unwrap_or(usize::MAX),
            Some(None) => return self.blame(Error::Malformed { what: "Content-Length" }),
        };
        if want > MAX_BODY_BYTES {
            self.blame(Error::TooLarge { what: "body", limit: MAX_BODY_BYTES });
        } else if want > rest.len() {
            self.blame(Error::Truncated { want, got: rest.len() });
        } else {
            self.body = rest.slice(..want);
        }
    }

    fn check_counts(&mut self) {
        let counts = [
            ("header fields", self.headers.len(), MAX_HEADERS),
            ("Via", self.headers.all("Via").count(), MAX_VIAS),
            ("Contact", self.headers.all("Contact").count(), MAX_CONTACTS),
        ];
        for (what, count, limit) in counts {
            if count > limit {
                self.blame(Error::TooLarge { what, limit });
            }
        }
    }
}

/// Lines up to the empty one; `rest` is what follows it.
struct Lines<'a> {
    rest: &'a [u8],
    at_end: bool,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.at_end || self.rest.is_empty() {
            return None;
        }
        let end = self.rest.iter().position(|b| *b == b'\n').unwrap_or(self.rest.len());
        let (line, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.get(1..).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            self.at_end = true;
            return None;
        }
        Some(line)
    }
}

fn parse_start_line(line: &[u8]) -> Result<StartLine, Error> {
    if line.len() > MAX_START_LINE_BYTES {
        return Err(Error::TooLarge { what: "start line", limit: MAX_START_LINE_BYTES });
    }
    let text = decode(line);
    let text = text.trim_end_matches([' ', '\t']);
    let (first, rest) = text.split_once(' ').ok_or(Error::NotSip)?;
    if is_version(first) {
        // "SIP/2.0 200" without the space before an empty reason is common enough to take
        let (status, reason) = rest.split_once(' ').unwrap_or((rest, ""));
        return Ok(StartLine::Response {
            version: first.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
        });
    }
    let (uri, version) = rest.rsplit_once(' ').ok_or(Error::NotSip)?;
    if !is_token(first) || !is_version(version) {
        return Err(Error::NotSip);
    }
    Ok(StartLine::Request {
        method: Method::from_token(first),
        uri: uri.to_owned(),
        version: version.to_owned(),
    })
}

fn is_version(text: &str) -> bool {
    text.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("SIP/"))
}

/// Name and value of an unfolded field. `None` if the name is no token or a stray CR stands inside,
/// which a less careful reader down the road would take for a line end.
fn split_field(field: &[u8]) -> Option<(&str, Cow<'_, str>)> {
    let colon = field.iter().position(|b| *b == b':')?;
    let (name, value) = field.split_at_checked(colon)?;
    let name = std::str::from_utf8(name.trim_ascii_end()).ok()?;
    if !is_token(name) || field.contains(&b'\r') {
        return None;
    }
    Some((name, decode(value.get(1..)?.trim_ascii())))
}

/// UTF-8, or else Latin-1: old phones put the latter into display names.
fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => bytes.iter().map(|b| char::from(*b)).collect::<String>().into(),
    }
}

fn is_split_list(name: &str) -> bool {
    ["Via", "Contact", "Route", "Record-Route"].iter().any(|list| list.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::limits::MAX_ID_BYTES;
    use crate::message::{Request, Response};

    const CORE: &str = "Via: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:a@h>;tag=f\r\n\
        To: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n";

    fn with(extra: &str, body: &str) -> Vec<u8> {
        format!("OPTIONS sip:b@h SIP/2.0\r\n{CORE}{extra}\r\n{body}").into_bytes()
    }

    fn fault(bytes: &[u8]) -> Option<Error> {
        Request::parse(bytes).err().map(|refused| refused.error)
    }

    fn too_large(what: &'static str, limit: usize) -> Option<Error> {
        Some(Error::TooLarge { what, limit })
    }

    #[test]
    fn lines_are_unfolded_and_names_expanded() {
        let bytes = with("s  :  one\r\n two\r\n\t  three  \r\nx-Odd:\r\nk: a\r\n", "");
        let request = Request::parse(&bytes).unwrap();
        assert_eq!(request.header("Subject"), Some("one two three"));
        assert_eq!(request.header("X-ODD"), Some(""));
        assert_eq!(request.header("supported"), Some("a"));
    }

    #[test]
    fn bare_line_feeds_and_leading_line_ends_are_tolerated() {
        let text = String::from_utf8(with("", "body")).unwrap().replace("\r\n", "\n");
        let request = Request::parse(format!("\r\n\n{text}").as_bytes()).unwrap();
        assert_eq!(&request.body()[..], b"body");
        assert_eq!(request.raw_text(), text);
    }

    #[test]
    fn latin_1_is_read_and_a_stray_carriage_return_is_not() {
        let mut bytes = with("Subject: M_ller\r\n", "");
        let at = bytes.windows(2).position(|w| w == b"M_").unwrap() + 1;
        bytes[at] = 0xFC;
        assert_eq!(Request::parse(&bytes).unwrap().header("Subject"), Some("Müller"));
        bytes[at] = b'\r';
        assert_eq!(fault(&bytes), Some(Error::Malformed { what: "header field" }));
    }

    #[test]
    fn lists_of_addresses_are_split_outside_quotes_and_brackets() {
        let contacts = "Contact: \"a, b\" <sip:a@h;x=1>;q=1, <sip:b,c@h>,<sip:d@h>\r\n";
        let request = Request::parse(&with(contacts, "")).unwrap();
        let found: Vec<_> = request.headers("contact").collect();
        assert_eq!(found, ["\"a, b\" <sip:a@h;x=1>;q=1", "<sip:b,c@h>", "<sip:d@h>"]);
    }

    #[test]
    fn the_body_ends_where_content_length_says() {
        let body = |length: &str, body: &str| {
            let request = Request::parse(&with(length, body)).map_err(|refused| refused.error)?;
            Ok(String::from_utf8(request.body().to_vec()).unwrap())
        };
        assert_eq!(body("", "all of it"), Ok("all of it".to_owned()));
        assert_eq!(body("l: 3\r\n", "all of it"), Ok("all".to_owned()));
        assert_eq!(body("Content-Length: 4\r\n", "all"), Err(Error::Truncated { want: 4, got: 3 }));
        for bad in ["-1", "+1", "1 1", "x", "", "99999999999999999999"] {
            let malformed = Err(Error::Malformed { what: "Content-Length" });
            assert_eq!(body(&format!("Content-Length: {bad}\r\n"), "all"), malformed, "{bad}");
        }
        let twice = body("Content-Length: 3\r\nl: 3\r\n", "all");
        assert_eq!(twice, Err(Error::Repeated { what: "Content-Length" }));
    }

    #[test]
    fn a_message_without_end_of_header_is_refused() {
        let whole = with("", "");
        assert!(fault(&whole).is_none());
        let cut = &whole[..whole.len() - 2];
        assert_eq!(fault(cut), Some(Error::Malformed { what: "end of header fields" }));
    }

    #[test]
    fn header_fields_are_bounded_in_length_and_number() {
        let long = |n: usize| with(&format!("X: {}\r\n", "x".repeat(n - 3)), "");
        assert_eq!(fault(&long(MAX_HEADER_BYTES)), None);
        assert_eq!(fault(&long(MAX_HEADER_BYTES + 1)), too_large("header field", MAX_HEADER_BYTES));
        let folded = |n: usize| with(&format!("X: x\r\n {}\r\n", "x".repeat(n - 5)), "");
        assert_eq!(fault(&folded(MAX_HEADER_BYTES)), None);
        assert_eq!(
            fault(&folded(MAX_HEADER_BYTES + 1)),
            too_large("header field", MAX_HEADER_BYTES)
        );
        let many = |n: usize| with(&"X: y\r\n".repeat(n - 5), "");
        assert_eq!(fault(&many(MAX_HEADERS)), None);
        assert_eq!(fault(&many(MAX_HEADERS + 1)), too_large("header fields", MAX_HEADERS));
        let listed =
            |n: usize| with(&format!("Route: {}\r\n", vec!["<sip:p>"; n - 5].join(",")), "");
        assert_eq!(fault(&listed(MAX_HEADERS)), None);
        assert_eq!(fault(&listed(MAX_HEADERS + 1)), too_large("header fields", MAX_HEADERS));
    }

    #[test]
    fn vias_contacts_and_ids_are_bounded() {
        let vias = |n: usize| with(&"Via: SIP/2.0/UDP h\r\n".repeat(n - 1), "");
        assert_eq!(fault(&vias(MAX_VIAS)), None);
        assert_eq!(fault(&vias(MAX_VIAS + 1)), too_large("Via", MAX_VIAS));
        let contacts = |n: usize| with(&"Contact: <sip:h>\r\n".repeat(n), "");
        assert_eq!(fault(&contacts(MAX_CONTACTS)), None);
        assert_eq!(fault(&contacts(MAX_CONTACTS + 1)), too_large("Contact", MAX_CONTACTS));
        let call_id = |n: usize| {
            let text = String::from_utf8(with("", "")).unwrap();
            text.replace("Call-ID: c", &format!("Call-ID: {}", "c".repeat(n))).into_bytes()
        };
        assert_eq!(fault(&call_id(MAX_ID_BYTES)), None);
        assert_eq!(fault(&call_id(MAX_ID_BYTES + 1)), too_large("Call-ID", MAX_ID_BYTES));
    }

    #[test]
    fn body_start_line_and_message_are_bounded() {
        let body = |n: usize| with("", &"x".repeat(n));
        assert_eq!(fault(&body(MAX_BODY_BYTES)), None);
        assert_eq!(fault(&body(MAX_BODY_BYTES + 1)), too_large("body", MAX_BODY_BYTES));
        let line = |n: usize| {
            let reason = "x".repeat(n - "SIP/2.0 200 ".len());
            Response::parse(format!("SIP/2.0 200 {reason}\r\n{CORE}\r\n").as_bytes()).err()
        };
        assert_eq!(line(MAX_START_LINE_BYTES), None);
        assert_eq!(line(MAX_START_LINE_BYTES + 1), too_large("start line", MAX_START_LINE_BYTES));
        // what follows the body of a datagram is ignored, so only the whole can be too long
        let whole = |n: usize| {
            let mut bytes = with("Content-Length: 0\r\n", "");
            bytes.resize(n, b'x');
            bytes
        };
        assert_eq!(fault(&whole(MAX_MESSAGE_BYTES)), None);
        assert_eq!(fault(&whole(MAX_MESSAGE_BYTES + 1)), too_large("message", MAX_MESSAGE_BYTES));
    }

    #[test]
    fn a_request_uri_is_bounded() {
        use crate::message::limits::MAX_URI_BYTES;
        let text = |n: usize| {
            let uri = format!("sip:{}@h", "x".repeat(n - 6));
            format!("OPTIONS {uri} SIP/2.0\r\n{CORE}\r\n").into_bytes()
        };
        assert_eq!(fault(&text(MAX_URI_BYTES)), None);
        assert_eq!(fault(&text(MAX_URI_BYTES + 1)), too_large("Request-URI", MAX_URI_BYTES));
    }
}
