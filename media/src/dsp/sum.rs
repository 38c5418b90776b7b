//! Adding voices: sums in `i32`, limited once at the end (architecture: never wrap, never limit twice).

/// Adds a voice to the sum.
pub fn add(sum: &mut [i32], voice: &[i16]) {
    for (total, &sample) in sum.iter_mut().zip(voice) {
        *total += i32::from(sample);
    }
}

/// `out = limit(sum - own)`: what a talker hears.
pub fn subtract(sum: &[i32], own: &[i16], out: &mut [i16]) {
    for ((sample, &total), &own) in out.iter_mut().zip(sum).zip(own) {
        *sample = clamp(total - i32::from(own));
    }
}

/// `out = limit(sum)`: what a listener hears.
pub fn limit(sum: &[i32], out: &mut [i16]) {
    for (sample, &total) in out.iter_mut().zip(sum) {
        *sample = clamp(total);
    }
}

/// `out = limit(out + voice)`: what one seat alone is played, over what it hears.
pub fn add_saturating(out: &mut [i16], voice: &[i16]) {
    for (sample, &voice) in out.iter_mut().zip(voice) {
        *sample = sample.saturating_add(voice);
    }
}

#[inline(always)]
fn clamp(total: i32) -> i16 {
    total.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
    }

    #[test]
    fn the_limit_saturates_and_does_not_wrap() {
        let mut out = [0i16; 2];
        limit(&[70_000, -70_000], &mut out);
        assert_eq!(out, [i16::MAX, i16::MIN]);
        subtract(&[70_000, -70_000], &[1, -1], &mut out);
        assert_eq!(out, [i16::MAX, i16::MIN]);
    }
}
