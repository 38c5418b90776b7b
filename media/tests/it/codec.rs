//! Every codec by what comes out of it: signal against noise, band by band, and streams that go on
//! through a copied encoder.

use media::codec::{Activity, Decoder, Encoder, OpusParams, SendFormat, activity};
use media::dsp::goertzel_dbfs;
use media::source::{file, tone};
use media::{CodecKind, Ptime, SampleRate};
use proptest::prelude::*;

const RATES: [SampleRate; 3] = [SampleRate::NARROW, SampleRate::WIDE, SampleRate::FULL];

/// Five seconds each of a man and a woman.
fn speeches(rate: SampleRate) -> [Vec<i16>; 2] {
    let files = [
        &include_bytes!("../data/audio/speech-a-16k.wav")[..],
        &include_bytes!("../data/audio/speech-b-16k.wav")[..],
    ];
    files.map(|bytes| file::decode_at(bytes, rate).unwrap().samples().to_vec())
}

/// What a far end plays; the last part of a packet is left out.
fn through(format: &SendFormat, mix: SampleRate, pcm: &[i16]) -> Vec<i16> {
    let rate = format.codec.pcm_rate(mix);
    let mut encoder = Encoder::new(format, mix).unwrap();
    let mut decoder = Decoder::new(format.codec, mix).unwrap();
    let mut heard = Vec::new();
    for frame in pcm.chunks_exact(rate.samples(format.ptime)) {
        let mut payload = vec![0; format.codec.max_payload_bytes(format.ptime)];
        let bytes = encoder.encode(frame, &mut payload);
        let units = format.codec.payload_units(&payload[..bytes]);
        assert_eq!(units, format.codec.clock_units(format.ptime), "{format:?}");
        let mut out = vec![0; frame.len()];
        assert_eq!(decoder.decode(&payload[..bytes], &mut out), frame.len(), "{format:?}");
        heard.extend(out);
    }
    heard
}

fn opus(params: OpusParams) -> SendFormat {
    SendFormat { opus: params, ..SendFormat::new(CodecKind::Opus) }
}

/// Formats that differ in how they encode.
fn formats() -> Vec<SendFormat> {
    let mut all: Vec<_> = CodecKind::ALL.into_iter().map(SendFormat::new).collect();
    for complexity in [0, 5, 10] {
        for (fec, dtx) in [(false, false), (true, false), (false, true)] {
            all.push(opus(OpusParams { complexity, fec, dtx, ..OpusParams::DEFAULT }));
        }
    }
    all.push(SendFormat { ptime: Ptime::Ms30, ..SendFormat::new(CodecKind::Opus) });
    all
}

fn power(samples: impl Iterator<Item = f64>) -> f64 {
    samples.map(|sample| sample * sample).sum()
}

/// Of what was heard `delay` samples later, in dB.
fn snr_db(sent: &[i16], heard: &[i16], delay: usize) -> f64 {
    let pairs = sent.iter().zip(&heard[delay..]);
    let noise = pairs.map(|(&sent, &heard)| f64::from(heard) - f64::from(sent));
    let count = sent.len().min(heard.len() - delay);
    10.0 * (power(sent[..count].iter().map(|&s| f64::from(s))) / power(noise)).log10()
}

/// The delay at which `heard` is most like `sent`.
fn delay(sent: &[i16], heard: &[i16], most: usize) -> usize {
    let likeness = |delay: usize| -> i64 {
        sent.iter().zip(&heard[delay..]).map(|(&a, &b)| i64::from(a) * i64::from(b)).sum()
    };
    (0..most).max_by_key(|&delay| likeness(delay)).unwrap()
}

