//! Adding voices: sums in `i32`, limited once at the end (architecture: never wrap, never limit twice).
//!
//! The limit has no memory, so nothing pumps: up to the knee samples stay as they are, above it a smooth
//! curve bends them towards full scale. Nearly all frames stay below and cost the narrowing alone: it
//! follows the peak, and only a frame that went above is done again with the curve.

use multiversion::multiversion;

use super::sample::{magnitude, nearest};

/// Where the curve begins: -2 dBFS.
pub(super) const KNEE: i32 = 26_000;
/// What the curve has left for all that is louder.
const REST: i32 = i16::MAX as i32 - KNEE;
/// How steeply it bends; a power of two, so that three squarings raise to it.
const ORDER: i32 = 8;
/// Where the curve reaches full scale: 7.8 dB above, more than two voices at full scale.
const TOP: i32 = KNEE + ORDER * REST;

/// Adds a voice to the sum.
#[multiversion(targets("x86_64+avx2", "aarch64+neon"))]
pub fn add(sum: &mut [i32], voice: &[i16]) {
    for (total, &sample) in sum.iter_mut().zip(voice) {
        *total += i32::from(sample);
    }
}

/// `out = limit(sum - own)`: what a talker hears.
pub fn subtract(sum: &[i32], own: &[i16], out: &mut [i16]) {
    if narrow_difference(sum, own, out) {
        bend_difference(sum, own, out);
    }
}

/// `out = limit(sum)`: what a listener hears.
pub fn limit(sum: &[i32], out: &mut [i16]) {
    if narrow(sum, out) {
        bend(sum, out);
    }
}

/// `out = out + voice`, saturating: what one seat alone is played, over what it hears.
pub fn add_saturating(out: &mut [i16], voice: &[i16]) {
    for (sample, &voice) in out.iter_mut().zip(voice) {
        *sample = sample.saturating_add(voice);
    }
}

/// Samples whose peak is followed side by side.
const LANES: usize = 32;

/// Saturates and tells whether a sample lies above the knee.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2", "aarch64+neon"))]
fn narrow(sum: &[i32], out: &mut [i16]) -> bool {
    let count = sum.len().min(out.len());
    let (sums, last_sums) = sum[..count].as_chunks::<LANES>();
    let (outs, last_outs) = out[..count].as_chunks_mut::<LANES>();
    let mut peaks = [0i16; LANES];
    let mut peak = 0;
    for (out, sum) in outs.iter_mut().zip(sums) {
        for n in 0..LANES {
            out[n] = clamp(sum[n]);
            peaks[n] = peaks[n].max(magnitude(out[n]));
        }
    }
    for (sample, &total) in last_outs.iter_mut().zip(last_sums) {
        *sample = clamp(total);
        peak = magnitude(*sample).max(peak);
    }
    i32::from(peaks.into_iter().fold(peak, i16::max)) > KNEE
}

