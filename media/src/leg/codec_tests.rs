//! A leg of any codec: clocks, changes between them, silence descriptors, levels, digits at each
//! clock, and what RTCP makes of it.

use super::tests::{Call, PEER, at, negotiated};
use super::*;
use crate::rtcp::{self, Item, parse};
use crate::rtp::MAX_DATAGRAM_BYTES;
use crate::time::NtpTime;

const OPUS: PayloadType = PayloadType(111);
const DIGITS: PayloadType = PayloadType(110);

/// Agreed on Opus, with all else that may arrive beside it.
fn opus() -> Negotiated {
    let events = |clock_hz| Format::TelephoneEvent { clock_hz };
    Negotiated {
        send: SendFormat::new(CodecKind::Opus),
        payload_type: OPUS,
        dtmf_payload_type: Some(DIGITS),
        dtmf_clock_hz: 48_000,
        comfort_noise: Some(PayloadType(13)),
        level_extension: Some(1),
        receive: vec![
            (OPUS, Format::Audio(CodecKind::Opus)),
            (PayloadType(0), Format::Audio(CodecKind::Pcmu)),
            (PayloadType(96), Format::Audio(CodecKind::L16Wide)),
            (PayloadType(13), Format::ComfortNoise),
            (DIGITS, events(48_000)),
            (PayloadType(126), events(8_000)),
        ],
        ..negotiated(PEER)
    }
}

fn opus_call() -> Call {
    let mut call = Call::new();
    call.leg.negotiate(&opus());
    call
}

/// What the leg makes of a packet of this type, `units` after the one before.
fn hear(call: &mut Call, payload_type: u8, units: u32, payload: &[u8]) -> Result<Heard, Ignored> {
    let mut bytes = call.datagram(payload_type, payload);
    call.timestamp = call.timestamp.wrapping_add(units).wrapping_sub(160);
    match call.leg.handle_rtp(call.now, at(PEER), &mut bytes) {
        Received::Audio(packet) => Ok((packet.codec, packet.content, packet.level)),
        Received::Ignored(reason) => Err(reason),
        other => panic!("{other:?}"),
    }
}

type Heard = (CodecKind, Content, Option<AudioLevel>);

/// Payload type, timestamp and marker of what the leg writes.
fn write(
    call: &mut Call,
    payload: &[u8],
    units: u32,
    noise: bool,
) -> Option<(PayloadType, u32, bool, Vec<u8>)> {
    let mut out = [0; MAX_DATAGRAM_BYTES];
    let sent = if noise {
        call.leg.write_comfort_noise(call.now, payload, units, &mut out)
    } else {
        call.leg.write_rtp(call.now, payload, units, &mut out)
    };
    let packet = Packet::parse(&out[..sent?.len]).unwrap();
    let Packet { payload_type, marker, timestamp, payload, .. } = packet;
    Some((payload_type, timestamp.0, marker, payload.to_vec()))
}

#[test]
fn any_negotiated_codec_is_heard_at_any_packet_and_jitter_counts_in_its_clock() {
    let mut call = opus_call();
    let rows =
        [(111, 960, CodecKind::Opus), (0, 160, CodecKind::Pcmu), (96, 320, CodecKind::L16Wide)];
    for round in 0..3 {
        for (number, units, codec) in rows {
            for _ in 0..50 {
                let heard = hear(&mut call, number, units, &[1, 2]);
                assert_eq!(heard, Ok((codec, Content::Speech, None)), "round {round}");
            }
            let stats = call.leg.stats();
            assert_eq!((stats.jitter, stats.hears), (Duration::ZERO, Some(codec)));
        }
    }
    let stats = call.leg.stats();
    assert_eq!((stats.packets_lost, stats.rejected.total()), (0, 0));
    assert_eq!((stats.send, stats.clock_hz), (Some(opus().send), 48_000));
}

