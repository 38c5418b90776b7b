//! G.711 A-law (ITU-T G.711 tables 1a/1b), one byte per sample at 8 kHz.
//!
//! Encoding is arithmetic like mu-law's: above the two linear segments, segment and step are the
//! exponent and top mantissa bits of the 12-bit magnitude as an `f32`.

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

/// A-law has no zero: its two smallest values, 0xd5 and 0x55, are silence.
pub(super) fn is_silence(payload: &[u8]) -> bool {
    payload.iter().fold(0, |seen, &byte| seen | ((byte | 0x80) ^ 0xd5)) == 0
}

/// Even bits are inverted on the wire (G.711 §3.2).
const TOGGLE: i32 = 0x55;
/// Exponent one below the first doubling segment (16 to 31) in an `f32`, in the segment's place.
const LOWEST: i32 = (127 + 3) << 4;

#[inline(always)]
fn compress(sample: i16) -> u8 {
    let wide = i32::from(sample);
    let sign = wide >> 31; // 0 or -1
    let magnitude = (wide ^ sign) >> 4;
    let curved = ((magnitude as f32).to_bits() >> 19) as i32 - LOWEST;
    let code = if magnitude < 16 { magnitude } else { curved };
    ((code | 0x80) ^ (sign & 0x80) ^ TOGGLE) as u8
}

const EXPAND: [i16; 256] = {
    let mut table = [0i16; 256];
    let mut code = 0;
    while code < 256 {
        let bits = code as i32 ^ TOGGLE;
        let segment = (bits >> 4) & 7;
        let step = bits & 15;
        let magnitude =
            if segment == 0 { (step << 4) + 8 } else { (((step | 16) << 4) + 8) << (segment - 1) };
        table[code] = if bits & 0x80 != 0 { magnitude as i16 } else { -magnitude as i16 };
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
        let mut magnitude = if wide < 0 { !wide } else { wide } >> 4;
        let mut segment = 0;
        if magnitude > 15 {
            segment = 1;
            while magnitude > 31 {
                magnitude >>= 1;
                segment += 1;
            }
            magnitude -= 16;
        }
        let code = (segment << 4) | magnitude;
        (if wide < 0 { code } else { code | 0x80 } ^ 0x55) as u8
    }

    #[test]
    fn every_sample_encodes_as_the_recommendation_says() {
        for sample in i16::MIN..=i16::MAX {
            assert_eq!(compress(sample), by_the_book(sample), "{sample}");
        }
    }

    #[test]
    fn decoder_outputs_match_g711_table_1a() {
        // Decoder output values y of the recommendation are 13-bit; ours are 16-bit, so times 8.
        // Character signals before inversion of the even bits.
        for (character, value) in [
            (0b1000_0000, 1),
            (0b1001_0000, 33),
            (0b1010_0000, 66),
            (0b1011_0000, 132),
            (0b1100_0000, 264),
            (0b1101_0000, 528),
            (0b1110_0000, 1056),
            (0b1111_0000, 2112),
            (0b1111_1111, 4032),
        ] {
            let code = character ^ 0x55;
            assert_eq!(EXPAND[code], value * 8, "{character:#010b}");
            assert_eq!(EXPAND[code ^ 0x80], value * -8, "{character:#010b} negative");
        }
    }

    #[test]
    fn decision_values_of_table_1a_part_the_codes() {
        for decision in [32, 64, 128, 256, 512, 1024, 2048] {
            let below = (compress(decision * 8 - 1) ^ 0x55) & 0x7f;
            let above = (compress(decision * 8) ^ 0x55) & 0x7f;
            assert_eq!(below & 15, 15, "{decision}");
            assert_eq!(above, below + 1, "{decision}");
        }
    }

    #[test]
    fn every_code_survives_a_round_trip() {
        for code in 0..=255u8 {
            assert_eq!(compress(EXPAND[code as usize]), code);
        }
    }
}
