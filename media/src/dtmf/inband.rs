//! Keys heard as tones in the audio (ITU-T Q.23, Q.24), for lines that negotiated no telephone-event.
//!
//! The audio, brought to 8 kHz, is cut into blocks of 10 ms. A Goertzel filter per frequency gives each
//! block's amplitude and phase; two blocks in a row are judged together. Phase tells by how much a tone
//! misses its nominal frequency, which is what parts keys from voices: both tones must be right,
//! of like strength, and nearly all that is heard.

use std::f64::consts::TAU;
use std::time::Duration;

use super::{Digit, DtmfEvent};
use crate::dsp::{Resampler, mean_square_at};
use crate::time::SampleRate;

#[cfg(test)]
mod tests;

/// Low group, then high group, in hertz (Q.23 §2).
const FREQUENCIES: [f64; 8] = [697.0, 770.0, 852.0, 941.0, 1_209.0, 1_336.0, 1_477.0, 1_633.0];
const KEYS: [[char; 4]; 4] =
    [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

const RATE: SampleRate = SampleRate::NARROW;
/// Samples of a block.
const BLOCK: usize = 80;
const BLOCK_DURATION: Duration = Duration::from_millis(10);
/// Blocks that end a key: shorter breaks are part of it, 40 ms are not.
const MISSES: u32 = 3;

/// The two tones together are at least so loud.
const FLOOR_DBFS: f32 = -36.0;
/// The high tone may be weaker by 8 dB, as long lines make it …
const NORMAL_TWIST: f32 = 6.310;
/// … or stronger by 4 dB.
const REVERSE_TWIST: f32 = 2.512;
/// Part of the power that is in the two tones.
const PURITY: f32 = 0.72;
/// A tone is 6 dB above the others of its group.
const DOMINANCE: f32 = 4.0;
/// How far a tone may be from its nominal frequency. 1.5 % must be taken, 3.5 % refused (Q.24 table A-1).
const TOLERANCE: f64 = 0.024;

/// Finds keys in one direction of one call.
#[derive(Debug, Clone)]
pub struct InbandDetector {
    resampler: Resampler,
    filters: Filters,
    bank: Bank,
    /// The block before.
    before: Block,
    /// What the last two blocks were together.
    heard: Option<Digit>,
    pressed: Option<Press>,
    floor: f32,
}

#[derive(Debug, Clone)]
struct Press {
    digit: Digit,
    /// Blocks since its first.
    blocks: u32,
    /// Blocks since it was last heard.
    misses: u32,
}

impl InbandDetector {
    /// For audio at `rate`; `None` if that is not in a ratio of small numbers to 8 kHz.
    pub fn new(rate: SampleRate) -> Option<Self> {
        Some(Self {
            resampler: Resampler::new(rate, RATE)?,
            filters: Filters::default(),
            bank: Bank::new(),
            before: Block::default(),
            heard: None,
            pressed: None,
            floor: mean_square_at(FLOOR_DBFS),
        })
    }

    /// Takes the next audio, whole milliseconds, and tells of each key once it is released. Its duration
    /// is right within 10 ms.
    pub fn feed(&mut self, pcm: &[i16], mut on_digit: impl FnMut(DtmfEvent)) {
        let mut narrow = [0; 2 * BLOCK];
        for frame in pcm.chunks(self.resampler.samples_for(narrow.len())) {
            let count = self.resampler.process(frame, &mut narrow);
            let mut rest = &narrow[..count];
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rest.len().min(BLOCK - self.filters.count));
                self.filters.feed(&self.bank, now);
                rest = later;
                if self.filters.count == BLOCK {
                    let block = self.filters.take(&self.bank);
                    let heard = self.bank.judge(&self.before, &block, self.floor);
                    self.before = block;
                    if let Some(event) = self.step(heard) {
                        on_digit(event);
                    }
                }
            }
        }
    }

    /// One block on; gives a key that is over.
    fn step(&mut self, heard: Option<Digit>) -> Option<DtmfEvent> {
        let is_repeated = heard.is_some() && heard == self.heard;
        self.heard = heard;
        let mut over = None;
        if let Some(press) = &mut self.pressed {
            if heard == Some(press.digit) {
                press.blocks += 1 + press.misses;
                press.misses = 0;
                return None;
            }
            press.misses += 1;
            if press.misses < MISSES && !is_repeated {
                return None;
            }
            let duration = BLOCK_DURATION * press.blocks;
            over = Some(DtmfEvent { digit: press.digit, duration });
            self.pressed = None;
        }
        if let (true, Some(digit)) = (is_repeated, heard) {
            // Three blocks, judged as two pairs.
            self.pressed = Some(Press { digit, blocks: 3, misses: 0 });
        }
        over
    }
}

