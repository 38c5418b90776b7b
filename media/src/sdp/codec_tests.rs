//! Every codec: the table `tests/data/sdp/codecs.txt`, and our offers answered by ourselves in every
//! choice and order of codecs.

use std::fmt::Write;

use super::*;
use crate::codec::{CodecKind, OpusParams, SendFormat};
use crate::rtp::PayloadType;
use crate::sdp::tests::without_declined;
use crate::sdp::wire::Description;
use crate::time::{Ptime, SampleRate};

const TABLE: &str = include_str!("../../tests/data/sdp/codecs.txt");

fn everything() -> Policy {
    Policy {
        opus: OpusParams { bitrate: 32_000, fec: true, ..OpusParams::DEFAULT },
        comfort_noise: true,
        dtx: true,
        ..Policy::new(CodecKind::ALL)
    }
}

fn local(host: u8, port: u16) -> LocalMedia {
    LocalMedia::new([198, 51, 100, host].into(), port, 77)
}

/// A number, or `-`.
fn or_dash(number: Option<u8>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| number.to_string())
}

/// A result in the notation of the table.
fn written(text: &str, negotiated: &Negotiated) -> String {
    let SendFormat { codec, ptime, opus } = negotiated.send;
    let mut out = format!(
        "{} {} {}ms events {}/{} cn {} level {}",
        codec.name(),
        negotiated.payload_type.0,
        ptime.ms(),
        or_dash(negotiated.dtmf_payload_type.map(|number| number.0)),
        negotiated.dtmf_clock_hz,
        or_dash(negotiated.comfort_noise.map(|number| number.0)),
        or_dash(negotiated.level_extension),
    );
    if codec == CodecKind::Opus {
        write!(out, " {}", opus.bitrate).unwrap();
        for (name, is_set) in [(" fec", opus.fec), (" dtx", opus.dtx), (" cbr", opus.cbr)] {
            out.push_str(if is_set { name } else { "" });
        }
        write!(out, " {}", opus.max_playback_rate.hz()).unwrap();
    } else {
        assert_eq!(opus, OpusParams::DEFAULT);
    }
    for line in text.lines().filter(|line| line.starts_with("m=")) {
        write!(out, "\n{line}").unwrap();
    }
    let format = |&(PayloadType(number), format): &(PayloadType, Format)| match format {
        Format::Audio(codec) => format!("{number} {}", codec.name()),
        Format::TelephoneEvent { clock_hz } => format!("{number} events/{clock_hz}"),
        Format::ComfortNoise => format!("{number} cn"),
    };
    let receives: Vec<_> = negotiated.receive.iter().map(format).collect();
    write!(out, "\nreceives {}", receives.join(", ")).unwrap();
    out
}

#[test]
fn browsers_and_phones_get_the_best_codec_both_have() {
    let mut rows = 0;
    for block in TABLE.split("## ").skip(1) {
        let (name, rest) = block.split_once('\n').unwrap();
        let (offer, expected) = rest.split_once("=> ").unwrap();
        let (text, negotiated) =
            answer(offer.as_bytes(), &local(1, 40_000), &everything()).expect(name);
        assert_eq!(written(&text, &negotiated), expected.trim_end(), "{name}");
        // What we wrote means to us what it meant when we wrote it.
        let heard = accept_answer(&without_declined(text.as_bytes()), &local(1, 1), &everything())
            .expect(name);
        assert_eq!(heard.send.codec, negotiated.send.codec, "{name}");
        assert_eq!(heard.send.ptime, negotiated.send.ptime, "{name}");
        assert_eq!(heard.dtmf_payload_type, negotiated.dtmf_payload_type, "{name}");
        assert_eq!(heard.comfort_noise, negotiated.comfort_noise, "{name}");
        // We do not send levels, so nobody is to expect them.
        assert_eq!(heard.level_extension, None, "{name}");
        rows += 1;
    }
    assert_eq!(rows, 21);
}

