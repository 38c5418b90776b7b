//! Our own against libopus: what packets say, redundancy, pauses, packets of thirds, broken input.

use proptest::prelude::*;

use super::packet::Voice;
use super::*;
use crate::source::{file, tone};

const VOICE: OpusParams = OpusParams { fec: true, ..OpusParams::DEFAULT };

/// Five seconds of a man speaking.
fn speech(rate: SampleRate) -> Vec<i16> {
    let file = include_bytes!("../../../tests/data/audio/speech-a-16k.wav");
    file::decode_at(file, rate).unwrap().samples().to_vec()
}

/// A room without anybody in it, some 60 dB below full scale.
fn background(samples: usize) -> Vec<i16> {
    let mut noise = crate::codec::ComfortNoise::new();
    noise.update(&[62, 90]);
    let mut out = vec![0; samples];
    noise.fill(&mut out);
    out
}

fn encode(params: &OpusParams, ptime: Ptime, mix: SampleRate, pcm: &[i16]) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(params, ptime, mix).unwrap();
    pcm.chunks_exact(mix.samples(ptime))
        .map(|frame| {
            let mut payload = vec![0; CodecKind::Opus.max_payload_bytes(ptime)];
            let bytes = encoder.encode(frame, &mut payload);
            payload.truncate(bytes);
            payload
        })
        .collect()
}

#[test]
fn every_rate_and_ptime_gives_packets_of_that_length() {
    for hz in [8_000, 12_000, 16_000, 24_000, 48_000] {
        let mix = SampleRate::new(hz).unwrap();
        for (ptime, cbr) in Ptime::ALL.into_iter().flat_map(|p| [(p, false), (p, true)]) {
            let params = OpusParams { cbr, ..OpusParams::DEFAULT };
            let mut decoder = Decoder::new(mix).unwrap();
            let packets = encode(&params, ptime, mix, &speech(mix));
            for payload in &packets {
                assert_eq!(CodecKind::Opus.payload_units(payload), 48 * ptime.ms());
                let mut out = vec![0; mix.samples(ptime)];
                assert_eq!(decoder.decode(payload, &mut out), out.len());
            }
            if cbr {
                let bytes = packets[0].len();
                assert!(packets.iter().all(|payload| payload.len() == bytes), "{hz} {ptime:?}");
            }
        }
    }
    assert!(Encoder::new(&VOICE, Ptime::TICK, SampleRate::new(44_100).unwrap()).is_err());
    assert!(Decoder::new(SampleRate::new(44_100).unwrap()).is_err());
}

#[test]
fn thirds_of_a_packet_agree_while_modes_and_bands_change() {
    let (mix, ptime) = (SampleRate::FULL, Ptime::Ms30);
    let pcm = speech(mix);
    for dtx in [false, true] {
        let params = OpusParams { dtx, ..OpusParams::DEFAULT };
        let mut encoder = Encoder::new(&params, ptime, mix).unwrap();
        let (mut tocs, mut changes) = (Vec::new(), 0);
        for (bitrate, hz) in [
            (96_000, 48_000),
            (9_000, 8_000),
            (24_000, 48_000),
            (16_000, 12_000),
            (64_000, 48_000),
            (20_000, 24_000),
            (16_000, 8_000),
            (13_000, 16_000),
            (128_000, 24_000),
        ] {
            assert!(encoder.raw.set(Setting::Bitrate, bitrate));
            assert!(encoder.raw.set(Setting::MaxBandwidth, bandwidth(hz)));
            for frame in pcm.chunks_exact(mix.samples(ptime)) {
                let mut payload = [0; 1_275];
                let bytes = encoder.encode(frame, &mut payload);
                if bytes == 0 && dtx {
                    continue;
                }
                let packet = Packet::parse(&payload[..bytes]).unwrap();
                assert_eq!(packet.units(), 1_440);
                let toc = (format!("{:?}", packet.toc().mode()), packet.toc().bandwidth_hz());
                changes += usize::from(tocs.last().is_some_and(|last| *last != toc));
                tocs.push(toc);
            }
        }
        tocs.sort();
        tocs.dedup();
        assert!(changes >= 7 && tocs.len() >= 4, "{changes}: {tocs:?}");
        assert!(tocs[0].0 == "Celt" && tocs[tocs.len() - 1].0 == "Silk", "{tocs:?}");
    }
}

