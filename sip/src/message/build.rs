//! The message writer: the only place where text becomes a SIP message (RFC 3261 §7, §25).
//!
//! Whatever a caller supplies passes [`check_header`], [`check_reason`] or [`check_text`], so no CR,
//! LF or NUL from outside starts a line of its own. Values echoed from a parsed message need no
//! check: the lexer left no line end in them.

use bytes::Bytes;

use super::headers::long_name;
use super::method::Method;
use super::params::is_token;
use super::status::default_reason;
use super::uri::Uri;
use crate::Error;

/// A message being written, header by header.
#[derive(Debug)]
pub(crate) struct Writer {
    out: Vec<u8>,
}

impl Writer {
    pub(crate) fn request(method: &Method, uri: &Uri) -> Self {
        let mut writer = Self { out: Vec::with_capacity(1_024) };
        writer.push(&[method.as_str(), " ", &uri.to_string(), " SIP/2.0\r\n"]);
        writer
    }

    /// A status line. `None` takes the usual phrase.
    pub(crate) fn response(status: u16, reason: Option<&str>) -> Self {
        let mut writer = Self { out: Vec::with_capacity(1_024) };
        let reason = reason.unwrap_or_else(|| default_reason(status));
        writer.push(&["SIP/2.0 ", &status.to_string(), " ", reason, "\r\n"]);
        writer
    }

    pub(crate) fn header(&mut self, name: &str, value: &str) -> &mut Self {
        self.push(&[name, ": ", value, "\r\n"]);
        self
    }

    pub(crate) fn headers<'a>(
        &mut self,
        name: &str,
        values: impl Iterator<Item = &'a str>,
    ) -> &mut Self {
        for value in values {
            self.header(name, value);
        }
        self
    }

    /// Ends the message: Content-Type if there is a body, Content-Length always.
    pub(crate) fn finish(mut self, body: Option<&Body>) -> Bytes {
        if let Some(body) = body {
            self.header("Content-Type", &body.content_type);
        }
        let content = body.map_or(&[][..], |body| &body.bytes);
        self.header("Content-Length", &content.len().to_string());
        self.out.extend_from_slice(b"\r\n");
        self.out.extend_from_slice(content);
        self.out.into()
    }

    fn push(&mut self, parts: &[&str]) {
        for part in parts {
            self.out.extend_from_slice(part.as_bytes());
        }
    }
}

/// A message body with its media type. It may hold keys, so `Debug` shows its size alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Body {
    /// The Content-Type value.
    pub content_type: String,
    /// The octets.
    pub bytes: Bytes,
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Body({}, {} bytes)", self.content_type, self.bytes.len())
    }
}

impl Body {
    /// A body of any type.
    pub fn new(content_type: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self { content_type: content_type.into(), bytes: bytes.into() }
    }

    /// A session description.
    pub fn sdp(bytes: impl Into<Bytes>) -> Self {
        Self::new("application/sdp", bytes)
    }

    /// Whether it is, or may hold, a session description.
    pub(crate) fn is_description(&self) -> bool {
        super::is_description(&self.content_type, &self.bytes)
    }
}

/// Whether a header field may be written as given.
///
/// # Errors
/// [`Error::ForbiddenBytes`] for a name that is no token or a value with control characters.
pub fn check_header(name: &str, value: &str) -> Result<(), Error> {
    if !is_token(name) {
        return Err(Error::ForbiddenBytes { what: "header name" });
    }
    check_text(value, "header value")
}

/// Whether a reason phrase may be written as given.
///
/// # Errors
/// [`Error::ForbiddenBytes`] if it holds control characters.
pub fn check_reason(reason: &str) -> Result<(), Error> {
    check_text(reason, "reason phrase")
}

/// Whether a text may stand in a line of a message.
///
/// # Errors
/// [`Error::ForbiddenBytes`] if it holds control characters other than the tab.
pub fn check_text(text: &str, what: &'static str) -> Result<(), Error> {
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return Err(Error::ForbiddenBytes { what });
    }
    Ok(())
}

/// Whether the endpoint writes this field itself in every request and response.
pub fn is_reserved(name: &str) -> bool {
    const RESERVED: [&str; 9] = [
        "Via",
        "From",
        "To",
        "Call-ID",
        "CSeq",
        "Max-Forwards",
        "Content-Length",
        "Record-Route",
        "Route",
    ];
    RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(long_name(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_ends_with_the_length_of_its_body() {
        let mut writer = Writer::response(200, None);
        writer.header("X", "y").headers("Z", ["1", "2"].into_iter());
        let bytes = writer.finish(Some(&Body::new("a/b", "hello")));
        let expected = "SIP/2.0 200 OK\r\nX: y\r\nZ: 1\r\nZ: 2\r\nContent-Type: a/b\r\n\
            Content-Length: 5\r\n\r\nhello";
        assert_eq!(&bytes[..], expected.as_bytes());
        let bytes = Writer::request(&Method::Bye, &"sip:h".parse().unwrap()).finish(None);
        assert_eq!(&bytes[..], b"BYE sip:h SIP/2.0\r\nContent-Length: 0\r\n\r\n");
    }

    #[test]
    fn nothing_that_could_start_a_line_is_written() {
        for bad in ["a\rb", "a\nb", "a\0b", "\r\n", "\u{7f}", "\u{85}"] {
            assert!(check_header("X", bad).is_err(), "{bad:?}");
            assert!(check_header(bad, "x").is_err(), "{bad:?}");
            assert!(check_reason(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "a b", "a:", "ä"] {
            assert!(check_header(bad, "x").is_err(), "{bad:?}");
        }
        assert!(check_header("X-Reason", "Größe\tis \"fine\"; <so>").is_ok());
        assert!(check_reason("").is_ok());
    }

    #[test]
    fn reserved_fields_are_known_by_any_name() {
        for name in ["via", "V", "call-id", "i", "Record-Route", "l"] {
            assert!(is_reserved(name), "{name}");
        }
        assert!(!is_reserved("Contact") && !is_reserved("X-Via"));
    }
}
