//! One place in the mixer: what it says, what it hears, what it is sent.

use std::time::Instant;

use super::MixerConfig;
use super::audience::Tag;
use super::follow::Stream;
use super::play::Player;
use super::taps::SeatTaps;
use crate::codec::SendFormat;
use crate::dsp::{self, Agc, Ramp, TalkChange, TalkDetector};
use crate::dtmf::DtmfEvent;
use crate::dtmf::inband::InbandDetector;
use crate::jitter::Inserted;
use crate::playout::Playout;
use crate::rtp::AudioPacket;
use crate::time::SampleRate;

/// Mean square of -75 dBFS. What is fainter nobody hears: decoders make such noise of silence.
const FAINTEST: f32 = 17.0;

/// How a member joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeatConfig {
    /// What it is sent.
    pub format: SendFormat,
    /// It is not heard until unmuted.
    pub muted: bool,
}

impl SeatConfig {
    /// A member that is heard at once.
    pub fn new(format: impl Into<SendFormat>) -> Self {
        Self { format: format.into(), muted: false }
    }
}

/// Where the plain payload of this tick lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    Silence,
    Shared,
    Own { len: usize },
}

/// State of one member.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) format: SendFormat,
    playout: Playout,
    talk_detector: TalkDetector,
    agc: Option<Box<Agc>>,
    tones: Option<Box<InbandDetector>>,
    /// Towards the others.
    talk: Ramp,
    gain: f32,
    muted: bool,
    is_audible: bool,
    /// It was not audible in the tick before.
    begins: bool,
    is_talking: bool,
    talks: bool,
    energy: u64,
    /// From the others.
    pub(super) hear: Ramp,
    volume: f32,
    deaf: bool,
    pub(super) tag: Option<Tag>,
    pub(super) only_to: Option<Tag>,
    /// What it hears: an index into the audiences.
    pub(super) audience: usize,
    /// With whom it may share what it is sent: an index into the groups.
    pub(super) group: usize,
    pub(super) stream: Stream,
    pub(super) player: Option<Player>,
    pub(super) taps: SeatTaps,
    pub(super) output: Output,
    /// Milliseconds that pass without a packet: told in this tick, and yet to be told.
    pub(super) skipped_ms: u32,
    pub(super) unsent_ms: u32,
}

impl Seat {
    pub(super) fn new(
        config: SeatConfig,
        mixer: &MixerConfig,
        rate: SampleRate,
        audience: usize,
        group: usize,
        stream: Stream,
    ) -> Self {
        let factor = if config.muted { 0.0 } else { 1.0 };
        Self {
            format: config.format,
            playout: Playout::new(rate, mixer.jitter),
            talk_detector: TalkDetector::new(),
            agc: None,
            tones: None,
            talk: Ramp::steady(factor),
            gain: 1.0,
            muted: config.muted,
            is_audible: false,
            begins: false,
            is_talking: false,
            talks: false,
            energy: 0,
            hear: Ramp::steady(1.0),
            volume: 1.0,
            deaf: false,
            tag: None,
            only_to: None,
            audience,
            group,
            stream,
            player: None,
            taps: SeatTaps::default(),
            output: Output::Silence,
            skipped_ms: 0,
            unsent_ms: 0,
        }
    }

    pub(super) fn push(&mut self, arrival: Instant, packet: &AudioPacket<'_>) -> Inserted {
        self.playout.push(arrival, packet)
    }

    pub(super) fn set_rate(&mut self, rate: SampleRate) {
        self.playout.set_rate(rate);
        self.detect_tones(self.tones.is_some(), rate);
        if let Some(player) = &mut self.player {
            player.set_rate(rate);
        }
        self.output = Output::Silence;
    }

    /// Fills `row` with this tick's frame, as the seat said it. Gives whether its member began or
    /// ceased to talk. `gated`: what is no speech is left out.
    pub(super) fn listen(
        &mut self,
        now: Instant,
        row: &mut [i16],
        gated: bool,
        on_digit: impl FnMut(DtmfEvent),
    ) -> Option<TalkChange> {
        let voiced = self.playout.fill(now, row);
        if let Some(tones) = &mut self.tones {
            if !voiced {
                row.fill(0);
            }
            tones.feed(row, on_digit);
        }
        self.energy = if voiced { dsp::energy(row) } else { 0 };
        let mean_square = self.energy as f32 / row.len() as f32;
        let talk = self.talk_detector.update(mean_square);
        if let (Some(agc), true) = (&mut self.agc, voiced) {
            agc.apply(row, self.talk_detector.is_talking());
        }
        let was_audible = self.is_audible;
        self.is_audible = mean_square > FAINTEST && (talk.audible || !gated);
        self.begins = self.is_audible && !was_audible;
        self.note_talking()
    }

