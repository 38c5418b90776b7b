//! Packets of RFCs and of other implementations, and what must not get through.

use super::cipher::Cipher;
use super::derive::{Label, Protocol, derive};
use super::*;
use proptest::prelude::*;

/// From hexadecimal digits; blanks do not count.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn key(suite: Suite, text: &str) -> MasterKey {
    MasterKey::new(suite, &hex(text)).unwrap()
}

fn some_key(suite: Suite, seed: u8) -> MasterKey {
    let bytes: Vec<u8> = (0..suite.inline_bytes()).map(|at| seed.wrapping_add(at as u8)).collect();
    MasterKey::new(suite, &bytes).unwrap()
}

/// A packet of 16 bytes of 0xab, as libSRTP's tests have it.
const RTP: &str = "800f1234decafbadcafebabe abababababababababababababababab";
const RTCP: &str = "81c8000bcafebabe abababababababababababababababab";
/// The key of RFC 3711 B.3.
const KEY: &str = "e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6";

fn protected_rtp(from: &mut Outbound, packet: &[u8]) -> Vec<u8> {
    let mut out = packet.to_vec();
    out.resize(packet.len() + MAX_OVERHEAD_BYTES, 0);
    let len = from.protect_rtp(&mut out, packet.len()).unwrap();
    out.truncate(len);
    out
}

fn protected_rtcp(from: &mut Outbound, packet: &[u8]) -> Vec<u8> {
    let mut out = packet.to_vec();
    out.resize(packet.len() + MAX_OVERHEAD_BYTES, 0);
    let len = from.protect_rtcp(&mut out, packet.len()).unwrap();
    out.truncate(len);
    out
}

fn opened_rtp(to: &mut Inbound, packet: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut bytes = packet.to_vec();
    let len = to.unprotect_rtp(&mut bytes)?;
    bytes.truncate(len);
    Ok(bytes)
}

fn opened_rtcp(to: &mut Inbound, packet: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut bytes = packet.to_vec();
    let len = to.unprotect_rtcp(&mut bytes)?;
    bytes.truncate(len);
    Ok(bytes)
}

/// Packet `seq` of a stream.
fn rtp(ssrc: u32, seq: u16) -> Vec<u8> {
    let mut packet = hex("8000 0000 00000000 00000000 0102030405060708090a0b0c0d0e0f1011");
    packet[2..4].copy_from_slice(&seq.to_be_bytes());
    packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
    packet
}

fn pair(suite: Suite) -> (Outbound, Inbound) {
    let key = some_key(suite, 7);
    (Outbound::new(key).unwrap(), Inbound::new(key, None).unwrap())
}

#[test]
fn session_keys_are_those_of_rfc_3711_b_3() {
    let key = key(Suite::AesCm128Sha1Tag80, KEY);
    for (label, expected) in [
        (Label::Encryption, "c61e7a93744f39ee10734afe3ff7a087"),
        (Label::Salt, "30cbbc08863d8c85d49db34a9ae1"),
        (Label::Authentication, "cebe321f6ff7716b6fd4ab49af256a156d38baa4"),
    ] {
        let mut out = vec![0; hex(expected).len()];
        derive(&key, Protocol::Rtp, label, &mut out);
        assert_eq!(out, hex(expected));
    }
}

