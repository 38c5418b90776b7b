//! The RTP half of one participant: what comes from and goes to one peer.
//!
//! Owned by whoever owns the sockets. It judges every datagram (sender, header, payload type, SSRC),
//! takes telephone-events out, counts, and hands audio on; it numbers and stamps what is sent; it
//! writes and reads RTCP. It does not buffer, decode or mix: that is [`Mixer`](crate::mixer::Mixer).

mod peer;
mod report;
mod stats;

#[cfg(test)]
mod tests;

pub use stats::{Ignored, LegStats, Rejections, RemoteReport};

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::codec::CodecKind;
use crate::dtmf::{DigitReceiver, DigitSender, DtmfEvent};
use crate::error::Error;
use crate::rtcp::Schedule;
use crate::rtp::{
    AudioPacket, Content, Packet, PayloadType, Receiver, Sender, SeqNo, Ssrc, Verdict,
};
use crate::sdp::{Direction, Format, Negotiated};
use crate::time::{Ptime, RtpTime, SampleRate};

use peer::Peer;
use report::Reporter;
use stats::Counters;

/// Payload types that may arrive on one leg.
const MAX_FORMATS: usize = 16;

/// What the caller chooses once per leg. All numbers should be random (RFC 3550 §5.1, §8).
#[derive(Debug, Clone)]
pub struct LegConfig {
    /// Of the stream we send.
    pub ssrc: Ssrc,
    /// First sequence number sent.
    pub first_seq: SeqNo,
    /// First timestamp sent.
    pub first_timestamp: RtpTime,
    /// Spreads the RTCP reports.
    pub seed: u64,
    /// Our canonical name (RFC 3550 §6.5.1): the same for all streams of one call, no user data.
    pub cname: String,
    /// The present.
    pub now: Instant,
}

/// What a datagram was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received<'a> {
    /// Speech: give it to the mixer.
    Audio(AudioPacket<'a>),
    /// A key, or part of one: ask [`Leg::poll_digit`].
    TelephoneEvent,
    /// RTCP on the RTP port, as negotiated; it has been dealt with.
    Rtcp,
    /// Counted and dropped.
    Ignored(Ignored),
}

/// A datagram to send: the first `len` bytes of the buffer given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmit {
    /// Bytes written.
    pub len: usize,
    /// To whom.
    pub to: SocketAddr,
}

/// See the module text.
#[derive(Debug)]
pub struct Leg {
    clock: SampleRate,
    cname: String,
    media: Option<Media>,
    receiver: Receiver,
    sender: Sender,
    digits_in: DigitReceiver,
    digits_out: DigitSender,
    reporter: Reporter,
    counters: Counters,
}

/// What negotiation gave.
#[derive(Debug)]
struct Media {
    peer: Peer,
    rtcp_mux: bool,
    /// The peer is at 0.0.0.0: not even RTCP is sent (RFC 3264 §8.4).
    held_by_address: bool,
    codec: CodecKind,
    payload_type: PayloadType,
    dtmf_payload_type: Option<PayloadType>,
    direction: Direction,
    formats: [Option<(PayloadType, Format)>; MAX_FORMATS],
    /// Clock units sent per tick.
    tick_units: u32,
}

impl Leg {
    /// A leg that knows no peer yet: it sends nothing and accepts nothing.
    pub fn new(config: LegConfig) -> Self {
        let clock = SampleRate::NARROW; // every codec we have counts at 8 kHz
        Self {
            clock,
            media: None,
            receiver: Receiver::new(config.now, clock),
            sender: Sender::new(config.ssrc, config.first_seq, config.first_timestamp),
            digits_in: DigitReceiver::new(clock),
            digits_out: DigitSender::new(clock),
            reporter: Reporter::new(Schedule::new(config.seed, config.now)),
            counters: Counters::default(),
            cname: config.cname,
        }
    }

    /// Takes up what offer and answer agreed on, also on a re-INVITE. What the leg has learnt about
    /// the peer's address stays unless the description names another one.
    pub fn negotiate(&mut self, negotiated: &Negotiated) {
        let peer = match self.media.take() {
            Some(media) => media.peer.renegotiated(negotiated.remote_rtp, negotiated.remote_rtcp),
            None => Peer::new(negotiated.remote_rtp, negotiated.remote_rtcp),
        };
        let formats = formats_of(negotiated);
        self.media = Some(Media {
            peer,
            rtcp_mux: negotiated.rtcp_mux,
            held_by_address: negotiated.remote_rtp.ip().is_unspecified(),
            codec: negotiated.codec,
            payload_type: negotiated.payload_type,
            dtmf_payload_type: negotiated.dtmf_payload_type,
            direction: negotiated.direction,
            formats,
            tick_units: negotiated.codec.clock_units(Ptime::TICK),
        });
    }

