//! One frame of 20 ms through each codec, both ways.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use media::source::tone;
use media::{CodecKind, Ptime, SampleRate};

fn codec(c: &mut Criterion) {
    let samples = SampleRate::NARROW.samples(Ptime::TICK);
    let pcm = tone::sine(SampleRate::NARROW, 440.0, -12.0, samples);
    for codec in [CodecKind::Pcmu, CodecKind::Pcma] {
        let mut group = c.benchmark_group(format!("codec/{}", codec.name()));
        group.throughput(Throughput::Elements(samples as u64));
        let mut payload = vec![0; codec.encoded_len(samples)];
        group.bench_function("encode", |b| {
            b.iter(|| codec.encode(black_box(&pcm), black_box(&mut payload)));
        });
        let mut decoded = vec![0; samples];
        group.bench_function("decode", |b| {
            b.iter(|| codec.decode(black_box(&payload), black_box(&mut decoded)));
        });
        group.bench_function("is_silence", |b| b.iter(|| codec.is_silence(black_box(&payload))));
        group.finish();
    }
}

criterion_group!(benches, codec);
criterion_main!(benches);
