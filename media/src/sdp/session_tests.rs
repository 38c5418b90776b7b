//! Descriptions that follow one another, with and without keys.

use super::*;
use crate::codec::CodecKind;
use crate::rtp::PayloadType;
use crate::srtp::{LocalKeys, Suite};

const ALICE: [u8; LocalKeys::BYTES] = [0x11; LocalKeys::BYTES];
const BOB: [u8; LocalKeys::BYTES] = [0x22; LocalKeys::BYTES];

fn policy() -> Policy {
    Policy::new([CodecKind::Pcmu, CodecKind::Pcma])
}

fn session(host: u8, encryption: Encryption, random: [u8; LocalKeys::BYTES]) -> Session {
    let local = LocalMedia::new([192, 0, 2, host].into(), 40_000, u64::from(host));
    Session::new(local.encrypted(encryption, LocalKeys::from_random(random)))
}

fn lines<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.starts_with(start)).collect()
}

#[test]
fn two_sides_encrypt_as_both_allow() {
    use Encryption::{Off, Offered, Required};
    let rows = [
        (Off, Off, Ok(false)),
        (Off, Offered, Ok(false)),
        (Off, Required, Err(Error::EncryptionRequired)),
        (Offered, Off, Ok(false)),
        (Offered, Offered, Ok(true)),
        (Offered, Required, Ok(true)),
        (Required, Off, Err(Error::NoUsableMedia)),
        (Required, Offered, Ok(true)),
        (Required, Required, Ok(true)),
    ];
    for (caller, callee, expected) in rows {
        let mut alice = session(1, caller, ALICE);
        let mut bob = session(2, callee, BOB);
        let offer = alice.offer(&policy());
        let answered = bob.answer(offer.as_bytes(), &policy());
        let is_encrypted = answered.as_ref().map(|(_, agreed)| agreed.srtp.is_some());
        assert_eq!(is_encrypted.map_err(|error| *error), expected, "{caller:?} {callee:?}");
        let Ok((answer, bobs)) = answered else { continue };
        let alices = alice.accept_answer(answer.as_bytes(), &policy()).unwrap();
        assert_eq!(alices.srtp.is_some(), bobs.srtp.is_some());
        if let (Some(alices), Some(bobs)) = (alices.srtp, bobs.srtp) {
            assert_eq!((alices.local, alices.remote), (bobs.remote, bobs.local));
            assert_ne!(alices.local, alices.remote);
        }
    }
}

/// A session that has answered an offer of many lines, of which the third is taken.
fn room_system(encryption: Encryption) -> (Session, String) {
    let mut session = session(1, encryption, ALICE);
    let offer = "v=0\no=- 1 1 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\n\
        m=video 6000 RTP/AVP 97\na=rtpmap:97 H264/90000\n\
        m=audio 0 RTP/AVP 0\n\
        m=audio 6002 RTP/AVPF 96 101 8 97\na=rtpmap:96 speex/8000\na=rtpmap:101 PCMU/8000\n\
        a=rtpmap:97 telephone-event/8000\n\
        a=crypto:7 AES_CM_128_HMAC_SHA1_32 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\n\
        m=application 5070 UDP/BFCP *\n";
    let (text, _) = session.answer(offer.as_bytes(), &policy()).unwrap();
    (session, text)
}

#[test]
fn our_offers_keep_the_media_lines_that_were_agreed_on() {
    for encryption in [Encryption::Off, Encryption::Offered] {
        let (mut session, answer) = room_system(encryption);
        let answered = lines(&answer, "m=");
        assert_eq!(
            answered[..3],
            ["m=video 0 RTP/AVP 97", "m=audio 0 RTP/AVP 0", "m=audio 40000 RTP/AVPF 101 97"]
        );
        let offer = session.offer(&policy());
        let offered = lines(&offer, "m=");
        assert_eq!(offered[2], "m=audio 40000 RTP/AVPF 101 8 97", "what had a number keeps it");
        assert_eq!([&offered[..2], &offered[3..]], [&answered[..2], &answered[3..]]);
        // As answers go: each line has its place.
        let answer = |audio: &str, rest: &str| {
            format!(
                "v=0\nc=IN IP4 192.0.2.9\nm=video 0 RTP/AVP 97\nm=audio 0 RTP/AVP 0\n{audio}{rest}"
            )
        };
        let (audio, rest) = (
            "m=audio 7000 RTP/AVPF 8 97\na=rtpmap:97 telephone-event/8000\n",
            "m=application 0 UDP/BFCP *\n",
        );
        let mut accept = |text: String| session.accept_answer(text.as_bytes(), &policy());
        let agreed = accept(answer(audio, rest)).unwrap();
        assert_eq!(
            (agreed.payload_type, agreed.dtmf_payload_type),
            (PayloadType(8), Some(PayloadType(97)))
        );
        let more = accept(answer(audio, &rest.repeat(2)));
        assert_eq!(more, Err(Error::SectionsDiffer { offered: 4, answered: 5 }));
        assert_eq!(
            accept(answer(audio, "")),
            Err(Error::SectionsDiffer { offered: 4, answered: 3 })
        );
        assert_eq!(accept(answer("m=audio 0 RTP/AVPF 8\n", rest)), Err(Error::NoUsableMedia));
        assert_eq!(session.agreed(), Some(&agreed), "what failed has changed nothing");
    }
}

