//! From packets to frames: everything between a seat's packets and its row in the mix.
//!
//! A [`JitterBuffer`] puts packets in order, a decoder makes audio of them, what is missing is
//! recovered or concealed, and the audio is stretched or compressed so that it waits no longer than
//! the network makes necessary. Packets that nobody would hear are not decoded. Packets hold 10 to
//! 120 ms; frames are always one tick of 20 ms.

mod conceal;
mod control;
mod gate;
mod lane;
mod lanes;
mod output;
mod pitch;
mod stats;
mod stretch;
#[cfg(test)]
mod tests;
mod track;

use std::time::{Duration, Instant};

use crate::codec::CodecKind;
use crate::codec::comfort::ComfortNoise;
use crate::jitter::{Inserted, JitterBuffer, JitterConfig, Pull, Sound};
use crate::prefetch::prefetch;
use crate::rtp::AudioPacket;
use crate::time::SampleRate;

use control::{Control, Wish};
use gate::{Gate, Verdict};
use lane::Lane;
use lanes::Lanes;
use stats::Counts;

pub use stats::StreamStats;

/// The receive side of one seat. See the module text.
#[derive(Debug)]
pub struct Playout {
    /// The mixer's.
    rate: SampleRate,
    jitter: JitterBuffer,
    /// None before the first packet, and while there is no decoder for what comes.
    lanes: Option<Lanes>,
    gate: Gate,
    control: Control,
    counts: Counts,
    /// While the sender pauses, if it is to be heard.
    noise: Option<ComfortNoise>,
}

impl Playout {
    /// For a mixer of this rate. Takes what the codec needs with the first packet.
    pub fn new(rate: SampleRate, config: JitterConfig) -> Self {
        Self {
            rate,
            jitter: JitterBuffer::new(config),
            lanes: None,
            gate: Gate::default(),
            control: Control::default(),
            counts: Counts::default(),
            noise: None,
        }
    }

    /// Takes a packet that arrived at `arrival`.
    pub fn push(&mut self, arrival: Instant, packet: &AudioPacket<'_>) -> Inserted {
        self.jitter.insert(arrival, packet)
    }

    /// Fills one frame of 20 ms at the mixer's rate; `false` means silence, and `out` is then
    /// undefined.
    pub fn fill(&mut self, now: Instant, out: &mut [i16]) -> bool {
        self.top_up(now);
        if self.control.is_due()
            && let Some(excess_us) = self.excess_us(now)
        {
            match self.control.wish(excess_us) {
                Wish::Keep => {}
                Wish::Expand { us, likeness } => self.expand(us, likeness),
                Wish::Compress { us, likeness } => self.compress(now, us, likeness),
            }
        }
        if self.lanes.as_ref().is_some_and(|lanes| lanes.heard().mix() != self.rate) {
            self.turn(now);
        }
        self.lanes.as_mut().is_some_and(|lanes| lanes.read(out))
    }

    /// The mixer mixes at another rate from the next frame on.
    pub fn set_rate(&mut self, rate: SampleRate) {
        self.rate = rate;
    }

    /// Has on its way what the next frame will touch beside the playout itself.
    pub(crate) fn prefetch(&self) {
        prefetch(self.jitter.first_payload());
        if let Some(lanes) = &self.lanes {
            lanes.heard().prefetch();
        }
    }

    /// How much audio is buffered, decoded or not.
    pub fn delay(&self) -> Duration {
        self.jitter.delay() + self.decoded()
    }

    /// Figures since the seat was made.
    pub fn stats(&self) -> StreamStats {
        let (jitter, counts) = (self.jitter.stats(), &self.counts);
        let expected = jitter.played + jitter.missing;
        let missed = jitter.missing.saturating_sub(counts.recovered_packets);
        let loss = if expected == 0 { 0.0 } else { missed as f32 / expected as f32 };
        StreamStats {
            packets_received: jitter.received,
            packets_lost: jitter.missing.saturating_sub(jitter.late),
            packets_late: jitter.late,
            packets_duplicate: jitter.duplicate,
            packets_discarded: jitter.discarded,
            packets_refused: jitter.refused + counts.undecodable,
            packets_decoded: counts.decoded,
            packets_skipped: counts.skipped,
            jitter: self.jitter.jitter(),
            concealed: counts.concealed,
            recovered: counts.recovered,
            stretched: counts.stretched,
            compressed: counts.compressed,
            drift_ppm: self.jitter.drift_ppm(),
            delay: self.delay(),
            target_delay: self.jitter.target(),
            loss,
            burst_ratio: stats::burst_ratio(jitter.missing, jitter.missing_runs, loss),
        }
    }

    /// Decoded and not played.
    fn decoded(&self) -> Duration {
        let Some(lanes) = &self.lanes else { return Duration::ZERO };
        let lane = lanes.heard();
        lane.rate().duration_of(lane.pending() as u64)
    }

    fn excess_us(&self, now: Instant) -> Option<i32> {
        self.jitter.excess_us(now, self.decoded())
    }

