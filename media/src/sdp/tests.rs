//! Whole descriptions: the tables in `tests/data/sdp`, both sides of a negotiation, broken input.

use std::fmt::Write;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::codec::{CodecKind, SendFormat};
use crate::rtp::PayloadType;
use crate::sdp::wire::Description;

/// G.711 and nothing else.
static OURS: LazyLock<Policy> = LazyLock::new(|| policy(&[CodecKind::Pcmu, CodecKind::Pcma]));

const TABLES: [(&str, &str); 5] = [
    ("phones", include_str!("../../tests/data/sdp/phones.txt")),
    ("hold", include_str!("../../tests/data/sdp/hold.txt")),
    ("sections", include_str!("../../tests/data/sdp/sections.txt")),
    ("sloppy", include_str!("../../tests/data/sdp/sloppy.txt")),
    ("refused", include_str!("../../tests/data/sdp/refused.txt")),
];

const BROWSER_OFFERS: [&str; 5] = [
    include_str!("../../tests/data/sdp/browser/chromium-audio-video-data-offer.sdp"),
    include_str!("../../tests/data/sdp/browser/chromium-mdns-recvonly-offer.sdp"),
    include_str!("../../tests/data/sdp/browser/jssip-offer.sdp"),
    include_str!("../../tests/data/sdp/browser/jssip-hold-reoffer.sdp"),
    include_str!("../../tests/data/sdp/browser/sipjs-offer.sdp"),
];

fn policy(codecs: &[CodecKind]) -> Policy {
    Policy::new(codecs)
}

fn local() -> LocalMedia {
    LocalMedia { version: 3, ..LocalMedia::new([198, 51, 100, 1].into(), 40_000, 77) }
}

/// Reads an answer as the offerer does whose one audio section it answers: what it declines is left out.
fn accept_single(answer: &[u8], policy: &Policy) -> Result<Negotiated, Error> {
    accept_answer(&without_declined(answer), &local(), policy)
}

/// A description of ours without its declined sections.
pub(super) fn without_declined(text: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(text).unwrap();
    let is_kept = |line: &&str| !line.starts_with("m=") || line.split(' ').nth(1) != Some("0");
    text.split_inclusive('\n').filter(is_kept).collect::<String>().into_bytes()
}

pub(super) struct Row {
    name: &'static str,
    pub(super) offer: String,
    /// What stands behind `=> ` and below.
    pub(super) expected: String,
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (table, text) in TABLES {
        for block in text.split("## ").skip(1) {
            let (name, rest) = block.split_once('\n').unwrap();
            let (offer, expected) =
                rest.split_once("=> ").unwrap_or_else(|| panic!("{table}: {name}"));
            let (offer, expected) = (offer.to_owned(), expected.trim_end().to_owned());
            rows.push(Row { name, offer, expected });
        }
    }
    rows
}

/// A result in the notation of the tables.
fn written(result: &Result<(String, Negotiated), Error>) -> String {
    let (answer, negotiated) = match result {
        Ok(pair) => pair,
        Err(error) => return format!("{error:?}"),
    };
    let mut text = format!("{} {}", negotiated.remote_rtp, negotiated.remote_rtcp);
    let dtmf =
        negotiated.dtmf_payload_type.map_or_else(|| "-".to_owned(), |number| number.0.to_string());
    let (codec, number) = (negotiated.send.codec.name(), negotiated.payload_type.0);
    write!(text, " {codec} {number} {dtmf} {}", negotiated.direction.name()).unwrap();
    text.push_str(if negotiated.rtcp_mux { " mux" } else { "" });
    for line in answer.lines().filter(|line| line.starts_with("m=")) {
        write!(text, "\n{line}").unwrap();
    }
    text
}

