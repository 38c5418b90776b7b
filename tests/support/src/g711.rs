//! G.711 mu-law and A-law (ITU-T G.711), by arithmetic, one sample at a time.
//!
//! Written apart from the server's codec on purpose; the two meet only on the wire.

const BIAS: i32 = 0x84;
const CLIP: i32 = 32_635;

/// The code of digital silence.
pub const ULAW_SILENCE: u8 = 0xFF;

/// One linear sample to its mu-law code.
#[must_use]
pub fn ulaw_encode(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = i32::from(sample).abs().min(CLIP) + BIAS;
    let exponent = (24 - magnitude.leading_zeros()).min(7);
    let mantissa = (magnitude >> (exponent + 3)) & 0x0F;
    !(sign | (exponent << 4) as u8 | mantissa as u8)
}

/// One mu-law code to its linear sample.
#[must_use]
pub fn ulaw_decode(code: u8) -> i16 {
    let code = !code;
    let exponent = (code >> 4) & 0x07;
    let magnitude = (((i32::from(code & 0x0F) << 3) + BIAS) << exponent) - BIAS;
    (if code & 0x80 == 0 { magnitude } else { -magnitude }) as i16
}

/// One linear sample to its A-law code.
#[must_use]
pub fn alaw_encode(sample: i16) -> u8 {
    let sign = if sample < 0 { 0 } else { 0x80 };
    // 13 bits of magnitude; a negative one is its one's complement.
    let magnitude = i32::from(if sample < 0 { !sample } else { sample }) >> 4;
    let exponent = (28 - magnitude.leading_zeros() as i32).max(0);
    let mantissa = (magnitude >> (exponent - 1).max(0)) & 0x0F;
    (sign | (exponent << 4) as u8 | mantissa as u8) ^ 0x55
}

/// One A-law code to its linear sample.
#[must_use]
pub fn alaw_decode(code: u8) -> i16 {
    let code = code ^ 0x55;
    let exponent = i32::from((code >> 4) & 0x07);
    let mantissa = (i32::from(code & 0x0F) << 4) + 8;
    let magnitude = if exponent == 0 { mantissa } else { (mantissa + 0x100) << (exponent - 1) };
    (if code & 0x80 == 0 { -magnitude } else { magnitude }) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_points_and_zero_are_those_of_the_recommendation() {
        assert_eq!(ulaw_encode(0), 0xFF);
        assert_eq!(ulaw_decode(0xFF), 0);
        assert_eq!(ulaw_decode(0x80), 32_124);
        assert_eq!(ulaw_decode(0x00), -32_124);
        assert_eq!(ulaw_encode(i16::MAX), 0x80);
        assert_eq!(ulaw_encode(i16::MIN), 0x00);
    }

    #[test]
    fn every_code_survives_decoding_and_encoding() {
        for code in 0..=u8::MAX {
            let sample = ulaw_decode(code);
            assert_eq!(ulaw_decode(ulaw_encode(sample)), sample, "code {code:#04x}");
        }
    }

    #[test]
    fn every_a_law_code_survives_and_is_as_the_recommendation_has_it() {
        for code in 0..=u8::MAX {
            let sample = alaw_decode(code);
            assert_eq!(alaw_encode(sample), code, "{sample}");
        }
        assert_eq!((alaw_encode(0), alaw_decode(0xD5)), (0xD5, 8));
        assert_eq!((alaw_decode(0xAA), alaw_decode(0x2A)), (32_256, -32_256));
        for sample in (-32_000..32_000).step_by(7) {
            let error = i32::from(alaw_decode(alaw_encode(sample))) - i32::from(sample);
            assert!(error.abs() <= i32::from(sample).abs() / 32 + 8, "{sample}: {error}");
        }
    }

    #[test]
    fn the_error_of_a_sample_is_at_most_half_a_step_of_its_segment() {
        for sample in (-32_000..32_000).step_by(7) {
            let back = i32::from(ulaw_decode(ulaw_encode(sample)));
            let error = (back - i32::from(sample)).abs();
            assert!(error <= i32::from(sample).abs() / 32 + 8, "{sample} became {back}");
        }
    }
}
