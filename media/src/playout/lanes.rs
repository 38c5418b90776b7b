//! The lane that is heard, and for a moment the one that follows it.
//!
//! When the mixer's rate changes, an Opus decoder has to be made anew for that rate, and it takes
//! some packets until its state is what it would have been. So long the old one is heard through a
//! resampler and the new one works beside it; then the two are cross-faded.

use super::lane::Lane;
use super::output::MAX_FRAME;
use crate::codec::CodecKind;
use crate::codec::comfort::ComfortNoise;
use crate::dsp;
use crate::error::Error;
use crate::time::SampleRate;

/// See the module text. Everything happens to both lanes.
#[derive(Debug)]
pub(super) struct Lanes {
    heard: Lane,
    next: Option<Box<Lane>>,
    /// Packets the next one has decoded.
    warmth: u32,
}

impl Lanes {
    /// Packets until a decoder is as if it had been there always: what is wrong with the energies of
    /// a CELT frame halves with each frame (RFC 6716 §4.3.2.1).
    const WARM: u32 = 10;

    /// For audio of `codec` in a mixer of rate `mix`.
    ///
    /// # Errors
    /// [`Error::CodecRate`] if the codec cannot be decoded.
    pub(super) fn new(codec: CodecKind, mix: SampleRate) -> Result<Self, Error> {
        Ok(Self { heard: Lane::new(codec, mix)?, next: None, warmth: 0 })
    }

    pub(super) fn codec(&self) -> CodecKind {
        self.heard.codec()
    }

    /// The lane that is heard.
    pub(super) fn heard(&self) -> &Lane {
        &self.heard
    }

    /// What comes next is of another codec.
    ///
    /// # Errors
    /// As [`Lanes::new`].
    pub(super) fn set_codec(&mut self, codec: CodecKind, mix: SampleRate) -> Result<(), Error> {
        self.next = None;
        if self.heard.rate() == codec.pcm_rate(mix) {
            return self.heard.set_codec(codec, mix);
        }
        self.heard = self.heard.successor(codec, mix)?;
        Ok(())
    }

    /// Frames come out at another rate from now on.
    ///
    /// # Errors
    /// As [`Lanes::new`].
    pub(super) fn turn(&mut self, mix: SampleRate) -> Result<(), Error> {
        let codec = self.codec();
        self.next = None;
        let keeps = self.heard.rate() == codec.pcm_rate(mix);
        if (self.heard.is_silent() && !keeps) || !self.heard.turn(mix) {
            self.heard = Lane::new(codec, mix)?;
        } else if !keeps {
            let mut next = Lane::new(codec, mix)?;
            next.follow(&self.heard);
            self.next = Some(Box::new(next));
            self.warmth = 0;
        }
        Ok(())
    }

    /// As [`Lane::decode`].
    pub(super) fn decode(&mut self, payload: &[u8], units: u32) -> usize {
        if let Some(next) = &mut self.next {
            next.decode(payload, units);
            self.warmth += 1;
        }
        self.heard.decode(payload, units)
    }

    /// As [`Lane::prepare`].
    pub(super) fn prepare(&mut self, payload: &[u8], units: u32) {
        self.both(|lane| lane.prepare(payload, units));
    }

    /// As [`Lane::retract`].
    pub(super) fn retract(&mut self, units: u32) {
        self.both(|lane| lane.retract(units));
    }

    /// As [`Lane::level`].
    pub(super) fn level(&mut self, units: u32) -> f32 {
        self.heard.level(units)
    }

    /// As [`Lane::recover`].
    pub(super) fn recover(&mut self, next: &[u8], units: u32) -> bool {
        let recovered = self.heard.recover(next, units);
        if let Some(lane) = &mut self.next
            && recovered
            && !lane.recover(next, units)
        {
            lane.lose(units);
        }
        recovered
    }

    /// As [`Lane::lose`].
    pub(super) fn lose(&mut self, units: u32) -> usize {
        if let Some(next) = &mut self.next {
            next.lose(units);
        }
        self.heard.lose(units)
    }

    /// As [`Lane::silence`].
    pub(super) fn silence(&mut self, units: u32) {
        self.heard.silence(units);
        if let Some(next) = &mut self.next {
            next.silence(units);
        }
    }

    /// As [`Lane::hush`].
    pub(super) fn hush(&mut self, units: u32) {
        self.both(|lane| lane.hush(units));
    }

    /// As [`Lane::add_noise`].
    pub(super) fn add_noise(&mut self, noise: &mut ComfortNoise, units: u32) {
        self.both(|lane| lane.add_noise(noise, units));
    }

    /// As [`Lane::jump`].
    pub(super) fn jump(&mut self) {
        self.both(Lane::jump);
    }

    /// As [`Lane::expand`]; 0 while there are two.
    pub(super) fn expand(&mut self, us: i32, likeness: f32) -> usize {
        if self.next.is_some() { 0 } else { self.heard.expand(us, likeness) }
    }

    /// As [`Lane::compress`]; 0 while there are two.
    pub(super) fn compress(&mut self, us: i32, likeness: f32) -> usize {
        if self.next.is_some() { 0 } else { self.heard.compress(us, likeness) }
    }

    /// As [`Lane::read`].
    pub(super) fn read(&mut self, out: &mut [i16]) -> bool {
        let voiced = self.heard.read(out);
        match self.next.take() {
            Some(next) => self.read_both(voiced, next, out),
            None => voiced,
        }
    }

    fn read_both(&mut self, voiced: bool, mut next: Box<Lane>, out: &mut [i16]) -> bool {
        let mut unheard = [0; MAX_FRAME];
        let unheard = &mut unheard[..out.len()];
        let next_voiced = next.read(unheard);
        if self.warmth < Self::WARM && (voiced || next_voiced) {
            self.next = Some(next);
            return voiced;
        }
        self.heard = *next;
        if !voiced {
            out.fill(0);
        }
        if !next_voiced {
            unheard.fill(0);
        }
        dsp::cross_fade(out, unheard);
        out.copy_from_slice(unheard);
        voiced || next_voiced
    }

    fn both(&mut self, mut change: impl FnMut(&mut Lane)) {
        change(&mut self.heard);
        if let Some(next) = &mut self.next {
            change(next);
        }
    }
}