#[test]
fn offers_of_the_field_are_answered_as_the_tables_say() {
    let rows = rows();
    assert!(rows.len() >= 80, "{} rows", rows.len());
    for Row { name, offer, expected } in &rows {
        let line_feed = answer(offer.as_bytes(), &local(), &OURS);
        assert_eq!(written(&line_feed), *expected, "{name}");
        let offer = offer.replace('\n', "\r\n");
        assert_eq!(answer(offer.as_bytes(), &local(), &OURS), line_feed, "{name}, with CRLF");
    }
}

/// Of every answer: what RFC 3264 §6 asks of an answer, whatever the offer.
#[test]
fn no_answer_says_more_than_its_offer() {
    for Row { name, offer, .. } in rows() {
        let Ok((text, negotiated)) = answer(offer.as_bytes(), &local(), &OURS) else { continue };
        let offer = Description::parse(offer.as_bytes()).unwrap();
        let answer = Description::parse(text.as_bytes()).unwrap();
        assert_eq!(answer.media.len(), offer.media.len(), "{name}");
        assert_eq!(answer.media.iter().filter(|section| section.port != 0).count(), 1, "{name}");
        for (ours, theirs) in answer.media.iter().zip(&offer.media) {
            assert_eq!((ours.kind, ours.protocol), (theirs.kind, theirs.protocol), "{name}");
            assert!(!ours.formats.is_empty(), "{name}");
            if ours.port == 0 {
                assert!(ours.attributes.is_empty(), "{name}");
                continue;
            }
            assert!(ours.formats.iter().all(|format| theirs.formats.contains(format)), "{name}");
            let is_muxed = |section: &wire::Section<'_>| section.attribute("rtcp-mux").is_some();
            assert!(!is_muxed(ours) || is_muxed(theirs), "{name}");
            let (theirs, ours) = (offer.direction_of(theirs), answer.direction_of(ours));
            assert!(!ours.sends() || theirs.receives(), "{name}");
            assert!(!ours.receives() || theirs.sends(), "{name}");
        }
        assert!(text.ends_with("\r\n") && !text.replace("\r\n", "").contains(['\r', '\n']));
        // The offerer understands it as we meant it.
        let heard = accept_single(text.as_bytes(), &OURS).unwrap();
        assert_eq!(heard.remote_rtp, "198.51.100.1:40000".parse().unwrap(), "{name}");
        assert_eq!(heard.direction, negotiated.direction.mirrored(), "{name}");
        assert_eq!(
            (heard.send.codec, heard.payload_type, heard.dtmf_payload_type, heard.rtcp_mux),
            (
                negotiated.send.codec,
                negotiated.payload_type,
                negotiated.dtmf_payload_type,
                negotiated.rtcp_mux
            ),
            "{name}"
        );
    }
}

#[test]
fn an_answer_in_full() {
    let offer = "v=0\r\no=- 9 9 IN IP4 192.0.2.1\r\ns=x\r\nc=IN IP4 192.0.2.1\r\n\
        t=3724394400 3724398000\r\nm=image 5 udptl t38\r\nm=audio 4000 RTP/AVPF 97 8 0 99\r\n\
        a=rtpmap:97 opus/48000/2\r\na=rtpmap:99 telephone-event/8000\r\na=rtcp-mux\r\na=sendonly\r\n";
    let (text, negotiated) = answer(offer.as_bytes(), &local(), &OURS).unwrap();
    let expected = "v=0\r\n\
        o=- 77 3 IN IP4 198.51.100.1\r\n\
        s=-\r\n\
        c=IN IP4 198.51.100.1\r\n\
        t=3724394400 3724398000\r\n\
        m=image 0 udptl t38\r\n\
        m=audio 40000 RTP/AVPF 0 99\r\n\
        a=rtpmap:0 PCMU/8000\r\n\
        a=rtpmap:99 telephone-event/8000\r\n\
        a=fmtp:99 0-15\r\n\
        a=ptime:20\r\n\
        a=maxptime:60\r\n\
        a=rtcp-mux\r\n\
        a=recvonly\r\n";
    assert_eq!(text, expected);
    let receive = [
        (PayloadType(0), Format::Audio(CodecKind::Pcmu)),
        (PayloadType(99), Format::TelephoneEvent { clock_hz: 8_000 }),
    ];
    assert_eq!(negotiated.receive, receive);
    assert_eq!(negotiated.send, SendFormat::new(CodecKind::Pcmu));
}

