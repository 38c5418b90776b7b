//! What the mixer does to one frame of 20 ms, kernel by kernel.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use media::dsp::Resampler;
use media::source::tone;
use media::{Ptime, SampleRate};

const NARROW: SampleRate = SampleRate::NARROW;
const WIDE: SampleRate = SampleRate::WIDE;
const FULL: SampleRate = SampleRate::FULL;

fn resample(c: &mut Criterion) {
    let mut group = c.benchmark_group("dsp/resample");
    for (from, to) in
        [(NARROW, WIDE), (WIDE, NARROW), (NARROW, FULL), (FULL, NARROW), (WIDE, FULL), (FULL, WIDE)]
    {
        let input = tone::sine(from, 440.0, -12.0, from.samples(Ptime::TICK));
        let mut out = vec![0; to.samples(Ptime::TICK)];
        let mut resampler = Resampler::new(from, to).expect("a ratio of small numbers");
        group.throughput(Throughput::Elements(out.len().max(input.len()) as u64));
        let name = format!("{} to {} kHz", from.hz() / 1_000, to.hz() / 1_000);
        group.bench_function(name, |b| {
            b.iter(|| resampler.process(black_box(&input), black_box(&mut out)));
        });
    }
    group.finish();
}

criterion_group!(benches, resample);
criterion_main!(benches);
