//! A leg against a scripted peer: addresses, SSRCs, garbage, hold, digits, reports.

use super::*;
use crate::rtp::MAX_DATAGRAM_BYTES;
use crate::time::NtpTime;
use proptest::prelude::*;

pub(super) const PEER: &str = "192.0.2.1:4000";
const NAT: &str = "198.51.100.7:61000";
const THIRD: &str = "203.0.113.9:5000";

pub(super) fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

/// A leg, its peer's counters, and virtual time.
pub(super) struct Call {
    pub(super) leg: Leg,
    pub(super) now: Instant,
    ssrc: u32,
    seq: u16,
    pub(super) timestamp: u32,
}

impl Call {
    pub(super) fn new() -> Self {
        let mut call = Self::without_description();
        call.leg.negotiate(&negotiated(PEER));
        call
    }

    fn without_description() -> Self {
        let now = crate::sim::epoch();
        let config = LegConfig {
            ssrc: Ssrc(0x5eed),
            first_seq: SeqNo(100),
            first_timestamp: RtpTime(5_000),
            seed: 1,
            cname: "leg@test".to_owned(),
            now,
        };
        Self { leg: Leg::new(config), now, ssrc: 0xabc, seq: 1, timestamp: 0 }
    }

    /// The next packet of the peer, of 20 ms.
    pub(super) fn datagram(&mut self, payload_type: u8, payload: &[u8]) -> Vec<u8> {
        let packet = Packet {
            payload_type: PayloadType(payload_type),
            marker: false,
            seq: SeqNo(self.seq),
            timestamp: RtpTime(self.timestamp),
            ssrc: Ssrc(self.ssrc),
            payload,
        };
        let mut bytes = vec![0; MAX_DATAGRAM_BYTES];
        let len = packet.write(&mut bytes).unwrap();
        bytes.truncate(len);
        self.seq = self.seq.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(160);
        self.now += Duration::from_millis(20);
        bytes
    }

    /// Receives the next packet of speech from `address`; `Ok` if it is audio.
    fn hear(&mut self, address: &str) -> Result<(), Ignored> {
        let mut bytes = self.datagram(0, &[0x55; 160]);
        match self.leg.handle_rtp(self.now, at(address), &mut bytes) {
            Received::Audio(_) => Ok(()),
            Received::Ignored(reason) => Err(reason),
            other => panic!("{other:?}"),
        }
    }

    /// Sends one tick of speech; gives the packet's fields and its destination.
    fn say(&mut self) -> Option<(SocketAddr, u8, u16, u32, bool)> {
        let mut out = [0; MAX_DATAGRAM_BYTES];
        let sent = self.leg.write_rtp(self.now, &[0xff; 160], 160, &mut out)?;
        let packet = Packet::parse(&out[..sent.len]).unwrap();
        assert_eq!(packet.ssrc, Ssrc(0x5eed));
        let (seq, timestamp) = (packet.seq.0, packet.timestamp.0);
        Some((sent.to, packet.payload_type.0, seq, timestamp, packet.marker))
    }
}

pub(super) fn negotiated(remote: &str) -> Negotiated {
    let remote_rtp = at(remote);
    Negotiated {
        remote_rtp,
        remote_rtcp: SocketAddr::new(remote_rtp.ip(), remote_rtp.port() + 1),
        rtcp_mux: false,
        send: SendFormat::new(CodecKind::Pcmu),
        payload_type: PayloadType(0),
        dtmf_payload_type: Some(PayloadType(101)),
        dtmf_clock_hz: 8_000,
        comfort_noise: None,
        level_extension: None,
        receive: vec![
            (PayloadType(0), Format::Audio(CodecKind::Pcmu)),
            (PayloadType(101), Format::TelephoneEvent { clock_hz: 8_000 }),
        ],
        direction: Direction::SendRecv,
        srtp: None,
    }
}

#[test]
fn speech_from_the_negotiated_peer_is_handed_on_from_the_first_packet() {
    let mut call = Call::new();
    let mut bytes = call.datagram(0, &[7; 160]);
    let Received::Audio(audio) = call.leg.handle_rtp(call.now, at(PEER), &mut bytes) else {
        panic!("not audio");
    };
    assert_eq!(
        (audio.codec, audio.payload, audio.units()),
        (CodecKind::Pcmu, &[7u8; 160][..], 160)
    );
    let stats = call.leg.stats();
    assert_eq!((stats.packets_received, stats.octets_received), (1, 160));
    assert_eq!(stats.last_received, Some(call.now));
}

