//! Opus for files (RFC 7845): one or two channels, no loss to prepare for, always a packet.

use crate::codec::CodecKind;
use crate::error::Error;
use crate::time::SampleRate;

/// Of each channel, in bits per second: speech in wide band, and what is played to it.
const BITRATE_MONO: i32 = 28_000;
/// Two talk by turns, mostly.
const BITRATE_STEREO: i32 = 44_000;

/// Makes packets of 20 ms.
#[derive(Debug)]
pub(crate) struct FileEncoder {
    inner: ::opus::Encoder,
}

impl FileEncoder {
    /// For interleaved PCM at 8, 16, 24 or 48 kHz.
    pub(crate) fn new(rate: SampleRate, stereo: bool) -> Result<Self, Error> {
        let refused = |_| Error::CodecRate { codec: CodecKind::Opus, hz: rate.hz() };
        let (channels, bitrate) = match stereo {
            false => (::opus::Channels::Mono, BITRATE_MONO),
            true => (::opus::Channels::Stereo, BITRATE_STEREO),
        };
        let application = ::opus::Application::Audio;
        let mut inner = ::opus::Encoder::new(rate.hz(), channels, application).map_err(refused)?;
        inner.set_bitrate(::opus::Bitrate::Bits(bitrate)).map_err(refused)?;
        // Many files are written beside calls: half the work, hardly to be heard.
        inner.set_complexity(5).map_err(refused)?;
        Ok(Self { inner })
    }

    /// Samples at the encoder's rate that come out later than they went in.
    pub(crate) fn lookahead(&mut self) -> u32 {
        self.inner.get_lookahead().ok().and_then(|samples| samples.try_into().ok()).unwrap_or(0)
    }

    /// Encodes one frame; 0 if libopus refuses, as it does a frame of another length.
    pub(crate) fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> usize {
        self.inner.encode(pcm, out).unwrap_or(0)
    }
}
