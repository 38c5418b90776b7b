//! A received or built response (RFC 3261 §7.2) whose mandatory fields are known to be good.
//!
//! A bad response is dropped, never answered, so parsing fails with a plain [`Error`].

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

use super::headers::Headers;
use super::lexer::{Lexed, StartLine};
use super::request::{Core, Message, Refused};
use super::typed::{CSeq, NameAddr, Via};
use crate::Error;

/// A response. Its body may hold keys, so `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    status: u16,
    reason: String,
    headers: Headers,
    body: Bytes,
    raw: Bytes,
    via: Via,
    from: NameAddr,
    to: NameAddr,
    call_id: String,
    cseq: CSeq,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({} {}, {})", self.status, self.reason, self.call_id)
    }
}

impl Response {
    /// Parses bytes that must be a response.
    ///
    /// # Errors
    /// [`Error::NotSip`] if they are a request or no SIP, else what is wrong with them.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        match Message::parse(bytes) {
            Ok(Message::Response(response)) => Ok(response),
            Ok(Message::Request(_)) => Err(Error::NotSip),
            Err(Refused { error, .. }) => Err(error),
        }
    }

    pub(crate) fn from_lexed(lexed: Lexed) -> Result<Self, Error> {
        let StartLine::Response { version, status, reason } = lexed.start else {
            return Err(Error::NotSip);
        };
        if !version.eq_ignore_ascii_case("SIP/2.0") {
            return Err(Error::Version);
        }
        if let Some(fault) = lexed.fault {
            return Err(fault);
        }
        let digits = status.len() == 3 && status.bytes().all(|b| b.is_ascii_digit());
        let status = status.parse().ok().filter(|s| digits && (100..700).contains(s));
        let status = status.ok_or(Error::Malformed { what: "status" })?;
        let core = Core::parse(&lexed.headers)?;
        Ok(Self {
            status,
            reason,
            headers: lexed.headers,
            body: lexed.body,
            raw: lexed.raw,
            via: core.via,
            from: core.from,
            to: core.to,
            call_id: core.call_id,
            cseq: core.cseq,
        })
    }

    /// The status code, 100 to 699.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The reason phrase as received, possibly empty.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// All header fields.
    pub fn all_headers(&self) -> &Headers {
        &self.headers
    }

    /// The first header field of that name (any case, long form).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// Every header field of that name.
    pub fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.all(name)
    }

    /// From.
    pub fn from(&self) -> &NameAddr {
        &self.from
    }

    /// To.
    pub fn to(&self) -> &NameAddr {
        &self.to
    }

    /// The topmost Via.
    pub fn via(&self) -> &Via {
        &self.via
    }

    /// The first Contact, if there is one that parses.
    pub fn contact(&self) -> Option<NameAddr> {
        self.headers.get("Contact").and_then(|value| NameAddr::parse(value, "Contact").ok())
    }

    /// Call-ID.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// CSeq.
    pub fn cseq(&self) -> &CSeq {
        &self.cseq
    }

    /// The body, empty if there is none.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Content-Type, as written.
    pub fn content_type(&self) -> Option<&str> {
        self.header("Content-Type")
    }

    /// Whether the body is, or may hold, a session description.
    pub(crate) fn has_description(&self) -> bool {
        super::is_description(self.content_type().unwrap_or_default(), &self.body)
    }

    /// Whether a list field (Supported, Require, Allow) names this token.
    pub(crate) fn lists(&self, name: &str, token: &str) -> bool {
        self.headers.items(name).any(|item| item.eq_ignore_ascii_case(token))
    }

    /// The whole message as it was received.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The whole message as text; octets that are no UTF-8 are replaced.
    pub fn raw_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.raw)
    }
}

impl fmt::Display for Response {
    /// The message in canonical form; octets of the body that are no UTF-8 are replaced.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0 {} {}\r\n", self.status, self.reason)?;
        for (name, value) in self.headers.iter() {
            write!(f, "{name}: {value}\r\n")?;
        }
        write!(f, "\r\n{}", String::from_utf8_lossy(&self.body))
    }
}
