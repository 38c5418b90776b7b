//! The whole path of one tick, sockets left out: a datagram in for every member, through its leg into
//! the mixer, and the datagram that goes back out.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use media::codec::SendFormat;
use media::mixer::Outgoing;
use media::rtp::{MAX_DATAGRAM_BYTES, Packet, PayloadType, SeqNo, Ssrc};
use media::sdp::{Direction, Format, Negotiated};
use media::source::tone;
use media::{
    CodecKind, Leg, LegConfig, Mixer, MixerConfig, Received, RtpTime, SampleRate, SeatConfig,
    SeatId,
};

const MEMBERS: [usize; 3] = [3, 200, 1_000];
const PAYLOAD_TYPE: PayloadType = PayloadType(0);

struct Member {
    seat: SeatId,
    leg: Leg,
    peer: SocketAddr,
    /// Written anew only where the tick changes it.
    datagram: [u8; 172],
}

struct Room {
    mixer: Mixer,
    members: Vec<Member>,
    now: Instant,
    tick: u32,
    out: [u8; MAX_DATAGRAM_BYTES],
}

impl Room {
    fn new(members: usize, talkers: usize) -> Self {
        let now = Instant::now();
        let mut mixer = Mixer::new(MixerConfig::default());
        let stride = members / talkers.max(1);
        let members = (0..members)
            .map(|n| {
                let seat = mixer.add_seat(SeatConfig::new(CodecKind::Pcmu)).expect("G.711");
                let talks = n.is_multiple_of(stride) && n / stride < talkers;
                Member::new(n as u32, talks, seat, now)
            })
            .collect();
        let mut room = Self { mixer, members, now, tick: 0, out: [0; MAX_DATAGRAM_BYTES] };
        for _ in 0..10 {
            room.tick();
        }
        room
    }

    fn tick(&mut self) {
        for member in &mut self.members {
            member.stamp(self.tick);
            let received = member.leg.handle_rtp(self.now, member.peer, &mut member.datagram);
            if let Received::Audio(packet) = received {
                self.mixer.push(member.seat, self.now, &packet);
            }
            while member.leg.poll_digit(self.now).is_some() {}
        }
        self.mixer.tick(self.now);
        for member in &mut self.members {
            for packet in self.mixer.outgoing(member.seat) {
                let Outgoing { payload, units, .. } = packet;
                let sent = member.leg.write_rtp(self.now, payload, units, &mut self.out);
                black_box((sent, &self.out));
            }
        }
        self.now += Duration::from_millis(20);
        self.tick = self.tick.wrapping_add(1);
    }
}

impl Member {
    fn new(n: u32, talks: bool, seat: SeatId, now: Instant) -> Self {
        let peer = SocketAddr::from(([127, 0, 0, 1], 10_000 + 2 * n as u16));
        let mut leg = Leg::new(LegConfig {
            ssrc: Ssrc(n),
            first_seq: SeqNo(0),
            first_timestamp: RtpTime(0),
            seed: u64::from(n),
            cname: "bench@localhost".to_owned(),
            now,
        });
        leg.negotiate(&Negotiated {
            remote_rtp: peer,
            remote_rtcp: peer,
            rtcp_mux: true,
            send: SendFormat::new(CodecKind::Pcmu),
            payload_type: PAYLOAD_TYPE,
            dtmf_payload_type: Some(PayloadType(101)),
            dtmf_clock_hz: 8_000,
            comfort_noise: None,
            level_extension: None,
            receive: vec![
                (PAYLOAD_TYPE, Format::Audio(CodecKind::Pcmu)),
                (PayloadType(101), Format::TelephoneEvent { clock_hz: 8_000 }),
            ],
            direction: Direction::SendRecv,
            srtp: None,
        });
        let level = if talks { -24.0 } else { -200.0 };
        let pcm = tone::sine(SampleRate::NARROW, 150.0 + n as f32, level, 160);
        let mut payload = [0; 160];
        CodecKind::Pcmu.encode(&pcm, &mut payload);
        let packet = Packet {
            payload_type: PAYLOAD_TYPE,
            marker: false,
            seq: SeqNo(0),
            timestamp: RtpTime(0),
            ssrc: Ssrc(0x8000_0000 + n),
            payload: &payload,
        };
        let mut datagram = [0; 172];
        packet.write(&mut datagram).expect("header and payload are 172 bytes");
        Self { seat, leg, peer, datagram }
    }

    /// Sequence number and timestamp of this tick.
    fn stamp(&mut self, tick: u32) {
        self.datagram[2..4].copy_from_slice(&(tick as u16).to_be_bytes());
        self.datagram[4..8].copy_from_slice(&tick.wrapping_mul(160).to_be_bytes());
    }
}

fn rtp_path(c: &mut Criterion) {
    let mut group = c.benchmark_group("rtp_path");
    for members in MEMBERS {
        group.throughput(Throughput::Elements(members as u64));
        for (name, talkers) in [("3_talking", 3), ("all_talking", members)] {
            group.bench_function(BenchmarkId::new(name, members), |b| {
                let mut room = Room::new(members, talkers);
                b.iter(|| room.tick());
            });
        }
    }
    group.finish();
}

criterion_group!(benches, rtp_path);
criterion_main!(benches);
