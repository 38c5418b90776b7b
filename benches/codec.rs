//! 20 ms through each codec: encoding, decoding, and what is told from a payload without it.
//!
//! Real speech: the cost of Opus depends on what is said. One iteration is one frame, and the clip of
//! five seconds repeats.

use std::hint::black_box;

use criterion::{
    BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime,
};
use media::codec::{ComfortNoise, Decoder, Encoder, OpusParams, SendFormat, activity};
use media::dsp::Resampler;
use media::source::file;
use media::{CodecKind, Ptime, SampleRate};

fn speech(rate: SampleRate) -> Vec<i16> {
    let file = include_bytes!("../media/tests/data/audio/speech-a-16k.wav");
    let pcm = file::decode(file, SampleRate::WIDE).expect("our own file");
    let whole = &pcm.samples()[..pcm.samples().len() / 160 * 160];
    let mut out = vec![0; whole.len() * rate.hz() as usize / 16_000];
    Resampler::new(pcm.rate(), rate).expect("a telephone rate").process(whole, &mut out);
    out
}

fn both_ways(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    format: &SendFormat,
    mix: SampleRate,
) {
    let rate = format.codec.pcm_rate(mix);
    let samples = rate.samples(Ptime::TICK);
    let pcm = speech(rate);
    let mut frames = pcm.chunks_exact(samples).cycle();
    let mut encoder = Encoder::new(format, mix).expect("a rate of the codec");
    let mut payload = vec![0; format.codec.max_payload_bytes(Ptime::TICK)];
    group.bench_function(format!("{name}/encode"), |b| {
        b.iter(|| {
            encoder.encode(black_box(frames.next().expect("endless")), black_box(&mut payload))
        });
    });

    encoder.reset();
    let packets: Vec<Vec<u8>> = pcm
        .chunks_exact(samples)
        .map(|frame| {
            let bytes = encoder.encode(frame, &mut payload);
            payload[..bytes].to_vec()
        })
        .filter(|packet| !packet.is_empty())
        .collect();
    let bytes: usize = packets.iter().map(Vec::len).sum();
    let sent = (packets.len(), pcm.len() / samples);
    println!("{name}: {} of {} packets, {} bit/s", sent.0, sent.1, bytes * 8 * 50 / sent.1);

    let mut next = packets.iter().cycle();
    let mut decoder = Decoder::new(format.codec, mix).expect("a rate of the codec");
    let mut out = vec![0; samples];
    group.bench_function(format!("{name}/decode"), |b| {
        b.iter(|| decoder.decode(black_box(next.next().expect("endless")), black_box(&mut out)));
    });
    if decoder.conceal(&mut out) {
        group.bench_function(format!("{name}/conceal"), |b| {
            b.iter(|| {
                // Made up every third time only: concealment fades to nothing, and then costs less.
                decoder.decode(next.next().expect("endless"), &mut out);
                decoder.decode(next.next().expect("endless"), &mut out);
                decoder.conceal(black_box(&mut out))
            });
        });
    }
    if packets.iter().any(|packet| decoder.decode_fec(packet, &mut out)) {
        group.bench_function(format!("{name}/decode_fec"), |b| {
            b.iter(|| {
                decoder.decode_fec(black_box(next.next().expect("endless")), black_box(&mut out))
            });
        });
    }
    group.bench_function(format!("{name}/activity"), |b| {
        b.iter(|| activity(format.codec, black_box(next.next().expect("endless"))));
    });
    let mut copy = Encoder::new(format, mix).expect("a rate of the codec");
    group
        .bench_function(format!("{name}/copy"), |b| b.iter(|| copy.copy_from(black_box(&encoder))));
}

fn fixed(c: &mut Criterion) {
    let mut group = c.benchmark_group("codec");
    for codec in [CodecKind::Pcmu, CodecKind::Pcma, CodecKind::G722, CodecKind::L16Wide] {
        both_ways(&mut group, codec.name(), &SendFormat::new(codec), SampleRate::WIDE);
    }
    let mut noise = ComfortNoise::new();
    noise.update(&[60, 90, 140, 120, 130, 127, 110, 150, 120, 99, 99]);
    let mut out = [0; 160];
    group.bench_function("CN/fill", |b| b.iter(|| noise.fill(black_box(&mut out))));
    group.finish();
}

fn opus(c: &mut Criterion) {
    let mut group = c.benchmark_group("codec/opus");
    let plain = OpusParams::DEFAULT;
    for mix in [SampleRate::NARROW, SampleRate::WIDE, SampleRate::FULL] {
        for complexity in [0, 5, 7, 10] {
            for (kind, params) in [
                ("", plain),
                ("-fec", OpusParams { fec: true, ..plain }),
                ("-dtx", OpusParams { dtx: true, ..plain }),
            ] {
                let opus = OpusParams { complexity, ..params };
                let format = SendFormat { opus, ..SendFormat::new(CodecKind::Opus) };
                let name = format!("{}k-cx{complexity}{kind}", mix.hz() / 1_000);
                both_ways(&mut group, &name, &format, mix);
            }
        }
    }
    group.finish();
}

criterion_group!(benches, fixed, opus);
criterion_main!(benches);