/// A filter per frequency, side by side, and the energy of what they were fed (Goertzel's recursion).
#[derive(Debug, Clone, Default)]
struct Filters {
    one: [f32; 8],
    two: [f32; 8],
    energy: f32,
    count: usize,
}

impl Filters {
    fn feed(&mut self, bank: &Bank, samples: &[i16]) {
        let (mut one, mut two, mut energy) = (self.one, self.two, self.energy);
        for &sample in samples {
            let sample = f32::from(sample);
            energy += sample * sample;
            for n in 0..8 {
                let zero = sample - two[n] + bank.coefficients[n] * one[n];
                two[n] = one[n];
                one[n] = zero;
            }
        }
        (self.one, self.two, self.energy) = (one, two, energy);
        self.count += samples.len();
    }

    /// What the block was, and an empty one.
    fn take(&mut self, bank: &Bank) -> Block {
        let Self { one, two, energy, .. } = std::mem::take(self);
        let tones = std::array::from_fn(|n| {
            let (cos, sin) = (bank.coefficients[n] / 2.0, bank.sines[n]);
            Tone { re: one[n] - cos * two[n], im: sin * two[n] }
        });
        Block { tones, energy }
    }
}

/// Amplitude and phase at each frequency, both times [`BLOCK`] / 2, and the sum of squares.
#[derive(Debug, Clone, Default)]
struct Block {
    tones: [Tone; 8],
    energy: f32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Tone {
    re: f32,
    im: f32,
}

impl Tone {
    fn power(self) -> f32 {
        self.re * self.re + self.im * self.im
    }

    fn times(self, other: Self) -> Self {
        let re = self.re * other.re - self.im * other.im;
        Self { re, im: self.re * other.im + self.im * other.re }
    }
}

/// Constants of each frequency.
#[derive(Debug, Clone)]
struct Bank {
    /// Twice the cosine of the step per sample.
    coefficients: [f32; 8],
    sines: [f32; 8],
    /// Turns a block back by the phase its tone gained over the block before.
    back: [Tone; 8],
    /// Cosine of the phase that a tone within tolerance may gain or lose.
    widest: [f32; 8],
}

/// A tone of two blocks.
struct Candidate {
    index: usize,
    power: f32,
}

impl Bank {
    fn new() -> Self {
        let step = FREQUENCIES.map(|hz| TAU * hz / f64::from(RATE.hz()));
        let turn = |step: f64| step * BLOCK as f64;
        Self {
            coefficients: step.map(|step| (2.0 * step.cos()) as f32),
            sines: step.map(|step| step.sin() as f32),
            back: step
                .map(|step| Tone { re: turn(step).cos() as f32, im: -turn(step).sin() as f32 }),
            widest: step.map(|step| (turn(step) * TOLERANCE).cos() as f32),
        }
    }

    /// The key two blocks in a row hold.
    fn judge(&self, one: &Block, two: &Block, floor: f32) -> Option<Digit> {
        let energy = one.energy + two.energy;
        if energy < floor * (2 * BLOCK) as f32 {
            return None;
        }
        let low = self.strongest(0, one, two)?;
        let high = self.strongest(4, one, two)?;
        let has_twist =
            low.power > high.power * NORMAL_TWIST || high.power > low.power * REVERSE_TWIST;
        // A sine of amplitude A has the energy A^2 / 2 per sample, and an amplitude here of A * BLOCK / 2.
        let in_tones = (low.power + high.power) / BLOCK as f32;
        if has_twist || in_tones < energy * PURITY {
            return None;
        }
        Digit::from_char(KEYS[low.index][high.index])
    }

    /// The tone of the group that begins at `first`, if one stands out and has its frequency.
    fn strongest(&self, first: usize, one: &Block, two: &Block) -> Option<Candidate> {
        let aligned = |n: usize| two.tones[n].times(self.back[n]);
        let both = |n: usize| {
            let (one, two) = (one.tones[n], aligned(n));
            Tone { re: one.re + two.re, im: one.im + two.im }.power()
        };
        let powers: [f32; 4] = std::array::from_fn(|n| both(first + n));
        let index = (0..4).max_by(|&a, &b| powers[a].total_cmp(&powers[b]))?;
        let n = first + index;
        let (a, b) = (one.tones[n], aligned(n));
        let product = (a.power() * b.power()).sqrt();
        let has_frequency = a.re * b.re + a.im * b.im >= self.widest[n] * product;
        // As if the two were in phase.
        let power = a.power() + b.power() + 2.0 * product;
        let stands_out = (0..4).all(|n| n == index || powers[n] * DOMINANCE < power);
        (has_frequency && stands_out).then_some(Candidate { index, power })
    }
}
