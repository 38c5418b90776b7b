//! Descriptions of a peer: as an offer, as an answer, and what comes of them.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use libfuzzer_sys::fuzz_target;
use media::CodecKind::{self, Pcma, Pcmu};
use media::sdp::{Encryption, LocalMedia, Policy, Session, accept_answer, answer, offer};
use media::srtp::LocalKeys;

fuzz_target!(|bytes: &[u8]| {
    let local = LocalMedia::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 40_000, 1);
    let keys = LocalKeys::from_random([7; LocalKeys::BYTES]);
    let all = Policy { comfort_noise: true, dtx: true, ..Policy::new(CodecKind::ALL) };
    for policy in [&all, &Policy::new([Pcmu, Pcma])] {
        for encryption in [Encryption::Off, Encryption::Offered, Encryption::Required] {
            converse(bytes, local.encrypted(encryption, keys), policy);
        }
    }
    // A codec we did not offer is no answer to us.
    let alaw = Policy::new([Pcma]);
    if let Ok(agreed) = accept_answer(bytes, &local, &alaw) {
        assert_eq!(agreed.send.codec, Pcma);
    }
    assert!(answer(offer(&local, &alaw).as_bytes(), &local, &Policy::new([Pcmu])).is_err());
});

/// The bytes as a first offer, as one that follows an offer of ours, and as the answer to it.
fn converse(bytes: &[u8], local: LocalMedia, policy: &Policy) {
    let mut session = Session::new(local);
    let Ok((text, agreed)) = session.answer(bytes, policy) else { return };
    let count = sections(bytes);
    assert_eq!(text.matches("\nm=").count(), count);
    assert!(agreed.send.codec.max_payload_bytes(agreed.send.ptime) < 1_400);
    assert!((6_000..=128_000).contains(&agreed.send.opus.bitrate));
    assert!(local.encryption != Encryption::Off || agreed.srtp.is_none());
    assert!(local.encryption != Encryption::Required || agreed.srtp.is_some());
    let (again, same) = session.answer(bytes, policy).expect("it was taken before");
    assert_eq!((again, same), (text, agreed));
    // Our own offer has the same lines, and what we make of it as the peer is an answer to it.
    let offered = session.offer(policy);
    assert_eq!(offered.matches("\nm=").count(), count);
    let mut peer = Session::new(local);
    let (answered, theirs) =
        peer.answer(offered.as_bytes(), policy).expect("our offer can be read");
    let ours = session.accept_answer(answered.as_bytes(), policy).expect("and so can its answer");
    assert_eq!(ours.send.codec, theirs.send.codec);
    assert_eq!(ours.direction, theirs.direction.mirrored());
    assert_eq!(ours.srtp.map(|keys| keys.remote), theirs.srtp.map(|keys| keys.local));
    let _ = session.accept_answer(bytes, policy);
}

/// An answer has as many sections as its offer (RFC 3264 §6).
fn sections(offer: &[u8]) -> usize {
    let is_blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0;
    let lines = offer.split(|&byte| byte == b'\n');
    let starts = lines.filter_map(|line| line.get(line.iter().position(|byte| !is_blank(byte))?..));
    starts.filter(|line| line.starts_with(b"m=")).count()
}
