//! What we speak, and how much of what a peer wishes we grant.

use super::fmtp::OpusWishes;
use crate::codec::{CodecKind, OpusParams, SendFormat};
use crate::time::{Ptime, SampleRate};

/// The longest payload we send: with all headers it fits every common path.
const MAX_PAYLOAD_BYTES: usize = 1_399;

/// Our side of every negotiation; from the configuration, the same for all calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What we offer and answer with, best first; each once.
    pub codecs: Vec<CodecKind>,
    /// Audio in one packet: what we ask for, and what a peer gets that asks for nothing. A peer's own
    /// wish goes first. `None`: 20 ms.
    pub ptime: Option<Ptime>,
    /// The most a peer is sent; it may ask for less. `dtx` in it is not looked at: see below.
    pub opus: OpusParams,
    /// Whether silence descriptors are taken and sent (RFC 3389).
    pub comfort_noise: bool,
    /// Whether peers are asked for their audio levels (RFC 6464). We send none.
    pub level_extension: bool,
    /// Whether nothing is sent while there is nothing to say, to peers that ask for it (`usedtx=1`).
    /// We ask for the same then.
    pub dtx: bool,
}

impl Policy {
    /// Speaks `codecs`, best first, asks for levels, and leaves the rest at its simplest.
    pub fn new(codecs: impl Into<Vec<CodecKind>>) -> Self {
        Self {
            codecs: codecs.into(),
            ptime: None,
            opus: OpusParams::DEFAULT,
            comfort_noise: false,
            level_extension: true,
            dtx: false,
        }
    }

    /// What we ask for, and send unless asked otherwise.
    pub(super) fn usual_ptime(&self) -> Ptime {
        self.ptime.unwrap_or(Ptime::TICK)
    }

    /// How a peer with these wishes is sent `codec`.
    pub(super) fn send_format(&self, codec: CodecKind, wishes: &Wishes) -> SendFormat {
        let opus = match codec {
            CodecKind::Opus => self.opus_for(&wishes.opus),
            _ => OpusParams::DEFAULT,
        };
        SendFormat { codec, ptime: self.ptime_for(codec, wishes), opus }
    }

    /// The wished duration if we can send it, else the nearest lower one, else the shortest.
    fn ptime_for(&self, codec: CodecKind, wishes: &Wishes) -> Ptime {
        let wished = wishes.ptime_ms.unwrap_or_else(|| self.usual_ptime().ms());
        let wished = wished.max(wishes.opus.min_ptime_ms.unwrap_or(0));
        let ms = wished.min(wishes.max_ptime_ms.unwrap_or(u32::MAX));
        let mut fitting = Ptime::ALL.into_iter().rev().filter(|&ptime| can_send(codec, ptime));
        fitting.find(|ptime| ptime.ms() <= ms).unwrap_or(Ptime::Ms10)
    }

    fn opus_for(&self, wishes: &OpusWishes) -> OpusParams {
        let asked = wishes.max_average_bitrate.unwrap_or(u32::MAX);
        OpusParams {
            bitrate: self.opus.bitrate.min(asked).clamp(6_000, 128_000),
            fec: self.opus.fec && wishes.fec,
            dtx: self.dtx && wishes.dtx,
            cbr: self.opus.cbr || wishes.cbr,
            max_playback_rate: self.opus.max_playback_rate.min(wishes.playback_rate()),
            complexity: self.opus.complexity,
        }
    }
}

/// What a peer says about how it wants to be sent audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Wishes {
    pub(super) ptime_ms: Option<u32>,
    pub(super) max_ptime_ms: Option<u32>,
    /// Empty for other codecs.
    pub(super) opus: OpusWishes,
}

/// Opus has no frame of 30 ms (RFC 6716 §2.1.4), and no payload may need two datagrams' worth.
fn can_send(codec: CodecKind, ptime: Ptime) -> bool {
    let has_frame = codec != CodecKind::Opus || ptime != Ptime::Ms30;
    has_frame && codec.max_payload_bytes(ptime) <= MAX_PAYLOAD_BYTES
}

/// The longest packet that one of these codecs may bring.
pub(super) fn max_ptime(codecs: impl Iterator<Item = CodecKind>) -> Ptime {
    let longest = |codec| {
        let mut fitting = Ptime::ALL.into_iter().rev().filter(|&ptime| can_send(codec, ptime));
        fitting.next().unwrap_or(Ptime::Ms10)
    };
    codecs.map(longest).max().unwrap_or(Ptime::MAX)
}

