//! One call's media line: its two sockets and its [`Leg`], moved as one piece.
//!
//! Whoever owns a `Line` services it once per tick: a participant while its call is alone, a
//! conference while the call sits in it. Nothing here is shared, so nothing here locks; nothing
//! allocates after the line was made.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use media::codec::SendFormat;
use media::dtmf::DtmfEvent;
use media::leg::{Leg, LegStats, Received, Transmit};
use media::mixer::{Mixer, Outgoing, SeatId};
use media::sdp::Negotiated;
use media::time::{NtpTime, Ptime};

use super::port_pool::PortPair;
use super::quality::{self, QualityCell, SeatCounts};
use super::sys::{self, Source};

/// Datagrams taken from one socket per tick; more wait in the kernel's buffer. At 20 ms this is
/// sixteen times what a 5 ms sender produces.
const MAX_PER_TICK: usize = 64;
/// However steady the sender, this often a look goes on until nothing is left.
const LOOK_TWICE_EVERY: u32 = 16;
/// RTCP is seldom: its socket is looked at once per half second.
const RTCP_EVERY: u32 = 25;
/// How often the figures of the line are published: once a second.
const SAMPLE_EVERY: u32 = 50;
/// Reports taken at one look: a peer sends about one in ten of them.
const MAX_RTCP_PER_LOOK: u32 = 16;
/// Packets of silence that are sent as such before a descriptor takes their place (RFC 3389) …
const QUIET_BEFORE_NOISE: u32 = 10;
/// … which is repeated after so many, so that neither the peer nor a NAT takes the call for dead.
const NOISE_EVERY: u32 = 50;
/// Noise 70 dB below overload.
const COMFORT_NOISE: [u8; 1] = [70];
/// Larger than any Ethernet frame; longer datagrams are cut and then refused by the parser.
const DATAGRAM_BYTES: usize = 2048;

/// Buffers for one datagram in and one out, shared by all lines of an owner.
pub struct Scratch {
    input: [u8; DATAGRAM_BYTES],
    output: [u8; DATAGRAM_BYTES],
}

impl Default for Scratch {
    fn default() -> Self {
        Self { input: [0; DATAGRAM_BYTES], output: [0; DATAGRAM_BYTES] }
    }
}

/// One instant on both clocks, taken once per tick: turns kernel stamps into `Instant`s.
#[derive(Clone, Copy)]
pub struct Moment {
    pub now: Instant,
    wall: Duration,
}

impl Moment {
    pub fn now() -> Self {
        Self { now: Instant::now(), wall: sys::realtime() }
    }

    /// When a datagram arrived. A stamp from a wall clock that was set meanwhile is not believed.
    fn arrival(&self, stamp: Option<Duration>) -> Instant {
        let age = stamp.and_then(|s| self.wall.checked_sub(s)).unwrap_or_default();
        if age > Duration::from_secs(1) { self.now } else { self.now - age }
    }

    fn ntp(&self) -> NtpTime {
        NtpTime::from_unix(self.wall)
    }
}

/// What offer and answer agreed on.
#[derive(Clone, Debug)]
pub struct Agreed {
    pub terms: Negotiated,
    /// Which peer of the call it is, counted from 0: after a transfer it is another one.
    pub peer: u32,
}

pub struct Line {
    ports: PortPair,
    leg: Leg,
    peer: u32,
    format: Option<SendFormat>,
    has_events: bool,
    negotiated: Option<SocketAddr>,
    /// The peer the RTP socket is connected to: the kernel then drops everybody else's packets.
    connected: Option<SocketAddr>,
    ticks: u32,
    /// Packets of silence in a row.
    quiet: u32,
    /// A packet of the last tick is still to be sent.
    holds_back: bool,
    /// When the RTP socket was last looked at, and how many datagrams were there.
    looked_at: Instant,
    found: u32,
    /// When the peer was first expected to send.
    since: Instant,
    quality: Arc<QualityCell>,
    /// What seats that the line has left have counted, and its present one up to the last sample.
    counted: (SeatCounts, SeatCounts),
    metrics: LineMetrics,
}

impl Line {
    /// How the line is doing goes into `quality`.
    pub fn new(ports: PortPair, leg: Leg, quality: Arc<QualityCell>, now: Instant) -> Self {
        Self {
            ports,
            leg,
            peer: 0,
            format: None,
            has_events: false,
            negotiated: None,
            connected: None,
            ticks: 0,
            quiet: 0,
            holds_back: false,
            looked_at: now,
            found: 0,
            since: now,
            quality,
            counted: Default::default(),
            metrics: LineMetrics::new(),
        }
    }

    /// How audio is sent on the line, once it was negotiated.
    pub fn format(&self) -> Option<SendFormat> {
        self.format
    }

    /// Whether keys travel as events (RFC 4733) on the line.
    pub fn has_events(&self) -> bool {
        self.has_events
    }