/// Signal against noise within bands, in dB: of 20 ms frames through a Hann window, bin by bin.
fn band_snr_db(sent: &[i16], heard: &[i16], rate: SampleRate, bands: &[(f64, f64)]) -> Vec<f64> {
    let size = rate.samples(Ptime::TICK);
    let turn: Vec<(f64, f64)> = (0..size)
        .map(|n| (2.0 * std::f64::consts::PI * n as f64 / size as f64).sin_cos())
        .collect();
    let hann = |n: usize| 0.5 - 0.5 * turn[n].1;
    let bin = |frame: &[f64], k: usize| {
        frame.iter().enumerate().fold((0.0, 0.0), |(re, im), (n, sample)| {
            let (sin, cos) = turn[n * k % size];
            (re + sample * cos, im - sample * sin)
        })
    };
    let mut sums = vec![(0.0, 0.0); bands.len()];
    for (sent, heard) in sent.chunks_exact(size).zip(heard.chunks_exact(size)) {
        let clean: Vec<f64> = (0..size).map(|n| hann(n) * f64::from(sent[n])).collect();
        let noise: Vec<f64> =
            (0..size).map(|n| hann(n) * (f64::from(heard[n]) - f64::from(sent[n]))).collect();
        for ((low, high), (signal, error)) in bands.iter().zip(&mut sums) {
            let step = f64::from(rate.hz()) / size as f64;
            for k in (low / step).ceil() as usize..(high / step).ceil() as usize {
                let ((a, b), (c, d)) = (bin(&clean, k), bin(&noise, k));
                *signal += a * a + b * b;
                *error += c * c + d * d;
            }
        }
    }
    sums.into_iter().map(|(signal, error)| 10.0 * (signal / error).log10()).collect()
}

#[test]
fn g711_keeps_noise_33_db_below_speech_and_tones() {
    let rate = SampleRate::NARROW;
    for codec in [CodecKind::Pcmu, CodecKind::Pcma] {
        let format = SendFormat::new(codec);
        for said in speeches(rate) {
            let heard = through(&format, rate, &said);
            let snr = snr_db(&said, &heard, 0);
            assert!(snr >= 33.0, "{codec:?}: {snr}");
        }
        for level in [-3.0, -10.0, -20.0, -30.0] {
            let said = tone::sine(rate, 1_020.0, level, 8_000);
            let snr = snr_db(&said, &through(&format, rate, &said), 0);
            assert!(snr >= 33.0, "{codec:?} at {level} dB: {snr}");
        }
    }
}

#[test]
fn l16_changes_nothing() {
    for (codec, rate) in
        [(CodecKind::L16Wide, SampleRate::WIDE), (CodecKind::L16Narrow, SampleRate::NARROW)]
    {
        for ptime in Ptime::ALL {
            let format = SendFormat { ptime, ..SendFormat::new(codec) };
            let [said, _] = speeches(rate);
            let heard = through(&format, SampleRate::FULL, &said);
            assert_eq!(heard, said[..heard.len()]);
        }
    }
}

#[test]
fn g722_and_opus_keep_noise_below_speech_band_by_band() {
    let rate = SampleRate::WIDE;
    let bands = [(100.0, 500.0), (500.0, 1e3), (1e3, 2e3), (2e3, 4e3), (4e3, 7e3)];
    let at = |bitrate| opus(OpusParams { bitrate, ..OpusParams::DEFAULT });
    // Opus filters out what lies below the voice, which turns the phase of the lowest band.
    for (format, least) in [
        (SendFormat::new(CodecKind::G722), [36.0, 36.0, 30.0, 22.0, 6.0]),
        (at(24_000), [7.0, 14.0, 15.0, 11.5, 3.0]),
        (at(32_000), [7.0, 15.0, 18.5, 15.0, 5.0]),
        // Complexity 7 gives the lower and the highest band what 5 gave this one: 23 dB there.
        (at(64_000), [7.0, 16.0, 20.5, 21.5, 14.5]),
    ] {
        for said in speeches(rate) {
            let heard = through(&format, rate, &said);
            let late = delay(&said, &heard, 400);
            let snr = band_snr_db(&said, &heard[late..], rate, &bands);
            println!("{:?} {}: {snr:.1?} dB, {late} late", format.codec, format.opus.bitrate);
            assert!(snr.iter().zip(least).all(|(snr, least)| *snr >= least), "{snr:.1?}");
        }
    }
}