#[test]
fn packets_are_those_of_other_implementations() {
    // Of libSRTP, but for the two with keys that count up: those are of rtc-srtp.
    let counting = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
        a0a1a2a3a4a5a6a7a8a9aaab";
    let rows = [
        (
            key(Suite::AesCm128Sha1Tag80, KEY),
            "800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb",
            "81c8000bcafebabe 7128035be487b9bdbef89041f977a5a8 80000001 993e08cd54d6c1230798",
        ),
        (
            key(Suite::AesCm128Sha1Tag32, KEY),
            "800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc",
            "81c8000bcafebabe 7128035be487b9bdbef89041f977a5a8 80000001 993e08cd54d6c1230798",
        ),
        (
            key(
                Suite::AesCm256Sha1Tag80,
                "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6
                 3b04803de51ee7c96423ab5b78d2",
            ),
            "800f1234decafbadcafebabe f1d9de17ff251ff1aa007774b0b4b40d a08d9d9a5b3a55d8873b",
            "",
        ),
        (
            key(Suite::AeadAes128Gcm, "000102030405060708090a0b0c0d0e0f a0a1a2a3a4a5a6a7a8a9aaab"),
            "800f1234decafbadcafebabe c5002ede04cfdd2eb91159e0880aa06e
             d2976826f796b201df3131a127e8a392",
            "81c8000bcafebabe c98b8b5df0392a55852b6c21ac8e7025
             c52c6fbea2b3b446ea31123ba88ce61e 80000001",
        ),
        (
            key(Suite::AeadAes256Gcm, counting),
            "800f1234decafbadcafebabe 0af7f21e8a90bdad7a425c9c31ed4bb1
             d90238917e7390a2793500e1681acaea",
            "81c8000bcafebabe 8abfafa780070a90e80f9161cf4aac08
             1ed93aaa53c15b0f3ed1a3b984167b03 80000001",
        ),
        (
            key(Suite::AesCm256Sha1Tag32, &format!("{counting}acad")),
            "800f1234decafbadcafebabe 4fd36e6e4a7171272c3a8cbcaa6471c0 54a33289",
            "81c8000bcafebabe 48b98b2580218eb140e555f01998e5e7 80000001 cf7b298a3449f362a520",
        ),
    ];
    for (key, sealed_rtp, sealed_rtcp) in rows {
        let (mut from, mut to) = (Outbound::new(key).unwrap(), Inbound::new(key, None).unwrap());
        assert_eq!(protected_rtp(&mut from, &hex(RTP)), hex(sealed_rtp), "{key:?}");
        assert_eq!(opened_rtp(&mut to, &hex(sealed_rtp)), Ok(hex(RTP)), "{key:?}");
        if !sealed_rtcp.is_empty() {
            // Both begin with 1.
            protected_rtcp(&mut from, &hex(RTCP));
            assert_eq!(protected_rtcp(&mut from, &hex(RTCP)), hex(sealed_rtcp), "{key:?}");
            assert_eq!(opened_rtcp(&mut to, &hex(sealed_rtcp)), Ok(hex(RTCP)), "{key:?}");
        }
    }
}

#[test]
fn headers_stay_readable_with_sources_and_extension() {
    let packet = hex("9200 0001 00000002 00000003 aaaaaaaa bbbbbbbb bede0001 10ff0000 0011223344");
    for suite in Suite::ALL {
        let (mut from, mut to) = pair(suite);
        let sealed = protected_rtp(&mut from, &packet);
        assert_eq!(sealed[..28], packet[..28]);
        assert_ne!(sealed[28..33], packet[28..]);
        assert_eq!(opened_rtp(&mut to, &sealed), Ok(packet.clone()));
        let empty = &packet[..28];
        let mut empty = empty.to_vec();
        empty[3] = 2;
        let sealed = protected_rtp(&mut from, &empty);
        assert_eq!(opened_rtp(&mut to, &sealed), Ok(empty), "a keep-alive");
    }
}

#[test]
fn numbers_that_begin_anew_are_followed_through_loss_and_disorder() {
    for suite in Suite::ALL {
        let (mut from, mut to) = pair(suite);
        let sealed: Vec<_> = (0..140_000u32)
            .map(|n| (n, rtp(9, 65_000u32.wrapping_add(n) as u16)))
            .map(|(n, plain)| (n, protected_rtp(&mut from, &plain), plain))
            // Every third is lost; two of the others change places.
            .filter(|(n, ..)| {
                n % 3 != 1 && (n % 1_000 < 40 || n % 65_536 > 65_400 || n % 65_536 < 700)
            })
            .collect();
        for pair in sealed.chunks(2) {
            let are_near = pair.last().unwrap().0 - pair[0].0 < 10;
            let mut pair: Vec<_> = pair.iter().collect();
            if are_near {
                pair.reverse();
            }
            for (n, sealed, plain) in pair {
                assert_eq!(opened_rtp(&mut to, sealed).as_ref(), Ok(plain), "{suite:?} {n}");
            }
        }
    }
}

