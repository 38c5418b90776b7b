//! The codecs a caller can speak: how they are offered (RFC 3264, 3551, 7587), encoded and decoded.
//!
//! G.711 by arithmetic and Opus by libopus, apart from the server's own: the two meet on the wire.

use std::fmt::Write as _;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use clap::ValueEnum;
use support::g711::{ulaw_decode, ulaw_encode};

/// Packets a second, of every codec here: one per 20 ms.
pub(crate) const PACKETS_PER_SECOND: u32 = 50;
/// Largest payload of one packet here, in bytes.
pub(crate) const MAX_PAYLOAD: usize = 1_275;
/// Samples per second of what [`Decoder`] gives.
pub(crate) const DECODED_HZ: u32 = 8_000;
/// Average of the Opus encoder, and what is asked of the server's, in bit/s.
const OPUS_BITRATE: i32 = 24_000;
/// RFC 6464: the header extension that says how loud a packet is.
const LEVEL_URI: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
/// The number offered for it.
pub(crate) const LEVEL_ID: u8 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Codec {
    /// G.711 mu-law, 8 kHz
    Pcmu,
    /// G.711 A-law, 8 kHz
    Pcma,
    /// Opus, mono, 48 kHz, 24 kb/s, 20 ms, no in-band FEC
    Opus,
}

impl Codec {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "pcmu",
            Self::Pcma => "pcma",
            Self::Opus => "opus",
        }
    }

    pub(crate) fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
            Self::Opus => 111,
        }
    }

    /// The RTP clock, which is the rate of the samples to encode too.
    pub(crate) fn clock_hz(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 8_000,
            Self::Opus => 48_000,
        }
    }

    /// Samples, and RTP units, of one packet.
    pub(crate) fn frame(self) -> usize {
        (self.clock_hz() / PACKETS_PER_SECOND) as usize
    }

    /// An offer of this codec alone and telephone-event.
    pub(crate) fn offer(self, local: SocketAddr, levels: bool, dtx: bool) -> String {
        let (ip, port, pt, hz) = (local.ip(), local.port(), self.payload_type(), self.clock_hz());
        let (name, dtmf) = match self {
            Self::Pcmu => ("PCMU/8000", 101),
            Self::Pcma => ("PCMA/8000", 101),
            Self::Opus => ("opus/48000/2", 110),
        };
        let mut sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP {pt} {dtmf}\r\na=rtpmap:{pt} {name}\r\n\
             a=rtpmap:{dtmf} telephone-event/{hz}\r\na=fmtp:{dtmf} 0-15\r\n"
        );
        if self == Self::Opus {
            let usedtx = u8::from(dtx);
            // Writing to a String cannot fail.
            let _ = write!(
                sdp,
                "a=fmtp:{pt} maxaveragebitrate={OPUS_BITRATE};stereo=0;useinbandfec=0;usedtx={usedtx}\r\n"
            );
        }
        if levels {
            let _ = write!(sdp, "a=extmap:{LEVEL_ID} {LEVEL_URI}\r\n");
        }
        sdp + "a=ptime:20\r\na=sendrecv\r\n"
    }
}

/// The number under which an answer accepts audio levels (RFC 8285 §5).
pub(crate) fn accepted_level_id(answer: &[u8]) -> Option<u8> {
    std::str::from_utf8(answer).ok()?.lines().find_map(|line| {
        let (id, uri) = line.strip_prefix("a=extmap:")?.split_once(' ')?;
        let id = id.split('/').next()?.parse().ok()?;
        (uri.split(' ').next()? == LEVEL_URI && (1..=14).contains(&id)).then_some(id)
    })
}

pub(crate) enum Encoder {
    G711(fn(i16) -> u8),
    Opus(Box<opus::Encoder>),
}

impl Encoder {
    /// # Errors
    /// When libopus refuses.
    pub(crate) fn new(codec: Codec, dtx: bool) -> Result<Self> {
        Ok(match codec {
            Codec::Pcmu => Self::G711(ulaw_encode),
            Codec::Pcma => Self::G711(alaw_encode),
            Codec::Opus => {
                let mono = opus::Channels::Mono;
                let mut encoder =
                    opus::Encoder::new(codec.clock_hz(), mono, opus::Application::Voip)?;
                encoder.set_bitrate(opus::Bitrate::Bits(OPUS_BITRATE))?;
                encoder.set_signal(opus::Signal::Voice)?;
                encoder.set_dtx(dtx)?;
                Self::Opus(Box::new(encoder))
            }
        })
    }