#[test]
fn an_offer_in_full() {
    let local = LocalMedia { ip: "2001:db8::1".parse().unwrap(), ..local() };
    let expected = "v=0\r\n\
        o=- 77 3 IN IP6 2001:db8::1\r\n\
        s=-\r\n\
        c=IN IP6 2001:db8::1\r\n\
        t=0 0\r\n\
        m=audio 40000 RTP/AVP 8 0 101\r\n\
        a=rtpmap:8 PCMA/8000\r\n\
        a=rtpmap:0 PCMU/8000\r\n\
        a=rtpmap:101 telephone-event/8000\r\n\
        a=fmtp:101 0-15\r\n\
        a=ptime:20\r\n\
        a=maxptime:60\r\n\
        a=extmap:1/recvonly urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
        a=rtcp-mux\r\n\
        a=sendrecv\r\n";
    assert_eq!(offer(&local, &policy(&[CodecKind::Pcma, CodecKind::Pcmu])), expected);
}

#[test]
fn our_policy_orders_the_codecs_not_the_offer() {
    let offer = "c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0 8\n";
    for codecs in [[CodecKind::Pcmu, CodecKind::Pcma], [CodecKind::Pcma, CodecKind::Pcmu]] {
        let (_, negotiated) = answer(offer.as_bytes(), &local(), &policy(&codecs)).unwrap();
        assert_eq!(negotiated.send.codec, codecs[0]);
    }
    let only = answer(offer.as_bytes(), &local(), &policy(&[CodecKind::Pcma])).unwrap();
    assert_eq!(only.1.send.codec, CodecKind::Pcma);
    assert_eq!(answer(offer.as_bytes(), &local(), &policy(&[])), Err(Error::NoCommonCodec));
}

#[test]
fn a_strange_time_is_not_repeated() {
    for time in ["now later", "0", "0 0 0", "+1 2", "-1 0", ""] {
        let offer = format!("t={time}\nc=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\n");
        let (text, _) = answer(offer.as_bytes(), &local(), &OURS).unwrap();
        assert!(text.contains("\r\nt=0 0\r\n"), "{time}");
    }
}

#[test]
fn browsers_want_encryption_and_are_refused_cleanly() {
    for offer in BROWSER_OFFERS {
        assert_eq!(answer(offer.as_bytes(), &local(), &OURS), Err(Error::NoUsableMedia));
    }
}

#[test]
fn answers_to_our_offer_are_read_as_they_come() {
    let answer = |section: &str| {
        accept_answer(format!("v=0\nc=IN IP4 192.0.2.1\n{section}").as_bytes(), &local(), &OURS)
    };
    let accepted = |section: &str| answer(section).unwrap();

    let both = accepted("m=audio 4000 RTP/AVP 8 0 101\na=rtpmap:101 telephone-event/8000\n");
    assert_eq!((both.send.codec, both.payload_type), (CodecKind::Pcma, PayloadType(8)));
    assert_eq!((both.rtcp_mux, both.remote_rtcp.port()), (false, 4001));

    let muxed = accepted("m=audio 4000 RTP/AVP 0\na=rtcp-mux\na=rtcp:4001\n");
    assert_eq!((muxed.rtcp_mux, muxed.remote_rtcp.port()), (true, 4000));
    assert_eq!(muxed.dtmf_payload_type, None);

    // Renumbered: we send by the peer's numbers and hear by ours.
    let own = accepted(
        "m=audio 4000 RTP/AVP 96 97\na=rtpmap:96 PCMU/8000\na=rtpmap:97 telephone-event/8000\n",
    );
    assert_eq!((own.payload_type, own.dtmf_payload_type), (PayloadType(96), Some(PayloadType(97))));
    assert!(own.receive.contains(&(PayloadType(0), Format::Audio(CodecKind::Pcmu))));
    assert!(own.receive.contains(&(PayloadType(101), Format::TelephoneEvent { clock_hz: 8_000 })));

    let held = accepted("m=audio 4000 RTP/AVP 0\na=inactive\n");
    assert_eq!(held.direction, Direction::Inactive);
    let announcement = accepted("m=audio 4000 RTP/AVP 0\na=sendonly\n");
    assert_eq!(announcement.direction, Direction::RecvOnly);

    assert_eq!(answer("m=audio 0 RTP/AVP 0\n"), Err(Error::NoUsableMedia));
    assert_eq!(answer("m=audio 4000 RTP/AVP 9\n"), Err(Error::NoCommonCodec));
    assert_eq!(answer("m=audio 4000 RTP/SAVP 0\n"), Err(Error::NoUsableMedia));
    let offered = policy(&[CodecKind::Pcma]);
    let not_offered =
        accept_answer(b"c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\n", &local(), &offered);
    assert_eq!(not_offered, Err(Error::NoCommonCodec));
}

