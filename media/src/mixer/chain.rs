//! From a mix to packets: resampling, packetisation and encoding of one stream.
//!
//! A chain carries the state of one encoded stream. Seats that hear the same mix in the same format
//! follow one chain; a seat that must hear something else takes a copy of that chain's state and goes
//! on alone, so its far end never notices (`follow.rs`).

use crate::codec::{CodecKind, Encoder, SendFormat};
use crate::dsp::{self, Resampler};
use crate::error::Error;
use crate::source::tick_samples;
use crate::time::{Ptime, SampleRate};

/// Packets one tick can complete: two of 10 ms.
const MAX_PACKETS: usize = 2;

/// One packet's worth of audio for a seat, ready to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outgoing<'a> {
    /// Encoded audio. Empty: nothing is sent for this time (discontinuous transmission).
    pub payload: &'a [u8],
    /// How long it plays, in RTP clock units.
    pub units: u32,
    /// There is nothing to hear in it: a silence descriptor would do.
    pub is_silent: bool,
    /// It is due half a tick after the others, so that packets of 10 and 30 ms leave evenly spaced.
    pub later: bool,
}

/// What a chain goes on from after a change of the rate: filters of another delay give another part of
/// the past, and neither what goes into them nor what comes out may jump.
#[derive(Debug, Clone)]
struct Joint {
    /// The last sample of the mix, as filters were warmed with it.
    before_in: i16,
    before_out: i16,
    /// One tick of the mix.
    mix: Vec<i16>,
}

/// See the module text.
#[derive(Debug)]
pub(super) struct Chain {
    format: SendFormat,
    resampler: Option<Resampler>,
    encoder: Encoder,
    /// PCM at the codec's rate that waits for the rest of its packet.
    pending: Box<[i16]>,
    filled: usize,
    /// Samples of one tick and of one packet, at the codec's rate.
    tick: usize,
    packet: usize,
    /// `MAX_PACKETS` rows of `row` bytes: what the last tick completed.
    out: Box<[u8]>,
    row: usize,
    lens: [usize; MAX_PACKETS],
    count: usize,
    /// Ticks of silence fed in a row.
    silent: u32,
    /// The last sample made, at the codec's rate.
    last: i16,
    /// The rate has changed with the next tick.
    joint: Option<Box<Joint>>,
}

impl Chain {
    /// A chain at the beginning of a stream, fed by a mixer of rate `mix`.
    ///
    /// # Errors
    /// [`Error::CodecRate`], [`Error::RateMismatch`].
    pub(super) fn new(format: SendFormat, mix: SampleRate) -> Result<Self, Error> {
        let rate = format.codec.pcm_rate(mix);
        let (tick, packet) = (tick_samples(rate), rate.samples(format.ptime));
        let row = format.codec.max_payload_bytes(format.ptime);
        Ok(Self {
            format,
            resampler: resampler(mix, rate)?,
            encoder: Encoder::new(&format, mix)?,
            pending: vec![0; packet + tick].into_boxed_slice(),
            filled: 0,
            tick,
            packet,
            out: vec![0; MAX_PACKETS * row].into_boxed_slice(),
            row,
            lens: [0; MAX_PACKETS],
            count: 0,
            silent: 0,
            joint: None,
            last: 0,
        })
    }

    pub(super) fn format(&self) -> &SendFormat {
        &self.format
    }

    /// Takes one tick of the mix; [`packets`](Self::packets) then gives what it completed.
    pub(super) fn feed(&mut self, mix: &[i16]) {
        self.silent = 0;
        let Some(into) = self.pending.get_mut(self.filled..self.filled + self.tick) else { return };
        let joint = self.joint.take().map(|mut joint| {
            joint.mix.copy_from_slice(mix);
            dsp::join(joint.before_in, &mut joint.mix);
            joint
        });
        let mix = joint.as_ref().map_or(mix, |joint| &joint.mix);
        match &mut self.resampler {
            Some(resampler) => {
                resampler.process(mix, into);
            }
            None => into.copy_from_slice(mix),
        }
        if let Some(joint) = joint {
            dsp::join(joint.before_out, into);
        }
        self.last = into.last().copied().unwrap_or_default();
        self.filled += self.tick;
        self.complete();
    }