#[test]
fn a_stream_of_thirds_reaches_the_bandwidth_of_its_bitrate() {
    let mix = SampleRate::WIDE;
    let packets = encode(&OpusParams::DEFAULT, Ptime::Ms30, mix, &speech(mix));
    let last = Packet::parse(&packets[packets.len() - 1]).unwrap();
    assert_eq!(last.toc().bandwidth_hz(), 16_000);
}

#[test]
fn bandwidth_ends_where_the_peer_can_play_no_more() {
    for (hz, expected) in [(8_000, 8_000), (12_000, 12_000), (16_000, 16_000), (24_000, 24_000)] {
        let max_playback_rate = SampleRate::new(hz).unwrap();
        let params = OpusParams { max_playback_rate, bitrate: 48_000, ..OpusParams::DEFAULT };
        let mix = SampleRate::FULL;
        for payload in encode(&params, Ptime::TICK, mix, &speech(mix)) {
            let toc = Packet::parse(&payload).unwrap().toc();
            assert!(toc.bandwidth_hz() <= expected, "{hz}: {toc:?}");
        }
    }
}

#[test]
fn voice_flags_tell_speech_from_background() {
    for (mix, ptime) in [
        (SampleRate::NARROW, Ptime::Ms20),
        (SampleRate::WIDE, Ptime::Ms20),
        (SampleRate::FULL, Ptime::Ms20),
        (SampleRate::WIDE, Ptime::Ms10),
        (SampleRate::WIDE, Ptime::Ms30),
        (SampleRate::WIDE, Ptime::Ms40),
        (SampleRate::FULL, Ptime::Ms60),
    ] {
        let voices = |pcm: &[i16]| -> Vec<Voice> {
            let packets = encode(&VOICE, ptime, mix, pcm);
            packets.iter().map(|payload| Packet::parse(payload).unwrap().voice()).collect()
        };
        let share = |voices: &[Voice], voice| {
            voices.iter().filter(|&&is| is == voice).count() as f64 / voices.len() as f64
        };
        let said = speech(mix);
        let loud: Vec<bool> = said
            .chunks_exact(mix.samples(ptime))
            .map(|frame| crate::dsp::rms_dbfs(crate::dsp::energy(frame), frame.len()) > -30.0)
            .collect();
        let heard = voices(&said);
        let loud: Vec<_> =
            heard.iter().zip(loud).filter(|(_, loud)| *loud).map(|(v, _)| *v).collect();
        assert!(loud.len() > 40, "{}", loud.len());
        assert!(share(&loud, Voice::Active) > 0.95, "{mix:?} {ptime:?} {loud:?}");
        // The encoder learns in a second what background is.
        let quiet = voices(&background(5 * mix.hz() as usize));
        let quiet = &quiet[quiet.len() / 5..];
        assert!(share(quiet, Voice::Inactive) > 0.95, "{mix:?} {ptime:?} {quiet:?}");
    }
}

#[test]
fn flags_of_stereo_packets_are_those_libopus_reads() {
    let mix = SampleRate::FULL;
    let mut encoder =
        ::opus::Encoder::new(mix.hz(), ::opus::Channels::Stereo, ::opus::Application::Voip)
            .unwrap();
    encoder.set_inband_fec(true).unwrap();
    encoder.set_packet_loss_perc(20).unwrap();
    encoder.set_bitrate(::opus::Bitrate::Bits(40_000)).unwrap();
    encoder.set_force_channels(Some(::opus::Channels::Stereo)).unwrap();
    let both: Vec<i16> = speech(mix).iter().flat_map(|&left| [left, left / 2]).collect();
    for samples in [480, 960, 1_920, 2_880] {
        let mut seen = [0, 0];
        for frame in both.chunks_exact(2 * samples) {
            let payload = encoder.encode_vec(frame, 1_275).unwrap();
            let packet = Packet::parse(&payload).unwrap();
            assert_eq!(packet.has_redundancy(), raw::has_redundancy(&payload));
            seen[usize::from(packet.has_redundancy())] += 1;
        }
        assert!(seen[0] > 5 && seen[1] > 20, "{samples}: {seen:?}");
    }
}

