//! Cutting messages out of a byte stream by Content-Length (RFC 3261 §18.3, §7.5; RFC 5626 §3.5.1).
//!
//! One framer per connection, fed by the shell. It looks no deeper into a message than the length
//! of its body; the lexer does that. After an error the framing is lost and the connection must go.

use bytes::{Buf, Bytes, BytesMut};

use super::headers::long_name;
use super::limits::{MAX_BODY_BYTES, MAX_MESSAGE_BYTES};
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
    /// Octets in which the end of the header block was looked for.
    searched: usize,
    /// Octets of the message at the front, once its header block is whole.
    total: Option<usize>,
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
    /// this stays true for long. Line ends are none: a single CRLF is the answer to a keep-alive of ours
    /// (RFC 5626 §3.5.1), and nothing need follow it.
    pub fn is_partial(&self) -> bool {
        self.buffer.iter().any(|octet| !matches!(octet, b'\r' | b'\n'))
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
        if self.skip_blanks() {
            return Ok(Some(Frame::Ping));
        }
        let Some(total) = self.measure()? else { return Ok(None) };
        if self.buffer.len() < total {
            return Ok(None);
        }
        (self.searched, self.total) = (0, None);
        Ok(Some(Frame::Message(self.buffer.split_to(total).freeze())))
    }

    /// The length of the message at the front, as soon as its header block is whole.
    fn measure(&mut self) -> Result<Option<usize>, Error> {
        let too_large = Error::TooLarge { what: "message", limit: MAX_MESSAGE_BYTES };
        if self.total.is_none() {
            let Some(head) = self.find_head_end() else {
                let is_too_large = self.buffer.len() > MAX_MESSAGE_BYTES;
                return if is_too_large { Err(too_large) } else { Ok(None) };
            };
            let length = content_length(self.buffer.get(..head).unwrap_or_default())?;
            if head + length > MAX_MESSAGE_BYTES {
                return Err(too_large);
            }
            self.total = Some(head + length);
        }
        Ok(self.total)
    }

    /// Drops line ends before a message; true when they make up a keep-alive. They are not counted:
    /// a quiet phone may send nothing else for days.
    fn skip_blanks(&mut self) -> bool {
        loop {
            if self.buffer.starts_with(b"\r\n\r\n") {
                self.buffer.advance(4);
                return true;
            }
            match self.buffer.as_ref() {
                // may become a keep-alive with the next bytes
                [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => return false,
                [b'\r', b'\n', ..] => self.buffer.advance(2),
                [b'\n', ..] => self.buffer.advance(1),
                _ => return false,
            }
        }
    }

    /// The octet after the empty line. Searches only what it has not seen before.
    fn find_head_end(&mut self) -> Option<usize> {
        // an empty line: a line end, and before it nothing since the line end before that
        let mut at = self.searched.saturating_sub(3);
        while let Some(line) = self.buffer.get(at..).and_then(|rest| find(rest, b'\n')) {
            at += line + 1;
            match self.buffer.get(at..) {
                Some([b'\n', ..]) => return Some(at + 1),
                Some([b'\r', b'\n', ..]) => return Some(at + 2),
                _ => {}
            }
        }
        self.searched = self.buffer.len();
        None
    }
}

fn find(bytes: &[u8], octet: u8) -> Option<usize> {
    bytes.iter().position(|b| *b == octet)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: &str, body: usize) -> Vec<u8> {
        format!("OPTIONS sip:h SIP/2.0\r\nVia: x\r\n{length}\r\n{}", "b".repeat(body)).into_bytes()
    }

    fn frames(framer: &mut StreamFramer, bytes: &[u8]) -> Vec<Frame> {
        framer.push(bytes);
        let mut frames = Vec::new();
        while let Some(frame) = framer.next().unwrap() {
            frames.push(frame);
        }
        frames
    }

    #[test]
    fn messages_are_cut_by_their_length_and_may_come_octet_by_octet() {
        let one = message("Content-Length: 5\r\n", 5);
        let two = message("l : 0\r\n", 0);
        let both = [&one[..], &two[..]].concat();
        let expected = vec![Frame::Message(one.into()), Frame::Message(two.into())];
        assert_eq!(frames(&mut StreamFramer::new(), &both), expected);
        let mut framer = StreamFramer::new();
        let slowly: Vec<Frame> = both.iter().flat_map(|b| frames(&mut framer, &[*b])).collect();
        assert_eq!(slowly, expected);
        assert!(!framer.is_partial());
    }

    #[test]
    fn keep_alives_are_told_and_single_line_ends_skipped() {
        let mut framer = StreamFramer::new();
        assert_eq!(frames(&mut framer, b"\r\n\r\n"), [Frame::Ping]);
        assert_eq!(frames(&mut framer, b"\r\n"), []);
        assert_eq!(frames(&mut framer, b"\r"), []);
        assert_eq!(frames(&mut framer, b"\n"), [Frame::Ping]);
        let one = message("l: 0\r\n", 0);
        let padded = [b"\r\n", &one[..], b"\r\n\r\n"].concat();
        assert_eq!(frames(&mut framer, &padded), [Frame::Message(one.into()), Frame::Ping]);
    }

    #[test]
    fn keep_alives_may_go_on_for_ever_and_keep_nothing() {
        let mut framer = StreamFramer::new();
        for _ in 0..10_000 {
            assert_eq!(frames(&mut framer, b"\r\n\r\n"), [Frame::Ping]);
        }
        assert!(!framer.is_partial());
    }

    #[test]
    fn the_answer_to_a_keep_alive_of_ours_is_no_unfinished_message() {
        let mut framer = StreamFramer::new();
        assert_eq!(frames(&mut framer, b"\r\n"), []);
        assert!(!framer.is_partial());
        assert_eq!(frames(&mut framer, b"\r\nOPTI"), [Frame::Ping]);
        assert!(framer.is_partial());
    }

    #[test]
    fn a_message_without_length_has_no_body() {
        let one = message("", 0);
        assert_eq!(frames(&mut StreamFramer::new(), &one), [Frame::Message(one.clone().into())]);
    }

    #[test]
    fn a_length_that_cannot_be_trusted_ends_the_stream() {
        for length in ["l: -1\r\n", "l: x\r\n", "l: 1\r\nContent-Length: 2\r\n"] {
            let mut framer = StreamFramer::new();
            framer.push(&message(length, 2));
            assert!(framer.next().is_err(), "{length}");
            framer.push(&message("l: 0\r\n", 0));
            assert_eq!(framer.next(), Ok(None), "nothing is read after that");
        }
    }

    #[test]
    fn header_block_and_body_are_bounded() {
        let mut framer = StreamFramer::new();
        framer.push(&vec![b'x'; MAX_MESSAGE_BYTES]);
        assert_eq!(framer.next(), Ok(None));
        framer.push(b"x");
        let limit = MAX_MESSAGE_BYTES;
        assert_eq!(framer.next(), Err(Error::TooLarge { what: "message", limit }));
        for (size, is_good) in [(MAX_BODY_BYTES, true), (MAX_BODY_BYTES + 1, false)] {
            let mut framer = StreamFramer::new();
            framer.push(&message(&format!("l: {size}\r\n"), size));
            assert_eq!(framer.next().is_ok(), is_good, "{size}");
        }
    }
}