/// The same of `sum - own`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2", "aarch64+neon"))]
fn narrow_difference(sum: &[i32], own: &[i16], out: &mut [i16]) -> bool {
    let count = sum.len().min(own.len()).min(out.len());
    let (sums, last_sums) = sum[..count].as_chunks::<LANES>();
    let (owns, last_owns) = own[..count].as_chunks::<LANES>();
    let (outs, last_outs) = out[..count].as_chunks_mut::<LANES>();
    let mut peaks = [0i16; LANES];
    let mut peak = 0;
    for ((out, sum), own) in outs.iter_mut().zip(sums).zip(owns) {
        for n in 0..LANES {
            out[n] = clamp(sum[n] - i32::from(own[n]));
            peaks[n] = peaks[n].max(magnitude(out[n]));
        }
    }
    for ((sample, &total), &own) in last_outs.iter_mut().zip(last_sums).zip(last_owns) {
        *sample = clamp(total - i32::from(own));
        peak = magnitude(*sample).max(peak);
    }
    i32::from(peaks.into_iter().fold(peak, i16::max)) > KNEE
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2", "aarch64+neon"))]
fn bend(sum: &[i32], out: &mut [i16]) {
    for (sample, &total) in out.iter_mut().zip(sum) {
        *sample = knee(total);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2", "aarch64+neon"))]
fn bend_difference(sum: &[i32], own: &[i16], out: &mut [i16]) {
    for ((sample, &total), &own) in out.iter_mut().zip(sum).zip(own) {
        *sample = knee(total - i32::from(own));
    }
}

/// `KNEE + REST * (1 - (1 - x / (ORDER * REST))^ORDER)` of what lies above the knee: of slope 1 where it
/// begins, and 0 where it ends.
#[inline(always)]
pub(super) fn knee(total: i32) -> i16 {
    let limited = total.clamp(-TOP, TOP);
    let magnitude = limited.abs();
    let below_top = (TOP - magnitude) as f32 * (1.0 / (ORDER * REST) as f32);
    let squared = below_top * below_top;
    let to_the_fourth = squared * squared;
    let curve = f32::from(i16::MAX) - REST as f32 * (to_the_fourth * to_the_fourth);
    let bent = i32::from(nearest(curve));
    let magnitude = if magnitude > KNEE { bent } else { magnitude };
    (if limited < 0 { -magnitude } else { magnitude }) as i16
}

#[inline(always)]
fn clamp(total: i32) -> i16 {
    total.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The limit as its formula is written, in double precision.
    fn by_the_book(total: i32) -> i16 {
        let magnitude = f64::from(total).abs();
        let over = (magnitude - f64::from(KNEE)).clamp(0.0, f64::from(ORDER * REST));
        let bent = f64::from(REST) * (1.0 - (1.0 - over / f64::from(ORDER * REST)).powi(ORDER));
        let bent = magnitude.min(f64::from(KNEE)) + bent;
        (bent.copysign(f64::from(total))).round() as i16
    }

    #[test]
    fn the_limit_is_the_formula() {
        for total in (-100_000..=100_000).chain([i32::MIN, i32::MIN + 1, i32::MAX]) {
            let (fast, exact) = (i32::from(knee(total)), i32::from(by_the_book(total)));
            assert!((fast - exact).abs() <= 1, "{total}: {fast}, {exact}");
            if total.abs_diff(0) <= KNEE as u32 {
                assert_eq!(fast, total);
            }
        }
    }

    #[test]
    fn the_limit_rises_steadily_alike_on_both_sides() {
        for total in 0..100_000 {
            assert_eq!(i32::from(knee(-total)), -i32::from(knee(total)));
            let step = i32::from(knee(total + 1)) - i32::from(knee(total));
            assert!((0..=1).contains(&step), "{total}");
        }
        assert_eq!((knee(TOP), knee(i32::MAX), knee(i32::MIN)), (i16::MAX, i16::MAX, -i16::MAX));
        // Loud voices lose little: full scale comes out 0.7 dB lower.
        assert!(knee(32_767) > 30_200);
    }

    /// Sums that lie below the knee, around it, or anywhere.
    fn sums() -> impl Strategy<Value = Vec<i32>> {
        prop_oneof![
            proptest::collection::vec(-KNEE..=KNEE, 0..1_000),
            proptest::collection::vec(-40_000..40_000, 0..1_000),
            proptest::collection::vec(any::<i32>(), 0..1_000),
        ]
    }

    proptest! {
        #[test]
        fn the_mix_without_me_plus_me_is_the_whole_mix(
            voices in proptest::collection::vec(proptest::collection::vec(-8_000i16..8_000, 16), 1..4),
        ) {
            let mut sum = [0i32; 16];
            voices.iter().for_each(|voice| add(&mut sum, voice));
            let mut others = [0i16; 16];
            subtract(&sum, &voices[0], &mut others);
            for i in 0..16 {
                prop_assert_eq!(i32::from(others[i]) + i32::from(voices[0][i]), sum[i]);
            }
        }

        #[test]
        fn frames_are_limited_as_single_samples_are(sum in sums(), voice in proptest::collection::vec(any::<i16>(), 1_000)) {
            let mut out = vec![0; sum.len()];
            limit(&sum, &mut out);
            let single: Vec<i16> = sum.iter().map(|&total| knee(total)).collect();
            prop_assert_eq!(&out, &single);

            let mut with: Vec<i32> = sum.iter().map(|total| total / 2).collect();
            let without = with.clone();
            add(&mut with, &voice);
            for ((&with, &without), &voice) in with.iter().zip(&without).zip(&voice) {
                prop_assert_eq!(with - without, i32::from(voice));
            }
            subtract(&with, &voice, &mut out);
            let single: Vec<i16> = without.iter().map(|&total| knee(total)).collect();
            prop_assert_eq!(out, single);
        }
    }

    #[test]
    fn the_limit_saturates_and_does_not_wrap() {
        let mut out = [0i16; 2];
        limit(&[90_000, -90_000], &mut out);
        assert_eq!(out, [i16::MAX, -i16::MAX]);
        subtract(&[90_000, -90_000], &[1, -1], &mut out);
        assert_eq!(out, [i16::MAX, -i16::MAX]);
        let mut out = [30_000i16, -30_000];
        add_saturating(&mut out, &[10_000, -10_000]);
        assert_eq!(out, [i16::MAX, i16::MIN]);
    }
}