#[test]
fn a_version_counts_changes_and_nothing_else() {
    let mut session = session(1, Encryption::Offered, ALICE);
    let version = |text: &str| lines(text, "o=")[0].split(' ').nth(2).unwrap().parse::<u64>();
    let first = session.offer(&policy());
    assert_eq!((version(&first), session.offer(&policy())), (Ok(1), first));
    let answer = "v=0\nc=IN IP4 192.0.2.9\nm=audio 7000 RTP/AVP 0\n";
    session.accept_answer(answer.as_bytes(), &policy()).unwrap();
    let second = session.offer(&policy());
    assert_eq!(version(&second), Ok(2), "keys are offered no more");
    session.set_direction(Direction::SendOnly);
    let held = session.offer(&policy());
    assert_eq!((version(&held), lines(&held, "a=sendonly").len()), (Ok(3), 1));
    assert_eq!(session.offer(&policy()), held);
    session.set_direction(Direction::SendRecv);
    let resumed = session.offer(&policy());
    assert_eq!(version(&resumed), Ok(4));
    assert_eq!(resumed.replace(" 4 IN", " 2 IN"), second);
    // An answer is a description as any other.
    let (answer, _) = session.answer(answer.as_bytes(), &policy()).unwrap();
    assert_eq!(version(&answer), Ok(5));
    let (again, _) = session.answer(answer.as_bytes(), &policy()).unwrap();
    assert_eq!(again, answer);
}

#[test]
fn what_we_hold_stays_held_whatever_the_peer_asks_for() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    let rows = [
        (SendOnly, SendRecv, SendOnly),
        (SendOnly, RecvOnly, SendOnly),
        (SendOnly, SendOnly, Inactive),
        (SendOnly, Inactive, Inactive),
        (Inactive, SendRecv, Inactive),
        (RecvOnly, SendRecv, RecvOnly),
        (SendRecv, SendOnly, RecvOnly),
        (SendRecv, RecvOnly, SendOnly),
        (SendRecv, SendRecv, SendRecv),
    ];
    for (ours, theirs, expected) in rows {
        let peer =
            format!("v=0\nc=IN IP4 192.0.2.9\nm=audio 7000 RTP/AVP 0\na={}\n", theirs.name());
        let mut session = session(1, Encryption::Off, ALICE);
        session.set_direction(ours);
        let (text, agreed) = session.answer(peer.as_bytes(), &policy()).unwrap();
        assert_eq!(agreed.direction, expected, "{ours:?} {theirs:?}");
        assert_eq!(lines(&text, &format!("a={}", expected.name())).len(), 1);
        // The same as an answer to our offer of it.
        session.offer(&policy());
        let agreed = session.accept_answer(peer.as_bytes(), &policy()).unwrap();
        assert_eq!(agreed.direction, expected, "{ours:?} {theirs:?}");
    }
}

#[test]
fn keys_stay_until_a_side_changes_its_own() {
    let mut alice = session(1, Encryption::Required, ALICE);
    let mut bob = session(2, Encryption::Offered, BOB);
    let exchange = |from: &mut Session, to: &mut Session| {
        let offer = from.offer(&policy());
        let (answer, answered) = to.answer(offer.as_bytes(), &policy()).unwrap();
        let accepted = from.accept_answer(answer.as_bytes(), &policy()).unwrap();
        let crypto = lines(&answer, "a=crypto:").len();
        assert_eq!((crypto, lines(&answer, "m=audio 40000 RTP/SAVP ").len()), (1, 1));
        (offer, accepted.srtp.unwrap(), answered.srtp.unwrap())
    };
    let (offer, first, theirs) = exchange(&mut alice, &mut bob);
    assert_eq!(lines(&offer, "a=crypto:").len(), Suite::OFFERED.len());
    assert_eq!((first.local, first.remote), (theirs.remote, theirs.local));
    assert_eq!(first.local.suite(), Suite::AesCm128Sha1Tag80);
    let (offer, again, _) = exchange(&mut alice, &mut bob);
    assert_eq!((lines(&offer, "a=crypto:").len(), again), (1, first));
    let (_, _, bobs) = exchange(&mut bob, &mut alice);
    assert_eq!(bobs, first);
    alice.set_keys(LocalKeys::from_random([0x33; LocalKeys::BYTES]));
    let (_, changed, _) = exchange(&mut alice, &mut bob);
    assert_ne!(changed.local, first.local);
    assert_eq!(changed.remote, first.remote);
}

