//! A SIP message as text (RFC 3261 §7): start line, headers in order, body.
//!
//! Lenient in reading and literal in writing: a test says exactly which header stands where.

use std::fmt;

/// Long forms of the compact header names (RFC 3261 §7.3.3).
const COMPACT: [(&str, &str); 10] = [
    ("i", "Call-ID"),
    ("m", "Contact"),
    ("e", "Content-Encoding"),
    ("l", "Content-Length"),
    ("c", "Content-Type"),
    ("f", "From"),
    ("s", "Subject"),
    ("k", "Supported"),
    ("t", "To"),
    ("v", "Via"),
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    Request { method: String, uri: String },
    Response { code: u16, reason: String },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub start: Start,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Message {
    #[must_use]
    pub fn request(method: &str, uri: &str) -> Self {
        let start = Start::Request { method: method.into(), uri: uri.into() };
        Self { start, headers: Vec::new(), body: Vec::new() }
    }

    #[must_use]
    pub fn response(code: u16, reason: &str) -> Self {
        let start = Start::Response { code, reason: reason.into() };
        Self { start, headers: Vec::new(), body: Vec::new() }
    }

    /// A response to `request` with the headers that RFC 3261 §8.2.6.2 has copied; no tag added.
    #[must_use]
    pub fn reply_to(request: &Self, code: u16, reason: &str) -> Self {
        let mut reply = Self::response(code, reason);
        for (name, value) in &request.headers {
            if ["Via", "Record-Route", "From", "To", "Call-ID", "CSeq"]
                .iter()
                .any(|copied| name.eq_ignore_ascii_case(copied))
            {
                reply.headers.push((name.clone(), value.clone()));
            }
        }
        reply
    }

    /// The ACK of a final response other than 2xx, part of the INVITE's own transaction
    /// (RFC 3261 §17.1.1.3).
    #[must_use]
    pub fn ack_of_failure(invite: &Self, response: &Self) -> Self {
        Self::beside(invite, "ACK").with("To", response.header("To").unwrap_or_default())
    }

    /// The CANCEL of an INVITE (RFC 3261 §9.1).
    #[must_use]
    pub fn cancel_of(invite: &Self) -> Self {
        Self::beside(invite, "CANCEL").with("To", invite.header("To").unwrap_or_default())
    }

    /// A request that shares the INVITE's target, topmost Via, route, From, Call-ID and CSeq number.
    fn beside(invite: &Self, method: &str) -> Self {
        let mut request = Self::request(method, invite.uri().unwrap_or_default());
        if let Some(via) = invite.header("Via") {
            request = request.with("Via", via);
        }
        for name in ["Route", "Max-Forwards", "From", "Call-ID"] {
            for value in invite.all(name) {
                request = request.with(name, value);
            }
        }
        let number = invite.cseq().map_or(1, |(number, _)| number);
        request.with("CSeq", format!("{number} {method}"))
    }

    /// Adds a header at the end; for building in one expression.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    #[must_use]
    pub fn with_body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.with("Content-Type", content_type)
    }

    /// Replaces every header of that name by one at the first one's place, or adds it.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        let at = self.headers.iter().position(|(n, _)| n.eq_ignore_ascii_case(name));
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        let at = at.unwrap_or(self.headers.len()).min(self.headers.len());
        self.headers.insert(at, (name.into(), value.into()));
    }

    /// Value of the first header of that (long) name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Values of all headers of that name, in order, as they stand (lists are not split).
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    #[must_use]
    pub fn method(&self) -> Option<&str> {
        match &self.start {
            Start::Request { method, .. } => Some(method),
            Start::Response { .. } => None,
        }
    }

    #[must_use]
    pub fn uri(&self) -> Option<&str> {
        match &self.start {
            Start::Request { uri, .. } => Some(uri),
            Start::Response { .. } => None,
        }
    }

    /// Status code; `None` for a request.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match &self.start {
            Start::Response { code, .. } => Some(*code),
            Start::Request { .. } => None,
        }
    }

    #[must_use]
    pub fn reason(&self) -> &str {
        match &self.start {
            Start::Response { reason, .. } => reason,
            Start::Request { .. } => "",
        }
    }

    #[must_use]
    pub fn call_id(&self) -> &str {
        self.header("Call-ID").unwrap_or_default()
    }

    /// Number and method of CSeq.
    #[must_use]
    pub fn cseq(&self) -> Option<(u32, &str)> {
        let (number, method) = self.header("CSeq")?.split_once(char::is_whitespace)?;
        Some((number.trim().parse().ok()?, method.trim()))
    }

    /// Tag of the To header.
    #[must_use]
    pub fn to_tag(&self) -> Option<&str> {
        param(self.header("To")?, "tag")
    }

    #[must_use]
    pub fn from_tag(&self) -> Option<&str> {
        param(self.header("From")?, "tag")
    }

    /// Branch of the topmost Via.
    #[must_use]
    pub fn branch(&self) -> Option<&str> {
        param(self.header("Via")?, "branch")
    }

    /// Reads one whole message, as it came in a datagram.
    #[must_use]
    pub fn parse(datagram: &[u8]) -> Option<Self> {
        let end = find(datagram, b"\r\n\r\n")?;
        let head = std::str::from_utf8(&datagram[..end]).ok()?;
        let mut message = Self::parse_head(head)?;
        let body = &datagram[end + 4..];
        let length = message.content_length().unwrap_or(body.len());
        message.body = body.get(..length)?.to_vec();
        Some(message)
    }

    /// Takes one message from the front of a stream's bytes (RFC 3261 §18.3), or `None` when it is
    /// not whole yet. Keep-alive line breaks before it are dropped.
    ///
    /// # Errors
    /// When the bytes can never become a message.
    pub fn take(stream: &mut Vec<u8>) -> Result<Option<Self>, &'static str> {
        let blank = stream.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        stream.drain(..blank);
        let Some(end) = find(stream, b"\r\n\r\n") else { return Ok(None) };
        let head = std::str::from_utf8(&stream[..end]).map_err(|_| "head is not UTF-8")?;
        let mut message = Self::parse_head(head).ok_or("start line or header is malformed")?;
        let length = message.content_length().ok_or("no Content-Length on a stream")?;
        let total = end + 4 + length;
        if stream.len() < total {
            return Ok(None);
        }
        message.body = stream[end + 4..total].to_vec();
        stream.drain(..total);
        Ok(Some(message))
    }

    fn content_length(&self) -> Option<usize> {
        self.header("Content-Length")?.trim().parse().ok()
    }

    fn parse_head(head: &str) -> Option<Self> {
        let mut lines = head.split("\r\n");
        let mut message = Self::parse_start(lines.next()?)?;
        for line in lines {
            if line.starts_with([' ', '\t']) {
                let (_, value) = message.headers.last_mut()?;
                value.push(' ');
                value.push_str(line.trim());
                continue;
            }
            let (name, value) = line.split_once(':')?;
            let name = name.trim();
            let long = COMPACT.iter().find(|(short, _)| name.eq_ignore_ascii_case(short));
            let name = long.map_or(name, |(_, long)| long);
            message.headers.push((name.into(), value.trim().into()));
        }
        Some(message)
    }

    fn parse_start(line: &str) -> Option<Self> {
        if let Some(rest) = line.strip_prefix("SIP/2.0 ") {
            let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
            return Some(Self::response(code.parse().ok()?, reason));
        }
        let mut words = line.split(' ');
        let (method, uri, version) = (words.next()?, words.next()?, words.next()?);
        (version == "SIP/2.0" && words.next().is_none()).then(|| Self::request(method, uri))
    }

    /// The bytes for the wire. `Content-Length` is written here unless a header of that name was
    /// set by hand (a lie, to test the other side).
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = self.to_string();
        if self.header("Content-Length").is_none() {
            text.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// Start line and headers, each ended by CRLF.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.start {
            Start::Request { method, uri } => write!(f, "{method} {uri} SIP/2.0\r\n")?,
            Start::Response { code, reason } => write!(f, "SIP/2.0 {code} {reason}\r\n")?,
        }
        self.headers.iter().try_for_each(|(name, value)| write!(f, "{name}: {value}\r\n"))
    }
}