#[test]
fn a_stream_whose_beginning_was_lost_across_the_wrap_is_found() {
    for suite in [Suite::AesCm128Sha1Tag80, Suite::AesCm256Sha1Tag32] {
        let (mut from, mut to) = pair(suite);
        for seq in [65_534, 65_535, 0] {
            protected_rtp(&mut from, &rtp(9, seq));
        }
        for seq in 1..100 {
            let sealed = protected_rtp(&mut from, &rtp(9, seq));
            assert_eq!(opened_rtp(&mut to, &sealed), Ok(rtp(9, seq)));
        }
    }
}

#[test]
fn what_comes_twice_or_too_late_is_refused() {
    for suite in Suite::ALL {
        let (mut from, mut to) = pair(suite);
        let sealed: Vec<_> = (0..200u16)
            .map(|seq| protected_rtp(&mut from, &rtp(9, seq.wrapping_sub(100))))
            .collect();
        assert!(opened_rtp(&mut to, &sealed[99]).is_ok());
        for (at, packet) in sealed[..99].iter().enumerate().rev() {
            let expected = if at >= 36 { Ok(()) } else { Err(Refused::Replayed) };
            assert_eq!(opened_rtp(&mut to, packet).map(|_| ()), expected, "{suite:?} {at}");
        }
        for packet in &sealed[..100] {
            assert_eq!(opened_rtp(&mut to, packet), Err(Refused::Replayed), "{suite:?}");
        }
        let report = protected_rtcp(&mut from, &hex(RTCP));
        assert!(opened_rtcp(&mut to, &report).is_ok());
        assert_eq!(opened_rtcp(&mut to, &report), Err(Refused::Replayed));
    }
}

#[test]
fn a_changed_bit_anywhere_is_noticed_and_disturbs_nothing() {
    for suite in Suite::ALL {
        let (mut from, mut to) = pair(suite);
        let first = protected_rtp(&mut from, &rtp(9, 65_535));
        assert!(opened_rtp(&mut to, &first).is_ok());
        let sealed = protected_rtp(&mut from, &rtp(9, 0));
        let report = protected_rtcp(&mut from, &hex(RTCP));
        for bit in 0..8 * sealed.len().max(report.len()) {
            for (packet, is_rtp) in [(&sealed, true), (&report, false)] {
                let mut forged = packet.clone();
                let Some(byte) = forged.get_mut(bit / 8) else { continue };
                *byte ^= 1 << (bit % 8);
                let opened = match is_rtp {
                    true => opened_rtp(&mut to, &forged),
                    false => opened_rtcp(&mut to, &forged),
                };
                assert!(opened.is_err(), "{suite:?} {bit}");
            }
        }
        for len in 0..sealed.len() {
            assert!(opened_rtp(&mut to, &sealed[..len]).is_err());
        }
        for len in 0..report.len() {
            assert!(opened_rtcp(&mut to, &report[..len]).is_err());
        }
        assert_eq!(opened_rtp(&mut to, &sealed), Ok(rtp(9, 0)));
        assert_eq!(opened_rtcp(&mut to, &report), Ok(hex(RTCP)));
        let (mut other, _) = pair(suite);
        let mut stranger = Inbound::new(some_key(suite, 8), None).unwrap();
        let sealed = protected_rtp(&mut other, &rtp(9, 1));
        assert_eq!(opened_rtp(&mut stranger, &sealed), Err(Refused::Forged), "another key");
    }
}

#[test]
fn reports_that_say_they_are_not_encrypted_are_refused() {
    for suite in Suite::ALL {
        let (_, mut to) = pair(suite);
        let mut plain = hex(RTCP);
        plain.extend([0; 30]);
        assert_eq!(opened_rtcp(&mut to, &plain), Err(Refused::Malformed));
    }
}

#[test]
fn each_stream_counts_for_itself_and_forged_ones_leave_no_trace() {
    let (mut from, mut to) = pair(Suite::AesCm128Sha1Tag80);
    let mut sealed = |ssrc, seq| protected_rtp(&mut from, &rtp(ssrc, seq));
    let (old, new) = (sealed(1, 40_000), sealed(2, 100));
    assert!(opened_rtp(&mut to, &old).is_ok());
    for ssrc in 100..200 {
        assert_eq!(opened_rtp(&mut to, &rtp(ssrc, 1).repeat(2)), Err(Refused::Forged));
    }
    assert_eq!(opened_rtp(&mut to, &old), Err(Refused::Replayed), "the first is still known");
    // The sender's count of 65,536 goes on over both; a receiver tries that.
    assert!(opened_rtp(&mut to, &new).is_ok());
    assert_eq!(opened_rtp(&mut to, &new), Err(Refused::Replayed));
}

