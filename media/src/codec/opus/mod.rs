//! Opus (RFC 6716, RFC 7587) by libopus, mono.
//!
//! libopus resamples by itself: an encoder takes, and a decoder gives, PCM at the mixer's rate. What a
//! packet holds is told by [`packet`] without decoding. Redundancy (in-band FEC) covers the packet
//! before the one that carries it.

pub(crate) mod file;
pub(super) mod packet;
mod raw;
#[cfg(test)]
mod tests;

use std::ffi::c_int;

use opusic_sys as ffi;
use packet::{Mode, Packet, write_length};
use raw::{RawEncoder, Setting};

use super::{CodecKind, OpusParams};
use crate::error::Error;
use crate::time::{Ptime, SampleRate};

/// Makes packets of one [`Ptime`].
#[derive(Debug)]
pub(super) struct Encoder {
    raw: RawEncoder,
    ptime: Ptime,
    cbr: bool,
    /// Of libopus; between the thirds of a packet only.
    wanted_band: c_int,
}

impl Encoder {
    pub(super) fn new(params: &OpusParams, ptime: Ptime, mix: SampleRate) -> Result<Self, Error> {
        let refused = Error::CodecRate { codec: CodecKind::Opus, hz: mix.hz() };
        let mut raw = RawEncoder::new(mix.hz()).ok_or_else(|| refused.clone())?;
        let bitrate = params.bitrate.clamp(MIN_BITRATE, MAX_BITRATE);
        let settings = [
            (Setting::Bitrate, bitrate as c_int),
            (Setting::Vbr, c_int::from(!params.cbr)),
            (Setting::Complexity, c_int::from(params.complexity.min(10))),
            (Setting::MaxBandwidth, bandwidth(params.max_playback_rate.hz())),
            (Setting::InbandFec, c_int::from(params.fec)),
            (Setting::ExpectedLoss, if params.fec { EXPECTED_LOSS_PERCENT } else { 0 }),
            (Setting::Dtx, c_int::from(params.dtx)),
        ];
        let set = settings.into_iter().all(|(setting, value)| raw.set(setting, value));
        if set {
            Ok(Self { raw, ptime, cbr: params.cbr, wanted_band: ffi::OPUS_AUTO })
        } else {
            Err(refused)
        }
    }

    /// 0 if nothing is to be sent.
    pub(super) fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> usize {
        let bytes = match self.ptime {
            Ptime::Ms30 => self.encode_thirds(pcm, out),
            _ => self.raw.encode(pcm, out),
        };
        // opus.h: a packet of two bytes or less need not be sent.
        if bytes <= DTX_BYTES { 0 } else { bytes }
    }

    pub(super) fn copy_from(&mut self, other: &Self) {
        self.raw.copy_from(&other.raw);
    }

    pub(super) fn reset(&mut self) {
        self.raw.reset();
    }

    /// Opus has no frame of 30 ms: three of 10 ms go into one packet (RFC 6716 §3.2.5).
    fn encode_thirds(&mut self, pcm: &[i16], out: &mut [u8]) -> usize {
        let room = (out.len().saturating_sub(MAX_HEADER_BYTES) / 3).min(MAX_FRAME_BYTES);
        let mut packets = [[0; MAX_FRAME_BYTES]; 3];
        let mut lengths = [0; 3];
        let mut thirds = pcm.chunks_exact((pcm.len() / 3).max(1));
        for (n, (packet, length)) in packets.iter_mut().zip(&mut lengths).enumerate() {
            *length = self.raw.encode(thirds.next().unwrap_or_default(), &mut packet[..room]);
            self.hold(n, &packet[..*length]);
        }
        let [a, b, c] = [0, 1, 2].map(|n| Packet::parse(&packets[n][..lengths[n]]));
        let (Some(a), Some(b), Some(c)) = (a, b, c) else { return 0 };
        let written = join([a, b, c], out);
        if !self.cbr {
            return written;
        }
        // The three have equal lengths before what is not needed of them is stripped.
        let wanted = lengths.iter().sum::<usize>() + MAX_HEADER_BYTES - lengths.len();
        pad(written, wanted, out)
    }

    /// What binds the third after number `n`, which is `packet`, so that all share one first byte: the
    /// mode and bandwidth of the first. SILK goes over to another bandwidth in two steps, "ready" and
    /// "switched", one frame each. The second third takes neither; the last may become ready, and
    /// then the next packet begins switched. Going down, which needs a long row of such frames, stays
    /// out: the bit rate of a stream does not change.
    fn hold(&mut self, n: usize, packet: &[u8]) {
        let (mode, band) = match (n, Packet::parse(packet)) {
            (0, Some(packet)) => {
                let toc = packet.toc();
                self.wanted_band = self.raw.bandwidth();
                (Some(toc.mode()), bandwidth(toc.bandwidth_hz()))
            }
            (1, Some(packet)) => (Some(packet.toc().mode()), self.wanted_band),
            _ => (None, ffi::OPUS_AUTO),
        };
        let mode = match mode {
            Some(Mode::Silk) => 1_000,
            Some(Mode::Hybrid) => 1_001,
            Some(Mode::Celt) => 1_002,
            None => ffi::OPUS_AUTO,
        };
        self.raw.set(Setting::ForceMode, mode);
        self.raw.set(Setting::Bandwidth, band);
    }
}