    /// One frame to one payload; its length, 0 when there is nothing to send.
    ///
    /// # Errors
    /// When libopus refuses.
    pub(crate) fn encode(&mut self, pcm: &[i16], out: &mut [u8; MAX_PAYLOAD]) -> Result<usize> {
        match self {
            Self::G711(code) => {
                out.iter_mut().zip(pcm).for_each(|(byte, &sample)| *byte = code(sample));
                Ok(pcm.len())
            }
            Self::Opus(encoder) => {
                let len = encoder.encode(pcm, out).context("Opus encoder")?;
                // opus_encode(3): a packet of two bytes or less need not be sent.
                Ok(if len <= 2 { 0 } else { len })
            }
        }
    }
}

/// Decodes captured payloads to samples at [`DECODED_HZ`].
pub(crate) enum Decoder {
    G711(fn(u8) -> i16),
    Opus(Box<opus::Decoder>),
}

impl Decoder {
    /// # Errors
    /// When libopus refuses.
    pub(crate) fn new(codec: Codec) -> Result<Self> {
        Ok(match codec {
            Codec::Pcmu => Self::G711(ulaw_decode),
            Codec::Pcma => Self::G711(alaw_decode),
            Codec::Opus => {
                Self::Opus(Box::new(opus::Decoder::new(DECODED_HZ, opus::Channels::Mono)?))
            }
        })
    }

    /// Appends the samples of one payload; a malformed one gives nothing.
    pub(crate) fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) {
        match self {
            Self::G711(sample) => out.extend(payload.iter().map(|&code| sample(code))),
            Self::Opus(decoder) => {
                let mut samples = [0; 960];
                let count = decoder.decode(payload, &mut samples, false).unwrap_or(0);
                out.extend(samples.iter().take(count));
            }
        }
    }
}

/// What XORing does to a positive A-law code (ITU-T G.711 table 1a, note 2), and a negative one.
const ALAW_POSITIVE: u8 = 0xD5;
const ALAW_NEGATIVE: u8 = 0x55;

fn alaw_encode(sample: i16) -> u8 {
    let (magnitude, mask) =
        if sample >= 0 { (sample, ALAW_POSITIVE) } else { (!sample, ALAW_NEGATIVE) };
    let magnitude = (magnitude >> 3) as u16;
    let segment = (16 - magnitude.leading_zeros()).saturating_sub(5);
    let mantissa = (magnitude >> segment.max(1)) & 0x0F;
    ((segment << 4) as u8 | mantissa as u8) ^ mask
}

fn alaw_decode(code: u8) -> i16 {
    let code = code ^ ALAW_NEGATIVE;
    let (mantissa, segment) = (i16::from(code & 0x0F) << 4, (code >> 4) & 0x07);
    let magnitude = match segment {
        0 => mantissa + 0x08,
        _ => (mantissa + 0x108) << (segment - 1),
    };
    if code & 0x80 == 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alaw_code_survives_decoding_and_encoding() {
        for code in 0..=u8::MAX {
            assert_eq!(alaw_encode(alaw_decode(code)), code, "code {code:#04x}");
        }
        assert_eq!(alaw_decode(0xD5), 8);
        assert_eq!(alaw_decode(0xAA), 32_256);
    }

    #[test]
    fn an_offer_names_its_codec_and_an_answer_s_level_extension_is_found() {
        let local = "127.0.0.1:4000".parse().unwrap();
        let sdp = Codec::Opus.offer(local, true, false);
        assert!(sdp.contains("m=audio 4000 RTP/AVP 111 110\r\n"), "{sdp}");
        assert_eq!(accepted_level_id(sdp.as_bytes()), Some(LEVEL_ID));
        assert_eq!(accepted_level_id(Codec::Pcmu.offer(local, false, false).as_bytes()), None);
        let directed = format!("a=extmap:7/sendrecv {LEVEL_URI} vad=on\r\n");
        assert_eq!(accepted_level_id(directed.as_bytes()), Some(7));
    }
}