#[test]
fn tones_keep_their_level() {
    for codec in CodecKind::ALL {
        for mix in RATES {
            let rate = codec.pcm_rate(mix);
            for ptime in Ptime::ALL {
                let format = SendFormat { ptime, ..SendFormat::new(codec) };
                let second = rate.hz() as usize;
                let heard = through(&format, mix, &tone::sine(rate, 1_000.0, -12.0, 2 * second));
                let level = goertzel_dbfs(&heard[second..], rate.hz(), 1_000.0);
                assert!((level + 12.0).abs() < 0.5, "{codec:?} {mix:?} {ptime:?}: {level}");
            }
        }
    }
}

#[test]
fn g722_encodes_and_decodes_as_a_foreign_program_does() {
    let theirs = include_bytes!("../data/g722/speech-a.g722");
    let decoded = include_bytes!("../data/g722/speech-a.pcm");
    let decoded: Vec<i16> =
        decoded.as_chunks::<2>().0.iter().map(|&bytes| i16::from_le_bytes(bytes)).collect();
    let [said, _] = speeches(SampleRate::WIDE);

    let mut encoder = Encoder::new(&SendFormat::new(CodecKind::G722), SampleRate::WIDE).unwrap();
    let mut payload = vec![0; theirs.len()];
    assert_eq!(encoder.encode(&said[16_000..32_000], &mut payload), theirs.len());
    assert!(payload == theirs);

    let mut decoder = Decoder::new(CodecKind::G722, SampleRate::WIDE).unwrap();
    let mut pcm = vec![0; decoded.len()];
    assert_eq!(decoder.decode(theirs, &mut pcm), decoded.len());
    assert!(pcm == decoded);
}

/// A listener leaves a shared encoder for a private one: what it hears is one stream.
#[test]
fn a_copied_encoder_goes_on_with_the_stream_bit_by_bit() {
    for (format, mix) in formats().into_iter().flat_map(|f| RATES.map(|mix| (f, mix))) {
        let rate = format.codec.pcm_rate(mix);
        let [said, other] = speeches(rate);
        let mut shared = Encoder::new(&format, mix).unwrap();
        let mut private = Encoder::new(&format, mix).unwrap();
        // It was used before, for something else.
        let mut payloads = [[0; 1_275]; 2];
        for frame in other.chunks_exact(rate.samples(format.ptime)).take(20) {
            private.encode(frame, &mut payloads[0]);
        }
        let mut parted = false;
        for (n, frame) in said.chunks_exact(rate.samples(format.ptime)).enumerate() {
            let bytes = shared.encode(frame, &mut payloads[0]);
            match n {
                0..60 => {}
                60 => private.copy_from(&shared),
                61..150 => {
                    assert_eq!(private.encode(frame, &mut payloads[1]), bytes, "{format:?} {n}");
                    assert_eq!(payloads[0][..bytes], payloads[1][..bytes], "{format:?} {n}");
                }
                // From here on they hear different things, and neither disturbs the other.
                _ => {
                    private.encode(&other[..frame.len()], &mut payloads[1]);
                    parted |= payloads[0] != payloads[1];
                }
            }
        }
        assert!(parted, "{format:?}");
    }
}