    /// Takes one tick of silence. Once the codec's memory has faded, what it made of the last one is
    /// good for all that follow.
    pub(super) fn feed_silence(&mut self, zeros: &[i16]) {
        let silent = self.silent.saturating_add(1);
        if fades_after(&self.format).is_some_and(|ticks| silent > ticks) {
            self.filled += self.tick;
            self.count = 0;
            while self.filled >= self.packet {
                self.filled -= self.packet;
                self.count += 1;
            }
            self.pending[..self.filled].fill(0);
        } else {
            self.feed(zeros);
        }
        self.silent = silent;
    }

    /// What the last tick completed: none, one or two packets.
    pub(super) fn packets(&self) -> impl Iterator<Item = Outgoing<'_>> {
        let units = self.format.codec.clock_units(self.format.ptime);
        let rows = self.out.chunks_exact(self.row).zip(self.lens).take(self.count);
        // Not if the packet's first ticks were heard, and only its last was silent.
        let is_silent = self.silent as usize * self.tick >= self.packet + self.filled;
        // What ends with the tick ends half a tick after what ends in its middle.
        let last_later = self.filled == 0 && self.format.ptime.splits_ticks();
        rows.enumerate().map(move |(n, (row, len))| {
            let later = last_later && n + 1 == self.count;
            Outgoing { payload: &row[..len], units, is_silent, later }
        })
    }

    /// Whether a packet begins with the next tick: only then can a seat change to another chain.
    pub(super) fn is_between_packets(&self) -> bool {
        self.filled == 0
    }

    /// Milliseconds of audio that wait for the rest of their packet.
    pub(super) fn pending_ms(&self) -> u32 {
        self.filled as u32 * Ptime::TICK.ms() / self.tick as u32
    }

    /// Takes over the state of a chain of the same format and rate. Allocates nothing, unless the rate
    /// has just changed.
    pub(super) fn copy_from(&mut self, other: &Self) {
        if let (Some(resampler), Some(of)) = (&mut self.resampler, &other.resampler) {
            resampler.copy_from(of);
        }
        self.encoder.copy_from(&other.encoder);
        self.pending.copy_from_slice(&other.pending);
        self.out.copy_from_slice(&other.out);
        (self.filled, self.lens, self.count) = (other.filled, other.lens, other.count);
        self.joint.clone_from(&other.joint);
        (self.silent, self.last) = (other.silent, other.last);
    }

    /// Back to the beginning of a stream.
    pub(super) fn reset(&mut self) {
        if let Some(resampler) = &mut self.resampler {
            resampler.reset();
        }
        self.encoder.reset();
        (self.filled, self.count, self.silent) = (0, 0, 0);
        (self.joint, self.last) = (None, 0);
    }

    /// Goes on from this sample, which another stream has ended with.
    pub(super) fn go_on_from(&mut self, sample: i16) {
        self.last = sample;
    }

    /// Goes on at another rate of the mixer. `last` is what the mix was in the last tick, at the new
    /// rate: filters and a new encoder are warmed with it, so that the change is not heard.
    ///
    /// # Errors
    /// [`Error::CodecRate`]; the chain is then as it was.
    pub(super) fn set_rate(&mut self, mix: SampleRate, last: &[i16]) -> Result<(), Error> {
        let mut next = Self::new(self.format, mix)?;
        if next.tick == self.tick {
            // The codec's rate stays: its encoder goes on, and so does what it has half made.
            std::mem::swap(&mut next.encoder, &mut self.encoder);
            if let Some(resampler) = &mut next.resampler {
                resampler.process(last, &mut next.pending[..self.tick]);
            }
            next.pending.copy_from_slice(&self.pending);
            next.filled = self.filled;
        } else {
            // Whole packets of the last tick, discarded; what is half made is stretched or squeezed
            // in time units only, its samples being silence.
            let (packet, row) = (next.packet, next.row);
            for piece in last.chunks_exact(packet.min(last.len())) {
                next.pending[..piece.len()].copy_from_slice(piece);
                next.pending[piece.len()..packet].fill(0);
                next.encoder.encode(&next.pending[..packet], &mut next.out[..row]);
            }
            next.pending.fill(0);
            next.filled = self.filled * next.tick / self.tick;
        }
        let before_in = last.last().copied().unwrap_or_default();
        next.last = self.last;
        next.joint = Some(Box::new(Joint { before_in, before_out: self.last, mix: last.to_vec() }));
        *self = next;
        Ok(())
    }

    fn complete(&mut self) {
        self.count = 0;
        let mut from = 0;
        while self.filled - from >= self.packet && self.count < MAX_PACKETS {
            let row = &mut self.out[self.count * self.row..][..self.row];
            self.lens[self.count] =
                self.encoder.encode(&self.pending[from..from + self.packet], row);
            self.count += 1;
            from += self.packet;
        }
        self.pending.copy_within(from..self.filled, 0);
        self.filled -= from;
    }
}

