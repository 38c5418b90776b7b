//! How our own descriptions look: the lines that offer and answer share (RFC 8866 §5).

use std::fmt::{Display, Write};
use std::net::IpAddr;

use super::LocalMedia;
use super::negotiated::Direction;
use super::rtpmap::{DIGIT_EVENTS, TELEPHONE_EVENT};
use super::wire::Section;
use crate::codec::CodecKind;
use crate::rtp::PayloadType;
use crate::time::Ptime;

/// A description being written.
pub(super) struct Text(String);

/// The audio section we write.
pub(super) struct Audio<'a> {
    pub(super) port: u16,
    pub(super) protocol: &'a str,
    /// With their payload types, best first.
    pub(super) codecs: &'a [(CodecKind, PayloadType)],
    pub(super) telephone_event: Option<PayloadType>,
    pub(super) rtcp_mux: bool,
    pub(super) direction: Direction,
}

impl Text {
    /// Begins with all lines before the first media line.
    pub(super) fn new(local: &LocalMedia, timing: &str) -> Self {
        let LocalMedia { ip, session_id, version, .. } = *local;
        let family = match ip {
            IpAddr::V4(_) => "IP4",
            IpAddr::V6(_) => "IP6",
        };
        let mut text = Self(String::with_capacity(512));
        text.line(format_args!("v=0"));
        text.line(format_args!("o=- {session_id} {version} IN {family} {ip}"));
        text.line(format_args!("s=-"));
        text.line(format_args!("c=IN {family} {ip}"));
        text.line(format_args!("t={timing}"));
        text
    }

    pub(super) fn audio(&mut self, audio: &Audio<'_>) {
        let numbers: String = audio
            .codecs
            .iter()
            .map(|&(_, number)| number)
            .chain(audio.telephone_event)
            .map(|PayloadType(number)| format!(" {number}"))
            .collect();
        self.line(format_args!("m=audio {} {}{numbers}", audio.port, audio.protocol));
        for &(codec, PayloadType(number)) in audio.codecs {
            self.line(format_args!("a=rtpmap:{number} {}/{}", codec.name(), codec.clock_hz()));
        }
        // All codecs offered together share the clock of the first.
        if let (Some(PayloadType(number)), Some((codec, _))) =
            (audio.telephone_event, audio.codecs.first())
        {
            self.line(format_args!("a=rtpmap:{number} {TELEPHONE_EVENT}/{}", codec.clock_hz()));
            self.line(format_args!("a=fmtp:{number} {DIGIT_EVENTS}"));
        }
        self.line(format_args!("a=ptime:{}", Ptime::TICK.ms()));
        if audio.rtcp_mux {
            self.line(format_args!("a=rtcp-mux"));
        }
        self.line(format_args!("a={}", audio.direction.name()));
    }

    /// Answers a section with port 0 (RFC 3264 §6). Its formats mean nothing, but one is needed.
    pub(super) fn declined(&mut self, section: &Section<'_>) {
        let formats =
            if section.formats.is_empty() { "0".to_owned() } else { section.formats.join(" ") };
        self.line(format_args!("m={} 0 {} {formats}", section.kind, section.protocol));
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }

    fn line(&mut self, content: impl Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{content}\r\n");
    }
}