#[test]
fn jitter_of_a_wide_clock_is_told_as_time() {
    let mut call = opus_call();
    for n in 0..1_000u64 {
        let mut bytes = call.datagram(111, &[1]);
        call.timestamp = call.timestamp.wrapping_add(800);
        let late = Duration::from_millis(if n % 2 == 0 { 10 } else { 0 });
        let _ = call.leg.handle_rtp(call.now + late, at(PEER), &mut bytes);
    }
    let jitter = call.leg.stats().jitter;
    assert!((9_400..=10_000).contains(&jitter.as_micros()), "{jitter:?}");
}

#[test]
fn silence_descriptors_stand_in_for_the_codec_heard_last() {
    let mut call = opus_call();
    assert_eq!(hear(&mut call, 0, 160, &[1; 160]).map(|heard| heard.0), Ok(CodecKind::Pcmu));
    let noise = hear(&mut call, 13, 160, &[60]);
    assert_eq!(noise, Ok((CodecKind::Pcmu, Content::ComfortNoise, None)));
    assert_eq!(hear(&mut call, 13, 160, &[]), Err(Ignored::Empty));
}

#[test]
fn silence_descriptors_are_sent_where_agreed_and_the_speech_after_them_is_marked() {
    let mut call = Call::new();
    assert!(!call.leg.takes_comfort_noise());
    assert_eq!(write(&mut call, &[60], 160, true), None);
    call.leg.negotiate(&Negotiated { comfort_noise: Some(PayloadType(13)), ..negotiated(PEER) });
    assert!(call.leg.takes_comfort_noise());
    let speech = |timestamp, marker| Some((PayloadType(0), timestamp, marker, vec![7]));
    assert_eq!(write(&mut call, &[7], 160, false), speech(5_160, true));
    let noise = Some((PayloadType(13), 5_320, false, vec![60]));
    assert_eq!(write(&mut call, &[60], 160, true), noise);
    assert_eq!(write(&mut call, &[7], 160, false), speech(5_480, true));
    assert_eq!(write(&mut call, &[7], 160, false), speech(5_640, false));
}

#[test]
fn levels_are_read_where_agreed() {
    let with_level = |call: &mut Call| {
        let plain = call.datagram(111, &[9]);
        let (header, payload) = plain.split_at(12);
        let extension = [0xbe, 0xde, 0, 1, 0x10, 0x80 | 42, 0, 0];
        let mut bytes = [header, &extension, payload].concat();
        bytes[0] |= 0x10;
        match call.leg.handle_rtp(call.now, at(PEER), &mut bytes) {
            Received::Audio(packet) => (packet.level, packet.payload.to_vec()),
            other => panic!("{other:?}"),
        }
    };
    let level = AudioLevel { below_dbov: 42, voice: true };
    let mut call = opus_call();
    assert_eq!(with_level(&mut call), (Some(level), vec![9]));
    assert_eq!(hear(&mut call, 111, 960, &[9]).map(|heard| heard.2), Ok(None));
    call.leg.negotiate(&Negotiated { level_extension: None, ..opus() });
    assert_eq!(with_level(&mut call), (None, vec![9]));
    call.leg.negotiate(&Negotiated { level_extension: Some(2), ..opus() });
    assert_eq!(with_level(&mut call), (None, vec![9]));
}

#[test]
fn a_change_of_codec_continues_sequence_and_timestamp_in_the_new_clock() {
    let mut call = Call::new();
    let mut sent = Vec::new();
    let mut say = |call: &mut Call, units| {
        let mut out = [0; MAX_DATAGRAM_BYTES];
        let transmit = call.leg.write_rtp(call.now, &[1; 8], units, &mut out).unwrap();
        let packet = Packet::parse(&out[..transmit.len]).unwrap();
        sent.push((packet.ssrc.0, packet.seq.0, packet.timestamp.0, packet.marker));
    };
    say(&mut call, 160);
    say(&mut call, 160);
    call.leg.negotiate(&opus());
    say(&mut call, 960);
    say(&mut call, 960);
    call.leg.negotiate(&negotiated(PEER));
    say(&mut call, 160);
    say(&mut call, 160);
    let expected = [
        (0x5eed, 100, 5_000, true),
        (0x5eed, 101, 5_160, false),
        (0x5eed, 102, 5_320, false),
        (0x5eed, 103, 6_280, false),
        (0x5eed, 104, 7_240, false),
        (0x5eed, 105, 7_400, false),
    ];
    assert_eq!(sent, expected);
}

