//! Descriptions of a peer: as an offer, as an answer, and what comes of them.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use libfuzzer_sys::fuzz_target;
use media::CodecKind::{self, Pcma, Pcmu};
use media::sdp::{LocalMedia, Policy, accept_answer, answer, offer};

fuzz_target!(|bytes: &[u8]| {
    let local = LocalMedia::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 40_000, 1);
    let all = Policy { comfort_noise: true, dtx: true, ..Policy::new(CodecKind::ALL) };
    for policy in [&all, &Policy::new([Pcmu, Pcma])] {
        let Ok((text, agreed)) = answer(bytes, &local, policy) else { continue };
        let heard = accept_answer(text.as_bytes(), policy).expect("our answer can be read");
        assert_eq!(heard.send.codec, agreed.send.codec);
        assert_eq!(heard.direction, agreed.direction.mirrored());
        assert_eq!(text.matches("\nm=").count(), sections(bytes));
        assert!(agreed.send.codec.max_payload_bytes(agreed.send.ptime) < 1_400);
        assert!((6_000..=128_000).contains(&agreed.send.opus.bitrate));
    }
    // A codec we did not offer is no answer to us.
    let alaw = Policy::new([Pcma]);
    if let Ok(agreed) = accept_answer(bytes, &alaw) {
        assert_eq!(agreed.send.codec, Pcma);
    }
    assert!(answer(offer(&local, &alaw).as_bytes(), &local, &Policy::new([Pcmu])).is_err());
});

/// An answer has as many sections as its offer (RFC 3264 §6).
fn sections(offer: &[u8]) -> usize {
    let is_blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0;
    let lines = offer.split(|&byte| byte == b'\n');
    let starts = lines.filter_map(|line| line.get(line.iter().position(|byte| !is_blank(byte))?..));
    starts.filter(|line| line.starts_with(b"m=")).count()
}