#[test]
fn an_answer_must_repeat_a_tag_and_suite_of_ours() {
    let key = "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
    for (encryption, protocol, crypto, expected) in [
        (Encryption::Required, "RTP/SAVP", "1 AES_CM_128_HMAC_SHA1_80", Ok(true)),
        (Encryption::Required, "RTP/SAVP", "2 AES_CM_128_HMAC_SHA1_32", Ok(true)),
        (Encryption::Required, "RTP/SAVP", "2 AES_CM_128_HMAC_SHA1_80", Err(Error::NoCommonCrypto)),
        (Encryption::Required, "RTP/SAVP", "4 AES_CM_128_HMAC_SHA1_80", Err(Error::NoCommonCrypto)),
        (Encryption::Required, "RTP/AVP", "1 AES_CM_128_HMAC_SHA1_80", Ok(true)),
        (Encryption::Required, "RTP/AVP", "x", Err(Error::EncryptionRequired)),
        (Encryption::Offered, "RTP/AVP", "1 AES_CM_128_HMAC_SHA1_80", Ok(true)),
        (Encryption::Offered, "RTP/SAVP", "1 AES_CM_128_HMAC_SHA1_80", Ok(true)),
        (Encryption::Offered, "RTP/AVP", "9 AES_CM_128_HMAC_SHA1_80", Ok(false)),
        (Encryption::Offered, "RTP/SAVP", "x", Err(Error::NoCommonCrypto)),
        (Encryption::Off, "RTP/AVP", "1 AES_CM_128_HMAC_SHA1_80", Ok(false)),
        (Encryption::Off, "RTP/SAVP", "1 AES_CM_128_HMAC_SHA1_80", Err(Error::NoUsableMedia)),
    ] {
        let mut session = session(1, encryption, ALICE);
        session.offer(&policy());
        let answer = format!(
            "v=0\nc=IN IP4 192.0.2.9\nm=audio 7000 {protocol} 0\na=crypto:{crypto} {key}\n"
        );
        let agreed = session.accept_answer(answer.as_bytes(), &policy());
        assert_eq!(agreed.map(|agreed| agreed.srtp.is_some()), expected, "{protocol} {crypto}");
    }
}

#[test]
fn without_an_offer_there_is_no_answer() {
    let answer = b"v=0\nc=IN IP4 192.0.2.9\nm=audio 7000 RTP/AVP 0\n";
    let mut session = session(1, Encryption::Off, ALICE);
    assert_eq!(session.accept_answer(answer, &policy()), Err(Error::NoOffer));
    session.offer(&policy());
    assert!(session.accept_answer(answer, &policy()).is_ok());
    assert!(session.accept_answer(answer, &policy()).is_ok(), "as a 200 repeats its 183");
    session.answer(answer, &policy()).unwrap();
    assert_eq!(session.accept_answer(answer, &policy()), Err(Error::NoOffer));
}

#[test]
fn a_bundle_is_answered_with_the_one_section_that_is_taken() {
    let offer = |mux: &str| {
        format!(
            "v=0\nc=IN IP4 192.0.2.9\na=group:LS v a\na=group:BUNDLE v a\n\
             m=video 6000 RTP/AVPF 97\na=mid:v\n\
             m=audio 6002 RTP/AVPF 0\na=mid:a\n{mux}"
        )
    };
    let mut session = session(1, Encryption::Off, ALICE);
    let (text, _) = session.answer(offer("a=rtcp-mux\n").as_bytes(), &policy()).unwrap();
    assert_eq!(lines(&text, "a=group"), ["a=group:BUNDLE a"]);
    assert_eq!(lines(&text, "a=mid"), ["a=mid:a"]);
    let offered = session.offer(&policy());
    assert_eq!(lines(&offered, "a=group"), ["a=group:BUNDLE a"]);
    // Members of a bundle have their RTCP on the same port (RFC 8843 §9.3).
    let (text, _) = session.answer(offer("").as_bytes(), &policy()).unwrap();
    assert_eq!((lines(&text, "a=group").len(), lines(&text, "a=mid")), (0, vec!["a=mid:a"]));
}

#[test]
fn no_key_is_printed() {
    let mut a = session(1, Encryption::Required, ALICE);
    let mut b = session(2, Encryption::Required, BOB);
    let offer = a.offer(&policy());
    let (answer, _) = b.answer(offer.as_bytes(), &policy()).unwrap();
    a.accept_answer(answer.as_bytes(), &policy()).unwrap();
    let shown = format!("{a:?} {b:?}");
    for text in [offer, answer] {
        let (_, key) = text.split_once("inline:").unwrap();
        assert!(!shown.contains(&key[..40]) && !shown.contains("17, 17"), "{shown}");
    }
}
