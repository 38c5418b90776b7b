//! From payloads of one codec to frames: decoder, track, concealment, resampler.
//!
//! Counts in clock units outwards, in samples at the codec's rate inwards.

use super::conceal::Conceal;
use super::output::Output;
use super::stretch;
use super::track::Track;
use crate::codec::comfort::ComfortNoise;
use crate::codec::{CodecKind, Decoder};
use crate::dsp::{self, Resampler};
use crate::error::Error;
use crate::time::SampleRate;

/// See the module text.
#[derive(Debug)]
pub(super) struct Lane {
    decoder: Decoder,
    /// Of the decoder's PCM.
    rate: SampleRate,
    clock_hz: u32,
    track: Track,
    conceal: Conceal,
    output: Output,
    /// Samples the decoder has concealed in a row.
    bridged: usize,
}

impl Lane {
    /// After so long the decoder's own concealment is cut off: it would hum on for seconds.
    const MAX_BRIDGE_MS: usize = 100;

    /// For audio of `codec` in a mixer of rate `mix`.
    ///
    /// # Errors
    /// [`Error::CodecRate`] if the codec cannot be decoded.
    pub(super) fn new(codec: CodecKind, mix: SampleRate) -> Result<Self, Error> {
        let rate = codec.pcm_rate(mix);
        let output =
            Output::new(rate, mix).ok_or_else(|| Error::CodecRate { codec, hz: mix.hz() })?;
        let past = Conceal::PAST_MS * rate.hz() as usize / 1_000;
        Ok(Self {
            decoder: Decoder::new(codec, mix)?,
            rate,
            clock_hz: codec.clock_hz(),
            track: Track::new(past),
            conceal: Conceal::new(rate),
            output,
            bridged: 0,
        })
    }

    /// Has on its way where the next samples go.
    pub(super) fn prefetch(&self) {
        self.track.prefetch();
    }

    /// For audio of another codec that follows what is here.
    ///
    /// # Errors
    /// As [`Lane::new`].
    pub(super) fn successor(&mut self, codec: CodecKind, mix: SampleRate) -> Result<Self, Error> {
        let mut next = Self::new(codec, mix)?;
        if !self.track.has_audio() || self.output.rate() != mix {
            return Ok(next);
        }
        if let Some(mut resampler) = Resampler::new(self.rate, next.rate) {
            let scaled = |count: usize| count * next.rate.hz() as usize / self.rate.hz() as usize;
            let (past, pending) = self.track.parts();
            let (played, waiting) = (scaled(past.len()), scaled(pending.len()));
            resampler.process(past, next.track.room(played));
            next.track.extend(played);
            next.track.skip(played);
            let made = resampler.process(pending, next.track.room(waiting));
            next.track.extend(made);
            next.jump();
        }
        Ok(next)
    }

    /// Plays beside `other` from now on, as far behind as that is, from silence on.
    pub(super) fn follow(&mut self, other: &Self) {
        let scale = f64::from(self.rate.hz()) / f64::from(other.rate.hz());
        let behind = (other.pending() as f64 + other.output.lag()) * scale - self.output.lag();
        self.track.add_silence(behind.round() as usize);
    }

    /// The rate of the frames that come out.
    pub(super) fn mix(&self) -> SampleRate {
        self.output.rate()
    }

    /// Frames come out at another rate from now on, without a click. `false` if that cannot be.
    pub(super) fn turn(&mut self, mix: SampleRate) -> bool {
        self.output.turn(&mut self.track, mix)
    }

    /// Whether silence was played last and nothing else waits.
    pub(super) fn is_silent(&self) -> bool {
        self.track.is_hushed() && self.track.is_silent() && self.output.is_empty()
    }

    pub(super) fn codec(&self) -> CodecKind {
        self.decoder.codec()
    }

    /// Goes on with another codec of the same rate.
    ///
    /// # Errors
    /// As [`Lane::new`].
    pub(super) fn set_codec(&mut self, codec: CodecKind, mix: SampleRate) -> Result<(), Error> {
        self.decoder = Decoder::new(codec, mix)?;
        self.clock_hz = codec.clock_hz();
        Ok(())
    }

    /// Samples of one frame.
    pub(super) fn frame(&self) -> usize {
        self.rate.hz() as usize / 50
    }

    /// Samples that can be played.
    pub(super) fn pending(&self) -> usize {
        self.track.pending()
    }

    pub(super) fn rate(&self) -> SampleRate {
        self.rate
    }

    /// The clock units that so many samples last, rounded up.
    pub(super) fn units(&self, samples: usize) -> u32 {
        if self.clock_hz == self.rate.hz() {
            return samples as u32;
        }
        (samples as u32 * self.clock_hz).div_ceil(self.rate.hz())
    }

    fn samples(&self, units: u32) -> usize {
        if self.clock_hz == self.rate.hz() {
            return units as usize;
        }
        (u64::from(units) * u64::from(self.rate.hz()) / u64::from(self.clock_hz)) as usize
    }

