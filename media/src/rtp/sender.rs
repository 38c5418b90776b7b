//! Send side of one RTP stream: sequence numbers, timestamps, marker, counters (RFC 3550 §5.1).
//!
//! Called by [`Leg`](crate::leg::Leg) once per tick. The timestamp advances with every tick, sent or
//! not, so that the far end's clock stays ours.

use std::time::Instant;

use super::{Packet, PayloadType, SeqNo, Ssrc};
use crate::error::Error;
use crate::time::{RtpTime, SampleRate};

/// Numbers and counts what one side sends.
#[derive(Debug)]
pub struct Sender {
    ssrc: Ssrc,
    seq: SeqNo,
    /// Timestamp of the current tick.
    timestamp: RtpTime,
    /// The next audio packet follows a pause.
    talk_spurt: bool,
    packets: u64,
    octets: u64,
    last: Option<(Instant, RtpTime)>,
}

impl Sender {
    /// First sequence number and timestamp should be random (RFC 3550 §5.1).
    pub fn new(ssrc: Ssrc, seq: SeqNo, timestamp: RtpTime) -> Self {
        Self { ssrc, seq, timestamp, talk_spurt: true, packets: 0, octets: 0, last: None }
    }

    /// Writes one packet of audio for the current tick.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`]; nothing is counted then.
    pub fn write_audio(
        &mut self,
        now: Instant,
        payload_type: PayloadType,
        payload: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Error> {
        let marker = self.talk_spurt;
        let len = self.write(now, payload_type, marker, self.timestamp, payload, out)?;
        self.talk_spurt = false;
        Ok(len)
    }

    /// Writes one packet with its own marker and timestamp: a telephone-event, whose timestamp is
    /// that of its beginning. The audio after it starts a talk spurt.
    ///
    /// # Errors
    /// [`Error::BufferTooSmall`]; nothing is counted then.
    pub fn write_event(
        &mut self,
        now: Instant,
        payload_type: PayloadType,
        marker: bool,
        began: RtpTime,
        payload: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Error> {
        let len = self.write(now, payload_type, marker, began, payload, out)?;
        self.talk_spurt = true;
        Ok(len)
    }

    /// Ends the tick: the timestamp moves on by `units`.
    pub fn advance(&mut self, units: u32) {
        self.timestamp = self.timestamp.plus(units);
    }

    /// Notes that this tick sends nothing: the next audio packet carries the marker.
    pub fn pause(&mut self) {
        self.talk_spurt = true;
    }

    /// Timestamp of the current tick.
    pub fn timestamp(&self) -> RtpTime {
        self.timestamp
    }

    /// The stream we send.
    pub fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// Packets sent.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Payload octets sent.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// The RTP timestamp that belongs to `now`, for a sender report (RFC 3550 §6.4.1).
    /// `None` before the first packet.
    pub fn timestamp_at(&self, now: Instant, clock: SampleRate) -> Option<RtpTime> {
        let (sent, timestamp) = self.last?;
        let units = clock.samples_in(now.saturating_duration_since(sent)) as u32;
        Some(timestamp.plus(units))
    }

    fn write(
        &mut self,
        now: Instant,
        payload_type: PayloadType,
        marker: bool,
        timestamp: RtpTime,
        payload: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Error> {
        let packet =
            Packet { payload_type, marker, seq: self.seq, timestamp, ssrc: self.ssrc, payload };
        let len = packet.write(out)?;
        self.seq = self.seq.next();
        self.packets += 1;
        self.octets += payload.len() as u64;
        self.last = Some((now, self.timestamp));
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn marker_follows_a_pause_and_the_timestamp_counts_it() {
        let now = crate::sim::epoch();
        let mut sender = Sender::new(Ssrc(1), SeqNo(u16::MAX), RtpTime(1_000));
        let mut out = [0; 64];
        let mut send = |sender: &mut Sender| {
            let len = sender.write_audio(now, PayloadType(0), &[0; 8], &mut out).unwrap();
            let packet = Packet::parse(&out[..len]).unwrap();
            (packet.seq.0, packet.timestamp.0, packet.marker)
        };
        assert_eq!(send(&mut sender), (u16::MAX, 1_000, true));
        sender.advance(160);
        assert_eq!(send(&mut sender), (0, 1_160, false));
        sender.advance(160);
        sender.pause();
        sender.advance(160);
        assert_eq!(send(&mut sender), (1, 1_480, true));
        assert_eq!((sender.packets(), sender.octets()), (3, 24));
    }

    #[test]
    fn report_timestamp_runs_on_from_the_last_packet() {
        let now = crate::sim::epoch();
        let mut sender = Sender::new(Ssrc(1), SeqNo(0), RtpTime(u32::MAX - 79));
        let later = now + Duration::from_millis(20);
        assert_eq!(sender.timestamp_at(later, SampleRate::NARROW), None);
        sender.write_audio(now, PayloadType(0), &[0; 8], &mut [0; 64]).unwrap();
        assert_eq!(sender.timestamp_at(later, SampleRate::NARROW), Some(RtpTime(80)));
    }
}
