//! What the converter promises: levels, aliases, delay, continuity, and equality with plain sums.

use proptest::prelude::*;

use super::*;
use crate::dsp::{energy, goertzel_dbfs, rms_dbfs};
use crate::source::tone::sine;

const RATES: [u32; 6] = [8_000, 12_000, 16_000, 24_000, 32_000, 48_000];
const LEVEL: f32 = -6.0;

fn rate(hz: u32) -> SampleRate {
    SampleRate::new(hz).unwrap()
}

fn pairs() -> impl Iterator<Item = (u32, u32)> {
    RATES.into_iter().flat_map(|from| RATES.map(|to| (from, to))).filter(|(from, to)| from != to)
}

/// `input` in frames of 20 ms.
fn converted(input: &[i16], from: u32, to: u32) -> Vec<i16> {
    let mut resampler = Resampler::new(rate(from), rate(to)).unwrap();
    let mut out = vec![0; input.len() * to as usize / from as usize];
    let frames = input.chunks(from as usize / 50).zip(out.chunks_mut(to as usize / 50));
    for (input, out) in frames {
        assert_eq!(resampler.process(input, out), out.len());
    }
    out
}

/// The same by plain sums in double precision: no tiles, no columns, no lanes.
fn by_plain_sums(bank: &FilterBank, input: &[i16]) -> Vec<f64> {
    let taps = bank.reach + 1;
    let at = |place: isize| usize::try_from(place).map_or(0.0, |place| f64::from(input[place]));
    let output = |n: usize| {
        let (group, p) = (n / bank.up, n % bank.up);
        let weights = bank.row(p).iter().enumerate();
        weights
            .map(|(k, &weight)| {
                let (column, tap) = (k / taps, k % taps);
                let place = (group + tap) as isize - bank.reach as isize;
                f64::from(weight) * at(place * bank.down as isize + column as isize)
            })
            .sum()
    };
    (0..input.len() / bank.down * bank.up).map(output).collect()
}

#[test]
fn tones_keep_their_level_between_all_rates_and_nothing_else_is_heard() {
    for (from, to) in pairs() {
        let nyquist = from.min(to) as f32 / 2.0;
        for frequency in [300.0, 1_000.0, 0.6 * nyquist, 0.85 * nyquist] {
            let out = converted(&sine(rate(from), frequency, LEVEL, from as usize / 2), from, to);
            let out = &out[to as usize / 10..];
            let level = goertzel_dbfs(out, to, frequency);
            assert!((level - LEVEL).abs() < 0.5, "{frequency} Hz, {from} to {to}: {level}");
            // All power beside the tone: aliases, images, rounding.
            let rest = residue_db(out, frequency, to);
            assert!(rest < -68.0, "{frequency} Hz, {from} to {to}: {rest}");
        }
    }
}

/// What is left of `out` without its best fit of a sine, relative to that sine.
fn residue_db(out: &[i16], frequency: f32, hz: u32) -> f64 {
    let step = 2.0 * std::f64::consts::PI * f64::from(frequency) / f64::from(hz);
    let (mut ss, mut cc, mut sc, mut ys, mut yc, mut yy) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
    for (n, &sample) in out.iter().enumerate() {
        let ((sin, cos), y) = ((step * n as f64).sin_cos(), f64::from(sample));
        (ss, cc, sc) = (ss + sin * sin, cc + cos * cos, sc + sin * cos);
        (ys, yc, yy) = (ys + y * sin, yc + y * cos, yy + y * y);
    }
    let determinant = ss * cc - sc * sc;
    let (a, b) = ((ys * cc - yc * sc) / determinant, (yc * ss - ys * sc) / determinant);
    let fitted = a * ys + b * yc;
    10.0 * ((yy - fitted).max(1e-9) / fitted).log10()
}

#[test]
fn what_would_alias_is_at_least_70_db_down() {
    for (from, to) in pairs().filter(|(from, to)| from > to) {
        let mut frequency = to as f32 / 2.0;
        while frequency < from as f32 / 2.0 {
            let out = converted(&sine(rate(from), frequency, LEVEL, from as usize / 5), from, to);
            let out = &out[to as usize / 10..];
            let level = rms_dbfs(energy(out), out.len()) - LEVEL;
            assert!(level < -70.0, "{frequency} Hz, {from} to {to}: {level}");
            frequency *= 1.07;
        }
    }
}

#[test]
fn the_delay_is_what_it_says_and_at_most_3_ms() {
    for (from, to) in pairs() {
        let delay = Resampler::new(rate(from), rate(to)).unwrap().delay();
        assert!(delay <= Duration::from_millis(3), "{from} to {to}: {delay:?}");
        let out = converted(&sine(rate(from), 500.0, LEVEL, from as usize / 2), from, to);
        let late = delay.as_secs_f64();
        for (n, &sample) in out.iter().enumerate().skip(to as usize / 10) {
            let time = n as f64 / f64::from(to) - late;
            let expected = (std::f64::consts::TAU * 500.0 * time).sin() * 16_422.0;
            assert!((expected - f64::from(sample)).abs() < 20.0, "{from} to {to}, sample {n}");
        }
    }
}