#[test]
fn a_key_identifier_is_taken_off_where_it_was_announced_and_is_sent() {
    for suite in Suite::ALL {
        for mki in [Mki { value: 1, len: 1 }, Mki { value: 0x0102_0304, len: 4 }] {
            let bytes = &mki.value.to_be_bytes()[4 - usize::from(mki.len)..];
            let is_gcm = matches!(suite, Suite::AeadAes128Gcm | Suite::AeadAes256Gcm);
            let (mut from, _) = pair(suite);
            let mut to = Inbound::new(some_key(suite, 7), Some(mki)).unwrap();
            let with = |packet: Vec<u8>, tag: usize| {
                let at = packet.len() - if is_gcm { 0 } else { tag };
                [&packet[..at], bytes, &packet[at..]].concat()
            };
            let tag = if suite.name().ends_with("_32") { 4 } else { 10 };
            for seq in 0..20 {
                let sealed = protected_rtp(&mut from, &rtp(9, seq));
                assert_eq!(opened_rtp(&mut to, &with(sealed, tag)), Ok(rtp(9, seq)), "{suite:?}");
                let report = protected_rtcp(&mut from, &hex(RTCP));
                assert_eq!(opened_rtcp(&mut to, &with(report, 10)), Ok(hex(RTCP)), "{suite:?}");
            }
            // Announced and not sent.
            let sealed = protected_rtp(&mut from, &rtp(9, 50));
            let report = protected_rtcp(&mut from, &hex(RTCP));
            assert_eq!(opened_rtp(&mut to, &sealed), Ok(rtp(9, 50)), "{suite:?}");
            assert_eq!(opened_rtcp(&mut to, &report), Ok(hex(RTCP)), "{suite:?}");
            let mut unasked = Inbound::new(some_key(suite, 7), None).unwrap();
            let sealed = with(protected_rtp(&mut from, &rtp(9, 51)), tag);
            assert_eq!(opened_rtp(&mut unasked, &sealed), Err(Refused::Forged));
        }
    }
}

#[test]
fn short_buffers_and_used_up_keys_send_nothing() {
    for suite in Suite::ALL {
        let (mut from, _) = pair(suite);
        let packet = rtp(9, 1);
        let mut out = packet.clone();
        assert_eq!(from.protect_rtp(&mut out, packet.len()), None);
        assert_eq!(from.protect_rtp(&mut out, packet.len() + 1), None);
        assert_eq!(from.protect_rtp(&mut out, 5), None);
        assert_eq!(from.protect_rtcp(&mut out, 7), None);
        assert_eq!(from.protect_rtcp(&mut hex(RTCP), 24), None);
        assert!(Cipher::new(&some_key(suite, 1), Protocol::Rtcp).is_some());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused_without_a_panic(
        suite in prop::sample::select(&Suite::ALL[..]),
        mut bytes in prop::collection::vec(any::<u8>(), 0..80),
        mki in prop::option::of((any::<u32>(), 1u8..5)),
    ) {
        let mki = mki.map(|(value, len)| Mki { value, len });
        let mut to = Inbound::new(some_key(suite, 1), mki).unwrap();
        prop_assert!(to.unprotect_rtcp(&mut bytes.clone()).is_err());
        prop_assert!(to.unprotect_rtp(&mut bytes.clone()).is_err());
        if let Some(first) = bytes.first_mut() {
            *first = 0x80 | (*first & 0x3f);
        }
        prop_assert!(to.unprotect_rtp(&mut bytes).is_err());
    }

    #[test]
    fn what_is_sealed_opens_as_it_was(
        suite in prop::sample::select(&Suite::ALL[..]),
        payload in prop::collection::vec(any::<u8>(), 0..1_400),
        seq in any::<u16>(), ssrc in any::<u32>(),
    ) {
        let (mut from, mut to) = pair(suite);
        let packet = [&rtp(ssrc, seq)[..12], &payload].concat();
        let sealed = protected_rtp(&mut from, &packet);
        prop_assert!(sealed.len() <= packet.len() + MAX_OVERHEAD_BYTES);
        prop_assert_eq!(opened_rtp(&mut to, &sealed), Ok(packet));
    }
}
