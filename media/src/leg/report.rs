//! The RTCP half of a leg: what we report, what the peer reports (RFC 3550 §6.4).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::secure::in_use;
use super::{Ignored, Leg, RemoteReport, Transmit, canonical};
use crate::rtcp::{self, Item, Report, ReportBlock, Schedule, SenderInfo};
use crate::rtp::Ssrc;
use crate::time::{NtpTime, SampleRate};

/// Remembers what the next report needs.
#[derive(Debug)]
pub(super) struct Reporter {
    schedule: Schedule,
    /// Our clock and the wall clock at our last report: turns arrivals into NTP time.
    last_sent: Option<(Instant, NtpTime)>,
    /// The peer's last sender report: who, its middle NTP bits, its arrival.
    last_sr: Option<(Ssrc, u32, Instant)>,
    /// Packets sent when the last two reports went out, the older one first.
    packets_reported: [u64; 2],
    /// Whether any RTCP was sent.
    has_reported: bool,
    round_trip: Option<Duration>,
    remote: Option<RemoteReport>,
    peer_left: bool,
}

impl Reporter {
    pub(super) fn new(schedule: Schedule) -> Self {
        Self {
            schedule,
            last_sent: None,
            last_sr: None,
            packets_reported: [0; 2],
            has_reported: false,
            round_trip: None,
            remote: None,
            peer_left: false,
        }
    }

    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    pub(super) fn remote_report(&self) -> Option<RemoteReport> {
        self.remote
    }

    fn on_block(&mut self, arrival: Instant, block: &ReportBlock, clock: SampleRate) {
        self.remote = Some(RemoteReport {
            fraction_lost: block.fraction_lost,
            cumulative_lost: block.cumulative_lost,
            jitter: clock.duration_of(u64::from(block.jitter)),
        });
        let Some((sent, ntp)) = self.last_sent else { return };
        let arrived = ntp.plus(arrival.saturating_duration_since(sent));
        self.round_trip = block.round_trip(arrived).or(self.round_trip);
    }
}

impl Leg {
    /// Takes one datagram from the RTCP socket. `false` if it was dropped, and counted.
    /// If the leg is encrypted it is decrypted in place.
    pub fn handle_rtcp(&mut self, arrival: Instant, from: SocketAddr, datagram: &mut [u8]) -> bool {
        let taken = self.take_rtcp(arrival, from, datagram);
        if let Err(reason) = taken {
            self.counters.rejected.count(reason);
        }
        taken.is_ok()
    }

    pub(super) fn take_rtcp(
        &mut self,
        arrival: Instant,
        from: SocketAddr,
        datagram: &mut [u8],
    ) -> Result<(), Ignored> {
        let media = self.media.as_mut().ok_or(Ignored::NotNegotiated)?;
        let mut len = datagram.len();
        if let Some(secure) = in_use(&mut self.secure) {
            len = secure.unprotect_rtcp(datagram)?;
        }
        let datagram = datagram.get(..len).ok_or(Ignored::BadRtcp)?;
        let compound = rtcp::parse(datagram).map_err(|_| Ignored::BadRtcp)?;
        if !media.peer.admit_rtcp(canonical(from)) {
            return Err(Ignored::Stranger);
        }
        let (ours, clock) = (self.sender.ssrc(), self.sender.clock());
        for item in compound {
            let blocks = match item {
                Item::SenderReport { ssrc, info, blocks } => {
                    self.reporter.last_sr = Some((ssrc, info.ntp.middle(), arrival));
                    blocks
                }
                Item::ReceiverReport { blocks, .. } => blocks,
                Item::Goodbye { mut ssrcs } => {
                    let peer = self.receiver.ssrc();
                    self.reporter.peer_left |= ssrcs.any(|ssrc| Some(ssrc) == peer);
                    continue;
                }
                Item::Description { .. } | Item::Other { .. } => continue,
            };
            blocks
                .filter(|block| block.ssrc == ours)
                .for_each(|block| self.reporter.on_block(arrival, &block, clock));
        }
        Ok(())
    }

