//! RTP packets (RFC 3550 §5.1): written and read, nothing more.

/// Bytes of a header without CSRCs and extension.
pub const HEADER_BYTES: usize = 12;

/// The parts of a received packet a test looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    pub payload_type: u8,
    pub marker: bool,
    pub seq: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    pub payload: &'a [u8],
}

/// Reads a datagram. `None` for anything that is not RTP, RTCP among it (RFC 5761 §4).
#[must_use]
pub fn parse(datagram: &[u8]) -> Option<Packet<'_>> {
    let (header, mut rest) = datagram.split_at_checked(HEADER_BYTES)?;
    if header[0] >> 6 != 2 || (192..=223).contains(&header[1]) {
        return None;
    }
    rest = rest.get(usize::from(header[0] & 0x0F) * 4..)?;
    if header[0] & 0x10 != 0 {
        let words = u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]);
        rest = rest.get(4 + usize::from(words) * 4..)?;
    }
    if header[0] & 0x20 != 0 {
        let padding = usize::from(*rest.last()?);
        rest = rest.get(..rest.len().checked_sub(padding)?)?;
    }
    Some(Packet {
        payload_type: header[1] & 0x7F,
        marker: header[1] & 0x80 != 0,
        seq: u16::from_be_bytes([header[2], header[3]]),
        timestamp: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
        ssrc: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
        payload: rest,
    })
}

/// Writes one packet stream: sequence and timestamp advance by themselves.
#[derive(Debug, Clone)]
pub struct Writer {
    pub ssrc: u32,
    pub seq: u16,
    pub timestamp: u32,
    started: bool,
}

impl Writer {
    #[must_use]
    pub fn new(ssrc: u32) -> Self {
        // Start close to the wrap of both counters, so that every run passes over it.
        Self { ssrc, seq: 65_400, timestamp: u32::MAX - 16_000, started: false }
    }

    /// One packet into `out` (cleared first); the clock then advances by one unit per payload byte.
    pub fn write(&mut self, payload_type: u8, payload: &[u8], out: &mut Vec<u8>) {
        self.write_with(payload_type, None, payload, payload.len() as u32, out);
    }

    /// One packet into `out` (cleared first) with a one-byte header extension (RFC 8285 §4.2: id and
    /// value); the clock then advances by `units`.
    pub fn write_with(
        &mut self,
        payload_type: u8,
        extension: Option<(u8, u8)>,
        payload: &[u8],
        units: u32,
        out: &mut Vec<u8>,
    ) {
        let marker = if self.started { 0 } else { 0x80 };
        self.started = true;
        out.clear();
        let version = if extension.is_some() { 0x90 } else { 0x80 };
        out.extend_from_slice(&[version, marker | (payload_type & 0x7F)]);
        out.extend_from_slice(&self.seq.to_be_bytes());
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        if let Some((id, value)) = extension {
            out.extend_from_slice(&[0xBE, 0xDE, 0, 1, id << 4, value, 0, 0]);
        }
        out.extend_from_slice(payload);
        self.seq = self.seq.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(units);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut writer = Writer::new(7);
        let mut out = Vec::new();
        writer.write(0, &[1, 2, 3], &mut out);
        let packet = parse(&out).expect("own packet");
        assert!(packet.marker);
        assert_eq!((packet.payload_type, packet.seq, packet.ssrc), (0, 65_400, 7));
        assert_eq!(packet.payload, [1, 2, 3]);
        let first = packet.timestamp;
        writer.write(0, &[0; 160], &mut out);
        let packet = parse(&out).expect("own packet");
        assert!(!packet.marker);
        assert_eq!((packet.seq, packet.timestamp), (65_401, first.wrapping_add(3)));
    }

    #[test]
    fn extension_csrc_and_padding_are_stepped_over() {
        let mut bytes = vec![0xB1, 0x00, 0, 9, 0, 0, 0, 0, 0, 0, 0, 5];
        bytes.extend([0, 0, 0, 1]); // one CSRC
        bytes.extend([0xBE, 0xDE, 0, 1, 9, 9, 9, 9]); // extension of one word
        bytes.extend([42, 0, 2]); // payload, two bytes of padding
        assert_eq!(parse(&bytes).expect("valid").payload, [42]);
    }

    #[test]
    fn rtcp_short_datagrams_and_lies_about_lengths_are_nothing() {
        assert_eq!(parse(&[0x80; 11]), None);
        assert_eq!(parse(&[0x80, 200, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(parse(&[0x8F, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(parse(&[0x90, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 9]), None);
        assert_eq!(parse(&[0xA0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]), None);
    }
}