    /// Decodes a packet. What of it cannot be decoded is concealed; gives the samples of that.
    pub(super) fn decode(&mut self, payload: &[u8], units: u32) -> usize {
        let count = self.samples(units);
        let room = self.track.room(count);
        let made = self.decoder.decode(payload, room).min(count);
        self.bridged = 0;
        self.conceal.blend(&mut room[..made]);
        self.track.extend(made);
        if made == count {
            return 0;
        }
        self.conceal.extend(&mut self.track, count - made)
    }

    /// Decodes a packet only for what the decoder learns from it.
    pub(super) fn prepare(&mut self, payload: &[u8], units: u32) {
        let count = self.samples(units);
        self.decoder.decode(payload, self.track.room(count));
    }

    /// Takes back the packet decoded last: silence stands for it.
    pub(super) fn retract(&mut self, units: u32) {
        let count = self.samples(units);
        self.track.retract(count);
        self.track.add_silence(count);
    }

    /// The level of the packet decoded last.
    pub(super) fn level(&mut self, units: u32) -> f32 {
        let count = self.samples(units);
        let newest = self.track.newest();
        let from = newest.len().saturating_sub(count);
        dsp::rms_dbfs(dsp::energy(&newest[from..]), newest.len() - from)
    }

    /// Decodes what the packet `next` holds of the lost one before it. `false` if it holds nothing.
    pub(super) fn recover(&mut self, next: &[u8], units: u32) -> bool {
        let count = self.samples(units);
        let room = self.track.room(count);
        if !self.decoder.decode_fec(next, room) {
            return false;
        }
        self.conceal.blend(room);
        self.track.extend(count);
        self.bridged = 0;
        true
    }

    /// Makes up for lost audio. Gives the samples made up, silence apart.
    pub(super) fn lose(&mut self, units: u32) -> usize {
        let count = self.samples(units);
        if self.track.has_audio() && !self.conceal.is_active() {
            if self.bridged >= Self::MAX_BRIDGE_MS * self.rate.hz() as usize / 1_000 {
                self.hush(units);
                return 0;
            }
            let room = self.track.room(count);
            if self.decoder.conceal(room) {
                self.track.extend(count);
                self.bridged += count;
                return count;
            }
        }
        self.conceal.extend(&mut self.track, count)
    }

    /// Adds silence; what was being made up fades first.
    pub(super) fn silence(&mut self, units: u32) {
        let count = self.samples(units);
        let faded = if self.conceal.is_active() { self.fade_out(count) } else { 0 };
        self.track.add_silence(count - faded);
    }

    /// Adds silence, fading out what was there before.
    pub(super) fn hush(&mut self, units: u32) {
        if self.track.has_audio() {
            self.conceal.jump(&mut self.track);
        }
        self.silence(units);
    }

    /// Adds comfort noise.
    pub(super) fn add_noise(&mut self, noise: &mut ComfortNoise, units: u32) {
        let count = self.samples(units);
        let room = self.track.room(count);
        noise.fill(room);
        self.conceal.blend(room);
        self.track.extend(count);
    }

    fn fade_out(&mut self, count: usize) -> usize {
        let ms = self.rate.hz() as usize / 1_000;
        let count = count.min(Conceal::BLEND_MS * ms);
        if self.track.has_audio() {
            let room = self.track.room(count);
            room.fill(0);
            self.conceal.blend(room);
            self.track.extend(count);
            return count;
        }
        self.conceal.finish();
        0
    }

    /// What comes next does not follow what is there.
    pub(super) fn jump(&mut self) {
        self.conceal.jump(&mut self.track);
    }

    /// Puts about so much in before the next frame, as [`stretch::expand`]. Gives what was put in.
    pub(super) fn expand(&mut self, us: i32, likeness: f32) -> usize {
        if self.track.is_silent() {
            let count = self.samples_in_us(us);
            self.track.add_silence(count);
            return count;
        }
        let likeness = self.relaxed(likeness);
        stretch::expand(&mut self.track, self.rate, likeness)
    }

    /// Leaves out about so much of the next frame, as [`stretch::compress`]. Gives what was left out.
    pub(super) fn compress(&mut self, us: i32, likeness: f32) -> usize {
        if self.track.is_silent() {
            let count = self.samples_in_us(us);
            return self.track.drop_silence(count);
        }
        let likeness = self.relaxed(likeness);
        stretch::compress(&mut self.track, self.rate, likeness)
    }

    /// Takes the next frame; `false` if it is silence, and `out` is then undefined.
    pub(super) fn read(&mut self, out: &mut [i16]) -> bool {
        self.output.read(&mut self.track, out)
    }

    /// In a quiet frame nobody hears where it was cut.
    fn relaxed(&mut self, likeness: f32) -> f32 {
        const QUIET_DBFS: f32 = -50.0;
        let next = self.track.parts().1;
        let quiet = dsp::rms_dbfs(dsp::energy(next), next.len()) < QUIET_DBFS;
        if quiet { -1.0 } else { likeness }
    }

    fn samples_in_us(&self, us: i32) -> usize {
        (i64::from(us.max(0)) * i64::from(self.rate.hz()) / 1_000_000) as usize
    }
}
