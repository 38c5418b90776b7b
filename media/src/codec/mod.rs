//! The codec table: names, payload types, clock rates of each voice codec, and the encoders and
//! decoders behind it.
//!
//! [`CodecKind`] is the key everywhere: SDP picks one, every received packet says which one it holds.
//! [`SendFormat`] is all that decides what an encoder makes of PCM; seats with equal formats can share
//! one. A new codec is a variant here and a file beside. Encoders and decoders work on slices and
//! allocate nothing once made.

mod activity;
pub mod comfort;
mod decoder;
mod encoder;
mod format;
mod g722;
mod l16;
pub(crate) mod opus;
mod pcma;
mod pcmu;

pub use activity::{Activity, activity};
pub use comfort::ComfortNoise;
pub use decoder::Decoder;
pub use encoder::Encoder;
pub use format::{OpusParams, SendFormat};

use crate::rtp::PayloadType;
use crate::time::{Ptime, SampleRate};

/// A voice codec we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CodecKind {
    /// Opus (RFC 6716, RFC 7587): 8 to 48 kHz, RTP clock 48,000, `opus/48000/2` in SDP.
    Opus,
    /// G.722 at 64 kb/s: 16 kHz, RTP clock 8,000 (RFC 3551 §4.5.2), payload type 9.
    G722,
    /// G.711 mu-law, payload type 0.
    Pcmu,
    /// G.711 A-law, payload type 8.
    Pcma,
    /// Linear 16 bit, big endian, 16 kHz (RFC 3551 §4.5.11).
    L16Wide,
    /// Linear 16 bit, big endian, 8 kHz.
    L16Narrow,
}

impl CodecKind {
    /// Every codec, in our default order of preference.
    pub const ALL: [Self; 6] =
        [Self::Opus, Self::G722, Self::Pcmu, Self::Pcma, Self::L16Wide, Self::L16Narrow];