/// Value of the parameter `name` of a header value, looked for behind the address.
#[must_use]
pub fn param<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let params = value.rsplit_once('>').map_or(value, |(_, params)| params);
    params.split(';').skip(1).find_map(|part| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The URI inside a name-addr or addr-spec (`"Bob" <sip:bob@host>;tag=1` gives `sip:bob@host`).
#[must_use]
pub fn uri_of(value: &str) -> &str {
    match (value.find('<'), value.find('>')) {
        (Some(open), Some(close)) if open < close => &value[open + 1..close],
        _ => value.split(';').next().unwrap_or(value).trim(),
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &str = "SIP/2.0 200 OK\r\nv: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\
        To: \"A;tag=no\" <sip:a@b;x=1>;tag=yes\r\nCSeq: 7 INVITE\r\nSubject: one\r\n two\r\n\
        l: 3\r\n\r\nabcdef";

    #[test]
    fn compact_names_folding_and_content_length_are_understood() {
        let message = Message::parse(OK.as_bytes()).expect("parses");
        assert_eq!(message.code(), Some(200));
        assert_eq!(message.branch(), Some("z9hG4bK1"));
        assert_eq!(message.to_tag(), Some("yes"));
        assert_eq!(message.cseq(), Some((7, "INVITE")));
        assert_eq!(message.header("subject"), Some("one two"));
        assert_eq!(message.body, b"abc");
        assert_eq!(uri_of(message.header("To").unwrap()), "sip:a@b;x=1");
    }

    #[test]
    fn what_is_built_is_read_back() {
        let built =
            Message::request("OPTIONS", "sip:h").with("Call-ID", "1").with_body("t/x", "hi");
        let read = Message::parse(&built.to_bytes()).expect("parses");
        assert_eq!((read.method(), read.call_id()), (Some("OPTIONS"), "1"));
        assert_eq!(read.body, b"hi");
    }

    #[test]
    fn a_stream_gives_messages_only_when_they_are_whole() {
        let bytes = Message::request("A", "sip:h").with_body("t/x", "hi").to_bytes();
        let mut stream = b"\r\n\r\n".to_vec();
        stream.extend_from_slice(&bytes[..bytes.len() - 1]);
        assert_eq!(Message::take(&mut stream), Ok(None));
        stream.extend_from_slice(&bytes[bytes.len() - 1..]);
        stream.extend_from_slice(&bytes);
        assert!(Message::take(&mut stream).unwrap().is_some());
        assert!(Message::take(&mut stream).unwrap().is_some());
        assert!(stream.is_empty());
    }

    #[test]
    fn set_replaces_all_of_a_name_in_place() {
        let mut message = Message::request("A", "b").with("X", "1").with("Y", "2").with("x", "3");
        message.set("X", "4");
        assert_eq!(message.to_string(), "A b SIP/2.0\r\nX: 4\r\nY: 2\r\n");
    }
}
