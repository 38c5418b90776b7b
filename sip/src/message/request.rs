//! A received or built request (RFC 3261 §7.1) whose mandatory fields are known to be good.
//!
//! [`Request::parse`] is the only way to make one from bytes: From, To, Call-ID, CSeq and the top Via
//! are parsed once and kept typed. What cannot be parsed comes back as [`Refused`], with enough left
//! of it to answer 400.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

use super::headers::Headers;
use super::lexer::{Lexed, StartLine, lex};
use super::limits::{MAX_ID_BYTES, MAX_URI_BYTES};
use super::method::Method;
use super::response::Response;
use super::typed::{CSeq, NameAddr, Via, parse_number};
use super::uri::Uri;
use crate::Error;

/// One message, of either kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

impl Message {
    /// Parses one datagram, or one message cut out of a stream.
    ///
    /// # Errors
    /// [`Refused`], which says whether and how the sender can be told.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        let lexed = lex(bytes).map_err(|error| Refused { error, request: None })?;
        match lexed.start {
            StartLine::Request { .. } => Request::from_lexed(lexed).map(Self::Request),
            StartLine::Response { .. } => Response::from_lexed(lexed)
                .map(Self::Response)
                .map_err(|error| Refused { error, request: None }),
        }
    }
}

/// A message that is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub error: Error,
    /// Method and header fields, when it is a request that could be answered.
    pub request: Option<Box<(Method, Headers)>>,
}

/// A request. Its fields may hold credentials and its body keys, so `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    method: Method,
    uri: Uri,
    headers: Headers,
    body: Bytes,
    raw: Bytes,
    via: Via,
    from: NameAddr,
    to: NameAddr,
    call_id: String,
    cseq: CSeq,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} {}, {})", self.method.as_str(), self.uri, self.call_id)
    }
}

impl Request {
    /// Parses bytes that must be a request.
    ///
    /// # Errors
    /// [`Refused`] if they are none, or a bad one.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        match Message::parse(bytes)? {
            Message::Request(request) => Ok(request),
            Message::Response(_) => Err(Refused { error: Error::NotSip, request: None }),
        }
    }

    pub(crate) fn from_lexed(lexed: Lexed) -> Result<Self, Refused> {
        let StartLine::Request { method, uri, version } = &lexed.start else {
            return Err(Refused { error: Error::NotSip, request: None });
        };
        let method = method.clone();
        match check(&lexed, &method, uri, version) {
            Ok((core, uri)) => Ok(Self {
                method,
                uri,
                headers: lexed.headers,
                body: lexed.body,
                raw: lexed.raw,
                via: core.via,
                from: core.from,
                to: core.to,
                call_id: core.call_id,
                cseq: core.cseq,
            }),
            Err(error) => Err(Refused { error, request: Some(Box::new((method, lexed.headers))) }),
        }
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The Request-URI.
    pub fn uri(&self) -> &Uri {
        &self.uri
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

    /// Max-Forwards, if present; out of range counts as absent.
    pub fn max_forwards(&self) -> Option<u32> {
        self.header("Max-Forwards").and_then(parse_number).filter(|n| *n <= 255)
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

    /// Replaces the topmost Via by one that says where the request came from.
    pub(crate) fn set_via(&mut self, via: Via) {
        self.headers.replace_first("Via", via.to_string());
        self.via = via;
    }
}

impl fmt::Display for Request {
    /// The message in canonical form; octets of the body that are no UTF-8 are replaced.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} SIP/2.0\r\n", self.method, self.uri)?;
        for (name, value) in self.headers.iter() {
            write!(f, "{name}: {value}\r\n")?;
        }
        write!(f, "\r\n{}", String::from_utf8_lossy(&self.body))
    }
}

/// What a request must fulfil beyond its header fields being there.
fn check(lexed: &Lexed, method: &Method, uri: &str, version: &str) -> Result<(Core, Uri), Error> {
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        return Err(Error::Version);
    }
    let core = Core::parse(&lexed.headers)?;
    if uri.len() > MAX_URI_BYTES {
        return Err(Error::TooLarge { what: "Request-URI", limit: MAX_URI_BYTES });
    }
    let uri: Uri = uri.parse().map_err(|_| Error::Malformed { what: "Request-URI" })?;
    if let Some(fault) = &lexed.fault {
        return Err(fault.clone());
    }
    if core.cseq.method != *method {
        return Err(Error::CSeqMismatch);
    }
    if lexed.headers.all("Max-Forwards").nth(1).is_some() {
        return Err(Error::Repeated { what: "Max-Forwards" });
    }
    if uri.headers().is_some() {
        // RFC 3261 §19.1.1: a header part has no place here, and is never acted upon
        return Err(Error::Malformed { what: "Request-URI" });
    }
    Ok((core, uri))
}

/// The fields every message must have (RFC 3261 §8.1.1), typed.
pub(crate) struct Core {
    pub(crate) via: Via,
    pub(crate) from: NameAddr,
    pub(crate) to: NameAddr,
    pub(crate) call_id: String,
    pub(crate) cseq: CSeq,
}

impl Core {
    pub(crate) fn parse(headers: &Headers) -> Result<Self, Error> {
        let via = headers.get("Via").ok_or(Error::Missing { what: "Via" })?.parse()?;
        let from = NameAddr::parse(single(headers, "From")?, "From")?;
        let to = NameAddr::parse(single(headers, "To")?, "To")?;
        let call_id = single(headers, "Call-ID")?;
        if call_id.is_empty() || call_id.contains(char::is_whitespace) {
            return Err(Error::Malformed { what: "Call-ID" });
        }
        if call_id.len() > MAX_ID_BYTES {
            return Err(Error::TooLarge { what: "Call-ID", limit: MAX_ID_BYTES });
        }
        let cseq = single(headers, "CSeq")?.parse()?;
        for via in headers.all("Via").skip(1) {
            via.parse::<Via>()?;
        }
        Ok(Self { via, from, to, call_id: call_id.to_owned(), cseq })
    }
}

fn single<'a>(headers: &'a Headers, name: &'static str) -> Result<&'a str, Error> {
    let mut values = headers.all(name);
    let value = values.next().ok_or(Error::Missing { what: name })?;
    if values.next().is_some() {
        return Err(Error::Repeated { what: name });
    }
    Ok(value)
}
