//! Header extensions (RFC 8285): the elements of one packet, and the audio level (RFC 6464).
//!
//! [`Leg`](crate::leg::Leg) asks when a level was negotiated. What is malformed ends the iteration;
//! the packet itself stays good.

#![warn(clippy::indexing_slicing)]

use rtp_rs::RtpReader;

use super::AudioLevel;

/// Elements of one byte of header (RFC 8285 §4.2).
const ONE_BYTE: u16 = 0xbede;
/// Elements of two bytes of header, without its four application bits (§4.3).
const TWO_BYTE: u16 = 0x1000;

/// The extension elements of a packet: identifier and data, in order.
#[derive(Debug, Clone)]
pub struct Extensions<'a> {
    form: Form,
    rest: &'a [u8],
}

#[derive(Debug, Clone, Copy)]
enum Form {
    OneByte,
    TwoByte,
}

impl<'a> Extensions<'a> {
    /// Of a datagram; none if it is no RTP packet or has no extension of RFC 8285.
    pub fn of(datagram: &'a [u8]) -> Self {
        let none = Self { form: Form::OneByte, rest: &[] };
        // The X bit, before anything is read twice.
        if datagram.first().is_none_or(|first| first & 0x10 == 0) {
            return none;
        }
        let extension = RtpReader::new(datagram).ok().and_then(|reader| reader.extension());
        match extension {
            Some((ONE_BYTE, rest)) => Self { form: Form::OneByte, rest },
            Some((profile, rest)) if profile & 0xfff0 == TWO_BYTE => {
                Self { form: Form::TwoByte, rest }
            }
            _ => none,
        }
    }

    /// Takes the next element off; `None` at the end and where nothing can be read any more.
    fn split_first(&mut self) -> Option<(u8, &'a [u8])> {
        // Zeros between elements are padding.
        let start = self.rest.iter().position(|&byte| byte != 0)?;
        let (&first, after) = self.rest.get(start..)?.split_first()?;
        let (id, len, after) = match self.form {
            // 15 ends everything, and so does 0 with a length.
            Form::OneByte if matches!(first >> 4, 0 | 15) => return None,
            Form::OneByte => (first >> 4, usize::from(first & 15) + 1, after),
            Form::TwoByte => {
                let (&len, after) = after.split_first()?;
                (first, usize::from(len), after)
            }
        };
        let (data, rest) = after.split_at_checked(len)?;
        self.rest = rest;
        Some((id, data))
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let element = self.split_first();
        if element.is_none() {
            self.rest = &[];
        }
        element
    }
}

impl AudioLevel {
    /// The level that a datagram carries under this identifier, if it does (RFC 6464 §3).
    pub fn of(datagram: &[u8], id: u8) -> Option<Self> {
        let (_, data) = Extensions::of(datagram).find(|&(found, _)| found == id)?;
        let &byte = data.first()?;
        Some(Self { below_dbov: byte & 0x7f, voice: byte & 0x80 != 0 })
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A packet of one byte of payload with this extension, filled up to words.
    fn datagram(profile: u16, elements: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x90, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        let words = elements.len().div_ceil(4);
        bytes.extend(profile.to_be_bytes());
        bytes.extend((words as u16).to_be_bytes());
        bytes.extend(elements);
        bytes.resize(16 + words * 4, 0);
        bytes.push(0x55);
        bytes
    }

    fn elements(profile: u16, elements: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let datagram = datagram(profile, elements);
        Extensions::of(&datagram).map(|(id, data)| (id, data.to_vec())).collect()
    }

    #[test]
    fn elements_of_one_byte_are_read_as_rfc_8285_4_2_draws_them() {
        let read = elements(ONE_BYTE, &[0x10, 7, 0, 0, 0x32, 1, 2, 3, 0, 0x20, 9]);
        assert_eq!(read, [(1, vec![7]), (3, vec![1, 2, 3]), (2, vec![9])]);
        for (name, bytes, count) in [
            ("15 ends", &[0x10, 7, 0xf0, 1, 0x20, 9][..], 1),
            ("0 with a length ends", &[0x10, 7, 0x01, 1, 0x20, 9], 1),
            ("beyond the end", &[0x10, 7, 0x2f, 1], 1),
            ("nothing but padding", &[0, 0, 0, 0], 0),
            ("empty", &[], 0),
        ] {
            assert_eq!(elements(ONE_BYTE, bytes).len(), count, "{name}");
        }
    }

    #[test]
    fn elements_of_two_bytes_are_read_as_rfc_8285_4_3_draws_them() {
        let read = elements(0x1005, &[1, 0, 0, 200, 2, 8, 9, 0, 0, 15, 1, 3]);
        assert_eq!(read, [(1, vec![]), (200, vec![8, 9]), (15, vec![3])]);
        assert_eq!(elements(TWO_BYTE, &[1, 1, 5, 2, 200, 1]), [(1, vec![5])]);
        assert_eq!(elements(0x2000, &[1, 1, 5, 0]), [], "another kind of extension");
    }

    #[test]
    fn the_level_is_seven_bits_and_a_voice_bit() {
        let level = |profile, bytes: &[u8], id| AudioLevel::of(&datagram(profile, bytes), id);
        let loud = Some(AudioLevel { below_dbov: 30, voice: true });
        assert_eq!(level(ONE_BYTE, &[0x30, 1, 0x10, 0x80 | 30], 1), loud);
        assert_eq!(level(TWO_BYTE, &[1, 1, 0x80 | 30], 1), loud);
        let silent = Some(AudioLevel { below_dbov: 127, voice: false });
        assert_eq!(level(ONE_BYTE, &[0x10, 127], 1), silent);
        assert_eq!(level(ONE_BYTE, &[0x10, 127], 2), None);
        assert_eq!(level(TWO_BYTE, &[1, 0], 1), None);
        assert_eq!(AudioLevel::of(&[0x80; 40], 1), None);
    }

    proptest! {
        #[test]
        fn any_extension_is_read_without_a_panic_and_within_its_bytes(
            two: bool, bytes in proptest::collection::vec(any::<u8>(), 0..80), cut in 0usize..120,
        ) {
            let profile = if two { TWO_BYTE } else { ONE_BYTE };
            let mut datagram = datagram(profile, &bytes);
            datagram.truncate(cut.max(1));
            let read = Extensions::of(&datagram).map(|(_, data)| data.len() + 1).sum::<usize>();
            prop_assert!(read <= bytes.len().next_multiple_of(4));
            let _ = AudioLevel::of(&datagram, 1);
        }
    }
}