#[test]
fn a_reset_begins_a_stream() {
    for (format, mix) in formats().into_iter().flat_map(|f| RATES.map(|mix| (f, mix))) {
        let rate = format.codec.pcm_rate(mix);
        let [said, other] = speeches(rate);
        let (mut encoder, mut fresh) =
            (Encoder::new(&format, mix).unwrap(), Encoder::new(&format, mix).unwrap());
        let (mut decoder, mut fresh_decoder) =
            (Decoder::new(format.codec, mix).unwrap(), Decoder::new(format.codec, mix).unwrap());
        let samples = rate.samples(format.ptime);
        let mut payload = [0; 1_275];
        let mut pcm = vec![0; samples];
        for frame in other.chunks_exact(samples).take(50) {
            let bytes = encoder.encode(frame, &mut payload);
            decoder.decode(&payload[..bytes], &mut pcm);
        }
        encoder.reset();
        decoder.reset();
        for frame in said.chunks_exact(samples).take(50) {
            let mut expected = [0; 1_275];
            let bytes = encoder.encode(frame, &mut payload);
            assert_eq!(fresh.encode(frame, &mut expected), bytes, "{format:?}");
            assert_eq!(payload[..bytes], expected[..bytes], "{format:?}");
            let mut again = vec![0; samples];
            let decoded = decoder.decode(&payload[..bytes], &mut pcm);
            assert_eq!(fresh_decoder.decode(&payload[..bytes], &mut again), decoded);
            assert_eq!(pcm[..decoded], again[..decoded], "{format:?}");
        }
    }
}

#[test]
fn only_opus_depends_on_the_rate_of_the_mix() {
    let mix = SampleRate::new(44_100).unwrap();
    for codec in CodecKind::ALL {
        let available = codec != CodecKind::Opus;
        assert_eq!(Encoder::new(&SendFormat::new(codec), mix).is_ok(), available);
        assert_eq!(Decoder::new(codec, mix).is_ok(), available);
    }
}

#[test]
fn digital_silence_is_told_from_the_payload() {
    for codec in [CodecKind::Pcmu, CodecKind::Pcma, CodecKind::L16Wide, CodecKind::L16Narrow] {
        let mut encoder = Encoder::new(&SendFormat::new(codec), SampleRate::WIDE).unwrap();
        let mut payload = [0; 640];
        let bytes = encoder.encode(&[0; 320], &mut payload);
        assert_eq!(activity(codec, &payload[..bytes]), Activity::Silence, "{codec:?}");
        encoder.encode(&[900], &mut payload[bytes - 2..]);
        assert_eq!(activity(codec, &payload[..bytes]), Activity::Unknown, "{codec:?}");
    }
    assert_eq!(activity(CodecKind::G722, &[0; 160]), Activity::Unknown);
    assert_eq!(activity(CodecKind::Opus, &[]), Activity::Unknown);
    assert_eq!(activity(CodecKind::Opus, &[0x08]), Activity::Silence);
}

proptest! {
    #[test]
    fn no_payload_breaks_a_decoder_and_none_overruns(
        codec in proptest::sample::select(&CodecKind::ALL[..]),
        mix in proptest::sample::select(&RATES[..]),
        payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..400), 1..8),
        room in 0..3_000usize,
    ) {
        let mut decoder = Decoder::new(codec, mix).unwrap();
        let mut out = vec![0; room];
        for payload in &payloads {
            activity(codec, payload);
            let units = codec.payload_units(payload) as usize;
            let rate = codec.pcm_rate(mix).hz() as usize;
            let most = (units * rate).div_ceil(codec.clock_hz() as usize);
            prop_assert!(decoder.decode(payload, &mut out) <= most.min(room));
            decoder.decode_fec(payload, &mut out);
            decoder.conceal(&mut out);
        }
    }

    #[test]
    fn no_audio_breaks_an_encoder(
        codec in proptest::sample::select(&CodecKind::ALL[..]),
        mix in proptest::sample::select(&RATES[..]),
        ptime in proptest::sample::select(&Ptime::ALL[..]),
        pcm in proptest::collection::vec(any::<i16>(), 0..3_000),
        room in 0..4_000usize,
    ) {
        let format = SendFormat { ptime, ..SendFormat::new(codec) };
        let mut encoder = Encoder::new(&format, mix).unwrap();
        let mut out = vec![0; room];
        prop_assert!(encoder.encode(&pcm, &mut out) <= room);
        let samples = codec.pcm_rate(mix).samples(ptime).min(pcm.len());
        prop_assert!(encoder.encode(&pcm[..samples], &mut out) <= room);
    }
}