    /// Judges one datagram from the RTP socket.
    ///
    /// Only packets of the negotiated peer are accepted. If its SDP address was private or wrong, the
    /// first source that sends two good packets in sequence is taken for it, once (`peer.rs`).
    pub fn handle_rtp<'a>(
        &mut self,
        arrival: Instant,
        from: SocketAddr,
        datagram: &'a [u8],
    ) -> Received<'a> {
        match self.judge(arrival, from, datagram) {
            Ok(received) => received,
            Err(reason) => {
                self.counters.rejected.count(reason);
                Received::Ignored(reason)
            }
        }
    }

    /// The next key that was pressed and released. Poll after each packet or once per tick.
    pub fn poll_digit(&mut self, now: Instant) -> Option<DtmfEvent> {
        self.digits_in.poll_digit(now)
    }

    /// Writes this tick's packet: `payload`, or a key in its place. Advances the timestamp.
    ///
    /// `None` if nothing is to be sent: not negotiated, held, peer unknown, or `out` shorter than
    /// [`MAX_DATAGRAM_BYTES`](crate::rtp::MAX_DATAGRAM_BYTES).
    pub fn write_rtp(&mut self, now: Instant, payload: &[u8], out: &mut [u8]) -> Option<Transmit> {
        let tick_units = self.media.as_ref()?.tick_units;
        let transmit = self.write_tick(now, payload, tick_units, out);
        if transmit.is_none() {
            self.sender.pause();
        }
        self.sender.advance(tick_units);
        transmit
    }

    /// Lets one tick pass without a packet: the timestamp advances, the next packet is marked.
    pub fn skip_tick(&mut self) {
        if let Some(media) = &self.media {
            self.sender.pause();
            self.sender.advance(media.tick_units);
        }
    }

    /// Queues keys to be sent: `0-9 * # A-D`, and `w` for a pause of 500 ms.
    ///
    /// # Errors
    /// [`Error::NoTelephoneEvent`] if the peer takes none, [`Error::NotADigit`],
    /// [`Error::TooManyDigits`].
    pub fn send_digits(
        &mut self,
        digits: &str,
        tone: Duration,
        gap: Duration,
    ) -> Result<(), Error> {
        let takes_events = |media: &Media| media.dtmf_payload_type.is_some();
        if !self.media.as_ref().is_some_and(takes_events) {
            return Err(Error::NoTelephoneEvent);
        }
        self.digits_out.queue(digits, tone, gap)
    }

    /// Whether keys are being sent or wait.
    pub fn is_sending_digits(&self) -> bool {
        self.digits_out.is_busy()
    }

    /// Forgets keys that wait; one that has begun is ended properly.
    pub fn clear_digits(&mut self) {
        self.digits_out.clear();
    }

    /// What flows, as negotiated.
    pub fn direction(&self) -> Option<Direction> {
        self.media.as_ref().map(|media| media.direction)
    }

    /// Where RTP goes: the latched address, or the negotiated one. `None` while neither is known.
    pub fn remote(&self) -> Option<SocketAddr> {
        self.media.as_ref()?.peer.rtp_destination()
    }

    /// The address RTP was found to come from; `None` until something good has arrived.
    pub fn settled_peer(&self) -> Option<SocketAddr> {
        self.media.as_ref()?.peer.settled()
    }

    /// What we send.
    pub fn codec(&self) -> Option<CodecKind> {
        self.media.as_ref().map(|media| media.codec)
    }

    /// Whether the peer is to send: only then does its silence mean that it is gone.
    pub fn expects_audio(&self) -> bool {
        self.media.as_ref().is_some_and(|media| media.direction.receives())
    }

    /// When the last good RTP packet arrived.
    pub fn last_received(&self) -> Option<Instant> {
        self.counters.last_received
    }

    /// Figures for status pages, and for noticing a peer that went silent.
    pub fn stats(&self) -> LegStats {
        let reception = self.receiver.totals();
        let jitter = self.clock.duration_of(u64::from(self.receiver.jitter()));
        LegStats {
            packets_received: reception.packets,
            octets_received: reception.octets,
            packets_lost: reception.lost,
            jitter,
            packets_sent: self.sender.packets(),
            octets_sent: self.sender.octets(),
            round_trip: self.reporter.round_trip(),
            remote_report: self.reporter.remote_report(),
            rejected: self.counters.rejected,
            last_received: self.counters.last_received,
        }
    }

    fn judge<'a>(
        &mut self,
        arrival: Instant,
        from: SocketAddr,
        datagram: &'a [u8],
    ) -> Result<Received<'a>, Ignored> {
        let from = canonical(from);
        let media = self.media.as_mut().ok_or(Ignored::NotNegotiated)?;
        if is_rtcp(datagram) {
            if !media.rtcp_mux {
                return Err(Ignored::UnexpectedRtcp);
            }
            return self.take_rtcp(arrival, from, datagram).map(|()| Received::Rtcp);
        }
        if !media.peer.may_be(from) {
            return Err(Ignored::Stranger);
        }
        let packet = Packet::parse(datagram).map_err(|_| Ignored::Malformed)?;
        let format = media.format(packet.payload_type).ok_or(Ignored::UnknownPayloadType)?;
        if !media.peer.admit(from, &packet) {
            return Err(Ignored::Stranger);
        }
        match self.receiver.handle_packet(packet.ssrc, packet.seq, packet.payload.len()) {
            Verdict::Accepted => {}
            Verdict::NewSource => self.digits_in.restart(),
            Verdict::OnProbation => return Err(Ignored::OnProbation),
        }
        self.counters.last_received = Some(arrival);
        if !media.direction.receives() {
            return Err(Ignored::Held);
        }
        match format {
            Format::TelephoneEvent => {
                let (marker, timestamp) = (packet.marker, packet.timestamp);
                if self.digits_in.handle_packet(arrival, marker, timestamp, packet.payload) {
                    Ok(Received::TelephoneEvent)
                } else {
                    Err(Ignored::UnknownEvent)
                }
            }
            Format::Audio(_) if packet.payload.is_empty() => Err(Ignored::Empty),
            Format::Audio(codec) => {
                self.receiver.update_jitter(arrival, packet.timestamp);
                Ok(Received::Audio(audio(&packet, codec)))
            }
        }
    }

    fn write_tick(
        &mut self,
        now: Instant,
        payload: &[u8],
        tick_units: u32,
        out: &mut [u8],
    ) -> Option<Transmit> {
        let media = self.media.as_ref()?;
        let to = media.peer.rtp_destination().filter(|_| media.direction.sends())?;
        if let Some(payload_type) = media.dtmf_payload_type {
            let timestamp = self.sender.timestamp();
            if let Some(event) = self.digits_out.poll_packet(timestamp, tick_units) {
                let bytes = event.payload.to_bytes();
                let (marker, began) = (event.marker, event.began);
                let written =
                    self.sender.write_event(now, payload_type, marker, began, &bytes, out);
                return written.ok().map(|len| Transmit { len, to });
            }
        }
        let written = self.sender.write_audio(now, media.payload_type, payload, out);
        written.ok().map(|len| Transmit { len, to })
    }
}