#[test]
fn nothing_is_taken_or_sent_before_the_negotiation() {
    let mut call = Call::without_description();
    assert_eq!(call.hear(PEER), Err(Ignored::NotNegotiated));
    assert_eq!(call.say(), None);
    assert_eq!(call.leg.stats().rejected.not_negotiated, 1);
}

#[test]
fn once_the_peer_was_heard_nobody_else_is() {
    let mut call = Call::new();
    assert_eq!(call.leg.settled_peer(), None);
    assert_eq!(call.hear(PEER), Ok(()));
    assert_eq!(call.leg.settled_peer(), Some(at(PEER)));
    assert_eq!(call.leg.send_format(), Some(SendFormat::new(CodecKind::Pcmu)));
    for _ in 0..20 {
        assert_eq!(call.hear(THIRD), Err(Ignored::Stranger));
        assert_eq!(call.hear("192.0.2.1:4002"), Err(Ignored::Stranger), "another port");
    }
    assert_eq!(call.leg.stats().rejected.stranger, 40);
    assert_eq!(call.leg.remote(), Some(at(PEER)));
}

#[test]
fn a_peer_behind_a_nat_is_latched_once_and_then_frozen() {
    let mut call = Call::new();
    call.leg.negotiate(&negotiated("10.0.0.5:4000"));
    assert_eq!(call.hear(NAT), Err(Ignored::Stranger), "one packet proves nothing");
    assert_eq!(call.hear(NAT), Ok(()));
    assert_eq!(call.hear(NAT), Ok(()));
    assert_eq!(call.say().map(|sent| sent.0), Some(at(NAT)));
    for _ in 0..20 {
        assert_eq!(call.hear(THIRD), Err(Ignored::Stranger));
    }
    assert_eq!(call.leg.remote(), Some(at(NAT)));
}

#[test]
fn a_spray_of_single_packets_never_latches() {
    let mut call = Call::new();
    for n in 0..200u16 {
        let from = SocketAddr::new(at(THIRD).ip(), 1_024 + n);
        let mut bytes = call.datagram(0, &[1; 160]);
        let received = call.leg.handle_rtp(call.now, from, &mut bytes);
        assert_eq!(received, Received::Ignored(Ignored::Stranger));
    }
    assert_eq!(call.hear(PEER), Ok(()));
    assert_eq!(call.leg.remote(), Some(at(PEER)));
}

#[test]
fn the_negotiated_address_outweighs_one_that_was_latched() {
    let mut call = Call::new();
    let _ = call.hear(THIRD);
    assert_eq!(call.hear(THIRD), Ok(()));
    assert_eq!(call.hear(PEER), Ok(()));
    assert_eq!(call.hear(THIRD), Err(Ignored::Stranger));
    assert_eq!(call.leg.remote(), Some(at(PEER)));
}

#[test]
fn a_new_description_with_another_address_starts_over_and_the_same_one_does_not() {
    let mut call = Call::new();
    call.leg.negotiate(&negotiated("10.0.0.5:4000"));
    let _ = call.hear(NAT);
    assert_eq!(call.hear(NAT), Ok(()));
    call.leg.negotiate(&negotiated("10.0.0.5:4000"));
    assert_eq!(call.leg.remote(), Some(at(NAT)), "same address: what was learnt stays");
    call.leg.negotiate(&negotiated(THIRD));
    assert_eq!(call.leg.remote(), Some(at(THIRD)));
    assert_eq!(call.hear(THIRD), Ok(()));
    assert_eq!(call.hear(NAT), Err(Ignored::Stranger));
}

#[test]
fn another_peer_is_not_taken_for_the_one_before_it() {
    for known_as in [PEER, NAT] {
        let mut call = Call::new();
        while call.hear(known_as).is_err() {}
        // Two phones behind NATs of their own may well name the same address.
        call.leg.negotiate_with_another(&negotiated(PEER));
        assert_eq!((call.leg.settled_peer(), call.leg.remote()), (None, Some(at(PEER))));
        call.seq += 100;
        if known_as != PEER {
            for _ in 0..3 {
                assert_eq!(call.hear(known_as), Err(Ignored::Stranger), "it has not heard yet");
            }
        }
        call.ssrc += 1;
        let heard = (0..4).filter(|_| call.hear(THIRD).is_ok()).count();
        assert!(heard > 0 && call.leg.remote() == Some(at(THIRD)), "{known_as}: {heard}");
    }
}