/// The lowest rate Opus has that loses nothing of `hz`: 8, 12, 16, 24 or 48 kHz (RFC 6716 §2).
pub(super) fn opus_rate(hz: u32) -> SampleRate {
    let rates = [8_000, 12_000, 16_000, 24_000].into_iter();
    rates.filter(|&rate| rate >= hz).find_map(SampleRate::new).unwrap_or(SampleRate::FULL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ptime(codec: CodecKind, wish: Option<u32>, min: Option<u32>, max: Option<u32>) -> u32 {
        let opus = OpusWishes { min_ptime_ms: min, ..OpusWishes::default() };
        let wishes = Wishes { ptime_ms: wish, max_ptime_ms: max, opus };
        Policy::new(CodecKind::ALL).send_format(codec, &wishes).ptime.ms()
    }

    #[test]
    fn a_wished_ptime_is_granted_or_the_nearest_lower_one_is_sent() {
        use CodecKind::{G722, L16Narrow, L16Wide, Opus, Pcma, Pcmu};
        let rows = [
            (Pcmu, None, None, None, 20),
            (Pcmu, Some(10), None, None, 10),
            (Pcma, Some(30), None, None, 30),
            (G722, Some(40), None, None, 40),
            (Pcmu, Some(60), None, None, 60),
            (Pcmu, Some(25), None, None, 20),
            (Pcmu, Some(50), None, None, 40),
            (Pcmu, Some(120), None, None, 60),
            (Pcmu, Some(5), None, None, 10),
            (Pcmu, Some(60), None, Some(30), 30),
            (Pcmu, None, None, Some(15), 10),
            (Pcmu, None, None, Some(3), 10),
            (L16Wide, Some(60), None, None, 40),
            (L16Narrow, Some(60), None, None, 60),
            (Opus, Some(30), None, None, 20),
            (Opus, Some(10), Some(20), None, 20),
            (Opus, None, Some(40), None, 40),
            (Opus, None, Some(60), Some(40), 40),
            (Opus, Some(u32::MAX), Some(u32::MAX), None, 60),
        ];
        for (codec, wish, min, max, expected) in rows {
            assert_eq!(
                ptime(codec, wish, min, max),
                expected,
                "{codec:?} {wish:?} {min:?} {max:?}"
            );
        }
        let policy = Policy { ptime: Some(Ptime::Ms40), ..Policy::new([Pcmu]) };
        assert_eq!(policy.send_format(Pcmu, &Wishes::default()).ptime, Ptime::Ms40);
    }

    #[test]
    fn opus_is_sent_as_both_sides_allow() {
        let policy = Policy {
            opus: OpusParams { bitrate: 32_000, fec: true, ..OpusParams::DEFAULT },
            dtx: true,
            ..Policy::new([CodecKind::Opus])
        };
        let params =
            |opus| policy.send_format(CodecKind::Opus, &Wishes { opus, ..Wishes::default() }).opus;
        let silent = params(OpusWishes::default());
        assert_eq!(
            (silent.bitrate, silent.fec, silent.dtx, silent.cbr),
            (32_000, false, false, false)
        );
        assert_eq!(silent.max_playback_rate, SampleRate::FULL);
        let wishes = OpusWishes {
            max_playback_rate: Some(16_000),
            max_average_bitrate: Some(20_000),
            fec: true,
            dtx: true,
            cbr: true,
            min_ptime_ms: None,
        };
        let asked = params(wishes);
        assert_eq!((asked.bitrate, asked.fec, asked.dtx, asked.cbr), (20_000, true, true, true));
        assert_eq!(asked.max_playback_rate, SampleRate::WIDE);
        let least = params(OpusWishes { max_average_bitrate: Some(500), ..wishes });
        assert_eq!(least.bitrate, 6_000);
        let g711 =
            policy.send_format(CodecKind::Pcmu, &Wishes { opus: wishes, ..Wishes::default() });
        assert_eq!(g711.opus, OpusParams::DEFAULT);
    }

    #[test]
    fn playback_rates_become_the_next_rate_of_opus() {
        for (hz, rate) in [
            (1, 8_000),
            (8_000, 8_000),
            (11_025, 12_000),
            (16_000, 16_000),
            (22_050, 24_000),
            (32_000, 48_000),
            (44_100, 48_000),
            (u32::MAX, 48_000),
        ] {
            assert_eq!(opus_rate(hz).hz(), rate, "{hz}");
        }
    }
}
