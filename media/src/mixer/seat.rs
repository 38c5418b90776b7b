//! One place in the mixer: what it says, what it hears, what it is sent.

use std::time::Instant;

use super::MixerConfig;
use super::play::Player;
use crate::codec::CodecKind;
use crate::dsp::{self, Ramp};
use crate::jitter::Inserted;
use crate::playout::Playout;
use crate::rtp::AudioPacket;

/// How a member joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeatConfig {
    /// What it is sent.
    pub codec: CodecKind,
    /// It is not heard until unmuted.
    pub muted: bool,
}

impl SeatConfig {
    /// A member that is heard at once.
    pub fn new(codec: CodecKind) -> Self {
        Self { codec, muted: false }
    }
}

/// Where the payload of this tick lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    Silence,
    Shared,
    Own { len: usize },
}

/// State of one member.
#[derive(Debug)]
pub(super) struct Seat {
    codec: CodecKind,
    playout: Playout,
    /// Towards the others.
    talk: Ramp,
    gain: f32,
    muted: bool,
    talks: bool,
    energy: u64,
    /// From the others.
    pub(super) hear: Ramp,
    pub(super) player: Option<Player>,
    pub(super) output: Output,
}

impl Seat {
    pub(super) fn new(config: SeatConfig, mixer: &MixerConfig) -> Self {
        let factor = if config.muted { 0.0 } else { 1.0 };
        Self {
            codec: config.codec,
            playout: Playout::new(mixer.rate, mixer.jitter),
            talk: Ramp::steady(factor),
            gain: 1.0,
            muted: config.muted,
            talks: false,
            energy: 0,
            hear: Ramp::steady(1.0),
            player: None,
            output: Output::Silence,
        }
    }

    pub(super) fn push(&mut self, arrival: Instant, packet: &AudioPacket<'_>) -> Inserted {
        self.playout.push(arrival, packet)
    }

    /// Fills `row` with this tick's frame as the others hear it; `true` if there is anything.
    /// `row` is only defined then.
    pub(super) fn speak(&mut self, now: Instant, row: &mut [i16]) -> bool {
        let voiced = self.playout.fill(now, row);
        self.energy = if voiced { dsp::energy(row) } else { 0 };
        self.talks = voiced && !self.talk.is_shut();
        if self.talks {
            self.talk.apply(row);
        } else {
            self.talk.settle();
        }
        self.talks
    }

    pub(super) fn mute(&mut self, on: bool) {
        self.muted = on;
        self.aim();
    }

    pub(super) fn deafen(&mut self, on: bool) {
        self.hear.aim(if on { 0.0 } else { 1.0 });
    }

    pub(super) fn set_gain_db(&mut self, gain_db: f32) {
        let gain_db = if gain_db.is_finite() { gain_db.clamp(-60.0, 24.0) } else { 0.0 };
        self.gain = if gain_db == 0.0 { 1.0 } else { 10f32.powf(gain_db / 20.0) };
        self.aim();
    }

    pub(super) fn set_codec(&mut self, codec: CodecKind) {
        self.codec = codec;
        self.output = Output::Silence;
    }

    pub(super) fn codec(&self) -> CodecKind {
        self.codec
    }

    pub(super) fn is_muted(&self) -> bool {
        self.muted
    }

    /// Whether it added to the sum in this tick.
    pub(super) fn talks(&self) -> bool {
        self.talks
    }

    pub(super) fn energy(&self) -> u64 {
        self.energy
    }

    pub(super) fn playout(&self) -> &Playout {
        &self.playout
    }

    fn aim(&mut self) {
        self.talk.aim(if self.muted { 0.0 } else { self.gain });
    }
}
