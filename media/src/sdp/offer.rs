//! The payload types of our offers (RFC 3264 §5.1, §8.3.2).

use super::negotiated::Format;
use super::policy::Policy;
use super::wire::Section;
use crate::codec::CodecKind;
use crate::rtp::PayloadType;

/// What we offer for telephone-event at 8 kHz: the number most phones use themselves.
const TELEPHONE_EVENT_TYPE: PayloadType = PayloadType(101);
/// Dynamic payload types (RFC 3551 §6).
const DYNAMIC_TYPES: std::ops::RangeInclusive<u8> = 96..=127;
/// What RFC 3551 §6 assigns to silence descriptors.
pub(super) const COMFORT_NOISE_TYPE: PayloadType = PayloadType(13);
/// The clock of most codecs, and of silence descriptors.
pub(super) const TELEPHONE_CLOCK_HZ: u32 = 8_000;

/// What the payload types of one session have meant so far: a number never means another thing later
/// (RFC 3264 §8.3.2), and what has a number keeps it.
#[derive(Debug, Clone, Default)]
pub(super) struct Numbering {
    known: Vec<(PayloadType, Format)>,
    /// One bit for each number that has meant anything.
    used: u128,
}

impl Numbering {
    /// All that we offer, in the order of the media line: the codecs of `policy`, best first, silence
    /// descriptors, and telephone-event at the clock of each codec.
    pub(super) fn offered(&mut self, policy: &Policy) -> Vec<(PayloadType, Format)> {
        let mut clocks: Vec<u32> = Vec::new();
        for codec in &policy.codecs {
            if !clocks.contains(&codec.clock_hz()) {
                clocks.push(codec.clock_hz());
            }
        }
        let noise = policy.comfort_noise && clocks.contains(&TELEPHONE_CLOCK_HZ);
        let speech = policy.codecs.iter().copied().map(Format::Audio);
        let events = clocks.into_iter().map(|clock_hz| Format::TelephoneEvent { clock_hz });
        let all = speech.chain(noise.then_some(Format::ComfortNoise)).chain(events);
        all.filter_map(|format| Some((self.number_of(format)?, format))).collect()
    }

    /// Takes over the numbers of an offer of the peer's.
    pub(super) fn learn(&mut self, section: &Section<'_>) {
        for number in section.payload_types() {
            let Some(format) = section.format_at(number) else { continue };
            self.known.retain(|&(known, other)| known != number && other != format);
            self.known.push((number, format));
        }
        self.reserve(section);
    }

    /// Remembers that the numbers of a section mean something.
    pub(super) fn reserve(&mut self, section: &Section<'_>) {
        section.payload_types().for_each(|number| self.used |= bit(number));
    }

    /// The number a format has, or gets now. `None` if all are given away.
    fn number_of(&mut self, format: Format) -> Option<PayloadType> {
        if let Some(&(number, _)) = self.known.iter().find(|(_, known)| *known == format) {
            return Some(number);
        }
        let usual = match format {
            Format::Audio(codec) => codec.static_payload_type(),
            Format::ComfortNoise => Some(COMFORT_NOISE_TYPE),
            Format::TelephoneEvent { clock_hz: TELEPHONE_CLOCK_HZ } => Some(TELEPHONE_EVENT_TYPE),
            Format::TelephoneEvent { .. } => None,
        };
        let mut dynamic = DYNAMIC_TYPES.map(PayloadType);
        let is_free = |number: &PayloadType| self.used & bit(*number) == 0;
        // The usual number of digits is left to them as long as they may come.
        let number = usual.filter(is_free).or_else(|| {
            dynamic.find(|number| *number != TELEPHONE_EVENT_TYPE && is_free(number))
        })?;
        self.used |= bit(number);
        self.known.push((number, format));
        Some(number)
    }
}

fn bit(PayloadType(number): PayloadType) -> u128 {
    1 << (number & 127)
}

/// Silence descriptors exist at 8 kHz only, so they go with codecs of that clock (RFC 3389 §5.2).
pub(super) fn allows_comfort_noise(codec: CodecKind) -> bool {
    codec.clock_hz() == TELEPHONE_CLOCK_HZ
}