    /// The line begins in a new seat, whose counts begin at zero.
    pub fn sit(&mut self) {
        // What the former seat has left for later is no longer to be had.
        self.holds_back = false;
        let (before, present) = std::mem::take(&mut self.counted);
        self.counted.0 = before.plus(present);
    }

    /// Takes over what offer and answer agreed on; also after a re-INVITE, or with another peer.
    pub fn negotiate(&mut self, agreed: &Agreed, now: Instant) {
        let Agreed { terms: agreed, peer } = agreed;
        match std::mem::replace(&mut self.peer, *peer) == *peer {
            true => self.leg.negotiate(agreed),
            false => self.leg.negotiate_with_another(agreed),
        }
        self.format = Some(agreed.send);
        self.has_events = agreed.dtmf_payload_type.is_some();
        self.negotiated = Some(agreed.remote_rtp);
        self.since = now;
        if self.connected.take().is_some() {
            // An unconnected socket hears everybody again until the new peer has shown itself.
            if let Err(error) = sys::disconnect(self.ports.rtp.as_fd()) {
                tracing::debug!(%error, "cannot detach the RTP socket from its former peer");
            }
        }
    }

    /// Takes what arrived since the last tick; audio goes into `seat` of `mixer`.
    pub fn receive(
        &mut self,
        at: Moment,
        seat: SeatId,
        mixer: &mut Mixer,
        scratch: &mut Scratch,
        mut on_digit: impl FnMut(DtmfEvent),
    ) {
        let source = if self.connected.is_some() { Source::Known } else { Source::Wanted };
        let one_is_usual = self.found == 1 && !self.ticks.is_multiple_of(LOOK_TWICE_EVERY);
        self.found = 0;
        for _ in 0..MAX_PER_TICK {
            let got = match sys::receive(self.ports.rtp.as_fd(), source, &mut scratch.input) {
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // An ICMP refusal of something we sent; the peer may yet come up.
                Err(_) => continue,
            };
            self.found += 1;
            let arrival = at.arrival(got.stamp);
            let bytes = scratch.input.get_mut(..got.len).unwrap_or_default();
            if let Some(from) = got.from.or(self.connected)
                && let Received::Audio(packet) = self.leg.handle_rtp(arrival, from, bytes)
            {
                mixer.push(seat, arrival, &packet);
            }
            // A steady sender has one packet for each tick. When the last look found one, and this
            // one came after it, the look that would find nothing more is saved: 0.45 us of 5. A
            // packet that does wait behind it is older than this look at the next, and is seen.
            if one_is_usual && got.stamp.is_some() && arrival >= self.looked_at {
                break;
            }
        }
        self.looked_at = at.now;
        while let Some(digit) = self.leg.poll_digit(at.now) {
            on_digit(digit);
        }
        self.follow_peer();
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(RTCP_EVERY) {
            self.exchange_rtcp(at, scratch);
        }
        // Soon after the beginning first, then once a second.
        if self.ticks % SAMPLE_EVERY == RTCP_EVERY / 2 {
            self.publish(seat, mixer);
        }
    }

    fn publish(&mut self, seat: SeatId, mixer: &Mixer) {
        self.counted.1 = SeatCounts::of(seat, mixer);
        let counts = self.counted.0.plus(self.counted.1);
        if let Some(quality) = quality::sample(&self.leg, seat, mixer, counts) {
            self.quality.write(&quality);
        }
        self.metrics.count(&self.leg.stats());
    }

    /// Once the peer sends from where it said, the kernel filters for us, and knows the route.
    fn follow_peer(&mut self) {
        // A source that was latched is not nailed down: the negotiated one is the better claim.
        let confirmed = self.leg.settled_peer().filter(|peer| Some(*peer) == self.negotiated);
        if confirmed == self.connected {
            return;
        }
        if let Some(peer) = confirmed
            && let Err(error) = self.ports.rtp.connect(peer)
        {
            tracing::debug!(%error, "cannot attach the RTP socket to its peer");
        }
        self.connected = confirmed;
    }

    fn exchange_rtcp(&mut self, at: Moment, scratch: &mut Scratch) {
        for _ in 0..MAX_RTCP_PER_LOOK {
            let got = sys::receive(self.ports.rtcp.as_fd(), Source::Wanted, &mut scratch.input);
            let Ok(sys::Received { len, from: Some(from), stamp }) = got else { break };
            let bytes = scratch.input.get_mut(..len).unwrap_or_default();
            self.leg.handle_rtcp(at.arrival(stamp), from, bytes);
        }
        if let Some(report) = self.leg.poll_rtcp(at.now, at.ntp(), &mut scratch.output) {
            self.send_rtcp(report, scratch);
        }
    }

    fn send_rtcp(&self, report: Transmit, scratch: &Scratch) {
        let Some(bytes) = scratch.output.get(..report.len) else { return };
        let sent = if self.leg.is_rtcp_muxed() {
            self.send_on_rtp(bytes, report.to)
        } else {
            self.ports.rtcp.send_to(bytes, report.to)
        };
        if let Err(error) = sent {
            tracing::trace!(%error, "RTCP not sent");
        }
    }

