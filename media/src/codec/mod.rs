//! The codec table: names, payload types, clock rates, encode and decode of each voice codec.
//!
//! [`CodecKind`] is the key everywhere: SDP picks one, a seat of the mixer encodes with one, every
//! received packet says which one it holds. A new codec is a variant here and a file beside.
//! The mixer is the caller; both directions work on slices and allocate nothing.

mod pcma;
mod pcmu;

use crate::rtp::PayloadType;
use crate::time::{Ptime, SampleRate};

/// A voice codec we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CodecKind {
    /// G.711 mu-law, payload type 0.
    Pcmu,
    /// G.711 A-law, payload type 8.
    Pcma,
}

impl CodecKind {
    /// Every codec, in our default order of preference.
    pub const ALL: [Self; 2] = [Self::Pcmu, Self::Pcma];

    /// The encoding name of RFC 3551 §6, as written in `a=rtpmap`.
    pub const fn name(self) -> &'static str {
        match self {
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
        }
    }

    /// The RTP clock, in hertz. Not always the sample rate: G.722 counts 8,000 for 16,000 samples.
    pub const fn clock_hz(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 8_000,
        }
    }

    /// Channels in `a=rtpmap`.
    pub const fn channels(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 1,
        }
    }

    /// The rate of the PCM that [`encode`](Self::encode) takes and [`decode`](Self::decode) gives.
    pub const fn sample_rate(self) -> SampleRate {
        match self {
            Self::Pcmu | Self::Pcma => SampleRate::NARROW,
        }
    }

    /// RTP clock units in one packet of `ptime`.
    pub const fn clock_units(self, ptime: Ptime) -> u32 {
        self.clock_hz() / 1_000 * ptime.ms()
    }

    /// How long `payload` plays, in RTP clock units.
    pub const fn payload_units(self, payload: &[u8]) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => payload.len() as u32,
        }
    }

    /// The most bytes [`encode`](Self::encode) makes of `samples` samples.
    pub const fn encoded_len(self, samples: usize) -> usize {
        match self {
            Self::Pcmu | Self::Pcma => samples,
        }
    }

    /// Encodes `pcm` and gives the bytes written. Stops where `out` is full.
    pub fn encode(self, pcm: &[i16], out: &mut [u8]) -> usize {
        match self {
            Self::Pcmu => pcmu::encode(pcm, out),
            Self::Pcma => pcma::encode(pcm, out),
        }
    }

    /// Decodes `payload` and gives the samples written. Stops where `out` is full.
    pub fn decode(self, payload: &[u8], out: &mut [i16]) -> usize {
        match self {
            Self::Pcmu => pcmu::decode(payload, out),
            Self::Pcma => pcma::decode(payload, out),
        }
    }

    /// Whether `payload` is digital silence, told without decoding it.
    pub fn is_silence(self, payload: &[u8]) -> bool {
        match self {
            Self::Pcmu => pcmu::is_silence(payload),
            Self::Pcma => pcma::is_silence(payload),
        }
    }

    /// Place in tables with one row per codec.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_static_types_lead_back_to_the_codec() {
        for codec in CodecKind::ALL {
            assert_eq!(CodecKind::from_rtpmap(codec.name(), codec.clock_hz(), 1), Some(codec));
            assert_eq!(CodecKind::from_static(codec.static_payload_type().unwrap()), Some(codec));
        }
        assert_eq!(CodecKind::from_rtpmap("pcmu", 8_000, 1), Some(CodecKind::Pcmu));
        assert_eq!(CodecKind::from_rtpmap("PCMU", 16_000, 1), None);
        assert_eq!(CodecKind::from_rtpmap("PCMU", 8_000, 2), None);
        assert_eq!(CodecKind::from_static(PayloadType(9)), None);
    }

    #[test]
    fn silence_is_told_from_the_payload() {
        for codec in CodecKind::ALL {
            let mut payload = [0u8; 160];
            assert_eq!(codec.encode(&[0i16; 160], &mut payload), 160);
            assert!(codec.is_silence(&payload), "{codec:?}");
            codec.encode(&[900; 1], &mut payload[80..]);
            assert!(!codec.is_silence(&payload), "{codec:?}");
        }
    }

    #[test]
    fn short_buffers_end_the_work_without_a_panic() {
        for codec in CodecKind::ALL {
            let mut bytes = [0u8; 3];
            assert_eq!(codec.encode(&[1, 2, 3, 4, 5], &mut bytes), 3);
            let mut pcm = [0i16; 2];
            assert_eq!(codec.decode(&bytes, &mut pcm), 2);
            assert_eq!(codec.decode(&[], &mut pcm), 0);
        }
    }
}
