//! Encrypted legs: two that talk, and what strangers and new keys do to them.

use super::tests::{Call, PEER, at, negotiated};
use super::*;
use crate::rtp::MAX_DATAGRAM_BYTES;
use crate::srtp::{Keys, LocalKeys, MasterKey, Suite};
use crate::time::NtpTime;

const NAT: &str = "198.51.100.7:61000";
const TICK: Duration = Duration::from_millis(20);

/// The key of a side; each number is another one.
fn key(suite: Suite, side: u8) -> MasterKey {
    LocalKeys::from_random([side; LocalKeys::BYTES]).of(suite)
}

fn secured(remote: &str, suite: Suite, ours: u8, theirs: u8) -> Negotiated {
    let (local, remote_key) = (key(suite, ours), key(suite, theirs));
    let srtp = Some(Keys { local, remote: remote_key, remote_mki: None });
    Negotiated { srtp, ..negotiated(remote) }
}

/// Two legs that have agreed on each other's keys.
fn pair(suite: Suite) -> (Call, Call) {
    let (mut a, mut b) = (Call::new(), Call::new());
    a.leg.negotiate(&secured(PEER, suite, 1, 2));
    b.leg.negotiate(&secured(PEER, suite, 2, 1));
    (a, b)
}

/// The next packet that a leg sends.
fn packet(from: &mut Call) -> Vec<u8> {
    let mut out = [0; MAX_DATAGRAM_BYTES];
    let sent = from.leg.write_rtp(from.now, &[0x55; 160], 160, &mut out).unwrap();
    from.now += TICK;
    out[..sent.len].to_vec()
}

fn hear(to: &mut Call, from: &str, mut bytes: Vec<u8>) -> Result<(), Ignored> {
    match to.leg.handle_rtp(to.now, at(from), &mut bytes) {
        Received::Audio(audio) => {
            assert_eq!(audio.payload, [0x55; 160]);
            Ok(())
        }
        Received::Ignored(reason) => Err(reason),
        other => panic!("{other:?}"),
    }
}

#[test]
fn speech_and_reports_go_both_ways_encrypted() {
    for (suite, mux) in Suite::ALL.into_iter().flat_map(|suite| [(suite, false), (suite, true)]) {
        let (mut a, mut b) = pair(suite);
        let rtcp_mux = mux;
        a.leg.negotiate(&Negotiated { rtcp_mux, ..secured(PEER, suite, 1, 2) });
        b.leg.negotiate(&Negotiated { rtcp_mux, ..secured(PEER, suite, 2, 1) });
        let mut reports = 0;
        for _ in 0..1_500 {
            for forth in [true, false] {
                let (from, to) = if forth { (&mut a, &mut b) } else { (&mut b, &mut a) };
                let bytes = packet(from);
                assert!(bytes.len() > 172 && !bytes.windows(4).any(|four| four == [0x55; 4]));
                assert_eq!(hear(to, PEER, bytes), Ok(()));
                let ntp = NtpTime::from_unix(from.now - crate::sim::epoch());
                let mut out = [0; MAX_DATAGRAM_BYTES];
                let Some(report) = from.leg.poll_rtcp(from.now, ntp, &mut out) else { continue };
                reports += 1;
                let bytes = &mut out[..report.len];
                assert!(crate::rtcp::parse(bytes).is_err(), "readable");
                let arrival = from.now + TICK / 2;
                assert!(match mux {
                    true => to.leg.handle_rtp(arrival, at(PEER), bytes) == Received::Rtcp,
                    false => to.leg.handle_rtcp(arrival, at("192.0.2.1:4001"), bytes),
                });
            }
        }
        assert!(reports > 4, "{reports}");
        let stats = a.leg.stats();
        assert_eq!((stats.rejected.total(), stats.packets_received), (0, 1_500));
        assert!(stats.round_trip.is_some() && stats.remote_report.is_some());
        let mut out = [0; MAX_DATAGRAM_BYTES];
        let bye = a.leg.write_bye(a.now, NtpTime(0), &mut out).unwrap();
        let bytes = &mut out[..bye.len];
        match mux {
            true => assert_eq!(b.leg.handle_rtp(b.now, at(PEER), bytes), Received::Rtcp),
            false => assert!(b.leg.handle_rtcp(b.now, at("192.0.2.1:4001"), bytes)),
        }
        assert!(b.leg.has_peer_left());
    }
}

#[test]
fn the_keys_of_a_former_peer_open_nothing() {
    for suite in [Suite::AesCm128Sha1Tag80, Suite::AeadAes128Gcm] {
        let (mut a, mut b) = pair(suite);
        let bytes = packet(&mut a);
        assert_eq!(hear(&mut b, PEER, bytes), Ok(()));
        b.leg.negotiate_with_another(&secured(PEER, suite, 3, 4));
        let bytes = packet(&mut a);
        assert_eq!(hear(&mut b, PEER, bytes), Err(Ignored::Unauthentic));
        // Keys that change between the same two overlap for a moment.
        let (mut a, mut b) = pair(suite);
        b.leg.negotiate(&secured(PEER, suite, 3, 4));
        let bytes = packet(&mut a);
        assert_eq!(hear(&mut b, PEER, bytes), Ok(()));
    }
}