#[test]
fn recorded_browser_offers_are_answered_once_their_encryption_is_off() {
    for offer in [
        include_str!("../../tests/data/sdp/browser/jssip-offer.sdp"),
        include_str!("../../tests/data/sdp/browser/sipjs-offer.sdp"),
        include_str!("../../tests/data/sdp/browser/jssip-hold-reoffer.sdp"),
        include_str!("../../tests/data/sdp/browser/chromium-audio-video-data-offer.sdp"),
    ] {
        let plain = offer.replace("UDP/TLS/RTP/SAVPF", "RTP/AVPF");
        let (text, agreed) = answer(plain.as_bytes(), &local(1, 40_000), &everything()).unwrap();
        let opus = OpusParams { bitrate: 32_000, fec: true, ..OpusParams::DEFAULT };
        assert_eq!(agreed.send, SendFormat { opus, ..SendFormat::new(CodecKind::Opus) });
        assert_eq!(agreed.payload_type, PayloadType(111));
        assert_eq!(
            (agreed.dtmf_payload_type, agreed.dtmf_clock_hz),
            (Some(PayloadType(110)), 48_000)
        );
        let events = Format::TelephoneEvent { clock_hz: 8_000 };
        assert!(agreed.receive.contains(&(PayloadType(126), events)));
        let expected = "a=rtpmap:111 opus/48000/2\r\n\
            a=fmtp:111 minptime=10;maxaveragebitrate=32000;useinbandfec=1;usedtx=1;sprop-stereo=0\r\n\
            a=rtpmap:110 telephone-event/48000\r\na=fmtp:110 0-15\r\na=ptime:20\r\na=maxptime:60\r\n";
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn our_offer_of_everything_in_full() {
    let text = offer(&local(1, 40_000), &everything());
    let expected = "v=0\r\n\
        o=- 77 1 IN IP4 198.51.100.1\r\n\
        s=-\r\n\
        c=IN IP4 198.51.100.1\r\n\
        t=0 0\r\n\
        m=audio 40000 RTP/AVP 96 9 0 8 97 98 13 99 101 100\r\n\
        a=rtpmap:96 opus/48000/2\r\n\
        a=fmtp:96 minptime=10;maxaveragebitrate=32000;useinbandfec=1;usedtx=1;sprop-stereo=0\r\n\
        a=rtpmap:9 G722/8000\r\n\
        a=rtpmap:0 PCMU/8000\r\n\
        a=rtpmap:8 PCMA/8000\r\n\
        a=rtpmap:97 L16/16000\r\n\
        a=rtpmap:98 L16/8000\r\n\
        a=rtpmap:13 CN/8000\r\n\
        a=rtpmap:99 telephone-event/48000\r\n\
        a=fmtp:99 0-15\r\n\
        a=rtpmap:101 telephone-event/8000\r\n\
        a=fmtp:101 0-15\r\n\
        a=rtpmap:100 telephone-event/16000\r\n\
        a=fmtp:100 0-15\r\n\
        a=ptime:20\r\n\
        a=maxptime:60\r\n\
        a=extmap:1/recvonly urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
        a=rtcp-mux\r\n\
        a=sendrecv\r\n";
    assert_eq!(text, expected);
}

/// Every choice of codecs in every order.
fn orders(codecs: &[CodecKind]) -> Vec<Vec<CodecKind>> {
    let mut all = vec![vec![]];
    for &first in codecs {
        let others: Vec<_> = codecs.iter().copied().filter(|&codec| codec != first).collect();
        all.extend(orders(&others).into_iter().map(|rest| [vec![first], rest].concat()));
    }
    all
}

#[test]
fn our_offer_answered_by_ourselves_agrees_for_every_choice_and_order_of_codecs() {
    let choices = orders(&CodecKind::ALL);
    assert_eq!(choices.len(), 1_957);
    // The answerer's own order, and one that turns it round.
    let policies = [everything(), {
        let mut reversed = everything();
        reversed.codecs.reverse();
        Policy { comfort_noise: false, ptime: Some(Ptime::Ms40), ..reversed }
    }];
    for codecs in choices {
        let caller = Policy { codecs, ..everything() };
        let offered = offer(&local(1, 20_000), &caller);
        for policy in &policies {
            let answered = answer(offered.as_bytes(), &local(2, 40_000), policy);
            let Some(best) = policy.codecs.iter().find(|codec| caller.codecs.contains(codec))
            else {
                assert_eq!(answered, Err(Error::NoCommonCodec));
                continue;
            };
            let (text, callee) = answered.unwrap();
            let agreed = accept_answer(text.as_bytes(), &local(1, 1), &caller).unwrap();
            assert_eq!((callee.send.codec, agreed.send.codec), (*best, *best));
            // The offer asks for 20 ms; the answer asks for what it sends.
            assert_eq!((callee.send.ptime, agreed.send.ptime), (Ptime::Ms20, Ptime::Ms20));
            assert_eq!(callee.send.opus, agreed.send.opus);
            assert_eq!(callee.payload_type, agreed.payload_type);
            assert_eq!(
                (callee.dtmf_clock_hz, agreed.dtmf_clock_hz),
                (best.clock_hz(), best.clock_hz())
            );
            assert!(agreed.dtmf_payload_type.is_some());
            assert_eq!(callee.dtmf_payload_type, agreed.dtmf_payload_type);
            let quiet = policy.comfort_noise && best.clock_hz() == 8_000;
            assert_eq!(callee.comfort_noise, quiet.then_some(PayloadType(13)));
            assert_eq!(callee.comfort_noise, agreed.comfort_noise);
            // Whatever one side sends, the other can receive under the same number.
            for (from, to) in [(&callee, &agreed), (&agreed, &callee)] {
                let events = Format::TelephoneEvent { clock_hz: from.dtmf_clock_hz };
                let sent = [(from.payload_type, Format::Audio(from.send.codec))]
                    .into_iter()
                    .chain(from.dtmf_payload_type.map(|number| (number, events)))
                    .chain(from.comfort_noise.map(|number| (number, Format::ComfortNoise)));
                assert!(sent.into_iter().all(|format| to.receive.contains(&format)));
            }
        }
    }
}

#[test]
fn numbers_are_given_once_whatever_is_offered() {
    for codecs in orders(&CodecKind::ALL) {
        let policy = Policy { codecs, ..everything() };
        let text = offer(&local(1, 20_000), &policy);
        let description = Description::parse(text.as_bytes()).unwrap();
        let mut numbers = description.media[0].formats.clone();
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count, "{text}");
        let clocks: std::collections::BTreeSet<_> =
            policy.codecs.iter().map(|codec| codec.clock_hz()).collect();
        assert_eq!(text.matches("telephone-event/").count(), clocks.len());
        assert!(clocks.iter().all(|hz| text.contains(&format!(" telephone-event/{hz}\r\n"))));
    }
}

#[test]
fn the_answer_to_our_offer_says_how_we_send() {
    let accepted = |lines: &str| {
        let text = format!("c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP {lines}");
        accept_answer(text.as_bytes(), &local(1, 1), &everything()).unwrap()
    };
    let opus = accepted(
        "96 99\na=rtpmap:96 opus/48000/2\na=fmtp:96 maxplaybackrate=24000;usedtx=1\n\
         a=rtpmap:99 telephone-event/48000\na=ptime:60\na=extmap:1/sendonly \
         urn:ietf:params:rtp-hdrext:ssrc-audio-level\n",
    );
    assert_eq!(opus.send.ptime, Ptime::Ms60);
    assert_eq!(opus.send.opus.max_playback_rate, SampleRate::new(24_000).unwrap());
    assert!(opus.send.opus.dtx && !opus.send.opus.fec);
    assert_eq!((opus.level_extension, opus.dtmf_clock_hz), (Some(1), 48_000));
    assert_eq!(opus.receive, offer::Numbering::default().offered(&everything()));
    // A level that we shall not hear is none.
    let deaf = accepted("0\na=extmap:1/inactive urn:ietf:params:rtp-hdrext:ssrc-audio-level\n");
    assert_eq!((deaf.level_extension, deaf.comfort_noise), (None, None));
    let unasked = Policy { level_extension: false, comfort_noise: false, ..everything() };
    let text = "c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0 13\n\
        a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\n";
    let agreed = accept_answer(text.as_bytes(), &local(1, 1), &unasked).unwrap();
    assert_eq!((agreed.level_extension, agreed.comfort_noise), (None, None));
}