/// Gives PCM at the mixer's rate.
#[derive(Debug)]
pub(super) struct Decoder {
    inner: ::opus::Decoder,
    hz: u32,
}

impl Decoder {
    pub(super) fn new(mix: SampleRate) -> Result<Self, Error> {
        let hz = mix.hz();
        let inner = ::opus::Decoder::new(hz, ::opus::Channels::Mono)
            .map_err(|_| Error::CodecRate { codec: CodecKind::Opus, hz })?;
        Ok(Self { inner, hz })
    }

    /// 0 if malformed, or longer than `out`.
    pub(super) fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> usize {
        // To libopus an empty payload means loss, and loss fills all of `out`.
        if payload.is_empty() {
            return 0;
        }
        self.inner.decode(payload, out, false).unwrap_or(0)
    }

    pub(super) fn decode_fec(&mut self, next: &[u8], out: &mut [i16]) -> bool {
        let has_redundancy = Packet::parse(next).is_some_and(|packet| packet.has_redundancy());
        has_redundancy && self.can_fill(out) && self.inner.decode(next, out, true).is_ok()
    }

    pub(super) fn conceal(&mut self, out: &mut [i16]) -> bool {
        self.can_fill(out) && self.inner.decode(&[], out, false).is_ok()
    }

    pub(super) fn reset(&mut self) {
        // Fails for no state.
        let _ = self.inner.reset_state();
    }

    /// libopus makes up audio in steps of 2.5 ms, and holds all of it on its stack.
    fn can_fill(&self, out: &[i16]) -> bool {
        let step = self.hz as usize / 400;
        !out.is_empty() && out.len().is_multiple_of(step) && out.len() <= MAX_STEPS * step
    }
}

/// RFC 7587 §3.1.1 goes up to 510,000, which is for music in stereo.
const MIN_BITRATE: u32 = 6_000;
const MAX_BITRATE: u32 = 128_000;
/// The encoder spends bits on redundancy only if it expects loss.
const EXPECTED_LOSS_PERCENT: c_int = 10;
/// What libopus gives for a frame that need not be sent.
const DTX_BYTES: usize = 2;
/// With its first byte.
const MAX_FRAME_BYTES: usize = 1_276;
/// First byte, count, two lengths of two bytes.
const MAX_HEADER_BYTES: usize = 6;
/// 120 ms.
const MAX_STEPS: usize = 48;

/// The widest band of libopus that a receiver at this sample rate can play.
const fn bandwidth(hz: u32) -> c_int {
    match hz {
        0..12_000 => ffi::OPUS_BANDWIDTH_NARROWBAND,
        12_000..16_000 => ffi::OPUS_BANDWIDTH_MEDIUMBAND,
        16_000..24_000 => ffi::OPUS_BANDWIDTH_WIDEBAND,
        24_000..48_000 => ffi::OPUS_BANDWIDTH_SUPERWIDEBAND,
        _ => ffi::OPUS_BANDWIDTH_FULLBAND,
    }
}

/// Makes one packet of code 3 of three packets with one frame each, with a length before each frame
/// but the last. 0 if they do not fit into each other or into `out`, or if there is nothing in them.
fn join(packets: [Packet<'_>; 3], out: &mut [u8]) -> usize {
    const VARIED: u8 = 0x80;
    let toc = packets[0].toc();
    let frames = packets.map(|packet| packet.frames().next().unwrap_or_default());
    let mut header = [toc.0 | 3, VARIED | 3, 0, 0, 0, 0];
    let mut used = 2;
    for frame in &frames[..2] {
        used += write_length(frame.len(), &mut header[used..]);
    }
    let bytes = used + frames.iter().map(|frame| frame.len()).sum::<usize>();
    let alike = packets.iter().all(|packet| packet.toc() == toc);
    if !alike || bytes == used || bytes > out.len() {
        return 0;
    }
    out[..used].copy_from_slice(&header[..used]);
    for frame in frames {
        out[used..used + frame.len()].copy_from_slice(frame);
        used += frame.len();
    }
    bytes
}

/// Makes the packet `wanted` bytes long if it is shorter.
fn pad(written: usize, wanted: usize, out: &mut [u8]) -> usize {
    match out.get_mut(..wanted) {
        Some(whole) if written > 0 && written < wanted => {
            ::opus::packet::pad(whole, written).map_or(written, |_| wanted)
        }
        _ => written,
    }
}
