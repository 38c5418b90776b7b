//! Where audio resembles itself: the search that concealment and time stretching share.

use crate::time::SampleRate;

/// Shortest and longest distance searched: 400 Hz down to 67 Hz, the pitch of voices. Higher tones
/// are found as multiples of their period.
const SHORTEST_US: usize = 2_500;
const LONGEST_US: usize = 15_000;

/// Samples in these distances.
pub(super) fn shortest(rate: SampleRate) -> usize {
    rate.hz() as usize * SHORTEST_US / 1_000_000
}

/// See [`shortest`].
pub(super) fn longest(rate: SampleRate) -> usize {
    rate.hz() as usize * LONGEST_US / 1_000_000
}

/// The most samples of a template or of what is searched, once thinned out to 8 kHz.
const MAX_THIN: usize = 256;

/// Finds where in `signal` the `template` fits best: the offset, and how alike the two are there, -1
/// to 1. The shorter slices of equally long time, the faster: a first pass looks at 8 kHz.
pub(super) fn best_match(template: &[i16], signal: &[i16], rate: SampleRate) -> (usize, f32) {
    let step = (rate.hz() as usize / 8_000).max(1);
    let (mut thin_template, mut thin_signal) = ([0.0; MAX_THIN], [0.0; MAX_THIN]);
    let short = thin(template, step, &mut thin_template);
    let long = thin(signal, step, &mut thin_signal);
    let (coarse, likeness) = search(short, long, 0);
    if step == 1 {
        return (coarse, likeness);
    }
    // The thinned-out best is off by less than a step; the template's end decides finely.
    let from = (coarse * step).saturating_sub(step);
    let upto = (coarse * step + step + template.len()).min(signal.len());
    let Some(fine) = signal.get(from..upto).filter(|fine| fine.len() >= template.len()) else {
        return (coarse * step, likeness);
    };
    let part = template.len().min(FINE);
    let skip = template.len() - part;
    let (mut fine_template, mut fine_signal) = ([0.0; FINE], [0.0; FINE + 16]);
    let short = thin(&template[skip..], 1, &mut fine_template);
    let long = thin(&fine[skip..], 1, &mut fine_signal);
    (from + search(short, long, 0).0, likeness)
}

/// Samples compared in the second pass.
const FINE: usize = 240;

/// Every `step` samples become their mean.
fn thin<'a>(samples: &[i16], step: usize, out: &'a mut [f32]) -> &'a [f32] {
    let count = (samples.len() / step).min(out.len());
    if step == 1 {
        for (thin, &sample) in out.iter_mut().zip(samples) {
            *thin = f32::from(sample);
        }
    } else {
        for (thin, samples) in out.iter_mut().zip(samples.chunks_exact(step)) {
            *thin = samples.iter().map(|&sample| f32::from(sample)).sum();
        }
    }
    &out[..count]
}

/// The offset with the greatest normalised correlation. Earlier ones win ties.
fn search(template: &[f32], signal: &[f32], fallback: usize) -> (usize, f32) {
    let own = dot(template, template).max(1.0);
    let mut best = (fallback, -1.0);
    for (offset, window) in signal.windows(template.len().max(1)).enumerate() {
        let likeness = dot(template, window) / (own * dot(window, window).max(1.0)).sqrt();
        if likeness > best.1 {
            best = (offset, likeness);
        }
    }
    best
}

/// Eight sums side by side, so that the compiler may use vector registers.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a_lanes, a_rest) = a.as_chunks::<8>();
    let (b_lanes, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0f32; 8];
    for (a, b) in a_lanes.iter().zip(b_lanes) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::tone;

    #[test]
    fn a_tone_resembles_itself_after_whole_periods() {
        for rate in [SampleRate::NARROW, SampleRate::WIDE, SampleRate::FULL] {
            let ms = rate.hz() as usize / 1_000;
            let tone = tone::sine(rate, 125.0, -10.0, 40 * ms); // a period of 8 ms
            let (template, signal) = (&tone[20 * ms..30 * ms], &tone[5 * ms..27 * ms]);
            let (offset, likeness) = best_match(template, signal, rate);
            assert_eq!(offset + 5 * ms, 12 * ms, "{rate:?}");
            assert!(likeness > 0.99);
        }
    }

    #[test]
    fn silence_and_short_slices_do_no_harm() {
        let rate = SampleRate::FULL;
        assert_eq!(best_match(&[0; 480], &[0; 1_000], rate).0, 0);
        best_match(&[1; 480], &[1; 480], rate);
        best_match(&[1; 480], &[1; 3], rate);
        best_match(&[], &[], rate);
    }
}
