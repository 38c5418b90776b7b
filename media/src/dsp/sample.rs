//! Single samples, in ways that compilers turn into vector instructions.

/// The nearest sample, saturating. Not for NaN.
#[inline(always)]
pub(super) fn nearest(value: f32) -> i16 {
    /// 1.5 * 2^23: what is added to it is rounded to a whole number, which is then in its low bits.
    /// A cast to `i16` rounds towards zero, and its answer to NaN costs ten times as much.
    const SHIFTER: f32 = 12_582_912.0;
    let limited = value.clamp(f32::from(i16::MIN), f32::from(i16::MAX));
    (limited + SHIFTER).to_bits() as i16
}

/// Absolute value, or one less of negative samples: never overflows.
#[inline(always)]
pub(super) fn magnitude(sample: i16) -> i16 {
    sample ^ (sample >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_rounded_cast(value in -70_000.0f32..70_000.0) {
            prop_assert_eq!(nearest(value), value.round_ties_even() as i16);
        }
    }

    #[test]
    fn infinities_saturate_and_whole_numbers_stay() {
        assert_eq!((nearest(f32::INFINITY), nearest(f32::NEG_INFINITY)), (i16::MAX, i16::MIN));
        assert!((i16::MIN..=i16::MAX).all(|sample| nearest(f32::from(sample)) == sample));
    }
}