#[test]
fn nothing_to_say_sends_nothing_but_keys_all_the_same() {
    let mut call = opus_call();
    assert_eq!(write(&mut call, &[], 960, false), None);
    call.leg.send_digits("8", Duration::from_millis(40), Duration::ZERO).unwrap();
    let digits: Vec<_> = (0..6).map(|_| write(&mut call, &[], 960, false)).collect();
    let numbers: Vec<_> = digits.iter().map(|sent| sent.as_ref().map(|sent| sent.0)).collect();
    assert_eq!(numbers, [Some(DIGITS), Some(DIGITS), Some(DIGITS), Some(DIGITS), None, None]);
    assert!(digits.iter().flatten().all(|sent| sent.1 == 5_960), "the timestamp of the press");
    call.leg.skip(1_920);
    let after = write(&mut call, &[3], 960, false);
    assert_eq!(after, Some((OPUS, 5_960 + 6 * 960 + 1_920, true, vec![3])));
}

/// Two legs that agreed on each other.
#[test]
fn keys_last_as_long_as_pressed_at_every_clock_and_packet_time() {
    let codecs = [CodecKind::Opus, CodecKind::L16Wide, CodecKind::Pcma];
    for (codec, events) in codecs.into_iter().flat_map(|c| [48_000, 16_000, 8_000].map(|e| (c, e)))
    {
        for ms in [10, 20, 30, 40, 60] {
            let agreed = Negotiated {
                send: SendFormat::new(codec),
                payload_type: PayloadType(99),
                dtmf_clock_hz: events,
                receive: vec![
                    (PayloadType(99), Format::Audio(codec)),
                    (PayloadType(101), Format::TelephoneEvent { clock_hz: events }),
                ],
                ..negotiated(PEER)
            };
            let (mut from, mut to) = (Call::new(), Call::new());
            from.leg.negotiate(&agreed);
            to.leg.negotiate(&agreed);
            // The second is longer than the duration field at 48 kHz.
            let (short, long) = (Duration::from_millis(85), Duration::from_millis(2_345));
            from.leg.send_digits("4", short, Duration::from_millis(70)).unwrap();
            from.leg.send_digits("2", long, Duration::from_millis(70)).unwrap();
            let units = codec.clock_hz() / 1_000 * ms;
            let (mut now, mut heard) = (crate::sim::epoch(), Vec::new());
            let mut out = [0; MAX_DATAGRAM_BYTES];
            for _ in 0..4_000 / ms {
                now += Duration::from_millis(u64::from(ms));
                let sent = from.leg.write_rtp(now, &[1; 4], units, &mut out).unwrap();
                to.leg.handle_rtp(now, at(PEER), &mut out[..sent.len]);
                while let Some(digit) = to.leg.poll_digit(now) {
                    heard.push((digit.digit.as_char(), digit.duration));
                }
            }
            assert_eq!(heard, [('4', short), ('2', long)], "{codec:?} {events} {ms}");
        }
    }
}

#[test]
fn a_lost_end_of_a_key_is_made_up_by_the_audio_after_it() {
    let mut call = opus_call();
    hear(&mut call, 111, 960, &[1]).unwrap();
    let began = call.timestamp;
    for duration in [960, 1_920] {
        let event = crate::dtmf::EventPayload { code: 9, end: false, volume: 10, duration };
        let mut bytes = call.datagram(110, &event.to_bytes());
        call.timestamp = began;
        assert_eq!(call.leg.handle_rtp(call.now, at(PEER), &mut bytes), Received::TelephoneEvent);
    }
    call.timestamp = began + 7 * 960; // its three end packets are lost
    hear(&mut call, 111, 960, &[1]).unwrap();
    let digit = call.leg.poll_digit(call.now).unwrap();
    assert_eq!((digit.digit.as_char(), digit.duration), ('9', Duration::from_millis(40)));
}

