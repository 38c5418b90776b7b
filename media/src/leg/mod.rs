//! The RTP half of one participant: what comes from and goes to one peer.
//!
//! Owned by whoever owns the sockets. It judges every datagram (sender, tag, header, payload type,
//! SSRC), takes telephone-events out, counts, and hands audio on; it numbers and stamps what is sent;
//! it writes and reads RTCP, and encrypts both if keys were agreed on (`secure.rs`). It does not buffer, decode or mix: that is [`Mixer`](crate::mixer::Mixer).
//!
//! What is sent counts in the clock of the codec that was negotiated last; when that changes, SSRC,
//! sequence and timestamp go on from where they are (`rtp/sender.rs`). What arrives may change between
//! all negotiated formats at any packet; each counts in its own clock.

mod peer;
mod report;
mod secure;
mod stats;

#[cfg(test)]
mod codec_tests;
#[cfg(test)]
mod secure_tests;
#[cfg(test)]
mod tests;

pub use stats::{Ignored, LegStats, Rejections, RemoteReport};

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::codec::{CodecKind, SendFormat};
use crate::dtmf::{DigitReceiver, DigitSender, DtmfEvent, PacketTime};
use crate::error::Error;
use crate::rtcp::Schedule;
use crate::rtp::{
    AudioLevel, AudioPacket, Content, Packet, PayloadType, Receiver, Sender, SeqNo, Ssrc, Verdict,
};
use crate::sdp::{Direction, Format, Negotiated};
use crate::time::{RtpTime, SampleRate};

use peer::Peer;
use report::Reporter;
use secure::{Secure, in_use};
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
    /// Speech, or a silence descriptor in its place: give it to the mixer.
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
    cname: String,
    media: Option<Media>,
    /// There since keys were agreed on for the first time.
    secure: Option<Box<Secure>>,
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
    send: SendFormat,
    payload_type: PayloadType,
    /// How digits are sent, and the clock their durations count in.
    digits: Option<(PayloadType, SampleRate)>,
    comfort_noise: Option<PayloadType>,
    level_extension: Option<u8>,
    direction: Direction,
    formats: [Option<(PayloadType, Format)>; MAX_FORMATS],
    /// What speech came with last: comfort noise stands in for it.
    heard: CodecKind,
}

