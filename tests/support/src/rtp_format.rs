//! What an RTP peer speaks: a codec without state, the length of a packet, and the extras it agrees on.

use crate::g711::{alaw_decode, alaw_encode, ulaw_decode, ulaw_encode};

/// Payload type of comfort noise (RFC 3551 §6).
pub const COMFORT_NOISE: u8 = 13;
/// Payload type of our telephone events.
pub const EVENTS: u8 = 101;

/// A codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    Pcmu,
    Pcma,
    /// 16 bits, big endian, 16 kHz.
    L16Wide,
}

impl Coding {
    /// Samples per second; also the RTP clock.
    #[must_use]
    pub fn rate(self) -> u32 {
        if self == Self::L16Wide { 16_000 } else { 8_000 }
    }

    /// As `a=rtpmap` names it.
    #[must_use]
    pub fn rtpmap(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU/8000",
            Self::Pcma => "PCMA/8000",
            Self::L16Wide => "L16/16000",
        }
    }

    #[must_use]
    pub fn encode(self, samples: &[i16]) -> Vec<u8> {
        match self {
            Self::Pcmu => samples.iter().map(|&sample| ulaw_encode(sample)).collect(),
            Self::Pcma => samples.iter().map(|&sample| alaw_encode(sample)).collect(),
            Self::L16Wide => samples.iter().flat_map(|sample| sample.to_be_bytes()).collect(),
        }
    }

    /// Samples at 8000 a second: of 16 kHz every second one, which leaves tones below 4 kHz as they
    /// are.
    #[must_use]
    pub fn decode(self, payload: &[u8]) -> Vec<i16> {
        match self {
            Self::Pcmu => payload.iter().map(|&code| ulaw_decode(code)).collect(),
            Self::Pcma => payload.iter().map(|&code| alaw_decode(code)).collect(),
            Self::L16Wide => {
                payload.chunks_exact(4).map(|two| i16::from_be_bytes([two[0], two[1]])).collect()
            }
        }
    }
}

/// What a peer offers and then speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpFormat {
    pub coding: Coding,
    pub payload_type: u8,
    /// Length of its packets, and of those it asks for.
    pub ptime_ms: u32,
    /// Whether it agrees on comfort noise (RFC 3389).
    pub comfort_noise: bool,
    /// Whether it agrees on telephone events (RFC 4733).
    pub events: bool,
    /// Id of its audio level extension (RFC 6464).
    pub level_extension: Option<u8>,
}

impl RtpFormat {
    pub const PCMU: Self = Self {
        coding: Coding::Pcmu,
        payload_type: 0,
        ptime_ms: 20,
        comfort_noise: false,
        events: true,
        level_extension: None,
    };
    pub const PCMA: Self = Self { coding: Coding::Pcma, payload_type: 8, ..Self::PCMU };
    pub const L16_WIDE: Self = Self { coding: Coding::L16Wide, payload_type: 96, ..Self::PCMU };

    /// Samples in a packet; also its RTP clock units.
    #[must_use]
    pub fn packet_samples(&self) -> usize {
        (self.coding.rate() / 1_000 * self.ptime_ms) as usize
    }
}