    /// The encoding name of RFC 3551 §6 or RFC 7587 §7, as written in `a=rtpmap`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::G722 => "G722",
            Self::L16Wide | Self::L16Narrow => "L16",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// The codec an `a=rtpmap` names, if we have it. Names compare without case (RFC 4855 §3).
    pub fn from_rtpmap(name: &str, clock_hz: u32, channels: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| {
            codec.name().eq_ignore_ascii_case(name)
                && codec.clock_hz() == clock_hz
                && codec.channels() == channels
        })
    }

    /// The codec of a static payload type (RFC 3551 §6, table 4).
    pub fn from_static(payload_type: PayloadType) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.static_payload_type() == Some(payload_type))
    }

    /// The payload type RFC 3551 assigns, if it assigns one.
    pub const fn static_payload_type(self) -> Option<PayloadType> {
        match self {
            Self::Pcmu => Some(PayloadType(0)),
            Self::Pcma => Some(PayloadType(8)),
            Self::G722 => Some(PayloadType(9)),
            Self::Opus | Self::L16Wide | Self::L16Narrow => None,
        }
    }

    /// The RTP clock, in hertz. Not always the sample rate: G.722 counts 8,000 for 16,000 samples.
    pub const fn clock_hz(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::L16Wide => 16_000,
            Self::G722 | Self::L16Narrow | Self::Pcmu | Self::Pcma => 8_000,
        }
    }

    /// Channels in `a=rtpmap`: always 2 for Opus (RFC 7587 §7), whatever is sent.
    pub const fn channels(self) -> u32 {
        match self {
            Self::Opus => 2,
            Self::G722 | Self::L16Wide | Self::L16Narrow | Self::Pcmu | Self::Pcma => 1,
        }
    }

    /// The highest rate of PCM the codec carries.
    pub const fn sample_rate(self) -> SampleRate {
        match self {
            Self::Opus => SampleRate::FULL,
            Self::G722 | Self::L16Wide => SampleRate::WIDE,
            Self::L16Narrow | Self::Pcmu | Self::Pcma => SampleRate::NARROW,
        }
    }

    /// The rate of PCM that its encoder takes and its decoder gives in a mixer of rate `mix`: Opus
    /// resamples by itself, the others have one rate only.
    pub const fn pcm_rate(self, mix: SampleRate) -> SampleRate {
        match self {
            Self::Opus => mix,
            _ => self.sample_rate(),
        }
    }

    /// RTP clock units in one packet of `ptime`.
    pub const fn clock_units(self, ptime: Ptime) -> u32 {
        self.clock_hz() / 1_000 * ptime.ms()
    }

    /// How long `payload` plays, in RTP clock units; 0 if that cannot be told, so that it is not to
    /// be played.
    pub fn payload_units(self, payload: &[u8]) -> u32 {
        match self {
            Self::Opus => opus::packet::Packet::parse(payload).map_or(0, |packet| packet.units()),
            Self::L16Wide | Self::L16Narrow => payload.len() as u32 / 2,
            Self::G722 | Self::Pcmu | Self::Pcma => payload.len() as u32,
        }
    }

    /// The most bytes an encoder makes of one packet of `ptime`.
    pub const fn max_payload_bytes(self, ptime: Ptime) -> usize {
        match self {
            // RFC 6716 §3.4 allows 1,275 a frame; our bit rates never come near.
            Self::Opus => 1_275,
            Self::L16Wide => 32 * ptime.ms() as usize,
            Self::L16Narrow => 16 * ptime.ms() as usize,
            Self::G722 | Self::Pcmu | Self::Pcma => 8 * ptime.ms() as usize,
        }
    }

    /// Whether equal PCM gives equal payloads, whatever came before.
    pub const fn is_stateless(self) -> bool {
        match self {
            Self::Opus | Self::G722 => false,
            Self::L16Wide | Self::L16Narrow | Self::Pcmu | Self::Pcma => true,
        }
    }

    /// Encodes `pcm` as G.711, which needs no state, and gives the bytes written; stops where `out` is
    /// full. 0 for every other codec: those need an [`Encoder`].
    pub fn encode(self, pcm: &[i16], out: &mut [u8]) -> usize {
        match self {
            Self::Pcmu => pcmu::encode(pcm, out),
            Self::Pcma => pcma::encode(pcm, out),
            _ => 0,
        }
    }

    /// Decodes G.711 and gives the samples written; stops where `out` is full. 0 for every other codec:
    /// those need a [`Decoder`].
    pub fn decode(self, payload: &[u8], out: &mut [i16]) -> usize {
        match self {
            Self::Pcmu => pcmu::decode(payload, out),
            Self::Pcma => pcma::decode(payload, out),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const G711: [CodecKind; 2] = [CodecKind::Pcmu, CodecKind::Pcma];

    #[test]
    fn names_and_static_types_lead_back_to_the_codec() {
        for codec in CodecKind::ALL {
            let found = CodecKind::from_rtpmap(codec.name(), codec.clock_hz(), codec.channels());
            assert_eq!(found, Some(codec));
            if let Some(number) = codec.static_payload_type() {
                assert_eq!(CodecKind::from_static(number), Some(codec));
            }
        }
        assert_eq!(CodecKind::from_rtpmap("pcmu", 8_000, 1), Some(CodecKind::Pcmu));
        assert_eq!(CodecKind::from_rtpmap("L16", 16_000, 1), Some(CodecKind::L16Wide));
        assert_eq!(CodecKind::from_rtpmap("PCMU", 16_000, 1), None);
        assert_eq!(CodecKind::from_rtpmap("PCMU", 8_000, 2), None);
        assert_eq!(CodecKind::from_rtpmap("opus", 48_000, 1), None);
        assert_eq!(CodecKind::from_static(PayloadType(18)), None);
    }

    #[test]
    fn silence_is_told_from_the_payload() {
        for codec in G711 {
            let mut payload = [0u8; 160];
            assert_eq!(codec.encode(&[0i16; 160], &mut payload), 160);
            assert_eq!(activity(codec, &payload), Activity::Silence);
            codec.encode(&[900; 1], &mut payload[80..]);
            assert_ne!(activity(codec, &payload), Activity::Silence);
        }
    }

    #[test]
    fn short_buffers_end_the_work_without_a_panic() {
        for codec in G711 {
            let mut bytes = [0u8; 3];
            assert_eq!(codec.encode(&[1, 2, 3, 4, 5], &mut bytes), 3);
            let mut pcm = [0i16; 2];
            assert_eq!(codec.decode(&bytes, &mut pcm), 2);
            assert_eq!(codec.decode(&[], &mut pcm), 0);
        }
    }
}
