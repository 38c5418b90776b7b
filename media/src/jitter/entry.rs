//! One waiting packet: all but its bytes, which lie in the arena.

use super::{JitterBuffer, Sound};
use crate::codec::{Activity, CodecKind, activity};
use crate::rtp::{AudioPacket, Content, SeqNo};
use crate::time::RtpTime;

/// See the module text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) timestamp: RtpTime,
    pub(super) units: u16,
    pub(super) seq: SeqNo,
    pub(super) offset: u16,
    pub(super) len: u16,
    pub(super) codec: CodecKind,
    pub(super) content: Content,
    pub(super) sound: Sound,
}

impl Entry {
    pub(super) const EMPTY: Self = Self {
        timestamp: RtpTime(0),
        units: 0,
        seq: SeqNo(0),
        offset: 0,
        len: 0,
        codec: CodecKind::Pcmu,
        content: Content::Speech,
        sound: Sound::Silent,
    };

    pub(super) fn units(&self) -> u32 {
        u32::from(self.units)
    }

    pub(super) fn end(&self) -> RtpTime {
        self.timestamp.plus(self.units())
    }
}

/// What can be told without decoding.
pub(super) fn sound_of(packet: &AudioPacket<'_>) -> Sound {
    if packet.content == Content::ComfortNoise {
        return Sound::Pause;
    }
    let is_hushed =
        packet.level.is_some_and(|level| level.below_dbov >= JitterBuffer::INAUDIBLE_DBOV);
    match activity(packet.codec, packet.payload) {
        Activity::Silence if packet.codec == CodecKind::Opus => Sound::Pause,
        Activity::Silence => Sound::Silent,
        _ if is_hushed => Sound::Hushed,
        Activity::Inactive => Sound::Background,
        Activity::Active | Activity::Unknown => Sound::Audible,
    }
}
