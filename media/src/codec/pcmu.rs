//! G.711 mu-law (ITU-T G.711 tables 2a/2b), one byte per sample at 8 kHz.
//!
//! Encoding is arithmetic, not a table: the segment and the four bits after its leading one are the
//! exponent and top mantissa bits of the biased magnitude as an `f32`, so the loop vectorises and
//! leaves the first-level cache to the frames. Decoding is a table of 512 bytes.

/// Encodes until one of the slices ends; gives the count.
pub(super) fn encode(pcm: &[i16], out: &mut [u8]) -> usize {
    for (byte, &sample) in out.iter_mut().zip(pcm) {
        *byte = compress(sample);
    }
    pcm.len().min(out.len())
}

/// Decodes until one of the slices ends; gives the count.
pub(super) fn decode(payload: &[u8], out: &mut [i16]) -> usize {
    for (sample, &byte) in out.iter_mut().zip(payload) {
        *sample = EXPAND[byte as usize];
    }
    payload.len().min(out.len())
}

/// Both zeros of the code, 0xff and 0x7f, are silence.
pub(super) fn is_silence(payload: &[u8]) -> bool {
    // No early exit: the loop vectorises, and a frame is 160 bytes.
    payload.iter().fold(0, |seen, &byte| seen | ((byte | 0x80) ^ 0xff)) == 0
}

/// The 14-bit magnitude is biased by 33 so that every segment starts at a power of two.
const BIAS: i32 = 33;
/// Largest biased magnitude: 13 bits.
const CLIP: i32 = 0x1fff;
/// Exponent of the lowest segment (33 to 63) in an `f32`, in the place of the segment bits.
const LOWEST: i32 = (127 + 5) << 4;

#[inline(always)]
fn compress(sample: i16) -> u8 {
    let wide = i32::from(sample);
    let sign = wide >> 31; // 0 or -1
    let magnitude = (((wide ^ sign) >> 2) + BIAS).min(CLIP);
    let segment_and_step = ((magnitude as f32).to_bits() >> 19) as i32 - LOWEST;
    // The code goes out inverted, with the top bit set for positive samples.
    ((0xff - segment_and_step) ^ (sign & 0x80)) as u8
}

const EXPAND: [i16; 256] = {
    let mut table = [0i16; 256];
    let mut code = 0;
    while code < 256 {
        let bits = !(code as u8) as i32;
        let segment = (bits >> 4) & 7;
        let step = bits & 15;
        let magnitude = (((step << 3) + 0x84) << segment) - 0x84;
        table[code] = if bits & 0x80 != 0 { -magnitude as i16 } else { magnitude as i16 };
        code += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    /// The quantiser written as in ITU-T G.711: search the segment, then the step.
    fn by_the_book(sample: i16) -> u8 {
        let wide = i32::from(sample);
        let magnitude = if wide < 0 { !wide } else { wide } >> 2;
        let biased = (magnitude + 33).min(8191);
        let mut segment = 0;
        while segment < 7 && biased >= 64 << segment {
            segment += 1;
        }
        let step = (biased >> (segment + 1)) & 15;
        let code = !((segment << 4) | step) as u8 & 0x7f;
        if wide < 0 { code } else { code | 0x80 }
    }

    #[test]
    fn every_sample_encodes_as_the_recommendation_says() {
        for sample in i16::MIN..=i16::MAX {
            assert_eq!(compress(sample), by_the_book(sample), "{sample}");
        }
    }

    #[test]
    fn decoder_outputs_match_g711_table_2a() {
        // Decoder output values of the recommendation are 14-bit; ours are 16-bit, so times 4.
        // One code per segment: character signal (all bits as sent), value y.
        let table = [
            (0b1111_1111, 0),
            (0b1111_1110, 2),
            (0b1110_1111, 33),
            (0b1101_1111, 99),
            (0b1100_1111, 231),
            (0b1011_1111, 495),
            (0b1010_1111, 1023),
            (0b1001_1111, 2079),
            (0b1000_1111, 4191),
            (0b1000_0000, 8031),
        ];
        for (code, value) in table {
            assert_eq!(EXPAND[code], value * 4, "{code:#010b}");
            assert_eq!(EXPAND[code & 0x7f], value * -4, "{code:#010b} negative");
        }
    }

    #[test]
    fn decision_values_of_table_2a_part_the_codes() {
        // x values where one segment's last interval ends and the next begins (14-bit).
        for (decision, below, above) in [
            (31, 0b1111_0000, 0b1110_1111),
            (95, 0b1110_0000, 0b1101_1111),
            (223, 0b1101_0000, 0b1100_1111),
            (479, 0b1100_0000, 0b1011_1111),
            (991, 0b1011_0000, 0b1010_1111),
            (2015, 0b1010_0000, 0b1001_1111),
            (4063, 0b1001_0000, 0b1000_1111),
        ] {
            assert_eq!(compress(decision * 4 - 1), below, "{decision}");
            assert_eq!(compress(decision * 4), above, "{decision}");
        }
    }

    #[test]
    fn every_code_survives_a_round_trip() {
        for code in 0..=255u8 {
            let expected = if code == 0x7f { 0xff } else { code }; // negative zero
            assert_eq!(compress(EXPAND[code as usize]), expected);
        }
    }
}