    /// Pulls until a frame can be played.
    fn top_up(&mut self, now: Instant) {
        let Self { rate, jitter, lanes, gate, counts, noise, .. } = self;
        let wants_noise = jitter.config().comfort_noise;
        loop {
            let want = match lanes {
                Some(lanes) if lanes.heard().pending() >= lanes.heard().frame() => return,
                Some(lanes) => wanted(lanes.heard()),
                None => jitter.clock().hz() / 50,
            };
            match jitter.pull(now, want) {
                Pull::Packet { codec, payload, units, sound } => {
                    *noise = None;
                    if let Some(lanes) = lanes_for(lanes, gate, codec, *rate) {
                        play(lanes, gate, counts, &Packet { payload, units, sound });
                    } else {
                        counts.undecodable += 1;
                    }
                }
                Pull::Noise { payload } if wants_noise => {
                    noise.get_or_insert_default().update(payload);
                }
                Pull::Noise { .. } => {}
                Pull::Lost { units, next } => {
                    let Some(lanes) = lanes else { return };
                    if next.is_some_and(|next| lanes.recover(next, units)) {
                        counts.recovered += jitter.clock().duration_of(u64::from(units));
                        counts.recovered_packets += 1;
                    } else if gate.is_quiet() {
                        lanes.hush(units);
                    } else {
                        let made = lanes.lose(units);
                        counts.concealed += lanes.heard().rate().duration_of(made as u64);
                    }
                }
                Pull::Skipped { units } => {
                    counts.compressed += jitter.clock().duration_of(u64::from(units));
                    if let Some(lanes) = lanes {
                        lanes.jump();
                    }
                }
                Pull::Silence { units } => match (&mut *lanes, &mut *noise) {
                    (Some(lanes), Some(noise)) => lanes.add_noise(noise, units),
                    (Some(lanes), None) => lanes.hush(units),
                    (None, _) => return,
                },
                Pull::Wait => match lanes {
                    Some(lanes) => lanes.hush(want),
                    None => return,
                },
            }
        }
    }

    fn expand(&mut self, us: i32, likeness: f32) {
        let Some(lanes) = &mut self.lanes else { return };
        let count = lanes.expand(us, likeness);
        if count > 0 {
            self.counts.stretched += lanes.heard().rate().duration_of(count as u64);
        }
    }

    fn compress(&mut self, now: Instant, us: i32, likeness: f32) {
        let Some(lanes) = &mut self.lanes else { return };
        let count = lanes.compress(us, likeness);
        if count > 0 {
            self.counts.compressed += lanes.heard().rate().duration_of(count as u64);
            self.top_up(now);
        }
    }

    fn turn(&mut self, now: Instant) {
        let Some(lanes) = &mut self.lanes else { return };
        if lanes.turn(self.rate).is_err() {
            self.lanes = None;
        }
        self.top_up(now);
    }
}

/// A packet whose turn it is.
struct Packet<'a> {
    payload: &'a [u8],
    units: u32,
    sound: Sound,
}

/// Clock units to pull for the rest of a frame. Codecs that conceal by themselves do so by 10 ms.
fn wanted(lane: &Lane) -> u32 {
    let units = lane.units(lane.frame() - lane.pending());
    match lane.codec() {
        CodecKind::Opus => units.next_multiple_of(480),
        _ => units,
    }
}

/// The lanes, ready for `codec`; `None` if there is no decoder for it.
fn lanes_for<'a>(
    lanes: &'a mut Option<Lanes>,
    gate: &mut Gate,
    codec: CodecKind,
    mix: SampleRate,
) -> Option<&'a mut Lanes> {
    match lanes {
        Some(lanes) if lanes.codec() == codec => {}
        Some(lanes) => {
            *gate = Gate::new(codec);
            let mix = lanes.heard().mix(); // turned once the frame is full
            lanes.set_codec(codec, mix).ok()?;
        }
        None => {
            *gate = Gate::new(codec);
            *lanes = Lanes::new(codec, mix).ok();
        }
    }
    lanes.as_mut()
}

fn play(lanes: &mut Lanes, gate: &mut Gate, counts: &mut Counts, packet: &Packet<'_>) {
    let Packet { payload, units, sound } = *packet;
    let verdict = gate.judge(sound);
    if verdict == Verdict::Pass {
        counts.skipped += 1;
        if sound == Sound::Silent {
            lanes.silence(units);
        } else {
            gate.on_passed(payload, units);
            lanes.hush(units);
        }
        return;
    }
    for (payload, units) in gate.take_kept() {
        lanes.prepare(payload, units);
    }
    counts.decoded += 1;
    let made_up = lanes.decode(payload, units);
    counts.concealed += lanes.heard().rate().duration_of(made_up as u64);
    let is_quiet = sound == Sound::Background && lanes.level(units) < Gate::QUIET_DBFS;
    gate.on_decoded(is_quiet);
    if verdict == Verdict::Probe && is_quiet {
        lanes.retract(units);
    }
}