    fn send_on_rtp(&self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        if self.connected == Some(to) {
            self.ports.rtp.send(bytes)
        } else {
            self.ports.rtp.send_to(bytes, to)
        }
    }

    /// Queues keys for the peer: `0-9 * # A-D`, and `w` for a pause of 500 ms.
    ///
    /// # Errors
    /// Those of [`Leg::send_digits`]: a peer that takes none, no such key, too many.
    pub fn send_digits(
        &mut self,
        digits: &str,
        tone: Duration,
        gap: Duration,
    ) -> Result<(), media::Error> {
        self.leg.send_digits(digits, tone, gap)
    }

    /// Says whether the caller is talking.
    pub fn set_talking(&self, talking: bool) {
        self.quality.set_talking(talking);
    }

    /// Sends what the mixer has made for the line in this tick; what is due half a tick later waits for
    /// [`send_rest`](Self::send_rest).
    pub fn send<'a>(
        &mut self,
        now: Instant,
        packets: impl Iterator<Item = Outgoing<'a>>,
        scratch: &mut Scratch,
    ) {
        for packet in packets {
            if packet.later {
                self.holds_back = true;
            } else {
                self.send_one(now, packet, scratch);
            }
        }
    }

    /// Sends what the last tick left for later, given the same packets once more.
    pub fn send_rest<'a>(
        &mut self,
        now: Instant,
        packets: impl Iterator<Item = Outgoing<'a>>,
        scratch: &mut Scratch,
    ) {
        if std::mem::take(&mut self.holds_back) {
            for packet in packets.filter(|packet| packet.later) {
                self.send_one(now, packet, scratch);
            }
        }
    }

    /// Whether packets of the line may be due between two ticks.
    pub fn needs_halves(&self) -> bool {
        self.format.is_some_and(|format| format.ptime.splits_ticks())
    }

    fn send_one(&mut self, now: Instant, packet: Outgoing<'_>, scratch: &mut Scratch) {
        let Outgoing { payload, units, is_silent, .. } = packet;
        self.quiet = if is_silent { self.quiet.wrapping_add(1) } else { 0 };
        let sent = match self.leg.takes_comfort_noise() {
            true if self.quiet > QUIET_BEFORE_NOISE => {
                let out = &mut scratch.output;
                match (self.quiet - QUIET_BEFORE_NOISE) % NOISE_EVERY == 1 {
                    true => self.leg.write_comfort_noise(now, &COMFORT_NOISE, units, out),
                    false => self.leg.write_rtp(now, &[], units, out),
                }
            }
            _ => self.leg.write_rtp(now, payload, units, &mut scratch.output),
        };
        let Some(packet) = sent else { return };
        let Some(bytes) = scratch.output.get(..packet.len) else { return };
        if self.send_on_rtp(bytes, packet.to).is_err() {
            self.metrics.send_errors.increment(1);
        }
    }

    /// Time passed without a packet being due: the timestamps go on.
    pub fn skip(&mut self, ticks: u32) {
        self.leg.skip(ticks.wrapping_mul(self.tick_units()));
    }

    /// One tick in units of the RTP clock.
    fn tick_units(&self) -> u32 {
        self.format.map_or(0, |format| format.codec.clock_units(Ptime::TICK))
    }

    /// Says goodbye on RTCP (RFC 3550 §6.6).
    pub fn close(&mut self, scratch: &mut Scratch) {
        let at = Moment::now();
        self.quality.set_talking(false);
        self.metrics.count(&self.leg.stats());
        if let Some(goodbye) = self.leg.write_bye(at.now, at.ntp(), &mut scratch.output) {
            self.send_rtcp(goodbye, scratch);
        }
    }

    /// How long the peer has sent nothing, although it should.
    pub fn silence(&self, now: Instant) -> Duration {
        if !self.leg.expects_audio() {
            return Duration::ZERO;
        }
        let heard = self.leg.last_received().map_or(self.since, |at| at.max(self.since));
        now.saturating_duration_since(heard)
    }
}

/// What Prometheus hears of all lines together. Counted once a second, not per packet.
struct LineMetrics {
    received: metrics::Counter,
    sent: metrics::Counter,
    send_errors: metrics::Counter,
    /// Packets received and sent that are counted already.
    counted: (u64, u64),
}

impl LineMetrics {
    fn new() -> Self {
        Self {
            received: metrics::counter!("rtp_packets_received_total"),
            sent: metrics::counter!("rtp_packets_sent_total"),
            send_errors: metrics::counter!("rtp_send_errors_total"),
            counted: (0, 0),
        }
    }

    fn count(&mut self, stats: &LegStats) {
        let now = (stats.packets_received, stats.packets_sent);
        self.received.increment(now.0.saturating_sub(self.counted.0));
        self.sent.increment(now.1.saturating_sub(self.counted.1));
        self.counted = now;
    }
}