#[test]
fn silence_in_celt_is_told_by_its_first_symbol() {
    let mix = SampleRate::FULL;
    let mut encoder =
        ::opus::Encoder::new(mix.hz(), ::opus::Channels::Mono, ::opus::Application::LowDelay)
            .unwrap();
    let mut voice = |frame: &[i16]| {
        let payload = encoder.encode_vec(frame, 1_275).unwrap();
        Packet::parse(&payload).unwrap().voice()
    };
    let tone = tone::sine(mix, 440.0, -20.0, 960);
    assert_eq!(voice(&tone), Voice::Unknown);
    let voices: Vec<_> = (0..20).map(|_| voice(&[0; 960])).collect();
    assert_eq!(voices[10..], [Voice::Absent; 10]);
    assert_eq!(voice(&tone), Voice::Unknown);
}

#[test]
fn a_lost_packet_is_recovered_from_the_next_better_than_made_up() {
    for (mix, ptime) in [
        (SampleRate::WIDE, Ptime::Ms20),
        (SampleRate::FULL, Ptime::Ms20),
        (SampleRate::WIDE, Ptime::Ms60),
        (SampleRate::NARROW, Ptime::Ms40),
    ] {
        let samples = mix.samples(ptime);
        let packets = encode(&VOICE, ptime, mix, &speech(mix));
        let mut whole = Decoder::new(mix).unwrap();
        let (mut with, mut without) = (Decoder::new(mix).unwrap(), Decoder::new(mix).unwrap());
        let (mut signal, mut recovered, mut concealed) = (0.0, 0.0, 0.0);
        for (n, payload) in packets.iter().enumerate() {
            let mut frames = [vec![0; samples], vec![0; samples], vec![0; samples]];
            let [reference, fec, plc] = &mut frames;
            whole.decode(payload, reference);
            let next = packets.get(n + 1).filter(|next| raw::has_redundancy(next));
            if let Some(next) = next.filter(|_| n % 5 == 4) {
                assert!(with.decode_fec(next, fec));
                assert!(without.conceal(plc));
                signal += distance(reference, &vec![0; samples]);
                recovered += distance(reference, fec);
                concealed += distance(reference, plc);
            } else {
                with.decode(payload, fec);
                without.decode(payload, plc);
            }
        }
        let (fec_db, plc_db) = (snr_db(signal, recovered), snr_db(signal, concealed));
        assert!(fec_db > plc_db + 3.0, "{mix:?} {ptime:?}: {fec_db} against {plc_db}");
    }
}

fn distance(one: &[i16], other: &[i16]) -> f64 {
    one.iter().zip(other).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum()
}

fn snr_db(signal: f64, noise: f64) -> f64 {
    10.0 * (signal / noise).log10()
}

#[test]
fn redundancy_is_not_made_up() {
    let mix = SampleRate::WIDE;
    let plain = encode(&OpusParams::DEFAULT, Ptime::TICK, mix, &speech(mix));
    let mut decoder = Decoder::new(mix).unwrap();
    let mut out = [0; 320];
    for payload in &plain {
        assert!(!decoder.decode_fec(payload, &mut out));
        decoder.decode(payload, &mut out);
    }
    let redundant = encode(&VOICE, Ptime::TICK, mix, &speech(mix));
    let payload = redundant.iter().find(|payload| raw::has_redundancy(payload)).unwrap();
    assert!(!decoder.decode_fec(payload, &mut out[..319]));
    assert!(!decoder.decode_fec(payload, &mut []));
    assert!(!decoder.conceal(&mut [0; 16_000]));
    assert!(decoder.decode_fec(payload, &mut out));
}

