//! Datagrams into a leg and its mixer, in virtual time.
//!
//! The input is a list of datagrams, each behind two bytes: flags and length. Flags: who sends it
//! (bits 0-1), on which socket (bit 2), how many ticks pass first (bits 3-5), and whether the
//! session is negotiated anew (bit 6) or the seat leaves (bit 7). Every other negotiation is of an
//! encrypted session, each time of another suite; datagrams of odd length are sealed by the peer then.
#![no_main]

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use media::rtp::{SeqNo, Ssrc};
use media::sdp::{LocalMedia, Negotiated, Policy, accept_answer};
use media::srtp::{Keys, LocalKeys, Mki, Outbound, Suite};
use media::{
    CodecKind, Leg, LegConfig, Mixer, MixerConfig, NtpTime, Received, RtpTime, SeatConfig,
};

static NOW: LazyLock<Instant> = LazyLock::new(Instant::now);
/// Both codecs' clocks, events at each of them, silence descriptors and levels.
static AGREED: LazyLock<[Negotiated; 2]> = LazyLock::new(|| {
    let local = LocalMedia::new([192, 0, 2, 1].into(), 40_000, 1);
    let policy = Policy { comfort_noise: true, ..Policy::new(CodecKind::ALL) };
    ["0 13 101", "96 104"].map(|formats| {
        let answer = format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n\
             m=audio 4000 RTP/AVP {formats}\r\na=rtpmap:96 opus/48000/2\r\n\
             a=rtpmap:104 telephone-event/48000\r\na=rtpmap:101 telephone-event/8000\r\n\
             a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=rtcp-mux\r\n"
        );
        accept_answer(answer.as_bytes(), &local, &policy).expect("a good answer")
    })
});
const TICK: Duration = Duration::from_millis(20);

/// What is agreed on in the n-th negotiation, and what the peer seals with.
fn agreed(n: usize) -> (Negotiated, Option<Outbound>) {
    let plain = AGREED[n / 2 % 2].clone();
    if n % 2 == 0 {
        return (plain, None);
    }
    let suite = Suite::ALL[n / 2 % Suite::ALL.len()];
    let [local, remote] = [1, 2].map(|side| LocalKeys::from_random([side; 224]).of(suite));
    let remote_mki = (n % 4 == 3).then_some(Mki { value: 1, len: 1 });
    let srtp = Some(Keys { local, remote, remote_mki });
    (Negotiated { srtp, ..plain }, Outbound::new(remote))
}

fuzz_target!(|input: &[u8]| {
    let mut now = *NOW;
    let mut leg = Leg::new(LegConfig {
        ssrc: Ssrc(1),
        first_seq: SeqNo(65_530),
        first_timestamp: RtpTime(u32::MAX - 500),
        seed: 1,
        cname: "fuzz".into(),
        now,
    });
    leg.negotiate(&AGREED[0]);
    let mut peer_seals = None;
    leg.send_digits("1w#", 2 * TICK, TICK).expect("events were agreed on");
    let mut negotiations = 0;
    let mut mixer = Mixer::new(MixerConfig::default());
    let listener = mixer.add_seat(SeatConfig::new(CodecKind::Pcma)).unwrap();
    let mut seat = mixer.add_seat(SeatConfig::new(CodecKind::Pcmu)).unwrap();
    let mut out = [0; 1_500];
    let mut rest = input;
    while let [flags, len, after @ ..] = rest {
        let (datagram, next) = after.split_at(usize::from(*len).min(after.len()));
        rest = next;
        if flags & 0x40 != 0 {
            negotiations += 1;
            let (agreed, outbound) = agreed(negotiations);
            leg.negotiate(&agreed);
            peer_seals = outbound;
        }
        if flags & 0x80 != 0 {
            mixer.remove_seat(seat);
            seat = mixer.add_seat(SeatConfig::new(CodecKind::Pcmu)).unwrap();
        }
        for _ in 0..(flags >> 3) & 7 {
            now += TICK;
            mixer.tick(now);
            let units: u32 = mixer.outgoing(listener).map(|packet| packet.units).sum();
            assert_eq!(units, 160);
            for packet in mixer.outgoing(seat) {
                let written = leg.write_rtp(now, packet.payload, packet.units, &mut out);
                assert!(written.is_none_or(|packet| packet.len <= out.len()));
            }
            while mixer.poll_event().is_some() {}
        }
        let peer = [(192, 4_000), (192, 4_001), (198, 4_000), (203, 9)][usize::from(flags & 3)];
        let from = SocketAddr::from(([peer.0, 0, 2, 2], peer.1));
        let mut datagram = datagram.to_vec();
        if let Some(outbound) = peer_seals.as_mut().filter(|_| datagram.len() % 2 == 1) {
            let plain = datagram.len();
            datagram.resize(plain + media::srtp::MAX_OVERHEAD_BYTES, 0);
            let is_rtcp = (192..=223).contains(&datagram[1]);
            let sealed = match is_rtcp {
                true => outbound.protect_rtcp(&mut datagram, plain),
                false => outbound.protect_rtp(&mut datagram, plain),
            };
            datagram.truncate(sealed.unwrap_or(plain));
        }
        if flags & 4 != 0 {
            leg.handle_rtcp(now, from, &mut datagram);
        } else if let Received::Audio(packet) = leg.handle_rtp(now, from, &mut datagram) {
            mixer.push(seat, now, &packet);
        }
        while leg.poll_digit(now).is_some() {}
        let ntp = NtpTime::from_unix(now.duration_since(*NOW));
        if let Some(report) = leg.poll_rtcp(now, ntp, &mut out) {
            let is_readable = media::rtcp::parse(&out[..report.len]).is_ok();
            assert!(is_readable || peer_seals.is_some());
        }
    }
    let _ = leg.stats();
});