#[test]
fn frames_of_any_length_join_without_a_seam() {
    for (from, to) in [(8_000, 48_000), (48_000, 8_000), (16_000, 48_000), (32_000, 12_000)] {
        let input = sine(rate(from), 700.0, LEVEL, from as usize / 2);
        let whole = converted(&input, from, to);
        let mut resampler = Resampler::new(rate(from), rate(to)).unwrap();
        let (mut joined, mut rest) = (Vec::new(), &input[..]);
        for ms in [1, 10, 30, 2, 60, 40, 20].into_iter().cycle() {
            let (input, behind) = rest.split_at((from as usize / 1_000 * ms).min(rest.len()));
            let mut out = vec![0; to as usize / 1_000 * ms];
            let count = resampler.process(input, &mut out);
            joined.extend_from_slice(&out[..count]);
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        assert_eq!(joined, whole, "{from} to {to}");
    }
}

#[test]
fn a_copy_goes_on_as_the_original_and_a_reset_one_as_new() {
    let input = sine(SampleRate::NARROW, 700.0, LEVEL, 160);
    let mut one = Resampler::new(SampleRate::NARROW, SampleRate::FULL).unwrap();
    let mut other = one.clone();
    let (mut out, mut expected) = ([0; 960], [0; 960]);
    one.process(&input, &mut expected);
    other.copy_from(&one);
    one.process(&input, &mut expected);
    other.process(&input, &mut out);
    assert_eq!(out, expected);

    one.reset();
    one.process(&input, &mut out);
    Resampler::new(SampleRate::NARROW, SampleRate::FULL).unwrap().process(&input, &mut expected);
    assert_eq!(out, expected);
}

#[test]
fn equal_rates_are_copied_and_unequal_ones_need_converting() {
    assert!(!Resampler::is_needed(SampleRate::WIDE, SampleRate::WIDE));
    assert!(Resampler::is_needed(SampleRate::WIDE, SampleRate::FULL));
    let mut resampler = Resampler::new(SampleRate::WIDE, SampleRate::WIDE).unwrap();
    let mut out = [0; 3];
    assert_eq!(resampler.process(&[1, -2, 3], &mut out), 3);
    assert_eq!((out, resampler.delay()), ([1, -2, 3], Duration::ZERO));
    assert!(Resampler::new(rate(44_100), SampleRate::FULL).is_none());
}

#[test]
fn full_scale_saturates_and_does_not_wrap() {
    let square: Vec<i16> =
        (0..4_800).map(|n| if n / 60 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
    let out = converted(&square, 48_000, 8_000);
    // 400 Hz: 10 samples of each sign, the inner ones at full scale but for the ringing.
    for half_wave in out[24..].as_chunks::<10>().0.iter() {
        let inner = &half_wave[2..8];
        assert!(
            inner.iter().all(|&s| s > 25_000) || inner.iter().all(|&s| s < -25_000),
            "{inner:?}"
        );
    }
    assert!(out.contains(&i16::MAX) && out.contains(&i16::MIN));
}

#[test]
fn an_output_that_is_too_short_ends_the_work_without_a_panic() {
    let mut resampler = Resampler::new(SampleRate::NARROW, SampleRate::FULL).unwrap();
    assert_eq!(resampler.process(&[1; 160], &mut [0; 15]), 12);
    assert_eq!(resampler.process(&[], &mut [0; 15]), 0);
    let mut resampler = Resampler::new(SampleRate::FULL, SampleRate::NARROW).unwrap();
    assert_eq!(resampler.process(&[1; 11], &mut [0; 15]), 1);
}

#[test]
fn processors_without_fused_multiply_add_hear_the_same() {
    let noise = |column: usize, n: usize| ((column * 128 + n) * 7_919 % 65_536) as f32 - 32_768.0;
    let columns: [Column; 3] = std::array::from_fn(|c| std::array::from_fn(|n| noise(c, n)));
    for (from, to, down) in [(8_000, 48_000, 1), (16_000, 8_000, 2), (24_000, 16_000, 3)] {
        let bank = FilterBank::shared(from, to).unwrap();
        let (mut fused, mut plain) = ([[0; TILE]; MAX_TERM], [[0; TILE]; MAX_TERM]);
        filter::<true>(bank, &columns[..down], &mut fused);
        filter::<false>(bank, &columns[..down], &mut plain);
        for (a, b) in fused.as_flattened().iter().zip(plain.as_flattened()) {
            assert!(a.abs_diff(*b) <= 1, "{from} to {to}");
        }
        assert!(fused[0].iter().any(|&sample| sample != 0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn lanes_and_tiles_give_what_plain_sums_give(
        input in proptest::collection::vec(any::<i16>(), 1_920),
        up in 1usize..=MAX_TERM,
        down in 1usize..=MAX_TERM,
    ) {
        let from = rate(4_000 * down as u32);
        let mut resampler = Resampler::new(from, rate(4_000 * up as u32)).unwrap();
        let groups = input.len() / down;
        let input = &input[..groups * down];
        let mut out = vec![0; groups * up];
        prop_assert_eq!(resampler.process(input, &mut out), out.len());
        for (n, (&fast, plain)) in out.iter().zip(by_plain_sums(resampler.bank, input)).enumerate() {
            let plain = plain.clamp(-32_768.0, 32_767.0);
            prop_assert!((f64::from(fast) - plain).abs() < 0.6, "sample {}: {} {}", n, fast, plain);
        }
    }
}