#[test]
fn what_is_not_authentic_is_dropped_counted_and_teaches_nothing() {
    let (mut a, mut b) = pair(Suite::AesCm128Sha1Tag80);
    for _ in 0..5 {
        let plain = b.datagram(0, &[0x55; 160]);
        assert_eq!(hear(&mut b, NAT, plain), Err(Ignored::Unauthentic));
        let plain = b.datagram(0, &[0x55; 160]);
        assert_eq!(hear(&mut b, PEER, plain), Err(Ignored::Unauthentic));
        let mut forged = packet(&mut a);
        forged[40] ^= 1;
        assert_eq!(hear(&mut b, NAT, forged), Err(Ignored::Unauthentic));
    }
    assert_eq!((b.leg.settled_peer(), b.leg.remote()), (None, Some(at(PEER))));
    let first = packet(&mut a);
    assert_eq!(hear(&mut b, NAT, first.clone()), Err(Ignored::Stranger), "one proves nothing");
    assert_eq!(hear(&mut b, NAT, first), Err(Ignored::Replayed));
    let mut last = Vec::new();
    for _ in 0..3 {
        last = packet(&mut a);
        let _ = hear(&mut b, NAT, last.clone());
    }
    assert_eq!(b.leg.remote(), Some(at(NAT)));
    assert_eq!(hear(&mut b, NAT, last), Err(Ignored::Replayed));
    let mut out = [0; MAX_DATAGRAM_BYTES];
    let report = Call::new().leg.poll_rtcp(a.now + 10 * TICK * 50, NtpTime(0), &mut out).unwrap();
    assert!(!b.leg.handle_rtcp(b.now, at("192.0.2.1:4001"), &mut out[..report.len]), "plain");
    let rejected = b.leg.stats().rejected;
    assert_eq!((rejected.unauthentic, rejected.replayed), (15, 2));
    assert_eq!(rejected.malformed, 1, "a report that says it is plain is none");
    assert_eq!(rejected.total(), 19);
}

#[test]
fn a_new_key_of_the_peer_takes_over_with_its_first_packet() {
    for (old, new) in [
        (Suite::AesCm128Sha1Tag80, Suite::AesCm128Sha1Tag80),
        (Suite::AeadAes128Gcm, Suite::AesCm128Sha1Tag80),
        (Suite::AesCm128Sha1Tag32, Suite::AeadAes256Gcm),
    ] {
        let (mut a, mut b) = pair(old);
        let packets: Vec<_> = (0..4).map(|_| packet(&mut a)).collect();
        assert_eq!(hear(&mut b, PEER, packets[0].clone()), Ok(()));
        b.leg.negotiate(&secured(PEER, new, 2, 3));
        assert_eq!(hear(&mut b, PEER, packets[0].clone()), Err(Ignored::Unauthentic));
        assert_eq!(hear(&mut b, PEER, packets[1].clone()), Ok(()), "it was under way");
        a.leg.negotiate(&secured(PEER, new, 3, 2));
        let next = packet(&mut a);
        assert_eq!(hear(&mut b, PEER, next), Ok(()));
        assert_eq!(hear(&mut b, PEER, packets[3].clone()), Err(Ignored::Unauthentic));
        let next = packet(&mut a);
        assert_eq!(hear(&mut b, PEER, next), Ok(()));
    }
}

#[test]
fn descriptions_with_the_same_keys_change_nothing_about_them() {
    let (mut a, mut b) = pair(Suite::AesCm128Sha1Tag80);
    let mut first = None;
    // Numbers begin anew on the way, and both sides go on counting that.
    for n in 0..70_000 {
        let bytes = packet(&mut a);
        first.get_or_insert_with(|| bytes.clone());
        if n % 1_000 == 0 || n > 69_900 {
            a.leg.negotiate(&secured(PEER, Suite::AesCm128Sha1Tag80, 1, 2));
            b.leg.negotiate(&secured(PEER, Suite::AesCm128Sha1Tag80, 2, 1));
        }
        assert_eq!(hear(&mut b, PEER, bytes), Ok(()), "{n}");
    }
    assert_eq!(hear(&mut b, PEER, first.unwrap()), Err(Ignored::Replayed), "long ago");
}

#[test]
fn a_key_that_comes_back_never_uses_an_index_twice() {
    let suite = Suite::AesCm128Sha1Tag80;
    let (mut a, mut b) = pair(suite);
    for _ in 0..70_000 {
        let bytes = packet(&mut a);
        assert_eq!(hear(&mut b, PEER, bytes), Ok(()));
    }
    a.leg.negotiate(&negotiated(PEER));
    let plain = packet(&mut a);
    assert_eq!(plain.len(), 172);
    assert_eq!(hear(&mut b, PEER, plain), Err(Ignored::Unauthentic));
    a.leg.negotiate(&secured(PEER, Suite::AeadAes128Gcm, 1, 2));
    packet(&mut a);
    a.leg.negotiate(&secured(PEER, suite, 1, 2));
    // The receiver that kept its context understands, so the count went on.
    let next = packet(&mut a);
    assert_eq!(hear(&mut b, PEER, next), Ok(()));
}

#[test]
fn encrypted_streams_begin_in_the_lower_half_of_the_numbers() {
    let config = |seq| LegConfig {
        ssrc: Ssrc(1),
        first_seq: SeqNo(seq),
        first_timestamp: RtpTime(1),
        seed: 1,
        cname: String::new(),
        now: crate::sim::epoch(),
    };
    let mut out = [0; MAX_DATAGRAM_BYTES];
    let mut first = |agreed: &Negotiated| {
        let mut leg = Leg::new(config(0xfff0));
        leg.negotiate(agreed);
        leg.write_rtp(crate::sim::epoch(), &[1; 160], 160, &mut out).unwrap();
        u16::from_be_bytes([out[2], out[3]])
    };
    assert_eq!(first(&secured(PEER, Suite::AesCm128Sha1Tag80, 1, 2)), 0x7ff0);
    assert_eq!(first(&negotiated(PEER)), 0xfff0);
}