    /// Talking is what others could hear: a muted member does not talk, and who is unmuted in the
    /// middle of a sentence does.
    fn note_talking(&mut self) -> Option<TalkChange> {
        let talking = self.talk_detector.is_talking() && !self.muted;
        if talking == self.is_talking {
            return None;
        }
        self.is_talking = talking;
        Some(if talking { TalkChange::Started } else { TalkChange::Stopped })
    }

    /// Makes of `row` what the others hear; `true` if that is anything. `row` is defined only then.
    /// A seat that is not `chosen` fades out.
    pub(super) fn speak(&mut self, row: &mut [i16], chosen: bool) -> bool {
        let heard = self.is_audible && chosen && !self.muted;
        self.talk.aim(if heard { self.gain } else { 0.0 });
        if heard && self.begins {
            // What came before was too faint to hear: speech is there from its first sample.
            self.talk = Ramp::steady(self.gain);
        }
        self.talks = self.energy > 0 && !self.talk.is_shut();
        if self.talks {
            self.talk.apply(row);
        } else {
            self.talk.settle();
        }
        self.talks
    }

    pub(super) fn mute(&mut self, on: bool) {
        self.muted = on;
    }

    pub(super) fn deafen(&mut self, on: bool) {
        self.deaf = on;
        self.aim_hearing();
    }

    pub(super) fn set_gain_db(&mut self, gain_db: f32) {
        self.gain = factor(gain_db);
    }

    pub(super) fn set_volume_db(&mut self, volume_db: f32) {
        self.volume = factor(volume_db);
        self.aim_hearing();
    }

    pub(super) fn set_agc(&mut self, on: bool) {
        self.agc = on.then(|| Box::new(Agc::new()));
    }

    pub(super) fn detect_tones(&mut self, on: bool, rate: SampleRate) {
        self.tones = if on { InbandDetector::new(rate).map(Box::new) } else { None };
    }

    pub(super) fn is_muted(&self) -> bool {
        self.muted
    }

    /// Whether its member is talking, by the detector's hysteresis.
    pub(super) fn is_talking(&self) -> bool {
        self.is_talking
    }

    /// Whether there is anything in this tick that others should hear.
    pub(super) fn is_audible(&self) -> bool {
        self.is_audible && !self.muted
    }

    /// Whether it added to a sum in this tick.
    pub(super) fn talks(&self) -> bool {
        self.talks
    }

    /// Whether what it said is in the mix its own audience hears.
    pub(super) fn is_in_own_mix(&self) -> bool {
        self.talks && (self.only_to.is_none() || self.only_to == self.tag)
    }

    /// Whether its plain payload, if it had one, was that of its whole audience.
    pub(super) fn was_sent_what_all_heard(&self) -> bool {
        !self.is_in_own_mix() && self.hear.is_open() && !matches!(self.output, Output::Own { .. })
    }

    pub(super) fn energy(&self) -> u64 {
        self.energy
    }

    /// For choosing the loudest: mean square over the last moments; 0 if nothing should be heard.
    pub(super) fn loudness(&self) -> f32 {
        if self.is_audible() { self.talk_detector.loudness() } else { 0.0 }
    }

    pub(super) fn playout(&self) -> &Playout {
        &self.playout
    }

    fn aim_hearing(&mut self) {
        self.hear.aim(if self.deaf { 0.0 } else { self.volume });
    }
}

/// Decibels as a factor, clamped to -60..=24.
fn factor(gain_db: f32) -> f32 {
    let gain_db = if gain_db.is_finite() { gain_db.clamp(-60.0, 24.0) } else { 0.0 };
    if gain_db == 0.0 { 1.0 } else { 10f32.powf(gain_db / 20.0) }
}
