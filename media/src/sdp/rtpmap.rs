//! Payload types of a section and the codecs behind them (RFC 3551 §6, RFC 8866 §6.6).

use super::fmtp::OpusWishes;
use super::negotiated::Format;
use super::offer::{COMFORT_NOISE_TYPE, TELEPHONE_CLOCK_HZ};
use super::policy::Wishes;
use super::wire::Section;
use crate::codec::CodecKind;
use crate::rtp::PayloadType;
use crate::time::SampleRate;

/// The format of digits (RFC 4733 §7.1.1).
pub(super) const TELEPHONE_EVENT: &str = "telephone-event";

/// The format of silence descriptors (RFC 3389 §5.2).
pub(super) const COMFORT_NOISE: &str = "CN";

/// The events of digits: 0-9, *, #, A-D.
pub(super) const DIGIT_EVENTS: &str = "0-15";

impl<'a> Section<'a> {
    /// The payload types of the media line, in its order. What is no RTP payload type is left out.
    pub(super) fn payload_types(&self) -> impl Iterator<Item = PayloadType> {
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

    /// Telephone-events with their clocks, in the order of the line. Clocks that no timestamp could
    /// count are left out.
    pub(super) fn telephone_events(&self) -> impl Iterator<Item = (PayloadType, SampleRate)> {
        self.payload_types().filter_map(|number| {
            let encoding = self.encoding_at(number)?;
            let clock = SampleRate::new(encoding.clock_hz)?;
            encoding.name.eq_ignore_ascii_case(TELEPHONE_EVENT).then_some((number, clock))
        })
    }

    /// The payload type of silence descriptors at 8 kHz.
    pub(super) fn comfort_noise(&self) -> Option<PayloadType> {
        self.payload_types().find(|&number| match self.encoding_at(number) {
            Some(encoding) => {
                encoding.name.eq_ignore_ascii_case(COMFORT_NOISE)
                    && encoding.clock_hz == TELEPHONE_CLOCK_HZ
            }
            None => number == COMFORT_NOISE_TYPE,
        })
    }

    /// What a listed payload type holds, if it is something we know.
    pub(super) fn format_at(&self, number: PayloadType) -> Option<Format> {
        let is_event = |(event, clock): (PayloadType, SampleRate)| {
            (event == number).then_some(Format::TelephoneEvent { clock_hz: clock.hz() })
        };
        let noise = || (self.comfort_noise() == Some(number)).then_some(Format::ComfortNoise);
        let audio = self.codec_at(number).map(Format::Audio);
        audio.or_else(|| self.telephone_events().find_map(is_event)).or_else(noise)
    }

    /// What the section's author says about how it wants to be sent this payload type.
    pub(super) fn wishes(&self, payload_type: PayloadType) -> Wishes {
        let milliseconds = |name| {
            let value = self.attribute(name)?.split(|c: char| !c.is_ascii_digit()).next()?;
            value.parse().ok().filter(|&ms: &u32| ms > 0)
        };
        Wishes {
            ptime_ms: milliseconds("ptime"),
            max_ptime_ms: milliseconds("maxptime"),
            opus: OpusWishes::parse(self.numbered("fmtp", payload_type)),
        }
    }

    fn codec_at(&self, payload_type: PayloadType) -> Option<CodecKind> {
        let Some(encoding) = self.encoding_at(payload_type) else {
            return CodecKind::from_static(payload_type);
        };
        let Encoding { name, clock_hz, channels } = encoding;
        // RFC 7587 §7 wants two channels whatever is sent; some phones count what they send.
        let is_opus = name.eq_ignore_ascii_case(CodecKind::Opus.name());
        let channels = if is_opus { CodecKind::Opus.channels() } else { channels };
        CodecKind::from_rtpmap(name, clock_hz, channels)
    }

    /// What `a=rtpmap` says of a payload type.
    fn encoding_at(&self, payload_type: PayloadType) -> Option<Encoding<'a>> {
        self.numbered("rtpmap", payload_type).next().map(Encoding::parse)
    }

    /// The values of `a=name:payload-type value`.
    fn numbered(
        &self,
        name: &'static str,
        payload_type: PayloadType,
    ) -> impl Iterator<Item = &'a str> {
        self.attributes
            .iter()
            .filter(move |attribute| attribute.name.eq_ignore_ascii_case(name))
            .filter_map(|attribute| attribute.value.split_once(|c: char| c.is_ascii_whitespace()))
            .filter(move |(number, _)| number.parse() == Ok(payload_type.0))
            .map(|(_, value)| value)
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