#[test]
fn packets_longer_than_the_room_for_them_are_refused() {
    let mix = SampleRate::FULL;
    let packets = encode(&VOICE, Ptime::Ms60, mix, &speech(mix));
    let mut decoder = Decoder::new(mix).unwrap();
    assert_eq!(decoder.decode(&packets[20], &mut [0; 2_879]), 0);
    assert_eq!(decoder.decode(&packets[20], &mut []), 0);
    assert_eq!(decoder.decode(&[], &mut [0; 960]), 0);
    assert_eq!(decoder.decode(&packets[20], &mut [0; 5_760]), 2_880);
    let mut encoder = Encoder::new(&VOICE, Ptime::Ms30, mix).unwrap();
    assert_eq!(encoder.encode(&speech(mix)[..1_440], &mut [0; 5]), 0);
    assert_eq!(encoder.encode(&[], &mut [0; 1_275]), 0);
}

#[test]
fn discontinuous_transmission_sends_next_to_nothing_in_pauses() {
    let silence = |samples| vec![0; samples];
    // The encoder tells background from speech well from complexity 7 and 16 kHz on: below, noise
    // passes for speech now and then, and each time is followed by 200 ms that are sent.
    for (mix, pause) in [
        (SampleRate::NARROW, silence as fn(usize) -> Vec<i16>),
        (SampleRate::WIDE, silence),
        (SampleRate::WIDE, background),
        (SampleRate::FULL, background),
    ] {
        for ptime in [Ptime::Ms20, Ptime::Ms30, Ptime::Ms60] {
            let params = OpusParams { dtx: true, complexity: 7, ..VOICE };
            let pcm = [speech(mix), pause(6 * mix.hz() as usize), speech(mix)].concat();
            let packets = encode(&params, ptime, mix, &pcm);
            let sent = |from: usize, to: usize| {
                let number = |second: usize| second * 1_000 / ptime.ms() as usize;
                let range = &packets[number(from)..number(to)];
                range.iter().filter(|payload| !payload.is_empty()).count()
            };
            // One in 400 ms tells what the background is.
            assert!((9..=10).contains(&sent(7, 11)), "{mix:?} {ptime:?}: {}", sent(7, 11));
            let all = 4_000 / ptime.ms() as usize;
            assert!(sent(11, 15) > all * 9 / 10, "{mix:?} {ptime:?}: {} of {all}", sent(11, 15));
        }
    }
}

proptest! {
    #[test]
    fn packets_are_taken_apart_as_libopus_does(
        payload in proptest::collection::vec(any::<u8>(), 1..40),
    ) {
        compare_with_libopus(&payload)?;
    }

    #[test]
    fn long_packets_with_counts_and_padding_are_too(
        toc in any::<u8>(), count in any::<u8>(), sizes in proptest::collection::vec(any::<u8>(), 1..8),
        body in 0..3_000usize,
    ) {
        let payload = [&[toc | 3, count][..], &sizes, &vec![0x55; body]].concat();
        compare_with_libopus(&payload)?;
    }

    #[test]
    fn no_packet_breaks_a_decoder(
        payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 1..12),
        room in 0..6_000usize,
    ) {
        let mut decoder = Decoder::new(SampleRate::FULL).unwrap();
        let mut out = vec![0; room];
        for payload in &payloads {
            let units = CodecKind::Opus.payload_units(payload) as usize;
            let decoded = decoder.decode(payload, &mut out);
            prop_assert!(decoded == 0 || decoded == units);
            decoder.decode_fec(payload, &mut out);
        }
    }
}

fn compare_with_libopus(payload: &[u8]) -> Result<(), TestCaseError> {
    let theirs = ::opus::packet::parse(payload).ok();
    let ours = Packet::parse(payload);
    prop_assert_eq!(ours.is_some(), theirs.is_some());
    if let (Some(ours), Some(theirs)) = (ours, theirs) {
        prop_assert_eq!(ours.frames().collect::<Vec<_>>(), theirs.frames);
        let units = ::opus::packet::get_nb_samples(payload, 48_000).unwrap();
        prop_assert_eq!(ours.units() as usize, units);
        prop_assert_eq!(ours.has_redundancy(), raw::has_redundancy(payload));
    }
    Ok(())
}
