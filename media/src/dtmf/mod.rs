//! Telephone-events (RFC 4733): key presses as RTP packets, both directions.
//!
//! [`Leg`](crate::leg::Leg) is the caller. Lines without telephone-events have their audio searched for
//! keys by [`inband`].

pub mod inband;
mod receive;
mod send;

pub use receive::{DigitReceiver, DtmfEvent};
pub use send::{DigitSender, EventPacket, MAX_QUEUED_DIGITS, PacketTime};

/// A key: `0-9`, `*`, `#`, `A-D`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digit(u8);

impl Digit {
    /// Characters by event code (RFC 4733 §3.2, table 3).
    const CHARS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];

    /// The key of an event code; `None` for flash and all other signals.
    pub fn from_code(code: u8) -> Option<Self> {
        (usize::from(code) < Self::CHARS.len()).then_some(Self(code))
    }

    /// The key written as a character; letters in either case.
    pub fn from_char(character: char) -> Option<Self> {
        let upper = character.to_ascii_uppercase();
        Self::CHARS.iter().position(|&c| c == upper).map(|code| Self(code as u8))
    }

    /// As written.
    pub fn as_char(self) -> char {
        Self::CHARS[usize::from(self.0)]
    }

    /// The event code.
    pub fn code(self) -> u8 {
        self.0
    }
}

/// The four bytes of an event payload (RFC 4733 §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventPayload {
    /// Event code: 0 to 15 are keys.
    pub code: u8,
    /// The E bit: this packet reports the end.
    pub end: bool,
    /// Power in -dBm0, 0 to 63.
    pub volume: u8,
    /// Clock units since the packet's timestamp.
    pub duration: u16,
}

impl EventPayload {
    /// Bytes on the wire.
    pub const BYTES: usize = 4;

    /// Reads the first event of a payload; `None` if it is too short.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let &[code, flags, high, low] = payload.first_chunk()?;
        Some(Self {
            code,
            end: flags & 0x80 != 0,
            volume: flags & 0x3f,
            duration: u16::from_be_bytes([high, low]),
        })
    }

    /// As sent.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let [high, low] = self.duration.to_be_bytes();
        [self.code, (u8::from(self.end) << 7) | (self.volume & 0x3f), high, low]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_key_has_its_code() {
        for (code, character) in "0123456789*#ABCD".chars().enumerate() {
            let digit = Digit::from_char(character).unwrap();
            assert_eq!(usize::from(digit.code()), code);
            assert_eq!(Digit::from_code(digit.code()), Some(digit));
            assert_eq!(digit.as_char(), character);
        }
        assert_eq!(Digit::from_char('b').map(Digit::as_char), Some('B'));
        assert_eq!(Digit::from_code(16), None); // flash
        assert_eq!(Digit::from_char('w'), None);
    }

    #[test]
    fn payload_is_laid_out_as_rfc_4733_2_3_draws_it() {
        let event = EventPayload { code: 11, end: true, volume: 10, duration: 0x0320 };
        assert_eq!(event.to_bytes(), [11, 0x8a, 0x03, 0x20]);
        assert_eq!(EventPayload::parse(&[11, 0xca, 3, 0x20, 99]), Some(event)); // R bit, extra byte
        assert_eq!(EventPayload::parse(&[11, 0x8a, 3]), None);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(code: u8, end: bool, volume in 0u8..64, duration: u16) {
            let event = EventPayload { code, end, volume, duration };
            prop_assert_eq!(EventPayload::parse(&event.to_bytes()), Some(event));
        }
    }
}
