//! What callers say, encoded once before the run and replayed in a loop: sending costs a copy.
//!
//! A talker's voice is a tone of whole hertz whose loudness moves four times a second, as that of
//! syllables does: a steady tone would be taken for background noise by voice detectors. Both periods
//! fit a whole number of times into the loop, so nothing jumps where it closes.

use std::f64::consts::TAU;

use anyhow::Result;
use clap::ValueEnum;
use support::tone::peak_of;

use crate::codec::{Codec, Encoder, MAX_PAYLOAD, PACKETS_PER_SECOND};

/// Level of the noise that stands for a quiet microphone.
const COMFORT_DB: f64 = -60.0;
/// Movements of a talker's loudness per second, and their depth.
const SYLLABLES_HZ: f64 = 4.0;
pub(crate) const SYLLABLE_DEPTH: f64 = 0.6;
/// Encoded by Opus and thrown away first, so that a loop begins with the encoder in its stride.
const WARM_UP_SECONDS: u32 = 4;
/// So long of that warm-up a member that will be quiet speaks: an Opus encoder takes noise for
/// background only once it has heard something louder.
const SPEAKS_FIRST_SECONDS: u32 = 2;
const SPEAKS_FIRST_DB: f64 = -20.0;
const G711_LOOP_SECONDS: u32 = 1;
const OPUS_LOOP_SECONDS: u32 = 5;
/// Long enough for many of the pauses of DTX.
const DTX_LOOP_SECONDS: u32 = 20;
/// RFC 6464: level of digital silence.
const SILENCE_LEVEL: u8 = 127;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Quiet {
    /// Digital silence
    Silence,
    /// Faint noise at -60 dB, different in every frame: nothing says that nobody speaks
    Comfort,
    /// The same noise; every packet of everybody carries an RFC 6464 audio level
    Levels,
    /// The same noise through an Opus encoder with DTX: about one packet per 400 ms
    Dtx,
}

impl Quiet {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Silence => "silence",
            Self::Comfort => "comfort",
            Self::Levels => "levels",
            Self::Dtx => "dtx",
        }
    }
}

/// An endless voice: packets in a circle.
#[derive(Debug)]
pub(crate) struct Voice {
    bytes: Vec<u8>,
    frames: Vec<Frame>,
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    start: usize,
    len: usize,
    level: u8,
}

/// One packet's worth of a voice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said<'a> {
    /// Empty: nothing is sent for this frame.
    pub(crate) payload: &'a [u8],
    /// RFC 6464: 0 the loudest, 127 silence.
    pub(crate) level: u8,
}

impl Voice {
    /// One who sends no packets.
    pub(crate) fn nothing() -> Self {
        Self { bytes: Vec::new(), frames: vec![Frame { start: 0, len: 0, level: SILENCE_LEVEL }] }
    }

    /// A talker: a tone whose mean loudness is `level_db`. Talkers of different `number` move apart.
    ///
    /// # Errors
    /// When the encoder refuses; so for both.
    pub(crate) fn tone(
        codec: Codec,
        quiet: Quiet,
        hz: f64,
        level_db: f64,
        number: u32,
    ) -> Result<Self> {
        let rate = f64::from(codec.clock_hz());
        let (peak, shift) = (peak_of(level_db), f64::from(number) * 0.618);
        let seconds = if codec == Codec::Opus { OPUS_LOOP_SECONDS } else { G711_LOOP_SECONDS };
        Self::record(codec, quiet == Quiet::Dtx, seconds, |step| {
            speech(f64::from(step) / rate, hz, peak, shift)
        })
    }

    /// Somebody who says nothing.
    ///
    /// # Errors
    /// As [`Voice::tone`].
    pub(crate) fn quiet(codec: Codec, quiet: Quiet, seed: u32) -> Result<Self> {
        if quiet == Quiet::Silence {
            return Self::record(codec, false, 1, |_| 0);
        }
        let (peak, mut state) = (peak_of(COMFORT_DB) as i32, seed.wrapping_mul(0x9E37_79B9) | 1);
        let dtx = quiet == Quiet::Dtx;
        let seconds = if dtx { DTX_LOOP_SECONDS } else { OPUS_LOOP_SECONDS };
        let spoken = SPEAKS_FIRST_SECONDS * codec.clock_hz();
        Self::record(codec, dtx, seconds, |step| {
            if dtx && step < spoken {
                let time = f64::from(step) / f64::from(codec.clock_hz());
                return speech(time, 440.0, peak_of(SPEAKS_FIRST_DB), 0.0);
            }
            // xorshift: cheap, and good enough to look like noise.
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            ((state >> 16) as i32 % (2 * peak + 1) - peak) as i16
        })
    }

