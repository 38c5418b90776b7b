//! L16: linear PCM in network byte order (RFC 3551 §4.5.11).

/// Two bytes a sample. Stops where `out` is full; gives the bytes written.
pub(super) fn encode(pcm: &[i16], out: &mut [u8]) -> usize {
    let count = pcm.len().min(out.len() / 2);
    for (bytes, sample) in out.chunks_exact_mut(2).zip(pcm) {
        bytes.copy_from_slice(&sample.to_be_bytes());
    }
    2 * count
}

/// A last odd byte is ignored. Stops where `out` is full; gives the samples written.
pub(super) fn decode(payload: &[u8], out: &mut [i16]) -> usize {
    let count = out.len().min(payload.len() / 2);
    for (sample, bytes) in out.iter_mut().zip(payload.chunks_exact(2)) {
        *sample = i16::from_be_bytes([bytes[0], bytes[1]]);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_travel_in_network_byte_order() {
        let mut bytes = [0; 5];
        assert_eq!(encode(&[0x0102, -2, 7], &mut bytes), 4);
        assert_eq!(bytes, [1, 2, 0xff, 0xfe, 0]);
        let mut pcm = [0; 4];
        assert_eq!(decode(&bytes, &mut pcm), 2);
        assert_eq!(pcm, [0x0102, -2, 0, 0]);
    }
}