impl Media {
    fn format(&self, payload_type: PayloadType) -> Option<Format> {
        let known = self.formats.iter().flatten();
        known.copied().find(|(pt, _)| *pt == payload_type).map(|(_, format)| format)
    }
}

/// What may arrive. Some phones send with their own payload types where RFC 3264 §5.1 has them use
/// ours; those are understood too, unless they mean something else here.
fn formats_of(negotiated: &Negotiated) -> [Option<(PayloadType, Format)>; MAX_FORMATS] {
    let theirs = [(negotiated.payload_type, Format::Audio(negotiated.codec))];
    let digits = negotiated.dtmf_payload_type.map(|pt| (pt, Format::TelephoneEvent));
    let all = negotiated.receive.iter().copied().take(MAX_FORMATS - 2).chain(theirs).chain(digits);
    let mut formats = [None; MAX_FORMATS];
    for (place, format) in formats.iter_mut().zip(all) {
        *place = Some(format); // the first of a payload type is the one found
    }
    formats
}

fn audio<'a>(packet: &Packet<'a>, codec: CodecKind) -> AudioPacket<'a> {
    AudioPacket {
        ssrc: packet.ssrc,
        seq: packet.seq,
        timestamp: packet.timestamp,
        marker: packet.marker,
        codec,
        content: Content::Speech,
        level: None,
        payload: packet.payload,
    }
}

/// RTCP packet types are 192 to 223, where RTP would have payload types 64 to 95 with a marker
/// (RFC 5761 §4).
fn is_rtcp(datagram: &[u8]) -> bool {
    datagram.get(1).is_some_and(|kind| (192..=223).contains(kind))
}

/// An IPv4 peer looks the same whether the socket is IPv4 or dual.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