fn resampler(from: SampleRate, to: SampleRate) -> Result<Option<Resampler>, Error> {
    if !Resampler::is_needed(from, to) {
        return Ok(None);
    }
    let mismatch = Error::RateMismatch { source_hz: from.hz(), mixer_hz: to.hz() };
    Resampler::new(from, to).map(Some).ok_or(mismatch)
}

/// Ticks of silence after which an encoder repeats itself; `None` if that is not certain.
fn fades_after(format: &SendFormat) -> Option<u32> {
    match format.codec {
        // The longest memory is the resampler's, well below one tick; two packets of 60 ms.
        CodecKind::Pcmu | CodecKind::Pcma | CodecKind::L16Wide | CodecKind::L16Narrow => Some(7),
        // Half a second: the pitch and noise-shaping memory holds some 50 ms.
        CodecKind::Opus if !format.opus.dtx => Some(25),
        // With DTX its own refresh every 400 ms is wanted. G.722's step size creeps for seconds.
        CodecKind::Opus | CodecKind::G722 => None,
    }
}

/// Ticks that two encoders of this format must be fed the same before a decoder can change from one
/// to the other unheard.
pub(super) const fn converges_after(codec: CodecKind) -> u32 {
    match codec {
        CodecKind::Pcmu | CodecKind::Pcma | CodecKind::L16Wide | CodecKind::L16Narrow => 1,
        CodecKind::G722 => 8,
        CodecKind::Opus => 12,
    }
}