/// What a packet is to hold, unless a key goes first.
#[derive(Debug, Clone, Copy)]
enum Outgoing<'a> {
    Audio(&'a [u8]),
    ComfortNoise(&'a [u8]),
    Nothing,
}

impl Leg {
    /// A leg that knows no peer yet: it sends nothing and accepts nothing.
    pub fn new(config: LegConfig) -> Self {
        Self {
            media: None,
            secure: None,
            receiver: Receiver::new(config.now, SampleRate::NARROW),
            sender: Sender::new(config.ssrc, config.first_seq, config.first_timestamp),
            digits_in: DigitReceiver::new(),
            digits_out: DigitSender::new(),
            reporter: Reporter::new(Schedule::new(config.seed, config.now)),
            counters: Counters::default(),
            cname: config.cname,
        }
    }

    /// Takes up what offer and answer agreed on, also on a re-INVITE. What the leg has learnt about
    /// the peer's address stays unless the description names another one.
    pub fn negotiate(&mut self, negotiated: &Negotiated) {
        let (rtp, rtcp) = (negotiated.remote_rtp, negotiated.remote_rtcp);
        let peer = match self.media.take() {
            Some(media) => media.peer.renegotiated(rtp, rtcp),
            None => Peer::new(rtp, rtcp),
        };
        self.agree(negotiated, peer);
    }

    /// As [`negotiate`](Self::negotiate) with another peer than before, as after a transfer: nothing that
    /// was learnt of the former one holds, and its packets and keys are not taken any more.
    pub fn negotiate_with_another(&mut self, negotiated: &Negotiated) {
        let (rtp, rtcp) = (negotiated.remote_rtp, negotiated.remote_rtcp);
        let peer = match self.media.take() {
            Some(media) => media.peer.succeeded(rtp, rtcp),
            None => Peer::new(rtp, rtcp),
        };
        if let Some(secure) = &mut self.secure {
            secure.change_peer();
        }
        self.agree(negotiated, peer);
    }

    fn agree(&mut self, negotiated: &Negotiated, peer: Peer) {
        let codec = negotiated.send.codec;
        // Every clock of ours is a sample rate.
        if let Some(clock) = SampleRate::new(codec.clock_hz()) {
            self.sender.set_clock(clock);
        }
        if negotiated.srtp.is_some() || self.secure.is_some() {
            self.sender.begin_low();
            let secure = self.secure.get_or_insert_with(|| Box::new(Secure::new()));
            secure.negotiate(negotiated.srtp.as_ref());
        }
        let digits = negotiated.dtmf_payload_type.zip(SampleRate::new(negotiated.dtmf_clock_hz));
        self.media = Some(Media {
            peer,
            rtcp_mux: negotiated.rtcp_mux,
            held_by_address: negotiated.remote_rtp.ip().is_unspecified(),
            send: negotiated.send,
            payload_type: negotiated.payload_type,
            digits,
            comfort_noise: negotiated.comfort_noise,
            level_extension: negotiated.level_extension,
            direction: negotiated.direction,
            formats: formats_of(negotiated),
            heard: codec,
        });
    }

    /// Judges one datagram from the RTP socket.
    ///
    /// If the leg is encrypted it is decrypted in place, and nothing is learnt from a packet that is
    /// not authentic. Only packets of the negotiated peer are accepted. If its SDP address was private or wrong, the
    /// first source that sends two good packets in sequence is taken for it, once (`peer.rs`).
    pub fn handle_rtp<'a>(
        &mut self,
        arrival: Instant,
        from: SocketAddr,
        datagram: &'a mut [u8],
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

    /// Writes one packet: `payload`, or a key in its place. `units` is how much time it covers, in
    /// units of the codec's clock: the timestamp advances by it, whatever is sent.
    ///
    /// An empty payload sends nothing (discontinuous transmission), unless a key is due. So call it
    /// for each packet time, or keys wait.
    ///
    /// `None` if nothing is to be sent: not negotiated, held, peer unknown, or `out` shorter than
    /// [`MAX_DATAGRAM_BYTES`](crate::rtp::MAX_DATAGRAM_BYTES). The next packet is marked then.
    pub fn write_rtp(
        &mut self,
        now: Instant,
        payload: &[u8],
        units: u32,
        out: &mut [u8],
    ) -> Option<Transmit> {
        let what = if payload.is_empty() { Outgoing::Nothing } else { Outgoing::Audio(payload) };
        self.write(now, what, units, out)
    }

    /// As [`write_rtp`](Self::write_rtp), with a silence descriptor (RFC 3389) in place of speech.
    /// Without [`Negotiated::comfort_noise`] nothing is sent.
    pub fn write_comfort_noise(
        &mut self,
        now: Instant,
        descriptor: &[u8],
        units: u32,
        out: &mut [u8],
    ) -> Option<Transmit> {
        self.write(now, Outgoing::ComfortNoise(descriptor), units, out)
    }

    /// Lets `units` of the codec's clock pass without a packet: the timestamp advances, the next
    /// packet is marked.
    pub fn skip(&mut self, units: u32) {
        self.sender.pause();
        self.sender.advance(units);
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
        let takes_events = |media: &Media| media.digits.is_some();
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

    /// How audio is to be encoded for the peer.
    pub fn send_format(&self) -> Option<SendFormat> {
        self.media.as_ref().map(|media| media.send)
    }

    /// Whether silence descriptors may be sent.
    pub fn takes_comfort_noise(&self) -> bool {
        self.media.as_ref().is_some_and(|media| media.comfort_noise.is_some())
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
        let jitter = self.receiver.clock().duration_of(u64::from(self.receiver.jitter()));
        LegStats {
            send: self.send_format(),
            hears: self.media.as_ref().map(|media| media.heard),
            clock_hz: self.sender.clock().hz(),
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
        datagram: &'a mut [u8],
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
        let mut len = datagram.len();
        if let Some(secure) = in_use(&mut self.secure) {
            len = secure.unprotect_rtp(datagram)?;
        }
        let datagram = datagram.get(..len).ok_or(Ignored::Malformed)?;
        let packet = Packet::parse(datagram).map_err(|_| Ignored::Malformed)?;
        let Some(format) = media.format(packet.payload_type) else {
            // It was sent, so it is not lost, whatever it may hold (RFC 3550 §5.1 has it ignored).
            if media.peer.settled() == Some(from) && self.receiver.is_current(packet.ssrc) {
                self.receiver.handle_packet(packet.ssrc, packet.seq, packet.payload.len());
            }
            return Err(Ignored::UnknownPayloadType);
        };
        if !media.peer.admit(from, &packet) {
            return Err(Ignored::Stranger);
        }
        match self.receiver.handle_packet(packet.ssrc, packet.seq, packet.payload.len()) {
            Verdict::Accepted => {}
            Verdict::NewSource => self.digits_in.restart(arrival),
            Verdict::OnProbation => return Err(Ignored::OnProbation),
        }
        self.counters.last_received = Some(arrival);
        if !media.direction.receives() {
            return Err(Ignored::Held);
        }
        let (marker, timestamp) = (packet.marker, packet.timestamp);
        let content = match format {
            Format::TelephoneEvent { clock_hz } => {
                let clock = SampleRate::new(clock_hz).ok_or(Ignored::UnknownEvent)?;
                let digits = &mut self.digits_in;
                return match digits.handle_packet(arrival, marker, timestamp, clock, packet.payload)
                {
                    true => Ok(Received::TelephoneEvent),
                    false => Err(Ignored::UnknownEvent),
                };
            }
            _ if packet.payload.is_empty() => return Err(Ignored::Empty),
            Format::ComfortNoise => Content::ComfortNoise,
            Format::Audio(codec) => {
                media.heard = codec;
                Content::Speech
            }
        };
        let codec = media.heard;
        if let Some(clock) = SampleRate::new(codec.clock_hz()) {
            self.receiver.update_jitter(arrival, timestamp, clock);
            self.digits_in.note_audio(arrival, marker, timestamp, clock);
        }
        let level = media.level_extension.and_then(|id| AudioLevel::of(datagram, id));
        Ok(Received::Audio(AudioPacket {
            ssrc: packet.ssrc,
            seq: packet.seq,
            timestamp,
            marker,
            codec,
            content,
            level,
            payload: packet.payload,
        }))
    }

    fn write(
        &mut self,
        now: Instant,
        what: Outgoing<'_>,
        units: u32,
        out: &mut [u8],
    ) -> Option<Transmit> {
        let mut transmit = self.write_packet(now, what, units, out);
        if let (Some(secure), Some(plain)) = (in_use(&mut self.secure), transmit) {
            let sealed = secure.protect_rtp(out, plain.len);
            transmit = sealed.map(|len| Transmit { len, ..plain });
        }
        if transmit.is_none() {
            self.sender.pause();
        }
        self.sender.advance(units);
        transmit
    }

    fn write_packet(
        &mut self,
        now: Instant,
        what: Outgoing<'_>,
        units: u32,
        out: &mut [u8],
    ) -> Option<Transmit> {
        let media = self.media.as_ref()?;
        let to = media.peer.rtp_destination().filter(|_| media.direction.sends())?;
        let timestamp = self.sender.timestamp();
        if let Some((payload_type, events)) = media.digits {
            let stream = self.sender.clock();
            let duration = stream.duration_of(u64::from(units));
            let time = PacketTime { now: timestamp, duration, stream, events };
            if let Some(event) = self.digits_out.poll_packet(&time) {
                let bytes = event.payload.to_bytes();
                let (marker, began) = (event.marker, event.began);
                let written =
                    self.sender.write_event(now, payload_type, marker, began, &bytes, out);
                return written.ok().map(|len| Transmit { len, to });
            }
        }
        let written = match what {
            Outgoing::Nothing => return None,
            Outgoing::Audio(payload) => {
                self.sender.write_audio(now, media.payload_type, payload, out)
            }
            Outgoing::ComfortNoise(descriptor) => {
                let number = media.comfort_noise?;
                self.sender.write_event(now, number, false, timestamp, descriptor, out)
            }
        };
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
    let theirs = [(negotiated.payload_type, Format::Audio(negotiated.send.codec))];
    let events = Format::TelephoneEvent { clock_hz: negotiated.dtmf_clock_hz };
    let digits = negotiated.dtmf_payload_type.map(|number| (number, events));
    let silence = negotiated.comfort_noise.map(|number| (number, Format::ComfortNoise));
    let theirs = theirs.into_iter().chain(digits).chain(silence);
    let all = negotiated.receive.iter().copied().take(MAX_FORMATS - 3).chain(theirs);
    let mut formats = [None; MAX_FORMATS];
    for (place, format) in formats.iter_mut().zip(all) {
        *place = Some(format); // the first of a payload type is the one found
    }
    formats
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
