//! From one sample rate to another while the audio runs: a polyphase filter with a short, constant
//! delay.
//!
//! For each seat whose codec does not have the mixer's rate. Works between any two of 8, 12, 16, 24,
//! 32 and 48 kHz, and whatever else is a ratio of small numbers. Files of other rates are converted as
//! a whole by `source`, which sees the future and has no delay.
//!
//! The filters are in [`filter_bank`](super::filter_bank), shared; an instance is its past input.

use std::time::Duration;

use multiversion::multiversion;
use multiversion::target::target_cfg_f;

use super::filter_bank::{FilterBank, MAX_TERM};
use super::sample::nearest;
use crate::time::SampleRate;

#[cfg(test)]
mod tests;

/// Groups converted at once: as many as let their sums stay in registers.
const TILE: usize = 80;
/// Half a tile, for two phases side by side.
const HALF: usize = TILE / 2;
/// One column of input: what the filter reaches back to, and a tile.
type Column = [f32; 128];
/// One phase of output.
type Phase = [i16; TILE];

/// A converter and its past input. Cloned or copied, it goes on as the other would.
#[derive(Debug, Clone)]
pub struct Resampler {
    bank: &'static FilterBank,
    from: SampleRate,
    /// The newest `reach * down` samples of input, oldest first.
    past: Box<[i16]>,
}

impl Resampler {
    /// For input of `from` and output of `to`, as if there had been silence before. The first of a
    /// ratio computes its filter.
    ///
    /// `None` if the ratio is none of small numbers, as between 44.1 and 48 kHz.
    pub fn new(from: SampleRate, to: SampleRate) -> Option<Self> {
        let bank = FilterBank::shared(from.hz(), to.hz())?;
        Some(Self { bank, from, past: vec![0; bank.reach * bank.down].into() })
    }

    /// Whether audio of `from` has to be converted to be audio of `to`.
    pub const fn is_needed(from: SampleRate, to: SampleRate) -> bool {
        from.hz() != to.hz()
    }

    /// How far the output lies behind the input: at most 3 ms.
    pub fn delay(&self) -> Duration {
        let hz = f64::from(self.from.hz()) * self.bank.up as f64;
        Duration::from_secs_f64(self.bank.lag / hz)
    }

    /// Converts `input`, which lasts whole milliseconds, and gives the samples written to `out`:
    /// `input.len() * to / from`. Stops where `out` is full.
    ///
    /// Between 8, 16 and 48 kHz any length will do that is a whole number of samples at both rates.
    pub fn process(&mut self, input: &[i16], out: &mut [i16]) -> usize {
        let (up, down) = (self.bank.up, self.bank.down);
        let groups = (input.len() / down).min(out.len() / up);
        let (input, out) = (&input[..groups * down], &mut out[..groups * up]);
        match down {
            1 if up == 1 => out.copy_from_slice(input),
            1 => convert(self.bank, &self.past, &mut [[0.0; _]; 1], input, out),
            2 | 3 => convert(self.bank, &self.past, &mut [[0.0; _]; 3], input, out),
            _ => convert(self.bank, &self.past, &mut [[0.0; _]; MAX_TERM], input, out),
        }
        self.remember(input);
        out.len()
    }

    /// How many samples of input make `count` of output.
    pub(crate) fn samples_for(&self, count: usize) -> usize {
        count / self.bank.up * self.bank.down
    }

    /// Goes on from where `other` is. Allocates only if the two have different ratios.
    pub fn copy_from(&mut self, other: &Self) {
        (self.bank, self.from) = (other.bank, other.from);
        self.past.clone_from(&other.past);
    }

    /// As if there had been silence before.
    pub fn reset(&mut self) {
        self.past.fill(0);
    }

    fn remember(&mut self, input: &[i16]) {
        let len = self.past.len();
        if let Some(newest) = input.len().checked_sub(len) {
            self.past.copy_from_slice(&input[newest..]);
        } else {
            self.past.copy_within(input.len().., 0);
            self.past[len - input.len()..].copy_from_slice(input);
        }
    }
}

/// Tile by tile: deal the input out to columns, filter each phase, weave the phases together.
///
/// `columns`: at least `bank.down`, zeroed.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn convert(
    bank: &FilterBank,
    past: &[i16],
    columns: &mut [Column],
    input: &[i16],
    out: &mut [i16],
) {
    let fused = target_cfg_f!(any(target_feature = "fma", target_arch = "aarch64"));
    let columns = &mut columns[..bank.down];
    let mut phases = [[0; TILE]; MAX_TERM];
    deal(past, columns, 0);
    let tiles = input.chunks(TILE * bank.down).zip(out.chunks_mut(TILE * bank.up));
    for (input, out) in tiles {
        deal(input, columns, bank.reach);
        if fused {
            filter::<true>(bank, columns, &mut phases);
        } else {
            filter::<false>(bank, columns, &mut phases);
        }
        weave(&phases[..bank.up], out);
        let groups = input.len() / bank.down;
        columns.iter_mut().for_each(|column| column.copy_within(groups..groups + bank.reach, 0));
    }
}

