//! Cutting messages out of a byte stream by Content-Length (RFC 3261 §18.3, §7.5; RFC 5626 §3.5.1).
//!
//! One framer per connection, fed by the shell. It looks no deeper into a message than the length
//! of its body; the lexer does that. After an error the framing is lost and the connection must go.
#![warn(clippy::indexing_slicing)]

use bytes::{Buf, Bytes, BytesMut};

use super::headers::long_name;
use super::limits::{MAX_BODY_BYTES, MAX_MESSAGE_BYTES, MAX_STREAM_BLANKS};
use super::typed::parse_number;
use crate::Error;

/// What a stream yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// One whole message.
    Message(Bytes),
    /// A keep-alive (CRLF CRLF) between messages; answer with one CRLF.
    Ping,
}

/// The receive buffer of one connection.
#[derive(Debug, Default)]
pub struct StreamFramer {
    buffer: BytesMut,
    searched: usize,
    blanks: usize,
    broken: bool,
}

impl StreamFramer {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends what the socket gave. Nothing is kept after an error.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.broken {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Whether bytes of an unfinished message are waiting. A shell may close a connection on which
    /// this stays true for long.
    pub fn is_partial(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// The next whole message or keep-alive, `None` if more bytes are needed.
    ///
    /// # Errors
    /// The length of the message is missing its bounds, unreadable or contradictory. The connection
    /// cannot be read any further.
    #[expect(clippy::should_implement_trait, reason = "fallible, so no Iterator")]
    pub fn next(&mut self) -> Result<Option<Frame>, Error> {
        if self.broken {
            return Ok(None);
        }
        let frame = self.cut();
        if frame.is_err() {
            self.broken = true;
            self.buffer.clear();
        }
        frame
    }

    fn cut(&mut self) -> Result<Option<Frame>, Error> {
        if self.skip_blanks()? {
            return Ok(Some(Frame::Ping));
        }
        let Some(head) = self.find_head_end() else {
            if self.buffer.len() > MAX_MESSAGE_BYTES {
                return Err(Error::TooLarge { what: "message", limit: MAX_MESSAGE_BYTES });
            }
            return Ok(None);
        };
        let length = content_length(self.buffer.get(..head).unwrap_or_default())?;
        let total = head + length;
        if total > MAX_MESSAGE_BYTES {
            return Err(Error::TooLarge { what: "message", limit: MAX_MESSAGE_BYTES });
        }
        if self.buffer.len() < total {
            return Ok(None);
        }
        self.searched = 0;
        self.blanks = 0;
        Ok(Some(Frame::Message(self.buffer.split_to(total).freeze())))
    }

    /// Drops line ends before a message; true when they make up a keep-alive.
    fn skip_blanks(&mut self) -> Result<bool, Error> {
        loop {
            if self.buffer.starts_with(b"\r\n\r\n") {
                self.buffer.advance(4);
                self.count_blanks(2)?;
                return Ok(true);
            }
            match self.buffer.as_ref() {
                // may become a keep-alive with the next bytes
                [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => return Ok(false),
                [b'\r', b'\n', ..] => self.buffer.advance(2),
                [b'\n', ..] => self.buffer.advance(1),
                _ => return Ok(false),
            }
            self.count_blanks(1)?;
        }
    }

    fn count_blanks(&mut self, lines: usize) -> Result<(), Error> {
        self.blanks += lines;
        if self.blanks > MAX_STREAM_BLANKS {
            return Err(Error::TooLarge { what: "empty lines", limit: MAX_STREAM_BLANKS });
        }
        Ok(())
    }

    /// The octet after the empty line. Searches only what it has not seen before.
    fn find_head_end(&mut self) -> Option<usize> {
        let from = self.searched.saturating_sub(3);
        let unseen = self.buffer.get(from..).unwrap_or_default();
        let end = unseen.iter().enumerate().find_map(|(at, b)| {
            let before = self.buffer.get(..from + at)?;
            let empty = before.ends_with(b"\n") || before.ends_with(b"\n\r");
            (*b == b'\n' && empty).then_some(from + at + 1)
        });
        self.searched = self.buffer.len();
        if let Some(end) = end {
            self.searched = end;
        }
        end
    }
}

/// The body length a header block announces; a stream needs it (RFC 3261 §20.14), but a message
/// without it is taken as having no body rather than ending the connection.
fn content_length(head: &[u8]) -> Result<usize, Error> {
    const WHAT: &str = "Content-Length";
    let mut found = None;
    for line in head.split(|b| *b == b'\n') {
        let Some(colon) = line.iter().position(|b| *b == b':') else { continue };
        let Some((name, value)) = line.split_at_checked(colon) else { continue };
        let name = std::str::from_utf8(name.trim_ascii_end()).unwrap_or_default();
        if !long_name(name).eq_ignore_ascii_case(WHAT) {
            continue;
        }
        let value = std::str::from_utf8(value).unwrap_or_default();
        let length = parse_number(value.trim_start_matches(':'));
        let length = length.ok_or(Error::Malformed { what: WHAT })?;
        if found.is_some_and(|earlier| earlier != length) {
            return Err(Error::Repeated { what: WHAT });
        }
        found = Some(length);
    }
    let length = usize::try_from(found.unwrap_or(0)).unwrap_or(usize::MAX);
    if length > MAX_BODY_BYTES {
        return Err(Error::TooLarge { what: "body", limit: MAX_BODY_BYTES });
    }
    Ok(length)
}