/// The kind of each report that the leg sends within `seconds`, speaking or not.
fn reports(call: &mut Call, seconds: u32, speaks: bool) -> Vec<&'static str> {
    let mut kinds = Vec::new();
    let mut out = [0; MAX_DATAGRAM_BYTES];
    for _ in 0..seconds * 50 {
        call.now += Duration::from_millis(20);
        let payload: &[u8] = if speaks { &[1] } else { &[] };
        call.leg.write_rtp(call.now, payload, 960, &mut out);
        if let Some(sent) = call.leg.poll_rtcp(call.now, NtpTime(1 << 40), &mut out) {
            let first = parse(&out[..sent.len]).unwrap().next();
            kinds.push(match first {
                Some(Item::SenderReport { .. }) => "SR",
                Some(Item::ReceiverReport { .. }) => "RR",
                other => panic!("{other:?}"),
            });
        }
    }
    kinds
}

#[test]
fn who_has_sent_since_the_report_before_the_last_is_a_sender() {
    let mut call = opus_call();
    assert!(reports(&mut call, 30, false).iter().all(|kind| *kind == "RR"));
    let speaking = reports(&mut call, 60, true);
    assert!(speaking.len() >= 8 && speaking.iter().all(|kind| *kind == "SR"), "{speaking:?}");
    let silent = reports(&mut call, 60, false);
    // Spoken since the last one, then since the one before it, then no more.
    let senders = silent.iter().take_while(|kind| **kind == "SR").count();
    assert_eq!(senders, 2, "{silent:?}");
    assert!(silent.iter().skip(senders).all(|kind| *kind == "RR"));
}

#[test]
fn a_report_speaks_only_of_what_came_since_the_last() {
    let mut call = opus_call();
    for _ in 0..10 {
        hear(&mut call, 111, 960, &[1]).unwrap();
    }
    let blocks = |call: &mut Call| {
        let mut out = [0; MAX_DATAGRAM_BYTES];
        loop {
            call.now += Duration::from_millis(20);
            let Some(sent) = call.leg.poll_rtcp(call.now, NtpTime(1 << 40), &mut out) else {
                continue;
            };
            match parse(&out[..sent.len]).unwrap().next() {
                Some(Item::ReceiverReport { blocks, .. }) => return blocks.count(),
                other => panic!("{other:?}"),
            }
        }
    };
    assert_eq!(blocks(&mut call), 1);
    assert_eq!(blocks(&mut call), 0);
    hear(&mut call, 111, 960, &[1]).unwrap();
    assert_eq!(blocks(&mut call), 1);
}

#[test]
fn who_never_sent_says_no_goodbye() {
    let mut call = opus_call();
    let mut out = [0; MAX_DATAGRAM_BYTES];
    assert_eq!(call.leg.write_bye(call.now, NtpTime(0), &mut out), None);
    write(&mut call, &[1], 960, false).unwrap();
    assert!(call.leg.write_bye(call.now, NtpTime(0), &mut out).is_some());
}

#[test]
fn the_peers_report_is_told_as_time_and_share() {
    let mut call = opus_call();
    let block = rtcp::ReportBlock {
        ssrc: Ssrc(0x5eed),
        fraction_lost: 64,
        cumulative_lost: 9,
        highest_seq: 100,
        jitter: 480,
        last_sr: 0,
        delay_since_last_sr: 0,
    };
    let report = rtcp::Report { ssrc: Ssrc(1), sender: None, block: Some(block), cname: "x" };
    let mut bytes = [0; 200];
    let len = rtcp::write_report(&report, &mut bytes).unwrap();
    assert!(call.leg.handle_rtcp(call.now, at("192.0.2.1:4001"), &mut bytes[..len]));
    let told = call.leg.stats().remote_report.unwrap();
    assert_eq!((told.loss(), told.cumulative_lost), (0.25, 9));
    assert_eq!(told.jitter, Duration::from_millis(10));
}
