//! Send side of one RTP stream: sequence numbers, timestamps, marker, counters (RFC 3550 §5.1).
//!
//! Called by [`Leg`](crate::leg::Leg) for each packet time. The timestamp advances with each, sent or
//! not, so that the far end's clock stays ours. When the codec changes to one of another clock, SSRC,
//! sequence and timestamp go on from where they are and count in the new clock from then on
//! (RFC 7160 §4.2: what lies before the change is counted in the old clock).

use std::time::Instant;

use super::{Packet, PayloadType, SeqNo, Ssrc};
use crate::error::Error;
use crate::time::{RtpTime, SampleRate};

/// Numbers and counts what one side sends.
#[derive(Debug)]
pub struct Sender {
    ssrc: Ssrc,
    seq: SeqNo,
    clock: SampleRate,
    /// Timestamp of the current packet time.
    timestamp: RtpTime,
    /// The next audio packet follows a pause.
    talk_spurt: bool,
    packets: u64,
    octets: u64,
    /// Of the packets since the last sender report, the one that left with the least delay.
    mapping: Option<(Instant, RtpTime)>,
    /// The next packet begins the search for it anew.
    remap: bool,
}

impl Sender {
    /// First sequence number and timestamp should be random (RFC 3550 §5.1). The clock is 8 kHz until
    /// [`set_clock`](Self::set_clock).
    pub fn new(ssrc: Ssrc, seq: SeqNo, timestamp: RtpTime) -> Self {
        Self {
            ssrc,
            seq,
            clock: SampleRate::NARROW,
            timestamp,
            talk_spurt: true,
            packets: 0,
            octets: 0,
            mapping: None,
            remap: false,
        }
    }

    /// Begins in the lower half of the sequence numbers, unless something was sent already: then a
    /// receiver that misses the first packets cannot miscount their wraps (RFC 3711 §3.3.1).
    pub fn begin_low(&mut self) {
        if self.packets == 0 {
            self.seq = SeqNo(self.seq.0 & 0x7fff);
        }
    }

    /// Counts in this clock from now on. With another one than before, nothing is known of how it
    /// relates to time until the next packet.
    pub fn set_clock(&mut self, clock: SampleRate) {
        if clock != self.clock {
            self.clock = clock;
            self.mapping = None;
        }
    }

    /// The RTP clock of what is sent.
    pub fn clock(&self) -> SampleRate {
        self.clock
    }

    /// Writes one packet of audio at the current timestamp.
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
    /// that of its beginning, or a silence descriptor. The audio after it starts a talk spurt.
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

    /// Ends the packet time: the timestamp moves on by `units`.
    pub fn advance(&mut self, units: u32) {
        self.timestamp = self.timestamp.plus(units);
    }

    /// Notes that nothing is sent now: the next audio packet carries the marker.
    pub fn pause(&mut self) {
        self.talk_spurt = true;
    }

    /// Timestamp of the current packet time.
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

    /// The RTP timestamp that belongs to `now`, for a sender report (RFC 3550 §6.4.1). `None` before
    /// the first packet in the present clock.
    ///
    /// Packets leave late when the machine is busy, never early: the most punctual one since the last
    /// report says how timestamps and time belong together.
    pub fn map_timestamp(&mut self, now: Instant) -> Option<RtpTime> {
        self.remap = true;
        Some(self.mapped(self.mapping?, now))
    }

    fn mapped(&self, (sent, timestamp): (Instant, RtpTime), now: Instant) -> RtpTime {
        let units = self.clock.samples_in(now.saturating_duration_since(sent)) as u32;
        timestamp.plus(units)
    }

    fn note_time(&mut self, now: Instant) {
        let is_punctual = |mapping| self.timestamp.since(self.mapped(mapping, now)) > 0;
        if self.remap || self.mapping.is_none_or(is_punctual) {
            self.mapping = Some((now, self.timestamp));
            self.remap = false;
        }
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
        self.note_time(now);
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
        assert_eq!(sender.map_timestamp(later), None);
        sender.write_audio(now, PayloadType(0), &[0; 8], &mut [0; 64]).unwrap();
        assert_eq!(sender.map_timestamp(later), Some(RtpTime(80)));
    }

    #[test]
    fn for_an_hour_reports_map_time_to_timestamps_within_a_unit() {
        let start = crate::sim::epoch();
        let rates = [8_000, 12_000, 16_000, 48_000, 44_100].map(|hz| SampleRate::new(hz).unwrap());
        for clock in rates {
            let first = RtpTime(u32::MAX - 1_000_000);
            let mut sender = Sender::new(Ssrc(1), SeqNo(0), first);
            sender.set_clock(clock);
            let (mut seed, mut reports) = (7, 0);
            for tick in 0..180_000u64 {
                // Most ticks are late, by up to 15 ms; one in eight is on time.
                let late = crate::time::splitmix(&mut seed) % 15_000;
                let late = if tick % 8 == 0 { 0 } else { late };
                let due = start + Duration::from_millis(20 * tick);
                let now = due + Duration::from_micros(late);
                sender.write_audio(now, PayloadType(0), &[0; 8], &mut [0; 64]).unwrap();
                sender.advance(clock.hz() / 50);
                if tick % 250 == 249 {
                    let asked = now + Duration::from_micros(1_234);
                    let mapped = sender.map_timestamp(asked).unwrap();
                    let exact = clock.samples_in(asked - start) as u32;
                    let error = mapped.since(first.plus(exact));
                    assert!(error.abs() < 1, "{error} units at {clock:?}, tick {tick}");
                    reports += 1;
                }
            }
            assert_eq!(reports, 720);
        }
    }

    #[test]
    fn another_clock_continues_the_stream() {
        let now = crate::sim::epoch();
        let mut sender = Sender::new(Ssrc(1), SeqNo(5), RtpTime(1_000));
        let mut out = [0; 64];
        sender.write_audio(now, PayloadType(0), &[0; 8], &mut out).unwrap();
        sender.advance(160);
        sender.set_clock(SampleRate::FULL);
        let change = now + Duration::from_millis(20);
        assert_eq!(sender.map_timestamp(change), None, "no mapping of two clocks");
        let len = sender.write_audio(change, PayloadType(96), &[0; 8], &mut out).unwrap();
        let packet = Packet::parse(&out[..len]).unwrap();
        assert_eq!(
            (packet.ssrc, packet.seq, packet.timestamp),
            (Ssrc(1), SeqNo(6), RtpTime(1_160))
        );
        sender.advance(960);
        let later = change + Duration::from_millis(20);
        assert_eq!(sender.map_timestamp(later), Some(RtpTime(2_120)));
        assert_eq!(sender.timestamp(), RtpTime(2_120));
    }
}
