//! What a peer is sent, down to the last parameter: the key under which encoders are shared.

use super::CodecKind;
use crate::time::{Ptime, SampleRate};

/// How audio for one peer is encoded. Peers with equal formats that hear the same mix are sent the
/// same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SendFormat {
    /// With this codec.
    pub codec: CodecKind,
    /// Audio in one packet.
    pub ptime: Ptime,
    /// Opus alone looks at it; [`OpusParams::DEFAULT`] for all others, so that formats compare equal.
    pub opus: OpusParams,
}

impl SendFormat {
    /// 20 ms packets, default parameters.
    pub const fn new(codec: CodecKind) -> Self {
        Self { codec, ptime: Ptime::TICK, opus: OpusParams::DEFAULT }
    }

    /// The highest rate worth mixing at for this peer.
    pub const fn sample_rate(&self) -> SampleRate {
        match self.codec {
            CodecKind::Opus => self.opus.max_playback_rate,
            _ => self.codec.sample_rate(),
        }
    }
}

impl From<CodecKind> for SendFormat {
    fn from(codec: CodecKind) -> Self {
        Self::new(codec)
    }
}

/// What the peer's `a=fmtp` and our configuration say about Opus (RFC 7587 §6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OpusParams {
    /// Bits per second, at most `maxaveragebitrate`; 6,000 to 128,000.
    pub bitrate: u32,
    /// In-band forward error correction (`useinbandfec=1`).
    pub fec: bool,
    /// Discontinuous transmission (`usedtx=1`).
    pub dtx: bool,
    /// Constant bit rate (`cbr=1`).
    pub cbr: bool,
    /// Nothing above half of it is encoded (`maxplaybackrate`).
    pub max_playback_rate: SampleRate,
    /// 0 to 10: how much work the encoder takes.
    pub complexity: u8,
}

impl OpusParams {
    /// 24 kb/s, full band, FEC off, DTX off, complexity 7: no dearer than 5 where libopus has AVX2, and
    /// the least with which it tells background noise from speech.
    pub const DEFAULT: Self = Self {
        bitrate: 24_000,
        fec: false,
        dtx: false,
        cbr: false,
        max_playback_rate: SampleRate::FULL,
        complexity: 7,
    };
}

impl Default for OpusParams {
    fn default() -> Self {
        Self::DEFAULT
    }
}
