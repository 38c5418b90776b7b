//! From packets to frames: jitter buffer, decoder, concealment of one seat.
//!
//! Packets may hold 10 to 60 ms; frames are always one tick. What a packet holds beyond the frame is
//! carried over.

use std::time::Instant;

use super::conceal::Conceal;
use crate::codec::CodecKind;
use crate::dsp;
use crate::jitter::{Inserted, JitterBuffer, JitterConfig, MAX_PAYLOAD_BYTES, Pull};
use crate::rtp::AudioPacket;
use crate::time::SampleRate;

/// Makes one frame per tick of whatever arrived.
#[derive(Debug)]
pub(super) struct Playout {
    rate: SampleRate,
    jitter: JitterBuffer,
    carry: Carry,
    conceal: Conceal,
    /// Frames for which the buffer has been too deep and nothing quiet could be dropped.
    deep_frames: u32,
}

/// Decoded samples that did not fit into a frame.
#[derive(Debug)]
struct Carry {
    samples: Box<[i16]>,
    from: usize,
    to: usize,
    voiced: bool,
}

impl Playout {
    /// A frame below this level can be dropped unheard.
    const QUIET_DBFS: f32 = -50.0;
    /// After 5 s without a quiet frame a loud one is dropped, cross-faded.
    const MAX_DEEP_FRAMES: u32 = 250;

    pub(super) fn new(rate: SampleRate, jitter: JitterConfig, frame: usize) -> Self {
        Self {
            rate,
            jitter: JitterBuffer::new(rate, jitter),
            carry: Carry {
                samples: vec![0; MAX_PAYLOAD_BYTES].into_boxed_slice(),
                from: 0,
                to: 0,
                voiced: false,
            },
            conceal: Conceal::new(rate, frame),
            deep_frames: 0,
        }
    }

    pub(super) fn push(&mut self, arrival: Instant, packet: &AudioPacket<'_>) -> Inserted {
        if packet.codec.sample_rate() != self.rate {
            return Inserted::Unfit;
        }
        self.jitter.insert(arrival, packet)
    }

    pub(super) fn jitter(&self) -> &JitterBuffer {
        &self.jitter
    }

    /// Fills one frame; `false` means silence, and `out` may then hold anything.
    pub(super) fn fill(&mut self, now: Instant, out: &mut [i16], scratch: &mut [i16]) -> bool {
        let mut voiced = self.compose(now, out);
        if self.jitter.is_too_deep() {
            voiced = self.lower_delay(now, voiced, out, scratch);
        } else {
            self.deep_frames = 0;
        }
        self.conceal.remember(out, voiced);
        voiced
    }

    fn compose(&mut self, now: Instant, out: &mut [i16]) -> bool {
        let (mut filled, mut voiced) = self.carry.take(out);
        while filled < out.len() {
            let rest = &mut out[filled..];
            let (count, has_voice) = match self.jitter.pull(now, rest.len() as u32) {
                Pull::Packet { codec, payload } if codec.is_silence(payload) => {
                    self.conceal.end();
                    self.carry.put_silence(codec.payload_units(payload) as usize, rest)
                }
                Pull::Packet { codec, payload } => {
                    let count = self.carry.put(codec, payload, rest);
                    self.conceal.blend(&mut rest[..count]);
                    (count, true)
                }
                Pull::Lost { units } => {
                    let rest = &mut rest[..units as usize];
                    (rest.len(), self.conceal.fill(rest))
                }
                Pull::Silence { units } => {
                    self.conceal.end();
                    rest[..units as usize].fill(0);
                    (units as usize, false)
                }
                Pull::Wait => {
                    let count = rest.len();
                    (count, self.conceal.fill(rest))
                }
            };
            filled += count;
            voiced |= has_voice;
        }
        voiced
    }

    /// Drops the frame just made, if that can be done unheard, and makes the next one instead.
    fn lower_delay(
        &mut self,
        now: Instant,
        voiced: bool,
        out: &mut [i16],
        scratch: &mut [i16],
    ) -> bool {
        self.deep_frames += 1;
        let is_quiet = !voiced || dsp::rms_dbfs(dsp::energy(out), out.len()) < Self::QUIET_DBFS;
        if !is_quiet && self.deep_frames < Self::MAX_DEEP_FRAMES {
            return voiced;
        }
        self.deep_frames = 0;
        self.jitter.note_shrunk();
        scratch.copy_from_slice(out);
        let next_voiced = self.compose(now, out);
        if voiced && !next_voiced {
            out.fill(0);
        }
        if voiced {
            dsp::cross_fade(scratch, out);
        }
        voiced || next_voiced
    }
}

impl Carry {
    /// Moves what is left into `out`.
    fn take(&mut self, out: &mut [i16]) -> (usize, bool) {
        let count = (self.to - self.from).min(out.len());
        if count == 0 {
            return (0, false);
        }
        out[..count].copy_from_slice(&self.samples[self.from..self.from + count]);
        self.from += count;
        (count, self.voiced)
    }

    /// Decodes a packet; what fits goes to `out`, the rest is kept. Gives the samples in `out`.
    fn put(&mut self, codec: CodecKind, payload: &[u8], out: &mut [i16]) -> usize {
        if codec.payload_units(payload) as usize <= out.len() {
            return codec.decode(payload, out);
        }
        self.to = codec.decode(payload, &mut self.samples);
        self.from = 0;
        self.voiced = true;
        self.take(out).0
    }

    fn put_silence(&mut self, samples: usize, out: &mut [i16]) -> (usize, bool) {
        let count = samples.min(out.len());
        out[..count].fill(0);
        self.from = 0;
        self.to = (samples - count).min(self.samples.len());
        self.samples[..self.to].fill(0);
        self.voiced = false;
        (count, false)
    }
}