#[test]
fn hold_by_address_keeps_what_was_learnt_for_the_resume() {
    let mut call = Call::new();
    call.hear(PEER).unwrap();
    let held = Negotiated { direction: Direction::RecvOnly, ..negotiated("0.0.0.0:4000") };
    call.leg.negotiate(&held);
    assert_eq!(call.say(), None);
    assert_eq!(call.hear(THIRD), Err(Ignored::Stranger));
    let later = call.now + Duration::from_secs(10);
    assert_eq!(call.leg.poll_rtcp(later, NtpTime(0), &mut [0; 200]), None, "RFC 3264 §8.4");
    call.leg.negotiate(&negotiated(PEER));
    assert_eq!(call.say().map(|sent| sent.0), Some(at(PEER)));
    assert!(call.leg.poll_rtcp(later, NtpTime(0), &mut [0; 200]).is_some());
}

#[test]
fn an_ipv4_peer_is_known_on_a_dual_stack_socket() {
    let mut call = Call::new();
    assert_eq!(call.hear("[::ffff:192.0.2.1]:4000"), Ok(()));
    assert_eq!(call.hear(PEER), Ok(()));
}

#[test]
fn garbage_is_counted_and_disturbs_nothing() {
    let mut call = Call::new();
    call.hear(PEER).unwrap();
    let now = call.now;
    let mut ignored = |bytes: &[u8]| match call.leg.handle_rtp(now, at(PEER), &mut bytes.to_vec()) {
        Received::Ignored(reason) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(ignored(&[]), Ignored::Malformed);
    assert_eq!(ignored(b"hello there, this is not rtp"), Ignored::Malformed);
    assert_eq!(ignored(&[0x80, 200, 0, 1, 0, 0, 0, 9]), Ignored::UnexpectedRtcp);
    let mut unknown = call.datagram(96, &[1; 160]);
    assert_eq!(
        call.leg.handle_rtp(now, at(PEER), &mut unknown),
        Received::Ignored(Ignored::UnknownPayloadType)
    );
    unknown[1] = 0;
    unknown[8] ^= 0xff; // another SSRC
    let stray = call.leg.handle_rtp(now, at(PEER), &mut unknown);
    assert_eq!(stray, Received::Ignored(Ignored::OnProbation));
    let mut keep_alive = call.datagram(0, &[]);
    let received = call.leg.handle_rtp(now, at(PEER), &mut keep_alive);
    assert_eq!(received, Received::Ignored(Ignored::Empty));
    assert_eq!(call.hear(PEER), Ok(()));
    let stats = call.leg.stats();
    assert_eq!((stats.rejected.total(), stats.packets_lost), (6, 0));
    assert_eq!(stats.packets_received, 4, "the unknown one is ignored, not lost");
}

#[test]
fn a_restarted_phone_is_followed_after_one_packet() {
    let mut call = Call::new();
    call.hear(PEER).unwrap();
    (call.ssrc, call.seq, call.timestamp) = (0xdef, 40_000, 0x9000_0000);
    assert_eq!(call.hear(PEER), Err(Ignored::OnProbation));
    assert_eq!(call.hear(PEER), Ok(()));
    assert_eq!(call.hear(PEER), Ok(()));
}

#[test]
fn what_is_sent_is_numbered_stamped_and_marked() {
    let mut call = Call::new();
    assert_eq!(call.say(), Some((at(PEER), 0, 100, 5_000, true)));
    assert_eq!(call.say(), Some((at(PEER), 0, 101, 5_160, false)));
    call.leg.skip(160);
    assert_eq!(call.say(), Some((at(PEER), 0, 102, 5_480, true)));
    let mut short = [0; 100];
    assert_eq!(call.leg.write_rtp(call.now, &[0; 160], 160, &mut short), None);
    assert_eq!(call.say(), Some((at(PEER), 0, 103, 5_800, true)), "numbers have no hole");
    let stats = call.leg.stats();
    assert_eq!((stats.packets_sent, stats.octets_sent), (4, 640));
}

#[test]
fn direction_forbids_sending_and_receiving() {
    for (direction, sends, hears) in [
        (Direction::SendRecv, true, Ok(())),
        (Direction::RecvOnly, false, Ok(())),
        (Direction::SendOnly, true, Err(Ignored::Held)),
        (Direction::Inactive, false, Err(Ignored::Held)),
    ] {
        let mut call = Call::new();
        call.leg.negotiate(&Negotiated { direction, ..negotiated(PEER) });
        assert_eq!(call.say().is_some(), sends, "{direction:?}");
        assert_eq!(call.hear(PEER), hears, "{direction:?}");
        assert_eq!(call.leg.expects_audio(), hears.is_ok());
        assert!(call.leg.last_received().is_some(), "a held peer is alive");
    }
}

#[test]
fn an_unknown_address_is_not_sent_to_until_it_is_learnt() {
    let mut call = Call::without_description();
    call.leg.negotiate(&negotiated("0.0.0.0:4000"));
    assert_eq!(call.say(), None);
    let _ = call.hear(NAT);
    call.hear(NAT).unwrap();
    let (to, _, seq, timestamp, marker) = call.say().unwrap();
    assert_eq!((to, seq, timestamp, marker), (at(NAT), 100, 5_160, true));
}

#[test]
fn digits_come_out_of_the_stream_once() {
    let mut call = Call::new();
    call.hear(PEER).unwrap();
    let began = call.timestamp;
    for (duration, end) in [(160, false), (320, false), (480, true), (480, true), (480, true)] {
        let event = crate::dtmf::EventPayload { code: 5, end, volume: 10, duration };
        call.timestamp = began;
        let mut bytes = call.datagram(101, &event.to_bytes());
        let received = call.leg.handle_rtp(call.now, at(PEER), &mut bytes);
        assert_eq!(received, Received::TelephoneEvent);
    }
    let event = call.leg.poll_digit(call.now).unwrap();
    assert_eq!((event.digit.as_char(), event.duration), ('5', Duration::from_millis(60)));
    assert_eq!(call.leg.poll_digit(call.now), None);
}

#[test]
fn digits_sent_replace_the_audio_and_share_its_numbering() {
    let mut call = Call::new();
    call.say();
    let (tone, gap) = (Duration::from_millis(60), Duration::from_millis(40));
    call.leg.send_digits("3", tone, gap).unwrap();
    assert!(call.leg.is_sending_digits());
    let sent: Vec<_> = (0..7).map(|_| call.say().unwrap()).collect();
    let types: Vec<_> = sent.iter().map(|s| s.1).collect();
    assert_eq!(types, [101, 101, 101, 101, 101, 0, 0]);
    assert!(sent.windows(2).all(|pair| pair[1].2 == pair[0].2 + 1));
    assert!(sent[..5].iter().all(|s| s.3 == 5_160), "all at the timestamp of the press");
    assert_eq!((sent[5].3, sent[5].4), (5_000 + 6 * 160, true));
    let mut deaf = Call::new();
    deaf.leg.negotiate(&Negotiated { dtmf_payload_type: None, ..negotiated(PEER) });
    assert_eq!(deaf.leg.send_digits("3", tone, gap), Err(Error::NoTelephoneEvent));
}

/// Two legs that exchange reports over 10 ms each way.
#[test]
fn reports_give_round_trip_and_loss() {
    let start = crate::sim::epoch();
    let wall =
        |now: Instant| NtpTime::from_unix(Duration::from_secs(1_700_000_000) + (now - start));
    let mut calls = [Call::new(), Call::new()];
    for (n, call) in calls.iter_mut().enumerate() {
        call.leg = Leg::new(LegConfig {
            ssrc: Ssrc(n as u32 + 1),
            first_seq: SeqNo(0),
            first_timestamp: RtpTime(0),
            seed: n as u64,
            cname: format!("leg{n}"),
            now: start,
        });
        call.leg.negotiate(&negotiated(PEER));
    }
    let mut out = [0; MAX_DATAGRAM_BYTES];
    for tick in 0..1_000u32 {
        let now = start + Duration::from_millis(20 * u64::from(tick));
        let arrival = now + Duration::from_millis(10);
        for loses in [true, false] {
            let [a, b] = &mut calls;
            let (from, to) = if loses { (a, b) } else { (b, a) };
            let sent = from.leg.write_rtp(now, &[0xff; 160], 160, &mut out).unwrap();
            if !(loses && tick % 10 == 5) {
                let received = to.leg.handle_rtp(arrival, at(PEER), &mut out[..sent.len]);
                assert!(matches!(received, Received::Audio(_)));
            }
            if let Some(sent) = from.leg.poll_rtcp(now, wall(now), &mut out) {
                assert_eq!(sent.to, at("192.0.2.1:4001"));
                assert!(to.leg.handle_rtcp(arrival, at("192.0.2.1:4001"), &mut out[..sent.len]));
            }
        }
    }
    let [a, b] = &mut calls;
    let stats = a.leg.stats();
    let trip = stats.round_trip.unwrap();
    assert!((trip.as_millis() as i64 - 20).abs() <= 1, "{trip:?}");
    let report = stats.remote_report.unwrap();
    assert!((24..=27).contains(&report.fraction_lost), "{report:?}"); // a tenth of 256
    assert_eq!(b.leg.stats().remote_report.unwrap().fraction_lost, 0);
    assert!(b.leg.stats().packets_lost >= 99);
    let end = start + Duration::from_secs(20);
    assert!(!b.leg.has_peer_left());
    let bye = a.leg.write_bye(end, wall(end), &mut out).unwrap();
    assert!(b.leg.handle_rtcp(end, at("192.0.2.1:4001"), &mut out[..bye.len]));
    assert!(b.leg.has_peer_left());
}

#[test]
fn muxed_rtcp_arrives_on_and_leaves_from_the_rtp_port() {
    let mut call = Call::new();
    call.leg.negotiate(&Negotiated { rtcp_mux: true, ..negotiated(PEER) });
    assert!(call.leg.is_rtcp_muxed());
    let mut report = [0x80, 201, 0, 1, 0, 0, 0x0a, 0xbc];
    assert_eq!(call.leg.handle_rtp(call.now, at(PEER), &mut report), Received::Rtcp);
    let mut bad = [0x80, 201, 0, 9, 0, 0, 0x0a, 0xbc];
    let refused = call.leg.handle_rtp(call.now, at(PEER), &mut bad);
    assert_eq!(refused, Received::Ignored(Ignored::BadRtcp));
    let stranger = call.leg.handle_rtp(call.now, at(THIRD), &mut report);
    assert_eq!(stranger, Received::Ignored(Ignored::Stranger));
    let later = call.now + Duration::from_secs(10);
    let sent = call.leg.poll_rtcp(later, NtpTime(1 << 40), &mut [0; 200]).unwrap();
    assert_eq!(sent.to, at(PEER));
}

#[test]
fn rtcp_is_taken_only_from_the_host_that_sends_rtp() {
    let mut call = Call::new();
    call.hear(PEER).unwrap();
    let mut report = [0x80, 201, 0, 1, 0, 0, 0x0a, 0xbc];
    assert!(!call.leg.handle_rtcp(call.now, at(THIRD), &mut report));
    assert!(
        call.leg.handle_rtcp(call.now, at("192.0.2.1:4009"), &mut report),
        "another port of it"
    );
    assert!(
        !call.leg.handle_rtcp(call.now, at("192.0.2.1:4011"), &mut report),
        "and then only that"
    );
    assert_eq!(call.leg.stats().rejected.stranger, 2);
    let later = call.now + Duration::from_secs(10);
    let sent = call.leg.poll_rtcp(later, NtpTime(1 << 40), &mut [0; 200]).unwrap();
    assert_eq!(sent.to, at("192.0.2.1:4009"));
}

#[test]
fn a_phone_that_sends_with_its_own_payload_types_is_understood() {
    let mut call = Call::new();
    let answered = Negotiated {
        payload_type: PayloadType(97),
        dtmf_payload_type: Some(PayloadType(96)),
        ..negotiated(PEER)
    };
    call.leg.negotiate(&answered);
    for (payload_type, expected) in [(0, true), (97, true), (101, false), (96, false)] {
        let mut bytes = call.datagram(payload_type, &[5, 10, 0, 160]);
        let received = call.leg.handle_rtp(call.now, at(PEER), &mut bytes);
        assert_eq!(matches!(received, Received::Audio(_)), expected, "{payload_type}");
        assert_eq!(received == Received::TelephoneEvent, !expected, "{payload_type}");
    }
    assert_eq!(call.say().map(|sent| sent.1), Some(97), "we send with theirs");
}

proptest! {
    #[test]
    fn any_datagram_is_taken_without_a_panic(
        datagrams in proptest::collection::vec(
            (proptest::collection::vec(any::<u8>(), 0..64), any::<bool>(), any::<bool>()), 0..40),
        mux: bool,
    ) {
        let mut call = Call::new();
        call.leg.negotiate(&Negotiated { rtcp_mux: mux, ..negotiated(PEER) });
        for (mut bytes, shaped, stranger) in datagrams {
            if shaped && bytes.len() >= 12 {
                bytes[0] = 0x80 | (bytes[0] & 0x0f);
                bytes[1] = [0, 101, 200, 201][bytes[1] as usize % 4];
            }
            let from = at(if stranger { NAT } else { PEER });
            let _ = call.leg.handle_rtp(call.now, from, &mut bytes);
            let _ = call.leg.handle_rtcp(call.now, from, &mut bytes);
            while call.leg.poll_digit(call.now).is_some() {}
            call.now += Duration::from_millis(20);
        }
        prop_assert!(call.say().is_some());
    }
}
