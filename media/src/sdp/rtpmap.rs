//! Payload types of a section and the codecs behind them (RFC 3551 §6, RFC 8866 §6.6).

use super::wire::Section;
use crate::codec::CodecKind;
use crate::rtp::PayloadType;

/// The format of digits (RFC 4733 §7.1.1).
pub(super) const TELEPHONE_EVENT: &str = "telephone-event";

/// The events of digits: 0-9, *, #, A-D.
pub(super) const DIGIT_EVENTS: &str = "0-15";

impl<'a> Section<'a> {
    /// The payload types of the media line, in its order. What is no RTP payload type is left out.
    fn payload_types(&self) -> impl Iterator<Item = PayloadType> {
        self.formats
            .iter()
            .filter_map(|text| text.parse().ok())
            .filter(|&number| number < 128)
            .map(PayloadType)
    }

    /// The payload type of this codec: the first that is listed.
    pub(super) fn payload_type_of(&self, codec: CodecKind) -> Option<PayloadType> {
        self.payload_types().find(|&number| self.codec_at(number) == Some(codec))
    }

    /// The first listed codec that is among `wanted`.
    pub(super) fn first_codec_of(&self, wanted: &[CodecKind]) -> Option<(CodecKind, PayloadType)> {
        self.payload_types().find_map(|number| {
            let codec = self.codec_at(number).filter(|codec| wanted.contains(codec))?;
            Some((codec, number))
        })
    }

    /// The payload type of telephone-event at this clock. One at another clock is of no use: its
    /// timestamps would not be those of the audio (RFC 4733 §2.1).
    pub(super) fn telephone_event(&self, clock_hz: u32) -> Option<PayloadType> {
        self.payload_types().find(|&number| {
            self.encoding_at(number).is_some_and(|encoding| {
                encoding.name.eq_ignore_ascii_case(TELEPHONE_EVENT) && encoding.clock_hz == clock_hz
            })
        })
    }

    fn codec_at(&self, payload_type: PayloadType) -> Option<CodecKind> {
        match self.encoding_at(payload_type) {
            Some(encoding) => {
                CodecKind::from_rtpmap(encoding.name, encoding.clock_hz, encoding.channels)
            }
            None => CodecKind::from_static(payload_type),
        }
    }

    /// What `a=rtpmap` says of a payload type.
    fn encoding_at(&self, payload_type: PayloadType) -> Option<Encoding<'a>> {
        self.attributes
            .iter()
            .filter(|attribute| attribute.name.eq_ignore_ascii_case("rtpmap"))
            .filter_map(|attribute| attribute.value.split_once(|c: char| c.is_ascii_whitespace()))
            .find(|(number, _)| number.parse() == Ok(payload_type.0))
            .map(|(_, encoding)| Encoding::parse(encoding))
    }
}

/// `name/clock/channels`.
struct Encoding<'a> {
    name: &'a str,
    clock_hz: u32,
    channels: u32,
}

impl<'a> Encoding<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split('/').map(str::trim);
        let name = parts.next().unwrap_or_default();
        // Some gateways write the name alone, meaning the telephone band.
        let clock_hz = parts.next().map_or(8_000, |clock| clock.parse().unwrap_or(0));
        let channels = parts.next().map_or(1, |channels| channels.parse().unwrap_or(0));
        Self { name, clock_hz, channels }
    }
}