/// Sample `c` of each group goes to column `c`, the first group to `at`.
#[inline(always)]
fn deal(input: &[i16], columns: &mut [Column], at: usize) {
    #[inline(always)]
    fn by<const DOWN: usize>(input: &[i16], columns: &mut [Column], at: usize) {
        let Some(columns) = columns.first_chunk_mut::<DOWN>() else { return };
        for (n, group) in input.as_chunks::<DOWN>().0.iter().enumerate() {
            for (column, &sample) in columns.iter_mut().zip(group) {
                column[at + n] = f32::from(sample);
            }
        }
    }
    match columns.len() {
        1 => by::<1>(input, columns, at),
        2 => by::<2>(input, columns, at),
        3 => by::<3>(input, columns, at),
        4 => by::<4>(input, columns, at),
        6 => by::<6>(input, columns, at),
        down => {
            for (n, group) in input.chunks_exact(down).enumerate() {
                for (column, &sample) in columns.iter_mut().zip(group) {
                    column[at + n] = f32::from(sample);
                }
            }
        }
    }
}

/// The inverse of [`deal`], for phases.
#[inline(always)]
fn weave(phases: &[Phase], out: &mut [i16]) {
    #[inline(always)]
    fn by<const UP: usize>(phases: &[Phase], out: &mut [i16]) {
        let Some(phases) = phases.first_chunk::<UP>() else { return };
        for (n, group) in out.as_chunks_mut::<UP>().0.iter_mut().take(TILE).enumerate() {
            for (sample, phase) in group.iter_mut().zip(phases) {
                *sample = phase[n];
            }
        }
    }
    match phases.len() {
        1 => by::<1>(phases, out),
        2 => by::<2>(phases, out),
        3 => by::<3>(phases, out),
        4 => by::<4>(phases, out),
        6 => by::<6>(phases, out),
        up => {
            for (n, group) in out.chunks_exact_mut(up).take(TILE).enumerate() {
                for (sample, phase) in group.iter_mut().zip(phases) {
                    *sample = phase[n];
                }
            }
        }
    }
}

/// One tile of every phase.
#[inline(always)]
fn filter<const FUSED: bool>(
    bank: &FilterBank,
    columns: &[Column],
    phases: &mut [Phase; MAX_TERM],
) {
    let taps = bank.reach + 1;
    for p in (0..bank.up).step_by(2) {
        if p + 1 < bank.up {
            for half in [0, HALF] {
                let (a, b) = pair::<FUSED>(bank.row(p), bank.row(p + 1), taps, columns, half);
                round(&a, &mut phases[p][half..half + HALF]);
                round(&b, &mut phases[p + 1][half..half + HALF]);
            }
        } else {
            round(&single::<FUSED>(bank.row(p), taps, columns), &mut phases[p]);
        }
    }
}

/// One phase. Ten registers of eight sums, each weight spread over all lanes.
#[inline(always)]
fn single<const FUSED: bool>(row: &[f32], taps: usize, columns: &[Column]) -> [f32; TILE] {
    let mut sums = [0.0; TILE];
    for (weights, column) in row.chunks_exact(taps).zip(columns) {
        for (&weight, input) in weights.iter().zip(column.array_windows::<TILE>()) {
            for (sum, &sample) in sums.iter_mut().zip(input) {
                *sum = multiply_add::<FUSED>(sample, weight, *sum);
            }
        }
    }
    sums
}

/// Half a tile of two phases, which see the same input: it is loaded once for both.
#[inline(always)]
fn pair<const FUSED: bool>(
    row: &[f32],
    next_row: &[f32],
    taps: usize,
    columns: &[Column],
    half: usize,
) -> ([f32; HALF], [f32; HALF]) {
    let (mut a, mut b) = ([0.0; HALF], [0.0; HALF]);
    let rows = row.chunks_exact(taps).zip(next_row.chunks_exact(taps));
    for ((a_weights, b_weights), column) in rows.zip(columns) {
        let weights = a_weights.iter().zip(b_weights);
        for ((&for_a, &for_b), input) in weights.zip(column[half..].array_windows::<HALF>()) {
            for n in 0..HALF {
                a[n] = multiply_add::<FUSED>(input[n], for_a, a[n]);
                b[n] = multiply_add::<FUSED>(input[n], for_b, b[n]);
            }
        }
    }
    (a, b)
}

/// Without the instruction `mul_add` would be a call into the C library.
#[inline(always)]
fn multiply_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

#[inline(always)]
fn round(sums: &[f32], out: &mut [i16]) {
    for (sample, &sum) in out.iter_mut().zip(sums) {
        *sample = nearest(sum);
    }
}
