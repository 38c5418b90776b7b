//! What is heard of speech through Opus: redundancy, background that is not decoded, tones that are.

use std::time::Duration;

use media::codec::{CodecKind, OpusParams, SendFormat};
use media::dsp;
use media::sim::{Dice, LinkConfig};
use media::source::{file, tone};
use media::{Ptime, SampleRate};

use crate::stream::{Stream, Talker};

const FULL: SampleRate = SampleRate::FULL;

/// Five seconds of a man.
fn speech() -> Vec<i16> {
    let file = include_bytes!("../data/audio/speech-a-16k.wav");
    file::decode_at(file, FULL).unwrap().samples().to_vec()
}

fn opus(params: OpusParams) -> SendFormat {
    SendFormat { opus: params, ..SendFormat::new(CodecKind::Opus) }
}

fn level(samples: &[i16]) -> f32 {
    dsp::rms_dbfs(dsp::energy(samples), samples.len())
}

#[test]
fn what_is_lost_alone_is_recovered_from_the_next_packet() {
    let lossy = LinkConfig { loss: 0.05, ..LinkConfig::perfect(2) };
    let mut heard = Vec::new();
    for fec in [false, true] {
        let format = opus(OpusParams { fec, ..OpusParams::DEFAULT });
        let mut stream =
            Stream::new(Talker { format, ..Talker::new(CodecKind::Opus, speech()) }, lossy, FULL);
        stream.listen(60 * 50);
        let lost = Ptime::TICK.duration() * stream.link_stats().lost as u32;
        heard.push((stream.stats(), lost));
    }
    let (without, lost) = heard[0];
    assert_eq!(without.recovered, Duration::ZERO);
    assert!((without.loss - 0.05).abs() < 0.015);
    // Nine of ten losses at 5 % have the next packet; pauses hold no redundancy.
    let (with, _) = heard[1];
    assert!(with.recovered > lost * 6 / 10, "{:?} of {lost:?}", with.recovered);
    assert!(with.concealed + with.recovered <= lost + Duration::from_millis(100), "{with:?}");
    assert!(with.loss < without.loss / 2.0, "{} {}", with.loss, without.loss);
}

#[test]
fn quiet_background_is_not_decoded_and_speech_after_it_is_heard() {
    let mut dice = Dice::new(9);
    let noise = |dice: &mut Dice| (dice.bits() >> 48) as i16 / 2_000; // about -66 dBFS
    let background: Vec<i16> = (0..10 * 48_000).map(|_| noise(&mut dice)).collect();
    let says = [background, speech()].concat();
    let seconds = says.len() / 48_000;
    let talker = Talker::new(CodecKind::Opus, says);
    let mut stream = Stream::new(talker, LinkConfig::perfect(1), FULL);
    stream.listen(50 * 9);
    let quiet = stream.stats();
    assert!(quiet.packets_skipped > 300, "{quiet:?}");
    assert!(quiet.packets_decoded < 150, "{quiet:?}");
    let heard = stream.listen(50 * (seconds - 9));
    let loudest = heard.chunks(4_800).map(level).fold(f32::MIN, f32::max);
    let spoken = speech().chunks(4_800).map(level).fold(f32::MIN, f32::max);
    assert!((loudest - spoken).abs() < 2.0, "{loudest}, {spoken}");
    assert_eq!(quiet.concealed, Duration::ZERO);
}

#[test]
fn a_steady_tone_is_heard_though_the_encoder_takes_it_for_background() {
    for dbfs in [-12.0, -30.0, -45.0] {
        let says = tone::sine(FULL, 440.0, dbfs, 48_000);
        let mut stream =
            Stream::new(Talker::new(CodecKind::Opus, says), LinkConfig::perfect(1), FULL);
        stream.listen(50 * 20);
        let heard = stream.listen(50 * 10);
        for piece in heard.chunks(4_800) {
            assert!((level(piece) - dbfs).abs() < 3.0, "{dbfs}: {}", level(piece));
        }
        assert_eq!(stream.stats().packets_skipped, 0, "{dbfs}");
    }
}

#[test]
fn a_pure_tone_through_a_drifting_clock_has_no_click_and_no_hole() {
    const HZ: f64 = 437.0;
    for (codec, drift_ppm) in [
        (CodecKind::L16Narrow, 300.0),
        (CodecKind::L16Narrow, -300.0),
        (CodecKind::L16Wide, 300.0),
        (CodecKind::L16Wide, -300.0),
    ] {
        let rate = codec.sample_rate();
        let says = tone::sine(rate, HZ as f32, -12.0, rate.hz() as usize);
        let talker = Talker { drift_ppm, ..Talker::new(codec, says) };
        let mut stream = Stream::new(talker, LinkConfig::perfect(1), rate);
        stream.listen(50);
        let heard = stream.listen(50 * 600);
        let stats = stream.stats();
        let moved = stats.stretched + stats.compressed;
        assert!(moved > Duration::from_millis(150) && stats.concealed.is_zero(), "{stats:?}");
        // A sine is foretold by its last two samples. What is not so is a click: a jump by a tenth of
        // a period would be 5,000.
        let turn = 2.0 * (std::f64::consts::TAU * HZ / f64::from(rate.hz())).cos();
        let surprise = |w: &[i16]| f64::from(w[2]) - turn * f64::from(w[1]) + f64::from(w[0]);
        let largest = heard.windows(3).map(|w| surprise(w).abs()).fold(0.0, f64::max);
        assert!(largest < 250.0, "{codec:?} {drift_ppm}: {largest}");
        for piece in heard.chunks(rate.hz() as usize / 50) {
            assert!((level(piece) + 12.0).abs() < 1.0, "{codec:?} {drift_ppm}: {}", level(piece));
        }
    }
}

#[test]
fn speech_keeps_its_loudness_and_has_no_holes_while_the_clock_drifts() {
    for (codec, drift_ppm) in [(CodecKind::Pcmu, 300.0), (CodecKind::G722, -300.0)] {
        let rate = codec.sample_rate();
        let file = include_bytes!("../data/audio/speech-a-16k.wav");
        let says = file::decode_at(file, rate).unwrap().samples().to_vec();
        let length = says.len();
        let whole = level(&says);
        let talker = Talker { drift_ppm, ..Talker::new(codec, says) };
        let mut stream = Stream::new(talker, LinkConfig::perfect(1), rate);
        stream.listen(50);
        let heard = stream.listen(50 * 120);
        let stats = stream.stats();
        assert!(stats.stretched + stats.compressed > Duration::from_millis(20), "{stats:?}");
        assert!(stats.concealed < Duration::from_millis(50), "{stats:?}");
        // Each repetition of the sentence is as loud as it was spoken.
        for piece in heard.chunks_exact(length) {
            assert!((level(piece) - whole).abs() < 0.5, "{codec:?}: {}, {whole}", level(piece));
        }
    }
}