    fn record(
        codec: Codec,
        dtx: bool,
        seconds: u32,
        mut sample: impl FnMut(u32) -> i16,
    ) -> Result<Self> {
        let mut encoder = Encoder::new(codec, dtx)?;
        let (mut pcm, mut packet) = (vec![0; codec.frame()], [0; MAX_PAYLOAD]);
        let mut voice = Self { bytes: Vec::new(), frames: Vec::new() };
        let warm_up = match codec {
            Codec::Opus => WARM_UP_SECONDS * PACKETS_PER_SECOND,
            Codec::Pcmu | Codec::Pcma => 0,
        };
        let mut step = 0;
        for number in 0..warm_up + seconds * PACKETS_PER_SECOND {
            pcm.fill_with(|| {
                step += 1;
                sample(step - 1)
            });
            let len = encoder.encode(&pcm, &mut packet)?;
            if number >= warm_up {
                let (start, level) = (voice.bytes.len(), level_of(&pcm));
                voice.bytes.extend_from_slice(&packet[..len]);
                voice.frames.push(Frame { start, len, level });
            }
        }
        Ok(voice)
    }

    /// The frame at a `position` that only ever grows.
    pub(crate) fn at(&self, position: usize) -> Said<'_> {
        let frame = self.frames[position % self.frames.len()];
        Said { payload: &self.bytes[frame.start..frame.start + frame.len], level: frame.level }
    }
}

/// A tone whose loudness moves; `shift` is a part of a turn, of both.
fn speech(seconds: f64, hz: f64, peak: f64, shift: f64) -> i16 {
    let turn = |hz: f64| ((seconds * hz + shift).fract() * TAU).sin();
    (turn(hz) * peak * (1.0 + SYLLABLE_DEPTH * turn(SYLLABLES_HZ))).round() as i16
}

/// RFC 6464 §3: the RMS of the samples in -dBov, where 0 dBov is a full-scale square wave.
fn level_of(pcm: &[i16]) -> u8 {
    let power = pcm.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / pcm.len() as f64;
    let level = -10.0 * (power / 32_768f64.powi(2)).max(1e-13).log10();
    level.round().clamp(0.0, SILENCE_LEVEL.into()) as u8
}

#[cfg(test)]
mod tests {
    use support::tone::level_db;

    use super::*;
    use crate::codec::{DECODED_HZ, Decoder};

    /// `seconds` of a voice as a listener hears it.
    fn heard(voice: &Voice, codec: Codec, seconds: usize) -> Vec<i16> {
        let mut decoder = Decoder::new(codec).unwrap();
        let mut samples = Vec::new();
        for position in 0..seconds * PACKETS_PER_SECOND as usize {
            decoder.decode(voice.at(position).payload, &mut samples);
        }
        samples
    }

    #[test]
    fn a_voice_keeps_its_level_over_the_end_of_its_loop() {
        for codec in [Codec::Pcmu, Codec::Pcma, Codec::Opus] {
            for hz in [354.0, 1_000.0, 2_504.0, 3_350.0] {
                let voice = Voice::tone(codec, Quiet::Comfort, hz, -20.0, 1).unwrap();
                let samples = heard(&voice, codec, 11);
                for (number, look) in
                    samples.chunks_exact(DECODED_HZ as usize / 2).enumerate().skip(2)
                {
                    let error = level_db(look, hz) + 20.0;
                    assert!(error.abs() < 0.3, "{codec:?} {hz} Hz, look {number}: {error:.2} dB");
                }
            }
        }
    }

    #[test]
    fn dtx_pauses_when_nobody_speaks_and_not_when_somebody_does() {
        let sent = |voice: &Voice| {
            voice.frames.iter().filter(|f| f.len > 0).count() as f64 / voice.frames.len() as f64
        };
        let quiet = Voice::quiet(Codec::Opus, Quiet::Dtx, 1).unwrap();
        assert!((0.03..0.10).contains(&sent(&quiet)), "{}", sent(&quiet));
        let talker = Voice::tone(Codec::Opus, Quiet::Dtx, 700.0, -20.0, 1).unwrap();
        assert_eq!(sent(&talker), 1.0);
    }

    #[test]
    fn levels_are_those_of_rfc_6464() {
        assert_eq!(level_of(&[0; 160]), SILENCE_LEVEL);
        assert_eq!(level_of(&[i16::MIN; 160]), 0);
        let talker = Voice::tone(Codec::Pcmu, Quiet::Levels, 700.0, -20.0, 1).unwrap();
        assert!((19..30).contains(&talker.at(0).level));
        let quiet = Voice::quiet(Codec::Pcmu, Quiet::Levels, 1).unwrap();
        assert!((60..70).contains(&quiet.at(0).level));
    }
}