/// One edit of a description.
#[derive(Debug, Clone)]
enum Edit {
    Set(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Double(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let place = any::<prop::sample::Index>;
    let edit = prop_oneof![
        (place(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        place().prop_map(Edit::Cut),
        place().prop_map(Edit::Double),
        (place(), prop::collection::vec(any::<u8>(), 1..20))
            .prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
    ];
    prop::collection::vec(edit, 1..8)
}

fn edited(mut text: Vec<u8>, edits: Vec<Edit>) -> Vec<u8> {
    for edit in edits {
        let len = text.len() + 1;
        match edit {
            Edit::Set(at, byte) => {
                if let Some(place) = text.get_mut(at.index(len)) {
                    *place = byte;
                }
            }
            Edit::Cut(at) => text.truncate(at.index(len)),
            Edit::Double(at) => text.extend_from_within(at.index(len)..),
            Edit::Insert(at, bytes) => {
                let at = at.index(len);
                text.splice(at..at, bytes);
            }
        }
    }
    text
}

/// Whatever was offered, an answer must be one that we could read ourselves.
fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
    let all = Policy { comfort_noise: true, dtx: true, ..policy(&CodecKind::ALL) };
    for policy in [&*OURS, &all] {
        let _ = accept_answer(bytes, &local(), policy);
        let Ok((text, negotiated)) = answer(bytes, &local(), policy) else { continue };
        let offered = Description::parse(bytes).unwrap();
        let answered = Description::parse(text.as_bytes()).unwrap();
        prop_assert_eq!(offered.media.len(), answered.media.len());
        prop_assert!(!negotiated.direction.sends() || !negotiated.remote_rtp.ip().is_unspecified());
        let remote = negotiated.remote_rtp;
        prop_assert!(!remote.ip().is_multicast() && remote.port() != 0);
        let SendFormat { codec, ptime, opus } = negotiated.send;
        prop_assert!(codec.max_payload_bytes(ptime) < 1_400);
        prop_assert!((6_000..=128_000).contains(&opus.bitrate));
        let heard = accept_single(text.as_bytes(), policy);
        prop_assert_eq!(heard.map(|heard| heard.payload_type), Ok(negotiated.payload_type));
    }
    Ok(())
}

proptest! {
    #[test]
    fn edited_descriptions_are_answered_or_refused(
        row in any::<prop::sample::Index>(), edits in edits(),
    ) {
        let rows = rows();
        check(&edited(row.get(&rows).offer.clone().into_bytes(), edits))?;
    }

    #[test]
    fn edited_browser_offers_are_answered_or_refused(
        offer in prop::sample::select(&BROWSER_OFFERS[..]), edits in edits(),
    ) {
        let plain = offer.replace("UDP/TLS/RTP/SAVPF", "RTP/AVPF");
        check(&edited(plain.into_bytes(), edits))?;
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&bytes)?;
        check(&[b"c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\n", &bytes[..]].concat())?;
    }
}