    /// Writes a report when one is due. `ntp` is the wall clock at `now`. Poll on every tick.
    ///
    /// The destination is on the RTP socket if RTCP is multiplexed, else on the RTCP socket.
    pub fn poll_rtcp(&mut self, now: Instant, ntp: NtpTime, out: &mut [u8]) -> Option<Transmit> {
        let to = self.rtcp_destination()?;
        if !self.reporter.schedule.poll_due(now) {
            return None;
        }
        let (sender, block) = self.next_report(now, ntp);
        let report = Report { ssrc: self.sender.ssrc(), sender, block, cname: &self.cname };
        let len = rtcp::write_report(&report, out).ok()?;
        let len = self.protect_rtcp(out, len)?;
        Some(Transmit { len, to })
    }

    /// Writes the goodbye to send when the call ends; none if nothing was ever sent (RFC 3550 §6.3.7).
    pub fn write_bye(&mut self, now: Instant, ntp: NtpTime, out: &mut [u8]) -> Option<Transmit> {
        let to = self.rtcp_destination()?;
        if self.sender.packets() == 0 && !self.reporter.has_reported {
            return None;
        }
        let (sender, block) = self.next_report(now, ntp);
        let report = Report { ssrc: self.sender.ssrc(), sender, block, cname: &self.cname };
        let len = rtcp::write_bye(&report, out).ok()?;
        let len = self.protect_rtcp(out, len)?;
        Some(Transmit { len, to })
    }

    /// Whether RTCP shares the RTP port.
    pub fn is_rtcp_muxed(&self) -> bool {
        self.media.as_ref().is_some_and(|media| media.rtcp_mux)
    }

    /// Whether the peer has said goodbye for the stream it sends.
    pub fn has_peer_left(&self) -> bool {
        self.reporter.peer_left
    }

    fn protect_rtcp(&mut self, out: &mut [u8], len: usize) -> Option<usize> {
        match in_use(&mut self.secure) {
            Some(secure) => secure.protect_rtcp(out, len),
            None => Some(len),
        }
    }

    fn rtcp_destination(&self) -> Option<SocketAddr> {
        let media = self.media.as_ref().filter(|media| !media.held_by_address)?;
        if media.rtcp_mux { media.peer.rtp_destination() } else { media.peer.rtcp_destination() }
    }

    /// A sender report if packets went out since the last report or the one before (RFC 3550 §6.4),
    /// else a receiver report.
    fn next_report(
        &mut self,
        now: Instant,
        ntp: NtpTime,
    ) -> (Option<SenderInfo>, Option<ReportBlock>) {
        let packets = self.sender.packets();
        let [before_last, last] = self.reporter.packets_reported;
        self.reporter.packets_reported = [last, packets];
        self.reporter.last_sent = Some((now, ntp));
        self.reporter.has_reported = true;
        let has_sent = packets > before_last;
        let info = has_sent.then(|| self.sender.map_timestamp(now)).flatten().map(|rtp| {
            let octets = self.sender.octets() as u32;
            SenderInfo { ntp, rtp, packets: packets as u32, octets }
        });
        (info, self.report_block(now))
    }

    fn report_block(&mut self, now: Instant) -> Option<ReportBlock> {
        let figures = self.receiver.report()?;
        let last_sr = self.reporter.last_sr.filter(|(ssrc, ..)| *ssrc == figures.ssrc);
        let (last_sr, delay_since_last_sr) = last_sr.map_or((0, 0), |(_, middle, arrival)| {
            (middle, rtcp::dlsr(now.saturating_duration_since(arrival)))
        });
        Some(ReportBlock {
            ssrc: figures.ssrc,
            fraction_lost: figures.fraction_lost,
            cumulative_lost: figures.cumulative_lost,
            highest_seq: figures.highest_seq,
            jitter: figures.jitter,
            last_sr,
            delay_since_last_sr,
        })
    }
}
