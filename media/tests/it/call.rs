//! A talker at the far end of a bad network, and the leg and seat it is heard through.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use media::codec::SendFormat;
use media::rtp::{MAX_DATAGRAM_BYTES, PayloadType, Sender, SeqNo, Ssrc};
use media::sdp::{Direction, Format, Negotiated};
use media::sim::{Link, LinkConfig};
use media::source::tone;
use media::{
    CodecKind, Leg, LegConfig, Mixer, MixerConfig, Received, RtpTime, SampleRate, SeatConfig,
    SeatId,
};

/// One tick.
pub(crate) const TICK: Duration = Duration::from_millis(20);
/// Samples in it.
pub(crate) const FRAME: usize = 160;

/// A description as if negotiated with `peer`.
pub(crate) fn negotiated(peer: SocketAddr, codec: CodecKind) -> Negotiated {
    let payload_type = codec.static_payload_type().unwrap();
    Negotiated {
        remote_rtp: peer,
        remote_rtcp: SocketAddr::new(peer.ip(), peer.port() + 1),
        rtcp_mux: false,
        send: SendFormat::new(codec),
        payload_type,
        dtmf_payload_type: Some(PayloadType(101)),
        dtmf_clock_hz: codec.clock_hz(),
        comfort_noise: None,
        level_extension: None,
        receive: vec![
            (payload_type, Format::Audio(codec)),
            (PayloadType(101), Format::TelephoneEvent { clock_hz: codec.clock_hz() }),
        ],
        direction: Direction::SendRecv,
        srtp: None,
    }
}

/// A leg with a random-looking identity.
pub(crate) fn leg(seed: u32, now: Instant) -> Leg {
    Leg::new(LegConfig {
        ssrc: Ssrc(0x1000 + seed),
        first_seq: SeqNo(seed as u16 * 7),
        first_timestamp: RtpTime(seed * 1_000),
        seed: u64::from(seed),
        cname: format!("call{seed}@test"),
        now,
    })
}

/// The address of member `n`.
pub(crate) fn address(n: u32) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, (n % 250) as u8 + 1], 4_000 + 2 * (n / 250) as u16))
}

/// One member: what it says goes through a link into a leg and a seat of a shared mixer.
pub(crate) struct Member {
    pub(crate) seat: SeatId,
    pub(crate) leg: Leg,
    pub(crate) heard: Vec<i16>,
    codec: CodecKind,
    peer: SocketAddr,
    phone: Sender,
    /// Played in a loop; empty is silence.
    says: Vec<i16>,
    said: usize,
    link: Link,
    /// How much faster the phone's clock runs, in millionths.
    drift_ppm: f64,
    /// The phone's clock: when its next packet leaves.
    next_packet: Instant,
    payload: Vec<u8>,
}

/// A room of members in virtual time.
pub(crate) struct Room {
    pub(crate) mixer: Mixer,
    pub(crate) members: Vec<Member>,
    pub(crate) now: Instant,
    keep: bool,
}

impl Room {
    pub(crate) fn new() -> Self {
        let mixer = Mixer::new(MixerConfig::default());
        Self { mixer, members: Vec::new(), now: media::sim::epoch(), keep: true }
    }

    /// Adds a member that sends a tone at `level_dbfs` through a link.
    pub(crate) fn join(&mut self, codec: CodecKind, hz: f32, level_dbfs: f32, link: LinkConfig) {
        let says = tone::sine(SampleRate::NARROW, hz, level_dbfs, 8_000);
        self.join_saying(codec, says, link, 0.0);
    }

    /// Adds a member that says this, with a clock that is off by so many millionths.
    pub(crate) fn join_saying(
        &mut self,
        codec: CodecKind,
        says: Vec<i16>,
        link: LinkConfig,
        drift_ppm: f64,
    ) {
        let n = self.members.len() as u32;
        let peer = address(n);
        let mut leg = leg(n, self.now);
        leg.negotiate(&negotiated(peer, codec));
        self.members.push(Member {
            seat: self.mixer.add_seat(SeatConfig::new(codec)).unwrap(),
            leg,
            heard: Vec::new(),
            codec,
            peer,
            phone: Sender::new(Ssrc(0xf000 + n), SeqNo(65_500), RtpTime(u32::MAX - 8_000)),
            says,
            said: 0,
            link: Link::new(link),
            drift_ppm,
            // Phones do not send in step with our ticks, nor with each other.
            next_packet: self.now + Duration::from_micros(u64::from(n) * 3_700 % 20_000),
            payload: vec![0; FRAME],
        });
    }

    /// Forgets what was heard, and keeps it or not from now on.
    pub(crate) fn keep(&mut self, keep: bool) {
        self.keep = keep;
        self.members.iter_mut().for_each(|member| member.heard.clear());
    }

    /// One tick as the server runs it: drain sockets, mix, send.
    pub(crate) fn tick(&mut self) {
        self.now += TICK;
        for member in &mut self.members {
            member.speak(self.now);
            while let Some((arrival, mut bytes)) = member.link.poll_arrival(self.now) {
                if let Received::Audio(packet) =
                    member.leg.handle_rtp(arrival, member.peer, &mut bytes)
                {
                    self.mixer.push(member.seat, arrival, &packet);
                }
            }
        }
        self.mixer.tick(self.now);
        for member in &mut self.members {
            let packet = self.mixer.outgoing(member.seat).next().unwrap();
            let mut out = [0; MAX_DATAGRAM_BYTES];
            let written = member.leg.write_rtp(self.now, packet.payload, packet.units, &mut out);
            let sent = written.unwrap();
            assert_eq!((sent.len, sent.to), (12 + FRAME, member.peer));
            if self.keep {
                let mut frame = [0; FRAME];
                member.codec.decode(&out[12..sent.len], &mut frame);
                member.heard.extend(frame);
            }
        }
    }

    /// A datagram that is none of the call's, from its peer's address or another.
    pub(crate) fn inject(&mut self, who: usize, from_peer: bool, bytes: &[u8]) {
        let member = &mut self.members[who];
        let from = if from_peer { member.peer } else { address(9_999) };
        if let Received::Audio(packet) = member.leg.handle_rtp(self.now, from, &mut bytes.to_vec())
        {
            self.mixer.push(member.seat, self.now, &packet);
        }
        while member.leg.poll_digit(self.now).is_some() {}
    }

    pub(crate) fn run(&mut self, duration: Duration) {
        for _ in 0..duration.as_millis() / TICK.as_millis() {
            self.tick();
        }
    }
}

impl Member {
    /// Sends what the phone has recorded by `now`.
    fn speak(&mut self, now: Instant) {
        while self.next_packet <= now {
            let from = self.said;
            let sample = |n: usize| match self.says.len() {
                0 => 0,
                len => self.says[(from + n) % len],
            };
            let frame: [i16; FRAME] = std::array::from_fn(sample);
            self.said += FRAME;
            self.codec.encode(&frame, &mut self.payload);
            let payload_type = self.codec.static_payload_type().unwrap();
            let mut out = [0; MAX_DATAGRAM_BYTES];
            let sent_at = self.next_packet;
            let len =
                self.phone.write_audio(sent_at, payload_type, &self.payload, &mut out).unwrap();
            self.phone.advance(FRAME as u32);
            self.link.send(sent_at, &out[..len]);
            self.next_packet += TICK.mul_f64(1.0 - self.drift_ppm / 1e6);
        }
    }
}