/// Ticks after which packets of this length begin with a tick again.
pub(super) const fn ticks_per_cycle(ptime: Ptime) -> u64 {
    match ptime {
        Ptime::Ms10 | Ptime::Ms20 => 1,
        Ptime::Ms40 => 2,
        Ptime::Ms30 | Ptime::Ms60 => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Activity, activity};
    use crate::source::tone;

    fn format(codec: CodecKind, ptime: Ptime) -> SendFormat {
        SendFormat { ptime, ..SendFormat::new(codec) }
    }

    #[test]
    fn every_ptime_gets_all_of_the_audio_in_packets_of_its_length() {
        let rate = SampleRate::NARROW;
        let audio = tone::sine(rate, 440.0, -10.0, 6 * 160);
        let mut whole = vec![0; 960];
        let mut reference = Encoder::new(&SendFormat::new(CodecKind::Pcmu), rate).unwrap();
        reference.encode(&audio, &mut whole);
        for ptime in Ptime::ALL {
            let mut chain = Chain::new(format(CodecKind::Pcmu, ptime), rate).unwrap();
            let mut sent = Vec::new();
            for (n, tick) in audio.chunks(160).enumerate() {
                let starts = (n as u64).is_multiple_of(ticks_per_cycle(ptime));
                assert_eq!(chain.is_between_packets(), starts, "{ptime:?}");
                chain.feed(tick);
                for packet in chain.packets() {
                    assert_eq!(packet.payload.len(), 8 * ptime.ms() as usize);
                    assert_eq!(packet.units, 8 * ptime.ms());
                    sent.extend_from_slice(packet.payload);
                }
            }
            assert_eq!(sent, whole, "{ptime:?}");
        }
    }

    #[test]
    fn packets_of_any_length_leave_evenly_spaced() {
        for ptime in Ptime::ALL {
            let mut chain = Chain::new(format(CodecKind::Pcmu, ptime), SampleRate::NARROW).unwrap();
            let mut leave_at = Vec::new();
            for tick in 0..30 {
                chain.feed(&[0; 160]);
                let later = |packet: Outgoing<'_>| if packet.later { 10 } else { 0 };
                leave_at.extend(chain.packets().map(|packet| 20 * tick + later(packet)));
            }
            let gaps: Vec<_> = leave_at.windows(2).map(|pair| pair[1] - pair[0]).collect();
            assert!(gaps.iter().all(|&gap| gap == ptime.ms()), "{ptime:?}: {gaps:?}");
        }
    }

    #[test]
    fn long_silence_repeats_the_last_packet_at_the_same_pace() {
        for ptime in Ptime::ALL {
            let mut chain = Chain::new(format(CodecKind::Pcma, ptime), SampleRate::WIDE).unwrap();
            chain.feed(&[9_000; 320]);
            let mut units = chain.packets().map(|packet| packet.units).sum::<u32>();
            for _ in 1..600 {
                chain.feed_silence(&[0; 320]);
                units += chain.packets().map(|packet| packet.units).sum::<u32>();
            }
            assert_eq!(units, 600 * 160, "{ptime:?}");
            let mut packets = 0;
            for _ in 0..3 {
                chain.feed_silence(&[0; 320]);
                packets += chain.packets().count();
                let is_silence = |packet: Outgoing<'_>| {
                    activity(CodecKind::Pcma, packet.payload) == Activity::Silence
                };
                assert!(chain.packets().all(is_silence), "{ptime:?}");
            }
            assert!(packets > 0, "{ptime:?}");
        }
    }

    #[test]
    fn a_long_packet_is_silent_only_if_all_of_it_is() {
        for ptime in [Ptime::Ms30, Ptime::Ms40, Ptime::Ms60] {
            let mut chain = Chain::new(format(CodecKind::Pcmu, ptime), SampleRate::NARROW).unwrap();
            chain.feed(&[9_000; 160]);
            let mut silent = Vec::new();
            for _ in 0..5 {
                silent.extend(chain.packets().map(|packet| packet.is_silent));
                chain.feed_silence(&[0; 160]);
            }
            silent.extend(chain.packets().map(|packet| packet.is_silent));
            let first = silent.remove(0);
            assert!(!first && silent.iter().all(|&silent| silent), "{ptime:?}: {silent:?}");
        }
    }

    #[test]
    fn a_copy_goes_on_as_the_original_would() {
        let rate = SampleRate::WIDE;
        let audio = tone::sine(rate, 440.0, -10.0, 8 * 320);
        let mut one = Chain::new(format(CodecKind::Pcmu, Ptime::Ms30), rate).unwrap();
        let mut two = Chain::new(format(CodecKind::Pcmu, Ptime::Ms30), rate).unwrap();
        for (n, tick) in audio.chunks(320).enumerate() {
            if n == 4 {
                two.copy_from(&one);
            }
            one.feed(tick);
            if n >= 4 {
                two.feed(tick);
                let payloads = |chain: &Chain| -> Vec<Vec<u8>> {
                    chain.packets().map(|packet| packet.payload.to_vec()).collect()
                };
                assert_eq!(payloads(&one), payloads(&two));
            }
        }
    }
}
