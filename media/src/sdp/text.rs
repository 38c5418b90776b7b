//! How our own descriptions look: the lines that offer and answer share (RFC 8866 §5).

use std::fmt::{Display, Write};
use std::net::IpAddr;

use super::LocalMedia;
use super::crypto::Crypto;
use super::extmap::AUDIO_LEVEL;
use super::fmtp::OpusFmtp;
use super::negotiated::{Direction, Format};
use super::offer::TELEPHONE_CLOCK_HZ;
use super::policy::Policy;
use super::rtpmap::{COMFORT_NOISE, DIGIT_EVENTS, TELEPHONE_EVENT};
use crate::codec::CodecKind;
use crate::rtp::PayloadType;
use crate::time::Ptime;

/// A description being written.
pub(super) struct Text(String);

/// The audio section we write.
pub(super) struct Audio<'a> {
    /// `audio`, as the offer spells it.
    pub(super) kind: &'a str,
    pub(super) port: u16,
    pub(super) protocol: &'a str,
    /// In the order of the media line.
    pub(super) formats: &'a [(PayloadType, Format)],
    pub(super) policy: &'a Policy,
    pub(super) ptime: Ptime,
    pub(super) max_ptime: Ptime,
    pub(super) level: Option<Level>,
    pub(super) rtcp_mux: bool,
    pub(super) direction: Direction,
    pub(super) cryptos: &'a [Crypto],
    pub(super) mid: Option<&'a str>,
}

/// The audio level as a header extension.
pub(super) struct Level {
    pub(super) id: u8,
    pub(super) direction: Direction,
}

impl Text {
    /// Begins with all lines before the first media line. `bundle` is the one member of a group
    /// (RFC 8843).
    pub(super) fn new(local: &LocalMedia, timing: &str, bundle: Option<&str>) -> Self {
        let LocalMedia { ip, session_id, version, .. } = *local;
        let family = match ip {
            IpAddr::V4(_) => "IP4",
            IpAddr::V6(_) => "IP6",
        };
        let mut text = Self(String::with_capacity(1_024));
        text.line(format_args!("v=0"));
        text.line(format_args!("o=- {session_id} {version} IN {family} {ip}"));
        text.line(format_args!("s=-"));
        text.line(format_args!("c=IN {family} {ip}"));
        text.line(format_args!("t={timing}"));
        if let Some(mid) = bundle {
            text.line(format_args!("a=group:BUNDLE {mid}"));
        }
        text
    }

    pub(super) fn audio(&mut self, audio: &Audio<'_>) {
        let numbers: String =
            audio.formats.iter().map(|(PayloadType(number), _)| format!(" {number}")).collect();
        self.line(format_args!("m={} {} {}{numbers}", audio.kind, audio.port, audio.protocol));
        if let Some(mid) = audio.mid {
            self.line(format_args!("a=mid:{mid}"));
        }
        for crypto in audio.cryptos {
            self.line(format_args!("a=crypto:{crypto}"));
        }
        for &(number, format) in audio.formats {
            self.format(number, format, audio.policy);
        }
        self.line(format_args!("a=ptime:{}", audio.ptime.ms()));
        self.line(format_args!("a=maxptime:{}", audio.max_ptime.ms()));
        if let Some(Level { id, direction }) = audio.level {
            self.line(format_args!("a=extmap:{id}/{} {AUDIO_LEVEL}", direction.name()));
        }
        if audio.rtcp_mux {
            self.line(format_args!("a=rtcp-mux"));
        }
        self.line(format_args!("a={}", audio.direction.name()));
    }

    fn format(&mut self, PayloadType(number): PayloadType, format: Format, policy: &Policy) {
        match format {
            Format::Audio(codec @ CodecKind::Opus) => {
                let (name, clock, channels) = (codec.name(), codec.clock_hz(), codec.channels());
                self.line(format_args!("a=rtpmap:{number} {name}/{clock}/{channels}"));
                self.line(format_args!("a=fmtp:{number} {}", OpusFmtp(policy)));
            }
            Format::Audio(codec) => {
                self.line(format_args!("a=rtpmap:{number} {}/{}", codec.name(), codec.clock_hz()));
            }
            Format::ComfortNoise => {
                self.line(format_args!("a=rtpmap:{number} {COMFORT_NOISE}/{TELEPHONE_CLOCK_HZ}"));
            }
            Format::TelephoneEvent { clock_hz } => {
                self.line(format_args!("a=rtpmap:{number} {TELEPHONE_EVENT}/{clock_hz}"));
                self.line(format_args!("a=fmtp:{number} {DIGIT_EVENTS}"));
            }
        }
    }

    /// A section with port 0 (RFC 3264 §6, §8.2). Its formats mean nothing, but one is needed.
    pub(super) fn declined(&mut self, kind: &str, protocol: &str, formats: &str) {
        let formats = if formats.is_empty() { "0" } else { formats };
        self.line(format_args!("m={kind} 0 {protocol} {formats}"));
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }

    fn line(&mut self, content: impl Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{content}\r\n");
    }
}
